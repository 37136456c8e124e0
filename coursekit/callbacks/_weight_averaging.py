"""Stochastic weight averaging, with the pass over the data that batch normalization needs."""

import warnings
from typing import Any

import keras
import numpy as np

from coursekit._checks import brief, count, require
from coursekit.callbacks._batches_of import Inputs, check_kind
from coursekit.callbacks._order import callbacks_beside


class StochasticWeightAveraging(keras.callbacks.Callback):
    """Train on, average the weights of the epochs from some epoch on, and end with the average.

    ```
    mean <- mean + (weights - mean) / n        after epoch start_from_epoch + n
    ```

    When training ends, the model gets the average. The moving statistics of batch normalization
    belong to weights that no epoch ever had, so they are measured anew in one pass over
    `refresh_data`; with the old ones accuracy can fall to chance. Keras's `use_ema` averages the
    weights too, and leaves the statistics as they are.

    Averaging pays with a learning rate that stays high: the weights circle around a minimum, and
    their mean lies nearer to it. After a rate that has decayed to zero there is little to average.

    Args:
        start_from_epoch: how many epochs pass before the first one that counts: at least 0, less
            than the epochs of the run.
        refresh_data: inputs like the training data: an array, a dict or list with an array for
            each input, or a list of batches, a dataset, `PyDataset` or generator (of a batch that
            is a tuple the first part is taken). Needed when the model holds a trainable
            `BatchNormalization`. It must end. Where its length is not known (a generator), no more
            batches are read than the training made.
        batch_size: of the pass over arrays, at least 1. As in training: the statistics depend on
            it. Defaults to 32.

    Raises:
        ValueError: for values out of range. When training begins, for what could not be finished:
            batch normalization without `refresh_data`, or with data that has no end, no batch, or
            does not fit the model; a `start_from_epoch` that the run does not reach; a callback
            that would throw the average away (`EarlyStopping(restore_best_weights=True)` behind
            this one, `SwapEMAWeights(swap_on_epoch=True)`, a second average).

    Warns:
        UserWarning: if the run was stopped before an epoch counted, and if the statistics could not
            be measured after all. The model has the weights of the last epoch then.

    Numerics: the average is kept in float64. A statistic is the mean over the batches, weighted
    by rows. Other state (random seeds, metrics) is as before the pass. A training that is
    interrupted keeps its last weights.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile(keras.optimizers.SGD(0.5), "mse")
        >>> model.set_weights([np.array([[1.0]])])
        >>> swa = StochasticWeightAveraging(start_from_epoch=1)
        >>> x = np.ones((4, 1))
        >>> _ = model.fit(x, 3 * x, epochs=3, callbacks=[swa], verbose=0)
        >>> swa.averaged_epochs, float(model.get_weights()[0][0, 0])
        (2, 3.0)

    References:
        Izmailov et al. 2018, arXiv:1803.05407, algorithm 1.
    """

    def __init__(self, start_from_epoch: int, refresh_data: Any = None, batch_size: int = 32):
        super().__init__()
        self.start_from_epoch = count("start_from_epoch", start_from_epoch, 0)
        check_kind(refresh_data)
        self.refresh_data = refresh_data
        self.batch_size = count("batch_size", batch_size)
        self.averaged_epochs, self._epochs_seen = 0, 0
        self._means: list | None = None
        self._inputs: Inputs | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start anew, and refuse what could not be finished."""
        self.averaged_epochs, self._means = 0, None
        self._epochs_seen, self._inputs = 0, None
        epochs = (self.params or {}).get("epochs")
        require(
            epochs is None or self.start_from_epoch < epochs,
            "`start_from_epoch` must be less than `epochs`: nothing would be averaged.",
            start_from_epoch=self.start_from_epoch,
            epochs=epochs,
        )
        self._check_order()
        if layers := self._normalizations():
            if self.refresh_data is None:
                raise ValueError(
                    f"`refresh_data` is needed, because the model has batch normalization "
                    f"({layers[0].name}), whose statistics do not belong to averaged weights. "
                    "Received: refresh_data=None. Pass the training inputs."
                )
            self._inputs = Inputs(self.refresh_data, self.model, self.batch_size)

    def _check_order(self):
        """Refuse callbacks that would undo the average."""
        before, behind = callbacks_beside(self)
        for one in (*before, *behind):
            name, cure = type(one).__name__, ""
            if isinstance(one, keras.callbacks.SwapEMAWeights) and one.swap_on_epoch:
                cure = f"{name}(swap_on_epoch=True). Use one average of the two"
            elif one in behind and isinstance(one, StochasticWeightAveraging):
                cure = f"{name} twice. Use one"
            elif one in behind and getattr(one, "restore_best_weights", False) is True:
                cure = f"{name}(restore_best_weights=True) behind it. Put {name} before it"
            if cure:
                raise ValueError(
                    "The model must keep the average of StochasticWeightAveraging, which another "
                    f"of the callbacks would throw away. Received: {cure}."
                )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the weights of this epoch to the average."""
        self._epochs_seen += 1
        if epoch < self.start_from_epoch:
            return
        weights = [np.asarray(v, "float64") for v in self._weights()]
        self.averaged_epochs += 1
        if self._means is None:
            self._means = weights
            return
        for mean, weight in zip(self._means, weights, strict=True):
            mean += (weight - mean) / self.averaged_epochs

    def on_train_end(self, logs: dict | None = None) -> None:
        """Give the average to the model, and measure the statistics anew."""
        if self._means is None:
            warnings.warn(
                f"StochasticWeightAveraging averaged no epoch: the run ended after "
                f"{self._epochs_seen}, before start_from_epoch={self.start_from_epoch}. The model "
                "has the weights of its last epoch.",
                stacklevel=2,
            )
            return
        last = [np.array(keras.ops.convert_to_numpy(v)) for v in self.model.weights]
        try:
            for variable, mean in zip(self.model.trainable_variables, self._means, strict=True):
                variable.assign(mean.astype(variable.dtype))
            self._refresh(self._normalizations())
        except Exception as error:  # to raise here would lose the history of the run
            for variable, value in zip(self.model.weights, last, strict=True):
                variable.assign(value)
            warnings.warn(
                "StochasticWeightAveraging could not measure the statistics of batch "
                f"normalization: {type(error).__name__}: {brief(str(error), 500)}. The model has "
                "the weights of its last epoch. The average is kept: mend `refresh_data`, and call "
                "`on_train_end()` of this callback.",
                stacklevel=2,
            )

    def get_state(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here."""
        return {
            "averaged_epochs": self.averaged_epochs,
            "epochs_seen": self._epochs_seen,
            "means": self._means,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of `get_state`; call it after `on_train_begin`."""
        self.averaged_epochs, self._means = state["averaged_epochs"], state["means"]
        self._epochs_seen = state["epochs_seen"]

    def _weights(self):
        return [keras.ops.convert_to_numpy(v) for v in self.model.trainable_variables]

    def _batches(self):
        """Return the batches of the data, those seen to fit if they have not been read yet."""
        inputs, self._inputs = self._inputs, None
        if inputs is None:
            inputs = Inputs(self.refresh_data, self.model, self.batch_size)
        steps = (self.params or {}).get("steps") or 1
        return inputs.batches(most=steps * max(self._epochs_seen, 1))

    def _normalizations(self):
        kind = keras.layers.BatchNormalization
        layers = self.model._flatten_layers(include_self=False)
        return [layer for layer in layers if isinstance(layer, kind) and layer.trainable]

    def _refresh(self, layers):
        """Set the statistics of these layers to their mean over the batches."""
        if not layers:
            return
        statistics = [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]
        others = [v for v in self.model.non_trainable_variables if not _among(v, statistics)]
        kept = [keras.ops.convert_to_numpy(v) for v in others]
        momenta = [layer.momentum for layer in layers]
        sums, rows, largest = [0.0] * len(statistics), 0, 0
        try:
            for layer in layers:
                layer.momentum = 0.0  # a moving statistic is then that of the last batch
            for batch in self._batches():
                self.model(batch, training=True)
                size = len(keras.tree.flatten(batch)[0])
                rows, largest = rows + size, max(largest, size)
                for k, variable in enumerate(statistics):
                    sums[k] = sums[k] + size * np.asarray(
                        keras.ops.convert_to_numpy(variable), "float64"
                    )
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
            for variable, value in zip(others, kept, strict=True):
                variable.assign(value)
        for variable, total in zip(statistics, sums, strict=True):
            if not np.isfinite(total).all():
                raise ValueError(
                    "`refresh_data` must give finite statistics. Received: NaN or infinity in "
                    f"{variable.path}"
                )
        if largest == 1 and not all(total.any() for total in sums[1::2]):
            raise ValueError(
                "`refresh_data` must have batches of more than one row, which has no variance. "
                f"Received: {rows} batches of one row. Set a larger `batch_size`"
            )
        for variable, total in zip(statistics, sums, strict=True):
            variable.assign((total / rows).astype(variable.dtype))


def _among(variable, variables) -> bool:
    return any(variable is one for one in variables)
