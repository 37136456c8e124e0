"""Integer labels, without rounding them and without gathering by boolean."""

import keras
from keras import ops
from keras.src.backend import set_keras_mask  # Keras exports no other way to say "ignored"

from coursekit._checks import is_number, require


def class_of(y_true, y_pred, axis, ignore_class=None):
    """Return one-hot labels as booleans of `y_pred`'s shape, and which labels count (None: all).

    An ignored label becomes class 0: what is computed of it must be finite, to be dropped later.
    A label that is no class has no True at all.
    """
    labels = ops.convert_to_tensor(y_true)
    rank, axis = len(y_pred.shape), axis if axis >= 0 else axis + len(y_pred.shape)
    if len(labels.shape) == rank and labels.shape[axis] == 1:
        labels = ops.squeeze(labels, axis)
    require(
        len(labels.shape) == rank - 1,
        "`y_true` must hold integer labels, of the shape of `y_pred` without its axis of classes.",
        "Of one-hot labels take `keras.ops.argmax(y_true, axis)`",
        y_true=tuple(labels.shape),
        y_pred=tuple(y_pred.shape),
    )
    classes = y_pred.shape[axis]
    require(classes != 1, "`y_pred` must have at least two classes.", y_pred=tuple(y_pred.shape))
    labels = ops.cast(labels, "int32")
    valid = None
    if ignore_class is not None:
        valid = ops.not_equal(labels, ignore_class)
        labels = ops.where(valid, labels, 0)
    return ops.one_hot(labels, classes, axis=axis, dtype="bool"), valid


def log_probabilities(y_pred, from_logits, axis):
    """Return log p of logits, or of probabilities, which are clipped from below as in Keras."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=axis)
    epsilon = keras.config.epsilon()
    total = ops.maximum(ops.sum(y_pred, axis=axis, keepdims=True), epsilon)
    return ops.log(ops.maximum(y_pred / total, epsilon))


def known(is_label):
    """Return where the label is a class; what is none becomes NaN and not a silent 0."""
    return ops.any(is_label, axis=-1, keepdims=True)


def of_label(x, is_label, axis):
    """Return the entry of the true class; NaN where the label is no class."""
    found = ops.sum(ops.where(is_label, x, 0.0), axis=axis)
    return ops.where(ops.any(is_label, axis=axis), found, float("nan"))


def smoothed(log_p, is_label, label_smoothing, axis):
    uniform = ops.mean(log_p, axis=axis)
    return -(1 - label_smoothing) * of_label(log_p, is_label, axis) - label_smoothing * uniform


def weight_of_label(weights, is_label, axis, dtype):
    """Return one weight for all, or the weight of each label's class."""
    if is_number(weights):
        return weights
    classes = is_label.shape[axis]
    require(
        len(weights) == classes,
        f"There must be one weight or count for each of the {classes} classes.",
        weights=weights,
    )
    shape = [1] * len(is_label.shape)
    shape[axis] = classes
    by_class = ops.reshape(ops.convert_to_tensor(list(weights), dtype=dtype), shape)
    return ops.sum(ops.where(is_label, by_class, 0.0), axis=axis)


def ignoring(values, valid):
    """Set ignored values to 0 and tell Keras, whose mean is then over the others."""
    if valid is not None:
        values = ops.where(valid, values, 0.0)
        set_keras_mask(values, valid)
    return values
