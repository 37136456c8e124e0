"""The lessons' numbers: they stand in the sources' names alone, and the builder lists them."""

import json
from functools import cache
from pathlib import Path

NUMBERS = Path(__file__).parent.parent / "lessons" / "_numbers.json"


@cache
def numbers() -> dict[str, str]:
    """Return the number of each lesson by its slug, as in {"losses": "04"}."""
    return json.loads(NUMBERS.read_text(encoding="utf-8"))["lessons"]


def lesson(slug: str) -> str:
    """Return what a text calls a lesson: its word and number.

    Args:
        slug: name of the lesson's module, as in `coursekit.lessons.losses`.

    Raises:
        ValueError: if there is no such lesson.

    Example:
        >>> lesson("losses")
        'lesson 04'
    """
    if slug not in numbers():
        raise ValueError(f"`slug` is the slug of a lesson: {', '.join(numbers())}. Got: {slug!r}")
    return f"lesson {numbers()[slug]}"


def numbered(slug: str, position: int, title: str) -> str:
    """Return an exercise's title as a learner sees it: E4.2 for the second one of lesson 04.

    A lesson that is not of this course (a teacher's own) has no number: its titles stay.
    """
    number = numbers().get(slug)
    return title if number is None else f"E{int(number)}.{position} {title}"
