"""A loss of two parameters as a map, and the paths of optimizers on it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coursekit._checks import count, is_int, require
from coursekit.plots._style import Style
from coursekit.plots._values import numbers, on_axes, row, typed

FAINT = 0.3  # how strongly the map is shaded, so that paths stand out


def surface(
    ax: Axes,
    loss_surface: Callable[[Any, Any], Any],
    x: tuple[float, float] = (-2, 2),
    y: tuple[float, float] = (-2, 2),
    levels: int | Sequence[float] = 12,
) -> None:
    """Draw the rings of equal loss of `loss_surface(a, b)`; the higher, the darker.

    Args:
        ax: where to draw.
        loss_surface: a function of two parameters that gives one number, as `trace_path` takes it.
        x: from where to where to draw the first parameter.
        y: the same for the second one.
        levels: the losses to draw rings at, or how many rings. These stand at the squares of even
            distances above the lowest loss, so that in a round bowl the rings are evenly spaced.

    Raises:
        TypeError: for what is no axes, or no function.
        ValueError: for ends that do not go from low to high, no rings, a loss that is finite
            nowhere or the same everywhere.
    """
    on_axes(ax)
    if not callable(loss_surface):
        raise TypeError(
            "`loss_surface` must be a function of two parameters. "
            f"Received: loss_surface={loss_surface!r}"
        )
    from coursekit.training import losses_at

    for name, ends in (("x", x), ("y", y)):
        try:
            ok = len(ends) == 2 and bool(ends[0] < ends[1]) and bool(np.isfinite(ends).all())
        except TypeError:
            ok = False
        require(ok, f"`{name}` must go from low to high.", **{name: ends})
    across, up = np.linspace(*x, 101), np.linspace(*y, 101)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    heights = np.ma.masked_invalid(losses_at(loss_surface, points).reshape(101, 101))
    low, high = (float(heights.min()), float(heights.max())) if heights.count() else (None, None)
    require(
        low is not None and low < high,
        "`loss_surface` must have different finite values on the map.",
        lowest=low,
        highest=high,
    )
    if is_int(levels):
        levels = count("levels", levels)
        levels = low + (high - low) * np.linspace(0, 1, levels + 1)[1:] ** 2
    else:
        levels = np.unique(row("levels", levels))
    ax.contourf(across, up, heights, np.union1d(levels, [low, high]), cmap="Greys", alpha=FAINT)
    ax.contour(
        across, up, heights, levels, colors="0.6", linewidths=0.8, linestyles="solid", zorder=1
    )
    ax.set(xlim=x, ylim=y)
    ax.grid(False)


def path(ax: Axes, points: np.ndarray, style: Style, label: str = "", **line: Any) -> None:
    """Draw a path: a mark at each step, the start as a ring, the end as a cross.

    On a `surface` the axes stay as they are: a path may leave the map.

    Args:
        ax: where to draw.
        points: what `trace_path` returns, or an array of shape (steps + 1, 2). Rows that are not
            finite are left out.
        style: colour, line and marker, one of `plots.COMPARE`.
        label: the name in the legend.
        **line: passed on to matplotlib's `plot`, such as `markevery=10`.

    Raises:
        TypeError: for what is no axes, or no style.
        ValueError: for points of another shape, or of which none is finite.
    """
    on_axes(ax)
    typed("style", style, Style, "a `plots.Style`, such as those of `plots.COMPARE`")
    points = getattr(points, "points", points)
    points = numbers("points", points, (None, 2), "of shape (steps + 1, 2)")
    finite = np.isfinite(points).all(axis=1)
    require(bool(finite.any()), "`points` must hold a finite point.", points=points)
    points = points[finite]
    look = {"color": style.color, "ls": style.line, "lw": 1.5, "marker": style.marker, "ms": 3.5}
    ax.plot(*points.T, **{**look, "label": label or style.label, **line})
    for place, marker in ((points[:1], "o"), (points[-1:], "X")):
        face = "white" if marker == "o" else style.color
        ax.plot(*place.T, marker, ms=8, mfc=face, mec=style.color, mew=1.5, zorder=4)
