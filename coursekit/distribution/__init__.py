"""The same training on one device and on many.

    from coursekit.distribution import runtime

    with runtime().scope():
        model = build()
        model.compile(...)
    model.fit(...)

`lint(model)` says what goes wrong on several replicas before it does, `parity(build, data)` trains
on one and on several and compares, and `coursekit.training.step` is the cure. `precision(policy)`
sets a dtype policy, `lint_precision(model)` says what is wrong with it, and
`precision_report(model, batch)` measures what it would lose.
"""

from coursekit.distribution.batches import (
    global_batch_size,
    linear_scaling,
    square_root_scaling,
    static_batches,
)
from coursekit.distribution.lint import Finding, lint
from coursekit.distribution.parity import Parity, parity
from coursekit.distribution.precision import lint_precision, load_model, precision
from coursekit.distribution.precision_report import (
    GradientHistogram,
    PrecisionReport,
    gradient_histogram,
    precision_report,
)
from coursekit.distribution.runtime import Runtime, runtime, virtual_devices

__all__ = [
    "Finding",
    "GradientHistogram",
    "Parity",
    "PrecisionReport",
    "Runtime",
    "global_batch_size",
    "gradient_histogram",
    "linear_scaling",
    "lint",
    "lint_precision",
    "load_model",
    "parity",
    "precision",
    "precision_report",
    "runtime",
    "square_root_scaling",
    "static_batches",
    "virtual_devices",
]
