"""Save, restore and seed every random state.

```
with kept():            # whatever is drawn or seeded in here has not happened afterwards
    ...
with seeded(3):         # the same, and the draws of Python and NumPy are those of seed 3
    ...
restore = save()        # the same without a block
restore()
set_state(state())      # the same, with values between them that can be written into a file
```

Keras and TensorFlow are looked at if something else has loaded them, and never loaded here. Keras's
generators hold the random state of JAX too, which has none of its own.

Private names (tried with Keras 3.13 to 3.15, TensorFlow 2.20 and 2.21, pinned by
tests/test_randomness.py): Keras has no public way to read its seed generator
(`global_state.GLOBAL_STATE_TRACKER`), nor TensorFlow its seed (`context()._seed`), the counter that
gives each operation its own (`_rng`), and whether there is a global generator.
"""

import contextlib
import copy
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put every random state back at the end of the block."""
    restore = save()
    try:
        yield
    finally:
        restore()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from Python's and NumPy's global generators as if seeded; leave all as they were.

    Keras layers take their seeds from Python's generator, scikit-learn draws from NumPy's. Keras's
    and TensorFlow's own go on in the block where they stand.
    """
    restores = [_python(), _numpy()]
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        for restore in restores:
            restore()


def save() -> Callable[[], None]:
    """Return a function that sets every random state back to what it is now.

    What was loaded after this call gets the state of a fresh start: no generator and no seed.
    """
    restores = [part() for part in (_python, _numpy, _keras, _tensorflow)]

    def restore():
        for part in restores:
            part()

    return restore


def state() -> dict[str, Any]:
    """Return every random state as numbers, words and arrays."""
    eager, operations, keras = _context(), _generators(), tracked_by_keras().get(GENERATOR)
    context = {} if eager is None else vars(eager)
    counter, generator = context.get("_rng"), getattr(operations, "global_generator", None)
    return {
        "python": _told(random.getstate()),
        "numpy": np.random.get_state(legacy=False),
        "keras": None if keras is None else read(keras.state),
        "tensorflow": {
            "seed": context.get("_seed"),
            "counter": counter and _told(counter.getstate()),
            "generator": None if generator is None else np.asarray(generator.state).copy(),
        },
    }


def set_state(state: dict[str, Any]) -> None:
    """Put back what `state` returned, in this process or in another one."""
    random.setstate(_untold(state["python"]))
    np.random.set_state(state["numpy"])
    tracked = tracked_by_keras()
    if state["keras"] is None:
        tracked.pop(GENERATOR, None)
    elif tracked:
        module = sys.modules["keras.src.random.seed_generator"]
        write(module.global_seed_generator().state, state["keras"])
    eager, operations, kept = _context(), _generators(), state["tensorflow"]
    if eager is not None:
        counter = None
        if kept["counter"] is not None:
            counter = random.Random()
            counter.setstate(_untold(kept["counter"]))
        _restore_counter(eager, kept["seed"], counter)
    if operations is not None and kept["generator"] is not None:
        operations.get_global_generator().reset(kept["generator"])


def _told(state: tuple) -> list:
    version, numbers, gauss = state
    return [version, np.array(numbers, "uint32"), gauss]


def _untold(state: list) -> tuple:
    version, numbers, gauss = state
    return version, tuple(int(n) for n in numbers), gauss


def _python():
    state = random.getstate()
    return lambda: random.setstate(state)


def _numpy():
    bits, state = np.random.get_bit_generator(), np.random.get_state(legacy=False)

    def restore():
        if np.random.get_bit_generator() is not bits:
            np.random.set_bit_generator(bits)
        np.random.set_state(state)

    return restore


def _keras():
    generator = tracked_by_keras().get(GENERATOR)
    values = [] if generator is None else read(generator.state)

    def restore():
        tracked = tracked_by_keras()  # anew: clearing the session makes another one
        tracked.pop(GENERATOR, None)
        if generator is not None:
            tracked[GENERATOR] = generator
            write(generator.state, values)

    return restore


def tracked_by_keras() -> dict:
    """Return what Keras keeps for the session; an empty dict before Keras is loaded."""
    module = sys.modules.get("keras.src.backend.common.global_state")
    return vars(module.GLOBAL_STATE_TRACKER) if hasattr(module, "GLOBAL_STATE_TRACKER") else {}


def _tensorflow():
    eager, operations = _context(), _generators()
    before = {} if eager is None else vars(eager)
    seed, counter = before.get("_seed"), copy.deepcopy(before.get("_rng"))
    generator = getattr(operations, "global_generator", None)
    state = None if generator is None else np.asarray(generator.state).copy()

    def restore():
        eager, operations = _context(), _generators()
        if eager is not None:
            _restore_counter(eager, seed, counter)
        if operations is not None:
            operations.global_generator = generator
        if generator is not None:
            generator.reset(state)

    return restore


def _restore_counter(eager, seed, counter) -> None:
    now = vars(eager)
    if _drawn(now.get("_rng")) != _drawn(counter):
        eager.clear_kernel_cache()  # a cached operation, as a shuffle, goes on where it stopped
    now["_seed"] = seed
    now.pop("_rng", None)
    if counter is not None:
        now["_rng"] = copy.deepcopy(counter)


def _drawn(counter: random.Random | None):
    return counter and counter.getstate()


def _context():
    """Return TensorFlow's eager context, or None before TensorFlow is loaded."""
    module = sys.modules.get("tensorflow.python.eager.context")
    return module.context() if hasattr(module, "context") else None


def _generators():
    module = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    return module if hasattr(module, "global_generator") else None


def read(variable) -> list[np.ndarray]:
    """Return the values of a Keras variable, one for each copy on the replicas."""
    return [np.asarray(part).copy() for part in _copies(variable)]


def write(variable, values: list[np.ndarray]) -> None:
    """Put values back that `read` returned."""
    for part, value in zip(_copies(variable), values, strict=True):
        part.assign(value.copy())  # JAX may share a NumPy array's memory, and give it away later


def _copies(variable):
    return getattr(variable.value, "values", None) or [variable]
