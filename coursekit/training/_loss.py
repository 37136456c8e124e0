"""A loss as `compile` takes it, called as `fit` calls it."""

from collections.abc import Callable

import keras
import numpy as np

from coursekit._checks import brief


class _Function(keras.losses.Loss):
    """The mean of a function's values, of targets and outputs of the same rank.

    `fit` wraps a function so (Keras's own wrapper is private): where one of the two has a last axis
    of 1 more than the other, it is brought to the same rank. Without that (n,) and (n, 1) would be
    broadcast to (n, n).
    """

    def __init__(self, function: Callable):
        super().__init__(name="loss")  # TensorFlow takes no name such as "<lambda>"
        self.function = function

    def call(self, y_true, y_pred):
        """Return the function's values."""
        return self.function(*_same_rank(y_true, y_pred))


def _same_rank(a, b):
    ranks = len(a.shape), len(b.shape)
    if ranks[1] == ranks[0] + 1 and b.shape[-1] == 1:
        return (a[:, None], b) if ranks[0] == 1 else (a, keras.ops.squeeze(b, -1))
    if ranks[0] == ranks[1] + 1 and a.shape[-1] == 1:
        return (a, b[:, None]) if ranks[1] == 1 else (keras.ops.squeeze(a, -1), b)
    return a, b


def checked_loss(loss_fn: str | Callable) -> keras.losses.Loss:
    """Return a loss that is called as `fit` calls it.

    Raises:
        ValueError: for what is no loss.
    """
    try:
        found = keras.losses.get(loss_fn)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise ValueError(
            "`loss_fn` must be a Keras loss, a function of (y_true, y_pred), or a loss's name. "
            f"Received: loss_fn={brief(loss_fn)}"
        )
    return found if isinstance(found, keras.losses.Loss) else _Function(found)


def check_shapes(loss_fn: keras.losses.Loss, y_true, y_pred) -> None:
    """Refuse a loss that makes something else of (n,) and (n, 1) than of two of the same rank.

    A `Loss` of one's own that subtracts them computes n * n differences, in `fit` too, and learns
    the mean of the targets.
    """
    shapes = tuple(y_true.shape), tuple(getattr(y_pred, "shape", ()))
    same = _same_rank(y_true, y_pred) if all(shapes) else (y_true, y_pred)
    if tuple(tuple(one.shape) for one in same) == shapes:
        return
    value, wanted = (float(np.mean(loss_fn(*pair))) for pair in ((y_true, y_pred), same))
    if not np.isclose(value, wanted, rtol=1e-3, equal_nan=True):
        raise ValueError(
            "Targets and outputs must have the same shape for this loss, which broadcasts them. "
            f"Received: targets of shape {shapes[0]}, outputs of shape {shapes[1]}: a loss of "
            f"{value:.4g}, which of the same shape is {wanted:.4g}. Pass y[:, None] as targets."
        )
