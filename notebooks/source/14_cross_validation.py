# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 48
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
# Skip ahead if you can answer these: which rows does `validation_split=0.2` hold out? Which number do
# you report after choosing among twenty models?
#
# You will cross-validate, measure three leaks, and report a number that holds. You need
# [[training_loop]] and a little pandas.
#
# > **You need only this.** *Nearest neighbours* predicts what the most similar training rows say.
# > *Logistic regression* is a network of one layer. *Average precision* scores a ranking: 1 is
# > perfect, chance is the share of positives.

# %% tags=["setup"] needs="average precision nearest neighbours logistic"
from coursekit import lessons

lessons.report()

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
from coursekit.lessons import _cross_validation as ready
from coursekit.lessons.cross_validation import check
from coursekit.validation import TestVault, WalkForward, cross_validate

# %% [markdown] topics="why-split train-set-role validation-set-role test-set-role"
# ## Two scores that lie
#
# First, labels drawn at random from ten classes: nothing can be learned, and one nearest neighbour
# tries. Training rows measure memory. So we split, and each part has one job:
#
# | part | usual share | job | what it costs |
# |---|---|---|---|
# | **training** | 60-80 % | gradients, weights | its score is inflated |
# | **validation** | 10-20 % | choose settings, architecture, when to stop | each choice leaks a little |
# | **test** | 10-20 % | one unbiased number, at the very end | no decision may use it |
#
# With much data the last two shares shrink. Second, Keras's `validation_split=0.2`: the *last* fifth,
# before any shuffling. Our digits are sorted by class.

# %%
rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 5)), rng.integers(10, size=2000)
model = KNeighborsClassifier(1).fit(x[:1000], y[:1000])
remembered, real = model.score(x[:1000], y[:1000]), model.score(x[1000:], y[1000:])
print(f"accuracy {remembered:.2f} on rows it trained on, {real:.2f} on new rows (chance: 0.10)")

digits = datasets.load_digits()
order = np.argsort(digits.train.y, kind="stable")
x, y = digits.train.x.reshape(-1, 64)[order], digits.train.y[order]
keras.utils.set_random_seed(0)
net = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
net.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
log = net.fit(x, y, epochs=8, validation_split=0.2, verbose=0).history
print(f"training {log['accuracy'][-1]:.2f}, validation {log['val_accuracy'][-1]:.2f}")
first, last = np.split(y, [int(len(y) * 0.8)])
print("classes trained on:", np.unique(first), " classes validated:", np.unique(last))

# %% [markdown] topics="k-fold"
# No 8 and no 9 was trained on. Shuffle first, or hand over `validation_data`.
#
# ## Every row validates once
#
# With few rows, 20 % for validation are dear. **K-fold cross-validation** cuts the rows into K equal
# folds, usually 5 or 10. Each fold validates a fresh model trained on the other K - 1; the K scores
# are averaged.
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
# A logistic regression tells the sex of 119 penguins from four sizes, in ten folds of about twelve
# birds. We shuffle in three ways. How far apart are the lowest and the highest of ten folds? (a) About
# 0.02. (b) About 0.08. (c) More than 0.15.

# %%
check("predict_spread", "c")  # SOLUTION

# %%
birds = datasets.load_penguins().table.query("species == 'Gentoo'").dropna(subset=["sex"])
sizes = birds[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
ready.thirty_folds(make_pipeline(StandardScaler(), LogisticRegression()), sizes, birds.sex)
check.reveal("predict_spread")

# %% [markdown] topics="stratified-k-fold loocv walk-forward"
# <details><summary>After you ran it</summary>
#
# One split could have told you any of these squares. The means agree far better.
#
# Which fold's model do you ship? None. They measured a *recipe*; fit it once more, on all rows.
#
# </details>
#
# ## Six ways to split
#
# Fifteen rows, each a column. Letters name classes, or groups that belong together. Under
# **walk-forward**, columns are days: train on the past, validate on what comes next. The training
# window may grow or slide. An **embargo** leaves out the rows just before the validation block, whose
# targets or features may reach into it.

# %%
ready.six_maps()
rare = np.arange(500) % 50 == 0  # ten positives in 500 rows, 2 %
for cv in (ms.KFold(10, shuffle=True, random_state=0), ms.StratifiedKFold(10)):
    positives = [int(rare[v].sum()) for _, v in cv.split(rare, rare)]
    print(f"{type(cv).__name__:16} positives in each fold: {positives}")
line, flipper, mass = LinearRegression(), sizes[["flipper_length_mm"]], sizes.body_mass_g
said = ms.cross_val_predict(line, flipper, mass, cv=ms.LeaveOneOut())
print(f"leave one out: {len(mass)} trainings, mean error {np.abs(mass - said).mean():.0f} g")

# %% [markdown]
# Plain folds of a rare class can come without a positive. **Stratified** folds keep the shares.
# **Leave one out** is K = N: almost unbiased, and N trainings. Its variance is often called high; we
# measure it below.
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
def noise_scores(columns=20):
    outside, inside = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noise, coin = rng.normal(size=(100, 2000)), rng.permutation(100) % 2
        folds = ms.StratifiedKFold(5, shuffle=True, random_state=seed)
        chosen = SelectKBest(k=columns).fit_transform(noise, coin)  # once, from all rows
        outside.append(ms.cross_val_score(LogisticRegression(), chosen, coin, cv=folds).mean())
        in_fold = make_pipeline(SelectKBest(k=columns), LogisticRegression())
        inside.append(ms.cross_val_score(in_fold, noise, coin, cv=folds).mean())
    print("columns chosen outside the folds:", np.round(outside, 2))
    print("columns chosen inside each fold: ", np.round(inside, 2))


noise_scores()
check.reveal("predict_noise")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The columns were chosen outside of the folds. Put whatever learns from data into the fold: scaling,
# filling gaps, choosing columns. A scikit-learn pipeline does it; for Keras
# `cross_validate(..., preprocess=...)`.
#
# </details>
#
# ## Twins and storms
#
# Up to five vendors draw the same emoji; one storm cancels flights by the dozen. Each set is split
# three times, at random and by group (the emoji's code, the day). The score is accuracy for emoji,
# average precision for flights.

# %%
scaled, rank = make_pipeline(SimpleImputer(), StandardScaler()), "average_precision"
trials = {
    "emoji, 1 neighbour": (KNeighborsClassifier(1), "accuracy", ready.emoji()),
    "flights, neighbours": (make_pipeline(scaled, KNeighborsClassifier(15)), rank, ready.flights()),
    "flights, logistic": (make_pipeline(scaled, LogisticRegression()), rank, ready.flights()),
}
leaks = {}
for name, (model, scoring, (inputs, target, groups)) in trials.items():
    for way, splitter in (("random", ms.ShuffleSplit), ("group", ms.GroupShuffleSplit)):
        ties = groups if way == "group" else None
        cv = list(splitter(3, test_size=0.2, random_state=0).split(inputs, groups=ties))
        leaks[name, way] = scores = ms.cross_val_score(
            model, inputs, target, cv=cv, scoring=scoring
        )
        print(f"{name:19} by {way:6} {scores.round(2)}")

# %% [markdown]
# Neighbours find the twin, or the other flights of that storm; the logistic regression cannot
# remember a day. So a leak does worse than flatter: it picks the wrong winner. Split at random the
# neighbours win on flights, by day they lose.
#
# ### Choose the splitter (difficulty 2, 5 minutes)
#
# Name for each use how to split: "shuffled", "stratified", "by code", "by vendor", "by day" or
# "walk-forward".
#
# - `penguins`: name the species of another bird from these islands (one species is rare)
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
# Births a day in the United States, for twenty years. A day has its **weekday** and **month**, the
# **time since** an event, **lags** (values of earlier days), and **rolling means** of them. Two models:
#
# - *calendar*: five neighbours, by weekday and by time since the first day
# - *lags*: a linear (ridge) regression on the births 7, 14 and 28 days before
#
# We measure the mean absolute error with five shuffled folds, and with five walk-forward folds. Of
# the calendar model, walk-forward's will be (a) the same, (b) about twice as large, (c) smaller.

# %%
check("predict_time", "b")  # SOLUTION


# %%
_, when, lags = ready.births()
shuffles = [ms.KFold(5, shuffle=True, random_state=seed) for seed in range(3)]
calendar = make_pipeline(StandardScaler(), KNeighborsRegressor(5))
births = {}
for name, model, inputs in (("calendar", calendar, when), ("lags", Ridge(), lags)):
    for way, cvs in (("shuffled", shuffles), ("walk-forward", [WalkForward(5)])):
        births[name, way] = error = ready.births_error(model, inputs, cvs)
        print(f"{name:8} {way:12} {error.mean():.0f}, folds {error.min():.0f} to {error.max():.0f}")
check.reveal("predict_time")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Shuffled folds let the calendar model look up the same weekday a week *later*, and it wins. Walking
# forward, the lags win. They hold no future, so both ways agree on them. A block should be as long as
# your forecast.
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
# Twenty models that toss a coin are scored on 200 validation rows. The best ships. What is its
# accuracy on those rows, and on new ones? (a) About 0.50 on both. (b) Clearly above 0.50, then about
# 0.50. (c) Clearly above 0.50 on both.

# %%
check("predict_winner", "b")  # SOLUTION

# %%
plots.explore(ready.contest, [1, 2, 5, 10, 20, 50, 100, 200], ready.contest_in_words,
              "models to choose from", start=4)  # fmt: skip
check.reveal("predict_winner")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The winner's score rises with the number of candidates, and its new score does not: whoever chooses
# by a score trains on those rows. Test rows that choose are contaminated.
#
# </details>
#
# ## Two ways to an honest number
#
# **Nested** cross-validation repeats the whole choice inside each outer fold. We choose among ten numbers of neighbours, on coin tosses. (scikit-learn:
# `cross_val_score` of a `GridSearchCV`; Keras: `coursekit.validation.nested_cross_validate`.) Or keep a
# test set, and open it once: `TestVault` gives one score, and asks for the reason.

# %%
promised, nested = ready.nested_choice(tries=40)
print(f"the winner's score {promised:.2f}, nested {nested:.2f}, means of 40 tries")

vault = TestVault(np.zeros((60, 1)), np.random.default_rng(0).integers(2, size=60))
ready.open_twice(vault)

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
# ## The pitfall: a spread is not a standard error
#
# Many reports divide the spread over folds by the root of their number, and repeat the folds to make
# it small. We draw many data sets of 60 rows, and cross-validate each: in ten folds, ten times in ten
# folds, and leaving one out (60 folds). How much does the mean vary from one data set to the next?

# %%
claims = {}
for rounds, folds, sets in ((1, 10, 200), (10, 10, 40), (1, 60, 200)):
    for seed in range(3):
        runs = ready.centroid_runs(seed, sets, rounds, folds)  # a row of scores for each data set
        claimed, true = (
            (runs.std(1, ddof=1) / runs.shape[1] ** 0.5).mean(),
            runs.mean(1).std(ddof=1),
        )
        claims[rounds, folds, seed] = claimed, true
        print(f"{rounds:2} x {folds} folds: spread / root {claimed:.3f}, real error {true:.3f}")

# %% [markdown]
# Folds share training rows, and repeats bring no new row. For one round of ten the claim is somewhat
# too small here, for ten rounds far too small: the truth did not shrink. No unbiased estimate exists
# (Bengio and Grandvalet 2004). Report mean and range of the folds. Leaving one out varies as ten
# folds do, with this classifier; over others the literature disagrees.
#
# ## Your decision
#
# Until now one fixed split judged the running model. `cross_validate` takes a *builder*, for each fold
# needs a fresh model. Here are five folds, three seeds on the first of them, and a network with the
# mean of the folds' weights.

# %% tags=["nbval-ignore-output"]
fashion = datasets.load_fashion_mnist().train
x, y = fashion.x, fashion.y
five = list(ms.StratifiedKFold(5, shuffle=True, random_state=0).split(x, y))
fit = {"fit_kwargs": {"epochs": 6, "batch_size": 64}, "verbose": 0}
folds = cross_validate(ready.running, x, y, cv=five, keep_models=True, **fit)
seeds = cross_validate(ready.running, x, y, cv=five[:1] * 3, **fit)
fig = plots.cross_validation(folds, title="The running model in five folds")
plots.show(fig, alt="Accuracy after six epochs in each fold, circles in training and squares in "
           "validation, with a line at the validation mean.")  # fmt: skip
for name, result in (("five folds", folds), ("three seeds", seeds)):
    scores = result.scores["accuracy"]
    print(f"{name}: {scores.min():.2f} to {scores.max():.2f}, mean {scores.mean():.2f}")
blend = ready.mean_of_weights(folds.models, x, y)
print(f"with the mean of the folds' weights, even on rows that trained: {blend:.2f}")

# %% jupyter={"source_hidden": true}
# Tests of what the text says. Safe to skip.
assert remembered == 1 and abs(real - 0.1) < 0.03
assert log["accuracy"][-1] > 0.9 and log["val_accuracy"][-1] < 0.2
near, line = "flights, neighbours", "flights, logistic"
assert min(leaks["emoji, 1 neighbour", "random"]) > max(leaks["emoji, 1 neighbour", "group"]) + 0.05
assert leaks[near, "random"].mean() > leaks[line, "random"].mean()
assert leaks[near, "group"].max() < leaks[line, "group"].min()
errors = {key: error.mean() for key, error in births.items()}
assert 1.8 < errors["calendar", "walk-forward"] / errors["calendar", "shuffled"] < 2.6
assert errors["calendar", "shuffled"] < errors["lags", "shuffled"]
assert errors["calendar", "walk-forward"] > errors["lags", "walk-forward"]
assert abs(errors["lags", "walk-forward"] / errors["lags", "shuffled"] - 1) < 0.1
assert all(train.max() < validation.min() for train, validation in WalkForward(5).split(lags))
assert promised > 0.55 and abs(nested - 0.5) < 0.03
ratios = {key: claimed / true for key, (claimed, true) in claims.items()}
assert 0.7 < np.mean([ratios[1, 10, k] for k in range(3)]) < 0.98
assert max(ratios[10, 10, k] for k in range(3)) < 0.5
assert all(0.9 < claims[1, 60, k][1] / claims[1, 10, k][1] < 1.1 for k in range(3))
assert blend < folds.scores["accuracy"].min() - 0.1
assert ready.winners(20)[0].mean() > 0.55 and abs(ready.winners(20)[1].mean() - 0.5) < 0.01

# %% [markdown]
# How many folds and seeds will you trust for the running model? `score` is the accuracy to beat.

# %%
### BEGIN SOLUTION
check.decide(
    choice="five stratified folds for a final comparison, three seeds on the fixed split before",
    because="seeds and folds scatter by about as much as most changes gain",
    score=round(float(folds.scores["accuracy"].mean()), 2),
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
# 5. Folds scatter; dividing their spread by a root claims too much.
#
# **Break it.** Call `noise_scores(2)`, then `noise_scores(200)`. Then run
# `ready.births_error(calendar, when, [WalkForward(50, horizon=28)]).mean()`, and the same with
# `Ridge()` and `lags`: which of the two models gains, and which one wins?
#
# <details><summary>What happens</summary>
#
# Two columns leak less, 200 more: each brings its own luck. With blocks of four weeks the calendar
# model is never far from its last known day. It gains much, and still loses.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "b")  # SOLUTION
check.cards()
check.summary()
