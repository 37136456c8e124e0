"""Training, written out: the loop behind `fit`.

```
from coursekit.training import train_until
```
"""

from coursekit.training import gradients, many
from coursekit.training._loop import Run, train_one_epoch, train_until
from coursekit.training._paths import TracedPath, losses_at, trace_path
from coursekit.training.gradients import Gradients, value_and_gradients
from coursekit.training.many import fit_many

__all__ = [
    "Gradients",
    "Run",
    "TracedPath",
    "fit_many",
    "gradients",
    "losses_at",
    "many",
    "trace_path",
    "train_one_epoch",
    "train_until",
    "value_and_gradients",
]
