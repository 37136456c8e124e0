"""Masks of Keras (`mask_zero`, `Masking`): what they mask counts as little as `ignore_class`."""

import keras
import numpy as np
import pytest
from keras.src.backend import set_keras_mask
from running import JAX

from coursekit import losses

JIT = "auto" if JAX else False  # XLA takes a second for each
pytestmark = pytest.mark.any_backend
SHAPES = [(4, 6), (5, 5), (7, 6), (1, 3), (3, 1)]
PER_SEQUENCE = [losses.CrossentropyDice, losses.FocalTversky, losses.LovaszSoftmax]
PER_LABEL = [
    lambda **more: losses.SparseCategoricalFocalCrossentropy(from_logits=True, **more),
    lambda **more: losses.LabelSmoothedCrossentropy(from_logits=True, **more),
    lambda **more: losses.ClassBalancedCrossentropy([3, 2, 1], from_logits=True, **more),
    lambda **more: losses.CrammerSingerHinge(**more),
]
ALL = [*PER_LABEL, *(lambda c=c, **more: c(from_logits=True, **more) for c in PER_SEQUENCE)]


def sentences(rows, steps):
    rng = np.random.default_rng(rows)
    ids = rng.integers(1, 9, (rows, steps))
    for i in range(rows):
        ids[i, rng.integers(1, steps + 1) :] = 0  # some have no padding
    return ids, rng.integers(0, 3, (rows, steps))


def tagger(masking="embedding", activation=None):
    keras.utils.set_random_seed(0)
    words = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(10, 8, mask_zero=masking == "embedding")(words)
    if masking == "layer":
        known = keras.ops.cast(keras.ops.not_equal(words, 0), "float32")
        vectors = keras.layers.Masking()(vectors * known[..., None])
    states = keras.layers.LSTM(8, return_sequences=True)(vectors)
    return keras.Model(words, keras.layers.Dense(3, activation=activation)(states))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rows, steps, masking", [*((*shape, "embedding") for shape in SHAPES), (5, 5, "layer")]
)
def test_a_tagger_costs_what_ignore_class_says(rows, steps, masking):
    ids, y = sentences(rows, steps)
    model = tagger(masking)
    p = model.predict(ids, verbose=0)
    for make in ALL:
        wanted = float(make(ignore_class=-1)(np.where(ids != 0, y, -1), p))
        for more in ({}, {"ignore_class": 7}) if masking == "layer" else ({},):
            model.compile("sgd", make(**more), jit_compile=JIT)
            got = model.evaluate(ids, y, batch_size=rows, verbose=0)
            assert got == pytest.approx(wanted, rel=1e-5), (make().name, more)


@pytest.mark.slow
def test_a_ragged_last_batch_trains():
    ids, y = sentences(7, 4)
    for make in ALL:
        model = tagger()
        model.compile("sgd", make(), jit_compile=JIT)
        history = model.fit(ids, y, batch_size=4, verbose=0, shuffle=False).history
        assert np.isfinite(history["loss"][0]), make().name


def masked(values, mask):
    values = keras.ops.convert_to_tensor(values)
    set_keras_mask(values, keras.ops.convert_to_tensor(mask))
    return values


@pytest.mark.parametrize("cls", PER_SEQUENCE)
def test_labels_of_every_kind_under_a_mask(cls):
    rng = np.random.default_rng(0)
    mask = rng.random((4, 6)) < 0.6
    y, z = rng.integers(0, 2, (4, 6)), rng.normal(size=(4, 6, 3)).astype("float32")
    ignoring = cls(from_logits=True, ignore_class=255)
    wanted = float(ignoring(np.where(mask, y, 255), z))
    for dtype in ("uint8", "int32", "int64", "float32"):
        for labels in (y, y[..., None]):
            got = cls(from_logits=True)(labels.astype(dtype), masked(z, mask))
            assert float(got) == pytest.approx(wanted, rel=1e-6), dtype
    one = z[..., :1]
    wanted = float(ignoring(np.where(mask, y, 255), one))
    for labels in (y, y[..., None]):
        got = float(cls(from_logits=True)(labels, masked(one, mask)))
        assert got == pytest.approx(wanted, rel=1e-6)
    many = rng.integers(0, 2, (4, 6, 3))
    ignoring = cls(from_logits=True, ignore_class=255, multilabel=True)
    wanted = float(ignoring(np.where(mask[..., None], many, 255), z))
    got = float(cls(from_logits=True, multilabel=True)(many, masked(z, mask)))
    assert got == pytest.approx(wanted, rel=1e-6)


def test_what_is_predicted_at_masked_steps_does_not_matter():
    rng = np.random.default_rng(0)
    mask = rng.random((4, 6)) < 0.6
    y, z = rng.integers(0, 3, (4, 6)), rng.normal(size=(4, 6, 3)).astype("float32")
    for make in ALL:
        wanted = float(make()(y, masked(z, mask)))
        for bad in (np.nan, np.inf, 1e30):
            got = make()(y, masked(np.where(mask[..., None], z, bad).astype("float32"), mask))
            assert float(got) == pytest.approx(wanted, rel=1e-6), make().name


def test_a_mask_of_the_first_axes_counts_for_what_follows():
    """A mask of steps, over pixels of each step; and whole images that are masked."""
    rng = np.random.default_rng(0)
    mask = rng.random((3, 4)) < 0.6
    y, z = rng.integers(0, 3, (3, 4, 5)), rng.normal(size=(3, 4, 5, 3)).astype("float32")
    for make in ALL:
        wanted = float(make(ignore_class=9)(np.where(mask[..., None], y, 9), z))
        got = float(make()(y, masked(z, mask)))
        assert got == pytest.approx(wanted, rel=1e-5), make().name
    images = np.array([True, False, True])
    for cls in PER_SEQUENCE:
        wanted = float(cls(from_logits=True)(y[images], z[images]))
        got = float(cls(from_logits=True)(y, masked(z, images)))
        assert got == pytest.approx(wanted, rel=1e-5)


@losses.per_example
def of_sequences(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred[..., 0]), axis=-1)


NO_PLACE = [
    (losses.SupervisedContrastive(), (5,), (5, 5), (5, 5)),
    (losses.TripletLoss(), (5,), (5, 5), (5, 5)),
    (losses.InfoNCE(), (2,), (2, 2, 4), (2, 2)),
    (losses.PairContrastive(), (4,), (4, 1), (4, 1)),
    (losses.CrossentropyDice(from_logits=True), (4, 6), (4, 6, 3), (4, 4)),
    (losses.FocalTversky(from_logits=True), (4, 6), (4, 6, 3), (4, 6, 3)),
    (losses.LabelSmoothedCrossentropy(from_logits=True, axis=1), (4, 6), (4, 3, 6), (4, 3)),
    (losses.crossentropy_dice, (4, 4), (4, 4, 3), (4, 4)),
    (losses.lovasz_softmax, (5, 5), (5, 5, 3), (5, 5)),
    (losses.supervised_contrastive, (5,), (5, 5), (5, 5)),
    (of_sequences, (5, 5), (5, 5, 3), (5, 5)),
    (of_sequences, (4, 6), (4, 6, 3), (4, 6)),
]


@pytest.mark.parametrize("loss, labels, predictions, mask", NO_PLACE)
def test_a_mask_without_a_place_is_refused(loss, labels, predictions, mask):
    y, p = np.zeros(labels, int), np.full(predictions, 0.3, "float32")
    with pytest.raises(ValueError, match=r"The mask .*Received: mask=.*`ignore_class`"):
        loss(y, masked(p, np.ones(mask, bool)))


@pytest.mark.parametrize("function", [losses.crossentropy_dice, losses.focal_tversky, of_sequences])
def test_a_function_of_sequences_is_refused_in_fit(function):
    ids, y = sentences(5, 5)
    model = tagger(activation="softmax")
    model.compile("sgd", function)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"The mask .*`ignore_class`"):
        model.fit(ids, y, batch_size=5, verbose=0)
    if JAX:  # where Keras gives a model its weights back only after a fit that ends
        return
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
