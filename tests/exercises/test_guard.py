"""What stands for the learner's function: any callable will do, and its use is watched."""

import copy
import functools
import warnings

import numpy as np
import pytest

from coursekit.exercises import Wrong, expect
from coursekit.exercises._guard import Guard

pytestmark = pytest.mark.any_backend


def doubles(answer):
    """A check: does `answer` double a number?"""
    expect.close(expect.number(answer(3.0)), 6.0)


# Kinds of functions.


class Doubler:
    def __call__(self, x):
        return 2 * x

    def method(self, x):
        return 2 * x


class SomeTimes:
    def __init__(self, factor):
        self.factor = factor

    def times(self, x):
        return self.factor * x


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: 2 * x,
        functools.partial(lambda a, b: a * b, 2),
        functools.partial(np.multiply, 2),
        Doubler(),
        Doubler().method,
        SomeTimes(2).times,
        decorated(lambda x: 2 * x),
        functools.lru_cache(lambda x: 2 * x),
        (2.0).__mul__,
    ],
)
def test_what_may_stand_for_a_function(run, answer):
    def check(answer):
        expect.close(expect.number(expect.function(answer)(3.0)), 6.0)

    assert run(check, answer).status == "correct"


def test_builtin_and_library_functions(run):
    import keras

    def adds(answer):
        expect.close(expect.number(answer(np.array([1.0, 2.0]))), 3.0)

    for answer in (sum, np.sum, keras.ops.sum, lambda x: x.sum()):
        assert run(adds, answer).status == "correct"
    for answer in (min, np.min, keras.ops.min):
        outcome = run(adds, answer)
        assert outcome.message == "Your answer is 1; expected 3."


@pytest.mark.parametrize("answer", [max, np.add, functools.partial(max), str.join])
def test_a_function_of_others_that_raises(run, answer):
    outcome = run(lambda answer: answer(3.0), answer)
    assert outcome.status in ("raised", "wrong")
    assert "of your cell" not in outcome.message


def test_a_function_as_a_value(run):
    """What stands for the function in a check shows as the function itself."""
    outcome = run(lambda answer: expect.number(answer), lambda x: x)
    assert outcome.message == "Your answer should be one number, but it is a function."
    outcome = run(lambda answer: expect.number(answer), sum)
    assert outcome.message.endswith("it is a built-in function.")
    outcome = run(lambda answer: expect.number(answer), Doubler)
    assert outcome.message.endswith("it is a class.")

    def check(answer):
        raise Wrong("value", what="it", got=answer, wanted=3)

    assert run(check, sum).message == "It is <built-in function sum>; expected 3."
    assert "0x" not in run(check, lambda x: x).message


def test_a_guard_can_be_copied_and_asked():
    def answer(x):
        return x

    answer.note = "kept"
    guard = Guard(answer, [])
    assert copy.copy(guard)(3) == 3
    assert guard.note == "kept"
    assert guard.__name__ == "answer"


# Arguments.


@pytest.mark.parametrize(
    "answer, expected",
    [
        (lambda: 1, "`<lambda>(3.0)`"),
        (lambda x, y: 1, "missing a required argument: 'y'"),
        (lambda *, x: 1, "too many positional arguments"),
    ],
)
def test_a_function_with_other_arguments(run, answer, expected):
    outcome = run(doubles, answer)
    assert (outcome.status, outcome.key) == ("wrong", "signature")
    assert expected in outcome.message


def test_an_argument_by_another_name(run, cell):
    def check(answer):
        answer(np.zeros(3), name="sum")

    outcome = run(check, cell("def answer(x, key):\n    return x\n"))
    assert outcome.key == "signature"
    assert "`answer(ndarray, name='sum')`" in outcome.message


@pytest.mark.parametrize(
    "answers, given", [((), "no answers"), ((1,), "1 answer."), ((1,) * 3, "3")]
)
def test_the_wrong_number_of_answers(run, answers, given):
    def check(weights, bias):
        return

    outcome = run(check, *answers)
    assert (outcome.status, outcome.key) == ("wrong", "arguments")
    assert "`weights` and `bias`" in outcome.message
    assert given in outcome.message


# Changed arguments.


def test_another_dtype_of_the_same_bytes_is_a_change(run):
    def check(answer):
        answer(np.zeros(2))

    def answer(x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x.dtype = "int64"
        return x

    assert run(check, answer).key == "mutated"


@pytest.mark.parametrize(
    "argument, change",
    [
        (np.zeros(3), "x += 1"),
        (np.array([1.0, np.nan]), "x[0] = 2"),
        (np.array([1 + 1j, complex(np.nan)]), "x[0] = 2"),
        ([1, 2, 3], "x.append(4)"),
        ([[1], [2]], "x[0].append(4)"),
        ([3, 1], "x.sort()"),
        ({"a": 1}, "x['b'] = 2"),
        ({"a": [1]}, "x['a'].clear()"),
        (np.zeros((2, 3)), "x.resize((3, 2), refcheck=False)"),
        (np.zeros(4), "x.resize((4, 1), refcheck=False)"),
        (np.array([[1.0]]), "x.resize(1, refcheck=False)"),
        ((np.zeros(3), 1), "x[0][0] = 1"),
        ([(1, [2])], "x[0][1].append(3)"),
        ({1, 2}, "x.add(3)"),
        (bytearray(b"ab"), "x.extend(b'c')"),
        (np.zeros((0, 3)), "x.resize((3, 0), refcheck=False)"),
    ],
)
def test_a_changed_argument_is_named(run, cell, argument, change):
    def check(answer):
        answer(1, x=copy.deepcopy(argument))

    def check_by_place(answer):
        answer(1, copy.deepcopy(argument))

    source = f"def answer(y, x):\n    {change}\n    return y\n"
    for one in (check, check_by_place):
        outcome = run(one, cell(source))
        assert (outcome.status, outcome.key) == ("wrong", "mutated")
        assert "`x`" in outcome.message


@pytest.mark.parametrize(
    "argument",
    [
        np.array([1.0, np.nan]),
        np.array([complex(np.nan)]),
        [1.0, float("nan")],
        {"a": [None]},
        (np.zeros((0, 2)), [1]),
        {1, 2},
        bytearray(b"a"),
        (1, (2, float("nan"))),
    ],
)
def test_an_unchanged_argument_is_fine(run, argument):
    def check(answer):
        answer(argument)

    assert run(check, lambda x: 1).status == "correct"


def test_an_unchanged_bfloat16_nan_is_fine(run):
    import ml_dtypes

    def check(answer):
        answer(np.array([np.nan], ml_dtypes.bfloat16))

    assert run(check, lambda x: 1).status == "correct"


def test_a_generator_that_changes_its_argument_later(run, cell):
    def check(answer):
        next(answer([1, 2, 3]))

    answer = cell("def answer(rows):\n    rows.reverse()\n    yield rows[0]\n")
    assert run(check, answer).key == "mutated"


def test_a_generator_that_fails_later(run, cell):
    def check(answer):
        list(answer(0))

    outcome = run(check, cell("def answer(x):\n    yield 1\n    yield 1 / x\n"))
    assert outcome.status == "raised"
    assert "`yield 1 / x`" in outcome.message
