"""The project of the capstone: its two profiles, what it draws, what it confronts in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from coursekit import datasets, plots
from coursekit._checks import one_of
from coursekit.exercises import home
from coursekit.lessons._running import running_model
from coursekit.schedules import OneCycle
from coursekit.training import fit_many


@dataclass(frozen=True)
class Profile:
    """A project's numbers; the code that reads them is the same for both profiles."""

    name: str
    data: str
    rows: tuple[int, int, int]  # to train, to validate, to test
    shape: tuple[int, ...]
    filters: tuple[int, ...]
    pooling: bool  # max pooling behind each convolution; without it, convolutions of stride 2
    dropout: tuple[float, float]  # after a convolution, before the head
    rate: float
    batch: int
    epochs: int
    patience: int

    def load(self) -> datasets.Dataset:
        """Return the images, pixels 0 to 255, in three parts; `full` needs a network."""
        full = self.name == "full"
        return datasets.load_cifar10(download=True) if full else datasets.load_fashion_mnist()

    def baseline(self, seed: int) -> keras.Model:
        """Return the running model for these images, compiled with Adam."""
        return compiled(running_model(seed, self.shape), self.rate)

    def network(self, seed: int, rate=None, augmented=False, width: float = 1) -> keras.Model:
        """Return a fresh convolutional network, compiled with Adam.

        Args:
            seed: of the weights, of dropout and of the augmentation.
            rate: a learning rate or a schedule; None takes the profile's.
            augmented: change the images, in training only.
            width: times the filters of the profile.
        """
        keras.utils.set_random_seed(seed)
        stack = [keras.Input(self.shape)]
        if len(self.shape) == 2:
            stack.append(layers.Reshape((*self.shape, 1)))
        stack += self.augmentation() if augmented else []
        stack.append(layers.Rescaling(1 / 255))
        stride = 1 if self.pooling else 2
        for count in self.filters:
            stack += [
                layers.Conv2D(round(width * count), 3, stride, "same", use_bias=False,
                              kernel_initializer="he_normal"),
                layers.BatchNormalization(momentum=0.9),
                layers.ReLU(),
            ]  # fmt: skip
            stack += [layers.MaxPooling2D()] if self.pooling else []
            stack += [layers.Dropout(self.dropout[0])] if self.dropout[0] else []
        hidden = layers.Dense(64, "relu", kernel_initializer="he_normal")
        stack += [layers.Flatten(), hidden, layers.Dropout(self.dropout[1]), layers.Dense(10)]
        return compiled(keras.Sequential(stack), self.rate if rate is None else rate)

    def one_cycle(self, peak: float) -> OneCycle:
        """Return a schedule of one cycle over the whole run."""
        return OneCycle(peak, self.epochs * -(-self.rows[0] // self.batch))

    def remembered(self) -> Path:
        """Return the file that tells each later kernel that the test set has been opened."""
        return home() / "vaults" / f"capstone_{self.name}.json"

    def augmentation(self) -> list:
        """Return layers that change an image and leave its label true."""
        flip = layers.RandomFlip("horizontal")
        if self.name == "reduced":
            return [flip]
        size = self.shape[:2]
        # Keras's RandomCrop, outside of training, leaves the padded image as it is.
        crops = [layers.ZeroPadding2D(4), layers.RandomCrop(*size), layers.CenterCrop(*size)]
        colours = layers.RandomColorJitter(
            value_range=(0, 255), brightness_factor=0.2, contrast_factor=0.2,
            saturation_factor=(0.4, 0.6), hue_factor=0.05,
        )  # fmt: skip
        return [flip, *crops, colours]


REDUCED = Profile(
    "reduced", "Fashion-MNIST, a part", (8000, 2000, 2000), (28, 28), filters=(8, 16),
    pooling=False, dropout=(0, 0.1), rate=1e-3, batch=64, epochs=4, patience=2,
)  # fmt: skip
FULL = Profile(
    "full", "CIFAR-10", (45_000, 5000, 10_000), (32, 32, 3), filters=(32, 64, 128),
    pooling=True, dropout=(0.25, 0.5), rate=1e-3, batch=128, epochs=200, patience=15,
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (REDUCED, FULL)}


def project(profile: str = "reduced") -> Profile:
    """Return the numbers of a profile, "reduced" or "full", and print both."""
    chosen = PROFILES[one_of("profile", profile, list(PROFILES))]
    for what in ("data", "rows", "shape", "filters", "pooling", "dropout", "rate", "batch",
                 "epochs", "patience"):  # fmt: skip
        print(f"{what:10}", *(f"{getattr(one, what)!s:26}" for one in PROFILES.values()))
    print("chosen:", chosen.name)
    return chosen


def compiled(model: keras.Model, rate) -> keras.Model:
    """Compile a model of ten logits, and return it."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def scores(models, part, rows: int = 500) -> np.ndarray:
    """Return the accuracy of each model on a part of the data, so many rows at a time.

    The models are called, not evaluated: `evaluate` would compile a program for each of them.
    """
    found = []
    for model in models:
        right = [
            keras.ops.convert_to_numpy(model(part.x[k : k + rows], training=False)).argmax(-1)
            == part.y[k : k + rows]
            for k in range(0, len(part.y), rows)
        ]
        found.append(np.concatenate(right).mean())
    return np.array(found)


def tell(name: str, a, b) -> np.ndarray:
    """Print the mean difference of paired scores with its interval; return the differences."""
    apart = np.asarray(a) - np.asarray(b)
    low, high = interval(apart)
    print(f"{name:34} {np.mean(apart):+.3f}, 95 % from {low:+.3f} to {high:+.3f}: "
          f"{verdict(low, high)}")  # fmt: skip
    return apart


def interval(apart: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences, by Student's t."""
    from scipy import stats

    reach = stats.t.ppf(0.975, len(apart) - 1) * np.std(apart, ddof=1) / np.sqrt(len(apart))
    return float(np.mean(apart) - reach), float(np.mean(apart) + reach)


def verdict(low: float, high: float) -> str:
    """Say what an interval of a difference says."""
    return "not told apart" if low <= 0 <= high else "higher" if low > 0 else "lower"


# The log ------------------------------------------------------------------------------------------


def confront(log: Mapping[str, Mapping], found: Mapping[str, np.ndarray], score: float) -> None:
    """Print each decision of the log, and what this project found about it.

    Args:
        log: the decisions, by lesson.
        found: paired differences by the slug of the lesson whose decision they test.
        score: the validation accuracy that the project ends with.
    """
    if not log:
        print("Your log is empty: you began here, and nothing is lost. What a log would have met:")
    for slug in [*log, *(slug for slug in found if slug not in log)]:
        entry = log.get(slug, {})
        told = [f"you decided: {entry['choice']}"] if "choice" in entry else []
        expected = entry.get("val_accuracy")
        if isinstance(expected, int | float):
            told.append(f"expected {expected:.3f}, the project has {score - expected:+.3f}")
        if slug in found:
            low, high = interval(found[slug])
            told.append(f"measured here: {np.mean(found[slug]):+.3f} ({low:+.3f} to {high:+.3f}), "
                        f"{verdict(low, high)}")  # fmt: skip
        else:
            told.append("not tested here")
        print(f"{slug}: {'; '.join(told)}")


# Errors -------------------------------------------------------------------------------------------


def pairs(y: np.ndarray, guess: np.ndarray, names, most: int = 5) -> None:
    """Print the most frequent confusions, and how many errors fall on each true class."""
    table = np.zeros((len(names), len(names)), int)
    np.add.at(table, (y, guess), 1)
    np.fill_diagonal(table, 0)
    for at in np.argsort(-table, axis=None, kind="stable")[:most]:
        true, said = np.unravel_index(at, table.shape)
        print(f"{table[true, said]:4} of {names[true]} called {names[said]}")
    hard = np.argsort(-table.sum(axis=1), kind="stable")[:4]
    share = table[hard].sum() / table.sum()
    print(f"{share:.0%} of {table.sum()} errors: {', '.join(names[k] for k in hard)}")


def gallery(part, p: np.ndarray, names, most: int = 10) -> None:
    """Show the images whose right class got the least probability."""
    worst = np.argsort(p[np.arange(len(p)), part.y], kind="stable")[:most]
    titles = [f"{names[part.y[k]]}?\n{names[p[k].argmax()]} {p[k].max():.2f}" for k in worst]
    plots.show(
        plots.images(list(part.x[worst]), titles, "The most costly validation rows"),
        alt="Ten images, each with its label and, below, the net's answer and its probability: "
        + "; ".join(title.replace("\n", " ") for title in titles)
        + ".",
    )


# Openings -----------------------------------------------------------------------------------------

OPENINGS = (1, 2, 3, 5, 10, 20, 50, 100)
TRUTH = 0.88


def openings(rows: int = 2000, worlds: int = 4000) -> np.ndarray:
    """Return the best score so far after each of 100 openings, a row for each test set.

    All recipes are equally good. 82 % of all images are right with each, 6 % wrong with each, and
    12 % are right with half of them, so that scores on one test set resemble each other.
    """
    rng = np.random.default_rng(0)
    sure, _, open_ = rng.multinomial(rows, [0.82, 0.06, 0.12], size=worlds).T
    right = sure[:, None] + rng.binomial(open_[:, None], 0.5, (worlds, OPENINGS[-1]))
    return np.maximum.accumulate(right, axis=1) / rows


def optimism() -> None:
    """Show with a slider what reporting the best of several openings adds to the truth."""
    best = openings()
    bins = np.arange(0.85, 0.9151, 0.0025)

    def draw(count):
        fig, ax = plots.figure("Best score on the test set", "accuracy reported", "test sets, %")
        weights = np.full(len(best), 100 / len(best))
        ax.hist(best[:, count - 1], bins, weights=weights, color=plots.VALIDATION.color, alpha=0.7)
        ax.axvline(TRUTH, color="black", lw=1.5, ls="--")
        ax.annotate("the truth", (TRUTH - 0.001, 19), ha="right", fontsize=9)
        ax.set(ylim=(0, 22))
        return fig

    def caption(count):
        reported = best[:, count - 1]
        too_high = abs(100 * (reported.mean() - TRUTH))
        return (
            f"{count} opening{'s' * (count > 1)}, the best reported: on average "
            f"{reported.mean():.4f}, {too_high:.2f} points too high. "
            f"{np.mean(reported > TRUTH):.0%} of the reports are too high."
        )

    plots.explore(draw, OPENINGS, caption, "openings of the test set")


# Three snapshots ----------------------------------------------------------------------------------

COOLED = 12  # epochs before the rate falls to a tenth


def snapshots() -> None:
    """Draw three runs on few images; each goes on at a tenth of its rate."""
    logs = three_runs()
    fig, axes = plots.figure("Three runs", "epoch", columns=3)
    told = []
    for name, ax, log in zip("PQR", axes, logs, strict=True):
        plots.curve(ax, log.history["loss"], plots.TRAIN, label="training")
        plots.curve(ax, log.history["val_loss"], plots.VALIDATION, label="validation")
        ax.axvline(COOLED + 0.5, color="0.5", lw=1, ls=":")
        ax.set_title(name, fontsize=10)
        ax.set(ylim=(0, 2))
        first, last = ([log.history[part][k] for part in ("loss", "val_loss")]
                       for k in (COOLED - 1, -1))  # fmt: skip
        told.append(
            f"{name}: {first[0]:.2f} and {first[1]:.2f} before, {last[0]:.2f} and {last[1]:.2f} "
            "in the end"
        )
    axes[0].set(ylabel="loss, nats")
    axes[0].legend(fontsize=8)
    plots.show(
        fig,
        alt="Three runs, training and validation loss. At the dotted line each goes on at a tenth "
        f"of its rate. Training and validation loss, {'; '.join(told)}.",
    )


def three_runs() -> list:
    """Return the logs of P (its rate is too high), Q (few rows) and R (two units)."""
    images = datasets.load_fashion_mnist()
    held = images.validation.x[:1000], images.validation.y[:1000]
    nets = [compiled(_small(32), 0.03), compiled(running_model(0), 4e-3),
            compiled(_small(2), 1e-2)]  # fmt: skip
    rows = [np.arange(count) for count in (4000, 400, 2500)]
    return fit_many(
        nets, images.train.x, images.train.y, rows=rows, validation_data=held, epochs=COOLED + 6,
        batch_size=50, callbacks=lambda k: [keras.callbacks.LearningRateScheduler(_cooled)],
        verbose=0,
    )  # fmt: skip


def _cooled(epoch, rate):
    return rate / 10 if epoch == COOLED else rate


def _small(units: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    stack = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(),
             layers.Dense(units, "tanh"), layers.Dense(10)]  # fmt: skip
    return keras.Sequential(stack)
