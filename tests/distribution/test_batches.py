"""Batch sizes and learning rates for several replicas."""

import numpy as np
import pytest
import tensorflow as tf

from coursekit.distribution import (
    global_batch_size,
    linear_scaling,
    square_root_scaling,
    static_batches,
)


def test_numbers():
    assert global_batch_size(32, replicas=8) == 256
    assert global_batch_size(32) == 32  # one device here
    assert linear_scaling(0.1, batch_size=64, base_batch_size=256) == 0.025
    assert square_root_scaling(0.1, batch_size=64, base_batch_size=256) == 0.05


@pytest.mark.parametrize("scaling", [linear_scaling, square_root_scaling])
def test_numbers_out_of_range(scaling):
    with pytest.raises(ValueError, match="Received: learning_rate=0"):
        scaling(0, batch_size=1, base_batch_size=1)
    with pytest.raises(ValueError, match="Received: batch_size=2"):
        scaling(0.1, batch_size=2.5, base_batch_size=1)
    with pytest.raises(ValueError, match="Received: base_batch_size=0"):
        scaling(0.1, batch_size=1, base_batch_size=0)
    with pytest.raises(ValueError, match="Received: replicas=True"):
        global_batch_size(1, replicas=True)


@pytest.mark.parametrize("scaling", [linear_scaling, square_root_scaling])
@pytest.mark.parametrize("rate", [float("inf"), float("nan"), -1.0, True, "0.1", None])
def test_a_rate_is_a_finite_number(scaling, rate):
    with pytest.raises(ValueError, match="`learning_rate` must be a number above 0"):
        scaling(rate, batch_size=1, base_batch_size=1)


def test_numpy_integers_are_integers():
    two = np.int64(2)
    assert global_batch_size(np.int32(32), replicas=two) == 64
    assert linear_scaling(np.float32(0.5), two, np.uint8(4)) == 0.25


@pytest.mark.parametrize("wrong", [None, "x", (np.zeros(4), np.zeros(4)), np.zeros(4)])
def test_what_is_no_dataset(wrong):
    with pytest.raises(ValueError, match="from_tensor_slices"):
        static_batches(wrong, replicas=2)


def dataset(**parts):
    return tf.data.Dataset.from_tensor_slices(parts)


def test_static_batches():
    whole = dataset(x=tf.zeros((8, 3)), y=tf.zeros(8)).batch(4, drop_remainder=True)
    assert static_batches(whole, replicas=2) is whole


@pytest.mark.parametrize(
    "batches, says",
    [
        (dataset(x=tf.zeros((9, 3))).batch(4), "drop_remainder=True"),
        (dataset(x=tf.zeros((9, 3))).batch(3, drop_remainder=True), "2 \\* rows_per_replica"),
        (dataset(x=tf.constant(["a", "b"])).batch(2, drop_remainder=True), "dataset.map"),
        (dataset(x=tf.zeros(4)), "must divide"),
        (
            dataset(x=tf.ragged.constant([[1], [2, 3]])).batch(2, drop_remainder=True),
            "pad what varies",
        ),
    ],
)
def test_batches_that_do_not_suit_replicas(batches, says):
    with pytest.raises(ValueError, match=says):
        static_batches(batches, replicas=2)
