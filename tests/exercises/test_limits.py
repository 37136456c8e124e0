"""A loop without an end is stopped; a flood of print does no harm."""

import asyncio
import concurrent.futures
import os
import queue
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from coursekit.exercises import Wrong, expect
from coursekit.exercises import _judge as judge
from coursekit.exercises import _limits as limits
from coursekit.exercises._limits import Interrupted, Printed, TimeIsUp, printed, time_limit

pytestmark = pytest.mark.any_backend


def doubles(answer):
    """A check: does `answer` double a number?"""
    expect.close(expect.number(answer(3.0)), 6.0)


# The time limit.


def forever():
    while True:
        pass


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN, lambda n, f: None])
def test_the_time_limit_and_the_handler(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        start = time.monotonic()
        with pytest.raises(TimeIsUp), time_limit(0.05):
            forever()
        assert time.monotonic() - start < 1
        assert signal.getsignal(signal.SIGINT) == handler
        with time_limit(5):
            pass
        assert signal.getsignal(signal.SIGINT) == handler
        with pytest.raises(KeyError), time_limit(5):
            raise KeyError
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_ending_near_the_limit_stops_nothing_else():
    for number in range(40):
        with_limit = 0.01 + number * 5e-5
        try:
            with time_limit(with_limit):
                time.sleep(0.011)
        except TimeIsUp:
            pass
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    time.sleep(0.05)


def test_an_interrupt_that_comes_when_all_is_over(monkeypatch):
    """It is on its way when the block ends, and arrives before the old handler is back."""
    fired, install = threading.Event(), signal.signal
    monkeypatch.setattr(limits, "_interrupt_main", fired.set)

    with pytest.raises(TimeIsUp), time_limit(0.01):
        fired.wait(5)
        monkeypatch.setattr(
            "signal.signal", lambda *a: (signal.raise_signal(signal.SIGINT), install(*a))[1]
        )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Signals:
    """A lock during whose taking an interrupt comes."""

    def __enter__(self):
        signal.raise_signal(signal.SIGINT)

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("late", [True, False], ids=["of the limit", "of a person"])
def test_an_interrupt_while_the_limit_ends_waits_until_it_has_ended(late):
    """Raised there, it would leave the handler in place, to interrupt what comes later."""
    limit = time_limit(30)
    with pytest.raises(TimeIsUp if late else Interrupted), limit:
        limit.lock, limit.late = Signals(), late
    assert limit.ended.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


WAITS = {
    "sleep": lambda: time.sleep(20),
    "lock": lambda: [lock := threading.Lock(), lock.acquire(), lock.acquire()],
    "condition": lambda: [one := threading.Condition(), one.acquire(), one.wait()],
    "queue": lambda: queue.Queue().get(),
    "child": lambda: subprocess.run(["sleep", "20"], check=True),
    "thread": lambda: [t := threading.Thread(target=time.sleep, args=(5,), daemon=True),
                       t.start(), t.join()],
    "socket": lambda: socket.create_server(("127.0.0.1", 0)).accept(),
    "pipe": lambda: os.read(os.pipe()[0], 1),
    "select": lambda: select.select([os.pipe()[0]], [], []),
    "future": lambda: concurrent.futures.Future().result(),
    "event loop": lambda: asyncio.run(asyncio.sleep(20)),
    "loop": forever,
}  # fmt: skip


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread here")
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_what_waits_is_stopped(wait):
    start = time.monotonic()
    with pytest.raises(TimeIsUp), time_limit(0.1):
        wait()
    assert time.monotonic() - start < 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_signals_to_a_thread(monkeypatch):
    monkeypatch.delattr(signal, "pthread_kill", raising=False)
    with pytest.raises(TimeIsUp), time_limit(0.05):
        forever()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_who_ignores_interrupts_hears_of_the_limit_in_the_end(handler, run):
    def answer(x):
        signal.signal(signal.SIGINT, handler)
        end = time.monotonic() + 0.15
        while time.monotonic() < end:
            pass
        return 2 * x

    outcome = run(doubles, answer, seconds=0.05)
    assert outcome.key == "too_slow"
    assert "cannot be stopped" in outcome.message
    assert "we stopped" not in outcome.message
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_beyond_the_limit_stays_the_error():
    with pytest.raises(KeyError), time_limit(0.02):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(0.06)
        raise KeyError


def test_a_real_interrupt_is_no_time_limit():
    with pytest.raises(Interrupted), time_limit(5):
        signal.raise_signal(signal.SIGINT)


def test_no_thread_is_left():
    before = set(threading.enumerate())
    for _ in range(5):
        with time_limit(60):
            pass
    time.sleep(0.05)
    assert set(threading.enumerate()) <= before


def test_no_limit_in_another_thread():
    done = []

    def work():
        with time_limit(0.01):
            time.sleep(0.1)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


# What is printed.


def test_printed_is_bounded_and_put_back():
    before = sys.stdout, sys.stderr
    with printed() as out:
        for _ in range(100):
            print("y" * 100_000)
        print("to the other", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert len(str(out)) < 1100
    assert str(out).endswith("\n... and 9,999,113 characters more")


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\rb\rc\n", "c"),
        ("50%\r100%\r\n", "100%"),
        ("\x1b[1m1/2\x1b[0m \x1b[32m--\x1b[0m\x08\x08", "1/2 --"),
        ("  kept\n\n", "  kept"),
        ("", ""),
    ],
)
def test_printed_is_readable(text, shown):
    out = Printed()
    out.write(text)
    assert str(out) == shown


# The learner's code, judged.


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


@pytest.mark.slow
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


# What is given to the rest of a lesson: predictions, the quiz, cards, decisions, names.

METHODS = ["__repr__", "__str__", "__eq__", "__array__", "__iter__", "__len__", "__bool__",
           "__getattr__", "__getitem__", "__contains__", "__float__", "__hash__", "__format__",
           "__index__", "strip", "lower"]  # fmt: skip
KINDS_OF_ANSWERS = [object, str, int, float, list, tuple, set, dict]


def evasive(kind, what):
    """An object of a subclass whose every method does that."""

    def method(*args, **kwargs):
        return what()

    made = type("Evasive", (kind,), {})
    given = made([1, 2]) if kind in (list, tuple, set) else made()
    for name in METHODS:
        setattr(made, name, method)
    return given


def raises(kind):
    def call():
        raise kind("no")

    return call


WHATS = {
    "endless": forever,
    "sleeps": lambda: time.sleep(30),
    "raises": raises(RuntimeError),
    "exits": raises(SystemExit),
    "interrupts": raises(KeyboardInterrupt),
    "recurses": lambda: (lambda f: f(f))(lambda f: f(f)),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WHATS)
def test_whatever_a_lesson_is_given_it_answers_in_time(what, lesson, shown, monkeypatch):
    monkeypatch.setattr(judge, "SECONDS", 0.05)
    check = lesson()
    for kind in KINDS_OF_ANSWERS:
        doors = [
            lambda bad: check("predict_width", bad),
            lambda bad: check("predict_width", [bad]),
            lambda bad: check("quiz_1", bad),
            lambda bad: check(bad, 3),
            lambda bad: check.hint(bad),
            lambda bad: check.solution(bad),
            lambda bad: check.solution("size", anyway=bad),
            lambda bad: check.reveal(bad),
            lambda bad: check.cards(knew=bad),
            lambda bad: check.cards(knew=[1, bad]),
            lambda bad: check.decide(bad, because="it is", score=0.5),
            lambda bad: check.decide("Adam", because=bad, score=0.5),
            lambda bad: check.decide("Adam", because="it is", score=bad),
            lambda bad: check.decide("Adam", because="it is", score=0.5, metric=bad),
        ]
        for door in doors:
            begun = time.monotonic()
            door(evasive(kind, WHATS[what]))
            assert time.monotonic() - begun < 2
            assert shown()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_cards_known_without_end(lesson, shown):
    lesson().cards(knew=range(10**12))
    assert "from 1 to 3, but it is range(0, 1000000000000)" in shown()


def test_a_real_interrupt_while_a_prediction_is_looked_at(lesson):
    class Pressed:
        def __repr__(self):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        lesson()("predict_width", Pressed())


LOOKS = {
    "number": expect.number,
    "array": lambda answer: expect.array(answer, shape=(3,)),
    "function": lambda answer: expect.function(answer)(1.0),
    "choice": lambda answer: expect.choice(answer, "abc"),
    "letters": lambda answer: expect.letters(answer, "abc"),
    "name": lambda answer: expect.name(answer, ["f1", "accuracy"]),
    "items": lambda answer: expect.items(answer, at_most=3),
    "shown": lambda answer: expect.close(1.0, 2.0, what=answer),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("what", WHATS)
def test_whatever_an_exercise_is_given_it_answers_in_time(what, look, run):
    for kind in KINDS_OF_ANSWERS:
        begun = time.monotonic()
        outcome = run(LOOKS[look], evasive(kind, WHATS[what]), seconds=0.05)
        assert time.monotonic() - begun < 2
        assert outcome.status in ("wrong", "raised", "broken", "correct")
        assert len(outcome.message) < 1000
