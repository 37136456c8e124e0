"""The data of `fit_many`: arrays in memory or on disk, rows and batch order of each model."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from coursekit import _disk
from coursekit._checks import brief, is_int, is_number, refuse_masked, require
from coursekit._disk import OnDisk, placed, rows_not_finite


class Data(NamedTuple):
    """Rows of inputs, targets and weights; each a (nested) structure of arrays, or None."""

    x: Any
    y: Any
    sample_weight: Any

    def take(self, rows):
        """Return the batch of these rows as `train_step` expects it, in NumPy."""
        import keras

        def gather(part):
            return keras.tree.map_structure(lambda array: np.asarray(array[rows]), part)

        return pack(*(None if part is None else gather(part) for part in self))


def pack(x, y, sample_weight):
    """Return (x, y, sample_weight) without the parts that are None."""
    if sample_weight is not None:
        return x, y, sample_weight
    return (x,) if y is None else (x, y)


def standardize(x, y, sample_weight, class_weight, name) -> tuple[Data, int]:
    """Check one set of arrays and bring it into the types that `fit` feeds to a model.

    Floats become `floatx`, class weights become sample weights. Returns the data and its number of
    rows. `name` is what the messages call the set ("" or "validation_data").
    """
    import keras

    if x is None or callable(getattr(x, "__next__", None)) or not _is_data(x):
        raise TypeError(
            f"`{name or 'x'}` must hold arrays, or dicts, tuples or lists of arrays, because every "
            f"model takes its own rows. Received: {type(x).__name__}. Put the rows of a dataset "
            "or generator into arrays first; where they do not fit into memory, into a file, batch "
            'by batch: rows = np.lib.format.open_memmap("x.npy", "w+", dtype, shape).'
        )
    for part, given in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        for leaf in keras.tree.flatten(given):
            refuse_masked(f"{name} {part}".strip(), leaf)
    data = Data(*(None if part is None else _arrays(part) for part in (x, y, sample_weight)))
    lengths = {len(leaf) for leaf in keras.tree.flatten(tuple(p for p in data if p is not None))}
    if len(lengths) != 1:
        raise ValueError(
            f"All arrays of {name or '`x`, `y` and `sample_weight`'} must have the same number of "
            f"rows. Received: lengths {sorted(lengths)}"
        )
    size = lengths.pop()
    if size == 0:
        raise ValueError(f"`{name or 'x'}` must hold at least one row. Received: an empty array.")
    _tell_not_finite(data, name)
    if class_weight is not None:
        data = data._replace(sample_weight=_class_weights(data, class_weight, size))
    elif sample_weight is not None and keras.tree.is_nested(data.y):
        data = data._replace(sample_weight=_weights_per_output(data))
    return data, size


def _is_data(x):
    import keras

    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "__array__") for leaf in leaves)


def _arrays(part):
    import keras

    floatx = keras.config.floatx()

    def convert(leaf):
        if type(leaf).__name__ == "Series":  # as `fit`: one column
            leaf = leaf.to_numpy()[:, None]
        own = isinstance(leaf, np.ndarray | OnDisk)
        array = placed(leaf) if own else keras.ops.convert_to_numpy(leaf)
        if array.ndim == 0:
            raise ValueError(f"Arrays must have a first axis of rows. Received: {array!r}")
        if array.dtype.kind == "f" and array.dtype.name != floatx:
            array = array.astype(floatx)
        return array

    return keras.tree.map_structure(convert, part)


def _class_weights(data, class_weight, size):
    import keras

    if not isinstance(class_weight, dict):
        raise TypeError(f"`class_weight` must be a dict. Received: class_weight={class_weight!r}")
    if data.sample_weight is not None:
        raise ValueError(
            "`class_weight` and `sample_weight` exclude each other. Received both: multiply the "
            "class weights into `sample_weight`."
        )
    if data.y is None or keras.tree.is_nested(data.y):
        raise ValueError(
            "`class_weight` needs one array of labels in `y`. "
            f"Received: y={type(data.y).__name__}. Use `sample_weight` instead."
        )
    for label, weight in class_weight.items():
        require(is_number(label) and label == int(label) and is_number(weight) and weight >= 0,
                "`class_weight` must map class numbers to finite weights of at least 0.",
                class_weight=class_weight)  # fmt: skip
    labels, weights = _labels(np.asarray(data.y)), np.ones(size, keras.config.floatx())
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights


def _labels(y) -> np.ndarray:
    """Return one class number for each row, as `fit` finds them, where there is one."""
    shape = y.shape
    if y.ndim == 2 and y.shape[1] > 1:  # exclusive classes, of which a row has one
        values = y.astype("float64") if y.dtype.kind in "biuf" else np.full(shape, np.nan)
        if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
            return values.argmax(axis=1)
    elif y.ndim < 3 and y.dtype.kind in "biuf":
        labels = y.reshape(len(y)).astype("float64")
        whole = np.round(labels)
        if (np.abs(labels - whole) < 1e-3).all():
            return whole.astype("int64")
        raise ValueError(
            "`class_weight` needs class numbers in `y`. "
            f"Received: y={labels[~(np.abs(labels - whole) < 1e-3)][0]} in row "
            f"{np.flatnonzero(~(np.abs(labels - whole) < 1e-3))[0]}. Use `sample_weight` instead."
        )
    raise ValueError(
        "`class_weight` needs one class for each row: numbers, or one-hot rows that sum to 1. "
        f"Received: y of shape {shape} and dtype {y.dtype}. For pixels or steps pass a "
        "`sample_weight` of the shape of `y`, such as weights[y], or take a loss with a weight of "
        "its own for each class, such as the `alpha` of the focal loss."
    )


def _tell_not_finite(data, name) -> None:
    """Say once that values are NaN or infinite: `fit` trains on them without a word."""
    import keras

    for part, what in zip(data, ("x", "y", "sample_weight"), strict=True):
        for leaf in () if part is None else keras.tree.flatten(part):
            rows = rows_not_finite(leaf) if leaf.dtype.kind == "f" else np.empty(0, int)
            if not len(rows):
                continue
            where = f"`{what}`" + (f" of `{name}`" if name else "")
            warnings.warn(
                f"{where} holds NaN or infinity in {len(rows)} of {len(leaf)} rows, first in row "
                f"{rows[0]}. They are trained on as they are, as `fit` does.",
                stacklevel=4,
            )
            break


def _weights_per_output(data):
    import keras

    weight = data.sample_weight
    if keras.tree.is_nested(weight):
        keras.tree.assert_same_structure(data.y, weight)
        return weight
    return keras.tree.map_structure(lambda _: weight, data.y)


def checked_rows(rows, models, size, name) -> list[np.ndarray]:
    """Return the rows of each model as integer arrays."""
    if rows is None:
        return [np.arange(size)] * models
    try:
        rows = list(rows)
    except TypeError:
        rows = [None]
    if len(rows) != models:
        raise ValueError(
            f"`{name}` must hold one array of row numbers for each model. "
            f"Received: {len(rows)} for {models} models"
        )
    checked = []
    for k, one in enumerate(rows):
        one = np.asarray(one)
        if one.dtype == bool:
            raise TypeError(
                f"`{name}` must hold row numbers. Received: a mask of bool in {name}[{k}]. "
                "Use np.flatnonzero(mask)."
            )
        if one.ndim != 1 or one.size == 0 or one.dtype.kind not in "iu":
            raise ValueError(
                f"`{name}[{k}]` must be a one-dimensional, non-empty array of integers. "
                f"Received: shape {one.shape}, dtype {one.dtype}"
            )
        if one.min() < 0 or one.max() >= size:
            raise ValueError(
                f"`{name}[{k}]` must lie in 0 to {size - 1}, the rows of the data. "
                f"Received: {one.min()} to {one.max()}"
            )
        checked.append(one.astype("int64"))
    return checked


def checked_seeds(seed, models) -> list[int]:
    """Return one seed for each model: `seed + k`, or the given ones."""
    several = isinstance(seed, list | tuple | np.ndarray)
    seeds = list(seed) if several else [seed]
    if (several and len(seeds) != models) or not all(is_int(k) and k >= 0 for k in seeds):
        raise ValueError(
            "`seed` must be an integer of at least 0, or one such integer for each model. "
            f"Received: seed={brief(seed)}"
        )
    return [int(k) for k in seeds] if several else [int(seed) + k for k in range(models)]


def lies_on_disk(data) -> bool:
    """Whether rows of some array are read as they are needed."""
    import keras

    parts = [part for part in data if part is not None]
    return any(isinstance(leaf, OnDisk) for leaf in keras.tree.flatten(parts))


def most_batches(leaves, batch_size) -> int:
    """Return how many batches a block holds that is read at once."""
    a_row = sum(int(np.prod(leaf.shape[1:])) * max(leaf.dtype.itemsize, 4) for leaf in leaves)
    return max(1, _disk.BLOCK // max(1, batch_size * a_row))


def batch_order(rows, seed, epoch, shuffle):
    """Return the rows of one model in the order of one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(rows) if shuffle else rows
