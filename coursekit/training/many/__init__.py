"""Many models trained as one, each with the weights that `fit` would give it.

```python
from coursekit.training import fit_many
```
"""

from coursekit.training.many._fit_many import fit_many

__all__ = ["fit_many"]
