"""A Keras model as scikit-learn's scorers want it."""

import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring
from sklearn.utils.metaestimators import available_if

from coursekit.validation._task import Task


def outputs_of(model, x, batch_size: int = 32) -> np.ndarray:
    """Return the outputs of a model for all rows, as an array."""
    import keras

    # Tracing `predict` costs more than the whole forward pass of a small model, once for each
    # fold; a recurrent layer called eagerly loops over its steps in Python.
    recurrent = keras.layers.RNN, keras.layers.Bidirectional
    traced = any(isinstance(layer, recurrent) for layer in getattr(model, "layers", ()))
    call = model.predict_on_batch if traced else lambda batch: model(batch, training=False)
    arrays = keras.tree.flatten(x)
    rows = len(arrays[0])
    a_row = max(1, sum(a.nbytes for a in arrays) // rows)
    size = max(batch_size, min(4096, 2**22 // a_row))
    found = []
    for start in range(0, rows, size):
        part = keras.tree.map_structure(lambda a, s=start: a[s : s + size], x)
        outputs = call(part)
        if isinstance(outputs, list | tuple | dict):
            return outputs  # type: ignore[return-value]  # refused by `with_outputs`
        found.append(np.asarray(keras.ops.convert_to_numpy(outputs)).astype("float32"))
    return np.concatenate(found)


def predictions_of(task: Task, outputs: np.ndarray) -> np.ndarray:
    """Return probabilities where there are any, else the outputs; one column becomes flat."""
    if task.kind in ("binary", "regression") and outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if task.kind in ("regression", "other") or task.outputs == "margins":
        return outputs
    outputs = outputs.astype("float64")
    if task.kind != "classification":
        return expit(outputs) if task.outputs == "logits" else outputs
    if task.outputs != "logits":
        return outputs / np.maximum(outputs.sum(1, keepdims=True), 1e-12)
    # Of a binary loss on several classes, each output is a probability of its own.
    if task.binary_loss:
        outputs = np.log(np.maximum(expit(outputs), 1e-300))
    return softmax(outputs, axis=1)


class _Adapter(BaseEstimator):
    """The outputs of `model`, remembered for the rows asked for last."""

    def __init__(self, model, task, batch_size=32, known=None):
        self.model, self.task, self.batch_size = model, task, batch_size
        self.known = known

    def fit(self, x, y):
        """Only there because scikit-learn takes nothing for an estimator without it."""
        raise NotImplementedError("cross_validate trains the model.")

    def outputs(self, x) -> np.ndarray:
        if self.known is None or self.known[0] is not x:
            self.known = x, outputs_of(self.model, x, self.batch_size)
        return self.known[1]

    def predictions(self, x) -> np.ndarray:
        return predictions_of(self.task, self.outputs(x))


class _Regressor(RegressorMixin, _Adapter):
    def predict(self, x):
        return self.predictions(x)


class _Classifier(ClassifierMixin, _Adapter):
    @property
    def classes_(self):
        if self.task.kind == "multilabel":
            return [np.array([0, 1])] * self.task.targets.shape[1]
        return self.task.classes

    def predict(self, x):
        values = self.predictions(x)
        if self.task.kind == "classification":
            return self.task.classes[values.argmax(1)]
        positive = values > (0.0 if self.task.outputs == "margins" else 0.5)
        return positive.astype("int64") if values.ndim == 2 else self.task.classes[positive * 1]

    @available_if(lambda self: self.task.outputs != "margins")
    def predict_proba(self, x):
        values = self.predictions(x)
        return np.stack([1 - values, values], 1) if self.task.kind == "binary" else values

    @available_if(lambda self: self.task.outputs != "probabilities")
    def decision_function(self, x):
        values = self.outputs(x).astype("float64")
        if self.task.kind == "binary":
            return values.reshape(len(values))
        return values[:, 1] - values[:, 0] if len(self.classes_) == 2 == values.ndim else values


def adapter(model, task: Task, batch_size: int = 32, known=None):
    """Present a model, or known outputs (rows, outputs), to scikit-learn's scorers."""
    cls = _Regressor if task.kind in ("regression", "other") else _Classifier
    return cls(model, task, batch_size, known)


def make_scorers(scoring, task: Task) -> dict[str, Callable]:
    """Return scorers by name, tried on made-up predictions so that none fails after training."""
    if scoring is None:
        if task.kind == "other":
            raise ValueError(
                "`scoring` must be given where a row has more than one target. Received: None, "
                f"for `y` of shape {task.targets.shape}. Pass a function f(estimator, x, y); "
                "estimator.model is the trained model."
            )
        scoring = "r2" if task.kind == "regression" else "accuracy"
    given = scoring
    if isinstance(scoring, str) or callable(scoring):
        scoring = [scoring]
    if isinstance(scoring, list | tuple | set):
        scoring = {s if isinstance(s, str) else getattr(s, "__name__", str(s)): s for s in scoring}
    if not isinstance(scoring, dict) or not scoring or len(scoring) < _count(given):
        raise ValueError(
            "`scoring` must be a scorer's name, a function f(estimator, x, y), or a list or dict "
            f"of these, each named once. Received: scoring={given!r}"
        )
    dummy = adapter(None, task)
    scorers = {}
    for name, scorer in scoring.items():
        if not isinstance(name, str) or not (isinstance(scorer, str) or callable(scorer)):
            raise ValueError(
                "`scoring` must map names to scorers' names or functions. "
                f"Received: {name!r}: {scorer!r}"
            )
        try:
            scorers[name] = check_scoring(dummy, scorer)
        except ValueError as error:
            raise ValueError(
                f"`scoring` must name scorers of scikit-learn "
                f"(sklearn.metrics.get_scorer_names()) or be functions f(estimator, x, y). "
                f"Received: {scorer!r}. {error}"
            ) from None
        if hasattr(scorers[name], "_score_func"):
            _try(name, scorers[name], task)
    return scorers


def _count(given) -> int:
    return len(given) if isinstance(given, list | tuple) else 1


def _try(name: str, scorer: Callable, task: Task) -> None:
    if task.kind == "other":
        raise ValueError(
            "scikit-learn's scorers take one target a row. "
            f"Received: scoring={name!r} for `y` of shape {task.targets.shape}. "
            "Pass a function f(estimator, x, y); estimator.model is the trained model."
        )
    y = task.targets
    if task.kind == "regression":
        outputs = y[::-1].astype("float32")
    elif task.kind == "classification":
        p = 0.5 * (y[:, None] == task.classes) + 0.5 / len(task.classes)
        outputs = p if task.outputs == "probabilities" else log_softmax(np.log(p), axis=1)
    else:
        positive = y == (1 if task.kind == "multilabel" else task.classes[1])
        outputs = np.where(positive, 0.75, 0.25)
        outputs = outputs if task.outputs == "probabilities" else 4 * outputs - 2
    rows = np.arange(len(y))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            float(scorer(adapter(None, task, known=(rows, outputs)), rows, y))
    except Exception as error:
        what = f"{task.kind} with {task.outputs}" if task.outputs == "margins" else task.kind
        raise ValueError(
            f"The scorer must fit the task. Received: scoring={name!r} for {what}: {error}"
        ) from None


def score(scorers: dict, estimator, x, y, problems: dict) -> dict[str, float]:
    """Return the scores of one fold; NaN where a scorer fails, and why in `problems`."""
    found = {}
    for name, scorer in scorers.items():
        try:
            found[name] = float(scorer(estimator, x, y))
        except Exception as error:  # the training is done: a fold without a score is not lost
            found[name] = float("nan")
            problems.setdefault(name, f"{type(error).__name__}: {error}".splitlines()[0])
    return found
