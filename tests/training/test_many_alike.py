"""Models share a program only if nothing that the program depends on differs."""

import functools
import threading

import keras
import numpy as np
import pytest
from many_cases import assert_same

from coursekit.training import anchor, fit_many
from coursekit.training.many._alike import Unlike, fingerprint

L = keras.layers
pytestmark = pytest.mark.any_backend


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


LOSSES = {  # a loss for each number: models with equal ones share a program
    "closure": closure,
    "array": lambda f: closure(np.float32([f, 1])),
    "tensor": lambda f: closure(keras.ops.convert_to_tensor([f, 1.0])),
    "default": lambda f: lambda y, p, f=f: scaled_error(y, p, f),
    "partial": lambda f: holding(functools.partial(scaled_error, factor=f)),
    "object": Scaled,
    "built-in": lambda f: keras.losses.Huber(delta=f),
    "class in a function": local_class,
    "slots": lambda f: holding(Slotted(f)),
    "method": method,
}


def model(stack=None, loss="mse", optimizer=None, metrics=()):
    stack = stack or [L.Dense(2, activation="relu"), L.Dense(1)]
    network = keras.Sequential([keras.Input((3,)), *stack])
    network.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=list(metrics))
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    models = [model(loss=LOSSES[name](factor)) for factor in (1.0, 1.0, 2.0)]
    first, same, other = map(fingerprint, models)
    assert first == same
    assert first != other


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
    mapped = [fingerprint(functional(k, mapped=True)) for k in (1, 1, 0)]
    assert mapped[0] == mapped[1] != mapped[2]


def test_what_cannot_be_told_apart_runs_alone():
    lock = threading.Lock()

    def loss(y, p):
        with lock:
            return scaled_error(y, p)

    with pytest.raises(Unlike, match="reads `lock`, a lock"):
        fingerprint(model(loss=loss))


class Anchor(keras.regularizers.Regularizer):
    def __init__(self, home):
        self.home = home

    def __call__(self, w):
        return keras.ops.sum(keras.ops.square(w - self.home))


def set_on(model, name, value):
    setattr(model.layers[0].kernel, name, value)
    return model


def own(layer, name, value):
    setattr(layer, name, value)
    return layer


def swapped(k):
    """Two outputs whose names change places: so do their losses."""
    x = keras.Input((3,))
    names = ["low", "high"][:: 1 - 2 * k]
    network = keras.Model(
        x, [L.Dense(1, name=name, kernel_initializer="ones")(x) for name in names]
    )
    network.compile(keras.optimizers.SGD(0.1), {"low": "mse", "high": "mae"})
    return network


ONE_THING = {  # pairs of models that differ in one thing
    "regularizer of a variable": lambda k: set_on(built(), "regularizer", Anchor(5.0 * k)),
    "constraint of a variable": lambda k: set_on(
        built(), "constraint", keras.constraints.MaxNorm(0.1 + k)
    ),
    "frozen variable": lambda k: set_on(built(), "trainable", bool(k)),
    "regularizer": lambda k: built(L.Dense(2, kernel_regularizer=Anchor(5.0 * k))),
    "constraint": lambda k: built(L.Dense(2, kernel_constraint=keras.constraints.MaxNorm(0.1 + k))),
    "activity": lambda k: built(L.Dense(2, activity_regularizer=keras.regularizers.L2(0.1 + k))),
    "closure of a lambda": lambda k: built(L.Lambda(lambda z: z * (k + 1.0))),
    "default of a lambda": lambda k: built(L.Lambda(lambda z, f=k + 1.0: z * f)),
    "arguments of a lambda": lambda k: built(
        L.Lambda(lambda z, f: z * f, arguments={"f": 1.0 + k})
    ),
    "activation": lambda k: built(L.Dense(2, activation=lambda z: z * (k + 1.0))),
    "call of a layer": lambda k: built(own(L.ReLU(), "call", lambda z: z * (k + 1.0))),
    "policy": lambda k: built(L.Dense(2, dtype=["float32", "mixed_bfloat16"][k])),
    "seed of dropout": lambda k: built(L.Dropout(0.5, seed=k)),
    "rate of dropout": lambda k: built(L.Dropout(0.2 + k / 2, seed=0)),
    "frozen layer": lambda k: built(L.Dense(2, trainable=bool(k))),
    "momentum of batch norm": lambda k: built(L.BatchNormalization(momentum=0.5 + 0.4 * k)),
    "axis": lambda k: built(L.Reshape((3, 1)), L.LayerNormalization(axis=1 + k), L.Flatten()),
    "adapted": lambda k: built(L.Normalization(mean=[1.0 + k] * 3, variance=[2.0] * 3)),
    "inner model": lambda k: built(keras.Sequential([L.Dense(2, use_bias=bool(k))])),
    "loss": lambda k: built(loss=closure(1.0 + k)),
    "smoothing": lambda k: built(loss=keras.losses.Huber(0.1 + k)),
    "reduction": lambda k: built(
        loss=keras.losses.MeanSquaredError(reduction=["sum", "sum_over_batch_size"][k])
    ),
    "weight of the loss": lambda k: built(loss_weights=[1.0 + k]),
    "momentum": lambda k: built(optimizer=keras.optimizers.SGD(0.1, momentum=0.9 * k)),
    "nesterov": lambda k: built(optimizer=keras.optimizers.SGD(0.1, 0.9, nesterov=bool(k))),
    "clipping": lambda k: built(optimizer=keras.optimizers.SGD(0.1, clipnorm=0.01 + k)),
    "decay": lambda k: built(optimizer=keras.optimizers.AdamW(0.1, weight_decay=0.01 + k)),
    "epsilon": lambda k: built(optimizer=keras.optimizers.Adam(0.1, epsilon=1e-7 + k)),
    "scale of the loss": lambda k: built(  # one at which gradients overflow: others cancel out
        optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=[1.0, 3e38][k])
    ),
    "average": lambda k: built(optimizer=keras.optimizers.SGD(0.1, use_ema=bool(k))),
    "rate": lambda k: built(optimizer=keras.optimizers.SGD(0.1 + 0.1 * k)),
    "schedule": lambda k: built(
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9 - k / 2)
        )
    ),
    "names of the outputs": swapped,
    # what is set after the layer is built, or after the model is compiled
    "anchor": lambda k: anchored(5.0 * k),
    "variable in a regularizer": lambda k: set_on(
        built(), "regularizer", Anchor(keras.Variable(1.0 * k))
    ),
    "variable in a loss": lambda k: built(loss=closure(keras.Variable(1.0 + k))),
    "activation later": lambda k: later(built(), "activation", [keras.ops.relu, keras.ops.tanh][k]),
    "activity later": lambda k: later(
        built(), "activity_regularizer", keras.regularizers.L2(0.1 + k)
    ),
    "policy later": lambda k: later(
        built(), "dtype_policy", keras.DTypePolicy(["float32", "mixed_bfloat16"][k])
    ),
    "rate of dropout later": lambda k: later(built(L.Dropout(0.2, seed=0)), "rate", 0.2 + k / 2),
    "momentum later": lambda k: later(built(L.BatchNormalization()), "momentum", 0.5 + 0.4 * k),
    "frozen norm later": lambda k: later(built(L.BatchNormalization()), "trainable", bool(k)),
    "frozen inner layer": lambda k: frozen_inside(k),
    "alpha of LoRA": lambda k: lora(1.0 + k),
    "clipping later": lambda k: optimizer_later("clipnorm", 0.01 + k),
    "loss of the model's own": lambda k: own_loss(1.0 + k),
}


def later(network, name, value):
    setattr(network.layers[0], name, value)
    return network


def anchored(shift):
    network = built()
    network.layers[0].kernel.assign(network.layers[0].kernel + shift)
    anchor(network, 1.0, strength=0.5)
    network.layers[0].kernel.assign(network.layers[0].kernel - shift)
    return network


def frozen_inside(k):
    inner = keras.Sequential([keras.Input((3,)), L.Dense(2), L.Dense(2)])
    network = built(inner)
    inner.layers[0].trainable = bool(k)
    return network


def lora(alpha):
    network = built(L.Dense(4))
    network.layers[0].enable_lora(2, lora_alpha=alpha)
    return network


def optimizer_later(name, value):
    network = built()
    setattr(network.optimizer, name, value)
    return network


def own_loss(factor):
    network = built()

    def compute_loss(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return factor * keras.ops.mean(keras.ops.square(y - y_pred))

    network.compute_loss = compute_loss
    return network


def built(*stack, loss="mse", optimizer=None, **compiling):
    stack = stack or (L.Dense(2),)
    network = keras.Sequential([keras.Input((3,)), *stack, L.Dense(1)])
    network.compile(optimizer or keras.optimizers.SGD(0.1), loss, **compiling)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_THING)
def test_models_that_differ_in_one_thing_train_as_fit_trains_them(name):
    """Whatever it is, and whichever of the two models comes first."""
    x = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
    y = x.sum(1, keepdims=True)

    def make(k):
        keras.utils.set_random_seed(3)
        return ONE_THING[name](k)

    if name == "names of the outputs":
        y = [y, y + 2]
    ours, theirs = ([make(k) for k in (0, 1)] for _ in range(2))
    fit_many(ours, x, y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    for one, two in zip(ours, theirs, strict=True):
        two.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0)
        assert_same(one, two, tolerance=1e-5)
    ends = [np.concatenate([w.ravel() for w in m.get_weights()]) for m in ours]
    assert ends[0].shape != ends[1].shape or not np.allclose(*ends)
