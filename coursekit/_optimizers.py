"""Optimizers inside of optimizers, and the scale of a loss scaler."""

import keras
from keras import ops

MIN_SCALE, MAX_SCALE = 1.0, 2.0**24


def parts_of(optimizer: keras.optimizers.Optimizer) -> list:
    """Return an optimizer and those inside of it, of a loss scaler or a `MultiOptimizer`."""
    inner = getattr(optimizer, "inner_optimizer", None)
    members = getattr(optimizer, "_inner_optimizers", [])  # Keras 3.15 has no public name for them
    return [optimizer, *([inner] if inner else []), *members]


def bound_scale(optimizer: keras.optimizers.LossScaleOptimizer) -> None:
    """Put the scale of a loss scaler, also Keras's own, back into its bounds."""
    optimizer.dynamic_scale.assign(bounded(optimizer, optimizer.dynamic_scale))


def bounded(optimizer, scale):
    """Return a scale within the bounds of a loss scaler."""
    first = optimizer.initial_scale
    low = getattr(optimizer, "min_scale", min(MIN_SCALE, first))
    high = getattr(optimizer, "max_scale", max(MAX_SCALE, first))
    return ops.clip(scale, low, high)
