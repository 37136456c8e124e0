"""What several devices hold and do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from coursekit._checks import number, require
from coursekit.plots._style import Style, figure
from coursekit.plots._values import numbers, on_axes, typed


def timeline(
    ax: Axes, lanes: Mapping[str, Sequence[tuple[float, float, str, Style]]], end: float = 0.0
) -> None:
    """Draw what each device does and when, a line a device, the first on top; idle time is hatched.

    Args:
        ax: where to draw.
        lanes: from a device's name to its work: (start, length, text, style) for each piece.
        end: where time ends; by default, or if it is less, with the last piece of work.

    Raises:
        TypeError: for what is no axes, or no dict.
        ValueError: if there is no work, or a piece is none.
    """
    on_axes(ax)
    typed("lanes", lanes, Mapping, "a dict from devices to their work")
    ends = [_end(piece) for work in lanes.values() for piece in work]
    require(bool(ends), "`lanes` must hold work.", lanes=lanes)
    end = max(number("end", end), *ends)
    for place, work in enumerate(lanes.values()):
        idle: dict[str, Any] = {
            "facecolor": "0.95",
            "edgecolor": "0.7",
            "hatch": "////",
            "linewidth": 0,
        }
        label = None if place else "idle"
        ax.broken_barh([(0, end)], (place - 0.4, 0.8), label=label, **idle)
        for start, length, text, style in work:
            face = np.array(to_rgba(style.color)) * 0.5 + 0.5  # opaque, over the hatch
            ax.broken_barh([(start, length)], (place - 0.4, 0.8), facecolor=face, edgecolor="white")
            ax.text(start + length / 2, place, text, ha="center", va="center", fontsize=7)
    ax.set_yticks(range(len(lanes)), list(lanes))
    ax.set(xlim=(0, end), ylim=(len(lanes) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    ax.grid(False)


def _end(piece) -> float:
    """Return when a piece of work ends."""
    ok = isinstance(piece, tuple | list) and len(piece) == 4 and isinstance(piece[3], Style)
    require(ok, "A piece of work must be (start, length, text, style).", piece=piece)
    return number("start", piece[0]) + number("length", piece[1], least=0)


def all_reduce(states: Sequence[np.ndarray], title: str = "") -> Figure:
    """Draw how a sum spreads over devices: a map for each step, a row a device, a column a chunk.

    Args:
        states: for each step, shape (devices, chunks): of how many devices the chunk is the sum.
        title: what the figure shows.

    Raises:
        ValueError: if `states` are not at least two such maps.
    """
    words = "of shape (steps, devices, chunks), with at least 2 steps"
    states = numbers("states", states, (None, None, None), words)
    require(len(states) > 1, f"`states` must be {words}.", shape=states.shape)
    require(bool(np.isfinite(states).all()), "`states` must be finite.", states=states)
    devices = states.shape[1]
    fig, axes = figure(title, columns=len(states), height=1.9)
    for step, (ax, state) in enumerate(zip(axes, states, strict=True)):
        ax.imshow(state, cmap="Blues", vmin=0, vmax=1.3 * devices)
        for (device, chunk), count in np.ndenumerate(state):
            color = "white" if count > 0.8 * devices else "black"
            ax.text(chunk, device, f"{count:g}", ha="center", va="center", color=color)
        ax.set_title(f"step {step}" if step else "start", fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
    axes[0].set(xlabel="chunk", ylabel="device")
    return fig
