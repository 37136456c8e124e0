# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     minutes: 65
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
# # What if the standard losses miss the point?
#
# Skip ahead if you can answer these: does focal loss make hard rows cost more? What do class weights
# do to the probabilities? Why should a loss of your own return one value per row?
#
# You will choose, write and test losses for rare classes, distances, masks and a price of your own.
# You need [[losses]].
#
# > **You need only this.** *Ranking* quality does not depend on a threshold. *Average precision*
# > (AP) measures it: 1 is perfect, and the share of positives is what a random order scores.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow"])

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib.pyplot import cm
from sklearn.metrics import average_precision_score, precision_recall_curve

from coursekit import datasets, losses, plots
from coursekit.lessons.custom_losses import check
from coursekit.training import fit_many

# %% [markdown] topics="imbalance-majority-collapse"
# ## A model that is nearly always right
#
# Which of these flights from New York will be cancelled? We train on some days and validate on
# others.

# %%
flights = datasets.load_flights_cancelled()
columns = ["hour", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "distance"]
medians = flights.train[columns].median()


def inputs(table):
    regional = table.carrier.isin(["EV", "MQ"])
    kinds = {"ewr": table.origin == "EWR", "lga": table.origin == "LGA", "regional": regional}
    return table[columns].fillna(medians).assign(**kinds).to_numpy("float32")


x, x_valid = inputs(flights.train), inputs(flights.validation)
x, x_valid = (x - x.mean(0)) / x.std(0), (x_valid - x.mean(0)) / x.std(0)
y, y_valid = (t.cancelled.to_numpy("float32") for t in (flights.train, flights.validation))
print(f"{len(y):,} training rows, {y.mean():.1%} cancelled; validation {y_valid.mean():.1%}")
print(f'"never cancelled" is right in {1 - y_valid.mean():.1%} of the validation rows')

# %% [markdown] topics="metrics-classification"
# So no model at all scores 97 %. With TP, FP, FN, TN (true and false positives and negatives):
#
# | measure | formula | question |
# |---|---|---|
# | **accuracy** | (TP + TN) / all | how often is it right? |
# | **precision** P | TP / (TP + FP) | how many alarms are true? |
# | **recall** R | TP / (TP + FN) | how many positives are found? |
# | **F1** | 2PR / (P + R) = 2TP / (2TP + FP + FN) | are both high? |
#
# ### Always no (difficulty 1, 5 minutes)
#
# Of 1,000 rows 10 are positive, and a model says no to all. Give its accuracy, recall and F1. Then
# choose the one to `watch`, "accuracy", "recall" or "f1": it should be low for this model and also
# for one that always says *yes*.

# %% exercise="always_no"
accuracy = 0.99  # SOLUTION
recall = 0.0  # SOLUTION
f1 = 0.0  # SOLUTION
watch = "f1"  # SOLUTION

check("always_no", accuracy, recall, f1, watch)

# %% [markdown] topics="weighted-cross-entropy"
# ## Make the few count more
#
# **Weighted cross-entropy** multiplies each row's loss by a weight of its class:
# $-\sum_i w_{y_i} \ln p_{y_i}$. `fit` takes `class_weight={0: ..., 1: ...}`. By what does Keras divide
# the sum?

# %%
truth, said = np.array([[1.0], [0.0]]), np.array([[0.3], [0.2]])
row_weights = np.array([9.0, 1.0])
costs = row_weights * [-np.log(0.3), -np.log(0.8)]
by_keras = float(keras.losses.BinaryCrossentropy()(truth, said, sample_weight=row_weights))
print(f"Keras: {by_keras:.3f}")
print(f"sum / rows: {costs.sum() / 2:.3f}   sum / weights: {costs.sum() / row_weights.sum():.3f}")

# %% [markdown] topics="imbalance-sampling-weighting"
# By the number of rows: larger weights mean larger gradients. **Sampling** is the other way: draw the
# rare rows more often, or the common ones less. Resample only training rows, after the split, or
# copies of one row land on both sides.
#
# ### Class weights for 990 to 10 (difficulty 2, 6 minutes)
#
# Choose `weights` such that the 990 rows of class 0 and the 10 of class 1 count alike in all. An
# untrained net gives every row 0.5, a cost of ln 2 each. Which `first_loss` will Keras report with
# *your* weights?

# %% exercise="class_weights"
weights = {0: 0.505, 1: 50}  # SOLUTION
first_loss = 0.693  # SOLUTION

check("class_weights", weights, first_loss)

# %% [markdown] topics="focal-loss"
# ## Or make the easy ones count less
#
# **Focal loss** looks at each row's $p$, the probability given to its true class:
# $-\alpha (1 - p)^\gamma \ln p$. With $\gamma = 0$ and $\alpha = 1$ it is cross-entropy. It was made
# for detectors in which 99 % of the boxes show background.
#
# Take a hard row, $p = 0.1$, and go from $\gamma = 0$ to $\gamma = 2$. Its loss (a) grows, for hard rows
# get more weight. (b) stays. (c) falls a little.

# %%
check("predict_focal", "c")  # SOLUTION

# %% topics="focal-downweighting"
p = np.linspace(0.01, 0.99, 99)
fig, (left, right) = plots.figure("Focal loss from gamma 0 to 5", columns=2, height=3.7)
for g, style in zip((0, 0.5, 1, 2, 5), plots.COMPARE, strict=False):
    factor = (1 - p) ** g
    plots.curve(left, -factor * np.log(p), style, x=p, label=f"gamma {g}")
    plots.curve(right, factor * (1 - p - g * p * np.log(p)), style, x=p)
left.set(xlabel="p, given to the true class", ylabel="loss", ylim=(0, 3))
right.set(xlabel="p, given to the true class", ylabel="pull (slope along the logit)")
left.legend()
plots.show(fig, alt="Losses and their pulls against p, for five values of gamma.")

focal_2, row = keras.losses.BinaryFocalCrossentropy(gamma=2.0), np.array([[1.0]])
for p_row in (0.1, 0.5, 0.9, 0.968):
    ratio = -np.log(p_row) / float(focal_2(row, np.array([[p_row]])))
    print(f"p = {p_row:5}: gamma 2 divides the loss by {ratio:.1f}")
at_0 = keras.losses.BinaryFocalCrossentropy(gamma=0.0)
assert np.isclose(float(at_0(truth, said)), float(keras.losses.BinaryCrossentropy()(truth, said)))
pulls = [0.9**g * (0.9 - g * 0.1 * np.log(0.1)) for g in (0, 2)]
print(f"pull at p = 0.1: {pulls[0]:.2f} with gamma 0, {pulls[1]:.2f} with gamma 2")
check.reveal("predict_focal")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Left: the higher gamma, the earlier the curve lies flat. No row costs more than under gamma 0; an
# easy one ($p = 0.9$) costs 100 times less. Right: the pull of easy rows vanishes, and that of a hard
# one even rises a little. Mind Keras's `alpha`: the cards say who uses it.
#
# </details>
#
# ### How much focus? (difficulty 2, 6 minutes)
#
# 975 negatives have $p = 0.9$, 25 positives have $p = 0.1$. Find the smallest integer `gamma` at
# which the positives own most of the focal loss ($\alpha = 1$), and the `share` they own there.

# %% exercise="focus"
gamma = 1  # SOLUTION
share = 0.83  # SOLUTION

check("focus", gamma, share)

# %% [markdown] topics="imbalance-losses"
# ## Four ways, on real flights
#
# Plain, weighted, sampled (half of the drawn rows positive), focal: a net of 16 units, three seeds
# each. Each way chooses its own learning rate, by AP on validation rows. Then each flags the 10 % of
# flights that it finds most suspicious. (a) Weights or sampling find clearly more of the cancelled
# ones than plain. (b) Focal loss does. (c) Nobody finds clearly more than plain.

# %%
check("predict_four", "c")  # SOLUTION


# %%
bce = keras.losses.BinaryCrossentropy(from_logits=True)
focal = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)
rng, rates, seeds = np.random.default_rng(0), (0.003, 0.01, 0.03, 0.1), range(3)
half = [rng.choice(np.flatnonzero(y == label), len(y) // 2) for label in (0, 1)]
balance = {label: len(y) / (2 * np.sum(y == label)) for label in (0, 1)}
ways = {
    "plain": (bce, {}),
    "weighted": (bce, {"class_weight": balance}),
    "sampled": (bce, {"rows": [np.concatenate(half)] * 12}),
    "focal": (focal, {}),
}


def build(loss_fn, rate, seed):
    keras.utils.set_random_seed(seed)
    hidden, out = keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)
    net = keras.Sequential([keras.Input((x.shape[1],)), hidden, out])
    net.compile(keras.optimizers.Adam(rate), loss_fn)
    return net


# %% tags=["nbval-ignore-output"]
logits, ap = {}, {}
for way, (loss_fn, extra) in ways.items():
    nets = [build(loss_fn, rate, seed) for rate in rates for seed in seeds]
    fit_many(nets, x, y, epochs=4, batch_size=256, verbose=0, **extra)
    z = np.array([net(x_valid).numpy()[:, 0] for net in nets])
    found = np.reshape([average_precision_score(y_valid, run) for run in z], (4, 3))
    best = found.mean(axis=1).argmax()
    logits[way], ap[way] = z.reshape(4, 3, -1)[best], found[best]
    print(f"{way:9} best rate {rates[best]:5}  AP of three seeds {ap[way].round(2)}")

# %% tags=["nbval-ignore-output"]
at_half, at_tenth, found_by = {}, {}, {}
for way, runs in logits.items():
    ranked = [y_valid[np.argsort(-z)].cumsum() / y_valid.sum() for z in runs]
    found_by[way] = np.array(ranked)  # recall, if the first k flights are flagged
    at_tenth[way] = found_by[way][:, len(y_valid) // 10 - 1]
    at_half[way] = np.mean(runs > 0), np.mean(runs[:, y_valid == 1] > 0)
    flags, caught = at_half[way]
    print(f"{way:9} cut at 0.5: flags {flags:4.0%}, recall {caught:.2f},",
          f"mean p {np.mean(1 / (1 + np.exp(-runs))):.2f};",
          f"flagging 10 %: recall {at_tenth[way].round(2)}")  # fmt: skip
honest = 1 / (1 + balance[1] / balance[0] * np.exp(-logits["weighted"]))
print(f"weighted, its odds divided by the ratio of the weights: mean p {honest.mean():.2f}")
noise = np.sqrt(0.6 * 0.4 / y_valid.sum())
print(f"standard error of a recall near 0.6, for {y_valid.sum():.0f} flights: {noise:.2f}")
assert min(at_half["weighted"][1], at_half["sampled"][1]) > at_half["plain"][1] + 0.3
assert max(runs.mean() for runs in at_tenth.values()) < at_tenth["plain"].mean() + 3 * noise

# %%
cuts, levels = np.linspace(0.01, 0.5, 50), np.linspace(0.02, 1, 50)
fig, (left, right) = plots.figure("Four ways to train, three seeds each", columns=2, height=3.7)
for (way, runs), style in zip(logits.items(), plots.COMPARE, strict=False):
    curves = [precision_recall_curve(y_valid, z)[:2] for z in runs]
    bands = [np.interp(levels, rec[::-1], prec[::-1]) for prec, rec in curves]
    plots.band(left, bands, style, x=levels, label=way)
    plots.band(right, found_by[way][:, (cuts * len(y_valid)).astype(int) - 1], style, x=cuts)
    right.plot(*at_half[way], style.marker, mec=style.color, mfc="none", ms=13, mew=2)
left.axhline(y_valid.mean(), color="0.4", lw=1)
left.set(xlabel="recall", ylabel="precision")
right.set(xlabel="share of flights flagged", ylabel="recall")
left.legend()
plots.show(fig, alt="Left: precision against recall, over the line of a random order. Right: recall "
           "against the share of flights flagged; large marks: where the cut at 0.5 falls.")  # fmt: skip
check.reveal("predict_four")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# At the usual cut of 0.5 the ways look worlds apart: plain flags hardly anything, weighted and sampled
# find most. The right panel shows why: the large marks sit at different places of nearly one curve.
# With 10 % flagged, the ways differ about as much as seeds do, and as chance would have it with so
# few cancelled flights. The verdict: one spread.
#
# So first **move the threshold**. If a missed flight costs as much as 20 false alarms, raise the
# alarm from $p = 1/21$ on. That needs honest probabilities. Plain has them: its mean $p$ is near the
# share of cancelled flights. The others say far too much; after weighting, divide the odds by the
# ratio of the weights. Focal loss was made for nets that stay stuck at "always no".
#
# </details>

# %% [markdown] topics="label-smoothing"
# ## Do not trust the label fully
#
# **Label smoothing** $\varepsilon$ over $K$ classes aims at $1 - \varepsilon + \varepsilon/K$ for the
# label and $\varepsilon/K$ for the others. Keras has it for one-hot labels (`label_smoothing=0.1`);
# coursekit has it for integers. What does it buy for the running model?

# %% tags=["nbval-ignore-output"]
target = np.full(10, 0.01) + 0.9 * np.eye(10)[0]
z = np.random.default_rng(0).normal(size=(5, 10))
ours = losses.LabelSmoothedCrossentropy(label_smoothing=0.1, from_logits=True)
theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
assert np.isclose(float(ours(np.arange(5), z)), float(theirs(np.eye(10)[:5], z)))
print(f"lowest smoothed loss, 10 classes: {-(target * np.log(target)).sum():.2f}")

fashion = datasets.load_fashion_mnist()
train, valid = fashion.train, fashion.validation
smoothing = {}
for amount in (0.0, 0.1):
    nets = [lessons.running_model(seed) for seed in range(3)]
    for net in nets:
        smoothed = losses.LabelSmoothedCrossentropy(label_smoothing=amount, from_logits=True)
        net.compile(keras.optimizers.Adam(0.003), smoothed)
    fit_many(nets, train.x, train.y, epochs=12, batch_size=128, verbose=0)
    ps = [np.array(ops.softmax(net(valid.x))) for net in nets]
    right = [np.mean(one.argmax(1) == valid.y) for one in ps]
    sure = [one.max(1).mean() for one in ps]
    smoothing[amount] = right, sure
    print(f"smoothing {amount}: accuracy {np.round(right, 3)}, confidence {np.round(sure, 2)}")
assert max(smoothing[0.1][1]) < min(smoothing[0.0][1]) - 0.03
assert max(smoothing[0.1][1]) < min(smoothing[0.1][0]) - 0.03
assert abs(np.mean(smoothing[0.1][0]) - np.mean(smoothing[0.0][0])) < 0.03

# %% [markdown]
# The accuracies lie about a point apart, within reach of the seeds. The confidence falls at every
# seed, here far below the accuracy: the net has become *under*-confident. Smoothing is for nets that
# are too sure (long training, doubtful labels). Its lowest loss is not 0, so a training loss that
# stops at 0.5 is no fault.
#
# ## Distances instead of classes
#
# Faces, products: new classes come every day, and no output unit waits for them. So let a net place
# rows such that like lies near like. With $d$, the distance of a pair, $y = 1$ for similar
# and a margin $m$, the **contrastive loss** is $y\,d^2 + (1 - y)\max(0, m - d)^2$.

# %% [markdown] topics="contrastive-loss"
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
# The **triplet loss** compares: an anchor should be nearer to a positive (same class) than to a
# negative, by a margin: $\max(0,\, d^2(a, p) - d^2(a, n) + m)$. FaceNet took $m = 0.2$ and embeddings
# of length 1, and negatives that are farther than the positive by less than $m$ (*semi-hard*).
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
# Now both train a net of 64 units that places digits in the plane.

# %%
digits = datasets.load_digits()
x_digits, y_digits = digits.train.x.reshape(-1, 64), digits.train.y
x_shown, y_shown = digits.validation.x.reshape(-1, 64), digits.validation.y


def encoder():
    keras.utils.set_random_seed(1)
    hidden = keras.layers.Dense(64, activation="relu")
    return keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(2)])


by_triplets, by_pairs = encoder(), encoder()
by_triplets.compile(keras.optimizers.Adam(0.003), losses.TripletLoss(margin=1.0))
log = by_triplets.fit(x_digits, y_digits, batch_size=128, epochs=20, verbose=0)

a, b = np.random.default_rng(0).integers(len(y_digits), size=(2, 30_000))
keep = (y_digits[a] == y_digits[b]) | (np.arange(30_000) % 9 == 0)  # about half are similar
a, b = a[keep], b[keep]
one, other = keras.Input((64,)), keras.Input((64,))
distance = losses.euclidean_distance(by_pairs(one), by_pairs(other))  # one net, used twice
siamese = keras.Model([one, other], distance)
siamese.compile(keras.optimizers.Adam(0.003), losses.PairContrastive(margin=2.0))
pairs, same = [x_digits[a], x_digits[b]], y_digits[a] == y_digits[b]
log = siamese.fit(pairs, same, batch_size=128, epochs=10, verbose=0)

# %% tags=["nbval-ignore-output"]
fig, axes = plots.figure("Losses of distance bring like to like", columns=3, height=3.6)
like = {}
stages = {"before": encoder(), "contrastive": by_pairs, "triplet": by_triplets}
for ax, (stage, net) in zip(axes, stages.items(), strict=True):
    known, new = net(x_digits).numpy(), net(x_shown).numpy()
    for k in range(10):
        ax.plot(*new[y_shown == k].T, ls="", marker=f"${k}$", ms=6, color=cm.tab10(k))
    gaps = ((new[:, None] - known) ** 2).sum(axis=-1)
    like[stage] = np.mean(y_digits[gaps.argmin(axis=1)] == y_shown)
    ax.set(title=f"{stage}: {like[stage]:.0%}", xticks=[], yticks=[])
plots.show(fig, alt="Digits of writers not trained on, in the plane. Before: one mixed cloud. After "
           "either loss: one heap for each digit, with a few strays.")  # fmt: skip
assert min(like["contrastive"], like["triplet"]) > like["before"] + 0.3

# %% [markdown]
# Each numeral is a digit by a new writer. The percentage says how often its nearest training digit
# is of the same class (chance: 10 %). No class has an output unit, so an eleventh could join. (A
# plain $\sqrt{\sum (a - b)^2}$ has an infinite slope at 0; `euclidean_distance` has the cure.)

# %% [markdown] topics="dice-loss"
# ## Overlap instead of pixels
#
# **Dice loss** scores a mask by its overlap:
# $1 - (2 \sum y p + s) / (\sum y + \sum p + s)$, with a small $s$. Pixels of background that are right
# add nothing.

# %%
spot = np.zeros((1, 50, 50), "float32")
spot[:, 20:27, 20:27] = 1  # 2 % of the image
answers = {"perfect": spot, "empty mask": 0 * spot, "everywhere": 0 * spot + 1}
for name, mask in answers.items():
    pixel_cost = float(keras.losses.BinaryCrossentropy()(spot, 0.02 + 0.96 * mask))
    dice = float(losses.crossentropy_dice(spot, mask[..., None], ce_weight=0.0)[0])
    print(f"{name:10}  cross-entropy {pixel_cost:.2f}  Dice {dice:.2f}")

# %% [markdown]
# Cross-entropy hardly minds the empty mask (we let it say 0.02 and 0.98). To Dice it is a failure.
#
# Now brain or not, pixel by pixel: slices of one head at a quarter of their size, a small
# convolutional net, three seeds. The score is **IoU**, intersection over union. (a) Dice, alone or
# with cross-entropy, is clearly better. (b) Cross-entropy is. (c) The losses differ no more than seeds
# do.

# %%
check("predict_dice", "c")  # SOLUTION


# %%
def quarter(part):
    blocks = [v.reshape(-1, 26, 4, 22, 4).mean((2, 4)) for v in (part.x / 255, part.y)]
    return blocks[0][..., None].astype("float32"), (blocks[1] > 0.5).astype("int32")


def segmenter(loss_fn, seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(8, 3, padding="same", dilation_rate=d, activation="relu")
              for d in (1, 2, 4)]  # fmt: skip
    net = keras.Sequential([keras.Input((26, 22, 1)), *layers, keras.layers.Conv2D(1, 1)])
    net.compile(keras.optimizers.Adam(0.01), loss_fn)
    return net


def iou(mask, truth):
    return ((mask & truth).sum((1, 2)) / (mask | truth).sum((1, 2))).mean()


# %% tags=["nbval-ignore-output"]
brain = datasets.load_brain()
(slices, masks), (slices_valid, masks_valid) = quarter(brain.train), quarter(brain.validation)
ious = {}
for name, ce_weight in (("cross-entropy", 1.0), ("Dice", 0.0), ("both", 0.5)):
    nets = [
        segmenter(losses.CrossentropyDice(ce_weight=ce_weight, from_logits=True), k)
        for k in range(3)
    ]
    fit_many(nets, slices, masks, epochs=20, batch_size=8, verbose=0)
    ious[name] = [iou(net(slices_valid).numpy()[..., 0] > 0, masks_valid > 0) for net in nets]
    print(f"{name:13}  IoU of three seeds {np.round(ious[name], 2)}")
nearest = masks[brain.train.groups["slice"].tolist().index(80)]
copied = iou((0 * masks_valid + nearest) > 0, masks_valid > 0)
print(f"copy the mask of the nearest training slice: {copied:.2f}; brain: {masks.mean():.0%}")
means = [np.mean(v) for v in ious.values()]
assert max(means) - min(means) < 0.05
check.reveal("predict_dice")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# A difference within the spread. The brain fills a good quarter of the pixels, and cross-entropy sees
# enough of it. None is far from the baseline that copies a neighbour's mask. Keep Dice, or both, for
# small targets.
#
# </details>

# %% [markdown] topics="custom-losses-encode-domain"
# ## A loss of your own, and how to test it
#
# Your problem may have a price of its own. Write the loss with `keras.ops`, one value per row, and
# test three things: the gradient against finite differences, extreme inputs, the shape. Some of
# these only look right.


# %%
def trouble_with(loss_fn):
    """Return what is wrong with a loss, in words, after three tests in float64."""
    y_true = np.random.default_rng(0).normal(size=(4, 2))
    ordinary = y_true + np.random.default_rng(1).normal(size=(4, 2))
    for name, said in {"ordinary": ordinary, "exact": y_true, "1,000 off": y_true + 1000}.items():
        said = tf.Variable(said)
        with tf.GradientTape() as tape:
            values = losses.per_example(loss_fn)(y_true, said)
        slope = np.array(tape.gradient(values, said))
        if not (np.isfinite(values).all() and np.isfinite(slope).all()):
            return f"not finite for {name} predictions"
        for step in 1e-5 * np.eye(8).reshape(8, 4, 2) * (name == "ordinary"):
            change = np.sum(loss_fn(y_true, said + step) - loss_fn(y_true, said - step)) / 2
            if abs(change - np.sum(slope * step)) > 1e-9:
                return "the gradient is not that of the loss"
    return "nothing found"


suspects = {
    "log cosh": lambda y, p: ops.mean(ops.log(ops.cosh(p - y)), axis=-1),
    "distance": lambda y, p: ops.sqrt(ops.sum((p - y) ** 2, axis=-1)),
    "rounded": lambda y, p: ops.mean((ops.stop_gradient(p) - y) * (p - y), axis=-1),
    "keras.losses.huber": keras.losses.huber,
}
for name, suspect in suspects.items():
    print(f"{name:18} {trouble_with(suspect)}")
try:
    losses.per_example(lambda y, p: ops.mean((p - y) ** 2))(np.zeros((4, 2)), np.ones((4, 2)))
except ValueError as error:
    print(str(error).split(".")[0].replace("`<lambda>`", "mean of all:      "))

# %% [markdown]
# `losses.per_example` refuses a loss that averages over the batch by itself. It would train well on
# one device; [[distribution]] shows what happens on two.
#
# ### Late costs three times as much (difficulty 3, 10 minutes)
#
# You announce how many minutes a delivery will take. A forecast that is too *low* by a minute costs 3,
# one that is too high costs 1. Write `late` with `keras.ops`: the mean over the last axis, one value per
# row. We test it as above. And if you always announced the same best number: which share of the
# deliveries `covers` it, that is, arrives before it?


# %% exercise="late"
def late(y_true, y_pred):
    """Return one cost per row: 3 for each minute too low, 1 for each minute too high."""
    ### BEGIN SOLUTION
    e = y_true - y_pred
    return ops.mean(ops.maximum(3 * e, -e), axis=-1)
    ### STUB
    # return ...
    ### END SOLUTION


covers = 0.75  # SOLUTION

check("late", late, covers)

# %% [markdown]
# ## The pitfall: a loss that forgets its number
#
# A loss with a setting is a class, registered so that `load_model` finds it. Here is one with power
# 3, saved and loaded, twice.


# %%
@keras.saving.register_keras_serializable(package="lesson_05")
class Power(keras.losses.Loss):
    def __init__(self, power=2.0, **options):
        super().__init__(**options)
        self.power = power

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true) ** self.power, axis=-1)


@keras.saving.register_keras_serializable(package="lesson_05")
class PowerKept(Power):
    def get_config(self):
        return {**super().get_config(), "power": self.power}


for kind in (Power, PowerKept):
    loaded = keras.losses.deserialize(keras.losses.serialize(kind(power=3.0)))
    value = float(loaded(np.array([[0.0]]), np.array([[2.0]])))
    print(f"{kind.__name__:9} 2 to the power of 3 is, after loading, {value:.0f}")

# %% [markdown] topics="loss-selection-guide"
# Without `get_config` the loaded loss has the default again, and no warning tells.
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
# ### Your decision
#
# Does the running model get label smoothing, and how much? `score` is the validation accuracy you
# expect. What would make you decide otherwise?

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
check.decide(
    choice="no label smoothing",
    because="the accuracy stays within a point, and the probabilities are honest without it",
    score=round(float(np.mean(smoothing[0.0][0])), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Accuracy is silent about a rare class; precision and recall depend on the threshold, so move it
#    first.
# 2. Class weights and sampling answer for balanced data: their odds are too high.
# 3. Focal loss raises no row's loss. It lowers that of easy rows, by 100 at $p = 0.9$ and gamma 2.
# 4. Contrastive and triplet losses place rows; a triplet loss stuck at its margin has collapsed.
# 5. A loss of your own returns one value per row, passes finite differences, and keeps its settings in
#    `get_config`.
#
# **Break it.** Train `by_triplets` with `negatives="hard"` and a rate of 0.1, and print
# `log.history["loss"]`.
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
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "c")  # SOLUTION

# %%
check.cards()
check.summary()
