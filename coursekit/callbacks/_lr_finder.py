"""Find a learning rate by raising it until training breaks.

```
result = find_learning_rate(model, x, y)
print(result)    # the rate that it suggests, or why it suggests none
model.optimizer.learning_rate = result.suggestion
```

How the curve is read: `_lr_curve.py`. How the model is left as it was: `_untouched.py`.
"""

import contextlib
import itertools
import re
import types
import warnings
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from coursekit._checks import brief, count, number, refuse_masked
from coursekit._endings import refuse_mismatch
from coursekit.callbacks._lr_causes import cause_of
from coursekit.callbacks._lr_curve import diverged, smooth, suggest, window, without_wall
from coursekit.callbacks._untouched import untouched

NO_UPDATE = (
    "`model.optimizer` made no update: the training step does not use it, or every gradient was "
    "not finite and the loss scaling skipped them all."
)


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What `find_learning_rate` saw.

    Attributes:
        rates: the learning rate of each update.
        losses: the loss of the batch after that update, penalties included. The last one may be
            NaN or infinite.
        smoothed: the same without most of the noise between batches, and without the height of the
            wall at the end.
        suggestion: the learning rate to start with, or None.
        reason: why this one, or why none, in words.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    reason: str

    def __str__(self):
        found = "no suggestion" if self.suggestion is None else f"{self.suggestion:.2g}"
        return f"Learning rate: {found}. {self.reason}"

    def __repr__(self):
        return f"RangeTest(suggestion={self.suggestion}, updates={len(self.rates)})"


def find_learning_rate(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    batch_size: int | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> RangeTest:
    """Suggest a learning rate from one short run of `fit` in which the rate grows at every step.

    ```
    rate_t = lowest * (highest / lowest) ** (t / (steps - 1))        t = 0 .. steps - 1
    slope(rate) = d smoothed_loss / d log(rate), before the loss first rises again
    suggestion = max{rate : slope(rate) <= steepest slope / 2} / 2
    ```

    The steepest point itself scatters from run to run; the end of the steep part scatters less.

    The run stops early once the loss has left its range. Where the curve tells nothing the
    suggestion is None, and `reason` says why and what to try: the loss is not finite (with the row
    of an array that makes it so), rises from the first rates on, never falls, falls less than it
    varies between batches or in too few steps, or still falls at the highest rate.

    Afterwards everything is as before, bit by bit, also after an error or Ctrl-C: weights,
    optimizer, learning rate or schedule, metrics, random states, history. Only the data may have
    moved on: an iterator is read from where it is, and a dataset that shuffles itself differently
    in each pass counts this as one.

    Args:
        model: a compiled Keras model, trained or not. Not built yet, it is built from the data. An
            optimizer that has trained goes on with its momentum.
        x: inputs, as in `fit`: arrays (also in a dict or list), a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or a generator. Fewer batches than steps are gone over again.
        y: targets, as in `fit`.
        sample_weight: as in `fit`.
        class_weight: as in `fit`.
        batch_size: as in `fit`. Take the one to train with: the best rate depends on it.
        lowest: the first rate, above 0.
        highest: the last rate, above `lowest`.
        steps: number of updates, at least 20.

    Returns:
        A `RangeTest`.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if it is not compiled, an argument is out of range, targets are missing, the
            last layer gives logits where the loss takes probabilities, or the other way round,
            the data hold no batch, or the training step reports no loss.

    Numerics: a batch's loss is compared with others of this run only, by differences: the scale
    and the sign of the loss do not matter.

    Example:
        >>> import keras, numpy as np
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.5), "mse")
        >>> result = find_learning_rate(model, x, x.sum(1))
        >>> 0.005 < result.suggestion < 0.5
        True
        >>> round(float(model.optimizer.learning_rate), 2)
        0.5

    References:
        Smith, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186.
    """
    _check(model, x, y)
    for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        for leaf in keras.tree.flatten(part):
            refuse_masked(name, leaf)
    lowest = number("lowest", lowest, above=0)
    highest = number("highest", highest, above=lowest)
    steps = count("steps", steps, 20, "With fewer the curve is all noise")
    if batch_size is not None:
        batch_size = count("batch_size", batch_size)
    rates = np.geomspace(lowest, highest, steps)
    probe = _Probe(rates)
    # On JAX the first `fit` draws a batch to build the loss with; later ones do not.
    draws = keras.backend.backend() == "jax" and not getattr(model._compile_loss, "built", True)
    data = {"sample_weight": sample_weight, "class_weight": class_weight, "batch_size": batch_size}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        if not model.built:
            x = _build(model, x)
        if type(model).compute_loss is keras.Model.compute_loss:
            refuse_mismatch(model)
        with untouched(model) as drawn_so_far:
            probe.when_built = drawn_so_far if draws else None
            model.train_function, model.steps_per_execution = None, 1
            # Keras 3.15 gives the first two batches of a generator again once it has ended.
            epochs = 1 if isinstance(x, types.GeneratorType) else steps + 1
            try:
                model.fit(x, y, epochs=epochs, verbose=0, callbacks=[probe], **data)
            except Exception as error:
                _refuse_labels(error)
                raise
    if not probe.losses:
        raise ValueError("The data must hold at least one batch. Received: none.")
    losses = np.array(probe.losses[1:])
    rates = rates[: len(losses)]
    cause = ""
    if not np.isfinite(probe.losses).all():
        cause = cause_of(model, x=x, y=y, sample_weight=sample_weight)
    suggestion, reason = suggest(rates, losses, probe.losses[0], steps, cause)
    if not probe.updates and np.isfinite(probe.losses[0]):
        suggestion, reason = None, NO_UPDATE
    seen = without_wall(losses, probe.losses[0], window(steps))
    return RangeTest(rates, losses, smooth(seen, window(steps)), suggestion, reason)


def _refuse_labels(error: Exception) -> None:
    """Say in words what TensorFlow says of a label that is no class, at the end of its graph."""
    found = re.search(r"label value of (-?\d+) .*?valid range of \[0, (\d+)\)", str(error))
    if found:
        label, classes = found.groups()
        raise ValueError(
            f"`y` must hold class numbers from 0 to {int(classes) - 1}, as the model has {classes} "
            f"outputs. Received: {label}. Number the classes from 0: "
            "np.unique(y, return_inverse=True)[1]; or give the last layer more units."
        ) from None


class _Probe(keras.callbacks.Callback):
    """Raises the learning rate before each step, and notes the loss of each batch on its own."""

    def __init__(self, rates):
        super().__init__()
        self.rates, self.losses, self.when_built = rates, [], None

    def on_train_begin(self, logs=None):
        if self.when_built:
            self.when_built()
        self.optimizer = self.model.optimizer
        self.rate = _rate_variable(self.model)
        self.before = _number(self.optimizer.iterations)

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = len(self.losses)

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()  # `logs` would hold the mean since the beginning of the epoch
        self.rate.assign(self.rates[min(len(self.losses), len(self.rates) - 1)])

    def on_train_batch_end(self, batch, logs=None):
        if "loss" not in (logs or {}):
            raise ValueError(
                'The training step must report a "loss". Received: '
                f"{sorted(logs or {})}. Return it from `train_step`, as Keras's own does."
            )
        self.losses.append(_number(logs["loss"]))
        if len(self.losses) > len(self.rates) or diverged(self.losses, len(self.rates)):
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if len(self.losses) == self.seen:  # an iterator that has ended
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.updates = _number(self.optimizer.iterations) - self.before


def _number(value) -> float:
    return float(np.mean(keras.ops.convert_to_numpy(value)))


def _rate_variable(model):
    """Return the variable that the (copied) optimizer reads its rate from, in place of a schedule.

    Keras refuses to set a number where a schedule is, so that its private attribute is set.
    """
    optimizer = model.optimizer
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if not isinstance(optimizer._learning_rate, keras.Variable):
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            variable = optimizer.add_variable((), name="learning_rate")
        optimizer._learning_rate = variable
    return optimizer._learning_rate


def _build(model, x):
    """Build a model on the shape of its inputs, as the first step of `fit` would; return the data.

    It happens before anything is kept, so that random numbers drawn by building count as drawn.
    """
    data, inputs = x, x
    if isinstance(x, types.GeneratorType):
        inputs = next(x)
        data = (batch for batch in itertools.chain([inputs], x))
    elif isinstance(x, keras.utils.PyDataset):
        inputs = x[0]
    elif hasattr(x, "element_spec"):
        inputs = x.element_spec
    if inputs is not x and isinstance(inputs, tuple):
        inputs = inputs[0]

    def symbol(value):
        value = value if hasattr(value, "dtype") else np.asarray(value)
        dtype = keras.backend.standardize_dtype(value.dtype)
        dtype = keras.config.floatx() if dtype == "float64" else dtype
        return keras.KerasTensor((None, *value.shape[1:]), dtype)

    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model(keras.tree.map_structure(symbol, inputs))
    return data


def _check(model, x, y):
    if not isinstance(model, keras.Model):
        call = ". Call it: build()" if callable(model) else ""
        raise TypeError(f"`model` must be a Keras model. Received: model={brief(model, 80)}{call}")
    if not model.compiled or not isinstance(model.optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            "`model` must be compiled with an optimizer. Received: "
            f"optimizer={getattr(model, 'optimizer', None)!r}. Call `model.compile` first."
        )
    for leaf in keras.tree.flatten(x):
        if hasattr(leaf, "dtype") and np.shape(leaf) == ():
            raise ValueError(f"`x` must hold rows. Received: x={brief(x, 80)}, without any axis.")
        if getattr(getattr(leaf, "dtype", None), "kind", "") in ("m", "M"):
            raise ValueError(
                f"`x` must hold numbers, or text for a model that takes it. Received: {leaf.dtype}"
            )
    spec = getattr(x, "element_spec", None)
    alone = not isinstance(spec, tuple) if spec is not None else _is_arrays(x)
    own = type(model).train_step is not keras.Model.train_step or not model.loss
    own = own or type(model).compute_loss is not keras.Model.compute_loss
    if y is None and alone and not own:
        raise ValueError(
            "`y` is needed: the loss that the model was compiled with compares with targets. "
            f"Received: y=None, loss={brief(model.loss)}. Pass the targets, or a dataset of pairs "
            "(x, y)."
        )


def _is_arrays(x) -> bool:
    if isinstance(x, types.GeneratorType | keras.utils.PyDataset):
        return False
    return all(hasattr(leaf, "shape") for leaf in keras.tree.flatten(x))
