"""Resuming from a folder, and the test vault."""

import functools
import json
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import X, Y, builder, run
from sklearn import model_selection
from sklearn.preprocessing import StandardScaler

from coursekit.validation import TestVault, VaultOpened


class Killed(BaseException):
    pass


def same(a, b):
    assert a.seeds == b.seeds and a.histories == b.histories
    np.testing.assert_array_equal(a.predictions, b.predictions)
    for name in a.scores:
        np.testing.assert_array_equal(a.scores[name], b.scores[name])
        np.testing.assert_array_equal(a.train_scores[name], b.train_scores[name])


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


def test_a_vault_opens_once():
    vault = TestVault(X, Y)
    assert repr(vault) == "TestVault(60 rows, closed)" and len(vault) == 60
    assert vault.opened is None
    model = builder(metrics=["mae"])()
    score = vault.evaluate(model, reason="final number")
    assert score == model.evaluate(X, Y, return_dict=True, verbose=0)
    assert vault.opened["score"] == score and "final number" in repr(vault)
    with pytest.raises(VaultOpened, match=r"opened on 20\d\d-.* for 'final number' and said .*mae"):
        vault.evaluate(model, reason="to compare")


def test_a_vault_remembers(tmp_path):
    path = tmp_path / "kept" / "vault.json"
    vault, twin = TestVault(X, Y, path=path), TestVault(X, Y, path=path)
    assert vault.evaluate(lambda x, y: y.mean(), reason="report") == Y.mean()
    for later in (TestVault(X, Y, path=path), twin):
        with pytest.raises(VaultOpened, match=r"'report' and said"):
            later.evaluate(lambda x, y: 0, reason="again")
    assert json.loads(path.read_text())["reason"] == "report"
    with pytest.raises(ValueError, match=r"must belong to this test set"):
        TestVault(X + 1, Y, path=path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"or a vault's file"):
        TestVault(X, Y, path=path)


def test_a_vault_stays_closed_where_nothing_was_said():
    vault = TestVault(X, Y)
    with pytest.raises(ZeroDivisionError):
        vault.evaluate(lambda x, y: 1 / 0, reason="a bug")
    for reason in ("", " ", None):
        with pytest.raises(ValueError, match=r"must say in words"):
            vault.evaluate(lambda x, y: 1, reason=reason)
    with pytest.raises(TypeError, match=r"Received: int"):
        vault.evaluate(3, reason="a number")
    assert vault.evaluate(lambda x, y: 1, reason="repaired") == 1


def test_a_vault_needs_rows():
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X, Y[1:])
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X[:0], Y[:0])
