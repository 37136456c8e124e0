"""One answer in, one of five outcomes out; nothing that a learner writes raises from here.

correct   the answer is right
wrong     a misconception, named
raised    the learner's own code stopped with an error
todo      not done yet: there is still a `...`
broken    our check failed: never shown as the learner's mistake
"""

import ast
import inspect
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from coursekit.exercises._guard import Guard, NotDone, has_dots, is_function
from coursekit.exercises._isolation import isolated
from coursekit.exercises._limits import (
    Interrupted,
    Stopped,
    TimeIsUp,
    printed,
    time_limit,
    without_codes,
)
from coursekit.exercises._objects import ask, class_name, is_a
from coursekit.exercises._wrong import STANDARD, Wrong, shorten

SECONDS = 10.0  # how long an answer may take, if its exercise does not say

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
    seconds: float = SECONDS

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


def looked_at(look: Callable[[], Any]) -> tuple[Any, str]:
    """Look at what a learner gave, isolated and within the time limit, whatever it does then.

    Returns:
        What `look` finds, and ""; or None, and a sentence that says what is wrong.
    """
    try:
        with isolated(), printed(), time_limit(SECONDS):
            try:
                return look(), ""
            except Stopped:
                raise
            except Wrong as wrong:
                return None, wrong.sentence()
            except BaseException as error:
                return None, Wrong("evasive", got=class_name(error)).sentence()
    except Interrupted:
        raise KeyboardInterrupt from None
    except TimeIsUp:
        return None, Wrong("too_slow", seconds=SECONDS).sentence()


def judge(exercise: Exercise, answers: Sequence) -> Outcome:
    """Run a check on the learner's answers, isolated and within its time limit."""
    try:
        with isolated(), printed() as out:
            return _judge(exercise, answers, out)
    except KeyboardInterrupt:  # a real one: the learner's own are an outcome
        raise KeyboardInterrupt from None
    except BaseException as error:
        return _broken(error)


def _judge(exercise, answers, out) -> Outcome:
    caught = []
    try:
        with time_limit(exercise.seconds):
            if any(has_dots(a) for a in answers):
                return _todo()
            if unfit := _unfit(exercise.check, answers):
                return _wrong(exercise, unfit, "")
            exercise.check(*(Guard(a, caught) if is_function(a) else a for a in answers))
        return Outcome(CORRECT, "ok", exercise.praise, str(out))
    except Interrupted:
        raise
    except TimeIsUp:
        error = Wrong("too_slow", seconds=exercise.seconds)
    except BaseException as raised:
        error = raised
        is_plain = not is_a(error, (Wrong, NotDone))
        if is_plain and caught and not _is_ours(error, exercise.check):
            error = caught[-1]  # TensorFlow makes errors of its own of what it runs into
    try:
        with time_limit(exercise.seconds):  # looking at the answer runs the learner's code too
            return _not_right(exercise, answers, out, error)
    except TimeIsUp:
        return _wrong(exercise, Wrong("too_slow", seconds=exercise.seconds), str(out))


def _unfit(check, answers) -> Wrong | None:
    """Return what is wrong with the number of answers."""
    signature = inspect.signature(check)
    try:
        signature.bind(*answers)
    except TypeError:
        wanted = " and ".join(f"`{p}`" for p in signature.parameters)
        got = f"{len(answers) or 'no'} answer{'s' * (len(answers) != 1)}"
        return Wrong("arguments", wanted=wanted, got=got)
    return None


def _not_right(exercise, answers, out, error) -> Outcome:
    if is_a(error, NotDone):
        return _todo()
    if is_a(error, Wrong):
        dots = _forgotten_dots(answers)
        return _todo(dots) if dots else _wrong(exercise, error, str(out))
    learners = _learners(error, answers, exercise.check)
    if not learners and any(is_a(a, type) for a in answers):
        learners = error  # what making an object of it raises has no line in the learner's cell
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
    if is_a(error, NotImplementedError) and "NotImplementedError" in source:
        return Outcome(TODO, "todo", f"Write what is missing at `{source}`.")
    dots = _forgotten_dots([*answers, *dict.fromkeys(code for code, _ in lines)])
    return _todo(dots) if dots else Outcome(RAISED, "raised", _told(error) + where, out)


def _broken(error) -> Outcome:
    report = "".join(traceback.format_exception(error, limit=-4))
    message = f"In our own code: {_told(error)}"
    return Outcome(BROKEN, "broken", message, report=shorten(report, 3000))


def _learners(error: BaseException | None, answers, check) -> BaseException | None:
    """Return the learner's exception: the given one, or one that a library made it of."""
    while error is not None and not (ask(error, "is_learners") or _lines(error, answers)):
        cause = ask(error, "__cause__") or ask(error, "__context__")
        error = None if _is_ours(error, check) else cause
    return error


def _is_ours(error: BaseException, check: Callable) -> bool:
    """Say whether the check itself raised an exception, and nothing that it called."""
    files = [frame.f_code.co_filename for frame, _ in _frames(error)]
    return files[-1:] == [inspect.getfile(check)]


def _told(error: BaseException) -> str:
    """Write an exception's type and text in one line."""
    try:
        text = shorten(" ".join(without_codes(str(error)).split()), 400)
    except Stopped:
        raise
    except BaseException:
        text = "(an error whose text cannot be shown)"
    return f"{class_name(error)}: {text}" if text else class_name(error)


def _lines(error: BaseException, answers: Sequence) -> list[tuple[CodeType, int]]:
    """List the learner's lines that an exception passed through.

    The learner's are those of a notebook's cells, and of the answers if no module holds them.
    """
    codes = [ask(a, "__code__") for a in map(_unwrap, answers)]
    files = {code.co_filename for code in codes if is_a(code, CodeType)}
    found = []
    for frame, number in _frames(error):
        code, names = frame.f_code, frame.f_globals
        in_cell = code.co_filename in files and names.get("__spec__") is None
        generated = "__autograph_generated_file" in code.co_filename  # TensorFlow's, from a cell
        if (in_cell or names.get("__name__") == "__main__") and not generated:
            found.append((code, number))
    return found


def _frames(error: BaseException):
    return traceback.walk_tb(BaseException.__traceback__.__get__(error))


def _forgotten_dots(answers: Sequence) -> str:
    """Return the first line of the learner's functions that still holds a `...` of the stub."""
    for answer in map(_unwrap, answers):
        names = ask(answer, "__globals__")
        if is_a(names, dict) and names.get("__spec__"):  # a library's function
            continue
        try:
            lines = inspect.getsource(answer)
            tree = ast.parse(textwrap.dedent(lines))
        except Stopped:
            raise
        except BaseException:  # no source, or only a part of a statement
            continue
        indices = {id(n) for s in ast.walk(tree) if isinstance(s, ast.Subscript)
                   for n in ast.walk(s.slice)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices:
                return lines.splitlines()[node.lineno - 1].strip()
    return ""


def _unwrap(answer):
    try:
        return inspect.unwrap(answer) if callable(answer) else answer
    except Stopped:
        raise
    except BaseException:  # a circle, or an object that answers every question with an error
        return answer
