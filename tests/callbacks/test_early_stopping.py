import math

import keras
import numpy as np
import pytest

from coursekit.callbacks import EarlyStopping

NAN = float("nan")
pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.filterwarnings("ignore:`val_loss` is:UserWarning"),
]


def run(stopping, values, name="val_loss"):
    """Feed these values, an epoch each; return the number of epochs that ran."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    stopping.set_model(model)
    stopping.on_train_begin()
    for epoch, value in enumerate(values):
        model.set_weights([np.full((1, 1), epoch + 1.0)])
        stopping.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    stopping.on_train_end()
    return epoch + 1, float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize("broken", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("mode, values", [("min", [0.9, 0.8, 0.7]), ("max", [0.1, 0.2, 0.3])])
def test_a_first_value_that_is_not_finite_does_not_poison(mode, values, broken):
    stopping = EarlyStopping("val_loss", patience=2, mode=mode, restore_best_weights=True)
    assert run(stopping, [broken, *values]) == (4, 4.0)
    assert stopping.best == values[-1] and stopping.best_epoch == 3


def test_keras_is_poisoned_by_a_first_nan():
    """Fails once Keras ignores NaN: then `EarlyStopping` can be retired."""
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2, mode="min")
    epochs, _ = run(stopping, [NAN, 0.9, 0.8, 0.7])
    assert epochs < 4 and math.isnan(stopping.best)


def test_nan_counts_as_no_improvement():
    stopping = EarlyStopping("val_loss", patience=2, mode="min", restore_best_weights=True)
    assert run(stopping, [0.9, NAN, NAN, 0.1]) == (3, 1.0)


def test_without_nan_it_is_keras_own():
    values = [0.9, 0.7, 0.6, 0.62, 0.61, 0.63, 0.5]  # patience 3: stops after 6, best 3
    options = {"patience": 3, "mode": "min", "restore_best_weights": True}
    ours = run(EarlyStopping("val_loss", **options), values)
    assert ours == run(keras.callbacks.EarlyStopping("val_loss", **options), values) == (6, 3.0)


def test_it_says_which_value_it_saw():
    with pytest.warns(UserWarning, match="`val_loss` is nan: EarlyStopping counts this epoch"):
        run(EarlyStopping("val_loss", mode="min"), [NAN])


def test_a_missing_value_is_keras_warning():
    with pytest.warns(UserWarning, match="not available"):
        run(EarlyStopping("val_loss", mode="min"), [0.1], name="other")


def test_the_state_goes_on():
    values = [0.9, 0.7, 0.71, 0.72, 0.73]
    whole = EarlyStopping("val_loss", patience=3, mode="min", restore_best_weights=True)
    run(whole, values)
    first = EarlyStopping("val_loss", patience=3, mode="min", restore_best_weights=True)
    run(first, values[:3])
    second = EarlyStopping("val_loss", patience=3, mode="min", restore_best_weights=True)
    second.set_model(keras.Sequential())
    second.on_train_begin()
    second.set_state(first.get_state())
    for epoch in (3, 4):
        second.on_epoch_end(epoch, {"val_loss": values[epoch]})
    assert second.model.stop_training
    assert (second.wait, second.best, second.best_epoch) == (whole.wait, whole.best, 1)
    np.testing.assert_array_equal(second.best_weights[0], whole.best_weights[0])


@pytest.mark.parametrize(
    "options, words",
    [
        ({"patience": NAN}, "`patience` must be an integer of at least 0. .*patience=nan"),
        ({"patience": -1}, "patience=-1"),
        ({"patience": True}, "patience=True"),
        ({"min_delta": NAN}, "min_delta=nan"),
        ({"baseline": NAN}, "baseline=nan"),
        ({"baseline": "low"}, "baseline='low'"),
        ({"mode": "mim"}, "mode='mim'. Did you mean 'min'"),
        ({"restore_best_weights": "no"}, "restore_best_weights='no'"),
        ({"start_from_epoch": 2.5}, "start_from_epoch=2.5"),
    ],
)
def test_bad_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        EarlyStopping("val_loss", **options)


def test_numpy_numbers_are_numbers():
    assert EarlyStopping(patience=np.int64(3), min_delta=np.float32(0.5)).patience == 3


def test_a_start_that_the_run_does_not_reach_is_refused():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 1), "float32")
    with pytest.raises(ValueError, match="start_from_epoch=3, epochs=3"):
        model.fit(x, x, epochs=3, verbose=0, callbacks=[EarlyStopping("loss", start_from_epoch=3)])
