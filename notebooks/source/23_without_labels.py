# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 45
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
# # What can be learned without labels?
#
# Skip ahead if you can answer these: what does k-means make smaller, and what does it not promise?
# When is an autoencoder PCA? How can a generator's loss look fine while it makes one kind of thing?
#
# You will group penguins, squeeze images into two numbers, and draw new examples in three ways. You
# need [[training_loop]] and [[losses]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score as agreement

from coursekit import datasets
from coursekit.lessons.without_labels import check, parts
from coursekit.training import GAN, fit_many

# %% [markdown] topics="unsupervised-learning k-means"
# ## Groups
#
# **Unsupervised learning** looks for structure in rows without answers: groups, a shorter description,
# or the distribution itself, to draw new rows from it. No label says what is right. So each method
# brings a measure of its own: distances to centres, the error of rebuilding a row, or a **likelihood**, how
# probable the model finds the rows.
#
# **k-means** wants $k$ groups, each around a **centre**. It repeats two moves: assign each row to its
# nearest centre; move each centre to the mean of its rows. The measure is the sum of squared distances
# between rows and their centres. Here are two of four measurements of 342 penguins.

# %%
sizes, species = parts.penguins()  # species: kept for judging only
scaled = (sizes - sizes.mean(axis=0)) / sizes.std(axis=0)
parts.k_means_walk(scaled[:, [0, 2]])

# %% [markdown]
# ### One round of k-means (difficulty 2, 9 minutes)
#
# Write one round. Return three things: the `labels`, the row of `centres` by which each row moved it;
# the moved centres; and the sum of squared distances of the rows to their moved centres. A centre
# without rows stays where it is.


# %% exercise="k_means"
def k_means_round(x, centres):
    """Return labels, the moved centres, and the sum of squares."""
    ### BEGIN SOLUTION
    labels = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    moved = centres.copy()
    for k in np.unique(labels):
        moved[k] = x[labels == k].mean(axis=0)
    return labels, moved, ((x - moved[labels]) ** 2).sum()
    ### STUB
    # return labels, moved, ...
    ### END SOLUTION


check("k_means", k_means_round)

# %% [markdown]
# Now three centres on all four measurements, from eight random starts (`n_init=1`: one start a fit).
# Beside the sum of squares we print the agreement with the species, the adjusted Rand index: 1 for the
# same groups, near 0 for chance. (a) All end at the same groups. (b) Some end at worse groups, and the
# sum of squares shows which. (c) Some do, and nothing shows it.

# %%
check("predict_starts", "b")  # SOLUTION

# %%
for name, rows in {"scaled": scaled, "as measured": sizes}.items():
    ends = [KMeans(3, init="random", n_init=1, random_state=k).fit(rows) for k in range(8)]
    print(f"{name}: sum of squares", *[f"{end.inertia_:.3g}" for end in ends])
    print("  agreement with the species", *[f"{agreement(species, e.labels_):.2f}" for e in ends])
check.reveal("predict_starts")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# One start ends in a poor **local optimum**; its sum of squares gives it away. Among the good ends the
# lowest sum is not the best agreement: k-means was never asked for species. And unscaled, the body mass in grams
# decides alone.
#
# </details>

# %% [markdown] topics="dbscan"
# **DBSCAN** knows no centres. A row with at least `min_samples` rows (5, if you do not say) within a
# distance `eps` is a core; cores within `eps` of each other belong together, with their neighbours; the
# rest is **noise**, labelled -1. Nothing is minimised. Two rings, one inside of the other. Who finds
# them? (a) Only DBSCAN. (b) Both. (c) Neither.

# %%
check("predict_rings", "a")  # SOLUTION

# %%
points, inside = parts.rings()
ways = {"k-means": KMeans(2, n_init=10, random_state=0), "DBSCAN": DBSCAN(eps=0.5)}
found = {name: way.fit_predict(points) for name, way in ways.items()}
for name, labels in found.items():
    print(f"{name:8} agreement with the rings {round(agreement(inside, labels), 2) + 0:.2f}")
for eps in (0.4, 0.5, 0.6, 0.8):
    labels = DBSCAN(eps=eps, min_samples=8).fit_predict(scaled)
    print(f"penguins, eps {eps}: {labels.max() + 1} groups, {sum(labels < 0):3} rows of noise,",
          f"agreement with the species {agreement(species, labels):.2f}")  # fmt: skip
parts.two_ways(points, found)
check.reveal("predict_rings")

# %% [markdown] topics="pca"
# <details><summary>After you ran it</summary>
#
# Shape decides on the rings. On the penguins one number decides, `eps`, and no sum says which value is
# right: the method has moved the question, not answered it.
#
# </details>
#
# ## Fewer numbers
#
# **PCA** looks for the directions in which centred rows vary most. A singular value decomposition gives
# all of them at once; no training. Keep the first 8 of 64: a row's **code** is where it lies along
# them. What is lost is what varies along the others.

# %%
digits = datasets.load_digits()
x = digits.train.x.reshape(-1, 64).astype("float32")
x -= x.mean(axis=0)  # centred
_, lengths, directions = np.linalg.svd(x, full_matrices=False)
variances = lengths**2 / len(x)
codes = x @ directions[:8].T
error = np.mean((x - codes @ directions[:8]) ** 2)
print(f"variance kept by 8 of 64 numbers: {variances[:8].sum() / variances.sum():.0%}")
print(f"error {error:.4f}, dropped variances over 64 {variances[8:].sum() / 64:.4f}")

# %% [markdown]
# An **autoencoder** learns it instead: an **encoder** squeezes a row into a code, a **decoder** rebuilds
# the row, and `fit` gets the rows as their own targets. Take both linear, without biases, and the mean
# squared error over all entries.
#
# ### What must agree (difficulty 2, 7 minutes)
#
# Five columns vary along their five directions with the variances 5, 3, 1, 0.5 and 0.5. You keep two
# numbers a row. How large is the error at least, `lost`? And when training has reached it, in what must the
# autoencoder agree with PCA? All letters: A the decoder's weights, B the error, C each rebuilt row, D
# each code.

# %% exercise="agree"
lost = 0.4  # SOLUTION
letters = "BC"  # SOLUTION

check("agree", lost, letters)

# %% [markdown] topics="autoencoder"
# See whether training gets there. (Cosine 1: the same plane.)

# %%
nets = []
for seed in range(3):
    keras.utils.set_random_seed(seed)
    dense = [layers.Dense(8, use_bias=False), layers.Dense(64, use_bias=False)]
    nets.append(keras.Sequential([keras.Input((64,)), *dense]))
    rate = keras.optimizers.schedules.CosineDecay(1e-2, decay_steps=150 * 21)
    nets[-1].compile(keras.optimizers.Adam(rate), "mse")
fit_many(nets, x, x, epochs=150, batch_size=64, verbose=0)
for net in nets:
    decoder = net.get_weights()[1]
    print(f"error {np.mean((net.predict(x, verbose=0) - x) ** 2):.4f},",
          f"directions in common: cosine {parts.same_directions(decoder, directions[:8]):.2f},",
          f"largest difference of weights {abs(decoder - directions[:8]).max():.1f}")  # fmt: skip

# %% [markdown] topics="vae generative-models"
# With activations between its layers, which bend the plane, an autoencoder can do better. But it does
# not say which codes mean something. A **generative model** draws new examples like those that it saw.
#
# The **variational autoencoder** (VAE) makes the codes fit for that. Its encoder gives a cloud for each
# image: a mean $m$ and the logarithm $s$ of a variance, for each number of the code. The decoder gets a
# code drawn from the cloud. The loss has two terms: the error of rebuilding, and how far each cloud is
# from $N(0, 1)$, from which new codes will be drawn (the KL divergence). Minus their sum is a lower
# bound of the log-likelihood. For each number of the code the second term is $(e^s + m^2 - 1 - s)/2$.
#
# ### How far from N(0, 1) (difficulty 2, 6 minutes)
#
# Write `kl(mean, log_variance)` for arrays of shape (rows, codes): one value for each row.


# %% exercise="kl"
def kl(mean, log_variance):
    """Return for each row how far its cloud of codes is from N(0, 1)."""
    ### BEGIN SOLUTION
    return 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
    ### STUB
    # return ...
    ### END SOLUTION


check("kl", kl)

# %% [markdown]
# A VAE of Fashion-MNIST with codes of *two* numbers, over three seeds, beside PCA with two. Both are
# measured on images they did not learn from.

# %% tags=["nbval-ignore-output"]
images, unseen = parts.fashion()
vaes = [parts.vae(seed) for seed in range(3)]
fit_many(vaes, images, images, epochs=4, batch_size=128, verbose=0)
mean = images.mean(axis=0)
_, axes = np.linalg.eigh(np.cov(images.T))  # the last two: the most variance
plane = axes[:, -2:]
rebuilt = mean + (unseen - mean) @ plane @ plane.T
print(f"PCA: error {np.mean((rebuilt - unseen) ** 2):.3f}")
for vae in vaes:
    rebuilt = parts.pixels(vae.predict(unseen, verbose=0))
    print(f"VAE: error {np.mean((rebuilt - unseen) ** 2):.3f}")
parts.drawn(vaes[0].decoder)

# %% jupyter={"source_hidden": true}
# Safe to skip: what the text says holds here too.
assert all(
    np.mean((parts.pixels(vae.predict(unseen, verbose=0)) - unseen) ** 2) < 0.042 for vae in vaes
)

# %% [markdown]
# With as many numbers each VAE comes nearer than any plane. What it draws is blurred: where several
# images share a code, the least error is their mean.
#
# ## A game of two
#
# A **GAN** has no error of rebuilding. A **generator** $G$ turns noise $z$ into examples and never sees
# the data. A **discriminator** $D$ says for an example how likely it is real. They play for
# ($E$: the mean over examples)
#
# $$V = E\,\log D(x) + E\,\log(1 - D(G(z)))$$
#
# $D$ wants it high, $G$ low: the loss of $D$ is $-V$. In practice $G$ minimises $-\log D(G(z))$ instead, the *non-saturating* loss:
# it has a slope also while $D$ is sure.

# %% [markdown] topics="adversarial-loss"
# ### The end of the game (difficulty 2, 8 minutes)
#
# At a place $x$ the density of the data is $p$, that of the generated examples $q$. There the best $D$ makes
# $p \log D + q \log(1 - D)$ largest. What does it say where $p = 0.6$ and $q = 0.2$ (`d_here`)? At the end
# $G$ has learned the distribution: what does the best $D$ say then (`d_end`), and what is the `value` of
# $V$?

# %% exercise="game"
d_here = 0.75  # SOLUTION
d_end = 0.5  # SOLUTION
value = -1.386  # SOLUTION

check("game", d_here, d_end, value)

# %% [markdown] topics="mode-collapse"
# Data of which we know everything: eight narrow heaps on a ring. `parts.modes` counts to how many heaps
# the generated points come nearest, and which share of them lies on one. `GAN` is one model that plain
# `fit` trains, with an optimizer for each network (`beta_1=0.5`: a short memory). Both have the rate
# 0.001; then $D$ gets a tenth of it. With the slow $D$, where will the points of $G$ be? (a) All round the
# ring, on the heaps. (b) On one side, near half of the heaps at most. (c) All round the ring, beside the heaps.

# %%
check("predict_slow", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"]
gans = []
for rate in (1e-3, 1e-4):
    for seed in range(3):
        gan = GAN(parts.mlp(2, 2, seed), parts.mlp(2, 1))
        both = [keras.optimizers.Adam(r, beta_1=0.5) for r in (1e-3, rate)]  # of G, of D
        gan.compile(*both)
        gans.append(gan)
runs = fit_many(gans, parts.ring(2000 * 128), batch_size=128, verbose=0)  # 2,000 steps
made = [np.asarray(gan.generator(parts.noise(2000))) for gan in gans]
for points, run in zip(made, runs, strict=True):
    heaps, share = parts.modes(points)
    of_d = run.history["discriminator_loss"][0] / parts.END_OF_GAME
    print(f"near {heaps} heaps, {share:.0%} on one; loss of D {of_d:.0%} of that at the game's end")
parts.found("What the generators make", {"same rate": made[0], "slow D": made[3]})
check.reveal("predict_slow")

# %% jupyter={"source_hidden": true}
# Safe to skip: what the text says holds here too.
counts = [parts.modes(points)[0] for points in made]
assert min(counts[:3]) >= 7 and max(counts[3:]) <= 4

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The first three lines are those of equal rates. With the slow $D$ the generator suffers **mode collapse**: it
# makes one kind of thing, here one patch, most of it beside the heaps. Where $D$
# is fooled, all of $G$ goes: nothing in its loss asks for variety. The loss of $D$ hides it: it
# stands where the end of the game would be, because this $D$ knows nothing. Remedies: the ratio of the
# rates, as here; another loss (Wasserstein's, least squares); *mini-batch
# discrimination*, where $D$ sees several examples at once and so their sameness.
#
# </details>

# %% [markdown] topics="diffusion"
# ## Noise, taken away step by step
#
# **Diffusion** has no opponent. Mix noise $e$ into an example $x$, so that a share $a$ of its variance is
# kept: $\sqrt{a}\,x + \sqrt{1 - a}\,e$. A network reads the mixture and the step (of 50: from hardly any
# noise to nothing else), and predicts $e$: a plain regression. To draw, begin with pure noise and walk
# back.
#
# ### Back to the clean point (difficulty 2, 7 minutes)
#
# At each step of the walk the predicted noise gives a guess of the clean $x$. Write it, with `kept` for
# $a$, one number.


# %% exercise="clean"
def clean_point(noisy, noise, kept):
    """Return x, where noisy = sqrt(kept) * x + sqrt(1 - kept) * noise."""
    ### BEGIN SOLUTION
    return (noisy - np.sqrt(1 - kept) * noise) / np.sqrt(kept)
    ### STUB
    # return ...
    ### END SOLUTION


check("clean", clean_point)

# %% tags=["nbval-ignore-output"]
inputs, noise = parts.noised(3000 * 128)
denoisers = [parts.mlp(6, 2, seed) for seed in range(3)]
for net in denoisers:
    rate = keras.optimizers.schedules.CosineDecay(5e-3, decay_steps=3000)
    net.compile(keras.optimizers.Adam(rate), "mse")
fit_many(denoisers, inputs, noise, batch_size=128, verbose=0)
paths = [parts.walk_back(net, rows=2000) for net in denoisers]
for path in paths:
    heaps, share = parts.modes(path[0])
    print(f"near {heaps} heaps, {share:.0%} on one")
parts.found("The walk back", {f"step {k}": paths[0][k] for k in (50, 10, 0)})

# %% jupyter={"source_hidden": true}
# Safe to skip: what the text says holds here too.
assert all(parts.modes(path[0])[0] == 8 and parts.modes(path[0])[1] > 0.6 for path in paths)

# %% [markdown]
# All eight heaps, at every seed, by the same count; and no balance to keep. The price: 50 calls of the
# network for a draw, where a GAN needs one.
#
# ### Your decision
#
# PCA learned from the images, without labels, what they vary in. Should the running model read 50 such
# numbers in place of 784 pixels? `score` is the validation accuracy of your choice.

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
short = [(rows - mean) @ axes[:, -50:] for rows in (images, unseen)]
for name, rows, first in (("pixels", (images, unseen), 784), ("codes", short, 50)):
    nets = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        dense = [layers.Dense(128, "relu"), layers.Dense(10)]
        nets.append(keras.Sequential([keras.Input((first,)), *dense]))
    scores = parts.scores(nets, rows, garments)
    print(f"{name:6} {nets[0].count_params():7,} parameters, accuracy", np.round(scores, 2))

# %%
### BEGIN SOLUTION
check.decide(
    choice="keep the pixels",
    because="the codes gain nothing in accuracy, and PCA would have to travel with the model",
    score=0.84,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. k-means goes downhill to one of several ends; scaling and the start decide which.
# 2. A linear autoencoder finds PCA's plane, error and rebuilt rows; not its weights.
# 3. A VAE pays with some sharpness for codes from which one can draw.
# 4. A GAN may collapse while its losses look fine: count what it makes.
# 5. Diffusion draws by many small regressions, without an opponent.
#
# **The pitfall.** "The clusters are real because the algorithm found them." Every method finds what its
# measure asks for, in noise too.
#
# **Break it.** Give the GAN above a generator that is ten times slower than $D$.
#
# <details><summary>What happens</summary>
#
# `both` is made of the rates `(rate, 1e-3)`. $D$ is seldom fooled: its loss falls well below that of the game's
# end. And fewer points lie on a heap than at equal rates. A balance can be missed on both sides.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
