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
from types import CodeType

import numpy as np

from coursekit.exercises._isolation import TimeIsUp, isolated, printed, time_limit, without_codes
from coursekit.exercises._wrong import STANDARD, Wrong, shorten

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
    seconds: float = 10.0

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


@contextlib.contextmanager
def learner_code():
    """Mark a block of a check as running the learner's code: its exceptions are the learner's.

    Calling the learner's function needs no mark. Making an object of the learner's class does, and
    so does giving the learner's code to a pipeline, which loses where an exception came from.
    A check may still catch them by their type.
    """
    try:
        yield
    except (Wrong, NotDone, TimeIsUp, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        object.__setattr__(error, "is_learners", True)  # a frozen class has no other way
        raise


def judge(exercise: Exercise, answers: Sequence) -> Outcome:
    """Run a check on the learner's answers, isolated and within its time limit."""
    try:
        return _judge(exercise, answers)
    except Exception as error:
        return _broken(error)


def _judge(exercise, answers) -> Outcome:
    if any(has_dots(a) for a in answers):
        return _todo()
    try:
        inspect.signature(exercise.check).bind(*answers)
    except TypeError:
        wanted = " and ".join(f"`{p}`" for p in inspect.signature(exercise.check).parameters)
        got = f"{len(answers) or 'no'} answer{'s' * (len(answers) != 1)}"
        return _wrong(exercise, Wrong("arguments", wanted=wanted, got=got), "")
    caught = []
    guarded = [Guard(a, caught) if _is_function(a) else a for a in answers]
    with isolated(), printed() as out:
        try:
            with time_limit(exercise.seconds):
                exercise.check(*guarded)
            return Outcome(CORRECT, "ok", exercise.praise, str(out))
        except KeyboardInterrupt:
            raise
        except TimeIsUp:
            return _not_right(exercise, answers, out, Wrong("too_slow", seconds=exercise.seconds))
        except (Wrong, NotDone) as error:
            return _not_right(exercise, answers, out, error)
        except BaseException as error:
            if caught and not _is_ours(error, exercise.check):
                error = caught[-1]  # TensorFlow makes errors of its own of what it runs into
            return _not_right(exercise, answers, out, error)


def _not_right(exercise, answers, out, error) -> Outcome:
    if isinstance(error, NotDone):
        return _todo()
    if isinstance(error, Wrong):
        dots = _forgotten_dots(answers)
        return _todo(dots) if dots else _wrong(exercise, error, str(out))
    learners = _learners(error, answers, exercise.check)
    return _raised(learners, answers, str(out)) if learners else _broken(error)


def _todo(line: str = "") -> Outcome:
    where = f" that is left in `{line}`" if line else ""
    return Outcome(TODO, "todo", f"Replace the `...`{where} and run the cell again.")


def _wrong(exercise, wrong, out) -> Outcome:
    try:
        return Outcome(WRONG, wrong.key, wrong.sentence(exercise.messages), out)
    except Exception as error:  # an unknown key, or a message that names what it was not given
        return _broken(error)


def _raised(error, answers, out) -> Outcome:
    lines = _lines(error, answers)
    where = source = ""
    if lines:
        code, number = lines[-1]
        source = traceback.FrameSummary(code.co_filename, number, code.co_name).line or ""
        where = f"\nLine {number} of your cell: `{source}`" if source else "\nIn your cell."
    if isinstance(error, NotImplementedError) and "NotImplementedError" in source:
        return Outcome(TODO, "todo", f"Write what is missing at `{source}`.")
    dots = _forgotten_dots([*answers, *dict.fromkeys(code for code, _ in lines)])
    return _todo(dots) if dots else Outcome(RAISED, "raised", _told(error) + where, out)


def _broken(error) -> Outcome:
    report = "".join(traceback.format_exception(error, limit=-4))
    message = f"In our own code: {_told(error)}"
    return Outcome(BROKEN, "broken", message, report=shorten(report, 3000))


def _learners(error: BaseException | None, answers, check) -> BaseException | None:
    """Return the learner's exception: the given one, or one that a library made it of."""
    while error is not None and not (vars(error).get("is_learners") or _lines(error, answers)):
        error = None if _is_ours(error, check) else error.__cause__ or error.__context__
    return error


def _is_ours(error: BaseException, check: Callable) -> bool:
    """Say whether the check itself raised an exception, and nothing that it called."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return files[-1:] == [inspect.getfile(check)]


def _told(error: BaseException) -> str:
    """Write an exception's type and text in one line."""
    try:
        text = shorten(" ".join(without_codes(str(error)).split()), 400)
    except Exception:
        text = "(an error whose text cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _lines(error: BaseException, answers: Sequence) -> list[tuple[CodeType, int]]:
    """List the learner's lines that an exception passed through.

    The learner's are those of a notebook's cells, and of the answers if no module holds them.
    """
    files = {a.__code__.co_filename for a in map(_unwrap, answers) if hasattr(a, "__code__")}
    found = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        code, names = frame.f_code, frame.f_globals
        in_cell = code.co_filename in files and names.get("__spec__") is None
        generated = "__autograph_generated_file" in code.co_filename  # TensorFlow's, from a cell
        if (in_cell or names.get("__name__") == "__main__") and not generated:
            found.append((code, number))
    return found


def _forgotten_dots(answers: Sequence) -> str:
    """Return the first line of the learner's functions that still holds a `...` of the stub."""
    for answer in map(_unwrap, answers):
        if getattr(answer, "__globals__", {}).get("__spec__"):  # a library's function
            continue
        try:
            lines = inspect.getsource(answer)
            tree = ast.parse(textwrap.dedent(lines))
        except Exception:  # no source, or only a part of a statement
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

    def __init__(self, function: Callable, caught: list):
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", "your function")
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
    return repr(value) if isinstance(value, int | float | str) else type(value).__name__


def has_dots(answer) -> bool:
    """Say whether an answer, or one of its parts, is still the `...` of the stub."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    parts = answer if isinstance(answer, tuple | list) else [answer]
    return any(p is ... or (isinstance(p, str) and p.strip() == "...") for p in parts)


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
        return before.shape == after.shape and before.tobytes() == after.tobytes()
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(v, after[k]) for k, v in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return False


def versions() -> str:
    """The versions a report needs, of what is loaded."""
    names = ("coursekit", "keras", "tensorflow", "jax", "numpy")
    loaded = [(n, getattr(sys.modules.get(n), "__version__", None)) for n in names]
    found = [f"{n} {v}" for n, v in loaded if v]
    return ", ".join([f"Python {sys.version.split()[0]}", *found])
