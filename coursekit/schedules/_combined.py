"""Schedules made of schedules: warmup before one, or one after the other."""

from collections.abc import Sequence

import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import number, require
from coursekit.schedules._base import (
    Schedule,
    between,
    call,
    checked_schedule,
    registered,
    steps,
)


@registered
class Warmup(Schedule):
    """Linear warmup before any schedule.

    ```
    rate(step) = initial + (schedule(0) - initial) * step / warmup_steps     step < warmup_steps
                 schedule(step - warmup_steps)                               after
    ```

    The schedule begins when the warmup is over, as in Keras's `CosineDecay(warmup_target=...)`: the
    run has `warmup_steps` more steps than it. (optax counts the warmup into `decay_steps`.) With
    `initial_learning_rate=0.0` step 0 changes nothing.

    Args:
        schedule: a schedule, of Keras too, or a number for a constant rate.
        warmup_steps: at least 0; with 0 the schedule is left as it is.
        initial_learning_rate: rate at step 0, at least 0. Defaults to 0.0.

    Raises:
        TypeError, ValueError: for numbers out of range, a `schedule` that cannot be saved.

    Example:
        >>> from coursekit.schedules import StepDecay
        >>> rate = Warmup(StepDecay(0.1, step_size=30), warmup_steps=10)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 39, 40)]
        [0.0, 0.05, 0.1, 0.1, 0.01]

    References:
        Goyal et al., Accurate, Large Minibatch SGD, arXiv 1706.02677, section 2.2.
    """

    def __init__(
        self,
        schedule: LearningRateSchedule | float,
        warmup_steps: int,
        initial_learning_rate: float = 0.0,
    ):
        if isinstance(warmup_steps, LearningRateSchedule):
            raise TypeError(
                "`warmup_steps` must be a number of steps. Received: a schedule. The order is "
                "schedule, warmup_steps."
            )
        self.schedule = checked_schedule("schedule", schedule)
        self.warmup_steps = steps("warmup_steps", warmup_steps, 0)
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, least=0)

    def _rate(self, step):
        rate = call(self.schedule, ops.maximum(step - self.warmup_steps, 0))
        if not self.warmup_steps:
            return rate
        # During the warmup `rate` is that of the schedule's step 0: the target.
        first = self.initial_learning_rate
        return between(step, 0, self.warmup_steps, first, rate, "linear")


@registered
class Join(Schedule):
    """Schedules one after the other.

    ```
    rate(step) = schedules[k](step - boundaries[k - 1])
    where boundaries[k - 1] <= step < boundaries[k]
    ```

    Each schedule begins at its own step 0, as in `optax.join_schedules`, and takes over *at* its
    boundary. With numbers this is the piecewise constant rate whose drops are where they are
    written (Keras's comes one step late, see `StepDecay`).

    Args:
        schedules: two or more schedules, of Keras too, or numbers for constant rates.
        boundaries: the first step of each schedule but the first: increasing integers above 0.

    Raises:
        TypeError, ValueError: for boundaries that do not increase or do not match the schedules.

    Example:
        >>> rate = Join([0.1, 0.01], boundaries=[30])
        >>> [round(float(rate(step)), 3) for step in (29, 30)]
        [0.1, 0.01]
    """

    def __init__(
        self, schedules: Sequence[LearningRateSchedule | float], boundaries: Sequence[int]
    ):
        for name, value in (("schedules", schedules), ("boundaries", boundaries)):
            ok = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
            require(ok, f"`{name}` must be a list.", **{name: value})
        self.schedules = [checked_schedule("schedules", one) for one in schedules]
        self.boundaries = [steps("boundaries", one, 1) for one in boundaries]
        if len(self.schedules) < 2 or len(self.boundaries) != len(self.schedules) - 1:
            raise ValueError(
                "`boundaries` must have one step less than there are `schedules`, at least two. "
                f"Received: {len(self.schedules)} schedules, boundaries={boundaries}"
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(f"`boundaries` must increase. Received: boundaries={boundaries}")

    def _rate(self, step):
        rate = call(self.schedules[0], step)
        for schedule, boundary in zip(self.schedules[1:], self.boundaries, strict=True):
            later = call(schedule, ops.maximum(step - boundary, 0))
            rate = ops.where(step < boundary, rate, later)
        return rate
