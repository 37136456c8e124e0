"""A wrong number is told from the right one times what its formula invites to forget."""

import math

import numpy as np
import pytest

from coursekit.exercises import Wrong, expect
from coursekit.exercises._slips import WORDS

pytestmark = pytest.mark.any_backend
RIGHT = 2.5


@pytest.mark.parametrize(
    "got, slip",
    [(-2.5, "sign"), (5, "double"), (1.25, "half"), (17.5, "times_n"), (2.5 / 7, "over_n"),
     (6.25, "square"), (math.sqrt(2.5), "root"), (0.4, "reciprocal"), (math.log(2.5), "logarithm"),
     (math.exp(2.5), "exponential"), (-5, "sign+double"), (-1.25, "sign+half"),
     (-17.5, "sign+times_n"), (-2.5 / 7, "sign+over_n"), (35, "double+times_n"),
     (5 / 7, "double+over_n"), (8.75, "half+times_n"), (1.25 / 7, "half+over_n"),
     (-35, "sign+double+times_n"), (-5 / 7, "sign+double+over_n"), (3, "median")],
)  # fmt: skip
@pytest.mark.parametrize("kind", [float, np.float32, np.array, lambda v: np.array([v, v])])
def test_slips(got, slip, kind):
    neighbours = {"median": kind(3.0), "mode": kind(40.0)}
    right = kind(RIGHT)
    assert expect.slips(kind(got), right, n=7, neighbours=neighbours) == [slip]
    with pytest.raises(Wrong) as caught:
        expect.no_slips(kind(got), right, n=7, neighbours=neighbours)
    assert caught.value.key == ("median" if slip == "median" else "slip")
    text = caught.value.sentence({"median": "{got} is the median."})
    assert "{" not in text
    assert "2.5" not in text or got == -2.5 or abs(got) == 2.5  # the right one is not given away


@pytest.mark.parametrize(
    "got", [2.5, 2.5001, 2.4999, 7.77, 0.0, float("nan"), float("inf"), -1e9, 1e-9]
)
def test_no_slip(got):
    assert expect.slips(got, RIGHT, n=7, neighbours={"median": 3.0}) == []
    expect.no_slips(got, RIGHT, n=7, neighbours={"median": 3.0})


def test_several_slips_are_all_named():
    assert expect.slips(4.0, 2.0) == ["double", "square"]
    assert expect.slips(0.5, 2.0, n=4) == ["over_n", "reciprocal"]
    with pytest.raises(Wrong) as caught:
        expect.no_slips(4.0, 2.0)
    assert caught.value.sentence() == (
        "Your answer is 4, and that is twice the right value or the square of the right value."
    )
    assert expect.slips(3.0, 2.5, neighbours={"a": 3.0, "b": 3.0}) == ["a", "b"]
    with pytest.raises(Wrong) as caught:
        expect.no_slips(3.0, 2.5, neighbours={"a": 3.0, "b": 3.0})
    assert "the value of `a` or the value of `b`" in caught.value.sentence()


def test_sentences():
    with pytest.raises(Wrong) as caught:
        expect.no_slips(-10.0, 2.5, "the gradient", n=4)
    assert caught.value.sentence() == (
        "The gradient is -10, and that is the right value with the other sign, times 4."
    )


@pytest.mark.parametrize("right", [0.0, 1.0, -1.0, -2.5, 1e-12, 1e12, float("nan"), float("inf")])
@pytest.mark.parametrize("n", [None, 1, 2, 1000])
def test_edges(right, n):
    """A slip that changes nothing is none, and nothing raises or warns."""
    with np.errstate(all="raise"):
        assert expect.slips(right, right, n=n) == []
        for got in (0.0, 3.0, -right, 2 * right):
            found = expect.slips(got, right, n=n)
            assert set("+".join(found).split("+")) <= {*WORDS, ""}
        if math.isfinite(right) and right:
            assert "sign" in expect.slips(-right, right, n=n)
    if n == 1:
        assert "times_n" not in expect.slips(2 * right, right, n=n)


def test_arrays():
    error = np.array([1.0, -2.0, 0.0])
    gradient = 2 * error / 3
    assert expect.slips(error / 3, gradient, n=3) == ["half"]
    assert expect.slips(-gradient, gradient, n=3) == ["sign"]
    assert expect.slips(2 * error, gradient, n=3) == ["times_n"]
    assert expect.slips(-2 * error, gradient, n=3) == ["sign+times_n"]
    assert expect.slips(-2 * error, gradient, n=3, neighbours={"up": -2 * error}) == ["up"]
    assert expect.slips(gradient[:2], gradient, n=3) == []
    assert expect.slips(np.array([]), np.array([])) == []
    one = gradient.copy()
    one[0] *= -1
    assert expect.slips(one, gradient, n=3) == []


def test_a_neighbour_that_is_right_is_none():
    assert expect.slips(2.5, 2.5, neighbours={"median": 2.5}) == []
    assert expect.slips(5.0, 2.5, neighbours={"median": 2.5}) == ["double"]


def test_rounded_answers():
    assert expect.slips(-0.33, 1 / 3) == []
    assert expect.slips(-0.33, 1 / 3, tolerance=0.02) == ["sign"]
