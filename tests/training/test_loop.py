"""The loop in the open gives what `fit` gives, and stops for each of its reasons."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from coursekit.training import Run, train_one_epoch, train_until
from coursekit.training._loop import _reason

RNG = np.random.default_rng(0)
X = RNG.normal(size=(33, 4)).astype("float32")  # the last batch holds a single row
Y = RNG.integers(3, size=33)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cut(size=32):
    return [(X[i : i + size], Y[i : i + size]) for i in range(0, len(X), size)]


def build(kind="dense"):
    keras.utils.set_random_seed(5)
    hidden = {
        "dense": [keras.layers.Dense(8, activation="relu")],
        "penalty": [keras.layers.Dense(8, kernel_regularizer="l2")],
        "batch norm": [keras.layers.Dense(8), keras.layers.BatchNormalization()],
        "dropout": [keras.layers.Dense(8), keras.layers.Dropout(0.5, seed=3)],
    }[kind]
    return keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3)])


@pytest.mark.parametrize("kind", ["dense", "penalty", "batch norm", "dropout"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_equals_fit(kind, optimizer):
    ours, theirs = build(kind), build(kind)
    make = {"sgd": lambda: keras.optimizers.SGD(0.1), "adam": keras.optimizers.Adam}[optimizer]
    run = train_until(ours, cut(), LOSS, make(), max_epochs=3, validation=(X, Y))
    theirs.compile(make(), LOSS)
    data = {"validation_data": (X, Y), "validation_batch_size": 33}
    seen = theirs.fit(X, Y, batch_size=32, epochs=3, shuffle=False, verbose=0, **data).history
    np.testing.assert_allclose(run.losses, seen["loss"], atol=1e-6)
    np.testing.assert_allclose(run.validation_losses, seen["val_loss"], atol=1e-6)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_mixed_precision_equals_fit():
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        ours, theirs = build(), build()
        run = train_until(ours, cut(), LOSS, keras.optimizers.SGD(0.1), max_epochs=2)
        theirs.compile(keras.optimizers.SGD(0.1), LOSS)
        seen = theirs.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(previous)
    np.testing.assert_allclose(run.losses, seen, atol=1e-5)


def test_the_epoch_loss_counts_rows_and_is_a_float():
    still = keras.optimizers.SGD(0.0)
    model = build()
    loss = train_one_epoch(model, cut(), LOSS, still)
    whole = float(LOSS(Y, model(X)))
    means = np.mean([float(LOSS(y, model(x))) for x, y in cut()])
    assert isinstance(loss, float)
    assert loss == pytest.approx(whole, abs=1e-6)
    assert abs(means - whole) > 1e-3  # what a mean of batch means would have been


def test_takes_a_dataset():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(32)
    a = train_until(build(), data, LOSS, keras.optimizers.SGD(0.1), max_epochs=2)
    b = train_until(build(), cut(), LOSS, keras.optimizers.SGD(0.1), max_epochs=2)
    np.testing.assert_allclose(a.losses, b.losses, atol=1e-6)


def test_stops_at_the_largest_number_of_epochs():
    run = train_until(build(), cut(), LOSS, keras.optimizers.SGD(0.1), max_epochs=3)
    assert run.reason == "max_epochs" and len(run.losses) == 3


def test_stops_when_converged():
    run = train_until(
        build(), cut(), LOSS, keras.optimizers.SGD(1e-6), max_epochs=9, tolerance=1e-3
    )
    assert run.reason == "converged" and len(run.losses) == 2


def test_stops_without_improvement():
    wrong = (X, (Y + 1) % 3)  # what is learned makes this validation loss worse
    run = train_until(
        build(),
        cut(),
        LOSS,
        keras.optimizers.Adam(0.1),
        max_epochs=40,
        validation=wrong,
        patience=3,
    )
    best = int(np.argmin(run.validation_losses))
    assert run.reason == "no_improvement" and len(run.losses) == best + 1 + 3


def test_stops_when_the_loss_is_not_finite():
    run = train_until(
        build(), cut(), lambda y, p: LOSS(y, p) * np.nan, keras.optimizers.SGD(), max_epochs=9
    )
    assert run.reason == "not_finite" and len(run.losses) == 1


@pytest.mark.parametrize(
    "losses, validation, wanted",
    [
        ([1.0, 0.5], [0.9, 0.8], ""),
        ([1.0, 0.995], [0.9, 0.8], "converged"),
        ([1.0, 0.5, 0.2], [0.5, 0.6, 0.7], "no_improvement"),
        ([1.0, 0.5, 0.2], [0.5, 0.6, 0.5], "no_improvement"),  # an equal value is no better one
        ([1.0, 0.5, 0.2], [0.5, 0.6, 0.4], ""),
        ([1.0, float("inf")], [0.5, 0.4], "not_finite"),
        ([1.0, 0.5, 0.2], [0.5, float("nan"), float("nan")], "no_improvement"),
        ([1.0, 0.5, 0.2], [float("nan"), 0.5, 0.4], ""),
    ],
)
def test_the_convergence_check(losses, validation, wanted):
    assert _reason(Run(losses, validation, ""), tolerance=0.01, patience=2) == wanted


@pytest.mark.parametrize(
    "bad, text",
    [
        ({"max_epochs": 0}, "max_epochs=0"),
        ({"max_epochs": 2.5}, "max_epochs=2.5"),
        ({"tolerance": -1}, "tolerance=-1"),
        ({"patience": 2}, "needs `validation"),
        ({"patience": 0, "validation": (X, Y)}, "patience=0"),
        ({"batches": iter(cut())}, "again in every epoch"),
        ({"batches": []}, "no batch"),
    ],
)
def test_bad_input(bad, text):
    arguments = {"batches": cut(), "max_epochs": 2, **bad}
    with pytest.raises(ValueError, match=text):
        train_until(build(), arguments.pop("batches"), LOSS, keras.optimizers.SGD(0.1), **arguments)
