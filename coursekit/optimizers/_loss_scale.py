"""Loss scaling that looks at every replica, and whose scale stays within bounds."""

from collections.abc import Sequence
from typing import Any

import keras

from coursekit._checks import count, number, require
from coursekit._optimizers import MAX_SCALE, MIN_SCALE, bound_scale, bounded


@keras.saving.register_keras_serializable(package="coursekit")
class SafeLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Dynamic loss scaling for float16, on one device and on many.

    ```
    all gradients finite:   step with gradients / scale;  after `dynamic_growth_steps` of them in
                            a row   scale <- min(2 * scale, max_scale)
    else:                   no step, `iterations` stays;  scale <- max(scale / 2, min_scale)
    ```

    With `keras.optimizers.LossScaleOptimizer` (3.13 to 3.15) it shares arguments, variables and
    numbers, but for two defects. Under a `tf.distribute` strategy that one looks at the gradients
    of the first replica only: an overflow on another is applied, and the weights become infinite.
    And its scale has no bounds: after 200 steps with NaN it is 0, and the next good step divides by
    it and makes all weights NaN.

    `compile` wraps the optimizer of a mixed_float16 model in Keras's: pass
    `SafeLossScaleOptimizer(optimizer)` to have this one. On replicas a
    `coursekit.distribution.step.ReplicaModel` looks at all of them, and keeps the bounds.

    Args:
        inner_optimizer: the optimizer that makes the steps. Set clipping and weight decay on it: it
            gets the unscaled gradients. (On replicas, Keras's clipping needs a `ReplicaModel`.)
        initial_scale: the first scale, from `min_scale` to `max_scale`. Defaults to 32768.
        dynamic_growth_steps: finite steps in a row before the scale doubles. Defaults to 2000.
        min_scale: the scale does not fall below this, greater than 0. Defaults to 1.
        max_scale: the scale does not grow beyond this. Defaults to 2 ** 24.
        name: of the optimizer.
        **kwargs: only those that files of older Keras versions hold.

    Raises:
        TypeError: if `inner_optimizer` is not a Keras optimizer.
        ValueError: if it scales the loss itself, or for numbers out of range.

    Numerics: powers of two scale without rounding. Near an overflow N replicas may make a step that
    one device skips, since each sums the gradients of fewer rows in float16. A loss that is NaN in
    every step keeps the scale at `min_scale` and the weights as they are:
    `keras.callbacks.TerminateOnNaN` ends such a run.

    Example:
        >>> weight = keras.Variable(1.0)
        >>> optimizer = SafeLossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=8.0)
        >>> for gradient in (float("inf"), 4.0):  # 4 is 1 times the scale of then
        ...     optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        >>> float(weight), float(optimizer.dynamic_scale), int(optimizer.iterations)
        (0.5, 4.0, 1)

    References:
        Micikevicius et al., Mixed Precision Training, arXiv 1710.03740, section 3.2.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        min_scale: float = MIN_SCALE,
        max_scale: float = MAX_SCALE,
        name: str | None = None,
        **kwargs: Any,
    ):
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
            raise TypeError(
                "`inner_optimizer` must be a Keras optimizer. Received: inner_optimizer="
                f"{inner_optimizer!r}. For one by name: keras.optimizers.get('adam')."
            )
        twice = isinstance(inner_optimizer, keras.optimizers.LossScaleOptimizer)
        if twice or inner_optimizer.loss_scale_factor:
            raise ValueError(
                "The loss is scaled once. Received: an inner_optimizer that scales it already, "
                f"{type(inner_optimizer).__name__}"
                f"(loss_scale_factor={inner_optimizer.loss_scale_factor}). Pass the plain one."
            )
        scales = {"min_scale": min_scale, "initial_scale": initial_scale, "max_scale": max_scale}
        low, first, high = (number(name, scale, above=0) for name, scale in scales.items())
        rule = "Scales must be min_scale <= initial_scale <= max_scale."
        require(low <= first <= high, rule, **scales)
        steps = count("dynamic_growth_steps", dynamic_growth_steps)
        super().__init__(inner_optimizer, first, steps, name, **kwargs)
        self.min_scale, self.max_scale = low, high

    def apply(
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ):
        """Make a step with the gradients of the scaled loss, or skip it."""
        super().apply(grads, trainable_variables)
        bound_scale(self)

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Any],
        grads: Sequence[Any],
        trainable_variables: Sequence[Any],
    ):
        """`apply` for JAX: return the new weights and the new optimizer variables."""
        weights, own = super().stateless_apply(optimizer_variables, grads, trainable_variables)
        scale = next(i for i, v in enumerate(self.variables) if v is self.dynamic_scale)
        return weights, [bounded(self, v) if i == scale else v for i, v in enumerate(own)]

    def check_finite(self, grads: Sequence[Any]):
        """Return whether the gradients are finite, on every replica."""
        finite = super().check_finite(grads)
        if keras.backend.backend() != "tensorflow":
            return finite
        import tensorflow as tf

        if not tf.distribute.has_strategy():
            return finite
        not_finite = tf.cast(tf.logical_not(finite), "float32")
        return tf.distribute.get_replica_context().all_reduce("SUM", not_finite) == 0

    def get_config(self):
        """Return the arguments; the scale of now is among the variables."""
        bounds = {"min_scale": self.min_scale, "max_scale": self.max_scale}
        return super().get_config() | bounds
