"""`fit_many` leaves what `fit` leaves: weights, optimizer state, seeds, metrics and histories."""

import contextlib
import io
import random
import warnings

import keras
import numpy as np
import pytest

from coursekit.training import fit_many

L = keras.layers
RNG = np.random.default_rng(0)
ROWS = 37
TABLE = RNG.normal(size=(ROWS, 6)).astype("float32")
IMAGES = RNG.normal(size=(ROWS, 5, 5, 2)).astype("float32")
SEQUENCE = RNG.normal(size=(ROWS, 4, 3)).astype("float32")
TOKENS = RNG.integers(0, 9, size=(ROWS, 5)).astype("int32")
CLASSES = RNG.integers(0, 3, ROWS).astype("int32")
TARGET = TABLE.sum(1, keepdims=True)


def dense():
    return TABLE, [L.Dense(8, activation="relu"), L.Dense(3)]


def mixed_layers():
    return TABLE, [L.Dense(8, use_bias=False), L.BatchNormalization(), L.Dropout(0.3), L.Dense(3)]


def convolution():
    return IMAGES, [
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.MaxPooling2D(),
        L.SpatialDropout2D(0.2),
        L.Flatten(),
        L.Dense(3),
    ]


def separable():
    return IMAGES, [L.SeparableConv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(3)]


def lstm():
    return SEQUENCE, [L.LSTM(5, dropout=0.2), L.Dense(3)]


def gru():
    return SEQUENCE, [L.Bidirectional(L.GRU(4)), L.Dense(3)]


def embedding():
    return TOKENS, [L.Embedding(9, 4), L.GlobalAveragePooling1D(), L.Dense(3)]


def masked():
    return TOKENS, [L.Embedding(9, 4, mask_zero=True), L.LSTM(4), L.Dense(3)]


def norms():
    return TABLE, [L.Dense(8), L.LayerNormalization(), L.GaussianNoise(0.1), L.Dense(3)]


def regularized():
    return TABLE, [
        L.Dense(8, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.01)),
        L.ActivityRegularization(l2=0.01),
        L.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.5)),
    ]


def augmented():
    return IMAGES, [L.RandomFlip(), L.Rescaling(2.0), L.Flatten(), L.Dense(3)]


def masking():
    return np.where(SEQUENCE[:, :, :1] > 0, SEQUENCE, 0), [L.Masking(), L.GRU(4), L.Dense(3)]


def lambdas():
    return TABLE, [L.Dense(4), L.Lambda(lambda x: x * keras.ops.sigmoid(x)), L.Dense(3)]


def nested():
    bare = L.Dense(4, use_bias=False)  # batch norm takes a bias away: noise would be left of it
    inner = keras.Sequential([keras.Input((6,)), bare, L.BatchNormalization(), L.Dropout(0.2)])
    a = keras.Input((4,))
    outer = keras.Model(a, L.add([a, L.Dense(4, activation="relu")(a)]))
    return TABLE, [inner, outer, L.Dense(3)]


class Attention(L.Layer):  # a layer of one's own
    def __init__(self):
        super().__init__()
        self.attention = L.MultiHeadAttention(2, 3, dropout=0.1)

    def call(self, x, training=None):
        return self.attention(x, x, training=training)


def own_layer():
    return SEQUENCE, [Attention(), L.Flatten(), L.Dense(3)]


LAYERS = [dense, mixed_layers, convolution, separable, lstm, gru, embedding, masked, norms]
LAYERS += [regularized, augmented, masking, lambdas, nested, own_layer]


def scheduled():
    return keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.1, 6, warmup_steps=2), weight_decay=0.1
    )


def excluding():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.3)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "excluding": excluding,
    "schedule": scheduled,
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "ftrl": lambda: keras.optimizers.Ftrl(0.1),
    "lion": lambda: keras.optimizers.Lion(0.01),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "clipnorm": lambda: keras.optimizers.SGD(0.1, clipnorm=0.05),
    "global_clipnorm": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.05),
    "clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.01),
    "ema": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "ema_overwrite": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "accumulation": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "loss_scale_factor": lambda: keras.optimizers.SGD(0.1, loss_scale_factor=8.0),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), dynamic_growth_steps=2
    ),
}


def make(layers, k, optimizer=None, loss=None, metrics=("accuracy",), **compiling):
    keras.utils.set_random_seed(k)
    x, stack = layers()
    model = keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype), *stack])
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiling = {"metrics": list(metrics), "jit_compile": False, **compiling}  # XLA: test_xla
    model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.01), loss, **compiling)
    return model


def order_of(rows, k, epochs):
    return [np.random.default_rng([k, e]).permutation(rows) for e in range(epochs)]


class Epochs(keras.utils.PyDataset):
    """The batches that `fit_many` promises, for `fit`."""

    def __init__(self, arrays, orders, batch_size):
        super().__init__()
        self.arrays, self.orders, self.size, self.epoch = arrays, orders, batch_size, 0

    def __len__(self):
        return -(-len(self.orders[0]) // self.size)

    def __getitem__(self, index):
        rows = self.orders[self.epoch][index * self.size : (index + 1) * self.size]
        return part_of(self.arrays, rows)


def fit_reference(
    model, arrays, rows, k, epochs, batch_size, callbacks=(), validation=None, eager=True
):
    model.run_eagerly = eager  # the same operations, without tracing
    batches = Epochs(arrays, order_of(rows, k, epochs), batch_size)
    turn = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch)
    )
    return model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        callbacks=[turn, *callbacks],
        validation_data=validation,
        validation_batch_size=batch_size if validation else None,
        verbose=0,
    )


def state(model):
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def assert_same(ours, theirs, tolerance=1e-6):
    assert len(state(ours)) == len(state(theirs))
    for a, b in zip(state(ours), state(theirs), strict=True):
        a, b = np.float64(a.numpy()), np.float64(b.numpy())
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=str(b.shape))


def assert_same_history(ours, theirs, tolerance=1e-5):
    names = {name.rstrip("_0123456789") for name in theirs.history}
    assert {name.rstrip("_0123456789") for name in ours.history} == names
    assert ours.epoch == theirs.epoch
    for a, b in zip(ours.history.values(), theirs.history.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def part_of(arrays, rows):
    return tuple(keras.tree.map_structure(lambda a: a[rows], part) for part in arrays)


def compare(build, x, y, capsys=None, tolerance=1e-6, weight=None, eager=True, only=(0, 1)):
    """Train by `fit_many` and by `fit`, on different rows with partial batches."""
    rows = [np.arange(0, 29), np.arange(5, 37)]
    held = [np.arange(29, 37), np.arange(0, 5)]
    ours = [build(k) for k in range(2)]
    histories = fit_many(
        ours, x, y, rows=rows, validation_rows=held, sample_weight=weight,
        epochs=2, batch_size=8, seed=3, verbose=1 if capsys else 0,
    )  # fmt: skip
    told = capsys.readouterr().out if capsys else ""
    arrays = (x, y) if weight is None else (x, y, weight)
    for k in only:
        theirs = build(k)
        validation = part_of(arrays, held[k])
        history = fit_reference(theirs, arrays, rows[k], 3 + k, 2, 8, (), validation, eager)
        assert_same(ours[k], theirs, tolerance)
        assert_same_history(histories[k], history, 10 * tolerance)
        assert ours[k].history is histories[k]
    return told


@pytest.mark.parametrize("layers", LAYERS, ids=lambda f: f.__name__)
def test_layers(layers, capsys):
    only = (0, 1) if layers is mixed_layers else (1,)
    eager = layers is not mixed_layers
    told = compare(lambda k: make(layers, k), layers()[0], CLASSES, capsys, eager=eager, only=only)
    assert ("own" if layers is own_layer else "shared") in told


def compare_updates(layers, name):
    """Five steps of an optimizer, the last one on a partial batch; return the route."""
    x = layers()[0]
    ours = [make(layers, k, OPTIMIZERS[name], metrics=()) for k in range(2)]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        fit_many(ours, x, CLASSES, batch_size=8, verbose=2)
    theirs = make(layers, 1, OPTIMIZERS[name], metrics=())
    fit_reference(theirs, (x, CLASSES), np.arange(ROWS), 1, 1, 8)
    assert_same(ours[1], theirs)
    return told.getvalue()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    own = {"nadam", "muon", "ema_overwrite", "accumulation", "loss_scale"}
    assert ("own" if name in own else "shared") in compare_updates(dense, name)


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "clipnorm", "global_clipnorm"])
def test_sparse_gradients(name):
    compare_updates(embedding, name)


@pytest.mark.parametrize("layers", [dense, own_layer])
def test_xla(layers, capsys):
    """Models that ask for XLA: `fit` compiles their step, and so do their own programs."""
    told = compare(
        lambda k: make(layers, k, jit_compile=True), layers()[0], CLASSES, capsys,
        eager=False, only=[1],
    )  # fmt: skip
    assert ("own" if layers is own_layer else "shared") in told


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


def test_class_weight():
    ours, theirs = ([make(dense, k) for k in range(2)] for _ in range(2))
    fit_many(
        ours, TABLE, CLASSES, class_weight={0: 3.0, 2: 0.5}, shuffle=False, epochs=2, verbose=0
    )
    for a, b in zip(ours, theirs, strict=True):
        b.fit(TABLE, CLASSES, class_weight={0: 3.0, 2: 0.5}, shuffle=False, epochs=2, verbose=0)
        assert_same(a, b)


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


def test_own_train_step(capsys):
    def build(k):
        keras.utils.set_random_seed(k)
        model = Halved()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=False)
        return model  # not built

    assert "2 by their own programs" in compare(build, TABLE, CLASSES, capsys)


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


def test_loss_objects_keep_their_own_values(capsys):
    weights = (1.0, 3.0)
    told = compare(
        lambda k: make(dense, k, loss=Weighted(weights[k]), metrics=()),
        TABLE, TABLE[:, :3], capsys,
    )  # fmt: skip
    assert "own" in told


def test_more_epochs_go_on_where_the_last_call_ended():
    ours, theirs = ([make(mixed_layers, k) for k in range(2)] for _ in range(2))
    for _ in range(2):
        fit_many(ours, TABLE, CLASSES, shuffle=False, verbose=0)
        for model in theirs:
            model.fit(TABLE, CLASSES, shuffle=False, verbose=0)
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a, b)


# Callbacks


class Recorder(keras.callbacks.Callback):
    """Writes down what it sees: hook, logs, weights."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, hook, logs):
        weights = [w.copy() for w in self.model.get_weights()]
        self.seen.append((hook, dict(logs or {}), weights))

    def on_train_begin(self, logs=None):
        self.note("train_begin", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.note(f"begin {epoch}", logs)

    def on_epoch_end(self, epoch, logs=None):
        self.note(f"end {epoch}", logs)

    def on_train_end(self, logs=None):
        self.note("train_end", logs)


class Everything(Recorder):
    def on_test_begin(self, logs=None):
        self.note("test_begin", logs)

    def on_test_end(self, logs=None):
        self.note("test_end", logs)


def several(kind, path):
    c = keras.callbacks
    return {
        "record": lambda: [Recorder()],
        "test_hooks": lambda: [Everything()],
        "early": lambda: [c.EarlyStopping(patience=1, restore_best_weights=True)],
        "rates": lambda: [
            c.ReduceLROnPlateau(patience=1, factor=0.5),
            c.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ],
        "checkpoint": lambda: [c.ModelCheckpoint(path, save_best_only=True)],
        "swap": lambda: [c.SwapEMAWeights(swap_on_epoch=True)],
        "batch": lambda: [c.LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
        "nan": lambda: [c.TerminateOnNaN()],
    }[kind]()


KINDS = ["record", "test_hooks", "early", "rates", "checkpoint", "swap", "batch", "nan"]


CASES = [(kind, mixed_layers) for kind in KINDS] + [("record", own_layer), ("early", own_layer)]


@pytest.mark.parametrize(("kind", "layers"), CASES)
def test_callbacks(kind, layers, tmp_path):
    x = layers()[0]
    held = (x[20:], CLASSES[20:])
    rows = [np.arange(15), np.arange(20)]

    def build(k):
        optimizer = (
            (lambda: keras.optimizers.Adam(0.1, use_ema=True))
            if kind == "swap"
            else (lambda: keras.optimizers.Adam(0.3))
        )
        return make(layers, k, optimizer)

    ours = [build(k) for k in range(2)]
    used = [several(kind, str(tmp_path / f"ours{k}.keras")) for k in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if kind in ("batch", "nan") else "error", UserWarning)
        histories = fit_many(
            ours, x, CLASSES, rows=rows, validation_data=held, epochs=4, batch_size=8,
            callbacks=lambda k: used[k], verbose=0,
        )  # fmt: skip
    for k in (1,) if layers is own_layer else (0, 1):
        theirs = build(k)
        expected = several(kind, str(tmp_path / f"theirs{k}.keras"))
        history = fit_reference(theirs, (x, CLASSES), rows[k], k, 4, 8, expected, held)
        assert_same(ours[k], theirs, 1e-5)
        assert_same_history(histories[k], history, 1e-4)
        if isinstance(expected[0], Recorder):
            for a, b in zip(used[k][0].seen, expected[0].seen, strict=True):
                assert a[0] == b[0] and list(a[1]) == list(b[1])
                for left, right in zip(a[2], b[2], strict=True):
                    np.testing.assert_allclose(left, right, atol=1e-5)
        if kind == "checkpoint":
            a = keras.models.load_model(tmp_path / f"ours{k}.keras").get_weights()
            b = keras.models.load_model(tmp_path / f"theirs{k}.keras").get_weights()
            for left, right in zip(a, b, strict=True):
                np.testing.assert_allclose(left, right, atol=1e-5)


def test_each_model_stops_alone():
    stop = keras.callbacks.LambdaCallback
    models = [make(dense, k) for k in range(3)]

    def callbacks(k):
        if k == 2:
            return []
        return [stop(on_epoch_end=lambda e, logs: setattr(models[k], "stop_training", e == k))]

    histories = fit_many(models, TABLE, CLASSES, epochs=4, callbacks=callbacks, verbose=0)
    assert [len(h.epoch) for h in histories] == [1, 2, 4]
    for k, epochs in enumerate([1, 2, 4]):
        theirs = make(dense, k)
        fit_reference(theirs, (TABLE, CLASSES), np.arange(ROWS), k, epochs, 32)
        assert_same(models[k], theirs)


@pytest.mark.parametrize("layers", [dense, own_layer])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_finished_is_kept(layers, error):
    def fail(epoch, logs):
        if epoch == 1:
            raise error("now")

    def callbacks(k):
        return [keras.callbacks.LambdaCallback(on_epoch_end=fail)] if k == 2 else []

    x = layers()[0]
    models = [make(layers, k) for k in range(3)]
    settings = {"epochs": 5, "callbacks": callbacks, "verbose": 0}
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted after 1 to 2 of 5 epochs"):
            histories = fit_many(models, x, CLASSES, **settings)
        assert all(history.params["interrupted"] for history in histories)
    else:
        with pytest.raises(RuntimeError, match="now"):
            fit_many(models, x, CLASSES, **settings)
    assert [len(model.history.epoch) for model in models] == [2, 2, 1]
    for k in (0, 2):
        theirs = make(layers, k)
        fit_reference(theirs, (x, CLASSES), np.arange(ROWS), k, 2, 32)
        assert_same(models[k], theirs)


def test_an_error_inside_an_epoch_brings_models_back_to_its_start():
    tokens = TOKENS.copy()
    tokens[20, 0] = 99  # no such row in the embedding: the CPU kernel refuses it
    for models in ([make(embedding, k) for k in range(2)], [make(embedding, 0)]):
        before = [[w.copy() for w in model.get_weights()] for model in models]
        with pytest.raises(Exception, match="99"):
            fit_many(models, tokens, CLASSES, batch_size=4, shuffle=False, verbose=0)
        for model, weights in zip(models, before, strict=True):
            for a, b in zip(model.get_weights(), weights, strict=True):
                np.testing.assert_array_equal(a, b)


# The last resort


def eager(models):
    for model in models:
        model.run_eagerly = True


@pytest.mark.parametrize("why", ["eager", "strategy", "memory-mapped"])
def test_fit_is_fed_with_the_same_batches(why, tmp_path):
    import tensorflow as tf

    x, settings = TABLE, {"epochs": 3, "batch_size": 8, "verbose": 0, "seed": [4, 9]}
    rows = [np.arange(30), np.arange(5, 37)]
    settings |= {"rows": rows, "validation_rows": rows[::-1]}
    ours, theirs = ([make(mixed_layers, k) for k in range(2)] for _ in range(2))
    if why == "eager":
        eager(ours)
    elif why == "strategy":
        with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
            ours = [make(mixed_layers, k) for k in range(2)]
    else:
        np.save(tmp_path / "x.npy", TABLE)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.warns(UserWarning, match="by `fit`: it"):
        histories = fit_many(ours, x, CLASSES, **settings)
    expected = fit_many(theirs, TABLE, CLASSES, **settings)
    for k in range(2):
        assert_same(ours[k], theirs[k])
        assert_same_history(histories[k], expected[k])


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
