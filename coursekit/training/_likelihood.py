"""What a model's outputs say of a row's labels: log p(y|x), as the compiled losses take it."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.backend import get_keras_mask  # Keras exports no other way to it

from coursekit._checks import brief, require

KINDS = {  # by the loss, a class or a function
    "sparse_categorical_crossentropy": "sparse",
    "categorical_crossentropy": "one-hot",
    "binary_crossentropy": "binary",
    "mean_squared_error": "normal",
}


class Head(NamedTuple):
    """One output.

    Attributes:
        key: where it stands in a dict or list of outputs; None for an only output.
        kind: a value of `KINDS`; "noise" for a normal one whose labels are drawn: they are kept as
            distances from the output, which float32 would round away where outputs are large.
        from_logits: whether the output is before softmax or sigmoid.
    """

    key: Any
    kind: str
    from_logits: bool

    def of(self, outputs):
        return outputs if self.key is None else outputs[self.key]

    def drawn(self, output: np.ndarray, rng) -> np.ndarray:
        """Return a label for each row, from the distribution that the output stands for."""
        output = np.asarray(output, "float64")
        if self.kind == "noise":
            return rng.normal(size=output.shape)
        if self.kind == "binary":
            p = 1 / (1 + np.exp(-np.clip(output, -700, 700))) if self.from_logits else output
            return (rng.random(p.shape) < p).astype("float32")
        if self.from_logits:
            output = np.exp(output - output.max(axis=-1, keepdims=True))
        up_to = np.cumsum(output, axis=-1)
        below = rng.random((*output.shape[:-1], 1)) * up_to[..., -1:]
        classes = np.minimum((up_to <= below).sum(axis=-1), output.shape[-1] - 1)
        return classes if self.kind == "sparse" else np.eye(output.shape[-1])[classes]

    def log_likelihood(self, output, label):
        """Return log p of a row's label, places and units added up, as far as weights matter."""
        output = ops.cast(output, "float32")
        if self.kind == "noise":
            return ops.sum(label * output)
        if self.kind == "normal":
            return -ops.sum(ops.square(ops.cast(label, "float32") - output)) / 2
        if self.kind == "binary":
            label = ops.reshape(ops.cast(label, "float32"), ops.shape(output))
            if self.from_logits:
                yes, no = ops.log_sigmoid(output), ops.log_sigmoid(-output)
            else:
                yes, no = _log(output), _log(1 - output)
            return ops.sum(label * yes + (1 - label) * no)
        if self.from_logits:
            logs = ops.log_softmax(output, axis=-1)
        else:
            logs = _log(output) - _log(ops.sum(output, axis=-1, keepdims=True))
        if self.kind == "sparse":
            label = ops.reshape(ops.cast(label, "int32"), ops.shape(output)[:-1])
            label = ops.one_hot(label, output.shape[-1])
        return ops.sum(ops.cast(label, "float32") * logs)


class Heads(NamedTuple):
    """All outputs of a model."""

    heads: list[Head]

    def labels(self, y, rows) -> list[np.ndarray]:
        """Return the given labels of these rows, output by output."""
        return [np.asarray(head.of(y))[rows] for head in self.heads]

    def drawn(self, model, x, rng) -> list[np.ndarray]:
        """Return labels that the model itself gives."""
        outputs = predicted(model, x)
        drawn = [head.drawn(ops.convert_to_numpy(head.of(outputs)), rng) for head in self.heads]
        return [one.astype("int32" if one.dtype.kind == "i" else "float32") for one in drawn]

    def log_likelihood(self, outputs, labels):
        """Return log p of the labels of one row: outputs are independent, given x."""
        pairs = zip(self.heads, labels, strict=True)
        return sum(head.log_likelihood(head.of(outputs), label) for head, label in pairs)


def heads_of(model, x, y=None) -> Heads:
    """Return the outputs of a model with what their losses stand for, or refuse."""
    outputs = predicted(model, keras.tree.map_structure(lambda part: part[:1], x))
    masks = [get_keras_mask(leaf) for leaf in keras.tree.flatten(outputs)]
    require(
        all(mask is None for mask in masks),
        "`model` must have outputs without a mask: how much masked places count is not known.",
        "Cut the rows, or give the embedding mask_zero=False",
        model=model.name,
    )
    heads = []
    for key, name in _places(model, outputs):
        loss = _loss_of(model.loss, key, name)
        if loss is not None:
            kind, from_logits = _kind(loss)
            kind = "noise" if kind == "normal" and y is None else kind
            heads.append(Head(key, kind, from_logits))
    require(bool(heads), "`model` must have a loss.", loss=model.loss)
    if y is not None:
        _check_labels(heads, outputs, y)
    return Heads(heads)


def predicted(model, x):
    """Return the outputs as `predict` computes them; nothing changes."""
    with keras.StatelessScope():
        return model(x, **calling(model))


def calling(model) -> dict:
    """Return what a model must be told to predict."""
    return {"training": False} if model._call_has_training_arg else {}


def _places(model, outputs) -> list[tuple]:
    """Return the key of each output, and the name that a loss knows it by."""
    if isinstance(outputs, dict):
        return [(key, key) for key in outputs]
    names = getattr(model, "output_names", None) or []
    if isinstance(outputs, list | tuple):
        return [(k, names[k] if k < len(names) else k) for k in range(len(outputs))]
    return [(None, names[0] if names else None)]


def _loss_of(losses, key, name):
    if isinstance(losses, dict):
        return losses.get(name)
    if isinstance(losses, list | tuple):
        place = 0 if key is None else key
        return losses[place] if isinstance(place, int) and place < len(losses) else None
    return losses


def _kind(loss) -> tuple[str, bool]:
    given = loss
    try:
        loss = keras.losses.get(loss)
    except ValueError:
        loss = None
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    name = getattr(loss, "__name__", None) or _snake(type(loss).__name__)
    own = (loss if callable(loss) and not config else type(loss)).__module__.partition(".")[0]
    plain = config.get("axis", -1) == -1 and config.get("ignore_class") is None
    require(
        name in KINDS and own == "keras" and plain,
        "The compiled loss must be the negative logarithm of a probability: one of Keras's own "
        "cross-entropies, sparse, categorical or binary, without `ignore_class`, or the mean "
        "squared error.",
        "Compile a copy of the model with one of them, give it these weights, and ask that",
        loss=given,
    )
    return KINDS[name], bool(config.get("from_logits", False))


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _check_labels(heads, outputs, y) -> None:
    """Refuse labels that do not fit the outputs."""
    for head in heads:
        at = "" if head.key is None else f"[{head.key!r}]"
        try:
            label = np.asarray(head.of(y))
        except (TypeError, KeyError, IndexError):
            raise ValueError(
                f"`y` must hold labels as the model has outputs. Received: {brief(type(y))}, "
                f"without y{at}"
            ) from None
        shape = tuple(head.of(outputs).shape)[1:]
        fits = [shape[:-1], (*shape[:-1], 1)] if head.kind == "sparse" else [shape]
        if shape[-1:] == (1,) and head.kind != "sparse":
            fits.append(shape[:-1])
        require(
            label.shape[1:] in fits,
            f"`y{at}` must have rows of the shape {' or '.join(map(str, fits))}, for outputs "
            f"{shape}.",
            y=label.shape,
        )
        if head.kind == "sparse":
            inside = (label >= 0) & (label < shape[-1])
            require(
                bool(inside.all()),
                f"`y{at}` must hold classes from 0 to {shape[-1] - 1}.",
                smallest=label.min(),
                largest=label.max(),
            )


def _log(p):
    return ops.log(ops.maximum(p, 1e-7))
