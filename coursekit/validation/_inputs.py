"""Rows as Keras takes them: arrays, tables, text, dicts of these; what is not finite is told."""

import numbers as kinds

import numpy as np

from coursekit._checks import brief, refuse_masked
from coursekit._disk import OnDisk, blocks, mapping_of, placed, rows_not_finite
from coursekit._spool import is_py_dataset, written

TEXT_WAY_OUT = (
    "Encode and scale the columns in `preprocess`, for example with scikit-learn's "
    "make_column_transformer; or let the model take text, by keras.Input((1,), "
    'dtype="string") and a TextVectorization or StringLookup layer.'
)
ROWS_WAY_OUT = (
    "A tf.data.Dataset or a generator cannot be split by rows. Of one that does not fit into "
    "memory write the rows into a file, batch by batch: rows = np.lib.format.open_memmap("
    '"x.npy", "w+", dtype, shape), rows[start:end] = batch; and pass '
    'np.load("x.npy", mmap_mode="r").'
)


class Ragged(Exception):
    """Preprocessing gives another number of columns in each fold, as PCA(0.95) does."""


def of_dataset(x, y, fit_kwargs):
    """Return x, y and `fit_kwargs`; in the place of a `PyDataset` its rows, written into files."""
    if not is_py_dataset(x):
        return x, y, fit_kwargs
    given = fit_kwargs.get("sample_weight") if isinstance(fit_kwargs, dict) else None
    x, y, weights = written(x, y=y, sample_weight=given)
    if weights is not None and isinstance(fit_kwargs, dict | None):
        fit_kwargs = {**(fit_kwargs or {}), "sample_weight": weights}
    return x, y, fit_kwargs


def as_inputs(x):
    """Return x as an array, a table or a dict of arrays; what lies on disk stays there."""
    if hasattr(x, "iloc"):
        return x.to_frame() if x.ndim == 1 else x
    if isinstance(x, dict) and x:
        x = {name: _one_input(value, f"x[{name!r}]") for name, value in x.items()}
        if len({len(a) for a in x.values()}) != 1:
            raise ValueError(
                "The arrays of `x` must have the same rows. Received: shapes "
                f"{[a.shape for a in x.values()]}"
            )
        return x
    return _one_input(x, "x")


def _one_input(x, name: str):
    if isinstance(x, OnDisk):
        return x
    if hasattr(x, "toarray"):
        raise TypeError(
            f"`{name}` must be dense: Keras trains on no sparse matrix. Received: "
            f"{type(x).__name__} of shape {x.shape}. Pass {name}.toarray()."
        )
    if isinstance(x, list | tuple) and x:
        if np.ndim(x[0]) > 1 and hasattr(x[0], "__array__"):
            raise TypeError(
                f"`{name}` must be one array, or a dict of arrays where the model has several "
                f"inputs. Received: a {type(x).__name__} of {len(x)} arrays, the first of shape "
                f'{np.shape(x[0])}. Name them as the model does: {{"a": first, "b": second}}; of '
                "rows make one array, np.stack(x)."
            )
        try:
            x = np.asarray(x)
        except ValueError:  # rows of different lengths
            x = None
        if x is None or x.dtype.kind not in "biufUO":
            raise TypeError(
                f"`{name}`, a list, must hold rows of equal length, of numbers or text. Received: "
                "rows that differ. Pad them, for example with keras.utils.pad_sequences."
            )
    if hasattr(x, "__array__"):
        x = column(x, name)
        if x.ndim > 1 and 0 in x.shape[1:]:
            raise ValueError(
                f"`{name}` must have values in each row. Received: an array of shape {x.shape}"
            )
        if x.ndim:
            return placed(x)
    raise TypeError(
        f"`{name}` must be a NumPy array, a DataFrame, a list of rows or a dict of arrays, with a "
        f"row an example. Received: {type(x).__name__}. {ROWS_WAY_OUT}"
    )


def column(values, name: str) -> np.ndarray:
    """Return an array; pandas' nullable numbers become plain ones, and what is missing NaN."""
    refuse_masked(name, values)
    dtype = getattr(values, "dtype", None)
    if not hasattr(values, "isna") or isinstance(dtype, np.dtype):
        return np.asarray(values)
    from pandas.api import types

    if not types.is_numeric_dtype(dtype):  # text, categories, dates
        return np.asarray(values)
    if values.isna().any():
        return values.to_numpy("float64", na_value=np.nan)
    kind = "int64" if types.is_integer_dtype(dtype) else "float64"
    return values.to_numpy("bool" if types.is_bool_dtype(dtype) else kind)


def rows_of(x) -> int:
    """Return the number of rows."""
    while isinstance(x, dict | list | tuple):
        x = next(iter(x.values() if isinstance(x, dict) else x))
    return x.shape[0]


def rows_of_both(x, y) -> int:
    """Return the number of rows of x, which y must have too."""
    size = rows_of(x)
    for name, one in y.items() if isinstance(y, dict) else [("", y)]:
        if one.ndim == 0 or len(one) != size or not size:
            raise ValueError(
                "`x` and `y` must have the same rows, at least one. "
                f"Received: {size} rows in `x`, `y{f'[{name!r}]' if name else ''}` of shape "
                f"{one.shape}"
                + (
                    f". Of several outputs make a dict by name: {{{'name'!r}: y[0], ...}}"
                    if one.ndim == 2 and not name and one.shape[1] == size
                    else ""
                )
            )
    return size


def chosen(x, rows: np.ndarray):
    """As `take`, for as many rows as there may be: what lies on disk stays there."""
    import keras

    if hasattr(x, "iloc"):
        return x.iloc[rows]
    return keras.tree.map_structure(
        lambda a: a.chosen(rows) if isinstance(a, OnDisk) else a[rows], x
    )


def in_memory(x):
    """Return x with what lies on disk as NumPy's arrays: mapped ones, where no type is changed."""
    import keras

    if hasattr(x, "iloc"):
        return x
    return keras.tree.map_structure(lambda a: np.asarray(a) if isinstance(a, OnDisk) else a, x)


def take(x, rows: np.ndarray):
    """Return some rows of an array, a table, or a structure of arrays."""
    import keras

    if hasattr(x, "iloc"):
        return x.iloc[rows]
    return keras.tree.map_structure(lambda a: a[rows], x)


def join(xs: list):
    """Put preprocessed arrays end to end."""
    import keras

    if len(xs) == 1:
        return xs[0]
    try:
        return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *xs)
    except ValueError:
        raise Ragged from None


def shapes(x) -> str:
    """Write the dtypes and shapes of an input, or of a structure of inputs."""
    import keras

    return str(keras.tree.map_structure(lambda a: f"{a.dtype} of shape {a.shape}", x))


def numbers(x, text: bool = False):
    """Return x, or what preprocessing made of it, as arrays that Keras takes.

    Args:
        x: an array, a table, a sparse matrix, or a structure of these.
        text: whether the model takes text.
    """
    import keras

    def convert(a):
        return _plain(a, text)

    if hasattr(x, "iloc") or hasattr(x, "toarray"):
        return convert(x)
    return keras.tree.map_structure(convert, x)


def _plain(a, text: bool):
    import keras

    if isinstance(a, OnDisk):
        wide = a.dtype.name == "bfloat16" or (a.dtype.kind == "f" and a.dtype.itemsize >= 8)
        return a.astype(keras.config.floatx()) if wide else a
    if hasattr(a, "toarray"):
        a = a.toarray()
    elif (hasattr(a, "iloc") and a.ndim == 2 and len({*a.dtypes}) != 1) or _nullable(a):
        columns = [column(a.iloc[:, k], "x") for k in range(a.shape[1])]
        a = np.stack([c if c.dtype.kind in "biuf" else c.astype(object) for c in columns], axis=1)
    else:
        a = column(a, "x")
    if a.dtype.kind == "O":
        a = _from_objects(a)
    if a.dtype.kind in "OUS" and text:
        return a.astype(object)
    half = a.dtype.name == "bfloat16"  # which NumPy counts among no kind
    if a.dtype.kind not in "biuf" and not half:
        raise TypeError(
            f"The model must get numbers. Received: {a.dtype}, such as {_sample(a)}. {TEXT_WAY_OUT}"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is told by `not_finite`
        wide = half or (a.dtype.kind == "f" and a.dtype.itemsize >= 8)
        return a.astype(keras.config.floatx()) if wide else a


def _nullable(table) -> bool:
    dtypes = getattr(table, "dtypes", None) if getattr(table, "ndim", 0) == 2 else None
    return dtypes is not None and not all(isinstance(dtype, np.dtype) for dtype in dtypes)


def _from_objects(a: np.ndarray) -> np.ndarray:
    """Objects that are numbers, or missing, become numbers; text and anything else stays."""
    flat = a.ravel()
    missing = [v is None or type(v).__name__ == "NAType" for v in flat]
    real = [isinstance(v, kinds.Number | np.bool_) and not isinstance(v, complex) for v in flat]
    if not any(real) or not all(m or r for m, r in zip(missing, real, strict=True)):
        return a
    values = [np.nan if m else float(v) for m, v in zip(missing, flat, strict=True)]
    return np.array(values).reshape(a.shape)


def _sample(a: np.ndarray) -> str:
    """The first value that is no number."""
    if not a.size:
        return "nothing"
    odd = (v for v in a.ravel() if not isinstance(v, kinds.Number | np.bool_))
    return repr(str(next(odd, a.ravel()[0]))[:60])


def as_targets(y):
    """Return y as an array of numbers, or a dict of such arrays, checked."""
    if isinstance(y, dict):
        if not y:
            raise ValueError("`y` must hold targets. Received: an empty dict.")
        return {str(name): one_target(values, f"y[{name!r}]") for name, values in y.items()}
    return one_target(y, "y")


def one_target(y, name: str) -> np.ndarray:
    """Return targets as an array of finite numbers, a row an example."""
    import keras

    if y is None:
        raise TypeError(f"`{name}` must hold the targets, one a row. Received: None")
    if hasattr(y, "toarray"):
        raise TypeError(
            f"`{name}` must be dense. Received: {type(y).__name__} of shape {y.shape}. "
            f"Pass {name}.toarray()."
        )
    refuse_masked(name, y)
    try:
        y = _plain_targets(y, name)
    except ValueError:
        raise TypeError(
            f"`{name}` must be one array, or a dict of arrays for a model with several outputs. "
            f"Received: a {type(y).__name__} whose rows differ in length."
        ) from None
    if y.ndim == 0:
        rule = f"`{name}` must hold the targets, one a row."
        raise ValueError(f"{rule} Received: {brief(y[()], 80)}, of shape ()")
    if 0 in y.shape[1:]:
        raise ValueError(
            f"`{name}` must have values in each row. Received: an array of shape {y.shape}"
        )
    if y.dtype.kind in "mM":
        raise TypeError(
            f"`{name}` must hold numbers. Received: {y.dtype}. Of times take how long they are "
            f"after the first: ({name} - {name}.min()) / np.timedelta64(1, 'D')."
        )
    if y.dtype.kind not in "biuf":
        raise TypeError(
            f"`{name}` must hold numbers; Keras cannot train on anything else. Received: "
            f"{y.dtype}, such as {_sample(y)}. Of class names take their numbers: "
            f"pd.factorize({name})[0], or scikit-learn's LabelEncoder."
        )
    with np.errstate(over="ignore"):
        held = y.astype(keras.config.floatx()) if y.dtype.kind == "f" else y
    found = not_finite(held)
    if found is not None:
        raise ValueError(
            f"`{name}` must be finite. Received: {found.many}, the first in "
            f"row {found.row}: {found.value}. Leave these rows out."
        )
    return y.astype("int64") if y.dtype.kind == "b" else y


def _plain_targets(y, name: str) -> np.ndarray:
    if hasattr(y, "iloc") and y.ndim == 2 and y.shape[1]:
        y = np.stack([column(y.iloc[:, k], name) for k in range(y.shape[1])], axis=1)
    y = column(y, name)
    if y.ndim and mapping_of(y) is not None:  # splitters and scorers see all of it
        y = OnDisk(y)[:]
    return _from_objects(y) if y.dtype.kind == "O" else y


def numeric(values, name: str) -> np.ndarray:
    """Return an array of real numbers; objects that are numbers, or missing, become numbers."""
    refuse_masked(name, values)
    try:
        found = column(values, name)
    except ValueError:
        raise TypeError(
            f"`{name}` must be an array. Received: a {type(values).__name__} whose rows differ in "
            "length"
        ) from None
    found = _from_objects(found) if found.dtype.kind == "O" else found
    if found.dtype.kind not in "biuf":
        of = f"{found.dtype}, such as {_sample(found)}" if found.ndim else brief(values, 80)
        raise TypeError(f"`{name}` must hold numbers. Received: {of}")
    return found


class NotFinite:
    """Cells that are NaN or infinite.

    Attributes:
        count: how many.
        many: the same in words.
        row: the first row that has one.
        column: its column there.
        value: what stands there, and in which column, in words.
        rows: all rows that have one.
    """

    def __init__(self, a, rows: np.ndarray, name: str):
        self.rows, self.row = rows, int(rows[0])
        some = chosen(a, rows)
        self.count = sum(int((~np.isfinite(block)).sum()) for _, block in blocks(some))
        self.many = (
            "1 value that is not" if self.count == 1 else f"{self.count} values that are not"
        )
        first = some[:1][0]
        place = np.argwhere(~np.isfinite(first))[0]
        self.column = int(place[0]) if len(place) else 0
        where = f" in column {', '.join(map(str, place))}" if len(place) else ""
        self.value = f"{first[tuple(place)]}{where}{f' of {name!r}' if name else ''}"
        if np.isinf(first[tuple(place)]):
            self.value += f" (as {a.dtype})"


def not_finite(x) -> NotFinite | None:
    """Return what is not finite in an array or a structure of arrays, or None."""
    import keras

    for path, a in keras.tree.flatten_with_path(x):
        if a.dtype.kind == "f" or a.dtype.name == "bfloat16":
            rows = rows_not_finite(a)
            if len(rows):
                return NotFinite(a, rows, ".".join(map(str, path)))
    return None
