"""What a `Doctor` costs beside plain `fit`.

    python tools/benchmarks/doctor.py --steps 4000

Seconds of `fit` with a doctor over seconds of the same `fit` without one, on a machine that does
nothing else: the median of several pairs, each of fresh models, so that a pair holds the tracing of
both. Seconds of the processor hang less on what else is running. Beside it, the growth of memory
over epochs.
"""

import argparse
import time
import tracemalloc

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np

from coursekit.diagnosis import Doctor

L = keras.layers
MODELS = {
    "MLP": lambda: [keras.Input((64,)), L.Dense(128, "relu"), L.Dense(128, "relu")],
    "CNN": lambda: [keras.Input((28, 28, 1)), L.Conv2D(16, 3, 2, activation="relu"),
                    L.Conv2D(32, 3, 2, activation="relu"), L.Flatten()],
    "GRU": lambda: [keras.Input((20, 4)), L.GRU(32)],
}  # fmt: skip


def seconds(name: str, steps: int, watched: bool) -> tuple[float, float]:
    """Train a fresh model for so many batches; return seconds of the clock and the processor."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([*MODELS[name](), L.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1024, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 10, 1024)
    epochs, callbacks = steps // 32, [Doctor(x, y)] if watched else []
    began, before = time.perf_counter(), time.process_time()
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0, callbacks=callbacks)
    return time.perf_counter() - began, time.process_time() - before


def growth(epochs: int) -> float:
    """Return by how many bytes an epoch the doctor's record grows, beside the logs it returns."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile("sgd", "mse")
    doctor = Doctor(x, x[:, :1])
    model.fit(x, x[:, :1], epochs=50, verbose=0, callbacks=[doctor])
    tracemalloc.start()
    model.fit(x, x[:, :1], epochs=epochs, verbose=0, callbacks=[doctor])
    traces = tracemalloc.take_snapshot().statistics("filename")
    tracemalloc.stop()
    own = sum(trace.size for trace in traces if "diagnosis" in trace.traceback[0].filename)
    return own / epochs


def main() -> None:
    """Print a ratio for each model, and the growth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1000)
    given = parser.parse_args()
    for name in MODELS:
        pairs = [
            [seconds(name, given.steps, on) for on in (False, True)] for _ in range(given.pairs)
        ]
        plain, watched = np.median(pairs, axis=0)[:, 0]
        clock, processor = np.median([np.divide(b, a) for a, b in pairs], axis=0)
        print(f"{name}: fit {plain:.2f} s, with a doctor {watched:.2f} s, ratio {clock:.3f}; of "
              f"the processor's seconds {processor:.3f}", flush=True)  # fmt: skip
    print(f"record: {growth(given.epochs):.0f} bytes an epoch over {given.epochs} epochs")


if __name__ == "__main__":
    main()
