"""A row of a lesson's test file: an answer, and the message that it must get."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

RIGHT = ("ok", "alternative")


@dataclass(frozen=True)
class Row:
    """An answer to an exercise, and the key of the outcome it must have.

    The key is "ok" for the plain right answer, "alternative" for other right ones, "todo" for the
    untouched stub, "raised" for code that stops, or the key of a message.
    """

    lesson: str
    exercise: str
    key: str
    answers: tuple

    def holds(self) -> None:
        """Judge the answer and compare."""
        check = import_module(f"coursekit.lessons.{self.lesson}").check
        outcome = check.verdict(self.exercise, *self.answers)
        wanted = "ok" if self.key in RIGHT else self.key
        assert outcome.key == wanted, f"{outcome.key}: {outcome.message}\n{outcome.report}"
        assert "{" not in outcome.message.replace("{'", ""), outcome.message


def row(exercise: str, key: str, *answers) -> Row:
    """Make a row; the lesson is the test file's own."""
    file = Path(inspect.currentframe().f_back.f_code.co_filename)  # `stack` reads all sources
    return Row(file.stem.removeprefix("test_"), exercise, key, answers)
