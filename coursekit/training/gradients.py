"""The loss and its gradients, as `fit` would compute them for a batch. TensorFlow and JAX.

```python
from coursekit.training.gradients import value_and_gradients

found = value_and_gradients(model, x, y)
found.loss, found.gradients["sequential/dense/kernel"], found.by_layer["dense"]

found = value_and_gradients(lambda w, b: keras.ops.sum(w**2) + b, [w, b])  # a plain function
```
"""

import collections
import functools
import operator
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from coursekit._checks import brief, switch
from coursekit.training.many._data import pack, standardize

__all__ = ["Gradients", "value_and_gradients"]

# The compiled functions of each model, as Keras keeps `fit`'s: by `training`.
_KEPT: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()


class Gradients(NamedTuple):
    """What `value_and_gradients` found.

    Attributes:
        loss: the loss of the batch, penalties included.
        gradients: for each trainable variable its path, such as "sequential/dense/kernel", and the
            gradient. A path that occurs again gets " (2)", " (3)" behind it.
        by_layer: the same gradients for each layer, by the layer's name; "inner/dense" for a layer
            of a model inside of the model. Of a plain function: empty.
    """

    loss: float
    gradients: dict[str, np.ndarray]
    by_layer: dict[str, dict[str, np.ndarray]]


def value_and_gradients(
    model: Any, x: Any, y: Any = None, sample_weight: Any = None, *, training: bool = True
) -> Gradients:
    """Return the loss of a batch and its gradient with respect to each trainable variable.

    ```
    loss = compute_loss(x, y, model(x, training), sample_weight)      with model.losses
    gradients[v.path] = d loss / d v
    ```

    These are the gradients that Keras's own `train_step` hands to the optimizer, before clipping
    and weight decay: with masks, weights of rows and outputs, penalties and activity regularizers.
    Under loss scaling they are computed from the scaled loss and divided by the scale afterwards:
    float16 shows what it loses. A `train_step` written by hand may do otherwise.

    The model is left as it was: weights, batch-norm statistics, seeds, metrics and optimizer. So
    dropout draws what the next step of `fit` will draw. What the first `fit` would build is built.

    Called as `value_and_gradients(function, variables)` it does the same for a plain function.

    Args:
        model: a compiled Keras model, or a function of as many arrays as there are `variables`
            that gives one number, written with plain operators or `keras.ops`.
        x: a batch of inputs: an array, or a dict, tuple or list of arrays. For a function: a list
            of Keras variables, arrays or numbers, or a dict from their names.
        y: targets, as `x`; None for models that need none.
        sample_weight: weights of the rows, as in `fit`.
        training: as `fit` calls the model (True), or as `evaluate` does (False).

    Returns:
        `Gradients`: `loss`, `gradients` and `by_layer`, in NumPy. What the loss does not depend on
        has the gradient 0. Of a function: by the path of a variable, the name in the dict, or "0",
        "1", ... in a list.

    Raises:
        TypeError: if `model` is neither a Keras model nor a function; for data that are not arrays.
        ValueError: for a model that is not compiled or has nothing to train, data without rows or
            with different rows, a function that gives no single number, and inside the scope of a
            strategy with several replicas.

    Numerics: compiled once for each model and shape of the batch, like `fit`. Gradients that are
    not finite are returned as they are; loss scaling would skip that step.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="line")])
        >>> model.set_weights([np.ones((1, 1)), np.zeros(1)])
        >>> model.compile("sgd", "mse")
        >>> found = value_and_gradients(model, np.array([[1.0], [2.0]]), np.array([[0.0], [0.0]]))
        >>> found.loss                        # (1**2 + 2**2) / 2
        2.5
        >>> {path.split("/")[-1]: float(g.sum()) for path, g in found.by_layer["line"].items()}
        {'kernel': 5.0, 'bias': 3.0}
        >>> found = value_and_gradients(lambda a, b: a**2 * b, {"a": 3.0, "b": 2.0})
        >>> float(found.gradients["a"]), float(found.gradients["b"])
        (12.0, 9.0)
    """
    import keras

    if isinstance(model, keras.Model):
        return _of_model(model, x, y, sample_weight, switch("training", training))
    if not callable(model) or isinstance(model, keras.Layer):
        raise TypeError(
            "`model` must be a Keras model, or a function of `variables`. "
            f"Received: {type(model).__name__}"
        )
    if y is not None or sample_weight is not None or training is not True:
        raise ValueError(
            "Of a function the gradients are asked for as `value_and_gradients(function, "
            "variables)`: `y`, `sample_weight` and `training` belong to a model. Received: "
            f"y={brief(y)}, sample_weight={brief(sample_weight)}, training={training!r}"
        )
    return _of_function(model, x)


def loss_and_gradients(function: Callable) -> Callable:
    """Return a function from tensors to the loss and its gradients, on this backend.

    `function(*values)` gives the number to differentiate, and the number to return as the loss. The
    result may be traced, by `tf.function` or `jax.jit`.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        def on_jax(*values):
            numbers = tuple(range(len(values)))
            (_, loss), found = jax.value_and_grad(function, numbers, has_aux=True)(*values)
            return loss, found

        return on_jax
    import tensorflow as tf

    def on_tensorflow(*values):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            target, loss = function(*values)
        found = tape.gradient(target, values, unconnected_gradients="zero")
        return loss, tuple(tf.convert_to_tensor(gradient) for gradient in found)

    return on_tensorflow


def check_backend():
    import keras

    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise RuntimeError(
            f"Gradients need the TensorFlow or the JAX backend. Received: backend={backend!r}"
        )
    if backend == "tensorflow":
        import tensorflow as tf

        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                "Inside of a strategy's scope Keras divides the loss by the number of replicas. "
                f"Received: {replicas} replicas. Ask for the gradients outside of the scope."
            )


def _of_model(model, x, y, sample_weight, training) -> Gradients:
    import keras

    if not model.compiled:
        raise ValueError(
            "`model` must be compiled: the loss is a part of it. Received: "
            f"{model.name!r}, not compiled. Call model.compile(optimizer, loss) first."
        )
    leaves = keras.tree.flatten(x)
    if not leaves or not all(hasattr(leaf, "__array__") for leaf in leaves):
        raise TypeError(
            "`x` must hold arrays: one batch, as an array, or a dict, tuple or list of arrays. "
            f"Received: {type(x).__name__}"
        )
    check_backend()
    data, _ = standardize(x, y, sample_weight, None, "")
    x, y, sample_weight = (
        None if part is None else keras.tree.map_structure(keras.ops.convert_to_tensor, part)
        for part in data
    )
    model._symbolic_build(data_batch=pack(*data))  # as the first `fit` does; else nothing happens
    variables = model.trainable_variables
    if not variables:
        raise ValueError(
            "`model` must have trainable variables. Received: "
            f"{model.name!r}, which has none: is `trainable` False in all of its layers?"
        )
    scale = 1.0 if model.optimizer is None else model.optimizer.scale_loss(1.0)
    scale = keras.ops.convert_to_tensor(scale, "float32")
    values = [v.value for v in variables], [v.value for v in step_variables(model)]
    loss, found = _program(model, training)(*values, x, y, sample_weight, scale)
    arrays = [keras.ops.convert_to_numpy(gradient) for gradient in found]
    names = unique([v.path for v in variables])
    places = {id(v): k for k, v in enumerate(variables)}
    layers: dict[str, dict] = {}
    for name, layer in layers_of(model):
        for k in [places.pop(id(v)) for v in layer.trainable_variables if id(v) in places]:
            layers.setdefault(name, {})[names[k]] = arrays[k]
    for k in places.values():  # of the model itself
        layers.setdefault(model.name, {})[names[k]] = arrays[k]
    return Gradients(float(loss), dict(zip(names, arrays, strict=True)), layers)


def step_variables(model) -> list:
    """Return what else a step may read or write: it is given to the program, and thrown away."""
    return [*model.non_trainable_variables, *model.metrics_variables]


def _program(model, training) -> Callable:
    """Return the compiled function behind a model; it is kept until the model is compiled anew."""
    import keras

    signs = [model.optimizer, model._compile_loss, *model.trainable_variables]
    kept = _KEPT.setdefault(model, {})
    if training in kept:
        before, made = kept[training]
        if len(before) == len(signs) and all(map(operator.is_, before, signs)):
            return made
    calling = {"training": training} if model._call_has_training_arg else {}
    alive = weakref.ref(model)  # what is kept must not keep the model

    def program(values, others, x, y, sample_weight, scale):
        model = alive()

        def loss_of(*values):
            mapping = [*zip(model.trainable_variables, values, strict=True)]
            mapping += zip(step_variables(model), others, strict=True)
            with keras.StatelessScope(mapping, collect_losses=True):
                predicted = model(x, **calling)
                loss = model._compute_loss(x, y, predicted, sample_weight, training=training)
            return loss * keras.ops.cast(scale, loss.dtype), loss

        loss, found = loss_and_gradients(loss_of)(*values)
        return loss, [gradient / keras.ops.cast(scale, gradient.dtype) for gradient in found]

    program = compiled(model, program)
    kept[training] = signs, program
    return program


def compiled(model, program) -> Callable:
    """Compile as `fit` would."""
    import keras

    if model.run_eagerly:
        return program
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(program) if model.jit_compile else program
    import tensorflow as tf

    # A partial has no code of its own: TensorFlow counts traces by code, and warns of "retracing"
    # at the fifth model.
    own = functools.partial(program)
    return tf.function(own, autograph=False, jit_compile=model.jit_compile or None)


def layers_of(model, prefix="") -> Iterator[tuple[str, Any]]:
    """Yield the layers of a model, and of models inside of it, with their names."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer, f"{prefix}{layer.name}/")
        yield prefix + layer.name, layer


def unique(names: Sequence[str]) -> list[str]:
    seen: collections.Counter[str] = collections.Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _of_function(function, variables) -> Gradients:
    import keras

    check_backend()
    if isinstance(variables, Mapping):
        names, variables = [str(name) for name in variables], list(variables.values())
    elif isinstance(variables, list | tuple):
        own = [getattr(v, "path", str(k)) for k, v in enumerate(variables)]
        names, variables = unique(own), list(variables)
    else:
        raise TypeError(
            "`variables` must be a list of Keras variables, arrays or numbers, or a dict of them. "
            f"Received: {type(variables).__name__}"
        )
    if not variables:
        raise ValueError("`variables` must hold at least one variable. Received: none.")
    values = [_floats(name, v) for name, v in zip(names, variables, strict=True)]
    kept = [v for v in variables if isinstance(v, keras.Variable)]

    def loss_of(*values):
        mapping = [p for p in zip(variables, values, strict=True) if any(p[0] is v for v in kept)]
        with keras.StatelessScope(mapping):
            loss = function(*values)
        check_loss(loss, "`function(*variables)`")
        return loss, loss

    loss, found = loss_and_gradients(loss_of)(*values)
    arrays = [keras.ops.convert_to_numpy(gradient) for gradient in found]
    return Gradients(float(loss), dict(zip(names, arrays, strict=True)), {})


def _floats(name, value):
    import keras

    if isinstance(value, keras.Variable):
        value = value.value
    elif not keras.ops.is_tensor(value):
        value = np.asarray(value)
        if value.dtype.kind in "iuf":
            value = value.astype(keras.config.floatx())
    if "float" not in str(value.dtype):
        raise ValueError(
            f"A variable must hold floats. Received: variable {name} of dtype {value.dtype}"
        )
    value = keras.ops.convert_to_tensor(value)
    return value


def check_loss(loss, name: str) -> None:
    """Refuse what is no loss: no number computed from the variables, or not a single one."""
    import keras

    if not keras.ops.is_tensor(loss):
        raise ValueError(
            f"{name} must be computed from its arguments with plain operators or `keras.ops`, for "
            f"its gradient. Received: a result of type {type(loss).__name__}"
        )
    if tuple(loss.shape) != () or "float" not in keras.backend.standardize_dtype(loss.dtype):
        raise ValueError(
            f"{name} must give one number, a float. Received: a result of shape "
            f"{tuple(loss.shape)} and dtype {keras.backend.standardize_dtype(loss.dtype)}"
        )
