"""`trace_path` is the loop with `optimizer.apply`, for every optimizer, on both backends."""

import keras
import numpy as np
import pytest

from coursekit.training import losses_at, trace_path

pytestmark = pytest.mark.any_backend
optimizers = keras.optimizers
STEPS = 30
START = (3.0, -1.0)


def numpy(variable):
    return np.array(keras.ops.convert_to_tensor(variable))


def bumpy(a, b):
    return (a**2 + 20 * b**2) / 2 + keras.ops.sin(3 * a) * b


def bumpy_gradient(w):
    a, b = numpy(w).astype("float64")
    return np.array([a + 3 * np.cos(3 * a) * b, 20 * b + np.sin(3 * a)], "float32")


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.01),
    "momentum": lambda: optimizers.SGD(0.01, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "decay": lambda: optimizers.SGD(0.01, weight_decay=0.1),
    "schedule": lambda: optimizers.SGD(
        optimizers.schedules.CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=5)
    ),
    "callable": lambda: optimizers.SGD(lambda: 0.01),
    "clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.5),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.5),
    "global_clipnorm": lambda: optimizers.Adam(0.1, global_clipnorm=0.5),
    "ema": lambda: optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "accumulation": lambda: optimizers.SGD(0.01, gradient_accumulation_steps=3),
    "loss_scale_factor": lambda: optimizers.Adagrad(0.1, loss_scale_factor=8.0),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adagrad(0.1), dynamic_growth_steps=4
    ),
    "adam": lambda: optimizers.Adam(0.1),
    "amsgrad": lambda: optimizers.Adam(0.1, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.1, weight_decay=0.1),
    "adamax": lambda: optimizers.Adamax(0.1),
    "nadam": lambda: optimizers.Nadam(0.1),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "adafactor": lambda: optimizers.Adafactor(0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "lion": lambda: optimizers.Lion(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "muon": lambda: optimizers.Muon(0.01),
}
if hasattr(optimizers, "ScheduleFreeAdamW"):  # new in Keras 3.15
    OPTIMIZERS["schedule_free"] = lambda: optimizers.ScheduleFreeAdamW(0.1)


def by_hand(optimizer, steps=STEPS, gradient=bumpy_gradient):
    """The loop with `optimizer.apply`, eager, from a gradient written down in NumPy."""
    w = keras.Variable(np.array(START, "float32"))
    optimizer.build([w])
    points = [numpy(w)]
    for _ in range(steps):
        slope = keras.ops.convert_to_tensor(gradient(w))
        optimizer.apply([optimizer.scale_loss(slope)], [w])
        points.append(numpy(w))
    return np.array(points)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_the_loop_with_apply(name):
    path = trace_path(OPTIMIZERS[name](), bumpy, START, STEPS)
    # Eager, LossScaleOptimizer.apply fails on JAX; what it wraps takes the same steps.
    wanted = by_hand(OPTIMIZERS["adagrad" if name == "loss_scale" else name]())
    assert path.points.shape == (STEPS + 1, 2)
    assert np.ptp(path.points, axis=0).max() > 0.01  # it moved
    np.testing.assert_allclose(path.points, wanted, rtol=1e-4, atol=1e-4)
    assert path.stopped is None


def test_each_row_holds_the_loss_and_the_gradient_of_its_own_point():
    path = trace_path(optimizers.SGD(0.02), bumpy, START, 8)
    a, b = path.points.T.astype("float64")
    np.testing.assert_allclose(path.losses, a**2 / 2 + 10 * b**2 + np.sin(3 * a) * b, rtol=1e-5)
    np.testing.assert_allclose(
        path.gradients, [bumpy_gradient(w) for w in path.points], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        path.points[1:], path.points[:-1] - 0.02 * path.gradients[:-1], rtol=1e-5, atol=1e-6
    )


def test_gradients_are_those_of_the_loss_whatever_its_scale():
    scaled = trace_path(optimizers.LossScaleOptimizer(optimizers.SGD(0.01)), bumpy, START, 3)
    np.testing.assert_allclose(scaled.gradients[0], bumpy_gradient(START), rtol=1e-5)


@pytest.mark.parametrize("name", ["momentum", "schedule", "adam", "ema"])
def test_the_optimizer_passed_in_stays_as_it_is_and_starts_afresh(name):
    optimizer = OPTIMIZERS[name]()
    by_hand(optimizer, steps=7)
    before = [numpy(v) for v in optimizer.variables]
    path = trace_path(optimizer, bumpy, START, STEPS)
    assert int(optimizer.iterations) == 7
    assert all(
        np.array_equal(a, numpy(b)) for a, b in zip(before, optimizer.variables, strict=True)
    )
    fresh = trace_path(OPTIMIZERS[name](), bumpy, START, STEPS)
    np.testing.assert_array_equal(path.points, fresh.points)


def test_the_current_learning_rate_counts():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    path = trace_path(optimizer, lambda a, b: a**2 + b**2, (4, -8), 1)
    np.testing.assert_array_equal(path.points[1], [2, -4])


def test_a_schedule_of_ones_own_needs_no_registration():
    class Halving(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.power(0.5, keras.ops.cast(step, "float32"))

    path = trace_path(optimizers.SGD(Halving()), lambda a, b: a + b, (0, 0), 3)
    np.testing.assert_allclose(path.points[:, 0], [0, -1, -1.5, -1.75])


def test_an_optimizer_of_ones_own():
    class Sign(optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, keras.ops.sign(gradient) * learning_rate)

    path = trace_path(Sign(0.5), lambda a, b: a**2 - 100 * b, (1, 0), 2)
    np.testing.assert_allclose(path.points, [[1, 0], [0.5, 0.5], [0, 1]])


def test_a_loss_of_data():
    x = np.linspace(-1, 1, 9, dtype="float32")
    y = 2 * x + 1
    path = trace_path(
        optimizers.SGD(0.5), lambda w, b: keras.ops.mean((w * x + b - y) ** 2), (0, 0), 60
    )
    np.testing.assert_allclose(path.points[-1], [2, 1], atol=1e-4)


@pytest.mark.parametrize("kind", [int, np.float64, np.float32])
def test_start_of_any_kind(kind):
    path = trace_path(
        optimizers.SGD(0.25), lambda a, b: a * a + b, np.array([2, 1], kind), np.int64(1)
    )
    np.testing.assert_array_equal(path.points, [[2, 1], [1, 0.75]])
    assert path.points.dtype == path.losses.dtype == "float32"


def test_a_path_that_diverges_ends_in_nan_and_says_where():
    path = trace_path(optimizers.SGD(0.1), lambda a, b: a**4 + b**2, (5, 0), 50)
    assert 2 < path.stopped < 6
    for part in (path.points, path.losses, path.gradients):
        assert np.isfinite(part[: path.stopped]).all()
        assert np.isnan(part[path.stopped :]).all()


def test_a_loss_that_is_not_finite_at_the_start():
    path = trace_path(optimizers.SGD(0.1), lambda a, b: keras.ops.log(a) + b, (-1, 0), 4)
    assert path.stopped == 0 and np.isnan(path.points).all()


def test_a_gradient_that_is_not_finite_ends_the_path_too():
    path = trace_path(optimizers.SGD(1.0), lambda a, b: keras.ops.sqrt(a) + b, (0.25, 0), 4)
    assert path.points[0, 0] == 0.25 and path.stopped is not None


def test_a_saddle_holds_what_stands_on_its_ridge():
    path = trace_path(optimizers.SGD(0.1), lambda a, b: a**2 - b**2, (1, 0), 100)
    assert (path.points[:, 1] == 0).all() and abs(path.points[-1, 0]) < 1e-6


def test_it_traces_the_surface_a_few_times_only():
    calls = []

    def surface(a, b):
        calls.append(1)
        return a**2 + b**2

    trace_path(optimizers.SGD(0.1), surface, (1, 1), 200)
    assert len(calls) < 5


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (("adam", bumpy, START, 3), TypeError, "Received: optimizer='adam'"),
        ((optimizers.SGD, bumpy, START, 3), TypeError, "must be a Keras optimizer"),
        ((None, 5, START, 3), TypeError, "Received: loss_surface=5"),
        ((None, bumpy, START, 0), ValueError, "Received: steps=0"),
        ((None, bumpy, START, 2.5), ValueError, "Received: steps=2.5"),
        ((None, bumpy, START, True), ValueError, "Received: steps=True"),
        ((None, bumpy, "ab", 3), ValueError, "two finite numbers. Received: start='ab'"),
        ((None, bumpy, None, 3), ValueError, "start=None"),
        ((None, bumpy, (1, 2, 3), 3), ValueError, "two finite numbers"),
        ((None, bumpy, (1, np.nan), 3), ValueError, "two finite numbers"),
        ((None, lambda a, b: keras.ops.stack([a, b]), START, 3), ValueError, r"shape \(2,\)"),
    ],
)
def test_bad_arguments(arguments, error, words):
    optimizer, *rest = arguments
    with pytest.raises(error, match=words):
        trace_path(optimizers.SGD(0.1) if optimizer is None else optimizer, *rest)


def test_a_surface_in_numpy_has_no_gradient():
    with pytest.raises(ValueError, match=r"keras\.ops`.*float"):
        trace_path(optimizers.SGD(0.1), lambda a, b: np.sin(a) + np.sin(b), START, 3)


def test_an_optimizer_that_its_config_does_not_rebuild():
    class Odd(optimizers.SGD):
        def __init__(self, strange):
            super().__init__(0.1)

    with pytest.raises(ValueError, match="get_config"):
        trace_path(Odd(strange=1), bumpy, START, 3)


def test_the_random_state_stays():
    keras.utils.set_random_seed(3)
    first = np.random.random()
    keras.utils.set_random_seed(3)
    trace_path(optimizers.Adam(0.1), bumpy, START, 3)
    assert np.random.random() == first


def test_losses_at_many_points_of_a_mean_over_data():
    x = np.array([1.0, -1.0, 2.0], "float32")
    points = [(1, 0), (0, 3), (2, 1)]
    got = losses_at(lambda w, b: keras.ops.mean((w * x + b) ** 2), points)
    np.testing.assert_allclose(got, [np.mean((w * x + b) ** 2) for w, b in points], rtol=1e-5)


def test_many_maps_and_paths_leave_the_log_silent(caplog):
    for _ in range(6):
        losses_at(lambda a, b: a + b, [(1, 2)])
        trace_path(optimizers.SGD(0.1), lambda a, b: a + b, (1, 2), 1)
    assert not caplog.records


@pytest.mark.parametrize("points", [[1, 2], [[1, 2, 3]], "ab", None, [["a", "b"]], 3.0])
def test_points_that_are_no_pairs(points):
    with pytest.raises(ValueError, match=r"`points` must be pairs of numbers, of shape \(n, 2\)"):
        losses_at(bumpy, points)


def test_no_points_and_points_that_are_not_finite():
    assert losses_at(bumpy, np.zeros((0, 2))).shape == (0,)
    got = losses_at(lambda a, b: a + b, [(1, 2), (np.nan, 1), (np.inf, 1)])
    np.testing.assert_array_equal(got, [3, np.nan, np.inf])
