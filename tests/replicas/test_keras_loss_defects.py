"""Where Keras's own losses are silently wrong: reproduced, next to the cure.

A test here fails once Keras has fixed its defect: then say so in the docstring of the cure, or
remove it.
"""

import keras
import numpy as np
import pytest
from keras import ops

from coursekit import losses


def squared_mean(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


@losses.per_example
def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@losses.per_example
def refused(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


def fit(loss, x, y, start=1.0):
    """One step of gradient descent with one weight: the reported loss, and the weight."""
    dense = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=keras.initializers.Constant(start)
    )
    model = keras.Sequential([keras.Input(x.shape[1:]), dense])
    model.compile(keras.optimizers.SGD(0.001), loss)
    history = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0).history
    return history["loss"][0], model.get_weights()[0].item()


X, Y = np.arange(1.0, 9.0, dtype="float32")[:, None], np.zeros((8, 1), "float32")


def test_a_loss_that_is_one_number_counts_once_for_each_replica(strategy):
    """Keras divides per-example values by the number of replicas, and one number by nothing."""
    np.testing.assert_allclose(fit(squared_mean, X, Y), (25.5, 0.949), rtol=1e-6)
    with strategy.scope():
        np.testing.assert_allclose(fit(squared_mean, X, Y), (51.0, 0.898), rtol=1e-6)
        np.testing.assert_allclose(fit(squared, X, Y), (25.5, 0.949), rtol=1e-6)
        with pytest.raises(ValueError, match="`refused` returns one number for the whole batch"):
            fit(refused, X, Y)


@pytest.mark.parametrize(
    "of_keras, cure",
    [
        (keras.losses.Dice(), losses.CrossentropyDice(ce_weight=0.0)),
        (keras.losses.Tversky(), losses.FocalTversky()),
    ],
    ids=["dice", "tversky"],
)
def test_dice_and_tversky_are_one_number_too(strategy, of_keras, cure):
    """Each half of the batch holds the same rows, so that nothing but the factor differs."""
    x = np.tile(np.linspace(0.1, 0.9, 4, dtype="float32"), 2)[:, None, None]
    y = np.tile([0.0, 1, 1, 0], 2).astype("float32")[:, None, None]
    keras_one, own_one = fit(of_keras, x, y, 0.5), fit(cure, x, y, 0.5)
    with strategy.scope():
        keras_two, own_two = fit(of_keras, x, y, 0.5), fit(cure, x, y, 0.5)
    np.testing.assert_allclose(keras_two[0], 2 * keras_one[0], rtol=1e-5)
    np.testing.assert_allclose(keras_two[1] - 0.5, 2 * (keras_one[1] - 0.5), rtol=1e-3)
    np.testing.assert_allclose(own_two, own_one, rtol=1e-6)


def test_dice_of_an_empty_mask_and_its_sample_weights():
    empty = np.zeros((1, 4, 1), "float32")
    assert float(keras.losses.Dice()(empty, empty)) == pytest.approx(1.0)
    assert float(losses.CrossentropyDice(ce_weight=0.0)(empty, empty)) == 0.0
    y, p = np.ones((2, 4, 1), "float32"), np.ones((2, 4, 1), "float32")
    p[1] = 0.0
    # The second image is all wrong and should not count: Keras multiplies one number by both.
    weighted = keras.losses.Dice(reduction="sum")(y, p, sample_weight=np.array([1.0, 0.0]))
    assert float(weighted) == pytest.approx(1 / 3, abs=1e-5)
    own = losses.CrossentropyDice(ce_weight=0.0, reduction="sum")
    assert float(own(y, p, sample_weight=np.array([1.0, 0.0]))) == pytest.approx(0.0, abs=1e-6)


def test_the_weights_of_tversky_are_swapped():
    """`alpha` is said to price false positives. Here nothing is missed, and one pixel invented."""
    y, p = np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
    assert float(keras.losses.tversky(y, p, alpha=1.0, beta=0.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(keras.losses.tversky(y, p, alpha=0.0, beta=1.0)) == pytest.approx(0.5, abs=1e-6)
    own = {"exponent": 1.0, "smooth": 1e-6}
    args = y, p[..., None].astype("float32")
    assert float(
        losses.focal_tversky(*args, fp_weight=1.0, fn_weight=0.0, **own)[0]
    ) == pytest.approx(0.5, abs=1e-5)
    assert float(
        losses.focal_tversky(*args, fp_weight=0.0, fn_weight=1.0, **own)[0]
    ) == pytest.approx(0.0, abs=1e-5)


def gradient(fn, z):
    import tensorflow as tf

    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = fn(z)
    return tape.gradient(value, z).numpy()


def test_the_clipped_focal_loss_gives_up_on_the_worst_errors():
    z = np.array([[0.0, 20.0]], "float32")

    def of_keras(z):
        loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, from_logits=True)
        return loss(np.array([[1.0, 0.0]]), z)

    def own(z):
        loss = losses.SparseCategoricalFocalCrossentropy(alpha=1.0, from_logits=True)
        return loss(np.array([0]), z)

    np.testing.assert_array_equal(gradient(of_keras, z), [[0.0, 0.0]])
    np.testing.assert_allclose(gradient(own, z), [[-1.0, 1.0]], atol=1e-4)


def test_binary_focal_loss_has_no_gradient_for_gamma_below_one():
    def of_keras(z):
        loss = keras.losses.BinaryFocalCrossentropy(gamma=0.5, from_logits=True)
        return loss(np.array([[1.0]]), z)

    def own(z):
        loss = losses.SparseCategoricalFocalCrossentropy(alpha=1.0, gamma=0.5, from_logits=True)
        return loss(np.array([1]), z)

    assert np.isnan(gradient(of_keras, np.array([[20.0]], "float32"))).all()
    assert np.isfinite(gradient(own, np.array([[0.0, 20.0]], "float32"))).all()


def test_the_dtype_of_a_loss_is_not_saved():
    loss = keras.losses.SparseCategoricalCrossentropy(dtype="float64")
    assert keras.losses.deserialize(keras.losses.serialize(loss)).dtype == "float32"
    own = losses.LabelSmoothedCrossentropy(dtype="float64")
    assert keras.losses.deserialize(keras.losses.serialize(own)).dtype == "float64"


def test_class_257_becomes_256_in_bfloat16():
    z = np.zeros((1, 300), "float32")
    z[0, 257] = 20.0
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="bfloat16")
    assert float(loss(np.array([257]), z)) > 10
    own = losses.LabelSmoothedCrossentropy(label_smoothing=0.0, from_logits=True, dtype="bfloat16")
    assert float(own(np.array([257]), z)) < 0.1
