"""The rows of each fold: which train, which watch the training, which score; and preprocessing."""

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from coursekit._randomness import seeded
from coursekit.validation._inputs import join, not_finite, numbers, rows_of, take
from coursekit.validation._models import fold_seed
from coursekit.validation._splits import Split, hold_out


class Part(NamedTuple):
    """Rows of a fold: to train on, to watch the training by, to score."""

    train: np.ndarray
    watch: np.ndarray
    validation: np.ndarray

    def distinct(self) -> list[np.ndarray]:
        """The sides, without one that is there twice."""
        return [self.train, self.watch, self.validation][: 2 + (self.watch is not self.validation)]


class Assembled(NamedTuple):
    """The data of some folds, as `fit_many` takes them, and each fold's rows in them."""

    x: Any
    y: Any
    weights: np.ndarray | None
    parts: list[Part]


@dataclass(frozen=True, eq=False)
class Rows:
    """The data, cut into folds.

    Attributes:
        x: as given.
        y: an array, or a dict by output.
        labels: one class a row, to stratify by, or None.
        weights: one a row, or None.
        folds: (train, validation) row numbers.
        share: of the training rows, to watch the training by.
        temporal: whether the rows are in the order of time.
        seed: of the call.
        preprocess: a transformer, or a function of the training rows that returns one.
        text: whether the model takes text.
        fills: whether the model may make numbers of NaN.
        prepared: preprocessed folds that are still to be trained.
    """

    x: Any
    y: Any
    labels: np.ndarray | None
    weights: np.ndarray | None
    folds: list[Split]
    share: float
    temporal: bool
    seed: int
    preprocess: Any
    text: bool
    fills: bool
    prepared: dict[int, list] = field(default_factory=dict)

    def part(self, fold: int) -> Part:
        """The rows of a fold, as numbers of rows of x."""
        train, validation = self.folds[fold]
        if not self.share:
            return Part(train, validation, validation)
        seed = fold_seed(self.seed, fold)
        fit, watch = hold_out(train, self.share, self.labels, self.temporal, seed)
        return Part(fit, watch, validation)

    def assemble(self, folds: list[int]) -> Assembled:
        """Return the data of some folds; preprocessed ones end to end."""
        if self.preprocess is None:
            parts = [self.part(k) for k in folds]
            return Assembled(numbers(self.x, self.text), self.y, self.weights, parts)
        xs, rows, parts, start = [], [], [], 0
        for k in folds:
            part = self.part(k)
            if k not in self.prepared:
                self.prepared[k] = self._preprocessed(k, part)
            xs += self.prepared[k]
            sides = part.distinct()
            rows += sides
            ends = start + np.cumsum([0, *map(len, sides)])
            places = [np.arange(a, b) for a, b in itertools.pairwise(ends)]
            parts.append(Part(places[0], places[1], places[-1]))
            start = ends[-1]
        rows = np.concatenate(rows)
        weights = None if self.weights is None else self.weights[rows]
        return Assembled(join(xs), take(self.y, rows), weights, parts)

    def _preprocessed(self, fold: int, part: Part) -> list:
        sides = part.distinct()
        made = self._transformed(fold, part, sides)
        for one in made:
            _refuse_no_rows(one)
        found = [numbers(one, self.text) for one in made]
        for side, values in zip(sides, found, strict=True):
            if rows_of(values) != len(side):
                raise ValueError(
                    "`preprocess` must keep the rows. "
                    f"Received: {rows_of(values)} rows for {len(side)} in fold {fold}."
                )
            bad = None if self.fills else not_finite(values)
            if bad is not None:
                raise ValueError(
                    f"`preprocess` must leave finite numbers. Received: {bad.many}, "
                    f"in fold {fold}, the first in row {side[bad.row]} of `x`: {bad.value}. Fill "
                    "them in it, for example with scikit-learn's SimpleImputer, or leave these "
                    "rows out."
                )
        return found

    def _transformed(self, fold: int, part: Part, sides: list[np.ndarray]) -> list:
        from sklearn.base import clone

        first, *others = (take(self.x, side) for side in sides)
        targets = take(self.y if self.labels is None else self.labels, part.train)
        with seeded(fold_seed(self.seed, fold)):
            if hasattr(self.preprocess, "fit"):
                transformer = clone(self.preprocess)
                # Not fit, then transform: scikit-learn's TargetEncoder treats the rows it was
                # fitted on in another way.
                found = [transformer.fit_transform(first, targets)]
                return found + [transformer.transform(other) for other in others]
            function = self.preprocess(first, targets)
            if not callable(function):
                raise TypeError(
                    "`preprocess` must return a function of x, which is then applied to the "
                    f"training and to the validation rows. Received: {type(function).__name__}. "
                    "Write lambda x_train, y_train: lambda x: ..."
                )
            return [function(side) for side in (first, *others)]


def _refuse_no_rows(made) -> None:
    """Refuse what `preprocess` gives in place of arrays."""
    import keras

    leaves = [made] if hasattr(made, "iloc") else keras.tree.flatten(made)
    if not leaves or not all(len(getattr(leaf, "shape", ())) for leaf in leaves):
        raise TypeError(
            "`preprocess` must give an array with a row an example, a table, or a structure of "
            f"arrays. Received: {type(made).__name__}. Of a list of rows: np.asarray(rows)."
        )
