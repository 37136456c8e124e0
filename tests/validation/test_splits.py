"""Splits: every splitter, steps in time, and the guards against leaks between the sides."""

import warnings

import numpy as np
import pytest
from crossed import BCE, BINARY, X, builder, run
from sklearn import model_selection

from coursekit.validation import WalkForward
from coursekit.validation._splits import hold_out

SPLITTERS = {
    "KFold": model_selection.KFold(5),
    "KFold shuffled": model_selection.KFold(5, shuffle=True),
    "StratifiedKFold": model_selection.StratifiedKFold(5),
    "GroupKFold": model_selection.GroupKFold(5),
    "StratifiedGroupKFold": model_selection.StratifiedGroupKFold(5),
    "LeaveOneOut": model_selection.LeaveOneOut(),
    "LeaveOneGroupOut": model_selection.LeaveOneGroupOut(),
    "TimeSeriesSplit": model_selection.TimeSeriesSplit(4),
    "WalkForward": WalkForward(4, window=20, horizon=5, embargo=2),
    "RepeatedKFold": model_selection.RepeatedKFold(n_splits=3, n_repeats=2),
    "RepeatedStratifiedKFold": model_selection.RepeatedStratifiedKFold(n_splits=3, n_repeats=2),
    "ShuffleSplit": model_selection.ShuffleSplit(4, test_size=0.2),
    "PredefinedSplit": model_selection.PredefinedSplit(np.arange(60) % 4 - 1),
    "pairs": [(np.arange(40), np.arange(40, 60)), ([1, 2, 3], [4, 5])],
}


@pytest.mark.parametrize("name", SPLITTERS)
def test_takes_every_splitter(name, untrained):
    cv = SPLITTERS[name]
    groups = np.repeat(np.arange(10), 6) if "Group" in name else None
    build = builder(loss=BCE(from_logits=True))
    result = run(build, y=BINARY, cv=cv, groups=groups, seed=3)
    again = run(build, y=BINARY, cv=cv, groups=groups, seed=3)
    if getattr(cv, "random_state", 0) is not None and name != "pairs":
        expected = list(cv.split(X, BINARY, groups))
        assert len(result.folds) == len(expected)
        for ours, theirs in zip(result.folds, expected, strict=True):
            np.testing.assert_array_equal(ours[1], theirs[1])
    assert [len(train) for train, _ in result.folds] == list(result.table.train_rows)
    for one, other in zip(result.folds, again.folds, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(result.predictions, again.predictions)
    validated = np.unique(np.concatenate([side for _, side in result.folds]))
    seen = np.isfinite(result.predictions)
    np.testing.assert_array_equal(np.flatnonzero(seen), validated)
    assert list(result.table.validation_rows) == [len(side) for _, side in result.folds]


def test_sizes_of_103_rows_in_five_folds(untrained):
    result = run(x=np.ones((103, 3)), y=np.arange(103.0), cv=5)
    assert [len(side) for _, side in result.folds] == [21, 21, 21, 20, 20]
    count = np.bincount(np.concatenate([side for _, side in result.folds]))
    assert (count == 1).all() and len(count) == 103


def test_predictions_are_the_mean_over_repeats(untrained):
    cv = model_selection.RepeatedKFold(n_splits=2, n_repeats=3, random_state=0)
    models = []

    def build_model():
        models.append(builder()())
        return models[-1]

    result = run(build_model, cv=cv)
    total = np.zeros(60)
    for model, (_, side) in zip(models, result.folds, strict=True):
        total[side] += model.predict(X[side], verbose=0)[:, 0]
    np.testing.assert_allclose(result.predictions, total / 3, rtol=1e-5)


@pytest.mark.slow
def test_leave_one_out_scores_each_row(untrained):
    build = builder(loss=BCE(from_logits=True))
    result = run(build, y=BINARY, cv=model_selection.LeaveOneOut())
    assert len(result.scores["accuracy"]) == 60
    assert result.mean["accuracy"] == np.mean((result.predictions > 0.5) == BINARY)


@pytest.mark.parametrize("options, message", [
    ({"n_splits": 1}, "n_splits=1"), ({"n_splits": True}, "n_splits=True"),
    ({"window": 0}, "window=0"), ({"horizon": 0}, "horizon=0"), ({"embargo": -1}, "embargo=-1"),
    ({"embargo": None}, "embargo=None"), ({"horizon": 2.0}, "horizon=2.0"),
])  # fmt: skip
def test_walk_forward_checks_its_arguments(options, message):
    with pytest.raises(ValueError, match=f"must be an integer of at least.*Received: {message}"):
        WalkForward(**options)


@pytest.mark.parametrize("window", [None, 12])
@pytest.mark.parametrize("embargo", [0, 3])
def test_walk_forward_goes_forward(window, embargo):
    cv = WalkForward(4, window=window, horizon=6, embargo=embargo)
    folds = list(cv.split(X))
    assert len(folds) == cv.get_n_splits() == 4
    for k, (train, side) in enumerate(folds):
        assert side[0] - train[-1] == embargo + 1 and len(side) == 6
        assert side[0] == 60 - 24 + 6 * k
        assert train[0] == (0 if window is None else train[-1] - 11)
    theirs = model_selection.TimeSeriesSplit(4, max_train_size=window, test_size=6, gap=embargo)
    for ours, other in zip(folds, theirs.split(X), strict=True):
        np.testing.assert_array_equal(ours[0], other[0])
    assert repr(cv) == f"WalkForward(embargo={embargo}, horizon=6, n_splits=4, window={window})"


def test_walk_forward_never_shortens_a_window():
    with pytest.raises(ValueError, match=r"needs 24 rows.*40 before them.*Received: 60 rows"):
        list(WalkForward(4, window=40, horizon=6).split(X))
    with pytest.raises(ValueError, match=r"Received: 3 rows"):
        list(WalkForward(4).split(X[:3]))


def test_hold_out_keeps_classes_or_the_order_of_time():
    train = np.arange(10, 110)
    labels = np.repeat([0, 1, 2], [0, 90, 60])
    fit, watch = hold_out(train, 0.2, labels, temporal=False, seed=0)
    assert len(watch) == 20 and not np.intersect1d(fit, watch).size
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, watch])), train)
    assert (labels[watch] == 1).sum() == 16  # 80 % of the training rows
    fit, watch = hold_out(train, 0.2, labels, temporal=True, seed=0)
    np.testing.assert_array_equal(watch, np.arange(90, 110))
    with pytest.raises(ValueError, match=r"must leave rows"):
        hold_out(train[:1], 0.2, None, temporal=False, seed=0)


@pytest.mark.parametrize(
    "cv",
    [3, model_selection.KFold(3, shuffle=True), SPLITTERS["ShuffleSplit"], [([5, 6], [4])]],
)
def test_the_future_is_refused(cv):
    with pytest.raises(ValueError, match=r"temporal=True.*seen the future.*WalkForward"):
        run(cv=cv, temporal=True)


@pytest.mark.parametrize("cv", [SPLITTERS["WalkForward"], SPLITTERS["TimeSeriesSplit"]])
def test_the_past_is_welcome(cv, untrained):
    result = run(cv=cv, temporal=True)
    assert all(train.max() < side.min() for train, side in result.folds)


@pytest.mark.parametrize("cv", [3, model_selection.KFold(3, shuffle=True), SPLITTERS["pairs"]])
def test_divided_groups_are_refused(cv):
    groups = np.array(list("abcdefghijklmnopqrst") * 3)
    with pytest.raises(ValueError, match=r"keep groups whole: in fold 0, group . .*GroupKFold"):
        run(cv=cv, groups=groups)


def test_groups_need_a_value_a_row():
    with pytest.raises(ValueError, match=r"each of the 60 rows. Received: shape \(59,\)"):
        run(groups=np.arange(59))


def test_the_way_out_for_groups_in_time_works(untrained):
    days = np.repeat(np.arange(20), 3)
    cv = WalkForward(3, horizon=10)
    with pytest.raises(ValueError, match=r"group \d+ is on both sides") as told:
        run(cv=cv, groups=days, temporal=True)
    text = str(told.value)
    assert "GroupKFold" not in text
    namespace = {"np": np, "groups": days, "WalkForward": WalkForward}
    code = text[text.index("days, rows =") : text.index(". (np.unique")]
    exec(code, namespace)
    result = run(cv=namespace["cv"], groups=days, temporal=True)
    assert len(result.folds) == 5
    for train, side in result.folds:
        assert days[train].max() < days[side].min()


def test_groups_that_a_splitter_leaves_aside_are_no_warning(untrained):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(cv=[(np.arange(30), np.arange(30, 60))], groups=np.arange(60) // 10)
        whole = model_selection.KFold(6)  # ten rows a fold: groups of ten stay whole
        run(cv=whole, groups=np.arange(60) // 10)


def test_an_embargo_counts_among_the_rows_that_are_needed():
    cv = WalkForward(2, window=4, horizon=2, embargo=1)
    with pytest.raises(ValueError, match=r"needs 5 rows.*4 before them.*Received: 8 rows"):
        list(cv.split(range(8)))
    assert [len(train) for train, _ in cv.split(range(9))] == [4, 4]
    expanding = WalkForward(2, horizon=2, embargo=3)
    with pytest.raises(ValueError, match="Received: 7 rows"):
        list(expanding.split(range(7)))
    assert [list(train) for train, _ in expanding.split(range(8))] == [[0], [0, 1, 2]]


@pytest.mark.parametrize(
    "share, rows, count",
    [(0.29, 100, 29), (0.1, 19, 2), (0.5, 3, 2), (0.01, 10, 1), (0.58, 50, 29)],
)
@pytest.mark.parametrize("temporal", [False, True])
def test_the_share_to_watch_is_rounded(share, rows, count, temporal):
    fit, watch = hold_out(np.arange(rows), share, None, temporal, seed=0)
    assert (len(fit), len(watch)) == (rows - count, count)
