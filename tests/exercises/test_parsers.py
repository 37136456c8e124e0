"""Right answers in other words and forms are right: letters, names, numbers."""

import decimal
import fractions

import numpy as np
import pytest

from coursekit.exercises import Wrong, expect

pytestmark = pytest.mark.any_backend


def key(function, *args, **kwargs):
    with pytest.raises(Wrong) as caught:
        function(*args, **kwargs)
    assert caught.value.sentence()
    return caught.value.key


# Letters.


@pytest.mark.parametrize(
    "answer",
    ["only A and C", "Only C and A.", "a, c", "A,C", "ac", "CA", "a c", "A & C", "a/c",
     "(a) and (c)", "rows A, C",
     "A and C are right", "the options a and c", "cases a and c", "case A and case C", "a, c, a",
     ["A", "C"], ("c", "a"), {"a", "c"},
     frozenset("ac"), np.array(["A", "C"]), ["a and c"], ["(A)", " c "], "{a, c}", "[A; C]"],
)  # fmt: skip
def test_letters(answer):
    assert expect.letters(answer, "abcd") == ("a", "c")
    assert expect.letters(answer, ["A", "B", "C"]) == ("A", "C")


@pytest.mark.parametrize("answer", ["none", "None of them", "neither", "nothing", [], (), set()])
def test_no_letter(answer):
    assert expect.letters(answer, "abc") == ()


@pytest.mark.parametrize("answer", ["all", "all of them", "ABC", "everything", "a, b and c"])
def test_all_letters(answer):
    assert expect.letters(answer, "abc") == ("a", "b", "c")


@pytest.mark.parametrize(
    "answer",
    ["", " ", "a or c", "all but b", "not a", "e", "a and e", "abe", "and", "of them", ["a", 1],
     None, 3, {"a": True}, ["a", None], object(), ["", "a or b"], "all and none", True],
)  # fmt: skip
def test_letters_that_leave_it_open(answer):
    assert key(expect.letters, answer, "abcd") == "options"


def test_letters_of_other_options():
    assert expect.letters("1 and 3", "123") == ("1", "3")
    assert expect.letters("sgd, adam", ["adam", "sgd", "a"]) == ("adam", "sgd")


# Names.

METRICS = {"f1": ("f measure", "dice"), "accuracy": (), "log_loss": ("cross-entropy",),
           "log": ()}  # fmt: skip


@pytest.mark.parametrize(
    "answer, wanted",
    [("f1", "f1"), ("F1", "f1"), (" F1 score ", "f1"), ("F1-score", "f1"), ("f1_score", "f1"),
     ("the F1 score", "f1"), ("F-1", "f1"), ("f measure", "f1"), ("F-measure", "f1"),
     ("Dice", "f1"), ("Dice score.", "f1"), ("ACCURACY", "accuracy"), ("log loss", "log_loss"),
     ("LogLoss", "log_loss"), ("cross entropy", "log_loss"), ("CrossEntropy loss", "log_loss"),
     ("log", "log"), ("the log", "log"), (np.str_("f1"), "f1"), ("'accuracy'", "accuracy"),
     (["F1"], "f1"), ("only accuracy", "accuracy")],
)  # fmt: skip
def test_names(answer, wanted):
    assert expect.name(answer, METRICS) == wanted


@pytest.mark.parametrize(
    "answer",
    ["", "f2", "not f1", "f1 accuracy", "score", "the", None, 1, ["f1", "f1"], object(), b"f1"],
)
def test_no_name(answer):
    assert key(expect.name, answer, METRICS) == "option"


def test_a_name_that_fits_two():
    assert key(expect.name, "x", {"a": ("x",), "b": ("x",)}) == "option"
    assert expect.name("f1", ["f1", "f1 score"]) == "f1"
    assert expect.name("the f1 score", ["accuracy", "f1 score"]) == "f1 score"


# Numbers.


@pytest.mark.parametrize(
    "answer, wanted",
    [("0.5", 0.5), (" .5 ", 0.5), ("5e-1", 0.5), ("+0.5", 0.5), ("1/2", 0.5), ("1 / 2", 0.5),
     ("50 %", 0.5), ("50%", 0.5), ("-3", -3), ("\N{MINUS SIGN}3", -3), ("1,000", 1000),
     ("1,234.5", 1234.5), ("1,234,567.5", 1234567.5), ("3.", 3), (np.str_("2"), 2),
     (0.5, 0.5), ([0.5], 0.5),
     (np.array([[0.5]]), 0.5), (np.float32(0.5), 0.5), (np.int8(3), 3),
     (fractions.Fraction(1, 2), 0.5), (decimal.Decimal("0.5"), 0.5)],
)  # fmt: skip
def test_numerals(answer, wanted):
    got = expect.numeral(answer)
    assert (got, type(got)) == (wanted, float)


@pytest.mark.parametrize(
    "answer, expected",
    [("", "type"), ("half", "type"), ("0.5 or so", "type"), ("0,5", "type"), ("1,00", "type"),
     (".", "type"), ("e5", "type"), ("1/2/3", "type"), ("nan", "type"), ("inf", "type"),
     ("1e999", "inf"), ("1/0", "inf"), ("0/0", "nan"), ("1_000", "type"), ("--3", "type"),
     (True, "type"), (None, "none"), ([1, 2], "shape"), ("[1]", "type"), ("x" * 10**5, "type")],
)  # fmt: skip
def test_no_numeral(answer, expected):
    assert key(expect.numeral, answer) == expected


@pytest.mark.parametrize(
    "got, right, digits, is_right",
    [(0.33, 1 / 3, 2, True), (0.333, 1 / 3, 2, True), (1 / 3, 1 / 3, 2, True),
     (0.3, 1 / 3, 2, False), (0.3, 1 / 3, 1, True), (0.34, 1 / 3, 2, False),
     (0.67, 2 / 3, 2, True), (0.66, 2 / 3, 2, False), (-0.33, 1 / 3, 2, False),
     (-0.33, -1 / 3, 2, True), (1200, 1234.5, 2, True), (1234, 1234.5, 2, True),
     (1000, 1234.5, 2, False), (0.0012, 0.00123, 2, True), (0.0, 0.00123, 2, False),
     (0.0, 0.0, 2, True), (0.001, 0.0, 2, False), (2.3, 2.25, 2, True), (2.2, 2.25, 2, True),
     (1.0, 0.999, 2, True), (10, 9.96, 2, True), (1.04, 1.0, 2, False), (1.004, 1.0, 2, True),
     (1.08, 1.04, 2, False), (1.0, 1.04, 2, True), (105, 101, 2, False), (100, 101, 2, True),
     (0.2505, 0.25, 2, True), (float(np.float32(0.33)), 1 / 3, 2, True),
     (float(np.float16(0.33)), 1 / 3, 2, True), (1e300, 1.04e300, 2, True),
     (0.254, 0.25, 2, False), (9.95, 9.9, 2, False),
     (float("nan"), 1.0, 2, False),
     (float("inf"), float("inf"), 2, False), (1e-300, 1.04e-300, 2, True)],
)  # fmt: skip
def test_rounded(got, right, digits, is_right):
    assert expect.is_rounded(got, right, digits) is is_right
