"""Mini-projects with a planted bug each, the tests that find it, and what the lesson draws.

Do not read on before you have found the bugs: their names stand below.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import layers, losses, ops, optimizers

from coursekit import datasets, plots
from coursekit.training import value_and_gradients

ROWS, EPOCHS = 800, 5
STEPS, LOOKS = 300, 30  # of ten rows by heart
LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows to train on and rows held back: pixels from 0 to 1, and digits."""
    found = datasets.load_digits().train
    x, y = found.x.reshape(-1, 64).astype("float32"), found.y
    return x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:]


def net(out=10, end=None, hidden=("relu", "relu"), more=()) -> keras.Sequential:
    """Return a fresh net of hidden layers of 32 units, always with the same random numbers."""
    keras.utils.set_random_seed(0)
    stack = [layers.Dense(32, bend) for bend in hidden]
    return keras.Sequential([keras.Input((64,)), *stack, layers.Dense(out, end), *more])


class Squared(losses.Loss):
    """The squared error as one may write it."""

    def call(self, y_true, y_pred):
        return ops.square(y_true - y_pred)


def switched(z):
    """Return 1 for positive numbers and 0 for others."""
    return ops.relu(ops.sign(z))


def _no_advice(record: logging.LogRecord) -> bool:
    """Each project has a model of its own, traced once: TensorFlow need not advise on loops."""
    return "retracing" not in record.getMessage()


@dataclass
class Project:
    """A model and its data, with one bug; and five tests."""

    name: str
    task: str
    make: Callable
    x: np.ndarray
    y: np.ndarray
    optimizer: Callable = lambda: optimizers.SGD(0.1)
    loss: losses.Loss | str = LOGITS

    @property
    def classes(self) -> bool:
        """Whether the answers are classes."""
        return self.y.dtype.kind == "i"

    def compiled(self, model=None, optimizer=None, loss=None) -> keras.Model:
        """Return the model, fresh and compiled, with one part replaced if one is given."""
        logging.getLogger("tensorflow").addFilter(_no_advice)
        model = self.make() if model is None else model
        model.compile(optimizer or self.optimizer(), loss or self.loss,
                      metrics=["accuracy"] if self.classes else [])  # fmt: skip
        return model

    def train(self, rate: float = 1, layers_more: int = 0) -> None:
        """Train five epochs, and print what comes of it; the tempting way."""
        optimizer = self.optimizer()
        optimizer.learning_rate = rate * float(optimizer.learning_rate)
        model = net(hidden=["relu"] * (2 + layers_more)) if layers_more else None
        model = self.compiled(model, optimizer)
        found = model.fit(self.x, self.y, batch_size=32, epochs=EPOCHS, verbose=0).history
        right = f", accuracy {found['accuracy'][-1]:.2f}" if self.classes else ""
        print(f"loss of the last epoch {found['loss'][-1]:.2f}{right}")

    def first_loss(self) -> None:
        """Print the loss before training."""
        found = self.compiled().evaluate(self.x, self.y, verbose=0, return_dict=True)
        print(f"project {self.name}: first loss {found['loss']:.2f}")

    def ten_rows(self) -> None:
        """Print what 300 steps on ten rows lead to, and some answers."""
        curve, answers = by_heart(self.name)
        told = answers[:5].argmax(1) if self.classes else answers[:5].ravel().round(1)
        print(f"project {self.name}: loss {curve[-1]:.2f} after {STEPS} steps on ten rows")
        print("  answers", *told, "  wanted", *self.y[:5].round(1))

    def look(self) -> None:
        """Print shapes and ranges, and show eight rows with what they are called."""
        shape = self.make()(self.x[:1]).shape[1:]
        print(f"project {self.name}: x {self.x.shape} from {self.x.min():.0f} to "
              f"{self.x.max():.0f}, y {self.y.shape} from {self.y.min():.1f} to "
              f"{self.y.max():.1f}, outputs ({len(self.x)}, {shape[0]})")  # fmt: skip
        fig, axes = plots.figure(f"Project {self.name}: eight rows and their y", columns=8)
        fig.set_size_inches(9.0, 1.8)
        for ax, row, label in zip(axes.flat, self.x, self.y, strict=False):
            ax.imshow(row.reshape(8, 8), cmap="gray_r")
            ax.set(title=f"{label:.1f}" if not self.classes else str(label), xticks=[], yticks=[])
            ax.grid(False)
        said = ", ".join(str(label.round(1)) for label in self.y[:8])
        plots.show(fig, alt=f"Eight small pictures of digits. Above them stands: {said}.")

    def gradients(self) -> None:
        """Print, layer by layer, the size of the gradient and of one step."""
        model = self.compiled()
        batch = self.x[:64], self.y[:64]
        found = value_and_gradients(model, *batch)
        before = model.get_weights()
        model.train_on_batch(*batch)
        print(f"project {self.name}: from the input to the output")
        for k, by_name in enumerate(found.by_layer.values()):
            old, new = before[2 * k], model.get_weights()[2 * k]
            moved = rms(new - old) / rms(old)
            print(f"  layer {k + 1}: gradient {rms(next(iter(by_name.values()))):.0e}, "
                  f"one step moves the weights by {moved:.1%}")  # fmt: skip

    def simpler(self) -> None:
        """Train with one part replaced by a known-good one, each in turn."""
        scaled = (self.x - self.x.mean()) / self.x.std()
        plain, loss = (net(), LOGITS) if self.classes else (net(1), "mse")
        tries = {
            "as it is": (self.compiled(), self.x),
            "x standardized": (self.compiled(), scaled),
            "plain net and loss": (self.compiled(plain, loss=loss), self.x),
            "Adam, default rate": (self.compiled(optimizer=optimizers.Adam()), self.x),
        }
        print(f"project {self.name}, {EPOCHS} epochs:")
        for what, (model, x) in tries.items():
            model.fit(x, self.y, batch_size=32, epochs=EPOCHS, verbose=0)
            found = model.evaluate(x, self.y, verbose=0, return_dict=True)
            right = f", accuracy {found['accuracy']:.2f}" if self.classes else ""
            print(f"  {what:18} loss {found['loss']:.2f}{right}")


def rms(array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype="float64"))))


def _healthy():
    x, y, *_ = digits()
    return Project("healthy", "which digit", net, x, y)


def _a():
    x, y, *_ = digits()
    return Project("A", "which digit", net, x, np.random.default_rng(1).permutation(y))


def _b():
    x, *_ = digits()
    ink = x[:, :32].sum(1) - x[:, 32:].sum(1)
    ink = ((ink - ink.mean()) / ink.std()).astype("float32")
    return Project("B", "how much more ink above than below, standardized", lambda: net(1), x, ink,
                   lambda: optimizers.SGD(0.05), Squared())  # fmt: skip


def _c():
    x, y, *_ = digits()
    return Project("C", "which digit", lambda: net(end="softmax", more=[layers.Softmax()]), x, y,
                   lambda: optimizers.Adam(0.003),
                   losses.SparseCategoricalCrossentropy())  # fmt: skip


def _d():
    x, y, *_ = digits()
    return Project("D", "which digit", lambda: net(hidden=("relu", switched)), x, y)


def _e():
    x, y, *_ = digits()
    return Project("E", "which digit", net, (255 * x).round(), y)


def _f():
    x, y, *_ = digits()
    return Project("F", "which digit", net, x, y, lambda: optimizers.SGD(10.0))


_MAKERS = {"healthy": _healthy, "A": _a, "B": _b, "C": _c, "D": _d, "E": _e, "F": _f}
NAMES = "ABCDEF"


@cache
def project(name: str) -> Project:
    """Open a project: "A" to "F", or "healthy"."""
    return _MAKERS[name]()


@cache
def by_heart(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss over 300 steps on a project's first ten rows, and its answers then."""
    one = project(name)
    x, y, model = one.x[:10], one.y[:10], one.compiled()
    first = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    steps = STEPS // LOOKS
    x_many, y_many = np.tile(x, (steps, 1)), np.tile(y, steps)
    told = model.fit(x_many, y_many, batch_size=10, epochs=LOOKS, shuffle=False, verbose=0)
    return np.array([first, *told.history["loss"]]), np.asarray(model(x))


def ten_rows() -> None:
    """Show the loss on ten rows of each project, with a slider."""

    def draw(name):
        fig, ax = plots.figure("Ten rows by heart", x="step", y="loss")
        at = np.linspace(0, STEPS, LOOKS + 1)
        ax.plot(at, by_heart("healthy")[0], color="0.7", lw=3, label="healthy")
        ax.plot(
            at,
            by_heart(name)[0],
            color=plots.TRAIN.color,
            marker="o",
            ms=3,
            label=f"project {name}",
        )
        ax.axhline(np.log(10), color="0.4", ls=":", label="ln 10")
        ax.set(ylim=(-0.1, 3.2))
        ax.legend(loc="upper right")
        return fig

    def words(name):
        curve = by_heart(name)[0]
        beyond = " (above the picture)" if curve[0] > 3.2 else ""
        return (f"Project {name}: the loss on ten rows begins at {curve[0]:.3g}{beyond}, is "
                f"{curve[10]:.2f} after 100 steps and {curve[-1]:.2f} after 300.")  # fmt: skip

    plots.explore(draw, [*NAMES], words, "project")


# A pipeline of five stages, one of them wrong -----------------------------------------------------


def accuracy_with(stages: int) -> float:
    """Train the known-good set-up with the first so many stages; return held-out accuracy.

    1 two hidden layers, 2 dropout, 3 Adam for SGD, 4 noisy copies, 5 a falling rate.
    """
    x, y, held_x, held_y = digits()
    drop = [layers.Dropout(0.1)] if stages > 1 else []
    keras.utils.set_random_seed(0)
    hidden = [layer for _ in range(2) for layer in (layers.Dense(64, "relu"), *drop)]
    model = keras.Sequential([keras.Input((64,)), *(hidden if stages else []), layers.Dense(10)])
    if stages > 3:
        x = np.tile(x, (2, 1))
        x = x + np.random.default_rng(0).normal(0, 0.05, x.shape).astype("float32")
        y = np.repeat(y, 2)
    rate = 0.005 if stages > 2 else 0.1
    if stages > 4:
        rate = optimizers.schedules.CosineDecay(rate, 10 * len(x) // 32)
    model.compile(
        (optimizers.Adam if stages > 2 else optimizers.SGD)(rate), LOGITS, metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=32, epochs=10, verbose=0)
    return model.evaluate(held_x, held_y, verbose=0)[1]


def learns(stages: int) -> bool:
    """Train with the first so many stages, print the accuracy, and say whether it has learned."""
    found = accuracy_with(stages)
    print(f"with {stages} stages: accuracy {found:.2f} on rows held back")
    return found > 0.5


# The doctor, silent and wrong ---------------------------------------------------------------------


def next_token(causal: bool = False) -> tuple:
    """Return a model that is to say the next of random tokens, its data, and its attention.

    Returns:
        The compiled model, (x, y), held-out (x, y), and a model that gives the attention weights.
    """
    places, kinds = 10, 4
    tokens = np.random.default_rng(0).integers(0, kinds, (1200, places + 1))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((places,), dtype="int32")
    place = ops.one_hot(0 * inputs + ops.arange(places), places)
    h = layers.Concatenate()([ops.one_hot(inputs, kinds), place])
    look = layers.MultiHeadAttention(1, 32)
    read, weights = look(h, h, use_causal_mask=causal, return_attention_scores=True)
    model = keras.Model(inputs, layers.Dense(kinds)(layers.Concatenate()([h, read])))
    model.compile(optimizers.Adam(0.03), LOGITS, metrics=["accuracy"])
    x, y = tokens[:, :places], tokens[:, 1:]
    return model, (x[:900], y[:900]), (x[900:], y[900:]), keras.Model(inputs, weights)


def attention(weights, title: str = "Where each place looks") -> None:
    """Draw the mean attention of each place to each place."""
    mean = np.asarray(weights).mean(axis=(0, 1))
    fig, ax = plots.figure(title, x="place looked at", y="place that looks")
    image = ax.imshow(mean, cmap="Greys", vmin=0, vmax=1)
    fig.colorbar(image, label="weight, mean over rows")
    ax.grid(False)
    ahead = np.mean([mean[k, k + 1] for k in range(len(mean) - 1)])
    print(f"each row sums to {mean.sum(1).mean():.2f}; weight on the next place {ahead:.2f}")
    plots.show(fig, alt="A square of weights: each row is a place, each column what it looks at. "
               f"The mean weight one place ahead of the diagonal is {ahead:.2f}.")  # fmt: skip


def parity() -> tuple:
    """Return a sound model for the sign of a product of three columns, its data and held-out."""
    x = np.random.default_rng(0).normal(size=(4500, 20)).astype("float32")
    y = (x[:, :3].prod(1) > 0).astype("int32")
    keras.utils.set_random_seed(0)
    stack = [layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(2)]
    model = keras.Sequential([keras.Input((20,)), *stack])
    model.compile(optimizers.Adam(0.005), LOGITS, metrics=["accuracy"])
    return model, (x[:4000], y[:4000]), (x[4000:], y[4000:])


# Slow ---------------------------------------------------------------------------------------------


def tower(optimizer, seed: int, norm: bool = False) -> keras.Sequential:
    """Return a compiled net of four hidden layers."""
    keras.utils.set_random_seed(seed)
    stack = [keras.Input((64,))]
    for _ in range(4):
        stack += [layers.Dense(32, use_bias=not norm)]
        stack += [layers.BatchNormalization()] if norm else []
        stack += [layers.ReLU()]
    model = keras.Sequential([*stack, layers.Dense(10)])
    model.compile(optimizer, LOGITS)
    return model


def epochs_to(histories, loss: float) -> list:
    """Return after how many epochs each loss was below that; "never" if it was not."""
    found = [np.flatnonzero(np.array(h.history["loss"]) < loss) for h in histories]
    return [int(at[0]) + 1 if len(at) else "never" for at in found]
