"""The path of an optimizer over a loss of two parameters, for pictures and for step-by-step proof.

```
ravine = lambda a, b: (a**2 + 100 * b**2) / 2
path = trace_path(keras.optimizers.SGD(0.019), ravine, start=(10, 1), steps=100)
path.points, path.losses        # arrays of shape (101, 2) and (101,)
```

Any Keras optimizer, with its schedule, clipping or weight decay. TensorFlow and JAX backends.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from coursekit._checks import brief, count, require
from coursekit.training.gradients import loss_and_gradients


class TracedPath(NamedTuple):
    """Where an optimizer went: row k is the state after k steps."""

    points: np.ndarray
    losses: np.ndarray
    gradients: np.ndarray
    stopped: int | None


def trace_path(
    optimizer: keras.optimizers.Optimizer,
    loss_surface: Callable[[Any, Any], Any],
    start: Sequence[float],
    steps: int,
) -> TracedPath:
    """Follow an optimizer over a loss of two parameters, step by step.

    ```
    w_0 = start,    w_{k+1} = w_k moved by optimizer.apply(gradient of loss_surface at w_k)
    ```

    The optimizer passed in stays as it is: a fresh copy, made from its config, starts at step 0.
    Both parameters are one variable of shape (2,). So clipping by norm and Lamb see the vector, and
    Muon, which wants matrices, moves it by its AdamW rule.

    Args:
        optimizer: a Keras optimizer.
        loss_surface: `loss_surface(a, b)`, the loss as one number, written with plain operators or
            `keras.ops`. It is traced once.
        start: the two parameters at step 0, finite.
        steps: how many steps to take, at least 1.

    Returns:
        A `TracedPath`. `points` of shape (steps + 1, 2), `losses` (steps + 1,) and `gradients`
        (steps + 1, 2), where row k belongs to the point after k steps. `stopped` is None, or the
        first row in which a point, loss or gradient is not finite: the path ends there. From that
        row on everything is NaN.

    Raises:
        TypeError: for what is not a Keras optimizer, or not a function.
        ValueError: for a start or a number of steps out of range, a surface that gives no single
            number or no gradient, an optimizer that its config does not rebuild.

    Numerics: in Keras's default float type, as in training; compiled, so that the last digit may
    differ from an eager loop.

    Example:
        >>> import keras
        >>> path = trace_path(keras.optimizers.SGD(0.25), lambda a, b: a**2 + b**2, (4, -8), 2)
        >>> path.points.tolist()
        [[4.0, -8.0], [2.0, -4.0], [1.0, -2.0]]
        >>> path.losses.tolist()
        [80.0, 20.0, 5.0]
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "`optimizer` must be a Keras optimizer, such as `keras.optimizers.SGD(0.1)`. "
            f"Received: optimizer={brief(optimizer)}"
        )
    _check_callable(loss_surface)
    steps = count("steps", steps)
    try:
        place = np.asarray(start, float)
    except (TypeError, ValueError):
        place = np.full(2, np.nan)
    ok = place.shape == (2,) and np.isfinite(place).all()
    require(ok, "`start` must be two finite numbers.", start=start)
    optimizer, look = _fresh_copy(optimizer), _value_and_gradient(loss_surface)
    parameters = keras.Variable(place, dtype=keras.config.floatx(), name="parameters")
    _check_surface(loss_surface, parameters.value)
    optimizer.build([parameters])
    step = _STEPS[keras.backend.backend()](optimizer, parameters, look)
    # The last step only measures: its update is not used.
    rows = np.stack([np.asarray(step()) for _ in range(steps + 1)])
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    stopped = int(bad[0]) if len(bad) else None
    if stopped is not None:
        rows[stopped:] = np.nan
    return TracedPath(rows[:, :2], rows[:, 2], rows[:, 3:], stopped)


def losses_at(loss_surface: Callable[[Any, Any], Any], points: Any) -> np.ndarray:
    """Return the loss at many points: shape (n,) for points of shape (n, 2).

    Args:
        loss_surface: as `trace_path` takes it; a mean over data in it is no obstacle.
        points: the pairs of parameters.

    Raises:
        ValueError: for points that are no pairs of numbers, a surface that gives no single number.

    Example:
        >>> losses_at(lambda a, b: a**2 + 10 * b, [(1, 2), (3, 4)]).tolist()
        [21.0, 49.0]
    """

    def all_at_once(points):
        return keras.ops.vectorized_map(lambda w: loss_surface(w[0], w[1]), points)

    _check_callable(loss_surface)
    try:
        pairs = np.asarray(points, float)
    except (TypeError, ValueError):
        pairs = np.zeros(0)
    ok = pairs.ndim == 2 and pairs.shape[1] == 2
    require(ok, "`points` must be pairs of numbers, of shape (n, 2).", points=points)
    dtype = keras.config.floatx()
    first = pairs[0] if len(pairs) else np.ones(2)
    _check_surface(loss_surface, keras.ops.convert_to_tensor(first, dtype))
    if not len(pairs):
        return np.zeros(0, dtype)
    points = keras.ops.convert_to_tensor(pairs, dtype)
    if keras.backend.backend() == "tensorflow":
        all_at_once = _graph(all_at_once, points)
    return keras.ops.convert_to_numpy(all_at_once(points))


def _check_callable(loss_surface) -> None:
    if not callable(loss_surface):
        raise TypeError(
            "`loss_surface` must be a function of two parameters. "
            f"Received: loss_surface={brief(loss_surface)}"
        )


def _value_and_gradient(loss_surface: Callable) -> Callable:
    """Return a function from both parameters to the loss and its gradient, on this backend."""

    def loss_of(w):
        loss = keras.ops.cast(loss_surface(w[0], w[1]), w.dtype)
        return loss, loss

    find = loss_and_gradients(loss_of)

    def look(w):
        loss, (gradient,) = find(w)
        return loss, gradient

    return look


def _row(w, loss, gradient):
    return keras.ops.concatenate([w, keras.ops.reshape(loss, (1,)), gradient])


def _tensorflow_step(optimizer, parameters, look: Callable) -> Callable:
    """Return a compiled function that gives the row of this point, and goes on to the next."""
    import tensorflow as tf

    def step():
        w = tf.identity(parameters.value)
        loss, gradient = look(w)
        optimizer.apply([optimizer.scale_loss(gradient)], [parameters])
        return _row(w, loss, gradient)

    return _graph(step)


def _jax_step(optimizer, parameters, look: Callable) -> Callable:
    import jax

    @jax.jit
    def pure(w, state):
        loss, gradient = look(w)
        with keras.StatelessScope(state_mapping=list(zip(optimizer.variables, state, strict=True))):
            scaled = optimizer.scale_loss(gradient)
        (after,), state = optimizer.stateless_apply(state, [scaled], [w])
        return _row(w, loss, gradient), after, state

    w, state = parameters.value, [v.value for v in optimizer.variables]

    def step():
        nonlocal w, state
        row, w, state = pure(w, state)
        return row

    return step


def _graph(function: Callable, *arguments) -> Callable:
    """Compile for TensorFlow, traced now: a later trace would warn of frequent retracing."""
    import tensorflow as tf

    return tf.function(function, autograph=False).get_concrete_function(*arguments)


_STEPS = {"tensorflow": _tensorflow_step, "jax": _jax_step}


def _check_surface(loss_surface: Callable, w) -> None:
    loss = loss_surface(w[0], w[1])
    if not keras.ops.is_tensor(loss):
        raise ValueError(
            "`loss_surface(a, b)` must be computed from a and b with plain operators or "
            f"`keras.ops`, for its gradient. Received: a result of type {type(loss).__name__}"
        )
    if tuple(loss.shape) != ():
        raise ValueError(
            "`loss_surface(a, b)` must give one number. "
            f"Received: a result of shape {tuple(loss.shape)}"
        )


def _fresh_copy(optimizer):
    """Return an optimizer of the same settings at step 0."""
    rate = optimizer._learning_rate
    try:
        if not callable(rate):
            return type(optimizer).from_config(optimizer.get_config())
        # A schedule keeps no state: it is passed on as it is, whether it has a config or not.
        settings = object.__new__(type(optimizer))
        settings.__dict__.update(optimizer.__dict__, _learning_rate=0.0)
        return type(optimizer).from_config({**settings.get_config(), "learning_rate": rate})
    except Exception as error:
        raise ValueError(
            "`optimizer` must be one that its config rebuilds: `get_config` has to return what "
            f"`__init__` takes. Received: optimizer={optimizer!r}, and {error}"
        ) from error
