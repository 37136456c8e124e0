"""What was not finite, and which scorers failed: said once, with what was seen and no more."""

import warnings
from collections.abc import Iterable

import numpy as np

from coursekit.validation._inputs import chosen, not_finite
from coursekit.validation._scoring import Side
from coursekit.validation._task import Tasks

SHOWN = 3  # folds, before "and more"


def broken_because(
    history: dict[str, list[float]],
    weights: list[str],
    sides: Iterable[Side],
    inputs: Iterable,
    rows: Iterable[np.ndarray],
) -> str:
    """Say what is not finite in a fold and where it began; "" where all is finite.

    Args:
        history: what `fit` recorded.
        weights: the variables that training has broken.
        sides: the validation rows scored, then the training rows.
        inputs: the inputs of each side.
        rows: the numbers of their rows in x.
    """
    found, began = [], []
    for name, side, x, own in zip(("validation", "training"), sides, inputs, rows, strict=True):
        if side.broken.any():
            where = np.flatnonzero(side.broken)
            first = "" if len(where) == len(own) else f" (the first is row {own[where[0]]})"
            found.append(f"{len(where)} of {len(own)} {name} rows{first}")
            cell = not_finite(chosen(x, where))
            if cell is not None and not began:
                began.append(f"x is {cell.value} in row {own[where[cell.row]]}")
    curve = np.asarray(history.get("loss", ()), float)
    odd = np.flatnonzero(~np.isfinite(curve))
    if odd.size:
        began.append(f"the loss turned {curve[odd[0]]} in epoch {odd[0] + 1}")
    if weights:
        began.append(f"{weights[0]} and {len(weights) - 1} more weights" if weights[1:]
                     else f"the weight {weights[0]}")  # fmt: skip
        began[-1] += " are not finite" if weights[1:] else " is not finite"
    if not found and not weights:
        return f"{began[-1]}, though predictions are finite, and scored" if began else ""
    where = f"predictions for {' and '.join(found)}; " if found else ""
    return where + (", ".join(began) if began else "rows, losses and weights are finite")


def tell_broken(folds: dict[int, str], stacklevel: int = 4) -> None:
    """Warn once of all folds that hold something that is not finite."""
    told = {fold: text for fold, text in folds.items() if text}
    if told:
        text = " Folds with such predictions or weights score NaN."
        warnings.warn(_broken(told, text), stacklevel=stacklevel)


def failed(scorers: Iterable[str], folds: dict[int, str]) -> str:
    """Say which scores of a trial are NaN, in which folds, and why."""
    names = ", ".join(f"`{name}`" for name in scorers)
    are = "are" if "," in names else "is"
    return f"{names} {are} NaN in fold {', '.join(map(str, sorted(folds)))}. {_broken(folds)}"


def _broken(folds: dict[int, str], then: str = "") -> str:
    """What is not finite in these folds, and a way out where the cause is seen."""
    shown = [f"fold {fold}: {text}" for fold, text in sorted(folds.items())[:SHOWN]]
    more = f" And {len(folds) - SHOWN} more folds." if len(folds) > SHOWN else ""
    diverged = any("the loss turned" in text for text in folds.values())
    way_out = " Lower the learning rate, or scale the inputs." if diverged else ""
    return f"Not finite: {'. '.join(shown)}.{more}{then}{way_out}"


def tell_problems(
    problems: dict[str, dict[int, str]], folds, tasks: Tasks, stacklevel: int = 4
) -> None:
    """Warn once for each scorer that failed, with the folds; name a cause only where it is seen."""
    for name, by_fold in problems.items():
        listed = ", ".join(map(str, list(by_fold)[:8])) + (", ..." if len(by_fold) > 8 else "")
        text = next(iter(by_fold.values()))
        way_out = _seen(list(by_fold), folds, tasks)
        warnings.warn(
            f"`{name}` is NaN in fold {listed}: {text if text.endswith(('.', '?')) else text + '.'}"
            f"{way_out}",
            stacklevel=stacklevel,
        )


def _seen(which: list[int], folds, tasks: Tasks) -> str:
    """A way out for folds that are too small, or lack a class."""
    rows = [folds[k][1] for k in which]
    if any(len(side) < 2 for side in rows):
        return " A fold has one row: score `result.predictions` as a whole."
    for task in tasks.values():
        if task.labels is not None and any(
            len(np.unique(task.labels[side])) < len(task.classes) for side in rows
        ):
            return (
                " A class is missing among the rows of a fold: take larger or stratified folds, or "
                "score `result.predictions` as a whole."
            )
    return ""


def tell_leaks(leaks: dict[int, list[str]], stacklevel: int = 4) -> None:
    """Warn once of each callback that decides by the rows that score a fold."""
    for text in dict.fromkeys(text for told in leaks.values() for text in told):
        warnings.warn(text, stacklevel=stacklevel)


def of_kept(fold, rows: np.ndarray) -> str:
    """Say what is not finite in a fold that was read from disk."""
    predictions = fold.predictions
    values = list(predictions.values()) if isinstance(predictions, dict) else [predictions]
    broken = np.any([~np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in values], axis=0)
    nothing = np.empty(0, bool)
    sides = [Side({}, None, broken, {}), Side({}, None, nothing, {})]
    empty = {}
    return broken_because(fold.history, [], sides, (empty, empty), (rows, nothing))
