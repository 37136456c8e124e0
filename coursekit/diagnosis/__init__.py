"""Names the disease of a training run, and keeps silent on a healthy one.

```python
from coursekit.diagnosis import Doctor, diagnose, examine

print(examine(model, x, y, validation_data=(x_val, y_val)))  # before training
doctor = Doctor(x, y, validation_data=(x_val, y_val))
model.fit(x, y, callbacks=[doctor])
print(diagnose(doctor))  # after it, or of a History alone: diagnose(model.history)
```

A finding *says* what the numbers prove, *asks* where two causes look alike, and *notes* what may be
meant so. `examine` needs no training step on the model, and leaves it as it was.
"""

from coursekit._findings import Finding
from coursekit.diagnosis._diagnose import diagnose
from coursekit.diagnosis._doctor import Doctor
from coursekit.diagnosis._examine import examine
from coursekit.diagnosis._report import Report

__all__ = ["Doctor", "Finding", "Report", "diagnose", "examine"]
