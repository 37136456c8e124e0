"""What the optimizers share of which one number moves: a schedule's, or as a callback sets it."""

from typing import ClassVar

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from coursekit._checks import brief, number


class MovingOptimizer(keras.optimizers.Optimizer):
    """An optimizer that reads a second number, besides the learning rate, in every step.

    A subclass names it in `_name_of_moving`, and has a property of that name.
    """

    _name_of_moving = ""
    _range_of_moving: ClassVar[dict[str, float]] = {}

    def __init__(self, learning_rate, moving, **kwargs):
        moving = self._checked(moving)
        super().__init__(learning_rate, **kwargs)
        self._moving = moving
        if isinstance(moving, float):
            self._moving = self.add_variable(
                shape=(),
                initializer=keras.initializers.Constant(moving),
                aggregation="only_first_replica",
                name=self._name_of_moving,
            )

    def _now(self):
        """Return the number of the next step."""
        if isinstance(self._moving, LearningRateSchedule):
            return self._moving(self._iterations)
        return self._moving

    def _set(self, value):
        name = self._name_of_moving
        if isinstance(self._moving, LearningRateSchedule):
            raise TypeError(
                f"The {name} of this optimizer follows a schedule and cannot be set. "
                f"Received: {name}={brief(value)}. Build it with a number, {name}=0.9, to set it."
            )
        if isinstance(value, LearningRateSchedule):
            raise TypeError(
                f"A schedule is given to `__init__`, not set. Received: {name}={brief(value)}"
            )
        self._moving.assign(self._checked(value))

    def _checked(self, value):
        """Return a schedule, or a number in its range as a float."""
        name = self._name_of_moving
        if isinstance(value, LearningRateSchedule):
            return value
        if callable(value):
            raise TypeError(
                f"`{name}` must be a number or a LearningRateSchedule. "
                f"Received: {name}={brief(value)}. For one cycle: OneCycle(...).momentum()."
            )
        return number(name, value, **self._range_of_moving)

    def get_config(self):
        """Return the arguments; a number that was set is saved as it is now."""
        moving = self._moving
        if isinstance(moving, LearningRateSchedule):
            moving = keras.optimizers.schedules.serialize(moving)
        else:
            moving = float(ops.convert_to_numpy(moving))
        return super().get_config() | {self._name_of_moving: moving}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """Build the optimizer from its arguments."""
        config = dict(config)
        moving = config[cls._name_of_moving]
        if isinstance(moving, dict):
            config[cls._name_of_moving] = keras.optimizers.schedules.deserialize(
                moving, custom_objects
            )
        return super().from_config(config, custom_objects)
