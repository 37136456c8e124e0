"""Hyperparameter search whose trials are cross-validated: KerasTuner's oracles, many folds at once.

    import keras_tuner
    from coursekit.tuning import CrossValidationTuner

    objective = keras_tuner.Objective("accuracy", "max")
    oracle = keras_tuner.oracles.RandomSearchOracle(objective, max_trials=20, seed=1)
    tuner = CrossValidationTuner(build_model, oracle, cv=5, fit_kwargs={"epochs": 20})
    tuner.search(x, y)
    tuner.table                            # a row a trial
    best = tuner.get_best_hyperparameters()[0]

`build_model(hp)` returns a compiled model, as KerasTuner wants it. KerasTuner's own tuners train
each trial once, on one split, one after the other.
"""

from coursekit.tuning._tuner import CrossValidationTuner

__all__ = ["CrossValidationTuner"]
