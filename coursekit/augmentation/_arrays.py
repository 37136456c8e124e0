"""What the functions on numbers share: tensors in and out, and the seeds of their draws."""

import keras
import numpy as np
from keras import ops


def to_tensor(x):
    """Return x as a tensor of floats."""
    if type(x).__module__.startswith("tensorflow") and keras.backend.backend() != "tensorflow":
        raise ValueError(
            "A TensorFlow tensor can be augmented on the TensorFlow backend only. "
            f"Received: {type(x).__name__} on {keras.backend.backend()}. Augment NumPy arrays, "
            "before they go into a dataset."
        )
    x = ops.convert_to_tensor(x)
    is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))
    return x if is_float else ops.cast(x, keras.config.floatx())


def like(result, x):
    """Return the result as NumPy array, unless x was a tensor."""
    return result if ops.is_tensor(x) else ops.convert_to_numpy(result)


def draws(seed, count: int) -> list:
    """Return a seed for each of several independent draws."""
    if isinstance(seed, keras.random.SeedGenerator):
        return [seed] * count  # it moves on at each draw
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(
            "`seed` must be an integer of at least 0 or a keras.random.SeedGenerator. "
            f"Received: seed={seed!r}"
        )
    return [int(one) for one in np.random.SeedSequence(int(seed)).generate_state(count) >> 1]


def at_least(name: str, value: float, least: float) -> None:
    """Refuse a number that is too small, or none."""
    if not value >= least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
