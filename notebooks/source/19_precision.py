# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 38
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
# Skip ahead if you can answer these: why does float16 need a loss scale, and bfloat16 none? What does
# mixed precision halve? Does clipping come before or after unscaling?
#
# You will bring a training back that dies in float16, walk a loss scale by hand, clip gradients, and
# run a whole modern recipe. You need [[gradient_descent]], [[optimizers]] and
# [[schedules]].
#
# > **You need only this.** A *recurrent network* reads a sequence step by step, with the same weights
# > at each step: its gradient multiplies one matrix many times, and can grow very large.

# %% tags=["setup"] needs="recurrent"
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from ml_dtypes import finfo

from coursekit import datasets, plots
from coursekit.distribution import runtime
from coursekit.lessons.precision import apply_step, check, draw_window, time_products
from coursekit.optimizers import SafeLossScaleOptimizer
from coursekit.precision import gradient_histogram, lint_precision, precision, precision_report
from coursekit.training import fit_many, value_and_gradients

SGD, layers, INF = keras.optimizers.SGD, keras.layers, float("inf")
LossScaleOptimizer = keras.optimizers.LossScaleOptimizer
CosineDecay = keras.optimizers.schedules.CosineDecay

# %% [markdown]
# ## Three numbers
#
# A float32, the usual number, takes 32 bits (4 bytes); a float16 or a bfloat16 takes 16. Which of 1e-8,
# 70,000 and 1.0004 does float16 keep, to within a percent of what matters: the 1e-8, the 70,000, the
# 0.0004? (a) All three. (b) None. (c) Only the last.

# %%
check("predict_fp16", "b")  # SOLUTION

# %%
DTYPES = ("float32", "float16", "bfloat16")
for name in DTYPES:
    info = finfo(name)
    kept = [f"{float(keras.ops.cast(value, name)):.5g}" for value in (1e-8, 7e4, 1.0004)]
    print(f"{name:8} keeps {', '.join(kept)}; max {info.max:.5g}, smallest normal {info.tiny:.1g},",
          f"smallest {info.smallest_subnormal:.1g}, {(info.nmant + 1) * np.log10(2):.1f} digits")  # fmt: skip
print("bfloat16 is coarser by", float(finfo("bfloat16").eps / finfo("float16").eps))
check.reveal("predict_fp16")

# %% [markdown] topics="fp16-range-precision bfloat16"
# Such a number is a sign, digits (the *mantissa*) and a power of two (the *exponent*). The exponent's bits
# make it reach farther, the mantissa's keep more digits.
#
# | | sign, exponent, mantissa bits | |
# |---|---|---|
# | float32 | 1, 8, 23 | |
# | **float16** | 1, 5, 10 | a short range; below its "smallest normal" number it loses digits one by one |
# | **bfloat16** | 1, 8, 7 | float32's range, fewer digits |
#
# So float16 fails by range; bfloat16 fails by digits, with steps eight times as coarse.
#
# ### The fate of 0.00000001 (difficulty 1, 5 minutes)
#
# What does float16 make of 1e-8 (`plain`), and of 1e-8 * 1024 (`scaled`)? Then choose a factor `scale`
# for gradients from 1e-9 to 3, so that none becomes 0 or infinite.

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
# A weight of 1 gets 1,000 updates of 0.0004. A tutorial says that rounding noise is like that of
# mini-batches, which training survives. Kept in float16, the weight ends (a) at 1.4, (b) near 1.4, with
# noise, (c) at 1.

# %%
check("predict_updates", "c")  # SOLUTION

# %%
for name in DTYPES:
    weight, update = keras.ops.cast(1.0, name), keras.ops.cast(4e-4, name)
    for _ in range(1000):
        weight = weight + update
    print(f"{name:8} ends at {float(weight):.2f}")
values = np.random.default_rng(0).uniform(1, 2, 1000)
errors = values.astype("float16") - values
print(f"1,000 different numbers: errors of {abs(errors).mean():.0g}, mean {errors.mean():.0g}")
check.reveal("predict_updates")

# %% [markdown] topics="mixed-precision-definition mixed-precision-noise-argument"
# <details><summary>After you ran it</summary>
#
# The tutorial is half right: errors of different numbers go both ways, and their mean is far smaller than
# each.
#
# </details>
#
# So **mixed precision** mixes: layers compute in 16 bits; the weights, the **master weights**, stay in
# float32, and long sums are added up there. A layer's **policy** says which type it takes for what:
# `precision("mixed_float16")` sets that of layers you make next.
# The last one gets `dtype="float32"`, so that the loss sees all digits.
#
# ## A task with a small weight
#
# A net with several tasks adds up their losses, each with a weight. Here one task alone has the weight
# 0.00001. Adam divides by the size of the gradients, so with a tiny `epsilon` the factor cancels. In
# mixed_float16 we first switch off a cure that Keras builds in. Where does the validation accuracy end?
# (a) Where float32's does. (b) About 0.1 lower. (c) At least 0.3 lower.

# %%
check("predict_train", "c")  # SOLUTION

# %%
fashion = datasets.load_fashion_mnist()
x, y = fashion.train.x[:2048], fashion.train.y[:2048]
held_out, batch = (fashion.validation.x, fashion.validation.y), (x[:256], y[:256])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def side_task(policy, seed=0, scaling=True, weight=1e-5):
    keras.utils.set_random_seed(seed)
    with precision(policy):  # keras.config.set_dtype_policy, for these lines
        net = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(),
                                layers.Dense(64, "relu"), layers.Dense(10, dtype="float32")])  # fmt: skip
    net.compile(keras.optimizers.Adam(epsilon=1e-12), loss, loss_weights=[weight],
                metrics=["accuracy"], auto_scale_loss=scaling)  # fmt: skip
    return net


ways = {"float32": ("float32", True), "float16, loss not scaled": ("mixed_float16", False),
        "float16, loss scaled": ("mixed_float16", True), "bfloat16": ("mixed_bfloat16", True)}  # fmt: skip
ends = {}
for name, (policy, scaling) in ways.items():
    nets = [side_task(policy, seed, scaling) for seed in range(3)]
    logs = fit_many(nets, x, y, epochs=10, batch_size=256, verbose=0, validation_data=held_out)
    ends[name] = np.array([log.history["val_accuracy"][-1] for log in logs])
    print(f"{name:25} {ends[name].min():.2f} to {ends[name].max():.2f}, at most", end=" ")
    print(f"{abs(ends[name] - ends['float32']).max():.2f} away from the same seed in float32")
check.reveal("predict_train")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# With the cure, and in bfloat16, each seed ends where it does in float32, give or take a percent.
#
# </details>
#
# One batch's gradients, computed in float32, against the window of float16: grey rounds to 0 or to
# infinity, the light strip loses digits. Move the factor.

# %% jupyter={"source_hidden": true} topics="gradient-underflow-loss-scaling"
histogram = gradient_histogram(side_task("float32"), batch)


def caption(power):
    fate = histogram.fate(scale=2.0**power)
    return (f"With the loss times {2**power:,}, {fate['zero']:.0%} of the gradients round to 0, "
            f"{fate['subnormal']:.0%} lose digits and {fate['infinite']:.0%} become infinite.")  # fmt: skip


plots.explore(lambda power: draw_window(histogram, power), range(0, 45, 4), caption,
              "loss times 2 to the power of")  # fmt: skip
report = precision_report(side_task("float32"), batch)
print(f"computed in float16: {report.underflow:.0%} become 0,", end=" ")
print(f"with the loss times {report.scale:,.0f}: {report.underflow_scaled:.0%}")
running = lessons.running_model()
running.compile(keras.optimizers.AdamW(), loss)
print(f"running model: {gradient_histogram(running, batch).fate()['zero']:.1%} round to 0")

# %% [markdown] topics="dynamic-loss-scaling"
# Computed in float16 it is worse: gradients are products, and their factors become 0 on the way.
# **Loss scaling** multiplies the loss by a large $S$. By the chain rule each gradient is $S$ times as
# large; in float32 the optimizer divides by $S$ again. The running model hardly needs it.
#
# ## A scale that finds itself
#
# Too small a scale loses small gradients, too large a one makes large ones infinite. **Dynamic**
# scaling tries: `compile` wraps the optimizer of a mixed_float16 model in a `LossScaleOptimizer`. It
# starts at 32,768 (PyTorch at 65,536) and doubles after 2,000 good steps in a row; ours starts at 8 and
# doubles after 3.

# %%
scaler = LossScaleOptimizer(SGD(0.1), initial_scale=8.0, dynamic_growth_steps=3)
w = keras.Variable(1.0)
for gradient in (1.0, 1.0, INF, 1.0, 1.0, 1.0, 1.0):
    # optimizer.apply(gradients, weights); on JAX stateless_apply
    apply_step(scaler, [scaler.scale_loss(keras.ops.array(gradient))], [w])
    print(f"gradient {gradient}, scale now {float(scaler.dynamic_scale):.0f}, ", end="")
    print(f"weight {float(w):.1f}, iterations {int(scaler.iterations)}")

# %% [markdown]
# A bad step is skipped, and halves the scale. `iterations` stays, and so does a learning rate schedule.
#
# ### The scale, by hand (difficulty 2, 8 minutes)
#
# Write these rules; `good` counts the finite steps in a row before this one. Then: where does 32,768 stand
# `after` two bad steps and 2,000 good ones, with `growth_steps=2000`?


# %% exercise="next_scale"
def next_scale(scale, good, finite, growth_steps):
    """Return the new scale, the new count of good steps, and whether the weights move."""
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
# | PyTorch (`torch.cuda.amp` is deprecated) | Keras, in your own step |
# |---|---|
# | `torch.amp.GradScaler("cuda")` | `compile` of a mixed_float16 model |
# | `with torch.amp.autocast("cuda"):` | the policy, before the layers are made |
# | `scaler.scale(loss).backward()` | the gradients of `optimizer.scale_loss(loss)` |
# | `unscale_`, clip, `step`, `update` | `optimizer.apply(gradients, weights)` |
#
# `fit` does it all. In your own loop `scale_loss` is the line that gets forgotten:


# %% topics="amp-code-sequence"
def own_loop(net, scaled=True):
    for k in range(0, 512, 128):

        def loss_of(*weights, k=k):
            value = loss(y[k : k + 128], net(x[k : k + 128], training=True))
            return net.optimizer.scale_loss(value) if scaled else value

        found = value_and_gradients(loss_of, net.trainable_variables)
        apply_step(net.optimizer, [*found.gradients.values()], net.trainable_variables)


trainings = {"fit": lambda net: net.fit(x[:512], y[:512], batch_size=128, shuffle=False, verbose=0),
             "own loop": own_loop, "no scale_loss": lambda net: own_loop(net, scaled=False)}  # fmt: skip
for name, train in trainings.items():
    net = side_task("mixed_float16", weight=1.0)
    net.compile(SGD(0.1), loss)
    start = net.get_weights()[0]
    train(net)
    print(f"{name:14} the first layer moves by {np.linalg.norm(net.get_weights()[0] - start):.4f}")

# %% [markdown]
# Without that line the optimizer divides by a factor that was never there: training stands still,
# without a word.
#
# ## The pitfall: a scale without a floor
#
# A damaged file gives NaN for 200 steps.

# %%
for kind in (LossScaleOptimizer, SafeLossScaleOptimizer):
    scaler, w = kind(SGD(0.1)), keras.Variable(1.0)
    for gradient in [float("nan")] * 200 + [1.0]:
        apply_step(scaler, [scaler.scale_loss(keras.ops.array(gradient))], [w])
    print(f"{kind.__name__:22} scale {float(scaler.dynamic_scale):g}, weight {float(w):.1f}")

# %% [markdown]
# Keras halves down to 0, then divides by it. Ours stops at 1.
#
# ## What it saves, and what not
#
# ### Bytes for each parameter (difficulty 1, 4 minutes)
#
# With AdamW, how many bytes does Keras keep for each parameter (weight, gradient, two moments), under
# `float32` and `mixed_float16`? And which of "weights", "gradients", "moments", "activations" is
# `halved`? (**Activations** are what layers hand on.)

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

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true} topics="mixed-precision-speedup"
measured = precision_report(running, batch)
for policy, memory in measured.memory.items():
    kept = f"{memory.parameter:.0f} bytes a parameter, {memory.activations:.1f} an activation"
    print(f"{policy:13} {kept}")
print(f"updates swallowed, if weights were in 16 bits too: {measured.swallowed:.0%}")
print("A100, peak:", 312 / 19.5, "times float32,", 312 / 156, "times TF32")
for dtype, ratio in time_products(DTYPES).items():
    print(f"a matrix product in {dtype:8} takes {ratio:.1f} times as long as in float32, here")
print(runtime())

# %% [markdown] topics="mixed-precision-table mixed-precision-benefits"
# *Tensor Cores* are the parts of NVIDIA's GPUs that multiply matrices; a TFLOPS is a trillion operations a
# second.
#
# | claim | what holds |
# |---|---|
# | "halves the memory" | 2 bytes instead of 4 for activations; a parameter keeps 16. Large batches and images gain |
# | A100: 312 instead of 19.5 TFLOPS | peaks, on Tensor Cores; float32 products may run there, at 156, with ten mantissa bits (TF32) |
# | memory bandwidth 2 TB/s (80 GB card) | the same for both: half the bytes take half the time |
# | 2 to 4 times as fast; "about double" | claimed for GPUs with Tensor Cores; this machine is timed above |
# | same accuracy | yes, above |
#
# `runtime()` names a policy: bfloat16 on TPUs and GPUs since Ampere, float16 on older ones.
#
# ## Gradients that explode
#
# A recurrent network reads 40 numbers, and should say the sum of the last two. Its matrix stretches by
# 1.1 in each step. We train it as it is, at a tiny rate, and with **clipping**: a gradient longer than 1
# is shortened to 1.


# %% topics="clipping-why"
def recurrent(rate, clipnorm, seed):
    keras.utils.set_random_seed(seed)
    stretch = keras.initializers.Orthogonal(1.1)
    memory = layers.SimpleRNN(16, activation=None, recurrent_initializer=stretch)
    net = keras.Sequential([keras.Input((40, 1)), memory, layers.Dense(1)])
    net.compile(SGD(rate, global_clipnorm=clipnorm), "mse")
    return net


numbers = np.random.default_rng(0).uniform(-1, 1, (256, 40, 1)).astype("float32")
sums = numbers[:, -2:, 0].sum(1, keepdims=True)
ways = {"rate 0.05": (0.05, None), "rate 0.000001": (1e-6, None), "rate 0.05, clipped": (0.05, 1.0)}
runs = {}
for name, way in ways.items():
    nets = [recurrent(*way, seed) for seed in range(3)]
    logs = fit_many(nets, numbers, sums, epochs=200, batch_size=256, shuffle=False, verbose=0)
    runs[name] = np.array([log.history["loss"] for log in logs])

# %% jupyter={"source_hidden": true}
first = value_and_gradients(recurrent(0.05, None, 0), numbers, sums).gradients
length = np.sqrt(sum((g**2).sum() for g in first.values()))
print(f"1.1 ** 40 = {1.1**40:.0f}; the first gradient is longer than 1,000: {length > 1000}")
fig, ax = plots.figure("At the rate 0.05: one step, or with clipping 200", x="step", y="loss")
for (name, some), style, size in zip(runs.items(), plots.COMPARE, (12, 5, 5), strict=False):
    for seed, values in enumerate(some):
        look = {"label": "_" * (seed > 0) + name, "lw": 1, "ms": size, "markevery": 50}
        plots.curve(ax, values, style, **look)
    words = "above 1" if (some[:, -1] > 1).all() else "below 0.01"
    end = words if np.isfinite(some[:, -1]).all() else "not a number"
    print(f"{name:18} finite steps of 200: {np.isfinite(some).sum(1).tolist()}; at the end {end}")
ax.set_yscale("log")
ax.axhline(2 / 3, color="0.5", lw=1)
ax.text(200, 0.8, "always saying 0", ha="right")
ax.legend()
plots.show(
    fig,
    alt="Loss of nine trainings of a recurrent network, on a logarithmic axis. At the rate 0.05 each "
    "has one point, a large circle above 100, and no second one. At the tiny rate the loss falls "
    "slowly and stays above 1. Clipped, it falls within 200 steps to below 0.01.",
)
assert runs["rate 0.05"][:, 0].min() > 10 and not np.isfinite(runs["rate 0.05"][:, 1:]).any()
assert runs["rate 0.000001"][:, -1].min() > 1 and runs["rate 0.05, clipped"][:, -1].max() < 0.01

# %% [markdown] topics="norm-clipping"
# One step of that length ruins the weights. A tiny rate prevents it and slows every step. Clipping
# shortens the long steps alone. **Norm clipping** shortens the gradient $g$ of *all* weights: $g \leftarrow g \cdot \min(1, c / \lVert g \rVert)$.
#
# ### Clip by the norm of all (difficulty 2, 8 minutes)
#
# `clip` takes a list of arrays and a threshold, and returns the clipped list. All numbers may be 0. Then
# name the Keras `argument` that does this: "clipnorm", "global_clipnorm" or "clipvalue".


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

# %% jupyter={"source_hidden": true} topics="value-clipping"
steep = [np.array([3.0, 4.0]), np.array([0.3, 0.4])]
flat = np.concatenate(steep)
for option in ({"global_clipnorm": 1.0}, {"clipnorm": 1.0}, {"clipvalue": 0.5}):
    weights = [keras.Variable(np.zeros(2)) for _ in steep]
    apply_step(SGD(1.0, **option), [keras.ops.array(g, "float32") for g in steep], weights)
    step = -np.concatenate([keras.ops.convert_to_numpy(w) for w in weights])
    cosine = step @ flat / np.linalg.norm(step) / np.linalg.norm(flat)
    print(option, step.round(2), f"cosine with the gradient {cosine:.2f}")

# %% [markdown] topics="clipping-when"
# The last two change the direction of the step. **Value clipping** cuts each number on its own: a second
# choice. (Keras takes one of the three.) Clip in recurrent networks; in transformers (the networks of
# language models) at large rates; with large batches whose norm has spikes; where a loss diverges, until
# you know the cause.
#
# ### When, and how short? (difficulty 2, 6 minutes)
#
# A linear model is fitted without clipping. In every 25th batch one target has lost its decimal point: 300
# for 3.00. Choose a `threshold` that cuts these spikes and leaves the other steps alone. Then give the
# `cases` that clipping helps, such as "a and b":
#
# (a) a recurrent network on 400 steps, whose norm jumps; (b) a deep net whose first layers stand still,
# their gradients near 0; (c) a NaN in the data; (d) a transformer at a large rate.

# %% jupyter={"source_hidden": true}
rng, line, norms = np.random.default_rng(0), np.zeros(5), []
for t in range(200):
    rows = rng.normal(size=(32, 5))
    targets = rows.sum(1) + rng.normal(size=32)
    targets[0] = 300 if t % 25 == 24 else targets[0]
    gradient = rows.T @ (rows @ line - targets) / 16
    norms.append(np.linalg.norm(gradient))
    line -= 0.02 * gradient
for share in (0, 50, 75, 90, 95, 99, 100):
    print(f"{share:3} % of the norms are at most {np.percentile(norms, share):.1f}")

# %% exercise="threshold"
threshold = 10  # SOLUTION
cases = "a and d"  # SOLUTION

check("threshold", threshold, norms, cases)

# %% [markdown]
# ## What clipping cannot do
#
# One of 100 gradients is NaN, `global_clipnorm=1.0` is set. How many weights are NaN after the step? (a) None. (b) One. (c) All 100.

# %%
check("predict_nan", "c")  # SOLUTION

# %% topics="clipping-does-not-fix-nan"
broken = np.where(np.arange(100) == 7, np.nan, 1.0)
for name, optimizer in (("no clipping", SGD()), ("global_clipnorm", SGD(global_clipnorm=1.0)),
                        ("loss scaler", SafeLossScaleOptimizer(SGD(global_clipnorm=1.0)))):  # fmt: skip
    w = keras.Variable(np.zeros(100))
    apply_step(optimizer, [keras.ops.array(broken, "float32")], [w])
    print(f"{name:15} {int(np.isnan(keras.ops.convert_to_numpy(w)).sum()):3} weights are NaN")
check.reveal("predict_nan")

gradient, w = 1024 * np.array([3.0, 4.0], "float32"), keras.Variable(np.zeros(2))  # S = 1024
scaler = SafeLossScaleOptimizer(SGD(1.0, global_clipnorm=1.0), initial_scale=1024)
apply_step(scaler, [keras.ops.array(gradient)], [w])
print(f"unscale, then clip: a step of {np.linalg.norm(keras.ops.convert_to_numpy(w)):.2f}")
clipped = gradient / np.linalg.norm(gradient)
print(f"clip, then unscale: a step of {np.linalg.norm(clipped) / 1024:.4f}")

# %% [markdown] topics="clipping-order-amp modern-training-recipe"
# <details><summary>After you ran it</summary>
#
# Skip such a step, or stop (`TerminateOnNaN`); then find the cause.
#
# </details>
#
# With loss scaling: **unscale, clip, step**. Else the threshold meets gradients $S$ times too long. Keras's
# scaler unscales and hands on: clipping belongs on the inner optimizer.
#
# ## The whole recipe
#
# | a PyTorch tutorial | Keras |
# |---|---|
# | `AdamW(lr=3e-4, weight_decay=0.01)`, for CNNs SGD | `AdamW(rate, weight_decay=0.01)`; its default is 0.004 |
# | `LambdaLR`: warmup, then cosine | `CosineDecay(0.0, total - warmup, warmup_target=..., warmup_steps=warmup)` |
# | `CrossEntropyLoss(label_smoothing=0.1)` | `CategoricalCrossentropy(...)` with it |
# | `clip_grad_norm_(1.0)` after `unscale_` | `global_clipnorm=1.0`, inside the scaler |
# | `next(train_loader)` (needs `iter`), `zero_grad`, `backward`, `step` | `fit` |
# | `scheduler.step()` in every iteration | a skipped step does not advance the schedule |

# %% tags=["nbval-ignore-output"]
# 96 steps, 10 of them a warmup to 3e-3; the tutorial makes 100,000, and 1,000 of them climb to 3e-4.
rate = CosineDecay(0.0, 96 - 10, warmup_target=3e-3, warmup_steps=10)
adamw = keras.optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=1.0)
adamw.exclude_from_weight_decay(var_names=["bias"])
with precision("mixed_float16"):
    modern = lessons.running_model()
smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
modern.compile(SafeLossScaleOptimizer(adamw), smooth, metrics=["accuracy"])
print(*lint_precision(modern))
modern.layers[-1].dtype_policy = "float32"  # mended
modern.fit(x, keras.ops.one_hot(y, 10), batch_size=64, epochs=3, verbose=0)
score = modern.evaluate(held_out[0], keras.ops.one_hot(held_out[1], 10), verbose=0)[1]
print(f"validation accuracy {score:.2f}; {96 - int(modern.optimizer.iterations)} steps skipped")

# %% [markdown]
# ## Your decision
#
# In which precision will the running model train on, here and on a GPU since Ampere?

# %% tags=["nbval-ignore-output"]
### BEGIN SOLUTION
check.decide(
    choice="float32 here; mixed_bfloat16 on a GPU or TPU that has it",
    because="each seed scored alike, so speed and memory decide; `runtime` names float32 for a CPU",
    score=round(float(score), 2),
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. float16 fails by range, bfloat16 by digits; small updates need float32 weights.
# 2. Loss scaling moves gradients into the window; a bad step is skipped and halves the scale.
# 3. Mixed precision halves activations, not the 16 bytes of a parameter.
# 4. `global_clipnorm` keeps the direction; unscale, then clip.
# 5. A layer takes its policy when it is made; `compile` changes none.
#
# **Break it.** Leave `epsilon=1e-12` out of `side_task`. Which net loses, though it has all its bits?
#
# <details><summary>What happens</summary>
#
# float32's, too, by more than a tenth: these gradients are smaller than Adam's usual epsilon, 1e-7, and
# its steps far too short ([[optimizers]] warned of it).
#
# </details>
#
# [[next]]

# %%
check.quiz()
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "c")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "b")  # SOLUTION
check("quiz_5", "a")  # SOLUTION

# %%
check.cards()
check.summary()
