"""Sixteen bits: setting a policy, what goes wrong with it, what it would lose.

```
with precision("mixed_float16"):
    model = build()
print(lint_precision(model))
print(precision_report(model, (x, y)))
```
"""

from coursekit.precision._lint import lint_precision, refuse_precision
from coursekit.precision._load import load_model
from coursekit.precision._policy import precision
from coursekit.precision._report import (
    GradientHistogram,
    PrecisionReport,
    gradient_histogram,
    precision_report,
)

__all__ = [
    "GradientHistogram",
    "PrecisionReport",
    "gradient_histogram",
    "lint_precision",
    "load_model",
    "precision",
    "precision_report",
    "refuse_precision",
]
