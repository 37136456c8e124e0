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
