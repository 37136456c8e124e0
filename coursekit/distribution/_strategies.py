"""One `MirroredStrategy` for each list of devices. TensorFlow backend.

TensorFlow numbers the collective operations of every `MirroredStrategy` from the same start. With a
second one in a process, and a model of other shapes, training stops with "another member in the
group expected shape", and from then on no strategy of the process works. So strategies made here
are kept, and one made elsewhere is refused before it can clash.
"""

import functools
from typing import Any

ROOM = 100_000  # TensorFlow's own tests leave as much between two strategies
_trained: dict[int, Any] = {}  # the strategy that has used the numbers from there on


@functools.cache
def mirrored(devices: tuple[str, ...]):
    """Return the strategy over these devices, the same one whenever it is asked for."""
    import tensorflow as tf

    _leave_room(tf.distribute.MirroredStrategy)
    strategy = tf.distribute.MirroredStrategy(list(devices))
    _leave_room(tf.distribute.MirroredStrategy)
    return strategy


def clashes(strategy) -> bool:
    """Whether another strategy has trained with the numbers of this one."""
    start = _start(strategy)
    return start is not None and _trained.get(start, strategy) is not strategy


def claim(strategy) -> None:
    """Note that this strategy trains; strategies made from now on get other numbers."""
    start = _start(strategy)
    if start is not None and start not in _trained:
        _trained[start] = strategy
        _leave_room(type(strategy))


def _start(strategy) -> int | None:
    """Return the number that the collective operations of a strategy start from, if it has any."""
    import tensorflow as tf

    extended = strategy.extended
    collective = getattr(extended, "_collective_ops", None)
    if type(strategy) is not tf.distribute.MirroredStrategy or collective is None:
        return None
    return extended._collective_key_base if extended._cross_device_ops is collective else None


def _leave_room(kind) -> None:
    if hasattr(kind, "_collective_key_base"):
        kind._collective_key_base += ROOM
