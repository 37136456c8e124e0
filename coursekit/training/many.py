"""Train many models at once: ten folds, ten seeds or ten settings for the price of about one.

    histories = fit_many(models, x, y, rows=folds, validation_rows=held_out, epochs=20)

`fit` spends most of a small model's time between the operations: Python between two batches, and
tracing for each model anew. Here a whole epoch is one call into a compiled program, models of one
architecture share one trace, and several models run at a time.
"""

import contextlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from coursekit.training import _many_data as many_data
from coursekit.training._many_alike import Unlike, fingerprint
from coursekit.training._many_fit import fit_one


def fit_many(
    models,
    x,
    y=None,
    *,
    rows=None,
    sample_weight=None,
    class_weight=None,
    validation_data=None,
    validation_rows=None,
    epochs=1,
    batch_size=32,
    shuffle=True,
    seed=0,
    callbacks=None,
    verbose="auto",
) -> list[Any]:
    """Train compiled Keras models side by side, each on its own rows of the same arrays.

    Every model ends with the weights, optimizer state, metrics and seeds that `fit` leaves after
    the same batches: within 1e-6, and bit by bit where the compiler keeps the order of additions.
    In epoch e model k sees its rows in the order

    ```
    numpy.random.default_rng([seed_k, e]).permutation(rows[k])    shuffle=True
    rows[k]                                                       shuffle=False
    ```

    cut into batches of `batch_size`; the last one may be smaller and counts as in `fit`.

    Three routes, chosen for each model and told by `verbose`:

    - *shared program*: two or more models of Keras's own classes with the same layers, loss,
      metrics and optimizer (learning rates and seeds may differ) are traced once;
    - *own program*: the model's own `train_step`, also a custom one, traced for each model;
    - *`fit`*, with a warning that says why: `run_eagerly`, callbacks with batch hooks, a
      distribution strategy, memory-mapped arrays, another backend than TensorFlow, or a step that
      cannot be traced.

    Args:
        models: compiled Keras models, each with an optimizer and variables of its own. Trained in
            place; a model that is not built is built from `x`.
        x: inputs: an array, or a dict, tuple or list of arrays. Floats are cast to `floatx`.
        y: targets, as `x`; None for models that need none.
        rows: for each model an array of row numbers of `x`; None trains all models on all rows.
        sample_weight: weights of the rows, as in `fit`.
        class_weight: dict from class to weight, as in `fit`; not together with `sample_weight`.
        validation_data: `(x, y)` or `(x, y, sample_weight)` for all models, measured after each
            epoch.
        validation_rows: instead of that, for each model the row numbers of `x` to validate on.
            `sample_weight` holds for them too, `class_weight` does not.
        epochs: at least 1.
        batch_size: at least 1, for validation too.
        shuffle: whether each epoch draws a new order.
        seed: an integer of at least 0, giving model k the seed `seed + k`, or one for each model.
        callbacks: None, a list with a list of callbacks for each model, or a function from k to
            such a list. They see the real model with its current weights, at the beginnings and
            ends of training, epochs and validation. A model whose `stop_training` is set is
            frozen; the others go on.
        verbose: 0 is silent; 1 or "auto" tells the routes and shows the epochs.

    Returns:
        One `keras.callbacks.History` for each model, also set as `model.history`. After Ctrl-C the
        running epoch is finished, a warning names the number of epochs, and what is there is
        returned; `history.params["interrupted"]` is then True.

    Raises:
        TypeError: for models that are not Keras models, data that are not arrays.
        ValueError: for models that are not compiled, or share an object, variables or an
            optimizer; rows out of range; lengths that do not match; numbers out of range. All
            this before any model is changed. An error in a callback or a program is raised after
            every model got the weights of its last finished epoch.

    Numerics: each model's operations are those of its own step, on its own values. The random
    state of Python, NumPy and Keras is not touched.

    Example:
        >>> import keras, numpy as np
        >>> x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
        >>> models = []
        >>> for rate in (0.1, 0.3):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(rate), "mse")
        ...     models.append(model)
        >>> histories = fit_many(models, x, 3 * x + 1, epochs=30, batch_size=8, verbose=0)
        >>> [round(float(model.get_weights()[1][0]), 2) for model in models]
        [1.0, 1.0]
        >>> len(histories[0].history["loss"])
        30
    """
    models = _checked_models(models)
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value}")
    seeds = many_data.checked_seeds(seed, len(models))
    data, size = many_data.standardize(x, y, sample_weight, class_weight, "")
    rows = many_data.checked_rows(rows, len(models), size, "rows")
    validation, validation_rows = _checked_validation(
        validation_data, validation_rows, (x, y, sample_weight), len(models)
    )
    callbacks = _checked_callbacks(callbacks, len(models))
    members = [
        _Model(*one) for one in zip(models, rows, validation_rows, callbacks, seeds, strict=True)
    ]
    verbose = 1 if verbose == "auto" else int(verbose)
    return _Run(members, data, validation, epochs, batch_size, bool(shuffle), verbose)()


def _checked_models(models):
    import keras

    if isinstance(models, keras.Model) or not hasattr(models, "__iter__"):
        raise TypeError(
            f"`models` must be a list of Keras models. Received: {type(models).__name__}. "
            "Put a single model into a list."
        )
    models = list(models)
    if not models:
        raise ValueError("`models` must hold at least one model. Received: an empty list.")
    seen: dict[int, int] = {}
    for k, model in enumerate(models):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"`models[{k}]` must be a Keras model. Received: {type(model).__name__}"
            )
        if not model.compiled or model.optimizer is None:
            raise ValueError(
                f"`models[{k}]` must be compiled with an optimizer. Received: {model.name!r}, not "
                "compiled. Call model.compile(optimizer, loss) first."
            )
        objects = [(model, "object"), (model.optimizer, "optimizer")]
        objects += [(layer, "layer") for layer in model._flatten_layers(include_self=False)]
        objects += [(v, "variable") for v in (*model.variables, *model.optimizer.variables)]
        for one, kind in objects:
            other = seen.setdefault(id(one), k)
            if other != k:
                what = "the same object" if kind == "object" else f"share a {kind}"
                raise ValueError(
                    "Models that are trained side by side must have nothing in common. Received: "
                    f"`models[{other}]` and `models[{k}]` are {what}.".replace("are share", "share")
                    + " Build and compile each model anew."
                )
    return models


def _checked_validation(data, rows, arrays, models):
    if data is not None and rows is not None:
        raise ValueError(
            "`validation_data` and `validation_rows` exclude each other. Received both: choose one."
        )
    if rows is not None:
        data = arrays
    if data is None:
        return None, [None] * models
    if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
        raise TypeError(
            "`validation_data` must be (x, y) or (x, y, sample_weight). "
            f"Received: {type(data).__name__}"
        )
    data, size = many_data.standardize(*(*data, None, None)[:3], None, "validation_data")
    return data, many_data.checked_rows(rows, models, size, "validation_rows")


def _checked_callbacks(callbacks, models):
    import keras

    if callbacks is None:
        return [[] for _ in range(models)]
    if callable(callbacks):
        callbacks = [callbacks(k) for k in range(models)]
    callbacks = [list(one) if isinstance(one, (list, tuple)) else one for one in callbacks]
    if len(callbacks) != models or not all(isinstance(one, list) for one in callbacks):
        raise ValueError(
            "`callbacks` must hold a list of callbacks for each model, or be a function from the "
            f"number of a model to its list. Received: {callbacks!r} for {models} models"
        )
    flat = [callback for one in callbacks for callback in one]
    for callback in flat:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(f"A callback must be a Keras Callback. Received: {callback!r}")
    if len({id(callback) for callback in flat}) < len(flat):
        raise ValueError(
            "A callback keeps the state of one model. Received: the same callback twice. Make new "
            "ones: callbacks=lambda k: [keras.callbacks.EarlyStopping()]."
        )
    return callbacks


def _overrides(callbacks, *names) -> bool:
    """Whether a callback has one of these hooks."""
    import keras

    base = keras.callbacks.Callback
    for callback in callbacks:
        if type(callback) is keras.callbacks.ModelCheckpoint and callback.save_freq == "epoch":
            continue  # its batch hook does nothing then
        for name in names:
            if name in vars(callback) or getattr(type(callback), name) is not getattr(base, name):
                return True
    return False


class _Model:
    """One model on its way through `fit_many`."""

    def __init__(self, model, rows, validation_rows, callbacks, seed):
        self.model, self.seed, self.callbacks = model, seed, callbacks
        self.rows, self.validation_rows = rows, validation_rows
        self.reason = ""  # why it goes to `fit`
        self.program = None
        self.groups = None  # with a shared program: the variables behind each entry of the state
        self.names: list[str] = []
        self.state = self.backup = None
        self.written = True  # whether the model's variables hold the state
        self.hooks = self.history = self.logs = None
        self.test_hooks = _overrides(callbacks, "on_test_begin", "on_test_end")
        self.active = True

    def begin_epoch(self):
        """Remember where the epoch starts: an error brings the model back there."""
        from coursekit.training import _many_programs as programs

        if self.groups is None:
            self.backup = programs.pull([[v] for v in programs.state_of(self.model)])
            return
        if self.state is None or self.callbacks:
            self.state = programs.pull(self.groups)
        self.backup = self.state

    def train(self, rows, validation):
        """Run one epoch, in a thread, and return its logs.

        Where a callback wants to be called before the validation, that is left to `test`.
        """
        validation_rows = self.validation_rows if validation and not self.test_hooks else None
        if self.groups is None:
            logs = [self.program.run_train(rows)]
            if validation_rows is not None:
                logs.append(self.program.run_test(validation_rows))
        else:
            self.state, values = self.program.run(self.state, rows, validation_rows)
            self.written = False
            logs = [dict(zip(self.names, one, strict=True)) for one in values]
        merged = _plain(logs[0])
        for one in logs[1:]:
            merged.update(_plain(one, "val_"))
        return merged

    def test(self):
        """Run the validation that `train` left out."""
        return _plain(self.program.run_test(self.validation_rows))

    def roll_back(self):
        """Undo an epoch that did not finish."""
        from coursekit.training import _many_programs as programs

        if self.backup is None:
            return
        if self.groups is None:
            programs.push([[v] for v in programs.state_of(self.model)], self.backup)
        else:
            self.state = self.backup
        self.backup = None

    def write(self):
        """Bring the state into the model's variables."""
        from coursekit.training import _many_programs as programs

        if self.groups is not None and not self.written:
            programs.push(self.groups, self.state)
            self.written = True

    def finish(self):
        """End the training of this model."""
        if self.active:
            self.active = False
            self.write()
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            self.hooks.on_train_end(self.logs)


class _Run:
    """One call of `fit_many`."""

    def __init__(self, members, data, validation, epochs, batch_size, shuffle, verbose):
        self.members, self.data, self.validation = members, data, validation
        self.epochs, self.batch_size, self.shuffle = epochs, batch_size, shuffle
        self.verbose = verbose
        self.interrupted = False

    def __call__(self):
        import keras

        self._choose_routes()
        for member in self.members:
            if member.reason and not self.interrupted:
                self._fit(member)
        traced = [m for m in self.members if not m.reason]
        for member in traced:
            member.hooks = keras.callbacks.CallbackList(
                member.callbacks,
                add_history=True,
                model=member.model,
                verbose=0,
                epochs=self.epochs,
                steps=-(-len(member.rows) // self.batch_size),
            )
            member.history = member.model.history
        if traced and not self.interrupted:
            self._train(traced)
        return self._histories()

    def _histories(self):
        import keras

        histories = []
        for member in self.members:
            history = member.history or keras.callbacks.History()
            history.epoch = getattr(history, "epoch", [])
            history.params = {**(history.params or {}), "interrupted": self.interrupted}
            member.model.history = history
            histories.append(history)
        if self.interrupted:
            done = [len(history.epoch) for history in histories]
            warnings.warn(
                f"`fit_many` was interrupted after {min(done)} to {max(done)} of {self.epochs} "
                "epochs. The models keep the weights of their last finished epoch.",
                stacklevel=4,
            )
        return histories

    def _fit(self, member):
        warnings.warn(f"`fit_many` trains a model by `fit`: {member.reason}.", stacklevel=4)
        member.history, self.interrupted = fit_one(
            member.model,
            self.data,
            member.rows,
            member.seed,
            self.validation,
            member.validation_rows,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            epochs=self.epochs,
            callbacks=member.callbacks,
        )

    def _choose_routes(self):
        for member in self.members:
            member.reason = _reason_for_fit(member, (self.data, self.validation))
        traced = [m for m in self.members if not m.reason]
        if not traced:
            return
        from coursekit.training import _many_programs as programs

        feed = programs.Feed(self.data, self.batch_size)
        feeds = [feed, None]
        if self.validation is not None:
            feeds[1] = programs.Feed(self.validation, self.batch_size)
        alike: dict[str, list] = {}
        for member in traced:
            try:
                programs.build(member.model, self.data)
            except Exception as error:
                member.reason = f"it cannot be built in a `StatelessScope` ({_line(error)})"
                continue
            with contextlib.suppress(Unlike):
                if not member.test_hooks:
                    alike.setdefault(fingerprint(member.model), []).append(member)
        shared = 0
        for group in alike.values():
            if len(group) > 1 and self._share(group, feeds):
                shared += len(group)
        for member in traced:
            if member.program is None and not member.reason:
                try:
                    member.program = programs.OwnProgram(member.model, *feeds)
                except Exception as error:
                    member.reason = f"its step cannot be traced ({_line(error)})"
        self._tell(shared)

    def _share(self, group, feeds) -> bool:
        from coursekit.training import _many_programs as programs

        try:
            program = programs.SharedProgram(group[0].model, *feeds)
            groups = [program.layout.groups(member.model) for member in group]
        except Exception:  # whatever it is: the model's own step decides
            return False
        for member, variables in zip(group, groups, strict=True):
            member.program, member.groups = program, variables
            member.names = list(member.model.get_metrics_result())
        return True

    def _tell(self, shared):
        if not self.verbose:
            return
        fit = sum(bool(m.reason) for m in self.members)
        own = len(self.members) - fit - shared
        routes = [
            (shared, "by a shared program"),
            (own, "by their own programs"),
            (fit, "by `fit`"),
        ]
        told = ", ".join(f"{count} {route}" for count, route in routes if count)
        print(f"fit_many: {len(self.members)} models, {self.epochs} epochs; {told}.")

    def _train(self, traced):
        try:
            with ThreadPoolExecutor(_workers(len(traced))) as self.pool:
                for member in traced:
                    member.model.stop_training = False
                    member.hooks.on_train_begin()
                self._epochs(traced)
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException:
            for member in traced:
                member.roll_back()
                member.write()
            raise
        for member in traced:
            member.roll_back()
            member.finish()

    def _epochs(self, traced):
        import keras

        bar = None
        if self.verbose:
            bar = keras.utils.Progbar(
                self.epochs, verbose=self.verbose, unit_name="epoch", stateful_metrics=["loss"]
            )
        for epoch in range(self.epochs):
            active = [member for member in traced if member.active]
            losses = self._epoch(epoch, active)
            if bar is not None and losses:
                bar.update(epoch + 1, [("loss", sum(losses) / len(losses))])
            if self.interrupted or not any(member.active for member in traced):
                break

    def _epoch(self, epoch, active):
        for member in active:
            member.hooks.on_epoch_begin(epoch)
        jobs = []
        for member in active:
            order = many_data.batch_order(member.rows, member.seed, epoch, self.shuffle)
            if member.model.stop_training:  # set before the epoch: `fit` stops after one batch
                order = order[: self.batch_size]
            jobs.append((member.train, order, self.validation is not None))
            member.begin_epoch()
        logs = self._run(jobs)
        if self.validation is not None:
            for member, one in zip(active, logs, strict=True):
                if member.test_hooks:
                    member.hooks.on_test_begin()
                    measured = self._run([(member.test,)])[0]
                    member.hooks.on_test_end(measured)
                    one.update({f"val_{name}": value for name, value in measured.items()})
        for member in active:
            member.backup = None
        for member, one in zip(active, logs, strict=True):
            if member.callbacks:
                member.write()
            member.logs = one
            member.hooks.on_epoch_end(epoch, one)
            if member.model.stop_training:
                member.finish()
        return [one["loss"] for one in logs if "loss" in one]

    def _run(self, jobs):
        """Run jobs in threads. An interrupt waits for their end."""
        futures = [self.pool.submit(*job) for job in jobs]
        while True:
            try:
                wait(futures)
                break
            except KeyboardInterrupt:
                self.interrupted = True
        return [future.result() for future in futures]


def _plain(logs, prefix=""):
    return {f"{prefix}{k}": float(v) if v.ndim == 0 else v for k, v in logs.items()}


def _workers(models) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(models, cores or 1, 8))


def _line(error) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def _reason_for_fit(member, data) -> str:
    """Return why no program can train this model, or an empty string."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return "compiled programs need the TensorFlow backend"
    import tensorflow as tf

    strategy = member.model.distribute_strategy
    if tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
        return "it runs under a distribution strategy"
    if member.model.run_eagerly or tf.config.functions_run_eagerly():
        return "it runs eagerly"
    hooks = [
        f"on_{kind}batch_{end}" for kind in ("train_", "test_", "") for end in ("begin", "end")
    ]
    if _overrides(member.callbacks, *hooks):
        return "a callback wants to be called at batches"
    parts = [part for one in data if one is not None for part in one if part is not None]
    if any(getattr(leaf, "filename", None) for leaf in keras.tree.flatten(parts)):
        return "its data are memory-mapped"
    if any(leaf.dtype.kind in "OUS" for leaf in keras.tree.flatten(parts)):
        return "its data are not numbers"
    return ""
