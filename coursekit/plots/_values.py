"""What a figure is drawn of, checked before the first line is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coursekit._checks import brief


def numbers(name: str, values: Any, shape: tuple, words: str) -> np.ndarray:
    """Return an array of floats, at least one of them finite.

    Args:
        name: the name of the argument.
        values: what was given.
        shape: a size for each axis; None for any of at least 1.
        words: the shape in words.
    """
    try:
        found = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be numbers {words}. Received: {name}={brief(values)}"
        ) from None
    fits = found.ndim == len(shape) and all(
        size == wanted or (wanted is None and size > 0)
        for size, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"`{name}` must be numbers {words}. Received: shape={found.shape}")
    if not np.isfinite(found).any():
        raise ValueError(f"`{name}` must hold a finite number. Received: {name}={brief(values)}")
    return found


def row(name: str, values: Any, length: int | None = None) -> np.ndarray:
    """Return the numbers of one line, of a known length where it goes with another."""
    words = "in a row" if length is None else f"in a row of {length}, as many as there are points"
    return numbers(name, values, (length,), words)


def typed(name: str, value: Any, kind: type, words: str) -> None:
    """Refuse what is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"`{name}` must be {words}. Received: {name}={brief(value)}")


def on_axes(ax: Any) -> None:
    """Refuse what cannot be drawn on."""
    typed("ax", ax, Axes, "matplotlib axes, such as those of `plots.figure()`")


def has(name: str, value: Any, attributes: tuple[str, ...], words: str) -> None:
    """Refuse a result of another kind than the figure shows."""
    if not all(hasattr(value, attribute) for attribute in attributes):
        raise TypeError(f"`{name}` must be {words}. Received: {name}={brief(value)}")
