"""The folds of several trials, trained side by side."""

import json
import warnings
from collections.abc import Callable

from keras_tuner import errors

from coursekit._fingerprint import fingerprint
from coursekit.validation import CrossValidation
from coursekit.validation._cross_validation import Told, result_of
from coursekit.validation._models import build
from coursekit.validation._plan import Candidate, Plan, make_plan
from coursekit.validation._reports import failed
from coursekit.validation._run import Job, train_folds

Member = tuple[int, Plan, Candidate]  # the trial's place among the recipes


def cross_validate_together(
    recipes: list[tuple[Callable, dict]], x, y, cv, *, executor=None, **settings
) -> list[CrossValidation | Exception]:
    """Cross-validate several recipes; those with equal `fit` arguments train side by side.

    Args:
        recipes: pairs of a builder and `fit_kwargs`, as `cross_validate` takes them.
        x: as in `cross_validate`.
        y: as in `cross_validate`.
        cv: as in `cross_validate`.
        executor: as in `cross_validate`.
        settings: the other arguments of `make_plan`, the same for all.

    Returns:
        For each recipe its result, or the error that ended it: also where the predictions of a
        fold are not finite. An error in one does not end the others.
    """
    outcomes: list = [None] * len(recipes)
    alike: dict[str, list[Member]] = {}
    for k, (build_model, fit_kwargs) in enumerate(recipes):
        try:
            plan, candidate = make_plan(build_model, x, y, cv, fit_kwargs=fit_kwargs, **settings)
        except Exception as error:  # whatever a learner's builder raises ends this trial alone
            outcomes[k] = error
            continue
        alike.setdefault(_key(plan, candidate), []).append((k, plan, candidate))
    for members in alike.values():
        for k, outcome in _trained(members, executor):
            outcomes[k] = outcome
    return outcomes


def _key(plan: Plan, candidate: Candidate) -> str:
    """What must be equal for candidates to train as one. Callbacks may differ: each has its own."""
    tasks = [[name, t.kind, t.outputs, t.loss] for name, t in plan.tasks.items()]
    fit = fingerprint(plan.fit)
    return json.dumps([fit, candidate.callbacks is not None, plan.rows.fills, tasks])


def _trained(members: list[Member], executor) -> list[tuple[int, CrossValidation | Exception]]:
    """Train the members side by side; where that fails, each on its own."""
    try:
        return _together(members, executor)
    except Exception as error:
        if len(members) == 1:
            return [(members[0][0], error)]
    alone: list[tuple[int, CrossValidation | Exception]] = []
    for k, plan, candidate in members:
        try:
            fresh = candidate._replace(first=build(candidate.build_model, 0, plan.seed))
        except Exception as error:
            alone.append((k, error))
            continue
        alone += _trained([(k, plan, fresh)], executor)
    return alone


def _together(members: list[Member], executor) -> list[tuple[int, CrossValidation | Exception]]:
    _, plan, _ = members[0]
    candidates = [candidate for *_, candidate in members]
    folds = range(len(plan.folds))
    todo = [Job(number, fold) for number in range(len(candidates)) for fold in folds]
    told, found = Told(plan, {}), {}
    broken: dict[int, dict[int, str]] = {}
    for job, trained in train_folds(plan, candidates, todo, executor=executor):
        found[job] = trained.fold
        if trained.unscored:
            broken.setdefault(job.candidate, {})[job.fold] = trained.broken
            trained = trained._replace(broken="")  # told with its trial
        told.add(job.fold, trained)
    told.warn()
    outcomes: list = []
    for number, (k, own, _) in enumerate(members):
        outcome = result_of(own, [found[Job(number, fold)] for fold in folds])
        if number in broken:
            text = failed(own.scorers, broken[number])
            warnings.warn(f"A trial has failed. {text}", stacklevel=2)
            outcome = errors.FailedTrialError(text)
        outcomes.append((k, outcome))
    return outcomes
