"""What replicas must tell each other in the middle of a step."""

import keras


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
    rows = keras.ops.convert_to_tensor([keras.ops.shape(values[0])[0]])
    rows = context.all_gather(rows, axis=0)
    start = keras.ops.sum(rows[: context.replica_id_in_sync_group])
    return tuple(context.all_gather(value, axis=0) for value in values), start


def _replica_context():
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
