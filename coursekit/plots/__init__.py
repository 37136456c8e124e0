"""The house style of the course's figures, each shown with its caption in words.

```
fig, ax = plots.figure(title="Validation loss turns up at epoch 6", x="epoch", y="loss")
plots.curve(ax, losses, plots.TRAIN)
plots.curve(ax, validation_losses, plots.VALIDATION)
plots.show(fig, alt="Training loss keeps falling; validation loss rises after epoch 6.")
```

`plots.explore(draw, values, alt, what)` shows a figure with a slider.

Training is blue, solid, with dots; validation is orange, dashed, with squares: in every lesson.
Styles differ in line and marker too, so that a figure reads in grey.
"""

from coursekit.plots._bias_variance import bias_variance
from coursekit.plots._distribution import all_reduce, timeline
from coursekit.plots._explore import explore
from coursekit.plots._learning_rate import learning_rate
from coursekit.plots._paths import path, surface
from coursekit.plots._precision import gradients
from coursekit.plots._schedules import schedule
from coursekit.plots._search import surrogate, trials
from coursekit.plots._style import (
    COMPARE,
    HOUSE,
    TITLE,
    TRAIN,
    VALIDATION,
    Shown,
    Style,
    band,
    curve,
    figure,
    images,
    show,
)
from coursekit.plots._training import training
from coursekit.plots._validation import cross_validation, splits

__all__ = [
    "COMPARE",
    "HOUSE",
    "TITLE",
    "TRAIN",
    "VALIDATION",
    "Shown",
    "Style",
    "all_reduce",
    "band",
    "bias_variance",
    "cross_validation",
    "curve",
    "explore",
    "figure",
    "gradients",
    "images",
    "learning_rate",
    "path",
    "schedule",
    "show",
    "splits",
    "surface",
    "surrogate",
    "timeline",
    "training",
    "trials",
]
