"""`fit_many` calls callbacks as `fit` does, and loses nothing when it is interrupted."""

import warnings

import keras
import numpy as np
import pytest
from many_cases import (
    CLASSES,
    ROWS,
    TABLE,
    TOKENS,
    assert_same,
    assert_same_history,
    dense,
    embedding,
    fit_reference,
    make,
    mixed_layers,
    own_layer,
)

from coursekit.training import fit_many


class Recorder(keras.callbacks.Callback):
    """Writes down what it sees: hook, logs, weights."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, hook, logs):
        weights = [w.copy() for w in self.model.get_weights()]
        self.seen.append((hook, dict(logs or {}), weights))

    def on_train_begin(self, logs=None):
        self.note("train_begin", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.note(f"begin {epoch}", logs)

    def on_epoch_end(self, epoch, logs=None):
        self.note(f"end {epoch}", logs)

    def on_train_end(self, logs=None):
        self.note("train_end", logs)


class Everything(Recorder):
    def on_test_begin(self, logs=None):
        self.note("test_begin", logs)

    def on_test_end(self, logs=None):
        self.note("test_end", logs)


def several(kind, path):
    c = keras.callbacks
    return {
        "record": lambda: [Recorder()],
        "test_hooks": lambda: [Everything()],
        "early": lambda: [c.EarlyStopping(patience=1, restore_best_weights=True)],
        "rates": lambda: [
            c.ReduceLROnPlateau(patience=1, factor=0.5),
            c.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ],
        "checkpoint": lambda: [c.ModelCheckpoint(path, save_best_only=True)],
        "swap": lambda: [c.SwapEMAWeights(swap_on_epoch=True)],
        "batch": lambda: [c.LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
        "nan": lambda: [c.TerminateOnNaN()],
    }[kind]()


KINDS = ["record", "test_hooks", "early", "rates", "checkpoint", "swap", "batch", "nan"]


CASES = [(kind, mixed_layers) for kind in KINDS] + [("record", own_layer), ("early", own_layer)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "layers"), CASES)
def test_callbacks(kind, layers, tmp_path):
    x = layers()[0]
    held = (x[20:], CLASSES[20:])
    rows = [np.arange(15), np.arange(20)]

    def build(k):
        optimizer = (
            (lambda: keras.optimizers.Adam(0.1, use_ema=True))
            if kind == "swap"
            else (lambda: keras.optimizers.Adam(0.3))
        )
        return make(layers, k, optimizer)

    ours = [build(k) for k in range(2)]
    used = [several(kind, str(tmp_path / f"ours{k}.keras")) for k in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if kind in ("batch", "nan") else "error", UserWarning)
        histories = fit_many(
            ours, x, CLASSES, rows=rows, validation_data=held, epochs=4, batch_size=8,
            callbacks=lambda k: used[k], verbose=0,
        )  # fmt: skip
    for k in (1,) if layers is own_layer else (0, 1):
        theirs = build(k)
        expected = several(kind, str(tmp_path / f"theirs{k}.keras"))
        history = fit_reference(theirs, (x, CLASSES), rows[k], k, 4, 8, expected, held)
        assert_same(ours[k], theirs, 1e-5)
        assert_same_history(histories[k], history, 1e-4)
        if isinstance(expected[0], Recorder):
            for a, b in zip(used[k][0].seen, expected[0].seen, strict=True):
                assert a[0] == b[0] and list(a[1]) == list(b[1])
                for left, right in zip(a[2], b[2], strict=True):
                    np.testing.assert_allclose(left, right, atol=1e-5)
        if kind == "checkpoint":
            a = keras.models.load_model(tmp_path / f"ours{k}.keras").get_weights()
            b = keras.models.load_model(tmp_path / f"theirs{k}.keras").get_weights()
            for left, right in zip(a, b, strict=True):
                np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_each_model_stops_alone():
    stop = keras.callbacks.LambdaCallback
    models = [make(dense, k) for k in range(3)]

    def callbacks(k):
        if k == 2:
            return []
        return [stop(on_epoch_end=lambda e, logs: setattr(models[k], "stop_training", e == k))]

    histories = fit_many(models, TABLE, CLASSES, epochs=4, callbacks=callbacks, verbose=0)
    assert [len(h.epoch) for h in histories] == [1, 2, 4]
    for k, epochs in enumerate([1, 2, 4]):
        theirs = make(dense, k)
        fit_reference(theirs, (TABLE, CLASSES), np.arange(ROWS), k, epochs, 32)
        assert_same(models[k], theirs)


@pytest.mark.slow
def test_an_interrupt_in_a_callback_leaves_no_model_ahead_of_its_history():
    """All models have trained the epoch when the first one's callback is interrupted."""

    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    models = [make(dense, k) for k in range(3)]
    callbacks = [[keras.callbacks.LambdaCallback(on_epoch_end=interrupt)], [], []]
    with pytest.warns(UserWarning, match="interrupted after 2 to 2 of 5 epochs"):
        histories = fit_many(models, TABLE, CLASSES, epochs=5, callbacks=callbacks, verbose=0)
    for k, history in enumerate(histories):
        theirs = make(dense, k)
        fit_reference(theirs, (TABLE, CLASSES), np.arange(ROWS), k, 2, 32)
        assert_same(models[k], theirs)
        assert [len(values) for values in history.history.values()] == [2] * len(history.history)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [dense, own_layer])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_finished_is_kept(layers, error):
    def fail(epoch, logs):
        if epoch == 1:
            raise error("now")

    def callbacks(k):
        return [keras.callbacks.LambdaCallback(on_epoch_end=fail)] if k == 2 else []

    x = layers()[0]
    models = [make(layers, k) for k in range(3)]
    settings = {"epochs": 5, "callbacks": callbacks, "verbose": 0}
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted after 2 to 2 of 5 epochs"):
            histories = fit_many(models, x, CLASSES, **settings)
        assert all(history.params["interrupted"] for history in histories)
    else:
        with pytest.raises(RuntimeError, match="now"):
            fit_many(models, x, CLASSES, **settings)
    entered = 2 if error is KeyboardInterrupt else 1  # an error ends as one in `fit` does
    assert [len(model.history.epoch) for model in models] == [2, 2, entered]
    for k in (0, 2):
        theirs = make(layers, k)
        fit_reference(theirs, (x, CLASSES), np.arange(ROWS), k, 2, 32)
        assert_same(models[k], theirs)


@pytest.mark.slow
def test_an_error_inside_an_epoch_brings_models_back_to_its_start():
    tokens = TOKENS.copy()
    tokens[20, 0] = 99  # no such row in the embedding: the CPU kernel refuses it
    for models in ([make(embedding, k) for k in range(2)], [make(embedding, 0)]):
        before = [[w.copy() for w in model.get_weights()] for model in models]
        with pytest.raises(Exception, match="99"):
            fit_many(models, tokens, CLASSES, batch_size=4, shuffle=False, verbose=0)
        for model, weights in zip(models, before, strict=True):
            for a, b in zip(model.get_weights(), weights, strict=True):
                np.testing.assert_array_equal(a, b)
