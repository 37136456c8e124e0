"""What one call of `cross_validate` will do, settled and checked before anything is trained."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from coursekit._checks import seed as checked_seed
from coursekit._checks import switch
from coursekit._disk import OnDisk
from coursekit.validation._arguments import (
    check_builder,
    check_class_weight,
    check_fit,
    check_preprocess,
)
from coursekit.validation._inputs import (
    as_inputs,
    as_targets,
    in_memory,
    not_finite,
    of_dataset,
    rows_of_both,
    take,
)
from coursekit.validation._losses import refuse_broadcasting
from coursekit.validation._models import build, build_weights, may_fill, takes_text
from coursekit.validation._outputs import first_broken_layer, outputs_of, taking
from coursekit.validation._rows import Assembled, Rows
from coursekit.validation._scorers import make_scorers
from coursekit.validation._scoring import Scorer
from coursekit.validation._splits import Split, make_splits
from coursekit.validation._task import Tasks, describe, with_outputs


@dataclass(frozen=True, eq=False)
class Plan:
    """What the folds of one call share.

    Attributes:
        rows: the data, cut into folds.
        tasks: what the outputs mean, by output; under None where there is one.
        scorers: by name.
        fit: the arguments of `fit`, complete; without callbacks, which are a candidate's.
        seed: of models, batch order and splits.
    """

    rows: Rows
    tasks: Tasks
    scorers: dict[str, Scorer]
    fit: dict[str, Any]
    seed: int

    @property
    def folds(self) -> list[Split]:
        """(train, validation) row numbers."""
        return self.rows.folds

    @property
    def kind(self) -> str | dict[str, str]:
        """The task in a word; of several outputs, by name."""
        kinds = {name: task.kind for name, task in self.tasks.items()}
        return kinds.get(None) or kinds


class Candidate(NamedTuple):
    """What is to be judged: a builder, its callbacks, and the model of its first fold."""

    build_model: Callable
    callbacks: Callable | None
    first: Any


def make_plan(
    build_model, x, y, cv, *, preprocess, fit_kwargs, scoring, groups, seed, task, temporal
) -> tuple[Plan, Candidate]:
    """Check the arguments of `cross_validate` and return the plan, ready to train."""
    check_builder(build_model)
    seed, temporal = checked_seed(seed), switch("temporal", temporal)
    x, y, fit_kwargs = of_dataset(x, y, fit_kwargs)
    x, y = as_inputs(x), as_targets(y)
    size = rows_of_both(x, y)
    fit = check_fit(fit_kwargs, size)
    preprocess = check_preprocess(preprocess)
    if preprocess is not None:
        _tell_reading(x)
    first = build(build_model, 0, seed)
    tasks = describe(first, y, task)
    labels = tasks[None].labels if None in tasks else None
    folds = make_splits(
        cv, size, np.zeros((size, 1)) if isinstance(x, dict) else in_memory(x),
        _seen_by_splitter(y) if labels is None else labels, groups,
        stratify=labels is not None, temporal=temporal, seed=seed,
    )  # fmt: skip
    rows = Rows(
        x, y, labels, fit["sample_weight"], folds, fit["validation_split"], temporal, seed,
        preprocess, takes_text(first), may_fill(first),
    )  # fmt: skip
    few, outputs = _first_outputs(rows, first)
    _refuse_broken(first, few, outputs)
    tasks = with_outputs(tasks, first, outputs, y)
    refuse_broadcasting(first, y, outputs)
    scorers = make_scorers(scoring, tasks)
    check_class_weight(fit["class_weight"], tasks)
    _refuse_weightless(rows, fit["class_weight"])
    candidate = Candidate(build_model, fit.pop("callbacks"), first)
    return Plan(rows, tasks, scorers, fit, seed), candidate


def _tell_reading(x) -> None:
    """Warn that `preprocess` gets arrays: of rows in a file it needs the memory for them."""
    import keras

    leaves = [] if hasattr(x, "iloc") else keras.tree.flatten(x)
    size = sum(leaf.nbytes for leaf in leaves if isinstance(leaf, OnDisk))
    if size:
        warnings.warn(
            f"`preprocess` gets the rows of a fold in memory, up to {size / 1e9:.1f} GB of memory-"
            "mapped rows. Where that is too much, scale inside the model, for example by a "
            "Normalization layer with a mean and a variance.",
            stacklevel=5,
        )


def parts_of(plan: Plan, candidate: Candidate, scoring) -> dict[str, Any]:
    """What the result depends on, by name."""
    rows = plan.rows
    preprocess = rows.preprocess  # of a transformer its parameters: each fold fits it anew
    return {
        "x": rows.x, "y": rows.y, "splits": plan.folds, "seed": plan.seed, "model": candidate.first,
        "build_model": candidate.build_model, "task": plan.kind, "scoring": scoring,
        "preprocess": clone(preprocess) if hasattr(preprocess, "fit") else preprocess,
        "temporal": rows.temporal,
        "fit_kwargs": plan.fit | {"callbacks": candidate.callbacks},
    }  # fmt: skip


def _refuse_weightless(rows: Rows, class_weight: dict | None) -> None:
    """Refuse a fold all of whose training rows have the weight 0: it would not train at all."""
    name, weights = "sample_weight", rows.weights
    if class_weight is not None:
        name = "class_weight"
        weights = np.array([class_weight.get(label, 1) for label in rows.labels.tolist()])
    if weights is None:
        return
    for fold in range(len(rows.folds)):
        if not weights[rows.part(fold).train].any():
            raise ValueError(
                f"`{name}` must leave each fold a training row of a weight above 0. Received: 0 "
                f"for all training rows of fold {fold}."
            )


def _seen_by_splitter(y) -> np.ndarray:
    return next(iter(y.values())) if isinstance(y, dict) else y


def _first_outputs(rows: Rows, model) -> tuple[Any, Any]:
    """Return a few rows of the first fold, those it validates on, and the outputs for them."""
    data = rows.assemble([0])
    part = data.parts[0]
    few = take(data.x, part.validation[:64])
    with taking(model, few, "The model must take the rows of `x` as they are after `preprocess`."):
        build_weights(model, 0, rows.seed, take(data.x, part.train[:1]))
        outputs = outputs_of(model, few)
    if rows.preprocess is None:
        _refuse_missing(rows, model, data)
    return few, outputs


def _refuse_missing(rows: Rows, model, data: Assembled) -> None:
    """Refuse NaN and infinity in x, unless the model makes numbers of them."""
    found = not_finite(data.x)
    if found is None:
        return
    if rows.fills:
        outputs = outputs_of(model, take(data.x, found.rows[:256]))
        if all(np.isfinite(a).all() for a in _arrays(outputs)):
            return
    columns = getattr(rows.x, "columns", None)
    of = "" if columns is None else f", named {columns[found.column]!r}"
    raise ValueError(
        f"`x` must be finite. Received: {found.many}, the first in row {found.row}: "
        f"{found.value}{of}. Leave the rows with such values ({len(found.rows)}) out, or fill "
        "them in `preprocess`, for example with scikit-learn's SimpleImputer."
    )


def _arrays(outputs) -> list[np.ndarray]:
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


def _refuse_broken(model, few, outputs) -> None:
    """Refuse a model that gives NaN for finite rows before it is trained at all."""
    if not_finite(few) is not None:
        return
    for a in _arrays(outputs):
        flat = a.reshape(len(a), -1)
        # Minus infinity beside other logits is how a class is masked.
        broken = ~np.isfinite(flat.max(axis=1) if flat.shape[1] > 1 else flat[:, 0])
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            layer = first_broken_layer(model, few)
            raise ValueError(
                "A model must give finite outputs for finite rows before it is trained. Received: "
                f"{flat[row].max()} for {int(broken.sum())} of {len(flat)} rows"
                + (f", first after the layer {layer!r}" if layer else "")
                + ". Look at what divides, takes a logarithm or overflows there, and at the scale "
                "of `x`."
            )
