# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     minutes: 50
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
# You will write the training loop by hand, hold it against `fit`, and know four lines that are easy
# to forget. You need Python and a little NumPy.
#
# > **You need only this.** A model is fitted to *training* rows; its settings are chosen by
# > *validation* rows. The *test* rows are opened once, at the very end. The lesson on
# > cross-validation says why.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow"])

import keras
import numpy as np
import tensorflow as tf

from coursekit import datasets, plots
from coursekit.lessons.training_loop import check, recorded
from coursekit.training import train_until

# %% [markdown] topics="loop-anatomy process-six-steps"
# ## The loop, by hand
#
# Thirty points, and a line $\hat y = wx + b$ with two **parameters** (or weights): the numbers that
# training moves. Six steps:
#
# 1. *initialise* the parameters, at random, at zero, or from an earlier training;
# 2. *forward*: predict $\hat y$;
# 3. *loss*: measure the error, here by its mean square;
# 4. *backward*: compute the **gradient**, which says how fast each parameter makes the loss grow;
# 5. *update*: a small step the other way, its length set by the learning *rate*;
# 6. *iterate*: again from 2.
#
# The rows used for one update are a **batch**, here all thirty. One pass over all rows is an
# **epoch**.

# %%
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

# %%
fig, (left, right) = plots.figure("Forty small steps turn a flat line into the best one", columns=2)
left.plot(x, y, "o", color="0.4")
ends = np.array([-2, 2])
for epoch, style in zip((0, 1, 5, 40), plots.COMPARE, strict=False):
    w_then, b_then = lines[epoch]
    label = f"after {epoch} epochs"
    plots.curve(left, w_then * ends + b_then, style, x=ends, label=label, marker="")
left.set(xlabel="x", ylabel="y")
left.legend()
plots.curve(right, losses, plots.TRAIN)
right.set(xlabel="epoch", ylabel="loss (mean squared error)")
plots.show(
    fig,
    alt="Left: the line turns from flat into the slope of the points. Right: the loss falls "
    "steeply in the first ten epochs, then hardly at all.",
)
print(f"w = {w:.2f}, b = {b:.2f}, loss from {losses[0]:.2f} to {losses[-1]:.2f}")

# %% [markdown]
# On the left, each line is the model after so many epochs; on the right, the loss that each epoch
# measured. The points were made with slope 1.5, intercept -0.5 and noise of standard deviation 0.4.
# So even the true line has a loss near $0.4^2 = 0.16$: that is the floor, give or take.

# %% jupyter={"source_hidden": true} topics="training-flow-diagram"
# Safe to skip: this draws the diagram.
from matplotlib.patches import FancyBboxPatch

fig, ax = plots.figure("The loop, with its way out", height=1.6)
names = ["training\ndata", "initialise", "forward", "loss", "backward", "update", "converged?"]
arrow = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
for place, name in enumerate([*names, "trained\nmodel"]):
    color, at = plots.TRAIN.color if 2 <= place <= 6 else "0.5", 1.4 * place
    ax.add_patch(
        FancyBboxPatch((at - 0.48, -0.2), 0.96, 0.4, "round,pad=0.04", fc="white", ec=color)
    )
    ax.text(at, 0, name, ha="center", va="center", fontsize=7)
    if place:
        ax.annotate("", (at - 0.53, 0), (at - 0.87, 0), arrowprops=arrow)
around = {**arrow, "connectionstyle": "bar,fraction=0.09"}
ax.annotate("", (2.8, 0.25), (8.4, 0.25), arrowprops={**around, "shrinkA": 1, "shrinkB": 1})
ax.text(5.6, 0.56, "no: again", ha="center", fontsize=8)
ax.text(9.1, 0.08, "yes", ha="center", fontsize=7)
ax.set(xlim=(-0.6, 10.4), ylim=(-0.3, 0.8))
ax.axis("off")
plots.show(
    fig,
    alt="Data, initialise, then a cycle of forward, loss, backward, update and the question whether "
    "training has converged: no leads back to forward, yes to the trained model.",
)

# %% [markdown]
# ### Put the loop in order (difficulty 1, 4 minutes)
#
# PyTorch *adds* each new gradient to a stored one, so its loop has one step more. Put one round in
# order, as a text of five letters:
#
# - `a` update: move the weights against the stored gradient
# - `b` backward: add the gradient of the loss to the stored gradient
# - `c` forward: predict from the batch
# - `d` zero: set the stored gradient to 0
# - `e` loss: compare the predictions with the targets

# %% exercise="loop_order"
loop_order = "cedba"  # SOLUTION

check("loop_order", loop_order)

# %% [markdown] topics="train-one-epoch-code loss-item-detach device-placement"
# ## The same loop around a network
#
# A network has too many parameters for gradients by hand. TensorFlow's **tape** records the forward
# pass and hands them out; an **optimizer** makes the update. Here is the loop of a common PyTorch
# tutorial, line by line, beside Keras:
#
# | PyTorch | Keras 3 (TensorFlow) | what differs |
# |---|---|---|
# | `model.train()` | `model(x, training=True)` | no global mode: each call says it |
# | `x.to(device)`, `model.to(device)` | | Keras places both by itself |
# | | `with tf.GradientTape() as tape:` | the tape records the next two lines |
# | `predictions = model(x)` | `y_pred = model(x, training=True)` | |
# | `loss = criterion(predictions, y)` | `loss = loss_fn(y, y_pred)` | **targets first** |
# | `optimizer.zero_grad()` | | each tape gives fresh gradients |
# | `loss.backward()` | `gradients = tape.gradient(loss, model.trainable_variables)` | |
# | `optimizer.step()` | `optimizer.apply(gradients, model.trainable_variables)` | |
# | `total += loss.item()` | `losses.append(float(loss))` | a plain number; in PyTorch a kept tensor would keep its whole graph alive |
# | `total / len(dataloader)` | `np.average(losses, weights=sizes)` | mean over rows, not over batches |

# %%
digits = datasets.load_digits()  # 8 x 8 pixels, ten classes
x_train, y_train = digits.train.x, digits.train.y
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # raw scores come in


def build():
    keras.utils.set_random_seed(1)  # the same start every time
    flat, dense = keras.layers.Flatten(), keras.layers.Dense
    return keras.Sequential([keras.Input((8, 8)), flat, dense(64, activation="relu"), dense(10)])


model = build()
print("rows:", len(x_train), "parameters:", model.count_params())
print("the first layer's weights lie on", model.weights[0].value.device.split("/")[-1])

# %% [markdown]
# `from_logits=True`: the model gives raw scores, and the loss turns them into probabilities. The
# device is the CPU here and the first GPU where there is one. Under a distribution strategy it is
# several; the code stays the same.
#
# ### Finish and mend the training step (difficulty 2, 10 minutes)
#
# This step was left unfinished. It also has four faults, and only one of them raises an error. Mend
# it: one forward pass, one gradient, one update; return the loss that the update was made from. We
# run three batches through a small network beside a reference. Its *batch normalization* layer
# behaves differently in training, and tells whether you asked for training.


# %% exercise="train_step"
def train_step(model, loss_fn, optimizer, x, y):
    """Update the model by one batch; return the loss that the update was made from."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = loss_fn(y, y_pred)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss
    ### STUB
    # y_pred = model(x)
    # with tf.GradientTape() as tape:
    #     loss = loss_fn(y_pred, y)
    # gradients = tape.gradient(loss, model.weights)
    # optimizer.apply(gradients, model.weights)
    # return ...
    ### END SOLUTION


check("train_step", train_step)

# %% [markdown]
# ## Is fit the same loop?
#
# We train the digits network twice from the same start, on the same batches in the same order: once
# with a loop written out, once with `fit(shuffle=False)`. How will the two loss curves lie?
# (a) `fit` lower, for it is optimized. (b) Together at first, then drifting apart. (c) On top of
# each other, to six digits.

# %%
check("predict_same", "c")  # SOLUTION


# %%
def train_one_epoch(model, batches_of, loss_fn, optimizer):
    """Return the loss of each batch of one epoch, as plain numbers."""
    losses = []
    for cut in batches_of:
        with tf.GradientTape() as tape:
            y_pred = model(x_train[cut], training=True)
            loss = loss_fn(y_train[cut], y_pred) + sum(model.losses)  # and any penalties
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(float(loss))
    return losses


cuts = [slice(start, start + 32) for start in range(0, len(x_train), 32)]
by_hand, optimizer = build(), keras.optimizers.SGD(0.1)
epochs = [train_one_epoch(by_hand, cuts, loss_fn, optimizer) for _ in range(8)]

by_fit = build()
by_fit.compile(keras.optimizers.SGD(0.1), loss_fn)
history = by_fit.fit(x_train, y_train, batch_size=32, epochs=8, shuffle=False, verbose=0)
fit_losses = history.history["loss"]

# %%
sizes = [len(x_train[cut]) for cut in cuts]
hand_losses = [np.average(losses, weights=sizes) for losses in epochs]
fig, ax = plots.figure("One network, trained twice", x="epoch", y="training loss")
plots.curve(ax, hand_losses, plots.COMPARE[0], label="written out", lw=5, alpha=0.4, marker="")
plots.curve(ax, fit_losses, plots.COMPARE[1], label="fit")
ax.legend()
plots.show(fig, alt="The loss curve of the loop written out and that of fit, epoch by epoch.")

pairs = zip(by_hand.get_weights(), by_fit.get_weights(), strict=True)
difference = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
print(f"largest difference of any weight after {8 * len(cuts)} updates: {difference:.6f}")
check.reveal("predict_same")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The dashed curve lies on the wide one. `fit` runs this arithmetic, penalties included. What it adds
# is around it: a compiled and so faster step, shuffling, metrics, and callbacks (your code, called
# after each epoch).
#
# </details>

# %% [markdown] topics="epoch-loss-averaging"
# ## One number for an epoch
#
# `fit` reports one loss an epoch. How does it get there from the batches?

# %%
assert difference < 1e-6 and np.allclose(hand_losses, fit_losses, atol=1e-6)
print(f"{len(sizes)} batches, of {sizes[0]} rows, the last one of {sizes[-1]}")
print(f"first epoch: fit reports {fit_losses[0]:.3f}")
print(f"mean of the batch losses {np.mean(epochs[0]):.3f}, over all rows {hand_losses[0]:.3f}")

# %% [markdown]
# ### One loss for the epoch (difficulty 1, 5 minutes)
#
# Two batches: loss 1.0 from 32 rows, loss 5.0 from one row. What is the loss of the epoch? Write it
# for any batches: `losses` and `sizes` are lists of equal length. The tutorial's
# `total / len(dataloader)` gives 3.0 here. Is that fair to the rows?


# %% exercise="epoch_loss"
def epoch_loss(losses, sizes):
    """Return the mean loss over all rows of the epoch."""
    ### BEGIN SOLUTION
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)
    ### STUB
    # return ...
    ### END SOLUTION


check("epoch_loss", epoch_loss)

# %% [markdown]
# ## Two modes of one model
#
# Two kinds of layer behave differently in training. **Dropout** sets random inputs of its layer to
# zero. **Batch normalization** scales by the batch's own mean and spread, and by running averages
# later. A batch passes four times through a network with dropout: twice with `training=True`, twice
# with `training=False`. How many different outputs come out? (a) 1 (b) 2 (c) 3 (d) 4

# %%
check("predict_modes", "c")  # SOLUTION

# %% topics="train-vs-inference-mode"
keras.utils.set_random_seed(2)
dropping = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(1)])
row = x_train[:1].reshape(1, 64)
for training in (True, True, False, False):
    print(f"training={training!s:5}  output {float(dropping(row, training=training)[0, 0]):.2f}")
print(f"no argument     output {float(dropping(row)[0, 0]):.2f}")
check.reveal("predict_modes")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# A call without the argument gives the inference output. So a hand-written step that forgets
# `training=True` trains without its dropout, and no error tells. `fit` passes `True`; `evaluate`
# and `predict` pass `False`.
#
# </details>

# %% [markdown] topics="zero-grad-semantics"
# ## Gradients that pile up
#
# In PyTorch, `backward()` adds to the stored gradient. Zero it after `step()` and before the next
# `backward()`, unless you add up on purpose: several small batches for one update. Here is our line
# again, with zeroing and without.

# %%
curves = {"zeroed": [], "never zeroed": []}
for name, kept in curves.items():
    v, stored = np.zeros(2), np.zeros(2)
    for epoch in range(40):
        error = v[0] * x + v[1] - y
        kept.append(np.mean(error**2))
        if name == "zeroed":
            stored = np.zeros(2)
        stored = stored + [2 * np.mean(error * x), 2 * np.mean(error)]
        v = v - 0.1 * stored
fig, ax = plots.figure("Without zeroing the loss never settles", x="epoch", y="loss")
for (name, kept), style in zip(curves.items(), plots.COMPARE, strict=False):
    plots.curve(ax, kept, style, label=name)
ax.set_ylim(0, 5)
ax.legend(ncols=2, loc="upper right")
plots.show(
    fig,
    alt="With zeroing the loss falls and stays low; without it swings up and down to the end.",
)
settled, swinging = (max(kept[-10:]) for kept in curves.values())
print(f"highest loss of the last ten epochs: {settled:.2f} zeroed, {swinging:.2f} never zeroed")

# %% [markdown]
# Old gradients never fade, so the line rolls through the best place and back, like a ball without
# friction. Keras has no such line: each tape gives fresh gradients. To add up on purpose, give the
# optimizer `gradient_accumulation_steps=4`: one update from the mean of four batches.
#
# ### Three steps without zeroing (difficulty 1, 2 minutes)
#
# The gradient of each step is 2. Nothing is ever zeroed. Which gradient does the third update use?

# %% exercise="accumulated"
accumulated = 6  # SOLUTION

check("accumulated", accumulated)

# %% [markdown] topics="epoch-definition"
# ## Batches and epochs
#
# An epoch of $N$ rows in batches of $B$ makes $\lceil N/B \rceil$ updates, where $\lceil \cdot \rceil$
# rounds up: the last batch may be smaller. `fit` shuffles before each epoch, unless told not to.
#
# ### Cut an epoch into batches (difficulty 2, 7 minutes)
#
# Write one epoch's batches: every pair `(x[i], y[i])` exactly once, in a random order drawn from
# `rng`. We try 104 rows in batches of 32, over two epochs.


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

# %% [markdown] topics="stopping-criteria"
# ## When does it stop?
#
# A loop needs a way out. There are three good ones. The loss has **converged**: it hardly changes.
# The planned number of epochs is reached. Or the validation loss has had no new best for `patience`
# epochs. `train_until` is our loop with these three: `tolerance=0.01` means converged when the loss
# changes by less than 0.01 from one epoch to the next.

# %%
few = [(x_train[:64], y_train[:64])]
held_out = (digits.validation.x, digits.validation.y)
ways_out = {
    "12 epochs": {"max_epochs": 12},
    "tolerance": {"max_epochs": 200, "tolerance": 0.01},
    "patience": {"max_epochs": 2000, "validation": held_out, "patience": 3},
}
for name, way_out in ways_out.items():
    run = train_until(build(), few, loss_fn, keras.optimizers.Adam(0.01), **way_out)
    print(f"{name:9}  stopped after {len(run.losses):3} epochs: {run.reason}")

# %% [markdown]
# The last two reasons together are the usual pair. Patience is the harder one to choose. Below is a
# recorded run on 2,000 garments with a large learning rate. It is recorded because bumps like these
# fall elsewhere on another machine: rounding alone moves them.

# %%
fig, ax = plots.figure("The validation loss finds its best by detours", x="epoch", y="loss")
plots.curve(ax, recorded["loss"], plots.TRAIN)
plots.curve(ax, recorded["val_loss"], plots.VALIDATION, markevery=1)
ax.set_xticks(range(1, 31, 2))
ax.legend()
plots.show(
    fig,
    alt="Training loss falls over thirty epochs. Validation loss falls by detours to its lowest "
    "point in epoch 11, then jumps between 0.7 and 1.3.",
)
best = int(np.argmin(recorded["val_loss"]))
print(f"best validation loss: {recorded['val_loss'][best]:.2f}, in epoch {best + 1} of 30")

# %% [markdown]
# Training loss (solid) falls to the end. Validation loss (dashed) has its best in epoch 11; no later
# epoch does better on rows that the model has not seen.
#
# ### How much patience? (difficulty 2, 5 minutes)
#
# Choose `patience` for this run: it should get past the bumps to the best epoch, and stop before the
# end. Read the dashed curve: how many epochs in a row bring no new lowest point?

# %% exercise="patience"
patience = 5  # SOLUTION

check("patience", patience)

# %% [markdown]
# ## The pitfall: a step that forgets
#
# To change what happens in a step and keep the rest of `fit`, override `train_step`. The right
# version calls `self.compute_loss`, which adds the penalties in `self.losses`. It also updates the
# tracker from which `fit` reads the epoch's loss, weighted by rows. The short version, found in many
# places, does neither. Both networks below ask for a penalty on large weights (L2).


# %%
class Right(keras.Sequential):
    def train_step(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.metrics[0].update_state(loss, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, y_pred, sample_weight=weight)


class Short(keras.Sequential):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = loss_fn(y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}  # of the last batch alone


# %%
for kind in (keras.Sequential, Right, Short):
    keras.utils.set_random_seed(1)
    penalty = keras.regularizers.L2(0.01)
    hidden = keras.layers.Dense(64, activation="relu", kernel_regularizer=penalty)
    flat, out = keras.layers.Flatten(), keras.layers.Dense(10)
    penalized = kind([keras.Input((8, 8)), flat, hidden, out])
    penalized.compile(keras.optimizers.SGD(0.1), loss_fn)
    seen = penalized.fit(x_train, y_train, epochs=5, shuffle=False, verbose=0).history["loss"]
    size = np.linalg.norm(penalized.get_weights()[0])
    print(f"{kind.__name__:10}  loss {seen[-1]:.2f}  size of the first weights {size:.2f}")

# %% [markdown]
# `Right` agrees with `fit`. `Short` raises no error and shows a loss close to 0: that of the last
# batch, seven rows, without the penalty. The penalty is missing from the gradient too, so the
# weights stay larger.
#
# ## All of it, with fit
#
# `compile` takes the optimizer and the loss; `fit` is the loop. `EarlyStopping(patience=5)` means:
# stop after five epochs without a better validation loss. `restore_best_weights` goes back to the
# best. After that comes the **running model** of this course, on all the garments.

# %% topics="neural-network-training-example"
model = build()
model.compile(keras.optimizers.SGD(0.3), loss_fn, metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
log = model.fit(x_train, y_train, epochs=60, validation_data=held_out, callbacks=[stop], verbose=0)
accuracy = model.evaluate(*held_out, verbose=0)[1]
assert accuracy > 0.9
print(f"digits: {len(log.epoch)} epochs, validation accuracy {accuracy:.2f} (chance: 0.10)")

# %%
fashion = datasets.load_fashion_mnist()
running = lessons.running_model()
running.compile(keras.optimizers.SGD(0.1), loss_fn, metrics=["accuracy"])
train, valid = fashion.train, fashion.validation
log = running.fit(
    train.x, train.y, batch_size=64, epochs=12, validation_data=(valid.x, valid.y), verbose=0
)
scores = log.history["val_accuracy"]
fig, ax = plots.figure("The running model, twelve epochs", x="epoch", y="accuracy")
plots.curve(ax, log.history["accuracy"], plots.TRAIN)
plots.curve(ax, scores, plots.VALIDATION)
ax.legend()
plots.show(fig, alt="Training accuracy keeps climbing; validation accuracy flattens early.")
print(f"validation accuracy: {scores[-1]:.2f} at the end, {max(scores):.2f} at best (chance: 0.10)")

# %% [markdown]
# ### Your decision
#
# For how many epochs will you train the running model from now on, at most and with which patience?
# Log it: `choice` and `because` are texts ("at most 15 epochs, patience 4"), `score` is the
# validation accuracy that you expect, between 0 and 1. Later lessons will question it.

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
# 1. The loop is forward, loss, backward, update; `fit` runs that, and a run ends by convergence, by
#    the number of epochs, or by patience.
#
# And the four lines that are easy to forget:
#
# 2. `training=True` at each call: a bare call is inference ([[regularization]] shows layers that do not keep to it).
# 3. Zeroing stored gradients after `step()` and before the next `backward()`; a tape stores none.
# 4. Weighting each batch loss by its rows.
# 5. Adding `model.losses`, the penalties, to the loss.
#
# **Break it.** In the first loop set `rate = 0.55`, then 0.65, and look at the loss. In `Right`, leave
# out `training=True`: which printed number changes?
#
# <details><summary>What happens</summary>
#
# At 0.55 the line swings and still settles; at 0.65 each step overshoots by more than the last one.
# Without `training=True` no number changes, for this network has no dropout and no batch
# normalization. That is why the fault is found late.
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
