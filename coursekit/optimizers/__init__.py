"""What Keras's optimizers cannot do: momentum that moves during training.

from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import OneCycle

rate = OneCycle(0.5, total_steps=470)
model.compile(ScheduledMomentumSGD(rate, momentum=rate.momentum()), loss)
"""

from coursekit.optimizers.scheduled_momentum import ScheduledMomentumSGD

__all__ = ["ScheduledMomentumSGD"]
