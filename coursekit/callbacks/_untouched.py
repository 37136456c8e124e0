"""A trial run that leaves no trace: a copy of the optimizer, and everything else put back."""

import contextlib
import copy
import random
import sys

import keras
import numpy as np

# What `fit` sets on a model, besides its variables.
ATTRIBUTES = ("history", "steps_per_execution", "stop_training", "train_function")


@contextlib.contextmanager
def untouched(model):
    """Put a built, compiled model and the global random states back as they were.

    In the block every optimizer of the model is a copy, so that no error can spoil its slots, and
    one that is not built yet is not built afterwards. The block gets a function: what it calls
    before that counts as drawn.
    """
    attributes = vars(model)
    optimizers = {k: v for k, v in attributes.items() if isinstance(v, keras.optimizers.Optimizer)}
    kept = {k: attributes[k] for k in (*ATTRIBUTES, *optimizers) if k in attributes}
    states = [(v, _values(v)) for v in [*model.variables, *model.metrics_variables]]
    random_states = [randomness()]
    try:
        known = {id(v): v for v in model.variables}
        # Past Keras's __setattr__, which would track the copies as parts of the model.
        attributes.update({name: _copy(value, known) for name, value in optimizers.items()})
        yield lambda: random_states.insert(0, randomness())
    finally:
        for name in ATTRIBUTES:
            attributes.pop(name, None)
        attributes.update(kept)
        model.reset_metrics()  # also those that were built in the block
        for variable, values in states:
            _assign(variable, values)
        random_states[0]()


def _parts(variable):
    """Return the copies of a variable on each replica, or the variable itself."""
    return getattr(variable.value, "values", None) or [variable]


def _values(variable) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(part)) for part in _parts(variable)]


def _assign(variable, values):
    for part, value in zip(_parts(variable), values, strict=True):
        part.assign(value)


def _copy(optimizer, known: dict):
    """Copy an optimizer with its slots; model variables, schedule and strategy stay shared.

    `copy.deepcopy` of a Keras optimizer goes through its config and loses the slots (Keras 3.15).
    """
    shared = (vars(optimizer).get(name) for name in ("_distribution_strategy", "_learning_rate"))
    memo = {**known, **{id(one): one for one in shared if not isinstance(one, keras.Variable)}}
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        memo[id(inner)] = _copy(inner, known)
    twin = object.__new__(type(optimizer))
    memo[id(optimizer)] = twin
    vars(twin).update(copy.deepcopy(vars(optimizer), memo))
    # Copying its lists of slots has tracked them a second time, and TensorFlow's wrapper of lists
    # compares before it lets one be changed in place, which arrays refuse.
    variables = [memo[id(variable)] for variable in optimizer._variables]
    vars(twin)["_variables"] = variables
    tracked = twin._tracker.config
    tracked["variables"] = (tracked["variables"][0], variables)
    for new, old in zip(twin.variables, optimizer.variables, strict=True):
        _assign(new, _values(old))  # a deep copy of a JAX array shares its buffer, to be donated
    return twin


def randomness():
    """Return a function that sets the random states of Python, NumPy, Keras and TensorFlow back."""
    # Keras has no public way to read its seed generator, nor TensorFlow its seeds. TensorFlow is
    # looked at only if it is there: this module works without it.
    from keras.src.backend.common import global_state

    python, numpy = random.getstate(), np.random.get_state()
    generator = global_state.get_global_attribute("global_seed_generator")
    seed = None if generator is None else _values(generator.state)
    restore_tensorflow = _tensorflow_randomness()

    def restore():
        random.setstate(python)
        np.random.set_state(numpy)
        global_state.set_global_attribute("global_seed_generator", generator)
        if generator is not None:
            _assign(generator.state, seed)
        restore_tensorflow()

    return restore


def _tensorflow_randomness():
    module = sys.modules.get("tensorflow.python.eager.context")
    generators = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    if module is None or generators is None:
        return lambda: None
    eager = vars(module.context())
    seeds = {k: copy.deepcopy(eager[k]) for k in ("_seed", "_rng") if k in eager}
    generator = generators.global_generator
    state = None if generator is None else generator.state.numpy().copy()

    def restore():
        # Also a cached operation, such as a shuffle, would go on where it stopped.
        module.context().clear_kernel_cache()
        eager.pop("_rng", None)
        eager.update(seeds)
        generators.global_generator = generator
        if generator is not None:
            generator.reset(state)

    return restore
