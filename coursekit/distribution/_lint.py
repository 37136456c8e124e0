"""What goes wrong on several replicas, said before it does. TensorFlow backend."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from coursekit._findings import Finding
from coursekit.distribution._strategies import clashes

STEP = "Build the model as a `coursekit.distribution.step.ReplicaModel`."


def lint(model: Any) -> list[Finding]:
    """Say what fails, or is silently wrong, when this model is trained on several replicas.

    It looks at the compiled model, not at the data: `static_batches` does that, and `parity`
    trains. What `coursekit.distribution.step` cures is not reported for its models.

    Args:
        model: a compiled Keras model, under a strategy or not.

    Returns:
        A list of `Finding`, empty if nothing is known to go wrong. On JAX, where
        `keras.distribution` splits the very same program, it is empty.

    Raises:
        ValueError: if the model is not compiled.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(clipnorm=1.0), "mse", jit_compile=False)
        >>> [(finding.rule, finding.effect) for finding in lint(model)]
        [('clipping', 'wrong')]
    """
    import keras

    if not getattr(model, "compiled", False) or model.optimizer is None:
        raise ValueError(
            "`lint` needs a compiled model: optimizer and loss matter. Received: "
            f"{type(model).__name__}"
        )
    if keras.backend.backend() != "tensorflow":
        return []
    cured = getattr(model, "is_replica_correct", False)
    found = [*_of_compile(model), *_of_optimizer(model.optimizer, cured), *_of_layers(model)]
    if not cured:
        found += [*_of_methods(model), *_of_losses(model)]
    return found


def _of_compile(model) -> Iterator[Finding]:
    import tensorflow as tf

    strategy = model.distribute_strategy
    workers = (
        tf.distribute.MultiWorkerMirroredStrategy,
        tf.distribute.ParameterServerStrategy,
    )
    if isinstance(strategy, workers) and strategy.num_replicas_in_sync > 1:
        yield Finding(
            "strategy",
            "fails",
            f"`fit` of Keras 3 does not run under a {type(strategy).__name__} of several workers.",
            "Train with `coursekit.distribution.workers.fit_on_workers`, or on JAX with "
            "`keras.distribution`.",
        )
    if clashes(strategy):
        yield Finding(
            "strategy",
            "fails",
            "Another MirroredStrategy has trained in this process. TensorFlow numbers the messages "
            "between devices alike for both, and would mix them up.",
            "Build the model under that one, or make a new MirroredStrategy now, and the model "
            "under it.",
        )
    if model.steps_per_execution > 1:
        yield Finding(
            "steps_per_execution",
            "fails",
            f"steps_per_execution={model.steps_per_execution} stops at a placeholder without value "
            "(a loop over the replicas' iterators).",
            "Leave it at 1: it changes speed, not numbers.",
        )
    if model.run_eagerly:
        yield Finding(
            "run_eagerly",
            "fails",
            "TensorFlow pairs the replicas' eager operations by the order in which their threads "
            "arrive: now and then the wrong ones, and training stops or hangs.",
            "Leave `run_eagerly` off; look into a step on one device.",
        )
    if model.jit_compile is True:
        yield Finding(
            "jit_compile",
            "fails",
            "XLA compiles a step for one device, and the step reaches for all replicas' variables.",
            "Compile with `jit_compile=False`; 'auto' does so under a strategy.",
        )


def _of_optimizer(optimizer, cured) -> Iterator[Finding]:
    import keras

    from coursekit._optimizers import parts_of
    from coursekit.optimizers import OrthantwiseL1, SafeLossScaleOptimizer

    name = type(optimizer).__name__
    for part in parts_of(optimizer):
        for clip in ("clipnorm", "global_clipnorm", "clipvalue"):
            if getattr(part, clip) and not cured:
                yield Finding(
                    "clipping",
                    "wrong",
                    f"Keras applies {clip}={getattr(part, clip)} on each replica, to its part of "
                    "the gradient, before the parts are summed: the threshold is too high.",
                    STEP,
                )
        for branch in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
            if getattr(part, branch) and (not cured or part is not optimizer):
                yield Finding(
                    branch,
                    "fails",
                    "Keras decides inside a replica whether to update, and stops with "
                    "'`merge_call` called while defining a new graph or a tf.function'.",
                    STEP if part is optimizer else f"Not together with {name}.",
                )
    if name == "ScheduleFreeAdamW" and not optimizer.built:
        yield Finding(
            name,
            "differs",
            "Replicas are right. One device is not: when `fit` builds this optimizer, Keras loses "
            "its copy of the first weights, and the first step starts from 0.",
            "Call `model.optimizer.build(model.trainable_variables)` before `fit`.",
        )
    if isinstance(optimizer, OrthantwiseL1):
        yield Finding(
            name,
            "fails",
            "It needs the whole gradient, and each replica has a part of it.",
            "Train on one device.",
        )
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scales and not isinstance(optimizer, SafeLossScaleOptimizer) and not cured:
        yield Finding(
            "loss scaling",
            "wrong",
            f"{name} looks for an overflow on the first replica only: one on another is applied.",
            f"{STEP[:-1]}, or wrap the optimizer in a `SafeLossScaleOptimizer`.",
        )


def _of_layers(model) -> Iterator[Finding]:
    import keras

    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            if layer.trainable and not layer.synchronized:
                yield Finding(
                    layer.name,
                    "differs",
                    "BatchNormalization takes mean and variance of the rows of one replica, which "
                    "is batch normalization with a smaller batch.",
                    "`BatchNormalization(synchronized=True)` takes those of all.",
                )
        elif _is_random(layer):
            yield Finding(
                layer.name,
                "differs",
                "All replicas draw the same random numbers: row 1 of each gets the same mask. The "
                "noise is as strong as on one device, and not the same.",
                "Harmless for most; compare such a training over seeds, not to the digit.",
            )
        if layer.activity_regularizer is not None and _sums_over_rows():
            yield Finding(
                layer.name,
                "wrong",
                f"`activity_regularizer` of Keras {keras.__version__} is a sum over the rows, of "
                "which replicas take the mean: the penalty is too small.",
                "Update Keras, or call `self.add_loss` with a mean over the rows.",
            )


def _is_random(layer) -> bool:
    if getattr(layer, "seed_generator", None) is None:
        return False
    if hasattr(layer, "recurrent_dropout"):  # such cells always have a generator
        return bool(layer.dropout or layer.recurrent_dropout)
    return True


def _sums_over_rows() -> bool:
    """Whether two equal rows are penalised twice as much as one. Keras changed it in 3.14."""
    import keras

    layer = keras.layers.ActivityRegularization(l2=1.0)
    layer(np.ones((2, 1), "float32"))
    return float(layer.losses[0]) > 1.5


def _of_methods(model) -> Iterator[Finding]:
    import keras

    if type(model).train_step is not keras.Model.train_step:
        yield Finding(
            "train_step",
            "unknown",
            "Your own `train_step` runs on each replica with its rows only; what it divides by and "
            "when it clips cannot be seen from outside.",
            "Compare it with `parity`.",
        )
    if type(model).compute_loss is not keras.Model.compute_loss:
        yield Finding(
            "compute_loss",
            "wrong",
            "Keras divides its own losses by the number of replicas. It does not divide yours: a "
            "mean in `compute_loss` counts once per replica.",
            STEP,
        )


def _of_losses(model) -> Iterator[Finding]:
    import keras

    compiled = model._compile_loss
    losses = keras.tree.flatten(compiled._user_loss) if compiled is not None else []
    for loss in losses:
        if loss is None:
            continue
        loss = keras.losses.get(loss)
        name = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
        for reason, cure in _of_values(loss, model):
            yield Finding(name, "wrong", reason, cure)
        if getattr(loss, "reduction", None) == "mean_with_sample_weight":
            yield Finding(
                name,
                "wrong",
                "`mean_with_sample_weight` divides by the weights on each replica: a mean of "
                "ratios, which is not the ratio.",
                STEP,
            )
    masked = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if getattr(layer, "mask_zero", False) or isinstance(layer, keras.layers.Masking)
    ]
    if masked and losses:
        yield Finding(
            masked[0],
            "wrong",
            "The mask hides another number of steps on each replica, and each divides by its own.",
            STEP,
        )


def _of_values(loss, model) -> Iterator[tuple[str, str]]:
    """Say what is wrong (and the cure) with the values that a loss gives for made-up rows."""
    values, apart = _together_and_apart(loss, model)
    if values is None:
        return
    if len(values.shape) == 0:
        yield (
            "This loss is one number for all rows. Keras does not divide it by the number of "
            "replicas: gradients and the logged loss count once per replica.",
            f"Return one value per row, or: {STEP}",
        )
        return
    gathers = getattr(loss, "arguments", {}).get("gather_replicas")
    if not gathers and not np.allclose(values, apart, rtol=1e-4, atol=1e-6, equal_nan=True):
        yield (
            "This loss compares the rows of a batch, and each replica compares its own only.",
            f"For a loss of coursekit `gather_replicas=True`, or: {STEP}",
        )
    elif getattr(values, "_keras_mask", None) is not None:
        yield (
            "Labels that do not count are another number on each replica, and each divides by its "
            "own.",
            STEP,
        )


def _together_and_apart(loss, model):
    """Return the values of a loss for eight rows, and for each half of them; None if it fails."""
    import keras

    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    tensor = keras.ops.convert_to_tensor
    ids, rng = np.arange(8) % 2, np.random.default_rng(0)
    shapes = [tuple(out.shape[1:]) for out in getattr(model, "outputs", None) or []]
    for shape in shapes or [(3,)]:
        y_pred = rng.uniform(0.1, 0.9, (8, *(size or 2 for size in shape))).astype("float32")
        labels = np.broadcast_to(ids.reshape(8, *[1] * max(0, len(shape) - 1)), y_pred.shape[:-1])
        for y_true in (y_pred, np.array(labels), ids):
            try:
                whole, first, second = (
                    call(tensor(y_true[rows]), tensor(y_pred[rows]))
                    for rows in (slice(8), slice(4), slice(4, 8))
                )
                apart = keras.ops.concatenate([first, second]) if len(whole.shape) else None
            except Exception:  # labels of another kind
                continue
            return whole, apart
    return None, None
