"""The scale goes where Keras's goes, within bounds; what is not finite changes no weight."""

import keras
import numpy as np
import pytest

from coursekit._optimizers import bound_scale
from coursekit.optimizers import SafeLossScaleOptimizer

any_backend = pytest.mark.any_backend
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras steps outside of fit on TensorFlow only"
)
INF, NAN = float("inf"), float("nan")
KerasScaler = keras.optimizers.LossScaleOptimizer


def steady(y_true, y_pred):
    """The gradient of a weight is the mean of its input."""
    return keras.ops.mean(y_pred, axis=-1)


def line(optimizer, inputs=1):
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((inputs,)), dense])
    model.compile(optimizer, steady, jit_compile=False)
    return model


def sgd(**options):
    return keras.optimizers.SGD(0.125, momentum=0.5, **options)


def walk(model, gradients):
    """Make a step with each gradient; return weight, scale and number of updates after each."""
    seen = []
    for gradient in gradients:
        row = np.full((1, 1), gradient, "float32")
        model.fit(row, row, batch_size=1, verbose=0)
        optimizer = model.optimizer
        values = (optimizer.dynamic_scale, optimizer.iterations)
        seen.append([model.get_weights()[0][0, 0], *map(keras.ops.convert_to_numpy, values)])
    return np.array(seen, "float64")


@pytest.mark.slow
@any_backend
def test_weights_scale_and_iterations_are_those_of_keras():
    gradients = [1.0, INF, 2.0, 1.0, NAN, -1.0, 3.0, 1.0, 1.0, 0.5, -INF, 1.0]
    options = {"initial_scale": 64.0, "dynamic_growth_steps": 3}
    ours = walk(line(SafeLossScaleOptimizer(sgd(), **options)), gradients)
    theirs = walk(line(KerasScaler(sgd(), **options)), gradients)
    np.testing.assert_array_equal(ours, theirs)
    scales = [64, 32, 32, 32, 16, 16, 16, 32, 32, 32, 16, 16]
    np.testing.assert_array_equal(ours[:, 1], scales)
    np.testing.assert_array_equal(ours[:, 2], np.cumsum(np.isfinite(gradients)))


@pytest.mark.slow
@any_backend
def test_the_scale_stays_above_its_floor_and_training_goes_on():
    model = line(SafeLossScaleOptimizer(sgd(), initial_scale=4.0))
    seen = walk(model, [NAN] * 6 + [2.0])
    np.testing.assert_array_equal(seen[:, 1], [2, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(seen[:, 0], [1] * 6 + [0.75])


@any_backend
def test_the_scale_stays_below_its_ceiling():
    options = {"initial_scale": 2.0, "dynamic_growth_steps": 1, "max_scale": 6.0}
    seen = walk(line(SafeLossScaleOptimizer(sgd(), **options)), [1.0] * 4)
    np.testing.assert_array_equal(seen[:, 1], [4, 6, 6, 6])
    assert np.isfinite(seen).all()


def apply(optimizer, steps, weights):
    for gradients in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], weights)
    return [float(keras.ops.convert_to_numpy(w)) for w in weights]


@on_tensorflow
def test_keras_scale_still_falls_to_zero():
    """Once this fails, Keras has a floor: `min_scale` can go."""
    scaler, safe = KerasScaler(sgd()), SafeLossScaleOptimizer(sgd())
    (theirs,), (ours,) = (
        apply(optimizer, [[NAN]] * 200 + [[1.0]], [keras.Variable(1.0)])
        for optimizer in (scaler, safe)
    )
    assert float(scaler.dynamic_scale) == 0 and not np.isfinite(theirs)
    assert float(safe.dynamic_scale) == 1 and ours == 1 - 0.125


@on_tensorflow
@pytest.mark.parametrize("broken", [[INF, 1.0, 1.0], [1.0, 1.0, NAN], [1.0, -INF, 1.0]])
def test_one_gradient_that_is_not_finite_skips_all_variables(broken):
    weights = [keras.Variable(1.0) for _ in broken]
    optimizer = SafeLossScaleOptimizer(keras.optimizers.AdamW(weight_decay=0.5))
    assert apply(optimizer, [broken], weights) == [1, 1, 1]
    assert int(optimizer.iterations) == 0 and float(optimizer.dynamic_scale) == 2**14


@on_tensorflow
def test_clipping_sees_the_unscaled_gradients():
    weights = [keras.Variable(0.0), keras.Variable(0.0)]
    inner = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
    optimizer = SafeLossScaleOptimizer(inner, initial_scale=8.0)
    np.testing.assert_allclose(apply(optimizer, [[24.0, 32.0]], weights), [-0.6, -0.8], rtol=1e-6)
    before = apply(optimizer, [[0.0, 0.0]], weights)
    moved = np.subtract(apply(optimizer, [[0.24, 0.32]], weights), before)  # norm 0.05: not clipped
    np.testing.assert_allclose(moved, [-0.03, -0.04], rtol=1e-5)


@pytest.mark.slow
@any_backend
def test_a_loaded_model_goes_on_where_it_stopped(tmp_path):
    rows = [1.0, INF, 2.0, 1.0, 0.5, NAN, 1.0, 3.0, 1.0]
    options = {"initial_scale": 16.0, "dynamic_growth_steps": 3, "min_scale": 8.0}
    straight = walk(line(SafeLossScaleOptimizer(sgd(), **options)), rows)
    for stop in (2, 4, 6):  # after a bad step, while it counts, at the floor
        model = line(SafeLossScaleOptimizer(sgd(), **options))
        walk(model, rows[:stop])
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(
            tmp_path / "model.keras", custom_objects={"steady": steady}
        )
        assert type(loaded.optimizer) is SafeLossScaleOptimizer
        np.testing.assert_array_equal(walk(loaded, rows[stop:]), straight[stop:])


@any_backend
def test_its_arguments_are_saved():
    options = {"initial_scale": 8.0, "dynamic_growth_steps": 5, "min_scale": 0.5, "max_scale": 32.0}
    optimizer = SafeLossScaleOptimizer(keras.optimizers.Adam(0.1), **options)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert {name: getattr(twin, name) for name in options} == options
    assert type(twin.inner_optimizer) is keras.optimizers.Adam


@any_backend
def test_compile_does_not_wrap_it_again():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = line(optimizer := SafeLossScaleOptimizer(sgd()))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.optimizer is optimizer


BOUNDS = [
    (2.0**15, (1, 2.0**24)),
    (0.5, (0.5, 2.0**24)),
    (2.0**30, (1, 2.0**30)),
]


@on_tensorflow
@pytest.mark.parametrize("first, bounds", BOUNDS)
def test_the_scale_of_keras_own_can_be_bounded(first, bounds):
    """A first scale that the user chose is never out of bounds."""
    scaler = KerasScaler(sgd(), initial_scale=first)
    apply(scaler, [[1.0]], [keras.Variable(1.0)])
    for value, wanted in ((1e-3, bounds[0]), (first, first), (2.0**40, bounds[1])):
        scaler.dynamic_scale.assign(value)
        bound_scale(scaler)
        assert float(scaler.dynamic_scale) == wanted


@any_backend
@pytest.mark.parametrize(
    "inner, options, error, words",
    [
        ("adam", {}, TypeError, "Received: inner_optimizer='adam'"),
        (None, {}, TypeError, "must be a Keras optimizer"),
        (sgd(loss_scale_factor=8.0), {}, ValueError, "loss_scale_factor=8.0"),
        (KerasScaler(sgd()), {}, ValueError, "LossScaleOptimizer"),
        (sgd(), {"initial_scale": 0.5}, ValueError, "initial_scale=0.5"),
        (sgd(), {"initial_scale": 2.0**25}, ValueError, "max_scale=16777216"),
        (sgd(), {"min_scale": 0.0}, ValueError, "min_scale=0.0"),
        (sgd(), {"max_scale": INF}, ValueError, "max_scale=inf"),
        (sgd(), {"initial_scale": NAN}, ValueError, "initial_scale=nan"),
        (sgd(), {"dynamic_growth_steps": 0}, ValueError, "dynamic_growth_steps=0"),
        (sgd(), {"dynamic_growth_steps": True}, ValueError, "dynamic_growth_steps=True"),
        (sgd(), {"initial_scale": "big"}, ValueError, "initial_scale='big'"),
        (sgd(), {"min_scale": True}, ValueError, "min_scale=True"),
        (sgd(), {"dynamic_growth_steps": 2.5}, ValueError, "dynamic_growth_steps=2.5"),
        (sgd(), {"clipnorm": 1.0}, ValueError, "inner_optimizer"),
    ],
)
def test_arguments_out_of_range(inner, options, error, words):
    with pytest.raises(error, match=words):
        SafeLossScaleOptimizer(inner, **options)
