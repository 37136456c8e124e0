"""Two trainings with a spike, in NumPy: a batch of wrong labels, and a rate that grows too far."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from coursekit import datasets, plots

CAUSES = ("wrong labels", "rate too high")
ANSWERS = ("nothing", "skip", "clip", "rewind")
STEPS, BAD, BACK = 200, 150, 20


class Run(NamedTuple):
    """A training: the loss and the gradient's norm of each step done, and what came of it.

    Attributes:
        losses: of the batches, in the order of the steps.
        norms: of the gradients.
        rows: the loss of all training rows at each step.
        first: the first step with an alarm; None: none.
        alarms: how many steps had one.
        done: how many updates were made.
    """

    losses: np.ndarray
    norms: np.ndarray
    rows: np.ndarray
    first: int | None
    alarms: int
    done: int


def alarm(norms: Sequence[float], times: float = 5.0, before: int = 20) -> bool:
    """Say whether the last norm is more than some times the median of those before it."""
    if len(norms) <= before:
        return False
    return bool(norms[-1] > times * np.median(norms[-1 - before : -1]))


def loss_and_gradients(
    weights: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Return the cross-entropy of two layers with relu between, and its gradients."""
    W1, b1, W2, b2 = weights
    a = x @ W1 + b1
    h = np.maximum(0, a)
    z = h @ W2 + b2
    z = z - z.max(axis=1, keepdims=True)
    total = np.exp(z).sum(axis=1)
    loss = float(np.mean(np.log(total) - z[np.arange(len(y)), y]))
    dz = (np.exp(z) / total[:, None] - np.eye(z.shape[1])[y]) / len(y)
    da = dz @ W2.T * (a > 0)
    return loss, [x.T @ da, da.sum(axis=0), h.T @ dz, dz.sum(axis=0)]


class Descent:
    """Plain gradient descent, at a rate that grows from step 60 on."""

    def step(self, weights, gradients, step, scale):
        """Return the weights after one step."""
        rate = scale * (0.5 + 0.02 * max(0, step - 60))
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)]

    def copy(self):
        """Return a copy of the state: there is none."""
        return self


class Adam:
    """Adam at a rate of 0.03, with the usual settings."""

    def __init__(self, state=((), (), 0)):
        self.m, self.v, self.t = [list(state[0]), list(state[1]), state[2]]

    def step(self, weights, gradients, step, scale):
        """Return the weights after one step."""
        if not self.m:
            self.m = [np.zeros_like(w) for w in weights]
            self.v = [np.zeros_like(w) for w in weights]
        self.t += 1
        self.m = [0.9 * m + 0.1 * g for m, g in zip(self.m, gradients, strict=True)]
        self.v = [0.999 * v + 0.001 * g**2 for v, g in zip(self.v, gradients, strict=True)]
        rate = 0.03 * scale * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        return [w - rate * m / (np.sqrt(v) + 1e-7)
                for w, m, v in zip(weights, self.m, self.v, strict=True)]  # fmt: skip

    def copy(self):
        """Return a copy of the state."""
        return Adam((self.m, self.v, self.t))


def train(
    cause: str, answer: str = "nothing", seed: int = 0, warns: Callable = alarm, steps: int = STEPS
) -> Run:
    """Train on 400 digits, and answer the alarms.

    Args:
        cause: one of `CAUSES`. "wrong labels": batches of 64, Adam; the labels of step 150 are
            those of other digits. "rate too high": all rows, plain descent, a growing rate.
        answer: one of `ANSWERS`. "skip" leaves a step with an alarm out; "clip" cuts its gradient
            to twice the usual length; "rewind" goes back 20 steps at the first alarm, leaves the
            batch out and goes on at a quarter of the rate.
        seed: of the weights and of the batches.
        warns: says from the norms so far whether there is an alarm.
        steps: how many.
    """
    train_rows = datasets.load_digits().train
    x, y = train_rows.x.reshape(-1, 64)[:400].astype("float64"), train_rows.y[:400]
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, np.sqrt(2 / 64), (64, 32)), np.zeros(32),
               rng.normal(0, np.sqrt(1 / 32), (32, 10)), np.zeros(10)]  # fmt: skip
    wrong = cause == CAUSES[0]
    batches = [rng.permutation(400)[:64] if wrong else np.arange(400) for _ in range(steps)]
    optimizer: Adam | Descent = Adam() if wrong else Descent()
    kept: list = []
    losses, norms, rows, left_out, scale = [], [], [], -1, 1.0
    first, alarms, done, step = None, 0, 0, 0
    while step < steps:
        kept = [*kept[-BACK:], (weights, optimizer.copy())]
        at = batches[step]
        labels = (y[at] + 1) % 10 if wrong and step == BAD else y[at]
        loss, gradients = loss_and_gradients(weights, x[at], labels)
        norm = float(np.sqrt(sum(np.sum(g**2) for g in gradients)))
        losses.append(loss)
        norms.append(norm)
        rows.append(loss_and_gradients(weights, x, y)[0] if wrong else loss)
        warned = step != left_out and warns(norms)
        if warned:
            alarms, first = alarms + 1, step if first is None else first
            if answer == "rewind" and left_out < 0:
                left_out, scale = step, 0.25
                step -= len(kept) - 1
                weights, optimizer = kept[0]
                kept = []
                continue
        if step == left_out or (warned and answer == "skip"):
            step += 1
            continue
        if warned and answer == "clip":
            usual = float(np.median(norms[-21:-1]))
            gradients = [g * min(1.0, 2 * usual / norm) for g in gradients]
        weights = optimizer.step(weights, gradients, step, scale)
        done, step = done + 1, step + 1
    return Run(np.array(losses), np.array(norms), np.array(rows), first, alarms, done)


def answers(seeds: Sequence[int] = (0, 1, 2)) -> dict[tuple[str, str], list[Run]]:
    """Return the runs of each cause and answer."""
    return {(cause, answer): [train(cause, answer, seed) for seed in seeds]
            for cause in CAUSES for answer in ANSWERS}  # fmt: skip


def before_and_after(run: Run, title: str) -> None:
    """Draw loss and gradient of a run with a growing rate, each by what was usual before."""
    leads = [reached(run.losses, 3), reached(run.norms, 3)]
    middle = max(one for one in leads if one is not None)
    at = np.arange(max(0, middle - 40), min(len(run.losses), middle + 40))
    fig, ax = plots.figure(title, "step", "times the median of the 20 before")
    for style, name, values in ((plots.COMPARE[0], "loss", run.losses),
                                (plots.COMPARE[1], "norm of the gradient", run.norms)):  # fmt: skip
        usual = np.array([np.median(values[max(0, k - 20) : k]) for k in at])
        plots.curve(ax, values[at] / usual, style, x=at, label=name)
    ax.axhline(3, color="0.5", lw=1, ls=":")
    ax.set_yscale("log")
    ax.legend(fontsize=8)
    plots.show(
        fig,
        alt=f"Three times its usual value is reached by the loss at step {leads[0]}, by the norm "
        f"of the gradient at step {leads[1]}.",
    )


def reached(values: np.ndarray, times: float) -> int | None:
    """Return the first step at which a value is some times the median of the 20 before it."""
    return next((k for k in range(60, len(values))
                 if values[k] > times * np.median(values[k - 20 : k])), None)  # fmt: skip
