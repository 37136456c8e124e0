"""Two workers on this machine: as one process, and an error where one of them ends."""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from coursekit.distribution.workers import fit_on_workers, tf_config, worker_strategy

SCRIPT = Path(__file__).with_name("worker.py")
worker = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
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


def test_a_worker_that_is_killed_is_an_error_on_the_other(start, tmp_path):
    first, last = start("stopping")
    assert last.wait(PATIENCE) == -signal.SIGKILL
    assert first.wait(PATIENCE) != 0, "an error, not a hang"
    said = (tmp_path / "0.log").read_text()
    assert "alone now" in said, "training with both had worked"
    assert "UnavailableError" in said or "DeadlineExceededError" in said


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"cluster": {"worker": ["a:1"]}}', "KeyError: 'task'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"index": 1}}', "index=1"),
        ('{"cluster": {"worker": ["a"]}, "task": {"index": 0}}', "host:port"),
    ],
)
def test_a_wrong_tf_config(monkeypatch, text, said):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must be") as raised:
        worker_strategy()
    assert said in str(raised.value)


def test_no_tf_config_does_not_train_alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(RuntimeError, match="TensorFlow would train alone"):
        worker_strategy()


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_timeouts_that_wait_forever_or_not_at_all(monkeypatch, seconds):
    monkeypatch.setenv("TF_CONFIG", tf_config(["a:1"], 0))
    with pytest.raises(ValueError, match="Received: timeout_seconds="):
        worker_strategy(timeout_seconds=seconds)


@pytest.mark.parametrize(
    "addresses, index", [([], 0), (["a"], 0), (["a:1", "a:1"], 0), (["a:1"], -1), (["a:1"], True)]
)
def test_tf_config_refuses(addresses, index):
    with pytest.raises(ValueError, match="Received: "):
        tf_config(addresses, index)


def test_tf_config_is_what_tensorflow_reads(monkeypatch):
    import tensorflow as tf

    monkeypatch.setenv("TF_CONFIG", tf_config(["a:1", "b:2"], 1))
    read = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    assert read.cluster_spec().as_dict() == {"worker": ["a:1", "b:2"]}
    assert (read.task_type, read.task_id) == ("worker", 1)
    assert json.loads(os.environ["TF_CONFIG"])["task"] == {"type": "worker", "index": 1}


def test_models_and_data_that_do_not_fit(strategy):
    plain = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Received: Sequential"):
        fit_on_workers(plain, worker.dataset())
    with strategy.scope():
        mirrored = worker.build()
    with pytest.raises(ValueError, match="a model under MirroredStrategy"):
        fit_on_workers(mirrored, worker.dataset())
