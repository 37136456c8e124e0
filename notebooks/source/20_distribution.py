# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 46
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
# # Is training on eight devices the same training?
#
# Skip ahead if you can answer these: which `batch_size` gives each of two GPUs 32 rows? Why can the
# logged loss double when you add a GPU? How many bytes does each of 64 devices send for 100 MB of
# gradients?
#
# You will prove that several devices train as one, mend a model for which they do not, and carry a recipe
# to eight. You need [[gradient_descent]], [[schedules]] and [[precision]].

# %% tags=["setup"]
from coursekit import lessons
from coursekit.lessons.distribution import (
    batch_norm,
    check,
    faults,
    gap,
    overlap,
    overlap_in_words,
    show_ring,
    show_scaling,
    spread,
    trained,
)

lessons.report(["tensorflow", "jax"], devices=8)  # splits the CPU, before the backend starts

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets, plots
from coursekit.distribution import layouts, linear_scaling, parity, runtime, virtual_devices
from coursekit.distribution.step import ReplicaModel
from coursekit.schedules import StepDecay, Warmup
from coursekit.training import fit_many

CosineDecay = keras.optimizers.schedules.CosineDecay
ON_JAX = keras.backend.backend() == "jax"
devices = virtual_devices(8)  # their names
if not ON_JAX:  # a replica takes TensorFlow seconds to set up
    devices = devices[:2]

# %% [markdown] topics="distributed-why data-parallelism"
# ## One batch, two devices
#
# Data, or a model, can be too large for one *device*, such as a GPU. For data the usual way out is **data
# parallelism**: each device has a copy of the model and a *shard*, some rows, of the batch; gradients are
# averaged. By hand:

# %%
rng = np.random.default_rng(0)
x8 = rng.normal(size=(8, 3))
y8 = x8 @ [1.0, -2.0, 0.5] + 1


def gradient(w, x, y):
    """Return the gradient of the mean squared error of x @ w."""
    return 2 * (x @ w - y) @ x / len(y)


w0 = np.zeros(3)
print("one device, 8 rows   ", gradient(w0, x8, y8).round(2))
for cut in (4, 7):
    first, second = gradient(w0, x8[:cut], y8[:cut]), gradient(w0, x8[cut:], y8[cut:])
    print(f"mean of {cut} rows and {8 - cut} ", ((first + second) / 2).round(2))

# %% [markdown]
# Equal shards give the gradient of one device; 7 rows and 1 do not.
#
# ### One gradient from many (difficulty 2, 8 minutes)
#
# Each device sends the mean gradient of its rows: `gradients` has a line a device, `rows` their numbers
# of rows. A device without any sends a mean of nothing, NaN. Return the mean gradient of all rows, one
# number for each weight.


# %% exercise="combine"
def combine(gradients, rows):
    """Return the mean gradient of all rows, from the mean gradients of the devices."""
    ### BEGIN SOLUTION
    gradients = np.where(rows[:, None] > 0, gradients, 0)
    return rows @ gradients / rows.sum()
    ### STUB
    # return ...
    ### END SOLUTION


check("combine", combine)

# %% [markdown]
# ## The same in Keras
#
# `MirroredStrategy` of TensorFlow keeps a **replica**, a copy of the model, on every device; on JAX
# `keras.distribution` does. All there is to write:
#
# ```python
# strategy = tf.distribute.MirroredStrategy(devices)           # TensorFlow
# with strategy.scope():
#     model = build()                                          # builds and compiles
# model.fit(...)
#
# kind = keras.distribution.DataParallel(devices=devices)      # JAX
# keras.distribution.set_distribution(kind)
# model = build()
# model.fit(...)
# ```
#
# Below, `with spread(devices):` does either. Our devices are parts of one CPU, two on TensorFlow, eight
# on JAX: they show whether numbers are right, and make nothing faster.
#
# A network trains on one device and on all: same first weights, same batches. How far apart are the
# weights after three epochs? (a) Not at all, to the last bit. (b) By rounding. (c) About as
# far as those of two seeds.

# %%
check("predict_same", "b")  # SOLUTION

# %% topics="mirrored-strategy-helper"
digits = datasets.load_digits()
x, y = digits.train.x[:960].reshape(-1, 64), digits.train.y[:960]  # 15 batches of 64
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(seed=1, middle=(), **options):
    keras.utils.set_random_seed(seed)
    hidden = layers.Dense(32, activation="relu")
    model = keras.Sequential([keras.Input((64,)), hidden, *middle, layers.Dense(10)])
    model.compile(keras.optimizers.SGD(0.1, **options), loss)
    return model


def fitted(devices=None, seed=1, epochs=3):
    with spread(devices):
        model = build(seed)
        model.fit(x, y, batch_size=64, epochs=epochs, shuffle=False, verbose=0)
    return model


one, other, many = fitted(), fitted(seed=2), fitted(devices)
print(f"one device, two seeds: {gap(one, other):.1f}")
print(f"one device and {len(devices)}: below one millionth: {gap(one, many) < 1e-6}")
check.reveal("predict_same")

# %% [markdown] topics="effective-batch-size"
# `batch_size=64` counts the rows of all devices. (In PyTorch's `DistributedDataParallel` each process
# has its own.) What an update sees is the **effective batch size**: devices times rows on each times
# batches that are added up.
#
# ### Which batch size? (difficulty 1, 3 minutes)
#
# Two replicas shall get 32 rows each: which `batch_size` goes into `fit`? How many rows does an update
# see with 8 devices, 32 rows on each, and 4 such batches added up?

# %% exercise="batch_sizes"
fit_batch = 64  # SOLUTION
rows_per_update = 8 * 32 * 4  # SOLUTION

check("batch_sizes", fit_batch, rows_per_update)

# %% [markdown]
# ## A loss of one number
#
# One weight, starting at 1, and the rows 1 to 8; all targets are 0. Two ways to write the mean squared
# error: one value per row, which Keras averages, or the mean over everything. On one device they agree. On two of TensorFlow's replicas the second one ... (a) is still the same.
# (b) logs twice the loss; the weight moves alike. (c) logs twice the loss, and the weight moves twice
# as far.

# %%
check("predict_double", "c")  # SOLUTION


# %% topics="mirrored-pitfalls"
def per_row(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 2, axis=-1)


def one_number(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 2)


print("per_row, one device:", trained(None, loss=per_row))
for line in faults(devices[:2], one_number):  # on JAX: what TensorFlow did when it was recorded
    print(line)
check.reveal("predict_double")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# No error. `keras.losses.Dice()` returns one number too. Return a value per row.
#
# </details>
#
# The other lines: `tf.distribute` writes a program for *one replica*, which sees a part of each batch
# and gradient. *Clipping* shortens the parts before they are summed. A *ragged* last batch of 1 row
# leaves a replica empty, and a ragged *first* batch stops `fit`. So does *accumulation* (below). After
# an *overflow* in float16 on the second replica Keras asks only the first whether to skip the step: the
# weight is lost for good, without an error. `ReplicaModel` in place of `keras.Model` is our cure: it
# computes from all rows, and sums gradients before anything looks at them.
#
# JAX writes a program for *the whole batch*, and its compiler splits it: all as on one device. It
# refuses a batch that does not divide.
#
# On TensorFlow `lint(model)` says what will go wrong; `parity(build, data)` trains on one device and on
# replicas, compares, and repeats what `lint` says. (On JAX, `layouts.parity_on_devices`.)


# %% tags=["nbval-ignore-output"]
def suspicious():
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    hidden = layers.Dropout(0.2)(layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5), one_number)
    return model


rows, targets = rng.normal(size=(11, 4)), rng.normal(size=(11, 1))
if ON_JAX:
    print(layouts.parity_on_devices(suspicious, (rows[:8], targets[:8]), batch_size=8))
else:
    print(parity(suspicious, (rows, targets), batch_size=4))

# %% [markdown]
# "Wrong" is silent. "Differs" is by design: a replica normalizes by its own rows, and draws the same
# dropout mask as the other.
#
# ### Make it one training (difficulty 2, 10 minutes)
#
# This model clips, has a loss of one number, and normalizes (`batch_norm(synchronized=...)` is
# `BatchNormalization`; JAX ignores the argument). Make it train on two of TensorFlow's replicas as on one device, on 11 rows in
# batches of 4. On one device it must stay what it is. We run `parity`; on JAX we look at your choice.


# %% exercise="mended"
def mended():
    """Return a new, compiled model."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    ### BEGIN SOLUTION
    hidden = batch_norm(synchronized=True)(hidden)
    model = ReplicaModel(inputs, layers.Dense(1)(hidden))
    ### STUB
    # hidden = batch_norm()(hidden)
    # model = ...  # it was keras.Model(inputs, layers.Dense(1)(hidden))
    ### END SOLUTION
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5), one_number)
    return model


check("mended", mended)

# %% [markdown]
# ## How gradients meet
#
# **All-reduce** leaves the sum of all gradients on every device. In a **ring**, each device cuts its
# gradient into as many chunks as there are devices, and hands one at a time to its neighbour.
#
# When 8 devices become 64, how many bytes does *each* send? (a) Eight times as many.
# (b) Twice as many. (c) Hardly more.

# %%
check("predict_ring", "c")  # SOLUTION


# %%
def ring(parts):
    """Sum up parts (a line a device, a column a chunk); return the state after each step."""
    n, states = len(parts), [np.array(parts)]
    for step in range(2 * (n - 1)):
        now = states[-1].copy()
        for device in range(n):
            chunk, neighbour = (device - step) % n, (device + 1) % n
            sent = states[-1][device, chunk]
            now[neighbour, chunk] = sent + (now[neighbour, chunk] if step < n - 1 else 0)
        states.append(now)
    return states


states = ring(np.ones((4, 4), int))  # each device starts with a 1: chunks count their parts
show_ring(states)
for n in (2, 4, 8, 64):
    steps = len(ring(np.ones((n, n)))) - 1
    print(
        f"{n:2} devices, a gradient of 100 MB: each sends {steps * 100 / n:.0f} MB, in {steps} steps"
    )
check.reveal("predict_ring")

# %% [markdown] topics="all-reduce-backends horovod"
# <details><summary>After you ran it</summary>
#
# Each number counts the gradients in a chunk's sum. After $n - 1$ steps each device holds one complete
# chunk; in as many more, these go round. The *steps* do grow with $n$; so libraries use trees, too.
#
# </details>
#
# | who does it | remarks |
# |---|---|
# | `NcclAllReduce` | between NVIDIA's GPUs; other `cross_device_ops` of `MirroredStrategy`: `HierarchicalCopyAllReduce`, `ReductionToOneDevice` |
# | Gloo | PyTorch's library between CPUs |
# | Horovod | made the ring popular; largely history, not in Keras 3. `hvd.size()` is `strategy.num_replicas_in_sync`, `DistributedOptimizer` the scope, the broadcast of first weights the mirrored variables |
#
# The wait can be hidden: the last layer's gradient travels while the layer before is computed. Move the
# time that a message takes.

# %% jupyter={"source_hidden": true} topics="overlap-compute-communication"
plots.explore(overlap, [0.25, 0.5, 0.75, 1, 1.25, 1.5], overlap_in_words,
              "a message takes so many backward passes of a layer", start=2)  # fmt: skip

# %% [markdown]
# ## A big batch in small pieces
#
# **Gradient accumulation** is data parallelism in time: add up the gradients of $k$ micro-batches,
# divide by $k$, update once. Without the division the rate is $k$ times too large. Keras divides:
# `gradient_accumulation_steps=4`. What is left over at the end of an epoch goes into the next.

# %% topics="gradient-accumulation"
for name, middle in (("plain", ()), ("with batch normalization", (layers.BatchNormalization,))):
    nets = [build(middle=[layer() for layer in middle], gradient_accumulation_steps=k)
            for k in (None, 4)]  # fmt: skip
    for net, size in zip(nets, (64, 16), strict=True):
        net.fit(x, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
    print(f"{name:25} equal to the big batch: {gap(*nets) < 1e-6}")
print("120 micro-batches made", int(nets[1].optimizer.iterations), "updates")

# %% [markdown]
# Equal, unless a layer looks at the batch: batch normalization sees 16 rows. And schedules count
# batches, not updates.
#
# ### The same updates with a quarter of the memory (difficulty 2, 8 minutes)
#
# A recipe has batches of 64 rows and `SGD(StepDecay(0.1, step_size=10))`: a tenth of the rate every ten
# updates. Your device holds 16 rows. Return an optimizer and the rows of a batch, so that each update is
# the recipe's.


# %% exercise="small_memory"
def small_memory():
    """Return an optimizer and a batch size."""
    ### BEGIN SOLUTION
    rate = StepDecay(0.1, step_size=40)
    return keras.optimizers.SGD(rate, gradient_accumulation_steps=4), 16
    ### STUB
    # return keras.optimizers.SGD(StepDecay(0.1, step_size=10)), ...
    ### END SOLUTION


check("small_memory", small_memory)

# %% [markdown]
# ## More rows, longer steps?
#
# Eight devices with 64 rows each make a batch of 512, and an eighth of the updates. The **linear scaling
# rule** makes up for it: $k$ times the batch, $k$ times the rate. $k$ short steps and one long one are
# alike while the gradient changes little. For $f = w^2/2$, from $w = 1$:

# %%
for rate in (0.001, 0.1):
    print(
        f"rate {rate}: eight steps lead to {(1 - rate) ** 8:.2f}, a long one to {1 - 8 * rate:.2f}"
    )

# %% [markdown]
# So the rule is for small rates, and weakest at the start, where gradients change most: hence a
# **warmup**. We try it on the running model, from 0.00625 and from 0.1, with three seeds, on one device.
# With eight times the rate, 512 rows will ... (a) keep up with 64 rows from both, after a warmup. (b)
# Come close from 0.00625, and fall apart from 0.1. (c) Be no better than at the old rate.

# %%
check("predict_scaling", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"] topics="linear-scaling-rule"
fashion = datasets.load_fashion_mnist()
train, unseen, rates = fashion.train, fashion.validation, (0.00625, 0.1)
plans = {
    "64 rows": (64, lambda rate: rate),
    "512 rows, the same rate": (512, lambda rate: rate),
    "512 rows, 8 times the rate": (512, lambda rate: linear_scaling(rate, 512, 64)),
    "the same with warmup": (512, lambda rate: Warmup(linear_scaling(rate, 512, 64), 16)),
}
logs = {}
for name, (size, plan) in plans.items():
    nets = [lessons.running_model(seed) for seed in (0, 1, 2, 0, 1, 2)]  # three for each rate
    for net, rate in zip(nets, np.repeat(rates, 3).tolist(), strict=True):
        net.compile(keras.optimizers.SGD(plan(rate)), loss, metrics=["accuracy"])
    done = fit_many(nets, train.x, train.y, epochs=5, batch_size=size, verbose=0,
                    validation_data=(unseen.x, unseen.y))  # fmt: skip
    logs |= {(name, rates[0]): done[:3], (name, rates[1]): done[3:]}
scores = show_scaling(logs, plans, rates)
for (name, rate), final in scores.items():
    print(f"from {rate:7} {name:26}: accuracy {final.min():.2f} to {final.max():.2f}")
check.reveal("predict_scaling")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# From 0.00625 the longer steps win back nearly all that 512 rows lose at the old rate. From 0.1 they do
# harm: 0.8 is beyond the edge for this model. Warmup changes little here. (Goyal's
# ResNets needed it, at 8,192 rows.) It bridges a rough start, not a rate that is too large for good.
#
# </details>
#
# For Adam the root of $k$ is common. At very large batches both break.
#
# ### From one device to eight (difficulty 3, 10 minutes)
#
# On one device: 65,536 rows, `batch_size=256`, 20 epochs, `SGD(CosineDecay(0.1, 5120))`. Now eight
# devices get 256 rows each, for as many epochs. Give the `batch_size` for `fit` and a schedule: linear
# scaling, a warmup, and a decay that ends with the run.

# %% exercise="eight_devices"
### BEGIN SOLUTION
batch_size = 8 * 256
steps, warmup = 20 * 65_536 // batch_size, 64  # two epochs of warmup
schedule = Warmup(CosineDecay(linear_scaling(0.1, batch_size, 256), steps - warmup), warmup)
### STUB
# batch_size = ...
# schedule = ...
### END SOLUTION

check("eight_devices", batch_size, schedule)

# %% [markdown]
# ## The pitfall: a batch that is not split
#
# `fit` and `predict` split each batch. And the calls for one batch, of 16 rows?

# %%
with spread(devices):
    print("predict:         ", many.predict(x[:16], verbose=0).shape)
    print("predict_on_batch:", many.predict_on_batch(x[:16]).shape)
    many.reset_metrics()
    many.train_on_batch(x[:16], y[:16], np.ones(16))  # Keras 3.13 on JAX stops without weights
    print("train_on_batch:  ", int(ops.convert_to_numpy(many.metrics[0].count)), "rows in the loss")

# %% [markdown]
# On TensorFlow every replica gets all 16 rows: twice the work for the same update. JAX splits them.
#
# ### Your decision
#
# Somebody offers eight devices for the running model. Do you take them? Which batch size, which rate?
# `score` is the validation accuracy that you expect. (`runtime()` finds real devices; building in
# `runtime().scope()` is all that changes.)

# %% tags=["nbval-ignore-output"]
print(runtime())
### BEGIN SOLUTION
check.decide(
    choice="one device, batches of 64 at rate 0.1",
    because="it trains in seconds, and 512 rows fall apart at 0.8",
    score=round(float(scores["64 rows", 0.1].mean()), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Data parallelism weights gradients by rows, and equals one device but for rounding. `batch_size`
#    counts all devices.
# 2. Under `tf.distribute` a loss of one number, clipping, and ragged batches go wrong in silence:
#    `parity` finds them, `ReplicaModel` cures them. On JAX they do not arise.
# 3. In a ring each sends less than twice the gradient.
# 4. Accumulated batches are one big batch, if their sum is divided and no layer looks at the batch.
# 5. $k$ times the batch: $k$ times the rate for SGD, and only so far.
#
# **Break it.** In the scaling cell put 0.05 in the place of 0.1 in `rates`. Does 512 rows hold at eight
# times that?
#
# <details><summary>What happens</summary>
#
# It does not fall apart, but is ahead of the old rate with some seeds only: 0.4 is near the edge.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "c")  # SOLUTION

# %%
check.cards()
check.summary()
