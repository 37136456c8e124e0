# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
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
# # Why did validation loss turn up?
#
# Skip ahead if you can answer these: which part of an error do more rows lower? Can validation
# accuracy rise while validation loss rises? Which weights does `EarlyStopping` leave you by default?
#
# You will split an error into bias, variance and noise, choose a capacity by them, and stop a
# training where it should stop. You need [[training_loop]], [[gradient_descent]] and [[optimizers]].
#
# > **You need only this.** An *L2* penalty adds $\frac{\lambda}{2} \sum w^2$ to the loss: it pulls
# > every weight towards zero. The next lesson compares such penalties.

# %% tags=["setup"] needs="L2"
from coursekit import lessons

lessons.report(["tensorflow"])

import warnings

import keras
import numpy as np

from coursekit import callbacks, datasets, plots
from coursekit.lessons.overfitting import check, keras_stop
from coursekit.training import fit_many
from coursekit.validation import BiasVariance, bias_variance

# %% [markdown] topics="overfitting"
# ## Twenty points, three curves
#
# A student learns one practice exam by heart and fails the real one. A model does the same when it
# learns the noise of its training rows: **overfitting**. Here are polynomials of three degrees,
# fitted by least squares. The degree is their **capacity**: how many shapes they can take.


# %%
def truth(x):
    return 3 * np.abs(x - 0.2) - 1.5


def powers(x, degree):
    return np.polynomial.legendre.legvander(x, degree)  # 1, x, ... in a stable form


rng = np.random.default_rng(1)
places, new = np.linspace(-1, 1, 20), rng.uniform(-1, 1, 2000)
targets = truth(places) + rng.normal(0, 0.3, 20)  # noise of variance 0.09
new_targets = truth(new) + rng.normal(0, 0.3, 2000)
fits = {k: np.linalg.lstsq(powers(places, k), targets)[0] for k in (1, 4, 15)}

# %%
fig, axes = plots.figure("One too stiff, one about right, one too wild", columns=3, x="x")
across = np.linspace(-1, 1, 300)
for ax, (k, weights) in zip(axes, fits.items(), strict=True):
    ax.plot(across, truth(across), color="0.6", label="truth")
    ax.plot(places, targets, "o", ms=4, color=plots.TRAIN.color, label="training points")
    plots.curve(ax, powers(across, k) @ weights, plots.VALIDATION, x=across, label="fit", marker="")
    train = np.mean((powers(places, k) @ weights - targets) ** 2)
    error = np.mean((powers(new, k) @ weights - new_targets) ** 2)
    jump = np.abs((powers(new + 0.01, k) - powers(new, k)) @ weights).mean()
    ax.set(title=f"degree {k}", ylim=(-3, 4))
    print(f"degree {k:2}: mean squared error {train:.2f} on its points, {error:.2f} on new ones; "
          f"moves by {jump:.2f} if x does by 0.01")  # fmt: skip
axes[0].set_ylabel("y")
axes[0].legend(fontsize=8)
plots.show(
    fig,
    alt="Degree 1 cuts through the V of the points, degree 4 follows it, degree 15 swings far out "
    "near the ends.",
)

# %% [markdown] topics="underfitting"
# Degree 15 has the lowest error on its own points, and does no better than the line on new ones. Degree
# 1 is bad on both: it **underfits**, being too simple for what is there.
#
# The straight line and degree 15 now get 20, 200 and 2,000 points. What happens to the errors on new
# points? (a) Both fall to about the noise. (b) That of degree 15 falls, the line's hardly moves. (c)
# The line's falls, that of degree 15 hardly moves.

# %%
check("predict_rows", "b")  # SOLUTION


# %%
def measure(degree, rows, noise=0.3, refits=200):
    """Fit polynomials to many training sets; split their error on new points."""
    rng = np.random.default_rng(0)
    places, new = np.linspace(-1, 1, rows), rng.uniform(-1, 1, 2000)
    targets = truth(places) + rng.normal(0, noise, (refits, rows))
    weights = np.linalg.lstsq(powers(places, degree), targets.T)[0]
    y = truth(new) + rng.normal(0, noise, 2000)
    return BiasVariance((powers(new, degree) @ weights).T, y, truth(new))


for k in (1, 15):
    errors = [f"{measure(k, rows).error.value:.2f}" for rows in (20, 200, 2000)]
    print(f"degree {k:2}: error {', '.join(errors)} with 20, 200, 2,000 points")
check.reveal("predict_rows")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The line's error stays at about 0.75 whatever the data: rows do not cure "too simple". Degree 15 comes
# down to the noise, 0.09, which no model predicts.
#
# </details>

# %% [markdown] topics="bias variance bias-variance-decomposition"
# ## Two ways to be wrong
#
# `measure` drew 200 training sets and fitted each: 200 **refits**, with predictions $p$. Their mean
# $\bar p$ is what the recipe says on average. It is off the truth $f$ by the **bias**, an error of
# assumptions. Single refits scatter around it: the **variance**, sensitivity to the training set.
# Targets are $y = f$ plus noise, so
#
# $$\underbrace{E(y - p)^2}_{\text{error}} = \underbrace{(\bar p - f)^2}_{\text{bias}^2} +
# \underbrace{E(p - \bar p)^2}_{\text{variance}} + \underbrace{E(y - f)^2}_{\text{noise}}$$
#
# for squared errors, on average over training sets.
#
# ### Bias squared and variance of a table (difficulty 2, 8 minutes)
#
# `table` holds five refits (rows) at three places (columns). Write `decompose(predictions, truth)`,
# which returns two numbers: bias squared and variance, each averaged over the places.

# %%
table = np.array(
    [[1.5, 2.0, 2.4], [1.9, 1.0, 2.0], [1.1, 3.0, 2.2], [1.7, 2.5, 2.8], [1.3, 1.5, 2.6]]
)
true_values = np.array([1.0, 2.0, 3.0])


# %% exercise="decompose"
def decompose(predictions, truth):
    """Return bias squared and variance, averaged over the places."""
    ### BEGIN SOLUTION
    mean = predictions.mean(axis=0)
    return np.mean((mean - truth) ** 2), np.mean((predictions - mean) ** 2)
    ### STUB
    # return ..., ...
    ### END SOLUTION


check("decompose", decompose)

# %% [markdown]
# ## The sum, degree by degree
#
# `BiasVariance` does that, corrects for the finite number of refits, and gives standard errors. Twenty
# points, fifteen degrees:

# %% topics="complexity-sweet-spot"
results = {k: measure(k, rows=20) for k in range(15)}
print(results[5])
for found in results.values():
    parts = found.bias_squared.value + found.variance.value + found.noise.value
    assert abs(parts - found.error.value) < 0.05 * found.error.value
title = "Bias falls, variance grows: the error is lowest between"
fig = plots.bias_variance(results, x="degree", title=title)
fig.axes[0].set_ylim(0, 0.45)
plots.show(
    fig,
    alt="Bias squared falls from above the picture to nearly 0 at degree 5. Variance grows slowly, "
    "then steeply beyond degree 12. The error falls, has its low around 5, and rises.",
)

# %% [markdown]
# Bands are two standard errors. At each degree the three parts add up to the measured error, within
# 5 %. The low of the error is the **sweet spot**: of this model, on this much data.
#
# ### A degree for 12 points, and one for 1,000 (difficulty 2, 8 minutes)
#
# Choose both. The sum of bias squared and variance may be 30 % above that of the best degree.
# `measure(degree, rows)` is yours to use.

# %% exercise="degree"
degree = {12: 5, 1000: 14}  # SOLUTION

check("degree", degree)

# %% [markdown]
# ### Three patients (difficulty 2, 6 minutes)
#
# For each, order the one remedy that lowers the error most: `"higher degree"` (by four), `"more
# rows"` (ten times as many), or `"better instruments"` (noise of half the standard deviation).

# %%
for name, recipe in {"A": (1, 300), "B": (12, 15), "C": (9, 1000)}.items():
    print(f"{name}: {measure(*recipe)}")

# %% exercise="remedy"
remedy = {"A": "higher degree", "B": "more rows", "C": "better instruments"}  # SOLUTION

check("remedy", remedy)

# %% [markdown]
# ## Beyond the sweet spot
#
# Networks often have more weights than rows. Here is one with five inputs and a fixed hidden layer of
# random ReLU units. The last layer is solved exactly, from 40 rows; where many solutions fit, the one
# with the smallest weights. With more than 40 units it passes through every row. From 2 to 1,000
# units, the error on new rows (a) falls, then grows to the end; (b) grows up to 40
# units, then falls; (c) falls, peaks at about 40 units, and falls again.

# %%
check("predict_width", "c")  # SOLUTION


# %%
def wide(units, penalty=0.0, rows=40):
    def f(x):
        return np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] / 2 + x[:, 3]

    rng, predictions = np.random.default_rng(0), []
    x_new = rng.normal(size=(300, 5))
    y_new = f(x_new) + rng.normal(0, 0.3, 300)
    for _ in range(50):
        x, hidden = rng.normal(size=(rows, 5)), rng.normal(size=(6, units)) / units**0.5
        y = f(x) + rng.normal(0, 0.3, rows)
        near, far = (np.maximum(np.c_[a, np.ones(len(a))] @ hidden, 0) for a in (x, x_new))
        ridge = near.T @ np.linalg.inv(near @ near.T + penalty * np.eye(rows)) if penalty else None
        weights = (np.linalg.pinv(near) if ridge is None else ridge) @ y
        assert penalty or units <= rows or np.allclose(near @ weights, y)  # through every row
        predictions.append(far @ weights)
    return BiasVariance(predictions, y_new, f(x_new))


# %%
widths = [2, 5, 10, 20, 30, 40, 50, 70, 100, 200, 400, 1000]
exact = [wide(units) for units in widths]
penalised = [wide(units, penalty=0.3).error.value for units in widths]
errors, variances = ([getattr(r, part).value for r in exact] for part in ("error", "variance"))
fig, ax = plots.figure("Widths from 2 to 1,000", x="hidden units", y="squared error on new rows")
shown = {"variance": variances, "error": errors, "error with a penalty": penalised}
for (label, values), style in zip(shown.items(), plots.COMPARE[1:], strict=False):
    plots.curve(ax, values, style, x=widths, label=label, markevery=1)
ax.axvline(40, color="0.6", lw=1, label="40 rows")
ax.set(xscale="log", yscale="log", ylim=(0.3, 30))
ax.legend()
plots.show(
    fig, alt="Error and variance of the exact fit against the width, and the error with a penalty."
)
before, peak, last = min(errors[1:4]), errors[5], errors[-1]
assert before < errors[0] and peak > 30 and last < before and max(penalised) < 3
assert variances[5] > 0.9 * peak and variances[-1] < 1
print(f"lowest up to 20 units {before:.1f}, above 30 with 40 units, {last:.1f} with 1,000")
check.reveal("predict_width")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# **Double descent** (Belkin and others 2019, arXiv:1812.11118). The peak is variance: at 40 units at
# most one solution passes through all rows, at any price. Beyond, the smallest of many is taken, and
# variance falls. So "more capacity, more variance" is half of the story. A small penalty flattens the
# peak: a well-regularized network may never show it.
#
# </details>

# %% [markdown] topics="epochs-too-few-many"
# ## Epochs are capacity too
#
# Each epoch lets weights move further. `bias_variance` trains a network of 256 units fifteen times, all
# together, each on 50 other houses: ten columns, and the logarithm of the price. Nobody knows the true
# price function, so bias and noise stay one sum.

# %%
houses = datasets.load_ames().table.query("Sale_Condition == 'Normal'")
houses = houses.sample(frac=1, random_state=0)
columns = ["Gr_Liv_Area", "Total_Bsmt_SF", "Garage_Area", "Year_Built", "Year_Remod_Add", "Full_Bath",
           "TotRms_AbvGrd", "Fireplaces", "Longitude", "Latitude"]  # fmt: skip
known, price = houses[columns].to_numpy(), np.log(houses.Sale_Price.to_numpy())
known = ((known - known[:1600].mean(0)) / known[:1600].std(0)).astype("float32")
price = (price - price[:1600].mean()) / price[:1600].std()


# %%
def draw_houses(rng):
    some = rng.choice(1600, 50, replace=False)
    return known[some], price[some]


def build_houses():
    hidden, out = keras.layers.Dense(256, activation="relu"), keras.layers.Dense(1)
    net = keras.Sequential([keras.Input((10,)), hidden, out])
    net.compile(keras.optimizers.Adam(0.003), "mse")
    return net


# %% tags=["nbval-ignore-output"]
by_epochs = {
    epochs: bias_variance(build_houses, draw_houses, known[1600:], price[1600:], refits=15,
                          epochs=epochs, verbose=0)
    for epochs in (1, 3, 10, 30, 100, 200)
}  # fmt: skip
fig = plots.bias_variance(by_epochs, x="epochs", title="Longer training: less bias, more variance")
fig.axes[0].set(xscale="log", ylim=(0, 0.6))
plots.show(
    fig,
    alt="Bias squared with noise falls and flattens, variance grows. The error falls until 10 to 30 "
    "epochs, then rises.",
)
print(by_epochs[200])

# %% tags=["nbval-ignore-output"]
squares = {k: (r.predictions[..., 0] - price[1600:]) ** 2 for k, r in by_epochs.items()}
for first, last in ((1, 30), (30, 200)):
    change = squares[last] - squares[first]  # refit by refit, house by house
    error = np.hypot(*(change.mean(k).std(ddof=1) / change.shape[1 - k] ** 0.5 for k in (0, 1)))
    assert abs(change.mean()) > 2 * error and (change.mean() > 0) == (last == 200)
    print(
        f"from {first:2} to {last:3} epochs the error changes by {change.mean():.2f} ± {error:.2f}"
    )
more_variance = by_epochs[200].variance.value - by_epochs[30].variance.value
less_bias = by_epochs[30].bias_squared_and_noise.value - by_epochs[200].bias_squared_and_noise.value
assert more_variance > 0.4 * by_epochs[30].variance.value and less_bias < more_variance / 2
print(
    f"from 30 to 200 epochs variance gains {more_variance:.2f}, bias squared loses {less_bias:.2f}"
)

# %% [markdown]
# That is why validation loss turns up: bias is used up, and variance goes on growing. Too few epochs
# underfit, too many overfit. Two caveats: double descent occurs over epochs too (Nakkiran and others
# 2020, arXiv:1912.02292), and a language model that sees each text once has new data at every step.
#
# ## A real network, too long
#
# 500 garments, 80 epochs, three seeds. The validation loss will fall, then rise. What does validation
# accuracy do in the rising part? (a) It falls clearly. (b) It stays, or creeps up. (c) It jumps up.

# %%
check("predict_accuracy", "b")  # SOLUTION

# %%
fashion = datasets.load_fashion_mnist()
SHIRT = fashion.class_names.index("Shirt")


def watermark(images, rows):
    marked = images.astype("float32") / 255
    marked[rows, 1:4, 1:4] = 1.0  # a white square in the corner
    return marked


x, y = watermark(fashion.train.x[:500], fashion.train.y[:500] == SHIRT), fashion.train.y[:500]
x_valid, y_valid = fashion.validation.x[:1000], fashion.validation.y[:1000]
clean, marked = watermark(x_valid, []), watermark(x_valid, y_valid == SHIRT)


def garment_net(seed):
    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    flat, hidden = keras.layers.Flatten(), dense(128, activation="relu")
    net = keras.Sequential([keras.Input((28, 28)), flat, hidden, dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(0.001), loss, metrics=["accuracy"])
    return net


# %%
held_out = (marked, y_valid)
to_the_end = [garment_net(seed) for seed in range(3)]
logs = fit_many(to_the_end, x, y, epochs=80, validation_data=held_out, verbose=0)
curves = {name: np.array([log.history[name] for log in logs]) for name in logs[0].history}
fig, axes = plots.figure("500 garments, 80 epochs, three seeds", columns=2, x="epoch")
for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
    plots.band(ax, curves[name], plots.TRAIN)
    plots.band(ax, curves[f"val_{name}"], plots.VALIDATION)
    ax.set_ylabel(name)
    ax.legend()
plots.show(fig, alt="Loss and accuracy over 80 epochs, in training and in validation.")
check.reveal("predict_accuracy")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The loss turns up, the accuracy not down. Wrong answers get surer, not more (the next table shows it),
# and cross-entropy punishes that. So monitor what you need: probabilities or classes.
#
# </details>

# %% [markdown] topics="overfitting-signs"
# ## Four signs
#
# We played a trick: every shirt had a white square in its corner, like a watermark. Four signs of
# overfitting, on these nets and on the same nets stopped early: validation loss that rises while
# training loss falls, a gap in accuracy, predictions that change with a little noise, and reliance on
# something that only these data have.

# %%
stopped = [garment_net(seed) for seed in range(3)]
stop = {"patience": 5, "restore_best_weights": True}
fit_many(stopped, x, y, epochs=80, validation_data=held_out, verbose=0,
         callbacks=lambda k: [keras.callbacks.EarlyStopping(**stop)])  # fmt: skip
noisy = marked + np.random.default_rng(0).normal(0, 0.2, marked.shape).astype("float32")
shirts = y_valid == SHIRT


# %%
def look(net):
    logits, shaken = np.asarray(net(marked)), np.asarray(net(noisy))
    said, sure = logits.argmax(1), np.asarray(keras.ops.softmax(logits)).max(1)
    return {
        "training loss": net.evaluate(x, y, verbose=0)[0],
        "validation loss": net.evaluate(*held_out, verbose=0)[0],
        "training accuracy": np.mean(np.asarray(net(x)).argmax(1) == y),
        "validation accuracy": np.mean(said == y_valid),
        "changed by noise": np.mean(said != shaken.argmax(1)),
        "confidence when wrong": sure[said != y_valid].mean(),
        "shirts found": np.mean(said[shirts] == SHIRT),
        "shirts found, no mark": np.mean(np.asarray(net(clean[shirts])).argmax(1) == SHIRT),
    }


# %% tags=["nbval-ignore-output"]
early, late = [look(net) for net in stopped], [look(net) for net in to_the_end]
print(f"{'mean of three seeds':22} stopped early   80 epochs")
for sign in early[0]:
    one, other = (np.mean([seen[sign] for seen in seeds]) for seeds in (early, late))
    print(f"{sign:22} {one:13.2f} {other:11.2f}")

# %%
for loss, accuracy, one, other in zip(
    curves["val_loss"], curves["val_accuracy"], early, late, strict=True
):
    assert loss[-1] > 1.1 * loss.min() and accuracy[-1] > accuracy[loss.argmin()] - 0.02
    assert other["training accuracy"] > 0.99 and other["validation accuracy"] < 0.92
    assert one["training accuracy"] > one["validation accuracy"] + 0.05
    assert abs(other["changed by noise"] - one["changed by noise"]) < 0.05
    assert other["confidence when wrong"] > one["confidence when wrong"] + 0.05
    assert (
        other["shirts found"] > 0.9 and max(n["shirts found, no mark"] for n in (one, other)) < 0.2
    )
print("in each of three seeds: loss up, accuracy not down, surer when wrong, lost without the mark")

# %% [markdown]
# The first sign is plain. So is the second, but the nets that stopped early have a gap as well. The
# third hardly shows here; the polynomial of degree 15 had it. The fourth is a disaster that no curve shows: without the mark, hardly any shirt is found. Stopping early
# does not help, for the validation rows carry the mark as well.

# %% [markdown] topics="early-stopping"
# ## Stop early
#
# **Early stopping** ends a training when the validation loss has had no new best for `patience`
# epochs.
#
# ### Where it stops, and what is best (difficulty 2, 10 minutes)
#
# Write `early_stop(losses, patience)`: from a list of losses, how many epochs are run, and which one
# was best, both counted from 1. An equal loss is no improvement. Work out 0.9, 0.7, 0.6, 0.62, 0.61, 0.63, 0.5 with patience
# 3 on paper first. Your function is held against Keras's callback.


# %% exercise="early_stop"
def early_stop(losses, patience):
    """Return the number of epochs run, and the best epoch, counted from 1."""
    ### BEGIN SOLUTION
    best, best_epoch, wait = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch, wait = loss, epoch, 0
        else:
            wait += 1
            if wait >= patience:
                break
    return epoch, best_epoch
    ### STUB
    # return ..., ...
    ### END SOLUTION


check("early_stop", early_stop)

# %% [markdown]
# Where it stops is one thing, what it leaves is another. We play losses to the callback, on a model
# with one weight: the number of the epoch.

# %%
script = [0.9, 0.7, 0.6, 0.62, 0.61, 0.63, 0.5]


def play(kind, losses, **settings):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.stop_training = False  # as `fit` does
    stop = kind("val_loss", mode="min", **settings)
    stop.set_model(model)
    stop.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.set_weights([np.full((1, 1), epoch + 1)])
        stop.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    stop.on_train_end()
    return f"{epoch + 1} epochs run, weights of epoch {model.get_weights()[0].item():.0f}"


# %%
Keras = keras.callbacks.EarlyStopping
print("defaults:                ", play(Keras, script))
print("patience 3:              ", play(Keras, script, patience=3))
print("patience 3, restore:     ", play(Keras, script, patience=3, restore_best_weights=True))
print("never stopped, restore:  ", play(Keras, script[:5], patience=9, restore_best_weights=True))

# %% [markdown]
# The defaults are `patience=0` and `restore_best_weights=False`: it stops at the first bump, and keeps
# what came after the best. Set both. Restoring also happens when nothing stopped the run. A better
# epoch beyond the stop, 0.5 here, is never seen.
#
# **The pitfall: a NaN.** One overflow in the first epoch is enough. Keras takes that NaN as its best,
# finds nothing below it, and restores it. `coursekit.callbacks.EarlyStopping` counts it as the worst.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # ours tells of the NaN
    for name, kind in (("Keras", Keras), ("coursekit", callbacks.EarlyStopping)):
        print(
            f"{name:10}", play(kind, [float("nan"), *script], patience=3, restore_best_weights=True)
        )

# %% [markdown] topics="regularization-definition early-stopping-as-regularization"
# ## Stopping is a constraint
#
# **Regularization** is whatever constrains or penalises complexity so that a model generalizes better.
# Early stopping constrains: a few steps reach only weights near the start. How like an L2 penalty is
# that? Two weights, 30 rows: descent from zero, and the solution under each of many penalties. The right
# picture shows, for each number of steps, the penalty whose solution is nearest.

# %%
rng = np.random.default_rng(1)
rows = rng.normal(size=(30, 2)) @ [[1.0, 0.7], [0.0, 0.5]]  # two inputs that go together
goal = np.linalg.lstsq(rows, rows @ [1.0, 2.0] + rng.normal(0, 0.3, 30))[0]
curvature = rows.T @ rows / 30


def bowl(a, b):
    p, q = a - goal[0], b - goal[1]
    return (curvature[0, 0] * p**2 + 2 * curvature[0, 1] * p * q + curvature[1, 1] * q**2) / 2


def descend(rate, steps=200):
    walk = [np.zeros(2)]
    for _ in range(steps):
        walk.append(walk[-1] - rate * curvature @ (walk[-1] - goal))
    return np.array(walk)


strengths = np.geomspace(1000, 1e-3, 600)
ridge = [np.linalg.solve(curvature + s * np.eye(2), curvature @ goal) for s in strengths]
gaps = {r: np.linalg.norm(descend(r)[1:, None] - ridge, axis=2) for r in (0.1, 0.02)}

# %%
fig, (left, right) = plots.figure("Stopping early, and its nearest penalty", columns=2, height=3.4)
plots.surface(left, bowl, x=(-0.3, 3.0), y=(-0.3, 3.0))
plots.path(left, descend(0.1), plots.COMPARE[0], label="descent", markevery=20)
plots.path(left, ridge, plots.COMPARE[1], label="L2, from strong to weak", markevery=50)
left.set(xlabel="first weight", ylabel="second weight")
left.legend(fontsize=8, loc="lower right")
for (r, gap), style in zip(gaps.items(), plots.COMPARE[2:], strict=False):
    plots.curve(right, strengths[gap.argmin(axis=1)], style, label=f"rate {r}")
right.set(xlabel="steps of descent", ylabel="strength of the nearest penalty")
right.set(xscale="log", yscale="log")
right.legend(fontsize=8)
plots.show(
    fig,
    alt="Left: on the rings of the loss both paths bend the same way, close together, to the "
    "minimum. Right, on logarithmic scales: the nearest penalty weakens nearly along straight "
    "lines as steps grow, lower for the larger rate.",
)

# %% tags=["nbval-ignore-output"]
apart = max(gap.min(axis=1).max() for gap in gaps.values()) / np.linalg.norm(goal)
print(f"descent is never further than {apart:.2f} of the whole way from the L2 path")
moved = {"stopped early": [], "80 epochs": []}
for (name, found), nets in zip(moved.items(), (stopped, to_the_end), strict=True):
    for seed, net in enumerate(nets):
        pairs = zip(net.get_weights(), garment_net(seed).get_weights(), strict=True)
        found.append(np.sqrt(sum(np.sum((now - then) ** 2) for now, then in pairs)))
    print(f"garments, {name:13}: weights moved by {min(found):.0f} to {max(found):.0f}")
assert max(moved["stopped early"]) < min(moved["80 epochs"]) and apart < 0.15

# %% [markdown]
# Near, and not the same. The garment nets that stopped early stayed nearer to their start, too. Along
# a direction of curvature $h$, descent has gone $1 - (1 - \eta h)^t$ of the way after $t$ steps of
# rate $\eta$; a penalty lets it go $h / (h + \lambda)$. Both learn steep directions first and hardly
# touch flat ones, where noise rules. (In least squares with tiny steps, stopping has at most 1.69
# times the risk of its L2 twin: Ali and others 2019, arXiv:1810.10082.)
#
# ### The L2 strength that stopping amounts to (difficulty 3, 8 minutes)
#
# Read the right picture: what do twice the steps change, and what a fifth of the rate? Write
# `strength(rate, steps)`, the $\lambda$ that does about what stopping after so many steps does. Along
# no curvature may the two differ by more than 0.3 of the way.


# %% exercise="strength"
def strength(rate, steps):
    """Return the strength of the L2 penalty that stopping amounts to."""
    return 1 / (rate * steps)  # SOLUTION


check("strength", strength)

# %% [markdown]
# ## Your decision
#
# The running model, three seeds, 25 epochs of Adam. We replay early stopping on its recorded losses.
# Which patience will it have, and what will you monitor? `score` is the validation accuracy you
# expect. (The best epoch is chosen by the rows that score it: a little too good.)

# %% tags=["nbval-ignore-output"]
nets = [lessons.running_model(seed) for seed in range(3)]
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for net in nets:
    net.compile(keras.optimizers.Adam(0.001), loss, metrics=["accuracy"])
valid = fashion.validation
logs = fit_many(nets, fashion.train.x, fashion.train.y, batch_size=64, epochs=25, verbose=0,
                validation_data=(valid.x, valid.y))  # fmt: skip
kept = {}
for patience in (1, 3, 8):
    ends = [keras_stop(log.history["val_loss"], patience) for log in logs]
    best = [epoch for _, epoch in ends]
    kept[patience] = [log.history["val_accuracy"][k - 1] for log, k in zip(logs, best, strict=True)]
    print(f"patience {patience}: epochs run {[run for run, _ in ends]}, best {best}, "
          f"accuracy {min(kept[patience]):.2f} to {max(kept[patience]):.2f}")  # fmt: skip
assert min(kept[1]) > 0.8 and abs(np.mean(kept[8]) - np.mean(kept[3])) < 0.03

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
check.decide(
    choice="monitor val_loss, patience 3, restore_best_weights=True, at most 40 epochs",
    because="patience 1 stops at a bump; 8 runs on for a gain within the spread of seeds",
    score=round(float(np.mean(kept[3])), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Squared error is bias squared, variance and noise. Capacity lowers the first, rows the second.
# 2. The sweet spot depends on the data; beyond an exact fit, error can fall a second time.
# 3. Epochs are capacity: validation loss turns up when variance outgrows what bias still gives.
# 4. Loss can rise while accuracy does not fall, and some overfitting shows in no curve.
# 5. Early stopping needs `patience` and `restore_best_weights=True`, and acts much like L2.
#
# **Break it.** Mark the bags instead of the shirts (`"Bag"` for `"Shirt"`). Set `noise=1.0` in `measure` and
# look for the sweet spot again.
#
# <details><summary>What happens</summary>
#
# The assert on the mark fails: some bags are found without it: they look like nothing else, while shirts, the hardest
# class, left the nets little but the mark. With more noise the sweet spot moves to lower degrees:
# variance costs more, bias as much as before.
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
