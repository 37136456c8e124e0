"""Slips in combination: the fewest that explain an answer together, each said in its own words."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from coursekit.exercises import Wrong


def fewest(parts: Sequence[Iterable[str]], fits: Callable[..., bool]) -> list[str]:
    """Return the names of the fewest slips that explain an answer together; none if none do.

    Args:
        parts: for each part of the answer its ways by name; "" is the right one.
        fits: says whether one way for each part, in that order, gives the answer.
    """
    ways = sorted(itertools.product(*parts), key=lambda names: sum(map(bool, names)))
    return next(([name for name in names if name] for names in ways if fits(*names)), [])


def combined(groups: Sequence[Sequence[str]], most: int) -> Iterator[tuple[str, ...]]:
    """Yield combinations of faults, at most one of each group, the fewest first."""
    for count in range(1, most + 1):
        for chosen in itertools.combinations(groups, count):
            yield from itertools.product(*chosen)


class Several(Wrong):
    """Wrong in several ways: a message, "several", and then the whole text of each slip."""

    def __init__(self, texts: Iterable[str], key: str = "several", **values):
        super().__init__(key, **values)
        self.texts = list(texts)

    def sentence(self, messages: dict[str, str] | None = None) -> str:
        """Return the message, followed by what is said of each slip."""
        more = [Wrong(text, **self.values).sentence({text: text}) for text in self.texts]
        return " ".join([super().sentence(messages), *more])


def slips_found(keys: Sequence[str], texts: Mapping[str, str], **values) -> Wrong:
    """Return what to raise for slips: the message of one, or "several" and the texts of all."""
    if len(keys) == 1:
        return Wrong(keys[0], **values)
    return Several((texts[key] for key in keys), **values)
