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
# # What does fit do for you?
#
# Skip ahead if you can answer these: where may a loop zero its gradients? How does `fit` average over
# unequal batches? What does a bare `model(x)` leave out?
#
# You will write the loop, hold it against `fit`, time its steps, and know four lines that are easy to
# forget. You need [[what_training_is]].
#
# > **You need only this.** A model is fitted to *training* rows; its settings are chosen by
# > *validation* rows. *Test* rows wait for the very end ([[cross_validation]]).

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets
from coursekit.lessons.training_loop import Reader, check, figures, recorded, step_times
from coursekit.training import train_one_epoch, train_until, value_and_gradients

# %% [markdown] topics="loop-anatomy process-six-steps"
# ## The loop, by hand
#
# Thirty points, and a line $\hat y = wx + b$ with two **parameters**, the numbers that training
# moves (Keras calls all of them weights, biases too). Six steps:
#
# 1. *initialise* the parameters, at random, at zero, or from an earlier training;
# 2. *forward*: predict $\hat y$;
# 3. *loss*: measure the error, here by its mean square;
# 4. *backward*: compute the **gradient**: how fast each parameter makes the loss grow;
# 5. *update*: a small step the other way, its length set by the learning *rate*;
# 6. *iterate*: again from 2.
#
# The rows of one update are a **batch**, here all thirty; one pass over all rows is an **epoch**.

# %% topics="training-flow-diagram"
rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, 30)
y = 1.5 * x - 0.5 + rng.normal(0, 0.4, 30)

w, b, rate = 0.0, 0.0, 0.1  # 1 initialise
lines, losses = [(w, b)], []
for epoch in range(40):  # 6 iterate
    y_hat = w * x + b  # 2 forward
    losses.append(np.mean((y_hat - y) ** 2))  # 3 loss
    grad_w = 2 * np.mean((y_hat - y) * x)  # 4 backward
    grad_b = 2 * np.mean(y_hat - y)
    w, b = w - rate * grad_w, b - rate * grad_b  # 5 update
    lines.append((w, b))

figures.line(x, y, lines, losses)
print(f"w = {w:.2f}, b = {b:.2f}, loss from {losses[0]:.2f} to {losses[-1]:.2f}")
figures.diagram()

# %% [markdown]
# The noise has standard deviation 0.4, so even the true line has a loss near $0.4^2 = 0.16$; one
# fitted to its points, a little less.
#
# ## Gradients without a pencil
#
# A library gets gradients from the code of the loss, in one of two ways. TensorFlow's **tape** records
# what is computed inside its `with` block, and goes backwards through the record. JAX's
# `value_and_grad` makes of a *function* a new one, which returns the value and its gradients. The cell
# runs the way of your **backend**, the library under Keras. `ops` has NumPy's functions for either.


# %%
def line_loss(w, b):
    return ops.mean((w * x + b - y) ** 2)


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    w0, b0 = tf.Variable(0.0), tf.Variable(0.0)
    with tf.GradientTape() as tape:
        loss = line_loss(w0, b0)
    by_library = tape.gradient(loss, [w0, b0])
else:
    import jax

    loss, by_library = jax.value_and_grad(line_loss, argnums=(0, 1))(0.0, 0.0)

found = value_and_gradients(line_loss, {"w": 0.0, "b": 0.0})
print(f"by hand      {2 * np.mean(-y * x):.4f} {2 * np.mean(-y):.4f}")  # at w = b = 0
print("by library  ", *[f"{float(gradient):.4f}" for gradient in by_library])
print("by coursekit", *[f"{float(gradient):.4f}" for gradient in found.gradients.values()])

# %% [markdown]
# Three times the same. This course's `value_and_gradients` goes the way of your backend, and returns
# `.loss` and, by name, `.gradients`.
#
# ## A network in place of a line
#
# Layers, relu and cross-entropy are those of [[what_training_is]]. `Flatten` makes one row of an image.
# The last layer gives ten scores (**logits**), one for each digit, and no softmax follows: the loss
# makes probabilities of them itself (`from_logits=True`). `Sparse` says that labels are class numbers.

# %% topics="device-placement"
digits = datasets.load_digits()  # images of 8 x 8 pixels, ten classes
x_train, y_train = digits.train.x, digits.train.y
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build():
    keras.utils.set_random_seed(1)  # the same start every time
    hidden = layers.Dense(64, activation="relu")
    return keras.Sequential([keras.Input((8, 8)), layers.Flatten(), hidden, layers.Dense(10)])


model = build()
w1, b1, w2, b2 = model.get_weights()
scores = np.maximum(x_train[0].reshape(64) @ w1 + b1, 0) @ w2 + b2
print("the network, by hand:", np.allclose(scores, model(x_train[:1])[0], atol=1e-4))
print(f"parameters: {w1.shape} {b1.shape} {w2.shape} {b2.shape}, {model.count_params()} in all,",
      "on", str(model.weights[0].value.device).split("/")[-1])  # fmt: skip

# %% [markdown]
# Keras places models and batches by itself, on the first GPU or TPU there is. The code stays the same
# on several ([[distribution]]).
#
# ## Two modes of one model
#
# Some kinds of layer behave differently in training. **Dropout** sets random inputs to zero, by a
# *mask*. **Batch normalization** scales by the batch's own mean and spread, later by running
# averages. One row passes four times through a network with dropout: twice with `training=True`,
# twice with `training=False`. How many different outputs come out? (a) 1 (b) 2 (c) 3 (d) 4

# %%
check("predict_modes", "c")  # SOLUTION

# %% topics="train-vs-inference-mode"
keras.utils.set_random_seed(2)
dropping = keras.Sequential([layers.Dropout(0.5), layers.Dense(1)])
row = x_train[:1].reshape(1, 64)
for training in (True, True, False, False):
    print(f"training={training!s:5}  output {float(dropping(row, training=training)[0, 0]):.2f}")
print(f"no argument     output {float(dropping(row)[0, 0]):.2f}")
check.reveal("predict_modes")

# %% [markdown] topics="train-one-epoch-code"
# <details><summary>After you ran it</summary>
#
# A call without the argument is *inference*, as for an answer to a user. So a step that forgets
# `training=True` trains without its dropout, and no error tells. `fit` passes `True`; `evaluate`
# and `predict` pass `False`.
#
# </details>
#
# ### Finish and mend the training step (difficulty 2, 10 minutes)
#
# `value_and_gradients(loss_of, variables)` calls `loss_of` with a value for each variable; the
# model uses these values by itself. An **optimizer** makes the update: `SGD(0.1)` is gradient
# descent with a rate of 0.1. A loss of Keras takes the targets first. `model.losses` lists the
# **penalties** that layers ask for, such as one on large weights.
#
# This step is unfinished and has five faults, none of which raises an error. Mend it, and return the
# loss that the update was made from. We run three batches beside a reference, on a network with dropout
# (here always the same units), a penalty, and a *frozen* layer, whose weights are not to be trained.


# %% exercise="train_step"
def train_step(model, loss_fn, optimizer, x, y):
    """Update the model by one batch; return the loss that the update was made from."""

    ### BEGIN SOLUTION
    def loss_of(*weights):
        y_pred = model(x, training=True)
        return loss_fn(y, y_pred) + sum(model.losses)

    found = value_and_gradients(loss_of, model.trainable_variables)
    optimizer.apply(list(found.gradients.values()), model.trainable_variables)
    return found.loss
    ### STUB
    # y_pred = model(x)
    #
    # def loss_of(*weights):
    #     return loss_fn(y_pred, y)
    #
    # found = value_and_gradients(loss_of, model.weights)
    # optimizer.apply(list(found.gradients.values()), model.weights)
    # return ...
    ### END SOLUTION


check("train_step", train_step)

# %% [markdown]
# ## Is fit the same loop?
#
# We train the digits network twice, from one start, on the same batches: by this step
# (`train_one_epoch`) and by `fit(shuffle=False)`. How will the two loss curves lie? (a) On top of each
# other, but for rounding. (b) Together at first, then drifting apart. (c) `fit` lower, for it is
# optimized.

# %%
check("predict_same", "a")  # SOLUTION

# %% topics="loss-item-detach"
batches_of_32 = [(x_train[i : i + 32], y_train[i : i + 32]) for i in range(0, len(x_train), 32)]
by_hand, optimizer = build(), keras.optimizers.SGD(0.1)
hand_losses = [train_one_epoch(by_hand, batches_of_32, loss_fn, optimizer) for _ in range(8)]

by_fit = build()
by_fit.compile(keras.optimizers.SGD(0.1), loss_fn)
fit_losses = by_fit.fit(x_train, y_train, epochs=8, shuffle=False, verbose=0).history["loss"]

figures.twice(hand_losses, fit_losses)
apart = figures.apart(by_hand.get_weights(), by_fit.get_weights())
print(f"largest difference of any weight: {apart:.6f}; losses are of", type(hand_losses[0]))
check.reveal("predict_same")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The dashed curve lies on the wide one. `fit` adds shuffling before each epoch, metrics and
# callbacks (your code, called after each epoch). It also moves the running averages of batch
# normalization and the random seeds of dropout; your step leaves both. The losses are plain
# `float`s: a tensor of PyTorch would keep all that it was computed from.
#
# </details>
#
# ## One number for an epoch
#
# `fit` reports one loss an epoch. How does it make that of the batch losses?

# %% topics="epoch-loss-averaging"
model, optimizer = build(), keras.optimizers.SGD(0.1)
full = train_one_epoch(model, batches_of_32[:-1], loss_fn, optimizer)
last = train_one_epoch(model, batches_of_32[-1:], loss_fn, optimizer)
print(f"{len(x_train):,} rows: 40 batches of 32, mean loss {full:.4f}; one of 7, loss {last:.4f}")
print(f"plain mean of the 41 losses {(40 * full + last) / 41:.4f}; fit reports {fit_losses[0]:.4f}")

# %% [markdown]
# In the plain mean the last batch counts as much as a full one. `fit` counts otherwise, by a
# `keras.metrics.Mean`.
#
# ### One loss for the epoch (difficulty 1, 5 minutes)
#
# Two batches: loss 1.0 from 32 rows, loss 5.0 from one row. Their plain mean is 3.0. Is that fair to
# the rows? Write the loss of an epoch for any batches: `losses` and `sizes` are lists.


# %% exercise="epoch_loss"
def epoch_loss(losses, sizes):
    """Return the mean loss over all rows of the epoch."""
    ### BEGIN SOLUTION
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)
    ### STUB
    # return ...
    ### END SOLUTION


check("epoch_loss", epoch_loss)

# %% [markdown] topics="epoch-definition"
# ## Batches and epochs
#
# One batch and its update are an **iteration**. An epoch of $N$ rows in batches of $B$ makes
# $\lceil N/B \rceil$ of them, rounded up: the last batch may be smaller.
#
# ### Cut an epoch into batches (difficulty 2, 7 minutes)
#
# Write one epoch's batches: every pair `(x[i], y[i])` exactly once, in a random order drawn from
# `rng`. Any two rows should be able to meet in a batch.


# %% exercise="batches"
def batches(x, y, size, rng):
    """Yield pairs (x_batch, y_batch); the last one may be smaller."""
    ### BEGIN SOLUTION
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
        piece = order[start : start + size]
        yield x[piece], y[piece]
    ### STUB
    # yield ...
    ### END SOLUTION


check("batches", batches)

# %% [markdown]
# ## The pitfall: a fast step that waits
#
# Operation by operation, Python is slow. So `fit` **compiles** (`model.compile` only notes how):
# the first step makes one program of all, and later steps run it. With `jit_compile=True` the
# compiler XLA makes it and merges operations (JAX always does so). Batches must be read, too.
# `Reader` hands them out, each after some milliseconds, as from a disk. With `workers=4`, four
# threads read ahead while the model computes.

# %% topics="step-cost" tags=["nbval-ignore-output"]
for way, compiling, wait, threads in (
    ("operation by operation", {"run_eagerly": True}, 0, 1),
    ("one program", {}, 0, 1),
    ("one program, by XLA", {"jit_compile": True}, 0, 1),
    ("one program, slow batches", {}, 10, 1),
    ("the same, four threads", {}, 10, 4),
):
    model = build()
    model.compile(keras.optimizers.SGD(0.1), loss_fn, **compiling)
    first, later = step_times(model, Reader(x_train, y_train, wait, workers=threads))
    print(f"{way:26} first step {first:6.1f} ms, a later one {later:5.1f} ms")

# %% [markdown]
# Compiling costs once, and pays at each later step. But where a batch takes 10 ms to read, no program
# makes a step shorter; more threads do.
#
# ### What is worth speeding up? (difficulty 2, 4 minutes)
#
# A batch takes 12 ms to read, a step 5 ms to compute. One thread reads ahead. How many milliseconds
# does a step take, in a long run? How many if XLA halves the computing? And with four threads,
# without XLA? Give three numbers, such as `(1, 2, 3)`.

# %% exercise="bottleneck"
milliseconds = (12, 12, 5)  # SOLUTION

check("bottleneck", milliseconds)

# %% [markdown]
# ## Reading a PyTorch loop
#
# Many tutorials come in PyTorch. You need not write it, but you will read it.
#
# | PyTorch | Keras 3 |
# |---|---|
# | `model.train()`, a mode | `model(x, training=True)`, at each call |
# | `criterion(y_pred, y)` | `loss_fn(y, y_pred)`: **targets first** |
# | `optimizer.zero_grad()` | no gradients are stored |
# | `loss.backward()` | `value_and_gradients(...)` |
# | `optimizer.step()` | `optimizer.apply(...)` |
# | `loss.item()` | `float(loss)` |
#
# ### Put the loop in order (difficulty 1, 5 minutes)
#
# PyTorch *adds* each new gradient to a stored one. Put one round in order, as a text of five letters.
# And if each gradient is 2 and nothing is ever zeroed: what is stored at the `third` update?
#
# - `a` update: move the weights against the stored gradient
# - `b` backward: add the gradient of the loss to the stored one
# - `c` forward: predict from the batch
# - `d` zero: set the stored gradient to 0
# - `e` loss: compare predictions and targets

# %% exercise="loop_order"
loop_order = "cedba"  # SOLUTION

third = 6  # SOLUTION

check("loop_order", loop_order, third)

# %% topics="zero-grad-semantics"
# Our line again, with zeroing and without.
curves = {"zeroed": [], "never zeroed": []}
for name, kept in curves.items():
    v, stored = np.zeros(2), np.zeros(2)
    for epoch in range(40):
        error = v[0] * x + v[1] - y
        kept.append(np.mean(error**2))
        gradient = np.array([2 * np.mean(error * x), 2 * np.mean(error)])
        stored = gradient if name == "zeroed" else stored + gradient
        v = v - 0.1 * stored
    print(f"{name:13} highest loss of the last ten epochs: {max(kept[-10:]):.2f}")
figures.zeroing(curves)

# %% [markdown]
# Old gradients never fade, so the line rolls through the best place and back, like a ball without
# friction. To add up four batches on purpose, a Keras optimizer has
# `gradient_accumulation_steps=4`.
#
# ## When does it stop?
#
# Three good ways out of a loop: the planned number of epochs is reached; the loss has
# **converged**, and changes by less than a `tolerance` from epoch to epoch; the validation loss has
# had no new best for `patience` epochs. `train_until` is our loop with these, here with another
# optimizer, `Adam` ([[optimizers]]). The figure is a recorded run on 2,000 garments.

# %% topics="stopping-criteria"
few = [(x_train[:64], y_train[:64])]
held_out = (digits.validation.x, digits.validation.y)
for way_out in (
    {"max_epochs": 12},
    {"max_epochs": 200, "tolerance": 0.01},
    {"max_epochs": 2000, "validation": held_out, "patience": 3},
):
    run = train_until(build(), few, loss_fn, keras.optimizers.Adam(0.01), **way_out)
    print(f"stopped after {len(run.losses):3} epochs: {run.reason}")
figures.detours(recorded)

# %% [markdown]
# A largest number of epochs and patience are the usual pair.
#
# ### How much patience? (difficulty 2, 5 minutes)
#
# What is the *smallest* `patience` that brings this run past its bumps to epoch 11? Read the dashed
# curve.

# %% exercise="patience"
patience = 4  # SOLUTION

check("patience", patience)

# %% [markdown]
# ## All of it, with fit
#
# `EarlyStopping(patience=5)` stops after five epochs without a better validation loss, and
# `restore_best_weights` goes back to the best. Then comes the **running model** of this course.

# %% topics="neural-network-training-example"
model = build()
model.compile(keras.optimizers.Adam(0.01), loss_fn, metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
log = model.fit(x_train, y_train, epochs=60, validation_data=held_out, callbacks=[stop], verbose=0)
accuracy = model.evaluate(*held_out, verbose=0)[1]
print(f"digits: {len(log.epoch)} epochs, validation accuracy {accuracy:.2f} (chance: 0.10)")

# %%
fashion = datasets.load_fashion_mnist()
train, valid = fashion.train, (fashion.validation.x, fashion.validation.y)
running = lessons.running_model()
running.compile(keras.optimizers.SGD(0.1), loss_fn, metrics=["accuracy"])
log = running.fit(train.x, train.y, batch_size=64, epochs=12, validation_data=valid, verbose=0)
scores = log.history["val_accuracy"]
figures.running_model(log.history)
print(f"validation accuracy: {scores[-1]:.2f} at the end, {max(scores):.2f} at best (chance: 0.10)")

# %% jupyter={"source_hidden": true}
# Tests of what the text says. Safe to skip.
assert apart < 1e-5 and np.allclose(hand_losses, fit_losses, rtol=1e-5, atol=1e-6)
assert max(curves["zeroed"][-10:]) < 0.2 and max(curves["never zeroed"][-10:]) > 2
assert accuracy > 0.9 and max(scores) > 0.8

# %% [markdown]
# ### Your decision
#
# For how many epochs will you train the running model from now on, at most and with which patience?
# `choice` and `because` are texts, `score` is the validation accuracy you expect, between 0 and 1.

# %%
### BEGIN SOLUTION
why = "the validation accuracy still creeps up at epoch 12; one epoch without a gain is common"
check.decide(choice="at most 20 epochs, patience 3", because=why, score=max(scores))
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. The loop is forward, loss, backward, update; convergence, a number of epochs or patience ends it.
# 2. Four lines are easy to forget: `training=True` at each call; zeroing stored gradients, in PyTorch;
#    weighting each batch loss by its rows; adding `model.losses`, the penalties.
# 3. The slower one of reading and computing sets the pace of a step.
#
# **Break it.** In the first loop set `rate = 0.55`, then 0.65, and look at the loss.
#
# <details><summary>What happens</summary>
#
# At 0.55 the line swings and settles; at 0.65 each swing is wider.
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
