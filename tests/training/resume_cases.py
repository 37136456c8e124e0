"""Trainings to be killed: each a recipe of a model, data and callbacks, made anew at each start.

Used by `test_resume.py`, which kills them by an exception, and by `kill_training.py`, which kills
their process.
"""

import hashlib
import json
import os

import keras
import numpy as np

from coursekit.callbacks import EarlyStopping, StochasticWeightAveraging, SwapEMAWeights
from coursekit.distribution import mirrored
from coursekit.distribution.step import ReplicaSequential
from coursekit.optimizers import SafeLossScaleOptimizer, ScheduledMomentumSGD
from coursekit.schedules import OneCycle, OneCycleMomentum
from coursekit.training import resumable_fit
from coursekit.training._resume_state import variables_of
from coursekit.training._resume_values import _packed

ROWS, EPOCHS = 90, 4  # batches of 16: five full ones and one of ten rows
L, C = keras.layers, keras.callbacks
optimizers = keras.optimizers


def arrays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS + 30, 6)).astype("float32")
    y = (x @ rng.normal(size=(6, 3))).argmax(1)
    return (x[:ROWS], y[:ROWS]), (x[ROWS:], y[ROWS:])


def network(*middle, dtype=None):
    return keras.Sequential(
        [keras.Input((6,)), L.Dense(8, dtype=dtype), *middle, L.Dense(3, dtype="float32")]
    )


def compiled(model, optimizer, **settings):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **{"metrics": ["accuracy"], **settings})
    return model


class Numbers(C.Callback):
    """Writes down every loss, and draws from the global generators as it goes."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        draw = float(np.random.random())
        self.seen.append([batch, float(logs["loss"]), draw])

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]


class Listed(keras.utils.PyDataset):
    def __init__(self, **settings):
        super().__init__(**settings)
        (self.x, self.y), _ = arrays()

    def __len__(self):
        return 6

    def __getitem__(self, k):
        return self.x[k * 16 : (k + 1) * 16], self.y[k * 16 : (k + 1) * 16]


def tf_data(epoch=None):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(arrays()[0])
    if epoch is not None:
        data = data.shuffle(50, seed=epoch, reshuffle_each_iteration=False)
    return data.batch(16)


# Each case returns the model, what to give to `resumable_fit`, and the callbacks.


def dropout_and_norm(folder):
    model = network(L.BatchNormalization(), L.ReLU(), L.Dropout(0.4), L.GaussianNoise(0.1))
    watch = [
        C.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        C.ReduceLROnPlateau("val_loss", patience=1, factor=0.5),
        C.ModelCheckpoint(f"{folder}/best.weights.h5", save_best_only=True, save_weights_only=True),
        C.CSVLogger(f"{folder}/log.csv"),
    ]
    optimizer = optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9, global_clipnorm=1.0)
    return compiled(model, optimizer), {}, watch


def stops_early(folder):
    model = network(L.Dropout(0.3))
    stop = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    return compiled(model, optimizers.SGD(5.0)), {}, [stop]


def mixed_precision(folder):
    model = network(L.Dropout(0.3, dtype="mixed_float16"), dtype="mixed_float16")
    optimizer = optimizers.LossScaleOptimizer(
        optimizers.SGD(0.1, momentum=0.9), initial_scale=2.0**17
    )
    optimizer.dynamic_growth_steps = 3
    return compiled(model, optimizer, jit_compile=False), {}, []


def safe_scale(folder):
    model = network(L.LayerNormalization(), dtype="mixed_float16")
    optimizer = SafeLossScaleOptimizer(optimizers.Adam(0.05), initial_scale=2.0**20)
    return compiled(model, optimizer, jit_compile=False), {}, []


def half_weights(folder):
    model = keras.Sequential(
        [keras.Input((6,)), L.Dense(8, dtype="bfloat16"), L.Dense(3, dtype="bfloat16")]
    )
    return compiled(model, optimizers.Adam(0.05)), {}, []


def schedule_and_clipping(folder):
    schedule = optimizers.schedules.CosineDecay(0.3, 20, warmup_target=0.5, warmup_steps=3)
    optimizer = optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=0.5)
    scheduler = C.LearningRateScheduler(lambda epoch, rate: rate)
    del scheduler  # Keras sets no rate where there is a schedule
    return compiled(network(L.Dropout(0.2)), optimizer), {}, []


def momentum(folder):
    optimizer = ScheduledMomentumSGD(OneCycle(0.5, 24), momentum=OneCycleMomentum(24), clipnorm=1.0)
    return compiled(network(), optimizer), {}, []


def accumulation(folder):
    optimizer = optimizers.Adam(0.05, gradient_accumulation_steps=4)
    return compiled(network(L.Dropout(0.2)), optimizer), {}, []


def ema(folder):
    optimizer = optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5)
    return compiled(network(L.Dropout(0.2)), optimizer), {}, []


def ema_at_the_end(folder):
    optimizer = optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9)
    return compiled(network(L.Dropout(0.2)), optimizer), {}, []


def swapped_by_keras(folder):
    optimizer = optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9)
    return compiled(network(), optimizer), {}, [C.SwapEMAWeights(swap_on_epoch=True)]


def swapped_by_ours(folder):
    optimizer = optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9)
    return compiled(network(), optimizer), {}, [SwapEMAWeights(swap_on_epoch=True)]


def averaged(folder):
    model = network(L.BatchNormalization(), L.Dropout(0.2))
    swa = StochasticWeightAveraging(1, arrays()[0][0], batch_size=16)
    return compiled(model, optimizers.SGD(0.3)), {}, [swa]


def scheduled_by_callback(folder):
    return (
        compiled(network(L.Dropout(0.2)), optimizers.SGD(0.3)),
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}},
        [C.LearningRateScheduler(lambda epoch, rate: rate * 0.7), C.TerminateOnNaN()],
    )


def in_order(folder):
    return compiled(network(L.Dropout(0.3)), optimizers.Adam(0.05)), {"shuffle": False}, []


def py_dataset(folder):
    return compiled(network(L.Dropout(0.3)), optimizers.Adam(0.05)), {"x": Listed()}, []


def threads(folder):
    return compiled(network(L.Dropout(0.3)), optimizers.Adam(0.05)), {"x": Listed(workers=2)}, []


def dataset(folder):
    return compiled(network(L.Dropout(0.3)), optimizers.Adam(0.05)), {"x": tf_data()}, []


def dataset_of_the_epoch(folder):
    return compiled(network(L.Dropout(0.3)), optimizers.Adam(0.05)), {"x": tf_data}, []


def unbuilt(folder):
    model = keras.Sequential([L.Dense(8, activation="relu"), L.Dropout(0.3), L.Dense(3)])
    return compiled(model, optimizers.RMSprop(0.02)), {}, []


def eager(folder):
    model = network(L.Dropout(0.3))
    return compiled(model, optimizers.Adam(0.05), run_eagerly=True), {"epochs": 2}, []


def recurrent(folder):
    model = keras.Sequential(
        [keras.Input((6,)), L.Reshape((3, 2)), L.GRU(4, recurrent_dropout=0.2), L.Dense(3)]
    )
    return compiled(model, optimizers.Adam(0.05)), {"epochs": 2}, []


def two_outputs(folder):
    inputs = keras.Input((6,))
    hidden = L.Dropout(0.3)(L.Dense(8, activation="relu")(inputs))
    one, two = L.Dense(3, name="one")(hidden), L.Dense(1, name="two")(hidden)
    model = keras.Model(inputs, {"one": one, "two": two})
    losses = {"one": keras.losses.SparseCategoricalCrossentropy(True), "two": "mse"}
    model.compile(optimizers.Adam(0.05), losses, metrics={"one": ["accuracy"], "two": ["mae"]})
    (x, y), (xv, yv) = arrays()
    y, yv = ({"one": a, "two": a.astype("float32")} for a in (y, yv))
    return model, {"x": x, "y": y, "validation_data": (xv, yv)}, []


CASES = {
    case.__name__: case
    for case in (
        dropout_and_norm, stops_early, mixed_precision, safe_scale, half_weights,
        schedule_and_clipping, momentum, accumulation, ema, ema_at_the_end, swapped_by_keras,
        swapped_by_ours, averaged, scheduled_by_callback, in_order, py_dataset, threads, dataset,
        dataset_of_the_epoch, unbuilt, eager, recurrent, two_outputs,
    )
}  # fmt: skip


def on_replicas(folder):
    with mirrored(["CPU:0", "CPU:1"]).scope():
        model = network(L.BatchNormalization(), L.ReLU(), L.Dropout(0.4))
        return (
            compiled(model, optimizers.Adam(0.05)),
            {},
            [C.ReduceLROnPlateau("val_loss", patience=1)],
        )


def on_replicas_as_on_one(folder):
    with mirrored(["CPU:0", "CPU:1"]).scope():
        model = ReplicaSequential([keras.Input((6,)), L.Dense(8), L.Dropout(0.3), L.Dense(3)])
        optimizer = optimizers.Adam(0.05, global_clipnorm=0.5, gradient_accumulation_steps=3)
        return compiled(model, optimizer, jit_compile=False), {}, []


def on_replicas_from_a_dataset(folder):
    with mirrored(["CPU:0", "CPU:1"]).scope():
        optimizer = optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9)
        return compiled(network(L.Dropout(0.3)), optimizer), {"x": tf_data()}, []


def on_replicas_from_a_py_dataset(folder):
    with mirrored(["CPU:0", "CPU:1"]).scope():
        return compiled(network(L.BatchNormalization()), optimizers.SGD(0.3)), {"x": Listed()}, []


REPLICAS = {
    case.__name__: case
    for case in (
        on_replicas, on_replicas_as_on_one, on_replicas_from_a_dataset,
        on_replicas_from_a_py_dataset,
    )
}  # fmt: skip


def train(name, folder, more=(), save_freq=2, seed=3):
    """Train a case in a folder, and return all that it ends with, as hashes and numbers."""
    keras.utils.set_random_seed(seed)
    os.makedirs(folder, exist_ok=True)
    model, given, callbacks = (CASES | REPLICAS)[name](folder)
    (x, y), validation = arrays()
    settings = {"validation_data": validation, "epochs": EPOCHS, "verbose": 0, **given}
    if "x" not in settings:
        settings |= {"x": x, "y": y}
    if hasattr(settings["x"], "shape") or "y" in settings:
        settings["batch_size"] = 16
    numbers = Numbers()
    callbacks = [*callbacks, numbers, *more]
    history = resumable_fit(
        model, folder=f"{folder}/run", callbacks=callbacks, save_freq=save_freq, **settings
    )
    csv = f"{folder}/log.csv"
    return {
        "variables": [digest(v) for v in variables_of(model)],
        "history": history.history,
        "epochs": history.epoch,
        "numbers": numbers.seen,
        "csv": open(csv).read() if os.path.exists(csv) else "",
        "callbacks": digest_state(callbacks),
        "draw": float(np.random.random()),
    }


def digest(variable):
    from coursekit._randomness import read

    content = b"".join(np.ascontiguousarray(part).tobytes() for part in read(variable))
    return hashlib.sha256(content).hexdigest()[:12]


def digest_state(callbacks):
    from coursekit.training._resume_callbacks import states_of

    arrays: dict = {}
    note = json.dumps(_packed(states_of(callbacks), arrays, "it"))
    return [note, [hashlib.sha256(a.tobytes()).hexdigest()[:12] for a in arrays.values()]]
