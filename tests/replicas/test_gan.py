"""Replicas would all draw the same z: a GAN says so before any work."""

import keras
import pytest
from keras import layers

from coursekit.training import GAN


def test_replicas_are_refused(strategy):
    with strategy.scope():
        generator = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
        discriminator = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
        gan = GAN(generator, discriminator)
        with pytest.raises(ValueError, match=r"one device: .* Received: replicas=2"):
            gan.compile("sgd", "sgd")
