"""Training, written out: the loop behind `fit`.

from coursekit.training import train_until
"""

from coursekit.training.loop import Run, train_one_epoch, train_until

__all__ = ["Run", "train_one_epoch", "train_until"]
