"""Builds, trains and scores the folds of a plan, as many side by side as memory allows."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coursekit._elsewhere import elsewhere, pieces_of
from coursekit._fingerprint import fingerprint
from coursekit._randomness import seeded
from coursekit.validation._arguments import call_with_fold, check_callbacks
from coursekit.validation._folder import Fold
from coursekit.validation._inputs import Ragged, chosen, take
from coursekit.validation._models import (
    build,
    build_weights,
    finite_weights,
    fold_seed,
    look_at,
    overlap,
)
from coursekit.validation._names import SameNames
from coursekit.validation._outputs import halves, outputs_of
from coursekit.validation._plan import Candidate, Plan
from coursekit.validation._reports import broken_because
from coursekit.validation._rows import Part
from coursekit.validation._scoring import score

GROUP_BYTES = 2**30  # of preprocessed data and models that are in memory at once
RUNNING = "running_"  # the folder of a group that trains
GROUPS_IN_FOLDER = 5  # with a folder: a kill costs at most so small a share of the work


class Job(NamedTuple):
    """One model to train: a fold of a candidate."""

    candidate: int
    fold: int


class Trained(NamedTuple):
    """What the training of a fold left.

    Attributes:
        fold: what is kept.
        model: the trained model; None where another process trained it.
        problems: why a scorer failed, by name.
        broken: what is not finite, in words; "" where all is.
        unscored: whether the fold has no scores for that reason.
        leaks: what a callback decides by the rows that score the fold.
    """

    fold: Fold
    model: Any
    problems: dict[str, str]
    broken: str
    unscored: bool
    leaks: list[str]


def train_folds(
    plan: Plan,
    candidates: list[Candidate],
    todo: list[Job],
    *,
    folder: Path | None = None,
    executor: Any = None,
    verbose: int | str = 0,
    kept: bool = False,
) -> Iterator[tuple[Job, Trained]]:
    """Train and score folds; those of several candidates, side by side.

    A fold is seeded by its number: it scores the same with others beside it or alone.

    Args:
        plan: what all share.
        candidates: what is to be judged.
        todo: the folds to train.
        folder: where finished folds are kept: then the groups are smaller, and one that is killed
            goes on in its middle.
        executor: whose workers train; they get the recipes.
        verbose: as in `fit_many`.
        kept: whether the models outlive this, and so need names of their own.
    """
    if executor is not None:
        yield from _train_elsewhere(plan, candidates, todo, executor, folder is not None)
        return
    ready = {Job(k, 0): candidate.first for k, candidate in enumerate(candidates)}
    firsts = [candidate.first for candidate in candidates]

    names = contextlib.nullcontext() if kept else SameNames()

    def made(job: Job):
        model = ready.pop(job, None)
        if model is None:
            with names:
                model = build(candidates[job.candidate].build_model, job.fold, plan.seed)
        return model

    for job in todo[:2]:  # to look at both before anything is trained
        ready[job] = made(job)
    for job in todo[:2]:
        look_at(ready[job], [firsts[job.candidate]] if job.fold else [])
    for group in _groups(plan, firsts[0], todo, folder is not None):
        models: list = []
        for job in group:
            model = made(job)
            look_at(model, [one for one in (firsts[job.candidate], *models[-1:]) if job.fold])
            models.append(model)
        yield from _train(plan, candidates, group, models, verbose, folder)
        del models
        for running in folder.glob(f"{RUNNING}*") if folder else ():
            shutil.rmtree(running, ignore_errors=True)


def _train_elsewhere(
    plan: Plan, candidates: list[Candidate], todo: list[Job], executor, saved: bool
) -> Iterator[tuple[Job, Trained]]:
    """Send the folds to the workers of an executor, as recipes, and yield what comes back."""
    plan = replace(plan, rows=replace(plan.rows, prepared={}))
    recipes = [candidate._replace(first=None) for candidate in candidates]
    pieces = pieces_of(todo, executor, whole=saved)
    for _, trained in elsewhere(executor, _trained_here, (plan, recipes), pieces):
        yield from trained


def _trained_here(shared: tuple[Plan, list[Candidate]], jobs: list[Job]) -> list:
    """Train some folds in a worker; their models stay there."""
    plan, recipes = shared
    used = sorted({job.candidate for job in jobs})
    candidates = [
        recipes[k]._replace(first=build(recipes[k].build_model, 0, plan.seed)) for k in used
    ]
    own = [job._replace(candidate=used.index(job.candidate)) for job in jobs]
    return [
        (Job(used[job.candidate], job.fold), trained._replace(model=None))
        for job, trained in train_folds(plan, candidates, own)
    ]


def _groups(plan: Plan, model, todo: list[Job], saved: bool) -> list[list[Job]]:
    """Divide the folds into groups that are trained together, as far as memory allows."""
    import keras

    # Weights, and two moments in the optimizer; of a model that is not built yet, nothing is known.
    size = 12 * model.count_params() if model.built else 0
    prepared = next(iter(plan.rows.prepared.values()), [])
    size += sum(getattr(a, "nbytes", 0) for a in keras.tree.flatten(prepared))
    most = max(1, GROUP_BYTES // max(1, size))
    if saved:
        most = min(most, -(-len(plan.folds) // GROUPS_IN_FOLDER))
    return [todo[i : i + most] for i in range(0, len(todo), most)]


def _train(
    plan: Plan,
    candidates: list[Candidate],
    group: list[Job],
    models: list,
    verbose,
    folder: Path | None = None,
) -> Iterator[tuple[Job, Trained]]:
    """Train the models of a group and yield each fold with what it left."""
    folds = sorted({job.fold for job in group})
    try:
        if overlap(models):  # by frozen layers
            raise Ragged
        data = plan.rows.assemble(folds)
    except Ragged:
        if len(group) == 1:
            raise
        for job, model in zip(group, models, strict=True):
            yield from _train(plan, candidates, [job], [model], verbose)
        return
    if len(candidates) == 1:  # others may want the same preprocessed rows
        for fold in folds:
            plan.rows.prepared.pop(fold, None)
    parts = [data.parts[folds.index(job.fold)] for job in group]
    for job, model, part in zip(group, models, parts, strict=True):
        build_weights(model, job.fold, plan.seed, take(data.x, part.train[:1]))
    callbacks, leaks = _callbacks(plan, candidates, group, models)
    before = [finite_weights(model) for model in models]
    kept = {}
    if folder and _can_resume(callbacks):
        # The folder around it tells recipes apart; what preprocessing drew is in the name.
        name = fingerprint([folds, data.x, data.y, data.weights])
        kept = {"folder": folder / f"{RUNNING}{name}", "version": "of this cross-validation"}
    histories = fit_all(
        models, data.x, data.y,
        rows=[part.train for part in parts], sample_weight=data.weights,
        validation_rows=[part.watch for part in parts], callbacks=callbacks,
        seed=[fold_seed(plan.seed, job.fold) for job in group], verbose=verbose, **kept,
        **{name: plan.fit[name] for name in ("epochs", "batch_size", "shuffle", "class_weight")},
    )  # fmt: skip
    for k, (job, model) in enumerate(zip(group, models, strict=True)):
        curves = {name: [float(v) for v in values] for name, values in histories[k].items()}
        yield job, _scored(plan, job.fold, model, data.x, parts[k], before[k], curves, leaks[k])


def _scored(
    plan: Plan, number: int, model, x, place: Part, before: list[bool], curves: dict, leaks: list
) -> Trained:
    """Score a trained fold on both sides, and look whether all in it is finite."""
    lost = [
        variable.path
        for variable, was, now in zip(
            model.variables, before, finite_weights(model), strict=False
        )
        if was and not now
    ]  # fmt: skip
    own = plan.rows.part(number)
    rows = own.validation, own.train
    xs = [chosen(x, side) for side in (place.validation, place.train)]
    size = plan.fit["batch_size"]
    both = np.concatenate([place.validation, place.train])  # as many in most folds: one shape
    outputs = halves(outputs_of(model, chosen(x, both), size), len(place.validation))
    validation, train = (
        score(plan.scorers, model, plan.tasks, given, found, side, size, sound=not lost)
        for given, found, side in zip(xs, outputs, rows, strict=True)
    )
    fold = Fold(validation.scores, train.scores, curves, validation.predictions)
    because = broken_because(curves, lost, (validation, train), xs, rows)
    unscored = bool(lost) or bool(validation.broken.any())
    return Trained(fold, model, validation.problems, because, unscored, leaks)


def _callbacks(plan: Plan, candidates: list[Candidate], group: list[Job], models: list):
    """Return each model's callbacks, or None where there are none; and the leaks they make."""
    if all(candidates[job.candidate].callbacks is None for job in group):
        return None, [[] for _ in group]
    made, leaks = [], []
    for job, model in zip(group, models, strict=True):
        with seeded(fold_seed(plan.seed, job.fold)):
            function = candidates[job.candidate].callbacks
            callbacks = [] if function is None else call_with_fold(function, job.fold)
        leaks.append(check_callbacks(callbacks, model, watched=bool(plan.rows.share)))
        made.append(list(callbacks))
    return made, leaks


def _can_resume(callbacks) -> bool:
    from coursekit.training.resume import check_callbacks

    try:
        check_callbacks([one for of_a_model in callbacks or () for one in of_a_model])
    except ValueError:
        return False
    return True


def fit_all(models, x, y, **settings) -> list[dict[str, list]]:
    """Train the models in place and return what they recorded."""
    from coursekit.training.many import fit_many

    histories = fit_many(models, x, y, **settings)
    if any(history.params.get("interrupted") for history in histories):
        raise KeyboardInterrupt  # a fold trained for some of its epochs has no score
    return [history.history for history in histories]
