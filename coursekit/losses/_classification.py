"""Losses for one class out of several, with integer labels.

model.compile("adam", losses.SparseCategoricalFocalCrossentropy(from_logits=True))
"""

from math import expm1, log

from keras import ops

from coursekit._checks import is_number, require
from coursekit.losses._base import HIDDEN, PerExampleLoss, floats, is_numbers, register
from coursekit.losses._labels import (
    class_of,
    ignoring,
    log_probabilities,
    of_label,
    smoothed,
    weight_of_label,
)


def sparse_categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, ignore_class=None, axis=-1
):
    """Compute the focal crossentropy of integer labels: easy examples count less.

    ```
    loss = -alpha[y] * (1 - p_y) ** gamma * log(p_y)
    ```

    with p_y the probability of the true class y.

    Args:
        y_true: integer labels, 0 to C - 1.
        y_pred: probabilities, or logits with `from_logits=True`, of C >= 2 classes.
        alpha: a weight >= 0, or a list of C weights, one for each class. Defaults to 0.25.
        gamma: focusing parameter >= 0. With 0 (and alpha 1) this is crossentropy. Defaults to 2.
        from_logits: whether `y_pred` holds logits. Defaults to False.
        ignore_class: labels of this value count for nothing, such as -1 or 255. Defaults to None.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`, 0 where ignored. The class averages over the labels
        that count, as Keras's `SparseCategoricalCrossentropy` does. A label that is no class gives
        NaN.

    Raises:
        ValueError: for arguments out of range, or weights that are not as many as classes.

    Numerics:
        `log(1 - p_y)` is the difference of two logsumexps. Keras's `CategoricalFocalCrossentropy`
        clips p at 1e-7: from a logit gap of 17 on its gradient is exactly 0, and a confident wrong
        answer is never corrected; its `BinaryFocalCrossentropy` has NaN gradients for gamma < 1.
        Neither happens here with `from_logits=True`; probabilities are clipped as in Keras.

    Example:
        >>> from keras import ops
        >>> values = sparse_categorical_focal_crossentropy([0], [[0.5, 0.5]], alpha=1.0)
        >>> round(float(values[0]), 4)  # 0.5 ** 2 * log(2)
        0.1733

    References:
        Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002, equation 5.
    """
    _check_focal(alpha, gamma)
    y_pred = floats(y_pred)
    is_label, valid = class_of(y_true, y_pred, axis, ignore_class)
    log_p = log_probabilities(y_pred, from_logits, axis)
    log_true = of_label(log_p, is_label, axis)
    others = ops.where(is_label, ops.cast(HIDDEN, log_p.dtype), log_p)
    log_false = ops.logsumexp(others, axis=axis)  # the probabilities add up to 1
    values = -ops.exp(gamma * log_false) * log_true
    return ignoring(values * weight_of_label(alpha, is_label, axis, values.dtype), valid)


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
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        ignore_class=None,
        axis=-1,
        reduction="sum_over_batch_size",
        name="sparse_categorical_focal_crossentropy",
        dtype=None,
    ):
        alpha = _plain(alpha)
        _check_focal(alpha, gamma)
        super().__init__(
            sparse_categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


def label_smoothed_crossentropy(
    y_true, y_pred, label_smoothing=0.1, from_logits=False, ignore_class=None, axis=-1
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
        ValueError: if `label_smoothing` is not in [0, 1].

    Numerics:
        With logits, `log_softmax`; probabilities are clipped at 1e-7 as in Keras.

    Example:
        >>> values = label_smoothed_crossentropy([0], [[0.8, 0.2]], label_smoothing=0.2)
        >>> round(float(values[0]), 4)  # -0.9 * log(0.8) - 0.1 * log(0.2)
        0.3618

    References:
        Szegedy et al., "Rethinking the Inception Architecture", arXiv:1512.00567, section 7.
    """
    _check_smoothing(label_smoothing)
    y_pred = floats(y_pred)
    is_label, valid = class_of(y_true, y_pred, axis, ignore_class)
    log_p = log_probabilities(y_pred, from_logits, axis)
    return ignoring(smoothed(log_p, is_label, label_smoothing, axis), valid)


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
        label_smoothing=0.1,
        from_logits=False,
        ignore_class=None,
        axis=-1,
        reduction="sum_over_batch_size",
        name="label_smoothed_crossentropy",
        dtype=None,
    ):
        _check_smoothing(label_smoothing)
        super().__init__(
            label_smoothed_crossentropy,
            reduction,
            name,
            dtype,
            label_smoothing=label_smoothing,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


def class_balanced_crossentropy(
    y_true,
    y_pred,
    samples_per_class,
    beta=0.999,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Compute crossentropy in which rare classes weigh more, by their effective number of samples.

    ```
    loss = -w[y] * sum_c q_c * log(p_c)
    w[c] = C * v[c] / sum(v)    v[c] = (1 - beta) / (1 - beta ** n[c])
    ```

    with q as in `label_smoothed_crossentropy`.

    Args:
        y_true: integer labels, 0 to C - 1.
        y_pred: probabilities, or logits with `from_logits=True`.
        samples_per_class: n, how often each class occurs in the training data; at least 1.
        beta: in [0, 1). 0 weighs all classes alike; towards 1 the weight becomes 1 / n. Defaults to
            0.999.
        from_logits: whether `y_pred` holds logits. Defaults to False.
        label_smoothing: in [0, 1]. Defaults to 0.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`. A label that is no class gives NaN.

    Raises:
        ValueError: for arguments out of range, or counts that are not as many as classes.

    Numerics:
        `1 - beta ** n` cancels when beta is close to 1; it is computed as
        `-expm1(n * log(beta))`.

    Example:
        >>> values = class_balanced_crossentropy(
        ...     [0, 1], [[0.5, 0.5], [0.5, 0.5]], samples_per_class=[1, 2], beta=0.5
        ... )
        >>> [round(float(v), 4) for v in values]  # log(2) times 1.2 and 0.8
        [0.8318, 0.5545]

    References:
        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", arXiv:1901.05555,
        equation 12.
    """
    weights = _balanced_weights(samples_per_class, beta)
    _check_smoothing(label_smoothing)
    y_pred = floats(y_pred)
    is_label, _ = class_of(y_true, y_pred, axis)
    log_p = log_probabilities(y_pred, from_logits, axis)
    values = smoothed(log_p, is_label, label_smoothing, axis)
    return values * weight_of_label(weights, is_label, axis, values.dtype)


@register
class ClassBalancedCrossentropy(PerExampleLoss):
    """Crossentropy weighted by effective numbers; see `class_balanced_crossentropy`.

    The mean divides by the number of examples, not by the sum of their weights.

    Example:
        >>> loss = ClassBalancedCrossentropy(samples_per_class=[1, 2], beta=0.5)
        >>> round(float(loss([0, 1], [[0.5, 0.5], [0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(
        self,
        samples_per_class,
        beta=0.999,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="class_balanced_crossentropy",
        dtype=None,
    ):
        samples_per_class = _plain(samples_per_class)
        _balanced_weights(samples_per_class, beta)
        _check_smoothing(label_smoothing)
        super().__init__(
            class_balanced_crossentropy,
            reduction,
            name,
            dtype,
            samples_per_class=samples_per_class,
            beta=beta,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


def crammer_singer_hinge(y_true, y_pred, margin=1.0, axis=-1):
    """Compute the multiclass hinge: the true class must beat the best of the others by a margin.

    ```
    loss = max(0, margin + max_{c != y} z_c - z_y)
    ```

    Keras's `CategoricalHinge` is this with one-hot labels, a margin of 1 and scores that are at
    least 0: it takes the best of the others as no lower than 0.

    Args:
        y_true: integer labels, 0 to C - 1.
        y_pred: scores z of C >= 2 classes, of any size; no softmax.
        margin: > 0. Defaults to 1.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`. A label that is no class gives NaN.

    Raises:
        ValueError: if `margin` is not positive.

    Numerics:
        Where two of the others are equally good, the backend decides how they share the gradient.

    Example:
        >>> values = crammer_singer_hinge([0, 0], [[2.0, 1.5, -1.0], [3.0, 1.0, 0.0]])
        >>> [float(v) for v in values]
        [0.5, 0.0]

    References:
        Crammer and Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector
        Machines", JMLR 2 (2001), equation 3.
    """
    _check_margin(margin)
    y_pred = floats(y_pred)
    is_label, _ = class_of(y_true, y_pred, axis)
    others = ops.where(is_label, ops.cast(HIDDEN, y_pred.dtype), y_pred)
    others = ops.max(others, axis=axis, initial=HIDDEN)  # without it, no batch of no rows
    return ops.relu(margin + others - of_label(y_pred, is_label, axis))


@register
class CrammerSingerHinge(PerExampleLoss):
    """Multiclass hinge loss; see `crammer_singer_hinge`.

    Example:
        >>> round(float(CrammerSingerHinge()([0], [[2.0, 1.5, -1.0]])), 4)
        0.5
    """

    def __init__(
        self,
        margin=1.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="crammer_singer_hinge",
        dtype=None,
    ):
        _check_margin(margin)
        super().__init__(crammer_singer_hinge, reduction, name, dtype, margin=margin, axis=axis)


def _balanced_weights(samples_per_class, beta) -> list[float]:
    counts = _plain(samples_per_class)
    require(
        is_numbers(counts) and min(counts) >= 1,
        "`samples_per_class` must be a list of counts, each at least 1.",
        samples_per_class=samples_per_class,
    )
    rule = "`beta` must be in [0, 1)."
    require(is_number(beta) and 0 <= beta < 1, rule, beta=beta)
    if beta == 0:
        return [1.0] * len(counts)
    raw = [(1 - beta) / -expm1(n * log(beta)) for n in counts]
    return [len(raw) * v / sum(raw) for v in raw]


def _plain(values):
    return values.tolist() if hasattr(values, "tolist") else values


def _check_focal(alpha, gamma):
    scalar = is_number(alpha) and alpha >= 0
    rule = "`alpha` must be a weight >= 0 or a list of them, one for each class."
    require(scalar or (is_numbers(alpha) and min(alpha) >= 0), rule, alpha=alpha)
    require(is_number(gamma) and gamma >= 0, "`gamma` must be >= 0.", gamma=gamma)


def _check_smoothing(label_smoothing):
    holds = is_number(label_smoothing) and 0 <= label_smoothing <= 1
    require(holds, "`label_smoothing` must be in [0, 1].", label_smoothing=label_smoothing)


def _check_margin(margin):
    require(is_number(margin) and margin > 0, "`margin` must be > 0.", margin=margin)
