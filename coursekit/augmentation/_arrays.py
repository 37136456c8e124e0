"""What the functions on numbers share: tensors in and out, and the seeds of their draws."""

import keras
import numpy as np
from keras import ops

from coursekit._checks import brief, is_int, refuse_masked, require

NUMBERS = "What is augmented must be real numbers."


def to_tensor(x):
    """Return x as a tensor of floats."""
    if type(x).__module__.startswith("tensorflow") and keras.backend.backend() != "tensorflow":
        raise ValueError(
            "A TensorFlow tensor can be augmented on the TensorFlow backend only. "
            f"Received: {type(x).__name__} on {keras.backend.backend()}. Augment NumPy arrays, "
            "before they go into a dataset."
        )
    refuse_masked("x", x)
    if not ops.is_tensor(x):
        x = np.asarray(x)
        require(x.dtype.kind in "fiub" or x.dtype.name == "bfloat16", NUMBERS, dtype=x.dtype.name)
    x = ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    if keras.backend.is_float_dtype(dtype):
        return x
    require(keras.backend.is_int_dtype(dtype) or dtype == "bool", NUMBERS, dtype=dtype)
    return ops.cast(x, keras.config.floatx())


def like(result, x):
    """Return the result as NumPy array, unless x was a tensor."""
    return result if ops.is_tensor(x) else ops.convert_to_numpy(result)


def draws(seed, count: int) -> list:
    """Return a seed for each of several independent draws."""
    if isinstance(seed, keras.random.SeedGenerator):
        return [seed] * count  # it moves on at each draw
    if not is_int(seed) or seed < 0:
        raise ValueError(
            "`seed` must be an integer of at least 0 or a keras.random.SeedGenerator. "
            f"Received: seed={brief(seed)}"
        )
    return [int(one) for one in np.random.SeedSequence(int(seed)).generate_state(count) >> 1]
