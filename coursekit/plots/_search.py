"""What a search has tried, and what it believes of the rest."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coursekit._checks import number
from coursekit.plots._style import COMPARE, TRAIN, VALIDATION, curve
from coursekit.plots._values import numbers, on_axes, row


def trials(ax: Axes, points: np.ndarray) -> None:
    """Draw trials in the unit square; ticks above and beside it mark the values tried.

    Args:
        ax: where to draw.
        points: shape (trials, 2), from 0 to 1.

    Raises:
        TypeError: for what is no axes.
        ValueError: for points of another shape, or outside of the square.
    """
    on_axes(ax)
    points = numbers("points", points, (None, 2), "of shape (trials, 2)")
    if not ((points >= 0) & (points <= 1)).all():
        raise ValueError(
            "`points` must lie from 0 to 1. "
            f"Received: points from {points.min():.3g} to {points.max():.3g}"
        )
    edge = np.full(len(points), 1.06)
    look: dict[str, Any] = {"ls": "", "ms": 14, "mew": 2, "color": VALIDATION.color}
    ax.plot(*points.T, TRAIN.marker, color=TRAIN.color)
    ax.plot(points[:, 0], edge, marker="|", **look)
    ax.plot(edge, points[:, 1], marker="_", **look)
    ax.set(xlim=(0, 1.12), ylim=(0, 1.12), aspect="equal")


def surrogate(
    ax: Axes,
    x: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    tried: np.ndarray,
    scores: np.ndarray,
    ahead: float,
) -> None:
    """Draw what a surrogate believes after some trials, and where it goes next.

    Args:
        ax: where to draw.
        x: the places at which mean and sd are known.
        mean: the predicted score.
        sd: its standard deviation.
        tried: the places of the trials.
        scores: their scores.
        ahead: the place of the next trial.

    Raises:
        TypeError: for what is no axes.
        ValueError: for what are no numbers, or not as many as they should be.
    """
    on_axes(ax)
    x = row("x", np.ravel(x))
    mean, sd = (row(name, np.ravel(one), len(x)) for name, one in (("mean", mean), ("sd", sd)))
    tried = row("tried", np.ravel(tried))
    scores = row("scores", np.ravel(scores), len(tried))
    ahead = number("ahead", np.ravel(ahead)[0] if np.size(ahead) == 1 else ahead)
    look: dict[str, Any] = {"color": COMPARE[0].color, "alpha": 0.2, "lw": 0}
    ax.fill_between(x, mean - 2 * sd, mean + 2 * sd, label="mean and 2 sd", **look)
    curve(ax, mean, COMPARE[0], x, marker="")
    ax.plot(tried, scores, "ko", label="tried")
    ax.axvline(ahead, color=VALIDATION.color, ls="--", label="next")
