"""Reads a lesson's source and splits it: what the solved notebook holds, what the learner gets.

A source is a jupytext py:percent file, solved, with these markers in code cells:

    ### BEGIN SOLUTION          a block that only the solved notebook holds
    ### STUB                    commented lines that stand in its place for the learner
    ### END SOLUTION
    x = 3  # SOLUTION           becomes  x = ...  # your answer
    check("quiz_1", "b")  # SOLUTION   becomes  check("quiz_1", ...)

and these keys on cell lines:  topics="id id"  exercise="name"  needs="word"  tags=["setup"].
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
from nbformat import NotebookNode

BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n(?P<solution>.*?)"
    r"(?:^[ \t]*### STUB\n(?P<stub>.*?))?^[ \t]*### END SOLUTION\n?",
    re.M | re.S,
)
CALL = re.compile(r'^(?P<left>[ \t]*check\("\w+", ).*\)[ \t]*# SOLUTION[ \t]*$', re.M)
LINE = re.compile(
    r"^(?P<left>[ \t]*(?:return\b|[^=\n]*?[^=!<>\n]=(?!=))).*?[ \t]*# SOLUTION[ \t]*$", re.M
)
MARK = re.compile(r"[ \t]*# SOLUTION[ \t]*$|^[ \t]*### (?:BEGIN SOLUTION|STUB|END SOLUTION)", re.M)
BOX = "You need only this"


class SourceError(Exception):
    """A lesson's source that cannot be built, said in a sentence."""


def solved(text: str) -> str:
    """Return a cell as the solved notebook holds it."""
    text = BLOCK.sub(lambda m: m["solution"], text)
    return re.sub(r"[ \t]*# SOLUTION[ \t]*$", "", text, flags=re.M).rstrip("\n")


def stub(text: str) -> str:
    """Return a cell as the learner gets it."""

    def block(m):
        if m["stub"] is None:
            return f"{m['indent']}...  # your code here\n"
        return re.sub(r"^([ \t]*)# ?", r"\1", m["stub"], flags=re.M)

    text = CALL.sub(lambda m: f"{m['left']}...)", BLOCK.sub(block, text))
    return LINE.sub(lambda m: f"{m['left']} ...  # your answer", text).rstrip("\n")


@dataclass(frozen=True)
class Source:
    """One lesson's source file."""

    path: Path

    @property
    def name(self) -> str:
        """The file names of the lesson's notebooks, as in 02_training_loop."""
        return self.path.stem

    @property
    def slug(self) -> str:
        """The name of the lesson's module, as in training_loop."""
        return self.name.split("_", 1)[1]

    @cached_property
    def notebook(self) -> NotebookNode:
        """The source as jupytext reads it (the format is named, or commented %magics stay so)."""
        return jupytext.read(self.path, fmt="py:percent")

    @property
    def title(self) -> str:
        """The question in the lesson's first line."""
        return re.sub(r"^#\s*(\d+[.·:]?\s*)?", "", self.notebook.cells[0].source.split("\n")[0])

    @property
    def minutes(self) -> int:
        """How long a learner takes, from the header."""
        return self._header["minutes"]

    @property
    def backends(self) -> list[str]:
        """The Keras backends that the lesson runs on, from the header."""
        return self._header["backends"]

    @property
    def _header(self) -> dict:
        header = self.notebook.metadata.get("coursekit", {})
        if not isinstance(header.get("minutes"), int) or not header.get("backends"):
            raise SourceError(
                f"{self.path.name}: the header needs, under jupyter:, the lines "
                f"'coursekit: {{minutes: 40, backends: [tensorflow]}}'. Received: {dict(header)}"
            )
        return header

    def topics(self) -> dict[str, str]:
        """Return the topics that the lesson carries, each with the heading it stands under."""
        found, heading = {}, self.title
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                headings = re.findall(r"^#{1,4} (.+)$", cell.source, re.M)
                heading = headings[0] if headings else heading
            for topic in cell.metadata.get("topics", "").split():
                if topic in found:
                    raise SourceError(f"{self.path.name}: topic {topic!r} stands on two cells.")
                found[topic] = heading
        return found

    def solutions(self) -> dict[str, str]:
        """Return the code of each exercise."""
        found = {}
        for cell in self.notebook.cells:
            name = cell.metadata.get("exercise")
            if name is None:
                continue
            if name in found or not MARK.search(cell.source):
                raise SourceError(
                    f"{self.path.name}: exercise {name!r} needs one cell, with a solution in it."
                )
            found[name] = solved(cell.source)
        return found

    def validate(self) -> None:
        """Raise SourceError for what a builder can see: header, markers, needs without a box."""
        _ = self._header, self.topics(), self.solutions()
        cells = self.notebook.cells
        if cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
            raise SourceError(f"{self.path.name}: the first cell must be text that starts '# '.")
        if sum("setup" in c.metadata.get("tags", []) for c in cells) != 1:
            raise SourceError(f'{self.path.name}: exactly one cell must have tags=["setup"].')
        boxes = [c.source for c in cells if c.cell_type == "markdown" and BOX in c.source]
        for need in {w for c in cells for w in c.metadata.get("needs", "").split()}:
            if not any(need in box for box in boxes):
                raise SourceError(
                    f"{self.path.name}: needs {need!r}, but no box says '{BOX}' about it."
                )
        for cell in cells:
            if cell.cell_type != "code":
                continue
            for text in (solved(cell.source), stub(cell.source)):
                if MARK.search(text):
                    raise SourceError(f"{self.path.name}: unpaired solution marker in:\n{text}")
                _compiles(self.path.name, text)


def _compiles(name: str, text: str) -> None:
    code = re.sub(r"^([ \t]*)[%!].*$", r"\1pass", text, flags=re.M)
    try:
        compile(code, name, "exec")
    except SyntaxError as error:
        raise SourceError(f"{name}: {error.msg} in the cell:\n{text}") from None
