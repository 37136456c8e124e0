"""What cannot be drawn is refused in words, before a figure is opened or a line drawn."""

import pydoc
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots
from coursekit.diagnosis import Doctor
from coursekit.plots._values import numbers

NAN = float("nan")
UNTRAINED = Doctor(np.ones((8, 2)), np.ones(8))
STYLE = plots.TRAIN
ESTIMATE = SimpleNamespace(value=1.0, standard_error=0.1)
TABLE = {"a": [0.1, 0.2]}
GOOD_STATES = np.ones((2, 2, 2))


def found(value=1.0):
    one = SimpleNamespace(value=value, standard_error=0.1)
    return SimpleNamespace(variance=one, error=one, noise=one, bias_squared=one)


ROWS = [None, [], NAN, "loss", [NAN, NAN], ["a"], [[1, 2]], [1j]]
TABLES = [None, [], NAN, "runs", [1, 2], [[]], [[NAN, NAN]], [["a"]], [[1, 2], [3]]]
PAIRS = [None, [], NAN, "points", [1, 2], [[1, 2, 3]], [[NAN, 1]], np.zeros((0, 2))]
ON_AXES = {
    "curve": [(lambda ax, v: plots.curve(ax, v, STYLE), ROWS)],
    "curve_x": [(lambda ax, v: plots.curve(ax, [1, 2], STYLE, x=v), [[], [1], "ab", [1, 2, 3]])],
    "curve_style": [(lambda ax, v: plots.curve(ax, [1, 2], v), [None, "blue", {}])],
    "band": [(lambda ax, v: plots.band(ax, v, STYLE), TABLES)],
    "band_x": [(lambda ax, v: plots.band(ax, [[1, 2]], STYLE, x=v), [[], [1], "ab"])],
    "band_no_common_point": [
        (lambda ax, v: plots.band(ax, v, STYLE), [[[NAN, 1], [1, NAN]]]),
    ],
    "path": [(lambda ax, v: plots.path(ax, v, STYLE), PAIRS)],
    "path_style": [(lambda ax, v: plots.path(ax, [[1, 2]], v), [None, "blue"])],
    "surface": [(lambda ax, v: plots.surface(ax, v), [None, 3, lambda a, b: a * 0 + NAN + b])],
    "surface_flat": [(lambda ax, v: plots.surface(ax, v), [lambda a, b: 0 * (a + b)])],
    "surface_ends": [
        (lambda ax, v: plots.surface(ax, lambda a, b: a * b, x=v), [None, (), NAN, (0, NAN), "ab"]),
        (lambda ax, v: plots.surface(ax, lambda a, b: a * b, y=v), [(1, 1), (0, np.inf)]),
    ],
    "surface_levels": [
        (lambda ax, v: plots.surface(ax, lambda a, b: a * b, levels=v), [0, -1, [], [NAN], True]),
    ],
    "trials": [(lambda ax, v: plots.trials(ax, v), [*PAIRS, [[0.5, 2.0]], [[0.5, NAN]]])],
    "surrogate": [
        (lambda ax, v: plots.surrogate(ax, v, [1, 2], [1, 1], [1], [1], 1), [*ROWS[:-3], ["a"]]),
        (lambda ax, v: plots.surrogate(ax, [1, 2], v, [1, 1], [1], [1], 1), [None, [], [1], "a"]),
        (lambda ax, v: plots.surrogate(ax, [1, 2], [1, 2], [1, 1], v, [1], 1), [None, [], [1, 2]]),
        (lambda ax, v: plots.surrogate(ax, [1, 2], [1, 2], [1, 1], [1], v, 1), [None, [], [1, 2]]),
        (lambda ax, v: plots.surrogate(ax, [1, 2], [1, 2], [1, 1], [1], [1], v), [None, NAN, []]),
    ],
    "timeline": [
        (
            lambda ax, v: plots.timeline(ax, v),
            [
                None, {}, [], {"a": []}, {"a": [(0, 1)]}, {"a": [(NAN, 1, "", STYLE)]},
                {"a": [(0, -1, "", STYLE)]}, {"a": [(0, 1, "", None)]}, {"a": [None]},
            ],
        ),
        (lambda ax, v: plots.timeline(ax, {"a": [(0, 1, "", STYLE)]}, v), [None, NAN, "late"]),
    ],
    "splits": [
        (
            lambda ax, v: plots.splits(ax, v),
            [
                None, [], [None], [([0], [NAN])], [([], [])], [([0], [-1])], [([0],)], 3,
                [(["a"], [])],
            ],
        ),
        (lambda ax, v: plots.splits(ax, [([0], [1])], v), [0, NAN, "ten", True, 1]),
    ],
}  # fmt: skip
FIGURES = {
    "explore": [
        (lambda v: plots.explore(None, v, str, "rate"), [[], [1], range(25)]),
        (lambda v: plots.explore(None, [1, 2], str, "rate", start=v), [-1, 2, "1"]),
        (lambda v: plots.explore(None, [1, 2], lambda value: v, "rate"), [None, "", "the same"]),
    ],
    "figure": [
        (lambda v: plots.figure(columns=v), [None, 0, NAN, "two", True]),
        (lambda v: plots.figure(height=v), [None, 0, NAN, "high", np.inf]),
    ],
    "images": [
        (lambda v: plots.images(v, ["a"]), [None, [], NAN, "im", [None], [[]], [[[NAN]]], [1, 2]]),
        (lambda v: plots.images([np.eye(2)], v), [None, [], "a", ["a", "b"]]),
        (lambda v: plots.images([np.eye(2)], ["a"], columns=v), [0, None, NAN]),
    ],
    "show": [(lambda v: plots.show(v, alt="A line."), [None, "figure", 3])],
    "training": [(lambda v: plots.training(v), [None, {}, "test", NAN, UNTRAINED])],
    "learning_rate": [
        (lambda v: plots.learning_rate(v), [None, {}, "test", NAN]),
    ],
    "schedule": [
        (lambda v: plots.schedule(v, 10), [None, {}, [], {"a": None}, {"a": lambda step: NAN}]),
        (lambda v: plots.schedule({"a": lambda step: 0.1}, v), [None, NAN, 1, 2.5, True, "ten"]),
        (lambda v: plots.schedule({"a": lambda step: 0.1}, 9, v), [3, [1], {"a": 0.9}]),
    ],
    "gradients": [
        (lambda v: plots.gradients(v), [None, {}, NAN, SimpleNamespace(magnitudes=[NAN, 1.0])]),
        (
            lambda v: plots.gradients(SimpleNamespace(magnitudes=np.ones(3)), v),
            [None, [], "a", [NAN], [True], 3],
        ),
        (
            lambda v: plots.gradients(SimpleNamespace(magnitudes=np.ones(3)), [1.0], labels=v),
            [[], ["a", "b"]],
        ),
    ],
    "bias_variance": [
        (
            lambda v: plots.bias_variance(v, x="width"),
            [
                None, {}, [], {1: None, 2: None}, {1: found(), "two": found()},
                {1: found(NAN), 2: found(NAN)}, {1: found()}, {NAN: found(), 1: found()},
            ],
        ),
    ],
    "all_reduce": [
        (
            lambda v: plots.all_reduce(v),
            [None, [], NAN, "a", [[1]], [[[1]], [[1, 2]]], GOOD_STATES * NAN, GOOD_STATES[:1]],
        ),
    ],
    "cross_validation": [
        (
            lambda v: plots.cross_validation(v),
            [
                None, {}, NAN, SimpleNamespace(scores={}, train_scores={}),
                SimpleNamespace(scores={"a": [NAN, NAN]}, train_scores=TABLE),
                SimpleNamespace(scores={"a": []}, train_scores=TABLE),
                SimpleNamespace(scores=[0.1, 0.2], train_scores=[0.1, 0.2]),
                SimpleNamespace(scores=TABLE, train_scores={}),
                SimpleNamespace(scores=TABLE, train_scores={"b": [0.1, 0.2]}),
                SimpleNamespace(scores=TABLE, train_scores={"a": [0.1]}),
                SimpleNamespace(scores={"age": TABLE}, train_scores={"age": TABLE}),
            ],
        ),
    ],
}  # fmt: skip


def cases(table):
    return [
        pytest.param(call, value, id=f"{name}-{k}")
        for name, calls in table.items()
        for k, (call, value) in enumerate((c, v) for c, values in calls for v in values)
    ]


@pytest.fixture
def no_open_figure():
    plt.close("all")
    yield
    assert not plt.get_fignums()


@pytest.mark.parametrize("call, value", cases(FIGURES))
def test_a_figure_is_refused_before_it_is_opened(call, value, no_open_figure):
    with pytest.raises((ValueError, TypeError), match=r"(must|needs).* Received: ") as error:
        call(value)
    assert "coursekit" in str(error.traceback[-1].path) and len(str(error.value)) < 600


@pytest.mark.parametrize("call, value", cases(ON_AXES))
def test_axes_stay_empty(call, value):
    _, ax = plots.figure()
    before = len(ax.get_children()), ax.get_xlim(), ax.get_ylim()
    with pytest.raises((ValueError, TypeError), match=r"must.* Received: ") as error:
        call(ax, value)
    assert "coursekit" in str(error.traceback[-1].path) and len(str(error.value)) < 600
    assert (len(ax.get_children()), ax.get_xlim(), ax.get_ylim()) == before
    plt.close("all")


@pytest.mark.parametrize("ax", [None, "axes", 3])
def test_what_is_no_axes(ax):
    for draw in (
        lambda: plots.curve(ax, [1, 2], STYLE),
        lambda: plots.band(ax, [[1, 2]], STYLE),
        lambda: plots.path(ax, [[1, 2]], STYLE),
        lambda: plots.surface(ax, lambda a, b: a * b),
        lambda: plots.trials(ax, [[0.5, 0.5]]),
        lambda: plots.surrogate(ax, [1, 2], [1, 2], [1, 1], [1], [1], 1),
        lambda: plots.timeline(ax, {"a": [(0, 1, "", STYLE)]}),
        lambda: plots.splits(ax, [([0], [1])]),
    ):
        with pytest.raises(TypeError, match=f"`ax` must be matplotlib axes.* Received: ax={ax!r}"):
            draw()


def test_every_figure_has_its_cases():
    drawing = {name for name in plots.__all__ if callable(getattr(plots, name)) and name.islower()}
    assert drawing <= {name.split("_x")[0] for name in (*ON_AXES, *FIGURES)}


def test_single_gaps_are_drawn():
    fig, ax = plots.figure()
    plots.curve(ax, [1, NAN, 2], STYLE)
    plots.path(ax, [[NAN, NAN], [1, 2]], STYLE)
    plt.close(fig)
    assert numbers("v", [1, np.inf], (None,), "in a row").tolist() == [1, np.inf]


@pytest.mark.parametrize("name", ["TRAIN", "VALIDATION", "COMPARE", "HOUSE", "TITLE"])
def test_help_tells_what_a_constant_is_for(name):
    assert f"plots.{name}" in pydoc.render_doc(getattr(plots, name), renderer=pydoc.plaintext)
