"""Training, written out: the loop behind `fit`.

```
from coursekit.training import train_until
```
"""

from coursekit.training import consolidation, gradients, many, resume, unfreezing
from coursekit.training._environment import Environment, environment
from coursekit.training._gan import GAN
from coursekit.training._loop import Run, train_one_epoch, train_until
from coursekit.training._paths import TracedPath, losses_at, trace_path
from coursekit.training.consolidation import EWC, anchor, fisher
from coursekit.training.gradients import Gradients, value_and_gradients
from coursekit.training.many import fit_many
from coursekit.training.resume import resumable_fit
from coursekit.training.unfreezing import gradual_unfreezing, thaw

__all__ = [
    "EWC",
    "GAN",
    "Environment",
    "Gradients",
    "Run",
    "TracedPath",
    "anchor",
    "consolidation",
    "environment",
    "fisher",
    "fit_many",
    "gradients",
    "gradual_unfreezing",
    "losses_at",
    "many",
    "resumable_fit",
    "resume",
    "thaw",
    "trace_path",
    "train_one_epoch",
    "train_until",
    "unfreezing",
    "value_and_gradients",
]
