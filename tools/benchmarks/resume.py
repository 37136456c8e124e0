"""What `resumable_fit` costs beside plain `fit`, at its default interval.

    python tools/benchmarks/resume.py --seconds 30

Seconds of `resumable_fit` over seconds of the same `fit(shuffle=True)`, in turn, on a machine that
does nothing else: the median of several pairs, after both have been traced once. Each training is
made so long that `fit` takes about the seconds asked for. Also what the checkpoints alone took, as
the clock that keeps them below their share has counted it.
"""

import argparse
import statistics
import tempfile
import time

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np

from coursekit.training import resumable_fit
from coursekit.training._resume_run import Clock

L = keras.layers
MODELS = {
    "MLP 26 k": lambda: [keras.Input((64,)), L.Dense(128, "relu"), L.Dense(128, "relu")],
    "MLP 1.1 M": lambda: [keras.Input((64,)), L.Dense(1000, "relu"), L.Dense(1000, "relu")],
    "CNN": lambda: [keras.Input((28, 28, 1)), L.Conv2D(16, 3, 2, activation="relu"),
                    L.Conv2D(32, 3, 2, activation="relu"), L.Flatten()],
}  # fmt: skip
SPENT: list[float] = []
ROWS = 8192


def timed(clock, save):
    """Count what every checkpoint takes."""
    began = time.perf_counter()
    try:
        return KEPT(clock, save)
    finally:
        SPENT.append(time.perf_counter() - began)


KEPT, Clock.timed = Clock.timed, timed


def seconds(name: str, epochs: int, resumable: bool) -> tuple[float, float]:
    """Train one fresh model; return seconds of the clock and of the processor."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([*MODELS[name](), L.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 10, ROWS)
    SPENT.clear()
    began, before = time.perf_counter(), time.process_time()
    if resumable:
        resumable_fit(model, x, y, tempfile.mkdtemp(), epochs=epochs, verbose=0)
    else:
        model.fit(x, y, epochs=epochs, verbose=0)
    return time.perf_counter() - began, time.process_time() - before


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    print(f"{keras.backend.backend()}, batches of 32")
    for name in MODELS:
        once = seconds(name, 4, False)[0] - seconds(name, 1, False)[0]
        epochs = max(4, round(given.seconds / (max(once, 0.05) / 3)))
        seconds(name, 1, True)
        ratios, shares = [], []
        for _ in range(given.pairs):
            plain = seconds(name, epochs, False)
            ours = seconds(name, epochs, True)
            ratios.append(np.divide(ours, plain))
            shares.append(sum(SPENT) / ours[0])
            count = len(SPENT)
        (low, cpu_low), (high, cpu_high) = np.min(ratios, axis=0), np.max(ratios, axis=0)
        clock, processor = np.median(ratios, axis=0)
        print(f"{name:10} {epochs} epochs, {plain[0]:.0f} s: resumable_fit / fit "
              f"{clock:.3f} ({low:.3f} to {high:.3f}), of the processor's seconds "
              f"{processor:.3f} ({cpu_low:.3f} to {cpu_high:.3f}); {count} checkpoints, "
              f"{statistics.median(shares):.1%} of the time", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
