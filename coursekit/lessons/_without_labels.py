"""What the lesson on learning without labels draws, and the networks that it takes ready-made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coursekit import datasets, plots

# Groups -------------------------------------------------------------------------------------------


def penguins() -> tuple[np.ndarray, np.ndarray]:
    """Return four measurements of 342 penguins (mm, mm, mm, g), and their species."""
    table = datasets.load_penguins().table
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    table = table.dropna(subset=columns)
    return table[columns].to_numpy("float64"), table["species"].to_numpy()


def walk(points: np.ndarray, centres: np.ndarray, rounds: int) -> list[tuple]:
    """Return k-means, half a round at a time: (what was done, labels, centres, sum of squares)."""
    steps, labels = [("start", None, centres, np.nan)], None
    for number in range(1, rounds + 1):
        labels = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        steps.append((f"{number}: assign", labels, centres, _inertia(points, labels, centres)))
        centres = np.array([points[labels == k].mean(axis=0) for k in range(len(centres))])
        steps.append((f"{number}: move", labels, centres, _inertia(points, labels, centres)))
    return steps


def _inertia(points, labels, centres) -> float:
    return float(((points - centres[labels]) ** 2).sum())


def k_means_walk(points: np.ndarray) -> None:
    """Show k-means on two columns with a slider, from a poor start: three neighbours."""
    order = np.argsort(points.sum(axis=1))
    steps = walk(points, points[order[:3]], 5)
    names = [name for name, *_ in steps]

    def draw(name):
        _, labels, centres, _ = steps[names.index(name)]
        fig, ax = plots.figure("Three centres among 342 penguins", *AXES)
        for k, style in enumerate(plots.COMPARE[:3]):
            mine = points if labels is None else points[labels == k]
            color = "0.6" if labels is None else style.color
            ax.plot(*mine.T, ls="", marker=style.marker, ms=4, alpha=0.5, color=color)
            ax.plot(*centres[k], marker=style.marker, ms=13, mec="black", color=style.color)
        return fig

    def caption(name):
        _, labels, _, inertia = steps[names.index(name)]
        if labels is None:
            return "The start: three centres next to each other, on the smallest penguins."
        shares = ", ".join(str(n) for n in np.bincount(labels, minlength=3))
        done = "Each penguin goes to its nearest centre" if "assign" in name else (
            "Each centre moves to the mean of its penguins")  # fmt: skip
        return f"Round {name}. {done}. Groups of {shares}; sum of squares {inertia:.1f}."

    plots.explore(draw, names, caption, "round")


AXES = "bill length, scaled", "flipper length, scaled"


def rings() -> tuple[np.ndarray, np.ndarray]:
    """Return 400 points on two rings, one inside of the other, and the number of their ring."""
    rng = np.random.default_rng(0)
    angle, inside = rng.uniform(0, 2 * np.pi, 400), np.repeat([0, 1], 200)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.array([[1.0], [3.0]])[inside]
    return points + rng.normal(0, 0.15, points.shape), inside


def two_ways(points: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
    """Draw the groups that two methods found."""
    fig, axes = plots.figure("Two rings, two methods", columns=2)
    for ax, (name, labels) in zip(axes, found.items(), strict=True):
        for k, style in enumerate(plots.COMPARE[:2]):
            ax.plot(*points[labels == k].T, ls="", marker=style.marker, ms=4, color=style.color)
        ax.set(title=name, aspect="equal", xlabel="x", ylabel="y")
    plots.show(
        fig,
        alt="k-means cuts both rings in half with a straight line between its two centres. DBSCAN "
        "follows each ring round and keeps them apart.",
    )


# Fewer numbers ------------------------------------------------------------------------------------


def same_directions(a: np.ndarray, b: np.ndarray) -> float:
    """Return the smallest cosine between two subspaces of the same size, given by their rows."""
    (a, _), (b, _) = np.linalg.qr(np.transpose(a)), np.linalg.qr(np.transpose(b))
    return float(np.linalg.svd(a.T @ b, compute_uv=False).min())


def fashion() -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of Fashion-MNIST, 0 to 1, in rows of 784: to learn from, to measure on."""
    data = datasets.load_fashion_mnist()
    return tuple(
        part.x.reshape(-1, 784).astype("float32") / 255 for part in (data.train, data.validation)
    )


def vae(seed: int, code: int = 2) -> Any:
    """Return a variational autoencoder of images of 784 pixels, compiled.

    Its parts are `encoder` (mean and logarithm of the variance of each number of the code) and
    `decoder` (logits of the pixels).
    """
    import keras
    from keras import layers, ops

    class VAE(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.Sequential(
                [keras.Input((784,)), layers.Dense(128, "relu"), layers.Dense(2 * code)]
            )
            self.decoder = keras.Sequential(
                [keras.Input((code,)), layers.Dense(128, "relu"), layers.Dense(784)]
            )
            self.draws = keras.random.SeedGenerator(seed)
            self.built = True

        def call(self, x, training=False):
            mean, log_variance = ops.split(self.encoder(x), 2, axis=1)
            kl = (ops.exp(log_variance) + mean**2 - 1 - log_variance) / 2
            self.add_loss(ops.mean(ops.sum(kl, axis=1)) / 784)  # beside a mean over 784 pixels
            if training:
                noise = keras.random.normal(ops.shape(mean), seed=self.draws)
                mean = mean + ops.exp(log_variance / 2) * noise
            return self.decoder(mean)

    keras.utils.set_random_seed(seed)
    model = VAE()
    model.compile(keras.optimizers.Adam(4e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def pixels(logits: Any) -> np.ndarray:
    """Return the pixels, 0 to 1, that logits stand for."""
    return 1 / (1 + np.exp(-np.asarray(logits)))


def drawn(decoder: Any) -> None:
    """Draw ten images decoded from codes drawn from N(0, 1)."""
    codes = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")
    rows = list(pixels(decoder(codes)).reshape(-1, 28, 28))
    fig = plots.images(rows, [f"{a:.1f}, {b:.1f}" for a, b in codes], "Ten codes, drawn at random")
    plots.show(
        fig,
        alt="Ten blurred pictures, each with its code above it. Codes near each other give "
        "pictures alike. Most can be recognised, a top or a shoe; some lie between two kinds.",
    )


# A ring of eight ----------------------------------------------------------------------------------

CENTRES = 2 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)

END_OF_GAME = 2 * np.log(2)  # the discriminator's loss, -V, when nothing tells real from generated


def ring(rows: int, seed: int = 0) -> np.ndarray:
    """Return points from eight narrow heaps on a circle of radius 2."""
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.integers(0, 8, rows)] + rng.normal(0, 0.05, (rows, 2))
    return points.astype("float32")


def modes(points: np.ndarray) -> tuple[int, float]:
    """Return to how many of the eight heaps points come nearest, and the share that lies on one.

    A heap counts with a tenth of its fair share; on it is who is within 0.3 of its centre. So the
    first number measures variety, the second how well the data are hit.
    """
    distance = np.linalg.norm(np.asarray(points)[:, None] - CENTRES, axis=2)
    counts = np.bincount(distance.argmin(axis=1), minlength=8)
    return int((counts >= len(points) / 80).sum()), float((distance.min(axis=1) < 0.3).mean())


def mlp(inputs: int, outputs: int, seed: int | None = None) -> Any:
    """Return a network with two hidden layers of 64 relu units."""
    import keras

    if seed is not None:
        keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    hidden = [dense(64, "relu"), dense(64, "relu")]
    return keras.Sequential([keras.Input((inputs,)), *hidden, dense(outputs)])


def noise(rows: int, seed: int = 9) -> np.ndarray:
    """Return pairs of numbers drawn from N(0, 1)."""
    return np.random.default_rng(seed).normal(size=(rows, 2)).astype("float32")


def found(title: str, panels: Mapping[str, np.ndarray]) -> None:
    """Draw sets of points, each in a panel, over the eight heaps."""
    fig, axes = plots.figure(title, columns=len(panels), height=3.4)
    for ax, (name, points) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        ax.plot(*CENTRES.T, ls="", marker="o", ms=14, mfc="none", mec="0.5")
        ax.plot(*np.asarray(points)[:600].T, ls="", marker=".", ms=3, color=plots.TRAIN.color)
        ax.set(title=name, aspect="equal", xlim=(-4, 4), ylim=(-4, 4), xlabel="x", ylabel="y")
    told = "; ".join(
        f"{name}: near {count} of 8 heaps, {share:.0%} of the points on one"
        for name, (count, share) in ((name, modes(points)) for name, points in panels.items())
    )
    plots.show(fig, alt=f"Points over the eight heaps (grey circles). {told}.")


STEPS = 50
SCALE = 1.42  # brings the ring's coordinates to a standard deviation of 1
KEPT = np.cos(np.linspace(0, 0.98 * np.pi / 2, STEPS + 1)) ** 2  # the share of signal, by step


def at_step(points: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return what the denoiser reads: the noisy points, and four numbers that tell the step."""
    kept = KEPT[step]
    told = [step / STEPS, np.sqrt(1 - kept), np.log(1 - kept) / 3, np.log(kept) / 3]
    return np.column_stack([points, *told]).astype("float32")


def noised(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points of the ring, each with noise of a random step, and the noise in them."""
    rng = np.random.default_rng([seed, 1])  # `ring` draws from its own: heap and step are apart
    step, e = rng.integers(1, STEPS + 1, rows), rng.normal(size=(rows, 2))
    kept = KEPT[step][:, None]
    points = np.sqrt(kept) * ring(rows, seed) / SCALE + np.sqrt(1 - kept) * e
    return at_step(points, step), e.astype("float32")


def walk_back(denoiser: Any, rows: int, seed: int = 9) -> dict[int, np.ndarray]:
    """Return the points at each step, from pure noise (step 50) to step 0.

    At each step: guess the clean point from the predicted noise, then draw the step before from
    what lies between the two (Ho et al., arXiv:2006.11239, equations 6 and 7).
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    path = {STEPS: x * SCALE}
    for step in range(STEPS, 0, -1):
        kept, before = KEPT[step], KEPT[step - 1]
        e = np.asarray(denoiser(at_step(x, np.full(rows, step))))
        clean, fresh = (x - np.sqrt(1 - kept) * e) / np.sqrt(kept), 1 - kept / before
        x = np.sqrt(before) * fresh * clean + np.sqrt(kept / before) * (1 - before) * x
        x = x / (1 - kept)
        x += np.sqrt(fresh * (1 - before) / (1 - kept)) * rng.normal(size=x.shape)
        path[step - 1] = x * SCALE
    return path


# The running model's inputs -----------------------------------------------------------------------


def scores(networks: Sequence[Any], x: np.ndarray, data: Any, epochs: int = 3) -> list[float]:
    """Train classifiers on these rows of the training images; return their validation accuracy.

    Args:
        networks: not compiled; they give ten logits.
        x: inputs of training and of validation, as a pair.
        data: the images' labels, `data.train.y` and `data.validation.y`.
        epochs: how long.
    """
    import keras

    from coursekit.training import fit_many

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for network in networks:
        network.compile("adam", loss, metrics=["accuracy"])
    fit_many(networks, x[0], data.train.y, epochs=epochs, batch_size=64, verbose=0)
    return [net.evaluate(x[1], data.validation.y, verbose=0)[1] for net in networks]
