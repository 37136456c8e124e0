"""Losses for embeddings: near to what belongs together, far from the rest.

    distance = losses.euclidean_distance(left, right)
    loss = losses.PairContrastive(margin=1.0)(similar, distance)

Triplets are in `triplet.py`.
"""

from keras import ops

from coursekit._checks import is_number, require
from coursekit.losses._base import HIDDEN, PerExampleLoss, floats, register
from coursekit.losses._pairs import (
    mean_of,
    pairs,
    rank_is,
    root,
    unit,
)

__all__ = [
    "InfoNCE",
    "PairContrastive",
    "SupervisedContrastive",
    "euclidean_distance",
    "info_nce",
    "pair_contrastive",
    "supervised_contrastive",
]


def euclidean_distance(a, b):
    """Compute the Euclidean distance of each pair, with a gradient that is finite at distance 0.

    ```
    d = sqrt(sum_i (a_i - b_i) ** 2)
    ```

    Args:
        a: embeddings.
        b: embeddings to compare with, row by row.

    Shapes:
        a, b `(batch, ..., features)`, alike; returns `(batch, ...)`.

    Numerics:
        `keras.ops.norm` has a NaN gradient at 0, where a siamese network with equal inputs starts;
        here it is 0.

    Example:
        >>> float(euclidean_distance([[0.0, 0.0]], [[3.0, 4.0]])[0])
        5.0
    """
    return root(ops.sum(ops.square(floats(a) - floats(b)), axis=-1))


def pair_contrastive(y_true, y_pred, margin=1.0):
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
        One value per pair, `(batch,)`.

    Raises:
        ValueError: if `margin` is not > 0, or `y_pred` is not one distance per pair.

    Numerics:
        The gradient of a square root is infinite at distance 0: `euclidean_distance` has the cure.

    Example:
        >>> [round(float(v), 2) for v in pair_contrastive([1, 0, 0], [0.3, 0.3, 2.0])]
        [0.09, 0.49, 0.0]

    References:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR
        2006, equation 4.
    """
    _check_pair(margin)
    distances = floats(y_pred)
    shape = tuple(distances.shape)
    require(
        len(shape) == 1 or (len(shape) == 2 and shape[1] == 1),
        "`y_pred` must have one distance for each pair, shape (batch,) or (batch, 1).",
        "From embeddings: coursekit.losses.euclidean_distance(a, b)",
        shape=shape,
    )
    distances = ops.reshape(distances, (-1,))
    similar = ops.reshape(ops.convert_to_tensor(y_true), ops.shape(distances))
    similar = ops.cast(similar, distances.dtype) > 0
    return ops.where(similar, ops.square(distances), ops.square(ops.relu(margin - distances)))


def _check_pair(margin):
    require(is_number(margin) and margin > 0, "`margin` must be a number > 0.", margin=margin)


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
        margin=1.0,
        reduction="sum_over_batch_size",
        name="pair_contrastive",
        dtype=None,
    ):
        _check_pair(margin)
        super().__init__(
            pair_contrastive, reduction=reduction, name=name, dtype=dtype, margin=margin
        )


def supervised_contrastive(y_true, y_pred, temperature=0.1, gather_replicas=False):
    """Compute the supervised contrastive loss: pick out your positives among all others.

    ```
    loss of i = mean over its positives p of -log(exp(s_ip) / sum over a != i of exp(s_ia))
    ```

    with s = cosine / temperature. With the number of the example as label and two augmented rows of
    each, this is the NT-Xent loss of SimCLR.

    Args:
        y_true: labels; two rows with the same label are each other's positives.
        y_pred: embeddings, of any length: they are normalized here.
        temperature: > 0. Defaults to 0.1.
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
        A log_softmax per anchor, in at least float32, its own row masked with a finite number. The
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
    _check_temperature(temperature)
    x = floats(y_pred)
    rank_is(x, 2, "(batch, features)")
    others, is_positive, is_negative = pairs(y_true, x, gather_replicas)
    logits = ops.matmul(unit(x) / temperature, ops.transpose(unit(others)))
    log_p = ops.log_softmax(ops.where(is_positive | is_negative, logits, HIDDEN), axis=1)
    return mean_of(-log_p, is_positive)


def _check_temperature(temperature):
    holds = is_number(temperature) and temperature > 0
    require(holds, "`temperature` must be a number > 0.", temperature=temperature)


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
        temperature=0.1,
        gather_replicas=False,
        reduction="sum_over_batch_size",
        name="supervised_contrastive",
        dtype=None,
    ):
        _check_temperature(temperature)
        super().__init__(
            supervised_contrastive,
            reduction=reduction,
            name=name,
            dtype=dtype,
            temperature=temperature,
            gather_replicas=gather_replicas,
        )


def info_nce(y_true, y_pred, temperature=0.07, symmetric=True, gather_replicas=False):
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
        temperature: > 0. Defaults to 0.07.
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
        A log_softmax per row, in at least float32, masked with a finite number.

    Example:
        >>> views = [[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> [round(float(v), 3) for v in info_nce([0, 1], views, temperature=1.0)]
        [0.313, 0.313]

    References:
        van den Oord et al., arXiv:1807.03748, equation 4; Radford et al., "CLIP", arXiv:2103.00020,
        figure 3.
    """
    _check_temperature(temperature)
    x = floats(y_pred)
    rank_is(x, 3, "(batch, 2, features): a query and a key")
    require(x.shape[1] == 2, "`y_pred` must hold a query and a key.", shape=tuple(x.shape))
    x = unit(x)
    others, is_alike, is_negative = pairs(y_true, x, gather_replicas)
    itself = ~(is_alike | is_negative)

    def picking(anchors, candidates):
        logits = ops.matmul(anchors / temperature, ops.transpose(candidates))
        log_p = ops.log_softmax(ops.where(is_alike, HIDDEN, logits), axis=1)
        return mean_of(-log_p, itself)

    losses = picking(x[:, 0], others[:, 1])
    return 0.5 * (losses + picking(x[:, 1], others[:, 0])) if symmetric else losses


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
        temperature=0.07,
        symmetric=True,
        gather_replicas=False,
        reduction="sum_over_batch_size",
        name="info_nce",
        dtype=None,
    ):
        _check_temperature(temperature)
        super().__init__(
            info_nce,
            reduction=reduction,
            name=name,
            dtype=dtype,
            temperature=temperature,
            symmetric=symmetric,
            gather_replicas=gather_replicas,
        )
