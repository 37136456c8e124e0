"""Models as a builder makes them: fresh, compiled, each with a seed of its own."""

from collections.abc import Callable

import numpy as np

from coursekit._randomness import seeded
from coursekit.validation._arguments import call_with_fold
from coursekit.validation._outputs import outputs_of

# What may turn NaN or infinity into a number, or text into numbers, inside a model.
FILLERS = {"Lambda", "Masking", "Discretization", "NanToNum", "Where", "Isnan", "Isfinite",
           "Isinf", "Clip", "Minimum", "Maximum"}  # fmt: skip
READERS = {"TextVectorization", "StringLookup", "Hashing"}


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of a fold's model and batch order."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])


def build(build_model: Callable, fold: int, seed: int):
    """Return a fold's fresh model, having looked it over."""
    import keras

    with seeded(fold_seed(seed, fold)):
        model = call_with_fold(build_model, fold)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`build_model` must return a Keras model. "
            f"Received: {type(model).__name__}. Does it end in `return model`?"
        )
    if not model.compiled:
        raise ValueError(
            "`build_model` must return a compiled model. Received: one that is not. Call "
            "model.compile(optimizer, loss) in it."
        )
    if model.optimizer is None:
        raise ValueError(
            "`build_model` must return a model with an optimizer. Received: optimizer=None. Call "
            "model.compile(optimizer, loss) in it."
        )
    return model


def build_weights(model, fold: int, seed: int, one_row) -> None:
    """Build a model without an Input here, where its seed is known."""
    if not model.built:
        with seeded(fold_seed(seed, fold)):
            outputs_of(model, one_row)


def look_at(model, others=()) -> None:
    """Refuse a model that is not new, or shares with others what training changes."""
    for other in others:
        if model is other:
            raise ValueError(
                "`build_model` must return a new model in each call. Received: the same one "
                "twice, so that a fold would continue from weights that have seen its "
                "validation rows. Build it inside the function."
            )
        if model.optimizer is other.optimizer:
            raise ValueError(
                "`build_model` must make a new optimizer in each call. Received: the same one "
                "twice. Write it inside the function, or as a string."
            )
        own = {id(v) for v in model.trainable_variables}
        shared = [v.path for v in other.trainable_variables if id(v) in own]
        if shared:
            raise ValueError(
                "`build_model` must return models that share no trainable weights. Received: "
                f"two that share {shared[0]}: a fold would start from weights that have seen "
                "its validation rows. Build every layer inside the function, or freeze the "
                "shared one."
            )
    if int(model.optimizer.iterations) > 0:
        raise ValueError(
            "`build_model` must return a fresh model. Received: one trained for "
            f"{int(model.optimizer.iterations)} steps. Build a new one in each call."
        )


def overlap(models) -> bool:
    """Whether models have a layer or a variable in common."""
    seen = [id(part) for model in models for part in (*model.layers, *model.variables)]
    return len(models) > 1 and len(set(seen)) < len(seen)


def takes_text(model) -> bool:
    """Whether a model may be given text."""
    if any(getattr(one, "dtype", "") == "string" for one in getattr(model, "inputs", None) or ()):
        return True
    return _has(model, READERS)


def may_fill(model) -> bool:
    """Whether a model may make numbers of NaN or infinity by itself."""
    return _has(model, FILLERS)


def _has(model, names: set[str]) -> bool:
    """Whether a model has one of these parts, or a part that is not Keras's own."""
    parts = [model]
    for part in parts:
        parts += [*getattr(part, "layers", ()), *getattr(part, "operations", ())]
        if len(parts) > 10_000:  # layers that hold each other
            return True
    kinds = {type(part) for part in parts}
    return any(kind.__name__ in names or kind.__module__.split(".")[0] != "keras" for kind in kinds)


def finite_weights(model) -> list[bool]:
    """Whether each variable of a model is finite."""
    import keras

    def finite(variable) -> bool:
        if "string" in str(variable.dtype):
            return True
        array = np.asarray(keras.ops.convert_to_tensor(variable))
        return bool(np.isfinite(array.astype("float32")).all())

    return [finite(variable) for variable in model.variables]
