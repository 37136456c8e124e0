"""Reads a lesson's source and splits it: what the solved notebook holds, what the learner gets.

A source is a jupytext py:percent file, solved, with these markers in code cells:

    ### BEGIN SOLUTION          a block that only the solved notebook holds
    ### STUB                    commented lines that stand in its place for the learner
    ### END SOLUTION
    x = 3  # SOLUTION           becomes  x = ...  # your answer  (return x: the same)
    check("quiz_1", "b")  # SOLUTION   becomes  check("quiz_1", ...)

and these keys on cell lines:  topics="id id"  exercise="name"  needs="word"  tags=["setup"].

The lesson's number stands in the file's name alone. `# # What does fit do?` becomes "2. What does
fit do?"; `# ### Put it in order (difficulty 1, 4 minutes)`, an exercise's heading, "E2.1 Put it in
order ..."; `[[losses]]` a link that says "lesson 04"; `[[next]]`, on a line of its own, "Next:" and
a link to the lesson that follows.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

_LINES = r"(?:(?![ \t]*### (?:BEGIN SOLUTION|STUB|END SOLUTION)$).*\n)*"
BLOCK = re.compile(
    rf"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n(?P<solution>{_LINES})"
    rf"(?:[ \t]*### STUB\n(?P<stub>{_LINES}))?[ \t]*### END SOLUTION$\n?",
    re.M,
)
LINE = re.compile(r"^(?P<indent>[ \t]*)(?P<code>\S.*?)[ \t]*# SOLUTION[ \t]*$", re.M)
# Whatever looks like a marker, so that a misspelt one shows no solution to a learner.
MARK = re.compile(
    r"^[ \t]*#{2,} *(?i:begin|stub|end)\b|#.*\bSOLUTION\b|# *(?i:solution)[ \t]*$", re.M
)
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.M)
NAME = re.compile(r"\d\d_[a-z]\w*")
KEYS = {"topics", "exercise", "needs", "tags", "jupyter"}
JUPYTEXT_KEYS = {"lines_to_next_cell", "cell_marker"}
BACKENDS = {"tensorflow", "jax"}
BOX = "You need only this"
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
EXERCISE = re.compile(r"^(#{2,4}) (\S.*?)( \(difficulty [1-3], [^()]*\))$", re.M)
REFERENCE = re.compile(r"\[\[([a-z]\w*)\]\]")
NUMBER = re.compile(r"^#+ E?\d+[.·:].*|\blessons? \d+|\bE\d+\.\d+", re.M | re.I)


class SourceError(Exception):
    """A lesson's source that cannot be built, said in a sentence."""


def solved(text: str) -> str:
    """Return a cell as the solved notebook holds it."""
    return LINE.sub(r"\g<indent>\g<code>", BLOCK.sub(r"\g<solution>", text)).rstrip("\n")


def stub(text: str) -> str:
    """Return a cell as the learner gets it."""
    return LINE.sub(_line_stub, BLOCK.sub(_block_stub, text)).rstrip("\n")


def solution(text: str) -> str:
    """Return the answer to an exercise: its cell, solved, without the check at the end."""
    text = text.strip("\n")
    *others, last = _parse(text).body
    end = "\n".join(text.split("\n")[last.lineno - 1 :])
    if others and ast.unparse(last).startswith("check(") and not MARK.search(end):
        text = text.removesuffix(end)
    return solved(text)


def _block_stub(m: re.Match) -> str:
    if m["stub"] is None:
        return f"{m['indent']}...  # your code here\n"
    return re.sub(r"^([ \t]*)# ?", r"\1", m["stub"], flags=re.M)


def _line_stub(m: re.Match) -> str:
    code = m["code"].encode()  # ast counts bytes
    try:
        statements = ast.parse(code).body
    except SyntaxError:
        statements = []
    match statements:
        case [ast.Return()]:
            kept = b"return"
        case [
            ast.Assign(targets=[*_, left])
            | ast.AugAssign(target=left)
            | ast.AnnAssign(annotation=left, value=ast.expr())
        ]:
            kept = code[: code.index(b"=", left.end_col_offset) + 1]
        case [ast.Expr(ast.Call(ast.Name("check"), [name, _, *_]))]:
            return f"{m['indent']}{code[: name.end_col_offset].decode()}, ...)"
        case _:
            raise SourceError("a line marked # SOLUTION is x = ..., return ... or check(name, ...)")
    return f"{m['indent']}{kept.decode()} ...  # your answer"


def _parse(text: str) -> ast.Module:
    """Parse a cell that may hold %magics."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(text))
        compile(tree, "cell", "exec")  # finds more, such as a return outside a function
    except SyntaxError as error:
        raise SourceError(error.msg) from None
    return tree


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
        return self.name.partition("_")[2]

    @property
    def number(self) -> str:
        """The lesson's number, as in 02."""
        return self.name.partition("_")[0]

    @property
    def place(self) -> str:
        """Where the source stands, as generated files say it."""
        return f"notebooks/source/{self.path.name}"

    @cached_property
    def notebook(self) -> NotebookNode:
        """The source as jupytext reads it (the format is named, or commented %magics stay so)."""
        try:
            return jupytext.read(self.path, fmt="py:percent")
        except (ValueError, yaml.YAMLError) as error:
            raise SourceError(f"{self.path.name} cannot be read: {error}") from None

    @cached_property
    def numbered(self) -> NotebookNode:
        """The same with its headings numbered: 2. for the lesson, E2.1 for its first exercise."""
        nb, done = copy.deepcopy(self.notebook), 0

        def with_number(match):
            nonlocal done
            done += 1
            return f"{match[1]} E{int(self.number)}.{done} {match[2]}{match[3]}"

        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = _outside_fences(lambda t: EXERCISE.sub(with_number, t), cell.source)
        nb.cells[0].source = f"# {int(self.number)}. {nb.cells[0].source.removeprefix('# ')}"
        return nb

    @property
    def title(self) -> str:
        """The question in the lesson's first line."""
        return self.notebook.cells[0].source.split("\n")[0].removeprefix("# ").strip()

    @property
    def exercise_titles(self) -> list[str]:
        """The titles of the exercises, without their numbers."""
        texts = [c.source for c in self.notebook.cells if c.cell_type == "markdown"]
        return [m[2] for text in texts for m in EXERCISE.finditer(FENCE.sub("", text))]

    def references(self) -> set[str]:
        """Return the slugs that its text refers to, and "next"."""
        texts = [c.source for c in self.notebook.cells if c.cell_type == "markdown"]
        return {m[1] for text in texts for m in REFERENCE.finditer(FENCE.sub("", text))}

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
        header = self.notebook.metadata.get("coursekit")
        match header:
            case {"minutes": int(), "backends": [_, *_] as names} if {*map(str, names)} <= BACKENDS:
                return header
        raise SourceError(
            f"{self.path.name}: the header needs, under jupyter:, these lines (with jax, if it "
            "runs there):\n#   coursekit:\n#     backends:\n#     - tensorflow\n"
            f"#     minutes: 40\nReceived: {header}"
        )

    def _cells(self, numbered: bool = False) -> Iterator[tuple[str, NotebookNode]]:
        """Yield each cell with its place, for messages."""
        nb = self.numbered if numbered else self.notebook
        for number, cell in enumerate(nb.cells, start=1):
            yield f"{self.path.name}, cell {number}", cell

    def topics(self) -> dict[str, str]:
        """Return the topics that the lesson carries, each with the heading it stands under."""
        found, heading = {}, self.title
        for place, cell in self._cells(numbered=True):
            text = FENCE.sub("", cell.source) if cell.cell_type == "markdown" else ""
            headings = re.findall(r"^#{1,4} (.+)$", text, re.M) or [heading]
            for topic in _words(place, cell, "topics"):
                if topic in found:
                    raise SourceError(f"{place}: topic {topic!r} stands here a second time.")
                found[topic] = headings[0]
            heading = headings[-1]
        return found

    def solutions(self) -> dict[str, str]:
        """Return the code of each exercise."""
        found = {}
        for place, cell in self._cells():
            name = cell.metadata.get("exercise")
            if name is None:
                continue
            if name in found or not MARK.search(cell.source):
                raise SourceError(
                    f"{place}: exercise {name!r} needs one cell, with a solution in it."
                )
            found[name] = solution(cell.source)
        return found

    def validate(self) -> None:
        """Raise SourceError for what can be seen without running the lesson."""
        name, cells = self.path.name, self.notebook.cells
        if not NAME.fullmatch(self.name):
            raise SourceError(f"{name}: a source is called NN_slug.py, as in 02_training_loop.py.")
        if CONFLICT.search(self.path.read_text(encoding="utf-8")):
            raise SourceError(f"{name}: a merge has left its conflict marks in it.")
        if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
            raise SourceError(f"{name}: the first cell must be text that starts '# '.")
        for place, cell in self._cells():
            unknown = sorted(set(cell.metadata) - KEYS - JUPYTEXT_KEYS)
            if unknown:
                raise SourceError(f"{place}: the line '# %%' has something odd: {unknown}.")
            if cell.cell_type == "code":
                _validate_code(place, cell.source)
            elif written := NUMBER.search(FENCE.sub("", cell.source)):
                raise SourceError(
                    f"{place}: {written[0]!r} has a number, and numbers stand in the names of the "
                    "sources alone. Write a heading without one, and [[slug]] for another lesson."
                )
        setup = [c for c in cells if "setup" in c.metadata.get("tags", [])]
        if [c.cell_type for c in setup] != ["code"]:
            raise SourceError(f'{name}: exactly one cell, of code, must have tags=["setup"].')
        boxes = " ".join(c.source for c in cells if c.cell_type == "markdown" and BOX in c.source)
        for place, cell in self._cells():
            for need in _words(place, cell, "needs"):
                if need.casefold() not in boxes.casefold():
                    raise SourceError(f"{place} needs {need!r}, but no box says '{BOX}' about it.")
        _ = self._header, self.topics(), self.solutions()


def _outside_fences(change, text: str) -> str:
    """Change a Markdown text, but not its blocks of code."""
    parts = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def refer(text: str, names: dict[str, tuple[str, str]], following: tuple[str, str] | None) -> str:
    """Turn `[[slug]]` into a link to that lesson, and `[[next]]` into one to the lesson after.

    Args:
        text: a cell's Markdown.
        names: for each slug the name of its notebook, and its title, as "07_slug", "A question?".
        following: the same of the next lesson; None in the last one.
    """

    def link(match):
        if match[1] == "next":
            if following is None:
                return "This is the last lesson so far."
            return f"Next: [{following[1]}]({following[0]}.ipynb)"
        name, title = names[match[1]]
        quoted = title.replace('"', "'")
        return f'[lesson {name[:2]}]({name}.ipynb "{quoted}")'

    return _outside_fences(lambda part: REFERENCE.sub(link, part), text)


def _words(place: str, cell: NotebookNode, key: str) -> list[str]:
    words = cell.metadata.get(key, "")
    if not isinstance(words, str):
        raise SourceError(f'{place}: write {key}="one two", words in one text.')
    return words.split()


def _validate_code(place: str, text: str) -> None:
    try:
        versions = solved(text), stub(text)
        tree, *_ = [_parse(version) for version in (text, *versions)]
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        strings = [value for value in constants if isinstance(value, str)]
        if not versions[0].strip():
            raise SourceError("the cell is empty")
        if any(MARK.search(part) for part in (*versions, *strings)):
            raise SourceError("a solution marker is alone, misspelt or in a text")
    except SourceError as error:
        raise SourceError(f"{place}: {error}, in:\n{text}") from None
