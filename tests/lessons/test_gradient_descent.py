"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import gradient_descent as lesson

RIGHT = lesson.RIGHT


def simulated(rate):
    w = 1.0
    for _ in range(2000):
        w = w - rate * 2 * w
        if abs(w) > 1e6:
            return False
    return bool(abs(w) < 1e-6)


def by_keras(rate):
    w = keras.Variable(1.0)
    for _ in range(300):
        w.assign(w - rate * 2 * w)
    return keras.ops.less(keras.ops.abs(w), 1e-3)


def one_step(rate, w=5.0):
    return abs(w - rate * 2 * w) < abs(w)


def ten_steps(rate):
    w = 1.0
    for _ in range(10):
        w -= rate * 2 * w
    return abs(w) < 0.2


def with_pair(name, cause=None, run=None):
    was = RIGHT[name]
    return {**RIGHT, name: (cause or was[0], run or was[1])}


def causes(**changed):
    return {name: (changed.get(name, pair[0]), pair[1]) for name, pair in RIGHT.items()}


FAST = {"epochs": 8, "updates": "depends", "seconds": "depends"}
UPDATES = {"batch": 1, "stochastic": 1000, "mini-batch of 32": 32}
MINI = "mini-batch of 32"

ANSWERS = [
    row("converges", "ok", lambda rate: 0 < rate < 1),
    row("converges", "alternative", lambda rate: abs(1 - 2 * rate) < 1),
    row("converges", "alternative", simulated),
    row("converges", "alternative", by_keras),
    row("converges", "alternative", lambda rate: np.bool_(rate > 0) & np.bool_(rate < 1)),
    row("converges", "alternative", lambda rate: int(0 < rate < 1)),
    row("converges", "alternative", lambda rate: (1 - 2 * rate) ** 2 < 1),
    row("converges", "alternative", one_step),
    row("converges", "alternative", lambda rate: keras.ops.abs(1 - 2 * rate) < 1),
    row("converges", "todo", lambda rate: ...),
    row("converges", "curvature", lambda rate: 0 < rate < 2),
    row("converges", "curvature", lambda rate: rate <= 2),
    row("converges", "curvature", lambda rate: abs(1 - rate) < 1),
    row("converges", "edge", lambda rate: 0 < rate <= 1),
    row("converges", "edge", lambda rate: abs(1 - 2 * rate) <= 1),
    row("converges", "swing", lambda rate: 0 < rate <= 0.5),
    row("converges", "swing", lambda rate: 0 < rate < 0.7),
    row("converges", "zero", lambda rate: 0 <= rate < 1),
    row("converges", "negative", lambda rate: rate < 1),
    row("converges", "too_large", lambda rate: rate > 0),
    row("converges", "always", lambda rate: True),
    row("converges", "too_large", lambda rate: 0 < rate < 1.5 and rate != 1.0),
    row("converges", "reversed", lambda rate: rate >= 2),
    row("converges", "reversed", lambda rate: rate > 1),
    row("converges", "reversed", lambda rate: not 0 < rate < 1),
    row("converges", "slow", lambda rate: 0.1 < rate < 1),
    row("converges", "slow", lambda rate: False if rate < 0.5 else rate < 1),
    row("converges", "always", lambda rate: False),
    row("converges", "swing", lambda rate: 0 < rate <= 0.9),
    row("converges", "slow", lambda rate: 0.05 <= rate < 1),
    row("converges", "slow", lambda rate: 0.02 < rate < 1),
    row("converges", "small_edge", lambda rate: 0 < rate < 0.5),
    row("converges", "small_edge", lambda rate: abs(1 - 4 * rate) < 1),
    row("converges", "edge", lambda rate: 0 < rate < 1.005),
    row("converges", "too_large", lambda rate: 0 < rate < 1.05 and rate != 1.0),
    row("converges", "negative", lambda rate: abs(rate) < 1),
    row("converges", "not_bool", lambda rate: "yes"),
    row("converges", "not_bool", lambda rate: rate * 2),
    row("converges", "not_bool", lambda rate: print(rate)),
    row("converges", "not_bool", lambda rate: (True, [1.0, 1 - 2 * rate])),
    row("converges", "not_bool", lambda rate: 1 - 2 * rate),
    row("converges", "swing", ten_steps),
    row("converges", "signature", lambda rate, w: True),
    row("converges", "called", 0.5),
    row("converges", "raised", lambda rate: rate["x"]),
    row("diagnosis", "ok", RIGHT),
    row("diagnosis", "alternative", {k: list(v) for k, v in RIGHT.items()}),
    row("diagnosis", "alternative", {k.lower(): v for k, v in reversed(RIGHT.items())}),
    row("diagnosis", "alternative", {k: (v[0].upper(), v[1] + " ") for k, v in RIGHT.items()}),
    row("diagnosis", "alternative", with_pair("C", run="larger batch")),
    row("diagnosis", "alternative", with_pair("A", cause="A low rate")),
    row("diagnosis", "todo", {**RIGHT, "E": (..., "larger batch")}),
    row("diagnosis", "todo", dict.fromkeys("ABCDE", (..., ...))),
    row("diagnosis", "keys", {"A": RIGHT["A"]}),
    row("diagnosis", "pair", {**RIGHT, "B": "dead units"}),
    row("diagnosis", "pair", {**RIGHT, "B": ("dead units",)}),
    row("diagnosis", "cause", with_pair("B", cause="vanishing gradients")),
    row("diagnosis", "run", with_pair("B", run="more epochs")),
    row("diagnosis", "flat_is_low", causes(B="low rate", C="low rate")),
    row("diagnosis", "wild_is_high", causes(D="high rate")),
    row("diagnosis", "cause", {**RIGHT, "A": RIGHT["A"][::-1]}),
    row("diagnosis", "pair", {**RIGHT, "A": {"cause": "low rate", "run": "higher rate"}}),
    row("diagnosis", "pair", {**RIGHT, "A": {"low rate", "higher rate"}}),
    row("diagnosis", "pair", {**RIGHT, "A": None}),
    row("diagnosis", "not_wild", causes(A="batch of one")),
    row("diagnosis", "not_flat", causes(D="dead units")),
    row("diagnosis", "not_flat", causes(E="low rate")),
    row("diagnosis", "A", causes(A="dead units")),
    row("diagnosis", "A", causes(A="high rate")),
    row("diagnosis", "B", causes(B="low rate")),
    row("diagnosis", "B", causes(B="high rate", C="dead units")),
    row("diagnosis", "C", causes(C="low rate")),
    row("diagnosis", "C_dead", causes(C="dead units")),
    row("diagnosis", "D", causes(D="high rate", E="batch of one")),
    row("diagnosis", "E", causes(E="batch of one")),
    row("diagnosis", "calms_both", with_pair("E", run="lower rate")),
    row("diagnosis", "calms_both", with_pair("D", run="lower rate")),
    row("diagnosis", "no_proof", with_pair("B", run="higher rate")),
    row("diagnosis", "no_proof", with_pair("E", run="new weights")),
    row("diagnosis", "type", list(RIGHT.values())),
    row("noise", "ok", 0.5),
    row("noise", "alternative", np.sqrt(32 / 128)),
    row("noise", "alternative", keras.ops.rsqrt(4.0)),
    row("noise", "todo", ...),
    row("noise", "variance", 0.25),
    row("noise", "variance", 32 / 128),
    row("noise", "unchanged", 1),
    row("noise", "inverse", 2),
    row("noise", "inverse", 4.0),
    row("noise", "exponent", -0.5),
    row("noise", "other", 50),
    row("noise", "alternative", "1/2"),
    row("noise", "alternative", "50 %"),
    row("noise", "alternative", np.array([0.5])),
    row("noise", "root_of_two", 0.71),
    row("noise", "root_of_two", 2**-0.5),
    row("noise", "twice", 1 / 16),
    row("noise", "inverse", 16),
    row("noise", "inverse", 1.41),
    row("noise", "lost", 0.75),
    row("noise", "one_batch", 32**-0.5),
    row("noise", "one_batch", 0.088),
    row("noise", "sign", -2),
    row("noise", "other", 0.33),
    row("noise", "other", 0.7),
    row("noise", "type", "half"),
    row("noise", "alternative", np.float32(0.49)),
    row("faster", "ok", FAST),
    row("faster", "alternative", {**FAST, "epochs": "8", "updates": "B = 256"}),
    row("faster", "alternative", {**FAST, "updates": np.int64(256), "seconds": "It depends"}),
    row("faster", "alternative", {**FAST, "updates": "neither", "seconds": "depends on the GPU."}),
    row("faster", "todo", dict.fromkeys(FAST, ...)),
    row("faster", "keys", {"epochs": 8}),
    row("faster", "winner", {**FAST, "seconds": 32}),
    row("faster", "winner", {**FAST, "epochs": True}),
    row("faster", "article", dict.fromkeys(FAST, 8)),
    row("faster", "always_large", dict.fromkeys(FAST, 256)),
    row("faster", "epochs", {**FAST, "epochs": "depends"}),
    row("faster", "updates", {**FAST, "updates": 8}),
    row("faster", "seconds", {**FAST, "seconds": 256}),
    row("faster", "seconds", {**FAST, "seconds": 8}),
    row("faster", "epochs", {**FAST, "epochs": 256}),
    row("faster", "epochs", dict.fromkeys(FAST, "depends")),
    row("faster", "type", 8),
    row("faster", "alternative", {**FAST, "epochs": "8 rows"}),
    row("faster", "alternative", {**FAST, "epochs": "batch 8", "updates": "None"}),
    row("faster", "alternative", {**FAST, "epochs": "batches of 8"}),
    row("faster", "alternative", {**FAST, "epochs": np.array([8])}),
    row("faster", "alternative", {**FAST, "updates": "about equal"}),
    row("faster", "winner", {**FAST, "updates": "both"}),
    row("faster", "winner", {**FAST, "updates": -8}),
    row("faster", "seconds", {**FAST, "seconds": "B=8"}),
    row("variants", "ok", UPDATES, MINI),
    row("variants", "alternative", {k: float(UPDATES[k]) for k in reversed(UPDATES)}, "mini-batch"),
    row("variants", "alternative", {**UPDATES, MINI: np.ceil(1000 / 32)}, "Mini-batch of 32"),
    row("variants", "alternative", {k.capitalize(): v for k, v in UPDATES.items()}, MINI),
    row("variants", "todo", dict.fromkeys(UPDATES, ...), ...),
    row("variants", "keys", {"batch": 1}, MINI),
    row("variants", "swapped", {**UPDATES, "batch": 1000, "stochastic": 1}, MINI),
    row("variants", "batch_is_mini", {**UPDATES, "batch": 32}, MINI),
    row("variants", "batch", {**UPDATES, "batch": 1000}, MINI),
    row("variants", "stochastic", {**UPDATES, "stochastic": 1}, MINI),
    row("variants", "rest", {**UPDATES, MINI: 31}, MINI),
    row("variants", "part", {**UPDATES, MINI: 1000 / 32}, MINI),
    row("variants", "size", {**UPDATES, MINI: 1000}, MINI),
    row("variants", "mini", {**UPDATES, MINI: 16}, MINI),
    row("variants", "one_too_many", {**UPDATES, MINI: 33}, MINI),
    row("variants", "batch", {**UPDATES, "batch": 0}, MINI),
    row("variants", "batch_is_mini", {**UPDATES, "batch": 31.25}, MINI),
    row("variants", "stochastic", {**UPDATES, "stochastic": 999}, MINI),
    row("variants", "sgd_name", UPDATES, "stochastic gradient descent"),
    row("variants", "sgd_name", UPDATES, "SGD"),
    row("variants", "not_all", UPDATES, "batch gradient descent"),
    row("variants", "not_all", UPDATES, "full batch"),
    row("variants", "alternative", UPDATES, "mini-batch gradient descent"),
    row("variants", "sgd_name", UPDATES, "stochastic"),
    row("variants", "not_all", UPDATES, "batch"),
    row("variants", "name", UPDATES, "adam"),
    row("variants", "type", [1, 1000, 32], MINI),
    row("variants", "none", {**UPDATES, "batch": None}, MINI),
]


def test_answer(answer):
    answer.holds()


def learns(losses):
    return losses[-1] < 1.8


def jumps(losses):
    """How far the loss climbs from one epoch to the next, added up over the later epochs."""
    return float(np.clip(np.diff(losses[2:]), 0, None).sum())


@pytest.mark.slow
def test_a_run_tells_a_cause_or_leaves_two_patients_alike():
    """What the messages say of each of the 25 runs is what they do."""
    for name, (_, cure) in RIGHT.items():
        runs = {run: lesson.clinic(name, run) for run in lesson.CHANGES}
        if name in "ABC":
            assert {run for run, losses in runs.items() if learns(losses)} == {cure}, name
        else:
            assert all(jumps(runs[run]) > 0.2 for run in (None, "new weights", "higher rate")), name
            assert jumps(runs["lower rate"]) < 0.02, name
        told = lesson.PROOFS[name] | set(lesson.ALIKE[name])
        assert told == set(lesson.CHANGES) - {None} - ({"lower rate"} if name in "DE" else set())
        assert all(RIGHT[other][0] != RIGHT[name][0] for other in lesson.ALIKE[name].values())
        assert all(run not in lesson.PROOFS[o] for run, o in lesson.ALIKE[name].items())


def test_a_larger_batch_calms_one_wild_patient_and_unsettles_one_flat_one():
    jump = {name: jumps(lesson.clinic(name, "larger batch")) for name in "ABCDE"}
    assert {name for name in jump if jump[name] > 0.2} == {"C", "E"}
    assert max(jump[name] for name in "ABD") < 0.02
    assert max(lesson.clinic("C", "higher rate")) > 10  # leaves the picture


def test_one_batch_has_the_gradient_of_its_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 2, 2)), np.array([0, 1, 2, 3, 9, 9])
    each = lesson.gradients_of_rows(x, y)
    w = np.random.default_rng(0).normal(0, 0.1, (4, 10))

    def loss(w):
        z = x.reshape(6, 4) @ w
        return np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(6), y])

    for k in (0, 17, 39):
        step = np.zeros(40)
        step[k] = 1e-5
        slope = (loss(w + step.reshape(4, 10)) - loss(w - step.reshape(4, 10))) / 2e-5
        assert abs(slope - each.mean(axis=0)[k]) < 1e-6


def test_sharpness_hands_the_weights_back():
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    net.compile("sgd", keras.losses.MeanSquaredError())
    x, before = np.eye(3, dtype="float32"), net.get_weights()
    y = keras.ops.convert_to_numpy(net(x))  # the loss is 0: any move raises it
    assert lesson.sharpness(net, x, y) > 0
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


@pytest.mark.parametrize("arguments", [("F",), ("A", "more epochs")])
def test_the_clinic_knows_its_patients_and_changes(arguments):
    with pytest.raises(ValueError, match=r"must be one of '(A|higher rate)'"):
        lesson.clinic(*arguments)
