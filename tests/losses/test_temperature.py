"""A temperature that is trained: a weight of the model, for losses of embeddings as given."""

import keras
import numpy as np
import pytest
from running import array

from coursekit import losses

pytestmark = pytest.mark.any_backend
IDS = np.arange(6)
VIEWS = np.random.default_rng(0).normal(size=(6, 2, 4)).astype("float32")


def tower(**arguments):
    inputs = keras.Input((2, 4))
    return keras.Model(inputs, losses.LearnedTemperature(name="scale", **arguments)(inputs))


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0, 20.0])
def test_it_is_the_loss_with_this_temperature(temperature):
    scaled = tower(initial=temperature)(VIEWS)
    for cls, y, whole, part in (
        (losses.InfoNCE, IDS, VIEWS, scaled),
        (losses.SupervisedContrastive, IDS // 2, VIEWS[:, 0], scaled[:, 0]),
    ):
        expected = array(cls(temperature=temperature, reduction="none")(y, whole))
        got = array(cls(temperature=None, reduction="none")(y, part))
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_fit_trains_it_as_finite_differences_say():
    def loss_at(log_temperature):
        temperature = float(np.exp(log_temperature))
        return float(losses.InfoNCE(temperature=temperature)(IDS, VIEWS))

    slope = (loss_at(np.log(0.5) + 1e-2) - loss_at(np.log(0.5) - 1e-2)) / 2e-2
    model = tower(initial=0.5)
    model.compile(keras.optimizers.SGD(0.1), losses.InfoNCE(temperature=None))
    assert len(model.trainable_variables) == 1
    model.fit(VIEWS, IDS, batch_size=6, verbose=0)
    moved = np.log(model.get_layer("scale").temperature) - np.log(0.5)
    assert moved == pytest.approx(-0.1 * slope, rel=1e-2)


def test_it_stays_above_the_lowest():
    model = tower(initial=0.1, lowest=0.05)
    same = np.stack([VIEWS[:, 0], VIEWS[:, 0]], axis=1)  # told apart: colder costs less and less
    model.compile(keras.optimizers.SGD(100.0), losses.InfoNCE(temperature=None))
    model.fit(same, IDS, batch_size=6, epochs=3, verbose=0)
    assert model.get_layer("scale").temperature == pytest.approx(0.05, rel=1e-5)


def test_it_is_saved_with_what_it_learned(tmp_path):
    model = tower(initial=0.5)
    model.compile(keras.optimizers.SGD(0.1), losses.InfoNCE(temperature=None))
    model.fit(VIEWS, IDS, batch_size=6, verbose=0)
    model.save(tmp_path / "tower.keras")
    again = keras.models.load_model(tmp_path / "tower.keras")
    layer = again.get_layer("scale")
    assert layer.temperature == model.get_layer("scale").temperature != 0.5
    assert layer.get_config() == model.get_layer("scale").get_config()
    assert again.loss.get_config()["temperature"] is None
    for trained in (model, again):  # and it goes on training, in the loaded model too
        trained.fit(VIEWS, IDS, batch_size=6, verbose=0)
    assert layer.temperature == pytest.approx(model.get_layer("scale").temperature, rel=1e-6)


def test_under_mixed_precision_it_stays_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tower()
    finally:
        keras.config.set_dtype_policy(before)
    out = model(VIEWS)
    assert keras.backend.standardize_dtype(out.dtype) == "float32"
    unit = VIEWS / np.linalg.norm(VIEWS, axis=-1, keepdims=True)
    np.testing.assert_allclose(array(out), unit / 0.07**0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "bad", [{"initial": 0}, {"initial": -1.0}, {"lowest": 0}, {"initial": 0.001}, {"lowest": "1"}]
)
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="Received: "):
        losses.LearnedTemperature(**bad)
