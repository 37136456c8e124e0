"""One step of an optimizer outside of `fit`, on TensorFlow and on JAX."""

import weakref
from collections.abc import Callable

_COMPILED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # of each optimizer, on JAX


def apply_step(optimizer, gradients: list, weights: list) -> None:
    """Make one step of an optimizer, a loss scaler too, which on JAX hands its state in and out."""
    import keras

    own = not type(optimizer).__module__.startswith(("keras.", "coursekit."))
    if keras.backend.backend() != "jax" or own:
        optimizer.apply(gradients, weights)
        return
    if not optimizer.built:
        optimizer.build(weights)
    state, values = [v.value for v in optimizer.variables], [w.value for w in weights]
    values, state = _step(optimizer)(state, gradients, values)
    for variable, value in zip([*weights, *optimizer.variables], [*values, *state], strict=True):
        variable.assign(value)


def _step(optimizer) -> Callable:
    if optimizer not in _COMPILED:
        import jax

        alive = weakref.ref(optimizer)  # what is kept must not keep the optimizer
        _COMPILED[optimizer] = jax.jit(lambda *arguments: alive().stateless_apply(*arguments))
    return _COMPILED[optimizer]
