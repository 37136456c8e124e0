"""Numbers, words, lists, dicts and arrays as one file: JSON beside arrays, and nothing pickled.

    write_whole(path, lambda file: dump(file, {"best": 0.5, "weights": [np.ones(3)]}))
    load(path)

What comes back is equal to the bit, and of the same types: a tuple is one, a float32 is one.
"""

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

PLAIN = type(None), bool, int, float, str  # JSON keeps a float to the bit, NaN and infinity too
NOTE = "note"


def dump(file: BinaryIO, value: Any) -> None:
    """Write a value into an open file.

    Raises:
        TypeError: for what is none of the kinds above, with its place.
    """
    arrays: dict[str, np.ndarray] = {}
    note = json.dumps(_packed(value, arrays, "it"))
    arrays[NOTE] = np.frombuffer(note.encode(), np.uint8)
    np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> Any:
    """Read a file of `dump`; raises whatever a damaged file makes zip, JSON and NumPy raise."""
    with np.load(path, allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in kept.files}
    return _unpacked(json.loads(arrays[NOTE].tobytes()), arrays)


def check(value: Any) -> None:
    """Raise a TypeError for what `dump` cannot write."""
    _packed(value, {}, "it")


def _packed(value, arrays: dict, at: str):
    if type(value) in PLAIN:
        return value
    if type(value) in (list, tuple):
        return {type(value).__name__: [
            _packed(one, arrays, f"{at}[{k}]") for k, one in enumerate(value)
        ]}  # fmt: skip
    if type(value) is dict:
        return {"dict": [
            [_packed(key, arrays, at), _packed(one, arrays, f"{at}[{key!r}]")]
            for key, one in value.items()
        ]}  # fmt: skip
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if not array.dtype.hasobject:
            name = f"a{len(arrays)}"
            scalar = isinstance(value, np.generic)
            # As bytes: the types of half a float are not NumPy's own, and would come back as none.
            arrays[name] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            return {"array": [name, array.dtype.name, list(array.shape), scalar]}
    raise TypeError(f"{at} is {type(value).__name__}, which cannot be written into a file")


def _unpacked(packed, arrays: dict):
    if type(packed) in PLAIN:
        return packed
    ((kind, content),) = packed.items()
    if kind == "array":
        name, dtype, shape, scalar = content
        array = arrays[name].view(_dtype(dtype)).reshape(shape)
        return array[()] if scalar else array
    if kind == "dict":
        return {_unpacked(key, arrays): _unpacked(one, arrays) for key, one in content}
    return {"list": list, "tuple": tuple}[kind](_unpacked(one, arrays) for one in content)


def _dtype(name: str) -> np.dtype:
    try:
        return np.dtype(name)
    except TypeError:
        import keras

        return keras.ops.convert_to_numpy(keras.ops.zeros((), name)).dtype
