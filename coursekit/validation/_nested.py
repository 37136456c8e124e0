"""What does choosing cost? Cross-validation around a choice that is itself made by scores.

```python
builders = {"small": build_small, "large": build_large}
result = nested_cross_validate(builders, x, y, cv=5, inner_cv=4, fit_kwargs={"epochs": 20})
print(result)              # the score of the whole procedure, and what the choice promised
```

Each outer fold chooses anew, by inner folds of its training rows.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coursekit._checks import brief, count, is_int, require, switch, takes, verbosity
from coursekit._checks import seed as checked_seed
from coursekit._elsewhere import check_executor
from coursekit._spool import removing
from coursekit.validation._arguments import (
    IN_FIT_KWARGS,
    call_with_fold,
    check_builder,
    check_fit,
    explained,
)
from coursekit.validation._cross_validation import CrossValidation, cross_validate
from coursekit.validation._inputs import (
    as_inputs,
    as_targets,
    chosen,
    in_memory,
    of_dataset,
    rows_of_both,
    take,
)
from coursekit.validation._models import build
from coursekit.validation._splits import make_splits
from coursekit.validation._task import describe


@dataclass(frozen=True, eq=False, repr=False)
class NestedCrossValidation:
    """What `nested_cross_validate` found.

    Attributes:
        outer: a `CrossValidation` of the whole procedure: choose on the training rows of an outer
            fold, train the chosen recipe on all of them, score on rows that saw neither.
        chosen: the name chosen in each outer fold; of a function that chooses, the builder's.
        inner: for each outer fold the mean inner score of each candidate; of a function, nothing.
    """

    outer: CrossValidation
    chosen: list[str]
    inner: list[dict[str, float]]

    @property
    def promised(self) -> float:
        """The mean over outer folds of the winner's inner score, by which it was chosen."""
        scores = [inner[name] for inner, name in zip(self.inner, self.chosen, strict=False)]
        return float(np.mean(scores or [np.nan]))

    def __repr__(self) -> str:
        scorer, mean = next(iter(self.outer.mean.items()))
        times = {name: self.chosen.count(name) for name in dict.fromkeys(self.chosen)}
        lines = [
            f"NestedCrossValidation: {len(self.chosen)} outer folds",
            f"  {scorer} of the whole procedure: mean {mean:.3f}, folds from "
            f"{self.outer.scores[scorer].min():.3f} to {self.outer.scores[scorer].max():.3f}",
            "  chosen: " + ", ".join(f"{name} {count} times" for name, count in times.items()),
        ]
        if self.inner:
            lines.append(f"  the inner scores that chose promised {self.promised:.3f}")
        return "\n".join(lines)


@explained(IN_FIT_KWARGS)
@removing
def nested_cross_validate(
    candidates: dict[str, Callable[..., Any]] | Callable[..., Any],
    x: Any,
    y: Any = None,
    cv: Any = 5,
    *,
    inner_cv: Any = 5,
    preprocess: Any = None,
    fit_kwargs: dict[str, Any] | None = None,
    scoring: Any = None,
    groups: Any = None,
    seed: int = 0,
    task: str | dict[str, str] | None = None,
    temporal: bool = False,
    executor: Any = None,
    verbose: int | str = "auto",
) -> NestedCrossValidation:
    """Score a procedure that chooses among recipes, on rows that had no part in the choice.

    The score by which a recipe was chosen is too good. Here each outer fold repeats the whole
    choice on its training rows alone, so that its validation rows know nothing of it. The result
    judges the procedure; the recipe to use comes from running the procedure once, on all rows.

    Args:
        candidates: a dict from names to builders, as `cross_validate` takes them: in each outer
            fold the best by `inner_cv` is chosen, by the first score; one with a fold that has no
            score is never chosen. Or a function
            `choose(x, y)` of an outer fold's training rows that returns a builder, after a search
            for example.
        x: as in `cross_validate`.
        y: as in `cross_validate`.
        cv: the outer folds, as in `cross_validate`. Where a function chooses, a number of folds
            is stratified if `task` says classes, or says nothing and `y` holds whole numbers.
        inner_cv: the folds within the training rows of an outer fold: a number or a splitter.
        preprocess: as in `cross_validate`; fitted within each inner and outer fold.
        fit_kwargs: as in `cross_validate`, for inner and outer trainings.
        scoring: as in `cross_validate`.
        groups: one value a row, for outer and inner splits. Not with a function that chooses: it
            gets no groups.
        seed: of models, batch order and splits.
        task: as in `cross_validate`.
        temporal: as in `cross_validate`, for outer and inner splits.
        executor: as in `cross_validate`, for the inner and the outer folds. A function that
            chooses is called here.
        verbose: as in `cross_validate`.

    Returns:
        A `NestedCrossValidation`.

    Raises:
        TypeError, ValueError: for arguments that are wrong or would leak.

    References:
        Cawley and Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in
        Performance Evaluation", JMLR 11 (2010).
    """
    import keras

    _check(candidates, inner_cv, groups)
    if executor is not None:
        check_executor(executor)
    seed, temporal, verbose = (
        checked_seed(seed),
        switch("temporal", temporal),
        verbosity(verbose),
    )
    x, y, fit_kwargs = of_dataset(x, y, fit_kwargs)
    x, y = as_inputs(x), as_targets(y)
    rows = rows_of_both(x, y)
    check_fit(fit_kwargs, rows)
    settings = {"preprocess": preprocess, "scoring": scoring, "seed": seed, "task": task,
                "temporal": temporal, "executor": executor, "verbose": verbose}  # fmt: skip
    folds = _outer_folds(candidates, x, y, rows, cv, groups, task, temporal, seed)
    fewest = min(len(train) for train, _ in folds)
    require(
        not (is_int(inner_cv) and isinstance(candidates, dict)) or inner_cv <= fewest,
        f"`inner_cv` must be at most the training rows of an outer fold, {fewest}.",
        inner_cv=inner_cv,
    )
    builders, names, inner = [], [], []
    for train, _ in folds:
        own_x, own_y = chosen(x, train), take(y, train)
        if isinstance(candidates, dict):
            means = {}
            for name, build in candidates.items():
                result = cross_validate(
                    build, own_x, own_y, inner_cv,
                    fit_kwargs=_of_rows(fit_kwargs, train),
                    groups=None if groups is None else np.asarray(groups)[train],
                    **settings,
                )  # fmt: skip
                means[name] = next(iter(result.mean.values()))
            names.append(_best(means))
            builders.append(candidates[names[-1]])
            inner.append(means)
        else:
            build = candidates(in_memory(own_x), own_y)
            if isinstance(build, keras.Model) or not callable(build):
                raise TypeError(
                    "`candidates`, a function, must return a function that builds a compiled "
                    f"model. Received: {type(build).__name__}"
                )
            names.append(getattr(build, "__name__", type(build).__name__))
            builders.append(build)
    outer = cross_validate(
        lambda fold: call_with_fold(builders[fold], fold),
        x, y, folds, fit_kwargs=fit_kwargs, groups=groups, **settings,
    )  # fmt: skip
    return NestedCrossValidation(outer, names, inner)


def _best(means: dict[str, float]) -> str:
    known = {name: mean for name, mean in means.items() if np.isfinite(mean)}
    if not known:
        raise ValueError(
            "One candidate at least must have a score in each inner fold. Received: NaN for "
            f"{', '.join(means)}. The warnings say why."
        )
    return max(known, key=known.get)


def _of_rows(fit_kwargs: dict | None, rows: np.ndarray) -> dict | None:
    """Return `fit`'s arguments for some of the rows: the weights belong to rows."""
    weights = (fit_kwargs or {}).get("sample_weight")
    return (
        fit_kwargs if weights is None else fit_kwargs | {"sample_weight": np.asarray(weights)[rows]}
    )


def _outer_folds(candidates, x, y, rows, cv, groups, task, temporal, seed) -> list:
    labels = None
    if isinstance(candidates, dict):
        # All of them: a builder that builds nothing is told before the others are trained.
        first, *_ = [build(builder, 0, seed) for builder in candidates.values()]
        tasks = describe(first, y, task)
        labels = tasks[None].labels if None in tasks else None
    elif isinstance(y, dict):
        pass
    elif task in ("classification", "binary") or (task is None and y.dtype.kind in "iu"):
        labels = y if y.ndim == 1 else None
    return make_splits(
        cv, rows, np.zeros((rows, 1)) if isinstance(x, dict) else in_memory(x),
        labels if labels is not None else next(iter(y.values())) if isinstance(y, dict) else y,
        groups,
        stratify=labels is not None, temporal=temporal, seed=seed,
    )  # fmt: skip


def _check(candidates, inner_cv, groups) -> None:
    import keras

    if isinstance(candidates, dict) and len(candidates) > 1:
        if any(not callable(build) for build in candidates.values()):
            raise TypeError(
                "`candidates` must map names to functions that build a compiled model. Received: "
                f"{ {name: type(build).__name__ for name, build in candidates.items()} }"
            )
        for build in candidates.values():
            check_builder(build)
        splits = hasattr(inner_cv, "split") and not isinstance(inner_cv, str)
        if not (splits or isinstance(inner_cv, bool) or is_int(inner_cv)):
            raise TypeError(
                "`inner_cv` must be a number of folds or a splitter: each outer fold has other "
                f"rows, so a list of splits cannot serve. Received: {type(inner_cv).__name__}"
            )
        if not splits:
            count("inner_cv", inner_cv, 2)
        return
    if isinstance(candidates, dict | keras.Model) or not callable(candidates):
        raise TypeError(
            "`candidates` must be a dict of at least two builders, or a function `choose(x, y)` "
            f"that returns a builder. Received: {brief(candidates)}. For example "
            '{"small": build_small, "large": build_large}'
        )
    if not takes(candidates, None, None):
        raise TypeError(
            "`candidates` must be a dict of at least two builders, or a function `choose(x, y)` "
            f"that returns a builder. Received: a function of {inspect.signature(candidates)}. To "
            "score one recipe: cross_validate."
        )
    if groups is not None:
        raise ValueError(
            "`groups` must be left out where a function chooses: it gets x and y alone, and would "
            "split groups. Received: `groups`. Pass a dict of builders."
        )
