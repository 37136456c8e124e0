"""L1 with exact zeros: scikit-learn's Lasso is met by any inner optimizer, however it is run."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.optimizers.schedules import CosineDecay
from sklearn.linear_model import ElasticNet, Lasso

from coursekit.optimizers import OrthantwiseL1

ON_JAX = keras.backend.backend() == "jax"
ALPHA = 0.1  # of scikit-learn, whose loss is half the mean squared error: l1 is twice that
STEPS = 1500
RNG = np.random.default_rng(0)
# Twenty columns, the second half a copy of the first; five of them matter.
X = RNG.normal(size=(60, 20))
X[:, 1] = X[:, 0] + X[:, 1]
TRUE = np.zeros(20)
TRUE[[0, 3, 5, 8, 13]] = [1.5, -2.0, 0.8, 0.3, -0.5]
Y = X @ TRUE + 0.3 * RNG.normal(size=60)
X32, Y32 = X.astype("float32"), Y.astype("float32")[:, None]
LASSO = Lasso(ALPHA, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, Y).coef_


def gradient(weights):
    return 2 / 60 * ops.matmul(X32.T, ops.matmul(X32, weights) - Y32)


def descend(optimizer, steps=STEPS, start=1.0, name="kernel"):
    """Run the optimizer on the mean squared error, compiled; return the weights."""
    weights = keras.Variable(np.full((20, 1), start, "float32"), name=name)
    optimizer.build([weights])
    if ON_JAX:
        import jax

        @jax.jit
        def step(values, state):
            return optimizer.stateless_apply(state, [gradient(values[0])], values)

        values, state = [weights.value], [v.value for v in optimizer.variables]
        for _ in range(steps):
            values, state = step(values, state)
        return np.asarray(values[0])[:, 0]
    import tensorflow as tf

    @tf.function
    def run():
        for _ in tf.range(steps):
            optimizer.apply([gradient(weights)], [weights])

    run()
    return weights.numpy()[:, 0]


def decaying(rate, steps=STEPS):
    return CosineDecay(rate, steps, alpha=1e-3)


INNER = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "sgd_schedule": lambda: keras.optimizers.SGD(decaying(0.2)),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "nesterov_schedule": lambda: keras.optimizers.SGD(decaying(0.05), 0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(decaying(0.05)),
    "rmsprop": lambda: keras.optimizers.RMSprop(decaying(0.02)),
    "adagrad": lambda: keras.optimizers.Adagrad(decaying(0.5)),
    "adamax": lambda: keras.optimizers.Adamax(decaying(0.05)),
    "nadam": lambda: keras.optimizers.Nadam(decaying(0.05)),
    "lion": lambda: keras.optimizers.Lion(CosineDecay(0.02, STEPS, alpha=1e-5)),
    "clipped": lambda: keras.optimizers.SGD(0.1, momentum=0.5, global_clipnorm=1.0),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("start", [1.0, 0.0])
@pytest.mark.parametrize("make", INNER.values(), ids=INNER)
def test_it_is_the_lasso_of_scikit_learn(make, start):
    weights = descend(OrthantwiseL1(make(), 2 * ALPHA), start=start)
    np.testing.assert_allclose(weights, LASSO, atol=1e-4)
    assert 5 < (LASSO == 0).sum() < 18
    np.testing.assert_array_equal(weights == 0, LASSO == 0)


@pytest.mark.slow
@pytest.mark.any_backend
def test_keras_own_l1_has_no_exact_zero():
    """The defect that this cures; once Keras has zeros here, this optimizer can go."""
    optimizer = keras.optimizers.Adam(decaying(0.05))
    weights = keras.Variable(np.ones((20, 1), "float32"))
    penalty = keras.regularizers.L1(2 * ALPHA)
    if ON_JAX:
        import jax

        loss = jax.grad(lambda w: ops.mean((ops.matmul(X32, w) - Y32) ** 2) + penalty(w))

        def of():
            return loss(weights.value)
    else:
        import tensorflow as tf

        def of():
            with tf.GradientTape() as tape:
                loss = ops.mean((ops.matmul(X32, weights) - Y32) ** 2) + penalty(weights)
            return tape.gradient(loss, weights)

    for _ in range(300):
        optimizer.apply([of()], [weights])
    assert (weights.numpy() != 0).all()


@pytest.mark.any_backend
def test_decoupled_decay_makes_an_elastic_net():
    """The decay is `w * decay`, the gradient of `decay / 2 * w ** 2`; scikit-learn halves all."""
    decay = 0.1
    weights = descend(OrthantwiseL1(keras.optimizers.SGD(0.1, weight_decay=decay), 2 * ALPHA))
    ratio = ALPHA / (ALPHA + decay / 2)
    net = ElasticNet(ALPHA + decay / 2, l1_ratio=ratio, fit_intercept=False, tol=1e-12)
    np.testing.assert_allclose(weights, net.fit(X, Y).coef_, atol=1e-4)


@pytest.mark.any_backend
def test_each_step_is_that_of_a_float64_loop():
    """SGD with momentum on noisy gradients: weights die, old momentum does not wake them."""
    rate, mu, l1, noise = 0.1, 0.5, 0.5, np.random.default_rng(1).normal(size=(60, 8))
    goal = np.array([0.0, 0.1, 0.2, 0.3, -0.3, 1.0, -1.0, 2.0])
    optimizer = OrthantwiseL1(keras.optimizers.SGD(rate, momentum=mu), l1)
    weights = keras.Variable(np.full(8, 0.5, "float32"), name="kernel")
    w, v, total, zeros = np.full(8, 0.5), np.zeros(8), np.zeros(8), 0
    for step, extra in enumerate(noise, start=1):
        optimizer.apply(
            [2 * (weights - goal.astype("float32")) + extra.astype("float32")], [weights]
        )
        g = 2 * (w - goal) + extra
        total = 0.99 * total + 0.01 * g
        mean = total / (1 - 0.99**step)
        h = np.where(w != 0, g + l1 * np.sign(w), np.sign(mean) * np.maximum(abs(mean) - l1, 0))
        v = mu * v - rate * h
        side = np.where(w != 0, np.sign(w), -np.sign(h))
        w = np.where(np.sign(w + v) == side, w + v, 0.0)
        np.testing.assert_allclose(weights.numpy(), w, atol=2e-5)
        zeros += (w == 0).sum()
    assert 60 < zeros < 400 and (w[5:] != 0).all()


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["sgd_schedule", "momentum", "adam"])
def test_batches_leave_the_zeros_of_the_whole(name):
    """Each batch gradient is noise around the true one; the zeros are those of all rows."""
    x = RNG.normal(size=(640, 20)).astype("float32")
    y = (x @ TRUE + RNG.normal(size=640)).astype("float32")[:, None]
    whole = Lasso(ALPHA, fit_intercept=False, tol=1e-10).fit(x, y[:, 0]).coef_
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(OrthantwiseL1(INNER[name](), 2 * ALPHA), "mse")
    keras.utils.set_random_seed(0)
    model.fit(x, y, batch_size=32, epochs=50, verbose=0)
    weights = model.get_weights()[0][:, 0]
    assert ((weights == 0) == (whole == 0)).mean() >= 0.9 and (whole == 0).sum() > 10
    np.testing.assert_allclose(weights, whole, atol=0.4)


@pytest.mark.any_backend
def test_without_penalty_it_is_the_inner_optimizer():
    """Except that weights stop once at zero: none does here."""
    plain = keras.optimizers.Adam(0.01)
    weights = keras.Variable(np.full((20, 1), 3.0, "float32"))
    for _ in range(20):
        plain.apply([gradient(weights)], [weights])
    wrapped = descend(OrthantwiseL1(keras.optimizers.Adam(0.01), l1=0.0), steps=20, start=3.0)
    np.testing.assert_allclose(wrapped, weights.numpy()[:, 0], rtol=1e-5)


@pytest.mark.any_backend
def test_accumulated_batches_are_one_batch():
    """h of the mean gradient is not the mean of the h of the parts: the parts must come first."""
    inner = [keras.optimizers.SGD(0.1, momentum=0.5) for _ in range(2)]
    weights = [keras.Variable([0.0, 0.3], name="kernel") for _ in range(2)]
    whole = OrthantwiseL1(inner[0], l1=1.0)
    parts = OrthantwiseL1(inner[1], l1=1.0, gradient_accumulation_steps=2)
    for a, b in (([3.0, 1.0], [-2.0, 0.0]), ([4.0, 0.0], [-1.0, 1.0])):
        a, b = np.float32(a), np.float32(b)
        whole.apply([ops.convert_to_tensor((a + b) / 2)], [weights[0]])
        parts.apply([ops.convert_to_tensor(a)], [weights[1]])
        parts.apply([ops.convert_to_tensor(b)], [weights[1]])
    np.testing.assert_allclose(weights[0].numpy(), weights[1].numpy(), rtol=1e-6)
    assert weights[0].numpy()[0] != 0
    assert int(parts.iterations) == int(whole.iterations) == 2


def network(optimizer, **compiling):
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "tanh", name="first")
    model = keras.Sequential([keras.Input((20,)), hidden, keras.layers.Dense(1, name="last")])
    model.compile(optimizer, "mse", **compiling)
    return model


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("compiling", [{"jit_compile": True}, {"run_eagerly": True}])
def test_fit_kills_kernels_and_no_bias(compiling):
    model = network(OrthantwiseL1(keras.optimizers.SGD(0.05), l1=1.0), **compiling)
    model.fit(X32, Y32, batch_size=60, epochs=30, verbose=0)
    kernel, _, top, last = model.get_weights()
    assert (kernel == 0).mean() > 0.9 and (top == 0).mean() > 0.5
    assert last[0] != 0


@pytest.mark.slow
@pytest.mark.any_backend
def test_one_layer_can_be_chosen():
    optimizer = OrthantwiseL1(keras.optimizers.SGD(0.05), 1.0, var_names=["first/kernel"])
    model = network(optimizer)
    model.fit(X32, Y32, batch_size=60, epochs=30, verbose=0)
    assert (model.get_weights()[0] == 0).mean() > 0.9
    assert (model.get_weights()[2] != 0).all()


@pytest.mark.slow
@pytest.mark.any_backend
def test_loss_scaling_goes_around_it():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(OrthantwiseL1(keras.optimizers.SGD(0.05), l1=1.0))
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        model.fit(X32, Y32, batch_size=60, epochs=30, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert (model.get_weights()[0] == 0).mean() > 0.9
    assert int(model.optimizer.iterations) > 20


@pytest.mark.slow
@pytest.mark.any_backend
def test_round_trip_by_value(tmp_path):
    inner = keras.optimizers.Adam(decaying(0.01), beta_1=0.7, weight_decay=0.1)
    model = network(OrthantwiseL1(inner, 0.03, ["first/kernel"]))
    model.fit(X32, Y32, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, loaded):
        one.fit(X32, Y32, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(
        [*model.weights, *model.optimizer.variables],
        [*loaded.weights, *loaded.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.any_backend
def test_the_learning_rate_is_the_inner_one():
    optimizer = OrthantwiseL1(keras.optimizers.SGD(0.5))
    optimizer.build([keras.Variable([1.0], name="kernel")])
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.25
    kept = {id(v) for v in optimizer.variables}
    assert kept > {id(v) for v in optimizer.inner_optimizer.variables}


BROKEN = {
    "nan": [np.nan, np.nan, np.nan, 0.1, 0.1],
    "inf": [np.inf, -np.inf, np.inf, 0.1, 0.1],
    "mixed": [np.nan, np.inf, -np.inf, 0.0, -0.1],
}
INSIDE = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.1),
}


def steps_with(optimizer, gradients, start, compiled):
    """Return the weights after each of these gradients."""
    weights = keras.Variable(np.array(start, "float32"), name="kernel")
    optimizer.build([weights])
    values, state, seen = [weights.value], [v.value for v in optimizer.variables], []
    if ON_JAX:
        import jax

        step = optimizer.stateless_apply
        step = jax.jit(step) if compiled else step
        for gradient in gradients:
            values, state = step(state, [np.array(gradient, "float32")], values)
            seen.append(np.array(values[0]))
        return seen
    import tensorflow as tf

    step = lambda g: optimizer.apply([g], [weights])
    step = tf.function(step, jit_compile=True) if compiled else step
    for gradient in gradients:
        step(tf.constant(gradient, "float32"))
        seen.append(weights.numpy())
    return seen


@pytest.mark.any_backend
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("gradient", BROKEN.values(), ids=BROKEN)
def test_what_is_not_finite_is_never_a_zero(gradient, make, compiled):
    """It breaks the weights that it breaks in the inner optimizer alone, also those at zero."""
    start, clean = [1.0, -2.0, 0.0, -3.0, 0.0], [0.1] * 5
    ours, plain = (
        steps_with(one, [gradient, clean, clean], start, compiled)
        for one in (OrthantwiseL1(make(), 0.01), make())
    )
    assert not np.isfinite(plain[-1]).all()
    for got, wanted in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(wanted))
    assert (ours[-1][:3] != 0).all()


@pytest.mark.slow
@pytest.mark.any_backend
def test_one_nan_in_the_data_is_seen_in_the_loss():
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(OrthantwiseL1(keras.optimizers.Adam(0.05), 1e-4), "mse")
    model.fit(X32, Y32, epochs=2, verbose=0)
    broken = X32.copy()
    broken[0, 0] = np.nan
    model.train_on_batch(broken, Y32)
    assert np.isnan(model.fit(X32, Y32, epochs=2, verbose=0).history["loss"]).all()
    assert np.isnan(model.get_weights()[0]).any()


@pytest.mark.any_backend
@pytest.mark.skipif(ON_JAX, reason="eager, LossScaleOptimizer.apply fails on JAX")
def test_a_loss_scaler_around_it_skips_the_broken_batch():
    from coursekit.optimizers import SafeLossScaleOptimizer

    scaler = SafeLossScaleOptimizer(OrthantwiseL1(keras.optimizers.SGD(0.1), 0.01), 1.0)
    weights = steps_with(scaler, [[0.1, 0.1], [np.nan, 0.1], [0.1, 0.1]], [1.0, -1.0], False)
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.isfinite(weights[2]).all() and (weights[2] != weights[1]).all()


SGD = keras.optimizers.SGD
REFUSED = {
    "negative": (lambda: OrthantwiseL1(SGD(), -1.0), "l1=-1.0"),
    "nan": (lambda: OrthantwiseL1(SGD(), float("nan")), "l1=nan"),
    "bool": (lambda: OrthantwiseL1(SGD(), True), "l1=True"),
    "infinite": (lambda: OrthantwiseL1(SGD(), float("inf")), "l1=inf"),
    "names": (lambda: OrthantwiseL1(SGD(), var_names=[3]), r"var_names=\[3\]"),
    "no_names": (lambda: OrthantwiseL1(SGD(), var_names=None), "var_names=None"),
    "one_batch": (
        lambda: OrthantwiseL1(SGD(), gradient_accumulation_steps=1),
        "gradient_accumulation_steps=1",
    ),
    "text": (lambda: OrthantwiseL1(SGD(), var_names="kernel"), r"Write \['kernel'\]"),
    "scaled": (
        lambda: OrthantwiseL1(keras.optimizers.LossScaleOptimizer(SGD())),
        "Wrap `LossScaleOptimizer` around",
    ),
    "factor": (lambda: OrthantwiseL1(SGD(loss_scale_factor=8.0)), "scaled gradients"),
    "accumulates": (
        lambda: OrthantwiseL1(SGD(gradient_accumulation_steps=2)),
        "Give `gradient_accumulation_steps` to OrthantwiseL1",
    ),
    "averages": (lambda: OrthantwiseL1(SGD(use_ema=True)), "no exact zeros"),
    "ftrl": (lambda: OrthantwiseL1(keras.optimizers.Ftrl()), "Ftrl, which keeps weights"),
    "twice": (lambda: OrthantwiseL1(OrthantwiseL1(SGD())), "of its own"),
    "no_kernel": (
        lambda: OrthantwiseL1(SGD()).build([keras.Variable([1.0], name="bias")]),
        "No variable is penalized",
    ),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("make, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_no_optimizer_at_all():
    with pytest.raises(TypeError, match="must be a Keras optimizer"):
        OrthantwiseL1("adam")


@pytest.mark.skipif(ON_JAX, reason="strategies are TensorFlow's")
def test_replicas_are_refused(monkeypatch):
    import tensorflow as tf

    class Two:
        num_replicas_in_sync = 2

    weight = keras.Variable([1.0], name="kernel")
    optimizer = OrthantwiseL1(SGD())
    optimizer.build([weight])
    monkeypatch.setattr(tf.distribute, "get_strategy", Two)
    with pytest.raises(ValueError, match="Received: 2 replicas"):
        optimizer.apply([tf.constant([1.0])], [weight])
