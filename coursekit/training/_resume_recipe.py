"""What decides a training, of a model: told so that another one in the same folder is refused."""

import weakref

import keras

from coursekit._fingerprint import Untold, fingerprint
from coursekit._optimizers import parts_of
from coursekit.training._resume_state import optimizers_of

# The rates with which models left an earlier call, and those with which they came.
_RATES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def told(model, version):
    """Return what tells a model apart: its layers, loss, metrics and optimizer, not its state.

    Raises:
        ValueError: where something cannot be told apart, without a version.
    """
    try:
        return fingerprint(model, "model", program=True)
    except Untold as error:
        if version is None:
            raise ValueError(
                f"{error}: pass version=..., a word or a number that you change with it."
            ) from None
        return [type(layer).__name__ for layer in model._flatten_layers()]


class Rates:
    """The rates of a model that is to be trained.

    A rate that a callback has reduced is state, and no other recipe: where a model comes with the
    rates with which it left an earlier call, those count that it had before.

    Attributes:
        came: the rates that count.
    """

    def __init__(self, model):
        self.model = model
        left, came = _RATES.get(model, (None, None))
        self.came = came if left == self._now() else self._now()

    def leave(self) -> None:
        """Remember the rates at the end of a call."""
        _RATES[self.model] = self._now(), self.came

    def _now(self) -> list[float]:
        return [
            float(keras.ops.convert_to_numpy(part._learning_rate))
            for optimizer in optimizers_of(self.model)
            for part in parts_of(optimizer)
            if isinstance(part._learning_rate, keras.Variable)
        ]
