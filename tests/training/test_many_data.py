"""The data of `fit_many`: text, class weights, ranks, values that are not finite."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest
from many_cases import CLASSES, EAGER, ROWS, TABLE, L, assert_same, dense, make

from coursekit.training import fit_many

WORDS = np.array(["good film", "bad film", "good", "bad"] * 5)
LIKED = np.array([1, 0, 1, 0] * 5)


def reader(k=0):
    keras.utils.set_random_seed(k)
    vectorize = L.TextVectorization(max_tokens=10, output_sequence_length=3)
    vectorize.adapt(WORDS)
    layers = [vectorize, L.Embedding(10, 4), L.GlobalAveragePooling1D(), L.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((1,), dtype="string"), *layers])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["accuracy"])
    return model


@functools.cache
def read_by_fit():
    """Return the weights that `fit` leaves in the second of two readers."""
    import tensorflow as tf

    model = reader(1)
    words = tf.constant(WORDS.astype(object)[:, None])
    model.fit(words, LIKED, epochs=2, batch_size=8, shuffle=False, verbose=0)
    return model.get_weights()


FORMS = {
    "words": lambda w: w[:, None],
    "objects": lambda w: w.astype(object)[:, None],
    "column": lambda w: pd.Series(w),
    "bytes": lambda w: w.astype("S")[:, None],
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_text_goes_through_fit(form):
    x = FORMS[form](WORDS)
    ours = [reader(k) for k in range(2)]
    with pytest.warns(UserWarning, match="its data are not numbers"):
        fit_many(ours, x, LIKED, epochs=2, batch_size=8, shuffle=False, verbose=0,
                 validation_data=(x, LIKED))  # fmt: skip
    for a, b in zip(ours[1].get_weights(), read_by_fit(), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert "val_accuracy" in ours[0].history.history


LABELS = {
    "integers": CLASSES,
    "column": CLASSES[:, None],
    "floats": CLASSES.astype("float32"),
    "floats below": CLASSES.astype("float32") * (1 - 1e-6),
    "one-hot": np.eye(3, dtype="float32")[CLASSES],
}


@pytest.mark.slow
@pytest.mark.parametrize("form", LABELS)
def test_class_weight_in_every_form_of_labels(form):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True) if form == "one-hot" else None
    ours, theirs = (make(dense, 0, loss=loss) for _ in range(2))
    weights = {np.int64(0): 3.0, 2: np.float32(0.5)}
    settings = {"epochs": 2, "shuffle": False, "verbose": 0}
    y = LABELS[form]
    theirs.run_eagerly = EAGER
    fit_many([ours], TABLE, y, class_weight=weights, **settings)
    theirs.fit(TABLE, y, sample_weight=np.array([3.0, 1.0, 0.5])[CLASSES], **settings)
    assert_same(ours, theirs)


@pytest.mark.parametrize("weights", [
    {"a": 1.0}, {0: np.nan}, {0: np.inf}, {0: -1.0}, {0: "1"}, {True: 1.0}, {0.5: 1.0}, {None: 1.0},
])  # fmt: skip
def test_bad_class_weights_are_refused(weights):
    model = make(dense, 0)
    with pytest.raises(ValueError, match="`class_weight` must map class numbers to finite weights"):
        fit_many([model], TABLE, CLASSES, class_weight=weights, verbose=0)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("y", [
    RNG.integers(0, 3, (ROWS, 6, 6)), RNG.integers(0, 3, (ROWS, 4)),
    RNG.integers(0, 2, (ROWS, 3, 1)),
    np.ones((ROWS, 3), "float32"), np.full(ROWS, 0.5, "float32"), np.full(ROWS, np.nan, "float32"),
])  # fmt: skip
def test_class_weight_needs_a_class_a_row(y):
    model = make(dense, 0)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`class_weight` needs .*`sample_weight`"):
        fit_many([model], TABLE, y, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


class Squared(keras.losses.Loss):
    def call(self, y, p):
        return keras.ops.square(y - p)


class Aligned(keras.losses.Loss):
    def call(self, y, p):
        return keras.ops.square(keras.ops.reshape(y, (-1, 1)) - keras.ops.reshape(p, (-1, 1)))


def flat_model(loss, built=True):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,))] * built + [L.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return model


@pytest.mark.any_backend
@pytest.mark.parametrize("built", [True, False])
def test_a_loss_that_would_broadcast_is_refused(built):
    y = TABLE.sum(1)
    with pytest.raises(ValueError, match=r"Squared, which would broadcast it.*Pass y\[:, None\]"):
        fit_many([flat_model(Squared(), built)], TABLE, y, verbose=0)
    fit_many([flat_model(Squared(), built)], TABLE, y[:, None], verbose=0)


@pytest.mark.parametrize("loss", [
    "mse", keras.losses.MeanSquaredError(), lambda y, p: keras.ops.mean(keras.ops.square(y - p)),
    Aligned(),
])  # fmt: skip
def test_losses_that_align_are_taken_as_they_are(loss):
    flat, column = flat_model(loss), flat_model(loss)
    y = TABLE.sum(1)
    fit_many([flat], TABLE, y, epochs=3, shuffle=False, verbose=0)
    fit_many([column], TABLE, y[:, None], epochs=3, shuffle=False, verbose=0)
    assert_same(flat, column)


@pytest.mark.any_backend
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["x", "y", "sample_weight"])
def test_what_is_not_finite_is_said_and_trained_as_fit_does(part, value):
    data = {"x": TABLE.copy(), "y": TABLE[:, :3].copy(), "sample_weight": np.ones(ROWS, "float32")}
    data[part][5] = value
    ours, theirs = (make(dense, 0, loss="mse", metrics=()) for _ in range(2))
    theirs.run_eagerly = EAGER
    with pytest.warns(UserWarning, match=rf"`{part}` holds NaN or infinity in 1 of {ROWS} rows, "
                                         r"first in row 5"):  # fmt: skip
        fit_many([ours], **data, shuffle=False, verbose=0)
    theirs.fit(data["x"], data["y"], sample_weight=data["sample_weight"], shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


@pytest.mark.parametrize("settings", [
    {"epochs": np.int64(2)}, {"batch_size": np.int32(8)}, {"seed": np.uint8(3)},
    {"seed": [np.int64(4)]}, {"shuffle": np.bool_(False)},
])  # fmt: skip
def test_numbers_of_numpy_are_numbers(settings):
    [history] = fit_many([make(dense, 0)], TABLE, CLASSES, verbose=0, **settings)
    assert len(history.epoch) == settings.get("epochs", 1)


@pytest.mark.parametrize("name, value", [
    ("epochs", "3"), ("epochs", True), ("epochs", 2.0), ("epochs", None), ("batch_size", "8"),
    ("batch_size", True), ("seed", True), ("seed", "1"), ("seed", [True]), ("seed", 1.0),
    ("shuffle", "no"), ("shuffle", 1),
])  # fmt: skip
def test_what_is_no_number_is_refused_as_it_was_given(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be") as error:
        fit_many([make(dense, 0)], TABLE, CLASSES, verbose=0, **{name: value})
    assert f"{name}={value!r}" in str(error.value)
