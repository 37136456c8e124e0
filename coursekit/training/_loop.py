"""The training loop in the open: what `fit` does, in forty lines. TensorFlow backend.

```
run = train_until(model, batches, loss_fn, optimizer, max_epochs=50, tolerance=1e-3)
run.losses, run.reason      # [0.92, 0.41, ...], "converged"
```

It gives the same weights as `model.fit(..., shuffle=False)` on the same batches. For real work use
`fit`, which adds callbacks, metrics, devices and sample weights.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple


class Run(NamedTuple):
    """What a training run left behind."""

    losses: list[float]
    validation_losses: list[float]
    reason: str


def train_one_epoch(model, batches: Iterable, loss_fn: Callable, optimizer) -> float:
    r"""Train for one pass over the batches and return the mean loss over the rows.

    ```
    loss = sum_b n_b * L_b / sum_b n_b
    ```

    where L_b is the loss of batch b and n_b its number of rows: the number that `fit` reports. (The
    mean of the L_b alone is wrong as soon as the last batch is smaller.)

    Args:
        model: a built Keras model. Its regularization losses count (`model.losses`).
        batches: pairs (x, y).
        loss_fn: `loss_fn(y_true, y_pred)`, the mean over a batch, such as a `keras.losses.Loss`.
        optimizer: a Keras optimizer.

    Returns:
        The mean loss as a float, each batch measured before its update.

    Raises:
        ValueError: if there is no batch.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.zeros((1, 1))])
        >>> batches = [(np.ones((2, 1)), np.ones((2, 1))), (np.ones((1, 1)), np.zeros((1, 1)))]
        >>> loss = train_one_epoch(
        ...     model, batches, keras.losses.MeanSquaredError(), keras.optimizers.SGD(0.25)
        ... )
        >>> round(loss, 4)  # (2 * 1.0 + 1 * 0.5 ** 2) / 3
        0.75
    """
    return _epoch(_compiled_step(model, loss_fn, optimizer), batches)


def train_until(
    model,
    batches: Iterable,
    loss_fn: Callable,
    optimizer,
    *,
    max_epochs: int,
    tolerance: float = 0.0,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
) -> Run:
    """Train until one of the reasons to stop holds, and say which.

    Args:
        model: a built Keras model, as in `train_one_epoch`.
        batches: pairs (x, y), looped over anew in each epoch: a list or a `tf.data.Dataset`.
        loss_fn: `loss_fn(y_true, y_pred)`, the mean over a batch.
        optimizer: a Keras optimizer.
        max_epochs: at least 1; reason "max_epochs".
        tolerance: stop when the training loss changes by less from one epoch to the next; reason
            "converged". 0 never stops.
        validation: a pair (x, y) whose loss is measured after each epoch, in inference mode and in
            one batch, with the model's penalties, as `fit` does.
        patience: stop after so many epochs without a better validation loss; reason
            "no_improvement". The weights stay those of the last epoch.

    Returns:
        A `Run`: the losses by epoch, and the reason. A loss that is not finite ends the run too,
        with reason "not_finite".

    Raises:
        ValueError: for arguments out of range, `patience` without `validation`, or batches that
            can be looped over only once.
    """
    if not isinstance(max_epochs, int) or max_epochs < 1:
        raise ValueError(f"`max_epochs` must be at least 1. Received: max_epochs={max_epochs}")
    if tolerance < 0:
        raise ValueError(f"`tolerance` must not be negative. Received: tolerance={tolerance}")
    if patience is not None and (patience < 1 or validation is None):
        raise ValueError(
            "`patience` must be at least 1 and needs `validation=(x, y)`. "
            f"Received: patience={patience}, validation={validation}"
        )
    if isinstance(batches, Iterator):
        raise ValueError(
            "`batches` must give its batches again in every epoch. Received an iterator, empty "
            "after one pass: put it into a list, or use a tf.data.Dataset."
        )
    step = _compiled_step(model, loss_fn, optimizer)
    run = Run([], [], "max_epochs")
    for _ in range(max_epochs):
        run.losses.append(_epoch(step, batches))
        if validation is not None:
            loss = loss_fn(validation[1], model(validation[0], training=False))
            run.validation_losses.append(float(loss + sum(model.losses)))
        reason = _reason(run, tolerance, patience)
        if reason:
            return run._replace(reason=reason)
    return run


def _reason(run: Run, tolerance: float, patience: int | None) -> str:
    """The convergence check: why to stop now, or an empty string."""
    losses, validation = run.losses, run.validation_losses
    if not math.isfinite(losses[-1]):
        return "not_finite"
    if len(losses) > 1 and abs(losses[-2] - losses[-1]) < tolerance:
        return "converged"
    if patience is not None:
        ranks = [(math.isnan(loss), loss) for loss in validation]  # NaN is never the best
        best = ranks.index(min(ranks))
        if len(validation) - 1 - best >= patience:
            return "no_improvement"
    return ""


def _compiled_step(model, loss_fn, optimizer) -> Callable:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True)) + sum(model.losses)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def _epoch(step, batches) -> float:
    import keras

    mean = keras.metrics.Mean()
    for x, y in batches:
        x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
        mean.update_state(step(x, y), sample_weight=x.shape[0])
    if not float(mean.count):
        raise ValueError("`batches` holds no batch. Received an empty iterable.")
    return float(mean.result())
