"""A learner's own loss: checked, compiled, saved, or refused by name."""

import keras
import numpy as np
import pytest
from keras import ops
from running import JAX, array, compiled

from coursekit.losses import per_example

pytestmark = pytest.mark.any_backend
Y, P = np.zeros((6, 2), "float32"), np.arange(12, dtype="float32").reshape(6, 2)


@keras.saving.register_keras_serializable("tests")
@per_example
def squared(y_true, y_pred, factor=1.0):
    """What the learner wrote."""
    return factor * ops.mean((y_true - y_pred) ** 2, axis=-1)


@per_example
def batch_mean(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 2)


@per_example
def mean_over_rows(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 2, axis=0)


def test_values_pass_and_the_function_is_the_same():
    np.testing.assert_allclose(array(squared(Y, P)), (P**2).mean(-1))
    np.testing.assert_allclose(array(squared(Y, P, factor=2.0)), 2 * (P**2).mean(-1))
    assert squared.__name__ == "squared" and squared.__doc__ == "What the learner wrote."
    np.testing.assert_allclose(array(compiled(squared)(Y, P)), (P**2).mean(-1))


def model_with(loss):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def test_in_compile_it_trains_as_the_loss_of_keras():
    ours, theirs = model_with(squared), model_with("mse")
    theirs.set_weights(ours.get_weights())
    for model in (ours, theirs):
        model.fit(P, Y, batch_size=3, verbose=0, shuffle=False)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_one_number_is_refused_by_name_before_a_weight_changes():
    message = r"`batch_mean` returns one number for the whole batch; return one value per example"
    with pytest.raises(ValueError, match=message):
        batch_mean(Y, P)
    model = model_with(batch_mean)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(P, Y, batch_size=3, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_values_that_do_not_follow_the_batch_are_refused():
    with pytest.raises(ValueError, match=r"`mean_over_rows` returns values .* shape \(2,\)"):
        mean_over_rows(Y, P)
    if not JAX:  # a batch that is as large as a row is wide: only an open batch size tells
        with pytest.raises(ValueError, match=r"mean_over_rows.* predictions of shape \(None, 2\)"):
            model_with(mean_over_rows).fit(P[:5], Y[:5], batch_size=2, verbose=0)


def test_what_is_no_function_is_refused():
    for wrong in (keras.losses.Dice(), keras.losses.Dice, 3):
        with pytest.raises(ValueError, match=r"`fn` must be a function of .* Received: "):
            per_example(wrong)


@per_example
def absolute(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def test_saved_as_any_function_is(tmp_path):
    path = tmp_path / "model.keras"
    model_with(squared).save(path)
    assert keras.models.load_model(path).loss is squared  # registered
    model_with(absolute).save(path)
    assert keras.models.load_model(path, {"absolute": absolute}).loss is absolute
    with pytest.raises(TypeError, match="absolute"):
        keras.models.load_model(path)


@per_example
def plain_squares(y_true, y_pred):
    squares = (y_true - y_pred) ** 2
    return ops.mean(squares, axis=tuple(range(1, len(squares.shape))))


def test_labels_of_one_axis_less_or_more_do_not_broadcast():
    """(n,) against (n, 1) is (n, n) to NumPy. In `fit`, and here, it is one value a row."""
    y, p = np.arange(6, dtype="float32"), 2 * np.arange(6, dtype="float32")
    wanted = np.arange(6.0) ** 2
    for labels, predictions in (
        (y, p),
        (y[:, None], p[:, None]),
        (y, p[:, None]),
        (y[:, None], p),
        (list(y), p[:, None]),
    ):
        np.testing.assert_allclose(array(plain_squares(labels, predictions)), wanted)
        if not isinstance(labels, list):
            got = compiled(plain_squares)(labels, predictions)
            np.testing.assert_allclose(array(got), wanted)
    for labels in (y[:1], y[:1, None], y[:5]):
        with pytest.raises(ValueError, match=r"one row of labels for each row of predictions"):
            plain_squares(labels, p[:, None])
