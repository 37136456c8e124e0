"""Batch sizes and learning rates for several replicas."""

import math
from typing import Any

from coursekit._checks import count, number, require


def global_batch_size(per_replica: int, replicas: int | None = None) -> int:
    """Return the `batch_size` for `fit`, which counts the rows of all replicas together.

    Args:
        per_replica: rows on each replica, at least 1.
        replicas: how many there are. Defaults to those of `runtime()`.

    Raises:
        ValueError: for numbers that are no integers of at least 1.

    Example:
        >>> global_batch_size(32, replicas=2)
        64
    """
    if replicas is None:
        from coursekit.distribution._runtime import runtime

        replicas = runtime().replicas
    return count("per_replica", per_replica) * count("replicas", replicas)


def linear_scaling(learning_rate: float, batch_size: int, base_batch_size: int) -> float:
    r"""Return the learning rate for another batch size, for SGD.

    ```
    learning_rate * batch_size / base_batch_size
    ```

    k times the rows make one step in place of k, so that step is k times as long. That holds while
    the gradient changes little over those k steps: not in the first ones, hence the warmup
    (`coursekit.schedules.Warmup(rate, warmup_steps)`), and not for any k.

    Args:
        learning_rate: what is right for `base_batch_size`, above 0.
        batch_size: the global one, at least 1.
        base_batch_size: the one that `learning_rate` was tuned with, at least 1.

    Raises:
        ValueError: for numbers out of range.

    Example:
        >>> linear_scaling(0.1, batch_size=2048, base_batch_size=256)
        0.8

    References:
        Goyal et al., Accurate, Large Minibatch SGD, arXiv 1706.02677, section 2.1.
    """
    return number("learning_rate", learning_rate, above=0) * _ratio(batch_size, base_batch_size)


def square_root_scaling(learning_rate: float, batch_size: int, base_batch_size: int) -> float:
    r"""Return the learning rate for another batch size, for Adam and its kin.

    ```
    learning_rate * sqrt(batch_size / base_batch_size)
    ```

    Adam divides the gradient by its size, which falls with the square root of the rows as long as
    noise makes up most of it. Warm up as for `linear_scaling`.

    Args:
        learning_rate: what is right for `base_batch_size`, above 0.
        batch_size: the global one, at least 1.
        base_batch_size: the one that `learning_rate` was tuned with, at least 1.

    Raises:
        ValueError: for numbers out of range.

    Example:
        >>> square_root_scaling(0.001, batch_size=1024, base_batch_size=256)
        0.002

    References:
        Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms,
        arXiv 2205.10287.
    """
    ratio = _ratio(batch_size, base_batch_size)
    return number("learning_rate", learning_rate, above=0) * math.sqrt(ratio)


def static_batches(dataset: Any, replicas: int) -> Any:
    """Return the dataset if all its batches suit so many replicas, or a TPU.

    That is: all of one size, which divides by the replicas, with shapes that are known and no text.

    Args:
        dataset: a batched `tf.data.Dataset`.
        replicas: how many there are, at least 1.

    Returns:
        `dataset`, unchanged.

    Raises:
        ValueError: with what to change, if a batch can have another size or shape.

    Example:
        >>> import tensorflow as tf
        >>> batches = tf.data.Dataset.range(10).batch(4, drop_remainder=True)
        >>> static_batches(batches, replicas=2) is batches
        True
    """
    import tensorflow as tf

    replicas = count("replicas", replicas)
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            "`dataset` must be a batched `tf.data.Dataset`. Received: "
            f"{type(dataset).__name__}. Of arrays: `tf.data.Dataset.from_tensor_slices((x, y))"
            ".batch(rows, drop_remainder=True)`."
        )
    for part in tf.nest.flatten(dataset.element_spec):
        shape, dtype = getattr(part, "shape", None), getattr(part, "dtype", None)
        if dtype == tf.string:
            raise ValueError(
                "Text cannot enter a TPU's step. Received: a part of dtype string. Turn it into "
                "numbers with `dataset.map` before."
            )
        if shape is None or shape.rank is None or None in shape.as_list():
            raise ValueError(
                f"All batches must have one shape. Received: {part}. Use "
                "`batch(..., drop_remainder=True)`, and pad what varies."
            )
        if shape.rank == 0 or shape[0] % replicas:
            raise ValueError(
                f"The batch must divide by the replicas. Received: {part} for {replicas} "
                f"replicas. Use `batch({replicas} * rows_per_replica, drop_remainder=True)`."
            )
    return dataset


def check_end(name: str, dataset: Any) -> None:
    """Refuse a `tf.data.Dataset` that is seen to have no batch, or no end."""
    known = int(dataset.cardinality())
    require(known != -1, f"`{name}` must end.", "Use `.take(batches)`", cardinality="infinite")
    require(known != 0, f"`{name}` must have at least one batch.", cardinality=0)


def _ratio(batch_size, base_batch_size) -> float:
    return count("batch_size", batch_size) / count("base_batch_size", base_batch_size)
