"""The disease of a run is among the first two names, and a healthy run is left in peace."""

import csv
import json

import keras
import numpy as np
import pytest
from plants import digits, mlp
from trainings import FAULTS, HEALTHY, ready

from coursekit.diagnosis import Doctor, diagnose

pytestmark = pytest.mark.slow

# Tracing takes seconds on JAX: these run there too.
BOTH = {"sgd_of_thirty", "sgd_of_nothing", "eight_sigmoids", "few_rows_with_wrong_labels",
        "statistics_that_never_arrive", "the_log_of_a_negative", "plain", "words", "two_outputs",
        "half_precision"}  # fmt: skip


def each(names):
    on = {True: pytest.mark.any_backend, False: ()}
    return [pytest.param(name, marks=on[name in BOTH]) for name in names]


def trained(one, **more):
    doctor = Doctor(one.x, one.y, one.valid, **more)
    one.model.fit(one.x, one.y, validation_data=one.valid, epochs=one.epochs, verbose=0,
                  batch_size=one.batch, callbacks=[doctor], **one.more)  # fmt: skip
    return doctor


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("name", each(FAULTS))
def test_a_disease_is_named_first_or_second(name):
    keras.utils.set_random_seed(0)
    names, make = FAULTS[name]
    report = diagnose(trained(make(0)))
    assert set(names) & set(report.names[:2]), str(report)


@pytest.mark.parametrize("name", each(HEALTHY))
def test_a_healthy_run_is_left_in_peace(name):
    keras.utils.set_random_seed(0)
    report = diagnose(trained(HEALTHY[name](0)))
    assert all(finding.effect == "notes" for finding in report), str(report)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["dropout", "convolutions_with_batch_norm"])
def test_a_doctor_changes_nothing(name):
    def weights(watched):
        keras.utils.set_random_seed(3)
        one = HEALTHY[name](0)
        doctor = Doctor(one.x, one.y, one.valid, every=7)
        one.model.fit(one.x, one.y, epochs=2, verbose=0, callbacks=[doctor] if watched else [])
        draw = np.random.random()
        before = one.model.get_weights()
        if watched:
            text = str(diagnose(doctor))
            assert str(diagnose(doctor)) == text and np.random.random() != draw
            for a, b in zip(before, one.model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
        return [*before, np.array(draw)]

    for a, b in zip(weights(False), weights(True), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_step_losses_are_those_of_the_steps():
    x, y, _ = digits(0, 320)

    class Losses(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.means = []

        def on_train_batch_end(self, batch, logs=None):
            self.means.append(float(logs["loss"]))

    one, losses = mlp(16), Losses()
    one.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    doctor = Doctor(x, y)
    one.fit(x, y, epochs=2, batch_size=32, verbose=0, callbacks=[doctor, losses])
    means = np.array(losses.means).reshape(2, 10)
    totals = means * np.arange(1, 11)
    expected = np.diff(np.concatenate([np.zeros((2, 1)), totals], axis=1), axis=1).ravel()
    np.testing.assert_allclose(doctor.record.steps.means, expected, rtol=1e-4, atol=1e-5)
    assert doctor.record.steps.count == 20


@pytest.mark.any_backend
def test_a_look_holds_what_a_step_does():
    from coursekit.training.gradients import value_and_gradients

    x, y, _ = digits(0, 64)
    model = mlp(16)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    found = value_and_gradients(model, x, y)
    doctor = Doctor(x, y)
    model.fit(x, y, batch_size=64, verbose=0, callbacks=[doctor])
    look = doctor.record.looks[0]
    assert look.loss == pytest.approx(found.loss, rel=1e-5)
    for path, gradient in found.gradients.items():
        size = float(np.sqrt(np.mean(gradient**2)))
        assert look.gradients[path] == pytest.approx(size, rel=1e-4)
        assert look.updates[path] == pytest.approx(0.1 * size, rel=1e-2)


def test_steps_per_execution_and_a_generator():
    x, y, _ = digits(0, 320)
    model = mlp(16)
    model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=5)
    doctor = Doctor(x, y)
    model.fit(x, y, epochs=2, batch_size=32, verbose=0, callbacks=[doctor])
    assert doctor.record.steps.count == 20 and doctor.record.looks[0].step == 0

    def rows():
        for k in range(0, 320, 32):
            yield x[k : k + 32], y[k : k + 32]

    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(rows(), epochs=1, verbose=0, callbacks=[doctor])
    assert doctor.record.steps.count == 10


def test_a_record_does_not_grow():
    from coursekit.diagnosis._record import LOOKS, ROOM, Look, Record

    record, rng = Record(), np.random.default_rng(0)
    losses = 1 + rng.normal(0, 0.1, 50_000)
    for step, loss in enumerate(losses):
        record.steps.add(loss)
        if step % 10 == 0:
            record.add(Look(step, loss, {}, {}, {}, {}, 0.1))
    assert len(record.steps.means) <= ROOM and len(record.looks) <= LOOKS
    assert [look.step for look in record.looks[:2]] == [0, 10]
    assert record.looks[-1].step == 49_990
    assert record.steps.means.mean() == pytest.approx(losses.mean(), abs=0.01)
    assert record.steps.largest.max() == losses.max()
    assert record.steps.scatter == pytest.approx(0.1, rel=0.05)


def test_keras_writes_the_series(tmp_path):
    pytest.importorskip("tensorboard")
    x, y, _ = digits(0, 200)
    model, doctor = mlp(16), Doctor(x, y)
    model.compile("sgd", "sparse_categorical_crossentropy")
    writers = [keras.callbacks.CSVLogger(tmp_path / "log.csv"),
               keras.callbacks.TensorBoard(tmp_path / "board")]  # fmt: skip
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[doctor, *writers])
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    for name in ("gradient_norm", "update_ratio", "idle_units"):
        assert [float(row[name]) for row in rows] == pytest.approx(history.history[name])
    assert any((tmp_path / "board").rglob("events*"))


CURVES = {
    "overfitting": {"loss": [0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02],
                    "val_loss": [0.95, 0.7, 0.6, 0.61, 0.66, 0.74, 0.83, 0.9]},
    "rate_too_high": {"loss": [2.3, 2.9, 2.1, 3.4, 2.2, 4.0, 2.4, 3.1]},
    "rate_too_low": {"loss": [2.30, 2.28, 2.26, 2.24, 2.22, 2.20]},
    "not_learning": {"loss": [2.33, 2.31, 2.31, 2.30, 2.30, 2.30]},
    "nan": {"loss": [1.0, float("nan"), float("nan")]},
    "underfitting": {"loss": [1.0, 0.82, 0.8, 0.8, 0.8, 0.8, 0.79, 0.79],
                     "val_loss": [0.9, 0.82, 0.81, 0.8, 0.8, 0.8, 0.8, 0.8]},
    "plateau": {"loss": [1.0, 0.6, 0.5, 0.5, 0.5, 0.5, 0.499, 0.5, 0.5]},
    "loss_metric_divergence": {
        "loss": [0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02],
        "val_loss": [0.95, 0.7, 0.6, 0.61, 0.66, 0.74, 0.83, 0.9],
        "val_accuracy": [0.6, 0.7, 0.75, 0.78, 0.8, 0.8, 0.8, 0.8]},
}  # fmt: skip


@pytest.mark.parametrize("name", CURVES)
def test_curves_alone(name):
    assert name in diagnose(CURVES[name]).names


@pytest.mark.parametrize("seed", range(5))
def test_healthy_curves_alone(seed):
    rng = np.random.default_rng(seed)
    fall = np.exp(-np.arange(20) / 5)
    loss = 0.2 + 2 * fall * (1 + 0.02 * rng.normal(size=20))
    valid = 0.3 + 2 * fall + 0.03 * rng.normal(size=20)
    report = diagnose({"loss": list(loss), "val_loss": list(valid)})
    assert all(finding.effect == "notes" for finding in report), str(report)


def test_a_history_and_a_report_as_data():
    one = HEALTHY["plain"](0)
    history = one.model.fit(one.x, one.y, epochs=3, verbose=0)
    assert diagnose(history).names == diagnose(history.history).names
    report = diagnose(CURVES["overfitting"])
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["rule"] == "overfitting"


X, Y, _ = digits(0, 64)
WRONG = {
    "rows": (lambda: Doctor(X, Y[:5]), ValueError, "the same rows"),
    "none": (lambda: Doctor(X[:0], Y[:0]), ValueError, "at least one row"),
    "text": (lambda: Doctor(np.array([["a"]]), Y[:1]), ValueError, "arrays of numbers"),
    "pair": (lambda: Doctor(X, Y, X), ValueError, r"\(x_val, y_val\)"),
    "validation": (lambda: Doctor(X, Y, (X, Y[:3])), ValueError, "the same rows"),
    "every": (lambda: Doctor(X, Y, every=0), ValueError, "`every` must be"),
    "few": (lambda: Doctor(X, Y, rows=2), ValueError, "`rows` must be"),
    "seed": (lambda: Doctor(X, Y, seed=-1), ValueError, "`seed` must be"),
    "untrained": (lambda: diagnose(Doctor(X, Y)), ValueError, "must have seen a training"),
    "nonsense": (lambda: diagnose(3), TypeError, "must be a Doctor, a History"),
    "no loss": (lambda: diagnose({"accuracy": [1.0]}), ValueError, "must hold a loss"),
    "empty": (lambda: diagnose({}), ValueError, "must hold a loss"),
    "words": (lambda: diagnose({"loss": ["a"]}), ValueError, "lists of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    call, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        call()


def test_a_fit_that_stops_in_the_middle_is_diagnosed_too():
    one = ready(mlp(), digits(0))

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise Killed

    doctor = Doctor(one.x, one.y)
    with pytest.raises(Killed):
        one.model.fit(one.x, one.y, verbose=0, callbacks=[doctor, Stop()])
    report = diagnose(doctor)
    assert "nan" not in report.names


def test_a_second_training_begins_a_new_record():
    one = ready(mlp(), digits(0))
    doctor = trained(one)
    steps = doctor.record.steps.count
    one.model.fit(one.x, one.y, epochs=1, verbose=0, callbacks=[doctor])
    assert doctor.record.steps.count < steps and doctor.record.looks[0].step == 0


@pytest.mark.any_backend
def test_what_does_not_let_itself_be_looked_at_is_said():
    one = HEALTHY["plain"](0)
    doctor = Doctor(one.x, np.zeros((len(one.x), 3, 5)))  # no targets of this loss
    one.model.fit(one.x, one.y, epochs=3, verbose=0, callbacks=[doctor])
    assert len(doctor.record.epochs) == 3 and not doctor.record.looks
    skipped = diagnose(doctor).skipped
    assert any("the inside" in what for what in skipped)
    assert any("the end" in what for what in skipped)


@pytest.mark.any_backend
def test_a_diagnosis_in_the_middle_of_a_training():
    one, seen, moved = HEALTHY["plain"](0), [], []

    class Ask(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(diagnose(doctor).names)
            moved.append(max(doctor.record.moved.values()))

    doctor = Doctor(one.x, one.y, one.valid)
    one.model.fit(one.x, one.y, epochs=5, verbose=0, callbacks=[doctor, Ask()])
    assert len(seen) == 5 and "not_learning" not in seen[-1]
    assert len(set(moved)) == 5  # each time measured anew


def test_a_metric_for_each_class_is_no_curve():
    x, y, _ = digits(0)
    model, doctor = mlp(), Doctor(x, y)
    each = keras.metrics.F1Score(average=None)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy", each])
    history = model.fit(x, np.eye(10)[y], epochs=2, verbose=0, callbacks=[doctor])
    assert np.ndim(history.history["f1_score"][0]) == 1
    assert "f1_score" not in doctor.record.epochs[0] and "accuracy" in doctor.record.epochs[0]
    diagnose(doctor), diagnose(history)


class Killed(Exception):
    """A training that is broken off."""


class Kill(keras.callbacks.Callback):
    """Raise at a step of this process."""

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == self.step:
            raise Killed

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


@pytest.mark.any_backend
def test_a_resumed_doctor_knows_what_an_uninterrupted_one_does(tmp_path):
    from coursekit.training import resumable_fit

    def run(folder, kill):
        keras.utils.set_random_seed(0)
        one = HEALTHY["plain"](0)
        doctor = Doctor(one.x, one.y, every=20)
        resumable_fit(one.model, one.x, one.y, folder, epochs=3, verbose=0, save_freq=7,
                      callbacks=[doctor, Kill(kill)])  # fmt: skip
        return doctor.record

    def numbers(record):
        looks = [
            [one.step, one.loss, one.rate, *one.gradients.values(), *one.updates.values()]
            for one in record.looks
        ]
        return looks, record.epochs, list(record.moved.values()), list(record.start.values())

    whole = run(tmp_path / "whole", 0)
    with pytest.raises(Killed):
        run(tmp_path / "killed", 40)
    again = run(tmp_path / "killed", 0)
    assert numbers(again) == numbers(whole)
    np.testing.assert_array_equal(again.steps.means, whole.steps.means)
