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
# # Could you run it again?
#
# Skip ahead if you can answer these: what does `set_random_seed` not reach? Why is a run that goes on
# from its saved weights another run? Which four questions must a log answer?
#
# You will measure what chance does to a result, make two runs equal to the last bit, kill one in its
# middle and take it up again, and keep a log that can be asked. You need [[optimizers]] and [[overfitting]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from coursekit import datasets
from coursekit.lessons.reproducibility import check, parts
from coursekit.training import environment, fit_many, resumable_fit

# %% [markdown] topics="randomness-sources"
# ## Five sources of chance
#
# Train the same net twice and the results differ. Five things are left to chance: the **start weights**;
# **which rows validate**; the **order of the rows**; **dropout's masks**; and the **order of additions**: a sum
# of many numbers is rounded on its way, and which way it takes is up to the library and the hardware.
#
# We switch them on one at a time: for each source six runs that differ in it alone. For the last one the
# batches hold the same rows, turned about, so that the same terms are added in another order. Dropout is
# off where it is not asked for. What will those six nets be after ten epochs? (a) Equal to the last bit.
# (b) Not equal, and their validation losses far closer together than with other start weights. (c) As far
# apart as with other start weights.

# %%
check("predict_additions", "b")  # SOLUTION

# %% tags=["nbval-ignore-output"]
losses, nets = parts.five_sources(runs=6)
for source, of in losses.items():
    spread = np.std(of[:, -1], ddof=1)
    print(f"{source:20} {nets[source]} nets, loss {np.mean(of[:, -1]):.3f} +- {spread:.0e}")
check.reveal("predict_additions")

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Safe to skip: the same spreads after each epoch; and what the text below says, asserted.
parts.spreads(losses)
final = {name: np.std(of[:, -1], ddof=1) for name, of in losses.items()}
assert final.pop("order of additions") < 0.1 * min(final.values())
assert nets["order of additions"] > 1

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Each line says how many of the six nets differ in a bit, their mean loss and the **standard deviation**
# between them: what one run may be off by chance. Four sources are of one kind, draws, and any of them can outweigh the gain that you look for. The
# additions differ in their last bits only. Move the slider: no draw makes them differ, so no seed will make
# them equal.
#
# </details>
#
# So a result without its spread over seeds is one draw. A seed does not make a run better or truer; it
# makes it *repeatable*.

# %% [markdown] topics="cross-hardware-limits"
# ## What no seed reaches
#
# A float32 keeps about seven digits. Each addition is rounded to that, so the order matters:

# %%
numbers = np.random.default_rng(0).normal(size=100_000).astype("float32")
one_by_one = np.cumsum(numbers)[-1]  # as one thread would
from_the_end = np.cumsum(numbers[::-1])[-1]
in_pairs = np.sum(numbers)  # NumPy adds blocks, then their sums
for name, total in zip(
    ("forwards", "backwards", "in blocks"), (one_by_one, from_the_end, in_pairs), strict=False
):
    print(f"{name:10} {total:.6f}")
print("all the same?", one_by_one == from_the_end == in_pairs)

# %% [markdown]
# Another processor has other vector widths, another number of threads, another library: it adds in another
# order. It is not wrong, and its run is not yours to the last bit. What can be promised on another machine
# is the mean over seeds, within its spread.
#
# ### One sum, two results (difficulty 1, 5 minutes)
#
# Find three float32 numbers for which `(a + b) + c` is 1 and `a + (b + c)` is 0.

# %% exercise="sums"
### BEGIN SOLUTION
a, b, c = 1e8, -1e8, 1.0
### STUB
# a, b, c = ..., ..., ...
### END SOLUTION

check("sums", (a, b, c))

# %% [markdown] topics="seed-everything deterministic-algorithms"
# ## What a seed reaches
#
# `keras.utils.set_random_seed(seed)` seeds the global generators of Python, NumPy and the backend. Three
# things escape it: what was drawn *before* it; a generator of your own, `np.random.default_rng()`; and, on
# a GPU, operations that add in the order in which threads arrive. For these ask for **deterministic**
# ones, which always add in one order and may be slower: TensorFlow has a switch, JAX a flag for its compiler.

# %%
x, y = parts.digits()


def trained(seed):
    keras.utils.set_random_seed(seed)  # before anything is drawn
    model = parts.small(dropout=0.3, masks=seed)
    model.fit(x, y, epochs=3, verbose=0)
    return parts.bits(model)  # a short hash: equal only if all bits of all weights are


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
else:
    print("on a GPU, before JAX starts: XLA_FLAGS=--xla_gpu_deterministic_ops=true")
print("the same bits?", trained(3) == trained(3))
print("with another seed?", trained(3) == trained(4))

# %% [markdown]
# ### Two equal runs (difficulty 2, 8 minutes)
#
# This `run` trains on 200 rows that it draws. Two calls with one seed must return the same weights,
# whatever else has drawn before; two seeds must not.


# %% exercise="run"
def run(seed):
    """Return the weights of a small net, trained on 200 rows."""
    ### BEGIN SOLUTION
    keras.utils.set_random_seed(seed)
    model = parts.small()
    rng = np.random.default_rng(seed)
    ### STUB
    # model = parts.small()
    # np.random.seed(seed)
    # rng = np.random.default_rng()
    ### END SOLUTION
    rows = rng.permutation(len(x))[:200]
    model.fit(x[rows], y[rows], epochs=1, verbose=0)
    return model.get_weights()


check("run", run)

# %% [markdown] topics="save-checkpoints"
# ## Killed, and taken up again
#
# Long runs die: a machine is lost, a session ends. A **checkpoint** is a file from which a run goes on.
# Keras's callback `BackupAndRestore` writes one every `save_freq` batches; `delete_checkpoint=False`: it stays
# when the run ends. Our `Kill` ends a run after so many batches as a lost machine would; -1: never.
#
# We kill a run after 100 batches and start it again, as a new process would: seed, new model, the same folder.
# Beside the run that was never killed, its weights are (a) the same bits, (b) equal but for rounding, (c) those
# of another training.

# %%
check("predict_backup", "c")  # SOLUTION

# %%
settings = {"batch_size": 32, "epochs": 6, "verbose": 0}


def stock(folder, after=-1):
    keras.utils.set_random_seed(0)
    model = parts.small(dropout=0.3)
    backup = keras.callbacks.BackupAndRestore(folder, save_freq=10, delete_checkpoint=False)
    with parts.may_die():
        model.fit(x, y, callbacks=[backup, parts.Kill(after)], **settings)
    return model


folder = tempfile.mkdtemp()
whole = stock(tempfile.mkdtemp())
stock(folder, after=100)
again = stock(folder)
apart = max(
    np.abs(a - b).max() for a, b in zip(whole.get_weights(), again.get_weights(), strict=True)
)
print("the same bits?", parts.bits(whole) == parts.bits(again))
print("largest difference of a weight above 0.01?", bool(apart > 0.01))
check.reveal("predict_backup")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Weights and optimizer came back. But the new process draws the order of the rows from the beginning, the
# masks too, and the epoch that was interrupted is begun anew: some rows are seen twice.
#
# </details>
#
# `coursekit`'s `resumable_fit` takes `fit`'s arguments and a folder. It keeps the rest as well: every random
# state, the place in the order, metrics in mid-epoch, the callbacks' state. It writes each checkpoint
# whole or not at all, and refuses what it could not resume exactly.


# %%
def ours(folder, after=-1):
    keras.utils.set_random_seed(0)
    model = parts.small(dropout=0.3)
    kill = parts.Kill(after)
    with parts.may_die():
        resumable_fit(model, x, y, folder, callbacks=[kill], save_freq=40, **settings)
    return model


folder = tempfile.mkdtemp()
never_killed = ours(tempfile.mkdtemp())
ours(folder, after=100)
ours(folder, after=50)  # and once more
print("the same bits?", parts.bits(ours(folder)) == parts.bits(never_killed))

# %% [markdown]
# ### What a checkpoint must hold (difficulty 3, 12 minutes)
#
# The check trains a net with dropout by Adam for three steps, calls `keep`, and calls `restore` on a new
# model of the same kind. That one must be in the same state as the first one was then: whatever a step
# reads. `model.get_weights()` alone is not enough.


# %% exercise="keep_and_restore"
def keep(model):
    """Return all that the next step depends on, besides its batch."""
    ### BEGIN SOLUTION
    return [np.asarray(v).copy() for v in [*model.variables, *model.optimizer.variables]]
    ### STUB
    # return ...
    ### END SOLUTION


def restore(model, kept):
    """Bring a new model to where `keep` was called."""
    ### BEGIN SOLUTION
    for variable, value in zip([*model.variables, *model.optimizer.variables], kept, strict=True):
        variable.assign(value)
    ### STUB
    # return ...
    ### END SOLUTION


check("keep_and_restore", keep, restore)

# %% [markdown] topics="log-every-config"
# ## A log that answers
#
# A run that nobody wrote down cannot be run again. **Log** every setting, the result, and what the run
# stood on: versions, machine, flags, seeds, and the commit of the code. `environment` records the latter
# in a file, and says in words how a later run differs.

# %%
home = Path(tempfile.mkdtemp())
keras.utils.set_random_seed(0)
environment().save(home / "environment.json")
keras.utils.set_random_seed(1)
print(environment().differences(home / "environment.json")[0])
print(", ".join(environment().facts))

# %% [markdown] topics="tracking-questions"
# Here are twelve runs, of two dropouts, two rates and three seeds, one line of JSON each; in the first six
# dropout is 0.3. Four questions decide whether a log is worth its name: Which setting was best, over its
# seeds? What did one change do, all else equal? What did the runs stand on? Can I have run 7 again, to the bit?

# %% tags=["nbval-ignore-output"]
parts.write_log(home / "runs.jsonl")
runs = [json.loads(line) for line in open(home / "runs.jsonl")]
print(runs[7])
scores = [one["val_accuracy"][-1] for one in runs]
gains = np.subtract(scores[6:], scores[:6])  # pairs of one rate and one seed
print(f"dropout 0.3, all six runs: {np.mean(scores[:6]):.3f} +- {np.std(scores[:6], ddof=1):.3f}")
print(f"0.5 instead, in pairs:    {np.mean(gains):+.3f} +- {np.std(gains, ddof=1):.3f}")
parts.write_log(home / "again.jsonl")
again = [json.loads(line) for line in open(home / "again.jsonl")]
print("run 7 again, to the bit?", again[7]["bits"] == runs[7]["bits"])

# %% [markdown]
# In pairs all else is equal. Between the six runs of one dropout the rate differs too, and its effect hides
# that of dropout. Is what dropout does larger than its own spread?
#
# ### The best setting (difficulty 2, 8 minutes)
#
# Answer the first question for any such log: return the pair `(dropout, rate)` whose runs have the highest
# *mean*, over their seeds, of the last value of `val_accuracy`.


# %% exercise="best_setting"
def best_setting(runs):
    """Return (dropout, rate) of the best setting of a list of dicts like those above."""
    ### BEGIN SOLUTION
    scores = {}
    for one in runs:
        scores.setdefault((one["dropout"], one["rate"]), []).append(one["val_accuracy"][-1])
    return max(scores, key=lambda setting: np.mean(scores[setting]))
    ### STUB
    # return ...
    ### END SOLUTION


check("best_setting", best_setting)

# %% [markdown] topics="tensorboard experiment-tracking-tools"
# ## Who keeps the log for you
#
# **TensorBoard** draws curves from files that a callback of Keras writes; `tensorboard --logdir folder` shows
# them in a browser. `histogram_freq=1`: the weights too, every epoch. They are plain records, and can be read
# back, here as the number of values by name:

# %%
if find_spec("tensorflow") and find_spec("tensorboard"):
    board = keras.callbacks.TensorBoard(home / "board", histogram_freq=1)
    parts.small().fit(x, y, epochs=2, verbose=0, validation_split=0.2, callbacks=[board])
    found = parts.tags_of(home / "board")
    print({tag: found[tag] for tag in sorted(found) if "epoch_loss" in tag})
    print("weights too?", any("kernel" in tag for tag in found))
else:
    print("TensorBoard's files need TensorFlow, which is not here.")

# %% [markdown]
# | service | what it is |
# |---|---|
# | MLflow | open; runs on your own disk (`mlflow.set_tracking_uri("file:runs")`) or server |
# | Weights & Biases | hosted; curves, tables, reports for teams |
# | Aim | open; your own server, many runs side by side |
# | Comet | hosted; like Weights & Biases |
# | Neptune | closed in March 2026: its users had to take their logs out |
#
# The last line is why a plain file beside the code is worth keeping, whoever draws the curves.
#
# ### Which would have saved it? (difficulty 1, 4 minutes)
#
# A `set_random_seed` before the model; B a seed for a generator of one's own; C a checkpoint with random
# states; D a longer training; E nothing: record the machine, and compare means over seeds. Give the letter
# for each case.
#
# - `start`: two starts of a script begin with other losses.
# - `rows`: the script is seeded, but `np.random.default_rng()` picks its rows.
# - `killed`: a run that was interrupted ends otherwise.
# - `machine`: on a colleague's machine the sixth digit differs.

# %% exercise="saved"
### BEGIN SOLUTION
saved = {"start": "A", "rows": "B", "killed": "C", "machine": "E"}
### STUB
# saved = {"start": ..., "rows": ..., "killed": ..., "machine": ...}
### END SOLUTION

check("saved", saved)

# %% [markdown]
# ### Your decision
#
# How will you report the running model: by one run, or by several seeds? `score` is what you report.

# %% tags=["nbval-ignore-output"]
garments = datasets.load_fashion_mnist()
unseen = garments.validation
nets = [lessons.running_model(seed) for seed in range(3)]
for net in nets:
    net.compile("adam", parts.loss_fn(), metrics=["accuracy"])
fit_many(nets, garments.train.x, garments.train.y, epochs=3, batch_size=64, verbose=0)
scores = [net.evaluate(unseen.x, unseen.y, verbose=0)[1] for net in nets]
print("validation accuracy", np.round(scores, 3))
print(f"{np.mean(scores):.3f} +- {np.std(scores, ddof=1):.3f}")

# %%
### BEGIN SOLUTION
check.decide(
    choice="the mean of three seeds, with their spread and a log",
    because="one run is one draw, and the spread says which gains are real",
    score=0.84,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Four sources of chance are draws, which a seed repeats; the order of additions is not.
# 2. The seed comes before the first draw, and a generator of one's own needs its own.
# 3. A run goes on exactly only with its random states and its place in the order.
# 4. A log answers: which was best over seeds, what a change did, on what it stood, and again?
#
# **The pitfall.** Choosing the best of ten seeds and calling it the method's result.
#
# **Break it.** Set `settings["batch_size"] = 64` and call `ours(folder)` again.
#
# <details><summary>What happens</summary>
#
# It is refused before any training, by the name of what differs: the folder holds another training.
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
check("quiz_4", "c")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
