"""Optimizers inside of optimizers."""

import keras


def parts_of(optimizer: keras.optimizers.Optimizer) -> list:
    """Return an optimizer and those inside of it, of a loss scaler or a `MultiOptimizer`."""
    inner = getattr(optimizer, "inner_optimizer", None)
    members = getattr(optimizer, "_inner_optimizers", [])  # Keras 3.15 has no public name for them
    return [optimizer, *([inner] if inner else []), *members]
