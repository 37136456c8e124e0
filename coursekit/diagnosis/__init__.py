"""Names the disease of a training run, and keeps silent on a healthy one.

```python
from coursekit.diagnosis import examine

report = examine(model, x, y, validation_data=(x_val, y_val))  # before training
print(report)
```

A finding *says* what the numbers prove, *asks* where two causes look alike, and *notes* what may be
meant so. `examine` needs no training step on the model, and leaves it as it was.
"""

from coursekit._findings import Finding
from coursekit.diagnosis._examine import examine
from coursekit.diagnosis._report import Report

__all__ = ["Finding", "Report", "examine"]
