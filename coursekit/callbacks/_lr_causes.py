"""What in the data or the weights makes a loss that is not finite, where it can be seen."""

from typing import Any

import keras
import numpy as np


def cause_of(model: keras.Model, **data: Any) -> str:
    """Return a sentence that names the first value which is not finite, or an empty string.

    Args:
        model: the model, with the weights it starts from.
        **data: x, y and sample_weight, as in `fit`; only arrays are looked at.
    """
    for name, value in data.items():
        for place, leaf in _arrays(name, value):
            row = _first_row(leaf)
            if row is not None and (name != "x" or _breaks(model, value, row)):
                seen = "NaN" if np.isnan(leaf[row]).any() else "infinite"
                return f"`{place}` is {seen} in row {row}, the first such row."
    for variable in model.variables:
        values = keras.ops.convert_to_numpy(variable)
        if values.dtype.kind in "fV" and not np.isfinite(values.astype("float32")).all():
            return f"The weights are not finite before any update: {variable.path}."
    return _no_class(model, data.get("y"))


def _no_class(model, y) -> str:
    """Name the first label that is no class of the model."""
    shape = getattr(model, "output_shape", None)
    if not (isinstance(shape, tuple) and isinstance(shape[-1], int) and hasattr(y, "__array__")):
        return ""
    y, classes = np.asarray(y), shape[-1]
    if classes < 2 or y.dtype.kind not in "iu" or y.ndim not in (len(shape) - 1, len(shape)):
        return ""
    if y.ndim == len(shape) and y.shape[-1] != 1:
        return ""
    ignored = getattr(model.loss, "arguments", {}).get("ignore_class")
    ignored = getattr(model.loss, "ignore_class", None) if ignored is None else ignored
    odd = (y < 0) | (y >= classes)
    if ignored is not None:
        odd &= y != ignored
    if not odd.any():
        return ""
    place = np.argwhere(odd)[0]
    return (
        f"`y` is {y[tuple(place)]} in row {place[0]}, where the model has the classes 0 to "
        f"{classes - 1}. What is to be left out, name in the loss's `ignore_class`."
    )


def _arrays(name, value):
    """Yield the arrays of floats in `value`, each with the words to find it."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _arrays(f"{name}[{key!r}]", one)
    elif isinstance(value, list | tuple) and any(hasattr(one, "shape") for one in value):
        for k, one in enumerate(value):
            yield from _arrays(f"{name}[{k}]", one)
    elif isinstance(value, list | tuple) or (hasattr(value, "shape") and len(value.shape)):
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            return
        if array.dtype.kind == "f":
            yield name, array


def _first_row(array) -> int | None:
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.size else np.zeros(0)
    return int(np.argmax(bad)) if bad.any() else None


def _breaks(model, x, row) -> bool:
    """Tell whether the model makes something that is not finite of this row."""
    try:
        one = keras.tree.map_structure(lambda a: np.asarray(a)[row : row + 1], x)
        with keras.StatelessScope():
            outputs = keras.tree.flatten(model(one, training=False))
        return not all(np.isfinite(keras.ops.convert_to_numpy(part)).all() for part in outputs)
    except Exception:  # a model that takes no single row: nothing is known of it
        return True
