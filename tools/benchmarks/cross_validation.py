"""Ten folds against one fit.

    python tools/benchmarks/cross_validation.py --epochs 20 100 --loop --loocv
    KERAS_BACKEND=jax python tools/benchmarks/cross_validation.py --epochs 20 100
    python tools/benchmarks/cross_validation.py --epochs 20 --profile

Ratios from one run, the peers side by side, in units of one `model.fit` on the same backend, with
validation at every epoch, tracing and compiling included. Measure on a machine that does nothing
else: the load is printed beside. Seconds are printed to see the scale; only the ratios mean
anything. `scikeras` is measured where it is installed, in one process and in two; it does not
validate during training.
"""

import argparse
import cProfile
import os
import pstats
import time
import warnings

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import KFold, LeaveOneOut

from coursekit.validation import cross_validate

PHASES = {  # a file and a function of coursekit, whose calls are a phase of their own
    "build the models": "validation/_models.py build",
    "optimizer and metrics": "many/_programs.py build",
    "compare the models": "many/_alike.py fingerprint",
    "trace": "many/_run.py _program",
    "build, trace and compile on JAX": "many/_jax_plan.py plan",
    "all epochs": "many/_run.py _epochs",
    "score": "validation/_run.py _scored",
}

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
FOLDS = KFold(10, shuffle=True, random_state=0)


def mlp(extra=False):
    """Return the digits MLP 64-64-10, with batch normalization and dropout if `extra`."""
    hidden = [keras.layers.Dense(64, activation="relu")]
    if extra:
        hidden += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    hidden += [keras.layers.Dense(64, activation="relu")]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    model.compile("adam", LOSS, metrics=["accuracy"])
    return model


def cnn():
    """Return a small network with two convolutions."""
    conv = keras.layers.Conv2D
    layers = [
        keras.Input((64,)),
        keras.layers.Reshape((8, 8, 1)),
        conv(16, 3, activation="relu", padding="same"),
        keras.layers.MaxPooling2D(),
        conv(32, 3, activation="relu", padding="same"),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", LOSS, metrics=["accuracy"])
    return model


def fit(build, x, y, rows, epochs):
    """Build and fit one model; return its validation accuracy."""
    train, held = rows
    data = {"validation_data": (x[held], y[held]), "epochs": epochs, "verbose": 0}
    return build().fit(x[train], y[train], batch_size=32, **data).history["val_accuracy"][-1]


def timed(function):
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def compare(name, build, epochs, loop):
    """Print the ratios of one architecture."""
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int64")
    folds = list(FOLDS.split(x))
    fit(build, x[:64], y[:64], (np.arange(48), np.arange(48, 64)), 1)  # warm up
    unit, _ = timed(lambda: fit(build, x, y, folds[0], epochs))
    arguments = {"epochs": epochs, "batch_size": 32}
    ours, result = timed(
        lambda: cross_validate(
            build, x, y, cv=folds, fit_kwargs=arguments, scoring="accuracy", verbose=0
        )
    )
    line = f"{name:14} {epochs:4} epochs: one fit {unit:5.1f} s | ten folds {ours / unit:5.2f}"
    line += f" (accuracy {result.mean['accuracy']:.3f}, load {os.getloadavg()[0]:.1f})"
    if loop:
        peer, scores = timed(lambda: [fit(build, x, y, rows, epochs) for rows in folds])
        line += f" | loop of fit {peer / unit:5.2f} (accuracy {np.mean(scores):.3f})"
        line += scikeras(build, x, y, epochs, unit)
    print(line, flush=True)


def profile(name, build, epochs):
    """Print where the seconds of ten folds go; the profiler makes Python slower, not the epochs."""
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int64")
    arguments = {"cv": list(FOLDS.split(x)), "scoring": "accuracy", "verbose": 0}
    arguments["fit_kwargs"] = {"epochs": epochs, "batch_size": 32}
    cross_validate(build, x, y, **{**arguments, "fit_kwargs": {"epochs": 1}})  # warm up
    with cProfile.Profile() as found:
        total, _ = timed(lambda: cross_validate(build, x, y, **arguments))
    seconds = {
        f"{'/'.join(path.split(os.sep)[-2:])} {function}": times[3]
        for (path, _, function), times in pstats.Stats(found).stats.items()
    }
    split = {phase: seconds[where] for phase, where in PHASES.items() if where in seconds}
    split["the rest"] = total - sum(split.values())
    line = ", ".join(f"{phase} {value:.2f}" for phase, value in split.items())
    print(f"{name:14} {epochs:4} epochs: ten folds {total:.2f} s: {line}", flush=True)


def scikeras(build, x, y, epochs, unit):
    """Return the ratios of scikeras with cross_val_score, where it is installed and works."""
    line = " | scikeras"
    try:
        from scikeras.wrappers import KerasClassifier
        from sklearn.model_selection import cross_val_score

        for jobs in (1, 2):
            wrapper = KerasClassifier(build, epochs=epochs, batch_size=32, verbose=0)
            peer, scores = timed(
                lambda w=wrapper, n=jobs: cross_val_score(
                    w, x, y, cv=FOLDS, n_jobs=n, error_score="raise"
                )
            )
            line += f" {jobs} jobs {peer / unit:5.2f} (accuracy {np.mean(scores):.3f})"
    except Exception as error:
        line += f": {type(error).__name__}: {error}".splitlines()[0][:100]
    return line


def leave_one_out():
    """Print the time of 569 folds of a small network."""
    x, y = load_breast_cancer(return_X_y=True)
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")

    def build():
        model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1)])
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        return model

    arguments = {"epochs": 10, "batch_size": 32}
    seconds, _ = timed(
        lambda: cross_validate(
            build, x, y, cv=LeaveOneOut(), fit_kwargs=arguments, scoring="accuracy", verbose=0
        )
    )
    print(f"leave one out, 569 folds: {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, nargs="+", default=[20])
    parser.add_argument("--loop", action="store_true", help="measure the peers too")
    parser.add_argument("--loocv", action="store_true", help="569 folds too")
    parser.add_argument("--profile", action="store_true", help="say where the seconds go instead")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{keras.backend.backend()}, {os.cpu_count()} cores")
    if options.profile:
        for name, build in (("MLP", mlp), ("MLP, BN, drop", lambda: mlp(extra=True)), ("CNN", cnn)):
            profile(name, build, 6 if build is cnn else options.epochs[0])
        raise SystemExit
    for number in options.epochs:
        compare("MLP", mlp, number, options.loop)
        compare("MLP, BN, drop", lambda: mlp(extra=True), number, options.loop)
    compare("CNN", cnn, 6, options.loop)
    if options.loocv:
        leave_one_out()
