"""Rows of files for the compiled programs on TensorFlow: a block of batches is read at a time."""

import keras
import numpy as np

from coursekit.training.many._data import lies_on_disk, most_batches, pack
from coursekit.training.many._programs import Feed


def feed(data, batch_size) -> Feed:
    """Return the feed of some data: tensors, or rows that are read from disk as they are needed."""
    return (DiskFeed if lies_on_disk(data) else Feed)(data, batch_size)


class DiskFeed(Feed):
    """As `Feed`, with the rows of an epoch read block by block.

    While a block is trained on, TensorFlow reads the next one, on which nothing yet depends.
    """

    def __init__(self, data, batch_size):
        self.data, self.batch_size = data, batch_size
        leaves = keras.tree.flatten([part for part in data if part is not None])
        self.leaves = leaves
        self.batches = most_batches(leaves, batch_size)

    def batch(self, rows, index):
        unit = self._unit(rows)
        return self._batch(self._read(rows[index * unit : (index + 1) * unit]), rows, 0)

    def loop(self, rows, body, start, first=0):
        import tensorflow as tf

        size, unit = tf.shape(rows)[0], self._unit(rows)
        first, block = first * unit, self.batches * unit

        def inner(held, state):
            def step(index, state):
                return index + 1, body(self._batch(held, rows, index), state)

            def more(index, state):
                return index * unit < tf.shape(held[0])[0]

            return tf.while_loop(more, step, (0, state), parallel_iterations=1)[1]

        def step(begin, held, state):
            following = self._read(rows[begin + block : begin + 2 * block])
            return begin + block, following, inner(held, state)

        held = self._read(rows[first : first + block])
        return tf.while_loop(
            lambda begin, held, state: begin < size, step, (first, held, start),
            parallel_iterations=1,
        )[2]  # fmt: skip

    def _unit(self, rows) -> int:
        """How far it is from one batch to the next in the rows of an epoch."""
        return 1 if rows.shape.rank == 2 else self.batch_size

    def _read(self, rows):
        """Return the leaves of these rows, read by NumPy when TensorFlow asks for them."""
        import tensorflow as tf

        kinds = [tf.as_dtype(leaf.dtype) for leaf in self.leaves]
        read = tf.numpy_function(self._gather, [rows], kinds, stateful=False)
        for tensor, leaf in zip(read, self.leaves, strict=True):
            tensor.set_shape([*rows.shape, *leaf.shape[1:]])
        return read

    def _gather(self, rows):
        flat = rows.reshape(-1)
        return [
            np.asarray(leaf[flat]).reshape(*rows.shape, *leaf.shape[1:]) for leaf in self.leaves
        ]

    def _batch(self, held, rows, index):
        if rows.shape.rank == 2:
            leaves = [tensor[index] for tensor in held]
        else:
            start = index * self.batch_size
            leaves = [tensor[start : start + self.batch_size] for tensor in held]
        return pack(*_like(self.data, leaves))


def _like(data, leaves):
    """Return the parts of the data, with these leaves."""
    rest = iter(leaves)
    return [None if p is None else keras.tree.map_structure(lambda _: next(rest), p) for p in data]
