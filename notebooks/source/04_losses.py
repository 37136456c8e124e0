# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 45
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
# # How wrong is wrong?
#
# Skip ahead if you can answer these: which outliers bend even a line of least absolute errors? What
# does Keras do with raw scores without `from_logits=True`? Is a net right in 90 % of the cases in
# which it says 90 %?
#
# You will choose a loss, pair it with the right output, and see three silent failures. You need
# [[training_loop]].
#
# > **You need only this.** An *L2 penalty* adds the squared weights, times a small number, to the loss
# > ([[regularization]]).

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import warnings

import keras
import numpy as np
from scipy import stats

from coursekit import datasets
from coursekit.lessons.losses import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="loss-role mse mae huber-loss"
# ## Three ways to be wrong
#
# A **loss** (cost, objective) makes one number of predictions and targets. It says what "good" means,
# and training follows. With the error $e = \hat y - y$:
#
# | loss | for one error | in words |
# |---|---|---|
# | **MSE**, mean squared error | $e^2$ | large errors count most |
# | **MAE**, mean absolute error | $\lvert e \rvert$ | each dollar counts alike |
# | **Huber** | $e^2/2$ up to $\lvert e \rvert = \delta$, then $\delta(\lvert e \rvert - \delta/2)$ | squared when small, absolute when large |


# %% topics="loss-python-formulas mse-outlier-sensitivity"
def mse(y, y_hat):
    return np.mean((y_hat - y) ** 2)


def mae(y, y_hat):
    return np.mean(np.abs(y_hat - y))


def huber(y, y_hat, delta=1.0):
    e = np.abs(y_hat - y)
    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))


k, L = keras.losses, keras.layers
y, y_hat = np.random.default_rng(0).normal(size=(2, 50))
for ours, theirs in ((mse, k.MeanSquaredError()), (mae, k.MeanAbsoluteError()), (huber, k.Huber())):
    print(f"{ours.__name__:6} {ours(y, y_hat):.3f}   in Keras {float(theirs(y, y_hat)):.3f}")
parts.three_losses(mse, huber, mae)
print(f"one error of 10 costs as much as {mse(0, 10):.0f} of 1 in MSE, as {mae(0, 10):.0f} in MAE")

# %% [markdown] topics="mse-gradient"
# The right panel is the **gradient** of one error's loss: how hard a row pulls. MAE's jumps at 0,
# so steps of a fixed length never settle there. Huber's has no jump.
#
# ### The gradient of the mean squared error (difficulty 1, 6 minutes)
#
# Write the gradient of the *mean* squared error of $n$ predictions with respect to each prediction.
# Then choose `rate`: one step `y_hat - rate * gradient` should bring the errors [1, -2, 0, 3] to 0.


# %% exercise="mse_gradient"
def mse_gradient(y, y_hat):
    """Return dMSE/dy_hat, an array as long as y_hat."""
    ### BEGIN SOLUTION
    return 2 * (y_hat - y) / len(y)
    ### STUB
    # return ...
    ### END SOLUTION


rate = 2  # SOLUTION

check("mse_gradient", mse_gradient, rate)

# %% [markdown]
# ## Odd houses
#
# Ames, Iowa: in Northridge three mansions sold far above all others. In Edwards three giants, above
# 4,600 square feet, sold unfinished for little. We draw a line, price over size, of lowest MSE, MAE
# and Huber loss ($\delta$ = 40 thousand dollars) through each.
#
# Compared with the lines without the odd three: (a) In both places MSE's line is bent and MAE's is
# not. (b) In Northridge so, but in Edwards all three are bent. (c) All three are bent in both.

# %%
check("predict_odd", "b")  # SOLUTION


# %%
def huber_40(y, y_hat):
    return huber(y, y_hat, delta=40)


sales, lines = parts.neighbourhoods(), {}  # name: sizes, prices, which three are odd
for name, (x, y, odd) in sales.items():
    lines[name] = {loss.__name__: parts.fit_line(loss, x, y) for loss in (mse, huber_40, mae)}
    for loss in (mse, huber_40, mae):
        slope, without = lines[name][loss.__name__][0], parts.fit_line(loss, x[~odd], y[~odd])[0]
        print(f"{name:10} {loss.__name__:8} slope {slope:4.1f}, without the three {without:4.1f}")
parts.two_neighbourhoods(sales, lines)
check.reveal("predict_odd")

# %% [markdown] topics="mse-gaussian-likelihood mse-convexity"
# <details><summary>After you ran it</summary>
#
# In Northridge the mansions triple MSE's slope; MAE caps what an odd *price* can do. In Edwards a
# point far out in *size* works like a lever: MAE's slope falls by more than half. None of the three
# cures that: look at such rows.
#
# </details>
#
# ## Why squares?
#
# Let each price be $m$ plus Gaussian noise of a fixed spread $s$. Minus the logarithm of its
# density is $(y - m)^2 / (2 s^2)$ plus a constant. So the $m$ that makes the prices likeliest has
# the lowest MSE: the mean. Laplace noise, with heavier tails, gives MAE and the median. (A yes or
# no gives cross-entropy.)
#
# For a linear model MSE is **convex**, like a bowl: every minimum is global. Many texts add "a single
# one". The figure has two weights: of lot and living area, then of the lot in feet and in metres.

# %%
lots, prices, _ = sales["Northridge"]
m = np.linspace(200, 500, 3001)[:, None]  # one price for every house in Northridge
for name, cost in {
    "MSE": (prices - m) ** 2,
    "Gaussian noise": -stats.norm.logpdf(prices, m, 100),
    "MAE": np.abs(prices - m),
    "Laplace noise": -stats.laplace.logpdf(prices, m, 100),
}.items():
    print(f"{name:14} lowest at {float(m[cost.mean(axis=1).argmin(), 0]):.1f}")
print(f"mean price {prices.mean():.1f}, median price {np.median(prices):.1f}")
for name, (rank, lowest) in parts.bowl_and_valley().items():
    print(f"{name}: rank {rank}, {lowest} lowest point(s) on the grid")

# %% [markdown] topics="binary-cross-entropy confident-wrong-penalty"
# Lot in metres says nothing new (the *rank* of the two columns is 1), and along the valley all losses
# are equal. For a network MSE is not convex.
#
# ## The price of confidence
#
# A yes-or-no model gives $p$, the probability of yes, from a raw score (the **logit** $z$) by the
# sigmoid $1/(1+e^{-z})$. **Binary cross-entropy** (BCE, log loss) is the mean of
# $-[y \ln p + (1-y) \ln(1-p)]$: minus the logarithm of what the model gave to the truth.


# %%
def bce(y, p):
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


keras_bce = keras.losses.BinaryCrossentropy()
from_score = keras.losses.BinaryCrossentropy(from_logits=True)
yes = np.array([[1.0]])
for wrong in (0.01, 0.51, 0.99):
    print(f"{wrong:.2f} for the wrong answer costs {bce(yes, 1 - wrong):6.3f}")
costs = float(keras_bce(yes, 0 * yes)), float(from_score(yes, -200 * yes))
print("1.00 costs {:.2f} in Keras; a logit of -200 for a true yes costs {:.0f}".format(*costs))

truth, scores = np.array([1, 1, 0, 0]), np.array([0.3, 0.4, -1, -2])
cuts = [float(keras.metrics.BinaryAccuracy(threshold=c)(truth, scores)) for c in (0.5, 0)]
print("four logits on the right side of 0: accuracy {} cut at 0.5, {} cut at 0".format(*cuts))

# %% [markdown]
# Certain and wrong should cost infinity. From probabilities Keras clips at $10^{-7}$; from logits the
# cost is exact, and grows like the score.
#
# **The pitfall.** `metrics=["accuracy"]` cuts at 0.5, even where the outputs are logits: four right
# answers score 0.50. `keras.metrics.BinaryAccuracy(threshold=0.0)` cuts at 0.
#
# ### Two forecasters (difficulty 2, 6 minutes)
#
# A is right on 95 % of days and always gives its answer .999. B is right on 90 % and always gives
# .9. Whose log loss is lower, "A" or "B"? And which probability should A give?

# %% exercise="forecaster"
lower = "B"  # SOLUTION
advice = 0.95  # SOLUTION

check("forecaster", lower, advice)

# %% [markdown] topics="softmax categorical-cross-entropy"
# ## K classes
#
# The **softmax** makes probabilities of $K$ logits: $p_k = e^{z_k} / \sum_j e^{z_j}$. **Categorical
# cross-entropy** (CCE) is the mean of $-\ln p_y$, for the true class $y$. `Categorical...` takes
# *one-hot* rows, a 1 at the class among zeros; `SparseCategorical...` takes integers.


# %%
def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


one_hot, sparse = k.CategoricalCrossentropy(), k.SparseCategoricalCrossentropy()
z, labels = np.array([[2.0, 1.0, 0.1], [0.0, 0.0, 0.0]]), np.array([0, 2])
a, b = float(one_hot(np.eye(3)[labels], softmax(z))), float(sparse(labels, softmax(z)))
print(f"categorical {a:.3f}, sparse {b:.3f}; three equal logits cost ln 3 = {np.log(3):.3f}")
print("p     ", softmax(z)[0].round(3), " with 50 added to each logit", softmax(z + 50)[0].round(3))
with np.errstate(all="ignore"):
    print("as written:", softmax(np.array([1000.0, 0.0])))
print("in Keras:  ", np.array(keras.ops.softmax(np.array([[1000.0, 0.0]])))[0])

# %% [markdown] topics="log-sum-exp"
# $e^{1000}$ overflows, and infinity over infinity is nan. But adding a constant to all logits changes
# no probability. So Keras subtracts the right one before `exp`.
#
# ### Logits of a thousand (difficulty 2, 7 minutes)
#
# Cross-entropy from logits is $-z_y + \ln \sum_j e^{z_j}$. Write its second part, for logits of any
# size: [1000, 1000] should give 1000.6931.


# %% exercise="log_sum_exp"
def log_sum_exp(z):
    """Return log(sum(exp(z))) of a vector, without overflow."""
    ### BEGIN SOLUTION
    m = np.max(z)
    return m + np.log(np.sum(np.exp(z - m)))
    ### STUB
    # return np.log(np.sum(np.exp(z)))  # overflows: mend it
    ### END SOLUTION


check("log_sum_exp", log_sum_exp)

# %% [markdown] topics="fused-logsoftmax-nll"
# ## Who applies the softmax?
#
# Either the model's last layer does, or the loss (`from_logits=True`), by log-sum-exp: the better
# place. Both or neither is a fault. Here is neither: a digits network without softmax, a loss left at
# its default. (a) Accuracy near chance, no error. (b) It trains, only more slowly. (c) An error in the
# first batch.

# %%
check("predict_forgot", "a")  # SOLUTION


# %%
digits = datasets.load_digits().train
for said in (True, False):
    nets = parts.three_nets((8, 8), lambda: [L.Flatten(), L.Dense(64, "relu"), L.Dense(10)])
    loss = k.SparseCategoricalCrossentropy(from_logits=said)
    for net in nets:
        net.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    logs = fit_many(nets, digits.x, digits.y, epochs=10, verbose=0)
    shown = ", ".join(f"{log.history['accuracy'][-1]:.1f}" for log in logs)
    print(f"from_logits={said!s:5}  accuracy of three seeds: {shown}  (chance: 0.1)")

p, right = np.array([[0.99, 0.005, 0.005]]), np.array([0])
from_logits = k.SparseCategoricalCrossentropy(from_logits=True)
costs = float(sparse(right, p)), float(from_logits(right, p)), np.log((np.e + 2) / np.e)
print("99 % costs {:.2f}; with a second softmax {:.2f}, and even 100 % costs {:.2f}".format(*costs))
check.reveal("predict_forgot")

# %% [markdown] topics="hinge-loss"
# <details><summary>After you ran it</summary>
#
# The loss clips raw scores to the range of probabilities, and clipped scores have no gradient. The
# opposite fault, a softmax layer *and* `from_logits=True`, squashes twice: the loss has a floor.
# TensorFlow's Keras notices a softmax layer, warns and mends it; on JAX it trains on badly.
#
# </details>
#
# ## A margin instead of a probability
#
# The **hinge** loss is $\max(0, 1 - y f)$, with $y$ = -1 or +1 (Keras turns 0/1 into these) and a raw
# score $f$. With a small L2 penalty it gives a boundary with a wide **margin**, the strip where
# $|f| < 1$: the *support vector machine* (SVM). We fit two species of penguins, then once more without
# the points beyond the margin.


# %% topics="hinge-margin" needs="L2"
x, y = parts.two_species()
v = parts.fit_margin(x, y)
score = x @ v[:2] + v[2]
near = y * score < 1.001  # on the margin counts as near
parts.margin(x, y, v, near)
again = parts.fit_margin(x[near], y[near], of=len(y))  # the mean over all rows
print(f"boundary from all {len(y)} points:    {v.round(2) + 0.0}")
print(f"from the {near.sum()} near ones alone:  {again.round(2) + 0.0}")
hinges = [float(keras.losses.Hinge()(labels, score)) for labels in (y, (y + 1) / 2)]
print("labels -1/+1 and 0/1 give the same hinge loss: {:.3f}, {:.3f}".format(*hinges))

# %% [markdown]
# ### Who pulls at the boundary? (difficulty 2, 4 minutes)
#
# What is the hinge loss of point B? And which of the four pull at the boundary? Give their letters
# as a text, such as "AC".
#
# | point | A | B | C | D |
# |---|---|---|---|---|
# | $y$ | +1 | +1 | -1 | -1 |
# | $f$ | 2.5 | 0.3 | -1.2 | 0.4 |

# %% exercise="hinge"
hinge = 0.7  # SOLUTION
pulling = "BD"  # SOLUTION

check("hinge", hinge, pulling)

# %% [markdown] topics="bce-cce-not-interchangeable quiz-misconception-bce-cce"
# ## One unit, the wrong cross-entropy
#
# Male or female? One sigmoid unit, four measures of 333 penguins, and `categorical_crossentropy`
# for the binary one. What will the log show? (a) A loss that falls more slowly. (b) A loss of 0
# from the first epoch. (c) An error.

# %%
check("predict_cce", "b")  # SOLUTION

# %%
x, y = parts.two_sexes()
for loss in ("binary_crossentropy", "categorical_crossentropy"):
    nets = parts.three_nets((4,), lambda: [L.Dense(1, activation="sigmoid")])
    for net in nets:
        net.compile(keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])
    with warnings.catch_warnings(record=True) as told:
        logs = [run.history for run in fit_many(nets, x, y, epochs=10, verbose=0)]
    seen, ends = logs[-1]["loss"], [log["accuracy"][-1] for log in logs]
    print(f"{loss:25} loss {seen[0]:.1f} to {seen[-1]:.1f}, accuracies {np.round(ends, 1)}")
print("Keras says:", *[str(warning.message).split(". ")[-1] for warning in told[-1:]])

z, labels = 3 * np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
pair = from_logits(labels, z), from_score(labels, z[:, 1] - z[:, 0])
print("two units and CCE {:.4f}; BCE of the difference {:.4f}".format(*map(float, pair)))
check.reveal("predict_cce")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# CCE compares units, and a single unit has no other: the loss reads 0.
#
# "Never swap the two" is too strict: two units with softmax and CCE equal one sigmoid with BCE on the
# difference of the logits.
#
# </details>
#
# ### A head and its loss (difficulty 3, 10 minutes)
#
# Give each task its `(units, activation, loss)`, with names or objects of Keras. The loss of a
# class must be a cross-entropy.
#
# - `price`: of a house, in 100,000 dollars
# - `garment`: one of ten; targets are integers from 0 to 9
# - `loan`: will it be paid back? targets 0 or 1
# - `loan_two`: the same task and targets, with two units
# - `tags`: which of five tags fit a photo (none, some, all)? targets like [0, 1, 1, 0, 1]

# %% exercise="heads"
### BEGIN SOLUTION
heads = {
    "price": (1, None, "mse"),
    "garment": (10, "softmax", "sparse_categorical_crossentropy"),
    "loan": (1, "sigmoid", "binary_crossentropy"),
    "loan_two": (2, "softmax", "sparse_categorical_crossentropy"),
    "tags": (5, "sigmoid", "binary_crossentropy"),
}
### STUB
# heads = {"price": ..., "garment": ..., "loan": ..., "loan_two": ..., "tags": ...}
### END SOLUTION

check("heads", heads)

# %% [markdown]
# ## How hard can one row pull?
#
# Many texts list how outliers count: MSE high; Huber, BCE, CCE and focal loss ([[custom_losses]])
# medium; MAE and hinge low. A row is wrong by more and more (in $\hat y$, or in the logit): how large
# is its gradient?

# %% topics="loss-outlier-sensitivity-table"
print("wrong by    ", *[f"{far:7}" for far in (0.5, 2, 10)])
for name, pulls in parts.pulls((0.5, 2, 10)).items():
    print(f"{name:12}", *[f"{pull:7.2f}" for pull in pulls])

# %% [markdown]
# Only MSE's pull has no limit. Far out all others end at 1 (Huber at its $\delta$, here 1):
# "medium" against "low" is open to debate.
#
# ### Choose delta (difficulty 2, 5 minutes)
#
# Back to Northridge, in thousands of dollars. Choose `delta` such that at least half of the houses
# lie no more than `delta` from the line, and the slope stays below 3.7, mansions included.
# `parts.fit_line(lambda y, y_hat: huber(y, y_hat, delta), lots, prices)` returns slope and
# intercept.

# %% exercise="delta"
delta = 45  # SOLUTION

check("delta", delta)

# %% [markdown] topics="cross-entropy-calibration"
# ## When it says 90 %
#
# Cross-entropy is a **proper scoring rule**: on average it is lowest at the true probabilities. So
# its nets should be **calibrated**: of answers given with 90 %, 90 % are right. Here is the running
# model after 6 and 40 epochs, three seeds. ECE (expected calibration error) is the mean gap between
# confidence and accuracy over ten bins.

# %% tags=["nbval-ignore-output"]
fashion = datasets.load_fashion_mnist()
train, valid = fashion.train, fashion.validation
nets = [lessons.running_model(seed) for seed in range(3)]
for net in nets:
    net.compile(keras.optimizers.Adam(0.003), from_logits)
answers, scores = {}, {}
for epochs, more in ((6, 6), (40, 34)):  # a second call continues
    fit_many(nets, train.x, train.y, epochs=more, batch_size=128, verbose=0)
    answers[epochs], scores[epochs] = parts.answers_and_scores(nets, valid.x, valid.y)
    log_loss, accuracy, ece = scores[epochs].round(2)
    print(f"{epochs:2} epochs: log loss {log_loss}, accuracy {accuracy}, ECE {ece}")
parts.calibration(answers)

# %% jupyter={"source_hidden": true}
# Tests of what the text says. Safe to skip.
early, late = scores[6], scores[40]  # log loss, accuracy, ECE: a column for each seed
assert late[2].min() > early[2].max() and late[0].mean() > early[0].mean()
assert late[1].mean() > early[1].mean() - 0.01
assert all(np.isclose(bce(yes, p), float(keras_bce(yes, p * yes)), rtol=1e-4) for p in (0.01, 0.99))
assert np.isclose(*map(float, pair), rtol=1e-5) and np.allclose(v, again, atol=0.02)

# %% [markdown]
# After 40 epochs each seed is worse calibrated than any was after 6, and the accuracy did not fall.
# "Proper" speaks of new rows; training lowers the loss of its own. Validation log loss notices.
#
# ### Your decision
#
# Which loss does the running model keep, in which form? Which validation number ends its training,
# log loss or accuracy?

# %%
### BEGIN SOLUTION
choice = "sparse categorical cross-entropy from logits; stop by validation log loss"
why = "accuracy does not see over-confidence, and log-sum-exp costs nothing"
check.decide(choice=choice, because=why, score=round(float(scores[6][1].mean()), 2))
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. MSE follows the mean, MAE the median. MAE and Huber cap odd targets, not odd inputs.
# 2. Cross-entropy charges -ln of what the truth was given. It is lowest at the true probability.
# 3. Model or loss applies the softmax: one of them, and best the loss.
# 4. One sigmoid unit needs BCE. A loss of 0 at the start is a fault.
# 5. Confidence must be measured on validation rows.
#
# **Break it.** Give `parts.fit_line` prices in dollars and `huber` with its default `delta=1.0`: whose
# line do you get?
#
# <details><summary>What happens</summary>
#
# Nearly every error is above one dollar, so Huber gives MAE's line.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "c")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
