"""Is the difference between two recipes real? A test that knows that folds share rows.

```python
a = cross_validate(build_small, x, y, cv=folds)
b = cross_validate(build_large, x, y, cv=folds)
print(compare(a, b))
```
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coursekit._checks import number
from coursekit.validation._inputs import numeric

if TYPE_CHECKING:
    from coursekit.validation._cross_validation import CrossValidation


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found; print it to read it in words.

    Attributes:
        scorer: the score that was compared.
        differences: first minus second, one a fold.
        mean: the mean difference.
        low: the lower end of its confidence interval.
        high: the upper end.
        p_value: how often folds without any true difference would differ by so much, two-sided.
        confidence: the coverage of the interval.
    """

    scorer: str
    differences: np.ndarray
    mean: float
    low: float
    high: float
    p_value: float
    confidence: float

    def __str__(self) -> str:
        way = "higher" if self.mean >= 0 else "lower"
        low, high = sorted((self.low, self.high) if self.mean >= 0 else (-self.low, -self.high))
        verdict = (
            "The interval holds 0: these folds do not tell the two apart."
            if self.low <= 0 <= self.high
            else "The interval leaves 0 out: the difference is larger than the folds scatter."
        )
        return (
            f"Over {len(self.differences)} folds the {self.scorer} of the first is {way} by "
            f"{abs(self.mean):.3f} on average; with {self.confidence:.0%} confidence by {low:.3f} "
            f"to {high:.3f} (p = {self.p_value:.2g}). {verdict}"
        )


def compare(
    results_a: "CrossValidation",
    results_b: "CrossValidation",
    *,
    scorer: str | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Test whether two recipes differ, from their scores on the same folds.

    The corrected resampled t-test. With differences d_1 ... d_J of the J folds, their mean m and
    variance s2 (divisor J - 1), n_val validation and n_train training rows a fold,

    ```
    t = m / sqrt((1 / J + n_val / n_train) * s2),    J - 1 degrees of freedom
    ```

    The plain paired t-test has 1 / J alone. It takes the folds for independent, though they share
    training rows, and finds differences where there are none.

    Args:
        results_a: what `cross_validate` returned for the first recipe.
        results_b: the same for the second, with the same rows in the same folds.
        scorer: which score to compare; None where there is only one.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        A `Comparison`.

    Raises:
        TypeError: for anything else than such results.
        ValueError: for results of other folds, of fewer than two folds, without a common score,
            or with a score that is NaN.

    Numerics:
        Where all folds differ by the same amount the interval has no width, and p is 0 (or 1 where
        that amount is 0): J equal numbers carry no spread to judge by.

    Example:
        >>> from types import SimpleNamespace
        >>> folds = [(np.arange(90), np.arange(90, 100))] * 10
        >>> a = SimpleNamespace(scores={"accuracy": np.full(10, 0.8)}, folds=folds)
        >>> better = 0.8 + np.array([3, 1, 2, 0, 4, 2, 1, 3, 2, 2]) / 100
        >>> b = SimpleNamespace(scores={"accuracy": better}, folds=folds)
        >>> found = compare(b, a)
        >>> print(f"{found.mean:.3f}, from {found.low:.3f} to {found.high:.3f}")
        0.020, from 0.008 to 0.032

    References:
        Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003),
        for random splits. Bouckaert and Frank, "Evaluating the Replicability of Significance Tests
        for Comparing Learning Algorithms" (PAKDD 2004), for repeated k-fold cross-validation.
    """
    from scipy import stats

    confidence = number("confidence", confidence, above=0, below=1)
    for name, results in (("results_a", results_a), ("results_b", results_b)):
        _check_result(name, results)
    _check_folds(results_a.folds, results_b.folds)
    scorer = _common_scorer(results_a.scores, results_b.scores, scorer)
    a, b = (
        numeric(results.scores[scorer], f"scores[{scorer!r}]") for results in (results_a, results_b)
    )
    if not len(a) == len(b) == len(results_a.folds):
        raise ValueError(
            f"`scores[{scorer!r}]` must hold one score a fold. Received: {len(a)} and {len(b)} for "
            f"{len(results_a.folds)} folds"
        )
    differences = a - b
    if not np.isfinite(differences).all():
        bad = np.flatnonzero(~np.isfinite(differences))
        raise ValueError(
            f"Every fold must have a score. Received: `{scorer}` that is NaN or infinite in fold "
            f"{', '.join(map(str, bad))}. `cross_validate` warned of the cause."
        )
    share = np.mean([len(validation) / len(train) for train, validation in results_a.folds])
    count, mean = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / count + share) * differences.var(ddof=1)))
    # Equal differences leave rounding where their spread should be.
    if np.ptp(differences) <= 8 * np.finfo(float).eps * max(np.abs(a).max(), np.abs(b).max()):
        error = 0.0
        p_value = float(np.isclose(mean, 0.0, atol=1e-12))
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    reach = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return Comparison(scorer, differences, mean, mean - reach, mean + reach, p_value, confidence)


def _common_scorer(a: dict, b: dict, scorer: str | None) -> str:
    common = [name for name in a if name in b]
    if scorer is None and len(common) == 1:
        return common[0]
    if not isinstance(scorer, str) or scorer not in common:
        raise ValueError(
            "`scorer` must name a score that both results have: "
            f"{', '.join(common) or 'there is none'}. Received: scorer={scorer!r}, with "
            f"{', '.join(a)} in the first and {', '.join(b)} in the second"
        )
    return scorer


def _check_result(name: str, results) -> None:
    if not isinstance(getattr(results, "folds", None), list | tuple):
        raise TypeError(
            f"`{name}` must be what `cross_validate` returns; scores alone do not say which rows "
            f"the folds share. Received: {type(results).__name__}. Of a tuner, take one trial's "
            "result: `tuner.results[trial_id]`."
        )


def _check_folds(a: list, b: list) -> None:
    if len(a) != len(b):
        raise ValueError(
            "The two results must come from the same folds: their scores are paired. Received: "
            f"{len(a)} folds and {len(b)}. Cut once, `folds = list(cv.split(x, y))`, and pass "
            "`cv=folds` to both."
        )
    if len(a) < 2:
        raise ValueError(
            "At least two folds are needed to see how much they scatter. Received: 1 fold."
        )
    for fold, sides in enumerate(zip(a, b, strict=True)):
        for name, one, other in zip(("train", "validate"), *sides, strict=True):
            if not np.array_equal(np.sort(one), np.sort(other)):
                raise ValueError(
                    "The two results must come from the same folds: their scores are paired. "
                    f"Received: other rows to {name} in fold {fold}. Cut once, "
                    "`folds = list(cv.split(x, y))`, and pass `cv=folds` to both."
                )
