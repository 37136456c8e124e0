"""The last resort of `fit_many`: `fit`, fed with the same batches in the same order."""

import numpy as np

from coursekit.training.many._data import batch_order


def fit_one(model, data, rows, seed, validation, validation_rows, **settings):
    """Train one model by `fit` and return its `History`. Any backend, any strategy."""
    import keras

    batch_size, shuffle = settings.pop("batch_size"), settings.pop("shuffle")

    class Batches(keras.utils.PyDataset):
        epoch = 0

        def __len__(self):
            return -(-len(rows) // batch_size)

        def __getitem__(self, index):
            order = batch_order(rows, seed, self.epoch, shuffle)
            return _fed(data.take(order[index * batch_size : (index + 1) * batch_size]))

    batches = Batches()

    class Order(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            batches.epoch = epoch

    history = keras.callbacks.History()
    callbacks = [Order(), history, *settings.pop("callbacks")]
    if validation is not None:
        settings["validation_data"] = _fixed_batches(validation, validation_rows, batch_size)
    try:
        model.fit(batches, shuffle=False, callbacks=callbacks, verbose=0, **settings)
    except KeyboardInterrupt:
        return history, True
    return history, False


def _fixed_batches(data, rows, batch_size):
    import keras

    class Fixed(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(rows) // batch_size)

        def __getitem__(self, index):
            return _fed(data.take(np.asarray(rows[index * batch_size : (index + 1) * batch_size])))

    return Fixed()


def _fed(batch):
    """Text as TensorFlow's strings: `fit` takes it so from a `PyDataset`, not as objects."""
    import keras

    if all(leaf.dtype.kind not in "OUS" for leaf in keras.tree.flatten(batch)):
        return batch
    import tensorflow as tf

    return keras.tree.map_structure(
        lambda leaf: tf.constant(leaf.astype(object)) if leaf.dtype.kind in "OUS" else leaf, batch
    )
