"""Time series: noise on every value, and a factor for every series."""

from typing import Any

import keras
from keras import ops

from coursekit._checks import number
from coursekit.augmentation._arrays import draws, like, to_tensor


def jitter(x: Any, seed: int | keras.random.SeedGenerator, std: float = 0.03) -> Any:
    """Add independent noise to every value: `x + N(0, std)`.

    Args:
        x: series of shape (batch, time) or (batch, time, channels); any other shape works too.
        seed: an integer, or a `keras.random.SeedGenerator`.
        std: standard deviation of the noise, at least 0, in units of x: standardize first.
            Defaults to 0.03.

    Returns:
        Series of the same shape.

    Raises:
        ValueError: for an `std` that is no finite number of at least 0, and values that are none.

    Example:
        >>> import numpy as np
        >>> copies = jitter(np.ones((10_000, 3)), seed=0, std=0.5)
        >>> copies.mean(axis=0).round(1).tolist(), round(float(copies.std()), 1)
        ([1.0, 1.0, 1.0], 0.5)

    References:
        Um et al., Data augmentation of wearable sensor data, arXiv 1706.00527.
    """
    std = number("std", std, least=0)
    values = to_tensor(x)
    (seed,) = draws(seed, 1)
    noise = keras.random.normal(ops.shape(values), stddev=std, dtype=values.dtype, seed=seed)
    return like(values + noise, x)


def scale(x: Any, seed: int | keras.random.SeedGenerator, std: float = 0.1) -> Any:
    """Multiply each series by one factor: `x * N(1, std)`. Zeros stay zeros.

    Args:
        x: series of shape (batch, time) or (batch, time, channels). All channels of a series get
            the same factor.
        seed: an integer, or a `keras.random.SeedGenerator`.
        std: standard deviation of the factors, at least 0; from about 0.4 on some of them are
            below 0. Defaults to 0.1.

    Returns:
        Series of the same shape.

    Raises:
        ValueError: for an `std` that is no finite number of at least 0, and for a single series
            without a batch axis.

    Example:
        >>> import numpy as np
        >>> series = scale(np.array([[1.0, 0.0, -2.0]]), seed=0)
        >>> bool(series[0, 1] == 0), float(series[0, 2] / series[0, 0])
        (True, -2.0)

    References:
        Um et al., Data augmentation of wearable sensor data, arXiv 1706.00527.
    """
    std = number("std", std, least=0)
    values = to_tensor(x)
    if len(values.shape) < 2:
        raise ValueError(
            "`x` must have a batch axis. "
            f"Received: shape {tuple(values.shape)}. One series alone is x[None]."
        )
    (seed,) = draws(seed, 1)
    shape = (ops.shape(values)[0],) + (1,) * (len(values.shape) - 1)
    return like(values * keras.random.normal(shape, 1.0, std, values.dtype, seed), x)
