"""The names that Keras gives to models of one recipe."""

import collections

from coursekit._randomness import tracked_by_keras

COUNTERS = "object_name_uids"


class SameNames:
    """While it is entered again, Keras names layers as it did while it was entered first.

    TensorFlow finds what creates a variable by the variable's name: for one that it knows, Keras
    takes a quarter of the time. Models of one recipe have equal layers; with equal names, making
    ten of them and their optimizers takes half.
    """

    def __init__(self):
        self.first = self.before = None

    def __enter__(self):
        self.before = dict(_counters())
        if self.first is None:
            self.first = self.before
        _set(self.first)

    def __exit__(self, *_):
        now = _counters()
        _set({name: max(now[name], self.before.get(name, 0)) for name in {*now, *self.before}})


def _counters() -> dict[str, int]:
    return tracked_by_keras().setdefault(COUNTERS, collections.defaultdict(int))


def _set(counts: dict[str, int]) -> None:
    counters = _counters()
    counters.clear()
    counters.update(counts)
