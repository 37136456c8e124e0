"""Right answers of several kinds, and what each wrong one is told."""

import numpy as np
import pandas as pd
import pytest
from answers import row
from sklearn.model_selection import (
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from coursekit.lessons import cross_validation as lesson
from coursekit.validation import WalkForward

FOLDS = [21, 21, 21, 20, 20]


# score_folds


def scored(build, x, y, folds, scaler=StandardScaler):
    scores = []
    for train, validation in folds:
        scaling = scaler().fit(x[train])
        model = build().fit(scaling.transform(x[train]), y[train])
        scores.append(model.score(scaling.transform(x[validation]), y[validation]))
    return scores


def scored_by_pipeline(build, x, y, folds):
    return cross_val_score(make_pipeline(StandardScaler(), build()), x, y, cv=folds)


def scored_by_hand(build, x, y, folds):
    for train, validation in folds:
        mean, spread = x[train].mean(axis=0), x[train].std(axis=0, ddof=1)
        model = build()
        model.fit((x[train] - mean) / spread, y[train])
        yield np.mean(model.predict((x[validation] - mean) / spread) == y[validation])


def scored_by_other_scaler(build, x, y, folds):
    return np.array(scored(build, x, y, folds, MinMaxScaler))


def scored_by_series(build, x, y, folds):
    return pd.Series(scored(build, x, y, folds))


def scaled_outside(build, x, y, folds):
    x = StandardScaler().fit_transform(x)
    return [build().fit(x[t], y[t]).score(x[v], y[v]) for t, v in folds]


def range_outside(build, x, y, folds):
    x = MinMaxScaler().fit_transform(x)
    return [build().fit(x[t], y[t]).score(x[v], y[v]) for t, v in folds]


def one_model(build, x, y, folds):
    model, scores = build(), []
    for train, validation in folds:
        scaler = StandardScaler().fit(x[train])
        model.fit(scaler.transform(x[train]), y[train])
        scores.append(model.score(scaler.transform(x[validation]), y[validation]))
    return scores


def one_model_scaled_outside(build, x, y, folds):
    x, model = StandardScaler().fit_transform(x), build()
    return [model.fit(x[t], y[t]).score(x[v], y[v]) for t, v in folds]


def on_training_rows(build, x, y, folds):
    return scored(build, x, y, [(t, t) for t, v in folds])


def scaled_on_its_own(build, x, y, folds):
    scaler, scores = StandardScaler(), []
    for train, validation in folds:
        model = build().fit(scaler.fit_transform(x[train]), y[train])
        scores.append(model.score(scaler.fit_transform(x[validation]), y[validation]))
    return scores


def validation_left_raw(build, x, y, folds):
    scaler = StandardScaler()
    return [build().fit(scaler.fit_transform(x[t]), y[t]).score(x[v], y[v]) for t, v in folds]


def never_scaled(build, x, y, folds):
    return [build().fit(x[t], y[t]).score(x[v], y[v]) for t, v in folds]


def sides_swapped(build, x, y, folds):
    return scored(build, x, y, [(v, t) for t, v in folds])


def shares_of_errors(build, x, y, folds):
    return [1 - score for score in scored(build, x, y, folds)]


def scaled_by_validation(build, x, y, folds):
    scores = []
    for train, validation in folds:
        scaling = StandardScaler().fit(x[validation])
        model = build().fit(scaling.transform(x[train]), y[train])
        scores.append(model.score(scaling.transform(x[validation]), y[validation]))
    return scores


def scored_by_library(build, x, y, folds):
    return cross_validate(make_pipeline(StandardScaler(), build()), x, y, cv=folds)


def scored_by_two_processes(build, x, y, folds):
    return cross_val_score(make_pipeline(StandardScaler(), build()), x, y, cv=folds, n_jobs=2)


def scaled_in_place(build, x, y, folds):
    x -= x.mean(axis=0)
    return scored(build, x, y, folds)


# splitter


def ways(penguins="stratified", emoji="by code", births="walk-forward", flights="by day"):
    return {"penguins": penguins, "emoji": emoji, "births": births, "flights": flights}


# walk_forward


def walk(rows, folds, horizon, embargo):
    for k in range(folds):
        start = rows - (folds - k) * horizon
        yield np.arange(start - embargo), np.arange(start, start + horizon)


def walk_list(rows, folds, horizon, embargo):
    ends = range(rows - folds * horizon, rows, horizon)
    return [(range(end - embargo), list(range(end, end + horizon))) for end in ends]


def walk_sliding(rows, folds, horizon, embargo):
    return WalkForward(folds, window=horizon, horizon=horizon, embargo=embargo).split(range(rows))


def walk_sklearn(rows, folds, horizon, embargo):
    cv = TimeSeriesSplit(n_splits=folds, test_size=horizon, gap=embargo)
    return cv.split(np.zeros((rows, 1)))


def walk_masks(rows, folds, horizon, embargo):
    every = np.arange(rows)
    for train, validation in walk(rows, folds, horizon, embargo):
        yield np.isin(every, train), np.isin(every, validation)


def walk_slices(rows, folds, horizon, embargo):
    for train, validation in walk(rows, folds, horizon, embargo):
        yield slice(0, len(train)), slice(validation[0], validation[-1] + 1)


def walk_latest_first(rows, folds, horizon, embargo):
    return list(walk(rows, folds, horizon, embargo))[::-1]


def walk_shuffled(rows, folds, horizon, embargo):
    return KFold(folds, shuffle=True, random_state=0).split(np.zeros(rows))


def walk_kfold(rows, folds, horizon, embargo):
    return KFold(folds).split(np.zeros(rows))


def walk_swapped(*case):
    return [(validation, train) for train, validation in walk(*case)]


def walk_no_embargo(rows, folds, horizon, embargo):
    return walk(rows, folds, horizon, 0)


def walk_embargo_by_one(rows, folds, horizon, embargo):
    return walk(rows, folds, horizon, embargo + 1)


def walk_overlap(rows, folds, horizon, embargo):
    for _, validation in walk(rows, folds, horizon, embargo):
        yield np.arange(validation[0] + 1), validation


def walk_from_the_start(rows, folds, horizon, embargo):
    for k in range(folds):
        start = horizon * (k + 1) + embargo
        yield np.arange(start - embargo), np.arange(start, start + horizon)


def walk_from_zero(rows, folds, horizon, embargo):
    for k in range(folds):
        yield np.arange(k * horizon), np.arange(k * horizon, (k + 1) * horizon)


def walk_rest(rows, folds, horizon, embargo):
    for train, validation in walk(rows, folds, horizon, embargo):
        yield train, np.arange(validation[0], rows)


def walk_holes(rows, folds, horizon, embargo):
    for train, validation in walk(rows, folds, horizon, embargo):
        yield train[train % 2 == train[-1] % 2], validation


def walk_past_the_end(rows, folds, horizon, embargo):
    for train, validation in walk(rows, folds, horizon, embargo):
        yield train, validation + 1


def walk_one_short(rows, folds, horizon, embargo):
    return list(walk(rows, folds, horizon, embargo))[1:]


def walk_validation_alone(*case):
    return [validation for _, validation in walk(*case)]


def walk_objects(*case):
    for pair in walk(*case):
        both = np.empty(2, object)
        both[:] = pair
        yield both


def walk_every_other(rows, folds, horizon, embargo):
    for k in range(folds):
        start = rows - horizon - (folds - 1 - k) * max(1, horizon - 1)
        yield np.arange(start - embargo), np.arange(start, start + horizon)


def walk_overlapping_blocks(rows, folds, horizon, embargo):
    for k in range(folds):
        start = rows - horizon - (folds - 1 - k)
        yield np.arange(start - embargo), np.arange(start, start + horizon)


# final_number


def final(scores, models, vault):
    return vault.evaluate(models[int(np.argmax(scores))], reason="the report")


def final_by_sorting(scores, models, vault):
    _, best = max(zip(scores, models, strict=True), key=lambda pair: pair[0])
    return {"accuracy": vault.evaluate(best, reason="final")}


def every_test(scores, models, vault):
    return [vault.evaluate(model, reason="compare") for model in models]


def right_but_curious(scores, models, vault):
    return every_test(scores, models, vault)[int(np.argmax(scores))]


def cautious(scores, models, vault):
    return min(max(scores), final(scores, models, vault)) - 0.01


# past_features


def past(series):
    return pd.DataFrame({"a": series.shift(1), "b": series.shift(1).rolling(3).mean()})


def past_concat(series):
    return pd.concat([series.shift(), series.rolling(3).mean().shift()], axis=1)


def past_loop(series):
    v = series.to_numpy()
    result = np.full((len(v), 2), np.nan)
    for t in range(1, len(v)):
        result[t, 0] = v[t - 1]
        if t >= 3:
            result[t, 1] = v[t - 3 : t].mean()
    return result


def past_short_windows(series):
    return series.shift(1), series.shift(1).rolling(3, min_periods=1).mean()


def past_zeros(series):
    return past(series).fillna(0)


def features(lag, mean):
    return lambda series: pd.DataFrame({"lag": lag(series), "mean": mean(series)})


def lag_1(s):
    return s.shift(1)


def mean_3(s):
    return s.shift(1).rolling(3).mean()


def rolled_round(series):
    return features(lambda s: np.roll(s, 1), mean_3)(series)


def in_place(series):
    series[:] = series.shift(1)
    return past(series)


ANSWERS = [
    row("fold_sizes", "ok", FOLDS),
    row("fold_sizes", "alternative", (20, 21, 20, 21, 21)),
    row("fold_sizes", "alternative", [len(v) for _, v in KFold(5).split(np.zeros(103))]),
    row("fold_sizes", "alternative", np.array(FOLDS, float)),
    row("fold_sizes", "todo", ...),
    row("fold_sizes", "dropped", [20] * 5),
    row("fold_sizes", "rest", [20, 20, 20, 20, 23]),
    row("fold_sizes", "fraction", [20.6] * 5),
    row("fold_sizes", "count", [21, 21, 21, 40]),
    row("fold_sizes", "type", 20),
    row("fold_sizes", "alternative", "21, 21, 21, 20 and 20"),
    row("fold_sizes", "alternative", dict(enumerate(FOLDS))),
    row("fold_sizes", "training", [82, 82, 82, 83, 83]),
    row("fold_sizes", "training", [103 - 21] * 5),
    row("fold_sizes", "count", [103]),
    row("fold_sizes", "count", [21, 20]),
    row("fold_sizes", "count", 5 * FOLDS),
    row("fold_sizes", "total", [5] * 5),
    row("fold_sizes", "total", [-1e6, 0, 3, 4, 5]),
    row("fold_sizes", "uneven", [23, 23, 19, 19, 19]),
    row("fold_sizes", "uneven", [103, 0, 0, 0, 0]),
    row("fold_sizes", "fraction", [20, 20, 20, 20, 20.5]),
    row("fold_sizes", "total", [21] * 5),
    row("fold_sizes", "uneven", [22, 21, 20, 20, 20]),
    row("fold_sizes", "none", None),
    row("score_folds", "ok", scored),
    row("score_folds", "alternative", scored_by_pipeline),
    row("score_folds", "alternative", scored_by_hand),
    row("score_folds", "alternative", scored_by_other_scaler),
    row("score_folds", "alternative", scored_by_series),
    row("score_folds", "alternative", lambda *a: tuple(scored(*a))),
    row("score_folds", "alternative", lambda *a: dict(enumerate(scored(*a)))),
    row("score_folds", "todo", lambda build, x, y, folds: ...),
    row("score_folds", "mean", lambda *a: np.mean(scored(*a))),
    row("score_folds", "mean", lambda *a: [np.mean(scored(*a))]),
    row("score_folds", "one_number", lambda *a: np.std(scored(*a))),
    row("score_folds", "one_number", lambda *a: sum(scored(*a))),
    row("score_folds", "one_number", lambda *a: -7.5),
    row("score_folds", "first_only", lambda *a: scored(*a)[:1]),
    row("score_folds", "last_only", lambda *a: scored(*a)[-1:]),
    row("score_folds", "backwards", lambda *a: scored(*a)[::-1]),
    row("score_folds", "several", lambda *a: [100 * s for s in scaled_outside(*a)]),
    row("score_folds", "several", lambda *a: [1 - s for s in never_scaled(*a)]),
    row("score_folds", "several", lambda *a: scaled_on_its_own(*a)[::-1]),
    row("score_folds", "several", one_model_scaled_outside),
    row("score_folds", "scores", lambda *a: [0.5] * 4),
    row("score_folds", "scores", lambda *a: [1e9, -3, 2, 0]),
    row("score_folds", "count", lambda *a: scored(*a)[:-1]),
    row("score_folds", "on_train", on_training_rows),
    row("score_folds", "reused", one_model),
    row("score_folds", "outside", scaled_outside),
    row("score_folds", "outside", range_outside),
    row("score_folds", "own", scaled_on_its_own),
    row("score_folds", "validation_raw", validation_left_raw),
    row("score_folds", "not_scaled", never_scaled),
    row("score_folds", "alternative", scored_by_library),
    row("score_folds", "alternative", scored_by_two_processes),
    row("score_folds", "by_validation", scaled_by_validation),
    row("score_folds", "percent", lambda *a: [100 * score for score in scored(*a)]),
    row("score_folds", "errors", shares_of_errors),
    row("score_folds", "counts", lambda *a: [40 * (1 - share) for share in shares_of_errors(*a)]),
    row("score_folds", "sides", sides_swapped),
    row("score_folds", "mutated", scaled_in_place),
    row("score_folds", "none", lambda *a: None),
    row("score_folds", "signature", lambda build, x, y: []),
    row("score_folds", "raised", lambda build, x, y, folds: build().fit(x).scores),
    row("splitter", "ok", ways()),
    row("splitter", "alternative", ways(flights="Walk_Forward", births="walk forward")),
    row("splitter", "alternative", ways("StratifiedKFold(5)", "code", "TimeSeriesSplit", "by Day")),
    row("splitter", "alternative", ways(StratifiedKFold(5), births=WalkForward)),
    row("splitter", "todo", ways(births=...)),
    row("splitter", "shuffled_all", ways(*["shuffled"] * 4)),
    row("splitter", "penguins_shuffled", ways("KFold")),
    row("splitter", "penguins_way", ways("by day")),
    row("splitter", "emoji_vendor", ways(emoji="by vendor")),
    row("splitter", "emoji_way", ways(emoji="stratified")),
    row("splitter", "births_way", ways(births="by day")),
    row("splitter", "flights_way", ways(flights="stratified")),
    row("splitter", "alternative", ways("stratified k-fold", "grouped by code", flights="day")),
    row("splitter", "alternative", ways("Stratified folds", "GroupKFold by code", "walkforward")),
    row("splitter", "several", ways(emoji="by vendor", births="shuffled")),
    row("splitter", "several", ways(*["stratified"] * 4)),
    row("splitter", "several", ways(*["by day"] * 4)),
    row("splitter", "several", ways("walk-forward", flights="random")),
    row("splitter", "births_way", ways(births="shuffled")),
    row("splitter", "flights_way", ways(flights="by vendor")),
    row("splitter", "way", ways(emoji="GroupKFold")),
    row("splitter", "way", ways(emoji="by storm")),
    row("splitter", "way", ways(emoji="")),
    row("splitter", "way", ways(births=3)),
    row("splitter", "keys", {"penguins": "stratified"}),
    row("splitter", "type", ["stratified", "by code", "walk-forward", "by day"]),
    row("walk_forward", "ok", walk),
    row("walk_forward", "alternative", walk_list),
    row("walk_forward", "alternative", walk_sliding),
    row("walk_forward", "alternative", walk_sklearn),
    row("walk_forward", "alternative", walk_masks),
    row("walk_forward", "alternative", walk_slices),
    row("walk_forward", "alternative", walk_latest_first),
    row("walk_forward", "alternative", lambda *a: dict(enumerate(walk(*a)))),
    row("walk_forward", "todo", lambda *a: (... for _ in range(2))),
    row("walk_forward", "alternative", walk_objects),
    row("walk_forward", "gap", walk_every_other),
    row("walk_forward", "gap", walk_overlapping_blocks),
    row("walk_forward", "count", lambda *a: list(walk(*a)) * 2),
    row(
        "walk_forward",
        "horizon",
        lambda *a: [(t, v[:-1] if len(v) > 1 else v) for t, v in walk(*a)],
    ),
    row("walk_forward", "pairs", lambda *a: [(*pair, 3) for pair in walk(*a)]),
    row("walk_forward", "range", lambda *a: [(t - 1, v) for t, v in walk(*a)]),
    row("walk_forward", "called", 7),
    row("walk_forward", "scattered", walk_shuffled),
    row("walk_forward", "future", walk_kfold),
    row("walk_forward", "future", walk_swapped),
    row("walk_forward", "overlap", walk_overlap),
    row("walk_forward", "embargo", walk_no_embargo),
    row("walk_forward", "embargo", walk_embargo_by_one),
    row("walk_forward", "blocks", walk_from_the_start),
    row("walk_forward", "empty", walk_from_zero),
    row("walk_forward", "horizon", walk_rest),
    row("walk_forward", "holes", walk_holes),
    row("walk_forward", "range", walk_past_the_end),
    row("walk_forward", "count", walk_one_short),
    row("walk_forward", "count", lambda *a: []),
    row("walk_forward", "pairs", walk_validation_alone),
    row("walk_forward", "pairs", lambda *a: [(v[0] - a[3], v[0]) for _, v in walk(*a)]),
    row("walk_forward", "none", lambda *a: None),
    row("final_number", "ok", final),
    row("final_number", "alternative", final_by_sorting),
    row("final_number", "alternative", lambda s, m, v: v.evaluate(m[s.index(max(s))], reason="r")),
    row("final_number", "alternative", lambda *a: round(final(*a), 2)),
    row("final_number", "alternative", lambda *a: round(final(*a), 3)),
    row("final_number", "alternative", lambda *a: np.array([final(*a)])),
    row("final_number", "between", lambda s, m, v: (max(s) + final(s, m, v)) / 2),
    row("final_number", "percent", lambda *a: 100 * final(*a)),
    row("final_number", "number", lambda s, m, v: 0.69),
    row("final_number", "place", lambda s, m, v: np.argmax(s)),
    row("final_number", "number", lambda s, m, v: 1 - final(s, m, v)),
    row("final_number", "number", lambda s, m, v: -1e6),
    row("final_number", "number", lambda s, m, v: np.std(s)),
    row("final_number", "opened_often", lambda *a: round(right_but_curious(*a), 2)),
    row("final_number", "none", lambda s, m, v: print(final(s, m, v))),
    row("final_number", "shape", lambda s, m, v: every_test(s, m, v)),
    row("final_number", "todo", lambda scores, models, vault: ...),
    row("final_number", "best_validation", lambda scores, models, vault: max(scores)),
    row("final_number", "mean_validation", lambda scores, models, vault: np.mean(scores)),
    row("final_number", "mean_of_tests", lambda *a: np.mean(every_test(*a))),
    row("final_number", "best_test", lambda *a: max(every_test(*a))),
    row("final_number", "opened_often", right_but_curious),
    row("final_number", "not_winner", lambda s, m, v: v.evaluate(m[np.argmin(s)], reason="r")),
    row("final_number", "not_winner", lambda s, m, v: v.evaluate(m[-1], reason="r")),
    row("final_number", "number", cautious),
    row("final_number", "shape", every_test),
    row("final_number", "raised", lambda s, m, v: v.evaluate(max(s), reason="r")),
    row("final_number", "none", lambda s, m, v: print(final(s, m, v))),
    row("past_features", "ok", past),
    row("past_features", "alternative", past_concat),
    row("past_features", "alternative", past_loop),
    row("past_features", "too_early", past_short_windows),
    row("past_features", "too_early", past_zeros),
    row("past_features", "alternative", lambda s: {"lag": s.shift(1), "mean": mean_3(s)}),
    row(
        "past_features",
        "alternative",
        lambda s: (
            s.rolling(4)
            .agg(lambda w: w.iloc[:3].mean())
            .to_frame("m")
            .assign(lag=s.shift(1))[["lag", "m"]]
        ),
    ),
    row("past_features", "todo", lambda series: ...),
    row("past_features", "next", features(lambda s: s.shift(-1), mean_3)),
    row("past_features", "not_shifted", features(lambda s: s, mean_3)),
    row("past_features", "current", features(lag_1, lambda s: s.rolling(3).mean())),
    row("past_features", "centred", features(lag_1, lambda s: s.rolling(3, center=True).mean())),
    row("past_features", "sum", features(lag_1, lambda s: s.shift(1).rolling(3).sum())),
    row("past_features", "swapped", features(mean_3, lag_1)),
    row("past_features", "wrapped", rolled_round),
    row("past_features", "filled", lambda series: past(series).bfill()),
    row("past_features", "filled", lambda series: past(series).fillna(series.mean())),
    row("past_features", "change", features(lambda s: s.diff(), mean_3)),
    row("past_features", "future", features(lag_1, lambda s: s.rolling(4).mean())),
    row("past_features", "gap", features(lag_1, lambda s: s.shift(1).rolling(12).mean())),
    row("past_features", "far", features(lambda s: s.shift(2), mean_3)),
    row("past_features", "far", features(lambda s: s.shift(3), mean_3)),
    row("past_features", "change", features(lambda s: s.diff().shift(1), mean_3)),
    row("past_features", "late", features(lag_1, lambda s: s.shift(2).rolling(3).mean())),
    row("past_features", "everything", features(lag_1, lambda s: s.shift(1).expanding(3).mean())),
    row("past_features", "median", features(lag_1, lambda s: s.shift(1).rolling(3).median())),
    row("past_features", "values", features(lag_1, lambda s: s.shift(1).rolling(3).std())),
    row("past_features", "values", features(lag_1, lambda s: s.shift(1).ewm(span=3).mean())),
    row("past_features", "values", features(lambda s: s * 0 - 1e6, mean_3)),
    row("past_features", "values", features(lambda s: 2 * s.shift(1), mean_3)),
    row("past_features", "window", features(lag_1, lambda s: s.shift(1).rolling(4).mean())),
    row("past_features", "columns", lag_1),
    row("past_features", "columns", lambda series: past(series).dropna()),
    row("past_features", "mutated", in_place),
    row("past_features", "none", lambda series: None),
    row("past_features", "type", lambda series: "shift"),
]


def test_answer(answer):
    answer.holds()


def test_each_way_of_scaling_scores_differently():
    """Else a wrong way would pass, or be told that it is another one."""
    kinds = ["inside", "outside", "own", "validation_raw", "not_scaled", "by_validation"]
    fresh = [lesson._fold_scores(scale) for scale in kinds]
    again = [lesson._fold_scores(scale, reuse=True) for scale in kinds]
    for number, scores in enumerate(fresh):
        for other in [*fresh[:number], *again]:
            assert not np.allclose(scores, other), kinds[number]
    honest = [lesson._fold_scores(scaler=scaler) for scaler in lesson.SCALERS]
    for scores in honest:
        for scaler in lesson.SCALERS:
            for scale in kinds[1:]:
                assert not np.allclose(scores, lesson._fold_scores(scale, scaler)), (scaler, scale)


@pytest.mark.parametrize("values", [dict, list, tuple])
def test_the_splitter_check_never_breaks(values):
    assert lesson.check.verdict("splitter", values()).status == "wrong"
