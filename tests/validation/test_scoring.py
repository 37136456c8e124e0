"""Scores against scikit-learn's own, for every kind of task."""

import warnings

import keras
import numpy as np
import pytest
from crossed import BCE, BINARY, CE, X, Y, builder, run
from sklearn import metrics, model_selection
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression


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
