"""Mixup: blends of two rows and of their labels, in equal shares, for every kind of label."""

import keras
import numpy as np
import pytest
from keras import ops

from coursekit.augmentation import mixup

ON_JAX = keras.backend.backend() == "jax"
IMAGES = np.random.default_rng(0).normal(size=(6, 5, 5, 2)).astype("float32")
LABELS = np.array([0, 1, 2, 3, 4, 5])
MASKS = np.random.default_rng(1).integers(3, size=(6, 5, 5))


def shares(mixed, rows):
    """Return (share, partner) of each row: the blend of two rows that explains it."""
    found = []
    flat, rows = mixed.reshape(len(mixed), -1), rows.reshape(len(rows), -1).astype("float64")
    for k, row in enumerate(flat):
        if np.allclose(row, rows[k], atol=1e-6):  # its own partner
            found.append((1.0, k))
            continue
        fits = []
        for partner in set(range(len(rows))) - {k}:
            step = rows[k] - rows[partner]
            share = float((row - rows[partner]) @ step / (step @ step))
            blend = share * rows[k] + (1 - share) * rows[partner]
            fits.append((np.abs(blend - row).max(), share, partner))
        error, share, partner = min(fits)
        assert error < 1e-5
        found.append((share, partner))
    return found


@pytest.mark.any_backend
@pytest.mark.parametrize("column", [False, True])
def test_integer_labels(column):
    labels = LABELS[:, None] if column else LABELS
    x, y = mixup(IMAGES, labels, seed=3, alpha=5.0, num_classes=7)
    assert x.shape == IMAGES.shape and y.shape == (6, 7)
    assert isinstance(x, np.ndarray) and x.dtype == y.dtype == "float32"
    partners = set()
    for k, (share, partner) in enumerate(shares(x, IMAGES)):
        wanted = share * np.eye(7)[k] + (1 - share) * np.eye(7)[partner]
        np.testing.assert_allclose(y[k], wanted, atol=1e-5)
        assert -1e-6 <= share <= 1 + 1e-6
        partners.add(partner)
    assert partners == set(range(6))  # a permutation
    assert len({round(share, 3) for share, _ in shares(x, IMAGES)}) > 3  # one share a row


@pytest.mark.any_backend
@pytest.mark.parametrize("channel", [False, True])
def test_integer_masks(channel):
    masks = MASKS[..., None] if channel else MASKS
    x, y = mixup(IMAGES, masks, seed=3, alpha=5.0, num_classes=3)
    assert y.shape == (6, 5, 5, 3)
    hot = np.eye(3)[MASKS]
    for k, (share, partner) in enumerate(shares(x, IMAGES)):
        np.testing.assert_allclose(y[k], share * hot[k] + (1 - share) * hot[partner], atol=1e-5)


@pytest.mark.any_backend
def test_float_labels_are_blended_as_they_are():
    soft = np.random.default_rng(2).normal(size=(6, 3))
    x, y = mixup(IMAGES, soft, seed=5, alpha=0.5)
    for k, (share, partner) in enumerate(shares(x, IMAGES)):
        np.testing.assert_allclose(y[k], share * soft[k] + (1 - share) * soft[partner], atol=1e-4)


@pytest.mark.any_backend
def test_pixels_as_integers_become_floats():
    pixels = np.full((4, 2, 2), 255, "uint8")
    x, _ = mixup(pixels, np.arange(4), seed=0, num_classes=4)
    assert x.dtype == "float32" and np.allclose(x, 255)


@pytest.mark.any_backend
def test_alpha_says_how_much():
    rows = np.eye(400, dtype="float32")
    few, many = (mixup(rows, rows, seed=0, alpha=alpha)[0] for alpha in (0.05, 5.0))
    assert np.isfinite(few).all()
    own = [np.diag(x) for x in (few, many)]
    assert np.mean(np.minimum(own[0], 1 - own[0])) < 0.05
    assert np.mean(np.minimum(own[1], 1 - own[1])) > 0.35


@pytest.mark.any_backend
def test_seeds():
    def mixed(seed):
        return mixup(IMAGES, LABELS, seed, num_classes=6)[0]

    assert (mixed(1) == mixed(1)).all() and (mixed(1) != mixed(2)).any()
    generator = keras.random.SeedGenerator(1)
    first, second = mixed(generator), mixed(generator)
    assert (first != second).any()
    again = keras.random.SeedGenerator(1)
    assert (mixed(again) == first).all() and (mixed(again) == second).all()


@pytest.mark.any_backend
def test_tensors_stay_tensors():
    tensors = ops.convert_to_tensor(IMAGES), ops.convert_to_tensor(LABELS)
    x, y = mixup(*tensors, seed=1, num_classes=6)
    assert ops.is_tensor(x) and ops.is_tensor(y)
    same_x, same_y = mixup(IMAGES, LABELS, seed=1, num_classes=6)
    np.testing.assert_array_equal(ops.convert_to_numpy(x), same_x)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), same_y)


@pytest.mark.skipif(ON_JAX, reason="tf.data needs the TensorFlow backend")
def test_in_a_dataset_every_batch_draws_anew():
    import tensorflow as tf

    rows = np.concatenate([IMAGES[:4], IMAGES[:4], IMAGES[:2]])
    data = tf.data.Dataset.from_tensor_slices((rows, np.tile(np.arange(4), 3)[:10])).batch(4)

    def epoch():
        generator = keras.random.SeedGenerator(0)
        mapped = data.map(lambda x, y: mixup(x, y, generator, alpha=1.0, num_classes=4))
        return [x.numpy() for x, _ in mapped]

    one, two = epoch(), epoch()
    assert [len(x) for x in one] == [4, 4, 2]
    assert (one[0] != one[1]).any()
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


@pytest.mark.skipif(not ON_JAX, reason="the other backend")
@pytest.mark.any_backend
def test_another_frameworks_tensor_is_refused():
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="on the TensorFlow backend only"):
        mixup(tf.ones((2, 2)), tf.constant([0, 1]), seed=0, num_classes=2)


def test_keras_mixup_fails_on_both():
    """The defect that this cures. Once Keras passes here, say so in the docstring."""
    layer = keras.layers.MixUp(alpha=0.5, seed=0)
    with pytest.raises(Exception, match=r"(?i)type|dtype|convert"):
        layer({"images": ops.convert_to_tensor(IMAGES), "labels": ops.convert_to_tensor(LABELS)})
    masks = ops.convert_to_tensor(MASKS[..., None].astype("float32"))
    mixed = layer({"images": ops.convert_to_tensor(IMAGES), "segmentation_masks": masks})
    assert tuple(mixed["segmentation_masks"].shape) != tuple(masks.shape)


@pytest.mark.any_backend
@pytest.mark.parametrize("seed", range(5))
def test_a_share_says_nothing_of_the_partner(seed):
    """Two seeds of one integer: drawn from one, partner and share would move together."""
    from coursekit.augmentation._arrays import draws

    for_partner, for_share = draws(seed, 2)
    assert for_partner != for_share
    _, partners = zip(*shares(mixup(IMAGES, LABELS, seed, 5.0, 6)[0], IMAGES), strict=True)
    alone = keras.random.shuffle(ops.arange(6), seed=for_partner)
    assert list(partners) == ops.convert_to_numpy(alone).tolist()
    mixed, _ = mixup(np.eye(400), np.eye(400), seed, alpha=1.0)
    drawn = keras.random.beta((400,), 1.0, 1.0, seed=for_share)
    off = np.arange(400)[np.diag(mixed) < 1]
    np.testing.assert_allclose(np.diag(mixed)[off], ops.convert_to_numpy(drawn)[off], atol=1e-5)


@pytest.mark.any_backend
@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "bool"])
def test_few_rows_of_every_kind(rows, dtype):
    x, y = mixup(np.ones((rows, 2), dtype), np.zeros(rows, int), seed=0, num_classes=2)
    assert x.shape == (rows, 2) and y.shape == (rows, 2)
    np.testing.assert_allclose(x, 1.0, rtol=1e-3)


@pytest.mark.any_backend
def test_nan_stays_in_the_rows_that_have_a_part_of_it():
    broken = IMAGES.copy()
    broken[2] = np.nan
    x, _ = mixup(broken, LABELS, seed=3, alpha=5.0, num_classes=6)
    clean = shares(mixup(IMAGES, LABELS, seed=3, alpha=5.0, num_classes=6)[0], IMAGES)
    touched = [k == 2 or partner == 2 for k, (_, partner) in enumerate(clean)]
    np.testing.assert_array_equal(np.isnan(x).all((1, 2, 3)), touched)


REFUSED = {
    "infinite": ({"alpha": np.inf, "num_classes": 6}, LABELS, "alpha=inf"),
    "nan": ({"alpha": np.nan, "num_classes": 6}, LABELS, "alpha=nan"),
    "true": ({"alpha": True, "num_classes": 6}, LABELS, "alpha=True"),
    "huge": ({"alpha": 1e30, "num_classes": 6}, LABELS, "alpha=1e\\+30"),
    "half_a_class": ({"num_classes": 6.0}, LABELS, "num_classes=6.0"),
    "text": ({"num_classes": 6}, LABELS.astype(str), "must be real numbers. Received: dtype='str"),
    "true_seed": ({"num_classes": 6, "seed": True}, LABELS, "seed=True"),
    "no_batch": ({}, np.float32(0.5), "must have a batch axis"),
    "alpha": ({"alpha": 0.04}, LABELS, "alpha=0.04"),
    "no_classes": ({}, LABELS, "Integer labels need `num_classes`"),
    "classes_of_floats": ({"num_classes": 6}, LABELS / 2, "float labels take none"),
    "range": ({"num_classes": 5}, LABELS, "labels from 0 to 5"),
    "below": ({"num_classes": 5}, LABELS - 1, "labels from -1 to 4"),
    "rows": ({"num_classes": 6}, LABELS[:5], "same number of rows"),
    "seed": ({"num_classes": 6, "seed": None}, LABELS, "seed=None"),
    "negative_seed": ({"num_classes": 6, "seed": -1}, LABELS, "seed=-1"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("options, labels, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused(options, labels, words):
    with pytest.raises(ValueError, match=words):
        mixup(IMAGES, labels, **{"seed": 0, **options})
