"""What several devices hold and do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from coursekit.plots._style import Style, figure


def timeline(
    ax: Axes, lanes: Mapping[str, Sequence[tuple[float, float, str, Style]]], end: float = 0.0
) -> None:
    """Draw what each device does and when, a line a device, the first on top; idle time is hatched.

    Args:
        ax: where to draw.
        lanes: from a device's name to its work: (start, length, text, style) for each piece.
        end: where time ends; by default, or if it is less, with the last piece of work.

    Raises:
        ValueError: if there is no work.
    """
    ends = [start + length for work in lanes.values() for start, length, *_ in work]
    if not ends:
        raise ValueError(f"`lanes` must hold work. Received: lanes={lanes!r}")
    end = max(end, *ends)
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


def all_reduce(states: Sequence[np.ndarray], title: str = "") -> Figure:
    """Draw how a sum spreads over devices: a map for each step, a row a device, a column a chunk.

    Args:
        states: for each step, shape (devices, chunks): of how many devices the chunk is the sum.
        title: what the figure shows.

    Raises:
        ValueError: if `states` are not at least two such maps.
    """
    states = np.asarray(states)
    if states.ndim != 3 or len(states) < 2:
        raise ValueError(
            "`states` must have the shape (steps, devices, chunks), with at least 2 steps. "
            f"Received: shape={states.shape}"
        )
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
