"""A check leaves no trace: random states, global settings, folder, figures are as they were.

Also here: a time limit for the learner's code, and a bounded copy of what it prints. TensorFlow,
Keras and matplotlib are touched only if something else has imported them.
"""

import _thread
import contextlib
import copy
import io
import os
import random
import signal
import sys
import threading
import time

import numpy as np


@contextlib.contextmanager
def isolated():
    """Restore everything global that a check, or the code it calls, may have changed."""
    with contextlib.ExitStack() as stack:
        for save in (_randomness, _folder, _figures, _keras, _tensorflow):
            stack.callback(save())
        yield


def _randomness():
    python, legacy = random.getstate(), np.random.get_state()

    def restore():
        random.setstate(python)
        np.random.set_state(legacy)

    return restore


def _folder():
    folder = os.getcwd()
    return lambda: os.chdir(folder)


def _figures():
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = set(pyplot.get_fignums()) if pyplot else set()

    def restore():
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in set(pyplot.get_fignums()) - before if pyplot else ():
            pyplot.close(number)

    return restore


def _keras():
    keras = sys.modules.get("keras")
    if keras is None:
        return lambda: None
    # Keras has no public access to its global seed generator: pinned by tests/exercises.
    from keras.src.backend.common import global_state

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    generator = global_state.get_global_attribute("global_seed_generator")
    state = None if generator is None else np.array(generator.state)
    distribution = keras.distribution.distribution()

    def restore():
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)
        global_state.set_global_attribute("global_seed_generator", generator)
        if generator is not None:
            generator.state.assign(state)

    return restore


def _tensorflow():
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "distribute"):
        return lambda: None
    # The seed and the counter that seeds each random operation: TensorFlow can set them but has no
    # public way to read them: pinned by tests/exercises.
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    seeds = context.context()
    seed, counter = seeds._seed, copy.deepcopy(seeds._rng)
    generator = np.array(tf.random.get_global_generator().state)
    scopes = ops.get_default_graph()._distribution_strategy_stack
    depth, strategy = len(scopes), tf.distribute.get_strategy()
    had_strategy = tf.distribute.has_strategy()

    def restore():
        seeds._seed, seeds._rng = seed, counter
        tf.random.get_global_generator().reset(generator)
        del scopes[depth:]  # a strategy's scope that was entered and never left
        if tf.distribute.get_strategy() is not strategy:
            tf.distribute.experimental_set_strategy(strategy if had_strategy else None)

    return restore


class TimeIsUp(Exception):
    """The learner's code was stopped at its time limit."""


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raise TimeIsUp in the block after `seconds`. Only Python code can be stopped.

    Works in the main thread, on Windows too; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, running, fired = threading.Lock(), True, False

    def watch():
        nonlocal fired
        deadline = time.monotonic() + seconds
        while running:
            if time.monotonic() > deadline:
                with lock:
                    if running:
                        fired = True
                        _thread.interrupt_main()
                deadline += 5  # code that swallows the first interrupt gets another one
            time.sleep(0.02)

    # A process started in the background ignores SIGINT, and interrupt_main() with it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, daemon=True).start()
    delivered = False
    try:
        yield
    except KeyboardInterrupt:
        delivered = True
        if not fired:
            raise  # the learner's own interrupt
        raise TimeIsUp from None
    finally:
        with lock:
            running = False
        if fired and not delivered:
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(1)  # the interrupt is on its way: take it here
        signal.signal(signal.SIGINT, handler)


class Printed(io.TextIOBase):
    """Keeps the first `limit` characters written to it, and counts the rest."""

    def __init__(self, limit: int = 1000):
        self.limit, self.kept, self.length = limit, "", 0

    def writable(self) -> bool:  # noqa: D102
        return True

    def write(self, text: str) -> int:  # noqa: D102
        self.length += len(text)
        self.kept += text[: max(0, self.limit - len(self.kept))]
        return len(text)

    def __str__(self):
        rest = self.length - len(self.kept)
        return self.kept.rstrip() + (f"\n... and {rest:,} characters more" if rest else "")


@contextlib.contextmanager
def printed():
    """Catch what is printed in the block, so that a flood of it does no harm."""
    out = Printed()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield out
