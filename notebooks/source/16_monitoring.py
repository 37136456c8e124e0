# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 48
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
# # What are the curves telling you?
#
# Skip ahead if you can answer these: why may validation loss lie below training loss in a healthy
# run? Which run tells a rate that is too high from a batch that is too small? A spike comes: skip,
# clip or rewind?
#
# You will sort nine runs, choose the experiments that decide, compute metrics and write an alarm. You
# need [[overfitting]] and [[backpropagation]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers

from coursekit import datasets, plots
from coursekit.diagnosis import Doctor, diagnose
from coursekit.lessons.monitoring import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="loss-curve"
# ## One run, four curves
#
# The **loss curve**, loss against steps or epochs, comes first. Healthy, it falls fast, then levels off.
# Here is one on digits, without dropout. The callback `Doctor` keeps the loss of each step;
# `AfterEpoch` evaluates the training rows after each epoch.
#
# In the first epochs the *logged* training loss lies above the validation loss. Why? (a) It is a mean
# over the epoch, and the net was worse when the epoch began. (b) Validation rows are easier, or leaked.
# (c) By chance.

# %%
check("predict_above", "a")  # SOLUTION

# %% tags=["nbval-ignore-output"]
digits = datasets.load_digits()
x, y = digits.train.x.reshape(-1, 64), digits.train.y
x_val, y_val = digits.validation.x.reshape(-1, 64), digits.validation.y
keras.utils.set_random_seed(0)
stack = [keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
model = keras.Sequential(stack)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
doctor, after = Doctor(x, y), parts.AfterEpoch(x, y)
history = model.fit(x, y, validation_data=(x_val, y_val), epochs=12, verbose=0,
                    callbacks=[doctor, after])  # fmt: skip
parts.four_curves(doctor, history, after.losses)
accuracy = history.history["val_accuracy"][-1]
error = np.sqrt(accuracy * (1 - accuracy) / len(y_val))
print(f"validation accuracy {accuracy:.2f}, standard error {error:.3f}")
check.reveal("predict_above")

# %% [markdown] topics="good-training-pattern metrics-to-track"
# <details><summary>After you ran it</summary>
#
# Evaluated after the epoch, the training rows cost less than the log says. Shift the logged curve left
# by half an epoch, and they nearly agree.
#
# </details>
#
# A curve is signal and noise. The steps scatter, since each sees other rows: look at means. An
# accuracy $p$ on $n$ rows has the standard error $\sqrt{p(1-p)/n}$: so far other rows might have moved
# it. Smaller wiggles are no news.
#
# Track four: training and validation loss, which should fall together, and both accuracies, which
# should rise together. Smooth curves, a small gap: so looks a **good training**.

# %% [markdown] topics="curve-diagnosis-rules overfitting-pattern underfitting-pattern"
# ## The clinic
#
# Nine runs, three seeds each, on ten digits; guessing costs $\ln 10 = 2.3$. Move the slider.

# %%
parts.clinic()

# %% [markdown]
# ### Name them (difficulty 2, 7 minutes)
#
# Sort the letters, each once. `healthy`: go on. `turns_up`: training falls, validation has turned up.
# `levelled_high`: both have come down, and level off far from 0. `hardly_moves`: both stay near guessing all along.
# `wild`: the training loss jumps up and down.

# %% exercise="clinic"
healthy = "BE"  # SOLUTION
turns_up = "CG"  # SOLUTION
levelled_high = "I"  # SOLUTION
hardly_moves = "DH"  # SOLUTION
wild = "AF"  # SOLUTION

check("clinic", healthy, turns_up, levelled_high, hardly_moves, wild)

# %% [markdown]
# ## Two diseases, one picture
#
# A picture names a group. Three of the groups have two causes each:
#
# - *wild*: the rate is too high, or the batch too small;
# - *turns up*: overfitting, or validation rows that come from elsewhere;
# - *hardly moves*: the rate is too low, or the gradient vanishes on its way down.
#
# What helps both decides nothing. You need a run that answers *differently* for the two:
# **a** a tenth of the rate; **b** ten times the rate; **c** batches of 64; **d** validation on rows held
# back from the training rows; **e** four times the units; **f** another seed. For example:

# %% tags=["nbval-ignore-output"]
parts.again("AF", "f")

# %% [markdown]
# ### Which run decides? (difficulty 3, 10 minutes)
#
# Another seed decides nothing. For each pair choose one run, make it with `parts.again`, and read it.
# Then say which case has too small a batch, which foreign validation rows, which too low a rate.

# %% exercise="decide" tags=["nbval-ignore-output"]
### BEGIN SOLUTION
parts.again("AF", "c")
parts.again("CG", "d")
parts.again("DH", "b")
runs = {"AF": "c", "CG": "d", "DH": "b"}
small_batch, foreign_rows, low_rate = "A", "G", "D"
### STUB
# # parts.again("AF", ...)
# runs = {"AF": ..., "CG": ..., "DH": ...}
# small_batch, foreign_rows, low_rate = ..., ..., ...
### END SOLUTION

check("decide", runs, small_batch, foreign_rows, low_rate)

# %% [markdown] topics="when-training-is-complete"
# ## Is it complete?
#
# A training is **complete** when going on would only overfit: validation no longer falls by more than
# its noise. Then a callback or a hand stops it.

# %% tags=["nbval-ignore-output"]
parts.complete()

# %% [markdown]
# Where the last epochs gained at every seed, the run is not complete. Where they gained nothing, it is,
# and complete does not mean good.

# %% [markdown] topics="monitor-everything"
# ## Look inside
#
# Track more than the loss: the sizes of gradients and updates, and idle (dead) units. The `Doctor`
# records them and adds three numbers to the log, which `CSVLogger` or `TensorBoard` after it write
# down. Case H again: six sigmoid layers, of slope at most 1/4. By what factor is the first
# matrix's gradient smaller than the last one's?
# (a) About 24: 4 a layer. (b) Over 1,000. (c) None: they are alike.

# %%
check("predict_inside", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"]
model = parts.sick()
doctor = Doctor(x, y, validation_data=(x_val, y_val))
history = model.fit(x, y, validation_data=(x_val, y_val), epochs=6, verbose=0, callbacks=[doctor])
plots.show(
    plots.training(doctor, "Case H from inside"),
    alt="Four panels: the loss; how far a step moves each matrix, by its size; the gradient of each "
    "matrix, from input to output; the share of saturated outputs, within 1 % of an end.",
)
first, last = doctor.record.looks[0], doctor.record.looks[-1]
for path in doctor.record.kernels:
    print(f"{path:28} weights {first.weights[path]:.2f}, gradient {first.gradients[path]:.0e}")
print("logged:", *history.history)
print(diagnose(doctor))
check.reveal("predict_inside")

# %% [markdown] topics="gradient-monitoring"
# <details><summary>After you ran it</summary>
#
# The hidden weights have one size. The gradient shrinks from layer to layer towards the input, and
# with it how far a step moves them. Near 0 in the first layers it vanishes: relu, skips, another
# start. Huge, it explodes: clip it. Below, the doctor *says* what its numbers
# prove, *asks* where two causes look alike, and *notes* the rest. (These digits are split by writer.)
#
# </details>

# %% [markdown] topics="loss-metric-divergence"
# ## What do you want to know?
#
# The loss is what we train on; a **metric** is what we want. They may part:

# %%
for name, right in {"bold": [0.9, 0.9, 0.9, 0.001], "shy": [0.45, 0.45, 0.45, 0.45]}.items():
    p = np.array(right)  # of two classes, the probability of the right one
    print(f"{name:4}  loss {-np.log(p).mean():.2f}, accuracy {np.mean(p > 0.5):.2f}")

# %% [markdown] topics="metrics-language"
# The lower loss has no row right. Decide by what your task pays for, and watch both.
#
# **Language.** **Perplexity** is $e^{L}$, with the mean cross-entropy $L$ in nats (natural
# logarithm): among so many equally likely words the model is torn. A translation is held against a
# reference. **BLEU**: which share of its words stands there, each counted at most as often as there,
# times a penalty for brevity; for runs of one to four words. **ROUGE**: which share of the reference's
# words it found.

# %%
reference = "the cat sat on the mat".split()
for said in ("the cat sat on a mat", "the the the the the the", "the cat"):
    words = said.split()
    hits = sum(min(words.count(word), reference.count(word)) for word in set(words))
    brevity = min(1, np.exp(1 - len(reference) / len(words)))
    print(f"{said:24} BLEU, single words {brevity * hits / len(words):.2f}, "
          f"ROUGE {hits / len(reference):.2f}")  # fmt: skip

# %% [markdown] topics="metrics-regression"
# **Numbers.** **RMSE** is the root of the mean squared error, in the unit of $y$. **$R^2$** is 1 minus
# that error divided by the variance of $y$: 1 at best, 0 for who always says the mean, negative for
# worse.
#
# ### Three decisions (difficulty 2, 8 minutes)
#
# A language model loses 2.0 nats a token: what is its `perplexity`? Its tokens have 4 characters on
# average. A second model loses 0.6 nats a character. Which predicts the same text better (`reader`),
# "tokens" or "characters"?
#
# A forecast of temperatures has a mean squared error of 9 in Rome, where their variance is 10, and of 25
# in Oslo, where it is 100. What are `rmse` and `r2` in Rome? In which `city` does it add more to what
# the mean knows?

# %% exercise="metrics"
perplexity = 7.39  # SOLUTION
reader = "tokens"  # SOLUTION
rmse = 3  # SOLUTION
r2 = 0.1  # SOLUTION
city = "Oslo"  # SOLUTION

check("metrics", perplexity, reader, rmse, r2, city)

# %% [markdown] topics="metrics-detection"
# **Detection.** Is a box right? **IoU**, intersection over union, is the area it shares with the true
# box, divided by the area they cover together. Below: the brain's box in three slices of a head, and
# that of all pixels brighter than a threshold.


# %%
def iou(a, b):  # each (top, left, bottom, right)
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (first + second - shared)


print(f"by hand: {iou((0, 0, 2, 2), (1, 1, 3, 3)):.3f} is 1 / (4 + 4 - 1)")
for bright in (30, 60, 90):
    print(f"threshold {bright}: IoU", *(f"{iou(*pair):.2f}" for pair in parts.masks(bright)))

# %% [markdown]
# Boxes come with scores. Rank them, best first; a box is a hit if its IoU with an object not yet found is
# above 0.5. **Average precision**: at each hit take the precision so far (hits by boxes), add these up,
# divide by the number of *objects*. **mAP** is its mean over the classes. (Benchmarks smooth the
# precision first, and average over several IoU.)
#
# ### A ranking, graded (difficulty 2, 8 minutes)
#
# Write it. The list `hits`, perhaps empty, has 1 for a hit, 0 for a miss, best score first. Then: A has
# the hits [1, 1, 0, 0, 0], B [0, 0, 1, 1, 1], of 3 objects. A surgeon looks at two boxes only: which
# `detector`?


# %% exercise="ranking"
def average_precision(hits, objects):
    """Return the average precision of ranked boxes."""
    ### BEGIN SOLUTION
    hits = np.asarray(hits)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return np.sum(precision * hits) / objects
    ### STUB
    # return ...
    ### END SOLUTION


detector = "A"  # SOLUTION
check("ranking", average_precision, detector)

# %% [markdown]
# ## A spike
#
# The loss of a good run jumps: a **spike**. Here the rate grows until it is too high. Which reaches
# three times its usual value first? (a) The gradient's norm. (b) The loss. (c) Both at one step.

# %%
check("predict_spike", "a")  # SOLUTION

# %% tags=["nbval-ignore-output"]
run = parts.train("rate too high")  # two layers in NumPy, all rows at once
parts.before_and_after(run, "Loss and gradient of one run")
check.reveal("predict_spike")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Near the bottom of a valley the gradient grows with the distance, the loss with its square. So a small
# swing shows in the gradient first: log it, and you are warned. A bad batch warns as well: its
# gradient is there before it is used.
#
# </details>
#
# ### An alarm (difficulty 2, 7 minutes)
#
# `norms` lists the gradient's norm at each step so far. Return True if the last is more than 5 times
# the median of the 20 before it; with fewer than 20, False. A last norm that is NaN or infinite is
# always an alarm.


# %% exercise="alarm"
def alarm(norms):
    """Say whether the last norm is an alarm."""
    ### BEGIN SOLUTION
    if not np.isfinite(norms[-1]):
        return True
    if len(norms) < 21:
        return False
    return bool(norms[-1] > 5 * np.median(norms[-21:-1]))
    ### STUB
    # return ...
    ### END SOLUTION


check("alarm", alarm)

# %% [markdown]
# ## Three answers
#
# **Skip** the step with an alarm; **clip** its gradient to twice the usual length; or **rewind** by 20
# steps, leave out the batch and go on at a quarter of the rate. Two causes: a batch with wrong labels, and
# the rate from above. Three seeds each.

# %% tags=["nbval-ignore-output"]
found = parts.spikes()

# %% [markdown] topics="loss-spikes"
# All three spare what one wrong batch costs. Where the rate is the cause, skipping ruins each run: the
# weights stay where it is steep, and the rate grows on. Clipping is no cure. Rewinding helps, since
# it *changes the cause*; with the same batches and rate it would meet the same spike. It costs steps done
# twice, and stored weights. Skipping also costs healthy batches: look at what the alarm threw away, it
# may be a rare class.
#
# ### Your decision
#
# When is the running model complete? By which number do you stop it, and after how many epochs?

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
unseen = garments.validation
nets = [lessons.running_model(seed) for seed in range(3)]
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for net in nets:
    net.compile("adam", loss_fn, metrics=["accuracy"])
logs = fit_many(nets, garments.train.x, garments.train.y, validation_data=(unseen.x, unseen.y),
                epochs=10, batch_size=64, verbose=0)  # fmt: skip
for name, best in (("val_loss", np.argmin), ("val_accuracy", np.argmax)):
    epochs = [int(best(log.history[name])) for log in logs]
    at = [log.history["val_accuracy"][k] for log, k in zip(logs, epochs, strict=True)]
    print(f"best {name:12} after epochs", [k + 1 for k in epochs], "accuracy", np.round(at, 2))
print(f"one standard error: {np.sqrt(at[0] * (1 - at[0]) / len(unseen.y)):.3f}")

# %%
### BEGIN SOLUTION
check.decide(
    choice="stop at the best validation loss, near epoch 8",
    because="the accuracy there is within a standard error, 0.008, of the best at each seed",
    score=0.87,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. A logged training loss is a mean over an epoch, with dropout on; compare after the epoch.
# 2. A curve names a group; a run that answers differently for two causes decides.
# 3. Complete is a run whose validation no longer falls by more than its noise, good or not.
# 4. Perplexity, BLEU, average precision, $R^2$: each needs its unit, its baseline and its decision.
# 5. The gradient's norm warns first; a rewind helps only if the cause changes.
#
# **The pitfall.** `norm > limit` is False for NaN: the alarm that matters most stays silent.
#
# **Break it.** `parts.train("wrong labels", warns=lambda norms: norms[-1] > 0.01, answer="skip").done`
# updates are made.
#
# <details><summary>What happens</summary>
#
# The limit knows nothing of the run: every step is skipped, and the loss stays as it was.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "c")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "a")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
