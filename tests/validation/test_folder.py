"""Folders: finished folds come back to the recipe that made them, and to no other."""

import functools
import json
import threading
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import X, Y, builder, run
from sklearn import model_selection
from sklearn.metrics import make_scorer
from sklearn.preprocessing import FunctionTransformer, StandardScaler


class Killed(BaseException):
    pass


def same(a, b):
    assert a.seeds == b.seeds and a.histories == b.histories
    np.testing.assert_array_equal(a.predictions, b.predictions)
    for name in a.scores:
        np.testing.assert_array_equal(a.scores[name], b.scores[name])
        np.testing.assert_array_equal(a.train_scores[name], b.train_scores[name])


@pytest.mark.slow
@pytest.mark.any_backend
def test_a_killed_run_resumes_to_the_same_result(tmp_path):
    base = builder(optimizer=lambda: keras.optimizers.Adam(0.05))
    options = {"cv": 6, "fit_kwargs": {"epochs": 2}, "preprocess": StandardScaler()}
    whole = run(base, **options)
    calls, folder = [], tmp_path / "new" / "run"

    def build_model():
        calls.append(0)
        if len(calls) == 5:
            raise Killed
        return base()

    with pytest.raises(Killed):
        run(build_model, folder=folder, **options)
    finished = sorted(file.name for file in folder.glob("fold_*"))
    assert 1 <= len(finished) <= 4
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    same(run(build_model, folder=folder, **options), whole)
    assert all(file.stat().st_mtime_ns == time for file, time in times.items())
    before = len(calls)
    same(run(build_model, folder=folder, **options), whole)
    assert len(calls) == before + 1  # one model, to compare; none trained
    assert not list(folder.glob(".*"))


def test_an_interrupted_group_is_not_taken_for_finished(tmp_path, monkeypatch):
    def fit_many(models, *args, **kwargs):
        histories = [keras.callbacks.History() for _ in models]
        for history in histories:
            history.history, history.params = {"loss": [1.0]}, {"interrupted": True}
        return histories

    monkeypatch.setattr("coursekit.training.many.fit_many", fit_many)
    with pytest.raises(KeyboardInterrupt):
        run(folder=tmp_path)
    assert not list(tmp_path.glob("fold_*"))


CHANGES = {
    "x": {"x": X + 1e-3},
    "y": {"y": Y + 1e-3},
    "splits": {"cv": model_selection.KFold(3, shuffle=True, random_state=0)},
    "seed": {"seed": 1},
    "scoring": {"scoring": "r2"},
    "preprocess": {"preprocess": StandardScaler()},
    "fit_kwargs": {"fit_kwargs": {"epochs": 2}},
    "model": {"build": builder(optimizer=lambda: keras.optimizers.SGD(0.06))},
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_run_is_refused_by_name(part, tmp_path, untrained):
    options = {"build": builder(optimizer=lambda: keras.optimizers.SGD(0.05)), "folder": tmp_path}
    same(run(**options), run(**options))
    with pytest.raises(
        ValueError, match=rf"another one: {part} (and build_model )?differs?\. Choose"
    ):
        run(**{**options, **CHANGES[part]})


POWER = 2


def powers(kind):
    """Pairs of functions (before, after) that differ in what they do."""

    def by(power):
        return lambda x_train, y_train: lambda x: x**power

    def by_default(x_train, y_train, power=2):
        return lambda x: x**power

    def by_keyword(x_train, y_train, power=3):
        return lambda x: x**power

    return {
        "constant": (
            lambda x_train, y_train: lambda x: x**2,
            lambda x_train, y_train: lambda x: x**3,
        ),
        "closure": (by(2), by(3)),
        "default": (by_default, by_keyword),
        "partial": (functools.partial(by_default, power=2), functools.partial(by_default, power=3)),
    }[kind]


@pytest.mark.parametrize("kind", ["constant", "closure", "default", "partial"])
def test_functions_are_told_apart(kind, tmp_path, untrained):
    before, after = powers(kind)
    same(run(preprocess=before, folder=tmp_path), run(preprocess=before, folder=tmp_path))
    same(run(preprocess=powers(kind)[0], folder=tmp_path), run(preprocess=before))
    with pytest.raises(ValueError, match=r"another one: preprocess differs"):
        run(preprocess=after, folder=tmp_path)


def test_functions_are_told_apart_by_globals(tmp_path, untrained, monkeypatch):
    def power(x):
        return x**POWER

    preprocess = lambda x_train, y_train: power
    run(preprocess=preprocess, folder=tmp_path)
    monkeypatch.setitem(globals(), "POWER", 3)
    with pytest.raises(ValueError, match=r"another one: preprocess differs"):
        run(preprocess=preprocess, folder=tmp_path)


def test_tables_are_told_apart(tmp_path, untrained):
    table = pd.DataFrame(X, columns=["a", "b", "b"])  # a name may be there twice
    run(x=table, folder=tmp_path)
    run(x=table.copy(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"another one: x differs"):
        run(x=table + 1, folder=tmp_path)


def test_a_damaged_fold_trains_anew(tmp_path, untrained):
    whole = run(folder=tmp_path)
    file = tmp_path / "fold_0001.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"fold_0001.npz is damaged .*fold 1 trains anew"):
        same(run(folder=tmp_path), whole)
    assert zipfile.is_zipfile(file)


def test_folders_that_are_none_are_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"must be a folder"):
        run(folder=file)
    (tmp_path / "fold_0000.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has folds and no run.json"):
        run(folder=tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"must be new or hold this very"):
        run(folder=tmp_path)


# Edits ------------------------------------------------------------------------------------------

CONFIG = {"scale": 1.0, "calls": 0, "more": {"power": 1}}


def cell(text, **space):
    space = globals() | space
    exec(text, space)
    return space["made"]


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x_train, y_train):
        return lambda x: x * self.factor

    def make(self, x_train, y_train):
        return lambda x: x * self.factor


def cost(factor):
    return make_scorer(lambda y, p: -factor * float(np.abs(y - p).mean()))


CLEAN = """
from sklearn.base import BaseEstimator, TransformerMixin
class Clean(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None): return self
    def transform(self, x): return x * {}
made = Clean()
"""
TWIST = """
class Twist(keras.layers.Layer):
    def call(self, z): return z * {}
def made():
    model = keras.Sequential([keras.Input((3,)), Twist(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
"""
HOLDING = "def made(x_train, y_train):\n    return lambda x: x * held[0]"
EDITS = {  # what a user edits between two runs of a cell: the option, before and after
    "bound method": ("preprocess", lambda k: Scale(k).make),
    "callable object": ("preprocess", Scale),
    "transformer class": ("preprocess", lambda k: cell(CLEAN.format(k))),
    "function of a transformer": (
        "preprocess", lambda k: FunctionTransformer(lambda x: x * k)
    ),
    "list by a global": ("preprocess", lambda k: cell(HOLDING, held=[k])),
    "layer class": ("build", lambda k: cell(TWIST.format(k))),
    "scorer": ("scoring", lambda k: {"cost": cost(k)}),
    "callable scorer": ("scoring", lambda k: {"cost": lambda e, x, y: k}),
    "set of scorers": ("scoring", lambda k: {["r2", "neg_mean_squared_error"][int(k) - 1]}),
    "callbacks": ("fit_kwargs", lambda k: {"callbacks": lambda: [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * k)]}),
    "weights of a model": ("build", lambda k: with_weights(k)),
}  # fmt: skip


def with_weights(k):
    base = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    base.set_weights([np.full_like(w, k) for w in base.get_weights()])
    base.trainable = False

    def build_model():
        model = keras.Sequential([keras.Input((3,)), base, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    return build_model


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_is_never_handed_the_old_folds(kind, tmp_path, untrained):
    option, make = EDITS[kind]
    first = run(**{option: make(1.0)}, folder=tmp_path)
    same(run(**{option: make(1.0)}, folder=tmp_path), first)
    with pytest.raises(ValueError, match=r"another one: .*differs?\. Choose"):
        run(**{option: make(2.0)}, folder=tmp_path)


@pytest.mark.parametrize("change", [{"scale": 5.0}, {"more": {"power": 2}}, {"new": 1}])
def test_what_is_read_is_named(change, tmp_path, untrained, monkeypatch):
    def preprocess(x_train, y_train):
        return lambda x: x * CONFIG["scale"] ** CONFIG["more"]["power"]

    run(preprocess=preprocess, folder=tmp_path)
    for name, value in change.items():
        monkeypatch.setitem(CONFIG, name, value)
    with pytest.raises(ValueError, match=r"`preprocess` depends on `CONFIG.*not what it was"):
        run(preprocess=preprocess, folder=tmp_path)


def test_what_the_code_itself_changes_is_its_state(tmp_path, untrained, monkeypatch):
    """A counter, a list of what was seen: an edit beside it is still an edit."""
    monkeypatch.setitem(CONFIG, "calls", 0)
    seen = []

    def preprocess(x_train, y_train):
        CONFIG["calls"] += 1
        seen.append(len(x_train))
        return lambda x: x * CONFIG["scale"]

    first = run(preprocess=preprocess, folder=tmp_path)
    assert CONFIG["calls"] and seen
    (tmp_path / "fold_0001.npz").unlink()
    same(run(preprocess=preprocess, folder=tmp_path), first)
    monkeypatch.setitem(CONFIG, "scale", 5.0)
    with pytest.raises(ValueError, match=r"depends on `CONFIG\['scale'\]`"):
        run(preprocess=preprocess, folder=tmp_path)


@pytest.mark.slow
def test_what_cannot_be_told_apart_is_refused_before_training(tmp_path, monkeypatch):
    config = {"model": threading.Lock(), "scale": 2.0}

    def preprocess(x_train, y_train):
        return lambda x: x * config["scale"] if config["model"] else x

    with pytest.raises(ValueError, match=r"`preprocess` reads `config\['model'\]`, a lock, which "
                                         r"cannot be told apart: pass version=\.\.\."):  # fmt: skip
        run(preprocess=preprocess, folder=tmp_path)
    first = run(preprocess=preprocess, folder=tmp_path, version=1)
    config["model"] = threading.Lock()
    same(run(preprocess=preprocess, folder=tmp_path, version=1), first)
    for version in (2, "1", None):
        with pytest.raises(ValueError, match=r"version differs|cannot be told apart"):
            run(preprocess=preprocess, folder=tmp_path, version=version)
    config["scale"] = 3.0
    with pytest.raises(ValueError, match="preprocess differs"):
        run(preprocess=preprocess, folder=tmp_path, version=1)
    for version in (True, [1], float("nan")):
        with pytest.raises(ValueError, match="`version` must be a word or a number"):
            run(folder=tmp_path / "new", version=version)


def test_a_folder_without_folds_is_taken_over(tmp_path, untrained):
    def interrupted(fold):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fit_kwargs={"callbacks": interrupted}, folder=tmp_path / "a")
    run(folder=tmp_path)
    for file in tmp_path.glob("fold_*"):
        file.unlink()
    run(seed=5, folder=tmp_path)


# Damage -----------------------------------------------------------------------------------------

DAMAGE = ["", "{", "[]", "null", "1", "{}", "[" * 100_000, "\x00\xff", '{"format": 2}',
          '{"format": 2, "parts": 1, "state": {}, "run": ""}',
          '{"format": 2, "parts": {"x": []}, "state": {}, "run": ""}',
          '{"format": 2, "parts": {}, "state": [], "run": 1}',
          '{"format": 1, "x": ""}']  # fmt: skip


@pytest.mark.parametrize("text", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_run_is_refused_by_name(text, tmp_path, untrained):
    run(folder=tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"must be new or hold this very .*Choose another folder"):
        run(folder=tmp_path)


@pytest.mark.parametrize("name", ["run.json", "fold_0001.npz"])
def test_a_folder_in_the_place_of_a_file_is_refused(name, tmp_path, untrained):
    run(folder=tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=rf"{name}.*folder"):
        run(folder=tmp_path)


def forged(**changes):
    def forge(folder):
        file = folder / "fold_0001.npz"
        with np.load(file) as kept:
            numbers, predictions = json.loads(str(kept["numbers"])), kept["predictions"]
        predictions = changes.pop("predictions", predictions)
        text = json.dumps(numbers | changes)
        np.savez(file, numbers=np.array(text), predictions=predictions)

    return forge


def copied(name, other):
    def copy(folder):
        (folder / name).write_bytes((folder / other).read_bytes())

    return copy


FORGED = {
    "another fold": copied("fold_0001.npz", "fold_0002.npz"),
    "score in words": forged(scores={"r2": "x"}),
    "no score": forged(scores={"r2": None}),
    "truth": forged(scores={"r2": True}),
    "other scorer": forged(scores={"accuracy": 1.0}),
    "no scores": forged(train_scores=[]),
    "history in words": forged(history={"loss": ["x"]}),
    "no history": forged(history=[]),
    "another run": forged(run="abc"),
    "predictions in words": forged(predictions=np.array(["a"] * 20)),
    "too few predictions": forged(predictions=np.zeros(3)),
    "not a zip": lambda folder: (folder / "fold_0001.npz").write_text("[]"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_fold_trains_anew(kind, tmp_path, untrained):
    whole = run(folder=tmp_path)
    FORGED[kind](tmp_path)
    with pytest.warns(UserWarning, match=r"fold_0001.npz is damaged .*fold 1 trains anew"):
        same(run(folder=tmp_path), whole)
    same(run(folder=tmp_path), whole)


def test_a_fold_of_another_run_trains_anew(tmp_path, untrained):
    whole = run(folder=tmp_path / "a")
    run(folder=tmp_path / "b", preprocess=Scale(3.0))
    (tmp_path / "a" / "fold_0001.npz").write_bytes((tmp_path / "b" / "fold_0001.npz").read_bytes())
    with pytest.warns(UserWarning, match="another fold or run"):
        same(run(folder=tmp_path / "a"), whole)


def test_a_nan_score_is_kept(tmp_path, untrained):
    scoring = {"odd": lambda e, x, y: np.nan}
    first = run(scoring=scoring, folder=tmp_path)
    again = run(scoring=scoring, folder=tmp_path)
    assert np.isnan(first.scores["odd"]).all() and np.isnan(again.scores["odd"]).all()
