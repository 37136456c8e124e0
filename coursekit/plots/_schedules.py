"""Learning rate schedules, and the momentum that goes with them."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from coursekit._checks import brief, count
from coursekit.plots._style import COMPARE, curve, figure

POINTS = 400


def schedule(
    schedules: Mapping[str, Callable],
    total_steps: int,
    momentum: Mapping[str, Callable] | None = None,
    title: str = "",
) -> Figure:
    """Draw learning rates over the steps of a run, and momentum beside them.

    Args:
        schedules: from labels to schedules: anything that takes a step and returns a rate.
        total_steps: steps of the run, at least 2; the last one drawn is `total_steps - 1`.
        momentum: the same for momentum, on axes of its own; a label keeps its colour and line
            there. None draws rates alone.
        title: what the figure shows.

    Returns:
        The figure; its axes are learning rate and, with `momentum`, momentum.

    Raises:
        ValueError: for no schedules, less than two steps, or a rate that is not finite.
    """
    if not isinstance(schedules, Mapping) or not schedules:
        raise ValueError(
            "`schedules` must be a dict from labels to schedules. "
            f"Received: schedules={brief(schedules)}. For one: {{'one cycle': OneCycle(...)}}."
        )
    if momentum is not None and not isinstance(momentum, Mapping):
        raise ValueError(
            "`momentum` must be a dict from labels to schedules. "
            f"Received: momentum={brief(momentum)}"
        )
    total_steps, momentum = count("total_steps", total_steps, 2), momentum or {}
    # Whole steps; a long run is sampled.
    steps = np.unique(np.linspace(0, total_steps - 1, POINTS).round().astype(int))
    groups = [
        {label: _values(label, one, steps) for label, one in group.items()}
        for group in (schedules, momentum)
    ]
    fig, axes = figure(title=title, x="step", columns=2 if momentum else 1)
    styles = dict(zip(dict.fromkeys([*schedules, *momentum]), _styles(), strict=False))
    for ax, y, group in zip(
        np.atleast_1d(axes), ("learning rate", "momentum"), groups, strict=False
    ):
        for label, values in group.items():
            curve(ax, values, styles[label], x=steps, label=label)
        ax.set_ylabel(y)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return fig


def _values(label, schedule, steps):
    """Return the values at these steps."""
    if not callable(schedule):
        raise ValueError(
            f"A schedule must take a step. Received: {label!r}: {brief(schedule)}. For a constant "
            "rate: lambda step: 0.1."
        )
    values = _rates(schedule, steps)
    for step, value in zip(steps, values, strict=True):
        if not np.isfinite(value):
            raise ValueError(
                f"A rate must be finite. Received: {label!r} is {value} at step {step}"
            )
    return values


def _rates(schedule, steps) -> list[float]:
    """Call a schedule at each step.

    On JAX one of Keras's own is called at all steps at once: it compiles its branches at each call.
    """
    import keras

    if keras.backend.backend() == "jax" and type(schedule).__module__.split(".")[0] == "keras":
        found = keras.ops.vectorized_map(schedule, keras.ops.convert_to_tensor(steps, "int32"))
        return keras.ops.convert_to_numpy(found).tolist()
    return [float(schedule(int(step))) for step in steps]


def _styles():
    while True:
        yield from COMPARE
