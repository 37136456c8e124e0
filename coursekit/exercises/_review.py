"""What a lesson asks and asks again: predictions, a quiz, and cards that come back.

Each function returns the card that the learner sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from coursekit.exercises._judge import CORRECT, WRONG, looked_at
from coursekit.exercises._objects import is_a
from coursekit.exercises._progress import Progress
from coursekit.exercises._wrong import Wrong, brief
from coursekit.exercises.cards import Card, Fold, Text

DAYS = (1, 3, 7)  # a card that was known comes back after so many days


@dataclass(frozen=True)
class Question:
    """A question with options: a quiz question, or a prediction (then without text)."""

    text: str
    options: dict[str, str]  # letter: the option in words (empty for a prediction)
    reasons: dict[str, str]  # letter: why it is right, or what speaks against it
    answer: str

    def __post_init__(self):
        if self.answer not in self.reasons or set(self.options) != set(self.reasons):
            raise ValueError(
                "A question needs a reason for each option, and an answer among them. Received: "
                f"options={sorted(self.options)}, reasons={sorted(self.reasons)}, "
                f"answer={self.answer!r}."
            )


def compared(start: str, question: Question, chosen: str) -> Card:
    """Compare a prediction with what happened: the reason of the chosen and of the right one."""
    right = chosen == question.answer
    blocks = [Text(question.reasons[chosen])]
    if not right:
        blocks.append(Text(f"({question.answer}): {question.reasons[question.answer]}"))
    verdict = "and so it is" if right else f"and it is ({question.answer})"
    return Card(CORRECT if right else "missed", f"{start} ({chosen}), {verdict}", blocks)


def marked(name: str, question: Question, chosen: str) -> Card:
    """Mark the answer to a quiz question."""
    state = CORRECT if chosen == question.answer else WRONG
    title = f"{name} ({chosen}) {question.options[chosen]}"
    return Card(state, title, [Text(question.reasons[chosen])])


def quiz(questions: dict[str, Question]) -> Card:
    """List the questions of a quiz; each is answered in a cell of its own."""
    blocks = []
    for name, question in questions.items():
        options = [f"({k}) {v}" for k, v in question.options.items()]
        blocks.append(Text("\n".join([f"{name}. {question.text}", *options])))
    call = f'Answer with `check("{next(iter(questions), "name")}", "...")`, with a letter for the '
    call += "dots."
    return Card("note", f"Quiz: {len(questions)} questions", [*blocks, Text(call, quiet=True)])


def counted(questions: dict[str, Question], given: dict[str, str]) -> str:
    """Say how many questions were answered, and how many are right."""
    answered = sum(name in given for name in questions)
    right = sum(given.get(name) == question.answer for name, question in questions.items())
    return f"{answered} of {len(questions)} given, {right} right"


class Deck:
    """The cards of a lesson: a known one comes back after 1, 3 and 7 days.

    Args:
        texts: question and answer of each card.
        progress: where it is kept which ones were known.
    """

    def __init__(self, texts: Sequence[tuple[str, str]], progress: Progress):
        self.texts, self.progress = texts, progress

    def left(self) -> list[int]:
        """Return in how many days each card is due; one that is new is due now."""
        today = date.today()
        return [self._days_left(number, today) for number in range(1, len(self.texts) + 1)]

    def is_new(self, number: int) -> bool:
        """Say whether a card has never been known."""
        return self.texts[number - 1][0] not in self.progress.data["cards"]

    def due(self) -> Card:
        """Show the cards that are due."""
        left, total = self.left(), len(self.texts)
        due = [number for number, days in enumerate(left, 1) if days <= 0]
        if not due:
            text = f"The next one comes back in {_days(min(left))}." if left else "There are none."
            return Card("note", f"All {total} cards are known for now", [Text(text)])
        folds = [Fold(f"{n} / {total}  {self.texts[n - 1][0]}", [Text(self.texts[n - 1][1])])
                 for n in due]  # fmt: skip
        call = "Which ones did you know? `check.cards(knew=[1, 2])` brings those back after 1, 3 "
        call += "and 7 days; the others stay due."
        return Card("note", f"{len(due)} of {total} cards are due", [*folds, Text(call, True)])

    def known(self, knew: Sequence[int]) -> Card:
        """Note which cards the learner knew."""
        today, total = date.today(), len(self.texts)
        numbers, wrong = looked_at(lambda: self._numbers(knew))
        if wrong:
            return Card(WRONG, "cards", [Text(wrong)])
        lines = []
        with self.progress.changing():
            for number in sorted(numbers):
                days = self._days_left(number, today)
                if days <= 0:  # a cell that is run twice on one day counts once
                    days = self._put_off(number, today)
                lines.append(f"Card {number} comes back in {_days(days)}.")
        title = f"{len(lines)} of {total} cards known"
        return Card("note", title, [Text("\n".join(lines))])

    def _numbers(self, knew) -> set[int]:
        numbers, total = set(), len(self.texts)
        for number in knew if is_a(knew, (Sequence, set)) else [knew]:
            if type(number) is not int or not 1 <= number <= total:
                wanted = f"the numbers of cards, from 1 to {total}"
                raise Wrong("type", what="`knew`", wanted=wanted, got=brief(knew))
            numbers.add(number)
        return numbers

    def _put_off(self, number: int, today: date) -> int:
        question = self.texts[number - 1][0]
        step = self.progress.data["cards"].get(question, {}).get("step")
        step = min(step, len(DAYS) - 1) if isinstance(step, int) and step > 0 else 0
        due = (today + timedelta(days=DAYS[step])).isoformat()
        self.progress.set("cards", question, {"step": step + 1, "due": due})
        return DAYS[step]

    def _days_left(self, number: int, today: date) -> int:
        """Return in how many days a card is due; one that was noted under a wrong clock is now."""
        try:
            due = self.progress.data["cards"][self.texts[number - 1][0]]["due"]
            days = (date.fromisoformat(due) - today).days
        except (KeyError, TypeError, ValueError):
            return 0
        return days if days <= DAYS[-1] else 0


def _days(number: int) -> str:
    return f"{number} day{'s' * (number != 1)}"
