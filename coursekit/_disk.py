"""Arrays in files: rows that are read when they are asked for, a block at a time, never all.

    x = placed(np.load("x.npy", mmap_mode="r"))    # an OnDisk, if it is larger than a block
    x[rows]                                        # these rows, read and converted
    x.chosen(rows)                                 # the same rows, still in the file

What is not mapped from a file stays what it is.
"""

import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PAGE = mmap.ALLOCATIONGRANULARITY
BLOCK = 2**23  # bytes that are read at once; a mapped array of no more is simply read


def mapping_of(array) -> np.memmap | None:
    """Return the memory-mapped array that an array is, or is a view of."""
    found = None
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            found = array
        array = array.base
    return found if isinstance(array, mmap.mmap) else None


def placed(array) -> "np.ndarray | OnDisk":
    """Return an array where it is used from: numbers in a file stay there, or are read if few."""
    if isinstance(array, OnDisk) or mapping_of(array) is None or array.ndim == 0:
        return array
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        return array
    found = OnDisk(array)
    return found if array.nbytes > BLOCK else found[:]


def memory() -> float:
    """Return how many bytes of memory there are, for the machine or for this container."""
    try:
        found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not Unix
        return float("inf")
    with contextlib.suppress(OSError, ValueError):
        found = min(found, float(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found


def blocks(array) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array in blocks of rows, each with the number of its first row."""
    if not isinstance(array, OnDisk):
        yield 0, array
        return
    size = max(1, BLOCK // max(1, array.bytes_a_row))
    for start in range(0, len(array), size):
        yield start, array[start : start + size]


def rows_not_finite(array) -> np.ndarray:
    """Return the numbers of the rows that hold NaN or infinity."""
    known = array.known if isinstance(array, OnDisk) else {}
    if "not finite" in known:
        return known["not finite"]
    found = [
        start + np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(axis=1))
        for start, block in blocks(array)
        if not np.isfinite(block).all()
    ]
    known["not finite"] = np.concatenate(found) if found else np.empty(0, "int64")
    return known["not finite"]


class OnDisk:
    """Rows of a memory-mapped array, in the type that a model gets.

    It is indexed by row numbers or a slice, and then gives an array in memory. What it has found
    out about all rows (their hash, which are not finite) it keeps: one pass each.

    Args:
        array: a memory-mapped array, or a view of one.

    Attributes:
        array: the same, as NumPy's plain class.
        rows: which of its rows, or None for all.
        dtype: of what is read.
        known: what was found out in a pass over the rows.
    """

    def __init__(self, array: np.ndarray):
        mapping = mapping_of(array)
        if mapping is None:
            raise TypeError(f"A memory-mapped array is needed. Received: {type(array).__name__}")
        self.mapping, self.array = mapping, np.asarray(array)
        self.rows: np.ndarray | None = None
        self.dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
        self.known: dict[str, Any] = {}
        self._map: Any = mapping
        while not isinstance(self._map, mmap.mmap):
            self._map = self._map.base
        self.offset = mapping.offset + _address(self.array) - _address(mapping)
        axes = zip(self.array.shape, self.array.strides, strict=True)
        last = sum((length - 1) * stride for length, stride in axes if stride > 0)
        self.end: int = self.offset + last + self.array.itemsize
        if mapping.mode in ("r+", "w+"):
            mapping.flush()  # what was written before counts, and dates the file
        self.date: tuple | None = self._dated()
        self._refuse_other()
        self._own: Any = self._map_again()

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and the shape of one."""
        return len(self), *self.array.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    @property
    def bytes_a_row(self) -> int:
        """What a row takes, in the file or as it is read, whichever is more."""
        cells = int(np.prod(self.array.shape[1:]))
        return cells * max(self.array.itemsize, self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """What all rows would take."""
        return len(self) * int(np.prod(self.array.shape[1:])) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.array if self.rows is None else self.rows)

    def __repr__(self) -> str:
        name = self.mapping.filename
        return f"OnDisk({self.dtype} of shape {self.shape}, in {name or 'a file'})"

    def __getitem__(self, index) -> np.ndarray:
        """Read rows, by their numbers or a slice."""
        self._refuse_other()
        rows = index if self.rows is None else self.rows[index]
        if self._own is not None and isinstance(rows, slice):
            rows = np.arange(len(self.array))[rows]
        if isinstance(rows, np.ndarray) and self._rows_are_whole():
            array = self._announced(rows) if self._own is not None and len(rows) else self.array
            found = array.take(rows, axis=0)  # of other layouts NumPy would copy the whole
        else:
            found = self.array[rows]
        with np.errstate(over="ignore"):  # what becomes infinite is told where that is looked for
            return found.astype(self.dtype, copy=isinstance(rows, slice))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Read all rows."""
        mapped = self.rows is None and self.dtype == self.array.dtype and not copy
        found = self.array if mapped else self[:]
        return found if dtype is None else found.astype(dtype, copy=False)

    def astype(self, dtype) -> "OnDisk":
        """Return the same rows, to be read in another type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        if dtype not in self.known:
            self.known[dtype] = self._with(dtype=dtype)
        return self.known[dtype]

    def chosen(self, rows: np.ndarray | slice) -> "OnDisk":
        """Return some rows, still to be read."""
        if self.rows is not None:
            return self._with(rows=self.rows[rows])
        return self._with(rows=np.arange(len(self))[rows])

    def _with(self, **changes) -> "OnDisk":
        other = object.__new__(OnDisk)  # not a copy, which would open the file again
        vars(other).update(vars(self), known={}, **changes)
        return other

    def digest(self) -> bytes:
        """Return the SHA-256 of all rows, as that of an array in memory."""
        if "digest" not in self.known:
            found = hashlib.sha256()
            for _, block in blocks(self):
                found.update(block.tobytes())
            self.known["digest"] = found.digest()
        return self.known["digest"]

    def _dated(self) -> tuple | None:
        try:
            found = os.stat(self.mapping.filename)
        except (OSError, TypeError):  # removed meanwhile, or without a name: the rows are there
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _refuse_other(self) -> None:
        """Refuse a file that has changed, or was cut off, for which the system ends a process."""
        size = self._map.size()
        if size < self.end:
            raise ValueError(
                f"{self.mapping.filename} must hold the rows that were mapped. Received: "
                f"{size:,} bytes, of which {self.end:,} were there. It was cut off: write it anew."
            )
        now = self._dated()
        if now and self.date and now[:2] == self.date[:2] and now != self.date:
            raise ValueError(
                f"{self.mapping.filename} must stay as it is while its rows are read. Received: a "
                "file that was written to meanwhile. Begin again; if it goes on changing, with a "
                "copy of it."
            )

    # A file that memory cannot hold: around a page that is asked for the system reads 128 kB or so,
    # for a row of any size, and forgets them before the next row in them is asked for.

    def _rows_are_whole(self) -> bool:
        return self.array.flags.c_contiguous and self.array.flags.aligned

    def _map_again(self) -> tuple | None:
        """Return a map of its own, and the array in it, if what is read had better be announced."""
        name, mode = self.mapping.filename, self.mapping.mode
        if mode == "c" or self.date is None or not self._rows_are_whole():
            return None
        if self.end <= memory() / 2 or not hasattr(mmap, "MADV_WILLNEED"):
            return None
        whole = np.memmap(name, np.uint8, "r")
        pages: Any = whole.base
        pages.madvise(mmap.MADV_RANDOM)
        array = np.ndarray(self.array.shape, self.array.dtype, whole, self.offset)
        return pages, array

    def _announced(self, rows: np.ndarray) -> np.ndarray:
        """Tell the system which pages will be needed, and return the array to take rows from."""
        pages, array = self._own
        width = array.strides[0]
        starts = self.offset + np.unique(rows) * width
        first, last = starts // PAGE, -(-(starts + width) // PAGE)
        begins = np.flatnonzero(np.r_[True, first[1:] > last[:-1]])
        ends = np.r_[begins[1:], len(first)] - 1
        for begin, end in zip(first[begins].tolist(), last[ends].tolist(), strict=True):
            pages.madvise(mmap.MADV_WILLNEED, begin * PAGE, (end - begin) * PAGE)
        return array

    # Where it goes to another process, which opens the file itself

    def __reduce__(self):
        name = self.mapping.filename
        if name is None or self.mapping.mode == "c":  # what was written is not in the file
            return np.asarray, (self[:],)
        layout = self.array.shape, self.array.strides, self.array.dtype, self.offset
        return opened, (os.path.abspath(name), *layout, self.rows, self.dtype, self._sample())

    def _sample(self) -> str:
        some = np.unique(np.linspace(0, len(self.array) - 1, 64).astype(int))
        return hashlib.sha256(np.ascontiguousarray(self.array[some]).tobytes()).hexdigest()


def _address(array: np.ndarray) -> int:
    """Return where the first cell of an array lies."""
    return array.__array_interface__["data"][0]


def opened(name, shape, strides, kind, offset, rows, dtype, sample) -> OnDisk:
    """Open rows where they have travelled to: the file must be the same one there."""
    way_out = "Put it where all workers see it under the same path"
    try:
        whole = np.memmap(name, np.uint8, "r")
        array = np.ndarray(shape, kind, whole, offset, strides)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"A worker must find the file of memory-mapped rows. Received: {name}, which cannot be "
            f"mapped there ({type(error).__name__}: {error}). {way_out}."
        ) from None
    found = OnDisk(array)
    found.rows, found.dtype = rows, dtype
    if found._sample() != sample:
        raise ValueError(
            f"A worker must find the rows that the caller mapped. Received: {name}, which holds "
            f"others there. {way_out}."
        )
    return found
