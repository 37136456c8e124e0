"""Right answers of several kinds, and what each wrong one is told."""

import numpy as np
import pandas as pd
import pytest
from answers import row
from keras import layers
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.any_backend

# clean


def repaired(table):
    table = table.copy()
    table["Income"] = table.Income.replace(9999999, np.nan)
    table["Age"] = table.Age.abs()
    table["Home"] = table.Home.str.strip().str.lower()
    return table


def clean(table):
    return repaired(table).drop_duplicates()


def in_place(table):
    table.loc[table.Income > 1e6, "Income"] = None
    table.loc[table.Age < 0, "Age"] *= -1
    table["Home"] = [home.lower().strip() if isinstance(home, str) else home for home in table.Home]
    return table[~table.duplicated(keep="last")].sort_values("Amount").astype({"Age": float})


def without(step):
    def answer(table):
        dirty, table = table, repaired(table)
        table[step] = dirty[step]
        return table.drop_duplicates()

    return answer


def early(table):
    return repaired(table.drop_duplicates())


def then(change):
    return lambda table: change(clean(table))


def changed(**columns):
    return then(lambda t: t.assign(**columns))


def three_sigma(t):
    return t[(t.Income - t.Income.mean()).abs() <= 3 * t.Income.std()]


# fill_gaps


def fill(value=lambda train, new: np.nanmedian(train), mark=np.isnan, swap=1):
    def answer(train, new):
        filled = np.where(np.isnan(new), value(train, new), new)
        return np.column_stack([filled, mark(new)][::swap])

    return answer


def fill_pandas(train, new):
    new = pd.Series(new)
    return pd.DataFrame({"income": new.fillna(pd.Series(train).median()), "gap": new.isna()})


def fill_in_place(train, new):
    gap = np.isnan(new)
    new[gap] = np.median(train[~np.isnan(train)])
    return np.column_stack([new, gap])


def fill_rows(train, new):
    middle = np.median(train[~np.isnan(train)])
    return [(middle, 1) if np.isnan(income) else (income, 0) for income in new]


# target_encode


def encode(level, y, fold):
    code = []
    for one, own in zip(level, fold, strict=True):
        same = y[(fold != own) & (level == one)]
        code.append(same.mean() if len(same) else y[fold != own].mean())
    return code


def encode_pandas(level, y, fold):
    code = pd.Series(np.zeros(len(y)))
    for k in set(fold):
        there = fold != k
        means = pd.Series(y[there]).groupby(level[there]).mean()
        code[~there] = pd.Series(level[~there]).map(means).fillna(y[there].mean()).to_numpy()
    return code


def odd_code(rows=lambda fold, k: fold != fold[k], fallback=None, of=np.mean):
    def answer(level, y, fold):
        code = []
        for k in range(len(y)):
            same = y[rows(fold, k) & (level == level[k])]
            other = y[fold != fold[k]].mean() if fallback is None else fallback(y)
            code.append(of(same) if len(same) else other)
        return np.array(code)

    return answer


def all_rows(fold, k):
    return fold >= 0


def own_fold(fold, k):
    return fold == fold[k]


def not_itself(fold, k):
    return np.arange(len(fold)) != k


# tf_idf


def tf_idf(counts):
    return counts * (np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1)


def weigh(idf=lambda N, n: np.log((1 + N) / (1 + n)) + 1, n=lambda c: (c > 0).sum(axis=0), N=len,
          tf=lambda c: c):  # fmt: skip
    return lambda counts: tf(counts) * idf(N(counts), n(counts))


def textbook(N, n):
    return np.log(N / n)


def by_sums(counts):
    return counts.sum(axis=0)


# standardise


def by_keras(train, new):
    layer = layers.Normalization()
    layer.adapt(train.astype("float32"))
    sd = train.std(axis=0)
    return np.where(sd == 0, new - train.mean(axis=0), np.asarray(layer(new.astype("float32"))))


def scale(rows=lambda train, new: train, spread=None, ddof=0, middle=None):
    spread = spread or (lambda train, new: rows(train, new).std(axis=0, ddof=ddof))
    middle = middle or (lambda train, new: rows(train, new).mean(axis=0))

    def answer(train, new):
        sd = spread(train, new)
        return (new - middle(train, new)) / np.where(np.asarray(sd) < 1e-9, 1, sd)

    return answer


def unguarded(train, new):
    with np.errstate(all="ignore"):
        return (new - train.mean(axis=0)) / train.std(axis=0)


def own(train, new):
    return new


def both(train, new):
    return np.concatenate([train, new])


# suspects


def of_label(p, labels):
    return p[np.arange(len(p)), labels]


def mask(p, labels, k):
    return of_label(p, labels) <= np.sort(of_label(p, labels))[k - 1]


def loop(p, labels, k):
    losses = [
        (-np.log(row[label]), n) for n, (row, label) in enumerate(zip(p, labels, strict=True))
    ]
    return [n for _, n in sorted(losses, reverse=True)[:k]]


def disagreeing(p, labels, k):
    return np.flatnonzero(p.argmax(axis=1) != labels)[:k]


def top(rank):
    return lambda p, labels, k: np.argsort(rank(p, labels))[:k]


ANSWERS = [
    row("clean", "ok", clean),
    row("clean", "alternative", in_place),
    row("clean", "alternative", lambda t: clean(t)[["Age", "Amount", "Home", "Income", "Status"]]),
    row("clean", "alternative", then(lambda t: t.convert_dtypes())),
    row("clean", "todo", lambda table: ...),
    row("clean", "none", lambda table: None),
    row("clean", "table", lambda table: 3),
    row("clean", "type", changed(Income=lambda t: t.Income.astype(str) + " a month")),
    row("clean", "columns", lambda table: clean(table)[["Income", "Age"]]),
    row("clean", "code", lambda table: table.copy()),
    row("clean", "code", without("Income")),
    row("clean", "nan_text", then(lambda t: t.assign(Home=[str(home) for home in t.Home]))),
    row("clean", "nan_text", then(lambda t: t.fillna({"Home": ""}))),
    row("clean", "spelling", without("Home")),
    row("clean", "spelling", changed(Home=lambda t: t.Home.str.upper())),
    row("clean", "spelling", then(lambda t: t.fillna({"Home": "unknown"}))),
    row("clean", "ages", without("Age")),
    row("clean", "ages_changed", lambda t: clean(t.assign(Age=t.Age.clip(lower=0)))),
    row("clean", "ages_changed", lambda t: clean(t.assign(Age=t.Age.where(t.Age > 0)))),
    row("clean", "lost", lambda t: clean(t[t.Income != 9999999])),
    row("clean", "lost", lambda t: clean(t[t.Age > 0])),
    row("clean", "lost", lambda t: repaired(t).drop_duplicates(keep=False)),
    row("clean", "lost", then(lambda t: t.dropna())),
    row("clean", "lost", then(lambda t: t.dropna(subset=["Income"]))),
    row("clean", "lost", then(lambda t: t[~(t.Income >= 600)])),
    row("clean", "lost", then(three_sigma)),
    row("clean", "many_lost", then(lambda t: t[::2])),
    row("clean", "many_lost", then(lambda t: t.drop_duplicates("Home"))),
    row("clean", "changed", changed(Amount=lambda t: t.Amount * 2)),
    row("clean", "copies", repaired),
    row("clean", "late_copies", early),
    row("clean", "incomes",
        lambda t: clean(t.assign(Income=t.Income.where(t.Income <= t.Income.quantile(0.95))))),
    row("clean", "lost", then(lambda t: t.dropna(subset=["Home"]))),
    row("clean", "filled", then(lambda t: t.fillna({"Income": t.Income.median()}))),
    row("clean", "filled", lambda t: clean(t.assign(Income=t.Income.replace(9999999, 0)))),
    row("clean", "incomes", changed(Income=lambda t: t.Income.clip(upper=500))),
    row("clean", "incomes", changed(Income=lambda t: t.Income.mask(t.Income > 500))),
    row("fill_gaps", "ok", fill()),
    row("fill_gaps", "alternative", fill_pandas),
    row("fill_gaps", "mutated", fill_in_place),
    row("fill_gaps", "alternative", fill_rows),
    row("fill_gaps", "todo", lambda train, new: ...),
    row("fill_gaps", "slip_seen", fill(lambda train, new: np.nanmean(train))),
    row("fill_gaps", "slip_seen", fill(lambda train, new: 0)),
    row("fill_gaps", "slip_seen", fill(lambda train, new: np.nanmedian([*train, *new]))),
    row("fill_gaps", "slip_seen", fill(mark=lambda new: ~np.isnan(new))),
    row("fill_gaps", "slip_seen", fill(mark=lambda new: 0 * np.isnan(new))),
    row("fill_gaps", "slip_seen", fill(swap=-1)),
    row("fill_gaps", "slip_seen", fill(lambda t, n: np.nanmean(t), swap=-1)),
    row("fill_gaps", "gaps", fill(lambda train, new: np.nanmedian(new))),
    row("fill_gaps", "gaps", fill(lambda train, new: np.median(train))),
    row("fill_gaps", "rows", lambda train, new: fill()(train, new)[:, 0]),
    row("fill_gaps", "rows", lambda train, new: fill()(train, new).T),
    row("fill_gaps", "slip_seen", fill(lambda train, new: np.median(np.nan_to_num(train)))),
    row("fill_gaps", "known",
        lambda t, n: np.column_stack([np.full(len(n), np.nanmedian(t)), np.isnan(n)])),
    row("fill_gaps", "wrong", fill(lambda train, new: 77)),
    row("target_encode", "ok", encode),
    row("target_encode", "alternative", encode_pandas),
    row("target_encode", "todo", lambda level, y, fold: ...),
    row("target_encode", "slip_seen", odd_code(all_rows)),
    row("target_encode", "slip_seen", odd_code(own_fold)),
    row("target_encode", "slip_seen", odd_code(not_itself)),
    row("target_encode", "slip_seen", odd_code(fallback=np.mean)),
    row("target_encode", "slip_seen", odd_code(fallback=lambda y: 0)),
    row("target_encode", "slip_seen", odd_code(of=np.sum)),
    row("target_encode", "slip_seen", odd_code(of=np.sum, fallback=lambda y: 0)),
    row("target_encode", "slip_seen",
        lambda level, y, fold: [y[fold != own].mean() for own in fold]),
    row("target_encode", "unseen", odd_code(fallback=lambda y: np.nan)),
    row("target_encode", "rows", lambda level, y, fold: [0.5, 0.5]),
    row("target_encode", "constant", odd_code(lambda fold, k: fold == 0)),
    row("target_encode", "wrong", odd_code(of=np.median)),
    row("tf_idf", "ok", tf_idf),
    row("tf_idf", "alternative", lambda c: TfidfTransformer(norm=None).fit_transform(c)),
    row("tf_idf", "alternative", lambda c: tf_idf(c).tolist()),
    row("tf_idf", "todo", lambda counts: ...),
    row("tf_idf", "slip_seen", weigh(n=by_sums)),
    row("tf_idf", "slip_seen", weigh(textbook)),
    row("tf_idf", "slip_seen", weigh(lambda N, n: np.log(1 + N / (1 + n)))),
    row("tf_idf", "slip_seen", weigh(lambda N, n: np.log10((1 + N) / (1 + n)) + 1)),
    row("tf_idf", "slip_seen", weigh(lambda N, n: np.log((1 + N) / (1 + n)))),
    row("tf_idf", "slip_seen", weigh(tf=lambda c: c / c.sum(axis=1, keepdims=True))),
    row("tf_idf", "slip_seen", weigh(tf=lambda c: 0 * c + 1)),
    row("tf_idf", "slip_seen", weigh(textbook, by_sums)),
    row("tf_idf", "slip_seen", weigh(N=lambda c: c.shape[1])),
    row("tf_idf", "slip_seen", lambda c: TfidfTransformer().fit_transform(c)),
    row("tf_idf", "slip_seen", weigh(lambda N, n: np.log((1 + N) / 1 + n) + 1)),
    row("tf_idf", "slip_seen", weigh(lambda N, n: (1 + N) / (1 + n) + 1)),
    row("tf_idf", "slip_seen", weigh(tf=np.log1p)),
    row("tf_idf", "shape", lambda c: tf_idf(c)[0]),
    row("tf_idf", "wrong", lambda c: tf_idf(c) + 0.3),
    row("standardise", "ok", scale()),
    row("standardise", "alternative", lambda t, n: StandardScaler().fit(t).transform(n)),
    row("standardise", "alternative", by_keras),
    row("standardise", "alternative", scale(ddof=1)),
    row("standardise", "todo", lambda train, new: ...),
    row("standardise", "slip_seen", scale(own)),
    row("standardise", "slip_seen", scale(both)),
    row("standardise", "slip_seen", scale(spread=lambda t, n: t.var(axis=0))),
    row("standardise", "slip_seen", scale(spread=lambda t, n: n.std(axis=0))),
    row("standardise", "slip_seen", scale(spread=lambda t, n: 1.0)),
    row("standardise", "slip_seen", scale(middle=lambda t, n: 0)),
    row("standardise", "slip_seen", scale(lambda t, n: t.ravel())),
    row("standardise", "slip_seen",
        scale(middle=lambda t, n: t.min(axis=0), spread=lambda t, n: np.ptp(t, axis=0))),
    row("standardise", "returned_train", lambda train, new: scale()(train, train)),
    row("standardise", "shape", lambda train, new: scale()(train, new)[:, :3]),
    row("standardise", "constant", unguarded),
    row("standardise", "constant",
        lambda t, n: (n - t.mean(axis=0)) / (t.std(axis=0) + 1e-7)),
    row("standardise", "constant",
        lambda t, n: np.where(t.std(axis=0) == 0, 0, scale()(t, n))),
    row("standardise", "alone",
        lambda t, n: scale()(t, n) if len(n) > 1 else 0 * n),
    row("standardise", "wrong", lambda train, new: 0.5 + scale()(train, new)),
    row("suspects", "ok", top(of_label)),
    row("suspects", "alternative", mask),
    row("suspects", "alternative", loop),
    row("suspects", "alternative", lambda p, y, k: np.argpartition(of_label(p, y), k)[:k]),
    row("suspects", "alternative", lambda p, y, k: {*np.argsort(of_label(p, y))[:k].tolist()}),
    row("suspects", "todo", lambda p, labels, k: ...),
    row("suspects", "shifted", lambda p, y, k: np.argsort(of_label(p, y))[:k] + 1),
    row("suspects", "surest", top(lambda p, y: -of_label(p, y))),
    row("suspects", "surest", top(lambda p, y: -np.log(of_label(p, y)))),
    row("suspects", "unsure", top(lambda p, y: p.max(axis=1))),
    row("suspects", "confident", top(lambda p, y: -p.max(axis=1))),
    row("suspects", "mismatch", disagreeing),
    row("suspects", "one_class", top(lambda p, y: p[:, 0])),
    row("suspects", "losses", lambda p, y, k: np.sort(-np.log(of_label(p, y)))[::-1][:k]),
    row("suspects", "count", lambda p, y, k: np.argsort(of_label(p, y))),
    row("suspects", "count", lambda p, y, k: np.argmin(of_label(p, y))),
    row("suspects", "no_rows", lambda p, y, k: np.arange(k) + len(y)),
    row("suspects", "no_rows", lambda p, y, k: [0] * k),
    row("suspects", "wrong", lambda p, y, k: np.arange(k)),
]  # fmt: skip


def test_answer(answer):
    answer.holds()
