"""The folds of several trials, trained side by side."""

import json
from collections.abc import Callable

from coursekit._fingerprint import fingerprint
from coursekit.validation._cross_validation import CrossValidation, result_of
from coursekit.validation._folder import Fold
from coursekit.validation._prepare import prepare
from coursekit.validation._run import Run


class Together(Run):
    """Runs that differ only in what they build, as one run.

    Fold k of it is fold k % n of run k // n, and is seeded as it would be there: a trial scores
    the same with others beside it or alone.

    Args:
        runs: prepared runs with the same data, folds, fit arguments and task.
        firsts: for each of them the model of its first fold.
    """

    def __init__(self, runs: list[Run], firsts: list):
        lead = runs[0]
        super().__init__(None, lead.x, lead.y, lead.preprocess, lead.fit, lead.seed, lead.temporal)
        self.task, self.scorers = lead.task, lead.scorers
        self.runs, self.firsts = runs, dict(enumerate(firsts))
        self.prepared = lead.prepared
        self.count = len(lead.folds)
        self.folds = lead.folds * len(runs)

    def fold_seed(self, fold: int) -> int:
        """Return the seed of the fold in its own run."""
        return super().fold_seed(fold % self.count)

    def build(self, fold: int):
        """Return a fresh model of the fold's own run."""
        trial, own = divmod(fold, self.count)
        if own == 0 and trial in self.firsts:
            return self.firsts.pop(trial)
        return self.runs[trial].build(own)

    def assemble(self, folds: list[int]) -> tuple:
        """Return the data, preprocessed once for each fold, whatever the number of trials."""
        own = sorted({fold % self.count for fold in folds})
        x, y, weights, parts = super().assemble(own)
        return x, y, weights, [parts[own.index(fold % self.count)] for fold in folds]

    def results(self) -> list[CrossValidation]:
        """Train all folds and return what each run would have returned."""
        found: dict[int, Fold] = {}
        self.train_all(found, self.build(0), None, verbose=0)
        kept = [found[k] for k in range(len(self.folds))]
        starts = range(0, len(kept), self.count)
        return [
            result_of(run, kept[start : start + self.count])
            for run, start in zip(self.runs, starts, strict=True)
        ]

    def _callbacks(self, fold: int) -> list:
        trial, own = divmod(fold, self.count)
        return self.runs[trial]._callbacks(own)

    def _report(self) -> None:
        """Warn of scorers that failed, by the folds' own numbers."""
        self.problems = {
            name: {fold % self.count: text for fold, text in folds.items()}
            for name, folds in self.problems.items()
        }
        super()._report()


def cross_validate_together(
    recipes: list[tuple[Callable, dict]], x, y, cv, **settings
) -> list[CrossValidation | Exception]:
    """Cross-validate several recipes; those with equal `fit` arguments train side by side.

    Args:
        recipes: pairs of a builder and `fit_kwargs`, as `cross_validate` takes them.
        x: as in `cross_validate`.
        y: as in `cross_validate`.
        cv: as in `cross_validate`.
        settings: the other arguments of `prepare`, the same for all.

    Returns:
        For each recipe its result, or the error that ended it. An error in one does not end the
        others.
    """
    outcomes: list = [None] * len(recipes)
    alike: dict[str, list[tuple]] = {}
    for k, (build, fit_kwargs) in enumerate(recipes):
        try:
            run, first = prepare(build, x, y, cv, fit_kwargs=fit_kwargs, **settings)
        except Exception as error:  # whatever a learner's builder raises ends this trial alone
            outcomes[k] = error
            continue
        alike.setdefault(_key(run), []).append((k, run, first))
    for members in alike.values():
        for k, outcome in _trained(members):
            outcomes[k] = outcome
    return outcomes


def _key(run: Run) -> str:
    """What must be equal for runs to train as one. Callbacks may differ: each has its own."""
    fit = run.fit | {"callbacks": run.fit["callbacks"] is not None}
    return json.dumps([fingerprint(fit), run.task.kind, run.task.outputs, run.task.loss])


def _trained(members: list[tuple]) -> list[tuple]:
    """Train the members side by side; where that fails, each on its own."""
    numbers, runs, firsts = (list(part) for part in zip(*members, strict=True))
    try:
        return list(zip(numbers, Together(runs, firsts).results(), strict=True))
    except Exception as error:
        if len(members) == 1:
            return [(numbers[0], error)]
    return [pair for k, run, _ in members for pair in _trained([(k, run, run.build(0))])]
