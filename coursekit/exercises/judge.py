"""One answer in, one of five outcomes out; nothing that a learner writes can raise from here.

correct   the answer is right
wrong     a misconception, named
raised    the learner's own code stopped with an error
todo      not done yet: there is still a `...`
broken    our check failed: never shown as the learner's mistake
"""

import ast
import contextlib
import inspect
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from coursekit.exercises.isolation import TimeIsUp, isolated, printed, time_limit
from coursekit.exercises.wrong import STANDARD, Wrong, brief, shorten

CORRECT, WRONG, RAISED, TODO, BROKEN = "correct", "wrong", "raised", "todo", "broken"


@dataclass(frozen=True)
class Outcome:
    """What came of an answer: a status, the key of its message, the message, what was printed."""

    status: str
    key: str
    message: str
    printed: str = ""
    report: str = ""


@dataclass(frozen=True)
class Exercise:
    """A check with everything the learner may ask about it."""

    name: str
    check: Callable
    title: str
    messages: dict[str, str]
    hints: Sequence[str]
    why: str
    alternative: str
    hints_for: dict[str, str] = field(default_factory=dict)
    praise: str = ""
    seconds: float = 20.0

    def __post_init__(self):
        unknown = set(self.hints_for) - set(self.messages) - set(STANDARD) - {"raised"}
        clash = set(self.messages) & set(STANDARD)
        if unknown or clash or not self.hints:
            raise ValueError(
                f"Exercise {self.name!r}: every hint in hints_for needs its message (missing: "
                f"{sorted(unknown)}), no message may take a standard key (taken: {sorted(clash)}), "
                f"and there must be hints. Received: {len(self.hints)} hints."
            )


class CheckFailed(AssertionError):
    """Raised with COURSEKIT_STRICT=1, where a solved notebook must have right answers only."""


class NotDone(Exception):
    """The learner's code gave `...` back."""


class _LearnerError(Exception):
    """Carries an exception of the learner's code through the check."""

    def __init__(self, error: BaseException):
        super().__init__(error)
        self.error = error


@contextlib.contextmanager
def learner_code():
    """Mark a block of a check as running the learner's code: its exceptions are the learner's."""
    try:
        yield
    except (Wrong, NotDone, TimeIsUp, _LearnerError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        raise _LearnerError(error) from error


def judge(exercise: Exercise, answers: Sequence) -> Outcome:
    """Run a check on the learner's answers, isolated and within its time limit."""
    if any(_has_dots(a) for a in answers):
        return _todo()
    try:
        inspect.signature(exercise.check).bind(*answers)
    except TypeError:
        wanted = " and ".join(f"`{p}`" for p in inspect.signature(exercise.check).parameters)
        return _wrong(
            exercise, Wrong("arguments", wanted=wanted, got=f"{len(answers)} answers"), ""
        )
    guarded = [Guard(a) if _is_function(a) else a for a in answers]
    with isolated(), printed() as out:
        try:
            with time_limit(exercise.seconds):
                exercise.check(*guarded)
            return Outcome(CORRECT, "ok", exercise.praise, str(out))
        except NotDone:
            return _todo()
        except Wrong as wrong:
            return _wrong(exercise, wrong, str(out))
        except TimeIsUp:
            return _wrong(exercise, Wrong("too_slow", seconds=exercise.seconds), str(out))
        except _LearnerError as carried:
            return _raised(carried.error, answers, str(out))
        except Exception as error:
            if _learner_line(error, answers):
                return _raised(error, answers, str(out))
            return _broken(error)


def _todo(where: str = "") -> Outcome:
    return Outcome(TODO, "todo", f"Replace the `...`{where}, run that cell, then this one again.")


def _wrong(exercise, wrong, out) -> Outcome:
    try:
        text = {**STANDARD, **exercise.messages}[wrong.key]
        message = text.format(**{k: brief(v) for k, v in wrong.values.items()})
    except (KeyError, IndexError, ValueError) as error:
        return _broken(error)
    return Outcome(WRONG, wrong.key, message[:1].upper() + message[1:], out)


def _raised(error, answers, out) -> Outcome:
    if isinstance(error, NotImplementedError):
        return _todo()
    line = _forgotten_dots(answers)
    if line:
        return _todo(f" that is left in `{line}`")
    try:
        text = shorten(" ".join(str(error).split()), 400)
    except Exception:
        text = "(an error whose text cannot be shown)"
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Outcome(RAISED, "raised", message + _learner_line(error, answers), out)


def _broken(error) -> Outcome:
    report = "".join(traceback.format_exception(error, limit=-4))
    message = f"{type(error).__name__} in our own code: {shorten(str(error), 200)}"
    return Outcome(BROKEN, "broken", message, report=shorten(report, 3000))


def _learner_line(error: BaseException, answers: Sequence) -> str:
    """The deepest line of the learner's that an exception passed through, for the message."""
    files = {a.__code__.co_filename for a in map(_unwrap, answers) if hasattr(a, "__code__")}
    found = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if frame.f_globals.get("__name__") == "__main__" or code.co_filename in files:
            source = traceback.FrameSummary(code.co_filename, number, code.co_name).line
            found = f"\nLine {number} of your cell: `{source}`" if source else "\nIn your cell."
    return found


def _forgotten_dots(answers: Sequence) -> str:
    """The first line of a learner's function that still holds a `...` of the stub."""
    for answer in map(_unwrap, answers):
        try:
            lines = inspect.getsource(answer)
            tree = ast.parse(textwrap.dedent(lines))
        except (OSError, TypeError, SyntaxError):
            continue
        indices = {id(n) for s in ast.walk(tree) if isinstance(s, ast.Subscript)
                   for n in ast.walk(s.slice)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices:
                return lines.splitlines()[node.lineno - 1].strip()
    return ""


def _unwrap(answer):
    return inspect.unwrap(answer) if callable(answer) else answer


def _is_function(answer) -> bool:
    is_keras = hasattr(answer, "get_config") or hasattr(answer, "trainable_variables")
    return callable(answer) and not isinstance(answer, type) and not is_keras


class Guard:
    """Stands for the learner's function: marks its exceptions, sees `...` and changed arguments."""

    def __init__(self, function: Callable):
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", "your function")

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __call__(self, *args, **kwargs):  # noqa: D102
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
        if _has_dots(result):
            raise NotDone
        return _guarded_items(result, unchanged) if inspect.isgenerator(result) else result

    def _must_fit(self, args, kwargs):
        try:
            signature = inspect.signature(self.__wrapped__)
        except (TypeError, ValueError):  # some built-in functions have none
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            given = [_kind(v) for v in args] + [f"{k}={_kind(v)}" for k, v in kwargs.items()]
            call = f"`{self.__name__}({', '.join(given)})`"
            raise Wrong("signature", call=call, got=str(error)) from None

    def _name_of(self, key) -> str:
        with contextlib.suppress(TypeError, ValueError, IndexError):
            return key if isinstance(key, str) else list(
                inspect.signature(self.__wrapped__).parameters)[key]  # fmt: skip
        return f"number {key + 1}"


def _kind(value) -> str:
    return brief(value) if isinstance(value, int | float | str) else type(value).__name__


def _guarded_items(generator, unchanged: Callable):
    with learner_code():
        for item in generator:
            if _has_dots(item):
                raise NotDone
            yield item
    unchanged()


def _has_dots(answer) -> bool:
    if isinstance(answer, dict):
        answer = list(answer.values())
    return answer is ... or (isinstance(answer, tuple | list) and any(p is ... for p in answer))


def _copy(value):
    """Copy what a learner may change by accident: arrays, lists and dicts."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _same(before, after) -> bool:
    if before is after:
        return True
    if isinstance(before, np.ndarray):
        nan = {"equal_nan": True} if before.dtype.kind == "f" else {}
        return before.shape == after.shape and np.array_equal(before, after, **nan)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(v, after[k]) for k, v in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return False


def versions() -> str:
    """The versions a report needs, of what is loaded."""
    names = ("keras", "tensorflow", "jax", "numpy")
    loaded = [(n, getattr(sys.modules.get(n), "__version__", None)) for n in names]
    found = [f"{n} {v}" for n, v in loaded if v]
    return ", ".join([f"Python {sys.version.split()[0]}", *found])
