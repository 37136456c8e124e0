"""Triplets of an anchor, a positive and a negative, mined in the batch.

```python
model.compile("adam", losses.TripletLoss(margin=0.2))
model.fit(images, labels, batch_size=256)
```

The model ends in `keras.layers.UnitNormalization()`.
"""

from typing import Any

from keras import ops

from coursekit._checks import number, one_of, require
from coursekit.losses import _arguments
from coursekit.losses._base import PerExampleLoss, Tensor, floats, loss_function, register
from coursekit.losses._pairs import (
    DISTANCES,
    FAR,
    distance_of,
    mean_of,
    pairs,
    rank_is,
    rows_of,
)

__all__ = ["TripletLoss", "triplet_loss"]


@loss_function
def triplet_loss(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    margin: float | None = 0.2,
    positives: str = "all",
    negatives: str = "semi_hard",
    distance: str = "squared",
    gather_replicas: bool = False,
):
    """Compute the triplet loss with the positives and negatives found in the batch.

    ```
    loss of an anchor a = mean over its triplets of max(d(a, p) - d(a, n) + margin, 0)
    ```

    Args:
        y_true: integer labels; two rows with the same label are each other's positives.
        y_pred: embeddings, usually of length 1 (`keras.layers.UnitNormalization`).
        margin: >= 0, or None for the soft margin `log(1 + exp(d(a, p) - d(a, n)))`. Defaults to
            0.2.
        positives: "all", or "hard": only the farthest. Defaults to "all".
        negatives: "semi_hard": the nearest that is farther than the positive, or the farthest if
            none is; "hard": the nearest; "all". Defaults to "semi_hard".
        distance: "squared" or "euclidean", of the embeddings as they are, or "cosine", 1 - cos,
            whatever their length. Defaults to "squared", as in FaceNet.
        gather_replicas: find positives and negatives in the batches of all replicas, so that N
            replicas give what one device gives. Defaults to False.

    Shapes:
        y_true `(batch,)` or `(batch, 1)`; y_pred `(batch, features)`.

    Returns:
        One value per anchor, `(batch,)`. An anchor without a positive, or without a negative, has
        no triplet and its loss is 0, which counts in the mean over the batch like any other:
        draw batches with at least two rows of each label.

    Raises:
        ValueError: for unknown choices, or `margin=None` with "all" and "all" (batch ** 3 triplets
            that no sorting can sum up).

    Numerics:
        Distances come from one matrix product, relative to the mean of the batch: embeddings far
        from the origin do not cancel. With "euclidean", a distance under 1e-3 of the embeddings'
        spread is rounding and counts as 0, with gradient 0; of a hardest row the distance is taken
        anew, from the difference. Of equally hard rows the first gets the gradient. Memory grows
        with batch ** 2: mining sorts each row instead of comparing all triplets.

    Example:
        >>> embeddings = [[0.0], [0.5], [0.6]]
        >>> [round(float(v), 2) for v in triplet_loss([0, 0, 1], embeddings)]
        [0.09, 0.44, 0.0]

    References:
        Schroff et al., "FaceNet", arXiv:1503.03832, equation 3 and section 3.2; Hermans et al.,
        "In Defense of the Triplet Loss", arXiv:1703.07737.
    """
    margin, positives, negatives, distance, gather_replicas = _triplet(
        margin, positives, negatives, distance, gather_replicas
    ).values()
    x = floats(y_pred)
    rank_is(x, 2, "(batch, features)")
    compared = pairs(y_true, x, gather_replicas)
    others, is_positive, is_negative = compared.others, compared.positive(), compared.negative()
    distances = DISTANCES[distance](x, others)
    if positives == "all" and negatives != "hard":
        sums = _semi_hard if negatives == "semi_hard" else _all_with_all
        losses, is_positive = sums(distances, is_positive, is_negative, margin)
        has_negative = ops.any(is_negative, axis=1, keepdims=True)
        return compared.unless_unknown(mean_of(losses, is_positive & has_negative))
    near, mined = distances, ops.stop_gradient(distances)
    if positives == "hard":
        farthest, row = _first(mined, is_positive)
        near = distance_of(distance, x[:, None], rows_of(others, row))
        is_positive = ops.not_equal(farthest, -FAR)
    if negatives == "all":
        losses = mean_of(_excess(near - distances, margin), is_negative)[:, None]
        has_negative = ops.any(is_negative, axis=1, keepdims=True)
    else:
        beyond = is_negative
        if negatives == "semi_hard":
            beyond = ops.logical_and(is_negative, mined > farthest)
        order, row = _first(-mined, beyond)
        if negatives == "semi_hard":
            there = ops.not_equal(order, -FAR)
            order, last = _first(mined, is_negative)
            row = ops.where(there, row, last)
        has_negative = ops.not_equal(order, -FAR)
        far = distance_of(distance, x[:, None], rows_of(others, row))
        losses = _excess(near - far, margin)
    return compared.unless_unknown(mean_of(losses, is_positive & has_negative))


def _first(order, chosen):
    """Return the largest chosen entry of each row, -FAR where none is, and its column.

    Only what has been picked is computed with a gradient: that of batch ** 2 distances, almost all
    of it 0, takes longer than they do. A batch of no rows has no column either.
    """
    columns = ops.shape(order)[1]
    one = min(1, columns) if isinstance(columns, int) else ops.minimum(1, columns)
    return ops.top_k(ops.where(chosen, order, -FAR), one)


def _excess(gap, margin):
    """Return what a triplet costs, from d(a, p) - d(a, n)."""
    return ops.softplus(gap) if margin is None else ops.relu(gap + margin)


def _semi_hard(distances, is_positive, is_negative, margin):
    """Return the losses of all positives with their semi-hard negatives, and which entries count.

    Each row is sorted: of k negatives before a positive, the next one is number k in their order.
    """
    ranked = ops.where(is_negative, distances, FAR)  # `ops.sort` has no gradient without rows
    ranked = _sorted(ranked, ops.argsort(ops.stop_gradient(ranked), axis=1))
    # At equal distance the negatives go first: they are not farther than the positive.
    nudged = distances + 2e-7 * ops.abs(distances) + 1 / FAR
    order = ops.argsort(ops.stop_gradient(ops.where(is_negative, distances, nudged)), axis=1)
    negative_before = ops.cumsum(_sorted(ops.cast(is_negative, "int32"), order), axis=1)
    last = ops.maximum(negative_before[:, -1:] - 1, 0)
    far = ops.take_along_axis(ranked, ops.minimum(negative_before, last), axis=1)
    losses = _excess(_sorted(distances, order) - far, margin)
    return losses, _sorted(is_positive, order)


def _all_with_all(distances, is_positive, is_negative, margin):
    """Return each positive's mean hinge loss over all negatives, and which entries count.

    In a sorted row with d + margin for positives, the k negatives before a positive are those that
    cost something: k * (d + margin) - (their sum). So batch ** 3 triplets take the time of a sort.
    """
    center = ops.stop_gradient(mean_of(distances, is_negative)[:, None])  # against cancellation
    entries = ops.where(is_negative, distances, distances + margin) - center
    order = ops.argsort(ops.stop_gradient(entries), axis=1)
    entries = _sorted(entries, order)
    negative = _sorted(ops.cast(is_negative, entries.dtype), order)
    count = ops.cumsum(negative, axis=1)
    losses = ops.relu(count * entries - ops.cumsum(negative * entries, axis=1))
    return losses / ops.maximum(count[:, -1:], 1.0), _sorted(is_positive, order)


def _sorted(values, order):
    return ops.take_along_axis(values, order, axis=1)


def _triplet(margin, positives, negatives, distance, gather_replicas) -> dict[str, Any]:
    if margin is not None:
        way_out = "None is the soft margin"
        margin = number("margin", margin, least=0, way_out=way_out)
    arguments = {
        "margin": margin,
        "positives": one_of("positives", positives, ("all", "hard")),
        "negatives": one_of("negatives", negatives, ("all", "hard", "semi_hard")),
        "distance": one_of("distance", distance, DISTANCES),
        **_arguments.common(gather_replicas=gather_replicas),
    }
    require(
        not (margin is None and positives == negatives == "all"),
        "The soft margin needs mining.",
        'Use positives="hard", or negatives="hard" or "semi_hard"',
        margin=margin,
        positives=positives,
        negatives=negatives,
    )
    return arguments


@register
class TripletLoss(PerExampleLoss):
    """Triplet loss with mining in the batch; see `triplet_loss`.

    Example:
        >>> loss = TripletLoss(margin=0.2, positives="hard", negatives="hard")
        >>> round(float(loss([0, 0, 1], [[0.0], [0.5], [0.6]])), 2)
        0.18
    """

    def __init__(
        self,
        *,
        margin: float | None = 0.2,
        positives: str = "all",
        negatives: str = "semi_hard",
        distance: str = "squared",
        gather_replicas: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "triplet_loss",
        dtype: Any = None,
    ):
        arguments = _triplet(margin, positives, negatives, distance, gather_replicas)
        super().__init__(triplet_loss, arguments, reduction, name, dtype)
