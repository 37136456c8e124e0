"""Trained on two replicas as on one device: every option, loss and layer, on ragged batches too."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, losses, optimizers

from coursekit.distribution.step import ReplicaModel, ReplicaSequential, ReplicaStep
from coursekit.exercises._limits import time_limit
from coursekit.losses import InfoNCE, LearnedTemperature

RAGGED = 11  # rows at batch size 4: 4, 4, and 3 that split 2 + 1
ALONE = 9  # ..., and 1 row that leaves a replica without any
SUMS_ACTIVITY = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 14)  # refused: test_lint.py
CLASSES = losses.SparseCategoricalCrossentropy(from_logits=True)


def rows(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 5)).astype("float32"), rng.integers(0, 3, count)


def dense(*middle, model=ReplicaModel, **options):
    """5 inputs, 3 logits."""
    x = keras.Input((5,))
    y = layers.Dense(6, activation="tanh", **options)(x)
    for layer in middle:
        y = layer(y)
    return model(x, layers.Dense(3)(y))


def fit(build, optimizer, loss, data, batch_size=4, epochs=1, compiled=None, **arguments):
    """Train, and return the logged numbers and the model."""
    keras.utils.set_random_seed(3)
    model = build()
    model.compile(optimizer(), loss, **({"jit_compile": False} | (compiled or {})))
    arguments = {"batch_size": batch_size, "epochs": epochs, "shuffle": False} | arguments
    history = model.fit(*data, verbose=0, **arguments)
    return history.history, model


def compare(strategy, logs=None, **case):
    """Train on one device and on two; return both models. One device is quicker untraced."""
    one_logs, one = fit(**case | {"compiled": case.get("compiled", {}) | {"run_eagerly": True}})
    with strategy.scope():
        two_logs, two = fit(**case)
    assert one_logs.keys() == two_logs.keys()
    for name in logs or one_logs:
        np.testing.assert_allclose(
            two_logs[name], one_logs[name], rtol=1e-5, atol=1e-6, err_msg=name
        )
    for variable, a, b in zip(one.weights, one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, atol=1e-6, err_msg=variable.path)
    return one, two


def sgd(**options):
    return optimizers.SGD(0.2, momentum=0.9, **options)


def tagger():
    """An Embedding, whose gradient lists a token as often as it appears, and a mask."""
    embedding = {"input_dim": 7, "output_dim": 4, "mask_zero": True}
    inputs = keras.Input((4,), dtype="int32")
    return ReplicaSequential([inputs, layers.Embedding(**embedding), layers.Dense(3)])


def sentences():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 7, (ALONE, 4)) * (np.arange(4) < rng.integers(1, 5, (ALONE, 1)))
    return tokens.astype("int32"), rng.integers(0, 3, (ALONE, 4))


def constrained():
    return dense(bias_constraint="non_neg")


def everything():
    return optimizers.AdamW(
        optimizers.schedules.ExponentialDecay(0.05, 2, 0.5),
        gradient_accumulation_steps=2,
        global_clipnorm=0.05,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=3,
    )


def averaged():
    options = {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}
    return sgd(clipvalue=0.01, loss_scale_factor=64.0, **options)


def loss_scaled():
    return optimizers.LossScaleOptimizer(optimizers.RMSprop(0.05, global_clipnorm=0.01))


def two_in_one():
    clipped = {".*embeddings": optimizers.Adam(0.05, clipnorm=0.01)}
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(sgd(), clipped))


@pytest.mark.parametrize(
    "build, optimizer, data",
    [
        (tagger, everything, sentences()),
        (tagger, loss_scaled, sentences()),
        (tagger, two_in_one, sentences()),
        (constrained, averaged, rows(RAGGED)),
    ],
    ids=["everything", "loss_scaled", "two_in_one", "averaged"],
)
def test_optimizers(strategy, build, optimizer, data):
    if optimizer is two_in_one and not hasattr(optimizers, "MultiOptimizer"):
        pytest.skip("newer Keras")
    one, two = compare(strategy, build=build, optimizer=optimizer, loss=CLASSES, data=data)
    for a, b in zip(one.optimizer.variables, two.optimizer.variables, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=2e-6, err_msg=a.path)


def scalar(y_true, y_pred):
    return keras.ops.mean((keras.ops.one_hot(y_true, 3) - y_pred) ** 2)


def in_batch(y_true, y_pred):
    """Each row against all others of the batch."""
    return keras.ops.logsumexp(y_pred @ keras.ops.transpose(y_pred), axis=-1)


LOSSES = {
    "sum": losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
    "weighted": losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
    "scalar": scalar,
    "in_batch": in_batch,
    "dice": losses.Dice(),
}


def one_head_a_loss():
    x = keras.Input((5,))
    hidden = layers.Dense(6, activation="tanh")(x)
    return ReplicaModel(x, {name: layers.Dense(3, name=name)(hidden) for name in LOSSES})


def test_losses(strategy):
    """Each head, and each logged number, has a loss of its own."""
    x, y = rows(ALONE)
    targets = dict.fromkeys(LOSSES, y) | {"dice": np.eye(3, dtype="float32")[y]}
    compare(
        strategy,
        logs=("loss",),  # Keras weighs those of heads by static shapes: not traced, otherwise
        build=one_head_a_loss,
        optimizer=lambda: optimizers.SGD(0.005),
        loss=LOSSES,
        data=(x, targets),
        compiled={"loss_weights": {name: 0.5 + i for i, name in enumerate(LOSSES)}},
        sample_weight=dict.fromkeys(LOSSES, np.linspace(0.5, 3, ALONE)),
    )


@pytest.mark.parametrize("last, loss", [("softmax", "sparse_categorical"), ("sigmoid", "binary")])
def test_certain_and_wrong_answers_still_learn(strategy, last, loss):
    """Keras takes the logits of probabilities that are 0 or 1, whose own gradient is clipped."""

    def certain():
        x = keras.Input((5,))
        dense = layers.Dense(3, last, kernel_initializer=keras.initializers.RandomNormal(0, 20, 1))
        return ReplicaModel(x, dense(x))

    x, y = rows(RAGGED)
    data = x, y if loss == "sparse_categorical" else np.eye(3, dtype="float32")[y]
    one, _ = compare(strategy, build=certain, optimizer=sgd, loss=f"{loss}_crossentropy", data=data)
    start = certain().get_weights()[0]
    assert np.abs(one.get_weights()[0] - start).max() > 0.05


ENDS = {"softmax": tf.nn.softmax, "sigmoid": tf.nn.sigmoid, "math.sigmoid": tf.math.sigmoid}


class EndsIn(ReplicaStep, keras.Model):
    def __init__(self, end):
        super().__init__()
        self.end = end
        self.dense = layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(0, 200, 1))

    def call(self, x):
        return self.end(self.dense(x))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("loss", ["sparse_categorical", "categorical", "binary"])
def test_probabilities_made_by_tensorflow_keep_their_logits(strategy, end, loss):
    """Keras looks for the operation that made them, in a graph: so does one device here."""
    x, y = rows(RAGGED)
    case = {
        "build": lambda: EndsIn(ENDS[end]),
        "optimizer": lambda: optimizers.SGD(0.1),
        "loss": f"{loss}_crossentropy",
        "data": (x, y if loss == "sparse_categorical" else np.eye(3, dtype="float32")[y]),
        "epochs": 2,
    }
    one_logs, one = fit(**case)
    with strategy.scope():
        two_logs, two = fit(**case)
    np.testing.assert_allclose(two_logs["loss"], one_logs["loss"], rtol=1e-5)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5)


@pytest.mark.parametrize("clipnorm", [None, 0.1])
@pytest.mark.parametrize("count", [8, RAGGED, ALONE])
def test_a_learned_temperature(strategy, count, clipnorm):
    def build():
        pair = keras.Input((2, 5))
        views = layers.Dense(3)(pair)
        return ReplicaModel(pair, LearnedTemperature(initial=0.2)(views))

    pairs = np.random.default_rng(0).normal(size=(count, 2, 5)).astype("float32")
    one, _ = compare(
        strategy,
        build=build,
        optimizer=lambda: optimizers.SGD(0.05, clipnorm=clipnorm),
        loss=InfoNCE(temperature=None),
        data=(pairs, np.arange(count)),
        epochs=3,
    )
    assert abs(one.layers[-1].temperature - 0.2) > 1e-3


def on_the_second():
    context = tf.distribute.get_replica_context()
    return getattr(context, "_replica_id", None) == 1 and context.strategy is not None


class Fails(ReplicaStep, keras.Model):
    """Raises on the second replica alone, at one place of its step."""

    def __init__(self, place):
        super().__init__()
        self.place, self.dense = place, layers.Dense(1)

    def fail(self, place):
        if place == self.place and on_the_second():
            raise RuntimeError("only here")

    def call(self, x):
        x = self.dense(x)
        self.fail("call")
        context = tf.distribute.get_replica_context()
        if self.place == "between" and tf.distribute.has_strategy() and context:
            x = x + 0 * context.all_reduce("SUM", x[:1])
            self.fail("between")
            x = x + 0 * context.all_reduce("SUM", x[:1])
        self.add_loss(keras.ops.mean(x))
        self.fail("add_loss")
        return x

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.fail("compute_loss")
        return loss

    def compute_metrics(self, *args, **kwargs):
        self.fail("compute_metrics")
        return super().compute_metrics(*args, **kwargs)


class FailsToApply(optimizers.SGD):
    def apply(self, *args, **kwargs):
        if on_the_second():
            raise RuntimeError("only here")
        return super().apply(*args, **kwargs)


PLACES = ["call", "between", "add_loss", "compute_loss", "compute_metrics", "optimizer"]


@pytest.mark.parametrize("place", PLACES)
def test_what_fails_on_the_second_replica_is_raised_and_nobody_waits(strategy, place):
    x = rows(8)[0]
    with strategy.scope():
        model = Fails(place)
        made = FailsToApply if place == "optimizer" else optimizers.SGD
        model.compile(made(0.1, clipnorm=0.1), "mse", jit_compile=False)
        with pytest.raises(RuntimeError, match="only here"), time_limit(30):
            model.fit(x, x[:, :1], batch_size=4, verbose=0)
        model.place = None  # and the devices are still there
        model.compile(optimizers.SGD(0.1), "mse", jit_compile=False)
        with time_limit(30):
            model.fit(x, x[:, :1], batch_size=4, verbose=0)


class AddsLoss(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x**2))
        return x


def many_layers():
    """With losses added before and after a layer that waits for the other replica."""
    activity = None if SUMS_ACTIVITY else "l2"
    return dense(
        AddsLoss(),
        layers.BatchNormalization(synchronized=True),
        layers.Dense(4, trainable=False),
        layers.LayerNormalization(),
        AddsLoss(),
        kernel_regularizer="l2",
        activity_regularizer=activity,
    )


def test_layers_metrics_and_validation(strategy):
    compare(
        strategy,
        build=many_layers,
        optimizer=lambda: optimizers.SGD(0.05),
        loss=CLASSES,
        data=rows(ALONE),
        class_weight={0: 1.0, 1: 2.0, 2: 3.0},
        compiled={"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]},
        validation_data=rows(ALONE, seed=2),
    )


class OwnLoss(ReplicaStep, keras.Model):
    """Subclassed, not built before it meets replicas, with a loss of its own."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)

    def call(self, x):
        y = self.head(x)
        self.add_loss(keras.ops.mean(y))
        return y

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        own = keras.ops.mean(x) * keras.ops.mean(y_pred**2)
        return own + keras.ops.square(sum(self.losses, start=0.0))


def test_an_own_compute_loss_and_a_first_batch_that_does_not_divide(strategy):
    """Keras builds the model from the mean of the replicas' inputs, which have other shapes."""
    compare(strategy, build=OwnLoss, optimizer=sgd, loss=CLASSES, data=rows(6), batch_size=5)


def test_an_empty_replica_leaves_moving_statistics_alone(strategy):
    """Keras: NaN in gamma and in the moving statistics."""
    with strategy.scope():
        _, model = fit(lambda: dense(layers.BatchNormalization()), sgd, CLASSES, rows(ALONE))
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.evaluate(*rows(4), verbose=0))  # the statistics of each replica


def test_static_shapes_with_an_empty_replica(strategy):
    """In a loop of one's own, shapes may be known: all replicas must mend, or none."""
    x, y = rows(3)

    def of_replica(context):
        first = context.replica_id_in_sync_group == 0
        return tf.constant(x[: 3 * first]), tf.constant(y[: 3 * first])

    with strategy.scope():
        _, model = fit(lambda: dense(layers.BatchNormalization()), sgd, CLASSES, rows(4))
    batch = strategy.experimental_distribute_values_from_function(of_replica)
    tf.function(lambda batch: strategy.run(model.train_step, args=(batch,)))(batch)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_an_overflow_on_any_replica_skips_the_step_on_all(strategy):
    """Keras looks at replica 0 only: the weights become infinite."""
    with strategy.scope():
        dense = layers.Dense(1, kernel_initializer="ones")
        model = ReplicaSequential([keras.Input((2,)), dense])
        scaler = optimizers.LossScaleOptimizer(
            optimizers.SGD(0.1, clipvalue=1.0), initial_scale=8.0
        )
        model.compile(scaler, "mse", jit_compile=False)
    for halved, row in enumerate((0, 3), start=1):
        x = np.ones((4, 2), "float32")
        x[row, 0] = np.inf
        model.fit(x, np.zeros((4, 1)), batch_size=4, shuffle=False, verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], 1)
        assert float(scaler.dynamic_scale.numpy()) == 8 / 2**halved
        assert int(scaler.iterations.numpy()) == 0


class AddsRows(layers.Layer):
    def call(self, x):
        self.add_loss(x[:, 0])
        return x


def test_an_added_loss_is_one_number(strategy):
    with strategy.scope(), pytest.raises(ValueError, match="takes one number"):
        fit(lambda: dense(AddsRows()), sgd, CLASSES, rows(4))
