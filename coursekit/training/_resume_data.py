"""What a training that can be resumed is fed with: batch k of epoch e is always the same one.

Each kind of data is cut into segments: what is left of the epoch that was interrupted, and the
epochs behind it. `fit` takes one segment after the other.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from coursekit import _randomness
from coursekit._checks import require
from coursekit._disk import OnDisk
from coursekit.training.many._data import Data, batch_order, lies_on_disk, pack

IN_ORDER = (
    "Give a function of the epoch that returns the batches of that epoch, such as "
    "`lambda epoch: data.shuffle(1000, seed=epoch, reshuffle_each_iteration=False)`"
)


class Segment(NamedTuple):
    """What one call of `fit` trains on: epochs from `first` up to before `last`."""

    x: Any
    first: int
    last: int
    skip: int  # batches of the first epoch that are done


class Feed:
    """Batches in an order that is a function of the seed and the epoch.

    Attributes:
        length: how many batches an epoch has.
        epoch: the one that is read; set when it begins.
    """

    length = 0
    epoch = 0

    def segments(self, epoch: int, done: int, epochs: int) -> Iterator[Segment]:
        """Yield what is left to train on."""
        if done:
            yield Segment(self.batches(epoch, done), epoch, epoch + 1, done)
            epoch += 1
        if epoch < epochs:
            yield Segment(self.batches(epoch, 0), epoch, epochs, 0)

    def batches(self, epoch: int, skip: int) -> Any:
        """Return what `fit` reads, from batch `skip` on."""
        raise NotImplementedError

    def first(self) -> tuple:
        """Return the first batch of the first epoch."""
        raise NotImplementedError

    def recipe(self) -> dict[str, Any]:
        """Return what decides the batches, by the name of the argument."""
        return {"x": [self.length, digest(self.first())]}


class Order:
    """What `fit_many` calls the order of an epoch, drawn once for all batches of it."""

    def __init__(self, rows: np.ndarray, shuffle: bool, seed: int):
        self.rows, self.shuffle, self.seed = rows, shuffle, seed
        self.drawn: tuple[int, np.ndarray] = (-1, rows)

    def __call__(self, epoch: int) -> np.ndarray:
        if self.drawn[0] != epoch:
            self.drawn = epoch, batch_order(self.rows, self.seed, epoch, self.shuffle)
        return self.drawn[1]


class Arrays(Feed):
    """Rows of arrays, each epoch in the order of `fit_many`."""

    def __init__(
        self, data: Data, batch_size: int, shuffle: bool, seed: int, rows: np.ndarray | None = None
    ):
        self.data, self.batch_size, self.shuffle, self.seed = data, batch_size, shuffle, seed
        self.rows = np.arange(len(keras.tree.flatten(data.x)[0])) if rows is None else rows
        self.length = -(-len(self.rows) // batch_size)
        leaves = keras.tree.flatten([part for part in data if part is not None])
        plain = all(leaf.dtype.kind not in "OUS" for leaf in leaves)
        tensors = keras.backend.backend() == "tensorflow" and plain and not lies_on_disk(data)
        self._make: Callable = self._dataset if tensors else self._batches
        self._order = Order(self.rows, shuffle, seed)

    def batches(self, epoch, skip):
        return self._make(skip)

    def _batches(self, skip):
        def batch(k):
            rows = self._order(self.epoch)[k * self.batch_size : (k + 1) * self.batch_size]
            return as_fed(self.data.take(rows))

        return Batches(batch, self.length, skip)

    def _dataset(self, skip):
        """Rows gathered by TensorFlow, as `fit` does: Python is asked once an epoch."""
        import tensorflow as tf

        with tf.device("CPU:0"):
            whole = keras.tree.map_structure(tf.convert_to_tensor, pack(*self.data))
            even = len(self.rows) % self.batch_size == 0  # then sizes are static, as in `fit`
            done = skip * self.batch_size
            orders = tf.data.Dataset.from_generator(
                lambda: [self._order(self.epoch)[done:]],
                output_signature=tf.TensorSpec([None], "int64"),
            )
            found = orders.flat_map(
                lambda rows: tf.data.Dataset.from_tensor_slices(rows).batch(
                    self.batch_size, drop_remainder=even
                )
            )
            found = found.map(
                lambda rows: tf.nest.map_structure(lambda part: tf.gather(part, rows), whole),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            found = found.apply(tf.data.experimental.assert_cardinality(self.length - skip))
            options = tf.data.Options()
            policy = tf.data.experimental.AutoShardPolicy.DATA
            options.experimental_distribute.auto_shard_policy = policy
            return found.with_options(options).prefetch(tf.data.AUTOTUNE)

    def first(self):
        return as_fed(self.data.take(self.rows[: self.batch_size]))

    def recipe(self):
        return dict(zip(("x", "y", "sample_weight"), self.data, strict=True))


class Listed(Feed):
    """A `PyDataset`: its batches by their numbers, in an order that is drawn for each epoch."""

    def __init__(self, data, shuffle: bool, seed: int, name: str = "x"):
        check_py_dataset(data, name)
        self.data, self.length = data, data.num_batches
        self._order = Order(np.arange(self.length), shuffle, seed)

    def batches(self, epoch, skip):
        return Batches(
            lambda k: self.data[int(self._order(self.epoch)[k])], self.length, skip,
            workers=self.data.workers, max_queue_size=self.data.max_queue_size,
        )  # fmt: skip

    def first(self):
        return self.data[0]


class Dataset(Feed):
    """A `tf.data.Dataset` whose every pass is the same."""

    def __init__(self, data, name: str = "x"):
        check_dataset(data, name)
        self.data, self.length = data, int(data.cardinality())

    def batches(self, epoch, skip):
        return self.data.skip(skip) if skip else self.data

    def first(self):
        return next(iter(self.data.take(1)))


class OfTheEpoch(Feed):
    """A function of the epoch, which returns its batches."""

    def __init__(self, function: Callable, shuffle: bool, seed: int):
        self.function, self.shuffle, self.seed = function, shuffle, seed
        self.length = self._feed(0).length

    def _feed(self, epoch) -> Feed:
        feed = feed_of(self.function(epoch), self.shuffle, self.seed, f"x({epoch})")
        feed.epoch = epoch
        length = self.length or feed.length
        require(feed.length == length, "`x(epoch)` must have as many batches in each epoch.",
                epoch=epoch, batches=feed.length, before=length)  # fmt: skip
        return feed

    def segments(self, epoch, done, epochs):
        for one in range(epoch, epochs):
            skip = done if one == epoch else 0
            yield Segment(self._feed(one).batches(one, skip), one, one + 1, skip)

    def first(self):
        return self._feed(0).first()

    def recipe(self):
        return {"x": [self.function, self.length, digest(self.first())]}


class Batches(keras.utils.PyDataset):
    """Batches by a function of their number, from number `skip` on."""

    def __init__(self, batch: Callable, length: int, skip: int, **settings):
        super().__init__(**settings)
        self.batch, self.length, self.skip = batch, length, skip

    def __len__(self):
        return self.length - self.skip

    def __getitem__(self, k):
        return self.batch(self.skip + k)


def feed_of(x, shuffle: bool, seed: int, name: str = "x") -> Feed:
    """Return the feed of data that bring their batches."""
    if is_dataset(x):
        return Dataset(x, name)
    if isinstance(x, keras.utils.PyDataset):
        return Listed(x, shuffle, seed, name)
    raise TypeError(
        f"`{name}` must be arrays, a keras.utils.PyDataset, a tf.data.Dataset, or a function of "
        f"the epoch that returns one of the last two. Received: {type(x).__name__}, whose position "
        "cannot be found again after a kill."
    )


def is_dataset(x) -> bool:
    """Whether this is a `tf.data.Dataset`; TensorFlow is not loaded for it."""
    return any(c.__module__.startswith("tensorflow.python.data") for c in type(x).__mro__)


def check_py_dataset(data, name: str) -> None:
    """Refuse a `PyDataset` whose batches are not the same whenever they are asked for."""
    kind, base = type(data), keras.utils.PyDataset
    for hook in ("on_epoch_begin", "on_epoch_end"):
        if getattr(kind, hook) is not getattr(base, hook):
            raise ValueError(
                f"`{name}` must give batch k again when asked for it. Received: {kind.__name__}, "
                f"which changes in `{hook}`. Leave the order to `shuffle`, or give a function "
                "of the epoch that returns the dataset of that epoch."
            )
    require(not data.use_multiprocessing, f"`{name}` must be read by threads.",
            "Set `workers`, and leave the other out", use_multiprocessing=True)  # fmt: skip
    require(bool(data.num_batches), f"`{name}` must have an end.", "Give it a `__len__`",
            num_batches=data.num_batches)  # fmt: skip
    _same_twice(lambda: data[0], name, "Let it depend on nothing but its number")


def check_dataset(data, name: str) -> None:
    """Refuse a `tf.data.Dataset` whose passes differ, or whose length is not known."""
    length = int(data.cardinality())
    require(
        length > 0,
        f"`{name}` must have a known number of batches.",
        "Set it by `data.apply(tf.data.experimental.assert_cardinality(n))`"
        if length == -2 else "Give it one pass over the rows, without `repeat`",
        cardinality={-1: "infinite", -2: "unknown"}.get(length, length),
    )  # fmt: skip
    ordered = data.options().deterministic is not False
    require(ordered, f"`{name}` must give its batches in order.",
            "Leave `options.deterministic` as it is", deterministic=False)  # fmt: skip
    for one in _sources(data):
        kind = type(one).__name__
        if kind == "_ShuffleDataset":
            rule = f"`{name}` must have the same order in every pass."
            anew = one._reshuffle_each_iteration is not False
            require(not anew, rule, IN_ORDER, shuffle="anew in each pass")
            seeded = int(one._seed) or int(one._seed2)
            require(bool(seeded), rule, "Give `shuffle` a seed", seed=None)
        elif kind == "_RandomDataset":
            require(False, f"`{name}` must be the same in every pass.", IN_ORDER, source=kind)
    _same_twice(lambda: next(iter(data.take(1))), name, IN_ORDER)


def _sources(data) -> Iterator:
    yield data
    for one in data._inputs():
        yield from _sources(one)


def _same_twice(read: Callable, name: str, way_out: str) -> None:
    with _randomness.kept():
        first, again = digest(read()), digest(read())
    require(first == again, f"`{name}` must give the same first batch twice.", way_out,
            first=first[:8], again=again[:8])  # fmt: skip


def digest(batch) -> str:
    """Return a hash of a batch."""
    found = hashlib.sha256()
    for leaf in keras.tree.flatten(batch):
        if leaf is None:
            continue
        array = np.asarray(leaf)
        found.update(repr((array.dtype.str, array.shape)).encode())
        found.update(repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes())
    return found.hexdigest()


def as_fed(batch):
    """Text as TensorFlow's strings: `fit` takes it so from a `PyDataset`, not as objects."""
    leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]  # no y: weights alone
    if all(leaf.dtype.kind not in "OUS" for leaf in leaves):
        return batch
    import tensorflow as tf

    def feed(leaf):
        text = leaf is not None and leaf.dtype.kind in "OUS"
        return tf.constant(leaf.astype(object)) if text else leaf

    return keras.tree.map_structure(feed, batch)


def split(data: Data, share: float) -> tuple[Data, Data]:
    """Cut the last rows off for validation, as `fit` does."""
    size = len(keras.tree.flatten(data.x)[0])
    at = int(np.floor(size * (1.0 - share)))
    require(0 < at < size, "`validation_split` must leave rows on both sides.",
            validation_split=share, rows=size)  # fmt: skip

    def part(a, side):
        return a.chosen(side) if isinstance(a, OnDisk) else a[side]

    parts = [
        [None if p is None else keras.tree.map_structure(lambda a, s=side: part(a, s), p)
         for p in data]
        for side in (slice(None, at), slice(at, None))
    ]  # fmt: skip
    return Data(*parts[0]), Data(*parts[1])
