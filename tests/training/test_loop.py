"""The loop in the open gives what `fit` gives, and stops for each of its reasons."""

import keras
import numpy as np
import pytest

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


@pytest.mark.slow
@pytest.mark.any_backend
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


@pytest.mark.any_backend
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


@pytest.mark.any_backend
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
    tf = pytest.importorskip("tensorflow")
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


@pytest.mark.any_backend
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


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "bad, text",
    [
        ({"max_epochs": 0}, "max_epochs=0"),
        ({"max_epochs": 2.5}, "max_epochs=2.5"),
        ({"tolerance": -1}, "tolerance=-1"),
        ({"max_epochs": True}, "max_epochs=True"),
        ({"max_epochs": "3"}, "max_epochs='3'"),
        ({"tolerance": float("nan")}, "tolerance=nan"),
        ({"tolerance": float("inf")}, "tolerance=inf"),
        ({"tolerance": True}, "tolerance=True"),
        ({"patience": float("nan"), "validation": (X, Y)}, "patience=nan"),
        ({"patience": 1.5, "validation": (X, Y)}, "patience=1.5"),
        ({"patience": True, "validation": (X, Y)}, "patience=True"),
        ({"validation": (X, Y[:-1])}, "must have the same rows"),
        ({"validation": X}, "`validation` must be"),
        ({"batches": [(X, Y, Y)]}, "must hold pairs"),
        ({"batches": [X]}, "must hold pairs"),
        ({"batches": [(X, Y[:-1])]}, "must have the same rows"),
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


@pytest.mark.any_backend
def test_numpy_numbers_are_numbers():
    run = train_until(
        build(), cut(), LOSS, keras.optimizers.SGD(0.1),
        max_epochs=np.int64(2), tolerance=np.float32(0), patience=np.int32(1), validation=(X, Y),
    )  # fmt: skip
    assert len(run.losses) <= 2


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "bad, error, text",
    [
        ({"loss_fn": "no_such_loss"}, ValueError, "`loss_fn` must be .*'no_such_loss'"),
        ({"loss_fn": None}, ValueError, "loss_fn=None"),
        ({"optimizer": "adam"}, TypeError, "`optimizer` must be a Keras optimizer. .*'adam'"),
        ({"model": "net"}, TypeError, "`model` must be a Keras model. .*'net'"),
        ({"model": keras.Sequential()}, ValueError, "must be built"),
    ],
)
def test_what_is_no_model_loss_or_optimizer(bad, error, text):
    parts = {"model": build(), "loss_fn": LOSS, "optimizer": keras.optimizers.SGD(0.1), **bad}
    with pytest.raises(error, match=text):
        train_one_epoch(parts["model"], cut(), parts["loss_fn"], parts["optimizer"])


def broadcasting(a, b):
    return keras.ops.mean(keras.ops.square(a - b))


def per_row(a, b):
    return keras.ops.mean(keras.ops.abs(a - b), axis=-1)


class Broadcasting(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.square(y_true - y_pred)


LOSSES = {
    "name": "mse",
    "long_name": "mean_absolute_error",
    "class_name": "Huber",
    "keras": keras.losses.MeanSquaredError(),
    "class": keras.losses.Huber,
    "sum": keras.losses.MeanSquaredError(reduction="sum"),
    "function": broadcasting,
    "rows": per_row,
    "keras_function": keras.losses.log_cosh,
    "lambda": lambda a, b: keras.ops.square(a - b),
    "own": Broadcasting(),
}
COLUMN = (X @ [2.0, -1.0, 0.5, 1.0] + 3).astype("float32")
TARGETS = {
    "flat": (COLUMN, [1]),
    "column": (COLUMN[:, None], [1]),
    "flat_outputs": (COLUMN, None),  # outputs of shape (n,)
    "column_flat_outputs": (COLUMN[:, None], None),
    "wide": (np.stack([COLUMN, -COLUMN], 1), [2]),
    "whole_numbers": (COLUMN.round().astype("int64"), [1]),
    "float64": (COLUMN.astype("float64"), [1]),
}


def line(width):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dense(width[0] if width else 1)]
    return keras.Sequential(layers if width else [*layers, keras.layers.Reshape(())])


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_fit_for_every_loss_and_target(loss, target):
    """Or it is refused with both shapes, where `fit` broadcasts without a word."""
    (y, width), loss_fn = TARGETS[target], LOSSES[loss]
    ours, theirs = line(width), line(width)
    batches = [(X[s : s + 8], y[s : s + 8]) for s in range(0, 33, 8)]
    optimizer = keras.optimizers.SGD(0.01)

    def train():
        return train_until(ours, batches, loss_fn, optimizer, max_epochs=3, validation=(X, y))

    if loss == "own" and target in ("flat", "whole_numbers", "float64", "column_flat_outputs"):
        before = ours.get_weights()
        with pytest.raises(ValueError, match=r"targets of shape \(8.*outputs of shape \(8"):
            train()
        for a, b in zip(before, ours.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        return
    run = train()
    theirs.compile(keras.optimizers.SGD(0.01), loss_fn)
    data = {"validation_data": (X, y), "validation_batch_size": 33}
    seen = theirs.fit(X, y, batch_size=8, epochs=3, shuffle=False, verbose=0, **data).history
    np.testing.assert_allclose(run.losses, seen["loss"], rtol=1e-4)
    np.testing.assert_allclose(run.validation_losses, seen["val_loss"], rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


CLASSES = {
    "sparse": ("sparse_categorical_crossentropy", Y),
    "sparse_column": ("sparse_categorical_crossentropy", Y[:, None]),
    "one_hot": ("categorical_crossentropy", np.eye(3)[Y]),
    "one_hot_class": (keras.losses.CategoricalCrossentropy(), np.eye(3)[Y]),
}


@pytest.mark.parametrize("loss_fn, y", CLASSES.values(), ids=CLASSES)
def test_it_is_fit_for_labels(loss_fn, y):
    ours, theirs = build(), build()
    ours, theirs = (keras.Sequential([one, keras.layers.Softmax()]) for one in (ours, theirs))
    for one in (ours, theirs):
        one.build((None, 4))
    batches = [(X[s : s + 8], y[s : s + 8]) for s in range(0, 33, 8)]
    run = train_until(ours, batches, loss_fn, keras.optimizers.SGD(0.1), max_epochs=3)
    theirs.compile(keras.optimizers.SGD(0.1), loss_fn)
    seen = theirs.fit(X, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose(run.losses, seen["loss"], rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_data_that_are_not_finite_never_converge(broken):
    x = X.copy()
    x[0, 0] = broken
    run = train_until(
        build(), [(x, Y)], LOSS, keras.optimizers.SGD(0.1), max_epochs=5, tolerance=1e9
    )
    assert run.reason == "not_finite" and len(run.losses) == 1
