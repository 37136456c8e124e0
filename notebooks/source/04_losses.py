# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 60
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
# does Keras do with raw scores if nobody says `from_logits=True`? Is a net right in 90 % of the
# cases in which it says 90 %?
#
# You will choose a loss for a task, pair it with the right output, and see three silent failures. You
# need [[training_loop]]. (`fit_many` trains several nets at once, each as `fit` would.)
#
# > **You need only this.** An *L2 penalty* adds the squared weights to the loss: small weights are
# > cheaper. A later lesson says why.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import warnings

import keras
import numpy as np
from scipy import stats
from scipy.optimize import minimize

from coursekit import datasets, plots
from coursekit.lessons.losses import bins_of, check
from coursekit.training import fit_many

# %% [markdown] topics="loss-role mse mae huber-loss"
# ## Three ways to be wrong
#
# A **loss** (cost, objective) turns predictions and targets into one number. It says what "good"
# means, and training follows. With the error $e = \hat y - y$:
#
# | loss | for one error | in words |
# |---|---|---|
# | **MSE**, mean squared error | $e^2$ | large errors count most |
# | **MAE**, mean absolute error | $\lvert e \rvert$ | each dollar counts alike |
# | **Huber** | $e^2/2$ up to $\lvert e \rvert = \delta$, then $\delta(\lvert e \rvert - \delta/2)$ | squared when small, absolute when large |


# %% topics="loss-python-formulas"
def mse(y, y_hat):
    return np.mean((y_hat - y) ** 2)


def mae(y, y_hat):
    return np.mean(np.abs(y_hat - y))


def huber(y, y_hat, delta=1.0):
    e = np.abs(y_hat - y)
    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))


k = keras.losses
y, y_hat = np.random.default_rng(0).normal(size=(2, 50))
for ours, theirs in ((mse, k.MeanSquaredError()), (mae, k.MeanAbsoluteError()), (huber, k.Huber())):
    assert abs(ours(y, y_hat) - float(theirs(y, y_hat))) < 1e-5
    print(f"{ours.__name__:6} {ours(y, y_hat):.3f}   as in Keras")

# %% topics="mse-outlier-sensitivity"
e = np.linspace(-4, 4, 401)
look = {"mse": e**2, "huber, delta 1": [huber(0, v) for v in e], "mae": np.abs(e)}
fig, (left, right) = plots.figure("Squares let one error pull without limit", columns=2)
for (name, values), style in zip(look.items(), plots.COMPARE, strict=False):
    plots.curve(left, values, style, x=e, label=name, marker="")
    plots.curve(right, np.gradient(values, e), style, x=e, label=name, marker="")
left.set(xlabel="error", ylabel="loss", ylim=(0, 9))
right.set(xlabel="error", ylabel="pull (slope of the loss)")
left.legend()
alt = "Left: MSE grows as a parabola, MAE as a V, Huber is round, then straight. "
alt += "Right: the pull of MSE is a rising line, MAE's jumps at 0, Huber's is capped."
plots.show(fig, alt=alt)
times = mse(0, 10) / mse(0, 1), mae(0, 10) / mae(0, 1)
print("an error of 10 costs {:.0f} times an error of 1 in MSE, {:.0f} times in MAE".format(*times))
below, at, above = (huber(0, 1 + step) for step in (-1e-4, 0, 1e-4))
assert abs((at - below) - (above - at)) < 1e-7  # value and slope join smoothly at delta

# %% [markdown] topics="mse-gradient"
# The right panel is the **gradient** of one error: how hard a row pulls. MAE's jumps at 0, so steps
# of a fixed length never settle there. Huber's has no jump.
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
# 4,600 square feet, sold unfinished for little. We draw a line of lowest MSE, MAE and Huber loss
# ($\delta$ = 40 thousand dollars) through each.
#
# Compared with the lines without the odd three: (a) In both places MSE's line is bent and MAE's is
# not. (b) In Northridge so, but in Edwards all three are bent. (c) All three are bent in both.

# %%
check("predict_odd", "b")  # SOLUTION


# %%
def fit_line(loss, x, y):
    """Return slope and intercept of the line with the lowest loss."""
    found = minimize(lambda line: loss(y, line[0] * x + line[1]), np.polyfit(x, y, 1),
                     method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})  # fmt: skip
    return found.x


def huber_40(y, y_hat):
    return huber(y, y_hat, delta=40)


ames = datasets.load_ames().table
sales = {}
for name, column in (("Northridge", "Lot_Area"), ("Edwards", "Gr_Liv_Area")):
    rows = ames[ames.Neighborhood == name]
    sales[name] = rows[column].to_numpy() / 1000, rows.Sale_Price.to_numpy() / 1000
lots, prices = sales["Northridge"]
areas, edwards_prices = sales["Edwards"]
odd = {"Northridge": prices > 600, "Edwards": areas > 4.6}

# %%
fig, axes = plots.figure("Two neighbourhoods, three losses each", columns=2, height=3.6)
units = ("lot, 1,000 square feet", "living area, 1,000 square feet")
for ax, name, unit in zip(axes, sales, units, strict=True):
    x, y = sales[name]
    ax.plot(x, y, "o", color="0.6", ms=4)
    ax.plot(x[odd[name]], y[odd[name]], "kx", ms=9, label="the odd three")
    ends = np.array([x.min(), x.max()])
    for loss, style in zip((mse, huber_40, mae), plots.COMPARE, strict=False):
        slope, intercept = fit_line(loss, x, y)
        plots.curve(ax, slope * ends + intercept, style, x=ends, label=loss.__name__, marker="")
        without = fit_line(loss, x[~odd[name]], y[~odd[name]])[0]
        print(f"{name:10} {loss.__name__:8} slope {slope:4.1f}, without the three {without:4.1f}")
    ax.set(title=name, xlabel=unit, ylabel="price, 1,000 dollars")
    ax.legend(fontsize=8)
plots.show(fig, alt="Prices and three lines in each of two neighbourhoods; crosses mark odd sales.")
check.reveal("predict_odd")

# %% [markdown] topics="mse-gaussian-likelihood mse-convexity"
# <details><summary>After you ran it</summary>
#
# In Northridge the mansions triple MSE's slope; MAE caps what an odd *price* can do. In Edwards no
# line is safe. A point far out in *size* works like a lever: MAE's slope falls by more than half. No
# loss cures that: look at such rows.
#
# </details>
#
# ## Why squares?
#
# Let each price be $m$ plus Gaussian noise of a fixed spread $s$. Minus the logarithm of its density is
# $(y - m)^2 / (2 s^2)$ plus a constant. So the most likely $m$ has the lowest MSE: the mean. Laplace
# noise, with heavier tails, gives MAE and the median. A coin (Bernoulli) gives binary cross-entropy.
#
# For a linear model MSE is **convex**: every minimum is global. Many texts add "a single one". The
# second cell has two weights: of lot and living area, then of the lot in feet and again in metres.

# %%
m = np.linspace(200, 500, 3001)[:, None]  # one price for every house in Northridge
costs = {
    "MSE": (prices - m) ** 2,
    "Gaussian noise": -stats.norm.logpdf(prices, m, 100),
    "MAE": np.abs(prices - m),
    "Laplace noise": -stats.laplace.logpdf(prices, m, 100),
}
lowest = {name: float(m[cost.mean(axis=1).argmin(), 0]) for name, cost in costs.items()}
for name, place in lowest.items():
    print(f"{name:14} lowest at {place:.1f}")
print(f"mean price {prices.mean():.1f}, median price {np.median(prices):.1f}")
assert lowest["MSE"] == lowest["Gaussian noise"] and lowest["MAE"] == lowest["Laplace noise"]

# %%
rows = ames[ames.Neighborhood == "Northridge"]
columns = {
    "lot, living area": rows[["Lot_Area", "Gr_Liv_Area"]].to_numpy(),
    "lot in feet, lot in metres": np.outer(rows.Lot_Area, [1, 0.0929]),
}
w = np.linspace(-150, 250, 81)
grid = np.stack(np.meshgrid(w, w), axis=-1)
fig, axes = plots.figure("A column said twice turns the bowl into a valley", columns=2)
for ax, (name, x) in zip(axes, columns.items(), strict=True):
    x = (x - x.mean(0)) / x.std(0)
    surface = ((grid @ x.T - (prices - prices.mean())) ** 2).mean(axis=-1)
    ax.contour(w, w, surface, levels=surface.min() + 10.0 ** np.arange(2, 5.5, 0.5), cmap="viridis")
    ax.set(title=name, xlabel="first weight", ylabel="second weight")
    low = (surface < surface.min() + 1e-6).sum()
    print(f"{name}: rank {np.linalg.matrix_rank(x)}, {low} lowest point(s) on the grid")
plots.show(
    fig,
    alt="Left: closed ovals around one lowest point. Right: straight parallel lines along a valley.",
)

# %% [markdown] topics="binary-cross-entropy confident-wrong-penalty"
# A single lowest point needs columns of full rank: along the valley all losses are equal. For a
# network MSE is not convex.
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
    assert abs(bce(yes, 1 - wrong) - float(keras_bce(yes, 1 - wrong * yes))) < 1e-5
    print(f"{wrong:.2f} for the wrong answer costs {bce(yes, 1 - wrong):6.3f}")
print(f"1.00 for the wrong answer costs {float(keras_bce(yes, 0 * yes)):6.3f} in Keras")
print(f"a logit of -200 for a true yes costs {float(from_score(yes, -200 * yes)):.0f}")

truth, scores = np.array([1, 1, 0, 0]), np.array([0.3, 0.4, -1, -2])
for cut in (0.5, 0):
    accuracy = keras.metrics.BinaryAccuracy(threshold=cut)(truth, scores)
    print(f"four logits on the right side of 0, cut at {cut}: accuracy {float(accuracy):.2f}")

# %% [markdown]
# Certain and wrong should cost infinity. From probabilities Keras clips at $10^{-7}$; from logits the
# cost is exact, and grows like the score.
#
# **The pitfall.** `metrics=["accuracy"]` cuts at 0.5, even where the outputs are logits: four right
# answers score 0.50. `keras.metrics.BinaryAccuracy(threshold=0.0)` cuts at 0.
#
# ### Two forecasters (difficulty 2, 6 minutes)
#
# A is right on 95 % of days and always says .999. B is right on 90 % and always says .9. Whose log
# loss is lower, "A" or "B"? And which probability should A say?

# %% exercise="forecaster"
lower = "B"  # SOLUTION
advice = 0.95  # SOLUTION

check("forecaster", lower, advice)

# %% [markdown] topics="softmax categorical-cross-entropy"
# ## K classes
#
# The **softmax** makes probabilities of $K$ logits: $p_k = e^{z_k} / \sum_j e^{z_j}$. **Categorical
# cross-entropy** (CCE) is the mean of $-\ln p_y$, for the true class $y$. `Categorical...` takes
# one-hot rows, `SparseCategorical...` integers.


# %%
def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


one_hot, sparse = k.CategoricalCrossentropy(), k.SparseCategoricalCrossentropy()
z, labels = np.array([[2.0, 1.0, 0.1], [0.0, 0.0, 0.0]]), np.array([0, 2])
a, b = float(one_hot(np.eye(3)[labels], softmax(z))), float(sparse(labels, softmax(z)))
assert np.allclose(softmax(z).sum(axis=1), 1) and np.allclose(softmax(z), softmax(z + 50))
assert abs(a - b) < 1e-6
equal = float(sparse(labels[1:], softmax(z[1:])))
print(f"categorical {a:.3f}, sparse {b:.3f}; equal logits cost ln 3 = {np.log(3):.3f}: {equal:.3f}")
with np.errstate(all="ignore"):
    print("as written:", softmax(np.array([1000.0, 0.0])))
print("in Keras:  ", np.array(keras.ops.softmax(np.array([[1000.0, 0.0]])))[0])

# %% [markdown] topics="log-sum-exp"
# $e^{1000}$ overflows, and infinity over infinity is nan. Adding a constant to all logits changes no
# probability, as the assert shows. So Keras subtracts the right one before `exp`.
#
# ### Logits of a thousand (difficulty 2, 7 minutes)
#
# Cross-entropy from logits is $-z_y + \ln \sum_j e^{z_j}$. Write its second part, for logits of any
# size. Which number do you subtract, and where do you add it back? [1000, 1000] should give
# 1000.6931.


# %% exercise="log_sum_exp"
def log_sum_exp(z):
    """Return log(sum(exp(z))) of a vector, without overflow."""
    ### BEGIN SOLUTION
    m = np.max(z)
    return m + np.log(np.sum(np.exp(z - m)))
    ### STUB
    # return np.log(np.sum(np.exp(z)))  # mend this ...
    # ...
    ### END SOLUTION


check("log_sum_exp", log_sum_exp)

# %% [markdown] topics="fused-logsoftmax-nll"
# ## Who applies the softmax?
#
# Either the model's last layer does, or the loss (`from_logits=True`), by log-sum-exp: the better
# place. Both at once, or neither, is a fault. Here is neither: a digits network without softmax, and a
# loss left at its default. What happens?
# (a) An error in the first batch. (b) It trains, only more slowly. (c) Accuracy near chance, no error.

# %%
check("predict_forgot", "c")  # SOLUTION


# %%
def digits_net(seed, from_logits):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Flatten(), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    net = keras.Sequential([keras.Input((8, 8)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    net.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return net


# %%
digits, accuracies = datasets.load_digits().train, {}
for said in (True, False):
    nets = [digits_net(seed, from_logits=said) for seed in range(3)]
    logs = fit_many(nets, digits.x, digits.y, epochs=10, verbose=0)
    accuracies[said] = [log.history["accuracy"][-1] for log in logs]
    shown = ", ".join(f"{accuracy:.1f}" for accuracy in accuracies[said])
    print(f"from_logits={said!s:5}  accuracy of three seeds: {shown}  (chance: 0.1)")
assert min(accuracies[True]) > 0.9 and max(accuracies[False]) < 0.4

p, right = np.array([[0.99, 0.005, 0.005]]), np.array([0])
from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print(f"99 % for the truth costs {float(sparse(right, p)):.2f}; with a second softmax", end=" ")
print(f"{float(from_logits(right, p)):.2f}, and even 100 % costs {np.log((np.e + 2) / np.e):.2f}")
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
# score $f$. It asks for a margin. We minimise it with a small L2 penalty, for two species of penguins,
# then once more without the points beyond the margin.


# %% topics="hinge-margin" needs="L2"
def fit_margin(x, y):
    def cost(v):
        hinges = np.maximum(0, 1 - y * (x @ v[:2] + v[2]))
        return hinges.sum() / len(birds) + 0.1 * np.sum(v[:2] ** 2)

    start, options = np.zeros(3), {"xatol": 1e-6, "fatol": 1e-10}
    return minimize(cost, start, method="Nelder-Mead", options=options).x


birds = datasets.load_penguins().table.query("species != 'Chinstrap'").dropna()
x = birds[["flipper_length_mm", "bill_depth_mm"]].to_numpy()
x, y = (x - x.mean(0)) / x.std(0), np.where(birds.species == "Gentoo", 1.0, -1.0)
v = fit_margin(x, y)
score = x @ v[:2] + v[2]
near = y * score < 1.001  # on the margin counts as near
again = fit_margin(x[near], y[near])
print("boundary from all points: ", v.round(2) + 0.0)
print("from the near ones alone: ", again.round(2) + 0.0)
assert np.allclose(v, again, atol=0.02) and 0.15 < near.mean() < 0.35
hinge_loss = np.mean(np.maximum(0, 1 - y * score))
for labels in (y, (y + 1) / 2):
    assert np.isclose(float(keras.losses.Hinge()(labels, score)), hinge_loss)
print(f"a score of -200 for y = +1 costs {float(keras.losses.Hinge()(yes, -200 * yes)):.0f}")

# %%
fig, ax = plots.figure("Only points near the margin place the boundary", height=3.6)
for kind, style, name in ((-1, plots.COMPARE[0], "Adelie"), (1, plots.COMPARE[1], "Gentoo")):
    for pulls, filled in ((True, style.color), (False, "none")):
        some = (y == kind) & (near == pulls)
        ax.plot(*x[some].T, style.marker, mfc=filled, mec=style.color, ms=5,
                label=f"{name}, {'pulls' if pulls else 'beyond the margin'}")  # fmt: skip
ends = np.array([-2.2, 2.4])
for level, line in ((-1, ":"), (0, "-"), (1, ":")):
    ax.plot(ends, (level - v[2] - v[0] * ends) / v[1], line, color="0.3")
ax.set(xlabel="flipper length, standardised", ylabel="bill depth, standardised", ylim=(-2.5, 2.6))
ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
plots.show(
    fig,
    alt="Two clouds with a straight boundary between two dotted margin lines. Filled points lie on "
    "or between the dotted lines; the hollow ones beyond them do not pull.",
)

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
# Male or female? One sigmoid unit, four sizes of 333 penguins, and `categorical_crossentropy` for
# the binary one. What will the log show? (a) A loss that falls more slowly. (b) A loss of 0 from the
# first epoch. (c) An error.

# %%
check("predict_cce", "b")  # SOLUTION

# %%
birds = datasets.load_penguins().table.dropna()
x = birds[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]].to_numpy()
x, y = ((x - x.mean(0)) / x.std(0)).astype("float32"), (birds.sex == "male").to_numpy("float32")
ends = {"binary_crossentropy": [], "categorical_crossentropy": []}
for loss, accuracies in ends.items():
    nets = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        unit = keras.layers.Dense(1, activation="sigmoid")
        nets.append(keras.Sequential([keras.Input((4,)), unit]))
        nets[-1].compile(keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])
    with warnings.catch_warnings(record=True) as told:
        logs = [run.history for run in fit_many(nets, x, y, epochs=10, verbose=0)]
    accuracies += [log["accuracy"][-1] for log in logs]
    log = logs[-1]
    print(f"{loss:25} loss {log['loss'][0]:.1f} to {log['loss'][-1]:.1f}, "
          f"accuracy of three seeds {np.round(accuracies, 1)}")  # fmt: skip
for warning in told[-1:]:
    print("Keras says:", str(warning.message).split(". ")[-1])
binary, categorical = ends.values()
assert min(binary) > max(categorical) + 0.1 and max(log["loss"]) < 1e-6

z, labels = 3 * np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
assert abs(float(from_logits(labels, z)) - float(from_score(labels, z[:, 1] - z[:, 0]))) < 1e-6
check.reveal("predict_cce")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# CCE compares units, and a single unit has no other: the loss reads 0. On JAX no weight moves; on
# TensorFlow its kernel pushes one class and never the other.
#
# "Never swap the two" is too strict: two units with softmax and CCE equal one sigmoid with BCE on the
# difference of the logits. The last assert shows it.
#
# </details>
#
# ### A head and its loss (difficulty 3, 10 minutes)
#
# Give each task its `(units, activation, loss)`, with names or objects of Keras. The loss of a class
# must be a cross-entropy: lowest at the true probability, with a strong pull on confident errors.
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

# %% [markdown] topics="loss-outlier-sensitivity-table"
# ## How hard can one row pull?
#
# Many texts list how outliers count: MSE high, Huber medium, BCE and CCE medium, MAE and hinge low.
# "Medium against low" is open to debate: far out, BCE and hinge grow alike. A score of -200 cost 200
# and 201. Only MSE's pull has no limit.
#
# ### Choose delta (difficulty 2, 5 minutes)
#
# Back to Northridge, in thousands of dollars. Choose `delta` such that at least half of the houses lie
# within it of the line, and the slope stays below 3.7, mansions included.
# `fit_line(lambda y, y_hat: huber(y, y_hat, delta), lots, prices)` tells the line.

# %% exercise="delta"
delta = 45  # SOLUTION

check("delta", delta)

# %% [markdown] topics="cross-entropy-calibration"
# ## When it says 90 %
#
# Cross-entropy is a **proper scoring rule**: on average it is lowest at the true probabilities. So
# its nets should be **calibrated**: of answers given with 90 %, 90 % are right. Here is the running
# model after 6 and 40 epochs, three seeds. ECE (expected calibration error) is the mean gap between
# confidence and accuracy over ten bins (`bins_of` makes them).

# %% tags=["nbval-ignore-output"]
fashion = datasets.load_fashion_mnist()
train, valid = fashion.train, fashion.validation
nets = [lessons.running_model(seed) for seed in range(3)]
for net in nets:
    net.compile(keras.optimizers.Adam(0.003), from_logits)
answers, scores = {6: [], 40: []}, {6: [], 40: []}
for epochs, more in ((6, 6), (40, 34)):  # a second call continues
    fit_many(nets, train.x, train.y, epochs=more, batch_size=128, verbose=0)
    for net in nets:
        z = net(valid.x)
        p = np.array(keras.ops.softmax(z))
        hit, log_loss = p.argmax(axis=1) == valid.y, float(from_logits(valid.y, z))
        answers[epochs].append((p.max(axis=1), hit))
        said, right, share = bins_of(p.max(axis=1), hit)
        scores[epochs].append((log_loss, hit.mean(), np.sum(share * np.abs(said - right))))
    log_loss, accuracy, ece = np.mean(scores[epochs], axis=0)
    print(f"{epochs:2} epochs: log loss {log_loss:.2f}, accuracy {accuracy:.2f}, ECE {ece:.2f}")

# %%
fig, ax = plots.figure("Trained for longer, it claims more than it keeps", height=3.6)
ax.plot([0.3, 1], [0.3, 1], color="0.5", lw=1, label="calibrated")
for (epochs, runs), style in zip(answers.items(), plots.COMPARE, strict=False):
    said, hit, share = bins_of(*np.concatenate(runs, axis=1))
    keep = said > 0.3
    plots.curve(ax, hit[keep], style, x=said[keep], label=f"{epochs} epochs", markevery=1)
ax.set(xlabel="confidence (probability of its answer)", ylabel="share that is right")
ax.legend()
plots.show(
    fig,
    alt="After 6 epochs the curve follows the diagonal. After 40 epochs it runs below it: the "
    "model is right less often than it says.",
)
early, late = np.array(scores[6]), np.array(scores[40])
assert late[:, 2].min() > early[:, 2].max()  # ECE: every late one above every early one
assert late[:, 0].mean() > early[:, 0].mean()  # log loss on validation rows
assert late[:, 1].mean() > early[:, 1].mean() - 0.01  # accuracy does not fall

# %% [markdown]
# After 40 epochs each seed is worse calibrated than any was after 6, and the accuracy did not fall.
# "Proper" speaks of new rows; training lowers the loss of its own. Validation log loss notices,
# accuracy does not.
#
# ### Your decision
#
# Which loss does the running model keep, in which form? Which validation number ends its training,
# log loss or accuracy? `score` is the validation accuracy you expect.

# %%
### BEGIN SOLUTION
check.decide(
    choice="sparse categorical cross-entropy from logits; stop by validation log loss",
    because="accuracy does not see over-confidence, and log-sum-exp costs nothing",
    score=round(float(early[:, 1].mean()), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. MSE follows the mean, MAE the median; Huber's `delta` has the unit of $y$. Robust losses cap odd
#    targets, not odd inputs.
# 2. Cross-entropy charges -ln of what the truth was given. It is lowest at the true probability.
# 3. Model or loss applies the softmax: one of them, and best the loss.
# 4. One sigmoid unit needs BCE. A loss of 0 at the start is a fault.
# 5. Confidence must be measured on validation rows.
#
# **Break it.** Give `fit_line` prices in dollars with Keras's default `delta=1.0`: whose line do you
# get? And where ECE is computed: divide the logits by 2.
#
# <details><summary>What happens</summary>
#
# Nearly every error is above one dollar, so Huber gives MAE's line. Dividing by a *temperature* of 2
# lowers every confidence and changes no answer.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "c")  # SOLUTION
check("quiz_3", "a")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
