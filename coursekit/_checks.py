"""An argument's rule and its sentence: one home for both.

    self.epochs = count("epochs", epochs)
    self.rate = number("rate", rate, above=0)
    self.mode = one_of("mode", mode, ("min", "max"))
    self.shuffle = switch("shuffle", shuffle)

Each returns the value as plain Python has it, or raises a ValueError: the rule, what was received,
and, where there is one, a way out. NumPy's numbers are numbers; True is not one.
"""

import difflib
import inspect
import math
import numbers
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def require(holds: bool, rule: str, way_out: str = "", /, **received) -> None:
    """Raise a ValueError in Keras's form unless the rule holds.

    Example:
        >>> require(False, "`margin` must be > 0.", margin=-1)
        Traceback (most recent call last):
        ValueError: `margin` must be > 0. Received: margin=-1
    """
    if not holds:
        got = ", ".join(f"{name}={brief(value)}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {got}" + (f". {way_out}." if way_out else ""))


def count(name: str, value, least: int = 1, way_out: str = "") -> int:
    """Return an integer of at least `least`.

    Example:
        >>> count("epochs", np.int64(3))
        3
        >>> count("epochs", 2.5)
        Traceback (most recent call last):
        ValueError: `epochs` must be an integer of at least 1. Received: epochs=2.5
    """
    rule = f"`{name}` must be an integer of at least {least}."
    require(is_int(value), rule, way_out, **{name: value})
    value = operator.index(value)
    require(value >= least, rule, way_out, **{name: value})
    return value


def seed(value) -> int:
    """Return a seed that NumPy's and Keras's generators take.

    Example:
        >>> seed(2**32)
        Traceback (most recent call last):
        ValueError: `seed` must be an integer from 0 to 2**32 - 1. Received: seed=4294967296
    """
    holds = is_int(value) and 0 <= value < 2**32
    require(holds, "`seed` must be an integer from 0 to 2**32 - 1.", seed=value)
    return operator.index(value)


def number(
    name: str, value, *, above=None, least=None, below=None, most=None, way_out: str = ""
) -> float:
    """Return a finite number inside the bounds as a float.

    Example:
        >>> number("momentum", 1.5, least=0, below=1)
        Traceback (most recent call last):
        ValueError: `momentum` must be a number at least 0 and below 1. Received: momentum=1.5
    """
    bounds = {"above": above, "at least": least, "below": below, "at most": most}
    words = " and ".join(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)
    rule = f"`{name}` must be a " + (f"number {words}." if words else "finite number.")
    require(is_number(value), rule, way_out, **{name: value})
    holds = (
        (above is None or value > above)
        and (least is None or value >= least)
        and (below is None or value < below)
        and (most is None or value <= most)
    )
    require(holds, rule, way_out, **{name: value})
    return float(value)


def one_of(name: str, value, options: Iterable[str], way_out: str = "") -> Any:
    """Return a value that is one of the options; of a misspelt word the next of kin is named.

    Example:
        >>> one_of("mode", "mim", ("min", "max"))
        Traceback (most recent call last):
        ValueError: `mode` must be 'min' or 'max'. Received: mode='mim'. Did you mean 'min'?
    """
    options = list(options)
    for option in options:
        if type(option) is type(value) and option == value:
            return option
    words = [repr(option) for option in options]
    text = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
    near = []
    if isinstance(value, str):
        near = difflib.get_close_matches(value, [o for o in options if isinstance(o, str)], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    end = "." if hint or way_out else ""
    raise ValueError(
        f"`{name}` must be {text}. Received: {name}={brief(value)}{end}{hint}"
        + (f" {way_out}." if way_out else "")
    )


def switch(name: str, value) -> bool:
    """Return True or False: words and numbers are neither.

    Example:
        >>> switch("from_logits", "no")
        Traceback (most recent call last):
        ValueError: `from_logits` must be True or False. Received: from_logits='no'
    """
    require(isinstance(value, bool | np.bool_), f"`{name}` must be True or False.", **{name: value})
    return bool(value)


def verbosity(value) -> int | str:
    """Return `verbose`: "auto", 0, 1 or 2.

    Example:
        >>> verbosity("no")
        Traceback (most recent call last):
        ValueError: `verbose` must be "auto", 0, 1 or 2. Received: verbose='no'
    """
    holds = value == "auto" if isinstance(value, str) else is_int(value) and 0 <= value <= 2
    require(holds, '`verbose` must be "auto", 0, 1 or 2.', verbose=value)
    return value if isinstance(value, str) else operator.index(value)


def place(name: str, value) -> Path:
    """Return a path, given as a word or as a path.

    Example:
        >>> place("folder", 3)
        Traceback (most recent call last):
        ValueError: `folder` must be a path. Received: folder=3
    """
    there = isinstance(value, str | os.PathLike) and bool(os.fspath(value))
    require(there, f"`{name}` must be a path.", **{name: value})
    return Path(value)


def same_rows(**arrays) -> int:
    """Return how many rows the arrays have, which must be the same in all.

    Example:
        >>> same_rows(x=np.zeros((3, 2)), y=np.zeros(2))
        Traceback (most recent call last):
        ValueError: `x` and `y` must have the same rows. Received: x.shape=(3, 2), y.shape=(2,)
    """
    for name, array in arrays.items():
        refuse_masked(name, array)
    shapes = {name: tuple(np.shape(array)) for name, array in arrays.items()}
    names = " and ".join(f"`{name}`" for name in shapes)
    rows = {shape[0] if shape else None for shape in shapes.values()}
    if len(rows) != 1 or None in rows:
        got = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
        raise ValueError(f"{names} must have the same rows. Received: {got}")
    return rows.pop()


def refuse_masked(name: str, values) -> None:
    """Refuse a masked array of NumPy: what it hides would be taken for numbers.

    Example:
        >>> refuse_masked("x", np.ma.masked_equal([1, -1], -1))
        Traceback (most recent call last):
        ValueError: `x` must be an array without masked values. Received: masked=1. Leave them out.
    """
    if np.ma.is_masked(values):
        require(
            False,
            f"`{name}` must be an array without masked values.",
            "Leave them out",
            masked=int(np.ma.count_masked(values)),
        )


def takes(function, *arguments) -> bool:
    """Whether a function can be called with these arguments, as far as its signature tells."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # some built-in callables do not tell their signature
        pass
    return True


def is_int(value) -> bool:
    """Whether a value is an integer, NumPy's too; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def is_number(value) -> bool:
    """Whether a value is a finite real number, NumPy's too; no bool, no NaN, no tensor."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def brief(value, limit: int = 200) -> str:
    """Return `repr(value)`, cut where it is long: an error message shows a value, not a table."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 20]} ... ({len(text):,} characters)"
