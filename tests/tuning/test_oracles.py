"""The defects of KerasTuner that `coursekit.tuning._oracles` works around.

Each of the first tests fails once KerasTuner is fixed: then its workaround can go.
"""

import copy

import keras_tuner as kt
import pytest
from keras_tuner import oracles
from keras_tuner.engine.trial import TrialStatus

from coursekit.tuning._oracles import adapt

SCORE = kt.Objective("score", "max")


def grid():
    hp = kt.HyperParameters()
    hp.Choice("a", [1, 2, 3])
    hp.Choice("b", [1, 2, 3])
    return oracles.GridSearchOracle(SCORE, hyperparameters=hp)


def placed(oracle, folder):
    oracle._set_project_dir(folder, "p")
    oracle.verbose = 0
    return oracle


def finish(oracle, trial, score=1.0):
    oracle.update_trial(trial.trial_id, {"score": score})
    trial = copy.copy(trial)
    trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def test_keras_tuners_grid_names_two_points_at_most(tmp_path):
    oracle = placed(grid(), tmp_path)
    statuses = [oracle.create_trial(f"t{k}").status for k in range(4)]
    assert statuses == ["RUNNING", "RUNNING", "IDLE", "IDLE"]


def test_keras_tuners_grid_ends_when_it_is_reloaded(tmp_path):
    oracle = placed(grid(), tmp_path)
    finish(oracle, oracle.create_trial("t"))
    oracle.save()
    again = placed(grid(), tmp_path)
    again.reload()
    assert again.create_trial("t").status == "STOPPED"


def test_keras_tuner_runs_a_finished_trial_again_after_a_kill(tmp_path):
    oracle = placed(grid(), tmp_path)
    finish(oracle, oracle.create_trial("t"))
    again = placed(grid(), tmp_path)
    again.reload()
    assert again.create_trial("t").trial_id == "0000"


def test_keras_tuner_adds_the_results_of_a_retry_to_the_old_ones(tmp_path):
    oracle = placed(oracles.RandomSearchOracle(SCORE, max_trials=2, max_retries_per_trial=1,
                                               hyperparameters=space()), tmp_path)  # fmt: skip
    trial = oracle.create_trial("t")
    finish(oracle, trial, float("nan"))
    trial = oracle.create_trial("t")
    oracle.update_trial(trial.trial_id, {"score": 1.0})
    assert len(trial.metrics.get_history("score")[0].value) == 2


def test_keras_tuner_writes_in_place(tmp_path, monkeypatch):
    oracle = placed(grid(), tmp_path)
    oracle.save()
    file = tmp_path / "p" / "oracle.json"
    before = file.stat().st_ino
    oracle.save()
    assert file.stat().st_ino == before


def space():
    hp = kt.HyperParameters()
    hp.Float("a", 0, 1)
    return hp


def test_an_adapted_grid_runs_wide_and_covers_all(tmp_path):
    oracle = placed(grid(), tmp_path)
    adapt(oracle)
    assert (
        isinstance(oracle, oracles.GridSearchOracle) and type(oracle).__name__ == "GridSearchOracle"
    )
    seen = []
    while True:
        batch = [oracle.create_trial(f"t{k}") for k in range(4)]
        running = [trial for trial in batch if trial.status == "RUNNING"]
        if not running:
            assert {trial.status for trial in batch} == {"STOPPED"}
            break
        assert len(running) == min(4, 9 - len(seen))
        for trial in running:
            seen.append(tuple(trial.hyperparameters.values.values()))
            finish(oracle, trial)
    assert sorted(seen) == [(a, b) for a in (1, 2, 3) for b in (1, 2, 3)]


@pytest.mark.parametrize("done", [1, 2, 5])
def test_an_adapted_grid_goes_on_when_it_is_reloaded(tmp_path, done):
    seen, oracle = [], placed(grid(), tmp_path)
    adapt(oracle)
    for _ in range(done):
        trial = oracle.create_trial("t")
        seen.append(tuple(trial.hyperparameters.values.values()))
        finish(oracle, trial)
    oracle.create_trial("t")  # was running when the process died
    oracle = placed(grid(), tmp_path)
    adapt(oracle)
    oracle.reload()
    while (trial := oracle.create_trial("t")).status == "RUNNING":
        seen.append(tuple(trial.hyperparameters.values.values()))
        finish(oracle, trial)
    assert sorted(seen) == [(a, b) for a in (1, 2, 3) for b in (1, 2, 3)]


def test_an_adapted_oracle_writes_whole_files(tmp_path):
    """A new file takes the place of the old one, which is never open for writing."""
    oracle = placed(grid(), tmp_path)
    adapt(oracle)
    adapt(oracle)  # twice is once
    trial = oracle.create_trial("t")
    for name, save in (
        ("oracle.json", oracle.save),
        ("trial_0000/trial.json", lambda: oracle._save_trial(trial)),
    ):
        file = tmp_path / "p" / name
        before = file.stat().st_ino
        save()
        assert file.stat().st_ino != before
    assert not list(tmp_path.rglob("*.part"))


def test_who_asks_again_for_a_running_trial_takes_nothing_from_it(tmp_path):
    oracle = placed(grid(), tmp_path)
    adapt(oracle)
    trial = oracle.create_trial("t")
    oracle.update_trial(trial.trial_id, {"score": 1.0})
    assert oracle.create_trial("t") is trial and trial.metrics.exists("score")
