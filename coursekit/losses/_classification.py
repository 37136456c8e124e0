"""Crossentropies of one class out of several: focal, and with smoothed labels.

```python
model.compile("adam", losses.SparseCategoricalFocalCrossentropy(from_logits=True))
```
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from coursekit._checks import number, require
from coursekit.losses import _arguments
from coursekit.losses._base import (
    HIDDEN,
    PerExampleLoss,
    Tensor,
    floats,
    loss_function,
    register,
    seen,
    shape_of,
    sizes_fit,
    tensor,
    times,
)
from coursekit.losses._labels import (
    axis_of,
    by_class,
    crossentropy,
    labels_of,
    like,
    log_probabilities,
    smoothed,
    weight_of_label,
)

# A probability that no loss can tell from 0, and whose powers have finite slopes.
LEAST = 1e-37


@loss_function
def sparse_categorical_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
):
    """Compute the focal crossentropy of integer labels: easy examples count less.

    ```
    loss = -alpha[y] * (1 - p_y) ** gamma * log(p_y)
    ```

    with p_y the probability of the true class y. Of soft labels q, such as those of mixup, it is
    the sum over the classes c of `q_c` times this with c for y.

    Args:
        y_true: integer labels, 0 to C - 1; or soft labels, rows that add up to 1.
        y_pred: probabilities, or logits with `from_logits=True`, of C >= 2 classes.
        alpha: a weight >= 0, or a list of C weights, one for each class. Defaults to 0.25.
        gamma: focusing parameter >= 0. With 0 (and alpha 1) this is crossentropy. Defaults to 2.
        from_logits: whether `y_pred` holds logits. Defaults to False.
        ignore_class: labels of this value count for nothing, such as -1 or 255. Defaults to None.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`; soft labels have the
        shape of y_pred.

    Returns:
        One value per label, `(batch, ...)`, 0 where ignored. The class averages over the labels
        that count, as Keras's `SparseCategoricalCrossentropy` does. A label that is no class gives
        NaN, and so does a row of soft labels that does not add up to 1.

    Raises:
        ValueError: for arguments out of range, weights that are not as many as classes, or labels
            whose sizes are not those of `y_pred`.

    Numerics:
        `1 - p_y` is `-expm1(log(p_y))`; of soft labels its logarithm is `log1p(-p)`, and of the
        likeliest class the logsumexp of the others: none of them cancels. Where alpha, gamma or a
        share of the label is 0, the term is left out, also if it is infinite (a class that is
        masked by a logit of minus infinity). Keras's `CategoricalFocalCrossentropy` clips p at
        1e-7: from a logit gap of 17 on its gradient is exactly 0, and a confident wrong answer is
        never corrected; its `BinaryFocalCrossentropy` has NaN gradients for gamma < 1. Neither
        happens here with `from_logits=True`; probabilities are clipped as in Keras.

    Example:
        >>> from keras import ops
        >>> values = sparse_categorical_focal_crossentropy([0], [[0.5, 0.5]], alpha=1.0)
        >>> round(float(values[0]), 4)  # 0.5 ** 2 * log(2)
        0.1733

    References:
        Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002, equation 5.
    """
    alpha, gamma, from_logits, ignore_class, axis = _focal(
        alpha, gamma, from_logits, ignore_class, axis
    ).values()
    y_pred = floats(y_pred)
    given = shape_of("y_true", y_true)
    if len(given) == len(y_pred.shape) and given[axis_of(y_pred, axis)] not in (1, None):
        axis = axis_of(y_pred, axis)
        shares, fits = _soft(y_true, y_pred, axis, ignore_class)
        if isinstance(alpha, list):
            alpha = by_class("alpha", alpha, y_pred, axis)
        log_p, shares = log_probabilities(y_pred, from_logits, axis), shares * alpha
        costs = -ops.where(ops.equal(shares, 0), 0.0, log_p)
        if gamma > 0:
            costs = ops.exp(gamma * _log_others(log_p, from_logits, axis)) * costs
        values = ops.sum(times(shares, costs), axis=axis)
        return ops.where(ops.squeeze(fits, axis), values, float("nan"))
    labels = labels_of(y_true, y_pred, axis, ignore_class)
    weights, costs = weight_of_label("alpha", alpha, labels), crossentropy(labels, from_logits)
    if alpha == 0 or (isinstance(alpha, list) and 0 in alpha):
        costs = ops.where(ops.equal(weights, 0), 0.0, costs)
    if gamma > 0:
        others = ops.maximum(-ops.expm1(-costs), LEAST if from_logits else keras.config.epsilon())
        costs = ops.power(others, gamma) * costs
    return labels.counted(weights * costs)


def _soft(y_true, y_pred, axis, ignore_class):
    """Return soft labels, and where they are a distribution."""
    require(
        ignore_class is None,
        "`ignore_class` is a label, and soft labels are none.",
        "Give such rows the sample weight 0",
        ignore_class=ignore_class,
    )
    shares = ops.cast(tensor("y_true", y_true), y_pred.dtype)
    given, shape = tuple(shares.shape), tuple(y_pred.shape)
    rule = "Soft labels must have the shape of `y_pred`, and integer labels one axis less."
    require(sizes_fit(given, shape), rule, y_true=given, y_pred=shape)
    shares = like(shares, shape, lambda: ops.shape(y_pred))
    total = ops.sum(shares, axis=axis, keepdims=True)
    fits = (ops.abs(total - 1) < 1e-3) & ops.all(shares >= 0, axis=axis, keepdims=True)
    there = seen(fits)
    require(
        there is None or bool(there.all()),
        "Soft labels must be at least 0 and add up to 1 over the classes.",
        rows_that_do_not=None if there is None else int((~there).sum()),
        y_true=tuple(shares.shape),
    )
    return shares, fits


def _log_others(log_p, from_logits, axis):
    """Return log(1 - p) of each class."""
    if not from_logits:
        return ops.log(ops.maximum(1 - ops.exp(log_p), keras.config.epsilon()))
    classes = ops.shape(log_p)[axis]
    top = ops.expand_dims(ops.argmax(log_p, axis=axis), axis)
    shape = [-1 if i == axis else 1 for i in range(len(log_p.shape))]
    is_top = ops.equal(ops.reshape(ops.arange(classes, dtype=top.dtype), shape), top)
    others = ops.logsumexp(ops.where(is_top, HIDDEN, log_p), axis=axis, keepdims=True)
    p = ops.exp(ops.where(is_top, HIDDEN, log_p))  # at most 1 / 2
    return ops.where(is_top, others, ops.log1p(-p))


@register
class SparseCategoricalFocalCrossentropy(PerExampleLoss):
    """Focal crossentropy of integer labels; see `sparse_categorical_focal_crossentropy`.

    It has the signature of the loss proposed for Keras under this name. Against the clipped
    gradients of Keras's `CategoricalFocalCrossentropy`: use `from_logits=True`.

    Example:
        >>> loss = SparseCategoricalFocalCrossentropy(alpha=1.0, gamma=2.0)
        >>> round(float(loss([0], [[0.5, 0.5]])), 4)
        0.1733
    """

    def __init__(
        self,
        *,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "sparse_categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        arguments = _focal(alpha, gamma, from_logits, ignore_class, axis)
        super().__init__(sparse_categorical_focal_crossentropy, arguments, reduction, name, dtype)


def _focal(alpha, gamma, from_logits, ignore_class, axis) -> dict[str, Any]:
    return {
        "alpha": _arguments.weights("alpha", alpha, one_for_all=True),
        "gamma": number("gamma", gamma, least=0),
        **_arguments.common(from_logits=from_logits, ignore_class=ignore_class, axis=axis),
    }


@loss_function
def label_smoothed_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    label_smoothing: float = 0.1,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
):
    """Compute the crossentropy of integer labels that are trusted a little less than fully.

    ```
    loss = -sum_c q_c * log(p_c)    q_c = (1 - s) * [c == y] + s / C
    ```

    Keras has label smoothing for one-hot labels only; this is its `sparse_categorical_crossentropy`
    with one argument more.

    Args:
        y_true: integer labels, 0 to C - 1.
        y_pred: probabilities, or logits with `from_logits=True`.
        label_smoothing: s, from 0 (none) to 1 (every class alike). Defaults to 0.1.
        from_logits: whether `y_pred` holds logits. Defaults to False.
        ignore_class: labels of this value count for nothing. Defaults to None.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`, 0 where ignored. The class averages over the labels
        that count. A label that is no class gives NaN.

    Raises:
        ValueError: if `label_smoothing` is not in [0, 1], or the sizes of labels are not those of
            `y_pred`.

    Numerics:
        With logits, the backend's crossentropy of logits; probabilities are clipped at 1e-7 as in
        Keras. Without smoothing the other classes are left out: a logit of minus infinity masks
        one.

    Example:
        >>> values = label_smoothed_crossentropy([0], [[0.8, 0.2]], label_smoothing=0.2)
        >>> round(float(values[0]), 4)  # -0.9 * log(0.8) - 0.1 * log(0.2)
        0.3618

    References:
        Szegedy et al., "Rethinking the Inception Architecture", arXiv:1512.00567, section 7.
    """
    label_smoothing, from_logits, ignore_class, axis = _smoothed(
        label_smoothing, from_logits, ignore_class, axis
    ).values()
    labels = labels_of(y_true, floats(y_pred), axis, ignore_class)
    return labels.counted(smoothed(labels, label_smoothing, from_logits))


@register
class LabelSmoothedCrossentropy(PerExampleLoss):
    """Crossentropy of smoothed integer labels; see `label_smoothed_crossentropy`.

    Example:
        >>> loss = LabelSmoothedCrossentropy(label_smoothing=0.2)
        >>> round(float(loss([0], [[0.8, 0.2]])), 4)
        0.3618
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.1,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "label_smoothed_crossentropy",
        dtype: Any = None,
    ):
        arguments = _smoothed(label_smoothing, from_logits, ignore_class, axis)
        super().__init__(label_smoothed_crossentropy, arguments, reduction, name, dtype)


def _smoothed(label_smoothing, from_logits, ignore_class, axis) -> dict[str, Any]:
    return {
        "label_smoothing": number("label_smoothing", label_smoothing, least=0, most=1),
        **_arguments.common(from_logits=from_logits, ignore_class=ignore_class, axis=axis),
    }
