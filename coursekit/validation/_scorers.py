"""Scorers by name: found, guessed where a name is misspelt, and tried before any training."""

import difflib
import inspect
import re
import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import check_scoring, get_scorer_names

from coursekit._checks import brief
from coursekit.validation._scoring import Scorer, adapter
from coursekit.validation._task import Task, Tasks

# What people write, and what scikit-learn calls it.
GUESSES = {
    "mse": "neg_mean_squared_error", "rmse": "neg_root_mean_squared_error",
    "mae": "neg_mean_absolute_error", "mape": "neg_mean_absolute_percentage_error",
    "msle": "neg_mean_squared_log_error", "medae": "neg_median_absolute_error",
    "mean_squared_logarithmic_error": "neg_mean_squared_log_error",
    "r2_score": "r2", "rsquared": "r2", "r_squared": "r2", "r^2": "r2",
    "auc": "roc_auc", "roc": "roc_auc", "auroc": "roc_auc", "roc_auc_score": "roc_auc",
    "pr_auc": "average_precision", "auprc": "average_precision", "ap": "average_precision",
    "acc": "accuracy", "accuracy_score": "accuracy", "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy", "sparse_categorical_accuracy": "accuracy",
    "logloss": "neg_log_loss", "crossentropy": "neg_log_loss", "cross_entropy": "neg_log_loss",
    "binary_crossentropy": "neg_log_loss", "categorical_crossentropy": "neg_log_loss",
    "sparse_categorical_crossentropy": "neg_log_loss", "nll": "neg_log_loss",
    "brier": "neg_brier_score", "brier_score": "neg_brier_score", "f1_score": "f1",
    "precision_score": "precision", "recall_score": "recall", "mcc": "matthews_corrcoef",
    "balanced_acc": "balanced_accuracy", "bacc": "balanced_accuracy",
}  # fmt: skip
OF_VALUES = re.compile(
    "r2|explained_variance|neg_.*_(error|deviance)(_score)?|neg_max_error|max_error|"
    "d2_(absolute_error|pinball|tweedie).*"
)
AVERAGED = ("f1", "precision", "recall", "jaccard")


def make_scorers(scoring, tasks: Tasks) -> dict[str, Scorer]:
    """Return scorers by name, tried on made-up predictions so that none fails after training."""
    if None in tasks:
        found = _of_output(scoring, tasks[None], "scoring")
        return {name: Scorer(None, function) for name, function in found.items()}
    if scoring is None:
        scoring = {}
    if not isinstance(scoring, dict) or not set(scoring) <= set(tasks):
        names = ", ".join(map(repr, tasks))
        raise ValueError(
            f"`scoring` must be a dict by output ({names}) for a model with several outputs. "
            f"Received: scoring={brief(scoring)}. For example "
            f"scoring={{{next(iter(tasks))!r}: ['r2', ...]}}."
        )
    return {
        f"{output}_{name}": Scorer(output, function)
        for output, task in tasks.items()
        for name, function in _of_output(
            scoring.get(output), task, f"scoring[{output!r}]"
        ).items()
    }  # fmt: skip


def _of_output(scoring, task: Task, where: str) -> dict[str, Callable]:
    if scoring is None:
        if task.kind == "other":
            raise ValueError(
                f"`{where}` must be given where a row has more than one target. Received: None, "
                f"for `y` of shape {task.targets.shape}. Pass a function f(estimator, x, y); "
                "estimator.model is the trained model."
            )
        scoring = "r2" if task.kind == "regression" else "accuracy"
    given = scoring
    _refuse_keras(scoring)
    if isinstance(scoring, str) or callable(scoring):
        scoring = [scoring]
    if isinstance(scoring, list | tuple | set):
        for one in scoring:
            _refuse_keras(one)
        scoring = {s if isinstance(s, str) else getattr(s, "__name__", str(s)): s for s in scoring}
    if not isinstance(scoring, dict) or not scoring or len(scoring) < _count(given):
        raise ValueError(
            f"`{where}` must be a scorer's name, a function f(estimator, x, y), or a list or dict "
            f"of these, each named once. Received: {where}={given!r}"
        )
    return {name: _scorer(name, one, task) for name, one in scoring.items()}


def _count(given) -> int:
    return len(given) if isinstance(given, list | tuple) else 1


def _scorer(name, scorer, task: Task) -> Callable:
    """Return one scorer, found and tried."""
    _refuse_keras(scorer)
    if not isinstance(name, str) or not (isinstance(scorer, str) or callable(scorer)):
        raise ValueError(
            "`scoring` must map names to scorers' names or functions. "
            f"Received: {name!r}: {scorer!r}"
        )
    if isinstance(scorer, str) and scorer not in get_scorer_names():
        meant = _meant(scorer, task)
        hint = f"Did you mean {meant!r}?" if meant else "See sklearn.metrics.get_scorer_names()."
        raise ValueError(
            "`scoring` must name scorers of scikit-learn, or be functions f(estimator, x, y). "
            f"Received: scoring={scorer!r}. {hint}"
        )
    if isinstance(scorer, str):
        _refuse_of_values(scorer, task)
        scorer = check_scoring(adapter(None, task), scorer)
    elif not hasattr(scorer, "_score_func"):
        _refuse_metric_function(scorer)
    if hasattr(scorer, "_score_func"):
        _try(name, scorer, task)
    return scorer


def _refuse_of_values(name: str, task: Task) -> None:
    """Refuse a scorer of values for class numbers, which are names."""
    if task.kind in ("classification", "binary", "multilabel") and OF_VALUES.fullmatch(name):
        raise ValueError(
            f"The scorer must fit the task. Received: scoring={name!r} for {task.kind}: it takes "
            "the numbers of classes for values. Take 'accuracy' or 'neg_log_loss'; where the "
            "distance between class numbers counts, sklearn.metrics.make_scorer."
        )


def _refuse_keras(scorer) -> None:
    """Refuse metrics and losses of Keras: they remember, and know nothing of folds."""
    import keras

    kinds = keras.Metric, keras.losses.Loss
    is_class = isinstance(scorer, type) and issubclass(scorer, kinds)
    module = str(getattr(scorer, "__module__", ""))
    if is_class or isinstance(scorer, kinds) or (callable(scorer) and module.startswith("keras.")):
        name = getattr(scorer, "__name__", None) or type(scorer).__name__
        key = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        there = (key, f"neg_{key}")
        guess = GUESSES.get(key) or next((n for n in there if n in get_scorer_names()), "r2")
        raise TypeError(
            "`scoring` must be scikit-learn's: a scorer's name, or a function f(estimator, x, y). "
            f"Received: {name} of Keras. Take a scorer, such as {guess!r}; or put it into "
            "model.compile(metrics=[...]): `result.histories` has it by epoch, on the validation "
            'rows as "val_...".'
        )


def _refuse_metric_function(scorer: Callable) -> None:
    """Refuse a function of (y_true, y_pred), which does not say whether more of it is better."""
    name = getattr(scorer, "__name__", type(scorer).__name__)
    module = str(getattr(scorer, "__module__", ""))
    metric = module.startswith("sklearn.metrics") and not module.startswith("sklearn.metrics.tests")
    try:
        signature = inspect.signature(scorer)
    except (TypeError, ValueError):  # some built-in callables do not tell
        signature = None
    if signature is not None and not metric:
        first = next(iter(signature.parameters), "")
        metric = first.startswith(("y_true", "y_pred", "y_score", "y_test"))
        try:
            signature.bind(None, None, None)
        except TypeError:
            metric = True
    if metric:
        raise ValueError(
            "`scoring` must be a function f(estimator, x, y), of which more is better. Received: "
            f"{name}{signature or ''}, which takes other arguments. Of a metric f(y_true, y_pred) "
            "make a scorer: sklearn.metrics.make_scorer"
            f"({'metric' if '<' in name else name}, greater_is_better=...)."
        )


def _meant(name: str, task: Task) -> str | None:
    """The scorer that a misspelt or foreign name means, if one is near."""
    names = get_scorer_names()
    key = name.strip().lower().replace(" ", "_").replace("-", "_").removeprefix("val_")
    for guess in (GUESSES.get(key), key, f"neg_{key}"):
        if guess in names:
            return _for_task(guess, task)
    near = difflib.get_close_matches(key, [*names, *GUESSES], n=1, cutoff=0.7)
    near = GUESSES.get(near[0], near[0]) if near else None
    return _for_task(near, task) if near else None


def _for_task(name: str, task: Task) -> str:
    """The form of a scorer that takes as many classes as there are."""
    several = task.kind == "multilabel" or (task.kind == "classification" and len(task.classes) > 2)
    if several and name in AVERAGED:
        return f"{name}_macro"
    return "roc_auc_ovr" if several and task.kind != "multilabel" and name == "roc_auc" else name


def _try(name: str, scorer: Callable, task: Task) -> None:
    if task.kind == "other":
        raise ValueError(
            "scikit-learn's scorers take one target a row. "
            f"Received: scoring={name!r} for `y` of shape {task.targets.shape}. "
            "Pass a function f(estimator, x, y); estimator.model is the trained model."
        )
    y = task.targets
    if task.kind == "regression":
        outputs = y[::-1].astype("float32") + 0.25  # values, not class numbers
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
        way_out = _for_task(name, task)
        hint = f" Take {way_out!r}." if way_out != name else ""
        if task.kind == "regression":
            hint = (
                " Take 'r2' or 'neg_mean_squared_error'; where `y` holds class numbers, a loss of "
                'classes, or task="binary".'
            )
        raise ValueError(
            f"The scorer must fit the task. Received: scoring={name!r} for {what}: "
            f"{str(error).splitlines()[0].rstrip('.')}.{hint}"
        ) from None
