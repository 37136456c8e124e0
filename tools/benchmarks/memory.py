"""Rows beyond memory: what a memory-mapped file costs, in memory and in time.

    python tools/benchmarks/memory.py
    KERAS_BACKEND=jax python tools/benchmarks/memory.py --rows 50000

Two models train on so many rows and on ten times as many, from arrays and from a mapped file, each
in a process of its own; and one model by Keras's `fit` on the same file. Told are the peak of
anonymous memory (what the system can only swap, not drop: the pages of a mapped file do not count)
above that before the call, and the seconds of the call, compiling included. Linux only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

COLUMNS, CLASSES, BLOCK = 256, 10, 10_000
CASES = {
    "fit_many, arrays": "two models, arrays in memory",
    "fit_many, mapped": "two models, np.load(mmap_mode='r')",
    "cross_validate, mapped": "two folds, the same",
    "fit, mapped": "one model, Keras's `fit` on the same",
}


def anonymous() -> int:
    """Return the anonymous memory of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise OSError("no RssAnon in /proc/self/status")


class Peak:
    """Watches the anonymous memory while it is entered.

    Attributes:
        bytes: the peak above what there was at the beginning.
    """

    def __enter__(self):
        self.begin, self.bytes, self.done = anonymous(), 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(0.005):
            self.bytes = max(self.bytes, anonymous() - self.begin)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def write(path: Path, rows: int):
    """Write rows of normal numbers, a block again and again, and their classes."""
    rng = np.random.default_rng(0)
    block = rng.normal(size=(BLOCK, COLUMNS)).astype("float32")
    x = np.lib.format.open_memmap(path / "x.npy", "w+", "float32", (rows, COLUMNS))
    for start in range(0, rows, BLOCK):
        x[start : start + BLOCK] = block[: rows - start]
    x.flush()
    np.save(path / "y.npy", np.tile(block[:, :CLASSES].argmax(1), -(-rows // BLOCK))[:rows])


def build():
    """Return the network 256-64-10."""
    import keras

    hidden = keras.layers.Dense(64, activation="relu")
    model = keras.Sequential([keras.Input((COLUMNS,)), hidden, keras.layers.Dense(CLASSES)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def measure(case: str, path: Path, epochs: int):
    """Do one case in this process, and print its peak and its seconds."""
    from coursekit.training import fit_many
    from coursekit.validation import cross_validate

    models = [build(), build()]
    few = np.zeros((64, COLUMNS), "float32"), np.zeros(64, "int64")
    build().fit(*few, verbose=0)  # what a first training takes once counts for none
    settings = {"epochs": epochs, "batch_size": 64}
    x, y = np.load(path / "x.npy", mmap_mode="r"), np.load(path / "y.npy")
    with Peak() as peak:
        start = time.perf_counter()
        if case == "fit_many, arrays":
            fit_many(models, np.array(x), y, verbose=0, **settings)
        elif case == "fit_many, mapped":
            fit_many(models, x, y, verbose=0, **settings)
        elif case == "cross_validate, mapped":
            cross_validate(build, x, y, cv=2, fit_kwargs=settings, verbose=0)
        else:
            models[0].fit(x, y, verbose=0, **settings)
        seconds = time.perf_counter() - start
    print(f"{peak.bytes} {seconds}")


def asked(case: str, path: Path, epochs: int) -> tuple[float, float]:
    """Measure a case in a process of its own; return megabytes and seconds."""
    command = [sys.executable, __file__, "--case", case, "--path", str(path)]
    command += ["--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, seconds = done.stdout.split()[-2:]
    return int(peak) / 1e6, float(seconds)


def main():
    """Print a table of all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        measure(options.case, Path(options.path), options.epochs)
        return
    print(f"{os.environ.get('KERAS_BACKEND', 'tensorflow')}, {os.cpu_count()} cores", flush=True)
    for rows in (options.rows, 10 * options.rows):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), rows)
            print(f"{rows:,} rows, {4 * rows * COLUMNS / 1e6:,.0f} MB")
            for case in options.only:
                peak, seconds = asked(case, Path(folder), options.epochs)
                print(f"  {case:24} {peak:7,.0f} MB {seconds:7.1f} s", flush=True)


if __name__ == "__main__":
    main()
