"""Scorers: names, functions, lists and dicts."""

import functools

import keras
import numpy as np
import pytest
from crossed import BINARY, CE, RNG, THREE, Y, builder, run
from sklearn import metrics, model_selection


def test_scoring_takes_names_functions_lists_and_dicts(untrained):
    def worst(estimator, x, y):
        assert isinstance(estimator.model, keras.Model)
        return -np.abs(estimator.predict(x) - y).max()

    assert list(run(scoring=None).scores) == ["r2"]
    assert list(run(scoring=worst).scores) == ["worst"]
    assert list(run(scoring=["r2", worst]).scores) == ["r2", "worst"]
    mae = metrics.make_scorer(metrics.mean_absolute_error, greater_is_better=False)
    result = run(scoring={"a": "neg_mean_absolute_error", "b": mae})
    np.testing.assert_array_equal(result.scores["a"], result.scores["b"])


def test_outputs_with_more_axes_take_a_function():
    def build_model():
        model = keras.Sequential([keras.Input((3, 2)), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    x = RNG.normal(size=(20, 3, 2)).astype("float32")

    def loss(estimator, x, y):
        return float(((estimator.predict(x) - y) ** 2).mean())

    result = run(build_model, x, x, scoring=loss)
    assert result.task == "other" and result.predictions.shape == (20, 3, 2)
    with pytest.raises(ValueError, match=r"`scoring` must be given.*Received: None"):
        run(build_model, x, x)
    with pytest.raises(ValueError, match=r"one target a row"):
        run(build_model, x, x, scoring="r2")


def test_a_scorer_that_fails_in_a_fold_is_nan_there(untrained):
    y = np.repeat([0, 1, 2], 20)  # unshuffled folds: one class in each
    with pytest.warns(UserWarning, match=r"`neg_log_loss` is NaN in fold 0, 1, 2"):
        result = run(builder(3, CE(from_logits=True)), y=y, cv=model_selection.KFold(3),
                     scoring=["accuracy", "neg_log_loss"])  # fmt: skip
    assert np.isnan(result.scores["neg_log_loss"]).all()
    assert np.isfinite(result.scores["accuracy"]).all()
    assert np.isfinite(metrics.log_loss(y, result.predictions))


@pytest.mark.slow
def test_recurrent_models():
    def build_model():
        model = keras.Sequential([keras.Input((4, 1)), keras.layers.LSTM(2), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    result = run(build_model, RNG.normal(size=(20, 4, 1)), np.arange(20.0), cv=2)
    assert np.isfinite(result.predictions).all()


NATURAL = {
    "mse": ("regression", "neg_mean_squared_error"),
    "MSE": ("regression", "neg_mean_squared_error"),
    "mean_squared_error": ("regression", "neg_mean_squared_error"),
    "rmse": ("regression", "neg_root_mean_squared_error"),
    "mae": ("regression", "neg_mean_absolute_error"),
    "mape": ("regression", "neg_mean_absolute_percentage_error"),
    "r2_score": ("regression", "r2"),
    "explained variance": ("regression", "explained_variance"),
    "neg_mean_squred_error": ("regression", "neg_mean_squared_error"),
    "auc": ("binary", "roc_auc"),
    "AUC": ("binary", "roc_auc"),
    "roc-auc": ("binary", "roc_auc"),
    "acc": ("binary", "accuracy"),
    "val_accuracy": ("binary", "accuracy"),
    "acuracy": ("binary", "accuracy"),
    "f1_score": ("binary", "f1"),
    "log_loss": ("binary", "neg_log_loss"),
    "binary_crossentropy": ("binary", "neg_log_loss"),
    "f1_scores": ("classification", "f1_macro"),
    "auroc": ("classification", "roc_auc_ovr"),
}
BUILDERS = {
    "regression": (builder(), Y),
    "binary": (builder(loss="binary_crossentropy", activation="sigmoid"), BINARY),
    "classification": (builder(3, "sparse_categorical_crossentropy", "softmax"), THREE),
}


@pytest.mark.parametrize("name", NATURAL)
def test_a_natural_name_is_told_the_right_one(name, untrained):
    task, meant = NATURAL[name]
    build, y = BUILDERS[task]
    with pytest.raises(ValueError, match=f"scoring='{name}'. Did you mean '{meant}'?") as told:
        run(build, y=y, scoring=["accuracy", name] if task != "regression" else name)
    assert len(str(told.value)) < 250
    assert meant in run(build, y=y, scoring=meant).scores


@pytest.mark.parametrize("name, meant", [("f1", "f1_macro"), ("precision", "precision_macro"),
                                         ("recall", "recall_macro"), ("jaccard", "jaccard_macro"),
                                         ("roc_auc", "roc_auc_ovr")])  # fmt: skip
def test_a_scorer_of_two_classes_is_told_the_one_of_several(name, meant, untrained):
    build, y = BUILDERS["classification"]
    with pytest.raises(ValueError, match=rf"'{name}' for classification.*Take '{meant}'\."):
        run(build, y=y, scoring=name)
    assert meant in run(build, y=y, scoring=meant).scores


def my_metric(y_true, y_pred):
    return 0.0


KERAS = {
    "object": (keras.metrics.AUC(), "AUC of Keras.*'roc_auc'"),
    "class": (keras.metrics.MeanSquaredError, "MeanSquaredError.*'neg_mean_squared_error'"),
    "function": (keras.metrics.mean_squared_error, "'neg_mean_squared_error'"),
    "loss": (keras.losses.MeanAbsoluteError(), "'neg_mean_absolute_error'"),
    "in a list": (["r2", keras.metrics.AUC()], "AUC of Keras"),
    "in a dict": ({"a": keras.metrics.AUC}, "AUC of Keras"),
}


@pytest.mark.parametrize("name", KERAS)
def test_metrics_of_keras_are_refused_with_a_way_out(name, untrained):
    scoring, words = KERAS[name]
    with pytest.raises(TypeError, match=words):
        run(scoring=scoring)


METRICS = {
    "scikit-learn's": metrics.mean_squared_error,
    "another of scikit-learn's": metrics.accuracy_score,
    "own": my_metric,
    "lambda": lambda y_true, y_pred: 0.0,
    "of other names": lambda a, b: 0.0,
    "with weights": lambda y_true, y_pred, sample_weight=None: 0.0,
    "of one": lambda model: 0.0,
    "partial": functools.partial(metrics.fbeta_score, beta=2),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_in_the_place_of_a_scorer_is_refused(name, untrained):
    for scoring in (METRICS[name], [METRICS[name], "r2"], {"a": METRICS[name]}):
        with pytest.raises(ValueError, match=r"more is better.*make_scorer\("):
            run(scoring=scoring)


def test_a_scorer_of_errors_is_negative(untrained):
    error = metrics.make_scorer(metrics.mean_squared_error, greater_is_better=False)
    assert run(scoring={"error": error}).scores["error"].max() < 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, None, "text"])
def test_a_scorer_that_returns_no_number_is_nan_with_a_warning(value, untrained):
    def odd(estimator, x, y):
        return value

    with pytest.warns(UserWarning, match=r"`odd` is NaN in fold 0, 1, 2: ") as told:
        result = run(scoring=odd)
    assert np.isnan(result.scores["odd"]).all() and np.isnan(result.mean["odd"])
    assert len(told) == 1 and "larger" not in str(told[0].message)


def test_larger_folds_are_advised_where_a_class_is_missing(untrained):
    build, _ = BUILDERS["binary"]
    folds = [(np.arange(30), np.flatnonzero(BINARY[30:]) + 30), (np.arange(30, 60), np.arange(30))]
    with pytest.warns(UserWarning, match=r"`roc_auc` is NaN in fold 0: .*class is missing.*larger"):
        result = run(build, y=BINARY, cv=folds, scoring="roc_auc")
    assert list(np.isnan(result.scores["roc_auc"])) == [True, False]
