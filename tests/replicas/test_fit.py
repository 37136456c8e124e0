"""The same code on one device and on two: `fit` places the model and the batches by itself."""

import keras
import numpy as np

from coursekit import datasets
from coursekit.lessons import running_model


def train(rows, epochs=2):
    model = running_model(seed=4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    fashion = datasets.load_fashion_mnist()
    x, y = fashion.train.x[:rows], fashion.train.y[:rows]
    history = model.fit(x, y, batch_size=64, epochs=epochs, shuffle=False, verbose=0)
    return history.history["loss"], model


def test_two_devices_are_there(strategy):
    assert strategy.num_replicas_in_sync == 2


def test_the_running_model_trains_the_same_on_two_replicas(strategy):
    one_losses, one = train(rows=640)
    with strategy.scope():
        two_losses, two = train(rows=640)
    np.testing.assert_allclose(one_losses, two_losses, atol=1e-5)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    devices = {component.device for component in two.weights[0].value.values}
    assert len(devices) == 2, devices
