"""The decisions on the running model are kept, one a lesson."""

import numpy as np
import pytest

from coursekit.exercises import Lesson

pytestmark = pytest.mark.any_backend


def test_decisions_over_lessons(lesson, shown):
    first = Lesson("a_first", "?")
    first.decide("Huber", because="it ignores outliers", score=0.8912)
    assert shown() == (
        "· Decisions on the running model: 1\n"
        "a_first: Huber (val_accuracy 0.8912)\nbecause it ignores outliers\n"
    )
    check = lesson()
    check.decide(" Adam ", because="faster", score=np.float32(0.25), metric="val_loss")
    text = shown()
    assert "running model: 2" in text
    assert "losses: Adam (val_loss 0.25)\nbecause faster" in text
    Lesson("b", "?").decisions()
    assert "a_first: Huber" in shown()
    check.summary()
    assert "Decision: Adam" in shown()


def test_a_decision_that_cannot_be_written(lesson, shown, home):
    home.write_text("in the way")
    check = lesson()
    check.decide("Adam", because="faster", score=0.25)
    assert "losses: Adam (val_accuracy 0.25)" in shown()
    check.summary()
    assert "for this session only" in shown()


@pytest.mark.parametrize(
    "choice, because, score, said",
    [
        ("", "b", 0.5, "`choice` should be a text, but it is empty."),
        (" ", "b", 0.5, "`choice` should be a text"),
        (3, "b", 0.5, "`choice` should be a text, but it is 3."),
        ("c", None, 0.5, "`because` should be a text, but it is None."),
        ("c", "b", "0.9", "`score` should be one number, but it is a str."),
        ("c", "b", None, "`score` is None"),
        ("c", "b", [0.1, 0.2], "`score` has shape (2,)"),
        ("c", "b", float("nan"), "`score` contains NaN"),
    ],
)
def test_a_decision_needs_words_and_a_number(lesson, shown, choice, because, score, said):
    check = lesson()
    check.decide(choice, because=because, score=score)
    text = shown()
    assert text.startswith("✗ Not right yet: decision on the running model\n")
    assert said in text
    check.decisions()
    assert "running model: 0" in shown()


@pytest.mark.parametrize("parts", [(..., "b", 0.5), ("c", "...", 0.5), ("c", "b", ...)])
def test_an_open_decision(lesson, shown, parts):
    choice, because, score = parts
    lesson().decide(choice, because=because, score=score)
    assert shown().startswith("○ Not done yet: decision")


def test_the_log_is_there_to_be_read(lesson, shown):
    """As a copy: what is done to it changes nothing that is kept."""
    check = lesson()
    assert check.logged() == {}
    check.decisions()
    assert "None so far" in shown()
    check.decide("Huber", because="outliers", score=0.5)
    (entry,) = check.logged().values()
    assert entry == {"choice": "Huber", "because": "outliers", "val_accuracy": 0.5}
    entry.clear()
    assert next(iter(check.logged().values()))["choice"] == "Huber"
