"""Metric learning beyond the contract: other definitions, degenerate batches, symmetries."""

import keras
import numpy as np
import pytest
from cases_metric_learning import triplet_loop
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from running import JAX, array, compiled, values_and_gradient

from coursekit.losses import (
    InfoNCE,
    SupervisedContrastive,
    TripletLoss,
    euclidean_distance,
    info_nce,
    pair_contrastive,
    supervised_contrastive,
    triplet_loss,
)

pytestmark = pytest.mark.any_backend
repeatable = settings(max_examples=5, derandomize=True, deadline=None)
seeds = st.integers(0, 10**6)

MINING = [(p, n) for p in ("all", "hard") for n in ("all", "hard", "semi_hard")]
TRIPLETS = [
    {"positives": p, "negatives": n, "distance": d}
    for p, n in MINING
    for d in ("squared", "euclidean", "cosine")
]


def batch(seed=0, rows=12, classes=3, features=4):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, rows), rng.normal(size=(rows, features)).astype("float32")


def squares(x):
    x = np.asarray(x, "float64")
    return ((x[:, None] - x[None]) ** 2).sum(-1)


def on_circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")


# What others compute -----------------------------------------------------------------------------


def test_one_triplet_by_hand():
    x = np.array([[0.0], [0.5**0.5], [-(0.6**0.5)]], "float32")  # d2(a, p) = 0.5, d2(a, n) = 0.6
    for negatives in ("all", "hard", "semi_hard"):
        values = triplet_loss([0, 0, 1], x, margin=0.2, negatives=negatives)
        np.testing.assert_allclose(array(values)[0], 0.1, rtol=1e-5)


def test_semi_hard_is_that_of_tensorflow_addons():
    """Its definition: the mean over all positive pairs; ours, over anchors, is equal for classes
    of one size. Without any positive theirs is 0 / 0."""
    _, x = batch(rows=12)
    y, d = np.repeat([0, 1, 2, 3], 3), squares(x)
    costs = []
    for i in range(12):
        far = np.sort(d[i][y != y[i]])
        for j in range(12):
            if i != j and y[i] == y[j]:
                chosen = next((f for f in far if f > d[i, j]), far[-1])
                costs.append(max(d[i, j] - chosen + 1.0, 0.0))
    np.testing.assert_allclose(float(TripletLoss(margin=1.0)(y, x)), np.mean(costs), rtol=1e-5)


def test_batch_hard_is_that_of_tensorflow_addons_except_for_lonely_anchors():
    """There an anchor without a positive takes itself for one, at distance 0; here it costs 0."""
    _, x = batch(rows=9)
    y, d = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3]), squares(x)
    alike, itself = y[:, None] == y, np.eye(9, dtype=bool)
    hardest = np.where(alike & ~itself, d, 0).max(1) - np.where(alike, np.inf, d).min(1)
    theirs = np.maximum(hardest + 4.0, 0)
    assert theirs[8] > 0
    ours = array(triplet_loss(y, x, margin=4.0, positives="hard", negatives="hard"))
    np.testing.assert_allclose(ours[:8], theirs[:8], rtol=1e-5)
    assert ours[8] == 0.0


def test_values_of_pytorch_metric_learning():
    """Computed with its version 2.9, in float64: examples of its own tests."""
    x, y = on_circle(0, 20, 40, 60, 80), np.array([0, 0, 1, 1, 2])
    kwargs = {"margin": 0.2, "distance": "euclidean", "negatives": "all"}
    values = array(triplet_loss(y, x, **kwargs))  # it averages over the 12 triplets, 3 an anchor
    np.testing.assert_allclose(values.sum() / 4, 0.05, rtol=1e-5)
    values = array(triplet_loss(y, x, margin=0.2, positives="hard", negatives="hard"))
    np.testing.assert_allclose(values.sum() / 4, 0.15, rtol=1e-5)

    x, y = on_circle(0, 10, 20, 50, 60, 80), np.array([0, 0, 0, 1, 1, 2])
    values = array(supervised_contrastive(y, x, temperature=0.1))
    np.testing.assert_allclose(values.sum() / 5, 0.7200604450816726, rtol=1e-5)  # 5 have positives

    grid = np.linspace(0, 3, 12).reshape(6, 2)
    views = np.concatenate([np.sin(7 * grid), np.cos(5 * grid)]).astype("float32")
    simclr = SupervisedContrastive(temperature=0.1)(np.tile(np.arange(6), 2), views)
    np.testing.assert_allclose(float(simclr), 10.188605087684564, rtol=1e-5)


def test_info_nce_is_crossentropy_with_the_diagonal_as_labels():
    x = batch(rows=6)[1].reshape(6, 2, 2)
    q, k = (x[:, half] / np.linalg.norm(x[:, half], axis=-1, keepdims=True) for half in (0, 1))
    cce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    one_way = float(cce(np.arange(6), q @ k.T / 0.3))
    other_way = float(cce(np.arange(6), k @ q.T / 0.3))
    loss = InfoNCE(temperature=0.3, symmetric=False)
    np.testing.assert_allclose(float(loss(np.arange(6), x)), one_way, rtol=1e-5)
    loss = InfoNCE(temperature=0.3)
    np.testing.assert_allclose(float(loss(np.arange(6), x)), (one_way + other_way) / 2, rtol=1e-5)


@pytest.mark.parametrize("distance", ["squared", "euclidean"])
def test_with_a_large_margin_the_mean_over_all_triplets_is_a_difference_of_means(distance):
    y, x = np.repeat([0, 1, 2], 4), batch()[1]
    d = squares(x) if distance == "squared" else squares(x) ** 0.5
    alike, itself = y[:, None] == y, np.eye(12, dtype=bool)
    wanted = d[alike & ~itself].mean() - d[~alike].mean() + 50
    loss = TripletLoss(margin=50.0, negatives="all", distance=distance)
    np.testing.assert_allclose(float(loss(y, x)), wanted, rtol=1e-6)


def test_harder_negatives_cost_more():
    y, x = batch(rows=30)
    hard, semi_hard = (
        array(triplet_loss(y, x, margin=0.5, negatives=n)) for n in ("hard", "semi_hard")
    )
    assert (hard >= semi_hard - 1e-6).all() and hard.mean() > semi_hard.mean() + 0.1
    everything = array(triplet_loss(y, x, margin=0.5, negatives="all"))
    assert (hard >= everything - 1e-6).all() and hard.mean() > everything.mean() + 0.1


# Degenerate batches ------------------------------------------------------------------------------


@pytest.mark.parametrize("config", TRIPLETS, ids=lambda c: " ".join(c.values()))
def test_collapsed_embeddings_cost_the_margin_and_lonely_anchors_nothing(config):
    y = np.array([0, 0, 1, 1, 2])
    x = np.tile(np.array([[0.3, -0.7, 1.9]], "float32"), (5, 1))
    values, gradient = values_and_gradient(
        lambda y, x: triplet_loss(y, x, margin=0.25, **config), y, x
    )
    np.testing.assert_allclose(array(values), [0.25] * 4 + [0.0], atol=1e-6)
    assert np.isfinite(array(gradient)).all()
    only = triplet_loss(np.zeros(5, int), x, margin=0.25, **config)
    np.testing.assert_array_equal(array(only), np.zeros(5))


@pytest.mark.parametrize("config", TRIPLETS, ids=lambda c: " ".join(c.values()))
def test_duplicates_have_distance_zero(config):
    """Exactly 0 for "euclidean": the root of a rounding error would be 1e-3 instead of 1e-6."""
    y, x = np.tile([0, 1, 2, 3, 4], 2), np.tile(batch(rows=5, features=64)[1] / 4, (2, 1))
    values, gradient = values_and_gradient(
        lambda y, x: triplet_loss(y, x, margin=20.0, **config), y, x
    )
    wanted = triplet_loop(y, x.astype("float64"), margin=20.0, **config)
    np.testing.assert_allclose(array(values), wanted, rtol=2e-6, atol=2e-5)
    assert np.isfinite(array(gradient)).all()


@pytest.mark.parametrize("norm", [1e-4, 1.0, 1e4, 1e6])
def test_embeddings_of_any_size(norm):
    y, x = batch(rows=16)
    x = (norm * x).astype("float32")
    for config in TRIPLETS:
        values, gradient = values_and_gradient(lambda y, x, c=config: triplet_loss(y, x, **c), y, x)
        assert np.isfinite(array(values)).all() and np.isfinite(array(gradient)).all(), config
    angles = array(supervised_contrastive(y, x))
    np.testing.assert_allclose(angles, array(supervised_contrastive(y, x / norm)), rtol=1e-4)


def test_embeddings_far_from_the_origin_do_not_cancel():
    y, x = batch(rows=16)
    x = np.round(64 * x) / 64  # so that x + 4096 is exact in float32
    for distance in ("squared", "euclidean"):
        near, far = (
            array(triplet_loss(y, shifted.astype("float32"), distance=distance))
            for shifted in (x, x + 4096)
        )
        np.testing.assert_allclose(far, near, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_thousand_embeddings_in_every_mining():
    """Most of them duplicates, several zero: no NaN, and no batch ** 3 numbers in memory."""
    y, x = batch(rows=1024, classes=20, features=8)
    x = np.round(x)
    for positives, negatives in MINING:
        values, gradient = values_and_gradient(
            lambda y, x, p=positives, n=negatives: triplet_loss(
                y, x, positives=p, negatives=n, distance="euclidean"
            ),
            y,
            x,
        )
        assert np.isfinite(array(values)).all() and np.isfinite(array(gradient)).all()


def test_pairs_with_one_identity_are_no_negatives():
    x = batch(rows=8)[1].reshape(8, 2, 2)
    values, gradient = values_and_gradient(info_nce, np.zeros(8, int), x)
    np.testing.assert_array_equal(array(values), np.zeros(8))
    np.testing.assert_array_equal(array(gradient), np.zeros((8, 2, 2)))
    twice = array(info_nce([0, 0, 1], x[:3], symmetric=False))
    alone = array(info_nce([0, 1], x[[0, 2]], symmetric=False))
    np.testing.assert_allclose(twice[0], alone[0], rtol=1e-5)


def test_the_distance_of_equal_embeddings_has_a_gradient():
    x = np.array([[1.0, 2.0], [0.0, 3.0]], "float32")
    other = np.array([[1.0, 2.0], [4.0, 0.0]], "float32")
    values, gradient = values_and_gradient(
        lambda _, x: pair_contrastive([0, 0], euclidean_distance(x, other), margin=6.0), None, x
    )
    np.testing.assert_allclose(array(values), [36.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(array(gradient), [[0.0, 0.0], [1.6, -1.2]], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(JAX, reason="the norm of Keras on TensorFlow")
def test_the_norm_of_keras_still_has_a_nan_gradient_at_zero():
    """If this fails, `euclidean_distance` can be `keras.ops.norm(a - b, axis=-1)`."""
    _, gradient = values_and_gradient(
        lambda _, x: ops.norm(x, axis=-1), None, np.zeros((1, 2), "float32")
    )
    assert np.isnan(array(gradient)).all()


def test_labels_of_a_dissimilar_pair():
    d = np.array([0.3, 0.3, 0.3], "float32")
    for label in (0, -1, False):
        np.testing.assert_allclose(array(pair_contrastive([label] * 3, d)), 0.49, rtol=1e-6)
    column = pair_contrastive(np.array([1, 0, 1]), d[:, None])
    np.testing.assert_allclose(array(column), [0.09, 0.49, 0.09], rtol=1e-6)


# Symmetries --------------------------------------------------------------------------------------

BATCH_LOSSES = [(triplet_loss, config) for config in TRIPLETS] + [(supervised_contrastive, {})]
each = pytest.mark.parametrize(
    "loss, config", BATCH_LOSSES, ids=lambda v: " ".join(v.values()) if isinstance(v, dict) else ""
)


def rotation(seed, features):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(features, features)))[0]


@each
def test_order_names_and_rotation_do_not_matter(loss, config):
    @repeatable
    @given(seed=seeds)
    def check(seed):
        y, x = batch(seed)
        values = array(loss(y, x, **config))
        order = np.random.default_rng(seed).permutation(len(y))
        close = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(
            array(loss(y[order], x[order], **config)), values[order], **close
        )
        np.testing.assert_allclose(array(loss(7 - 3 * y, x, **config)), values, **close)
        turned = (x @ rotation(seed, 4)).astype("float32")
        np.testing.assert_allclose(array(loss(y, turned, **config)), values, **close)

    check()


@pytest.mark.parametrize("positives, negatives", MINING)
@repeatable
@given(seed=seeds, scale=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling(positives, negatives, seed, scale):
    y, x = batch(seed)
    mining = {"positives": positives, "negatives": negatives}
    for distance, power in (("squared", 2), ("euclidean", 1), ("cosine", 0)):
        margins = 0.5, 0.5 * scale**power
        small, large = (
            array(triplet_loss(y, factor * x, margin=m, distance=distance, **mining))
            for factor, m in zip((1, scale), margins, strict=True)
        )
        np.testing.assert_allclose(large, scale**power * small, rtol=1e-4, atol=1e-5)


@repeatable
@given(seed=seeds)
def test_losses_of_angles_do_not_depend_on_lengths(seed):
    y, x = batch(seed)
    longer = x * np.random.default_rng(seed).uniform(0.1, 10.0, (12, 1)).astype("float32")
    for loss in (
        supervised_contrastive,
        lambda y, x: triplet_loss(y, x, distance="cosine"),
        lambda y, x: info_nce(y[:6], x.reshape(6, 2, 4)),
    ):
        close = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(array(loss(y, longer)), array(loss(y, x)), **close)


# In use ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("negatives", ["semi_hard", "all"])
def test_compiled_gradients_are_the_eager_ones(negatives):
    y, x = batch(rows=16)

    def loss(y, x):
        return triplet_loss(y, x, negatives=negatives)

    def gradient(x):
        return values_and_gradient(loss, y, x)[1]

    np.testing.assert_allclose(
        array(compiled(gradient)(ops.array(x))), array(gradient(x)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda y, x: triplet_loss(y, x[:, :, None]), r"shape=\(12, 4, 1\)"),
        (lambda y, x: triplet_loss(np.eye(3)[y], x), r"shape=\(12, 3\)"),
        (lambda y, x: supervised_contrastive(np.eye(3)[y], x), "argmax"),
        (lambda y, x: info_nce(y, x), r"a query and a key.*shape=\(12, 4\)"),
        (lambda y, x: info_nce(y, x.reshape(12, 4, 1)), r"shape=\(12, 4, 1\)"),
        (lambda y, x: pair_contrastive(y, x), "euclidean_distance"),
        (lambda y, x: TripletLoss(margin=None, negatives="all"), "Use positives="),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match="Received: ") as error:
        call(*batch())
    assert error.match(said)


# Where one line decides --------------------------------------------------------------------------


@pytest.mark.parametrize("distance", ["squared", "euclidean", "cosine"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0]])
def test_a_negative_as_near_as_the_positive_is_not_semi_hard(distance, order):
    """It is not farther: the next one is, and that is far enough."""
    x = on_circle(0, 60, -60, 180) if distance == "cosine" else np.array([[0.0], [1], [-1], [4]])
    labels, order = np.array([0, 0, 1, 1]), np.array(order)
    values = array(triplet_loss(labels[order], x[order].astype("float32"), distance=distance))
    assert values[list(order).index(0)] == 0


def test_all_triplets_of_rows_that_are_all_far_apart_do_not_cancel():
    """Every distance is 2 ** 21, so each loss is the margin; their sum would round by more."""
    x = 1024 * np.eye(64, dtype="float32")
    values = triplet_loss(np.tile(np.arange(8), 8), x, margin=50.25, negatives="all")
    np.testing.assert_allclose(array(values), np.full(64, 50.25), rtol=1e-6)
