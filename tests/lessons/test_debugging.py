"""Right answers of several kinds, and what each wrong one is told; and the planted bugs."""

import bisect
import io
import re
from contextlib import redirect_stdout

import keras
import numpy as np
import pytest
from answers import row

from coursekit.diagnosis import examine
from coursekit.lessons import _debugging as parts
from coursekit.lessons.debugging import check
from coursekit.training import value_and_gradients

pytestmark = pytest.mark.any_backend

# ten_rows


def verdicts(one="P", two="B", three="P", four="R"):
    return {1: one, 2: two, 3: three, 4: four}


# trouble


def judged(ill, some=any):
    """Name the layers of which some arrays (any, all) are ill."""
    return lambda by_layer: [n for n, found in by_layer.items() if some(map(ill, found.values()))]


def joined(ill):
    def answer(by_layer):
        return [
            n for n, f in by_layer.items() if ill(np.concatenate([g.ravel() for g in f.values()]))
        ]

    return answer


def lost(g):
    return not np.isfinite(g).all()


def still_or_lost(g):
    return not np.any(g) or lost(g)


def of_first(by_layer):
    return [name for name, f in by_layer.items() if still_or_lost(next(iter(f.values())))]


def paths(by_layer):
    return [path for f in by_layer.values() for path, g in f.items() if still_or_lost(g)]


def by_keras(by_layer):
    ops, names = keras.ops, set()
    for name, found in by_layer.items():
        size = sum(float(ops.sum(ops.abs(g))) for g in found.values())
        if size == 0 or not np.isfinite(size):
            names.add(name)
    return names


# culprit


def halving(move=0):
    def answer(learns, stages):
        good, bad = 0, stages
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if learns(middle) else (good, middle)
        return bad + move

    return answer


def by_recursion(learns, stages, first=1):
    if first == stages:
        return np.int64(first)
    middle = (first + stages) // 2
    return (
        by_recursion(learns, stages, middle + 1)
        if learns(middle)
        else by_recursion(learns, middle, first)
    )


def by_library(learns, stages):
    return bisect.bisect(range(1, stages), False, key=lambda k: not learns(k)) + 1


def one_by_one(learns, stages):
    return next(k for k in range(1, stages + 1) if k == stages or not learns(k))


def ends_too(learns, stages):
    assert learns(0) and not learns(stages)
    return halving()(learns, stages)


def wasteful(learns, stages):
    return min(halving()(learns, stages), halving()(learns, stages))


# projects

RIGHT = {
    "B": ("shapes", "look"),
    "C": ("softmax twice", "ten_rows"),
    "D": ("no gradient", "gradients"),
    "E": ("scale", "look"),
    "F": ("rate too high", "simpler"),
}


def found(**changed):
    return RIGHT | changed


ANSWERS = [
    row("first_loss", "ok", 2.303, 0.693, 1.0),
    row("first_loss", "alternative", np.log(10), -np.log(0.5), 1),
    row("first_loss", "alternative", "2.3", "0.69", np.float32(1)),
    row("first_loss", "todo", ..., ..., ...),
    row("first_loss", "ten_digits", 1.0, 0.693, 1.0),
    row("first_loss", "ten_bits", 3.32, 0.693, 1.0),
    row("first_loss", "ten_share", 0.1, 0.693, 1.0),
    row("first_loss", "ten_count", 10, 0.693, 1.0),
    row("first_loss", "ten_wrong", 0.9, 0.693, 1.0),
    row("first_loss", "ten", 0.23, 0.693, 1.0),
    row("first_loss", "ten", 2.34, 0.693, 1.0),
    row("first_loss", "negative", np.log(0.1), np.log(0.5), 1.0),
    row("first_loss", "negative", 2.303, -0.693, 1.0),
    row("first_loss", "two_share", 2.303, 0.5, 1.0),
    row("first_loss", "two_bits", 2.303, 1.0, 1.0),
    row("first_loss", "two_digits", 2.303, 0.301, 1.0),
    row("first_loss", "two_ten", 2.303, 2.303, 1.0),
    row("first_loss", "two", 2.303, 0.25, 1.0),
    row("first_loss", "number_nothing", 2.303, 0.693, 0),
    row("first_loss", "number_half", 2.303, 0.693, 0.5),
    row("first_loss", "number_both", 2.303, 0.693, 2),
    row("first_loss", "number", 2.303, 0.693, 4),
    row("first_loss", "number", 2.303, 0.693, 1.05),
    row("ten_rows", "ok", 0.500, verdicts()),
    row("ten_rows", "alternative", "0.5003", verdicts(three="R")),
    row("ten_rows", "alternative", 0.5, {"1": "p", "2": "b", "3": "r", "4": "r"}),
    row("ten_rows", "todo", ..., ...),
    row("ten_rows", "todo", 0.5, verdicts(..., ..., ..., ...)),
    row("ten_rows", "shares", 0.545, verdicts()),
    row("ten_rows", "one_term", 0.0943, verdicts()),
    row("ten_rows", "one_term", 0.105, verdicts()),
    row("ten_rows", "one_term", 0.0858, verdicts()),
    row("ten_rows", "part", 0.132, verdicts()),
    row("ten_rows", "part", 0.4145, verdicts()),
    row("ten_rows", "zero", 0, verdicts()),
    row("ten_rows", "share", 0.1, verdicts()),
    row("ten_rows", "base", 0.2173, verdicts()),
    row("ten_rows", "base", 0.7218, verdicts()),
    row("ten_rows", "floor", 2.3, verdicts()),
    row("ten_rows", "floor", -0.01, verdicts()),
    row("ten_rows", "keys", 0.5, "PBPR"),
    row("ten_rows", "keys", 0.5, {1: "P"}),
    row("ten_rows", "verdict", 0.5, verdicts(one="R")),
    row("ten_rows", "verdict", 0.5, verdicts(two="P")),
    row("ten_rows", "verdict", 0.5, verdicts(two="R")),
    row("ten_rows", "verdict", 0.5, verdicts(three="B")),
    row("ten_rows", "verdict", 0.5, verdicts(four="B")),
    row("ten_rows", "verdict", 0.5, verdicts(four="P")),
    row("trouble", "ok", joined(still_or_lost)),
    row("trouble", "alternative", by_keras),
    row("trouble", "alternative", joined(lambda g: not 0 < np.abs(g).max() < np.inf)),
    row("trouble", "alternative", lambda b: dict.fromkeys(joined(still_or_lost)(b))),
    row("trouble", "todo", ...),
    row("trouble", "missed", joined(lambda g: not np.any(g))),
    row("trouble", "missed", joined(lost)),
    row("trouble", "missed", joined(lambda g: not np.any(g) or np.isnan(g).any())),
    row("trouble", "missed", joined(lambda g: not np.any(g) or np.isnan(g).all())),
    row("trouble", "missed", joined(lambda g: not g.any() or np.isnan(g).any() or g.max() > 1e9)),
    row("trouble", "missed", joined(lambda g: not g.any() or np.isnan(g).any() or g.min() < -1e9)),
    row("trouble", "missed", of_first),
    row("trouble", "missed", judged(still_or_lost, all)),
    row("trouble", "accused", judged(still_or_lost)),
    row("trouble", "accused", joined(lambda g: g.sum() == 0 or lost(g))),
    row("trouble", "accused", joined(lambda g: (g == 0).any() or lost(g))),
    row("trouble", "accused", joined(lambda g: np.abs(g).max() < 1e-6 or lost(g))),
    row("trouble", "accused", joined(lambda g: np.isclose(np.abs(g).sum(), 0) or lost(g))),
    row("trouble", "accused", joined(lambda g: g.max() == 0 or lost(g))),
    row("trouble", "accused", joined(lambda g: np.ptp(g) == 0 or lost(g))),
    row("trouble", "accused", joined(lambda g: not still_or_lost(g))),
    row("trouble", "accused", list),
    row("trouble", "missed", lambda by_layer: []),
    row("trouble", "words", lambda by_layer: [True for _ in by_layer]),
    row("trouble", "words", lambda by_layer: {n: n in by_keras(by_layer) for n in by_layer}),
    row("trouble", "paths", paths),
    row("trouble", "unknown", lambda by_layer: ["layer 1"]),
    row("culprit", "ok", halving(), 4),
    row("culprit", "alternative", by_recursion, "4"),
    row("culprit", "alternative", by_library, 4.0),
    row("culprit", "todo", ..., ...),
    row("culprit", "todo", halving(), ...),
    row("culprit", "before", halving(-1), 4),
    row("culprit", "after", halving(1), 4),
    row("culprit", "wrong", lambda learns, stages: 1, 4),
    row("culprit", "one_by_one", one_by_one, 4),
    row("culprit", "known", ends_too, 4),
    row("culprit", "many", wasteful, 4),
    row("culprit", "range", lambda learns, stages: learns(stages + 1), 4),
    row("culprit", "range", lambda learns, stages: learns(stages / 3), 4),
    row("culprit", "stage", halving(), 3),
    row("culprit", "stage", halving(), 5),
    row("culprit", "stage_range", halving(), 0),
    row("projects", "ok", RIGHT),
    row("projects", "alternative", found(E=("Scale", "simpler"), F=["rate", "gradients"])),
    row("projects", "alternative", found(B=("broadcasting", "look"))),
    row("projects", "alternative", found(C=("double softmax", "ten rows"))),
    row("projects", "alternative", {k: np.array(pair) for k, pair in RIGHT.items()}),
    row("projects", "alternative", found(F=("high learning rate", "gradients"))),
    row("projects", "todo", ...),
    row("projects", "todo", dict.fromkeys("BCDEF", ("...", "..."))),
    row("projects", "keys", {"B": ("shapes", "look")}),
    row("projects", "pair", found(B="shapes")),
    row("projects", "pair", found(B=np.array("shapes"))),
    row("projects", "bug", found(B=("too few layers", "look"))),
    row("projects", "bug", found(C=("rate too low", "ten_rows"))),
    row("projects", "bug", found(D=("order", "look"))),
    row("projects", "bug", found(F=("no gradient", "gradients"))),
    row("projects", "bug", found(B=("rate too low", "gradients"))),
    row("projects", "rate_of_scale", found(E=("rate too high", "gradients"))),
    row("projects", "test", found(B=("shapes", "ten_rows"))),
    row("projects", "test", found(B=("shapes", "simpler"))),
    row("projects", "test", found(C=("softmax twice", "first_loss"))),
    row("projects", "test", found(D=("no gradient", "ten_rows"))),
    row("projects", "test", found(E=("scale", "first_loss"))),
    row("projects", "test", found(F=("rate too high", "look"))),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("told", [a for a in ANSWERS if a.key in ("verdict", "bug", "test")])
def test_a_message_is_made_of_sentences(told):
    """No full stop behind a question mark, and a capital behind it."""
    message = check.verdict(told.exercise, *told.answers).message
    assert not re.search(r"\?\.|\? [a-z]", message), message


@pytest.mark.slow
def test_what_messages_say_of_the_projects():
    """At its rate B learns with a plain net and loss; a step of 30 % and more in F."""
    outcomes = {}
    for name in "BF":
        with redirect_stdout(io.StringIO()) as out:
            parts.project(name).gradients()
            parts.project(name).simpler()
        outcomes[name] = out.getvalue()
    assert min(float(step) for step in re.findall(r"by ([\d.]+)%", outcomes["F"])) > 30
    losses = re.findall(r"(as it is|plain net and loss) +loss ([\d.]+)", outcomes["B"])
    assert float(losses[0][1]) > 0.9 and float(losses[1][1]) < 0.3, losses


@pytest.mark.slow
def test_the_planted_bugs_leave_their_traces():
    """What the lesson's text and its checks say of each project."""
    first, last = {}, {}
    for name in ("healthy", *parts.NAMES):
        curve, _ = parts.by_heart(name)
        first[name], last[name] = curve[0], curve[-1]
    assert last["healthy"] < 0.1 and last["A"] < 0.1 and last["D"] < 0.5
    assert last["B"] > 0.5
    assert last["C"] == pytest.approx(-np.log(np.e / (np.e + 9)), abs=0.02)
    assert last["E"] > 1.5 and last["F"] > 1.5
    assert first["E"] > 10
    assert all(first[name] < 3.5 for name in "ABCDF")


@pytest.mark.slow
def test_what_examine_finds_and_does_not():
    """It names four, asks about one, and is silent about the rate and the healthy one."""
    wanted = {"A": "labels_independent", "B": "broadcast", "C": "activation_twice",
              "D": "no_gradient", "E": "unscaled_inputs"}  # fmt: skip
    for name in ("healthy", *parts.NAMES):
        one = parts.project(name)
        names = examine(one.compiled(), one.x, one.y).names
        assert wanted.get(name) in names if name in wanted else names == [], (name, names)


def test_gradients_stop_in_one_project():
    for name in ("healthy", "D"):
        one = parts.project(name)
        found = value_and_gradients(one.compiled(), one.x[:64], one.y[:64]).by_layer
        stops = [not any(np.any(g) for g in layer.values()) for layer in found.values()]
        assert stops == [name == "D"] * 2 + [False]


@pytest.mark.slow
def test_one_stage_breaks_the_pipeline():
    assert parts.learns(3) and not parts.learns(4) and not parts.learns(5)
