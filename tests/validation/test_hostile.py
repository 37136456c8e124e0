"""Data that are nearly right: a kind of fault a test, over every argument that can have it."""

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import BCE, BINARY, CE, THREE, X, Y, builder, run

from coursekit.callbacks import find_learning_rate
from coursekit.training import fit_many
from coursekit.validation import (
    BiasVariance,
    TestVault,
    WalkForward,
    bias_variance,
    nested_cross_validate,
)

PREDICTIONS = np.stack([Y, Y + 1, Y - 1])


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    """What is refused is refused before any training."""

    def fit(*args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr(keras.Model, "fit", fit)
    monkeypatch.setattr("coursekit.validation._run.fit_all", fit)
    monkeypatch.setattr("coursekit.validation._bias_variance.fit_all", fit)


def spread(x=X, y=Y, truth=None, draw=None, build=None):
    return bias_variance(
        build or builder(), draw or (lambda rng: (X, Y)), x, y, truth=truth, refits=3, verbose=0
    )


def weighted(weights):
    return run(fit_kwargs={"sample_weight": weights})


def hidden(values):
    return np.ma.masked_less(values, np.median(values))


# By the argument that the message has to name.
MASKED = {
    "`x`": [lambda: run(x=hidden(X)), lambda: spread(x=hidden(X)),
            lambda: spread(draw=lambda rng: (hidden(X), Y)), lambda: TestVault(hidden(X), Y),
            lambda: run(preprocess=lambda x, y: hidden),
            lambda: fit_many([builder()()], hidden(X), Y),
            lambda: find_learning_rate(builder()(), hidden(X), Y)],
    "`x\\['a'\\]`": [lambda: run(x={"a": hidden(X)})],
    "`y`": [lambda: run(y=hidden(Y)), lambda: spread(y=hidden(Y)), lambda: TestVault(X, hidden(Y)),
            lambda: BiasVariance(PREDICTIONS, hidden(Y)),
            lambda: fit_many([builder()()], X, hidden(Y)),
            lambda: find_learning_rate(builder()(), X, hidden(Y))],
    "`y of refit 0`": [lambda: spread(draw=lambda rng: (X, hidden(Y)))],
    "`truth`": [lambda: spread(truth=hidden(Y))],
    "`predictions`": [lambda: BiasVariance(hidden(PREDICTIONS), Y)],
    "`sample_weight`": [lambda: weighted(hidden(np.arange(60.0))),
                        lambda: fit_many([builder()()], X, Y, sample_weight=hidden(Y))],
    "`groups`": [lambda: run(groups=hidden(np.arange(60)))],
}  # fmt: skip


@pytest.mark.parametrize("name", MASKED)
def test_masked_arrays(name):
    """What a mask hides is a number all the same, and would be trained on, or scored."""
    for call in MASKED[name]:
        with pytest.raises(ValueError, match=f"{name} must be an array without masked values"):
            call()


NO_NUMBERS = {
    "words": Y.astype(str),
    "a list of words": Y.astype(str).tolist(),
    "complex": Y + 1j,
    "dates": np.zeros(60, "M8[D]"),
    "a dict": {"a": 1},
    "a generator": (value for value in Y),
    "one word": "balanced",
    "rows of other lengths": [[1.0], [1.0, 2.0]] * 30,
}
NUMBERS = {
    "y": [lambda v: spread(y=v), lambda v: BiasVariance(PREDICTIONS, v)],
    "y of refit 0": [lambda v: spread(draw=lambda rng: (X, v))],
    "truth": [lambda v: spread(truth=v)],
    "predictions": [lambda v: BiasVariance(v, Y)],
    "sample_weight": [weighted],
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number(name, kind):
    for call in NUMBERS[name]:
        with pytest.raises((ValueError, TypeError), match=f"`{name}` must") as caught:
            call(NO_NUMBERS[kind])
        assert len(str(caught.value)) < 600, "dumps its input"


@pytest.mark.parametrize("given", [X[:, :0], pd.DataFrame(index=range(60))], ids=["array", "table"])
def test_rows_without_values(given):
    with pytest.raises(ValueError, match=r"`y` must have values in each row.*60, 0"):
        run(y=given)
    if isinstance(given, np.ndarray):
        with pytest.raises(ValueError, match=r"`x` must have values in each row.*60, 0"):
            run(x=given)


def one_hot():
    return builder(units=3, loss=keras.losses.CategoricalCrossentropy(from_logits=True))


@pytest.mark.parametrize(
    "y, words",
    [
        (np.eye(3)[THREE] + np.eye(3)[THREE - 1], "in row 0"),
        (np.where(np.arange(60)[:, None] == 7, 0, np.eye(3)[THREE]), r"\[0.0, 0.0, 0.0\] in row 7"),
        (-np.eye(3)[THREE], "in row 0"),
        ((np.eye(3)[THREE] * 255).astype("uint8"), "255"),
    ],
    ids=["two of them", "none", "negative", "0 and 255"],
)
def test_one_hot_rows_that_are_none(y, words):
    """Keras trains on them; the score then takes the first of the largest for the class."""
    with pytest.raises(ValueError, match=f"Each row of `y` must hold the shares.*{words}"):
        run(one_hot(), y=y)


@pytest.mark.parametrize("labels", [THREE * 2, THREE * 2**33, THREE + 1, THREE - 1])
def test_labels_with_gaps_are_numbered_anew_not_given_units(labels):
    with pytest.raises(ValueError, match=r"np.unique\(y, return_inverse=True\)\[1\]"):
        run(builder(units=3, loss=CE(from_logits=True)), y=labels)
    assert set(np.unique(labels, return_inverse=True)[1]) == {0, 1, 2}


@pytest.mark.parametrize(
    "name, weights, classes",
    [
        ("sample_weight", np.r_[np.zeros(40), np.ones(20)], None),
        ("class_weight", None, {0: 0, 1: 0}),
    ],
)
def test_weights_that_leave_a_fold_nothing_to_train_on(name, weights, classes):
    build = builder(loss=BCE(from_logits=True))
    fit = {"sample_weight": weights, "class_weight": classes}
    with pytest.raises(ValueError, match=f"`{name}` must leave each fold a training row .*fold"):
        run(build, y=BINARY, cv=[(np.arange(40), np.arange(40, 60))], fit_kwargs=fit)


@pytest.mark.parametrize(
    "groups, error, words",
    [
        (np.array([1, "a"] * 30, dtype=object), TypeError, "one kind.*int, str.*str.group"),
        (pd.Series([pd.NA, *range(59)]), ValueError, "<NA> in row 0"),
        (pd.Series([*pd.date_range("2026", periods=59), pd.NaT]), ValueError, "NaT in row 59"),
    ],
    ids=["of two kinds", "NA", "NaT"],
)
def test_groups(groups, error, words):
    with pytest.raises(error, match=f"`groups` must.*{words}"):
        run(groups=groups)


MADE = {
    "a list of lists": lambda x: x.tolist(),
    "a number": lambda x: 3.0,
    "nothing": lambda x: None,
    "a word": lambda x: "x",
    "a generator": lambda x: (row for row in x),
}


@pytest.mark.parametrize("kind", MADE)
def test_preprocessing_that_gives_no_rows(kind):
    with pytest.raises(TypeError, match="`preprocess` must give an array with a row an example"):
        run(preprocess=lambda x, y: MADE[kind])


class Difference(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return (y_true - y_pred) ** 2


def test_a_loss_given_as_its_class_is_looked_at_like_an_object():
    for build in (builder(loss=Difference), builder(loss=Difference())):
        with pytest.raises(ValueError, match="The loss must see the targets in the shape"):
            run(build, task="regression")
        with pytest.raises(ValueError, match="would broadcast it"):
            fit_many([build()], X, Y)
        with pytest.raises(ValueError, match="The loss must see the targets in the shape"):
            TestVault(X, Y).evaluate(build(), reason="a try")


PAIR = np.stack([Y, Y], 1)


def test_targets_of_another_width_are_not_broadcast(tmp_path):
    calls = [
        lambda: run(y=PAIR),
        lambda: spread(draw=lambda rng: (X, PAIR)),
        lambda: TestVault(X, PAIR, tmp_path / "a").evaluate(builder()(), reason="a try"),
        lambda: TestVault(X, Y, tmp_path / "b").evaluate(builder(units=2)(), reason="a try"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="as many values a row as `y` has"):
            call()
    assert not list(tmp_path.iterdir())


def test_rows_of_another_width():
    wide = np.hstack([X, X])
    calls = [
        lambda: run(x=wide),
        lambda: spread(x=wide),
        lambda: spread(draw=lambda rng: (wide, Y)),
        lambda: TestVault(wide, Y).evaluate(builder()(), reason="a try"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"must take the rows.*write keras.Input\(\(6,\)\)"):
            call()


@pytest.mark.parametrize(
    "name, loss, optimizer, words",
    [
        ("no optimizer", "mse", None, "with an optimizer"),
        ("a dict", {"x": "mse"}, "sgd", "Of one output pass the loss itself"),
    ],
)
def test_what_was_compiled(name, loss, optimizer, words):
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(optimizer, loss)
        return model

    with pytest.raises(ValueError, match=words):
        run(build)


@pytest.mark.parametrize("seed", [2**32, 2**70, -1, 1.0, True])
def test_seeds_that_numpy_does_not_take(seed):
    calls = [
        lambda: run(seed=seed),
        lambda: bias_variance(builder(), lambda rng: (X, Y), X, Y, seed=seed),
        lambda: nested_cross_validate({"a": builder(), "b": builder()}, X, Y, seed=seed),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"`seed` must be an integer from 0 to 2\*\*32 - 1"):
            call()


@pytest.mark.parametrize(
    "candidates, options, words",
    [
        ({"a": builder(), "b": lambda: None}, {}, "must return a Keras model. Received: NoneType"),
        ({"a": builder(), "b": builder()}, {"inner_cv": 41}, "`inner_cv` must be at most.*, 40"),
        ({"a": builder(), "b": builder()}, {"fit_kwargs": [1]}, "`fit_kwargs` must be a dict"),
        (
            {"a": builder(), "b": builder()},
            {"fit_kwargs": {"sample_weight": np.ones(9)}},
            "`sample_weight` must hold one finite number for each of the 60 rows",
        ),
        (
            {"a": builder(), "b": builder()},
            {"fit_kwargs": {"sample_weight": hidden(Y)}},
            "`sample_weight` must be an array without masked values",
        ),
        (lambda x, y: builder()(), {}, "must return a function that builds .*Sequential"),
    ],
)
def test_nested_choices(candidates, options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        nested_cross_validate(candidates, X, Y, 3, verbose=0, **{"inner_cv": 2, **options})


@pytest.mark.parametrize("rows", [None, 3, {"a": X}, (row for row in X), np.array(3)])
def test_steps_in_time_need_rows(rows):
    with pytest.raises(TypeError, match="`X` must be an array or a list with a row an example"):
        WalkForward(3).split(rows)


@pytest.mark.parametrize(
    "model, words",
    [
        (keras.Model, "`model` must be a compiled Keras model or a function"),
        (keras.Sequential([keras.layers.Dense(1)]), "not compiled"),
        (lambda x, y: None, "must return a score. Received: None"),
    ],
)
def test_a_vault_stays_closed(model, words, tmp_path):
    vault = TestVault(X, Y, tmp_path / "vault.json")
    with pytest.raises((ValueError, TypeError), match=words):
        vault.evaluate(model, reason="a try")
    assert vault.opened is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["longdouble", "bfloat16", object])
def test_numbers_of_other_kinds_are_numbers(dtype, untrained):
    if dtype == "bfloat16":
        given = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(X, dtype)))
    else:
        given = X.astype(dtype)
    found = run(x=given)
    tolerance = 0.1 if dtype == "bfloat16" else 1e-5
    np.testing.assert_allclose(found.predictions, run().predictions, atol=tolerance)
