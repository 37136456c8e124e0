"""Losses for masks: how well a predicted region covers the true one, image by image.

    model.compile("adam", losses.CrossentropyDice(from_logits=True))

All of them take the same data and return one value per image. What images without a class cost is
part of each definition; see the functions.
"""

from keras import ops

from coursekit._checks import is_number, require
from coursekit.losses._base import PerExampleLoss, floats, register
from coursekit.losses._labels import class_of, known
from coursekit.losses._masks import flat, masks_of, mean_crossentropy, overlap, probabilities


def crossentropy_dice(
    y_true,
    y_pred,
    ce_weight=0.5,
    smooth=1.0,
    per_class=True,
    ignore_class=None,
    from_logits=False,
):
    """Compute crossentropy, which is right about each pixel, plus Dice, right about each region.

    ```
    loss = ce_weight * mean_i(-log p[i, y_i]) + (1 - ce_weight) * mean_c(dice_c)
    dice_c = 1 - (2 * TP_c + smooth) / (2 * TP_c + FP_c + FN_c + smooth)
    ```

    with TP, FP and FN summed over the pixels of one image: TP = sum p * t, FP = sum p * (1 - t),
    FN = sum (1 - p) * t.

    Args:
        y_true: integer labels, 0 to C - 1; for one channel 0 and 1 (or a degree between them).
        y_pred: probabilities or logits of C classes; with one channel, of the foreground.
        ce_weight: share of the crossentropy, in [0, 1]; 0 leaves Dice alone. Defaults to 0.5.
        smooth: > 0, in pixels. Defaults to 1.
        per_class: average the Dice of the classes; if False, sum TP, FP and FN over the classes
            first, so that large classes rule. Defaults to True.
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel). Defaults to
            False.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per image, `(batch,)`.

        A class that is absent from an image counts: its Dice is `1 - smooth / (FP + smooth)`, so it
        costs nothing where it is not predicted and up to 1 where it is. An empty mask with an empty
        prediction costs 0. An image in which everything is ignored costs 0 and has no gradient.

    Raises:
        ValueError: for arguments out of range, or one-hot labels.

    Numerics:
        `1 - dice` is computed as `(FP + FN) / (...)`, without cancellation. Keras's `Dice` is one
        number for the whole batch, which is wrong by the number of replicas under
        `MirroredStrategy` and ignores which image a sample weight belongs to; and it gives an empty
        mask with an empty prediction the loss 1. Here neither happens.

    Example:
        >>> values = crossentropy_dice([[1, 0]], [[[0.5], [0.0]]], ce_weight=0.0)
        >>> round(float(values[0]), 4)  # TP 0.5, FP 0, FN 0.5: 1 - 2 / 2.5
        0.2

    References:
        Milletari et al., "V-Net", arXiv:1606.04797; Taghanaki et al., "Combo Loss",
        arXiv:1805.02798.
    """
    _check_dice(ce_weight, smooth, per_class)
    y_pred = floats(y_pred)
    targets, valid = masks_of(y_true, y_pred, ignore_class)
    p = probabilities(y_pred, from_logits)
    tp, fp, fn = overlap(targets, p, valid)
    if not per_class:
        tp, fp, fn = (ops.sum(count, axis=-1, keepdims=True) for count in (tp, fp, fn))
    dice = ops.mean((fp + fn) / (2 * tp + fp + fn + smooth), axis=-1)
    if ce_weight == 0:
        return dice
    crossentropy = mean_crossentropy(targets, y_pred, valid, from_logits)
    return ce_weight * crossentropy + (1 - ce_weight) * dice


@register
class CrossentropyDice(PerExampleLoss):
    """Crossentropy plus Dice, one value per image; see `crossentropy_dice`.

    Use it instead of `keras.losses.Dice`, which is wrong under `MirroredStrategy`.

    Example:
        >>> loss = CrossentropyDice(ce_weight=0.0)
        >>> round(float(loss([[1, 0]], [[[0.5], [0.0]]])), 4)
        0.2
    """

    def __init__(
        self,
        ce_weight=0.5,
        smooth=1.0,
        per_class=True,
        ignore_class=None,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="crossentropy_dice",
        dtype=None,
    ):
        _check_dice(ce_weight, smooth, per_class)
        super().__init__(
            crossentropy_dice,
            reduction,
            name,
            dtype,
            ce_weight=ce_weight,
            smooth=smooth,
            per_class=per_class,
            ignore_class=ignore_class,
            from_logits=from_logits,
        )


def focal_tversky(
    y_true,
    y_pred,
    fp_weight=0.5,
    fn_weight=0.5,
    exponent=0.75,
    smooth=1.0,
    ignore_class=None,
    from_logits=False,
):
    """Compute a Dice in which false positives and false negatives have prices of their own.

    ```
    loss = mean_c((1 - T_c) ** exponent)
    T_c = (TP_c + smooth) / (TP_c + fp_weight * FP_c + fn_weight * FN_c + smooth)
    ```

    with the counts of `crossentropy_dice`. An exponent below 1 keeps the gradient large where the
    overlap is nearly right.

    Args:
        y_true: integer labels, 0 to C - 1; for one channel 0 and 1 (or a degree between them).
        y_pred: probabilities or logits of C classes; with one channel, of the foreground.
        fp_weight: price of a pixel predicted where there is none, >= 0. Defaults to 0.5.
        fn_weight: price of a missed pixel, >= 0; raise it for small lesions. Not both are 0.
            Defaults to 0.5, which with exponent 1 is Dice.
        exponent: > 0; 1 / gamma of the paper. Defaults to 0.75.
        smooth: > 0, in pixels. Defaults to 1.
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel). Defaults to
            False.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per image, `(batch,)`. Absent classes, empty masks and ignored images: as in
        `crossentropy_dice` (a class neither there nor predicted costs 0).

    Raises:
        ValueError: for arguments out of range, or one-hot labels.

    Numerics:
        The slope of `x ** exponent` is infinite at 0; below x = 1e-7 it goes on as a line. In
        `keras.losses.Tversky` (3.15 and before) `alpha`, said to be the price of false positives,
        is that of false negatives, and `beta` the other way round; and it returns one number for
        the whole batch, wrong by the number of replicas under `MirroredStrategy`.

    Example:
        >>> arguments = dict(fp_weight=0.25, fn_weight=0.75, exponent=1.0)
        >>> missed = focal_tversky([[1, 1]], [[[1.0], [0.0]]], **arguments)
        >>> invented = focal_tversky([[1, 0]], [[[1.0], [1.0]]], **arguments)
        >>> round(float(missed[0]), 4), round(float(invented[0]), 4)  # 0.75 / 2.75, 0.25 / 2.25
        (0.2727, 0.1111)

    References:
        Salehi et al., arXiv:1706.05721 (Tversky); Abraham and Khan, arXiv:1810.07842, equation 4.
    """
    _check_tversky(fp_weight, fn_weight, exponent, smooth)
    y_pred = floats(y_pred)
    targets, valid = masks_of(y_true, y_pred, ignore_class)
    tp, fp, fn = overlap(targets, probabilities(y_pred, from_logits), valid)
    wrong = fp_weight * fp + fn_weight * fn
    return ops.mean(_power(wrong / (tp + wrong + smooth), exponent), axis=-1)


@register
class FocalTversky(PerExampleLoss):
    """Focal Tversky loss, one value per image; see `focal_tversky`.

    Use it instead of `keras.losses.Tversky`, whose weights are swapped and whose single number is
    wrong under `MirroredStrategy`.

    Example:
        >>> loss = FocalTversky(fp_weight=0.25, fn_weight=0.75, exponent=1.0)
        >>> round(float(loss([[1, 1]], [[[1.0], [0.0]]])), 4)
        0.2727
    """

    def __init__(
        self,
        fp_weight=0.5,
        fn_weight=0.5,
        exponent=0.75,
        smooth=1.0,
        ignore_class=None,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="focal_tversky",
        dtype=None,
    ):
        _check_tversky(fp_weight, fn_weight, exponent, smooth)
        super().__init__(
            focal_tversky,
            reduction,
            name,
            dtype,
            fp_weight=fp_weight,
            fn_weight=fn_weight,
            exponent=exponent,
            smooth=smooth,
            ignore_class=ignore_class,
            from_logits=from_logits,
        )


def lovasz_softmax(y_true, y_pred, classes="present", ignore_class=None, from_logits=False):
    """Compute the Lovász softmax: a convex stand-in for 1 - intersection over union.

    ```
    loss = mean_c(sum_k e_(k) * (J_k - J_(k-1)))
    ```

    where e_(1) >= e_(2) >= ... are the sorted errors |t - p| of the pixels for class c, J_0 = 0,
    and J_k is 1 - intersection over union of the class if exactly the k worst pixels are wrong.
    For predictions of 0 and 1 it is 1 - intersection over union itself.

    Args:
        y_true: integer labels, 0 to C - 1.
        y_pred: probabilities or logits of C classes; one channel counts as two classes, with the
            probabilities 1 - p and p.
        classes: "present": average over the classes that the image has; "all": over all. Defaults
            to "present".
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel). Defaults to
            False.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per image, `(batch,)`, in [0, 1]. With "all", a class that is absent costs its
        largest probability anywhere in the image; with "present" it costs nothing by itself. An
        image in which everything is ignored costs 0 and has no gradient.

    Raises:
        ValueError: if `classes` is neither, or for one-hot labels.

    Numerics:
        Absent classes and ignored pixels are masked, not left out, so that shapes are static.
        Errors that are exactly equal are sorted by position.

    Example:
        >>> values = lovasz_softmax([[0, 1]], [[[0.5, 0.5], [0.5, 0.5]]])
        >>> float(values[0])
        0.5

    References:
        Berman et al., "The Lovász-Softmax loss", arXiv:1705.08790, equations 9 and 11.
    """
    _check_classes(classes)
    y_pred = floats(y_pred)
    p = probabilities(y_pred, from_logits)
    if p.shape[-1] == 1:
        p = ops.concatenate([1 - p, p], axis=-1)
    is_label, valid = class_of(y_true, p, -1, ignore_class)
    errors = flat(ops.where(known(is_label), ops.where(is_label, 1 - p, p), float("nan")))
    t = flat(ops.cast(is_label, p.dtype))
    if valid is not None:
        valid = flat(ops.cast(valid[..., None], p.dtype))
        t, errors = t * valid, errors * valid + (valid - 1)  # ignored pixels come last ...
    order = ops.argsort(-errors, axis=1)
    errors = ops.relu(ops.take_along_axis(errors, order, axis=1))  # ... and are no errors
    t_sorted = ops.take_along_axis(t, order, axis=1)
    found = ops.sum(t, axis=1, keepdims=True)
    intersection = found - ops.cumsum(t_sorted, axis=1)
    union = found + ops.cumsum(1 - t_sorted, axis=1)
    # J_k - J_(k-1), written out for a pixel of the class and for another one: no cancellation.
    of_another = ops.where(union > 1, intersection, 1.0) / (union * ops.maximum(union - 1, 1))
    steps = ops.where(t_sorted > 0, 1 / union, of_another)
    by_class = ops.sum(errors * steps, axis=1)
    if classes == "all":
        return ops.mean(by_class, axis=-1)
    present = ops.cast(found[:, 0] > 0, p.dtype)
    return ops.sum(by_class * present, axis=-1) / ops.maximum(ops.sum(present, axis=-1), 1)


@register
class LovaszSoftmax(PerExampleLoss):
    """Lovász softmax, one value per image; see `lovasz_softmax`.

    Example:
        >>> float(LovaszSoftmax()([[0, 1]], [[[0.5, 0.5], [0.5, 0.5]]]))
        0.5
    """

    def __init__(
        self,
        classes="present",
        ignore_class=None,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="lovasz_softmax",
        dtype=None,
    ):
        _check_classes(classes)
        super().__init__(
            lovasz_softmax,
            reduction,
            name,
            dtype,
            classes=classes,
            ignore_class=ignore_class,
            from_logits=from_logits,
        )


def _power(x, exponent, edge=1e-7):
    """Return x ** exponent for x >= 0, with a finite slope at 0."""
    return ops.where(
        x > edge, ops.power(ops.maximum(x, edge), exponent), x * edge ** (exponent - 1)
    )


def _check_dice(ce_weight, smooth, per_class):
    holds = is_number(ce_weight) and 0 <= ce_weight <= 1
    require(holds, "`ce_weight` must be in [0, 1].", ce_weight=ce_weight)
    require(isinstance(per_class, bool), "`per_class` must be True or False.", per_class=per_class)
    _check_smooth(smooth)


def _check_tversky(fp_weight, fn_weight, exponent, smooth):
    holds = is_number(fp_weight) and is_number(fn_weight) and min(fp_weight, fn_weight) >= 0
    require(
        holds and fp_weight + fn_weight > 0,
        "`fp_weight` and `fn_weight` must be >= 0, and not both 0.",
        fp_weight=fp_weight,
        fn_weight=fn_weight,
    )
    holds = is_number(exponent) and exponent > 0
    require(holds, "`exponent` must be > 0.", exponent=exponent)
    _check_smooth(smooth)


def _check_smooth(smooth):
    require(
        is_number(smooth) and smooth > 0,
        "`smooth` must be > 0: it decides what an empty mask costs.",
        smooth=smooth,
    )


def _check_classes(classes):
    rule = '`classes` must be "present" or "all".'
    require(classes in ("present", "all"), rule, classes=classes)
