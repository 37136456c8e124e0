"""The finder leaves no trace: `fit` after it gives the same bits as `fit` without it."""

import keras
import numpy as np
import pytest

from coursekit.callbacks import find_learning_rate

L = keras.layers
ON_JAX = keras.backend.backend() == "jax"
X = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
Y = (X[:, :1] > 0).astype("float32") + X[:, 1:2]
DECAY = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)


def sgd(rate=0.05):
    return keras.optimizers.SGD(rate, momentum=0.9)


class Custom(keras.optimizers.SGD):
    """Without a get_config: a copy by its config would lose `power`."""

    def __init__(self, rate, power):
        super().__init__(rate, momentum=0.5)
        self.power = power

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * self.power, variable, learning_rate)


OPTIMIZERS = {
    "sgd": sgd,
    "schedule": lambda: sgd(DECAY),
    "callable": lambda: sgd(lambda: 0.03),
    "average": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "accumulate": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(DECAY), 8.0),
    "custom": lambda: Custom(0.05, 0.5),
}


def built(optimizer, layers=(), **compiled):
    keras.utils.set_random_seed(3)
    hidden = [L.Dense(5, activation="relu"), L.BatchNormalization(), L.Dropout(0.3)]
    model = keras.Sequential([keras.Input((6,)), *hidden, *layers, L.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"], **compiled)
    return model


def state(model):
    optimizer = model.optimizer.variables if model.optimizer.built else []
    values = [*model.variables, *optimizer]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in values]


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def fit(model, epochs=2):
    return model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0).history


def find(model, **options):
    return find_learning_rate(model, X, Y, **{"batch_size": 16, "steps": 20, **options})


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_after_the_finder_gives_the_same_bits(name):
    if ON_JAX and name == "average":
        pytest.skip("Keras's second `fit` fails with `ema_overwrite_frequency` on JAX")
    finals = []
    for use in (False, True):
        model = built(OPTIMIZERS[name]())
        if use:
            find(model)
            assert not model.optimizer.built  # as it was
        first = fit(model)
        if use:
            before = state(model)
            find(model)
            same(before, state(model))
        finals.append((first, fit(model), state(model), np.random.rand()))
    (f0, g0, s0, r0), (f1, g1, s1, r1) = finals
    assert (f0, g0, r0) == (f1, g1, r1)
    same(s0, s1)


@pytest.mark.slow
@pytest.mark.any_backend
def test_a_schedule_is_back_and_works():
    model = built(sgd(DECAY))
    fit(model, epochs=1)
    find(model)
    assert model.optimizer._learning_rate is DECAY
    fit(model, epochs=1)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05 * 0.5**2, rel=1e-5)


@pytest.mark.slow
@pytest.mark.any_backend
def test_a_rate_set_after_the_finder_reaches_the_compiled_step():
    model = built(keras.optimizers.SGD(0.05))
    fit(model)
    find(model)
    model.optimizer.learning_rate = 0.0
    before = [v.numpy() if not ON_JAX else np.array(v) for v in model.trainable_variables]
    fit(model)
    for value, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(value, keras.ops.convert_to_numpy(variable))


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_is_back_after_an_error(error, monkeypatch):
    from coursekit.callbacks import _lr_finder as lr_finder

    def interrupt(losses, steps):
        if len(losses) == 7:
            raise error("stop")
        return False

    model = built(sgd(DECAY), jit_compile=False)
    fit(model)
    before, function, history = state(model), model.train_function, model.history
    numpy_state = np.random.get_state()[1].copy()
    monkeypatch.setattr(lr_finder, "diverged", interrupt)
    optimizer = model.optimizer
    with pytest.raises(error, match="stop"):
        find(model)
    same(before, state(model))
    assert model.optimizer is optimizer and optimizer._learning_rate is DECAY
    assert model.train_function is function and model.history is history
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.slow
@pytest.mark.any_backend
def test_history_flags_and_metrics_are_back(monkeypatch):
    from coursekit.callbacks import _lr_finder as lr_finder

    monkeypatch.setattr(lr_finder, "diverged", lambda losses, steps: False)
    model = built(sgd(), steps_per_execution=2)
    model.layers[0].trainable = False
    model.compile(sgd(), "mse", metrics=["mae"], steps_per_execution=2)
    fit(model)
    history, metrics = model.history, [np.array(v) for v in model.metrics_variables]
    result = find(model)
    assert len(result.rates) == 20  # a rate a batch, also here
    assert model.history is history and model.steps_per_execution == 2
    assert model.stop_training is False and not model.layers[0].trainable
    same(metrics, [np.array(v) for v in model.metrics_variables])


@pytest.mark.slow
def test_random_states_are_back():
    import random

    import tensorflow as tf

    class Noise(L.Layer):
        def call(self, x):
            return x + keras.random.normal((1,), stddev=0.01)  # Keras's global generator

    draws = []
    for use in (False, True):
        model = built(sgd(), layers=[Noise()])
        if use:
            find(model)
        draw = [random.random(), np.random.rand(), float(tf.random.uniform([]))]
        draws.append([*draw, np.array(keras.random.uniform((2,))).tolist(), fit(model)])
    assert draws[0] == draws[1]


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("data", ["arrays", "py_dataset", "generator"])
def test_a_model_that_is_not_built(data):
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return X[16 * i : 16 * i + 16], Y[16 * i : 16 * i + 16]

    class Late(L.Layer):
        def build(self, shape):
            self.inner = L.Dense(4)  # draws the seed of its initializer now
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    finals = []
    for use in (False, True):
        keras.utils.set_random_seed(5)
        model = keras.Sequential([Late(), L.Dense(1)])
        model.compile(sgd(), "mse")
        source = Rows()
        if use:
            x = (source[i % 3] for i in range(50)) if data == "generator" else source
            x, y = (X, Y) if data == "arrays" else (x, None)
            result = find_learning_rate(model, x, y, highest=0.01, steps=20)
            assert len(result.rates) == 20
        model.fit(X, Y, shuffle=False, verbose=0)
        finals.append(state(model))
    same(*finals)


@pytest.mark.slow
def test_other_optimizers_of_the_model_are_back():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = L.Dense(1)
            self.other = keras.optimizers.Adam(0.1)

        def call(self, x):
            return self.layer(x)

        def train_step(self, data):
            logs = super().train_step(data)
            self.other.apply([v * 0 + 1.0 for v in self.trainable_variables],
                             self.trainable_variables)  # fmt: skip
            return logs

    model = Two()
    model.compile(sgd(), "mse")
    fit(model)
    before = [np.array(v) for v in model.other.variables]
    find(model)
    same(before, [np.array(v) for v in model.other.variables])
