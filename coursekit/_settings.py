"""What is set for a whole process and decides the numbers of a training there."""

import contextlib
import importlib.metadata
import os
from collections.abc import Iterator
from typing import Any

# Read once, when TensorFlow or XLA begins.
ENVIRONMENT = "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS"
KERAS = "floatx", "epsilon", "image_data_format"
JAX = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
)


def versions(*packages: str) -> dict[str, str | None]:
    """Return the versions of packages; None for what is not there."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def environment() -> tuple[tuple[str, str | None], ...]:
    """Return the variables that decide numbers, and None for what is not set."""
    return tuple((name, os.environ.get(name)) for name in ENVIRONMENT)


def settings() -> dict[str, Any]:
    """Return the settings of Keras and of its backend."""
    import keras

    found = {"backend": keras.backend.backend()}
    found |= {name: getattr(keras.config, name)() for name in KERAS}
    found["dtype_policy"] = keras.dtype_policies.serialize(keras.config.dtype_policy())
    if found["backend"] == "jax":
        import jax

        found |= {name: getattr(jax.config, name) for name in JAX}
    elif found["backend"] == "tensorflow":
        import tensorflow as tf

        found["tensor_float_32"] = tf.config.experimental.tensor_float_32_execution_enabled()
    return found


@contextlib.contextmanager
def applied(wanted: dict[str, Any]) -> Iterator[None]:
    """Set what `settings` returned elsewhere, and what was there before at the end."""
    before = settings()
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, Any]) -> None:
    import keras

    for name in KERAS:
        getattr(keras.config, f"set_{name}")(values[name])
    keras.config.set_dtype_policy(keras.dtype_policies.deserialize(values["dtype_policy"]))
    if values["backend"] == "jax":
        import jax

        for name in JAX:
            jax.config.update(name, values[name])
    elif values["backend"] == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(values["tensor_float_32"])
