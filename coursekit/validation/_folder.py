"""Finished folds on disk: written whole or not at all, and used only by the run they belong to."""

import json
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from coursekit._files import write_whole

FORMAT = 1


class Fold(NamedTuple):
    """What one fold left behind."""

    scores: dict[str, float]
    train_scores: dict[str, float]
    history: dict[str, list[float]]
    predictions: np.ndarray


class Folder:
    """A folder that keeps the finished folds of one cross-validation.

    Args:
        path: the folder; made if it is missing.
        parts: what the run depends on, by name, as `coursekit._fingerprint` gives it.

    Raises:
        ValueError: if the folder holds folds of another run; the error names what differs.
    """

    def __init__(self, path, parts: dict[str, str]):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"`folder` must be a folder. Received: the file {self.path}")
        self.path.mkdir(parents=True, exist_ok=True)
        run = self.path / "run.json"
        wanted = {"format": FORMAT, **parts}
        if run.exists():
            try:
                kept = json.loads(run.read_text(encoding="utf-8"))
            except ValueError:
                kept = {}
            differ = [name for name in wanted if kept.get(name) != wanted[name]]
            if differ:
                raise ValueError(
                    f"`folder` must be new or hold this very cross-validation. Received: "
                    f"{self.path}, whose folds come from another one: {_words(differ)} "
                    f"{'differs' if len(differ) == 1 else 'differ'}. Choose another folder, or "
                    "delete this one."
                    + (
                        " (A splitter that shuffles needs a random_state.)"
                        if differ == ["splits"]
                        else ""
                    )
                )
        elif any(self.path.glob("fold_*.npz")):
            raise ValueError(
                "`folder` must be new or hold this very cross-validation. Received: "
                f"{self.path}, which has folds and no run.json. Choose another folder."
            )
        else:
            write_whole(run, json.dumps(wanted, indent=1))

    def _file(self, fold: int) -> Path:
        return self.path / f"fold_{fold:04d}.npz"

    def load(self, fold: int, rows: int) -> Fold | None:
        """Return a finished fold with predictions for so many rows, or None."""
        file = self._file(fold)
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as kept:
                numbers = json.loads(str(kept["numbers"]))
                predictions = kept["predictions"]
            if len(predictions) != rows:
                raise ValueError(f"{len(predictions)} predictions for {rows} rows")
            return Fold(numbers["scores"], numbers["train_scores"], numbers["history"], predictions)
        except Exception as error:  # zip, JSON and NumPy each have their own
            warnings.warn(
                f"{file} is damaged ({type(error).__name__}: {error}); fold {fold} trains anew.",
                stacklevel=4,
            )
            return None

    def save(self, fold: int, result: Fold) -> None:
        """Keep a finished fold."""
        numbers = json.dumps(
            {
                "scores": result.scores,
                "train_scores": result.train_scores,
                "history": result.history,
            }
        )
        write_whole(
            self._file(fold),
            lambda file: np.savez_compressed(
                file, numbers=np.array(numbers), predictions=result.predictions
            ),
        )


def _words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
