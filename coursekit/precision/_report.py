"""What sixteen bits would lose on a given model and batch: measured, not guessed.

```
print(precision_report(model, (x, y), "mixed_float16"))
plots.gradients(gradient_histogram(model, (x, y)))
```

Both compute real backward passes and leave model, optimizer and random states as they are.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coursekit._checks import number, one_of, same_rows
from coursekit.precision._lint import outputs_of
from coursekit.precision._policy import MIXED, SHORT

if TYPE_CHECKING:
    import keras

SCALE = 2.0**15  # the first scale of a LossScaleOptimizer


@dataclass(frozen=True)
class GradientHistogram:
    """The gradients of all weights for one batch, computed in float32.

    Attributes:
        magnitudes: absolute values of those that are not 0, in increasing order.
        zeros: how many are exactly 0 in float32 too: dead units, pixels that are always black.
        not_finite: how many are infinite or NaN.
    """

    magnitudes: np.ndarray
    zeros: int
    not_finite: int

    def fate(self, dtype: str = "float16", scale: float = 1.0) -> dict[str, float]:
        """Return which shares of the magnitudes become what, in that dtype and at that loss scale.

        The keys: "zero" (underflow), "subnormal" (fewer digits), "normal", "infinite" (overflow).

        Args:
            dtype: "float16" or "bfloat16". Defaults to "float16".
            scale: the loss scale, finite and above 0. Defaults to 1.

        Raises:
            ValueError: for another dtype or scale.
        """
        import keras

        dtype = one_of("dtype", dtype, SHORT)
        scaled = self.magnitudes * np.float32(number("scale", scale, above=0))
        short = keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(scaled, dtype), "float32"))
        normal = 2.0**-14 if dtype == "float16" else np.finfo("float32").tiny
        infinite, zero = ~np.isfinite(short), short == 0
        subnormal = (short < normal) & ~zero
        shares = {"zero": zero, "subnormal": subnormal, "infinite": infinite}
        shares = {name: float(hit.mean()) if len(hit) else 0.0 for name, hit in shares.items()}
        return shares | {"normal": max(0.0, 1.0 - sum(shares.values()))}


@dataclass(frozen=True)
class Memory:
    """Bytes that stay from step to step for each parameter, and bytes for each activation.

    Attributes:
        weights: bytes per parameter of the weights.
        gradients: bytes per parameter of the gradients that the optimizer gets.
        optimizer: bytes per parameter of the optimizer's slots, such as Adam's two moments.
        activations: bytes per number in the layers' outputs; None for a subclassed model.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float | None

    @property
    def parameter(self) -> float:
        """Bytes per parameter in all."""
        return self.weights + self.gradients + self.optimizer


@dataclass(frozen=True)
class PrecisionReport:
    """What a policy loses on one batch, beside float32. `print` it for the same in words.

    Attributes:
        policy: the policy in question.
        scale: the loss scale of `underflow_scaled` and `overflow_scaled`.
        gradients: number of gradients that are not 0 in float32.
        underflow: share of those that are 0 under the policy.
        underflow_scaled: the same with the loss scaled.
        overflow: share of all gradients that are infinite or NaN under the policy only.
        overflow_scaled: the same with the loss scaled; a loss scaler would skip the step.
        swallowed: share of the optimizer's next updates that would leave their weight unchanged, if
            weights were kept in 16 bits: why mixed policies keep them in float32.
        memory: a `Memory` for "float32" and for the policy.
    """

    policy: str
    scale: float
    gradients: int
    underflow: float
    underflow_scaled: float
    overflow: float
    overflow_scaled: float
    swallowed: float
    memory: dict[str, Memory]

    def __str__(self) -> str:
        lines = [
            f"{self.policy} on {self.gradients:,} gradients that are not 0 in float32:",
            f"  underflow to 0     {self.underflow:6.1%}; loss times {self.scale:g}: "
            f"{self.underflow_scaled:.1%}",
            f"  overflow           {self.overflow:6.1%}; loss times {self.scale:g}: "
            f"{self.overflow_scaled:.1%}",
            f"  updates swallowed  {self.swallowed:6.1%} if weights were in 16 bits too",
        ]
        for name, memory in self.memory.items():
            parts = f"{memory.weights:g} + {memory.gradients:g} + {memory.optimizer:.3g}"
            each = "?" if memory.activations is None else f"{memory.activations:.2g}"
            lines.append(
                f"  {name:15} {memory.parameter:.3g} bytes a parameter (weight + gradient + "
                f"optimizer: {parts}), {each} an activation"
            )
        return "\n".join(lines)


def gradient_histogram(model: "keras.Model", data: tuple) -> GradientHistogram:
    """Compute the gradients of a batch in float32, and keep their magnitudes.

    Args:
        model: a compiled Keras model, whatever its policy: its loss and penalties are used.
        data: one batch, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        A `GradientHistogram`; `coursekit.plots.gradients` draws it against the float16 window.

    Raises:
        ValueError: if the model is not compiled or is quantized, or data is not one batch.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile("sgd", "mse", jit_compile=False)
        >>> model.set_weights([np.ones((1, 1))])
        >>> x = np.full((1, 1), 1e-4)
        >>> gradients = gradient_histogram(model, (x, x - 5e-5))  # 2 * 1e-4 * 5e-5
        >>> gradients.fate("float16")["zero"], gradients.fate("float16", scale=2.0**15)["zero"]
        (1.0, 0.0)
    """
    _, gradients = _backward(model, "float32", _batch(model, data))
    values = np.abs(np.concatenate([g.ravel() for g in gradients]))
    finite = values[np.isfinite(values)]
    kept = np.sort(finite[finite > 0]).astype("float32")
    return GradientHistogram(kept, len(finite) - len(kept), len(values) - len(finite))


def precision_report(
    model: "keras.Model", data: tuple, policy: str = "mixed_float16", scale: float = SCALE
) -> PrecisionReport:
    """Compare a step of this model on this batch under a 16-bit policy with float32.

    The layers compute under the policy for a moment, the output layers in float32, as they should.

    Args:
        model: a compiled Keras model, whatever its policy.
        data: one batch, `(x, y)` or `(x, y, sample_weight)`.
        policy: "mixed_float16" or "mixed_bfloat16".
        scale: a loss scale to try beside 1, finite and greater than 0. Defaults to 32768.

    Returns:
        A `PrecisionReport`.

    Raises:
        ValueError: for another policy or scale, a model that is not compiled or is quantized, or
            data that are not one batch.

    Numerics: on a CPU some operations compute in float32 inside and round at the end, so that less
    is lost than on other hardware. Bytes are what Keras keeps: the 16-bit copies of the weights
    that each step makes, and throws away, are not counted.

    References:
        Micikevicius et al., Mixed Precision Training, arXiv 1710.03740.
    """
    policy, scale = one_of("policy", policy, MIXED), number("scale", scale, above=0)
    batch = _batch(model, data)
    full_outputs, full = _backward(model, "float32", batch)
    short_outputs, short = _backward(model, policy, batch)
    _, scaled = _backward(model, policy, batch, scale)
    flat = [np.concatenate([g.ravel() for g in some]) for some in (full, short, scaled)]
    there = np.isfinite(flat[0]) & (flat[0] != 0)
    underflow, underflow_scaled = (_share(g[there] == 0) for g in flat[1:])
    overflow, overflow_scaled = (_share(~np.isfinite(g[np.isfinite(flat[0])])) for g in flat[1:])
    weights, updates, slots = _next_update(model, full)
    size = sum(w.size for w in weights)
    memory = {
        name: Memory(
            weights=sum(w.nbytes for w in weights) / size,
            gradients=sum(g.nbytes for g in gradients) / size,
            optimizer=slots / size,
            activations=_bytes_each(outputs),
        )
        for name, outputs, gradients in (
            ("float32", full_outputs, full),
            (policy, short_outputs, short),
        )
    }
    return PrecisionReport(
        policy=policy,
        scale=scale,
        gradients=int(there.sum()),
        underflow=underflow,
        underflow_scaled=underflow_scaled,
        overflow=overflow,
        overflow_scaled=overflow_scaled,
        swallowed=_swallowed(weights, updates, policy.removeprefix("mixed_")),
        memory=memory,
    )


def _batch(model, data) -> tuple:
    import keras

    if not getattr(model, "compiled", False):
        raise ValueError(
            f"The model must be compiled: its loss is needed. Received: {type(model).__name__}"
        )
    if any(layer.dtype_policy.quantization_mode for layer in model._flatten_layers()):
        raise ValueError("A quantized model does not train. Received: quantized layers.")
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        raise ValueError(
            "`data` must be one batch, (x, y) or (x, y, sample_weight). "
            f"Received: {type(data).__name__}. Of a dataset: next(iter(dataset))."
        )
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(tuple(data))
    leaves = [leaf for leaf in keras.tree.flatten((x, y)) if leaf is not None]
    same_rows(**{f"data[{index}]": leaf for index, leaf in enumerate(leaves)})
    x = keras.tree.map_structure(_as_fit_does, x)
    if not model.built:
        model(x)
    return x, y, sample_weight


def _as_fit_does(x):
    import keras

    x = keras.ops.convert_to_tensor(x)
    floating = "float" in keras.backend.standardize_dtype(x.dtype)
    return keras.ops.cast(x, keras.config.floatx()) if floating else x


@contextlib.contextmanager
def _computing_in(model, policy):
    """Let the layers compute under a policy, those of the outputs in float32, and put it back."""
    import keras

    layers = [
        layer for layer in model._flatten_layers() if not isinstance(layer, keras.layers.InputLayer)
    ]
    before = [layer.dtype_policy for layer in layers]
    last = [operation for operation, _ in outputs_of(model)]
    try:
        for layer in layers:
            layer.dtype_policy = "float32" if any(layer is one for one in last) else policy
        yield
    finally:
        for layer, its_policy in zip(layers, before, strict=True):
            layer.dtype_policy = its_policy


def _backward(model, policy, batch, scale=1.0) -> tuple[list, list[np.ndarray]]:
    """Return the layers' outputs, and the gradients of the loss times the scale."""
    import keras

    x, y, sample_weight = batch
    variables = model.trainable_variables
    training = {"training": True} if model._call_has_training_arg else {}

    def scaled_loss(values):
        mapping = list(zip(variables, values, strict=True))
        # Nothing in the model changes: neither moving statistics nor seeds nor metrics.
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
            y_pred = model(x, **training)
            return model.compute_loss(x, y, y_pred, sample_weight, training=True) * scale

    with _computing_in(model, policy):
        gradients = _gradients(scaled_loss, _values(variables))
        outputs = _layer_outputs(model, x)
    return outputs, [
        np.zeros(v.shape, v.dtype) if g is None else keras.ops.convert_to_numpy(g)
        for v, g in zip(variables, gradients, strict=True)
    ]


def _gradients(function, values):
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(values)
        gradients = tape.gradient(result, values)
        return [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    import jax

    return jax.grad(function)(values)


def _values(variables) -> list:
    import keras

    return [keras.ops.convert_to_tensor(keras.ops.convert_to_numpy(v)) for v in variables]


def _layer_outputs(model, x) -> list | None:
    import keras

    if not getattr(model, "outputs", None):
        return None  # subclassed: its layers' outputs are not known from outside
    nodes = keras.Model(model.inputs, model.outputs)._nodes_by_depth.values()
    tensors = [t for some in nodes for node in some if not node.is_input for t in node.outputs]
    with keras.StatelessScope():
        return keras.tree.flatten(keras.Model(model.inputs, tensors)(x, training=True))


def _bytes_each(outputs) -> float | None:
    import keras

    if outputs is None:
        return None
    numbers = [
        (int(np.prod(out.shape)), keras.backend.standardize_dtype(out.dtype)) for out in outputs
    ]
    size = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
    numbers = [(count, size[dtype]) for count, dtype in numbers if dtype in size]
    return sum(count * each for count, each in numbers) / sum(count for count, _ in numbers)


def _next_update(model, gradients) -> tuple[list, list, int]:
    """Return the weights, what a copy of the optimizer adds to them, and its slots' bytes."""
    import keras

    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    twin = type(optimizer).from_config(optimizer.get_config())
    variables = model.trainable_variables
    weights = [keras.ops.convert_to_numpy(v) for v in variables]
    copies = [
        keras.Variable(w, dtype=v.dtype, name=v.name)
        for v, w in zip(variables, weights, strict=True)
    ]
    twin.build(copies)
    if optimizer.built:
        for own, its in zip(twin.variables, optimizer.variables, strict=True):
            own.assign(its)
    twin.apply([keras.ops.convert_to_tensor(g) for g in gradients], copies)
    updates = [keras.ops.convert_to_numpy(c) - w for c, w in zip(copies, weights, strict=True)]
    slots = [v for v in twin.variables if len(v.shape)]
    return weights, updates, sum(keras.ops.convert_to_numpy(v).nbytes for v in slots)


def _swallowed(weights, updates, dtype) -> float:
    import keras

    stays = []
    for weight, update in zip(weights, updates, strict=True):
        before, step = keras.ops.cast(weight, dtype), keras.ops.cast(update, dtype)
        same = keras.ops.convert_to_numpy(keras.ops.equal(keras.ops.add(before, step), before))
        stays.append(same[update != 0])
    return _share(np.concatenate(stays))


def _share(hits) -> float:
    return float(hits.mean()) if len(hits) else 0.0
