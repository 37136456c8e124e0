"""Pairs of embeddings in a batch: which belong together, and how far apart they are."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._checks import require
from coursekit._replicas import gather
from coursekit.losses._base import Tensor, seen, sizes_fit
from coursekit.losses._labels import dtype_of, whole

# Farther than any embedding: what masked distances are set to. Infinity would make inf - inf.
FAR = 1e30


class Pairs(NamedTuple):
    """What the rows of a batch are compared with.

    others: all rows, `(all, ...)`.
    is_positive: whether a pair has one label and is not a row with itself, `(batch, all)`.
    is_negative: whether it has two labels.
    known: whether all labels are whole numbers that were not rounded; None: they are.
    """

    others: Tensor
    is_positive: Tensor
    is_negative: Tensor
    known: Tensor

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
    labels = ops.reshape(labels, ops.shape(x)[:1])
    others, other_labels, start = x, labels, 0
    if gather_replicas:
        (others, other_labels), start = gather(x, labels)
    alike = ops.equal(labels[:, None], other_labels[None, :])
    rows, columns = ops.arange(ops.shape(x)[0]), ops.arange(ops.shape(others)[0])
    itself = ops.equal(rows[:, None] + start, columns[None, :])
    return Pairs(others, alike & ~itself, ~alike, _known(other_labels))


def identities(y_true: Tensor):
    """Return labels as a tensor in which different labels are different, or refuse them."""
    labels = whole(y_true)
    values = seen(labels)
    if "float" in dtype_of(labels) and values is not None:
        limit = _exact_below(dtype_of(labels))
        wide = values[np.abs(values.astype("float64")) >= limit]
        if wide.size:
            require(
                False,
                f"`y_true`: labels in {dtype_of(labels)} must be below {limit:,}: larger ones "
                "are rounded, and two of them may be one.",
                "Give them as integers",
                label=float(wide[0]),
            )
    if isinstance(labels, np.ndarray) and keras.backend.backend() != "tensorflow":
        numbers = np.unique(labels, return_inverse=True)[1]  # 64 bits would be cut to 32
        labels = numbers.reshape(labels.shape).astype("int32")
    if dtype_of(labels) == "uint64":  # which Keras would compare cut to 32 bits
        labels = ops.cast(ops.convert_to_tensor(labels), "int64")
    return ops.convert_to_tensor(labels)


def _exact_below(dtype: str) -> int:
    return {"float64": 2**53, "float32": 2**24, "float16": 2**11}.get(dtype, 2**8)


def _known(labels):
    dtype = dtype_of(labels)
    if "float" not in dtype:
        return None
    whole_number = ops.equal(labels, ops.round(labels))
    return ops.all(whole_number & (ops.abs(labels) < _exact_below(dtype)))


def rank_is(x: Tensor, rank: int, wanted: str) -> None:
    """Raise a ValueError unless predictions have this rank."""
    shape = tuple(x.shape)
    require(len(shape) == rank, f"`y_pred` must have shape {wanted}.", shape=shape)


def unit(x):
    """Return vectors scaled to length 1; a zero vector stays zero, with finite gradients.

    Dividing by the largest entry first changes nothing but keeps every square in range: no epsilon
    is needed, whatever the size of the vector.
    """
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True, initial=0.0))
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
