"""How good a model can get on its data: checks, hints, quiz and cards."""

import itertools
import warnings
from collections import Counter

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, lesson
from coursekit.lessons import _data as parts

__all__ = ["check", "parts"]

check = Lesson("data", "How good can the model get on this data?")


def _explain(cases, right, slips, tolerance=1e-4) -> None:
    """Raise `Wrong` unless every answer is the right one.

    Args:
        cases: pairs of an answer and the arguments that it was given for.
        right: a function of these arguments.
        slips: for each way to be wrong its words and a function, likeliest first.
        tolerance: relative, and absolute.
    """
    made = [(np.asarray(got, "float64"), args) for got, args in cases]

    def fits(function):
        with warnings.catch_warnings():  # a slip may divide by 0, or ask for the mean of nothing
            warnings.simplefilter("ignore", RuntimeWarning)
            values = [np.asarray(function(*args), "float64") for _, args in made]
        return all(np.allclose(got, value, rtol=tolerance, atol=tolerance)
                   for (got, _), value in zip(made, values, strict=True))  # fmt: skip

    if fits(right):
        return
    for words, function in slips:
        if fits(function):
            raise Wrong("slip_seen", seen="; ".join(words))
    got, args = next((g, a) for g, a in made
                     if not np.allclose(g, right(*a), rtol=tolerance, atol=tolerance))  # fmt: skip
    raise Wrong("wrong", got=brief(got), given=", ".join(brief(a) for a in args))


SEEN = "{seen}."  # all that is seen in the answer


# --------------------------------------------------------------------------------------------------

COLUMNS = ["Status", "Home", "Age", "Income", "Amount"]


@check.exercise(
    title="Clean the bank's table",
    messages={
        "table": "you return {got}. Return a table with the columns of the one you got.",
        "columns": "the columns {missing} are gone.",
        "code": "{n} incomes are still 9999999.",
        "nan_text": "{n} homes were missing and now are the text {got!r}. One way to get this is "
        "`str` on every value.",
        "spelling": "homes are still spelt in several ways: {got}.",
        "ages": "{n} ages are still negative.",
        "ages_changed": "{n} ages are other than the minus sign explains, such as {got}.",
        "lost": "rows are gone: {gone}.",
        "many_lost": "{n} of {rows} customers are gone, of all kinds. Which line drops them?",
        "changed": "{n} rows agree with no customer. Other cells than the defects have changed, or "
        "no longer stand in the row they belong to.",
        "copies": "{n} rows are there twice.",
        "late_copies": "{n} customers are there twice: their rows agree now, and did not before "
        "homes were spelt alike. In which order do you repair?",
        "filled": "{n} unknown incomes are now {got}. Whose median fills them is the next "
        "exercise; here unknown is NaN.",
        "incomes": "{n} known incomes have changed, such as {was} to {got}. Large ones are real.",
    },
    hints=[
        "Look at each column: `table.Home.value_counts(dropna=False)`, `table.Age.describe()`.",
        "`.replace(9999999, np.nan)`, `.abs()`, `.str.strip().str.lower()`, `.drop_duplicates()`.",
        "One column after the other, `table[...] = table[...]...`; then, of what is repaired, each "
        "row once.",
    ],
    hints_for={"late_copies": 'Rows with "Owner" and "owner" are no copies until both are spelt '
               "alike."},
    why="A code is no number, and unknown is better than wrong. Copies show after the spelling is "
    "one. The rare large incomes are customers.",
    alternative="`table[~table.duplicated()]`, `.mask(table.Income == 9999999)`, or "
    '`.where(table.Age > 0, -table.Age)`.',
    seconds=30,
)  # fmt: skip
def clean(answer):
    expect.function(answer, "`clean`")
    for seed in (1, 2):
        dirty, truth = parts.planted(seed)
        _judge_table(answer(dirty.copy()), dirty, truth)


def _judge_table(got, dirty, truth) -> None:
    if got is None:
        raise Wrong("none", what="the result")
    if not hasattr(got, "columns") or not hasattr(got, "dropna"):
        raise Wrong("table", got=brief(got))
    if missing := [c for c in COLUMNS if c not in got.columns]:
        raise Wrong("columns", missing=", ".join(missing))
    got = got[COLUMNS].reset_index(drop=True)
    for column in ("Age", "Income"):
        try:
            got[column] = got[column].to_numpy("float64", na_value=np.nan)
        except (TypeError, ValueError):
            raise Wrong("type", what=f"`{column}`", wanted="numbers",
                        got=f"a column of {got[column].dtype}") from None  # fmt: skip
    if n := int((got.Income == 9999999).sum()):
        raise Wrong("code", n=n)
    homes = [home for home in got.Home.dropna() if home not in set(truth.Home.dropna())]
    absent = [home for home in homes if str(home).strip().lower() in ("nan", "none", "", "<na>")]
    if absent:
        raise Wrong("nan_text", n=len(absent), got=str(absent[0]))
    if homes:
        raise Wrong("spelling", got=", ".join(sorted({repr(str(home)) for home in homes})[:4]))
    if n := int((got.Age < 0).sum()):
        raise Wrong("ages", n=n)
    _judge_rows(got, dirty, truth)


def _keys(table, columns) -> list[tuple]:
    """Return each row's values in these columns, gaps as None."""
    rows = table[columns].astype(object)
    return [tuple(row) for row in rows.where(rows.notna(), None).to_numpy()]


def _judge_rows(got, dirty, truth) -> None:
    who = ["Status", "Home", "Age", "Amount"]  # one customer each
    there, wanted = (
        Counter(_keys(got, who)),
        dict(zip(_keys(truth, who), truth.Income, strict=True)),
    )
    strange = [key for key in there if key not in wanted]
    gone = [key for key in wanted if key not in there]
    if strange:
        others = {(s, h, a) for s, h, _, a in wanted}
        ages = [key[2] for key in strange if (key[0], key[1], key[3]) in others]
        if len(ages) == len(strange):
            raise Wrong("ages_changed", n=len(ages), got=f"{float(ages[0] or 0):g}")
        raise Wrong("changed", n=len(strange))
    if gone:
        raise _lost(gone, wanted, dirty)
    if copies := sum(count - 1 for count in there.values()):
        exact = int(dirty.duplicated().sum())
        late = copies == len(dirty) - len(truth) - exact
        raise Wrong("late_copies" if late else "copies", n=copies)
    incomes = dict(zip(_keys(got, who), got.Income, strict=True))
    pairs = [(float(wanted[key]), float(incomes[key])) for key in wanted]
    filled = [now for was, now in pairs if np.isnan(was) and not np.isnan(now)]
    if filled:
        raise Wrong("filled", n=len(filled), got=f"{filled[0]:g}")
    changed = [(was, now) for was, now in pairs if not np.isnan(was) and was != now]
    if changed:
        was, now = max(changed)
        raise Wrong("incomes", n=len(changed), was=f"{was:g}", got=f"{now:g}")


def _lost(gone, wanted, dirty) -> Wrong:
    rows = dirty.assign(Age=dirty.Age.abs(), Home=dirty.Home.str.strip().str.lower())
    who = ["Status", "Home", "Age", "Amount"]
    kinds = {
        "with no home": dirty.Home.isna(),
        "whose income was 9999999": dirty.Income == 9999999,
        "with an unknown income": dirty.Income.isna(),
        "with a negative age": dirty.Age < 0,
        "with a real income of 600 or more": (dirty.Income >= 600) & (dirty.Income < 9999999),
        "that came twice": rows.duplicated(keep=False),
    }
    left, said = set(gone), []
    for words, here in kinds.items():
        lost = left & set(_keys(rows[here], who))
        if len(lost) > 1:
            said.append(f"{len(lost)} {words}")
            left -= lost
    if not said or len(left) > 12:
        return Wrong("many_lost", n=len(gone), rows=len(wanted))
    return Wrong("lost", gone=", ".join([*said, *([f"{len(left)} others"] * bool(left))]))


# --------------------------------------------------------------------------------------------------

FILLS = {
    "the median of `train`": lambda train, new: np.nanmedian(train),
    "the mean of `train`": lambda train, new: np.nanmean(train),
    "the median of `new`": lambda train, new: np.nanmedian(new),
    "the mean of `new`": lambda train, new: np.nanmean(new),
    "the median of both": lambda train, new: np.nanmedian(np.concatenate([train, new])),
    "the mean of both": lambda train, new: np.nanmean(np.concatenate([train, new])),
    "0": lambda train, new: 0.0,
    "the median of `train`, its gaps counted as 0": lambda train, new: np.median(
        np.nan_to_num(train)
    ),
    "the median of `new`, where it has one": lambda train, new: np.nanmedian(
        train if np.isnan(new).all() else new
    ),
}


def _filled(fill="the median of `train`", flag="gap", swapped=False):
    def function(train, new):
        gap = np.isnan(new)
        marks = {"gap": gap, "known": ~gap, "none": 0 * gap, "all": gap | True}[flag]
        columns = [np.where(gap, FILLS[fill](train, new), new), marks]
        return np.column_stack(columns[::-1] if swapped else columns)

    return function


def _fill_slips():
    marks = {"gap": None, "known": "the mark is 1 where the income is known",
             "none": "the mark is 0 everywhere", "all": "the mark is 1 everywhere"}  # fmt: skip
    found = []
    for fill, flag, swapped in itertools.product(FILLS, marks, (False, True)):
        words = [f"gaps are filled with {fill}"] * (fill != "the median of `train`")
        words += [marks[flag]] * (flag != "gap")
        words += ["the mark stands in the first column"] * swapped
        found.append((words, _filled(fill, flag, swapped)))
    return sorted(found[1:], key=lambda slip: len(slip[0]))


@check.exercise(
    title="Fill the gaps",
    messages={
        "slip_seen": SEEN,
        "rows": "for {rows} new incomes you return the shape {got}. Wanted is a row for each, with "
        "two numbers: the income, and whether there was a gap.",
        "gaps": "there is still a gap, for train = {train} and new = {new}. One way to get this is "
        "a median that does not know of NaN; another, a median of new rows, which may all be gaps.",
        "known": "known incomes have changed, such as {was} to {got}. Only gaps are filled.",
        "wrong": "for train, new = {given} you return {got}.",
    },
    hints=[
        "A mark for the gaps first: `np.isnan(new)`. Afterwards nobody sees where they were.",
        "`np.nanmedian` leaves gaps out. A new row that comes alone has no median of its own.",
        "`np.where(gap, ..., new)` is the first column, `gap` the second.",
    ],
    why="The median is learned from the training rows and kept, as a weight is. The mark keeps "
    "what the gap says.",
    alternative="pandas: `Series(new).fillna(Series(train).median())`, and `.isna()` for the mark.",
)
def fill_gaps(answer):
    expect.function(answer, "`fill_gaps`")
    gap = np.nan
    pairs = [
        ([10.0, 20.0, gap, 30.0, 900.0], [gap, 50.0, gap, 70.0]),
        ([5.0, gap, 7.0, 400.0], [gap]),
        ([100.0, 120.0, 180.0], [60.0, 20.0]),
    ]
    cases = []
    for pair in pairs:
        train, new = map(np.array, pair)
        value = _plain(answer(train.copy(), new.copy()))
        if value.shape != (len(new), 2):
            raise Wrong("rows", rows=len(new), got=value.shape)
        if np.isnan(value).any():
            raise Wrong("gaps", train=train, new=new)
        now = value[~np.isnan(new), 0]
        moved = now != new[~np.isnan(new)]
        if moved.any() and not np.isin(now, (0, 1)).all():
            raise Wrong("known", was=new[~np.isnan(new)][moved][0], got=now[moved][0])
        cases.append((value, (train, new)))
    _explain(cases, _filled(), _fill_slips())


def _plain(value) -> np.ndarray:
    """Return an answer as an array of floats that may hold NaN."""
    if value is not None and not callable(value) and not isinstance(value, str | dict):
        try:
            return np.asarray(value, "float64")
        except (TypeError, ValueError):
            pass
    return expect.array(value).astype("float64")


# --------------------------------------------------------------------------------------------------


def _encoder(known="other folds", fallback="other folds", count="same"):
    def function(level, y, fold):
        code = np.empty(len(y))
        for k in range(len(y)):
            rows = {
                "other folds": fold != fold[k],
                "all rows": fold == fold,
                "its own fold": fold == fold[k],
                "all rows but itself": np.arange(len(y)) != k,
                "any level": fold != fold[k],
            }
            same = rows[known] & (level == level[k])
            others = rows["other folds"]
            if known == "any level":
                same = others
            empty = {"other folds": others, "all": rows["all rows"], "own": rows["its own fold"]}
            divisor = {"same": same.sum(), "none": 1, "all others": others.sum()}[count]
            nothing = y[empty[fallback]].mean() if fallback in empty else float(fallback)
            code[k] = y[same].sum() / divisor if same.any() else nothing
        return code

    return function


KNOWN = {
    "other folds": None,
    "all rows": "a row's own fold, and so its own `y`, is in its mean",
    "its own fold": "the mean is over the row's own fold, in place of the others",
    "all rows but itself": "the row itself is left out, and the rest of its fold is not",
    "any level": "the mean is over all levels",
}
FALLBACKS = {
    "other folds": None,
    "all": "where the other folds do not have the level, the mean is over all rows: the own fold "
    "is in it",
    "0": "where the other folds do not have the level, the code is 0",
    "own": "where the other folds do not have the level, the mean is over the row's own fold",
    "0.5": "where the other folds do not have the level, the code is 0.5",
}
COUNTED = {
    "same": None,
    "none": "the `y` are added up: a sum, not a mean",
    "all others": "the sum is divided by the number of all rows of the other folds, of any level",
}


@check.exercise(
    title="A mean of others",
    messages={
        "slip_seen": SEEN,
        "rows": "for {rows} rows you return the shape {got}. Wanted is one number for each row.",
        "unseen": "the code of row {k} is NaN: the other folds do not have its level, and the mean "
        "of nothing is no number.",
        "constant": "all rows of one level get one code, in whatever fold they are. A row's code "
        "is that of the other folds.",
        "wrong": "for level, y, fold = {given} you return {got}.",
    },
    hints=[
        "For each row, which rows may be in its mean? Of its level, and of another fold.",
        "`(level == level[k]) & (fold != fold[k])` marks them. It may mark none.",
        "For k in range(len(y)): the marked `y`, if any, else `y[fold != fold[k]]`; the mean.",
    ],
    why="A row's own answer must not be in its own column, or the model copies it. New rows are "
    "coded from all training rows: theirs are not among them.",
    alternative="fold by fold with pandas: `groupby(level).mean()` of the other folds, then "
    "`.reindex` and `.fillna`; or scikit-learn's `TargetEncoder`, which also draws rare levels to "
    "the mean.",
)
def target_encode(answer):
    expect.function(answer, "`target_encode`")
    cases = []
    for case in _level_cases():
        value = _plain(answer(*(array.copy() for array in case)))
        value = value.reshape(-1) if value.size == len(case[0]) else value
        if value.shape != (len(case[0]),):
            raise Wrong("rows", rows=len(case[0]), got=value.shape)
        if np.isnan(value).any():
            raise Wrong("unseen", k=int(np.isnan(value).argmax()))
        cases.append((value, case))
    slips = []
    for known, fallback, count in itertools.product(KNOWN, FALLBACKS, COUNTED):
        words = [w for w in (KNOWN[known], FALLBACKS[fallback], COUNTED[count]) if w]
        slips.append((words, _encoder(known, fallback, count)))
    slips = sorted(slips[1:], key=lambda slip: len(slip[0]))
    (level, _, _), first = cases[0][1], cases[0][0]
    try:
        _explain(cases, _encoder(), slips)
    except Wrong as wrong:
        if wrong.key == "wrong" and all(np.ptp(first[level == one]) < 1e-9 for one in set(level)):
            raise Wrong("constant") from None
        raise


def _level_cases():
    rng = np.random.default_rng(0)
    for names, rows, folds in ((["a", "b", "c"], 12, 3), ([4, 7], 9, 2)):
        level = np.array(names)[rng.integers(0, len(names), rows)]
        level[0] = "z" if isinstance(names[0], str) else 9  # met once: in no other fold
        fold = rng.permutation(np.arange(rows) % folds)
        yield level, rng.integers(0, 2, rows).astype("float64"), fold


# --------------------------------------------------------------------------------------------------

TF = {
    "counts": (None, lambda c: c),
    "one": ("the weight is not multiplied with the count", lambda c: 1.0 * (c >= 0)),
    "seen": ("how often a word stands in a document does not count", lambda c: 1.0 * (c > 0)),
    "log": ("counts enter by their logarithm", np.log1p),
    "share": ("counts are divided by the length of their document",
              lambda c: c / c.sum(axis=1, keepdims=True)),
}  # fmt: skip
HAVE = {
    "documents": (None, lambda c: (c > 0).sum(axis=0)),
    "times": ("n is how often a word occurs in all; it is in how many documents",
              lambda c: c.sum(axis=0)),
}  # fmt: skip
ALL = {
    "documents": (None, len),
    "words": ("N is the number of columns, the words", lambda c: c.shape[1]),
    "length": ("N is the number of all occurrences", lambda c: c.sum()),
}
IDF = {
    "scikit-learn": (None, lambda N, n: np.log((1 + N) / (1 + n)) + 1),
    "no_plus": ("the 1 behind the logarithm is missing", lambda N, n: np.log((1 + N) / (1 + n))),
    "textbook": ("this is the textbooks' weight", lambda N, n: np.log(N / n)),
    "rough": ("the 1 is missing in the fraction, above and below", lambda N, n: np.log(N / n) + 1),
    "below": ("the 1 above in the fraction is missing", lambda N, n: np.log(N / (1 + n)) + 1),
    "keras": ("this is Keras's weight", lambda N, n: np.log(1 + N / (1 + n))),
    "inside": (
        "the last 1 stands inside the logarithm",
        lambda N, n: np.log((1 + N) / (1 + n) + 1),
    ),
    "log10": ("the logarithm is to the base 10", lambda N, n: np.log10((1 + N) / (1 + n)) + 1),
    "log2": ("the logarithm is to the base 2", lambda N, n: np.log2((1 + N) / (1 + n)) + 1),
    "above": ("the 1 below in the fraction is missing", lambda N, n: np.log((1 + N) / n) + 1),
    "brackets": (
        "brackets are missing: `(1 + N) / 1 + n` adds n to the fraction",
        lambda N, n: np.log((1 + N) + n) + 1,
    ),
    "no_log": ("there is no logarithm", lambda N, n: (1 + N) / (1 + n) + 1),
    "ratio": ("the weight is N / n, without a logarithm", lambda N, n: N / n),
    "reversed": ("the fraction is upside down", lambda N, n: np.log((1 + n) / (1 + N)) + 1),
}
LENGTH = {
    "as it is": (None, lambda w: w),
    "unit": ("rows are divided by their length; `norm=None` does not",
             lambda w: w / np.linalg.norm(w, axis=1, keepdims=True)),
}  # fmt: skip


def _weights(
    tf="counts", have="documents", total="documents", idf="scikit-learn", length="as it is"
):
    def function(counts):
        weight = IDF[idf][1](ALL[total][1](counts), HAVE[have][1](counts))
        return LENGTH[length][1](TF[tf][1](counts) * weight)

    return function


@check.exercise(
    title="TF-IDF by hand",
    messages={
        "slip_seen": SEEN,
        "wrong": "for counts = {given} you return {got}.",
    },
    hints=[
        "In how many documents does each word stand? Which entries of its column are not 0?",
        "`(counts > 0).sum(axis=0)` has an entry for each word; `len(counts)` is N.",
        "Counts, times (a logarithm of a fraction, plus 1): NumPy matches the columns itself.",
    ],
    why="A word of all documents keeps the weight 1, a rare one gets more. Each library has its "
    "own formula: say which.",
    alternative="scikit-learn's `TfidfTransformer(norm=None).fit_transform(counts).toarray()`.",
)
def tf_idf(answer):
    expect.function(answer, "`tf_idf`")
    cases = []
    for counts in (
        [[2, 1, 0, 1], [1, 0, 3, 0], [4, 1, 1, 0]],
        [[1, 2], [3, 1], [1, 0], [2, 0], [5, 0]],
    ):
        counts = np.array(counts)
        value = answer(counts.copy())
        value = expect.array(value.toarray() if hasattr(value, "toarray") else value)
        if value.shape != counts.shape:
            raise Wrong("shape", what="the result", wanted=counts.shape, got=value.shape)
        cases.append((value, (counts,)))
    ways = itertools.product(TF, HAVE, ALL, IDF, LENGTH)
    slips = [([w for w in (TF[a][0], HAVE[b][0], ALL[c][0], IDF[d][0], LENGTH[e][0]) if w],
              _weights(a, b, c, d, e)) for a, b, c, d, e in ways]  # fmt: skip
    few = sorted((slip for slip in slips[1:] if len(slip[0]) < 4), key=lambda slip: len(slip[0]))
    _explain(cases, _weights(), few)


# --------------------------------------------------------------------------------------------------

ROWS = {
    "train": (None, lambda train, new: train),
    "new": ("of `new` itself", lambda train, new: new),
    "both": ("of both together", lambda train, new: np.concatenate([train, new])),
}
MIDDLES = {
    "mean": (None, lambda v: v.mean(axis=0)),
    "none": ("the mean is not subtracted", lambda v: 0.0),
    "all": ("the mean is one number for all columns", lambda v: v.mean()),
    "median": ("the median is subtracted, not the mean", lambda v: np.median(v, axis=0)),
    "min": ("the smallest value is subtracted, not the mean", lambda v: v.min(axis=0)),
}
SPREADS = {
    "sd": (None, lambda v: v.std(axis=0)),
    "none": ("nothing is divided by", lambda v: v.std(axis=0) * 0 + 1),
    "variance": ("the divisor is the variance", lambda v: v.var(axis=0)),
    "range": ("the divisor is largest minus smallest", lambda v: np.ptp(v, axis=0)),
    "all": ("the deviation is one number for all columns", lambda v: v.std() + 0 * v[0]),
}


def _scaled(middle_of="train", spread_of="train", middle="mean", spread="sd", ddof=0):
    def function(train, new):
        centre = MIDDLES[middle][1](ROWS[middle_of][1](train, new))
        rows = ROWS[spread_of][1](train, new)
        divisor = rows.std(axis=0, ddof=1) if ddof else SPREADS[spread][1](rows)
        return (new - centre) / np.where(divisor == 0, 1, divisor)

    return function


def _scale_slips():
    found = []
    for a, b, middle, spread in itertools.product(ROWS, ROWS, MIDDLES, SPREADS):
        words = [w for w in (MIDDLES[middle][0], SPREADS[spread][0]) if w]
        if a == b != "train":
            words.append(f"mean and deviation are those {ROWS[a][0]}")
        else:
            words += [f"the mean is that {ROWS[a][0]}"] * (a != "train")
            words += [f"the deviation is that {ROWS[b][0]}"] * (b != "train")
        found.append((words, _scaled(a, b, middle, spread)))
    return sorted(found[1:], key=lambda slip: len(slip[0]))


@check.exercise(
    title="Scale by the training rows",
    messages={
        "slip_seen": SEEN,
        "returned_train": "you return `train` scaled. Wanted is `new`.",
        "constant": "column {k} comes out as {got}. It is constant in `train`, its deviation 0; "
        "then a column is only centred.",
        "alone": "right for several new rows, and not for a single one.",
        "wrong": "for train, new = {given} you return {got}.",
    },
    hints=[
        "Two numbers for each column, learned from `train`; then the same ones for `new`.",
        "`train.mean(axis=0)` and `train.std(axis=0)`. What if the deviation is 0?",
        "`np.where(sd == 0, 1, sd)` is safe to divide by.",
    ],
    why="The scale belongs to the model. A new row is measured with it, even if it then lies far "
    "from 0: that is news.",
    alternative="`layers.Normalization`, adapted to `train`, or scikit-learn's `StandardScaler`, "
    "fitted to it. A deviation with `ddof=1` is fine as well.",
)
def standardise(answer):
    expect.function(answer, "`standardise`")
    rng, cases = np.random.default_rng(0), []
    for rows, number in ((9, 4), (7, 1)):
        train = np.round(rng.normal([20, -3, 500, 7], [4, 1, 90, 0], (rows, 4)), 1)
        new = np.round(rng.normal([26, -3, 700, 7], [3, 2, 80, 1], (number, 4)), 1)
        value = _plain(answer(train.copy(), new.copy()))
        of_train = _scaled()(train, train)
        if value.shape == train.shape and np.allclose(value[:, :3], of_train[:, :3], atol=0.2):
            raise Wrong("returned_train")
        if value.shape != new.shape:
            raise Wrong("shape", what="the result", wanted=new.shape, got=value.shape)
        lost = not np.abs(value[:, 3]).max() < 1e4 or (value.any() and not value[:, 3].any())
        if np.isfinite(value[:, :3]).all() and lost:
            raise Wrong("constant", k=3, got=brief(value[:, 3]))
        cases.append((expect.array(value), (train, new)))
    if all(np.allclose(v, _scaled(ddof=1)(*args), rtol=1e-4) for v, args in cases):
        return
    fits = [np.allclose(v, _scaled()(*args), rtol=1e-4, atol=1e-4) for v, args in cases]
    if fits == [True, False]:
        raise Wrong("alone")
    _explain(cases, _scaled(), _scale_slips())


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Whom to ask again",
    messages={
        "count": "for k = {k} you return {got} row numbers.",
        "no_rows": "{got} is no list of row numbers from 0 to {last}, each once.",
        "losses": "these are losses or probabilities, {got}. Wanted are the numbers of their rows.",
        "shifted": "these are the right rows if the first one were number 1. It is number 0.",
        "surest": "these are the rows with the lowest loss: the nets agree with their labels most.",
        "unsure": "these are the rows where the nets are least sure, whatever the label says. "
        "A row counts where they are sure of another class.",
        "confident": "these are the rows where the nets are surest of some class. Which class is "
        "in the label?",
        "mismatch": "each of these rows has another likeliest class than its label, but they are "
        "not the {k} with the highest loss. Disagreeing is not yet the most.",
        "one_class": "the probability is taken from one column for all rows. Each label names its "
        "own.",
        "wrong": "for probabilities = {p}, labels = {labels} and k = {k} you return {got}.",
    },
    hints=[
        "The loss of a row is minus the logarithm of the probability of its label.",
        "`probabilities[np.arange(len(labels)), labels]` takes from each row the one of its label.",
        "The lowest probability is the highest loss. `np.argsort` gives row numbers, lowest first.",
    ],
    why="Nets that have not seen a label and are sure of another one: that is worth a look. It may "
    "be wrong, or a hard row; a person decides.",
    alternative="`np.argpartition`, or the losses themselves sorted downwards: "
    "`np.argsort(-losses)`.",
)
def suspects(answer):
    expect.function(answer, "`suspects`")
    for case in _judgements():
        p, labels, k = case
        got = _row_numbers(answer(p.copy(), labels.copy(), k), case)
        of_label = p[np.arange(len(p)), labels]
        ranks = {
            None: of_label,
            "surest": -of_label,
            "unsure": p.max(axis=1),
            "confident": -p.max(axis=1),
        }
        tops = {key: set(np.argsort(rank, kind="stable")[:k]) for key, rank in ranks.items()}
        right = tops.pop(None)
        if set(got) == right:
            continue
        if {row - 1 for row in got} == right:
            raise Wrong("shifted")
        for key, top in tops.items():
            if set(got) == top:
                raise Wrong(key)
        columns = [set(np.argsort(s * p[:, c])[:k]) for c in range(p.shape[1]) for s in (1, -1)]
        if set(got) in columns:
            raise Wrong("one_class")
        if all(p[row].argmax() != labels[row] for row in got):
            raise Wrong("mismatch", k=k)
        raise Wrong("wrong", p=p, labels=labels, k=k, got=got)


def _row_numbers(value, case) -> list[int]:
    p, _, k = case
    value = list(value) if isinstance(value, set | frozenset) else value
    numbers = expect.array(value).reshape(-1)
    if numbers.dtype == bool and len(numbers) == len(p):
        numbers = np.flatnonzero(numbers)
    if len(numbers) and (numbers != numbers.round()).any():
        raise Wrong("losses", got=brief(numbers))
    if len(numbers) != k:
        raise Wrong("count", k=k, got=len(numbers))
    rows = sorted(int(n) for n in numbers)
    if rows[0] < 0 or rows[-1] >= len(p) or len(set(rows)) < len(rows):
        raise Wrong("no_rows", got=brief(numbers), last=len(p) - 1)
    return rows


def _judgements():
    for seed, rows, classes, k in ((3, 10, 3, 3), (4, 12, 4, 5)):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.ones(classes), rows).round(3)
        labels = np.where(rng.random(rows) < 0.4, p.argmax(axis=1), rng.integers(0, classes, rows))
        yield p / p.sum(axis=1, keepdims=True), labels, k


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_wrong_labels",
    reasons={
        "a": "They agree, and are the majority among threes: the net learns 8 as their name.",
        "b": "They contradict each other: for each digit the right labels are a large majority.",
        "c": "It matters whether they agree.",
    },
    answer="a",
)
check.prediction(
    "predict_missing",
    reasons={
        "a": "A gap is rarely by chance: somebody did not want, or could not, say.",
        "b": "The other way round.",
        "c": "More than half of them. The gap itself says something.",
    },
    answer="c",
)
check.prediction(
    "predict_branches",
    reasons={
        "a": "A line could leave the column alone. It does not: in training the column seems to "
        "know the answer.",
        "b": "In training it is lower, on new rows the column says nothing.",
        "c": "The line trusts a column in which each training row's own answer stands.",
    },
    answer="c",
)
check.prediction(
    "predict_vendors",
    reasons={
        "a": "Each vendor draws in its own way, and the net has learned one of them.",
        "b": "Much carries over, and much was Noto's way of drawing.",
        "c": "More than that carries over: a face is round and yellow with all of them.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Incomes go from 10 to 50 in training. What does min-max make of a new income of 60?",
    options={
        "a": ("1: it goes to 1 at most", "That holds for the rows it was fitted to."),
        "b": ("1.25", "(60 - 10) / (50 - 10): a new value may leave 0 to 1."),
        "c": ("1.2", "That is 60 / 50; the smallest value is subtracted, above and below."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "A column has values around 100 and one of 9,000. What first?",
    options={
        "a": ("ask what it can be", "A glitch must go, a real extreme must stay."),
        "b": ("drop the row", "It may be your best customer."),
        "c": ("fill in the mean", "Also a decision, taken blindly; and the 9,000 is in the mean."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "Validation accuracy hardly rises from 4,000 to 8,000 rows. What may help?",
    options={
        "a": ("16,000 rows like these", "The curve says: hardly."),
        "b": ("a larger model, better features, right labels", "More of the same is used up."),
        "c": ("a longer training", "Not if the loss has come to rest."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('what_training_is')}: a net for one of five kinds ends with?",
    options={
        "a": ("five units, softmax", "Five probabilities that sum to 1."),
        "b": ("one unit, sigmoid", "That is one yes or no."),
        "c": ("five units, relu", "No probabilities."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('training_loop')}: which rows may choose a setting?",
    options={
        "a": ("test rows", "Then nothing is left to judge the choice by."),
        "b": ("training rows", "They were fitted, noise and all."),
        "c": ("validation rows", "Training rows fit, test rows wait until the end."),
    },
    answer="c",
)
check.card(
    "Which wrong labels do most harm?",
    "Those that agree. Random ones contradict each other and are outvoted.",
)
check.card(
    "What is lost if a gap is filled with the median?",
    "That there was a gap. Add a column that says so.",
)
check.card(
    "How does target encoding leak, and what helps?",
    "A row's own answer is in its code. Code it from the rows of other folds.",
)
check.card(
    "Min-max and standardisation: formulas, and from which rows?",
    "(x - min) / (max - min), (x - mean) / sd. All four numbers from the training rows.",
)
check.card(
    "Which three kinds of distribution shift are there?",
    "Of the inputs, of the shares of labels, of what a label means.",
)
check.card(
    "Name the four ways to code kinds as numbers.",
    "One-hot, label encoding (imposes an order), target encoding (mind the leak), embedding.",
)
