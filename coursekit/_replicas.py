"""What replicas must tell each other in the middle of a step."""

import keras

from coursekit._checks import require


def gather(*values):
    """Return the rows that all replicas hold together, and where this replica's rows begin.

    ```
    (everything, labels), start = gather(embeddings, labels)
    everything[start : start + len(embeddings)] == embeddings
    ```

    Called in a replica of a `tf.distribute` strategy, by all replicas alike. Anywhere else (one
    device, another backend, where a batch is one array however it is spread) the values come back
    as they are.

    Args:
        *values: tensors with the same number of rows each; other replicas may hold another number
            (on TPUs: the same).

    Returns:
        The gathered values, and the index of this replica's first row among them. Gradients of all
        replicas with respect to a row arrive, summed, at the replica that the row comes from.

    Example:
        >>> gather([1, 2], [3, 4])
        (([1, 2], [3, 4]), 0)
    """
    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values, 0
    count = keras.ops.convert_to_tensor([keras.ops.shape(values[0])[0]])
    counts = context.all_gather(count, axis=0)
    start = keras.ops.sum(counts[: context.replica_id_in_sync_group])
    return tuple(rows_of_all(context, value) for value in values), start


def rows_of_all(context, value):
    """Return the rows of a tensor on all replicas, with its dtype and the sizes that it has.

    TensorFlow gathers few dtypes (not bool, bfloat16 or the small integers), and forgets all sizes,
    by which Keras aligns labels with predictions: (n,) and (n, 1) would become (n, n).
    """
    import tensorflow as tf

    value = tf.convert_to_tensor(value)
    carrier = value.dtype
    if carrier not in (tf.float16, tf.float32, tf.float64, tf.int32, tf.int64):
        number = carrier.is_floating or carrier.is_integer or carrier.is_bool
        require(number, "Replicas share real numbers.", dtype=carrier.name)
        carrier = tf.float32 if carrier.is_floating else tf.int64
    rows = tf.cast(context.all_gather(tf.cast(value, carrier), axis=0), value.dtype)
    if value.shape.rank is not None:
        rows.set_shape([None, *value.shape[1:]])
    return rows


def _replica_context():
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
