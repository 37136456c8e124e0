"""What each classification loss is in the cases that are known otherwise."""

import keras
import numpy as np
import pytest
from running import array, traced, values_and_gradient

from coursekit import losses

pytestmark = pytest.mark.any_backend
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 5, 12)
Z = RNG.normal(0, 2, (12, 5)).astype("float32")
CROSSENTROPY = array(
    keras.losses.sparse_categorical_crossentropy(
        keras.ops.convert_to_tensor(Y), keras.ops.convert_to_tensor(Z), from_logits=True
    )
)


def close(got, expected):
    np.testing.assert_allclose(array(got), array(expected), rtol=1e-5, atol=1e-6)


def test_with_nothing_added_all_are_crossentropy():
    focal = losses.sparse_categorical_focal_crossentropy(
        Y, Z, alpha=1.0, gamma=0.0, from_logits=True
    )
    close(focal, CROSSENTROPY)
    close(
        losses.label_smoothed_crossentropy(Y, Z, label_smoothing=0.0, from_logits=True),
        CROSSENTROPY,
    )
    counts = [1, 20, 300, 4000, 5]
    flat = losses.class_balanced_crossentropy(Y, Z, counts, beta=0.0, from_logits=True)
    close(flat, CROSSENTROPY)


def test_focal_is_that_of_keras_where_keras_does_not_clip():
    one_hot, p = np.eye(5)[Y], array(keras.ops.softmax(Z))
    for gamma in (0.5, 1.0, 2.0):
        keras_loss = keras.losses.categorical_focal_crossentropy(one_hot, p, 0.3, gamma)
        close(
            losses.sparse_categorical_focal_crossentropy(Y, p, alpha=0.3, gamma=gamma), keras_loss
        )
        of_logits = losses.sparse_categorical_focal_crossentropy(
            Y, Z, alpha=0.3, gamma=gamma, from_logits=True
        )
        close(of_logits, keras_loss)


def test_smoothing_is_that_of_keras_with_one_hot_labels():
    keras_loss = keras.losses.categorical_crossentropy(
        np.eye(5)[Y], Z, from_logits=True, label_smoothing=0.2
    )
    close(
        losses.label_smoothed_crossentropy(Y, Z, label_smoothing=0.2, from_logits=True), keras_loss
    )


def test_hinge_is_that_of_keras_where_the_others_are_positive():
    positive = np.abs(Z)
    keras_loss = keras.losses.categorical_hinge(np.eye(5)[Y].astype("float32"), positive)
    close(losses.crammer_singer_hinge(Y, positive), keras_loss)


def test_weights_of_class_balance():
    counts = [10, 100, 1000]
    loss = losses.ClassBalancedCrossentropy(counts, beta=0.99, reduction=None)
    p = np.full((3, 3), 1 / 3, "float32")
    weights = array(loss([0, 1, 2], p)) / np.log(3)
    effective = (1 - 0.99 ** np.array(counts, "float64")) / (1 - 0.99)
    close(weights, 3 / effective / (1 / effective).sum())
    close(weights.sum(), 3.0)
    inverse = losses.ClassBalancedCrossentropy(counts, beta=1 - 1e-12, reduction=None)
    close(array(inverse([0, 1, 2], p)) / np.log(3), 3 / np.array(counts) / 0.111)


@pytest.mark.parametrize("gap", [16.0, 20.0, 100.0])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_confident_wrong_answer_is_corrected(gap, gamma):
    """The gradient of Keras's clipped focal loss is 0 here; that of crossentropy is -1 and 1."""

    def loss(y, z):
        return losses.sparse_categorical_focal_crossentropy(
            y, z, alpha=1.0, gamma=gamma, from_logits=True
        )

    _, gradient = values_and_gradient(loss, np.array([0]), np.array([[0.0, gap]], "float32"))
    np.testing.assert_allclose(array(gradient), [[-1.0, 1.0]], atol=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        losses.SparseCategoricalFocalCrossentropy(from_logits=True, dtype="bfloat16"),
        losses.LabelSmoothedCrossentropy(label_smoothing=0.05, from_logits=True, dtype="bfloat16"),
        losses.ClassBalancedCrossentropy([7] * 300, from_logits=True, dtype="bfloat16"),
        losses.CrammerSingerHinge(dtype="bfloat16"),
    ],
    ids=lambda loss: loss.name,
)
def test_class_257_survives_bfloat16(loss):
    right, wrong = np.zeros((2, 1, 300), "float32")
    right[0, 257], wrong[0, 256] = 20.0, 20.0
    assert float(loss([257], right)) < 1.5 < 3 < float(loss([257], wrong))


@pytest.mark.parametrize("label", [-1, 3, 255])
def test_a_label_that_is_no_class_gives_nan(label):
    z = np.ones((2, 3), "float32")
    for values in (
        losses.sparse_categorical_focal_crossentropy([0, label], z, from_logits=True),
        losses.label_smoothed_crossentropy([0, label], z, from_logits=True),
        losses.class_balanced_crossentropy([0, label], z, [1, 1, 1], from_logits=True),
        losses.crammer_singer_hinge([0, label], z),
        losses.label_smoothed_crossentropy([0, label], z, from_logits=True, ignore_class=7),
    ):
        assert np.isnan(array(values)).tolist() == [False, True]


def test_labels_that_are_one_hot_or_too_few_classes_are_refused():
    for function in (
        losses.label_smoothed_crossentropy,
        losses.crammer_singer_hinge,
    ):
        with pytest.raises(ValueError, match=r"integer labels.*y_true=\(12, 5\).*argmax"):
            function(np.eye(5)[Y], Z)
        with pytest.raises(ValueError, match=r"at least two classes. Received: y_pred=\(2, 1\)"):
            function([0, 0], np.ones((2, 1), "float32"))


def test_weights_must_be_as_many_as_classes():
    with pytest.raises(ValueError, match=r"each of the 5 classes. Received: alpha=\[1.0, 2.0\]"):
        losses.sparse_categorical_focal_crossentropy(Y, Z, alpha=[1.0, 2.0], from_logits=True)
    with pytest.raises(ValueError, match="each of the 5 classes"):
        losses.class_balanced_crossentropy(Y, Z, [1, 2], from_logits=True)


def test_numpy_arguments_are_saved_as_lists():
    loss = losses.ClassBalancedCrossentropy(np.array([1, 2]))
    assert loss.get_config()["samples_per_class"] == [1, 2]
    loss = losses.SparseCategoricalFocalCrossentropy(alpha=np.array([0.5, 1.0]))
    assert loss.get_config()["alpha"] == [0.5, 1.0]


def test_the_last_row_of_labels_may_be_a_column():
    column = losses.label_smoothed_crossentropy(Y[:, None], Z, from_logits=True)
    close(column, losses.label_smoothed_crossentropy(Y, Z, from_logits=True))


def test_focal_of_one_hot_labels_is_that_of_their_numbers():
    for config in ({"gamma": 0.0}, {"gamma": 0.5}, {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]}):
        for p, from_logits in ((Z, True), (array(keras.ops.softmax(Z)), False)):
            focal = losses.sparse_categorical_focal_crossentropy
            one_hot = focal(np.eye(5)[Y], p, from_logits=from_logits, **config)
            close(one_hot, focal(Y, p, from_logits=from_logits, **config))


def test_focal_of_soft_labels_is_that_of_keras_where_keras_does_not_clip():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(5), 12).astype("float32")
    of_keras = keras.losses.categorical_focal_crossentropy(
        shares, array(keras.ops.softmax(Z)), 0.3, 2.0
    )
    got = losses.sparse_categorical_focal_crossentropy(shares, Z, alpha=0.3, from_logits=True)
    close(got, of_keras)


def test_soft_labels_that_are_no_distribution():
    focal = losses.sparse_categorical_focal_crossentropy
    for row in ([0.5, 0.6], [1.5, -0.5], [np.nan, 1.0], [0.0, 0.0]):
        soft = np.array([[0.3, 0.7], row], "float32")
        with pytest.raises(ValueError, match=r"add up to 1.*rows_that_do_not=1"):
            focal(soft, np.zeros((2, 2), "float32"), from_logits=True)
        values = traced(lambda y, z: focal(y, z, from_logits=True))(soft, np.zeros((2, 2)))
        assert np.isnan(array(values)).tolist() == [False, True]
    with pytest.raises(ValueError, match="`ignore_class` is a label"):
        focal(np.eye(2), np.zeros((2, 2), "float32"), ignore_class=-1)
