"""Augmentation that Keras lacks, or gets wrong: mixup, time series, sound, text.

```
from coursekit.augmentation import mixup

x, y = mixup(images, labels, seed=0, num_classes=10)

draws = keras.random.SeedGenerator(0)  # other draws in every batch
dataset = dataset.map(lambda x, y: mixup(x, y, draws, num_classes=10))
```

For images use Keras's own layers (`keras.layers.RandomTranslation`, `RandomRotation`, ...).

Numbers: the first axis is the batch. A NumPy array gives a NumPy array, a tensor a tensor; integers
become floats. `seed` is an integer, which gives the same draws in every call, or a
`keras.random.SeedGenerator`, which goes on from call to call, in `Dataset.map` too (there on the
TensorFlow backend). The same seed draws other numbers on another backend.

Text: one string in, one string out. `seed` is an integer, or a `numpy.random.Generator`, which goes
on from call to call.

Augment training rows only, anew in every epoch, and only in ways that leave the label true.
"""

from coursekit.augmentation._audio import add_noise, pitch_shift, time_stretch
from coursekit.augmentation._mixing import mixup
from coursekit.augmentation._series import jitter, scale
from coursekit.augmentation._text import (
    SYNONYMS,
    delete_words,
    insert_synonyms,
    replace_synonyms,
)

__all__ = [
    "SYNONYMS",
    "add_noise",
    "delete_words",
    "insert_synonyms",
    "jitter",
    "mixup",
    "pitch_shift",
    "replace_synonyms",
    "scale",
    "time_stretch",
]
