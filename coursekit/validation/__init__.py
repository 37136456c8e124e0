"""Which score can you believe: cross-validation of Keras models, splits in time, a test vault.

```python
from coursekit.validation import TestVault, WalkForward, cross_validate

result = cross_validate(build_model, x, y, cv=5, preprocess=StandardScaler(),
                        fit_kwargs={"epochs": 20}, scoring=["accuracy", "roc_auc"])
print(result)                     # mean, lowest and highest fold, spread
result.table                      # a row a fold
result.predictions                # each row as predicted by a model that has not seen it
```

`build_model` returns a fresh compiled model. Any scikit-learn splitter and scorer will do;
scikit-learn's own `cross_validate` cannot take a Keras model.
"""

from coursekit.validation._bias_variance import BiasVariance, bias_variance
from coursekit.validation._compare import Comparison, compare
from coursekit.validation._cross_validation import (
    CrossValidation,
    FoldResult,
    cross_validate,
)
from coursekit.validation._nested import NestedCrossValidation, nested_cross_validate
from coursekit.validation._splits import WalkForward
from coursekit.validation._vault import TestVault, VaultOpened

__all__ = [
    "BiasVariance",
    "Comparison",
    "CrossValidation",
    "FoldResult",
    "NestedCrossValidation",
    "TestVault",
    "VaultOpened",
    "WalkForward",
    "bias_variance",
    "compare",
    "cross_validate",
    "nested_cross_validate",
]
