# ---
# jupyter:
#   coursekit:
#     backends: [tensorflow]
#     minutes: 50
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. What does fit do for you?
#
# Skip ahead if you can answer these: where may a loop zero its gradients? What does `fit` report as
# the loss of an epoch whose last batch is smaller? What does a bare `model(x)` leave out?
#
# You will write the training loop by hand, hold it against `fit`, and know the four lines that are
# easy to forget. You need Python and a little NumPy.
#
# > **You need only this.** We fit a model to *training* rows, choose settings by *validation* rows,
# > and open the *test* rows once, at the very end. Why, comes in the lesson on cross-validation.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow"])

import keras
import numpy as np
import tensorflow as tf

from coursekit import datasets, plots
from coursekit.lessons.training_loop import check
from coursekit.training import train_until

# %% [markdown] topics="loop-anatomy process-six-steps"
# ## The loop, by hand
#
# Thirty points, and a line $\hat y = wx + b$ with two **parameters**, the numbers that training
# moves. Six steps: *initialise* the parameters, then again and again *forward* (predict), *loss*
# (measure the error), *backward* (the **gradient**: which way each parameter makes the loss grow),
# *update* (a small step the other way), *iterate*. One pass over all the data is an **epoch**.

# %%
rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, 30)
y = 1.5 * x - 0.5 + rng.normal(0, 0.4, 30)

w, b, rate = 0.0, 0.0, 0.1  # 1 initialise
lines, losses = [], []
for epoch in range(40):  # 6 iterate
    error = w * x + b - y  # 2 forward
    losses.append(np.mean(error**2))  # 3 loss
    grad_w, grad_b = 2 * np.mean(error * x), 2 * np.mean(error)  # 4 backward
    w, b = w - rate * grad_w, b - rate * grad_b  # 5 update
    lines.append((w, b))

# %%
fig, (left, right) = plots.figure("Forty small steps turn a flat line into the best one", columns=2)
left.plot(x, y, "o", color="0.4")
for epoch, style in zip((1, 5, 40), plots.COMPARE, strict=False):
    w_then, b_then = lines[epoch - 1]
    ends = np.array([-2, 2])
    label = f"after epoch {epoch}"
    plots.curve(left, w_then * ends + b_then, style, x=ends, label=label, marker="")
left.set(xlabel="x", ylabel="y")
left.legend()
plots.curve(right, losses, plots.TRAIN)
right.set(xlabel="epoch", ylabel="loss (mean squared error)")
plots.show(
    fig,
    alt="Left: the line turns from almost flat into the slope of the points. Right: the loss falls "
    "steeply in the first ten epochs, then hardly at all.",
)
print(f"w = {w:.2f}, b = {b:.2f}, loss from {losses[0]:.2f} to {losses[-1]:.2f}")

# %% [markdown]
# On the left, each line is the model after so many epochs; on the right, the loss that the same
# epochs measured. The points were made with slope 1.5 and intercept -0.5, and noise of standard
# deviation 0.4. The loss cannot fall far below the noise, $0.4^2 = 0.16$: that is the baseline.

# %% jupyter={"source_hidden": true} topics="training-flow-diagram"
# Safe to skip: this draws the diagram.
fig, ax = plots.figure("The loop, with its way out", height=1.9)
names = ["training\ndata", "initialise", "forward", "loss", "backward", "update", "converged?"]
for place, name in enumerate([*names, "trained\nmodel"]):
    color = plots.TRAIN.color if 2 <= place <= 6 else "0.5"
    box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": color, "lw": 1.5}
    ax.text(1.3 * place, 0, name, ha="center", va="center", fontsize=8, bbox=box)
    if place < 7:
        ends = (1.3 * place + 0.88, 0), (1.3 * place + 0.46, 0)
        ax.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": "0.3"})
back = {"arrowstyle": "-|>", "color": "0.3", "connectionstyle": "arc3,rad=0.25", "shrinkB": 10}
ax.annotate("", (2.6, 0.1), (7.8, 0.25), arrowprops=back)
ax.text(5.2, 1.05, "no: the next batch", ha="center", fontsize=8)
ax.text(8.45, 0.2, "yes", ha="center", fontsize=8)
ax.set(xlim=(-0.6, 9.7), ylim=(-0.5, 1.3))
ax.axis("off")
plots.show(
    fig,
    alt="Data, initialise, then a cycle of forward, loss, backward, update and the question whether "
    "training has converged: no leads back to forward, yes to the trained model.",
)

# %% [markdown]
# ### E2.1 Put the loop in order (difficulty 1, 4 minutes)
#
# Some frameworks, PyTorch among them, *add* each new gradient to a stored one, so their loop has a
# step more. Put one round in order, as a text of five letters:
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
# A network has too many parameters for gradients by hand. A **tape** records the forward pass and
# hands them out. Here is the loop of a common PyTorch tutorial, line by line, beside Keras:
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
# | `total += loss.item()` | `mean.update_state(loss, sample_weight=len(x))` | a plain number, so that no graph is kept alive |
# | `total / len(dataloader)` | `float(mean.result())` | mean over rows, not over batches |

# %%
digits = datasets.load_digits()  # 8 x 8 pixels, ten classes
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build():
    keras.utils.set_random_seed(1)  # the same start every time
    flat, dense = keras.layers.Flatten(), keras.layers.Dense
    return keras.Sequential([keras.Input((8, 8)), flat, dense(64, activation="relu"), dense(10)])


model = build()
print("rows:", len(digits.train.x), "parameters:", model.count_params())
print("the first kernel lies on", model.weights[0].value.device.split("/")[-1])

# %% [markdown]
# The device is the CPU here, and the first GPU where there is one: nothing in the code changes.
#
# ### E2.2 Write the training step (difficulty 2, 8 minutes)
#
# Write one round for one batch: predict, measure, get the gradients, apply them, return the loss.
# We run it on a small network with batch normalization, beside a reference.


# %% exercise="train_step"
def train_step(model, loss_fn, optimizer, x, y):
    """Update the model by one batch; return the loss that the update was made from."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss
    ### STUB
    # with tf.GradientTape() as tape:
    #     loss = ...
    # return ...
    ### END SOLUTION


check("train_step", train_step)

# %% [markdown]
# ## Is fit the same loop?
#
# We train the digits network twice from the same start, on the same batches in the same order: once
# with a loop written out, once with `fit(shuffle=False)`. How will the two loss curves lie?
# (a) `fit` lower, for it is optimized. (b) Together at first, then drifting apart. (c) On top of
# each other, to the last digit.

# %%
check("predict_same", "c")  # SOLUTION

# %% topics="neural-network-training-example"
x_train, y_train = digits.train.x, digits.train.y
cuts = [slice(i, i + 32) for i in range(0, len(x_train), 32)]

by_hand, optimizer, hand_losses = build(), keras.optimizers.SGD(0.1), []
for epoch in range(8):
    mean = keras.metrics.Mean()
    for cut in cuts:
        with tf.GradientTape() as tape:
            loss = loss_fn(y_train[cut], by_hand(x_train[cut], training=True))
        gradients = tape.gradient(loss, by_hand.trainable_variables)
        optimizer.apply(gradients, by_hand.trainable_variables)
        mean.update_state(loss, sample_weight=len(x_train[cut]))
    hand_losses.append(float(mean.result()))

by_fit = build()
by_fit.compile(keras.optimizers.SGD(0.1), loss_fn)
history = by_fit.fit(x_train, y_train, batch_size=32, epochs=8, shuffle=False, verbose=0)
fit_losses = history.history["loss"]

# %%
fig, ax = plots.figure("One network, trained twice", x="epoch", y="training loss")
plots.curve(ax, hand_losses, plots.COMPARE[0], label="written out", lw=5, alpha=0.4, marker="")
plots.curve(ax, fit_losses, plots.COMPARE[1], label="fit")
ax.legend()
plots.show(fig, alt="The loss curve of the loop written out and that of fit, epoch by epoch.")

pairs = zip(by_hand.get_weights(), by_fit.get_weights(), strict=True)
difference = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
assert difference < 1e-6 and np.allclose(hand_losses, fit_losses, atol=1e-6)
print(f"largest difference of any weight after {8 * len(cuts)} updates: {difference:.6f}")
check.reveal("predict_same")

# %% [markdown] topics="epoch-loss-averaging"
# <details><summary>After you ran it</summary>
#
# The dashed curve lies on the wide one, and no weight differs. So `fit` adds nothing to the
# arithmetic: it adds speed (the step is compiled), shuffling, metrics, callbacks, devices.
#
# </details>
#
# ## One number for an epoch
#
# ### E2.3 One loss for the epoch (difficulty 1, 5 minutes)
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
# **Dropout** sets random activations to zero while training. A batch passes four times through a
# network with dropout: twice with `training=True`, twice with `training=False`. How many different
# outputs come out? (a) 1 (b) 2 (c) 3 (d) 4

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
# In PyTorch, `backward()` adds to the stored gradient. The loop must zero it once between two
# backward passes; before `backward()` or after `step()` makes no difference. Here is our line again,
# with and without that.

# %%
curves = {"zeroed": [], "never zeroed": []}
for name, kept in curves.items():
    v, stored = np.zeros(2), np.zeros(2)
    for epoch in range(40):
        error = v[0] * x + v[1] - y
        kept.append(np.mean(error**2))
        stored = stored * (name == "never zeroed")
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
# The steps that point the right way pile up with older ones, overshoot, and come back: the price of
# one forgotten line. Keras has no such line, for each tape gives fresh gradients.
#
# ### E2.4 Three steps without zeroing (difficulty 1, 2 minutes)
#
# The gradient of each step is 2. Nothing is ever zeroed. Which gradient does the third update use?

# %% exercise="accumulated"
accumulated = 6  # SOLUTION

check("accumulated", accumulated)

# %% [markdown] topics="epoch-definition"
# ## Batches and epochs
#
# An epoch of $N$ rows in batches of $B$ makes $\lceil N/B \rceil$ updates, the last one from a
# smaller batch. `fit` shuffles before each epoch, unless it is told not to.
#
# ### E2.5 Cut an epoch into batches (difficulty 2, 7 minutes)
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
# There are three good reasons: the loss has **converged** (it hardly changes), the planned number
# of epochs is reached, or the validation loss has had no new best for `patience` epochs. The last
# two together are the usual pair. We train a small network on 2,000 garments with a large step.

# %%
fashion = datasets.load_fashion_mnist()
x_few, y_few = fashion.train.x[:2000].astype("float32") / 255, fashion.train.y[:2000]
few = [(x_few[i : i + 32], y_few[i : i + 32]) for i in range(0, 2000, 32)]
held_out = (fashion.validation.x.astype("float32") / 255, fashion.validation.y)

keras.utils.set_random_seed(0)
flat, dense = keras.layers.Flatten(), keras.layers.Dense
small = keras.Sequential([keras.Input((28, 28)), flat, dense(64, activation="relu"), dense(10)])
run = train_until(
    small, few, loss_fn, keras.optimizers.SGD(0.15), max_epochs=30, validation=held_out
)
fig, ax = plots.figure("The validation loss finds its best by detours", x="epoch", y="loss")
plots.curve(ax, run.losses, plots.TRAIN)
plots.curve(ax, run.validation_losses, plots.VALIDATION, markevery=1)
ax.legend()
plots.show(
    fig,
    alt="Training loss falls. Validation loss jumps up and down, reaches its lowest point by "
    "detours, and ends higher.",
)
print("stopped by:", run.reason)

# %% [markdown]
# ### E2.6 How much patience? (difficulty 2, 5 minutes)
#
# Choose `patience` for this run: it should get past the bumps to the best epoch, and stop before the
# end. Read the dashed curve: how long are the stretches without a new lowest point?

# %% exercise="patience"
patience = 6  # SOLUTION

check("patience", patience, run.validation_losses)

# %% [markdown]
# ## The pitfall: a step that forgets
#
# To change what happens in a step and keep the rest of `fit`, override `train_step`. The right
# version calls `self.compute_loss`, and weights the loss tracker by the rows. The short version,
# found in many places, does neither. Both networks below ask for an L2 penalty on their weights.


# %%
class Right(keras.Sequential):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)  # adds self.losses
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.metrics[0].update_state(loss, sample_weight=tf.shape(x)[0])
        return self.get_metrics_result()


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
    print(f"{kind.__name__:10}  loss {seen[-1]:.2f}  size of the first kernel {size:.2f}")

# %% [markdown]
# `Right` is `fit`, to the digit. `Short` raises no error and shows a loss close to 0. It is the loss
# of the last batch, seven rows, without the penalty. The penalty is missing from the gradient too,
# so the kernel stays larger.
#
# ## All of it, in four lines
#
# `compile` takes the loss and the optimizer, `fit` is the loop, `EarlyStopping(patience=5)` means:
# stop after five epochs without a better validation loss, and `restore_best_weights` goes back to
# the best. Then a decision: the **running model** of this course, on all the garments.

# %%
model = build()
model.compile(keras.optimizers.SGD(0.3), loss_fn, metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
valid = (digits.validation.x, digits.validation.y)
log = model.fit(x_train, y_train, epochs=60, validation_data=valid, callbacks=[stop], verbose=0)
accuracy = model.evaluate(*valid, verbose=0)[1]
assert accuracy >= 0.95
print(f"digits: {len(log.epoch)} epochs, validation accuracy {accuracy:.2f} (chance: 0.10)")

# %%
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

# %% [markdown]
# ### Your decision
#
# For how many epochs will you train the running model from now on, at most and with which patience?
# Log it with a reason and the validation accuracy that you expect. Later lessons will question it.

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
# 1. The loop is forward, loss, backward, update; `fit` runs exactly that.
# 2. The loss of an epoch is a mean over rows, so each batch counts by its size.
# 3. `training=True` is said at each call; a bare call is inference.
# 4. Stored gradients must be zeroed between two backward passes; a tape has none stored.
# 5. A run ends by convergence, by the number of epochs, or by patience.
#
# **Break it.** In the first loop set `rate = 0.5`, then 0.7, and look at the loss. In `Right`, leave
# out `training=True`: no printed number changes. Which layer would make it count?
#
# Next: how good the model can get on its data.

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
