"""Two logical CPU devices; they must be there before TensorFlow starts, so: a process of its own.

They prove that numbers are right, never that anything is faster.
"""

import pytest
import tensorflow as tf

CPUS = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(CPUS[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def strategy():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
