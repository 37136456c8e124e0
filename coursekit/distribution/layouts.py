"""A model on several devices with `keras.distribution`. JAX backend.

```
from coursekit.distribution.layouts import build_sharded, parity_on_devices

model = build_sharded(build, {".*dense/kernel": (None, "model")}, model_parts=2)
model.fit(...)
```

The devices form a grid with the axes "batch" and "model": each column holds a part of the model,
each row of it a part of the batch. Without layouts all devices hold the whole model, which is
`keras.distribution.DataParallel`. On a CPU, set XLA_FLAGS=--xla_force_host_platform_device_count=8
before JAX is imported: such devices show that numbers are right, never that anything is faster.
"""

import re
from collections.abc import Callable
from typing import Any

from coursekit._checks import brief, count, require
from coursekit.distribution._parity import Parity, check_build, check_data, compared


def build_sharded(
    build: Callable[[], Any],
    layouts: dict[str, tuple[str | None, ...]] | None = None,
    model_parts: int = 1,
):
    """Build a model whose variables are spread over the devices, and leave Keras set to them.

    ```
    ".*dense/kernel": (None, "model")    the columns of that matrix, a part on each device
    ```

    Keras trap cured: the keys of a `LayoutMap` must match the whole path of a variable (3.13 took a
    part of it). One that matches none, as "dense/kernel" for "sequential/dense/kernel", shards
    nothing, and Keras does not say so. This raises.

    Args:
        build: a function without arguments that returns a new, built model.
        layouts: for a regular expression that matches the path of a variable, the axis of the
            devices ("model", "batch" or None) along each of its axes. Other variables are whole on
            each device. Defaults to none.
        model_parts: into how many parts "model" splits; the rest of the devices split the batch.
            Must divide the number of devices. Defaults to 1.

    Returns:
        The model. `keras.distribution.set_distribution(None)` ends the distribution, which `fit`
        needs.

    Raises:
        ValueError: for a key that matches no variable, an axis with another name, or a number of
            parts that does not divide.
        RuntimeError: on another backend than JAX, or with one device.
    """
    import keras

    check_build(build)
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(_distribution(layouts or {}, model_parts))
    try:
        model = build()
        _check_layouts(model, layouts or {})
    except BaseException:
        keras.distribution.set_distribution(before)
        raise
    return model


def parity_on_devices(
    build: Callable[[], Any],
    data: tuple,
    layouts: dict[str, tuple[str | None, ...]] | None = None,
    model_parts: int = 1,
    *,
    batch_size: int = 32,
    epochs: int = 1,
) -> Parity:
    """Train a model on one device and on all, from the same weights, and compare.

    Args:
        build: a function without arguments that returns a new, built and compiled model. It is
            called twice, and Keras numbers layers without a name: name those in `layouts`.
        data: `(x, y)` or `(x, y, sample_weight)`. Rows are not shuffled.
        layouts: as in `build_sharded`. Defaults to none: data parallelism.
        model_parts: as in `build_sharded`. Defaults to 1.
        batch_size: rows of a batch over all devices. Defaults to 32.
        epochs: at least 1. Defaults to 1.

    Returns:
        A `Parity`; its `replicas` are the parts of the batch.

    Raises:
        ValueError: as `build_sharded`, or for a batch that does not divide: JAX takes none, nor a
            smaller last one.
        RuntimeError: as `build_sharded`.
    """
    import keras

    check_build(build)
    parts = _distribution({}, model_parts).device_mesh.shape[0]
    data, batch_size = check_data(data), count("batch_size", batch_size)
    rows = len(keras.tree.flatten(data[0])[0])
    for size in {min(batch_size, rows), rows % batch_size} - {0}:
        if size % parts:
            raise ValueError(
                f"A batch of {size} of the {rows} rows does not divide by {parts} parts. Received: "
                f"batch_size={batch_size}. Take a multiple of {parts}, and as many rows as fill "
                "the last batch."
            )
    fit = dict(zip(("x", "y", "sample_weight"), data, strict=False))
    fit |= {"batch_size": batch_size, "epochs": count("epochs", epochs)}
    fit |= {"verbose": 0, "shuffle": False}
    before = keras.distribution.distribution()
    try:
        keras.distribution.set_distribution(None)
        one = build()
        start = one.get_weights()
        all_of_it = [keras.ops.convert_to_numpy(variable) for variable in one.variables]
        loss = one.fit(**fit).history["loss"][-1]
        many = build_sharded(build, layouts, model_parts)
        for variable, value in zip(many.variables, all_of_it, strict=True):
            variable.assign(value)
        other_loss = many.fit(**fit).history["loss"][-1]
        return compared(
            [weight.path for weight in one.weights],
            start,
            one.get_weights(),
            many.get_weights(),
            replicas=parts,
            losses=(float(loss), float(other_loss)),
            error="",
            findings=(),
        )
    finally:
        keras.distribution.set_distribution(before)


def _distribution(layouts, model_parts):
    import keras

    devices, model_parts = _count_devices(), count("model_parts", model_parts)
    divides = devices % model_parts == 0
    rule = f"`model_parts` must divide the {devices} devices."
    require(divides, rule, model_parts=model_parts)
    mesh = keras.distribution.DeviceMesh(
        (devices // model_parts, model_parts), ("batch", "model"), keras.distribution.list_devices()
    )
    layout_map = keras.distribution.LayoutMap(mesh)
    rule = "`layouts` must be a dict of a pattern to a tuple of axes."
    require(isinstance(layouts, dict), rule, layouts=layouts)
    for pattern, axes in layouts.items():
        require(isinstance(axes, tuple | list), rule, layouts=layouts)
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"A key of `layouts` must be a regular expression. Received: {pattern!r} "
                f"({error}). For any beginning write '.*', as in '.*dense/kernel'."
            ) from None
        unknown = set(axes) - {"batch", "model", None}
        if unknown:
            raise ValueError(
                f"The axes of a layout are 'model', 'batch' and None. Received: {pattern!r}: {axes}"
            )
        layout_map[pattern] = tuple(axes)
    return keras.distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")


def _count_devices() -> int:
    import keras

    if keras.backend.backend() != "jax":
        raise RuntimeError(
            "`keras.distribution` does something on JAX only; on TensorFlow it is silently without "
            f"effect. Received: backend={keras.backend.backend()!r}. Set KERAS_BACKEND=jax."
        )
    count = len(keras.distribution.list_devices())
    if count == 1:
        raise RuntimeError(
            "There is one device, and nothing to spread. On a CPU set XLA_FLAGS="
            "--xla_force_host_platform_device_count=8 before JAX is imported."
        )
    return count


def _check_layouts(model, layouts):
    paths = [variable.path for variable in model.variables]
    for pattern in layouts:
        if not any(re.fullmatch(pattern, path) for path in paths):
            near = [path for path in paths if re.search(pattern, path)]
            way = f"'.*{pattern}' would match {near[0]!r}" if near else f"There are {brief(paths)}"
            raise ValueError(
                "A key of a layout must match the whole path of a variable; this one matches none, "
                f"and Keras would shard nothing. Received: {pattern!r}. {way}."
            )
