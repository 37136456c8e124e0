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
# # Why can some networks be deep and others not?
#
# Skip ahead if you can answer these: how large should the random weights of a relu layer be? What
# does batch norm do with a single row? Must a wide net have another rate than a narrow one?
#
# You will choose starts by numbers, write batch norm, and build a block that can be stacked. You need
# [[training_loop]] and [[backpropagation]].
#
# > **You need only this.** To find the gradients, an *error signal* runs from the loss back to the
# > first layer; each layer multiplies it by its weights. *Adam* is an optimizer whose steps have about
# > the size of the rate, whatever the gradient's.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets
from coursekit.lessons.initialization_normalization import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="init-matters"
# ## Twenty-five layers
#
# Random rows go up through relu layers. `scale` 1 is a start that we explain below. With all weights
# twice as large, how much more spread out is what leaves the last layer? (a) Twice. (b) 50 times: twice
# in each of 25 layers. (c) Some 30 million times.

# %%
check("predict_twice", "c")  # SOLUTION


# %%
def spreads(scale, depth=25, units=64):
    rng = np.random.default_rng(0)
    h, found = rng.normal(size=(256, units)), []
    for _ in range(depth):
        W = scale * rng.normal(0, np.sqrt(2 / units), (units, units))
        h = np.maximum(0, h @ W)
        found.append(h.std())  # standard deviation
    return found


for scale in (0.1, 1, 2, 10):
    found = spreads(scale)
    print(f"scale {scale:3}: layer 1 {found[0]:.2g}, layer 10 {found[9]:.2g}, last {found[-1]:.2g}")
print(f"twice the weights, times the spread: {spreads(2)[-1] / spreads(1)[-1]:,.0f}")
check.reveal("predict_twice")
parts.depth()  # the same for five kinds of nets, and the error on its way down

# %% [markdown] topics="gradient-problem-remedies skip-connections glorot-initialization he-initialization"
# Depth multiplies, up and down. Move the slider. Sigmoid loses the error, unless its weights are huge.
# Relu holds both at 1, and drifts at any other scale. Batch norm (below) does not mind; its error grows
# a little at each layer. A **skip connection** (or *residual*) gives $x + F(x)$. Its slope is $F' + 1$:
# nothing vanishes, but even at 1 all grows. With a norm before $F$ it does not.
#
# | remedy | against vanishing | against exploding |
# |---|---|---|
# | a start that fits | yes | yes |
# | relu and its kin for sigmoid | yes | no |
# | batch norm, layer norm | yes | yes |
# | skip connections | yes | no |
# | clipping the gradient | no | yes |
#
# ## How large, then?
#
# A unit sums up $n$ products of an input and a weight. With weights of variance $v$ the variance of the
# sum is $n v$ times the mean square of the inputs. Relu halves that mean square, so it stays if
# $v = 2/n$: **He**'s start, `kernel_initializer="he_normal"`. **Glorot**'s is for what is about linear
# near 0, as tanh is. Forward that takes $1/n_{in}$, backward $1/n_{out}$; Glorot's is between:
# $v = 2 / (n_{in} + n_{out})$. It is Keras's default, drawn evenly from $-a$ to $a$, which has the variance
# $a^2/3$. A unit of a convolution has as many inputs as its window has numbers.
#
# ### Three starts (difficulty 2, 6 minutes)
#
# A Dense layer has 300 inputs and 100 units. What are the standard deviation of Glorot's start and
# its limit $a$? And which *variance* has He's in `Conv2D(32, 3)`, a window of 3 x 3, on 16 channels?
# Three digits.

# %% exercise="starts"
glorot_deviation = 0.0707  # SOLUTION
glorot_limit = 0.1225  # SOLUTION
he_variance = 0.0139  # SOLUTION

check("starts", glorot_deviation, glorot_limit, he_variance)

# %% [markdown] topics="zero-init-symmetry"
# ## Why random?
#
# Here all weights start at 0.1.

# %%
digits = datasets.load_digits()
x, y = digits.train.x.reshape(-1, 64)[:1000], digits.train.y[:1000]
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for start in (keras.initializers.Constant(0.1), "he_normal"):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(8, "relu", kernel_initializer=start) for _ in range(2)]
    same = keras.Sequential([*hidden, layers.Dense(10, kernel_initializer=start)])
    same.compile("adam", loss_fn)
    same.fit(x, y, batch_size=32, epochs=5, verbose=0)
    units = np.unique(same.get_weights()[0].round(3), axis=1).shape[1]
    print(f"after {5 * 32} steps, different units in the first layer: {units} of 8")

# %% [markdown]
# One unit, eight times: the same weights have the same output, the same gradient, and are the same
# after each step. Biases may start at 0, since random weights tell the units apart.
#
# ### All at zero (difficulty 2, 5 minutes)
#
# Now every weight and bias of `[Dense(8, relu), Dense(8, relu), Dense(10)]` is 0. Which have a
# gradient that is not 0? Give letters; then again with sigmoid for relu. A layer's weights (its
# *kernel*) have the gradient $h^T e$, with its input $h$ and the error $e$ at its output; its bias, the
# sum of $e$.
#
# | | first layer | second | last |
# |---|---|---|---|
# | kernel | A | C | E |
# | bias | B | D | F |

# %% exercise="zeros"
with_relu = "F"  # SOLUTION
with_sigmoid = "EF"  # SOLUTION

check("zeros", with_relu, with_sigmoid)

# %% [markdown] topics="batch-normalization bn-inference-running-averages"
# ## Batch norm
#
# If the scale matters, set it. **Batch norm** takes each unit's mean $\mu$ and variance $\sigma^2$
# over the rows of the batch and returns
#
# $$\gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad \epsilon = 0.001.$$
#
# $\gamma$ and $\beta$, one of each per unit, are trained. So a row's answer depends on its companions,
# and later rows may come alone. Hence in training the layer also keeps **running averages**: after each
# batch, 0.99 of the old value plus 0.01 of the batch's. At inference (`predict`, `evaluate`) these
# stand in for $\mu$ and $\sigma^2$, and stay as they are.
#
# ### Batch norm by hand (difficulty 3, 10 minutes)
#
# Write both modes. `x` has a row for each example, the others a number for each unit. `mean` and `var`
# are the running averages. Return the output, and both averages as they are afterwards.


# %% exercise="batch_norm"
def batch_norm(x, gamma, beta, mean, var, training):
    """Return (output, running mean, running variance)."""
    ### BEGIN SOLUTION
    used_mean, used_var = mean, var
    if training:
        used_mean, used_var = x.mean(axis=0), x.var(axis=0)
        mean = 0.99 * mean + 0.01 * used_mean
        var = 0.99 * var + 0.01 * used_var
    return gamma * (x - used_mean) / np.sqrt(used_var + 0.001) + beta, mean, var
    ### STUB
    # ...
    # return output, mean, var
    ### END SOLUTION


check("batch_norm", batch_norm)

# %% [markdown] topics="bn-gamma-beta"
# ### What gamma and beta can do (difficulty 2, 5 minutes)
#
# Which `gamma` and `beta` undo it, so that a batch with this mean and variance comes out unchanged? And
# how many numbers does `BatchNormalization()` keep for 64 units, in `total`, and how many are
# `trained`?


# %% exercise="undo"
def undo(mean, var):
    """Return (gamma, beta)."""
    ### BEGIN SOLUTION
    return np.sqrt(var + 0.001), mean
    ### STUB
    # return ..., ...
    ### END SOLUTION


total = 256  # SOLUTION
trained = 128  # SOLUTION

check("undo", undo, total, trained)

# %% [markdown] topics="bn-limitations layer-normalization"
# ## The companions
#
# In training a batch has two rows. Of the values 1 and 3 batch norm makes -1 and 1. And of 1 and 300?
# (a) Larger numbers. (b) -1 and 1 again. (c) That depends on the rows before.

# %%
check("predict_two", "b")  # SOLUTION

# %%
for pair in ([[1.0], [3.0]], [[1.0], [300.0]]):
    out = layers.BatchNormalization()(np.array(pair), training=True)
    print(pair, "->", np.asarray(out).round(2).ravel())
check.reveal("predict_two")

kinds = [layers.BatchNormalization(), layers.LayerNormalization(), layers.RMSNormalization()]
parts.companions(kinds)  # one row in many batches

# %% [markdown] topics="bn-in-cnn-ln-in-transformer"
# That noise falls as one over the root of the size: a mild regularizer in large batches, ruin in
# batches of two. Sequences of unequal length, and batches spread over devices, are trouble too (on
# TensorFlow `synchronized=True` takes the statistics over all devices).
#
# **Layer norm** is the same formula over the units of *one row*; **RMS norm** leaves out the mean:
# $\gamma x / \sqrt{\mathrm{mean}(x^2) + \epsilon}$. Neither knows companions, nor modes. Batch norm is usual
# in convolutional nets, layer norm in transformers; today's language models mostly take RMS norm.

# %%
image = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3)(keras.Input((8, 8, 1)))))
text = keras.Input((16, 32))
normed = layers.RMSNormalization()(text)
read = text + layers.MultiHeadAttention(2, 16)(normed, normed)
print("convolution, batch norm, relu:", image.shape, " RMS norm, attention, skip:", read.shape)

# %% [markdown] topics="bn-benefits batch-norm-vs-input-normalization"
# ## What batch norm buys
#
# Standardized inputs have the right scale before the first layer. Batch norm sees to it inside, at
# every step. Nine starts and rates of a net with five relu layers, with and without:


# %% tags=["nbval-ignore-output"]
def accuracy(net, training=False):
    return np.mean(np.asarray(net(x, training=training)).argmax(axis=1) == y)


scales, rates, accuracies = (0.1, 1.0, 10.0), (0.01, 0.1, 1.0), {}
for name, momentum in (("without batch norm", None), ("with batch norm", 0.9)):
    nets = [parts.relu_net(momentum, scale, rate) for scale in scales for rate in rates]
    fit_many(nets, x, y, epochs=8, verbose=0)
    accuracies[name] = np.reshape([accuracy(net) for net in nets], (3, 3))
parts.grid(accuracies, scales, rates)

# %% [markdown] topics="bn-why-covariate-shift"
# Batch norm forgives. *Why* is contested. Its authors said that it removes **internal covariate
# shift**: each layer's inputs drift while the layers below learn. So inject drift: behind each batch
# norm every unit gets a new random factor and offset at each step, of some `strength`. What becomes of
# its lead over a net with neither norm nor shift? (a) It is gone at the weakest. (b) It is kept at the
# strongest. (c) It depends on the strength.

# %%
check("predict_shift", "c")  # SOLUTION


# %% tags=["nbval-ignore-output"]
def shifted(norm, strength, seed):
    keras.utils.set_random_seed(seed)
    start = h = keras.Input((64,))
    for _ in range(4):
        h = layers.Dense(32)(h)
        if norm:
            h = layers.BatchNormalization(momentum=0.9)(h)
        still = ops.zeros_like(ops.mean(h, axis=0, keepdims=True))  # one number for each unit
        factor, offset = (layers.GaussianNoise(strength)(still) for _ in range(2))
        h = layers.Activation("tanh")(h * (1 + factor) + offset)
    model = keras.Model(start, layers.Dense(10)(h))
    model.compile(keras.optimizers.SGD(0.1), loss_fn)
    return model


strengths, losses = (0.0, 0.5, 1.0), {}
for name, norm in (("no norm", False), ("batch norm", True)):
    nets = [shifted(norm, strength, seed) for strength in strengths for seed in range(3)]
    fit_many(nets, x, y, epochs=6, verbose=0)
    losses[name] = np.reshape([float(loss_fn(y, net(x))) for net in nets], (3, 3)).T
parts.shifts(losses, strengths)
check.reveal("predict_shift")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Measured at inference, without shift. At 0.5 the net with batch norm *and* shift beats
# the one with neither: less drift cannot be the whole reason. At 1 the lead is gone: one strength
# alone could prove anything. Santurkar and others (2018) argued so, for a smoother loss as the reason.
# Take covariate shift as history.
#
# </details>

# %% [markdown] topics="resnet-depth"
# ## Deeper
#
# Batch norm everywhere now, so nothing vanishes. On the *training* rows, are 16 layers better than 4?
# (a) No, they are worse. (b) Yes, they can do more. (c) They are equal.

# %%
check("predict_deeper", "a")  # SOLUTION


# %% tags=["nbval-ignore-output"]
def deep(depth, skip, seed):
    keras.utils.set_random_seed(seed)
    start = keras.Input((64,))
    h = layers.Dense(24)(start)
    for _ in range(depth // 2):
        new = h
        for _ in range(2):
            new = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(new))
            new = layers.Dense(24, kernel_initializer="he_normal")(new)
        h = h + new if skip else new
    model = keras.Model(start, layers.Dense(10)(layers.BatchNormalization(momentum=0.9)(h)))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss_fn)
    return model


accuracies = {}
for depth, skip in ((4, False), (16, False), (16, True)):
    nets = [deep(depth, skip, seed) for seed in range(3)]
    fit_many(nets, x, y, epochs=8, batch_size=50, verbose=0)
    accuracies["skips" if skip else "plain", depth] = [accuracy(net) for net in nets]
parts.depths(accuracies)
check.reveal("predict_deeper")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Worse on the rows that they were trained on: that is no overfitting. The ResNet paper (2015) called it
# *degradation*. With skips a block does no harm if $F(x)$ is near 0. They trained 152 layers on ImageNet;
# 1,202 on small images trained as well, and overfitted.
#
# </details>
#
# ### A block that begins as nothing (difficulty 3, 9 minutes)
#
# Write the block of today's transformers, **pre-norm**: normalize, `Dense(32, "relu")`, a Dense layer
# back to the size of `h`, and add `h`. At the start it returns `h` unchanged, and still can learn. The
# norm must not look at other rows.


# %% exercise="block"
def block(h):
    """Return the block's output, of the shape of h: (rows, units)."""
    ### BEGIN SOLUTION
    new = layers.RMSNormalization()(h)
    new = layers.Dense(32, "relu")(new)
    return h + layers.Dense(h.shape[-1], kernel_initializer="zeros")(new)
    ### STUB
    # return ...
    ### END SOLUTION


check("block", block)

# %% [markdown] topics="rate-transfer-across-width"
# ## Wider
#
# With Adam each weight moves by about the rate. A unit fed by $n$ others gets $n$ such moves, all in the
# direction that helps. You tune the rate on 32 units and train 256. The best rate is now (a) larger,
# (b) smaller, (c) about the same.

# %%
check("predict_wide", "b")  # SOLUTION


# %% tags=["nbval-ignore-output"]
def wide(units, divided, rate, seed):
    keras.utils.set_random_seed(seed)
    part = 32 / units if divided else 1.0
    second = layers.Dense(units, "relu")
    first = [keras.Input((64,)), layers.Dense(units, "relu"), layers.Rescaling(part)]
    model = keras.Sequential([*first, second, layers.Rescaling(part), layers.Dense(10)])
    second.kernel.assign(second.kernel / part)  # so the second layer starts as it did
    model.compile(keras.optimizers.Adam(rate), loss_fn)
    return model


rates, losses = [2.0**k for k in range(-9, -3)], {}
for name, divided in (("as Keras starts", False), ("sums divided by the width", True)):
    for units in (32, 256):
        nets = [wide(units, divided, rate, seed) for rate in rates for seed in range(3)]
        fit_many(nets, x, y, epochs=2, verbose=0)
        losses[name, units] = np.reshape([float(loss_fn(y, net(x))) for net in nets], (6, 3))
parts.widths(losses, rates)
check.reveal("predict_wide")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# As Keras starts, the best rate falls (by up to 8, theory says). Where what a layer is fed is divided
# by the width, the rate tuned on 32 units serves 256. That is **muP** in its simplest form: tune small,
# train large. The rate carries over; the loss need not be lower.
#
# </details>
#
# ### The rate for the large one (difficulty 2, 5 minutes)
#
# Or leave the sums, and give each layer its rate. A net of 64 inputs and two hidden layers of 256 units
# was tuned with Adam, at 0.003. Now the hidden layers get 4,096 units. Which rates for its three Dense
# layers?

# %% exercise="wide_rates"
### BEGIN SOLUTION
wide_rates = {"first": 0.003, "second": 0.003 / 16, "last": 0.003 / 16}
### STUB
# wide_rates = {"first": ..., "second": ..., "last": ...}
### END SOLUTION

check("wide_rates", wide_rates)

# %% [markdown]
# ## The pitfall: averages that lag
#
# Keras's running averages move by 1 % a batch. After few steps, inference uses values still near their
# start, 0 and 1.

# %% tags=["nbval-ignore-output"]
for momentum in (0.99, 0.9):
    net = parts.relu_net(momentum, 1.0, 0.1)
    net.fit(x, y, batch_size=32, epochs=1, verbose=0)
    modes = accuracy(net, training=True), accuracy(net)
    print(f"momentum {momentum}: accuracy, training mode {modes[0]:.2f}, inference {modes[1]:.2f}")

# %% [markdown]
# ### Your decision
#
# Does the running model get batch norm? `score` is the validation accuracy of your choice.

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
# Safe to skip: trains the running model without and with batch norm.
garments = datasets.load_fashion_mnist()
for name, norms in {"plain": [], "batch norm": [layers.BatchNormalization()]}.items():
    keras.utils.set_random_seed(0)
    before = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()]
    hidden = [layers.Dense(128), *norms, layers.ReLU()]
    model = keras.Sequential([*before, *hidden, layers.Dense(10)])
    model.compile("adam", loss_fn, metrics=["accuracy"])
    model.fit(garments.train.x, garments.train.y, batch_size=64, epochs=3, verbose=0)
    score = model.evaluate(garments.validation.x, garments.validation.y, verbose=0)[1]
    print(f"{name:10}  validation accuracy {score:.2f}")

# %%
### BEGIN SOLUTION
check.decide(choice="no batch norm", because="the scores are about the same", score=0.84)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Depth multiplies, so the start must fit: for relu, He's variance of 2 over the inputs.
# 2. Weights start random, or all units of a layer stay one unit.
# 3. Batch norm looks at the batch in training and at running averages later; layer norm and RMS norm
#    look at one row.
# 4. Skips let depth do no harm; a norm before each block holds the scale.
# 5. With Adam the best rate falls as the width grows, unless the sums are divided by it.
#
# **Break it.** Set `depth=400` in `spreads` at scale 2, and print the last spread.
#
# <details><summary>What happens</summary>
#
# A number of over a hundred digits, in float64. float32 ends at 3e38.
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
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
