"""One lesson's `check`: what a learner calls, and how a lesson module fills it."""

import difflib
import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from coursekit.exercises import _decisions as decisions
from coursekit.exercises import _hints as hints
from coursekit.exercises import _judge as judge
from coursekit.exercises import _review as review
from coursekit.exercises import expect
from coursekit.exercises._course import numbered
from coursekit.exercises._guard import has_dots
from coursekit.exercises._judge import BROKEN, CORRECT, RAISED, TODO, WRONG, Outcome
from coursekit.exercises._objects import ask, class_name, is_a, plain
from coursekit.exercises._progress import Progress, all_decisions
from coursekit.exercises._report import details
from coursekit.exercises._review import Deck, Question
from coursekit.exercises._wrong import brief, shorten
from coursekit.exercises.cards import Card, Code, Fold, Text, show

SOLUTIONS = Path(__file__).parent.parent / "lessons" / "_solutions"


class Lesson:
    """The object behind `check`, made once in each lesson module.

    Args:
        slug: name of the lesson's module, as in `coursekit.lessons.training_loop`.
        title: the question in the lesson's first line.

    For the learner: `check(name, answer)`, `check.hint(name)`, `check.solution(name)`,
    `check.reveal(name)`, `check.quiz()`, `check.cards()`, `check.decide(...)`, `check.summary()`.
    For the lesson module: `exercise`, `prediction`, `question`, `card`.
    """

    def __init__(self, slug: str, title: str):
        self.slug, self.title = slug, title
        self.exercises: dict[str, judge.Exercise] = {}
        self.predictions: dict[str, Question] = {}
        self.questions: dict[str, Question] = {}
        self.card_texts: list[tuple[str, str]] = []
        self._revealed: set[str] = set()
        self._noticed = ""  # the notice on the progress file that was shown last

    def __repr__(self):
        first = next(iter(self.exercises), "name")
        return (
            f'Checks of "{self.title}": check("{first}", ...), check.hint("{first}"), '
            f'check.solution("{first}"), check.summary().'
        )

    # What a lesson module calls.

    def exercise(self, **parts: Any) -> Callable:
        """Register the decorated check as an exercise. The parts: see `judge.Exercise`.

        The title is without a number: the lesson's, and the order here, give it one.
        """

        def register(function: Callable) -> Callable:
            name = function.__name__
            title = numbered(self.slug, len(self.exercises) + 1, parts["title"])
            made = {**parts, "title": title}
            self.exercises[name] = judge.Exercise(name=name, check=function, **made)
            return function

        return register

    def prediction(self, name: str, reasons: dict[str, str], answer: str) -> None:
        """Register a prediction; its options stand in the notebook, above the cell."""
        self.predictions[name] = Question("", dict.fromkeys(reasons, ""), reasons, answer)

    def question(
        self, name: str, text: str, options: dict[str, tuple[str, str]], answer: str
    ) -> None:
        """Register a quiz question: each option is (its words, the reason)."""
        words = {k: v[0] for k, v in options.items()}
        self.questions[name] = Question(text, words, {k: v[1] for k, v in options.items()}, answer)

    def card(self, question: str, answer: str) -> None:
        """Register a card for later review."""
        self.card_texts.append((question, answer))

    # What a learner calls.

    def __call__(self, name: str, *answers) -> None:
        """Judge an answer, note a prediction, or mark a quiz question; show a card."""
        for names, judged in ((self.exercises, self._exercise), (self.predictions, self._predict),
                              (self.questions, self._answer)):  # fmt: skip
            if self._is_one(name, names):
                return judged(name, answers)
        return self._unknown(name)

    def verdict(self, name: str, *answers: Any) -> Outcome:
        """Return the outcome of an exercise, without showing or keeping it."""
        return judge.judge(self.exercises[name], answers)

    def hint(self, name: str) -> None:
        """Show the next hint; one made for the last failure comes first."""
        if not self._is_one(name, self.exercises):
            return self._unknown(name)
        exercise = self.exercises[name]
        with self._progress.changing() as progress:
            state = self._state(name)
            title, text = hints.take_hint(exercise, state)
            progress.set("exercises", name, state)
        self._show("note", title, Text(text), Text(hints.way_on(exercise, state), quiet=True))

    def solution(self, name: str, anyway: bool = False) -> None:
        """Show a solution, why it is right, and another way; after an attempt, or `anyway`."""
        if not self._is_one(name, self.exercises):
            return self._unknown(name)
        exercise = self.exercises[name]
        self._read_progress()
        anyway, _ = judge.looked_at(lambda: bool(anyway))
        if not (anyway or self._state(name)["attempts"]):
            way = f'`check.solution("{name}", anyway=True)` shows it all the same.'
            text = Text(f"Try it once first: a wrong answer teaches more than a read one. {way}")
            return self._show("note", f"The solution of {exercise.title} waits", text)
        if not any(SOLUTIONS.glob("*.json")):  # what `make class` builds
            text = "They are not in this copy of the course: ask your teacher."
            return self._show("note", "Your teacher has the solutions", Text(text))
        try:
            texts = json.loads((SOLUTIONS / f"{self.slug}.json").read_text(encoding="utf-8"))
            solution = texts[name]
        except (OSError, ValueError, KeyError) as error:
            text = Text(f"It is missing from the package. Please report this: {brief(error)}")
            return self._show(BROKEN, exercise.title, text)
        self._show(
            "note",
            f"A solution: {exercise.title}",
            Code(solution),
            Text(f"Why: {exercise.why}"),
            Text(f"Another way: {exercise.alternative}"),
        )

    def reveal(self, name: str) -> None:
        """Compare a prediction with what happened."""
        if not self._is_one(name, self.predictions):
            return self._unknown(name)
        chosen = self._read_progress().data["predictions"].get(name)
        question = self.predictions[name]
        self._revealed.add(name)
        if chosen not in question.reasons:
            call = f'`check("{name}", "{next(iter(question.reasons))}")`'
            text = f"You ran this before you predicted. Choose with {call}, or another letter."
            return self._show(TODO, "no prediction to compare with", Text(text))
        self._show_card(review.compared("You predicted", question, chosen))

    def quiz(self) -> None:
        """Show the questions of the quiz; each is answered in a cell of its own."""
        self._show_card(review.quiz(self.questions))

    def cards(self, knew: Sequence[int] | None = None) -> None:
        """Show the cards that are due; `knew=[1, 3]` says which ones you knew."""
        if knew is not None:
            return self._show_card(Deck(self.card_texts, self._progress).known(knew))
        return self._show_card(Deck(self.card_texts, self._read_progress()).due())

    def decide(self, choice: str, because: str, score: float, metric: str = "val_accuracy") -> None:
        """Log this lesson's decision on the running model, with its validation score."""

        def look():
            if any(has_dots(part) for part in (choice, because, score)):
                return None
            return decisions.checked(choice, because, score, metric)

        entry, wrong = judge.looked_at(look)
        if wrong:
            return self._show(WRONG, decisions.TITLE, Text(wrong))
        if entry is None:
            text = "Replace each `...`, then run the cell again."
            return self._show(TODO, decisions.TITLE, Text(text))
        self._keep("decision", entry)
        return self.decisions()

    def decisions(self) -> None:
        """Show every decision you have logged on the running model, in all lessons."""
        self._show_card(decisions.listed(self.logged()))

    def logged(self) -> dict[str, dict]:
        """Return every decision you have logged on the running model, by lesson."""
        mine = self._read_progress().data["decision"]
        return {**all_decisions(), **({self.slug: dict(mine)} if mine else {})}

    def summary(self) -> None:
        """Show what is done in this lesson."""
        data, names = self._read_progress().data, list(self.exercises)
        done = [n for n in names if self._state(n)["done"]]
        lines = []
        for words, some in (("✓ Done", done), ("○ To do", [n for n in names if n not in done])):
            if some:
                lines.append(f"{words}: {', '.join(some)}")
        for kind, questions in (("predictions", self.predictions), ("quiz", self.questions)):
            if questions:
                lines.append(f"{kind.capitalize()}: {review.counted(questions, data[kind])}")
        if data["decision"]:
            lines.append(f"Decision: {shorten(str(data['decision'].get('choice')))}")
        if self._progress.notice:
            lines.append(self._progress.notice)
            self._noticed = self._progress.notice
        state = CORRECT if len(done) == len(names) else "note"
        title = f"{len(done)} of {len(names)} exercises done"
        self._show(state, title, Text("\n".join(lines)))

    # Below: how it is done.

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self.slug)

    def _read_progress(self) -> Progress:
        """Return the progress as the file has it now; each call of the learner reads it once."""
        if "_progress" in vars(self):  # otherwise it reads the file as it is made
            self._progress.refresh()
        return self._progress

    def _keep(self, kind: str, entries: dict) -> None:
        with self._progress.changing() as progress:
            for name, value in entries.items():
                progress.set(kind, name, value)

    def _is_one(self, name, names) -> bool:
        return type(name) is str and name in names

    def _state(self, name: str) -> dict:
        return hints.state_of(self._progress.data["exercises"].get(name, {}))

    def _exercise(self, name, answers):
        exercise, outcome = self.exercises[name], self.verdict(name, *answers)
        if outcome.status in (CORRECT, WRONG, RAISED):
            with self._progress.changing() as progress:
                state = self._state(name)
                state["done"] = state["done"] or outcome.status == CORRECT
                state |= {"attempts": state["attempts"] + 1, "key": outcome.key}
                progress.set("exercises", name, state)
        blocks = [Text(part) for part in [outcome.message] if part]
        if outcome.printed:
            blocks.append(Fold("What your code printed", [Code(outcome.printed)]))
        if outcome.status == BROKEN:
            text = "Your answer was not judged. Please send this report to the course's authors."
            report = Code(details(self.slug, name, outcome.report))
            blocks = [Text(text), *blocks, Fold("The report", [report])]
        elif outcome.status == CORRECT:
            blocks.append(Text(f'`check.solution("{name}")` shows ours, and why.', quiet=True))
        else:
            blocks.append(Text(hints.way_on(exercise, self._state(name)), quiet=True))
        self._show(outcome.status, exercise.title, *blocks)

    def _choose(self, name: str, question: Question, answers) -> str | None:
        """The letter that was given, or None after a card that says what is missing."""

        def look():
            if len(answers) != 1 or has_dots(answers[0]):
                return None
            return expect.choice(answers[0], question.reasons)

        chosen, wrong = judge.looked_at(look)
        if wrong:
            return self._show(WRONG, name, Text(wrong))
        if chosen is None:
            letters = ", ".join(f'"{k}"' for k in question.reasons)
            text = f'Answer with one letter: `check("{name}", ...)` with {letters}.'
            self._show(TODO, name, Text(text))
        return chosen

    def _predict(self, name, answers):
        question = self.predictions[name]
        chosen = self._choose(name, question, answers)
        if chosen is None:
            return
        self._keep("predictions", {name: chosen})
        if name in self._revealed:
            return self._show_card(review.compared("You say", question, chosen))
        text = "Noted. Run the next cell and compare: it tells what speaks for each option."
        self._show("note", f"You predict ({chosen})", Text(text))

    def _answer(self, name, answers):
        question = self.questions[name]
        chosen = self._choose(name, question, answers)
        if chosen is not None:
            self._keep("quiz", {name: chosen})
            self._show_card(review.marked(name, question, chosen))

    def _unknown(self, name):
        names = [*self.exercises, *self.predictions, *self.questions]

        def look():
            given = name if is_a(name, str) else ask(name, "__name__", "")
            return plain(given) if is_a(given, str) else "", brief(name)

        found, wrong = judge.looked_at(look)
        given, words = ("", f"an object of type {class_name(name)}") if wrong else found
        close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
        if given in [*self.predictions, *self.questions]:
            text = "Predictions and quiz questions have no hints and no solutions: choose a letter."
            return self._show("note", f"nothing to show for {words}", Text(text))
        wanted = f"Did you mean `{close[0]}`?" if close else f"There are: {', '.join(names)}."
        first = (close or names or ["name"])[0]
        text = f'The first argument is a name in quotes, as in `check("{first}", ...)`. {wanted}'
        self._show(WRONG, f"no exercise is called {words}", Text(text))

    def _show(self, state: str, title: str, *blocks) -> None:
        self._show_card(Card(state, title, blocks))

    def _show_card(self, card: Card) -> None:
        notice = self._progress.notice
        if notice != self._noticed:  # once, not with every card
            self._noticed = notice
            card = Card(card.state, card.title, [*card.blocks, *([Text(notice)] if notice else [])])
        show(card)
        if card.state not in (CORRECT, "note") and os.environ.get("COURSEKIT_STRICT") == "1":
            raise judge.CheckFailed(f"{self.slug}: {card}")
