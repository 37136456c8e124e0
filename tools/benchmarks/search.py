"""Trials an hour: cross-validated searches against KerasTuner alone.

    python tools/benchmarks/search.py --trials 8 --epochs 5

Ratios from one run, the peers side by side, with the same oracle, seeds, folds and epochs, tracing
and KerasTuner's files included. The peer is KerasTuner's own tuner, whose `run_trial` loops over
the folds and calls `fit`; and, for scale, KerasTuner as it comes: one `fit` a trial, on one split.
CPU seconds are those of this process: of use where the machine does other things too.
"""

import argparse
import contextlib
import os
import tempfile
import time
import warnings

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import keras_tuner
import numpy as np
from keras_tuner import oracles
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

from coursekit.tuning import CrossValidationTuner

X, Y = load_digits(return_X_y=True)
X, Y = (X / 16).astype("float32"), Y.astype("int64")
FOLDS = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, Y))
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def one_architecture(hp):
    """Return an MLP 64-64-10; the learning rate is searched."""
    return mlp(hp, 64)


def three_architectures(hp):
    """Return an MLP; learning rate and width are searched."""
    return mlp(hp, hp.Choice("units", [32, 64, 128]))


def mlp(hp, units):
    """Return a compiled network with two hidden layers."""
    dense = keras.layers.Dense
    hidden = [dense(units, activation="relu"), dense(units, activation="relu")]
    model = keras.Sequential([keras.Input((64,)), *hidden, dense(10)])
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), LOSS, metrics=["accuracy"])
    return model


class FoldTuner(keras_tuner.Tuner):
    """KerasTuner, a fold after the other: what its users write."""

    folds = FOLDS

    def run_trial(self, trial, epochs, verbose):
        """Fit a model on each fold and return the mean of their last scores."""
        scores = []
        for train, held in self.folds:
            model = self.hypermodel.build(trial.hyperparameters)
            data = {"validation_data": (X[held], Y[held]), "epochs": epochs, "verbose": verbose}
            history = model.fit(X[train], Y[train], batch_size=32, **data)
            scores.append(history.history["val_accuracy"][-1])
        return {"accuracy": float(np.mean(scores))}


class OneSplitTuner(FoldTuner):
    """KerasTuner with the first split alone."""

    folds = FOLDS[:1]


def measure(make, search):
    """Return seconds, CPU seconds and the best score of a search in a new folder."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
        tuner = make(folder)
        wall, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(nothing):
            search(tuner)
        spent = time.perf_counter() - wall, time.process_time() - cpu
        return *spent, tuner.oracle.get_best_trials()[0].score


def compare(name, build, trials, epochs, at_once):
    """Print trials an hour of KerasTuner and of ours, on one space."""

    def oracle():
        objective = keras_tuner.Objective("accuracy", "max")
        return oracles.RandomSearchOracle(objective, max_trials=trials, seed=1)

    rows = {
        label: measure(
            lambda folder, kind=kind: kind(oracle(), build, directory=folder),
            lambda tuner: tuner.search(epochs=epochs, verbose=0),
        )
        for label, kind in (("KerasTuner, loop of folds", FoldTuner),
                            ("KerasTuner, one split", OneSplitTuner))
    }  # fmt: skip
    for count in at_once:
        rows[f"CrossValidationTuner, {count} at once"] = measure(
            lambda folder, count=count: CrossValidationTuner(
                build, oracle(), cv=FOLDS, scoring="accuracy", trials_at_once=count,
                fit_kwargs={"epochs": epochs, "batch_size": 32}, directory=folder,
            ),
            lambda tuner: tuner.search(X, Y, verbose=0),
        )  # fmt: skip
    print(f"{name}: {trials} trials, {len(FOLDS)} folds, {epochs} epochs")
    unit = rows["KerasTuner, loop of folds"]
    for label, (wall, cpu, best) in rows.items():
        print(
            f"  {label:32} {3600 * trials / wall:6.0f} trials an hour, {unit[0] / wall:5.2f} times;"
            f" CPU {cpu:6.1f} s, {unit[1] / cpu:5.2f} times; best {best:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 4, 8])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    warm_up = keras_tuner.HyperParameters()
    one_architecture(warm_up).fit(X[:64], Y[:64], validation_split=0.5, verbose=0)
    for space in (one_architecture, three_architectures):
        compare(space.__name__, space, options.trials, options.epochs, options.at_once)
