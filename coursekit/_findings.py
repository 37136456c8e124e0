"""What a look at a model finds, and how a finding stops a training."""

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """Something in a model that several replicas do not do as one device does.

    Attributes:
        rule: what it is about, such as "clipping".
        effect: "fails", "wrong" (silently), "differs" (by design), or "unknown" (not visible).
        reason: what happens.
        cure: what to do.
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
