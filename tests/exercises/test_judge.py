"""One answer in, one of five outcomes out; nothing that a learner writes raises."""

import copy
import functools
import os
import random
import signal
import threading

import numpy as np
import pytest

from coursekit.exercises import Wrong, expect, learner_code
from coursekit.exercises.judge import Exercise, Guard, versions

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


def test_an_answer_that_cannot_be_looked_at(run):
    class Odd:
        def __getattr__(self, name):
            raise ValueError(name)

    assert run(doubles, Odd()).status == "broken"


def test_versions_names_what_is_loaded():
    import keras

    assert f"keras {keras.__version__}" in versions()
    assert versions().startswith("Python 3")


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


def test_a_function_that_the_learners_function_returns(run, cell):
    def check(answer):
        answer(1)(0)

    outcome = run(check, cell("def answer(x):\n    return lambda y: x / y\n"))
    assert outcome.status == "raised"
    assert "return lambda y: x / y" in outcome.message


# Code that does not end.


@pytest.mark.parametrize(
    "source",
    [
        "def answer(x):\n    while True:\n        pass\n",
        """
        def answer(x):
            while True:
                try:
                    while True:
                        pass
                except Exception:
                    pass
        """,
        """
        def answer(x):
            try:
                while True:
                    pass
            except KeyboardInterrupt:
                pass
            while True:
                pass
        """,
        """
        def answer(x):
            yield 3.0
            while True:
                pass
        """,
    ],
    ids=["loop", "swallows exceptions", "swallows an interrupt", "generator"],
)
def test_an_endless_loop_ends(run, cell, source):
    def check(answer):
        got = answer(3.0)
        list(got) if hasattr(got, "__next__") else got

    outcome = run(check, cell(source), seconds=0.1)
    assert (outcome.status, outcome.key) == ("wrong", "too_slow")
    assert "within 0.1 seconds" in outcome.message


def test_a_loop_that_swallows_even_the_first_stop(run, cell):
    answer = cell("""
        def answer(x):
            try:
                while True:
                    pass
            except BaseException:
                pass
            while True:
                pass
    """)
    assert run(doubles, answer, seconds=0.1).key == "too_slow"


def test_an_endless_generator_is_read_in_part(run, cell):
    def check(answer):
        assert expect.items(answer(), at_most=3) == [0, 1, 2, 3]

    answer = cell("""
        def answer():
            number = 0
            while True:
                yield number
                number += 1
    """)
    assert run(check, answer).status == "correct"


def test_a_real_interrupt_goes_through(run, cell):
    before, handler = random.getstate(), signal.getsignal(signal.SIGINT)
    answer = cell("""
        def answer(x):
            import random, signal
            random.random()
            signal.raise_signal(signal.SIGINT)
            return x
    """)
    folder = os.getcwd()
    with pytest.raises(KeyboardInterrupt):
        run(doubles, answer)
    assert random.getstate() == before
    assert signal.getsignal(signal.SIGINT) is handler
    assert os.getcwd() == folder


def test_in_another_thread(run):
    found = []
    thread = threading.Thread(target=lambda: found.append(run(doubles, lambda x: x * 2)))
    thread.start()
    thread.join()
    assert found[0].status == "correct"


# What is printed, and huge answers.


def test_what_is_printed_is_kept_in_part(run, cell):
    answer = cell("""
        def answer(x):
            print("starts")
            print("x" * 10_000_000)
            return x * 2
    """)
    outcome = run(doubles, answer)
    assert outcome.status == "correct"
    assert outcome.printed.startswith("starts\nxxx")
    assert outcome.printed.endswith("characters more")
    assert len(outcome.printed) < 1100


def test_a_huge_list_as_answer(run):
    def check(answer):
        raise Wrong("value", what="it", got=answer, wanted=3)

    outcome = run(check, list(range(3_000_000)))
    assert outcome.message == (
        "It is [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (3,000,000 values)]; expected 3."
    )


# Changed arguments.


@pytest.mark.parametrize(
    "argument, change",
    [
        (np.zeros(3), "x += 1"),
        (np.array([1.0, np.nan]), "x[0] = 2"),
        (np.array([1 + 1j, complex(np.nan)]), "x[0] = 2"),
        ([1, 2, 3], "x.append(4)"),
        ([[1], [2]], "x[0].append(4)"),
        ([3, 1], "x.sort()"),
        ({"a": 1}, "x['b'] = 2"),
        ({"a": [1]}, "x['a'].clear()"),
    ],
)
def test_a_changed_argument_is_named(run, cell, argument, change):
    def check(answer):
        answer(1, x=copy.deepcopy(argument))

    def check_by_place(answer):
        answer(1, copy.deepcopy(argument))

    source = f"def answer(y, x):\n    {change}\n    return y\n"
    for one in (check, check_by_place):
        outcome = run(one, cell(source))
        assert (outcome.status, outcome.key) == ("wrong", "mutated")
        assert "`x`" in outcome.message


@pytest.mark.parametrize(
    "argument",
    [np.array([1.0, np.nan]), np.array([complex(np.nan)]), [1.0, float("nan")], {"a": [None]}],
)
def test_an_unchanged_argument_is_fine(run, argument):
    def check(answer):
        answer(argument)

    assert run(check, lambda x: 1).status == "correct"


def test_an_unchanged_bfloat16_nan_is_fine(run):
    import ml_dtypes

    def check(answer):
        answer(np.array([np.nan], ml_dtypes.bfloat16))

    assert run(check, lambda x: 1).status == "correct"


def test_a_generator_that_changes_its_argument_later(run, cell):
    def check(answer):
        next(answer([1, 2, 3]))

    answer = cell("def answer(rows):\n    rows.reverse()\n    yield rows[0]\n")
    assert run(check, answer).key == "mutated"


def test_a_generator_that_fails_later(run, cell):
    def check(answer):
        list(answer(0))

    outcome = run(check, cell("def answer(x):\n    yield 1\n    yield 1 / x\n"))
    assert outcome.status == "raised"
    assert "`yield 1 / x`" in outcome.message


# Stubs.


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
    outcome = run(doubles, cell(source), messages=SAME, seconds=0.1)
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


# Kinds of functions.


class Doubler:
    def __call__(self, x):
        return 2 * x

    def method(self, x):
        return 2 * x


class SomeTimes:
    def __init__(self, factor):
        self.factor = factor

    def times(self, x):
        return self.factor * x


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: 2 * x,
        functools.partial(lambda a, b: a * b, 2),
        functools.partial(np.multiply, 2),
        Doubler(),
        Doubler().method,
        SomeTimes(2).times,
        decorated(lambda x: 2 * x),
        functools.lru_cache(lambda x: 2 * x),
        (2.0).__mul__,
    ],
)
def test_what_may_stand_for_a_function(run, answer):
    def check(answer):
        expect.close(expect.number(expect.function(answer)(3.0)), 6.0)

    assert run(check, answer).status == "correct"


def test_builtin_and_library_functions(run):
    import keras

    def adds(answer):
        expect.close(expect.number(answer(np.array([1.0, 2.0]))), 3.0)

    for answer in (sum, np.sum, keras.ops.sum, lambda x: x.sum()):
        assert run(adds, answer).status == "correct"
    for answer in (min, np.min, keras.ops.min):
        outcome = run(adds, answer)
        assert outcome.message == "Your answer is 1; expected 3."


@pytest.mark.parametrize("answer", [max, np.add, functools.partial(max), str.join])
def test_a_function_of_others_that_raises(run, answer):
    outcome = run(lambda answer: answer(3.0), answer)
    assert outcome.status in ("raised", "wrong")
    assert "of your cell" not in outcome.message


def test_a_function_as_a_value(run):
    """What stands for the function in a check shows as the function itself."""
    outcome = run(lambda answer: expect.number(answer), lambda x: x)
    assert outcome.message == "Your answer should be one number, but it is a function."
    outcome = run(lambda answer: expect.number(answer), sum)
    assert outcome.message.endswith("it is a built-in function.")
    outcome = run(lambda answer: expect.number(answer), Doubler)
    assert outcome.message.endswith("it is a class.")

    def check(answer):
        raise Wrong("value", what="it", got=answer, wanted=3)

    assert run(check, sum).message == "It is <built-in function sum>; expected 3."
    assert "0x" not in run(check, lambda x: x).message


def test_a_guard_can_be_copied_and_asked():
    def answer(x):
        return x

    answer.note = "kept"
    guard = Guard(answer, [])
    assert copy.copy(guard)(3) == 3
    assert guard.note == "kept"
    assert guard.__name__ == "answer"


# Arguments.


@pytest.mark.parametrize(
    "answer, expected",
    [
        (lambda: 1, "`<lambda>(3.0)`"),
        (lambda x, y: 1, "missing a required argument: 'y'"),
        (lambda *, x: 1, "too many positional arguments"),
    ],
)
def test_a_function_with_other_arguments(run, answer, expected):
    outcome = run(doubles, answer)
    assert (outcome.status, outcome.key) == ("wrong", "signature")
    assert expected in outcome.message


def test_an_argument_by_another_name(run, cell):
    def check(answer):
        answer(np.zeros(3), name="sum")

    outcome = run(check, cell("def answer(x, key):\n    return x\n"))
    assert outcome.key == "signature"
    assert "`answer(ndarray, name='sum')`" in outcome.message


@pytest.mark.parametrize(
    "answers, given", [((), "no answers"), ((1,), "1 answer."), ((1,) * 3, "3")]
)
def test_the_wrong_number_of_answers(run, answers, given):
    def check(weights, bias):
        return

    outcome = run(check, *answers)
    assert (outcome.status, outcome.key) == ("wrong", "arguments")
    assert "`weights` and `bias`" in outcome.message
    assert given in outcome.message


def test_an_exercise_is_complete():
    parts = {"name": "n", "check": doubles, "title": "", "messages": SAME, "why": "",
             "alternative": ""}  # fmt: skip
    Exercise(**parts, hints=["h"], hints_for={"same": "s", "none": "n", "raised": "r"})
    for flaw in ({"hints": []}, {"hints": ["h"], "hints_for": {"unknown": ""}},
                 {"hints": ["h"], "messages": {"none": "taken"}}):  # fmt: skip
        with pytest.raises(ValueError, match="Received"):
            Exercise(**{**parts, **flaw})


# Keras.


@pytest.fixture
def train():
    """Return a check that makes a model of the learner's class and trains it."""

    def check(eager, steps=1):
        def check(answer):
            model = answer() if isinstance(answer, type) else answer
            model.compile("sgd", "mse", run_eagerly=eager)
            model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=steps, verbose=0)

        return check

    return check


MODEL = """
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
        def call(self, x):
            return self.dense(x)
        def train_step(self, *args):
            print("trains")
            return {"loss": nothing}
    answer = Model
"""
NO_LAYER = """
    import keras

    class Model(keras.Model):
        def call(self, x):
            return self.layer(x)
    answer = Model
"""


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_a_train_step_that_raises(run, cell, train, eager):
    model = cell(MODEL)
    for answer in (model, model()):
        outcome = run(train(eager), answer)
        assert outcome.status == "raised"
        assert outcome.message == (
            "NameError: name 'nothing' is not defined\n"
            'Line 11 of your cell: `return {"loss": nothing}`'
        )
        assert outcome.printed == "trains"


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_a_call_that_raises(run, cell, train, eager):
    outcome = run(train(eager), cell(NO_LAYER))
    assert outcome.status == "raised"
    assert "`return self.layer(x)`" in outcome.message
    assert "\x1b" not in outcome.message


def test_a_loss_of_the_learners_in_fit(run, cell):
    import keras

    def check(answer):
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", answer)
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)

    good = "def answer(y_true, y_pred):\n    return (y_true - y_pred) ** 2\n"
    assert run(check, cell(good)).status == "correct"
    outcome = run(check, cell(good.replace("** 2", "** two")))
    assert outcome.status == "raised"
    assert "Line 2 of your cell" in outcome.message


def test_an_endless_fit_ends(run):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)

    def check(answer):
        answer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=10**9, verbose=0)

    assert run(check, model, seconds=0.3).key == "too_slow"
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_progress_bars_and_summaries_are_readable(run):
    import keras

    def check(answer):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=1)
        model.summary()

    outcome = run(check, 1)
    assert outcome.status == "correct"
    assert "loss: " in outcome.printed
    assert not set("\x1b\x08\r") & set(outcome.printed)


# TensorFlow, which makes errors of its own of the learner's.


@pytest.fixture
def tf():
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow only: tf.function and tf.data")
    import tensorflow

    return tensorflow


def test_tf_function_as_an_answer(run, cell, tf):
    source = """
        import tensorflow as tf

        @tf.function
        def answer(x):
            return x * 2 if x > two else x * 2
    """
    assert run(doubles, cell(source, two=tf.constant(2.0))).status == "correct"
    outcome = run(doubles, cell(source))
    assert outcome.status == "raised"
    assert outcome.message.startswith("NameError")
    assert "name 'two' is not defined" in outcome.message


def test_a_check_that_compiles_the_answer(run, cell, tf):
    def compiled(answer):
        with learner_code():
            got = tf.function(answer)(tf.constant(3.0))
        expect.close(expect.number(got), 6.0)

    def called(answer):
        @tf.function
        def step(x):
            return answer(x)

        expect.close(expect.number(step(tf.constant(3.0))), 6.0)

    def mapped(answer):
        with learner_code():
            (got,) = tf.data.Dataset.from_tensors(3.0).map(answer)
        expect.close(expect.number(got), 6.0)

    for check, wrong_arguments in (
        (compiled, "raised"),  # TensorFlow looks at them before it calls
        (called, "signature"),
        (mapped, "signature"),
    ):
        good = cell("def answer(x):\n    return x * 2\n")
        assert run(check, good).status == "correct"
        outcome = run(check, cell("def answer(x):\n    return x * two\n"))
        assert outcome.status == "raised"
        assert outcome.message.startswith("NameError: name 'two' is not defined")
        assert run(check, cell("def answer(x, y):\n    return x\n")).key == wrong_arguments
        assert run(check, cell("def answer(x):\n    return ...\n")).status == "todo"


def test_a_generator_inside_a_dataset(run, cell, tf):
    def check(answer):
        list(tf.data.Dataset.from_generator(answer, output_signature=tf.TensorSpec(())))

    outcome = run(check, cell("def answer():\n    yield 1.0\n    raise ValueError('stop')\n"))
    assert outcome.status == "raised"
    assert outcome.message.splitlines()[0] == "ValueError: stop"
