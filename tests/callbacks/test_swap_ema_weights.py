import keras
import numpy as np
import pytest

from coursekit.callbacks import SwapEMAWeights

pytestmark = pytest.mark.any_backend
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")


def trained():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    for _ in range(5):
        model.train_on_batch(X, X.sum(1))
    return model


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_the_raw_weights_come_back(call):
    model = trained()
    raw = weights(model)
    arguments = (X, X.sum(1)) if call == "evaluate" else (X,)
    plain = getattr(model, call)(*arguments, verbose=0)
    averaged = getattr(model, call)(*arguments, verbose=0, callbacks=[SwapEMAWeights()])
    assert not np.allclose(plain, averaged, atol=1e-4)  # the average was there
    np.testing.assert_allclose(weights(model), raw, atol=1e-6)


def test_keras_leaves_the_average_after_predict():
    """Fails once Keras has fixed `on_predict_end`: then `SwapEMAWeights` can be retired."""
    model = trained()
    raw = weights(model)
    model.predict(X, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])
    assert np.abs(weights(model) - raw).max() > 1e-3


class Stop(keras.callbacks.Callback):
    """Stop after two epochs; remember the average and the raw weights."""

    def on_epoch_end(self, epoch, logs=None):
        averages = self.model.optimizer._model_variables_moving_average
        self.average, self.raw = (
            np.concatenate([np.array(v).ravel() for v in variables])
            for variables in (self.model.trainable_variables, averages)  # swapped by now
        )
        self.model.stop_training = epoch == 1


def stopped(kind, *more):
    model, stop = trained(), Stop()
    callbacks = [kind(swap_on_epoch=True), stop, *more]
    model.fit(X, X.sum(1), epochs=5, batch_size=16, verbose=0, callbacks=callbacks)
    assert not np.allclose(stop.average, stop.raw, atol=1e-4)
    return weights(model), stop


def test_a_run_that_is_stopped_ends_with_the_average():
    final, stop = stopped(SwapEMAWeights)
    np.testing.assert_allclose(final, stop.average, atol=1e-6)


def test_keras_ends_a_run_that_is_stopped_with_the_raw_weights():
    """Fails once Keras keeps the average: then `on_train_end` can go."""
    final, stop = stopped(keras.callbacks.SwapEMAWeights)
    np.testing.assert_allclose(final, stop.raw, atol=1e-6)


def test_what_has_no_average_is_refused_before_any_work():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    before = weights(model)
    with pytest.raises(ValueError, match=r"must average weights. Received: optimizer='SGD'"):
        model.fit(X, X.sum(1), verbose=0, callbacks=[SwapEMAWeights(swap_on_epoch=True)])
    np.testing.assert_array_equal(weights(model), before)
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    with pytest.raises(ValueError, match="begins with the first update"):
        model.predict(X, verbose=0, callbacks=[SwapEMAWeights()])
    for value in ("no", 1, None):
        with pytest.raises(ValueError, match="`swap_on_epoch` must be True or False"):
            SwapEMAWeights(value)
