"""Trainings with a planted fault, and healthy ones."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import initializers, layers, ops, optimizers
from plants import digits, mlp

FAULTS, HEALTHY = {}, {}
SPARSE = "sparse_categorical_crossentropy"


@dataclass
class Training:
    """What `fit` gets."""

    model: Any
    x: Any
    y: Any
    valid: Any = None
    epochs: int = 6
    batch: int = 32
    more: dict = field(default_factory=dict)


def fault(*names):
    def add(make):
        FAULTS[make.__name__] = names, make
        return make

    return add


def healthy(make):
    HEALTHY[make.__name__] = make
    return make


def ready(model, data, optimizer=None, loss=SPARSE, epochs=6, batch=32, **more):
    x, y, *valid = data
    metrics = [] if loss in ("mse", "mae") else ["accuracy"]
    model.compile(optimizer or optimizers.Adam(3e-3), loss, metrics=metrics)
    return Training(model, x, y, *valid, epochs=epochs, batch=batch, more=more)


def table(seed, rows=900, noise=0.3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows + 300, 8)).astype("float32")
    y = (np.sin(2 * x[:, 0]) + x[:, 1] + noise * rng.normal(size=len(x))).astype("float32")
    return x[:rows], y[:rows, None], (x[rows:], y[rows:, None])


def waves(seed, rows=500):
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 2 * np.pi, (rows + 200, 1)) + 0.4 * np.arange(13)
    series = np.sin(at + 0.05 * rng.normal(size=at.shape)).astype("float32")
    x, y = series[:, :12, None], series[:, 12:]
    return x[:rows], y[:rows], (x[rows:], y[rows:])


# Faults


@fault("rate_too_high")
def sgd_of_thirty(seed):
    return ready(mlp(64, 64), digits(seed), optimizers.SGD(30.0))


@fault("rate_too_high")
def adam_of_one_in_a_gru(seed):
    model = keras.Sequential([keras.Input((12, 1)), layers.GRU(16), layers.Dense(1)])
    return ready(model, waves(seed), optimizers.Adam(1.0), "mse")


@fault("rate_too_high", "nan")
def regression_that_diverges(seed):
    return ready(mlp(32, inputs=8, out=1, end=None), table(seed), optimizers.SGD(3.0), "mse")


@fault("rate_too_low")
def sgd_of_nothing(seed):
    return ready(mlp(64, 64), digits(seed), optimizers.SGD(1e-4))


@fault("rate_too_low")
def a_rate_of_zero(seed):
    return ready(mlp(32), digits(seed), optimizers.SGD(0.0))


@fault("rate_too_low")
def clipped_to_nothing(seed):
    return ready(mlp(32), digits(seed), optimizers.SGD(0.1, global_clipnorm=1e-5))


@fault("vanishing")
def eight_sigmoids(seed):
    return ready(mlp(*[32] * 8, act="sigmoid"), digits(seed), optimizers.SGD(0.1))


@fault("vanishing")
def a_small_start(seed):
    start = initializers.RandomNormal(stddev=0.05)
    return ready(mlp(*[32] * 8, act="tanh", start=start), digits(seed), optimizers.SGD(0.1))


@fault("exploding")
def a_recurrent_kernel_of_three(seed):
    start = initializers.Orthogonal(gain=3.0)
    cell = layers.SimpleRNN(24, activation="linear", recurrent_initializer=start)
    model = keras.Sequential([keras.Input((12, 1)), cell, layers.Dense(1)])
    return ready(model, waves(seed), optimizers.SGD(0.01), "mse")


@fault("dead_units")
def biases_of_minus_twenty(seed):
    model = mlp(64, 64)
    model.layers[0].bias.assign(-20 * np.ones(64))
    return ready(model, digits(seed), optimizers.SGD(0.05))


@fault("symmetric_units")
def equal_units(seed):
    start = initializers.Constant(0.1)
    return ready(mlp(32, 32, act="tanh", start=start), digits(seed))


@fault("saturated")
def tanh_at_its_ends(seed):
    start = initializers.RandomNormal(stddev=8.0)
    model = mlp(48, 48, 48, act="tanh", start=start)
    return ready(model, digits(seed), optimizers.SGD(0.01))


@fault("overfitting")
def few_rows_with_wrong_labels(seed):
    x, y, valid = digits(seed, 120)
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(120) < 0.3, rng.integers(0, 10, 120), y)
    return ready(mlp(256), (x, y, valid), epochs=40)


@fault("overfitting")
def noise_by_heart(seed):
    x, y, valid = table(seed, 60, noise=2.0)
    model = mlp(128, 128, inputs=8, out=1, end=None)
    return ready(model, (x, y, valid), optimizers.Adam(3e-3), "mse", epochs=40)


@fault("underfitting")
def a_line_through_xor(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1000, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int32")
    data = x[:700], y[:700], (x[700:], y[700:])
    line = keras.Sequential([keras.Input((2,)), layers.Dense(2, "softmax")])
    return ready(line, data, optimizers.Adam(1e-2), epochs=8)


@fault("too_much_regularization")
def a_penalty_of_one(seed):
    penalty = keras.regularizers.L2(1.0)
    hidden = layers.Dense(32, "relu", kernel_regularizer=penalty)
    out = layers.Dense(10, "softmax", kernel_regularizer=penalty)
    return ready(keras.Sequential([keras.Input((64,)), hidden, out]), digits(seed),
                 optimizers.Adam(1e-2))  # fmt: skip


@fault("nan")
def the_log_of_a_negative(seed):
    def own(y_true, y_pred):
        return ops.mean(ops.square(y_true - ops.log(y_pred)), axis=-1)

    return ready(mlp(32, inputs=8, out=1, end=None), table(seed), None, own)


@fault("nan_in_inputs")
def a_cell_that_is_missing(seed):
    x, y, valid = digits(seed)
    x[77, 3] = np.nan
    return ready(mlp(), (x, y, valid))


@fault("batch_norm_gap")
def statistics_that_never_arrive(seed):
    x, y, (held, labels) = digits(seed, 600)
    norm = layers.BatchNormalization(momentum=0.9999)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64), norm, layers.ReLU(),
                              layers.Dense(10, "softmax")])  # fmt: skip
    return ready(model, (8 * x + 20, y, (8 * held + 20, labels)))


@fault("nothing_trains")
def all_frozen(seed):
    model = mlp()
    model.trainable = False
    return ready(model, digits(seed))


@fault("frozen")
def a_base_that_knows_nothing(seed):
    model = mlp(64, 64, 64, act="tanh")
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.layers[0].kernel.assign(0.001 * model.layers[0].kernel)
    return ready(model, digits(seed), optimizers.SGD(0.05))


@fault("collapse")
def a_rare_class(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 6)).astype("float32")
    y = (x[:, 0] > 1.75).astype("int32")
    data = x[:2400], y[:2400], (x[2400:], y[2400:])
    model = mlp(16, inputs=6, out=1, end="sigmoid")
    return ready(model, data, optimizers.SGD(0.02), "binary_crossentropy", epochs=3)


@fault("labels_independent", "not_learning")
def labels_in_another_order(seed):
    x, y, valid = digits(seed)
    return ready(mlp(), (x, np.random.default_rng(seed).permutation(y), valid))


@fault("loss_metric_divergence")
def a_threshold_on_logits(seed):
    x, y, (held, labels) = digits(seed)
    model = mlp(32, out=1, end=None)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    accuracy = keras.metrics.BinaryAccuracy(threshold=8.0, name="accuracy")
    model.compile(optimizers.Adam(1e-2), loss, metrics=[accuracy])
    return Training(model, x, y % 2, (held, labels % 2), epochs=8)


@fault("spikes")
def some_rows_a_hundred_times_too_large(seed):
    x, y, valid = table(seed, 2000)
    x[[500, 900, 1400]] *= 100
    return ready(mlp(32, inputs=8, out=1, end=None), (x, y, valid), None, "mse", epochs=8)


@fault("batch_too_small")
def one_row_at_a_time(seed):
    return ready(mlp(32), digits(seed, 300), optimizers.SGD(0.05), epochs=3, batch=1)


@fault("near_duplicates")
def noisy_copies(seed):
    x, y, _ = digits(seed)
    copies = x[:200] + np.random.default_rng(seed).normal(0, 0.01, (200, 64)).astype("float32")
    return ready(mlp(), (x, y, (copies, y[:200])))


@fault("other_distribution")
def negatives(seed):
    x, y, (held, labels) = digits(seed)
    return ready(mlp(), (x, y, (1 - held, labels)))


@fault("other_targets")
def other_units(seed):
    x, y, (held, targets) = table(seed)
    return ready(mlp(32, inputs=8, out=1, end=None), (x, y, (held, 1000 * targets)), None, "mse")


# Healthy


@healthy
def plain(seed):
    return ready(mlp(64), digits(seed))


@healthy
def a_large_rate(seed):
    return ready(mlp(64), digits(seed), optimizers.SGD(0.8), epochs=8)


@healthy
def a_small_rate_for_long(seed):
    return ready(mlp(128), digits(seed), optimizers.Adam(3e-4), epochs=15)


@healthy
def regression(seed):
    return ready(mlp(32, inputs=8, out=1, end=None), table(seed), None, "mse", epochs=12)


@healthy
def mostly_noise(seed):
    return ready(mlp(8, inputs=8, out=1, end=None), table(seed, 2000, 3.0), None, "mse")


@healthy
def a_gru(seed):
    model = keras.Sequential([keras.Input((12, 1)), layers.GRU(16), layers.Dense(1)])
    return ready(model, waves(seed), optimizers.Adam(1e-2), "mse", epochs=6)


@healthy
def convolutions_with_batch_norm(seed):
    x, y, (held, labels) = digits(seed)
    norm = layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((64,)), layers.Reshape((8, 8, 1)), layers.Conv2D(12, 3),
                              norm, layers.ReLU(), layers.Flatten(),
                              layers.Dense(10, "softmax")])  # fmt: skip
    return ready(model, (x, y, (held, labels)), optimizers.Adam(1e-2))


@healthy
def words(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 30, (1200, 12))
    x[np.arange(12) >= rng.integers(6, 13, 1200)[:, None]] = 0
    y = ((x == 3) | (x == 4)).any(1).astype("int32")
    model = keras.Sequential([keras.Input((12,), dtype="int32"),
                              layers.Embedding(30, 16, mask_zero=True),
                              layers.GlobalAveragePooling1D(), layers.Dense(16, "relu"),
                              layers.Dense(1, "sigmoid")])  # fmt: skip
    data = x[:900], y[:900], (x[900:], y[900:])
    return ready(model, data, optimizers.Adam(1e-2), "binary_crossentropy", epochs=10)


@healthy
def dropout(seed):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(128, "relu"), layers.Dropout(0.5),
                              layers.Dense(10, "softmax")])  # fmt: skip
    return ready(model, digits(seed), epochs=8)


@healthy
def warmup(seed):
    rate = optimizers.schedules.CosineDecay(1e-6, 200, warmup_target=3e-3, warmup_steps=60)
    return ready(mlp(64, 64), digits(seed), optimizers.AdamW(rate), epochs=8)


@healthy
def class_weights(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 8)).astype("float32")
    y = (x[:, 0] + 0.3 * rng.normal(size=1500) > 1.2).astype("int32")
    data = x[:1000], y[:1000], (x[1000:], y[1000:])
    model = mlp(16, inputs=8, out=1, end="sigmoid")
    return ready(model, data, optimizers.Adam(1e-2), "binary_crossentropy",
                 class_weight={0: 1.0, 1: 7.0})  # fmt: skip


@healthy
def two_outputs(seed):
    x, y, (held, labels) = digits(seed)
    inputs = keras.Input((64,))
    hidden = layers.Dense(64, "relu")(inputs)
    heads = layers.Dense(10, "softmax", name="a")(hidden), layers.Dense(1, name="b")(hidden)
    model = keras.Model(inputs, list(heads))
    model.compile(optimizers.Adam(3e-3), [SPARSE, "mse"])
    targets = [y, x.mean(1, keepdims=True)]
    return Training(model, x, targets, (held, [labels, held.mean(1, keepdims=True)]))


@healthy
def half_precision(seed):
    policy = keras.mixed_precision.DTypePolicy("mixed_float16")
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu", dtype=policy),
                              layers.Dense(10, "softmax", dtype="float32")])  # fmt: skip
    optimizer = optimizers.LossScaleOptimizer(optimizers.Adam(3e-3))
    return ready(model, digits(seed), optimizer)


@healthy
def an_autoencoder(seed):
    x, _, (held, _) = digits(seed)
    model = mlp(32, 12, 32, out=64, end="sigmoid")
    return ready(model, (x, x, (held, held)), optimizers.Adam(5e-3), "mse", epochs=10)
