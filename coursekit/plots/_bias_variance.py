"""Where the error of a recipe comes from, as its capacity grows."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from coursekit._checks import number
from coursekit.plots._style import COMPARE, band, figure
from coursekit.plots._values import has, row, typed


def bias_variance(results: Mapping, x: str, title: str = "") -> Figure:
    """Draw bias squared, variance and error against capacity, in bands of two standard errors.

    Noise is a horizontal line. Without a known truth, bias squared and noise are one curve.

    Args:
        results: a `coursekit.validation.BiasVariance` for each capacity, a number.
        x: label of the horizontal axis: what grows.
        title: what the figure shows.

    Raises:
        TypeError: for what is no dict of such results.
        ValueError: for less than two capacities, or estimates of which none is finite.
    """
    typed("results", results, Mapping, "a dict from capacities to results")
    capacities = sorted(number("capacity", capacity) for capacity in results)
    if len(capacities) < 2:
        raise ValueError(
            f"`results` must hold at least two capacities. Received: {len(capacities)}"
        )
    found = [results[capacity] for capacity in capacities]
    for result in found:
        has("result", result, ("variance", "error", "noise"), "a `BiasVariance`")
    known = all(result.noise is not None for result in found)
    curves = {
        "bias²" if known else "bias² + noise": [
            result.bias_squared if known else result.bias_squared_and_noise for result in found
        ],
        "variance": [result.variance for result in found],
        "measured error": [result.error for result in found],
    }
    for label, estimates in curves.items():
        row(label, [e.value for e in estimates])
    fig, ax = figure(title, x=x, y="squared error on new rows")
    for (label, estimates), style in zip(curves.items(), COMPARE, strict=False):
        edges = [[e.value + k * e.standard_error for e in estimates] for k in (-2, 0, 2)]
        band(ax, edges, style, x=capacities, label=label)
    if known:
        noise = sum(result.noise.value for result in found) / len(found)
        ax.axhline(noise, color="0.4", lw=1, label="noise")
    ax.legend()
    return fig
