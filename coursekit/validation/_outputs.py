"""What a model says for rows: its outputs, the predictions in them, and whether they are finite."""

import contextlib
import logging
import re
from collections.abc import Iterator

import numpy as np
from scipy.special import expit, softmax

from coursekit.validation._inputs import shapes
from coursekit.validation._task import Task


def outputs_of(model, x, batch_size: int = 32):
    """Return the outputs of a model for all rows: an array, or by name where it has several."""
    import keras

    # Tracing `predict` costs more than the whole forward pass of a small model, once for each
    # fold; a recurrent layer called eagerly loops over its steps in Python.
    recurrent = keras.layers.RNN, keras.layers.Bidirectional
    traced = any(isinstance(layer, recurrent) for layer in getattr(model, "layers", ()))
    call = model.predict_on_batch if traced else lambda batch: model(batch, training=False)
    arrays = keras.tree.flatten(x)
    rows = len(arrays[0])
    a_row = max(1, sum(a.nbytes for a in arrays) // rows)
    size = max(batch_size, min(4096, 2**22 // a_row))
    found = []
    with _quiet_about_tracing():
        for start in range(0, rows, size):
            part = keras.tree.map_structure(lambda a, s=start: _tensor(a[s : s + size]), x)
            found.append(_named(model, call(part)))
    if isinstance(found[0], dict):
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    return np.concatenate(found)


def halves(outputs, first: int) -> list:
    """Cut outputs into those of the first rows and those of the others."""
    parts = slice(first), slice(first, None)
    if isinstance(outputs, dict):
        return [{name: values[part] for name, values in outputs.items()} for part in parts]
    return [outputs[part] for part in parts]


@contextlib.contextmanager
def taking(model, few, rule: str) -> Iterator[None]:
    """Say in words what a backend says of a model that does not take these rows."""
    try:
        yield
    except Exception as error:  # each backend has its own
        raise ValueError(
            f"{rule} Received: {shapes(few)}. {_other_shape(model, few) or _said(error)}."
        ) from error


def _said(error: Exception) -> str:
    """What Keras says, without its colours and the list of its own arguments."""
    text = str(error)
    inner = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    text = " ".join((inner[1] if inner else text).split())
    return (text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}").rstrip(".")


def _other_shape(model, few) -> str:
    """A way out where the model was made for rows of another shape."""
    wanted = getattr(model, "input_shape", None)
    if not (isinstance(wanted, tuple) and wanted and isinstance(few, np.ndarray)):
        return ""
    if few.ndim == 1:
        return "A row is one number: make a column of them, x[:, None]"
    if len(wanted) == few.ndim and any(
        None not in (a, b) and a != b for a, b in zip(wanted[1:], few.shape[1:], strict=True)
    ):
        return f"Its Input takes rows of {wanted[1:]}: write keras.Input({few.shape[1:]})"
    return ""


def _tensor(a: np.ndarray):
    if a.dtype.kind != "O":
        return a
    import tensorflow as tf  # text: Keras has no tensors of it

    return tf.constant(a.tolist())


def _named(model, outputs):
    """Return one array, or a dict of arrays for several outputs."""
    import keras

    def array(values) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(values)).astype("float32")

    if isinstance(outputs, list | tuple):
        names = getattr(model, "output_names", None) or range(len(outputs))
        outputs = {str(name): one for name, one in zip(names, outputs, strict=True)}
    if isinstance(outputs, dict):
        return {str(name): array(one) for name, one in outputs.items()}
    return array(outputs)


@contextlib.contextmanager
def _quiet_about_tracing():
    """Each fold's model is traced once: nothing that TensorFlow's advice on loops would mend."""
    logger = logging.getLogger("tensorflow")
    quiet = lambda record: "retracing" not in record.getMessage()  # noqa: E731
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def predictions_of(task: Task, outputs: np.ndarray) -> np.ndarray:
    """Return probabilities where there are any, else the outputs; one column becomes flat."""
    if task.kind in ("binary", "regression") and outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if task.kind in ("regression", "other") or task.outputs == "margins":
        return outputs
    outputs = outputs.astype("float64")
    with np.errstate(invalid="ignore"):  # of what is not finite, told by `broken_rows`
        if task.kind != "classification":
            return expit(outputs) if task.outputs == "logits" else outputs
        if task.outputs != "logits":
            return outputs / np.maximum(outputs.sum(1, keepdims=True), 1e-12)
        # Of a binary loss on several classes, each output is a probability of its own.
        if task.binary_loss:
            outputs = np.log(np.maximum(expit(outputs), 1e-300))
        return softmax(outputs, axis=1)


def broken_rows(task: Task, outputs: np.ndarray) -> np.ndarray:
    """Whether the outputs for each row are NaN or infinite.

    A logit of minus infinity is how a class is masked, as long as the row has another one.
    """
    flat = outputs.reshape(len(outputs), -1)
    masked = task.kind == "classification" and task.outputs == "logits" and flat.shape[1] > 1
    if not masked:
        return ~np.isfinite(flat).all(axis=1)
    return ~np.isfinite(flat.max(axis=1))  # NaN and plus infinity are the largest of their row


def first_broken_layer(model, x) -> str:
    """Return the name of the first layer whose output is not finite, or nothing."""
    import keras

    try:
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        given = model.inputs if len(model.inputs) > 1 else model.inputs[0]
        inner = keras.Model(given, [layer.output for layer in layers])
        for layer, found in zip(layers, keras.tree.flatten(inner(x, training=False)), strict=True):
            if not np.isfinite(keras.ops.convert_to_numpy(found)).all():
                return layer.name
    except Exception:  # a model of one's own, or layers used twice: the message does without
        return ""
    return ""
