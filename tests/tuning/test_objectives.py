"""What a search optimises is known, and turned the right way, before anything is trained."""

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner import oracles
from sklearn.metrics import make_scorer, mean_squared_error

from coursekit.tuning import CrossValidationTuner
from coursekit.validation import _run as validation_run

X = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")
VALUES = X[:, 0]


@pytest.fixture
def trained(monkeypatch):
    """How many models were trained; they stay as they were built."""
    calls = []

    def fit_all(models, *args, **settings):
        calls.extend(models)
        return [{"loss": [1.0], "val_loss": [1.0], "val_accuracy": [0.5]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    return calls


def build(hp, metrics=None, regression=False):
    rate = hp.Float("rate", 1e-4, 1e-1)
    head = keras.layers.Dense(1) if regression else keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((4,)), head])
    loss = "mse" if regression else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(rate), loss, metrics=metrics)
    return model


def search(folder, *objectives, builder=build, y=Y, **options):
    objective = [kt.Objective(*one) for one in objectives]
    objective = objective[0] if len(objective) == 1 else objective
    oracle = oracles.RandomSearchOracle(objective, max_trials=2, seed=2)
    tuner = CrossValidationTuner(builder, oracle, cv=3, directory=folder, **options)
    tuner.search(X, y, verbose=0)
    return tuner


SCORERS = {
    "a name": ("neg_log_loss", "neg_log_loss"),
    "the default": ("accuracy", None),
    "of a list": ("f1", ["accuracy", "f1"]),
    "of a dict": ("mine", {"mine": "roc_auc"}),
    "a function": ("mine", {"mine": lambda e, x, y: 1.0}),
    "make_scorer": ("mine", {"mine": make_scorer(mean_squared_error, greater_is_better=False)}),
}


@pytest.mark.parametrize("kind", SCORERS)
def test_a_scorer_is_not_minimised(kind, tmp_path, trained):
    name, scoring = SCORERS[kind]
    with pytest.raises(ValueError, match=rf"to be maximised.*Objective\('{name}', .max.\)"):
        search(tmp_path, (name, "min"), scoring=scoring)
    with pytest.raises(ValueError, match="to be maximised"):
        search(tmp_path, ("val_loss", "min"), (name, "min"), scoring=scoring)
    assert not trained
    assert len(search(tmp_path, (name, "max"), scoring=scoring).table) == 2


@pytest.mark.parametrize("name, near", [
    ("val_accuracy", None), ("roc_auc", None), ("acuracy", "accuracy"), ("val_los", "val_loss"),
])  # fmt: skip
def test_an_objective_that_nothing_measures_is_refused_before_training(
    name, near, tmp_path, trained
):
    with pytest.raises(ValueError, match="must be a scorer, or a metric that") as error:
        search(tmp_path, (name, "max"))
    assert ("Did you mean" in str(error.value)) >= bool(near) and (near or "") in str(error.value)
    assert not trained


@pytest.mark.slow
def test_what_the_model_measures_may_be_minimised(tmp_path, trained):
    for name in ("loss", "val_loss"):
        assert len(search(tmp_path / name, (name, "min")).table) == 2
    with_metric = lambda hp: build(hp, metrics=["accuracy"])
    assert len(search(tmp_path / "m", ("val_accuracy", "max"), builder=with_metric).table) == 2


def test_a_score_that_is_nan_is_never_the_best(tmp_path):
    """A rate that diverges gives NaN; the trial has failed, and says why."""

    def diverging(hp):
        model = build(hp, regression=True)
        model.optimizer.learning_rate = hp.Choice("step", [1e-3, 1e30])
        return model

    oracle = oracles.GridSearchOracle(
        kt.Objective("r2", "max"), hyperparameters=None, max_trials=4, seed=1
    )
    tuner = CrossValidationTuner(
        diverging, oracle, cv=2, fit_kwargs={"epochs": 4}, directory=tmp_path
    )
    said = r"A trial has failed. `r2` is NaN in fold 0, 1. Not finite: fold 0: .* fold 1: "
    with pytest.warns(UserWarning, match=said) as told:
        tuner.search(X, VALUES, verbose=0)
    table = tuner.table
    failures = [one for one in told if "trial has failed" in str(one.message)]
    assert len(failures) == (table.status == "FAILED").sum()
    assert (table.status == np.where(table.step > 1, "FAILED", "COMPLETED")).all()
    assert set(table.step) == {1e-3, 1e30}
    assert tuner.get_best_hyperparameters()[0].get("step") == 1e-3
    failed = oracle.trials[table.index[table.step > 1][0]]
    assert "`r2` is NaN in fold 0, 1. Not finite: fold 0: predictions for" in failed.message
    assert "Lower the learning rate, or scale the inputs." in failed.message


@pytest.mark.parametrize("where, name, value, words", [
    ("search", "epochs", 5, r"fit_kwargs={'epochs': 5}"),
    ("search", "validation_split", 0.2, r"fit_kwargs={'validation_split': 0.2}"),
    ("search", "batch_size", 8, r"fit_kwargs={'batch_size': 8}"),
    ("search", "max_trials", 3, r"RandomSearchOracle\(objective, max_trials=...\)"),
    ("search", "validation_data", None, "validation rows are used"),
    ("tuner", "epochs", 5, r"fit_kwargs={'epochs': 5}"),
    ("tuner", "max_trials", 3, r"RandomSearchOracle\(objective, max_trials=...\)"),
    ("tuner", "objective", "r2", r"RandomSearchOracle\(objective, objective=...\)"),
    ("tuner", "colour", 3, "leave it out"),
])  # fmt: skip
def test_arguments_of_fit_name_their_place(where, name, value, words, tmp_path):
    oracle = oracles.RandomSearchOracle(kt.Objective("accuracy", "max"), max_trials=1)
    with pytest.raises(TypeError, match=rf"takes no {name}.*{words}"):
        if where == "tuner":
            CrossValidationTuner(build, oracle, directory=tmp_path, **{name: value})
        CrossValidationTuner(build, oracle, directory=tmp_path).search(X, Y, **{name: value})


@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_a_loss_is_not_maximised(name, tmp_path, trained):
    with pytest.raises(ValueError, match=rf"to be minimised.*Objective\('{name}', .min.\)"):
        search(tmp_path, (name, "max"))
    assert not trained


def test_a_search_in_which_nothing_is_scored_says_so_and_has_no_best(tmp_path, trained):
    """KerasTuner gives the hyperparameters of trials that have failed for the best."""
    with pytest.warns(UserWarning, match=r"No trial of 2 has a score. The last one says: .*nan"):
        tuner = search(tmp_path, ("mine", "max"), scoring={"mine": lambda e, x, y: np.nan})
    assert (tuner.table.status != "COMPLETED").all()
    with pytest.raises(ValueError, match=r"A trial must have been completed. Received: 2 "):
        tuner.get_best_hyperparameters()


def watching(monitor):
    return lambda: [keras.callbacks.EarlyStopping(monitor, mode="min")]


@pytest.mark.parametrize(
    "words, made, searched",
    [
        ("`verbose` must be", {}, {"verbose": "no"}),
        ("`overwrite` must be True or False", {"overwrite": "no"}, {}),
        ("`directory` must be a path", {"directory": 3}, {}),
        ("`project_name` must be a word", {"project_name": 3}, {}),
        (
            "`fit_kwargs` must be a dict, or a function of hp",
            {"fit_kwargs": lambda: {"epochs": 1}},
            {},
        ),
        ("Did you mean 'val_loss'", {"fit_kwargs": {"callbacks": watching("val_los")}}, {}),
        ("an array without masked values", {}, {"x": np.ma.masked_less(X, 0)}),
        ("an array without masked values", {}, {"groups": np.ma.masked_less(np.arange(30), 3)}),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(words, made, searched, tmp_path, trained):
    oracle = oracles.RandomSearchOracle(kt.Objective("accuracy", "max"), max_trials=1)
    kept = tmp_path / "untitled_project" / "kept"
    kept.parent.mkdir()
    kept.write_text("a search that took a week")
    with pytest.raises((ValueError, TypeError), match=words):
        tuner = CrossValidationTuner(build, oracle, cv=3, **{"directory": tmp_path, **made})
        tuner.search(**{"x": X, "y": Y, "verbose": 0, **searched})
    assert [path.name for path in kept.parent.iterdir()] == ["kept"] and not trained


def test_an_end_is_asked_for(tmp_path):
    """KerasTuner takes `max_trials=0` for no end."""
    oracle = oracles.RandomSearchOracle(kt.Objective("accuracy", "max"), max_trials=0)
    with pytest.raises(ValueError, match=r"`max_trials` must be .*max_trials=0.*of the oracle"):
        CrossValidationTuner(build, oracle, directory=tmp_path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    oracle = oracles.RandomSearchOracle(kt.Objective("accuracy", "max"), max_trials=1)
    with pytest.raises(ValueError, match=r"`directory` must be a folder. Received: the file"):
        CrossValidationTuner(build, oracle, directory=tmp_path / "file")
