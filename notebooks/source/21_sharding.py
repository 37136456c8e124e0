# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 43
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
# # What if it does not fit on one device?
#
# Skip ahead if you can answer these: what does ZeRO's stage 2 leave whole on each device? Which part of
# its time does a pipeline of four stages and eight micro-batches wait? From how many rows on each chip
# on do the messages of data parallelism hide behind computing?
#
# You will count bytes, split a layer, and decide a layout for 64 chips from published figures. You need
# [[distribution]] and [[precision]].
#
# > **You need only this.** A *transformer* is a stack of blocks with large matrices, which take each
# > word (*token*) of a text as a row. *Attention heads* are parts of a block that work side by side.

# %% tags=["setup"] needs="transformer"
from coursekit import lessons
from coursekit.lessons.sharding import check, draw_roofline, draw_step, pipeline, stages_of

lessons.report(["tensorflow", "jax"], devices=8)  # splits the CPU, before the backend starts

import time

import keras
import numpy as np
from keras import ops

from coursekit import datasets, plots
from coursekit.distribution import runtime, virtual_devices
from coursekit.distribution.roofline import CHIPS, most_parts, step_time

devices = [name.lower() for name in virtual_devices(8)]
rng = np.random.default_rng(0)

# %% [markdown] topics="zero-sharding"
# ## What one device holds
#
# Data parallelism keeps everything everywhere. With Adam that is 16 bytes for each parameter. DeepSpeed, a
# library, counts 2 for the weight and 2 for its gradient, in 16 bits, and 12 for the optimizer: a 32-bit copy of
# the weight and two moments. (Keras keeps 4 + 4 + 8.) **ZeRO** spreads them over $n$ devices: stage 1
# the 12, stage 2 the gradient's 2 as well, stage 3 all. It is often filed under model parallelism; but
# each device computes the whole model, on rows of its own, and fetches the weights that it lacks.

# %%
print(stages_of("running model", lessons.running_model().count_params(), 8))
print(stages_of("7.5 billion", 7.5e9, 64))

# %% [markdown]
# ### Bytes on each device (difficulty 2, 8 minutes)
#
# Write it yourself: `held(parameters, n, stage)` returns the bytes on each of `n` devices, activations
# left aside. Then: 3 billion parameters, 8 devices of 16 GB (16e9 bytes). Which is the `lowest` stage
# that fits?


# %% exercise="held"
def held(parameters, n, stage):
    """Return the bytes on each device: 2 + 2 + 12 for a parameter, before they are spread."""
    ### BEGIN SOLUTION
    whole = (16, 4, 2, 0)[stage]
    return parameters * (whole + (16 - whole) / n)
    ### STUB
    # return ...
    ### END SOLUTION


lowest = 2  # SOLUTION

check("held", held, lowest)

# %% [markdown]
# ## Parts of a layer
#
# **Model parallelism** is the umbrella for splitting the model. Whole layers can go to different devices,
# which then wait for each other. **Tensor parallelism** splits one operation: columns or rows of a
# matrix, or the attention heads of a transformer. (`keras.device` says where something is computed.)

# %% topics="model-parallelism tensor-parallelism"
h, w, v = (rng.normal(size=size).astype("float32") for size in ((4, 6), (6, 10), (10, 2)))
with keras.device(devices[0]):
    hidden = ops.matmul(h, w)  # one layer here, the next one there
    left = ops.matmul(h, w[:, :5])  # half of the columns
    upper = ops.matmul(h[:, :3], w[:3])  # half of the rows
places = [str(hidden.device).split("/")[-1]]
hidden, left, upper = map(ops.convert_to_numpy, (hidden, left, upper))  # they travel
with keras.device(devices[1]):
    last = ops.matmul(hidden, v)
    right = ops.matmul(h, w[:, 5:])
    lower = ops.matmul(h[:, 3:], w[3:])
places.append(str(last.device).split("/")[-1])
print("a layer on", " and the next on ".join(places), np.allclose(last, h @ w @ v, atol=1e-4))
print("columns lie side by side:", np.allclose(np.hstack([left, right]), h @ w, atol=1e-4))
print("rows add up:", np.allclose(upper + ops.convert_to_numpy(lower), h @ w, atol=1e-4))

# %% [markdown]
# Columns need no sum, rows do. So a block splits its first matrix by columns and the second by rows:
# one sum for both. On JAX Keras writes the messages itself: `ModelParallel` takes a `LayoutMap`, from
# names of weights to the axis that is split. TensorFlow shards nothing of this.
#
# ## A pipeline
#
# A **pipeline** makes groups of layers its *stages*, one a device, and sends $m$ *micro-batches* through,
# one after the other. A *slot* is the time of one micro-batch in one stage. What the stages spend waiting
# is the **bubble**, hatched here; F are forward passes, B backward passes.

# %% topics="pipeline-parallelism"
fig, axes = plots.figure("Micro-batches shrink the bubble", columns=2, height=2.2)
for ax, m in zip(axes, (1, 4), strict=True):
    plots.timeline(ax, pipeline(4, m))
    ax.set(title=f"{m} micro-batch{'es' * (m > 1)}", xlabel="slot")
    slots = 4 * 2 * (m + 3)
    busy = sum(len(work) for work in pipeline(4, m).values())
    print(f"m = {m}: {slots - busy} of {slots} slots are idle, {1 - busy / slots:.1%}")
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
# ## Three speeds of a chip
#
# A chip computes, reads its memory, and sends through its links, each at a speed that its maker
# publishes. Nothing is faster than the slowest of the three: that is the **roofline**. A dense layer of
# $n \times m$ weights takes $2 n m$ operations for each row, and reads $2 n m$ bytes once, in 16 bits. So
# below `operations / memory_speed` rows a chip waits for its memory.

# %%
chips = [CHIPS["TPU v5e"], CHIPS["H100"]]
plots.show(
    draw_roofline(chips),
    alt="Operations a second against rows, both logarithmic, for two chips. Each line rises with the "
    "rows and turns flat at a dotted line, between 200 and 300 rows.",
)
for chip in CHIPS.values():
    print(f"{chip.name:8} {chip.operations / 1e12:4.0f} trillion operations a second;", end=" ")
    print(f"flat from {chip.rows_for_memory:.0f} rows on")

# %% [markdown]
# The links are slower still. In data parallelism the backward pass takes 4 operations for each of $P$
# parameters and each row. Meanwhile a ring sends each gradient, 2 bytes, twice: $4P$ bytes. A model
# twice as large needs ... on each chip, so that its messages hide: (a) twice as many rows, (b) as many
# rows, (c) half as many rows.

# %%
check("predict_rows", "b")  # SOLUTION

# %% jupyter={"source_hidden": true}
v5e, ROWS = CHIPS["TPU v5e"], [64, 128, 256, 512, 1024, 2048, 4096, 8192]
steps = {rows: step_time(v5e, 13e9, rows, 64, "sharded") for rows in ROWS}


def caption(rows):
    found = steps[rows]
    return (f"With {rows:,} rows on each chip, computing takes {found.forward + found.backward:.2f} s "
            f"and messages {found.messages:.2f} s: a chip computes {found.busy:.0%} of the time.")  # fmt: skip


plots.explore(lambda rows: draw_step(steps[rows]), ROWS, caption, "rows on each chip",
              start=2)  # fmt: skip
for parameters in (1e9, 13e9):
    waits = [rows for rows in ROWS if step_time(v5e, parameters, rows, 64, "sharded").busy < 0.999]
    print(f"{parameters / 1e9:2.0f} billion parameters: waits for links up to {max(waits):,} rows")
check.reveal("predict_rows")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Move the slider: 13 billion parameters on 64 TPU v5e, at stage 3. Messages take as long whatever the
# rows, computing grows with them; near 2,200 rows a chip stops waiting. $4 \cdot \mathrm{rows} \cdot P$
# over operations against $4 P$ over bytes: the size of the model cancels.
#
# </details>
#
# (A chip's figures are peaks; a real step is slower. How to Scale Your Model, by Austin et al., works
# this out for whole transformers; the figures for TPUs are theirs.)
#
# ### From how many rows on? (difficulty 2, 6 minutes)
#
# An H100 makes 989 trillion operations a second. Inside a machine it sends 450 GB a second, to other
# machines 50. From how many rows on each chip on do the messages of data parallelism hide: `inside` one
# machine, and `between` machines?

# %% exercise="rows_needed"
inside = 989e12 / 450e9  # SOLUTION
between = 989e12 / 50e9  # SOLUTION

check("rows_needed", inside, between)

# %% [markdown]
# And the parts of a layer? Split into $k$, each chip computes a $k$-th, but the rows' inputs and outputs
# travel whole. So there is a limit to $k$: the width, times link speed over operations.

# %%
for name in ("TPU v5e", "H100"):
    limits = [f"{most_parts(CHIPS[name], width):.1f}" for width in (4096, 16_384, 65_536)]
    print(f"{name:8} parts of a layer 4,096, 16,384 or 65,536 wide, at most: {', '.join(limits)}")

# %% [markdown]
# ### Decide a layout (difficulty 3, 8 minutes)
#
# A transformer of 13 billion parameters, its layers 16,384 wide, on 64 TPU v5e of 16 GB. A batch has
# 65,536 tokens: those are the rows. Choose how many parts a layer gets ("tensor": they work on the same
# rows), how many the batch ("data"), and whether the data's copies keep their weights, gradients and
# Adam's numbers "whole" or "sharded". No chip shall wait for a link.

# %% exercise="decide_layout"
layout = {"tensor": 4, "data": 16, "weights": "sharded"}  # SOLUTION

check("decide_layout", layout)

# %% [markdown]
# ### Which way to split? (difficulty 2, 7 minutes)
#
# Devices of 16 GB, Adam, mixed precision, activations left aside. Choose "one device", "data", "zero",
# "tensor", "pipeline" or "federated" (below: weights travel, rows stay):
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

# %% [markdown] topics="federated-learning"
# ## Rows that must not travel
#
# **Federated averaging** sends weights around, not rows. Each client trains on its own; a server averages
# the weights, weighted by rows. Here are five clients with unlike data:

# %%
clients = []
for k in range(5):
    rows = rng.normal(loc=k - 2, size=(10 + 10 * k, 3))
    clients.append((rows, rows @ [1.0, -2.0, 0.5] + k))  # each with a level of its own
everything = tuple(np.concatenate(part) for part in zip(*clients, strict=True))


def descend(x, y, steps, weights=0.0):
    for _ in range(steps):
        weights = weights - 0.02 * 2 * (x @ (np.zeros(3) + weights) - y) @ x / len(y)
    return weights


for steps in (1, 50):
    sent = [descend(x, y, steps) for x, y in clients]
    averaged = np.average(sent, axis=0, weights=[len(y) for _, y in clients])
    print(f"{steps:2} local steps: {averaged.round(2)}, all rows in one place", end=" ")
    print(descend(*everything, steps).round(2))

# %% [markdown] topics="gpu cpu tpu hardware-table distributed-hardware-row framework-stack"
# After one step the average is that of data parallelism. After 50, clients with unlike data have drifted
# apart, and the average is another model.
#
# ## Which hardware?
#
# | | best for | mind |
# |---|---|---|
# | CPU | small models, classical methods | slow for large ones; always there |
# | GPU | most deep learning: thousands of small cores | "10 to 100 times faster" depends on the work; small models can be slower. The stack: TensorFlow, JAX or PyTorch, on NVIDIA's libraries cuDNN and CUDA |
# | TPU | large matrices, very large models; pods of thousands of Google's chips | batches of one shape (`drop_remainder=True`), bfloat16 (no loss scaling). TensorFlow, JAX, PyTorch |
# | several | data or models too large for one | a framework, setup, time for talking |
#
# All live from one fact: matrix products, convolutions and activations are thousands of operations that
# do not wait for each other. (Much of the ratio below is Python's own slowness, which a library avoids.)

# %% tags=["nbval-ignore-output"] topics="parallel-operations"
a, b = rng.normal(size=(2, 100, 100))
start = time.perf_counter()
product = [[sum(a[i, k] * b[k, j] for k in range(100)) for j in range(100)] for i in range(100)]
one_by_one = time.perf_counter() - start
start = time.perf_counter()
together = a @ b
ratio = one_by_one / (time.perf_counter() - start)
print(f"a million products, one by one: {ratio:,.0f} times as long as together, this time")
print(runtime())

# %% [markdown]
# ## The pitfall: a program that no TPU takes
#
# A TPU runs a program that is compiled before it starts: known operations, one shape, a fixed amount
# of memory. Its compiler is a library for any CPU, so it can be asked without a TPU. Text, a batch
# whose size is not known, a CNN in `mixed_float16`: what does it refuse? (a) Only the text. (b) Text and
# the unknown size. (c) All three.

# %%
check("predict_tpu", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
lessons.ask_the_tpu_compiler("""
import keras
from coursekit import lessons
from coursekit.distribution.tpu import TpuRefusal, compile_step
from coursekit.precision import precision

def ask(rows, dtype, policy="float32"):
    layers = keras.layers
    with precision(policy):
        model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(16, 3), layers.Flatten(),
                                  layers.Dense(10, dtype="float32")])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = keras.KerasTensor((rows, 28, 28, 1), dtype), keras.KerasTensor((rows,), "int32")
    try:
        print(policy, compile_step(model, (x, y)))
    except TpuRefusal as refusal:
        print(f"refused, {refusal.reason}: {refusal}")

ask(64, "float32", "mixed_float16")
ask(None, "float32")
ask(64, "string")
""")
check.reveal("predict_tpu")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The smaller batch at the end of an epoch is another shape: `batch(64, drop_remainder=True)`. Text
# becomes numbers in `dataset.map`, outside of the model. Float16 is accepted. (One attention call asks
# for a float16 algorithm by name, and that name is refused.) That a program compiles proves shapes,
# operations and memory, neither speed nor digits.
#
# </details>
#
# ### Your decision
#
# How would you train the running model if it had 2 billion parameters, on eight chips of 16 GB? Say
# which split, and log the score that the small one has.

# %% tags=["nbval-ignore-output"]
fashion, small = datasets.load_fashion_mnist(), lessons.running_model()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
small.compile("adamw", loss, metrics=["accuracy"])
small.fit(fashion.train.x, fashion.train.y, batch_size=64, epochs=2, verbose=0)
score = small.evaluate(fashion.validation.x, fashion.validation.y, verbose=0)[1]
print(f"validation accuracy {score:.2f}")
### BEGIN SOLUTION
check.decide(
    choice="ZeRO stage 1 on eight chips; the real model stays on one device",
    because="2 billion parameters take 32 GB whole and 11 GB at stage 1",
    score=round(score, 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Adam in mixed precision: 16 bytes for each parameter. ZeRO spreads the optimizer's, then the
#    gradient's, then the weight's.
# 2. Columns lie side by side, rows add up; a pipeline waits $(p - 1)/(m + p - 1)$ of its slots.
# 3. Messages hide from operations / link speed rows on, whatever the size of the model.
# 4. Split what is too large: rows, state, an operation, or the layers; and count its messages.
# 5. A TPU's program has one shape, and no text.
#
# **Break it.** In the slider's cell take `CHIPS["H100"]`. What changes, and what does not?
#
# <details><summary>What happens</summary>
#
# All is five times as fast, and the turn comes at nearly the same rows: operations and links are both
# five times those of a v5e. Between machines, at a ninth of the link speed, it would come nine times later.
#
# </details>
#
# [[next]]

# %%
check.quiz()
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
