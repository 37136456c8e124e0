"""What the lesson on backpropagation draws, its graph, and what it takes ready-made."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from coursekit import datasets, plots
from coursekit.lessons._tpu import ANSWERS

DEPTH = 20
TPU_PROGRAMS = {False: "backpropagation: 6 blocks", True: "backpropagation: 6 blocks, recomputed"}


# A graph of two layers, for one row of class 0 ----------------------------------------------------


class Node(NamedTuple):
    """An operation: what it reads, its value, and the blame of what it reads from its own."""

    reads: tuple[str, ...]
    formula: str
    value: Callable
    back: Callable


def _softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def _softmax_back(blame, z):
    p = _softmax(z)
    return (p * (blame - blame @ p),)


GRAPH = {
    "u": Node(("x", "W1"), "x W1", lambda x, W: x @ W, lambda d, x, W: (W @ d, np.outer(x, d))),
    "a": Node(("u", "b1"), "u + b1", lambda u, b: u + b, lambda d, u, b: (d, d)),
    "h": Node(("a",), "relu(a)", lambda a: np.maximum(0, a), lambda d, a: (d * (a > 0),)),
    "v": Node(("h", "W2"), "h W2", lambda h, W: h @ W, lambda d, h, W: (W @ d, np.outer(h, d))),
    "z": Node(("v", "b2"), "v + b2", lambda v, b: v + b, lambda d, v, b: (d, d)),
    "p": Node(("z",), "softmax(z)", _softmax, _softmax_back),
    "loss": Node(
        ("p",),
        "-log p[0]",
        lambda p: -np.log(p[0]),
        lambda d, p: (d * np.array([-1 / p[0], *np.zeros(len(p) - 1)]),),
    ),
}
LEAVES = {
    "x": np.array([1.0, 2.0]),
    "W1": np.array([[0.5, -1.0], [1.0, 0.2]]),
    "b1": np.array([-0.5, 0.1]),
    "W2": np.array([[0.4, 0.8], [0.3, -0.6]]),
    "b2": np.array([0.2, 0.0]),
}


def forward_and_back(leaves: Mapping[str, np.ndarray]) -> tuple[dict, list[tuple[str, dict]]]:
    """Walk the graph forward, then back.

    Returns:
        The value of each node, and the walk back: each operation and the blames it hands on.
    """
    values = dict(leaves)
    for name, node in GRAPH.items():
        values[name] = node.value(*(values[read] for read in node.reads))
    blame, walk = {"loss": 1.0}, []
    for name, node in reversed(GRAPH.items()):
        handed = node.back(blame[name], *(values[read] for read in node.reads))
        blame |= (found := dict(zip(node.reads, handed, strict=True)))
        walk.append((name, found))
    return values, walk


PLACES = {
    "x": (0, 1), "u": (1, 1), "a": (2, 1), "h": (3, 1), "v": (4, 1), "z": (5, 1), "p": (6, 1),
    "loss": (7, 1), "W1": (0.5, 0), "b1": (1.5, 0), "W2": (3.5, 0), "b2": (4.5, 0),
}  # fmt: skip


def graph() -> None:
    """Show the graph with a slider: forward, node by node, then back."""
    values, walk = forward_and_back(LEAVES)
    order = list(GRAPH)
    steps = range(len(order) + len(walk) + 1)

    def known(step):
        there = {*LEAVES, *order[:step]}
        back = walk[: max(0, step - len(order))]
        blame = {"loss": np.array(1.0)} if step > len(order) else {}
        for _, found in back:
            blame |= found
        return there, blame, back

    def draw(step):
        there, blame, back = known(step)
        fig, ax = plots.figure("Forward the values (below), backward the blame (above)")
        fig.set_size_inches(9.0, 2.8)
        at = order[step - 1] if 0 < step <= len(order) else back[-1][0] if back else ""
        for name, node in GRAPH.items():
            for read in node.reads:
                _arrow(ax, PLACES[read], PLACES[name])
        for name, (x, y) in PLACES.items():
            label = f"{name} = {GRAPH[name].formula}" if name in GRAPH else name
            box = {"boxstyle": "round,pad=0.3", "ec": "black" if name == at else "0.6",
                   "fc": "#fff3c4" if name == at else "white"}  # fmt: skip
            ax.text(x, y, label, ha="center", va="center", fontsize=8, bbox=box)
            if name in there:
                ax.text(x, y - 0.16, _numbers(values[name]), ha="center", va="top", fontsize=8,
                        color=plots.TRAIN.color)  # fmt: skip
            if name in blame:
                ax.text(x, y + 0.15, _numbers(blame[name]), ha="center", va="bottom", fontsize=8,
                        color=plots.VALIDATION.color)  # fmt: skip
        ax.set(xlim=(-0.5, 7.5), ylim=(-0.5, 1.6))
        ax.axis("off")
        return fig

    def caption(step):
        if step == 0:
            return "The row, the weights and the biases are there; nothing is computed."
        if step <= len(order):
            name = order[step - 1]
            return f"Forward: {name} = {GRAPH[name].formula} = {_line(values[name])}."
        name, found = walk[step - len(order) - 1]
        told = "; ".join(f"{read} {_line(found[read])}" for read in found)
        return (
            f"Backward, through {name} = {GRAPH[name].formula}. The blame of what it read: {told}."
        )

    plots.explore(draw, steps, caption, "step")


def _arrow(ax, start, end):
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        start, end = (x0 + 0.36, y0), (x1 - 0.42, y1)
    else:
        start, end = (x0, y0 + 0.45), (x1 - 0.32, y1 - 0.12)
    style = {"arrowstyle": "-|>", "color": "0.6", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style)


def _numbers(value) -> str:
    rows = np.atleast_2d(np.round(value, 2) + 0.0)
    return "\n".join(" ".join(f"{v:.2f}" for v in row) for row in rows)


def _line(value) -> str:
    return _numbers(value).replace("\n", " / ")


# A slope, measured --------------------------------------------------------------------------------

STEPS = 10.0 ** -np.arange(13)


def loss_of(weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean cross-entropy of two layers with relu between, for labels y."""
    W1, b1, W2, b2 = weights
    z = np.maximum(0, x @ W1 + b1) @ W2 + b2
    z = z - z.max(axis=1, keepdims=True)  # the same probabilities, and no overflow
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])


def step_errors(weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    """Draw how far measured slopes are from the right ones, by the size of the step.

    Args:
        weights: a list of arrays; 40 entries of the first are moved.
        x: the rows of the batch.
        y: their labels.
    """
    places = [(7 * k % weights[0].shape[0], k % weights[0].shape[1]) for k in range(40)]

    def moved(dtype, place, by):
        own = [w.astype(dtype) for w in weights]
        own[0][place] += np.asarray(by, dtype)
        return float(loss_of(own, x.astype(dtype), y))

    def slopes(dtype, up, down):
        found = [moved(dtype, p, up) - moved(dtype, p, -down) for p in places]
        return np.array(found) / (up + down)

    # Four points: exact to 1e-11, but for a relu's corner.
    right = (4 * slopes("float64", 1e-4, 1e-4) - slopes("float64", 2e-4, 2e-4)) / 3

    def error(dtype, step, below):
        return np.linalg.norm(slopes(dtype, step, below) - right) / np.linalg.norm(right)

    fig, ax = plots.figure("How far off is a measured slope?", "step", "relative error")
    kinds = {
        "float32, both sides": ("float32", 1),
        "float32, one side": ("float32", 0),
        "float64, both sides": ("float64", 1),
    }
    found = {}
    for style, (name, (dtype, sides)) in zip(plots.COMPARE, kinds.items(), strict=False):
        found[name] = [error(dtype, step, sides * step) for step in STEPS]
        plots.curve(ax, found[name], style, x=STEPS, label=name)
    ax.set(xscale="log", yscale="log", ylim=(1e-11, 30))
    ax.invert_xaxis()
    ax.legend(fontsize=8)
    best = {name: STEPS[int(np.argmin(errors))] for name, errors in found.items()}
    single, double = best["float32, both sides"], best["float64, both sides"]
    at = {name: min(errors) for name, errors in found.items()}
    plots.show(
        fig,
        alt="Each curve falls while the step shrinks, and rises when rounding takes over. "
        f"From both sides, float32 is best near a step of {single:.0e} with an error of "
        f"{at['float32, both sides']:.0e}, float64 near {double:.0e} with "
        f"{at['float64, both sides']:.0e}. Below 1e-6 float32 is all wrong.",
    )


# What a forward pass remembers --------------------------------------------------------------------


def block(width: int) -> Any:
    """Return a layer `x + Dense(gelu(Dense(x)))` that is recomputed as a whole, if it is."""
    import keras

    class Block(keras.Layer):
        def __init__(self):
            super().__init__()
            with keras.RematScope(None):
                self.wide = keras.layers.Dense(4 * width, activation="gelu")
                self.narrow = keras.layers.Dense(width)

        def build(self, shape):
            self.wide.build(shape)
            self.narrow.build((*shape[:-1], 4 * width))

        def call(self, x):
            return x + self.narrow(self.wide(x))

    return Block()


def compiler_said() -> None:
    """Print the stored temporaries of six blocks, with and without recomputing."""
    stored = json.loads(ANSWERS.read_text(encoding="utf-8"))
    print(f"The TPU's compiler, asked without a TPU on {stored['versions']['date']},")
    print("about six such blocks of width 256 and 8,192 rows:")
    rows = {row["name"]: row["temporaries"] for row in stored["rows"]}
    print(f"  {'outputs of the layers':22} {6 * 8192 * (1024 + 256) * 4 / 1e6:6.0f} MB")
    for remat, words in ((False, "waiting"), (True, "waiting, checkpointed")):
        print(f"  {words:22} {rows[TPU_PROGRAMS[remat]]:6.0f} MB")


# Depth --------------------------------------------------------------------------------------------


def deep(activation: str, skips: bool = False) -> Any:
    """Return a net of 20 layers of 64 units, compiled; with skips, each adds to what it reads."""
    import keras

    hidden = pixels = keras.Input((64,))
    for number in range(1, DEPTH + 1):
        made = keras.layers.Dense(64, activation, name=f"layer_{number}")(hidden)
        hidden = hidden + made if skips else made
    model = keras.Model(pixels, keras.layers.Dense(10, "softmax", name="last")(hidden))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def standardized_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 256 rows, each pixel with mean 0 and standard deviation 1, and their labels."""
    train = datasets.load_digits().train
    pixels = train.x.reshape(-1, 64)
    return ((pixels - pixels.mean(0)) / (pixels.std(0) + 1e-9))[:256], train.y[:256]


def start(model: Any, spread: float, seed: int) -> None:
    """Give a net of `deep` random weights of that standard deviation, and biases of 0."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.weights:
            shape = layer.kernel.shape
            sd = 0.125 if layer.name == "last" else spread
            layer.set_weights([rng.normal(0, sd, shape), np.zeros(shape[1])])


def norms(found: Any) -> np.ndarray:
    """Return the norms of the kernels' gradients, layer by layer, and of the biases'."""
    pairs = [found.by_layer[f"layer_{number}"].values() for number in range(1, DEPTH + 1)]
    return np.array([[np.linalg.norm(one) for one in pair] for pair in pairs]).T


def blame_by_layer(found: Mapping[str, np.ndarray]) -> None:
    """Draw the norm of the biases' gradient, layer by layer; an array of one row a seed each."""
    fig, ax = plots.figure("How much blame arrives", "layer", "norm of the biases' gradient")
    for style, (name, runs) in zip(plots.COMPARE, found.items(), strict=False):
        plots.band(ax, runs, style, label=name)
    ax.set(yscale="log")
    ax.set_xticks([1, 5, 10, 15, 20])
    ax.legend(fontsize=8)
    shares = {name: np.median(runs[:, 0] / runs[:, -1]) for name, runs in found.items()}
    told = "; ".join(
        f"{name} {share:.0e} ({share ** (1 / (DEPTH - 1)):.2f} a layer)"
        for name, share in shares.items()
    )
    plots.show(
        fig,
        alt="From the last layer, on the right, back to the first: one curve falls by many "
        "powers of ten, one climbs, two stay level. First layer against last, the middle of three "
        f"seeds: {told}.",
    )


BENDS: dict[str, Callable] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(0, z),
    "leaky relu, 0.3": lambda z: np.where(z > 0, z, 0.3 * z),
    "SiLU": lambda z: z / (1 + np.exp(-z)),
}


def bends() -> None:
    """Draw four activations, and their slopes."""
    z = np.linspace(-5, 5, 401)
    fig, axes = plots.figure("What a bend lets through", columns=2)
    for style, (name, bend) in zip(plots.COMPARE, BENDS.items(), strict=False):
        plots.curve(axes[0], bend(z), style, x=z, label=name)
        plots.curve(axes[1], (bend(z + 1e-4) - bend(z - 1e-4)) / 2e-4, style, x=z)
    axes[0].set(title="value", xlabel="z", ylim=(-2, 3))
    axes[1].set(title="slope", xlabel="z", ylim=(-0.2, 1.2))
    axes[0].legend(fontsize=8)
    plots.show(
        fig,
        alt="The sigmoid's slope is 0.25 at most and dies out on both sides. That of relu is 0 or "
        "1, of leaky relu 0.3 or 1. SiLU is a relu with a smooth corner: its slope dips below 0.",
    )


def gradient_of_bias(bend: Any, x: np.ndarray, y: np.ndarray, bias: float) -> float:
    """Return the gradient of the mean squared error of `bend(x + bias)` by its bias."""
    import keras

    from coursekit.training import value_and_gradients

    def loss(b):
        return keras.ops.mean((bend(x + b) - y) ** 2)

    return float(value_and_gradients(loss, {"bias": bias}).gradients["bias"])


def killed(x: np.ndarray, y: np.ndarray, rates: Sequence[float]) -> None:
    """Print how many of 64 relu units are dead on a batch, before and after each of two steps."""
    import keras

    for rate in rates:
        keras.utils.set_random_seed(0)
        hidden = keras.layers.Dense(64, "relu")
        net = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(keras.optimizers.SGD(rate), loss)
        said = []
        for _ in range(3):
            said.append(f"{np.mean(~np.asarray(hidden(x)).any(axis=0)):.0%}")
            net.train_on_batch(x, y)
        print(f"rate {rate}: dead before and after two steps", ", ".join(said))
