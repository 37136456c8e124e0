"""What practitioners get wrong, typed as they type it: the message has the cause and a way out."""

import keras
import keras_tuner as kt
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, StratifiedKFold

from coursekit.callbacks import EarlyStopping, find_learning_rate
from coursekit.tuning import CrossValidationTuner
from coursekit.validation import (
    TestVault,
    bias_variance,
    cross_validate,
    nested_cross_validate,
)
from coursekit.validation import _bias_variance as bias_variance_module
from coursekit.validation import _run as validation_run

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
VALUES = 2 * X[:, 0]
CLASSES = np.random.default_rng(1).integers(0, 3, 60)


def net(units=1, activation="sigmoid", loss="binary_crossentropy"):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation)])
    model.compile("sgd", loss)
    return model


def line():
    return net(1, None, "mse")


def three():
    return net(3, "softmax", "sparse_categorical_crossentropy")


def two():
    x = keras.Input((4,))
    a = keras.layers.Dense(1, name="a")(x)
    b = keras.layers.Dense(3, activation="softmax", name="b")(x)
    model = keras.Model(x, {"a": a, "b": b})
    model.compile("sgd", {"a": "mse", "b": "sparse_categorical_crossentropy"})
    return model


def crossed(build=line, x=X, y=VALUES, cv=3, **options):
    return cross_validate(build, x, y, cv, verbose=0, **options)


def fitted(**fit_kwargs):
    return crossed(fit_kwargs=fit_kwargs)


def tuner(hypermodel=lambda hp: line(), oracle=None, **options):
    oracle = oracle or kt.oracles.RandomSearchOracle(kt.Objective("r2", "max"), max_trials=1)
    return CrossValidationTuner(hypermodel, oracle, directory="unused", **options)


@pytest.fixture(autouse=True)
def untrained(monkeypatch, tmp_path):
    """Whatever is refused is refused before any training."""
    monkeypatch.chdir(tmp_path)
    for module in (validation_run, bias_variance_module):
        monkeypatch.setattr(module, "fit_all", lambda *a, **k: pytest.fail("trained"))


MISTAKES = {
    "inputs narrower": (
        lambda: crossed(x=X[:, :3]), r"of shape \(20, 3\). Its Input.*keras.Input\(\(3,\)\)"),
    "inputs without columns": (lambda: crossed(x=X[:, 0]), r"\(20,\).*x\[:, None\]"),
    "labels from 1": (
        lambda: crossed(three, y=CLASSES + 1), "from 0 to 2.*Received: 1 to 3. Number the classes"),
    "labels -1 and 1": (lambda: crossed(net, y=2 * Y - 1), r"Received: -1, 1.*\(y == 1\).astype"),
    "labels with halves": (lambda: crossed(three, y=CLASSES + 0.5), "such as .*5. Of values.*mse"),
    "too few units": (
        lambda: crossed(lambda: net(2, "softmax", "sparse_categorical_crossentropy"), y=CLASSES),
        "Received: 0 to 2. Give the last layer 3 units"),
    "no targets": (lambda: crossed(y=None), "`y` must hold the targets.*Received: None"),
    "a number for targets": (lambda: crossed(y=float("nan")), "the targets, one a row.*nan"),
    "wide targets": (lambda: crossed(y=X[:, :2]), "1 outputs, 2 in `y`. Give the last layer 2 un"),
    "dates": (
        lambda: crossed(y=pd.date_range("2020", periods=60)), "datetime64.*Of times.*timedelta64"),
    "a dict for one output": (lambda: crossed(y={"a": VALUES}), r"Pass the array, y\['a'\]"),
    "a list for two outputs": (
        lambda: crossed(two, y=[VALUES, CLASSES]), r"shape \(2, 60\).*make a dict by name"),
    "accuracy of a sigmoid with mse": (
        lambda: crossed(lambda: net(1, "sigmoid", "mse"), y=Y, scoring="accuracy"),
        "'accuracy' for regression.*task=\"binary\""),
    "r2 of classes": (lambda: crossed(net, y=Y, scoring="r2"), "'r2' for binary.*'accuracy'"),
    "mse of classes": (
        lambda: crossed(three, y=CLASSES, scoring="neg_mean_squared_error"),
        "for classification.*Take 'accuracy'"),
    "preprocess in a word": (lambda: crossed(preprocess="standard"), "Received: 'standard'"),
    "epoch": (lambda: fitted(epoch=3), "Received: 'epoch'. Did you mean 'epochs'"),
    "one callback": (
        lambda: fitted(callbacks=lambda: EarlyStopping()), "EarlyStopping. Put square brackets"),
    "a callback's class": (
        lambda: fitted(callbacks=lambda: [EarlyStopping]), r"in it. Write EarlyStopping\(...\)"),
    "callbacks of two": (
        lambda: fitted(callbacks=lambda a, b: []), r"`callbacks` must be .*one of \(a, b\)"),
    "class weights in a list": (
        lambda: crossed(net, y=Y, fit_kwargs={"class_weight": [1, 2]}), "Write {0: 1, 1: 2}"),
    "class weights of values": (lambda: fitted(class_weight={0: 1.0}), "Use `sample_weight`"),
    "negative weights": (
        lambda: fitted(sample_weight=np.arange(-1.0, 59)), "at least 0.*Received: -1 in row 0"),
    "weights of 0": (lambda: fitted(sample_weight=np.zeros(60)), "not all of them 0. Received: 0"),
    "a percentage": (lambda: fitted(validation_split=20), "validation_split=20. It is a share"),
    "cv as a share": (lambda: crossed(cv=0.2), r"cv=0.2. For one split: ShuffleSplit\(1, test"),
    "no groups": (lambda: crossed(cv=GroupKFold(3)), "GroupKFold.*Pass `groups`, one value a row"),
    "groups with a gap": (
        lambda: crossed(cv=GroupKFold(3), groups=np.where(np.arange(60) == 4, np.nan, 1.0)),
        "`groups` must have a value in each row. Received: nan in row 4"),
    "strata of values": (lambda: crossed(cv=StratifiedKFold(3)), "StratifiedKFold.*take KFold"),
    "another order": (
        lambda: cross_validate(X, VALUES, line), "`build_model` must.*order is build_model, x, y"),
    "one candidate": (
        lambda: nested_cross_validate(line, X, VALUES), r"a function of \(\).*one recipe: cross_v"),
    "candidates in a list": (
        lambda: nested_cross_validate([line, net], X, VALUES), '"small": build_small'),
    "draw of nothing": (
        lambda: bias_variance(line, lambda: (X, VALUES), X, VALUES, verbose=0),
        r"`draw` must be.*Write def draw\(rng\)"),
    "scoring of one": (
        lambda: TestVault(X, VALUES).evaluate(lambda x: 1.0, reason="the end"),
        r"function of \(x, y\). Received: a function of \(x\)"),
    "a builder of nothing": (lambda: tuner(line), r"`build_model\(hp\)`.*of \(\).*hp.Float"),
    "a model for a builder": (lambda: tuner(line()), "Received: <Sequential.*def build_model"),
    "a tuner for an oracle": (
        lambda: tuner(oracle=kt.RandomSearch(lambda hp: line(), "val_loss", directory="other")),
        "a tuner: its own is `.oracle`"),
    "best of nothing": (
        lambda: tuner().get_best_hyperparameters(), "Received: no trial. Call `search` first"),
    "rate of a builder": (lambda: find_learning_rate(line, X, VALUES), r"Call it: build\(\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_has_the_cause_and_a_way_out(name):
    mistake, message = MISTAKES[name]
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}") as caught:
        mistake()
    text = str(caught.value)
    assert len(text) < 900 and "\x1b" not in text


@pytest.mark.parametrize("gives, message", [
    (lambda: None, r"gave None. Does it end in `return`\?$"),
    (lambda: np.ones(3), r"gave array\(\[1., 1., 1.\]\)"),
    (lambda: "0.9", "gave '0.9'"),
    (lambda: 1j, "gave 1j"),
])  # fmt: skip
def test_a_scorer_that_gives_no_number(gives, message, monkeypatch):
    monkeypatch.setattr(
        validation_run, "fit_all", lambda models, *a, **k: [{"loss": [1.0]} for _ in models]
    )
    with pytest.warns(UserWarning, match=f"a scorer must return a number, and {message}"):
        result = crossed(scoring={"mine": lambda estimator, x, y: gives()})
    assert np.isnan(result.scores["mine"]).all()


def test_a_class_in_fewer_rows_than_folds(monkeypatch):
    monkeypatch.setattr(
        validation_run, "fit_all", lambda models, *a, **k: [{"loss": [1.0]} for _ in models]
    )
    few = np.where(np.arange(60) < 2, 2, Y)
    said = "Class 2 has 2 rows, fewer than the 5 folds.*Take fewer folds"
    with pytest.warns(UserWarning, match=said) as told:
        crossed(three, y=few, cv=5)
    assert not any("least populated" in str(one.message) for one in told)


def test_a_metric_that_is_misspelt_or_not_there():
    def fit(**arguments):
        line().fit(X, VALUES, verbose=0, callbacks=[EarlyStopping(monitor="val_los")], **arguments)

    with pytest.raises(ValueError, match=r"monitor='val_los'. Did you mean 'val_loss'"):
        fit(validation_split=0.2)
    with pytest.raises(ValueError, match=r"monitor='val_los'.*give `fit` validation data"):
        fit()
    with pytest.raises(ValueError, match=r"monitor='val_loss'.*give `fit` validation data"):
        line().fit(X, VALUES, verbose=0, callbacks=[EarlyStopping(monitor="val_loss")])


def test_a_label_that_is_no_class_in_the_range_test():
    with pytest.raises(ValueError, match=r"`y` must hold class numbers from 0 to 2.*Received: 3"):
        find_learning_rate(three(), X, CLASSES + 1)
