"""Models with several outputs: tasks, scorers and predictions by name."""

import keras
import numpy as np
import pytest
from crossed import BINARY, THREE, X, Y, builder, run
from sklearn import metrics
from sklearn.preprocessing import StandardScaler

from coursekit.validation import compare, nested_cross_validate

TARGETS = {"age": Y, "sex": BINARY, "kind": THREE}


def heads(form="dict", **losses):
    def build_model():
        x = keras.Input((3,))
        outputs = {
            "age": keras.layers.Dense(1, name="age")(x),
            "sex": keras.layers.Dense(1, activation="sigmoid", name="sex")(x),
            "kind": keras.layers.Dense(3, name="kind")(x),
        }
        loss = {
            "age": "mse",
            "sex": "binary_crossentropy",
            "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        } | losses
        if form == "list":
            outputs, loss = list(outputs.values()), list(loss.values())
        model = keras.Model(x, outputs)
        model.compile(keras.optimizers.SGD(0.05), loss)
        return model

    return build_model


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("preprocess", [None, StandardScaler()])
def test_each_output_is_scored_by_name(form, preprocess):
    scoring = {"age": "r2", "sex": ["accuracy", "roc_auc"], "kind": {"loss": "neg_log_loss"}}
    found = run(heads(form), X, TARGETS, scoring=scoring, preprocess=preprocess)
    assert list(found.scores) == ["age_r2", "sex_accuracy", "sex_roc_auc", "kind_loss"]
    assert found.task == {"age": "regression", "sex": "binary", "kind": "classification"}
    shapes = {name: values.shape for name, values in found.predictions.items()}
    assert shapes == {"age": (60,), "sex": (60,), "kind": (60, 3)}
    for k, (_, side) in enumerate(found.folds):
        p = {name: values[side] for name, values in found.predictions.items()}
        expected = {
            "age_r2": metrics.r2_score(Y[side], p["age"]),
            "sex_accuracy": metrics.accuracy_score(BINARY[side], p["sex"] > 0.5),
            "sex_roc_auc": metrics.roc_auc_score(BINARY[side], p["sex"]),
            "kind_loss": -metrics.log_loss(THREE[side], p["kind"], labels=[0, 1, 2]),
        }
        for name, value in expected.items():
            assert found.scores[name][k] == pytest.approx(value, abs=1e-5)
    assert "age: regression, sex: binary" in str(found)
    assert {"age_r2", "train_age_r2"} <= set(found.table)
    assert compare(found, found, scorer="age_r2").mean == 0


def test_several_outputs_equal_models_of_one(untrained):
    """An output scores as a model that has it alone, with the same weights."""
    both = run(heads(), X, TARGETS)
    assert list(both.scores) == ["age_r2", "sex_accuracy", "kind_accuracy"]

    def alone(fold):
        x = keras.Input((3,))
        model = keras.Model(x, keras.layers.Dense(1, name="age")(x))
        model.compile("sgd", "mse")
        return model

    one = run(alone, X, Y)
    np.testing.assert_allclose(one.scores["r2"], both.scores["age_r2"], atol=1e-5)


@pytest.mark.slow
def test_weights_of_rows_hold_for_all_outputs():
    weights = np.linspace(0.1, 2, 60)
    fit = {"epochs": 2, "sample_weight": weights}
    found = run(heads(), X, TARGETS, fit_kwargs=fit)
    assert np.abs(found.predictions["age"] - run(heads(), X, TARGETS,
                  fit_kwargs={"epochs": 2}).predictions["age"]).max() > 1e-4  # fmt: skip


def test_candidates_with_several_outputs(untrained):
    found = nested_cross_validate({"a": heads(), "b": heads("list")}, X, TARGETS, cv=2, inner_cv=2,
                                  verbose=0)  # fmt: skip
    assert list(found.outer.scores) == ["age_r2", "sex_accuracy", "kind_accuracy"]


REFUSED = {
    "an array": ({"y": Y}, r"`y` must be a dict by output.*3 losses"),
    "a missing output": ({"y": {"age": Y}}, r"must name the outputs.*'age'; the model gives 'age'"),
    "an unknown output": ({"y": TARGETS | {"x": Y}}, r"must have a loss. Received: none for 'x'"),
    "one scorer": ({"scoring": "r2"}, r"a dict by output \('age', 'sex', 'kind'\).*'r2'"),
    "a wrong name": ({"scoring": {"agee": "r2"}}, r"a dict by output"),
    "a wrong scorer": ({"scoring": {"age": "accuracy"}}, r"'accuracy' for regression"),
    "a task": ({"task": "regression"}, r"`task` must be a dict by output"),
    "class weights": ({"fit_kwargs": {"class_weight": {0: 1}}}, r"several outputs.*sample_weight"),
    "other rows": ({"y": TARGETS | {"age": Y[1:]}}, r"`y\['age'\]` of shape \(59,\)"),
    "NaN": ({"y": TARGETS | {"age": np.where(Y > 4, np.nan, Y)}}, r"`y\['age'\]` must be finite"),
    "wide": ({"y": TARGETS | {"age": np.stack([Y, Y], 1)}}, "as many values a row"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_sentence(name, untrained):
    options, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as told:
        run(heads(), X, **({"y": TARGETS} | options))
    assert len(str(told.value)) < 400 and "factorize" not in str(told.value)


def test_one_output_takes_no_dict(untrained):
    with pytest.raises(ValueError, match=r"must name the outputs.*one output"):
        run(builder(), X, {"age": Y})


class Squared(keras.losses.Loss):
    """As people write it: right for `(n, 1)`, and for `(n,)` an average over all pairs."""

    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


class Reshaped(Squared):
    def call(self, y_true, y_pred):
        return super().call(keras.ops.reshape(y_true, keras.ops.shape(y_pred)), y_pred)


def squared(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


@pytest.mark.any_backend
def test_a_loss_that_broadcasts_targets_is_refused_by_name(untrained):
    build = builder(loss=Squared())
    with pytest.raises(ValueError, match=r"shape \(60,\).*\(60, 1\), and Squared.*y\[:, None"):
        run(build, task="regression")
    for y, loss in ((Y[:, None], Squared()), (Y, Reshaped()), (Y, squared), (Y, "mse")):
        assert run(builder(loss=loss), y=y, task="regression").task == "regression"
    two = heads(age=Squared())
    with pytest.raises(ValueError, match=r"`y\['age'\]` of shape \(60,\)"):
        run(two, X, TARGETS, task={"age": "regression"})


@pytest.mark.slow
def test_several_outputs_resume_from_a_folder(tmp_path):
    fit = {"epochs": 2}
    whole = run(heads(), X, TARGETS, fit_kwargs=fit)
    for _ in range(2):
        found = run(heads(), X, TARGETS, fit_kwargs=fit, folder=tmp_path)
        for name, values in whole.predictions.items():
            np.testing.assert_allclose(found.predictions[name], values, atol=1e-6)
        for name, scores in whole.scores.items():
            np.testing.assert_allclose(found.scores[name], scores, atol=1e-6)
    seen = []
    run(heads(), X, TARGETS, fit_kwargs=fit, folder=tmp_path, on_fold=lambda k, r: seen.append(k))
    assert not seen
