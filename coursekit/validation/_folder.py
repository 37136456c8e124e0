"""Finished folds on disk: written whole or not at all, and used only by the run they belong to."""

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coursekit._checks import brief, is_number
from coursekit._files import write_whole
from coursekit._fingerprint import Untold, fingerprint, told

FORMAT = 2
OUTPUT = "predictions of "  # with the name of one of several outputs
CODE = "build_model", "preprocess", "scoring", "fit_kwargs"  # what these read may change


class Fold(NamedTuple):
    """What one fold left behind."""

    scores: dict[str, float]
    train_scores: dict[str, float]
    history: dict[str, list[float]]
    predictions: Any  # an array; of several outputs a dict of arrays


class Parts:
    """What a result depends on, taken apart.

    Args:
        values: by name: the data, and whatever decides what is made of them.
        version: stands for what cannot be told apart.

    Attributes:
        hashes: for each name a hash of everything that the value holds or reads, by expression.

    Raises:
        ValueError: for a part that cannot be told apart, without a version.
    """

    def __init__(self, values: dict[str, object], version: str | float | None = None):
        if version is not None and not (isinstance(version, str) or is_number(version)):
            raise ValueError(f"`version` must be a word or a number. Received: version={version!r}")
        self.values, self.version = values, version
        self.hashes = {"version": {"version": repr(version)}} if version is not None else {}
        self.hashes |= {name: self._told(name) for name in values}

    def _told(self, name: str) -> dict[str, str]:
        try:
            return told(self.values[name], name, version=self.version)
        except Untold as error:
            raise ValueError(
                f"{error}: pass version=..., a word or a number that you change with it."
            ) from None

    def moved(self) -> dict[str, list[str]]:
        """Return what the code itself has changed since the beginning, such as a counter."""
        found = {}
        for name in set(CODE) & set(self.values):
            now, before = self._told(name), self.hashes[name]
            moved = [k for k in before if k != name and before[k] != now.get(k, before[k])]
            if moved:
                found[name] = moved
        return found


class Claim:
    """A folder, and the recipe whose results it holds.

    Of what a function reads counts the value at the beginning of the call. What the recipe's own
    code changes while it runs, such as a list that it appends to, is its state: once that is seen,
    it is written down and counts no more.

    Args:
        path: the folder; made if it is missing.
        parts: what its results depend on.
        empty: whether nothing is kept there yet, so that there is nothing to mistake.
        words: what the messages call the argument, the results, their whole, and the way out.

    Raises:
        ValueError: if the folder belongs to another recipe; the error names what differs.
    """

    WORDS = ("folder", "folds", "cross-validation", "Choose another folder, or delete this one.")

    def __init__(self, path, parts: Parts, empty: bool, words: tuple[str, ...] = WORDS):
        self.path, self.parts, self.words = Path(path), parts, words
        self.state: dict[str, list[str]] = {}
        argument = words[0]
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"`{argument}` must be a folder. Received: the file {self.path}")
        self.path.mkdir(parents=True, exist_ok=True)
        self.run = self.path / "run.json"
        if self.run.is_dir():
            raise ValueError(f"{self._rule()}, where run.json is a folder. {words[3]}")
        self.key = fingerprint(parts.hashes)  # what a result carries to show where it belongs
        if empty:
            self._write()
        elif self.run.exists():
            self._compare(self._read())
        else:
            raise ValueError(f"{self._rule()}, which has {words[1]} and no run.json. {words[3]}")

    def _rule(self) -> str:
        argument, _, whole, _ = self.words
        return f"`{argument}` must be new or hold this very {whole}. Received: {self.path}"

    def _read(self) -> dict:
        try:
            kept = json.loads(self.run.read_text(encoding="utf-8"))
            if kept["format"] == FORMAT:
                _check_types(kept["run"], kept["parts"], kept["state"])
            return kept
        except Exception as error:  # JSON, its depth, its types, a folder in the file's place
            raise ValueError(
                f"{self._rule()}, whose run.json is damaged ({type(error).__name__}). "
                f"{self.words[3]}"
            ) from None

    def _compare(self, kept: dict) -> None:
        if kept["format"] != FORMAT:
            raise ValueError(
                f"{self._rule()}, made by another version of coursekit. {self.words[3]}"
            )
        self.state, self.key = kept["state"], kept["run"]
        differ = {}
        for name in {**self.parts.hashes, **kept["parts"]}:
            one, other = self.parts.hashes.get(name, {}), kept["parts"].get(name, {})
            state = tuple(self.state.get(name, ()))
            inside = tuple(label + mark for label in state for mark in (".", "[", "("))
            labels = [
                label for label in {**other, **one}
                if one.get(label) != other.get(label) and label not in state
                and not (label.startswith(inside) and (label in one) != (label in other))
            ]  # fmt: skip
            if labels:
                differ[name] = labels
        if "seed" in differ:
            differ.pop("model", None)  # its first weights are drawn by the seed
        if not differ:
            return
        _, kept_things, _, way_out = self.words
        names = list(differ)
        read = [f"`{name}` depends on `{labels[0]}`" for name, labels in differ.items()
                if labels[0] != name]  # fmt: skip
        hints = [f" ({'; '.join(read)}, which is not what it was.)"] if read else []
        if names == ["splits"]:
            hints.append(" (A splitter that shuffles needs a random_state.)")
        raise ValueError(
            f"{self._rule()}, whose {kept_things} come from another one: {_words(names)} "
            f"{'differs' if len(names) == 1 else 'differ'}. {way_out}{''.join(hints)}"
        )

    def _write(self) -> None:
        content = {
            "format": FORMAT,
            "run": self.key,
            "parts": self.parts.hashes,
            "state": self.state,
        }
        write_whole(self.run, json.dumps(content, indent=1))

    def note_state(self) -> None:
        """Write down what the code has changed since the beginning, before a result is kept."""
        before = json.dumps(self.state)
        for name, labels in self.parts.moved().items():
            known = self.state.setdefault(name, [])
            known += [label for label in labels if label not in known]
        if json.dumps(self.state) != before:
            self._write()


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


def _check_types(run, parts, state) -> None:
    words = [run, *(word for labels in parts.values() for word in labels.values())]
    words += [word for labels in state.values() for word in labels]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a hash that is no word")


def _words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
