"""One call of `cross_validate`: builds, preprocesses, trains and scores fold after fold."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from coursekit._fingerprint import fingerprint
from coursekit.validation._arguments import call_with_fold, check_callbacks, rows_of
from coursekit.validation._folder import Fold
from coursekit.validation._scoring import adapter, outputs_of, predictions_of, score
from coursekit.validation._splits import Split, hold_out, seeded
from coursekit.validation._task import Task

GROUP_BYTES = 2**30  # of preprocessed data and models that are in memory at once
GROUPS_IN_FOLDER = 5  # with a folder: a kill costs at most so small a share of the work


class Part(NamedTuple):
    """Rows of a fold: to train on, to watch the training by, to score."""

    train: np.ndarray
    watch: np.ndarray
    validation: np.ndarray

    def distinct(self) -> list[np.ndarray]:
        """The sides, without one that is there twice."""
        return [self.train, self.watch, self.validation][: 2 + (self.watch is not self.validation)]


class OneByOne(Exception):
    """These folds cannot be trained together.

    Their models share frozen layers; or preprocessing gives another number of columns in each
    fold, as PCA(0.95) does.
    """


def take(x, rows: np.ndarray):
    """Return some rows of an array, a table, or a structure of arrays."""
    import keras

    if hasattr(x, "iloc"):
        return x.iloc[rows]
    return keras.tree.map_structure(lambda a: a[rows], x)


def numbers(x):
    """Return x, or what preprocessing made of it, as arrays that Keras takes."""
    import keras

    def convert(a):
        a = a.toarray() if hasattr(a, "toarray") else np.asarray(a)
        if a.dtype.kind not in "biuf":
            raise TypeError(
                f"The model must get numbers. Received: {a.dtype}, such as {str(a.ravel()[0])!r}. "
                "Encode and scale the columns in `preprocess`, for example with scikit-learn's "
                "make_column_transformer."
            )
        return a.astype(keras.config.floatx()) if a.dtype == "float64" else a

    if hasattr(x, "iloc") or hasattr(x, "toarray"):
        return convert(x)
    return keras.tree.map_structure(convert, x)


def join(xs: list):
    """Put preprocessed arrays end to end."""
    import keras

    if len(xs) == 1:
        return xs[0]
    try:
        return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *xs)
    except ValueError:
        raise OneByOne from None


def shapes(x) -> str:
    """Write the dtypes and shapes of an input, or of a structure of inputs."""
    import keras

    return str(keras.tree.map_structure(lambda a: f"{a.dtype} of shape {a.shape}", x))


class Run:
    """One call of `cross_validate`: what its folds share."""

    def __init__(self, build_model, x, y, preprocess, fit: dict, seed: int, temporal: bool):
        self.build_model, self.x, self.y = build_model, x, y
        self.preprocess, self.fit = preprocess, fit
        self.seed, self.temporal = seed, temporal
        self.task: Task
        self.folds: list[Split]
        self.scorers: dict[str, Callable]
        self.problems: dict[str, dict[int, str]] = {}
        self.prepared: dict[int, list] = {}
        self.verbose: int | str = 0

    def fold_seed(self, fold: int) -> int:
        """Return the seed of a fold's model and batch order."""
        return int(np.random.SeedSequence([self.seed, fold]).generate_state(1)[0])

    # Models -----------------------------------------------------------------------------------

    def build(self, fold: int):
        """Return a fold's fresh model, having looked it over."""
        import keras

        with seeded(self.fold_seed(fold)):
            model = call_with_fold(self.build_model, fold)
        if not isinstance(model, keras.Model):
            raise TypeError(
                "`build_model` must return a Keras model. "
                f"Received: {type(model).__name__}. Does it end in `return model`?"
            )
        if not model.compiled:
            raise ValueError(
                "`build_model` must return a compiled model. Received: one that is not. Call "
                "model.compile(optimizer, loss) in it."
            )
        return model

    def look_at(self, model, others=()) -> None:
        """Refuse a model that is not new, or shares with others what training changes."""
        for other in others:
            if model is other:
                raise ValueError(
                    "`build_model` must return a new model in each call. Received: the same one "
                    "twice, so that a fold would continue from weights that have seen its "
                    "validation rows. Build it inside the function."
                )
            if model.optimizer is other.optimizer:
                raise ValueError(
                    "`build_model` must make a new optimizer in each call. Received: the same one "
                    "twice. Write it inside the function, or as a string."
                )
            own = {id(v) for v in model.trainable_variables}
            shared = [v.path for v in other.trainable_variables if id(v) in own]
            if shared:
                raise ValueError(
                    "`build_model` must return models that share no trainable weights. Received: "
                    f"two that share {shared[0]}: a fold would start from weights that have seen "
                    "its validation rows. Build every layer inside the function, or freeze the "
                    "shared one."
                )
        if int(model.optimizer.iterations) > 0:
            raise ValueError(
                "`build_model` must return a fresh model. Received: one trained for "
                f"{int(model.optimizer.iterations)} steps. Build a new one in each call."
            )

    def build_weights(self, fold: int, model, one_row) -> None:
        """Build a model without an Input here, where its seed is known."""
        if not model.built:
            with seeded(self.fold_seed(fold)):
                outputs_of(model, one_row)

    def first_outputs(self, model):
        """The outputs for a few validation rows of the first fold."""
        x, _, _, (part, *_) = self.assemble([0])
        few = take(x, part.validation[:64])
        try:
            self.build_weights(0, model, take(x, part.train[:1]))
            return outputs_of(model, few)
        except Exception as error:  # each backend has its own
            raise ValueError(
                "The model must take the rows of `x` as they are after `preprocess`. Received: "
                f"{shapes(few)}. {error}"
            ) from error

    # Data -------------------------------------------------------------------------------------

    def sides(self, fold: int) -> Part:
        """The fold's rows: to train on, to watch the training by, to score."""
        train, validation = self.folds[fold]
        share = self.fit["validation_split"]
        if not share:
            return Part(train, validation, validation)
        seed = self.fold_seed(fold)
        fit, watch = hold_out(train, share, self.task.labels, self.temporal, seed)
        return Part(fit, watch, validation)

    def assemble(self, folds: list[int]) -> tuple:
        """Return x, y, the weights, and each fold's rows in them; preprocessed folds end to end."""
        weights = self.fit["sample_weight"]
        if self.preprocess is None:
            return numbers(self.x), self.y, weights, [self.sides(k) for k in folds]
        xs, rows, parts, start = [], [], [], 0
        for k in folds:
            part = self.sides(k)
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
        x = join(xs)
        return x, self.y[rows], None if weights is None else weights[rows], parts

    def _preprocessed(self, fold: int, part: Part) -> list:
        from sklearn.base import clone

        first, *others = (take(self.x, side) for side in part.distinct())
        targets = (self.y if self.task.labels is None else self.task.labels)[part.train]
        with seeded(self.fold_seed(fold)):
            if hasattr(self.preprocess, "fit"):
                transformer = clone(self.preprocess)
                # Not fit, then transform: scikit-learn's TargetEncoder treats the rows it was
                # fitted on in another way.
                found = [transformer.fit_transform(first, targets)]
                found += [transformer.transform(other) for other in others]
            else:
                function = self.preprocess(first, targets)
                found = [function(side) for side in (first, *others)]
        found = [numbers(a) for a in found]
        for side, a in zip(part.distinct(), found, strict=True):
            if rows_of(a) != len(side):
                raise ValueError(
                    "`preprocess` must keep the rows. "
                    f"Received: {rows_of(a)} rows for {len(side)} in fold {fold}."
                )
        return found

    def groups(self, todo: list[int], model, saved: bool) -> list[list[int]]:
        """Divide the folds into groups that are trained together, as far as memory allows."""
        import keras

        size = 12 * model.count_params()  # weights, and two moments in the optimizer
        if self.preprocess is not None:
            size += sum(a.nbytes for a in keras.tree.flatten(self.prepared[0]))
        most = max(1, GROUP_BYTES // max(1, size))
        if saved:
            most = min(most, -(-len(self.folds) // GROUPS_IN_FOLDER))
        return [todo[i : i + most] for i in range(0, len(todo), most)]

    # Training and scoring ---------------------------------------------------------------------

    def train_all(self, found: dict[int, Fold], first, folder, verbose) -> None:
        """Train the folds that are not in `found` yet and put them there."""
        self.verbose = verbose
        todo = [k for k in range(len(self.folds)) if k not in found]
        if verbose and found:
            print(f"cross_validate: {len(found)} of {len(self.folds)} folds from {folder.path}")
        built = {0: first}  # and a second one, to look at both before anything is trained
        built |= {k: self.build(k) for k in todo[:2] if k != 0}
        for k in built:
            self.look_at(built[k], [first] if k else [])
        for group in self.groups(todo, first, folder is not None):
            models = []
            for k in group:
                model = built.pop(k, None) or self.build(k)
                self.look_at(model, [other for other in (first, *models[-1:]) if k])
                models.append(model)
            for k, fold in self.train(group, models):
                found[k] = fold
                if folder is not None:
                    folder.save(k, fold)
            del models, model
            if verbose:
                means = (f"{s} {np.mean([f.scores[s] for f in found.values()]):.3f}"
                         for s in self.scorers)  # fmt: skip
                print(f"cross_validate: {len(found)} of {len(self.folds)} folds;", *means)
        self._report()

    def train(self, group: list[int], models: list) -> Iterator[tuple[int, Fold]]:
        """Train the models of a group and yield each fold with what it left."""
        try:
            if _overlap(models):
                raise OneByOne
            x, y, weights, parts = self.assemble(group)
        except OneByOne:
            for k, model in zip(group, models, strict=True):
                yield from self.train([k], [model])
            return
        for k, model, part in zip(group, models, parts, strict=True):
            self.prepared.pop(k, None)
            self.build_weights(k, model, take(x, part.train[:1]))
        callbacks = None
        if self.fit["callbacks"] is not None:
            callbacks = [self._callbacks(k) for k in group]
        histories = fit_all(
            models, x, y,
            rows=[part.train for part in parts], sample_weight=weights,
            validation_rows=[part.watch for part in parts], callbacks=callbacks,
            seed=[self.fold_seed(k) for k in group],
            verbose=self.verbose,
            **{name: self.fit[name] for name in ("epochs", "batch_size", "shuffle",
                                                 "class_weight")},
        )  # fmt: skip
        for k, model, part, history in zip(group, models, parts, histories, strict=True):
            own = self.sides(k)
            scores = []
            for side, place in ((own.validation, part.validation), (own.train, part.train)):
                estimator = adapter(model, self.task, self.fit["batch_size"])
                here = take(x, place)
                problems: dict[str, str] = {}
                targets = self.task.targets[side]
                scores.append(score(self.scorers, estimator, here, targets, problems))
                for name, problem in problems.items():
                    self.problems.setdefault(name, {})[k] = problem
                if not scores[1:]:
                    predictions = predictions_of(self.task, estimator.outputs(here))
            curves = {key: [float(v) for v in values] for key, values in history.items()}
            yield k, Fold(scores[0], scores[1], curves, np.asarray(predictions))

    def _callbacks(self, fold: int) -> list:
        with seeded(self.fold_seed(fold)):
            callbacks = call_with_fold(self.fit["callbacks"], fold)
        check_callbacks(callbacks, watched=bool(self.fit["validation_split"]))
        return list(callbacks)

    def _report(self) -> None:
        for name, folds in self.problems.items():
            listed = ", ".join(map(str, list(folds)[:8])) + (", ..." if len(folds) > 8 else "")
            warnings.warn(
                f"`{name}` is NaN in fold {listed}: {next(iter(folds.values()))} "
                "Take larger or stratified folds, or score `result.predictions` as a whole.",
                stacklevel=4,
            )

    def parts(self, model, scoring) -> dict[str, str]:
        """What the result depends on, by name."""
        values = {
            "x": self.x, "y": self.y, "splits": self.folds, "seed": self.seed, "model": model,
            "build_model": self.build_model, "task": self.task.kind, "scoring": scoring,
            "preprocess": self.preprocess, "temporal": self.temporal, "fit_kwargs": self.fit,
        }  # fmt: skip
        return {name: fingerprint(value) for name, value in values.items()}


def _overlap(models) -> bool:
    seen = [id(part) for model in models for part in (*model.layers, *model.variables)]
    return len(models) > 1 and len(set(seen)) < len(seen)


def fit_all(models, x, y, **settings) -> list[dict[str, list]]:
    """Train the models in place and return what they recorded."""
    from coursekit.training.many import fit_many

    histories = fit_many(models, x, y, **settings)
    if any(history.params.get("interrupted") for history in histories):
        raise KeyboardInterrupt  # a fold trained for some of its epochs has no score
    return [history.history for history in histories]
