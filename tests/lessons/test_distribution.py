"""Right answers of several kinds, and what each wrong one is told.

`mended` needs two devices, which only a process of its own can have: tests/replicas runs its rows.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from answers import row
from keras import layers, ops, optimizers
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

from coursekit.distribution.step import ReplicaModel, ReplicaSequential, ReplicaStep
from coursekit.lessons.distribution import batch_norm, check, overlap, overlap_in_words
from coursekit.schedules import OneCycle, StepDecay, Warmup


def combine(gradients, rows):
    gradients = np.where(rows[:, None] > 0, gradients, 0)
    return rows @ gradients / rows.sum()


def combine_in_keras(gradients, rows):
    rows = ops.cast(rows, "float32")[:, None]
    gradients = ops.cast(gradients, "float32")
    gradients = ops.where(rows > 0, gradients, ops.zeros_like(gradients))
    return ops.sum(rows * gradients, axis=0) / ops.sum(rows)


def combine_in_a_loop(gradients, rows):
    total = [0.0] * len(gradients[0])
    for gradient, n in zip(gradients, rows, strict=True):
        if n:
            total = [t + g * n for t, g in zip(total, gradient, strict=True)]
    return [t / sum(rows) for t in total]


def nan_as_a_row(gradients, rows):
    return np.nan_to_num(gradients).T @ rows / np.maximum(rows, 1).sum()


def two_shards_only(gradients, rows):
    return (gradients[0] * rows[0] + gradients[1] * rows[1]) / (rows[0] + rows[1])


def one_number(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 2)


def hidden_layers(synchronized=True):
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    return inputs, batch_norm(synchronized)(hidden)


def mended(kind=ReplicaModel, loss=one_number, synchronized=True, clip=0.5, rate=0.1, **compiled):
    def build():
        inputs, hidden = hidden_layers(synchronized)
        model = kind(inputs, layers.Dense(1)(hidden))
        model.compile(optimizers.SGD(rate, global_clipnorm=clip), loss, **compiled)
        return model

    return build


def mended_sequential():
    norm = batch_norm(synchronized=True)
    dense = layers.Dense(6, activation="tanh")
    model = ReplicaSequential([keras.Input((4,)), dense, norm, layers.Dense(1)])
    model.compile(optimizers.SGD(0.1, global_clipnorm=0.5), "mse")
    return model


class Subclassed(ReplicaStep, keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(6, activation="tanh")
        self.norm = batch_norm(synchronized=True)
        self.last = layers.Dense(1)

    def call(self, x, training=False):
        return self.last(self.norm(self.first(x), training=training))


def mended_subclass():
    model = Subclassed()
    model.compile(optimizers.SGD(0.1, global_clipnorm=0.5), keras.losses.MeanSquaredError())
    return model


def per_replica_clip(*, clip=0.5):
    """Clip in a layer's stead: by hand, in a step that no `lint` can look into."""

    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = ops.mean((self(x, training=True) - y) ** 2)
                loss = loss / tf.distribute.get_strategy().num_replicas_in_sync
            gradients = tape.gradient(loss, self.trainable_variables)
            gradients, _ = tf.clip_by_global_norm(gradients, clip)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    return Own


def without_normalization():
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    model = ReplicaModel(inputs, layers.Dense(1)(hidden))
    model.compile(optimizers.SGD(0.1, global_clipnorm=0.5), one_number)
    return model


KEPT = []


def kept():
    """Return one model again and again, as a notebook that builds it in another cell."""
    if not KEPT:
        KEPT.append(mended()())
    return KEPT[0]


def in_a_scope():
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return mended()()


class OwnStep(keras.Model):
    """Divides by the rows of all replicas and clips after the all-reduce, by hand."""

    def train_step(self, data):
        x, y = data
        replicas = tf.distribute.get_replica_context()
        rows = replicas.all_reduce("sum", tf.cast(tf.shape(x)[0], "float32"))
        with tf.GradientTape() as tape:
            loss = ops.sum((self(x, training=True) - y) ** 2) / rows
        gradients = replicas.all_reduce("sum", tape.gradient(loss, self.trainable_variables))
        gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
        many = replicas.num_replicas_in_sync  # Keras adds the replicas' gradients up
        self.optimizer.apply([g / many for g in gradients], self.trainable_variables)
        return {"loss": loss * many}


def not_compiled():
    inputs, hidden = hidden_layers()
    return ReplicaModel(inputs, layers.Dense(1)(hidden))


def memory(rate=None, steps=4, size=16, **options):
    def small_memory():
        schedule = StepDecay(0.1, step_size=40) if rate is None else rate
        return optimizers.SGD(schedule, gradient_accumulation_steps=steps, **options), size

    return small_memory


class Summing(optimizers.SGD):
    """Adds gradients up by hand, and divides: a loop of one's own in an optimizer's clothes."""

    def __init__(self, k, divide):
        super().__init__(0.1)
        self.k, self.divide, self.kept, self.updates = k, divide, [], 0

    def apply(self, grads, trainable_variables=None):
        self.kept.append(float(grads[0]))
        if len(self.kept) == self.k:
            total = sum(self.kept) / (self.k if self.divide else 1)
            trainable_variables[0].assign_sub(0.1 ** (1 + self.updates // 10) * total)
            self.kept, self.updates = [], self.updates + 1


def eight(warmup=64, rate=0.8, decay=None):
    return Warmup(CosineDecay(rate, 640 - warmup if decay is None else decay), warmup)


def straight_line(step):
    return 0.8 * step / 80 if step < 80 else max(0.0, 0.8 * (639 - step) / 559)


def bumpy(step):
    return straight_line(step) if step != 400 else 0.6


ANSWERS = [
    row("combine", "ok", combine),
    row("combine", "alternative", combine_in_keras),
    row("combine", "alternative", combine_in_a_loop),
    row("combine", "alternative",
        lambda g, n: np.average(g[n > 0], axis=0, weights=n[n > 0])),
    row("combine", "alternative", lambda g, n: np.nan_to_num(g).T @ (n / n.sum())),
    row("combine", "alternative", lambda g, n: np.nansum(g * n[:, None], axis=0) / n.sum()),
    row("combine", "todo", lambda gradients, rows: ...),
    row("combine", "mean_of_means", lambda g, n: g.mean(axis=0)),
    row("combine", "mean_of_means", lambda g, n: np.nanmean(g, axis=0)),
    row("combine", "sum", lambda g, n: g.sum(axis=0)),
    row("combine", "not_divided", lambda g, n: n @ g),
    row("combine", "by_devices", lambda g, n: n @ g / len(n)),
    row("combine", "empty", lambda g, n: n @ g / n.sum()),
    row("combine", "empty", lambda g, n: np.average(g, axis=0, weights=n)),
    row("combine", "counts_empty", nan_as_a_row),
    row("combine", "other", two_shards_only),
    row("combine", "swapped", lambda g, n: (1 / n) @ g / (1 / n).sum()),
    row("combine", "undone", lambda g, n: g.sum(axis=0) / n.sum()),
    row("combine", "one_only", lambda g, n: g[0]),
    row("combine", "one_only", lambda g, n: g[n.argmin()]),
    row("combine", "one_only", lambda g, n: g.max(axis=0)),
    row("combine", "slip", lambda g, n: -combine(g, n)),
    row("combine", "slip", lambda g, n: combine(g, n) / len(n)),
    row("combine", "by_devices", lambda g, n: 2 * combine(g, n)),
    row("combine", "slip", lambda g, n: combine(g, n) ** 2),
    row("combine", "other", lambda g, n: n**2 @ g / (n**2).sum()),
    row("combine", "shape", lambda g, n: (g.T * n).T / n.sum()),
    row("combine", "alternative", lambda g, n: list(map(float, combine(g, n)))),
    row("combine", "counts_empty", lambda g, n: np.nan_to_num(n @ g / n.sum())),
    row("combine", "shape", lambda g, n: float(np.average(g, axis=0, weights=n)[0])),
    row("combine", "none", lambda g, n: print(g)),
    row("combine", "mutated", lambda g, n: g.__imul__(n[:, None]).sum(axis=0) / n.sum()),
    row("combine", "called", 4.0),
    row("batch_sizes", "ok", 64, 1024),
    row("batch_sizes", "alternative", np.int64(64), 8.0 * 32 * 4),
    row("batch_sizes", "alternative", ops.convert_to_tensor(64), 1024),
    row("batch_sizes", "todo", ..., ...),
    row("batch_sizes", "per_replica", 32, 1024),
    row("batch_sizes", "halved", 16, 1024),
    row("batch_sizes", "indivisible", 65, 1024),
    row("batch_sizes", "fit_effective", 128, 1024),
    row("batch_sizes", "fit_effective", 256, 1024),
    row("batch_sizes", "fit_added", 34, 1024),
    row("batch_sizes", "fit_other", 48, 1024),
    row("batch_sizes", "indivisible", 33, 1024),
    row("batch_sizes", "no_rows", 64, 32),
    row("batch_sizes", "added", 64, 40),
    row("batch_sizes", "divided", 64, 64),
    row("batch_sizes", "divided", 64, 1),
    row("batch_sizes", "update_other", 64, 1000),
    row("batch_sizes", "nan", 64, float("nan")),
    row("batch_sizes", "alternative", "64", "1,024"),
    row("batch_sizes", "alternative", [64], np.array([1024])),
    row("batch_sizes", "no_accumulation", 64, 256),
    row("batch_sizes", "no_devices", 64, 128),
    row("batch_sizes", "added", 64, 44),
    row("batch_sizes", "doubled", 64, 2048),
    row("batch_sizes", "type", "sixty-four", 1024),
    row("mended", "ok", mended()),
    row("mended", "alternative", mended_sequential),
    row("mended", "alternative", mended_subclass),
    row("mended", "alternative", mended(loss=lambda y, p: ops.square(y - p)[:, 0])),
    row("mended", "alternative", mended(OwnStep, loss=None, clip=None)),
    row("mended", "changed_loss", mended(loss=keras.losses.MeanSquaredError(reduction="sum"))),
    row("mended", "changed_loss", mended(keras.Model, loss=lambda y, p: one_number(y, p) / 2)),
    row("mended", "same_model", kept),
    row("mended", "scoped", in_a_scope),
    row("mended", "todo", lambda: ...),
    row("mended", "plain", mended(keras.Model)),
    row("mended", "plain", mended(keras.Model, loss="mse")),
    row("mended", "statistics", mended(synchronized=False)),
    row("mended", "lint", mended(keras.Model)),
    row("mended", "lint", mended(keras.Model, loss="mse")),
    row("mended", "batch_norm", mended(synchronized=False)),
    row("mended", "ragged", mended(per_replica_clip(), loss="mse", clip=None)),
    row("mended", "fails", mended(run_eagerly=True)),
    row("mended", "unclipped", mended(keras.Model, loss="mse", clip=None)),
    row("mended", "changed", mended(rate=0.05)),
    row("mended", "changed", mended(loss="mae")),
    row("mended", "lost_layer", without_normalization),
    row("mended", "not_compiled", not_compiled),
    row("mended", "not_compiled", lambda: None),
    row("mended", "one_device", mended()),
    row("mended", "called", None),
    row("mended", "called", not_compiled()),
    row("small_memory", "ok", memory()),
    row("small_memory", "alternative", memory(StepDecay(0.1, step_size=80), 8, 8)),
    row("small_memory", "alternative",
        memory(PiecewiseConstantDecay([39, 79, 119, 159], [0.1, 0.01, 1e-3, 1e-4, 1e-5]))),
    row("small_memory", "alternative", memory(ExponentialDecay(0.1, 40, 0.1, staircase=True))),
    row("small_memory", "alternative", lambda: [Summing(4, divide=True), 16.0]),
    row("small_memory", "todo", lambda: (optimizers.SGD(0.1), ...)),
    row("small_memory", "pair", lambda: optimizers.SGD(0.1)),
    row("small_memory", "pair", lambda: (16, optimizers.SGD(0.1))),
    row("small_memory", "memory", memory(size=64)),
    row("small_memory", "divide", memory(size=12)),
    row("small_memory", "never", memory(rate=0.0)),
    row("small_memory", "too_often", memory(StepDecay(0.1, step_size=10), None)),
    row("small_memory", "effective", memory(steps=2)),
    row("small_memory", "effective", memory(steps=16, size=16)),
    row("small_memory", "divided", memory(StepDecay(0.025, step_size=40))),
    row("small_memory", "times", memory(StepDecay(0.4, step_size=40))),
    row("small_memory", "times", lambda: (Summing(4, divide=False), 16)),
    row("small_memory", "schedule", memory(StepDecay(0.1, step_size=10))),
    row("small_memory", "late", memory(StepDecay(0.1, step_size=160))),
    row("small_memory", "late", memory(0.1)),
    row("small_memory", "schedule", memory(PiecewiseConstantDecay([39, 59], [0.1, 0.01, 0.001]))),
    row("small_memory", "late", memory(StepDecay(0.1, step_size=41))),
    row("small_memory", "decays", memory(weight_decay=0.01)),
    row("small_memory", "schedule", memory(StepDecay(0.1, step_size=39))),
    row("small_memory", "alternative", memory(StepDecay(0.1, step_size=160), 16, 4)),
    row("small_memory", "effective", memory(size=8)),
    row("small_memory", "divide", memory(size=0)),
    row("small_memory", "type", lambda: (optimizers.SGD(0.1), "16 rows")),
    row("small_memory", "smooth", memory(CosineDecay(0.1, 400))),
    row("small_memory", "smooth", memory(ExponentialDecay(0.1, 40, 0.1))),
    row("small_memory", "momentum", memory(momentum=0.9)),
    row("small_memory", "other", memory(momentum=0.9, nesterov=True)),
    row("small_memory", "adaptive", memory(clipnorm=1.0)),
    row("small_memory", "adaptive", lambda: (
        optimizers.Adam(StepDecay(0.1, step_size=40), gradient_accumulation_steps=4), 16)),
    row("small_memory", "schedule", memory(StepDecay(0.1, step_size=3))),
    row("small_memory", "pair", lambda: (optimizers.SGD, 16)),
    row("eight_devices", "ok", 2048, eight()),
    row("eight_devices", "alternative", 2048, eight(160)),
    row("eight_devices", "alternative", 8 * 256.0,
        CosineDecay(0.0, 576, warmup_target=0.8, warmup_steps=64)),
    row("eight_devices", "alternative", 2048, straight_line),
    row("eight_devices", "alternative", 2048, OneCycle(0.8, 640)),
    row("eight_devices", "alternative", 2048,
        Warmup(PiecewiseConstantDecay([256, 448], [0.8, 0.08, 0.008]), 64)),
    row("eight_devices", "alternative", 2048, Warmup(CosineDecay(0.8, 576, alpha=0.01), 64)),
    row("eight_devices", "alternative", 2048, Warmup(ExponentialDecay(0.8, 576, 0.01), 64)),
    row("eight_devices", "alternative", 2048, lambda s: 0.8 * min(s / 64, 1, (640 - s) / 128)),
    row("eight_devices", "no_decay", 2048, Warmup(0.8, 64)),
    row("eight_devices", "not_cold", 2048, Warmup(CosineDecay(0.8, 576, alpha=0.1), 64)),
    row("eight_devices", "todo", ..., ...),
    row("eight_devices", "per_replica", 256, eight()),
    row("eight_devices", "shrunk", 32, eight()),
    row("eight_devices", "batch_other", 512, eight()),
    row("eight_devices", "not_scaled", 2048, eight(rate=0.1)),
    row("eight_devices", "square_root", 2048, eight(rate=0.1 * 8**0.5)),
    row("eight_devices", "divided", 2048, eight(rate=0.0125)),
    row("eight_devices", "slip", 2048, eight(rate=6.4)),
    row("eight_devices", "slip", 2048, eight(rate=1.6)),
    row("eight_devices", "slip", 2048, eight(rate=0.4)),
    row("eight_devices", "peak", 2048, eight(rate=0.7)),
    row("eight_devices", "peak", 2048, eight(rate=3.0)),
    row("eight_devices", "batch_added", 264, eight()),
    row("eight_devices", "batch_other", 8192, eight()),
    row("eight_devices", "none", 2048, lambda step: None),
    row("eight_devices", "alternative", "2,048", eight(100)),
    row("eight_devices", "no_warmup", 2048, CosineDecay(0.8, 640)),
    row("eight_devices", "short_warmup", 2048, eight(warmup=5)),
    row("eight_devices", "long_warmup", 2048, eight(warmup=512)),
    row("eight_devices", "old_steps", 2048, eight(decay=5120)),
    row("eight_devices", "not_cold", 2048, eight(decay=640)),
    row("eight_devices", "early", 2048, eight(decay=20)),
    row("eight_devices", "not_cold", 2048, Warmup(StepDecay(0.8, step_size=320), 64)),
    row("eight_devices", "rises", 2048, bumpy),
    row("eight_devices", "type", 2048, 0.8),
]  # fmt: skip
BEFORE_DEVICES = ("todo", "not_compiled", "called")
ON_JAX = ("plain", "statistics")  # where there are no replicas, the choice is judged


def test_answer(answer):
    devices = len(tf.config.list_logical_devices("CPU"))
    if answer.exercise == "mended" and answer.key not in BEFORE_DEVICES:
        wanted = 1 if answer.key == "one_device" else 2
        if devices != wanted or answer.key in ON_JAX:
            pytest.skip(f"{wanted} device(s)")
    answer.holds()


@pytest.mark.parametrize("send, end", [(0.25, 6.25), (1, 7), (1.5, 10)])
def test_messages_on_the_way(send, end):
    """Six layers of length 1: the picture and its words tell the same end."""
    assert f"at {6 + 6 * send:g}. Messages on the way: at {end:g}," in overlap_in_words(send)
    fig = overlap(send)
    plt.close(fig)
    last = [ax.collections[-1].get_paths()[0].get_extents().x1 for ax in fig.axes]
    assert last == [pytest.approx(6 + 6 * send), pytest.approx(end)]


@pytest.mark.any_backend
def test_on_jax_the_choice_is_judged():
    """All exercises; `mended`, where there are no replicas, by what it chose."""
    if keras.backend.backend() != "jax":
        pytest.skip("TensorFlow has replicas: tests/replicas")
    for answer in ANSWERS:
        if answer.exercise != "mended" or answer.key in ON_JAX:
            answer.holds()
    assert check.verdict("mended", mended()).key == "ok"
    assert check.verdict("mended", mended_sequential).key == "ok"
    assert check.verdict("mended", mended(rate=0.05)).key == "changed"
    assert check.verdict("mended", mended(clip=None)).key == "unclipped"
    assert check.verdict("mended", lambda: None).key == "not_compiled"
