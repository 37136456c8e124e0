"""The dashboard of a training."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots
from coursekit.diagnosis import Doctor


@pytest.fixture(scope="module")
def doctor():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype("float32")
    hidden = [keras.layers.Dense(8, "relu", name=f"hidden_{k}") for k in range(5)]
    model = keras.Sequential([keras.Input((6,)), *hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    found = Doctor(x, x[:, :1], every=5)
    model.fit(x, x[:, :1], validation_split=0.2, epochs=3, verbose=0, callbacks=[found])
    return found


@pytest.mark.slow
def test_four_panels_show_the_record(doctor):
    fig = plots.training(doctor, "A title")
    loss, updates, gradient, units = fig.axes
    record = doctor.record
    lines = {line.get_label(): line for line in loss.lines}
    np.testing.assert_allclose(lines["training"].get_ydata(), record.curve("loss"))
    np.testing.assert_allclose(lines["validation"].get_ydata(), record.curve("val_loss"))
    assert len(updates.get_legend().get_texts()) == 5  # four of six matrices, and what is usual
    assert len(gradient.lines[0].get_xdata()) == 6
    assert all("idle" in text.get_text() for text in units.get_legend().get_texts())
    assert fig._suptitle.get_text() == "A title"
    plt.close(fig)


def test_no_rectifiers_no_lines():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    found = Doctor(x, x[:, :1])
    model.fit(x, x[:, :1], verbose=0, callbacks=[found])
    fig = plots.training(found)
    assert not fig.axes[3].lines and fig.axes[3].texts
    plt.close(fig)
