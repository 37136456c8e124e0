"""What a run leaves: numbers, as few for a thousand epochs as for ten."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

ROOM = 1024  # blocks of step losses
LOOKS = 48
PLAIN = ("epochs", "nan", "start", "sizes", "moved", "finish", "trains", "frozen")
MATRICES = ("kernel", "embeddings", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")


class Look(NamedTuple):
    """The model on fixed rows, in training mode, before a step.

    Attributes:
        step: how many steps were done before.
        loss: without penalties.
        gradients, weights, updates: for each trainable variable, by its path, root mean squares of
            the gradient, of the values, and of how far the step that followed moved them.
        layers: numbers of each layer's output, by its path.
        rate: the learning rate.
    """

    step: int
    loss: float
    gradients: dict[str, float]
    weights: dict[str, float]
    updates: dict[str, float]
    layers: dict[str, dict[str, float]]
    rate: float


class Steps:
    """The losses of all steps in a bounded number of blocks, each of as many steps.

    Once the room is full, neighbouring blocks become one: their means, largest values and scatter
    between neighbours stay known.
    """

    def __init__(self, room: int = ROOM):
        self._table = np.zeros((room, 4))
        self.count, self.block = 0, 1
        self._before = np.nan

    def add(self, loss: float) -> None:
        """Take the loss of the next step."""
        if not np.isfinite(loss):
            self.count += 1
            self._before = np.nan
            return
        if self.count // self.block >= len(self._table):
            pairs = self._table.reshape(-1, 2, 4)
            half = pairs.sum(1)
            half[:, 2] = pairs[:, :, 2].max(1)
            self._table[:] = 0
            self._table[: len(half)] = half
            self.block *= 2
        row = self._table[self.count // self.block]
        row[0] += 1
        row[1] += loss
        row[2] = max(row[2], loss) if row[0] > 1 else loss
        row[3] += 0.0 if np.isnan(self._before) else (loss - self._before) ** 2
        self.count, self._before = self.count + 1, loss

    def get_state(self) -> dict[str, Any]:
        """Return all that is known, in plain values and arrays."""
        return {"table": self._table.copy(), "count": self.count, "block": self.block,
                "before": self._before}  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        self._table, self.count = np.array(state["table"]), state["count"]
        self.block, self._before = state["block"], state["before"]

    @property
    def _full(self) -> np.ndarray:
        return self._table[self._table[:, 0] > 0]

    @property
    def means(self) -> np.ndarray:
        """The mean loss of each block."""
        return self._full[:, 1] / self._full[:, 0]

    @property
    def largest(self) -> np.ndarray:
        """The largest loss in each block."""
        return self._full[:, 2]

    @property
    def scatter(self) -> float:
        """The standard deviation of a step's loss in the second half, without the trend."""
        late = self._full[len(self._full) // 2 :]
        return float(np.sqrt(late[:, 3].sum() / max(late[:, 0].sum(), 1) / 2))


@dataclass
class Score:
    """A loss on blocks of rows: its mean, and the standard error of the mean."""

    mean: float
    error: float


@dataclass
class End:
    """The model when it is diagnosed, in inference mode; None: not known.

    Attributes:
        train, valid: losses of data without penalties.
        constant: the loss of the best answer that does not look at the inputs, on the training
            rows; gain: how far the model is below it, with the standard error of the difference.
        inference, own: the loss of the same rows with moving and with their own batch statistics.
        layers: numbers of each layer's output.
        said, share: the share of rows that get the most frequent answer, and that have that label.
        common: that answer.
        never: a class of some size that no row gets although others are told apart, and its share.
        accuracy, chance, z: balanced accuracy (of held rows if there are any), that of guessing,
            and how many standard errors lie between.
        simple: of two simple probes on the inputs; simple_chance, simple_spread: with shuffled
            labels.
        error: the standard error of the difference between accuracy and simple.
        row_scatter: the standard deviation of one row's loss.
        right: the plain accuracy, on the rows that the last epoch's log names.
        kind: "classes" or "numbers" (then accuracy and simple are shares of explained variance).
    """

    train: Score
    valid: Score | None = None
    constant: Score | None = None
    gain: Score | None = None
    inference: float | None = None
    own: float | None = None
    layers: dict[str, dict[str, float]] = field(default_factory=dict)
    said: float | None = None
    share: float = 0.0
    common: int = 0
    never: tuple[int, float] | None = None
    accuracy: float | None = None
    chance: float = 0.0
    z: float = 0.0
    simple: float | None = None
    simple_chance: float = 0.0
    simple_spread: float = 0.0
    error: float = 0.0
    row_scatter: float = 0.0
    right: dict[str, float] = field(default_factory=dict)
    kind: str = ""


@dataclass
class Record:
    """One run of `fit`.

    Attributes:
        steps: the losses of the steps.
        looks: the model on fixed rows; the first ones are those of steps 0 and 1.
        epochs: the logs of each epoch.
        nan: the first step whose loss was not finite.
        start: root mean squares of the weights before the run, by path.
        sizes: how many numbers each variable has, by path.
        moved: how far each variable has moved, by its first size; finish: its size at the end.
        trains, frozen: numbers that training moves, and does not move (without statistics).
        end: at the diagnosis.
    """

    steps: Steps = field(default_factory=Steps)
    looks: list[Look] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    nan: int | None = None
    start: dict[str, float] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    finish: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    trains: int = 0
    frozen: int = 0
    end: End | None = None

    def add(self, look: Look) -> None:
        """Keep a look; beyond the room every second one, the first two and the last stay."""
        self.looks.append(look)
        if len(self.looks) > LOOKS:
            self.looks = [*self.looks[:2], *self.looks[3:-1:2], self.looks[-1]]

    def get_state(self) -> dict[str, Any]:
        """Return what a run has left so far, in plain values and arrays."""
        plain = {name: getattr(self, name) for name in PLAIN}
        return plain | {
            "steps": self.steps.get_state(),
            "looks": [tuple(one) for one in self.looks],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        for name in PLAIN:
            setattr(self, name, state[name])
        self.steps.set_state(state["steps"])
        self.looks = [Look(*one) for one in state["looks"]]

    def curve(self, name: str) -> np.ndarray:
        """Return what each epoch logged under a name; empty where one did not."""
        if not self.epochs or any(name not in logs for logs in self.epochs):
            return np.zeros(0)
        return np.array([logs[name] for logs in self.epochs], dtype="float64")

    @property
    def kernels(self) -> list[str]:
        """The paths of the matrices among the trainable variables that did not begin at 0."""
        paths = [path for path in self.start if path.split("/")[-1] in MATRICES]
        return [path for path in paths or self.start if self.start[path] > 1e-6]


def numbers_of(logs: dict[str, Any]) -> dict[str, float]:
    """Return the numbers among logs; a metric for each class is an array, and left out."""
    return {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}


def of_history(history: Any) -> Record:
    """Return a record with the curves of a `History`, or of its dict."""
    curves = getattr(history, "history", history)
    length = max((len(values) for values in curves.values()), default=0)
    epochs = [
        numbers_of({name: values[k] for name, values in curves.items() if k < len(values)})
        for k in range(length)
    ]
    return Record(epochs=epochs)
