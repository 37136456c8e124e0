"""Preprocessing inside the folds, tables, several inputs."""

import warnings
from typing import ClassVar

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import X, Y, builder, run
from sklearn import model_selection
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


class Spy(TransformerMixin, BaseEstimator):
    seen: ClassVar = []  # of all copies

    def fit(self, x, y=None):
        Spy.seen.append(("fit", np.asarray(x)[:, 0].copy(), y))
        return self

    def transform(self, x):
        Spy.seen.append(("transform", np.asarray(x)[:, 0].copy()))
        return np.asarray(x)


def test_preprocessing_is_fitted_inside_the_fold(untrained):
    Spy.seen.clear()
    spy = Spy()
    result = run(preprocess=spy, cv=4)
    fits = [entry for entry in Spy.seen if entry[0] == "fit"]
    assert len(fits) == 4 and len(Spy.seen) == 12
    for (_, x, y), (train, _) in zip(fits, result.folds, strict=True):
        np.testing.assert_array_equal(x, X[train, 0])
        np.testing.assert_array_equal(y, Y[train])


def test_preprocessing_does_not_see_the_rows_that_watch(untrained):
    Spy.seen.clear()
    result = run(preprocess=Spy(), fit_kwargs={"validation_split": 0.25})
    for (_, x, _), (train, _) in zip(
        [e for e in Spy.seen if e[0] == "fit"], result.folds, strict=True
    ):
        assert len(x) == 30 and set(x) < set(X[train, 0])


@pytest.mark.parametrize("form", ["transformer", "function", "pipeline"])
def test_scaling_inside_the_fold_equals_scikit_learn(form):
    x = X * [1, 50, 1000] + [0, 7, -300]

    def scale(x_train, y_train):
        scaler = StandardScaler().fit(x_train)
        return scaler.transform

    preprocess = {
        "transformer": StandardScaler(), "function": scale,
        "pipeline": make_pipeline(FunctionTransformer(), StandardScaler()),
    }[form]  # fmt: skip
    build = builder(optimizer=lambda: keras.optimizers.SGD(0.2))
    result = run(build, x, preprocess=preprocess, fit_kwargs={"epochs": 120, "batch_size": 64})
    theirs = model_selection.cross_validate(
        make_pipeline(StandardScaler(), LinearRegression()), x, Y, cv=3, scoring="r2"
    )
    np.testing.assert_allclose(result.scores["r2"], theirs["test_score"], atol=1e-4)


def test_takes_a_table(untrained):
    table = pd.DataFrame({"a": X[:, 0], "kind": np.tile(["x", "y", "z"], 20)})
    table.index = np.arange(60)[::-1] * 3  # an index that is no row number
    columns = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["kind"]))
    result = run(builder(width=4), table, pd.Series(Y, index=table.index), preprocess=columns)
    assert np.isfinite(result.predictions).all()
    with pytest.raises(TypeError, match=r"must get numbers.*make_column_transformer"):
        run(builder(width=2), table)
    plain = run(builder(width=1), table[["a"]])
    np.testing.assert_array_equal(plain.predictions, run(builder(width=1), X[:, :1]).predictions)


@pytest.mark.slow
def test_columns_may_differ_from_fold_to_fold():
    def build_model():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    calls = []

    def preprocess(x_train, y_train):
        calls.append(0)
        return lambda x: x[:, : len(calls)]

    result = run(build_model, preprocess=preprocess)
    assert len(calls) == 3 and np.isfinite(result.predictions).all()


@pytest.mark.slow
def test_takes_several_inputs():
    def build_model():
        a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
        model = keras.Model(
            {"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.concatenate([a, b]))
        )
        model.compile("sgd", "mse")
        return model

    x = {"a": X[:, :2], "b": X[:, 2:]}
    assert np.isfinite(run(build_model, x).predictions).all()
    double = run(build_model, x, preprocess=lambda x_train, y_train: lambda x: dict(x))
    assert np.isfinite(double.predictions).all()


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(t)])
def test_a_fitted_preprocessor_is_told_and_copied(wrap, untrained):
    fitted = wrap(StandardScaler().fit(X * 100))
    with pytest.warns(UserWarning, match=r"fitted already.*has seen validation rows"):
        result = run(preprocess=fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = run(preprocess=wrap(StandardScaler()))
        run(preprocess=FunctionTransformer())  # needs no fit: never fitted
    np.testing.assert_array_equal(result.predictions, fresh.predictions)
