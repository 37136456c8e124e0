"""What the lesson on transfer learns from, and what it draws."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from coursekit import datasets, plots

NAMES = ("conv_1", "conv_2", "conv_3", "dense")  # from the input up; then comes "head"


class Task(NamedTuple):
    """Rows to train on and rows to measure by."""

    x: np.ndarray
    y: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray


def _placed(images, copies, seed, field=16):
    """Put each image `copies` times at a random place of a black field."""
    rng = np.random.default_rng(seed)
    size = images.shape[1]
    out = np.zeros((len(images) * copies, field, field, 1), "float32")
    for k, (row, column) in enumerate(rng.integers(0, field - size + 1, (len(out), 2))):
        out[k, row : row + size, column : column + size, 0] = images[k % len(images)]
    return out


def _shrunk(images):
    """Cut the margin of 28 x 28 pixels off and halve the size: 10 x 10, from 0 to 1."""
    images = images[:, 4:24, 4:24].astype("float32") / 255
    return images.reshape(len(images), 10, 2, 10, 2).mean(axis=(2, 4))


def source(copies: int = 3) -> Task:
    """Return MNIST, shrunk to 10 x 10, each image at random places of a field of 16 x 16."""
    data = datasets.load_mnist()
    x, held = (_placed(_shrunk(part.x), n, seed)
               for part, n, seed in ((data.train, copies, 0), (data.validation, 1, 1)))  # fmt: skip
    return Task(x, np.tile(data.train.y, copies), held, data.validation.y)


def target() -> Task:
    """Return other handwriting: scikit-learn's 8 x 8 digits, at random places of the same field."""
    data = datasets.load_digits()
    x, held = (_placed(part.x.astype("float32"), n, seed)
               for part, n, seed in ((data.train, 1, 2), (data.validation, 2, 3)))  # fmt: skip
    return Task(x, data.train.y, held, np.tile(data.validation.y, 2))


def turned(copies: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return the target's images at random places, turned at random, and by how many quarters."""
    images = _placed(datasets.load_digits().train.x.astype("float32"), copies, 4)
    turns = np.random.default_rng(5).integers(0, 4, len(images))
    return np.stack([np.rot90(*one) for one in zip(images, turns, strict=True)]), turns


def few(y: np.ndarray, each: int, seed: int) -> np.ndarray:
    """Return the numbers of `each` rows of every class, drawn at random."""
    rng = np.random.default_rng(100 + seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == k))[:each] for k in range(10)])


def pixels() -> tuple[Task, Task]:
    """Return two tasks of 196 pixels: MNIST at half its size, and that with its pixels shuffled.

    One permutation for all images: as hard a task for dense layers, and nothing in common.
    """
    data = datasets.load_mnist()
    x, held = ((part.x / 255.0).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
               .astype("float32") for part in (data.train, data.validation))  # fmt: skip
    order = np.random.default_rng(7).permutation(196)
    tasks = (Task(a[:4000], data.train.y[:4000], b, data.validation.y)
             for a, b in ((x, held), (x[:, order], held[:, order])))  # fmt: skip
    old, new = tasks
    return old, new


def joined(first: Task, second: Task) -> Task:
    """Return the training rows of both, one below the other; the first says what measures."""
    x, y = (np.concatenate(both) for both in ((first.x, second.x), (first.y, second.y)))
    return first._replace(x=x, y=y)


def with_old_rows(new: Task, kept: int, times: int, seed: int) -> np.ndarray:
    """Return the numbers of all new rows and of some old ones, which are below and come often."""
    size = len(new.y)
    old = np.random.default_rng(seed).choice(size, kept, replace=False)
    return np.concatenate([np.arange(size), size + np.tile(old, times)])


def loss() -> Any:
    """Return the cross-entropy of class numbers and logits."""
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def convnet(seed: int) -> Any:
    """Return three convolutions, a dense layer and a head, compiled: 40,394 weights."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(seed)
    settings = {"strides": 2, "padding": "same", "activation": "relu"}
    model = keras.Sequential([keras.Input((16, 16, 1))])
    for filters, name in zip((16, 32, 64), NAMES, strict=False):
        model.add(layers.Conv2D(filters, 3, name=name, **settings))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(64, activation="relu", name="dense"))
    model.add(layers.Dense(10, name="head"))
    model.compile(keras.optimizers.Adam(2e-3), loss())
    return model


def with_layers(source: Any, copied: int, seed: int) -> Any:
    """Return a new net with the first layers of a net, and the rest at random."""
    model = convnet(1000 + seed)
    for name in NAMES[:copied]:
        model.get_layer(name).set_weights(source.get_layer(name).get_weights())
    return model


def dense_net(seed: int) -> Any:
    """Return a net of 100 units for 196 pixels, compiled."""
    import keras

    keras.utils.set_random_seed(seed)
    stack = [keras.layers.Dense(100, "relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((196,)), *stack])
    model.compile(keras.optimizers.Adam(4e-3), loss())
    return model


def copy_of(model: Any) -> Any:
    """Return a `dense_net` with the weights of another."""
    other = dense_net(0)
    other.set_weights(model.get_weights())
    return other


def tiny() -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a compiled net with layers "body" and "head", and data for it."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it would tell that each of these is traced anew
    keras.utils.set_random_seed(0)
    stack = [keras.layers.Dense(3, name="body"), keras.layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((4,)), *stack])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = np.random.default_rng(0).normal(2, 3, (320, 4)).astype("float32")
    return model, x, x[:, :1]


def norm_on_a_base() -> None:
    """Print whether a batch norm's average moves, by how its base is called in a model."""
    import keras

    for training in (None, False):
        _, x, y = tiny()
        norm = keras.layers.BatchNormalization()
        base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), norm])
        inputs = keras.Input((4,))
        hidden = base(inputs) if training is None else base(inputs, training=training)
        model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
        model.compile(keras.optimizers.Adam(0.01), "mse")
        before = np.array(norm.moving_mean)
        model.fit(x, y, verbose=0)
        moved = np.any(np.array(norm.moving_mean) != before)
        print(f"base(x, training={training}): the norm's average", "moved" if moved else "stayed")


def shares(name: str, before: Sequence[Any], after: Sequence[Any]) -> None:
    """Print how much of the change of a kernel is in its largest directions, for some ranks."""
    found = []
    for old, new in zip(before, after, strict=True):
        one, other = (np.asarray(net.get_layer(name).kernel) for net in (old, new))
        change = (other - one).reshape(-1, one.shape[-1])
        squares = np.linalg.svd(change, compute_uv=False) ** 2
        found.append(np.cumsum(squares) / squares.sum())
    words = ", ".join(f"rank {r}: {np.mean(found, axis=0)[r - 1]:.0%}" for r in (1, 4, 16))
    print(f"{name}: of the squared change, {words} of {len(found[0])}")


def hold(*found: Sequence[float]) -> None:
    """Assert that each is above the one before, seed by seed."""
    for worse, better in itertools.pairwise(found):
        assert all(a < b for a, b in zip(worse, better, strict=True)), f"{worse}, {better}"


def garments(nets: Sequence[Any]) -> list:
    """Train running models on Fashion-MNIST, print how well they read it, return their weights."""
    data = datasets.load_fashion_mnist().train
    _study(nets, data.x, data.y, "trained on garments")
    return [net.get_weights() for net in nets]


def then_digits(nets: Sequence[Any], weights: Sequence[list], kept: int) -> None:
    """Go on from there with MNIST and some garments kept, ten times each."""
    old, new = datasets.load_fashion_mnist().train, datasets.load_mnist().train
    for net, before in zip(nets, weights, strict=True):
        net.set_weights(before)
    x, y = (np.concatenate([b, *[a[:kept]] * 10]) for a, b in ((old.x, new.x), (old.y, new.y)))
    _study(nets, x, y, f"then digits, {kept} garments kept")


def _study(nets, x, y, words):
    import keras

    from coursekit.training import fit_many

    for net in nets:
        net.compile(keras.optimizers.Adam(), loss())
    fit_many(nets, x, y, epochs=2, batch_size=64, verbose=0)
    print(words)
    for name, data in (("garments", datasets.load_fashion_mnist()),
                       ("digits", datasets.load_mnist())):  # fmt: skip
        task = Task(data.train.x, data.train.y, data.validation.x, data.validation.y)
        print(f"  accuracy on {name}", np.round([accuracy(net, task) for net in nets], 2))


def trained(model: Any) -> int:
    """Return how many numbers train."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def accuracy(model: Any, task: Task) -> float:
    """Return the accuracy on the validation rows."""
    return float(np.mean(np.asarray(model(task.x_validation)).argmax(axis=1) == task.y_validation))


def told(name: str, found: Sequence[float]) -> None:
    """Print accuracies of several seeds."""
    print(f"{name:28} {np.mean(found):.2f}  (seeds: {', '.join(f'{one:.2f}' for one in found)})")


def by_heart(task: Task, rows: Sequence[np.ndarray], ways: Mapping[str, Sequence[Any]]) -> None:
    """Print the accuracy on the very rows that each net was trained on."""
    for name, nets in ways.items():
        seen = [Task(task.x, task.y, task.x[one], task.y[one]) for one in rows]
        found = [accuracy(net, one) for net, one in zip(nets, seen, strict=True)]
        told(f"  its 200 images, {name}", found)


def samples(tasks: Mapping[str, Task]) -> None:
    """Show six images of each task."""
    pictures, words = [], []
    for name, task in tasks.items():
        pictures += [*task.x[:6, ..., 0]]
        words += [f"{name}: {label}" for label in task.y[:6]]
    fig = plots.images(pictures, words, title="Six images of each task", columns=6)
    plots.show(fig, alt=f"Small digits at random places of a field. {', '.join(words)}.")


def by_depth(found: Mapping[int, Sequence[float]]) -> None:
    """Draw the accuracy against the number of layers that were copied and frozen."""
    fig, ax = plots.figure("The more copied layers, the better, here", "layers copied and frozen",
                           "accuracy on the target task", height=2.8)  # fmt: skip
    plots.band(ax, np.array(list(found.values())).T, plots.COMPARE[0], x=list(found))
    ax.set(ylim=(0, 1), xticks=list(found))
    words = ", ".join(f"{k} layers {np.mean(v):.2f}" for k, v in found.items())
    plots.show(fig, alt=f"Mean accuracy of three seeds: {words}.")


def prices(found: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw what is left of the old task against what is learned of the new."""
    fig, ax = plots.figure("EWC and replay keep the old task, each at a price",
                           "accuracy on the new task", "accuracy on the old task",
                           height=3.2)  # fmt: skip
    for style, (name, points) in zip(plots.COMPARE, found.items(), strict=False):
        old, new = np.transpose(points)
        ax.plot(new, old, style.marker, color=style.color, alpha=0.4, ms=5)
        ax.plot(new.mean(), old.mean(), style.marker, color=style.color, ms=10, label=name)
    ax.legend(fontsize=8)
    words = "; ".join("{} {:.2f} old, {:.2f} new".format(name, *np.mean(points, axis=0))
                      for name, points in found.items())  # fmt: skip
    plots.show(fig, alt=f"Small marks are seeds, large ones their means: {words}. Best is the "
               "upper right corner.")  # fmt: skip


# Two weights, two tasks: each loss is a valley around its best weights.
FISHER, HOME = np.array([4.0, 0.1]), np.array([0.0, 0.0])
CURVES, BEST = np.array([[1.0, 0.3], [0.3, 1.0]]), np.array([1.2, 2.0])
STRENGTHS = (0, 0.1, 0.3, 1, 3, 10, 100)


def losses_of_two_weights(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses of the old and of the new task at weights of shape (..., 2)."""
    away, off = w - HOME, w - BEST
    old = np.sum(FISHER * away**2, axis=-1) / 2
    return old, np.einsum("...i,ij,...j->...", off, CURVES, off) / 2


def settled(strength: float, importance: np.ndarray) -> np.ndarray:
    """Return the weights at which the new loss with its penalty is least."""
    pull = strength * np.diag(importance)
    return np.linalg.solve(CURVES + pull, CURVES @ BEST + pull @ HOME)


def two_valleys() -> None:
    """Show, for each strength, where an EWC and a plain anchor come to rest."""
    ways = {"EWC": FISHER, "plain anchor": np.full(2, FISHER.mean())}
    fine = [0, *np.geomspace(1e-3, 1e3, 80)]
    paths = {name: np.array([settled(s, one) for s in fine]) for name, one in ways.items()}
    grid = np.stack(np.meshgrid(np.linspace(-1, 2.2, 90), np.linspace(-0.8, 2.8, 90)), axis=-1)
    surfaces = losses_of_two_weights(grid)

    def draw(strength):
        fig, ax = plots.figure(f"Strength {strength:g}", "weight 1", "weight 2", height=3.6)
        for surface, style, color in zip(surfaces, ("solid", "dotted"), ("0.4", "0.6"),
                                         strict=True):  # fmt: skip
            ax.contour(*np.moveaxis(grid, -1, 0), surface, levels=[0.05, 0.2, 0.5, 1, 2, 4],
                       linestyles=style, colors=color, linewidths=1)  # fmt: skip
        for style, (name, path) in zip(plots.COMPARE, paths.items(), strict=False):
            ax.plot(*path.T, ls=style.line, color=style.color)
            ax.plot(*settled(strength, ways[name]), style.marker, color=style.color, ms=10,
                    label=name)  # fmt: skip
        for word, place in (("old", HOME), ("new", BEST)):
            ax.annotate(word, place, ha="center", va="center", weight="bold")
        ax.legend(loc="lower right")
        return fig

    def caption(strength):
        words = []
        for name, importance in ways.items():
            old, new = losses_of_two_weights(settled(strength, importance))
            words.append(f"{name}: loss of the old task {old:.2f}, of the new {new:.2f}")
        return f"Strength {strength:g}. {'; '.join(words)}. Solid: old task; dotted: new."

    plots.explore(draw, STRENGTHS, caption, "strength", start=STRENGTHS.index(1))
