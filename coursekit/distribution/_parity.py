"""Train on one device and on several, and compare."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coursekit._checks import count, require, same_rows, takes
from coursekit._findings import Finding
from coursekit.distribution._batches import check_end
from coursekit.distribution._lint import lint
from coursekit.distribution._runtime import virtual_devices
from coursekit.distribution._strategies import kept

TOLERANCE = 1e-5  # float32 sums in another order


@dataclass(frozen=True)
class Parity:
    """What `parity` measured. `print` it for the same in words.

    Attributes:
        replicas: on how many the second training ran.
        difference: the largest absolute difference of a weight after training; NaN if training on
            the replicas failed, or gave NaN.
        variable: the variable it was found in.
        moved: how far the weights moved on one device, at most: the scale of `difference`. Where
            none moved on either side nothing was compared, and `equal` is False.
        losses: the last logged loss on one device and on the replicas.
        error: what training on the replicas raised, or an empty string.
        findings: what `lint` says about the model.
        not_finite: where infinite or NaN numbers began, of each training that has any; or an empty
            string.
    """

    replicas: int
    difference: float
    variable: str
    moved: float
    losses: tuple[float, float]
    error: str
    findings: tuple[Finding, ...]
    not_finite: str = ""

    @property
    def equal(self) -> bool:
        """Whether weights moved and are finite, and agree within float32 rounding, as the loss."""
        one, many = self.losses
        if self._stood_still:
            return False
        if self.error or self.not_finite or not np.isfinite([self.moved, one, many]).all():
            return False
        same_loss = abs(one - many) <= TOLERANCE * max(1.0, abs(one))
        return self.difference <= TOLERANCE * max(1.0, self.moved) and same_loss

    @property
    def _stood_still(self) -> bool:
        return self.moved == 0 and self.difference == 0

    def __str__(self) -> str:
        if self._stood_still:
            head = "Nothing to compare: training moved no weight, neither on 1 device nor on more."
        elif self.error:
            head = f"Training fails on {self.replicas} replicas: {self.error}"
        elif self.not_finite:
            head = f"Nothing to compare, the numbers are not finite: {self.not_finite}"
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
        data: `(x, y)` or `(x, y, sample_weight)`, or a batched `tf.data.Dataset` (in the same order
            each time). Rows are not shuffled.
        replicas: at least 2. Defaults to 2.
        batch_size: rows of a batch over all replicas; only for arrays. Defaults to 32.
        epochs: at least 1. Defaults to 1.

    Returns:
        A `Parity`: the largest difference, where, and why if `lint` knows; or where numbers stopped
        being finite, which is never "equal".

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
    check_build(build)
    replicas = count("replicas", replicas, least=2)
    fit, batch_of = _arguments(data, count("batch_size", batch_size), count("epochs", epochs))
    import tensorflow as tf

    strategy = kept(tuple(_devices(tf, replicas)))
    first = tf.nest.map_structure(lambda part: part[:1], batch_of(0))
    one = _built(build, first)
    with strategy.scope():
        many = _built(build, first)
    require(
        one is not many,
        "`build` must return a new model each time it is called.",
        "Make the layers and the model inside of it",
        build=build,
    )
    shapes = [[tuple(v.shape) for v in model.variables] for model in (one, many)]
    rule = "`build` must return models of the same shapes."
    require(shapes[0] == shapes[1], rule, first=shapes[0], second=shapes[1])
    findings = tuple(lint(many))
    _copy(one.variables, many.variables)
    start = one.get_weights()
    end, loss, where = _trained(one, fit, batch_of, 1)
    other, other_loss, error = [np.nan] * len(end), np.nan, ""
    try:
        other, other_loss, other_where = _trained(many, fit, batch_of, replicas)
        where = "; ".join(filter(None, [where, other_where]))
    except Exception as failure:  # learner's model, any backend error: it is the result
        error = f"{type(failure).__name__}: {_reason(failure)}"
    return compared(
        [weight.path for weight in one.weights],
        start,
        end,
        other,
        replicas=replicas,
        losses=(loss, other_loss),
        error=error,
        findings=findings,
        not_finite=where,
    )


def compared(paths: Sequence[str], start, one, other, **measured) -> Parity:
    """Return the `Parity` of two trainings, from their weights before and after."""
    gaps = [_gap(a, b) for a, b in zip(one, other, strict=True)]
    moved = [_gap(a, b) for a, b in zip(start, one, strict=True)]
    worst = int(np.argmax(gaps))  # of NaN, if there is one
    return Parity(
        difference=gaps[worst], variable=paths[worst], moved=float(np.max(moved)), **measured
    )


def check_build(build) -> None:
    """Refuse a model, or anything else, in place of a function that builds one."""
    import keras

    way_out = "Write `def build(): ...` that makes, compiles and returns a new model"
    rule = "`build` must be a function without arguments: two models are needed, not one."
    is_function = callable(build) and not isinstance(build, keras.Model)
    require(is_function and takes(build), rule, way_out, build=build)


def check_data(data) -> tuple:
    """Return (x, y) or (x, y, sample_weight), which must have the same rows."""
    import keras

    rule = "`data` must be (x, y), (x, y, sample_weight), or on replicas a batched tf.data.Dataset."
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        got = f"{len(data)} parts" if isinstance(data, tuple | list) else type(data).__name__
        raise ValueError(f"{rule} Received: {got}")
    parts = {}
    for name, some in zip(("x", "y", "sample_weight"), data, strict=False):
        leaves = [leaf for leaf in keras.tree.flatten(some) if leaf is not None]
        are_arrays = all(hasattr(leaf, "shape") for leaf in leaves) and (leaves or name != "x")
        kinds = {getattr(leaf.dtype, "kind", "") for leaf in leaves} if are_arrays else {"O"}
        require(
            not kinds & {"U", "S", "O"},
            f"`{name}` must be an array of numbers, or a structure of such arrays.",
            "Of a list take np.asarray; of text tf.constant",
            **{name: type(some).__name__},
        )
        parts |= {name if len(leaves) == 1 else f"{name}[{i}]": v for i, v in enumerate(leaves)}
    require(same_rows(**parts) > 0, "`data` must have at least one row.", rows=0)
    return tuple(data)


def _arguments(data, batch_size: int, epochs: int):
    """Return the arguments of `fit`, and the function that gives the inputs of a batch."""
    import keras
    import tensorflow as tf

    fit = {"epochs": epochs, "verbose": 0, "shuffle": False}
    if isinstance(data, tf.data.Dataset):
        check_end("data", data)

        def batch_of(index):
            batch = next(iter(data.skip(index)), None)
            require(batch is not None, "`data` must have at least one batch.", data=data)
            rows = {part.shape[0] if len(part.shape) else None for part in tf.nest.flatten(batch)}
            batched = len(rows) == 1 and None not in rows
            require(batched, "`data` must be batched.", "Use `data.batch(32)`", data=data)
            return keras.utils.unpack_x_y_sample_weight(batch)[0]

        return {"x": data, "epochs": epochs, "verbose": 0}, batch_of
    data = check_data(data)
    fit |= dict(zip(("x", "y", "sample_weight"), data, strict=False)) | {"batch_size": batch_size}

    def rows_of(index):
        rows = slice(index * batch_size, (index + 1) * batch_size)
        return tf.nest.map_structure(lambda part: part[rows], data[0])

    return fit, rows_of


def _trained(model, fit, batch_of, replicas: int):
    """Train; return the weights, the last loss, and where numbers stopped being finite."""
    from coursekit.distribution._nonfinite import Watch

    watch = Watch()
    loss = float(model.fit(**fit, callbacks=[watch]).history["loss"][-1])
    end, where = model.get_weights(), ""
    if watch.step is not None:
        where = f"on {replicas} device{'s' * (replicas > 1)} " + watch.origin(
            batch_of(watch.batch), replicas
        )
    return end, loss, where


def _devices(tf, replicas: int) -> list[str]:
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus >= replicas:
        return [f"GPU:{index}" for index in range(replicas)]
    return virtual_devices(replicas)


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
    require(
        model.optimizer is not None,
        "`build` must return a model with an optimizer.",
        "Call model.compile(optimizer, loss)",
        optimizer=None,
    )
    if not model.built or not model.weights:
        model(first)
    require(bool(model.weights), "The model of `build` must have weights.", model=model.name)
    return model


def _copy(source, target):
    for a, b in zip(source, target, strict=True):
        b.assign(a.numpy())


def _gap(a, b) -> float:
    """Return the largest absolute difference, in float64."""
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it should be
        gap = np.asarray(a, "float64") - np.asarray(b, "float64")
    return float(np.max(np.abs(gap), initial=0.0))
