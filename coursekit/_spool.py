"""A `keras.utils.PyDataset` as rows: read once, batch by batch, into files that are mapped then.

A dataset gives batches; a fold, an order of rows and a model of its own rows need rows. Read at
random from a dataset of 32 rows a batch, each row would cost 32. So one pass writes them down: then
they are what arrays are, for the disk space that they take.
"""

import contextvars
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from coursekit import _randomness
from coursekit._checks import require
from coursekit._disk import BLOCK, placed

IN_THE_MODEL = "Let each batch depend on its number alone; augment by layers, inside the model"


FOLDERS: contextvars.ContextVar[list[Path]] = contextvars.ContextVar("folders")


def removing(function: Callable) -> Callable:
    """Make a function remove, when it ends, what `written` has put into files for it."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        outer = FOLDERS.set([])
        try:
            return function(*args, **kwargs)
        finally:
            for folder in FOLDERS.get():
                shutil.rmtree(folder, ignore_errors=True)
            FOLDERS.reset(outer)

    return called


class Written(NamedTuple):
    """What a dataset gave: each part a structure of arrays, in memory or on disk, or None."""

    x: Any
    y: Any
    sample_weight: Any


def is_py_dataset(data) -> bool:
    """Whether data are a `PyDataset`."""
    return isinstance(data, keras.utils.PyDataset)


def written(data, name: str = "x", **others) -> Written:
    """Write the rows of a `PyDataset` into files and return them: inside of a `removing` function.

    Args:
        data: the dataset.
        name: what the messages call it.
        others: arguments that the dataset stands for, which must be left out.
    """
    for other, value in others.items():
        require(value is None, f"`{other}` must be left out where `{name}` brings its batches.",
                **{other: type(value).__name__, name: type(data).__name__})  # fmt: skip
    count = _checked(data, name)
    folder = Path(tempfile.mkdtemp(prefix="coursekit-rows-"))
    FOLDERS.get().append(folder)
    files: list = []
    try:
        for number, batch in enumerate(_batches(data, count)):
            leaves = _leaves(batch, name, number)
            if not files:
                first = batch
                _check_space(folder, sum(leaf.nbytes for leaf in leaves) * count, name)
                files = [_Rows(folder / f"{k}.rows", leaf) for k, leaf in enumerate(leaves)]
            same = _structure(batch) == _structure(first)
            require(same, f"`{name}` must give batches of one structure.", batch=number,
                    structure=_structure(batch), before=_structure(first))  # fmt: skip
            for file, leaf in zip(files, leaves, strict=True):
                file.append(leaf, name, number)
    finally:
        for file in files:
            file.close()
    parts = keras.tree.pack_sequence_as(list(first), [file.mapped() for file in files])
    return Written(*parts, *[None] * (3 - len(parts)))


class _Rows:
    """A file that an array is appended to."""

    def __init__(self, path, like: np.ndarray):
        self.path, self.shape, self.dtype, self.rows = path, like.shape[1:], like.dtype, 0
        self.stream = path.open("wb")

    def append(self, array: np.ndarray, name: str, number: int):
        same = array.shape[1:] == self.shape and array.dtype == self.dtype
        require(same, f"`{name}` must give batches of one kind of rows.",
                batch=number, row=f"{array.dtype} of shape {array.shape[1:]}",
                before=f"{self.dtype} of shape {self.shape}")  # fmt: skip
        self.stream.write(np.ascontiguousarray(array).tobytes())
        self.rows += len(array)

    def close(self):
        self.stream.close()

    def mapped(self):
        shape = self.rows, *self.shape
        if not self.rows * int(np.prod(self.shape)):
            return np.empty(shape, self.dtype)
        return placed(np.memmap(self.path, self.dtype, "r", shape=shape))


def _checked(data, name: str) -> int:
    """Return how many batches there are; refuse what is not the same in every pass."""
    count = data.num_batches
    require(bool(count), f"`{name}` must have an end.", "Give it a `__len__`", num_batches=count)
    require(not data.use_multiprocessing, f"`{name}` must be read by threads.",
            "Set `workers`, and leave the other out", use_multiprocessing=True)  # fmt: skip
    base = keras.utils.PyDataset
    for hook in ("on_epoch_begin", "on_epoch_end"):
        require(getattr(type(data), hook) is getattr(base, hook),
                f"`{name}` must have the same rows in each epoch.",
                "Leave the order to `shuffle`, and what else changes to layers, inside the model",
                **{hook: f"of {type(data).__name__}"})  # fmt: skip
    with _randomness.kept():
        first, again = _hash(data[0], name), _hash(data[0], name)
    require(first == again, f"`{name}` must give the same first batch twice.", IN_THE_MODEL,
            first=first[:8], again=again[:8])  # fmt: skip
    return count


def _hash(batch, name: str) -> str:
    found = hashlib.sha256()
    for leaf in _leaves(batch, name, 0):
        found.update(repr((leaf.dtype.str, leaf.shape)).encode() + leaf.tobytes())
    return found.hexdigest()


def _batches(data, count: int) -> Iterator:
    """Yield the batches in their order, as many read ahead as the dataset has workers."""
    if data.workers < 2:
        yield from (data[k] for k in range(count))
        return
    with ThreadPoolExecutor(data.workers) as pool:
        for start in range(0, count, data.workers):
            yield from pool.map(data.__getitem__, range(start, min(start + data.workers, count)))


def _structure(batch) -> str:
    return str(keras.tree.map_structure(lambda _: 0, batch))


def _leaves(batch, name: str, number: int) -> list[np.ndarray]:
    holds = isinstance(batch, tuple | list) and 1 <= len(batch) <= 3
    require(holds, f"`{name}` must give batches (x, y) or (x, y, sample_weight).",
            batch=type(batch).__name__)  # fmt: skip
    leaves = [
        leaf if isinstance(leaf, np.ndarray) else keras.ops.convert_to_numpy(leaf)
        for leaf in keras.tree.flatten(batch)
    ]
    for leaf in leaves:
        plain = leaf.ndim > 0 and (leaf.dtype.kind in "biuf" or leaf.dtype.name == "bfloat16")
        require(plain, f"`{name}` must give rows of numbers.", "Of text pass arrays in memory",
                batch=number, dtype=str(leaf.dtype), shape=leaf.shape)  # fmt: skip
    rows = [len(leaf) for leaf in leaves]
    require(len(set(rows)) == 1, f"`{name}` must give as many rows in each part of a batch.",
            batch=number, rows=rows)  # fmt: skip
    return leaves


def _check_space(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    require(
        needed + BLOCK < free,
        f"The rows of `{name}` must find place in the folder for temporary files.",
        "Set TMPDIR to a larger one, or write the rows into a file yourself and map it",
        bytes=needed, free=free, folder=str(folder.parent),
    )  # fmt: skip
