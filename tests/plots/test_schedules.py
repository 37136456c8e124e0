"""Schedules are drawn at whole steps, from the first to the last, momentum on its own axes."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit.plots._schedules import schedule


def falling(step):
    assert isinstance(step, int)
    return 1 / (step + 1)


def dropping(step):
    return 0.1 if step < 30 else 0.01


def test_rates_alone():
    fig = schedule({"falling": falling, "dropping": dropping}, 60, title="Two")
    (ax,) = fig.axes
    first, second = ax.get_lines()
    assert fig.get_suptitle() == "Two"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "learning rate")
    np.testing.assert_array_equal(first.get_xdata(), np.arange(60))
    np.testing.assert_allclose(first.get_ydata(), 1 / np.arange(1, 61))
    assert np.sum(second.get_ydata() > 0.05) == 30
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["falling", "dropping"]
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    plt.close(fig)


def test_schedules_of_keras_are_drawn_as_they_are():
    kinds = keras.optimizers.schedules
    made = {
        "warmup": kinds.CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=10),
        "restarts": kinds.CosineDecayRestarts(0.1, 8),
    }
    fig = schedule(made, 30)
    for line, one in zip(fig.axes[0].get_lines(), made.values(), strict=True):
        wanted = [float(one(step)) for step in range(30)]
        np.testing.assert_allclose(line.get_ydata(), wanted, atol=1e-7)
    plt.close(fig)


def test_momentum_has_axes_of_its_own_and_keeps_the_style_of_its_label():
    fig = schedule(
        {"constant": lambda step: 0.1, "cycle": falling}, 9, {"cycle": lambda s: 1 - falling(s)}
    )
    rates, momenta = fig.axes
    assert [ax.get_ylabel() for ax in fig.axes] == ["learning rate", "momentum"]
    (line,) = momenta.get_lines()
    np.testing.assert_allclose(line.get_ydata(), 1 - 1 / np.arange(1, 10))
    assert line.get_color() == rates.get_lines()[1].get_color()
    assert line.get_linestyle() == rates.get_lines()[1].get_linestyle()
    plt.close(fig)


def test_a_long_run_is_sampled_with_both_ends():
    fig = schedule({"one": falling}, 1_000_000)
    steps = fig.axes[0].get_lines()[0].get_xdata()
    assert len(steps) == 400 and steps[0] == 0 and steps[-1] == 999_999
    plt.close(fig)


def test_more_schedules_than_styles():
    fig = schedule({str(k): falling for k in range(8)}, 5)
    assert len(fig.axes[0].get_lines()) == 8
    plt.close(fig)


@pytest.mark.parametrize("schedules", [{}, falling, [falling]])
def test_schedules_need_labels(schedules):
    with pytest.raises(ValueError, match="must be a dict from labels to schedules"):
        schedule(schedules, 10)


def test_a_run_needs_two_steps():
    with pytest.raises(ValueError, match="Received: total_steps=1"):
        schedule({"one": falling}, 1)
