"""The figure of a range test."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit.callbacks import RangeTest
from coursekit.plots._learning_rate import learning_rate

RATES = np.geomspace(1e-6, 1, 50)
LOSSES = np.r_[2.3 - np.linspace(0, 1.3, 45), 2.0, 50.0, 1e4, 1e9, np.inf]


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def result(losses=LOSSES, suggestion=0.01):
    return RangeTest(RATES[: len(losses)], losses, losses, suggestion, "because")


def test_the_explosion_does_not_flatten_the_curve():
    low, high = learning_rate(result()).axes[0].get_ylim()
    assert low < 1.0 and 2.3 < high < 5


def test_the_rates_are_on_a_logarithmic_axis_and_the_suggestion_is_marked():
    fig = learning_rate(result(), title="A title")
    ax = fig.axes[0]
    assert ax.get_xscale() == "log" and fig._suptitle.get_text() == "A title"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["one batch", "smoothed", "suggestion 0.01"]
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines["suggestion 0.01"].get_xdata()) == {0.01}
    np.testing.assert_array_equal(lines["one batch"].get_ydata(), LOSSES)


def test_no_suggestion_no_line():
    labels = learning_rate(result(suggestion=None)).axes[0].get_legend().get_texts()
    assert len(labels) == 2


@pytest.mark.parametrize("losses", [np.ones(0), np.array([np.nan]), np.ones(30), -LOSSES[:40]])
def test_any_result_can_be_drawn(losses):
    learning_rate(result(losses, None)).canvas.draw()
