"""Nonsense for every exercise: none is right, none breaks a check, none is told the answer."""

import ast
import math
import re
from collections.abc import Iterator

import numpy as np
from lesson_source import Source, stub

from coursekit.exercises import Lesson
from coursekit.exercises._wrong import STANDARD


def raises(*args, **kwargs):
    raise RuntimeError("nonsense")


NUMBERS = [sign * 10.0**power for power in (-9, -3, 0, 3, 9) for sign in (1, -1)]
NONSENSE = {
    "None": None,
    "no words": "",
    "words": "nonsense",
    "0": 0,
    **{f"{n:g}": n for n in NUMBERS},
    "nan": math.nan,
    "inf": math.inf,
    "a complex number": 1j,
    "an empty list": [],
    "a list of words": ["nonsense"],
    "an empty array": np.zeros(0),
    "a row": np.linspace(-1.0, 1.0, 7),
    "a block": np.full((2, 3, 4), 1e6),
    "an empty dict": {},
    "a dict": {"nonsense": -1},
    "a class": dict,
    "an object": object(),
    "gives None": lambda *args, **kwargs: None,
    "gives words": lambda *args, **kwargs: "nonsense",
    "gives 0": lambda *args, **kwargs: 0.0,
    "gives much": lambda *args, **kwargs: -1e9,
    "gives an array": lambda *args, **kwargs: np.full((2, 3), 1e6),
    "takes nothing": lambda: 1.0,
    "raises": raises,
}
ALSO_RIGHT = {"fate": [1000.0]}
NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def faults(check: Lesson, source: Source, name: str, right: tuple) -> list[str]:
    """Return what goes wrong when an exercise gets nonsense, a line each.

    Args:
        check: the lesson.
        source: its source, which says which answers the learner writes, and the task.
        name: of the exercise.
        right: a right answer for each place.
    """
    own, task = places(source, name)
    found, told = [], {}
    for what, answers, tried in tries(right, own):
        if any(same(answers[tried], value) for value in ALSO_RIGHT.get(name, [])):
            continue
        outcome = check.verdict(name, *answers)
        if outcome.key in ("ok", "broken"):
            found.append(f"{name}: {what} is {outcome.key}. {outcome.message}")
        if outcome.key in STANDARD and outcome.key not in ("value", "slip"):
            continue  # it knows nothing of the right value
        for value in revealed(outcome.message, right[tried], f"{task} {answers}"):
            if (tried, value) not in told:
                told[tried, value] = is_right(check, name, right, tried, value)
                if told[tried, value]:
                    found.append(f"{name}: {what} is told {value!r}. {outcome.message}")
    return found


def is_right(check: Lesson, name: str, right: tuple, place: int, value) -> bool:
    """Tell whether a value is right in its place; of a text it is known."""
    answers = (*right[:place], value, *right[place + 1 :])
    return isinstance(value, str) or check.verdict(name, *answers).key == "ok"


def places(source: Source, name: str) -> tuple[list[bool], str]:
    """Tell for each answer of an exercise whether the learner writes it; and return its task."""
    cells = source.notebook.cells
    here = next(k for k, c in enumerate(cells) if c.metadata.get("exercise") == name)
    tree = ast.parse(re.sub(r"^[%!].*", "", cells[here].source, flags=re.M))
    made = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    made |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    call = tree.body[-1].value
    own = [not isinstance(a, ast.Name) or a.id in made for a in call.args[1:]]
    texts = [c.source for c in cells[max(here - 2, 0) : here] if c.cell_type == "markdown"]
    return own, "\n".join([*texts, stub(cells[here].source)])


def tries(right: tuple, own: list[bool]) -> Iterator[tuple[str, tuple, int]]:
    """Yield nonsense for one of the learner's answers, the others right; and for all of them."""
    mine = [k for k, is_own in enumerate(own) if is_own]
    for name, value in NONSENSE.items():
        for k in mine:
            if not same(value, right[k]):
                yield f"{name} as answer {k + 1}", (*right[:k], value, *right[k + 1 :]), k
        if len(mine) > 1:
            mixed = [value if is_own else answer for answer, is_own in zip(right, own, strict=True)]
            yield f"{name} everywhere", tuple(mixed), mine[0]


def same(a, b) -> bool:
    try:
        return bool(np.all(np.isclose(a, b)))
    except (TypeError, ValueError):
        return repr(a) == repr(b)


def revealed(message: str, right, known: str) -> list:
    """Return the values in a message that may be the right one, and are not known.

    Args:
        message: what the learner reads.
        right: a right answer, or a collection of them.
        known: what the learner has written and was asked, as text.
    """
    if isinstance(right, dict):
        right = list(right.values())
    if isinstance(right, tuple | list | set):
        return [v for r in right if isinstance(r, str) for v in revealed(message, r, known)]
    if isinstance(right, bool | np.bool_) or right is None:
        return []
    if isinstance(right, int | float | np.number):
        return sorted(numbers(message) - numbers(known))
    if isinstance(right, str):
        pattern = rf"(?<!\w){re.escape(right)}(?!\w)"
        return [right] if re.search(pattern, message) and not re.search(pattern, known) else []
    return []


def numbers(text: str) -> set[float]:
    """Return the numbers in a text."""
    found = NUMBER.findall(text)
    return {float(part.strip(",").replace(",", "").replace("−", "-")) for part in found}
