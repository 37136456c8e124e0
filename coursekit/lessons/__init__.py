"""The lessons' checks, hints, quizzes and cards, one module each.

    from coursekit.lessons.training_loop import check

Importing this settles what a notebook needs before Keras is loaded: numbers that differ less from
machine to machine (oneDNN off; on a GPU, products of float32 without TF32), a quiet TensorFlow, and
the backend that is installed.
"""

import contextlib
import os
from collections.abc import Sequence
from importlib.util import find_spec

from coursekit.lessons._running import running_model
from coursekit.lessons._tpu import ask_the_tpu_compiler

__all__ = ["ask_the_tpu_compiler", "report", "running_model"]

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
if find_spec("tensorflow") is None and find_spec("jax") is not None:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # a TPU runtime on Colab


def report(backends: Sequence[str] = ("tensorflow", "jax"), devices: int = 1) -> None:
    """Show what this notebook runs on, and what to do if something is missing.

    Args:
        backends: the Keras backends that the lesson runs on.
        devices: into how many the CPU is split; only works before TensorFlow starts. Defaults to 1.
    """
    from coursekit.exercises import home, versions
    from coursekit.exercises.cards import Card, Code, Fold, Text, show

    kept = "$COURSEKIT_HOME" if os.environ.get("COURSEKIT_HOME") else home()
    with _quiet_start():
        found, problems = _look(backends, devices)
    title = "Something is missing" if problems else f"Ready: {', '.join(found)}"
    details = "\n".join([versions(), *found, f"your progress is kept in {kept}"])
    folded = Fold("Details of this installation", [Code(details)])
    show(Card("note", title, [*map(Text, problems), folded]))


@contextlib.contextmanager
def _quiet_start():
    """Hide what TensorFlow's libraries write to stderr while they load; errors still raise."""
    saved, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)


def _look(backends, devices) -> tuple[list[str], list[str]]:
    """Return what was found and what is wrong, in words."""
    from coursekit import datasets

    if find_spec("tensorflow") is None and find_spec("jax") is None:
        return [], ["Keras needs TensorFlow or JAX: `%pip install tensorflow`, then restart."]
    problems = list(datasets.check_files())
    if devices > 1:
        from coursekit.distribution import virtual_devices

        try:
            virtual_devices(devices)
        except RuntimeError as error:  # it says what to do
            problems.append(str(error))
    import keras

    name = keras.backend.backend()
    if name not in backends:
        words = " or ".join(backends)
        problems.append(
            f"This lesson runs on {words}, and Keras runs on {name} here. On Colab choose "
            f"Runtime, Change runtime type, CPU; elsewhere set KERAS_BACKEND={backends[0]} and "
            "restart the kernel."
        )
    policy = keras.config.dtype_policy().name
    found = [f"Keras on {name}", _devices(name), policy]
    return found + ["data sets complete"] * (not problems), problems


def _devices(name: str) -> str:
    """Name the accelerators, or the CPU where there are none."""
    if name == "tensorflow":
        import tensorflow as tf

        kinds = [d.device_type for d in tf.config.list_logical_devices()]
    else:
        import jax

        kinds = [d.platform.upper() for d in jax.devices()]
    special = [k for k in kinds if k in ("GPU", "TPU")]
    return f"{len(special)} {special[0]}" if special else "CPU"
