"""Lesson 18's runs: five sources of chance, a process that dies, a log."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from coursekit import datasets, plots
from coursekit.training import fit_many

BATCH, TRAIN, HELD, EPOCHS = 30, 600, 300, 10
SOURCES = ("start weights", "which rows validate", "order of the rows", "dropout's masks",
           "order of additions")  # fmt: skip


class Killed(BaseException):
    """The process is gone."""


class Kill(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch, as a lost machine would.

    It has nothing to keep, and says so by a pair of methods.
    """

    def __init__(self, after: int):
        super().__init__()
        self.after = after

    def on_train_begin(self, logs=None):
        """Start to count."""
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        """Count, and die."""
        self.done += 1
        if self.done == self.after:
            raise Killed

    def get_state(self) -> dict:
        """Return nothing."""
        return {}

    def set_state(self, state: dict) -> None:
        """Take nothing."""


@contextlib.contextmanager
def may_die():
    """Go on behind a training that was killed."""
    try:
        yield
    except Killed:
        print("killed in the middle of an epoch")


def bits(model) -> str:
    """Return a short hash of a model's weights: equal only if all their bits are."""
    content = b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())
    return hashlib.sha256(content).hexdigest()[:8]


def digits():
    """Return 900 digits as rows of 64 numbers in 0 to 1, and their classes."""
    train = datasets.load_digits().train
    x = train.x.reshape(len(train.x), -1).astype("float32")
    return x[: TRAIN + HELD] / x.max(), train.y[: TRAIN + HELD]


def loss_fn():
    """Return the loss of this lesson's models."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def small(dropout: float = 0.0, rate: float = 0.2, masks: int = 0) -> keras.Model:
    """Return a compiled net of 32 units; its start weights come from the global seeds."""
    drop = [keras.layers.Dropout(dropout, seed=masks)] if dropout else []
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "relu"), *drop, keras.layers.Dense(10)]
    )
    model.compile(keras.optimizers.SGD(rate), loss_fn(), metrics=["accuracy"])
    return model


def five_sources(runs: int = 6) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Train some runs for each source, which differ in it alone.

    Returns:
        By source the validation losses, an array (runs, epochs); and by source how many of the nets
        differ in a bit.
    """
    x, y = digits()
    models, rows, held = [], [], []
    for source in SOURCES:
        for k in range(runs):
            order = np.arange(TRAIN + HELD)
            if source == "which rows validate":
                order = np.random.default_rng(k).permutation(order)
            train, validation = order[:TRAIN], order[TRAIN:]
            if source == "order of the rows":
                train = np.random.default_rng(k).permutation(train)
            if source == "order of additions":  # the same rows in each batch, turned about
                turn = np.random.default_rng(k).permutation(BATCH)
                train = train.reshape(-1, BATCH)[:, turn].ravel()
            keras.utils.set_random_seed(k if source == "start weights" else 0)
            models.append(small(0.3 if source == "dropout's masks" else 0.0, masks=k))
            rows.append(train)
            held.append(validation)
    histories = fit_many(models, x, y, rows=rows, validation_rows=held, epochs=EPOCHS,
                         batch_size=BATCH, shuffle=False, verbose=0)  # fmt: skip
    losses = np.array([history.history["val_loss"] for history in histories])
    nets = [len({bits(one) for one in models[k : k + runs]}) for k in range(0, len(models), runs)]
    of = losses.reshape(len(SOURCES), runs, EPOCHS)
    return dict(zip(SOURCES, of, strict=True)), dict(zip(SOURCES, nets, strict=True))


LEAST = 1e-8  # of a spread that a float32 loss can show


def spreads(losses: dict[str, np.ndarray]) -> None:
    """Show by epoch how far each source spreads the validation loss."""
    deviations = {name: np.std(of, axis=0, ddof=1) for name, of in losses.items()}
    order = sorted(SOURCES, key=lambda name: deviations[name][-1])

    def draw(epoch):
        fig, ax = plots.figure()
        values = [max(deviations[name][epoch - 1], LEAST) for name in order]
        ax.plot(values, range(len(order)), "o", color=plots.TRAIN.color, ms=9)
        ax.set_yticks(range(len(order)), order)
        label = "standard deviation of the validation loss"
        ax.set(xscale="log", xlim=(LEAST / 2, 1), xlabel=label,
               title=f"Six runs for each source, after epoch {epoch}")  # fmt: skip
        return fig

    def caption(epoch):
        told = ", ".join(f"{name} {deviations[name][epoch - 1]:.0e}" for name in order)
        return f"Spread of the validation loss after epoch {epoch}: {told}."

    plots.explore(draw, range(1, EPOCHS + 1), caption, "epoch")


def write_log(file: Path, seeds: int = 3) -> None:
    """Train twelve nets, of two dropouts and two rates, and log each as a line of JSON."""
    x, y = digits()
    settings: list[dict[str, Any]] = [
        {"dropout": dropout, "rate": rate, "seed": seed}
        for dropout in (0.3, 0.5) for rate in (0.02, 0.2) for seed in range(seeds)
    ]  # fmt: skip
    models = []
    for one in settings:
        keras.utils.set_random_seed(one["seed"])
        models.append(small(one["dropout"], one["rate"], masks=one["seed"]))
    seeds_of = [one["seed"] for one in settings]
    rows, held = np.arange(TRAIN), np.arange(TRAIN, TRAIN + HELD)
    histories = fit_many(models, x, y, rows=[rows] * 12, validation_rows=[held] * 12, epochs=12,
                         batch_size=BATCH, seed=seeds_of, verbose=0)  # fmt: skip
    with open(file, "w", encoding="utf-8") as log:
        for one, history, model in zip(settings, histories, models, strict=True):
            curve = [round(v, 4) for v in history.history["val_accuracy"]]
            log.write(json.dumps({**one, "val_accuracy": curve, "bits": bits(model)}) + "\n")


def tags_of(folder: str) -> dict[str, int]:
    """Return what TensorBoard's files in a folder hold: by tag the number of values."""
    import tensorflow as tf

    found: dict[str, int] = {}
    for file in sorted(Path(folder).rglob("events*")):
        for record in tf.data.TFRecordDataset(str(file)):
            for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
                name = f"{file.parent.name}/{value.tag}"
                found[name] = found.get(name, 0) + 1
    return found
