"""What every loss of this package shares: the class around a function, and the checks of arguments.

A loss is a pure function that returns one value per example, computed in at least float32, and a
class that adds Keras's reduction, weights and masks to it.
"""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from coursekit._checks import is_number, require

# A logit that no softmax sees and no sum overflows with; minus infinity would make 0 * inf.
HIDDEN = -1e30

register = keras.saving.register_keras_serializable("coursekit")


class PerExampleLoss(keras.losses.Loss):
    """The class around a function: Keras's reduction, sample weights and masks, and two cures.

    Keras casts labels to the dtype of the loss, so that class 257 becomes 256 in bfloat16; here
    integers stay integers. Keras leaves `dtype` out of the config; here it is saved with the rest.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)`, returns one value per example (or per label).
        reduction, name, dtype: as in `keras.losses.Loss`. Whatever `dtype` is, the values are
            computed in at least float32.
        **kwargs: the arguments of `fn`, saved in the config: numbers, strings, lists, None.
    """

    def __init__(self, fn: Callable, reduction, name, dtype, **kwargs):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self.arguments = kwargs

    def __call__(self, y_true, y_pred, sample_weight=None):
        return _WithLabels(self, y_true, sample_weight)(0.0, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        """Return the values of the function, one per example."""
        return self.fn(y_true, y_pred, **self.arguments)

    def get_config(self) -> dict:
        """Return the arguments that make an equal loss."""
        return {**super().get_config(), "dtype": self.dtype, **self.arguments}


class _WithLabels(keras.losses.Loss):
    """One call of a loss: hands the labels past the cast of `keras.losses.Loss.__call__`."""

    def __init__(self, loss: PerExampleLoss, y_true, sample_weight):
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.y_true, self.sample_weight = loss, y_true, sample_weight

    def call(self, y_true, y_pred):
        values = self.loss.call(ops.convert_to_tensor(self.y_true), y_pred)
        if self.sample_weight is not None:
            weights, rank = (
                tuple(ops.convert_to_tensor(self.sample_weight).shape),
                len(values.shape),
            )
            fits = len(weights) in (0, rank) or weights[rank:] == (1,)
            fits = fits or (len(weights) == rank - 1 and values.shape[-1] == 1)
            require(
                fits,
                f"`sample_weight` must have one weight for each value of the loss `{self.name}`, "
                f"whose shape is {tuple(values.shape)}.",
                "Keras would spread it along the wrong axis",
                shape=weights,
            )
        return values


def floats(y_pred):
    """Return predictions as a tensor of at least float32: sums in half precision overflow."""
    y_pred = ops.convert_to_tensor(y_pred)
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    return y_pred if dtype in ("float32", "float64") else ops.cast(y_pred, "float32")


def is_numbers(values) -> bool:
    """Whether a hyperparameter is a sequence of finite numbers, not empty."""
    values = values.tolist() if hasattr(values, "tolist") else values
    sequence = isinstance(values, Sequence) and not isinstance(values, str)
    return sequence and len(values) > 0 and all(is_number(v) for v in values)
