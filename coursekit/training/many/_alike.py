"""Which models can share one traced program: same layers, loss, metrics and optimizer."""

from coursekit._fingerprint import Untold
from coursekit._fingerprint import fingerprint as recipe_of

GAN = "coursekit.training._gan"


class Unlike(Exception):
    """Raised where a model cannot share a program, with the reason."""


def fingerprint(model) -> str:
    """Return a string that is the same for models which one program can train.

    It covers everything that the trace of a training step depends on. Values of variables, names
    and seeds are left out, because they are state. What cannot be compared raises `Unlike`.
    """
    if not _from_keras(type(model)):
        raise Unlike(f"{type(model).__name__} is not Keras's own class")
    layers = list(model._flatten_layers(include_self=False))
    layers += _operations(model, layers)
    for layer in layers:
        if not _from_keras(type(layer)):
            raise Unlike(f"the layer {type(layer).__name__} is not Keras's own")
    optimizer = model.optimizer
    reason = _unfit_optimizer(optimizer)
    if reason:
        raise Unlike(reason)
    decays, inner = None, getattr(optimizer, "inner_optimizer", optimizer)
    if inner.weight_decay is not None:
        decays = [inner._use_weight_decay(v) for v in model.trainable_variables]
    try:
        return recipe_of({"model": model, "decays": decays}, "model", program=True)
    except Untold as error:
        raise Unlike(str(error)) from None


def _operations(model, layers) -> list:
    """Return what a functional model has beside layers: `h + x`, `keras.ops.mean(h)`."""
    import keras

    found = [op for part in (model, *layers) for op in getattr(part, "operations", ())]
    return [op for op in found if not isinstance(op, keras.Layer)]


def _from_keras(kind) -> bool:
    """Whether a class is Keras's own, or of ours with nothing that a fingerprint does not see."""
    return kind.__module__.split(".")[0] == "keras" or kind.__module__ == GAN


def _unfit_optimizer(optimizer) -> str:
    import keras

    kind, base = type(optimizer), keras.optimizers.Optimizer
    plain = ("apply", "_backend_apply_gradients", "_backend_update_step", "_apply_weight_decay")
    if keras.backend.backend() == "jax":
        return ""  # any update is a function of the state there
    if not _from_keras(kind) or any(getattr(kind, m) is not getattr(base, m) for m in plain):
        return f"the optimizer {kind.__name__} keeps a program for each model"
    if optimizer.gradient_accumulation_steps:
        return "gradient accumulation keeps a program for each model"
    if optimizer.use_ema and optimizer.ema_overwrite_frequency:
        return "`ema_overwrite_frequency` keeps a program for each model"
    return ""
