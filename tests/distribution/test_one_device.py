"""Without a strategy the step is Keras's own, on TensorFlow and on JAX."""

import keras
import numpy as np
import pytest
from keras import layers

from coursekit.distribution import lint, parity
from coursekit.distribution.step import ReplicaModel, ReplicaSequential

pytestmark = pytest.mark.any_backend


def scalar(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2)


def train(kind):
    keras.utils.set_random_seed(0)
    x = keras.Input((3,))
    hidden = layers.BatchNormalization()(layers.Dense(4, kernel_regularizer="l2")(x))
    model = kind(x, layers.Dense(1)(layers.Dropout(0.5, seed=1)(hidden)))
    optimizer = keras.optimizers.Adam(0.1, clipnorm=0.1, gradient_accumulation_steps=2)
    model.compile(optimizer, scalar, jit_compile=False, run_eagerly=True)  # quicker
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(7, 3)).astype("float32"), rng.normal(size=(7, 1)).astype("float32")
    history = model.fit(*rows, batch_size=4, epochs=2, verbose=0, shuffle=False)
    return history.history["loss"], model.evaluate(*rows, verbose=0), model


@pytest.mark.slow
def test_fit_gives_what_keras_gives():
    *expected, plain = train(keras.Model)
    *logged, ours = train(ReplicaModel)
    assert logged == expected
    for a, b in zip(plain.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_saved_and_loaded(tmp_path):
    for model in (train(ReplicaModel)[-1], ReplicaSequential([keras.Input((3,)), layers.Dense(1)])):
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(
            tmp_path / "model.keras", custom_objects={"scalar": scalar}
        )
        assert type(loaded) is type(model)
        rows = np.ones((2, 3), "float32")
        np.testing.assert_array_equal(
            loaded.predict(rows, verbose=0), model.predict(rows, verbose=0)
        )


def test_jax_needs_none_of_it():
    model = train(keras.Model)[-1]
    if keras.backend.backend() == "tensorflow":
        assert {finding.effect for finding in lint(model)} == {"wrong", "fails", "differs"}
        return
    assert lint(model) == []
    with pytest.raises(RuntimeError, match="Received: backend='jax'"):
        parity(lambda: model, (np.ones((2, 3)), np.ones(2)))
