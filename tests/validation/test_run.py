"""What reaches `fit`: rows, weights, callbacks."""

import logging
import warnings

import keras
import numpy as np
import pytest
from crossed import BINARY, RNG, X, Y, builder, run
from sklearn.preprocessing import FunctionTransformer


@pytest.mark.slow
@pytest.mark.any_backend
def test_a_fold_equals_fit_on_its_rows():
    build = builder(optimizer=lambda: keras.optimizers.Adam(0.05), metrics=["mae"])
    starts = []

    def build_model():
        model = build()
        starts.append(model.get_weights())
        return model

    fit = {"epochs": 3, "batch_size": 16, "shuffle": False}
    result = run(build_model, fit_kwargs=fit)
    for start, history, (train, side) in zip(starts, result.histories, result.folds, strict=True):
        model = build()
        model.set_weights(start)
        seen = model.fit(X[train], Y[train], validation_data=(X[side], Y[side]), verbose=0, **fit)
        np.testing.assert_allclose(model.predict(X[side], verbose=0)[:, 0],
                                   result.predictions[side], atol=1e-5)  # fmt: skip
        assert set(history) == set(seen.history)
        for name, curve in seen.history.items():
            np.testing.assert_allclose(history[name], curve, atol=1e-4)


@pytest.mark.slow
def test_weights_of_rows_and_classes_are_passed_on():
    ones = keras.initializers.Zeros()

    def build_model():
        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(1, activation="sigmoid", kernel_initializer=ones),
            ]
        )
        model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
        return model

    fit = {"epochs": 5, "shuffle": False}
    plain = run(build_model, y=BINARY, fit_kwargs=fit)
    by_class = run(build_model, y=BINARY, fit_kwargs={**fit, "class_weight": {0: 1.0, 1: 3.0}})
    weights = np.where(BINARY == 1, 3.0, 1.0)
    by_row = run(build_model, y=BINARY, fit_kwargs={**fit, "sample_weight": weights})
    np.testing.assert_allclose(by_class.predictions, by_row.predictions, atol=1e-6)
    assert by_class.predictions.mean() > plain.predictions.mean() + 0.05
    scaled = run(build_model, y=BINARY, fit_kwargs={**fit, "sample_weight": weights},
                 preprocess=FunctionTransformer())  # fmt: skip
    np.testing.assert_allclose(scaled.predictions, by_row.predictions, atol=1e-6)


def test_callbacks_are_made_for_each_fold():
    made = []

    def callbacks(fold):
        made.append(fold)
        return [keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=fold)]

    result = run(fit_kwargs={"epochs": 9, "callbacks": callbacks})
    assert sorted(made) == [0, 1, 2]
    lengths = [len(history["loss"]) for history in result.histories]
    assert lengths[1:] == [2, 3] and lengths[0] <= 2


@pytest.mark.slow
def test_stopping_by_the_rows_that_score_is_called_a_leak():
    def callbacks():
        return [keras.callbacks.EarlyStopping(patience=1)]

    with pytest.warns(UserWarning, match=r"EarlyStopping watches 'val_loss'.*validation_split"):
        run(fit_kwargs={"epochs": 2, "callbacks": callbacks})
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".* watches ")
        fit = {"epochs": 2, "callbacks": callbacks, "validation_split": 0.2}
        result = run(fit_kwargs=fit)
    assert "val_loss" in result.histories[0]
    assert [len(train) for train, _ in result.folds] == [40, 40, 40]


def test_the_warning_of_a_leak_comes_once():
    def callbacks():
        return [keras.callbacks.EarlyStopping(patience=1)]

    with pytest.warns(UserWarning) as told:
        run(fit_kwargs={"epochs": 2, "callbacks": callbacks}, cv=5)
    assert sum("EarlyStopping watches" in str(w.message) for w in told) == 1


@pytest.mark.slow
def test_tensorflow_says_nothing_of_retracing(caplog):
    def build_model():
        model = keras.Sequential([keras.Input((4, 1)), keras.layers.LSTM(2), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        run(build_model, RNG.normal(size=(24, 4, 1)), np.arange(24.0), cv=6)
    finally:
        logger.removeHandler(caplog.handler)
    assert not [r for r in caplog.records if "retracing" in r.getMessage()]


@pytest.mark.parametrize("made", [None, 3, keras.callbacks.EarlyStopping()])
def test_callbacks_that_are_no_list_are_refused(made):
    with pytest.raises(TypeError, match="must return a list of Keras callbacks"):
        run(fit_kwargs={"callbacks": lambda: made})
