"""A test set that opens once."""

import inspect
import json
import warnings
from datetime import datetime
from os import PathLike
from typing import Any

import numpy as np

from coursekit._checks import place, takes
from coursekit._files import write_whole
from coursekit._fingerprint import fingerprint
from coursekit.validation._inputs import (
    as_inputs,
    column,
    in_memory,
    numbers,
    rows_of,
    rows_of_both,
    take,
)
from coursekit.validation._losses import refuse_broadcasting
from coursekit.validation._models import takes_text
from coursekit.validation._outputs import outputs_of, taking

PENDING = "a score that was not written down"  # what a file says while the score is computed


class TestVault:
    """A test set that opens once.

    A number that decided something is no longer a test. The vault gives its score a single time;
    after that it only tells when and why it was opened, and what it said.

    Args:
        x: the inputs.
        y: the targets, with the same rows; of several outputs a dict by name.
        path: a file to remember the opening in, so that a new kernel does not forget it. None:
            remembered as long as the object lives.

    Raises:
        ValueError: if x and y differ in rows, or `path` belongs to another test set.

    Example:
        >>> import numpy as np
        >>> vault = TestVault(np.zeros((3, 1)), np.array([1, 0, 1]))
        >>> vault
        TestVault(3 rows, closed)
        >>> vault.evaluate(lambda x, y: float(y.mean()), reason="the final report") == 2 / 3
        True
        >>> vault.evaluate(lambda x, y: 1.0, reason="once more")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        coursekit.validation._vault.VaultOpened: A test set opens once. This one was opened on ...
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(self, x: Any, y: Any, path: str | PathLike | None = None):
        self._x = as_inputs(x)
        self._y = (
            {name: column(values, f"y[{name!r}]") for name, values in y.items()}
            if isinstance(y, dict)
            else column(y, "y")
        )
        rows_of_both(self._x, self._y)
        self._data = fingerprint({"x": self._x, "y": self._y}, "test set")
        self._path = None if path is None else place("path", path)
        self._opened: dict | None = None
        if self._path is not None and self._path.exists():
            self._opened = self._remembered()

    def _remembered(self) -> dict:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            data, words = kept["data"], (kept["time"], kept["reason"])
            if not all(isinstance(word, str) for word in (data, *words)) or "score" not in kept:
                raise TypeError
        except Exception as error:  # JSON, its depth, its types, a folder in the file's place
            raise ValueError(
                f"`path` must be new or a vault's file. Received: {self._path}, which is neither "
                f"({type(error).__name__})."
            ) from None
        if data != self._data:
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
        return rows_of(self._x)

    def __repr__(self) -> str:
        state = "closed"
        if self._opened:
            state = f"opened on {self._opened['time']}: {self._opened['reason']!r}"
        return f"TestVault({len(self)} rows, {state})"

    def evaluate(self, model: Any, *, reason: str) -> Any:
        """Score a model on the test set, this once.

        Args:
            model: a compiled Keras model, whose `evaluate` is called, or a function of (x, y)
                that returns a score.
            reason: why now, in words. Kept.

        Returns:
            A dict of the loss and the metrics, or what the function returned.

        Raises:
            VaultOpened: the second time, also where the first one was killed, or could not write
                its score down.
            OSError: if `path` cannot be written, before anything is scored.
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
        if isinstance(model, type) or not (hasattr(model, "evaluate") or callable(model)):
            raise TypeError(
                "`model` must be a compiled Keras model or a function of (x, y). "
                f"Received: {type(model).__name__}"
            )
        if not hasattr(model, "evaluate") and not takes(model, None, None):
            raise TypeError(
                "`model` must be a compiled Keras model or a function of (x, y). "
                f"Received: a function of {inspect.signature(model)}"
            )
        x = _seen_by(model, self._x, self._y)
        self._keep(reason, PENDING)  # a disk that is full must be found out before the score is
        try:
            if hasattr(model, "evaluate"):
                score = model.evaluate(x, self._y, return_dict=True, verbose=0)
            else:
                score = model(x, self._y)
            if score is None:
                raise TypeError(
                    "`model`, a function, must return a score. Received: None. Does it end in "
                    "`return`? The vault is still closed."
                )
        except BaseException:
            self._forget()
            raise
        self._opened = self._record(reason, score)
        try:
            self._keep(reason, score)
        except (OSError, TypeError, ValueError) as error:
            warnings.warn(
                f"{self._path} could not take the score down ({error}). It says that the vault is "
                f"open. Write the score down yourself: {score}",
                stacklevel=2,
            )
        return score

    def _record(self, reason: str, score) -> dict:
        time = datetime.now().astimezone().isoformat(" ", "minutes")
        return {"time": time, "reason": reason.strip(), "score": score, "data": self._data}

    def _keep(self, reason: str, score) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self._record(reason, score), indent=1, default=_plain)
            write_whole(self._path, text)

    def _forget(self) -> None:
        """Nothing was said: the vault stays closed."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class VaultOpened(RuntimeError):
    """The test set has been opened before."""


def _seen_by(model, x, y):
    """Return x as a Keras model takes it, having seen that model and targets fit each other."""
    import keras

    if not isinstance(model, keras.Model):
        return in_memory(x)
    if not model.compiled:
        raise ValueError(
            "`model` must be a compiled Keras model or a function of (x, y). Received: "
            f"{model.name!r}, not compiled. Call model.compile(optimizer, loss)."
        )
    x = numbers(x, takes_text(model))
    few = np.arange(min(8, rows_of(x)))
    with taking(model, take(x, few), "`model` must take the rows of `x`."):
        outputs = outputs_of(model, take(x, few))
    names = [set(part) if isinstance(part, dict) else None for part in (y, outputs)]
    if names[0] != names[1]:
        there = ", ".join(map(repr, outputs)) if names[1] else "one output"
        raise ValueError(
            "`y` must be a dict by output where the model has several, else an array. Received: "
            f"{', '.join(map(repr, y)) if names[0] else 'an array'}; the model gives {there}."
        )
    if type(model).compute_loss is keras.Model.compute_loss and model.loss:
        refuse_broadcasting(model, take(y, few), outputs)
    return in_memory(x)


def _plain(value):
    """NumPy's numbers and arrays as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
