"""One answer in, one of five outcomes out; nothing that a learner writes raises."""

import pytest

from coursekit.exercises import Wrong, expect, learner_code
from coursekit.exercises._judge import Exercise
from coursekit.exercises._report import details, versions

pytestmark = pytest.mark.any_backend


def doubles(answer):
    """A check: does `answer` double a number?"""
    got = expect.number(answer(3.0))
    if got == 3.0:
        raise Wrong("same", got=got)
    expect.close(got, 6.0)


SAME = {"same": "{got} is what went in."}


# The five outcomes.


def test_correct(run):
    outcome = run(doubles, lambda x: x * 2, praise="short, too")
    assert (outcome.status, outcome.key, outcome.message) == ("correct", "ok", "short, too")


def test_wrong_says_what_was_seen(run):
    outcome = run(doubles, lambda x: x, messages=SAME)
    assert (outcome.status, outcome.key, outcome.message) == ("wrong", "same", "3 is what went in.")


def test_raised_names_the_learners_line(run, cell):
    answer = cell("""
        def helper(x):
            return x / 0

        def answer(x):
            return helper(x)
    """)
    outcome = run(doubles, answer)
    assert outcome.status == "raised"
    assert outcome.message.splitlines() == [
        "ZeroDivisionError: float division by zero",
        "Line 2 of your cell: `return x / 0`",
    ]


def test_the_line_is_named_outside_main_too(run, cell):
    answer = cell("def answer(x):\n    return x.nothing\n", module="somewhere")
    assert "Line 2 of your cell: `return x.nothing`" in run(doubles, answer).message


def test_todo(run):
    assert run(doubles, ...).status == "todo"


def test_broken(run):
    def check(answer):
        return {}["missing"]

    outcome = run(check, lambda x: x)
    assert (outcome.status, outcome.key) == ("broken", "broken")
    assert "KeyError: 'missing'" in outcome.message
    assert 'return {}["missing"]' in outcome.report


# A check that is itself broken is never the learner's fault.


@pytest.mark.parametrize("text", ["{other}", "{}", "{got:.2f}", "{got.real}", "{got[a]}", "{got"])
def test_a_message_that_cannot_be_written(run, text):
    outcome = run(doubles, lambda x: x, messages={"same": text})
    assert outcome.status == "broken"
    assert outcome.report


def test_an_unknown_key(run):
    assert run(doubles, lambda x: x).status == "broken"


@pytest.mark.parametrize("key", [["a list"], None, 3])
def test_a_key_that_is_no_text(run, key):
    def check(answer):
        raise Wrong(key)

    assert run(check, 1).status == "broken"


def test_a_check_that_fails_after_running_the_learners_code(run, cell):
    def check(answer):
        return answer(3.0)["loss"]

    assert run(check, cell("def answer(x):\n    return x\n")).status == "broken"


def test_a_check_that_fails_while_it_handles_the_learners_exception(run, cell):
    def check(answer):
        try:
            answer(3.0)
        except ZeroDivisionError:
            return {}["missing"]

    assert run(check, cell("def answer(x):\n    return x / 0\n")).status == "broken"


def test_a_check_that_misuses_a_library_function(run):
    """The library's lines are not the learner's, even if its function is the answer."""
    import keras

    def check(answer):
        keras.ops.mean("text")

    assert run(check, keras.ops.mean).status == "broken"


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), RecursionError()])
def test_a_check_that_stops_in_an_unusual_way(run, error):
    def check(answer):
        raise error

    assert run(check, 1).status == "broken"


def test_a_check_whose_error_cannot_be_shown(run):
    class Mute(Exception):
        def __str__(self):
            raise ValueError

    def check(answer):
        raise Mute

    assert "cannot be shown" in run(check, 1).message


# An object of the learner's that fails whatever is asked of it: an outcome, and never ours.

ERRORS = ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "KeyError", "RecursionError",
          "AttributeError", "ValueError"]  # fmt: skip
METHODS = ["__getattr__(self, name)", "__getattribute__(self, name)", "__repr__(self)",
           "__str__(self)", "__array__(self, dtype=None, copy=None)", "__len__(self)",
           "__iter__(self)", "__eq__(self, other)", "__bool__(self)", "__float__(self)",
           "__call__(self, *args)", "__hash__(self)"]  # fmt: skip


def as_number(answer):
    expect.close(expect.number(answer), 6.0)


def as_array(answer):
    expect.array(answer, (2,))


def as_choice(answer):
    expect.choice(answer, ["a", "b"])


def as_letters(answer):
    expect.letters(answer, ["a", "b"])


def as_name(answer):
    expect.name(answer, ["huber"])


def as_numeral(answer):
    expect.numeral(answer)


def as_items(answer):
    expect.items(answer, 3)


def as_function(answer):
    expect.close(expect.number(expect.function(answer)(3.0)), 6.0)


def as_shown(answer):
    raise Wrong("value", what="it", got=answer, wanted=3)


CHECKS = [as_number, as_array, as_choice, as_letters, as_name, as_numeral, as_items, as_function,
          as_shown]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("base", ["object", "str", "dict"])
def test_a_hostile_object(run, cell, method, error, base):
    answer = cell(f"""
        class Hostile({base}):
            def {method}:
                raise {error}("no")
        answer = Hostile()
    """)
    for check in CHECKS:
        for given in (answer, [answer], (answer, 1), {"a": answer}):
            outcome = run(check, given)
            assert outcome.status in ("wrong", "raised", "correct"), (check, outcome)
            assert isinstance(outcome.message, str)


@pytest.mark.parametrize("error", ERRORS)
def test_a_hostile_class(run, cell, error):
    answer = cell(f"""
        class Meta(type):
            def __getattribute__(cls, name):
                raise {error}("no")
            def __repr__(cls):
                raise {error}("no")
            def __call__(cls, *args):
                raise {error}("no")
        class Hostile(metaclass=Meta):
            pass
        answer = Hostile
    """)
    for check in CHECKS:
        assert run(check, answer).status in ("wrong", "raised")
        assert run(check, [answer]).status in ("wrong", "raised", "correct")  # a list has items


def test_an_object_that_looks_its_attributes_up_in_a_dict(run, cell):
    answer = cell("""
        class Record:
            def __init__(self):
                self.data = {"rate": 0.1}
            def __getattr__(self, name):
                return self.data[name]
        answer = Record()
    """)

    def rate(answer):
        expect.close(expect.number(answer.rate), 0.1)

    def momentum(answer):
        expect.close(expect.number(answer.momentum), 0.9)

    assert run(rate, answer).status == "correct"
    outcome = run(momentum, answer)
    assert outcome.status == "raised"
    assert outcome.message == "KeyError: 'momentum'\nLine 5 of your cell: `return self.data[name]`"


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_a_learners_own_interrupt_is_an_outcome(run, cell, error):
    outcome = run(doubles, cell(f"def answer(x):\n    raise {error}\n"))
    assert outcome.status == "raised"


@pytest.mark.parametrize("method", ["__repr__", "__str__", "__len__", "__iter__"])
def test_an_object_without_an_end(run, cell, method):
    answer = cell(f"""
        class Endless:
            def {method}(self):
                while True:
                    pass
        answer = Endless()
    """)
    for check in (as_number, as_shown, as_array):
        outcome = run(check, answer, seconds=0.1)
        assert outcome.status == "wrong"
    assert run(as_shown, answer, seconds=0.1).key == (
        "too_slow" if method == "__repr__" else "value"
    )


def test_an_error_without_an_end(run, cell):
    answer = cell("""
        class Endless(Exception):
            def __str__(self):
                while True:
                    pass
        def answer(x):
            raise Endless
    """)
    assert run(doubles, answer, seconds=0.1).key == "too_slow"


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "KeyError"])
def test_an_error_that_fails_when_it_is_looked_at(run, cell, error):
    answer = cell(f"""
        class Hostile(Exception):
            def __str__(self):
                raise {error}
            def __getattribute__(self, name):
                raise {error}
        def answer(x):
            raise Hostile
    """)
    outcome = run(doubles, answer)
    assert outcome.status == "raised"
    assert outcome.message.startswith("Hostile: (an error whose text cannot be shown)")


def test_versions_names_what_is_loaded():
    import keras

    assert f"keras {keras.__version__}" in versions()
    assert versions().startswith("Python 3")
    assert details("losses", "mse", "what").splitlines() == ["losses, mse", versions(), "what"]


# The learner's exceptions.


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError


class Abrupt(BaseException):
    pass


@pytest.mark.parametrize(
    "error, name",
    [
        (SystemExit(2), "SystemExit: 2"),
        (Abrupt("now"), "Abrupt: now"),
        (Speechless(), "Speechless: (an error whose text cannot be shown)"),
        (StopIteration(), "StopIteration"),
        (KeyError("k"), "KeyError: 'k'"),
        (MemoryError(), "MemoryError"),
        (ExceptionGroup("two", [ValueError(), TypeError()]), "ExceptionGroup: two"),
    ],
)
def test_whatever_the_learner_raises(run, cell, error, name):
    answer = cell("def answer(x):\n    raise error\n", error=error)
    outcome = run(doubles, answer)
    assert outcome.status == "raised"
    assert outcome.message.startswith(name)
    assert "Line 2 of your cell: `raise error`" in outcome.message


def test_an_exception_that_cannot_be_written_to(run, cell):
    answer = cell("""
        from dataclasses import dataclass

        @dataclass(frozen=True)
        class Frozen(Exception):
            code: int

        def answer(x):
            raise Frozen(3)
    """)
    assert run(doubles, answer).status == "raised"


def test_endless_recursion(run, cell):
    outcome = run(doubles, cell("def answer(x):\n    return answer(x)\n"))
    assert outcome.status == "raised"
    assert outcome.message.startswith("RecursionError")


def test_a_huge_exception_text(run, cell):
    answer = cell("def answer(x):\n    raise ValueError('no ' * 3_000_000)\n")
    assert len(run(doubles, answer).message) < 600


def test_a_learners_exit_inside_an_object_of_theirs(run, cell):
    answer = cell("""
        class Answer:
            def get_config(self):
                return {}
            def step(self):
                exit()
        answer = Answer()
    """)

    def check(answer):
        answer.step()

    outcome = run(check, answer)
    assert outcome.status == "raised"
    assert "`exit()`" in outcome.message


def test_a_check_may_expect_an_exception(run, cell):
    def check(answer):
        try:
            answer(-1)
        except ValueError:
            return
        raise Wrong("same", got=-1)

    answer = cell("def answer(x):\n    raise ValueError\n")
    assert run(check, answer).status == "correct"
    assert run(check, lambda x: x, messages=SAME).status == "wrong"
    assert run(check, cell("def answer(x):\n    raise TypeError\n")).status == "raised"


def test_learner_code_marks_a_block(run):
    class Answer:
        def __init__(self):
            self.nothing()

    def check(answer):
        with learner_code():
            answer(1, 2)

    outcome = run(check, Answer)
    assert outcome.status == "raised"
    assert outcome.message.startswith("TypeError")


def test_a_class_where_a_function_should_be(run):
    """Making an object of a built-in class runs no line of a cell; it is no fault of the check."""
    outcome = run(lambda answer: answer(1.0, 2.0), dict)
    assert outcome.status == "raised"
    assert outcome.message.startswith("TypeError: dict expected at most 1 argument, got 2")
    assert run(lambda answer: 1 / 0, max).status == "broken"


def test_a_function_that_the_learners_function_returns(run, cell):
    def check(answer):
        answer(1)(0)

    outcome = run(check, cell("def answer(x):\n    return lambda y: x / y\n"))
    assert outcome.status == "raised"
    assert "return lambda y: x / y" in outcome.message


def test_an_exercise_is_complete():
    parts = {"name": "n", "check": doubles, "title": "", "messages": SAME, "why": "",
             "alternative": ""}  # fmt: skip
    Exercise(**parts, hints=["h"], hints_for={"same": "s", "none": "n", "raised": "r"})
    for flaw in ({"hints": []}, {"hints": ["h"], "hints_for": {"unknown": ""}},
                 {"hints": ["h"], "messages": {"none": "taken"}}):  # fmt: skip
        with pytest.raises(ValueError, match="Received"):
            Exercise(**{**parts, **flaw})
