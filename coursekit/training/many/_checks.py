"""What `fit_many` asks of its models, validation data and callbacks, before any work."""

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
    if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
        raise TypeError(
            "`validation_data` must be (x, y) or (x, y, sample_weight). "
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
            f"number of a model to its list. Received: {callbacks!r} for {models} models"
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
