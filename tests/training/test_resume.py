"""Killed anywhere and called again, a training ends in the same bits, or was refused before."""

import errno
import inspect
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import resume_cases as cases
from resume_cases import C, L, arrays, compiled, network, optimizers, train

from coursekit.training import fit_many, resumable_fit
from coursekit.training._resume_callbacks import KERAS
from coursekit.training._resume_folder import Checkpoints
from coursekit.training._resume_run import SHARE, Clock
from coursekit.training._resume_values import check, dump, load

pytestmark = pytest.mark.slow

TENSORFLOW = keras.backend.backend() == "tensorflow"


class Killed(BaseException):
    pass


class Kill(C.Callback):
    """Ends a training at one of its batches; what a killed process leaves is on disk only."""

    def __init__(self, after=-1):
        super().__init__()
        self.after = after

    def on_train_begin(self, logs=None):
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == self.after:
            raise Killed

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


def small(rate=0.1, dropout=0.3, run_eagerly=TENSORFLOW):
    """Without tracing, where the bits are not what is asked for."""
    model = network(L.Dropout(dropout))
    return compiled(model, optimizers.SGD(rate), run_eagerly=run_eagerly)


def fit(model, folder, **settings):
    (x, y), validation = arrays()
    given = {"x": x, "y": y, "validation_data": validation, "epochs": 2, "verbose": 0, **settings}
    return resumable_fit(model, folder=folder, **given)


def weights(model):
    return [np.asarray(w).tobytes() for w in model.get_weights()]


# The same bits ------------------------------------------------------------------------------


def equal_after_a_kill(name, tmp_path, *kills):
    whole = train(name, f"{tmp_path}/whole", [Kill()])
    folder = f"{tmp_path}/killed"
    for after in kills:
        with pytest.raises(Killed):
            train(name, folder, [Kill(after)])
    for run in (
        train(name, folder, [Kill()]),
        train(name, folder, [Kill()]),
    ):  # once more at its end
        for key, value in whole.items():
            assert run[key] == value, key


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["dropout_and_norm", "mixed_precision"])
def test_killed_and_resumed_is_never_killed(name, tmp_path):
    equal_after_a_kill(name, tmp_path, *((9, 8) if TENSORFLOW else (9,)))


@pytest.mark.parametrize("name", ["stops_early", "averaged", "dataset_of_the_epoch"])
def test_more_trainings(name, tmp_path):
    equal_after_a_kill(name, tmp_path, 5 if name == "stops_early" else 9)


def test_a_process_killed_in_the_middle_of_a_write(tmp_path):
    script = Path(__file__).with_name("kill_training.py")
    options = ["--kills", "1", "--kinds", "write", "--case", "in_order"]
    command = [sys.executable, str(script), *options]
    told = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 kills (write): equal" in told.stdout


@pytest.mark.any_backend
def test_without_shuffling_it_is_keras_own_fit(tmp_path):
    keras.utils.set_random_seed(1)
    ours, theirs = small(run_eagerly=False), small(run_eagerly=False)
    theirs.set_weights(ours.get_weights())
    for layer, other in zip(theirs.layers, ours.layers, strict=True):
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign(np.array(other.seed_generator.state))
    (x, y), validation = arrays()
    settings = {"batch_size": 16, "validation_data": validation, "epochs": 3, "verbose": 0}
    mine = resumable_fit(ours, x, y, tmp_path / "run", shuffle=False, **settings)
    yours = theirs.fit(x, y, shuffle=False, **settings)
    assert weights(ours) == weights(theirs)
    assert mine.history == yours.history


@pytest.mark.any_backend
def test_its_order_is_that_of_fit_many(tmp_path):
    models = [compiled(network(), optimizers.SGD(0.1)) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    (x, y), _ = arrays()
    resumable_fit(models[0], x, y, tmp_path, batch_size=16, epochs=3, seed=7, verbose=0)
    fit_many([models[1]], x, y, batch_size=16, epochs=3, seed=7, verbose=0)
    for one, other in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_an_interrupted_cell_is_run_again_with_the_model_at_hand(tmp_path):
    keras.utils.set_random_seed(1)
    model, plateau = (
        small(run_eagerly=False),
        C.ReduceLROnPlateau("loss", patience=1, min_delta=9, factor=0.5),
    )
    start = model.get_weights()
    with pytest.raises(Killed):
        fit(model, tmp_path / "a", epochs=5, callbacks=[plateau, Kill(11)], save_freq=1)
    again = fit(model, tmp_path / "a", epochs=5, callbacks=[plateau, Kill()])
    rates = again.history["learning_rate"]
    assert rates[0] == pytest.approx(0.1) and rates[-1] < 0.03
    keras.utils.set_random_seed(1)
    other = small(run_eagerly=False)
    other.set_weights(start)
    plateau = C.ReduceLROnPlateau("loss", patience=1, min_delta=9, factor=0.5)
    whole = fit(other, tmp_path / "b", epochs=5, callbacks=[plateau, Kill()])
    assert weights(other) == weights(model)
    assert whole.history == again.history


# Refused before any work ---------------------------------------------------------------------


class Shuffled(cases.Listed):
    def on_epoch_end(self):
        np.random.shuffle(self.x)


class Drawn(cases.Listed):
    def __getitem__(self, k):
        x, y = super().__getitem__(k)
        return x + np.random.normal(size=x.shape), y


def shuffling(**settings):
    return lambda: cases.tf_data().unbatch().shuffle(20, **settings).batch(16)


def known_length(data):
    import tensorflow as tf

    return data.apply(tf.data.experimental.assert_cardinality(6))


DATA = {
    "a generator": (lambda: (arrays()[0] for _ in range(3)), "generator, whose position"),
    "a list of nothing": (lambda: "words", "str, whose position"),
    "shuffled anew": (
        lambda: known_length(shuffling(seed=3)()), "same order in every pass.*anew in each pass"
    ),
    "shuffled unseeded": (
        lambda: known_length(shuffling(reshuffle_each_iteration=False)()), "Give `shuffle` a seed"
    ),
    "without end": (lambda: cases.tf_data().repeat(), "infinite.*Give it one pass"),
    "of unknown length": (lambda: cases.tf_data().filter(lambda x, y: True), "assert_cardinality"),
    "changed after an epoch": (Shuffled, "changes in `on_epoch_end`"),
    "drawn": (Drawn, "same first batch twice"),
    "processes": (lambda: cases.Listed(workers=2, use_multiprocessing=True), "read by threads"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_data_whose_position_cannot_be_found_are_refused(name, tmp_path):
    make, words = DATA[name]
    model = small()
    before = weights(model)
    if name == "shuffled unseeded":
        import tensorflow as tf

        tf.random.set_seed(None)
    with pytest.raises((TypeError, ValueError), match=words):
        fit(model, tmp_path / "run", x=make(), y=None)
    assert weights(model) == before
    assert not list(tmp_path.rglob("*.npz"))


class Counting(C.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.count = epoch


class Collecting(C.Callback):
    def __init__(self):
        super().__init__()
        self.losses = []


class Half(C.Callback):
    def get_state(self):
        return {}


class Unwritable(Kill):
    def get_state(self):
        return {"lock": object()}


class Patience(C.EarlyStopping):
    def on_epoch_end(self, epoch, logs=None):
        self.extra = 1
        super().on_epoch_end(epoch, logs)


CALLBACKS = {
    "LambdaCallback": (lambda: C.LambdaCallback(on_epoch_end=print), "its functions may keep"),
    "BackupAndRestore": (lambda: C.BackupAndRestore("x"), "leave it out"),
    "Counting": (Counting, "stores `count`"),
    "Collecting": (Collecting, "holds `losses`"),
    "Half": (Half, "has one of `get_state` and `set_state`"),
    "Unwritable": (Unwritable, "is object, which cannot be written"),
    "Patience": (lambda: Patience("loss"), "stores `extra`"),
    "LearningRateScheduler": (lambda: C.LearningRateScheduler(Rates()), "its schedule may keep"),
}


class Rates:
    def __call__(self, epoch, rate):
        return rate


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_whose_state_cannot_be_read_is_refused_by_name(name, tmp_path):
    make, words = CALLBACKS[name]
    model = small()
    before = weights(model)
    with pytest.raises(ValueError, match=f"Received: {name}.*{words}"):
        fit(model, tmp_path, callbacks=[make()])
    assert weights(model) == before


def test_what_is_kept_of_keras_callbacks_is_theirs():
    for name, names in KERAS.items():
        kind = getattr(C, name)
        source = "".join(inspect.getsource(base) for base in kind.__mro__[:-1])
        assert not [one for one in names if f"self.{one} = " not in source], name


class Fixed(C.Callback):
    """Stores nothing: its settings are what they were made with."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.factor**epoch


def test_a_callback_without_state_needs_no_pair(tmp_path):
    fit(small(), tmp_path, callbacks=[Fixed(0.5)])


class OwnDraws(L.Layer):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def call(self, x):
        return x


class TensorFlowDraws(L.Layer):
    def call(self, x):
        import tensorflow as tf

        return x + tf.random.normal(tf.shape(x))


class HiddenVariable(L.Layer):
    def build(self, shape):
        import tensorflow as tf

        self.seen = tf.Variable(0.0, trainable=False)

    def call(self, x):
        self.seen.assign_add(1.0)
        return x * self.seen


MODELS = {
    "steps_per_execution": (
        lambda: compiled(network(), optimizers.SGD(0.1), steps_per_execution=4),
        "steps_per_execution=4",
    ),
    "not compiled": (network, "compiled with an optimizer"),
    "a generator of NumPy's": (lambda: compiled(network(OwnDraws()), "sgd"), "rng='Generator'"),
    "tf.random": (lambda: compiled(network(TensorFlowDraws()), "sgd"), "RandomStandardNormal"),
    "a variable of TensorFlow's": (
        lambda: compiled(network(HiddenVariable()), "sgd"), "TensorFlow variable"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_cannot_be_resumed_is_refused_by_name(name, tmp_path):
    make, words = MODELS[name]
    with pytest.raises(ValueError, match=words):
        fit(make(), tmp_path)


CHANGES = {
    "learning_rate": {"model": lambda: small(rate=0.2)},
    "model": {"model": lambda: small(dropout=0.4)},
    "batch_size and validation_batch_size": {"batch_size": 8},
    "epochs": {"epochs": 3},
    "seed": {"seed": 1},
    "shuffle": {"shuffle": False},
    "x": {"x": np.ones((cases.ROWS, 6), "float32")},
    "validation_data": {"validation_data": None},
    "callbacks": {"callbacks": [C.EarlyStopping("loss", patience=4)]},
}


@pytest.mark.any_backend
def test_a_folder_of_another_recipe_is_refused_by_the_name_of_what_differs(tmp_path):
    stop = [C.EarlyStopping("loss", patience=3)]
    fit(small(), tmp_path, callbacks=stop)
    for name, change in CHANGES.items():
        given = {"callbacks": stop, **change}
        model = given.pop("model", small)()
        with pytest.raises(ValueError, match=f"from another one: {name} differ"):
            fit(model, tmp_path, **given)
    fit(small(), tmp_path, callbacks=stop)


def test_one_training_at_a_time_in_a_folder(tmp_path):
    fit(small(), tmp_path)
    held = Checkpoints(tmp_path)
    with pytest.raises(ValueError, match=f"one training at a time.*process {os.getpid()}"):
        fit(small(), tmp_path)
    held.close()
    fit(small(), tmp_path)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder"):
        fit(small(), tmp_path / "file")
    with pytest.raises(ValueError, match="Say where to keep"):
        fit(small(), None)


def test_another_machine_is_told(tmp_path):
    fit(small(), tmp_path)
    file = tmp_path / "environment.json"
    file.write_text(file.read_text().replace('"processor": "', '"processor": "other '))
    with pytest.warns(UserWarning, match="processor was other .* and is"):
        fit(small(), tmp_path)


# Damaged, full, read-only ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed_in_order(tmp_path_factory):
    """Return what the training ends with, and the folder of one that was killed."""
    place = tmp_path_factory.mktemp("in_order")
    whole = train("in_order", f"{place}/whole", [Kill()])
    with pytest.raises(Killed):
        train("in_order", f"{place}/killed", [Kill(9)])
    return whole, place / "killed"


@pytest.mark.parametrize("damaged", ["newest", "all"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(damaged, killed_in_order, tmp_path):
    whole, killed = killed_in_order
    folder = shutil.copytree(killed, f"{tmp_path}/killed")
    files = sorted(Path(folder, "run").glob("*.npz"), reverse=True)
    assert len(files) == 2
    for file in files[: 1 if damaged == "newest" else 2]:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        file.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{files[0].name} is damaged"):
        got = train("in_order", folder, [Kill()])
    assert got == whole
    assert files[0].with_suffix(".damaged").exists()


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    keras.utils.set_random_seed(1)
    model = small()
    whole = fit(model, tmp_path / "whole", epochs=3)
    keras.utils.set_random_seed(1)
    other, real, full = small(), os.fsync, []

    def fsync(file):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    class Fill(Kill):
        def on_epoch_begin(self, epoch, logs=None):
            full.extend([1] * (epoch == 1))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.warns(
        UserWarning, match="No space left.*goes on.*checkpoint_0000000003.npz"
    ) as told:
        got = fit(other, tmp_path / "full", epochs=3, save_freq="epoch", callbacks=[Fill()])
    assert len([w for w in told if "could not be written" in str(w.message)]) == 1
    assert got.history == whole.history and weights(other) == weights(model)
    monkeypatch.setattr(os, "fsync", real)
    full.clear()
    keras.utils.set_random_seed(1)
    again = small()
    fit(again, tmp_path / "full", epochs=3, save_freq="epoch", callbacks=[Fill()])
    assert weights(again) == weights(model)
    assert not list((tmp_path / "full").glob(".*.part"))


def test_a_read_only_folder_is_refused_before_training(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", fsync)
    model = small()
    before = weights(model)
    with pytest.raises(ValueError, match=r"can be written into.*Read-only file system"):
        fit(model, tmp_path / "run")
    assert weights(model) == before


# Parts ------------------------------------------------------------------------------------------


@pytest.mark.any_backend
def test_values_come_back_equal_and_of_their_types(tmp_path):
    half = keras.ops.convert_to_numpy(keras.ops.ones((2, 2), "bfloat16"))
    value = {
        "plain": [None, True, 3, 0.1, -0.0, float("inf"), "word"],
        7: (1, ("a", [])),
        "arrays": [
            np.arange(6).reshape(2, 3),
            np.float32(0.1),
            np.zeros((0, 3)),
            np.array(2),
            half,
        ],
    }
    with open(tmp_path / "file", "wb") as file:
        dump(file, value)
    got = load(tmp_path / "file")
    assert repr(got) == repr(value)
    for one, other in zip(got["arrays"], value["arrays"], strict=True):
        assert type(one) is type(other) and one.dtype == other.dtype
    with pytest.raises(TypeError, match=r"it\['a'\]\[0\] is set"):
        check({"a": [{1}]})


def test_checkpoints_take_less_than_their_share(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("coursekit.training._resume_run.time.monotonic", lambda: now[0])
    clock, saves = Clock("auto"), 0
    for step in range(100_000):
        now[0] += 0.001
        if clock.due(step, False):

            def save():
                now[0] += 0.05

            clock.timed(save)
            saves += 1
    assert saves > 20
    assert saves * 0.05 <= (SHARE + 0.001) * now[0]
    assert [Clock(2).due(step, False) for step in (1, 2)] == [False, True]
    assert Clock("epoch").due(3, True) and not Clock("epoch").due(3, False)


def test_a_worker_does_not_hold_the_folder(tmp_path):
    held = Checkpoints(tmp_path)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"!")
        signal.pause()
    try:
        os.read(ready, 1)
        held.close()
        Checkpoints(tmp_path).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_nothing_is_warned_of_in_a_training_without_trouble(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(small(), tmp_path)
