"""What `cross_validate` takes, checked before anything is trained."""

import difflib
import functools
import inspect
import warnings
from collections.abc import Callable

import numpy as np

from coursekit._checks import brief, count, number, switch, takes
from coursekit.validation._inputs import not_finite, numeric
from coursekit.validation._task import Tasks

FIT_KWARGS = {"epochs": 1, "batch_size": 32, "shuffle": True, "class_weight": None,
              "sample_weight": None, "callbacks": None, "validation_split": 0.0}  # fmt: skip


def call_with_fold(function: Callable, fold: int):
    """Call a function of the fold, or of nothing."""
    return function(fold) if _wants_fold(function) else function()


def _wants_fold(function: Callable, name: str = "build_model") -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in callables do not tell
        return False
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    # A parameter with a default, such as units=16, is the builder's own: not ours to fill.
    wanted = [p for p in named if p.default is p.empty]
    if len(wanted) > 1 or any(
        p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters
    ):
        names = ", ".join(p.name for p in parameters)
        raise TypeError(
            f"`{name}` must be a function of the fold, or of nothing. Received: one of "
            f"({names}). Fill the others with functools.partial or a lambda."
        )
    return bool(wanted) or any(p.name == "fold" for p in named[:1])


def check_builder(build_model) -> None:
    """Refuse a model in the place of the function that builds it."""
    import keras

    if isinstance(build_model, keras.Model):
        raise TypeError(
            "`build_model` must be a function that returns a new compiled model. Received: a "
            f"model, {build_model.name!r}: each fold would go on with weights that have seen its "
            "validation rows. Put the lines that build and compile it into a function."
        )
    if not callable(build_model):
        raise TypeError(
            "`build_model` must be a function that returns a new compiled model. "
            f"Received: {brief(build_model, 80)}"
            + (". The order is build_model, x, y." if hasattr(build_model, "shape") else "")
        )
    _wants_fold(build_model)


def check_preprocess(preprocess):
    """Refuse what cannot be fitted in each fold; warn of what is fitted already."""
    import keras

    if preprocess is None:
        return None
    if isinstance(preprocess, type):
        raise TypeError(
            "`preprocess` must be a transformer, not its class. Received: "
            f"{preprocess.__name__}. Write {preprocess.__name__}(), with brackets."
        )
    if isinstance(preprocess, keras.Layer):
        raise TypeError(
            "`preprocess` must be a scikit-learn transformer or a function. Received: the Keras "
            f"layer {preprocess.name!r}. Write a function of (x_train, y_train) that makes a "
            "layer, calls layer.adapt(x_train) and returns lambda x: layer(x)."
        )
    if hasattr(preprocess, "transform") and hasattr(preprocess, "get_params"):
        if _fitted(preprocess):
            warnings.warn(
                f"`preprocess` is fitted already: {type(preprocess).__name__} has seen validation "
                "rows. Each fold fits a copy of its own; what was fitted before is not used. If "
                "`x` has been transformed with it, the scores leak: pass the raw rows.",
                stacklevel=4,
            )
        return preprocess
    if hasattr(preprocess, "transform") or not callable(preprocess):
        raise TypeError(
            "`preprocess` must be a scikit-learn transformer, or a function of "
            "(x_train, y_train) that returns a function of x. "
            f"Received: {brief(preprocess, 80)}"
        )
    if not takes(preprocess, None, None):
        raise TypeError(
            "`preprocess` must take (x_train, y_train) and return a function of x. Received: a "
            f"function of {inspect.signature(preprocess)}. If it needs no fitting: "
            "lambda x_train, y_train: function."
        )
    return preprocess


def _fitted(transformer) -> bool:
    # Not scikit-learn's check_is_fitted: it calls transformers that need no fit fitted.
    inner = transformer.get_params(deep=True).values()
    return any(
        name.endswith("_") and not name.startswith("_")
        for part in (transformer, *inner)
        if hasattr(part, "get_params") and not isinstance(part, type)
        for name in vars(part)
    )


def check_fit(fit_kwargs: dict | None, rows: int) -> dict:
    """Return `fit`'s arguments, complete and checked."""
    if fit_kwargs is not None and not isinstance(fit_kwargs, dict):
        raise TypeError(f"`fit_kwargs` must be a dict. Received: {type(fit_kwargs).__name__}")
    given = fit_kwargs or {}
    unknown = [name for name in given if name not in FIT_KWARGS]
    if unknown:
        way_out = {
            "verbose": " Pass verbose to cross_validate.",
            "validation_data": " Each fold's validation rows are used.",
        }.get(unknown[0], "")
        near = difflib.get_close_matches(str(unknown[0]), FIT_KWARGS, n=1)
        if near and not way_out:
            way_out = f" Did you mean {near[0]!r}?"
        raise ValueError(
            f"`fit_kwargs` may hold {', '.join(FIT_KWARGS)}. "
            f"Received: {', '.join(map(repr, unknown))}.{way_out}"
        )
    fit = FIT_KWARGS | given
    fit["batch_size"] = 32 if fit["batch_size"] is None else fit["batch_size"]
    for name in ("epochs", "batch_size"):
        fit[name] = count(name, fit[name])
    fit["shuffle"] = switch("shuffle", fit["shuffle"])
    share = 0.0 if fit["validation_split"] is None else fit["validation_split"]
    fit["validation_split"] = number(
        "validation_split", share, least=0, below=1, way_out="It is a share: 0.2 is a fifth"
    )
    if fit["sample_weight"] is not None:
        fit["sample_weight"] = _row_weights(fit["sample_weight"], rows)
        if fit["class_weight"] is not None:
            raise ValueError(
                "`sample_weight` and `class_weight` exclude each other. Received: both. Multiply "
                "the class's weight into the weight of each row."
            )
    callbacks = fit["callbacks"]
    if callbacks is not None and (isinstance(callbacks, list | tuple) or not callable(callbacks)):
        raise TypeError(
            "`callbacks` must be a function that returns a list of new callbacks for a fold: "
            "a callback remembers what it saw. Received: "
            f"{type(callbacks).__name__}. Write callbacks=lambda: [...]."
        )
    if callbacks is not None:
        _wants_fold(callbacks, "callbacks")
    return fit


def _row_weights(weights, rows: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        weights = numeric(weights, "sample_weight").astype("float32")
    if weights.shape != (rows,):
        raise ValueError(
            f"`sample_weight` must hold one finite number for each of the {rows} rows. "
            f"Received: shape {weights.shape}"
        )
    found = not_finite(weights)
    if found is not None:
        raise ValueError(
            f"`sample_weight` must hold one finite number for each of the {rows} rows. "
            f"Received: {found.value} in row {found.row}"
        )
    if weights.min() < 0 or not weights.any():
        value = weights.min()
        raise ValueError(
            "`sample_weight` must hold numbers of at least 0, not all of them 0. Received: "
            f"{value:g} in row {int(weights.argmin())}"
        )
    return weights


def check_class_weight(class_weight: dict | None, tasks: Tasks) -> None:
    """Refuse weights for classes that are not there, and weights that are none."""
    if class_weight is None:
        return
    if None not in tasks:
        raise ValueError(
            "`class_weight` must be left out where a model has several outputs. Received: "
            f"{brief(class_weight)}. Use `sample_weight`."
        )
    task = tasks[None]
    if not isinstance(class_weight, dict) or task.labels is None:
        way_out = ""
        if isinstance(class_weight, str) and task.labels is not None:
            way_out = (
                " Of balanced ones: {c: len(y) / (n_classes * count of c)}, or scikit-learn's "
                "compute_class_weight."
            )
        elif task.labels is None:
            way_out = " Use `sample_weight`."
        elif isinstance(class_weight, list | tuple) and len(class_weight) == len(task.classes):
            way_out = f" Write {dict(zip(task.classes.tolist(), class_weight, strict=True))}."
        raise ValueError(
            "`class_weight` must be a dict {class: weight}, for one class a row. Received: "
            f"{brief(class_weight)} for {task.kind}.{way_out}"
        )
    classes = set(task.classes.tolist())
    strange = [c for c in class_weight if isinstance(c, str) or c not in classes]
    if strange:
        raise ValueError(
            f"`class_weight` must name classes from {', '.join(map(str, task.classes))}. "
            f"Received: {', '.join(map(repr, strange))}"
        )
    for name, weight in class_weight.items():
        number(f"class_weight[{name!r}]", weight, least=0)


def check_callbacks(callbacks, model, watched: bool) -> list[str]:
    """Return a warning for each callback that decides by the rows that score the fold."""
    import keras

    if not isinstance(callbacks, list | tuple):
        raise TypeError(
            "`callbacks` must return a list of Keras callbacks. "
            f"Received: {type(callbacks).__name__}. Put square brackets around it."
        )
    from coursekit._monitor import refuse_unknown

    deciders = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau
    told = []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must return a list of Keras callbacks. "
                f"Received: {brief(callback, 80)} in it"
                + (f". Write {callback.__name__}(...)" if isinstance(callback, type) else "")
            )
        others = [one for one in callbacks if one is not callback]
        refuse_unknown(callback, model, others, validated=True)
        monitor = str(getattr(callback, "monitor", ""))
        if isinstance(callback, deciders) and monitor.startswith("val_") and not watched:
            told.append(
                f"{type(callback).__name__} watches {monitor!r} on the rows that score the fold, "
                "so the score is too good. Give it rows of its own: "
                'fit_kwargs={"validation_split": 0.1, ...}.'
            )
    return told


def explained(ways_out: dict[str, str]) -> Callable:
    """Make a function name the way out where it is called with an argument that it lacks.

    Args:
        ways_out: what to write instead, by the argument's name.
    """

    def decorate(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters
        known = [name for name in parameters if name != "self"]

        @functools.wraps(function)
        def called(*args, **kwargs):
            for name in kwargs:
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    way_out = ways_out.get(name) or (f"Did you mean {near[0]!r}?" if near else "")
                    raise TypeError(
                        f"`{function.__name__}` takes {', '.join(known)}. "
                        f"Received: {name}={brief(kwargs[name], 60)}. {way_out}".rstrip()
                    )
            return function(*args, **kwargs)

        return called

    return decorate


IN_FIT_KWARGS = {
    "epochs": 'Arguments of `fit` go into a dict: fit_kwargs={"epochs": 5}.',
    "batch_size": 'Arguments of `fit` go into a dict: fit_kwargs={"batch_size": 32}.',
    "shuffle": 'Arguments of `fit` go into a dict: fit_kwargs={"shuffle": False}.',
    "class_weight": 'Arguments of `fit` go into a dict: fit_kwargs={"class_weight": {0: 1, 1: 5}}.',
    "sample_weight": 'Arguments of `fit` go into a dict: fit_kwargs={"sample_weight": weights}.',
    "callbacks": 'Arguments of `fit` go into a dict: fit_kwargs={"callbacks": lambda: [...]}.',
    "validation_split": 'Arguments of `fit` go into a dict: fit_kwargs={"validation_split": 0.1}.',
    "validation_data": "Each fold's validation rows are used.",
    "metrics": "Name scorers: scoring=[...].",
    "scorer": "Name it as scoring=...",
    "n_splits": "Number of folds: cv=5.",
    "folds": "Number of folds: cv=5, or a list of splits: cv=folds.",
    "random_state": "Use seed=...",
    "n_jobs": "Folds are trained side by side already.",
    "return_estimator": "Use keep_models=True.",
    "return_train_score": "`result.train_scores` are there always.",
    "fit_params": "Use fit_kwargs={...}.",
    "params": "Use fit_kwargs={...}.",
}
