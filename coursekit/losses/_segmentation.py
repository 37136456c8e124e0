"""Losses for masks: how well a predicted region covers the true one, image by image.

```python
model.compile("adam", losses.CrossentropyDice(from_logits=True))
```

All of them take the same data and return one value per image. What images without a class cost is
part of each definition; see the functions. The third one, Lovász, is in `_lovasz.py`.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from coursekit._checks import number, require
from coursekit.losses import _arguments
from coursekit.losses._base import Tensor, floats, loss_function, register
from coursekit.losses._masks import (
    ImageLoss,
    masks_of,
    mean_crossentropy,
    over_classes,
    overlap,
    probabilities,
)


@loss_function
def crossentropy_dice(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    ce_weight: float = 0.5,
    smooth: float = 1.0,
    per_class: bool = True,
    class_weights: Sequence[float] | None = None,
    multilabel: bool = False,
    from_logits: bool = False,
    ignore_class: int | None = None,
):
    """Compute crossentropy, which is right about each pixel, plus Dice, right about each region.

    ```
    loss = ce_weight * mean_i(-log p[i, y_i]) + (1 - ce_weight) * mean_c(dice_c)
    dice_c = 1 - (2 * TP_c + smooth) / (2 * TP_c + FP_c + FN_c + smooth)
    ```

    with TP, FP and FN summed over the pixels of one image: TP = sum p * t, FP = sum p * (1 - t),
    FN = sum (1 - p) * t.

    Args:
        y_true: integer labels, 0 to C - 1; for one channel, and with `multilabel`, 0 and 1
            (or a degree between them).
        y_pred: probabilities or logits of C classes; with one channel, of the foreground.
        ce_weight: share of the crossentropy, in [0, 1]; 0 leaves Dice alone. Defaults to 0.5.
        smooth: > 0, in pixels. Defaults to 1.
        per_class: average the Dice of the classes; if False, sum TP, FP and FN over the classes
            first, so that large classes rule. Defaults to True.
        class_weights: C weights >= 0 in the mean over the classes of Dice; only their ratios
            matter. 0 leaves a class out, such as the background. Defaults to None: all alike.
        multilabel: whether the channels are masks of their own, which may overlap: the loss is then
            the mean over the channels of what each would cost alone. Defaults to False: each pixel
            is of one class.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel and with
            `multilabel`). Defaults to False.
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`, and with `multilabel`
        the shape of y_pred.

    Returns:
        One value per image, `(batch,)`.

        A class that is absent from an image counts: its Dice is `1 - smooth / (FP + smooth)`, so it
        costs nothing where it is not predicted and up to 1 where it is. An empty mask with an empty
        prediction costs 0. An image in which everything is ignored costs 0 and has no gradient.

    Raises:
        ValueError: for arguments out of range, or labels whose sizes are not those of `y_pred`.

    Numerics:
        The crossentropy counts every pixel alike. A term whose share is 0 is left out, also if it
        is infinite: a logit of minus infinity masks a class. `1 - dice` is computed as `(FP + FN) /
        (...)`, without cancellation. Keras's `Dice` is one number for the whole batch, which is
        wrong by the number of replicas under `MirroredStrategy` and ignores which image a sample
        weight belongs to; and it gives an empty mask with an empty prediction the loss 1. Here
        neither happens.

    Example:
        >>> values = crossentropy_dice([[1, 0]], [[[0.5], [0.0]]], ce_weight=0.0)
        >>> round(float(values[0]), 4)  # TP 0.5, FP 0, FN 0.5: 1 - 2 / 2.5
        0.2

    References:
        Milletari et al., "V-Net", arXiv:1606.04797; Taghanaki et al., "Combo Loss",
        arXiv:1805.02798.
    """
    ce_weight, smooth, per_class, class_weights, multilabel, from_logits, ignore_class = _dice(
        ce_weight, smooth, per_class, class_weights, multilabel, from_logits, ignore_class
    ).values()
    masks = masks_of(y_true, floats(y_pred), ignore_class, multilabel)
    crossentropy = dice = 0.0
    if ce_weight > 0:
        crossentropy = ce_weight * mean_crossentropy(masks, from_logits)
    if ce_weight < 1:
        tp, wrong = overlap(masks, probabilities(masks, from_logits))
        if not per_class:
            tp, wrong = (over_classes(count, class_weights, ops.sum) for count in (tp, wrong))
        dice = wrong / (2 * tp + wrong + smooth)
        dice = (1 - ce_weight) * (over_classes(dice, class_weights) if per_class else dice)
    return masks.known(crossentropy + dice)


@register
class CrossentropyDice(ImageLoss):
    """Crossentropy plus Dice, one value per image; see `crossentropy_dice`.

    Use it instead of `keras.losses.Dice`, which is wrong under `MirroredStrategy`.

    Example:
        >>> loss = CrossentropyDice(ce_weight=0.0)
        >>> round(float(loss([[1, 0]], [[[0.5], [0.0]]])), 4)
        0.2
    """

    def __init__(
        self,
        *,
        ce_weight: float = 0.5,
        smooth: float = 1.0,
        per_class: bool = True,
        class_weights: Sequence[float] | None = None,
        multilabel: bool = False,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "crossentropy_dice",
        dtype: Any = None,
    ):
        arguments = _dice(
            ce_weight, smooth, per_class, class_weights, multilabel, from_logits, ignore_class
        )
        super().__init__(crossentropy_dice, arguments, reduction, name, dtype)


def _dice(ce_weight, smooth, per_class, class_weights, multilabel, from_logits, ignore_class):
    return {
        "ce_weight": number("ce_weight", ce_weight, least=0, most=1),
        "smooth": _smooth(smooth),
        **_arguments.common(per_class=per_class),
        "class_weights": _arguments.class_weights(class_weights),
        **_arguments.common(
            multilabel=multilabel, from_logits=from_logits, ignore_class=ignore_class
        ),
    }


@loss_function
def focal_tversky(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    fp_weight: float = 0.5,
    fn_weight: float = 0.5,
    exponent: float = 0.75,
    smooth: float = 1.0,
    class_weights: Sequence[float] | None = None,
    multilabel: bool = False,
    from_logits: bool = False,
    ignore_class: int | None = None,
):
    """Compute a Dice in which false positives and false negatives have prices of their own.

    ```
    loss = mean_c((1 - T_c) ** exponent)
    T_c = (TP_c + smooth) / (TP_c + fp_weight * FP_c + fn_weight * FN_c + smooth)
    ```

    with the counts of `crossentropy_dice`. An exponent below 1 keeps the gradient large where the
    overlap is nearly right.

    Args:
        y_true: integer labels, 0 to C - 1; for one channel, and with `multilabel`, 0 and 1
            (or a degree between them).
        y_pred: probabilities or logits of C classes; with one channel, of the foreground.
        fp_weight: price of a pixel predicted where there is none, >= 0. Defaults to 0.5.
        fn_weight: price of a missed pixel, >= 0; raise it for small lesions. Not both are 0.
            Defaults to 0.5, which with exponent 1 is Dice.
        exponent: > 0; 1 / gamma of the paper. Defaults to 0.75.
        smooth: > 0, in pixels. Defaults to 1.
        class_weights: C weights >= 0 in the mean over the classes; only their ratios
            matter. 0 leaves a class out, such as the background. Defaults to None: all alike.
        multilabel: whether the channels are masks of their own, which may overlap: the loss is then
            the mean over the channels of what each would cost alone. Defaults to False: each pixel
            is of one class.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel and with
            `multilabel`). Defaults to False.
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`, and with `multilabel`
        the shape of y_pred.

    Returns:
        One value per image, `(batch,)`. Absent classes, empty masks and ignored images: as in
        `crossentropy_dice` (a class neither there nor predicted costs 0).

    Raises:
        ValueError: for arguments out of range, or labels whose sizes are not those of `y_pred`.

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
    arguments = _tversky(
        fp_weight,
        fn_weight,
        exponent,
        smooth,
        class_weights,
        multilabel,
        from_logits,
        ignore_class,
    )
    fp_weight, fn_weight, exponent, smooth, class_weights, *_ = arguments.values()
    masks = masks_of(y_true, floats(y_pred), arguments["ignore_class"], arguments["multilabel"])
    p = probabilities(masks, arguments["from_logits"])
    tp, wrong = overlap(masks, p, fp_weight, fn_weight)
    cost = _power(wrong / (tp + wrong + smooth), exponent)
    return masks.known(over_classes(cost, class_weights))


@register
class FocalTversky(ImageLoss):
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
        *,
        fp_weight: float = 0.5,
        fn_weight: float = 0.5,
        exponent: float = 0.75,
        smooth: float = 1.0,
        class_weights: Sequence[float] | None = None,
        multilabel: bool = False,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "focal_tversky",
        dtype: Any = None,
    ):
        arguments = _tversky(
            fp_weight,
            fn_weight,
            exponent,
            smooth,
            class_weights,
            multilabel,
            from_logits,
            ignore_class,
        )
        super().__init__(focal_tversky, arguments, reduction, name, dtype)


def _tversky(
    fp_weight,
    fn_weight,
    exponent,
    smooth,
    class_weights,
    multilabel,
    from_logits,
    ignore_class,
) -> dict[str, Any]:
    fp_weight = number("fp_weight", fp_weight, least=0)
    fn_weight = number("fn_weight", fn_weight, least=0)
    rule = "`fp_weight` and `fn_weight` must not both be 0."
    require(fp_weight + fn_weight > 0, rule, fp_weight=fp_weight, fn_weight=fn_weight)
    return {
        "fp_weight": fp_weight,
        "fn_weight": fn_weight,
        "exponent": number("exponent", exponent, above=0),
        "smooth": _smooth(smooth),
        "class_weights": _arguments.class_weights(class_weights),
        **_arguments.common(
            multilabel=multilabel, from_logits=from_logits, ignore_class=ignore_class
        ),
    }


def _power(x, exponent, edge=1e-7):
    """Return x ** exponent for x >= 0, with a finite slope at 0."""
    return ops.where(
        x > edge, ops.power(ops.maximum(x, edge), exponent), x * edge ** (exponent - 1)
    )


def _smooth(smooth) -> float:
    return number("smooth", smooth, above=0, way_out="It decides what an empty mask costs")
