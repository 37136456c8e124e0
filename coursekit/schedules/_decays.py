"""Rates that fall: in steps, and with the square root of the step."""

from keras import ops

from coursekit._checks import number
from coursekit.schedules._base import (
    Schedule,
    as_float,
    registered,
    steps,
)


@registered
class StepDecay(Schedule):
    """The rate is multiplied by `decay_rate` at every `step_size` steps.

    ```
    rate(step) = initial_learning_rate * decay_rate ** (step // step_size)
    ```

    The rate drops *at* step `k * step_size`: exactly `step_size` steps have each rate. Keras's
    `PiecewiseConstantDecay(boundaries=[30])` keeps the old rate through step 30, so that 31 steps
    have it. For drops at other places: `Join([0.1, 0.01, 0.001], boundaries=[30, 50])`.

    Args:
        initial_learning_rate: rate of the first steps, above 0.
        step_size: number of steps with the same rate, at least 1; see `epochs_to_steps`.
        decay_rate: factor, above 0 and at most 1. Defaults to 0.1.

    Raises:
        TypeError, ValueError: for numbers out of range, a `step_size` that is not an integer.

    Example:
        >>> rate = StepDecay(0.1, step_size=30)
        >>> [round(float(rate(step)), 4) for step in (29, 30, 60)]
        [0.1, 0.01, 0.001]
    """

    def __init__(self, initial_learning_rate: float, step_size: int, decay_rate: float = 0.1):
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, above=0)
        self.step_size = steps("step_size", step_size, 1)
        self.decay_rate = number(
            "decay_rate",
            decay_rate,
            above=0,
            most=1,
            way_out="To divide the rate by 10 write 0.1",
        )

    def _rate(self, step):
        drops = as_float(ops.floor_divide(step, self.step_size))
        return self.initial_learning_rate * ops.power(self.decay_rate, drops)


@registered
class WarmupInverseSqrt(Schedule):
    """Linear warmup to the peak, then a decay with the square root of the step.

    ```
    rate(step) = peak_learning_rate * min(step / warmup_steps, sqrt(warmup_steps / step))
    ```

    The schedule of the first transformer, which writes its peak as (d_model * warmup_steps)**-0.5
    and counts steps from 1; here as in Keras they count from 0, and step 0 has rate 0. It has no
    end: it need not know the length of the run.

    Args:
        peak_learning_rate: rate at step `warmup_steps`, above 0.
        warmup_steps: at least 1.

    Raises:
        TypeError, ValueError: for numbers out of range, `warmup_steps` that is not an integer.

    Example:
        >>> rate = WarmupInverseSqrt(0.001, warmup_steps=4000)
        >>> [round(float(rate(step)), 5) for step in (0, 2000, 4000, 16000)]
        [0.0, 0.0005, 0.001, 0.0005]

    References:
        Vaswani et al., Attention Is All You Need, arXiv 1706.03762, equation 3.
    """

    def __init__(self, peak_learning_rate: float, warmup_steps: int):
        self.peak_learning_rate = number("peak_learning_rate", peak_learning_rate, above=0)
        self.warmup_steps = steps("warmup_steps", warmup_steps, 1)

    def _rate(self, step):
        warmup = float(self.warmup_steps)
        up = as_float(ops.minimum(step, self.warmup_steps)) / warmup
        down = ops.sqrt(warmup / as_float(ops.maximum(step, self.warmup_steps)))
        return self.peak_learning_rate * up * down
