"""`parity` on models that agree, that do not, and that fail."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers

from coursekit.distribution import Parity, parity
from coursekit.distribution._parity import compared
from coursekit.distribution.step import ReplicaSequential


def data(count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 4)).astype("float32"), rng.normal(size=(count, 1))


def build(kind=keras.Sequential, loss="mse", build=True, **options):
    def make():
        inputs = [keras.Input((4,))] if build else []
        model = kind([*inputs, layers.Dense(3, activation="tanh"), layers.Dense(1)])
        model.compile(optimizers.SGD(0.5, **options), loss, jit_compile=False)
        return model

    return make


def scalar(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2)


def test_equal():
    weights = np.linspace(0, 3, 16)
    result = parity(build(), (*data(16), weights), batch_size=8)
    assert result.equal and 0 < result.difference < 1e-6 and result.moved > 0.1
    assert str(result).startswith("The same training on 1 device and on 2 replicas")
    assert result.losses[0] == pytest.approx(result.losses[1])


def test_not_equal_and_why():
    dataset = tf.data.Dataset.from_tensor_slices(data(16)).batch(8)
    result = parity(build(loss=scalar), dataset)
    assert not result.equal and result.difference > 0.01 and "dense" in result.variable
    first, reason = str(result).splitlines()
    assert first.startswith("NOT the same training") and "once per replica" in reason
    assert result.losses[1] > 1.5 * result.losses[0]


def test_ragged_batches_and_an_unbuilt_model():
    cured = parity(build(ReplicaSequential, build=False), data(17), batch_size=8, epochs=2)
    assert cured.equal, cured


def test_the_loss_must_agree_too():
    same = {"replicas": 2, "difference": 0.0, "variable": "kernel", "moved": 1.0}
    assert Parity(**same, losses=(1.0, 1.0), error="", findings=()).equal
    assert not Parity(**same, losses=(1.0, 1.1), error="", findings=()).equal
    assert not Parity(**same, losses=(1.0, np.nan), error="", findings=()).equal


def test_what_fails_is_the_result():
    result = parity(build(gradient_accumulation_steps=2), data(8), batch_size=4)
    assert not result.equal and np.isnan(result.difference) and "merge_call" in result.error
    assert str(result).startswith("Training fails on 2 replicas: ")


def test_weights_that_overflowed_are_never_equal():
    same = {"replicas": 2, "difference": np.inf, "variable": "kernel", "moved": np.inf}
    for losses in ((1.0, 1.0), (np.inf, np.inf), (np.nan, np.nan)):
        assert not Parity(**same, losses=losses, error="", findings=()).equal


def test_the_scale_is_the_largest_move_and_the_difference_the_largest_gap():
    start, one = [np.zeros(2), np.zeros(3)], [np.array([0.1, 0.0]), np.array([0.0, 3.0, 1.0])]
    other = [np.array([0.1, 0.2]), np.array([0.0, 3.0, 1.5])]
    measured = {"replicas": 2, "losses": (1.0, 1.0), "error": "", "findings": ()}
    result = compared(["a", "b"], start, one, other, **measured)
    assert (result.difference, result.variable, result.moved) == (0.5, "b", 3.0)
    other[0][1] = np.nan
    result = compared(["a", "b"], start, one, other, **measured)
    assert np.isnan(result.difference) and result.variable == "a" and not result.equal


def with_a_bad_row(row):
    x, y = data(16)
    x[row, 2] = np.inf
    return x, y


def diverging():
    model = build()()
    model.compile(optimizers.SGD(1e30), "mse", jit_compile=False)
    return model


class Roots(layers.Layer):
    def call(self, x):
        return keras.ops.sqrt(x)


def roots():
    model = keras.Sequential([keras.Input((4,)), Roots(name="roots"), layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


@pytest.mark.parametrize(
    "make, given, says",
    [
        (build(), with_a_bad_row(14), "in step 2, in `x`, row 6 of the batch, on replica 1"),
        (roots, with_a_bad_row(14), "in step 1, in the output of 'roots', row 0 of the batch"),
        (diverging, data(16), "behind the model's outputs"),
    ],
)
def test_where_nan_began(make, given, says):
    for data in (given, tf.data.Dataset.from_tensor_slices(given).batch(8)):
        result = parity(make, data, batch_size=8)
        assert not result.equal and says in result.not_finite and says in str(result)
        assert "on 1 device" in result.not_finite and "on 2 devices" in result.not_finite


def test_mistakes():
    for wrong in (build()(), "build", None):
        with pytest.raises(ValueError, match="must be a function without arguments"):
            parity(wrong, data(8))
    for wrong in (None, data(8)[0], (data(8)[0],), {"x": 1}):
        with pytest.raises(ValueError, match=r"`data` must be \(x, y\)"):
            parity(build(), wrong)
    with pytest.raises(ValueError, match="same rows"):
        parity(build(), (data(8)[0], data(7)[1]))
    with pytest.raises(ValueError, match=r"data\.batch"):
        parity(build(), tf.data.Dataset.from_tensor_slices(data(8)))
    batches = tf.data.Dataset.from_tensor_slices(data(8)).batch(4)
    with pytest.raises(ValueError, match="`data` must end"):
        parity(build(), batches.repeat())
    with pytest.raises(ValueError, match="`data` must have at least one batch"):
        parity(build(), batches.take(0))
    x, y = data(8)
    for name, wrong in {
        "`x` must be an array": [(x.tolist(), y), (None, y), (x.astype(str), y)],
        "`y` must be an array": [(x, y.tolist()), (x, y.astype(str))],
        "`x` must be an array without masked values": [(np.ma.masked_less(x, 0), y)],
    }.items():
        for one in wrong:
            with pytest.raises(ValueError, match=name):
                parity(build(), one)
    with pytest.raises(ValueError, match="must be a function without arguments"):
        parity(lambda rows: build()(), data(8))
    made = build()()
    with pytest.raises(ValueError, match="a new model each time"):
        parity(lambda: made, data(8))
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        parity(build(), data(8), batch_size=0)
    with pytest.raises(ValueError, match="Received: replicas=1"):
        parity(build(), data(8), replicas=1)
    with pytest.raises(ValueError, match="Received: epochs=0"):
        parity(build(), data(8), epochs=0)
    with pytest.raises(ValueError, match="not compiled"):
        parity(lambda: keras.Sequential([layers.Dense(1)]), data(8))
    with pytest.raises(RuntimeError, match="Restart the kernel"):
        parity(build(), data(8), replicas=7)


def test_a_training_that_moves_nothing_is_not_called_the_same():
    def still():
        model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        return model

    found = parity(still, (np.ones((8, 5), "float32"), np.ones((8, 3), "float32")))
    assert not found.equal and "moved no weight" in str(found)
