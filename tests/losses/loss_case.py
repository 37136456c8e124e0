"""What a case is: a loss in one configuration, with what the contract tests ask of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A batch: a name, labels, predictions.
Batch = tuple[str, np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A loss in one configuration.

    name: unique; it names the test.
    loss: the class; `make()` gives an instance.
    function: the function of the pair; `values(y_true, y_pred)` calls it in this configuration.
    config: the arguments of both, with values that differ from the defaults in some case.
    reference: f(y_true, y_pred, **config) -> one value per example, float64, loops.
    data: f(rng, rows) -> labels and float64 predictions of an ordinary batch.
    hard: f(rng) -> batches on which values and gradients must be finite: logits of +-100, one
        class, everything ignored, empty. `reference` must hold on them too.
    batch_coupled: an example's value depends on the rest of the batch (triplets, for example):
        1 = 2 replicas holds only with gathering, and is tested by the family itself.
    non_negative: the loss claims it.
    integer_labels: labels are class ids or identities, any integer dtype, read without rounding.
    labels: what a label is: "class" numbers, "mask" degrees, "identity" or "pair".
    replicas: trained on 1 and on 2 replicas (tests/replicas/test_losses.py).
    invalid: arguments that the class must refuse.
    """

    name: str
    loss: type
    function: Callable
    config: dict[str, Any]
    reference: Callable
    data: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    hard: Callable[[np.random.Generator], list[Batch]]
    batch_coupled: bool = False
    non_negative: bool = True
    integer_labels: bool = True
    labels: str = "class"
    replicas: bool = True
    invalid: list[dict[str, Any]] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The name as that of a layer."""
        return re.sub(r"\W+", "_", self.name)

    def make(self, **more):
        return self.loss(**self.config, **more)

    def values(self, y_true, y_pred):
        return self.function(y_true, y_pred, **self.config)

    def expected(self, y_true, y_pred) -> np.ndarray:
        y_pred = np.asarray(y_pred, "float64")
        return np.asarray(self.reference(np.asarray(y_true), y_pred, **self.config), "float64")

    def counting(self, y_true, values) -> np.ndarray:
        """Which values the mean is over: not those of ignored labels."""
        if values.shape == y_true.shape and self.config.get("ignore_class") is not None:
            return y_true != self.config["ignore_class"]
        return np.ones(values.shape, bool)

    def batch(self, seed: int = 0, rows: int = 8, dtype: str = "float32"):
        y_true, y_pred = self.data(np.random.default_rng(seed), rows)
        return y_true, y_pred.astype(dtype)
