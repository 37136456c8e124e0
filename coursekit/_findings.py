"""What a look at a model finds, and how a finding stops a training."""

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """Something that was seen in a model, in its data or in a training.

    Attributes:
        rule: what it is about, such as "clipping" or "activation_twice"; these names do not change.
        effect: on several replicas or in low precision, "fails", "wrong" (silently), "differs" (by
            design) or "unknown" (not visible). Of a diagnosis, "says" (the numbers prove it),
            "asks" (another cause would look the same) or "notes" (it may be meant so).
        reason: what happens, or was seen, with its numbers.
        cure: what to do or, where two causes look alike, which experiment decides.
    """

    rule: str
    effect: str
    reason: str
    cure: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.effect}): {self.reason} {self.cure}"


def refuse(found: Iterable[Finding], effects: tuple[str, ...], head: str) -> None:
    """Raise a ValueError for findings of these effects."""
    found = [finding for finding in found if finding.effect in effects]
    if found:
        raise ValueError("\n".join([head, *map(str, found)]))
