# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 38
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
# # When should the learning rate change?
#
# Skip ahead if you can answer these: in which unit does a Keras schedule count? What does warmup buy,
# and what does it cost? When does `ReduceLROnPlateau` clash with a schedule?
#
# You will build schedules that fit their run, see when a transformer needs warmup, and hold a fair
# contest. You need [[gradient_descent]] and [[optimizers]].
#
# > **You need only this.** A *transformer* lets each position of a text look back at earlier ones, and
# > adds what it finds. *Layer normalization* rescales such a sum: after adding in *post-LN*, the first
# > form, before looking in *pre-LN*.

# %% tags=["setup"] needs="transformer"
from coursekit import lessons

lessons.report()

import keras
import numpy as np

from coursekit import datasets, plots
from coursekit.callbacks import find_learning_rate
from coursekit.lessons.schedules import check, next_characters, outcome, transformer
from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import (
    Join,
    OneCycle,
    StepDecay,
    Warmup,
    check_schedule,
    epochs_to_steps,
)
from coursekit.training import fit_many

CosineDecay = keras.optimizers.schedules.CosineDecay

# %% [markdown]
# ## One rate for a whole run?
#
# One weight starts at 10; the best place is 0. Each gradient is the weight plus noise, as that of a
# batch is. 150 steps, 20 seeds. Which rate ends nearest to 0? (a) One that falls from 0.5 to 0.01. (b)
# A constant 0.01. (c) A constant 0.5.

# %%
check("predict_noise", "a")  # SOLUTION

# %%
ways = {
    "constant 0.5": np.full(150, 0.5),
    "constant 0.01": np.full(150, 0.01),
    "from 0.5 to 0.01": np.geomspace(0.5, 0.01, 150),
}
places = {}
for name, rates in ways.items():
    rng, w, walk = np.random.default_rng(0), np.full(20, 10.0), []
    for rate in rates:
        w = w - rate * (w + rng.normal(0, 2, 20))
        walk.append(w)
    places[name] = np.array(walk)  # step, seed

# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the three rates.
fig, ax = plots.figure("One weight, three rates", x="step", y="mean distance from the best place")
for (name, walk), style in zip(places.items(), plots.COMPARE, strict=False):
    distance = np.abs(walk).mean(axis=1)
    plots.curve(ax, distance, style, label=name, markevery=15)
    print(f"{name:17} last 10 steps: mean distance {distance[-10:].mean():.2f}")
ax.set_yscale("log")
ax.legend()
plots.show(
    fig,
    alt="Distance from the best place over 150 steps on a logarithmic axis, for three rates, mean of "
    "20 seeds.",
)
check.reveal("predict_noise")

# %% [markdown] topics="why-schedule"
# <details><summary>After you ran it</summary>
#
# The large rate (solid) arrives within ten steps, then jumps about with the noise. The small one
# (dashed) is still on its way. The falling one (dash-dotted) has both: distance first, then quiet.
#
# </details>
#
# ## Or average the weights
#
# There is a second way to quiet: leave the rate high, and use the **mean of the weights** in place of
# the last ones. **EMA** (exponential moving average) keeps 95 % of the mean at each step.

# %%
noisy = places["constant 0.5"]
ema = noisy[0]
for w in noisy[1:]:
    ema = 0.95 * ema + 0.05 * w
for name, w in (
    ("constant 0.5, last weights", noisy[-1]),
    ("constant 0.5, EMA", ema),
    ("constant 0.5, mean of the last 75", noisy[75:].mean(axis=0)),
    ("from 0.5 to 0.01, last weights", places["from 0.5 to 0.01"][-1]),
):
    print(f"{name:33}: mean distance {np.abs(w).mean():.2f}")

# %% [markdown] topics="averaging-weights"
# Both means end far nearer than the last weights, that of the last 75 about where the falling rate
# does; neither needs a plan for the end. The price: a second copy of the weights, and a mean that
# begins too early drags behind. In Keras: `SGD(..., use_ema=True)`, with
# `coursekit.callbacks.SwapEMAWeights`.
#
# ## The family
#
# A **schedule** is a function from the step to the rate. Seven of them, for 20 epochs of 10 steps;
# move the slider.

# %% topics="schedule-visualization"
S, total = keras.optimizers.schedules, 20 * 10
cycle = OneCycle(0.1, total)
family = {
    "step": StepDecay(0.1, step_size=6 * 10),
    "exponential": S.ExponentialDecay(0.1, 40, 0.5),
    "cosine": CosineDecay(0.1, total, alpha=1e-5),
    "warmup + cosine": CosineDecay(0.0, total - 20, warmup_target=0.1, warmup_steps=20),
    "restarts": S.CosineDecayRestarts(0.1, 40, t_mul=1.5),
    "triangular": lambda step: 0.01 + 0.09 * (1 - abs(step % 40 / 20 - 1)),
    "one cycle": cycle,
}
cosine, halving = family["cosine"], family["exponential"]
print("cosine at a quarter, a half, the end:", [f"{float(cosine(t)):.2g}" for t in (50, 100, 200)])
print("exponential every 40 steps:", [f"{float(halving(t)):.3g}" for t in (0, 40, 80, 120)])


# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the family under a slider.
def draw_schedule(name):
    momentum = cycle.momentum() if name == "one cycle" else lambda step: 0.9
    both = {name: family[name]}, total, {name: momentum}
    fig = plots.schedule(*both, title="Rate and momentum over 200 steps")
    fig.axes[0].set_ylim(-0.005, 0.105)
    fig.axes[1].set_ylim(0.84, 0.96)
    return fig


does = {
    "step": "stays, and falls to a tenth three times",
    "exponential": "halves every 40 steps",
    "cosine": "falls slowly, fast in the middle, slowly to its end",
    "warmup + cosine": "climbs for 20 steps, then falls along a cosine",
    "restarts": "falls along a cosine and jumps back up, in growing cycles",
    "triangular": "goes up and down along lines, five times",
    "one cycle": "climbs for 30 % of the run and falls to almost 0; momentum falls, then climbs",
}
plots.explore(draw_schedule, list(family), alt=lambda k: f"The rate {does[k]}.", what="schedule")

# %% [markdown] topics="step-decay exponential-decay cosine-annealing one-cycle-policy cyclical-lr"
# | schedule | rate at step $t$ of $T$ | remarks |
# |---|---|---|
# | step | $\eta_0\,\gamma^{\lfloor t/s\rfloor}$ | often $\gamma=0.1$ at a third and two thirds |
# | exponential | $\eta_0\,r^{t/s}$ | falls by $r$ every $s$ steps |
# | cosine | $\eta_1+\frac{\eta_0-\eta_1}{2}\left(1+\cos\frac{\pi t}{T}\right)$ | slow at both ends; Keras: `alpha` is the fraction $\eta_1/\eta_0$ |
# | restarts (SGDR) | a cosine, again and again | jumps back up; cycles may grow |
# | triangular (CLR) | up and down a line, again and again | Smith 2017 |
# | one cycle | $\eta_0/25$ up to $\eta_0$, down to $\eta_0/250{,}000$ | momentum 0.95, 0.85, 0.95 |
#
# "Cosine annealing" names both the third and the fourth row. Only the fourth is cyclical: say which.
# PyTorch's `eta_min=1e-6` is `alpha=1e-5` here, a fraction of 0.1.
#
# ### A tenth every 30 epochs (difficulty 1, 5 minutes)
#
# A PyTorch recipe says `StepLR(step_size=30, gamma=0.1)` from 0.1, for 90 epochs. Here an epoch has 10
# steps. We tried `PiecewiseConstantDecay([300, 600], [0.1, 0.01, 0.001])`, and step 300 still had
# 0.1. Make a schedule that agrees at every step: Keras's own kinds or coursekit's, as you like.

# %% exercise="drops"
drops = S.ExponentialDecay(0.1, 300, 0.1, staircase=True)  # SOLUTION

check("drops", drops)

# %% [markdown] topics="schedule-units-steps"
# ## Epochs are not steps
#
# Recipes count epochs; Keras calls a schedule with a step, the number of the batch. Nothing warns
# you, unless you ask. And with gradient accumulation, one update for four batches?

# %%
import warnings

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    check_schedule(CosineDecay(0.1, decay_steps=100), total_steps=100 * 50)
print(seen[0].message, "\n")

line = S.PolynomialDecay(1.0, 10, 0.0)  # 1.0, 0.9, 0.8, ...
optimizer = keras.optimizers.SGD(line, gradient_accumulation_steps=4)
weight = keras.Variable(0.0)
for _ in range(8):
    optimizer.apply([keras.ops.ones(())], [weight])
seen_step = round(10 * (1 - float(optimizer.learning_rate)))
print(f"after 8 batches: {int(optimizer.iterations)} updates, the schedule is at step {seen_step}")

# %% [markdown]
# Accumulation makes fewer updates, and the schedule still counts every batch.
#
# ### From epochs to steps (difficulty 1, 4 minutes)
#
# 3,180 rows in batches of 64, 100 epochs, a cosine that ends with the run. Which `decay_steps` does it
# need, plainly and with `gradient_accumulation_steps=4`?

# %% exercise="decay_steps"
### BEGIN SOLUTION
plain = epochs_to_steps(100, rows=3180, batch_size=64)
accumulating = plain
### STUB
# plain = ...
# accumulating = ...
### END SOLUTION

check("decay_steps", plain, accumulating)

# %% [markdown]
# ### Your budget is cut (difficulty 2, 7 minutes)
#
# A run was planned for 100 epochs of 10 steps: `CosineDecay(0.1, 1000)`. After epoch 50, at step 500,
# the rate is 0.05, and you learn that only 10 more epochs will be paid. Make the schedule for this
# running optimizer, whose counter stands at 500: no jump, steadily down, cold at step 599. It may be
# a function of the step, or `Join([first, second], boundaries=[500])`, which hands over at step 500;
# `second` then starts at its own step 0.

# %% exercise="shortened"
### BEGIN SOLUTION
shortened = Join([CosineDecay(0.1, 1000), CosineDecay(0.05, 100)], boundaries=[500])
### STUB
# shortened = ...
### END SOLUTION

check("shortened", shortened)

# %% [markdown] topics="warmup-why"
# ## Starting slowly
#
# **Warmup** climbs from 0 to the rate over the first steps. The reasons given: weights are random at
# the start, and Adam's averages rest on a few batches. A common tutorial calls it essential for
# transformers. We test that on a tiny one: one post-LN block predicts Shakespeare's next character.
#
# Three ways, three seeds each: 0.01 without warmup, 0.1 without, 0.1 with 50 steps of warmup. Which
# two end closest together? (a) The first two: Adam scales its steps anyway. (b) The first and the
# third. (c) The last two: warmup only delays.

# %%
check("predict_warmup", "b")  # SOLUTION

# %%
x, y, guess = next_characters()  # windows of 32 characters, and the next one after each
print(f"loss of knowing only how frequent each character is: {guess:.2f}")
starts = {"0.01": 0.01, "0.1": 0.1, "0.1, warmup": Warmup(0.1, warmup_steps=50)}
nets = [transformer(rate, seed) for rate in starts.values() for seed in range(3)]
logs = fit_many(nets, x, y, epochs=6, batch_size=8, seed=[0, 1, 2] * 3, verbose=0)
curves = np.reshape([log.history["loss"] for log in logs], (3, 3, 6))

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Safe to skip: this draws the three starts.
fig, ax = plots.figure("Three ways to start", x="epoch of 25 steps", y="training loss")
for name, runs, style in zip(starts, curves, plots.COMPARE, strict=False):
    plots.band(ax, runs, style, x=range(1, 7), label=name)
ax.axhline(guess, color="0.5", lw=1, label="frequencies alone")
ax.legend()
plots.show(
    fig, alt="Training loss of a tiny transformer, for three ways to start; bands over seeds."
)
for name, runs in zip(starts, curves, strict=True):
    print(f"{name:13} ends at {runs[:, -1].min():.1f} to {runs[:, -1].max():.1f}")
small, large, warmed = curves[:, :, -1]
print("at 0.1 every run with warmup beats every run without:", warmed.max() < large.min())
print("the best run of all has warmup:", warmed.min() < small.min())
check.reveal("predict_warmup")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# At 0.1 without warmup (dashed) the runs stay near the line of guessing characters by frequency. With
# warmup (dash-dotted) the same rate trains. So warmup widens the range of rates that work. It is not
# free: the smaller rate without warmup is ahead here.
#
# </details>
#
# So "essential" is too strong: here only the large rate needs it. Pre-LN transformers are said to need
# less (Xiong 2020, arXiv:2002.04745; not run here). Published lengths go from a few hundred steps to
# tens of thousands (BERT: 10,000 of a million): 1 to 10 % of the run is a common choice.
#
# ### A thousand steps of warmup (difficulty 2, 6 minutes)
#
# A recipe: 100,000 steps in all, the first 1,000 climb from 0 to 3e-4, then a cosine down to 0. Make
# `recipe`, and say which rate step 500 has.

# %% exercise="recipe" topics="warmup-cosine"
### BEGIN SOLUTION
recipe = CosineDecay(0.0, 99_000, warmup_target=3e-4, warmup_steps=1000)
at_500 = 1.5e-4
### STUB
# recipe = ...
# at_500 = ...
### END SOLUTION

check("recipe", recipe, at_500)

# %% [markdown]
# ## The pitfall: a rate without its decimal point
#
# Keras casts every number of a schedule to the type of the first. What do integers do? The first
# line is an example in Keras's own documentation, in short.

# %%
for code, step, meant in (
    ("CosineDecay(0, 10, warmup_target=0.1, warmup_steps=4)", 2, 0.05),
    ("ExponentialDecay(1, 10, 0.5)", 10, 0.5),
    ("InverseTimeDecay(1, 10, 0.5)", 10, 1 / 1.5),
    ("CosineDecay(1, 10)", 10, 0.0),
):
    print(f"{code:54} step {step:2}: {outcome(code, step)} (meant: {meant:.3f})")

# %% [markdown]
# The first crashes on TensorFlow, and is 0 on JAX. Three are wrong without a word: a rate that falls
# to 0, one that never decays, one that does not quite end at 0. Write `0.0` and `1.0`.
#
# ## One cycle, the real one
#
# **One cycle** is said to train in fewer epochs. Its second half is the momentum, which falls while
# the rate climbs. The obvious way fails:


# %% topics="one-cycle-momentum-in-keras"
class Brake(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.optimizer.momentum = 0.0


ones = np.ones((40, 1), "float32")
for kind in (keras.optimizers.SGD, ScheduledMomentumSGD):
    for callbacks in ([], [Brake()]):
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((1,)), dense])
        model.compile(kind(0.01, momentum=0.9), "mse")
        model.fit(ones, ones, batch_size=10, epochs=2, verbose=0, callbacks=callbacks)
        how = "0 in epoch 2" if callbacks else "0.9 throughout"
        print(f"{kind.__name__:20} momentum {how:14}: weight {model.get_weights()[0][0, 0]:.2f}")

# %% [markdown]
# Keras's SGD read its momentum once, when `fit` compiled the step. `ScheduledMomentumSGD` reads it at
# every step, and takes a schedule for it.
#
# ### One cycle, both halves (difficulty 2, 8 minutes)
#
# Return an optimizer and a list of callbacks (it may be empty) for a run of `epochs` epochs. The rate
# climbs to `peak` over 30 % of the run and falls far below its start; momentum goes 0.95, 0.85, 0.95.
# We run it and read both off the weights.


# %% exercise="one_cycle"
def one_cycle(peak, rows, batch_size, epochs):
    """Return an optimizer and a list of callbacks."""
    ### BEGIN SOLUTION
    rate = OneCycle(peak, total_steps=epochs_to_steps(epochs, rows, batch_size))
    return ScheduledMomentumSGD(rate, momentum=rate.momentum()), []
    ### STUB
    # return ..., []
    ### END SOLUTION


check("one_cycle", one_cycle)

# %% [markdown]
# ## A fair contest
#
# Where to look for a rate? The **range test** trains for 100 steps while the rate grows, and looks
# where the loss falls fastest. Afterwards the model is as it was.

# %%
fashion = datasets.load_fashion_mnist()
train, unseen = fashion.train, fashion.validation
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
running = lessons.running_model(seed=9)
running.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
before = running.get_weights()
found = find_learning_rate(running, train.x, train.y, batch_size=64)
untouched = all(np.array_equal(a, b) for a, b in zip(before, running.get_weights(), strict=True))
print("the weights are as they were:", untouched)
fig = plots.learning_rate(found, title="The loss falls, flattens, then breaks away")
plots.show(
    fig, alt="Loss of each batch against a growing rate: flat, falling, then rising steeply."
)
# %% [markdown]
# Three contenders for three epochs of the running model: a constant rate, a cosine, one cycle. All
# have momentum. Each tries the same four rates, with three seeds: twelve runs each. The budget is the
# same, tuning included; so are rows and seeds: we can compare seed by seed.

# %% tags=["nbval-ignore-output"]
rates, steps = (0.01, 0.03, 0.09, 0.18), epochs_to_steps(3, len(train.x), 64)


def cycling(peak):
    rate = OneCycle(peak, steps)
    return ScheduledMomentumSGD(rate, momentum=rate.momentum())


contenders = {
    "constant": lambda r: keras.optimizers.SGD(r, momentum=0.9),
    "cosine": lambda r: keras.optimizers.SGD(CosineDecay(r, steps), momentum=0.9),
    "one cycle": cycling,
}
losses, scores = {}, {}
for name, make in contenders.items():
    nets = [lessons.running_model(seed) for _ in rates for seed in range(3)]
    for k, net in enumerate(nets):
        net.compile(make(rates[k // 3]), loss)
    fit_many(nets, train.x, train.y, epochs=3, batch_size=64, seed=[0, 1, 2] * 4, verbose=0)
    logits = [keras.ops.convert_to_numpy(net(unseen.x)) for net in nets]
    losses[name] = np.reshape([float(loss(unseen.y, z)) for z in logits], (4, 3))  # rate, seed
    scores[name] = np.reshape([np.mean(z.argmax(1) == unseen.y) for z in logits], (4, 3))

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"] topics="cosine-default"
# Safe to skip: this draws the contest, and compares seed by seed.
fig, ax = plots.figure("Falling rates stand a larger peak",
                       x="highest learning rate", y="validation loss")  # fmt: skip
best = {}
for (name, tried), style in zip(losses.items(), plots.COMPARE, strict=False):
    plots.band(ax, tried.T, style, x=rates, label=name)
    at = tried.mean(axis=1).argmin()
    best[name], score = tried[at], scores[name][at]
    print(f"{name:9} best at {rates[at]}: loss {min(best[name]):.2f} to {max(best[name]):.2f}, "
          f"accuracy {min(score):.2f} to {max(score):.2f}")  # fmt: skip
ax.set_xscale("log")
ax.set_xticks(rates, rates)
ax.legend()
plots.show(
    fig,
    alt="Validation loss against the highest rate, with bands over seeds. The constant rate is best "
    "at a smaller rate than cosine and one cycle, and pays most for large ones.",
)
for a, b in (("constant", "cosine"), ("constant", "one cycle"), ("one cycle", "cosine")):
    print(f"{a} minus {b}, seed by seed:", (best[a] - best[b]).round(3))

# %% [markdown]
# Read the last lines as a verdict on *this* run: a small network, three epochs. A difference with one
# sign for every seed is a hint, with three seeds no more. Falling rates stand larger peaks, and gain by
# it; one cycle adds nothing to a cosine here. These rows chose the rates, so all are flattered.
#
# **Super-convergence**, one cycle in far fewer epochs, was measured by its authors (Smith 2018).
# Whether it survives rivals tuned as long is contested. Cosine is a common default; linear decay,
# inverse square root (early transformers) and warmup-stable-decay are others.
#
# ## Letting the loss decide
#
# `ReduceLROnPlateau` watches the *validation* loss: after `patience` (10) epochs that do not improve it
# by `min_delta` (1e-4), it multiplies the rate by `factor` (0.1). Here it watches the training loss
# with a patience of 3. Now we also give the optimizer a cosine. What happens? (a) An error at the first
# plateau. (b) An error at the start of `fit`. (c) Both act.

# %%
check("predict_plateau", "a")  # SOLUTION

# %% topics="reduce-on-plateau"
for rate in (0.1, CosineDecay(0.1, 1000)):
    stuck = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    stuck.compile(keras.optimizers.SGD(rate), "mse")
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=3, min_delta=100)
    try:  # with this min_delta no epoch counts as better
        history = stuck.fit(ones, ones, epochs=8, callbacks=[plateau], verbose=0).history
        print("rates:", [f"{r:.4f}" for r in history["learning_rate"]])
    except TypeError as error:
        epochs, said = len(stuck.history.epoch), str(error).split(", ")[1].split(".")[0]
        print(f"after {epochs} epochs, at the end of the next one, {type(error).__name__}: {said}")
check.reveal("predict_plateau")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The pair trains as if all were well. The plateau may come after hours. With the callback, give the
# optimizer a number; with a schedule, drop the callback.
#
# </details>
#
# ## Your decision
#
# Which schedule, with which highest rate, has the running model from now on? `score` is the mean
# validation accuracy of your choice. Is its gain over the constant rate larger than the spread?

# %%
### BEGIN SOLUTION
check.decide(
    choice="cosine, highest rate 0.09, SGD with momentum 0.9",
    because="it beats the constant rate for every seed, and needs nothing but Keras",
    score=float(scores["cosine"][2].mean()),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Large rates cover distance, small ones average noise: a falling rate has both, or a mean of weights.
# 2. Keras's schedules count batches, also under accumulation, and belong to the length of the run.
# 3. Warmup makes larger rates work; a smaller rate without it may do as well or better.
# 4. One cycle needs a momentum that the optimizer really reads.
# 5. Tuning is part of the price: compare schedules at equal budgets, over seeds.
#
# **Break it.** In the first experiment let the third rate fall to 0.0001 instead of 0.01.
#
# <details><summary>What happens</summary>
#
# It is cold sooner, and its last steps do nothing: quiet is bought with distance.
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
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "c")  # SOLUTION

# %%
check.cards()
check.summary()
