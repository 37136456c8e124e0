"""The figure of bias, variance and error against capacity."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots
from coursekit.validation import BiasVariance

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=30)
Y = TRUTH + RNG.normal(size=30)


def result(width, truth=TRUTH):
    return BiasVariance(TRUTH + 1 / width + width * RNG.normal(size=(5, 30)), Y, truth)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def lines(fig):
    return {line.get_label(): line for line in fig.axes[0].lines}


def test_curves_are_the_estimates_in_the_order_of_capacity():
    results = {2: result(2), 0.5: result(0.5), 1: result(1)}
    fig = plots.bias_variance(results, x="width", title="A title")
    assert fig.get_suptitle() == "A title" and fig.axes[0].get_xlabel() == "width"
    found = lines(fig)
    assert list(found) == ["bias²", "variance", "measured error", "noise"]
    for label, name in (("bias²", "bias_squared"), ("variance", "variance"),
                        ("measured error", "error")):  # fmt: skip
        values = [getattr(results[width], name).value for width in (0.5, 1, 2)]
        np.testing.assert_allclose(found[label].get_ydata(), values)
        np.testing.assert_allclose(found[label].get_xdata(), [0.5, 1, 2])
    assert found["noise"].get_ydata()[0] == pytest.approx(np.mean((Y - TRUTH) ** 2))


def test_bands_are_two_standard_errors_wide():
    results = {1: result(1), 2: result(2)}
    fig = plots.bias_variance(results, x="width")
    heights = fig.axes[0].collections[1].get_paths()[0].vertices[:, 1]
    edges = [r.variance.value + k * r.variance.standard_error for r in results.values()
             for k in (-2, 2)]  # fmt: skip
    assert heights.min() == pytest.approx(min(edges)) and heights.max() == pytest.approx(max(edges))


def test_without_the_truth_bias_and_noise_are_one_curve():
    results = {1: result(1, truth=None), 2: result(2)}
    found = lines(plots.bias_variance(results, x="width"))
    assert list(found) == ["bias² + noise", "variance", "measured error"]
    values = [r.bias_squared_and_noise.value for r in results.values()]
    np.testing.assert_allclose(found["bias² + noise"].get_ydata(), values)


def test_one_capacity_is_no_curve():
    with pytest.raises(ValueError, match="at least two capacities"):
        plots.bias_variance({1: result(1)}, x="width")
