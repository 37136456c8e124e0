# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 41
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
# # What does a model remember?
#
# Skip ahead if you can answer these: which layers of a pretrained net do you train on 200 images?
# Does LoRA change a prediction before it is trained? What does a net lose that learns a second task?
#
# You will use what a model knows in three ways, and keep it from forgetting. You need
# [[training_loop]], [[initialization_normalization]] and [[regularization]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers

from coursekit.lessons.transfer import check, parts
from coursekit.training import anchor, fisher, fit_many, thaw

# %% [markdown] topics="transfer-learning-definition"
# ## Twenty labels a class
#
# **Transfer learning** starts a *target* task with what was learned on a *source* task that has more
# data. Our source is MNIST; the target is other people's digits, 20 of each class. We put both at
# random places of a larger field, so that there is something to know beforehand.

# %%
source, target = parts.source(), parts.target()
pretrained = [parts.convnet(seed) for seed in range(3)]
fit_many(pretrained, source.x, source.y, epochs=3, batch_size=64, verbose=0)
parts.samples({"source": source, "target": target})

# %% [markdown] topics="feature-extraction full-fine-tuning"
# The net has layers `conv_1`, `conv_2`, `conv_3`, `dense` and, for the ten classes, `head`. What can one
# do with the pretrained four, the **body**?
#
# - **Feature extraction**: freeze the body, train a new head on what it puts out.
# - **Full fine-tuning**: a new head, and everything trains, at a smaller rate.
# - Nothing: start at random.
#
# In the code `thaw(net, names, rate=...)` freezes all layers but these, and compiles anew.
#
# Which is best with 200 images? (a) The frozen body. (b) Full fine-tuning, which adapts all it has. (c)
# A random start, which has nothing to unlearn.

# %%
check("predict_ways", "a")  # SOLUTION

# %% tags=["nbval-ignore-output"]
everything = [*parts.NAMES, "head"]
rows = [parts.few(target.y, 20, seed) for seed in range(3)]


def begin(copied, source_nets=pretrained):
    """Return three nets with the first layers copied, and the rest at random."""
    return [parts.with_layers(net, copied, seed) for seed, net in enumerate(source_nets)]


def tune(nets, trained, rate, epochs=25, rows=rows):
    for net in nets:
        thaw(net, trained, rate=rate)
    fit_many(nets, target.x, target.y, rows=rows, epochs=epochs, batch_size=25, verbose=0)
    return [parts.accuracy(net, target) for net in nets]


random_start = tune(begin(0), everything, rate=2e-3)
headed, tuned = begin(4), begin(4)
extraction = tune(headed, ["head"], rate=5e-3)
full = tune(tuned, everything, rate=1e-3)
parts.told("random start", random_start)
parts.told("feature extraction", extraction)
parts.told("full fine-tuning", full)
parts.by_heart(target, rows, {"head alone": headed, "everything": tuned})
check.reveal("predict_ways")
many = [tune(begin(4), ["head"], 5e-3, 8, None), tune(begin(4), everything, 1e-3, 8, None)]
parts.told("all labels: extraction", many[0])
parts.told("all labels: fine-tuning", many[1])

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Same images, same seeds: at each the frozen body is ahead of full fine-tuning, and that one
# ahead of the random start. The lines below tell why: all weights learn the 200 images by heart, those
# of the head do not. With all labels of the target the order turns: fine-tuning can adapt farther.
#
# </details>
#
# ## Frozen, really?
#
# `layer.trainable = False` is read when the training step is traced, in the first `fit`. We freeze a
# layer at three moments. Then a *base* with a batch norm stands in a model, called plainly and, as
# tutorials advise, with `training=False`:

# %% tags=["nbval-ignore-output"]
for when in ("before the first fit", "after a first fit", "after it, compiled anew"):
    net, x, y = parts.tiny()
    if when != "before the first fit":
        net.fit(x, y, verbose=0)
    net.get_layer("body").trainable = False
    if when == "after it, compiled anew":
        net.compile("adam", "mse")
    before = net.get_layer("body").get_weights()[0]
    try:
        net.fit(x, y, verbose=0)
        moved = np.any(net.get_layer("body").get_weights()[0] != before)
        print(f"frozen {when:24} the layer", "moved" if moved else "stayed")
    except ValueError as error:  # JAX: and this net's weights are gone
        print(f"frozen {when:24} {type(error).__name__}")

parts.norm_on_a_base()

# %% [markdown]
# So freeze, *then* compile, with a new optimizer. The advice fails: in a functional model `fit`
# overrides `training=False` (Keras 3.13 to 3.15). What protects a batch norm is
# its own `trainable = False`: frozen, it computes with its running averages and leaves them alone.
#
# ### Only the head (difficulty 2, 7 minutes)
#
# A compiled model, fitted already, has layers "dense", "norm" (a batch norm) and "head". Its labels are
# class numbers, its outputs logits. Make the next `fit` move the head, and nothing else.


# %% exercise="only_head"
def only_head(model):
    """Make the next fit train the layer "head" alone."""
    ### BEGIN SOLUTION
    for layer in model.layers:
        layer.trainable = layer.name == "head"
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss_fn)
    ### STUB
    # ...
    ### END SOLUTION


check("only_head", only_head)

# %% [markdown] topics="early-general-late-specific gradual-unfreezing"
# ## How many layers are general?
#
# We copy the first layers, freeze them, and let the rest begin at random.
#
# **Gradual unfreezing** goes the other way: the head alone first, then layer after layer down to the
# input, each phase with a smaller rate. (Texts that say "deeper layers thaw last" mean those near the
# input.) `gradual_unfreezing` of `coursekit.training` runs such phases for one model.

# %% tags=["nbval-ignore-output"]
frozen = {0: random_start, 4: extraction}
for k in (1, 2, 3):
    frozen[k] = tune(begin(k), everything[k:], rate=2e-3)
parts.by_depth(dict(sorted(frozen.items())))

nets, thawed = begin(4), []
for name, rate, epochs in (("head", 5e-3, 10), ("dense", 2e-3, 5), ("conv_3", 1e-3, 5)):
    thawed.append(name)
    gradual = tune(nets, thawed, rate, epochs)
    parts.told(f"thawed: {', '.join(thawed)}", gradual)

# %% [markdown]
# The more, the better, for the target has the *same* ten classes. Early layers see edges and strokes,
# which serve any images; late ones put together what tells the source's classes apart. For other classes
# the late ones are worth less (Yosinski and others, 2014).
#
# The three phases end ahead of full fine-tuning at every seed; ahead of feature extraction they are not.
#
# ### An order to thaw in (difficulty 1, 5 minutes)
#
# Write a plan for all five layers of a net like ours, whose head is new, in three phases or more. The
# body was trained at a rate of 0.002. `groups` says which layers *join* in each phase.

# %% exercise="order"
### BEGIN SOLUTION
groups = [["head"], ["dense", "conv_3"], ["conv_2", "conv_1"]]
rates = [5e-3, 1e-3, 2e-4]
### STUB
# groups = [[...], [...], [...]]
# rates = [..., ..., ...]
### END SOLUTION

check("order", groups, rates)

# %% [markdown] topics="lora"
# ## A small difference
#
# **LoRA**, low-rank adaptation, leaves a kernel $W$ frozen and learns a difference of rank $r$:
#
# $$W' = W + \frac{\alpha}{r} A B$$
#
# $A$ has the shape (inputs, $r$), $B$ ($r$, units). $A$ starts at random, $B$ at 0. Does a layer's
# output change when LoRA is switched on, by `enable_lora(r, lora_alpha=...)`? (a) No. (b) Yes, a
# little.

# %%
check("predict_lora", "a")  # SOLUTION

# %%
net = parts.with_layers(pretrained[0], 4, 0)
before = np.asarray(net(target.x[:50]))
net.get_layer("dense").enable_lora(4, lora_alpha=8)
print("largest change:", np.abs(np.asarray(net(target.x[:50])) - before).max())
built = layers.Dense(64, lora_rank=4, lora_alpha=8)  # the same, by the constructor?
built.build((None, 256))
print("alpha asked for: 8; alpha by the constructor:", built.lora_alpha)
check.reveal("predict_lora")

# %% [markdown] topics="lora-in-practice"
# The second line is a **pitfall**: Keras's constructor forgets alpha (3.13 to 3.15). Call `enable_lora`.
#
# How large a rank, and in which layers? How much of what full fine-tuning changed in a kernel would fit
# into a rank of 1, 4, 16? Then LoRA beside the same layers trained whole.

# %% tags=["nbval-ignore-output"]
for name in ("conv_3", "dense"):
    parts.shares(name, pretrained, tuned)  # by singular values

nets = begin(4)
for net in nets:
    net.get_layer("dense").enable_lora(4, lora_alpha=8)
lora = tune(nets, ["dense", "head"], rate=5e-3)
others = begin(4)
whole = tune(others, ["dense", "head"], rate=2e-3)
parts.told("LoRA in dense, and head", lora)
parts.told("dense whole, and head", whole)
print("numbers that train:", parts.trained(nets[0]), "and", parts.trained(others[0]))

# %% [markdown]
# Rank 4 holds a part of what full fine-tuning changed; yet the accuracy does not suffer, with a ninth
# of the weights. Of a large model that is the difference between one computer
# and many: gradients and moments are kept for the small matrices alone. Common are ranks of 4 to 64,
# in attention's kernels or in all large ones.
#
# ### Rank 4, counted and merged (difficulty 2, 8 minutes)
#
# A `Dense(64)` on 128 inputs gets LoRA of rank 4; its bias stays trainable. How many numbers are
# `trainable`? Afterwards the difference is put into the kernel: write `merged`, for every shape and
# every alpha.

# %% exercise="merge"
### BEGIN SOLUTION
trainable = 832


def merged(W, A, B, alpha):
    """Return the kernel with its difference of rank A.shape[1] in it."""
    return W + alpha / A.shape[1] * A @ B


### STUB
# trainable = ...
#
#
# def merged(W, A, B, alpha):
#     """Return the kernel with its difference of rank A.shape[1] in it."""
#     ...
### END SOLUTION

check("merge", trainable, merged)

# %% [markdown] topics="catastrophic-forgetting"
# ## A second task
#
# Three nets learn MNIST at half its size, to an accuracy of about 0.93. Then they go on with a new task:
# the same images with their pixels shuffled, one order for all. Afterwards, how good are they at the
# *old* one? (a) Still above 0.9. (b) Between 0.3 and 0.9. (c) Near chance, 0.1.

# %%
check("predict_forget", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"]
old, new = parts.pixels()
settings = {"epochs": 8, "batch_size": 64, "verbose": 0}
first = [parts.dense_net(seed) for seed in range(3)]
fit_many(first, old.x, old.y, **settings)


def go_on(importance=None, strength=0.0, task=new, rows=None):
    """Return the accuracies on the old and on the new task, for three nets."""
    nets = [parts.copy_of(net) for net in first]
    if strength:
        for net, one in zip(nets, importance, strict=True):
            anchor(net, one, strength=strength)
    fit_many(nets, task.x, task.y, rows=rows, **settings)
    return [(parts.accuracy(net, old), parts.accuracy(net, new)) for net in nets]


found = {"plain": go_on()}
parts.told("old task before", [parts.accuracy(net, old) for net in first])
parts.told("old task after", [one for one, _ in found["plain"]])
parts.told("new task", [one for _, one in found["plain"]])
check.reveal("predict_forget")

# %% [markdown] topics="elastic-weight-consolidation memory-replay"
# That is **catastrophic forgetting**: no new row says that the old task counts. Three remedies:
#
# - **Replay** keeps some old rows and mixes them in.
# - A **plain anchor** penalizes the distance from the old weights, *home*.
# - **Elastic weight consolidation** (EWC) penalizes it weight by weight, by how much each one mattered:
#
# $$\frac{\lambda}{2} \sum_i F_i\,(w_i - \mathrm{home}_i)^2$$
#
# $F_i$, the **Fisher information**, is the mean over old rows of the squared gradient of
# $\log p(y \mid x)$ for labels $y$ that the model itself draws. (Squared row by row: in the mean the
# gradients cancel, at the old optimum.) It is large where a small move changes the predictions. In two
# weights:

# %% jupyter={"source_hidden": true}
# Safe to skip: two tasks, two weights.
parts.two_valleys()

# %% [markdown]
# The old loss is steep along weight 1 and nearly flat along weight 2. EWC lets go where it is flat. Now
# on the nets; `anchor(net, F, strength=...)` puts the penalty on every weight:

# %% tags=["nbval-ignore-output"]
importance = [fisher(net, old.x[:500], seed=k) for k, net in enumerate(first)]
found["plain anchor"] = go_on([1.0, 1.0, 1.0], strength=0.01)
found["EWC"] = go_on(importance, strength=30)
mixed = parts.joined(new, old)
kept = [parts.with_old_rows(new, 200, times=5, seed=k) for k in range(3)]
found["replay of 200"] = go_on(task=mixed, rows=kept)
parts.prices(found)

# %% [markdown]
# EWC keeps most of the old task, more than the anchor at every seed. Its price is accuracy on the new
# one. Replay's price here is 200 old images that must be kept, and longer epochs. For other tasks and
# strengths the order may be another: measure.
#
# ### A penalty with a memory (difficulty 2, 8 minutes)
#
# Write EWC's penalty for arrays of one shape. And whose gradients make F: (a) those of old rows, before
# the new task; (b) those of new rows; (c) those of old rows, after the new task?


# %% exercise="penalty"
### BEGIN SOLUTION
def penalty(F, now, home, strength):
    """Return one number: what is added to the new task's loss."""
    return strength / 2 * np.sum(F * (now - home) ** 2)


fisher_from = "a"
### STUB
# def penalty(F, now, home, strength):
#     """Return one number: what is added to the new task's loss."""
#     ...
#
#
# fisher_from = ...
### END SOLUTION

check("penalty", penalty, fisher_from)

# %% [markdown] topics="progressive-networks"
# A fourth way moves no old weight at all: a **progressive network** freezes the old net and puts a new
# column beside it, which may read the old one's layers.

# %% tags=["nbval-ignore-output"]
column = parts.copy_of(first[0])
before = np.asarray(column(old.x_validation))
column.trainable = False
beside = layers.Concatenate()([layers.Dense(64, "relu")(column.inputs[0]), column.layers[0].output])
second = keras.Model(column.inputs[0], layers.Dense(10)(beside))
second.compile(keras.optimizers.Adam(4e-3), parts.loss())
fit_many([second], new.x, new.y, **settings)
print("old outputs changed by", np.abs(np.asarray(column(old.x_validation)) - before).max())
parts.told("new task", [parts.accuracy(second, new)])

# %% [markdown]
# It grows with each task, and someone must say which task an image belongs to.
#
# ### Four customers (difficulty 2, 5 minutes)
#
# P plain training, R replay, E EWC, C a new column. One letter each. `deleted`: the old images must go,
# both tasks count, and no image says which it is of. `some_kept`: as before, but 200 images may stay, and
# the new task must lose nothing. `to_the_bit`: the old answers must stay exactly as they are; the task
# is known. `done_with`: nobody will ask the old task again.

# %% exercise="remedies"
### BEGIN SOLUTION
remedies = {"deleted": "E", "some_kept": "R", "to_the_bit": "C", "done_with": "P"}
### STUB
# remedies = {"deleted": ..., "some_kept": ..., "to_the_bit": ..., "done_with": ...}
### END SOLUTION

check("remedies", remedies)

# %% [markdown] topics="self-supervised"
# ## Knowledge without labels
#
# Of the target's images we used 200. **Self-supervised** learning makes tasks of the images
# themselves. Here each is turned by 0 to 3 quarters: by how many? (Language models guess the next
# word; *contrastive* nets tell which two views are of one image.) Then 20 labels a class, as above.

# %% tags=["nbval-ignore-output"]
taught = [parts.convnet(seed) for seed in range(3)]
fit_many(taught, *parts.turned(copies=4), epochs=4, batch_size=64, verbose=0)
by_itself = tune(begin(4, taught), everything, rate=2e-3)
parts.told("random start", random_start)
parts.told("taught by turns, all tuned", by_itself)
parts.told("taught by turns, frozen", tune(begin(4, taught), ["head"], rate=5e-3))

# %% jupyter={"source_hidden": true}
# Safe to skip: what the text says is better was better at every seed.
parts.hold(random_start, full, extraction)
parts.hold(*many)
parts.hold(random_start, by_itself)
parts.hold(random_start, frozen[3])
parts.hold(full, gradual)
left, learned = ({name: np.transpose(points)[k] for name, points in found.items()} for k in (0, 1))
parts.hold(left["plain"], left["replay of 200"], left["EWC"])
parts.hold(left["plain anchor"], left["EWC"])
parts.hold(learned["EWC"], learned["plain"])

# %% [markdown] topics="transfer-dominance foundation-models"
# Better at every seed, from images alone; frozen the layers are of little use, for they know turns, not
# digits. Enlarged a million times this is a **foundation model**: pretrained once on text or images of
# the web, then adapted to many tasks. In language nearly all models since BERT, T5 and GPT come so; in
# vision, nets from ImageNet read X-rays and satellite images. `keras.applications` has such bodies.
#
# ### Your decision
#
# The running model knows Fashion-MNIST and shall read MNIST too, with the same ten outputs. `score` is
# the validation accuracy on Fashion-MNIST afterwards.

# %% tags=["nbval-ignore-output"]
nets = [lessons.running_model(seed) for seed in range(3)]
dressed = parts.garments(nets)
for kept in (0, 200):  # garments among the digits, ten times each
    parts.then_digits(nets, dressed, kept)

# %%
### BEGIN SOLUTION
check.decide(
    choice="replay of 200 garments",
    because="without them most of Fashion-MNIST is lost, and the digits lose next to nothing",
    score=0.75,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. With few labels freeze the body and train a head; with many fine-tune all, at a small rate.
# 2. Freeze, then compile with a new optimizer; leave every batch norm frozen.
# 3. LoRA trains $r$ (inputs + units) numbers a kernel, starts as no change, and merges into $W$.
# 4. A second task overwrites the first; replay, EWC and a column each have a price.
#
# **The pitfall.** A target prepared otherwise than the source. Here we cut off MNIST's margin, for the
# target has none; else its digits would have another size than the body knows.
#
# **Break it.** Raise EWC's strength to 3,000.
#
# <details><summary>What happens</summary>
#
# The old task gains next to nothing, and the new one pays some points more: the important weights were
# held already.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "c")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
