"""The same training on one device and on many.

    from coursekit.distribution import runtime

    with runtime().scope():
        model = build()
        model.compile(...)
    model.fit(...)

`lint(model)` says what goes wrong on several replicas before it does, `parity(build, data)` trains
on one and on several and compares, and `coursekit.training.step` is the cure.
"""

from coursekit.distribution.batches import (
    global_batch_size,
    linear_scaling,
    square_root_scaling,
    static_batches,
)
from coursekit.distribution.lint import Finding, lint
from coursekit.distribution.parity import Parity, parity
from coursekit.distribution.runtime import Runtime, runtime, virtual_devices

__all__ = [
    "Finding",
    "Parity",
    "Runtime",
    "global_batch_size",
    "linear_scaling",
    "lint",
    "parity",
    "runtime",
    "square_root_scaling",
    "static_batches",
    "virtual_devices",
]
