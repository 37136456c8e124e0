"""Gradients against what float16 can hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from coursekit._checks import is_number, require
from coursekit.plots._style import TRAIN, VALIDATION, figure
from coursekit.plots._values import has

if TYPE_CHECKING:
    from coursekit.precision import GradientHistogram

ZERO, SUBNORMAL, INFINITE = -25, -14, 16  # below, below, from: powers of two in float16


def gradients(
    histogram: "GradientHistogram",
    scales: Sequence[float] = (1.0, 2.0**15),
    title: str = "",
    labels: Sequence[str] | None = None,
    frame: Sequence[float] = (),
) -> Figure:
    """Draw the gradients of a model against the window of float16, once for each loss scale.

    Grey is what float16 loses: to 0 on the left, to infinity on the right. In the light strip
    digits are lost.

    Args:
        histogram: what `coursekit.precision.gradient_histogram` returns.
        scales: the loss scales; by default none, and the first one of a `LossScaleOptimizer`.
        title: what the figure shows.
        labels: a title for each scale; by default it says the scale.
        frame: other scales that the axes have room for, so that figures of several scales share one
            frame; by default none.

    Returns:
        The figure; its axes share their scales.

    Raises:
        TypeError: for what is no histogram of gradients.
        ValueError: for no scales, one, also in `frame`, that is not finite and greater than 0, or
            another number of labels.
    """
    has("histogram", histogram, ("magnitudes",), "what `gradient_histogram` returns")
    ok = np.ndim(scales) == 1 and all(is_number(one) and one > 0 for one in scales)
    require(
        ok and len(scales) > 0, "`scales` must be finite numbers greater than 0.", scales=scales
    )
    fits = all(is_number(one) and one > 0 for one in frame)
    require(fits, "`frame` must hold finite numbers greater than 0.", frame=frame)
    require(
        labels is None or len(labels) == len(scales),
        "There must be a label for each scale.",
        labels=labels,
        scales=scales,
    )
    labels = labels or [f"loss times {scale:,.6g}" for scale in scales]
    magnitudes = np.asarray(histogram.magnitudes, "float64")
    ok = magnitudes.ndim == 1 and bool((magnitudes > 0).all())
    require(ok, "`histogram.magnitudes` must be a row of numbers above 0.", magnitudes=magnitudes)
    fig, axes = figure(title, x="size of a gradient, as a power of 2", columns=len(scales))
    axes = np.atleast_1d(axes)
    powers = np.log2(magnitudes)
    shifts = np.log2(scales)
    room = np.append(shifts, np.log2(frame))
    low = min([ZERO - 10, *(np.floor(powers.min() + room) if len(powers) else [])])
    high = max([INFINITE + 4, *(np.ceil(powers.max() + room) if len(powers) else [])])
    edges = np.arange(low, high + 1)
    styles = (TRAIN, *[VALIDATION] * len(scales))
    for ax, shift, label, style in zip(axes, shifts, labels, styles, strict=False):
        ax.axvspan(low, ZERO, color="0.75", lw=0)
        ax.axvspan(ZERO, SUBNORMAL, color="0.92", lw=0)
        ax.axvspan(INFINITE, high, color="0.75", lw=0)
        ax.hist(powers + shift, edges, color=style.color, alpha=0.85)
        ax.set(xlim=(low, high), yscale="log")
        ax.set_title(label, fontsize=9)
    top = max(ax.get_ylim()[1] for ax in axes) * 6
    for ax in axes:
        ax.set_ylim(0.7, top)
        for x, text in ((low, "0"), (ZERO, "fewer\ndigits"), (INFINITE, "inf")):
            ax.text(x + 0.4, top / 1.4, text, va="top", fontsize=8, color="0.25")
    axes[0].set_ylabel("number of gradients")
    return fig
