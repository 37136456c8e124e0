"""Two networks against each other, in one `keras.Model` that `fit` trains. TensorFlow and JAX.

```
gan = GAN(generator, discriminator)
gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
gan.fit(examples, batch_size=128, epochs=20)
gan.generator(keras.random.normal((16, 2)))    # sixteen new ones
```
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from coursekit._checks import brief, count, one_of, require, switch
from coursekit.losses import adversarial
from coursekit.training._gan_optimizer import Pair, checked_optimizer

LOSSES = {  # of the discriminator, of the generator
    "non_saturating": (
        adversarial.non_saturating_discriminator,
        adversarial.non_saturating_generator,
    ),
    "hinge": (adversarial.hinge_discriminator, adversarial.hinge_generator),
    "least_squares": (adversarial.least_squares_discriminator, adversarial.least_squares_generator),
}


@keras.saving.register_keras_serializable(package="coursekit")
class GAN(keras.Model):
    r"""A generator G and a discriminator D, trained against each other in one step.

    ```
    z         ~ N(0, 1), one row for each example x of the batch
    D's step:   mean of l_D(D(x), D(G(z))) over the batch, G held fixed
    G's step:   mean of l_G(D(G(z))) over the batch, D held fixed
    ```

    Both gradients come from the same weights and the same z, and both networks move at once. (The
    usual loop lets D move first, and draws z anew.) There is no step of one's own in it: `fit` sees
    one loss, the sum of the two, in which `stop_gradient` keeps each network out of the other's
    term. So what works with `fit` works here: callbacks, `steps_per_execution`, a compiled step,
    and `coursekit.training.fit_many` (on JAX by a shared program). Penalties of both networks
    (regularizers, and losses that layers of G add) count once.

    `fit` and `evaluate` take examples alone, and report `discriminator_loss` and `generator_loss`
    beside their sum. Neither says how good the generated examples are: look at those. Called on
    examples, the model gives as many generated ones.

    Args:
        generator: a built Keras model from z to an example; its input tells the shape of z.
        discriminator: a built Keras model from an example to logits, one (or a map of them, as in
            PatchGAN) for each example. No sigmoid at its end.
        loss: "non_saturating", "hinge" or "least_squares", of `coursekit.losses.adversarial`.
            Defaults to "non_saturating".

    Shapes:
        z `(batch, ...)` as the generator reads; examples `(batch, ...)`; logits `(batch, ..., 1)`.

    Raises:
        ValueError: for networks that are not built, have several inputs or outputs, do not fit
            together or share a layer; for another loss; for a discriminator that ends in a sigmoid
            or a softmax, adds losses to its calls (activity regularizers), or has weights that are
            not trained, frozen ones and those of `BatchNormalization` and `SpectralNormalization`:
            it is called twice in a step, and each call would move them.
        TypeError: for what is no Keras model.

    Numerics: losses are computed from logits. D sees the real and the generated examples as one
    batch, and the generated ones a second time for G, with other draws of its dropout.

    Example:
        >>> import numpy as np
        >>> keras.utils.set_random_seed(0)
        >>> dense = keras.layers.Dense
        >>> generator = keras.Sequential([keras.Input((2,)), dense(8, "relu"), dense(1)])
        >>> discriminator = keras.Sequential([keras.Input((1,)), dense(8, "relu"), dense(1)])
        >>> gan = GAN(generator, discriminator)
        >>> gan.compile("adam", keras.optimizers.Adam(1e-4))
        >>> history = gan.fit(np.ones((64, 1), "float32"), verbose=0).history
        >>> sorted(history)
        ['discriminator_loss', 'generator_loss', 'loss']
        >>> gan.generator(np.zeros((3, 2))).shape == (3, 1)
        True

    References:
        Goodfellow et al., arXiv:1406.2661, algorithm 1; two learning rates: Heusel et al.,
        arXiv:1706.08500, section 2.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "non_saturating",
        **kwargs: Any,
    ):
        one_of("loss", loss, LOSSES)
        _check_networks(generator, discriminator)
        super().__init__(**kwargs)
        self.generator, self.discriminator, self.adversarial_loss = generator, discriminator, loss
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.draws = keras.random.SeedGenerator()
        self.built = True

    def compile(
        self,
        generator_optimizer: str | keras.optimizers.Optimizer,
        discriminator_optimizer: str | keras.optimizers.Optimizer,
        *,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        run_eagerly: bool = False,
    ) -> None:
        """Give each network its optimizer, and so its learning rate.

        Afterwards they are `model.optimizer.generator` and `model.optimizer.discriminator`.

        Args:
            generator_optimizer: a Keras optimizer, or the name of one.
            discriminator_optimizer: another one.
            steps_per_execution: as in Keras, and so are `jit_compile` and `run_eagerly`.
            jit_compile: as in Keras.
            run_eagerly: as in Keras.

        Raises:
            ValueError: for what is no optimizer, one optimizer for both, one that scales the loss,
                a network without trainable weights, and under a `tf.distribute` strategy of several
                replicas, of which each would draw the same z.
        """
        pair = Pair(
            checked_optimizer("generator_optimizer", generator_optimizer),
            checked_optimizer("discriminator_optimizer", discriminator_optimizer),
            self.discriminator,
        )
        require(pair.generator is not pair.discriminator,
                "Each network must have an optimizer of its own.",
                "Make two", generator_optimizer=pair.generator.name)  # fmt: skip
        for network in (self.generator, self.discriminator):
            require(bool(network.trainable_weights), "Both networks must have trainable weights.",
                    without=network.name)  # fmt: skip
        _check_one_device(self)
        settings = {
            "steps_per_execution": count("steps_per_execution", steps_per_execution),
            "jit_compile": jit_compile,
            "run_eagerly": switch("run_eagerly", run_eagerly),
        }
        super().compile(pair, **settings)
        self._settings = settings

    def fit(self, x: Any = None, y: Any = None, **settings: Any):
        """Train on examples, as Keras's `fit` does, which would ignore weights and lose the model.

        On JAX an error in a step leaves the model without its variables: so it comes before.
        """
        self._check_data(x, y, settings)
        return super().fit(x, **settings)

    def evaluate(self, x: Any = None, y: Any = None, **settings: Any):
        """Return both losses and their sum, on examples, as Keras's `evaluate` does."""
        self._check_data(x, y, settings)
        return super().evaluate(x, **settings)

    def _check_data(self, x, y, settings):
        weights = {name: settings.get(name) for name in ("sample_weight", "class_weight")}
        _refuse_targets(y=y, **weights)
        if isinstance(x, np.ndarray):
            _check_examples(x, self.generator.output_shape)

    def call(self, x: Any, training: bool = False):
        """Generate as many examples as there are in `x`."""
        _check_examples(x, self.generator.output_shape)
        z = keras.random.normal(
            (ops.shape(x)[0], *self.generator.input_shape[1:]),
            dtype=self.compute_dtype,
            seed=self.draws,
        )
        return self.generator(z, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ):
        """Return the sum of both losses and of the penalties; `fit` and `evaluate` call it."""
        _refuse_targets(y=y, sample_weight=sample_weight)
        logits = self.discriminator(
            ops.concatenate([ops.cast(x, y_pred.dtype), ops.stop_gradient(y_pred)]),
            training=training,
        )
        loss_of_d, loss_of_g = LOSSES[self.adversarial_loss]
        of_d = loss_of_d(*ops.split(logits, 2))
        of_g = loss_of_g(self._through_fixed_discriminator(y_pred, training))
        self.discriminator_loss.update_state(of_d)
        self.generator_loss.update_state(of_g)
        return sum(self.losses, ops.mean(of_d) + ops.mean(of_g))

    def _through_fixed_discriminator(self, examples, training):
        weights = [ops.stop_gradient(v) for v in self.discriminator.trainable_variables]
        seeds = [ops.convert_to_tensor(v) for v in self.discriminator.non_trainable_variables]
        return self.discriminator.stateless_call(weights, seeds, examples, training=training)[0]

    def get_config(self) -> dict[str, Any]:
        """Return what makes this model again, without its weights."""
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        made = {name: keras.saving.serialize_keras_object(one) for name, one in networks.items()}
        return {**super().get_config(), **made, "loss": self.adversarial_loss}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        """Return the model that `get_config` described."""
        config = dict(config)
        for name in ("generator", "discriminator"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        """Return what `compile` was given; a saved model keeps it."""
        if not self.compiled:
            return {}
        make = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": make(self.optimizer.generator),
            "discriminator_optimizer": make(self.optimizer.discriminator),
            **self._settings,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


def _check_one_device(model):
    replicas = 1
    if keras.backend.backend() == "tensorflow":
        replicas = model.distribute_strategy.num_replicas_in_sync
    require(
        replicas == 1,
        "A GAN trains on one device: the replicas of a strategy would all draw the same z.",
        "On JAX, `keras.distribution` spreads it",
        replicas=replicas,
    )


def _check_networks(generator, discriminator):
    """Refuse what would not train, or not as it seems."""
    networks = {"generator": generator, "discriminator": discriminator}
    for name, network in networks.items():
        if not isinstance(network, keras.Model):
            raise TypeError(f"`{name}` must be a Keras model. Received: {name}={brief(network)}")
        require(network.built, f"`{name}` must be built.", "Begin it with a `keras.Input`",
                **{name: network.name})  # fmt: skip
        shapes = _shape(network, "input_shape"), _shape(network, "output_shape")
        require(all(isinstance(s, tuple) and s and isinstance(s[0], int | None) for s in shapes),
                f"`{name}` must have one input and one output.",
                "Make it a functional or a Sequential model", input_shape=shapes[0],
                output_shape=shapes[1])  # fmt: skip
        dtype = network.compute_dtype
        require(dtype != "float16", "A GAN has no loss scaling, which float16 needs.",
                "Use mixed_bfloat16", **{name: network.name, "compute_dtype": dtype})  # fmt: skip
    drawn = generator.input_shape
    require(None not in drawn[1:], "The generator's input must have a known shape: z is drawn in "
            "it.", input_shape=drawn)  # fmt: skip
    made, read = generator.output_shape, discriminator.input_shape
    require(_fit(made, read), "The discriminator must read what the generator makes.",
            output_shape=made, input_shape=read)  # fmt: skip
    logits = discriminator.output_shape
    require(logits[-1] == 1, "The discriminator must end in one logit, or a map of them.",
            "End it with `Dense(1)`", output_shape=logits)  # fmt: skip
    theirs = {id(layer): layer for layer in _layers(generator)}
    for layer in _layers(discriminator):
        require(id(layer) not in theirs, "The networks must not share a layer.", "Build another",
                shared=layer.name)  # fmt: skip
    _check_discriminator(discriminator)


def _check_discriminator(discriminator):
    last = discriminator.layers[-1]
    bend = getattr(getattr(last, "activation", None), "__name__", "")
    require(bend not in ("sigmoid", "softmax"),
            "The discriminator must end in logits: the loss has the sigmoid in it.",
            "Leave the activation out", layer=last.name, activation=bend)  # fmt: skip
    fixed = discriminator.non_trainable_weights
    if fixed:
        owner = next(x for x in _layers(discriminator) if any(v is fixed[0] for v in x.weights))
        require(
            False,
            "Every weight of the discriminator must be trained: it is called twice in a step, on "
            "real and on generated examples, and running statistics would mix both.",
            "Use `LayerNormalization` in place of `BatchNormalization`; thaw what is frozen",
            layer=owner.name,
            weight=fixed[0].path,
        )
    shape = [2 if size is None else size for size in discriminator.input_shape]
    if None in discriminator.input_shape[1:]:
        return
    with keras.StatelessScope(collect_losses=True) as scope:
        discriminator(ops.zeros(shape), training=True)
    require(not scope.losses, "The discriminator's layers must not add losses to its calls, such "
            "as activity regularizers: it is called twice in a step.",
            "Use `kernel_regularizer`", losses=len(scope.losses))  # fmt: skip


def _refuse_targets(**given):
    for name, value in given.items():
        require(value is None, f"A GAN learns from examples alone, without `{name}`.",
                "Leave it out", **{name: type(value).__name__})  # fmt: skip


def _check_examples(x, made):
    shape = tuple(getattr(x, "shape", ()))
    require(bool(shape) and _fit(shape, made), "Examples must have the shape of generated ones.",
            examples=shape or type(x).__name__, generated=made)  # fmt: skip


def _shape(network, name):
    try:
        return getattr(network, name)
    except AttributeError:  # a subclass of `keras.Model` has none
        return None


def _fit(shape, other) -> bool:
    sizes = zip(shape[1:], other[1:], strict=False)
    return len(shape) == len(other) and all(a == b or None in (a, b) for a, b in sizes)


def _layers(network) -> list:
    return list(network._flatten_layers(include_self=False))
