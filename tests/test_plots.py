"""Figures: the caption is there, the same input gives the same bytes, nothing stays open."""

import base64
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots


def grey(color):
    """Relative luminance, as a grey print shows it."""
    channels = np.array(mpl.colors.to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def draw():
    fig, ax = plots.figure(title="Both fall", x="epoch", y="loss")
    plots.curve(ax, [3, 2, 1.5], plots.TRAIN)
    plots.band(ax, [[3, 2.5, 2], [3.2, 2.4, 2.4]], plots.VALIDATION)
    return fig, ax


def shown(fig, alt, monkeypatch):
    seen = []
    monkeypatch.setattr("coursekit.exercises.cards.show", seen.append)
    plots.show(fig, alt=alt)
    return seen[0]


def test_a_figure_is_shown_with_its_words(monkeypatch):
    out = shown(draw()[0], 'Training & validation "fall".', monkeypatch)
    assert repr(out) == 'Figure: Training & validation "fall".'
    page = out._repr_html_()
    words = "Training &amp; validation &quot;fall&quot;."
    assert f'alt="{words}"' in page and f">{words}</figcaption>" in page
    png = base64.b64decode(re.search('base64,([^"]+)', page)[1])
    assert png.startswith(b"\x89PNG")
    assert not plt.get_fignums()


def test_the_same_figure_gives_the_same_bytes(monkeypatch):
    pages = [shown(draw()[0], "Both fall.", monkeypatch)._repr_html_() for _ in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_figure_without_words_is_refused(alt):
    fig, _ = draw()
    with pytest.raises(ValueError, match="caption in words"):
        plots.show(fig, alt=alt)
    plt.close(fig)


def test_axes_and_curves():
    fig, ax = draw()
    assert fig.get_suptitle() == "Both fall"
    assert ax.get_xlabel() == "epoch" and ax.get_ylabel() == "loss"
    train, validation = ax.get_lines()
    assert train.get_label() == "training" and validation.get_label() == "validation"
    assert list(train.get_xdata()) == [1, 2, 3]
    np.testing.assert_allclose(validation.get_ydata(), [3.1, 2.45, 2.2])
    plt.close(fig)


def test_styles_differ_in_line_and_marker_and_in_grey():
    for styles in ((plots.TRAIN, plots.VALIDATION), plots.COMPARE):
        assert len({s.marker for s in styles}) == len({s.line for s in styles}) == len(styles)
    assert abs(grey(plots.TRAIN.color) - grey(plots.VALIDATION.color)) > 0.05


def test_global_settings_stay_as_they_are():
    before = dict(mpl.rcParams)
    fig, _ = draw()
    grid = plots.images([np.zeros((8, 8))] * 3, ["a", "b", "c"], columns=2)
    assert dict(mpl.rcParams) == before
    assert len(grid.axes) == 4
    plt.close(fig)
    plt.close(grid)


def test_a_band_needs_rows():
    fig, ax = plots.figure()
    with pytest.raises(ValueError, match=r"shape=\(3,\)"):
        plots.band(ax, [1, 2, 3], plots.TRAIN)
    plt.close(fig)
