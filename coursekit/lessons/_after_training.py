"""What the lesson on a model's life after training computes, and what it draws."""

import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coursekit import plots
from coursekit.lessons._running import running_model

# The life of a model ------------------------------------------------------------------------------

STATIONS = ("train", "evaluate", "shrink", "export", "serve", "watch")


def life_cycle() -> None:
    """Draw the stations of a model's life in a circle of arrows."""
    fig, ax = plots.figure("The life of a model", height=1.9)
    for k, name in enumerate(STATIONS):
        ax.text(k, 0, name, ha="center", va="center", fontsize=9,
                bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": "#0072b2"})  # fmt: skip
        if k:
            ax.annotate("", (k - 0.36, 0), (k - 0.64, 0), arrowprops={"arrowstyle": "->"})
    back = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.15", "color": "#d55e00", "ls": "--"}
    ax.annotate("", (0, -0.3), (5, -0.3), arrowprops=back)
    ax.text(2.5, -0.85, "new data, if the world has changed", ha="center", fontsize=9)
    ax.set(xlim=(-0.6, 5.6), ylim=(-1.2, 0.5))
    ax.axis("off")
    plots.show(
        fig,
        alt="Six stations, an arrow from each to the next: train, evaluate, shrink, export, "
        "serve, watch. A dashed arrow leads from the last back to the first: new data.",
    )


# Accuracy, probabilities, copies ------------------------------------------------------------------


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of scores, along the last axis, in float64."""
    scores = np.asarray(scores, "float64")
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def log_loss(scores: np.ndarray, y: np.ndarray) -> float:
    """Return the mean of -log of the probability that scores give the right class."""
    return float(-np.log(softmax(scores)[np.arange(len(y)), y]).mean())


def accuracy(model: Any, data: Any) -> float:
    """Return the share of the rows of `data` (with `x` and `y`) that a model gets right."""
    return float(np.mean(np.asarray(model(data.x)).argmax(axis=1) == data.y))


def copy_of(model: Any, change: Callable = lambda kernel: kernel) -> Any:
    """Return a fresh running model, not compiled, with a model's weights; its kernels changed."""
    other = running_model()
    other.set_weights([change(w) if w.ndim == 2 else w for w in model.get_weights()])
    return other


def accuracies(model: Any, data: Any, changes: Iterable[Callable]) -> list[float]:
    """Return the accuracy of a model under each of some changes of its kernels; it stays itself."""
    other, weights, found = copy_of(model), model.get_weights(), []
    for change in changes:
        other.set_weights([change(w) if w.ndim == 2 else w for w in weights])
        found.append(accuracy(other, data))
    return found


def student(units: int, seed: int) -> Any:
    """Return a net like the running model with so many units, not compiled."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    stack = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(units, activation="relu")]
    return keras.Sequential([keras.Input((28, 28)), *stack, layers.Dense(10)])


# Fewer bits ---------------------------------------------------------------------------------------

BITS = (32, 8, 6, 4, 3, 2)


def rounded(kernel: np.ndarray, bits: int) -> np.ndarray:
    """Return a kernel whose columns hold 2**bits - 1 equally spaced values, from -max to max."""
    scale = np.abs(kernel).max(axis=0) / (2 ** (bits - 1) - 1)
    return (np.round(kernel / np.where(scale > 0, scale, 1)) * scale).astype(kernel.dtype)


def bytes_at(model: Any, bits: int) -> float:
    """Return the bytes of a net: kernels at so many bits, all else (below 32 also scales) at 32."""
    kernels, biases = ([w for w in model.get_weights() if w.ndim == n] for n in (2, 1))
    others = sum(b.size for b in biases) * (1 if bits == 32 else 2)
    return sum(k.size for k in kernels) * bits / 8 + 4 * others


def bits(nets: Sequence[Any], data: Any) -> None:
    """Show with a slider what a kernel's bits make of its weights, of size and of accuracy."""
    changes = {b: (lambda k, b=b: k if b == 32 else rounded(k, b)) for b in BITS}
    runs = np.array([accuracies(net, data, changes.values()) for net in nets])
    rates = dict(zip(BITS, runs.T, strict=True))
    trained = nets[0].get_weights()[0][:, :1]
    ends = 1.1 * trained.min(), 1.1 * trained.max()
    sizes = {b: bytes_at(nets[0], b) / 1000 for b in BITS}

    def draw(chosen):
        fig, (left, right) = plots.figure("Weights of fewer bits", columns=2)
        left.scatter(trained, changes[chosen](trained), s=8, color=plots.COMPARE[0].color)
        left.set(
            xlabel="weight of unit 1, as trained", ylabel="at these bits", xlim=ends, ylim=ends
        )
        for k, shown in enumerate(runs):
            plots.curve(right, shown, plots.COMPARE[k], x=[sizes[b] for b in BITS],
                        label=f"seed {k}", lw=1)  # fmt: skip
        right.axvline(sizes[chosen], color="black", lw=0.8, ls=":")
        right.set(xscale="log", xlabel="size (kB)", ylabel="validation accuracy")
        ticks = [sizes[b] for b in BITS]
        right.set_xticks(ticks, [f"{t:.0f}" for t in ticks], fontsize=8)
        right.minorticks_off()
        right.legend(fontsize=8, loc=(0.6, 0.1))
        return fig

    def caption(chosen):
        told = ", ".join(f"{rate:.2f}" for rate in rates[chosen])
        return (
            f"{chosen} bits a weight: {sizes[chosen]:.0f} kB. Validation accuracy of three seeds: "
            f"{told}. Left, each weight of one unit; right, the dotted line is this size."
        )

    plots.explore(draw, BITS, caption, "bits of a weight", start=BITS.index(8))


def file_size(model: Any) -> int:
    """Return the bytes of the `.keras` file of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.stat().st_size


# Fewer weights ------------------------------------------------------------------------------------

SHARES = (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


def mask(kernel: np.ndarray, share: float) -> np.ndarray:
    """Return 1 for the weights to keep, 0 for the share of them that is nearest to 0."""
    return (np.abs(kernel) >= np.quantile(np.abs(kernel), share)).astype("float32")


def pruned(model: Any, share: float) -> Any:
    """Return a compiled copy without that share of each kernel, and with a rule that keeps it so.

    The rule is a constraint of the kernel: after each step of the optimizer it multiplies by the
    mask.
    """
    import keras

    class Keep(keras.constraints.Constraint):
        def __init__(self, kept):
            self.kept = keras.ops.convert_to_tensor(kept)

        def __call__(self, kernel):
            return kernel * self.kept

    other = copy_of(model, lambda kernel: kernel * mask(kernel, share))
    for layer in other.layers:
        if layer.weights and share:
            layer.kernel.constraint = Keep(mask(np.asarray(layer.kernel), share))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    other.compile("adam", loss)
    return other


def cliff(nets: Sequence[Any], data: Any, again: Mapping[float, Sequence[float]]) -> None:
    """Draw accuracy against the share of weights that is gone: at once, and after training on.

    Args:
        nets: trained, one for each seed.
        data: rows to measure by.
        again: {share: the accuracy of each net that was trained on without that share}.
    """
    changes = [(lambda kernel, share=s: kernel * mask(kernel, share)) for s in SHARES]
    at_once = np.array([accuracies(net, data, changes) for net in nets])
    fig, ax = plots.figure("Weights taken away", "share of weights set to 0", "validation accuracy")
    plots.band(ax, at_once, plots.COMPARE[0], x=SHARES, label="at once")
    for k, runs in enumerate(zip(*again.values(), strict=True)):
        plots.curve(ax, runs, plots.COMPARE[1], x=[*again], ls="none", ms=6, mfc="none",
                    label="" if k else "after 2 more epochs")  # fmt: skip
    ax.set(ylim=(0, 1))
    ax.legend(loc="lower left")
    told = "; ".join(f"{s:g}: {rate:.2f}" for s, rate in zip(SHARES, at_once.mean(0), strict=True))
    later = "; ".join(f"{s:g}: {np.mean(rates):.2f}" for s, rates in again.items())
    plots.show(
        fig,
        alt="Accuracy holds at first, then falls like a cliff; two more epochs carry it back most "
        f"of the way. Means of three seeds, at once, {told}; after two more epochs, {later}.",
    )


# What it takes ------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A line of the table: bytes as they lie, bytes compressed, accuracy, products for an image."""

    plain: int
    packed: int
    accuracy: float
    products: int


def measured(nets: Sequence[Any], data: Any) -> Row:
    """Return the bytes and the products of the first of some nets, and the accuracy of all."""
    raw = b"".join(np.asarray(w).tobytes() for w in nets[0].weights)
    rate = float(np.mean([accuracy(net, data) for net in nets]))
    products = sum(int(np.prod(w.shape)) for w in nets[0].weights if len(w.shape) == 2)
    return Row(len(raw), len(zlib.compress(raw, 9)), rate, products)


def table(kinds: Mapping[str, Sequence[Any]], data: Any) -> None:
    """Print a line for each kind of net."""
    print(f"{'':24}kB   zipped kB   accuracy   products for an image")
    for name, nets in kinds.items():
        row = measured(nets, data)
        print(f"{name:20}{row.plain / 1000:6.0f}{row.packed / 1000:12.0f}{row.accuracy:11.2f}"
              f"{row.products:24,}")  # fmt: skip


# Served without Keras -----------------------------------------------------------------------------


def exported(model: Any, path: str) -> Callable:
    """Write a model as a program with its weights inside, read it, return its call.

    On TensorFlow a SavedModel, in a folder. On JAX StableHLO, in a file, for any number of rows, on
    a CPU, a GPU and a TPU, without TensorFlow; where the library `flatbuffers` is missing there is
    no file, and the program goes from hand to hand.
    """
    import keras

    return (_saved_model if keras.backend.backend() == "tensorflow" else _stable_hlo)(model, path)


def _saved_model(model, path):
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # it names the folder
    try:
        model.export(path, verbose=False)
    finally:
        logger.setLevel(level)
    program = tf.saved_model.load(path)
    return lambda images: program.serve(images)  # keeps `program` and so its weights


def _stable_hlo(model, path):
    import jax
    from jax import export

    (rows,) = export.symbolic_shape("rows")
    images = jax.ShapeDtypeStruct((rows, *model.input_shape[1:]), "float32")
    program = export.export(jax.jit(model), platforms=("cpu", "cuda", "tpu"))(images)
    try:
        Path(path).write_bytes(program.serialize())
    except ImportError:
        return program.call
    return export.deserialize(bytearray(Path(path).read_bytes())).call


# How sure -----------------------------------------------------------------------------------------


def disagreement(answers: np.ndarray) -> np.ndarray:
    """Return for each image the share of nets that are against the most frequent answer.

    Args:
        answers: the class that each net (a row) says of each image (a column).
    """
    votes = np.stack([np.sum(answers == k, axis=0) for k in range(10)])
    return 1 - votes.max(axis=0) / len(answers)


def conformal(p: np.ndarray, miss: float, p_held: np.ndarray, y_held: np.ndarray) -> np.ndarray:
    """Return which classes are in the set of each row: as likely as all but a few right ones were.

    Args:
        p: the probabilities of the rows that ask.
        miss: the share of rows whose right class may be missing.
        p_held: the probabilities of rows that no training has seen.
        y_held: their classes.
    """
    n = len(y_held)
    scores = np.sort(1 - p_held[np.arange(n), y_held])
    k = int(np.ceil((n + 1) * (1 - miss)))
    limit = scores[k - 1] if k <= n else np.inf
    return 1 - p <= limit


def covered(sets: np.ndarray, y: np.ndarray) -> float:
    """Return the share of rows whose class is in their set."""
    return float(sets[np.arange(len(y)), y].mean())


def draws(p: np.ndarray, y: np.ndarray, sizes: Iterable[int], miss: float) -> None:
    """Draw what share is covered if other rows are held out, for numbers of rows held out."""
    rng, sizes = np.random.default_rng(0), list(sizes)
    fig, axes = plots.figure("Kept on average; with few rows held out, one draw may be far off",
                             "share of new rows covered",
                             columns=len(sizes))  # fmt: skip
    told = []
    for ax, n in zip(axes, sizes, strict=True):
        found = []
        for _ in range(1000):
            order = rng.permutation(len(y))
            held, new = order[:n], order[-1000:]
            found.append(covered(conformal(p[new], miss, p[held], y[held]), y[new]))
        ax.axvline(1 - miss, color=plots.COMPARE[1].color, ls="--")
        ax.axvline(np.mean(found), color="black", ls=":")
        ax.hist(found, np.linspace(0.5, 1, 51), color=plots.COMPARE[0].color, zorder=0)
        ax.set_title(f"{n:,} rows held out", fontsize=9)
        low, high = np.quantile(found, [0.05, 0.95])
        told.append(f"{n:,} rows: mean {np.mean(found):.2f}, nine of ten draws between {low:.2f} "
                    f"and {high:.2f}")  # fmt: skip
    axes[0].set(ylabel="draws")
    axes[0].legend(["promised", "mean of the draws"], fontsize=8, loc="upper left")
    plots.show(
        fig,
        alt="A thousand draws each. The more rows are held out, the narrower the histogram. "
        f"Dashed, what was promised; dotted, the mean. {'; '.join(told)}.",
    )


# Watching -----------------------------------------------------------------------------------------

TESTS = ("mean pixel", "confidence", "classes", "accuracy")
LEVEL = 0.01


def p_values(before: Any, x: np.ndarray, p: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the p-value of each test: is a batch like the rows of `before`?

    Args:
        before: rows with `x`, `y` and probabilities `p`, from the time of training.
        x: the images of the batch.
        p: the probabilities that the model gives them.
        y: their labels, which only the last test needs.
    """
    from scipy import stats

    def same(a, b):  # Kolmogorov and Smirnov's: the largest gap of two cumulative shares
        return float(stats.ks_2samp(a, b, method="asymp").pvalue)

    counts = np.stack([np.bincount(q.argmax(axis=1), minlength=10) for q in (before.p, p)])
    classes = stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue
    rate = np.mean(before.p.argmax(axis=1) == before.y)
    right = int(np.sum(p.argmax(axis=1) == y))
    fewer = stats.binomtest(right, len(y), rate, alternative="less").pvalue
    return [same(before.x.mean(axis=(1, 2)), x.mean(axis=(1, 2))),
            same(before.p.max(axis=1), p.max(axis=1)), float(classes), float(fewer)]  # fmt: skip


class Before(NamedTuple):
    """Rows as the model met them when it was trained, with what it said of them."""

    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


class Alarms(NamedTuple):
    """How many of the batches set off each test, and the mean accuracy on them."""

    alarms: np.ndarray
    accuracy: float


def watch(model: Any, data: Any, change: Callable, days: int = 40, rows: int = 200) -> Alarms:
    """Count alarms on batches that were changed: one batch a day, a thousand rows to compare with.

    Args:
        model: gives scores.
        data: of 2,000 rows; the first half is what was, batches come from the second.
        change: takes the images, labels and a generator of random numbers; returns images, labels.
        days: the number of batches.
        rows: of each batch.
    """
    x, y, rng = data.x.astype("float32"), data.y, np.random.default_rng(0)
    before = Before(x[:1000], y[:1000], softmax(model(x[:1000])))
    alarms, rates = np.zeros(len(TESTS), int), []
    for _ in range(days):
        seen, labels = change(x[1000:], y[1000:], rng)
        picked = rng.choice(len(labels), rows, replace=False)
        seen, labels = seen[picked], labels[picked]
        p = softmax(model(seen))
        alarms += np.array(p_values(before, seen, p, labels)) < LEVEL
        rates.append(np.mean(p.argmax(axis=1) == labels))
    return Alarms(alarms, float(np.mean(rates)))


def more_coats(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple:
    """Return rows of which one in three more is a pullover or a coat."""
    coats = rng.choice(np.flatnonzero(np.isin(y, (2, 4))), len(y) // 3)
    return np.concatenate([x, x[coats]]), np.concatenate([y, y[coats]])


def alarm_map(found: Mapping[str, Alarms], days: int = 40) -> None:
    """Draw the alarms of each test (a column) under each change (a row)."""
    fig, ax = plots.figure(f"Alarms on {days} days", height=3.0)
    shares = np.array([each.alarms for each in found.values()]) / days
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.8, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        ax.text(column, row, f"{share * days:.0f}", ha="center", va="center")
    for row, each in enumerate(found.values()):
        ax.text(len(TESTS) - 0.4, row, f"right: {each.accuracy:.2f}", va="center", fontsize=9)
    ax.set_xticks(range(len(TESTS)), TESTS)
    ax.set_yticks(range(len(found)), [*found])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    told = "; ".join(f"{name}: {', '.join(map(str, each.alarms))} and {each.accuracy:.2f}"
                     for name, each in found.items())  # fmt: skip
    plots.show(
        fig,
        alt=f"Days with an alarm, of {days}, by the tests {', '.join(TESTS)}, and the share that "
        f"the model gets right. {told}.",
    )
