"""Looks into a model: the loss of some rows, what it depends on, and what each layer gives.

Nothing of the model changes: all that a forward pass moves lives in a scope that is thrown away.
Only numbers leave the compiled programs, whatever the size of the layers.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from coursekit._endings import activation_of
from coursekit.training.gradients import compiled, loss_and_gradients, step_variables, unique

RECTIFIERS = ("relu", "relu6")
BOUNDED = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0),
           "softsign": (-1.0, 1.0)}  # fmt: skip


class Seen(NamedTuple):
    """What a look saw.

    Attributes:
        loss: of the rows, without penalties.
        gradients: for each trainable variable, by its path, the root mean square of its gradient.
        layers: for each layer, by its path, numbers of its output (see `describe`).
    """

    loss: float
    gradients: dict[str, float]
    layers: dict[str, dict[str, float]]


class Probe:
    """Two programs over one model: a training step's loss and gradients, an evaluation's loss.

    They are compiled at the first call and hold for the variables that are trainable then.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.variables = list(model.trainable_variables)
        self.others = step_variables(model)
        self.paths = unique([v.path for v in self.variables])
        self._programs: dict[str, Callable] = {}

    def step(self, x: Any, y: Any) -> Seen:
        """Look as a training step would, without its update."""
        optimizer = self.model.optimizer
        scale = 1.0 if optimizer is None else optimizer.scale_loss(1.0)
        loss, sizes, layers = self._run(
            "step", _step, x, y, ops.convert_to_tensor(scale, "float32")
        )
        gradients = dict(zip(self.paths, map(_number, sizes), strict=True))
        return Seen(_number(loss), gradients, _numbers(layers))

    def rows(self, x: Any, y: Any) -> tuple[float, np.ndarray | None, np.ndarray | None]:
        """Return the loss in inference mode without penalties, outputs and mask (of one output)."""
        loss, outputs, mask = self._run("rows", _rows, x, y)
        host = [None if one is None else ops.convert_to_numpy(one) for one in (outputs, mask)]
        return _number(loss), host[0], host[1]

    def layers(self, x: Any) -> dict[str, dict[str, float]]:
        """Return numbers of each layer's output in inference mode."""
        return _numbers(self._run("layers", _layers, x, None))

    def own_statistics(self, x: Any, y: Any) -> float:
        """Return the loss in inference mode with the batch-norm statistics of these rows."""
        return _number(self._run("own", _own, x, y))

    def _run(self, name, make, *data):
        if name not in self._programs:
            self._programs[name] = compiled(self.model, make(self))
        values = [v.value for v in self.variables], [v.value for v in self.others]
        data = [None if part is None else keras.tree.map_structure(_tensor, part) for part in data]
        return self._programs[name](*values, *data)

    def scope(self, values, others):
        """Return a scope in which the model's variables have these values."""
        mapping = [*zip(self.variables, values, strict=True)]
        mapping += zip(self.others, others, strict=True)
        return keras.StatelessScope(mapping, collect_losses=True)

    def call(self, x, training):
        """Call the model as `fit` or `evaluate` would."""
        takes = self.model._call_has_training_arg
        return self.model(x, **({"training": training} if takes else {}))


def _step(probe: Probe) -> Callable:
    model = probe.model

    def program(values, others, x, y, scale):
        def loss_of(*values):
            with watched(model) as seen, probe.scope(values, others):
                loss = model._compute_loss(x, y, probe.call(x, True), None, training=True)
                plain = _plain(model, loss)
            return loss * ops.cast(scale, loss.dtype), (plain, seen)

        (loss, seen), found = loss_and_gradients(loss_of)(*values)
        sizes = [_rms(ops.cast(g, "float32") / scale) for g in found]
        return loss, sizes, seen

    return program


def _rows(probe: Probe) -> Callable:
    def program(values, others, x, y):
        with probe.scope(values, others):
            predicted = probe.call(x, False)
            loss = _plain(
                probe.model, probe.model._compute_loss(x, y, predicted, None, training=False)
            )
        several = len(keras.tree.flatten(predicted)) > 1
        return loss, *((None, None) if several else (predicted, mask_of(predicted)))

    return program


def _layers(probe: Probe) -> Callable:
    def program(values, others, x, _):
        with watched(probe.model) as seen, probe.scope(values, others):
            probe.call(x, False)
        return seen

    return program


def _own(probe: Probe) -> Callable:
    def program(values, others, x, y):
        with probe.scope(values, others):
            with _at_once(probe.model):
                probe.call(x, True)
            predicted = probe.call(x, False)
            loss = probe.model._compute_loss(x, y, predicted, None, training=False)
            return _plain(probe.model, loss)

    return program


def _plain(model, loss):
    """Take the penalties away again."""
    return loss - sum(ops.cast(one, loss.dtype) for one in model.losses)


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras's loss would find on outputs, or None."""
    return getattr(tensor, "_keras_mask", None)


def batch_norms(model: keras.Model) -> list:
    """Return the batch normalizations that training moves."""
    kinds = keras.layers.BatchNormalization
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, kinds) and layer.trainable]


@contextlib.contextmanager
def _at_once(model) -> Iterator[None]:
    """Let batch norms take the statistics of one batch whole, in what is traced in the block."""
    layers = batch_norms(model)
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


@contextlib.contextmanager
def watched(model: keras.Model) -> Iterator[dict]:
    """Describe what the innermost layers give in the block, by their paths."""
    seen: dict[str, dict] = {}
    layers = innermost(model)
    try:
        for layer in layers:
            vars(layer)["call"] = _spy(layer, seen)  # past Keras's __setattr__
        yield seen
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def innermost(model: keras.Model) -> list:
    """Return the layers without layers in them; a recurrent layer counts as one.

    Its cell runs inside a loop of the compiler, out of which nothing may leak.
    """
    whole = (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.TimeDistributed)
    inside: set[int] = set()
    found = []
    for layer in model._flatten_layers(include_self=False):
        if id(layer) in inside or isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, whole):
            inside.update(id(one) for one in layer._flatten_layers(include_self=False))
            found.append(layer)
        elif not list(layer._layers):
            found.append(layer)
    return found


def _spy(layer, seen):
    inner, kind = layer.call, activation_of(layer)

    def call(*args, **kwargs):
        out = inner(*args, **kwargs)
        if hasattr(out, "dtype") and "float" in str(out.dtype) and len(out.shape) > 1:
            seen[layer.path or layer.name] = describe(out, kind)
        return out

    return call


def describe(out: Any, kind: str) -> dict[str, Any]:
    """Return numbers of one layer's output, over rows and places.

    `spread`: its standard deviation; `finite`: the share of finite numbers; `alike`: the largest
    difference of units on one place, by the largest number; `dead`: of a rectifier, the share of
    units that are 0 everywhere; `saturated`: of a bounded activation, the share of outputs within
    1 % of an end.
    """
    out = ops.cast(out, "float32")
    axes = tuple(range(len(out.shape) - 1))
    largest = ops.max(ops.abs(out)) + 1e-30
    found = {
        "spread": ops.std(out),
        "finite": ops.mean(ops.cast(ops.isfinite(out), "float32")),
    }
    if out.shape[-1] is not None and out.shape[-1] > 1:
        found["alike"] = ops.max(ops.max(out, axis=-1) - ops.min(out, axis=-1)) / largest
    if kind in RECTIFIERS:
        found["dead"] = ops.mean(ops.cast(ops.max(out, axis=axes) <= 0, "float32"))
    if kind in BOUNDED:
        low, high = BOUNDED[kind]
        near = 0.01 * (high - low)
        found["saturated"] = ops.mean(ops.cast((out < low + near) | (out > high - near), "float32"))
    return found


def _rms(array):
    return ops.sqrt(ops.mean(ops.square(array))) if 0 not in array.shape else ops.zeros(())


def _tensor(leaf):
    return leaf if ops.is_tensor(leaf) else ops.convert_to_tensor(np.asarray(leaf))


def _number(tensor) -> float:
    return float(ops.convert_to_numpy(tensor))


def _numbers(layers) -> dict[str, dict[str, float]]:
    return {name: {k: _number(v) for k, v in one.items()} for name, one in layers.items()}
