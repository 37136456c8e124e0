"""L1 regularization with exact zeros, around any Keras optimizer."""

from collections.abc import Sequence

import keras
from keras import ops

from coursekit._checks import count, number, require

MOMENTUM = 0.99  # of the running mean of the gradient


@keras.saving.register_keras_serializable(package="coursekit")
class OrthantwiseL1(keras.optimizers.Optimizer):
    """An optimizer that minimizes `loss + l1 * sum |w|`, and leaves exact zeros.

    ```
    a  <- running mean of the gradient (of about the last 100)
    h   = gradient + l1 * sign(w)               where w != 0
          sign(a) * max(|a| - l1, 0)            where w == 0
    w'  = what the inner optimizer makes of w and h
    w  <- w' where it lies on the side of w (of -h, where w == 0), else 0
    ```

    `keras.regularizers.L1` adds `l1 * sign(w)` to the gradient and so steps over zero, to and fro:
    it gives no exact zero, under any optimizer. Here a weight that would cross zero stops there,
    and leaves again only when its gradient, averaged over batches, is larger than `l1`: the
    gradient of a single batch would wake the dead weights again and again. The inner optimizer gets
    h, which is 0 at the minimum and nowhere else: so momentum and Adam's scaling change the way,
    not the place. (A soft threshold after each step, of the size learning rate times `l1`, is right
    for plain gradient descent only: under momentum it counts 1 / (1 - momentum) times too little,
    and Adam has another step for each weight.)

    The minimum is that of `sklearn.linear_model.Lasso(alpha)` for the mean squared error and
    `l1 = 2 * alpha`. It is reached as the inner optimizer would reach a smooth one: to the last
    digit with learning rates that fall.

    Args:
        inner_optimizer: a Keras optimizer, with its learning rate or schedule, `weight_decay` (an
            elastic net then), `clipnorm`, `global_clipnorm` or `clipvalue` (they clip h, as they
            clip the gradient of a Keras regularizer).
        l1: strength of the penalty, at least 0. Defaults to 0.01, as `keras.regularizers.L1`.
        var_names: endings of the paths of the variables that are penalized. Defaults to
            `("kernel",)`, all kernels and no bias; `("dense_1/kernel",)` is one layer's.
        gradient_accumulation_steps: how many batches make one update, at least 2; None, the
            default, for one. It belongs here, because h needs the mean gradient. The inner
            optimizer's schedule counts updates then.
        name: defaults to "orthantwise_l1".

    Raises:
        TypeError: if `inner_optimizer` is no Keras optimizer.
        ValueError: for an `l1` below 0; for an inner optimizer that scales losses (wrap
            `LossScaleOptimizer` around this one), accumulates gradients, averages weights (an
            average has no zeros), or keeps weights of its own (Ftrl, ScheduleFreeAdamW); where no
            variable matches `var_names`; under a strategy with several replicas, each of which
            sees a part of the gradient only.

    Numerics: h is computed in the dtype of the weights. A gradient of NaN or infinity makes its
    weights so, as in every Keras optimizer, and its running mean stays so: wrap
    `SafeLossScaleOptimizer` around this one to skip such batches. Do not give the same kernel an L1
    regularizer as well: both would count.

    Example:
        >>> weights = keras.Variable([1.0, 1.0], name="kernel")
        >>> optimizer = OrthantwiseL1(keras.optimizers.SGD(0.1, momentum=0.5), l1=1.0)
        >>> for _ in range(100):  # the loss is (w - 0.3) ** 2 and (w - 2) ** 2
        ...     optimizer.apply([2 * (weights - [0.3, 2.0])], [weights])
        >>> [round(float(w), 3) for w in weights.numpy()]
        [0.0, 1.5]

    References:
        Andrew and Gao, Scalable training of L1-regularized log-linear models, ICML 2007 (the
        pseudo-gradient h and the projection); Xiao, Dual averaging methods for regularized
        stochastic learning, JMLR 2010 (averages decide on zeros); Yun et al., arXiv 2007.07484
        (proximal steps under adaptive optimizers).
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        l1: float = 0.01,
        var_names: Sequence[str] = ("kernel",),
        gradient_accumulation_steps: int | None = None,
        name: str = "orthantwise_l1",
    ):
        _check_inner(inner_optimizer)
        require(
            isinstance(var_names, list | tuple) and all(isinstance(one, str) for one in var_names),
            "`var_names` must be a list of endings of paths.",
            f"Write [{var_names!r}]" if isinstance(var_names, str) else "",
            var_names=var_names,
        )
        if gradient_accumulation_steps is not None:
            name_of = "gradient_accumulation_steps"
            gradient_accumulation_steps = count(name_of, gradient_accumulation_steps, 2)
        super().__init__(
            learning_rate=0.0, gradient_accumulation_steps=gradient_accumulation_steps, name=name
        )
        self.inner_optimizer = inner_optimizer
        self.l1 = number("l1", l1, least=0)
        self.var_names = tuple(var_names)

    def build(self, variables: Sequence[keras.Variable]):
        """Make the inner optimizer's state, and see which variables are penalized."""
        if self.built:
            return
        if not any(self._is_penalized(v) for v in variables):
            raise ValueError(
                "No variable is penalized: no path ends with one of `var_names`. Received: "
                f"var_names={list(self.var_names)} for {[v.path for v in variables]}"
            )
        self.inner_optimizer.build(variables)
        super().build(variables)
        self._averages = [
            self.add_variable_from_reference(v, "average_gradient")
            if self._is_penalized(v)
            else None
            for v in variables
        ]

    def _is_penalized(self, variable) -> bool:
        return variable.path.endswith(self.var_names)

    @property
    def variables(self):
        """The state of both optimizers."""
        return self._variables + self.inner_optimizer.variables

    @property
    def learning_rate(self):
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self):
        """The number of updates."""
        return self.inner_optimizer.iterations

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # The gradients are clean, unscaled and accumulated here. The inner optimizer has its own
        # learning rate.
        _refuse_replicas()
        grads, sides = list(grads), {}
        for k, variable in enumerate(trainable_variables):
            if self._is_penalized(variable):
                weights = ops.convert_to_tensor(variable)
                grads[k] = self._pseudo_gradient(grads[k], variable, weights)
                sides[k] = ops.sign(ops.where(ops.equal(weights, 0), -grads[k], weights))
        self.inner_optimizer.apply(grads, trainable_variables)
        for k, side in sides.items():
            weights = ops.convert_to_tensor(trainable_variables[k])
            # Of NaN, and of a step to infinity, no side is told: they stay to be seen.
            crossed = ops.logical_and(ops.isfinite(weights), ops.sign(weights) * side <= 0)
            self.assign(trainable_variables[k], ops.where(crossed, 0.0, weights))

    def _pseudo_gradient(self, gradient, variable, weights):
        gradient = ops.cast(ops.convert_to_tensor(gradient), weights.dtype)
        average = self._averages[self._get_variable_index(variable)]
        self.assign(average, MOMENTUM * average + (1 - MOMENTUM) * gradient)
        updates = ops.cast(self.iterations + 1, weights.dtype)
        mean = ops.convert_to_tensor(average) / (1 - MOMENTUM**updates)  # as Adam's: it began at 0
        at_zero = ops.sign(mean) * ops.relu(ops.abs(mean) - self.l1)
        return ops.where(ops.equal(weights, 0), at_zero, gradient + self.l1 * ops.sign(weights))

    def get_config(self):
        """Return the arguments, the inner optimizer with its own."""
        return {
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "l1": self.l1,
            "var_names": list(self.var_names),
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """Build both optimizers from their arguments."""
        inner = keras.saving.deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(**{**config, "inner_optimizer": inner})


def _check_inner(inner):
    """Refuse what cannot be right inside."""
    if not isinstance(inner, keras.optimizers.Optimizer):
        raise TypeError(
            f"`inner_optimizer` must be a Keras optimizer. Received: {inner!r}. "
            "Try keras.optimizers.Adam(0.001)."
        )
    name, reason = type(inner).__name__, ""
    if isinstance(inner, keras.optimizers.LossScaleOptimizer) or inner.loss_scale_factor:
        reason = "gets scaled gradients. Wrap `LossScaleOptimizer` around OrthantwiseL1 instead."
    elif inner.gradient_accumulation_steps:
        reason = (
            "accumulates gradients. Give `gradient_accumulation_steps` to OrthantwiseL1 instead."
        )
    elif inner.use_ema:
        reason = "averages weights, and an average has no exact zeros. Leave out `use_ema`."
    elif name in ("Ftrl", "ScheduleFreeAdamW", "MultiOptimizer", "OrthantwiseL1"):
        reason = "keeps weights, or optimizers, of its own. Try SGD or Adam."
    if reason:
        raise ValueError(
            "`inner_optimizer` must make a plain step from the gradient it gets. "
            f"Received: {name}, which {reason}"
        )


def _refuse_replicas():
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            "OrthantwiseL1 needs the whole gradient, and each replica has a part of it. "
            f"Received: {replicas} replicas. Train on one device, or on JAX, where a gradient is "
            "whole on many devices too."
        )
