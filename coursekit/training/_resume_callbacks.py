"""What the callbacks of a training know, read and put back; what hides is refused by name.

Three kinds can be resumed: Keras's own, whose state is in the table below; those with a pair
`get_state()` and `set_state(state)`, as coursekit's have; and those without state, which store
nothing after their construction.
"""

import dis
import inspect
import types
from pathlib import Path
from typing import Any

import keras

from coursekit._checks import require
from coursekit.training._resume_values import check

KERAS = {  # what changes in training; all else is set at construction
    "EarlyStopping": ["wait", "best", "best_epoch", "best_weights", "stopped_epoch"],
    "ReduceLROnPlateau": ["wait", "best", "cooldown_counter"],
    "ModelCheckpoint": [
        "best", "_batches_seen_since_last_saving", "_last_batch_seen", "_current_epoch",
    ],
    "SwapEMAWeights": ["_ema_weights_in_model"],
    "LearningRateScheduler": [],
    "TerminateOnNaN": [],
    "RemoteMonitor": [],
    "History": ["history", "epoch"],
    "ProgbarLogger": [],
    "CSVLogger": ["keys"],
    "TensorBoard": ["_global_train_batch", "_global_test_batch"],
}  # fmt: skip
MADE = {  # what Keras makes while it trains, beside the state
    "_model", "params", "monitor_op", "progbar", "seen", "target", "csv_file", "writer",
    "append_header", "model", "validation_data",
}  # fmt: skip
OF_THE_MODEL = "stop_training", "learning_rate", "iterations"
REFUSED = {
    "BackupAndRestore": "it restores the training itself; leave it out",
    "LambdaCallback": "its functions may keep what cannot be seen; write a class with get_state "
    "and set_state",
    "OrbaxCheckpoint": "it writes in the background; take keras.callbacks.ModelCheckpoint",
}
PAIR = (
    "give it `get_state()`, which returns numbers, words, arrays, lists and dicts, and "
    "`set_state(state)`, which takes them after `on_train_begin`"
)


def check_callbacks(callbacks: list, *, begun: bool = False) -> None:
    """Raise a ValueError for a callback whose state cannot be kept, with the way out.

    Args:
        callbacks: what `fit` was given.
        begun: whether `on_train_begin` has been called: then what they return is looked at too.
    """
    for callback in callbacks:
        name = type(callback).__name__
        require(
            isinstance(callback, keras.callbacks.Callback),
            "`callbacks` must hold Keras callbacks.",
            callbacks=callback,
        )
        reason = _reason(callback, begun)
        if reason:
            raise ValueError(
                f"`callbacks` must be such as can be resumed. Received: {name}: {reason}."
            )


def _reason(callback, begun: bool) -> str:
    kind = _keras_kind(type(callback))
    if kind.__name__ in REFUSED:
        return REFUSED[kind.__name__]
    if kind.__name__ == "CSVLogger" and not Path(callback.filename).parent.is_dir():
        return f"the folder of {callback.filename} is missing; make it"
    if _has_pair(callback):
        try:
            check(callback.get_state() if begun else None)
        except TypeError as error:
            return f"of what its `get_state` returns, {error}; {PAIR}"
        return ""
    if hasattr(callback, "get_state") or hasattr(callback, "set_state"):
        return f"it has one of `get_state` and `set_state`; {PAIR}"
    schedule = getattr(callback, "schedule", None)
    if kind.__name__ == "LearningRateScheduler" and not _is_fixed(schedule):
        return (
            "its schedule may keep what cannot be seen; give it a function of the epoch and the "
            "rate, that stores nothing"
        )
    own = [c for c in type(callback).__mro__ if not issubclass(kind, c)]
    if not own:
        return "" if kind.__name__ in KERAS else f"its state is not known; {PAIR}"
    stored = sorted(_stored(own))
    if stored:
        return f"it stores {stored[0]} while it trains; {PAIR}"
    known = {*KERAS.get(kind.__name__, []), *MADE}
    hidden = [k for k, v in vars(callback).items() if k not in known and not _is_fixed(v)]
    if hidden:
        return f"it holds `{hidden[0]}`, which may change; {PAIR}"
    return ""


def _keras_kind(kind: type) -> type:
    """Return the class of Keras that a callback is, or comes from."""
    return next(c for c in kind.__mro__ if c.__module__.partition(".")[0] == "keras")


def _has_pair(callback) -> bool:
    return all(callable(getattr(callback, name, None)) for name in ("get_state", "set_state"))


def _stored(kinds: list[type]) -> set[str]:
    """Return what methods store on themselves or in variables around them, by their code."""
    found = set()
    for kind in kinds:
        for name, method in vars(kind).items():
            method = inspect.unwrap(getattr(method, "__func__", method))
            if name not in ("__init__", "set_model", "set_params") and inspect.isfunction(method):
                found |= _stored_by(method)
    return found


def _stored_by(function) -> set[str]:
    found, code = set(), function.__code__
    elsewhere = [keras.Model, keras.optimizers.Optimizer, keras.layers.Layer, keras.Variable]
    for instruction in dis.get_instructions(code):
        kind, target = instruction.opname, instruction.argval
        if kind in ("STORE_GLOBAL", "STORE_DEREF") and target not in code.co_cellvars:
            found.add(f"the variable `{target}`")
        elif kind == "STORE_ATTR" and target not in OF_THE_MODEL:
            if not any(hasattr(one, target) for one in elsewhere):
                found.add(f"`{target}`")
        elif kind == "LOAD_GLOBAL" and target in ("setattr", "vars"):
            found.add(f"attributes by `{target}`")
    return found


def _is_fixed(value) -> bool:
    """Whether a value cannot change while a callback trains."""
    if isinstance(value, tuple | frozenset):
        return all(_is_fixed(one) for one in value)
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return not _stored_by(value) and all(_is_fixed(cell) for cell in cells)
    return isinstance(value, str | int | float | bytes | Path | type | None)


def recipe_of(callbacks: list) -> list:
    """Return what decides what the callbacks do: their classes, and what they were made with."""
    found = []
    for callback in callbacks:
        kind = _keras_kind(type(callback))
        if kind in (keras.callbacks.History, keras.callbacks.ProgbarLogger):
            continue
        settings = {}
        if type(callback) is kind or not _has_pair(callback):
            inits = [
                inspect.signature(vars(one)["__init__"])
                for one in type(callback).__mro__
                if "__init__" in vars(one)
            ]
            names = {name for init in inits for name in init.parameters} - {"verbose"}
            settings = {k: v for k, v in vars(callback).items() if k in names}
        if "min_delta" in settings:  # Keras turns its sign in the first epoch
            settings["min_delta"] = abs(settings["min_delta"])
        found.append((type(callback), settings))
    return found


def states_of(callbacks: list) -> list:
    """Return the state of each callback."""
    return [_state(callback) for callback in callbacks]


def _state(callback) -> Any:
    if _has_pair(callback):
        return callback.get_state()
    kind = _keras_kind(type(callback)).__name__
    state = {name: getattr(callback, name, None) for name in KERAS.get(kind, [])}
    if kind == "CSVLogger" and callback.csv_file is not None and not callback.csv_file.closed:
        callback.csv_file.flush()
        state["size"] = Path(callback.filename).stat().st_size
    return state


def before_training(callbacks: list, states: list) -> None:
    """Prepare files that a callback would begin anew."""
    for callback, state in zip(callbacks, states, strict=True):
        if isinstance(callback, keras.callbacks.CSVLogger) and not _has_pair(callback):
            file, size = Path(callback.filename), state.get("size", 0)
            there = file.stat().st_size if file.is_file() else 0
            require(
                there >= size,
                "The file of CSVLogger must be there, as it was at the checkpoint.",
                file=str(file),
                bytes=there,
            )
            if file.is_file():
                with open(file, "r+b") as rows:  # the epochs behind the checkpoint come again
                    rows.truncate(size)


def put_back(callbacks: list, states: list) -> None:
    """Give each callback its state, after its `on_train_begin` has cleared it."""
    for callback, state in zip(callbacks, states, strict=True):
        if _has_pair(callback):
            callback.set_state(state)
            continue
        for name, value in state.items():
            if name != "size":
                setattr(callback, name, value)


class Appending:
    """Lets CSVLoggers go on with their files while training begins."""

    def __init__(self, callbacks: list, resumed: bool):
        loggers = [c for c in callbacks if isinstance(c, keras.callbacks.CSVLogger)]
        self.loggers = [(c, c.append) for c in loggers] if resumed else []

    def __enter__(self):
        for callback, _ in self.loggers:
            callback.append = True

    def __exit__(self, *_):
        for callback, before in self.loggers:
            callback.append = before
