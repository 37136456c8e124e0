# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 42
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
# You will choose losses for rare classes and doubtful labels, move a threshold, and write and test a
# loss with a price of its own. You need [[losses]].
#
# > **You need only this.** *Ranking* quality does not depend on a threshold. *Average precision*
# > (AP) measures it: 1 is perfect, and the share of positives is what a random order scores.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops
from sklearn.metrics import average_precision_score

from coursekit import datasets, losses
from coursekit.lessons.custom_losses import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="imbalance-majority-collapse"
# ## A model that is nearly always right
#
# Which of these flights from New York will be cancelled? We train on some days and validate on
# others. `parts.flights()` fills gaps and scales twelve inputs: the hour, the weather, the distance,
# the airport.

# %%
x, y, x_valid, y_valid = parts.flights()
print(f"{len(y):,} training rows, {y.mean():.1%} cancelled; validation {y_valid.mean():.1%}")
print(f'"never cancelled" is right in {1 - y_valid.mean():.1%} of the validation rows')

# %% [markdown] topics="metrics-classification"
# So no model at all is right 97 times in 100. Count four cases: true and false positives (TP, FP),
# true and false negatives (TN, FN). "Positive" is what the model flags, here: cancelled.
#
# | measure | formula | question |
# |---|---|---|
# | **accuracy** | (TP + TN) / all | how often is it right? |
# | **precision** P | TP / (TP + FP) | how many alarms are true? |
# | **recall** R | TP / (TP + FN) | how many positives are found? |
# | **F1** | 2PR / (P + R) = 2TP / (2TP + FP + FN) | are both high? |
#
# ### Two lazy models (difficulty 1, 6 minutes)
#
# Of 1,000 rows 10 are positive. One model says no to all: give its `accuracy` and `recall`. Another
# flags 20 rows, the 10 positives among them: give its `precision` and `f1`. Then choose the one to
# `watch`, "accuracy", "recall" or "f1": it should be low for a model that always says no, and also
# for one that always says *yes*.

# %% exercise="always_no"
accuracy = 0.99  # SOLUTION
recall = 0.0  # SOLUTION
precision = 0.5  # SOLUTION
f1 = 2 / 3  # SOLUTION
watch = "f1"  # SOLUTION

check("always_no", accuracy, recall, precision, f1, watch)

# %% [markdown] topics="weighted-cross-entropy"
# ## Make the few count more
#
# **Weighted cross-entropy** multiplies each row's loss by a weight of its class:
# $-\sum_i w_{y_i} \ln p_{y_i}$. `fit` takes `class_weight={0: ..., 1: ...}`, which does the same as
# `sample_weight` with a weight for each row. By what does Keras divide the sum?

# %%
truth, said = np.array([[1.0], [0.0]]), np.array([[0.3], [0.2]])
row_weights = np.array([9.0, 1.0])
costs = row_weights * [-np.log(0.3), -np.log(0.8)]
by_keras = float(keras.losses.BinaryCrossentropy()(truth, said, sample_weight=row_weights))
print(f"Keras: {by_keras:.3f}")
print(f"sum / rows: {costs.sum() / 2:.3f}   sum / weights: {costs.sum() / row_weights.sum():.3f}")

x_few, y_few = x[:2000], y[:2000]
by_row = np.where(y_few == 1, 9.0, 1.0)
for option in ({"class_weight": {0: 1.0, 1: 9.0}}, {"sample_weight": by_row}):
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((12,)), layers.Dense(1, activation="sigmoid")])
    net.compile("sgd", "binary_crossentropy")
    net.fit(x_few, y_few, verbose=0, **option)
    print(*option, "gives the bias", f"{float(net.get_weights()[1][0]):.4f}")

# %% [markdown] topics="imbalance-sampling-weighting"
# By the number of rows: larger weights mean larger gradients.
#
# **Sampling** is the other way: draw the rare rows more often, or the common ones less. Resample
# only *training* rows, after the split. Otherwise copies of one row land on both sides:

# %%
rng = np.random.default_rng(0)
copies = rng.choice(np.flatnonzero(y == 1), 5000)  # oversampled, then split at random
kept, held = np.split(rng.permutation(copies), [4000])
print(f"validation positives that were trained on: {np.isin(held, kept).mean():.0%}")

# %% [markdown]
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
# $-\alpha_y (1 - p)^\gamma \ln p$. The factor $\alpha_y$ balances the classes: $\alpha$ for a positive
# row, $1 - \alpha$ for a negative one. The paper, on detectors in which nearly every box shows
# background, took $\gamma = 2$ and $\alpha = 0.25$. With $\gamma = 0$ and no $\alpha$ it is
# cross-entropy.
#
# Take a hard row, $p = 0.1$, and go from $\gamma = 0$ to $\gamma = 2$, without $\alpha$. Its loss (a)
# falls a little. (b) stays. (c) grows, for hard rows get more weight.

# %%
check("predict_focal", "a")  # SOLUTION

# %% topics="focal-downweighting"
parts.focal_curves()
focal, yes = keras.losses.BinaryFocalCrossentropy(gamma=2.0), np.array([[1.0]])
for p in (0.1, 0.5, 0.9, 0.968):
    ratio = -np.log(p) / float(focal(yes, np.array([[p]])))
    print(f"p = {p:5}: gamma 2 divides the loss by {ratio:.1f}")
balanced = keras.losses.BinaryFocalCrossentropy(gamma=2.0, apply_class_balancing=True)
half = np.array([[0.5]])
ratios = [float(balanced(label, half) / focal(label, half)) for label in (yes, 0 * yes)]
print("with alpha, a positive costs {:.2f} times as much, a negative {:.2f}".format(*ratios))
check.reveal("predict_focal")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Left: the higher gamma, the earlier the curve lies flat. No row costs more than under gamma 0; an
# easy one ($p = 0.9$) costs 100 times less. Right: the pull of easy rows vanishes, and that of a hard
# one even rises a little. Mind Keras's `alpha`: the binary loss ignores it unless
# `apply_class_balancing=True`; the categorical one always multiplies by its 0.25.
#
# </details>
#
# ### How much focus? (difficulty 2, 6 minutes)
#
# 975 negatives have $p = 0.9$, 25 positives have $p = 0.1$. Find the smallest integer `gamma` at
# which the positives own most of the focal loss (no $\alpha$), and the `share` they own there.

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

# %% tags=["nbval-ignore-output"]
bce = keras.losses.BinaryCrossentropy(from_logits=True)
focal = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)
drawn = [rng.choice(np.flatnonzero(y == label), len(y) // 2) for label in (0, 1)]
balance = {label: len(y) / (2 * np.sum(y == label)) for label in (0, 1)}
ways = {
    "plain": (bce, {}),
    "weighted": (bce, {"class_weight": balance}),
    "sampled": (bce, {"rows": [np.concatenate(drawn)] * 12}),  # the same rows for all 12 nets
    "focal": (focal, {}),
}


def build(loss_fn, rate, seed):
    keras.utils.set_random_seed(seed)
    net = keras.Sequential([keras.Input((12,)), layers.Dense(16, "relu"), layers.Dense(1)])
    net.compile(keras.optimizers.Adam(rate), loss_fn)
    return net


logits, rates = {}, (0.003, 0.01, 0.03, 0.1)
for way, (loss_fn, extra) in ways.items():
    nets = [build(loss_fn, rate, seed) for rate in rates for seed in range(3)]
    fit_many(nets, x, y, epochs=4, batch_size=256, verbose=0, **extra)
    z = np.array([np.array(net(x_valid))[:, 0] for net in nets])
    ap = np.reshape([average_precision_score(y_valid, run) for run in z], (4, 3))
    best = ap.mean(axis=1).argmax()
    logits[way] = z.reshape(4, 3, -1)[best]
    print(f"{way:9} best rate {rates[best]:5}  AP of three seeds {ap[best].round(2)}")

# %% tags=["nbval-ignore-output"]
parts.four_ways(y_valid, logits)
at_tenth = {}
for way, runs in logits.items():
    at_tenth[way] = parts.found_by(y_valid, runs)[:, len(y_valid) // 10 - 1]
    print(f"{way:9} cut at 0.5: flags {np.mean(runs > 0):4.0%},",
          f"recall {np.mean(runs[:, y_valid == 1] > 0):.2f},",
          f"mean p {np.mean(1 / (1 + np.exp(-runs))):.2f};",
          f"flagging 10 %: recall {at_tenth[way].round(2)}")  # fmt: skip
noise = np.sqrt(0.6 * 0.4 / y_valid.sum())
print(f"standard error of a recall near 0.6, for {y_valid.sum():.0f} flights: {noise:.2f}")
check.reveal("predict_four")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# At the usual cut of 0.5 the ways look worlds apart: plain flags hardly anything, weighted and sampled
# find most. The right panel shows why: the large marks sit at different places of nearly one curve. Move
# the slider along it. With 10 % flagged, the ways differ about as much as seeds do, and as chance would have it with so
# few cancelled flights. So first **move the threshold**. That needs honest probabilities, and plain
# has them: its mean $p$ is near the share of cancelled flights. The others say far too much.
#
# </details>
#
# ### Where to cut? (difficulty 2, 6 minutes)
#
# Weights multiply the **odds**, $p / (1 - p)$, by the ratio of the weights. A missed cancellation
# costs you as much as 20 false alarms. From which honest probability on do you raise the alarm
# (`cut`)? And a net trained with weights 1 and 40 (for cancelled) says 0.8: which probability is
# `honest`?

# %% exercise="threshold"
cut = 1 / 21  # SOLUTION
honest = 1 / 11  # SOLUTION

check("threshold", cut, honest)

# %% [markdown] topics="label-smoothing"
# ## Do not trust the label fully
#
# **Label smoothing** $\varepsilon$ over $K$ classes aims at $1 - \varepsilon + \varepsilon/K$ for the
# label and $\varepsilon/K$ for the others. Keras has it for one-hot labels (`label_smoothing=0.1`);
# coursekit has it for integers. What does it buy for the running model?

# %% tags=["nbval-ignore-output"]
target = np.full(10, 0.01) + 0.9 * np.eye(10)[0]
print(f"lowest smoothed loss, 10 classes: {-(target * np.log(target)).sum():.2f}")

fashion = datasets.load_fashion_mnist()
train, valid = fashion.train, fashion.validation
accuracies, sure = {}, {}
for amount in (0.0, 0.1):
    nets = [lessons.running_model(seed) for seed in range(3)]
    for net in nets:
        smoothed = losses.LabelSmoothedCrossentropy(label_smoothing=amount, from_logits=True)
        net.compile(keras.optimizers.Adam(0.003), smoothed)
    fit_many(nets, train.x, train.y, epochs=12, batch_size=128, verbose=0)
    ps = [np.array(ops.softmax(net(valid.x))) for net in nets]
    accuracies[amount] = [np.mean(one.argmax(1) == valid.y) for one in ps]
    sure[amount] = [one.max(1).mean() for one in ps]
    print(f"smoothing {amount}: accuracy {np.round(accuracies[amount], 3)},",
          f"confidence {np.round(sure[amount], 2)}")  # fmt: skip

# %% [markdown]
# The mean accuracies lie about a point apart, no more than single seeds do. The confidence (the mean
# of the highest probability) falls at every seed, here far below the accuracy: the net has become
# *under*-confident. Smoothing is for nets that are too sure (long training, doubtful labels). Its
# lowest loss is not 0, so a training loss that stops at 0.5 is no fault.

# %% [markdown] topics="custom-losses-encode-domain"
# ## A loss of your own, and how to test it
#
# Your problem may have a price of its own. Write the loss with `keras.ops`, which has a gradient where
# NumPy has none, and give one value per row. Then test three things: the gradient against **finite
# differences** (nudge a prediction up and down, and see how the loss changes), extreme inputs, the
# shape. `parts.trouble_with` does. Some of these losses only look right.

# %%
suspects = {
    "log cosh": lambda y, p: ops.mean(ops.log(ops.cosh(p - y)), axis=-1),
    "distance": lambda y, p: ops.sqrt(ops.sum((p - y) ** 2, axis=-1)),
    "half stopped": lambda y, p: ops.mean((ops.stop_gradient(p) - y) * (p - y), axis=-1),
    "mean of all": lambda y, p: ops.mean((p - y) ** 2),
    "keras.losses.huber": keras.losses.huber,
}
for name, suspect in suspects.items():
    print(f"{name:18} {parts.trouble_with(suspect)}")

# %% [markdown]
# The first overflows, the second divides by 0 where forecast and target agree, the third hides half of
# its gradient. The fourth averages over the batch itself: it would train well on one device, and
# [[distribution]] shows what happens on two.
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
@keras.saving.register_keras_serializable(package="my_losses")
class Power(keras.losses.Loss):
    def __init__(self, power=2.0, **options):
        super().__init__(**options)
        self.power = power

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true) ** self.power, axis=-1)


@keras.saving.register_keras_serializable(package="my_losses")
class PowerKept(Power):
    def get_config(self):
        return {**super().get_config(), "power": self.power}


for kind in (Power, PowerKept):
    loaded = keras.losses.deserialize(keras.losses.serialize(kind(power=3.0)))
    value = float(loaded(np.array([[0.0]]), np.array([[2.0]])))
    print(f"{kind.__name__:9} 2 to the power of 3 is, after loading, {value:.0f}")

# %% [markdown]
# Without `get_config` the loaded loss has the default again, and no warning tells.

# %% jupyter={"source_hidden": true}
# Tests of what the text says. Safe to skip.
k, z = keras.losses, np.random.default_rng(0).normal(size=(5, 10))
plain, no_focus = k.BinaryCrossentropy(), k.BinaryFocalCrossentropy(gamma=0.0)
assert np.isclose(float(no_focus(truth, said)), float(plain(truth, said)), rtol=1e-5)
quarter = k.CategoricalFocalCrossentropy(gamma=0.0, from_logits=True)(np.eye(10)[:5], z)
whole = k.CategoricalCrossentropy(from_logits=True)(np.eye(10)[:5], z)
assert np.isclose(float(quarter), 0.25 * float(whole), rtol=1e-3)
ours = losses.LabelSmoothedCrossentropy(label_smoothing=0.1, from_logits=True)(np.arange(5), z)
theirs = k.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(np.eye(10)[:5], z)
assert np.isclose(float(ours), float(theirs), rtol=1e-5)
recalls = {way: np.mean(runs[:, y_valid == 1] > 0) for way, runs in logits.items()}
assert min(recalls["weighted"], recalls["sampled"]) > recalls["plain"] + 0.3
assert max(runs.mean() for runs in at_tenth.values()) < at_tenth["plain"].mean() + 3 * noise
said_by = {way: np.mean(1 / (1 + np.exp(-runs))) for way, runs in logits.items()}
assert abs(said_by.pop("plain") - y_valid.mean()) < 0.02 and min(said_by.values()) > 0.1
assert max(sure[0.1]) < min(min(sure[0.0]), min(accuracies[0.1])) - 0.03
assert abs(np.mean(accuracies[0.1]) - np.mean(accuracies[0.0])) < 0.03

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
    score=round(float(np.mean(accuracies[0.0])), 2),
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
# 4. Label smoothing takes certainty, and hardly any accuracy.
# 5. A loss of your own returns one value per row, passes finite differences, and keeps its settings in
#    `get_config`.
#
# **Break it.** In the suspects, write "distance" with `ops.sqrt(... + 1e-7)`.
#
# <details><summary>What happens</summary>
#
# Nothing is found any more: the slope at 0 is now 0, where it was 0 divided by 0.
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
