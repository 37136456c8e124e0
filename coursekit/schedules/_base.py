"""What all schedules share: the step, saving, arithmetic, and the checks of arguments."""

import inspect
import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import brief, count, is_int, number, require

registered = keras.saving.register_keras_serializable(package="coursekit")


LAST = 2.0**31 - 128  # the last step that float32 can name and int32 hold


class Schedule(LearningRateSchedule):
    """A schedule that sees its step as an integer of at least 0, and is saved by its arguments."""

    def __call__(self, step):
        """Return the rate at a step, or at each of an array of steps; NaN at one not finite."""
        step = ops.convert_to_tensor(step)
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(step.dtype)):
            return self._rate(ops.maximum(ops.cast(step, "int"), 0))
        step = as_float(step)
        whole = ops.cast(ops.where(ops.isfinite(step), ops.clip(step, 0, LAST), 0.0), "int")
        return ops.where(ops.isfinite(step), self._rate(whole), math.nan)

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


def steps(name: str, value, least: int) -> int:
    """Return a number of steps."""
    value = count(name, value, least, "`epochs_to_steps` turns epochs into steps")
    require(value < 2**31, f"`{name}` must be below 2**31: steps are 32 bits.", **{name: value})
    return value


def checked_schedule(name: str, value) -> LearningRateSchedule | float:
    """Return a schedule, or a number as a float."""
    if isinstance(value, LearningRateSchedule):
        _refuse_integer_rate(name, value)
        return value
    if callable(value):
        raise TypeError(
            f"`{name}` must be a LearningRateSchedule or a number. Received: {value!r}. A plain "
            "function cannot be saved: write a subclass with `__call__` and `get_config`."
        )
    return number(name, value, above=0)


def _refuse_integer_rate(name, schedule):
    """Refuse what Keras's schedules compute in integers, with a pi of 3 (Keras 3.13 to 3.15)."""
    if not type(schedule).__module__.startswith("keras."):
        return
    values = getattr(schedule, "values", None)  # of PiecewiseConstantDecay
    rates = values if isinstance(values, list | tuple) else []
    rates = [getattr(schedule, "initial_learning_rate", 0.0), *rates[:1]]
    for rate in filter(is_int, rates):
        raise ValueError(
            f"`{name}` must be a schedule of float rates: of an integer one Keras computes the "
            f"decay in integers. Received: {type(schedule).__name__} with the rate {brief(rate)}. "
            f"Write {float(rate)}."
        )
