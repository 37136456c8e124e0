"""Which models can share one traced program: same layers, loss, metrics and optimizer."""

import functools
import hashlib
import json
import types
import warnings

import numpy as np

_BY_NAME = ("inbound_nodes", "input_layers", "output_layers")
_SKIP = {"name", "seed", "path"}


class Unlike(Exception):
    """Raised where a model cannot share a program, with the reason."""


def fingerprint(model) -> str:
    """Return a string that is the same for models which one program can train.

    It covers everything that the trace of a training step depends on. Values of variables, names
    and seeds are left out, because they are state. What cannot be compared raises `Unlike`.
    """
    if not _from_keras(type(model)):
        raise Unlike(f"{type(model).__name__} is not Keras's own class")
    layers = list(model._flatten_layers(include_self=False))
    layers += _operations(model, layers)
    for layer in layers:
        if not _from_keras(type(layer)):
            raise Unlike(f"the layer {type(layer).__name__} is not Keras's own")
    optimizer = model.optimizer
    reason = _unfit_optimizer(optimizer)
    if reason:
        raise Unlike(reason)
    with warnings.catch_warnings():  # of lambdas, which are compared as functions here
        warnings.simplefilter("ignore")
        compiled = {**model.get_compile_config(), "optimizer": None, "loss": None}
    numbers = {layer.name: k for k, layer in enumerate(layers)}
    parts = {
        "config": _normal(model.get_config(), numbers),
        "layers": [_callables(layer) for layer in layers],
        "policy": model.dtype_policy.name,
        "jit": bool(model.jit_compile),
        "loss": _normal(model.loss, {}),
        "compile": _normal(compiled, {}),
        "metrics": [_metric(metric) for metric in _flat_metrics(model)],
        "optimizer": _optimizer(optimizer, model),
        "variables": [(tuple(v.shape), str(v.dtype), bool(v.trainable)) for v in model.variables],
    }
    return json.dumps(parts, sort_keys=True, default=str)


def _operations(model, layers) -> list:
    """Return what a functional model has beside layers: `h + x`, `keras.ops.mean(h)`."""
    import keras

    found = [op for part in (model, *layers) for op in getattr(part, "operations", ())]
    found = [op for op in found if not isinstance(op, keras.Layer)]
    given = keras.tree.flatten([(n.arguments.args, n.arguments.kwargs)
                                for op in found for n in op._inbound_nodes])  # fmt: skip
    if any(callable(value) for value in given):  # a config may hold its name only
        raise Unlike("an operation of the model is given a function")
    return found


def _from_keras(kind) -> bool:
    return kind.__module__.split(".")[0] == "keras"


def _unfit_optimizer(optimizer) -> str:
    import keras

    kind, base = type(optimizer), keras.optimizers.Optimizer
    plain = ("apply", "_backend_apply_gradients", "_backend_update_step", "_apply_weight_decay")
    if _from_keras(kind) and keras.backend.backend() == "jax":
        return ""  # any update is a function of the state there
    if not _from_keras(kind) or any(getattr(kind, m) is not getattr(base, m) for m in plain):
        return f"the optimizer {kind.__name__} keeps a program for each model"
    if optimizer.gradient_accumulation_steps:
        return "gradient accumulation keeps a program for each model"
    if optimizer.use_ema and optimizer.ema_overwrite_frequency:
        return "`ema_overwrite_frequency` keeps a program for each model"
    return ""


def _optimizer(optimizer, model):
    config = optimizer.get_config()
    if not isinstance(config["learning_rate"], dict):
        config.pop("learning_rate")  # a variable: state
    rate = optimizer._learning_rate
    decays = None
    if optimizer.weight_decay is not None:
        decays = [optimizer._use_weight_decay(v) for v in model.trainable_variables]
    return [
        type(optimizer).__qualname__,
        _normal(config, {}),
        None if isinstance(rate, _variable()) else _normal(rate, {}),
        decays,
        [(tuple(v.shape), str(v.dtype)) for v in optimizer.variables],
    ]


def _variable():
    import keras

    return keras.Variable


def _flat_metrics(model):
    for metric in model.metrics:
        yield from getattr(metric, "metrics", [metric])


def _metric(metric):
    kind = type(metric)
    if not _from_keras(kind):
        return _normal(metric, {})
    attributes = {k: v for k, v in vars(metric).items() if callable(v) and "track" not in k}
    return [kind.__qualname__, _normal(metric.get_config(), {}), _normal(attributes, {})]


def _callables(layer):
    """Activations, initializers, regularizers and constraints: a config holds their names only."""
    import keras

    skip = (keras.Variable, keras.Operation, keras.Initializer, keras.Metric, type)
    found = {
        name: value
        for name, value in vars(layer).items()
        if callable(value) and not isinstance(value, skip) and not hasattr(type(layer), name)
    }
    return _normal(found, {})


def _normal(value, numbers, seen=()):
    """Return a JSON structure that is equal for equal behaviour.

    Functions are compared by their code and closure, arrays and tensors by their values, objects
    by class and attributes; anything else is equal to itself alone.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if any(value is one for one in seen):
        return "cycle"
    seen = (*seen, value)
    if isinstance(value, dict):
        return {
            str(k): _references(v, numbers)
            if k in _BY_NAME and numbers
            else _normal(v, numbers, seen)
            for k, v in value.items()
            if k not in _SKIP
        }
    if isinstance(value, (list, tuple)):
        return [_normal(v, numbers, seen) for v in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, np.generic):
        return repr(value)
    if isinstance(value, types.MethodType):
        return ["method", _normal(value.__func__, numbers, seen), f"of {id(value.__self__)}"]
    if isinstance(value, types.FunctionType):
        cells = [_cell(c) for c in value.__closure__ or ()]
        return [
            value.__module__,
            value.__qualname__,
            id(value.__globals__),
            _code(value.__code__),
            _normal([cells, value.__defaults__, value.__kwdefaults__], numbers, seen),
        ]
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, value.keywords)
        return ["partial", _normal(parts, numbers, seen)]
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, types.BuiltinFunctionType):
        return [value.__module__, value.__qualname__, id(value.__self__)]
    if type(value).__name__ == "DTypePolicy":
        return value.name
    if isinstance(value, _variable()):
        return ["variable", tuple(value.shape), str(value.dtype)]
    if hasattr(value, "__array__"):
        return _normal(np.asarray(value), numbers, seen)
    if hasattr(value, "__dict__") and not _opaque(value):
        skip = {*_SKIP, "_name", "_tracker", "_auto_name"}
        inner = {k: v for k, v in vars(value).items() if k not in skip}
        return [*_class(type(value)), _normal(inner, {}, seen)]
    return f"{type(value).__qualname__} {id(value)}"


def _class(kind):
    """A class of Keras by its name; another one is itself alone: its methods may hold anything."""
    return [kind.__module__, kind.__qualname__, 0 if _from_keras(kind) else id(kind)]


def _opaque(value) -> bool:
    """Whether the attributes do not tell all about an object."""
    import keras

    slots = any("__slots__" in vars(kind) for kind in type(value).__mro__)
    return slots or isinstance(value, (keras.layers.Layer, types.ModuleType))


def _code(code):
    consts = [_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), consts]


def _cell(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _references(value, numbers):
    """As `_normal`, for the part of a config that names layers: the names become numbers."""
    if isinstance(value, dict):
        return {str(k): _references(v, numbers) for k, v in value.items() if k != "name"}
    if isinstance(value, (list, tuple)):
        return [_references(v, numbers) for v in value]
    if isinstance(value, str) and value in numbers:
        return f"#{numbers[value]}"
    return repr(value)
