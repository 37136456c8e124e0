"""The finder on two replicas: the same curve as on one, and nothing left behind."""

import keras
import numpy as np
import pytest

from coursekit.callbacks import find_learning_rate

L = keras.layers
X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
Y = X[:, :1] * 2 + X[:, 1:2]


def built(rate, policy=None):
    keras.utils.set_random_seed(3)
    hidden = [L.Dense(5, activation="relu", dtype=policy), L.BatchNormalization()]
    model = keras.Sequential([keras.Input((6,)), *hidden, L.Dropout(0.2), L.Dense(1)])
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    if policy:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse")
    return model


def parts(model):
    """All copies of all variables, on each replica."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(p) for v in variables for p in getattr(v.value, "values", (v,))]


def test_the_curve_of_two_replicas_is_that_of_one(strategy):
    def search():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="tanh"), L.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        return find_learning_rate(model, X, Y, batch_size=16)

    one = search()
    with strategy.scope():
        two = search()
    assert one.suggestion == pytest.approx(two.suggestion, rel=0.4)
    np.testing.assert_allclose(one.losses[:60], two.losses[:60], rtol=1e-4)


@pytest.mark.parametrize("policy", [None, "mixed_float16"])
@pytest.mark.parametrize("schedule", [False, True])
def test_everything_is_back_on_each_replica(strategy, policy, schedule):
    decay = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)
    finals = []
    for use in (False, True):
        with strategy.scope():
            model = built(decay if schedule else 0.05, policy)
        if use:
            find_learning_rate(model, X, Y, batch_size=16, steps=20)
            assert not model.optimizer.built
        model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        if use:
            before = parts(model)
            find_learning_rate(model, X, Y, batch_size=16, steps=20)
            for a, b in zip(before, parts(model), strict=True):
                np.testing.assert_array_equal(a, b)
        model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        finals.append(parts(model))
    for a, b in zip(*finals, strict=True):
        np.testing.assert_array_equal(a, b)
