"""Two strategies over the same devices, in a process of its own: a clash would spoil all others."""

import subprocess
import sys
import textwrap

import pytest

HEAD = """
import keras, numpy as np, tensorflow as tf
from coursekit.distribution import lint, mirrored, parity, virtual_devices
from coursekit.distribution.step import ReplicaModel

devices = virtual_devices(2)

def build(width, fails=False, kind=ReplicaModel):
    x = keras.Input((width,))
    model = kind(x, keras.layers.Dense(width)(x))
    def loss(y, p):
        return keras.ops.matmul(y, p) if fails else keras.ops.mean((y - p) ** 2, -1)
    model.compile("sgd", loss, jit_compile=False)
    return model

def train(strategy, width, fails=False, kind=ReplicaModel):
    with strategy.scope():
        model = build(width, fails, kind)
    x = np.ones((7, width), "float32")
    return model.fit(x, x, batch_size=4, verbose=0).history["loss"]
"""
CASES = {
    "a cell run again": """
for width in (3, 5, 4):
    train(tf.distribute.MirroredStrategy(devices), width)
assert parity(lambda: build(6), (np.ones((8, 6)), np.ones((8, 6)))).equal
assert parity(lambda: build(2), (np.ones((8, 2)), np.ones((8, 2)))).equal
""",
    "the same one each time": """
strategy = mirrored(devices)
train(strategy, 3)
assert strategy.num_replicas_in_sync == 2 and mirrored(tuple(devices)) is strategy
train(mirrored(devices), 5)
""",
    "after a failed training": """
def failing(width):
    try:
        train(tf.distribute.MirroredStrategy(devices), width, fails=True)
    except Exception as error:
        return error
assert failing(3) is not None
train(tf.distribute.MirroredStrategy(devices), 5)
data = np.ones((8, 6)), np.ones((8, 6))
assert parity(lambda: build(6), data).equal
train(tf.distribute.MirroredStrategy(devices), 2)
""",
    "refused before it clashes": """
first, second = [tf.distribute.MirroredStrategy(devices) for _ in range(2)]
train(first, 3)
for kind in (ReplicaModel, keras.Model):
    with second.scope():
        model = build(5, kind=kind)
    assert [finding.rule for finding in lint(model)][:1] == ["strategy"]
try:
    train(second, 5)
except ValueError as error:
    assert "make a new MirroredStrategy now" in str(error), error
else:
    raise AssertionError("not refused")
train(first, 5)
train(tf.distribute.MirroredStrategy(devices), 4)
""",
}


@pytest.mark.parametrize("case", CASES)
def test_strategies(case):
    code = textwrap.dedent(HEAD + CASES[case])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
