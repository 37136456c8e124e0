"""What a learning rate range test saw."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from coursekit.plots._style import TRAIN, VALIDATION, figure
from coursekit.plots._values import has

if TYPE_CHECKING:
    from coursekit.callbacks import RangeTest


def learning_rate(result: "RangeTest", title: str = "") -> Figure:
    """Draw the loss against the learning rate of a `RangeTest`, and its suggestion.

    Dots are batches, the line is smoothed. The losses after training broke are cut off at the top.

    Args:
        result: what `coursekit.callbacks.find_learning_rate` returns.
        title: what the figure shows.

    Raises:
        TypeError: for what is no `RangeTest`.
    """
    has("result", result, ("rates", "losses", "smoothed", "suggestion"), "a `RangeTest`")
    rates, losses, smoothed = result.rates, result.losses, result.smoothed
    fig, ax = figure(title, x="learning rate (logarithmic)", y="loss after the step")
    ax.plot(rates, losses, ".", ms=4, color=TRAIN.color, alpha=0.45, label="one batch")
    ax.plot(rates, smoothed, color=TRAIN.color, lw=2, label="smoothed")
    ax.set_xscale("log")
    finite = losses[np.isfinite(losses)]
    if len(finite):
        low, start = finite.min(), np.median(finite[: max(5, len(finite) // 4)])
        room = max(start - low, 0.1 * abs(start), 1e-6)
        ax.set_ylim(low - 0.15 * room, max(start, np.percentile(finite, 75)) + 0.5 * room)
    if result.suggestion is not None:
        look = {"color": VALIDATION.color, "ls": VALIDATION.line, "lw": 1.5}
        ax.axvline(result.suggestion, label=f"suggestion {result.suggestion:.2g}", **look)
    ax.legend()
    return fig
