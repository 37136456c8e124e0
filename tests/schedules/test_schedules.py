"""What each schedule promises beyond the contract, bad arguments, and the steps of a run."""

import warnings

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
    check_schedule,
    epochs_to_steps,
)

S = keras.optimizers.schedules


@pytest.mark.any_backend
def test_the_last_rates_of_a_cycle_keep_their_digits():
    """A float32 cosine near its minimum has none left: 1 + cos(x) is a difference of ones."""
    n, peak = 10_000, 2_999
    steps = np.arange(n - 60, n)
    part = (steps - peak) / (n - 1 - peak)
    wanted = 4e-6 + (1 - 4e-6) * np.sin(np.pi / 2 * (1 - part)) ** 2
    np.testing.assert_allclose(np.float64(OneCycle(1.0, n)(steps)), wanted, rtol=1e-6)


def test_momentum_mirrors_the_rate():
    rate = OneCycle(1.0, 50, pct_start=0.4, div=4, anneal="linear")
    momentum = rate.momentum(high=0.9, low=0.5)
    rates, mirrored = (np.asarray(one(np.arange(50))) for one in (rate, momentum))
    assert rates.argmax() == mirrored.argmin() == rate.peak_step == momentum.peak_step == 19
    up = (rates[:20] - 0.25) / 0.75
    np.testing.assert_allclose((0.9 - mirrored[:20]) / 0.4, up, atol=1e-6)
    assert (np.diff(rates[19:]) < 0).all() and (np.diff(mirrored[19:]) > 0).all()
    assert mirrored[-1] == np.float32(0.9)


@pytest.mark.parametrize("total, pct, peak", [(2, 0.3, 0), (3, 0.3, 0), (2, 0.9, 0), (3, 0.9, 1)])
def test_the_shortest_cycles_have_a_peak_and_an_end(total, pct, peak):
    rate = OneCycle(1.0, total, pct_start=pct)
    rates = [float(rate(step)) for step in range(total + 1)]
    assert rates.index(1.0) == rate.peak_step == peak
    np.testing.assert_allclose(rates[-2:], 4e-6)


def test_keras_drops_one_step_late():
    """PiecewiseConstantDecay: 31 steps have the first rate, where 30 were asked for."""
    late, ours = S.PiecewiseConstantDecay([30], [0.1, 0.01]), StepDecay(0.1, 30)
    assert sum(float(late(step)) > 0.05 for step in range(60)) == 31
    assert sum(float(ours(step)) > 0.05 for step in range(60)) == 30


def test_schedules_count_batches_where_gradients_are_accumulated():
    """Keras: `iterations` counts updates, a schedule sees batches. This fails once it differs."""
    weight, schedule = keras.Variable(0.0), StepDecay(1.0, 4)
    optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=2)
    moves = []
    for _ in range(6):
        optimizer.apply([keras.ops.ones(())], [weight])
        moves.append(float(weight))
    np.testing.assert_allclose(moves, [0, -1, -1, -2, -2, -2.1], rtol=1e-6)
    assert int(optimizer.iterations) == 3


def test_a_rate_that_a_schedule_has_cannot_be_set():
    """Why ReduceLROnPlateau and LearningRateScheduler fail beside a schedule."""
    optimizer = keras.optimizers.SGD(StepDecay(0.1, 30))
    with pytest.raises(TypeError, match="not settable"):
        optimizer.learning_rate = 0.01


BAD = [
    (
        lambda: OneCycle(0.0, 10),
        ValueError,
        "`peak_learning_rate` must be a number above 0. .*=0.0",
    ),
    (lambda: OneCycle("fast", 10), ValueError, "must be a number above 0. Received: .*'fast'"),
    (lambda: OneCycle(float("nan"), 10), ValueError, "a number above 0. Received: .*=nan"),
    (lambda: OneCycle(0.1, 10.5), ValueError, r"total_steps=10.5. `epochs_to_steps` turns"),
    (lambda: OneCycle(0.1, 1), ValueError, "`total_steps` must be an integer of at least 2. .*=1"),
    (
        lambda: OneCycle(0.1, 10, pct_start=30),
        ValueError,
        "pct_start=30. It is .*: for 30 % write 0.3",
    ),
    (lambda: OneCycle(0.1, 10, pct_start=0), ValueError, "above 0 and below 1. .*pct_start=0"),
    (lambda: OneCycle(0.1, 10, pct_start=1), ValueError, "above 0 and below 1. .*pct_start=1"),
    (lambda: OneCycle(0.1, 10, div=0.5), ValueError, "at least 1. Received: div=0.5"),
    (lambda: OneCycle(0.1, 10, final_div=0), ValueError, "final_div=0"),
    (lambda: OneCycle(0.1, 10, anneal="cosine"), ValueError, "'cos' or 'linear'. .*'cosine'"),
    (lambda: OneCycleMomentum(10, 1.0), ValueError, "below 1. Received: high=1.0"),
    (
        lambda: OneCycleMomentum(10, 0.8, 0.9),
        ValueError,
        "`low` must be at most `high`. Received: low=0.9, high=0.8",
    ),
    (lambda: OneCycleMomentum(10, 0.8, -0.1), ValueError, "low=-0.1"),
    (lambda: StepDecay(-1, 10), ValueError, "`initial_learning_rate` must be a number above 0"),
    (lambda: StepDecay(0.1, 0), ValueError, "`step_size` must be an integer of at least 1. .*=0"),
    (lambda: StepDecay(0.1, 10, 10), ValueError, "decay_rate=10. To divide the rate by 10"),
    (lambda: StepDecay(0.1, 10, 0), ValueError, "`decay_rate` must be a number above 0"),
    (
        lambda: WarmupInverseSqrt(0.1, 0),
        ValueError,
        "`warmup_steps` must be an integer of at least 1",
    ),
    (lambda: Warmup(0.1, -1), ValueError, "`warmup_steps` must be an integer of at least 0. .*=-1"),
    (lambda: Warmup(0.1, 5, -0.1), ValueError, "at least 0. .*initial_learning_rate=-0.1"),
    (lambda: Warmup(lambda step: 0.1, 5), TypeError, "A plain function cannot be saved"),
    (lambda: Warmup(None, 5), ValueError, "`schedule` must be a number above 0. .*schedule=None"),
    (lambda: Join([0.1], []), ValueError, "at least two. Received: 1 schedules"),
    (lambda: Join([0.1, 0.2], [5, 9]), ValueError, r"2 schedules, boundaries=\[5, 9\]"),
    (lambda: Join([0.1, 0.2, 0.3], [9, 5]), ValueError, r"must increase. .*\[9, 5\]"),
    (lambda: Join([0.1, 0.2, 0.3], [5, 5]), ValueError, r"must increase. .*\[5, 5\]"),
    (lambda: Join([0.1, 0.2], [0]), ValueError, "`boundaries` must be an integer of at least 1"),
    (lambda: epochs_to_steps(0, 10, 2), ValueError, "`epochs` must be a number above 0"),
    (
        lambda: epochs_to_steps(1, 10, 0),
        ValueError,
        "`batch_size` must be an integer of at least 1",
    ),
    (lambda: epochs_to_steps(1, 0, 2), ValueError, "`rows` must be an integer of at least 1"),
    (
        lambda: check_schedule(StepDecay(0.1, 5), 1),
        ValueError,
        "`total_steps` must be an integer of at least 2",
    ),
    (lambda: OneCycle(True, 10), ValueError, "peak_learning_rate=True"),
    (lambda: OneCycle(0.1, True), ValueError, "total_steps=True"),
    (lambda: OneCycle(0.1, 10, div=float("inf")), ValueError, "div=inf"),
    (lambda: Warmup(float("nan"), 5), ValueError, "schedule=nan"),
    (lambda: Join(0.1, [5]), ValueError, "`schedules` must be a list. Received: schedules=0.1"),
    (lambda: Join([0.1, 0.2], 5), ValueError, "`boundaries` must be a list. .*boundaries=5"),
    (lambda: check_schedule(lambda step: 1, 10), ValueError, "be a LearningRateSchedule. .*lambda"),
    (lambda: check_schedule(3, 10), ValueError, "be a LearningRateSchedule. Received: schedule=3"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numpy_numbers_are_saved_as_python_ones():
    schedule = Join([np.float32(0.5), OneCycle(np.float64(1), np.int64(9))], np.array([5]))
    config = schedule.get_config()
    assert type(config["schedules"][0]) is float and type(config["boundaries"][0]) is int
    assert type(config["schedules"][1]["config"]["total_steps"]) is int


@pytest.mark.parametrize(
    "epochs, rows, batch_size, steps",
    [(1, 64, 32, 2), (3, 65, 32, 9), (0.5, 640, 32, 10), (0.01, 64, 32, 1), (2, 5, 32, 2)],
)
def test_epochs_to_steps(epochs, rows, batch_size, steps):
    assert epochs_to_steps(epochs, rows, batch_size) == steps


def test_epochs_to_steps_counts_what_fit_does():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((21, 1)), np.ones((21, 1)), batch_size=4, epochs=3, verbose=0)
    assert int(model.optimizer.iterations) == epochs_to_steps(3, 21, 4)


LONG = [
    (S.CosineDecay(0.1, 10_000), 1000, "CosineDecay .*1000 steps.*is at step 5000"),
    (StepDecay(0.1, 30_000), 1000, "highest rate there is 0.1, its last 0.1. .*step 30000"),
    (Warmup(0.1, 100), 1000, "never comes"),
    (OneCycle(0.1, 9000), 3000, "hardly decays in this run of 3000 steps"),
]
SHORT = [
    (OneCycle(0.1, 5), 4690, "OneCycle is over at step 4 of this run of 4690 .*0.1. .*epochs"),
    (S.CosineDecay(0.1, 30), 4690, "over at step (29|30) of"),
    (Warmup(S.CosineDecay(0.1, 1000), 1000), 9000, "over at step 19[5-9]. of"),
]
FITTING = [
    (OneCycle(0.1, 4690), 4690),
    (OneCycle(0.1, 4690, pct_start=0.9), 4690),
    (S.CosineDecay(0.1, 1000), 1000),
    (S.CosineDecay(0.0, 900, warmup_target=0.1, warmup_steps=100), 1000),
    (StepDecay(0.1, 300), 1000),
    (StepDecay(0.1, 999), 1000),
    (S.ExponentialDecay(0.1, 100, 0.5), 1000),
    (WarmupInverseSqrt(0.1, 400), 100_000),
    (Warmup(S.CosineDecay(0.1, 100), 900), 1000),
]


@pytest.mark.parametrize("schedule, steps, message", LONG + SHORT)
def test_a_schedule_that_does_not_fit_its_run(schedule, steps, message):
    with pytest.warns(UserWarning, match=message) as seen:
        check_schedule(schedule, steps)
    assert len(seen) == 1 and seen[0].filename == __file__


@pytest.mark.parametrize("schedule, steps", FITTING)
def test_a_schedule_that_fits_its_run(schedule, steps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_schedule(schedule, steps)


def test_a_model_is_saved_with_its_schedule(tmp_path):
    rate = Warmup(Join([OneCycle(0.5, 30), S.ExponentialDecay(0.1, 5, 0.5)], [20]), 5)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer._learning_rate
    for step in range(40):
        assert float(loaded(step)) == float(rate(step))


ALL = [Join, OneCycle, OneCycleMomentum, StepDecay, Warmup, WarmupInverseSqrt]


@pytest.mark.parametrize("kind", ALL)
def test_importing_registers_the_class(kind):
    name = f"coursekit>{kind.__name__}"
    assert keras.saving.get_registered_object(name) is kind


S = keras.optimizers.schedules
INTEGER_RATES = [
    S.CosineDecay(3, 900),
    S.CosineDecayRestarts(1, 10),
    S.ExponentialDecay(np.int64(1), 10, 0.5),
    S.InverseTimeDecay(1, 10, 0.5),
    S.PolynomialDecay(1, 10, 0.5),
    S.PiecewiseConstantDecay([10], [1, 0]),
]


@pytest.mark.parametrize("schedule", INTEGER_RATES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("wrap", [lambda s: Warmup(s, 5), lambda s: Join([0.1, s], [5])])
def test_an_integer_rate_of_kerass_schedules_is_refused(schedule, wrap):
    """They compute in integers then, see `test_contract.INTEGERS`."""
    with pytest.raises(ValueError, match=rf"{type(schedule).__name__} with the rate .*Write \d\.0"):
        wrap(schedule)


def test_keras_takes_an_integer_rate_for_integer_arithmetic():
    """Why it is refused. This fails once Keras ends at 0: then the refusal can go."""
    assert float(S.CosineDecay(3, 900)(900)) > 0.01
    assert float(S.CosineDecay(3.0, 900)(900)) < 1e-6
