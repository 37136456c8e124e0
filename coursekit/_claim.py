"""A folder whose results come from one recipe: used again by this very recipe, refused to others.

    claim = Claim(folder, Parts({"model": build_model, "x": x}), empty=True)

The recipe is told by `coursekit._fingerprint`, part by part, so that a refusal names what differs.
"""

import json
from pathlib import Path

from coursekit._checks import is_number
from coursekit._files import write_whole
from coursekit._fingerprint import Untold, fingerprint, told

FORMAT = 2
CODE = "build_model", "preprocess", "scoring", "fit_kwargs"  # what these read may change


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


def _check_types(run, parts, state) -> None:
    words = [run, *(word for labels in parts.values() for word in labels.values())]
    words += [word for labels in state.values() for word in labels]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a hash that is no word")


def _words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
