"""Data that cannot be right: never a plausible number, never an error of the machinery below.

Generated, the same on each run: shapes that do not fit, NaN and infinity anywhere, no rows, one
row, huge and tiny values, every dtype. Each input ends in the right kind of values or in a
ValueError or TypeError.
"""

import importlib
import itertools

import numpy as np
import pytest
from public_calls import CALLS

LABEL_LOSSES = [
    "losses.sparse_categorical_focal_crossentropy",
    "losses.class_balanced_crossentropy",
    "losses.label_smoothed_crossentropy",
    "losses.crammer_singer_hinge",
]
MASK_LOSSES = ["losses.crossentropy_dice", "losses.focal_tversky", "losses.lovasz_softmax"]
EMBEDDINGS = ["losses.supervised_contrastive", "losses.info_nce", "losses.triplet_loss"]
REFUSED = ValueError, TypeError
SIZES = [(), (0,), (1,), (4,), (1, 1), (4, 1), (1, 4), (4, 3), (4, 5), (4, 5, 1), (4, 5, 3),
         (1, 5, 3), (4, 1, 3), (3, 4), (4, 5, 6, 3)]  # fmt: skip


def function_of(name):
    part, last = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"coursekit.{part}"), last)


def settings(name) -> dict:
    given = CALLS[name].right()
    return {k: v for k, v in given.items() if k not in ("y_true", "y_pred", "ignore_class")}


def outcome(name, y_true, y_pred, **more):
    """The values, or None where the input was refused; anything else is a fault."""
    try:
        return np.asarray(function_of(name)(y_true, y_pred, **{**settings(name), **more}))
    except REFUSED as error:
        text = str(error)
        assert len(text) < 1500, "dumps its input"
        return None


@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES)
def test_shapes(name):
    """Labels fit their predictions or are refused: 225 pairs of shapes each."""
    draw = np.random.default_rng(0)
    for labels, predictions in itertools.product(SIZES, SIZES):
        y_pred = draw.normal(size=predictions).astype("float32")
        classes = max(predictions[-1] if predictions else 1, 1)
        y_true = draw.integers(0, classes, size=labels)
        values = outcome(name, y_true, y_pred)
        where = f"labels {labels}, predictions {predictions}"
        if not _fit(labels, predictions):
            assert values is None, f"{where}: {values}"
        elif len(predictions) > 1 and values is not None:
            wanted = predictions[:1] if name in MASK_LOSSES else predictions[:-1]
            assert values.shape == wanted, f"{where}: values of shape {values.shape}"


def _fit(labels, predictions) -> bool:
    """Class numbers, with or without a last axis of one, or one row of classes each."""
    if len(predictions) < 2 or not labels:
        return False
    return labels in (predictions[:-1], (*predictions[:-1], 1), predictions)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES)
def test_one_cell_that_is_not_finite(name, bad):
    """It may spoil the value of its own example, and no other; NaN never becomes a number."""
    right = CALLS[name].right()
    y_true, y_pred = right["y_true"], right["y_pred"]
    clean = outcome(name, y_true, y_pred)
    for cell in itertools.islice(np.ndindex(y_pred.shape), 0, None, 5):
        spoilt = y_pred.copy()
        spoilt[cell] = bad
        values = outcome(name, y_true, spoilt)
        if values is None:
            continue
        example = cell[: values.ndim]
        others = np.ones(values.shape, bool)
        others[example] = False
        np.testing.assert_allclose(values[others], clean[others], rtol=1e-5)
        if np.isnan(bad):
            assert np.isnan(values[example]), f"NaN at {cell} became {values[example]}"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", EMBEDDINGS)
def test_one_embedding_that_is_not_finite(name, bad):
    right = CALLS[name].right()
    for cell in np.ndindex(right["y_pred"].shape):
        spoilt = right["y_pred"].copy()
        spoilt[cell] = bad
        values = outcome(name, right["y_true"], spoilt)
        if values is not None:
            assert not np.isfinite(values[cell[0]]), f"{bad} at {cell} became {values[cell[0]]}"


@pytest.mark.parametrize(
    "label", [np.nan, np.inf, 0.5, 1.9, -1, 3, 255, 2**32, 2**32 + 1, -(2**40)]
)
@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES)
def test_a_label_that_is_no_class(name, label):
    """NaN, or refused: it is never taken for another class."""
    right = CALLS[name].right()
    y_true = right["y_true"].astype("float64" if isinstance(label, float) else "int64")
    y_true.flat[0] = label
    values = outcome(name, y_true, right["y_pred"])
    if values is not None:
        assert np.isnan(values.flat[0]), f"label {label} gives {values.flat[0]}"


@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int64", "float32", "bool"])
def test_every_dtype_of_labels(name, dtype):
    right = CALLS[name].right()
    labels = right["y_true"] % 2
    wanted = outcome(name, labels, right["y_pred"])
    values = outcome(name, labels.astype(dtype), right["y_pred"])
    if values is not None:
        np.testing.assert_allclose(values, wanted, rtol=1e-5)


@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES)
@pytest.mark.parametrize("scale", [1e-30, 1e2, 1e4, 1e30])
def test_huge_and_tiny_logits(name, scale):
    right = CALLS[name].right()
    values = outcome(name, right["y_true"], right["y_pred"] * np.float32(scale))
    assert values is not None and not np.isnan(values).any()


@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES + EMBEDDINGS)
@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(name, rows):
    right = CALLS[name].right()
    values = outcome(name, right["y_true"][:rows], right["y_pred"][:rows])
    assert values is None or values.shape[0] == rows


@pytest.mark.parametrize("name", LABEL_LOSSES + MASK_LOSSES + EMBEDDINGS)
def test_what_is_no_data(name):
    right = CALLS[name].right()
    for nonsense in (None, "labels", ["a", "b"], {}, object(), right["y_pred"] * 1j):
        assert outcome(name, right["y_true"], nonsense) is None, f"y_pred={nonsense!r}"
        if name != "losses.info_nce":
            assert outcome(name, nonsense, right["y_pred"]) is None, f"y_true={nonsense!r}"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["jitter", "scale", "add_noise", "mixup"])
def test_augmentation_leaves_nan_where_it_is(name, bad):
    right = CALLS[f"augmentation.{name}"].right()
    right["x"] = right["x"].copy()
    right["x"][2, 1] = bad
    try:
        made = function_of(f"augmentation.{name}")(**right)
    except REFUSED:
        return
    made = np.asarray(made[0] if isinstance(made, tuple) else made)
    assert not np.isfinite(made[2, 1])
