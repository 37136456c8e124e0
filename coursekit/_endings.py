"""Does a model end in what its loss takes: in logits, or in probabilities?"""

import inspect
from collections.abc import Iterator
from typing import Any

import keras


def refuse_mismatch(model: keras.Model) -> None:
    """Refuse a last layer and a loss of which one means logits and the other probabilities.

    Training runs all the same, on a loss of nothing. What is no layer of Keras is not looked at.
    """
    for layer, loss in endings(model):
        logits, ending = takes_logits(loss), activation_of(layer)
        linear = ending == "linear" and isinstance(layer, _LINEAR)
        if logits is False and linear:
            raise ValueError(
                "A loss with from_logits=False must get probabilities. Received: the layer "
                f"{layer.name!r} without an activation. Add a softmax or sigmoid, or give the loss "
                "from_logits=True."
            )
        if logits and ending in ("softmax", "sigmoid"):
            raise ValueError(
                "A loss with from_logits=True must get logits. Received: a last layer with "
                f"{ending}. Take the activation away, or from_logits=False."
            )


_LINEAR = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv1D, keras.layers.Conv2D,
           keras.layers.Conv3D)  # fmt: skip


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation, or of the layer that is one: "softmax", "linear"."""
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return activation or type(layer).__name__.lower()


def endings(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Yield the last layer and the loss of each output of a functional model."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    loss = model.loss
    losses = [loss] * len(outputs)
    if isinstance(loss, dict):
        losses = [loss.get(name) for name in getattr(model, "output_names", [])]
    elif isinstance(loss, list | tuple):
        losses = list(loss)
    for output, one in zip(outputs, losses, strict=False):
        history = getattr(output, "_keras_history", None)
        if history is not None:
            yield history.operation, one


def takes_logits(loss: Any) -> bool | None:
    """Whether a loss takes logits; None of one that does not say."""
    try:
        loss = keras.losses.get(loss)
    except ValueError:  # "crossentropy", which Keras settles with the first batch
        return None
    said = getattr(loss, "from_logits", None)
    if said is None and inspect.isfunction(loss):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        said = parameter.default if parameter else None
    return said if isinstance(said, bool) else None
