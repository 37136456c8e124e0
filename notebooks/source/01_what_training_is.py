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
# # What is a model doing when it trains?
#
# Skip ahead if you can answer these: how many parameters has `Dense(4)` on three inputs? What does
# relu buy? If some weights of a net give a function, will training find them?
#
# You will compute by hand what a network computes, train three quite different ones by the same nine
# lines, and choose how a network ends. You need Python and NumPy arrays.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers

from coursekit import datasets
from coursekit.lessons.what_training_is import check, parts
from coursekit.training import fit_many, value_and_gradients

# %% [markdown] topics="training-definition samuel-1959-definition parametric-model-linear-regression"
# ## A function with knobs
#
# A **model** is a function with numbers in it that can be turned like knobs, its **parameters**.
# The simplest takes $n$ numbers and gives one: $\hat y = w_1 x_1 + \ldots + w_n x_n + b$, with $n$
# **weights** $w$ and a **bias** $b$. **Training** turns the knobs, little by little, until a
# **loss**, which says how wrong the answers are, is small. Nobody programs the rule; it comes from
# the data. (So *machine learning* is "the field of study that gives computers the ability to learn
# without being explicitly programmed": Arthur Samuel, 1959, by hearsay. His paper of that year has
# it nowhere.)
#
# In Keras a model is made of **layers**. `Dense(1)` computes `x @ W + b`: for each row of `x`, one
# number. `Input` says how many numbers a row has, and `Sequential` hands each layer's output to the
# next.

# %%
keras.utils.set_random_seed(0)  # the same random start every time
model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
model.summary()

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
y = x @ [2.0, -1.0, 0.5] + 1.0  # the rule that the model is to find
print("it says ", np.asarray(model(x[:4]))[:, 0].round(1))
print("right is", y[:4].round(1))

# %% [markdown]
# `summary()` lists the layers. *Output Shape* `(None, 1)`: any number of rows, one number each.
# *Param #*: three weights and a bias. Random weights give random answers.
#
# ## The heartbeat
#
# How should a knob be turned? The **gradient** tells for each one how fast the loss grows if it is
# turned up. So turn it the other way, by `rate` times its gradient, and ask again.


# %%
def train(model, x, y, rate, steps):
    losses = []
    for step in range(steps):
        found = value_and_gradients(model, x, y)  # answer, measure the loss, get its gradients
        gradients = found.gradients.values()
        for knob, gradient in zip(model.trainable_variables, gradients, strict=True):
            knob.assign_sub(rate * gradient)  # turn each a little, downhill
        losses.append(found.loss)
    return losses


model.compile(loss="mean_squared_error")  # says which loss is meant
losses = {"a line": train(model, x, y, rate=0.1, steps=60)}
W, b = (np.asarray(knob) for knob in model.trainable_variables)
print("loss, every 15 steps:", *[f"{loss:.3f}" for loss in losses["a line"][::15]])
print("weights", W[:, 0].round(2), " bias", b.round(2))

# %% [markdown]
# The rule's weights and bias, found from examples alone.
#
# ### Find the line (difficulty 2, 7 minutes)
#
# Now without Keras. `fit_line` gets points `x`, `y` on a line, and where the knobs stand. The
# gradients of the mean squared error are given. Turn the knobs until both are within 0.05 of the
# line's, whatever the line and the start (all from -5 to 5; `x` from -2 to 2).


# %% exercise="fit_line"
def fit_line(x, y, w, b):
    """Return the slope and the intercept, found from the start w, b."""
    ### BEGIN SOLUTION
    for _ in range(200):
        error = w * x + b - y
        grad_w, grad_b = 2 * np.mean(error * x), 2 * np.mean(error)
        w, b = w - 0.1 * grad_w, b - 0.1 * grad_b
    return w, b
    ### STUB
    # error = w * x + b - y
    # grad_w, grad_b = 2 * np.mean(error * x), 2 * np.mean(error)
    # ...
    ### END SOLUTION


check("fit_line", fit_line)

# %% [markdown]
# ## Bends
#
# A line cannot bend, and two in a row cannot either: $(xW_1 + b_1)W_2 + b_2$ is $xU + c$ again, with
# $U = W_1W_2$. Something between the layers must bend, an **activation**. The usual one, **relu**, sets
# negative numbers to 0 and leaves the others. Layers before the last are **hidden**, and the numbers
# that they give are their **units**: `Dense(4, activation="relu")` has four.
#
# ### Two layers by hand (difficulty 2, 8 minutes)
#
# Write what `[Dense(hidden, activation="relu"), Dense(outputs)]` computes. `x` has a row for each
# example.


# %% exercise="forward"
def forward(x, W1, b1, W2, b2):
    """Return the outputs, shape (rows, outputs)."""
    ### BEGIN SOLUTION
    hidden = np.maximum(0, x @ W1 + b1)
    return hidden @ W2 + b2
    ### STUB
    # return ...
    ### END SOLUTION


check("forward", forward)

# %% [markdown]
# ### How many knobs? (difficulty 2, 5 minutes)
#
# How many parameters has `[Dense(4), Dense(1)]` on rows of three numbers (`small`)? A net with one
# hidden layer takes 784 pixels and gives ten outputs: how many hidden units may it have at most
# (`widest`), for no more than 50,000 parameters?

# %% exercise="count_knobs"
small = 21  # SOLUTION
widest = 62  # SOLUTION

check("count_knobs", small, widest)

# %% [markdown] topics="classification-vs-regression supervised-learning"
# ## Numbers and kinds
#
# Where each row comes with its right answer, a **label**, as patients with a diagnosis, learning is
# **supervised**. If the label is a number, a price, it is called **regression**; if it is one of
# some kinds, **classification**. For kinds, the last layer gives each a score, and **softmax**
# makes probabilities of the scores: $p_k = e^{s_k} / \sum_j e^{s_j}$. The loss is then
# **cross-entropy**: minus the natural logarithm of the probability of the right kind, averaged over
# the rows. Certain and right costs 0; certain and wrong, without limit.
#
# | the answer | the last layer | the loss |
# |---|---|---|
# | a number | `Dense(1)` | `mean_squared_error` |
# | yes or no | `Dense(1, "sigmoid")`, squeezed to between 0 and 1: the probability of yes | `binary_crossentropy` |
# | one of K kinds | `Dense(K, "softmax")` | `sparse_categorical_crossentropy`, if labels are 0 to K - 1 |
#
# Three measures of a penguin, two questions: which of three species, and how long is its flipper?

# %% topics="loop-is-universal"
birds = datasets.load_penguins().table.dropna()
measures = birds[["bill_length_mm", "bill_depth_mm", "body_mass_g"]].to_numpy()
measures = (measures - measures.mean(axis=0)) / measures.std(axis=0)  # all of like size
species = birds.species.astype("category").cat.codes.to_numpy()  # 0, 1, 2
flipper = birds.flipper_length_mm.to_numpy() / 100 - 2  # dm more than 20 cm

keras.utils.set_random_seed(0)
hidden = layers.Dense(16, activation="relu")
namer = keras.Sequential([keras.Input((3,)), hidden, layers.Dense(3, "softmax")])
namer.compile(loss="sparse_categorical_crossentropy")
losses["a net that names species"] = train(namer, measures, species, rate=0.5, steps=60)

measurer = keras.Sequential([keras.Input((3,)), layers.Dense(16, "relu"), layers.Dense(1)])
measurer.compile(loss="mean_squared_error")
train(measurer, measures, flipper, rate=0.1, steps=60)

named, measured = np.asarray(namer(measures[:2])), np.asarray(measurer(measures[:2]))
print(f"species: shape {named.shape}, each row sums to {named.sum(axis=1).round(2)}")
print(f"flipper: shape {measured.shape}, any number: {measured.min():.2f}")
guesses = np.asarray(namer(measures)).argmax(axis=1)
print(f"species named rightly, on these same birds: {np.mean(guesses == species):.2f}")

# %% [markdown]
# The last model reads. It is a block of a **transformer**, of which language models are built: it
# looks from each character to those before, and gives a probability to each that could be next.

# %%
characters, following, symbols = parts.next_characters()  # from Hamlet
keras.utils.set_random_seed(0)
reader = parts.attention_block(symbols)
reader.compile(loss="sparse_categorical_crossentropy")
losses["a block that reads Hamlet"] = train(reader, characters, following, rate=0.5, steps=60)
parts.loss_curves(losses)
print(f"parameters: {model.count_params()}, {namer.count_params()}, {reader.count_params():,}")

# %% [markdown]
# `train` was never changed. Large language models turn more knobs, and more cleverly; the heartbeat
# is this one.
#
# ### Four endings (difficulty 2, 7 minutes)
#
# How does a network end for each of these tasks? Give (units, activation, loss); no activation is
# `None`.
#
# - `house`: the price of a house
# - `spam`: is this mail spam?
# - `digit`: which digit is on the picture? Labels are 0 to 9.
# - `topics`: which of five topics does an article treat? It may treat several.

# %% exercise="endings"
### BEGIN SOLUTION
endings = {
    "house": (1, None, "mean_squared_error"),
    "spam": (1, "sigmoid", "binary_crossentropy"),
    "digit": (10, "softmax", "sparse_categorical_crossentropy"),
    "topics": (5, "sigmoid", "binary_crossentropy"),
}
### STUB
# endings = {
#     "house": (..., ..., ...),
#     "spam": (..., ..., ...),
#     "digit": (..., ..., ...),
#     "topics": (..., ..., ...),
# }
### END SOLUTION

check("endings", endings)

# %% [markdown] topics="universal-approximation-theorem"
# ## What a net could do, and what it does
#
# The **universal approximation theorem**: take any continuous function on a closed interval (or
# box) and any continuous activation that is no polynomial. One hidden layer, with units enough and
# a last layer without activation, comes as near to the function as you like.
#
# So take $\sin 3x$ between $-\pi$ and $\pi$, and nets with `tanh`, an S-shaped bend. One kind starts
# with its bends spread over the interval, the other as Keras starts: every bias is 0, and all bends lie
# there. Each trains from three random starts (*seeds*), by `fit_many`: Keras's own loop `fit`
# ([[training_loop]]), for many nets. The spread ones with 64 units will hug the wave. What do they say
# at $x = 3\pi$, where the wave is 0? (a) Something else at each seed. (b) About 0, all three. (c)
# Nothing: an error.

# %%
check("predict_outside", "a")  # SOLUTION

# %% topics="representable-is-not-learnable"
rows = np.tile(parts.INSIDE, (20, 1))  # the 200 points, 20 times: 20 steps in an epoch of `fit`
nets = {
    (width, start): [parts.bumps(width, start, seed) for seed in range(3)]
    for width in parts.WIDTHS
    for start in ("spread", "keras")
}
every = [net for three in nets.values() for net in three]
fit_many(every, rows, parts.wave(rows), epochs=30, batch_size=200, shuffle=False, verbose=0)
parts.reach(nets)
for (width, start), three in nets.items():
    if width in (2, 64):
        errors = np.array([parts.largest_error(net) for net in three])
        outside = np.array([net(np.array([[3 * np.pi]])) for net in three]).ravel()
        print(f"{width:2} units, {start:6}  largest error inside {errors.round(2)},",
              f"at 3 pi it says {outside.round(2)}")  # fmt: skip
check.reveal("predict_outside")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Move the slider (first seed). With spread bends, 64 units come far nearer than 2, at all three
# seeds. From Keras's start they are about as far off as 2, though the theorem holds for them as
# well: the weights *exist*, and this training did not find them. To represent, to learn, and to be
# right elsewhere are three things.
#
# </details>
#
# ### What the theorem promises (difficulty 2, 4 minutes)
#
# Which of these follow from the theorem? Give letters.
#
# - A: some net is never off by more than 0.001 between -π and π
# - B: a net with enough units, trained long enough, gets there
# - C: a net that is exact between -π and π is exact at 2π
# - D: A holds for nets with `relu`, too
# - E: without an activation, enough units do it too

# %% exercise="theorem"
promised = "AD"  # SOLUTION

check("theorem", promised)

# %% [markdown] topics="training-goal-optimal-parameters"
# ## The lowest loss is not the goal
#
# Twelve points about the line $y = 2x - 1$, with noise. A line is fitted to them, and a curve with ten
# knobs. On 200 new points, which has the lower loss? (a) The line. (b) The curve. (c) They are alike.

# %%
check("predict_lowest", "a")  # SOLUTION

# %%
for draw in range(3):
    rng = np.random.default_rng(draw)
    few, many = rng.uniform(-1, 1, 12), rng.uniform(-1, 1, 200)
    y_few, y_many = (2 * v - 1 + rng.normal(0, 0.4, len(v)) for v in (few, many))
    fits = {"line": np.polyfit(few, y_few, 1), "ten knobs": np.polyfit(few, y_few, 9)}
    if draw == 0:
        parts.fitted_curves(few, y_few, fits)
    for name, fit in fits.items():
        old, new = (
            np.mean((np.polyval(fit, v) - t) ** 2) for v, t in ((few, y_few), (many, y_many))
        )
        print(f"draw {draw}, {name:9}  loss on its 12 points {old:.2f}, on new points {new:,.2f}")
check.reveal("predict_lowest")

# %% [markdown] topics="algorithms-need-different-training"
# <details><summary>After you ran it</summary>
#
# At each draw the curve has the lower loss where it was fitted, and a far higher one on new points,
# most of all outside the twelve: it has learned the noise by heart. Training seeks parameters
# that hold for *new* data ([[overfitting]]).
#
# </details>
#
# ## What trains differently
#
# Not everything that learns has this heartbeat:
#
# | algorithm | makes small | how | our loop? |
# |---|---|---|---|
# | neural networks | a loss with gradients | step by step | yes |
# | linear regression | squared errors | a formula, or our loop | can |
# | PCA (fewer columns) | squared errors after squeezing | an eigenvalue problem | no |
# | k-means | squared distances to centres | assign, average, again | no |
# | decision trees | the mixture in each group | greedily, split by split | no |
# | DBSCAN | nothing: it counts neighbours | one scan | no |

# %%
from sklearn.cluster import DBSCAN, KMeans

with_ones = np.column_stack([x, np.ones(len(x))])
solved = np.linalg.lstsq(with_ones, y)[0]
print("formula", solved.round(2), " loop", np.append(W, b).round(2))
centres = [KMeans(3, n_init=1, max_iter=n, random_state=0).fit(measures) for n in (1, 2, 20)]
print("k-means, squared distances after 1, 2, 20 rounds:", *[f"{k.inertia_:.0f}" for k in centres])
print("DBSCAN, groups it found:", len(set(DBSCAN(0.6).fit(measures).labels_) - {-1}))

# %% [markdown]
# What says "wrong" differs too. *Unsupervised*: nobody; one looks for structure. *Self-supervised*: a
# part of the data is hidden, and is the label. *Reinforcement*: a reward for what was done.
#
# ### Ten tasks, four kinds (difficulty 1, 5 minutes)
#
# Sort: `"supervised"`, `"unsupervised"`, `"self-supervised"`, `"reinforcement"`.

# %% exercise="kinds"
### BEGIN SOLUTION
kinds = [
    "supervised",  # 1 house prices from past sales
    "unsupervised",  # 2 customers in groups nobody has named
    "self-supervised",  # 3 the next word of a text
    "reinforcement",  # 4 a walking robot that is told how far it came
    "supervised",  # 5 X-rays with a doctor's finding
    "self-supervised",  # 6 a picture with a hole, to be filled in
    "unsupervised",  # 7 20 measurements squeezed into 2
    "reinforcement",  # 8 chess, with a win or a loss at the end
    "supervised",  # 9 spam, from mails that users marked
    "supervised",  # 10 tomorrow's temperature from years of weather reports
]
### STUB
# kinds = [
#     ...,  # 1 house prices from past sales
#     ...,  # 2 customers in groups nobody has named
#     ...,  # 3 the next word of a text
#     ...,  # 4 a walking robot that is told how far it came
#     ...,  # 5 X-rays with a doctor's finding
#     ...,  # 6 a picture with a hole, to be filled in
#     ...,  # 7 20 measurements squeezed into 2
#     ...,  # 8 chess, with a win or a loss at the end
#     ...,  # 9 spam, from mails that users marked
#     ...,  # 10 tomorrow's temperature from years of weather reports
# ]
### END SOLUTION

check("kinds", kinds)

# %% [markdown] topics="design-questions-map pipeline-overview training-art-and-science"
# ## The map
#
# | question | where |
# |---|---|
# | Which function? | here, and [[regularization]] |
# | What does "wrong" mean? | [[losses]], [[custom_losses]], [[structured_losses]] |
# | How are many knobs turned well? | [[gradient_descent]], [[backpropagation]], [[optimizers]], [[schedules]] |
# | Is what it found real? | [[overfitting]], [[cross_validation]], [[hyperparameter_search]] |
# | When to stop? | [[training_loop]], [[overfitting]] |

# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the way of a model, with the numbers of the lessons.
parts.pipeline()

# %% [markdown]
# Training is an experiment each time. Who knows what happens inside can say why it fails.
#
# ### Your decision
#
# The running model of [[start_here]] has a hidden layer of 128 units. Is it worth its knobs?
# `choice` and `because` are texts; `score` is its accuracy on garments that it was not trained on,
# the **validation** accuracy, from 0 to 1.

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
unseen = garments.validation
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # of scores, without softmax
for name, build in {"hidden layer": lessons.running_model, "none": parts.straight_model}.items():
    three = [build(seed) for seed in range(3)]
    for net in three:
        net.compile("adam", loss_fn, metrics=["accuracy"])
    fit_many(three, garments.train.x, garments.train.y, epochs=5, batch_size=64, verbose=0)
    right = [f"{net.evaluate(unseen.x, unseen.y, verbose=0)[1]:.2f}" for net in three]
    print(f"{name:12}  {three[0].count_params():7,} parameters, three seeds:", *right)

# %%
### BEGIN SOLUTION
check.decide(
    choice="keep the hidden layer of 128 units",
    because="it is right more often on garments that it was not trained on",
    score=0.85,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Training turns a function's parameters against the gradient of a loss, again and again.
# 2. A Dense layer is `x @ W + b`; without a bend between them, layers add nothing.
# 3. The last layer and the loss say what an answer can be.
# 4. That weights exist does not mean that training finds them, nor that they hold elsewhere.
# 5. The goal is new data.
#
# **The pitfall.** `train` goes on from where the knobs are. Called again on `namer`, neither it nor
# `fit` starts afresh; build a new model for that.
#
# **Break it.** Train a new line with `rate=2.0` and print its losses.
#
# <details><summary>What happens</summary>
#
# They grow from step to step, up to `inf`: each turn goes too far. Where the edge is, says
# [[gradient_descent]].
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
