"""Cross-validation against scikit-learn's own, and the guards against leaks."""

import functools
import json
import random
import warnings
import zipfile
from typing import ClassVar

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics, model_selection
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from coursekit import validation
from coursekit.validation import TestVault, VaultOpened, WalkForward, cross_validate
from coursekit.validation import _run as validation_run
from coursekit.validation._splits import hold_out

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5] + 3 + 0.3 * RNG.normal(size=60)).astype("float32")
BINARY = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0).astype("int64")
THREE = (np.digitize(X[:, 0] + 0.3 * RNG.normal(size=60), [-0.5, 0.5])).astype("int64")
CE = keras.losses.SparseCategoricalCrossentropy
BCE = keras.losses.BinaryCrossentropy


def builder(units=1, loss="mse", activation=None, optimizer=None, metrics=None, width=3):
    def build_model():
        layer = keras.layers.Dense(units, activation=activation)
        model = keras.Sequential([keras.Input((width,)), layer])
        own = optimizer() if optimizer else keras.optimizers.SGD(0.05)
        model.compile(own, loss, metrics=metrics)
        return model

    return build_model


def run(build=None, x=X, y=Y, cv=3, **options):
    options.setdefault("verbose", 0)
    return cross_validate(build or builder(), x, y, cv, **options)


@pytest.fixture
def untrained(monkeypatch):
    """Models stay as they were built: for tests of everything around the training."""

    def fit_all(models, *args, **kwargs):
        return [{"loss": [1.0], "val_loss": [2.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)


# Against scikit-learn -------------------------------------------------------------------------


def test_equals_linear_regression():
    names = ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"]
    build = builder(optimizer=lambda: keras.optimizers.SGD(0.1))
    fit = {"epochs": 150, "batch_size": 64}
    cv = model_selection.KFold(4, shuffle=True, random_state=1)
    ours = run(build, cv=cv, fit_kwargs=fit, scoring=names)
    theirs = model_selection.cross_validate(
        LinearRegression(), X, Y, cv=cv, scoring=names, return_train_score=True
    )
    for name in names:
        np.testing.assert_allclose(ours.scores[name], theirs[f"test_{name}"], atol=1e-4)
        np.testing.assert_allclose(ours.train_scores[name], theirs[f"train_{name}"], atol=1e-4)
    predicted = model_selection.cross_val_predict(LinearRegression(), X, Y, cv=cv)
    np.testing.assert_allclose(ours.predictions, predicted, atol=1e-3)
    assert ours.task == "regression" and ours.predictions.shape == (60,)


def exact(head, x, y, splits):
    """A builder whose models have the weights of scikit-learn's logistic regression."""
    units, activation, loss = head

    def build_model(fold):
        train = splits[fold][0]
        theirs = LogisticRegression(max_iter=1000).fit(x[train], y[train])
        w, b = theirs.coef_.T, theirs.intercept_
        if units == 2:
            w, b = np.hstack([-w / 2, w / 2]), np.array([-b[0] / 2, b[0] / 2])
        model = builder(units, loss, activation, width=x.shape[1])()
        model.set_weights([w, b])
        return model

    return build_model


HEADS = {
    "one unit, probability": (1, "sigmoid", "binary_crossentropy"),
    "one unit, logit": (1, None, BCE(from_logits=True)),
    "two units, probabilities": (2, "softmax", "sparse_categorical_crossentropy"),
    "two units, logits": (2, None, CE(from_logits=True)),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("head", HEADS)
def test_binary_scorers_equal_scikit_learn(head, untrained):
    names = ["accuracy", "roc_auc", "neg_log_loss", "average_precision", "f1", "neg_brier_score"]
    cv = model_selection.StratifiedKFold(4)
    splits = list(cv.split(X, BINARY))
    ours = run(exact(HEADS[head], X, BINARY, splits), y=BINARY, cv=4, scoring=names)
    theirs = model_selection.cross_validate(
        LogisticRegression(), X, BINARY, cv=cv, scoring=names, return_train_score=True
    )
    for name in names:
        np.testing.assert_allclose(ours.scores[name], theirs[f"test_{name}"], atol=1e-5)
        np.testing.assert_allclose(ours.train_scores[name], theirs[f"train_{name}"], atol=1e-5)
    predicted = model_selection.cross_val_predict(
        LogisticRegression(), X, BINARY, cv=cv, method="predict_proba"
    )
    predicted = predicted[:, 1] if head.startswith("one") else predicted
    np.testing.assert_allclose(ours.predictions, predicted, atol=1e-5)
    assert ours.task == ("binary" if head.startswith("one") else "classification")


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize("targets", ["numbers", "one-hot", "column"])
def test_multiclass_scorers_equal_scikit_learn(activation, targets, untrained):
    x, y = load_iris(return_X_y=True)
    names = ["accuracy", "roc_auc_ovr", "neg_log_loss", "f1_macro", "balanced_accuracy"]
    cv = model_selection.StratifiedKFold(3)
    one_hot = targets == "one-hot"
    loss = keras.losses.CategoricalCrossentropy if one_hot else CE
    head = 3, activation, loss(from_logits=activation is None)
    given = {"numbers": y, "one-hot": np.eye(3)[y], "column": y[:, None]}[targets]
    ours = run(exact(head, x, y, list(cv.split(x, y))), x, given, scoring=names)
    logistic = LogisticRegression(max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = model_selection.cross_validate(logistic, x, y, cv=cv, scoring=names)
        predicted = model_selection.cross_val_predict(logistic, x, y, cv=cv, method="predict_proba")
    for name in names:
        np.testing.assert_allclose(ours.scores[name], theirs[f"test_{name}"], atol=1e-4)
    np.testing.assert_allclose(ours.predictions, predicted, atol=1e-4)
    np.testing.assert_array_equal(ours.folds[0][1], next(cv.split(x, y))[1])


@pytest.mark.parametrize("low", [-1, 0])
def test_hinge_scores_margins(low, untrained):
    y = np.where(BINARY == 1, 1, low)
    splits = list(model_selection.StratifiedKFold(3).split(X, y))
    head = 1, None, "hinge"
    ours = run(exact(head, X, BINARY, splits), y=y, scoring=["accuracy", "roc_auc"])
    theirs = model_selection.cross_validate(
        LogisticRegression(), X, y, cv=3, scoring=["accuracy", "roc_auc"]
    )
    for name in ours.scores:
        np.testing.assert_allclose(ours.scores[name], theirs[f"test_{name}"], atol=1e-6)
    with pytest.raises(ValueError, match=r"'neg_log_loss' for binary with margins"):
        run(builder(loss="hinge"), y=y, scoring="neg_log_loss")


def test_several_labels(untrained):
    y = np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)
    result = run(builder(2, "binary_crossentropy", "sigmoid"), y=y,
                 scoring=["accuracy", "f1_macro", "roc_auc"])  # fmt: skip
    assert result.task == "multilabel"
    p = result.predictions
    for k, (_, side) in enumerate(result.folds):
        here = y[side]
        assert result.scores["accuracy"][k] == metrics.accuracy_score(here, p[side] > 0.5)
        assert result.scores["roc_auc"][k] == pytest.approx(metrics.roc_auc_score(here, p[side]))


def test_several_outputs_of_a_regression(untrained):
    y = np.stack([Y, -Y], 1)
    result = run(builder(2), y=y)
    side = result.folds[1][1]
    expected = metrics.r2_score(y[side], result.predictions[side])
    assert result.scores["r2"][1] == pytest.approx(expected)


# Splits ---------------------------------------------------------------------------------------

SPLITTERS = {
    "KFold": model_selection.KFold(5),
    "KFold shuffled": model_selection.KFold(5, shuffle=True),
    "StratifiedKFold": model_selection.StratifiedKFold(5),
    "GroupKFold": model_selection.GroupKFold(5),
    "StratifiedGroupKFold": model_selection.StratifiedGroupKFold(5),
    "LeaveOneOut": model_selection.LeaveOneOut(),
    "LeaveOneGroupOut": model_selection.LeaveOneGroupOut(),
    "TimeSeriesSplit": model_selection.TimeSeriesSplit(4),
    "WalkForward": WalkForward(4, window=20, horizon=5, embargo=2),
    "RepeatedKFold": model_selection.RepeatedKFold(n_splits=3, n_repeats=2),
    "RepeatedStratifiedKFold": model_selection.RepeatedStratifiedKFold(n_splits=3, n_repeats=2),
    "ShuffleSplit": model_selection.ShuffleSplit(4, test_size=0.2),
    "PredefinedSplit": model_selection.PredefinedSplit(np.arange(60) % 4 - 1),
    "pairs": [(np.arange(40), np.arange(40, 60)), ([1, 2, 3], [4, 5])],
}


@pytest.mark.parametrize("name", SPLITTERS)
def test_takes_every_splitter(name, untrained):
    cv = SPLITTERS[name]
    groups = np.repeat(np.arange(10), 6) if "Group" in name else None
    build = builder(loss=BCE(from_logits=True))
    result = run(build, y=BINARY, cv=cv, groups=groups, seed=3)
    again = run(build, y=BINARY, cv=cv, groups=groups, seed=3)
    if getattr(cv, "random_state", 0) is not None and name != "pairs":
        expected = list(cv.split(X, BINARY, groups))
        assert len(result.folds) == len(expected)
        for ours, theirs in zip(result.folds, expected, strict=True):
            np.testing.assert_array_equal(ours[1], theirs[1])
    assert [len(train) for train, _ in result.folds] == list(result.table.train_rows)
    for one, other in zip(result.folds, again.folds, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(result.predictions, again.predictions)
    validated = np.unique(np.concatenate([side for _, side in result.folds]))
    seen = np.isfinite(result.predictions)
    np.testing.assert_array_equal(np.flatnonzero(seen), validated)
    assert list(result.table.validation_rows) == [len(side) for _, side in result.folds]


def test_sizes_of_103_rows_in_five_folds(untrained):
    result = run(x=np.ones((103, 3)), y=np.arange(103.0), cv=5)
    assert [len(side) for _, side in result.folds] == [21, 21, 21, 20, 20]
    count = np.bincount(np.concatenate([side for _, side in result.folds]))
    assert (count == 1).all() and len(count) == 103


def test_predictions_are_the_mean_over_repeats(untrained):
    cv = model_selection.RepeatedKFold(n_splits=2, n_repeats=3, random_state=0)
    models = []

    def build_model():
        models.append(builder()())
        return models[-1]

    result = run(build_model, cv=cv)
    total = np.zeros(60)
    for model, (_, side) in zip(models, result.folds, strict=True):
        total[side] += model.predict(X[side], verbose=0)[:, 0]
    np.testing.assert_allclose(result.predictions, total / 3, rtol=1e-5)


def test_leave_one_out_scores_each_row(untrained):
    build = builder(loss=BCE(from_logits=True))
    result = run(build, y=BINARY, cv=model_selection.LeaveOneOut())
    assert len(result.scores["accuracy"]) == 60
    assert result.mean["accuracy"] == np.mean((result.predictions > 0.5) == BINARY)


@pytest.mark.parametrize("options, message", [
    ({"n_splits": 1}, "n_splits=1"), ({"n_splits": True}, "n_splits=True"),
    ({"window": 0}, "window=0"), ({"horizon": 0}, "horizon=0"), ({"embargo": -1}, "embargo=-1"),
    ({"embargo": None}, "embargo=None"), ({"horizon": 2.0}, "horizon=2.0"),
])  # fmt: skip
def test_walk_forward_checks_its_arguments(options, message):
    with pytest.raises(ValueError, match=f"must be a whole number.*Received: {message}"):
        WalkForward(**options)


@pytest.mark.parametrize("window", [None, 12])
@pytest.mark.parametrize("embargo", [0, 3])
def test_walk_forward_goes_forward(window, embargo):
    cv = WalkForward(4, window=window, horizon=6, embargo=embargo)
    folds = list(cv.split(X))
    assert len(folds) == cv.get_n_splits() == 4
    for k, (train, side) in enumerate(folds):
        assert side[0] - train[-1] == embargo + 1 and len(side) == 6
        assert side[0] == 60 - 24 + 6 * k
        assert train[0] == (0 if window is None else train[-1] - 11)
    theirs = model_selection.TimeSeriesSplit(4, max_train_size=window, test_size=6, gap=embargo)
    for ours, other in zip(folds, theirs.split(X), strict=True):
        np.testing.assert_array_equal(ours[0], other[0])
    assert repr(cv) == f"WalkForward(embargo={embargo}, horizon=6, n_splits=4, window={window})"


def test_walk_forward_never_shortens_a_window():
    with pytest.raises(ValueError, match=r"needs 24 rows.*40 before them.*Received: 60 rows"):
        list(WalkForward(4, window=40, horizon=6).split(X))
    with pytest.raises(ValueError, match=r"Received: 3 rows"):
        list(WalkForward(4).split(X[:3]))


def test_hold_out_keeps_classes_or_the_order_of_time():
    train = np.arange(10, 110)
    labels = np.repeat([0, 1, 2], [0, 90, 60])
    fit, watch = hold_out(train, 0.2, labels, temporal=False, seed=0)
    assert len(watch) == 20 and not np.intersect1d(fit, watch).size
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, watch])), train)
    assert (labels[watch] == 1).sum() == 16  # 80 % of the training rows
    fit, watch = hold_out(train, 0.2, labels, temporal=True, seed=0)
    np.testing.assert_array_equal(watch, np.arange(90, 110))
    with pytest.raises(ValueError, match=r"must leave rows"):
        hold_out(train[:1], 0.2, None, temporal=False, seed=0)


# Fresh models and random states ---------------------------------------------------------------


def test_each_fold_starts_anew_and_a_seed_repeats_it():
    starts = []

    def build_model():
        model = builder()()
        starts.append(model.get_weights()[0])
        return model

    a = run(build_model, fit_kwargs={"epochs": 2}, seed=5)
    b = run(build_model, fit_kwargs={"epochs": 2}, seed=5)
    c = run(build_model, fit_kwargs={"epochs": 2}, seed=6)
    assert len(starts) == 9  # one model a fold
    np.testing.assert_array_equal(starts[:3], starts[3:6])
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert a.seeds == b.seeds and len({*a.seeds, *c.seeds}) == 6
    assert len({start.tobytes() for start in starts}) == 6
    assert np.abs(a.predictions - c.predictions).max() > 1e-6


def test_a_builder_may_take_the_fold(untrained):
    seen = []

    def build_model(fold):
        seen.append(fold)
        return builder()()

    run(build_model)
    run(lambda units=1, fold=0: seen.append(units) or builder(units)())
    run(lambda fold=None: seen.append(fold) or builder()())
    assert seen == [0, 1, 2, 1, 1, 1, 0, 1, 2]


def test_random_states_stay_as_they_were():
    random.seed(4)
    np.random.seed(4)
    python, legacy = random.random(), np.random.rand()
    random.seed(4)
    np.random.seed(4)
    run(cv=model_selection.KFold(3, shuffle=True), preprocess=PCA(2, svd_solver="randomized"),
        build=builder(width=2))  # fmt: skip
    assert (random.random(), np.random.rand()) == (python, legacy)


def test_models_without_an_input_are_built_with_the_seed_of_the_fold(capsys):
    def build_model():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        return model

    a, b = run(build_model), run(build_model, verbose=1)
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert "3 by a shared program" in capsys.readouterr().out


# Preprocessing --------------------------------------------------------------------------------


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


# What reaches `fit` ---------------------------------------------------------------------------


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


# Scoring --------------------------------------------------------------------------------------


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


def test_recurrent_models():
    def build_model():
        model = keras.Sequential([keras.Input((4, 1)), keras.layers.LSTM(2), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    result = run(build_model, RNG.normal(size=(20, 4, 1)), np.arange(20.0), cv=2)
    assert np.isfinite(result.predictions).all()


# The result -----------------------------------------------------------------------------------


def test_the_result_in_words_and_as_a_table(untrained):
    result = run(scoring=["r2", "neg_mean_absolute_error"])
    text = str(result)
    assert text == repr(result) and text.startswith("CrossValidation: 3 folds, regression")
    assert "not a standard error" in text and "share training rows" in text
    assert f"mean {result.mean['r2']:.3f}" in text
    assert result.spread["r2"] == pytest.approx(np.std(result.scores["r2"], ddof=1))
    assert list(result.table) == [
        "train_rows", "validation_rows", "train_r2", "r2",
        "train_neg_mean_absolute_error", "neg_mean_absolute_error",
    ]  # fmt: skip
    assert result.table.index.name == "fold" and list(result.table.train_rows) == [40] * 3
    one = run(cv=[(np.arange(40), np.arange(40, 60))])
    assert np.isnan(one.spread["r2"]) and "1 fold," in str(one)


def test_progress_is_shown_on_request(untrained, capsys, tmp_path):
    run(verbose=0)
    assert capsys.readouterr().out == ""
    result = run(verbose="auto", folder=tmp_path)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"cross_validate: 3 of 3 folds; r2 {result.mean['r2']:.3f}"
    run(verbose=1, folder=tmp_path)
    assert capsys.readouterr().out == f"cross_validate: 3 of 3 folds from {tmp_path}\n"


# Resuming -------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def same(a, b):
    assert a.seeds == b.seeds and a.histories == b.histories
    np.testing.assert_array_equal(a.predictions, b.predictions)
    for name in a.scores:
        np.testing.assert_array_equal(a.scores[name], b.scores[name])
        np.testing.assert_array_equal(a.train_scores[name], b.train_scores[name])


@pytest.mark.any_backend
def test_a_killed_run_resumes_to_the_same_result(tmp_path):
    base = builder(optimizer=lambda: keras.optimizers.Adam(0.05))
    options = {"cv": 6, "fit_kwargs": {"epochs": 2}, "preprocess": StandardScaler()}
    whole = run(base, **options)
    calls, folder = [], tmp_path / "new" / "run"

    def build_model():
        calls.append(0)
        if len(calls) == 5:
            raise Killed
        return base()

    with pytest.raises(Killed):
        run(build_model, folder=folder, **options)
    finished = sorted(file.name for file in folder.glob("fold_*"))
    assert 1 <= len(finished) <= 4
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    same(run(build_model, folder=folder, **options), whole)
    assert all(file.stat().st_mtime_ns == time for file, time in times.items())
    before = len(calls)
    same(run(build_model, folder=folder, **options), whole)
    assert len(calls) == before + 1  # one model, to compare; none trained
    assert not list(folder.glob(".*"))


def test_an_interrupted_group_is_not_taken_for_finished(tmp_path, monkeypatch):
    def fit_many(models, *args, **kwargs):
        histories = [keras.callbacks.History() for _ in models]
        for history in histories:
            history.history, history.params = {"loss": [1.0]}, {"interrupted": True}
        return histories

    monkeypatch.setattr("coursekit.training.many.fit_many", fit_many)
    with pytest.raises(KeyboardInterrupt):
        run(folder=tmp_path)
    assert not list(tmp_path.glob("fold_*"))


CHANGES = {
    "x": {"x": X + 1e-3},
    "y": {"y": Y + 1e-3},
    "splits": {"cv": model_selection.KFold(3, shuffle=True, random_state=0)},
    "seed": {"seed": 1},
    "scoring": {"scoring": "r2"},
    "preprocess": {"preprocess": StandardScaler()},
    "fit_kwargs": {"fit_kwargs": {"epochs": 2}},
    "model": {"build": builder(optimizer=lambda: keras.optimizers.SGD(0.06))},
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_run_is_refused_by_name(part, tmp_path, untrained):
    options = {"build": builder(optimizer=lambda: keras.optimizers.SGD(0.05)), "folder": tmp_path}
    same(run(**options), run(**options))
    with pytest.raises(
        ValueError, match=rf"another one: {part} (and build_model )?differs?\. Choose"
    ):
        run(**{**options, **CHANGES[part]})


POWER = 2


def powers(kind):
    """Pairs of functions (before, after) that differ in what they do."""

    def by(power):
        return lambda x_train, y_train: lambda x: x**power

    def by_default(x_train, y_train, power=2):
        return lambda x: x**power

    def by_keyword(x_train, y_train, power=3):
        return lambda x: x**power

    return {
        "constant": (
            lambda x_train, y_train: lambda x: x**2,
            lambda x_train, y_train: lambda x: x**3,
        ),
        "closure": (by(2), by(3)),
        "default": (by_default, by_keyword),
        "partial": (functools.partial(by_default, power=2), functools.partial(by_default, power=3)),
    }[kind]


@pytest.mark.parametrize("kind", ["constant", "closure", "default", "partial"])
def test_functions_are_told_apart(kind, tmp_path, untrained):
    before, after = powers(kind)
    same(run(preprocess=before, folder=tmp_path), run(preprocess=before, folder=tmp_path))
    same(run(preprocess=powers(kind)[0], folder=tmp_path), run(preprocess=before))
    with pytest.raises(ValueError, match=r"another one: preprocess differs"):
        run(preprocess=after, folder=tmp_path)


def test_functions_are_told_apart_by_globals(tmp_path, untrained, monkeypatch):
    def power(x):
        return x**POWER

    preprocess = lambda x_train, y_train: power
    run(preprocess=preprocess, folder=tmp_path)
    monkeypatch.setitem(globals(), "POWER", 3)
    with pytest.raises(ValueError, match=r"another one: preprocess differs"):
        run(preprocess=preprocess, folder=tmp_path)


def test_tables_are_told_apart(tmp_path, untrained):
    table = pd.DataFrame(X, columns=["a", "b", "b"])  # a name may be there twice
    run(x=table, folder=tmp_path)
    run(x=table.copy(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"another one: x differs"):
        run(x=table + 1, folder=tmp_path)


def test_a_damaged_fold_trains_anew(tmp_path, untrained):
    whole = run(folder=tmp_path)
    file = tmp_path / "fold_0001.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"fold_0001.npz is damaged .*fold 1 trains anew"):
        same(run(folder=tmp_path), whole)
    assert zipfile.is_zipfile(file)


def test_folders_that_are_none_are_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"must be a folder"):
        run(folder=file)
    (tmp_path / "fold_0000.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has folds and no run.json"):
        run(folder=tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"must be new or hold this very"):
        run(folder=tmp_path)


# Leaks ----------------------------------------------------------------------------------------


def test_a_model_in_the_place_of_a_builder_is_refused():
    with pytest.raises(TypeError, match=r"must be a function.*Received: a model.*into a function"):
        run(builder()())


def test_the_same_model_twice_is_refused():
    model = builder()()
    with pytest.raises(ValueError, match=r"must return a new model in each call.*same one twice"):
        run(lambda: model)
    models = [builder()(), builder()()]
    with pytest.raises(ValueError, match=r"must return a new model"):
        run(lambda fold: models[fold % 2])


def test_shared_weights_and_optimizers_are_refused():
    base = keras.layers.Dense(2)

    def build_model():
        model = keras.Sequential([keras.Input((3,)), base, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ValueError, match=r"share no trainable weights.*dense"):
        run(build_model)
    base.trainable = False
    run(build_model)
    optimizer = keras.optimizers.SGD()
    with pytest.raises(ValueError, match=r"new optimizer in each call"):
        run(builder(optimizer=lambda: optimizer))


def test_a_trained_model_is_refused():
    def build_model():
        model = builder()()
        model.fit(X, Y, verbose=0)
        return model

    with pytest.raises(ValueError, match=r"must return a fresh model. Received: one trained for 2"):
        run(build_model)


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


@pytest.mark.parametrize(
    "cv",
    [3, model_selection.KFold(3, shuffle=True), SPLITTERS["ShuffleSplit"], [([5, 6], [4])]],
)
def test_the_future_is_refused(cv):
    with pytest.raises(ValueError, match=r"temporal=True.*seen the future.*WalkForward"):
        run(cv=cv, temporal=True)


@pytest.mark.parametrize("cv", [SPLITTERS["WalkForward"], SPLITTERS["TimeSeriesSplit"]])
def test_the_past_is_welcome(cv, untrained):
    result = run(cv=cv, temporal=True)
    assert all(train.max() < side.min() for train, side in result.folds)


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("cv", [3, model_selection.KFold(3, shuffle=True), SPLITTERS["pairs"]])
def test_divided_groups_are_refused(cv):
    groups = np.array(list("abcdefghijklmnopqrst") * 3)
    with pytest.raises(ValueError, match=r"keep groups whole: in fold 0, group . .*GroupKFold"):
        run(cv=cv, groups=groups)


def test_groups_need_a_value_a_row():
    with pytest.raises(ValueError, match=r"each of the 60 rows. Received: shape \(59,\)"):
        run(groups=np.arange(59))


# Task, classes and logits ---------------------------------------------------------------------


def own_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


class Focal(keras.losses.Loss):
    from_logits = True

    def call(self, y_true, y_pred):
        return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize("loss", [own_loss, "dice", keras.losses.KLDivergence()])
def test_a_loss_that_does_not_tell_asks_for_the_task(loss):
    with pytest.raises(ValueError, match=r'must tell the task.*task="classification"'):
        run(builder(loss=loss))


def test_task_overrides(untrained):
    assert run(builder(loss=own_loss), task="regression").task == "regression"
    ours = run(builder(loss=Focal()), y=BINARY, task="binary", scoring="neg_log_loss")
    theirs = run(builder(loss=BCE(from_logits=True)), y=BINARY, scoring="neg_log_loss")
    np.testing.assert_array_equal(ours.scores["neg_log_loss"], theirs.scores["neg_log_loss"])
    probability = run(builder(activation="sigmoid"), y=BINARY, task="binary")
    np.testing.assert_allclose(probability.predictions, theirs.predictions, atol=1e-6)
    with pytest.raises(ValueError, match=r"`task` must be one of.*task='ranking'"):
        run(task="ranking")


def test_exclusive_or_independent_columns_must_be_told(untrained):
    y = np.eye(2)[BINARY]
    build = builder(2, "binary_crossentropy", "sigmoid")
    with pytest.raises(ValueError, match=r'exclusive classes or independent labels.*"multilabel"'):
        run(build, y=y)
    assert run(build, y=y, task="multilabel").task == "multilabel"
    result = run(build, y=y, task="classification", scoring=["neg_log_loss", "roc_auc"])
    np.testing.assert_allclose(result.predictions.sum(1), 1)
    logits = run(builder(2, BCE(from_logits=True)), y=y, task="classification", scoring="roc_auc")
    np.testing.assert_allclose(logits.predictions, result.predictions, atol=1e-6)


WRONG = {
    "logits where the loss wants probabilities": (
        builder(1, "binary_crossentropy"), BINARY, "must get probabilities.*from_logits=True"),
    "probabilities where the loss wants logits": (
        builder(3, CE(from_logits=True), "softmax"), THREE, "must get logits.*softmax"),
    "too few outputs": (
        builder(2, CE(from_logits=True)), THREE, "from 0 to 1.*2 outputs.*Received: 0 to 2"),
    "one unit for a softmax": (
        builder(1, CE(from_logits=True)), BINARY, "needs one output a class"),
    "two units of a binary loss": (
        builder(2, BCE(from_logits=True)), BINARY, "needs one output. Received: 2 outputs"),
    "numbers where columns are wanted": (
        builder(3, "categorical_crossentropy", "softmax"), THREE, "to_categorical"),
    "columns where numbers are wanted": (
        builder(3, CE(from_logits=True)), np.eye(3)[THREE], "argmax"),
    "three classes of a binary loss": (
        builder(1, BCE(from_logits=True)), THREE, "0 or 1 for a binary task"),
    "-1 and 1 of a cross-entropy": (
        builder(1, BCE(from_logits=True)), 2 * BINARY - 1, "0 or 1 for a binary task"),
    "values where classes are wanted": (
        builder(3, CE(from_logits=True)), Y, "must hold class numbers"),
    "outputs that would be broadcast": (
        builder(2), Y, "as many values a row.*Received: 2 outputs, 1 in `y`"),
    "a row that is missing": (builder(), Y[1:], "same rows.*60 rows.*59"),
    "a target that is not finite": (builder(), np.where(Y > 3, np.nan, Y), "`y` must be finite"),
    "a model for other rows": (builder(width=4), Y, "must take the rows of `x`.*60?, ?3|, 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_models_and_targets_that_do_not_fit_are_refused(name):
    build, y, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        run(build, y=y)


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
    "builder of two": ({"build": lambda a, b: 0}, TypeError, r"a function of \(a, b\)"),
    "builder of none": ({"build": lambda: None}, TypeError, "NoneType. Does it end in"),
    "not compiled": (
        {"build": lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])},
        ValueError, "must return a compiled model"),
    "list": ({"x": X.tolist()}, TypeError, "Received: list"),
    "names": ({"y": np.array(["a", "b"] * 30)}, TypeError, "such as 'a'.*factorize"),
    "preprocess class": ({"preprocess": StandardScaler}, TypeError, r"StandardScaler\(\)"),
    "preprocess layer": (
        {"preprocess": keras.layers.Normalization()}, TypeError, "Keras layer.*adapt"),
    "preprocess of one": ({"preprocess": lambda x: x}, TypeError, r"a function of \(x\)"),
    "preprocess=3": ({"preprocess": 3}, TypeError, "Received: int"),
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
    "class weight": ({"fit_kwargs": {"class_weight": {0: 1}}}, ValueError, "dict for regression"),
    "share": ({"fit_kwargs": {"validation_split": 1.0}}, ValueError, "below 1"),
    "scorer": ({"scoring": "auc"}, ValueError, "Received: 'auc'"),
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


# The test vault -------------------------------------------------------------------------------


def test_a_vault_opens_once():
    vault = TestVault(X, Y)
    assert repr(vault) == "TestVault(60 rows, closed)" and len(vault) == 60
    assert vault.opened is None
    model = builder(metrics=["mae"])()
    score = vault.evaluate(model, reason="final number")
    assert score == model.evaluate(X, Y, return_dict=True, verbose=0)
    assert vault.opened["score"] == score and "final number" in repr(vault)
    with pytest.raises(VaultOpened, match=r"opened on 20\d\d-.* for 'final number' and said .*mae"):
        vault.evaluate(model, reason="to compare")


def test_a_vault_remembers(tmp_path):
    path = tmp_path / "kept" / "vault.json"
    vault, twin = TestVault(X, Y, path=path), TestVault(X, Y, path=path)
    assert vault.evaluate(lambda x, y: y.mean(), reason="report") == Y.mean()
    for later in (TestVault(X, Y, path=path), twin):
        with pytest.raises(VaultOpened, match=r"'report' and said"):
            later.evaluate(lambda x, y: 0, reason="again")
    assert json.loads(path.read_text())["reason"] == "report"
    with pytest.raises(ValueError, match=r"must belong to this test set"):
        TestVault(X + 1, Y, path=path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"or a vault's file"):
        TestVault(X, Y, path=path)


def test_a_vault_stays_closed_where_nothing_was_said():
    vault = TestVault(X, Y)
    with pytest.raises(ZeroDivisionError):
        vault.evaluate(lambda x, y: 1 / 0, reason="a bug")
    for reason in ("", " ", None):
        with pytest.raises(ValueError, match=r"must say in words"):
            vault.evaluate(lambda x, y: 1, reason=reason)
    with pytest.raises(TypeError, match=r"Received: int"):
        vault.evaluate(3, reason="a number")
    assert vault.evaluate(lambda x, y: 1, reason="repaired") == 1


def test_a_vault_needs_rows():
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X, Y[1:])
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X[:0], Y[:0])


def test_public_names():
    assert set(validation.__all__) <= set(dir(validation))
