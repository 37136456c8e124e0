"""What a learner calls: each call answers with a card, and none of them raises."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coursekit.exercises import CheckFailed, Lesson
from coursekit.exercises._progress import KINDS

pytestmark = pytest.mark.any_backend
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_numbers(monkeypatch):
    """Titles as they are registered, whatever number the lesson of that name has."""
    monkeypatch.setattr("coursekit.exercises._course.numbers", dict)


# Exercises.


def test_the_way_through_an_exercise(lesson, shown, solutions):
    check = lesson()
    check("twice", ...)
    assert shown() == (
        "○ Not done yet: Twice\nReplace the `...` and run the cell again.\n"
        '`check.hint("twice")`: hint 1 of 2.\n'
    )
    check.solution("twice")
    assert 'check.solution("twice", anyway=True)' in shown()

    check("twice", lambda x: x)
    assert shown() == (
        "✗ Not right yet: Twice\n`3` is what went in: nothing was doubled.\n"
        '`check.hint("twice")` has a hint for this.\n'
    )
    check.hint("twice")
    assert "look at what comes out" in shown()
    check.hint("twice")
    text = shown()
    assert "Hint 1 of 2: Twice\nthe idea" in text
    assert '`check.hint("twice")`: hint 2 of 2.' in text
    check.hint("twice")
    text = shown()
    assert "Hint 2 of 2: Twice\nthe line" in text
    assert 'That was the last hint; `check.solution("twice")`' in text
    check.hint("twice")
    assert "Hint 2 of 2" in shown()

    check("twice", lambda x: None)
    assert "is its `return` missing?" in shown()
    check.hint("twice")
    assert "end with a `return` line" in shown()

    check("twice", lambda x: 2 * x)
    assert shown() == (
        '✓ Correct: Twice\nand short\n`check.solution("twice")` shows ours, and why.\n'
    )
    check.solution("twice")
    text = shown()
    assert "    def twice(x):\n        return 2 * x" in text
    assert "Why: two times x is x + x" in text
    assert "Another way: `x + x`" in text


def test_a_solution_before_an_attempt(lesson, shown, solutions):
    lesson().solution("twice", anyway=True)
    assert "return 2 * x" in shown()


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_solution_that_is_missing(lesson, shown, solutions, text):
    solutions.rename(solutions.with_name("another.json"))
    if text:
        solutions.write_text(text)
    lesson().solution("twice", anyway=True)
    assert shown().startswith("? Our check failed, not you: Twice")


def test_a_class_has_no_solutions(lesson, shown, solutions):
    solutions.unlink()
    lesson().solution("twice", anyway=True)
    text = shown()
    assert "Your teacher has the solutions" in text and "failed" not in text


def test_hints_before_an_attempt(lesson, shown):
    check = lesson()
    check.hint("twice")
    assert "Hint 1 of 2" in shown()


def test_the_hint_for_code_that_raised(shown):
    check = Lesson("losses", "?")

    @check.exercise(title="T", messages={}, hints=["h"], hints_for={"raised": "read the last line"},
                    why="", alternative="")  # fmt: skip
    def one(answer):
        answer()

    check("one", lambda: 1 / 0)
    assert shown().startswith("! Your code stopped with an error: T\nZeroDivisionError")
    check.hint("one")
    assert "read the last line" in shown()


def test_what_was_printed_is_shown(lesson, shown):
    def answer(x):
        print("<half way>")
        return 2 * x

    lesson()("twice", answer)
    assert "What your code printed\n    <half way>" in shown()


def test_a_broken_check_asks_for_a_report(lesson, shown):
    check = lesson()
    check("flawed", 1)
    text = shown()
    assert text.startswith("? Our check failed, not you: Flawed\nYour answer was not judged.")
    assert "    losses, flawed\n    Python 3" in text
    assert "KeyError: 'no such key'" in text
    check.solution("flawed")
    assert "Try it once first" in shown()  # it was no attempt


def test_a_verdict_shows_and_keeps_nothing(lesson, shown, home):
    assert lesson().verdict("twice", lambda x: x).key == "same"
    assert shown() == ""
    assert not home.exists()


def test_a_right_answer_stays_right(lesson, shown):
    one, two = lesson(), lesson()
    two.summary()
    one("size", 7)
    two("size", 8)
    one("size", 9)
    shown()
    for check in (one, two, lesson()):
        check.summary()
        assert "1 of 3 exercises done" in shown()


# Names.


@pytest.mark.parametrize(
    "name", ["twise", "", None, 3, ["twice"], {"a": 1}, np.zeros(100), ..., "x" * 10_000]
)
def test_unknown_names(lesson, shown, name):
    check = lesson()
    for call in (check, check.hint, check.solution, check.reveal):
        call(name)
        text = shown()
        assert text.startswith("✗ Not right yet: no exercise is called ")
        assert len(text) < 600


def test_a_near_match(lesson, shown):
    check = lesson()
    check("twise", lambda x: 2 * x)
    assert '`check("twice", ...)`. Did you mean `twice`?' in shown()
    check("predict_with", "a")
    assert "Did you mean `predict_width`?" in shown()
    check("nothing like it")
    assert "There are: twice, size, flawed, predict_width, quiz_1." in shown()


def test_the_function_in_place_of_its_name(lesson, shown):
    def twice(x):
        return 2 * x

    lesson()(twice)
    text = shown()
    assert "name in quotes" in text
    assert "Did you mean `twice`?" in text


def test_a_lesson_without_anything(shown):
    check = Lesson("review", "What do you still know?")
    check("name"), check.quiz(), check.cards(), check.cards(knew=[1]), check.summary()
    check.decisions(), check.hint("name")
    assert "0 of 0 exercises done" in shown()
    assert "check.summary()" in repr(check)


# The summary.


def test_the_summary_of_an_untouched_lesson(lesson, shown, home):
    lesson().summary()
    assert shown() == (
        "· 0 of 3 exercises done\n○ To do: twice, size, flawed\n"
        "Predictions: 0 of 1 given, 0 right\nQuiz: 0 of 1 given, 0 right\n"
    )
    assert not home.exists()


def test_the_summary(lesson, shown):
    check = lesson()
    check("size", 7), check("predict_width", "a"), check("quiz_1", "a")
    shown()
    lesson().summary()
    assert shown() == (
        "· 1 of 3 exercises done\n✓ Done: size\n○ To do: twice, flawed\n"
        "Predictions: 1 of 1 given, 0 right\nQuiz: 1 of 1 given, 1 right\n"
    )


def test_the_summary_when_all_is_done(shown):
    check = Lesson("losses", "?")

    @check.exercise(title="T", messages={}, hints=["h"], why="", alternative="")
    def one(answer):
        return

    check("one", 1)
    shown()
    check.summary()
    assert shown() == "✓ Correct: 1 of 1 exercises done\n✓ Done: one\n"


# Files of any shape.


@pytest.mark.parametrize(
    "kept",
    [
        {"exercises": {"twice": 3}},
        {"exercises": {"twice": []}},
        {"exercises": {"twice": {"attempts": "many", "hints": "x", "shown": 3, "key": [1]}}},
        {"exercises": {"twice": {"hints": -7, "done": "yes", "shown": [[1]]}}},
        {"exercises": []},
        {"predictions": {"predict_width": ["a"]}, "quiz": {"quiz_1": {}}},
        {"predictions": {"predict_width": "z"}, "quiz": {"quiz_1": "z"}},
        {"cards": {"question 1": 3, "question 2": {"due": 5}, "question 3": {"due": "soon"}}},
        {"cards": {f"question {n}": {"step": s} for n, s in ((1, "x"), (2, -5), (3, 99))}},
        {"decision": {"choice": 3, "val_accuracy": "high"}},
        {"decision": [1]},
        ["a", "list"],
    ],
)
def test_any_file_will_do(lesson, shown, home, solutions, kept):
    home.mkdir()
    (home / "losses.json").write_text(json.dumps(kept))
    check = lesson()
    check.summary(), check.decisions(), check.cards(), check.quiz()
    check.hint("twice"), check.hint("twice"), check.solution("twice")
    check.reveal("predict_width"), check("twice", lambda x: x), check.hint("twice")
    check("quiz_1", "a"), check("predict_width", "b"), check.cards(knew=[1, 2, 3])
    check.decide("c", because="b", score=1), check.summary()
    assert "0 of 3 exercises done" in shown()
    assert set(json.loads((home / "losses.json").read_text())) == set(KINDS)


# Strict, as in a solved notebook.


@pytest.fixture
def strict(monkeypatch):
    monkeypatch.setenv("COURSEKIT_STRICT", "1")


def test_strict_lets_right_answers_through(lesson, strict, solutions):
    check = lesson()
    check("twice", lambda x: 2 * x), check("size", 7)
    check("predict_width", "b"), check.reveal("predict_width"), check("quiz_1", "a")
    check.hint("twice"), check.solution("twice"), check.quiz()
    check.cards(), check.cards(knew=[1]), check.decide("c", because="b", score=1)
    check.decisions(), check.summary()


@pytest.mark.parametrize(
    "call",
    [
        lambda check: check("twice", lambda x: x),
        lambda check: check("twice", ...),
        lambda check: check("twice", lambda x: 1 / 0),
        lambda check: check("twice"),
        lambda check: check("flawed", 1),
        lambda check: check("unknown"),
        lambda check: check(3),
        lambda check: check.hint("unknown"),
        lambda check: check.solution("unknown"),
        lambda check: check.solution("size", anyway=True),
        lambda check: check.reveal("unknown"),
        lambda check: check.reveal("predict_width"),
        lambda check: (check("predict_width", "a"), check.reveal("predict_width")),
        lambda check: check("predict_width", "c"),
        lambda check: check("predict_width", ...),
        lambda check: check("quiz_1", "b"),
        lambda check: check("quiz_1", "c"),
        lambda check: check("quiz_1"),
        lambda check: check.cards(knew=[4]),
        lambda check: check.decide("", because="b", score=1),
        lambda check: check.decide("c", because=..., score=1),
    ],
)
def test_strict_raises_for_all_else(lesson, shown, strict, solutions, call):
    with pytest.raises(CheckFailed, match=r"^losses: "):
        call(lesson())
    assert shown()


def test_strict_is_only_strict_with_1(lesson, monkeypatch):
    monkeypatch.setenv("COURSEKIT_STRICT", "0")
    lesson()("twice", ...)


# What is imported.


def test_imports():
    source = """
import sys
import coursekit
from coursekit.exercises import Lesson

check = Lesson("x", "X")
check.prediction("p", {"a": "r"}, "a")
check("p", "a")
heavy = "keras", "tensorflow", "jax", "matplotlib", "IPython", "pandas", "sklearn"
print("imported:", [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True, cwd=ROOT)
    text = done.stdout.decode()
    assert "You predict (a)" in text
    assert text.splitlines()[-1] == "imported: []"
