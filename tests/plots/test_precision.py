"""Gradients against the window of float16."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit.plots._precision import gradients
from coursekit.precision import GradientHistogram

HISTOGRAM = GradientHistogram(np.sort(2.0 ** np.arange(-40.5, 2)).astype("float32"), 7, 0)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def bars(ax):
    """Return {left edge: height} of the bars that are there."""
    return {round(p.get_x()): p.get_height() for p in ax.patches if 0 < p.get_height() != 1.0 or
            round(p.get_width(), 6) == 1}  # fmt: skip


def test_scaling_shifts_the_gradients_and_not_the_window():
    fig = gradients(HISTOGRAM, scales=(1, 2.0**10), title="A title")
    left, right = fig.axes
    assert fig._suptitle.get_text() == "A title"
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()
    first, second = ({p for p, h in bars(ax).items() if h} for ax in (left, right))
    assert min(first) == -41 and min(second) == -31 and max(second) == max(first) + 10
    assert [ax.get_title() for ax in fig.axes] == ["loss times 1", "loss times 1,024"]
    assert "0" in [text.get_text() for text in left.texts]


def test_own_labels_and_one_scale():
    (ax,) = gradients(HISTOGRAM, scales=[8.0], labels=["before"]).axes
    assert ax.get_title() == "before"


def test_figures_with_one_frame_stand_still():
    frame = (1.0, 2.0**30)
    limits = {gradients(HISTOGRAM, [scale], frame=frame).axes[0].get_xlim() for scale in frame}
    assert len(limits) == 1
    with pytest.raises(ValueError, match="`frame`"):
        gradients(HISTOGRAM, [1.0], frame=[0.0])


def test_nothing_to_draw():
    gradients(GradientHistogram(np.zeros(0, "float32"), 3, 0)).canvas.draw()


@pytest.mark.parametrize("scales", [[], [0.0], [-1.0], [float("inf")], [float("nan")]])
def test_scales_out_of_range(scales):
    with pytest.raises(ValueError, match="greater than 0"):
        gradients(HISTOGRAM, scales)
