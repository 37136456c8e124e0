"""One `MirroredStrategy` for each list of devices. TensorFlow backend.

TensorFlow numbers the collective operations of every `MirroredStrategy` from the same start. With a
second one in a process, and a model of other shapes, training stops with "another member in the
group expected shape", and from then on no strategy of the process works. So strategies made here
are kept, and one made elsewhere is refused before it can clash.
"""

import functools
from collections.abc import Sequence
from typing import Any

from coursekit._checks import require

ROOM = 100_000  # TensorFlow's own tests leave as much between two strategies
_trained: dict[int, Any] = {}  # the strategy that has used the numbers from there on


def mirrored(devices: Sequence[str]) -> Any:
    """Return the `MirroredStrategy` over these devices, the same one each time. TensorFlow backend.

    ```
    with mirrored(virtual_devices(2)).scope():
        model = build()
        model.compile(...)
    model.fit(...)
    ```

    Take it where a notebook or a test asks for replicas again and again: a second strategy of
    TensorFlow's own over the same devices can stop the training of models made in the first.

    Args:
        devices: their names, such as `["GPU:0", "GPU:1"]`.

    Raises:
        ValueError: for anything but a list of names, or devices that are not there.
        RuntimeError: on another backend.

    Example:
        >>> mirrored(["CPU:0"]) is mirrored(["CPU:0"])
        True
    """
    import keras

    listed = isinstance(devices, list | tuple) and len(devices) > 0
    ok = listed and all(isinstance(name, str) for name in devices)
    require(ok, "`devices` must be a list of names.", devices=devices)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"`mirrored` makes `tf.distribute` replicas. Received: backend={backend!r}. With JAX, "
            "`keras.distribution.DataParallel(devices=...)` does it."
        )
    return kept(tuple(devices))


@functools.cache
def kept(devices: tuple[str, ...]) -> Any:
    """Return the strategy over these devices, made when it is first asked for."""
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
