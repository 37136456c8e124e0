"""What Keras's callbacks lack, or get wrong.

from coursekit.callbacks import EarlyStopping, StochasticWeightAveraging, find_learning_rate
"""

from coursekit.callbacks.early_stopping import EarlyStopping
from coursekit.callbacks.lr_finder import RangeTest, find_learning_rate
from coursekit.callbacks.swap_ema_weights import SwapEMAWeights
from coursekit.callbacks.weight_averaging import StochasticWeightAveraging

__all__ = [
    "EarlyStopping",
    "RangeTest",
    "StochasticWeightAveraging",
    "SwapEMAWeights",
    "find_learning_rate",
]
