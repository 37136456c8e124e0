"""The same computation on both backends: values, gradients, compiled or not."""

import keras
import numpy as np

JAX = keras.backend.backend() == "jax"


def array(x) -> np.ndarray:
    x = keras.ops.convert_to_tensor(x)
    half = keras.backend.standardize_dtype(x.dtype) == "bfloat16"  # which NumPy does not have
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32") if half else x))


def values_and_gradient(fn, y_true, y_pred):
    """The values of fn, and the gradient of their sum by the predictions, as tensors."""
    if JAX:
        import jax

        def total(p):
            values = fn(y_true, p)
            return values.sum(), values

        (_, values), gradient = jax.value_and_grad(total, has_aux=True)(y_pred)
        return values, gradient
    import tensorflow as tf

    y_pred = tf.convert_to_tensor(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        values = fn(y_true, y_pred)
    return values, tape.gradient(values, y_pred)


def traced(fn):
    """fn as a program of static shapes, on TensorFlow without XLA, which takes a second a loss."""
    if JAX:
        import jax

        return jax.jit(fn)
    import tensorflow as tf

    return tf.function(fn)


def compiled(fn, signature=None):
    """fn, compiled by XLA (with a signature on TensorFlow: a graph whose batch size is open)."""
    if JAX:
        import jax

        return jax.jit(fn)
    import tensorflow as tf

    return tf.function(fn, jit_compile=signature is None, input_signature=signature)
