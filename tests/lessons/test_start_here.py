"""Right answers of several kinds, and what each wrong one is told."""

import re
from fractions import Fraction

import keras
import nbformat
import numpy as np
import pytest
from answers import row
from build_notebooks import ROOT

from coursekit.datasets import load_penguins
from coursekit.lessons.start_here import check, pairs

BIRDS = load_penguins().table.dropna().sample(30, random_state=0)
X = BIRDS.flipper_length_mm.to_numpy() / 10 - 20
Y = BIRDS.body_mass_g.to_numpy() / 1000
GOOD = (0.5, 4.1)
pytestmark = pytest.mark.any_backend


ANSWERS = [
    row("guess", "ok", [(0, 4), (1, 4), (0.5, 4.1)], X, Y),
    row("guess", "alternative", [[0.45, 4.2], [5, 5]], X, Y),  # the best one counts
    row("guess", "alternative", GOOD, X, Y),
    row("guess", "alternative", np.polyfit(X, Y, 1), X, Y),
    row("guess", "alternative", np.array([[0, 0], GOOD]), X, Y),
    row("guess", "alternative", ([Fraction(1, 2), np.float32(4.1)],), list(X), keras.ops.array(Y)),
    row("guess", "alternative", [(0, 0)] * 9 + [GOOD], X, Y),
    row("guess", "todo", [...], X, Y),
    row("guess", "todo", [(..., ...)], X, Y),
    row("guess", "todo", [(0, 4), (0.5, ...)], X, Y),
    row("guess", "empty", [], X, Y),
    row("guess", "pair", 0.5, X, Y),
    row("guess", "pair", None, X, Y),
    row("guess", "pair", "0.5, 4.1", X, Y),
    row("guess", "pair", [0.5, 4, 0.4, 4], X, Y),
    row("guess", "pair", [(0, 5, 4, 1)], X, Y),
    row("guess", "pair", [(0, 4), None], X, Y),
    row("guess", "pair", [(0, 4), ("a", 4)], X, Y),
    row("guess", "pair", [{"slope": 0.5, "intercept": 4.1}], X, Y),
    row("guess", "pair", [(True, False)], X, Y),
    row("guess", "nan", [(0.5, float("nan"))], X, Y),
    row("guess", "swapped", [(4.1, 0.5)], X, Y),
    row("guess", "outside", [(0, 4), (500, 4100)], X, Y),
    row("guess", "outside", [(1e200, 0)], X, Y),
    row("guess", "steeper", [(0, 4)], X, Y),
    row("guess", "steeper", [(-3, 4)], X, Y),
    row("guess", "flatter", [(0, 4), (1, 4)], X, Y),
    row("guess", "higher", [(0.5, 3)], X, Y),
    row("guess", "higher", [(0, 0)], X, Y),
    row("guess", "lower", [(0.5, 5)], X, Y),
    row("guess", "arguments", [GOOD]),
    row("rate", "ok", 0.3, X, Y),
    row("rate", "alternative", 0.25, X, Y),
    row("rate", "alternative", np.float32(0.36), X, Y),
    row("rate", "alternative", keras.ops.array(0.3), X, Y),
    row("rate", "alternative", Fraction(1, 3), X, Y),
    row("rate", "todo", ..., X, Y),
    row("rate", "too_small", 0.1, X, Y),
    row("rate", "too_small", 0.2, X, Y),
    row("rate", "too_small", 1e-9, X, Y),
    row("rate", "zigzag", 0.4, X, Y),
    row("rate", "zigzag", 0.43, X, Y),
    row("rate", "diverges", 0.5, X, Y),
    row("rate", "diverges", 1e200, X, Y),
    row("rate", "uphill", -0.3, X, Y),
    row("rate", "zero", 0, X, Y),
    row("rate", "alternative", "0.3", X, Y),
    row("rate", "diverges", 30, X, Y),
    row("rate", "type", "fast", X, Y),
    row("rate", "type", keras.optimizers.SGD(0.3), X, Y),
    row("rate", "none", None, X, Y),
    row("baseline", "ok", 0.9, False, 0.78),
    row("baseline", "alternative", Fraction(9, 10), np.bool_(False), np.float64(0.78)),
    row("baseline", "alternative", 90, "no", 0.78),
    row("baseline", "alternative", 0.9, "No.", 0.78),
    row("baseline", "alternative", keras.ops.array(0.9), 0, 0.78),
    row("baseline", "alternative", 0.9, True, 0.93),  # of another run
    row("baseline", "todo", ..., ..., 0.78),
    row("baseline", "todo", 0.9, ..., 0.78),
    row("baseline", "tenth", 0.1, False, 0.78),
    row("baseline", "half", 0.5, True, 0.78),
    row("baseline", "models", 0.78, False, 0.777),
    row("baseline", "models", 78, False, 0.777),
    row("baseline", "count", 180, False, 0.78),
    row("baseline", "ratio", 9, False, 0.78),
    row("baseline", "alternative", "90 %", np.array([False]), 0.78),
    row("baseline", "alternative", "180/200", [False], 0.78),
    row("baseline", "nothing", 0, True, 0.78),
    row("baseline", "all", 1, False, 0.78),
    row("baseline", "error", 20, False, 0.78),
    row("baseline", "inverse", 0.111, False, 0.78),
    row("baseline", "inverse", 200 / 180, False, 0.78),
    row("baseline", "difference", 0.8, False, 0.78),
    row("baseline", "other", 0.7, True, 0.78),
    row("baseline", "other", -1e5, True, 0.78),
    row("baseline", "verdict", 0.9, True, 0.78),
    row("baseline", "truth", 0.9, "maybe", 0.78),
    row("baseline", "truth", 0.9, 0.78, 0.78),
    row("baseline", "truth", 0.9, None, 0.78),
    row("baseline", "truth", 0.9, [[1], [1, 2]], 0.78),
    row("baseline", "type", "most of them", False, 0.78),
]


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("start", [(0, 0), (3, 9), (-2, -5), (0.4, 8), (2, 4)])
def test_following_the_advice_leads_to_a_good_line(start):
    guesses, sizes = [start], {"much ": 1.5, "": 0.6, "slightly ": 0.15}
    for _ in range(20):
        outcome = check.verdict("guess", guesses, X, Y)
        if outcome.status == "correct":
            return
        how = re.search(r"a (much |slightly |)(?:larger|smaller)", outcome.message)[1]
        w, b = guesses[-1]
        turn, lift = {
            "steeper": (0.5, 0),
            "flatter": (-0.5, 0),
            "higher": (0, 1),
            "lower": (0, -1),
        }[outcome.key]
        guesses.append((w + turn * sizes[how], b + lift * sizes[how]))
    raise AssertionError(guesses)


def test_the_answer_names_the_guess_before_and_the_guesses_left():
    message = check.verdict("guess", [(0, 3), (0, 4)], X, Y).message
    assert "better" in message and "3 guesses left" in message
    assert "worse" in check.verdict("guess", [(0, 4), (0, 3)], X, Y).message
    assert "no change" in check.verdict("guess", [(0, 4), (0, 4)], X, Y).message
    assert "before" not in check.verdict("guess", [(0, 4)], X, Y).message
    assert "1 guess left" in check.verdict("guess", [(0, 4)] * 4, X, Y).message
    assert "used up" in check.verdict("guess", [(0, 4)] * 5, X, Y).message


def test_a_loss_that_rounds_to_the_target_is_told_apart_from_it():
    shift = np.sqrt(0.2001)
    message = check.verdict("guess", [(0, shift)], [-1.0, 1.0], [0.0, 0.0]).message
    assert "0.20010" in message


@pytest.mark.parametrize("guesses", [None, ..., 3, [], [...], [(..., 1)], ["a"], [(1, 2, 3)]])
def test_what_cannot_be_drawn_is_left_out(guesses):
    assert pairs(guesses).shape == (0, 2)


def test_guesses_are_drawn_beside_dots():
    assert pairs([(1, 2), ...]).tolist() == [[1, 2]]
    assert pairs((1, 2)).tolist() == [[1, 2]]


@pytest.mark.slow
def test_the_alternative_names_the_range_of_rates():
    right = [r for r in np.arange(0.2, 0.45, 0.005)
             if check.verdict("rate", r, X, Y).status == "correct"]  # fmt: skip
    assert right[0] == pytest.approx(0.24, abs=0.01)
    assert right[-1] == pytest.approx(0.37, abs=0.01)


def test_the_text_agrees_with_what_the_cells_print():
    solved = nbformat.read(ROOT / "notebooks" / "solutions" / "00_start_here.ipynb", 4)
    outputs = [o for c in solved.cells for o in c.get("outputs", [])]
    printed = "".join(o.get("text", "") for o in outputs)
    shown = "".join(o.get("data", {}).get("text/plain", "") for o in outputs)

    def number(before):
        return float(re.search(rf"{re.escape(before)}([\d.,]*\d)", printed)[1].replace(",", ""))

    assert 10 <= number("below 0.20: ") <= 20  # the prediction's answer
    assert number("can have: ") == number(", loss ")
    right = [int(n) for n in re.findall(r"Right: (\d+) of 10", shown)]
    assert right[0] <= 2 and right[1] >= 7
    assert number("share right of ") == 2000
    assert 0.05 < number(" mean: ") < 0.15
    assert number("trained on ") == 8000
    assert number("2,000 others: ") > 0.8
    assert number("20 trousers: ") < 0.88
