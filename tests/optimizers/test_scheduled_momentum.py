"""Momentum that moves: equal to a float64 loop over a whole cycle, however the step is run."""

import keras
import numpy as np
import pytest
from keras import ops

from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import OneCycle, StepDecay

STEPS = 20
RATE = OneCycle(0.15, STEPS, div=5, final_div=10)
MOMENTUM = RATE.momentum(0.9, 0.3)
CURVES = [np.float32([[8, 1], [2, 4]]), np.float32(3)]  # the loss is sum(curve * w ** 2) / 2
START = [np.float32([[1, -2], [0.5, 3]]), np.float32(-1)]
ON_JAX = keras.backend.backend() == "jax"


def clipped(gradients, clipnorm=None, global_clipnorm=None, clipvalue=None):
    norms = [np.linalg.norm(np.ravel(g)) for g in gradients]
    if clipnorm:
        return [g * min(1, clipnorm / n) for g, n in zip(gradients, norms, strict=True)]
    if global_clipnorm:
        return [g * min(1, global_clipnorm / np.linalg.norm(norms)) for g in gradients]
    return [np.clip(g, -clipvalue, clipvalue) for g in gradients] if clipvalue else gradients


def loop(rates, momenta, nesterov=False, weight_decay=0.0, use_ema=False, ema_momentum=0, **clip):
    """Return the weights, velocities and averages that an independent float64 loop leaves."""
    weights = [np.float64(w) for w in START]
    velocities, averages = [0.0 * w for w in weights], None
    for lr, mu in zip(rates, momenta, strict=True):
        gradients = clipped([c * w for c, w in zip(CURVES, weights, strict=True)], **clip)
        for k, g in enumerate(gradients):
            weights[k] = weights[k] * (1 - lr * weight_decay)
            velocities[k] = mu * velocities[k] - lr * g
            weights[k] = weights[k] + (mu * velocities[k] - lr * g if nesterov else velocities[k])
        if averages is None:
            averages = weights
        averages = [
            ema_momentum * a + (1 - ema_momentum) * w
            for a, w in zip(averages, weights, strict=True)
        ]
    return weights, velocities, averages


def over_the_cycle(schedule):
    return [float(schedule(step)) for step in range(STEPS)]


def gradients_of(weights):
    return [w * c for c, w in zip(CURVES, weights, strict=True)]


def run(optimizer, mode, steps=STEPS):
    """Run the optimizer on the loss; return the weights."""
    weights = [keras.Variable(w) for w in START]
    optimizer.build(weights)
    if mode == "eager":
        for _ in range(steps):
            optimizer.apply(gradients_of(weights), weights)
    elif ON_JAX:
        import jax

        @jax.jit
        def step(values, state):
            return optimizer.stateless_apply(state, gradients_of(values), values)

        values, state = [w.value for w in weights], [v.value for v in optimizer.variables]
        for _ in range(steps):
            values, state = step(values, state)
        for variable, value in zip(
            [*weights, *optimizer.variables], [*values, *state], strict=True
        ):
            variable.assign(value)
    else:
        import tensorflow as tf

        @tf.function(jit_compile=mode == "xla")
        def step():
            optimizer.apply(gradients_of(weights), weights)

        for _ in range(steps):
            step()
    return weights


def close(ours, wanted, rtol=2e-5, atol=1e-6):
    for a, b in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(np.float64(ops.convert_to_numpy(a)), b, rtol=rtol, atol=atol)


OPTIONS = {
    "plain": {},
    "nesterov": {"nesterov": True},
    "weight_decay": {"weight_decay": 0.5},
    "clipnorm": {"clipnorm": 2.0},
    "global_clipnorm": {"global_clipnorm": 2.0},
    "clipvalue": {"clipvalue": 1.5, "nesterov": True},
    "ema": {"use_ema": True, "ema_momentum": 0.8},
}


@pytest.mark.any_backend
@pytest.mark.parametrize("mode", ["eager", "xla"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_whole_cycle_is_that_of_a_float64_loop(options, mode):
    optimizer = ScheduledMomentumSGD(RATE, MOMENTUM, **options)
    weights = run(optimizer, mode)
    wanted, velocities, averages = loop(over_the_cycle(RATE), over_the_cycle(MOMENTUM), **options)
    close(weights, wanted)
    close(optimizer.velocities, velocities)
    if "use_ema" in options:
        close(optimizer._model_variables_moving_average, averages)
    still = loop(over_the_cycle(RATE), [0.9] * STEPS, **options)[0]
    assert abs(still[0] - wanted[0]).max() > 1e-3  # moving it does matter here


@pytest.mark.any_backend
@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_both_schedules_count_batches_where_gradients_are_accumulated(mode):
    optimizer = ScheduledMomentumSGD(RATE, MOMENTUM, gradient_accumulation_steps=2)
    weights = run(optimizer, mode)
    close(weights, loop(over_the_cycle(RATE)[1::2], over_the_cycle(MOMENTUM)[1::2])[0])


def test_loss_scaling_skips_a_step_of_both_schedules():
    inner = ScheduledMomentumSGD(RATE, MOMENTUM)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    weights = [keras.Variable(w) for w in START]
    for step in range(STEPS + 1):
        scale = np.inf if step == 7 else optimizer.scale_loss(1.0)
        optimizer.apply([g * scale for g in gradients_of(weights)], weights)
    assert float(optimizer.dynamic_scale) == 4.0
    close(weights, loop(over_the_cycle(RATE), over_the_cycle(MOMENTUM))[0])


TABLE = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
TARGET = (TABLE @ [[1.0], [-2.0], [0.5]]).astype("float32")


def model_with(optimizer, seed=0, embedding=False, **compiling):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
    if embedding:
        layers[1:2] = [keras.layers.Embedding(5, 4), keras.layers.Flatten()]
    model = keras.Sequential(layers)
    model.compile(optimizer, "mse", **compiling)
    return model


def fit(model, epochs=5, x=TABLE, **more):
    """Four batches an epoch, five epochs: a whole cycle."""
    model.fit(x, TARGET, batch_size=10, epochs=epochs, shuffle=False, verbose=0, **more)
    return model


def state(model):
    variables = (*model.weights, *model.optimizer.variables)
    return [ops.convert_to_numpy(variable) for variable in variables]


def fit_in_numpy(rates, momenta, weights):
    """Return the weights after the same batches, by a loop with the gradients written out."""
    weights = [np.float64(w) for w in weights]
    velocities = [0.0 * w for w in weights]
    for step, (lr, mu) in enumerate(zip(rates, momenta, strict=True)):
        rows = slice(step % 4 * 10, step % 4 * 10 + 10)
        kernel, bias, top, last = weights
        hidden = np.tanh(TABLE[rows] @ kernel + bias)
        error = 2 / 10 * (hidden @ top + last - TARGET[rows])
        inside = error @ top.T * (1 - hidden**2)
        gradients = [TABLE[rows].T @ inside, inside.sum(0), hidden.T @ error, error.sum(0)]
        velocities = [mu * v - lr * g for v, g in zip(velocities, gradients, strict=True)]
        weights = [w + v for w, v in zip(weights, velocities, strict=True)]
    return weights


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("jit", [False, True])
def test_fit_over_a_whole_cycle(jit):
    model = model_with(ScheduledMomentumSGD(RATE, MOMENTUM), jit_compile=jit)
    wanted = fit_in_numpy(over_the_cycle(RATE), over_the_cycle(MOMENTUM), model.get_weights())
    close(fit(model).get_weights(), wanted)


@pytest.mark.slow
@pytest.mark.any_backend
def test_mixed_precision_follows_the_cycle():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer = ScheduledMomentumSGD(RATE, MOMENTUM)
        model = model_with(optimizer, auto_scale_loss=False)
        scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
        model.compile(scaled, "mse")
        start = model.get_weights()
        fit(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert int(optimizer.iterations) == STEPS
    wanted = fit_in_numpy(over_the_cycle(RATE), over_the_cycle(MOMENTUM), start)
    close(model.get_weights(), wanted, rtol=1e-2, atol=1e-2)


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("nesterov, embedding", [(False, True), (True, False)])
def test_a_constant_momentum_is_kerass_own(nesterov, embedding):
    x = np.abs(TABLE * 2).astype("int32") % 5 if embedding else TABLE
    models = [
        fit(model_with(kind(0.1, 0.8, nesterov), embedding=embedding), epochs=2, x=x)
        for kind in (keras.optimizers.SGD, ScheduledMomentumSGD)
    ]
    for theirs, ours in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


class SetMomentum(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.momentum = (0.9, 0.0)[epoch]


def fit_and_set(optimizer):
    return fit(model_with(optimizer), epochs=2, callbacks=[SetMomentum()]).get_weights()


@pytest.mark.slow
def test_keras_ignores_a_momentum_that_is_set_in_fit():
    """Keras's SGD bakes it in when the step is traced. This fails once it reads it."""
    never_set = fit(model_with(keras.optimizers.SGD(0.1, 0.9)), epochs=2).get_weights()
    for a, b in zip(fit_and_set(keras.optimizers.SGD(0.1, 0.9)), never_set, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("momentum", [StepDecay(0.9, 10), keras.Variable(0.9)])
def test_keras_refuses_a_momentum_that_moves(momentum):
    """Why there is an optimizer for it here. This fails once Keras takes one."""
    with pytest.raises(ValueError, match="float between"):
        keras.optimizers.SGD(0.1, momentum=momentum)


@pytest.mark.any_backend
def test_a_momentum_that_is_set_in_fit_counts():
    start = model_with("sgd").get_weights()
    wanted = fit_in_numpy([0.1] * 8, [0.9] * 4 + [0.0] * 4, start)
    close(fit_and_set(ScheduledMomentumSGD(0.1, 0.9)), wanted)


@pytest.mark.slow
@pytest.mark.any_backend
def test_saved_and_resumed_inside_the_cycle(tmp_path):
    whole = fit(model_with(ScheduledMomentumSGD(RATE, MOMENTUM, nesterov=True)))
    part = fit(model_with(ScheduledMomentumSGD(RATE, MOMENTUM, nesterov=True)), epochs=2)
    part.save(tmp_path / "part.keras")
    keras.backend.clear_session()
    resumed = fit(keras.models.load_model(tmp_path / "part.keras"), epochs=3)
    assert resumed.optimizer.nesterov is True
    for a, b in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_a_momentum_that_was_set_is_saved(tmp_path):
    model = fit(model_with(ScheduledMomentumSGD(0.1, 0.9)), epochs=1)
    model.optimizer.momentum = 0.25
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert float(loaded.momentum) == 0.25 and loaded.get_config()["momentum"] == 0.25
    twin = ScheduledMomentumSGD.from_config(loaded.get_config())
    assert float(twin.momentum) == 0.25


def test_a_config_is_not_changed_by_its_use():
    config = ScheduledMomentumSGD(RATE, MOMENTUM, weight_decay=0.1, name="mine").get_config()
    before = repr(config)
    twin = ScheduledMomentumSGD.from_config(config)
    assert repr(config) == before == repr(twin.get_config())


@pytest.mark.slow
def test_fit_many_trains_it_as_fit_does(capsys):
    from coursekit.training import fit_many

    def build(k):
        rate = OneCycle((0.15, 0.05)[k], STEPS)
        return model_with(ScheduledMomentumSGD(rate, rate.momentum(0.9, 0.3)), seed=k)

    ours = [build(k) for k in range(2)]
    fit_many(ours, TABLE, TARGET, batch_size=10, epochs=5, shuffle=False, verbose=1)
    assert "2 by their own program" in capsys.readouterr().out
    for k, model in enumerate(ours):
        close(state(model), state(fit(build(k))), rtol=1e-6, atol=1e-6)


BAD = [
    (
        lambda: ScheduledMomentumSGD(momentum=1.5),
        ValueError,
        "at least 0 and at most 1. Received: .*=1.5",
    ),
    (
        lambda: ScheduledMomentumSGD(momentum=-0.1),
        ValueError,
        "at least 0 and at most 1. Received: .*=-0.1",
    ),
    (lambda: ScheduledMomentumSGD(momentum=float("nan")), ValueError, "momentum=nan"),
    (lambda: ScheduledMomentumSGD(momentum=lambda step: 0.9), TypeError, "a LearningRateSchedule"),
    (lambda: ScheduledMomentumSGD(momentum=None), ValueError, "momentum=None"),
    (lambda: ScheduledMomentumSGD(momentum=True), ValueError, "momentum=True"),
    (lambda: ScheduledMomentumSGD(momentum="high"), ValueError, "momentum='high'"),
    (lambda: ScheduledMomentumSGD(nesterov="no"), ValueError, "nesterov='no'"),
    (lambda: ScheduledMomentumSGD(nesterov=1), ValueError, "nesterov=1"),
    (lambda: setattr(ScheduledMomentumSGD(), "momentum", 2), ValueError, "momentum=2"),
    (
        lambda: setattr(ScheduledMomentumSGD(), "momentum", MOMENTUM),
        TypeError,
        "A schedule is given to `__init__`",
    ),
    (
        lambda: setattr(ScheduledMomentumSGD(momentum=MOMENTUM), "momentum", 0.5),
        TypeError,
        "follows a schedule and cannot be set. Received: momentum=0.5",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_momentum(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nothing_beyond_the_range_ends():
    """0 and 1 are momenta; integers are numbers."""
    assert [float(ScheduledMomentumSGD(momentum=m).momentum) for m in (0, 1)] == [0.0, 1.0]
