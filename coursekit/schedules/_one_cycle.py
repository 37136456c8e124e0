"""One cycle of the learning rate, and the momentum that mirrors it."""

from keras import ops

from coursekit._checks import number, one_of, require
from coursekit.schedules._base import (
    Schedule,
    between,
    registered,
    steps,
)


class _Cycle(Schedule):
    """From `start` to `peak` at `peak_step`, then to `end` at the last of `total_steps` steps."""

    def __init__(self, total_steps, pct_start, anneal):
        self.total_steps = steps("total_steps", total_steps, 2)
        self.pct_start = number(
            "pct_start",
            pct_start,
            above=0,
            below=1,
            way_out="It is the fraction of the steps before the peak: for 30 % write 0.3",
        )
        self.anneal = one_of("anneal", anneal, ("cos", "linear"))
        up = round(self.pct_start * self.total_steps)
        self.peak_step = min(max(up - 1, 0), self.total_steps - 2)

    def _cycle(self, step, start, peak, end):
        last = self.total_steps - 1
        up = between(step, 0, self.peak_step, start, peak, self.anneal)
        down = between(step, self.peak_step, last, peak, end, self.anneal)
        return ops.where(step < self.peak_step, up, down)


@registered
class OneCycle(_Cycle):
    """One cycle: the rate climbs to its peak, then falls far below where it began.

    ```
    rate(0)               = peak_learning_rate / div
    rate(peak_step)       = peak_learning_rate          peak_step = pct_start * total_steps - 1
    rate(total_steps - 1) = peak_learning_rate / (div * final_div), and so from there on
    ```

    The last step of a run of `total_steps` has the final rate. That rate is the *first* one over
    `final_div`, as in optax and PyTorch. fastai divides the *peak*: its `div_final=1e5` is
    `final_div=1e5 / div`, 4000, here. Momentum goes the other way: see `momentum`.

    Args:
        peak_learning_rate: highest rate, above 0.
        total_steps: steps of the whole run, at least 2; see `epochs_to_steps`.
        pct_start: fraction of the steps before the peak, between 0 and 1. Defaults to 0.3.
        div: peak over first rate, at least 1. Defaults to 25.
        final_div: first over final rate, at least 1. Defaults to 1e4.
        anneal: "cos" (half a cosine up, half a cosine down) or "linear". Defaults to "cos".

    Raises:
        TypeError, ValueError: for numbers out of range, a `total_steps` that is not an integer.

    Numerics: each weight of the average is computed from whole steps (sin² rather than 1 + cos), so
    that the last rates, 250,000 times below the peak, have all their digits in float32.

    Example:
        >>> rate = OneCycle(1.0, total_steps=100)
        >>> [round(float(rate(step)), 6) for step in (0, 29, 99, 1000)]
        [0.04, 1.0, 4e-06, 4e-06]

    References:
        Smith and Topin, Super-Convergence, arXiv 1708.07120.
    """

    def __init__(
        self,
        peak_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        div: float = 25.0,
        final_div: float = 1e4,
        anneal: str = "cos",
    ):
        super().__init__(total_steps, pct_start, anneal)
        self.peak_learning_rate = number("peak_learning_rate", peak_learning_rate, above=0)
        self.div = number("div", div, least=1)
        self.final_div = number("final_div", final_div, least=1)

    def _rate(self, step):
        first = self.peak_learning_rate / self.div
        return self._cycle(step, first, self.peak_learning_rate, first / self.final_div)

    def momentum(self, high: float = 0.95, low: float = 0.85) -> "OneCycleMomentum":
        """Return the momentum that mirrors this rate: lowest where the rate is highest.

        For `coursekit.optimizers.ScheduledMomentumSGD(momentum=...)`, and as
        `ScheduledBetaAdam(beta_1=...)`.

        Example:
            >>> momentum = OneCycle(1.0, total_steps=100).momentum()
            >>> [round(float(momentum(step)), 2) for step in (0, 29, 99)]
            [0.95, 0.85, 0.95]
        """
        return OneCycleMomentum(self.total_steps, high, low, self.pct_start, self.anneal)


@registered
class OneCycleMomentum(_Cycle):
    """The momentum of one cycle, for `ScheduledMomentumSGD`, or the beta_1 of `ScheduledBetaAdam`.

    ```
    momentum(0) = high      momentum(peak_step) = low      momentum(total_steps - 1) = high
    ```

    Keras types a schedule of anything as a learning rate schedule. Usually made by
    `OneCycle.momentum()`, which takes the steps from the rate that it mirrors.

    Args:
        total_steps: steps of the whole run, at least 2.
        high: momentum at both ends, from `low` to below 1. Defaults to 0.95.
        low: momentum at the peak of the rate, at least 0. Defaults to 0.85.
        pct_start: as in `OneCycle`. Defaults to 0.3.
        anneal: as in `OneCycle`. Defaults to "cos".

    Raises:
        TypeError, ValueError: for numbers out of range.

    Example:
        >>> float(OneCycleMomentum(10, high=0.75, low=0.5, pct_start=0.5)(4))
        0.5
    """

    def __init__(
        self,
        total_steps: int,
        high: float = 0.95,
        low: float = 0.85,
        pct_start: float = 0.3,
        anneal: str = "cos",
    ):
        super().__init__(total_steps, pct_start, anneal)
        self.low = number("low", low, least=0, below=1)
        self.high = number("high", high, least=0, below=1)
        require(self.low <= self.high, "`low` must be at most `high`.", low=low, high=high)

    def _rate(self, step):
        return self._cycle(step, self.high, self.low, self.high)
