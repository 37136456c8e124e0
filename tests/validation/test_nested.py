"""Nested cross-validation: the choice sees nothing of the rows that score it."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from coursekit.validation import _run as validation_run
from coursekit.validation import compare, cross_validate, nested_cross_validate

pytestmark = pytest.mark.any_backend

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 1)).astype("float32")
Y = (2 * X[:, 0]).astype("float32")


def weighing(weight):
    """A builder of a model that answers weight * x, and is not trained here."""

    def build_model():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.compile("sgd", "mse")
        model.set_weights([np.array([[weight]], "float32")])
        return model

    return build_model


@pytest.fixture
def untrained(monkeypatch):
    """Models stay as they were built; which rows they would train on is kept."""
    seen = []

    def fit_all(models, x, y, rows, **kwargs):
        seen.append((len(models), [set(map(int, some)) for some in rows], kwargs))
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    return seen


THREE = {"half": weighing(1.0), "right": weighing(2.0), "double": weighing(4.0)}


@pytest.mark.slow
def test_the_best_by_inner_folds_is_scored_on_the_outer_ones(untrained):
    found = nested_cross_validate(THREE, X, Y, cv=4, inner_cv=3, verbose=0)
    assert found.chosen == ["right"] * 4
    np.testing.assert_allclose(found.outer.scores["r2"], 1.0, atol=1e-6)
    assert [len(validation) for _, validation in found.outer.folds] == [15] * 4
    alone = cross_validate(THREE["half"], X[15:], Y[15:], cv=3, verbose=0)
    assert found.inner[0]["half"] == pytest.approx(alone.mean["r2"])
    assert found.promised == pytest.approx(1.0)
    assert "right 4 times" in repr(found) and "promised 1.000" in repr(found)


def test_the_choice_may_differ_and_knows_nothing_of_the_outer_rows(untrained):
    """In the last quarter the slope is 4: whoever sees it chooses otherwise."""
    y = np.where(np.arange(60) < 45, Y, 2 * Y).astype("float32")
    four = {"right": weighing(2.0), "last": weighing(4.0)}
    folds = [(np.arange(45), np.arange(45, 60)), (np.arange(45, 60), np.arange(45))]
    found = nested_cross_validate(four, X, y, cv=folds, inner_cv=3, verbose=0)
    assert found.chosen == ["right", "last"]
    assert found.outer.scores["r2"].max() < 0.8  # each meets the slope it has not seen
    assert found.promised == pytest.approx(1.0)


def test_a_function_chooses_from_the_training_rows_alone(untrained):
    given = []

    def choose(x, y):
        given.append((x.copy(), y.copy()))
        return THREE["half"]

    found = nested_cross_validate(choose, X, Y, cv=KFold(3), verbose=0)
    for (x, y), (train, _) in zip(given, found.outer.folds, strict=True):
        np.testing.assert_array_equal(x, X[train])
        np.testing.assert_array_equal(y, Y[train])
    assert found.chosen == ["build_model"] * 3 and np.isnan(found.promised)
    plain = cross_validate(THREE["half"], X, Y, cv=KFold(3), verbose=0)
    assert compare(found.outer, plain).mean == 0


def test_classes_are_stratified_outside_and_inside(untrained):
    y = np.repeat([0, 1], 30)

    def classifier():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model

    for candidates in ({"a": classifier, "b": classifier}, lambda x, y: classifier):
        found = nested_cross_validate(candidates, X, y, cv=3, inner_cv=2, verbose=0)
        for _, validation in found.outer.folds:
            assert y[validation].sum() == 10
    assert found.outer.task == "binary"


@pytest.mark.slow
def test_groups_and_weights_go_with_their_rows(untrained):
    groups, weights = np.arange(60) // 6, np.arange(60, dtype="float32")
    found = nested_cross_validate(
        THREE, X, Y, cv=GroupKFold(5), inner_cv=GroupKFold(4), groups=groups, verbose=0,
        fit_kwargs={"sample_weight": weights.tolist()},
    )  # fmt: skip
    train = found.outer.folds[0][0]
    inner_rows, inner = untrained[0][1], untrained[0][2]
    np.testing.assert_array_equal(inner["sample_weight"], weights[train])
    for rows in inner_rows:
        apart = set(range(len(train))) - rows
        assert not {groups[train][r] for r in rows} & {groups[train][r] for r in apart}


def test_a_candidate_without_a_score_is_not_chosen(untrained):
    def broken(estimator, x, y):
        return np.nan if estimator.model.get_weights()[0][0, 0] == 2 else 0.5

    found = nested_cross_validate(THREE, X, Y, cv=2, inner_cv=2, scoring=broken, verbose=0)
    assert set(found.chosen) == {"half"}
    with pytest.raises(ValueError, match="One candidate at least must have a score"):
        nested_cross_validate(
            {"a": THREE["right"], "b": THREE["right"]}, X, Y, cv=2, inner_cv=2, scoring=broken,
            verbose=0,
        )  # fmt: skip


@pytest.mark.parametrize(
    "candidates, options, error, words",
    [
        ({"one": THREE["half"]}, {}, TypeError, "at least two builders"),
        ([THREE["half"], THREE["right"]], {}, TypeError, "a dict of at least two"),
        ({"a": THREE["half"], "b": 3}, {}, TypeError, "'b': 'int'"),
        ({**THREE, "c": THREE["half"]()}, {}, TypeError, "returns a new compiled model"),
        (THREE["half"](), {}, TypeError, "a dict of at least two.*Sequential"),
        (THREE, {"inner_cv": 1}, ValueError, "inner_cv=1"),
        (THREE, {"inner_cv": True}, ValueError, "inner_cv=True"),
        (THREE, {"inner_cv": [(np.arange(5), np.arange(5, 9))]}, TypeError, "other rows"),
        (lambda x, y: THREE["half"], {"groups": np.arange(60)}, ValueError, "gets x and y alone"),
        (lambda x, y: "half", {"cv": KFold(3)}, TypeError, "must return a function.*str"),
    ],
)
def test_refused(candidates, options, error, words):
    with pytest.raises(error, match=words):
        nested_cross_validate(candidates, X, Y, **options, verbose=0)
