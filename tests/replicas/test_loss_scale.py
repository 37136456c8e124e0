"""An overflow on any replica skips the step on all; Keras's own optimizer applies it."""

import keras
import numpy as np
import pytest
from keras import layers

from coursekit.distribution.step import ReplicaModel
from coursekit.optimizers import SafeLossScaleOptimizer
from coursekit.precision import precision

INF, NAN = float("inf"), float("nan")
KerasScaler = keras.optimizers.LossScaleOptimizer


def steady(y_true, y_pred):
    """The gradient of a kernel is the mean of its input, that of a bias is 1."""
    return keras.ops.mean(y_pred, axis=-1)


def line(scaler, kind=keras.Model, **options):
    x = keras.Input((2,))
    model = kind(x, layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")(x))
    inner = keras.optimizers.SGD(0.125, momentum=0.5)
    model.compile(scaler(inner, **({"initial_scale": 16.0} | options)), steady, jit_compile=False)
    return model


def step(model, *first_column):
    """Train on one batch, whose first half of rows is on replica 0; return weights and scale."""
    x = np.ones((len(first_column), 2), "float32")
    x[:, 0] = first_column
    model.fit(x, x[:, :1], batch_size=len(x), shuffle=False, verbose=0)
    optimizer = model.optimizer
    values = (optimizer.dynamic_scale.numpy(), optimizer.iterations.numpy())
    return np.concatenate([w.ravel() for w in model.get_weights()] + [values], axis=None)


BROKEN = [(INF, 1, 1, 1), (1, 1, 1, NAN), (1, 1, -INF, 1), (NAN, 1, 1, INF)]


@pytest.mark.parametrize("kind", [keras.Model, ReplicaModel])
def test_an_overflow_on_any_replica_skips_the_step_on_all(strategy, kind):
    """Only the first row of the kernel gets it; the other weights' gradients are finite."""
    with strategy.scope():
        model = line(SafeLossScaleOptimizer, kind)
    before = step(model, 1, 2, 3, 4)
    for halved, rows in enumerate(BROKEN, start=1):
        np.testing.assert_array_equal(
            step(model, *rows), [*before[:3], 16 / 2**halved, 1], err_msg=str(rows)
        )
    after = step(model, 1, 2, 3, 4)
    assert np.isfinite(after).all() and after[-1] == 2


def test_keras_still_applies_the_overflow_of_another_replica(strategy):
    """Once this fails, Keras looks at all replicas: `check_finite` of ours can go."""
    with strategy.scope():
        model = line(KerasScaler)
    kept = step(model, INF, 1, 1, 1)
    np.testing.assert_array_equal(kept, [1, 1, 1, 8, 0])  # on the first one it does look
    destroyed = step(model, 1, 1, 1, INF)
    assert not np.isfinite(destroyed[0]) and destroyed[-2] == 8


@pytest.mark.parametrize("kind", [keras.Model, ReplicaModel])
def test_two_replicas_walk_as_one_device(strategy, kind):
    rows = [(1, 2, 3, 4), BROKEN[1], (1, 1, 0, 0), (4, 3, 2, 1), (1, 0, 0, 0), (1, 1, 1, 1)]
    options = {"dynamic_growth_steps": 2, "max_scale": 16.0}
    one = line(SafeLossScaleOptimizer, kind, **options)
    with strategy.scope():
        two = line(SafeLossScaleOptimizer, kind, **options)
    for batch in [*rows, rows[0]]:
        np.testing.assert_allclose(step(two, *batch), step(one, *batch), rtol=1e-6)
    assert two.optimizer.dynamic_scale.numpy() == 16  # 8, after 2 good ones 16, and no more


def test_nan_for_many_steps(strategy):
    """A loss scaler that `compile` added itself, in the training step of replicas."""
    with strategy.scope(), precision("mixed_float16"):
        model = line(KerasScaler, ReplicaModel)
    x = np.full((4 * 30, 2), NAN, "float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0)
    np.testing.assert_array_equal(step(model, 1, 1, 1, NAN), [1, 1, 1, 1, 0])
    np.testing.assert_allclose(step(model, 1, 1, 1, 1), [0.875, 0.875, 0.875, 1, 1])


def test_an_outlier_that_overflows_in_float16(strategy):
    """70,000 is finite, and infinite in float16."""
    with strategy.scope(), precision("mixed_float16"):
        x = keras.Input((2,))
        hidden = layers.Dense(4, "relu", kernel_initializer="ones")(x)
        model = ReplicaModel(x, layers.Dense(1, dtype="float32")(hidden))
        model.compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0), steady, jit_compile=False)
    assert type(model.optimizer) is KerasScaler  # compile added it
    first = model.get_weights()
    x = np.ones((8, 2), "float32")
    x[7] = 70_000
    model.fit(x, x[:, :1], batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(x[:4], x[:4, :1], batch_size=4, verbose=0)
    assert model.optimizer.dynamic_scale.numpy() == 2**14
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert any((a != b).any() for a, b in zip(first, model.get_weights(), strict=True))
