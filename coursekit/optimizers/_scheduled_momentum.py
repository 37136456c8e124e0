"""Gradient descent whose momentum moves during training."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import switch
from coursekit.optimizers._moving import MovingOptimizer


@keras.saving.register_keras_serializable(package="coursekit")
class ScheduledMomentumSGD(MovingOptimizer):
    """Gradient descent with momentum that a schedule, or a callback, moves.

    ```
    v <- momentum(t) * v - learning_rate(t) * gradient
    w <- w + v                                                    nesterov=False
    w <- w + momentum(t) * v - learning_rate(t) * gradient        nesterov=True
    ```

    With a constant momentum this is `keras.optimizers.SGD(momentum=...)`. That one reads its
    momentum once, when the step is traced: to set `optimizer.momentum` later changes nothing in
    `fit`, without a word (Keras 3.13 to 3.15), and a schedule is refused. Here momentum is read in
    every step: from the schedule, at the same counter as the learning rate, or as it was set.

    The learning rate is inside the velocity, as in Keras's SGD. When it drops, what was gathered at
    the old rate moves on at the old size. PyTorch keeps it outside, `v <- momentum * v + gradient;
    w <- w - learning_rate * v`, and rescales all of the velocity at once: equal at a constant rate,
    different under a schedule.

    Args:
        learning_rate: a float or a schedule. Defaults to 0.01.
        momentum: a number from 0 to 1, or a schedule: of `OneCycle.momentum()`, or any
            `LearningRateSchedule` with values from 0 to 1. Defaults to 0.9.
        nesterov: whether the step looks ahead along the velocity. Defaults to False.
        **kwargs: `weight_decay` (decoupled: `w <- w - learning_rate * weight_decay * w`, before the
            step), `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps` and
            `name`, as in `keras.optimizers.SGD`. Where gradients are accumulated, both schedules
            count batches, as Keras's do.

    Raises:
        TypeError: for a function as momentum, and where `momentum` is set although a schedule has
            it.
        ValueError: for a momentum that is no number from 0 to 1, a `nesterov` that is no bool.

    Numerics: the step is computed in the dtype of the weights; skipped steps of
    `LossScaleOptimizer` move neither schedule.

    Example:
        >>> from coursekit.schedules import OneCycle
        >>> rate = OneCycle(0.5, total_steps=10)
        >>> optimizer = ScheduledMomentumSGD(rate, momentum=rate.momentum(high=0.9, low=0.8))
        >>> weight, seen = keras.Variable(1.0), []
        >>> for _ in range(10):
        ...     seen.append(round(float(optimizer.momentum), 2))
        ...     optimizer.apply([2 * weight], [weight])  # the gradient of weight ** 2
        >>> seen
        [0.9, 0.85, 0.8, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.9]

    References:
        Smith, A disciplined approach to neural network hyper-parameters, arXiv 1803.09820;
        Sutskever et al., On the importance of initialization and momentum, ICML 2013.
    """

    _name_of_moving = "momentum"
    _range_of_moving: ClassVar[dict[str, float]] = {"least": 0, "most": 1}

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float | LearningRateSchedule = 0.9,
        nesterov: bool = False,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, momentum, **kwargs)
        self.nesterov = switch("nesterov", nesterov)

    @property
    def momentum(self):
        """The momentum of the next step; a number can be set, also while `fit` runs."""
        return self._now()

    @momentum.setter
    def momentum(self, value: float):
        self._set(value)

    def build(self, variables: Sequence[keras.Variable]):
        """Make a velocity for each variable."""
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Computed once a step, not once a variable.
        both = (learning_rate, ops.convert_to_tensor(self.momentum))
        super()._backend_update_step(grads, trainable_variables, both)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any):
        """Update one variable; `learning_rate` is the pair of learning rate and momentum."""
        learning_rate, momentum = (ops.cast(one, variable.dtype) for one in learning_rate)
        velocity = self.velocities[self._get_variable_index(variable)]
        step = ops.multiply(ops.cast(gradient, variable.dtype), learning_rate)
        self.assign(velocity, ops.subtract(ops.multiply(velocity, momentum), step))
        if self.nesterov:
            step = ops.subtract(ops.multiply(velocity, momentum), step)
            self.assign_add(variable, step)
        else:
            self.assign_add(variable, velocity)

    def get_config(self):
        """Return the arguments; a momentum that was set is saved as it is now."""
        return super().get_config() | {"nesterov": self.nesterov}
