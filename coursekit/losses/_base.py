"""What every loss of this package shares: the class around a function, and what tensors may be.

A loss is a pure function that returns one value per example, computed in at least float32, and a
class that adds Keras's reduction, weights and masks to it.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask  # Keras exports no other way to them

from coursekit._checks import one_of, refuse_masked, require

# A tensor of the backend, or what becomes one: an array, a list.
Tensor = Any

# A logit that no softmax sees and no sum overflows with; minus infinity would make 0 * inf.
HIDDEN = -1e30

REDUCTIONS = "sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None

register = keras.saving.register_keras_serializable("coursekit")


def loss_function(fn: Callable) -> Callable:
    """Register a function of `(y_true, y_pred, ...)` as a loss, which saved models find by name.

    A Keras mask that its values cannot be multiplied with is refused: Keras would spread it along
    the wrong axis. The class of the pair takes such a mask.
    """

    @functools.wraps(fn)
    def checked(y_true, y_pred, *args, **kwargs):
        if kwargs.get("from_logits") is True:
            refuse_probabilities(y_pred)
        values = fn(y_true, y_pred, *args, **kwargs)
        refuse_mask(fn.__name__, get_keras_mask(y_pred), values)
        return values

    return register(checked)


class PerExampleLoss(keras.losses.Loss):
    """The class around a function: Keras's reduction, sample weights and masks, and its cures.

    Keras casts labels to the dtype of the loss, so that class 257 becomes 256 in bfloat16; here
    integers stay integers. Keras leaves `dtype` out of the config; here it is saved with the rest.
    Keras multiplies masks and weights with values whose axes are others; here they are refused.
    What is masked or has the weight 0 is left out, also where it is infinite.

    Args:
        fn: `fn(y_true, y_pred, **arguments)`, returns one value per example (or per label).
        arguments: the arguments of `fn`, saved in the config: numbers, strings, lists, None.
        reduction: as in `keras.losses.Loss`.
        name: as in `keras.losses.Loss`.
        dtype: as in `keras.losses.Loss`. Whatever it is, the values are computed in at least
            float32.
    """

    def __init__(
        self,
        fn: Callable,
        arguments: dict[str, Any],
        reduction: str | None,
        name: str | None,
        dtype: Any,
    ):
        reduction = one_of("reduction", reduction, REDUCTIONS)
        require(name is None or isinstance(name, str), "`name` must be a word or None.", name=name)
        super().__init__(name=name, reduction=reduction, dtype=_float_type(dtype))
        self.fn = fn
        self.arguments = arguments

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None):
        """Return one number, the mean of the values over the batch; the values, if not reduced."""
        if self.from_logits:
            refuse_probabilities(y_pred)
        mask = get_keras_mask(y_pred)
        y_pred = tensor("y_pred", y_pred)
        if mask is not None:
            y_pred = ops.copy(y_pred)  # which has none
        return _Call(self, y_true, mask, sample_weight)(0.0, y_pred, sample_weight)

    @property
    def from_logits(self) -> bool | None:
        """Whether the predictions are logits; None where the loss takes neither."""
        return self.arguments.get("from_logits")

    def call(self, y_true: Tensor, y_pred: Tensor):
        """Return the values of the function, one per example."""
        return self.fn(y_true, y_pred, **self.arguments)

    def call_masked(self, y_true: Tensor, y_pred: Tensor, mask: Tensor):
        """Return the values, and the mask that they are still to be multiplied with."""
        return self.call(y_true, y_pred), mask

    def get_config(self) -> dict:
        """Return the arguments that make an equal loss."""
        return {**super().get_config(), "dtype": self.dtype, **self.arguments}


def _float_type(dtype):
    """Return a `dtype` in which a loss can be computed."""
    if dtype is None:
        return None
    policy = dtype
    try:
        if not isinstance(dtype, keras.DTypePolicy):
            word = dtype if isinstance(dtype, str) else keras.backend.standardize_dtype(dtype)
            policy = keras.DTypePolicy(word)
        holds = "float" in policy.compute_dtype
    except (TypeError, ValueError):
        holds = False
    require(holds, "`dtype` must be the name of a float dtype or None.", dtype=dtype)
    return dtype


class _Call(keras.losses.Loss):
    """One call of a loss: hands the labels past the cast of `keras.losses.Loss.__call__`."""

    def __init__(self, loss: PerExampleLoss, y_true, mask, sample_weight):
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.y_true, self.mask = loss, y_true, mask
        self.sample_weight = sample_weight

    def call(self, y_true, y_pred):
        mask = self.mask
        if mask is None:
            values = self.loss.call(self.y_true, y_pred)
        else:
            values, mask = self.loss.call_masked(self.y_true, y_pred, mask)
        counting = get_keras_mask(values)
        if mask is not None:
            refuse_mask(self.name, mask, values, deeper=True)
            mask = ops.reshape(mask, (*ops.shape(mask), *[1] * (_rank(values) - _rank(mask))))
            mask = ops.broadcast_to(ops.cast(mask, "bool"), ops.shape(values))
            values = ops.where(mask, values, 0.0)
            counting = mask if counting is None else counting & mask
        if self.sample_weight is not None:
            values = self._without_weightless(values)
        if counting is not None:
            set_keras_mask(values, counting)
        return values

    def _without_weightless(self, values):
        """Set what has the weight 0 to 0, and refuse weights that fit no value."""
        weights, rank = tensor("sample_weight", self.sample_weight), _rank(values)
        shape, wanted = tuple(weights.shape), tuple(values.shape)
        if len(shape) == rank + 1 and shape[-1] == 1:
            weights = ops.squeeze(weights, -1)
        elif len(shape) == rank - 1 and shape and wanted[-1] == 1:
            weights = ops.expand_dims(weights, -1)
        sizes = tuple(weights.shape)
        fits = sizes == () or (
            len(sizes) == rank
            and all(a == 1 or None in (a, b) or a == b for a, b in zip(sizes, wanted, strict=True))
        )
        way_out = "Keras would spread it along the wrong axis"
        if 0 < len(shape) < rank and sizes_fit(shape, wanted[: len(shape)]):
            axes = ["batch", *map(str, shape[1:]), *["1"] * (rank - len(shape))]
            way_out += f". For one weight that counts for all of them: shape ({', '.join(axes)})"
        require(
            fits,
            f"`sample_weight` must have one weight for each value of the loss `{self.name}`, "
            f"whose shape is {wanted}.",
            way_out,
            shape=shape,
        )
        return ops.where(ops.equal(weights, 0), 0.0, values)


def refuse_probabilities(y_pred: Tensor) -> None:
    """Refuse what a softmax or sigmoid of Keras has made, in the place of logits.

    TensorFlow's tensors tell; the numbers alone do not, for logits may lie from 0 to 1 too.
    """
    require(
        getattr(y_pred, "_keras_logits", None) is None,
        "With `from_logits=True` `y_pred` must hold logits.",
        "Take the activation away, or set `from_logits=False`",
        y_pred="the output of a softmax or sigmoid",
    )


def refuse_mask(
    name: str, mask: Tensor, values: Tensor, deeper: bool = False, what: str = "values"
) -> None:
    """Refuse a Keras mask that has other axes than the values (`deeper`: than their first ones)."""
    if mask is None:
        return
    of_mask, of_values = tuple(mask.shape), tuple(values.shape)
    require(
        sizes_fit(of_mask, of_values[: len(of_mask)] if deeper else of_values),
        "The mask on the predictions (from `mask_zero` or `Masking`) must have the shape of the "
        f"{what} of the loss `{name}`, which is {of_values}.",
        "Take the mask off, give what it masks a label of its own, and name that in the loss's "
        "`ignore_class`",
        mask=of_mask,
    )


def sizes_fit(shape: tuple, wanted: tuple) -> bool:
    """Whether two shapes agree in every size that is known of both."""
    if len(shape) != len(wanted):
        return False
    return all(None in (a, b) or a == b for a, b in zip(shape, wanted, strict=True))


def shape_of(name: str, values: Tensor) -> tuple:
    """Return the shape of a tensor, an array or nested lists, or refuse by name."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    try:
        return np.shape(values)
    except ValueError:
        rule = f"`{name}` must be an array of real numbers, with rows of equal length."
        require(False, rule, **{name: values})
        raise


def alike(a: Tensor, b: Tensor) -> tuple:
    """Return two tensors of floats in the wider of their dtypes."""
    dtype = keras.backend.result_type(a.dtype, b.dtype)
    return ops.cast(a, dtype), ops.cast(b, dtype)


def tensor(name: str, values: Tensor):
    """Return a tensor of real numbers, or refuse by name."""
    received = {"shape": getattr(values, "shape", None), "dtype": getattr(values, "dtype", None)}
    if not hasattr(values, "dtype"):
        received = {name: values}
    dtype = "none"
    refuse_masked(name, values)
    if values is not None:  # which JAX may take for NaN
        with contextlib.suppress(TypeError, ValueError):
            values = ops.convert_to_tensor(values)
            dtype = keras.backend.standardize_dtype(values.dtype)
    real = dtype == "bool" or dtype.startswith(("float", "bfloat", "int", "uint"))
    real = real and not dtype.startswith("float8")  # with which nothing can be computed
    require(real, f"`{name}` must be an array of real numbers.", **received)
    return values


def floats(y_pred: Tensor, name: str = "y_pred"):
    """Return predictions as a tensor of at least float32: sums in half precision overflow."""
    y_pred = tensor(name, y_pred)
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    return y_pred if dtype in ("float32", "float64") else ops.cast(y_pred, "float32")


def seen(values: Tensor) -> np.ndarray | None:
    """Return values as NumPy has them, None while a program is traced and there are none."""
    try:
        return np.asarray(values)
    except (NotImplementedError, TypeError, ValueError, AttributeError, RuntimeError):
        return None


def times(weight: Tensor, values: Tensor):
    """Return `weight * values`, 0 where the weight is 0, also of what is infinite."""
    return ops.where(ops.equal(weight, 0), 0.0, weight * values)


def _rank(values) -> int:
    return len(values.shape)
