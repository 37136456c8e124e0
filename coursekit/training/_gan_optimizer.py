"""The two optimizers of a `GAN` as the one that `fit` knows."""

import keras

from coursekit._checks import require


class Pair(keras.optimizers.Optimizer):
    """Two optimizers, each for its own variables: Keras 3.13 has no `MultiOptimizer`."""

    def __init__(self, generator, discriminator, network):
        super().__init__(learning_rate=0.0, name="pair")
        self.generator, self.discriminator = generator, discriminator
        self._inner_optimizers = [generator, discriminator]
        self._network = network  # that of the second

    @property
    def variables(self):
        """Those of both, after the count of steps."""
        return [*super().variables, *self.generator.variables, *self.discriminator.variables]

    @property
    def learning_rate(self):
        """Each of the two has one."""
        raise AttributeError(
            "Two networks have two learning rates: `model.optimizer.generator.learning_rate` and "
            "`model.optimizer.discriminator.learning_rate`."
        )

    def build(self, variables):
        """Create the variables of both."""
        if not self.built:
            super().build(variables)
            for optimizer, its in zip(self._inner_optimizers, self._split(variables), strict=True):
                optimizer.build(its)

    def apply(self, grads, trainable_variables=None):
        """Make one step with each."""
        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        self.build(variables)
        gradients = self._split(variables, grads)
        for optimizer, its, found in zip(
            self._inner_optimizers, self._split(variables), gradients, strict=True
        ):
            optimizer.apply(found, its)
        self.iterations.assign_add(1)

    def finalize_variable_values(self, var_list):
        """Let both put averages of weights in their place, if they keep some."""
        for optimizer, its in zip(self._inner_optimizers, self._split(var_list), strict=True):
            optimizer.finalize_variable_values(its)

    def _split(self, variables, values=None):
        parts, second = ([], []), {id(variable) for variable in self._network.variables}
        for variable, value in zip(variables, variables if values is None else values, strict=True):
            parts[id(variable) in second].append(value)
        return parts


def checked_optimizer(name, given):
    found = given
    if isinstance(given, str):
        try:
            found = keras.optimizers.get(given)
        except ValueError:
            found = None
    rule = f"`{name}` must be a Keras optimizer, or the name of one."
    require(isinstance(found, keras.optimizers.Optimizer), rule, **{name: given})
    scales = isinstance(found, keras.optimizers.LossScaleOptimizer) or found.loss_scale_factor
    require(not scales and not hasattr(found, "_inner_optimizers"),
            f"`{name}` must be a plain optimizer: it gets the gradients of one network, of a loss "
            "that nothing scales.", **{name: type(found).__name__},
            loss_scale_factor=found.loss_scale_factor)  # fmt: skip
    return found
