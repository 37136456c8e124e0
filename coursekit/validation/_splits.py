"""Which rows train and which validate: the splits, and the guards against leaks between them."""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit, check_cv

from coursekit._checks import brief, count, is_int, is_number
from coursekit._randomness import seeded
from coursekit.validation._inputs import column

Split = tuple[np.ndarray, np.ndarray]


class WalkForward(TimeSeriesSplit):
    """Train on the past, validate on what comes next, step forward, repeat.

    scikit-learn's `TimeSeriesSplit` in the words of forecasting, with one rule more: a sliding
    window has its full length in every fold (`TimeSeriesSplit` shortens the first ones silently,
    and scores from windows of different lengths cannot be compared).

    Args:
        n_splits: number of folds, at least 2.
        window: training rows of a fold, right before its validation rows: a sliding window. None:
            an expanding window, all rows so far.
        horizon: validation rows of a fold. None: rows // (n_splits + 1).
        embargo: rows left out between training and validation, where rows share information: with
            targets that look h rows ahead, or features that look h rows back, at least h.

    Where a day has several rows, which must stay together, step over the days:

    ```
    days, rows = np.unique(day_of_row, return_inverse=True)
    cv = [(np.flatnonzero(np.isin(rows, a)), np.flatnonzero(np.isin(rows, b)))
          for a, b in WalkForward(5).split(days)]
    ```

    Raises:
        ValueError: for arguments out of range; in `split`, for too few rows.

    Example:
        >>> for train, validation in WalkForward(2, window=4, horizon=2, embargo=1).split(range(9)):
        ...     print(train, validation)
        [0 1 2 3] [5 6]
        [2 3 4 5] [7 8]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        window: int | None = None,
        horizon: int | None = None,
        embargo: int = 0,
    ):
        n_splits, embargo = count("n_splits", n_splits, 2), count("embargo", embargo, 0)
        window = None if window is None else count("window", window)
        horizon = None if horizon is None else count("horizon", horizon)
        self.window, self.horizon, self.embargo = window, horizon, embargo
        super().__init__(n_splits, max_train_size=window, test_size=horizon, gap=embargo)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Yield (train, validation) row indices, in the order of time.

        Args:
            X: the rows, in the order of time; only their number counts.
            y: not used.
            groups: not used; of several rows a day, split the days (see the class).
        """
        if isinstance(X, dict) or not hasattr(X, "__len__") or getattr(X, "shape", (1,)) == ():
            raise TypeError(
                "`X` must be an array or a list with a row an example. Received: "
                f"{type(X).__name__}. Only the number of rows counts: range(rows) will do."
            )
        rows = len(X)
        horizon = self.horizon or rows // (self.n_splits + 1)
        past = rows - self.n_splits * horizon - self.embargo
        if horizon < 1 or past < (self.window or 1):
            raise ValueError(
                f"{self} needs {self.n_splits * (horizon or 1) + self.embargo} rows to validate "
                f"and skip, and {self.window or 1} before them to train on. Received: {rows} rows. "
                "Take fewer splits, a shorter horizon or a shorter window."
            )
        return super().split(X, y, groups)


def make_splits(cv, rows: int, x, labels, groups, *, stratify, temporal, seed) -> list[Split]:
    """Return the (train, validation) pairs of a splitter, checked.

    Args:
        cv: an int, a scikit-learn splitter, or (train, validation) pairs.
        rows: number of rows.
        x: what the splitter sees as X.
        labels: what the splitter sees as y.
        groups: one value a row, or None.
        stratify: whether an int means `StratifiedKFold`, as in scikit-learn.
        temporal: whether the rows are in the order of time.
        seed: for splitters that shuffle without a `random_state`.
    """
    if groups is not None:
        import pandas as pd

        groups = column(groups, "groups")
        if groups.shape != (rows,):
            raise ValueError(
                f"`groups` must have one value for each of the {rows} rows. "
                f"Received: shape {groups.shape}"
            )
        missing = np.flatnonzero(pd.isna(groups))
        if missing.size:
            raise ValueError(
                f"`groups` must have a value in each row. Received: {groups[missing[0]]} in row "
                f"{missing[0]}"
            )
        try:
            np.unique(groups)
        except TypeError:
            kinds = sorted({type(one).__name__ for one in groups})
            raise TypeError(
                "`groups` must hold values of one kind, which can be sorted. Received: "
                f"{', '.join(kinds)}. Make words of them: [str(group) for group in groups]."
            ) from None
    if is_int(cv):
        if not 2 <= cv <= rows:
            raise ValueError(
                f"`cv` must be from 2 to the number of rows, {rows}. Received: cv={cv}"
            )
        cv = check_cv(cv, y=labels, classifier=stratify)
    elif isinstance(cv, type):
        raise TypeError(
            f"`cv` must be a splitter, not its class. Received: {cv.__name__}. "
            f"Write {cv.__name__}(...), with brackets."
        )
    if hasattr(cv, "split") and not isinstance(cv, str):
        with seeded(seed), warnings.catch_warnings():
            # Groups that the splitter leaves aside are refused below, where it divides them.
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            # Told below, with a way out.
            warnings.filterwarnings("ignore", "The least populated class")
            splits = _split(cv, x, labels, groups)
        _tell_rare(cv, labels)
    elif isinstance(cv, Iterable) and not isinstance(cv, str | dict):
        splits = list(cv)
    else:
        raise TypeError(
            "`cv` must be a number of folds, a scikit-learn splitter, or a list of "
            f"(train, validation) pairs of row indices. Received: cv={brief(cv, 80)}"
            + (f". For one split: ShuffleSplit(1, test_size={cv})" if _is_share(cv) else "")
        )
    if not splits:
        raise ValueError("`cv` must give at least one split. Received: none.")
    splits = [_checked(k, pair, rows) for k, pair in enumerate(splits)]
    if temporal:
        _refuse_the_future(splits, cv)
    if groups is not None:
        _refuse_divided_groups(splits, groups, cv, temporal)
    return splits


def _is_share(cv) -> bool:
    return is_number(cv) and 0 < cv < 1


def _split(cv, x, labels, groups) -> list:
    try:
        return list(cv.split(x, labels, groups))
    except (TypeError, ValueError) as error:
        way_out = ""
        if groups is None and "groups" in str(error):
            way_out = " Pass `groups`, one value a row."
        elif "target type" in str(error):
            way_out = " For values take KFold."
        said = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"`cv` must be able to split these rows. Received: cv={brief(cv, 80)}, which says: "
            f"{said}.{way_out}"
        ) from error


def _tell_rare(cv, labels) -> None:
    """Warn of a class that is in fewer rows than there are folds."""
    if not isinstance(cv, StratifiedKFold) or np.ndim(labels) != 1:
        return
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < cv.n_splits:
        warnings.warn(
            f"Class {classes[counts.argmin()]} has {counts.min()} rows, fewer than the "
            f"{cv.n_splits} folds: some folds train or validate without it. Take fewer folds, or "
            "leave the class out.",
            stacklevel=5,
        )


def _checked(fold: int, pair, rows: int) -> Split:
    try:
        train, validation = (np.asarray(side) for side in pair)
    except (TypeError, ValueError):
        raise ValueError(
            "Each split of `cv` must be a pair of index arrays, (train, validation). "
            f"Received: {brief(pair, 80)} as split {fold}"
        ) from None
    for name, side in (("train", train), ("validation", validation)):
        if side.ndim != 1 or not side.size or side.dtype.kind not in "iu":
            raise ValueError(
                f"The {name} side of a split must be a list of row numbers, not empty. Received: "
                f"{side.dtype} of shape {side.shape} in split {fold}. "
                "(Of a mask, take np.flatnonzero.)"
            )
        if side.min() < 0 or side.max() >= rows:
            raise ValueError(
                f"The {name} side of a split must hold row numbers from 0 to {rows - 1}. "
                f"Received: {side.min()} to {side.max()} in split {fold}."
            )
    both = np.intersect1d(train, validation)
    if both.size:
        raise ValueError(
            "A row must not train and validate in the same split: the score would measure memory. "
            f"Received: {both.size} rows on both sides of split {fold}, the first is row {both[0]}."
        )
    return train, validation


def _refuse_the_future(splits: list[Split], cv) -> None:
    for fold, (train, validation) in enumerate(splits):
        if train.max() > validation.min():
            raise ValueError(
                "With temporal=True each fold must train on rows before those it validates on, or "
                f"the score is that of a model that has seen the future. Received: {_name(cv)}, "
                f"whose fold {fold} trains on row {train.max()} and validates on row "
                f"{validation.min()}. Use coursekit.validation.WalkForward or scikit-learn's "
                "TimeSeriesSplit, on rows sorted by time."
            )


def _refuse_divided_groups(splits: list[Split], groups: np.ndarray, cv, temporal: bool) -> None:
    way_out = (
        "Use scikit-learn's GroupKFold, StratifiedGroupKFold or LeaveOneGroupOut, or leave "
        "`groups` out."
    )
    if temporal:
        way_out = (
            "In time, step over the groups instead of the rows: days, rows = np.unique(groups, "
            "return_inverse=True); cv=[(np.flatnonzero(np.isin(rows, a)), "
            "np.flatnonzero(np.isin(rows, b))) for a, b in WalkForward(5).split(days)]. (np.unique "
            "sorts the groups: they must sort by time.)"
        )
    codes = np.unique(groups, return_inverse=True)[1]
    for fold, (train, validation) in enumerate(splits):
        divided = np.isin(codes[validation], codes[train])
        if divided.any():
            value = groups[validation[np.argmax(divided)]]
            raise ValueError(
                "With `groups` each group must train or validate, not both. Received: "
                f"{_name(cv)}, which does not keep groups whole: in fold {fold}, group {value!s} "
                f"is on both sides. {way_out}"
            )


def _name(cv) -> str:
    return f"cv={cv}" if hasattr(cv, "split") else "a list of splits"


def hold_out(train: np.ndarray, share: float, labels, temporal: bool, seed: int) -> Split:
    """Set a share of the training rows apart, to watch the training by.

    The last rows if they are in the order of time; else rows drawn at random, class by class where
    there are `labels`.
    """
    count = max(1, round(share * len(train)))
    if count >= len(train):
        raise ValueError(
            f"`validation_split` must leave rows to train on. Received: {share} of {len(train)}"
        )
    if temporal:
        return train[:-count], train[-count:]
    order = np.random.default_rng(seed).permutation(len(train))
    if labels is not None:
        # Each row's rank within its class, as a share: the smallest ranks are apart, class by class
        own = labels[train[order]]
        rank = np.empty(len(own))
        for label in np.unique(own):
            here = own == label
            rank[here] = (np.arange(here.sum()) + 0.5) / here.sum()
        order = order[np.argsort(rank, kind="stable")]
    apart = np.sort(order[:count])
    return np.delete(train, apart), train[apart]
