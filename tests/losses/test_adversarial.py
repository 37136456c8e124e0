"""Adversarial losses: plain functions, one value per example."""

import keras
import numpy as np
import pytest
from keras import ops
from running import array, compiled, values_and_gradient

from coursekit.losses import adversarial as adv

pytestmark = pytest.mark.any_backend
REAL = np.array([[2.0], [-1.0], [0.5], [100.0], [-100.0]], "float32")
FAKE = np.array([[-3.0], [1.0], [0.2], [-100.0], [100.0]], "float32")


def sigmoid_loss(logit, label):
    """Crossentropy of one logit in float64."""
    return max(logit, 0.0) - logit * label + np.log1p(np.exp(-abs(logit)))


EXPECTED = {
    "non_saturating_discriminator": lambda r, f: sigmoid_loss(r, 1) + sigmoid_loss(f, 0),
    "hinge_discriminator": lambda r, f: max(1 - r, 0) + max(1 + f, 0),
    "least_squares_discriminator": lambda r, f: ((r - 1) ** 2 + f**2) / 2,
    "non_saturating_generator": lambda r, f: sigmoid_loss(f, 1),
    "hinge_generator": lambda r, f: -f,
    "least_squares_generator": lambda r, f: (f - 1) ** 2 / 2,
}


def apply(name, real, fake):
    function = getattr(adv, name)
    return function(real, fake) if name.endswith("discriminator") else function(fake)


@pytest.mark.parametrize("name", EXPECTED)
def test_values(name):
    got = array(apply(name, REAL, FAKE))
    wanted = [
        EXPECTED[name](float(r), float(f)) for r, f in zip(REAL[:, 0], FAKE[:, 0], strict=True)
    ]
    assert got.shape == (5,)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    fast = compiled(lambda r, f: apply(name, r, f))(ops.array(REAL), ops.array(FAKE))
    np.testing.assert_allclose(array(fast), got, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_patches_of_an_example_are_averaged(name):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 3, 4, 4, 1)).astype("float32")
    got = array(apply(name, real, fake))
    each = array(apply(name, real.reshape(-1, 1), fake.reshape(-1, 1)))
    np.testing.assert_allclose(got, each.reshape(3, -1).mean(1), rtol=1e-5, atol=1e-6)


def test_half_precision_is_computed_in_float32():
    for name in EXPECTED:
        half = [ops.convert_to_tensor(x, dtype="float16") for x in (REAL, FAKE)]
        assert keras.backend.standardize_dtype(apply(name, *half).dtype) == "float32", name


def test_the_non_saturating_generator_learns_where_the_discriminator_is_sure():
    fake = np.array([[-50.0], [50.0]], "float32")
    _, gradient = values_and_gradient(lambda _, f: adv.non_saturating_generator(f), None, fake)
    np.testing.assert_allclose(array(gradient)[:, 0], [-1.0, 0.0], atol=1e-6)


def test_one_sided_label_smoothing_is_crossentropy_with_that_label():
    got = array(adv.non_saturating_discriminator(REAL, FAKE, real_label=0.9))
    pairs = zip(REAL[:, 0], FAKE[:, 0], strict=True)
    wanted = [sigmoid_loss(float(r), 0.9) + sigmoid_loss(float(f), 0) for r, f in pairs]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize("target", [0.0, 1.0, 2.0])
def test_gradient_penalty(target):
    gradients = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
    wanted = [(sum(v**2 for v in g.ravel()) ** 0.5 - target) ** 2 for g in gradients]
    values, slope = values_and_gradient(
        lambda _, g: adv.gradient_penalty(g, target=target), None, gradients
    )
    np.testing.assert_allclose(array(values), wanted, rtol=1e-5)
    length = np.sqrt((gradients**2).sum((1, 2), keepdims=True))
    np.testing.assert_allclose(
        array(slope), 2 * (length - target) * gradients / length, rtol=1e-4, atol=1e-6
    )


def test_gradient_penalty_of_a_discriminator_that_ignores_its_input():
    zeros = np.zeros((2, 3), "float32")
    values, slope = values_and_gradient(lambda _, g: adv.gradient_penalty(g), None, zeros)
    np.testing.assert_array_equal(array(values), [1.0, 1.0])
    np.testing.assert_array_equal(array(slope), zeros)


def test_the_penalty_trains_a_discriminator():
    """The gradient of the gradient, through a network, against a formula: D(x) = w x."""
    weights = np.array([0.3, -0.4], "float32")  # length 0.5
    if keras.backend.backend() == "jax":
        import jax

        def penalty(w):
            return adv.gradient_penalty(jax.grad(lambda x: (x @ w).sum())(np.ones((5, 2)))).mean()

        slope = jax.grad(penalty)(weights)
    else:
        import tensorflow as tf

        w, x = tf.Variable(weights), tf.ones((5, 2))
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                score = tf.linalg.matvec(x, w)
            penalty = tf.reduce_mean(adv.gradient_penalty(inner.gradient(score, x)))
        slope = outer.gradient(penalty, w)
    np.testing.assert_allclose(array(slope), 2 * (0.5 - 1) * weights / 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: adv.non_saturating_discriminator(REAL, FAKE, real_label=0.0),
        lambda: adv.non_saturating_discriminator(REAL, FAKE, real_label=1.1),
        lambda: adv.gradient_penalty(REAL, target=-1.0),
        lambda: adv.hinge_discriminator(REAL, FAKE[:3]),
        lambda: adv.least_squares_discriminator(REAL, FAKE[:, 0]),
    ],
)
def test_bad_input(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
