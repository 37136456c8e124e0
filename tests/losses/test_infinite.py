"""0 times infinity: a term with the coefficient 0 is left out, in every loss."""

import keras
import numpy as np
import pytest
from loss_cases import CASES
from running import array, compiled, traced, values_and_gradient

from coursekit import losses

pytestmark = pytest.mark.any_backend
# A class that is masked by a logit of minus infinity, and nobody's label.
LOSSES = {
    "focal": lambda y, z: losses.sparse_categorical_focal_crossentropy(y, z, from_logits=True),
    "focal, gamma 0": lambda y, z: losses.sparse_categorical_focal_crossentropy(
        y, z, alpha=1.0, gamma=0.0, from_logits=True
    ),
    "focal, gamma 0.5": lambda y, z: losses.sparse_categorical_focal_crossentropy(
        y, z, gamma=0.5, from_logits=True
    ),
    "focal, soft": lambda y, z: losses.sparse_categorical_focal_crossentropy(
        keras.ops.one_hot(y, z.shape[-1]), z, gamma=0.5, from_logits=True
    ),
    "smoothed": lambda y, z: losses.label_smoothed_crossentropy(
        y, z, label_smoothing=0.0, from_logits=True
    ),
    "balanced": lambda y, z: losses.class_balanced_crossentropy(
        y, z, [1] * z.shape[-1], from_logits=True
    ),
    "hinge": lambda y, z: losses.crammer_singer_hinge(y, z),
    "dice": lambda y, z: losses.crossentropy_dice(y, z, from_logits=True),
    "crossentropy alone": lambda y, z: losses.crossentropy_dice(
        y, z, ce_weight=1.0, from_logits=True
    ),
    "dice alone": lambda y, z: losses.crossentropy_dice(y, z, ce_weight=0.0, from_logits=True),
    "dice, weighted": lambda y, z: losses.crossentropy_dice(
        y, z, class_weights=[1.0, 2.0] + [0.0] * (z.shape[-1] - 2), from_logits=True
    ),
    "tversky": lambda y, z: losses.focal_tversky(y, z, fp_weight=0.0, from_logits=True),
    "lovasz": lambda y, z: losses.lovasz_softmax(y, z, classes="all", from_logits=True),
}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@each
@pytest.mark.parametrize("low", [-np.inf, -1e38, -200.0])
def test_a_masked_class_of_nobody(loss, low):
    """It costs what a class of probability 0 costs, and gets no gradient."""
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 3, (3, 4)), rng.normal(size=(3, 4, 4)).astype("float32")
    z[..., 3] = -200.0
    expected, slope = values_and_gradient(loss, y, z)
    z[..., 3] = low
    values, gradient = values_and_gradient(loss, y, z)
    np.testing.assert_allclose(array(values), array(expected), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(array(gradient), array(slope), rtol=1e-5, atol=1e-7)
    assert np.isfinite(array(values)).all()
    np.testing.assert_allclose(array(traced(loss)(y, z)), array(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_masked_class_of_nobody_in_xla():
    """In one program: the crossentropy of labels leaves the other classes out there too."""
    y = np.array([0, 2, 1])
    z = np.array([[1.0, 0.0, 2.0, -np.inf]] * 3, "float32")
    names = ["focal, gamma 0.5", "smoothed", "balanced", "crossentropy alone", "dice"]

    def program(y, z):
        return [
            values_and_gradient(LOSSES[n], y[None], z[None])
            if "cross" in n or n == "dice"
            else values_and_gradient(LOSSES[n], y, z)
            for n in names
        ]

    for name, compiled_one, eager in zip(
        names, compiled(program)(y, z), program(y, z), strict=True
    ):
        for a, b in zip(compiled_one, eager, strict=True):
            assert np.isfinite(array(a)).all(), name
            np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-6, err_msg=name)


@each
def test_all_classes_masked_but_the_right_one(loss):
    y, z = np.array([[0, 0]]), np.array([[[1.0, -np.inf, -np.inf]] * 2], "float32")
    values, gradient = values_and_gradient(loss, y, z)
    assert np.isfinite(array(values)).all() and np.isfinite(array(gradient)).all()
    assert (np.abs(array(values)) < 1e-6).all()


@pytest.mark.parametrize(
    "function", [losses.crossentropy_dice, losses.focal_tversky, losses.lovasz_softmax]
)
@pytest.mark.parametrize("multilabel", [False, True])
def test_a_mask_that_is_certain(function, multilabel):
    """One channel at plus and minus infinity, and right."""
    y = np.array([[0, 1, 1]])[..., None]
    z = np.where(y == 1, np.inf, -np.inf).astype("float32")

    def loss(y, z):
        return function(y, z, multilabel=multilabel, from_logits=True)

    values, gradient = values_and_gradient(loss, y, z)
    np.testing.assert_allclose(array(values), [0.0], atol=1e-6)
    assert np.isfinite(array(gradient)).all()


def test_weights_of_0_leave_out_what_is_infinite():
    z = np.array([[-np.inf, 0.0], [0.0, 0.0]], "float32")

    def focal(y, z):
        return losses.sparse_categorical_focal_crossentropy(
            y, z, alpha=[0.0, 1.0], from_logits=True
        )

    for loss in (
        focal,
        lambda y, z: losses.sparse_categorical_focal_crossentropy(
            y, z, alpha=0.0, from_logits=True
        ),
    ):
        values, gradient = values_and_gradient(loss, np.array([0, 0]), z)
        np.testing.assert_array_equal(array(values), [0, 0])
        np.testing.assert_array_equal(array(gradient), np.zeros((2, 2)))
    loss = losses.LabelSmoothedCrossentropy(label_smoothing=0.0, from_logits=True)
    weighted = array(loss([0, 0], z, sample_weight=[0.0, 1.0]))
    np.testing.assert_allclose(weighted, np.log(2) / 2, rtol=1e-6)
    assert array(loss([0, 0], z)) == np.inf  # not NaN


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.config.get("ignore_class") is not None],
    ids=lambda case: case.name,
)
def test_what_is_predicted_where_labels_are_ignored_does_not_matter(case, bad):
    y, p = case.batch()
    expected, slope = values_and_gradient(case.values, y, p)
    axis = case.config.get("axis", -1)
    ignored = y == case.config["ignore_class"]
    ignored = ignored if ignored.ndim == p.ndim else np.expand_dims(ignored, axis)
    values, gradient = values_and_gradient(
        case.values, y, np.where(ignored, bad, p).astype("float32")
    )
    np.testing.assert_array_equal(array(values), array(expected))
    np.testing.assert_array_equal(array(gradient), array(slope))


@pytest.mark.parametrize("label", [-1, 7])
def test_with_full_smoothing_a_label_that_is_no_class_is_still_nan(label):
    values = losses.label_smoothed_crossentropy(
        [0, label], np.zeros((2, 3), "float32"), label_smoothing=1.0, from_logits=True
    )
    np.testing.assert_allclose(array(values), [np.log(3), np.nan], rtol=1e-6)
