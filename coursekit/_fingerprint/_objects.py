"""What objects consist of: their attributes, what pickle would ask for, the cells of tables."""

import functools
import io
import types

import numpy as np


def table_parts(value) -> list:
    """Return what tells an object of pandas apart, its dtype first."""
    dtype = [str(getattr(value, "dtype", ""))]
    if hasattr(value, "columns"):
        columns = [value.iloc[:, k].array for k in range(value.shape[1])]
        return [*dtype, value.columns, value.index, columns]
    if hasattr(value, "iloc"):
        return [*dtype, value.array, value.index, value.name]
    if hasattr(value, "levels"):
        return [*dtype, list(value.names), value.tolist()]
    if hasattr(value, "names"):
        return [*dtype, list(value.names), value.array]
    if hasattr(value, "codes"):
        return [*dtype, value.categories, bool(value.ordered), np.asarray(value.codes)]
    return [*dtype, cells(value)]


def vocabulary(layer):
    """Return the words that a text layer knows; None where it knows none yet."""
    try:
        return [*map(str, layer.get_vocabulary(include_special_tokens=False))]
    except Exception:  # not adapted yet
        return None


def cells(array):
    """The cells of an array of pandas, by NumPy's types where there are any."""
    if hasattr(array, "tz_convert") and array.tz is not None:
        array = array.tz_convert(None)
    cells = np.asarray(array)
    if not cells.dtype.hasobject or str(array.dtype) == "object":
        return cells
    return [None if type(cell).__name__ == "NAType" else cell for cell in cells.tolist()]


def attributes_of(value) -> dict:
    """The attributes of an object, in `__dict__` and in slots; not what it has cached."""
    found = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            if slot.startswith("__") and not slot.endswith("__"):
                slot = f"_{base.__name__.lstrip('_')}{slot}"
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                found[slot] = getattr(value, slot)
        for name, one in vars(base).items():
            if isinstance(one, functools.cached_property):
                found.pop(name, None)
    return found


def own_reduce(kind: type) -> bool:
    """Whether a class tells pickle by itself what it consists of."""
    return any(getattr(kind, name) is not getattr(object, name)
               for name in ("__reduce__", "__reduce_ex__"))  # fmt: skip


def reduce(value):
    """Ask pickle's question: what does an object consist of?"""
    return value.__reduce_ex__(4)


def short(key) -> str:
    """Return a key as an expression shows it."""
    text = repr(key)
    return text if len(text) < 60 else f"{text[:50]}..."


def a(value) -> str:
    """Return the kind of a value with its article."""
    name = type(value).__name__
    if name.endswith("Lock"):
        name = "lock"
    for kind, word in {io.IOBase: "file", types.ModuleType: "module"}.items():
        name = word if isinstance(value, kind) else name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
