"""The tuner: KerasTuner's oracles choose, cross-validation scores, several trials at once."""

import functools
import inspect
import os
import time
import traceback
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np
from keras_tuner import errors
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from coursekit._checks import (
    brief,
    count,
    number,
    one_of,
    place,
    require,
    switch,
    takes,
    verbosity,
)
from coursekit._checks import seed as checked_seed
from coursekit._claim import Claim, Parts
from coursekit._elsewhere import check_executor
from coursekit._spool import removing
from coursekit.tuning import _workers as workers
from coursekit.tuning._objectives import check_objectives, no_such_objective, not_finite
from coursekit.tuning._oracles import OffTheGrid, adapt, check_trials
from coursekit.tuning._together import cross_validate_together
from coursekit.validation import CrossValidation
from coursekit.validation._arguments import FIT_KWARGS, call_with_fold, check_callbacks
from coursekit.validation._inputs import of_dataset
from coursekit.validation._plan import make_plan, parts_of
from coursekit.validation._task import TASKS

if TYPE_CHECKING:
    import pandas as pd

IDLE_SECONDS = 0.2  # until an oracle that waits for other trials is asked again
WAY_OUT = "Choose another `directory` or `project_name`, or pass overwrite=True."
BUDGET = "tuner/epochs"  # where Hyperband's oracle says how long a trial trains


class _Recipe(keras_tuner.HyperModel):
    """What a trial varies: the model, and the arguments of `fit`."""

    def __init__(self, hypermodel, fit_kwargs):
        self.hypermodel, self.fit_kwargs = hypermodel, fit_kwargs
        super().__init__()

    def build(self, hp):
        self.fit_arguments(hp)  # so that the oracle knows their hyperparameters from the start
        return getattr(self.hypermodel, "build", self.hypermodel)(hp)

    def declare_hyperparameters(self, hp):
        if isinstance(self.hypermodel, keras_tuner.HyperModel):
            self.hypermodel.declare_hyperparameters(hp)

    def fit_arguments(self, hp) -> dict:
        """Return `fit`'s arguments; an oracle with budgets sets the epochs."""
        given = self.fit_kwargs(hp) if callable(self.fit_kwargs) else self.fit_kwargs or {}
        if BUDGET not in hp.values:
            return given
        if "epochs" in given:
            raise errors.FatalValueError(
                "`fit_kwargs` must leave the epochs to an oracle that sets them, as Hyperband's "
                f"does. Received: epochs={given['epochs']}. Set the oracle's `max_epochs`."
            )
        return given | {"epochs": hp.values[BUDGET]}


class CrossValidationTuner(BaseTuner):
    """Searches hyperparameters; each trial is cross-validated, and several train side by side.

    The score of a trial is the mean over its folds. All trials see the same folds, seeds and
    orders of rows, so they are paired: see `coursekit.validation.compare`. The best score is still
    too good, for it was chosen: keep a test set, or use `nested_cross_validate`.

    The metrics that an objective can name: each scorer (on the rows that a fold has not seen;
    scorers are to be maximised), then what `fit` records, such as "val_loss", at the last epoch.
    A trial whose objective is NaN or infinite in a fold has failed.

    Under Hyperband a trial that is promoted trains anew, for all the epochs of its new budget: its
    score is then exactly that of `cross_validate` with so many epochs. That costs up to
    factor / (factor - 1) times the epochs of continuing; nothing need be saved.

    On several machines, or processes, run the same script in each, with KerasTuner's variables
    `KERASTUNER_TUNER_ID` ("chief", "worker0", ...), `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT`. A worker that falls silent is reported and its trials go to the
    others; without any worker, or without the chief, the search ends in a `ConnectionError` and
    can be resumed. (KerasTuner's own chief waits for ever, its workers for an hour.)

    Args:
        hypermodel: `build_model(hp)`, which returns a compiled model, or a
            `keras_tuner.HyperModel` without a `fit` of its own.
        oracle: any of KerasTuner's oracles, with an objective, and with a seed of at least 1:
            KerasTuner takes 0 for none.
        cv: as in `cross_validate`.
        preprocess: as in `cross_validate`.
        fit_kwargs: as in `cross_validate`; or a function of `hp` that returns them, where the
            batch size or the epochs are searched too.
        scoring: as in `cross_validate`.
        seed: of models, batch order and splits: the same in each trial.
        task: as in `cross_validate`.
        temporal: as in `cross_validate`.
        trials_at_once: how many trials are asked for and trained together, at least 1. An oracle
            that learns from results (Bayesian, Hyperband) decides with fewer of them at hand.
        executor: as in `cross_validate`: its workers train the folds of the trials at once. The
            oracle stays here.
        version: as in `cross_validate`: stands for what cannot be told apart.
        silence_seconds: with workers: how long one may be silent before it counts as lost.
        directory: where to keep the search; "." by default. Called again with the same folder and
            arguments it goes on where it was; with others it is refused, as `folder` of
            `cross_validate` does.
        project_name: the name of its folder there.
        overwrite: whether to delete what that folder holds.

    Attributes:
        results: a `CrossValidation` by trial id, of the trials that this process has trained.
        table: a row a trial.

    Raises:
        TypeError, ValueError: for arguments that are wrong or would leak.

    Example:
        >>> import keras, tempfile
        >>> def build_model(hp):
        ...     rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(rate), "mse")
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> y = x @ [2.0, -1.0] + 3
        >>> objective = keras_tuner.Objective("r2", "max")
        >>> oracle = keras_tuner.oracles.RandomSearchOracle(objective, max_trials=6, seed=1)
        >>> tuner = CrossValidationTuner(
        ...     build_model, oracle, cv=3, fit_kwargs={"epochs": 20},
        ...     directory=tempfile.mkdtemp(),
        ... )
        >>> tuner.search(x, y, verbose=0)
        >>> len(tuner.table), bool(tuner.table.score.max() > 0.9)
        (6, True)
    """

    def __init__(
        self,
        hypermodel: Callable[..., Any] | keras_tuner.HyperModel,
        oracle: keras_tuner.Oracle,
        *,
        cv: Any = 5,
        preprocess: Any = None,
        fit_kwargs: dict[str, Any] | Callable[..., dict[str, Any]] | None = None,
        scoring: Any = None,
        seed: int = 0,
        task: str | None = None,
        temporal: bool = False,
        trials_at_once: int = 4,
        executor: Any = None,
        version: str | float | None = None,
        silence_seconds: float = 60.0,
        directory: str | PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        **unknown: Any,
    ):
        _refuse_unknown("CrossValidationTuner", unknown)
        _check(hypermodel, oracle, fit_kwargs)
        seed, temporal = checked_seed(seed), switch("temporal", temporal)
        if task is not None and not isinstance(task, dict):
            task = one_of("task", task, TASKS)
        trials_at_once = count("trials_at_once", trials_at_once)
        if executor is not None:
            check_executor(executor)
        silence_seconds = number("silence_seconds", silence_seconds, above=0)
        overwrite = switch("overwrite", overwrite)
        _check_place(directory, project_name)
        self.version, self.executor = version, executor
        self.cv, self.trials_at_once, self.silence_seconds = cv, trials_at_once, silence_seconds
        self.settings: dict[str, Any] = {"preprocess": preprocess, "scoring": scoring, "task": task,
                                         "seed": seed, "temporal": temporal}  # fmt: skip
        self.results: dict[str, CrossValidation] = {}
        adapt(oracle)
        if not overwrite and not workers.is_worker():
            _check_files(directory, project_name)
        super().__init__(
            oracle,
            _Recipe(hypermodel, fit_kwargs),
            directory=directory,
            project_name=project_name,
            # KerasTuner lets each worker delete the folder in which the chief keeps its trials.
            overwrite=overwrite and not workers.is_worker(),
        )

    def reload(self) -> None:
        """Read a search that was begun before; KerasTuner calls this."""
        try:
            super().reload()
            check_trials(self.oracle)
        except OffTheGrid:
            raise
        except Exception as error:  # JSON, its depth, its types, a folder in a file's place
            cause = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(
                f"`directory` must be new or hold a search. Received: {self.project_dir}, with a "
                f"file that cannot be read ({cause[:200]}). {WAY_OUT}"
            ) from None

    @removing
    def search(
        self,
        x: Any,
        y: Any = None,
        *,
        groups: Any = None,
        verbose: int | str = "auto",
        **unknown: Any,
    ) -> None:
        """Run trials until the oracle has no more.

        Args:
            x: inputs, as in `cross_validate`.
            y: targets, as in `cross_validate`.
            groups: one value a row; rows of a group train or validate together.
            verbose: 0 for silence; "auto" or 1 for KerasTuner's tables.
            unknown: arguments of `fit` belong into `fit_kwargs`: the error says so.

        Raises:
            TypeError, ValueError: for data, folders and objectives that are wrong, before any
                training.
            ConnectionError: where the chief, or the last worker, is lost.
            RuntimeError: after as many failed trials in a row as the oracle allows.

        Warns:
            UserWarning: where no trial has a score in the end, with what the last one says.
        """
        _refuse_unknown("search", unknown)
        verbose, settings = verbosity(verbose), self.settings | {"groups": groups}
        x, y, weighted = of_dataset(x, y, None)  # once for all trials
        require(weighted is None, "`x`, a PyDataset, must give (x, y) alone to a search.",
                "Give the weights in `fit_kwargs`", batches="(x, y, sample_weight)")  # fmt: skip
        if not workers.is_worker():
            self.oracle.verbose = verbose
            self._claim_folder(x, y, settings)
            self.save()
        if workers.is_chief():
            workers.serve(self.oracle, self.silence_seconds)
            return
        evaluate = functools.partial(
            cross_validate_together, x=x, y=y, cv=self.cv, executor=self.executor, **settings
        )
        if not workers.is_worker():
            self._drive(evaluate, check=lambda: None)
            self._tell_failed()
            return
        with workers.Connection(self.oracle, self.tuner_id, self.silence_seconds) as connection:
            self._drive(evaluate, check=connection.check)

    def _claim_folder(self, x, y, settings: dict) -> None:
        """Refuse a folder that holds another search; check data and settings, once for all."""
        hp = self.oracle.get_space()
        fit_kwargs = self.hypermodel.fit_arguments(hp)
        plan, candidate = make_plan(
            lambda: self.hypermodel.build(hp), x, y, self.cv, fit_kwargs=fit_kwargs, **settings
        )
        check_objectives(self.oracle.objective, plan, candidate)
        if candidate.callbacks is not None:
            check_callbacks(call_with_fold(candidate.callbacks, 0), candidate.first, watched=True)
        oracle = [type(self.oracle).__name__, str(self.oracle.objective)]
        parts = parts_of(plan, candidate, settings["scoring"])
        own = {"build_model": self.hypermodel.hypermodel, "oracle": oracle,
               "fit_kwargs": self.hypermodel.fit_kwargs}  # fmt: skip
        folder = Path(self.project_dir)
        self.claim = Claim(
            folder,
            Parts(parts | own, self.version),
            empty=not any(folder.glob("trial_*/trial.json")),
            words=("directory", "trials", "search", WAY_OUT),
        )

    def _tell_failed(self) -> None:
        """Warn where no trial was completed; what each one said stands in its message."""
        trials = list(self.oracle.trials.values())
        if trials and not any(trial.status == TrialStatus.COMPLETED for trial in trials):
            said = (trials[-1].message or "").strip().splitlines()
            warnings.warn(
                f"No trial of {len(trials)} has a score. The last one says: "
                f"{said[-1] if said else 'nothing'}",
                stacklevel=3,
            )

    def _drive(self, evaluate, check) -> None:
        """Ask for trials and run them until each slot is told to stop.

        An oracle gives one tuner id one trial at a time, and a chief waits until every id has been
        told to stop; so each trial at once has an id of its own.
        """
        self.on_search_begin()
        slots = [f"{self.tuner_id}/{k}" for k in range(self.trials_at_once)]
        while slots:
            batch = []
            for slot in list(slots):
                self.pre_create_trial()
                trial = self.oracle.create_trial(slot)
                if trial.status == TrialStatus.STOPPED:
                    slots.remove(slot)
                elif trial.status == TrialStatus.RUNNING:
                    batch.append(trial)
            if batch:
                self._run(batch, evaluate, check)
            elif slots:
                time.sleep(IDLE_SECONDS)
        self.on_search_end()

    def _run(self, batch: list, evaluate, check) -> None:
        recipes = []
        for trial in batch:
            self.on_trial_begin(trial)
            hp = trial.hyperparameters
            build = functools.partial(self.hypermodel.build, hp)
            recipes.append((build, self.hypermodel.fit_arguments(hp)))
        outcomes = evaluate(recipes)
        check()
        if not workers.is_worker():
            self.claim.note_state()
        for trial, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, errors.FatalError):
                raise outcome
            if isinstance(outcome, Exception):
                failed = isinstance(outcome, errors.FailedTrialError)
                trial.status = TrialStatus.FAILED if failed else TrialStatus.INVALID
                trial.message = "".join(traceback.format_exception(outcome))
            else:
                trial.message = self._report(trial, outcome)
                trial.status = TrialStatus.INVALID if trial.message else TrialStatus.COMPLETED
            self.on_trial_end(trial)

    def _report(self, trial, result: CrossValidation) -> str | None:
        """Give the oracle the metrics of each fold; return why the trial has no score, or nothing.

        The oracle takes their means and keeps them all.
        """
        self.results[trial.trial_id] = result
        objective, values = self.oracle.objective, []
        for fold in range(len(result.folds)):
            metrics = {name: curve[-1] for name, curve in result.histories[fold].items()}
            metrics |= {name: float(scores[fold]) for name, scores in result.scores.items()}
            if not objective.has_value(metrics):
                raise no_such_objective(objective, metrics)
            values.append(objective.get_value(metrics))
            metrics[objective.name] = values[-1]
            self.oracle.update_trial(trial.trial_id, metrics)
        return not_finite(objective.name, values)

    @property
    def table(self) -> "pd.DataFrame":
        """A row a trial: status, mean score, lowest and highest fold, hyperparameters.

        With workers the chief has it.
        """
        import pandas as pd

        name, rows = self.oracle.objective.name, {}
        for trial_id in self.oracle.start_order:
            trial = self.oracle.get_trial(trial_id)
            history = trial.metrics.get_history(name) if trial.metrics.exists(name) else []
            folds = [value for observation in history for value in observation.value] or [np.nan]
            rows[trial_id] = {
                "status": trial.status,
                "score": np.mean(folds),
                "lowest_fold": min(folds),
                "highest_fold": max(folds),
                **trial.hyperparameters.values,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trial")

    def get_best_hyperparameters(self, num_trials: int = 1) -> list:
        """Return the hyperparameters of the best trials, the best first.

        Raises:
            ValueError: where no trial has been completed.
        """
        found = super().get_best_hyperparameters(count("num_trials", num_trials))
        states = [trial.status for trial in self.oracle.trials.values()]
        # KerasTuner fills up with trials that have failed.
        found = found[: states.count(TrialStatus.COMPLETED)]
        if not found:
            raise ValueError(
                "A trial must have been completed. Received: "
                + (", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) or "no trial")
                + ". Call `search` first; `oracle.trials[...].message` says why one has failed."
            )
        return found

    def get_best_models(self, num_models: int = 1):
        """Refuse: the models of the folds measured a recipe, and are gone."""
        raise NotImplementedError(
            "No fold's model is kept. Build one, `tuner.hypermodel.build("
            "tuner.get_best_hyperparameters()[0])`, and fit it on all rows."
        )


def _refuse_unknown(where: str, unknown: dict) -> None:
    for name, value in unknown.items():
        way_out = f"CrossValidationTuner(..., fit_kwargs={{{name!r}: {brief(value, 40)}}})"
        if name in ("max_trials", "objective", "hyperparameters", "executions_per_trial"):
            way_out = f"give it to the oracle: RandomSearchOracle(objective, {name}=...)"
        elif name not in FIT_KWARGS:
            way_out = "leave it out"
            if name == "validation_data":
                way_out = "leave it out: each fold's validation rows are used"
        raise TypeError(
            f"`{where}` takes no {name}. Received: {name}={brief(value, 40)}. Instead: {way_out}."
        )


def _check_files(directory, project_name) -> None:
    """Refuse a search whose own file is missing: KerasTuner would begin anew over its trials."""
    folder = Path(directory or ".", project_name or "untitled_project")
    own = f"{os.environ.get('KERASTUNER_TUNER_ID', 'tuner0')}.json"
    if any(folder.glob("trial_*/trial.json")) and not (folder / own).exists():
        raise ValueError(
            f"`directory` must be new or hold a search. Received: {folder}, without {own}. "
            f"{WAY_OUT}"
        )


def _check_place(directory, project_name) -> None:
    """Refuse what is no folder, before KerasTuner makes any."""
    directory = place("directory", "." if directory is None else directory)
    require(
        project_name is None or isinstance(project_name, str),
        "`project_name` must be a word.",
        project_name=project_name,
    )
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"`directory` must be a folder. Received: the file {directory}")


def _check(hypermodel, oracle, fit_kwargs) -> None:
    import keras

    if isinstance(hypermodel, keras.Model | type) or not (
        callable(hypermodel) or isinstance(hypermodel, keras_tuner.HyperModel)
    ):
        raise TypeError(
            "`hypermodel` must be a function `build_model(hp)` that returns a compiled model, or "
            f"a keras_tuner.HyperModel. Received: {brief(hypermodel, 80)}. Write the lines that "
            "build and compile it into `def build_model(hp): ...`"
        )
    build = getattr(hypermodel, "build", hypermodel)
    if not takes(build, None):
        raise TypeError(
            "`hypermodel` must be a function `build_model(hp)`. Received: a function of "
            f"{inspect.signature(build)}. Take the hyperparameters from its argument: "
            'hp.Float("rate", 1e-4, 1e-1).'
        )
    own_fit = getattr(type(hypermodel), "fit", keras_tuner.HyperModel.fit)
    if own_fit is not keras_tuner.HyperModel.fit:
        raise ValueError(
            "`hypermodel` must not have a `fit` of its own: the folds are trained together. "
            f"Received: {type(hypermodel).__name__}.fit. Pass what it varies as "
            '`fit_kwargs=lambda hp: {"batch_size": hp.Choice("batch_size", [16, 32])}`.'
        )
    if not isinstance(oracle, keras_tuner.Oracle):
        raise TypeError(
            "`oracle` must be one of KerasTuner's oracles, such as "
            "keras_tuner.oracles.RandomSearchOracle(objective, max_trials=20). "
            f"Received: {brief(oracle, 80)}"
            + (", a tuner: its own is `.oracle`" if isinstance(oracle, BaseTuner) else "")
        )
    if oracle.objective.name == "default_objective":
        raise ValueError(
            "`oracle` must have an objective. Received: none. Name a scorer and its direction: "
            'objective=keras_tuner.Objective("accuracy", "max").'
        )
    if not (fit_kwargs is None or isinstance(fit_kwargs, dict) or callable(fit_kwargs)):
        raise TypeError(
            "`fit_kwargs` must be a dict, or a function of hp that returns one. "
            f"Received: {type(fit_kwargs).__name__}"
        )
    if callable(fit_kwargs) and not takes(fit_kwargs, None):
        raise TypeError(
            "`fit_kwargs` must be a dict, or a function of hp that returns one. "
            f"Received: a function of {inspect.signature(fit_kwargs)}"
        )
    most = getattr(oracle, "max_trials", None)
    if most is not None:  # KerasTuner takes 0 for no end
        count("max_trials", most, way_out="It is an argument of the oracle")
