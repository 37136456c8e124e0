"""Where a training stopped being finite: the step, the layer, the row."""

import keras
import numpy as np


class Watch(keras.callbacks.Callback):
    """Keep the first step after which the loss or a weight is not finite, and the weights before.

    Attributes:
        step: how many steps were done when it happened, from 1; None while all is finite.
    """

    def __init__(self):
        super().__init__()
        self.step, self.batch, self.before, self._steps = None, 0, None, 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.step is None:
            self.before = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self.step is None:
            values = [*self.model.get_weights(), *(logs or {}).values()]
            if not all(map(is_finite, values)):
                self.step, self.batch = self._steps, batch

    def origin(self, x, replicas: int) -> str:
        """Say where, given the inputs of that batch; the model is left as it was before it."""
        self.model.set_weights(self.before)
        return f"in step {self.step}, {_place(self.model, x, replicas)}"


def is_finite(value) -> bool:
    """Whether all numbers of an array are; what holds no numbers is."""
    value = np.asarray(value)
    if value.dtype.kind in "OSUTM":
        return True
    return bool(np.isfinite(value.astype("float64") if value.dtype.kind == "V" else value).all())


def _place(model, x, replicas: int) -> str:
    """Return the first place on the way of these inputs that is not finite."""
    for part in map(np.asarray, keras.tree.flatten(x)):
        if not is_finite(part):
            return f"in `x`, {_row(part, replicas)}"
    for variable in model.weights:
        if not is_finite(keras.ops.convert_to_numpy(variable)):
            return f"in {variable.path!r}, before any update of that step"
    for name, outputs in _layer_by_layer(model, x):
        for output in map(keras.ops.convert_to_numpy, keras.tree.flatten(outputs)):
            if not is_finite(output):
                return f"in the output of {name!r}, {_row(output, replicas)}"
    return "behind the model's outputs, which are finite: in the loss, its gradient or the update"


def _layer_by_layer(model, x) -> list[tuple]:
    try:
        steps = keras.Model(model.inputs, model.outputs).operations  # a Sequential's too
        steps = [(step.name, step.output) for step in steps]
        looking = keras.Model(model.inputs, [output for _, output in steps])
    except (AttributeError, ValueError):  # subclassed, or layers that other models share
        return [(model.name, model(x))]
    return list(zip([name for name, _ in steps], looking(x), strict=True))


def _row(values, replicas: int) -> str:
    """Say which row is the first that is not finite, and which replica has it."""
    finite = np.isfinite(values.astype("float64")).reshape(len(values), -1).all(axis=1)
    row = int(np.argmin(finite))
    if replicas == 1:
        return f"row {row} of the batch"
    parts = np.array_split(np.arange(len(values)), replicas)
    return f"row {row} of the batch, on replica {[row in part for part in parts].index(True)}"
