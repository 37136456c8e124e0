"""What the losses on masks share: targets, probabilities and counts of pixels, image by image."""

import math

from keras import ops

from coursekit._checks import require
from coursekit.losses._labels import class_of, known, log_probabilities


def masks_of(y_true, y_pred, ignore_class):
    """Return masks of the shape of `y_pred`, and 1 for each pixel that counts (None: all do)."""
    if y_pred.shape[-1] == 1:
        targets = ops.convert_to_tensor(y_true)
        if len(targets.shape) == len(y_pred.shape) - 1:
            targets = targets[..., None]
        require(
            len(targets.shape) == len(y_pred.shape) and targets.shape[-1] == 1,
            "`y_true` must be one mask for each image, as `y_pred` has one channel.",
            y_true=tuple(targets.shape),
            y_pred=tuple(y_pred.shape),
        )
        targets = ops.cast(targets, y_pred.dtype)
        valid = None if ignore_class is None else ops.not_equal(targets, ignore_class)
        targets = targets if valid is None else ops.where(valid, targets, 0.0)
        in_range = ops.logical_and(targets >= 0, targets <= 1)
        targets = ops.where(in_range, targets, float("nan"))  # 255, for example, not ignored
    else:
        is_label, valid = class_of(y_true, y_pred, -1, ignore_class)
        targets = ops.cast(is_label, y_pred.dtype)
        targets = ops.where(known(is_label), targets, float("nan"))
        valid = None if valid is None else valid[..., None]
    return targets, None if valid is None else ops.cast(valid, y_pred.dtype)


def probabilities(y_pred, from_logits):
    if not from_logits:
        return y_pred
    return ops.sigmoid(y_pred) if y_pred.shape[-1] == 1 else ops.softmax(y_pred, axis=-1)


def flat(x):
    """Return `(batch, pixels, channels)`."""
    pixels = -1 if None in x.shape[1:-1] else math.prod(x.shape[1:-1])  # a batch may have no row
    return ops.reshape(x, (ops.shape(x)[0], pixels, x.shape[-1]))


def overlap(targets, p, valid):
    """Return TP, FP and FN of each image and class, over the pixels that count."""
    counts = (p * targets, p * (1 - targets), (1 - p) * targets)
    if valid is not None:
        counts = [count * valid for count in counts]
    return [ops.sum(flat(count), axis=1) for count in counts]


def mean_crossentropy(targets, y_pred, valid, from_logits):
    """Return the mean crossentropy of the pixels of each image that count."""
    if y_pred.shape[-1] > 1:
        values = -ops.sum(targets * log_probabilities(y_pred, from_logits, -1), -1, keepdims=True)
    else:
        values = ops.binary_crossentropy(targets, y_pred, from_logits=from_logits)
    if valid is None:
        return ops.mean(flat(values), axis=(1, 2))
    pixels = ops.sum(flat(valid), axis=(1, 2))
    return ops.sum(flat(values * valid), axis=(1, 2)) / ops.maximum(pixels, 1)
