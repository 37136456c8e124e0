"""Cross-validation of Keras models: a recipe, scored on rows that it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coursekit._checks import brief, place, switch, takes, verbosity
from coursekit._elsewhere import check_executor
from coursekit._spool import removing
from coursekit.validation._arguments import IN_FIT_KWARGS, explained
from coursekit.validation._folder import Fold, Folder, Parts
from coursekit.validation._models import fold_seed
from coursekit.validation._plan import Plan, make_plan, parts_of
from coursekit.validation._reports import of_kept, tell_broken, tell_leaks, tell_problems
from coursekit.validation._run import Job, Trained, train_folds
from coursekit.validation._splits import Split

if TYPE_CHECKING:
    import pandas as pd


class FoldResult(NamedTuple):
    """A fold that has just been trained and scored: what `on_fold` gets.

    Attributes:
        scores: the validation scores, by scorer.
        train_scores: the same on the rows trained on.
        history: what `fit` recorded, a list by epoch for each name.
        predictions: for the validation rows of the fold.
        model: the trained model; None with `executor`.
    """

    scores: dict[str, float]
    train_scores: dict[str, float]
    history: dict[str, list[float]]
    predictions: Any
    model: Any


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """What `cross_validate` found.

    Attributes:
        task: "classification", "binary", "multilabel", "regression" or "other"; of several
            outputs a dict by name.
        scores: the validation scores by scorer, one a fold; NaN where predictions are not finite.
        train_scores: the same on the rows trained on: the gap is overfitting.
        predictions: for each row the prediction of a model that has not seen it, the mean over
            repeats, NaN for rows never validated. Probabilities where the model gives any (one
            column a class; of a single output the probability of class 1), else its outputs. Of
            several outputs a dict by name.
        histories: what `fit` recorded, a dict of lists by epoch for each fold.
        folds: (train, validation) row indices.
        seeds: the seed each fold's model was built with.
        models: the trained models, one a fold, with `keep_models=True`; else nothing.
    """

    task: str | dict[str, str]
    scores: dict[str, np.ndarray]
    train_scores: dict[str, np.ndarray]
    predictions: np.ndarray | dict[str, np.ndarray]
    histories: list[dict[str, list[float]]]
    folds: list[Split]
    seeds: list[int]
    models: list = field(default_factory=list)

    @property
    def mean(self) -> dict[str, float]:
        """The mean over the folds, by scorer."""
        return {name: float(np.mean(values)) for name, values in self.scores.items()}

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation over the folds, by scorer.

        It tells how much one split can mislead. It is not a standard error of the mean, nor is it
        one after division by the root of the number of folds: the folds share training rows, so
        their scores are not independent (Bengio and Grandvalet 2004: no unbiased estimate exists).
        """
        one = len(self.folds) == 1
        return {k: float("nan" if one else np.std(v, ddof=1)) for k, v in self.scores.items()}

    @property
    def table(self) -> "pd.DataFrame":
        """A row a fold: the numbers of rows, and each score in training and validation."""
        import pandas as pd

        columns: dict[str, Any] = {
            "train_rows": [len(train) for train, _ in self.folds],
            "validation_rows": [len(validation) for _, validation in self.folds],
        }
        for name in self.scores:
            columns[f"train_{name}"] = self.train_scores[name]
            columns[name] = self.scores[name]
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.folds), name="fold"))

    def __repr__(self) -> str:
        folds = f"{len(self.folds)} fold" + "s" * (len(self.folds) != 1)
        task = self.task
        if isinstance(task, dict):
            task = ", ".join(f"{name}: {kind}" for name, kind in task.items())
        lines = [f"CrossValidation: {folds}, {task}"]
        width = max(map(len, self.scores))
        for name, values in self.scores.items():
            lines.append(
                f"  {name:{width}}  mean {self.mean[name]:.3f}, "
                f"folds from {values.min():.3f} to {values.max():.3f}, "
                f"spread {self.spread[name]:.3f} (training {self.train_scores[name].mean():.3f})"
            )
        lines.append("spread: standard deviation over folds, which share training rows;")
        lines.append("not a standard error.")
        return "\n".join(lines)


@explained(IN_FIT_KWARGS)
@removing
def cross_validate(
    build_model: Callable[..., Any],
    x: Any,
    y: Any = None,
    cv: Any = 5,
    *,
    preprocess: Any = None,
    fit_kwargs: dict[str, Any] | None = None,
    scoring: Any = None,
    groups: Any = None,
    seed: int = 0,
    task: str | dict[str, str] | None = None,
    temporal: bool = False,
    folder: str | PathLike | None = None,
    version: str | float | None = None,
    keep_models: bool = False,
    on_fold: Callable[[int, FoldResult], Any] | None = None,
    executor: Any = None,
    verbose: int | str = "auto",
) -> CrossValidation:
    """Train a fresh model on each fold and score it on the rows that it has not seen.

    The folds' models measure the recipe. To get a model, run the recipe once more on all rows. A
    score by which you chose among recipes is too good: keep rows that no fold sees, and open them
    once (`TestVault`).

    Args:
        build_model: `build_model()`, or `build_model(fold)`, returns a new compiled model; called
            once a fold. Layers without a seed of their own get one from `seed` and the fold.
        x: an array, a DataFrame, or a dict of arrays for several inputs; of numbers, or of text
            for a model that takes it (TextVectorization, StringLookup). Without `preprocess` it
            must be finite, unless the model fills what is missing. Memory-mapped arrays stay in
            their files, and are read a block at a time; or a `PyDataset`, whose rows are written
            into temporary files (docs/rows_beyond_memory.md).
        y: an array or a Series of numbers: class numbers, one-hot rows, or values. For a model
            with several outputs a dict of these, by the names of the outputs. Left out with a
            `PyDataset`, which brings it.
        cv: number of folds (unshuffled; stratified for the classes of a single output), a
            scikit-learn splitter (one that shuffles without `random_state` is seeded with `seed`),
            or (train, validation) pairs.
        preprocess: a scikit-learn transformer, cloned and fitted on the training rows of each
            fold; or `preprocess(x_train, y_train)`, which returns the function to apply to x.
        fit_kwargs: for `fit`: epochs, batch_size, shuffle, class_weight; sample_weight, one a row,
            at least 0 (a negative one rewards what is wrong, without a bound) and not 0 in all
            training rows of a fold; callbacks, a function (of the fold, or of nothing) that
            returns a list; validation_split, a share of each fold's training rows to stop or to
            reduce the rate by, instead of the rows that score it: drawn at random, class by class,
            or the last ones with temporal=True.
        scoring: a scikit-learn scorer's name, a function `f(estimator, x, y)` (`estimator.model`
            is the Keras model, x is preprocessed; more is better), or a list or dict of these.
            None: "accuracy" or "r2". The name of a scorer of values ("r2", "neg_..._error") is
            refused for classes: their numbers are names, and numbered otherwise they would score
            otherwise. Where their distance counts: scikit-learn's `make_scorer`. For several
            outputs a dict of these by output:
            {"age": "r2", "sex": ["accuracy", "roc_auc"]} gives scores named "age_r2",
            "sex_accuracy" and "sex_roc_auc".
        groups: one value a row; rows of a group train or validate together.
        seed: of models, batch order and splits. The same seed gives the same result, and the
            global random states stay as they were.
        task: "classification", "binary", "multilabel" or "regression", where the compiled loss
            does not tell. It also tells whether outputs are logits, by its `from_logits`. For
            several outputs a dict by name.
        temporal: the rows are in the order of time: refuse splits that train on later ones.
        folder: where to keep finished folds. Called again with the same folder and arguments,
            they are not trained again, and those in the middle of their training go on (where
            their callbacks can be resumed, see `coursekit.training.resumable_fit`); with others it
            is refused, by the name of what differs.
            Counted are the data, the code of functions and classes, and all that they read and
            hold at the beginning of the call; of installed libraries the version. Not counted is
            what the functions themselves change while they run, such as a list they append to.
            What cannot be told apart, such as a lock, is refused. Nothing is pickled.
        version: a word or a number that stands for what cannot be told apart. Change it when that
            changes.
        keep_models: whether the result holds the trained model of each fold. Not with `folder`:
            what comes from disk has no model.
        on_fold: `on_fold(fold, result)` is called after each fold that was trained and scored,
            with its number and a `FoldResult`: for loggers. (For each epoch: callbacks, which may
            take the fold.)
        executor: a `concurrent.futures.Executor` whose workers train the folds: a
            ProcessPoolExecutor, `client.get_executor()` of Dask, MPI's. What travels is the recipe,
            with the data: functions (also of a notebook), never models. Workers need the versions
            and the backend of the caller; each trains one piece at a time. The scores are those of
            the call without it, within rounding. A fold whose worker is lost is trained again,
            three times at most. Threads, and a pool that forks, start a new Python for each piece.
            With `folder` each fold is kept as it comes back. Not with `keep_models`.
        verbose: 0 for silence; "auto", 1 or 2 for the progress of `fit_many` and the mean scores
            after each group of folds.

    Returns:
        A `CrossValidation`.

    Raises:
        TypeError, ValueError: for arguments that are wrong or would leak, before any training.

    Numerics:
        Where predictions or weights are NaN or infinite after training, every scorer gives NaN in
        that fold, and one warning says in which folds, for how many rows, and where it began. A
        scorer that fails, such as ROC AUC on a single class, scores NaN there, with a warning.

    Example:
        >>> import keras, numpy as np
        >>> def build_model():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(0.1), "mse")
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(103, 2))
        >>> y = x @ [2.0, -1.0] + 3
        >>> result = cross_validate(build_model, x, y, fit_kwargs={"epochs": 20}, verbose=0)
        >>> [len(validation) for train, validation in result.folds]
        [21, 21, 21, 20, 20]
        >>> print(f"{result.mean['r2']:.2f}")
        1.00
    """
    verbose = verbosity(verbose)
    if folder is not None:
        folder = place("folder", folder)
    if switch("keep_models", keep_models) and folder is not None:
        raise ValueError(
            "`keep_models` must be left out with `folder`: a fold that comes from disk has no "
            "model. Received: both. Save the models in `on_fold`."
        )
    if executor is not None:
        check_executor(executor)
        if keep_models:
            raise ValueError(
                "`keep_models` must be left out with `executor`: the models stay with the workers. "
                "Received: both. Train the recipe once more on all rows to get a model."
            )
    _check_hook(on_fold)
    plan, candidate = make_plan(
        build_model, x, y, cv, preprocess=preprocess, fit_kwargs=fit_kwargs, scoring=scoring,
        groups=groups, seed=seed, task=task, temporal=temporal,
    )  # fmt: skip
    found: dict[int, Fold] = {}
    if folder is not None:
        folder = Folder(folder, Parts(parts_of(plan, candidate, scoring), version))
        for k, (_, validation) in enumerate(plan.folds):
            kept = folder.load(k, len(validation), plan.scorers)
            if kept is not None:
                found[k] = kept
    if verbose and found:
        print(f"cross_validate: {len(found)} of {len(plan.folds)} folds from {folder.path}")
    told = Told(plan, {k: of_kept(fold, plan.folds[k][1]) for k, fold in found.items()})
    models: dict[int, Any] = {}
    todo = [Job(0, k) for k in range(len(plan.folds)) if k not in found]
    where = folder.path if folder is not None else None
    handed_out = keep_models or on_fold is not None
    for (_, k), trained in train_folds(
        plan, [candidate], todo,
        folder=where, executor=executor, verbose=verbose, kept=handed_out,
    ):  # fmt: skip
        found[k] = trained.fold
        told.add(k, trained)
        if folder is not None:
            folder.save(k, trained.fold)
        if keep_models:
            models[k] = trained.model
        if verbose:
            means = (f"{s} {np.mean([f.scores[s] for f in found.values()]):.3f}"
                     for s in plan.scorers)  # fmt: skip
            print(f"cross_validate: {len(found)} of {len(plan.folds)} folds;", *means)
        if on_fold is not None:
            on_fold(k, FoldResult(*trained.fold, trained.model))
        del trained
    told.warn()
    return result_of(
        plan, [found[k] for k in range(len(plan.folds))], [models[k] for k in sorted(models)]
    )


def _check_hook(on_fold) -> None:
    if on_fold is not None and not (callable(on_fold) and takes(on_fold, 0, None)):
        raise TypeError(
            "`on_fold` must be a function of the fold's number and its result. "
            f"Received: {brief(on_fold, 80)}. Write def on_fold(fold, result): ..."
        )


class Told:
    """What folds have to be warned of, collected to be said once."""

    def __init__(self, plan: Plan, broken: dict[int, str]):
        self.plan, self.broken = plan, broken
        self.problems: dict[str, dict[int, str]] = {}
        self.leaks: dict[int, list[str]] = {}

    def add(self, fold: int, trained: Trained) -> None:
        """Take in a fold that was trained."""
        self.leaks[fold] = trained.leaks
        if trained.broken:
            self.broken[fold] = trained.broken
        for name, problem in trained.problems.items():
            self.problems.setdefault(name, {})[fold] = problem

    def warn(self, stacklevel: int = 5) -> None:
        """Say it."""
        tell_leaks(self.leaks, stacklevel)
        tell_broken(self.broken, stacklevel)
        tell_problems(self.problems, self.plan.folds, self.plan.tasks, stacklevel)


def result_of(plan: Plan, kept: list[Fold], models: list | None = None) -> CrossValidation:
    """Put finished folds together."""

    def by_scorer(which: str) -> dict[str, np.ndarray]:
        return {s: np.array([getattr(fold, which)[s] for fold in kept]) for s in plan.scorers}

    predictions: Any
    if None in plan.tasks:
        predictions = _by_row(plan, [fold.predictions for fold in kept])
    else:
        predictions = {
            name: _by_row(plan, [fold.predictions[name] for fold in kept]) for name in plan.tasks
        }
    return CrossValidation(
        task=plan.kind,
        scores=by_scorer("scores"),
        train_scores=by_scorer("train_scores"),
        predictions=predictions,
        histories=[fold.history for fold in kept],
        folds=plan.folds,
        seeds=[fold_seed(plan.seed, k) for k in range(len(kept))],
        models=models or [],
    )


def _by_row(plan: Plan, predictions: list[np.ndarray]) -> np.ndarray:
    """The mean prediction for each row over the folds that validate it; NaN without any."""
    shape = predictions[0].shape[1:]
    rows = next(iter(plan.tasks.values())).targets.shape[0]
    total, times = np.zeros((rows, *shape)), np.zeros(rows)
    for (_, validation), own in zip(plan.folds, predictions, strict=True):
        np.add.at(total, validation, own)
        np.add.at(times, validation, 1)
    times[times == 0] = np.nan
    return total / times.reshape(-1, *[1] * len(shape))
