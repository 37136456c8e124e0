"""The figures of the lesson on the training loop, and its clock."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from coursekit import plots

STEPS, SETTLED = 60, 20  # of a timing; what was read ahead at the start is used up by then


class Reader(keras.utils.PyDataset):
    """Hands out a batch of 32 rows, each after so many milliseconds."""

    def __init__(self, x: np.ndarray, y: np.ndarray, wait: float, **options):
        super().__init__(**options)
        self.batch, self.wait = (x[:32], y[:32]), wait

    def __len__(self):
        return STEPS

    def __getitem__(self, number):
        time.sleep(self.wait / 1000)
        return self.batch


def step_times(model: keras.Model, reader: Reader) -> tuple[float, float]:
    """Train for an epoch; return the milliseconds of the first step, and of a later one (mean)."""
    clock = [time.perf_counter()]
    tick = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: clock.__setitem__(0, time.perf_counter()),
        on_train_batch_end=lambda batch, logs: clock.append(time.perf_counter()),
    )
    model.fit(reader, verbose=0, callbacks=[tick])
    steps = 1000 * np.diff(clock)
    return float(steps[0]), float(steps[SETTLED:].mean())


def apart(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Return the largest difference between two models' weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def line(x: np.ndarray, y: np.ndarray, lines: Sequence[tuple], losses: Sequence[float]) -> None:
    """Show the points, with the line after as many epochs as a slider says, and the loss."""
    ends = np.array([-2, 2])
    of_lines = [float(np.mean((w * x + b - y) ** 2)) for w, b in lines]

    def draw(epoch):
        fig, (left, right) = plots.figure("A line and its loss, epoch by epoch", columns=2)
        left.plot(x, y, "o", color="0.4")
        for place, style in ((0, plots.COMPARE[1]), (epoch, plots.COMPARE[0])):
            w, b = lines[place]
            label = "at the start" if place == 0 else "now"
            plots.curve(left, w * ends + b, style, x=ends, label=label, marker="")
        left.set(xlabel="x", ylabel="y")
        left.legend(loc="upper left", frameon=False)
        plots.curve(right, losses, plots.TRAIN, x=range(len(losses)), markevery=[])
        right.plot(epoch, of_lines[epoch], plots.TRAIN.marker, color=plots.TRAIN.color, ms=8)
        right.set(xlabel="epochs done", ylabel="loss (mean squared error)")
        return fig

    def caption(epoch):
        w, b = lines[epoch]
        when = "At the start" if epoch == 0 else f"After {epoch} epoch{'s' * (epoch > 1)}"
        return f"{when}: slope {w:.2f}, intercept {b:.2f}, loss {of_lines[epoch]:.2f}."

    epochs = [e for e in (0, 1, 2, 3, 5, 10, 20, 40) if e < len(lines)]
    plots.explore(draw, epochs, caption, "epochs done", start=len(epochs) - 1)


def diagram() -> None:
    """Draw the loop, and its way out."""
    fig, ax = plots.figure("The loop, with its way out", height=1.6)
    names = ["training\ndata", "initialise", "forward", "loss", "backward", "update", "stop?"]
    arrow = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    for place, name in enumerate([*names, "trained\nmodel"]):
        color, at = plots.TRAIN.color if 2 <= place <= 6 else "0.5", 1.4 * place
        box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": color}
        ax.text(at, 0, name, ha="center", va="center", fontsize=7, bbox=box)
        if place:
            ax.annotate("", (at - 0.53, 0), (at - 0.87, 0), arrowprops=arrow)
    around = {**arrow, "connectionstyle": "bar,fraction=0.09", "shrinkA": 1, "shrinkB": 1}
    ax.annotate("", (2.8, 0.25), (8.4, 0.25), arrowprops=around)
    ax.text(5.6, 0.56, "no: again", ha="center", fontsize=8)
    ax.text(9.1, 0.08, "yes", ha="center", fontsize=7)
    ax.set(xlim=(-0.6, 10.4), ylim=(-0.3, 0.8))
    ax.axis("off")
    plots.show(
        fig,
        alt="Data, initialise, then a cycle of forward, loss, backward, update and the question "
        "whether to stop: no leads back to forward, yes to the trained model.",
    )


def twice(by_hand: Sequence[float], by_fit: Sequence[float]) -> None:
    """Draw the losses of one network, trained twice."""
    _curves(
        "One network, trained twice",
        {"written out": by_hand, "fit": by_fit},
        alt="The loss curve of the loop written out (wide) and that of fit, epoch by epoch.",
    )


def zeroing(losses: Mapping[str, Sequence[float]]) -> None:
    """Draw the losses with zeroing and without."""
    _curves(
        "Without zeroing the loss never settles",
        losses,
        alt="Zeroed (wide), the loss falls and stays low; never zeroed, it swings to the end.",
        top=5,
    )


def detours(recorded: Mapping[str, Sequence[float]]) -> None:
    """Draw the recorded run of which the patience is asked."""
    _training_and_validation(
        "The validation loss finds its best by detours",
        (recorded["loss"], recorded["val_loss"]),
        "loss",
        alt="Training loss falls over thirty epochs. Validation loss falls by detours to its "
        "lowest point in epoch 11, then jumps between 0.7 and 1.3.",
    )


def running_model(history: Mapping[str, Sequence[float]]) -> None:
    """Draw the accuracies of the running model."""
    _training_and_validation(
        "The running model, twelve epochs",
        (history["accuracy"], history["val_accuracy"]),
        "accuracy",
        alt="Training accuracy keeps climbing; validation accuracy flattens early.",
    )


def _curves(title, named, alt, top=None) -> None:
    """Draw two loss curves; the first one is wide, so that one lying on it shows."""
    fig, ax = plots.figure(title, x="epoch", y="loss")
    wide: dict[str, Any] = {"lw": 5, "alpha": 0.4, "marker": ""}
    for (name, values), style in zip(named.items(), plots.COMPARE, strict=False):
        plots.curve(ax, values, style, label=name, **(wide if style is plots.COMPARE[0] else {}))
    ax.set_ylim(top=top)
    ax.legend(ncols=2, loc="upper right")
    plots.show(fig, alt=alt)


def _training_and_validation(title, pair, y, alt) -> None:
    """Draw what each epoch measured on training rows and on validation rows."""
    fig, ax = plots.figure(title, x="epoch", y=y)
    for values, style in zip(pair, (plots.TRAIN, plots.VALIDATION), strict=True):
        plots.curve(ax, values, style, markevery=1)
    ax.set_xticks(range(1, len(pair[0]) + 1, 2))
    ax.legend()
    plots.show(fig, alt=alt)
