# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 47
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
# # Which weight is to blame?
#
# Skip ahead if you can answer these: why does the gradient of a million weights cost no more than
# about three evaluations of the loss? What must the forward pass keep for it? What do ten sigmoid
# layers leave of it, at best?
#
# You will write the backward pass of a network by hand, hold a gradient against measured slopes, and
# see where it dies on its way. You need [[what_training_is]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets
from coursekit.lessons.backpropagation import check, parts
from coursekit.training import fit_many, value_and_gradients

# %% [markdown] topics="backprop-is-not-an-optimizer"
# ## Turn every knob, or go back once
#
# The gradient says of each weight how fast the loss grows if the weight does: its share of the
# **blame**. It can be measured: turn one weight a little, compute the loss again, divide the change by
# the turn. Here is a net of 1,210 parameters. `loss_of` computes its loss in NumPy, by the two layers
# of [[what_training_is]].

# %%
digits = datasets.load_digits()
x, y = digits.train.x.reshape(-1, 64)[:32].astype("float64"), digits.train.y[:32]
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((64,)), layers.Dense(16, "relu"), layers.Dense(10)])
model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
weights = [np.asarray(w, "float64") for w in model.get_weights()]

evaluations, measured = [parts.loss_of(weights, x, y)], []
for w in weights:
    for place in np.ndindex(w.shape):
        w[place] += 1e-6
        evaluations.append(parts.loss_of(weights, x, y))
        measured.append((evaluations[-1] - evaluations[0]) / 1e-6)
        w[place] -= 1e-6

found = value_and_gradients(model, x, y)  # once forward, once back
gradients = np.concatenate([g.ravel() for g in found.gradients.values()])
same = np.allclose(measured, gradients, atol=1e-4)
print(f"{len(evaluations):,} evaluations, or one pass back: the same gradient? {same}")
for optimizer in (keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)):
    knobs = [keras.Variable([0.0, 0.0])]
    optimizer.apply([ops.convert_to_tensor([0.5, 0.01])], knobs)
    print(f"{optimizer.name}, told 0.5 and 0.01, moves by", np.asarray(knobs[0]).round(3))

# %% [markdown]
# The pass back is **backpropagation**, the backward propagation of errors. It makes the training of
# large nets affordable. It is *no optimizer*: it finds the gradient, and an optimizer decides what to
# do with it. The last two lines show it: two optimizers, one gradient, different steps.
#
# ### The bill (difficulty 2, 5 minutes)
#
# The running model has `Dense(128)` and `Dense(10)` on 784 pixels. How many `evaluations` of the loss
# does the measured gradient take, as above? And how many `products` of matrices does one gradient by
# backpropagation take, forward and back, in a net of five Dense layers? Going back, a layer makes one
# product for its weights' blame and one for what it read. Nobody asks for the blame of the data.

# %% exercise="bill"
evaluations_needed = 101_771  # SOLUTION
products = 14  # SOLUTION

check("bill", evaluations_needed, products)

# %% [markdown] topics="chain-rule network-as-composition"
# ## A product of local slopes
#
# If $f(x) = h(g(x))$, then $f'(x) = h'(g(x))\, g'(x)$: the **chain rule**. A network is such a chain of
# functions, and the gradient along a path is the product of the local slopes. Where numbers are
# arrays, the slopes are matrices, the **Jacobians**. A chain of three layers (`tanh` has the slope
# $1 - \tanh^2$):

# %%
rng = np.random.default_rng(0)
W, v = rng.normal(0, 0.5, (3, 4, 4)), rng.normal(size=(1, 4))
jacobian, h = np.eye(4), v
for layer in W:
    h = np.tanh(h @ layer)
    jacobian = jacobian @ layer * (1 - h**2)  # one factor more


def chain(v):
    for layer in W:
        v = ops.tanh(ops.matmul(v, layer))
    return ops.sum(v)


print("slopes multiplied", jacobian.sum(axis=1).round(3))  # for the sum of the outputs
print("by the library   ", value_and_gradients(chain, {"v": v}).gradients["v"][0].round(3))

# %% [markdown] topics="computational-graph two-layer-example-graph"
# The product is never made of whole matrices, only of a vector with one matrix after another, from
# the loss back. And paths may fork and join. So a library draws up a **computational graph**: a node
# for each operation, an arrow for each number that one hands to the next. Here is that of
# $\mathrm{Loss}(\mathrm{softmax}(\mathrm{relu}(xW_1 + b_1)W_2 + b_2))$, for one row with right class 0.

# %%
parts.graph()
print("forward ", *parts.GRAPH)
print("backward", *reversed(parts.GRAPH))

# %% [markdown]
# Move the slider. Forward, each node computes its value (blue) from what it reads. Then the order is
# turned round: each node gets the blame of its value (orange), multiplies it by its own slope and hands
# it on. Look at `relu`: where $a$ was negative, no blame passes.

# %% topics="autograd" jupyter={"source_hidden": true}
# Safe to skip: the graph beside the library, and what was computed before the record began.
leaves = {name: value.astype("float32") for name, value in parts.LEAVES.items()}


def two_layers(x, W1, b1, W2, b2):
    h = ops.relu(ops.matmul(x[None], W1) + b1)
    return -ops.log_softmax(ops.matmul(h, W2) + b2)[0, 0]


walk = parts.forward_and_back(parts.LEAVES)[1]
blame = {name: value for _, handed in walk for name, value in handed.items()}
by_library = value_and_gradients(two_layers, leaves).gradients
for name in leaves:
    print(f"{name:2}  as the library says:", np.allclose(blame[name], by_library[name], atol=1e-5))

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    knob = tf.Variable(2.0)
    outside = knob**2
    with tf.GradientTape(persistent=True) as tape:
        inside = knob**2
    print("on the tape:", float(tape.gradient(inside, knob)))
    print("computed before:", tape.gradient(outside, knob))
else:
    import jax

    outside = jax.numpy.square(2.0)
    print("in the function:", jax.grad(jax.numpy.square)(2.0))
    print("computed before:", jax.grad(lambda knob: outside)(2.0))

# %% [markdown] topics="backward-pass-steps"
# That is **automatic differentiation**: every operation comes with its own slope, and the library keeps
# the record. What is computed outside of the record has no blame: `None` on TensorFlow, 0 on JAX.
#
# ## The pass back by hand
#
# Four steps, for a batch of $n$ rows, with $dz$ short for the gradient with respect to $z$:
#
# 1. the output: softmax and cross-entropy together give $dz = (p - y)/n$, with a 1 in $y$ at the right
#    class of each row and 0 elsewhere;
# 2. a layer $z = hW + b$: $dW = h^\top dz$, $db$ is the sum of $dz$ over the rows, $dh = dz\, W^\top$;
# 3. the bend: $dh$ times the slope of the bend at each place;
# 4. the layer below, as in 2.
#
# ### Two layers, backward (difficulty 3, 12 minutes)
#
# Write it. `y` holds class numbers. Return the gradients of `W1, b1, W2, b2`, each of its weight's shape.
# Each is held against the right one.


# %% exercise="backward"
def backward(x, y, W1, b1, W2, b2):
    """Return the gradients of the mean cross-entropy: dW1, db1, dW2, db2."""
    a = x @ W1 + b1
    h = np.maximum(0, a)
    z = h @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    ### BEGIN SOLUTION
    dz = (p - np.eye(p.shape[1])[y]) / len(x)
    da = dz @ W2.T * (a > 0)
    return x.T @ da, da.sum(axis=0), h.T @ dz, dz.sum(axis=0)
    ### STUB
    # dz = ...
    ### END SOLUTION


check("backward", backward)

# %% [markdown]
# ## Which step measures best?
#
# Who writes a gradient holds it against measured slopes. Better than from one side is from both:
# $(L(w + \varepsilon) - L(w - \varepsilon)) / 2\varepsilon$. In float32, about seven digits, which
# $\varepsilon$ comes nearest? (a) 1e-12: the smaller, the better. (b) 1e-7, the last digit. (c) 1e-3.

# %%
check("predict_step", "c")  # SOLUTION

# %%
parts.step_errors(weights, x, y)
check.reveal("predict_step")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Two errors pull against each other. A long step sees the curve of the loss (and the corners of relu). A
# short one divides a difference of two nearly equal numbers, of which rounding left little, by a tiny
# number; in the end $w + \varepsilon$ is $w$.
#
# </details>
#
# ### A measured gradient, repaired (difficulty 2, 7 minutes)
#
# This one comes from a notebook that calls right gradients wrong. `loss` takes a float32 array like `w`
# and computes in float32. Make every slope right within 1 %, also near a minimum, and leave `w` as it is.


# %% exercise="measured"
### BEGIN SOLUTION
def measured_gradient(loss, w):
    """Return the slope of loss at w for each of its entries, in the shape of w."""
    slopes = np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        up, down = w.copy(), w.copy()
        up[place] += 1e-3
        down[place] -= 1e-3
        slopes[place] = (loss(up) - loss(down)) / (up[place] - down[place])
    return slopes


### STUB
# def measured_gradient(loss, w):
#     """Return the slope of loss at w for each of its entries, in the shape of w."""
#     slopes = np.zeros(w.shape)
#     before = loss(w)
#     for place in np.ndindex(w.shape):
#         w[place] += 1e-12
#         slopes[place] = (loss(w) - before) / 1e-12
#     return slopes
### END SOLUTION

check("measured", measured_gradient)

# %% [markdown] topics="forward-pass-stores-activations"
# ## What the forward pass must remember
#
# Look at your backward pass: it reads `x`, `h` and `p`, and where `a` was positive. Until it has come
# past, a layer's numbers stay in memory, and there are as many again for each row.

# %%
stack = [keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()]
stack += [layers.Conv2D(64, 3, activation="relu"), layers.GlobalAveragePooling2D()]
cnn = keras.Sequential([*stack, layers.Dense(10)])
each = sum(int(np.prod(layer.output.shape[1:])) for layer in cnn.layers)
for rows in (1, 64, 1024):
    parameters, outputs = 4 * cnn.count_params() / 1e6, 4 * rows * each / 1e6  # 4 bytes each
    print(f"{rows:5} rows: parameters {parameters:.2f} MB, outputs of layers {outputs:7.2f} MB")

# %% [markdown] topics="activation-checkpointing"
# **Activation checkpointing** remembers less: of a block of layers only what went in. On the way back the
# block is computed once more. `keras.RematScope` asks for it where layers are made. The step stays the
# same; here three blocks, each `x + Dense(gelu(Dense(x)))` (gelu: a smooth relu).

# %%
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
towers = []
for mode in (None, "full"):
    keras.utils.set_random_seed(0)
    with keras.RematScope(mode):
        blocks = [parts.block(64) for _ in range(3)]
    towers.append(keras.Sequential([keras.Input((64,)), *blocks, layers.Dense(10)]))
    towers[-1].compile(keras.optimizers.SGD(0.1), loss_fn)
    towers[-1].fit(x, y, batch_size=32, epochs=3, verbose=0)
pairs = zip(*(tower.get_weights() for tower in towers), strict=True)
print("same weights after three steps:", all(np.allclose(a, b, atol=1e-5) for a, b in pairs))
parts.compiler_said()

# %% [markdown]
# Even without the scope the compiler lets fewer numbers wait than the layers put out.
#
# ### A memory that fits (difficulty 2, 5 minutes)
#
# A net of 24 equal blocks. A block's input takes 2 MB, what is computed inside takes 10 MB more. How many
# `plain` MB wait when the pass back begins? And how many at most, `checkpointed`: all inputs, and the
# inside of the block that is being computed again? A pass back costs twice a pass forward. By how many
# `percent` does the work of a step grow?

# %% exercise="memory"
plain = 288  # SOLUTION
checkpointed = 58  # SOLUTION
percent = 33.3  # SOLUTION

check("memory", plain, checkpointed, percent)

# %% [markdown] topics="vanishing-gradients exploding-gradients"
# ## Twenty layers down
#
# Fifty layers are fifty factors: $0.9^{50}$ is 0.005, and $1.1^{50}$ is 117. If most are below 1 the
# gradient **vanishes** on its way, and the first layers hardly learn; if they are above 1 it
# **explodes**, and a step throws the weights about, up to NaN.
#
# Four nets of twenty layers, before any training: sigmoid; relu with **He**'s start (weights of variance
# 2/inputs); relu with twice He's standard deviation; relu with **skips**: each layer adds what it
# read to its output, $h + f$, and $f$ starts small. With sigmoid, how much blame comes to the first
# layer, beside the last? (a) About as much. (b) About a hundredth. (c) Less than a billionth.

# %%
check("predict_depth", "c")  # SOLUTION

# %% tags=["nbval-ignore-output"]
pixels, labels = parts.standardized_digits()
he, plain_relu = np.sqrt(2 / 64), parts.deep("relu")
nets = {
    "sigmoid": (parts.deep("sigmoid"), 1 / 8),  # a net, and the deviation of its weights
    "relu, He": (plain_relu, he),
    "relu, twice He": (plain_relu, 2 * he),
    "relu with skips": (parts.deep("relu", skips=True), he / 20),
}
biases = {}
for name, (net, spread) in nets.items():
    norms = []
    for seed in range(3):
        parts.start(net, spread, seed)
        norms.append(parts.norms(value_and_gradients(net, pixels, labels)))
    kernels, biases[name] = np.moveaxis(norms, 1, 0)
    print(f"{name:15}  gradient of the first kernel", *[f"{n:.0e}" for n in kernels[:, 0]])
parts.blame_by_layer(biases)
check.reveal("predict_depth")

# %% [markdown] topics="relu-vs-sigmoid"
# <details><summary>After you ran it</summary>
#
# Sigmoid loses a factor near 0.23 at each layer. Twice He gains nearly 2. He's start keeps the level by
# its choice of variance ([[initialization_normalization]]), the skip because a `+` hands the blame on as it is.
#
# </details>
#
# A bend's slope is one of the factors. The sigmoid's is $p(1 - p)$, never above 0.25. That of relu is 1
# or 0.

# %% jupyter={"source_hidden": true}
# Safe to skip: four bends and their slopes.
parts.bends()

# %% [markdown]
# Language models use smooth relatives: **GELU**, and **SiLU**, which is $z$ times its sigmoid. They are often
# **gated**: one layer's SiLU times another layer's output (SwiGLU).
#
# ### Two diseases (difficulty 2, 6 minutes)
#
# Which factor do ten sigmoid bends leave of a gradient at best (`at_best`)? Which remedies help which
# disease? Give all letters that help: A relu for sigmoid, B cutting gradients that are longer than a limit
# ("clipping"), C smaller initial weights, D skips.

# %% exercise="diseases"
at_best = 9.5e-7  # SOLUTION
### BEGIN SOLUTION
helps = {"vanishing under sigmoid": "AD", "exploding under twice He": "BC"}
### STUB
# helps = {"vanishing under sigmoid": ..., "exploding under twice He": ...}
### END SOLUTION

check("diseases", at_best, helps)

# %% [markdown] topics="leaky-relu-prelu dead-neurons"
# ## Units that nobody blames
#
# A relu unit whose $a$ is negative for every row is **dead**: it says 0, and no blame passes. **Leaky
# relu** lets a part through, $0.3a$ (Keras's `negative_slope`; elsewhere 0.01 is usual). **PReLU** learns the
# slope. One unit is to learn $y = \max(0, 2x)$, and its bias is planted so low that it is dead. After 200
# steps: (a) all three have learned. (b) Only the relu has not. (c) None has.

# %%
check("predict_dead", "b")  # SOLUTION

# %%
line = np.linspace(-1, 1, 50)[:, None].astype("float32")
target = np.maximum(0, 2 * line)
quarter = keras.initializers.Constant(0.25)
for bend in (layers.ReLU(), layers.LeakyReLU(negative_slope=0.3), layers.PReLU(quarter)):
    unit = layers.Dense(1)
    one = keras.Sequential([keras.Input((1,)), unit, bend])
    unit.set_weights([np.array([[1.0]]), np.array([-2.0])])  # below 0 on every row
    one.compile(keras.optimizers.SGD(0.3), "mse")
    gradient = parts.gradient_of_bias(bend, line, target, bias=-2.0)
    one.fit(*(np.tile(v, (200, 1)) for v in (line, target)), 50, shuffle=False, verbose=0)
    print(f"{type(bend).__name__:10} gradient of the bias {gradient:5.2f},",
          f"loss after 200 steps {one.evaluate(line, target, verbose=0):.2f}")  # fmt: skip
check.reveal("predict_dead")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The dead unit's gradient is exactly 0, so it stays as it is. It can revive only if a layer below it moves,
# and here there is none. The leaky units are blamed, and come back.
#
# </details>
#
# ### Count the dead (difficulty 2, 6 minutes)
#
# Write `dead_share(x, W, b)`: the share of the units of a relu layer that are dead on the rows `x`. Then
# look at the cell below it: a rate far too high kills.


# %% exercise="dead"
def dead_share(x, W, b):
    """Return the share of dead units, 0 to 1, of relu(x @ W + b)."""
    ### BEGIN SOLUTION
    return np.mean(np.all(x @ W + b <= 0, axis=0))
    ### STUB
    # return ...
    ### END SOLUTION


check("dead", dead_share)

# %%
parts.killed(x, y, rates=(0.1, 5.0))

# %% [markdown]
# ### Your decision
#
# Which bend for the running model? `score` is the validation accuracy of your choice.

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
unseen = garments.validation
for name in ("relu", "sigmoid", "silu"):
    nets = [lessons.running_model(seed) for seed in range(3)]
    for net in nets:
        net.layers[2].activation = keras.activations.get(name)
        net.compile("adam", loss_fn, metrics=["accuracy"])
    fit_many(nets, garments.train.x, garments.train.y, epochs=3, batch_size=64, verbose=0)
    scores = [net.evaluate(unseen.x, unseen.y, verbose=0)[1] for net in nets]
    print(f"{name:8} validation accuracy", np.round(scores, 2))

# %%
### BEGIN SOLUTION
check.decide(
    choice="keep relu",
    because="silu does no better after three epochs, and sigmoid is behind at every seed",
    score=0.84,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. One pass back gives every weight's share of the blame, for about the price of two passes forward.
# 2. It multiplies local slopes, from the loss towards the data; an optimizer does the rest.
# 3. It needs what the forward pass computed, so memory grows with the rows of a batch.
# 4. Many factors below 1 make it vanish, above 1 explode; a dead unit has a factor of 0.
#
# **The pitfall.** A measured slope that differs from your gradient proves nothing before you have tried
# another step.
#
# **Break it.** Let the leaky unit above leak all, with `negative_slope=1.0`.
#
# <details><summary>What happens</summary>
#
# All blame passes, and nothing bends: the unit is a straight line. It never dies, and its loss stays
# above that of the unit with 0.3.
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
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
