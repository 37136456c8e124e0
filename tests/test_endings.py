"""Logits where a loss takes probabilities, or the other way round: refused where it can be seen."""

import keras
import numpy as np
import pytest

from coursekit import losses
from coursekit.callbacks import find_learning_rate
from coursekit.validation import cross_validate

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = np.arange(24) % 3
CE = keras.losses.SparseCategoricalCrossentropy
FOCAL = losses.SparseCategoricalFocalCrossentropy


def net(loss, *last):
    model = keras.Sequential([keras.Input((3,)), *last])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


PROBABILITIES = {
    "an object": CE, "a class": lambda: CE, "a word": lambda: "sparse_categorical_crossentropy",
    "a function": lambda: keras.losses.sparse_categorical_crossentropy, "coursekit's": FOCAL,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("kind", PROBABILITIES)
def test_the_finder_refuses_logits_for_probabilities(kind):
    loss = PROBABILITIES[kind]()
    with pytest.raises(ValueError, match=r"from_logits=False must get probabilities.*'scores'"):
        find_learning_rate(net(loss, keras.layers.Dense(3, name="scores")), X, Y, steps=20)
    find_learning_rate(net(loss, keras.layers.Dense(3, "softmax")), X, Y, steps=20)


@pytest.mark.any_backend
@pytest.mark.parametrize("kind", [CE, FOCAL])
@pytest.mark.parametrize(
    "last",
    [[keras.layers.Dense(3, "softmax")], [keras.layers.Dense(3), keras.layers.Softmax()]],
    ids=["an activation", "a layer"],
)
def test_the_finder_refuses_probabilities_for_logits(kind, last):
    with pytest.raises(ValueError, match="from_logits=True must get logits"):
        find_learning_rate(net(kind(from_logits=True), *last), X, Y, steps=20)


@pytest.mark.slow
@pytest.mark.any_backend
def test_the_finder_leaves_alone_what_fits_or_cannot_be_seen():
    passed = keras.layers.Activation("linear")  # the last layer of mixed precision
    for model in (
        net(CE(from_logits=True), keras.layers.Dense(3)),
        net(CE(), keras.layers.Dense(3, "softmax"), passed),
        net("kl_divergence", keras.layers.Dense(3)),
    ):
        y = keras.utils.to_categorical(Y) if model.loss == "kl_divergence" else Y
        find_learning_rate(model, X, y, steps=20)


@pytest.mark.any_backend
def test_cross_validate_reads_coursekits_losses():
    for loss, last in ((FOCAL(from_logits=True), "softmax"), (FOCAL(), None)):
        with pytest.raises(ValueError, match=r"must get (logits|probabilities)"):
            cross_validate(lambda a=loss, b=last: net(a, keras.layers.Dense(3, b)), X, Y, 2,
                           task="classification", verbose=0)  # fmt: skip


def test_a_loss_sees_what_a_softmax_of_keras_has_made():
    """By the tensor, on TensorFlow; an array of probabilities may be logits, and is taken so."""
    p = keras.activations.softmax(keras.ops.convert_to_tensor(X))
    loss = FOCAL(from_logits=True)
    with pytest.raises(ValueError, match=r"`y_pred` must hold logits.*from_logits=False"):
        loss(Y, p)
    with pytest.raises(ValueError, match="`y_pred` must hold logits"):
        losses.sparse_categorical_focal_crossentropy(Y, p, from_logits=True)
    with pytest.raises(ValueError, match="`y_pred` must hold logits"):
        net(loss, keras.layers.Dense(3, "softmax")).fit(X, Y, verbose=0)
    assert np.isfinite(loss(Y, keras.ops.convert_to_numpy(p)))
    net(loss, keras.layers.Dense(3)).fit(X, Y, verbose=0)


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("label", [255, 3, -1])
def test_the_finder_names_a_label_that_is_no_class(label):
    y = np.where(np.arange(24) == 7, label, Y)
    model = net(FOCAL(from_logits=True), keras.layers.Dense(3))
    found = find_learning_rate(model, X, y, batch_size=24, steps=20)
    assert found.suggestion is None
    assert f"`y` is {label} in row 7, where the model has the classes 0 to 2" in found.reason
    left_out = net(FOCAL(from_logits=True, ignore_class=label), keras.layers.Dense(3))
    assert "row 7" not in find_learning_rate(left_out, X, y, batch_size=24, steps=20).reason
