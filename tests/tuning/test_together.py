"""Trials side by side: what is not finite fails its trial alone, whatever the objective."""

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner import errors, oracles

from coursekit.tuning import CrossValidationTuner
from coursekit.tuning._together import cross_validate_together
from coursekit.validation import CrossValidation, cross_validate
from coursekit.validation import _run as validation_run

X = np.random.default_rng(0).normal(size=(90, 3)).astype("float32")
Y = (X[:, 0] > 1.0).astype(int)
SETTINGS = {"preprocess": None, "scoring": None, "groups": None, "seed": 0, "task": None,
            "temporal": False}  # fmt: skip


def classifier(rate, metrics=()):
    layers = [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=list(metrics))
    return model


def together(*recipes, **settings):
    return cross_validate_together(list(recipes), X, Y, 3, **(SETTINGS | settings))


@pytest.mark.slow
def test_a_broken_recipe_fails_alone():
    fit = {"epochs": 3}
    sound, broken = (lambda: classifier(0.01)), (lambda: classifier(1e30))
    good, bad, again = together((sound, fit), (broken, fit), (sound, fit))
    assert isinstance(bad, errors.FailedTrialError)
    assert "fold 0: predictions for 30 of 30 validation" in str(bad) and "in epoch 1" in str(bad)
    alone = cross_validate(sound, X, Y, 3, fit_kwargs=fit, verbose=0)
    for found in (good, again):
        assert isinstance(found, CrossValidation)
        np.testing.assert_allclose(found.predictions, alone.predictions, atol=1e-5)


@pytest.mark.parametrize("broken", [0, 1])
def test_one_broken_fold_fails_the_recipe(broken, monkeypatch):
    def fit_all(models, *args, **settings):
        models[3 * broken + 2].layers[-1].bias.assign([np.nan, 0.0])
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    outcomes = together((lambda: classifier(0.1), {}), (lambda: classifier(0.2), {}))
    assert isinstance(outcomes[broken], errors.FailedTrialError)
    assert "fold 2: " in str(outcomes[broken])
    assert isinstance(outcomes[1 - broken], CrossValidation)


def test_recipes_that_cannot_be_built_or_trained_fail_alone(monkeypatch):
    def unbuilt():
        raise RuntimeError("odd")

    def fit_all(models, *args, **settings):
        if any(float(model.optimizer.learning_rate) > 0.5 for model in models):
            raise MemoryError("too much")
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    first, second, third = together(
        (lambda: classifier(0.1), {}), (unbuilt, {}), (lambda: classifier(0.9), {})
    )
    assert isinstance(first, CrossValidation)
    assert isinstance(second, RuntimeError) and isinstance(third, MemoryError)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [("accuracy", "max"), ("val_hits", "max"), ("loss", "min")])
def test_a_search_never_chooses_a_model_that_is_not_finite(objective, tmp_path):
    def build(hp):
        hits = keras.metrics.SparseCategoricalAccuracy(name="hits")
        return classifier(hp.Choice("rate", [1e-3, 1e-2, 1e30]), [hits])

    oracle = oracles.GridSearchOracle(kt.Objective(*objective), max_trials=9, seed=1)
    tuner = CrossValidationTuner(build, oracle, cv=3, fit_kwargs={"epochs": 3}, directory=tmp_path)
    tuner.search(X, Y, verbose=0)
    table = tuner.table.set_index("rate")
    assert list(table.status[[1e-3, 1e-2, 1e30]]) == ["COMPLETED", "COMPLETED", "FAILED"]
    assert np.isnan(table.score[1e30])
    assert tuner.get_best_hyperparameters()[0].get("rate") < 1
