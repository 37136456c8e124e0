"""A trial run that leaves no trace: a copy of the optimizer, and everything else put back."""

import contextlib
import copy

import keras

from coursekit import _randomness
from coursekit._randomness import read, write

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
    states = [(v, read(v)) for v in [*model.variables, *model.metrics_variables]]
    random_states = [_randomness.save()]
    try:
        known = {id(v): v for v in model.variables}
        # Past Keras's __setattr__, which would track the copies as parts of the model.
        attributes.update({name: _copy(value, known) for name, value in optimizers.items()})
        yield lambda: random_states.insert(0, _randomness.save())
    finally:
        for name in ATTRIBUTES:
            attributes.pop(name, None)
        attributes.update(kept)
        model.reset_metrics()  # also those that were built in the block
        for variable, values in states:
            write(variable, values)
        random_states[0]()


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
        write(new, read(old))  # a deep copy of a JAX array shares its buffer, to be donated
    return twin
