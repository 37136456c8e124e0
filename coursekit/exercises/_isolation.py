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
import re
import signal
import sys
import threading

import numpy as np


@contextlib.contextmanager
def isolated():
    """Restore everything global that a check, or the code it calls, may have changed."""
    with contextlib.ExitStack() as stack:
        for save in (_randomness, _folder, _figures, _keras, _tensorflow, _tensorflow_scopes):
            stack.callback(save())
        yield


def _randomness():
    python, legacy = random.getstate(), np.random.get_state()

    def restore():
        random.setstate(python)
        np.random.set_state(legacy)

    return restore


def _folder():
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        return lambda: None

    def restore():
        with contextlib.suppress(OSError):
            os.chdir(folder)

    return restore


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
    # Keras keeps its seed generator, dtype policy, distribution, layer names and switches in one
    # place, and has no public way to read all of them: pinned by tests/exercises.
    from keras.src.backend.common import global_state

    settings = {name: getattr(keras.config, name)()
                for name in ("floatx", "epsilon", "image_data_format")}  # fmt: skip
    state = {k: copy.copy(v) if isinstance(v, dict | list) else v
             for k, v in vars(global_state.GLOBAL_STATE_TRACKER).items()}  # fmt: skip
    generator = state.get("global_seed_generator")
    seed = None if generator is None else np.asarray(generator.state).copy()

    def restore():
        for name, value in settings.items():
            getattr(keras.config, f"set_{name}")(value)
        now = vars(global_state.GLOBAL_STATE_TRACKER)
        now.clear()
        now.update(state)
        if generator is not None:
            generator.state.assign(seed)

    return restore


# TensorFlow can set its seeds and enter scopes, but has no public way to read the seeds or to leave
# a scope from outside: pinned by tests/exercises. Nothing here starts its devices, whose number a
# lesson may still want to set.


def _tensorflow():
    if not hasattr(sys.modules.get("tensorflow"), "random"):
        return lambda: None
    from tensorflow.python.eager import context
    from tensorflow.python.ops import stateful_random_ops

    eager = vars(context.context())
    seeds = {k: copy.deepcopy(eager[k]) for k in ("_seed", "_rng") if k in eager}
    generator = stateful_random_ops.global_generator
    state = None if generator is None else np.asarray(generator.state).copy()

    def restore():
        if _drawn(eager.get("_rng")) != _drawn(seeds.get("_rng")):
            context.context().clear_kernel_cache()  # a cached operation goes on where it stopped
        eager.pop("_rng", None)
        eager.update(seeds)
        stateful_random_ops.global_generator = generator
        if generator is not None:
            generator.reset(state)

    return restore


def _tensorflow_scopes():
    if not hasattr(sys.modules.get("tensorflow"), "distribute"):
        return lambda: None
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    graph = ops.get_default_graph()
    strategies, creators = list(graph._distribution_strategy_stack), graph._variable_creator_stack
    chosen = graph._global_distribute_strategy_scope
    device = context.context().device_name, context.context().device_spec

    def restore():
        graph = ops.get_default_graph()
        graph._global_distribute_strategy_scope = chosen
        graph._distribution_strategy_stack = strategies
        graph._variable_creator_stack = creators
        context.context()._set_device(*device)

    return restore


def _drawn(counter: random.Random | None):
    return counter and counter.getstate()


class TimeIsUp(BaseException):
    """The learner's code was stopped at its time limit. No `except Exception` stops this."""


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raise TimeIsUp in the block after `seconds`. Only Python code can be stopped.

    Works in the main thread, on Windows too; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, over, late = threading.Lock(), False, False
    ended = threading.Event()

    def watch():
        nonlocal late
        wait = seconds
        while not ended.wait(wait):
            with lock:
                if not over:
                    late = True
                    _thread.interrupt_main()
            wait = 1  # code that swallows the first interrupt gets another one

    def interrupt(number, frame):
        if not late:  # the learner's own
            signal.default_int_handler(number, frame)
        if not over:
            raise TimeIsUp

    # A process started in the background ignores SIGINT, and interrupt_main() with it.
    before = signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over = True  # an interrupt that is still on its way is ignored
        with lock:
            ended.set()
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


class Printed(io.TextIOBase):
    """Keeps the first `limit` characters written to it, and counts the rest."""

    encoding = "utf-8"

    def __init__(self, limit: int = 1000):
        self.limit, self.kept, self.length = limit, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.length += len(text)
        self.kept += text[: max(0, self.limit - len(self.kept))]
        return len(text)

    def __str__(self):
        rest = self.length - len(self.kept)
        lines = without_codes(self.kept).replace("\r\n", "\n").split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        return text.rstrip() + (f"\n... and {rest:,} characters more" if rest else "")


def without_codes(text: str) -> str:
    """Return the text without what colours it, or moves the cursor, in a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x08", "", text)


@contextlib.contextmanager
def printed():
    """Catch what is printed in the block, so that a flood of it does no harm."""
    out = Printed()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield out
