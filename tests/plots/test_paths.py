"""Maps of a loss and paths on them."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots
from coursekit.plots._paths import path, surface

pytestmark = pytest.mark.any_backend


@pytest.fixture
def ax():
    fig, ax = plots.figure()
    yield ax
    plt.close(fig)


def vertices(ax):
    """All points of the drawn rings, by level."""
    lines = ax.collections[-1]
    return {
        float(level): piece.vertices
        for level, piece in zip(lines.levels, lines.get_paths(), strict=True)
    }


def test_rings_lie_where_the_loss_has_their_level(ax):
    surface(ax, lambda a, b: a**2 + 4 * b**2, x=(-2, 2), y=(-1, 1), levels=[0.5, 1.0, 2.0])
    found = vertices(ax)
    assert list(found) == [0.5, 1.0, 2.0]
    for level, points in found.items():
        a, b = points.T
        np.testing.assert_allclose(a**2 + 4 * b**2, level, rtol=0.01)
    assert ax.get_xlim() == (-2, 2) and ax.get_ylim() == (-1, 1)


def test_the_first_parameter_goes_across(ax):
    surface(ax, lambda a, b: a + 0 * b, x=(0, 4), levels=[1.0])
    a, b = vertices(ax)[1.0].T
    np.testing.assert_allclose(a, 1, atol=1e-5)
    assert np.ptp(b) == 4


def test_rings_of_a_round_bowl_are_evenly_spaced(ax):
    surface(ax, lambda a, b: a**2 + b**2 + 7, levels=8)
    levels = np.array(list(vertices(ax)))
    assert len(levels) == 8
    np.testing.assert_allclose(np.diff(np.sqrt(levels - 7)), np.sqrt(8) / 8, rtol=1e-3)


def test_a_loss_that_averages_over_data(ax):
    x = np.array([1.0, -1.0, 2.0], "float32")
    surface(ax, lambda w, b: keras.ops.mean((w * x + b) ** 2), levels=[1.0])
    w, b = vertices(ax)[1.0].T
    np.testing.assert_allclose(2 * w**2 + b**2 + 4 / 3 * w * b, 1, rtol=0.02)


def test_places_without_a_finite_loss_stay_white(ax):
    surface(ax, lambda a, b: keras.ops.log(a) + b, levels=[0.0])
    a, _ = vertices(ax)[0.0].T
    assert (a > 0).all()


@pytest.mark.parametrize("ends", [{"x": (1, -1)}, {"y": (0, 0)}, {"x": (1, 2, 3)}])
def test_ends_out_of_order(ax, ends):
    with pytest.raises(ValueError, match="from low to high"):
        surface(ax, lambda a, b: a * b, **ends)


def test_a_path_on_a_map(ax):
    surface(ax, lambda a, b: a * b)
    points = np.array([[0.0, 1.0], [9.0, 9.0], [1.0, 0.0], [np.nan, np.nan]])
    path(ax, points, plots.COMPARE[1], label="way")
    line, start, end = ax.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), points[:3])
    assert line.get_label() == "way" and line.get_color() == plots.COMPARE[1].color
    assert line.get_marker() == plots.COMPARE[1].marker
    np.testing.assert_array_equal(start.get_xydata(), points[:1])
    np.testing.assert_array_equal(end.get_xydata(), points[2:3])
    assert ax.get_xlim() == (-2, 2) and ax.get_ylim() == (-2, 2)
    assert len(ax.get_legend_handles_labels()[1]) == 1


def test_a_traced_path_and_an_option_of_matplotlib(ax):
    from coursekit.training._paths import trace_path

    traced = trace_path(keras.optimizers.SGD(0.1), lambda a, b: a**2 + b**2, (1, 1), 5)
    path(ax, traced, plots.TRAIN, markevery=2)
    line = ax.get_lines()[0]
    np.testing.assert_array_equal(line.get_xydata(), traced.points)
    assert line.get_label() == "training" and line.get_markevery() == 2


@pytest.mark.parametrize("points", [np.zeros(4), np.zeros((4, 3))])
def test_points_of_another_shape(ax, points):
    with pytest.raises(ValueError, match="Received: shape"):
        path(ax, points, plots.TRAIN)
