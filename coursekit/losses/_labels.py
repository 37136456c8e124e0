"""Integer labels, without rounding them and without gathering by boolean."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._checks import refuse_masked, require
from coursekit.losses._arguments import INT32
from coursekit.losses._base import Tensor, seen, set_keras_mask, sizes_fit, tensor


class Labels(NamedTuple):
    """Labels beside predictions.

    classes: the label of each example, another class where it is none: an array of NumPy where
        labels are seen, a tensor while a program is traced.
    fits: where it is a class; None: all are seen to be.
    valid: which labels count, of the shape of `y_pred` without its axis of classes; None: all.
    y_pred: the predictions; 0 where the label does not count, so that what is computed of it is
        finite.
    axis: the axis of classes, from 0.
    """

    classes: Tensor
    fits: Tensor
    valid: Tensor
    y_pred: Tensor
    axis: int

    def one_hot(self, dtype: Any = "bool"):
        """Return one-hot labels, of the shape of `y_pred`."""
        shape, axis = self.y_pred.shape, self.axis
        number = ops.shape(self.y_pred)[axis] if shape[axis] is None else shape[axis]
        return ops.one_hot(self.classes, number, axis=axis, dtype=dtype)

    def known(self, values):
        """Return values, NaN where the label is no class."""
        return values if self.fits is None else ops.where(self.fits, values, float("nan"))

    def counted(self, values):
        """Return values, 0 where ignored and NaN where the label is no class, and tell Keras."""
        return ignoring(self.known(values), self.valid)


def labels_of(y_true: Tensor, y_pred: Tensor, axis: int, ignore_class: int | None = None) -> Labels:
    """Return the labels beside predictions; refuse those whose sizes differ."""
    shape, axis = tuple(y_pred.shape), axis_of(y_pred, axis)
    labels = as_classes(whole(y_true), ignore_class)
    given, wanted = tuple(labels.shape), shape[:axis] + shape[axis + 1 :]
    if len(given) == len(shape) and given[axis] == 1:
        labels = module(labels).squeeze(labels, axis)
    require(
        sizes_fit(tuple(labels.shape), wanted),
        "`y_true` must hold integer labels, of the shape of `y_pred` without its axis of classes.",
        _way_out(given, shape),
        y_true=given,
        y_pred=shape,
    )
    labels = like(labels, wanted, lambda: [n for i, n in enumerate(ops.shape(y_pred)) if i != axis])
    if shape[axis] is None:
        labels = ops.convert_to_tensor(labels)
    xp, valid = module(labels), None
    if ignore_class is not None:
        valid = ops.convert_to_tensor(xp.not_equal(labels, ignore_class))
        labels = xp.where(xp.equal(labels, ignore_class), 0, labels)
        y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, 0.0)
    number = shape[axis] or ops.cast(ops.shape(y_pred)[axis], labels.dtype)
    classes = xp.clip(labels, 0, number - 1)
    fits = xp.equal(classes, labels)
    return Labels(classes, None if xp is np and fits.all() else fits, valid, y_pred, axis)


def module(values: Tensor) -> Any:
    """Return NumPy for its arrays and `keras.ops` for tensors: labels that are seen are arrays.

    Next to a batch they are few numbers, of which NumPy makes short work.
    """
    return np if isinstance(values, np.ndarray) else ops


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
    labels = seen(y_true)
    if labels is None:
        return y_true if ops.is_tensor(y_true) else tensor("y_true", y_true)
    if labels.dtype.kind not in "biuf":
        half = "bfloat16" in str(labels.dtype)
        labels = labels.astype("float32") if half else tensor("y_true", labels)
    if labels.dtype.kind == "f":
        values = labels.astype("float64")
        odd = values[~(np.isfinite(values) & (values == np.round(values)))]
        rule = "`y_true` must hold integer labels."
        if odd.size:
            require(False, rule, label=float(odd[0]), y_true=tuple(labels.shape))
    return labels


def dtype_of(labels: Tensor) -> str:
    """Return the name of a dtype."""
    return keras.backend.standardize_dtype(labels.dtype)


def as_classes(labels: Tensor, ignore_class: int | None = None):
    """Return labels as integers; what does not fit, or is no whole number, as one that is no class.

    An array of NumPy stays one.
    """
    none = -1 if ignore_class != -1 else -2
    if isinstance(labels, np.ndarray):
        fits = (labels >= -INT32) & (labels < INT32)
        if labels.dtype.kind == "f":
            fits &= labels == np.round(labels)
        return np.where(fits, labels, none).astype("int32")
    dtype = dtype_of(labels)
    if dtype == "int64":
        return labels
    small = ops.cast(labels, "int32")
    if dtype in ("uint32", "uint64"):
        fits = ops.less(ops.cast(labels, "float32"), INT32)  # Keras compares them cut to 32 bits
    elif "float" in dtype:
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


def crossentropy(labels: Labels, from_logits: bool):
    """Return -log p of each label; a logit of minus infinity masks a class that is not the label.

    TensorFlow has this as one operation for logits, which leaves the other classes out; Keras on
    JAX multiplies them with 0.
    """
    y_pred, last = labels.y_pred, len(labels.y_pred.shape) - 1
    if from_logits and labels.axis == last and keras.backend.backend() == "tensorflow":
        return ops.sparse_categorical_crossentropy(labels.classes, y_pred, from_logits=True)
    return -of_label(log_probabilities(y_pred, from_logits, labels.axis), labels)


def of_label(x: Tensor, labels: Labels):
    """Return the entry of the true class."""
    return ops.sum(ops.where(labels.one_hot(), x, 0.0), axis=labels.axis)


def smoothed(labels: Labels, label_smoothing: float, from_logits: bool):
    """Return the crossentropy of smoothed labels; a share of 0 of an infinite term is 0."""
    if label_smoothing == 0:
        return crossentropy(labels, from_logits)
    y_pred, axis = labels.y_pred, labels.axis
    if not from_logits:
        log_p = log_probabilities(y_pred, from_logits, axis)
        values = -label_smoothing * ops.mean(log_p, axis=axis)
        return values - (1 - label_smoothing) * of_label(log_p, labels)
    number = y_pred.shape[axis] or ops.cast(ops.shape(y_pred)[axis], y_pred.dtype)
    share = label_smoothing / number
    shares = labels.one_hot(y_pred.dtype) * (1 - label_smoothing) + share
    return ops.categorical_crossentropy(shares, y_pred, from_logits=True, axis=axis)


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
    if isinstance(labels.classes, np.ndarray):
        return np.asarray(weights, dtype_of(spread))[labels.classes]
    return ops.take(ops.reshape(spread, (-1,)), labels.classes, axis=0)


def ignoring(values: Tensor, valid: Tensor):
    """Set ignored values to 0 and tell Keras, whose mean is then over the others."""
    if valid is not None:
        values = ops.where(valid, values, 0.0)
        set_keras_mask(values, valid)
    return values
