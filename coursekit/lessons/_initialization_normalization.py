"""What the lesson on starts and norms computes in NumPy, and what it draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coursekit import plots

DEPTH, WIDTH = 25, 64
SCALES = (0.1, 0.5, 1, 2, 10)
KINDS = ("sigmoid", "relu", "relu, batch norm", "relu, skips", "relu, skips, RMS norm before")

# Training accuracy after the lesson's eight epochs at depth 32, seeds 0 to 2: ten seconds more.
PLAIN_32, SKIPS_32 = (0.21, 0.21, 0.31), (0.99, 1.00, 0.99)


def signals(kind: str, scale: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Send 128 random rows up through 25 layers of 64 units, and a random error signal down.

    Args:
        kind: one of `KINDS`; in the last two a layer adds its result to its input.
        scale: the weights have `scale` times the spread that He's rule gives them.
        seed: of all that is random.

    Returns:
        The standard deviation of what leaves each layer on the way up, and that of the error signal
        below each layer; both from the first layer to the last.
    """
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(128, WIDTH))
    up, ways_down = [], []
    for _ in range(DEPTH):
        weights = scale * rng.normal(0, np.sqrt(2 / WIDTH), (WIDTH, WIDTH))
        h, way_down = _layer(kind, h, weights)
        up.append(float(h.std()))
        ways_down.append(way_down)
    error, down = rng.normal(size=h.shape), []
    for way_down in reversed(ways_down):
        error = way_down(error)
        down.append(float(error.std()))
    return up, down[::-1]


def _layer(kind, h, weights):
    """Return what leaves a layer, and the function that takes the error signal back through it."""
    if kind == "sigmoid":
        out = 1 / (1 + np.exp(-h @ weights))
        return out, lambda error: (error * out * (1 - out)) @ weights.T
    if kind == "relu, batch norm":
        z = h @ weights
        spread = z.std(axis=0)
        z = (z - z.mean(axis=0)) / spread

        def way_down(error):
            error = error * (z > 0)
            error = error - error.mean(axis=0) - z * (error * z).mean(axis=0)
            return error / spread @ weights.T

        return np.maximum(0, z), way_down
    normed = kind.endswith("before")
    size = np.sqrt(np.mean(h**2, axis=1, keepdims=True)) if normed else 1.0
    unit = h / size
    out = np.maximum(0, unit @ weights)
    if kind == "relu":
        return out, lambda error: (error * (out > 0)) @ weights.T

    def around(error):
        inner = (error * (out > 0)) @ weights.T
        if normed:
            inner = (inner - unit * np.mean(inner * unit, axis=1, keepdims=True)) / size
        return error + inner

    return h + out, around


def depth() -> None:
    """Show, for each scale of the weights, what is left of a signal, layer by layer."""
    found = {(scale, kind): signals(kind, scale) for scale in SCALES for kind in KINDS}
    layers = np.arange(1, DEPTH + 1)

    def draw(scale):
        fig, axes = plots.figure(f"Weights {scale:g} times He's", "layer", columns=2, height=3.6)
        for style, kind in zip(plots.COMPARE, KINDS, strict=False):
            for ax, values in zip(axes, found[scale, kind], strict=True):
                plots.curve(ax, values, style, x=layers, label=kind)
        for ax, title in zip(axes, ("forward: the outputs", "backward: the error"), strict=True):
            ax.axhspan(1e-32, 6e-8, color="0.93")
            ax.axhspan(65504, 1e32, color="0.93")
            ax.set(title=title, yscale="log", ylim=(1e-32, 1e32))
            ax.title.set_fontsize(9)
        axes[0].set_ylabel("standard deviation")
        axes[0].legend(fontsize=7, loc="upper left")
        return fig

    def caption(scale):
        told = [f"{kind} {up[-1]:.1e} and {down[0]:.1e}"
                for kind, (up, down) in ((k, found[scale, k]) for k in KINDS)]  # fmt: skip
        return (
            f"Weights {scale:g} times He's. What leaves the last layer, and what error reaches the "
            f"first: {'; '.join(told)}. Grey: outside of float16."
        )

    plots.explore(draw, SCALES, caption, "weights, times He's", start=SCALES.index(1))


def companions(norms: Sequence[Any]) -> None:
    """Print how much the output of norms for one row varies with its companions, in training."""
    rng = np.random.default_rng(0)
    rows = rng.normal(3, 2, (4000, 16)).astype("float32")
    for size in (2, 8, 32, 128):
        batches = [np.concatenate([rows[:1], rng.choice(rows, size - 1)]) for _ in range(50)]
        told = []
        for norm in norms:
            outputs = np.array([np.asarray(norm(batch, training=True))[0] for batch in batches])
            told.append(f"{type(norm).__name__} {outputs.std(axis=0).mean():.2f}")
        print(f"batches of {size:3}, the row's output varies by: {', '.join(told)}")


def relu_net(momentum: float | None, scale: float, rate: float) -> Any:
    """Return a net of five relu layers of 32 units for the digits, compiled.

    Args:
        momentum: of the running averages of the batch norm before each relu; None for no norm.
        scale: He's start is multiplied by it.
        rate: of plain gradient descent.
    """
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(5):
        model.add(layers.Dense(32, kernel_initializer="he_normal"))
        model.layers[-1].kernel.assign(scale * model.layers[-1].kernel)
        if momentum is not None:
            model.add(layers.BatchNormalization(momentum=momentum))
        model.add(layers.ReLU())
    model.add(layers.Dense(10))
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss_fn)
    return model


def grid(accuracies: Mapping[str, np.ndarray], scales: Sequence, rates: Sequence) -> None:
    """Draw the accuracies of two kinds of nets: a row for each start, a column for each rate."""
    fig, axes = plots.figure("Starts and rates", "learning rate", columns=2, height=2.9)
    for ax, (name, found) in zip(axes, accuracies.items(), strict=True):
        ax.imshow(found, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
        for (row, column), value in np.ndenumerate(found):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center")
        ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        ax.set_yticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        ax.set_title(name, fontsize=9)
        ax.grid(False)
    axes[0].set_ylabel("weights, times He's")
    told = ", ".join(f"{np.sum(v > 0.8)} of {v.size} {name}" for name, v in accuracies.items())
    plots.show(fig, alt=f"Training accuracy. Above 0.8 are {told}.")


def shifts(losses: Mapping[str, np.ndarray], strengths: Sequence) -> None:
    """Draw training losses against the strength of an injected shift, with bands over seeds."""
    fig, ax = plots.figure("Shift injected behind each layer", "strength", "training loss")
    for style, (name, found) in zip(plots.COMPARE, losses.items(), strict=False):
        plots.band(ax, found, style, x=strengths, label=name)
    ax.axhline(losses["no norm"][:, 0].mean(), color="0.5", lw=1, ls=":")
    ax.set(ylim=(0, None))
    ax.legend()
    told = "; ".join(
        f"{name} " + ", ".join(f"{loss:.2f}" for loss in found.mean(axis=0))
        for name, found in losses.items()
    )
    at = ", ".join(f"{strength:g}" for strength in strengths)
    plots.show(fig, alt=f"Mean loss of three seeds at the strengths {at}: {told}. Dotted: no norm, "
               "no shift.")  # fmt: skip


def depths(accuracies: Mapping[tuple[str, int], Sequence[float]]) -> None:
    """Draw the training accuracy of deep nets, three seeds each, with the recorded runs."""
    runs = {**accuracies, ("plain", 32): PLAIN_32, ("skips", 32): SKIPS_32}
    fig, ax = plots.figure("Nets with batch norm, after eight epochs", "layers",
                           "training accuracy", height=2.8)  # fmt: skip
    for style, kind in zip(plots.COMPARE, ("plain", "skips"), strict=False):
        found = {layers: v for (name, layers), v in sorted(runs.items()) if name == kind}
        plots.band(ax, np.array(list(found.values())).T, style, x=list(found), label=kind)
    ax.set(ylim=(0, 1.05), xticks=sorted({layers for _, layers in runs}))
    ax.legend(loc="lower left")
    told = "; ".join(f"{kind}, {layers} layers: {min(v):.2f} to {max(v):.2f}"
                     for (kind, layers), v in sorted(runs.items()))  # fmt: skip
    plots.show(fig, alt=f"{told}. The runs with 32 layers are recorded, with the same settings.")


def widths(losses: Mapping[tuple[str, int], np.ndarray], rates: Sequence[float]) -> None:
    """Draw the loss against the rate, a curve for each width, for two kinds of nets."""
    kinds = list(dict.fromkeys(kind for kind, _ in losses))
    fig, axes = plots.figure("Loss by learning rate (Adam)", "learning rate", columns=2)
    for ax, kind in zip(axes, kinds, strict=True):
        sized = {width: found for (name, width), found in losses.items() if name == kind}
        for style, (width, found) in zip(plots.COMPARE, sized.items(), strict=False):
            plots.band(ax, found.T, style, x=rates, label=f"{width} units")
            best = int(found.mean(axis=1).argmin())
            ax.plot(rates[best], found.mean(axis=1)[best], "*", color=style.color, ms=13)
        ax.set(ylim=(0, 2.4))
        ax.set_xscale("log", base=2)
        ax.set_title(kind, fontsize=9)
    axes[0].set_ylabel("training loss")
    axes[1].legend()
    means = {key: found.mean(axis=1) for key, found in losses.items()}
    told = []
    for kind in kinds:
        narrow, broad = sorted(width for name, width in losses if name == kind)
        few, many = means[kind, narrow], means[kind, broad]
        told.append(
            f"{kind}, the best rate is {rates[few.argmin()]:.4f} for {narrow} units and "
            f"{rates[many.argmin()]:.4f} for {broad}; at the first of these {broad} units come to "
            f"{many[few.argmin()]:.2f}, at their own to {many.min():.2f}"
        )
    plots.show(fig, alt=f"The star marks the best rate, by the mean loss of three seeds. With nets "
               f"{'. With '.join(told)}.")  # fmt: skip
