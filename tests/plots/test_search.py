"""What a search has tried, drawn."""

import numpy as np
import pytest

from coursekit import plots


def test_trials_are_marked_on_both_edges():
    _, ax = plots.figure()
    plots.trials(ax, [[0.1, 0.9], [0.1, 0.2]])
    dots, above, beside = ax.lines
    np.testing.assert_array_equal(dots.get_xydata(), [[0.1, 0.9], [0.1, 0.2]])
    np.testing.assert_array_equal(above.get_xdata(), [0.1, 0.1])
    np.testing.assert_array_equal(beside.get_ydata(), [0.9, 0.2])
    assert (above.get_ydata() > 1).all() and (beside.get_xdata() > 1).all()
    with pytest.raises(ValueError, match=r"shape \(trials, 2\). Received: shape=\(3,\)"):
        plots.trials(ax, [0.1, 0.2, 0.3])


def test_a_surrogate_is_its_mean_in_a_band_of_two_standard_deviations():
    _, ax = plots.figure()
    x, mean, sd = np.array([[0.0], [1.0]]), np.array([1.0, 2.0]), np.array([0.5, 0.1])
    plots.surrogate(ax, x, mean, sd, [0.2], [1.5], ahead=0.8)
    line, tried, ahead = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), mean)
    np.testing.assert_array_equal(tried.get_xydata(), [[0.2, 1.5]])
    assert list(ahead.get_xdata()) == [0.8, 0.8]
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert corners.min() == 0.0 and corners.max() == pytest.approx(2.2)
