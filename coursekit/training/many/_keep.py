"""Keeps a `fit_many` in a folder, epoch by epoch: a kill costs at most a few epochs."""

from pathlib import Path
from typing import Any

import keras

from coursekit._claim import Parts
from coursekit.training import _resume_callbacks as of_callbacks
from coursekit.training._resume_data import as_fed
from coursekit.training._resume_folder import Checkpoints
from coursekit.training._resume_recipe import Rates, told
from coursekit.training._resume_run import Clock
from coursekit.training._resume_state import assign, build, forget_interrupt, values_of


class Keep:
    """The folder of one call of `fit_many`.

    Args:
        path: the folder.
        members: the models with their rows, seeds and callbacks.
        settings: what else decides the training, by the name of the argument.
        first: a batch, to build the models with.
        version: as in `resumable_fit`.

    Raises:
        ValueError: as `resumable_fit` for its folder and callbacks.
    """

    def __init__(self, path: Path, members: list, settings: dict[str, Any], first, version):
        for member in members:
            of_callbacks.check_callbacks(member.callbacks)
        self.path, self.clock = path, Clock("auto")
        self.rates = [Rates(member.model) for member in members]
        self.checkpoints = Checkpoints(path)
        try:
            for member in members:
                build(member.model, as_fed(first))
                forget_interrupt(member.model)
            parts = {
                "models": [told(member.model, version) for member in members],
                "learning_rate": [rates.came for rates in self.rates],
                "rows": [member.rows for member in members],
                "validation_rows": [member.validation_rows for member in members],
                "seed": [member.seed for member in members],
                "callbacks": [of_callbacks.recipe_of(member.callbacks) for member in members],
                "backend": keras.backend.backend(),
                **settings,
            }
            self.checkpoints.claim_for(Parts(parts, version))
        except BaseException:
            self.checkpoints.close()
            raise

    def close(self) -> None:
        """Let others have the folder."""
        for rates in self.rates:
            rates.leave()
        self.checkpoints.close()

    def alone(self, number: int) -> Checkpoints:
        """Return a folder inside for a model that goes to `fit`."""
        inner = Checkpoints(self.path / f"model_{number:04d}")
        inner.claim = self.checkpoints.claim
        return inner

    def begin(self, members: list) -> int:
        """Begin the training of the members, where it was kept last; return the next epoch."""
        kept = self.checkpoints.newest()
        states = kept["members"] if kept else [None] * len(members)
        for member, one in zip(members, states, strict=True):
            callbacks = member.hooks.callbacks
            if one:
                assign(member.model, one["variables"])
                of_callbacks.before_training(callbacks, one["callbacks"])
            with of_callbacks.Appending(callbacks, resumed=bool(one)):
                member.hooks.on_train_begin()
            of_callbacks.check_callbacks(callbacks, begun=True)
            if one:
                assign(member.model, one["variables"])
                of_callbacks.put_back(callbacks, one["callbacks"])
                member.active, member.done = one["active"], one["done"]
                member.model.stop_training = not member.active
        return kept["epoch"] if kept else 0

    def save(self, members: list, epoch: int, last: bool) -> None:
        """Keep the end of an epoch, if it is time."""
        if not (last or self.clock.due(epoch, True)):
            return
        for member in members:
            member.write()
        state = {
            "epoch": epoch,
            "members": [
                {
                    "variables": values_of(member.model),
                    "callbacks": of_callbacks.states_of(member.hooks.callbacks),
                    "active": member.active,
                    "done": member.done,
                }
                for member in members
            ],
        }
        self.clock.timed(lambda: self.checkpoints.save(epoch, state))
