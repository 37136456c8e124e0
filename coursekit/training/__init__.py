"""Training, written out: the loop behind `fit`.

from coursekit.training import train_until
"""

from coursekit.training.loop import Run, train_one_epoch, train_until
from coursekit.training.many import fit_many

__all__ = ["Run", "fit_many", "train_one_epoch", "train_until"]
