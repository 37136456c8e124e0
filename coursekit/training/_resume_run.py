"""One training that can be resumed: its position, its checkpoints, the events of its callbacks."""

import time
from typing import Any

import keras

from coursekit import _randomness
from coursekit.training import _resume_callbacks as state_of_callbacks
from coursekit.training._resume_data import Feed
from coursekit.training._resume_folder import Checkpoints
from coursekit.training._resume_state import assign, values_of

SHARE = 0.015  # of the time so far, at most, that checkpoints may take


class Clock:
    """Says when a checkpoint is due.

    Args:
        frequency: a number of batches; "epoch"; or "auto": as soon as the next one, if it costs
            what the last one did, leaves all of them below `SHARE` of the time.
    """

    def __init__(self, frequency: int | str):
        self.frequency = frequency
        self.began = time.monotonic()
        self.spent = self.last = 0.0

    def due(self, step: int, at_end: bool) -> bool:
        """Whether to save after this step; `at_end` of an epoch."""
        if self.frequency == "auto":
            elapsed = time.monotonic() - self.began
            return self.spent + max(self.last, 0.01) <= SHARE * elapsed
        return at_end or (isinstance(self.frequency, int) and step % self.frequency == 0)

    def timed(self, save) -> bool:
        """Call a function that saves, and count its time."""
        begin = time.monotonic()
        try:
            return save()
        finally:
            self.last = time.monotonic() - begin
            self.spent += self.last


class Run:
    """A training on its way.

    Args:
        model: built, with its metrics and its optimizer.
        feed: its batches.
        checkpoints: where they are kept; None: nowhere.
        epochs: how many.
        frequency: of the checkpoints.
        settings: for `fit`: verbose and what concerns validation.
    """

    def __init__(self, model, feed: Feed, checkpoints: Checkpoints, epochs: int,
                 frequency: int | str, settings: dict[str, Any]):  # fmt: skip
        self.model, self.feed, self.checkpoints = model, feed, checkpoints
        self.epochs, self.settings = epochs, settings
        self.clock = Clock(frequency)
        self.epoch = self.done = 0
        self.stopped, self.logs = False, None
        self.resumed: dict[str, Any] | None = None

    def __call__(self, callbacks: list) -> keras.callbacks.History:
        """Train what is left, and return the history of all of it."""
        verbose = self.settings["verbose"]
        events = Events(self, callbacks, add_history=True, add_progbar=verbose != 0,
                        model=self.model, epochs=self.epochs, steps=self.feed.length,
                        verbose=verbose)  # fmt: skip
        self.callbacks = events.callbacks
        self.resumed = self.checkpoints.newest()
        if self.resumed is not None:
            self.epoch, self.done = self.resumed["epoch"], self.resumed["done"]
            self.stopped, self.logs = self.resumed["stopped"], self.resumed["logs"]
            state_of_callbacks.before_training(self.callbacks, self.resumed["callbacks"])
            assign(self.model, self.resumed["variables"])
        optimizer = self.model.optimizer
        # Of one training, however many calls of `fit` it takes: the average of the weights, say,
        # takes their place at its end only.
        vars(optimizer)["finalize_variable_values"] = lambda variables: None
        try:
            for segment in self.feed.segments(self.epoch, self.done, self.epochs):
                if self.stopped:
                    break
                events.skip = segment.skip
                self.model.fit(
                    segment.x, initial_epoch=segment.first, epochs=segment.last, shuffle=False,
                    callbacks=events, **self.settings,
                )  # fmt: skip
            if self.resumed is not None:  # there was nothing left
                events.on_train_begin()
                _randomness.set_state(self.resumed["random"])
        finally:
            vars(optimizer).pop("finalize_variable_values", None)
        self.model.stop_training = self.stopped
        optimizer.finalize_variable_values(self.model.trainable_variables)
        events.end(self.logs)
        return self.model.history

    def begin(self) -> None:
        """Put the callbacks' state back, and all variables that they may have changed."""
        if self.resumed is not None:
            state_of_callbacks.put_back(self.callbacks, self.resumed["callbacks"])
            assign(self.model, self.resumed["variables"])

    def begin_epoch(self, epoch: int) -> bool:
        """Return whether the epoch begins here, and was not interrupted in its middle."""
        self.epoch, self.feed.epoch = epoch, epoch
        resumed, self.resumed = self.resumed, None
        if resumed is None:
            return True
        assign(self.model, resumed["variables"])
        if not self.done:
            self.model.reset_metrics()  # as `fit` has done; in the middle they go on
        _randomness.set_state(resumed["random"])
        return not self.done

    def end_batch(self) -> None:
        """Count a batch whose callbacks have been called."""
        self.done += 1
        step = self.epoch * self.feed.length + self.done
        inside = self.done < self.feed.length and not self.model.stop_training
        if inside and self.clock.due(step, False):
            self.save(step)

    def end_epoch(self, logs) -> None:
        """Count an epoch whose callbacks have been called."""
        self.epoch, self.done = self.epoch + 1, 0
        self.stopped, self.logs = bool(self.model.stop_training), logs
        step = self.epoch * self.feed.length
        if self.stopped or self.epoch == self.epochs or self.clock.due(step, True):
            self.save(step)

    def save(self, step: int) -> None:
        """Keep all that the rest of the training depends on."""
        self.clock.timed(lambda: self.checkpoints.save(step, self._state()))

    def _state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "done": self.done,
            "stopped": self.stopped,
            "logs": self.logs,
            "variables": values_of(self.model),
            "callbacks": state_of_callbacks.states_of(self.callbacks),
            "random": _randomness.state(),
        }


class Events(keras.callbacks.CallbackList):
    """The callbacks of one training, whose `fit` may be called several times.

    Its beginning and end are told once, the batches counted from the beginning of their epoch, and
    an epoch that goes on is not begun again.
    """

    def __init__(self, run: Run, callbacks: list, **settings):
        self.run, self.skip, self.begun = run, 0, False
        super().__init__(callbacks, **settings)

    def on_train_begin(self, logs=None):
        if not self.begun:
            self.begun = True
            resumed = self.run.resumed is not None
            with state_of_callbacks.Appending(self.callbacks, resumed):
                super().on_train_begin(logs)
            state_of_callbacks.check_callbacks(self.callbacks, begun=True)
            self.run.begin()

    def on_epoch_begin(self, epoch, logs=None):
        if self.run.begin_epoch(epoch):
            super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(self.skip + batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(self.skip + batch, logs)
        self.run.end_batch()

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.run.end_epoch({name: _number(value) for name, value in (logs or {}).items()})

    def on_train_end(self, logs=None):
        """Not yet: another `fit` may follow."""

    def end(self, logs=None):
        """Tell the end."""
        super().on_train_end(logs)


def _number(value):
    array = keras.ops.convert_to_numpy(value)
    return float(array) if array.ndim == 0 else array
