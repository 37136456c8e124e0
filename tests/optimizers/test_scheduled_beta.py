"""Adam with a moving beta_1: its own float64 loop, PyTorch's formula, and Keras's Adam."""

import keras
import numpy as np
import pytest
from keras import ops

from coursekit.optimizers import ScheduledBetaAdam
from coursekit.schedules import OneCycle

STEPS = 20
RATE = OneCycle(0.15, STEPS, div=5, final_div=10)
BETA = RATE.momentum(0.95, 0.6)
CURVES = [np.float32([[8, 1], [2, 4]]), np.float32(3)]  # the loss is sum(curve * w ** 2) / 2
START = [np.float32([[1, -2], [0.5, 3]]), np.float32(-1)]
ON_JAX = keras.backend.backend() == "jax"


def over_the_cycle(schedule, steps=STEPS):
    return [float(schedule(step)) for step in range(steps)]


def exact(betas):
    """One minus the product of all beta_1 so far."""
    return 1 - np.prod(betas)


def pytorch(betas):
    """`bias_correction1` of torch.optim.Adam: beta_1 as it is now, to the power of the step."""
    return 1 - betas[-1] ** len(betas)


def adam(rates, betas, correction=exact, beta_2=0.999, epsilon=1e-7, torch_epsilon=False, decay=0):
    """The weights after each step, by an independent float64 loop as PyTorch writes it."""
    weights, seen = [np.float64(w) for w in START], []
    means, squares = [0 * w for w in weights], [0 * w for w in weights]
    for t, (lr, beta) in enumerate(zip(rates, betas, strict=True), start=1):
        second = np.sqrt(1 - beta_2**t)
        for k, curve in enumerate(CURVES):
            gradient = np.float64(curve) * weights[k]
            weights[k] = weights[k] * (1 - lr * decay)
            means[k] = beta * means[k] + (1 - beta) * gradient
            squares[k] = beta_2 * squares[k] + (1 - beta_2) * gradient**2
            # Keras adds epsilon to sqrt(v), PyTorch to sqrt(v_hat).
            below = np.sqrt(squares[k]) / second + (epsilon if torch_epsilon else epsilon / second)
            weights[k] = weights[k] - lr / correction(betas[:t]) * means[k] / below
        seen.append([w.copy() for w in weights])
    return seen


def gradients_of(weights):
    return [w * c for c, w in zip(CURVES, weights, strict=True)]


def run(optimizer, compiled=True, steps=STEPS):
    """The weights after each step."""
    weights, seen = [keras.Variable(w) for w in START], []
    optimizer.build(weights)
    if ON_JAX and compiled:
        import jax

        step = jax.jit(lambda v, s: optimizer.stateless_apply(s, gradients_of(v), v))
        values, state = [w.value for w in weights], [v.value for v in optimizer.variables]
        for _ in range(steps):
            values, state = step(values, state)
            seen.append([np.array(v) for v in values])
        return seen

    def step():
        optimizer.apply(gradients_of(weights), weights)

    if compiled:
        import tensorflow as tf

        step = tf.function(step, jit_compile=True)
    for _ in range(steps):
        step()
        seen.append([np.array(ops.convert_to_numpy(w)) for w in weights])
    return seen


def close(ours, wanted, rtol=2e-4, atol=2e-5):
    for a, b in zip(ours, wanted, strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_allclose(np.float64(left), right, rtol=rtol, atol=atol)


@pytest.mark.any_backend
@pytest.mark.parametrize("compiled", [False, True])
def test_a_whole_cycle_is_that_of_a_float64_loop(compiled):
    ours = run(ScheduledBetaAdam(RATE, BETA), compiled)
    close(ours, adam(over_the_cycle(RATE), over_the_cycle(BETA)))


@pytest.mark.slow
@pytest.mark.any_backend
def test_it_is_pytorchs_formula_but_for_the_correction():
    """Equal where beta_1 is constant; under a cycle the first moment is corrected exactly."""
    rates, options = over_the_cycle(RATE), {"torch_epsilon": True, "epsilon": 1e-12}
    constant = run(ScheduledBetaAdam(RATE, 0.8, epsilon=1e-12))
    close(constant, adam(rates, [0.8] * STEPS, pytorch, **options))
    moving, betas = run(ScheduledBetaAdam(RATE, BETA, epsilon=1e-12)), over_the_cycle(BETA)
    close(moving, adam(rates, betas, exact, **options))
    other = adam(rates, betas, pytorch, **options)
    assert max(abs(a - b).max() for a, b in zip(moving[3], other[3], strict=True)) > 1e-3


def test_the_exact_correction_gives_the_mean_of_equal_gradients():
    """m_hat is 1 for gradients of 1, whatever beta_1 does; PyTorch's is not."""
    betas, mean, theirs = over_the_cycle(BETA), 0.0, []
    for t, beta in enumerate(betas, start=1):
        mean = beta * mean + (1 - beta)
        assert mean / exact(betas[:t]) == pytest.approx(1)
        theirs.append(mean / pytorch(betas[:t]))
    assert max(abs(np.array(theirs) - 1)) > 0.05


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.3}, {"clipnorm": 1.0}, {"use_ema": True, "ema_momentum": 0.8}],
)
def test_a_constant_beta_is_kerass_own(options):
    ours = run(ScheduledBetaAdam(RATE, 0.8, 0.98, 1e-5, **options))
    close(ours, run(keras.optimizers.Adam(RATE, 0.8, 0.98, 1e-5, **options)), rtol=1e-6, atol=1e-7)


@pytest.mark.any_backend
@pytest.mark.parametrize("compiled", [False, True])
def test_accumulated_gradients_make_one_factor_an_update(compiled):
    if ON_JAX and not compiled:
        pytest.skip("Keras accumulates under JAX in stateless steps only")
    optimizer = ScheduledBetaAdam(RATE, BETA, gradient_accumulation_steps=2)
    ours = run(optimizer, compiled)[1::2]
    close(ours, adam(over_the_cycle(RATE)[1::2], over_the_cycle(BETA)[1::2]))


def test_keras_refuses_a_beta_that_moves():
    """Why there is an optimizer for it here. This fails once Keras's Adam takes one."""
    optimizer = keras.optimizers.Adam(0.1, beta_1=BETA)
    with pytest.raises(Exception, match=r"OneCycleMomentum|convert|dtype|type"):
        optimizer.apply([ops.ones(())], [keras.Variable(1.0)])


def test_loss_scaling_skips_a_step_of_everything():
    optimizer = ScheduledBetaAdam(RATE, BETA)
    scaler = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    weights = [keras.Variable(w) for w in START]
    for step in range(STEPS + 1):
        scale = np.inf if step == 7 else scaler.scale_loss(1.0)
        scaler.apply([g * scale for g in gradients_of(weights)], weights)
    close([[w.numpy() for w in weights]], adam(over_the_cycle(RATE), over_the_cycle(BETA))[-1:])


X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def model_with(optimizer, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(optimizer, "mse")
    return model


def fit(model, epochs=5, **more):
    model.fit(X, Y, batch_size=10, epochs=epochs, shuffle=False, verbose=0, **more)
    return model


def state(model):
    return [np.array(ops.convert_to_numpy(v)) for v in (*model.weights, *model.optimizer.variables)]


@pytest.mark.slow
@pytest.mark.any_backend
def test_saved_and_resumed_inside_the_cycle(tmp_path):
    whole = fit(model_with(ScheduledBetaAdam(RATE, BETA, 0.99, 1e-6)))
    part = fit(model_with(ScheduledBetaAdam(RATE, BETA, 0.99, 1e-6)), epochs=2)
    part.save(tmp_path / "part.keras")
    loaded = keras.models.load_model(tmp_path / "part.keras")
    assert loaded.optimizer.get_config() == part.optimizer.get_config()
    resumed = fit(loaded, epochs=3)
    for a, b in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(a, b)


class SetBeta(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.beta_1 = (0.9, 0.3)[epoch]


@pytest.mark.any_backend
def test_a_beta_that_is_set_in_fit_counts_and_is_saved():
    model = fit(model_with(ScheduledBetaAdam(0.01, 0.9)), 2, callbacks=[SetBeta()])
    product = next(v for v in model.optimizer.variables if "product" in v.path)
    np.testing.assert_allclose(ops.convert_to_numpy(product), 0.9**4 * 0.3**4, rtol=1e-5)
    config = model.optimizer.get_config()
    assert config["beta_1"] == pytest.approx(0.3)
    assert float(ScheduledBetaAdam.from_config(config).beta_1) == pytest.approx(0.3)


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("rates", [(0.15, 0.05), (0.15, 0.15)])
def test_fit_many_trains_it_as_fit_does(rates, capsys):
    from coursekit.training import fit_many

    def build(k):
        rate = OneCycle(rates[k], STEPS)
        return model_with(ScheduledBetaAdam(rate, rate.momentum(0.9, 0.3)), seed=k)

    ours = [build(k) for k in range(2)]
    fit_many(ours, X, Y, batch_size=10, epochs=5, shuffle=False, verbose=1)
    shared = ON_JAX and len(set(rates)) == 1  # TensorFlow's base class keeps a program for each
    route = "a shared program" if shared else "their own programs"
    assert f"2 by {route}" in capsys.readouterr().out
    for k, model in enumerate(ours):
        for a, b in zip(state(model), state(fit(build(k))), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


BAD = [
    (lambda: ScheduledBetaAdam(beta_1=1.0), ValueError, "at least 0 and below 1. .*beta_1=1.0"),
    (lambda: ScheduledBetaAdam(beta_1=float("nan")), ValueError, "beta_1=nan"),
    (lambda: ScheduledBetaAdam(beta_1=True), ValueError, "beta_1=True"),
    (lambda: ScheduledBetaAdam(beta_1=lambda step: 0.9), TypeError, "a LearningRateSchedule"),
    (lambda: ScheduledBetaAdam(beta_2=1), ValueError, "beta_2=1"),
    (lambda: ScheduledBetaAdam(epsilon=-1e-7), ValueError, "epsilon=-1e-07"),
    (lambda: setattr(ScheduledBetaAdam(), "beta_1", 2), ValueError, "beta_1=2"),
    (lambda: setattr(ScheduledBetaAdam(), "beta_1", BETA), TypeError, "given to `__init__`"),
    (
        lambda: setattr(ScheduledBetaAdam(beta_1=BETA), "beta_1", 0.5),
        TypeError,
        "follows a schedule and cannot be set. Received: beta_1=0.5",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
