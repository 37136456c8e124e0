"""Arguments that are wrong are refused before any training."""

import inspect

import keras
import numpy as np
import pytest
from crossed import BCE, BINARY, X, Y, builder, run
from sklearn import metrics, model_selection
from sklearn.preprocessing import StandardScaler

from coursekit.validation import _run as validation_run
from coursekit.validation import bias_variance, compare, cross_validate, nested_cross_validate

BAD = {
    "cv=1": ({"cv": 1}, ValueError, "from 2 to the number of rows, 60. Received: cv=1"),
    "cv=61": ({"cv": 61}, ValueError, "Received: cv=61"),
    "cv=True": ({"cv": True}, TypeError, "Received: cv=True"),
    "cv=name": ({"cv": "kfold"}, TypeError, "Received: cv='kfold'"),
    "cv=class": ({"cv": model_selection.KFold}, TypeError, r"Write KFold\(...\)"),
    "cv=[]": ({"cv": []}, ValueError, "at least one split"),
    "cv=overlap": ({"cv": [([1, 2], [2, 3])]}, ValueError, "1 rows on both sides of split 0"),
    "cv=outside": ({"cv": [([1], [60])]}, ValueError, "from 0 to 59. Received: 60 to 60"),
    "cv=negative": ({"cv": [([1], [-1])]}, ValueError, "Received: -1 to -1"),
    "cv=mask": ({"cv": [(X[:, 0] > 0, X[:, 0] <= 0)]}, ValueError, "flatnonzero"),
    "cv=empty": ({"cv": [([], [1])]}, ValueError, "train side.*not empty"),
    "cv=flat": ({"cv": [1, 2]}, ValueError, "must be a pair"),
    "seed": ({"seed": -1}, ValueError, "seed=-1"),
    "seed=None": ({"seed": None}, ValueError, "seed=None"),
    "verbose": ({"verbose": 5}, ValueError, "verbose=5"),
    "builder": ({"build": 3}, TypeError, "Received: 3"),
    "builder of two": ({"build": lambda a, b: 0}, TypeError, r"one of \(a, b\)"),
    "builder of none": ({"build": lambda: None}, TypeError, "NoneType. Does it end in"),
    "not compiled": (
        {"build": lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])},
        ValueError, "must return a compiled model"),
    "ragged": ({"x": [[1.0, 2.0], [3.0]] * 30}, TypeError, "rows of equal length"),
    "names": ({"y": np.array(["a", "b"] * 30)}, TypeError, "such as 'a'.*factorize"),
    "preprocess class": ({"preprocess": StandardScaler}, TypeError, r"StandardScaler\(\)"),
    "preprocess layer": (
        {"preprocess": keras.layers.Normalization()}, TypeError, "Keras layer.*adapt"),
    "preprocess of one": ({"preprocess": lambda x: x}, TypeError, r"a function of \(x\)"),
    "preprocess=3": ({"preprocess": 3}, TypeError, "function of x. Received: 3"),
    "preprocess drops rows": (
        {"preprocess": lambda x, y: lambda x: x[1:]}, ValueError, "must keep the rows"),
    "fit verbose": ({"fit_kwargs": {"verbose": 0}}, ValueError, "Pass verbose to cross_validate"),
    "fit data": ({"fit_kwargs": {"validation_data": 0}}, ValueError, "Each fold's validation"),
    "fit typo": ({"fit_kwargs": {"epoch": 3}}, ValueError, "Received: 'epoch'"),
    "epochs": ({"fit_kwargs": {"epochs": 0}}, ValueError, "epochs=0"),
    "batch": ({"fit_kwargs": {"batch_size": 1.5}}, ValueError, "batch_size=1.5"),
    "shuffle": ({"fit_kwargs": {"shuffle": "batch"}}, ValueError, "shuffle='batch'"),
    "callback list": ({"fit_kwargs": {"callbacks": []}}, TypeError, "callbacks=lambda"),
    "weights": ({"fit_kwargs": {"sample_weight": [1, 2]}}, ValueError, r"shape \(2,\)"),
    "both weights": (
        {"fit_kwargs": {"sample_weight": np.ones(60), "class_weight": {0: 1}}}, ValueError,
        "exclude each other"),
    "class weight": (
        {"fit_kwargs": {"class_weight": {0: 1}}}, ValueError, "must be a dict {class.*regression"),
    "share": ({"fit_kwargs": {"validation_split": 1.0}}, ValueError, "below 1"),
    "scorer": ({"scoring": "mse"}, ValueError, "mean 'neg_mean_squared_error'"),
    "scorer for classes": ({"scoring": "accuracy"}, ValueError, "'accuracy' for regression"),
    "metric": ({"scoring": metrics.r2_score}, ValueError, "make_scorer"),
    "scorers": ({"scoring": []}, ValueError, r"Received: scoring=\[\]"),
    "twice": ({"scoring": ["r2", "r2"]}, ValueError, "each named once"),
    "scoring=3": ({"scoring": 3}, ValueError, "scoring=3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_before_training(name, monkeypatch):
    options, error, message = BAD[name]
    monkeypatch.setattr(validation_run, "fit_all", lambda *a, **k: pytest.fail("trained"))
    with pytest.raises(error, match=message):
        run(**options)


def test_weights_of_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"from 0, 1. Received: 2"):
        run(builder(loss=BCE(from_logits=True)), y=BINARY,
            fit_kwargs={"class_weight": {0: 1, 2: 3}})  # fmt: skip


CALLS = {
    "epochs": (
        cross_validate,
        5,
        r'takes build_model.*=5.*fit_kwargs=\{"epochs": 5',
    ),
    "batch_size": (cross_validate, 5, r'fit_kwargs=\{"batch_size"'),
    "callbacks": (cross_validate, [], r'fit_kwargs=\{"callbacks": lambda'),
    "validation_split": (cross_validate, 0.1, r'fit_kwargs=\{"validation_split"'),
    "class_weight": (cross_validate, {}, r'fit_kwargs=\{"class_weight"'),
    "sample_weight": (cross_validate, X, r'fit_kwargs=\{"sample_weight"'),
    "scorring": (cross_validate, "r2", "Did you mean 'scoring'"),
    "n_splits": (cross_validate, 5, "cv=5"),
    "random_state": (cross_validate, 5, "seed="),
    "nonsense": (cross_validate, 5, "Received: nonsense=5"),
    "epoch": (nested_cross_validate, 5, "Received: epoch=5"),
    "shuffle": (nested_cross_validate, True, r'fit_kwargs=\{"shuffle"'),
    "fit_kwargs": (bias_variance, {"epochs": 5}, "epochs=... and batch_size"),
    "refit": (bias_variance, 5, "Did you mean 'refits'"),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_that_is_none_is_told_its_place(name):
    function, value, words = CALLS[name]
    with pytest.raises(TypeError, match=words) as told:
        function(builder(), X, Y, **{name: value})
    assert len(str(told.value)) < 500


def test_signatures_stay_to_be_read():
    parameters = inspect.signature(cross_validate).parameters
    assert "fit_kwargs" in parameters and cross_validate.__name__ == "cross_validate"
    for function in (cross_validate, nested_cross_validate, bias_variance, compare):
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.annotation is not parameter.empty, (function, parameter)


@pytest.mark.parametrize(
    "weights, words",
    [
        ({0: None}, r"`class_weight\[0\]` must be a number at least 0. .*None"),
        ({0: np.nan}, "nan"), ({1: np.inf}, "inf"), ({0: -1.0}, "-1.0"), ({0: "2"}, "'2'"),
        ({0: True}, "True"), ({2: 1.0}, "classes from 0, 1. Received: 2"),
        ({"a": 1.0}, "Received: 'a'"), ({"0": 1.0}, "Received: '0'"), ({None: 1.0}, "None"),
        ("balanced", "must be a dict.*compute_class_weight"), ([1, 2], r"must be a dict.*\[1, 2\]"),
    ],
)  # fmt: skip
def test_class_weights_that_are_none_are_refused(weights, words, untrained):
    with pytest.raises(ValueError, match=words):
        run(builder(loss=BCE(from_logits=True)), y=BINARY, fit_kwargs={"class_weight": weights})


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, np.int64(0), 0.0])
def test_class_weights_of_every_kind_of_number_are_taken(key):
    build = builder(loss=BCE(from_logits=True))
    found = run(build, y=BINARY, fit_kwargs={"class_weight": {key: np.float32(2), 1: 1}})
    plain = run(build, y=BINARY, fit_kwargs={"class_weight": {0: 2.0, 1: 1.0}})
    np.testing.assert_array_equal(found.predictions, plain.predictions)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_integers_of_every_kind_are_taken(kind):
    fit = {"epochs": kind(2), "batch_size": kind(16)}
    found = run(cv=kind(3), seed=kind(1), fit_kwargs=fit)
    plain = run(cv=3, seed=1, fit_kwargs={"epochs": 2, "batch_size": 16})
    np.testing.assert_array_equal(found.predictions, plain.predictions)


def test_a_preprocess_that_returns_an_array_is_told_so(untrained):
    with pytest.raises(TypeError, match=r"return a function of x.*ndarray.*lambda x: ") as told:
        run(preprocess=lambda x_train, y_train: x_train)
    assert len(str(told.value)) < 300
