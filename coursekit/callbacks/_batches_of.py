"""Inputs for a pass of one's own over data: what they are, told before training begins."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras

from coursekit._checks import brief, refuse_masked, require

ENDS = "It must end: for a dataset use `.take(n)`"


def check_kind(data: Any) -> None:
    """Refuse at once what holds no inputs whatever the model is."""
    kinds = str | bytes | type | keras.Model | keras.Layer
    holds = data is None or (
        not isinstance(data, kinds)
        and (hasattr(data, "__iter__") or hasattr(data, "__getitem__"))
        and getattr(data, "shape", None) != ()
    )
    refuse_masked("refresh_data", data)
    rule = "`refresh_data` must hold arrays or batches of inputs."
    require(holds, rule, refresh_data=data)


class Inputs:
    """The batches of inputs in `refresh_data`, whose first one has been seen to fit the model.

    Args:
        data: as in `StochasticWeightAveraging`.
        model: a built model.
        batch_size: rows of a batch of arrays.

    Raises:
        ValueError: for data without an end, without a batch, or that the model does not take.
    """

    def __init__(self, data: Any, model: keras.Model, batch_size: int):
        self.length = _length(data)
        require(self.length != math.inf, "`refresh_data` has no end.", ENDS, data=data)
        inputs = len(model.inputs or [])
        if isinstance(data, tuple | list) and len(data) == inputs > 1 and _same_rows(data):
            batches, self.length = _slices(list(data), batch_size), 0
        elif isinstance(data, tuple):
            raise ValueError(
                "`refresh_data` must be the inputs alone, or a list of batches. Received: a tuple "
                f"of {len(data)}. Of (x, y) pass x."
            )
        elif not isinstance(data, list) and _same_rows(keras.tree.flatten(data)):
            batches, self.length = _slices(data, batch_size), 0
        else:
            try:
                batches = (one[0] if isinstance(one, tuple) else one for one in iter(data))
            except TypeError:
                raise ValueError(
                    "`refresh_data` must hold arrays or batches of inputs. "
                    f"Received: refresh_data={brief(data)}"
                ) from None
        first = next(batches, None)
        if first is None:
            raise ValueError(
                "`refresh_data` holds no batch. Received: an empty one, or an iterator that is "
                "used up. Pass the training inputs."
            )
        _check(model, first)
        self._batches = itertools.chain([first], batches)

    def batches(self, most: int) -> Iterator[Any]:
        """Yield the batches; no more than `most` of data whose length is not known."""
        return self._batches if self.length is not None else itertools.islice(self._batches, most)


def _length(data) -> float | None:
    """Return the number of batches, infinity for no end, None if it is not known."""
    if isinstance(data, itertools.cycle | itertools.repeat | itertools.count):
        return math.inf
    cardinality = getattr(data, "cardinality", None)  # of tf.data
    if callable(cardinality) and hasattr(data, "element_spec"):
        known = int(cardinality())
        return known if known >= 0 else math.inf if known == -1 else None
    if isinstance(data, keras.utils.PyDataset):
        try:
            number = data.num_batches
        except NotImplementedError:
            return None
        return math.inf if number is None else number
    try:
        return len(data)
    except TypeError:
        return None


def _same_rows(leaves) -> bool:
    """Tell whether these are arrays, of the same rows."""
    if not all(hasattr(leaf, "shape") for leaf in leaves):
        return False
    rows = {leaf.shape[0] if len(leaf.shape) else None for leaf in leaves}
    return len(rows) == 1 and None not in rows


def _slices(data, batch_size) -> Iterator[Any]:
    for start in range(0, len(keras.tree.flatten(data)[0]), batch_size):
        yield keras.tree.map_structure(lambda a, s=start: a[s : s + batch_size], data)


def _check(model, batch):
    """Refuse a batch that the model does not take."""
    try:
        with keras.StatelessScope():  # seeds and statistics stay as they are
            model(batch, training=False)
    except Exception as error:
        raise ValueError(
            "`refresh_data` must hold inputs that the model takes: an array, a dict or list with "
            "an array for each input, or batches of them. Received: a first batch that it does "
            f"not take. {type(error).__name__}: {brief(str(error), 500)}"
        ) from error
