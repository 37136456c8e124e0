"""How long a training step takes at least, from published figures: computing, memory and links.

```
from coursekit.distribution.roofline import CHIPS, step_time

chip = CHIPS["TPU v5e"]
chip.rows_for_links                                          # rows a chip that hide the messages
step_time(chip, parameters=7e9, rows_per_chip=512, chips=64)
```

For networks of dense layers in 16 bits: a row is one input of them, which in a transformer is a
token. A multiplication and an addition count as two operations. These are limits: no step is
faster, and real ones are slower.

References:
    Williams, Waterman, Patterson, Roofline, 2009, doi 10.1145/1498765.1498785. Austin et al., How
    to Scale Your Model, 2025, jax-ml.github.io/scaling-book: the limits for TPUs, and their links.
"""

from dataclasses import dataclass

from coursekit._checks import count, number, one_of, require

__all__ = ["CHIPS", "Chip", "StepTime", "held_bytes", "most_parts", "step_time"]

BYTES = 2  # of a weight, a gradient and an activation on their way, in 16 bits


@dataclass(frozen=True)
class Chip:
    """The published figures of a chip.

    Attributes:
        name: as its maker calls it.
        operations: a second, in bfloat16, dense.
        memory: in bytes.
        memory_speed: bytes a second, between its memory and its computing units.
        link_speed: bytes a second that it sends to its neighbours in a ring.
    """

    name: str
    operations: float
    memory: float
    memory_speed: float
    link_speed: float

    def __post_init__(self):
        require(isinstance(self.name, str), "`name` must be a text.", name=self.name)
        for name in ("operations", "memory", "memory_speed", "link_speed"):
            number(name, getattr(self, name), above=0)

    @property
    def rows_for_memory(self) -> float:
        """Rows from which on a dense layer computes longer than it reads its weights.

        ```
        2 rows n m / operations = 2 n m / memory_speed     rows = operations / memory_speed
        ```
        """
        return self.operations / self.memory_speed

    @property
    def rows_for_links(self) -> float:
        """Rows on each chip from which on data parallelism computes longer than it sends.

        ```
        4 rows P / operations = 4 P / link_speed           rows = operations / link_speed
        ```

        Left the backward pass of P parameters, right a ring all-reduce of their gradients, 2 bytes
        each, over many chips. P does not matter.
        """
        return self.operations / self.link_speed


# TPU: the tables of How to Scale Your Model; both directions of one ring. NVIDIA: data sheets of
# the SXM cards, dense; NVLink, one direction.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip("TPU v5e", 1.97e14, 16e9, 8.1e11, 9e10),
        Chip("TPU v5p", 4.59e14, 96e9, 2.8e12, 1.8e11),
        Chip("TPU v6e", 9.2e14, 32e9, 1.6e12, 1.8e11),
        Chip("A100", 3.12e14, 80e9, 2.0e12, 3e11),
        Chip("H100", 9.89e14, 80e9, 3.35e12, 4.5e11),
        Chip("H200", 9.89e14, 141e9, 4.8e12, 4.5e11),
    )
}


@dataclass(frozen=True)
class StepTime:
    """The parts of a step, in seconds; messages travel while the chip computes.

    Attributes:
        forward: computing the outputs.
        backward: computing the gradients.
        messages: what travels during the whole step.
        step: the step, at least.
    """

    forward: float
    backward: float
    messages: float
    step: float

    @property
    def busy(self) -> float:
        """The share of the step in which a chip computes, at most."""
        return (self.forward + self.backward) / self.step


def step_time(
    chip: Chip, parameters: float, rows_per_chip: float, chips: int, split: str = "data"
) -> StepTime:
    """Return how long a step takes at least, with the rows of a batch on several chips.

    ```
    forward  = 2 P rows / operations
    backward = 4 P rows / operations
    "data":     step = forward + max(backward, 2 (n - 1)/n * 2 P / link_speed)
    "sharded":  step = max(forward,     (n - 1)/n * 2 P / link_speed)
                     + max(backward, 2 (n - 1)/n * 2 P / link_speed)
    ```

    "data" adds the gradients up in a ring, during the backward pass. "sharded" is data parallelism
    whose weights are spread too (ZeRO's stage 3, FSDP): they are gathered for the forward pass and
    again for the backward pass, and gradients are added up and spread.

    Args:
        chip: its figures, such as `CHIPS["H100"]`.
        parameters: P, of the model.
        rows_per_chip: rows of a batch on each chip; tokens, for a transformer.
        chips: n, at least 1.
        split: "data" or "sharded". Defaults to "data".

    Returns:
        A `StepTime`.

    Raises:
        ValueError: for numbers out of range, or another split.

    Example:
        >>> found = step_time(CHIPS["TPU v5e"], 1e9, rows_per_chip=1000, chips=16)
        >>> f"{found.backward:.3f} {found.messages:.3f} {found.busy:.2f}"
        '0.020 0.042 0.59'
        >>> step_time(CHIPS["TPU v5e"], 1e9, rows_per_chip=4000, chips=16).busy
        1.0
    """
    require(isinstance(chip, Chip), "`chip` must be a `Chip`, such as CHIPS['H100'].", chip=chip)
    parameters = number("parameters", parameters, above=0)
    rows = number("rows_per_chip", rows_per_chip, above=0)
    chips = count("chips", chips)
    one_of("split", split, ("data", "sharded"))
    forward = 2 * parameters * rows / chip.operations
    gather = (chips - 1) / chips * BYTES * parameters / chip.link_speed
    before = gather if split == "sharded" else 0.0
    step = max(forward, before) + max(2 * forward, 2 * gather)
    return StepTime(forward, 2 * forward, before + 2 * gather, step)


def held_bytes(parameters: float, chips: int, stage: int) -> float:
    """Return the bytes on each chip for weights, gradients and Adam's numbers, without activations.

    ```
    stage 0:  2 + 2 + 12      16-bit weight, 16-bit gradient, 32-bit weight and two moments
    stage 1:  2 + 2 + 12/n    stage 2:  2 + (2 + 12)/n    stage 3:  (2 + 2 + 12)/n
    ```

    That is DeepSpeed's accounting. Keras keeps 4 + 4 + 8 bytes in 32 bits: 16 as well.

    Args:
        parameters: of the model.
        chips: n, at least 1.
        stage: of ZeRO, 0 to 3; 0 is plain data parallelism.

    Raises:
        ValueError: for numbers out of range.

    Example:
        >>> [round(held_bytes(7.5e9, 64, stage) / 1e9, 1) for stage in range(4)]
        [120.0, 31.4, 16.6, 1.9]

    References:
        Rajbhandari et al., ZeRO, arXiv 1910.02054, figure 1.
    """
    parameters, chips = number("parameters", parameters, above=0), count("chips", chips)
    stage = count("stage", stage, least=0)
    require(stage <= 3, "`stage` must be 0, 1, 2 or 3.", stage=stage)
    parts = (2, 2, 12)  # ZeRO shards them from the last to the first
    whole = sum(parts[: 3 - stage])
    return parameters * (whole + (16 - whole) / chips)


def most_parts(chip: Chip, hidden: float) -> float:
    """Return into how many parts a layer can be split while it computes longer than it sends.

    ```
    4 rows d h / (parts operations) = 4 rows d / link_speed      parts = h link_speed / operations
    ```

    Left the two matrices of a block (d to h and back) on `parts` chips, right its inputs gathered
    and its outputs added up, 2 bytes each. Neither the rows nor d matter.

    Args:
        chip: its figures.
        hidden: h, the width between the two matrices.

    Raises:
        ValueError: for what is no chip, or a width that is not positive.

    Example:
        >>> round(most_parts(CHIPS["TPU v5e"], 16_384), 1), round(most_parts(CHIPS["H100"], 16_384))
        (7.5, 7)
    """
    require(isinstance(chip, Chip), "`chip` must be a `Chip`, such as CHIPS['H100'].", chip=chip)
    return number("hidden", hidden, above=0) / chip.rows_for_links
