# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 44
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
# # Where should the next trial go?
#
# Skip ahead if you can answer these: how many learning rates does a 3 by 3 grid try? What is wrong
# with a rate drawn uniformly between 0.0001 and 0.1? When does tuning one setting at a time stop short?
#
# You will spend a budget of trainings, and say whether the winner's lead is real. You need
# [[optimizers]], [[regularization]] and [[cross_validation]].
#
# > **You need only this.** A *transformer* and a *ResNet* are two large architectures, with *batch
# > norm* in the second.

# %% tags=["setup"] needs="transformer ResNet"
from coursekit import lessons

lessons.report()

import tempfile

import keras
import keras_tuner
import numpy as np
from scipy import stats
from sklearn import model_selection as ms
from sklearn.linear_model import LogisticRegression

from coursekit import datasets, plots
from coursekit.lessons import _hyperparameter_search as ready
from coursekit.lessons.hyperparameter_search import check, train
from coursekit.tuning import CrossValidationTuner
from coursekit.validation import compare

# %% [markdown]
# ## Nine trials
#
# A score depends on two settings, and one of them, you do not know which, hardly matters. You may try a
# grid of 3 by 3 points, or nine at random. Over many such landscapes, whose best is better on average?
# (a) The random ones'. (b) The grid's. (c) Neither's.

# %%
check("predict_nine", "a")  # SOLUTION

# %%
axis = (np.arange(3) + 0.5) / 3
grid = np.array([(a, b) for a in axis for b in axis])
rng, halton = np.random.default_rng(5), stats.qmc.Halton(2, seed=5)
ways = {"grid": lambda: grid, "random": lambda: rng.random((9, 2)),
        "Halton": lambda: halton.random(9)}  # fmt: skip


def contest(second):
    best = {way: [] for way in ways}  # where b matters by `second`
    for _ in range(1000):
        peak = rng.random(2)
        for way, nine in ways.items():
            best[way].append(ready.landscape(*nine().T, peak, second).max())
    means = {way: np.mean(found) for way, found in best.items()}
    print(f"b matters by {second:4}:", *(f"{way} {mean:.2f}  " for way, mean in means.items()))
    return means


one_matters, both_matter = contest(0.01), contest(1.0)
ready.nine_trials(ways)
check.reveal("predict_nine")

# %% [markdown] topics="grid-search grid-search-cost random-search"
# <details><summary>After you ran it</summary>
#
# The ticks tell it. Nine grid points try three values of the setting that matters, random ones nine
# (Bergstra and Bengio 2012). Where both matter alike, the grid's even spacing wins here.
# *Quasi-random* points, such as Halton's, try nine values with fewer gaps: Google's Deep Learning
# Tuning Playbook (Godbole and others 2023) explores with them.
#
# </details>
#
# A grid also grows: V values of each of D hyperparameters make $V^D$ trainings.
#
# ### How large is a grid? (difficulty 1, 2 minutes)
#
# Ten hyperparameters, five values each. How many trainings?

# %% exercise="grid_size"
grid_size = 5**10  # SOLUTION

check("grid_size", grid_size)

# %% [markdown]
# ### Thirty random trials (difficulty 2, 4 minutes)
#
# Call a setting good if it is among the best 5 % of the space. With what probability is at least one
# of thirty random trials good?

# %% exercise="thirty_random"
thirty_random = 1 - 0.95**30  # SOLUTION

check("thirty_random", thirty_random)

# %% [markdown]
# ## Random, but in which units?
#
# Of rates drawn uniformly between 0.0001 and 0.1, nine of ten lie above 0.01, and one in a hundred
# below 0.001. But a rate acts by factors.
#
# ### Draw learning rates (difficulty 2, 5 minutes)
#
# Write `sample_rates(rng, count)`: random rates from 0.0001 to 0.1, a third of them in each decade. `rng`
# is a NumPy generator.


# %% exercise="sample_rates"
def sample_rates(rng, count):
    """Return `count` learning rates for a search."""
    ### BEGIN SOLUTION
    return 10 ** rng.uniform(-4, -1, count)
    ### STUB
    # return ...
    ### END SOLUTION


check("sample_rates", sample_rates)

# %% [markdown] topics="parameters-vs-hyperparameters hyperparameter-list llm-parameter-count hyperparameters-drive-success"
# ## What is there to set?
#
# **Parameters** live inside the model: weights and biases, which training learns. GPT-3 has 175
# billion; GPT-4's number is not published. **Hyperparameters** live
# outside, and you set them before training. A third kind is **state**: kept while training, and moved
# by no gradient.
#
# | kind of hyperparameter | examples |
# |---|---|
# | learning rate | its value, its schedule |
# | batch size | 32, 128 |
# | epochs | how many, when to stop |
# | architecture | layers, units, activations |
# | regularisation | lambda of a penalty, dropout rate |
# | optimizer | which one, its momentum or betas |
#
# The first three come with every training, whatever the model; hardware decides how many trials you
# can afford.
#
# ### Parameter, hyperparameter or state? (difficulty 2, 5 minutes)
#
# Sort twelve quantities. `gamma` and `moving_mean` are batch norm's, `adam_moment` is the mean of
# squared gradients, and `rate_at_step_500` is what a cosine schedule gives then.

# %% exercise="kinds"
### BEGIN SOLUTION
kinds = {
    **dict.fromkeys(["kernel", "bias", "embedding", "gamma"], "parameter"),
    **dict.fromkeys(["layers", "dropout_rate", "batch_size", "initial_rate"], "hyperparameter"),
    **dict.fromkeys(["moving_mean", "adam_moment", "iterations", "rate_at_step_500"], "state"),
}
### STUB
# kinds = {
#     "kernel": ..., "bias": ..., "embedding": ..., "gamma": ...,
#     "layers": ..., "dropout_rate": ..., "batch_size": ..., "initial_rate": ...,
#     "moving_mean": ..., "adam_moment": ..., "iterations": ..., "rate_at_step_500": ...,
# }
### END SOLUTION

check("kinds", kinds)

# %% [markdown] topics="start-simple-baseline"
# ## Before the search: a baseline
#
# Start simple: a search's score says nothing until you know what comes without one. Digits of seven
# writers train; three other writers judge.

# %%
digits = datasets.load_digits().train
x, y, writer = digits.x.reshape(-1, 64), digits.y, digits.groups["writer"]
seen, held = writer < 7, writer >= 7
majority = np.mean(y[held] == np.bincount(y[seen]).argmax())
linear = LogisticRegression(max_iter=500).fit(x[seen], y[seen]).score(x[held], y[held])
defaults = {"learning_rate": 0.001, "batch_size": 32, "units": 64, "dropout": 0.0}
network = train([defaults] * 3, epochs=9)[:, -1]
print(f"most frequent digit {majority:.2f}, logistic regression {linear:.2f}")
print(f"a network with Keras's default rate, three seeds: {network.round(2)}")

# %% [markdown] topics="neural-architecture-search"
# The linear model wins: a search has a plain model to beat. (`train` takes Keras's steps in NumPy.)
#
# ## A search with KerasTuner
#
# KerasTuner's **oracles** say where to go next; `CrossValidationTuner` cross-validates their trials.
# `build_model(hp)` names what may vary. Here that includes depth and width: a small **neural
# architecture search** (NAS), which lets the machine design the network.


# %% tags=["nbval-ignore-output"]
def build_model(hp):
    net = keras.Sequential([keras.Input((64,))])
    for _ in range(hp.Int("layers", 0, 2)):
        net.add(keras.layers.Dense(hp.Choice("units", [16, 64]), "relu"))
    net.add(keras.layers.Dropout(hp.Float("dropout", 0, 0.5)))
    net.add(keras.layers.Dense(10))
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    momentum = hp.Float("momentum", 0.0, 0.95)
    sgd = hp.Choice("optimizer", ["sgd", "adam"]) == "sgd"
    optimizer = keras.optimizers.SGD(rate, momentum) if sgd else keras.optimizers.Adam(rate)
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return net


objective = keras_tuner.Objective("accuracy", "max")
oracle = keras_tuner.oracles.RandomSearchOracle(objective, max_trials=8, seed=1)
fit = lambda hp: {
    "batch_size": hp.Choice("batch_size", [32, 128]),
    "epochs": hp.Int("epochs", 3, 6),
}
tuner = CrossValidationTuner(build_model, oracle, cv=ms.GroupKFold(3), fit_kwargs=fit,
                             trials_at_once=8, directory=tempfile.mkdtemp())  # fmt: skip
tuner.search(x, y, groups=writer, verbose=0)
table = tuner.table.sort_values("score", ascending=False)
searched = ["learning_rate", "batch_size", "epochs", "layers", "dropout", "optimizer"]
table[["score", *searched]].round({"score": 2, "learning_rate": 4, "dropout": 2})

# %% [markdown] topics="is-the-gain-real"
# All six kinds vary, and the best trial stays below the linear model: eight trials, of at most six
# epochs.
#
# ## Is the gain real?
#
# Two trials share their folds, so a paired t-test compares them fold by fold. But folds share training
# rows. Here are 200 pairs of recipes that are *equally good* by construction; the test should find a
# difference in 5 % of them. `compare` corrects for the shared rows (Nadeau and Bengio 2003, who
# studied random splits).

# %%
alarms = {}
for rounds in (1, 3):
    pairs = [ready.null_experiment(np.random.default_rng(seed), rounds) for seed in range(200)]
    plain = np.mean([ready.plain_p_value(*pair) < 0.05 for pair in pairs])
    ours = np.mean([compare(*pair).p_value < 0.05 for pair in pairs])
    alarms[rounds] = plain, ours
    print(f"{rounds} x 10 folds, false alarms: plain t-test {plain:.0%}, compare {ours:.0%}")


# %% [markdown]
# The plain test cries wolf, most of all after more rounds. Now a real search: a small network at three
# rates and three batch sizes. Is the best of the nine better than the second, and than the last?

# %% tags=["nbval-ignore-output"]
tuner = CrossValidationTuner(
    ready.small, keras_tuner.oracles.GridSearchOracle(objective), cv=ms.GroupKFold(5), trials_at_once=9,
    fit_kwargs=lambda hp: {"batch_size": hp.Choice("batch", [32, 64, 128]), "epochs": 4},
    directory=tempfile.mkdtemp(),
)  # fmt: skip
tuner.search(x, y, groups=writer, verbose=0)
print(tuner.table.pivot(index="rate", columns="batch", values="score").round(2))
order = tuner.table.sort_values("score", ascending=False).index
best, second, last = (tuner.results[order[place]] for place in (0, 1, -1))
print("best against second:", compare(best, second))
print("best against last:", compare(best, last))

# %% [markdown]
# Where the interval holds 0, take the cheaper setting. The test does not know that you picked the
# pair by its scores.
#
# ## One at a time, or all at once?
#
# "Change one hyperparameter at a time", a common guide says. Here is an exact loss: noisy gradients in
# a bowl, for a fixed amount of work. You tune the rate, then the batch size, then the rate again.
# Where nothing changes any more, the loss is (a) that of the best pair, (b) higher, (c) lower.

# %%
check("predict_turn", "b")  # SOLUTION

# %%
ready.three_walks()
check.reveal("predict_turn")

# %% [markdown] topics="one-change-at-a-time"
# <details><summary>After you ran it</summary>
#
# The valley runs from corner to corner: a larger batch wants a larger rate. From its floor each single
# change climbs, so the walks stop, at different places. Changing one thing is right for
# finding a fault and for **ablation**, which asks what a part contributes. For tuning, search jointly.
#
# </details>
#
# ### One at a time (difficulty 2, 8 minutes)
#
# Write the walk. `loss[rate, batch]` is a table; from the given indices, take the best rate for that
# batch size, then the best batch size for that rate, until nothing changes. Return the pair of indices.


# %% exercise="in_turn"
def in_turn(loss, rate, batch):
    """Return (rate, batch) where neither change alone lowers the loss."""
    ### BEGIN SOLUTION
    while True:
        before = rate, batch
        rate = int(np.argmin(loss[:, batch]))
        batch = int(np.argmin(loss[rate]))
        if (rate, batch) == before:
            return rate, batch
    ### STUB
    # return ...
    ### END SOLUTION


check("in_turn", in_turn)

# %% [markdown] topics="bayesian-optimization"
# ## Learning from the trials so far
#
# **Bayesian optimisation** fits a cheap model of the score, a *surrogate*, to all trials so far. A
# *Gaussian process* gives a mean and an uncertainty everywhere; it assumes that near settings score
# alike. An *acquisition function* says where to go next. Here it is mean + 2 sd, an *upper confidence
# bound*: high near good trials (**exploitation**) and where little is known (**exploration**). The
# tree-structured Parzen estimator (TPE) is another surrogate.

# %%
plots.explore(ready.belief, list(range(2, 10)), ready.belief_in_words, "trials so far")

# %% [markdown]
# **Hyperband** (Li and others 2018) saves in another way: many settings for an epoch, the best third for
# three, the best ninth for nine. Such a round is *successive halving* (Jamieson and Talwalkar 2016);
# Hyperband runs several, some with fewer settings and more epochs.
#
# A race: three pools of sixty settings, each trained for nine epochs beforehand. A search looks
# trainings up and has 81 epochs to spend: nine full trainings, or 27 for one epoch, 9 for three, 3 for
# nine. We repeat it 60 times. Which is ahead of random search in all three pools, by more than two
# standard errors of the paired difference? (a) Neither. (b) Halving at least. (c) Bayesian
# optimisation alone.

# %%
check("predict_race", "b")  # SOLUTION


# %%
def halving(pool, rng, keep=3):
    alive, runs = rng.permutation(60)[:27], []
    for epochs in (1, 3, 9):
        runs += [(epochs, k) for k in alive]
        alive = alive[np.argsort(-pool.curves[alive, epochs - 1])][: max(1, len(alive) // keep)]
    return runs


pools = [ready.Pool(seed) for seed in (1, 2, 3)]
searches = {"random": ready.random_search, "Bayesian": ready.bayesian, "halving": halving}
leads = ready.race(pools, searches)
check.reveal("predict_race")

# %% [markdown] topics="hpo-libraries"
# <details><summary>After you ran it</summary>
#
# Halving is ahead in each pool: a bad setting costs it an epoch, not nine. How far Bayesian
# optimisation leads changes from pool to pool. This is one task.
#
# </details>
#
# | library | what it adds |
# |---|---|
# | KerasTuner | random, grid, GP, Hyperband |
# | Optuna | TPE by default; `trial.suggest_float("rate", 1e-4, 0.1, log=True)`; pruning |
# | Hyperopt | TPE too; older, little maintained |
# | Ray Tune | runs the others' searches on many machines |
#
# ## Plan a search
#
# The Playbook sorts hyperparameters first. **Scientific** ones are your question: do 64 units beat 8?
# **Nuisance** ones must be tuned for each answer, or the comparison is unfair. The rest is **fixed**.

# %%
tuned, low = ready.widths(pools)  # a row for each pool
print("8 and 64 units, at the best rate:", *tuned.round(2), "at low rates:", *low.round(2))


# %% [markdown]
# With its own best rate for each width, little is left of the gap at low rates.
#
# ### Sixty trainings (difficulty 3, 12 minutes)
#
# Spend at most sixty trainings of three epochs on four hyperparameters: `learning_rate` (0.0001 to 0.1),
# `batch_size` (32 or 128), `units` (8 to 64) and `dropout` (0 to 0.5). `train(plan)` returns accuracies of shape
# (trainings, epochs). Choose a setting, and `defend` it: `defend(choice)` trains three seeds and scores
# them on writers who chose nothing. Report their mean.

# %% exercise="sixty"
from coursekit.lessons.hyperparameter_search import defend

### BEGIN SOLUTION
rng = np.random.default_rng(7)
draw = lambda: {"learning_rate": 10 ** rng.uniform(-4, -1), "batch_size": rng.choice([32, 128]),
                "units": rng.integers(8, 65), "dropout": rng.uniform(0, 0.5)}  # fmt: skip
plan = [draw() for _ in range(60)]
scores = train(plan)[:, -1]
choice = plan[int(np.argmax(scores))]
reported = defend(choice).mean()
### STUB
# plan = [{"learning_rate": ..., "batch_size": ..., "units": ..., "dropout": ...}]
# scores = ...  # train(plan)[:, -1]
# choice = ...
# reported = ...
### END SOLUTION

check("sixty", plan, scores, choice, reported)

# %% [markdown] topics="defaults-transformer defaults-resnet"
# ## Where to start
#
# Published recipes are where a search begins. There is no "research standard".
#
# | | transformer | ResNet |
# |---|---|---|
# | optimizer | AdamW | SGD with momentum |
# | learning rate | 0.0003 | 0.1 for batch 256, scaled with the batch |
# | weight decay | 0.01 | 0.0001 |
# | batch size | 256 to 2,048 | 256 |
# | warmup | 2,000 to 4,000 steps | none |
# | schedule | cosine | cosine (originally steps) |
# | gradient clipping | 1.0 | none |
# | dropout | 0.1 | 0.2; the original: none |
# | label smoothing | 0.1 | none; newer ones 0.1 |
#
# Both, on a small network of each kind: eight epochs, batches of 64, three seeds; at a tenth of the
# recipe's rate, at its rate, and at ten times as much.


# %% tags=["nbval-ignore-output"]
def resnet(rate, steps):
    cosine = keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.SGD(cosine, momentum=0.9, weight_decay=0.0001)


def transformer(rate, steps):
    warmup = {"warmup_target": rate, "warmup_steps": steps // 10}
    cosine = keras.optimizers.schedules.CosineDecay(0.0, steps, **warmup)
    return keras.optimizers.AdamW(cosine, weight_decay=0.01, global_clipnorm=1.0)


by_resnet = ready.around(ready.small_resnet, resnet, 0.1 * 64 / 256)
by_transformer = ready.around(ready.small_transformer, transformer, 0.0003, smoothing=0.1)

# %% [markdown]
# For these small networks, ten times the recipe's rate is better.
#
# ## The pitfall, and your decision
#
# KerasTuner takes `seed=0` for "no seed": start at 1. Then its Gaussian process searches a rate for the
# running model with momentum 0.9, in six trials. Which rate do you take, and what would you search
# next, together with it?


# %% tags=["nbval-ignore-output"]
ready.twenty_oracles(objective)
fashion = datasets.load_fashion_mnist().train
oracle = keras_tuner.oracles.BayesianOptimizationOracle(objective, 6, 3, seed=2)  # 3 at random
tuner = CrossValidationTuner(
    ready.running, oracle, cv=3, fit_kwargs={"epochs": 2, "batch_size": 64}, trials_at_once=3,
    directory=tempfile.mkdtemp(),
)  # fmt: skip
tuner.search(fashion.x, fashion.y, verbose=0)
tuner.table.sort_values("rate")[["rate", "score", "lowest_fold", "highest_fold"]].round(3)

# %% jupyter={"source_hidden": true}
# Tests of what the text says. Safe to skip.
assert min(one_matters["random"], one_matters["Halton"]) > one_matters["grid"] + 0.05
assert both_matter["grid"] > both_matter["random"] and both_matter["grid"] > both_matter["Halton"]
assert linear > network.max() > 0.8 > majority
assert (table[searched].nunique() > 1).all() and table.score.max() < linear - 0.05
assert 0.05 < alarms[1][0] < alarms[3][0] - 0.1 and max(alarms[1][1], alarms[3][1]) < 0.1
assert compare(best, second).low < 0 < compare(best, last).low
assert all(mean > margin for mean, margin in leads["halving"])
assert by_transformer[2].min() > by_transformer[1].max()
assert np.diff(tuned.mean(0)) < np.diff(low.mean(0)) / 2
trials = tuner.table.sort_values("score")
assert trials.score.max() > 0.7 and trials.rate.iloc[-1] < 0.3

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
best = tuner.table.sort_values("score").iloc[-1]
check.decide(
    choice=f"rate {best.rate:.2g}; next rate, momentum and width together, by halving",
    because="the best of six trials; a rate acts together with momentum and width",
    score=round(float(best.score), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. A grid of V values and D hyperparameters takes $V^D$ trials, and tries V values of each.
# 2. Rates are drawn by their exponent.
# 3. Settings act together: tune jointly, change one for a diagnosis.
# 4. Bayesian search and halving often save trials, and guarantee nothing.
# 5. The winner's score is too good; `compare` says whether its lead is more than scatter.
#
# **Break it.** Keep one setting after the first epoch, in place of a third:
#
# ```python
# ready.race(pools, {**searches, "halving": lambda pool, rng: halving(pool, rng, keep=27)})
# ```
#
# <details><summary>What happens</summary>
#
# The first epoch knows the good settings and not the best: halving loses its lead.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "c")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "a")  # SOLUTION
check.cards()
check.summary()
