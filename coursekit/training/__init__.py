"""Training, written out: the loop behind `fit`.

from coursekit.training import train_until
"""

from coursekit.training.loop import Run, train_one_epoch, train_until
from coursekit.training.many import fit_many
from coursekit.training.paths import TracedPath, losses_at, trace_path

__all__ = [
    "Run",
    "TracedPath",
    "fit_many",
    "losses_at",
    "trace_path",
    "train_one_epoch",
    "train_until",
]
