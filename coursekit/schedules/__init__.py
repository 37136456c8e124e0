"""Learning rates as functions of the step: what Keras's schedules leave out.

```
from coursekit.schedules import OneCycle, epochs_to_steps

steps = epochs_to_steps(5, rows=6_000, batch_size=64)
model.compile(keras.optimizers.SGD(OneCycle(0.5, total_steps=steps), momentum=0.9), loss)
```

Steps count from 0, the first update. A step is one batch of `fit`, also where an optimizer
accumulates gradients over several of them: Keras calls a schedule with batches, not with updates.
All schedules are `keras.optimizers.schedules.LearningRateSchedule`s, are saved with the model, and
take one step or an array of steps. They compare and subtract steps as integers: a float32 cannot
tell step 2**24 from the next one.
"""

from coursekit.schedules._combined import Join, Warmup
from coursekit.schedules._decays import StepDecay, WarmupInverseSqrt
from coursekit.schedules._one_cycle import OneCycle, OneCycleMomentum
from coursekit.schedules._runs import check_schedule, epochs_to_steps

__all__ = [
    "Join",
    "OneCycle",
    "OneCycleMomentum",
    "StepDecay",
    "Warmup",
    "WarmupInverseSqrt",
    "check_schedule",
    "epochs_to_steps",
]
