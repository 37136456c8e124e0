"""In the learner's kernel: judge where the answer is, and tell what happened, by a pipe.

What it tells is a claim: the learner's code runs in the same process. So each answer that is plain
data is told too, to be judged again where none of the learner's code ran (`_judge`). And whatever
could change the judge leaves evidence here, before it can take it back: an audit hook, which no
code can remove, tells at once who imports, opens or looks into what; functions of the engine, of
numpy and of Keras are compared with those of the start; and a nonsense answer must not be right.
"""

import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from coursekit.grade._scan import MODULES, OURS

LARGEST = 1_000_000  # characters of an answer that is told
EVENTS = ("ctypes.", "gc.", "sys._getframe", "sys.set", "object.__setattr__", "subprocess.",
          "socket.", "shutil.", "signal.", "exec", "code.__new__", "function.__new__",
          "os.exec", "os.fork", "os.kill", "os.system", "os.posix_spawn", "pickle.find_class",
          "os.remove", "os.listdir", "os.scandir")  # fmt: skip
# Modules that act for who calls them.
MIDDLE = {"_frozen_importlib", "_frozen_importlib_external", "importlib", "inspect", "traceback",
          "os", "posixpath", "genericpath", "shutil", "subprocess", "pathlib", "socket", "pickle",
          "ctypes", "runpy", "tempfile", "contextlib", "functools", "io", "codecs", "zmq",
          "threading", "multiprocessing", "glob", "linecache"}  # fmt: skip
WATCHED = ("builtins", "coursekit", "numpy", "keras", "math", "json")
MOST_LOOKS = 200
ACTIVE: Any = None  # the kernel's probe


class Probe:
    """What watches one kernel.

    Args:
        pipe: where it tells, a line of JSON each.
        slug: the lesson.
    """

    def __init__(self, pipe: int, slug: str):
        self.pipe, self.slug = pipe, slug
        self.lesson = import_module(f"coursekit.lessons.{slug}").check
        self.start = dict(_functions(slug))
        self.seen, self.busy = set(), False
        self.tell({"ready": len(self.start)})
        sys.addaudithook(self._heard)

    def tell(self, what: dict[str, Any]) -> None:
        """Write one line."""
        data = json.dumps(what).encode() + b"\n"
        while data:
            data = data[os.write(self.pipe, data) :]

    def report(self, name: str, nonce: str, answers: Callable[[], tuple]) -> None:
        """Judge an exercise, and tell the outcome with the answers that are plain data."""
        told: dict[str, Any] = {"nonce": nonce, "name": name}
        try:
            given = answers()
        except NameError as error:
            told |= {"status": "todo", "key": "todo", "message": str(error)[:300]}
            return self.tell(told)
        outcome = self.lesson.verdict(name, *given)
        told |= {"status": outcome.status, "key": outcome.key,
                 "message": str(outcome.message)[:600], "answers": list(map(_told, given)),
                 "kinds": [type(a).__name__[:60] for a in given]}  # fmt: skip
        told["changed"] = self._changed()
        if outcome.status == "correct":
            nonsense = _nonsense if any(map(callable, given)) else -12345.678
            told["credulous"] = self.lesson.verdict(name, *[nonsense] * len(given)).status
        return self.tell(told)

    def _changed(self) -> list[str]:
        """List the functions that are not those of the start."""
        now = dict(_functions(self.slug))
        kept = ((k, v) for k, v in self.start.items())
        return [k for k, v in kept if not _same(v, now.get(k))][:100]

    def _heard(self, event: str, arguments: tuple) -> None:
        """Tell what the learner's own lines do, or have done in their name by Python's modules."""
        is_file = event == "open"
        if self.busy or not (event == "import" or is_file or event.startswith(EVENTS)):
            return
        self.busy = True
        try:
            what = str(arguments[0])[:200] if arguments and event in ("import", "open") else ""
            far = what.split(".")[0] in MODULES or what.startswith(OURS)
            near = is_file and not any(w in what for w in ("coursekit", "/proc", "/dev", ".json"))
            if near or (event == "import" and not far):
                return
            frame = sys._getframe(1)
            while frame and frame.f_globals.get("__name__", "").split(".")[0] in MIDDLE:
                frame = frame.f_back
            if frame is not None and frame.f_globals.get("__name__") == "__main__":
                seen = f"{event} {what}".strip()
                if seen not in self.seen and len(self.seen) < MOST_LOOKS:
                    self.seen.add(seen)
                    self.tell({"look": seen, "line": frame.f_lineno})
        except Exception as error:  # never the learner's trouble
            self.tell({"look": f"{event}: {type(error).__name__}"})
        finally:
            self.busy = False


def _nonsense(*args, **kwargs) -> float:
    return -12345.678


def _functions(slug: str) -> Iterator[tuple[str, tuple]]:
    """Yield what code the watched modules hold, by name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] not in WATCHED or type(module) is not types.ModuleType:
            continue
        is_ours = module_name.startswith("coursekit.exercises") or module_name.endswith(slug)
        for name, value in list(vars(module).items()):
            where = f"{module_name}.{name}"
            if isinstance(value, type) and value.__module__ == module_name:
                yield where, (value,)
                for inner, method in list(vars(value).items()):
                    if hasattr(method, "__code__"):
                        yield f"{where}.{inner}", _code(method)
            elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | np.ufunc):
                yield where, _code(value)
            elif is_ours and type(value) in (int, float, str, tuple, bool):
                yield where, (value,)
    lesson = import_module(f"coursekit.lessons.{slug}").check
    yield "check", tuple(vars(type(lesson)).get(n) for n in ("verdict", "__call__"))
    methods = {n for n in vars(lesson) if callable(getattr(type(lesson), n, None))}
    yield "check's own", tuple(sorted(methods))
    for name, exercise in list(lesson.exercises.items()):
        yield f"check of {name}", (exercise, exercise.check, *_code(exercise.check))


def _code(function: Any) -> tuple:
    parts = ("__code__", "__defaults__", "__kwdefaults__")
    return (function, *(getattr(function, p, None) for p in parts))


def _same(before: tuple, now: tuple | None) -> bool:
    return now is not None and len(before) == len(now) and all(
        a is b or (type(a) is type(b) and type(a) in (str, tuple, int, float) and a == b)
        for a, b in zip(before, now, strict=True))  # fmt: skip


# Plain data, told so that nothing of the learner's is called: exact types, no subclass.


def _told(value: Any) -> list | None:
    """Return [JSON, whether it is the very value]; None if it is no plain data."""
    try:
        data = dump(value)
        exact = True
    except (TypeError, ValueError, RecursionError, OverflowError, MemoryError):
        if type(value).__module__.split(".")[0] not in ("tensorflow", "jax", "jaxlib", "keras"):
            return None
        try:
            data, exact = dump(np.asarray(value)), False
        except BaseException:  # a class of the learner's that says it is Keras's
            return None
    try:
        return [data, exact] if len(json.dumps(data)) < LARGEST else None
    except (TypeError, ValueError, RecursionError):
        return None


def dump(value: Any) -> Any:
    """Return JSON for plain data; TypeError for anything else.

    Example:
        >>> load(dump([(1, np.float32(0.5)), {"a": None}]))
        [(1, np.float32(0.5)), {'a': None}]
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if value is ...:
        return {"dots": True}
    if kind in (list, tuple, set, frozenset):
        return {"items": [dump(v) for v in value], "kind": kind.__name__}
    if kind is dict:
        return {"dict": [[dump(k), dump(v)] for k, v in value.items()]}
    if kind is np.ndarray and value.dtype.kind in "biuf" and value.size <= 100_000:
        return {"array": value.ravel().tolist(), "shape": value.shape, "dtype": value.dtype.name}
    if kind.__module__ == "numpy" and isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"scalar": value.item(), "dtype": value.dtype.name}
    raise TypeError(kind.__name__)


def load(data: Any) -> Any:
    """Return the value of which `dump` made JSON."""
    if not isinstance(data, dict):
        return data
    if "dots" in data:
        return ...
    if "items" in data:
        kinds = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
        return kinds[data["kind"]](map(load, data["items"]))
    if "dict" in data:
        return {load(k): load(v) for k, v in data["dict"]}
    if "array" in data:
        return np.array(data["array"], dtype=data["dtype"]).reshape(data["shape"])
    return np.dtype(data["dtype"]).type(data["scalar"])
