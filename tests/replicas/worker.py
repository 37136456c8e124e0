"""One worker of tests/replicas/test_workers.py, in a process of its own.

python worker.py result.npz training     trains, and saves what it got
python worker.py result.npz stopping     as above; but the last worker ends without a word
"""

import os
import signal
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from coursekit.distribution.step import ReplicaModel

ROWS, BATCH, EPOCHS = 13, 4, 2  # the last batch of an epoch is 1 row: a worker gets none


def build() -> keras.Model:
    """Make a model whose clipping, batch statistics and accumulation Keras splits wrongly."""
    keras.utils.set_random_seed(
        int(os.environ.get("SEED", "0"))
    )  # the first worker's weights count
    x = keras.Input((5,))
    y = layers.Dense(6, activation="tanh", kernel_regularizer="l2")(x)
    y = layers.BatchNormalization(synchronized=True)(y)
    model = ReplicaModel(x, layers.Dense(3)(y))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(
        0.05, global_clipnorm=0.1, gradient_accumulation_steps=2, epsilon=1e-3
    )
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    return model


def dataset() -> tf.data.Dataset:
    """Return rows, shuffled alike on all workers, and as in one process."""
    keras.utils.set_random_seed(1)  # TensorFlow mixes the global seed into that of a shuffle
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(ROWS, 5)).astype("float32"), rng.integers(0, 3, ROWS)
    shuffled = tf.data.Dataset.from_tensor_slices(rows).shuffle(
        ROWS, seed=5, reshuffle_each_iteration=False
    )
    return shuffled.batch(BATCH)


def main() -> None:
    """Train as one of the workers."""
    from coursekit.distribution.workers import fit_on_workers, worker_strategy

    path, task = sys.argv[1:]
    strategy = worker_strategy(timeout_seconds=60)
    last = strategy.cluster_resolver.task_id == 1
    with strategy.scope():
        model = build()
    if task == "stopping":
        fit_on_workers(model, dataset())
        if last:
            os.kill(os.getpid(), signal.SIGKILL)  # as a machine that is switched off
        print("alone now", flush=True)
        fit_on_workers(model, dataset(), epochs=1000)
        return
    history = fit_on_workers(model, dataset(), EPOCHS)
    found = {f"weight {i}": w for i, w in enumerate(model.get_weights())}
    found |= {name: np.array(values) for name, values in history.items()}
    try:
        with strategy.scope():
            plain = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
            plain.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        plain.fit(dataset().take(3), verbose=0)
        found["fit"] = np.array("no error")
    except Exception as error:
        found["fit"] = np.array(f"{type(error).__name__}: {error}")
    np.savez(path, **found)


if __name__ == "__main__":
    main()
