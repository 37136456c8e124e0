"""Early stopping that a NaN cannot poison."""

import math
import warnings
from typing import Any

import keras

from coursekit._checks import count, number, one_of, require, switch
from coursekit._monitor import WAY_OUT, is_validated, refuse_unknown
from coursekit.callbacks._order import callbacks_beside


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's `EarlyStopping`, with NaN and infinity counted as the worst value.

    Keras takes the first value as the best one, also if it is NaN. Nothing is smaller or larger
    than NaN, so no later epoch improves, and training stops after `patience` epochs (Keras 3.13
    to 3.15). Here such an epoch is one without improvement, and a warning names the
    first one of a run.

    Args:
        monitor: what is watched, a name that `fit` records. Defaults to "val_loss".
        min_delta: a smaller change is no improvement. Defaults to 0.
        patience: training stops after so many epochs without improvement. Defaults to 0, as in
            Keras: the first worse epoch is the last one.
        verbose: 1 prints the epoch that stops. Defaults to 0.
        mode: "min", "max", or "auto", which asks the metric. Defaults to "auto".
        baseline: a value to improve on from the first epoch. Defaults to None.
        restore_best_weights: whether the model ends with the weights of its best epoch. Defaults
            to False, as in Keras: with those of the last one.
        start_from_epoch: earlier epochs are not watched. Defaults to 0.

    Raises:
        ValueError: for values out of range; when training begins, for a `start_from_epoch` that
            the run does not reach, for a `monitor` that begins with val_ without validation data,
            and for one that names no metric. (Where a training step, a metric or a callback of
            one's own may record more, that is seen after the first epoch.)

    Example:
        >>> stopping = EarlyStopping(monitor="val_loss", patience=2, mode="min")
        >>> stopping.set_model(keras.Sequential())
        >>> stopping.on_train_begin()
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     for epoch, value in enumerate([float("nan"), 0.9, 0.8]):
        ...         stopping.on_epoch_end(epoch, {"val_loss": value})
        >>> stopping.best, stopping.best_epoch
        (0.8, 2)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        self._told = False
        rule = "`monitor` must be the name of what `fit` records, such as 'val_loss'."
        require(isinstance(monitor, str), rule, monitor=monitor)
        super().__init__(
            monitor=monitor,
            min_delta=number("min_delta", min_delta),
            patience=count("patience", patience, 0),
            verbose=verbose,
            mode=one_of("mode", mode, ("auto", "min", "max")),
            baseline=None if baseline is None else number("baseline", baseline),
            restore_best_weights=switch("restore_best_weights", restore_best_weights),
            start_from_epoch=count("start_from_epoch", start_from_epoch, 0),
        )

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start anew, and refuse a start that the run does not reach."""
        super().on_train_begin(logs)
        self._told = False
        epochs = (self.params or {}).get("epochs")
        require(
            epochs is None or self.start_from_epoch < epochs,
            "`start_from_epoch` must be less than `epochs`: no epoch would be watched.",
            start_from_epoch=self.start_from_epoch,
            epochs=epochs,
        )
        before, behind = callbacks_beside(self)
        refuse_unknown(self, self.model, [*before, *behind], is_validated())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Compare; refuse a name that is not there, where Keras would warn after each epoch."""
        names = list(logs or {})
        of_validation = self.monitor.startswith("val_")
        if not of_validation:
            one_of("monitor", self.monitor, names)
        try:
            super().on_epoch_end(epoch, logs)
        except ValueError:  # Keras knows no direction for the name
            there = any(name.startswith("val_") for name in names)
            one_of("monitor", self.monitor, names, "" if there else WAY_OUT)
            raise

    def get_monitor_value(self, logs: dict | None) -> float | None:
        """Return the monitored value; the worst possible one where it is not finite."""
        value = super().get_monitor_value(logs)
        if value is None or math.isfinite(value):
            return value
        if not self._told:
            self._told = True  # once a run
            warnings.warn(
                f"`{self.monitor}` is {value}: EarlyStopping counts this epoch as one without "
                "improvement.",
                stacklevel=2,
            )
        return -math.inf if self.monitor_op is keras.ops.greater else math.inf

    def get_state(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here."""
        names = ("wait", "best", "best_epoch", "best_weights", "stopped_epoch")
        return {name: getattr(self, name) for name in names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of `get_state`; call it after `on_train_begin`."""
        for name in self.get_state():
            setattr(self, name, state[name])
