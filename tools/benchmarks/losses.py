"""What a loss costs, forward and backward, next to its peers.

    python tools/benchmarks/losses.py --batches 256 1024 4096 --output table.md

The peer is the Keras loss of that kind where there is one. Elsewhere it is the plain way to write
the formula in TensorFlow, with all triplets or all distances in memory; one that would need more
than 6 GB is left out. Plain functions are called as `compile` would: by a Keras loss, which reduces
them. What they lack: labels that are no class give no NaN but an error or a wrong value; "plain"
InfoNCE takes every other pair for a negative, where "plain, masked" leaves out pairs with the same
identity, as ours does; plain SupCon overflows, plain focal crossentropy rounds 1 - p.

Ratios are our time over the peer's, the median over turns of one call of each; below 1 we are
faster. Milliseconds are ours in the last mode, to see the scale; `--torch PYTHON`
compares them with pytorch-metric-learning on the CPU, in that Python (256 embeddings where it lists
all triplets, which takes gigabytes for 1024).
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from coursekit import losses
from coursekit.losses import adversarial

FEATURES, LABELS, SIDE = 128, 32, 32

# In a process of its own: TensorFlow and torch fight over threads.
TORCH = """
import json, sys, time
import torch
from pytorch_metric_learning import losses, miners
torch.manual_seed(0)
semi_hard = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
hard, triplet = miners.BatchHardMiner(), losses.TripletMarginLoss(margin=0.2)
calls = {
    "TripletLoss semi_hard": lambda x, y: triplet(x, y, semi_hard(x, y)),
    "TripletLoss hard": lambda x, y: triplet(x, y, hard(x, y)),
    "TripletLoss all": triplet,
    "SupervisedContrastive": losses.SupConLoss(),
    "InfoNCE": losses.NTXentLoss(0.07),
}
result = {}
for rows in json.loads(sys.argv[1]):
    x, y = torch.randn(rows, 128, requires_grad=True), torch.randint(0, 32, (rows,))
    for name, call in calls.items():
        labels = torch.arange(rows // 2).repeat(2) if name == "InfoNCE" else y
        if rows > 256 and name in ("TripletLoss semi_hard", "TripletLoss all", "InfoNCE"):
            continue  # it lists every triplet, in gigabytes
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            torch.autograd.grad(call(x, labels), x)
            best = min(best, time.perf_counter() - start)
        result[f"{name} {rows}"] = 1e3 * best
print(json.dumps(result))
"""


def squares(x):
    """Return all squared distances, the short way."""
    return tf.reduce_sum(tf.square(x[:, None] - x[None]), axis=-1)


def masks(y):
    """Return which pairs are positive and negative."""
    alike = y[:, None] == y[None]
    return alike & ~tf.eye(tf.shape(y)[0], dtype=tf.bool), ~alike


def plain_triplets(mining):
    """Return a triplet loss that compares all triplets, or all pairs for "hard"."""

    def loss(y, x):
        d = tf.reduce_sum(x**2, 1)[:, None] + tf.reduce_sum(x**2, 1) - 2 * x @ tf.transpose(x)
        positive, negative = masks(y)
        if mining == "hard":
            near = tf.reduce_max(tf.where(positive, d, -1e9), 1)
            return tf.nn.relu(near - tf.reduce_min(tf.where(negative, d, 1e9), 1) + 0.2)
        gap = d[:, :, None] - d[:, None, :]
        if mining == "all":
            valid = tf.cast(positive[:, :, None] & negative[:, None, :], x.dtype)
            return tf.reduce_sum(tf.nn.relu(gap + 0.2) * valid, [1, 2]) / tf.reduce_sum(valid)
        beyond = negative[:, None, :] & (gap < 0)
        far = tf.reduce_min(tf.where(beyond, d[:, None, :], 1e9), 2)
        farthest = tf.reduce_max(tf.where(negative, d, -1e9), 1, keepdims=True)
        costs = tf.nn.relu(d - tf.where(far < 1e9, far, farthest) + 0.2)
        return tf.reduce_sum(tf.where(positive, costs, 0.0), 1)

    return loss


def plain_supervised(y, x):
    """Divide exponentials, as in the formula."""
    z = tf.math.l2_normalize(x, axis=1)
    positive, negative = masks(y)
    every = tf.cast(positive | negative, x.dtype)
    logits = z @ tf.transpose(z) / 0.1
    log_p = logits - tf.math.log(tf.reduce_sum(tf.exp(logits) * every, 1, keepdims=True))
    positive = tf.cast(positive, x.dtype)
    return -tf.reduce_sum(log_p * positive, 1) / tf.maximum(tf.reduce_sum(positive, 1), 1.0)


def plain_info_nce(y, x, masked=False):
    """Crossentropy with the diagonal as labels, both ways."""
    z = tf.math.l2_normalize(x, axis=-1)
    logits = z[:, 0] @ tf.transpose(z[:, 1]) / 0.07
    if masked:
        logits = tf.where(masks(y)[0], -1e9, logits)
    diagonal = tf.range(tf.shape(x)[0])
    cross = tf.nn.sparse_softmax_cross_entropy_with_logits
    return (cross(diagonal, logits) + cross(diagonal, tf.transpose(logits))) / 2


def plain_focal(y, x):
    """Weigh the crossentropy of labels by what it says of p."""
    costs = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, "int64"), x)
    return 0.25 * (1 - tf.exp(-costs)) ** 2 * costs


def plain_lovasz(y, x):
    """Sort the errors of each class and image, by class."""
    p, total = tf.reshape(tf.nn.softmax(x), (-1, SIDE * SIDE, 4)), 0.0
    y = tf.reshape(y, (-1, SIDE * SIDE))
    for c in range(4):
        is_c = tf.cast(y == c, x.dtype)
        errors = tf.abs(is_c - p[..., c])
        order = tf.argsort(errors, direction="DESCENDING")
        errors, is_c = (tf.gather(v, order, batch_dims=1) for v in (errors, is_c))
        count = tf.reduce_sum(is_c, 1, keepdims=True)
        union = count + tf.cumsum(1 - is_c, 1)
        jaccard = 1 - (count - tf.cumsum(is_c, 1)) / union
        steps = tf.concat([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], 1)
        total += tf.reduce_sum(errors * steps, 1)
    return total / 4


class Plain(keras.losses.Loss):
    """A plain function as Keras calls it."""

    def __init__(self, function, **arguments):
        super().__init__()
        self.function, self.arguments = function, arguments

    def call(self, y_true, y_pred):
        """Return the values of the function."""
        return self.function(y_true, y_pred, **self.arguments)


def one_hot(loss):
    """Return a Keras loss of one-hot labels as one of integer labels."""
    return lambda y, x: loss(tf.one_hot(y, x.shape[-1]), x)


def triplets(mining):
    """Return our triplet loss; "hard" mines positives too."""
    return losses.TripletLoss(
        positives="hard" if mining == "hard" else "all", negatives=mining, distance="squared"
    )


def table_rows():
    """Return name, data, our loss, the peer's name, the peer, and its memory by batch size."""
    k, sparse = keras.losses, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    focal = one_hot(k.CategoricalFocalCrossentropy(from_logits=True))
    smooth = one_hot(k.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1))
    softmaxed = lambda loss: lambda y, x: loss(tf.one_hot(y, 4), tf.nn.softmax(x))  # noqa: E731
    dice, tversky = k.Dice(axis=(1, 2)), k.Tversky(axis=(1, 2))
    few = [0.0 + 10 * (c + 1) for c in range(LABELS)]
    cube, square = (lambda n: 16 * n**3), (lambda n: 40 * n**2)
    logits = keras.losses.BinaryCrossentropy(from_logits=True)

    def keras_gan(y, x):
        return logits(tf.ones_like(x[0]), x[0]) + logits(tf.zeros_like(x[1]), x[1])

    def contrastive(y, d):
        return y * d**2 + (1 - y) * tf.maximum(1.0 - d, 0.0) ** 2

    focal_ours = losses.SparseCategoricalFocalCrossentropy(from_logits=True)
    smooth_ours = losses.LabelSmoothedCrossentropy(from_logits=True)
    balanced = losses.ClassBalancedCrossentropy(samples_per_class=few, from_logits=True)
    dice_ours = losses.CrossentropyDice(from_logits=True)
    lovasz = losses.LovaszSoftmax(from_logits=True)
    rows = [
        ("SparseCategoricalFocalCrossentropy", "classes", focal_ours, "Keras, one-hot", focal),
        ("SparseCategoricalFocalCrossentropy", "classes", focal_ours, "plain", Plain(plain_focal)),
        ("LabelSmoothedCrossentropy", "classes", smooth_ours, "Keras, one-hot", smooth),
        ("ClassBalancedCrossentropy", "classes", balanced, "Keras, no weights", sparse),
        (
            "CrammerSingerHinge",
            "classes",
            losses.CrammerSingerHinge(),
            "Keras CategoricalHinge",
            one_hot(k.CategoricalHinge()),
        ),
        (
            "CrossentropyDice",
            "masks",
            dice_ours,
            "Keras, both added",
            lambda y, x: sparse(y, x) + softmaxed(dice)(y, x),
        ),
        (
            "FocalTversky",
            "masks",
            losses.FocalTversky(from_logits=True),
            "Keras Tversky",
            softmaxed(tversky),
        ),
        ("LovaszSoftmax", "masks", lovasz, "plain", Plain(plain_lovasz)),
        ("PairContrastive", "pairs", losses.PairContrastive(), "plain", Plain(contrastive)),
    ]
    rows = [(*row, lambda n: 0) for row in rows]
    for mining in ("semi_hard", "hard", "all"):
        memory = square if mining == "hard" else cube
        row = ("embeddings", triplets(mining), "plain", Plain(plain_triplets(mining)), memory)
        rows.append((f"TripletLoss {mining}", *row))
    ours, info_nce = losses.SupervisedContrastive(), losses.InfoNCE()
    circle = keras.losses.Circle()
    rows += [
        ("SupervisedContrastive", "embeddings", ours, "plain", Plain(plain_supervised), square),
        ("SupervisedContrastive", "embeddings", ours, "Keras Circle", circle, square),
        ("InfoNCE", "views", info_nce, "plain", Plain(plain_info_nce), square),
        ("InfoNCE", "views", info_nce, "plain, masked", Plain(plain_info_nce, masked=True), square),
        (
            "non_saturating_discriminator",
            "two batches",
            lambda y, x: adversarial.non_saturating_discriminator(x[0], x[1]),
            "Keras, two calls",
            keras_gan,
            lambda n: 0,
        ),
    ]
    return rows


def make(kind, rows):
    """Return labels and predictions."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, LABELS, rows)
    if kind == "classes":
        x = rng.normal(size=(rows, LABELS))
    elif kind == "masks":
        rows = max(rows // 64, 1)  # images
        y, x = rng.integers(0, 4, (rows, SIDE, SIDE)), rng.normal(size=(rows, SIDE, SIDE, 4))
    elif kind == "pairs":
        y, x = rng.integers(0, 2, rows).astype("float32"), rng.uniform(0, 2, rows)
    elif kind == "views":
        y, x = np.arange(rows), rng.normal(size=(rows, 2, FEATURES))
    elif kind == "two batches":
        x = rng.normal(size=(2, rows, 16))
    else:
        x = rng.normal(size=(rows, FEATURES))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    return tf.constant(y), tf.constant(x.astype("float32"))


def step(loss, y, x, mode):
    """Return a call that computes the loss and its gradient, of labels that the graph is given."""

    def both(y, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_mean(loss(y, x))
        return value, tape.gradient(value, x)

    run = both if mode == "eager" else tf.function(both, jit_compile=mode == "XLA")
    return lambda: run(y, x)[1].numpy()


def compare(ours, peer, seconds):
    """Return our time, and its ratio to the peer's: the median over turns of a call of each.

    What disturbs the machine for longer than two calls then disturbs both. The ratio comes twice,
    from the first and from the second half of the turns.
    """
    calls, times = [call for call in (ours, peer) if call], []
    for call in calls * (3 if peer else 1):
        call()
    least, end = 6 if peer else 2, time.perf_counter() + seconds
    while len(times) < least or (time.perf_counter() < end and len(times) < 2000):
        turn = [0.0] * len(calls)
        for i in range(len(calls)) if len(times) % 2 else reversed(range(len(calls))):
            began = time.perf_counter()
            calls[i]()
            turn[i] = time.perf_counter() - began
        times.append(turn)
    mine, theirs = np.array(times).T[[0, -1]]
    ratios, half = mine / theirs, len(times) // 2
    return 1e3 * np.median(mine), [np.median(r) for r in (ratios, ratios[:half], ratios[half:])]


def torch_times(python, batches):
    """Return the milliseconds of pytorch-metric-learning, or say why there are none."""
    if not python:
        print("pytorch-metric-learning: not asked for (--torch PYTHON)")
        return {}
    done = subprocess.run(
        [python, "-c", TORCH, json.dumps(batches)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    if done.returncode:
        print(f"pytorch-metric-learning skipped: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return json.loads(done.stdout)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--modes", nargs="+", default=["eager", "XLA", "graph"])
    parser.add_argument("--only", default="", help="losses whose name has this in it")
    parser.add_argument("--seconds", type=float, default=1.0, help="for one ratio")
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with pytorch-metric-learning")
    parser.add_argument("--output", type=Path, help="write the table here too")
    options = parser.parse_args()
    torch = torch_times(options.torch, options.batches)
    head = ["loss", "batch", "peer", *options.modes, f"{options.modes[-1]}, ms", "torch"]
    differ = []
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, kind, ours, peer_name, peer, memory in table_rows():
        for rows in options.batches if options.only in name else []:
            y, x = make(kind, rows)
            there = memory(rows) < 6e9
            ratios = [] if there else ["-"] * (len(options.modes) - 1)
            for mode in options.modes if there else options.modes[-1:]:
                calls = [step(ours, y, x, mode), step(peer, y, x, mode) if there else None]
                mine, (ratio, first, second) = compare(*calls, options.seconds)
                ratios.append(f"{ratio:.2f}" if there else "-")
                if there:
                    differ.append(abs(first / second - 1))
            other = torch.get(f"{name} {rows}")
            cells = [name, str(rows), peer_name, *ratios, f"{mine:.2f}"]
            cells.append(f"{mine / other:.2f}" if other else "-")
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))
    print(
        f"\nThe two halves of a measurement differ by {np.median(differ):.1%} in the median of all "
        f"ratios, by at most {np.quantile(differ, 0.9):.1%} in nine of ten."
    )
    if options.output:
        options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
