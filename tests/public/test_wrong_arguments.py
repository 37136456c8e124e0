"""Every argument of every public function is either right or refused, by its own name.

`CALLS` holds a right call of everything that is public. Each of its arguments has a domain, and
each domain has nonsense that must be refused, before any work, in a sentence with its name.
"""

import inspect
import math

import numpy as np
import pytest
from public_calls import CALLS, DATA, ELSEWHERE, UNCHECKED, called

import coursekit

NAN, INF = math.nan, math.inf
NOT_NUMBERS = [None, "1", "many", [1], {}, True, 1j, np.ones(3)]
NONSENSE = {
    "count": [0, -1, 1.5, 2.0, NAN, INF, *NOT_NUMBERS],
    "natural": [-1, 1.5, NAN, INF, *NOT_NUMBERS],
    "positive": [0, -1.0, NAN, INF, -INF, *NOT_NUMBERS],
    "at_least_0": [-1.0, NAN, INF, -INF, *NOT_NUMBERS],
    "number": [NAN, INF, -INF, *NOT_NUMBERS],
    "share": [-0.1, 1.5, NAN, INF, *NOT_NUMBERS],
    "switch": ["no", "yes", 0.5, 2, NAN, None, [], np.ones(2)],
    "option": ["nonsense", "", 17, 0.5, True, [], np.ones(2)],
    "class": [1.5, NAN, "255", True, [0], np.ones(2)],
    "axis": [1.5, NAN, "last", True, None, 7],
    "weights": [-1.0, NAN, INF, "many", {}, True, 1j, [], [1.0, -1.0, 1.0], [NAN, 1, 1], "123",
                ["1", "2", "3"], [None] * 3, [True] * 3, [[1.0], [2.0], [3.0]], object()],
    "schedules": [None, 0.1, "many", {}, [], [0.1], [0.1, "0.2"], [0.1, None], [0.1, NAN],
                  [0.1, [0.2]], np.ones(3), object()],
    "counts": [None, 5, "5", {}, [], [5.5], ["5"], [None], [True], [[5]], [0], [5, 9], object()],
    "model": [None, 3, "model", [1.0], object()],
    "callable": [3, "f", [1.0], object()],
    "path": [3, 1.5, [1]],
    "names": [None, 3, "CPU:0", [], {}, [3], [None]],
    "text": [None, 3, b"bytes", ["words"]],
    "title": [3, ["words"]],
}  # fmt: skip


def public() -> dict[str, object]:
    """What users can import: by dotted name, functions and classes."""
    found = {}
    for part in coursekit.__all__:
        home = getattr(coursekit, part)
        if part == "lessons" or part in ELSEWHERE or not inspect.ismodule(home):
            continue  # names at the top are those of the parts
        for name in getattr(home, "__all__", []):
            thing = getattr(home, name)
            if inspect.ismodule(thing):
                inner = list(getattr(thing, "__all__", []))
                found |= {f"{part}.{name}.{n}": getattr(thing, n) for n in inner}
            elif callable(thing):
                found[f"{part}.{name}"] = thing
    return found


def arguments():
    for name, call in CALLS.items():
        for argument, domain in call.domains.items():
            for value in NONSENSE[domain]:
                if not any(
                    value is ok or _same(value, ok) for ok in call.accepts.get(argument, ())
                ):
                    yield pytest.param(name, argument, value, id=f"{name}-{argument}-{_id(value)}")


def _same(a, b) -> bool:
    return type(a) is type(b) and not isinstance(a, np.ndarray) and a == b


def _id(value) -> str:
    return "array" if isinstance(value, np.ndarray) else repr(value).split(" at ")[0][:20]


@pytest.mark.parametrize("name, argument, value", arguments())
def test_nonsense_is_refused_by_name(name, argument, value):
    call = CALLS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        called(name, **{**call.right(), argument: value})
    text = str(caught.value)
    assert argument in text, f"does not name `{argument}`: {text}"
    assert len(text) < 1500, "dumps its input"


@pytest.mark.parametrize("name", CALLS)
def test_the_right_call_is_right(name):
    called(name, **CALLS[name].right())


@pytest.mark.parametrize("name", CALLS)
def test_numpy_numbers_are_numbers(name):
    """`np.int64(3)` is 3, `np.float64(0.5)` is 0.5: at every door."""
    call, changed = CALLS[name], {}
    for argument, domain in call.domains.items():
        value = call.right().get(argument, inspect.Parameter.empty)
        if domain in ("count", "natural", "class", "axis") and type(value) is int:
            changed[argument] = np.int64(value)
        elif domain in ("positive", "number", "share", "at_least_0") and type(value) is float:
            changed[argument] = np.float64(value)
    called(name, **{**call.right(), **changed})


def test_everything_public_has_a_call():
    missing = [name for name in public() if name not in CALLS and name not in UNCHECKED]
    assert not missing, f"give these a right call in public_calls.py: {missing}"
    gone = [name for name in [*CALLS, *UNCHECKED] if name not in public()]
    assert not gone, f"these are not public: {gone}"


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_has_a_domain(name):
    """Data (`DATA`) have tests of their own; every other argument has a domain here."""
    call = CALLS[name]
    for argument, parameter in inspect.signature(public()[name]).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        assert argument in call.domains or argument in call.free or argument in DATA, argument
