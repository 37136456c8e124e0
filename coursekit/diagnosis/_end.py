"""What a trained model does on rows it was trained on, and on others: the numbers of an end."""

from typing import Any

import keras
import numpy as np

from coursekit.diagnosis import _look
from coursekit.diagnosis._doctor import taken
from coursekit.diagnosis._probe import Probe, batch_norms
from coursekit.diagnosis._record import End, Score
from coursekit.diagnosis._statistics import dependence, explained, features, flat

ROWS, BLOCKS, LOOK = 2000, 20, 256


def measure(
    model: keras.Model, data: tuple, validation_data: tuple | None, rng, words: bool
) -> End:
    """Return what the model does now. `words`: the inputs are numbers of words."""
    with np.errstate(all="ignore"):  # weights may be NaN
        return _measure(model, data, validation_data, rng, words)


def _measure(model, data, validation_data, rng, words) -> End:
    probe, task = Probe(model), _look.task_of(model)
    pick, held = _picked(data, rng), None
    size = max(1, min(len(pick) // BLOCKS, ROWS // BLOCKS))
    if validation_data is not None:
        held = _picked(validation_data, rng)
        size = max(1, min(size, len(held) // 8))
    train = Part(probe, task, data, pick, size)
    end = End(train=train.score, row_scatter=float(np.std(train.losses) * np.sqrt(size)))
    some = train.first(LOOK)
    end.layers = probe.layers(some[0])
    if batch_norms(model):
        end.inference, end.own = probe.rows(*some)[0], probe.own_statistics(*some)
    constant = train.constant()
    if constant is not None:
        end.constant, end.gain = _score(constant), _score(constant - train.losses)
    valid = None
    if held is not None:
        valid = Part(probe, task, validation_data, held, size)
        end.valid = valid.score
    _compare(end, task, train, valid, rng, words)
    return end


class Part:
    """Losses and answers for blocks of rows, in inference mode."""

    def __init__(self, probe, task, data, pick, size):
        self.probe, self.task, self.data = probe, task, data
        self.pick = pick[: len(pick) // size * size]
        self.blocks = self.pick.reshape(-1, size)
        seen = [probe.rows(*taken(data, rows)) for rows in self.blocks]
        self.losses = np.array([loss for loss, *_ in seen])
        self.score = _score(self.losses)
        whole = [np.concatenate([one[k] for one in seen]) if seen[0][k] is not None else None
                 for k in (1, 2)]  # fmt: skip
        self.outputs, self.mask = whole

    def first(self, rows):
        """Return so many rows of the data."""
        return taken(self.data, self.pick[:rows])

    @property
    def inputs(self):
        """The inputs of these rows, as a list of arrays."""
        return keras.tree.flatten(taken(self.data[0], self.pick))

    @property
    def y(self):
        """The targets of these rows, if there is one array of them."""
        leaves = keras.tree.flatten(taken(self.data[1], self.pick))
        return leaves[0] if len(leaves) == 1 else None

    def constant(self) -> np.ndarray | None:
        """The loss of each block for the best answer that does not look at the inputs."""
        if self.outputs is None or self.y is None or self.task.loss is None:
            return None
        answers = constants(self.task, self.y, self.outputs.shape, self.mask)
        found = []
        for answer in answers:
            losses = [self._of_answer(answer, k) for k in range(len(self.blocks))]
            if None in losses:
                return None
            found.append(np.array(losses))
        return min(found, key=np.mean) if found else None

    def _of_answer(self, answer, k) -> float | None:
        size = self.blocks.shape[1]
        rows = slice(k * size, (k + 1) * size)
        predicted = keras.ops.convert_to_tensor(np.broadcast_to(answer, self.outputs[rows].shape))
        if self.mask is not None:
            predicted._keras_mask = keras.ops.convert_to_tensor(self.mask[rows])
        y = keras.ops.convert_to_tensor(self.y[rows])
        model = self.probe.model
        try:
            value = model._compile_loss(y, predicted)
        except Exception:  # a loss of one's own that takes more than targets and answers
            return None
        return float(keras.ops.convert_to_numpy(value))


def constants(task: Any, y: np.ndarray, shape: tuple, mask: np.ndarray | None) -> list[np.ndarray]:
    """Return answers that do not depend on the inputs, the best of which is the reference."""
    width = shape[-1]
    floor = 0.5 / max(len(y), 1)
    if task.kind == "sparse":
        labels = y.reshape(y.shape[: len(shape) - 1])
        keep = np.ones(labels.shape, bool) if mask is None else np.asarray(mask, bool)
        keep = keep & (labels >= 0) & (labels < width)
        share = np.bincount(labels[keep].astype(int), minlength=width) / max(keep.sum(), 1)
        share = np.maximum(share, floor)
        return [np.log(share) if task.logits else share / share.sum()]
    if tuple(y.shape) != tuple(shape) and y.size != int(np.prod(shape)):
        return []
    targets = y.reshape(shape).astype("float64")
    mean = targets.mean(0)
    if task.kind == "onehot":
        mean = np.maximum(targets.reshape(-1, width).mean(0), floor)
        return [np.log(mean) if task.logits else mean / mean.sum()]
    if task.kind == "binary":
        mean = np.clip(mean, floor, 1 - floor)
        return [np.log(mean / (1 - mean)) if task.logits else mean]
    return [mean, np.median(targets, axis=0)]


def _picked(data, rng) -> np.ndarray:
    rows = len(keras.tree.flatten(data[0])[0])
    return rng.permutation(rows)[:ROWS]


def _score(losses: np.ndarray) -> Score:
    error = np.std(losses, ddof=1) / np.sqrt(len(losses)) if len(losses) > 1 else np.inf
    return Score(float(np.mean(losses)), float(error))


def _compare(end: End, task, train: Part, valid: Part | None, rng, words: bool) -> None:
    """Fill in how good the answers are, and those of two simple probes."""
    judged = train if valid is None else valid
    if judged.outputs is None or train.y is None or judged.y is None:
        return
    labels, own = task.labels(train.y), task.labels(judged.y)
    if labels is not None and own is not None:
        _classes(end, task, train, judged, labels, own, rng, words)
    elif task.kind == "number" and train.y.size == len(train.y) and not words:
        end.kind = "numbers"
        targets = judged.y.reshape(-1).astype("float64")
        answers = judged.outputs.reshape(len(targets), -1)
        if answers.shape[1] == 1:
            share, end.error = _explained_by(answers[:, 0], targets)
            end.accuracy, end.z = share, share / end.error
        if len(train.pick) >= 40:
            end.simple = explained(flat(train.inputs), train.y.reshape(-1).astype("float64"), rng)


def _explained_by(answers, targets) -> tuple[float, float]:
    """The share of the variance that answers explain, and its standard error."""
    variance = np.var(targets) + 1e-12
    gains = 1 - (answers - targets) ** 2 / variance
    return float(np.mean(gains)), float(np.std(gains) / np.sqrt(len(gains)) + 1e-9)


def answers_of(task: Any, outputs: np.ndarray) -> np.ndarray:
    """Return the class that each row's outputs name."""
    if outputs.shape[-1] > 1:
        return outputs.argmax(-1).reshape(-1)
    return (outputs.reshape(-1) > (0.0 if task.logits else 0.5)).astype(int)


def _classes(end, task, train, judged, labels, own, rng, words) -> None:
    end.kind = "classes"
    end.right["accuracy"] = float(np.mean(answers_of(task, train.outputs) == labels))
    if judged is not train:
        end.right["val_accuracy"] = float(np.mean(answers_of(task, judged.outputs) == own))
    answers = answers_of(task, train.outputs)
    values, counts = np.unique(answers, return_counts=True)
    end.common, end.said = int(values[counts.argmax()]), float(counts.max() / len(answers))
    end.share = float(np.mean(labels == end.common))
    there, sizes = np.unique(labels, return_counts=True)
    for label, size in zip(there, sizes, strict=True):
        large = size >= 20 and size > 0.5 * len(labels) / len(there)
        if large and len(there) > 2 and label not in values and len(values) > 1:
            end.never = int(label), float(size / len(labels))
    classes = np.unique(own)
    if len(classes) < 2:
        return
    said = answers_of(task, judged.outputs)
    each = np.array([np.mean(said[own == k] == k) for k in classes])
    sizes = np.array([np.sum(own == k) for k in classes])
    end.accuracy, end.chance = float(each.mean()), 1 / len(classes)
    end.error = float(np.sqrt(np.sum((each * (1 - each) + 1e-3) / sizes)) / len(classes))
    guess = np.sqrt(np.sum(end.chance * (1 - end.chance) / sizes)) / len(classes)
    end.z = float((end.accuracy - end.chance) / guess)
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 20:
        return
    table = features(train.inputs, words)
    if table is not None:
        end.simple, end.simple_chance, end.simple_spread = dependence(table, labels, rng, draws=10)
        looked = min(600, len(labels))
        end.error = float(np.hypot(end.error, np.sqrt(end.simple * (1 - end.simple) / looked)))
