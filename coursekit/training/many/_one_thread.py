"""A traced function of TensorFlow run in the thread that calls it."""

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def threads(count) -> ThreadPoolExecutor:
    """Return a pool whose threads take denormal numbers for zero, as TensorFlow's own threads do.

    Others count with them, many times slower and to other results. A thread inherits this from the
    one that starts it: TensorFlow does, while it runs an operation.
    """
    import tensorflow as tf

    pool, all_run = ThreadPoolExecutor(count), threading.Barrier(count)

    def start():
        for _ in range(count):
            pool.submit(all_run.wait)
        return True

    tf.py_function(start, [], tf.bool)
    return pool


@functools.cache
def possible() -> bool:
    """Whether there are CPUs only, and threads that are like TensorFlow's can be had."""
    import tensorflow as tf

    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return False
    least = np.finfo(np.float32).tiny
    with threads(1) as pool:
        return not pool.submit(lambda: least / np.float32(2)).result()


class InThisThread:
    """A traced function that runs from beginning to end in the thread that calls it.

    Each operation of a small model takes about a microsecond, less than handing it to another
    thread. TensorFlow's own calls always hand over; a session need not. The thread is to be one of
    `threads`. TensorFlow prepares the graph in a thread of its own, from now on.
    """

    def __init__(self, traced):
        self.traced = traced
        self.captured = list(map(np.asarray, traced.captured_inputs))  # the data, not copied
        pool = ThreadPoolExecutor(1)
        self.ready = pool.submit(self._prepare)
        pool.shutdown(wait=False)

    def _prepare(self):
        import tensorflow as tf
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1)  # none: the caller's
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
        session = tf.compat.v1.Session(graph=self.traced.graph, config=config)
        both = self.traced.inputs, self.traced.outputs
        feed, fetch = ([tensor.name for tensor in tensors] for tensors in both)
        # As `session.run`, which spends a fifth of a small epoch in Python.
        return session._make_callable_from_options(CallableOptions(feed=feed, fetch=fetch))

    def wait(self):
        """Wait until the graph is prepared, and raise what TensorFlow says against it."""
        self.ready.result()

    def __call__(self, *arguments):
        """Return what the traced function returns, as arrays."""
        import tensorflow as tf

        flat = map(np.asarray, tf.nest.flatten(arguments))
        found = self.ready.result()(*flat, *self.captured)
        return tf.nest.pack_sequence_as(self.traced.structured_outputs, found)
