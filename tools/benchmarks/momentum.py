"""A step with scheduled momentum against a step of Keras's SGD.

    python tools/benchmarks/momentum.py --rounds 15

Ratios from one run, the peers in turn, in units of the same step with `keras.optimizers.SGD` and a
constant momentum, on a machine that does nothing else. Seconds are printed to see the scale; only
the ratios mean anything. Each round times an epoch of each; the fastest of the rounds counts, as in
`timeit`: other work on the machine can only add to it.
"""

import argparse
import time

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np

from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import OneCycle

EPOCH = 150  # steps


def mlp():
    """Return the layers and the inputs of the digits' MLP, 64-64-10: four weights."""
    dense = keras.layers.Dense
    return [dense(64, activation="relu"), dense(10)], (64,)


def deep():
    """Return ten narrow layers: twenty weights, little work for each."""
    dense = keras.layers.Dense
    return [*(dense(32, activation="relu") for _ in range(9)), dense(10)], (64,)


def cnn():
    """Return a small network with two convolutions."""
    conv = keras.layers.Conv2D
    layers = [conv(16, 3, activation="relu"), conv(32, 3, activation="relu")]
    return [*layers, keras.layers.Flatten(), keras.layers.Dense(10)], (14, 14, 1)


def optimizers(steps):
    """Return the peers: the first is the unit."""
    rate = OneCycle(0.1, steps)
    return {
        "SGD, constant": keras.optimizers.SGD(0.1, momentum=0.9),
        "SGD, one-cycle rate": keras.optimizers.SGD(rate, momentum=0.9),
        "momentum that can be set": ScheduledMomentumSGD(0.1, 0.9),
        "one-cycle rate, momentum set": ScheduledMomentumSGD(rate, 0.9),
        "one-cycle rate and momentum": ScheduledMomentumSGD(rate, rate.momentum()),
    }


def compare(name, build, rounds, batch_size):
    """Print the ratios of one architecture."""
    layers, shape = build()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EPOCH * batch_size, *shape)).astype("float32")
    y = rng.integers(0, 10, len(x))
    models = {}
    for label, optimizer in optimizers((rounds + 1) * EPOCH).items():
        layers, _ = build()
        models[label] = keras.Sequential([keras.Input(shape), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        models[label].compile(optimizer, loss)
    seconds = {label: [] for label in models}
    for turn in range(rounds + 1):
        for label, model in models.items():
            start = time.perf_counter()
            model.fit(x, y, batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
            if turn:  # the first traces
                seconds[label].append(time.perf_counter() - start)
    unit = min(seconds["SGD, constant"])
    print(f"{name}, batch {batch_size}: a step takes {unit / EPOCH * 1e6:.0f} us")
    for label, spent in seconds.items():
        print(f"  {label:30} {min(spent) / unit:5.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    for name, build in {"MLP": mlp, "ten layers": deep, "CNN": cnn}.items():
        compare(name, build, options.rounds, options.batch_size)
