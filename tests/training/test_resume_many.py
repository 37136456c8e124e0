"""`fit_many` and `cross_validate`, killed between two epochs and called again."""

import keras
import numpy as np
import pytest
from resume_cases import C, L, arrays, compiled, network, optimizers

from coursekit import cross_validate
from coursekit.training import fit_many
from coursekit.training._resume_state import variables_of
from coursekit.training.many._keep import Keep
from coursekit.validation import _run


class Killed(BaseException):
    pass


class Kill(C.Callback):
    def __init__(self, at=-1):
        super().__init__()
        self.at = at

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise Killed

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


class AtBatches(Kill):
    def on_train_batch_begin(self, batch, logs=None):
        pass


class Own(L.Layer):
    def call(self, x):
        return keras.ops.tanh(x)


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr("coursekit.training._resume_run.Clock.due", lambda *args: True)


def models(route):
    keras.utils.set_random_seed(4)
    kinds = [lambda: L.Dropout(0.3), *([Own] if route == "own" else [])]
    return [
        compiled(network(*(kind() for kind in kinds)), optimizers.Adam(rate))
        for rate in (0.05, 0.1)
    ]


def train(route, folder, at=-1):
    made = models(route)
    (x, y), validation = arrays()
    kind = AtBatches if route == "fit" else Kill
    callbacks = lambda k: [
        C.EarlyStopping("val_loss", patience=1, min_delta=[0, 9][k]),
        C.ReduceLROnPlateau("val_loss", patience=1, min_delta=9),
        kind(at),
    ]
    histories = fit_many(made, x, y, validation_data=validation, epochs=5, batch_size=16,
                         callbacks=callbacks, verbose=0, folder=folder)  # fmt: skip
    bits = [np.asarray(v).tobytes() for model in made for v in variables_of(model)]
    return bits, [history.history for history in histories], [h.epoch for h in histories]


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("route", ["shared", "own", "fit"])
def test_killed_and_called_again(route, tmp_path):
    whole = train(route, tmp_path / "whole")
    assert [len(epochs) for epochs in whole[2]] == [5, 2]  # the second one stops early
    for at in (1, 3):
        with pytest.raises(Killed):
            train(route, tmp_path / "killed", at)
    assert train(route, tmp_path / "killed") == whole
    assert train(route, tmp_path / "killed") == whole  # at its end


def test_what_cannot_be_resumed_is_refused_by_name(tmp_path):
    (x, y), _ = arrays()
    with pytest.raises(ValueError, match="LambdaCallback: its functions"):
        fit_many(models("shared"), x, y, folder=tmp_path, callbacks=lambda k: [C.LambdaCallback()])
    fit_many(models("shared"), x, y, folder=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="epochs differs"):
        fit_many(models("shared"), x, y, folder=tmp_path, epochs=2, verbose=0)


@pytest.mark.slow
def test_a_cross_validation_goes_on_in_the_middle_of_its_folds(tmp_path, monkeypatch):
    (x, y), _ = arrays()

    def run(folder):
        build = lambda: compiled(network(L.Dropout(0.2)), optimizers.Adam(0.05))
        return cross_validate(build, x, y, cv=3, fit_kwargs={"epochs": 4}, folder=folder, verbose=0)

    whole, save, epochs, last = run(tmp_path / "whole"), Keep.save, [], [(2, 2)]

    def watched(self, members, epoch, ended):
        epochs.append(epoch)
        save(self, members, epoch, ended)
        if (epochs.count(1), epoch) in last:
            raise Killed

    monkeypatch.setattr(Keep, "save", watched)
    with pytest.raises(Killed):
        run(tmp_path / "killed")
    assert list((tmp_path / "killed").glob(f"{_run.RUNNING}*/checkpoint_*.npz"))
    epochs.clear()
    last.clear()
    again = run(tmp_path / "killed")
    assert epochs == [3, 4, 1, 2, 3, 4]  # the second fold goes on; the first one had been kept
    np.testing.assert_array_equal(again.predictions, whole.predictions)
    assert again.histories == whole.histories
    assert not list((tmp_path / "killed").glob(f"{_run.RUNNING}*"))
