"""Gradients against what float16 can hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from coursekit.plots._style import TRAIN, VALIDATION, figure

if TYPE_CHECKING:
    from coursekit.precision import GradientHistogram

ZERO, SUBNORMAL, INFINITE = -25, -14, 16  # below, below, from: powers of two in float16


def gradients(
    histogram: "GradientHistogram",
    scales: Sequence[float] = (1.0, 2.0**15),
    title: str = "",
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw the gradients of a model against the window of float16, once for each loss scale.

    Grey is what float16 loses: to 0 on the left, to infinity on the right. In the light strip
    digits are lost.

    Args:
        histogram: what `coursekit.precision.gradient_histogram` returns.
        scales: the loss scales; by default none, and the first one of a `LossScaleOptimizer`.
        title: what the figure shows.
        labels: a title for each scale; by default it says the scale.

    Returns:
        The figure; its axes share their scales.

    Raises:
        ValueError: for no scales, or one that is not finite and greater than 0.
    """
    scales = [float(scale) for scale in scales]
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise ValueError(
            f"`scales` must be finite numbers greater than 0. Received: scales={scales}"
        )
    labels = labels or [f"loss times {scale:,.6g}" for scale in scales]
    fig, axes = figure(title, x="size of a gradient, as a power of 2", columns=len(scales))
    axes = np.atleast_1d(axes)
    powers = np.log2(histogram.magnitudes.astype("float64"))
    shifts = np.log2(scales)
    low = min([ZERO - 10, *(np.floor(powers.min() + shifts) if len(powers) else [])])
    high = max([INFINITE + 4, *(np.ceil(powers.max() + shifts) if len(powers) else [])])
    edges = np.arange(low, high + 1)
    styles = (TRAIN, *[VALIDATION] * len(scales))
    for ax, shift, label, style in zip(axes, shifts, labels, styles, strict=False):
        ax.axvspan(low, ZERO, color="0.75", lw=0)
        ax.axvspan(ZERO, SUBNORMAL, color="0.92", lw=0)
        ax.axvspan(INFINITE, high, color="0.75", lw=0)
        ax.hist(powers + shift, edges, color=style.color, alpha=0.85)
        ax.set(xlim=(low, high), yscale="log")
        ax.set_title(label, fontsize=9)
    top = max(ax.get_ylim()[1] for ax in axes) * 3
    for ax in axes:
        ax.set_ylim(0.7, top)
        for x, text in ((low, "0"), (ZERO, "fewer\ndigits"), (INFINITE, "inf")):
            ax.text(x + 0.4, top / 1.4, text, va="top", fontsize=8, color="0.25")
    axes[0].set_ylabel("number of gradients")
    return fig
