"""What goes wrong in sixteen bits, said before it does."""

from typing import TYPE_CHECKING

from coursekit._checks import require
from coursekit._findings import Finding, refuse
from coursekit._optimizers import parts_of
from coursekit.precision._policy import SHORT

if TYPE_CHECKING:
    import keras


def lint_precision(model: "keras.Model") -> list[Finding]:
    """Say what is wrong with the precision of a model.

    It looks at the layers, the weights, the outputs, and, of a compiled model, the optimizer.

    Args:
        model: a Keras model.

    Returns:
        A list of `Finding`, empty if nothing is known to go wrong. A "wrong" one is refused by
        `coursekit.distribution.step` and `load_model`, but for that of the last layer.

    Raises:
        ValueError: for anything but a model.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.layers[0].dtype_policy = "mixed_float16"
        >>> model.compile("sgd", "mse", jit_compile=False)
        >>> [(finding.rule, finding.effect) for finding in lint_precision(model)]
        [('loss scaling', 'wrong'), ('last layer', 'differs')]
    """
    _check_model(model)
    found = [*_of_weights(model), *_of_outputs(model), *_of_policies(model)]
    return [*_of_scaling(model), *found] if getattr(model, "compiled", False) else found


def refuse_precision(model: "keras.Model") -> None:
    """Refuse what ruins a training in 16 bits, on any number of devices.

    Args:
        model: a Keras model, compiled.

    Raises:
        ValueError: for float16 without loss scaling and weights in 16 bits, with what to do; for
            anything but a model.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> refuse_precision(model)  # float32: nothing to refuse
    """
    _check_model(model)
    found = [*_of_scaling(model), *_of_weights(model)]
    refuse(found, ("wrong",), "This model cannot be trained like this:")


def _check_model(model) -> None:
    import keras

    got = type(model).__name__
    require(isinstance(model, keras.Model), "`model` must be a Keras model.", model=got)


def outputs_of(model) -> list[tuple]:
    """Return (operation, dtype) of each output of a functional or `Sequential` model."""
    import keras

    found = []
    for tensor in getattr(model, "outputs", None) or []:
        operation, dtype = tensor._keras_history.operation, tensor.dtype
        if isinstance(operation, keras.Model) and operation.outputs:
            found += outputs_of(operation)
        elif isinstance(operation, keras.layers.Layer):
            found.append((operation, operation.compute_dtype))  # its policy may have been set since
        else:
            found.append((operation, dtype))
    return found


def _computing(model, dtype) -> list[str]:
    layers = model._flatten_layers(include_self=False)
    return [layer.name for layer in layers if layer.compute_dtype == dtype and layer.weights]


def _of_scaling(model):
    if model.optimizer is None:
        return
    halves = _computing(model, "float16")
    scaler = next((p for p in parts_of(model.optimizer) if hasattr(p, "inner_optimizer")), None)
    static = any(getattr(p, "loss_scale_factor", None) for p in parts_of(model.optimizer))
    if halves and not scaler and not static:
        yield Finding(
            "loss scaling",
            "wrong",
            f"{halves[0]!r} computes in float16, where gradients below 6e-8 become 0, and nothing "
            f"scales the loss: this {type(model).__name__} has the policy "
            f"{model.dtype_policy.name}, and `compile` looks at that alone.",
            "Wrap the optimizer in a `coursekit.optimizers.SafeLossScaleOptimizer`, or build the "
            'model under `precision("mixed_float16")`; for a file use '
            "`coursekit.precision.load_model`.",
        )
    if scaler and not halves:
        yield Finding(
            "loss scaling",
            "differs",
            "The loss is scaled, and no layer computes in float16. bfloat16 and float32 need none.",
            "Compile with the optimizer alone, `auto_scale_loss=False`.",
        )


def _of_weights(model):
    import keras

    for variable in model.trainable_variables:
        if keras.backend.standardize_dtype(variable.dtype) in SHORT:
            yield Finding(
                "weights",
                "wrong",
                f"{variable.path!r} is kept in {variable.dtype}: an update much smaller than the "
                "weight rounds to nothing.",
                f"Use 'mixed_{variable.dtype}', which keeps weights in float32.",
            )
            return


def _of_outputs(model):
    for operation, dtype in outputs_of(model):
        if dtype not in SHORT:
            continue
        name = getattr(getattr(operation, "activation", None), "__name__", "")
        ends = type(operation).__name__ == "Softmax" or name in ("softmax", "sigmoid")
        reason = (
            "which rounds probabilities to 0 and 1: the loss of a wrong one is capped, and its "
            "gradient is lost."
            if ends
            else "which rounds them to two or three digits."
        )
        yield Finding(
            "last layer",
            "wrong" if ends else "differs",
            f"{operation.name!r} gives the model's outputs in {dtype}, {reason}",
            'Give the last layer dtype="float32".',
        )


def _of_policies(model):
    import keras

    now = keras.config.dtype_policy().compute_dtype
    layers = [layer for layer in model._flatten_layers(include_self=False) if layer.weights]
    last = [operation for operation, _ in outputs_of(model)]
    inner = [layer for layer in layers if not any(layer is one for one in last)]
    kinds = sorted({layer.compute_dtype for layer in inner or layers})
    if len(kinds) > 1:
        yield Finding(
            "policies",
            "differs",
            f"Layers before the last compute in {' and '.join(kinds)}.",
            "If that is not meant, the policy was switched while the model was built: build it in "
            "one `with precision(...)` block.",
        )
    elif kinds and now in SHORT and kinds[0] != now:
        yield Finding(
            "policies",
            "differs",
            f"The global policy computes in {now}, this model in {kinds[0]}: it was built or saved "
            "under another one, and compiling it again does not change that.",
            "Build it anew, and copy the weights with `set_weights`.",
        )
