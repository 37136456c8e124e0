"""Cross-validation: checks, hints, quiz and cards."""

import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code, lesson, with_article
from coursekit.lessons._combined import fewest, slips_found

check = Lesson("cross_validation", "Which score can you believe?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Five folds of 103 rows",
    messages={
        "count": "{got} has {count} sizes. K = 5 folds have five.",
        "fraction": "{got} has parts of rows. 103 / 5 is 20.6, but a fold holds whole rows.",
        "dropped": "{got} adds up to {total}: three rows would never validate. Every row is "
        "validated exactly once.",
        "rest": "{got} puts all the rest into one fold. That fold trains on {train} rows and "
        "the others on 83: share the rest out, one row a fold.",
        "total": "{got} adds up to {total}. The folds hold 103 rows together, each row once.",
        "training": "{got}: these are sizes of training parts. A fold is the part that validates.",
        "uneven": "{got} adds up to 103, but the largest fold has {more} rows more than the "
        "smallest. Folds are as equal as they can be: they differ by one row at most.",
    },
    hints=[
        "Every row validates once, so the sizes add up to 103; and they are as equal as can be.",
        "103 = 5 x 20 + 3. Three folds take one row more.",
        "`fold_sizes = [..., ..., ..., 20, 20]`",
    ],
    why="Five folds of 20 leave three rows. They go to three different folds, so that sizes differ "
    "by one at most and no row is lost.",
    alternative="`[len(v) for _, v in KFold(5).split(np.zeros(103))]` asks scikit-learn; the order "
    "of the sizes does not matter.",
)
def fold_sizes(answer):
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, str):
        answer = [float(part) for part in re.findall(r"\d+\.?\d*", answer)]
    if not hasattr(answer, "__array__"):
        answer = expect.items(answer, at_most=200, what="`fold_sizes`")
    sizes = expect.array(answer, what="`fold_sizes`").ravel()
    shown = [float(s) if s != int(s) else int(s) for s in sizes]
    if len(sizes) != 5:
        raise Wrong("count", got=shown, count=len(sizes))
    if (sizes != np.round(sizes)).any():
        raise Wrong("fraction", got=shown)
    if ((sizes > 75) & (sizes < 90)).all():
        raise Wrong("training", got=shown)
    total = int(sizes.sum())
    if total == 100 and not np.ptp(sizes):
        raise Wrong("dropped", got=shown, total=total)
    if total != 103:
        raise Wrong("total", got=shown, total=total)
    if sorted(shown) == [20, 20, 20, 20, 23]:
        raise Wrong("rest", got=shown, train=80)
    if np.ptp(sizes) > 1:
        raise Wrong("uneven", got=shown, more=int(np.ptp(sizes)))


# --------------------------------------------------------------------------------------------------


SCORE_MESSAGES = {
    "outside": "your scores {got} are those of a scaler fitted on all {rows} rows. The validation "
    "rows, here with outliers among them, have then helped to scale the training rows.",
    "own": "your scores {got} arise when the validation rows are scaled by their own mean and "
    "spread. The model then meets them in other units than it was fitted in.",
    "validation_raw": "your scores {got} arise when the model is fitted on scaled rows and scored "
    "on raw ones.",
    "not_scaled": "your scores {got} arise without any scaling: the widest column decides alone.",
    "by_validation": "your scores {got} are those of a scaler fitted on the validation rows. In "
    "use a single row may come.",
    "sides": "your scores {got} arise when the two sides of a fold change places: the model is "
    "fitted on the validation rows, and scored on the training rows.",
    "reused": "one and the same model goes from fold to fold in {got}, and keeps what it has "
    "learned, as a Keras model does: it has already trained on rows that it is scored on.",
    "percent": "your scores {got} are in percent; an accuracy lies between 0 and 1.",
    "errors": "your scores {got} are the shares of wrong predictions.",
    "counts": "your scores {got} count the right predictions; an accuracy is their share.",
    "backwards": "your scores {got} stand in the order from the last fold to the first.",
}


@check.exercise(
    title="Scale inside the fold",
    messages={
        "mean": "you return one number, the mean of the scores. Return a score for each of the "
        "{count} folds: the mean hides how far they lie apart.",
        "one_number": "you return {got}, one number. Return a score for each of the {count} folds.",
        "first_only": "you return one score for {count} folds, that of the first one. Is `return` "
        "inside the loop?",
        "last_only": "you return one score for {count} folds, that of the last one. Is the list "
        "made anew in each round of the loop?",
        "count": "you return {got} scores for {count} folds.",
        "on_train": "every fold scores {got}. Our model remembers each row it was fitted on, so "
        "that is its score on training rows. Score the validation rows.",
        "reused": "the first fold scores {first}, the later ones {rest}. One and the same model "
        "goes from fold to fold, and keeps what it has learned, as a Keras model does: it has "
        "already trained on the rows that it is scored on. Call `build()` in each fold.",
        **SCORE_MESSAGES,
        "several": "your scores {got} show more than one thing.",
        "scores": "your scores are {got}, for {count} folds. None of the slips that we know gives "
        "them. Follow one fold: which rows does the scaler see, which the model, which are scored?",
    },
    hints=[
        "Whatever learns from data belongs to the fold: the model, and the scaler too.",
        "In each fold: a new scaler fitted on `x[train]`, a new model from `build()`.",
        "`scaler = StandardScaler().fit(x[train])`, then "
        "`build().fit(scaler.transform(x[train]), y[train])`, and `.score(...)` on "
        "`scaler.transform(x[validation])`.",
    ],
    hints_for={
        "own": "`fit_transform` fits anew. For the validation rows there is `transform`.",
        "reused": "Count how often `build()` runs: once, or once a fold?",
    },
    why="The scaler's mean and spread are learned from data, like weights. Both are learned from "
    "the training rows of the fold and applied to its validation rows.",
    alternative="`cross_val_score(make_pipeline(StandardScaler(), build()), x, y, cv=folds)` does "
    "it all: a pipeline is cloned and fitted in each fold.",
)
def score_folds(answer):
    expect.function(answer, "`score_folds`")
    x, y, folds = _scaling_data()
    with learner_code():
        got = answer(_model_class(), x, y, folds)
    if isinstance(got, dict) and "test_score" in got:  # of scikit-learn's cross_validate
        got = got["test_score"]
    if got is not None and hasattr(got, "values"):
        got = list(got.values()) if callable(got.values) else got.to_numpy()
    if got is not None and not hasattr(got, "__array__") and hasattr(got, "__iter__"):
        got = expect.items(got, at_most=100)
    got = expect.array(got, what="the result").astype(float)
    right = _fold_scores()
    if got.size == 1:
        one, seen = float(got.reshape(())), {"got": float(got.reshape(())), "count": len(folds)}
        listed = got.ndim > 0
        for value, key in ((right[0], "first_only"), (right[-1], "last_only")):
            if listed and abs(one - value) < 1e-4:
                raise Wrong(key, **seen)
        raise Wrong("mean" if abs(one - right.mean()) < 1e-4 else "one_number", **seen)
    got = got.ravel()
    if len(got) != len(folds):
        raise Wrong("count", got=len(got), count=len(folds))
    if any(_close(got, _fold_scores(scaler=scaler)) for scaler in SCALERS):
        return  # any scaler will do, if it knows the training rows alone
    if _close(got, np.ones(len(folds))):
        raise Wrong("on_train", got=1.0)

    def fits(units, scale, reuse, scaler="standard"):
        return _close(got, UNITS[units](_fold_scores(scale or "inside", scaler, bool(reuse))))

    parts = (UNITS, ("", *SCALES), ("", "reused"))
    for scaler in SCALERS:
        found = fewest(parts, lambda *names, scaler=scaler: fits(*names, scaler))
        if found:
            break
    seen = {"got": _short(got), "rows": len(x), "count": len(folds)}
    raise slips_found(found or ["scores"], SCORE_MESSAGES, **seen)


SCALES = ("outside", "own", "validation_raw", "not_scaled", "by_validation", "sides")
UNITS = {
    "": lambda scores: scores,
    "percent": lambda scores: 100 * scores,
    "errors": lambda scores: 1 - scores,
    "counts": lambda scores: 40 * scores,
    "backwards": lambda scores: scores[::-1],
}


def _close(got, wanted) -> bool:
    return np.allclose(got, wanted, atol=1e-4)


def _short(values) -> list[float]:
    return [round(float(v), 2) for v in values]


SCALERS = {
    "standard": lambda x: (x.mean(0), x.std(0)),
    "sample": lambda x: (x.mean(0), x.std(0, ddof=1)),
    "range": lambda x: (x.min(0), np.ptp(x, 0)),
    "largest": lambda x: (0.0, np.abs(x).max(0)),
    "robust": lambda x: (np.median(x, 0), np.subtract(*np.percentile(x, [75, 25], 0))),
}


def _scaling_data():
    """Return rows whose scores tell each way of scaling from every other one."""
    rng = np.random.default_rng(1)
    y = np.arange(160) % 2
    rng.shuffle(y)
    x = rng.normal(size=(160, 3)) * [1.0, 0.1, 30.0]
    x[:, 0] += 1.1 * y
    x[:, 1] += 0.12 * y
    x[:8, 0] += 9.0  # outliers, all in the first fold's validation rows
    x[15:20, 1] -= 2.5
    rows = np.arange(160)
    folds = [(np.delete(rows, v), v) for v in np.split(rows, 4)]
    return x, y, folds


def _model_class():
    """Return the model: its nearest neighbour, among all rows that it was ever fitted on."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Remembers(ClassifierMixin, BaseEstimator):
        """Keeps what it has learned when it is fitted again, as a Keras model does."""

        def fit(self, x, y, **_):
            x, y = np.asarray(x, float), np.asarray(y)
            if hasattr(self, "x_"):
                x, y = np.concatenate([self.x_, x]), np.concatenate([self.y_, y])
            self.x_, self.y_, self.classes_ = x, y, np.unique(y)
            return self

        def predict(self, x, **_):
            x = np.asarray(x, float)
            return self.y_[((x[:, None] - self.x_) ** 2).sum(-1).argmin(1)]

    return Remembers


def _fold_scores(scale="inside", scaler="standard", reuse=False):
    """Return the folds' scores of the right way, or of a named wrong one."""
    x, y, folds = _scaling_data()
    build, known = _model_class(), SCALERS[scaler]
    model, scores = build(), []
    for train, validation in folds:
        if not reuse:
            model = build()
        if scale == "sides":
            train, validation = validation, train
        nothing = (0.0, 1.0)
        first = {"outside": known(x), "not_scaled": nothing, "by_validation": known(x[validation])}
        fitted = first.get(scale, known(x[train]))
        later = {"own": known(x[validation]), "validation_raw": nothing}.get(scale, fitted)
        model.fit((x[train] - fitted[0]) / fitted[1], y[train])
        predicted = model.predict((x[validation] - later[0]) / later[1])
        scores.append(np.mean(predicted == y[validation]))
    return np.array(scores)


# --------------------------------------------------------------------------------------------------

WAYS = ("shuffled", "stratified", "by code", "by vendor", "by day", "walk-forward")
ALSO = {
    "kfold": "shuffled",
    "random": "shuffled",
    "stratifiedkfold": "stratified",
    "timeseriessplit": "walk-forward",
    "timeseries": "walk-forward",
    "walkforward": "walk-forward",
    "code": "by code",
    "vendor": "by vendor",
    "day": "by day",
}


WAY_MESSAGES = {
    "penguins_shuffled": "shuffled folds of the penguins are no leak, but Chinstraps are rare, and "
    "a small fold may get few of them. There is a way that keeps the shares.",
    "penguins_way": '"{penguins}" does not fit the penguins: their rows have no code, no vendor '
    "and no day, and we do not predict the future. Rare species should be in every fold.",
    "emoji_vendor": "with vendors apart each emoji is still on both sides, drawn by another hand. "
    "That answers how good the model is on a new vendor; we asked about a new emoji.",
    "emoji_way": 'split "{emoji}", the drawings of one emoji fall on both sides, and the model '
    "recognises the twin. What must stay together?",
    "births_way": 'split "{births}", a fold trains on days after those it validates. In use the '
    "model knows the past alone.",
    "flights_way": 'split "{flights}", the flights of one storm fall on both sides: the model '
    "learns the day. What do the flights of a storm share?",
}


@check.exercise(
    title="Choose the splitter",
    messages={
        "keys": "the answer needs the keys penguins, emoji, births and flights; yours has {got}.",
        "way": "for {data} you wrote {got}; choose one of {wanted}.",
        "shuffled_all": "you shuffle all four. That is right only where rows are independent; "
        "here emoji have twins, births have neighbours in time, and flights share a storm.",
        **WAY_MESSAGES,
        "several": "more than one of them is not split as it will be used.",
    },
    hints=[
        "Ask of each set: what will be new when the model is used? That must be new in validation.",
        "New bird, new emoji, a future day, a day not yet seen.",
        '`{"penguins": "stra...", "emoji": "by c...", "births": "walk...", "flights": "by d..."}`',
    ],
    hints_for={"emoji_vendor": "Which column has one value for all drawings of one emoji?"},
    why="Validation should be as new as use will be. Birds are independent, so the shares of the "
    "species decide; emoji come as twins; births are a forecast; flights of a day share its storm.",
    alternative='"walk-forward" is right for the flights too, if you forecast: it never validates '
    "the first months, though.",
)
def splitter(answer):
    if not isinstance(answer, dict):
        raise Wrong("type", what="`splitter`", wanted="a dict", got=with_article(answer))
    names = ("penguins", "emoji", "births", "flights")
    keys = {str(k).strip().lower(): v for k, v in answer.items()}
    if set(keys) != set(names):
        raise Wrong("keys", got=", ".join(map(str, answer)) or "none")
    ways = {name: _way(name, keys[name]) for name in names}
    if set(ways.values()) == {"shuffled"}:
        raise Wrong("shuffled_all")
    found = []
    if ways["penguins"] != "stratified":
        is_shuffled = ways["penguins"] == "shuffled"
        found.append("penguins_shuffled" if is_shuffled else "penguins_way")
    if ways["emoji"] != "by code":
        found.append("emoji_vendor" if ways["emoji"] == "by vendor" else "emoji_way")
    if ways["births"] != "walk-forward":
        found.append("births_way")
    if ways["flights"] not in ("by day", "walk-forward"):
        found.append("flights_way")
    if found:
        raise slips_found(found, WAY_MESSAGES, **ways)


def _way(data: str, given) -> str:
    text = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    plain = re.sub(r"\(.*|[^a-z]", "", str(text).lower())
    plain = re.sub(r"^(group(ed)?(k?fold)?|split|folds)|(split|folds|s)$", "", plain) or plain
    for way in WAYS:
        if plain == re.sub(r"[^a-z]", "", way):
            return way
    if plain in ALSO:
        return ALSO[plain]
    raise Wrong("way", data=data, got=given, wanted=", ".join(WAYS))


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Walk forward",
    messages={
        "pairs": "each fold should be a pair `(train, validation)` of row numbers; the first one "
        "is {got}.",
        "range": "fold {fold} holds row {row}, and there are rows 0 to {last}.",
        "empty": "fold {fold} has no {side} rows.",
        "scattered": "fold {fold} validates rows {got}: they were shuffled. A validation block is "
        "a stretch of time.",
        "overlap": "row {row} trains and validates in fold {fold}: the score would measure memory.",
        "future": "fold {fold} trains on row {train} and validates row {validation}, which is "
        "earlier: the model has seen the future.",
        "count": "for `folds={folds}` you give {got} folds.",
        "horizon": "fold {fold} validates {got} rows; `horizon={wanted}`.",
        "embargo": "fold {fold} trains up to row {train} and validates from row {validation}: "
        "{got} rows lie between. `embargo={wanted}` says how many to leave out.",
        "holes": "fold {fold} trains on {got} rows with holes between them. Train on an unbroken "
        "stretch of the past.",
        "gap": "your validation blocks start at rows {got}, and hold {horizon} rows each: a block "
        "should begin where the one before ends.",
        "blocks": "your validation blocks start at rows {got}, and hold {horizon} rows each: the "
        "last one ends with row {end}, and the last row is {last}.",
    },
    hints=[
        "Place the validation blocks first, from the end of the series; then see what lies before.",
        "Block k starts at `rows - (folds - k) * horizon`, for k = 0, 1, ...",
        "`start = rows - (folds - k) * horizon`; train is `np.arange(start - embargo)`, validation "
        "`np.arange(start, start + horizon)`.",
    ],
    hints_for={
        "embargo": "The training rows end `embargo` rows before the block starts.",
        "scattered": "`KFold(shuffle=True)` cannot be used here: it mixes past and future.",
    },
    why="Each block is predicted by what lies before it, as in use. The embargo drops the rows "
    "whose targets or features reach into the block.",
    alternative="a sliding window, which drops the oldest rows, is as right: old data may mislead. "
    "`WalkForward(folds, horizon=horizon, embargo=embargo).split(range(rows))` does it too.",
)
def walk_forward(answer):
    expect.function(answer, "`walk_forward`")
    for case in ((20, 4, 3, 2), (103, 5, 10, 0), (31, 3, 5, 1), (15, 2, 4, 3), (9, 4, 1, 0)):
        _judge_walk(answer, *case)


def _judge_walk(answer, rows, folds, horizon, embargo):
    with learner_code():
        found = answer(rows, folds, horizon, embargo)
        found = list(found.values()) if isinstance(found, dict) else found
        found = expect.items(found, at_most=4 * folds + 200)
    pairs = [_sides(pair, k, rows) for k, pair in enumerate(found)]
    if len(pairs) != folds:
        raise Wrong("count", folds=folds, got=len(pairs))
    for k, (train, validation) in enumerate(pairs):
        both = np.intersect1d(train, validation)
        if both.size:
            raise Wrong("overlap", fold=k, row=int(both[0]))
        if np.ptp(validation) != len(validation) - 1:
            raise Wrong("scattered", fold=k, got=np.sort(validation).tolist())
        if train.max() > validation.min():
            raise Wrong("future", fold=k, train=int(train.max()), validation=int(validation.min()))
    for k, (train, validation) in enumerate(pairs):
        if len(validation) != horizon:
            raise Wrong("horizon", fold=k, got=len(validation), wanted=horizon)
        between = int(validation.min() - train.max()) - 1
        if between != embargo:
            place = {"train": int(train.max()), "validation": int(validation.min())}
            raise Wrong("embargo", fold=k, got=between, wanted=embargo, **place)
        if np.ptp(train) != len(np.unique(train)) - 1:
            raise Wrong("holes", fold=k, got=len(train))
    starts = sorted(int(validation.min()) for _, validation in pairs)
    wanted = [rows - (folds - k) * horizon for k in range(folds)]
    if starts != wanted:
        seen = {"got": starts, "horizon": horizon, "end": starts[-1] + horizon - 1}
        even = set(np.diff(starts)) <= {horizon}
        raise Wrong("blocks" if even else "gap", **seen, last=rows - 1)


def _sides(pair, fold, rows):
    if isinstance(pair, np.ndarray) and pair.dtype == object:
        pair = list(pair)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("pairs", got=pair)
    sides = []
    for name, side in zip(("training", "validation"), pair, strict=True):
        if not isinstance(side, slice) and not hasattr(side, "__iter__"):
            raise Wrong("pairs", got=pair)
        if isinstance(side, slice):
            side = np.arange(rows)[side]
        elif not hasattr(side, "__array__"):
            side = expect.items(side, at_most=4 * rows, what=f"the {name} side of a fold")
        side = np.asarray(side) if len(side) else np.array([], int)
        if side.dtype == bool:
            side = np.flatnonzero(side)
        side = expect.array(side, what=f"the {name} side of a fold").ravel()
        if not side.size:
            raise Wrong("empty", fold=fold, side=name)
        outside = side[(side < 0) | (side >= rows)]
        if outside.size:
            raise Wrong("range", fold=fold, row=int(outside[0]), last=rows - 1)
        sides.append(side.astype(int))
    return sides


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Features of the past",
    messages={
        "columns": "the result has shape {got}; expected {wanted}: the lag and the mean as two "
        "columns, a row for each day.",
        "next": "row 10 of your lag column holds {got}: tomorrow's value. `shift(-1)` takes the "
        "next row; `shift(1)` takes the one before.",
        "not_shifted": "row 10 of your lag column holds {got}, the value of the same day: that is "
        "the target itself.",
        "current": "row 10 of your mean holds {got}, the mean of rows 8, 9 and 10. Row 10 is what "
        "the model is to predict; the window should end at row 9.",
        "centred": "row 10 of your mean holds {got}, the mean of rows 9, 10 and 11: a centred "
        "window looks into the future.",
        "sum": "row 10 of your second column holds {got}: the sum of three days, where their mean "
        "is asked for.",
        "swapped": "the columns are swapped: first the lag, then the mean.",
        "wrapped": "row 0 of your lag column holds {got}, the last value of the series. `np.roll` "
        "turns the series round; the first day has no day before it.",
        "filled": "row {row} changes when only later days change: its gap was filled from the "
        "future. Leave it NaN.",
        "future": "we changed the values from row {row} on, and row {row} of your table changed "
        "too. So it holds something of its own day or of later ones.",
        "gap": "row 10 of column {column} is NaN, though all days before it are known.",
        "late": "row 10 of your mean holds {got}: its window ends two days before the day to be "
        "forecast. The day before is known already.",
        "far": "row 10 of your lag column holds {got}, the value of {days} days before.",
        "change": "row 10 of your lag column holds {got}: a change from day to day. The value "
        "of the day before is asked for.",
        "window": "row 10 of your mean holds {got}, a mean of {days} days; three are asked for.",
        "everything": "row 10 of your mean holds {got}, the mean of all days before; the last "
        "three are asked for.",
        "median": "row 10 of your second column holds {got}: the median of the three days.",
        "too_early": "row {row} of column {column} holds {got}, though too few days lie before it. "
        "Keep NaN there: a number made from less is another feature.",
        "values": "row 10 of column {column} holds {got}. Row 10 should depend on rows {rows} "
        "alone: work it out by hand for these.",
    },
    hints=[
        "Ask of each row: was every number in it known on the evening before?",
        "`series.shift(1)` moves all values down by one row. Take the window of that.",
        "`pd.DataFrame({'lag': series.shift(1), 'mean': series.shift(1).rolling(3).mean()})`",
    ],
    hints_for={"current": "Shift first, then roll: the window of yesterday ends yesterday."},
    why="The features of a day may hold nothing of that day or after it. Shift first, then take "
    "the window; the check alters all later values and looks whether a row moves.",
    alternative="`series.rolling(3).mean().shift(1)` gives the same; so does a loop over slices "
    "`series[t-3:t]`.",
)
def past_features(answer):
    import pandas as pd

    expect.function(answer, "`past_features`")
    rng = np.random.default_rng(5)
    values = (50 + 30 * rng.random(24)).round(1)

    def ask(v):
        series = pd.Series(v.copy())
        with learner_code():
            result = answer(series)
        if not np.array_equal(series.to_numpy(), v):
            raise Wrong("mutated", argument="series")
        return _columns(result, len(v))

    lag, mean = ask(values).T
    t = 10
    before = values[t - 3 : t].mean()
    if np.isclose(lag[t], before) and np.isclose(mean[t], values[t - 1]):
        raise Wrong("swapped")
    for value, key in ((values[t + 1], "next"), (values[t], "not_shifted")):
        if np.isclose(lag[t], value):
            raise Wrong(key, got=float(lag[t]))
    for days in range(2, 8):
        if np.isclose(lag[t], values[t - days]):
            raise Wrong("far", got=float(lag[t]), days=days)
    if np.isclose(lag[t], [values[t - 1] - values[t - 2], values[t] - values[t - 1]]).any():
        raise Wrong("change", got=float(lag[t]))
    windows = {
        "current": values[t - 2 : t + 1].mean(),
        "centred": values[t - 1 : t + 2].mean(),
        "late": values[t - 4 : t - 1].mean(),
        "everything": values[:t].mean(),
        "median": np.median(values[t - 3 : t]),
    }
    for days in (2, 4, 5, 7):
        if np.isclose(mean[t], values[t - days : t].mean()):
            raise Wrong("window", got=float(mean[t]), days=days)
    for key, value in {**windows, "sum": 3 * before}.items():
        if np.isclose(mean[t], value):
            raise Wrong(key, got=float(mean[t]))
    if np.isclose(lag[0], values[-1]):
        raise Wrong("wrapped", got=float(lag[0]))
    moving = []
    for row in range(len(values)):
        later = values.copy()
        later[row:] += 100 * rng.random(len(later) - row)
        if not np.allclose(ask(later)[row], [lag[row], mean[row]], equal_nan=True):
            moving.append(row)
    if moving and moving[-1] < 3:
        raise Wrong("filled", row=moving[0])
    if moving:
        raise Wrong("future", row=moving[-1])
    for column, got, wanted in (
        ("one", lag, pd.Series(values).shift(1)),
        ("two", mean, pd.Series(values).shift(1).rolling(3).mean()),
    ):
        wrong = [r for r in (t, *range(3, len(values))) if not np.isclose(got[r], wanted[r])]
        if wrong and np.isnan(got[t]):
            raise Wrong("gap", column=column)
        if wrong:
            r = wrong[0]
            text = f"{float(got[r]):.6g}" if r == t else f"{float(got[r]):.6g} in row {r}"
            raise Wrong("values", column=column, got=text, rows="9" if got is lag else "7 to 9")
    for column, got, short in (("one", lag, range(1)), ("two", mean, range(3))):
        for r in short:
            if not np.isnan(got[r]):
                raise Wrong("too_early", column=column, row=r, got=float(got[r]))


def _columns(result, rows) -> np.ndarray:
    """Return the two columns as an array, with NaN where the past is too short."""
    if result is None:
        raise Wrong("none", what="the result")
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list) and len(result) == 2:
        result = [np.asarray(part, float).ravel() for part in result]
        result = np.stack(result, 1) if len({len(p) for p in result}) == 1 else result[0]
    if hasattr(result, "to_numpy"):
        result = result.to_numpy(dtype=float, na_value=np.nan)
    try:
        result = np.asarray(result, float)
    except (TypeError, ValueError):
        kind = with_article(result)
        raise Wrong("type", what="the result", wanted="two columns", got=kind) from None
    if result.shape != (rows, 2):
        raise Wrong("columns", got=result.shape, wanted=(rows, 2))
    return result


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="The number you report",
    messages={
        "best_validation": "you report {got}, the winner's validation score. It was the highest of "
        "{count}, and luck helped it to be that. Which rows know nothing of the choice?",
        "mean_validation": "you report {got}, the mean of all validation scores. It belongs to "
        "no model.",
        "mean_of_tests": "you report {got}, the mean of the test scores of all candidates. It "
        "says how good a candidate is that you pick blindly, and you opened the vault {times} "
        "times.",
        "best_test": "you report {got}, the best of {count} test scores: you have chosen by the "
        "test rows, so they are validation rows now.",
        "opened_often": "you report the right number, {got}, after you opened the vault {times} "
        "times. Choose first, by the validation scores; then open it once.",
        "not_winner": "you report {got}, the test score of model {which}. The validation scores "
        "chose model {best}.",
        "between": "you report {got}, the mean of the winner's validation and test score. The "
        "first of them is too good, and a mean carries half of that along.",
        "percent": "you report {got}, in percent; give the score as it is.",
        "place": "you report {got}, the number of a model. Report the score of that model.",
        "number": "you report {got}: neither a score of the models nor a mean of them. One number "
        "is to be reported as it comes, from rows that decided nothing.",
    },
    hints=[
        "Two different sets of rows do two different jobs: one chooses, the other one reports.",
        "`np.argmax(scores)` gives the number of the model to choose. Which rows have not yet been "
        "used for anything?",
        '`return vault.evaluate(models[np.argmax(scores)], reason="...")`',
    ],
    why="The validation rows have chosen, so their score of the winner is too good. The vault's "
    "rows have decided nothing: one model, one opening, one number.",
    alternative="`max(zip(scores, models), key=lambda pair: pair[0])[1]` finds the winner without "
    "NumPy; any `reason` in words will do.",
)
def final_number(answer):
    expect.function(answer, "`final_number`")
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        scores = (0.70 + 0.15 * rng.random(20)).round(3)
        tests = (0.62 + 0.15 * rng.random(20)).round(3)
        best = int(scores.argmax())
        tests[best] = 0.6912 + 0.0104 * seed
        models = [_Candidate(k, value) for k, value in enumerate(tests)]
        vault = _CountingVault()
        with learner_code():
            got = answer(scores.tolist(), models, vault)
        if isinstance(got, dict) and len(got) == 1:
            got = next(iter(got.values()))
        _judge_number(expect.number(got, "the reported number"), scores, tests, best, vault.times)


def _judge_number(got, scores, tests, best, times):
    wanted, count = float(tests[best]), len(scores)
    if abs(got - wanted) < 1e-6:
        if times > 1:
            raise Wrong("opened_often", got=got, times=times)
        return
    seen = {"got": got, "count": count, "times": times}
    for value, key in (
        (scores.max(), "best_validation"),
        (scores.mean(), "mean_validation"),
        (tests.mean(), "mean_of_tests"),
        (tests.max(), "best_test"),
        ((scores.max() + wanted) / 2, "between"),
        (100 * wanted, "percent"),
        (best, "place"),
    ):
        if abs(got - value) < 1e-6:
            raise Wrong(key, **seen)
    which = np.flatnonzero(np.abs(tests - got) < 1e-6)
    if len(which):
        raise Wrong("not_winner", got=got, which=int(which[0]), best=best)
    if expect.is_rounded(got, wanted) and times:  # as reports have it
        if times > 1:
            raise Wrong("opened_often", **seen)
        return
    raise Wrong("number", **seen)


class _Candidate:
    """A model that a vault can score: a function of (x, y)."""

    def __init__(self, number, score):
        self.number, self.score = number, float(score)

    def __call__(self, x=None, y=None):
        return self.score

    def __repr__(self):
        return f"<model {self.number}>"


class _CountingVault:
    """A vault that stays open and counts, so that a check can tell what was done with it."""

    def __init__(self):
        self.times = 0

    def evaluate(self, model, *, reason):
        self.times += 1
        if not callable(model):
            raise TypeError(f"`model` must be one of the models. Received: {model!r}")
        return model(None, None)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_spread",
    reasons={
        "a": "One bird of a fold of twelve is worth 0.08 already, so folds cannot agree so well.",
        "b": "That is one bird of twelve. The folds differ by two birds here.",
        "c": "Two birds of twelve make 0.17: the same recipe looks faultless in one fold and "
        "mediocre in another.",
    },
    answer="c",
)
check.prediction(
    "predict_noise",
    reasons={
        "a": "That is the truth about these rows, and what you get if each fold chooses its own "
        "columns. Here the choice had seen every label.",
        "b": "The direction is right. With 2,000 columns to choose from, luck goes further.",
        "c": "Among 2,000 columns of noise some follow the labels by accident, in the rows that "
        "will validate too. Choosing them carries the labels over.",
    },
    answer="c",
)
check.prediction(
    "predict_time",
    reasons={
        "a": "That would hold for rows without neighbours. Here a day's best neighbours are the "
        "same weekdays just before and after it.",
        "b": "Shuffled folds let the model look up next week. Walking forward takes that away.",
        "c": "The latest days are no easier, and the model has less to look up.",
    },
    answer="b",
)
check.prediction(
    "predict_winner",
    reasons={
        "a": "The mean of twenty stays at 0.50. The highest of twenty is another matter.",
        "b": "The winner is lucky on the rows that chose it. New rows know nothing of that luck.",
        "c": "It guesses: on new rows it must fall back to one half.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Ten folds are done, their mean is .93. Which fold's model do you ship?",
    options={
        "a": (
            "none: you fit the recipe once more, on all rows",
            "The folds measured the recipe. Its model is made from all rows.",
        ),
        "b": ("the best fold's", "Its validation rows were the luckiest. That is all it tells."),
        "c": (
            "an average of the ten weights",
            "Networks that began and trained apart have units that do not fit each other: the last "
            "experiment tries it, and loses.",
        ),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "You choose the 20 best of 2,000 columns, with all rows. Then you cross-validate. The score is "
    "...",
    options={
        "a": ("fair: the model was trained inside the folds", "The columns were not chosen there."),
        "b": (
            "too good: the choice has seen the validation labels",
            "Choosing columns learns from labels. It belongs inside the fold.",
        ),
        "c": ("too low: columns are missing", "The columns that are left are those that flatter."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Ten rounds of ten folds: the 100 scores scatter with a standard deviation of .06. What is the "
    "standard error of their mean?",
    options={
        "a": (".06", "That is how far one fold can mislead."),
        "b": (
            ".06 / root of 100",
            "That would need 100 independent scores. The rounds use the same rows again and again.",
        ),
        "c": (
            "clearly more than .006; these numbers do not tell how much",
            "Repeats bring no new row, and no unbiased estimate exists. Give the range.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('training_loop')}: `EarlyStopping` with patience 5 ends a run. By which rows "
    "did it decide?",
    options={
        "a": ("training rows", "Their loss keeps falling; it would never stop by them."),
        "b": ("test rows", "Those stay in the vault."),
        "c": (
            "validation rows, so their best score is a chosen one",
            "It picks the best epoch by them, and that is a choice like any other.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_5",
    f"From {lesson('training_loop')}: you call `fit` on the same model in each fold. What does "
    "fold 2 start from?",
    options={
        "a": ("fresh random weights", "`fit` never resets weights."),
        "b": (
            "the weights of fold 1, trained on rows that fold 2 validates",
            "`fit` continues. So each fold needs a new model from a builder.",
        ),
        "c": ("an error", "Nothing is raised; the scores merely look wonderful."),
    },
    answer="b",
)
check.card(
    "What are training, validation and test rows for?",
    "Training rows (60 to 80 %) set the weights. Validation rows (10 to 20 %) choose settings, "
    "architecture and when to stop. Test rows (10 to 20 %) report once, at the very end.",
)
check.card(
    "Which rows does `fit(validation_split=0.2)` hold out?",
    "The last fifth, cut off before shuffling. Sorted rows leave it classes that were never "
    "trained.",
)
check.card(
    "Leave-one-out: how many trainings, and what speaks for and against it?",
    "N, one a row. It is almost unbiased. Its variance is often called high, which is contested: "
    "with this lesson's nearest centroids it was that of ten folds.",
)
check.card(
    "Name three leaks of validation rows into training.",
    "Columns chosen or scaled outside the fold; twins (the same emoji, the same day) on both "
    "sides; later rows that train for earlier ones.",
)
check.card(
    "You tune by cross-validation. Whose score do you report?",
    "Not the winner's: it is too good. A test set opened once, or nested cross-validation, where "
    "the whole choice is repeated inside each outer fold.",
)
check.card(
    "Which features may a forecast of day t use?",
    "What was known before t: weekday, month, time since an event, lags (`shift(1)`), and rolling "
    "means of shifted values.",
)
