"""Compile a model anew, with what it was compiled with."""

from coursekit._checks import require


def checked_compiled(model) -> None:
    """Refuse what is no Keras model, or is not built or not compiled."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: {type(model).__name__}")
    require(
        model.built,
        "`model` must be built: before that it has no weights.",
        "Give it a keras.Input, or call it on a batch",
        model=model.name,
    )
    require(
        model.compiled,
        "`model` must be compiled: the loss is a part of it.",
        "Call model.compile(optimizer, loss) first",
        model=model.name,
    )


def compile_again(model, optimizer) -> None:
    """Compile with this optimizer and the loss and metrics that the model has.

    What was traced is thrown away with it: in `fit`, `evaluate` and `value_and_gradients`.
    """
    given = {**model._compile_config.config, "optimizer": optimizer}
    model.compile(**given, auto_scale_loss=False)  # an optimizer that needs it is wrapped already


def with_rate(optimizer, rate):
    """Return a new optimizer with the settings of this one, another rate, and nothing built."""
    config = optimizer.get_config()
    new = type(optimizer).from_config(_replace_rate(config, rate))
    parts = [(optimizer, new)]
    if hasattr(optimizer, "inner_optimizer"):
        parts.append((optimizer.inner_optimizer, new.inner_optimizer))
    for old, made in parts:
        for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
            if hasattr(old, name):  # Keras does not write it into the config
                setattr(made, name, getattr(old, name))
    return new


def _replace_rate(config: dict, rate) -> dict:
    if "inner_optimizer" in config:
        inner = config["inner_optimizer"]
        inner = {**inner, "config": _replace_rate(inner["config"], rate)}
        return {**config, "inner_optimizer": inner}
    require(
        "learning_rate" in config,
        "The optimizer must have one learning rate.",
        "Compile with a plain optimizer",
        optimizer=config.get("name"),
    )
    if hasattr(rate, "get_config"):
        import keras

        rate = keras.saving.serialize_keras_object(rate)
    return {**config, "learning_rate": rate}
