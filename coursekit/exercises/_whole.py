"""The whole course at once: a first quiz, a map with the learner's marks, and what to do again.

It reads and writes what the lessons keep, by their own rules, and keeps nothing of its own. A
question or a card has an address: 04.2 is the second one of lesson 04.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from coursekit.exercises._course import numbers
from coursekit.exercises._hints import state_of
from coursekit.exercises._judge import WRONG, looked_at
from coursekit.exercises._lesson import Lesson
from coursekit.exercises._objects import is_a, plain
from coursekit.exercises._progress import Progress
from coursekit.exercises._review import Deck, Question
from coursekit.exercises._wrong import Wrong, brief
from coursekit.exercises.cards import Card, Fold, Text, show

UNKNOWN = "-"  # the answer of who does not know, and does not guess
ADDRESS = re.compile(r"(\w+)\.(\d+)")
ANSWER = re.compile(r"(\w+\.\d+)\s*[:=]?\s*\(?([A-Za-z]|-)\)?(?![\w.-])")
MARKS = {"right": "✓", "wrong": "✗", "open": "○"}


@dataclass(frozen=True)
class Part:
    """One lesson and what is kept of it."""

    lesson: Lesson
    progress: Progress

    @property
    def number(self) -> str:
        """The lesson's number, or its slug if it has none."""
        return numbers().get(self.lesson.slug, self.lesson.slug)

    @property
    def name(self) -> str:
        """Number and title."""
        return f"{self.number} {self.lesson.title}"

    @property
    def deck(self) -> Deck:
        """The lesson's cards."""
        return Deck(self.lesson.card_texts, self.progress)

    def exercises(self) -> dict[str, str]:
        """Return "right", "wrong" or "open" for the title of each exercise."""
        kept = self.progress.data["exercises"]
        found = {}
        for name, exercise in self.lesson.exercises.items():
            state = state_of(kept.get(name, {}))
            tried = "wrong" if state["attempts"] else "open"
            found[exercise.title] = "right" if state["done"] else tried
        return found

    def questions(self) -> list[tuple[str, str, Question]]:
        """Return address, "right", "wrong" or "open", and the question itself."""
        given, found = self.progress.data["quiz"], []
        for k, (name, question) in enumerate(self.lesson.questions.items(), 1):
            tried = "right" if given.get(name) == question.answer else "wrong"
            found.append((f"{self.number}.{k}", tried if name in given else "open", question))
        return found

    def cards_due(self) -> list[int]:
        """Return the numbers of the cards that were known once and are due."""
        return [n for n, days in enumerate(self.deck.left(), 1)
                if days <= 0 and not self.deck.is_new(n)]  # fmt: skip

    def is_untouched(self) -> bool:
        """Say whether nothing is kept of the lesson."""
        return not any(self.progress.data[kind] for kind in ("exercises", "quiz", "cards"))


class WholeCourse:
    """All lessons, as the learner's own progress has them.

    Args:
        find: a function from a lesson's slug to its check.
        without: the slug of the lesson that shows all this.
    """

    def __init__(self, find: Callable[[str], Lesson], without: str = ""):
        self._find, self._without = find, without

    def __repr__(self):
        return "Your course: `.map()`, `.placement()`, `.draw()`, `.answer(...)`, `.knew(...)`."

    @cached_property
    def lessons(self) -> list[Lesson]:
        """The checks of the lessons; found when they are needed, since they import much."""
        return [self._find(slug) for slug in numbers() if slug != self._without]

    def map(self) -> None:
        """Show what is solved, wrong, not tried and due, lesson by lesson."""
        parts = self._parts()
        blocks = [Fold(f"{p.name}  {_counts(p)}", [Text(_listed(p))]) for p in parts]
        total = sum(len(p.lesson.exercises) for p in parts)
        done = sum(mark == "right" for p in parts for mark in p.exercises().values())
        title = f"Your map: {done} of {total} exercises solved"
        self._show(Card("note", title, [*blocks, Text(_way_on(parts))]), parts)

    def placement(self) -> None:
        """Ask one question of each lesson: those that have none of their own answers yet."""
        parts = [p for p in self._parts() if p.lesson.questions]
        blocks = [_asked(*p.questions()[0]) for p in parts if p.questions()[0][1] == "open"]
        call = '`course.answer("04.1 b, 09.1 -")` answers two of them: address and letter, and "-" '
        call += "for what you do not know. Nobody counts; a guess hides from you where to begin."
        title = f"{len(blocks)} questions, one of each lesson" if blocks else "All are answered"
        last = call if blocks else _advice(parts)
        self._show(Card("note", title, [*blocks, Text(last, quiet=bool(blocks))]), parts)

    def answer(self, text: str) -> None:
        """Mark answers as in `"04.1 b, 09.1 -"`, keep them, and say where to begin."""
        parts = self._parts()
        pairs, wrong = looked_at(lambda: self._answers(text, parts))
        if wrong:
            return show(Card(WRONG, "answers", [Text(wrong)]))
        blocks: list[Text | Fold] = []
        for part, k, letter in pairs:
            name, question = list(part.lesson.questions.items())[k - 1]
            with part.progress.changing() as progress:
                progress.set("quiz", name, letter)
            blocks.append(_marked(f"{part.number}.{k}", question, letter))
        right = sum(b.summary.startswith(MARKS["right"]) for b in blocks if isinstance(b, Fold))
        title = f"{right} of {len(pairs)} right" if pairs else "No answers yet"
        return self._show(Card("note", title, [*blocks, Text(_advice(parts))]), parts)

    def draw(self, most: int = 10) -> None:
        """Show what was wrong and what is due again, of all lessons; at most so many of each."""
        parts = self._parts()
        tries = [f"{MARKS['wrong']} {title}" for p in parts
                 for title, mark in p.exercises().items() if mark == "wrong"]  # fmt: skip
        asked = [_asked(*q) for p in parts for q in p.questions() if q[1] == "wrong"]
        cards = [_card(p, n) for p in parts for n in p.cards_due()]
        counts = ((tries, "exercise"), (asked, "question"), (cards, "card"))
        words = [f"{len(some)} {name}{'s' * (len(some) != 1)}" for some, name in counts if some]
        if not words:
            card = Card("note", "Nothing was wrong, and nothing is due", [Text(_way_on(parts))])
            return self._show(card, parts)
        blocks: list[Text | Fold] = [Text("\n".join(tries[:most]))] if tries else []
        blocks += [*asked[:most], *cards[:most]]
        calls = ['questions: `course.answer("04.2 b")`'] * bool(asked)
        calls += ['cards that you knew: `course.knew("04.1 09.3")`'] * bool(cards)
        blocks += [Text("; ".join(calls), quiet=True)] * bool(calls)
        return self._show(Card("note", f"Again: {', '.join(words)}", blocks), parts)

    def knew(self, text: str) -> None:
        """Note which cards the learner knew, as in `"04.1 09.3"`: they come back later."""
        parts = self._parts()
        found, wrong = looked_at(lambda: self._cards(text, parts))
        if wrong:
            return show(Card(WRONG, "cards", [Text(wrong)]))
        lines = []
        for part, number in found:
            lines += [b.plain() for b in part.deck.known([number]).blocks]
            lines[-1] = lines[-1].replace(f"Card {number}", f"Card {part.number}.{number}")
        title = f"{len(found)} card{'s' * (len(found) != 1)} known"
        return self._show(Card("note", title, [Text("\n".join(lines))] * bool(lines)), parts)

    # Below: how it is done.

    def _parts(self) -> list[Part]:
        return [Part(lesson, Progress(lesson.slug)) for lesson in self.lessons]

    def _show(self, card: Card, parts: Sequence[Part]) -> None:
        notices = [
            Text(words) for words in dict.fromkeys(p.progress.notice for p in parts) if words
        ]
        show(Card(card.state, card.title, [*card.blocks, *notices]))

    def _answers(self, text, parts) -> list[tuple[Part, int, str]]:
        wanted = 'a text such as "04.1 b, 09.1 -"'
        found, rest = _found(ANSWER, text, wanted)
        if rest:
            raise Wrong("type", what="what you gave", wanted=wanted, got=repr(rest))
        marked = {}
        for address, letter in found:
            part, k = _at(address, parts, "question", lambda p: len(p.lesson.questions))
            options = [*list(part.lesson.questions.values())[k - 1].options, UNKNOWN]
            if letter.lower() not in options:
                what = f"the answer to {address}"
                raise Wrong("option", what=what, got=repr(letter), wanted=" or ".join(options))
            marked[part.number, k] = (part, k, letter.lower())
        return list(marked.values())

    def _cards(self, text, parts) -> list[tuple[Part, int]]:
        wanted = 'a text such as "04.1 09.3"'
        found, rest = _found(ADDRESS, text, wanted)
        if rest:
            raise Wrong("type", what="what you gave", wanted=wanted, got=repr(rest))
        pairs = [_at(".".join(a), parts, "card", lambda p: len(p.lesson.card_texts)) for a in found]
        return list({(p.number, n): (p, n) for p, n in pairs}.values())


def _found(pattern: re.Pattern, text, wanted: str) -> tuple[list[tuple[str, str]], str]:
    """Return what a pattern finds in a text, and the rest of it."""
    if not is_a(text, str):
        raise Wrong("type", what="what you gave", wanted=wanted, got=brief(text))
    text = plain(text)
    return pattern.findall(text), pattern.sub("", text).strip(" ,;\n\t")


def _at(address: str, parts, what: str, count: Callable[[Part], int]) -> tuple[Part, int]:
    number, _, k = address.partition(".")
    part = next((p for p in parts if p.number in (number, number.zfill(2))), None)
    if part is None:
        wanted = f"one of {', '.join(p.number for p in parts)}"
        raise Wrong("type", what=f"the lesson of {address}", wanted=wanted, got=number)
    if not 1 <= int(k) <= count(part):
        wanted = f"from 1 to {count(part)} in lesson {part.number}"
        raise Wrong("type", what=f"the {what} of {address}", wanted=wanted, got=k)
    return part, int(k)


def _asked(address: str, mark: str, question: Question) -> Fold:
    options = [f"({k}) {v}" for k, v in question.options.items()]
    return Fold(f"{address}  {question.text}", [Text("\n".join(options))])


def _card(part: Part, number: int) -> Fold:
    question, answer = part.deck.texts[number - 1]
    return Fold(f"Card {part.number}.{number}  {question}", [Text(answer)])


def _marked(address: str, question: Question, letter: str) -> Fold:
    if letter == UNKNOWN:
        return Fold(f"{MARKS['open']} not known: {address}  {question.text}",
                    [Text(f"({question.answer}) {question.options[question.answer]}: "
                          f"{question.reasons[question.answer]}")])  # fmt: skip
    mark = "right" if letter == question.answer else "wrong"
    words = f"({letter}) {question.options[letter]}: {question.reasons[letter]}"
    return Fold(f"{MARKS[mark]} {mark}: {address}  {question.text}", [Text(words)])


def _advice(parts: Sequence[Part]) -> str:
    """Say where to begin, by the first question of each lesson."""
    first = [(p, *p.questions()[0]) for p in parts if p.lesson.questions]
    given = [one for one in first if one[2] != "open"]
    if not given:
        return "`course.placement()` shows the questions."
    missed = [p for p, _, mark, _ in given if mark == "wrong"]
    asked = [q for p, _, _, q in given
             if p.progress.data["quiz"][next(iter(p.lesson.questions))] != UNKNOWN]  # fmt: skip
    chance = sum(1 / len(q.options) for q in asked)
    text = f"Of one question of each lesson: {len(given)} of {len(first)} given, "
    text += f"{len(given) - len(missed)} right; of {len(asked)} guesses {chance:.1f} would be."
    if missed:
        more = ", ".join(p.number for p in missed[1:])
        text += f"\nBegin with {missed[0].name}" + (f"; then {more}." if more else ".")
    elif len(given) < len(first):
        left = next(p for p, _, mark, _ in first if mark == "open")
        text += f"\nAll of these are right. Go on with the question of {left.name}"
    else:
        text += "\nNone is missed: begin with the exercises of any lesson, on `course.map()`."
    return text


def _way_on(parts: Sequence[Part]) -> str:
    if all(p.is_untouched() for p in parts):
        return "Nothing is noted yet. `course.placement()` asks one question of each lesson."
    again = [p for p in parts if "wrong" in p.exercises().values() or p.cards_due()
             or any(mark == "wrong" for _, mark, _ in p.questions())]  # fmt: skip
    if again:
        return f"Go on with {again[0].name} `course.draw()` shows what was wrong or is due."
    left = next((p for p in parts if "open" in p.exercises().values()), None)
    return f"Go on with {left.name}" if left else "All exercises of all lessons are solved."


def _counts(part: Part) -> str:
    """Say in a line what a lesson holds."""
    if part.is_untouched():
        return "not tried"
    marks = list(part.exercises().values())
    words = [f"{marks.count('right')} of {len(marks)} solved"]
    words += [f"{marks.count('wrong')} wrong so far"] * ("wrong" in marks)
    asked = [mark for _, mark, _ in part.questions()]
    given = len(asked) - asked.count("open")
    words += [f"quiz {asked.count('right')} of {given} right"] * bool(given)
    due = len(part.cards_due())
    words += [f"{due} card{'s' * (due != 1)} due"] * bool(due)
    return ", ".join(words)


def _listed(part: Part) -> str:
    """List the exercises of a lesson, its questions and its cards."""
    said = {"right": "solved", "wrong": "wrong so far", "open": "not tried"}
    lines = [f"{MARKS[m]} {said[m]}: {title}" for title, m in part.exercises().items()]
    marks = [mark for _, mark, _ in part.questions()]
    said = {"right": "right", "wrong": "wrong or not known", "open": "not given"}
    lines.append("quiz: " + ", ".join(f"{marks.count(mark)} {said[mark]}" for mark in said))
    deck = part.deck
    new = sum(map(deck.is_new, range(1, len(deck.texts) + 1)))
    due = len(part.cards_due())
    lines.append(f"cards: {due} due, {len(deck.texts) - new - due} known for now, {new} new")
    return "\n".join(lines)
