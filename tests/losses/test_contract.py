"""The contract of a loss, for every loss: what it returns, for every kind of batch and dtype."""

import re

import keras
import numpy as np
import pytest
from keras.src.backend import set_keras_mask
from loss_cases import CASES, ONE_OF_EACH
from running import array, values_and_gradient

from coursekit import losses

pytestmark = pytest.mark.any_backend
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_loss = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
# Of a value; and the distance that float32 allows where predictions are large.
TOLERANCE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}


def close(got, expected, dtype="float32"):
    tolerance = TOLERANCE[dtype]
    expected = np.asarray(expected)
    np.testing.assert_allclose(array(got), expected, rtol=tolerance, atol=tolerance)


def rounded(x, dtype):
    return array(keras.ops.cast(keras.ops.cast(x, dtype), "float32"))


def test_every_loss_of_the_package_has_a_case():
    classes = {
        value
        for value in vars(losses).values()
        if isinstance(value, type) and issubclass(value, keras.losses.Loss)
    }
    assert classes == {case.loss for case in CASES}
    assert {cls.__name__ for cls in classes} <= set(losses.__all__)
    assert {case.function.__name__ for case in CASES} <= set(losses.__all__)
    assert all(hasattr(losses, name) for name in losses.__all__)


@each
def test_values_of_an_ordinary_batch(case):
    y_true, y_pred = case.batch()
    values = case.values(y_true, y_pred)
    expected = case.expected(y_true, y_pred)
    assert len(values.shape) >= 1 and values.shape[0] == len(y_pred)
    assert np.abs(expected).max() > 0.01
    close(values, expected)


@each
def test_values_and_gradients_of_hard_batches(case):
    for name, y_true, y_pred in case.hard(np.random.default_rng(3)):
        y_pred = np.asarray(y_pred, "float32")
        values, gradient = values_and_gradient(case.values, y_true, y_pred)
        values, gradient = array(values), array(gradient)
        assert values.shape == case.expected(y_true, y_pred).shape, name
        assert np.isfinite(values).all() and np.isfinite(gradient).all(), name
        try:
            close(values, case.expected(y_true, y_pred))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@each
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_in_and_float32_out(case, dtype):
    y_true, y_pred = case.batch()
    values, gradient = values_and_gradient(
        case.values, y_true, keras.ops.convert_to_tensor(y_pred, dtype=dtype)
    )
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    assert np.isfinite(array(keras.ops.cast(gradient, "float32"))).all()
    close(values, case.expected(y_true, rounded(y_pred, dtype)))  # better than half precision


@each
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_loss_in_half_precision(case, dtype):
    y_true, y_pred = case.batch()
    values = case.make(dtype=dtype, reduction="none")(y_true, y_pred)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    close(values, case.expected(y_true, rounded(y_pred, dtype)), dtype)


@each
def test_reductions_and_sample_weights(case):
    y_true, y_pred = case.batch()
    values = case.expected(y_true, y_pred)
    counting = case.counting(y_true, values)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, values.shape)
    valid = np.where(counting, weights, 0.0)
    expected = {
        "none": {None: None, "w": None},
        "sum": {None: values.sum(), "w": (values * weights).sum()},
        "sum_over_batch_size": {
            None: values.sum() / counting.sum(),
            "w": (values * weights).sum() / counting.sum(),
        },
        "mean_with_sample_weight": {"w": (values * weights).sum() / valid.sum()},
    }
    for reduction, of in expected.items():
        for weighted, number in of.items():
            loss = case.make(reduction=reduction)
            got = array(loss(y_true, y_pred, weights if weighted else None))
            if reduction == "none":
                close(got, values * (weights if weighted else 1))
            else:
                assert got.shape == ()
                np.testing.assert_allclose(got, number, rtol=1e-6, atol=1e-6)
    mean = array(case.make()(y_true, y_pred))
    np.testing.assert_allclose(mean, expected["sum_over_batch_size"][None], rtol=1e-6, atol=1e-6)


@each_loss
def test_a_weight_with_a_trailing_axis_and_a_scalar(case):
    y_true, y_pred = case.batch()
    loss = case.make(reduction="sum")
    values = case.expected(y_true, y_pred)
    weights = np.arange(1.0, values.size + 1).reshape(values.shape)
    got = loss(y_true, y_pred, sample_weight=weights[..., None])
    np.testing.assert_allclose(array(got), (values * weights).sum(), rtol=1e-5)
    np.testing.assert_allclose(array(loss(y_true, y_pred, 2.0)), 2 * values.sum(), rtol=1e-5)


@each_loss
def test_weights_that_fit_no_value_are_refused(case):
    """Keras would broadcast (8, 8) against (8,), and multiply rows with the weights of others."""
    y_true, y_pred = case.batch()
    shape = (*case.expected(y_true, y_pred).shape, 8)
    with pytest.raises(ValueError, match=r"one weight for each value .* Received: shape="):
        case.make()(y_true, y_pred, np.ones(shape))


@each
def test_masked_values_do_not_count(case):
    y_true, y_pred = case.batch()
    values = case.expected(y_true, y_pred)
    mask = np.random.default_rng(2).random(values.shape) < 0.6
    counting = mask & case.counting(y_true, values)
    y_pred = keras.ops.convert_to_tensor(y_pred)
    set_keras_mask(y_pred, keras.ops.convert_to_tensor(mask))
    got = array(case.make()(y_true, y_pred))
    np.testing.assert_allclose(got, values[counting].mean(), rtol=1e-6, atol=1e-6)
    nothing = keras.ops.convert_to_tensor(np.zeros(values.shape, bool))
    set_keras_mask(y_pred, nothing)
    assert array(case.make()(y_true, y_pred)) == 0


@each
def test_values_belong_to_their_rows(case):
    """Permuted rows give permuted values; each value is that of its row alone, unless coupled."""
    y_true, y_pred = case.batch(seed=5)
    order = np.random.default_rng(4).permutation(len(y_pred))
    values = array(case.values(y_true, y_pred))
    close(case.values(y_true[order], y_pred[order]), values[order])
    if not case.batch_coupled:
        close(case.values(y_true[2:5], y_pred[2:5]), values[2:5])


@each
def test_labels_of_every_integer_dtype(case):
    y_true, y_pred = case.batch()
    if not case.integer_labels:
        pytest.skip("no integer labels")
    expected = case.expected(y_true, y_pred)
    dtypes = ["int16", "int32", "int64", "float32"] + ["uint8"] * int(y_true.min() >= 0)
    for dtype in dtypes:
        close(case.make(reduction="none")(y_true.astype(dtype), y_pred), expected)


@each_loss
def test_labels_reach_the_function_as_they_are(case):
    """Keras makes 256 of 257 in bfloat16, and 2 ** 24 of the next number in float32."""
    _, y_pred = case.batch()
    loss, seen = case.make(dtype="bfloat16"), []

    def spy(labels, predictions, **arguments):
        seen.extend(array(labels).ravel())
        return keras.ops.zeros(len(y_pred))

    loss.fn = spy
    loss(np.array([257, 2**24 + 1], "int32"), y_pred)
    assert seen == [257, 2**24 + 1]


@each
def test_config_holds_everything(case):
    loss = case.make(dtype="bfloat16", reduction="sum", name="mine")
    config = loss.get_config()
    assert config["dtype"] == "bfloat16"
    assert config["reduction"] == "sum" and config["name"] == "mine"
    assert {name: config[name] for name in case.config} == case.config
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is case.loss and again.get_config() == config
    y_true, y_pred = case.batch()
    assert array(again(y_true, y_pred)) == array(loss(y_true, y_pred))
    registered = keras.saving.get_registered_name(case.loss)
    assert registered == f"coursekit>{case.loss.__name__}"


@each_loss
def test_defaults_are_those_of_the_function(case):
    import inspect

    function = inspect.signature(case.function).parameters
    cls = inspect.signature(case.loss).parameters
    names = list(function)[2:]
    assert list(function)[:2] == ["y_true", "y_pred"]
    assert list(cls) == [*names, "reduction", "name", "dtype"]
    assert [cls[n].default for n in names] == [function[n].default for n in names]
    assert cls["reduction"].default == "sum_over_batch_size" and cls["dtype"].default is None


@each_loss
def test_arguments_out_of_range_are_refused(case):
    with pytest.raises(ValueError, match="reduction='median'"):
        case.make(reduction="median")
    y_true, y_pred = case.batch()
    for bad in case.invalid:
        with pytest.raises(ValueError, match=r"\. Received: \w+="):
            case.loss(**bad)
        with pytest.raises(ValueError, match=r"\. Received: \w+="):
            case.function(y_true, y_pred, **bad)


@each_loss
def test_documented_in_full(case):
    text = case.function.__doc__
    parts = "Args:", "Shapes:", "Returns:", "Raises:", "Numerics:", "Example:", "References:"
    found = [text.find(part) for part in parts]
    assert -1 not in found and found == sorted(found), dict(zip(parts, found, strict=True))
    assert text.find("```") < found[0]
    for name in list(case.config):
        assert re.search(rf"^ {{8}}{name}: ", text, re.M), name
    assert case.function.__name__ in case.loss.__doc__ and "Example:" in case.loss.__doc__
