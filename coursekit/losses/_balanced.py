"""Crossentropy weighted by how often classes occur, and the multiclass hinge.

```python
model.compile("adam", losses.ClassBalancedCrossentropy([900, 90, 10], from_logits=True))
```
"""

from collections.abc import Sequence
from math import expm1, log
from typing import Any

from keras import ops

from coursekit._checks import is_int, is_number, number, require
from coursekit.losses import _arguments
from coursekit.losses._base import HIDDEN, PerExampleLoss, Tensor, floats, loss_function, register
from coursekit.losses._labels import (
    labels_of,
    of_label,
    smoothed,
    weight_of_label,
)


@loss_function
def class_balanced_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    samples_per_class: Sequence[float],
    *,
    beta: float = 0.999,
    label_smoothing: float = 0.0,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
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
        label_smoothing: in [0, 1]. Defaults to 0.
        from_logits: whether `y_pred` holds logits. Defaults to False.
        ignore_class: labels of this value count for nothing. Defaults to None.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`, 0 where ignored. The class averages over the labels
        that count. A label that is no class gives NaN.

    Raises:
        ValueError: for arguments out of range, counts that are not as many as classes, or labels
            whose sizes are not those of `y_pred`.

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
    samples_per_class, beta, label_smoothing, from_logits, ignore_class, axis = _balanced(
        samples_per_class, beta, label_smoothing, from_logits, ignore_class, axis
    ).values()
    labels = labels_of(y_true, floats(y_pred), axis, ignore_class)
    weights = weight_of_label("samples_per_class", _weights(samples_per_class, beta), labels)
    return labels.counted(smoothed(labels, label_smoothing, from_logits) * weights)


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
        samples_per_class: Sequence[float],
        *,
        beta: float = 0.999,
        label_smoothing: float = 0.0,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "class_balanced_crossentropy",
        dtype: Any = None,
    ):
        arguments = _balanced(
            samples_per_class, beta, label_smoothing, from_logits, ignore_class, axis
        )
        super().__init__(class_balanced_crossentropy, arguments, reduction, name, dtype)


def _balanced(samples_per_class, beta, label_smoothing, from_logits, ignore_class, axis):
    counts = samples_per_class
    counts = counts.tolist() if hasattr(counts, "tolist") else counts
    holds = isinstance(counts, Sequence) and not isinstance(counts, str) and len(counts) > 0
    require(
        holds and all(is_number(n) and n >= 1 for n in counts),
        "`samples_per_class` must be a list of counts, each at least 1.",
        samples_per_class=samples_per_class,
    )
    return {
        "samples_per_class": [n if is_int(n) else float(n) for n in counts],
        "beta": number("beta", beta, least=0, below=1),
        "label_smoothing": number("label_smoothing", label_smoothing, least=0, most=1),
        **_arguments.common(from_logits=from_logits, ignore_class=ignore_class, axis=axis),
    }


def _weights(counts, beta) -> list[float]:
    if beta == 0:
        return [1.0] * len(counts)
    raw = [(1 - beta) / -expm1(n * log(beta)) for n in counts]
    return [len(raw) * v / sum(raw) for v in raw]


@loss_function
def crammer_singer_hinge(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    margin: float = 1.0,
    ignore_class: int | None = None,
    axis: int = -1,
):
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
        ignore_class: labels of this value count for nothing. Defaults to None.
        axis: the axis of the classes. Defaults to -1.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`.

    Returns:
        One value per label, `(batch, ...)`, 0 where ignored. The class averages over the labels
        that count. A label that is no class gives NaN.

    Raises:
        ValueError: if `margin` is not positive, or the sizes of labels are not those of `y_pred`.

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
    margin, ignore_class, axis = _hinge(margin, ignore_class, axis).values()
    labels = labels_of(y_true, floats(y_pred), axis, ignore_class)
    y_pred, axis = labels.y_pred, labels.axis
    others = ops.where(labels.one_hot(), ops.cast(HIDDEN, y_pred.dtype), y_pred)
    others = ops.max(others, axis=axis, initial=HIDDEN)  # without it, no batch of no rows
    return labels.counted(ops.relu(margin + others - of_label(y_pred, labels)))


@register
class CrammerSingerHinge(PerExampleLoss):
    """Multiclass hinge loss; see `crammer_singer_hinge`.

    Example:
        >>> round(float(CrammerSingerHinge()([0], [[2.0, 1.5, -1.0]])), 4)
        0.5
    """

    def __init__(
        self,
        *,
        margin: float = 1.0,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "crammer_singer_hinge",
        dtype: Any = None,
    ):
        arguments = _hinge(margin, ignore_class, axis)
        super().__init__(crammer_singer_hinge, arguments, reduction, name, dtype)


def _hinge(margin, ignore_class, axis) -> dict[str, Any]:
    margin = number("margin", margin, above=0)
    return {"margin": margin, **_arguments.common(ignore_class=ignore_class, axis=axis)}
