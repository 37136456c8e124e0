# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 51
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
# # It does not learn. Now what?
#
# Skip ahead if you can answer these: what should the loss be before the first step? What does it prove
# if ten rows are learned by heart, and what does it not? How many trainings find one bad stage of
# sixteen?
#
# You will find five planted bugs by a procedure, and tell when a tool's verdict is wrong. You need
# [[losses]] and [[backpropagation]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np

from coursekit import datasets
from coursekit.diagnosis import Doctor, diagnose, examine
from coursekit.lessons.debugging import check, parts
from coursekit.training import fit_many

# %% [markdown]
# ## Project A learns nothing
#
# It is to read digits, ten classes, with two hidden layers of 32 units. A healthy net of this kind gets
# eight of ten right after five epochs. Two moves come to mind. Which will help here? (a) Ten times the
# learning rate. (b) Two more layers. (c) Neither.

# %%
check("predict_moves", "c")  # SOLUTION

# %% tags=["nbval-ignore-output"]
for name in ("healthy", "A"):
    print(name, end=": ")
    parts.project(name).train()
for move in ({"rate": 10}, {"layers_more": 2}):
    print("A,", move, end=": ")
    parts.project("A").train(**move)
check.reveal("predict_moves")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# One of ten right is what a guess gets. Both moves cost a training and told you nothing.
#
# </details>
#
# A move changes the run; a **test** rules out causes. Begin with the cheap ones:
#
# | test | if it fails, suspect | if it passes, it does not rule out |
# |---|---|---|
# | the first loss | scale of inputs or weights, the loss | nearly anything |
# | ten rows by heart | scale, model, loss, rate, loop | wrong labels, too few rows, a layer that cannot train |
# | look at rows and labels | the data pipeline | bugs behind it |
# | gradients by layer | layers that cannot train, a step too long | a wrong loss |
# | simplify | what you took away | |
#
# ## The first loss
#
# An untrained model knows nothing, and you know what that costs.
#
# ### Before the first step (difficulty 1, 4 minutes)
#
# About which loss do you expect before training: cross-entropy of `ten_classes`; binary cross-entropy of
# `yes_or_no`, both equally frequent; mean squared error of a `standardized` target (mean 0, variance 1)?
# Three digits.

# %% exercise="first_loss"
ten_classes = 2.303  # SOLUTION
yes_or_no = 0.693  # SOLUTION
standardized = 1.0  # SOLUTION

check("first_loss", ten_classes, yes_or_no, standardized)

# %% [markdown]
# ### Six projects
#
# Each has one bug. B predicts a standardized number with a squared error, the others are
# ten classes. Whose loss is out of order? Some tenths too much are no sign yet; a multiple is one.

# %% tags=["nbval-ignore-output"]
for name in parts.NAMES:
    parts.project(name).first_loss()

# %% [markdown] topics="debug-overfit-tiny"
# ## Ten rows by heart
#
# A model that can learn can learn ten rows by heart: a loss near 0 within some hundred steps. First switch
# off what keeps it from that on purpose: dropout, augmentation, penalties, label smoothing. Move the
# slider; grey is the healthy net.

# %% tags=["nbval-ignore-output"]
parts.ten_rows()

# %% [markdown]
# Those that stop above 0 have a bug in scale, model, loss, rate or loop. A is not one of them: its bug is
# elsewhere. Where a curve stops is a trace: one answer for all costs what knowing nothing costs.
#
# ### Four runs on ten rows (difficulty 2, 8 minutes)
#
# Label smoothing of 0.1 turns the target 1 into 0.91 and each of the nine 0s into 0.01. What is the
# lowest loss, the `floor`, that this permits? Then judge four runs of ten classes after 300 steps, each
# with P (passed), B (a bug) or R (not valid: repeat, with something switched off).
#
# | run | loss | accuracy | switched on |
# |---|---|---|---|
# | 1 | 0.004 | 1.0 | nothing |
# | 2 | 1.46 | 1.0 | nothing |
# | 3 | 0.50 | 1.0 | label smoothing 0.1 |
# | 4 | 0.90 | 0.7 | dropout 0.5 |

# %% exercise="ten_rows"
floor = 0.500  # SOLUTION
### BEGIN SOLUTION
verdicts = {1: "P", 2: "B", 3: "P", 4: "R"}
### STUB
# verdicts = {1: ..., 2: ..., 3: ..., 4: ...}
### END SOLUTION

check("ten_rows", floor, verdicts)

# %% [markdown] topics="debug-data-pipeline"
# ## Project A again
#
# Project A: the first loss is right, ten rows are learned by heart, all rows are not learned at all. What
# comes next? (a) Look at rows and labels. (b) Raise the rate. (c) Add layers.

# %%
check("predict_next", "a")  # SOLUTION

# %%
parts.project("A").look()
check.reveal("predict_next")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The numbers above do not belong to the pictures. Rows were shuffled, and labels were not (or otherwise).
# Shapes, ranges and statistics are all in order: only an eye, or a test of whether labels depend on
# inputs at all, sees it. Look at what enters the model *last*, behind all preparation and augmentation.
#
# </details>

# %% [markdown] topics="debug-gradient-flow"
# ## Does every layer train?
#
# The gradient of each layer should be finite and not 0. Rather than its size, look at what a step does:
# about a thousandth to some hundredths of the weights is usual. In a healthy net:

# %% tags=["nbval-ignore-output"]
parts.project("healthy").gradients()

# %% [markdown]
# ### Layers in trouble (difficulty 2, 8 minutes)
#
# Write `in_trouble(by_layer)`. It gets a dict from each layer's name to its gradients (a dict from path
# to array), as `value_and_gradients(model, x, y).by_layer` ([[training_loop]]). Return the list of names
# of layers in trouble: every number of all its gradients is 0, or at least one is NaN or infinite. (What
# the loss does not reach has a gradient of 0 here; a `GradientTape` says `None`.)


# %% exercise="trouble"
def in_trouble(by_layer):
    """Return the names of layers without a gradient, or with one that is not finite."""
    ### BEGIN SOLUTION
    names = []
    for name, gradients in by_layer.items():
        numbers = np.concatenate([g.ravel() for g in gradients.values()])
        if not np.any(numbers) or not np.all(np.isfinite(numbers)):
            names.append(name)
    return names
    ### STUB
    # return ...
    ### END SOLUTION


check("trouble", in_trouble)

# %% [markdown] topics="debug-simplify"
# ## Simplify
#
# Go back to a set-up that works, and add the stages again. This pipeline grew by five, and stopped
# learning: 1 two hidden layers; 2 dropout of 0.1; 3 Adam for SGD; 4 each picture again, with a little
# noise; 5 a rate that falls by a cosine.
#
# ### The stage that breaks it (difficulty 3, 10 minutes)
#
# `learns(k)` trains with the first `k` of the stages and says whether that learns. With none it does,
# with all it does not, and once it is broken it stays so. Write `culprit(learns, stages)`: the number of
# the stage that breaks it, with as few trainings as can be promised: 3 for eight stages. Then let it
# find the `stage` above.


# %% exercise="culprit" tags=["nbval-ignore-output"]
def culprit(learns, stages):
    """Return the first stage with which it does not learn, from 1 to `stages`."""
    ### BEGIN SOLUTION
    good, bad = 0, stages
    while bad - good > 1:
        middle = (good + bad) // 2
        if learns(middle):
            good = middle
        else:
            bad = middle
    return bad
    ### STUB
    # return ...
    ### END SOLUTION


### BEGIN SOLUTION
stage = culprit(parts.learns, 5)
### STUB
# stage = ...  # culprit(parts.learns, 5)
### END SOLUTION

check("culprit", culprit, stage)

# %% [markdown]
# Stage 4 put the noisy copies behind the rows (`np.tile`), and repeated each label in its place
# (`np.repeat`).
#
# ## Five projects
#
# Now B to F. Each has the tests `first_loss`, `ten_rows`, `look`, `gradients` and `simpler`: the last
# replaces one part by a sound one, each in turn. You decide which test comes next: cheap
# ones first, and `simpler`, which trains four times, last.

# %% tags=["nbval-ignore-output"]
parts.project("B").first_loss()
### BEGIN SOLUTION
parts.project("B").look()
parts.project("C").ten_rows()
parts.project("D").gradients()
parts.project("E").look()
parts.project("F").simpler()
### STUB
# # parts.project("B").ten_rows(), .look(), .gradients(), .simpler()
### END SOLUTION

# %% [markdown]
# ### Five projects (difficulty 3, 14 minutes)
#
# Name each bug, and the test that tells it from the others: one that says "something is broken" is not
# enough. The bugs are among: `"order"` (rows against labels), `"shapes"` ((n,) against
# (n, 1) in a loss), `"softmax twice"` (how sure can it be at best?), `"scale"` (of the inputs),
# `"rate too high"`, `"rate too low"`, `"no gradient"`, `"too few layers"`.

# %% exercise="projects"
### BEGIN SOLUTION
found = {
    "B": ("shapes", "look"),
    "C": ("softmax twice", "ten_rows"),
    "D": ("no gradient", "gradients"),
    "E": ("scale", "look"),
    "F": ("rate too high", "simpler"),
}
### STUB
# found = {
#     "B": ("...", "..."),
#     "C": ("...", "..."),
#     "D": ("...", "..."),
#     "E": ("...", "..."),
#     "F": ("...", "..."),
# }
### END SOLUTION

check("projects", found)

# %% [markdown]
# ## A second opinion
#
# `examine` makes such tests by itself, before any training. `Doctor` watches a run, and `diagnose` names
# what it suffers from. What one *says* it is sure of; what it *asks* needs an experiment.

# %% tags=["nbval-ignore-output"]
for name in parts.NAMES:
    one = parts.project(name)
    report = examine(one.compiled(), one.x, one.y)
    print(name, [f"{f.rule} ({f.effect})" for f in report] or "nothing found")
one = parts.project("F")
model, doctor = one.compiled(), Doctor(one.x, one.y)
model.fit(one.x, one.y, epochs=3, verbose=0, callbacks=[doctor])
print("F, trained:", diagnose(doctor).names)

# %% [markdown] topics="debug-visualize"
# It is silent about F until it has seen it run (a **collapse** is one answer for all rows). Now an
# attention model (**attention** lets each place of a sequence read other places, by weights that sum to
# 1) is to say the *next* of random tokens, four kinds. Nobody can: 25 % are right by chance. This one
# gets nine of ten. What will the doctor find? (a) Nothing. (b) Overfitting. (c) Rows shared with
# validation.

# %%
check("predict_doctor", "a")  # SOLUTION

# %% tags=["nbval-ignore-output"]
model, (x, y), (held_x, held_y), weights = parts.next_token()
print("before:", examine(model, x, y, (held_x, held_y)).names)
doctor = Doctor(x, y, (held_x, held_y))
model.fit(x, y, epochs=4, verbose=0, callbacks=[doctor], validation_data=(held_x, held_y))
print("after: ", [f"{f.rule} ({f.effect})" for f in diagnose(doctor)])
print(f"right on rows held back: {model.evaluate(held_x, held_y, verbose=0)[1]:.2f}")
parts.attention(weights(held_x))
check.reveal("predict_doctor")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Row $k$ of the picture should be white to the right of place $k$: that is the future, which holds the
# answer. Here `use_causal_mask=True`, which hides it, was forgotten. The doctor found nothing: what it
# measures is sound, and it is silent about what no test looks for. A result *better than possible* is a
# symptom that you have to know.
#
# </details>
#
# So look into the model too: at its answers, at attention, at what layers give. And a doctor can be
# wrong. Here the label is the sign of a product of three of twenty columns; the model is sound.

# %% tags=["nbval-ignore-output"]
model, (x, y), (held_x, held_y) = parts.parity()
for finding in examine(model, x, y):
    print(finding)
model.fit(x, y, epochs=10, verbose=0)
print(f"right on rows held back: {model.evaluate(held_x, held_y, verbose=0)[1]:.2f}")

# %% [markdown]
# It asks whether the labels depend on the inputs at all: neighbours and a line do not see how. In project
# A it asked the same, and was right. The finding looks alike; the experiment it proposes, rows held
# back, tells them apart.

# %% [markdown] topics="slow-convergence"
# ## It learns, but slowly
#
# Slow is no bug, and has four remedies: a higher rate, carefully; Adam or RMSprop; warm-up; batch norm. A
# net of four hidden layers, three seeds each: after how many epochs is the loss below 0.3?

# %% tags=["nbval-ignore-output"]
x, y, *_ = parts.digits()
sgd, adam = keras.optimizers.SGD, keras.optimizers.Adam
warm_up = keras.optimizers.schedules.CosineDecay(0.0, 1000, 1.0, warmup_target=0.1, warmup_steps=50)
runs = {
    "SGD, rate 0.01": (lambda: sgd(0.01), False),
    "rate 0.1": (lambda: sgd(0.1), False),
    "Adam, rate 0.003": (lambda: adam(0.003), False),
    "rate 0.1 after warm-up": (lambda: sgd(warm_up), False),
    "rate 0.01, batch norm": (lambda: sgd(0.01), True),
    "rate 0.1, batch norm": (lambda: sgd(0.1), True),
}
for name, (optimizer, norm) in runs.items():
    towers = [parts.tower(optimizer(), seed, norm) for seed in range(3)]
    histories = fit_many(towers, x, y, epochs=40, verbose=0)
    print(f"{name:24} epochs", *parts.epochs_to(histories, 0.3))

# %% [markdown]
# This is no contest: each has one setting ([[hyperparameter_search]] compares fairly). At a rate that is
# safe from the start, warm-up has nothing to cure. Batch norm helps at both rates, and does not replace
# the higher one.
#
# ### Your decision
#
# Would the running model pass? Here are three tests and one epoch. What will you keep for each run to
# come, and what does it cost you?

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
x, y, unseen = garments.train.x, garments.train.y, garments.validation
running = lessons.running_model()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
running.compile("adam", loss, metrics=["accuracy"])
print("examine:", examine(running, x[:2000], y[:2000]))
print(f"first loss {running.evaluate(x[:500], y[:500], verbose=0)[0]:.2f}")
running.fit(x, y, batch_size=128, verbose=0)
print(f"validation accuracy {running.evaluate(unseen.x, unseen.y, verbose=0)[1]:.2f}")

# %%
### BEGIN SOLUTION
check.decide(
    choice="examine before each run, and ten rows by heart after each change of model or loss",
    because="both together take seconds, and a wasted training takes longer",
    score=0.79,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Before the first step the loss is that of knowing nothing: ln(classes).
# 2. Ten rows by heart test scale, model, loss, rate and loop, and say nothing about the labels.
# 3. Rows and labels are looked at before a rate is raised or a layer added.
# 4. From a set-up that works, halving finds the bad stage of sixteen in four trainings.
# 5. A finding is worth the experiment that decides it, and silence proves nothing.
#
# **The pitfall.** Accuracy 1.0 on ten rows with a loss of 1.46: passed by the wrong measure.
#
# **Break it.** Run project F's `train(rate=0.01)`, a hundredth of its rate, then project C's
# `train(rate=10)`, ten times its own.
#
# <details><summary>What happens</summary>
#
# F is healed by the rate: it was the bug. C is not healed by any rate: its loss cannot fall below 1.46.
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
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "c")  # SOLUTION

# %%
check.cards()
check.summary()
