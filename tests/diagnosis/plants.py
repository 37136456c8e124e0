"""Planted faults and healthy runs, each a model with its data."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, losses, ops, optimizers

from coursekit import datasets

CE = losses.SparseCategoricalCrossentropy
DIGITS = datasets.load_digits()
IMAGES, LABELS = DIGITS.train.x.astype("float32"), DIGITS.train.y


@dataclass
class Run:
    """What `examine` gets."""

    model: Any
    x: Any
    y: Any
    valid: Any = None
    more: dict = field(default_factory=dict)


def digits(seed, rows=900, held=300, flat=True):
    order = np.random.default_rng(seed).permutation(len(LABELS))
    x = IMAGES.reshape(len(IMAGES), -1) if flat else IMAGES[..., None]
    train, valid = order[:rows], order[rows : rows + held]
    return x[train], LABELS[train], (x[valid], LABELS[valid])


def mlp(*widths, act="relu", end="softmax", out=10, inputs=64, start="glorot_uniform", before=()):
    hidden = [layers.Dense(w, act, kernel_initializer=start) for w in widths or (32,)]
    return keras.Sequential([keras.Input((inputs,)), *before, *hidden, layers.Dense(out, end)])


def run(model, x, y, valid=None, optimizer=None, loss="sparse_categorical_crossentropy", **more):
    model.compile(optimizer or optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    return Run(model, x, y, valid, more)


def number(seed, rows=600):
    x, _, _ = digits(seed, rows)
    return x, (x @ np.random.default_rng(seed).normal(size=64) / 4).astype("float32")


class Raw(losses.Loss):
    """A loss of one's own, in which (n,) and (n, 1) make (n, n)."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


FAULTS, HEALTHY = {}, {}


def fault(*names):
    def add(make):
        FAULTS[make.__name__] = names, make
        return make

    return add


def healthy(make):
    HEALTHY[make.__name__] = make
    return make


# Faults


@fault("nan_in_inputs")
def a_row_of_nan(seed):
    x, y, valid = digits(seed)
    x[77, 3] = np.nan
    return run(mlp(), x, y, valid)


@fault("nan_in_targets")
def a_target_missing(seed):
    x, y = number(seed)
    y[5] = np.nan
    return run(mlp(out=1, end=None), x, y, loss="mse")


@fault("unscaled_inputs")
def inputs_in_thousands(seed):
    x, y, valid = digits(seed)
    return run(mlp(), 4000 * x, y, (4000 * valid[0], valid[1]))


@fault("unscaled_inputs")
def one_column_in_grams(seed):
    x = np.random.default_rng(seed).normal(size=(500, 6))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    return run(mlp(out=1, end="sigmoid", inputs=6), x * [1, 1, 1, 1, 1, 900], y,
               loss="binary_crossentropy")  # fmt: skip


@fault("constant_inputs")
def all_rows_the_same(seed):
    x, y, _ = digits(seed)
    return run(mlp(), np.tile(x[:1], (len(x), 1)), y)


@fault("imbalance")
def two_of_a_hundred(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 8))
    y = (x[:, 0] + rng.normal(size=1500) > 2.9).astype(int)
    return run(mlp(out=1, end="sigmoid", inputs=8), x, y, loss="binary_crossentropy")


@fault("sorted_rows")
def rows_by_class(seed):
    x, y, _ = digits(seed)
    order = np.argsort(y, kind="stable")
    return run(mlp(), x[order], y[order])


@fault("labels_out_of_range")
def labels_from_one(seed):
    x, y, _ = digits(seed)
    return run(mlp(), x, y + 1)


@fault("labels_out_of_range")
def yes_and_no_as_one_and_two(seed):
    x, y, _ = digits(seed)
    return run(mlp(out=1, end="sigmoid"), x, y % 2 + 1, loss="binary_crossentropy")


@fault("activation_twice")
def softmax_and_from_logits(seed):
    x, y, _ = digits(seed)
    return run(mlp(), x, y, loss=CE(from_logits=True))


@fault("activation_twice")
def two_softmax_layers(seed):
    x, y, _ = digits(seed)
    model = mlp()
    model.add(layers.Softmax())
    return run(model, x, y)


@fault("activation_twice")
def two_sigmoids(seed):
    x, y, _ = digits(seed)
    model = mlp(out=1, end="sigmoid")
    model.add(layers.Activation("sigmoid"))
    return run(model, x, y % 2, loss="binary_crossentropy")


@fault("logits_as_probabilities")
def no_softmax(seed):
    x, y, _ = digits(seed)
    return run(mlp(end=None), x, y)


@fault("logits_as_probabilities")
def relu_for_probabilities(seed):
    x, y, _ = digits(seed)
    return run(mlp(end="relu"), x, y)


@fault("logits_as_probabilities")
def no_sigmoid(seed):
    x, y, _ = digits(seed)
    return run(mlp(out=1, end=None), x, y % 2, loss=losses.BinaryCrossentropy())


@fault("one_output_softmax")
def softmax_of_one(seed):
    x, y, _ = digits(seed)
    return run(mlp(out=1, end="softmax"), x, y % 2, loss="binary_crossentropy")


@fault("sigmoid_for_softmax")
def sigmoids_for_ten_classes(seed):
    x, y, _ = digits(seed)
    return run(mlp(end="sigmoid"), x, y)


@fault("outputs_cannot_reach")
def relu_for_signed_targets(seed):
    x, y = number(seed)
    return run(mlp(out=1, end="relu"), x, y[:, None], loss="mse")


@fault("outputs_cannot_reach")
def sigmoid_for_prices(seed):
    x, y = number(seed)
    return run(mlp(out=1, end="sigmoid"), x, 5 + y[:, None], loss=losses.Huber())


@fault("broadcast")
def rows_against_all_rows(seed):
    x, y = number(seed)
    return run(mlp(out=1, end=None), x, y, loss=Raw())


@fault("first_loss")
def a_start_far_too_large(seed):
    x, y, _ = digits(seed)
    start = keras.initializers.RandomNormal(stddev=2.0, seed=seed)
    return run(mlp(64, 64, 64, start=start), x, y)


@fault("nothing_trains")
def all_frozen(seed):
    x, y, _ = digits(seed)
    model = mlp()
    model.trainable = False
    return run(model, x, y)


@fault("no_gradient")
def a_dead_layer(seed):
    x, y, _ = digits(seed)
    model = mlp(64, 64)
    model.layers[0].bias.assign(-50 * np.ones(64))
    return run(model, x, y)


@fault("no_gradient")
def rounded_on_the_way(seed):
    x, y, _ = digits(seed)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10), layers.Lambda(ops.round)])
    return run(model, x, y, loss=CE(from_logits=True))


@fault("rate_too_high")
def sgd_of_thirty(seed):
    x, y, _ = digits(seed)
    return run(mlp(64, 64), x, y, optimizer=optimizers.SGD(30.0))


@fault("rate_too_high")
def adam_of_one(seed):
    x, y, _ = digits(seed)
    return run(mlp(64, 64), x, y, optimizer=optimizers.Adam(1.0))


@fault("rate_too_high")
def sgd_of_three_on_numbers(seed):
    x, y = number(seed)
    return run(mlp(out=1, end=None), x, y, optimizer=optimizers.SGD(3.0), loss="mse")


@fault("labels_independent")
def labels_shuffled(seed):
    x, y, _ = digits(seed)
    return run(mlp(), x, np.random.default_rng(seed).permutation(y))


@fault("labels_independent")
def labels_off_by_one_row(seed):
    x, y, _ = digits(seed)
    return run(mlp(), x, np.roll(y, 1))


@fault("shared_rows")
def rows_in_both_parts(seed):
    x, y, valid = digits(seed)
    mixed = np.concatenate([valid[0][:150], x[:150]]), np.concatenate([valid[1][:150], y[:150]])
    return run(mlp(), x, y, mixed)


@fault("other_distribution")
def validation_inverted(seed):
    x, y, valid = digits(seed)
    return run(mlp(), x, y, (x.max() - valid[0], valid[1]))


@fault("other_labels")
def split_by_class(seed):
    x, y, _ = digits(seed)
    order = np.argsort(y + np.random.default_rng(seed).random(len(y)), kind="stable")
    x, y = x[order], y[order]
    return run(mlp(), x[:600], y[:600], (x[600:], y[600:]))


@fault("new_in_validation")
def a_column_that_stood_still(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(600, 5))
    y, x[:400, 2] = (x[:, 0] > 0).astype(int), 0
    normalize = layers.Normalization()
    normalize.adapt(x[:400])
    model = mlp(out=1, end="sigmoid", inputs=5, before=[normalize])
    return run(model, x[:400], y[:400], (x[400:], y[400:]), loss="binary_crossentropy")


@fault("fit_would_stop")
def one_hot_for_class_numbers(seed):
    x, y, _ = digits(seed)
    return run(mlp(), x, np.eye(10)[y])


# Healthy


@healthy
def plain(seed):
    return run(mlp(), *digits(seed))


@healthy
def logits(seed):
    return run(mlp(end=None), *digits(seed), loss=CE(from_logits=True))


@healthy
def one_hot(seed):
    x, y, valid = digits(seed)
    return run(mlp(), x, np.eye(10)[y], (valid[0], np.eye(10)[valid[1]]),
               loss="categorical_crossentropy")  # fmt: skip


@healthy
def yes_or_no(seed):
    x, y, valid = digits(seed)
    return run(mlp(out=1, end="sigmoid"), x, y % 2, (valid[0], valid[1] % 2),
               loss="binary_crossentropy")  # fmt: skip


@healthy
def several_labels(seed):
    x, y, valid = digits(seed)
    bits = lambda y: np.stack([y % 2, y > 4, y % 3 == 0], axis=1).astype("float32")
    return run(mlp(out=3, end="sigmoid"), x, bits(y), (valid[0], bits(valid[1])),
               loss="binary_crossentropy")  # fmt: skip


@healthy
def numbers(seed):
    x, y = number(seed)
    return run(mlp(out=1, end=None), x[:400], y[:400], (x[400:], y[400:]), loss="mse")


@healthy
def numbers_in_a_column(seed):
    x, y = number(seed)
    return run(mlp(out=1, end=None), x, y[:, None], loss="mae", optimizer=optimizers.SGD(0.01))


@healthy
def noisy_labels(seed):
    x, y, valid = digits(seed)
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < 0.4, rng.integers(0, 10, len(y)), y)
    return run(mlp(), x, y, valid)


@healthy
def numbers_mostly_noise(seed):
    x, y = number(seed)
    y += np.random.default_rng(seed).normal(0, 2 * y.std(), len(y))
    return run(mlp(out=1, end=None), x, y, loss="mse")


@healthy
def convolutions(seed):
    model = keras.Sequential([
        keras.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization(),
        layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.3), layers.Dense(10, "softmax"),
    ])  # fmt: skip
    return run(model, *digits(seed, flat=False))


@healthy
def recurrent(seed):
    x, y, valid = digits(seed)
    model = keras.Sequential([keras.Input((8, 8)), layers.GRU(16), layers.Dense(10, "softmax")])
    return run(model, x.reshape(-1, 8, 8), y, (valid[0].reshape(-1, 8, 8), valid[1]))


@healthy
def words(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 40, (600, 12))
    y = (np.isin(x, np.arange(1, 6)).sum(1) > 1).astype(int)
    tokens = keras.Input((12,), dtype="int32")
    hidden = layers.Embedding(40, 16)(tokens)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 8)(hidden, hidden))
    out = layers.Dense(1, "sigmoid")(layers.GlobalAveragePooling1D()(hidden))
    return run(keras.Model(tokens, out), x[:400], y[:400], (x[400:], y[400:]),
               loss="binary_crossentropy")  # fmt: skip


@healthy
def masks(seed):
    x, _, _ = digits(seed, flat=False)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )
    model.layers[0].padding
    return run(model, x, (x > x.mean()).astype("float32"), loss="binary_crossentropy")


@healthy
def an_autoencoder(seed):
    x, _, valid = digits(seed)
    top = IMAGES.max()
    return run(
        mlp(out=64, end="sigmoid"), x / top, x / top, (valid[0] / top, valid[0] / top), loss="mse"
    )


@healthy
def raw_with_normalization(seed):
    x, y, valid = digits(seed)
    kept = np.flatnonzero(x.std(0) > 0.05)
    x, other = 300 + 90 * x[:, kept], 300 + 90 * valid[0][:, kept]
    normalize = layers.Normalization()
    normalize.adapt(x)
    return run(mlp(inputs=len(kept), before=[normalize]), x, y, (other, valid[1]))


@healthy
def a_base_frozen_on_purpose(seed):
    model = mlp(64, 32)
    model.layers[0].trainable = False
    return run(model, *digits(seed))


@healthy
def fast_but_right(seed):
    return run(mlp(64, 64), *digits(seed), optimizer=optimizers.Adam(0.03))


@healthy
def warmed_up(seed):
    rate = optimizers.schedules.CosineDecay(0.0, 100, warmup_target=0.05, warmup_steps=20)
    return run(mlp(), *digits(seed), optimizer=optimizers.SGD(rate, momentum=0.9))


@healthy
def strong_penalty(seed):
    hidden = layers.Dense(32, "relu", kernel_regularizer="l2")
    last = layers.Dense(10, "softmax", kernel_regularizer=keras.regularizers.L2(1.0))
    return run(keras.Sequential([keras.Input((64,)), hidden, last]), *digits(seed))


@healthy
def weighted_classes(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 8))
    y = (x[:, 0] + 0.3 * rng.normal(size=1500) > 1.6).astype(int)
    return run(mlp(out=1, end="sigmoid", inputs=8), x, y, loss="binary_crossentropy",
               class_weight={0: 1.0, 1: 15.0})  # fmt: skip


@healthy
def smoothed(seed):
    x, y, valid = digits(seed)
    loss = losses.CategoricalCrossentropy(label_smoothing=0.1)
    return run(mlp(), x, np.eye(10)[y], (valid[0], np.eye(10)[valid[1]]), loss=loss)


@healthy
def two_inputs_two_outputs(seed):
    x, y, _ = digits(seed)
    a, b = keras.Input((32,), name="a"), keras.Input((32,), name="b")
    hidden = layers.Dense(16, "relu")(layers.Concatenate()([a, b]))
    model = keras.Model([a, b], [layers.Dense(10, "softmax")(hidden), layers.Dense(1)(hidden)])
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    return Run(model, [x[:, :32], x[:, 32:]], [y, y.astype("float32") / 9])


@healthy
def subclassed(seed):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = layers.Dense(32, "relu"), layers.Dense(10, "softmax")

        def call(self, x):
            return self.out(self.hidden(x))

    return run(Net(), *digits(seed))
