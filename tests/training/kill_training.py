"""Kill the processes of trainings at random moments, and look whether they end in the same bits.

    python tests/training/kill_training.py [--kills 5] [--seed 0] [--case ...] [--kinds ...]

Each case is trained once as a whole. Then it is started again and again, and killed (SIGKILL):
after a random number of batches; with half a checkpoint written; between writing and renaming it;
right after; and by the clock, whatever it is doing. It takes minutes: the suite runs one case. Run
it on both backends.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import resume_cases as cases  # noqa: E402

KINDS = "batches", "write", "before the rename", "after the rename", "clock"


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Die(keras.callbacks.Callback):
    """Kills its process after a number of batches."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def get_state(self):
        return {}

    def set_state(self, state):
        self.done = 0

    def on_train_begin(self, logs=None):
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == self.after:
            die()


def die_in_writing(kind, number):
    """Kill the process at its checkpoint of this number."""
    count, savez, replace = [0], np.savez, os.replace

    def half(file, **arrays):
        savez(file, **arrays)
        count[0] += 1
        if kind == "write" and count[0] == number:
            file.flush()
            file.truncate(file.tell() // 2)
            die()

    def renamed(a, b):
        if kind == "before the rename" and count[0] == number:
            die()
        replace(a, b)
        if kind == "after the rename" and count[0] == number:
            die()

    np.savez, os.replace = half, renamed


def child(name, folder, kind="", number=-1) -> tuple[int, dict | None]:
    """Train in a process of its own; return its exit status and what it ended with."""
    out = Path(folder) / "out.json"
    out.unlink(missing_ok=True)
    pid = os.fork()
    if not pid:
        try:
            if name in cases.REPLICAS:
                import tensorflow as tf

                cpus, two = tf.config.list_physical_devices("CPU"), [None, None]
                two = [tf.config.LogicalDeviceConfiguration() for _ in two]
                tf.config.set_logical_device_configuration(cpus[0], two)
            if kind in KINDS[1:4]:
                die_in_writing(kind, number)
            after = number if kind == "batches" else -1
            found = cases.train(
                name, folder, [Die(after)], save_freq="auto" if kind == "clock" else 2
            )
            out.write_text(json.dumps(found))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if kind == "clock":
        time.sleep(number / 10)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return status, json.loads(out.read_text()) if status == 0 else None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--case", dest="cases", nargs="*")
    given = parser.parse_args()
    names = given.cases or list(cases.CASES)
    if not given.cases and keras.backend.backend() == "tensorflow":
        names += cases.REPLICAS
    rng, kills, equal = np.random.default_rng(given.seed), 0, 0
    for name in names:
        folders = [tempfile.mkdtemp(prefix="kill-") for _ in range(2)]
        begin = time.monotonic()
        _, whole = child(name, folders[0])
        seconds = time.monotonic() - begin
        died: list[str] = []
        status, got = 1, None
        while len(died) < given.kills and got is None:
            kind = given.kinds[rng.integers(len(given.kinds))]
            most = max(2, int(9 * seconds)) if kind == "clock" else 7
            status, got = child(name, folders[1], kind, int(rng.integers(1, most)))
            if status == signal.SIGKILL:
                died.append(kind)
            elif status:
                break
        if got is None:
            status, got = child(name, folders[1])
        kills += len(died)
        differ = [key for key in whole if got is None or got[key] != whole[key]]
        equal += 0 if differ else len(died)
        print(f"{name}: {len(died)} kills ({', '.join(died)}):", differ or "equal", flush=True)
        for folder in folders:
            shutil.rmtree(folder)
    print(f"{keras.backend.backend()}: {equal} of {kills} kills ended in the same bits")
    return equal != kills


if __name__ == "__main__":
    raise SystemExit(main())
