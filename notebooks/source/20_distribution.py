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
# # Is training on eight devices the same training?
#
# Skip ahead if you can answer these: which `batch_size` does `fit` want for 32 rows on each of two
# GPUs? Why can the logged loss double when you add a GPU? Which part of its time does a pipeline of
# four stages and eight micro-batches wait?
#
# You will prove that two devices train as one, mend a model for which they do not, and choose how to
# split one that is too large. You need gradient descent (06) and schedules (09).
#
# > **You need only this.** *Mixed precision* computes in 16 bits and keeps a 32-bit master copy of
# > the weights; Adam keeps two more numbers for each weight.

# %% tags=["setup"]
from coursekit import lessons
from coursekit.lessons.distribution import check

lessons.report(["tensorflow"], devices=2)  # splits the CPU in two, before TensorFlow starts

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from coursekit import datasets, plots
from coursekit.distribution import linear_scaling, parity, runtime, virtual_devices
from coursekit.distribution.step import ReplicaModel
from coursekit.schedules import StepDecay, Warmup
from coursekit.training import fit_many

devices = virtual_devices(2)  # their names
tf.get_logger().setLevel("ERROR")  # it would tell of every message between the devices

# %% [markdown] topics="distributed-why data-parallelism"
# ## One batch, two devices
#
# Data, or a model, can be too large for one device. The usual way out is **data parallelism**: each
# device has a copy of the model and a *shard* of the batch, and gradients are averaged. By hand, with
# three weights and eight rows:

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
# of rows. A last batch can leave a device without any; its gradient is a mean of nothing, NaN. Return
# the mean gradient of all rows, one number for each weight.


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
# `MirroredStrategy` keeps a **replica** of the model on every device. Build and compile inside
# `strategy.scope()`; call `fit` as ever. Our two devices are halves of one CPU. They show whether
# numbers are right. They make nothing faster: the cores are the same, and the talking comes on top.
#
# A network trains on the digits, on one device and on two: same weights, same batches. How far apart
# are the weights after three epochs? (a) Not at all, to the last bit. (b) By rounding. (c) About as
# far as those of two seeds.

# %%
check("predict_same", "b")  # SOLUTION

# %% topics="mirrored-strategy-helper"
digits = datasets.load_digits()
x, y = digits.train.x[:960].reshape(-1, 64), digits.train.y[:960]  # 15 batches of 64
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(seed=1):
    keras.utils.set_random_seed(seed)
    hidden = layers.Dense(32, activation="relu")
    model = keras.Sequential([keras.Input((64,)), hidden, layers.Dense(10)])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


strategy = tf.distribute.MirroredStrategy(devices)
with strategy.scope():
    two = build()
one, other = build(), build(seed=2)
for model in (one, two, other):
    model.fit(x, y, batch_size=64, epochs=3, shuffle=False, verbose=0)


def gap(a, b):
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return max(np.abs(u - v).max() for u, v in pairs)


print("replicas:", strategy.num_replicas_in_sync)
print(f"one device, two seeds:  {gap(one, other):.1f}")
print(f"one device, two devices: below one millionth: {gap(one, two) < 1e-6}")
check.reveal("predict_same")

# %% [markdown] topics="effective-batch-size"
# <details><summary>After you ran it</summary>
#
# That is the standard: the same, but for the last digits. Any larger difference has a cause.
#
# </details>
#
# `batch_size=64` counts the rows of all replicas together. (In PyTorch's `DistributedDataParallel`
# each process has a batch size of its own.) What an update sees is the **effective batch size**:
# devices times rows on each times batches that are added up.
#
# ### Which batch size? (difficulty 1, 3 minutes)
#
# Two replicas shall get 32 rows each: which `batch_size` goes into `fit`? And how many rows does an
# update see with 8 devices, 32 rows on each, and 4 such batches added up before the weights move?

# %% exercise="batch_sizes"
fit_batch = 64  # SOLUTION
rows_per_update = 8 * 32 * 4  # SOLUTION

check("batch_sizes", fit_batch, rows_per_update)

# %% [markdown]
# ## A loss of one number
#
# One weight, starting at 1, and the eight rows 1 to 8; all targets are 0. Two ways to write the mean
# squared error: one value per row, which Keras then averages, or the mean over everything. On one
# device both train alike. On two replicas the second one ... (a) is still the same. (b) logs twice the
# loss; the weight moves alike. (c) logs twice the loss, and the weight moves twice as far.

# %%
check("predict_double", "c")  # SOLUTION


# %%
def per_row(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 2, axis=-1)


def one_number(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 2)


def trained(scope, kind=keras.Model, loss=per_row, rows=8, batch_size=8, epochs=1, **options):
    """Train one weight; return the loss of the first epoch and the weight at the end, as text."""
    numbers = np.arange(1, rows + 1, dtype="float32")[:, None]
    with scope:
        weight = layers.Dense(1, use_bias=False, kernel_initializer="ones")
        inputs = keras.Input((1,))
        model = kind(inputs, weight(inputs))
        model.compile(keras.optimizers.SGD(0.001, **options), loss)
    arguments = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
    try:
        log = model.fit(numbers, 0 * numbers, **arguments).history
    except (RuntimeError, tf.errors.InvalidArgumentError) as error:
        return type(error).__name__
    return f"loss {log['loss'][0]:5.2f}, weight {model.get_weights()[0].item():.3f}"


one_device = tf.distribute.get_strategy()  # without a strategy Keras has this one
for how in (per_row, one_number):
    for name, where in (("one device", one_device), ("two replicas", strategy)):
        print(f"{how.__name__:10} {name:12} {trained(where.scope(), loss=how)}")
print("Dice, of 8 rows, has the shape", keras.losses.Dice(reduction=None)(x8, x8).shape)
check.reveal("predict_double")

# %% [markdown] topics="mirrored-pitfalls"
# <details><summary>After you ran it</summary>
#
# No error, no warning. Keras's own `keras.losses.Dice()` returns one number too: its shape is `()`.
# Write losses that return a value per row.
#
# </details>
#
# There is more. *Clipping* looks at each replica's part of the gradient before the parts are summed.
# A *ragged* last batch of 1 row leaves a replica empty, and a ragged *first* batch stops `fit`.
# So does *accumulation* (below), which decides inside a replica. The third line of each shows the
# cure: `ReplicaModel` in place of `keras.Model` computes the loss from the rows of all replicas, and
# sums gradients before anything looks at them.

# %%
faults = {
    "one number": {"loss": one_number},
    "clipping": {"global_clipnorm": 1.0},
    "ragged end": {"rows": 5, "batch_size": 4},
    "ragged start": {"rows": 5, "batch_size": 5},
    "accumulation": {"batch_size": 4, "gradient_accumulation_steps": 2},
}
for name, settings in faults.items():
    alone = trained(one_device.scope(), **settings)
    print(f"{name:12} one device    {alone}")
    print(f"{'':12} two replicas  {trained(strategy.scope(), **settings)}")
    cured = trained(strategy.scope(), ReplicaModel, **settings)
    print(f"{'':12} ReplicaModel  {cured}")
    assert cured == alone

# %% [markdown]
# Two tools find such things: `lint(model)` says what will go wrong with a compiled model, and
# `parity(build, data)` trains it on one device and on replicas, compares, and repeats what `lint` says.


# %% tags=["nbval-ignore-output"]
def suspicious():
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    hidden = layers.Dropout(0.2)(layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5), one_number)
    return model


rows, targets = rng.normal(size=(11, 4)), rng.normal(size=(11, 1))
result = parity(suspicious, (rows, targets), batch_size=4)
print(result)
assert not result.equal

# %% [markdown]
# "Wrong" is silent. "Differs" is by design: a replica normalizes by its own rows, and draws the same
# dropout mask as the other. One more fault shows only with float16: Keras looks for an overflow on the
# first replica alone.
#
# ### Make it one training (difficulty 2, 10 minutes)
#
# This model clips, has a loss of one number, and normalizes. Make it train on two replicas as on one
# device, on 11 rows in batches of 4. On one device it must stay what it is. We run `parity` on your
# function.


# %% exercise="mended"
def mended():
    """Return a new, compiled model."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, activation="tanh")(inputs)
    ### BEGIN SOLUTION
    hidden = layers.BatchNormalization(synchronized=True)(hidden)
    model = ReplicaModel(inputs, layers.Dense(1)(hidden))
    ### STUB
    # hidden = layers.BatchNormalization()(hidden)
    # model = ...  # it was keras.Model(inputs, layers.Dense(1)(hidden))
    ### END SOLUTION
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5), one_number)
    return model


check("mended", mended)

# %% [markdown]
# ## How gradients meet
#
# **All-reduce** leaves the sum of all gradients on every device. Through one central device, that one's
# link carries everything. In a **ring**, each device cuts its gradient into as many chunks as there are
# devices, and hands one chunk at a time to its neighbour.
#
# When 8 devices become 64, how many bytes does *each* device of a ring send? (a) Eight times as many.
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


parts = rng.normal(size=(8, 8))
assert np.allclose(ring(parts)[-1], parts.sum(axis=0))  # every device has the sum
states = ring(np.ones((4, 4), int))  # each device starts with a 1: chunks count their parts
plots.show(
    plots.all_reduce(states, title="A ring of four devices"),
    alt="Seven maps of four devices by four chunks. All start with 1. In three steps one chunk a "
    "device grows to 4; in three more the fours spread to all.",
)
for n in (2, 4, 8, 64):
    sent_mb = (len(ring(np.ones((n, n)))) - 1) * 100 / n
    print(f"{n:2} devices: each sends {sent_mb:.0f} MB of a 100 MB gradient")
check.reveal("predict_ring")

# %% [markdown] topics="all-reduce-backends overlap-compute-communication horovod"
# <details><summary>After you ran it</summary>
#
# Each number counts the gradients in a chunk's sum. After $n - 1$ steps each device holds one complete
# chunk; in as many more, these go round. Each step sends $1/n$ of the gradient: $2(n-1)/n$ in all.
#
# </details>
#
# | who does it | remarks |
# |---|---|
# | `NcclAllReduce` | between NVIDIA's GPUs; the others for `MirroredStrategy(cross_device_ops=...)` are `HierarchicalCopyAllReduce` and `ReductionToOneDevice` |
# | Gloo | PyTorch's library between CPUs |
# | Horovod | made the ring popular; largely history, not integrated with Keras 3 |
#
# The wait can be hidden: the last layer's gradient is ready first, and travels while the layer before
# is computed.

# %%
compute, send = 1.0, 0.8  # one layer's backward pass, and sending its gradient
apart = [(6 * compute + k * send, send, f"g{6 - k}", plots.COMPARE[1]) for k in range(6)]
overlapped = [((k + 1) * compute, send, f"g{6 - k}", plots.COMPARE[1]) for k in range(6)]
backward = [(k * compute, compute, f"{6 - k}", plots.COMPARE[0]) for k in range(6)]
fig, axes = plots.figure("Gradients that travel early hide their journey", columns=2, height=1.7)
for ax, messages in zip(axes, (apart, overlapped), strict=True):
    plots.timeline(ax, {"backward": backward, "network": messages}, end=11)
    ax.set_xlabel("time, in backward passes of a layer")
    print(f"done at {messages[-1][0] + send:.1f}")
plots.show(
    fig,
    alt="Left: six backward passes, then six messages one after the other. Right: each message "
    "starts when its layer is done, and only the last one is left at the end.",
)

# %% [markdown]
# ## A big batch in small pieces
#
# **Gradient accumulation** is data parallelism in time: compute the gradient of a micro-batch, add it
# up, and after $k$ of them divide by $k$ and update once. Without the division the rate is $k$ times
# too large. Keras divides: `gradient_accumulation_steps=4`.

# %% topics="gradient-accumulation"
for normalized in (False, True):
    nets = []
    for size, steps in ((64, None), (16, 4)):
        keras.utils.set_random_seed(1)
        middle = [layers.BatchNormalization()] * normalized
        hidden = layers.Dense(32, activation="relu")
        net = keras.Sequential([keras.Input((64,)), hidden, *middle, layers.Dense(10)])
        net.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps), loss)
        net.fit(x, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
        nets.append(net)
    name = "with batch normalization" if normalized else "plain"
    print(f"{name:25} equal to the big batch: {gap(*nets) < 1e-6}")
print("120 micro-batches made", int(nets[1].optimizer.iterations), "updates")

# %% [markdown]
# Equal, unless a layer looks at the batch: batch normalization sees 16 rows, not 64. A batch that is
# left over at the end of an epoch goes into the next one. Here are the rows 1, 2, 3, two epochs long,
# added up in pairs:

# %%
pairs = {"rows": 3, "batch_size": 1, "epochs": 2, "gradient_accumulation_steps": 2}
print(trained(one_device.scope(), **pairs))
weight = np.prod([1 - 0.001 * (a**2 + b**2) for a, b in ((1, 2), (3, 1), (2, 3))])
print(f"by hand, 1 with 2, 3 with 1, 2 with 3: weight {weight:.3f}")

# %% [markdown]
# And schedules count batches, not updates.
#
# ### The same updates with a quarter of the memory (difficulty 2, 8 minutes)
#
# A recipe has batches of 64 rows and `SGD(StepDecay(0.1, step_size=10))`: a tenth of the rate every ten
# updates. Your device holds 16 rows. Return an optimizer and the rows of a batch, so that each update
# moves the weights as the recipe's does.


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
# alike while the gradient changes little. Here for $f(w) = w^2/2$, from $w = 1$:

# %%
for rate in (0.001, 0.01, 0.1):
    print(
        f"rate {rate:5}: eight steps to {(1 - rate) ** 8:.3f}, one long step to {1 - 8 * rate:.3f}"
    )

# %% [markdown]
# So the rule is for small rates, and weakest at the start, where gradients change most: hence a
# **warmup**. We try it on the running model, from 0.025 and from 0.1, with three seeds. (One device
# computes the 512 rows; eight would do the same.) With eight times the rate, 512 rows will ... (a) keep
# up with 64 rows from both rates, if there is a warmup. (b) Come close from 0.025, and fall apart from
# 0.1. (c) Be no better than at the old rate.

# %%
check("predict_scaling", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"] topics="linear-scaling-rule"
fashion = datasets.load_fashion_mnist()
train, unseen, rates = fashion.train, fashion.validation, (0.025, 0.1)
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

# %% tags=["nbval-ignore-output"]
fig, axes = plots.figure("Eight times the rows", columns=2, x="epoch", y="validation loss")
scores = {}
for ax, rate in zip(axes, rates, strict=True):
    ax.set(title=f"from rate {rate}", ylim=(0.3, 2.7))
    for name, style in zip(plans, plots.COMPARE, strict=False):
        some = [log.history for log in logs[name, rate]]
        plots.band(ax, [history["val_loss"] for history in some], style, label=name)
        final = scores[name, rate] = np.array([history["val_accuracy"][-1] for history in some])
        words = f"{final.min():.2f} to {final.max():.2f}" if final.max() > 0.7 else "below 0.7"
        print(f"from {rate:5} {name:26}: accuracy {words}")
axes[0].legend(fontsize=8)
plots.show(fig, alt="Validation loss over five epochs for four plans, from two rates, with bands over "
           "three seeds.")  # fmt: skip
check.reveal("predict_scaling")
small, same, scaled, warm = (scores[name, rates[0]].mean() for name in plans)
assert small > scaled > same + 0.03 and abs(warm - scaled) < 0.04
_, same, *unstable = (scores[name, rates[1]] for name in plans)
assert np.min(same) > 0.7 > np.max(unstable)

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# From 0.025 the longer steps win back most of what 512 rows lose at the old rate, not all of it. From
# 0.1 they do worse than none: 0.8 is beyond the edge for this model. Warmup changes no more here than
# seeds do. (Goyal's ResNets needed it, at 8,192 rows.) It bridges a rough start, not a rate that is too
# large for good.
#
# </details>
#
# For Adam the root of $k$ is more common. At very large batches both rules break.
#
# ### From one device to eight (difficulty 3, 10 minutes)
#
# A ResNet on one device: 65,536 rows, `batch_size=256`, 20 epochs, `SGD(CosineDecay(0.1, 5120))`. Now
# eight devices get 256 rows each, for as many epochs. Give the `batch_size` for `fit` and a schedule:
# linear scaling, a warmup as long as you think right, and a decay that ends with the run.

# %% exercise="eight_devices"
CosineDecay = keras.optimizers.schedules.CosineDecay
### BEGIN SOLUTION
batch_size = 8 * 256
steps, warmup = 20 * 65_536 // batch_size, 64  # two epochs of warmup
schedule = Warmup(CosineDecay(linear_scaling(0.1, batch_size, 256), steps - warmup), warmup)
### STUB
# batch_size = ...
# schedule = ...
### END SOLUTION

check("eight_devices", batch_size, schedule)

# %% [markdown] topics="model-parallelism tensor-parallelism"
# ## Too large for one device
#
# **Model parallelism** is the umbrella for splitting the model. Whole layers can go to different devices,
# which then wait for each other. **Tensor parallelism** splits one operation: columns or rows of a
# matrix, or the attention heads of a transformer.

# %%
h, w, v = (rng.normal(size=size) for size in ((4, 6), (6, 10), (10, 2)))
with tf.device(devices[0]):
    hidden = tf.matmul(h, w)  # one layer here, the next one there
    left = tf.matmul(h, w[:, :5])  # half of the columns: results lie side by side
    upper = tf.matmul(h[:, :3], w[:3])  # half of the rows: results add up
with tf.device(devices[1]):
    last = tf.matmul(hidden, v)
    right = tf.matmul(h, w[:, 5:])
    lower = tf.matmul(h[:, 3:], w[3:])
print("layers: ", np.allclose(last, h @ w @ v), "on", last.device.split("/")[-1])
print("columns:", np.allclose(tf.concat([left, right], axis=1), h @ w))
print("rows:   ", np.allclose(upper + lower, h @ w))

# %% [markdown]
# A **pipeline** makes groups of layers its *stages*, one a device, and sends $m$ *micro-batches* through,
# one after the other. What the stages spend waiting is the **bubble**.


# %% topics="pipeline-parallelism"
def pipeline(p, m):
    """Return who does what when: forward passes F, then backward passes B, a slot each."""
    lanes = {}
    for stage in range(p):
        forward = [(stage + k, 1, f"F{k + 1}", plots.COMPARE[0]) for k in range(m)]
        start = m + p - 1 + (p - 1 - stage)
        backward = [(start + k, 1, f"B{k + 1}", plots.COMPARE[1]) for k in range(m)]
        lanes[f"stage {stage + 1}"] = forward + backward
    return lanes


fig, axes = plots.figure("Micro-batches shrink the bubble", columns=2, height=2.2)
for ax, m in zip(axes, (1, 4), strict=True):
    plots.timeline(ax, pipeline(4, m))
    ax.set(title=f"{m} micro-batch{'es' * (m > 1)}", xlabel="slot")
    slots = 4 * 2 * (m + 3)
    busy = sum(len(work) for work in pipeline(4, m).values())
    print(f"m = {m}: {slots - busy} of {slots} slots are idle, {1 - busy / slots:.1%}")
    assert np.isclose(1 - busy / slots, 3 / (m + 3))  # (p - 1) / (m + p - 1)
plots.show(
    fig,
    alt="Four stages. With one micro-batch only one stage works at a time. With four the work "
    "forms two slanted bands, with idle corners.",
)

# %% [markdown]
# (On the right a slot is a quarter as long.) With $p$ stages and $m$ micro-batches the bubble is
# $(p - 1)/(m + p - 1)$ of all slots.
#
# ### How many micro-batches? (difficulty 2, 6 minutes)
#
# Four stages. Which share of all slots is idle with 8 micro-batches? How many do you need at least, for
# a bubble of at most a tenth?

# %% exercise="pipeline_bubble"
bubble = 3 / 11  # SOLUTION
micro_batches = 27  # SOLUTION

check("pipeline_bubble", bubble, micro_batches)

# %% [markdown]
# ## Sharded data parallelism
#
# Data parallelism keeps everything everywhere. With Adam in mixed precision that is 16 bytes for each
# parameter: 2 for the weight, 2 for the gradient, 12 for the 32-bit copy and Adam's numbers. **ZeRO**
# (DeepSpeed) shards them: stage 1 the last 12, stage 2 the gradients too, stage 3 all. It is often
# filed under model parallelism; but each device computes the whole model, on its own rows.


# %% needs="mixed precision" topics="zero-sharding"
def bytes_each(parameters, n, stage):
    """Return the bytes on each of n devices, without activations."""
    per_parameter = {0: 16, 1: 4 + 12 / n, 2: 2 + 14 / n, 3: 16 / n}
    return parameters * per_parameter[stage]


sizes = {"running model, 8 devices": (lessons.running_model().count_params(), 8, 1e6, "MB"),
         "7.5 billion, 64 devices": (7.5e9, 64, 1e9, "GB")}  # fmt: skip
for name, (parameters, n, unit, word) in sizes.items():
    held = [f"{bytes_each(parameters, n, stage) / unit:.1f}" for stage in range(4)]
    print(f"{name:26} stages 0 to 3: {', '.join(held)} {word} each")

# %% [markdown]
# `tf.distribute` shards nothing of this. Keras's `ModelParallel` does, on JAX.
#
# ### Which way to split? (difficulty 2, 7 minutes)
#
# Devices of 16 GB, Adam, mixed precision, activations left aside. Choose "one device", "data", "zero",
# "tensor", "pipeline" or "federated" (weights travel, rows stay):
#
# - `digits`: 50,000 parameters, 1,000 rows, two GPUs free
# - `photos`: 0.1 billion parameters, ten million photographs, eight GPUs
# - `chat`: 1.5 billion parameters in 48 layers, eight GPUs, fast links; the model's code shall stay
# - `wide`: the weights of one layer alone take 24 GB; fast links
# - `deep`: 200 equal layers, 20 GB of weights alone; sixteen machines on a slow network
# - `phones`: texts that may not leave the phones they are typed on

# %% exercise="split_ways"
### BEGIN SOLUTION
ways = {
    "digits": "one device",
    "photos": "data",
    "chat": "zero",
    "wide": "tensor",
    "deep": "pipeline",
    "phones": "federated",
}
### STUB
# ways = {"digits": ..., "photos": ..., "chat": ..., "wide": ..., "deep": ..., "phones": ...}
### END SOLUTION

check("split_ways", ways)

# %% [markdown] topics="gpu cpu tpu hardware-table distributed-hardware-row framework-stack"
# ## Which hardware?
#
# | | best for | mind |
# |---|---|---|
# | CPU | small models, classical methods | slow for large ones; always there |
# | GPU | most deep learning: thousands of small cores | "10 to 100 times faster" depends on the work; small models can be slower. The stack: TensorFlow, JAX or PyTorch on cuDNN on CUDA |
# | TPU | large matrices, very large models; pods of thousands of Google's chips | batches of one shape (`drop_remainder=True`), bfloat16, not float16. TensorFlow, JAX, PyTorch |
# | several | data or models too large for one | a framework, setup, time for talking |
#
# All live from one fact: matrix products, convolutions and activations are thousands of operations that
# do not wait for each other.

# %% tags=["nbval-ignore-output"] topics="parallel-operations"
import time

a, b = rng.normal(size=(2, 100, 100))
start = time.perf_counter()
product = [[sum(a[i, k] * b[k, j] for k in range(100)) for j in range(100)] for i in range(100)]
one_by_one = time.perf_counter() - start
start = time.perf_counter()
fast = a @ b
together = time.perf_counter() - start
assert np.allclose(product, fast)
print(
    f"a million multiplications: one by one {one_by_one / together:,.0f} times as long, this time"
)
print(runtime())
print("TensorFlow built with CUDA:", tf.sysconfig.get_build_info()["is_cuda_build"])

# %% [markdown]
# ## Beyond one machine
#
# | you have | take |
# |---|---|
# | many trials of one model | a device for each trial (KerasTuner's workers): nothing to average |
# | several machines | Keras on JAX with `keras.distribution`, for TPU pods and sharded models too. Keras 3's `fit` fails under `MultiWorkerMirroredStrategy`; a loop of your own works |
# | private data on many devices | **federated learning** |
#
# Federated averaging sends weights around, not rows. Each client trains on its own; a server averages
# the weights, weighted by rows. Here are five clients with unlike data:

# %% topics="federated-learning"
clients = []
for k in range(5):
    rows = rng.normal(loc=k - 2, size=(10 + 10 * k, 3))
    clients.append((rows, rows @ [1.0, -2.0, 0.5] + k))  # each with a level of its own
all_x, all_y = (np.concatenate(part) for part in zip(*clients, strict=True))
number = [len(y_k) for _, y_k in clients]


def descend(w, x, y, steps):
    for _ in range(steps):
        w = w - 0.02 * gradient(w, x, y)
    return w


for steps in (1, 50):
    trained_weights = [descend(w0, x_k, y_k, steps) for x_k, y_k in clients]
    federated = np.average(trained_weights, axis=0, weights=number)
    central = descend(w0, all_x, all_y, steps)
    print(f"{steps:2} local steps: {federated.round(2)}, all rows in one place {central.round(2)}")

# %% [markdown]
# After one step it is data parallelism. After 50, clients with unlike data have drifted apart, and the
# average is another model.
#
# ## The same notebook on Colab
#
# One line changes: `runtime()` finds the hardware, and a strategy for it.
#
# ```python
# with runtime().scope():
#     model = build()  # builds and compiles
# model.fit(...)
# ```
#
# One GPU needs no strategy (a `MirroredStrategy` of one only costs), several get `MirroredStrategy`. On
# a TPU choose Keras on JAX. What you proved here are the numbers: two halves of a CPU average as two
# GPUs do. Speed, NCCL and TPUs only show there. Measure before you pay for a second device.

# %% [markdown]
# ## Will it run on a TPU?
#
# A TPU runs a program that is compiled before it starts: known operations, one shape, a fixed amount
# of memory. Its compiler is a library for any CPU, so it can be asked without a TPU. What does it
# refuse? (a) A batch of text. (b) A batch whose size is not known. (c) A transformer in
# `mixed_float16`. (d) All three.

# %%
check("predict_tpu", "d")  # SOLUTION

# %% tags=["nbval-ignore-output"]
lessons.ask_the_tpu_compiler("""
import keras
from coursekit import lessons
from coursekit.distribution.tpu import TpuRefusal, compile_step

model = lessons.running_model()
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for rows, dtype in ((64, "float32"), (None, "float32"), (64, "string")):
    x, y = keras.KerasTensor((rows, 28, 28), dtype), keras.KerasTensor((rows,), "int32")
    try:
        print(compile_step(model, (x, y)))
    except TpuRefusal as refusal:
        print(f"refused, {refusal.reason}: {refusal}")
""")
check.reveal("predict_tpu")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The smaller batch at the end of an epoch is another shape: `batch(64, drop_remainder=True)`. Text
# becomes numbers in `dataset.map`, outside of the model. A v5e multiplies in bfloat16: attention in
# float16 has no operation there. That a program compiles proves shapes, operations and memory,
# neither speed nor digits.
#
# </details>

# %% [markdown]
# ## The pitfall: a batch that is not split
#
# `fit`, `evaluate` and `predict` split each batch. The calls for one batch do not.

# %%
print("predict:         ", two.predict(x[:16], verbose=0).shape)
print("predict_on_batch:", two.predict_on_batch(x[:16]).shape)
two.fit(x[:16], y[:16], verbose=0)
print("fit:             ", int(two.metrics[0].count.numpy()), "rows in the loss")
two.reset_metrics()
two.train_on_batch(x[:16], y[:16])
print("train_on_batch:  ", int(two.metrics[0].count.numpy()), "rows in the loss")

# %% [markdown]
# Every replica got all 16 rows, in `train_on_batch` too: twice the work for the same update.
#
# ### Your decision
#
# Somebody offers eight devices for the running model. Do you take them? Which batch size, which rate?
# `score` is the validation accuracy that you expect.

# %% tags=["nbval-ignore-output"]
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
# 1. Data parallelism averages gradients weighted by rows, and equals one device but for rounding.
#    `batch_size` counts all replicas.
# 2. A loss of one number, clipping, and ragged batches go wrong in silence; `lint` and `parity` find
#    them, `ReplicaModel` cures them.
# 3. In a ring each device sends less than twice the gradient, however many there are.
# 4. $k$ times the batch: $k$ times the rate for SGD, after a warmup, and only so far.
# 5. Split what is too large: rows, state, an operation, or the layers.
#
# **Break it.** Add `"both": {"loss": one_number, "global_clipnorm": 1.0}` to the faults. Then put
# 0.05 in the place of 0.1 in the scaling cell, and leave out the assert at the end of the next.
#
# <details><summary>What happens</summary>
#
# The loss doubles, and the weight moves as with clipping alone: each replica cuts its gradient to a
# norm of 1, however long it was. From 0.05 it starts roughly and holds: the edge is somewhere between
# 0.4 and 0.8.
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
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
