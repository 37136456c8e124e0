# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 36
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
# # What if an answer is a place, or a likeness?
#
# Skip ahead if you can answer these: which pairs does a contrastive loss leave in peace? What does a
# triplet loss that stands at its margin tell? When is Dice loss worth its name?
#
# You will write a loss for distances and one for masks, see when they help and when not, and choose a
# loss for six tasks. You need [[losses]] and [[custom_losses]].
#
# > **You need only this.** A *convolution* is a layer that looks at a small window of an image, the
# > same at every place. An *embedding* is the row of numbers that a net makes of its input: a place.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers

from coursekit import datasets, losses
from coursekit.lessons.structured_losses import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="contrastive-loss"
# ## Distances instead of classes
#
# Faces, products: new classes come every day, and no output unit waits for them. So let a net place
# rows such that like lies near like. Take a pair at distance $d$, with $y = 1$ if the two are similar
# and 0 if not. A similar pair should come together. A dissimilar one should get out of reach of a
# **margin** $m$, and no further. The **contrastive loss** says so:
# $y\,d^2 + (1 - y)\max(0, m - d)^2$.
#
# ### The contrastive loss (difficulty 2, 8 minutes)
#
# Write it for arrays of pairs, one value per pair. Then say which of these pairs rest: with $m = 1$,
# which have a gradient of 0? Give letters, such as "AB".
#
# | pair | A | B | C | D |
# |---|---|---|---|---|
# | $y$ | 1 | 1 | 0 | 0 |
# | $d$ | 0 | 1.5 | 1.5 | 0.3 |


# %% exercise="contrastive"
def contrastive(d, y, m):
    """Return one loss for each pair: distance d, y = 1 if similar, margin m."""
    ### BEGIN SOLUTION
    return y * d**2 + (1 - y) * np.maximum(0, m - d) ** 2
    ### STUB
    # return ...
    ### END SOLUTION


resting = "AC"  # SOLUTION

check("contrastive", contrastive, resting)

# %% [markdown] topics="triplet-loss"
# The **triplet loss** compares: an *anchor* $a$ should be nearer to a *positive* $p$ (of its class)
# than to a *negative* $n$ (of another one), by a margin: $\max(0,\, d^2(a, p) - d^2(a, n) + m)$. The
# paper that made it known, FaceNet, took $m = 0.2$ and embeddings of length 1. It trained on *semi-hard*
# negatives: farther than the positive, by less than $m$.
#
# ### One triplet, and a stuck loss (difficulty 2, 5 minutes)
#
# $d^2(a, p) = 0.5$, $m = 0.2$, and three negatives at $d^2(a, n)$ = 0.3 (A), 0.6 (B), 0.9 (C). What does
# B cost? Which letter is `useless` for training? And at which loss does a net get `stuck` that puts
# every row on one point?

# %% exercise="triplet"
cost_of_b = 0.1  # SOLUTION
useless = "C"  # SOLUTION
stuck = 0.2  # SOLUTION

check("triplet", cost_of_b, useless, stuck)

# %% [markdown]
# Now both train a net of 64 units that places digits in the plane, with three seeds each. For pairs,
# one net is used twice (a *siamese* net), and the model's output is their distance.

# %%
digits = datasets.load_digits()
x, y = digits.train.x.reshape(-1, 64), digits.train.y
x_new, y_new = digits.validation.x.reshape(-1, 64), digits.validation.y


def encoder(seed, outputs=2):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(outputs)])


def siamese(net):
    one, other = keras.Input((64,)), keras.Input((64,))
    return keras.Model([one, other], losses.euclidean_distance(net(one), net(other)))


by_triplets, by_pairs = ([encoder(seed) for seed in range(3)] for _ in range(2))
for net in by_triplets:
    net.compile(keras.optimizers.Adam(0.003), losses.TripletLoss(margin=1.0))
logs = fit_many(by_triplets, x, y, batch_size=128, epochs=20, verbose=0)

a, b = parts.pairs(y)  # numbers of rows
models = [siamese(net) for net in by_pairs]
for model in models:
    model.compile(keras.optimizers.Adam(0.003), losses.PairContrastive(margin=2.0))
fit_many(models, [x[a], x[b]], y[a] == y[b], batch_size=128, epochs=10, verbose=0)
print(f"{np.mean(y[a] == y[b]):.0%} of the pairs are similar")

# %% tags=["nbval-ignore-output"]
untrained = [encoder(seed) for seed in range(3)]
parts.planes(
    {"before": untrained, "contrastive": by_pairs, "triplet": by_triplets}, (x, y), (x_new, y_new)
)
by_classes = [encoder(seed, outputs=10) for seed in range(3)]
for net in by_classes:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(0.003), loss)
fit_many(by_classes, x, y, batch_size=128, epochs=20, verbose=0)
right = [np.mean(np.array(net(x_new)).argmax(axis=1) == y_new) for net in by_classes]
print(f"the same net with ten outputs: {min(right):.0%} to {max(right):.0%}")

# %% [markdown]
# Each numeral is a digit by a new writer, placed by the first of the three nets. The percentages say
# how often the nearest training digit is of the same class, with three nets (chance: 10 %). No class
# has an output unit, so an eleventh could join. For ten classes that stay, ten outputs do as well or a
# little better: placing pays where classes come and go.
#
# A plain $\sqrt{\sum (a - b)^2}$ has no slope at 0: there its derivative divides by 0, and one pair of
# equal rows makes every weight NaN. `euclidean_distance` has a slope of 0 there.

# %% [markdown] topics="dice-loss"
# ## Overlap instead of pixels
#
# A **mask** says of each pixel whether it belongs. **Dice loss** scores a mask by its overlap:
# $1 - (2 \sum y p + s) / (\sum y + \sum p + s)$. Here $y$ is the true mask, $p$ the predicted one, and a
# small $s$ keeps 0/0 away. Pixels of background that are right add nothing.

# %%
spot = np.zeros((1, 50, 50), "float32")
spot[:, 20:27, 20:27] = 1  # 2 % of the image
for name, mask in {"perfect": spot, "empty mask": 0 * spot, "everywhere": 0 * spot + 1}.items():
    pixels = float(keras.losses.BinaryCrossentropy()(spot, 0.02 + 0.96 * mask))
    overlap = float(losses.crossentropy_dice(spot, mask[..., None], ce_weight=0.0)[0])
    print(f"{name:10}  cross-entropy {pixels:.2f}  Dice {overlap:.2f}")

# %% [markdown]
# Cross-entropy hardly minds the empty mask (we let it say 0.02 and 0.98). To Dice it is a failure.
#
# ### Dice, mask by mask (difficulty 2, 7 minutes)
#
# Write the formula for a batch: `y` and `p` have the shape (masks, height, width). Return one value for
# each mask. What should a mask cost that is empty, and is predicted empty?


# %% exercise="dice"
def dice(y, p, s):
    """Return the Dice loss of each mask: truth y, prediction p, smoothing s."""
    ### BEGIN SOLUTION
    overlap, total = np.sum(y * p, axis=(1, 2)), np.sum(y + p, axis=(1, 2))
    return 1 - (2 * overlap + s) / (total + s)
    ### STUB
    # return ...
    ### END SOLUTION


check("dice", dice)

# %% [markdown]
# ## Two targets, one large and one tiny
#
# Brain or not, pixel by pixel: slices of one head at a quarter of their size, a small convolutional
# net, three seeds. A pixel is counted in if its probability is above a **cut**: 0.5, or the cut that is
# best on training rows. The score is **IoU**, intersection over union. (a) Dice, alone or with
# cross-entropy, is clearly better. (b) Cross-entropy is. (c) The losses differ no more than seeds do.

# %%
check("predict_dice", "c")  # SOLUTION


# %%
def segmenter(ce_weight, seed, size):
    keras.utils.set_random_seed(seed)
    conv = [  # windows of 3 x 3 pixels; in the second layer of every other pixel
        layers.Conv2D(8, 3, padding="same", dilation_rate=d, activation="relu") for d in (1, 2)
    ]
    net = keras.Sequential([keras.Input((*size, 1)), *conv, layers.Conv2D(1, 1)])
    net.compile(
        keras.optimizers.Adam(0.01), losses.CrossentropyDice(ce_weight=ce_weight, from_logits=True)
    )
    return net


def compare(train, valid, batch_size):
    said = {}
    for name, ce_weight in (("cross-entropy", 1.0), ("Dice", 0.0), ("both", 0.5)):
        nets = [segmenter(ce_weight, seed, train[0].shape[1:3]) for seed in range(3)]
        fit_many(nets, *train, epochs=20, batch_size=batch_size, verbose=0)
        at_half = [parts.iou(np.array(net(valid[0])) > 0, valid[1]) for net in nets]
        best_cut = [parts.iou_at_best_cut(net, train, valid) for net in nets]
        said[name] = np.array(keras.ops.sigmoid(nets[0](valid[0])))
        print(f"{name:13}  IoU cut at 0.5 {np.round(at_half, 2)},",
              f"at the cut best in training {np.round(best_cut, 2)}")  # fmt: skip
    parts.cut_masks(valid, said)


# %% tags=["nbval-ignore-output"]
train, valid = parts.brain_slices()
compare(train, valid, batch_size=8)
print(f"brain: {train[1].mean():.0%} of the pixels;",
      f"copying the nearest training mask: {parts.copied(train, valid):.2f}")  # fmt: skip
check.reveal("predict_dice")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# A difference within the spread. The brain fills a good quarter of the pixels, and cross-entropy sees
# enough of it. None is far from the baseline that copies a neighbour's mask.
#
# </details>
#
# Now the same net looks for one square of 3 x 3 pixels, hidden in noise: 1.6 % of the image. After
# the same 20 epochs, at the usual cut of 0.5: (a) all three find it about equally well. (b)
# Cross-entropy leaves the masks empty. (c) Dice does.

# %%
check("predict_tiny", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"]
train, valid = parts.squares(seed=0), parts.squares(seed=1)
print(f"target: {train[1].mean():.1%} of the pixels")
compare(train, valid, batch_size=20)
check.reveal("predict_tiny")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Cross-entropy never says more than 0.5 for any pixel: an IoU of 0. That is honest of it (most bright
# pixels are noise), and half of the cure is the old one: move the cut (the slider). The other half is
# Dice: with the best cut for each, the losses that count overlap still lead at every seed.
#
# </details>
#
# ## The pitfall: one overlap for a whole batch
#
# `keras.losses.Dice()` adds up all masks of a batch before it divides. Here is a batch of two: a large
# mask, found, and a small one, missed.

# %%
two = np.zeros((2, 50, 50, 1), "float32")
two[0, :40, :40], two[1, :5, :5] = 1, 1
said = two * np.array([1.0, 0.0], "float32").reshape(2, 1, 1, 1)
by_batch, by_mask = keras.losses.Dice(), losses.CrossentropyDice(ce_weight=0.0)
print(f"Keras, one overlap: {float(by_batch(two, said)):.2f}")
print(f"coursekit, mask by mask: {float(by_mask(two[..., 0], said)):.2f}")

# %% [markdown] topics="loss-selection-guide"
# The missed mask costs next to nothing beside a large one. `keras.losses.Dice(axis=(1, 2, 3))` counts
# mask by mask too.
#
# ### Which loss? (difficulty 2, 8 minutes)
#
# Give each task a loss, by name or as an object. Several answers can be right.
#
# - `fares`: the price of a ride; some targets were typed with two zeros too many
# - `claims`: fraud, 1 of 100; a department multiplies your probability by the sum insured
# - `faces`: is it the same person? New people come daily, without retraining
# - `lesions`: masks of 1 % of the pixels, judged by overlap; cross-entropy gave empty masks
# - `labels`: ten classes, one label in ten is wrong, and the net is too sure of itself
# - `margin`: two classes, no probabilities; only rows near the boundary should count

# %% exercise="guide"
### BEGIN SOLUTION
guide = {
    "fares": "huber",
    "claims": "binary_crossentropy",
    "faces": losses.TripletLoss(margin=0.2),
    "lesions": losses.CrossentropyDice(),
    "labels": losses.LabelSmoothedCrossentropy(label_smoothing=0.1),
    "margin": "hinge",
}
### STUB
# guide = {"fares": ..., "claims": ..., "faces": ..., "lesions": ..., "labels": ..., "margin": ...}
### END SOLUTION

check("guide", guide)

# %% [markdown]
# <details><summary>The whole guide, for later</summary>
#
# | task | usual | where that misses the point |
# |---|---|---|
# | a number | squared error | odd targets: Huber, absolute error |
# | yes or no | binary cross-entropy | rare: move the threshold; then weights, focal loss |
# | one of K | categorical cross-entropy | long tails: class-balanced, focal; doubtful labels: smoothing |
# | a margin | hinge | |
# | same or different | contrastive, triplet | |
# | a mask | cross-entropy | tiny targets: Dice, or both |
# | images to be made | adversarial (GAN): two nets, one against the other | |
#
# </details>
#
# ### Your decision
#
# Does the running model keep its ten outputs and cross-entropy, or will it place garments? `score` is
# the validation accuracy that you expect.

# %%
### BEGIN SOLUTION
check.decide(
    choice="ten outputs and cross-entropy",
    because="its ten classes stay as they are, and ten outputs did no worse on digits",
    score=0.87,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Contrastive loss pulls similar pairs from anywhere, and pushes others as far as the margin.
# 2. Triplet loss asks for a lead. Standing still at its margin, it has collapsed.
# 3. Dice counts overlap. It matters where the target is tiny; on a large one it differs no more than
#    seeds do.
# 4. What is averaged over, pixel, mask or batch, is part of a loss.
#
# **Break it.** Train `by_triplets` with `negatives="hard"` and a rate of 0.1, and print
# `logs[0].history["loss"]`.
#
# <details><summary>What happens</summary>
#
# The loss settles at the margin of 1: all digits lie on one point. With semi-hard negatives the same
# rate does no such harm.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "c")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
