"""What a phase moves and what it leaves, with a new optimizer in each."""

import keras
import numpy as np
import pytest
from many_cases import EAGER

from coursekit.training import fit_many, gradual_unfreezing, thaw

pytestmark = pytest.mark.any_backend

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, size=(32, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
RATES = [1e-2, 1e-3, 1e-4]
GROUPS = ["head", "top", ["norm", "low"]]


def plain(optimizer=None, **compiling):
    keras.utils.set_random_seed(0)
    low, top = L.Dense(5, name="low"), L.Dense(5, "relu", name="top")
    stack = [low, L.BatchNormalization(name="norm"), top, L.Dropout(0.1, seed=0, name="drop")]
    model = keras.Sequential([keras.Input((4,)), *stack, L.Dense(1, name="head")])
    model.compile(optimizer or keras.optimizers.Adam(0.5), "mse", metrics=["mae"], **compiling)
    return model


def nested():
    """A body as a model of its own, as one takes it from elsewhere."""
    keras.utils.set_random_seed(0)
    inner = [L.Dense(5, name="low"), L.BatchNormalization(name="norm"), L.Dense(5, name="top")]
    body = keras.Sequential([keras.Input((4,)), *inner], name="body")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1, name="head")(body(x)))
    model.compile(keras.optimizers.Adam(0.5), "mse", metrics=["mae"])
    return model


class Block(L.Layer):
    """A layer of layers, with a batch norm inside."""

    def __init__(self, name):
        super().__init__(name=name)
        self.inner, self.norm = L.Dense(5, "relu"), L.BatchNormalization()

    def call(self, x, training=None):
        return self.norm(self.inner(x), training=training)


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.low, self.top, self.head = Block("low"), Block("top"), L.Dense(1, name="head")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x, training=None):
        x = self.top(self.low(x, training=training), training=training)
        return self.head(x) * self.scale


def subclassed():
    keras.utils.set_random_seed(0)
    model = Own()
    model(X)
    model.compile(keras.optimizers.Adam(0.5), "mse", metrics=["mae"])
    return model


MODELS = {
    "plain": (plain, GROUPS),
    "nested": (nested, ["head", "body/top", ["body/norm", "body/low"]]),
    "inner model whole": (nested, ["head", "body"]),
    "subclassed": (subclassed, ["head", "top", "low"]),
}


def state(model):
    return {v.path: np.array(keras.ops.convert_to_numpy(v)) for v in model.variables}


def moved(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


def is_norm(path):
    return "norm" in path


@pytest.mark.slow
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("kind", MODELS)
def test_each_phase_moves_its_layers_and_those_before(kind, fitted):
    """Also after a first `fit`, when a frozen layer would stay in the step; no norm ever moves."""
    make, groups = MODELS[kind]
    model = make()
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=EAGER and not fitted)
    if fitted:
        model.fit(X, Y, verbose=0)
    names: set[str] = set()
    for k, group in enumerate(groups):
        names |= {name.split("/")[-1] for name in ([group] if isinstance(group, str) else group)}
        before = state(model)
        flat = [n for g in groups[: k + 1] for n in ([g] if isinstance(g, str) else g)]
        thaw(model, flat, rate=1e-2)
        model.fit(X, Y, epochs=2, verbose=0)
        want = {
            path for path in before
            if names & set(path.split("/")) and not is_norm(path) and "seed" not in path
        }  # fmt: skip
        assert {p for p in moved(before, state(model)) if "seed" not in p} == want
        assert want


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_it_is_what_one_would_write(kind):
    """Freeze, compile with a new optimizer, fit: by hand, phase after phase."""
    make, groups = MODELS[kind]
    ours, theirs = make(), make()
    compiling = {"loss": "mse", "metrics": ["mae"], "run_eagerly": EAGER and kind != "plain"}
    ours.compile(keras.optimizers.Adam(0.5), **compiling)
    rates = RATES[: len(groups)]
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
    epochs = [2, 1, 3][: len(groups)]
    histories = gradual_unfreezing(ours, groups, X, Y, rates=rates, epochs=epochs, **settings)
    names: list[str] = []
    for group, rate, n, history in zip(groups, rates, epochs, histories, strict=True):
        names += [group] if isinstance(group, str) else group
        thaw(theirs, names, rate=1.0)
        frozen = [layer.trainable for layer in theirs._flatten_layers(include_self=False)]
        assert not all(frozen)
        theirs.compile(keras.optimizers.Adam(rate), **compiling)
        other = theirs.fit(X, Y, epochs=n, **settings)
        for key, values in other.history.items():
            np.testing.assert_allclose(history.history[key], values, rtol=1e-5)
    assert float(ours.optimizer.learning_rate) == pytest.approx(rates[-1])
    assert int(ours.optimizer.iterations) == 4 * epochs[-1]
    for a, b in zip(state(ours).values(), state(theirs).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_frozen_norm_computes_with_its_moving_statistics():
    model = plain()
    thaw(model, ["head", "norm", "low", "top"], rate=0.1)
    quiet = keras.Model(model.inputs, model.get_layer("norm").output)
    np.testing.assert_allclose(quiet(X, training=True), quiet(X, training=False))


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.AdamW(0.5, beta_1=0.7, weight_decay=0.03, clipnorm=2.0),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.5, 10), momentum=0.4, nesterov=True
    ),
    "average": lambda: keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.3),
    "loss scaling": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.5, epsilon=1e-3), initial_scale=64.0
    ),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_optimizer_keeps_its_kind_and_settings(kind):
    model = plain(OPTIMIZERS[kind](), run_eagerly=EAGER)
    model.fit(X, Y, verbose=0)
    old = model.optimizer
    thaw(model, "head", rate=0.25)
    new = model.optimizer
    assert new is not old and type(new) is type(old) and int(new.iterations) == 0
    a, b = (getattr(one, "inner_optimizer", one).get_config() for one in (old, new))
    changed = {key for key in a if a[key] != b[key]}
    assert changed <= {"learning_rate", "name"} and b["learning_rate"] == 0.25
    if new is not getattr(new, "inner_optimizer", new):
        assert new.get_config()["initial_scale"] == 64.0
    model.fit(X, Y, verbose=0)


@pytest.mark.slow
def test_a_schedule_starts_anew_in_each_phase():
    model = plain(run_eagerly=EAGER)
    schedules = [keras.optimizers.schedules.ExponentialDecay(r, 1, 0.5) for r in RATES]
    gradual_unfreezing(model, GROUPS, X, Y, rates=schedules, epochs=1, batch_size=8, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(RATES[-1] / 2**4)


def test_what_does_not_decay_still_does_not():
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    model = plain(optimizer)
    home = model.get_layer("head").get_weights()
    thaw(model, "head", rate=0.1)
    model.get_layer("head").set_weights([home[0], home[1] + 1])
    model.fit(X, model.predict(X, verbose=0), batch_size=32, shuffle=False, verbose=0)
    _, bias = model.get_layer("head").get_weights()
    assert abs(bias - 0.95) < 0.2  # 1 - 0.1 * 0.5, and what dropout adds
    exempt = [model.optimizer._use_weight_decay(v) for v in model.get_layer("head").variables]
    assert exempt == [False, True]


def test_loss_metrics_and_settings_stay():
    model = plain(loss_weights=[2.0], run_eagerly=False, jit_compile=False, steps_per_execution=2)
    before = dict(model._compile_config.config)
    thaw(model, "head", rate=0.1)
    after = dict(model._compile_config.config)
    assert {k: v for k, v in before.items() if k != "optimizer"} == {
        k: v for k, v in after.items() if k != "optimizer"
    }


def test_no_loss_scaling_joins_on_its_own():
    """A second compile under float16 would wrap an optimizer that was compiled without."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, name="head")], name="half")
    model.dtype_policy = "mixed_float16"
    model.compile(keras.optimizers.SGD(0.1), "mse", auto_scale_loss=False)
    thaw(model, "head", rate=0.1)
    assert type(model.optimizer) is keras.optimizers.SGD


def test_the_kernel_under_lora_stays_frozen():
    model = plain(run_eagerly=EAGER)
    model.get_layer("low").enable_lora(2)
    before = state(model)
    gradual_unfreezing(model, ["head", "low"], X, Y, rates=[0.1, 0.1], epochs=2, verbose=0)
    names = {path.split("/", 1)[1] for path in moved(before, state(model)) if "seed" not in path}
    assert names == {
        "head/kernel", "head/bias", "low/bias", "low/lora_kernel_a", "low/lora_kernel_b"
    }  # fmt: skip


@pytest.mark.slow
def test_fit_many_takes_thawed_models():
    models, single = [plain(), plain()], plain()
    for model in (*models, single):
        model.fit(X, Y, shuffle=False, verbose=0)
        thaw(model, ["head", "low"], rate=1e-2)
    before = state(models[0])
    fit_many(models, X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    single.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    assert {p.split("/")[1] for p in moved(before, state(models[0])) if "seed" not in p} == {
        "head", "low"
    }  # fmt: skip
    for a, b in zip(models[1].get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def twice():
    """Two layers of one name, in one model."""

    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = L.Dense(4, name="same"), L.Dense(1, name="same")

        def call(self, x):
            return self.b(self.a(x))

    model = Twins()
    model(X)
    model.compile("sgd", "mse")
    return model


def go(model=None, groups=GROUPS, rates=RATES, epochs=1, **settings):
    return gradual_unfreezing(
        model or plain(), groups, X, Y, rates=rates, epochs=epochs, verbose=0, **settings
    )


REFUSED = {
    "must be a Keras model": lambda: thaw("model", ["head"], rate=0.1),
    "must be built": lambda: thaw(keras.Sequential([L.Dense(1)]), ["dense"], rate=0.1),
    "must be compiled": lambda: thaw(
        keras.Sequential([keras.Input((4,)), L.Dense(1, name="head")]), ["head"], rate=0.1
    ),
    "'haed'. Did you mean 'head'": lambda: thaw(plain(), ["haed"], rate=0.1),
    "'low'. Did you mean 'body/low'": lambda: thaw(nested(), ["low"], rate=0.1),
    "`layers` must hold names": lambda: thaw(plain(), [], rate=0.1),
    "`layers` must hold names of": lambda: thaw(plain(), [3], rate=0.1),
    "`layers` names 2 layers": lambda: thaw(twice(), ["same"], rate=0.1),
    "`layers` names nothing to train": lambda: thaw(plain(), ["drop", "norm"], rate=0.1),
    "`rate` must be": lambda: thaw(plain(), ["head"], rate=0),
    "one learning rate": lambda: thaw(
        plain(keras.optimizers.MultiOptimizer([(keras.optimizers.SGD(0.1), ["low"])]))
        if hasattr(keras.optimizers, "MultiOptimizer")
        else pytest.skip("no MultiOptimizer"),
        ["head"],
        rate=0.1,
    ),
    "`groups` must hold names": lambda: go(groups=[]),
    "`groups` must hold names of": lambda: go(groups="head"),
    "Did you mean 'top'": lambda: go(groups=["head", "tip", "low"]),
    "`groups` names nothing to train": lambda: go(groups=["head", "norm", "low"]),
    "in two of the `groups`": lambda: go(groups=["head", "top", ["low", "head"]]),
    "in two of the `groups`.*body/low": lambda: go(nested(), groups=["head", "body", "body/low"]),
    "`rates` must hold one for each of the 3": lambda: go(rates=[0.1, 0.1]),
    "`rates` must hold one for": lambda: go(rates=0.1),
    "`rates` must be a number above 0.*-1": lambda: go(rates=[0.1, 0.1, -1]),
    "`epochs` must hold one": lambda: go(epochs=[1, 2]),
    "`epochs` must be an integer of at least 1.*epochs=0": lambda: go(epochs=[2, 0, 1]),
    "`epochs` must be an integer of at least": lambda: go(epochs=True),
    "`initial_epoch` cannot": lambda: go(initial_epoch=2),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_before_any_work(message, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("it trained"))
    with pytest.raises((ValueError, TypeError), match=message):
        REFUSED[message]()


def test_a_refusal_leaves_the_model_as_it_was():
    model = plain()
    model.get_layer("low").trainable = False
    flags = [layer.trainable for layer in model.layers]
    optimizer = model.optimizer
    for wrong in (lambda: thaw(model, ["head"], rate=-1), lambda: go(model, rates=[1, 1, None])):
        with pytest.raises(ValueError):
            wrong()
    assert [layer.trainable for layer in model.layers] == flags
    assert model.optimizer is optimizer


# What Keras does, which is why this exists. Each fails once Keras has mended it.


def test_keras_forgets_alpha_given_to_the_constructor():
    """`enable_lora(rank, lora_alpha=...)` keeps it: that is the way the lesson takes."""
    built = L.Dense(3, lora_rank=2, lora_alpha=8)
    built.build((None, 4))
    assert built.lora_alpha == 2
    later = L.Dense(3)
    later.build((None, 4))
    later.enable_lora(2, lora_alpha=8)
    assert later.lora_alpha == 8


def test_keras_thaws_the_kernel_under_lora_with_its_layer():
    layer = L.Dense(3)
    layer.build((None, 4))
    layer.enable_lora(2)
    assert len(layer.trainable_variables) == 3
    layer.trainable = False
    layer.trainable = True
    assert len(layer.trainable_variables) == 4
