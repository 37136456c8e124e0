"""A traced function of TensorFlow run in the thread that calls it."""

import numpy as np


def cpu_only() -> bool:
    import tensorflow as tf

    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def in_this_thread(traced):
    """Return a traced function that runs from beginning to end in the thread that calls it.

    Each operation of a small model takes about a microsecond, less than handing it to another
    thread. TensorFlow's own calls always hand over; a session need not.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.config_pb2 import CallableOptions

    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1)  # none: the caller's
    config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    session = tf.compat.v1.Session(graph=traced.graph, config=config)
    feed, fetch = ([t.name for t in tensors] for tensors in (traced.inputs, traced.outputs))
    # As `session.run`, which spends a fifth of a small epoch in Python.
    call = session._make_callable_from_options(CallableOptions(feed=feed, fetch=fetch))
    captured = list(map(np.asarray, traced.captured_inputs))  # the data, not copied

    def run(*arguments):
        flat = map(np.asarray, tf.nest.flatten(arguments))
        return tf.nest.pack_sequence_as(traced.structured_outputs, call(*flat, *captured))

    return run
