"""Colours, line styles, figures and their captions."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coursekit._checks import count, number, require
from coursekit.plots._values import numbers, on_axes, row, typed


@dataclass(frozen=True)
class Style:
    """How one kind of curve looks everywhere.

    `plots.TRAIN` is what was trained on (blue, solid, dots), `plots.VALIDATION` what was not
    (orange, dashed, squares). `plots.COMPARE` holds six for other comparisons.

    Attributes:
        label: its name in the legend.
        color: as matplotlib takes it.
        line: line style, as matplotlib takes it.
        marker: as matplotlib takes it.
    """

    label: str
    color: str
    line: str | tuple
    marker: str


TRAIN = Style("training", "#0072b2", "-", "o")
VALIDATION = Style("validation", "#d55e00", "--", "s")


class Styles(tuple):
    """Six styles, `plots.COMPARE`, for comparisons: the first six curves of a figure.

    As different in line and marker as in colour (Okabe and Ito's palette), so that a figure reads
    in grey. They have no label: give one to `curve`.
    """


class Settings(dict):
    """Settings of matplotlib: `plots.HOUSE` for a figure, `plots.TITLE` for its title.

    For figures of one's own: `with plt.rc_context(plots.HOUSE): ...`, then
    `fig.suptitle(title, **plots.TITLE)`.
    """


COMPARE = Styles(
    [
        Style("", "#0072b2", "-", "o"),
        Style("", "#d55e00", "--", "s"),
        Style("", "#009e73", "-.", "^"),
        Style("", "#cc79a7", ":", "D"),
        Style("", "#56b4e9", (0, (5, 1)), "v"),
        Style("", "#e69f00", (0, (3, 1, 1, 1)), "P"),
    ]
)
HOUSE = Settings(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "white",
        "font.size": 10,
        "grid.alpha": 0.3,
    }
)
TITLE = Settings({"x": 0.01, "ha": "left", "fontsize": 11, "fontweight": "bold"})


def figure(
    title: str = "", x: str = "", y: str = "", columns: int = 1, height: float = 3.2
) -> tuple[Figure, Any]:
    """Make a figure in the house style.

    Args:
        title: what the figure shows or, where a prediction is open, a neutral name.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis, with its unit.
        columns: number of axes side by side.
        height: height in inches; the width is 6.4, or 9 for several columns.

    Returns:
        The figure and its axes (an array for several columns).

    Raises:
        ValueError: for no columns, or a height that is none.
    """
    columns, height = count("columns", columns), number("height", height, above=0)
    with plt.rc_context(HOUSE):
        size = (6.4 if columns == 1 else 9.0, height)
        fig, axes = plt.subplots(1, columns, figsize=size, layout="constrained")
    fig.suptitle(title, **TITLE)
    for ax in np.atleast_1d(axes):
        ax.set(xlabel=x, ylabel=y)
    return fig, axes


def curve(
    ax: Axes,
    values: Sequence[float] | np.ndarray,
    style: Style,
    x: Sequence[float] | np.ndarray | None = None,
    label: str = "",
    **line: Any,
) -> None:
    """Draw one curve; `x` counts from 1 (epochs) unless it is given. NaN is a gap.

    Raises:
        TypeError: for what is no axes, or no style.
        ValueError: for values that are no row of numbers, or of which none is finite.
    """
    on_axes(ax)
    typed("style", style, Style, "a `plots.Style`, such as `plots.TRAIN`")
    values = row("values", values)
    x = np.arange(1, len(values) + 1) if x is None else row("x", x, len(values))
    markers = max(1, len(values) // 10)
    look = {"color": style.color, "ls": style.line, "lw": 1.8}
    look |= {"marker": style.marker, "ms": 4.5, "markevery": markers}
    ax.plot(x, values, **{**look, "label": label or style.label, **line})


def band(
    ax: Axes,
    runs: Sequence[Sequence[float]] | np.ndarray,
    style: Style,
    x: Sequence[float] | np.ndarray | None = None,
    label: str = "",
) -> None:
    """Draw the mean of several runs (one row a seed), in a band from the lowest to the highest.

    Raises:
        TypeError: for what is no axes, or no style.
        ValueError: for runs that are no table of numbers, or of which no point is finite in all.
    """
    on_axes(ax)
    typed("style", style, Style, "a `plots.Style`, such as `plots.TRAIN`")
    runs = numbers("runs", runs, (None, None), "with one row a seed: shape (seeds, points)")
    row("runs", runs.mean(0))
    x = np.arange(1, runs.shape[1] + 1) if x is None else row("x", x, runs.shape[1])
    ax.fill_between(x, runs.min(0), runs.max(0), color=style.color, alpha=0.2, lw=0)
    curve(ax, runs.mean(0), style, x, label)


def images(
    rows: Sequence[np.ndarray], titles: Sequence[str], title: str = "", columns: int = 5
) -> Figure:
    """Draw small images in a grid, each with a line of text above it.

    Raises:
        ValueError: for no images, images that are no maps of numbers, or another number of titles.
    """
    columns = count("columns", columns)
    for name, values in (("rows", rows), ("titles", titles)):
        ok = hasattr(values, "__len__") and not isinstance(values, str) and len(values)
        require(bool(ok), f"`{name}` must hold at least one.", **{name: values})
    require(
        len(rows) == len(titles),
        "There must be a title for each image.",
        images=len(rows),
        titles=len(titles),
    )
    for image in rows:
        if np.ndim(image) != 3:
            numbers("rows", image, (None, None), "of shape (height, width) or with colours")
    lines = -(-len(rows) // columns)
    with plt.rc_context(HOUSE):
        size = (1.5 * columns, 1.85 * lines + 0.4)
        fig, axes = plt.subplots(lines, columns, figsize=size, layout="constrained")
    fig.suptitle(title, **TITLE)
    axes = np.atleast_1d(axes)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, text in zip(axes.flat, rows, titles, strict=False):  # some axes stay empty
        ax.imshow(image, cmap="gray_r")
        ax.set_title(text, fontsize=9)
    return fig


@dataclass(frozen=True)
class Shown:
    """A figure as HTML: the picture with its alternative text, and the same words below it."""

    png: bytes
    alt: str
    width: int

    def __repr__(self):
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        import html

        words = html.escape(self.alt)
        data = base64.b64encode(self.png).decode()
        return (
            f'<figure style="margin:0"><img src="data:image/png;base64,{data}" alt="{words}" '
            f'style="width:{self.width}px;max-width:100%">'
            f'<figcaption style="max-width:50em;opacity:.85">{words}</figcaption></figure>'
        )


def show(fig: Figure, alt: str) -> None:
    """Show a figure with a caption that says what there is to see, and close it.

    The caption is the picture's alternative text too, here and in exported pages.

    Args:
        fig: a matplotlib figure.
        alt: one or two sentences: what the curves do, not how they are drawn.

    Raises:
        TypeError: for what is no figure.
        ValueError: if `alt` is empty.
    """
    typed("fig", fig, Figure, "a matplotlib figure")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            "A figure needs its caption in words, for those who cannot see it. "
            f"Received: alt={alt!r}. Write what the curves do, in a sentence."
        )
    for legend in filter(None, (ax.get_legend() for ax in fig.axes)):
        legend.set_frame_on(False)
    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=144, metadata={"Software": None})
    plt.close(fig)
    from coursekit.exercises.cards import show as show_card

    shown: Any = Shown(png.getvalue(), alt.strip(), int(fig.get_figwidth() * 96))
    show_card(shown)
