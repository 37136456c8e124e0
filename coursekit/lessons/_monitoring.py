"""What the lesson on monitoring draws, and what it takes ready-made."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from coursekit import datasets, plots
from coursekit.lessons._clinic import CASES, again, curves
from coursekit.lessons._clinic import show as clinic
from coursekit.lessons._spikes import ANSWERS, CAUSES, Run, answers, before_and_after, train

__all__ = ["AfterEpoch", "again", "before_and_after", "clinic", "complete", "four_curves",
           "masks", "sick", "spikes", "train"]  # fmt: skip


class AfterEpoch(keras.callbacks.Callback):
    """Evaluates the training rows after each epoch, with the weights as they are then.

    Attributes:
        losses: a number for each epoch.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        super().__init__()
        self.rows = x, y
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluate."""
        loss, *_ = self.model.evaluate(*self.rows, verbose=0)
        self.losses.append(float(loss))


def four_curves(doctor: Any, history: Any, after: Sequence[float]) -> None:
    """Draw the losses of the steps, and of the epochs as logged, evaluated and validated.

    Args:
        doctor: a `Doctor` that saw the run; it kept the losses of the steps.
        history: what `fit` returned.
        after: the loss of the training rows after each epoch.
    """
    steps, logs = doctor.record.steps, history.history
    fig, ax = plots.figure("What one run leaves", "epoch", "loss")
    epochs = np.arange(1, len(after) + 1)
    at = (np.arange(len(steps.means)) + 0.5) * steps.block * len(after) / steps.count
    ax.plot(at, steps.means, color="0.75", lw=0.8, label="of each step")
    plots.curve(ax, logs["loss"], plots.TRAIN, x=epochs, label="training, as logged")
    plots.curve(ax, logs["val_loss"], plots.VALIDATION, x=epochs)
    plots.curve(ax, after, plots.COMPARE[2], x=epochs, label="training, after the epoch")
    ax.set(ylim=(0, 1.15 * max(steps.means[0], logs["loss"][0])))
    ax.legend(fontsize=8)
    plots.show(
        fig,
        alt="After the first epoch: training as logged "
        f"{logs['loss'][0]:.2f}, validation {logs['val_loss'][0]:.2f}, the training rows "
        f"evaluated {after[0]:.2f}. After the last: {logs['loss'][-1]:.2f}, "
        f"{logs['val_loss'][-1]:.2f}, {after[-1]:.2f}. The steps scatter around the logged curve.",
    )


def complete(late: int = 5) -> None:
    """Print for each case where validation was best, and what the last epochs brought."""
    print(f"gain: the best validation loss before the last {late} epochs, less the best in them")
    print("case  best epoch  gain, by seed")
    for letter, case in CASES.items():
        valid = curves(case).valid
        gain = valid[:, :-late].min(axis=1) - valid[:, -late:].min(axis=1)
        best = int(valid.mean(axis=0).argmin()) + 1
        words = ", ".join(f"{one:+.2f}" for one in gain)
        print(f"{letter:4}  {best:4} of {valid.shape[1]:2}    {words}")


def sick() -> Any:
    """Return case H as it began: a net of six sigmoid layers, compiled."""
    keras.utils.set_random_seed(0)
    case = CASES["H"]
    hidden = [keras.layers.Dense(case.units, case.activation, name=f"hidden_{number}")
              for number in range(1, case.depth + 1)]  # fmt: skip
    last = keras.layers.Dense(10, "softmax", name="last")
    model = keras.Sequential([keras.Input((64,)), *hidden, last], name="case_H")
    model.compile(keras.optimizers.SGD(case.rate), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])  # fmt: skip
    return model


def masks(bright: int) -> list[tuple[tuple, tuple]]:
    """Return for three slices of a head the box of the brain, and that of all bright pixels.

    A box is (top, left, bottom, right), in pixels.
    """
    brain = datasets.load_brain().train
    large = np.argsort(-brain.y.reshape(len(brain.y), -1).sum(1), kind="stable")[:30:10]
    return [(_box(brain.y[k] > 0), _box(brain.x[k] > bright)) for k in large]


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero(mask.squeeze().any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def spikes() -> Mapping[tuple[str, str], list[Run]]:
    """Answer two kinds of spikes in three ways, at three seeds, and print what came of it."""
    found = answers()
    for cause in CAUSES:
        print(f"{cause}: the worst training loss after the alarm, and the last")
        for answer in ANSWERS:
            runs = found[cause, answer]
            pairs = [(run.rows[run.first + 1 :].max(), run.rows[-1]) for run in runs if run.first]
            words = ",  ".join(f"{worst:5.2f} {last:4.2f}" for worst, last in pairs)
            print(f"  {answer:8} {words}   alarms", *(run.alarms for run in runs))
    return found
