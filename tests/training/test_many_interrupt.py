"""A real Ctrl-C, sent to a process that trains."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")

PROGRAM = """
import os, signal, warnings
import keras, numpy as np
from coursekit.training import fit_many

class Tell(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            print("running", flush=True)

models = []
for k in range(2):
    models.append(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
    models[k].compile("sgd", "mse", jit_compile=False)
x = np.ones((40000, 4), "float32")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    histories = fit_many(
        models, x, x[:, 0], epochs=10000, batch_size=8, callbacks=[[Tell()], []], verbose=0
    )
print([str(w.message) for w in caught if "interrupted" in str(w.message)])
epochs = [len(history.epoch) for history in histories]
steps = [int(model.optimizer.iterations) for model in models]
print(all(history.params["interrupted"] for history in histories))
print(1 < epochs[0] < 10000, [5000 * one for one in epochs] == steps)
"""


@pytest.mark.slow
def test_ctrl_c_returns_what_is_finished():
    """Each model has the weights of its last finished epoch, and a warning tells their number."""
    run = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "running\n", process.stderr.read()
            process.send_signal(signal.SIGINT)
            told, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, errors[-2000:]
    warning, interrupted, kept = told.splitlines()
    assert "interrupted after" in warning and "of 10000 epochs" in warning
    assert interrupted == "True"
    assert kept == "True True"
