"""What a curve of losses over growing learning rates tells. NumPy only.

Everything is told by differences, against the noise between batches, so that neither the scale nor
the sign of the loss matters.
"""

from typing import NamedTuple

import numpy as np

REACH = 10.0  # a slope is fitted to the rates within this factor
STILL = 0.5  # the suggestion comes from where the loss still falls this fast, of the steepest
MARGIN = 2.0  # ... and is lower by this factor
NOTHING = " Or there is nothing to learn: a model trained already, or targets without a pattern."
CLEAR = 4.5  # a fall or rise is clear beyond so many times the noise left after averaging


def window(steps: int) -> int:
    """Return how many losses are averaged."""
    return max(5, steps // 10)


def smooth(losses, width: int) -> np.ndarray:
    """Return the losses without most of their noise; one that is not finite counts for nothing.

    The mean of two exponential moving averages with bias correction, forward and backward. A
    forward one alone lags: it moves the curve toward rates that are too high.
    """
    losses = np.asarray(losses, float)
    return (_average(losses, width) + _average(losses[::-1], width)[::-1]) / 2


def without_wall(losses, first: float, width: int) -> np.ndarray:
    """Return the losses with the end cut: at most as far above the start as the lowest is below.

    A run that breaks ends in losses of any size, and their average would hide what came before.
    """
    losses = np.asarray(losses, float)
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return losses
    start = np.mean([first, *losses[: width - 1]])
    return np.minimum(losses, start + abs(start - finite.min()))


def _average(losses, width):
    averages, total, weight = np.full(len(losses), np.nan), 0.0, 0.0
    for i, loss in enumerate(losses):
        if np.isfinite(loss):
            total += (loss - total) / width
            weight += (1 - weight) / width
        averages[i] = total / weight if weight else np.nan
    return averages


def diverged(losses: list[float], steps: int) -> bool:
    """Tell whether a run has left its range: further above its start than it was ever below."""
    if not np.isfinite(losses[-1]):
        return True
    width = window(steps)
    if len(losses) < 2 * width:
        return False
    early, average = np.array(losses[:width]), _average(np.array(losses), width)
    limit = early.mean() + 2 * max(early.mean() - average.min(), 0) + 10 * early.std()
    limit += 0.1 * abs(early.mean())
    return bool(average[-1] > limit and min(losses[-3:]) > early.mean())


def slopes(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return d loss / d ln(rate): the slope of a line through all points within a factor of ten."""
    x, found = np.log(rates), np.empty(len(rates))
    for i, center in enumerate(x):
        near = np.abs(x - center) <= np.log(REACH) + 1e-9
        found[i] = np.polyfit(x[near] - center, losses[near], 1)[0]
    return found


def suggest(rates, losses, first: float, steps: int, cause: str = "") -> tuple[float | None, str]:
    """Return a learning rate and the reason, or None and what is wrong with the curve.

    Args:
        rates: the learning rate of each update.
        losses: the loss after it; only the last one may be NaN or infinite.
        first: the loss before any update.
        steps: number of updates the run was to make; it may have stopped before.
        cause: a sentence that names what is not finite in the data or weights, if anything is.
    """
    rates, losses = np.asarray(rates, float), np.asarray(losses, float)
    if not np.isfinite(first):
        return None, (
            f"The loss of the first batch is {first}, before any update: no learning rate can be "
            "the reason, only the data or the weights at the start. "
            + (
                cause
                or "Look for NaN, infinite or huge values, and for an output that the loss "
                "cannot take."
            )
        )
    width, broke = window(steps), not np.isfinite(losses).all()
    last_rate = rates[-1] if len(rates) else np.nan
    many = "1 update" if len(losses) == 1 else f"{len(losses)} updates"
    end = f"after {many}, at a rate of {last_rate:.1g},"
    if broke and cause:
        return None, f"The loss is not finite {end} and no rate mends the data: {cause}"
    if broke:
        rates, losses = rates[:-1], losses[:-1]
    ended = f"The data ended after {len(losses)} of {steps} updates. Give more batches."
    if len(losses) < width:
        return None, (
            f"The loss is not finite {end} too early to tell anything. Set a lower `lowest`, or "
            "scale the inputs. If that does not help, look for NaN in the data."
            if broke
            else ended
        )
    start = np.mean([first, *losses[: width - 1]])
    clipped = without_wall(losses, first, width)
    level = smooth(clipped, width)
    noise = _noise(clipped, level, width)
    clear = max(CLEAR * noise / np.sqrt(width), 1e-6 * abs(start))
    low = _end_of_descent(level, start, clear)
    fall = start - level[low] if low >= width else 0.0
    rise = _rise(losses, start, low if fall > clear else 0, least=1 if broke else 3)
    seen = f"from {start:.3g} to {level[low]:.3g} (noise of a batch {noise:.2g})"
    if fall <= clear:
        if rise is None and not broke and len(losses) < steps:
            return None, ended
        seen = Seen(rates, losses, start, first, noise, fall, rise, width)
        return None, _no_fall(seen, broke and end)
    slope = slopes(rates, clipped)[: low + 1]
    steepest = int(slope.argmin())
    at_once = (
        f"The loss falls {seen}, and does so at the lowest rate, {rates[0]:.2g}, already. Set a "
        "lower `lowest`."
    )
    if slope[steepest] >= 0:
        return None, at_once
    fast = np.flatnonzero(slope <= STILL * slope[steepest])
    if fast[-1] >= len(losses) - 1 - width // 2 and rise is None:
        if broke:
            return None, (
                f"The loss is not finite {end} while it was still falling. A rate that is too high "
                "makes it rise first: look for NaN in the data, or in the loss."
            )
        if len(losses) < steps:
            return None, ended
        return None, (
            f"The loss falls {seen} and still falls at the highest rate, {rates[-1]:.2g}. Set a "
            "higher `highest`."
        )
    suggestion = rates[fast[-1]] / MARGIN
    if (slope[: steepest + 1] <= STILL * slope[steepest]).all() or suggestion < rates[0]:
        return None, at_once
    above = "." if rise is None else f", above its start from {rates[rise]:.2g} on."
    return float(suggestion), (
        f"The loss falls {seen}, steepest at {rates[steepest]:.2g} and at half that "
        f"slope up to {rates[fast[-1]]:.2g}; the suggestion is half of the last. Lowest at "
        f"{rates[low]:.2g}{above}"
    )


def _noise(losses, level, width) -> float:
    """Return the standard deviation around the trend, at the start and before the lowest level.

    From the differences of neighbours, in which a trend hardly counts.
    """
    low = max(int(level.argmin()), 2 * width)
    ends = losses[: 2 * width], losses[low - 2 * width : low + 1]
    return float(np.sqrt(np.mean([np.mean(np.diff(end) ** 2) / 2 for end in ends])))


def _rise(losses, start, low, least) -> int | None:
    """Return from where on, after the lowest level, all losses to the end are above the start."""
    below = np.flatnonzero(losses <= start + 1e-6 * abs(start))
    rise = max(int(below[-1]) + 1 if len(below) else 0, low + 1 if low else 0)
    return rise if rise <= len(losses) - least else None


def _end_of_descent(level, start, clear) -> int:
    """Return where the level is lowest before it first rises clearly; it may fall again later."""
    low = 0
    for i, value in enumerate(level):
        if value < level[low]:
            low = i
        fall = start - level[low]
        if fall > clear and value - level[low] > max(clear, fall / 2):
            break
    return low


def _fell(losses, start, noise) -> bool:
    """Tell whether three losses in a row lie as low as noise alone hardly takes them."""
    lowest = np.convolve(losses, np.ones(3) / 3, "valid").min() if len(losses) > 2 else start
    return bool(start - lowest > 2 * noise / np.sqrt(3))


class Seen(NamedTuple):
    """What `suggest` has found of a curve without a clear fall."""

    rates: np.ndarray
    losses: np.ndarray
    start: float
    first: float
    noise: float
    fall: float
    rise: int | None
    width: int


def _no_fall(seen: Seen, broke) -> str:
    """Say why a loss that does not fall clearly gives no suggestion, and nothing not seen."""
    rates, losses, start, first, noise, fall, rise, width = seen
    lowest = int(losses.argmin())
    dip = min(first, losses[0]) - losses[lowest]
    # How far single batches differ before the rate can have moved much.
    early = float(np.std([first, *losses[: width - 1]]))
    if dip > max(4 * min(noise, early), 0.01 * abs(start), 1e-12):
        return (
            f"The loss falls to {losses[lowest]:.3g}, at a rate of {rates[lowest]:.1g}, from "
            f"{first:.3g}, but {len(losses)} updates are too few to tell that from the noise "
            f"between batches ({noise:.2g}). Set more `steps` or a larger `batch_size`, or rates "
            "nearer to that one."
        )
    if broke and rise is None:
        return (
            f"The loss is not finite {broke} and neither fell nor rose clearly before. That is "
            "more likely a NaN in the data than a rate that is too high."
        )
    if rise is not None and rise < 2 * width and dip <= 0.03 * abs(first):
        return (
            f"The loss rises from the first rates on ({rates[rise]:.1g}) and never falls. Set a "
            "lower `lowest`, or scale the inputs."
        )
    fall = max(fall, start - losses[lowest])
    if fall > 1e-6 * abs(start) and (noise > 1e-6 * abs(start) or rise is None):
        return (
            f"The loss falls by {fall:.2g} at most, while one batch differs from the "
            f"next by {noise:.2g}: too noisy to tell. Set more `steps` or a larger `batch_size`."
            + ("" if _fell(losses, start, noise) else NOTHING)
        )
    if rise is not None:
        return (
            f"The loss never falls below its start, {start:.3g}, and rises from a rate of "
            f"{rates[rise]:.1g} on. The model is trained already, or starts on a plateau (dead "
            "units, weights of zero, saturated activations)."
        )
    return (
        f"The loss stays at {start:.3g} whatever the rate. No gradient reaches the weights (dead "
        "units, weights of zero, frozen layers, an output that cannot change), or the rates are "
        "too low: set a higher `highest`."
    )
