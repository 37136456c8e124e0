"""What `fit_many` asks of its models, validation data and callbacks, before any work."""

import numpy as np

from coursekit._checks import brief
from coursekit._spool import is_py_dataset, written
from coursekit.training.many._data import checked_rows, standardize


def checked_models(models):
    import keras

    if isinstance(models, keras.Model) or not hasattr(models, "__iter__"):
        raise TypeError(
            f"`models` must be a list of Keras models. Received: {type(models).__name__}. "
            "Put a single model into a list."
        )
    models = list(models)
    if not models:
        raise ValueError("`models` must hold at least one model. Received: an empty list.")
    seen: dict[int, int] = {}
    for k, model in enumerate(models):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"`models[{k}]` must be a Keras model. Received: {type(model).__name__}"
            )
        if not model.compiled or model.optimizer is None:
            raise ValueError(
                f"`models[{k}]` must be compiled with an optimizer. Received: {model.name!r}, not "
                "compiled. Call model.compile(optimizer, loss) first."
            )
        objects = [(model, "are the same object"), (model.optimizer, "share an optimizer")]
        layers = model._flatten_layers(include_self=False)
        objects += [(layer, "share a layer") for layer in layers]
        variables = (*model.variables, *model.optimizer.variables)
        objects += [(variable, "share a variable") for variable in variables]
        for one, what in objects:
            other = seen.setdefault(id(one), k)
            if other != k:
                raise ValueError(
                    "Models that are trained side by side must have nothing in common. Received: "
                    f"`models[{other}]` and `models[{k}]` {what}. Build and compile each anew."
                )
    return models


def checked_validation(data, rows, arrays, models):
    if data is not None and rows is not None:
        raise ValueError(
            "`validation_data` and `validation_rows` exclude each other. Received both: choose one."
        )
    if rows is not None:
        data = arrays
    if data is None:
        return None, [None] * models
    if is_py_dataset(data):
        data = written(data, "validation_data")
    if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
        raise TypeError(
            "`validation_data` must be (x, y), (x, y, sample_weight) or a PyDataset. "
            f"Received: {type(data).__name__}"
        )
    data, size = standardize(*(*data, None, None)[:3], None, "validation_data")
    return data, checked_rows(rows, models, size, "validation_rows")


def checked_callbacks(callbacks, models):
    import keras

    if callbacks is None:
        return [[] for _ in range(models)]
    if callable(callbacks):
        callbacks = [callbacks(k) for k in range(models)]
    callbacks = [list(one) if isinstance(one, (list, tuple)) else one for one in callbacks]
    if len(callbacks) != models or not all(isinstance(one, list) for one in callbacks):
        raise ValueError(
            "`callbacks` must hold a list of callbacks for each model, or be a function from the "
            f"number of a model to its list. Received: {brief(callbacks)} for {models} models"
        )
    flat = [callback for one in callbacks for callback in one]
    for callback in flat:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(f"A callback must be a Keras Callback. Received: {callback!r}")
    if len({id(callback) for callback in flat}) < len(flat):
        raise ValueError(
            "A callback keeps the state of one model. Received: the same callback twice. Make new "
            "ones: callbacks=lambda k: [keras.callbacks.EarlyStopping()]."
        )
    return callbacks


def check_broadcasting(models, data) -> None:
    """Refuse a loss that makes (n, n) of targets (n,) and outputs (n, 1), as Keras lets it.

    Keras aligns the ranks for functions and for its own losses, not for a subclass of `Loss` with a
    `call` of its own. Whether that one does is asked of it, on three rows.
    """
    import keras

    if data.y is None or keras.tree.is_nested(data.y) or data.y.ndim != 1:
        return
    if data.y.dtype.kind not in "biuf":
        return
    for k, model in enumerate(models):
        loss = keras.losses.get(model.loss) if isinstance(model.loss, type) else model.loss
        own = isinstance(loss, keras.losses.Loss) and _own_call(loss)
        shape = getattr(model, "output_shape", None) if own and model.built else None
        if own and shape is None:
            shape = _shape_of_outputs(model, data)
        if isinstance(shape, tuple) and shape[1:] == (1,) and _broadcasts(loss, data.y):
            raise ValueError(
                f"`y` must have the shape of the outputs for {type(loss).__name__}, which "
                f"would broadcast it. Received: y of shape {data.y.shape}, outputs of shape "
                f"({len(data.y)}, 1) in `models[{k}]`. Pass y[:, None]."
            )


def _own_call(loss) -> bool:
    return type(loss).call.__module__.partition(".")[0] not in ("keras", "coursekit")


def _shape_of_outputs(model, data):
    import keras

    try:
        with keras.StatelessScope():
            outputs = model(data.take(np.arange(1))[0], training=False)
        return tuple(outputs.shape)
    except Exception:  # whatever it is: the training says it
        return None


def _broadcasts(loss, y) -> bool:
    """Whether a loss gives other values for targets (n,) than for (n, 1)."""
    import keras

    rows = np.resize(y[:3], 3)
    outputs = np.array([[0.2], [0.5], [0.9]], keras.config.floatx())
    try:
        flat, column = (
            keras.ops.convert_to_numpy(loss.call(keras.ops.convert_to_tensor(targets),
                                                 keras.ops.convert_to_tensor(outputs)))
            for targets in (rows, rows[:, None])
        )  # fmt: skip
    except Exception:  # whatever it is: the training says it
        return False
    flat, column = np.mean(flat, dtype="float64"), np.mean(column, dtype="float64")
    return not np.allclose(flat, column, rtol=1e-5, equal_nan=True)
