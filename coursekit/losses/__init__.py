"""Losses that Keras lacks or has wrong, as functions and as classes.

```python
from coursekit import losses

model.compile("adam", losses.SparseCategoricalFocalCrossentropy(from_logits=True))
```

In all of them what has a default is given by name: first what is the loss's own, then
`from_logits`, `ignore_class`, `axis`, `gather_replicas`, then Keras's `reduction`, `name`, `dtype`.

Every loss returns one value per example, as several devices need it: full batches then give what
one device gives. Losses that compare rows of a batch need `gather_replicas=True` for that, and
ragged batches or `ignore_class` need `coursekit.distribution.step`.

With `from_logits=True` the output of a Keras softmax or sigmoid is refused on TensorFlow, where the
tensor tells. An array of probabilities, and any on JAX, cannot be told from logits between 0 and 1;
nor is it seen within `fit` that logits come without it: `cross_validate` and `find_learning_rate`
look at the last layer.

A model that uses one, as a class or as a function, loads wherever coursekit has been imported.
"""

from coursekit.losses import adversarial
from coursekit.losses._balanced import (
    ClassBalancedCrossentropy,
    CrammerSingerHinge,
    class_balanced_crossentropy,
    crammer_singer_hinge,
)
from coursekit.losses._classification import (
    LabelSmoothedCrossentropy,
    SparseCategoricalFocalCrossentropy,
    label_smoothed_crossentropy,
    sparse_categorical_focal_crossentropy,
)
from coursekit.losses._lovasz import LovaszSoftmax, lovasz_softmax
from coursekit.losses._metric_learning import (
    InfoNCE,
    PairContrastive,
    SupervisedContrastive,
    euclidean_distance,
    info_nce,
    pair_contrastive,
    supervised_contrastive,
)
from coursekit.losses._per_example import per_example
from coursekit.losses._segmentation import (
    CrossentropyDice,
    FocalTversky,
    crossentropy_dice,
    focal_tversky,
)
from coursekit.losses._temperature import LearnedTemperature
from coursekit.losses._triplet import TripletLoss, triplet_loss

__all__ = [
    "ClassBalancedCrossentropy",
    "CrammerSingerHinge",
    "CrossentropyDice",
    "FocalTversky",
    "InfoNCE",
    "LabelSmoothedCrossentropy",
    "LearnedTemperature",
    "LovaszSoftmax",
    "PairContrastive",
    "SparseCategoricalFocalCrossentropy",
    "SupervisedContrastive",
    "TripletLoss",
    "adversarial",
    "class_balanced_crossentropy",
    "crammer_singer_hinge",
    "crossentropy_dice",
    "euclidean_distance",
    "focal_tversky",
    "info_nce",
    "label_smoothed_crossentropy",
    "lovasz_softmax",
    "pair_contrastive",
    "per_example",
    "sparse_categorical_focal_crossentropy",
    "supervised_contrastive",
    "triplet_loss",
]
