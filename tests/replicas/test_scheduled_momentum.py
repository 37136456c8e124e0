"""A whole cycle of learning rate and momentum: one device and two leave the same weights."""

import contextlib

import keras
import numpy as np
import pytest

from coursekit.optimizers import ScheduledBetaAdam, ScheduledMomentumSGD
from coursekit.schedules import OneCycle, Warmup

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")
RATE = OneCycle(0.15, 20)


def train(scope, momentum, wrap=lambda optimizer: optimizer, **options):
    with scope:
        keras.utils.set_random_seed(0)
        layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        optimizer = ScheduledMomentumSGD(RATE, momentum, **options)
        model.compile(wrap(optimizer), "mse")
        model.fit(X, Y, batch_size=10, epochs=5, shuffle=False, verbose=0)
    assert np.array(optimizer.iterations) == 20
    return [*model.get_weights(), *(np.array(v) for v in optimizer.velocities)]


def scaled(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)


CASES = {
    "one_cycle": {"momentum": RATE.momentum(0.9, 0.3)},
    "nesterov_decay": {"momentum": Warmup(0.9, 8), "nesterov": True, "weight_decay": 0.1},
    "constant": {"momentum": 0.8},
    "loss_scaling": {"momentum": RATE.momentum(0.9, 0.3), "wrap": scaled},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_device_is_two(case, strategy):
    one = train(contextlib.nullcontext(), **case)
    two = train(strategy.scope(), **case)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
def test_one_device_is_two_for_adam(wrap, strategy):
    def run(scope):
        with scope:
            keras.utils.set_random_seed(0)
            layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
            model = keras.Sequential(layers)
            optimizer = ScheduledBetaAdam(RATE, RATE.momentum(0.9, 0.3))
            model.compile(wrap(optimizer), "mse")
            model.fit(X, Y, batch_size=10, epochs=5, shuffle=False, verbose=0)
        return [*model.get_weights(), np.array(optimizer._product)]

    one, two = run(contextlib.nullcontext()), run(strategy.scope())
    assert one[-1] == pytest.approx(np.prod([float(RATE.momentum(0.9, 0.3)(t)) for t in range(20)]))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
