# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     minutes: 55
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
# # What do sixteen bits lose?
#
# Skip ahead if you can answer these: why does float16 need a loss scale, and bfloat16 none? What
# does mixed precision halve, and what not? Does clipping come before or after unscaling?
#
# You will see a training die in float16 and bring it back, walk a loss scale by hand, clip
# gradients, and run a whole modern recipe. You need [[gradient_descent]], [[optimizers]] and [[schedules]].
#
# > **You need only this.** A *recurrent network* reads a sequence step by step, with the same weights
# > at each step. So its gradient multiplies the same matrix many times, and can grow very large.

# %% tags=["setup"] needs="recurrent"
from coursekit import lessons

lessons.report(["tensorflow"])

import keras
import numpy as np
import tensorflow as tf
from ml_dtypes import finfo

from coursekit import datasets, plots
from coursekit.distribution import runtime
from coursekit.lessons.precision import check
from coursekit.optimizers import SafeLossScaleOptimizer
from coursekit.precision import gradient_histogram, lint_precision, precision, precision_report
from coursekit.training import fit_many

SGD, layers, INF = keras.optimizers.SGD, keras.layers, float("inf")

# %% [markdown]
# ## Three numbers
#
# A float32 takes 4 bytes, a float16 or a bfloat16 takes 2. Which of 1e-8, 70,000 and 1.0004 does
# float16 keep, to within a percent of what matters: the 1e-8, the 70,000, the 0.0004? (a) All three.
# (b) None. (c) Only the last.

# %%
check("predict_fp16", "b")  # SOLUTION

# %%
DTYPES = ("float32", "float16", "bfloat16")


def rounded(value, dtype):
    return float(keras.ops.cast(keras.ops.array(value, "float64"), dtype))


for value in (1e-8, 70_000.0, 1.0004):
    print(f"{value:8g}", {dtype: float(f"{rounded(value, dtype):.5g}") for dtype in DTYPES})
for name in DTYPES:
    info = finfo(name)
    print(f"{name:8} max {info.max:.5g}, smallest normal {info.tiny:.1g}, smallest "
          f"{info.smallest_subnormal:.1g}, {(info.nmant + 1) * np.log10(2):.1f} digits")  # fmt: skip
print("bfloat16 is coarser than float16 by", float(finfo("bfloat16").eps / finfo("float16").eps))
check.reveal("predict_fp16")

# %% [markdown] topics="fp16-range-precision bfloat16"
# | | sign, exponent, mantissa bits | |
# |---|---|---|
# | float32 | 1, 8, 23 | |
# | **float16** | 1, 5, 10 | a short range; below "smallest normal" digits get lost one by one |
# | **bfloat16** | 1, 8, 7 | float32's range, fewer digits |
#
# So float16 fails by range, bfloat16 by digits: not "slightly" fewer, eight times coarser.
#
# ### The fate of 0.00000001 (difficulty 1, 5 minutes)
#
# What does float16 make of 1e-8 (`plain`), and of 1e-8 * 1024 (`scaled`)? Then choose a factor
# `scale` for gradients that run from 1e-9 to 3, so that none becomes 0 or infinite in float16.

# %% exercise="fate"
### BEGIN SOLUTION
plain = np.float16(1e-8)
scaled = np.float16(1e-8 * 1024)
scale = 1024
### STUB
# plain = ...
# scaled = ...
# scale = ...
### END SOLUTION

check("fate", plain, scaled, scale)

# %% [markdown]
# ## A thousand small updates
#
# A weight of 1 gets 1,000 updates of 0.0004. A common tutorial says that rounding noise is like the
# noise of mini-batches, which training survives. If the weight is kept in float16, it ends (a) at
# 1.4, (b) near 1.4, with noise, (c) at 1.

# %%
check("predict_updates", "c")  # SOLUTION

# %%
fig, ax = plots.figure("One weight in three types", x="update", y="the weight")
for name, style in zip(DTYPES, plots.COMPARE, strict=False):
    weight, update, path = keras.ops.cast(1.0, name), keras.ops.cast(4e-4, name), []
    for _ in range(1000):
        weight = weight + update
        path.append(float(weight))
    plots.curve(ax, path, style, label=name, markevery=(30 * DTYPES.index(name), 100))
    print(f"{name:8} ends at {path[-1]:.2f}")
ax.legend()
plots.show(fig, alt="A weight over 1,000 equal updates, kept in float32, float16 and bfloat16.")
check.reveal("predict_updates")

# %%
values = np.random.default_rng(0).uniform(1, 2, 1000)
errors = values.astype("float16") - values
print(f"1,000 numbers in float16: errors of {np.abs(errors).mean():.0g}, with the mean", end=" ")
print(f"{errors.mean():.0g}")
with precision("mixed_float16"):
    dense = layers.Dense(3)
print("a mixed_float16 layer computes in", dense.compute_dtype, "with weights in", end=" ")
print(dense.variable_dtype)

# %% [markdown] topics="mixed-precision-definition mixed-precision-noise-argument"
# <details><summary>After you ran it</summary>
#
# float32 (solid) climbs. The other two stay at 1: each update is less than half the gap to the next
# number, and is swallowed. So the noise argument is half true. The errors of 1,000
# different numbers go both ways: their mean is far smaller than each. Here all go the same way.
#
# </details>
#
# That is why **mixed precision** mixes: layers compute in 16 bits, and the weights, the **master
# weights**, stay in float32. `precision("mixed_float16")` sets the policy for the layers you make
# next; Keras's own call is `keras.config.set_dtype_policy`. Layers that exist keep theirs. The last
# layer gets `dtype="float32"`, so that the loss sees exact outputs.
#
# ## A task with a small weight
#
# A net with several tasks adds up their losses, each with a weight. Below, one task alone with a
# weight of 0.00001. Adam divides by the size of the gradients, so in float32 the factor hardly
# matters. In mixed_float16 we switch Keras's cure off at first. Where does the validation accuracy
# of those nets end? (a) Where float32's does. (b) 0.1 lower. (c) Below 0.3; guessing has 0.1.

# %%
check("predict_train", "c")  # SOLUTION

# %%
fashion = datasets.load_fashion_mnist()
x, y = fashion.train.x[:2048], fashion.train.y[:2048]
held_out, batch = (fashion.validation.x, fashion.validation.y), (x[:256], y[:256])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def side_task(policy, seed=0, scaling=True):
    keras.utils.set_random_seed(seed)
    with precision(policy):
        stack = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()]
        stack += [layers.Dense(64, "relu"), layers.Dense(10, dtype="float32")]
        net = keras.Sequential(stack)
    net.compile(keras.optimizers.Adam(), loss, loss_weights=[1e-5], metrics=["accuracy"],
                auto_scale_loss=scaling)  # fmt: skip
    return net


# %%
ways = {"float32": ("float32", True), "float16, loss not scaled": ("mixed_float16", False),
        "float16, loss scaled": ("mixed_float16", True), "bfloat16": ("mixed_bfloat16", True)}  # fmt: skip
ends = {}
for name, (policy, scaling) in ways.items():
    nets = [side_task(policy, seed, scaling) for seed in range(3)]
    first = nets[0].get_weights()[0]
    logs = fit_many(nets, x, y, epochs=10, batch_size=256, verbose=0, validation_data=held_out)
    ends[name] = [log.history["val_accuracy"][-1] for log in logs]
    moved = np.abs(nets[0].get_weights()[0] - first).mean()
    print(f"{name:25} {min(ends[name]):.1f} to {max(ends[name]):.1f}, ", end="")
    print(f"first layer moved by {moved:.4f}")
full, bare, cured, brain = ends.values()
assert max(bare) < 0.3 and min(full) > 0.55
assert max(np.abs(np.subtract(full, some)).max() for some in (cured, brain)) < 0.03
check.reveal("predict_train")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Without its cure float16 is hardly better than guessing: its first layer stands still, and the last
# one, in float32, learns alone. With the cure, and in bfloat16, each seed ends where float32 does,
# within 0.03.
#
# </details>
#
# Why? Here are all gradients of one batch, computed in float32, against the window of float16.

# %% topics="gradient-underflow-loss-scaling"
histogram = gradient_histogram(side_task("float32"), batch)
fig = plots.gradients(histogram, title="Scaling the loss moves the gradients into the window")
plots.show(
    fig,
    alt="Histograms of the gradients of one batch, by powers of 2. Left: nearly all lie in the grey "
    "zone that float16 rounds to 0, or in the strip where it loses digits. Right, with the loss "
    "times 32,768: the same shape, 15 powers further right, inside the window.",
)
for factor in (1, 2**15):
    shares = {name: f"{share:.0%}" for name, share in histogram.fate(scale=factor).items()}
    print(f"rounded to float16, loss times {factor:6,}:", shares)
report = precision_report(side_task("float32"), batch)
assert report.underflow > 0.95
print(f"computed in float16, lost to 0: over 95%, scaled: {report.underflow_scaled:.0%}")

# %% [markdown]
# Left, without scaling: half of the gradients would round to 0. Computed in float16 it is worse,
# nearly all: they are products of factors that underflow on the way. **Loss scaling** multiplies the
# loss by a large number $S$. By the chain rule each gradient is $S$ times as large. In float32 the
# optimizer divides by $S$ again.
#
# Not every net needs it. The running model, with a weight of 1:

# %%
running = lessons.running_model()
running.compile(keras.optimizers.AdamW(), loss)
mild = gradient_histogram(running, batch).fate()
print(f"running model: {mild['zero']:.0%} to 0, {mild['subnormal']:.0%} lose digits")
assert mild["zero"] < 0.005

# %% [markdown] topics="dynamic-loss-scaling"
# ## A scale that finds itself
#
# Too small a scale loses small gradients, too large a one makes large ones infinite. **Dynamic**
# scaling tries. `compile` wraps the optimizer of a mixed_float16 model in a `LossScaleOptimizer`; it
# starts at 32,768 (PyTorch at 65,536), and 2,000 good steps in a row double it. Below it starts at 8,
# and 3 good steps do.

# %%
default = keras.optimizers.LossScaleOptimizer(SGD())
assert (default.initial_scale, default.dynamic_growth_steps) == (32_768, 2000)
scaler = keras.optimizers.LossScaleOptimizer(SGD(0.1), initial_scale=8.0, dynamic_growth_steps=3)
w = keras.Variable(1.0)
scaler.build([w])
for gradient in (1.0, 1.0, INF, 1.0, 1.0, 1.0, 1.0):
    before = float(scaler.dynamic_scale)
    scaler.apply([scaler.scale_loss(keras.ops.array(gradient))], [w])
    print(f"gradient {gradient}, scale {before:.0f} -> {float(scaler.dynamic_scale):.0f}, ", end="")
    print(f"weight {float(w):.1f}, iterations {int(scaler.iterations)}")

# %% [markdown]
# A bad step is skipped, and `iterations` stays: so does a learning rate schedule.
#
# ### The scale, by hand (difficulty 2, 8 minutes)
#
# Write these rules. `good` counts the finite steps in a row. Return the new scale, the new count,
# and whether the weights move. Then say where a scale of 32,768 stands `after` two bad steps and
# 2,000 good ones, with `growth_steps=2000`.


# %% exercise="next_scale"
def next_scale(scale, good, finite, growth_steps):
    """Return the scale, the count of good steps, and whether the weights move."""
    ### BEGIN SOLUTION
    if not finite:
        return scale / 2, 0, False
    if good + 1 == growth_steps:
        return scale * 2, 0, True
    return scale, good + 1, True
    ### STUB
    # return ..., ..., ...
    ### END SOLUTION


after = 16_384  # SOLUTION

check("next_scale", next_scale, after)

# %% [markdown]
# ## In a loop of your own
#
# | PyTorch | Keras, in your own step |
# |---|---|
# | `scaler = torch.amp.GradScaler("cuda")` | `compile` of a mixed_float16 model |
# | `with torch.amp.autocast("cuda"):` | the policy, set before the layers are made |
# | `scaler.scale(loss).backward()` | `tape.gradient(optimizer.scale_loss(loss), weights)` |
# | `scaler.unscale_`, clip, `scaler.step`, `scaler.update` | `optimizer.apply(gradients, weights)` |
#
# (Older texts have `torch.cuda.amp`, which is deprecated.) `fit` does all of it. In your own loop
# `scale_loss` is the line that gets forgotten.


# %% topics="amp-code-sequence"
def small_net():
    keras.utils.set_random_seed(0)
    with precision("mixed_float16"):
        net = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(),
                                layers.Dense(16, "relu"), layers.Dense(10, dtype="float32")])  # fmt: skip
    net.compile(SGD(0.1), loss, jit_compile=False)
    return net, net.get_weights()[0]


def one_epoch(net, scale_it):
    for start in range(0, 512, 128):
        with tf.GradientTape() as tape:
            value = loss(y[start : start + 128], net(x[start : start + 128], training=True))
            value = net.optimizer.scale_loss(value) if scale_it else value
        weights = net.trainable_variables
        net.optimizer.apply(tape.gradient(value, weights), weights)


# %%
fitted, start = small_net()
fitted.fit(x[:512], y[:512], batch_size=128, shuffle=False, verbose=0)
moved = {"fit": fitted.get_weights()[0] - start}
for name, scale_it in (("own loop", True), ("without scale_loss", False)):
    net, start = small_net()
    one_epoch(net, scale_it)
    moved[name] = net.get_weights()[0] - start
for name, move in moved.items():
    print(f"{name:18} weights move by {np.linalg.norm(move):.2f}")
assert np.allclose(moved["fit"], moved["own loop"], atol=1e-3)
assert np.linalg.norm(moved["without scale_loss"]) < 1e-3 * np.linalg.norm(moved["fit"])

# %% [markdown]
# The loop without that line divides by a factor that was never there: training stands still, with no
# word. With Adam you may not even notice, since it rescales.
#
# ## The pitfall: a scale without a floor
#
# A damaged file gives NaN in 200 steps. Then the data are good again.

# %%
for kind in (keras.optimizers.LossScaleOptimizer, SafeLossScaleOptimizer):
    scaler, w = kind(SGD(0.1)), keras.Variable(1.0)
    scaler.build([w])
    for gradient in [float("nan")] * 200 + [1.0]:
        scaler.apply([scaler.scale_loss(keras.ops.array(gradient))], [w])
    print(f"{kind.__name__:22} scale {float(scaler.dynamic_scale):g}, weight {float(w):.1f}")

# %% [markdown]
# Keras halves down to 0, and then divides by it. Ours stops at 1 (and at 2 ** 24 above). On several
# devices Keras's has a second fault: it looks for infinities on the first only.
#
# ## What it saves, and what not
#
# ### Bytes for each parameter (difficulty 1, 4 minutes)
#
# You train with AdamW. How many bytes does Keras keep for each parameter, its weight, its gradient
# and the optimizer's two moments, under `float32` and under `mixed_float16`? And which of "weights",
# "gradients", "moments", "activations" is `halved`? (**Activations** are what layers hand on.)

# %% exercise="bytes_kept"
### BEGIN SOLUTION
float32 = 16
mixed = 16
halved = "activations"
### STUB
# float32 = ...
# mixed = ...
# halved = ...
### END SOLUTION

check("bytes_kept", float32, mixed, halved)

# %%
measured = precision_report(running, batch)
for policy, memory in measured.memory.items():
    print(
        f"{policy:13} {memory.parameter:.0f} bytes a parameter, {memory.activations:.1f} an activation"
    )
print(f"updates swallowed, if weights were in 16 bits too: {measured.swallowed:.0%}")
print("A100, peak:", 312 / 19.5, "times float32,", 312 / 156, "times TF32")

# %% [markdown] topics="mixed-precision-table mixed-precision-benefits mixed-precision-speedup"
# | claim | what holds |
# |---|---|
# | 2 bytes a number instead of 4 | yes |
# | "halves the memory" | the activations; a parameter keeps 16 bytes. Large batches and images gain, large layers do not |
# | A100: 312 instead of 19.5 TFLOPS | peaks. 312 is float16 on Tensor Cores; TensorFlow runs float32 products as TF32 there, at 156 |
# | memory bandwidth 2 TB/s | the same for both, so half the bytes pass in half the time (80 GB card; 1.55 on the 40 GB one) |
# | 2 to 4 times as fast; "about double" | on GPUs with Tensor Cores, depending on the net |
# | bigger models, larger batches | as far as activations fill the memory |
# | same accuracy | above, with scaling: within 0.03 of float32, seed by seed |
#
# We time nothing here: a CPU says nothing about a GPU. `coursekit.distribution.runtime()` names the
# policy that suits your hardware: bfloat16 on TPUs and on GPUs since Ampere, float16 on older Tensor
# Cores.
#
# ## Gradients that explode
#
# A recurrent network reads 40 numbers, and should say the sum of the last two. Its recurrent matrix
# stretches by 1.1 in each step. Three seeds each: as it is, with a tiny rate, and with **clipping**:
# gradients longer than 1 are shortened to 1.


# %%
def train_recurrent(rate, clipnorm, seed):
    keras.utils.set_random_seed(seed)
    stretch = keras.initializers.Orthogonal(1.1)
    memory = layers.SimpleRNN(16, activation=None, recurrent_initializer=stretch)
    rnn = keras.Sequential([keras.Input((40, 1)), memory, layers.Dense(1)])
    optimizer = SGD(rate, global_clipnorm=clipnorm)
    optimizer.build(rnn.trainable_variables)

    @tf.function
    def step(numbers):
        with tf.GradientTape() as tape:
            value = tf.reduce_mean((rnn(numbers) - tf.reduce_sum(numbers[:, -2:], 1)) ** 2)
        gradients = tape.gradient(value, rnn.trainable_variables)
        optimizer.apply(gradients, rnn.trainable_variables)
        return value, tf.linalg.global_norm(gradients)

    batches = np.random.default_rng(seed).uniform(-1, 1, (200, 32, 40, 1)).astype("float32")
    return np.array([[float(v) for v in step(tf.constant(numbers))] for numbers in batches]).T


# %% topics="clipping-why"
ways = {"rate 0.05": (0.05, None), "rate 0.000001": (1e-6, None), "rate 0.05, clipped": (0.05, 1.0)}
runs = {name: [train_recurrent(*way, seed) for seed in range(3)] for name, way in ways.items()}
fig, axes = plots.figure("At the rate 0.05: one step, or with clipping 200", x="step", columns=2)
for (name, some), style, size in zip(runs.items(), plots.COMPARE, (12, 5, 5), strict=False):
    for seed, run in enumerate(some):
        for ax, values in zip(axes, run, strict=True):
            look = {"label": "_" * (seed > 0) + name, "lw": 1, "ms": size, "markevery": 50}
            plots.curve(ax, values, style, **look)
axes[0].set(yscale="log", ylabel="loss")
axes[1].set(yscale="log", ylabel="norm, before clipping")
axes[0].axhline(2 / 3, color="0.5", lw=1)
axes[0].text(200, 0.8, "always saying 0", ha="right")
axes[1].legend(loc="center right")
plots.show(
    fig,
    alt="Loss and norm of the gradient of nine trainings of a recurrent network, on logarithmic axes. "
    "At the rate 0.05 each has one point, a large circle above 100, and no second one. At the tiny "
    "rate the loss falls slowly and stays above 1. Clipped, it falls within 200 steps to below 0.01.",
)
print(f"1.1 ** 40 = {1.1**40:.0f}")
for name, some in runs.items():
    finite = [int(np.isfinite(run).all(0).sum()) for run in some]
    print(f"{name:18} finite steps of 200: {finite}")
first, tiny, last = (np.array([run[0] for run in some]) for some in runs.values())
assert first[:, 0].min() > 10 and not np.isfinite(first[:, 1:]).any()
assert tiny[:, -20:].mean(1).min() > 1 and last[:, -20:].mean(1).max() < 0.1

# %% [markdown] topics="norm-clipping"
# The gradient goes through the matrix 40 times, and one step of that length ruins the weights. A tiny
# rate prevents it and slows every step: after 200 the loss is still above 1. Clipping shortens the
# long steps alone, and ends below 0.1. **Norm clipping** shortens the gradient $g$ of *all* weights:
# $g \leftarrow g \cdot \min(1, c / \lVert g \rVert)$.
#
# ### Clip by the norm of all (difficulty 2, 8 minutes)
#
# `clip` takes a list of arrays and a threshold, and returns the clipped list. Gradients may be all 0.
# Then name the Keras `argument` that does this: "clipnorm", "global_clipnorm" or "clipvalue".


# %% exercise="clip"
def clip(gradients, threshold):
    """Return the gradients, shortened together."""
    ### BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = min(1.0, threshold / max(norm, 1e-12))
    return [g * factor for g in gradients]
    ### STUB
    # return ...
    ### END SOLUTION


argument = "global_clipnorm"  # SOLUTION

check("clip", clip, argument)

# %% topics="value-clipping"
steep = [np.array([3.0, 4.0]), np.array([0.3, 0.4])]
flat = np.concatenate(steep)
for option in ({"global_clipnorm": 1.0}, {"clipnorm": 1.0}, {"clipvalue": 0.5}):
    weights = [keras.Variable(np.zeros(2)) for _ in steep]
    SGD(1.0, **option).apply([keras.ops.array(g, "float32") for g in steep], weights)
    step = -np.concatenate([w.numpy() for w in weights])
    cosine = step @ flat / np.linalg.norm(step) / np.linalg.norm(flat)
    print(option, step.round(2), f"cosine with the gradient {cosine:.2f}")
try:
    SGD(clipnorm=1.0, clipvalue=0.5)
except ValueError as error:
    print("two at once:", type(error).__name__)

# %% [markdown] topics="clipping-when"
# The last two turn the step. **Value clipping** cuts each number on its own, so it is the second
# choice. When is clipping worth its place?
#
# | | |
# |---|---|
# | recurrent networks | almost always |
# | transformers | with large rates |
# | large batches | when the norm shows spikes |
# | a loss that diverges | to prevent NaN, and only until you know the cause |
#
# ### A threshold from a trace (difficulty 2, 5 minutes)
#
# A line in five dimensions is fitted without clipping. In every 25th batch one target has lost its
# decimal point: it is 100 times too large. From the norms, choose a `threshold` that cuts the spikes
# and leaves the ordinary steps alone.

# %%
rng, line, norms = np.random.default_rng(0), np.zeros(5), []
for t in range(200):
    rows = rng.normal(size=(32, 5))
    targets = rows.sum(1) + rng.normal(size=32)
    targets[0] *= 100 if t % 25 == 24 else 1
    gradient = rows.T @ (rows @ line - targets) / 16
    norms.append(np.linalg.norm(gradient))
    line -= 0.02 * gradient
for share in (0, 50, 75, 90, 95, 99, 100):
    print(f"{share:3} % of the norms are at most {np.percentile(norms, share):.1f}")

# %% exercise="threshold"
threshold = float(np.percentile(norms, 92))  # SOLUTION

check("threshold", threshold, norms)

# %% [markdown]
# ## What clipping cannot do
#
# A net has 100 weights. One of its 100 gradients is NaN, and `global_clipnorm=1.0` is set. How many
# weights are NaN after the step? (a) None. (b) One. (c) All 100.

# %%
check("predict_nan", "c")  # SOLUTION

# %% topics="clipping-does-not-fix-nan"
broken = np.ones(100, "float32")
broken[7] = np.nan
for name, optimizer in (("no clipping", SGD()), ("global_clipnorm", SGD(global_clipnorm=1.0)),
                        ("loss scaler", SafeLossScaleOptimizer(SGD(global_clipnorm=1.0)))):  # fmt: skip
    w = keras.Variable(np.zeros(100))
    optimizer.apply([keras.ops.array(broken)], [w])
    print(f"{name:15} {int(np.isnan(w.numpy()).sum()):3} weights are NaN")
check.reveal("predict_nan")

# %% [markdown] topics="clipping-order-amp"
# <details><summary>After you ran it</summary>
#
# The common norm carries NaN to everyone. Only skipping the step helps, or `TerminateOnNaN`. Then
# find the cause.
#
# </details>
#
# With loss scaling the order matters too: **unscale, clip, step**. Keras's loss scaler unscales and
# hands on; so clipping belongs on the inner optimizer. A gradient of norm 5, a scale of 1,024:

# %%
gradient, scale_now = keras.ops.array([3.0, 4.0]), 1024.0
w = keras.Variable(np.zeros(2))
inner = SGD(1.0, global_clipnorm=1.0)
SafeLossScaleOptimizer(inner, initial_scale=scale_now).apply([gradient * scale_now], [w])
print(f"unscale, then clip: a step of {np.linalg.norm(w.numpy()):.2f}")
wrong = tf.clip_by_norm(gradient * scale_now, 1.0) / scale_now
print(f"clip, then unscale: a step of {np.linalg.norm(wrong):.4f}")
try:
    keras.optimizers.LossScaleOptimizer(SGD(), global_clipnorm=1.0)
except ValueError as error:
    print("on the outer one:", type(error).__name__)

# %% [markdown] topics="modern-training-recipe"
# ## The whole recipe
#
# "Putting it all together", as a common PyTorch tutorial has it, and each line in Keras. It takes
# 1,000 steps of warmup in 100,000, up to a rate of 3e-4; we take 12 in 120, up to 3e-3.
#
# | the tutorial | Keras |
# |---|---|
# | `model = YourModel().to(device)` | layers made under the policy; placement is automatic |
# | `AdamW(lr=3e-4, weight_decay=0.01)`, for CNNs SGD | `AdamW(rate, weight_decay=0.01)`; its default is 0.004 |
# | `LambdaLR`: warmup, then cosine | `CosineDecay(0.0, total - warmup, warmup_target=..., warmup_steps=warmup)` |
# | `CrossEntropyLoss(label_smoothing=0.1)` | `CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)` |
# | `autocast`, `GradScaler` | the policy; a loss scaler |
# | `clip_grad_norm_(1.0)` after `unscale_` | `global_clipnorm=1.0`, inside the loss scaler |
# | `batch = next(train_loader)` | `fit` on a repeated dataset. (`next` fails on a PyTorch loader: it needs `iter`.) |
# | `zero_grad`, `backward`, `step`, `update` | one `apply`; nothing to zero |
# | `scheduler.step()` in every iteration | a skipped step does not advance the schedule |

# %%
total, warmup = 120, 12
rate = keras.optimizers.schedules.CosineDecay(
    0.0, total - warmup, warmup_target=3e-3, warmup_steps=warmup
)
for t in (0, 6, 12, 60, 119):  # the tutorial's lr_lambda
    progress = (t - warmup) / (total - warmup)
    wanted = t / warmup if t < warmup else 0.5 * (1 + np.cos(np.pi * progress))
    assert np.isclose(float(rate(t)), 3e-3 * wanted, atol=1e-9)

adamw = keras.optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=1.0)
adamw.exclude_from_weight_decay(var_names=["bias"])
with precision("mixed_float16"):
    modern = lessons.running_model()
smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
modern.compile(SafeLossScaleOptimizer(adamw), smooth, metrics=["accuracy"])
for finding in lint_precision(modern):
    print(f"{finding.rule} ({finding.effect}): {finding.cure}")
modern.layers[-1].dtype_policy = "float32"
assert lint_precision(modern) == []

# %% tags=["nbval-ignore-output"]
rows = tf.data.Dataset.from_tensor_slices((x, keras.ops.one_hot(y, 10)))
rows = rows.shuffle(2048, seed=0).batch(64).repeat()
log = modern.fit(rows, steps_per_epoch=40, epochs=3, shuffle=False, verbose=0).history["accuracy"]
score = modern.evaluate(held_out[0], keras.ops.one_hot(held_out[1], 10), verbose=0)[1]
print(f"accuracy: training {log[0]:.2f} to {log[-1]:.2f}, validation {score:.2f}")
skipped = total - int(modern.optimizer.iterations)
print(f"{skipped} of {total} steps skipped, scale {float(modern.optimizer.dynamic_scale):.0f}")
assert score > 0.7

# %% [markdown]
# `lint_precision` saw that the running model's last layer was in float16, and we mended it.
#
# ## Your decision
#
# In which precision will the running model train on? Three seeds each, two epochs. Is any gap
# larger than the spread? And what suits *this* machine?

# %% tags=["nbval-ignore-output"]
scores = {}
for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
    nets = []
    for seed in range(3):
        with precision(policy):
            nets.append(lessons.running_model(seed))
        nets[-1].layers[-1].dtype_policy = "float32"
        nets[-1].compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    logs = fit_many(nets, x, y, epochs=2, batch_size=64, verbose=0, validation_data=held_out)
    scores[policy] = np.array([log.history["val_accuracy"][-1] for log in logs])
    print(f"{policy:15} {scores[policy].min():.2f} to {scores[policy].max():.2f}")
print(runtime())

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
check.decide(
    choice="float32 here; mixed_bfloat16 on a GPU or TPU that has it",
    because="the scores lie within the spread of seeds, so speed and memory decide, and `runtime` "
    "names float32 for a CPU",
    score=round(float(scores["float32"].mean()), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. float16 fails by range, bfloat16 by digits; small updates need weights in float32.
# 2. Loss scaling moves gradients into float16's window; a bad step is skipped and halves the scale.
# 3. Mixed precision halves activations, not the 16 bytes of a parameter.
# 4. `global_clipnorm` keeps the direction; unscale before you clip; NaN survives all clipping.
# 5. A policy belongs to a layer from the moment it is made.
#
# **Break it.** In `side_task` set the loss weight to 1e-4, then to 1e-9. Which nets still learn?
#
# <details><summary>What happens</summary>
#
# At 1e-4 float16 trains without scaling: most gradients lose digits, far fewer become 0. At 1e-9 nobody
# learns, in float32 neither: the gradients fall below Adam's epsilon, 1e-7, which [[optimizers]] warned of.
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
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
