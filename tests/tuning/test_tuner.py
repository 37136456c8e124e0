"""The tuner: all four oracles, several trials at once, faults, folders."""

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner import errors, oracles
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from coursekit.tuning import CrossValidationTuner
from coursekit.validation import _run as validation_run
from coursekit.validation import compare, cross_validate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 1)).astype("float32")
Y = (2 * X[:, 0] + RNG.normal(size=24)).astype("float32")
FOLDS = list(KFold(3).split(X))
R2 = kt.Objective("r2", "max")


def weighing(hp):
    """A model that answers w * x, where w hangs on a conditional space; it is not trained."""
    weight = hp.Float("weight", 0.1, 10.0, sampling="log")
    kind = hp.Choice("kind", ["plain", "scaled"])
    with hp.conditional_scope("kind", ["scaled"]):
        factor = hp.Int("factor", 1, 3)
    weight = weight * factor if kind == "scaled" else weight
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    model.set_weights([np.array([[weight]], "float32")])
    return model


def weight_of(values):
    return values["weight"] * (values["factor"] if values["kind"] == "scaled" else 1)


def by_hand(values, metric):
    """The mean over folds of what `weighing` scores, with NumPy and scikit-learn alone."""
    predicted = weight_of(values) * X[:, 0]
    return np.mean([metric(Y[validation], predicted[validation]) for _, validation in FOLDS])


@pytest.fixture(autouse=True)
def quick_proposals(monkeypatch):
    """KerasTuner's Gaussian process takes seconds for a proposal, in 50 searches; here they stand.

    What the tuner does with a proposal does not depend on how good it is.
    """
    from scipy import optimize

    search = optimize.minimize

    def minimize(function, x0, method=None, **options):
        if "args" in options or options.get("jac"):  # the fit of the kernel
            return search(function, x0, method=method, **options)
        return optimize.OptimizeResult(x=x0, fun=function(x0))

    monkeypatch.setattr(optimize, "minimize", minimize)


@pytest.fixture
def untrained(monkeypatch):
    """Models stay as they were built; the calls of `fit_many` are kept."""
    calls = []

    def fit_all(models, x, y, **settings):
        calls.append({"models": models, **settings})
        return [{"loss": [3.0, 1.0], "val_loss": [9.0, float(k)]} for k in range(len(models))]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    return calls


ORACLES = {
    "random": lambda objective: oracles.RandomSearchOracle(objective, max_trials=7, seed=3),
    "grid": lambda objective: oracles.GridSearchOracle(objective, max_trials=9, seed=3),
    "bayesian": lambda objective: oracles.BayesianOptimizationOracle(
        objective, max_trials=7, num_initial_points=4, seed=3
    ),
    "hyperband": lambda objective: oracles.HyperbandOracle(objective, max_epochs=4, seed=3),
}


def tuner_of(folder, oracle, build=weighing, **options):
    options.setdefault("cv", FOLDS)
    return CrossValidationTuner(build, oracle, directory=folder, project_name="s", **options)


def searched(folder, oracle, build=weighing, **options):
    tuner = tuner_of(folder, oracle, build, **options)
    tuner.search(X, Y, verbose=0)
    return tuner


OBJECTIVES = {
    "max": (R2, "r2", lambda v: by_hand(v, r2_score)),
    "min": (
        kt.Objective("loss", "min"),
        "r2",
        lambda v: 1.0,
    ),  # the same for all: the first is best
    "several": (
        [R2, kt.Objective("loss", "min")],
        "r2",
        lambda v: 1.0 - by_hand(v, r2_score),  # "multi_objective" is minimised; the loss is 1
    ),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("way", OBJECTIVES)
@pytest.mark.parametrize("name", ORACLES)
def test_every_oracle_with_every_kind_of_objective(tmp_path, untrained, name, way):
    objective, scoring, reference = OBJECTIVES[way]
    tuner = searched(tmp_path, ORACLES[name](objective), scoring=scoring)
    table = tuner.table
    wanted = {"random": 7, "grid": 9, "bayesian": 7}.get(name)
    assert len(table) == wanted if wanted else len(table) > 6
    assert (table.status == "COMPLETED").all()
    for _, row in table.iterrows():
        assert row.score == pytest.approx(reference(row), rel=1e-4)
        assert row.lowest_fold <= row.score <= row.highest_fold
    assert table.factor[table.kind == "plain"].isna().all()
    best = tuner.get_best_hyperparameters()[0]
    assert best.get("weight") == table.weight[
        table.score.idxmax() if way == "max" else table.score.idxmin()
    ]  # fmt: skip


def learning(hp):
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    layers = [keras.Input((1,)), keras.layers.Dense(hp.Choice("units", [2, 3]), "relu")]
    model = keras.Sequential([*layers, keras.layers.Dropout(0.3), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


@pytest.mark.slow
def test_a_trial_scores_as_it_would_alone(tmp_path):
    """Also with preprocessing, dropout and two architectures side by side."""
    oracle = oracles.RandomSearchOracle(R2, max_trials=3, seed=1)
    shared = {"preprocess": StandardScaler(), "seed": 5}
    fit = {"epochs": 2, "batch_size": 8}
    tuner = searched(tmp_path, oracle, learning, fit_kwargs=fit, **shared)
    assert tuner.table.units.nunique() == 2
    for trial_id, trial in oracle.trials.items():
        alone = cross_validate(
            lambda hp=trial.hyperparameters: learning(hp), X, Y, FOLDS, fit_kwargs=fit, verbose=0,
            **shared,
        )  # fmt: skip
        found = tuner.results[trial_id]
        np.testing.assert_allclose(found.scores["r2"], alone.scores["r2"], atol=1e-5)
        np.testing.assert_allclose(found.predictions, alone.predictions, atol=1e-5)
        assert found.seeds == alone.seeds
        kept = trial.metrics.get_history("r2")[0].value
        np.testing.assert_allclose(kept, alone.scores["r2"], atol=1e-5)
        val_loss = np.mean([history["val_loss"][-1] for history in alone.histories])
        assert trial.metrics.get_best_value("val_loss") == pytest.approx(val_loss, abs=1e-4)
        assert compare(found, alone).mean == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "grid"])
def test_the_number_at_once_changes_nothing_but_the_number(tmp_path, untrained, name):
    one = searched(tmp_path / "one", ORACLES[name](R2), trials_at_once=1)
    alone = [len(call["models"]) for call in untrained]
    untrained.clear()
    four = searched(tmp_path / "four", ORACLES[name](R2), trials_at_once=4)
    together = [len(call["models"]) for call in untrained]
    assert set(alone) == {3} and max(together) == 12 and sum(alone) == sum(together)
    same = ["weight", "kind", "factor", "score"]
    by_values = [t.table[same].sort_values(same).reset_index(drop=True) for t in (one, four)]
    assert by_values[0].equals(by_values[1])


def test_a_grid_covers_its_space_once(tmp_path, untrained):
    def build(hp):
        hp.Choice("a", [1, 2, 3])
        if hp.Boolean("more"):
            with hp.conditional_scope("more", [True]):
                hp.Choice("b", ["x", "y"])
        hp.Fixed("weight", 1.0), hp.Fixed("kind", "plain")
        return weighing(hp)

    table = searched(tmp_path, oracles.GridSearchOracle(R2), build).table
    points = sorted((row.a, row.more, str(row.b)) for _, row in table.iterrows())
    wanted = [(a, more, b) for a in (1, 2, 3)
              for more, b in ((False, "nan"), (True, "x"), (True, "y"))]  # fmt: skip
    assert points == sorted(wanted)


def test_hyperband_trains_each_trial_for_its_budget(tmp_path, untrained):
    tuner = searched(tmp_path, ORACLES["hyperband"](R2))
    budgets = tuner.table["tuner/epochs"]
    assert set(budgets) == {2, 4} and tuner.table["tuner/trial_id"].notna().any()
    trained = {}
    for call in untrained:
        epochs = call["epochs"]
        trained[epochs] = trained.get(epochs, 0) + len(call["models"]) // 3
    assert trained == budgets.value_counts().to_dict()
    promoted = tuner.table[tuner.table["tuner/trial_id"].notna()]
    for _, row in promoted.iterrows():
        assert tuner.table.weight[row["tuner/trial_id"]] == row.weight


def test_hyperband_refuses_epochs_of_ones_own(tmp_path, untrained):
    with pytest.raises(errors.FatalValueError, match=r"must leave .*epochs=7.*max_epochs"):
        searched(tmp_path, ORACLES["hyperband"](R2), fit_kwargs={"epochs": 7})


def test_fit_arguments_are_searched_too(tmp_path, untrained):
    def fit(hp):
        stop = keras.callbacks.EarlyStopping(patience=hp.Int("patience", 1, 9))
        size = hp.Choice("batch_size", [4, 8])
        return {"batch_size": size, "epochs": 2, "callbacks": lambda: [stop]}

    tuner = tuner_of(tmp_path, ORACLES["random"](R2), fit_kwargs=fit, trials_at_once=7)
    assert {"patience", "batch_size"} <= {hp.name for hp in tuner.oracle.get_space().space}
    with pytest.warns(UserWarning, match="watches 'val_loss'"):
        tuner.search(X, Y, verbose=0)
    sizes = [call["batch_size"] for call in untrained]
    assert sorted(sizes) == [4, 8]  # one call for each: they cannot train together
    for call in untrained:
        mine = tuner.table[tuner.table.batch_size == call["batch_size"]]
        patience = [callbacks[0].patience for callbacks in call["callbacks"]]
        assert patience == list(np.repeat(mine.patience, 3))


# Faults -------------------------------------------------------------------------------------------


def failing(when, error):
    def build(hp):
        model = weighing(hp)
        if when(weight_of(hp.values)):
            raise error
        return model

    return build


@pytest.mark.parametrize("error", [RuntimeError("odd"), kt.errors.FailedTrialError("odd")])
def test_a_trial_that_cannot_be_built_fails_alone(tmp_path, untrained, error):
    oracle = oracles.RandomSearchOracle(R2, max_trials=8, seed=3, max_consecutive_failed_trials=9,
                                        max_retries_per_trial=1)  # fmt: skip
    table = searched(tmp_path, oracle, failing(lambda w: w > 2, error)).table
    failed = [weight_of(row) > 2 for _, row in table.iterrows()]
    assert 0 < sum(failed) < 8
    assert list(table.status == "FAILED") == failed
    assert table.score[failed].isna().all() and table.score[~np.array(failed)].notna().all()
    trial = oracle.trials[table.index[failed][0]]
    assert "odd" in trial.message and "in build" in trial.message
    retries = 0 if isinstance(error, kt.errors.FailedTrialError) else 1
    assert oracle._run_times[trial.trial_id] == 1 + retries


@pytest.mark.slow
def test_a_training_that_stops_takes_no_other_with_it(tmp_path, monkeypatch):
    def fit_all(models, *args, **settings):
        if any(float(model.get_weights()[0][0, 0]) > 2 for model in models):
            raise RuntimeError("no more memory")
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    oracle = oracles.RandomSearchOracle(R2, max_trials=8, seed=3, max_consecutive_failed_trials=9)
    table = searched(tmp_path, oracle).table
    failed = [weight_of(row) > 2 for _, row in table.iterrows()]
    assert list(table.status == "FAILED") == failed and 0 < sum(failed) < 8
    assert "no more memory" in oracle.trials[table.index[failed][0]].message


def test_a_score_that_is_nan_fails_the_trial_and_a_retry_starts_afresh(tmp_path, untrained):
    times = []

    def once(estimator, x, y):
        times.append(1)
        return np.nan if len(times) == 1 else 0.25

    oracle = oracles.RandomSearchOracle(kt.Objective("once", "max"), max_trials=1, seed=0,
                                        max_retries_per_trial=1)  # fmt: skip
    tuner = searched(tmp_path, oracle, scoring=once)
    assert list(tuner.table.status) == ["COMPLETED"] and list(tuner.table.score) == [0.25]
    assert oracle.trials["0"].metrics.get_history("once")[0].value == [0.25] * 3


def test_too_many_failures_end_the_search(tmp_path, untrained):
    # KerasTuner builds once with 0.1 and a factor drawn without a seed: up to 0.3.
    build = failing(lambda w: w > 0.35, RuntimeError("odd"))
    oracle = oracles.RandomSearchOracle(R2, max_trials=20, seed=3)
    with pytest.raises(RuntimeError, match="consecutive failures exceeded the limit of 3"):
        searched(tmp_path, oracle, build)


@pytest.mark.parametrize("name", ["val_accuracy", "roc_auc"])
def test_an_objective_that_is_not_there(tmp_path, untrained, name):
    oracle = oracles.RandomSearchOracle(kt.Objective(name, "max"), max_trials=3)
    with pytest.raises(errors.FatalValueError, match=f"{name}.*There are: loss, val_loss, r2"):
        searched(tmp_path, oracle)


def test_wrong_data_are_refused_before_any_trial(tmp_path, untrained):
    tuner = tuner_of(tmp_path, ORACLES["random"](R2))
    with pytest.raises(ValueError, match="same rows"):
        tuner.search(X, Y[:-1], verbose=0)
    with pytest.raises(ValueError, match="no_such_scorer"):
        searched(tmp_path, ORACLES["random"](R2), scoring="no_such_scorer")
    assert not tuner.oracle.trials and not untrained


class OwnFit(kt.HyperModel):
    def build(self, hp):
        return weighing(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [4, 8]), **kwargs)


@pytest.mark.parametrize(
    "build, oracle, options, error, words",
    [
        (weighing(kt.HyperParameters()), None, {}, TypeError, "must be a function `build_model"),
        ("dense", None, {}, TypeError, "Received: 'dense'"),
        (OwnFit(), None, {}, ValueError, "OwnFit.fit.*fit_kwargs=lambda hp"),
        (weighing, "random", {}, TypeError, "one of KerasTuner's oracles.*'random'"),
        (weighing, oracles.RandomSearchOracle(), {}, ValueError, "must have an objective"),
        (weighing, None, {"trials_at_once": 0}, ValueError, "trials_at_once=0"),
        (weighing, None, {"trials_at_once": True}, ValueError, "trials_at_once=True"),
        (weighing, None, {"silence_seconds": 0}, ValueError, "silence_seconds=0"),
        (weighing, None, {"silence_seconds": "9"}, ValueError, "silence_seconds='9'"),
        (weighing, None, {"fit_kwargs": [3]}, TypeError, "Received: list"),
    ],
)
def test_refused(tmp_path, build, oracle, options, error, words):
    with pytest.raises(error, match=words):
        tuner_of(tmp_path, oracle or ORACLES["random"](R2), build, **options)


def test_a_hypermodel_and_no_model_of_a_fold(tmp_path, untrained):
    class Space(kt.HyperModel):
        def build(self, hp):
            return weighing(hp)

        def declare_hyperparameters(self, hp):
            hp.Float("weight", 1.9, 2.1)

    tuner = searched(tmp_path, ORACLES["random"](R2), Space())
    assert tuner.table.weight.between(1.9, 2.1).all()
    best = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
    assert best.get_weights()[0].item() == pytest.approx(weight_of(tuner.table.loc[
        tuner.table.score.idxmax()]))  # fmt: skip
    with pytest.raises(NotImplementedError, match="No fold's model is kept"):
        tuner.get_best_models()


# Folders ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ORACLES)
def test_a_search_that_was_stopped_goes_on(tmp_path, monkeypatch, name):
    """Ctrl-C in the second batch; reloaded, the search ends with what it would have found."""
    calls = []

    def fit_all(models, *args, **settings):
        calls.append(len(models))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    whole = []
    for folder in ("stopped", "whole"):
        if folder == "stopped":
            with pytest.raises(KeyboardInterrupt):
                searched(tmp_path / folder, ORACLES[name](R2), trials_at_once=2)
            before = sum(calls)
        tuner = searched(tmp_path / folder, ORACLES[name](R2), trials_at_once=2)
        table = tuner.table
        assert (table.status == "COMPLETED").all()
        whole.append(table)
    stopped, straight = whole
    assert len(stopped) == len(straight) and before <= 2 * 3 * 2
    if name in ("random", "grid"):
        columns = ["weight", "kind", "factor", "score"]
        ordered = [t[columns].sort_values(columns).reset_index(drop=True) for t in whole]
        assert ordered[0].equals(ordered[1])
    again = searched(tmp_path / "whole", ORACLES[name](R2))
    assert again.table.equals(straight) and not again.results


def test_keras_tuners_tables_are_shown_unless_silenced(tmp_path, untrained, capsys):
    tuner = tuner_of(tmp_path, oracles.RandomSearchOracle(R2, max_trials=2, seed=3))
    tuner.search(X, Y)
    shown = capsys.readouterr().out
    assert "Running Trial #2" in shown and f"Best r2 So Far: {tuner.table.score.max()}" in shown
    searched(tmp_path / "silent", oracles.RandomSearchOracle(R2, max_trials=2, seed=3))
    assert not capsys.readouterr().out


@pytest.mark.slow
def test_more_trials_can_be_asked_for_later(tmp_path, untrained):
    searched(tmp_path, oracles.RandomSearchOracle(R2, max_trials=3, seed=3))
    more = searched(tmp_path, oracles.RandomSearchOracle(R2, max_trials=7, seed=3))
    straight = searched(tmp_path / "x", ORACLES["random"](R2))
    assert len(more.results) == 4
    assert list(more.table.weight) == list(straight.table.weight)


@pytest.mark.slow
def test_a_folder_of_another_search_is_refused(tmp_path, untrained):
    searched(tmp_path, ORACLES["random"](R2))

    def other(hp):
        hp.Choice("more", [1, 2])
        return weighing(hp)

    for oracle, build, options, name in (
        (ORACLES["random"](R2), other, {}, "build_model"),
        (ORACLES["random"](R2), weighing, {"fit_kwargs": {"epochs": 3}}, "fit_kwargs"),
        (ORACLES["random"](R2), weighing, {"cv": 4}, "splits"),
        (ORACLES["random"](kt.Objective("loss", "min")), weighing, {}, "oracle"),
    ):
        with pytest.raises(ValueError, match=f"{name}.* differ"):
            searched(tmp_path, oracle, build, **options)
    with pytest.raises(ValueError, match="x differs"):
        tuner_of(tmp_path, ORACLES["random"](R2)).search(X + 1, Y, verbose=0)
    with pytest.raises(ValueError, match=r"not on this grid.*overwrite=True"):
        tuner_of(tmp_path, oracles.GridSearchOracle(R2))
    fresh = searched(tmp_path, ORACLES["random"](R2), other, overwrite=True)
    assert len(fresh.results) == 7


def test_a_damaged_folder_is_named(tmp_path, untrained):
    searched(tmp_path, ORACLES["random"](R2))
    (tmp_path / "s" / "oracle.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"cannot be read.*overwrite=True"):
        tuner_of(tmp_path, ORACLES["random"](R2))
