"""Every random state is put back, bit for bit."""

import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from coursekit._randomness import kept, read, save, seeded, write

pytestmark = pytest.mark.any_backend
ROOT = Path(__file__).parents[1]
BACKEND = keras.backend.backend()
needs_tf = pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow only")


def states() -> list:
    """Every random state there is, as values that can be compared."""
    from keras.src.backend.common import global_state

    legacy = np.random.get_state(legacy=False)
    found = [random.getstate(), repr(legacy)]
    tracked = vars(global_state.GLOBAL_STATE_TRACKER)
    if generator := tracked.get("global_seed_generator"):
        found.append([id(generator), np.asarray(generator.state).tolist()])
    if BACKEND == "tensorflow":
        from tensorflow.python.eager import context
        from tensorflow.python.ops import stateful_random_ops

        eager, generator = vars(context.context()), stateful_random_ops.global_generator
        found += [eager["_seed"], eager["_rng"].getstate() if "_rng" in eager else None]
        if generator is not None:
            found.append([id(generator), np.asarray(generator.state).tolist()])
    return found


def draw_python():
    random.random()


def gauss():
    random.gauss(0, 1), np.random.randn()


def draw_numpy():
    np.random.rand(3)


def another_bit_generator():
    np.random.set_bit_generator(np.random.PCG64(1))
    np.random.rand(3)


def draw_keras():
    keras.random.normal((2,))


def seed_all():
    keras.utils.set_random_seed(7)


def clear_session():
    keras.utils.clear_session()
    keras.random.normal((2,))


def train():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones(8), verbose=0)


def draw_tensorflow():
    import tensorflow as tf

    tf.random.normal((2,))
    tf.random.get_global_generator().normal((2,))
    tf.random.shuffle(tf.range(4))


def seed_tensorflow():
    import tensorflow as tf

    tf.random.set_seed(5)
    tf.random.set_global_generator(tf.random.Generator.from_seed(5))


CHANGES = [
    *(draw_python, gauss, draw_numpy, another_bit_generator, draw_keras, seed_all, clear_session),
    *(train, pytest.param(draw_tensorflow, marks=needs_tf)),
    pytest.param(seed_tensorflow, marks=needs_tf),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", [None, 3])
def test_every_state_is_back(change, seed):
    if seed is not None:
        keras.utils.set_random_seed(seed)
        keras.random.normal((1,))
        if BACKEND == "tensorflow":
            draw_tensorflow()
    before = states()
    restore = save()
    for _ in range(2):  # a saved state serves more than once
        change()
        assert states() != before
        restore()
        assert states() == before
    with pytest.raises(KeyError), kept():
        change()
        raise KeyError
    assert states() == before


def test_a_generator_that_was_not_there_is_none_afterwards():
    keras.utils.clear_session()
    before = states()
    with kept():
        keras.random.normal((2,))
        first = np.asarray(keras.random.normal((2,)))
    assert states() == before
    keras.utils.clear_session()
    assert first.shape == (2,)


def test_the_same_numbers_come_again():
    keras.utils.set_random_seed(1)

    def numbers():
        drawn = [random.random(), np.random.randn(), float(keras.random.normal(()))]
        if BACKEND == "tensorflow":
            import tensorflow as tf

            drawn += [float(tf.random.normal(())), float(tf.random.normal((), seed=4))]
            drawn += [float(v) for v in tf.data.Dataset.range(9).shuffle(9)]
        return drawn

    with kept():
        first = numbers()
        assert numbers() != first
    assert numbers() == first


def test_seeded():
    keras.utils.set_random_seed(1)
    before, drawn = states(), []
    for seed in (4, 4, 5):
        with seeded(seed):
            layer = keras.layers.Dropout(0.5)  # takes its seed from Python's generator
            state = np.asarray(layer.seed_generator.state).tolist()
            drawn.append([random.random(), np.random.rand(), state])
        assert states() == before
    assert drawn[0] == drawn[1]
    assert all(a != b for a, b in zip(drawn[1], drawn[2], strict=True))
    random.seed(4), np.random.seed(4)
    with pytest.raises(KeyError), seeded(4):
        raise KeyError
    with seeded(4):
        inside = random.random(), np.random.rand()
    assert (random.random(), np.random.rand()) == inside


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "bool"])
def test_a_variable_is_read_and_written(dtype):
    variable = keras.Variable(np.ones((2, 2)), dtype=dtype)
    values = read(variable)
    variable.assign(np.zeros((2, 2)))
    write(variable, values)
    assert np.asarray(variable).astype("float32").tolist() == [[1, 1], [1, 1]]
    values[0][...] = 0  # a copy
    assert np.asarray(variable).astype("float32").sum() == 4


# In a process of its own: nothing is loaded, or only inside the block.


def fresh(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True,
                          check=False, cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_nothing_is_loaded():
    source = """
import sys
from coursekit._randomness import kept, seeded
with kept(), seeded(1):
    pass
print([name for name in ("keras", "tensorflow", "jax") if name in sys.modules])
"""
    assert fresh(source) == "[]"


@pytest.mark.slow
def test_what_is_loaded_in_the_block_starts_afresh():
    source = """
from coursekit._randomness import kept
with kept():
    import keras
    keras.utils.set_random_seed(3)
    keras.random.normal((2,))
from keras.src.backend.common import global_state
found = ["global_seed_generator" in vars(global_state.GLOBAL_STATE_TRACKER)]
if keras.backend.backend() == "tensorflow":
    from tensorflow.python.eager import context
    eager = vars(context.context())
    found += [eager["_seed"] is not None, "_rng" in eager]
    import tensorflow as tf
    float(tf.random.normal(()))
print(any(found))
"""
    assert fresh(source) == "False"


# The private names.


def test_pinned_keras_names():
    from keras.src.backend.common import global_state

    keras.random.normal((1,))
    state = vars(global_state.GLOBAL_STATE_TRACKER)["global_seed_generator"].state
    assert hasattr(state, "assign")
    assert np.asarray(state).shape == (2,)


@needs_tf
def test_pinned_tensorflow_names():
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.ops import stateful_random_ops

    tf.random.set_seed(1)
    eager = context.context()
    assert vars(eager)["_seed"] == 1
    before = vars(eager)["_rng"].getstate()
    tf.random.normal(())
    assert vars(eager)["_rng"].getstate() != before
    assert hasattr(eager, "clear_kernel_cache")
    assert stateful_random_ops.global_generator is tf.random.get_global_generator()
