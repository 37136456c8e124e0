"""Nine trainings on digits, known by their curves alone, and what can be tried on them."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from coursekit import datasets, plots
from coursekit._checks import one_of, require

SEEDS = (0, 1, 2)
PIXELS = 64


class Case(NamedTuple):
    """How a net of one hidden layer is trained.

    Attributes:
        rate, optimizer, batch, epochs, rows: of the training.
        units, activation, depth, dropout: of the net.
        wrong: the share of training labels that are wrong.
        validation: "own" rows of the same kind, "foggy" ones, or some "held back" from training.
    """

    rate: float = 3e-3
    optimizer: str = "Adam"
    batch: int = 32
    epochs: int = 15
    rows: int = 400
    units: int = 64
    activation: str = "relu"
    depth: int = 1
    dropout: float = 0.0
    wrong: float = 0.0
    validation: str = "own"


CASES = {
    "A": Case(optimizer="SGD", rate=0.5, batch=2, rows=300, epochs=12),
    "B": Case(),
    "C": Case(rows=150, units=128, rate=1e-2, wrong=0.3, epochs=30),
    "D": Case(optimizer="SGD", rate=1e-3),
    "E": Case(dropout=0.6),
    "F": Case(optimizer="SGD", rate=1.5, epochs=12),
    "G": Case(rate=4e-3, validation="foggy", epochs=20),
    "H": Case(optimizer="SGD", rate=0.05, depth=6, activation="sigmoid"),
    "I": Case(units=2, activation="tanh", rate=0.02, epochs=20),
}
CHANGES = {
    "a": ("a tenth of the rate", lambda case: case._replace(rate=case.rate / 10)),
    "b": ("ten times the rate", lambda case: case._replace(rate=case.rate * 10)),
    "c": ("batches of 64", lambda case: case._replace(batch=64)),
    "d": ("validation on rows held back from the training rows",
          lambda case: case._replace(validation="held back")),
    "e": ("four times the units", lambda case: case._replace(units=case.units * 4)),
    "f": ("another seed", lambda case: case),
}  # fmt: skip


class Curves(NamedTuple):
    """What three seeds logged: arrays with a row a seed and a column an epoch."""

    train: np.ndarray
    valid: np.ndarray
    accuracy: np.ndarray


def _data(case: Case) -> tuple:
    digits = datasets.load_digits()
    x, y = digits.train.x.reshape(-1, PIXELS), digits.train.y
    rng = np.random.default_rng(1)
    y = np.where(rng.random(len(y)) < case.wrong, rng.integers(0, 10, len(y)), y)
    held = x[case.rows : case.rows + 250], y[case.rows : case.rows + 250]
    own = digits.validation.x.reshape(-1, PIXELS), digits.validation.y
    foggy = 0.35 * own[0] + 0.5, own[1]
    valid = {"own": own, "foggy": foggy, "held back": held}[case.validation]
    return x[: case.rows], y[: case.rows], valid


def _net(case: Case, seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    hidden: list = [keras.layers.Dense(case.units, case.activation) for _ in range(case.depth)]
    hidden += [keras.layers.Dropout(case.dropout)] if case.dropout else []
    net = keras.Sequential([keras.Input((PIXELS,)), *hidden, keras.layers.Dense(10, "softmax")])
    optimizer = getattr(keras.optimizers, case.optimizer)(case.rate)
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


@functools.cache
def curves(case: Case, seeds: Sequence[int] = SEEDS) -> Curves:
    """Return what a case logs."""
    from coursekit.training import fit_many

    x, y, valid = _data(case)
    logs = fit_many([_net(case, seed) for seed in seeds], x, y, validation_data=valid,
                    epochs=case.epochs, batch_size=case.batch, seed=list(seeds),
                    verbose=0)  # fmt: skip
    names = ("loss", "val_loss", "val_accuracy")
    return Curves(*(np.array([log.history[name] for log in logs]) for name in names))


def _told(found: Curves) -> str:
    train, valid = found.train.mean(0), found.valid.mean(0)
    best = int(valid.argmin())
    rises = int(np.median(np.sum(np.diff(found.train) > 0, axis=1)))
    return (
        f"Training loss {train[0]:.2f} after the first epoch, {train[-1]:.2f} after the last; it "
        f"goes up in {rises} epoch{'s' * (rises != 1)}. "
        f"Validation loss {valid[0]:.2f} and {valid[-1]:.2f}; at its lowest {valid[best]:.2f}, "
        f"after epoch {best + 1} of {len(valid)}."
    )


def show() -> None:
    """Show the cases, with a slider."""

    def draw(letter):
        found = curves(CASES[letter])
        fig, ax = plots.figure(f"Case {letter}", "epoch", "loss")
        for seed in range(len(found.train)):
            look = {"alpha": 0.45, "label": "_"} if seed else {}
            plots.curve(ax, found.train[seed], plots.TRAIN, **look)
            plots.curve(ax, found.valid[seed], plots.VALIDATION, **look)
        ax.axhline(np.log(10), color="0.5", lw=1, ls=":")
        ax.text(1, np.log(10) + 0.04, "guessing", fontsize=8, color="0.4")
        ax.set(ylim=(0, 3.5))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(loc="upper right", frameon=False)
        return fig

    def caption(letter):
        return f"Case {letter}, the mean of three seeds. {_told(curves(CASES[letter]))}"

    plots.explore(draw, list(CASES), caption, "case")


def again(letters: str, change: str) -> None:
    """Train cases again with one change, and print what came of it.

    Args:
        letters: of the cases, as "AF".
        change: the letter of a change.

    Raises:
        ValueError: for other letters.
    """
    known = isinstance(letters, str) and letters != "" and set(letters.upper()) <= set(CASES)
    require(known, "`letters` must be letters of the cases, as in 'AF'.", letters=letters)
    change = one_of("change", change, CHANGES)
    words, changed = CHANGES[change]
    for letter in letters.upper():
        case = CASES[letter]
        after = curves(changed(case), (7, 8, 9) if change == "f" else SEEDS)
        print(f"{letter}, {words}:")
        for name, found in (("before", curves(case)), ("after", after)):
            last, valid = found.train[:, -1], found.valid
            rises = int(np.median(np.sum(np.diff(found.train) > 0, axis=1)))
            ups = f"{rises} rise{'s' * (rises != 1)}"
            print(f"  {name:6} training loss", *(f"{v:.2f}" for v in last),
                  f"({ups});  validation, lowest", *(f"{v:.2f}" for v in valid.min(1)),
                  " last", *(f"{v:.2f}" for v in valid[:, -1]))  # fmt: skip
