"""The training loop in the open: what `fit` does, in forty lines. TensorFlow and JAX.

```
run = train_until(model, batches, loss_fn, optimizer, max_epochs=50, tolerance=1e-3)
run.losses, run.reason      # [0.92, 0.41, ...], "converged"
```

It gives the same weights as `model.fit(..., shuffle=False)` on the same batches. For real work use
`fit`, which adds callbacks, metrics, devices and sample weights. How a loss is called: `_loss.py`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras

from coursekit._checks import brief, count, number, refuse_masked, require, same_rows
from coursekit.training._jax_step import jax_step
from coursekit.training._loss import check_shapes, checked_loss


class Run(NamedTuple):
    """What a training run left behind."""

    losses: list[float]
    validation_losses: list[float]
    reason: str  # "max_epochs", "converged", "no_improvement" or "not_finite"


def train_one_epoch(
    model: keras.Model,
    batches: Iterable[tuple[Any, Any]],
    loss_fn: str | Callable,
    optimizer: keras.optimizers.Optimizer,
) -> float:
    r"""Train for one pass over the batches and return the mean loss over the rows.

    ```
    loss = sum_b n_b * L_b / sum_b n_b
    ```

    where L_b is the loss of batch b and n_b its number of rows: the number that `fit` reports. (The
    mean of the L_b alone is wrong as soon as the last batch is smaller.)

    Args:
        model: a built Keras model. Its regularization losses count (`model.losses`).
        batches: pairs (x, y).
        loss_fn: what `compile` takes for one output: a `keras.losses.Loss`, a function
            `loss_fn(y_true, y_pred)`, or a name such as "mse".
        optimizer: a Keras optimizer.

    Returns:
        The mean loss as a float, each batch measured before its update.

    Raises:
        TypeError: for what is no model, or no optimizer.
        ValueError: for no batch, a batch that is no pair of as many rows, a model without weights,
            and a loss that takes targets of shape (n,) and outputs of shape (n, 1) for another
            pair than (n, 1) and (n, 1).

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
    model: keras.Model,
    batches: Iterable[tuple[Any, Any]],
    loss_fn: str | Callable,
    optimizer: keras.optimizers.Optimizer,
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
        loss_fn: as in `train_one_epoch`.
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
        TypeError, ValueError: as in `train_one_epoch`; for arguments out of range, `patience`
            without `validation`, and batches that can be looped over only once.
    """
    max_epochs = count("max_epochs", max_epochs)
    tolerance = number("tolerance", tolerance, least=0)
    if patience is not None:
        patience = count("patience", patience)
        require(
            validation is not None,
            "`patience` needs `validation=(x, y)`.",
            patience=patience,
            validation=None,
        )
    if validation is not None:
        validation = _pair("validation", validation)
    if isinstance(batches, Iterator):
        raise ValueError(
            "`batches` must give its batches again in every epoch. Received an iterator, empty "
            "after one pass: put it into a list, or use a tf.data.Dataset."
        )
    step, loss_fn = _compiled_step(model, loss_fn, optimizer), checked_loss(loss_fn)
    run = Run([], [], "max_epochs")
    for _ in range(max_epochs):
        run.losses.append(_epoch(step, batches))
        if validation is not None:
            predicted = model(validation[0], training=False)
            loss = loss_fn(validation[1], predicted)
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
    for name, value, kind in (
        ("model", model, keras.Model),
        ("optimizer", optimizer, keras.optimizers.Optimizer),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"`{name}` must be a Keras {name}. Received: {name}={brief(value)}")
    backend = keras.backend.backend()
    require(
        backend in ("tensorflow", "jax"),
        "The loop in the open is written for the TensorFlow and the JAX backend.",
        "Use `fit`",
        backend=backend,
    )
    require(
        bool(model.trainable_variables),
        "`model` must be built, and have trainable weights.",
        "Give it a `keras.Input`, or call it on a batch",
        model=model.name,
    )
    loss_fn = checked_loss(loss_fn)
    step_of_backend = jax_step if backend == "jax" else _tensorflow_step
    update = step_of_backend(model, loss_fn, optimizer)
    seen = set()

    def step(x, y):
        shapes = (x.shape, y.shape)
        if shapes not in seen:  # before the first update on rows like these
            seen.add(shapes)
            with keras.StatelessScope():  # the seeds stay where `fit` would have them
                predicted = model(x, training=False)
            check_shapes(loss_fn, y, predicted)
        return update(x, y)

    return step


def _tensorflow_step(model, loss_fn, optimizer) -> Callable:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def update(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True)) + sum(model.losses)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return update


def _epoch(step, batches) -> float:
    mean = keras.metrics.Mean()
    for batch in batches:
        x, y = _pair("batches", batch)
        mean.update_state(step(x, y), sample_weight=x.shape[0])
    if not float(mean.count):
        raise ValueError("`batches` holds no batch. Received an empty iterable.")
    return float(mean.result())


def _pair(name, pair):
    """Return x and y as tensors of as many rows."""
    require(
        isinstance(pair, tuple | list) and len(pair) == 2,
        f"`{name}` must hold pairs (x, y)." if name == "batches" else f"`{name}` must be (x, y).",
        received=type(pair).__name__,
        length=len(pair) if hasattr(pair, "__len__") else None,
    )
    for part, one in zip("xy", pair, strict=True):
        refuse_masked(part, one)
    x, y = (keras.ops.convert_to_tensor(one) for one in pair)
    same_rows(x=x, y=y)
    return x, y
