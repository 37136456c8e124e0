"""Three logical CPU devices; they must be there before TensorFlow starts, so: a process of its own.

They prove that numbers are right, never that anything is faster.
"""

import pytest
import tensorflow as tf

from coursekit.distribution import mirrored

CPUS = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(CPUS[0], [tf.config.LogicalDeviceConfiguration()] * 3)


@pytest.fixture(scope="session")
def strategy():
    return mirrored(["CPU:0", "CPU:1"])
