"""Two workers on this machine: as one process, and an error where one of them ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest

from coursekit.distribution.workers import fit_on_workers, tf_config, worker_strategy

SCRIPT = Path(__file__).with_name("worker.py")
PATIENCE = 300  # seconds: importing TensorFlow on a busy machine, twice; far from a hang


def addresses(count=2):
    """Ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return found


@pytest.fixture
def start(tmp_path):
    """Start two workers; whatever happens, none is left behind."""
    started = []

    def start(task):
        where = addresses()
        for index in range(2):
            environment = os.environ | {
                "TF_CONFIG": tf_config(where, index),
                "SEED": str(index),
                "KERAS_BACKEND": "tensorflow",
            }
            log = (tmp_path / f"{index}.log").open("w")
            command = [sys.executable, str(SCRIPT), str(tmp_path / f"{index}.npz"), task]
            started.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
        return started

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_two_workers_are_one_process_and_fit_is_not(start, tmp_path):
    worker = import_module("worker")
    one = worker.build()
    expected = one.fit(worker.dataset(), epochs=worker.EPOCHS, verbose=0).history
    for index, process in enumerate(start("training")):
        assert process.wait(PATIENCE) == 0, (tmp_path / f"{index}.log").read_text()[-2000:]
    for index in range(2):
        found = np.load(tmp_path / f"{index}.npz")
        for i, weight in enumerate(one.get_weights()):
            np.testing.assert_allclose(found[f"weight {i}"], weight, atol=1e-6, err_msg=str(i))
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)
        # When this fails, Keras has learned it: `fit_on_workers` may go.
        assert str(found["fit"]).startswith("ValueError") and "PerReplica" in str(found["fit"])
