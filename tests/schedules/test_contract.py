"""The contract of a schedule, over ours and Keras's own.

Where Keras does not keep it the case is marked, strictly: it fails here once Keras does.
"""

import math

import keras
import numpy as np
import pytest

from coursekit.schedules import (
    Join,
    OneCycle,
    OneCycleMomentum,
    StepDecay,
    Warmup,
    WarmupInverseSqrt,
)

S = keras.optimizers.schedules
pytestmark = pytest.mark.any_backend
BIG = 2**24


def cycle(start, peak, end, total, pct, linear=False):
    """PyTorch's OneCycleLR, in float64, for a whole number of steps before the peak."""
    last_up = pct * total - 1

    def anneal(a, b, part):
        return a + (b - a) * part if linear else b + (a - b) / 2 * (1 + math.cos(math.pi * part))

    def rate(step):
        step = min(step, total - 1)
        if step <= last_up:
            return anneal(start, peak, step / last_up)
        return anneal(peak, end, (step - last_up) / (total - 1 - last_up))

    return rate


def cosine(step):
    return 0.1 * (0.05 + 0.95 * (1 + math.cos(math.pi * min(step, 20) / 20)) / 2)


def warm_cosine(step):
    if step < 8:
        return 0.02 + 0.08 * step / 8
    return 0.05 * (1 + math.cos(math.pi * min(step - 8, 12) / 12))


def restarts(step):
    length = 8
    while step >= length:
        step, length = step - length, 2 * length
    return 0.05 * (1 + math.cos(math.pi * step / length))


def staircase(step):
    return 0.1 * 0.5 ** (step // 8)


def inverse_root(step):
    return 0.1 * min(step / 8, math.sqrt(8 / max(step, 1)))


def joined(step):
    return 0.05 if step < 8 else 0.1 * 0.1 ** ((step - 8) // 4) if step < 15 else 0.001


def polynomial(step):
    return 0.01 + 0.09 * (1 - min(step, 20) / 20) ** 2


OURS = {
    "one_cycle": (lambda: OneCycle(0.1, 30), cycle(0.004, 0.1, 4e-7, 30, 0.3)),
    "one_cycle_linear": (
        lambda: OneCycle(0.1, 20, pct_start=0.45, div=10, final_div=4000 / 10, anneal="linear"),
        cycle(0.01, 0.1, 0.1 / 4000, 20, 0.45, linear=True),
    ),
    "momentum": (lambda: OneCycle(0.1, 30).momentum(0.9, 0.7), cycle(0.9, 0.7, 0.9, 30, 0.3)),
    "step_decay": (lambda: StepDecay(0.1, 8, 0.5), staircase),
    "inverse_sqrt": (lambda: WarmupInverseSqrt(0.1, 8), inverse_root),
    "warmup": (lambda: Warmup(S.CosineDecay(0.1, 12), 8, 0.02), warm_cosine),
    "warmup_constant": (lambda: Warmup(0.1, 8), lambda step: 0.1 * min(step / 8, 1)),
    "warmup_none": (lambda: Warmup(StepDecay(0.1, 8, 0.5), 0), staircase),
    "join": (lambda: Join([0.05, StepDecay(0.1, 4), 0.001], [8, 15]), joined),
    "join_of_warmup": (
        lambda: Join([Warmup(0.1, 8), S.ExponentialDecay(0.1, 3, 0.5)], [15]),
        lambda step: 0.1 * min(step / 8, 1) if step < 15 else 0.1 * 0.5 ** ((step - 15) / 3),
    ),
}
KERAS = {
    "CosineDecay": (lambda: S.CosineDecay(0.1, 20, alpha=0.05), cosine),
    "CosineDecay_warmup": (
        lambda: S.CosineDecay(0.02, 12, warmup_target=0.1, warmup_steps=8),
        warm_cosine,
    ),
    "CosineDecayRestarts": (lambda: S.CosineDecayRestarts(0.1, 8), restarts),
    "ExponentialDecay": (lambda: S.ExponentialDecay(0.1, 8, 0.5, staircase=True), staircase),
    "InverseTimeDecay": (lambda: S.InverseTimeDecay(0.1, 8, 0.5), lambda t: 0.1 / (1 + t / 16)),
    "PiecewiseConstantDecay": (
        lambda: S.PiecewiseConstantDecay([7, 15], [0.1, 0.05, 0.025]),
        lambda step: 0.1 * 0.5 ** min(step // 8, 2),
    ),
    "PolynomialDecay": (lambda: S.PolynomialDecay(0.1, 20, 0.01, power=2), polynomial),
}
CASES = OURS | KERAS
# The ends of cycles, drops, boundaries and warmups of all cases, one before and one after each.
STEPS = sorted({0, 1, 2, *(b + d for b in (8, 15, 16, 20, 24, 29, 30, 32) for d in (-1, 0, 1)), 90})


def close(got, wanted, rtol=2e-6, atol=2e-8):
    np.testing.assert_allclose(np.float64(got), np.float64(wanted), rtol=rtol, atol=atol)


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


@pytest.mark.parametrize("name", CASES)
def test_values_at_every_kind_of_step(name):
    build, reference = CASES[name]
    schedule = build()
    for step in STEPS:
        close(schedule(step), reference(step))
    for kind in (np.int64, np.float32, lambda step: keras.Variable(step, dtype="int")):
        close(
            [float(schedule(kind(step))) for step in STEPS[::4]], list(map(reference, STEPS[::4]))
        )
    assert keras.backend.standardize_dtype(schedule(3).dtype) == "float32"


@pytest.mark.parametrize("name", CASES)
def test_traced_is_eager(name):
    build, reference = CASES[name]
    schedule = build()
    traced = compiled(lambda step: schedule(step))
    for step in STEPS:
        close(traced(keras.ops.convert_to_tensor(step, dtype="int")), reference(step))


@pytest.mark.parametrize("name", CASES)
def test_saved_by_value(name):
    build, reference = CASES[name]
    optimizer = keras.optimizers.Adam(build())
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(twin._learning_rate) is type(optimizer._learning_rate)
    assert twin.get_config() == optimizer.get_config()
    for step in STEPS:
        close(twin._learning_rate(step), reference(step))


@pytest.mark.parametrize("name", CASES)
def test_resumes_where_the_iterations_are(name):
    build, reference = CASES[name]
    weight = keras.Variable(0.0)
    optimizer = keras.optimizers.SGD(build())
    optimizer.build([weight])
    optimizer.iterations.assign(14)
    close(optimizer.learning_rate, reference(14))
    for _ in range(2):
        optimizer.apply([keras.ops.ones(())], [weight])
    close(weight, -reference(14) - reference(15), rtol=1e-5)


def breaks(*arguments, name, why, on=("tensorflow", "jax")):
    fails = pytest.mark.xfail(keras.backend.backend() in on, strict=True, reason=why)
    return pytest.param(*arguments, id=name, marks=fails)


CRASH, WRONG = "an error at every call", "a wrong rate, without a word"
INTEGERS = [
    pytest.param(lambda: OneCycle(1, 10, div=10, final_div=10), {0: 0.1, 2: 1, 9: 0.01}, id="one"),
    pytest.param(lambda: OneCycleMomentum(10, 0.5, 0), {0: 0.5, 2: 0, 9: 0.5}, id="momentum"),
    pytest.param(lambda: StepDecay(1, 10, 1 / 2), {9: 1, 10: 0.5}, id="step_decay"),
    pytest.param(lambda: WarmupInverseSqrt(1, 4), {1: 0.25, 16: 0.5}, id="inverse_sqrt"),
    pytest.param(lambda: Warmup(1, 10, 0), {0: 0, 5: 0.5, 10: 1}, id="warmup"),
    pytest.param(lambda: Join([2, 1], [10]), {9: 2, 10: 1}, id="join"),
    breaks(
        lambda: S.CosineDecay(0, 10, warmup_target=0.1, warmup_steps=4), {2: 0.05},
        name="CosineDecay_as_in_its_docstring", why=CRASH,
    ),
    breaks(lambda: S.CosineDecay(1, 10), {10: 0}, name="CosineDecay", why=WRONG + ": pi is 3"),
    breaks(
        lambda: S.CosineDecayRestarts(1, 10), {5: 0.5}, name="CosineDecayRestarts", why=CRASH
    ),
    breaks(
        lambda: S.ExponentialDecay(1, 10, 0.5), {10: 0.5}, name="ExponentialDecay",
        why=WRONG + ": a decay of 0",
    ),
    breaks(
        lambda: S.InverseTimeDecay(1, 10, 0.5), {20: 0.5}, name="InverseTimeDecay",
        why=WRONG + ": no decay",
    ),
    breaks(
        lambda: S.PolynomialDecay(1, 10, 0.5), {10: 0.5}, name="PolynomialDecay",
        why=WRONG + ": an end of 0",
    ),
    breaks(
        lambda: S.PiecewiseConstantDecay([10], [1, 0.5]), {11: 0.5},
        name="PiecewiseConstantDecay", why=CRASH, on=("tensorflow",),
    ),
]  # fmt: skip


@pytest.mark.parametrize("build, wanted", INTEGERS)
def test_integer_arguments(build, wanted):
    close([float(build()(step)) for step in wanted], list(wanted.values()))


LATE = [
    pytest.param(lambda: StepDecay(0.1, BIG + 1, 0.5), {BIG: 0.1, BIG + 1: 0.05}, id="step_decay"),
    pytest.param(lambda: Join([0.1, 0.05], [BIG + 1]), {BIG: 0.1, BIG + 1: 0.05}, id="join"),
    pytest.param(
        lambda: Warmup(StepDecay(0.1, 1, 0.5), BIG + 1), {BIG + 1: 0.1, BIG + 2: 0.05}, id="warmup"
    ),
    pytest.param(
        lambda: OneCycle(1.0, BIG + 10, anneal="linear"), {BIG + 9: 4e-6, BIG + 8: 4.08515e-6},
        id="cycle",
    ),
    pytest.param(
        lambda: WarmupInverseSqrt(1.0, BIG), {BIG: 1.0, 4 * BIG + 1: 0.5}, id="inverse_sqrt"
    ),
    pytest.param(
        lambda: S.PiecewiseConstantDecay([BIG], [0.1, 0.05]), {BIG: 0.1, BIG + 1: 0.05},
        id="PiecewiseConstantDecay",
    ),
    breaks(
        lambda: S.ExponentialDecay(0.1, BIG + 1, 0.5, staircase=True), {BIG: 0.1},
        name="ExponentialDecay", why="one step early",
    ),
    breaks(
        lambda: S.CosineDecay(0.0, 2, warmup_target=0.1, warmup_steps=BIG), {BIG + 1: 0.05},
        name="CosineDecay", why="steps come in pairs",
    ),
    breaks(
        lambda: S.PolynomialDecay(1.0, BIG + 2, 0.0), {BIG + 1: 1 / (BIG + 2)},
        name="PolynomialDecay", why="steps come in pairs",
    ),
]  # fmt: skip


@pytest.mark.parametrize("build, wanted", LATE)
def test_steps_that_float32_cannot_count(build, wanted):
    schedule = build()
    traced = compiled(lambda step: schedule(step))
    for step, rate in wanted.items():
        close(schedule(step), rate, rtol=1e-5, atol=0)
        close(traced(keras.ops.convert_to_tensor(step, dtype="int")), rate, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", OURS)
def test_ours_take_arrays_of_steps(name):
    build, reference = OURS[name]
    close(build()(np.array(STEPS)), [reference(step) for step in STEPS])


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("step", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_not_finite_has_no_rate(name, step):
    """Not the first one, as an integer made of it would have."""
    schedule = OURS[name][0]()
    traced = compiled(lambda step: schedule(step))
    for kind in (float, np.float32, np.float16):
        assert math.isnan(float(schedule(kind(step))))
    assert math.isnan(float(traced(keras.ops.convert_to_tensor(step, dtype="float32"))))
    close(schedule(np.array([3.0, 5.0], "float32")), [OURS[name][1](3), OURS[name][1](5)])
    rates = np.array(schedule(np.array([3.0, step], "float32")))
    assert np.isfinite(rates[0]) and np.isnan(rates[1])


@pytest.mark.parametrize("name", OURS)
def test_a_step_beyond_the_integers_is_late_not_early(name):
    schedule, reference = OURS[name]
    close(schedule()(1e20), reference(2**31 - 128), rtol=1e-5)
