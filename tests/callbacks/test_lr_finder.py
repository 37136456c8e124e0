"""What the finder says of real models, and what it takes as data."""

import keras
import numpy as np
import pytest

from coursekit.callbacks import find_learning_rate

L = keras.layers
ON_JAX = keras.backend.backend() == "jax"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(320, 6)).astype("float32")
Y = (2 * X[:, :1] + X[:, 1:2]).astype("float32")


def regression(optimizer=None, **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), L.Dense(16, activation="relu"), L.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.01), "mse", **compiled)
    return model


def batches(n=1000):
    for i in range(n):
        rows = np.arange(32) + 32 * (i % 10)
        yield X[rows], Y[rows]


@pytest.mark.slow
@pytest.mark.any_backend
def test_it_suggests_a_rate_that_trains_and_does_not_break():
    result = find_learning_rate(regression(), X, Y)
    assert 0.005 < result.suggestion < 0.3, result
    assert result.rates.shape == result.losses.shape == result.smoothed.shape
    np.testing.assert_allclose(result.rates[1:] / result.rates[:-1], 1e7 ** (1 / 99), rtol=1e-6)
    assert str(result).startswith(f"Learning rate: {result.suggestion:.2g}. The loss falls from")
    model = regression(keras.optimizers.SGD(result.suggestion))
    losses = model.fit(X, Y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.slow
def test_it_gives_the_loss_of_each_batch_not_a_running_mean():
    model = regression(keras.optimizers.SGD(0.1), metrics=["mae"])
    weights = model.get_weights()
    result = find_learning_rate(model, (b for b in batches()), lowest=0.01, highest=0.02, steps=20)
    model.set_weights(weights)
    wanted = []
    for (x, y), rate in zip(batches(21), [*result.rates, 0.02], strict=True):
        wanted.append(float(model.evaluate(x, y, verbose=0)[0]))
        model.optimizer.learning_rate = rate
        model.train_on_batch(x, y)
    np.testing.assert_allclose(result.losses, wanted[1:], rtol=1e-5)  # after the update


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("kind", ["weights", "dict", "outputs", "py_dataset", "generator"])
def test_data(kind):
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, i):
            return X[32 * i : 32 * i + 32], Y[32 * i : 32 * i + 32]

    model, x, y, options = regression(), X, Y, {}
    if kind == "weights":
        options = {"sample_weight": np.ones(len(X)), "batch_size": 32}
    elif kind in ("dict", "outputs"):
        a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
        hidden = L.Dense(8, activation="relu")(L.Concatenate()([a, b]))
        outputs = {"p": L.Dense(1)(hidden), "q": L.Dense(1)(hidden)}
        model = keras.Model({"a": a, "b": b}, outputs if kind == "outputs" else outputs["p"])
        model.compile("adam", {"p": "mse", "q": "mae"} if kind == "outputs" else "mse")
        x, y = {"a": X, "b": X}, {"p": Y, "q": -Y} if kind == "outputs" else Y
    elif kind == "py_dataset":
        x, y = Rows(), None
    elif kind == "generator":
        x, y = batches(), None
    result = find_learning_rate(model, x, y, **options)
    assert 1e-3 < result.suggestion < 1, result


def test_tf_data_and_a_model_that_is_not_built():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(32)
    model = keras.Sequential([L.Dense(16, activation="relu"), L.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    assert find_learning_rate(model, data).suggestion is not None
    assert find_learning_rate(model, data.repeat(), highest=0.01, steps=30).rates.shape == (30,)


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("how", ["mixed", "jit", "eager", "custom"])
def test_ways_to_train(how):
    keras.utils.set_random_seed(0)

    class Custom(keras.Sequential):
        def train_step(self, *arguments):
            result = super().train_step(*arguments)
            logs, rest = (result[0], result[1:]) if ON_JAX else (result, ())
            logs = {"loss": logs["loss"], "other": 2 * logs["loss"]}
            return (logs, *rest) if ON_JAX else logs

    kind = Custom if how == "custom" else keras.Sequential
    policy = "mixed_float16" if how == "mixed" else None
    model = kind([keras.Input((6,)), L.Dense(16, activation="relu", dtype=policy), L.Dense(1)])
    optimizer = keras.optimizers.SGD(0.01)
    if how == "mixed":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    options = {"jit": {"jit_compile": True}, "eager": {"run_eagerly": True}}.get(how, {})
    model.compile(optimizer, "mse", **options)
    result = find_learning_rate(model, X, Y)
    assert 1e-3 < result.suggestion < 1, result


def test_data_that_end_give_no_suggestion_and_no_warning(recwarn):
    result = find_learning_rate(regression(), batches(12))
    assert result.suggestion is None and "ended after 11 of 100" in result.reason
    assert not [w for w in recwarn if "ran out of data" in str(w.message)]


@pytest.mark.slow
@pytest.mark.any_backend
def test_models_that_tell_nothing():
    dead = regression()
    dead.layers[0].set_weights([np.zeros((6, 16)), np.full(16, -9.0)])
    dead.layers[1].trainable = False
    dead.compile("adam", "mse")
    result = find_learning_rate(dead, X, Y)
    assert result.suggestion is None and len(result.rates) == 100, result

    result = find_learning_rate(regression(), 1e6 * X, Y)
    assert result.suggestion is None and "scale the inputs" in result.reason

    x = X.copy()
    x[::5] = np.nan
    result = find_learning_rate(regression(), x, Y)
    assert result.suggestion is None and "NaN" in result.reason

    result = find_learning_rate(regression(), X, Y, highest=0.02)
    assert result.suggestion is None and "higher `highest`" in result.reason


def test_an_optimizer_that_the_training_step_does_not_use():
    class Idle(keras.Sequential):
        def train_step(self, data):
            return {"loss": keras.ops.sum(self(data[0])) * 0 + 1}

    model = Idle([keras.Input((6,)), L.Dense(1)])
    model.compile("sgd", "mse")
    assert "made no update" in find_learning_rate(model, X, Y, steps=20).reason


REFUSED = {
    "not a model": (lambda: find_learning_rate("model", X, Y), TypeError, "Keras model"),
    "not compiled": (lambda: find_learning_rate(keras.Sequential([L.Dense(1)]), X, Y),
                     ValueError, "compile"),
    "lowest": (lambda: find_learning_rate(regression(), X, Y, lowest=0), ValueError, "lowest=0"),
    "order": (lambda: find_learning_rate(regression(), X, Y, lowest=2, highest=1), ValueError,
              "`highest` must be a number above 2.0. Received: highest=1"),
    "nan": (lambda: find_learning_rate(regression(), X, Y, highest=np.nan), ValueError, "nan"),
    "steps": (lambda: find_learning_rate(regression(), X, Y, steps=19), ValueError, "steps=19"),
    "kind of steps": (lambda: find_learning_rate(regression(), X, Y, steps=50.0), ValueError,
                      "steps=50.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_arguments(name):
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.slow
def test_a_training_step_without_a_loss():
    class Silent(keras.Sequential):
        def train_step(self, data):
            super().train_step(data)
            return {"accuracy": 1.0}

    model = Silent([keras.Input((6,)), L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r'"loss".*Received: \[.accuracy.\]'):
        find_learning_rate(model, X, Y)
