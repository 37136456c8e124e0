"""`keras.distribution` on eight virtual devices: as on one, and no key that matches nothing."""

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from coursekit.distribution.layouts import build_sharded, parity_on_devices

KERNEL = {".*hidden/kernel": (None, "model"), ".*hidden/bias": ("model",)}
VERSION = tuple(map(int, keras.__version__.split(".")[:2]))
CLASSES = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture(autouse=True)
def alone():
    keras.utils.set_random_seed(1)
    yield
    keras.distribution.set_distribution(None)


def dense(*middle, optimizer=None, loss=CLASSES):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8, "tanh", name="hidden")])
    for layer in middle:
        model.add(layer)
    model.add(layers.Dense(4, name="head"))
    model.compile(optimizer or optimizers.SGD(0.2, momentum=0.9), loss, metrics=["accuracy"])
    return model


def everything():
    """What `tf.distribute` does wrongly without coursekit's step."""
    optimizer = optimizers.AdamW(
        0.05,
        global_clipnorm=0.1,
        gradient_accumulation_steps=2,
        use_ema=True,
        ema_overwrite_frequency=2,
        epsilon=1e-3,
    )
    return dense(layers.BatchNormalization(), layers.Dropout(0.5, seed=3), optimizer=optimizer)


def scalar(y_true, y_pred):
    return keras.ops.mean((keras.ops.one_hot(y_true, 4) - y_pred) ** 2)


def attention():
    x = keras.Input((6,), dtype="int32")
    y = layers.Embedding(16, 8, name="words", mask_zero=True)(x)
    y = y + layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    model = keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling1D()(y)))
    model.compile(optimizers.Adam(0.01, epsilon=1e-3), CLASSES)
    return model


def rows(count=32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 5)).astype("float32"), rng.integers(0, 4, count)


def sentences():
    rng = np.random.default_rng(0)
    return rng.integers(0, 16, (32, 6)).astype("int32"), rng.integers(0, 4, 32)


SPLIT_ATTENTION = {
    ".*words/embeddings": ("model", None),
    ".*attention/(query|key|value)/kernel": (None, "model", None),
    ".*attention/attention_output/kernel": ("model", None, None),
}


@pytest.mark.parametrize(
    "build, data, layouts, model_parts",
    [
        (everything, rows(), None, 1),
        (everything, rows(), KERNEL, 2),
        (lambda: dense(loss=scalar), (*rows(), np.linspace(0.5, 3, 32)), KERNEL, 4),
        (attention, sentences(), None, 1),
        (attention, sentences(), SPLIT_ATTENTION, 2),
    ],
    ids=["data", "model", "weighted scalar", "attention", "split attention"],
)
def test_eight_devices_train_as_one(build, data, layouts, model_parts):
    found = parity_on_devices(build, data, layouts, model_parts, batch_size=16, epochs=2)
    assert found.replicas == 8 // model_parts
    assert found.equal and found.difference < 1e-6, found
    assert found.moved > 0.01
    assert keras.distribution.distribution() is None


def test_the_model_really_is_in_parts():
    model = build_sharded(dense, KERNEL, model_parts=4)
    hidden, head = model.get_layer("hidden"), model.get_layer("head")
    assert hidden.kernel.value.sharding.shard_shape((5, 8)) == (5, 2)
    assert hidden.bias.value.sharding.shard_shape((8,)) == (2,)
    assert head.kernel.value.sharding.shard_shape((8, 4)) == (8, 4)
    assert len(head.kernel.value.sharding.device_set) == 8
    model.fit(*rows(), batch_size=16, verbose=0)
    slots = [v for v in model.optimizer.variables if v.shape == (5, 8)]
    assert slots and all(v.value.sharding.shard_shape((5, 8)) == (5, 2) for v in slots)


@pytest.mark.skipif(VERSION < (3, 15), reason="Keras 3.13 takes a part of the path")
def test_keras_shards_nothing_and_is_silent():
    """When this fails, Keras has learned to complain: `_check_layouts` may go."""
    mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
    layout_map = keras.distribution.LayoutMap(mesh)
    layout_map["hidden/kernel"] = (None, "model")
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout_map))
    kernel = dense().get_layer("hidden").kernel
    assert kernel.path != "hidden/kernel"
    assert kernel.value.sharding.shard_shape((5, 8)) == (5, 8)


@pytest.mark.parametrize(
    "layouts, said",
    [
        (
            {"hidden/kernel": (None, "model")},
            r"'\.\*hidden/kernel' would match 'seq.*hidden/kernel'",
        ),
        ({**KERNEL, ".*kernels": (None, "model")}, r"Received: '\.\*kernels'\. There are \["),
        ({".*hidden/kernel": (None, "modell")}, "'model', 'batch' and None"),
        ({"*hidden/kernel": (None, "model")}, "must be a regular expression.*'.\\*dense/kernel'"),
        ({3: (None, "model")}, "must be a regular expression"),
    ],
)
def test_a_key_that_matches_nothing_raises(layouts, said):
    before = keras.distribution.DataParallel()
    keras.distribution.set_distribution(before)
    with pytest.raises(ValueError, match=said):
        build_sharded(dense, layouts, model_parts=2)
    assert keras.distribution.distribution() is before


@pytest.mark.parametrize("model_parts", [0, 3, True, 2.0, 16])
def test_parts_that_do_not_divide(model_parts):
    with pytest.raises(ValueError, match=f"Received: model_parts={model_parts}"):
        build_sharded(dense, model_parts=model_parts)


@pytest.mark.parametrize("count, batch_size", [(32, 12), (36, 16), (4, 16)])
def test_batches_that_do_not_divide(count, batch_size):
    with pytest.raises(ValueError, match="does not divide by 8 parts"):
        parity_on_devices(dense, rows(count), batch_size=batch_size)


@pytest.mark.parametrize(
    "backend, said", [("tensorflow", "KERAS_BACKEND=jax"), ("jax", "XLA_FLAGS")]
)
def test_where_there_is_nothing_to_spread(backend, said, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    with pytest.raises(RuntimeError, match=said):
        build_sharded(dense)
