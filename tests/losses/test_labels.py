"""Labels that do not fit, or are none: refused where that is seen, NaN where it is not."""

import keras
import numpy as np
import pytest
from loss_cases import CASES
from running import JAX, array, compiled, traced, values_and_gradient

from coursekit import losses

pytestmark = pytest.mark.any_backend
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
numbers = [case for case in CASES if case.labels == "class"]
each_of_numbers = pytest.mark.parametrize("case", numbers, ids=lambda case: case.name)
first = {case.loss: case for case in reversed(numbers)}.values()
each_first = pytest.mark.parametrize("case", first, ids=lambda case: case.loss.__name__)


def misfits(case):
    """Labels and predictions that have other sizes, also of 1; with the reason."""
    y, p = case.batch()
    yield "one row of labels", y[:1], p
    yield "one row of predictions", y, p[:1]
    yield "a row less", y[:-1], p
    for axis in range(1, y.ndim):
        if y.shape[axis] > 1:
            if case.labels != "soft":
                yield f"size 1 on axis {axis}", y.take([0], axis), p
            yield f"one less on axis {axis}", np.delete(y, 0, axis), p
    yield "an axis more", y[..., None, None], p
    if case.labels == "class":
        classes = case.config.get("axis", -1)
        of_label = np.delete(p.shape, classes)
        column = y.reshape(of_label)[..., None]
        steps = np.stack([p, p, p], axis=1)  # three predictions for one label
        if classes == -1:
            yield "a label for all steps", column, steps
    if y.ndim > 2 and case.labels != "soft":
        yield "axes swapped", y, np.swapaxes(p, 1, 2)


@each
def test_sizes_that_differ_are_refused(case):
    for reason, y, p in misfits(case):
        with pytest.raises(ValueError, match=r"Received: .*\(\d.*\)"):
            print(reason, array(case.values(y, p)))
        with pytest.raises(ValueError, match=r"Received: .*\(\d.*\)"):
            print(reason, array(case.make()(y, p)))


@each
def test_sizes_that_differ_are_refused_while_a_program_is_traced(case):
    for reason, y, p in misfits(case):
        with pytest.raises(ValueError, match=r"Received: .*\(\d.*\)"):
            print(reason, traced(case.values)(y, p))


@pytest.mark.skipif(JAX, reason="a graph of TensorFlow")
@each
def test_sizes_that_are_unknown_until_the_graph_runs_do_not_broadcast(case):
    import tensorflow as tf

    y, p = case.batch()
    if case.labels == "class":
        y = y.reshape(np.delete(p.shape, case.config.get("axis", -1)))

    def spec(x, classes=None):
        shape = [None] * x.ndim
        if classes is not None:
            shape[classes] = x.shape[classes]
        return tf.TensorSpec(shape, x.dtype)

    keep = {"identity": -1, "pair": None, "soft": -1}.get(case.labels, case.config.get("axis", -1))
    if case.name.startswith("info_nce"):
        signature = [spec(y), tf.TensorSpec([None, 2, None], p.dtype)]
    else:
        signature = [spec(y), spec(p, None if p.ndim == 1 else keep)]
    if case.labels == "soft" or (case.labels == "mask" and y.ndim == p.ndim):
        signature[0] = spec(y, -1)
    graph = compiled(case.values, signature)
    np.testing.assert_allclose(array(graph(y, p)), case.expected(y, p), rtol=1e-6, atol=1e-6)
    if y.ndim > 2:  # (the rows of a batch are as many in every graph)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            graph(y[:, :1], p)


def test_a_number_of_classes_that_is_unknown_until_the_graph_runs():
    if JAX:
        pytest.skip("JAX knows all shapes")
    import tensorflow as tf

    signature = [tf.TensorSpec([None], "int64"), tf.TensorSpec([None, None], "float32")]
    for case in numbers:
        y, p = case.batch()
        if p.ndim == 2:
            graph = compiled(case.values, signature)
            got = array(graph(y.reshape(-1), p))
            np.testing.assert_allclose(got, case.expected(y, p), rtol=1e-6, atol=1e-6)
    signature = [tf.TensorSpec([None, None], "int64"), tf.TensorSpec([None, None, None], "float32")]
    with pytest.raises(ValueError, match="a known number of channels"):
        compiled(losses.crossentropy_dice, signature)(np.zeros((2, 3), int), np.zeros((2, 3, 2)))


@each_of_numbers
def test_labels_with_and_without_a_last_axis_of_1(case):
    y, p = case.batch()
    axis = case.config.get("axis", -1)
    flat = y.reshape(np.delete(p.shape, axis))
    column = np.expand_dims(flat, axis)
    for labels in (flat, column):
        np.testing.assert_allclose(array(case.values(labels, p)), case.expected(y, p), atol=1e-6)


@pytest.mark.skipif(JAX, reason="a graph of TensorFlow")
@each
def test_labels_that_a_graph_holds(case):
    """They are seen while it is traced; the sizes of the predictions are not."""
    import tensorflow as tf

    y, p = case.batch()
    known = [None] * p.ndim
    for axis in {case.config.get("axis", -1), 1, -1} - {0}:
        if p.ndim > 1:
            known[axis] = p.shape[axis]
    labels = tf.constant(y)
    graph = compiled(lambda p: case.values(labels, p), [tf.TensorSpec(known, p.dtype)])
    np.testing.assert_allclose(array(graph(p)), case.expected(y, p), rtol=1e-6, atol=1e-6)


def wide_dtypes(label):
    names = ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float64"]
    for name in names:
        kind = np.iinfo(name) if "int" in name else np.finfo(name)
        if kind.min <= label <= kind.max:
            yield name


@each_first
@pytest.mark.parametrize("label", [-1, 77, 255, 2**31, 2**32, 2**32 + 1, -(2**32), 2**53, 2**63])
def test_a_label_that_is_no_class_is_none_in_any_dtype(case, label):
    y, p = case.batch()
    y = y.reshape(np.delete(p.shape, case.config.get("axis", -1)))
    ignored = {"ignore_class": 200} if "ignore_class" in case.config else {}
    for dtype in wide_dtypes(label):
        labels = np.maximum(y, 0).astype(dtype)
        labels[1] = label
        values = array(case.function(labels, p, **{**case.config, **ignored}))
        assert np.isnan(values[1]).all() and np.isfinite(values[0]).all(), dtype
        if not JAX:  # which has no 64 bits to pass in
            import tensorflow as tf

            of_tensor = case.function(tf.constant(labels), p, **{**case.config, **ignored})
            np.testing.assert_array_equal(array(of_tensor), values, dtype)


@pytest.mark.parametrize("label", [2**32 - 1, 2**64 - 1])
def test_a_wide_label_is_not_ignored_for_minus_1(label):
    dtype = "uint32" if label < 2**32 else "uint64"
    labels, z = np.array([0, label], dtype), np.zeros((2, 3), "float32")
    ignoring = {"ignore_class": -1, "from_logits": True}
    values = array(losses.label_smoothed_crossentropy(labels, z, **ignoring))
    assert np.isnan(values).tolist() == [False, True]


@each
def test_a_float_that_is_no_whole_number(case):
    y, p = case.batch()
    if not case.integer_labels:
        pytest.skip("soft labels")
    program = traced(case.values)
    for label in (1.9, 0.5, np.nan, np.inf):
        labels = y.astype("float32")
        labels.reshape(-1)[0] = label
        if case.labels != "mask" or case.function is losses.lovasz_softmax:
            with pytest.raises(ValueError, match="Received: label="):
                case.values(labels, p)
        elif label == 0.5:
            assert np.isfinite(array(case.values(labels, p))).all()  # a degree
            continue
        else:
            assert np.isnan(array(case.values(labels, p))).any()
        assert np.isnan(array(program(labels, p))).any()


@pytest.mark.parametrize("function", [losses.supervised_contrastive, losses.triplet_loss])
def test_identities_are_never_rounded_to_one(function):
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    expected = array(function(np.array([0, 0, 1, 1]), x))
    for first, step in ((2**24, 1), (2**40, 1), (2**53, 1), (-(2**62), 1), (7, 2**32)):
        y = np.array([first, first, first + step, first + step])
        np.testing.assert_array_equal(array(function(y, x)), expected)
        if first > 0:
            np.testing.assert_array_equal(array(function(y.astype("uint64"), x)), expected)
    y = np.array([2.0**24, 2**24, 2**24 + 1, 2**24 + 1])
    np.testing.assert_array_equal(array(function(y, x)), expected)  # float64 holds them
    rounded = y.astype("float32")
    with pytest.raises(ValueError, match=r"below 16,777,216.*label=16777216"):
        function(rounded, x)
    assert np.isnan(array(traced(function)(rounded, x))).all()
    half = keras.ops.convert_to_tensor([256.0, 256, 0, 0], dtype="bfloat16")
    with pytest.raises(ValueError, match=r"labels in bfloat16 must be below 256.*label=256"):
        function(half, x)
    wide = np.array([2.0**53, 2**53, 0, 0])
    with pytest.raises(ValueError, match=r"below 9,007,199,254,740,992"):
        function(wide, x)


def test_a_pair_is_similar_or_not():
    d = np.array([0.3, 0.4], "float32")
    with pytest.raises(ValueError, match=r"1 for a similar pair.*Received: label=2"):
        losses.pair_contrastive([1, 2], d)
    with pytest.raises(ValueError, match="Received: label=nan"):
        losses.PairContrastive()([1, np.nan], d)
    values = array(traced(losses.pair_contrastive)(np.array([1.0, np.nan], "float32"), d))
    np.testing.assert_allclose(values, [0.09, np.nan], rtol=1e-6)


@each
def test_what_is_no_array_of_real_numbers_is_refused(case):
    y, p = case.batch()
    for wrong in (p.astype("complex64"), p.astype(str), None, "text", [[1.0], [2.0, 3.0]]):
        with pytest.raises(ValueError, match="`y_pred` must be an array of real numbers"):
            case.values(y, wrong)
        with pytest.raises(ValueError, match="`y_pred` must be an array of real numbers"):
            case.make()(y, wrong)
    for wrong in (y.astype("complex64"), y.astype(str), y.astype(object), None, "text"):
        with pytest.raises(ValueError, match="`y_true` must"):
            case.values(wrong, p)


@each
def test_batches_of_no_rows(case):
    y, p = case.batch()
    y, p = y[:0], p[:0]
    values, gradient = values_and_gradient(case.values, y, p)
    assert array(values).shape[0] == 0 and array(gradient).shape == p.shape
    assert array(traced(case.values)(y, p)).shape[0] == 0
    assert array(case.make()(y, p)).sum() == 0
    assert array(case.make()(y, p, np.zeros(values.shape))).sum() == 0
    if y.ndim == 1:
        assert array(case.values([], p)).shape[0] == 0


@pytest.mark.parametrize(
    "function", [losses.crossentropy_dice, losses.focal_tversky, losses.lovasz_softmax]
)
@pytest.mark.parametrize("multilabel", [False, True])
def test_images_without_pixels_cost_nothing(function, multilabel):
    y = np.zeros((2, 0, 3, 2) if multilabel else (2, 0, 3), int)
    values = function(y, np.zeros((2, 0, 3, 2), "float32"), multilabel=multilabel)
    np.testing.assert_array_equal(array(values), [0, 0])


@each
def test_a_batch_is_on_the_first_axis(case):
    for wrong in (np.float32(0.5), np.array([0.5, 0.5], "float32")):
        if case.labels == "pair" and np.ndim(wrong) == 1:
            continue
        with pytest.raises(ValueError, match=r"`y_pred` must have .*Received: "):
            case.values(np.zeros(np.shape(wrong)[:1], int), wrong)


@pytest.mark.parametrize("axis", [0, -2, 2, -3])
def test_an_axis_that_is_not_there_or_is_the_batch(axis):
    for function in (losses.label_smoothed_crossentropy, losses.crammer_singer_hinge):
        with pytest.raises(ValueError, match=r"axis.* Received: "):
            function([0, 1], np.ones((2, 2), "float32"), axis=axis)


def test_in_fit_labels_that_do_not_fit_are_refused_before_a_weight_changes():
    """One label a row, and a `Dense` on three steps: Keras's own loss refuses it too."""
    for case in first:
        model = keras.Sequential([keras.Input((3, 2)), keras.layers.Dense(4)])
        model.compile("sgd", case.make())
        before = model.get_weights()
        with pytest.raises(ValueError, match=r"Received: y_true=.*y_pred="):
            model.fit(np.ones((6, 3, 2)), np.zeros((6, 1), int), batch_size=2, verbose=0)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
