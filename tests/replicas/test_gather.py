"""Losses that compare the examples of a batch: two replicas give what one device gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from coursekit._replicas import gather
from coursekit.losses import InfoNCE, SupervisedContrastive, TripletLoss

LOSSES = {
    "semi_hard": lambda gather: TripletLoss(margin=0.5, gather_replicas=gather),
    "hard": lambda gather: TripletLoss(
        margin=1.0,
        positives="hard",
        negatives="hard",
        distance="euclidean",
        gather_replicas=gather,
    ),
    "all": lambda gather: TripletLoss(
        margin=0.5, negatives="all", distance="cosine", gather_replicas=gather
    ),
    "supervised": lambda gather: SupervisedContrastive(gather_replicas=gather),
    "info_nce": lambda gather: InfoNCE(gather_replicas=gather),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6)).astype("float32")
Y = RNG.integers(0, 4, 24)
IDS = np.arange(24)


def network(name, loss):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(10)]
    if name == "info_nce":
        layers.append(keras.layers.Reshape((2, 5)))
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def trained(name, gather=True):
    model = network(name, LOSSES[name](gather))
    y = IDS if name == "info_nce" else Y
    history = model.fit(X, y, batch_size=12, epochs=2, shuffle=False, verbose=0)
    score = model.evaluate(X, y, batch_size=12, verbose=0)
    return history.history["loss"], score, model.get_weights()


@pytest.mark.parametrize("name", LOSSES)
def test_fit_on_two_replicas_equals_one_device(name, strategy):
    losses, score, weights = trained(name)
    with strategy.scope():
        two_losses, two_score, two_weights = trained(name)
    np.testing.assert_allclose(two_losses, losses, rtol=2e-6)
    np.testing.assert_allclose(two_score, score, rtol=2e-6)
    for a, b in zip(two_weights, weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_without_gathering_each_replica_has_its_own_negatives(strategy):
    losses, _, _ = trained("supervised", gather=False)
    with strategy.scope():
        two_losses, _, _ = trained("supervised", gather=False)
    assert abs(two_losses[0] - losses[0]) > 0.1


def gradients_on_two(strategy, loss, shares, x, y):
    """Sum the loss over two shares of a batch; the gradients of a map, summed by hand."""
    kernel = tf.Variable(np.eye(6, dtype="float32") + 0.1)
    cuts = np.split(np.arange(len(x)), np.cumsum(shares)[:-1])

    def share(context):
        rows = cuts[context.replica_id_in_sync_group]
        return tf.constant(x[rows]), tf.constant(y[rows])

    inputs = strategy.experimental_distribute_values_from_function(share)

    @tf.function
    def step(inputs):
        def replica(pair):
            with tf.GradientTape() as tape:
                value = tf.reduce_sum(loss(pair[1], pair[0] @ kernel))  # no rows: no sum from Keras
            return value, tape.gradient(value, kernel)

        return strategy.run(replica, args=(inputs,))

    value, gradient = step(inputs)
    return [sum(strategy.experimental_local_results(part)) for part in (value, gradient)]


@pytest.mark.parametrize("shares", [(7, 5), (1, 11), (12, 0), (0, 12)])
@pytest.mark.parametrize("name", ["semi_hard", "hard", "all", "supervised"])
def test_gradients_of_uneven_shares_when_losses_are_summed(name, shares, strategy):
    loss = LOSSES[name](True)
    loss.reduction = "sum"
    x, y = X[:12], Y[:12]
    kernel = tf.Variable(np.eye(6, dtype="float32") + 0.1)
    with tf.GradientTape() as tape:
        wanted = loss(y, x @ kernel)
    value, gradient = gradients_on_two(strategy, loss, shares, x, y)
    np.testing.assert_allclose(value, wanted, rtol=2e-6)
    slope = tape.gradient(wanted, kernel).numpy()
    np.testing.assert_allclose(gradient, slope, atol=2e-6 * np.abs(slope).max())


def test_gather_tells_where_its_own_rows_begin(strategy):
    @tf.function
    def step():
        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            values = tf.range(3 + number) + 10 * number
            (everything, labels), start = gather(values, tf.cast(values, "int64") + 2**40)
            return everything, labels, tf.convert_to_tensor(start)

        return strategy.run(replica)

    parts = [strategy.experimental_local_results(part) for part in step()]
    for everything in parts[0]:
        np.testing.assert_array_equal(everything, [0, 1, 2, 10, 11, 12, 13])
    for labels in parts[1]:
        np.testing.assert_array_equal(labels, np.array([0, 1, 2, 10, 11, 12, 13]) + 2**40)
    assert [int(start) for start in parts[2]] == [0, 3]


def test_gather_outside_of_a_replica_returns_what_it_got(strategy):
    x = tf.ones((2, 3))
    with strategy.scope():
        (same,), start = gather(x)
    assert same is x and start == 0
