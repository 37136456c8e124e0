"""A model with one output for each loss: its prediction, times a matrix that starts as identity."""

import keras
from loss_cases import CASES

ROWS = 8
DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def data(cases=CASES, rows=ROWS):
    """Inputs and labels of every head."""
    x, y = {}, {}
    for case in cases:
        y[case.head], inputs = case.batch(seed=7, rows=rows)
        x[case.head] = inputs[:, None] if inputs.ndim == 1 else inputs
    return x, y


def build(policy="float32", cases=CASES, **loss_arguments):
    """Compile the model; plain gradient descent, so that weights show the gradients."""
    inputs, outputs = {}, {}
    for name, array in data(cases)[0].items():
        inputs[name] = keras.Input(array.shape[1:], name=name)
        layer = keras.layers.Dense(
            array.shape[-1],
            use_bias=False,
            kernel_initializer="identity",
            dtype=policy,
            name=f"{name}_matrix",
        )
        outputs[name] = layer(inputs[name])
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16.0)
    made = {case.head: case.make(**loss_arguments) for case in cases}
    model.compile(optimizer, made, jit_compile=False)
    return model


def expected_losses(policy="float32", cases=CASES) -> dict[str, float]:
    """The means by the references, of predictions rounded as the policy rounds them."""
    x, y = data(cases)
    found = {}
    for case in cases:
        dtype = DTYPES[policy]
        rounded = keras.ops.cast(keras.ops.cast(x[case.head], dtype), "float32")
        values = case.expected(y[case.head], keras.ops.convert_to_numpy(rounded))
        found[case.head] = values[case.counting(y[case.head], values)].mean()
    return found
