"""Each planted fault is named, each healthy run is left in peace, and nothing is changed."""

import json

import keras
import numpy as np
import pytest
from plants import FAULTS, HEALTHY, digits, mlp, run

from coursekit.diagnosis import Finding, Report, examine

# Tracing takes seconds on JAX: these run there too.
BOTH = {"no_softmax", "labels_from_one", "sgd_of_thirty", "rows_against_all_rows", "plain", "words",
        "a_row_of_nan", "convolutions"}  # fmt: skip


def each(names):
    on = {True: pytest.mark.any_backend, False: ()}
    return [pytest.param(name, marks=on[name in BOTH]) for name in names]


def looked(one):
    return examine(one.model, one.x, one.y, one.valid, **one.more)


@pytest.mark.slow
@pytest.mark.parametrize("name", each(FAULTS))
def test_a_fault_is_named_first_or_second(name):
    keras.utils.set_random_seed(0)
    names, make = FAULTS[name]
    report = looked(make(0))
    assert set(names) & set(report.names[:2]), str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", each(HEALTHY))
def test_a_healthy_run_is_not_accused(name):
    keras.utils.set_random_seed(0)
    report = looked(HEALTHY[name](0))
    assert all(finding.effect == "notes" for finding in report), str(report)


def state(model):
    values = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in values]


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["convolutions", "plain"])
def test_nothing_is_changed(name):
    one = HEALTHY[name](0)
    looked(one)  # what fit would build is built
    keras.utils.set_random_seed(7)
    before, draw = state(one.model), np.random.random()
    keras.utils.set_random_seed(7)
    report = looked(one)
    assert np.random.random() == draw
    for a, b in zip(before, state(one.model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert str(report) == str(looked(one))


@pytest.mark.slow
def test_a_report_in_words_and_as_data():
    one = FAULTS["no_softmax"][1](0)
    report = looked(one)
    assert "logits_as_probabilities" in str(report) and "from_logits=True" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["rule"] == report[0].rule
    assert report[0].rule in report._repr_html_()
    assert str(Report([])) == "Nothing found." and not Report([])
    order = Report([Finding("b", "notes", "b", ""), Finding("a", "says", "a", "")])
    assert order.names == ["a", "b"]


WRONG = {
    "model": ({"model": 3}, TypeError, "must be a Keras model"),
    "not compiled": ({"model": mlp()}, ValueError, "must be compiled"),
    "rows": ({"y": np.zeros(5)}, ValueError, "the same rows"),
    "none": ({"x": np.zeros((0, 64)), "y": np.zeros(0)}, ValueError, "at least one row"),
    "text": ({"x": np.array([["a"] * 64] * 900)}, ValueError, "arrays of numbers"),
    "pair": ({"validation_data": np.zeros(3)}, ValueError, r"\(x_val, y_val\)"),
    "few": ({"rows": 3}, ValueError, "`rows` must be"),
    "seed": ({"seed": -1}, ValueError, "`seed` must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    changed, error, words = WRONG[name]
    one = run(mlp(), *digits(0))
    with pytest.raises(error, match=words):
        examine(**{"model": one.model, "x": one.x, "y": one.y, **changed})


@pytest.mark.slow
def test_what_cannot_be_seen_is_said():
    report = looked(HEALTHY["two_inputs_two_outputs"](0))
    assert any("several outputs" in what for what in report.skipped)
    assert any("learning rate" in what for what in looked(HEALTHY["subclassed"](0)).skipped)


@pytest.mark.slow
def test_one_row_and_rows_that_are_lost():
    one = run(mlp(), *digits(0))
    assert examine(one.model, one.x[:1], one.y[:1]).names == []
    held, labels = one.valid
    held = np.where(np.arange(len(held))[:, None] == 3, np.nan, held)
    report = examine(one.model, one.x, one.y, (held, labels))
    assert report.names == [] and any("not finite" in what for what in report.skipped)
    with pytest.raises(ValueError, match="the same rows"):
        examine(one.model, one.x, one.y, (held, labels[:5]))


def test_a_model_that_is_not_built_is_not_said_to_have_no_weights():
    model = keras.Sequential([keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y, _ = digits(0)
    x[3, 2] = np.nan
    assert examine(model, x, y).names == ["nan_in_inputs"]
