"""The rules of arguments that several losses have, and what each is in plain Python."""

from collections.abc import Sequence
from typing import Any

import keras

from coursekit._checks import is_int, is_number, number, require, switch

INT32 = 2**31


def common(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are the same in all sister losses, checked.

    Example:
        >>> common(from_logits=True, ignore_class=255, axis=-1)
        {'from_logits': True, 'ignore_class': 255, 'axis': -1}
    """
    rules = {"ignore_class": _ignored, "axis": _axis}
    return {
        name: rules[name](value) if name in rules else switch(name, value)
        for name, value in arguments.items()
    }


def weights(name: str, values: Any, one_for_all: bool = False) -> float | list[float]:
    """Return weights >= 0, a list with one for each class (or one for all of them)."""
    if one_for_all and is_number(values):
        return number(name, values, least=0)
    found = values.tolist() if hasattr(values, "tolist") else values
    holds = isinstance(found, Sequence) and not isinstance(found, str) and len(found) > 0
    holds = holds and all(is_number(v) and v >= 0 for v in found)
    one = "a number at least 0 or " if one_for_all else ""
    rule = f"`{name}` must be {one}a list of numbers at least 0, one for each class."
    require(holds, rule, **{name: values})
    return [float(v) for v in found]


def class_weights(values: Any) -> list[float] | None:
    """Return weights of classes that are not all 0, or None."""
    if values is None:
        return None
    found: Any = weights("class_weights", values)  # a list: one number for all is refused
    require(sum(found) > 0, "`class_weights` must not all be 0.", class_weights=values)
    return found


def temperature(value: Any) -> float | None:
    """Return a temperature > 0, or None."""
    variable = isinstance(value, keras.Variable)
    require(
        not variable,
        "`temperature` must be a number above 0 or None.",
        "A temperature that is learned is a weight of the model, or `fit` would not train it: end "
        "the model in `coursekit.losses.LearnedTemperature()` and set `temperature=None`",
        temperature=value,
    )
    return None if value is None else number("temperature", value, above=0)


def _ignored(value):
    holds = value is None or (is_int(value) and -INT32 <= value < INT32)
    rule = "`ignore_class` must be None or an integer of at most 32 bits."
    require(holds, rule, ignore_class=value)
    return None if value is None else int(value)


def _axis(value):
    rule = "`axis` must be an integer other than 0, which is the axis of the batch."
    require(is_int(value) and value != 0, rule, axis=value)
    return int(value)
