# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 40
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
# Skip ahead if you can answer these: where may a loop zero its gradients? What does `fit` report as
# the loss of an epoch whose last batch is smaller? What does a bare `model(x)` leave out?
#
# You will write the training loop, hold it against `fit`, and know four lines that are easy to
# forget. You need Python and a little NumPy.
#
# > **You need only this.** A model is fitted to *training* rows; its settings are chosen by
# > *validation* rows. The *test* rows are opened once, at the very end: [[cross_validation]] says why.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets
from coursekit.lessons.training_loop import check, figures, recorded
from coursekit.training import train_one_epoch, train_until, value_and_gradients

# %% [markdown] topics="loop-anatomy process-six-steps"
# ## The loop, by hand
#
# Thirty points, and a line $\hat y = wx + b$ with two **parameters** (or weights): the numbers that
# training moves. Six steps:
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
# The points have slope 1.5, intercept -0.5 and noise of standard deviation 0.4. So even the true line
# has a loss near $0.4^2 = 0.16$, the floor.
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
by_hand = 2 * np.mean(-y * x), 2 * np.mean(-y)
for name, pair in [
    ("hand", by_hand),
    ("library", by_library),
    ("coursekit", found.gradients.values()),
]:
    print(f"by {name:10}", *[f"{float(gradient):.4f}" for gradient in pair])

# %% [markdown]
# Three times the same. This course's `value_and_gradients` goes the way of your backend, and returns
# `.loss` and, by name, `.gradients`.
#
# ## A network is layers
#
# A **layer** takes numbers and gives others. `Dense(64)` is 64 lines at once: it computes
# `row @ W + b`, and its parameters are the entries of `W` and `b`. `activation="relu"` then sets
# negative numbers to 0; without such a bend, two Dense layers would be no more than one. `Flatten`
# makes one row of an image. `Sequential` hands each layer's output to the next, and `Input` says what
# shape comes in.
#
# The last layer gives ten scores (**logits**), one for each digit. The loss, **cross-entropy**, makes
# probabilities of them (`from_logits=True`), and is small where the right digit has a high one.
# `Sparse` says that labels are class numbers ([[losses]] has the rest).

# %% topics="device-placement"
digits = datasets.load_digits()  # images of 8 x 8 pixels, ten classes
x_train, y_train = digits.train.x, digits.train.y
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(penalty=None, kind=keras.Sequential):
    keras.utils.set_random_seed(1)  # the same start every time
    hidden = layers.Dense(64, activation="relu", kernel_regularizer=penalty)
    return kind([keras.Input((8, 8)), layers.Flatten(), hidden, layers.Dense(10)])


model = build()
w1, b1, w2, b2 = model.get_weights()
scores = np.maximum(x_train[0].reshape(64) @ w1 + b1, 0) @ w2 + b2
print("the network, by hand:", np.allclose(scores, model(x_train[:1])[0], atol=1e-4))
print(f"parameters: {w1.shape} {b1.shape} {w2.shape} {b2.shape}, {model.count_params()} in all,",
      "on", str(model.weights[0].value.device).split("/")[-1])  # fmt: skip

# %% [markdown]
# Keras places models and batches by itself, on the first GPU or TPU where there is one. The code stays
# the same on several ([[distribution]]).
#
# ## Two modes of one model
#
# Two kinds of layer behave differently in training. **Dropout** sets random inputs to zero. **Batch
# normalization** scales by the batch's own mean and spread, later by running averages. A batch passes
# four times through a network with dropout: twice with `training=True`, twice with `training=False`.
# How many different outputs come out? (a) 1 (b) 2 (c) 3 (d) 4

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
# A call without the argument is inference. So a step that forgets `training=True` trains without its
# dropout, and no error tells. `fit` passes `True`; `evaluate` and `predict` pass `False`.
#
# </details>
#
# ### Finish and mend the training step (difficulty 2, 10 minutes)
#
# `value_and_gradients(loss_of, variables)` calls `loss_of` with the values of the variables, with which
# the model then computes. An **optimizer** makes the update. `model.losses` lists the **penalties** that
# layers ask for, such as one on large weights.
#
# This step is unfinished and has five faults, none of which raises an error. Mend it, and return the
# loss that the update was made from. We run three batches beside a reference, through a network with a
# dropout layer (here always the same units), a penalty, and a *frozen* layer, whose weights are not to
# be trained. The tape, or `jax.value_and_grad`, is as good.


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
# We train the digits network twice, from the same start and on the same batches: once with this step
# for each batch (`train_one_epoch`), once with `fit(shuffle=False)`. How will the two loss curves lie? (a) `fit` lower, for it is optimized. (b) Together at first, then drifting
# apart. (c) On top of each other, to five digits.

# %%
check("predict_same", "c")  # SOLUTION

# %% topics="loss-item-detach"
batches_of_32 = [(x_train[i : i + 32], y_train[i : i + 32]) for i in range(0, len(x_train), 32)]
by_hand, optimizer = build(), keras.optimizers.SGD(0.1)
hand_losses = [train_one_epoch(by_hand, batches_of_32, loss_fn, optimizer) for _ in range(8)]

by_fit = build()
by_fit.compile(keras.optimizers.SGD(0.1), loss_fn)
history = by_fit.fit(x_train, y_train, batch_size=32, epochs=8, shuffle=False, verbose=0)
fit_losses = history.history["loss"]

figures.twice(hand_losses, fit_losses)
pairs = zip(by_hand.get_weights(), by_fit.get_weights(), strict=True)
difference = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
print(f"largest difference of any weight: {difference:.5f}; losses are of", type(hand_losses[0]))
check.reveal("predict_same")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The dashed curve lies on the wide one. `fit` adds shuffling, metrics and callbacks (your code, called
# after each epoch), and moves running averages and random seeds, which your step leaves. The losses are
# plain `float`s: a tensor of PyTorch would keep all that it was computed from.
#
# </details>
#
# ## One number for an epoch
#
# `fit` reports one loss an epoch. How does it get there from the batches?

# %% topics="epoch-loss-averaging"
assert difference < 1e-5 and np.allclose(hand_losses, fit_losses, atol=1e-5)
model, optimizer = build(), keras.optimizers.SGD(0.1)
one_by_one = [train_one_epoch(model, [batch], loss_fn, optimizer) for batch in batches_of_32]
print(f"{len(batches_of_32)} batches of 32 rows, the last one of {len(batches_of_32[-1][1])}")
print(f"mean of the batch losses {np.mean(one_by_one):.4f}; fit reports {fit_losses[0]:.4f}")

# %% [markdown]
# The last batch counts too much. (`fit` has a `keras.metrics.Mean` for it.)
#
# ### One loss for the epoch (difficulty 1, 5 minutes)
#
# Two batches: loss 1.0 from 32 rows, loss 5.0 from one row. What is the loss of the epoch? Their plain
# mean is 3.0. Is that fair to the rows? Write it for any batches: `losses` and `sizes` are lists.


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
# $\lceil N/B \rceil$ of them, rounded up: the last batch may be smaller. `fit` shuffles before each
# epoch, unless told not to.
#
# ### Cut an epoch into batches (difficulty 2, 7 minutes)
#
# Write one epoch's batches: every pair `(x[i], y[i])` exactly once, in a random order drawn from
# `rng`. Any two rows should be able to meet in a batch. We try several sizes, over many epochs.


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
# ## Reading a PyTorch loop
#
# Why PyTorch, in a course on Keras? Many tutorials and papers come with code in it. You need not write
# it, but you will read it.
#
# | PyTorch | Keras 3 |
# |---|---|
# | `model.train()`: a mode of the model | `model(x, training=True)`: at each call |
# | `criterion(predictions, y)` | `loss_fn(y, y_pred)`: **targets first** |
# | `optimizer.zero_grad()` | no gradients are stored |
# | `loss.backward()` | `value_and_gradients(...)` |
# | `optimizer.step()` | `optimizer.apply(...)` |
# | `total += loss.item()` | `float(loss)`: a plain number |
#
# ### Put the loop in order (difficulty 1, 4 minutes)
#
# PyTorch *adds* each new gradient to a stored one. Put one round in order, as a text of five letters:
#
# - `a` update: move the weights against the stored gradient
# - `b` backward: add the gradient of the loss to the stored gradient
# - `c` forward: predict from the batch
# - `d` zero: set the stored gradient to 0
# - `e` loss: compare the predictions with the targets

# %% exercise="loop_order"
loop_order = "cedba"  # SOLUTION

check("loop_order", loop_order)

# %% [markdown]
# Here is our line again, with zeroing and without.

# %% topics="zero-grad-semantics"
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
# friction. To add up on purpose, a Keras optimizer has `gradient_accumulation_steps=4`.
#
# ### Three steps without zeroing (difficulty 1, 2 minutes)
#
# The gradient of each step is 2. Nothing is ever zeroed. Which gradient does the third update use?

# %% exercise="accumulated"
accumulated = 6  # SOLUTION

check("accumulated", accumulated)

# %% [markdown]
# ## When does it stop?
#
# There are three good ways out of a loop. The planned number of epochs is reached. The loss has
# **converged**: it changes by less than a `tolerance` from one epoch to the next. Or the validation loss
# has had no new best for `patience` epochs. `train_until` is our loop with these three.
#
# The figure is a recorded run on 2,000 garments; on another machine its bumps fall elsewhere.

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
# ## The pitfall: a loss that forgets
#
# To change the loss and keep the rest of `fit`, override `compute_loss`. Yours then replaces all that
# Keras's does. Both networks below ask for a penalty on large weights (L2).


# %%
class Short(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return loss_fn(y, y_pred)


for kind in (keras.Sequential, Short):
    penalized = build(keras.regularizers.L2(0.01), kind)
    penalized.compile(keras.optimizers.SGD(0.1), loss_fn)
    seen = penalized.fit(x_train, y_train, epochs=5, shuffle=False, verbose=0).history["loss"]
    size = np.linalg.norm(penalized.get_weights()[0])
    print(f"{kind.__name__:10}  loss {seen[-1]:.2f}  size of the first weights {size:.1f}")

# %% [markdown]
# `Short` raises no error and shows the lower loss: the penalty is missing, from the gradient too, so that
# the weights stay larger.
#
# ## All of it, with fit
#
# `EarlyStopping(patience=5)` stops after five epochs without a better validation loss, and
# `restore_best_weights` goes back to the best. Then comes the **running model** of this course, on all
# the garments.

# %% topics="neural-network-training-example"
model = build()
model.compile(keras.optimizers.Adam(0.01), loss_fn, metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
log = model.fit(x_train, y_train, epochs=60, validation_data=held_out, callbacks=[stop], verbose=0)
accuracy = model.evaluate(*held_out, verbose=0)[1]
assert accuracy > 0.9
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

# %% [markdown]
# ### Your decision
#
# For how many epochs will you train the running model from now on, at most and with which patience?
# `choice` and `because` are texts, `score` is the validation accuracy that you expect, between 0 and 1.

# %%
### BEGIN SOLUTION
check.decide(
    choice="at most 20 epochs, patience 3",
    because="the validation accuracy still creeps up at epoch 12, and one epoch without a gain is common",
    score=max(scores),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. The loop is forward, loss, backward, update; convergence, a number of epochs or patience ends it.
#
# And the four lines that are easy to forget:
#
# 2. `training=True` at each call: a bare call is inference.
# 3. Zeroing stored gradients, in PyTorch; Keras stores none.
# 4. Weighting each batch loss by its rows.
# 5. Adding `model.losses`, the penalties, to the loss.
#
# **Break it.** In the first loop set `rate = 0.55`, then 0.65, and look at the loss.
#
# <details><summary>What happens</summary>
#
# At 0.55 the line swings and still settles; at 0.65 each step overshoots by more than the last one.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "a")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
