"""What all schedules share: the step, saving, arithmetic, and the checks of arguments."""

import inspect
import math
import operator

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

registered = keras.saving.register_keras_serializable(package="coursekit")


class Schedule(LearningRateSchedule):
    """A schedule that sees its step as an integer of at least 0, and is saved by its arguments."""

    def __call__(self, step):
        """Return the rate at a step, or at each of an array of steps."""
        return self._rate(ops.maximum(ops.cast(ops.convert_to_tensor(step), "int"), 0))

    def get_config(self):
        """Return the arguments."""
        names = inspect.signature(type(self)).parameters
        return {name: _saved(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config):
        """Build the schedule from its arguments."""
        return cls(**{name: _loaded(value) for name, value in config.items()})


def _saved(value):
    if isinstance(value, list):
        return [_saved(one) for one in value]
    if isinstance(value, LearningRateSchedule):
        return keras.optimizers.schedules.serialize(value)
    return value


def _loaded(value):
    if isinstance(value, list):
        return [_loaded(one) for one in value]
    if isinstance(value, dict):
        return keras.optimizers.schedules.deserialize(value)
    return value


def between(step, first, last, start, end, anneal):
    """Return the weighted mean of two values, from `start` at step `first` to `end` at `last`."""
    length = max(last - first, 1)
    # Whole steps of both sides: `1 - part` would lose the digits of a small weight.
    done = ops.clip(step - first, 0, length)

    def weight(steps):
        part = as_float(steps) / float(length)
        return part if anneal == "linear" else ops.square(ops.sin(math.pi / 2 * part))

    return start * weight(length - done) + end * weight(done)


def as_float(value):
    """Return a tensor of at least float32."""
    return ops.cast(value, keras.backend.result_type(keras.config.floatx(), "float32"))


def call(schedule, step):
    """Return the rate of a schedule or a number at a step."""
    return as_float(schedule(step) if callable(schedule) else schedule)


def checked_schedule(name, value):
    """Return a schedule, or a number as a float."""
    if isinstance(value, LearningRateSchedule):
        return value
    if callable(value):
        raise TypeError(
            f"`{name}` must be a LearningRateSchedule or a number. Received: {value!r}. A plain "
            "function cannot be saved: write a subclass with `__call__` and `get_config`."
        )
    return checked_positive(name, value)


def checked_count(name, value, least):
    """Return an integer of at least `least`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{name}` must be an integer: steps are whole. Received: {name}={value!r}. "
            "`epochs_to_steps` turns epochs into steps."
        ) from None
    if count < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
    return count


def checked_number(name, value):
    """Return a finite number as a float."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite. Received: {name}={value}")
    return number


def checked_positive(name, value):
    """Return a number above 0 as a float."""
    number = checked_number(name, value)
    if number <= 0:
        raise ValueError(f"`{name}` must be above 0. Received: {name}={value}")
    return number
