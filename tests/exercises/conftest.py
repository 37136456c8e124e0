"""Learners' cells, checks and lessons, made in one line."""

import itertools
import json
import linecache
import textwrap
from datetime import date, timedelta

import pytest

from coursekit.exercises import Lesson
from coursekit.exercises import _judge as judge
from coursekit.exercises import _lesson as lesson_module

CELLS = itertools.count(1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the progress of each test in a folder of its own."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSEKIT_STRICT", raising=False)
    return tmp_path / "home"


@pytest.fixture
def cell():
    """Run a cell as a notebook does, and return what it calls `answer`."""

    def run(source, module="__main__", **names):
        source = textwrap.dedent(source).lstrip("\n")
        file = f"<ipython-input-{next(CELLS)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        names |= {"__name__": module, "__spec__": None}
        exec(compile(source, file, "exec"), names)
        return names["answer"]

    return run


@pytest.fixture
def run():
    """Judge answers with a check."""

    def run(check, *answers, messages=None, seconds=20.0, **parts):
        exercise = judge.Exercise("name", check, "Title", messages or {}, ["hint"], "", "",
                                  seconds=seconds, **parts)  # fmt: skip
        return judge.judge(exercise, answers)

    return run


@pytest.fixture
def lesson():
    """Return a maker of lessons with two exercises, a prediction, a question and three cards."""
    from coursekit.exercises import Wrong, expect

    def make():
        check = Lesson("losses", title="How wrong is wrong?")

        @check.exercise(
            title="Twice",
            messages={"same": "`{got}` is what went in: nothing was doubled."},
            hints=["the idea", "the line"],
            hints_for={"same": "look at what comes out", "none": "end with a `return` line"},
            why="two times x is x + x",
            alternative="`x + x`",
            praise="and short",
        )
        def twice(answer):
            got = expect.number(answer(3.0))
            if got == 3.0:
                raise Wrong("same", got=got)
            expect.close(got, 6.0)

        @check.exercise(title="Size", messages={}, hints=["h"], why="w", alternative="a")
        def size(answer):
            expect.close(expect.number(answer), 7)

        @check.exercise(title="Flawed", messages={}, hints=["h"], why="w", alternative="a")
        def flawed(answer):
            raise Wrong("no such key")

        check.prediction("predict_width", {"a": "wider costs more", "b": "and fits more"}, "b")
        check.question("quiz_1", "Which?", {"a": ("This", "since"), "b": ("That", "not so")}, "a")
        for number in (1, 2, 3):
            check.card(f"question {number}", f"answer {number}")
        return check

    return make


@pytest.fixture
def shown(capsys):
    """Return a reader of what was shown since it was last read."""
    return lambda: capsys.readouterr().out


@pytest.fixture
def solutions(tmp_path, monkeypatch):
    folder = tmp_path / "solutions"
    folder.mkdir()
    monkeypatch.setattr(lesson_module, "SOLUTIONS", folder)
    (folder / "losses.json").write_text(json.dumps({"twice": "def twice(x):\n    return 2 * x"}))
    return folder / "losses.json"


@pytest.fixture
def today(monkeypatch):
    """Return a function that moves today by some days."""

    class Date(date):
        now = date(2030, 1, 30)

        @classmethod
        def today(cls):
            return cls.now

    def move(days):
        Date.now += timedelta(days)

    monkeypatch.setattr("coursekit.exercises._review.date", Date)
    return move
