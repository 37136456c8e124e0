"""What a lesson asks and asks again: predictions, a quiz, and cards that come back."""

import numpy as np
import pytest

from coursekit.exercises import Lesson

pytestmark = pytest.mark.any_backend


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


@pytest.mark.parametrize("days", [8, 400, 26_659, 2_000_000])
def test_a_card_noted_under_a_wrong_clock_is_due(lesson, shown, today, days):
    today(days)
    lesson().cards(knew=[1])
    today(-days)
    shown()
    check = lesson()
    check.cards()
    assert shown().startswith("· 3 of 3 cards are due")
    check.cards(knew=[1])
    assert "Card 1 comes back in 3 days." in shown()


def test_a_clock_that_is_set_back_by_a_day(lesson, shown, today):
    lesson().cards(knew=[1])
    today(-1)
    shown()
    lesson().cards(knew=[1])
    assert "Card 1 comes back in 2 days." in shown()


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
    assert shown().startswith(
        "✗ Not right yet: cards\n`knew` should be the numbers of cards, from 1"
    )
    assert not home.exists()


# Predictions and the quiz.


def test_predictions(lesson, shown):
    check = lesson()
    check.reveal("predict_width")
    assert shown().startswith("○ Not done yet: no prediction to compare with")
    check = lesson()
    check("predict_width", "(A)")
    text = shown()
    assert text.startswith("· You predict (a)\nNoted.")
    assert "costs" not in text
    check.reveal("predict_width")
    assert shown() == (
        "✗ Not this time: You predicted (a), and it is (b)\nwider costs more\n(b): and fits more\n"
    )
    check("predict_width", "b")
    assert shown() == "✓ Correct: You say (b), and so it is\nand fits more\n"
    lesson().reveal("predict_width")
    assert "You predicted (b), and so it is" in shown()


@pytest.mark.parametrize("name", ["predict_width", "quiz_1"])
@pytest.mark.parametrize("answers", [(), (...,), ("...",), ("a", "b")])
def test_no_letter_yet(lesson, shown, name, answers):
    lesson()(name, *answers)
    assert shown().startswith(f'○ Not done yet: {name}\nAnswer with one letter: `check("{name}"')


@pytest.mark.parametrize("name", ["predict_width", "quiz_1"])
@pytest.mark.parametrize("answer", ["c", 1, None, np.ones(1000), {"{x}": 1}])
def test_no_such_letter(lesson, shown, name, answer):
    lesson()(name, answer)
    text = shown()
    assert text.startswith(f"✗ Not right yet: {name}")
    assert 'answer with "a" or "b"' in text
    assert len(text) < 400


def test_the_quiz(lesson, shown):
    check = lesson()
    check.quiz()
    text = shown()
    assert "quiz_1. Which?\n(a) This\n(b) That" in text
    assert "since" not in text
    check("quiz_1", "b")
    assert shown() == "✗ Not right yet: quiz_1 (b) That\nnot so\n"
    check("quiz_1", "a")
    assert shown() == "✓ Correct: quiz_1 (a) This\nsince\n"


def test_a_question_needs_a_reason_for_each_option():
    check = Lesson("losses", "?")
    with pytest.raises(ValueError, match=r"Received: .*answer='c'"):
        check.prediction("p", {"a": "", "b": ""}, "c")
