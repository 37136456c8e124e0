"""Bias, variance and noise against closed forms, and whether their errors are honest."""

import random

import keras
import numpy as np
import pandas as pd
import pytest

from coursekit.validation import BiasVariance, bias_variance

RATE, EPOCHS, NOISE = 0.2, 6, 0.5
FIXED = np.random.default_rng(5).normal(size=(12, 3)).astype("float32")
WEIGHTS = np.array([1.0, -2.0, 0.5])


def simulate(rng, shift=0.0, own=0.0, common=0.0, noise=0.0, refits=8, rows=30):
    """Predictions with a bias, noise of their own, and noise common to the rows of a refit."""
    f = rng.normal(size=rows)
    predictions = f + shift + common * rng.normal(size=(refits, 1))
    predictions = predictions + own * rng.normal(size=(refits, rows))
    return BiasVariance(predictions, f + noise * rng.normal(size=rows), truth=f)


@pytest.mark.parametrize(
    "shift, own, common, noise",
    [(0, 2, 0, 0.5), (0, 0, 1, 0.5), (0.7, 1, 0.5, 1), (0.5, 0.1, 0.1, 3)],
)
def test_estimates_are_unbiased_and_their_errors_calibrated(shift, own, common, noise):
    rng = np.random.default_rng(0)
    found = [simulate(rng, shift, own, common, noise) for _ in range(600)]
    variance = own**2 + common**2
    wanted = {
        "bias_squared": shift**2,
        "variance": variance,
        "noise": noise**2,
        "bias_squared_and_noise": shift**2 + noise**2,
        "error": shift**2 + variance + noise**2,
        "remainder": 0,
    }
    for name, value in wanted.items():
        estimates = np.array([getattr(result, name).value for result in found])
        errors = np.array([getattr(result, name).standard_error for result in found])
        spread = estimates.std(ddof=1)
        assert abs(estimates.mean() - value) < 4 * spread / np.sqrt(600), name
        assert 0.85 < np.sqrt(np.mean(errors**2)) / spread < 2, name  # the interaction counts twice


def test_the_parts_add_up_to_the_measured_error():
    result = simulate(np.random.default_rng(1), 0.5, 1, 0.5, 1)
    parts = result.bias_squared.value + result.variance.value + result.noise.value
    assert result.error.value == pytest.approx(parts + result.remainder.value)
    assert abs(result.remainder.value) < 3 * result.remainder.standard_error
    together = result.bias_squared_and_noise.value + result.variance.value
    assert result.error.value == pytest.approx(together)


def test_the_jackknife_over_refits_leaves_each_one_out():
    """Rows that repeat themselves bring no error of their own: what is left is the jackknife's."""
    p = np.random.default_rng(2).normal(size=(6, 1)) * np.ones(3)
    f, y = np.zeros(3), np.full(3, 2.0)
    result = BiasVariance(p, y, f)

    def jackknife(statistic):
        left = np.array([statistic(np.delete(p[:, 0], k)) for k in range(6)])
        return np.sqrt(5 / 6 * np.sum((left - left.mean()) ** 2))

    def bias(q, target=0.0):
        return (q.mean() - target) ** 2 - q.var(ddof=1) / len(q)

    assert result.error.standard_error == pytest.approx(jackknife(lambda q: np.mean((q - 2) ** 2)))
    assert result.variance.standard_error == pytest.approx(jackknife(lambda q: q.var(ddof=1)))
    assert result.bias_squared.standard_error == pytest.approx(jackknife(bias))
    both = jackknife(lambda q: bias(q, 2.0))
    assert result.bias_squared_and_noise.standard_error == pytest.approx(both)
    assert result.remainder.standard_error == pytest.approx(jackknife(lambda q: -4 * q.mean()))


def test_without_the_truth_bias_and_noise_stay_together():
    predictions = np.random.default_rng(3).normal(size=(5, 20))
    result = BiasVariance(predictions, np.zeros(20))
    assert result.bias_squared is result.noise is result.remainder is None
    assert "bias^2 + noise" in repr(result) and "differs" not in repr(result)
    assert "noise" in repr(BiasVariance(predictions, np.zeros(20), np.zeros(20)))


def test_several_outputs_are_averaged():
    rng = np.random.default_rng(4)
    predictions, y, f = rng.normal(size=(5, 20, 2)), rng.normal(size=(20, 2)), np.zeros((20, 2))
    both = BiasVariance(predictions, y, f)
    single = [BiasVariance(predictions[..., k], y[:, k], f[:, k]) for k in range(2)]
    for name in ("error", "variance", "bias_squared", "noise"):
        mean = np.mean([getattr(one, name).value for one in single])
        assert getattr(both, name).value == pytest.approx(mean)
    column = BiasVariance(predictions[..., :1], y[:, 0], f[:, :1])
    assert column.error == single[0].error


@pytest.mark.parametrize(
    "predictions, y, truth, words",
    [
        (np.zeros((2, 5)), np.zeros(5), None, "at least 3 refits"),
        (np.zeros((3, 1)), np.zeros(1), None, "at least 3 refits"),
        (np.zeros(5), np.zeros(5), None, "Received: shape"),
        (np.zeros((3, 5)), np.zeros(4), None, "`y` must hold 1 value for each of the 5 rows"),
        (np.zeros((3, 5)), np.zeros((5, 5)), None, "`y` must hold 1 value"),
        (np.zeros((3, 5, 2)), np.zeros(5), None, "`y` must hold 2 values"),
        (np.zeros((3, 5)), np.zeros(5), np.zeros(6), "`truth` must hold"),
        (np.zeros((3, 5)), np.zeros(5), 0.0, "`truth` must hold"),
        (np.zeros((3, 5)), np.full(5, np.nan), None, "`y` must be finite"),
        (np.full((3, 5), np.inf), np.zeros(5), None, "3 of 3 refits, the first is 0"),
    ],
)
def test_what_does_not_fit_is_refused(predictions, y, truth, words):
    with pytest.raises(ValueError, match=words):
        BiasVariance(predictions, y, truth)


# Training ---------------------------------------------------------------------------------------


def build_linear():
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return model


def draw_noise(rng):
    return FIXED, FIXED @ WEIGHTS + rng.normal(0, NOISE, len(FIXED))


def smoother(x):
    """Full-batch descent from zero gives predictions that are linear in the targets."""
    step = 2 * RATE / len(FIXED) * FIXED.astype("float64").T
    gain = np.zeros((3, len(FIXED)))
    for _ in range(EPOCHS):
        gain = gain + step @ (np.eye(len(FIXED)) - FIXED @ gain)
    return x @ gain


def run(build=build_linear, draw=draw_noise, refits=40, seed=0, **options):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(300, 3)).astype("float32")
    f = x @ WEIGHTS
    y = f + rng.normal(0, NOISE, 300)
    options = {"truth": f, "epochs": EPOCHS, "batch_size": 12, "verbose": 0, **options}
    return x, f, bias_variance(build, draw, x, y, refits=refits, seed=seed, **options)


@pytest.mark.slow
def test_descent_on_a_linear_model_against_its_closed_form():
    x, f, result = run()
    linear = smoother(x)
    each = [linear @ draw_noise(np.random.default_rng([0, k]))[1] for k in range(40)]
    np.testing.assert_allclose(result.predictions[..., 0], each, atol=1e-4)
    bias = np.mean((f - linear @ (FIXED @ WEIGHTS)) ** 2)
    variance = NOISE**2 * np.mean((linear**2).sum(axis=1))
    wanted = {"bias_squared": bias, "variance": variance, "noise": NOISE**2}
    wanted["error"] = sum(wanted.values())
    assert bias > 0.05 and variance > 0.01  # both have something to be found
    for name, value in wanted.items():
        estimate = getattr(result, name)
        assert abs(estimate.value - value) < 4 * estimate.standard_error, name
        assert estimate.standard_error < 0.5 * value, name


@pytest.mark.slow
def test_the_same_seed_gives_the_same_and_leaves_no_trace():
    def build():
        def drawn(shape, dtype=None):  # from the global generator, when the weights are made
            return np.random.normal(size=shape)

        hidden = keras.layers.Dense(2, "tanh", kernel_initializer=drawn)
        model = keras.Sequential([hidden, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(RATE), "mse")
        return model

    before = random.getstate(), np.random.get_state()[1].tolist()
    _, _, first = run(build, refits=3, batch_size=5)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(77)
    np.random.seed(77)
    _, _, again = run(build, refits=3, batch_size=5)
    _, _, other = run(build, refits=3, batch_size=5, seed=1)
    np.testing.assert_array_equal(first.predictions, again.predictions)
    assert np.abs(first.predictions - other.predictions).max() > 1e-3


def test_the_same_set_each_time_leaves_what_the_seeds_change():
    fixed = FIXED, FIXED @ WEIGHTS
    _, _, result = run(draw=lambda rng: fixed, refits=3)
    assert result.variance.value == pytest.approx(0, abs=1e-9)
    _, _, shuffled = run(draw=lambda rng: fixed, refits=3, batch_size=5)
    assert shuffled.variance.value > 1e-6


def test_sets_may_differ_in_length_and_come_as_tables_or_dicts():
    def draw(rng):
        rows = rng.integers(4, 12)
        return pd.DataFrame(FIXED[:rows]), (FIXED @ WEIGHTS)[:rows, None]

    _, _, result = run(draw=draw, refits=3)
    assert result.predictions.shape == (3, 300, 1)

    def build():
        inputs = {"a": keras.Input((3,), name="a")}
        model = keras.Model(inputs, build_linear().layers[0](inputs["a"]))
        model.compile(keras.optimizers.SGD(RATE), "mse")
        return model

    x, y = {"a": FIXED}, FIXED @ WEIGHTS
    named = bias_variance(build, lambda rng: (x, y), x, y, refits=3, verbose=0)
    assert named.predictions.shape == (3, 12, 1)


def test_the_builder_may_take_the_number_of_the_refit():
    seen = []

    def build(refit):
        seen.append(refit)
        return build_linear()

    run(build, refits=3)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"build": lambda: keras.Sequential([keras.layers.Dense(1)])}, ValueError, "compiled"),
        ({"build": lambda: None}, TypeError, "return model"),
        ({"draw": draw_noise(np.random.default_rng(0))}, TypeError, "`draw` must be a function"),
        ({"draw": lambda rng: FIXED}, TypeError, r"pair \(x, y\)"),
        ({"draw": lambda rng: (FIXED, np.zeros(5))}, ValueError, "12 rows in x, y of shape"),
        ({"refits": 2}, ValueError, "`refits` must be an integer of at least 3"),
        ({"refits": 5.0}, ValueError, "Received: refits=5.0"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"epochs": 0}, ValueError, "`epochs`"),
        ({"truth": np.zeros(7)}, ValueError, "`truth` must hold 1 value for each of the 300"),
    ],
)
def test_wrong_arguments_are_refused_before_training(options, error, words, monkeypatch):
    def no_training(*args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr("coursekit.training.many._run.Run.__call__", no_training)
    with pytest.raises(error, match=words):
        run(**options)


def test_a_training_that_diverged_is_named():
    def build(refit):
        model = build_linear()
        if refit == 1:
            model.optimizer.learning_rate = 1e30
        return model

    with pytest.raises(ValueError, match="1 of 3 refits, the first is 1"):
        run(build, refits=3)


class Squared(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def test_a_loss_that_broadcasts_targets_is_refused_before_training():
    def build_model():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", Squared())
        return model

    x = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match=r"Squared, which compares each target"):
        bias_variance(build_model, lambda rng: (x, x[:, 0]), x, x[:, 0], refits=3, verbose=0)
