"""Finished folds on disk: written whole or not at all, and used only by the run they belong to."""

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coursekit._checks import brief
from coursekit._claim import Claim, Parts
from coursekit._files import write_whole

OUTPUT = "predictions of "  # with the name of one of several outputs


class Fold(NamedTuple):
    """What one fold left behind."""

    scores: dict[str, float]
    train_scores: dict[str, float]
    history: dict[str, list[float]]
    predictions: Any  # an array; of several outputs a dict of arrays


class Folder:
    """A folder that keeps the finished folds of one cross-validation.

    Args:
        path: the folder; made if it is missing.
        parts: what the run depends on.

    Raises:
        ValueError: if the folder holds folds of another run; the error names what differs.
    """

    def __init__(self, path, parts: Parts):
        path = Path(path)
        self.claim = Claim(path, parts, empty=not any(path.glob("fold_*.npz")))
        self.path = path

    def _file(self, fold: int) -> Path:
        return self.path / f"fold_{fold:04d}.npz"

    def load(self, fold: int, rows: int, scorers=None) -> Fold | None:
        """Return a finished fold with predictions for so many rows, or None."""
        file = self._file(fold)
        if not file.exists():
            return None
        if file.is_dir():
            raise ValueError(
                f"`folder` must hold files. Received: {file}, a folder. Choose another folder."
            )
        try:
            with np.load(file, allow_pickle=False) as kept:
                numbers = json.loads(str(kept["numbers"]))
                arrays = {name: kept[name] for name in kept.files if name != "numbers"}
            return self._checked(numbers, arrays, fold, rows, scorers)
        except Exception as error:  # zip, JSON and NumPy each have their own
            warnings.warn(
                f"{file} is damaged ({type(error).__name__}: {error}); fold {fold} trains anew.",
                stacklevel=4,
            )
            return None

    def _checked(self, numbers, arrays, fold: int, rows: int, scorers) -> Fold:
        if numbers["fold"] != fold or numbers["run"] != self.claim.key:
            raise ValueError("it belongs to another fold or run")
        for one in arrays.values():
            if len(one) != rows or one.dtype.kind not in "biuf":
                raise ValueError(f"{len(one)} predictions for {rows} rows")
        predictions = {name.removeprefix(OUTPUT): one for name, one in arrays.items()}
        scores = numbers["scores"], numbers["train_scores"]
        for one in scores:
            if scorers is not None and set(one) != set(scorers):
                raise ValueError(f"scores of {brief(sorted(one))}")
            wrong = [v for v in one.values() if type(v) not in (int, float)]
            if wrong:
                raise ValueError(f"a score of {brief(wrong[0])}")
        curves = numbers["history"]
        if not all(type(v) in (int, float) for curve in curves.values() for v in curve):
            raise ValueError("a history that holds no numbers")
        if "predictions" in arrays:
            return Fold(*scores, curves, arrays["predictions"])
        return Fold(*scores, curves, predictions)

    def save(self, fold: int, result: Fold) -> None:
        """Keep a finished fold."""
        self.claim.note_state()
        numbers = json.dumps(
            {
                "fold": fold,
                "run": self.claim.key,
                "scores": result.scores,
                "train_scores": result.train_scores,
                "history": result.history,
            }
        )
        arrays = {"predictions": result.predictions}
        if isinstance(result.predictions, dict):
            arrays = {OUTPUT + name: one for name, one in result.predictions.items()}
        write_whole(
            self._file(fold),
            lambda file: np.savez_compressed(file, numbers=np.array(numbers), **arrays),
        )
