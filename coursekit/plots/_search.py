"""What a search has tried, and what it believes of the rest."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coursekit.plots._style import COMPARE, TRAIN, VALIDATION, curve


def trials(ax: Axes, points: np.ndarray) -> None:
    """Draw trials in the unit square; ticks above and beside it mark the values tried.

    Args:
        ax: where to draw.
        points: shape (trials, 2), from 0 to 1.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"`points` must have shape (trials, 2). Received: shape={points.shape}")
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
    """
    x, mean, sd = np.ravel(x), np.ravel(mean), np.ravel(sd)
    look: dict[str, Any] = {"color": COMPARE[0].color, "alpha": 0.2, "lw": 0}
    ax.fill_between(x, mean - 2 * sd, mean + 2 * sd, label="mean and 2 sd", **look)
    curve(ax, mean, COMPARE[0], x, marker="")
    ax.plot(tried, scores, "ko", label="tried")
    ax.axvline(ahead, color=VALIDATION.color, ls="--", label="next")
