"""`fit_many` leaves what `fit` leaves: weights, optimizer state, seeds, metrics and histories."""

import random

import keras
import numpy as np
import pytest
from many_cases import (
    CLASSES,
    ROWS,
    TABLE,
    TARGET,
    L,
    assert_same,
    assert_same_history,
    compare,
    dense,
    fit_reference,
    make,
    mixed_layers,
    norms,
)

from coursekit.training import fit_many


def two_outputs(k, **compiling):
    keras.utils.set_random_seed(k)
    a, b = keras.Input((6,), name="a"), keras.Input((3,), name="b")
    joined = L.concatenate([L.Dense(4)(a), L.Dense(4)(b)])
    outputs = {"kind": L.Dense(3, name="kind")(joined), "sum": L.Dense(1, name="sum")(joined)}
    model = keras.Model({"a": a, "b": b}, outputs)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(0.01),
        {"kind": sparse, "sum": "mse"},
        loss_weights={"kind": 1.0, "sum": 0.3},
        metrics={"kind": ["accuracy"], "sum": ["mae"]},
        weighted_metrics={"sum": ["mse"]},
        jit_compile=False,
    )
    return model


@pytest.mark.slow
@pytest.mark.parametrize("weight", [None, np.linspace(0.0, 2.0, ROWS, dtype="float32")])
def test_nested_inputs_and_outputs(weight, capsys):
    x, y = {"a": TABLE, "b": TABLE[:, :3]}, {"kind": CLASSES, "sum": TARGET}
    rows = [np.arange(20), np.arange(10, 37)]
    ours = [two_outputs(k) for k in range(2)]
    histories = fit_many(ours, x, y, rows=rows, sample_weight=weight, epochs=2, batch_size=8)
    assert "2 by a shared program" in capsys.readouterr().out
    weights = () if weight is None else ({"kind": weight, "sum": weight},)
    for k in range(2):
        theirs = two_outputs(k)
        history = fit_reference(theirs, (x, y, *weights), rows[k], k, 2, 8, eager=False)
        assert_same(ours[k], theirs)
        assert_same_history(histories[k], history)


@pytest.mark.slow
@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("rows, held", [(24, 0), (27, 0), (27, 16), (8, 11), (5, 8)])
def test_the_trackers_of_several_losses_count_as_in_fit(rows, held, models):
    """Rows where batches are whole, else batches: so the whole state of the metrics is equal."""

    def part(n):
        return {"a": TABLE[:n], "b": TABLE[:n, :3]}, {"kind": CLASSES[:n], "sum": TARGET[:n]}

    settings = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    settings["validation_data"] = part(held) if held else None
    ours, theirs = [two_outputs(0) for _ in range(models)], two_outputs(0)
    histories = fit_many(ours, *part(rows), **settings)
    settings["validation_batch_size"] = 8 if held else None
    history = theirs.fit(*part(rows), **settings)
    assert_same(ours[-1], theirs)
    assert_same_history(histories[-1], history)


@pytest.mark.slow
def test_metrics_and_weights(capsys):
    def binary(k):
        keras.utils.set_random_seed(k)
        model = keras.Sequential([keras.Input((6,)), L.Dense(4), L.Dense(1, activation="sigmoid")])
        metrics = ["accuracy", keras.metrics.AUC(), keras.metrics.Precision()]
        weighted = [keras.metrics.AUC(name="weighted"), "mse"]
        model.compile("rmsprop", "binary_crossentropy", metrics=metrics, weighted_metrics=weighted)
        return model

    weight = np.linspace(0.0, 2.0, ROWS, dtype="float32")
    told = compare(binary, TABLE, (TARGET > 0).astype("int32"), capsys, weight=weight)
    assert "shared" in told


@pytest.mark.slow
def test_class_weight():
    ours, theirs = ([make(dense, k) for k in range(2)] for _ in range(2))
    fit_many(
        ours, TABLE, CLASSES, class_weight={0: 3.0, 2: 0.5}, shuffle=False, epochs=2, verbose=0
    )
    for a, b in zip(ours, theirs, strict=True):
        b.fit(TABLE, CLASSES, class_weight={0: 3.0, 2: 0.5}, shuffle=False, epochs=2, verbose=0)
        assert_same(a, b)


@pytest.mark.any_backend
@pytest.mark.parametrize("models", [1, 2])
def test_denormal_numbers_are_what_they_are_in_fit(models):
    """TensorFlow takes them for zero: here the prediction, so that the error has no gradient."""

    def tiny():
        start = keras.initializers.Constant(2e-38)
        kernel = L.Dense(1, use_bias=False, kernel_initializer=start)
        model = keras.Sequential([keras.Input((6,)), kernel])
        model.compile("sgd", "mae")
        return model

    x, y = np.full((16, 6), 0.05, "float32"), np.zeros((16, 1), "float32")
    ours, theirs = [tiny() for _ in range(models)], tiny()
    histories = fit_many(ours, x, y, epochs=2, batch_size=8, verbose=0)
    history = theirs.fit(x, y, epochs=2, batch_size=8, verbose=0)
    assert_same(ours[-1], theirs)
    assert_same_history(histories[-1], history)


def test_what_tensorflow_cannot_prepare_runs_by_own_programs(monkeypatch, capsys):
    def refuse(self):
        raise RuntimeError("no")

    monkeypatch.setattr("coursekit.training.many._one_thread.InThisThread._prepare", refuse)
    told = compare(lambda k: make(dense, k), TABLE, CLASSES, capsys)
    assert "2 by their own programs" in told


class Halved(keras.Model):
    """A training step of one's own, with logs of its own."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(3)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        logs = super().train_step(data)
        self.dense.kernel.assign(self.dense.kernel * 0.5)
        return {**logs, "norm": keras.ops.norm(self.dense.kernel)}


@pytest.mark.slow
def test_own_train_step(capsys):
    def build(k):
        keras.utils.set_random_seed(k)
        model = Halved()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=False)
        return model  # not built

    assert "2 by their own programs" in compare(build, TABLE, CLASSES, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_precision(policy, capsys):
    def build(k):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return make(mixed_layers, k, lambda: keras.optimizers.SGD(0.1, momentum=0.9))
        finally:
            keras.config.set_dtype_policy(before)

    # half precision: graph and eager kernels round alike, but not bit by bit
    compare(build, TABLE, CLASSES, capsys, tolerance=1e-6, eager=False)


@pytest.mark.slow
def test_unlike_models_and_rates(capsys):
    """Learning rates and seeds are state; anything else asks for another program."""

    def build(k):
        stack = [dense, dense, norms, mixed_layers][k]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return make(stack, k, lambda: keras.optimizers.Adam(0.01 * (k + 1)), loss)

    ours = [build(k) for k in range(4)]
    fit_many(ours, TABLE, CLASSES, epochs=2, batch_size=8)
    assert "2 by a shared program, 2 by their own programs" in capsys.readouterr().out
    for k in range(4):
        theirs = build(k)
        fit_reference(theirs, (TABLE, CLASSES), np.arange(ROWS), k, 2, 8)
        assert_same(ours[k], theirs)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.0, 2.0)])
def test_losses_are_compared_by_what_they_do(scale, capsys):
    def loss(factor):
        return lambda y, p: factor * keras.losses.mean_squared_error(y, p)

    def build(k):
        return make(dense, k, loss=loss(scale[k]), metrics=())

    told = compare(build, TABLE, TABLE[:, :3], capsys)
    assert ("shared" if scale[0] == scale[1] else "own") in told


class Weighted(keras.losses.Loss):
    """A loss object that holds a tensor."""

    def __init__(self, weight):
        super().__init__()
        self.weight = keras.ops.convert_to_tensor([weight, 1.0, 1.0])

    def call(self, y, p):
        return keras.ops.mean(self.weight * keras.ops.square(y - p), -1)


@pytest.mark.slow
def test_loss_objects_keep_their_own_values(capsys):
    weights = (1.0, 3.0)
    told = compare(
        lambda k: make(dense, k, loss=Weighted(weights[k]), metrics=()),
        TABLE, TABLE[:, :3], capsys,
    )  # fmt: skip
    assert "own" in told


@pytest.mark.slow
def test_more_epochs_go_on_where_the_last_call_ended():
    ours, theirs = ([make(mixed_layers, k) for k in range(2)] for _ in range(2))
    for _ in range(2):
        fit_many(ours, TABLE, CLASSES, shuffle=False, verbose=0)
        for model in theirs:
            model.fit(TABLE, CLASSES, shuffle=False, verbose=0)
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a, b)


# The last resort


def eager(models):
    for model in models:
        model.run_eagerly = True


@pytest.mark.slow
@pytest.mark.parametrize("why", ["eager", "strategy"])
def test_fit_is_fed_with_the_same_batches(why):
    import tensorflow as tf

    settings = {"epochs": 3, "batch_size": 8, "verbose": 0, "seed": [4, 9]}
    rows = [np.arange(30), np.arange(5, 37)]
    settings |= {"rows": rows, "validation_rows": rows[::-1]}
    ours, theirs = ([make(mixed_layers, k) for k in range(2)] for _ in range(2))
    if why == "eager":
        eager(ours)
    else:
        with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
            ours = [make(mixed_layers, k) for k in range(2)]
    with pytest.warns(UserWarning, match="by `fit`: it"):
        histories = fit_many(ours, TABLE, CLASSES, **settings)
    expected = fit_many(theirs, TABLE, CLASSES, **settings)
    for k in range(2):
        assert_same(ours[k], theirs[k])
        assert_same_history(histories[k], expected[k])


@pytest.mark.slow
def test_single_arguments():
    """One model, tensors, pandas, no targets."""
    import pandas as pd
    import tensorflow as tf

    ours, theirs = make(dense, 0), make(dense, 0)
    fit_many([ours], tf.constant(TABLE), pd.Series(CLASSES), shuffle=False, verbose=0)
    theirs.fit(TABLE, CLASSES[:, None], shuffle=False, verbose=0)
    assert_same(ours, theirs)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(1)

        def call(self, x):
            out = self.dense(x)
            self.add_loss(keras.ops.mean(keras.ops.square(out)))
            return out

    models = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        models.append(Own())
        models[-1].compile("sgd")
    fit_many(models[:1], TABLE, shuffle=False, epochs=2, verbose=0)
    models[1].fit(TABLE, shuffle=False, epochs=2, verbose=0)
    assert_same(*models)


def test_random_state_is_left_alone():
    models = [make(mixed_layers, k) for k in range(2)]
    keras.utils.set_random_seed(5)
    before = random.getstate(), np.random.get_state()[1].copy()
    draw = float(keras.random.uniform(()))
    keras.utils.set_random_seed(5)
    fit_many(models, TABLE, CLASSES, verbose=0)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert float(keras.random.uniform(())) == draw


# Bad input


def shared_optimizer():
    models = [make(dense, k) for k in range(2)]
    models[1].optimizer = models[0].optimizer
    return models


def shared_layer():
    layer = L.Dense(3)
    models = [keras.Sequential([keras.Input((6,)), layer]) for _ in range(2)]
    for model in models:
        model.compile("sgd", "mse")
    return models


BAD_MODELS = {
    "list of Keras models": lambda: make(dense, 0),
    "at least one model": list,
    "must be a Keras model": lambda: ["model"],
    "must be compiled": lambda: [keras.Sequential([keras.Input((6,)), L.Dense(3)])],
    "are the same object": lambda: [make(dense, 0)] * 2,
    "share an optimizer": shared_optimizer,
    "share a layer": shared_layer,
}


@pytest.mark.any_backend
@pytest.mark.parametrize("message", BAD_MODELS)
def test_bad_models(message):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        fit_many(BAD_MODELS[message](), TABLE, CLASSES)
    assert "Received" in str(error.value)


BAD = [
    ("epochs", {"epochs": 0}),
    ("epochs", {"epochs": 1.5}),
    ("batch_size", {"batch_size": 0}),
    ("one array of row numbers", {"rows": [[0]]}),
    ("one array of row numbers", {"rows": 3}),
    ("non-empty", {"rows": [[], [0]]}),
    ("one-dimensional", {"rows": [[[0]], [0]]}),
    ("array of integers", {"rows": [[0.5], [0]]}),
    ("mask of bool", {"rows": [np.ones(ROWS, bool)] * 2}),
    ("must lie in 0 to 36", {"rows": [[37], [0]]}),
    ("must lie in 0 to 36", {"validation_rows": [[-1], [0]]}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": [1]}),
    ("seed", {"seed": "a"}),
    ("exclude each other", {"validation_rows": [[0], [0]], "validation_data": (TABLE, CLASSES)}),
    ("exclude each other", {"class_weight": {0: 1.0}, "sample_weight": np.ones(ROWS)}),
    ("must be a dict", {"class_weight": [1.0]}),
    ("same number of rows", {"sample_weight": np.ones(3)}),
    (r"must be \(x, y\)", {"validation_data": TABLE}),
    ("same number of rows", {"validation_data": (TABLE, CLASSES[:3])}),
    ("list of callbacks for each model", {"callbacks": [[]]}),
    ("list of callbacks for each model", {"callbacks": [keras.callbacks.History()] * 2}),
    ("Keras Callback", {"callbacks": [[1], []]}),
    ("same callback twice", {"callbacks": [[keras.callbacks.History()] * 2, []]}),
    ("must hold arrays", {"x": iter(TABLE)}),
    ("must hold arrays", {"x": "table"}),
    ("at least one row", {"x": TABLE[:0], "y": CLASSES[:0]}),
]


@pytest.fixture(scope="module")
def pair():
    return [make(dense, k) for k in range(2)]


@pytest.mark.any_backend
@pytest.mark.parametrize(("message", "settings"), BAD)
def test_bad_input(message, settings, pair):
    settings = {"x": TABLE, "y": CLASSES, "verbose": 0, **settings}
    before = pair[0].get_weights()
    with pytest.raises((TypeError, ValueError), match=message) as e:
        fit_many(pair, settings.pop("x"), settings.pop("y"), **settings)
    assert "Received" in str(e.value)
    for a, b in zip(before, pair[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_private_names_that_it_stands_on():
    """What `fit_many` uses of Keras that Keras does not promise."""
    model = make(dense, 0, lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1))
    assert [layer.name for layer in model._flatten_layers(include_self=False)]
    assert model.metrics[0].name == "loss"
    assert isinstance(model.optimizer._learning_rate, keras.Variable)
    model.optimizer.build(model.trainable_variables)
    assert model.optimizer._use_weight_decay(model.trainable_variables[0])
    assert model.optimizer._trainable_variables == model.trainable_variables
    base = [c for c in keras.optimizers.Optimizer.__mro__ if c.__name__ == "BaseOptimizer"]
    plain = ("_var_key", "_apply_weight_decay", "_backend_update_step", "_backend_apply_gradients")
    assert len(base) == 1 and all(hasattr(base[0], name) for name in plain)
