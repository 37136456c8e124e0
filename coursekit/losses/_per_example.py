"""A loss of your own that is right on every number of devices, or says why it is not."""

import functools
from collections.abc import Callable

import keras
from keras import ops

from coursekit._checks import brief, require
from coursekit.losses._base import get_keras_mask, refuse_mask, sizes_fit


def per_example(fn: Callable) -> Callable:
    """Check that a loss function returns one value per example, whenever it is called.

    ```python
    @losses.per_example
    def squared_error(y_true, y_pred):
        return ops.mean((y_true - y_pred) ** 2, axis=-1)   # one mean per row, not over the rows

    model.compile("adam", loss=squared_error)
    ```

    A loss that averages over the batch itself trains well on one device. On two replicas Keras has
    nothing left to average, so the gradients and the reported loss are those of a sum: twice too
    large, and nothing says so. Keras averages per-example values correctly over all replicas.

    Args:
        fn: `fn(y_true, y_pred)`, and any arguments more that have defaults.

    Returns:
        A function of the same name and arguments. It works in `compile` and is saved with a model
        as any function is: by name. Put `@keras.saving.register_keras_serializable()` above this
        decorator and import the function before you load the model, or name it in
        `load_model(path, custom_objects={"my_loss": my_loss})`.

    Raises:
        ValueError: when it is called, in `fit` while the first step is traced and so before any
            weight has changed: if `fn` returns one number for the whole batch, or values that are
            not as many as the examples; if labels have another number of rows; if a Keras mask
            (`mask_zero`, `Masking`) has axes that the values do not have. (A mask on predictions of
            another dtype than the loss's is lost in Keras's cast, and cannot be seen.) Values that
            are, and still depend on other rows (a mean of the batch subtracted, for example),
            cannot be told from outside.

    Example:
        >>> from keras import ops
        >>> @per_example
        ... def absolute(y_true, y_pred):
        ...     return ops.mean(ops.abs(y_true - y_pred))
        >>> absolute(ops.zeros((4, 2)), ops.ones((4, 2)))
        Traceback (most recent call last):
        ValueError: `absolute` returns one number for the whole batch; return one value per \
example. Received: a result of shape (), for predictions of shape (4, 2). Reduce over the other \
axes only: `ops.mean(..., axis=-1)`.
    """
    if isinstance(fn, (keras.losses.Loss, type)) or not callable(fn):
        raise ValueError(
            f"`fn` must be a function of (y_true, y_pred). Received: fn={brief(fn)}. "
            "Decorate the function that computes the values."
        )
    name = getattr(fn, "__name__", repr(fn))

    @functools.wraps(fn)
    def checked(y_true, y_pred, *args, **kwargs):
        mask = get_keras_mask(y_pred)
        y_true, y_pred = _aligned(name, y_true, y_pred)
        values = ops.convert_to_tensor(fn(y_true, y_pred, *args, **kwargs))
        shape, given = tuple(values.shape), _first(y_pred)
        if shape == ():
            problem = "returns one number for the whole batch; return one value per example"
        elif shape[0] != given[0]:
            problem = "returns values that do not follow the batch; return one value per example"
        else:
            refuse_mask(name, mask, values)
            return values
        raise ValueError(
            f"`{name}` {problem}. Received: a result of shape {shape}, for predictions of shape "
            f"{given}. Reduce over the other axes only: `ops.mean(..., axis=-1)`."
        )

    return checked


def _aligned(name, y_true, y_pred):
    """Give (n,) and (n, 1) one rank, as `fit` does: as they are they broadcast to (n, n)."""
    y_true, y_pred = _arrays(y_true), _arrays(y_pred)
    if not (hasattr(y_true, "shape") and hasattr(y_pred, "shape")):
        return y_true, y_pred
    given, wanted = tuple(y_true.shape), tuple(y_pred.shape)
    require(
        sizes_fit(given[:1], wanted[:1]),
        f"`{name}` must get one row of labels for each row of predictions.",
        y_true=given,
        y_pred=wanted,
    )
    if len(wanted) == len(given) + 1 and wanted[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    elif len(wanted) == 1 and given[1:] == (1,):
        y_pred = ops.expand_dims(y_pred, -1)
    elif len(given) == len(wanted) + 1 and given[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return y_true, y_pred


def _arrays(values):
    """Make a tensor of plain numbers; several outputs, which hold arrays, stay as they are."""
    parts = keras.tree.flatten(values)
    plain = any(part is not None and len(getattr(part, "shape", ())) == 0 for part in parts)
    return ops.convert_to_tensor(values) if plain else values


def _first(values) -> tuple:
    return tuple(keras.tree.flatten(values)[0].shape)
