"""Rows of files in `fit_many`: the weights that arrays give, and never all rows at once."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from many_cases import L, assert_same, assert_same_history, convolution, dense, make, mixed_layers

from coursekit import _disk
from coursekit._fingerprint import fingerprint
from coursekit.training import fit_many, resumable_fit

pytestmark = pytest.mark.any_backend
RNG = np.random.default_rng(0)
ROWS = 203
TABLE = RNG.normal(size=(ROWS, 6))
IMAGES = RNG.normal(size=(ROWS, 5, 5, 2)).astype("float32")
CLASSES = RNG.integers(0, 3, ROWS)
WEIGHTS = RNG.uniform(0.5, 2, ROWS)
FOLDS = {
    "rows": [np.arange(0, 150), np.arange(60, 203)],
    "validation_rows": [np.arange(150, 203), np.arange(0, 60)],
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """A block of two or three batches, so that an epoch has many."""
    monkeypatch.setattr(_disk, "BLOCK", 1000)


@pytest.fixture
def mapped(tmp_path):
    """Write an array into a file and map it."""

    def save(array, name="x", mode="r"):
        np.save(tmp_path / f"{name}.npy", array)
        return np.load(tmp_path / f"{name}.npy", mmap_mode=mode)

    return save


def both(layers, in_memory, on_disk, y=CLASSES, other=None, **settings):
    """Train the same models from memory and from disk; they must be the same, bit by bit."""
    settings = {"epochs": 2, "batch_size": 13, "verbose": 0, "seed": [4, 9], **settings}
    ours, theirs = ([make(layers, k) for k in range(2)] for _ in range(2))
    if other:
        ours[1], theirs[1] = make(other, 1), make(other, 1)
    histories = fit_many(ours, on_disk, y, **settings)
    expected = fit_many(theirs, in_memory, y, **settings)
    for k in range(2):
        assert_same(ours[k], theirs[k], 0)
        assert_same_history(histories[k], expected[k], 0)
    return ours


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", ">f4", "int16"])
def test_every_type_and_order(mapped, kind):
    shuffle = kind != "float32"
    x = (10 * TABLE).astype(kind)
    both(dense, x.astype(x.dtype.newbyteorder("=")), mapped(x), shuffle=shuffle, **FOLDS)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 10, 29, 500])
def test_every_size_of_batch(mapped, batch_size):
    """29 divides 203: batches are all of one size; 500 is all rows; one row in a batch."""
    both(mixed_layers, TABLE, mapped(TABLE), batch_size=batch_size, epochs=1)


@pytest.mark.slow
def test_two_architectures_and_a_convolution(mapped, monkeypatch):
    monkeypatch.setattr(_disk, "memory", lambda: 0)  # pages are announced
    both(convolution, IMAGES, mapped(IMAGES), other=lambda: (IMAGES, [L.Flatten(), L.Dense(3)]),
         **FOLDS)  # fmt: skip


@pytest.mark.slow
def test_one_row(mapped, monkeypatch):
    monkeypatch.setattr(_disk, "BLOCK", 1)
    both(dense, TABLE[:1], mapped(TABLE[:1]), CLASSES[:1])


def test_the_program_stays_on_its_route(mapped, capsys):
    models = [make(dense, k) for k in range(2)]
    fit_many(models, mapped(TABLE), CLASSES, verbose=1)
    assert "2 by a shared program" in capsys.readouterr().out


class Own(keras.Sequential):
    """A step of one's own, which returns its logs."""

    def train_step(self, *arguments):
        logs = super().train_step(*arguments)
        return logs


@pytest.mark.slow
def test_a_step_of_ones_own_and_weights_and_callbacks(mapped):
    def build(k):
        keras.utils.set_random_seed(k)
        model = Own([keras.Input((6,)), L.Dense(4, "relu"), L.Dropout(0.2), L.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
        return model

    def stop(_):
        return [keras.callbacks.EarlyStopping(patience=0, restore_best_weights=True)]

    ours, theirs = [build(0)], [build(0)]
    settings = {"epochs": 4, "batch_size": 13, "verbose": 0, "callbacks": stop}
    settings |= {"validation_data": (mapped(TABLE[:90], "held"), CLASSES[:90])}
    weights = mapped(WEIGHTS, "weights")
    fit_many(ours, mapped(TABLE), mapped(CLASSES, "y"), sample_weight=weights, **settings)
    fit_many(theirs, TABLE, CLASSES, sample_weight=WEIGHTS, **settings)
    assert_same(ours[0], theirs[0], 0)


@pytest.mark.slow
def test_class_weights_and_a_dict(mapped):
    def two_inputs(k):
        keras.utils.set_random_seed(k)
        a, b = keras.Input((6,), name="a"), keras.Input((5, 5, 2), name="b")
        joined = L.Concatenate()([L.Dense(4, "relu")(a), L.Flatten()(b)])
        model = keras.Model({"a": a, "b": b}, L.Dense(3)(joined))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    ours, theirs = ([two_inputs(k) for k in range(2)] for _ in range(2))
    settings = {"class_weight": {0: 3.0}, "batch_size": 13, "verbose": 0}
    files = {"a": mapped(TABLE, "a"), "b": mapped(IMAGES, "b")}
    fit_many(ours, files, mapped(CLASSES, "y"), **settings)
    fit_many(theirs, {"a": TABLE, "b": IMAGES}, CLASSES, **settings)
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a, b, 0)


VIEWS = {
    "rows": lambda x: x[7:190],
    "backwards": lambda x: x[::-1],
    "columns": lambda x: x[:, ::2],
    "plain": lambda x: np.asarray(x),
    "transposed": lambda x: x.T.reshape(6, -1).T,
}


@pytest.mark.parametrize("memory", [0, 10**12])
@pytest.mark.parametrize("view", VIEWS)
def test_views_stay_in_the_file(mapped, view, memory, monkeypatch):
    """Also where memory is too small for the file, and pages are announced before they are read."""
    monkeypatch.setattr(_disk, "memory", lambda: memory)
    x = VIEWS[view](mapped(TABLE))
    placed = _disk.placed(x)
    assert isinstance(placed, _disk.OnDisk)
    np.testing.assert_array_equal(placed[np.array([3, 0, 3])], VIEWS[view](TABLE)[[3, 0, 3]])
    np.testing.assert_array_equal(placed[5:9], VIEWS[view](TABLE)[5:9])
    np.testing.assert_array_equal(placed.chosen(np.array([4, 2]))[:], VIEWS[view](TABLE)[[4, 2]])


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="files can be dropped from memory")
def test_of_a_file_beyond_memory_no_more_is_read_than_the_rows(tmp_path, monkeypatch):
    """Else the system reads 128 kB around a row of 1 kB."""

    def read() -> int:
        counts = Path("/proc/self/io").read_text().split()
        return int(counts[counts.index("read_bytes:") + 1])

    monkeypatch.setattr(_disk, "memory", lambda: 0)
    found = []
    for name, kind in (("plain", np.asarray), ("placed", _disk.OnDisk)):
        path = tmp_path / f"{name}.npy"
        np.save(path, np.zeros((50_000, 256), "float32"))
        x = kind(np.load(path, mmap_mode="r"))
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        before = read()
        assert not x[np.arange(0, 50_000, 200)].any()
        found.append(read() - before)
    if found[0]:  # else the folder is in memory
        assert found[1] <= 250 * 3 * 4096 < found[0]


def test_what_is_small_or_a_result_or_text_is_no_file(mapped, monkeypatch):
    x = mapped(TABLE)
    for one in (x + 1, x[FOLDS["rows"][0]], TABLE):
        assert _disk.placed(one) is one
    assert type(_disk.placed(mapped(np.array(["word"] * 300), "words"))) is np.memmap
    monkeypatch.setattr(_disk, "BLOCK", 10**6)
    small = _disk.placed(x)
    assert type(small) is np.ndarray and _disk.mapping_of(small) is None


def test_the_hash_is_that_of_the_array(mapped):
    assert fingerprint(_disk.placed(mapped(TABLE))) == fingerprint(TABLE)
    wide = _disk.placed(mapped(TABLE)).astype("float32")
    assert fingerprint(wide) == fingerprint(TABLE.astype("float32"))
    assert fingerprint(wide.chosen(np.arange(9))) == fingerprint(TABLE[:9].astype("float32"))


class Killer(keras.callbacks.Callback):
    """Ends the training, once."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("killed")

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("rest", ["array", "file"])
def test_a_folder_goes_on_from_disk_or_from_memory(mapped, tmp_path, rest):
    def train(x, killed_at, folder):
        models = [make(mixed_layers, k) for k in range(2)]
        callbacks = [[Killer(killed_at)], []]
        fit_many(models, x, CLASSES, epochs=3, batch_size=13, verbose=0, folder=folder,
                 callbacks=callbacks, **FOLDS)  # fmt: skip
        return models

    x = mapped(TABLE)
    with pytest.raises(RuntimeError, match="killed"):
        train(x, 2, tmp_path / "kept")
    ours = train(TABLE if rest == "array" else x, 9, tmp_path / "kept")
    for a, b in zip(ours, train(TABLE, 9, tmp_path / "whole"), strict=True):
        assert_same(a, b, 0)
    changed = TABLE.copy()
    changed[202, 5] += 1
    with pytest.raises(ValueError, match=r"x (and validation_data )?differ"):
        train(mapped(changed, "changed"), 9, tmp_path / "kept")


@pytest.mark.slow
def test_resumable_fit_reads_it_too(mapped, tmp_path):
    ours, theirs = make(dense, 0), make(dense, 0)
    for model, x, name in ((ours, mapped(TABLE), "a"), (theirs, TABLE, "b")):
        resumable_fit(model, x, CLASSES, tmp_path / name, validation_split=0.2, verbose=0)
    assert_same(ours, theirs)


@pytest.mark.slow
def test_what_fit_must_train_reads_batches(mapped):
    class Batch(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            Batch.seen += 1

    ours, theirs = [make(dense, 0)], [make(dense, 0)]
    with pytest.warns(UserWarning, match="called at batches"):
        fit_many(ours, mapped(TABLE), CLASSES, verbose=0, callbacks=[[Batch()]])
    fit_many(theirs, TABLE, CLASSES, verbose=0)
    assert Batch.seen == 7
    assert_same(ours[0], theirs[0])


# What is refused, and told


def test_what_is_not_finite_is_told_by_row(mapped):
    x = TABLE.copy()
    x[[150, 202], 3] = np.nan
    with pytest.warns(UserWarning, match="in 2 of 203 rows, first in row 150"):
        fit_many([make(dense, 0)], mapped(x), CLASSES, verbose=0)


@pytest.mark.parametrize("block", [1000, 10**6])
def test_a_file_that_was_cut_off_is_refused(mapped, tmp_path, monkeypatch, block):
    monkeypatch.setattr(_disk, "BLOCK", block)
    x = mapped(TABLE)
    os.truncate(tmp_path / "x.npy", 5000)
    with pytest.raises(ValueError, match="5,000 bytes, of which 9,872 were there"):
        fit_many([make(dense, 0)], x, CLASSES, verbose=0)


@pytest.mark.parametrize("how", ["changed", "cut off"])
def test_a_file_that_changes_while_it_is_read_is_refused(mapped, tmp_path, how):
    class Change(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if how == "cut off":
                os.truncate(tmp_path / "x.npy", 5000)
                return
            with (tmp_path / "x.npy").open("r+b") as file:
                file.seek(5000)
                file.write(b"other")

    x = mapped(TABLE)
    model = make(dense, 0)
    told = "was written to meanwhile" if how == "changed" else "was cut off"
    with pytest.raises(Exception, match=told):
        fit_many([model], x, CLASSES, epochs=3, verbose=0, callbacks=[[Change()]])


@pytest.mark.slow
def test_rows_may_be_removed_or_replaced_while_they_are_mapped(mapped, tmp_path):
    x = mapped(TABLE)
    np.save(tmp_path / "new.npy", TABLE + 1)
    os.replace(tmp_path / "new.npy", tmp_path / "x.npy")
    both(dense, TABLE, x)
    (tmp_path / "x.npy").unlink()
    both(dense, TABLE, x)


@pytest.mark.slow
def test_what_was_written_into_the_map_counts(mapped):
    changed = TABLE.copy()
    changed[:, 2] = 0
    for mode in ("r+", "c"):
        x = mapped(TABLE, mode[0], mode)
        x[:, 2] = 0
        both(dense, changed, x)


# A PyDataset


class Listed(keras.utils.PyDataset):
    """Rows in batches of eleven."""

    def __init__(self, *arrays, **settings):
        super().__init__(**settings)
        self.arrays, self.asked = arrays, []

    def __len__(self):
        return -(-ROWS // 11)

    def __getitem__(self, k):
        self.asked.append(k)
        return tuple(a[k * 11 : k * 11 + 11] for a in self.arrays)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_a_dataset_is_its_rows_in_order(workers):
    data = Listed(TABLE, CLASSES, WEIGHTS, workers=workers)
    held = Listed(TABLE[::-1], CLASSES[::-1])
    ours, theirs = ([make(mixed_layers, k) for k in range(2)] for _ in range(2))
    settings = {"epochs": 2, "batch_size": 13, "verbose": 0}
    a = fit_many(ours, data, validation_data=held, **settings)
    b = fit_many(theirs, TABLE, CLASSES, sample_weight=WEIGHTS,
                 validation_data=(TABLE[::-1], CLASSES[::-1]), **settings)  # fmt: skip
    for k in range(2):
        assert_same(ours[k], theirs[k], 0)
        assert_same_history(a[k], b[k], 0)
    assert sorted(data.asked) == sorted([0, 0, *range(19)])  # one pass; the first batch is proved


def test_its_files_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fit_many([make(dense, 0)], Listed(TABLE, CLASSES), verbose=0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="`x` must give batches of one kind of rows"):
        fit_many([make(dense, 0)], Odd("shape"), verbose=0)
    assert not list(tmp_path.iterdir())


class Odd(Listed):
    """Something is wrong with it."""

    def __init__(self, what):
        super().__init__(TABLE, CLASSES, use_multiprocessing=what == "processes")
        self.what = what

    def __len__(self):
        if self.what == "endless":
            raise AttributeError
        return super().__len__()

    @property
    def num_batches(self):
        return None if self.what == "endless" else len(self)

    def __getitem__(self, k):
        x, y = super().__getitem__(k)
        if self.what == "random":
            return x + np.random.default_rng().normal(size=x.shape), y
        if self.what == "rows":
            return x, y[:-1]
        if self.what == "alone":
            return x
        if self.what == "text":
            return x.astype(str), y
        if k == 1 and self.what in ("shape", "kind", "parts"):
            return {"shape": (x[:, 1:], y), "kind": (x.astype("float32"), y), "parts": (x,)}[
                self.what
            ]
        return x, y


class Shuffled(Listed):
    """It shuffles by itself."""

    def on_epoch_end(self):
        self.arrays = [a[::-1] for a in self.arrays]


REFUSED = {
    "endless": "must have an end. Received: num_batches=None. Give it a `__len__`",
    "processes": "must be read by threads.*Set `workers`",
    "random": "must give the same first batch twice.*augment by layers",
    "rows": r"as many rows in each part of a batch. Received: batch=0, rows=\[11, 10\]",
    "alone": r"must give batches \(x, y\)",
    "text": "must give rows of numbers.*Of text pass arrays in memory",
    "shape": r"of one kind of rows. Received: batch=1, row='float64 of shape \(5,\)'",
    "kind": "of one kind of rows. Received: batch=1, row='float32",
    "parts": "batches of one structure. Received: batch=1",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_dataset_that_has_no_fixed_rows_is_refused(what):
    with pytest.raises((ValueError, TypeError), match=REFUSED[what]):
        fit_many([make(dense, 0)], Odd(what), verbose=0)


def test_a_dataset_that_changes_between_epochs_is_refused():
    with pytest.raises(ValueError, match=r"'of Shuffled'. Leave the order to `shuffle`"):
        fit_many([make(dense, 0)], Shuffled(TABLE, CLASSES), verbose=0)


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_a_dataset_brings_all_its_parts(name):
    with pytest.raises(ValueError, match=f"`{name}` must be left out where `x` brings its batches"):
        fit_many([make(dense, 0)], Listed(TABLE, CLASSES), verbose=0, **{name: CLASSES})


def test_a_full_disk_is_told_before(monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(ValueError, match=r"free=5.*Set TMPDIR to a larger one"):
        fit_many([make(dense, 0)], Listed(TABLE, CLASSES), verbose=0)


def test_generators_get_a_way_out():
    with pytest.raises(TypeError, match="into a file, batch by batch: rows = "):
        fit_many([make(dense, 0)], (row for row in TABLE), verbose=0)


# Memory

PROGRAM = """
import sys
sys.path.insert(0, {tools!r})
from memory import Peak, build
import numpy as np
from coursekit.training import fit_many
x = np.load({path!r}, mmap_mode="r")
few = np.zeros((600, 256), "float32"), np.zeros(600, "int64")
fit_many([build(), build()], *few, batch_size=512, verbose=0)
with Peak() as peak:
    fit_many([build(), build()], x, np.zeros(len(x), "int64"), batch_size=512, verbose=0)
print(peak.bytes // 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
def test_a_file_larger_than_the_bound_is_trained_on(tmp_path):
    """A gigabyte of zeros, which the disk does not hold either, in half of that."""
    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, "w+", "float32", (2**20, 256))
    root = Path(__file__).parents[2]
    program = PROGRAM.format(tools=str(root / "tools" / "benchmarks"), path=str(path))
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(root)}, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 512
