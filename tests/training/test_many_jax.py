"""`fit_many` on JAX leaves what JAX's own `fit` leaves: in threads, and stacked as one program."""

import contextlib
import io

import keras
import numpy as np
import pytest
from many_cases import (
    CLASSES,
    ROWS,
    SEQUENCE,
    TABLE,
    TARGET,
    L,
    assert_same,
    assert_same_history,
    convolution,
    dense,
    fit_reference,
    make,
    masked,
    mixed_layers,
    part_of,
    regularized,
)

from coursekit.training import fit_many
from coursekit.training.many import _jax_plan

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs of JAX"),
]


@pytest.fixture(params=["threads", "stack"])
def route(request, monkeypatch):
    """As on a CPU, and as on an accelerator."""
    monkeypatch.setattr(_jax_plan, "side_by_side", lambda: request.param == "stack")
    return request.param


SPLIT = [np.arange(0, 29), np.arange(8, 37)]  # three whole batches of 8 and one of 5
HELD = [np.arange(29, 37), np.arange(0, 8)]


def compare(
    build, x, y, *, weight=None, rows=SPLIT, held=HELD, epochs=2, used=None, only=(-1,), told=None
):
    """Train by `fit_many` on both routes and, of the models, these by `fit`."""
    arrays = (x, y) if weight is None else (x, y, weight)
    numbers = range(len(rows))
    expected = {}
    for k in [numbers[one] for one in only]:
        theirs, callbacks = build(k), used(k) if used else ()
        side = part_of(arrays, held[k])
        history = fit_reference(
            theirs, arrays, rows[k], 3 + k, epochs, 8, callbacks, side, eager=False
        )
        expected[k] = theirs, history
    for stacked in (False, True):
        ours, printed = [build(k) for k in numbers], io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
            patch.setattr(_jax_plan, "side_by_side", lambda stacked=stacked: stacked)
            histories = fit_many(
                ours, x, y, rows=rows, validation_rows=held, sample_weight=weight,
                callbacks=used, epochs=epochs, batch_size=8, seed=3, verbose=1,
            )  # fmt: skip
        assert (told or f"{len(rows)} by a shared program") in printed.getvalue()
        for k, (theirs, history) in expected.items():
            assert_same(ours[k], theirs)
            assert_same_history(histories[k], history)


def scheduled():
    rate = keras.optimizers.schedules.CosineDecay(0.1, 6, warmup_steps=2)
    return keras.optimizers.AdamW(rate, weight_decay=0.1, global_clipnorm=0.5, use_ema=True)


def accumulating():
    return keras.optimizers.SGD(
        0.1, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=3
    )


CASES = {
    "norm, dropout, schedule, clipping, average": (mixed_layers, scheduled),
    "accumulation": (regularized, accumulating),
    "convolution": (convolution, None),
    "mask": (masked, None),
}


@pytest.mark.parametrize("name", CASES)
def test_models(name):
    layers, optimizer = CASES[name]
    weight = np.linspace(0.0, 2.0, ROWS, dtype="float32")
    compare(lambda k: make(layers, k, optimizer), layers()[0], CLASSES, weight=weight)


def test_rows_of_different_number():
    """Other numbers of batches, other last batches, a model with less than one batch."""
    rows = [np.arange(5), np.arange(32), np.arange(20), np.arange(0, 37, 2)]
    held = [np.arange(9), np.arange(8), np.arange(3), np.arange(17)]
    compare(lambda k: make(dense, k), TABLE, CLASSES, rows=rows, held=held)


def two_outputs(k):
    keras.utils.set_random_seed(k)
    a, b = keras.Input((6,), name="a"), keras.Input((3,), name="b")
    joined = L.concatenate([L.Dense(4)(a), L.Dense(4)(b)])
    outputs = {"kind": L.Dense(3, name="kind")(joined), "sum": L.Dense(1, name="sum")(joined)}
    model = keras.Model({"a": a, "b": b}, outputs)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(0.01 * (k + 1)),
        {"kind": sparse, "sum": "mse"},
        metrics={"kind": ["accuracy"], "sum": ["mae"]},
        weighted_metrics={"sum": [keras.metrics.MeanSquaredError()]},
    )
    return model


def test_nested_inputs_and_outputs():
    x, y = {"a": TABLE, "b": TABLE[:, :3]}, {"kind": CLASSES, "sum": TARGET}
    compare(two_outputs, x, y)


def test_half_precision():
    def build(k):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            return make(dense, k, lambda: keras.optimizers.SGD(0.1, momentum=0.9))
        finally:
            keras.config.set_dtype_policy(before)

    compare(build, TABLE, CLASSES)


class Halved(keras.Model):
    """A training step of one's own, with logs of its own, not built."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(3)

    def call(self, x):
        return self.dense(x)

    def train_step(self, state, data):
        logs, (weights, *rest) = super().train_step(state, data)
        return {**logs, "norm": keras.ops.norm(weights[0])}, ([weights[0] * 0.5, weights[1]], *rest)


class Renamed(Halved):
    """A step that reports what its metrics do not hold."""

    def train_step(self, state, data):
        logs, state = keras.Model.train_step(self, state, data)
        return {name: value * 0 for name, value in logs.items()}, state


@pytest.mark.parametrize("kind", [Halved, Renamed])
def test_own_train_step(kind):
    def build(k):
        keras.utils.set_random_seed(k)
        model = kind()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    compare(build, TABLE, CLASSES, told="2 by their own programs")


class Everything(keras.callbacks.Callback):
    """Writes down what it sees: hook, logs, weights."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def note(self, hook, logs):
        self.seen.append((hook, dict(logs or {}), self.model.get_weights()))

    def on_epoch_begin(self, epoch, logs=None):
        self.note(f"begin {epoch}", logs)

    def on_epoch_end(self, epoch, logs=None):
        self.note(f"end {epoch}", logs)

    def on_test_begin(self, logs=None):
        self.note("test begin", logs)

    def on_test_end(self, logs=None):
        self.note("test end", logs)


def test_callbacks():
    """One model stops, the rate of another falls, the third swaps weights before validation."""
    seen = []

    def used(k):
        c = keras.callbacks
        kinds = [
            lambda: [c.EarlyStopping(patience=0, restore_best_weights=True)],
            lambda: [c.LearningRateScheduler(lambda epoch, rate: rate * 0.5)],
            lambda: [c.SwapEMAWeights(), Everything()],
        ]
        made = kinds[k]()
        if k == 2:
            seen.append(made[1])
        return made

    def build(k):
        return make(dense, k, lambda: keras.optimizers.Adam(0.3, use_ema=True))

    rows, held = [SPLIT[k % 2] for k in range(3)], [HELD[k % 2] for k in range(3)]
    compare(
        build, TABLE, CLASSES, rows=rows, held=held, epochs=4, used=used, only=range(3),
        told="by a shared program",
    )  # fmt: skip
    theirs, *ours = [callback.seen for callback in seen]
    for one in ours:
        assert [hook for hook, *_ in one] == [hook for hook, *_ in theirs]
        for a, b in zip(one, theirs, strict=True):
            assert list(a[1]) == list(b[1])
            for left, right in zip(a[2], b[2], strict=True):
                np.testing.assert_allclose(left, right, atol=1e-6)


def test_models_of_one_architecture_are_traced_once(route):
    """As often for five models as for two."""
    traces = []

    def traced(x):
        traces.append(1)
        return x * 2.0

    def count(models):
        def stack():
            return TABLE, [L.Dense(4), L.Lambda(traced), L.Dense(3)]

        built = [make(stack, k) for k in range(models)]
        for model in built:
            model._symbolic_build(data_batch=(TABLE[:2], CLASSES[:2]))
        traces.clear()
        fit_many(built, TABLE, CLASSES, epochs=3, batch_size=8, verbose=0)
        return len(traces)

    assert 0 < count(2) == count(5)


def test_several_architectures_at_once():
    stacks = [dense, mixed_layers, dense, mixed_layers]

    def build(k):
        return make(stacks[k], k)

    rows, held = [SPLIT[k % 2] for k in range(4)], [HELD[k % 2] for k in range(4)]
    compare(build, TABLE, CLASSES, rows=rows, held=held)


class Scaled(keras.losses.Loss):
    """A loss that reads a variable which no model tracks."""

    def __init__(self, factor):
        super().__init__()
        self.factor = keras.Variable(factor)

    def call(self, y, p):
        return self.factor * keras.ops.mean(keras.ops.square(y - p), -1)


def normalized(k):
    layer = L.Normalization()
    layer.adapt(TABLE * (k + 1))
    return TABLE, [layer, L.Dense(3)]


@pytest.mark.parametrize("what", ["loss", "layer"])
def test_what_is_no_state_is_not_shared(what):
    def build(k):
        if what == "loss":
            return make(dense, k, loss=Scaled(k + 1.0), metrics=())
        return make(lambda: normalized(k), k, loss="mse", metrics=())

    compare(build, TABLE, TABLE[:, :3], told="2 by their own programs")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_finished_is_kept(error, route):
    def fail(epoch, logs):
        if epoch == 1:
            raise error("now")

    def callbacks(k):
        return [keras.callbacks.LambdaCallback(on_epoch_end=fail)] if k == 2 else []

    models = [make(dense, k) for k in range(3)]
    settings = {"epochs": 5, "callbacks": callbacks, "verbose": 0}
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted after 2 to 2 of 5 epochs"):
            fit_many(models, TABLE, CLASSES, **settings)
    else:
        with pytest.raises(RuntimeError, match="now"):
            fit_many(models, TABLE, CLASSES, **settings)
    entered = 2 if error is KeyboardInterrupt else 1  # an error ends as one in `fit` does
    assert [len(model.history.epoch) for model in models] == [2, 2, entered]
    theirs = make(dense, 2)
    fit_reference(theirs, (TABLE, CLASSES), np.arange(ROWS), 2, 2, 32, eager=False)
    assert_same(models[2], theirs)
    models[0].predict(TABLE, verbose=0)


def test_an_error_inside_an_epoch_brings_models_back_to_its_start(route, monkeypatch):
    from coursekit.training.many._jax import Program

    models = [make(dense, k) for k in range(2)]
    before = [model.get_weights() for model in models]
    monkeypatch.setattr(Program, "_named", lambda *_: 1 / 0)
    monkeypatch.setattr("coursekit.training.many._jax_stack._row", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit_many(models, TABLE, CLASSES, batch_size=8, verbose=0)
    for model, weights in zip(models, before, strict=True):
        for a, b in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_random_state_is_left_alone():
    models = [make(mixed_layers, k) for k in range(2)]
    keras.utils.set_random_seed(5)
    draw = float(keras.random.uniform(()))
    keras.utils.set_random_seed(5)
    before = np.random.get_state()[1].copy()
    fit_many(models, TABLE, CLASSES, verbose=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert float(keras.random.uniform(())) == draw


class Untraceable(L.Layer):
    def call(self, x, training=None):
        if training and float(keras.ops.mean(x)) > 1e9:  # Python looks at a number
            return x * 2.0
        return x


@pytest.mark.parametrize("why", ["eagerly", "jit_compile", "traced", "at batches"])
def test_fit_is_the_last_resort(why):
    def build(k):
        if why == "traced":
            return make(lambda: (TABLE, [L.Dense(3), Untraceable()]), k)
        model = make(dense, k, jit_compile=False if why == "jit_compile" else "auto")
        model.run_eagerly = why == "eagerly"
        return model

    used = None
    if why == "at batches":
        used = [[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)], []]
    models = [build(k) for k in range(2)]
    settings = {"epochs": 1, "batch_size": 8, "seed": [4, 9], "verbose": 0, "callbacks": used}
    with pytest.warns(UserWarning, match=f"by `fit`: .*{why}"):
        if why == "traced":
            with pytest.raises(Exception, match=r"(?i)trace"):
                fit_many(models, TABLE, CLASSES, **settings)
            return
        fit_many(models, TABLE, CLASSES, **settings)
    expected = [make(dense, k) for k in range(2)]
    fit_many(expected, TABLE, CLASSES, **{**settings, "callbacks": None})
    for a, b in zip(models, expected, strict=True):
        assert_same(a, b)


def test_sequences_by_the_defaults():
    """One model, no validation, no shuffling, class weights."""
    ours, theirs = (make(lambda: (SEQUENCE, [L.GRU(4), L.Dense(3)]), 0) for _ in range(2))
    settings = {"shuffle": False, "class_weight": {0: 3.0, 2: 0.5}, "verbose": 0}
    fit_many([ours], SEQUENCE, CLASSES, **settings)
    theirs.fit(SEQUENCE, CLASSES, **settings)
    assert_same(ours, theirs)
