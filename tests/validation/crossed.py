"""Data, builders and calls that the tests of cross-validation share."""

import keras
import numpy as np

from coursekit.validation import cross_validate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5] + 3 + 0.3 * RNG.normal(size=60)).astype("float32")
BINARY = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0).astype("int64")
THREE = (np.digitize(X[:, 0] + 0.3 * RNG.normal(size=60), [-0.5, 0.5])).astype("int64")
CE = keras.losses.SparseCategoricalCrossentropy
BCE = keras.losses.BinaryCrossentropy


def builder(units=1, loss="mse", activation=None, optimizer=None, metrics=None, width=3):
    def build_model():
        layer = keras.layers.Dense(units, activation=activation)
        model = keras.Sequential([keras.Input((width,)), layer])
        own = optimizer() if optimizer else keras.optimizers.SGD(0.05)
        model.compile(own, loss, metrics=metrics)
        return model

    return build_model


def run(build=None, x=X, y=Y, cv=3, **options):
    options.setdefault("verbose", 0)
    return cross_validate(build or builder(), x, y, cv, **options)
