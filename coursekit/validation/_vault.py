"""A test set that opens once."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np

from coursekit._files import write_whole
from coursekit._fingerprint import fingerprint
from coursekit.validation._inputs import as_inputs, rows_of


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
        >>> import numpy as np
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
            write_whole(self._path, json.dumps(opened, indent=1, default=_plain))
        self._opened = opened
        return score


class VaultOpened(RuntimeError):
    """The test set has been opened before."""


def _plain(value):
    """NumPy's numbers and arrays as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
