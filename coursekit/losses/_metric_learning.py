"""Losses for embeddings: near to what belongs together, far from the rest.

```python
distance = losses.euclidean_distance(left, right)
loss = losses.PairContrastive(margin=1.0)(similar, distance)
```

Triplets are in `_triplet.py`.
"""

from typing import Any

import numpy as np
from keras import ops

from coursekit._checks import number, refuse_masked, require
from coursekit.losses import _arguments
from coursekit.losses._base import (
    HIDDEN,
    PerExampleLoss,
    Tensor,
    alike,
    floats,
    loss_function,
    register,
    seen,
    sizes_fit,
    tensor,
)
from coursekit.losses._labels import module
from coursekit.losses._pairs import pairs, rank_is, root, unit

__all__ = [
    "InfoNCE",
    "PairContrastive",
    "SupervisedContrastive",
    "euclidean_distance",
    "info_nce",
    "pair_contrastive",
    "supervised_contrastive",
]


def euclidean_distance(a: Tensor, b: Tensor):
    """Compute the Euclidean distance of each pair, with a gradient that is finite at distance 0.

    ```
    d = sqrt(sum_i (a_i - b_i) ** 2)
    ```

    Args:
        a: embeddings.
        b: embeddings to compare with, row by row.

    Shapes:
        a, b `(batch, ..., features)`, alike; returns `(batch, ...)`.

    Raises:
        ValueError: if the sizes of a and b differ.

    Numerics:
        `keras.ops.norm` has a NaN gradient at 0, where a siamese network with equal inputs starts;
        here it is 0.

    Example:
        >>> float(euclidean_distance([[0.0, 0.0]], [[3.0, 4.0]])[0])
        5.0
    """
    a, b = alike(floats(a, "a"), floats(b, "b"))
    of_a, of_b = tuple(a.shape), tuple(b.shape)
    require(sizes_fit(of_a, of_b), "`a` and `b` must have the same shape.", a=of_a, b=of_b)
    return root(ops.sum(ops.square(a - b), axis=-1))


@loss_function
def pair_contrastive(y_true: Tensor, y_pred: Tensor, *, margin: float = 1.0):
    """Compute the contrastive loss of pairs from their distances.

    ```
    loss = d ** 2                   for a similar pair, y = 1
    loss = max(margin - d, 0) ** 2  for a dissimilar pair, y = 0
    ```

    Args:
        y_true: 1 (or True) for a similar pair, 0 (or False, or -1) for a dissimilar one. Hadsell
            et al. label the other way round, and halve the loss.
        y_pred: distances d >= 0, such as those of `euclidean_distance`; not embeddings.
        margin: > 0; dissimilar pairs farther apart than this cost nothing. Defaults to 1.

    Shapes:
        y_true and y_pred `(batch,)` or `(batch, 1)`.

    Returns:
        One value per pair, `(batch,)`. A label that is none of these gives NaN.

    Raises:
        ValueError: if `margin` is not > 0, `y_pred` is not one distance per pair, `y_true` has
            another number of rows, or a label is seen to be another one.

    Numerics:
        The gradient of a square root is infinite at distance 0: `euclidean_distance` has the cure.

    Example:
        >>> [round(float(v), 2) for v in pair_contrastive([1, 0, 0], [0.3, 0.3, 2.0])]
        [0.09, 0.49, 0.0]

    References:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR
        2006, equation 4.
    """
    margin = number("margin", margin, above=0)
    distances, similar = floats(y_pred), seen(y_true)
    if similar is None or similar.dtype.kind not in "biuf":
        similar = tensor("y_true", y_true)
    refuse_masked("y_true", y_true)
    shape, given = tuple(distances.shape), tuple(similar.shape)
    require(
        len(shape) == 1 or (len(shape) == 2 and shape[1] == 1),
        "`y_pred` must have one distance for each pair, shape (batch,) or (batch, 1).",
        "From embeddings: coursekit.losses.euclidean_distance(a, b)",
        shape=shape,
    )
    require(
        sizes_fit(given, shape[:1]) or sizes_fit(given, (*shape[:1], 1)),
        "`y_true` must have one label for each pair, shape (batch,) or (batch, 1).",
        y_true=given,
        y_pred=shape,
    )
    if len(shape) == 2:
        distances = ops.squeeze(distances, -1)
    if None in given + shape:
        similar = ops.reshape(similar, ops.shape(distances))
    xp = module(similar)
    if not isinstance(similar, np.ndarray):
        similar = ops.cast(similar, distances.dtype)
    similar = xp.reshape(similar, (-1,))
    known = xp.logical_or(xp.equal(xp.abs(similar), 1), xp.equal(similar, 0))
    if xp is np and not known.all():
        rule = "`y_true` must be 1 for a similar pair and 0 (or -1) for a dissimilar one."
        require(False, rule, label=float(similar[~known][0]))
    # d, or margin - d where that is above 0.
    is_similar = xp.greater(similar, 0)
    sign, start, least = (
        ops.convert_to_tensor(xp.where(is_similar, *either), dtype=distances.dtype)
        for either in ((1.0, -1.0), (0.0, margin), (-float("inf"), 0.0))
    )
    values = ops.square(ops.maximum(start + sign * distances, least))
    return values if xp is np else ops.where(known, values, float("nan"))


@register
class PairContrastive(PerExampleLoss):
    """Contrastive loss of pairs, from distances; see `pair_contrastive`.

    Example:
        >>> loss = PairContrastive(margin=1.0)
        >>> round(float(loss([1, 0], [0.3, 0.3])), 2)
        0.29
    """

    def __init__(
        self,
        *,
        margin: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "pair_contrastive",
        dtype: Any = None,
    ):
        arguments = {"margin": number("margin", margin, above=0)}
        super().__init__(pair_contrastive, arguments, reduction, name, dtype)


@loss_function
def supervised_contrastive(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    temperature: float | None = 0.1,
    gather_replicas: bool = False,
):
    """Compute the supervised contrastive loss: pick out your positives among all others.

    ```
    loss of i = mean over its positives p of -log(exp(s_ip) / sum over a != i of exp(s_ia))
    ```

    with s = cosine / temperature. With the number of the example as label and two augmented rows of
    each, this is the NT-Xent loss of SimCLR.

    Args:
        y_true: integer labels; two rows with the same label are each other's positives.
        y_pred: embeddings, of any length: they are normalized here.
        temperature: > 0; or None: `y_pred` is taken as it is, with s the scalar product, where a
            layer has normalized and scaled it (`LearnedTemperature`). Defaults to 0.1.
        gather_replicas: compare with the batches of all replicas, so that N replicas give what one
            device gives. Defaults to False.

    Shapes:
        y_true `(batch,)` or `(batch, 1)`; y_pred `(batch, features)`.

    Returns:
        One value per anchor, `(batch,)`. An anchor without a positive has loss 0, which counts in
        the mean over the batch.

    Raises:
        ValueError: if `temperature` is not > 0.

    Numerics:
        Crossentropy of logits, in at least float32, its own row masked with a finite number. The
        reference implementation of the paper divides by the number of positives, 0 / 0 without any.

    Example:
        >>> embeddings = [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]
        >>> values = supervised_contrastive([0, 0, 1], embeddings, temperature=1.0)
        >>> [round(float(v), 3) for v in values]  # log(1 + exp(-1)), and no positive
        [0.313, 0.313, 0.0]

    References:
        Khosla et al., "Supervised Contrastive Learning", arXiv:2004.11362, equation 2; Chen et al.,
        arXiv:2002.05709, equation 1.
    """
    temperature, gather_replicas = _supervised(temperature, gather_replicas).values()
    x = floats(y_pred)
    rank_is(x, 2, "(batch, features)")
    x = _scaled(x, temperature)
    compared = pairs(y_true, x, gather_replicas)
    logits = _without(compared.itself, ops.matmul(x, ops.transpose(compared.others)))
    is_positive = ops.cast(compared.positive(), logits.dtype)
    count = ops.sum(is_positive, axis=1, keepdims=True)
    shares = is_positive / ops.maximum(count, 1)
    values = _unless_empty(ops.categorical_crossentropy, shares, logits)
    return compared.unless_unknown(ops.where(count[:, 0] > 0, values, 0.0))


def _without(pairs, logits):
    """Return logits of which no softmax sees these pairs."""
    return logits + HIDDEN * ops.cast(pairs, logits.dtype)


def _unless_empty(crossentropy, labels, logits):
    """Return the crossentropy of each row; TensorFlow refuses a batch of no rows, so no columns."""

    def values():
        return crossentropy(labels, logits, from_logits=True)

    def none():
        return ops.sum(logits, axis=1)

    columns = ops.shape(logits)[1]
    if isinstance(columns, int):
        return values() if columns else none()
    return ops.cond(columns > 0, values, none)


@register
class SupervisedContrastive(PerExampleLoss):
    """Supervised contrastive loss, and SimCLR's; see `supervised_contrastive`.

    Example:
        >>> loss = SupervisedContrastive(temperature=1.0)
        >>> round(float(loss([0, 0, 1], [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])), 3)
        0.209
    """

    def __init__(
        self,
        *,
        temperature: float | None = 0.1,
        gather_replicas: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "supervised_contrastive",
        dtype: Any = None,
    ):
        arguments = _supervised(temperature, gather_replicas)
        super().__init__(supervised_contrastive, arguments, reduction, name, dtype)


def _supervised(temperature, gather_replicas) -> dict[str, Any]:
    temperature = _arguments.temperature(temperature)
    return {"temperature": temperature, **_arguments.common(gather_replicas=gather_replicas)}


def _scaled(x, temperature):
    """Return embeddings whose scalar products are cosine / temperature."""
    return x if temperature is None else unit(x, temperature**-0.5)


@loss_function
def info_nce(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    temperature: float | None = 0.07,
    symmetric: bool = True,
    gather_replicas: bool = False,
):
    """Compute the InfoNCE loss of pairs of views: pick out the other half of your pair.

    ```
    loss of i = -log(exp(s_ii) / (exp(s_ii) + sum over negatives j of exp(s_ij)))
    ```

    with s_ij = cosine of query i and key j / temperature.

    Args:
        y_true: an identity for each pair, such as the number of the item. A pair with another
            identity is a negative, one with the same identity is not. When all pairs are different:
            0, 1, 2, ... (never zeros: then nothing is a negative and the loss is 0).
        y_pred: a query and a key for each pair, of any length: they are normalized here. A model
            with two towers ends in `keras.ops.stack([query, key], axis=1)`.
        temperature: > 0; or None: `y_pred` is taken as it is, with s the scalar product, where a
            layer has normalized and scaled it (`LearnedTemperature`). Defaults to 0.07.
        symmetric: the mean of picking keys for queries and queries for keys, as in CLIP. Defaults
            to True.
        gather_replicas: find negatives in the batches of all replicas, so that N replicas give what
            one device gives. Defaults to False.

    Shapes:
        y_true `(batch,)` or `(batch, 1)`; y_pred `(batch, 2, features)`.

    Returns:
        One value per pair, `(batch,)`; 0 for a pair without negatives.

    Raises:
        ValueError: if `temperature` is not > 0, or `y_pred` has another shape.

    Numerics:
        Crossentropy of logits, in at least float32, masked with a finite number.

    Example:
        >>> views = [[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> [round(float(v), 3) for v in info_nce([0, 1], views, temperature=1.0)]
        [0.313, 0.313]

    References:
        van den Oord et al., arXiv:1807.03748, equation 4; Radford et al., "CLIP", arXiv:2103.00020,
        figure 3.
    """
    temperature, symmetric, gather_replicas = _info(
        temperature, symmetric, gather_replicas
    ).values()
    x = floats(y_pred)
    rank_is(x, 3, "(batch, 2, features): a query and a key")
    require(x.shape[1] == 2, "`y_pred` must hold a query and a key.", shape=tuple(x.shape))
    x = _scaled(x, temperature)
    compared = pairs(y_true, x, gather_replicas)
    others, is_positive = compared.others, compared.positive()

    def scores(half):
        logits = ops.matmul(x[:, half], ops.transpose(others[:, 1 - half]))
        return _without(is_positive, logits)

    def picking(logits):
        return _unless_empty(ops.sparse_categorical_crossentropy, compared.columns, logits)

    of_queries = scores(0)
    values = picking(of_queries)
    if symmetric:
        of_keys = ops.transpose(of_queries) if others is x else scores(1)
        values = 0.5 * (values + picking(of_keys))
    return compared.unless_unknown(values)


@register
class InfoNCE(PerExampleLoss):
    """InfoNCE loss of pairs of views; see `info_nce`.

    Example:
        >>> loss = InfoNCE(temperature=1.0)
        >>> round(float(loss([0, 1], [[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])), 3)
        0.313
    """

    def __init__(
        self,
        *,
        temperature: float | None = 0.07,
        symmetric: bool = True,
        gather_replicas: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "info_nce",
        dtype: Any = None,
    ):
        arguments = _info(temperature, symmetric, gather_replicas)
        super().__init__(info_nce, arguments, reduction, name, dtype)


def _info(temperature, symmetric, gather_replicas) -> dict[str, Any]:
    return {
        "temperature": _arguments.temperature(temperature),
        **_arguments.common(symmetric=symmetric, gather_replicas=gather_replicas),
    }
