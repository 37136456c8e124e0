"""What a model's outputs mean, read from the compiled loss, the targets and the last layer."""

from dataclasses import dataclass, field, replace

import numpy as np

from coursekit._checks import brief, one_of

TASKS = ("classification", "binary", "multilabel", "regression")
# Keras's losses by the task they are for; the others (Dice, Tversky, Circle, CTC, KLDivergence)
# serve several.
LOSSES = {
    "classification": (
        "SparseCategoricalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy "
        "CategoricalGeneralizedCrossEntropy CategoricalHinge"
    ),
    "binary": "BinaryCrossentropy BinaryFocalCrossentropy Hinge SquaredHinge",
    "regression": (
        "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError LogCosh Huber Poisson "
        "MeanSquaredLogarithmicError CosineSimilarity"
    ),
}
TASK_OF = {name.lower(): task for task, names in LOSSES.items() for name in names.split()}
WITHOUT_PROBABILITIES = {"hinge", "squaredhinge", "categoricalhinge"}
PROBABILISTIC = {"binarycrossentropy", "binaryfocalcrossentropy"}
ONE_HOT = {"categoricalcrossentropy", "categoricalfocalcrossentropy", "categoricalhinge"}


@dataclass(frozen=True)
class Task:
    """What the outputs mean.

    Attributes:
        kind: one of `TASKS`, or "other" where scikit-learn's scorers do not apply.
        outputs: "probabilities", "logits", "margins" (no probabilities), "values", or "unknown",
            which `with_outputs` resolves.
        loss: the loss's name in lower case, without underscores.
        targets: what scorers see as y_true: class numbers, 0/1 columns or values.
        classes: the class labels, for classification and binary.
    """

    kind: str
    outputs: str
    loss: str
    targets: np.ndarray = field(repr=False)
    classes: np.ndarray | None = None

    @property
    def binary_loss(self) -> bool:
        """Whether each output is judged on its own."""
        return TASK_OF.get(self.loss) == "binary"

    @property
    def labels(self) -> np.ndarray | None:
        """One class a row, to stratify by, or None."""
        return self.targets if self.kind in ("classification", "binary") else None


Tasks = dict[str | None, Task]  # by output; None where there is one output alone


def describe(model, y, task) -> Tasks:
    """Tell the task of each output from the compiled loss and the targets."""
    if not isinstance(y, dict):
        loss = losses_of(model, None)
        return {None: _describe(loss, y, None if task is None else one_of("task", task, TASKS))}
    if task is not None and not (isinstance(task, dict) and set(task) <= set(y)):
        raise ValueError(
            "`task` must be a dict by output for a model with several. "
            f"Received: task={task!r}, for the outputs {', '.join(y)}."
        )
    tasks = {name: one_of(f"task[{name!r}]", kind, TASKS) for name, kind in (task or {}).items()}
    losses = losses_of(model, list(y))
    return {name: _describe(losses[name], y[name], tasks.get(name)) for name in y}


def _describe(loss, y: np.ndarray, task: str | None) -> Task:
    loss, name = resolved(loss)
    kind = task or TASK_OF.get(name)
    if kind is None:
        raise ValueError(
            f"The loss must tell the task. Received: {_shown(loss)}, which serves several. "
            'Say it: task="classification" (one output a class), "binary" (one output), '
            '"multilabel" or "regression".'
        )
    outputs = "values"
    if name in WITHOUT_PROBABILITIES:
        outputs = "margins"
    elif kind != "regression":
        known = getattr(loss, "from_logits", False if name in TASK_OF else None)
        outputs = {None: "unknown", False: "probabilities", True: "logits"}[known]
    if y.ndim > 2:
        return Task("other", outputs, name, y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if kind == "regression":
        return Task(kind, outputs, name, y)
    if y.ndim == 2:
        if name.startswith("sparse"):  # labels of the steps of a sequence; or see `with_outputs`
            return Task("other", outputs, name, y)
        return _columns(kind, task, outputs, name, y)
    if kind == "multilabel" or name in ONE_HOT:
        raise ValueError(
            f"`y` must have one column a class for {_shown(loss)}. Received: shape {y.shape}. "
            "Take keras.utils.to_categorical(y), or the loss SparseCategoricalCrossentropy."
        )
    if not np.array_equal(y, np.round(y)):
        raise ValueError(
            f"`y` must hold class numbers for {_shown(loss)}. Received: values such as "
            f"{y[y != np.round(y)][0]}. Of values take a loss such as 'mse'; of class numbers "
            "np.round(y)."
        )
    labels = y.astype("int64")
    classes = np.unique(labels)
    signed = -1 in classes and outputs != "probabilities" and name not in PROBABILISTIC
    if kind == "binary" and not set(classes) <= ({-1, 1} if signed else {0, 1}):
        way_out = "For more classes use one output a class and SparseCategoricalCrossentropy."
        if len(classes) < 3:
            way_out = f"Of these make 0 and 1: (y == {classes[-1]}).astype(int)."
        raise ValueError(
            f"`y` must be 0 or 1 for a binary task. Received: {_some(classes)}. {way_out}"
        )
    if kind == "binary":
        classes = np.array([-1, 1] if -1 in classes else [0, 1])
    return Task(kind, outputs, name, labels, classes)


def _columns(kind, task, outputs, name, y) -> Task:
    """The task where y has several columns: one-hot classes, or several yes-or-no labels."""
    if kind == "binary":
        if np.array_equal(y, y.astype(bool)) and (y.sum(1) == 1).all():
            raise ValueError(
                "A binary loss on several columns of which exactly one is 1 may mean exclusive "
                f"classes or independent labels. Received: `y` of shape {y.shape}. Say it: "
                'task="classification" or task="multilabel".'
            )
        kind = "multilabel"
    if kind == "multilabel":
        if not np.array_equal(y, y.astype(bool)):
            raise ValueError(
                f"`y` must be 0 or 1 in each column for several labels. Received: {_some(y)}"
            )
        return Task(kind, outputs, name, y.astype("int64"))
    odd = np.flatnonzero((y < 0).any(1) | (np.abs(y.sum(1, dtype="float64") - 1) > 1e-3))
    if odd.size:
        raise ValueError(
            "Each row of `y` must hold the shares of its classes, from 0 to 1, with a sum of 1. "
            f"Received: {brief(y[odd[0]].tolist())} in row {odd[0]}. For labels that do not "
            "exclude each other take one sigmoid each, and BinaryCrossentropy."
        )
    return Task(kind, outputs, name, y.argmax(1), np.arange(y.shape[1]))


def losses_of(model, names: list[str] | None):
    """The loss as it was compiled; of several outputs, a dict by name."""
    loss = model.loss
    if loss is None:
        raise ValueError(
            "The model must be compiled with a loss. Received: a model without. In build_model, "
            "call model.compile(optimizer, loss)."
        )
    if names is None:
        if isinstance(loss, dict):
            known = getattr(model, "output_names", None) or []
            unknown = [name for name in loss if name not in known]
            if unknown:
                raise ValueError(
                    "The loss, a dict, must name the outputs of the model. Received: "
                    f"{unknown[0]!r}; the model gives {', '.join(map(repr, known)) or 'no names'}. "
                    "Of one output pass the loss itself."
                )
            loss = list(loss.values())
        if isinstance(loss, list | tuple):
            if len(loss) != 1:
                raise ValueError(
                    "`y` must be a dict by output, as the model's losses are: an array is the "
                    f"target of one output. Received: an array, and {len(loss)} losses. Pass "
                    'y={"first": ..., "second": ...}, with the names of the outputs.'
                )
            loss = loss[0]
        return loss
    if isinstance(loss, list | tuple):
        outputs = getattr(model, "output_names", None) or names
        loss = dict(zip(outputs, loss, strict=False))
    if not isinstance(loss, dict):
        loss = dict.fromkeys(names, loss)
    missing = [name for name in names if loss.get(name) is None]
    if missing:
        raise ValueError(
            "Each output in `y` must have a loss. Received: none for "
            f"{', '.join(map(repr, missing))}; there are losses for {', '.join(map(repr, loss))}."
        )
    return loss


def resolved(loss) -> tuple[object, str]:
    """The loss, and its name in lower case; of a subclass, Keras's own name."""
    import keras

    if isinstance(loss, str | type):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        names = [_key(cls.__name__) for cls in type(loss).__mro__]
    else:
        names = [_key(getattr(loss, "__name__", type(loss).__name__))]
    return loss, next((name for name in names if name in TASK_OF), names[0])


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _shown(loss) -> str:
    return getattr(loss, "__name__", type(loss).__name__)


def _some(values: np.ndarray) -> str:
    seen = np.unique(values)
    return ", ".join(map(str, seen[:6])) + (", ..." if len(seen) > 6 else "")


def with_outputs(tasks: Tasks, model, outputs, y) -> Tasks:
    """Check the outputs of an untrained model on some rows against the losses and the targets."""
    if None in tasks:
        if isinstance(outputs, dict):
            raise ValueError(
                "`y` must be a dict by output for a model with several. Received: an array, and "
                f"outputs {', '.join(map(repr, outputs))}."
            )
        last = model.layers[-1] if getattr(model, "layers", None) else None
        return {None: _with_output(tasks[None], last, outputs, y)}
    if not isinstance(outputs, dict) or set(outputs) != set(y):
        there = ", ".join(map(repr, outputs)) if isinstance(outputs, dict) else "one output"
        raise ValueError(
            "`y`, a dict, must name the outputs of the model. Received: "
            f"{', '.join(map(repr, y))}; the model gives {there}."
            + ("" if isinstance(outputs, dict) else f" Pass the array, y[{next(iter(y))!r}].")
        )
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    return {
        name: _with_output(task, layers.get(name), outputs[name], y[name])
        for name, task in tasks.items()
    }


def refuse_widths(targets: np.ndarray, outputs: np.ndarray) -> None:
    """Refuse values that a loss of values would broadcast."""
    width, columns = ((a.shape[1] if a.ndim == 2 else 1) for a in (outputs, targets))
    if width != columns:
        raise ValueError(
            "The model must give as many values a row as `y` has; Keras would broadcast them "
            f"without a word. Received: {width} outputs, {columns} in `y`. Give the last layer "
            f"{columns} units."
        )


def _with_output(task: Task, last, outputs: np.ndarray, y: np.ndarray) -> Task:
    width = outputs.shape[1] if outputs.ndim == 2 else 1
    if task.kind == "other" or outputs.ndim > 2:
        if outputs.ndim <= 2 and task.loss.startswith("sparse"):
            raise ValueError(
                f"`y` must be one class number a row for this loss. Received: shape {y.shape}. "
                "Of one-hot rows take y.argmax(1), or use CategoricalCrossentropy."
            )
        return replace(task, kind="other", classes=None)
    if task.kind == "regression":
        refuse_widths(task.targets, outputs)
        return task
    task = _probabilities_or_logits(task, last, outputs)
    if task.kind == "multilabel":
        if width != task.targets.shape[1]:
            raise ValueError(
                f"The model must give one output a label. Received: {width} outputs, `y` of shape "
                f"{y.shape}. Give the last layer {y.shape[1]} units."
            )
        return task
    if width == 1:
        if task.kind == "classification" and task.loss in TASK_OF and "categorical" in task.loss:
            raise ValueError(
                "A categorical loss needs one output a class; with one unit the softmax is always "
                "1. Received: 1 output. Use two units, or one with BinaryCrossentropy."
            )
        classes = task.classes
        if not set(classes) <= {0, 1} and not set(classes) <= {-1, 1}:
            raise ValueError(
                f"A model with one output tells two classes, 0 and 1. Received: {_some(classes)}"
            )
        classes = np.array([-1, 1] if -1 in classes else [0, 1])
        return replace(task, kind="binary", classes=classes)
    if task.kind == "binary" and width != 2:
        raise ValueError(f"A binary task has one output or two. Received: {width} outputs.")
    if task.targets.min() < 0 or task.targets.max() >= width:
        lowest, highest = task.targets.min(), task.targets.max()
        way_out = f"Give the last layer {highest + 1} units."
        if len(np.unique(task.targets)) <= width:
            way_out = "Number the classes from 0: np.unique(y, return_inverse=True)[1]."
        raise ValueError(
            f"`y` must hold class numbers from 0 to {width - 1} for a model with {width} outputs. "
            f"Received: {lowest} to {highest}. {way_out}"
        )
    if y.ndim == 2 and y.shape[1] not in (1, width):
        raise ValueError(
            f"The model must give one output a class. Received: {width} outputs, `y` of shape "
            f"{y.shape}."
        )
    if y.ndim == 1 and task.binary_loss:
        raise ValueError(
            f"A binary loss on class numbers needs one output. Received: {width} outputs; Keras "
            "would compare each with the same number. Use one unit, or "
            "SparseCategoricalCrossentropy."
        )
    return replace(task, kind="classification", classes=np.arange(width))


def _probabilities_or_logits(task: Task, last, outputs: np.ndarray) -> Task:
    """Settle whether the outputs are logits, and refuse a loss and a last layer that disagree."""
    activation = getattr(last, "activation", None)
    ending = getattr(activation, "__name__", type(last).__name__ if last else "another").lower()
    if task.outputs == "unknown":
        if ending not in ("softmax", "sigmoid", "linear"):
            raise ValueError(
                f"Nothing tells whether the outputs are logits. Received: the loss {task.loss!r} "
                f"without `from_logits`, and a last layer ending in {ending!r}. Give the loss an "
                "attribute `from_logits`."
            )
        known = "logits" if ending == "linear" else "probabilities"
        task = replace(task, outputs=known)
    if task.outputs == "logits" and ending in ("softmax", "sigmoid"):
        raise ValueError(
            "A loss with from_logits=True must get logits. Received: a last layer with "
            f"{ending}. Take the activation away, or from_logits=False."
        )
    low, high = float(np.min(outputs)), float(np.max(outputs))
    if task.outputs == "probabilities" and not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(
            "A loss with from_logits=False must get probabilities. Received: outputs from "
            f"{low:.3g} to {high:.3g}. Add a softmax or sigmoid, or give the loss from_logits=True."
        )
    return task
