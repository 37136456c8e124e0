"""The result of a cross-validation, in words and as a table."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from crossed import X, run

from coursekit import validation


def test_the_result_in_words_and_as_a_table(untrained):
    result = run(scoring=["r2", "neg_mean_absolute_error"])
    text = str(result)
    assert text == repr(result) and text.startswith("CrossValidation: 3 folds, regression")
    assert "not a standard error" in text and "share training rows" in text
    assert f"mean {result.mean['r2']:.3f}" in text
    assert result.spread["r2"] == pytest.approx(np.std(result.scores["r2"], ddof=1))
    assert list(result.table) == [
        "train_rows", "validation_rows", "train_r2", "r2",
        "train_neg_mean_absolute_error", "neg_mean_absolute_error",
    ]  # fmt: skip
    assert result.table.index.name == "fold" and list(result.table.train_rows) == [40] * 3
    one = run(cv=[(np.arange(40), np.arange(40, 60))])
    assert np.isnan(one.spread["r2"]) and "1 fold," in str(one)


def test_progress_is_shown_on_request(untrained, capsys, tmp_path):
    run(verbose=0)
    assert capsys.readouterr().out == ""
    result = run(verbose="auto", folder=tmp_path)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"cross_validate: 3 of 3 folds; r2 {result.mean['r2']:.3f}"
    run(verbose=1, folder=tmp_path)
    assert capsys.readouterr().out == f"cross_validate: 3 of 3 folds from {tmp_path}\n"


def test_public_names():
    assert set(validation.__all__) <= set(dir(validation))


@pytest.mark.slow
def test_models_are_kept_on_request():
    found = run(keep_models=True, fit_kwargs={"epochs": 2})
    assert len(found.models) == 3 and run().models == []
    for model, (_, side) in zip(found.models, found.folds, strict=True):
        again = model.predict(X[side], verbose=0)[:, 0]
        np.testing.assert_allclose(again, found.predictions[side], atol=1e-5)


@pytest.mark.slow
def test_a_hook_sees_each_fold(tmp_path):
    seen = {}

    def log(fold, result):
        seen[fold] = result

    found = run(on_fold=log, fit_kwargs={"epochs": 2}, folder=tmp_path)
    assert sorted(seen) == [0, 1, 2]
    for fold, result in seen.items():
        assert result.scores["r2"] == found.scores["r2"][fold]
        assert result.train_scores["r2"] == found.train_scores["r2"][fold]
        assert result.history == found.histories[fold]
        assert isinstance(result.model, keras.Model) and len(result.predictions) == 20
    seen.clear()
    run(on_fold=log, fit_kwargs={"epochs": 2}, folder=tmp_path)
    assert not seen  # nothing was trained


@pytest.mark.parametrize("options, error, words", [
    ({"on_fold": lambda fold: 0}, TypeError, r"fold's number and its result.*def on_fold"),
    ({"on_fold": 3}, TypeError, "Received: 3"),
    ({"keep_models": 1}, ValueError, "keep_models=1"),
    ({"keep_models": True, "folder": "never_made"}, ValueError, "comes from disk has no model"),
])  # fmt: skip
def test_hooks_that_cannot_be_called_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        run(**options)


@pytest.mark.slow
def test_names_that_people_reach_for_first():
    code = (
        "import sys, coursekit; before = set(sys.modules);"
        "assert not {'keras', 'tensorflow', 'sklearn', 'numpy'} & before;"
        "from coursekit import cross_validate, compare, TestVault, fit_many;"
        "from coursekit import find_learning_rate, ReplicaModel;"
        "import coursekit.validation as v; assert cross_validate is v.cross_validate;"
        "assert 'cross_validate' in dir(coursekit)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
