"""Which score can you believe: cross-validation of Keras models, splits in time, a test vault.

    from coursekit.validation import TestVault, WalkForward, cross_validate

    result = cross_validate(build_model, x, y, cv=5, preprocess=StandardScaler(),
                            fit_kwargs={"epochs": 20}, scoring=["accuracy", "roc_auc"])
    print(result)                     # mean, lowest and highest fold, spread
    result.table                      # a row a fold
    result.predictions                # each row as predicted by a model that has not seen it

`build_model` returns a fresh compiled model. Any scikit-learn splitter and scorer will do;
scikit-learn's own `cross_validate` cannot take a Keras model.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit.validation.arguments import as_inputs, rows_of
from coursekit.validation.bias_variance import BiasVariance, bias_variance
from coursekit.validation.compare import Comparison, compare
from coursekit.validation.folder import Fold, Folder, fingerprint, write_new
from coursekit.validation.nested import NestedCrossValidation, nested_cross_validate
from coursekit.validation.prepare import prepare
from coursekit.validation.run import Run
from coursekit.validation.splits import Split, WalkForward

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BiasVariance",
    "Comparison",
    "CrossValidation",
    "NestedCrossValidation",
    "TestVault",
    "WalkForward",
    "bias_variance",
    "compare",
    "cross_validate",
    "nested_cross_validate",
]


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
    return _result(run, [found[k] for k in range(len(run.folds))])


def _result(run: Run, kept: list[Fold]) -> CrossValidation:
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


class TestVault:
    """A test set that opens once.

    A number that decided something is no longer a test. The vault gives its score a single time;
    after that it only tells when and why it was opened, and what it said.

    Args:
        x: the inputs.
        y: the targets, with the same rows.
        path: a file to remember the opening in, so that a new kernel does not forget it. None:
            remembered as long as the object lives.

    Raises:
        ValueError: if x and y differ in rows, or `path` belongs to another test set.

    Example:
        >>> vault = TestVault(np.zeros((3, 1)), np.array([1, 0, 1]))
        >>> vault
        TestVault(3 rows, closed)
        >>> vault.evaluate(lambda x, y: float(y.mean()), reason="the final report") == 2 / 3
        True
        >>> vault.evaluate(lambda x, y: 1.0, reason="once more")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        coursekit.validation.VaultOpened: A test set opens once. This one was opened on ...
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(self, x, y, path=None):
        self._x, self._y = as_inputs(x), np.asarray(y)
        if self._y.ndim == 0 or len(self._y) != rows_of(self._x) or not len(self._y):
            raise ValueError(
                "`x` and `y` must have the same rows, at least one. "
                f"Received: {rows_of(self._x)} rows in `x`, `y` of shape {self._y.shape}"
            )
        self._path = None if path is None else Path(path)
        self._opened: dict | None = None
        if self._path is not None and self._path.exists():
            self._opened = self._remembered()

    def _remembered(self) -> dict:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            same = kept["data"] == fingerprint([self._x, self._y])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"`path` must be new or a vault's file. Received: {self._path}, which is neither "
                f"({type(error).__name__})."
            ) from None
        if not same:
            raise ValueError(
                f"`path` must belong to this test set. Received: {self._path}, kept for other "
                "rows. Choose another file."
            )
        return kept

    @property
    def opened(self) -> dict | None:
        """When ("time"), why ("reason") and with what "score" it was opened; None if it was not."""
        return self._opened and {key: self._opened[key] for key in ("time", "reason", "score")}

    def __len__(self) -> int:
        return len(self._y)

    def __repr__(self) -> str:
        state = "closed"
        if self._opened:
            state = f"opened on {self._opened['time']}: {self._opened['reason']!r}"
        return f"TestVault({len(self)} rows, {state})"

    def evaluate(self, model, *, reason: str):
        """Score a model on the test set, this once.

        Args:
            model: a compiled Keras model, whose `evaluate` is called, or a function of (x, y).
            reason: why now, in words. Kept.

        Returns:
            A dict of the loss and the metrics, or what the function returned.

        Raises:
            VaultOpened: the second time.
        """
        if self._opened is None and self._path is not None and self._path.exists():
            self._opened = self._remembered()  # by another kernel, meanwhile
        if self._opened:
            raise VaultOpened(
                f"A test set opens once. This one was opened on {self._opened['time']} for "
                f"{self._opened['reason']!r} and said {self._opened['score']}. Report that number; "
                "to choose between models use validation rows; for a new test collect new rows."
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(
                "`reason` must say in words why the test set is opened now. "
                f"Received: reason={reason!r}"
            )
        if hasattr(model, "evaluate"):
            score = model.evaluate(self._x, self._y, return_dict=True, verbose=0)
        elif callable(model):
            score = model(self._x, self._y)
        else:
            raise TypeError(
                "`model` must be a compiled Keras model or a function of (x, y). "
                f"Received: {type(model).__name__}"
            )
        opened = {
            "time": datetime.now().astimezone().isoformat(" ", "minutes"),
            "reason": reason.strip(),
            "score": score,
            "data": fingerprint([self._x, self._y]),
        }
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_new(self._path, json.dumps(opened, indent=1, default=_plain))
        self._opened = opened
        return score


class VaultOpened(RuntimeError):
    """The test set has been opened before."""


def _plain(value):
    """NumPy's numbers and arrays as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
