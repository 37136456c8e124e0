"""Models, data and the comparison with `fit` for the tests of `fit_many`."""

import keras
import numpy as np

from coursekit.training import fit_many

L = keras.layers
# On TensorFlow most of a short `fit` is tracing; on JAX the eager way is the slow one.
EAGER = keras.backend.backend() == "tensorflow"
RNG = np.random.default_rng(0)
ROWS = 37
TABLE = RNG.normal(size=(ROWS, 6)).astype("float32")
IMAGES = RNG.normal(size=(ROWS, 5, 5, 2)).astype("float32")
SEQUENCE = RNG.normal(size=(ROWS, 4, 3)).astype("float32")
TOKENS = RNG.integers(0, 9, size=(ROWS, 5)).astype("int32")
CLASSES = RNG.integers(0, 3, ROWS).astype("int32")
TARGET = TABLE.sum(1, keepdims=True)


def dense():
    return TABLE, [L.Dense(8, activation="relu"), L.Dense(3)]


def mixed_layers():
    return TABLE, [L.Dense(8, use_bias=False), L.BatchNormalization(), L.Dropout(0.3), L.Dense(3)]


def convolution():
    return IMAGES, [
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.MaxPooling2D(),
        L.SpatialDropout2D(0.2),
        L.Flatten(),
        L.Dense(3),
    ]


def separable():
    return IMAGES, [L.SeparableConv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(3)]


def lstm():
    return SEQUENCE, [L.LSTM(5, dropout=0.2), L.Dense(3)]


def gru():
    return SEQUENCE, [L.Bidirectional(L.GRU(4)), L.Dense(3)]


def embedding():
    return TOKENS, [L.Embedding(9, 4), L.GlobalAveragePooling1D(), L.Dense(3)]


def masked():
    return TOKENS, [L.Embedding(9, 4, mask_zero=True), L.LSTM(4), L.Dense(3)]


def norms():
    return TABLE, [L.Dense(8), L.LayerNormalization(), L.GaussianNoise(0.1), L.Dense(3)]


def regularized():
    return TABLE, [
        L.Dense(8, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.01)),
        L.ActivityRegularization(l2=0.01),
        L.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.5)),
    ]


def augmented():
    return IMAGES, [L.RandomFlip(), L.Rescaling(2.0), L.Flatten(), L.Dense(3)]


def masking():
    return np.where(SEQUENCE[:, :, :1] > 0, SEQUENCE, 0), [L.Masking(), L.GRU(4), L.Dense(3)]


def lambdas():
    return TABLE, [L.Dense(4), L.Lambda(lambda x: x * keras.ops.sigmoid(x)), L.Dense(3)]


def nested():
    bare = L.Dense(4, use_bias=False)  # batch norm takes a bias away: noise would be left of it
    inner = keras.Sequential([keras.Input((6,)), bare, L.BatchNormalization(), L.Dropout(0.2)])
    a = keras.Input((4,))
    outer = keras.Model(a, L.add([a, L.Dense(4, activation="relu")(a)]))
    return TABLE, [inner, outer, L.Dense(3)]


class Attention(L.Layer):  # a layer of one's own
    def __init__(self):
        super().__init__()
        self.attention = L.MultiHeadAttention(2, 3, dropout=0.1)

    def call(self, x, training=None):
        return self.attention(x, x, training=training)


def own_layer():
    return SEQUENCE, [Attention(), L.Flatten(), L.Dense(3)]


def make(layers, k, optimizer=None, loss=None, metrics=("accuracy",), **compiling):
    keras.utils.set_random_seed(k)
    x, stack = layers()
    model = keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype), *stack])
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"  # XLA: test_xla
    compiling = {"metrics": list(metrics), "jit_compile": jit, **compiling}
    model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.01), loss, **compiling)
    return model


def order_of(rows, k, epochs):
    return [np.random.default_rng([k, e]).permutation(rows) for e in range(epochs)]


class Epochs(keras.utils.PyDataset):
    """The batches that `fit_many` promises, for `fit`."""

    def __init__(self, arrays, orders, batch_size):
        super().__init__()
        self.arrays, self.orders, self.size, self.epoch = arrays, orders, batch_size, 0

    def __len__(self):
        return -(-len(self.orders[0]) // self.size)

    def __getitem__(self, index):
        rows = self.orders[self.epoch][index * self.size : (index + 1) * self.size]
        return part_of(self.arrays, rows)


def fit_reference(
    model, arrays, rows, k, epochs, batch_size, callbacks=(), validation=None, eager=True
):
    model.run_eagerly = eager  # the same operations, without tracing
    batches = Epochs(arrays, order_of(rows, k, epochs), batch_size)
    turn = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch)
    )
    return model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        callbacks=[turn, *callbacks],
        validation_data=validation,
        validation_batch_size=batch_size if validation else None,
        verbose=0,
    )


def state(model):
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def assert_same(ours, theirs, tolerance=1e-6):
    assert len(state(ours)) == len(state(theirs))
    for a, b in zip(state(ours), state(theirs), strict=True):
        a, b = np.float64(a.numpy()), np.float64(b.numpy())
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=str(b.shape))


def assert_same_history(ours, theirs, tolerance=1e-5):
    names = {name.rstrip("_0123456789") for name in theirs.history}
    assert {name.rstrip("_0123456789") for name in ours.history} == names
    assert ours.epoch == theirs.epoch
    for a, b in zip(ours.history.values(), theirs.history.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def part_of(arrays, rows):
    return tuple(keras.tree.map_structure(lambda a: a[rows], part) for part in arrays)


def compare(build, x, y, capsys=None, tolerance=1e-6, weight=None, eager=True, only=(0, 1)):
    """Train by `fit_many` and by `fit`, on different rows with partial batches."""
    rows = [np.arange(0, 29), np.arange(5, 37)]
    held = [np.arange(29, 37), np.arange(0, 5)]
    ours = [build(k) for k in range(2)]
    histories = fit_many(
        ours, x, y, rows=rows, validation_rows=held, sample_weight=weight,
        epochs=2, batch_size=8, seed=3, verbose=1 if capsys else 0,
    )  # fmt: skip
    told = capsys.readouterr().out if capsys else ""
    arrays = (x, y) if weight is None else (x, y, weight)
    for k in only:
        theirs = build(k)
        validation = part_of(arrays, held[k])
        history = fit_reference(theirs, arrays, rows[k], 3 + k, 2, 8, (), validation, eager)
        assert_same(ours[k], theirs, tolerance)
        assert_same_history(histories[k], history, 10 * tolerance)
        assert ours[k].history is histories[k]
    return told
