import keras
import numpy as np
import pytest
from keras import layers as L

from coursekit import datasets
from coursekit.callbacks import StochasticWeightAveraging
from coursekit.training import fit_many

X = np.random.default_rng(0).normal(2.0, 3.0, size=(60, 4)).astype("float32")
Y = (X.sum(1) > 8).astype("float32")


def net(*extra, seed=0):
    keras.utils.set_random_seed(seed)
    hidden = [L.Dense(6), L.BatchNormalization(), L.ReLU(), *extra]
    model = keras.Sequential([keras.Input((4,)), *hidden, L.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    return model


class Record(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.trainable_variables
        self.seen.append([np.array(keras.ops.convert_to_numpy(v)) for v in weights])


@pytest.mark.any_backend
@pytest.mark.parametrize("start", [0, 2])
def test_the_model_ends_with_the_mean_of_the_epochs(start):
    model, record = net(), Record()
    swa = StochasticWeightAveraging(start, refresh_data=X, batch_size=20)
    model.fit(X, Y, epochs=5, batch_size=20, verbose=0, callbacks=[record, swa])
    assert swa.averaged_epochs == 5 - start
    for k, variable in enumerate(model.trainable_variables):
        mean = np.mean([w[k] for w in record.seen[start:]], axis=0, dtype="float64")
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), mean, atol=1e-6)


@pytest.mark.any_backend
def test_the_statistics_are_those_of_the_averaged_weights():
    model = net(L.Dropout(0.5))
    rows = X[:50]  # batches of 20, 20 and 10
    model.fit(X, Y, epochs=3, batch_size=20, verbose=0,
              callbacks=[StochasticWeightAveraging(1, rows, batch_size=20)])  # fmt: skip
    dense, norm = model.layers[0], model.layers[1]
    kernel, bias = dense.get_weights()
    parts = [rows[s : s + 20].astype("float64") @ kernel + bias for s in (0, 20, 40)]
    sizes = [20, 20, 10]
    mean = np.average([p.mean(0) for p in parts], axis=0, weights=sizes)
    variance = np.average([p.var(0) for p in parts], axis=0, weights=sizes)
    np.testing.assert_allclose(np.array(norm.moving_mean), mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.array(norm.moving_variance), variance, rtol=1e-4)


@pytest.mark.any_backend
def test_all_other_state_is_left_as_it_was():
    model = net(L.Dropout(0.5))
    swa = StochasticWeightAveraging(0, X)
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    momentum = model.layers[1].momentum

    class Before(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.seeds = [np.array(v) for v in seeds]

    before = Before()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[before, swa])
    assert seeds and model.layers[1].momentum == momentum
    for old, new in zip(before.seeds, seeds, strict=True):
        np.testing.assert_array_equal(old, np.array(new))


def test_without_the_refresh_a_deep_net_collapses():
    """Why `refresh_data` is asked for: averaged weights with fresh and with stale statistics."""
    digits = datasets.load_digits().train
    x, y = digits.x.reshape(-1, 64)[:600], digits.y[:600]
    models, averages, stale = [], [], []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        block = lambda: (L.Dense(32), L.BatchNormalization(momentum=0.9), L.ReLU())
        blocks = [layer for _ in range(6) for layer in block()]
        model = keras.Sequential([keras.Input((64,)), *blocks, L.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1.5), loss, metrics=["accuracy"])
        models.append(model)
        averages.append(StochasticWeightAveraging(0, x))

    class Stale(keras.callbacks.Callback):
        """Keeps the statistics of the last epoch, before the average comes."""

        def on_train_end(self, logs=None):
            norms = [layer for layer in self.model.layers if hasattr(layer, "moving_mean")]
            stale.extend((n, np.array(n.moving_mean), np.array(n.moving_variance)) for n in norms)

    fit_many(models, x, y, epochs=12, callbacks=[[Stale(), a] for a in averages], verbose=0)
    fresh = np.array([m.evaluate(x, y, verbose=0)[1] for m in models])
    for norm, mean, variance in stale:
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)
    collapsed = np.array([m.evaluate(x, y, verbose=0)[1] for m in models])
    assert fresh.min() > 0.95, fresh
    assert collapsed.mean() < 0.85, collapsed


@pytest.mark.any_backend
def test_arrays_or_batches():
    finals = []
    for data in (X, [X[:30], X[30:]], [(X[:30], Y[:30]), (X[30:], Y[30:])]):
        model = net()
        swa = StochasticWeightAveraging(0, data, batch_size=30)
        model.fit(X, Y, epochs=1, verbose=0, callbacks=[swa])
        finals.append(np.array(model.layers[1].moving_variance))
    for one in finals[1:]:
        np.testing.assert_allclose(one, finals[0], rtol=1e-5)


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"`start_from_epoch` must be .* Received: .*=-1"):
        StochasticWeightAveraging(-1)
    with pytest.raises(ValueError, match="`batch_size` must be"):
        StochasticWeightAveraging(0, batch_size=0)
    with pytest.raises(ValueError, match="`refresh_data` is needed, because the model has batch"):
        net().fit(X, Y, verbose=0, callbacks=[StochasticWeightAveraging(0)])


def test_frozen_normalization_needs_no_data_and_keeps_its_statistics():
    model = net()
    model.layers[1].trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[StochasticWeightAveraging(0)])
    np.testing.assert_array_equal(np.array(model.layers[1].moving_mean), np.zeros(6))


def test_the_state_goes_on():
    whole, model = StochasticWeightAveraging(0, X), net()
    model.fit(X, Y, epochs=4, shuffle=False, verbose=0, callbacks=[whole])
    first, second, other = StochasticWeightAveraging(0, X), StochasticWeightAveraging(0, X), net()

    class Stop(keras.callbacks.Callback):
        """Bring the raw weights back, as a run that was killed would find them."""

        def on_train_end(self, logs=None):
            self.raw = self.model.get_weights()

    stop = Stop()
    other.fit(X, Y, epochs=2, shuffle=False, verbose=0, callbacks=[stop, first])
    other.set_weights(stop.raw)

    class Go(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 0:
                second.set_state(first.get_state())

    other.fit(X, Y, epochs=2, shuffle=False, verbose=0, callbacks=[Go(), second])
    assert second.averaged_epochs == 4
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
