"""Pairs of embeddings in a batch: which belong together, and how far apart they are."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._checks import require
from coursekit._replicas import gather
from coursekit.losses._base import Tensor, sizes_fit
from coursekit.losses._labels import dtype_of, whole

# Farther than any embedding: what masked distances are set to. Infinity would make inf - inf.
FAR = 1e30


class Pairs(NamedTuple):
    """What the rows of a batch are compared with.

    others: all rows, `(all, ...)`.
    columns: where the rows of this batch are among them.
    itself: whether a pair is a row with itself, `(batch, all)`.
    alike: whether it has one label.
    known: whether all labels are whole numbers that were not rounded; None: they are.
    """

    others: Tensor
    columns: Tensor
    itself: Tensor
    alike: Tensor
    known: Tensor

    def positive(self):
        """Return whether a pair has one label and is not a row with itself."""
        return ops.not_equal(self.alike, self.itself)

    def negative(self):
        """Return whether a pair has two labels."""
        return ops.logical_not(self.alike)

    def unless_unknown(self, values):
        """Return values, all of them NaN if labels are unknown: each depends on every label."""
        return values if self.known is None else ops.where(self.known, values, float("nan"))


def pairs(y_true: Tensor, x: Tensor, gather_replicas: bool) -> Pairs:
    """Return what the rows of `x` are compared with, and which pairs are positive and negative.

    Args:
        y_true: a label for each row, `(batch,)` or `(batch, 1)`.
        x: the rows, `(batch, ...)`.
        gather_replicas: compare with the rows of all replicas, not only with those of this one.
    """
    labels = identities(y_true)
    shape, rows = tuple(labels.shape), tuple(x.shape)[:1]
    require(
        len(shape) == 1 or (len(shape) == 2 and shape[1] == 1),
        "`y_true` must have one label for each row, shape (batch,) or (batch, 1).",
        "Of one-hot labels take `keras.ops.argmax(y_true, axis=-1)`" if len(shape) == 2 else "",
        shape=shape,
    )
    require(
        sizes_fit(shape[:1], rows),
        "`y_true` must have one label for each row of `y_pred`.",
        y_true=shape,
        y_pred=tuple(x.shape),
    )
    if not isinstance(labels, np.ndarray) or None in rows:
        labels = ops.reshape(labels, ops.shape(x)[:1])
    else:
        labels = labels.reshape(-1)
    others, other_labels, start = x, labels, 0
    if gather_replicas:
        (others, other_labels), start = gather(x, labels)
    rows = ops.shape(x)[0]
    columns = (np if isinstance(rows, int) else ops).arange(rows, dtype="int32") + start
    itself = ops.one_hot(columns, ops.shape(others)[0], dtype="bool")
    alike = ops.equal(labels[:, None], other_labels[None, :])
    return Pairs(others, columns, itself, alike, _known(other_labels))


def identities(y_true: Tensor):
    """Return labels in which different labels are different, or refuse them.

    Labels that are seen are an array of NumPy.
    """
    labels = whole(y_true)
    if not isinstance(labels, np.ndarray):
        return ops.cast(labels, "int64") if dtype_of(labels) == "uint64" else labels
    dtype = dtype_of(y_true if hasattr(y_true, "dtype") else labels)
    if "float" in dtype:
        limit = _exact_below(dtype)
        wide = labels[np.abs(labels.astype("float64")) >= limit]
        if wide.size:
            require(
                False,
                f"`y_true`: labels in {dtype} must be below {limit:,}: larger ones are rounded, "
                "and two of them may be one.",
                "Give them as integers",
                label=float(wide[0]),
            )
    if labels.dtype.itemsize == 8 and keras.backend.backend() != "tensorflow":
        numbers = np.unique(labels, return_inverse=True)[1]  # 64 bits would be cut to 32
        return numbers.reshape(labels.shape).astype("int32")
    return labels.astype("int64") if dtype == "uint64" else labels  # compared cut to 32 bits


def _exact_below(dtype: str) -> int:
    return {"float64": 2**53, "float32": 2**24, "float16": 2**11}.get(dtype, 2**8)


def _known(labels):
    dtype = dtype_of(labels)
    if isinstance(labels, np.ndarray) or "float" not in dtype:
        return None
    whole_number = ops.equal(labels, ops.round(labels))
    return ops.all(whole_number & (ops.abs(labels) < _exact_below(dtype)))


def rank_is(x: Tensor, rank: int, wanted: str) -> None:
    """Raise a ValueError unless predictions have this rank."""
    shape = tuple(x.shape)
    require(len(shape) == rank, f"`y_pred` must have shape {wanted}.", shape=shape)


def unit(x, length=1.0):
    """Return vectors scaled to a length; a zero vector stays zero, with finite gradients.

    Dividing by the largest entry first changes nothing but keeps every square in range: no epsilon
    is needed, whatever the size of the vector.
    """
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True, initial=0.0))
    x = x / ops.where(size > 0, size, 1.0)
    inverse = ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 0.5))
    return x * (inverse if length == 1 else length * inverse)


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


def distance_of(distance, a, b):
    """Return the distance of each `a` from its `b`, of features on the last axis."""
    if distance == "cosine":
        return 1.0 - ops.sum(unit(a) * unit(b), axis=-1)
    squares = ops.sum(ops.square(a - b), axis=-1)
    return root(squares) if distance == "euclidean" else squares


def rows_of(x, index):
    """Return rows by their numbers. Their gradient is a tensor, as that of every operation is.

    Without the reshape TensorFlow would make pieces of it, which replicas could not add up.
    """
    return ops.take(ops.reshape(x, ops.shape(x)), index, axis=0)


def mean_of(values, chosen, axis=1):
    """Return the mean of the chosen values, 0 where there are none."""
    values = ops.where(chosen, values, ops.zeros_like(values))
    return ops.sum(values, axis=axis) / ops.cast(
        ops.maximum(ops.sum(ops.cast(chosen, "int32"), axis=axis), 1), values.dtype
    )
