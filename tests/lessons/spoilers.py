"""What tells a learner an answer before it is given: on the same screen, or under another name."""

import ast
import importlib
import re
from collections.abc import Iterator

import numpy as np
from lesson_source import Source
from nbformat import NotebookNode
from nonsense import numbers, places

from coursekit.exercises import Lesson

OUTCOME = re.compile(
    r"\b(more|fewer|less|better|worse|faster|slower|wins?|loses|beats?|never|always|grows?|falls?|"
    r"rises?|higher|lower|larger|smaller|close|closer|stays?|follows?)\b",
    re.I,
)


def parsed(cell: NotebookNode) -> list[ast.AST]:
    """Return the nodes of a code cell, without its %magics."""
    return list(ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.M))))


def shown(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Return the cells of code that are not folded."""
    hidden = [c.metadata.get("jupyter", {}).get("source_hidden", False) for c in cells]
    return [c for c, h in zip(cells, hidden, strict=True) if c.cell_type == "code" and not h]


def told_before(check: Lesson, cells: list[NotebookNode]) -> list[str]:
    """Return what stands between a prediction and its outcome and tells it, a line each.

    Asserts; and titles and captions with a word that compares.
    """
    found = []
    for name in check.predictions:
        asked = next(k for k, c in enumerate(cells) if f'check("{name}", ' in c.source)
        run = next(k for k, c in enumerate(cells) if f'check.reveal("{name}")' in c.source)
        for node in (node for cell in shown(cells[asked : run + 1]) for node in parsed(cell)):
            if isinstance(node, ast.Assert):
                found.append(f"{name}: fold or move `{ast.unparse(node)}`")
            for text in _captions(node):
                if word := OUTCOME.search(text):
                    found.append(f"{name}: {word[0]!r} in the title or caption {text!r}")
    return found


def _captions(node: ast.AST) -> Iterator[str]:
    parts = []
    if isinstance(node, ast.keyword) and node.arg in ("alt", "title"):
        parts = [node.value]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".figure", "set_title")):
        parts = node.args[:1]
    for part in parts:
        texts = [n.value for n in ast.walk(part) if isinstance(n, ast.Constant)]
        yield " ".join(text for text in texts if isinstance(text, str))


def imported_answers(check: Lesson, cells: list[NotebookNode], right: dict) -> list[str]:
    """Return the functions of coursekit that a notebook imports and an exercise accepts."""
    froms = [n for c in cells if c.cell_type == "code" for n in parsed(c)]
    froms = [n for n in froms if isinstance(n, ast.ImportFrom) and "coursekit." in (n.module or "")]
    names = {(n.module, alias.name) for n in froms for alias in n.names}
    values = {f"{a}.{b}": _imported(a, b) for a, b in sorted(names)}
    found = []
    for exercise, answers in right.items():
        for place, answer in enumerate(answers):
            for name, value in values.items() if callable(answer) else ():
                tried = (*answers[:place], value, *answers[place + 1 :])
                if value is not check and check.verdict(exercise, *tried).key == "ok":
                    found.append(f"{exercise}: {name} is an answer")
    return found


def _imported(module: str, name: str):
    """Return what `from module import name` gives: an attribute, or a module in it."""
    found = importlib.import_module(module)
    return (
        getattr(found, name)
        if hasattr(found, name)
        else importlib.import_module(f"{module}.{name}")
    )


def numbers_below(source: Source, cells: list[NotebookNode], right: dict) -> list[str]:
    """Return the right numbers that stand in the three cells below an exercise, before a heading.

    Of cells that are the learner's as well as ours, the stored output counts.

    Args:
        source: the lesson.
        cells: of the solved notebook.
        right: {exercise: its right answers}.
    """
    found = []
    for name, answers in right.items():
        here = next(
            k for k, c in enumerate(source.notebook.cells) if c.metadata.get("exercise") == name
        )
        _, task = places(source, name)
        for cell in cells[here + 1 : here + 4]:
            if cell.cell_type == "markdown" and re.search(r"^##", cell.source, re.M):
                break
            text = cell.source + "".join(str(o.get("text", "")) for o in cell.get("outputs", []))
            there = numbers(text) - numbers(task)
            close = [(n, v) for v in _numbers(answers) for n in there if abs(n - v) <= 0.01 * v]
            found += [f"{name}: {n:g} stands below, and {v:g} is right" for n, v in close]
    return found


def _numbers(answers) -> Iterator[float]:
    """Yield the numbers of two digits or more in right answers."""
    if isinstance(answers, dict):
        answers = list(answers.values())
    if isinstance(answers, tuple | list | set):
        for answer in answers:
            yield from _numbers(answer)
    is_number = isinstance(answers, int | float | np.number) and not isinstance(answers, bool)
    if is_number and len(f"{answers:.6g}".replace(".", "").strip("-0")) > 1:
        yield abs(float(answers))
