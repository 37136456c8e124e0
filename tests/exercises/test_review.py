"""What a lesson ends with: cards that come back, and decisions that are kept."""

from datetime import date, timedelta

import numpy as np
import pytest

from coursekit.exercises import Lesson
from coursekit.exercises import _lesson as module

pytestmark = pytest.mark.any_backend


@pytest.fixture
def today(monkeypatch):
    """Return a function that moves today by some days."""

    class Date(date):
        now = date(2030, 1, 30)

        @classmethod
        def today(cls):
            return cls.now

    def move(days):
        Date.now += timedelta(days)

    monkeypatch.setattr(module, "date", Date)
    return move


# Cards.


def test_cards_come_back_after_1_3_and_7_days(lesson, shown, today):
    check = lesson()
    check.cards()
    text = shown()
    assert text.startswith("· 3 of 3 cards are due\n1 / 3  question 1\nanswer 1\n2 / 3")
    for days in (1, 3, 7, 7):
        lesson().cards(knew=[2])
        assert f"Card 2 comes back in {days} day" in shown()
        lesson().cards()
        assert "question 2" not in shown()
        today(days - 1)
        lesson().cards()
        assert shown().startswith("· 2 of 3 cards are due")
        today(1)
        lesson().cards()
        assert shown().startswith("· 3 of 3 cards are due")


def test_saying_it_twice_on_one_day_counts_once(lesson, shown, today):
    check = lesson()
    for _ in range(3):
        check.cards(knew=[1])
        assert "Card 1 comes back in 1 day." in shown()


def test_all_cards_known(lesson, shown, today):
    check = lesson()
    check.cards(knew={1, 2, 3})
    assert "3 of 3 cards known" in shown()
    check.cards()
    assert shown() == "· All 3 cards are known for now\nThe next one comes back in 1 day.\n"


def test_no_card_known(lesson, shown):
    lesson().cards(knew=[])
    assert "0 of 3 cards known" in shown()


def test_one_number_is_enough(lesson, shown):
    lesson().cards(knew=2)
    assert "Card 2 comes back" in shown()


@pytest.mark.parametrize("knew", [[4], [0], [-1], "12", [1.0], ["1"], [True], {1: 2}, ..., [[1]]])
def test_cards_that_do_not_exist(lesson, shown, home, knew):
    lesson().cards(knew=knew)
    assert shown().startswith("✗ Not right yet: cards\n`knew` takes the numbers of cards, from 1")
    assert not home.exists()


# Decisions.


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
