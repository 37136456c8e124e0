"""What trains by `fit_many` finds what `fit` would, on each backend, and by its programs."""

import warnings

import keras
import keras_tuner as kt
import numpy as np
import pytest
from sklearn.model_selection import KFold

from coursekit.training.many import _run
from coursekit.tuning import CrossValidationTuner
from coursekit.validation import bias_variance, cross_validate

pytestmark = pytest.mark.any_backend

RNG = np.random.default_rng(0)
X = RNG.normal(size=(61, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5]).astype("float32")[:, None]
FIT = {"epochs": 2, "batch_size": 8}
FOLDS = KFold(3, shuffle=True, random_state=0)  # two sizes of folds, and of last batches


def build(rate=0.05):
    stack = [keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *stack])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def crossed(folder):
    found = cross_validate(build, X, Y, cv=FOLDS, scoring="r2", fit_kwargs=FIT, verbose=0)
    return found.scores["r2"]


def spread(folder):
    def draw(rng):
        rows = rng.integers(0, len(X), 29)
        return X[rows], Y[rows]

    options = {"truth": Y, "epochs": 2, "batch_size": 8, "refits": 4, "seed": 0, "verbose": 0}
    found = bias_variance(build, draw, X, Y, **options)
    return [found.bias_squared.value, found.variance.value]


def tuned(folder):
    tuner = CrossValidationTuner(
        lambda hp: build(hp.Choice("rate", [0.01, 0.1])),
        oracle=kt.oracles.GridSearchOracle(kt.Objective("r2", "max")),
        cv=FOLDS,
        fit_kwargs=FIT,
        directory=folder,
    )
    tuner.search(X, Y, verbose=0)
    return [trial.score for trial in tuner.oracle.get_best_trials(2)]


@pytest.mark.slow
@pytest.mark.parametrize("use", [crossed, spread, tuned])
def test_as_by_fit(use, monkeypatch, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*trains a model by `fit`")
        ours = use(tmp_path / "ours")
    monkeypatch.setattr(_run, "reason_for_fit", lambda *_: "the test asks for it")
    with pytest.warns(UserWarning, match="by `fit`: the test asks for it"):
        theirs = use(tmp_path / "theirs")
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert len(np.unique(np.ravel(ours))) == np.size(ours), "each has an end of its own"
