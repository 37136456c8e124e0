"""A `...` that is left anywhere is work to do, not a mistake; other dots are neither."""

import numpy as np
import pytest

from coursekit.exercises import expect

pytestmark = pytest.mark.any_backend


def doubles(answer):
    """A check: does `answer` double a number?"""
    expect.close(expect.number(answer(3.0)), 6.0)


@pytest.mark.parametrize("answer", [..., (1, ...), [..., 2], {"a": ...}, "...", (" ... ", 1)])
def test_dots_in_the_answer(run, answer):
    def check(answer):
        return

    assert run(check, answer).status == "todo"
    assert run(lambda answer: answer(), lambda: answer).status == "todo"


def test_dots_from_a_generator(run, cell):
    assert (
        run(lambda answer: list(answer()), cell("def answer():\n    yield ...\n")).status == "todo"
    )


@pytest.mark.parametrize(
    "source, line",
    [
        ("def answer(x):\n    y = ... + x\n    return y\n", "y = ... + x"),
        ("def answer(x):\n    y = ...\n    return y * x\n", "y = ..."),
        ("def answer(x):\n    ...\n", "..."),
        ("def answer(x):\n    y = ...\n    return x\n", "y = ..."),
        ("def answer(x):\n    while ...:\n        pass\n", "while ...:"),
        ("def helper(x):\n    return abs(...)\n\ndef answer(x):\n    return helper(x)\n",
         "return abs(...)"),
    ],
)  # fmt: skip
def test_dots_left_in_the_function(run, cell, source, line):
    endless = source.count("while")  # the only one that the limit has to end
    outcome = run(doubles, cell(source), seconds=0.1 if endless else 20.0)
    assert outcome.status == "todo"
    assert f"left in `{line}`" in outcome.message


def test_dots_left_in_a_method(run, cell):
    answer = cell("""
        class Answer:
            def get_config(self):
                return {}
            def step(self):
                return 1 + ...
        answer = Answer()
    """)

    def check(answer):
        answer.step()

    assert "`return 1 + ...`" in run(check, answer).message


@pytest.mark.parametrize(
    "source",
    [
        "def answer(x):\n    return np.ones(3)[..., 0] / nothing\n",
        "def answer(x) -> tuple[int, ...]:\n    return x / nothing\n",
        "def answer(x):\n    f: Callable[..., int] = 1\n    return x / nothing\n",
        "def answer(x):\n    return '...' + nothing\n",
    ],
)
def test_dots_that_are_no_stub(run, cell, source):
    assert run(doubles, cell(source, np=np)).status == "raised"


def test_not_implemented_is_a_stub_where_the_learner_says_so(run, cell):
    outcome = run(doubles, cell("def answer(x):\n    raise NotImplementedError\n"))
    assert outcome.status == "todo"
    assert "`raise NotImplementedError`" in outcome.message

    def library(x):
        raise NotImplementedError("this model has no call method")

    outcome = run(doubles, cell("def answer(x):\n    return library(x)\n", library=library))
    assert outcome.status == "raised"
    assert "no call method" in outcome.message


def test_a_solved_function_is_judged_though_dots_are_in_it(run, cell):
    answer = cell(
        "def answer(x):\n    index = (..., 0)\n    return np.array([2 * x])[index]\n", np=np
    )
    assert run(doubles, answer).status == "correct"
