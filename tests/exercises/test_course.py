"""The lessons' numbers, and the titles and texts that carry them."""

import pytest

from coursekit.exercises import Lesson, lesson
from coursekit.exercises._course import NUMBERS, numbered, numbers


def test_the_list_is_shipped_beside_the_lessons():
    modules = {p.stem for p in NUMBERS.parent.glob("[a-z]*.py")}
    assert set(numbers()) == modules
    assert all(len(n) == 2 and n.isdigit() for n in numbers().values())


@pytest.mark.parametrize("slug", ["losses", "gradient_descent"])
def test_a_text_names_a_lesson_by_its_number(slug):
    assert lesson(slug) == f"lesson {numbers()[slug]}"


@pytest.mark.parametrize("slug", ["", "loses", "04", 4, None])
def test_no_such_lesson(slug):
    with pytest.raises(ValueError, match=r"is the slug of a lesson: start_here, .*Got: "):
        lesson(slug)


def test_titles_are_numbered_in_the_order_of_the_checks():
    number = int(numbers()["losses"])
    assert numbered("losses", 2, "Twice") == f"E{number}.2 Twice"
    check = Lesson("losses", "How wrong?")
    for name in ("first", "second"):
        function = lambda answer: None
        function.__name__ = name
        parts = {"messages": {}, "hints": ["a", "b"], "why": "w", "alternative": "a"}
        check.exercise(title=name.capitalize(), **parts)(function)
    assert [e.title for e in check.exercises.values()] == [
        f"E{number}.1 First",
        f"E{number}.2 Second",
    ]


def test_a_lesson_of_another_course_has_no_number():
    assert numbered("knots", 1, "Tie one") == "Tie one"
