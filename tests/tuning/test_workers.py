"""Chief and workers: the roll, and real processes of which some are killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras_tuner as kt
import pytest
from keras_tuner import oracles
from keras_tuner.src.distribute.oracle_client import OracleClient

from coursekit.tuning import _workers as workers
from coursekit.tuning._oracles import adapt
from coursekit.tuning._workers import RollCall

PATIENCE = 150  # seconds until a process that hangs fails the test


@pytest.fixture
def roll(tmp_path, monkeypatch):
    """A roll whose clock stands still, over an oracle that has three trials to give."""
    hp = kt.HyperParameters()
    hp.Float("a", 0, 1)
    oracle = oracles.RandomSearchOracle(kt.Objective("r2", "max"), max_trials=3, hyperparameters=hp)
    oracle._set_project_dir(tmp_path, "p")
    oracle.verbose = 0
    adapt(oracle)
    roll = RollCall(oracle, silence_seconds=10)
    roll.now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: roll.now)
    return roll


def end(oracle, trial, status="COMPLETED"):
    oracle.update_trial(trial.trial_id, {"r2": 1.0})
    trial.status = status
    oracle.end_trial(trial)


def test_a_silent_worker_loses_its_trials_to_the_others(roll):
    oracle = roll.oracle
    for worker in ("w1", "w10"):
        roll.alive(worker)
    trials = {slot: oracle.create_trial(slot) for slot in ("w1/0", "w1/1", "w10/0")}
    roll.now = 9.0
    assert roll.alive("w10") == "ok" and not roll.over()
    roll.now = 11.0
    with pytest.warns(UserWarning, match=r"w1 has been silent for 10 seconds.*0, 1, go to"):
        assert not roll.over()
    assert set(oracle.ongoing_trials) == {"w10/0"} and roll.alive("w1") == "lost"
    end(oracle, trials["w10/0"])
    taken = [oracle.create_trial("w10/0"), oracle.create_trial("w10/1")]
    assert {trial.trial_id for trial in taken} == {"0", "1"}
    for trial in taken:
        end(oracle, trial)
    for slot in ("w10/0", "w10/1"):
        assert oracle.create_trial(slot).status == "STOPPED"
    roll.stopping = True
    roll.leave("w10")
    assert roll.over() and len(oracle.end_order) == 3


def test_the_last_worker_lost_ends_the_search(roll):
    assert not roll.over()  # nobody has come yet
    roll.alive("w")
    end(roll.oracle, roll.oracle.create_trial("w/0"))
    roll.oracle.create_trial("w/0")
    roll.now = 11.0
    words = r"No worker is left: w went silent. 1 trials are .*, 1 are not. Start the chief"
    with (
        pytest.warns(UserWarning, match="w has been silent"),
        pytest.raises(ConnectionError, match=words),
    ):
        roll.over()


def test_who_leaves_with_a_trial_counts_as_lost_and_who_is_done_does_not(roll):
    roll.alive("a"), roll.alive("b")
    trial = roll.oracle.create_trial("a/0")
    with pytest.warns(UserWarning, match="a has left"):
        roll.leave("a")
    roll.leave("b")
    assert roll.lost == ["a"] and roll.oracle._retry_queue == [trial.trial_id]


def test_an_unfinished_trial_that_nobody_can_take_is_not_the_end(roll):
    """All others have been told to stop when the last worker dies with the last trial."""
    roll.alive("a"), roll.alive("b")
    last = roll.oracle.create_trial("a/0")
    end(roll.oracle, roll.oracle.create_trial("b/0"))
    end(roll.oracle, roll.oracle.create_trial("b/0"))
    assert roll.oracle.create_trial("b/0").status == "STOPPED"
    roll.stopping = True
    roll.leave("b")
    roll.now = 11.0
    with (
        pytest.warns(UserWarning, match=f"had, {last.trial_id}, go"),
        pytest.raises(ConnectionError, match="1 are not"),
    ):
        roll.over()


def test_an_oracle_that_gives_up_ends_the_chief(roll):
    roll.failure = RuntimeError("too many failures")
    with pytest.raises(RuntimeError, match="has ended: too many failures"):
        roll.over()


# Processes ----------------------------------------------------------------------------------------

SCRIPT = Path(__file__).with_name("distributed_search.py")


def start(folder, name, port):
    """Start the chief, or a worker, of the same search; its output goes to a file."""
    environment = os.environ | {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
        "KERAS_BACKEND": "numpy",  # nothing is trained, and it loads fast
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
    with open(folder / f"{name}.txt", "a") as out:
        command = [sys.executable, str(SCRIPT), str(folder)]
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out)


def wait_for(folder, name, words):
    """Wait until a process has written these words."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        text = (folder / f"{name}.txt").read_text()
        if words in text:
            return text
        time.sleep(0.1)
    pytest.fail(f"{name} did not say {words!r}: {text[-2000:]}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_workers_and_the_chief_may_be_killed(tmp_path):
    """One chief, two workers. One worker is killed, then the chief; then all goes on to the end."""
    port = free_port()
    processes = {name: start(tmp_path, name, port) for name in ("chief", "worker0", "worker1")}
    try:
        for name in ("worker0", "worker1"):
            wait_for(tmp_path, name, "trained")
        processes["worker1"].send_signal(signal.SIGKILL)
        wait_for(tmp_path, "chief", "worker1 has been silent for 4 seconds")
        count = (tmp_path / "worker0.txt").read_text().count("trained")
        wait_for(tmp_path, "worker0", f"trained {count + 1}\n")
        processes["chief"].send_signal(signal.SIGKILL)
        text = wait_for(tmp_path, "worker0", "ConnectionError")
        assert "has not answered for 4 seconds" in text and "with the same directory" in text
        assert processes["worker0"].wait(PATIENCE) == 1
        (tmp_path / "fast").touch()
        processes["chief"] = start(tmp_path, "chief", port)
        processes["worker2"] = start(tmp_path, "worker2", port)
        text = wait_for(tmp_path, "chief", "finished")
        assert "40 COMPLETED of 40, right: True" in text
        assert processes["chief"].wait(PATIENCE) == 0 == processes["worker2"].wait(PATIENCE)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def chief(tmp_path, monkeypatch):
    """A chief in a thread of this process; how it ends is in `.ended`."""
    names = ("TUNER_ID", "worker0"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", str(free_port()))
    for key, value in names:
        monkeypatch.setenv(f"KERASTUNER_{key}", value)
    hp = kt.HyperParameters()
    hp.Float("a", 0, 1)
    oracle = oracles.RandomSearchOracle(
        kt.Objective("r2", "max"), max_trials=9, hyperparameters=hp, max_consecutive_failed_trials=1
    )
    oracle._set_project_dir(tmp_path, "p")
    oracle.verbose = 0
    adapt(oracle)

    def run():
        try:
            workers.serve(oracle, silence_seconds=PATIENCE)
        except Exception as error:
            thread.ended = error

    thread = threading.Thread(target=run, daemon=True)
    thread.oracle = oracle
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:worker0 has left")
def test_a_worker_that_fails_is_missed_at_once(chief):
    client = OracleClient(chief.oracle)
    with pytest.raises(KeyError), workers.Connection(client, "worker0", PATIENCE):
        client.create_trial("worker0/0")
        raise KeyError
    chief.join(PATIENCE)
    assert "No worker is left: worker0 went silent" in str(chief.ended)
    assert chief.oracle._retry_queue == ["0"]


@pytest.mark.filterwarnings("ignore:worker0 has left")
def test_an_oracle_that_gives_up_says_so_to_both(chief):
    """KerasTuner's chief locks itself out here and hangs."""
    client = OracleClient(chief.oracle)
    with workers.Connection(client, "worker0", PATIENCE):
        trial = client.create_trial("worker0/0")
        trial.status = "FAILED"
        with pytest.raises(RuntimeError, match=r"chief ends .*consecutive failures"):
            client.end_trial(trial)
    chief.join(PATIENCE)
    assert "has ended: Number of consecutive failures" in str(chief.ended)


@pytest.mark.filterwarnings("ignore:worker0 has left")
def test_results_of_a_trial_that_went_to_others_are_refused(chief):
    client = OracleClient(chief.oracle)
    with workers.Connection(client, "worker0", PATIENCE):
        trial = client.create_trial("worker0/0")
        chief.oracle.ongoing_trials.clear()
        for call in (lambda: client.end_trial(trial), lambda: client.update_trial("0", {"r2": 1})):
            with pytest.raises(RuntimeError, match="trial 0 is not running here"):
                call()


@pytest.mark.slow
def test_a_worker_without_a_chief_does_not_wait_for_ever(monkeypatch):
    names = ("TUNER_ID", "worker0"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", str(free_port()))
    for key, value in names:
        monkeypatch.setenv(f"KERASTUNER_{key}", value)
    client = OracleClient(None)
    words = r"has not answered for 1 seconds.*with the same directory"
    with (
        pytest.raises(ConnectionError, match=words),
        workers.Connection(client, "worker0", silence_seconds=1),
    ):
        pass
    with pytest.raises(ConnectionError, match=words):
        client.create_trial("worker0/0")


def test_a_worker_does_not_delete_what_the_chief_keeps(tmp_path, monkeypatch):
    """KerasTuner's does, if the script says overwrite=True."""
    from coursekit.tuning import CrossValidationTuner

    kept = tmp_path / "s" / "oracle.json"
    for name, there in (("chief", False), ("worker0", True)):
        kept.parent.mkdir(exist_ok=True)
        kept.touch()
        for key, value in (("TUNER_ID", name), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1")):
            monkeypatch.setenv(f"KERASTUNER_{key}", value)
        oracle = oracles.RandomSearchOracle(kt.Objective("r2", "max"))
        CrossValidationTuner(
            lambda hp: hp.Float("a", 0, 1), oracle, directory=tmp_path, project_name="s",
            overwrite=True,
        )  # fmt: skip
        assert kept.exists() == there
