# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 37
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
# # How big a step, on how much data?
#
# Skip ahead if you can answer these: for which learning rates does gradient descent on $w^2$
# converge? What, besides a low rate, makes a loss curve flat? What happens to the noise of a gradient
# when the batch grows fourfold?
#
# You will find the rate that works, diagnose curves, choose a batch size. You need [[training_loop]].
#
# > **You need only this.** A *dead ReLU* is a unit that gives 0 for every row: no gradient passes
# > through it. *Momentum*, a memory of earlier steps, belongs to [[optimizers]]; we try it once.

# %% tags=["setup"] needs="dead relu momentum"
from coursekit import lessons

lessons.report()

import keras
import numpy as np

from coursekit import datasets, plots
from coursekit.lessons.gradient_descent import (
    check,
    clinic,
    gradients_of_rows,
    sharpness,
    stopwatch,
)
from coursekit.training import fit_many, trace_path

SGD = keras.optimizers.SGD

# %% [markdown] topics="gd-fog-intuition loss-landscape-and-gradient gd-update-rule lr-definition"
# ## Fog on a hill
#
# You stand on a hillside in fog and want to get down. You feel the slope under your feet, take a step
# where it falls most steeply, and feel again. Height is the loss $L$, your place is the parameters
# $w$, and the slope is the **gradient** $\nabla L$: the vector of partial derivatives, which points
# where $L$ rises fastest. The **learning rate** $\eta$ sets your stride:
#
# $$w\leftarrow w-\eta\,\nabla L$$
#
# Too long a stride leaps over valleys; too short a stride never arrives.
#
# Below is the valley $L=(a^2+8b^2)/2$, with its minimum at $(0, 0)$. At each place, where does $-\nabla
# L$ point? (a) At a right angle to the ring of equal loss. (b) At the minimum. (c) Along the valley.

# %%
check("predict_arrow", "a")  # SOLUTION


STEEP = 8


def valley(a, b):
    return (a**2 + STEEP * b**2) / 2


strides = (0.05, 0.12, 0.23, 0.249, 0.26)
walks = {rate: trace_path(SGD(rate), valley, start=(4, 1.2), steps=40) for rate in strides}
places = np.array([(4, 1.2), (-3, 1.5), (2, -1.5)])
downhill = -places * [1, STEEP]  # minus the gradient


# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the map and the arrows, with a slider for the rate.
def draw_map(rate):
    fig, ax = plots.figure("Arrows on a map of the loss", x="a", y="b", height=3.6)
    plots.surface(ax, valley, x=(-4.5, 4.5), y=(-2.2, 2.2))
    plots.path(ax, walks[rate], plots.COMPARE[0], label="gradient descent")
    ax.set_aspect("equal")  # or right angles would not look right
    ax.quiver(*places.T, *downhill.T, angles="xy", scale_units="xy", scale=8, color="#d55e00",
              zorder=5)  # fmt: skip
    ax.legend(loc="lower left")
    return fig


plots.explore(
    draw_map,
    strides,
    alt=lambda rate: (
        "Rings of equal loss, darker where it is higher; three arrows against the "
        f"gradient; a walk from the ring to the cross. With a rate of {rate} the loss is "
        f"{walks[rate].losses[-1]:.2g} after 40 steps."
    ),
    what="learning rate",
    start=2,
)
for place, arrow in zip(places, downhill, strict=True):
    cosine = arrow @ -place / np.linalg.norm(arrow) / np.linalg.norm(place)
    side = 1e-3 * np.array([-arrow[1], arrow[0]])  # at a right angle to the arrow
    print(f"at {place}: {np.degrees(np.arccos(cosine)):.0f} degrees off the minimum; a small step "
          f"changes the loss by {valley(*(place + side)) - valley(*place):.3f} across the arrow, "
          f"{valley(*(place + 1e-3 * arrow)) - valley(*place):.3f} along it")  # fmt: skip
check.reveal("predict_arrow")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Each arrow stands at a right angle to its ring. In a round bowl that would lead to the minimum; here
# it leads mostly across. So the walk swings, and needs many steps. The gradient knows the slope
# underfoot and nothing else. Move the slider: what does the rate change?
#
# </details>
#
# ### Which rates arrive? (difficulty 2, 6 minutes)
#
# $f(w)=w^2$, started anywhere but at 0. Write `converges(rate)`: `True` if gradient descent gets
# ever closer to 0, otherwise `False`. Do three steps by hand first, from $w=1$ with a rate of 0.25.


# %% exercise="converges"
def converges(rate):
    """Say whether w <- w - rate * f'(w) goes to 0, for f(w) = w ** 2."""
    ### BEGIN SOLUTION
    return 0 < rate < 1
    ### STUB
    # return ...
    ### END SOLUTION


check("converges", converges)

# %% [markdown] topics="convex-guarantee"
# ## What is guaranteed
#
# A loss is **convex** if it curves upwards everywhere, like the squared error of a line. There, every
# local minimum is global, and gradient descent finds one, if there is one, for rates of
# $0<\eta<2/\beta$. Here $\beta$ is the largest **curvature**, the second derivative where it is
# greatest. Twenty random starts, a little below that edge and a little above; then one input ten
# times as large:

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(50, 2))
targets = x @ [1.0, -2.0] + rng.normal(0, 0.3, 50)
for name, inputs in (("scaled", x), ("second input times 10", x * [1, 10])):
    curvature = np.linalg.eigvalsh(2 * inputs.T @ inputs / 50)[-1]
    for share in (0.95, 1.05):
        w = rng.normal(size=(20, 2))
        for _ in range(3000):
            w = w - share * 2 / curvature * 2 * (w @ inputs.T - targets) @ inputs / 50
        ends = np.mean((w @ inputs.T - targets) ** 2, axis=1)
        verdict = "none arrives" if ends.min() > 1e6 else f"all end at {ends.max():.2f}"
        print(f"{name:22} rate {share:.2f} x {2 / curvature:.4f}: {verdict}")

# %% [markdown]
# The larger input makes the largest curvature about a hundred times as large, and the edge as much
# lower. A rate that was right now diverges: that is why we scale inputs.
#
# ## Too low, right, too high
#
# Now a network, where no guarantee holds: digits, 32 ReLU units, fifteen epochs, five seeds for each
# rate. Rates go from 0.001 to 3. How does the loss of the highest rate end? (a) It lies flat, like that
# of the lowest. (b) It jumps up and down. (c) It grows without end.

# %%
check("predict_high", "a")  # SOLUTION

# %% topics="lr-too-high lr-too-low lr-just-right"
digits = datasets.load_digits().train
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(rate, seed):
    keras.utils.set_random_seed(seed)
    flat, dense = keras.layers.Flatten(), keras.layers.Dense
    net = keras.Sequential([keras.Input((8, 8)), flat, dense(32, activation="relu"), dense(10)])
    net.compile(SGD(rate), cross_entropy)
    return net


rates = [0.001, 0.01, 0.1, 0.3, 1.0, 1.25, 3.0]
nets = [network(rate, seed) for rate in rates for seed in range(5)]
logs = fit_many(nets, digits.x, digits.y, epochs=15, verbose=0)
losses = np.array([log.history["loss"] for log in logs]).reshape(len(rates), 5, 15)

# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the seven rates.
fig, (left, right) = plots.figure("One network, seven learning rates", columns=2)
for rate, style in zip((0.001, 0.3, 1.25, 3.0), plots.COMPARE, strict=False):
    for seed, run in enumerate(losses[rates.index(rate)]):
        label = "_" if seed else f"rate {rate}"
        plots.curve(left, run, style, label=label, lw=1, ms=3)
left.set(xlabel="epoch", ylabel="training loss", ylim=(0, 3))
left.legend(ncols=2, fontsize=8)
plots.band(right, losses[:, :, -1].T, plots.TRAIN, x=rates, label="after 15 epochs")
right.axhline(np.log(10), color="0.4", ls=":", label="guessing, ln 10")
right.set(xlabel="learning rate (logarithmic scale)", ylabel="training loss", xscale="log")
right.legend()
plots.show(fig, alt="Left: the training loss of four rates over fifteen epochs, one line a seed. "
           "Right: the last loss against the rate, the mean and range of five seeds.")  # fmt: skip
pixels = digits.x.reshape(-1, 64)
hidden = [keras.ops.convert_to_numpy(net.layers[1](pixels)) for net in nets[-5:]]  # after the ReLU
alive = max((units > 0).any(axis=0).mean() for units in hidden)
print(f"rate 3: in no run do more than {alive:.0%} of the units ever give anything but 0")
falls = losses[rates.index(0.3)], losses[rates.index(1.0)]
print("0.3 never jumps, and 1.0 does:", [bool((np.diff(runs) > 0.02).any()) for runs in falls])
print("some run at 1.0 ends lower than all at 0.3:", falls[1][:, -1].min() < falls[0][:, -1].min())
check.reveal("predict_high")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# At 0.001 the loss hardly moves: too low. At 0.3 it falls smoothly in every run, then flattens:
# right. At 1.25 it jumps, and the end depends on the seed. At 3.0 the first steps were so long that
# units died. The loss stays at guessing: flat, and not because the rate is low.
#
# We call 0.3 right, though some runs at 1.0 end lower: 1.0 is close to the cliff, and jumps already.
# A low rate is said to get stuck in local minima; what we see is slowness.
#
# </details>

# %% [markdown] topics="lr-diagnosis-rule"
# The rule of thumb: *barely decreasing, raise the rate; oscillating, lower it.* But flat also means
# dead units, a bad start, unscaled inputs, wrong labels or a rate far too high. Wild also means tiny
# batches or unshuffled data. A picture alone does not tell: change one thing and run again.
#
# ### Five patients (difficulty 3, 12 minutes)
#
# Each curve has one cause: `"low rate"`, `"high rate"`, `"dead units"` or `"batch of one"`. For each
# patient order one run that tells its cause from every other that fits the picture. You can order
# `"higher rate"` (100 times), `"lower rate"` (a hundredth), `"larger batch"` (20 times, at most all
# 640 rows) and `"new weights"` (another random start). In a new cell, `draw("A", "new weights")` runs it.


# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the patients.
def draw(names, change=None):
    fig, axes = plots.figure("As found" if change is None else change, columns=5, height=2.4)
    for ax, name in zip(axes, "ABCDE", strict=True):
        plots.curve(ax, clinic(name), plots.COMPARE[0], marker="")
        if change and name in names:
            plots.curve(ax, clinic(name, change), plots.COMPARE[1], marker="")
        ax.set(title=name, ylim=(0, 3), xlabel="epoch")
    axes[0].set_ylabel("training loss")
    words = f"; dashed, {', '.join(names)} with {change}" if change else ""
    plots.show(fig, alt=f"Training loss of five patients, A to E, over twenty epochs{words}.")


draw("ABCDE")

# %% exercise="diagnosis"
### BEGIN SOLUTION
draw("A", "higher rate")
draw("B", "new weights")
draw("C", "lower rate")
draw("DE", "larger batch")
diagnosis = {
    "A": ("low rate", "higher rate"),
    "B": ("dead units", "new weights"),
    "C": ("high rate", "lower rate"),
    "D": ("batch of one", "larger batch"),
    "E": ("high rate", "larger batch"),
}
### STUB
# diagnosis = {  # cause, and the run that showed it
#     "A": (..., ...),
#     "B": (..., ...),
#     "C": (..., ...),
#     "D": (..., ...),
#     "E": (..., ...),
# }
### END SOLUTION

check("diagnosis", diagnosis)

# %% [markdown] topics="nonconvex-landscape saddle-points-flat-regions"
# ## Hills, saddles, plains
#
# The losses of networks are not convex. They have **local minima**, low places that are not the
# lowest. They have **saddle points**, where the gradient is 0 and which go up one way and down
# another. They have **plateaus**, where the gradient is tiny. Four starts on a landscape with
# all of these:


# %%
def hills(a, b):
    return a**4 / 4 - a**2 / 2 + 0.15 * a + b**2 / (1 + b**2)


starts = {"low": (-1.8, 1), "high": (1.8, 1.2), "on the ridge": (0.15363, -1.6)}
starts["plain"] = (-1, -3.4)
walks = {name: trace_path(SGD(0.1), hills, start, 60) for name, start in starts.items()}
for name, walk in walks.items():
    slope = np.linalg.norm(walk.gradients[-1])
    print(f"{name:13} loss {walk.losses[-1]:5.2f} after 60 steps, gradient {slope:.2f}")
for offset in (1e-2, 1e-6, 0):
    for mu in (0.0, 0.9):
        path = trace_path(SGD(0.1, momentum=mu), lambda a, b: a**2 - b**2, (1, offset), 100)
        away = np.abs(path.points[:, 1]) > 1
        steps = np.argmax(away) if away.any() else "more than 100"
        print(f"a**2 - b**2, {offset:g} beside the ridge, momentum {mu}: {steps} steps to leave")

# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the landscape.
fig, ax = plots.figure("Four starts on one landscape", x="b", y="a", height=4.6)
plots.surface(ax, lambda b, a: hills(a, b), x=(-3.8, 2.6), y=(-2, 2), levels=20)
for (name, walk), style in zip(walks.items(), plots.COMPARE, strict=False):
    plots.path(ax, walk.points[:, ::-1], style, label=name, markevery=5)
ax.set_aspect("equal")
ax.legend(loc="upper left", ncols=2)
plots.show(
    fig,
    alt="A landscape, darker where the loss is higher; walks go from the ring to the cross. The low "
    "start ends in the deeper minimum, the high one in the shallower one. The start on the ridge "
    "goes to the saddle. The one on the plain has hardly moved.",
)

# %% [markdown] topics="local-minima-rarely-the-problem"
# A saddle holds what stands exactly on its ridge; anything else leaves, after a while. Momentum leaves
# sooner.
#
# ## Does a bad minimum catch you?
#
# $y=|x|$ can be written with two ReLU units. We train twenty networks with 2 units and twenty with
# 32. How many of each end with a loss above 0.05? (a) Several of both. (b)
# Several with 2 units, none with 32. (c) None with 2 units, several with 32.

# %%
check("predict_minima", "b")  # SOLUTION

# %%
line = np.linspace(-2, 2, 256, dtype="float32")[:, None]


def small_net(units, seed):
    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    net = keras.Sequential([keras.Input((1,)), dense(units, activation="relu"), dense(1)])
    net.compile(SGD(0.1), "mse")
    return net


for units in (2, 32):
    nets = [small_net(units, seed) for seed in range(20)]
    logs = fit_many(nets, line, np.abs(line), epochs=30, batch_size=16, verbose=0)
    ends = np.array([log.history["loss"][-1] for log in logs])
    print(f"{units:2} units: {np.sum(ends > 0.05)} of 20 end above 0.05")
check.reveal("predict_minima")

# %% [markdown] topics="gd-variants-table batch-gradient-descent stochastic-gradient-descent mini-batch-gradient-descent sgd-means-minibatch batch-size-definition"
# <details><summary>After you ran it</summary>
#
# With two units, a bad start leaves a unit on the wrong side or dead, and no small step helps. With
# 32 units some unit was well placed each time. Of large networks it is said, from experiments and
# from a theory of simplified ones: most local minima are nearly as good as the best. Saddles and
# plateaus cost more.
#
# </details>
#
# ## How much data for one step?
#
# The **batch size** $B$ is the number of rows that one update uses; the gradient is the mean over
# them.
#
# | variant | rows an update | its gradient | trade-off |
# |---|---|---|---|
# | **batch** (vanilla) | all $N$ | exact | smooth; for small data |
# | **stochastic** (SGD) | 1 | very noisy | cheap updates however large $N$; poor use of hardware |
# | **mini-batch** | $B$, often 32 to 512 | noisy | suits GPUs, the default in practice; one more setting |
#
# People say "SGD" and mean mini-batches drawn at random. `keras.optimizers.SGD` is only the update
# rule; `fit(batch_size=...)` decides, and takes 32 if you say nothing. Is a batch of 256 small or
# large? Tutorials differ: name the number.
#
# ### Four times the rows (difficulty 1, 3 minutes)
#
# The gradient of a random batch scatters around that of all rows. From $B=32$ to 128, by which
# factor does its standard deviation change?

# %% exercise="noise"
noise = 0.5  # SOLUTION

check("noise", noise)

# %%
each = gradients_of_rows(digits.x, digits.y)  # the gradient of each row: 1,287 rows, 640 weights
whole, rng, sizes = each.mean(axis=0), np.random.default_rng(0), [1, 8, 32, 128, 512]
batches = {B: np.array([each[rng.integers(len(each), size=B)].mean(axis=0) for _ in range(200)])
           for B in sizes}  # fmt: skip
spread = [np.sqrt(np.mean(np.sum((batches[B] - whole) ** 2, axis=1))) for B in sizes]
slope = np.polyfit(np.log(sizes), np.log(spread), 1)[0]
print(f"noise of one row: {spread[0] / np.linalg.norm(whole):.0f} times the gradient of all rows")
print(f"noise from 32 rows to 128: times {spread[3] / spread[2]:.1f}; exponent of B: {slope:.1f}")
scale = np.sum(each.var(axis=0)) / np.sum(whole**2)
long, short = (np.mean(np.sum(batches[B] ** 2, axis=1)) for B in (8, 512))  # signal + noise / B
noise_part = (long - short) / (1 / 8 - 1 / 512)
guess = noise_part / (long - noise_part / 8)
print(f"noise scale: {scale:.0f} rows; from two batch sizes: {guess:.0f}")

# %% [markdown] topics="batch-size-tradeoff gradient-noise-scale"
# The noise falls like $1/\sqrt{B}$: four times the work for half the noise. At which $B$ is the noise
# as large as the gradient itself? That is the **noise scale** (McCandlish 2018, arXiv:1812.06162).
# Far below it, twice the rows make an update nearly twice as useful; far above it, hardly better.
# This is the start; the paper saw it grow during training.
#
# ## Which batch is faster?
#
# The same network, the same rate 0.1, three batch sizes, three seeds, about a thousand updates each.
# (The seconds are your machine's, three runs at a time.)

# %%
runs, trained = {}, {}
for size, epochs in ((8, 6), (32, 25), (256, 166)):
    watch, nets = stopwatch(), [network(0.1, seed) for seed in range(3)]
    logs = fit_many(nets, digits.x, digits.y, epochs=epochs, batch_size=size,
                    validation_data=(digits.x, digits.y),  # at the end of each epoch, all rows
                    callbacks=[[watch], [], []], verbose=0)  # fmt: skip
    runs[size] = np.array([log.history["val_loss"] for log in logs]), np.array(watch.stamps)
    trained[size] = nets

# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the same runs over three axes.
fig, axes = plots.figure("The same runs over three axes", columns=3)
for (size, (curves, stamps)), style in zip(runs.items(), plots.COMPARE, strict=False):
    epochs = np.arange(1, curves.shape[1] + 1)
    made = epochs * -(-len(digits.x) // size)  # updates
    seconds = stamps - 2 * stamps[0] + stamps[1]  # the first epoch also compiles
    for ax, along in zip(axes, (epochs, made, seconds), strict=True):
        plots.band(ax, curves, style, x=along, label=f"B = {size}")
    at = [np.argmin(np.abs(made - updates)) for updates in (162, 966)]
    print(f"B = {size:3}: loss {curves[:, 0].mean():.1f} after 1 epoch, "
          f"{curves[:, at[0]].mean():.1f} after {made[at[0]]} updates, "
          f"{curves[:, at[1]].mean():.2f} after {made[at[1]]}")  # fmt: skip
for ax, name in zip(axes, ("epochs", "updates", "seconds"), strict=True):
    ax.set(xlabel=f"{name} (logarithmic scale)", ylabel="training loss", xscale="log")
axes[0].legend()
plots.show(fig, alt="The training loss of three batch sizes over epochs, over updates and over "
           "seconds, in bands over three seeds.")  # fmt: skip

# %% [markdown]
# ### "Small batches converge faster" (difficulty 2, 5 minutes)
#
# An article says so. Name for each axis which batch is clearly ahead: 8, 256 or `"depends"` (neither
# in general). For seconds, speak of any machine.

# %% exercise="faster"
### BEGIN SOLUTION
faster = {"epochs": 8, "updates": "depends", "seconds": "depends"}
### STUB
# faster = {"epochs": ..., "updates": ..., "seconds": ...}
### END SOLUTION

check("faster", faster)

# %% [markdown] topics="sharp-minima-claim sgd-noise-helps-escape"
# ## Claims to be careful with
#
# | claim | for | against |
# |---|---|---|
# | noise helps to escape poor minima and saddles | it does in small examples, as below | it also throws you out of good ones |
# | very large batches reach *sharp* minima, which generalise poorly | Keskar 2017 measured it | sharpness changes with the way a network is written (Dinh 2017); with more updates (Hoffer 2017) or a scaled, warmed-up rate (Goyal 2017) the gap largely closes |
#
# The first, on a curve with a shallow minimum at the left and a deep one at the right, 200 runs each.
# The second, on the networks above: how much does the loss rise if each weight moves by a random tenth
# of its layer's size?


# %%
def share_that_crosses(start, noise_size):
    rng, w = np.random.default_rng(0), np.full(200, float(start))
    for _ in range(2000):
        gradient = w**3 - w - 0.15  # of w**4 / 4 - w**2 / 2 - 0.15 * w
        w = w - 0.05 * (gradient + noise_size * rng.normal(size=200))
    return np.mean(np.sign(w) != np.sign(start))


def share_right(net, part):
    return np.mean(keras.ops.convert_to_numpy(net(part.x)).argmax(1) == part.y)


for noise_size in (0, 1.5, 4):
    out, back = share_that_crosses(-1, noise_size), share_that_crosses(1, noise_size)
    print(f"noise {noise_size}: {out:.0%} leave the poor minimum, {back:.0%} leave the good one")
new = datasets.load_digits().validation
for size in (8, 256):
    rises = [sharpness(net, digits.x, digits.y) for net in trained[size]]
    right = [share_right(net, new) for net in trained[size]]
    print(f"B = {size:3}: the loss rises by {min(rises):.3f} to {max(rises):.3f}; "
          f"validation accuracy {min(right):.2f} to {max(right):.2f}")  # fmt: skip

# %% [markdown] topics="flashcard-gd-variants"
# After equally many updates the large batch is neither sharper nor worse.
#
# ### Three variants (difficulty 1, 4 minutes)
#
# 1,000 rows. How many updates has one epoch of each variant, and which variant (one of these three
# names) is `fit` with `keras.optimizers.SGD(0.1)` and no further argument?

# %% exercise="variants"
### BEGIN SOLUTION
updates = {"batch": 1, "stochastic": 1000, "mini-batch of 32": 32}
by_default = "mini-batch of 32"
### STUB
# updates = {"batch": ..., "stochastic": ..., "mini-batch of 32": ...}
# by_default = ...
### END SOLUTION

check("variants", updates, by_default)

# %% [markdown]
# ## Your decision
#
# Which learning rate and batch size has the running model from now on? Three rates, two batch sizes,
# three seeds, four epochs. The pitfall: a rate tuned for one batch size need not suit another.

# %% tags=["nbval-ignore-output"]
fashion = datasets.load_fashion_mnist()
held_out, accuracy = fashion.validation, {}
for size in (64, 512):
    nets = [lessons.running_model(seed) for _ in range(3) for seed in range(3)]
    for k, net in enumerate(nets):
        net.compile(SGD((0.01, 0.1, 0.5)[k // 3]), cross_entropy)
    fit_many(nets, fashion.train.x, fashion.train.y, epochs=4, batch_size=size, verbose=0)
    accuracy[size] = np.reshape([share_right(net, held_out) for net in nets], (3, 3))  # rate, seed
    for rate, some in zip((0.01, 0.1, 0.5), accuracy[size], strict=True):
        print(
            f"batches of {size:3}, rate {rate}: validation accuracy {min(some):.2f} to {max(some):.2f}"
        )

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
check.decide(
    choice="SGD, rate 0.1, batches of 64",
    because="a tenth of the rate is slower, five times the rate is no better, and larger batches "
    "are behind at every rate",
    score=float(accuracy[64][1].mean()),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. The gradient is at a right angle to the ring of equal loss; it need not point at the minimum.
# 2. On a convex loss gradient descent arrives for $0<\eta<2/\beta$; larger inputs make the
#    curvature $\beta$ larger.
# 3. Flat and wild curves have several causes: one run more tells which.
# 4. Noise falls like $1/\sqrt{B}$; small batches win per epoch, not in general per second.
# 5. Bad minima catch small nets; in large ones saddles and plateaus are said to cost more.
#
# **Break it.** Set `STEEP = 9`. Which walks break?
#
# <details><summary>What happens</summary>
#
# The largest curvature is 9 now, so the edge is 2/9, below 0.23: there each crossing is longer than
# the last.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "c")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "a")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
