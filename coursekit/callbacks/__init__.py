"""What Keras's callbacks lack.

from coursekit.callbacks import find_learning_rate
"""

from coursekit.callbacks.lr_finder import RangeTest, find_learning_rate

__all__ = ["RangeTest", "find_learning_rate"]
