"""A look at a model and its data before anything is trained."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from coursekit._checks import brief, count, require, same_rows
from coursekit._checks import seed as checked_seed
from coursekit._findings import Finding
from coursekit._randomness import kept
from coursekit.diagnosis import _look, _rules
from coursekit.diagnosis._report import Report, finding
from coursekit.diagnosis._statistics import (
    dependence,
    features,
    flat,
    near,
    repeats,
    runs,
    share_gap,
    told_by_column,
)
from coursekit.training.gradients import value_and_gradients

TRIAL_STEPS, TRIAL_ROWS, LOOK = 10, 32, 256


def examine(
    model: keras.Model,
    x: Any,
    y: Any,
    validation_data: tuple | None = None,
    *,
    class_weight: Mapping[int, float] | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Report:
    """Look for what makes a training fail, before it begins.

    It looks at the data alone (not finite, scale, imbalance, order), at the model against the data
    (loss against last activation, labels out of range, shapes that broadcast, targets out of reach,
    the first loss, gradients of exactly 0, what is frozen, a rate far beyond the edge), at whether
    the labels depend on the inputs at all, and at the split. The model stays as it was, bit by bit,
    as do all random states; the rate is tried on a copy.

    Args:
        model: a compiled Keras model.
        x: inputs: an array, or a dict, list or tuple of arrays with equal rows.
        y: targets, as `fit` takes them.
        validation_data: `(x_val, y_val)`; None: the split is not looked at.
        class_weight: what `fit` will get; an imbalance is then a note.
        rows: at most so many rows, drawn at random, are looked at closely; at least 50. Defaults
            to 2000.
        seed: of those draws.

    Returns:
        A `Report`. What a model of several outputs or inputs, or a subclassed one, does not let be
        seen is left out and named in `report.skipped`.

    Raises:
        TypeError: for what is no Keras model.
        ValueError: for a model that is not compiled, and rows that do not match.

    Numerics: thresholds are relative to chance or to the model's own numbers wherever they can be.
    A finding that "says" was true of each planted fault it was tried with, and of no healthy run
    (tests/diagnosis); it is no proof that nothing else is wrong.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())  # takes logits not
        >>> rng = np.random.default_rng(0)
        >>> report = examine(model, rng.normal(size=(90, 4)), np.arange(90) % 3)
        >>> report.names[0]
        'logits_as_probabilities'
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: {brief(model, 80)}")
    require(model.compiled, "`model` must be compiled.", "Call model.compile(...)", compiled=False)
    parts = [arrays_of("x", x), arrays_of("y", y)]
    same_rows(**named("xy", parts))
    require(len(parts[0][0]) > 0, "`x` must have at least one row.", rows=0)
    rows, rng = count("rows", rows, 50), np.random.default_rng(checked_seed(seed))
    valid = None
    if validation_data is not None:
        pair = isinstance(validation_data, tuple | list) and len(validation_data) == 2
        require(pair, "`validation_data` must be (x_val, y_val).", validation_data=validation_data)
        valid = [arrays_of("x_val", validation_data[0]), arrays_of("y_val", validation_data[1])]
        same_rows(**named(("x_val", "y_val"), valid))
    with kept():
        looked = Look(model, parts, (x, y), valid, class_weight is not None, rows, rng)
        found = list(looked.findings())
    return Report(found, looked.skipped)


def arrays_of(name, data) -> list[np.ndarray]:
    """Return the leaves of a structure as arrays."""
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(data) if leaf is not None]
    rule = f"`{name}` must hold arrays of numbers, with rows first."
    holds = bool(leaves) and all(a.ndim and a.dtype.kind in "biuf" for a in leaves)
    way_out = "Take arrays from a dataset first: examine looks at rows, not at batches"
    require(holds, rule, way_out, **{name: data if isinstance(data, list | tuple) else type(data)})
    return leaves


class Look:
    """One call of `examine`."""

    def __init__(self, model, parts, data, valid, weighted, rows, rng):
        self.model, self.data, self.valid, self.rng = model, data, valid, rng
        self.weighted, self.skipped = weighted, []
        self.xs, self.ys = parts
        self.pick = np.sort(rng.permutation(len(self.xs[0]))[:rows])
        self.task = _look.task_of(model)
        if len(self.ys) > 1:
            self.task = _look.Task()
        self.y = self.ys[0]
        self.finite = True

    def findings(self) -> Iterator[Finding]:
        """All that is found, by the look that finds it."""
        found = list(filter(None, self._of_data()))
        yield from found
        self.finite = not any(one.rule.startswith("nan") for one in found)
        if self.finite:
            yield from filter(None, self._of_configuration())
            yield from filter(None, self._of_labels())
            if self.valid is not None:
                yield from filter(None, self._of_split())

    def of_run(self) -> Iterator[Finding]:
        """What data and configuration show of a model that has been trained."""
        for one in filter(None, self._of_data()):
            yield one._replace(effect="notes") if one.rule == "sorted_rows" else one
            self.finite = self.finite and not one.rule.startswith("nan")
        if self.finite:
            yield from filter(None, self._of_configuration(trained=True))
            yield from filter(None, self._of_labels())
            if self.valid is not None:
                yield from filter(None, self._of_split())

    def _of_data(self):
        for what, leaves in (("inputs", self.xs), ("targets", self.ys)):
            bad = np.zeros(len(leaves[0]), bool)
            for leaf in leaves:
                if leaf.dtype.kind == "f":
                    bad |= ~np.isfinite(leaf.reshape(len(leaf), -1)).all(1)
            yield _rules.not_finite(what, np.flatnonzero(bad), len(bad))
            if bad.any():
                return
        numbers = [leaf for leaf in self.xs if leaf.dtype.kind in "fiu"]
        if numbers and len(self.pick) > 1 and not self.words:
            rows = flat([leaf[self.pick] for leaf in numbers])
            rms, table = float(np.sqrt(np.mean(rows**2))), all(leaf.ndim == 2 for leaf in numbers)
            yield _rules.scale(rms, rows.std(0), _look.rescales(self.model), table)
        labels = self.task.labels(self.y)
        if labels is not None:
            yield _rules.imbalance(labels, self.weighted)
            yield _rules.order(runs(labels))

    @property
    def words(self) -> bool:
        """Whether the inputs are numbers of words, which say nothing by their size."""
        whole = all(leaf.dtype.kind in "iu" for leaf in self.xs)
        return whole and _look.has(self.model, keras.layers.Embedding)

    def _take(self, data, rows):
        return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[rows], data)

    def _of_configuration(self, trained: bool = False):
        x, y = self.data
        look = self.pick[:: max(1, len(self.pick) // LOOK)][:LOOK]
        some_x, some_y = self._take(x, look), self._take(y, look)
        outputs = self._outputs(some_x)
        trains, frozen = map(
            _count, (self.model.trainable_variables, self.model.non_trainable_variables)
        )
        yield _rules.nothing_trains(trains, frozen)
        single = outputs is not None and len(self.ys) == 1 and self.task.loss is not None
        fits = True
        if single:
            task, targets, width = self.task, np.asarray(some_y), outputs.shape[-1]
            yield _rules.ending(task.kind, task.logits, task.activations, width)
            ignored = _option(task.loss, "ignore_class")
            low, high = float(self.y.min()), float(self.y.max())
            misfit = _rules.labels_fit(task.kind, low, high, width, ignored)
            yield misfit
            yield _rules.reach(task.kind, task.end, self.y[self.pick])
            fits = misfit is None
            if fits:
                yield from self._of_loss(targets, outputs, trained)
        else:
            self.skipped.append("the last layer against the loss, of several outputs")
        if fits and not trained and self.model.trainable_variables:
            yield from self._of_gradients(some_x, some_y)

    def _outputs(self, x) -> np.ndarray | None:
        found = keras.tree.flatten(self.model(keras.tree.map_structure(np.asarray, x)))
        return keras.ops.convert_to_numpy(found[0]) if len(found) == 1 else None

    def _of_loss(self, targets, outputs, trained):
        same_size = targets.size == outputs.size and targets.shape != outputs.shape
        if same_size and self.task.kind != "sparse":
            losses = [self._loss(t, outputs) for t in (targets, targets.reshape(outputs.shape))]
            if None not in losses:
                yield _rules.broadcast(targets.shape, outputs.shape, *losses)
        if self.task.kind in ("sparse", "onehot", "binary") and not trained:
            loss = self._loss(targets, outputs)
            if loss is not None:
                yield _rules.first_loss(loss, outputs.shape[-1])

    def _loss(self, targets, outputs) -> float | None:
        """The compiled loss, without penalties, as Keras would call it; None where it cannot be."""
        cast = targets if targets.dtype.kind in "iu" else targets.astype("float32")
        try:
            value = self.model.compute_loss(
                x=None,
                y=keras.ops.convert_to_tensor(cast),
                y_pred=keras.ops.convert_to_tensor(outputs),
            )
            penalties = sum(float(keras.ops.convert_to_numpy(v)) for v in self.model.losses)
        except Exception as error:  # a loss of one's own may want what is not there
            self.skipped.append(f"the loss ({type(error).__name__}: {brief(str(error), 80)})")
            return None
        return float(keras.ops.convert_to_numpy(value)) - penalties

    def _of_gradients(self, x, y):
        try:
            found = value_and_gradients(self.model, x, y)
        except Exception as error:  # fit will stop there too, and Keras says why
            yield finding(
                "fit_would_stop",
                f"A training step raises {type(error).__name__}: {brief(str(error), 200)}",
                "Call `model.train_on_batch` with these rows to see where.",
            )
            return
        sizes = {path: float(np.abs(g).max()) if g.size else 1.0
                 for path, g in found.gradients.items()}  # fmt: skip
        still = _rules.no_gradient(sizes)
        yield still
        if still is None:
            yield self._of_rate(x, y)

    def _of_rate(self, x, y) -> Finding | None:
        """Some steps of a copy, on rows that it does not look at."""
        try:
            copy = keras.models.clone_model(self.model)
            copy.set_weights(self.model.get_weights())
            optimizer = self.model.optimizer
            copy.compile(type(optimizer).from_config(optimizer.get_config()), self.task.loss,
                         run_eagerly=self.model.run_eagerly, jit_compile=False)  # fmt: skip
            require(self.task.loss is not None and type(copy) is type(self.model), "One output.")
        except Exception as error:  # subclassed, several outputs, a loss that is no object
            why = f"{type(error).__name__}: {brief(str(error), 80)}"
            self.skipped.append(f"the learning rate, on a copy ({why})")
            return None
        fixed = self._start_loss(copy, x, y)
        for _ in range(TRIAL_STEPS):
            rows = self.rng.choice(self.pick, min(TRIAL_ROWS, len(self.pick)), replace=False)
            copy.train_on_batch(*(self._take(part, rows) for part in self.data))
        after = self._start_loss(copy, x, y)
        return _rules.rate(fixed, after, self._reference(), TRIAL_STEPS)

    def _start_loss(self, model, x, y) -> float:
        return float(model.evaluate(x, y, verbose=0, return_dict=True)["loss"])

    def _reference(self) -> float:
        """What a constant answer costs, as far as it is known."""
        labels = self.task.labels(self.y)
        if labels is not None:
            share = np.unique(labels, return_counts=True)[1] / len(labels)
            return float(-np.sum(share * np.log(share)))
        return float(np.var(self.y)) if self.task.kind == "number" else 0.0

    def _of_labels(self):
        labels = self.task.labels(self.y)
        table = all(leaf.ndim == 2 for leaf in self.xs) and not self.words
        if table and self.y.size == len(self.y) and (labels is not None or self.task.kind):
            targets = self.y.reshape(-1) if labels is None else labels
            picked = flat([leaf[self.pick] for leaf in self.xs]), targets[self.pick]
            if len(self.pick) >= 50 and np.ptp(targets[self.pick]) > 0:
                yield _rules.telling_column(told_by_column(*picked, labels is not None))
        if labels is None:
            return
        labels = labels[self.pick]
        counts = np.unique(labels, return_counts=True)[1]
        if len(counts) < 2 or counts.min() < 20:
            return
        if score := self._dependence([leaf[self.pick] for leaf in self.xs], labels):
            yield _rules.independent(*score)

    def _dependence(self, leaves, labels) -> tuple[float, float, float] | None:
        table = features(leaves, self.words)
        return None if table is None else dependence(table, labels, self.rng)

    def _of_split(self):
        xs, (y, *_) = self.valid
        lost = [not np.isfinite(leaf).all() for leaf in (*xs, y)]
        if any(lost) or len(xs) != len(self.xs):
            self.skipped.append("the split: validation rows are not finite, or of other inputs")
            return
        own, other = flat(self.xs), flat(xs)
        if own.shape[1] != other.shape[1]:
            self.skipped.append("the split: validation rows have another shape")
            return
        table = all(leaf.ndim == 2 for leaf in self.xs)
        yield _rules.shared_rows(*repeats(own, other))
        if min(len(own), len(other)) >= 50 and not self.words:
            yield _rules.near_rows(*near(own, other, self.rng))
        if table and not self.words:
            still = (own.std(0) == 0) & (np.abs(other - own[0]) > 0).any(0)
            divides = _look.has(self.model, keras.layers.Normalization)
            yield _rules.new_columns(np.flatnonzero(still), divides)
        n = min(len(own), len(other), 300)
        if n >= 20:
            rows = [self.rng.permutation(len(part))[:n] for part in (own, other)]
            both = [
                np.concatenate([a[rows[0]], b[rows[1]]]) for a, b in zip(self.xs, xs, strict=True)
            ]
            if score := self._dependence(both, np.repeat([0, 1], n)):
                yield _rules.other_rows(*score)
        if self.task.kind == "number" and self.y.size == len(self.y) and y.size == len(y) > 1:
            both = [(float(a.mean()), float(a.std()), len(a)) for a in (self.y, y)]
            yield _rules.other_targets(*both)
        labels = self.task.labels(self.y), self.task.labels(y)
        if all(one is not None for one in labels):
            yield _rules.other_labels(*share_gap(*labels))


def named(names, parts) -> dict[str, np.ndarray]:
    """Return the leaves of several structures by a name each."""
    pairs = zip(names, parts, strict=True)
    return {f"{name}{k}": leaf for name, some in pairs for k, leaf in enumerate(some)}


def _count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


def _option(loss, name: str):
    """Return an argument that a loss was made with."""
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return config.get(name)
