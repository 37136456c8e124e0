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


FOLDS = [([0, 1, 2], [4]), ([1, 2, 3, 4], [0, 6])]


def test_a_split_map_has_a_line_a_fold():
    fig, ax = plots.figure(x="row", y="fold")
    plots.splits(ax, iter(FOLDS), rows=10)
    drawn = {}
    for collection in ax.collections:
        for path in collection.get_paths():
            box = path.get_extents()
            fold = round((box.y0 + box.y1) / 2)
            color = mpl.colors.to_hex(collection.get_facecolor()[0])
            drawn.setdefault((fold, color), []).append((box.x0, box.x1))
    blue, orange = plots.TRAIN.color, plots.VALIDATION.color
    assert drawn == {
        (1, blue): [(0, 3)], (2, blue): [(1, 5)],
        (1, orange): [(4, 5)], (2, orange): [(0, 1), (6, 7)],
    }  # fmt: skip
    assert ax.get_xlim() == (0, 10) and ax.get_ylim() == (2.5, 0.5)
    assert ax.get_legend_handles_labels()[1] == ["training", "validation"]
    plt.close(fig)


def test_a_split_map_reads_in_grey():
    fig, ax = plots.figure()
    plots.splits(ax, FOLDS)
    assert ax.get_xlim() == (0, 7)
    shades = {"unused": 1.0}
    for collection in ax.collections[:1] + ax.collections[-1:]:
        red, green, blue, alpha = collection.get_facecolor()[0]
        on_white = 1 - alpha * (1 - np.array([red, green, blue]))
        shades[collection.get_label() or "validation"] = grey(on_white)
    assert np.diff(sorted(shades.values())).min() > 0.25
    assert ax.collections[-1].get_hatch()
    plt.close(fig)


def test_a_map_of_many_folds():
    fig, ax = plots.figure()
    rows = np.arange(30)
    plots.splits(ax, [(np.delete(rows, k), [k]) for k in rows])
    assert len(ax.collections) == 60
    plt.close(fig)


@pytest.mark.parametrize(
    "folds, rows, message", [([], None, "at least one split"), (FOLDS, 6, "last row, 6.*rows=6")]
)
def test_a_split_map_needs_splits_and_rows(folds, rows, message):
    fig, ax = plots.figure()
    with pytest.raises(ValueError, match=message):
        plots.splits(ax, folds, rows)
    plt.close(fig)


class Result:
    scores = {"r2": np.array([0.5, 0.7, 0.6]), "neg_log_loss": np.array([-1, -2, -3.0])}  # noqa: RUF012
    train_scores = {"r2": np.array([0.9, 0.8, 0.9]), "neg_log_loss": np.zeros(3)}  # noqa: RUF012


def test_the_scores_of_each_fold():
    fig = plots.cross_validation(Result(), title="Folds disagree")
    assert fig.get_suptitle() == "Folds disagree" and len(fig.axes) == 2
    ax = fig.axes[0]
    train, validation, mean = ax.get_lines()
    np.testing.assert_array_equal(train.get_ydata(), [0.9, 0.8, 0.9])
    np.testing.assert_array_equal(validation.get_ydata(), [0.5, 0.7, 0.6])
    assert validation.get_marker() == "s" and validation.get_linestyle() == "None"
    assert mean.get_ydata()[0] == pytest.approx(0.6) and mean.get_label() == "mean 0.60"
    assert [ax.get_ylabel() for ax in fig.axes] == ["r2", "neg log loss"]
    assert ax.get_xlabel() == "fold"
    plt.close(fig)


def test_the_scores_of_several_outputs(monkeypatch):
    import keras

    from coursekit.validation import _run as validation_run
    from coursekit.validation import cross_validate

    def build():
        x = keras.Input((2,))
        age = keras.layers.Dense(1, name="age")(x)
        sex = keras.layers.Dense(1, activation="sigmoid", name="sex")(x)
        model = keras.Model(x, {"age": age, "sex": sex})
        model.compile("sgd", {"age": "mse", "sex": "binary_crossentropy"})
        return model

    monkeypatch.setattr(
        validation_run, "fit_all", lambda models, *a, **k: [{"loss": [1.0]} for _ in models]
    )
    x = np.random.default_rng(0).normal(size=(30, 2))
    y = {"age": x[:, 0], "sex": (x[:, 1] > 0).astype(int)}
    scoring = {"age": ["r2", "neg_mean_absolute_error"], "sex": "roc_auc"}
    result = cross_validate(build, x, y, 3, scoring=scoring, verbose=0)
    fig = plots.cross_validation(result)
    assert [ax.get_ylabel() for ax in fig.axes] == [
        "age r2",
        "age neg mean absolute error",
        "sex roc auc",
    ]
    for ax, scores in zip(fig.axes, result.scores.values(), strict=True):
        np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), scores)
    plt.close(fig)
