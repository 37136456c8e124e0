"""How rows are split, and what cross-validation found."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from coursekit._checks import brief, count, require
from coursekit.plots._style import TRAIN, VALIDATION, curve, figure
from coursekit.plots._values import has, on_axes, row, typed

if TYPE_CHECKING:
    from coursekit.validation import CrossValidation


def splits(ax: Axes, folds: Iterable, rows: int | None = None) -> None:
    """Draw which rows train and which validate, a line a fold, the first fold on top.

    Training is light, validation dark and hatched, unused rows stay white.

    Args:
        ax: where to draw.
        folds: (train, validation) row indices, such as `cv.split(x, y)` or `result.folds`.
        rows: the number of rows; by default up to the last one used.

    Raises:
        TypeError: for what is no axes.
        ValueError: for no splits, splits that are no pairs of row numbers, too few `rows`.
    """
    on_axes(ax)
    try:
        folds = [tuple(map(_row_numbers, fold)) for fold in folds]
    except TypeError:
        raise ValueError(
            "`folds` must hold pairs (train, validation) of row numbers. "
            f"Received: folds={brief(folds)}"
        ) from None
    if not folds:
        raise ValueError("`folds` must hold at least one split. Received: none.")
    for fold in folds:
        require(len(fold) == 2, "A split must be (train, validation).", parts=len(fold))
    require(
        any(side.size for fold in folds for side in fold), "`folds` must hold rows.", folds=folds
    )
    rows = None if rows is None else count("rows", rows)
    used = 1 + max(int(side.max()) for fold in folds for side in fold if side.size)
    if rows is not None and rows < used:
        raise ValueError(f"`rows` must reach the last row, {used - 1}. Received: rows={rows}")
    rows = used if rows is None else rows
    many = len(folds) >= 20  # too thin for gaps and hatches
    height, hatch = (1.0, None) if many else (0.8, "////")
    looks: tuple[dict[str, Any], ...] = (
        {"facecolor": to_rgba(TRAIN.color, 0.35), "label": TRAIN.label},
        {"facecolor": VALIDATION.color, "hatch": hatch, "label": VALIDATION.label},
    )
    for side, look in enumerate(looks):
        for k, fold in enumerate(folds):
            mask = np.zeros(rows + 2, int)
            mask[fold[side] + 1] = 1
            edges = np.flatnonzero(np.diff(mask))
            starts, ends = edges[::2], edges[1::2]
            bars = list(zip(starts, ends - starts, strict=True))
            shown = {**look, "label": look["label"] if k == 0 else None}
            ax.broken_barh(
                bars, (k + 1 - height / 2, height), edgecolor="white", linewidth=0, **shown
            )
    ax.set(xlim=(0, rows), ylim=(len(folds) + 0.5, 0.5))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.grid(False)


def _row_numbers(side) -> np.ndarray:
    side = np.asarray(side)
    if side.ndim != 1 or (side.size and side.dtype.kind not in "iu") or (side < 0).any():
        raise TypeError("no row numbers")
    return side.astype(int)


def cross_validation(result: "CrossValidation", title: str = "") -> Figure:
    """Draw the scores of each fold of a `CrossValidation`, and their mean; one column a scorer.

    Of a model with several outputs each score is a column of its own, such as "age_r2".

    The gap between training and validation is overfitting; how far the dots lie apart is what one
    split could have told instead.

    Args:
        result: what `coursekit.validation.cross_validate` returns.
        title: what the figure shows.

    Raises:
        TypeError: for what is no `CrossValidation`.
        ValueError: for scores of which none is finite.
    """
    has("result", result, ("scores", "train_scores"), "a `CrossValidation`")
    for part in ("scores", "train_scores"):
        typed(f"result.{part}", getattr(result, part), dict, "a dict by scorer")
    require(bool(result.scores), "`result` must hold scores.", scores=result.scores)
    for name, scores in result.scores.items():
        row(f"result.scores[{name!r}]", scores)
        train = result.train_scores.get(name)
        row(f"result.train_scores[{name!r}]", train, len(scores))
    fig, axes = figure(title, columns=len(result.scores), x="fold", y="")
    for ax, (name, scores) in zip(np.atleast_1d(axes), result.scores.items(), strict=True):
        number = np.arange(1, len(scores) + 1)
        small: dict[str, Any] = {"ms": 3} if len(scores) > 40 else {}
        for style, values in ((TRAIN, result.train_scores[name]), (VALIDATION, scores)):
            curve(ax, values, style, number, ls="", markevery=1, **small)
        mean = float(np.mean(scores))
        look = {"color": VALIDATION.color, "ls": VALIDATION.line, "lw": 1.2}
        ax.axhline(mean, label=f"mean {mean:.2f}", **look)
        ax.set_ylabel(name.replace("_", " "))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return fig
