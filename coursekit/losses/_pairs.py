"""Pairs of embeddings in a batch: which belong together, and how far apart they are."""

from keras import ops

from coursekit._checks import require
from coursekit.losses._replicas import gather

# Farther than any embedding: what masked distances are set to. Infinity would make inf - inf.
FAR = 1e30


def pairs(y_true, x, gather_replicas: bool):
    """Return what the rows of `x` are compared with, and which pairs are positive and negative.

    Args:
        y_true: a label for each row, `(batch,)` or `(batch, 1)`.
        x: the rows, `(batch, ...)`.
        gather_replicas: compare with the rows of all replicas, not only with those of this one.

    Returns:
        All rows, `(all, ...)`; whether a pair has the same label and is not a row with itself,
        `(batch, all)`; whether it has different labels.
    """
    labels = ops.convert_to_tensor(y_true)
    shape = tuple(labels.shape)
    require(
        len(shape) == 1 or (len(shape) == 2 and shape[1] == 1),
        "`y_true` must have one label for each row, shape (batch,) or (batch, 1).",
        "With one-hot labels: keras.ops.argmax(y_true, axis=-1)",
        shape=shape,
    )
    labels = ops.reshape(labels, (-1,))
    others, other_labels, start = x, labels, 0
    if gather_replicas:
        (others, other_labels), start = gather(x, labels)
    alike = ops.equal(labels[:, None], other_labels[None, :])
    rows, columns = ops.arange(ops.shape(x)[0]), ops.arange(ops.shape(others)[0])
    itself = ops.equal(rows[:, None] + start, columns[None, :])
    return others, alike & ~itself, ~alike


def rank_is(x, rank: int, wanted: str) -> None:
    """Raise a ValueError unless predictions have this rank."""
    shape = tuple(x.shape)
    require(len(shape) == rank, f"`y_pred` must have shape {wanted}.", shape=shape)


def unit(x):
    """Return vectors scaled to length 1; a zero vector stays zero, with finite gradients.

    Dividing by the largest entry first changes nothing but keeps every square in range: no epsilon
    is needed, whatever the size of the vector.
    """
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True))
    x = x / ops.where(size > 0, size, ops.ones_like(size))
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 0.5))


def root(squares, floor=0.0):
    """Return square roots; 0 with gradient 0 where `squares <= floor` (sqrt has no slope at 0)."""
    there = squares > floor
    return ops.where(there, ops.sqrt(ops.where(there, squares, ops.ones_like(squares))), 0.0)


def squared_distances(x, others):
    """Return squared Euclidean distances of all pairs, and what rounding may add to them.

    `|a|^2 + |b|^2 - 2 a.b` cancels where embeddings are large next to their distance. Distances do
    not change when the batch is moved to its mean, and rounding is then relative to its spread.
    """
    center = ops.stop_gradient(ops.mean(others, axis=0))
    x, others = x - center, others - center
    sizes = ops.sum(ops.square(x), axis=1)[:, None] + ops.sum(ops.square(others), axis=1)[None, :]
    squares = ops.relu(sizes - 2.0 * ops.matmul(x, ops.transpose(others)))
    return squares, sizes


def cosine_distances(x, others):
    """Return 1 - cosine of the angle, for all pairs."""
    return 1.0 - ops.matmul(unit(x), ops.transpose(unit(others)))


def euclidean_distances(x, others):
    """Return Euclidean distances of all pairs; 0 where rounding cannot tell them from 0."""
    squares, sizes = squared_distances(x, others)
    rounding = 1e-6 if squares.dtype == "float32" else 1e-15
    return root(squares, floor=ops.stop_gradient(rounding * sizes))


DISTANCES = {
    "euclidean": euclidean_distances,
    "squared": lambda x, others: squared_distances(x, others)[0],
    "cosine": cosine_distances,
}


def mean_of(values, chosen, axis=1):
    """Return the mean of the chosen values, 0 where there are none."""
    values = ops.where(chosen, values, ops.zeros_like(values))
    return ops.sum(values, axis=axis) / ops.cast(
        ops.maximum(ops.sum(ops.cast(chosen, "int32"), axis=axis), 1), values.dtype
    )
