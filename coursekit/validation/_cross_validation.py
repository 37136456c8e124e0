"""Cross-validation of Keras models: a recipe, scored on rows that it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit.validation._folder import Fold, Folder
from coursekit.validation._prepare import prepare
from coursekit.validation._run import Run
from coursekit.validation._splits import Split

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """What `cross_validate` found.

    Attributes:
        task: "classification", "binary", "multilabel", "regression" or "other".
        scores: the validation scores by scorer, one a fold.
        train_scores: the same on the rows trained on: the gap is overfitting.
        predictions: for each row the prediction of a model that has not seen it, the mean over
            repeats, NaN for rows never validated. Probabilities where the model gives any (one
            column a class; of a single output the probability of class 1), else its outputs.
        histories: what `fit` recorded, a dict of lists by epoch for each fold.
        folds: (train, validation) row indices.
        seeds: the seed each fold's model was built with.
    """

    task: str
    scores: dict[str, np.ndarray]
    train_scores: dict[str, np.ndarray]
    predictions: np.ndarray
    histories: list[dict[str, list[float]]]
    folds: list[Split]
    seeds: list[int]

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
        lines = [f"CrossValidation: {folds}, {self.task}"]
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


def cross_validate(
    build_model: Callable,
    x,
    y,
    cv=5,
    *,
    preprocess=None,
    fit_kwargs: dict | None = None,
    scoring=None,
    groups=None,
    seed: int = 0,
    task: str | None = None,
    temporal: bool = False,
    folder=None,
    verbose="auto",
) -> CrossValidation:
    """Train a fresh model on each fold and score it on the rows that it has not seen.

    No fold's model is returned: they measure the recipe. To get a model, run the recipe once more
    on all rows. A score by which you chose among recipes is too good: keep rows that no fold sees,
    and open them once (`TestVault`).

    Args:
        build_model: `build_model()`, or `build_model(fold)`, returns a new compiled model; called
            once a fold. Layers without a seed of their own get one from `seed` and the fold.
        x: an array, a DataFrame, or a dict of arrays for several inputs.
        y: an array or a Series of numbers: class numbers, one-hot rows, or values.
        cv: number of folds (unshuffled; stratified for classes), a scikit-learn splitter (one that
            shuffles without `random_state` is seeded with `seed`), or (train, validation) pairs.
        preprocess: a scikit-learn transformer, cloned and fitted on the training rows of each
            fold; or `preprocess(x_train, y_train)`, which returns the function to apply to x.
        fit_kwargs: for `fit`: epochs, batch_size, shuffle, class_weight; sample_weight, one a row;
            callbacks, a function (of the fold, or of nothing) that returns a list;
            validation_split, a share of each fold's training rows to stop or to reduce the rate
            by, instead of the rows that score it: drawn at random, class by class, or the last
            ones with temporal=True.
        scoring: a scikit-learn scorer's name, a function `f(estimator, x, y)` (`estimator.model`
            is the Keras model, x is preprocessed), or a list or dict of these. None: "accuracy" or
            "r2".
        groups: one value a row; rows of a group train or validate together.
        seed: of models, batch order and splits. The same seed gives the same result, and the
            global random states stay as they were.
        task: "classification", "binary", "multilabel" or "regression", where the compiled loss
            does not tell. It also tells whether outputs are logits, by its `from_logits`.
        temporal: the rows are in the order of time: refuse splits that train on later ones.
        folder: where to keep finished folds. Called again with the same folder and arguments,
            they are not trained again; with others it is refused. Of functions the code counts,
            and the plain values it reads. Nothing is pickled.
        verbose: 0 for silence; "auto", 1 or 2 for the progress of `fit_many` and the mean scores
            after each group of folds.

    Returns:
        A `CrossValidation`.

    Raises:
        TypeError, ValueError: for arguments that are wrong or would leak, before any training.

    Numerics:
        A scorer that fails in a fold, such as ROC AUC on a single class, scores NaN there, with a
        warning. `predictions` can be scored as a whole instead.

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
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f'`verbose` must be "auto", 0, 1 or 2. Received: verbose={verbose!r}')
    run, first = prepare(
        build_model, x, y, cv, preprocess=preprocess, fit_kwargs=fit_kwargs, scoring=scoring,
        groups=groups, seed=seed, task=task, temporal=temporal,
    )  # fmt: skip
    found: dict[int, Fold] = {}
    if folder is not None:
        folder = Folder(folder, run.parts(first, scoring))
        for k, (_, validation) in enumerate(run.folds):
            kept = folder.load(k, len(validation))
            if kept is not None:
                found[k] = kept
    run.train_all(found, first, folder, verbose)
    return result_of(run, [found[k] for k in range(len(run.folds))])


def result_of(run: Run, kept: list[Fold]) -> CrossValidation:
    shape = kept[0].predictions.shape[1:]
    total = np.zeros((len(run.y), *shape))
    times = np.zeros(len(run.y))
    for (_, validation), fold in zip(run.folds, kept, strict=True):
        np.add.at(total, validation, fold.predictions)
        np.add.at(times, validation, 1)
    times[times == 0] = np.nan

    def by_scorer(which: str) -> dict[str, np.ndarray]:
        return {s: np.array([getattr(fold, which)[s] for fold in kept]) for s in run.scorers}

    return CrossValidation(
        task=run.task.kind,
        scores=by_scorer("scores"),
        train_scores=by_scorer("train_scores"),
        predictions=total / times.reshape(-1, *[1] * len(shape)),
        histories=[fold.history for fold in kept],
        folds=run.folds,
        seeds=[run.fold_seed(k) for k in range(len(kept))],
    )
