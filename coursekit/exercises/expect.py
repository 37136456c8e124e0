"""What an answer must be before its value is judged; each returns the answer, ready for use.

A check calls these on whatever the learner gave. Each raises `Wrong` with a standard message:
None, a generator, a wrong type, shape or dtype, NaN and infinity get a sentence of their own.
"""

import inspect
import itertools
from collections.abc import Iterable
from numbers import Number

import numpy as np

from coursekit.exercises._wrong import Wrong, a, brief, shorten


def number(answer, what: str = "your answer") -> float:
    """Return the answer as a float. Accepts Python, numpy and tensor scalars, no truth values."""
    value = _as_numpy(answer, what, "one number")
    if value.dtype.kind == "b":
        raise Wrong("type", what=what, wanted="one number", got=a(answer))
    if value.size != 1:
        raise Wrong("shape", what=what, got=value.shape, wanted="() (one number)")
    return float(_finite(value, what).reshape(()))


def array(answer, shape: tuple | None = None, dtype: str | None = None, what="the result"):
    """Return the answer as a finite numpy array of that shape and dtype, where they are given.

    A bfloat16 array comes back as float32, which holds the same values.
    """
    value = _as_numpy(answer, what, "an array of numbers")
    if shape is not None and value.shape != tuple(shape):
        raise Wrong("shape", what=what, got=value.shape, wanted=tuple(shape))
    if dtype is not None and value.dtype.name != dtype:
        raise Wrong("dtype", what=what, got=value.dtype.name, wanted=dtype)
    return _finite(value, what)


def function(answer, what: str = "your answer"):
    """Return the answer if it can be called."""
    if callable(answer):
        return answer
    is_result = isinstance(answer, Number | list | tuple) or hasattr(answer, "__array__")
    if answer is None or is_result:
        raise Wrong("called", what=what, got=a(answer))
    raise Wrong("type", what=what, wanted="a function", got=a(answer))


def choice(answer, options: Iterable[str], what: str = "your answer") -> str:
    """Return the answer as one of the options, whatever its case and blanks."""
    options = list(options)
    text = answer.strip(" ().\n\t").lower() if isinstance(answer, str) else None
    for option in options:
        if text == option.lower():
            return option
    quoted = [f'"{o}"' for o in options]
    got = repr(shorten(answer)) if isinstance(answer, str) else brief(answer)
    listed = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
    raise Wrong("option", got=got, wanted=listed)


def items(answer, at_most: int, what: str = "the result") -> list:
    """Return the values of an iterable as a list; of an endless one the first `at_most + 1`."""
    if answer is None:
        raise Wrong("none", what=what)
    try:
        if isinstance(answer, str | bytes):
            raise TypeError
        iterator = iter(answer)  # whatever Python can loop over, __getitem__ alone among it
    except TypeError:
        raise Wrong("type", what=what, wanted="something to loop over", got=a(answer)) from None
    return list(itertools.islice(iterator, at_most + 1))


def close(got: float, wanted: float, what: str = "your answer", tolerance: float = 1e-3) -> None:
    """Raise the plain "expected ..." message unless `got` is within a relative tolerance."""
    got, wanted = float(got), float(wanted)
    if not np.isclose(got, wanted, rtol=tolerance, atol=tolerance * 1e-3):
        if brief(got) == brief(wanted):  # as many digits as it takes to tell them apart
            got, wanted = repr(got), repr(wanted)
        raise Wrong("value", what=what, got=got, wanted=wanted)


def _as_numpy(answer, what, wanted) -> np.ndarray:
    """Return the answer as an array of bool, int, uint, float or a type like bfloat16."""
    if answer is None:
        raise Wrong("none", what=what)
    if inspect.isgenerator(answer) or hasattr(answer, "__next__"):
        raise Wrong("generator", what=what, wanted=wanted)
    if isinstance(answer, str | bytes | bytearray | dict | set) or callable(answer):
        raise Wrong("type", what=what, wanted=wanted, got=a(answer))
    try:
        if hasattr(answer, "detach"):  # a tensor of another framework
            answer = answer.detach()
        value = np.asarray(answer)
        if value.dtype.kind == "O" and not any(v is None for v in value.flat):
            value = value.astype("float64")  # fractions, and integers without end
        if value.dtype.kind not in "biuf":
            value.astype("float32", casting="safe")  # bfloat16 fits; text, dates, complex do not
    except OverflowError:
        raise Wrong("inf", what=what) from None
    except Exception:  # whatever an object's own conversion does
        raise Wrong("type", what=what, wanted=wanted, got=a(answer)) from None
    return value


def _finite(value, what) -> np.ndarray:
    if value.dtype.kind not in "biuf":
        value = value.astype("float32")
    if np.isnan(value).any():
        raise Wrong("nan", what=what)
    if np.isinf(value).any():
        raise Wrong("inf", what=what)
    return value
