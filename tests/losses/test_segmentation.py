"""What each loss on masks is where it can be counted by hand: empty, absent, ignored, perfect."""

import keras
import numpy as np
import pytest
from running import array, values_and_gradient

from coursekit import losses

pytestmark = pytest.mark.any_backend
FUNCTIONS = [losses.crossentropy_dice, losses.focal_tversky, losses.lovasz_softmax]
each = pytest.mark.parametrize("loss", FUNCTIONS, ids=lambda f: f.__name__)


def image(*rows):
    """One image with one pixel a row."""
    return np.array([rows], "float32")


def test_false_positives_and_false_negatives_by_hand():
    masks, p = [[1, 1, 0, 0]], image([1.0], [0.0], [0.25], [0.0])  # TP 1, FP 0.25, FN 1
    got = losses.focal_tversky(masks, p, fp_weight=0.4, fn_weight=0.2, exponent=1.0, smooth=0.5)
    np.testing.assert_allclose(array(got), [1 - 1.5 / (1 + 0.1 + 0.2 + 0.5)], rtol=1e-6)
    focal = losses.focal_tversky(masks, p, fp_weight=0.4, fn_weight=0.2, exponent=0.5, smooth=0.5)
    np.testing.assert_allclose(array(focal), (1 - 1.5 / 1.8) ** 0.5, rtol=1e-6)
    dice = losses.crossentropy_dice(masks, p, ce_weight=0.0, smooth=0.5)
    np.testing.assert_allclose(array(dice), [1 - 2.5 / (2 + 0.25 + 1 + 0.5)], rtol=1e-6)


def test_dice_is_tversky_with_equal_prices_and_that_of_keras_without_smooth():
    rng = np.random.default_rng(0)
    masks, p = rng.integers(0, 2, (3, 40)), rng.random((3, 40, 1)).astype("float32")
    dice = losses.crossentropy_dice(masks, p, ce_weight=0.0, smooth=1e-6)
    tversky = losses.focal_tversky(masks, p, exponent=1.0, smooth=5e-7)
    of_keras = keras.losses.dice(masks[..., None], p, axis=(1, 2))
    np.testing.assert_allclose(array(dice), array(tversky), rtol=1e-6)
    np.testing.assert_allclose(array(dice), array(of_keras), rtol=1e-5)


def test_crossentropy_is_that_of_keras():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 3, (2, 4, 5)), rng.normal(size=(2, 4, 5, 3)).astype("float32")
    of_keras = keras.losses.sparse_categorical_crossentropy(
        keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(z), from_logits=True
    )
    got = losses.crossentropy_dice(y, z, ce_weight=1.0, from_logits=True)
    np.testing.assert_allclose(array(got), array(of_keras).mean((1, 2)), rtol=1e-5)
    y, z = rng.integers(0, 2, (2, 9)), rng.normal(size=(2, 9, 1)).astype("float32")
    of_keras = keras.losses.binary_crossentropy(y[..., None], z, from_logits=True)
    got = losses.crossentropy_dice(y, z, ce_weight=1.0, from_logits=True)
    np.testing.assert_allclose(array(got), array(of_keras).mean(1), rtol=1e-5)


def test_lovasz_of_certain_predictions_is_one_minus_intersection_over_union():
    truth, said = np.array([[0, 0, 1, 1, 1, 2]]), np.array([[0, 1, 1, 1, 0, 2]])
    jaccard = np.mean([1 - 1 / 3, 1 - 2 / 4, 1 - 1 / 1])
    for classes in ("present", "all"):
        got = losses.lovasz_softmax(truth, np.eye(3)[said], classes=classes)
        np.testing.assert_allclose(array(got), [jaccard], rtol=1e-6)
    binary = losses.lovasz_softmax([[1, 1, 0]], image([1.0], [0.0], [0.0]))
    np.testing.assert_allclose(array(binary), [np.mean([1 - 1 / 2, 1 - 1 / 2])], rtol=1e-6)


@each
def test_a_perfect_prediction_costs_nothing(loss):
    y = np.array([[0, 1, 2, 2]])
    np.testing.assert_allclose(array(loss(y, np.eye(3, dtype="float32")[y])), [0], atol=1e-6)
    np.testing.assert_allclose(array(loss([[1, 0]], image([1.0], [0.0]))), [0], atol=1e-6)


@each
def test_an_empty_mask(loss):
    """With an empty prediction it costs nothing; with a full one it costs, and pushes back."""
    empty = np.zeros((1, 4), int)
    np.testing.assert_allclose(array(loss(empty, np.zeros((1, 4, 1), "float32"))), [0], atol=1e-6)
    values, gradient = values_and_gradient(loss, empty, np.full((1, 4, 1), 0.9, "float32"))
    assert array(values)[0] > 0.4 and (array(gradient) > 0).any() and (array(gradient) >= 0).all()


def test_an_absent_class_costs_what_is_predicted_of_it():
    y = np.array([[0, 0, 1, 1]])
    p = np.eye(3, dtype="float32")[y]
    p[0, 0] = [0.5, 0.0, 0.5]  # half a pixel for class 2, which is not there
    dice = array(losses.crossentropy_dice(y, p, ce_weight=0.0))[0]
    np.testing.assert_allclose(dice, (0.5 / (2 * 1.5 + 0.5 + 1) + 0 + 0.5 / 1.5) / 3, rtol=1e-6)
    tversky = array(losses.focal_tversky(y, p, exponent=1.0))[0]
    np.testing.assert_allclose(tversky, (0.25 / (1.5 + 0.25 + 1) + 0.25 / 1.25) / 3, rtol=1e-6)
    present = array(losses.lovasz_softmax(y, p, classes="present"))[0]
    everything = array(losses.lovasz_softmax(y, p, classes="all"))[0]
    np.testing.assert_allclose(present, (0.5 * 0.5 + 0) / 2, rtol=1e-6)
    np.testing.assert_allclose(everything, (0.5 * 0.5 + 0 + 0.5) / 3, rtol=1e-6)


@each
def test_ignored_pixels_might_as_well_not_be_there(loss):
    rng = np.random.default_rng(1)
    y, z = rng.integers(0, 3, (2, 6)), rng.normal(size=(2, 6, 3)).astype("float32")
    more_y = np.concatenate([np.full((2, 3), 255), y], axis=1)
    more_z = np.concatenate([100 * rng.normal(size=(2, 3, 3)).astype("float32"), z], axis=1)

    def ignoring(labels, predictions):
        return loss(labels, predictions, ignore_class=255, from_logits=True)

    values, gradient = values_and_gradient(ignoring, more_y, more_z)
    np.testing.assert_allclose(array(values), array(loss(y, z, from_logits=True)), rtol=1e-5)
    assert (array(gradient)[:, :3] == 0).all()
    values, gradient = values_and_gradient(ignoring, np.full((2, 6), 255), z)
    assert (array(values) == 0).all() and (array(gradient) == 0).all()


def test_an_image_of_which_everything_is_ignored_counts_as_an_image():
    y, z = np.array([[0, 1], [255, 255]]), np.zeros((2, 2, 2), "float32")
    loss = losses.CrossentropyDice(ce_weight=1.0, ignore_class=255, from_logits=True)
    np.testing.assert_allclose(array(loss(y, z)), np.log(2) / 2, rtol=1e-6)


@each
def test_sample_weights_belong_to_images(loss):
    cls = getattr(losses, "".join(word.title() for word in loss.__name__.split("_")))
    y, z = np.array([[0, 1], [1, 1]]), np.ones((2, 2, 2), "float32")
    values = array(loss(y, z, from_logits=True))
    got = cls(from_logits=True)(y, z, sample_weight=[0.0, 3.0])
    np.testing.assert_allclose(array(got), 3 * values[1] / 2, rtol=1e-6)


@each
@pytest.mark.parametrize("label", [-1, 3, 255])
def test_a_label_that_is_no_class_gives_nan(loss, label):
    values = array(loss([[0, 1], [0, label]], np.ones((2, 2, 3), "float32") / 3))
    assert np.isnan(values).tolist() == [False, True]


@each
def test_a_mask_that_is_neither_0_nor_1_gives_nan(loss):
    values = array(loss([[0, 1], [0, 255]], np.ones((2, 2, 1), "float32") / 3))
    assert np.isnan(values).tolist() == [False, True]


@each
def test_masks_of_another_shape_are_refused(loss):
    with pytest.raises(ValueError, match=r"`y_true` must .* Received: y_true=\(1, 2, 3\)"):
        loss(np.ones((1, 2, 3)), np.ones((1, 2, 3), "float32"))  # one-hot
    with pytest.raises(ValueError, match="`y_true` must"):
        loss(np.ones((1, 2, 3)), np.ones((1, 2, 1), "float32"))


@pytest.mark.parametrize("exponent", [0.1, 0.5, 0.75])
def test_near_a_perfect_prediction_the_power_goes_on_as_a_line(exponent):
    """Its slope at 0 would be infinite: below 1e-7 it is that of the line to there."""
    slope = 1e-7 ** (exponent - 1)

    def loss(y, p):
        return losses.focal_tversky(y, p, exponent=exponent)

    for p in (0.0, 1e-8, 1e-7):  # x = p / 2 / (p / 2 + 1), all below 1e-7
        values, gradient = values_and_gradient(loss, [[0]], np.full((1, 1, 1), p, "float32"))
        np.testing.assert_allclose(array(values), [slope * p / 2], rtol=1e-5)
        np.testing.assert_allclose(array(gradient).ravel(), [slope / 2], rtol=1e-5)


@each
def test_multilabel_is_the_mean_over_channels_of_one_channel_alone(loss):
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, (3, 5, 4)), rng.normal(size=(3, 5, 4)).astype("float32")
    alone = [array(loss(y[..., c], z[..., c : c + 1], from_logits=True)) for c in range(4)]
    together = array(loss(y, z, from_logits=True, multilabel=True))
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-5)


@each
def test_only_the_ratios_of_class_weights_matter(loss):
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 3, (3, 20)), rng.normal(size=(3, 20, 3)).astype("float32")
    plain = array(loss(y, z, from_logits=True))
    np.testing.assert_allclose(
        array(loss(y, z, class_weights=[7.0] * 3, from_logits=True)), plain, rtol=1e-5
    )
    one, ten = (
        array(loss(y, z, class_weights=[f, 0.0, 2 * f], from_logits=True)) for f in (1.0, 10.0)
    )
    np.testing.assert_allclose(one, ten, rtol=1e-5)
    assert np.abs(one - plain).max() > 1e-3
