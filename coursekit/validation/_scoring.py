"""A Keras model as scikit-learn's scorers want it, and the scores of one fold."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from coursekit._checks import brief
from coursekit.validation._outputs import broken_rows, outputs_of, predictions_of
from coursekit.validation._task import Task, Tasks


class _Adapter(BaseEstimator):
    """The outputs of `model`, remembered for the rows asked for last."""

    def __init__(self, model, task, batch_size=32, known=None, output=None):
        self.model, self.task, self.batch_size = model, task, batch_size
        self.known, self.output = known, output

    def fit(self, x, y):
        """Only there because scikit-learn takes nothing for an estimator without it."""
        raise NotImplementedError("cross_validate trains the model.")

    def outputs(self, x) -> np.ndarray:
        if self.known is None or self.known[0] is not x:
            outputs = outputs_of(self.model, x, self.batch_size)
            self.known = x, outputs if self.output is None else outputs[self.output]
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


def adapter(model, task: Task, batch_size: int = 32, known=None, output: str | None = None):
    """Present a model, or known outputs (rows, outputs), to scikit-learn's scorers."""
    cls = _Regressor if task.kind in ("regression", "other") else _Classifier
    return cls(model, task, batch_size, known, output)


class Scorer(NamedTuple):
    """A function f(estimator, x, y), and the output that it scores; None where there is one."""

    output: str | None
    function: Callable


class Side(NamedTuple):
    """What a model says for the rows of one side of a fold.

    Attributes:
        scores: by name; NaN where predictions are not finite, or a scorer fails.
        predictions: an array, or a dict by output.
        broken: whether the predictions for each row are NaN or infinite.
        problems: why a scorer failed, by name.
    """

    scores: dict[str, float]
    predictions: Any
    broken: np.ndarray
    problems: dict[str, str]


def score(
    scorers: dict[str, Scorer],
    model,
    tasks: Tasks,
    x,
    found,
    rows: np.ndarray,
    batch_size: int,
    sound: bool,
) -> Side:
    """Score a model on some rows.

    Args:
        scorers: by name.
        model: the trained model.
        tasks: what its outputs mean.
        x: the inputs of these rows.
        found: the model's outputs for them.
        rows: their numbers among the targets.
        batch_size: of the forward pass, at least, where a scorer asks for other rows.
        sound: whether the weights of the model are numbers; if not, nothing it says is a score.
    """
    by_output: dict[str | None, np.ndarray] = found if isinstance(found, dict) else {None: found}
    broken = {name: broken_rows(task, by_output[name]) for name, task in tasks.items()}
    scores, problems = {}, {}
    for name, (output, function) in scorers.items():
        scores[name] = float("nan")
        if broken[output].any() or not sound:
            continue
        task = tasks[output]
        estimator = adapter(model, task, batch_size, (x, by_output[output]), output)
        scores[name], problem = _called(function, estimator, x, task.targets[rows])
        if problem:
            problems[name] = problem
    predictions: Any = {n: predictions_of(task, by_output[n]) for n, task in tasks.items()}
    if None in predictions:
        predictions = np.asarray(predictions[None])
    return Side(scores, predictions, np.any(list(broken.values()), axis=0), problems)


def _called(function: Callable, estimator, x, y) -> tuple[float, str]:
    """The score, or NaN and why; scikit-learn's warning of an undefined score is the reason."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = function(estimator, x, y)
            if found is None or np.ndim(found) or np.asarray(found).dtype.kind not in "biuf":
                ends = " Does it end in `return`?" if found is None else ""
                return float(
                    "nan"
                ), f"a scorer must return a number, and gave {brief(found)}.{ends}"
            value = float(found)
            problem = "" if np.isfinite(value) else f"the scorer returned {value}."
        except Exception as error:  # the training is done: a fold without a score is not lost
            value, problem = float("nan"), f"{type(error).__name__}: {error}".splitlines()[0]
    for warning in told:
        if problem and type(warning.message).__name__ == "UndefinedMetricWarning":
            problem = str(warning.message).splitlines()[0]
        elif not problem or not np.isnan(value):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return (value if np.isfinite(value) else float("nan")), problem
