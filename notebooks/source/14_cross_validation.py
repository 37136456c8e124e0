# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     minutes: 55
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which score can you believe?
#
# Skip ahead if you can answer these: which rows does `validation_split=0.2` hold out? Which fold's
# model do you ship? Which number do you report after choosing among twenty models?
#
# You will cross-validate without leaks, measure three leaks on real data, and report a number that
# holds. You need the training loop of [[training_loop]] and a little pandas.
#
# > **You need only this.** *Nearest neighbours* predicts what the most similar training rows say.
# > *Logistic regression* is a network of one layer. *Average precision* scores a ranking: 1 is
# > perfect, chance is the share of positives.

# %% tags=["setup"] needs="average precision nearest neighbours logistic"
from coursekit import lessons

lessons.report(["tensorflow"])

import time

import keras
import numpy as np
import pandas as pd
from sklearn import model_selection as ms
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coursekit import datasets, plots
from coursekit.lessons.cross_validation import check
from coursekit.validation import TestVault, WalkForward, cross_validate

# %% [markdown] topics="why-split"
# ## A model that remembers
#
# Labels drawn at random from ten classes: nothing can be learned. One nearest neighbour tries.

# %%
rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 5)), rng.integers(10, size=2000)
model = KNeighborsClassifier(1).fit(x[:1000], y[:1000])
remembered, real = model.score(x[:1000], y[:1000]), model.score(x[1000:], y[1000:])
assert remembered == 1 and abs(real - 0.1) < 0.03
print(f"accuracy: {remembered:.2f} on rows it trained on, {real:.2f} on new rows (chance: 0.10)")

# %% [markdown] topics="train-set-role validation-set-role test-set-role"
# Training rows measure memory. So we split, and each part has one job:
#
# | part | usual share | job | what it costs |
# |---|---|---|---|
# | **training** | 60-80 % | gradients, weights | its score is inflated |
# | **validation** | 10-20 % | choose settings, architecture, when to stop | each choice leaks a little |
# | **test** | 10-20 % | one unbiased number, at the very end | no decision may use it |
#
# With much data the last two shares shrink. Keras cuts a validation part with `validation_split=0.2`: the *last*
# fifth, before any shuffling. Here are digits sorted by class.

# %%
digits = datasets.load_digits()
order = np.argsort(digits.train.y, kind="stable")
x, y = digits.train.x.reshape(-1, 64), digits.train.y


def build():
    layers = [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)]
    net = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    return net


keras.utils.set_random_seed(0)
log = build().fit(x[order], y[order], epochs=8, validation_split=0.2, verbose=0).history
first, last = np.split(y[order], [int(len(y) * 0.8)])
assert log["accuracy"][-1] > 0.9 and log["val_accuracy"][-1] < 0.2
print(f"training {log['accuracy'][-1]:.2f}, validation {log['val_accuracy'][-1]:.2f}")
print("classes trained on:", np.unique(first), " classes validated:", np.unique(last))

# %% [markdown] topics="k-fold"
# No 8 and no 9 was trained on. Shuffle first, or hand over `validation_data`.
#
# ## Every row validates once
#
# With few rows, 20 % for validation and 20 % for testing lose 40 % of them. **K-fold
# cross-validation** cuts the rows into K equal folds, usually 5 or 10. Each fold validates a fresh
# model trained on the other K - 1; the K scores are averaged. All rows serve both jobs, and the mean
# varies less than the score of one split.
#
# ### Five folds of 103 rows (difficulty 1, 3 minutes)
#
# How many rows has each fold? Give the five sizes as a list.

# %% exercise="fold_sizes"
fold_sizes = [21, 21, 21, 20, 20]  # SOLUTION

check("fold_sizes", fold_sizes)

# %% [markdown]
# ## How noisy is one split?
#
# 119 Gentoo penguins; a logistic regression tells their sex from four sizes. We cross-validate it
# with ten folds of about twelve birds, shuffled in three ways. Within ten folds, how far apart are
# the lowest and the highest accuracy? (a) About 0.02. (b) About 0.08. (c) More than 0.15.

# %%
check("predict_spread", "c")  # SOLUTION

# %%
birds = datasets.load_penguins().table.query("species == 'Gentoo'").dropna(subset=["sex"])
sizes = birds[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
recipe = make_pipeline(StandardScaler(), LogisticRegression())
fig, ax = plots.figure("One recipe, thirty folds", x="accuracy of a fold", y="shuffle")
for seed in range(3):
    folds = ms.StratifiedKFold(10, shuffle=True, random_state=seed)
    scores = ms.cross_val_score(recipe, sizes, birds.sex, cv=folds)
    height = seed + np.linspace(-0.2, 0.2, 10)
    ax.plot(scores, height, "s", color=plots.VALIDATION.color, alpha=0.7, label="a fold")
    ax.plot(scores.mean(), seed, "kx", ms=11, label="mean of ten")
    print(f"folds {scores.min():.2f} to {scores.max():.2f}, mean {scores.mean():.2f}")
ax.set(yticks=range(3), xticks=[0.8, 0.85, 0.9, 0.95, 1], ylim=(-0.5, 2.5))
ax.legend(*(part[:2] for part in ax.get_legend_handles_labels()), loc="lower right",
          bbox_to_anchor=(1, 1), ncols=2)  # fmt: skip
plots.show(fig, alt="A square for each fold's accuracy and a cross for each mean, in three rows.")
check.reveal("predict_spread")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# One split could have told you any of these squares. The means agree far better: they are what
# cross-validation is for. The scatter tells how much one split can mislead. It is not a standard
# error of the mean, as the pitfall below shows.
#
# Which fold's model do you ship? None. The folds measured a *recipe*; fit it once more, on all rows.
#
# </details>

# %% [markdown] topics="stratified-k-fold loocv walk-forward"
# ## Six ways to split
#
# Fifteen rows, each a column. Letters name the classes, or the groups that belong together. Under
# **walk-forward**, columns are days: train on the past, validate on what comes next. The window
# may grow or slide, and an **embargo** can leave a gap.

# %%
row, kind, group = np.arange(15), list("AAAAAAAAAABBBBB"), list("aaabbbccccddeee")
maps = {
    "k-fold": (ms.KFold(5, shuffle=True, random_state=1).split(row), kind),
    "stratified": (ms.StratifiedKFold(5).split(row, kind), kind),
    "grouped": (ms.GroupKFold(5).split(row, groups=group), group),
    "leave one out": (ms.LeaveOneOut().split(row), " " * 15),
    "walk, growing": (WalkForward(5, horizon=2).split(row), " " * 15),
    "walk, sliding": (WalkForward(5, window=4, horizon=2, embargo=1).split(row), " " * 15),
}
fig, axes = plots.figure("Who trains, who validates", columns=6, height=2.6)
for ax, (name, (folds, letters)) in zip(axes, maps.items(), strict=True):
    plots.splits(ax, folds, rows=15)
    ax.set_title(name, fontsize=9)
    ax.set_xticks(row + 0.5, letters, fontsize=6)
    ax.tick_params(length=0, labelsize=6)
axes[0].set_ylabel("fold")
axes[0].set_xlabel("rows")
axes[4].set_xlabel("time")
axes[5].set_xlabel("time")
plots.show(
    fig,
    alt="Six maps, a line for each fold. Validation rows are scattered in k-fold, two of A and one "
    "of B in stratified, whole groups in grouped, one row each in leave one out. In the walk-forward "
    "maps validation lies after training in every line, with a gap in the last map.",
)

# %%
rare = np.arange(500) % 50 == 0  # ten positives in 500 rows, 2 %
for cv in (ms.KFold(10, shuffle=True, random_state=0), ms.StratifiedKFold(10)):
    print(
        f"{type(cv).__name__:16} positives: {[int(rare[v].sum()) for _, v in cv.split(rare, rare)]}"
    )

flipper, mass = sizes[["flipper_length_mm"]], sizes.body_mass_g / 1000
by_fits = ms.cross_val_predict(LinearRegression(), flipper, mass, cv=ms.LeaveOneOut())
columns = np.column_stack([np.ones(len(flipper)), flipper])
hat = columns @ np.linalg.pinv(columns)  # predictions = hat @ mass
by_formula = (mass - hat @ mass) / (1 - np.diag(hat))
assert np.allclose(mass - by_fits, by_formula)
print(f"leave one out: {len(mass)} fits, error {np.mean((mass - by_fits) ** 2):.2f} kg^2; ", end="")
print(f"one fit and a formula: {np.mean(by_formula**2):.2f} kg^2")

# %% [markdown]
# Plain folds of a rare class can come without a positive. **Stratified** folds keep the shares, which
# matters most when classes are unbalanced. **Leave one out** is K = N: almost unbiased, and N
# trainings (for a straight line a formula saves them). Its variance is called high; that is
# contested, for with stable learners it can be low.
#
# ### Scale inside the fold (difficulty 2, 10 minutes)
#
# Write the loop of cross-validation. `folds` is a list of pairs (train, validation) of row numbers.
# `build()` returns a new model with `fit(x, y)`, `predict(x)` and `score(x, y)`. Scale the columns
# with `StandardScaler`, and return one accuracy a fold. Our test data hold outliers.


# %% exercise="score_folds"
def score_folds(build, x, y, folds):
    """Return the validation accuracy of each fold, as a list."""
    ### BEGIN SOLUTION
    scores = []
    for train, validation in folds:
        scaler = StandardScaler().fit(x[train])
        model = build()
        model.fit(scaler.transform(x[train]), y[train])
        scores.append(model.score(scaler.transform(x[validation]), y[validation]))
    return scores
    ### STUB
    # scaler = StandardScaler()
    # model = build()
    # scores = []
    # for train, validation in folds:
    #     ...
    # return scores
    ### END SOLUTION


check("score_folds", score_folds)

# %% [markdown] topics="validate-thoroughly"
# ## Twenty of 2,000 columns
#
# 100 rows, 2,000 columns of pure noise, labels by the toss of a coin. We keep the 20 columns that go
# best with the labels of all rows, then cross-validate a logistic regression on them. Which accuracy
# comes out? (a) About 0.5. (b) About 0.6. (c) Above 0.8.

# %%
check("predict_noise", "c")  # SOLUTION

# %%
outside, inside = [], []
for seed in range(3):
    rng = np.random.default_rng(seed)
    noise, coin = rng.normal(size=(100, 2000)), rng.permutation(100) % 2
    folds = ms.StratifiedKFold(5, shuffle=True, random_state=seed)
    chosen = SelectKBest(k=20).fit_transform(noise, coin)  # once, from all rows
    outside.append(ms.cross_val_score(LogisticRegression(), chosen, coin, cv=folds).mean())
    in_fold = make_pipeline(SelectKBest(k=20), LogisticRegression())
    inside.append(ms.cross_val_score(in_fold, noise, coin, cv=folds).mean())
print("columns chosen outside the folds:", np.round(outside, 2))
print("columns chosen inside each fold: ", np.round(inside, 2))
check.reveal("predict_noise")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The model trained inside the folds; the choice of columns had not. Put everything that learns from
# data into the fold: scaling, filling gaps, choosing columns. A scikit-learn pipeline does it, and
# `cross_validate(..., preprocess=...)` for Keras.
#
# </details>
#
# ## Twins and storms
#
# Rows can share more than columns. Up to five vendors draw the same emoji; one storm cancels flights
# by the dozen. Each set is split at random and by group (the emoji's code, the day), three times,
# with 20 % held out.

# %%
emoji, flights = datasets.load_emoji32().train, datasets.load_flights_cancelled().table
pixels = emoji.x.reshape(-1, 8, 4, 8, 4, 3).mean(axis=(2, 4)).reshape(len(emoji), -1)
weather = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
known = flights[["month", "day", "hour", "distance", *weather]]
day = flights.month * 100 + flights.day
scaled = make_pipeline(SimpleImputer(), StandardScaler())
rank = ("average_precision", known, flights.cancelled, day)
trials = {
    "emoji, 1 neighbour": (
        KNeighborsClassifier(1),
        "accuracy",
        pixels,
        emoji.y,
        emoji.groups["code"],
    ),
    "flights, 15 neighbours": (make_pipeline(scaled, KNeighborsClassifier(15)), *rank),
    "flights, logistic": (make_pipeline(scaled, LogisticRegression()), *rank),
}
leaks = {}
for name, (model, scoring, inputs, target, groups) in trials.items():
    ways = (("at random", ms.ShuffleSplit, None), ("by group", ms.GroupShuffleSplit, groups))
    for way, cv, ties in ways:
        cuts = list(cv(3, test_size=0.2, random_state=0).split(inputs, target, ties))
        scores = ms.cross_val_score(model, inputs, target, cv=cuts, scoring=scoring)
        leaks.setdefault(name, []).append(scores)
        print(f"{name:22} {way:9} {scoring:17} {scores.round(2)}")

(_, emoji_honest), (near_random, near_day), (line_random, line_day) = leaks.values()
assert min(leaks["emoji, 1 neighbour"][0]) > max(emoji_honest) + 0.05
assert near_random.mean() > line_random.mean() and near_day.max() < line_day.min()

# %% [markdown]
# Neighbours find the twin, or the other flights of that storm. The logistic regression cannot
# remember a day; its difference lies within the spread of splits. So a leak does worse than flatter:
# it picks the wrong winner. At random the neighbours win on flights, by day they lose.
#
# ### Choose the splitter (difficulty 2, 5 minutes)
#
# Name for each use how to split: "shuffled", "stratified", "by code", "by vendor", "by day" or
# "walk-forward".
#
# - `penguins`: name the species of another bird from these islands (68 of 344 are Chinstraps)
# - `emoji`: name the class of a new emoji that no vendor has drawn yet
# - `births`: forecast next week's births
# - `flights`: cancellations on days that the model has not seen

# %% exercise="splitter"
### BEGIN SOLUTION
splitter = {
    "penguins": "stratified",
    "emoji": "by code",
    "births": "walk-forward",
    "flights": "by day",
}
### STUB
# splitter = {"penguins": ..., "emoji": ..., "births": ..., "flights": ...}
### END SOLUTION

check("splitter", splitter)

# %% [markdown] topics="time-series-split features-temporal"
# ## Births, day by day
#
# Births a day in the United States, for twenty years. A day has these features: its **weekday** and
# **month**, the **time since** an event, **lags** (values of earlier days), and **rolling means** of
# earlier days. Two models use some of them:
#
# - *calendar*: five neighbours, by weekday and by time since the first day
# - *lags*: a linear (ridge) regression on the births 7, 14 and 28 days before
#
# We measure the mean absolute error, in births a day, with five shuffled folds and with five
# walk-forward folds. Of the calendar model, walk-forward's error will be (a) the same, (b) about
# twice that of shuffled folds, (c) lower.

# %%
check("predict_time", "b")  # SOLUTION

# %%
births = datasets.load_us_births().table
target = births.births[28:]
when = pd.DataFrame({"weekday": births.day_of_week, "since_start": births.index})[28:]
lags = pd.DataFrame({f"lag_{days}": births.births.shift(days) for days in (7, 14, 28)})[28:]
near = make_pipeline(StandardScaler(), KNeighborsRegressor(5))
for name, model, inputs in (("calendar", near, when), ("lags", Ridge(), lags)):
    for way in ("shuffled", "walk-forward"):
        shuffles = [ms.KFold(5, shuffle=True, random_state=seed) for seed in range(3)]
        cvs = shuffles if way == "shuffled" else [WalkForward(5)]
        scored = [ms.cross_val_score(model, inputs, target, cv=cv, scoring="neg_mean_absolute_error")
                  for cv in cvs]  # fmt: skip
        folds = -np.concatenate(scored)
        print(
            f"{name:8} {way:12} error {folds.mean():.0f}, folds {folds.min():.0f} to {folds.max():.0f}"
        )
for train, validation in WalkForward(5).split(lags):
    assert train.max() < validation.min()
check.reveal("predict_time")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Shuffled folds let the calendar model look up the same weekday a week *later*; by those folds it
# wins. In use there is no later. Walking forward, training ends before validation begins, and the
# lags win. They hold no future, so both ways agree on them. How long a block is matters as well: it
# should be as long as your forecast (see "Break it").
#
# </details>
#
# ### Walk forward (difficulty 2, 10 minutes)
#
# Write the splitter. The validation blocks hold `horizon` rows each, follow one another, and the
# last one ends with the last row. Training rows are an unbroken stretch of the past that ends
# `embargo` rows before its block; it may grow or slide.


# %% exercise="walk_forward"
def walk_forward(rows, folds, horizon, embargo):
    """Yield pairs (train, validation) of row numbers, with rows in the order of time."""
    ### BEGIN SOLUTION
    for k in range(folds):
        start = rows - (folds - k) * horizon
        yield np.arange(start - embargo), np.arange(start, start + horizon)
    ### STUB
    # for k in range(folds):
    #     yield ...
    ### END SOLUTION


check("walk_forward", walk_forward)

# %% [markdown]
# ### Features of the past (difficulty 2, 7 minutes)
#
# To forecast a day, make two columns from a pandas series of daily values. First the value of the day
# before, then the mean of the three days before. Keep all rows, with NaN where the past is too short.
# Before you check: which rows of your table would change if tomorrow's value did?


# %% exercise="past_features"
def past_features(series):
    """Return a DataFrame of two columns: lag 1, and the mean of the last three days."""
    ### BEGIN SOLUTION
    past = series.shift(1)
    return pd.DataFrame({"lag_1": past, "mean_3": past.rolling(3).mean()})
    ### STUB
    # return ...
    ### END SOLUTION


check("past_features", past_features)

# %% [markdown] topics="test-contamination"
# ## Twenty models, one winner
#
# Twenty models that toss a coin, scored on 200 validation rows with two classes. The best of them
# ships. What is its accuracy on those rows, and on new ones? (a) About 0.50 on both. (b) Clearly
# above 0.50, then about 0.50. (c) Clearly above 0.50 on both.

# %%
check("predict_winner", "b")  # SOLUTION

# %%
rng = np.random.default_rng(0)
counts = [1, 2, 5, 10, 20, 50, 100]
right = rng.random((300, 100, 200)) < 0.5  # 300 times 100 models on 200 rows
winners = np.array([right[:, :k].mean(axis=2).max(axis=1).mean() for k in counts])
fresh = (rng.random((300, len(counts), 200)) < 0.5).mean(axis=(0, 2))
fig, ax = plots.figure("The best of k coin tossers", x="models to choose from, k", y="accuracy")
plots.curve(ax, winners, plots.VALIDATION, x=counts, label="on the rows that chose it", markevery=1)
plots.curve(ax, fresh, plots.COMPARE[2], x=counts, label="on new rows", markevery=1)
ax.set(xscale="log", ylim=(0.45, 0.65))
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend()
plots.show(fig, alt="The winner's mean accuracy in 300 contests, on two sets of rows, against k.")
print(f"best of 20: {winners[4]:.2f} on the rows that chose it, {fresh[4]:.2f} on new rows")
check.reveal("predict_winner")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The curve rises with k: choosing by a score trains on it, at one remove. Test rows that choose are
# contaminated in this way. So choose by validation rows; where the choice itself needs a score,
# *nested* cross-validation repeats it inside each fold.
#
# </details>
#
# ## A test set that opens once
#
# `TestVault` gives a test score a single time, and asks for the reason.

# %%
coin = rng.integers(2, size=200)
vault = TestVault(np.zeros((200, 1)), coin)
for reason in ("the number for the report", "and once more, with a better seed"):
    try:
        score = vault.evaluate(lambda x, y: float(np.mean(y == 1)), reason=reason)
        print(f"{reason}: {score:.2f}")
    except RuntimeError as error:
        print(f"{reason}: {type(error).__name__}: {str(error).split('.')[0]}.")

# %% [markdown]
# ### The number you report (difficulty 2, 6 minutes)
#
# Twenty models are trained. `scores[k]` is the validation score of `models[k]`, and higher is
# better. `vault.evaluate(model, reason="...")` returns a model's test score. Return the number that
# belongs into the report.


# %% exercise="final_number"
def final_number(scores, models, vault):
    """Return the score to report after choosing among the models."""
    ### BEGIN SOLUTION
    best = int(np.argmax(scores))
    return vault.evaluate(models[best], reason="the chosen model's final score")
    ### STUB
    # return ...
    ### END SOLUTION


check("final_number", final_number)

# %% [markdown]
# ## Ten folds against one fit
#
# Ten folds cost ten trainings. `cross_validate` trains the folds' Keras models side by side in one
# program. It takes a *builder*, for each fold needs a fresh model. Here it runs on the digits, against
# a single `fit`. `groups` keeps each writer whole.

# %% tags=["nbval-ignore-output"]
writer = digits.train.groups["writer"]
fit = {"epochs": 20, "batch_size": 32}
start = time.perf_counter()
result = cross_validate(build, x, y, cv=ms.GroupKFold(10), groups=writer, fit_kwargs=fit, verbose=0)
ten_folds = time.perf_counter() - start
keras.utils.set_random_seed(0)
start = time.perf_counter()
build().fit(x, y, **fit, verbose=0)
one_fit = time.perf_counter() - start
fig = plots.cross_validation(result, title="Ten writers, ten scores")
plots.show(
    fig, alt="Training accuracy is near 1 in every fold; validation accuracy differs by writer."
)
scores = result.scores["accuracy"]
print(f"ten folds cost {ten_folds / one_fit:.1f} times one fit, on this machine, this time")
print(f"writers from {scores.min():.2f} to {scores.max():.2f}, mean {scores.mean():.2f}")
assert scores.mean() > 0.8 and np.ptp(scores) > 0.05

# %% [markdown]
# A loop of ten calls of `fit` would cost about ten times one. The ratio moves with the machine and
# its load. Each fold is one writer, and some hands are harder than others.
#
# ## The pitfall: a spread is not a standard error
#
# Many reports divide the spread over folds by the root of their number, and repeat the folds to
# make it small. We can test that: draw 40 data sets of 60 rows, and cross-validate each with ten
# times ten folds. How much does the mean really vary from one data set to the next?


# %%
def hundred_scores(rng):
    """Cross-validate a nearest-centroid classifier on new rows: ten times ten folds."""
    y = np.arange(60) % 2
    x, scores = rng.normal(size=(60, 2)) + 0.8 * y[:, None], []
    for _ in range(10):
        for validation in rng.permutation(60).reshape(10, 6):
            train = np.setdiff1d(np.arange(60), validation)
            centres = np.stack([x[train][y[train] == c].mean(0) for c in (0, 1)])
            distance = ((x[validation][:, None] - centres) ** 2).sum(-1)
            scores.append(np.mean(distance.argmin(1) == y[validation]))
    return np.array(scores)


for seed in range(3):
    rng = np.random.default_rng(seed)
    runs = np.array([hundred_scores(rng) for _ in range(40)])
    claimed, true = runs.std(1, ddof=1).mean() / 10, runs.mean(1).std(ddof=1)
    assert true > 2 * claimed
    print(f"spread / root of 100: {claimed:.2f}   real standard error: {true:.2f}")

# %% [markdown]
# The folds share training rows, and repeats bring no new row. No unbiased estimate of this error
# exists (Bengio and Grandvalet 2004). Report the mean and the range of the folds.
#
# ## Your decision
#
# Until now one fixed split of 2,000 rows judged the running model. Here are five folds, and three
# seeds on one split, six epochs each.

# %%
fashion = datasets.load_fashion_mnist().train


def running(fold):
    net = lessons.running_model(seed=fold)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return net


folds = list(ms.StratifiedKFold(5, shuffle=True, random_state=0).split(fashion.x, fashion.y))
fit = {"epochs": 6, "batch_size": 64}
result = cross_validate(
    running, fashion.x, fashion.y, cv=folds + [folds[0]] * 2, fit_kwargs=fit, verbose=0
)
scores = result.scores["accuracy"]
five_folds, three_seeds = scores[:5], scores[[0, 5, 6]]
for name, some in (("five folds", five_folds), ("three seeds", three_seeds)):
    print(f"{name}: {some.min():.2f} to {some.max():.2f}, mean {some.mean():.2f}")

# %% [markdown]
# Which scheme will you trust for the running model: how many folds, how many seeds? Which gain will
# you no longer believe? `score` is the validation accuracy to beat. The test part stays in its vault.

# %%
### BEGIN SOLUTION
check.decide(
    choice="five stratified folds for a final comparison, three seeds on the fixed split before",
    because="seeds and folds scatter by about as much as most changes gain",
    score=round(float(five_folds.mean()), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Training rows measure memory; `validation_split` takes the last rows.
# 2. Whatever learns from data belongs inside the fold, and each fold has a fresh model.
# 3. Validation must be as new as use will be: by class, by group, or later in time.
# 4. The winner's score is too good. A test set opens once; no fold's model ships.
# 5. Folds scatter; their spread is not a standard error.
#
# **Break it.** Choose 2 columns of the noise instead of 20, then 200. In the births cell use
# `WalkForward(50, horizon=28)`: which of the two models gains, and which one wins?
#
# <details><summary>What happens</summary>
#
# Two columns leak less, 200 more: each chosen column brings its own luck. With blocks of four weeks
# the calendar model is never far from its last known day. It gains much, and still loses: by so
# much had the long blocks been unfair to it.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
