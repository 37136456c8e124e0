"""Keep what a model knows while it learns something else. TensorFlow and JAX.

```python
from coursekit.training import anchor, fisher

importance = fisher(model, old_x)              # after the old task, before the new one
anchor(model, importance, strength=300)        # elastic weight consolidation
model.fit(new_x, new_y, epochs=5)

anchor(model, 1.0, strength=0.01)              # a plain anchor: every weight as important
```
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from coursekit._checks import count, number, require
from coursekit._checks import seed as checked_seed
from coursekit.training._compile import checked_compiled, compile_again
from coursekit.training._likelihood import calling, heads_of
from coursekit.training.gradients import check_backend, loss_and_gradients, unique
from coursekit.training.many._data import standardize

__all__ = ["EWC", "anchor", "fisher"]

ROWS, FLOATS = 64, 2**24  # at once, at most: of the data, and of their gradients


class EWC(keras.regularizers.Regularizer):
    r"""Hold a weight where it was, as tightly as it was important.

    ```
    penalty = strength / 2 * sum_i importance_i * (w_i - home_i)^2
    ```

    With the Fisher information for the importance this is elastic weight consolidation: the second
    order of the old task's loss around its minimum, without its off-diagonal terms. `anchor` puts
    one on each variable of a model.

    Args:
        home: the values to stay at, of the weight's shape.
        importance: at least 0, of the same shape, or one number for all.
        strength: at least 0. What is right depends on the scale of the losses: try powers of 10.

    Raises:
        ValueError: for values that are not finite, below 0, or of another shape.

    Numerics: computed in float32 at least, whatever the dtype of the weight. One gradient step
    multiplies the distance from home by 1 - rate * strength * importance: above 2 it diverges.

    Example:
        >>> import numpy as np
        >>> penalty = EWC(home=np.array([1.0, 2.0]), importance=np.array([4.0, 0.5]), strength=3.0)
        >>> float(penalty(np.array([2.0, 4.0])))      # 3 / 2 * (4 * 1 + 0.5 * 4)
        9.0

    References:
        Kirkpatrick et al. (2017), arXiv:1612.00796, equation 3.
    """

    def __init__(self, home: Any, importance: Any = 1.0, strength: float = 1.0):
        self.home = _finite("home", home)
        self.importance = _finite("importance", importance)
        self.strength = number("strength", strength, least=0)
        require(
            self.importance.min(initial=0.0) >= 0,
            "`importance` must be at least 0: it is a mean of squares.",
            smallest=float(self.importance.min(initial=0.0)),
        )
        require(
            self.importance.shape in ((), self.home.shape),
            "`importance` must be one number, or have the shape of `home`.",
            importance=self.importance.shape,
            home=self.home.shape,
        )

    def __call__(self, x: Any) -> Any:
        """Return the penalty of a weight."""
        x = ops.convert_to_tensor(x)
        dtype = keras.backend.result_type(x.dtype, "float32")
        away = ops.cast(x, dtype) - ops.cast(self.home, dtype)
        return self.strength / 2 * ops.sum(ops.cast(self.importance, dtype) * ops.square(away))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, arrays as lists."""
        return {
            "home": self.home.tolist(),
            "importance": self.importance.tolist(),
            "strength": self.strength,
        }


class _Both(keras.regularizers.Regularizer):
    """The sum of two penalties."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def __call__(self, x):
        return self.first(x) + self.second(x)


def anchor(model: Any, importance: Any, *, strength: float) -> None:
    """Hold a model where it is: put an `EWC` on each of its trainable variables.

    `fit`, `evaluate`, `fit_many` and `value_and_gradients` count the penalties, in the loss that
    they report too. A second anchor, after a second task, joins the first; so does a regularizer
    that the layer has.

    Args:
        model: a built and compiled Keras model. It is compiled anew as it was, with the same
            optimizer, because a traced step keeps the penalties that it was traced with.
        importance: what `fisher` returned, of this model or of one that is built alike: it is
            taken in the order of `model.trainable_variables`. Or one number for all weights.
        strength: as in `EWC`.

    Raises:
        TypeError: for what is no Keras model.
        ValueError: for a model that is not built, compiled or trainable, and an importance that
            does not fit its variables, is below 0 or not finite. The model is as it was then.

    Numerics: saving a model loses its anchor, as any regularizer set on a variable: put it on
    again. With Adam a large strength slows the new task down, for the moments follow the penalty.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> anchor(model, 1.0, strength=2.0)
        >>> model.layers[0].kernel.assign_add([[3.0]])                  # doctest: +SKIP
        >>> [float(loss) for loss in model.losses]
        [0.0]
    """
    checked_compiled(model)
    variables = model.trainable_variables
    require(len(variables) > 0, "`model` must have trainable variables.", model=model.name)
    strength = number("strength", strength, least=0)
    each = _importance_of_each(importance, variables)
    penalties = [
        EWC(ops.convert_to_numpy(v.value), one, strength)
        for v, one in zip(variables, each, strict=True)
    ]
    for variable, penalty in zip(variables, penalties, strict=True):
        before = variable.regularizer
        variable.regularizer = penalty if before is None else _Both(before, penalty)
    compile_again(model, model.optimizer)


def fisher(
    model: Any, x: Any, y: Any = None, *, seed: int = 0, draws: int = 1
) -> dict[str, np.ndarray]:
    r"""Return how much each weight matters for what a model predicts: the Fisher information.

    ```
    importance_i = mean over rows x of  E_{y ~ p(y|x)} [ (d log p(y|x) / d w_i)^2 ]
    ```

    The diagonal of the matrix. The gradients are squared row by row: the square of a batch's mean
    gradient is smaller by about the size of the batch, and is something else.

    p is what the compiled losses stand for: a cross-entropy (categorical, sparse, binary) gives the
    classes' or units' probabilities, "mse" a normal distribution of variance 1. Places, units and
    outputs are taken together: their log-probabilities add up, without `loss_weights`, penalties or
    label smoothing. The model runs as in `predict`: no dropout, batch norms at their moving
    statistics.

    Args:
        model: a built and compiled Keras model. It is left as it was.
        x: inputs of the old task, as in `fit`. Some hundred rows are enough for most purposes.
        y: None draws the labels from the model itself, which is the Fisher information. With the
            labels of the data it is the "empirical" one, which vanishes where all are fitted.
        seed: of the drawn labels.
        draws: labels drawn for each row; more make the estimate less noisy.

    Returns:
        For each trainable variable its path and an array of its shape, at least 0, as
        `value_and_gradients` names them.

    Raises:
        TypeError: for what is no Keras model, and data that are no arrays.
        ValueError: for a model that is not built, compiled or trainable, a loss that is no negative
            log-likelihood, outputs with masked places, and an information that is not finite.

    Numerics: squares are summed in float32, over at most 64 rows at once.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.zeros((1, 1))])
        >>> model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        >>> (found,) = fisher(model, np.array([[1.0], [3.0]])).values()
        >>> round(float(found[0, 0]), 4)              # mean of x^2 * p * (1 - p), at p = 1/2
        1.25

    References:
        Kirkpatrick et al. (2017), arXiv:1612.00796. Kunstner, Balles, Hennig (2019),
        arXiv:1905.12558, on the empirical one.
    """
    checked_compiled(model)
    check_backend()
    variables = model.trainable_variables
    require(len(variables) > 0, "`model` must have trainable variables.", model=model.name)
    rng = np.random.default_rng(checked_seed(seed))
    draws = count("draws", draws)
    (x, y, _), size = standardize(x, y, None, None, "")
    heads = heads_of(model, x, y)
    squares = _squares(model, heads)
    params = sum(int(np.prod(v.shape)) for v in variables)
    rows = max(1, min(ROWS, size, FLOATS // params))
    total = [np.zeros(v.shape, "float32") for v in variables]
    for start in range(0, size, rows):
        chosen = np.minimum(np.arange(start, start + rows), size - 1)
        counts = (np.arange(start, start + rows) < size).astype("float32")  # the last repeats rows
        some = keras.tree.map_structure(lambda part: part[chosen], x)  # noqa: B023
        for _ in range(1 if y is not None else draws):
            labels = heads.labels(y, chosen) if y is not None else heads.drawn(model, some, rng)
            found = squares(some, labels, counts)
            total = [t + ops.convert_to_numpy(one) for t, one in zip(total, found, strict=True)]
    size *= 1 if y is not None else draws
    names = unique([v.path for v in variables])
    result = {name: one / size for name, one in zip(names, total, strict=True)}
    bad = [name for name, one in result.items() if not np.isfinite(one).all()]
    require(
        not bad,
        "The gradients of each row must be finite.",
        "Look for NaN or very large values in `x` and in the weights",
        not_finite=bad,
    )
    return result


def _squares(model, heads):
    """Return a compiled function from rows to the sum of their squared gradients."""
    variables, others = model.trainable_variables, model.non_trainable_variables

    def squares(values, kept, x, labels, counts):
        def of_row(x, labels):
            def negative(*values):
                mapping = [*zip(variables, values, strict=True), *zip(others, kept, strict=True)]
                with keras.StatelessScope(mapping):
                    outputs = model(
                        keras.tree.map_structure(lambda p: p[None], x), **calling(model)
                    )
                outputs = keras.tree.map_structure(lambda part: part[0], outputs)
                loss = -heads.log_likelihood(outputs, labels)
                return loss, loss

            return loss_and_gradients(negative)(*values)[1]

        found = [ops.square(ops.cast(g, "float32")) for g in each_row(of_row, x, labels)]
        return [ops.tensordot(counts, one, axes=1) for one in found]

    if keras.backend.backend() == "jax":
        import jax

        def each_row(function, *parts):
            return jax.vmap(function)(*parts)

        program = jax.jit(squares)
    else:
        import tensorflow as tf

        def each_row(function, *parts):
            return tf.vectorized_map(lambda row: function(*row), parts)

        made = tf.function(squares, autograph=False)

        def program(*parts):  # a concrete one, or TensorFlow warns of traces from model to model
            return made.get_concrete_function(*parts)(*parts)

    def run(*rows):
        state = [[v.value for v in some] for some in (variables, others)]
        return program(*state, *keras.tree.map_structure(ops.convert_to_tensor, rows))

    return run


def _finite(name, value) -> np.ndarray:
    if isinstance(value, keras.Variable) or ops.is_tensor(value):
        value = ops.convert_to_numpy(value)
    try:
        array = np.array(value, "float32")
    except (TypeError, ValueError):
        array = np.array(np.nan)
    strings = isinstance(value, str | bytes | bool)
    require(
        not strings and bool(np.isfinite(array).all()),
        f"`{name}` must hold finite numbers.",
        **{name: value},
    )
    return array


def _importance_of_each(importance, variables) -> list:
    """Return the importance of each variable, in their order."""
    if isinstance(importance, Mapping):
        importance = list(importance.values())
    if not isinstance(importance, Sequence) or isinstance(importance, str | bytes):
        return [number("importance", importance, least=0)] * len(variables)
    shapes = [np.shape(one) for one in importance]
    wanted = [tuple(v.shape) for v in variables]
    require(
        shapes == wanted,
        "`importance` must be what `fisher` returned for a model like this one, or one number: an "
        "array for each trainable variable.",
        importance=shapes,
        variables=wanted,
    )
    return list(importance)
