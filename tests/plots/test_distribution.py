"""Timelines of devices, with their idle time, and maps of an all-reduce."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots
from coursekit.plots._distribution import all_reduce, timeline

BLUE, ORANGE = plots.COMPARE[:2]


@pytest.fixture
def ax():
    fig, ax = plots.figure()
    yield ax
    plt.close(fig)


def bars(collection):
    boxes = [path.get_extents() for path in collection.get_paths()]
    return [(box.x0, box.x1, box.y0, box.y1) for box in boxes]


def test_a_line_a_device_with_what_it_does_and_when(ax):
    timeline(ax, {"first": [(0, 2, "F", BLUE)], "second": [(2, 1.5, "B", ORANGE)]})
    idle_first, work_first, idle_second, work_second = ax.collections
    assert bars(work_first) == [pytest.approx((0, 2, -0.4, 0.4))]
    assert bars(work_second) == [pytest.approx((2, 3.5, 0.6, 1.4))]
    assert bars(idle_first) == [pytest.approx((0, 3.5, -0.4, 0.4))]
    assert idle_second.get_hatch() and not work_second.get_hatch()
    assert work_second.get_zorder() >= idle_second.get_zorder()
    assert work_first.get_facecolor()[0, 3] == 1  # no hatch shines through
    assert not np.allclose(work_first.get_facecolor(), work_second.get_facecolor())
    texts = [(text.get_text(), *text.get_position()) for text in ax.texts]
    assert texts == [("F", 1.0, 0), ("B", 2.75, 1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.get_xlim() == (0, 3.5) and ax.get_ylim() == (1.5, -0.5)
    assert ax.get_legend_handles_labels()[1] == ["idle"]


def test_two_timelines_can_share_their_end(ax):
    timeline(ax, {"one": [(0, 2, "", BLUE)]}, end=5)
    assert ax.get_xlim() == (0, 5)
    timeline(ax, {"one": [(0, 2, "", BLUE)]}, end=1)
    assert ax.get_xlim() == (0, 2)


@pytest.mark.parametrize("lanes", [{}, {"one": []}])
def test_a_timeline_needs_work(ax, lanes):
    with pytest.raises(ValueError, match="must hold work"):
        timeline(ax, lanes)


def test_a_map_for_each_step():
    states = np.array([[[1, 1], [1, 1]], [[1, 2], [2, 1]], [[2, 2], [2, 2]]])
    fig = all_reduce(states, title="Two devices")
    assert fig.get_suptitle() == "Two devices"
    assert [ax.get_title() for ax in fig.axes] == ["start", "step 1", "step 2"]
    assert (fig.axes[0].get_xlabel(), fig.axes[0].get_ylabel()) == ("chunk", "device")
    cells = {text.get_position(): text.get_text() for text in fig.axes[1].texts}
    assert cells == {(0, 0): "1", (1, 0): "2", (0, 1): "2", (1, 1): "1"}  # (chunk, device)
    shown = fig.axes[1].images[0]
    np.testing.assert_array_equal(shown.get_array(), states[1])
    assert {ax.images[0].get_clim() for ax in fig.axes} == {shown.get_clim()}
    plt.close(fig)


@pytest.mark.parametrize("states", [[[1, 2]], np.ones((1, 2, 2))])
def test_maps_need_steps_devices_and_chunks(states):
    with pytest.raises(ValueError, match="steps, devices, chunks"):
        all_reduce(states)
