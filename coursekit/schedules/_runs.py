"""Steps of a run: from epochs to steps, and whether a schedule fits them."""

import warnings

from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import count, number, require
from coursekit.schedules._base import call, checked_schedule, steps


def epochs_to_steps(epochs: float, rows: int, batch_size: int) -> int:
    """Return the number of steps in some epochs of `fit`.

    ```
    round(epochs * ceil(rows / batch_size))
    ```

    The last batch of an epoch may be smaller; it is a step. Steps are batches: do not divide by
    `gradient_accumulation_steps`, because Keras calls schedules with batches.

    Args:
        epochs: above 0; a fraction is fine, as for a warmup of half an epoch.
        rows: number of training rows, at least 1, without those of `validation_split`.
        batch_size: at least 1.

    Returns:
        An integer of at least 1.

    Raises:
        TypeError, ValueError: for numbers out of range.

    Example:
        >>> epochs_to_steps(5, rows=6_000, batch_size=64)
        470
    """
    each = -(-count("rows", rows) // count("batch_size", batch_size))
    return max(round(number("epochs", epochs, above=0) * each), 1)


def check_schedule(schedule: LearningRateSchedule, total_steps: int) -> None:
    """Warn if a schedule does not fit a run: it hardly decays in it, or is over long before.

    Both come from counting epochs as steps, or from a run that became shorter or longer.

    Args:
        schedule: any learning rate schedule.
        total_steps: steps of the run, at least 2; see `epochs_to_steps`.

    Raises:
        ValueError: for what is no schedule, or fewer than 2 steps.

    Warns:
        UserWarning: where the last rate of the run is more than half of its highest, or where the
            rate half-way is less than a thousandth of it. The text has the steps of both.

    Example:
        >>> from coursekit.schedules import OneCycle
        >>> check_schedule(OneCycle(0.1, total_steps=470), total_steps=470)
    """
    last = steps("total_steps", total_steps, 2) - 1
    require(
        isinstance(schedule, LearningRateSchedule),
        "`schedule` must be a LearningRateSchedule.",
        "A number is the same at every step; a function becomes a subclass with `__call__` and "
        "`get_config`",
        schedule=schedule,
    )
    checked_schedule("schedule", schedule)

    def rate(step):
        return float(call(schedule, step))

    seen = {min(k, last) for k in range(100)} | {last * k // 100 for k in range(101)}
    highest, top = max((rate(step), -step) for step in seen)
    name = type(schedule).__name__
    if rate(last) > highest / 2:
        after = _first_step(lambda step: rate(step) <= highest / 2, last)
        when = f"is at step {after}" if after else "never comes"
        warnings.warn(
            f"{name} hardly decays in this run of {total_steps} steps: its highest rate there is "
            f"{highest:.3g}, its last {rate(last):.3g}. Half of the highest {when}. Was it made "
            "for a longer run?",
            stacklevel=2,
        )
    elif -top < last // 2 and rate(last // 2) < highest / 1000:
        after = _first_step(lambda step: rate(step) < highest / 1000, -top)
        warnings.warn(
            f"{name} is over at step {after} of this run of {total_steps} steps: from there on the "
            f"rate is less than a thousandth of its highest, {highest:.3g}. Are its steps epochs?",
            stacklevel=2,
        )


def _first_step(holds, step):
    """Return the first step at which `holds` does, or None; once it holds it should go on."""
    low, high = step, step + 1
    while not holds(high):
        if high > 2**30:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
