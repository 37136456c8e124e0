"""One lesson's `check`: what a learner calls, and how a lesson module fills it."""

import difflib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from coursekit.exercises import _judge as judge
from coursekit.exercises import expect
from coursekit.exercises._cards import Card, Code, Fold, Text, show
from coursekit.exercises._course import numbered
from coursekit.exercises._judge import BROKEN, CORRECT, RAISED, TODO, WRONG, Outcome
from coursekit.exercises._progress import Progress, decisions
from coursekit.exercises._wrong import Wrong, brief, shorten

DAYS = (1, 3, 7)  # a card that was known comes back after so many days
SOLUTIONS = Path(__file__).parent.parent / "lessons" / "_solutions"


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

    def __repr__(self):
        first = next(iter(self.exercises), "name")
        return (
            f'Checks of "{self.title}": check("{first}", ...), check.hint("{first}"), '
            f'check.solution("{first}"), check.summary().'
        )

    # What a lesson module calls.

    def exercise(self, **parts) -> Callable:
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

    def question(self, name: str, text: str, options: dict[str, tuple[str, str]], answer: str):
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

    def verdict(self, name: str, *answers) -> Outcome:
        """Return the outcome of an exercise, without showing or keeping it."""
        return judge.judge(self.exercises[name], answers)

    def hint(self, name: str) -> None:
        """Show the next hint; one made for the last failure comes first."""
        if not self._is_one(name, self.exercises):
            return self._unknown(name)
        exercise, state = self.exercises[name], self._state(name)
        special = exercise.hints_for.get(state["key"])
        if special and state["key"] not in state["shown"]:
            state["shown"] = [*state["shown"], state["key"]]
            title, text = f"A hint for what happened in {exercise.title}", special
        else:
            number = min(max(state["hints"], 0), len(exercise.hints) - 1)
            state["hints"] = number + 1
            title = f"Hint {number + 1} of {len(exercise.hints)}: {exercise.title}"
            text = exercise.hints[number]
        self._progress.save("exercises", name, state)
        self._show("note", title, Text(text), Text(self._way_on(name), quiet=True))

    def solution(self, name: str, anyway: bool = False) -> None:
        """Show a solution, why it is right, and another way; after an attempt, or `anyway`."""
        if not self._is_one(name, self.exercises):
            return self._unknown(name)
        exercise = self.exercises[name]
        if not (anyway or self._state(name)["attempts"]):
            way = f'`check.solution("{name}", anyway=True)` shows it all the same.'
            text = Text(f"Try it once first: a wrong answer teaches more than a read one. {way}")
            return self._show("note", f"The solution of {exercise.title} waits", text)
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
        question, chosen = self.predictions[name], self._progress.data["predictions"].get(name)
        self._revealed.add(name)
        if chosen not in question.reasons:
            call = f'`check("{name}", "{next(iter(question.reasons))}")`'
            text = f"You ran this before you predicted. Choose with {call}, or another letter."
            return self._show(TODO, "no prediction to compare with", Text(text))
        self._show_reason("You predicted", question, chosen)

    def quiz(self) -> None:
        """Show the questions of the quiz; each is answered in a cell of its own."""
        blocks = []
        for name, question in self.questions.items():
            options = [f"({k}) {v}" for k, v in question.options.items()]
            blocks.append(Text("\n".join([f"{name}. {question.text}", *options])))
        first = next(iter(self.questions), "name")
        call = f'Answer with `check("{first}", "...")`, with a letter for the dots.'
        self._show(
            "note", f"Quiz: {len(self.questions)} questions", *blocks, Text(call, quiet=True)
        )

    def cards(self, knew: Sequence[int] | None = None) -> None:
        """Show the cards that are due; `knew=[1, 3]` says which ones you knew."""
        total, today = len(self.card_texts), date.today()
        if knew is not None:
            return self._known(knew, total, today)
        due = [n for n in range(1, total + 1) if self._days_left(n, today) <= 0]
        if not due:
            days = min((self._days_left(n, today) for n in range(1, total + 1)), default=0)
            text = f"The next one comes back in {_days(days)}." if total else "There are none here."
            return self._show("note", f"All {total} cards are known for now", Text(text))
        folds = [Fold(f"{n} / {total}  {self.card_texts[n - 1][0]}",
                      [Text(self.card_texts[n - 1][1])]) for n in due]  # fmt: skip
        call = "Which ones did you know? `check.cards(knew=[1, 2])` brings those back after 1, 3 "
        call += "and 7 days; the others stay due."
        self._show("note", f"{len(due)} of {total} cards are due", *folds, Text(call, quiet=True))

    def decide(self, choice: str, because: str, score: float, metric="val_accuracy") -> None:
        """Log this lesson's decision on the running model, with its validation score."""
        title = "decision on the running model"
        if any(judge.has_dots(part) for part in (choice, because, score)):
            return self._show(TODO, title, Text("Replace each `...`, then run the cell again."))
        try:
            texts = {"`choice`": choice, "`because`": because, "`metric`": metric}
            for what, text in texts.items():
                if not isinstance(text, str) or not text.strip():
                    raise Wrong("type", what=what, wanted="a text", got=brief(text) or "empty")
            score = expect.number(score, "`score`")
            if "accuracy" in metric and not 0 <= score <= 1:
                wanted = "an accuracy between 0 and 1"
                raise Wrong("type", what="`score`", wanted=wanted, got=score)
        except Wrong as wrong:
            return self._show(WRONG, title, Text(wrong.sentence()))
        entry = {"choice": choice.strip(), "because": because.strip(), metric: score}
        for key, value in entry.items():
            self._progress.save("decision", key, value)
        self.decisions()

    def decisions(self) -> None:
        """Show every decision you have logged on the running model, in all lessons."""
        mine = self._progress.data["decision"]
        rows = []
        for lesson, entry in {**decisions(), **({self.slug: mine} if mine else {})}.items():
            scores = [f"{k} {v:.4g}" for k, v in entry.items() if isinstance(v, float)]
            rows.append(Text(f"{lesson}: {entry.get('choice')} ({', '.join(scores)})\n"
                             f"because {entry.get('because')}"))  # fmt: skip
        self._show("note", f"Decisions on the running model: {len(rows)}", *rows)

    def summary(self) -> None:
        """Show what is done in this lesson."""
        data, names = self._progress.data, list(self.exercises)
        done = [n for n in names if self._state(n)["done"]]
        lines = []
        for words, some in (("✓ Done", done), ("○ To do", [n for n in names if n not in done])):
            if some:
                lines.append(f"{words}: {', '.join(some)}")
        for kind, questions in (("predictions", self.predictions), ("quiz", self.questions)):
            if questions:
                given = sum(n in data[kind] for n in questions)
                right = sum(data[kind].get(n) == q.answer for n, q in questions.items())
                lines.append(f"{kind.capitalize()}: {given} of {len(questions)} given, "
                             f"{right} right")  # fmt: skip
        if data["decision"]:
            lines.append(f"Decision: {shorten(str(data['decision'].get('choice')))}")
        if self._progress.notice:
            lines.append(self._progress.notice)
        state = CORRECT if len(done) == len(names) else "note"
        title = f"{len(done)} of {len(names)} exercises done"
        self._show(state, title, Text("\n".join(lines)))

    # Below: how it is done.

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self.slug)

    def _is_one(self, name, names) -> bool:
        return isinstance(name, str) and name in names

    def _state(self, name: str) -> dict:
        state = {"done": False, "attempts": 0, "hints": 0, "key": "", "shown": []}
        self._progress.refresh()
        for key, value in self._progress.data["exercises"].get(name, {}).items():
            if key in state and type(value) is type(state[key]):
                state[key] = value
        return state

    def _exercise(self, name, answers):
        outcome, state = self.verdict(name, *answers), self._state(name)
        if outcome.status in (CORRECT, WRONG, RAISED):
            done = state["done"] or outcome.status == CORRECT
            attempts = state["attempts"] + 1
            state = {**state, "done": done, "attempts": attempts, "key": outcome.key}
            self._progress.save("exercises", name, state)
        blocks = [Text(part) for part in [outcome.message] if part]
        if outcome.printed:
            blocks.append(Fold("What your code printed", [Code(outcome.printed)]))
        if outcome.status == BROKEN:
            text = "Your answer was not judged. Please send this report to the course's authors."
            details = f"{self.slug}, {name}\n{judge.versions()}\n{outcome.report}"
            blocks = [Text(text), *blocks, Fold("The report", [Code(details)])]
        elif outcome.status == CORRECT:
            blocks.append(Text(f'`check.solution("{name}")` shows ours, and why.', quiet=True))
        elif outcome.status != TODO:
            blocks.append(Text(self._way_on(name), quiet=True))
        self._show(outcome.status, self.exercises[name].title, *blocks)

    def _way_on(self, name: str) -> str:
        exercise, state = self.exercises[name], self._state(name)
        if state["key"] in exercise.hints_for and state["key"] not in state["shown"]:
            return f'`check.hint("{name}")` has a hint for this.'
        if state["hints"] < len(exercise.hints):
            return f'`check.hint("{name}")`: hint {state["hints"] + 1} of {len(exercise.hints)}.'
        return f'That was the last hint; `check.solution("{name}")` shows a solution.'

    def _choose(self, name: str, question: Question, answers) -> str | None:
        """The letter that was given, or None after a card that says what is missing."""
        if len(answers) != 1 or judge.has_dots(answers[0]):
            letters = ", ".join(f'"{k}"' for k in question.reasons)
            text = f'Answer with one letter: `check("{name}", ...)` with {letters}.'
            return self._show(TODO, name, Text(text))
        try:
            return expect.choice(answers[0], question.reasons)
        except Wrong as wrong:
            return self._show(WRONG, name, Text(wrong.sentence()))

    def _predict(self, name, answers):
        question = self.predictions[name]
        chosen = self._choose(name, question, answers)
        if chosen is None:
            return
        self._progress.save("predictions", name, chosen)
        if name in self._revealed:
            return self._show_reason("You say", question, chosen)
        text = "Noted. Run the next cell and compare: it tells what speaks for each option."
        self._show("note", f"You predict ({chosen})", Text(text))

    def _show_reason(self, start: str, question: Question, chosen: str):
        right = chosen == question.answer
        blocks = [Text(question.reasons[chosen])]
        if not right:
            blocks.append(Text(f"({question.answer}): {question.reasons[question.answer]}"))
        verdict = "and so it is" if right else f"and it is ({question.answer})"
        self._show(CORRECT if right else "missed", f"{start} ({chosen}), {verdict}", *blocks)

    def _answer(self, name, answers):
        question = self.questions[name]
        chosen = self._choose(name, question, answers)
        if chosen is None:
            return
        self._progress.save("quiz", name, chosen)
        right = chosen == question.answer
        title = f"{name} ({chosen}) {question.options[chosen]}"
        self._show(CORRECT if right else WRONG, title, Text(question.reasons[chosen]))

    def _days_left(self, number: int, today: date) -> int:
        try:
            due = self._progress.data["cards"][self.card_texts[number - 1][0]]["due"]
            return (date.fromisoformat(due) - today).days
        except (KeyError, TypeError, ValueError):
            return 0

    def _known(self, knew, total, today):
        numbers = list(knew) if isinstance(knew, Sequence | set) else [knew]
        if not all(type(n) is int and 1 <= n <= total for n in numbers):
            text = f"`knew` takes the numbers of cards, from 1 to {total}. Received: {brief(knew)}."
            return self._show(WRONG, "cards", Text(text))
        lines = []
        for number in sorted(set(numbers)):
            days = self._days_left(number, today)
            if days <= 0:  # a cell that is run twice on one day counts once
                question = self.card_texts[number - 1][0]
                step = self._progress.data["cards"].get(question, {}).get("step")
                step = min(step, len(DAYS) - 1) if isinstance(step, int) and step > 0 else 0
                days = DAYS[step]
                due = (today + timedelta(days=days)).isoformat()
                self._progress.save("cards", question, {"step": step + 1, "due": due})
            lines.append(f"Card {number} comes back in {_days(days)}.")
        self._show("note", f"{len(lines)} of {total} cards known", Text("\n".join(lines)))

    def _unknown(self, name):
        names = [*self.exercises, *self.predictions, *self.questions]
        given = name if isinstance(name, str) else getattr(name, "__name__", "")
        close = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
        if given in [*self.predictions, *self.questions]:
            text = "Predictions and quiz questions have no hints and no solutions: choose a letter."
            return self._show("note", f"nothing to show for {brief(name)}", Text(text))
        wanted = f"Did you mean `{close[0]}`?" if close else f"There are: {', '.join(names)}."
        first = (close or names or ["name"])[0]
        text = f'The first argument is a name in quotes, as in `check("{first}", ...)`. {wanted}'
        self._show(WRONG, f"no exercise is called {brief(name)}", Text(text))

    def _show(self, state: str, title: str, *blocks) -> None:
        card = Card(state, title, blocks)
        show(card)
        if state not in (CORRECT, "note") and os.environ.get("COURSEKIT_STRICT") == "1":
            raise judge.CheckFailed(f"{self.slug}: {card}")


def _days(number: int) -> str:
    return f"{number} day{'s' * (number != 1)}"
