"""What Keras's optimizers cannot do: moving momentum, safe loss scaling, exact zeros.

```
from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import OneCycle

rate = OneCycle(0.5, total_steps=470)
model.compile(ScheduledMomentumSGD(rate, momentum=rate.momentum()), loss)
```

One cycle for Adam: `ScheduledBetaAdam(rate, beta_1=rate.momentum())`.
"""

from coursekit.optimizers._loss_scale import SafeLossScaleOptimizer
from coursekit.optimizers._orthantwise_l1 import OrthantwiseL1
from coursekit.optimizers._scheduled_beta import ScheduledBetaAdam
from coursekit.optimizers._scheduled_momentum import ScheduledMomentumSGD

__all__ = [
    "OrthantwiseL1",
    "SafeLossScaleOptimizer",
    "ScheduledBetaAdam",
    "ScheduledMomentumSGD",
]
