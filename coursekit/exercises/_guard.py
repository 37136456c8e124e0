"""What stands for the learner's function in a check, and sees what it does."""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from coursekit.exercises._limits import Stopped
from coursekit.exercises._objects import ask, has, is_a, plain
from coursekit.exercises._wrong import Wrong


class NotDone(Exception):
    """The learner's code gave `...` back."""


@contextlib.contextmanager
def learner_code():
    """Mark a block of a check as running the learner's code: its exceptions are the learner's.

    Calling the learner's function needs no mark. Making an object of the learner's class does, and
    so does giving the learner's code to a pipeline, which loses where an exception came from.
    A check may still catch them by their type.
    """
    try:
        yield
    except (Wrong, NotDone, Stopped, GeneratorExit):
        raise
    except BaseException as error:
        object.__setattr__(error, "is_learners", True)  # a frozen class has no other way
        raise


def is_function(answer) -> bool:
    """Say whether an answer is a function, and no class, layer or model."""
    is_keras = has(answer, "get_config") or has(answer, "trainable_variables")
    return callable(answer) and not is_a(answer, type) and not is_keras


def has_dots(answer: Any) -> bool:
    """Say whether an answer, or one of its parts, is still the `...` of the stub."""
    if is_a(answer, dict):
        answer = list(dict.values(answer))
    parts = answer if type(answer) in (tuple, list) else [answer]
    return any(p is ... or (is_a(p, str) and plain(p).strip() == "...") for p in parts)


class Guard:
    """Stands for the learner's function: marks its exceptions, sees `...` and changed arguments."""

    def __init__(self, function: Callable, caught: list):
        self.__wrapped__ = function
        self.__name__ = ask(function, "__name__", "your function")
        self._caught = caught

    def __getattr__(self, name):
        if name == "__wrapped__":  # while it is being copied
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __repr__(self):
        return repr(self.__wrapped__)

    def __call__(self, *args, **kwargs):
        try:
            return self._call(args, kwargs)
        except Exception as error:
            self._caught.append(error)
            raise

    def _call(self, args, kwargs):
        self._must_fit(args, kwargs)
        given = dict([*enumerate(args), *kwargs.items()])
        before = {k: _copy(v) for k, v in given.items()}

        def unchanged():
            for key, value in given.items():
                if not _same(before[key], value):
                    raise Wrong("mutated", argument=self._name_of(key))

        with learner_code():
            result = self.__wrapped__(*args, **kwargs)
        unchanged()
        if has_dots(result):
            raise NotDone
        return self._items(result, unchanged) if inspect.isgenerator(result) else result

    def _items(self, generator, unchanged):
        try:
            with learner_code():
                for item in generator:
                    unchanged()
                    if has_dots(item):
                        raise NotDone
                    yield item
            unchanged()
        except Exception as error:
            self._caught.append(error)
            raise

    def _signature(self) -> inspect.Signature | None:
        """Return the function's signature; some built-in functions have none."""
        try:
            return inspect.signature(self.__wrapped__)
        except Stopped:
            raise
        except BaseException:  # whatever an object of the learner's answers when it is asked
            return None

    def _must_fit(self, args, kwargs):
        signature = self._signature()
        try:
            if signature is not None:
                signature.bind(*args, **kwargs)
        except TypeError as error:
            given = [_kind(v) for v in args] + [f"{k}={_kind(v)}" for k, v in kwargs.items()]
            call = f"`{self.__name__}({', '.join(given)})`"
            raise Wrong("signature", call=call, got=str(error)) from None

    def _name_of(self, key) -> str:
        if isinstance(key, str):
            return key
        names = list(getattr(self._signature(), "parameters", ()))
        return names[key] if key < len(names) else f"number {key + 1}"


def _kind(value) -> str:
    return repr(value) if isinstance(value, int | float | str) else type(value).__name__


def _copy(value):
    """Copy what a learner may change by accident: arrays, lists, dicts and sets, also in tuples."""
    if isinstance(value, np.ndarray | set | bytearray):
        return value.copy()
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(v) for v in value]
    return tuple(map(_copy, value)) if isinstance(value, tuple) else value


def _same(before, after) -> bool:
    if before is after:
        return True
    if isinstance(before, np.ndarray):
        alike = (before.shape, before.dtype) == (after.shape, after.dtype)
        return alike and before.tobytes() == after.tobytes()
    if isinstance(before, set | bytearray):
        return before == after
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(v, after[k]) for k, v in before.items())
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    return False
