"""A check leaves no trace; a loop without an end is stopped; a flood of print does no harm."""

import gc
import json
import os
import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit.exercises import Wrong
from coursekit.exercises._isolation import isolated

pytestmark = pytest.mark.any_backend
ROOT = Path(__file__).parents[2]
BACKEND = keras.backend.backend()
needs_tf = pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow only")
PIN = (
    "A private name that coursekit/exercises/_isolation.py reads has changed: {}. Find the new "
    "one in the library's source, change it there, and run these tests again."
)


def trained(seed=None):
    """Train a model with dropout and shuffling; return its losses."""
    if seed is not None:
        keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(8), keras.layers.Dropout(0.5),
              keras.layers.Dense(1)]  # fmt: skip
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.05), "mse")
    x = np.linspace(-1, 1, 72).reshape(24, 3)
    return model.fit(x, x.sum(1), batch_size=4, epochs=2, shuffle=True, verbose=0).history["loss"]


def draws():
    """Draw from every random source a learner may use."""
    random.random(), np.random.rand(), keras.random.uniform((2,))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        for _ in range(3):
            tf.random.normal((2,)), tf.random.get_global_generator().normal((2,))


def restless():
    draws()
    trained(seed=3)
    draws()


def fails():
    restless()
    raise ValueError


# Random states.


@pytest.mark.slow
@pytest.mark.parametrize("check", [draws, fails])
def test_training_after_a_check_is_the_same(run, check):
    def both(with_checks):
        losses = []
        keras.utils.set_random_seed(1)
        for _ in range(2):
            losses.append(trained())
            if with_checks:
                run(lambda answer: check(), 1)
        return losses

    without = both(False)
    assert both(True) == without
    assert without[0] != without[1]


@pytest.mark.parametrize("check", [draws, fails])
def test_numbers_drawn_after_a_check_are_the_same(run, check):
    def both(with_check):
        keras.utils.set_random_seed(1)
        numbers = []
        for _ in range(2):
            numbers += [random.random(), np.random.rand()]
            numbers += keras.random.normal((2,)).tolist() if BACKEND == "torch" else [
                float(v) for v in keras.random.normal((2,))]  # fmt: skip
            numbers += one_of_tensorflow()
            if with_check:
                run(lambda answer: check(), 1)
        return numbers

    assert both(True) == both(False)


def one_of_tensorflow():
    if BACKEND != "tensorflow":
        return []
    import tensorflow as tf

    shuffled = tf.data.Dataset.range(20).shuffle(20)
    return [float(v) for v in (*tf.random.normal((2,)), *shuffled)]


@needs_tf
def test_the_global_generator_goes_on_where_it_was():
    import tensorflow as tf

    tf.random.set_global_generator(tf.random.Generator.from_seed(1))
    with isolated():
        first = tf.random.get_global_generator().normal((2,)).numpy()
        tf.random.set_global_generator(tf.random.Generator.from_seed(5))
    np.testing.assert_array_equal(tf.random.get_global_generator().normal((2,)), first)


@needs_tf
def test_operations_with_a_seed_of_their_own_go_on():
    """Only a check that draws from TensorFlow's counter makes it forget cached operations."""
    import tensorflow as tf

    def both(check):
        tf.random.set_seed(1)
        first = float(tf.random.normal((), seed=4))
        with isolated():
            check()
        return first, float(tf.random.normal((), seed=4))

    assert both(lambda: None) == both(trained) == both(lambda: keras.random.normal((2,)))
    assert len(set(both(lambda: None))) == 2


def test_names_of_layers_do_not_count_the_checks(run):
    keras.utils.clear_session()
    first = keras.layers.Dense(1).name
    run(lambda answer: trained(), 1)
    assert (first, keras.layers.Dense(1).name) == ("dense", "dense_1")


def test_a_check_that_clears_the_session():
    keras.utils.set_random_seed(1)
    keras.random.normal((2,))
    keras.layers.Dense(1)
    with isolated():
        expected = np.asarray(keras.random.normal((2,)))
        name = keras.layers.Dense(1).name
    with isolated():
        keras.utils.clear_session()
        keras.random.normal((2,))
    np.testing.assert_array_equal(np.asarray(keras.random.normal((2,))), expected)
    assert keras.layers.Dense(1).name == name


# Settings, folder, figures.


def settings():
    return (keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(),
            keras.config.dtype_policy().name, keras.config.is_interactive_logging_enabled(),
            keras.distribution.distribution(), os.getcwd(), plt.get_fignums())  # fmt: skip


def change_settings(folder):
    keras.config.set_floatx("float64")
    keras.config.set_epsilon(0.1)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.disable_interactive_logging()
    keras.distribution.set_distribution(object())  # a real one cannot be made on every version
    os.chdir(folder)
    plt.figure()
    plt.figure()


@pytest.mark.parametrize("error", [None, ValueError, Wrong("value"), KeyboardInterrupt])
def test_settings_are_restored(tmp_path, error):
    own = plt.figure()
    before = settings()
    try:
        with isolated():
            change_settings(tmp_path)
            assert settings() != before
            if error:
                raise error
    except (ValueError, Wrong, KeyboardInterrupt):
        pass
    assert settings() == before
    assert plt.get_fignums() == [own.number]
    plt.close(own)


def test_a_check_leaves_the_dtype_policy_to_be_set_by_floatx():
    """Keras fixes its policy when it is first asked: a check does not ask."""
    from keras.src.backend.common import global_state

    keras.utils.clear_session()
    with isolated():
        keras.layers.Dense(1)
    assert "dtype_policy" not in vars(global_state.GLOBAL_STATE_TRACKER)


# Each way to leave a setting behind, and what tells that it is still there.
LEFT = {
    "errstate": (lambda: np.seterr(all="raise"), np.geterr),
    "errcall": (lambda: np.seterrcall(print), np.geterrcall),
    "printoptions": (lambda: np.set_printoptions(precision=2, threshold=3), np.get_printoptions),
    "recursion": (lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "gc": (gc.disable, gc.isenabled),
    "warnings": (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    "warnings cleared": (warnings.resetwarnings, lambda: list(warnings.filters)),
    "a new variable": (lambda: os.environ.update(COURSEKIT_NEW="1"), lambda: dict(os.environ)),
    "no path": (lambda: os.environ.pop("PATH"), lambda: dict(os.environ)),
    "cleared": (lambda: os.environ.clear(), lambda: dict(os.environ)),
    "epochs": (lambda: keras.config.set_max_epochs(1), keras.config.max_epochs),
    "steps": (lambda: keras.config.set_max_steps_per_epoch(1), keras.config.max_steps_per_epoch),
    "traceback": (keras.config.disable_traceback_filtering,
                  keras.config.is_traceback_filtering_enabled),
    "style": (lambda: plt.style.use("dark_background"), lambda: dict(plt.rcParams)),
    "line": (lambda: plt.rcParams.update({"lines.linewidth": 9}), lambda: dict(plt.rcParams)),
}  # fmt: skip


def numerics_checked() -> bool:
    from tensorflow.python.debug.lib import check_numerics_callback

    return hasattr(check_numerics_callback._state, "check_numerics_callback")


def deterministic() -> bool:
    from tensorflow.python.framework import config

    return config.is_op_determinism_enabled()


def left_in_tensorflow():
    import tensorflow as tf

    config = tf.config
    return {
        "eager": (lambda: config.run_functions_eagerly(True), config.functions_run_eagerly),
        "numerics": (tf.debugging.enable_check_numerics, numerics_checked),
        "determinism": (config.experimental.enable_op_determinism, deterministic),
        "tf32": (lambda: config.experimental.enable_tensor_float_32_execution(False),
                 config.experimental.tensor_float_32_execution_enabled),
    }  # fmt: skip


def left_in_jax():
    import jax

    return {
        "x64": (lambda: jax.config.update("jax_enable_x64", True),
                lambda: jax.config.jax_enable_x64),
        "nans": (lambda: jax.config.update("jax_debug_nans", True),
                 lambda: jax.config.jax_debug_nans),
        "no jit": (lambda: jax.config.update("jax_disable_jit", True),
                   lambda: jax.config.jax_disable_jit),
    }  # fmt: skip


def leave_none(run, left):
    for name, (change, seen) in left.items():
        before = seen()

        def check(answer, seen=seen, before=before):
            answer()
            assert seen() != before

        assert run(check, lambda change=change: change() and None).status == "correct", name
        assert seen() == before, name

        def fails(change=change):
            change()
            raise ValueError

        assert run(lambda answer: answer(), fails).status != "correct", name
        assert seen() == before, name


def test_a_check_leaves_no_setting_behind(run):
    leave_none(run, LEFT)


@needs_tf
def test_a_check_leaves_no_setting_of_tensorflow_behind(run):
    import tensorflow as tf

    leave_none(run, left_in_tensorflow())
    tf.config.run_functions_eagerly(True)  # the learner's own, outside of a check, stay
    tf.debugging.enable_check_numerics()
    try:
        leave = {"eager": (lambda: tf.config.run_functions_eagerly(False),
                           tf.config.functions_run_eagerly),
                 "numerics": (tf.debugging.disable_check_numerics, numerics_checked)}  # fmt: skip
        leave_none(run, leave)
    finally:
        tf.config.run_functions_eagerly(False)
        tf.debugging.disable_check_numerics()
    assert np.isnan(float(tf.math.log(-1.0)))


@pytest.mark.skipif(BACKEND != "jax", reason="of JAX only")
def test_a_check_leaves_no_setting_of_jax_behind(run):
    leave_none(run, left_in_jax())


def test_a_folder_that_vanishes(tmp_path):
    start = os.getcwd()
    folder = tmp_path / "gone"
    folder.mkdir()
    try:
        os.chdir(folder)
        with isolated():
            os.chdir(tmp_path)
            folder.rmdir()
        with isolated():
            os.chdir(tmp_path)
        folder.mkdir()
        os.chdir(folder)
        folder.rmdir()
        with isolated():
            pass
    finally:
        os.chdir(start)


@pytest.mark.slow
@needs_tf
@pytest.mark.parametrize("entered", ["scope", "set"])
def test_a_strategy_that_is_never_left(entered, monkeypatch):
    import tensorflow as tf
    from tensorflow.python.framework import ops

    def enter(strategy):
        if entered == "set":
            tf.distribute.experimental_set_strategy(strategy)
        else:
            strategy.scope().__enter__()

    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    creators = ops.get_default_graph()._variable_creator_stack
    with isolated():
        enter(tf.distribute.OneDeviceStrategy("/cpu:0"))
        assert tf.distribute.has_strategy()
    assert ops.get_default_graph()._variable_creator_stack is creators
    assert not tf.distribute.has_strategy()
    assert type(tf.Variable(1.0)).__name__ == "ResourceVariable"
    trained()
    gc.collect()
    assert ignored == []

    own = tf.distribute.OneDeviceStrategy("/cpu:0")
    with own.scope():
        with isolated():
            pass
        assert tf.distribute.get_strategy() is own
        with isolated(), tf.distribute.get_strategy().scope():
            trained()
        assert tf.distribute.get_strategy() is own
    assert not tf.distribute.has_strategy()


@needs_tf
def test_a_device_scope_that_is_never_left():
    import tensorflow as tf
    from tensorflow.python.eager import context

    with isolated():
        tf.device("/cpu:0").__enter__()
        assert context.context().device_name
    assert not context.context().device_name


# The private names that _isolation.py reads.


def test_pinned_keras_names():
    from keras.src.backend.common import global_state

    keras.random.normal((1,))
    keras.config.dtype_policy()
    keras.layers.Dense(1)
    kept = vars(global_state.GLOBAL_STATE_TRACKER)
    for name in ("dtype_policy", "object_name_uids"):
        assert name in kept, PIN.format(f"{name} in keras.src.backend.common.global_state")
    keras.distribution.set_distribution(None)
    assert "distribution" in kept, PIN.format("the distribution in global_state")


@needs_tf
def test_pinned_tensorflow_names():
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    eager, graph = context.context(), ops.get_default_graph()
    for name in ("_set_device", "device_name", "device_spec"):
        assert hasattr(eager, name), PIN.format(f"context().{name}")
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        for name in ("_distribution_strategy_stack", "_variable_creator_stack"):
            assert len(getattr(graph, name)) == 1, PIN.format(f"get_default_graph().{name}")
    tf.distribute.experimental_set_strategy(tf.distribute.OneDeviceStrategy("/cpu:0"))
    scope = graph._global_distribute_strategy_scope
    tf.distribute.experimental_set_strategy(None)
    assert scope is not None, PIN.format("get_default_graph()._global_distribute_strategy_scope")


# In a process of its own: Keras is first imported inside a check, and there are two devices.

FRESH = """
    import json, sys
    from coursekit.exercises._judge import Exercise, judge

    def run(check):
        # Importing Keras may take longer than a check's ten seconds.
        exercise = Exercise("n", check, "t", {}, ["h"], "", "", seconds=100)
        return judge(exercise, [1]).status

    seen = {"before": [m for m in ("keras", "tensorflow", "matplotlib") if m in sys.modules]}

    def first(answer):
        import keras
        keras.utils.set_random_seed(1)
        keras.random.normal((2,))

    def second(answer):
        import keras
        keras.random.normal((2,))

    def nothing(answer):
        return

    if BACKEND == "tensorflow":
        import tensorflow as tf
        from tensorflow.python.eager import context

        seen["unseeded"] = run(lambda answer: tf.random.set_seed(1))
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        seen["counter"] = hasattr(context.context(), "_rng")
        tf.config.experimental.enable_op_determinism()
        seen["deterministic"] = run(nothing)
    seen["imported"] = [run(first), run(second)]
    if BACKEND == "tensorflow":
        def enters(answer):
            global scope  # while it lives it holds on
            scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
            scope.__enter__()
            seen["inside"] = type(tf.Variable(1.0)).__name__

        seen["strategy"] = run(enters)
        seen["outside"] = type(tf.Variable(1.0)).__name__
        seen["left"] = not tf.distribute.has_strategy()
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            run(nothing)
            seen["own"] = type(tf.Variable(1.0)).__name__
    print(json.dumps(seen))
"""


@pytest.mark.slow
def test_in_a_fresh_process(tmp_path):
    source = textwrap.dedent(FRESH).replace("BACKEND", repr(BACKEND))
    environment = {**os.environ, "KERAS_BACKEND": BACKEND}
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True,
                           env=environment, timeout=120, check=False, cwd=ROOT)  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    seen = json.loads(found.stdout.splitlines()[-1])
    assert seen["before"] == []
    assert seen["imported"] == ["correct", "correct"]
    if BACKEND == "tensorflow":
        assert seen["unseeded"] == seen["deterministic"] == seen["strategy"] == "correct"
        assert seen["counter"] is False
        assert (seen["inside"], seen["outside"]) == ("MirroredVariable", "ResourceVariable")
        assert seen["left"] is True
        assert seen["own"] == "MirroredVariable"
