"""`value_and_gradients` gives what one step of `fit` moves, and changes nothing."""

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest

from coursekit.training.gradients import value_and_gradients

pytestmark = pytest.mark.any_backend

L = keras.layers
RNG = np.random.default_rng(0)
ROWS = 7
TABLE = RNG.normal(size=(ROWS, 4)).astype("float32")
IMAGES = RNG.normal(size=(ROWS, 5, 5, 2)).astype("float32")
TOKENS = RNG.integers(0, 6, size=(ROWS, 5)).astype("int32")
TOKENS[2] = 0  # a row that is masked altogether
CLASSES = RNG.integers(0, 3, ROWS).astype("int32")
WEIGHTS = np.linspace(0.0, 2.0, ROWS, dtype="float32")
SPARSE = "sparse_categorical_crossentropy"


def sequential(x, *layers):
    return keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype), *layers])


def dense():
    return sequential(TABLE, L.Dense(5, activation="tanh"), L.Dense(3)), TABLE, CLASSES


def convolution():
    stack = L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(3)
    return sequential(IMAGES, *stack), IMAGES, CLASSES


def batch_norm():
    return sequential(TABLE, L.Dense(5), L.BatchNormalization(), L.Dense(3)), TABLE, CLASSES


def dropout():
    return sequential(TABLE, L.Dense(8), L.Dropout(0.5, seed=1), L.Dense(3)), TABLE, CLASSES


def masked_steps():
    """The mask reaches the loss: a prediction and a label for each token."""
    stack = L.Embedding(6, 4, mask_zero=True), L.LSTM(3, return_sequences=True), L.Dense(3)
    return sequential(TOKENS, *stack), TOKENS, TOKENS % 3


def penalties():
    stack = (
        L.Dense(5, kernel_regularizer="l2", bias_regularizer="l1"),
        L.ActivityRegularization(l2=0.1),
        L.Dense(3, activity_regularizer="l1"),
    )
    return sequential(TABLE, *stack), TABLE, CLASSES


def frozen():
    return sequential(TABLE, L.Dense(5, trainable=False), L.Dense(3)), TABLE, CLASSES


def unused():
    """A weight that the loss does not depend on."""

    class Unused(L.Layer):
        def build(self, shape):
            self.weight = self.add_weight(shape=(2,), name="idle")

        def call(self, x):
            return x

    return sequential(TABLE, Unused(), L.Dense(3)), TABLE, CLASSES


def nested():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, name="deep")], name="inner")
    return sequential(TABLE, inner, L.Dense(3, name="outer")), TABLE, CLASSES


def two_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    joined = L.concatenate([L.Dense(3)(a), b])
    model = keras.Model({"a": a, "b": b}, [L.Dense(3, name="kind")(joined), L.Dense(1)(joined)])
    return model, {"a": TABLE, "b": TABLE[:, :2]}, [CLASSES, TABLE[:, :1]]


class Subclassed(keras.Model):
    """Not built, with a weight and a loss of its own, and no `training` argument."""

    def __init__(self):
        super().__init__()
        self.first, self.second = L.Dense(4, activation="relu"), L.Dense(3)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        out = self.second(self.first(x)) * self.scale
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(out)))
        return out


def subclassed():
    return Subclassed(), TABLE, CLASSES


KINDS = [dense, convolution, batch_norm, dropout, masked_steps, penalties, frozen, unused, nested]
KINDS += [two_outputs, subclassed]


def compiled(kind, optimizer=None, policy="float32", run_eagerly=False):
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, x, y = kind()
    finally:
        keras.config.set_dtype_policy(before)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer or keras.optimizers.SGD(1.0),
        [loss, "mse"] if kind is two_outputs else loss,
        metrics=None if kind is two_outputs else ["accuracy"],
        run_eagerly=run_eagerly,
    )
    return model, x, y


def state(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assert_as_fit(model, x, y, weight=None, tolerance=1e-6):
    found = value_and_gradients(model, x, y, weight)
    before = state(model)
    again = value_and_gradients(model, x, y, weight)
    for a, b in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.loss == found.loss
    old = {v.path: np.array(v) for v in model.trainable_variables}
    assert list(found.gradients) == list(old)
    fit = model.fit(x, y, sample_weight=weight, batch_size=ROWS, shuffle=False, verbose=0)
    np.testing.assert_allclose(fit.history["loss"][0], found.loss, rtol=1e-6)
    for v in model.trainable_variables:
        moved = old[v.path] - np.array(v)
        np.testing.assert_allclose(
            found.gradients[v.path], moved, rtol=tolerance, atol=tolerance, err_msg=v.path
        )
        assert found.gradients[v.path].dtype == moved.dtype
    grouped = [path for layer in found.by_layer.values() for path in layer]
    assert sorted(grouped) == sorted(old)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__)
def test_gradients_are_what_fit_moves(kind):
    assert_as_fit(*compiled(kind))


@pytest.mark.slow
def test_weights_of_rows():
    assert_as_fit(*compiled(masked_steps), np.tile(WEIGHTS[:, None], (1, 5)))
    plain = value_and_gradients(*compiled(dense))
    weighted = assert_as_fit(*compiled(dense), WEIGHTS)
    assert weighted.loss != plain.loss


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_and_loss_scaling(policy):
    """The gradients are unscaled, as the inner optimizer sees them."""
    optimizer = keras.optimizers.SGD(1.0)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
    found = assert_as_fit(*compiled(batch_norm, optimizer, policy), tolerance=1e-3)
    plain = value_and_gradients(*compiled(batch_norm))
    for a, b in zip(found.gradients.values(), plain.gradients.values(), strict=True):
        np.testing.assert_allclose(a, b, atol=0.05)


def test_loss_scale_factor():
    plain = value_and_gradients(*compiled(dense))
    scaled = assert_as_fit(*compiled(dense, keras.optimizers.SGD(1.0, loss_scale_factor=8.0)))
    for a, b in zip(plain.gradients.values(), scaled.gradients.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_evaluation_mode():
    model, x, y = compiled(dropout)
    still = value_and_gradients(model, x, y, training=False)
    np.testing.assert_allclose(
        still.loss, model.evaluate(x, y, verbose=0, return_dict=True)["loss"], rtol=1e-6
    )
    assert still.loss != value_and_gradients(model, x, y).loss
    model, x, y = compiled(batch_norm)
    assert value_and_gradients(model, x, y, training=False).loss != (
        value_and_gradients(model, x, y).loss
    )


def test_what_is_kept_is_not_stale():
    """Other weights, another loss, another set of trainable layers, another batch."""
    model, x, y = compiled(dense)
    first = value_and_gradients(model, x, y)
    model.set_weights([2 * w for w in model.get_weights()])
    second = value_and_gradients(model, x, y)
    assert second.loss != first.loss
    assert value_and_gradients(model, x[:3], y[:3]).loss != second.loss
    model.compile("sgd", "mse")
    third = value_and_gradients(model, x, np.zeros((ROWS, 3)))
    np.testing.assert_allclose(third.loss, np.mean(np.square(model.predict(x, verbose=0))), 1e-5)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    assert len(value_and_gradients(model, x, np.zeros((ROWS, 3))).gradients) == 2


def test_a_model_is_not_kept_alive():
    model, x, y = compiled(dense)
    value_and_gradients(model, x, y)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_groups_and_names():
    assert list(value_and_gradients(*compiled(nested)).by_layer) == ["inner/deep", "outer"]
    model, x, y = compiled(subclassed)
    groups = value_and_gradients(model, x, y).by_layer
    assert list(groups[model.name]) == [model.scale.path] and len(groups) == 3
    layers = [L.Dense(3, name="twin"), L.Dense(3, name="twin")]

    class Twins(keras.Model):
        def call(self, x):
            return layers[1](layers[0](x))

    twins = Twins()
    twins.a, twins.b = layers
    twins.compile("sgd", "mse")
    found = value_and_gradients(twins, TABLE, np.zeros((ROWS, 3), "float32"))
    assert len(found.gradients) == 4 and sum(p.endswith(" (2)") for p in found.gradients) == 2


def test_kinds_of_arrays():
    model, x, y = compiled(dense)
    expected = value_and_gradients(model, x, y)
    for other in (x.astype("float64"), keras.ops.convert_to_tensor(x)):
        np.testing.assert_allclose(value_and_gradients(model, other, y).loss, expected.loss, 1e-6)
    one = value_and_gradients(model, x[:1], y[:1])
    assert np.isfinite(one.loss)
    column = value_and_gradients(model, x, y[:, None])
    np.testing.assert_allclose(column.loss, expected.loss, rtol=1e-6)
    broken = x.copy()
    broken[0, 0] = np.nan
    assert np.isnan(value_and_gradients(model, broken, y).loss)


# A plain function


def test_a_function_of_variables():
    w = keras.Variable([1.0, -2.0], name="w")
    b = keras.Variable(3.0, name="b")
    target = np.float32([2.0, 0.5])

    def loss(w, b):
        return keras.ops.sum(target * keras.ops.square(w)) * b

    for function in (loss, lambda *_: loss(w, b)):  # from its arguments, or from the variables
        found = value_and_gradients(function, [w, b])
        assert found.loss == 12.0 and found.by_layer == {}
        np.testing.assert_allclose(found.gradients["w"], [12.0, -6.0])
        np.testing.assert_allclose(found.gradients["b"], 4.0)
    numbers = value_and_gradients(lambda a, b: a * a + 0 * b, [3, np.float64(2)])
    assert {k: float(v) for k, v in numbers.gradients.items()} == {"0": 6.0, "1": 0.0}
    named = value_and_gradients(lambda a, b: a**3, {"a": 2.0, "unused": [1.0, 1.0]})
    np.testing.assert_array_equal(named.gradients["unused"], [0.0, 0.0])
    assert float(named.gradients["a"]) == 12.0
    assert w.numpy().tolist() == [1.0, -2.0]


BAD_FUNCTIONS = [
    ((lambda a: 1.0, [1.0]), ValueError, "must be computed from its arguments"),
    ((lambda a: a * keras.ops.ones(2), [1.0]), ValueError, r"shape \(2,\)"),
    ((lambda a: keras.ops.cast(a, "int32"), [1.0]), ValueError, "dtype int32"),
    ((lambda: 1.0, []), ValueError, "at least one variable"),
    ((lambda a: a, 1.0), TypeError, "must be a list"),
    ((lambda a: a, ["x"]), ValueError, "must hold floats"),
    ((lambda a: a, [True]), ValueError, "must hold floats"),
    ((lambda a: a, [1.0], TABLE), ValueError, "belong to a model"),
    (("model", TABLE), TypeError, "must be a Keras model, or a function"),
    ((L.Dense(1), TABLE), TypeError, "must be a Keras model, or a function"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_FUNCTIONS)
def test_bad_functions(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        value_and_gradients(*arguments)
    assert "Received" in str(caught.value) and len(str(caught.value)) < 600


def test_bad_models():
    model, x, y = compiled(dense)
    for bad, error, message in [
        ((x[:0], y[:0]), ValueError, "at least one row"),
        ((x, y[:3]), ValueError, "same number of rows"),
        ((x, y, WEIGHTS[:2]), ValueError, "same number of rows"),
        (([[1.0] * 4], y), TypeError, "must hold arrays"),
        ((iter([x]), y), TypeError, "must hold arrays"),
    ]:
        with pytest.raises(error, match=message) as caught:
            value_and_gradients(model, *bad)
        assert "Received" in str(caught.value)
    with pytest.raises(ValueError, match="`training` must be True or False"):
        value_and_gradients(model, x, y, training="no")
    model.trainable = False
    with pytest.raises(ValueError, match="must have trainable variables"):
        value_and_gradients(model, x, y)
    with pytest.raises(ValueError, match="must be compiled"):
        value_and_gradients(sequential(TABLE, L.Dense(1)), x, y)


# TensorFlow and JAX

DETERMINED = [dense, convolution, batch_norm, masked_steps, penalties, two_outputs]


def print_gradients(path):
    """For the other process: the gradients of models with weights that NumPy drew."""
    arrays = {}
    for kind in DETERMINED:
        model, x, y = compiled(kind)
        generator = np.random.default_rng(1)
        model.set_weights([np.abs(generator.normal(size=w.shape)) for w in model.get_weights()])
        found = value_and_gradients(model, x, y)
        arrays[f"{kind.__name__} loss"] = found.loss
        for k, gradient in enumerate(found.gradients.values()):
            arrays[f"{kind.__name__} {k}"] = gradient
    np.savez(path, **arrays)


@pytest.mark.slow
def test_the_backends_agree(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compared on the TensorFlow lane")
    program = f"import test_gradients as t; t.print_gradients({str(tmp_path / 'jax.npz')!r})"
    quick = "--xla_backend_optimization_level=0"  # compiling is most of the time
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": quick}
    subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=Path(__file__).parent, check=True
    )
    print_gradients(tmp_path / "tensorflow.npz")
    ours, theirs = np.load(tmp_path / "tensorflow.npz"), np.load(tmp_path / "jax.npz")
    assert ours.files == theirs.files and len(ours.files) > 20
    for name in ours.files:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_many_models_are_no_retracing(caplog):
    for _ in range(7):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        value_and_gradients(model, np.ones((4, 2)), np.ones((4, 1)))
    assert "retracing" not in caplog.text
