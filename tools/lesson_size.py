"""Counts a lesson as its learner meets it, and says which of its limits it passes.

    python tools/lesson_size.py [slug ...]

counts its cells; the words of its texts, formulas too, without blocks of code, tags and addresses;
its visible lines of code when it is solved, those with more than a comment in cells that are not
folded; and its minutes: the labels of its exercises, and the reading at 200 words a minute.
A cell is folded by `jupyter={"source_hidden": true}` in the source; the builder folds the setup.
"""

import re
import sys
from dataclasses import dataclass

from build_notebooks import Course
from lesson_source import EXERCISE, FENCE, Source

MOST = {"cells": 45, "words": 1500, "lines": 150}
WORDS_A_MINUTE = 200
ROOM = 5  # minutes that the header may be away from the count
NO_PROSE = re.compile(r"<[^>\n]+>|(?<=\])\([^)\n]*\)")


@dataclass(frozen=True)
class Size:
    """What there is of a lesson; `header` are the minutes that its source promises."""

    cells: int
    words: int
    lines: int
    labels: int
    header: int

    @property
    def minutes(self) -> int:
        """The labels of its exercises, and the reading."""
        return self.labels + round(self.words / WORDS_A_MINUTE)

    def excess(self) -> list[str]:
        """Say which limits it passes, a line each."""
        counts = {"cells": self.cells, "words": self.words, "lines": self.lines}
        found = [
            f"it has {counts[what]} {what}; the most is {most}"
            for what, most in MOST.items()
            if counts[what] > most
        ]
        if abs(self.header - self.minutes) > ROOM:
            reading = self.minutes - self.labels
            found.append(
                f"its header says {self.header} minutes; its labels, {self.labels}, and the "
                f"reading, {reading}, make {self.minutes}"
            )
        return found

    def report(self) -> str:
        """Say all numbers in a line, and what is too much in a line each."""
        line = (
            f"{self.cells} cells, {self.words} words, {self.lines} visible lines of code, "
            f"{self.minutes} minutes"
        )
        return "\n    ".join([line, *self.excess()])


def size(course: Course, source: Source) -> Size:
    """Count a lesson."""
    cells = course.learner_notebook(source).cells
    texts = [FENCE.sub("", c.source) for c in cells if c.cell_type == "markdown"]
    labels = [m[3] for text in texts for m in EXERCISE.finditer(text)]
    words = [word for text in texts for word in NO_PROSE.sub(" ", text).split()]
    code = [c for c in course.solved_notebook(source).cells if c.cell_type == "code"]
    hidden = [c.metadata.get("jupyter", {}).get("source_hidden", False) for c in code]
    return Size(
        cells=len(cells),
        words=sum(bool(re.search(r"\w", word)) for word in words),
        lines=sum(_lines(c.source) for c, folded in zip(code, hidden, strict=True) if not folded),
        labels=sum(int(n) for label in labels for n in re.findall(r"(\d+) minute", label)),
        header=source.minutes,
    )


def _lines(text: str) -> int:
    lines = [line.strip() for line in text.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


if __name__ == "__main__":
    course = Course()
    for source in course.named(sys.argv[1:]):
        print(f"{source.name}: {size(course, source).report()}")
