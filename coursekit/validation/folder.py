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

    Of a function count its code, and the numbers, words and neighbouring functions that it reads
    from outside; of a model its configuration, not its weights.
    """
    digest = hashlib.sha256()
    _feed(digest, value, set())
    return digest.hexdigest()[:16]


PLAIN = bool, int, float, str, bytes, np.generic, type(None)


def _feed(digest, value, seen: set[int]) -> None:
    def add(*words):
        for word in words:
            digest.update(str(word).encode() + b"\0")

    def feed(*values):
        for one in values:
            _feed(digest, one, seen)

    if isinstance(value, PLAIN):
        add(type(value).__name__, value)
    elif hasattr(value, "get_compile_config"):
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
        feed(*(value.iloc[:, k].to_numpy() for k in range(value.shape[1])))
    elif isinstance(value, np.ndarray):
        add(value.dtype.str, value.shape)
        if value.dtype.hasobject:
            add(*value.ravel())
        else:
            digest.update(np.ascontiguousarray(value))
    elif isinstance(value, dict):
        add("dict", len(value))
        for key in sorted(value, key=str):
            feed(key, value[key])
    elif isinstance(value, list | tuple):
        add("list", len(value))
        feed(*value)
    elif isinstance(value, types.FunctionType):
        if id(value) not in seen:  # it may call itself
            seen.add(id(value))
            feed(value.__code__, value.__defaults__, value.__kwdefaults__)
            for name, other in _read_from_outside(value):
                add(name)
                feed(other)
    elif isinstance(value, types.CodeType):
        add("code", value.co_code.hex(), value.co_names)
        feed(*value.co_consts)
    elif isinstance(value, functools.partial):
        add("partial")
        feed(value.func, value.args, value.keywords)
    elif hasattr(value, "_score_func"):  # what scikit-learn's make_scorer returns
        add(repr(value))
    elif hasattr(value, "get_params") and not isinstance(value, type):
        add(type(value).__qualname__)
        feed(value.get_params(deep=False))
    else:
        add(_kind(value))


def _read_from_outside(function) -> list[tuple[str, object]]:
    """The plain values, arrays and functions of the same module that a function refers to."""
    found = {}
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        found |= {n: function.__globals__[n] for n in code.co_names if n in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return [
        (name, value)
        for name, value in sorted(found.items())
        if isinstance(value, (*PLAIN, tuple, np.ndarray))
        or (isinstance(value, types.FunctionType) and value.__module__ == function.__module__)
    ]


def _kind(value) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)
