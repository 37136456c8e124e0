"""Optimizers inside of optimizers."""


def parts_of(optimizer) -> list:
    """Return an optimizer and those inside of it, of a loss scaler or a `MultiOptimizer`."""
    inner = getattr(optimizer, "inner_optimizer", None)
    members = getattr(optimizer, "_inner_optimizers", [])
    return [optimizer, *([inner] if inner else []), *members]
