"""A search that is killed at any write, and folders that were damaged."""

import json

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner import oracles

from coursekit.tuning import CrossValidationTuner, _oracles
from coursekit.validation import _run as validation_run

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(12, 1)).astype("float32")
Y = (2 * X[:, 0]).astype("float32")
R2 = kt.Objective("r2", "max")
ORACLES = {
    "random": lambda: oracles.RandomSearchOracle(R2, max_trials=3, seed=3),
    "grid": lambda: oracles.GridSearchOracle(R2, max_trials=3, seed=3),
    "bayesian": lambda: oracles.BayesianOptimizationOracle(
        R2, max_trials=3, num_initial_points=3, seed=3
    ),
    "hyperband": lambda: oracles.HyperbandOracle(R2, max_epochs=2, factor=2, seed=3),
}


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    monkeypatch.setattr(
        validation_run,
        "fit_all",
        lambda models, *args, **settings: [{"loss": [1.0]} for _ in models],
    )


def weighing(hp):
    weight = hp.Float("weight", 0.1, 10.0, sampling="log")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    model.set_weights([np.array([[weight]], "float32")])
    return model


def searched(folder, name, at_once=1, **options):
    tuner = CrossValidationTuner(
        weighing, ORACLES[name](), cv=2, directory=folder, project_name="s",
        trials_at_once=at_once, **options,
    )  # fmt: skip
    tuner.search(X, Y, verbose=0)
    return tuner


def counted(monkeypatch, kill_before=None):
    """Count the writes; die before one of them."""
    real, writes = _oracles.write_whole, []

    def write_whole(path, content):
        writes.append(path)
        if len(writes) == kill_before:
            raise Killed
        real(path, content)

    monkeypatch.setattr(_oracles, "write_whole", write_whole)
    return writes


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("name", ORACLES)
def test_a_search_killed_at_any_write_ends_as_one_that_was_not(
    name, at_once, tmp_path, monkeypatch
):
    """What is on disk before a write is what was there after the one before."""
    with monkeypatch.context() as patch:
        writes = counted(patch)
        whole = searched(tmp_path / "whole", name, at_once).table
    step = 1 if name == "random" and at_once == 1 else 5
    for k in range(1, len(writes) + 1, step):
        folder = tmp_path / str(k)
        with monkeypatch.context() as patch:
            counted(patch, kill_before=k)
            with pytest.raises(Killed):
                searched(folder, name, at_once)
        table = searched(folder, name, at_once).table
        assert len(table) == len(whole), k
        assert (table.status == "COMPLETED").all(), k
        if at_once == 1 or name in ("random", "grid"):
            np.testing.assert_array_equal(np.sort(table.weight), np.sort(whole.weight))
            np.testing.assert_array_equal(np.sort(table.score), np.sort(whole.score))


def test_a_search_killed_before_its_first_trial_begins_anew(tmp_path, monkeypatch):
    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:  # KerasTuner writes its oracle first, then the tuner
        patch.setattr("keras_tuner.src.engine.stateful.utils.save_json", die)
        with pytest.raises(Killed):
            searched(tmp_path, "random")
    assert (tmp_path / "s" / "oracle.json").exists()
    assert len(searched(tmp_path, "random").table) == 3


TEXTS = ["", "{", "[]", "null", "3", "{}", '{"a": 1}', "[" * 50_000, "\x00"]
FILES = ["oracle.json", "trial_1/trial.json", "tuner0.json", "run.json"]


def a_search(folder):
    searched(folder, "random")
    return folder / "s"


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_refused_by_name_or_does_not_matter(file, tmp_path):
    place = a_search(tmp_path)
    good = (place / file).read_text()
    for text in TEXTS:
        (place / file).write_text(text)
        if file == "tuner0.json" and text in ("{}", '{"a": 1}', "[]", "null", "3"):
            continue  # KerasTuner keeps nothing there
        with pytest.raises(ValueError, match=r"`directory` must be new or hold.*overwrite=True"):
            searched(tmp_path, "random")
    (place / file).unlink()
    (place / file).mkdir()
    with pytest.raises(ValueError, match=r"`directory` must be new or hold.*overwrite=True"):
        searched(tmp_path, "random")
    (place / file).rmdir()
    with pytest.raises(ValueError, match=r"`directory` must be new or hold.*overwrite=True"):
        searched(tmp_path, "random")
    (place / file).write_text(good)
    assert not searched(tmp_path, "random").results  # all trials are there


@pytest.mark.parametrize("key", ["hyperparameters", "metrics", "status", "score", "trial_id"])
@pytest.mark.parametrize("value", ["gone", [1], "x"])
def test_a_damaged_trial_is_refused_by_name(key, value, tmp_path):
    place = a_search(tmp_path)
    file = place / "trial_1" / "trial.json"
    state = json.loads(file.read_text())
    state.pop(key) if value == "gone" else state.update({key: value})
    file.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"`directory` must be new or hold.*overwrite=True"):
        searched(tmp_path, "random")


def test_an_edit_and_a_version(tmp_path):
    factor = [1.0]

    def preprocess(x_train, y_train):
        return lambda x: x * factor[0]

    searched(tmp_path, "random", preprocess=preprocess)
    searched(tmp_path, "random", preprocess=preprocess)
    factor[0] = 2.0
    with pytest.raises(ValueError, match=r"`directory` must be.*search.*preprocess differs"):
        searched(tmp_path, "random", preprocess=preprocess)
    hidden = (k for k in [1])

    def hiding(x_train, y_train):
        return lambda x: x if hidden else -x

    with pytest.raises(ValueError, match=r"reads `hidden`, a generator"):
        searched(tmp_path / "h", "random", preprocess=hiding)
    searched(tmp_path / "h", "random", preprocess=hiding, version="1")


def test_a_builder_that_counts_its_calls_goes_on(tmp_path):
    calls = []

    def build(hp):
        calls.append(1)
        return weighing(hp)

    def search():
        tuner = CrossValidationTuner(build, ORACLES["random"](), cv=2, directory=tmp_path)
        tuner.search(X, Y, verbose=0)
        return tuner

    search()
    assert not search().results
