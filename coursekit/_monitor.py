"""Will `fit` record what a callback watches? Told before training, as far as it can be told."""

import inspect
from collections.abc import Iterable

import keras

from coursekit._checks import one_of, require

RULE = "`monitor` must be the name of what `fit` records."
WAY_OUT = "For names that begin with val_ give `fit` validation data"


def refuse_unknown(
    callback: keras.callbacks.Callback,
    model: keras.Model,
    beside: Iterable[keras.callbacks.Callback],
    validated: bool | None,
) -> None:
    """Raise a ValueError where `fit` is seen not to record what a callback decides by.

    Keras finds out after the first epoch, and mostly warns after each one.

    Args:
        callback: any callback.
        model: the model that it watches.
        beside: the other callbacks, of which one may record more.
        validated: whether there are validation data; None: not known.
    """
    monitor = getattr(callback, "monitor", None)
    if not isinstance(monitor, str) or not _decides(callback):
        return
    has_data = validated is not False or not monitor.startswith("val_")
    require(has_data, RULE, WAY_OUT, monitor=monitor)
    names = _recorded(model)
    if names is None or any(_may_record(one) for one in beside):
        return
    stem = monitor.removeprefix("val_")
    if stem not in names and not any(stem.endswith(f"_{name}") for name in names):
        of_validation = [] if validated is False else [f"val_{name}" for name in names]
        one_of("monitor", monitor, [*names, *of_validation])


def is_validated() -> bool | None:
    """Return whether the `fit` or `fit_many` that calls a callback has validation data.

    Keras does not tell a callback. The call itself knows: it is looked up among the callers. None
    where there is none, such as in a loop of one's own.
    """
    frame = inspect.currentframe()
    try:
        while frame is not None:
            given, name = frame.f_locals, frame.f_code.co_name
            if "validation_data" in given and name == "fit":
                return given["validation_data"] is not None
            if "validation_data" in given and name == "fit_many":  # or rows of the same arrays
                return given["validation"] is not None
            frame = frame.f_back
        return None
    finally:
        del frame  # a frame that holds itself is freed late


def _decides(callback) -> bool:
    """Whether a callback of Keras uses what it monitors; of others nothing is known."""
    kinds = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau
    saves = isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_best_only
    return isinstance(callback, kinds) or saves


def _may_record(callback) -> bool:
    """Whether a callback may add to what `fit` has recorded."""
    kinds = (keras.callbacks.LambdaCallback, keras.callbacks.LearningRateScheduler,
             keras.callbacks.ReduceLROnPlateau)  # fmt: skip
    return isinstance(callback, kinds) or not _is_known(type(callback).on_epoch_end)


def _is_known(thing) -> bool:
    return thing.__module__.partition(".")[0] in ("keras", "coursekit")


def _recorded(model) -> list[str] | None:
    """Return the names, without val_ and without those of outputs; None if they are not known."""
    steps = "train_step", "test_step", "compute_metrics", "get_metrics_result"
    own = not all(_is_known(getattr(type(model), name)) for name in steps)
    if own or not model.compiled:
        return None
    names = ["loss"]
    for metric in model.metrics:
        if not hasattr(metric, "_user_metrics"):
            names.append(metric.name)
            continue
        given = metric._user_metrics, metric._user_weighted_metrics
        for one in keras.tree.flatten(given):  # those of `compile`, made with the first batch
            if isinstance(one, str):
                names.append(one)
            elif isinstance(one, keras.metrics.Metric):
                names.append(one.name)
            elif one is not None:
                return None
    return list(dict.fromkeys(names))
