"""A temperature that is trained with the model, as in CLIP."""

from math import log
from typing import Any

import keras
from keras import ops

from coursekit._checks import number, require
from coursekit.losses._base import Tensor, register
from coursekit.losses._pairs import unit


@register
class LearnedTemperature(keras.layers.Layer):
    """The last layer of a model whose contrastive loss learns its temperature.

    ```
    y = x / (|x| * sqrt(T))    so that y_i . y_j = cosine / T
    ```

    ```python
    views = keras.ops.stack([query, key], axis=1)
    model = keras.Model(inputs, losses.LearnedTemperature()(views))
    model.compile("adam", losses.InfoNCE(temperature=None))
    ```

    A loss of Keras has no weights, so `fit` would never train a variable in it. In a layer the
    temperature is trained, saved, loaded and shared by replicas as every weight is, and the loss,
    with `temperature=None`, takes the scaled embeddings as they are. What is trained is log T.

    Args:
        initial: T before training, > 0. Defaults to 0.07, as in CLIP.
        lowest: T stays at least this, > 0: it would fall for ever once all pairs are told apart.
            Defaults to 0.01, as in CLIP.
        dtype: as in `keras.layers.Layer`. Defaults to "float32", also under a policy of mixed
            precision.
        **kwargs: as in `keras.layers.Layer`: `name`, `trainable`.

    Shapes:
        any `(..., features)`, and the same out.

    Raises:
        ValueError: if `initial` is not at least `lowest`, or one of them is not > 0.

    Example:
        >>> layer = LearnedTemperature(initial=0.25)
        >>> [round(float(v), 4) for v in layer(ops.array([[3.0, 4.0]]))[0]]
        [1.2, 1.6]

    References:
        Radford et al., "CLIP", arXiv:2103.00020, section 2.5.
    """

    def __init__(
        self, *, initial: float = 0.07, lowest: float = 0.01, dtype: Any = "float32", **kwargs: Any
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.initial = number("initial", initial, above=0)
        self.lowest = number("lowest", lowest, above=0)
        require(
            self.initial >= self.lowest,
            "`initial` must be at least `lowest`.",
            initial=initial,
            lowest=lowest,
        )

    def build(self, input_shape: tuple):
        """Make the weight."""
        self.log_temperature = self.add_weight(
            name="log_temperature",
            shape=(),
            initializer=keras.initializers.Constant(log(self.initial)),
            constraint=lambda value: ops.maximum(value, log(self.lowest)),
        )
        super().build(input_shape)

    @property
    def temperature(self) -> float:
        """The temperature that has been learned so far."""
        return float(ops.exp(self.log_temperature))

    def call(self, inputs: Tensor):
        """Return the embeddings, normalized and scaled."""
        return unit(inputs) * ops.exp(-0.5 * self.log_temperature)

    def get_config(self) -> dict:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "initial": self.initial, "lowest": self.lowest}
