"""A check leaves no trace: random states, global settings, folder, figures are as they were.

What is restored is a table: `PLACES` here, each a function that looks at one place and returns the
function that restores it, and `SETTINGS`, of settings that a library lets one get and set. Keras,
TensorFlow, JAX and matplotlib are touched only if something else has imported them, and what is
imported in the block stays imported.
"""

import contextlib
import copy
import gc
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from coursekit import _randomness


@contextlib.contextmanager
def isolated():
    """Restore everything global that a check, or the code it calls, may have changed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for save in (_randomness.save, *PLACES):
            stack.callback(save())
        yield


class Setting(NamedTuple):
    """A setting of a module: how it is read, and how what was read is set again."""

    module: str
    get: Callable[[Any], Any]  # from the module
    set: Callable[[Any, Any], Any]  # of the module and the value


def _set_each(setter: Callable, now: dict, before: dict) -> None:
    """Set again what has changed: some settings may not be touched once a backend has started."""
    for name, value in before.items():
        if now.get(name) is not value and now.get(name) != value:
            setter(name, value)


SETTINGS = [
    Setting("sys", lambda _: sys.getrecursionlimit(), lambda _, v: sys.setrecursionlimit(v)),
    Setting("gc", lambda _: gc.isenabled(), lambda _, v: gc.enable() if v else gc.disable()),
    Setting("numpy", lambda _: np.geterr(), lambda _, v: np.seterr(**v)),
    Setting("numpy", lambda _: np.geterrcall(), lambda _, v: np.seterrcall(v)),
    Setting("numpy", lambda _: np.get_printoptions(), lambda _, v: np.set_printoptions(**v)),
    *[
        Setting(
            "keras",
            lambda keras, name=name: getattr(keras.config, name)(),
            lambda keras, value, name=name: getattr(keras.config, f"set_{name}")(value),
        )
        for name in ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch")
    ],
    Setting(
        "tensorflow",
        lambda tf: tf.config.functions_run_eagerly(),
        lambda tf, value: tf.config.run_functions_eagerly(value),
    ),
    Setting(
        "tensorflow",
        lambda tf: tf.config.experimental.tensor_float_32_execution_enabled(),
        lambda tf, value: tf.config.experimental.enable_tensor_float_32_execution(value),
    ),
    # TensorFlow can switch these on, and has no public way to ask; of the second none to undo it.
    Setting(
        "tensorflow.python.debug.lib.check_numerics_callback",
        lambda module: hasattr(module._state, "check_numerics_callback"),
        lambda module, on: (
            module.enable_check_numerics if on else module.disable_check_numerics
        )(),
    ),
    Setting(
        "tensorflow.python.framework.config",
        lambda module: module.is_op_determinism_enabled(),
        lambda module, on: (
            module.enable_op_determinism if on else module.disable_op_determinism
        )(),
    ),
    Setting(
        "jax",
        lambda jax: jax.config.values,
        lambda jax, before: _set_each(jax.config.update, jax.config.values, before),
    ),
    Setting(
        "matplotlib",
        lambda mpl: {k: v for k, v in mpl.rcParams.copy().items() if k != "backend"},
        lambda mpl, before: dict.update(mpl.rcParams, before),
    ),
]


def _settings():
    kept = []
    for setting in SETTINGS:
        module = sys.modules.get(setting.module)
        with contextlib.suppress(AttributeError):  # one that is only half imported
            if module is not None:
                kept.append((setting, module, setting.get(module)))

    def restore():
        for setting, module, before in kept:
            if setting.get(module) != before:
                setting.set(module, before)

    return restore


def _environment():
    before = dict(os.environ)

    def restore():
        for name in set(os.environ) - set(before):
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    return restore


def _folder():
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        return lambda: None

    def restore():
        with contextlib.suppress(OSError):
            os.chdir(folder)

    return restore


def _figures():
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = set(pyplot.get_fignums()) if pyplot else set()

    def restore():
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in set(pyplot.get_fignums()) - before if pyplot else ():
            pyplot.close(number)

    return restore


def _keras():
    if "keras" not in sys.modules:
        return lambda: None
    # Keras keeps its dtype policy, distribution, layer names and switches in one place, and has no
    # public way to read all of them: pinned by tests/exercises.
    from keras.src.backend.common import global_state

    state = {k: copy.copy(v) if isinstance(v, dict | list) else v
             for k, v in vars(global_state.GLOBAL_STATE_TRACKER).items()}  # fmt: skip

    def restore():
        now = vars(global_state.GLOBAL_STATE_TRACKER)
        now.clear()
        now.update(state)

    return restore


def _tensorflow_scopes():
    """TensorFlow's scopes, which nobody outside can leave: pinned by tests/exercises.

    Nothing here starts its devices, whose number a lesson may still want to set.
    """
    if not hasattr(sys.modules.get("tensorflow"), "distribute"):
        return lambda: None
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    graph = ops.get_default_graph()
    strategies, creators = list(graph._distribution_strategy_stack), graph._variable_creator_stack
    chosen = graph._global_distribute_strategy_scope
    device = context.context().device_name, context.context().device_spec

    def restore():
        graph = ops.get_default_graph()
        graph._global_distribute_strategy_scope = chosen
        graph._distribution_strategy_stack = strategies
        graph._variable_creator_stack = creators
        context.context()._set_device(*device)

    return restore


PLACES = (_settings, _environment, _folder, _figures, _keras, _tensorflow_scopes)
