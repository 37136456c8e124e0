"""What cross-validation is given, checked, before anything is trained."""

import numpy as np

from coursekit._checks import is_int
from coursekit.validation._arguments import (
    as_inputs,
    check_builder,
    check_class_weight,
    check_fit,
    check_preprocess,
    rows_of,
)
from coursekit.validation._run import Run
from coursekit.validation._scoring import make_scorers
from coursekit.validation._splits import make_splits
from coursekit.validation._task import as_targets, describe, with_outputs


def prepare(
    build_model, x, y, cv, *, preprocess, fit_kwargs, scoring, groups, seed, task, temporal
) -> tuple:
    """Return the run, ready to train, and the model of its first fold.

    The arguments are those of `cross_validate`.
    """
    check_builder(build_model)
    if not is_int(seed) or seed < 0:
        raise ValueError(f"`seed` must be a whole number, at least 0. Received: seed={seed!r}")
    x, y = as_inputs(x), as_targets(y)
    rows = rows_of(x)
    if y.ndim == 0 or len(y) != rows or not rows:
        raise ValueError(
            "`x` and `y` must have the same rows, at least one. "
            f"Received: {rows} rows in `x`, `y` of shape {y.shape}"
        )
    fit = check_fit(fit_kwargs, rows)
    run = Run(build_model, x, y, check_preprocess(preprocess), fit, int(seed), bool(temporal))
    first = run.build(0)
    run.task = describe(first, y, task)
    labels = run.task.labels
    run.folds = make_splits(
        cv,
        rows,
        np.zeros((rows, 1)) if isinstance(x, dict) else x,
        y if labels is None else labels,
        groups,
        stratify=labels is not None,
        temporal=temporal,
        seed=seed,
    )
    run.task = with_outputs(run.task, first, run.first_outputs(first), y)
    run.scorers = make_scorers(scoring, run.task)
    check_class_weight(fit["class_weight"], run.task)
    return run, first
