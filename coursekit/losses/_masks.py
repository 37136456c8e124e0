"""What the losses on masks share: targets, probabilities and counts of pixels, image by image."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._checks import require
from coursekit.losses._arguments import INT32
from coursekit.losses._base import (
    PerExampleLoss,
    Tensor,
    refuse_mask,
    shape_of,
    sizes_fit,
    tensor,
    times,
)
from coursekit.losses._labels import (
    Labels,
    as_classes,
    by_class,
    crossentropy,
    labels_of,
    like,
    module,
    refuse_logits,
    whole,
)

# The label of pixels that a Keras mask takes out: no label of anyone's.
MASKED = -INT32


class ImageLoss(PerExampleLoss):
    """A loss with one value per image (or sequence): what a Keras mask masks in it is ignored."""

    def call_masked(self, y_true: Tensor, y_pred: Tensor, mask: Tensor):
        """Ignore what is masked inside of images; a mask of whole images is left for Keras."""
        shape, of_mask = tuple(y_pred.shape), tuple(mask.shape)
        if len(of_mask) == 1:
            return self.call(y_true, y_pred), mask
        refuse_mask(self.name, mask, y_pred[..., 0], deeper=True, what="labels")
        degrees = self.arguments["multilabel"] or shape[-1] == 1
        labels = (
            tensor("y_true", y_true)
            if degrees
            else as_classes(whole(y_true), self.arguments["ignore_class"])
        )
        if len(labels.shape) == len(shape) and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, -1)
        wanted = shape[: len(labels.shape)] if degrees else shape[:-1]
        if not sizes_fit(tuple(labels.shape), wanted):
            return self.call(y_true, y_pred), None  # which refuses them
        labels = like(labels, wanted, lambda: ops.shape(y_pred)[: len(wanted)])
        ones = [1] * (len(wanted) - len(of_mask))
        mask = ops.reshape(ops.cast(mask, "bool"), (*ops.shape(mask), *ones))
        ignored = self.arguments["ignore_class"]
        ignored = MASKED if ignored is None else ignored
        labels = ops.where(mask, ops.cast(labels, "float32") if degrees else labels, ignored)
        return self.fn(labels, y_pred, **{**self.arguments, "ignore_class": ignored}), None


class Masks(NamedTuple):
    """Masks beside predictions.

    targets: masks of the shape of `y_pred`.
    labels: the labels of the pixels, where the channels exclude each other; None: each channel is
        a mask by itself.
    fits: where the target is one, by pixel or by pixel and channel; None: everywhere.
    valid: 1 for what counts, of the shape of `y_pred` or with one channel; None: all of it.
    y_pred: the predictions; 0 where they do not count.
    """

    targets: Tensor
    labels: Labels | None
    fits: Tensor
    valid: Tensor
    y_pred: Tensor

    def known(self, values):
        """Return the values of images, NaN where a label in the image is none."""
        if self.fits is None:
            return values
        xp = module(self.fits)
        of_image = xp.all(self.fits, axis=tuple(range(1, len(self.fits.shape))))
        return ops.where(of_image, values, float("nan"))


def masks_of(y_true: Tensor, y_pred: Tensor, ignore_class: int | None, multilabel: bool) -> Masks:
    """Return masks of the shape of `y_pred`, and what of them counts."""
    shape = tuple(y_pred.shape)
    require(
        len(shape) > 1 and shape[-1] is not None,
        "`y_pred` must have its batch on the first axis and a known number of channels on the "
        "last one.",
        y_pred=shape,
    )
    if multilabel or shape[-1] == 1:
        return _independent(y_true, y_pred, ignore_class)
    given = shape_of("y_true", y_true)
    require(
        len(given) != len(shape) or given[-1] == 1,
        "`y_true` must hold integer labels, of the shape of `y_pred` without its channels.",
        "Of one-hot labels take `keras.ops.argmax(y_true, axis=-1)`; for masks that may overlap, "
        "one in each channel, set `multilabel=True`",
        y_true=given,
        y_pred=shape,
    )
    labels = labels_of(y_true, y_pred, -1, ignore_class)
    y_pred, valid = labels.y_pred, labels.valid
    targets = labels.one_hot(y_pred.dtype)
    valid = None if valid is None else ops.cast(valid[..., None], y_pred.dtype)
    return Masks(targets, labels, labels.fits, valid, y_pred)


def _independent(y_true, y_pred, ignore_class) -> Masks:
    targets, shape = tensor("y_true", y_true), tuple(y_pred.shape)
    given = tuple(targets.shape)
    if shape[-1] == 1 and len(given) == len(shape) - 1:
        targets = targets[..., None]
    require(
        sizes_fit(tuple(targets.shape), shape),
        "`y_true` must hold one mask for each channel of `y_pred`, and have its shape.",
        y_true=given,
        y_pred=shape,
    )
    targets = like(targets, shape, lambda: ops.shape(y_pred))
    targets = ops.cast(targets, y_pred.dtype)
    valid = None
    if ignore_class is not None:
        counts = ops.not_equal(targets, ignore_class)
        targets, y_pred = ops.where(counts, targets, 0.0), ops.where(counts, y_pred, 0.0)
        valid = ops.cast(counts, y_pred.dtype)
    fits = ops.logical_and(targets >= 0, targets <= 1)  # not 255, for example, not ignored
    return Masks(targets, None, fits, valid, y_pred)


def probabilities(masks: Masks, from_logits: bool):
    """Return probabilities of classes that exclude each other, or of independent masks."""
    if not from_logits:
        refuse_logits(masks.y_pred)
        return masks.y_pred
    if masks.labels is None:
        return ops.sigmoid(masks.y_pred)
    return ops.softmax(masks.y_pred, axis=-1)


def flat(x: Tensor):
    """Return `(batch, pixels, channels)`."""
    if len(x.shape) == 3:
        return x
    pixels = -1 if None in x.shape[1:-1] else math.prod(x.shape[1:-1])  # a batch may have no row
    return ops.reshape(x, (ops.shape(x)[0], pixels, x.shape[-1]))


def errors(targets: Tensor, p: Tensor):
    """Return p where the target is 0 and 1 - p where it is 1, both without rounding."""
    return targets + (1 - 2 * targets) * p


def overlap(masks: Masks, p: Tensor, fp_weight: float = 1.0, fn_weight: float = 1.0):
    """Return TP, and FP and FN weighted and added, of each image and class.

    Over the pixels that count.
    """
    t = masks.targets
    if masks.labels is None:
        wrong = fp_weight * p * (1 - t) + fn_weight * (1 - p) * t
    elif fp_weight == fn_weight:
        wrong = errors(t, p)
    else:
        wrong = errors(t, p) * (fp_weight + (fn_weight - fp_weight) * t)
    counts = [p * t, wrong]
    if masks.valid is not None:
        counts = [count * masks.valid for count in counts]
    tp, wrong = (ops.sum(flat(count), axis=1) for count in counts)
    return tp, fp_weight * wrong if masks.labels and fp_weight == fn_weight else wrong


def over_classes(values: Tensor, weights: list[float] | None, reduce=ops.mean):
    """Return the mean (or sum) over the last axis, weighted; weights matter by their ratios."""
    if weights is not None:
        spread = by_class(
            "class_weights", [len(weights) * w / sum(weights) for w in weights], values, -1
        )
        values = times(spread, values)
    return reduce(values, axis=-1)


def mean_crossentropy(masks: Masks, from_logits: bool):
    """Return the mean crossentropy of the pixels of each image that count."""
    y_pred, targets = masks.y_pred, masks.targets
    if masks.labels is not None:
        values = crossentropy(masks.labels, from_logits)[..., None]
    else:
        yes, no = ops.softplus(-y_pred), ops.softplus(y_pred)
        if not from_logits:
            epsilon = keras.config.epsilon()
            p = ops.clip(y_pred, epsilon, 1 - epsilon)
            yes, no = -ops.log(p), -ops.log(1 - p)
        values = times(targets, yes) + times(1 - targets, no)
    if masks.valid is None:
        values = flat(values)
        pixels = ops.shape(values)[1] if values.shape[1] is None else max(values.shape[1], 1)
        return ops.mean(ops.sum(values, axis=1), axis=-1) / ops.cast(pixels, values.dtype)
    pixels = ops.maximum(ops.sum(flat(masks.valid), axis=1), 1)
    return ops.mean(ops.sum(flat(values * masks.valid), axis=1) / pixels, axis=-1)


def whole_masks(y_true: Tensor):
    """Return masks that hold only 0 and 1 (and the ignored label) where that can be seen."""
    labels = whole(y_true)
    return ops.convert_to_tensor(labels) if isinstance(labels, np.ndarray) else labels
