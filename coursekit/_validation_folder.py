"""Finished folds on disk: written whole or not at all, and used only by the run they belong to."""

import functools
import hashlib
import json
import os
import re
import types
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
        parts: what the run depends on, by name, as `fingerprint` gives it.

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
            content = json.dumps(wanted, indent=1).encode()
            _write(run, lambda file: file.write(content))

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
        _write(
            self._file(fold),
            lambda file: np.savez_compressed(
                file, numbers=np.array(numbers), predictions=result.predictions
            ),
        )


def write_new(path: Path, content: str) -> None:
    """Write a text file whole or not at all."""
    _write(path, lambda file: file.write(content.encode()))


def _write(path: Path, fill) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


# Fingerprints ---------------------------------------------------------------------------------


def fingerprint(value) -> str:
    """Return a short hash of data, settings, functions, scikit-learn objects or compiled models.

    Of a function the code counts, not what it reads from outside; of a model the configuration,
    not the weights.
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:16]


def _feed(digest, value) -> None:
    def add(*words):
        for word in words:
            digest.update(str(word).encode() + b"\0")

    if hasattr(value, "get_compile_config"):
        add("model", type(value).__name__, [tuple(w.shape) for w in value.weights])
        for config in (value.get_config, value.get_compile_config):
            try:
                text = json.dumps(config(), sort_keys=True, default=_kind)
            except Exception as error:  # a model of one's own need not have a configuration
                text = type(error).__name__
            # Keras counts names up: the same model is dense_3 now and dense_7 in the next call.
            add(re.sub(r"_\d+\b", "", text))
    elif hasattr(value, "iloc"):  # a table
        add("table", list(map(str, getattr(value, "columns", ()))), value.shape)
        columns = [value[c] for c in value] if value.ndim == 2 else [value]
        for column in columns:
            _feed(digest, column.to_numpy())
    elif isinstance(value, np.ndarray):
        add(value.dtype.str, value.shape)
        if value.dtype.hasobject:
            add(*value.ravel())
        else:
            digest.update(np.ascontiguousarray(value))
    elif isinstance(value, dict):
        add("dict", len(value))
        for key in sorted(value, key=str):
            _feed(digest, key)
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        add("list", len(value))
        for item in value:
            _feed(digest, item)
    elif isinstance(value, types.FunctionType):
        _feed(digest, value.__code__)
        _feed(digest, [value.__defaults__, value.__kwdefaults__])
    elif isinstance(value, types.CodeType):
        add("code", value.co_code.hex(), value.co_names)
        _feed(digest, [c for c in value.co_consts if not isinstance(c, str) or c != value.co_name])
    elif isinstance(value, functools.partial):
        _feed(digest, ["partial", value.func, value.args, value.keywords])
    elif hasattr(value, "_score_func"):  # what scikit-learn's make_scorer returns
        add(repr(value))
    elif hasattr(value, "get_params") and not isinstance(value, type):
        add(type(value).__qualname__)
        _feed(digest, value.get_params(deep=False))
    elif value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        add(type(value).__name__, value)
    else:
        add(_kind(value))


def _kind(value) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)
