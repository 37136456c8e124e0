"""What a model says about itself and its task, as far as it can be told."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from coursekit._endings import activation_of, endings, takes_logits

# How Keras calls the losses whose targets are known.
KINDS = {
    "sparse_categorical_crossentropy": "sparse",
    "sparse_categorical_focal_crossentropy": "sparse",
    "label_smoothed_crossentropy": "sparse",
    "class_balanced_crossentropy": "sparse",
    "categorical_crossentropy": "onehot",
    "categorical_focal_crossentropy": "onehot",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    **dict.fromkeys(["mean_squared_error", "mean_absolute_error", "huber", "log_cosh"], "number"),
}


@dataclass
class Task:
    """A model with one output, and what its loss means.

    Attributes:
        loss: the compiled loss, as an object or function; None where there are several.
        kind: "sparse", "onehot", "binary", "number", or "" of a loss that is not known.
        logits: whether the loss takes logits; None where it does not say.
        activations: the last layers' activations, the last one first; empty where not known.
    """

    loss: Any = None
    kind: str = ""
    logits: bool | None = None
    activations: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The last activation, or an empty text."""
        return self.activations[0] if self.activations else ""

    def labels(self, y: np.ndarray) -> np.ndarray | None:
        """Return one class number for each row, or None where targets are something else."""
        width = int(np.prod(y.shape[1:]))
        if self.kind in ("sparse", "binary") and width == 1 and np.all(y == np.round(y)):
            return y.reshape(-1).astype(int)
        return y.argmax(-1) if self.kind == "onehot" and y.ndim == 2 and width > 1 else None


def task_of(model: keras.Model) -> Task:
    """Read the loss and the last layers of a compiled model."""
    loss = model.loss
    if isinstance(loss, dict | list | tuple):
        return Task()
    try:
        loss = keras.losses.get(loss)
    except ValueError:  # "crossentropy", which Keras settles with the first batch
        return Task()
    name = getattr(loss, "__name__", None) or getattr(loss, "name", "")
    if isinstance(loss, keras.losses.Loss):
        name = type(loss).__name__
    key = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
    ends = [layer for layer, _ in endings(model)]
    activations = tuple(_back_from(ends[0])) if len(ends) == 1 else ()
    return Task(loss, KINDS.get(key, ""), takes_logits(loss), activations)


def _back_from(layer) -> list[str]:
    """Activations from the last layer back, through layers that only bend or reshape."""
    found = [activation_of(layer)]
    passing = (keras.layers.Softmax, keras.layers.Activation, keras.layers.Reshape,
               keras.layers.Flatten)  # fmt: skip
    while isinstance(layer, passing):
        node = layer._inbound_nodes[0]
        before = node.parent_nodes[0].operation if node.parent_nodes else None
        if before is None or isinstance(before, keras.layers.InputLayer):
            break
        layer = before
        found.append(activation_of(layer))
    return [name for name in found if name not in ("reshape", "flatten")]


def rescales(model: keras.Model) -> bool:
    """Whether one of the first layers that compute brings its inputs to a size."""
    kinds = (keras.layers.Normalization, keras.layers.Rescaling, keras.layers.BatchNormalization,
             keras.layers.LayerNormalization, keras.layers.Embedding)  # fmt: skip
    passive = (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Reshape)
    layers = [one for one in _all_layers(model) if not isinstance(one, passive)]
    return any(isinstance(one, kinds) for one in layers[:2])


def has(model: keras.Model, *kinds: type) -> bool:
    """Whether a layer of these kinds is in a model, or in a model in it."""
    return any(isinstance(one, kinds) for one in _all_layers(model))


def _all_layers(model) -> list:
    found = []
    for layer in model.layers:
        found += _all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found
