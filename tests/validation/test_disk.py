"""Cross-validation of rows in files: the scores that arrays in memory give."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import keras
import keras_tuner
import numpy as np
import pytest
from crossed import BCE, CE, builder, run
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from coursekit import _disk
from coursekit._elsewhere import recipe_of
from coursekit.tuning import CrossValidationTuner
from coursekit.validation import TestVault, bias_variance, cross_validate, nested_cross_validate

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.any_backend
RNG = np.random.default_rng(0)
ROWS = 203
X = RNG.normal(size=(ROWS, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=ROWS)
THREE = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=ROWS), [-0.5, 0.5])
FIT = {"epochs": 2, "batch_size": 13}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """A block of a few batches, so that there are many."""
    monkeypatch.setattr(_disk, "BLOCK", 700)


@pytest.fixture
def mapped(tmp_path):
    """Write an array into a file and map it."""

    def save(array, name="x"):
        np.save(tmp_path / f"{name}.npy", array)
        return np.load(tmp_path / f"{name}.npy", mmap_mode="r")

    return save


class Listed(keras.utils.PyDataset):
    """Rows in batches of eleven."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return -(-ROWS // 11)

    def __getitem__(self, k):
        return tuple(a[k * 11 : k * 11 + 11] for a in self.arrays)


def same(ours, theirs):
    assert ours.histories == theirs.histories and ours.scores.keys() == theirs.scores.keys()
    for name in theirs.scores:
        np.testing.assert_array_equal(ours.scores[name], theirs.scores[name])
        np.testing.assert_array_equal(ours.train_scores[name], theirs.train_scores[name])
    np.testing.assert_array_equal(ours.predictions, theirs.predictions)


def by_mean(estimator, x, y):
    """A scorer of one's own, which reads some rows."""
    return -abs(float(np.mean(x[np.arange(5)])) + float(estimator.predict(x).mean() - y.mean()))


CASES = {
    "values": (builder(), Y, {"scoring": ["r2", by_mean]}),
    "classes": (builder(3, CE(from_logits=True)), THREE, {"fit_kwargs": FIT}),
    "watched": (
        builder(1, BCE(from_logits=True)), (THREE > 0).astype(int),
        {"fit_kwargs": {**FIT, "validation_split": 0.2, "class_weight": {1: 2.0}}},
    ),
    "a splitter": (builder(), Y, {"cv": KFold(4, shuffle=True)}),
    "preprocessed": (builder(), Y, {"preprocess": StandardScaler()}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`preprocess` gets")
@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_arrays(mapped, case):
    build, y, options = CASES[case]
    options = {"fit_kwargs": FIT, **options}
    expected = run(build, X, y, **options)
    same(run(build, mapped(X), mapped(y, "y"), **options), expected)
    same(run(build, Listed(X, y), None, **options), expected)


@pytest.mark.slow
def test_a_dict_of_inputs_and_weights(mapped):
    def build():
        a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
        model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.ops.hstack([a, b])))
        model.compile("sgd", "mse")
        return model

    parts = {"a": X[:, :2], "b": X[:, 2:]}
    weights = RNG.uniform(0.5, 2, ROWS)
    expected = run(build, parts, Y, fit_kwargs={**FIT, "sample_weight": weights})
    files = {name: mapped(part, name) for name, part in parts.items()}
    same(run(build, files, Y, fit_kwargs={**FIT, "sample_weight": weights}), expected)

    class Parts(Listed):
        def __getitem__(self, k):
            x, y, w = super().__getitem__(k)
            return {"a": x[:, :2], "b": x[:, 2:]}, y, w

    same(run(build, Parts(X, Y, weights), None, fit_kwargs=FIT), expected)
    with pytest.raises(ValueError, match="`sample_weight` must be left out"):
        run(build, Parts(X, Y, weights), None, fit_kwargs={**FIT, "sample_weight": weights})


@pytest.mark.slow
def test_a_folder_belongs_to_the_rows_wherever_they_lie(mapped, tmp_path, capsys):
    folder = {"folder": tmp_path / "kept", "fit_kwargs": FIT}
    expected = run(builder(), X, Y, **folder)
    for x, y in ((mapped(X), Y), (Listed(X, Y), None)):
        same(run(builder(), x, y, verbose=1, **folder), expected)
        assert "3 of 3 folds from" in capsys.readouterr().out
    changed = X.copy()
    changed[200, 1] += 1
    with pytest.raises(ValueError, match="x differs"):
        run(builder(), mapped(changed, "changed"), Y, **folder)


@pytest.mark.slow
def test_nested_and_bias_and_variance(mapped):
    candidates = {"line": builder(), "slow": builder(optimizer=lambda: keras.optimizers.SGD(1e-4))}
    settings = {"cv": 2, "inner_cv": 2, "fit_kwargs": FIT, "verbose": 0}
    expected = nested_cross_validate(candidates, X, Y, **settings)
    for x, y in ((mapped(X), Y), (Listed(X, Y), None)):
        found = nested_cross_validate(candidates, x, y, **settings)
        same(found.outer, expected.outer)
        assert (found.chosen, found.inner) == (expected.chosen, expected.inner)

    def draw(rng):
        rows = rng.integers(0, ROWS, 60)
        return X[rows], Y[rows]

    results = [bias_variance(builder(), draw, x, Y, refits=3, verbose=0) for x in (X, mapped(X))]
    assert results[0].error.value == results[1].error.value


@pytest.mark.slow
def test_a_search_reads_files_and_datasets(mapped, tmp_path):
    def build(hp):
        return builder(optimizer=lambda: keras.optimizers.SGD(hp.Choice("rate", [0.01, 0.1])))()

    def search(name, *data):
        tuner = CrossValidationTuner(
            build, keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("r2", "max")), cv=2,
            fit_kwargs=FIT, directory=tmp_path, project_name=name,
        )  # fmt: skip
        tuner.search(*data, verbose=0)
        return [trial.score for trial in tuner.oracle.get_best_trials(2)]

    expected = search("arrays", X, Y)
    assert search("files", mapped(X), Y) == search("datasets", Listed(X, Y)) == expected
    with pytest.raises(ValueError, match=r"must give .x, y. alone to a search"):
        search("weights", Listed(X, Y, np.ones(ROWS)))


def test_a_vault_holds_a_file(mapped):
    model = builder()()
    model.fit(X, Y, verbose=0)
    scores = [TestVault(x, Y).evaluate(model, reason="end") for x in (X, mapped(X))]
    assert scores[0] == scores[1]
    seen = TestVault(mapped(X), Y).evaluate(lambda x, y: float(x.mean()), reason="end")
    assert seen == X.mean()


# Elsewhere


def test_the_name_of_the_file_travels_and_not_its_rows(mapped):
    x = _disk.placed(mapped(np.zeros((10_000, 20))))
    recipe = recipe_of(np.sum, {"x": x.astype("float32")})
    assert len(recipe.content) < 5_000 < x.nbytes
    _, back = cloudpickle.loads(recipe.content)
    assert back["x"].dtype == "float32" and len(back["x"]) == 10_000
    some = _disk.placed(mapped(X)[::-1]).chosen(np.array([3, 5]))
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(some))[:], X[::-1][[3, 5]])


def test_what_is_not_in_the_file_travels_itself(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[0] = 7
    back = cloudpickle.loads(cloudpickle.dumps(_disk.placed(x)))
    assert type(back) is np.ndarray and back[0, 0] == 7


@pytest.mark.parametrize("how", ["gone", "shorter", "other"])
def test_a_worker_that_finds_other_rows_says_so(mapped, tmp_path, how):
    content = cloudpickle.dumps(_disk.placed(mapped(X)))
    if how == "gone":
        (tmp_path / "x.npy").unlink()
    elif how == "shorter":
        os.truncate(tmp_path / "x.npy", 4000)
    else:
        np.save(tmp_path / "x.npy", X + 1)
    told = "holds others there" if how == "other" else "cannot be mapped there"
    with pytest.raises(ValueError, match=f"{told}.*Put it where all workers see it"):
        cloudpickle.loads(content)


@pytest.mark.slow
def test_an_executor_gives_what_the_call_without_it_gives(mapped):
    expected = run(builder(), X, Y, fit_kwargs=FIT)
    with ThreadPoolExecutor(1) as pool:
        for x, y in ((mapped(X), Y), (Listed(X, Y), None)):
            found = run(builder(), x, y, fit_kwargs=FIT, executor=pool)
            np.testing.assert_allclose(found.scores["r2"], expected.scores["r2"], rtol=1e-4)


# Told and refused


def test_rows_that_are_not_finite_are_refused_by_row(mapped):
    x = X.copy()
    x[[150, 202], 1] = np.inf
    x[150, 2] = np.nan
    expected = (
        "3 values that are not, the first in row 150: inf in column 1 .as float32.. Leave the rows "
        r"with such values \(2\) out"
    )
    for given in (x, mapped(x)):
        with pytest.raises(ValueError, match=expected):
            run(builder(), given, Y)


def test_preprocessing_says_that_it_reads(mapped):
    with pytest.warns(UserWarning, match="`preprocess` gets the rows of a fold in memory"):
        run(builder(), mapped(X), Y, preprocess=StandardScaler(), fit_kwargs=FIT)


@pytest.mark.slow
def test_what_has_no_rows_gets_a_way_out_that_works(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match=r"Received: generator.*open_memmap\(\"x.npy\", \"w\+\""):
        run(builder(), (row for row in X), Y)
    monkeypatch.chdir(tmp_path)
    rows = np.lib.format.open_memmap("x.npy", "w+", "float32", X.shape)
    for start in range(0, ROWS, 50):
        rows[start : start + 50] = X[start : start + 50]
    same(run(builder(), np.load("x.npy", mmap_mode="r"), Y), run(builder(), X, Y))


@pytest.mark.slow
def test_a_diverged_model_is_told_of_without_reading_all_rows_at_once(mapped, monkeypatch):
    most = []
    read = _disk.OnDisk.__getitem__

    def watched(self, index):
        found = read(self, index)
        most.append(found.nbytes)
        return found

    monkeypatch.setattr(_disk.OnDisk, "__getitem__", watched)
    with pytest.warns(UserWarning, match="Not finite: fold 0"):
        run(builder(optimizer=lambda: keras.optimizers.SGD(1e30)), mapped(np.tile(X, (400, 1))),
            np.tile(Y, 400), fit_kwargs={"batch_size": 999})  # fmt: skip
    assert max(most) <= 4096 * 3 * 4 < 400 * X.nbytes / 20  # what is scored at once


def test_y_is_left_out_with_a_dataset_alone():
    with pytest.raises(ValueError, match="`y` must be left out where `x` brings its batches"):
        cross_validate(builder(), Listed(X, Y), Y)
    with pytest.raises(TypeError, match="`y` must hold the targets, one a row"):
        cross_validate(builder(), X)


@pytest.mark.slow
def test_the_page_says_what_is_so(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "rows_beyond_memory.md"
    monkeypatch.chdir(tmp_path)
    told: dict = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, told)
    assert told["result"].mean["r2"] > 0
