"""Where the squared error comes from: bias, variance and noise, measured by training again.

```python
result = bias_variance(build_model, draw, x_new, y_new, refits=50, epochs=200)
print(result)                     # bias^2 + noise, variance, measured error
```

`draw(rng)` returns a fresh training set. `BiasVariance(predictions, y)` does the same for
predictions that something else than a Keras model made.
"""

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coursekit._checks import count, takes, verbosity
from coursekit._checks import seed as checked_seed
from coursekit._elsewhere import check_executor, elsewhere, pieces_of
from coursekit.validation._arguments import check_builder, explained
from coursekit.validation._inputs import (
    Ragged,
    as_inputs,
    join,
    not_finite,
    numbers,
    numeric,
    one_target,
    rows_of,
    shapes,
    take,
)
from coursekit.validation._losses import refuse_broadcasting
from coursekit.validation._models import (
    build,
    build_weights,
    finite_weights,
    fold_seed,
    look_at,
    takes_text,
)
from coursekit.validation._outputs import outputs_of, taking
from coursekit.validation._run import fit_all


@dataclass(frozen=True)
class Estimate:
    """A measured number and its standard error."""

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.standard_error:.2g}"


class BiasVariance:
    """The squared error of a recipe on new rows, taken apart.

    ```
    error = E (y - p)^2 = (f - E p)^2 + E (p - E p)^2 + E (y - f)^2
                          bias^2        variance        noise
    ```

    p is the prediction of a model trained on a training set drawn at random, f the true function,
    y = f + noise. Averages are over training sets, rows and outputs.

    Args:
        predictions: of shape (refits, rows) or (refits, rows, outputs), at least 3 refits and 2
            rows; each refit is one model, trained on a set of its own.
        y: the measured targets of these rows, on which no refit was trained.
        truth: f at these rows. None where nobody knows it: then bias and noise cannot be told
            apart, and their sum is reported as one.

    Attributes:
        error: the measured mean squared error.
        variance: how far single refits lie from their mean.
        bias_squared_and_noise: how far the mean of endlessly many refits lies from y.
        bias_squared, noise: the two apart; None without `truth`.
        remainder: error minus the sum of the three, 0 within its standard error; None without
            `truth`, where the sum is the error by construction.
        predictions: as given.

        Each but the last is an `Estimate` with `value` and `standard_error`.

    Raises:
        ValueError: for shapes that do not fit, too few refits or rows, NaN and infinity.

    Numerics:
        The mean of R refits still carries variance / R, which is taken off bias^2: all values are
        unbiased, and a bias^2 near 0 may come out below it. Standard errors hold for new training
        sets and new rows: the jackknife over refits and the spread over rows, added in squares
        (what depends on both is counted twice, so they are rather too large, up to twofold where
        bias^2 is 0). Rows on a grid, and refits that share training rows, are not independent:
        then they do not hold.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truth = rng.uniform(-1, 1, 400)
        >>> y = truth + rng.normal(0, 1, 400)
        >>> predictions = truth + 0.5 + rng.normal(0, 2, (60, 400))
        >>> print(BiasVariance(predictions, y, truth))  # truly 0.25, 4 and 1
        60 refits, 400 rows
          bias^2    0.268 ± 0.02
          variance  3.96 ± 0.05
          noise     1.01 ± 0.073
          error     5.23 ± 0.11, the sum differs by -0.00933 ± 0.063
        ± one standard error

    References:
        Geman, Bienenstock and Doursat 1992, Neural Networks and the Bias/Variance Dilemma,
        doi:10.1162/neco.1992.4.1.1.
    """

    def __init__(self, predictions: Any, y: Any, truth: Any = None):
        self.predictions = numeric(predictions, "predictions")
        p = self.predictions.astype("float64")
        if p.ndim not in (2, 3) or len(p) < 3 or p.shape[1] < 2:
            raise ValueError(
                "`predictions` must have the shape (refits, rows) or (refits, rows, outputs), "
                f"with at least 3 refits and 2 rows. Received: shape {p.shape}"
            )
        p = p.reshape(*p.shape[:2], -1)
        broken = np.flatnonzero(~np.isfinite(p).all(axis=(1, 2)))
        if broken.size:
            raise ValueError(
                f"`predictions` must be finite. Received: NaN or infinity from {broken.size} of "
                f"{len(p)} refits, the first is {broken[0]}. Did their training diverge?"
            )
        y = _targets(y, "y", p.shape[1:])
        own, others = _without_each(p - y)
        self.error = _estimate(((p - y) ** 2).mean(axis=0), own)
        self.variance = _estimate(p.var(axis=0, ddof=1), own - others)
        self.bias_squared_and_noise = _estimate(_bias_squared(p - y), others)
        self.bias_squared = self.noise = self.remainder = None
        if truth is not None:
            truth = _targets(truth, "truth", p.shape[1:])
            noise, from_truth = y - truth, p - truth
            self.bias_squared = _estimate(_bias_squared(from_truth), _without_each(from_truth)[1])
            self.noise = _estimate(noise**2)
            cross = -2 * from_truth * noise
            of_refit = cross.mean(axis=(1, 2))
            left = (of_refit.sum() - of_refit) / (len(p) - 1)
            self.remainder = _estimate(cross.mean(axis=0), left)

    def __repr__(self) -> str:
        refits, rows = self.predictions.shape[:2]
        parts = {"bias^2": self.bias_squared, "variance": self.variance, "noise": self.noise}
        if self.noise is None:
            parts = {"bias^2 + noise": self.bias_squared_and_noise, "variance": self.variance}
        width = max(map(len, parts))
        lines = [f"{refits} refits, {rows} rows"]
        lines += [f"  {name:{width}}  {value}" for name, value in parts.items()]
        lines.append(f"  {'error':{width}}  {self.error}")
        if self.remainder is not None:
            lines[-1] += f", the sum differs by {self.remainder}"
        return "\n".join([*lines, "± one standard error"])


@explained(
    {
        "fit_kwargs": "Write epochs=... and batch_size=... as arguments of their own.",
        "cv": "There are no folds: refits=... says how many training sets are drawn.",
        "n": "Number of training sets: refits=50.",
        "repeats": "Number of training sets: refits=50.",
    }
)
def bias_variance(
    build_model: Callable[..., Any],
    draw: Callable[[np.random.Generator], tuple],
    x: Any,
    y: Any,
    *,
    truth: Any = None,
    refits: int = 50,
    epochs: int = 1,
    batch_size: int = 32,
    seed: int = 0,
    executor: Any = None,
    verbose: int | str = "auto",
) -> BiasVariance:
    """Train a fresh model on each of many training sets; split its error on new rows.

    All refits are trained together by `fit_many`. What the initial weights and the order of the
    batches change is part of the variance.

    Args:
        build_model: `build_model()`, or `build_model(refit)`, returns a new compiled model, as in
            `cross_validate`.
        draw: `draw(rng)` returns a training set (x, y), drawn with that NumPy generator. From a
            fixed stock of rows: `rng.choice(rows, n, replace=False)`; such sets share rows, and
            the variance comes out too small by about the share n / rows. One that returns the
            same set each time leaves the variance of initial weights and batch order alone.
        x: new rows, drawn as those that the model will meet, and in no training set: an array, a
            DataFrame, or a dict of arrays.
        y: their measured targets.
        truth: their targets without noise, if known.
        refits: number of training sets, at least 3.
        epochs: as in `fit`, at least 1.
        batch_size: as in `fit`, at least 1.
        seed: of training sets, models and batch order. The same seed gives the same result, and
            the global random states stay as they were.
        executor: as in `cross_validate`: its workers train the refits, on training sets drawn
            here.
        verbose: as in `fit_many`.

    Returns:
        A `BiasVariance`.

    Raises:
        TypeError, ValueError: for arguments that do not fit, before any training; ValueError for
            a training that diverged.

    Example:
        >>> import keras
        >>> def build_model():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(0.3), "mse")
        ...     return model
        >>> def draw(rng, rows=20):
        ...     x = rng.uniform(-1, 1, rows)
        ...     return x, x**2 + rng.normal(0, 0.1, rows)
        >>> x, y = draw(np.random.default_rng(1), rows=300)
        >>> result = bias_variance(build_model, draw, x, y, truth=x**2, refits=20, epochs=20,
        ...                        verbose=0)  # a line cannot bend
        >>> print(f"{result.bias_squared.value:.2f}, {result.variance.value:.2f}")
        0.09, 0.01
    """
    check_builder(build_model)
    if not callable(draw):
        raise TypeError(
            "`draw` must be a function of a NumPy generator that returns a training set (x, y). "
            f"Received: {type(draw).__name__}. Of given rows: lambda rng: a random choice of them."
        )
    if not takes(draw, None):
        raise TypeError(
            "`draw` must be a function of a NumPy generator that returns a training set (x, y). "
            f"Received: a function of {inspect.signature(draw)}. Write def draw(rng): ..."
        )
    refits, seed, verbose = count("refits", refits, 3), checked_seed(seed), verbosity(verbose)
    epochs, batch_size = count("epochs", epochs), count("batch_size", batch_size)
    if executor is not None:
        check_executor(executor)
    models = [build(build_model, k, seed) for k in range(refits)]
    for k, model in enumerate(models):
        look_at(model, models[:k][:1] + models[:k][-1:])
    text = takes_text(models[0])
    x, y = _finite(numbers(as_inputs(x), text), "x"), one_target(y, "y")
    sets = [_drawn(draw, np.random.default_rng([seed, k]), k, text) for k in range(refits)]
    one = take(x, np.arange(1))
    with taking(models[0], one, "The model must take the rows of `x`."):
        for k, model in enumerate(models):
            build_weights(model, k, seed, one)
        outputs = outputs_of(models[0], one)
    if isinstance(outputs, dict):
        raise ValueError(
            "`build_model` must return a model with one output. Received: outputs "
            f"{', '.join(map(repr, outputs))}."
        )
    for drawn, targets in sets:
        few = take(drawn, np.arange(1))
        with taking(models[0], few, "The model must take the rows of `draw`."):
            outputs_of(models[0], few)
        refuse_broadcasting(models[0], targets, outputs)
    shape = outputs.shape[1:]
    for name, values in (("y", y), ("truth", truth)):
        if values is not None:
            _targets(values, name, (rows_of(x), int(np.prod(shape))))
    work = _Refits(x, seed, epochs, batch_size)
    if executor is None:
        found = dict(work.of(models, sets, range(refits), verbose))
    else:
        shared, found = (work, build_model, sets), {}
        del models
        for _, some in elsewhere(executor, _refit, shared, pieces_of(range(refits), executor)):
            found.update(some)
    lost = [k for k in range(refits) if found[k] is None]
    if lost:
        raise ValueError(
            f"Each refit must end with finite weights. Received: NaN or infinity in {len(lost)} of "
            f"{refits} refits, the first is {lost[0]}. Lower the learning rate, or scale the "
            "inputs."
        )
    return BiasVariance(np.stack([found[k] for k in range(refits)]), y, truth)


@dataclass(frozen=True)
class _Refits:
    """How refits are trained and asked, here or in a worker."""

    x: Any
    seed: int
    epochs: int
    batch_size: int

    def of(self, models, sets, numbers, verbose) -> list[tuple[int, np.ndarray | None]]:
        """Return what the refits of these numbers say for `x`; None where one diverged."""
        before = [finite_weights(model) for model in models]
        ends = np.cumsum([0, *(len(targets) for _, targets in sets)])
        fit_all(
            models,
            _joined([inputs for inputs, _ in sets]),
            _joined_targets([targets for _, targets in sets]),
            rows=[np.arange(a, b) for a, b in itertools.pairwise(ends)],
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=[fold_seed(self.seed, k) for k in numbers],
            verbose=verbose,
        )
        sound = [was == finite_weights(model) for was, model in zip(before, models, strict=True)]
        return [
            (k, outputs_of(model, self.x) if good else None)
            for k, model, good in zip(numbers, models, sound, strict=True)
        ]


def _refit(shared: tuple[_Refits, Callable, list], numbers: list[int]) -> list:
    """Train some refits in a worker."""
    work, build_model, sets = shared
    models = [build(build_model, k, work.seed) for k in numbers]
    for k, model in zip(numbers, models, strict=True):
        build_weights(model, k, work.seed, take(work.x, np.arange(1)))
    return work.of(models, [sets[k] for k in numbers], numbers, 0)


def _finite(values, name: str):
    """Return an input or target, refused where it is not finite."""
    found = not_finite(values)
    if found is not None:
        raise ValueError(
            f"`{name}` must be finite. Received: {found.many}, the first in "
            f"row {found.row}: {found.value}. Leave these rows out."
        )
    return values


def _joined(inputs: list):
    try:
        return join(inputs)
    except Ragged:
        raise ValueError(
            "`draw` must return inputs of one shape, but for the number of rows. Received: "
            f"{shapes(inputs[0])} and others."
        ) from None


def _joined_targets(targets: list) -> np.ndarray:
    if len({y.shape[1:] for y in targets}) > 1:
        raise ValueError(
            "`draw` must return y of one shape, but for the number of rows. Received: "
            f"{targets[0].shape} and others."
        )
    return np.concatenate(targets)


def _drawn(draw, rng, refit: int, text: bool):
    """Return one training set, checked."""
    pair = draw(rng)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(
            f"`draw` must return a pair (x, y). Received: {type(pair).__name__} for refit {refit}"
        )
    x, y = numbers(as_inputs(pair[0]), text), one_target(pair[1], f"y of refit {refit}")
    if rows_of(x) != len(y) or not len(y):
        raise ValueError(
            "`draw` must return x and y with the same rows, at least one. "
            f"Received: {rows_of(x)} rows in x, y of shape {y.shape} for refit {refit}"
        )
    return _finite(x, f"x of refit {refit}"), y


def _targets(values, name: str, shape: tuple[int, int]) -> np.ndarray:
    """Return y or the truth as (rows, outputs)."""
    values = numeric(values, name).astype("float64")
    if values.ndim == 0 or values.reshape(len(values), -1).shape != shape:
        rows, outputs = shape
        raise ValueError(
            f"`{name}` must hold {outputs} value{'s' * (outputs > 1)} for each of the {rows} rows, "
            f"as the model predicts. Received: shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite. Received: NaN or infinity")
    return values.reshape(shape)


def _bias_squared(deviations: np.ndarray) -> np.ndarray:
    """Return the unbiased square of the mean deviation, for each row and output."""
    return deviations.mean(axis=0) ** 2 - deviations.var(axis=0, ddof=1) / len(deviations)


def _without_each(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean products of a refit with itself and with others, without each one in turn.

    The mean square of one refit is the error; the mean product of two refits is bias^2, without
    bias, for they are independent. So the jackknife needs the products of all pairs, once.
    """
    flat = deviations.reshape(len(deviations), -1)
    refits, products = len(flat), flat @ flat.T / flat.shape[1]
    own = np.diag(products)
    others = products.sum(axis=1) - own
    return (
        (own.sum() - own) / (refits - 1),
        (others.sum() - 2 * others) / ((refits - 1) * (refits - 2)),
    )


def _estimate(by_row: np.ndarray, without_each: np.ndarray | None = None) -> Estimate:
    """Return the mean over rows and outputs, with its standard error.

    Args:
        by_row: contributions, of shape (rows, outputs).
        without_each: the mean without each refit in turn, where refits matter.
    """
    by_row = by_row.mean(axis=1)
    square = by_row.var(ddof=1) / len(by_row)
    if without_each is not None:
        square += (len(without_each) - 1) * without_each.var()
    return Estimate(float(by_row.mean()), float(np.sqrt(square)))
