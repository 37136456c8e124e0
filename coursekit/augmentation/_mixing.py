"""Mixup: rows blended with other rows, their labels in the same shares."""

from typing import Any

import keras
import numpy as np
from keras import ops

from coursekit._checks import count, number, require
from coursekit.augmentation._arrays import draws, like, to_tensor


def mixup(
    x: Any,
    y: Any,
    seed: int | keras.random.SeedGenerator,
    alpha: float = 0.2,
    num_classes: int | None = None,
) -> tuple[Any, Any]:
    """Blend each row with another row of the batch, and the labels with the same weight.

    ```
    partner = a random permutation of the batch;  share ~ Beta(alpha, alpha), one for each row
    x <- share * x + (1 - share) * x[partner]
    y <- share * y + (1 - share) * y[partner]
    ```

    `keras.layers.MixUp` (Keras 3.13 to 3.15) fails on integer labels, and its segmentation masks
    come back with the wrong rows and an axis too many. Here integer labels and integer masks are
    made one-hot first.

    Args:
        x: inputs of any shape (batch, ...).
        y: labels. Integers of shape (batch,), (batch, 1), or masks (batch, height, width) with or
            without a last axis of 1, need `num_classes`. Floats (one-hot labels, soft masks,
            targets of a regression) of any shape (batch, ...) are blended as they are.
        seed: an integer, or a `keras.random.SeedGenerator`.
        alpha: from 0.05 to a million. Small values blend few rows, 1 draws every share
            alike. Defaults to 0.2.
        num_classes: number of classes of integer labels; None for floats.

    Returns:
        The blended x, and the blended y: (batch, num_classes) for integer labels, (batch, height,
        width, num_classes) for integer masks, the shape of y for floats. Train on them with
        `CategoricalCrossentropy`.

    Raises:
        ValueError: for an `alpha` out of range, integer labels without `num_classes` or (in NumPy)
            outside of 0 to num_classes - 1, float labels with it, batches of different sizes.

    Numerics: for an alpha near 0 both gamma draws behind a share underflow in float32, and a row
    that should stay would be blended half and half: refused.

    Example:
        >>> x, y = mixup(np.eye(2), np.array([0, 1]), seed=1, alpha=1.0, num_classes=2)
        >>> bool(np.allclose(x, y)), y.sum(axis=1).round(2).tolist()
        (True, [1.0, 1.0])

    References:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, arXiv 1710.09412.
    """
    alpha = number("alpha", alpha, least=0.05, most=1e6)
    inputs, labels = to_tensor(x), _soft_labels(y, num_classes)
    shapes = {"x": tuple(inputs.shape), "y": tuple(labels.shape)}
    require(all(shapes.values()), "`x` and `y` must have a batch axis.", **shapes)
    if None not in (sizes := (inputs.shape[0], labels.shape[0])) and sizes[0] != sizes[1]:
        raise ValueError(
            "`x` and `y` must have the same number of rows. "
            f"Received: shapes {tuple(inputs.shape)} and {tuple(labels.shape)}"
        )
    rows = ops.shape(inputs)[0]
    for_partner, for_share = draws(seed, 2)
    partner = keras.random.shuffle(ops.arange(rows), seed=for_partner)
    share = keras.random.beta((rows,), alpha, alpha, seed=for_share)

    def blend(values):
        weight = ops.reshape(ops.cast(share, values.dtype), (-1,) + (1,) * (len(values.shape) - 1))
        return weight * values + (1 - weight) * ops.take(values, partner, axis=0)

    return like(blend(inputs), x), like(blend(labels), y)


def _soft_labels(y, num_classes):
    """Return floats: integer labels and masks as one-hot vectors along a last axis."""
    if not hasattr(y, "dtype"):
        y = np.asarray(y)
    if num_classes is not None:
        num_classes = count("num_classes", num_classes)
    if isinstance(y, np.ndarray) and y.dtype.kind not in "iuf":
        return to_tensor(y)  # refuses what is no number
    integers = keras.backend.is_int_dtype(keras.backend.standardize_dtype(y.dtype))
    if integers != (num_classes is not None):
        raise ValueError(
            "Integer labels need `num_classes`, and float labels take none. "
            f"Received: num_classes={num_classes} with labels of {y.dtype}"
        )
    if not integers:
        return to_tensor(y)
    if isinstance(y, np.ndarray) and y.size and not 0 <= y.min() <= y.max() < num_classes:
        raise ValueError(
            f"Labels must lie in 0 to {num_classes - 1}, by num_classes={num_classes}. "
            f"Received: labels from {y.min()} to {y.max()}"
        )
    labels = ops.convert_to_tensor(y)
    if len(labels.shape) > 1 and labels.shape[-1] == 1:
        labels = ops.squeeze(labels, -1)
    return ops.one_hot(labels, num_classes, dtype=keras.config.floatx())
