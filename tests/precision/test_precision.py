"""Policies that are set, switched and loaded; and what 16 bits would lose, measured."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from coursekit.distribution.step import ReplicaModel, ReplicaSequential
from coursekit.optimizers import SafeLossScaleOptimizer
from coursekit.precision import (
    gradient_histogram,
    lint_precision,
    load_model,
    precision,
    precision_report,
)

pytestmark = pytest.mark.any_backend
KerasScaler = keras.optimizers.LossScaleOptimizer
HALF, BRAIN = "mixed_float16", "mixed_bfloat16"
X = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 16)


@pytest.fixture(autouse=True)
def float32():
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def now():
    return keras.config.dtype_policy().name


def net(last="float32", kind=keras.Model, activation=None):
    keras.utils.set_random_seed(0)
    x = keras.Input((5,))
    h = layers.BatchNormalization()(layers.Dense(8, activation="tanh")(x))
    h = layers.Dropout(0.5, seed=1)(h)
    return kind(x, layers.Dense(3, activation, dtype=last, kernel_regularizer="l2")(h))


def compiled(model, optimizer=None, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizer or keras.optimizers.AdamW(0.01)
    model.compile(optimizer, loss, jit_compile=False, **options)
    return model


def half(**options):
    with precision(HALF):
        return compiled(net(), **options)


def rules(model):
    return {(finding.rule, finding.effect) for finding in lint_precision(model)}


# The policy ---------------------------------------------------------------------------------------


def test_a_block_and_a_setting():
    with precision(BRAIN) as outer:
        with precision(HALF):
            assert now() == HALF
        assert now() == BRAIN
    assert now() == "float32"
    precision(HALF)
    assert now() == HALF
    with outer:  # a block again puts back what was there when it was made
        assert now() == BRAIN
    assert now() == "float32"


def test_a_block_that_fails_puts_the_policy_back():
    with pytest.raises(KeyError), precision(HALF):
        raise KeyError
    assert now() == "float32"


def test_a_policy_object_is_taken_and_shown():
    assert repr(precision(keras.DTypePolicy(BRAIN))) == "precision('mixed_bfloat16')"
    assert now() == BRAIN


@pytest.mark.parametrize(
    "policy, words",
    [("float16", "'mixed_float16'"), ("bfloat16", "'mixed_bfloat16'"), ("fp16", "Received"),
     (None, "Received: policy=None"), ("int8", "must be 'float32'")],
)  # fmt: skip
def test_weights_in_16_bits_are_refused(policy, words):
    with pytest.raises(ValueError, match=words):
        precision(policy)
    assert now() == "float32"


# What is wrong ------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_these():
    models = [compiled(net()), half(), net(), half(optimizer=SafeLossScaleOptimizer(
        keras.optimizers.Adam()))]  # fmt: skip
    with precision(BRAIN):
        models.append(compiled(net()))
    for model in models:
        assert lint_precision(model) == []
    static = keras.optimizers.SGD(loss_scale_factor=128.0)
    assert lint_precision(half(optimizer=static, auto_scale_loss=False)) == []


@pytest.mark.parametrize("kind", [keras.Model, ReplicaModel])
def test_float16_without_loss_scaling_is_refused(kind):
    x = keras.Input((5,))
    model = compiled(kind(x, layers.Dense(3)(layers.Dense(8, dtype=HALF, name="first")(x))))
    assert rules(model) == {("loss scaling", "wrong")}
    assert "'first'" in str(lint_precision(model)[0])
    if kind is ReplicaModel:
        with pytest.raises(ValueError, match=r"nothing scales the loss(.|\n)*SafeLossScale"):
            model.fit(X, Y, verbose=0)
        compiled(model, SafeLossScaleOptimizer(keras.optimizers.Adam())).fit(X, Y, verbose=0)


def test_weights_in_float16_are_refused():
    with precision("float32"):
        model = ReplicaSequential([keras.Input((5,)), layers.Dense(3, dtype="float16", name="d")])
    compiled(model, keras.optimizers.SGD(loss_scale_factor=8.0))
    assert ("weights", "wrong") in rules(model)
    with pytest.raises(ValueError, match="d/kernel' is kept in float16"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("policy", [HALF, BRAIN])
@pytest.mark.parametrize(
    "last, effect",
    [
        (lambda x: layers.Dense(3)(x), "differs"),
        (lambda x: layers.Dense(3, activation="softmax")(x), "wrong"),
        (lambda x: layers.Activation("sigmoid")(layers.Dense(3)(x)), "wrong"),
        (lambda x: layers.Softmax()(layers.Dense(3)(x)), "wrong"),
        (lambda x: keras.Sequential([keras.Input((8,)), layers.Dense(3, "softmax")])(x), "wrong"),
        (lambda x: keras.ops.square(layers.Dense(3)(x)), "differs"),
        (lambda x: layers.Activation("softmax", dtype="float32")(layers.Dense(3)(x)), None),
        (lambda x: layers.Dense(3, dtype="float32")(x), None),
    ],
)
def test_the_last_layer_belongs_in_float32(policy, last, effect):
    with precision(policy):
        x = keras.Input((5,))
        model = keras.Model(x, last(layers.Dense(8)(x)))
    assert rules(model) == ({("last layer", effect)} if effect else set())


def test_a_last_layer_that_is_mended_in_place():
    with precision(HALF):
        model = net(last=None)
    assert rules(model) == {("last layer", "differs")}
    model.layers[-1].dtype_policy = "float32"
    assert rules(model) == set()


def test_loss_scaling_without_float16_is_named():
    with precision(BRAIN):
        model = compiled(net(), KerasScaler(keras.optimizers.Adam()))
    assert rules(model) == {("loss scaling", "differs")}


# Switched in mid-notebook -------------------------------------------------------------------------


def test_a_model_that_is_older_than_the_policy():
    model = compiled(net())
    precision(HALF)
    compiled(model)
    assert rules(model) == {("policies", "differs")}
    assert "compiling it again does not change that" in str(lint_precision(model)[0])
    precision("float32")
    assert rules(model) == set()


def test_a_policy_that_is_switched_while_a_model_is_built():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8)])
    precision(HALF)
    model.add(layers.Dense(8))
    model.add(layers.Dense(3, dtype="float32"))
    precision("float32")
    assert rules(compiled(model)) == {("policies", "differs"), ("loss scaling", "wrong")}


# Saved under one policy, loaded under another -----------------------------------------------------


@keras.saving.register_keras_serializable(package="test_precision")
class Own(keras.Model):
    """Its layers take the global policy of the moment."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hidden, self.head = layers.Dense(8, "tanh"), layers.Dense(3, dtype="float32")

    def call(self, x):
        return self.head(self.hidden(x))


def functional():
    keras.utils.set_random_seed(0)
    x = keras.Input((5,))
    return keras.Model(x, layers.Dense(3, dtype="float32")(layers.Dense(8, "tanh")(x)))


def sequential():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((5,)), layers.Dense(8, "tanh"), layers.Dense(3, dtype="float32")]
    )


def nested():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((5,)), sequential(), layers.Dense(3, dtype="float32")])


@pytest.mark.slow
@pytest.mark.parametrize("build", [functional, sequential, nested, Own], ids=lambda b: b.__name__)
@pytest.mark.parametrize("saved, found", [(HALF, "float32"), ("float32", HALF), (BRAIN, HALF)])
def test_a_model_goes_on_under_the_policy_it_was_saved_with(tmp_path, build, saved, found):
    with precision(saved):
        model = compiled(build(), keras.optimizers.Adam(0.05))
    model.fit(X, Y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    model.fit(X, Y, verbose=0, shuffle=False)
    precision(found)
    loaded = load_model(tmp_path / "model.keras")
    assert now() == found and type(loaded.optimizer) is type(model.optimizer)
    dtypes = [layer.compute_dtype for layer in loaded._flatten_layers(include_self=False)]
    assert dtypes == [layer.compute_dtype for layer in model._flatten_layers(include_self=False)]
    loaded.fit(X, Y, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_keras_still_loses_loss_scaling_and_says_nothing_of_it(tmp_path):
    """Once this fails, Keras keeps a model's policy: `load_model` can go."""
    half().save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.AdamW
    assert rules(loaded) == {("loss scaling", "wrong")}


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_a_loss_scaler_on_a_float32_model_is_named(tmp_path):
    compiled(net()).save(tmp_path / "model.keras")
    with precision(HALF):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert rules(loaded) == {("loss scaling", "differs"), ("policies", "differs")}


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "model.keras").write_text("nothing")
    with pytest.raises(ValueError, match=r"must be a \.keras file"):
        load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="There is no file of that name"):
        load_model(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match="Received: path=None"):
        load_model(None)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("notes", "nothing")
    with pytest.raises(ValueError, match=r"must be a \.keras file"):
        load_model(tmp_path / "other.zip")


def test_a_file_whose_model_nothing_scales(tmp_path):
    model = half(auto_scale_loss=False, optimizer=keras.optimizers.SGD())
    model.save(tmp_path / "model.keras")
    assert type(load_model(tmp_path / "model.keras").optimizer) is KerasScaler
    load_model(tmp_path / "model.keras", compile=False)


# What it would lose -------------------------------------------------------------------------------


def linear(weight, optimizer="sgd", inputs=1):
    """Without a bias: each gradient is 2 * error * x, of the mean squared error."""
    dense, last = layers.Dense(1, use_bias=False), layers.Activation("linear", dtype="float32")
    model = keras.Sequential([keras.Input((inputs,)), dense, last])
    model.compile(optimizer, "mse", jit_compile=False)
    model.set_weights([np.full((inputs, 1), weight)])
    return model


class AddsLoss(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def test_the_histogram_is_the_gradients():
    x = np.array([[1.0, 0.0, -3.0]])
    histogram = gradient_histogram(linear(1.0, inputs=3), (x, np.array([[-3.0]])))
    np.testing.assert_allclose(histogram.magnitudes, [2.0, 6.0])
    assert (histogram.zeros, histogram.not_finite) == (1, 0)
    x[0, 0] = np.inf
    assert gradient_histogram(linear(1.0, inputs=3), (x, np.ones((1, 1)))).not_finite == 3


def test_sample_weights_and_penalties_count():
    x, y = np.ones((2, 1)), np.zeros((2, 1))
    weighted = gradient_histogram(linear(1.0), (x, y, np.array([1.0, 3.0])))
    np.testing.assert_allclose(weighted.magnitudes, [4.0])
    dense = layers.Dense(1, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.5))
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile("sgd", "mse")
    model.set_weights([np.ones((1, 1))])
    np.testing.assert_allclose(gradient_histogram(model, (x, y)).magnitudes, [3.0])
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False), AddsLoss()])
    model.compile("sgd", "mse", jit_compile=False)
    model.set_weights([np.ones((1, 1))])
    np.testing.assert_allclose(gradient_histogram(model, (x, y)).magnitudes, [3.0])


@pytest.mark.parametrize(
    "value, fate",
    [(2.0**-25, "zero"), (1.1 * 2.0**-25, "subnormal"), (2.0**-24, "subnormal"),
     (1e-5, "subnormal"), (2.0**-14, "normal"), (1.0, "normal"), (65_519.0, "normal"),
     (65_520.0, "infinite")],
)  # fmt: skip
def test_the_fate_of_a_gradient_in_float16(value, fate):
    histogram = gradient_histogram(linear(0.0), (np.ones((1, 1)), np.full((1, 1), value / 2)))
    assert histogram.fate()[fate] == 1
    assert sum(histogram.fate().values()) == 1
    assert histogram.fate("bfloat16")["normal"] == 1
    scaled = histogram.fate(scale=2.0**15)
    assert scaled["infinite" if value > 2 else "normal"] == 1


def test_no_gradient_at_all():
    histogram = gradient_histogram(linear(0.0), (np.ones((1, 1)), np.zeros((1, 1))))
    assert histogram.zeros == 1 and len(histogram.magnitudes) == 0
    assert histogram.fate() == {"zero": 0, "subnormal": 0, "infinite": 0, "normal": 1}


def test_underflow_overflow_and_their_cure():
    tiny = np.full((1, 1), 1e-4)
    report = precision_report(linear(1.0), (tiny, tiny / 2))  # 1e-8
    assert report.gradients == 1
    assert (report.underflow, report.underflow_scaled) == (1, 0)
    assert (report.overflow, report.overflow_scaled) == (0, 0)
    report = precision_report(linear(1.0), (np.ones((1, 1)), np.full((1, 1), -1.0)))  # 4
    assert (report.overflow, report.overflow_scaled) == (0, 1)
    report = precision_report(linear(1.0), (np.full((1, 1), 300.0),) * 2, scale=8.0)
    assert report.gradients == 0 and report.overflow == 0


@pytest.mark.slow
def test_a_policy_is_measured_as_if_the_model_were_built_under_it():
    """Bit by bit: batch normalization, dropout, penalties and a last layer in float32 included."""
    model, twin = compiled(net()), half()
    twin.set_weights(model.get_weights())
    for policy, one in ((HALF, model), (HALF, twin), (BRAIN, model)):
        before = [layer.dtype_policy.name for layer in one._flatten_layers()]
        weights = [*one.get_weights(), *(keras.ops.convert_to_numpy(v) for v in
                                         one.optimizer.variables)]  # fmt: skip
        report = precision_report(one, (X, Y), policy)
        assert [layer.dtype_policy.name for layer in one._flatten_layers()] == before
        after = [*one.get_weights(), *(keras.ops.convert_to_numpy(v) for v in
                                       one.optimizer.variables)]  # fmt: skip
        for a, b in zip(weights, after, strict=True):
            np.testing.assert_array_equal(a, b)
        assert report.policy == policy
    assert str(precision_report(model, (X, Y))) == str(precision_report(twin, (X, Y)))


def test_bytes_for_each_parameter_are_the_same_and_for_each_activation_half():
    report = precision_report(compiled(net()), (X, Y))
    full, mixed = report.memory["float32"], report.memory[HALF]
    assert full.parameter == mixed.parameter == 16  # weight, gradient, and AdamW's two moments
    assert (full.activations, full.optimizer) == (4, 8)
    outputs = 3 * 8 * 2 + 3 * 4  # three layers of 8 in float16, 3 logits in float32
    assert mixed.activations == pytest.approx(outputs / (3 * 8 + 3))
    sgd = precision_report(compiled(net(), keras.optimizers.SGD()), (X, Y)).memory[HALF]
    assert (sgd.weights, sgd.gradients, sgd.optimizer) == (4, 4, 0)
    own = compiled(Own())
    assert precision_report(own, (X, Y)).memory[HALF].activations is None
    assert "16 bytes a parameter" in str(report)


def test_swallowed_updates():
    """4e-4 added to a weight of 1 is lost in 16 bits, added to one of 0.25 only in bfloat16."""
    x = np.eye(2, dtype="float32")
    model = linear(1.0, keras.optimizers.SGD(4e-4), inputs=2)
    model.set_weights([np.array([[1.0], [0.25]])])
    batch = x, np.array([[2.0], [1.25]])  # errors of -1, gradients of -1: weights grow
    assert precision_report(model, batch).swallowed == 0.5
    assert precision_report(model, batch, BRAIN).swallowed == 1
    scaled = linear(1.0, SafeLossScaleOptimizer(keras.optimizers.SGD(4e-3)), inputs=2)
    assert precision_report(scaled, batch).swallowed == 0


@pytest.mark.slow
def test_the_optimizer_goes_on_from_its_state():
    """After a large gradient Adam's next step is small."""
    x = np.ones((1, 1), "float32")
    model = linear(1.0, keras.optimizers.Adam(0.01))
    batch = x, np.full((1, 1), 0.999)
    assert precision_report(model, batch).swallowed == 0
    model.fit(x, -1e4 * x, verbose=0)
    model.set_weights([x])
    for _ in range(30):
        model.fit(x, x, verbose=0)  # no gradient: the first moment fades
        model.set_weights([x])
    assert precision_report(model, batch).swallowed == 1


@pytest.mark.parametrize(
    "change, words",
    [({"policy": "float16"}, "policy='float16'"),
     ({"policy": "float32"}, "must be 'mixed_float16'"),
     ({"scale": 0}, "scale=0"), ({"scale": float("inf")}, "scale=inf"),
     ({"scale": float("nan")}, "scale=nan"), ({"scale": True}, "scale=True"),
     ({"data": X}, "Received: ndarray"), ({"data": (X,)}, "one batch"),
     ({"data": (X, Y[:5])}, "the same rows"),
     ({"model": keras.Sequential([keras.Input((5,)), layers.Dense(3)])}, "must be compiled")],
)  # fmt: skip
def test_what_a_report_needs(change, words):
    with pytest.raises(ValueError, match=words):
        precision_report(**({"model": compiled(net()), "data": (X, Y)} | change))


def test_a_report_that_fails_puts_the_policies_back():
    model = compiled(net())
    with pytest.raises(Exception):  # noqa: B017 the backend's own
        precision_report(model, (X[:, :2], Y))
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
