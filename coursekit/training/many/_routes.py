"""Which models of `fit_many` must go to `fit`, and why."""


def overrides(callbacks, *names) -> bool:
    """Whether a callback has one of these hooks."""
    import keras

    base = keras.callbacks.Callback
    for callback in callbacks:
        if type(callback) is keras.callbacks.ModelCheckpoint and callback.save_freq == "epoch":
            continue  # its batch hook does nothing then
        for name in names:
            if name in vars(callback) or getattr(type(callback), name) is not getattr(base, name):
                return True
    return False


def _reason_of_backend(model) -> str:
    import keras

    if keras.backend.backend() == "jax":
        if keras.distribution.distribution() is not None:
            return "it runs under `keras.distribution`"
        if not model.jit_compile:
            return "its step is not compiled (`jit_compile=False`)"
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        strategy = model.distribute_strategy
        if tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
            return "it runs under a distribution strategy"
        if tf.config.functions_run_eagerly():
            return "it runs eagerly"
    else:
        return "compiled programs need the TensorFlow or the JAX backend"
    return ""


def reason_for_fit(member, data) -> str:
    """Return why no program can train this model, or an empty string."""
    import keras

    if member.model.run_eagerly:
        return "it runs eagerly"
    reason = _reason_of_backend(member.model)
    if reason:
        return reason
    hooks = [
        f"on_{kind}batch_{end}" for kind in ("train_", "test_", "") for end in ("begin", "end")
    ]
    if overrides(member.callbacks, *hooks):
        return "a callback wants to be called at batches"
    parts = [part for one in data if one is not None for part in one if part is not None]
    if any(leaf.dtype.kind in "OUS" for leaf in keras.tree.flatten(parts)):
        return "its data are not numbers"
    return ""
