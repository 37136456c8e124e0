"""Laws that hold for any batch: gradients, signs, scales, shifts, order of pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES
from running import JAX, array, values_and_gradient

from coursekit import losses

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
a_few = settings(max_examples=3, deadline=None, derandomize=True, database=None)
more = settings(a_few, max_examples=8)
seeds = st.integers(0, 10**6)


@pytest.mark.skipif(JAX, reason="JAX has no float64 unless asked for it")
@each
@given(seed=seeds)
@a_few
def test_gradient_against_finite_differences(case, seed):
    y_true, y_pred = case.batch(seed, rows=6, dtype="float64")
    direction = np.random.default_rng(seed).normal(size=y_pred.shape)
    weights = np.random.default_rng(seed + 1).normal(size=case.expected(y_true, y_pred).shape)

    def weighted(labels, predictions):
        return case.values(labels, predictions) * weights

    _, gradient = values_and_gradient(weighted, y_true, y_pred)
    step = 1e-6 * direction
    rise = array(weighted(y_true, y_pred + step)) - array(weighted(y_true, y_pred - step))
    np.testing.assert_allclose(
        (array(gradient) * direction).sum(), rise.sum() / 2e-6, rtol=1e-4, atol=1e-6
    )


@each
@given(seed=seeds, rows=st.integers(1, 6), scale=st.floats(0, 30))
@a_few
def test_no_value_is_negative_or_infinite(case, seed, rows, scale):
    y_true, y_pred = case.batch(seed, rows)
    if case.config.get("from_logits"):
        y_pred = y_pred * np.float32(scale)
    values = array(case.values(y_true, y_pred))
    assert np.isfinite(values).all()
    if case.non_negative:
        assert values.min(initial=0) >= 0


@pytest.mark.slow
@given(seed=seeds, shift=st.floats(-50, 50))
@more
def test_equal_logits_more_change_nothing(seed, shift):
    for case in CASES:
        if not case.config.get("from_logits") or case.labels == "mask":
            continue
        y_true, y_pred = case.batch(seed, rows=3)
        shifted = array(case.values(y_true, y_pred + np.float32(shift)))
        np.testing.assert_allclose(
            shifted, array(case.values(y_true, y_pred)), rtol=1e-4, atol=2e-5, err_msg=case.name
        )


@given(seed=seeds, factor=st.floats(0.1, 10))
@more
def test_weights_scale_the_loss(seed, factor):
    rng = np.random.default_rng(seed)
    y, z = rng.integers(0, 3, 5), rng.normal(size=(5, 3)).astype("float32")
    focal = losses.sparse_categorical_focal_crossentropy
    once, more_often = (
        array(focal(y, z, alpha=k, gamma=1.5, from_logits=True)) for k in (0.25, 0.25 * factor)
    )
    np.testing.assert_allclose(more_often, factor * once, rtol=1e-5)
    hinge = losses.crammer_singer_hinge
    scaled = array(hinge(y, np.float32(factor) * z, margin=factor))
    np.testing.assert_allclose(scaled, factor * array(hinge(y, z)), rtol=1e-4, atol=1e-5)
    masks, p = rng.integers(0, 2, (2, 6)), rng.random((2, 6, 1)).astype("float32")
    prices = {"fp_weight": 0.3, "fn_weight": 0.7}
    one = array(losses.focal_tversky(masks, p, **prices, exponent=1.0))
    power = array(losses.focal_tversky(masks, p, **prices, exponent=factor))
    np.testing.assert_allclose(power, one**factor, rtol=1e-4)


@given(seed=seeds)
@more
def test_masks_ignore_the_order_and_the_size_of_pixels(seed):
    rng = np.random.default_rng(seed)
    y, z = rng.integers(0, 3, (2, 10)), rng.normal(size=(2, 10, 3)).astype("float32")
    order = rng.permutation(10)
    for name in ("crossentropy_dice", "focal_tversky", "lovasz_softmax"):
        loss = getattr(losses, name)
        whole = array(loss(y, z, from_logits=True))
        permuted = array(loss(y[:, order], z[:, order], from_logits=True))
        np.testing.assert_allclose(permuted, whole, rtol=1e-5, err_msg=name)
        finer = {} if name == "lovasz_softmax" else {"smooth": 2.0}  # smooth counts pixels
        doubled = loss(np.repeat(y, 2, 1), np.repeat(z, 2, 1), from_logits=True, **finer)
        np.testing.assert_allclose(array(doubled), whole, rtol=1e-5, err_msg=name)
