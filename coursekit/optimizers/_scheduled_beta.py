"""Adam whose beta_1, its momentum, moves during training."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import number
from coursekit.optimizers._moving import MovingOptimizer


@keras.saving.register_keras_serializable(package="coursekit")
class ScheduledBetaAdam(MovingOptimizer):
    """Adam with a beta_1 that a schedule, or a callback, moves: one cycle for Adam.

    ```
    m <- beta_1(t) * m + (1 - beta_1(t)) * gradient
    v <- beta_2 * v + (1 - beta_2) * gradient ** 2
    w <- w - learning_rate(t) * m_hat / (sqrt(v_hat) + epsilon_hat)

    m_hat = m / (1 - beta_1(1) * beta_1(2) * ... * beta_1(t))        v_hat = v / (1 - beta_2 ** t)
    ```

    With a constant beta_1 this is `keras.optimizers.Adam`, which refuses a schedule for it. m began
    at 0: the weights of the gradients in it sum to 1 minus the product of all beta_1 so far, so
    that gradients of 1 give an m_hat of 1 at every step. PyTorch and fastai, which cycle beta_1
    too, divide by 1 - beta_1(t) ** t, as if the beta_1 of now had held from the start. Over one
    cycle the two differ in the first steps only.

    Args:
        learning_rate: a float or a schedule. Defaults to 0.001.
        beta_1: a number from 0 to below 1, or a schedule: of `OneCycle.momentum()`, or any
            `LearningRateSchedule` with values from 0 to below 1. Defaults to 0.9.
        beta_2: from 0 to below 1. Defaults to 0.999.
        epsilon: at least 0, as in `keras.optimizers.Adam`: `epsilon_hat` is epsilon divided by
            sqrt(1 - beta_2 ** t). Defaults to 1e-7.
        **kwargs: `weight_decay` (decoupled, as AdamW's), `clipnorm`, `clipvalue`,
            `global_clipnorm`, `use_ema`, `ema_momentum`, `ema_overwrite_frequency`,
            `loss_scale_factor`, `gradient_accumulation_steps` and `name`, as in
            `keras.optimizers.Adam`. Where gradients are accumulated, both schedules count batches,
            as Keras's do, and the product has a factor for each update.

    Raises:
        TypeError: for a function as beta_1, and where `beta_1` is set although a schedule has it.
        ValueError: for numbers out of range.

    Numerics: the product is kept in float32 and is exactly 1 before the first step. The step is
    computed in the dtype of the weights; skipped steps of `LossScaleOptimizer` move nothing.

    Example:
        >>> from coursekit.schedules import OneCycle
        >>> rate = OneCycle(0.1, total_steps=10)
        >>> optimizer = ScheduledBetaAdam(rate, beta_1=rate.momentum(high=0.9, low=0.8))
        >>> weight, seen = keras.Variable(1.0), []
        >>> for _ in range(10):
        ...     seen.append(round(float(optimizer.beta_1), 2))
        ...     optimizer.apply([2 * weight], [weight])  # the gradient of weight ** 2
        >>> seen
        [0.9, 0.85, 0.8, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.9]

    References:
        Kingma and Ba, Adam, arXiv 1412.6980, section 3 (the weights in m); Smith, A disciplined
        approach to neural network hyper-parameters, arXiv 1803.09820.
    """

    _name_of_moving = "beta_1"
    _range_of_moving: ClassVar[dict[str, float]] = {"least": 0, "below": 1}

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float | LearningRateSchedule = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        beta_2, epsilon = (
            number("beta_2", beta_2, least=0, below=1),
            number("epsilon", epsilon, least=0),
        )
        super().__init__(learning_rate, beta_1, **kwargs)
        self.beta_2, self.epsilon = beta_2, epsilon
        self._product = self.add_variable(
            shape=(), initializer="ones", aggregation="only_first_replica", name="beta_1_product"
        )

    @property
    def beta_1(self):
        """The beta_1 of the next step; a number can be set, also while `fit` runs."""
        return self._now()

    @beta_1.setter
    def beta_1(self, value: float):
        self._set(value)

    def build(self, variables: Sequence[keras.Variable]):
        """Make both moments for each variable."""
        if self.built:
            return
        super().build(variables)
        self._means = self.add_optimizer_variables(variables, "momentum")
        self._squares = self.add_optimizer_variables(variables, "velocity")

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Once a step, not once a variable.
        beta_1 = ops.cast(ops.convert_to_tensor(self.beta_1), self._product.dtype)
        product = ops.multiply(self._product, beta_1)
        self._product.assign(product)
        super()._backend_update_step(grads, trainable_variables, (learning_rate, beta_1, product))

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any):
        """Update one variable; `learning_rate` comes with beta_1 and the product of all so far."""
        learning_rate, beta_1, product = (ops.cast(one, variable.dtype) for one in learning_rate)
        gradient = ops.cast(gradient, variable.dtype)
        place = self._get_variable_index(variable)
        mean, square = self._means[place], self._squares[place]
        steps = ops.cast(self.iterations + 1, variable.dtype)
        beta_2_power = ops.power(ops.cast(self.beta_2, variable.dtype), steps)
        size = learning_rate * ops.sqrt(1 - beta_2_power) / (1 - product)
        self.assign_add(mean, (gradient - mean) * (1 - beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        self.assign_sub(variable, mean * size / (ops.sqrt(square) + self.epsilon))

    def get_config(self):
        """Return the arguments; a beta_1 that was set is saved as it is now."""
        return super().get_config() | {"beta_2": self.beta_2, "epsilon": self.epsilon}
