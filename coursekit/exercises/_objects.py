"""Look at a learner's object: whatever it does when it is asked, nothing breaks.

Its class may answer any question with an exception of any kind, also SystemExit. Only what stops
its code from outside (`_limits.Stopped`) goes through.
"""

from typing import Any

from coursekit.exercises._limits import Stopped


def ask(value, name: str, default: Any = None):
    """Return an attribute; the default if there is none, or if asking for it raises."""
    try:
        return getattr(value, name)
    except Stopped:
        raise
    except BaseException:
        return default


def has(value, name: str) -> bool:
    """Say whether an object has an attribute, which may be None."""
    nothing = object()
    return ask(value, name, nothing) is not nothing


def is_a(value, kinds: type | tuple[type, ...]) -> bool:
    """Say whether an object is of a class: of its real one, since `__class__` may raise or lie."""
    return issubclass(type(value), kinds)


def class_name(value) -> str:
    """Return the name of an object's class, which a metaclass cannot hide."""
    return type.__dict__["__name__"].__get__(type(value))


def plain(text: str) -> str:
    """Return a text as Python's own `str`, without the methods of a learner's subclass."""
    return str.__str__(text)
