"""The last resort of `fit_many`: `fit`, fed with the same batches in the same order."""

import numpy as np

from coursekit.training._resume_data import Arrays, as_fed
from coursekit.training._resume_run import Run
from coursekit.training.many._data import batch_order


def fit_one(model, data, rows, seed, validation, validation_rows, **settings):
    """Train one model by `fit` and return its `History`. Any backend, any strategy."""
    import keras

    batch_size, shuffle = settings.pop("batch_size"), settings.pop("shuffle")
    if validation is not None:
        settings["validation_data"] = _fixed_batches(validation, validation_rows, batch_size)
    keep = settings.pop("keep")
    if keep:
        return _resumed(keep, model, data, rows, seed, batch_size, shuffle, **settings)

    class Batches(keras.utils.PyDataset):
        epoch = 0

        def __len__(self):
            return -(-len(rows) // batch_size)

        def __getitem__(self, index):
            order = batch_order(rows, seed, self.epoch, shuffle)
            return as_fed(data.take(order[index * batch_size : (index + 1) * batch_size]))

    batches = Batches()

    class Order(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            batches.epoch = epoch

    history = keras.callbacks.History()
    callbacks = [Order(), history, *settings.pop("callbacks")]
    try:
        model.fit(batches, shuffle=False, callbacks=callbacks, verbose=0, **settings)
    except KeyboardInterrupt:
        return history, True
    return history, False


def _resumed(checkpoints, model, data, rows, seed, batch_size, shuffle, callbacks, epochs, **more):
    """Train by `fit`, killed and taken up where it was."""
    feed = Arrays(data, batch_size, shuffle, seed, rows)
    settings = {"validation_data": None, "verbose": 0, **more}
    try:
        return Run(model, feed, checkpoints, epochs, "auto", settings)(callbacks), False
    except KeyboardInterrupt:
        return model.history, True
    finally:
        checkpoints.close()


def _fixed_batches(data, rows, batch_size):
    import keras

    class Fixed(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(rows) // batch_size)

        def __getitem__(self, index):
            return as_fed(
                data.take(np.asarray(rows[index * batch_size : (index + 1) * batch_size]))
            )

    return Fixed()
