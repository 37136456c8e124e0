r"""Sixteen bits: setting a policy, and what goes wrong with it, said before it does.

    from coursekit.distribution import lint_precision, load_model, precision

    with precision("mixed_float16"):
        model = build()  # its last layer with dtype="float32"
        model.compile(...)
    print(*lint_precision(model), sep="\n")

A policy is captured when a layer is made: later changes of the global policy do not reach it.
`coursekit.distribution.precision_report` measures what a policy would lose on a model.
"""

import json
import zipfile

from coursekit.distribution.lint import Finding, parts_of

MIXED = ("mixed_float16", "mixed_bfloat16")
POLICIES = ("float32", "float64", *MIXED)
SHORT = ("float16", "bfloat16")


class precision:
    """Set the dtype policy of the layers made from now on, or in a block.

    ```
    precision("mixed_float16")               from here to the end of the notebook
    with precision("mixed_float16"): ...     in the block; then the policy is as before
    ```

    Args:
        policy: "float32", "float64", "mixed_float16" or "mixed_bfloat16" (mixed: layers compute in
            16 bits, weights are kept in float32). `runtime().policy` suits the hardware.

    Raises:
        ValueError: for another policy. "float16" and "bfloat16" would keep the weights in 16 bits
            too, where most updates round to nothing.

    Example:
        >>> import keras
        >>> with precision("mixed_bfloat16"):
        ...     layer = keras.layers.Dense(1)
        >>> layer.compute_dtype, layer.variable_dtype, keras.config.dtype_policy().name
        ('bfloat16', 'float32', 'float32')
    """

    def __init__(self, policy: str):
        import keras

        name = getattr(policy, "name", policy)
        if name not in POLICIES:
            way = f" For 16 bits: 'mixed_{name}', with weights in float32." if name in SHORT else ""
            raise ValueError(f"`policy` must be one of {POLICIES}. Received: policy={name!r}.{way}")
        self.policy = name
        self.before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(name)

    def __repr__(self):
        return f"precision({self.policy!r})"

    def __enter__(self):
        import keras

        keras.config.set_dtype_policy(self.policy)
        return self

    def __exit__(self, *error):
        import keras

        keras.config.set_dtype_policy(self.before)


def lint_precision(model) -> list[Finding]:
    """Say what is wrong with the precision of a model.

    It looks at the layers, the weights, the outputs, and, of a compiled model, the optimizer.

    Args:
        model: a Keras model.

    Returns:
        A list of `Finding`, empty if nothing is known to go wrong. A "wrong" one is refused by
        `coursekit.training.step` and `load_model`, but for that of the last layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.layers[0].dtype_policy = "mixed_float16"
        >>> model.compile("sgd", "mse", jit_compile=False)
        >>> [(finding.rule, finding.effect) for finding in lint_precision(model)]
        [('loss scaling', 'wrong'), ('last layer', 'differs')]
    """
    found = [*_of_weights(model), *_of_outputs(model), *_of_policies(model)]
    return [*_of_scaling(model), *found] if getattr(model, "compiled", False) else found


def refuse_precision(model) -> None:
    """Raise a ValueError for what ruins a training in 16 bits, on any number of devices."""
    found = [*_of_scaling(model), *_of_weights(model)]
    found = [finding for finding in found if finding.effect == "wrong"]
    if found:
        raise ValueError("\n".join(["This model cannot be trained like this:", *map(str, found)]))


def load_model(path, **options):
    """Load a model under the policy that it was saved with, whatever the global one is.

    `keras.saving.load_model` gives the layers the saved policy, and the model the global one, by
    which `compile` decides on loss scaling. A mixed_float16 model that is loaded under float32 has
    none, and its optimizer starts afresh; a float32 model that is loaded under mixed_float16 loses
    its optimizer's state too, and a subclassed one changes its precision.

    Args:
        path: a `.keras` file.
        **options: of `keras.saving.load_model`.

    Returns:
        The model. The global policy is as before.

    Raises:
        ValueError: for another kind of file, and for what `lint_precision` calls wrong in layers,
            weights and optimizer.
    """
    import keras

    if not zipfile.is_zipfile(path):
        raise ValueError(f"`path` must be a .keras file. Received: path={path}")
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    saved = _policies(config)
    with precision(next((policy for policy in MIXED if policy in saved), "float32")):
        model = keras.saving.load_model(path, **options)
    if model.compiled:
        refuse_precision(model)
    return model


def _policies(config) -> set[str]:
    """Return the names of all dtype policies in the saved configuration of a model."""
    if isinstance(config, list):
        return set().union(*map(_policies, config))
    if not isinstance(config, dict):
        return set()
    found = _policies(list(config.values()))
    if "DTypePolicy" in str(config.get("class_name")):
        found.add((config.get("config") or {}).get("name"))
    return found


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
            "`coursekit.distribution.load_model`.",
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
