"""A callback that looks into a model while `fit` trains it."""

from typing import Any

import keras
import numpy as np

from coursekit._checks import brief, count, require, same_rows
from coursekit._checks import seed as checked_seed
from coursekit.diagnosis._examine import arrays_of, named
from coursekit.diagnosis._probe import Probe
from coursekit.diagnosis._record import Look, Record, numbers_of
from coursekit.training.gradients import check_backend

STATE = ("_start", "_first", "_done", "_next", "_losses", "skipped")
EVERY, GROWTH = 50, 1.5  # steps to the second look after the start, and from look to look


class Doctor(keras.callbacks.Callback):
    """Records what a diagnosis of a training needs: `diagnose(doctor)`, after or during `fit`.

    It keeps the losses of the steps, the logs of the epochs and, from time to time, a look into
    the model on a few fixed rows: the loss, the size of each gradient, weight and update, and what
    each layer gives. It changes nothing of the model and of the random states.

    It adds three numbers of the last look to the logs of each epoch. So `History`, and callbacks
    that stand behind it in the list, such as Keras's `CSVLogger` and `TensorBoard`, record them:

    ```
    gradient_norm   the norm of the gradient over all trainable variables
    update_ratio    the largest rms(update) / rms(weights) over the matrices; about 0.001 is usual
    idle_units      the largest share of rectified units in a layer that were 0 on all rows
    ```

    Args:
        x, y: rows of the training set as `fit` takes them: all, or some hundred. 64 of them are
            looked at during the training, up to 2000 by `diagnose`.
        validation_data: `(x_val, y_val)`; None: what would need it is left out.
        every: steps between two looks. Defaults to None: before steps 0, 1, 50, 100, 150, and
            then half as many steps again each time, so that looks get rarer as a run gets longer.
        rows: how many rows are looked at during training; at least 8. Defaults to 64.
        seed: which rows.

    Attributes:
        record: the numbers, as a `Record`.

    Raises:
        ValueError: for rows that do not match; when training begins, for a model that has nothing
            to train and for more than one replica: diagnose the `History` then.
        TypeError: for what is no array.

    Costs: a look costs about as much as one to four steps of 32 rows, the first one its tracing
    too, as much as `fit`'s own. `tools/benchmarks/doctor.py` measures it beside plain `fit`. The
    record stays below some hundred kilobytes however long the run; the weights of the start are
    kept besides.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="line")])
        >>> model.compile("sgd", "mse")
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> doctor = Doctor(x, x[:, :1])
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[doctor])
        >>> [look.step for look in doctor.record.looks], "update_ratio" in history.history
        ([0, 1], True)
    """

    # Step losses may arrive from another thread, in any order: they are sorted after each epoch.
    async_safe = True

    def __init__(
        self,
        x: Any,
        y: Any,
        validation_data: tuple | None = None,
        *,
        every: int | None = None,
        rows: int = 64,
        seed: int = 0,
    ):
        super().__init__()
        leaves = arrays_of("x", x)
        same_rows(**named("xy", [leaves, arrays_of("y", y)]))
        require(len(leaves[0]) > 0, "`x` must have at least one row.", rows=0)
        if validation_data is not None:
            pair = isinstance(validation_data, tuple | list) and len(validation_data) == 2
            require(pair, "`validation_data` must be (x_val, y_val).",
                    validation_data=validation_data)  # fmt: skip
            names = "x_val", "y_val"
            parts = [arrays_of(*part) for part in zip(names, validation_data, strict=True)]
            same_rows(**named(names, parts))
        self.every = None if every is None else count("every", every)
        self.data, self.validation_data = (x, y), validation_data
        rng = np.random.default_rng(checked_seed(seed))
        pick = np.sort(rng.permutation(len(leaves[0]))[: count("rows", rows, 8)])
        self._rows = taken(self.data, pick)
        self.record = Record()
        self.began, self.ended, self.skipped = False, False, ""
        self._probe: Probe | None = None
        self._pending: tuple | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Begin a new record."""
        check_backend()
        self.began, self.ended, self.skipped = True, False, ""
        self.record = Record()
        self._probe = self._pending = None
        self._start: list[np.ndarray] = []
        self._first = self._done = self._next = 0
        self._losses: list[tuple[int, float]] = []

    def _begin(self) -> Probe:
        """Keep what the weights are before the first step: only now is every model built."""
        probe, record = Probe(self.model), self.record
        if self._start:  # resumed, maybe by a model whose layers have other names
            probe.paths = list(record.start)
            return probe
        self._start = _values(probe.variables)
        record.start = dict(zip(probe.paths, map(rms, self._start), strict=True))
        record.sizes = dict(zip(probe.paths, (int(v.size) for v in self._start), strict=True))
        record.trains = sum(record.sizes.values())
        held = [layer for layer in self.model._flatten_layers() if not layer.trainable]
        weights = {id(w): int(np.prod(w.shape)) for layer in held for w in layer.weights}
        record.frozen = sum(weights.values())
        return probe

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Forget the steps of the epoch before."""
        self._losses, self._first = [], self._done

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Look, where it is time."""
        self._settle()
        step = self._first + batch
        if step < self._next:
            return
        if self._probe is None:
            self._probe = self._begin()
        if self._probe.variables:
            self._look(step)
        self._next = step + 1 if step == 0 else self._after(step)

    def _look(self, step) -> None:
        """Look; a model that does not let itself be looked at trains on all the same."""
        assert self._probe is not None
        self._on_the_model()
        weights = _values(self._probe.variables)
        try:
            seen = self._probe.step(*self._rows)
        except Exception as error:  # a step of its own, rows that its loss refuses
            self.skipped = f"the inside ({type(error).__name__}: {brief(str(error), 80)})"
            return
        known = self.record.looks[0].layers if self.record.looks else {}
        if len(known) == len(seen.layers):
            seen = seen._replace(layers=dict(zip(known, seen.layers.values(), strict=True)))
        self._pending = (step, seen, weights, _rate(self.model))

    def _after(self, step: int) -> int:
        if self.every is not None:
            return step + self.every
        return EVERY if step < EVERY else max(step + EVERY, int(step * GROWTH))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Keep the mean loss of the epoch so far."""
        self._losses.append((batch, float((logs or {}).get("loss", np.nan))))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Take the means of the epoch apart, and hand three numbers on."""
        self._settle()
        self._settle_losses()
        self._done = self._first + (self._losses[-1][0] + 1 if self._losses else 0)
        logs = {} if logs is None else logs
        self.record.epochs.append(numbers_of(logs))
        logs.update(self._told())

    def on_train_end(self, logs: dict | None = None) -> None:
        """Measure how far the weights have come."""
        self._settle()
        self.arrive()
        self.ended = True

    def get_state(self) -> dict[str, Any]:
        """Return what the doctor knows, for `resumable_fit`."""
        self._settle()
        own = {name: getattr(self, name) for name in STATE}
        return own | {"record": self.record.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        for name in STATE:
            setattr(self, name, state[name])
        self.record.set_state(state["record"])

    def arrive(self) -> None:
        """Measure how far the weights have come until now."""
        self._on_the_model()
        if self._probe is None or not self._probe.variables:
            return
        record, after = self.record, _values(self._probe.variables)
        record.finish = dict(zip(record.start, map(rms, after), strict=True))
        gone = [rms(a - b) for a, b in zip(after, self._start, strict=True)]
        record.moved = {
            path: one / (size + 1e-12)
            for (path, size), one in zip(record.start.items(), gone, strict=True)
        }

    def _on_the_model(self) -> None:
        """On JAX, asking for the model brings the weights back from the loop to its variables."""
        _ = self.model

    def _settle(self) -> None:
        """Complete the look before the last step with what that step did."""
        if self._pending is None or self._probe is None:
            return
        self._on_the_model()
        step, seen, before, rate = self._pending
        after, paths = _values(self._probe.variables), self._probe.paths
        updates = [rms(a - b) for a, b in zip(after, before, strict=True)]
        self.record.add(
            Look(
                step=step,
                loss=seen.loss,
                gradients=seen.gradients,
                weights=dict(zip(paths, map(rms, before), strict=True)),
                updates=dict(zip(paths, updates, strict=True)),
                layers=seen.layers,
                rate=rate,
            )
        )
        self._pending = None

    def _settle_losses(self) -> None:
        """Keras logs the mean since the epoch began: take it apart again."""
        self._losses.sort()
        done, total = 0, 0.0
        for batch, mean in self._losses:
            taken_in = batch + 1 - done
            loss = ((batch + 1) * mean - total) / max(taken_in, 1)
            if not np.isfinite(loss) and self.record.nan is None:
                self.record.nan = self._first + done
            for _ in range(taken_in):
                self.record.steps.add(loss)
            done, total = batch + 1, (batch + 1) * mean

    def _told(self) -> dict[str, float]:
        if not self.record.looks:
            return {}
        look = self.record.looks[-1]
        squares = [g**2 * self.record.sizes[path] for path, g in look.gradients.items()]
        dead = [one["dead"] for one in look.layers.values() if "dead" in one]
        ratios = [look.updates[p] / (look.weights[p] + 1e-12) for p in self.record.kernels]
        return {
            "gradient_norm": float(np.sqrt(sum(squares))),
            "update_ratio": max(ratios, default=0.0),
            "idle_units": max(dead, default=0.0),
        }


def taken(data: Any, rows: np.ndarray) -> Any:
    """Return these rows of each array, floats as `fit` feeds them."""
    floatx = keras.config.floatx()

    def take(leaf):
        leaf = np.asarray(leaf)[rows]
        return leaf.astype(floatx) if leaf.dtype.kind == "f" else leaf

    return keras.tree.map_structure(take, data)


def rms(array: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype="float64")))) if array.size else 0.0


def _values(variables) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v.value), dtype="float32") for v in variables]


def _rate(model) -> float:
    optimizer = model.optimizer
    if optimizer is None:
        return 0.0
    rate = getattr(optimizer, "inner_optimizer", optimizer).learning_rate
    return float(keras.ops.convert_to_numpy(rate))
