"""Which slip a number shows: the right one times what its formula invites to forget or to add.

An answer is compared with the right value times -1, 2, 1/2, n and 1/n, also two and three of them
together, with its square, root, reciprocal, logarithm and exponential, and with the values that
belong to other answers, its neighbours.
"""

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np

from coursekit.exercises._wrong import Wrong

WORDS = {
    "sign": "the right value with the other sign",
    "double": "twice the right value",
    "half": "half the right value",
    "times_n": "the right value times {n}",
    "over_n": "the right value divided by {n}",
    "square": "the square of the right value",
    "root": "the square root of the right value",
    "reciprocal": "the reciprocal of the right value",
    "logarithm": "the natural logarithm of the right value",
    "exponential": "the exponential of the right value",
}
FUNCTIONS: dict[str, Callable] = {
    "square": np.square,
    "root": np.sqrt,
    "reciprocal": np.reciprocal,
    "logarithm": np.log,
    "exponential": np.exp,
}


def slips(
    got: float | np.ndarray,
    right: float | np.ndarray,
    *,
    n: float | None = None,
    neighbours: Mapping[str, float | np.ndarray] | None = None,
    tolerance: float = 1e-3,
) -> list[str]:
    """Return the slips that a wrong answer shows; an empty list if it shows none, or is right.

    Several names mean that the number alone does not tell them apart: twice 2 is also its square.
    Slips in combination are joined by "+", as in "sign+double". The fewest slips that explain the
    answer are returned; a neighbour comes before all of them, since it is a value of its own.

    Args:
        got: the answer, a number or an array.
        right: the right value, of the same shape.
        n: the number of rows, or whatever else the formula divides by.
        neighbours: the values of other answers, by name.
        tolerance: relative, as in `close`. Defaults to 1e-3.

    Example:
        >>> slips(-5.0, 2.5), slips(5.0, 2.5, n=4), slips(-10.0, 2.5, n=4)
        (['sign+double'], ['double'], ['sign+times_n'])
        >>> slips(3.0, 2.5, neighbours={"median": 3.0})
        ['median']
    """
    got, right = np.asarray(got, "float64"), np.asarray(right, "float64")
    if got.shape != right.shape or _close(got, right, tolerance):
        return []

    def fits(value) -> bool:
        value = np.asarray(value, "float64")
        is_other = value.shape == right.shape and not _close(value, right, tolerance)
        return is_other and _close(got, value, tolerance)

    near = [name for name, value in (neighbours or {}).items() if fits(value)]
    if near:
        return near
    factors = {"sign": -1.0, "double": 2.0, "half": 0.5}
    if n is not None:
        factors |= {"times_n": float(n), "over_n": 1 / n}
    found = [name for name, factor in factors.items() if fits(factor * right)]
    with np.errstate(all="ignore"):
        found += [name for name, function in FUNCTIONS.items() if fits(function(right))]
    for count in (2, 3) if not found else ():
        for names in itertools.combinations(factors, count):
            product = math.prod(factors[name] for name in names)
            if not {"double", "half"} <= set(names) and not {"times_n", "over_n"} <= set(names):
                found += ["+".join(names)] * fits(product * right)
        if found:
            break
    return found


def no_slips(
    got: float | np.ndarray,
    right: float | np.ndarray,
    what: str = "your answer",
    *,
    n: float | None = None,
    neighbours: Mapping[str, float | np.ndarray] | None = None,
    tolerance: float = 1e-3,
) -> None:
    """Raise `Wrong` if the answer shows a slip; call `close` after it for all else.

    A neighbour's name is the key of one of the exercise's messages, which gets `got`; any other
    slip is said by the standard message "slip", and where several fit, all of them are. The
    arguments are those of `slips`.
    """
    found = slips(got, right, n=n, neighbours=neighbours, tolerance=tolerance)
    if len(found) == 1 and found[0] in (neighbours or {}):
        raise Wrong(found[0], got=got)
    if found:
        raise Wrong("slip", what=what, got=got, seen=" or ".join(_words(one, n) for one in found))


def _words(slip: str, n: float | None) -> str:
    """Say in words what an answer is: "the right value with the other sign, times 2"."""
    first, *rest = slip.split("+")
    words = WORDS.get(first, f"the value of `{first}`")
    more = {"double": "times 2", "half": "divided by 2", "times_n": "times {n}",
            "over_n": "divided by {n}"}  # fmt: skip
    return ", ".join([words, *(more[name] for name in rest)]).format(n=f"{n:g}" if n else n)


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Say whether two arrays are the same: each value by its own size, zeros by the largest."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    smallest = tolerance * 1e-3 * np.abs(b).max(initial=0.0)
    return bool(np.allclose(a, b, rtol=tolerance, atol=smallest))
