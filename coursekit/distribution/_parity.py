"""Train on one device and on several, and compare."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coursekit._findings import Finding
from coursekit.distribution._lint import lint
from coursekit.distribution._runtime import virtual_devices

TOLERANCE = 1e-5  # float32 sums in another order


@dataclass(frozen=True)
class Parity:
    """What `parity` measured. `print` it for the same in words.

    Attributes:
        replicas: on how many the second training ran.
        difference: the largest absolute difference of a weight after training; NaN if training on
            the replicas failed, or gave NaN.
        variable: the variable it was found in.
        moved: how far the weights moved on one device, at most: the scale of `difference`.
        losses: the last logged loss on one device and on the replicas.
        error: what training on the replicas raised, or an empty string.
        findings: what `lint` says about the model.
    """

    replicas: int
    difference: float
    variable: str
    moved: float
    losses: tuple[float, float]
    error: str
    findings: tuple[Finding, ...]

    @property
    def equal(self) -> bool:
        """Whether weights and loss agree within float32 rounding."""
        one, many = self.losses
        same_loss = abs(one - many) <= TOLERANCE * max(1.0, abs(one))
        return not self.error and self.difference <= TOLERANCE * max(1.0, self.moved) and same_loss

    def __str__(self) -> str:
        if self.error:
            head = f"Training fails on {self.replicas} replicas: {self.error}"
        else:
            verdict = "The same training" if self.equal else "NOT the same training"
            head = (
                f"{verdict} on 1 device and on {self.replicas} replicas: weights differ by up to "
                f"{self.difference:.2g} (in {self.variable}; training moved them by up to "
                f"{self.moved:.2g}), the loss is {self.losses[0]:.6g} and {self.losses[1]:.6g}."
            )
        return "\n".join([head, *map(str, self.findings)])


def parity(
    build: Callable[[], Any],
    data: Any,
    replicas: int = 2,
    *,
    batch_size: int = 32,
    epochs: int = 1,
) -> Parity:
    """Train a model on one device and on `replicas`, from the same weights, and compare.

    ```
    print(parity(build, (x, y)))
    ```

    Replicas are GPUs where there are enough, otherwise parts of the CPU (`virtual_devices`): that
    tells whether the numbers are right and nothing about speed.

    Args:
        build: a function without arguments that returns a new, compiled model. It is called twice,
            once inside the strategy's scope.
        data: `(x, y)` or `(x, y, sample_weight)`, or a batched `tf.data.Dataset`. Rows are not
            shuffled.
        replicas: at least 2. Defaults to 2.
        batch_size: rows of a batch over all replicas; only for arrays. Defaults to 32.
        epochs: at least 1. Defaults to 1.

    Returns:
        A `Parity`: the largest difference, where, and why if `lint` knows.

    Raises:
        ValueError: for arguments out of range, or a `build` that returns no compiled model.
        RuntimeError: if TensorFlow has started with fewer devices than `replicas`, with the way
            out; or on another backend than TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "`parity` compares `tf.distribute` replicas. Received: backend="
            f"{keras.backend.backend()!r}. With JAX, `keras.distribution` gives the same numbers."
        )
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 2:
        raise ValueError(f"`replicas` must be at least 2. Received: replicas={replicas!r}")
    if not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"`epochs` must be at least 1. Received: epochs={epochs!r}")
    import tensorflow as tf

    strategy = _strategy(tuple(_devices(tf, replicas)))
    arguments = {"epochs": epochs, "verbose": 0, "shuffle": False}
    if isinstance(data, tf.data.Dataset):
        arguments["x"], first = data, keras.utils.unpack_x_y_sample_weight(next(iter(data)))[0]
    else:
        names = ("x", "y", "sample_weight")
        arguments |= dict(zip(names, data, strict=False)) | {"batch_size": batch_size}
        first = data[0]
    first = tf.nest.map_structure(lambda part: part[:1], first)

    one = _built(build, first)
    with strategy.scope():
        many = _built(build, first)
    findings = tuple(lint(many))
    _copy(one.variables, many.variables)
    start = one.get_weights()
    expected = one.fit(**arguments).history["loss"][-1]
    try:
        loss, error = many.fit(**arguments).history["loss"][-1], ""
    except Exception as failure:  # learner's model, any backend error: it is the result
        loss, error = np.nan, f"{type(failure).__name__}: {_reason(failure)}"
    ends = list(zip(one.weights, one.get_weights(), many.get_weights(), strict=True))
    gaps = [np.nan if error else _gap(a, b) for _, a, b in ends]
    worst = int(np.argmax(gaps))  # of NaN, if there is one
    return Parity(
        replicas=replicas,
        difference=gaps[worst],
        variable=ends[worst][0].path,
        moved=max(_gap(a, b) for a, (_, b, _) in zip(start, ends, strict=True)),
        losses=(float(expected), float(loss)),
        error=error,
        findings=findings,
    )


def _devices(tf, replicas: int) -> list[str]:
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus >= replicas:
        return [f"GPU:{index}" for index in range(replicas)]
    return virtual_devices(replicas)


@functools.cache
def _strategy(devices: tuple[str, ...]):
    import tensorflow as tf

    mirrored = tf.distribute.MirroredStrategy
    # TensorFlow numbers the collective operations of every strategy from the same start, and those
    # of two strategies clash ("Shape mismatch in the collective instance"). Leave room on both
    # sides of this one; TensorFlow's own tests do the same.
    mirrored._collective_key_base += 100_000
    strategy = mirrored(list(devices))
    mirrored._collective_key_base += 100_000
    return strategy


def _reason(failure: Exception) -> str:
    """Return the line of the message that says something, without terminal colours."""
    lines = re.sub(r"\x1b\[\d+m", "", str(failure)).splitlines()
    said = (line for line in lines if line and not line.startswith("Exception encountered when"))
    return next(said, "")


def _built(build, first):
    model = build()
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`build` must return a compiled Keras model. Received: "
            f"{type(model).__name__}{' (not compiled)' if hasattr(model, 'compile') else ''}"
        )
    if not model.built or not model.weights:
        model(first)
    return model


def _copy(source, target):
    for a, b in zip(source, target, strict=True):
        b.assign(a.numpy())


def _gap(a, b) -> float:
    """Return the largest absolute difference, in float64."""
    return float(np.max(np.abs(a.astype("float64") - b.astype("float64")), initial=0.0))
