"""What an answer must be before its value is judged; each returns the answer, ready for use.

A check calls these on whatever the learner gave. Each raises `Wrong` with a standard message:
None, a generator, a wrong type, shape or dtype, NaN and infinity get a sentence of their own.
"""

import itertools
import math
import re
import types
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

import numpy as np

from coursekit.exercises._limits import Stopped
from coursekit.exercises._objects import has, is_a, plain
from coursekit.exercises._slips import no_slips, slips
from coursekit.exercises._wrong import Wrong, brief, shorten, with_article

__all__ = ["array", "choice", "close", "function", "is_rounded", "items", "letters", "name",
           "no_slips", "number", "numeral", "slips"]  # fmt: skip


def number(answer: Any, what: str = "your answer") -> float:
    """Return the answer as a float. Accepts Python, numpy and tensor scalars, no truth values."""
    value = _as_numpy(answer, what, "one number")
    if value.dtype.kind == "b":
        raise Wrong("type", what=what, wanted="one number", got=with_article(answer))
    if value.size != 1:
        raise Wrong("shape", what=what, got=value.shape, wanted="() (one number)")
    return float(_finite(value, what).reshape(()))


def array(
    answer: Any, shape: tuple | None = None, dtype: str | None = None, what: str = "the result"
):
    """Return the answer as a finite numpy array of that shape and dtype, where they are given.

    A bfloat16 array comes back as float32, which holds the same values.
    """
    value = _as_numpy(answer, what, "an array of numbers")
    if shape is not None and value.shape != tuple(shape):
        raise Wrong("shape", what=what, got=value.shape, wanted=tuple(shape))
    if dtype is not None and value.dtype.name != dtype:
        raise Wrong("dtype", what=what, got=value.dtype.name, wanted=dtype)
    return _finite(value, what)


def function(answer: Any, what: str = "your answer"):
    """Return the answer if it can be called."""
    if callable(answer):
        return answer
    is_result = is_a(answer, (Number, list, tuple)) or has(answer, "__array__")
    if answer is None or is_result:
        raise Wrong("called", what=what, got=with_article(answer))
    raise Wrong("type", what=what, wanted="a function", got=with_article(answer))


def choice(answer: Any, options: Iterable[str], what: str = "your answer") -> str:
    """Return the answer as one of the options, whatever its case and blanks."""
    options = list(options)
    text = plain(answer).strip(" ().\n\t").lower() if is_a(answer, str) else None
    for option in options:
        if text == option.lower():
            return option
    raise _no_option(answer, options, what)


def letters(answer: Any, options: Iterable[str], what: str = "your answer") -> tuple[str, ...]:
    """Return the options that the answer names, in their order: none, some or all of them.

    Takes a text ("only A and C", "a, c", "AC", "none", "all") or a list, tuple or set of letters.
    What leaves open which are meant ("a or c", "all but b") is refused.

    Example:
        >>> letters("only C and A", "abc"), letters(["B"], "abc"), letters("none", "abc")
        (('a', 'c'), ('b',), ())
    """
    options = list(options)
    parts = list(answer) if is_a(answer, (list, tuple, set, frozenset, np.ndarray)) else [answer]
    if not all(is_a(part, str) for part in parts):
        raise _several(answer, options, what)
    words = [word for part in parts for word in _words(part) if word not in FILLERS]
    known = {option.lower(): option for option in options}
    if words and NONE.issuperset(words):
        return ()
    if words and ALL.issuperset(words):
        return tuple(options)
    named = {c for w in words for c in ([w] if w in known or not set(w) <= set(known) else w)}
    if not named <= set(known) or (parts and not words):
        raise _several(answer, options, what)
    return tuple(option for option in options if option.lower() in named)


def name(
    answer: Any,
    names: Iterable[str] | Mapping[str, Iterable[str]],
    what: str = "your answer",
) -> str:
    """Return which of the names the answer is, whatever its case, blanks, hyphens and brackets.

    "F1 score", "F1-score" and "the f1_score" are all "f1": words such as "score" and "loss" that
    say what kind of thing it is may stand beside a name or be missing.

    Args:
        answer: a text, alone or in a list.
        names: the names, or a dict with the other names of each.
        what: how a message calls the answer.

    Example:
        >>> name("F1 score", ["accuracy", "f1"]), name("MAE", {"l1": ["mae"], "l2": ["mse"]})
        ('f1', 'l1')
    """
    others = names if isinstance(names, Mapping) else dict.fromkeys(names, ())
    if is_a(answer, (list, tuple, set, frozenset)) and len(answer) == 1:
        (answer,) = answer
    # As it is written; then without the words beside a name, in the answer and in the names too.
    for of_answer, of_names in (((), ()), (KINDS, ()), (KINDS, KINDS)):
        given = _joined(answer, of_answer) if is_a(answer, str) else ""
        same = {one: {_joined(n, of_names) for n in (one, *more)} for one, more in others.items()}
        found = [one for one, spellings in same.items() if given and given in spellings]
        if len(found) == 1:
            return found[0]
    raise _no_option(answer, list(others), what)


# Words beside the letters of an answer, and beside a name.
FILLERS = {"only", "just", "and", "both", "the", "letters", "letter", "options", "option", "is",
           "answers", "answer", "are", "right", "correct", "of", "them", "these", "case",
           "cases", "row", "rows", "run", "runs", "number", "numbers"}  # fmt: skip
NONE, ALL = {"none", "neither", "nothing"}, {"all", "every", "everything"}
KINDS = {"the", "a", "an", "only", "argument", "score", "loss", "metric", "function", "error",
         "optimizer", "method", "measure", "rule", "schedule", "regularization",
         "regularizer"}  # fmt: skip


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain(text).casefold())


def _joined(text: str, leave_out: Iterable[str]) -> str:
    return "".join(word for word in _words(text) if word not in leave_out)


def _no_option(answer, options: list[str], what: str = "your answer") -> Wrong:
    return Wrong("option", what=what, got=_quoted(answer), wanted=_listed(options))


def _several(answer, options: list[str], what: str) -> Wrong:
    return Wrong("options", what=what, got=_quoted(answer), wanted=_listed(options))


def _quoted(answer) -> str:
    return repr(shorten(plain(answer))) if is_a(answer, str) else brief(answer)


def _listed(options: list[str]) -> str:
    quoted = [f'"{o}"' for o in options]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def items(answer: Any, at_most: int, what: str = "the result") -> list:
    """Return the values of an iterable as a list; of an endless one the first `at_most + 1`."""
    if answer is None:
        raise Wrong("none", what=what)
    try:
        if is_a(answer, (str, bytes)):
            raise TypeError
        iterator = iter(answer)  # whatever Python can loop over, __getitem__ alone among it
    except TypeError:
        raise Wrong(
            "type", what=what, wanted="something to loop over", got=with_article(answer)
        ) from None
    return list(itertools.islice(iterator, at_most + 1))


def close(got: float, wanted: float, what: str = "your answer", tolerance: float = 1e-3) -> None:
    """Raise the plain "expected ..." message unless `got` is within a relative tolerance."""
    got, wanted = float(got), float(wanted)
    if not np.isclose(got, wanted, rtol=tolerance, atol=tolerance * 1e-3):
        if brief(got) == brief(wanted):  # as many digits as it takes to tell them apart
            got, wanted = repr(got), repr(wanted)
        raise Wrong("value", what=what, got=got, wanted=wanted)


def numeral(answer: Any, what: str = "your answer") -> float:
    """Return the answer as a float, as `number` does, also if it is written as a text.

    A comma before three digits divides thousands, as in the lessons.

    Example:
        >>> numeral(" 0.5 "), numeral("1e-3"), numeral("1/3") == 1 / 3, numeral("25 %")
        (0.5, 0.001, True, 0.25)
    """
    if not is_a(answer, str):
        return number(answer, what)
    text = plain(answer).strip().replace("\N{MINUS SIGN}", "-")
    parts = NUMERAL.fullmatch(text)
    if parts is None:
        raise Wrong("type", what=what, wanted="one number", got=repr(shorten(text)))
    top, bottom, percent = parts.groups()
    value = float(top.replace(",", ""))
    with np.errstate(all="ignore"):
        value = float(np.float64(value) / float(bottom or 1)) / (100 if percent else 1)
    return number(value, what)


DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d*(?:[eE][+-]?\d+)?"
NUMERAL = re.compile(rf"([+-]?(?=\.?\d){DIGITS})(?:\s*/\s*([+-]?(?=\.?\d){DIGITS}))?\s*(%)?")


def is_rounded(got: float, right: float, digits: int = 2) -> bool:
    """Say whether a number is the right one, rounded to so many digits that count or more.

    A number with more digits may be off by half a unit of the last of its own, or by that part of
    the right one which `digits` stand for: 0.5 % for two. Rounded steps on the way add up to more.

    Example:
        >>> is_rounded(0.33, 1 / 3), is_rounded(0.3, 1 / 3), is_rounded(0.66, 2 / 3)
        (True, False, False)
        >>> is_rounded(1200, 1234.5), is_rounded(-0.33, 1 / 3), is_rounded(1.04, 1.0)
        (True, False, False)
    """
    if not (math.isfinite(got) and math.isfinite(right)):
        return False
    if right == 0:
        return got == 0
    unit = 10.0 ** (math.floor(math.log10(abs(right))) + 1 - max(digits, _digits(got)))
    return abs(got - right) <= max(unit, abs(right) * 10.0**-digits) / 2 * (1 + 1e-9)


def _digits(value: float) -> int:
    """Count the digits of a number, as it is written in the least type that holds it."""
    with np.errstate(over="ignore", under="ignore"):
        kinds = [
            kind for kind in (np.float16, np.float32, np.float64) if float(kind(value)) == value
        ]
    text = np.format_float_scientific(kinds[0](value), trim="-")
    return len(text.lstrip("-").partition("e")[0].replace(".", ""))


def _as_numpy(answer, what, wanted) -> np.ndarray:
    """Return the answer as an array of bool, int, uint, float or a type like bfloat16."""
    if answer is None:
        raise Wrong("none", what=what)
    if type(answer) is types.GeneratorType or has(answer, "__next__"):
        raise Wrong("generator", what=what, wanted=wanted)
    if is_a(answer, (str, bytes, bytearray, dict, set)) or callable(answer):
        raise Wrong("type", what=what, wanted=wanted, got=with_article(answer))
    try:
        if has(answer, "detach"):  # a tensor of another framework
            answer = answer.detach()
        value = np.asarray(answer)
        if value.dtype.kind == "O" and not any(v is None for v in value.flat):
            value = value.astype("float64")  # fractions, and integers without end
        if value.dtype.kind not in "biuf":
            value.astype("float32", casting="safe")  # bfloat16 fits; text, dates, complex do not
    except OverflowError:
        raise Wrong("inf", what=what) from None
    except Stopped:
        raise
    except BaseException:  # whatever an object's own conversion does
        raise Wrong("type", what=what, wanted=wanted, got=with_article(answer)) from None
    return value


def _finite(value, what) -> np.ndarray:
    if value.dtype.kind not in "biuf":
        value = value.astype("float32")
    if np.isnan(value).any():
        raise Wrong("nan", what=what)
    if np.isinf(value).any():
        raise Wrong("inf", what=what)
    return value
