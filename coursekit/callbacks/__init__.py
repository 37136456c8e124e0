"""What Keras's callbacks lack, or get wrong.

```
from coursekit.callbacks import EarlyStopping, StochasticWeightAveraging, find_learning_rate
```
"""

from coursekit.callbacks._early_stopping import EarlyStopping
from coursekit.callbacks._lr_finder import RangeTest, find_learning_rate
from coursekit.callbacks._swap_ema_weights import SwapEMAWeights
from coursekit.callbacks._weight_averaging import StochasticWeightAveraging

__all__ = [
    "EarlyStopping",
    "RangeTest",
    "StochasticWeightAveraging",
    "SwapEMAWeights",
    "find_learning_rate",
]
