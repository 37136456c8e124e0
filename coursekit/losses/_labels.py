"""Integer labels, without rounding them and without gathering by boolean."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._checks import refuse_masked, require
from coursekit.losses._arguments import INT32
from coursekit.losses._base import Tensor, seen, set_keras_mask, sizes_fit, tensor


class Labels(NamedTuple):
    """Labels beside predictions.

    is_label: one-hot labels as booleans, of the shape of `y_pred`; none is True for a label that
        is no class.
    valid: which labels count, of the shape of `y_pred` without its axis of classes; None: all.
    y_pred: the predictions; 0 where the label does not count, so that what is computed of it is
        finite.
    axis: the axis of classes, from 0.
    """

    is_label: Tensor
    valid: Tensor
    y_pred: Tensor
    axis: int


def labels_of(y_true: Tensor, y_pred: Tensor, axis: int, ignore_class: int | None = None) -> Labels:
    """Return the labels beside predictions; refuse those whose sizes differ."""
    shape, axis = tuple(y_pred.shape), axis_of(y_pred, axis)
    labels = as_classes(whole(y_true), ignore_class)
    given, wanted = tuple(labels.shape), shape[:axis] + shape[axis + 1 :]
    if len(given) == len(shape) and given[axis] == 1:
        labels = ops.squeeze(labels, axis)
    require(
        sizes_fit(tuple(labels.shape), wanted),
        "`y_true` must hold integer labels, of the shape of `y_pred` without its axis of classes.",
        _way_out(given, shape),
        y_true=given,
        y_pred=shape,
    )
    labels = like(labels, wanted, lambda: [n for i, n in enumerate(ops.shape(y_pred)) if i != axis])
    valid = None
    if ignore_class is not None:
        valid = ops.not_equal(labels, ignore_class)
        labels = ops.where(valid, labels, 0)
        y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, 0.0)
    number = ops.shape(y_pred)[axis] if shape[axis] is None else shape[axis]
    classes = ops.arange(number, dtype="int32")
    classes = ops.reshape(classes, [-1 if i == axis else 1 for i in range(len(shape))])
    return Labels(ops.equal(ops.expand_dims(labels, axis), classes), valid, y_pred, axis)


def axis_of(y_pred: Tensor, axis: int) -> int:
    """Return the axis of the classes, from 0; refuse predictions without one."""
    shape = tuple(y_pred.shape)
    rank = len(shape)
    require(
        rank > 1 and -rank < axis < rank,
        f"`y_pred` must have its batch on the first axis and its classes on axis {axis}.",
        y_pred=shape,
    )
    axis %= rank
    require(shape[axis] != 1, "`y_pred` must have at least two classes.", y_pred=shape)
    return axis


def like(labels: Tensor, wanted: tuple, sizes):
    """Make sizes that are not known yet agree when they are: broadcasting would hide it."""
    return ops.reshape(labels, sizes()) if None in tuple(labels.shape) + wanted else labels


def _way_out(given, shape):
    if sizes_fit(given, shape):
        return "Of one-hot labels take `keras.ops.argmax(y_true, axis)`"
    if len(shape) > 2 and sizes_fit(given, shape[:1] + shape[2:]):
        return "If the classes are on axis 1, move them: `keras.ops.moveaxis(y_pred, 1, -1)`"
    return ""


def whole(y_true: Tensor):
    """Return labels as a tensor, or an array of NumPy, that has kept every integer.

    A label that is seen to be no whole number is refused; while a program is traced none is seen.
    """
    refuse_masked("y_true", y_true)
    labels = y_true
    if not ops.is_tensor(y_true):
        labels = np.asarray(y_true) if seen(y_true) is not None else tensor("y_true", y_true)
    if isinstance(labels, np.ndarray) and labels.dtype.kind not in "biuf":
        half = "bfloat16" in str(labels.dtype)
        labels = labels.astype("float32") if half else tensor("y_true", labels)
    values = seen(labels) if "float" in dtype_of(labels) else None
    if values is not None:
        values = values.astype("float64")
        odd = values[~(np.isfinite(values) & (values == np.round(values)))]
        rule = "`y_true` must hold integer labels."
        if odd.size:
            require(False, rule, label=float(odd[0]), y_true=tuple(labels.shape))
    return labels


def dtype_of(labels: Tensor) -> str:
    """Return the name of a dtype."""
    return keras.backend.standardize_dtype(labels.dtype)


def as_classes(labels: Tensor, ignore_class: int | None = None):
    """Return labels as int32; what does not fit, or is no whole number, as one that is no class."""
    none = -1 if ignore_class != -1 else -2
    if isinstance(labels, np.ndarray):
        fits = (labels >= -INT32) & (labels < INT32)
        if labels.dtype.kind == "f":
            fits &= labels == np.round(labels)
        labels = np.where(fits, labels, none).astype("int32")
        return ops.convert_to_tensor(labels)
    dtype = dtype_of(labels)
    small = ops.cast(labels, "int32")
    if dtype in ("uint32", "uint64"):
        fits = ops.less(ops.cast(labels, "float32"), INT32)  # Keras compares them cut to 32 bits
    elif dtype == "int64" or "float" in dtype:
        fits = ops.equal(ops.cast(small, dtype), labels)
    else:
        return small
    return ops.where(fits, small, none)


def log_probabilities(y_pred: Tensor, from_logits: bool, axis: int):
    """Return log p of logits, or of probabilities, which are clipped from below as in Keras."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=axis)
    refuse_logits(y_pred)
    epsilon = keras.config.epsilon()
    total = ops.maximum(ops.sum(y_pred, axis=axis, keepdims=True), epsilon)
    return ops.log(ops.maximum(y_pred / total, epsilon))


def refuse_logits(y_pred: Tensor) -> None:
    """Refuse what is seen to be no probability (while a program is traced nothing is seen)."""
    values = seen(y_pred)
    if values is None or values.size == 0:
        return
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    require(
        not (low < -1e-3 or high > 1 + 1e-3),
        "With `from_logits=False` `y_pred` must hold probabilities, from 0 to 1.",
        "Of logits: `from_logits=True`",
        lowest=float(low),
        highest=float(high),
    )


def known(is_label: Tensor, axis: int):
    """Return where the label is a class, with an axis of classes of size 1."""
    return ops.any(is_label, axis=axis, keepdims=True)


def of_label(x: Tensor, is_label: Tensor, axis: int):
    """Return the entry of the true class; NaN where the label is no class."""
    found = ops.sum(ops.where(is_label, x, 0.0), axis=axis)
    return ops.where(ops.any(is_label, axis=axis), found, float("nan"))


def smoothed(log_p: Tensor, is_label: Tensor, label_smoothing: float, axis: int):
    """Return the crossentropy of smoothed labels; a share of 0 of an infinite term is 0."""
    values = 0.0
    if label_smoothing < 1:
        found = ops.sum(ops.where(is_label, log_p, 0.0), axis=axis)
        values = -(1 - label_smoothing) * found
    if label_smoothing > 0:
        values = values - label_smoothing * ops.mean(log_p, axis=axis)
    return ops.where(ops.any(is_label, axis=axis), values, float("nan"))


def by_class(name: str, weights: list[float], y_pred: Tensor, axis: int):
    """Return one weight for each class, along their axis."""
    classes = y_pred.shape[axis]
    number = "classes" if classes is None else f"{classes} classes"
    fits = len(weights) > 1 if classes is None else len(weights) == classes
    require(fits, f"`{name}` must hold a number for each of the {number}.", **{name: weights})
    shape = [1] * len(y_pred.shape)
    shape[axis] = len(weights)
    return ops.reshape(ops.convert_to_tensor(weights, dtype=y_pred.dtype), shape)


def weight_of_label(name: str, weights: float | list[float], labels: Labels):
    """Return one weight for all, or the weight of each label's class."""
    if not isinstance(weights, list):
        return weights
    spread = by_class(name, weights, labels.y_pred, labels.axis)
    return ops.sum(ops.where(labels.is_label, spread, 0.0), axis=labels.axis)


def ignoring(values: Tensor, valid: Tensor):
    """Set ignored values to 0 and tell Keras, whose mean is then over the others."""
    if valid is not None:
        values = ops.where(valid, values, 0.0)
        set_keras_mask(values, valid)
    return values
