"""Evaluate and predict with the averaged weights, and get the raw ones back."""

from typing import Any

import keras
import numpy as np

from coursekit._checks import require, switch
from coursekit._optimizers import parts_of
from coursekit.callbacks._order import callbacks_beside


class SwapEMAWeights(keras.callbacks.SwapEMAWeights):
    """Keras's `SwapEMAWeights`, whose `predict` gives the raw weights back.

    After `predict`, Keras's own leaves the averaged weights in the model: its `on_predict_end`
    tests the opposite of what it should (Keras 3.13 to 3.15). Training then goes on from the
    average. And where a callback stops a run with `swap_on_epoch=True` before its last epoch, Keras
    ends with the raw weights (3.13 to 3.15); here the model has the average, unless
    `EarlyStopping(restore_best_weights=True)` chooses the weights.

    The moving statistics of batch normalization belong to the raw weights and are not averaged;
    with batch normalization use `StochasticWeightAveraging`, which measures them anew.

    Args:
        swap_on_epoch: as in `keras.callbacks.SwapEMAWeights`. Defaults to False.

    Raises:
        ValueError: for a `swap_on_epoch` that is no bool; when a run begins, for an optimizer
            without `use_ema=True`, and for an evaluation before the first update.

    Numerics: Keras swaps by adding and subtracting, so the raw weights come back up to rounding.

    References:
        Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging.
    """

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__(swap_on_epoch=switch("swap_on_epoch", swap_on_epoch))
        self._averaged: list | None = None
        self._stopped_after: int | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuse an optimizer without an average now, not after the first epoch."""
        self._averaged = self._stopped_after = None
        self._check()

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Put the average into the model."""
        self._check(trained=True)
        super().on_test_begin(logs)

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """Put the average into the model."""
        self._check(trained=True)
        super().on_predict_begin(logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Put the average into the model until the next epoch begins."""
        super().on_epoch_end(epoch, logs)
        if self.swap_on_epoch:
            self._averaged, self._stopped_after = self._weights(), epoch + 1

    def on_train_end(self, logs: dict | None = None) -> None:
        """Give the model the average also where another callback has stopped the run."""
        if self._averaged is None or self._stopped_after == self.params["epochs"]:
            return
        before, _ = callbacks_beside(self)
        if any(getattr(one, "restore_best_weights", False) for one in before):
            return
        for variable, average in zip(self.model.trainable_variables, self._averaged, strict=True):
            variable.assign(average)
        self._finalize_ema_values()

    def get_state(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here."""
        return {
            "averaged": self._averaged,
            "in_model": self._ema_weights_in_model,
            "stopped_after": self._stopped_after,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of `get_state`; call it after `on_train_begin`."""
        self._averaged, self._stopped_after = state["averaged"], state["stopped_after"]
        self._ema_weights_in_model = state["in_model"]

    def _weights(self):
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    def _check(self, trained=False):
        optimizer = getattr(self.model, "optimizer", None)
        averaging = [one for one in parts_of(optimizer) if getattr(one, "use_ema", False)]
        require(
            bool(averaging),
            "The optimizer of the model must average weights.",
            "Compile with an optimizer that has `use_ema=True`",
            optimizer=type(optimizer).__name__,
        )
        steps = [int(np.array(keras.ops.convert_to_numpy(one.iterations))) for one in averaging]
        require(
            not trained or max(steps) > 0,
            "The average of the weights begins with the first update.",
            "Train the model first",
            iterations=max(steps),
        )

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Bring the raw weights back, as after `evaluate`."""
        self.on_test_end(logs)
