"""How a check says that an answer is wrong, and how values are written into its sentence."""

import inspect
import re
from typing import Any

import numpy as np

from coursekit.exercises._limits import Stopped
from coursekit.exercises._objects import class_name, has, is_a, plain

LONGEST_VALUE = 160
PHRASE = re.compile(r"[a-z]+( |$)(?!$)|it$")  # "your answer", and no name of a variable
PLAIN_NAMES = {"type": "class", "builtin_function_or_method": "built-in function",
               "ndarray": "numpy array"}  # fmt: skip


class Wrong(Exception):
    """Raised by a check: the key of a message, and the values that the message names.

    The key is one of the exercise's `messages` or of `STANDARD` (messages that any check can use,
    raised through `coursekit.exercises.expect`).
    """

    def __init__(self, key: str, /, **values: Any):
        super().__init__(key)
        self.key, self.values = key, values

    def sentence(self, messages: dict[str, str] | None = None) -> str:
        """Return the message, with the values in it.

        It begins with a capital, unless a value stands there: `nan` and `loan_two` stay as they
        are written.
        """
        text = {**STANDARD, **(messages or {})}[self.key]
        begins = not text.startswith("{") or (
            text.startswith("{what}") and PHRASE.match(brief(self.values.get("what", "")))
        )
        text = text.format(**{k: brief(v) for k, v in self.values.items()})
        return text[:1].upper() + text[1:] if begins else text


STANDARD = {
    "none": "{what} is None. If it comes from a function, is its `return` missing? (`print` shows "
    "a value, and hands nothing back.)",
    "generator": "{what} is a generator, which gives its values one by one, where {wanted} is "
    "expected. Did you write `yield` for `return`, or leave out `list(...)`?",
    "type": "{what} should be {wanted}, but it is {got}.",
    "called": "{what} should be the function itself, but it is {got}. Give its name alone, without "
    "brackets after it.",
    "shape": "{what} has shape {got}; expected shape {wanted}.",
    "dtype": "{what} has dtype {got}; expected {wanted}.",
    "nan": "{what} contains NaN (not a number): a division 0/0, a logarithm or a root of a "
    "negative number, or an infinity minus an infinity.",
    "inf": "{what} contains an infinity: a division by zero, an overflow, or log(0).",
    "value": "{what} is {got}; expected {wanted}.",
    "slip": "{what} is {got}, and that is {seen}.",
    "option": "{what} is {got}, which is not one of the options: answer with {wanted}, in quotes.",
    "options": "{what} is {got}, which does not say which of the options: give a list of {wanted}, "
    "or [] for none.",
    "mutated": "your function changed its argument `{argument}` in place. The caller still needs "
    "it: work on a new array (`x = x * 2` makes one, `x *= 2` does not).",
    "signature": "we call {call}, and that does not fit what you wrote: {got}. Keep the names and "
    "the order of the arguments in the stub.",
    "arguments": "this check takes {wanted}, but it was given {got}.",
    "evasive": "what you gave answers with {got} when it is looked at. Give a plain text, number "
    "or list.",
    "too_slow": "your code did not come to an end within {seconds} seconds. Is there a loop whose "
    "end is never reached, or does it wait for something that never comes? (Code that ignores "
    "interrupts, and one endless operation of a library, cannot be stopped: should a cell hang, "
    "restart the kernel.)",
}


def brief(value: Any) -> str:
    """Write a value for a sentence: short, and never failing."""
    if is_a(value, str):
        return shorten(plain(value))
    try:
        text = re.sub(r" at 0x[0-9a-fA-F]+", "", plain(_written(value)))
    except Stopped:
        raise
    except BaseException:  # a learner's class may have a broken __repr__
        return f"an object of type {class_name(value)}"
    return shorten(" ".join(text.split()))


def _written(value) -> str:
    if has(value, "__array__") and has(value, "shape"):  # a tensor, of any framework
        value = np.asarray(value)
        if value.shape:
            with np.printoptions(precision=5, threshold=12, edgeitems=3, suppress=True):
                return np.array2string(value, separator=", ")
        value = value.item()
    if isinstance(value, float):
        return f"{value:.6g}"
    if type(value) in (list, tuple):
        parts = [brief(v) if isinstance(v, float | np.generic) else repr(v) for v in value[:12]]
        if len(value) > 12:
            parts.append(f"... ({len(value):,} values)")
        inner = ", ".join(parts)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def shorten(text: str, limit: int = LONGEST_VALUE) -> str:
    """Cut the middle out of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]} ... {text[-limit // 4 :]}"


def with_article(value: Any) -> str:
    """Name the type of a value with its article: "a list", "an int"."""
    if value is None:
        return "None"
    try:
        value = inspect.unwrap(value) if callable(value) else value
    except Stopped:
        raise
    except BaseException:  # an object that answers every question with an error
        pass
    name = PLAIN_NAMES.get(class_name(value), class_name(value))
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
