"""Models share a program only if nothing that the program depends on differs."""

import functools

import keras
import numpy as np
import pytest

from coursekit.training.many._alike import Unlike, fingerprint

L = keras.layers


def scaled_error(y, p, factor=1.0):
    return factor * keras.losses.mean_squared_error(y, p)


class Scaled(keras.losses.Loss):
    """A loss object with a number of its own."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y, p):
        return scaled_error(y, p, self.factor)


class Slotted:
    """Attributes that `vars` does not show, beside some that it does."""

    __slots__ = ("__dict__", "factor")

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, y, p):
        return scaled_error(y, p, self.factor)


def local_class(factor):
    class Local(keras.losses.Loss):
        def call(self, y, p):
            return scaled_error(y, p, factor)

    return Local()


def closure(value):
    return lambda y, p: value * keras.losses.mean_squared_error(y, p)


def holding(loss):
    return lambda y, p: loss(y, p)


def method(factor):
    return Scaled(factor).call


LOSSES = {  # a loss for each number; whether equal numbers give models that share a program
    "closure": (closure, True),
    "array": (lambda f: closure(np.float32([f, 1])), True),
    "tensor": (lambda f: closure(keras.ops.convert_to_tensor([f, 1.0])), True),
    "default": (lambda f: lambda y, p, f=f: scaled_error(y, p, f), True),
    "partial": (lambda f: holding(functools.partial(scaled_error, factor=f)), True),
    "object": (Scaled, True),
    "built-in": (lambda f: keras.losses.Huber(delta=f), True),
    "class in a function": (local_class, False),
    "slots": (lambda f: holding(Slotted(f)), False),
    "method": (method, False),
}


def model(stack=None, loss="mse", optimizer=None, metrics=()):
    stack = stack or [L.Dense(2, activation="relu"), L.Dense(1)]
    network = keras.Sequential([keras.Input((3,)), *stack])
    network.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=list(metrics))
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    loss, equal = LOSSES[name]
    models = [model(loss=loss(factor)) for factor in (1.0, 1.0, 2.0)]
    first, same, other = map(fingerprint, models)
    assert first != other
    assert (first == same) == equal


def nested(units):
    inner = keras.Sequential([keras.Input((3,)), L.Dense(units), L.Dense(2)])
    return [inner, L.Dense(1)]


DIFFERENT = {  # what is written twice is alike, and unlike the third
    "lambda": lambda k: {"stack": [L.Lambda(lambda x, f=k: x * f), L.Dense(1)]},
    "nested": lambda k: {"stack": nested(3 + k)},
    "activation": lambda k: {"stack": [L.Dense(2, activation=["relu", "tanh"][k]), L.Dense(1)]},
    "frozen": lambda k: {"stack": [L.Dense(2, trainable=not k), L.Dense(1)]},
    "rate of dropout": lambda k: {"stack": [L.Dropout(0.1 + k / 10), L.Dense(1)]},
    "metric": lambda k: {"metrics": [["mae"], ["mse"]][k]},
    "threshold": lambda k: {"metrics": [keras.metrics.BinaryAccuracy(threshold=0.5 + k / 10)]},
    "momentum": lambda k: {"optimizer": keras.optimizers.SGD(0.1, momentum=k / 2)},
    "clipnorm": lambda k: {"optimizer": keras.optimizers.Adam(0.1, clipnorm=1.0 + k)},
    "schedule": lambda k: {
        "optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10 + k))
    },
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_models(name):
    first, same, other = (fingerprint(model(**DIFFERENT[name](k))) for k in (0, 0, 1))
    assert first == same
    assert first != other


def test_rates_and_seeds_are_state():
    def build(k):
        stack = [L.Dropout(0.5, seed=k), L.Dense(1, kernel_initializer="zeros")]
        return model(stack=stack, optimizer=keras.optimizers.Adam(0.1 * (k + 1)))

    assert fingerprint(build(0)) == fingerprint(build(1))


def functional(k=0, rate=0.1, mapped=False):
    """A model with operations between its layers: their names count on from model to model."""
    x = keras.Input((3,))
    h = L.Dense(3)(x) + keras.ops.cumsum(x, axis=k) * 2.0
    if mapped:
        h = keras.ops.map(lambda row: row * k, h)
    network = keras.Model(x, L.Dense(1)(h))
    network.compile(keras.optimizers.SGD(rate), "mse")
    network.optimizer.build(network.trainable_variables)
    return network


def test_operations_between_layers():
    first, same, other = (
        fingerprint(functional(k, rate)) for k, rate in ((1, 0.1), (1, 0.2), (0, 0.1))
    )
    assert first == same
    assert first != other
    with pytest.raises(Unlike, match="given a function"):
        fingerprint(functional(mapped=True))
