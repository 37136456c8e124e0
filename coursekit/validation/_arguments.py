"""What `cross_validate` takes, checked before anything is trained."""

import inspect
import warnings
from collections.abc import Callable

import numpy as np

from coursekit._checks import is_int
from coursekit.validation._task import Task

FIT_KWARGS = {"epochs": 1, "batch_size": 32, "shuffle": True, "class_weight": None,
              "sample_weight": None, "callbacks": None, "validation_split": 0.0}  # fmt: skip


def call_with_fold(function: Callable, fold: int):
    """Call a function of the fold, or of nothing."""
    return function(fold) if _wants_fold(function) else function()


def _wants_fold(function: Callable) -> bool:
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
            "A builder takes the fold, or nothing. Received: a function of "
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
            f"Received: {build_model!r}"
        )
    _wants_fold(build_model)


def as_inputs(x):
    """Return x as an array, a table or a dict of arrays."""
    if hasattr(x, "iloc"):
        return x.to_frame() if x.ndim == 1 else x
    if isinstance(x, dict) and x:
        x = {name: np.asarray(value) for name, value in x.items()}
        if len({len(a) if a.ndim else -1 for a in x.values()}) != 1:
            raise ValueError(
                "The arrays of `x` must have the same rows. Received: shapes "
                f"{[a.shape for a in x.values()]}"
            )
        return x
    if hasattr(x, "__array__"):
        x = np.asarray(x)
        if x.ndim:
            return x
    raise TypeError(
        "`x` must be a NumPy array, a DataFrame or a dict of arrays, with a row an example. "
        f"Received: {type(x).__name__}. A tf.data.Dataset or a generator cannot be split by rows."
    )


def rows_of(x) -> int:
    """Return the number of rows."""
    while isinstance(x, dict | list | tuple):
        x = next(iter(x.values() if isinstance(x, dict) else x))
    return x.shape[0]


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
            f"Received: {type(preprocess).__name__}"
        )
    try:
        inspect.signature(preprocess).bind(None, None)
    except TypeError:
        raise TypeError(
            "`preprocess` must take (x_train, y_train) and return a function of x. Received: a "
            f"function of {inspect.signature(preprocess)}. If it needs no fitting: "
            "lambda x_train, y_train: function."
        ) from None
    except ValueError:  # some built-in callables do not tell their signature
        pass
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
        raise ValueError(
            f"`fit_kwargs` may hold {', '.join(FIT_KWARGS)}. "
            f"Received: {', '.join(map(repr, unknown))}.{way_out}"
        )
    fit = FIT_KWARGS | given
    fit["batch_size"] = 32 if fit["batch_size"] is None else fit["batch_size"]
    for name in ("epochs", "batch_size"):
        if not is_int(fit[name]) or fit[name] < 1:
            raise ValueError(
                f"`{name}` must be a whole number, at least 1. Received: {name}={fit[name]!r}"
            )
    if not isinstance(fit["shuffle"], bool):
        raise ValueError(f"`shuffle` must be True or False. Received: shuffle={fit['shuffle']!r}")
    share = fit["validation_split"] = fit["validation_split"] or 0.0
    if not isinstance(share, int | float) or not 0 <= share < 1:
        raise ValueError(f"`validation_split` must be at least 0 and below 1. Received: {share!r}")
    if fit["sample_weight"] is not None:
        weights = fit["sample_weight"] = np.asarray(fit["sample_weight"], dtype="float32")
        if weights.shape != (rows,) or not np.isfinite(weights).all():
            raise ValueError(
                f"`sample_weight` must hold one finite number for each of the {rows} rows. "
                f"Received: shape {weights.shape}"
            )
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
        _wants_fold(callbacks)
    return fit


def check_class_weight(class_weight: dict | None, task: Task) -> None:
    """Refuse weights for classes that are not there."""
    if class_weight is None:
        return
    if task.labels is None or not isinstance(class_weight, dict):
        raise ValueError(
            "`class_weight` must be a dict {class: weight}, for one class a row. Received: "
            f"{type(class_weight).__name__} for {task.kind}"
        )
    strange = [c for c in class_weight if c not in task.classes]
    if strange:
        raise ValueError(
            f"`class_weight` must name classes from {', '.join(map(str, task.classes))}. "
            f"Received: {', '.join(map(repr, strange))}"
        )


def check_callbacks(callbacks: list, watched: bool) -> None:
    """Warn where the rows that score a fold also decide when its training stops."""
    import keras

    deciders = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must return a list of Keras callbacks. "
                f"Received: {type(callback).__name__} in it"
            )
        monitor = str(getattr(callback, "monitor", ""))
        if isinstance(callback, deciders) and monitor.startswith("val_") and not watched:
            warnings.warn(
                f"{type(callback).__name__} watches {monitor!r} on the rows that score the fold, "
                "so the score is too good. Give it rows of its own: "
                'fit_kwargs={"validation_split": 0.1, ...}.',
                stacklevel=6,
            )
