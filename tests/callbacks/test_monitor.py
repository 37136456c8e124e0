"""What is never recorded is refused before training; what may be recorded is left alone."""

import keras
import numpy as np
import pytest

from coursekit.callbacks import EarlyStopping
from coursekit.training import fit_many
from coursekit.validation import cross_validate

pytestmark = pytest.mark.any_backend
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(axis=1)
SPLIT = {"validation_split": 0.25}


class Epochs(keras.callbacks.Callback):
    """How many epochs have begun."""

    count = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.count += 1


class Adds(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["own"] = 1.0


class OwnStep(keras.Model):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred, sample_weight) | {"own": 1.0}


def net(metrics=None, weighted=None, kind=keras.Model):
    inputs = keras.Input((3,))
    model = kind(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=metrics, weighted_metrics=weighted)
    return model


def two_outputs():
    x = keras.Input((3,))
    model = keras.Model(x, {name: keras.layers.Dense(1, name=name)(x) for name in "ab"})
    model.compile("sgd", "mse", metrics={"a": ["mae"]})
    return model


def trained(model, monitor, before=(), y=Y, **options):
    epochs = Epochs()
    stopping = EarlyStopping(monitor, mode="min", patience=5)
    try:
        model.fit(X, y, epochs=2, verbose=0, callbacks=[epochs, *before, stopping], **options)
    finally:
        trained.epochs = epochs.count


NEVER = {
    "no validation data": (net, "val_loss", {}, "Received: monitor='val_loss'.* validation data"),
    "misspelt": (net, "val_los", SPLIT, "Did you mean 'val_loss'"),
    "a metric not compiled": (net, "val_mae", SPLIT, "'loss' or 'val_loss'"),
    "a metric misspelt": (lambda: net(["mae"]), "val_mea", SPLIT, "Did you mean 'val_mae'"),
    "a metric by another name": (
        lambda: net([keras.metrics.RootMeanSquaredError(name="r")]), "rmse", {}, "'r'"),
    "an output that is not there": (two_outputs, "c_mse", {}, "'a?_?mae'"),
}  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_refused_before_the_first_epoch(name):
    build, monitor, options, words = NEVER[name]
    y = {"a": Y, "b": Y} if build is two_outputs else Y
    with pytest.raises(ValueError, match=f"`monitor` must be .*{words}"):
        trained(build(), monitor, y=y, **options)
    assert trained.epochs == 0


RECORDED = {
    "the loss": (net, "loss", {}),
    "of validation": (net, "val_loss", SPLIT),
    "not in each epoch": (net, "val_loss", {**SPLIT, "validation_freq": 2}),
    "a word": (lambda: net(["mae"]), "val_mae", SPLIT),
    "weighted": (lambda: net(None, ["mse"]), "mse", {}),
    "an object": (lambda: net([keras.metrics.RootMeanSquaredError()]), "root_mean_squared_error",
                  {}),
    "a class's name": (lambda: net(["MeanAbsoluteError"]), "MeanAbsoluteError", {}),
    "a function": (lambda: net([keras.losses.huber]), "huber", {}),
    "by a callback": (net, "own", {"before": [Adds()]}),
    "by a schedule": (net, "learning_rate",
                      {"before": [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)]}),
    "by the model": (lambda: net(kind=OwnStep), "own", {}),
    "the loss of an output": (two_outputs, "b_loss", {}),
    "the metric of an output": (two_outputs, "val_a_mae", SPLIT),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.filterwarnings("ignore:Early stopping conditioned on metric")
def test_what_is_recorded_is_watched(name):
    build, monitor, options = RECORDED[name]
    trained(build(), monitor, y={"a": Y, "b": Y} if build is two_outputs else Y, **options)
    assert trained.epochs == 2


def test_what_only_the_first_epoch_tells():
    """A metric of one's own may have any name: seen after one epoch, not warned of after each."""
    model = net([lambda y_true, y_pred: keras.ops.mean(y_pred)])
    with pytest.raises(ValueError, match=r"`monitor` must be .*Received: monitor='own'"):
        trained(model, "own")
    assert trained.epochs == 1


@pytest.mark.slow
def test_fit_many_and_cross_validate(tmp_path):
    with pytest.raises(ValueError, match=r"`monitor` must be .*validation data"):
        fit_many([net()], X, Y, callbacks=lambda k: [EarlyStopping()], verbose=0)
    fit_many([net()], X, Y, callbacks=lambda k: [EarlyStopping()], validation_data=(X, Y),
             verbose=0)  # fmt: skip
    own = keras.callbacks
    for watch in (
        lambda: own.EarlyStopping("val_mea", mode="min"),
        lambda: own.ReduceLROnPlateau("val_mea", mode="min"),
        lambda: own.ModelCheckpoint(tmp_path / "m.keras", "val_mea", save_best_only=True),
    ):
        with pytest.raises(ValueError, match="Did you mean 'val_mae'"):
            cross_validate(lambda: net(["mae"]), X, Y, 2, verbose=0,
                           fit_kwargs={"callbacks": lambda made=watch: [made()]})  # fmt: skip
