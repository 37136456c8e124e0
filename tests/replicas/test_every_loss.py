"""Every loss of Keras and of coursekit, with labels of every shape: replicas train as one device.

A model has one head for each loss and each form of labels that the loss takes on one device. Each
has columns of its own in one matrix (quicker than many), so that these tell of its loss alone. A
new public loss is found by itself; one that needs arguments stands in ARGUMENTS.
"""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers

from coursekit import losses
from coursekit.distribution import lint, mirrored
from coursekit.distribution.step import ReplicaModel
from coursekit.optimizers import SafeLossScaleOptimizer

BATCH = 12
ROWS = {"even": 24, "ragged": 35, "one row": 37}  # what the last batch is
ARGUMENTS = {"ClassBalancedCrossentropy": {"samples_per_class": [5, 3, 2]}}


def forms(rows):
    """Labels, and the outputs they are for: (labels, shape of an output)."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, rows)
    masks = rng.integers(0, 3, (rows, 2, 2))
    return {
        "numbers (n,)": (rng.integers(0, 2, rows), (1,)),
        "numbers (n, 1)": (rng.uniform(0.2, 0.8, (rows, 1)).astype("float32"), (1,)),
        "one-hot": (0.02 + 0.94 * np.eye(3)[ids], (3,)),
        "ids (n,)": (ids, (3,)),
        "ids (n, 1)": (ids[:, None].astype("uint8"), (3,)),
        "masks": (masks, (2, 2, 3)),
        "masks (n, 2, 2, 1)": (masks[..., None].astype("int8"), (2, 2, 3)),
        "two views": (np.arange(rows), (2, 3)),
        "words": (rng.integers(1, 3, (rows, 2)), (6, 4)),
    }


NUMBERS = ("numbers (n,)", "numbers (n, 1)", "one-hot")


def classes(module):
    found = [v for name, v in vars(module).items() if inspect.isclass(v) and name[0] != "_"]
    return [c for c in found if issubclass(c, keras.losses.Loss) and c is not keras.losses.Loss]


def make(kind):
    return kind(**ARGUMENTS.get(kind.__name__, {}))


def takes(kind, form):
    """Whether one device does, and how large the gradient is."""
    y, shape = forms(8)[form]
    p = tf.constant(np.random.default_rng(1).uniform(0.1, 0.9, (8, *shape)), "float32")
    p = p / tf.reduce_sum(p, -1, keepdims=True) if shape[-1] > 1 else p
    try:
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = make(kind)(y, p)
        slope = np.abs(tape.gradient(value, p)).max()
    except Exception:  # whatever it says of labels that are not its own
        return False
    return value.shape == () and np.isfinite(value) and 1e-4 < slope < 1e4


def all_heads():
    """Return {name of the head: (class, form)} for the labels that each loss is for."""
    heads = {}
    for kind in [*classes(keras.losses), *classes(losses)]:
        taken = [form for form in forms(1) if takes(kind, form)]
        found = [form for form in taken if (form in NUMBERS) == ("one-hot" in taken)] or taken
        assert found, f"{kind.__name__} takes none of the labels here"
        package = kind.__module__.split(".")[0]
        heads |= {
            re.sub(r"\W+", "_", f"{package} {kind.__name__} {form}").strip("_"): (kind, form)
            for form in found
        }
    return heads


HEADS = all_heads()


def first_of_each(what):
    return {name: HEADS[name] for name in {what(n): n for n in reversed(HEADS)}.values()}


LOSSES = first_of_each(lambda name: HEADS[name][0])  # most with labels (n,)
FORMS = first_of_each(lambda name: HEADS[name][1])


def columns_of(heads):
    ends = np.cumsum([np.prod(forms(1)[form][1]) for _, form in heads.values()]).tolist()
    return [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]


def build(heads, optimizer, kind=ReplicaModel, eager=False):
    keras.utils.set_random_seed(3)
    x = keras.Input((5,))
    columns = columns_of(heads)
    everything = layers.Dense(columns[-1].stop)(x)
    outputs = {}
    for (name, (_, form)), its in zip(heads.items(), columns, strict=True):
        shape = forms(1)[form][1]
        y = layers.Reshape(shape)(everything[:, its])
        last = "softmax" if shape[-1] > 1 else "sigmoid"
        outputs[name] = layers.Activation(last, dtype="float32", name=name)(y)
    model = kind(x, outputs)
    compiled = {name: make(loss) for name, (loss, _) in heads.items()}
    model.compile(optimizer(), compiled, jit_compile=False, run_eagerly=eager)
    return model


def data(heads, inputs, rows):
    x = np.random.default_rng(2).normal(size=(rows, 5)).astype("float32")
    labels = forms(rows)
    y = {name: labels[form][0] for name, (_, form) in heads.items()}
    if inputs == "arrays":
        return {"x": x, "y": y, "batch_size": BATCH, "shuffle": False}
    batches = tf.data.Dataset.from_tensor_slices((x, y))
    return {"x": batches.batch(BATCH, drop_remainder=inputs == "known batches")}


def sgd(**options):
    return lambda: optimizers.SGD(0.05, momentum=0.9, **options)


OPTIONS = {
    "plain": sgd(),
    "global_clipnorm": sgd(global_clipnorm=0.5),
    "clipnorm": sgd(clipnorm=0.02),
    "accumulation": sgd(gradient_accumulation_steps=2),
    # A scale at which no sum of rows overflows: there a replica sums fewer, and may go on.
    "loss scaling": lambda: SafeLossScaleOptimizer(sgd(clipnorm=0.02)(), initial_scale=1024.0),
}


def policy_of(option):
    return "mixed_float16" if option == "loss scaling" else "float32"


def train(heads, option, inputs, rows, kind=ReplicaModel, eager=False):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy_of(option))
    try:
        model = build(heads, OPTIONS[option], kind, eager)
        start = model.get_weights()
        loss = model.fit(**data(heads, inputs, rows), verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(before)
    return model.get_weights(), start, loss


def unequal(strategy, heads, option="plain", inputs="batches", last="one row", kind=ReplicaModel):
    """Train on one device and on replicas; return the heads that differ, or did not move."""
    one, start, loss = train(heads, option, inputs, ROWS[last], kind, eager=True)  # quicker
    with strategy.scope():
        many, _, other_loss = train(heads, option, inputs, ROWS[last], kind)
    rounding, scale = (1e-6, 1.0) if policy_of(option) == "float32" else (5e-3, 0.0)
    bad = {}
    for name, its in zip(heads, columns_of(heads), strict=True):
        first, a, b = (weights[0][:, its] for weights in (start, one, many))
        moved, gap = np.abs(a - first).max(), np.abs(a - b).max()
        if not gap <= rounding * max(scale, moved) or not moved > 1e-6:
            bad[name] = f"gap {gap:.2g}, moved {moved:.2g}"
    if not np.allclose(other_loss, loss, rtol=max(rounding, 3e-6)):
        bad["loss"] = f"{loss} and {other_loss}"
    return bad


def test_every_loss(strategy):
    assert not unequal(strategy, LOSSES)


def one_by_one(devices):
    return tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


@pytest.mark.parametrize(
    "make, devices, option, inputs, last",
    [
        (mirrored, 2, "global_clipnorm", "known batches", "even"),
        (mirrored, 3, "clipnorm", "batches", "ragged"),
        (one_by_one, 2, "accumulation", "arrays", "one row"),
        (mirrored, 2, "loss scaling", "batches", "even"),
    ],
)
def test_labels_of_each_form(make, devices, option, inputs, last):
    strategy = make(tuple(f"CPU:{index}" for index in range(devices)))
    assert not unequal(strategy, FORMS, option, inputs, last)


def test_plain_keras_where_lint_has_nothing_to_say(strategy):
    """On batches that divide; each loss with the first of its labels."""
    alone = {name: build({name: head}, sgd(), keras.Model) for name, head in LOSSES.items()}
    silent = {name: LOSSES[name] for name, model in alone.items() if not lint(model)}
    assert len(silent) > len(LOSSES) / 2
    assert not unequal(strategy, silent, last="even", kind=keras.Model)


def several(structure):
    """Two outputs, or one; metrics with and without weights; one that must align by itself."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,), dtype="int32")
    hidden = layers.Embedding(7, 5, mask_zero=True)(x)
    tags = layers.Dense(3, name="tags")(hidden)  # with a mask
    number = layers.Dense(1, name="number")(layers.GlobalAveragePooling1D()(hidden))
    outputs = {"dict": {"number": number, "tags": tags}, "list": [number, tags], "one": number}
    model = ReplicaModel(x, outputs[structure])
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled = {
        "dict": {"loss": {"number": "mse", "tags": classes}, "weighted_metrics": {"number": "mae"}},
        "list": {"loss": ["mse", classes], "metrics": [["mae"], ["accuracy"]]},
        "one": {"loss": "huber", "metrics": ["mae"], "weighted_metrics": ["mse"]},
    }[structure]
    model.compile(sgd()(), jit_compile=False, **compiled)
    return model


@pytest.mark.parametrize("structure", ["dict", "list", "one"])
def test_outputs_weights_masks_and_metrics(strategy, structure):
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 7, (37, 4)) * (np.arange(4) < rng.integers(1, 5, (37, 1)))
    number, tags = rng.normal(size=37), rng.integers(0, 3, (37, 4, 1))
    weights = rng.uniform(0.5, 2, 37).astype("float32")
    each = rng.uniform(0.5, 2, (37, 4)).astype("float32")  # under a mask Keras wants one a step
    y, weight = {
        "dict": ({"number": number, "tags": tags}, {"number": weights, "tags": each}),
        "list": ((number, tags), (weights, each)),
        "one": (number, weights),
    }[structure]
    batches = tf.data.Dataset.from_tensor_slices((tokens.astype("int32"), y, weight)).batch(BATCH)

    def trained():
        model = several(structure)
        history = model.fit(batches, validation_data=batches, verbose=0).history
        return history, model.get_weights()

    one, weights_of_one = trained()
    with strategy.scope():
        two, weights_of_two = trained()
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, err_msg=name)
    for a, b in zip(weights_of_one, weights_of_two, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-6)
