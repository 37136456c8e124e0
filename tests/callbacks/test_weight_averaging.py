import itertools

import keras
import numpy as np
import pytest
from keras import layers as L

from coursekit import datasets
from coursekit.callbacks import EarlyStopping, StochasticWeightAveraging, SwapEMAWeights
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    for value in (True, 1.5, "2", float("nan")):
        with pytest.raises(ValueError, match="`start_from_epoch` must be an integer"):
            StochasticWeightAveraging(value)
    assert StochasticWeightAveraging(np.int64(2)).start_from_epoch == 2
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


@pytest.mark.slow
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


def run(data, model=None, x=X, y=Y, epochs=2, start=0, beside=(), before=(), **more):
    """Train with the callback; return the model, the callback and the history."""
    model = model or net()
    swa = StochasticWeightAveraging(start, data, batch_size=20)
    callbacks = [*before, swa, *beside]
    history = model.fit(x, y, epochs=epochs, verbose=0, callbacks=callbacks, **more)
    return model, swa, history


def two_inputs():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    hidden = L.BatchNormalization()(L.Dense(6)(L.Concatenate()([a, b])))
    model = keras.Model([a, b], L.Dense(1, activation="sigmoid")(hidden))
    model.compile("sgd", "binary_crossentropy")
    return model


def dataset(*parts):
    return pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices(*parts).batch(20)


class Batches(keras.utils.PyDataset):
    def __init__(self, length):
        super().__init__()
        self.length = length

    @property
    def num_batches(self):
        return self.length

    def __getitem__(self, k):
        return X[k % 3 * 20 : k % 3 * 20 + 20], Y[:20]


class NoLength(keras.utils.PyDataset):
    def __getitem__(self, k):
        return X[k % 3 * 20 : k % 3 * 20 + 20], Y[:20]


def used_up():
    batches = iter([X[:20]])
    next(batches)
    return batches


BAD_DATA = {
    "repeated": (lambda: dataset(X).repeat(), "no end.*take"),
    "endless_py_dataset": (lambda: Batches(None), "no end"),
    "cycle": (lambda: itertools.cycle([X[:20]]), "no end"),
    "used_up": (used_up, "holds no batch"),
    "empty_list": (list, "holds no batch"),
    "no_rows": (lambda: X[:0], "holds no batch"),
    "empty_dataset": (lambda: dataset(X).take(0), "holds no batch"),
    "empty_py_dataset": (lambda: Batches(0), "holds no batch"),
    "pair": (lambda: (X, Y), r"a tuple of 2. Of \(x, y\) pass x"),
    "width": (lambda: X[:, :3], "must hold inputs that the model takes"),
    "number": (lambda: 3, "`refresh_data` must hold arrays or batches.*refresh_data=3"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("make, words", BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_could_not_be_read_are_refused_before_training(make, words):
    model = net()
    before = [np.array(v) for v in model.get_weights()]
    with pytest.raises(ValueError, match=words) as error:
        run(make(), model)
    assert "refresh_data" in str(error.value) and len(str(error.value)) < 1000
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def endless():
    k = 0
    while True:
        yield X[k % 3 * 20 : k % 3 * 20 + 20]
        k += 1


GOOD_DATA = {
    "array": lambda: X,
    "list": lambda: [X[:20], X[20:40], X[40:]],
    "generator": lambda: (X[s : s + 20] for s in (0, 20, 40)),
    "dataset": lambda: dataset(X),
    "pairs": lambda: dataset((X, Y)),
    "filtered": lambda: dataset(X).filter(lambda x: True),
    "py_dataset": lambda: Batches(3),
    "py_dataset_without_length": lambda: NoLength(),  # 2 epochs of 3 steps: the same batches twice
    "endless_generator": endless,
}


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("make", GOOD_DATA.values(), ids=GOOD_DATA)
def test_data_of_every_kind_give_the_same_statistics(make):
    model, _, history = run(make(), batch_size=20, shuffle=False)
    wanted, _, _ = run(X, batch_size=20, shuffle=False)
    assert len(history.history["loss"]) == 2
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "batches"])
def test_two_inputs(kind):
    data = {
        "list": [X, 2 * X],
        "tuple": (X, 2 * X),
        "dict": {"a": X, "b": 2 * X},
        "batches": [([X[s : s + 20], 2 * X[s : s + 20]], Y[:20]) for s in (0, 20, 40)],
    }
    options = {"x": [X, 2 * X], "batch_size": 20, "shuffle": False}
    model, _, _ = run(data[kind], two_inputs(), **options)
    wanted, _, _ = run(data["dict"], two_inputs(), **options)
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.any_backend
@pytest.mark.parametrize("start, epochs", [(3, 3), (5, 3), (1, 1)])
def test_a_start_that_the_run_does_not_reach_is_refused(start, epochs):
    with pytest.raises(ValueError, match=f"start_from_epoch={start}, epochs={epochs}"):
        run(X, start=start, epochs=epochs)


class StopAfter(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def test_a_run_that_was_stopped_before_any_epoch_counted_says_so():
    with pytest.warns(UserWarning, match="averaged no epoch: the run ended after 1"):
        _, swa, history = run(X, start=2, epochs=5, beside=[StopAfter()])
    assert swa.averaged_epochs == 0 and len(history.history["loss"]) == 1


def test_data_that_break_later_leave_the_history_and_the_last_weights():
    def breaks():
        yield X[:20]
        raise OSError("the disk is gone")

    record = Record()
    with pytest.warns(UserWarning, match="could not measure .* OSError: 'the disk is gone'"):
        model, swa, history = run(breaks(), before=[record])
    assert len(history.history["loss"]) == 2
    for a, b in zip(model.trainable_variables, record.seen[-1], strict=True):
        np.testing.assert_array_equal(np.array(a), b)
    swa.refresh_data = X
    swa.on_train_end()
    wanted = np.mean([w[0] for w in record.seen], axis=0)
    np.testing.assert_allclose(np.array(model.trainable_variables[0]), wanted, atol=1e-6)


ODD = {
    "not finite": (np.where(np.arange(60)[:, None] == 41, np.nan, X), 32, "NaN or infinity in"),
    "one row": (X[:1], 32, "1 batches of one row. Set a larger `batch_size`"),
    "rows one by one": (X, 1, "60 batches of one row"),
}


@pytest.mark.slow
@pytest.mark.parametrize("data, size, words", ODD.values(), ids=ODD)
def test_statistics_that_are_none_are_not_given_to_the_model(data, size, words):
    record, model = Record(), net()
    swa = StochasticWeightAveraging(0, data, batch_size=size)
    with pytest.warns(UserWarning, match=f"could not measure .*{words}"):
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[record, swa])
    for a, b in zip(model.trainable_variables, record.seen[-1], strict=True):
        np.testing.assert_array_equal(np.array(a), b)
    assert np.isfinite(model.predict(X, verbose=0)).all()


@pytest.mark.parametrize(
    "data", [3, True, "abc", b"x", np.float32(3), keras.Model, lambda: X, np.ma.masked_less(X, 0)]
)
def test_data_that_are_none_are_refused_when_it_is_made(data):
    with pytest.raises(ValueError, match="`refresh_data` must"):
        StochasticWeightAveraging(0, data)


BEST = {"monitor": "loss", "mode": "min", "restore_best_weights": True, "patience": 9}
ORDERS = {
    "keras": (lambda: keras.callbacks.EarlyStopping(**BEST), "Put EarlyStopping before it"),
    "ours": (lambda: EarlyStopping(**BEST), "Put EarlyStopping before it"),
    "twice": (lambda: StochasticWeightAveraging(0, X), "Use one"),
    "ema": (lambda: SwapEMAWeights(swap_on_epoch=True), "Use one average of the two"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("make, words", ORDERS.values(), ids=ORDERS)
def test_what_would_throw_the_average_away_is_refused(make, words):
    with pytest.raises(ValueError, match=f"must keep the average .*{words}"):
        run(X, beside=[make()])


@pytest.mark.any_backend
@pytest.mark.parametrize("restore", [True, False])
def test_beside_what_leaves_the_average_alone(restore):
    stopping = EarlyStopping(**{**BEST, "restore_best_weights": restore})
    place = "before" if restore else "beside"
    model, swa, _ = run(X, epochs=3, **{place: [stopping]})
    for variable, mean in zip(model.trainable_variables, swa.get_state()["means"], strict=True):
        np.testing.assert_allclose(np.array(variable), mean, atol=1e-6)


def test_fit_many_refuses_the_order_too():
    callbacks = [StochasticWeightAveraging(0, X), EarlyStopping(**BEST)]
    with pytest.raises(ValueError, match="Put EarlyStopping before it"):
        fit_many([net()], X, Y, epochs=2, verbose=0, callbacks=[callbacks])
