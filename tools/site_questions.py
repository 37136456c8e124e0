"""The HTML of what a lesson asks: predictions, the quiz, cards, hints and reasons.

All of it comes from the lesson's own `check`. Without JavaScript each reason and each card is a
fold; `docs/site/_static` makes questions and decks of them.
"""

import html
import re

from site_formulas import mathml

from coursekit.exercises import Lesson
from coursekit.exercises.cards import Text

OPTION = re.compile(r"\(([a-z])\)\s+(.*?)(?=[\s,;]*\([a-z]\)\s|[,;]?$)")

FORMULA = re.compile(r"\$([^$\s](?:[^$]*[^$\s])?)\$(?!\w)(?![^<]*</code>)")


class QuestionError(Exception):
    """A prediction whose options do not stand in the text above it, said in a sentence."""


def words(text: str) -> str:
    """Return a text of a lesson as HTML: escaped, code in backticks, formulas in dollars."""
    paragraph = re.sub(r"^<p[^>]*>|</p>$", "", Text(text).html())
    return FORMULA.sub(lambda m: mathml(html.unescape(m[1]), block=False), paragraph)


def fold(summary: str, *paragraphs: str, kind: str = "") -> str:
    """Return a fold; its summary and paragraphs are HTML."""
    inside = "".join(f"<p>{p}</p>" for p in paragraphs)
    name = f' class="{kind}"' if kind else ""
    return f"<details{name}><summary>{summary}</summary>{inside}</details>\n"


def prediction(check: Lesson, name: str, above: str) -> str:
    """Return a prediction, its options in the words of the paragraph above it.

    Raises:
        QuestionError: if an option has no words there.
    """
    question = check.predictions[name]
    paragraph = above.rstrip().rpartition("\n\n")[2].replace("\n", " ")
    options = dict(OPTION.findall(paragraph))
    if list(options) != list(question.reasons):
        raise QuestionError(
            f"{check.slug}: the paragraph above check({name!r}) must name the options "
            f"{', '.join(question.reasons)}, each as `(a) words`. Found: {options}"
        )
    return _question(check, "predictions", name, "Your prediction", options)


def quiz(check: Lesson) -> str:
    """Return the questions of a lesson's quiz."""
    questions = [
        _question(check, "quiz", name, f"{number}. {words(question.text)}", question.options)
        for number, (name, question) in enumerate(check.questions.items(), start=1)
    ]
    score = '<p class="ck-score" role="status"></p>'
    return f'<section class="ck-quiz" aria-label="Quiz">\n{"".join(questions)}{score}</section>'


def _question(check, kind, name, legend, options) -> str:
    """Return a question; each option's reason stands under it in a fold."""
    known = {"predictions": check.predictions, "quiz": check.questions}[kind][name]
    rows = ""
    for letter, text in options.items():
        verdict = "Right." if letter == known.answer else "Not this one."
        reason = f"<b>{verdict}</b> <span>{words(known.reasons[letter])}</span>"
        rows += (
            f'<div class="ck-option" data-letter="{letter}">'
            f'<span class="ck-words">({letter}) {words(text)}</span>'
            f"{fold(f'What about ({letter})?', reason, kind='ck-reason')}</div>\n"
        )
    return (
        f'<fieldset class="ck-question" id="{anchor(name)}" data-kind="{kind}" '
        f'data-lesson="{check.slug}" data-name="{name}" data-answer="{known.answer}">\n'
        f"<legend>{legend}</legend>\n{rows}</fieldset>\n"
    )


def cards(lessons: list[Lesson]) -> str:
    """Return the cards of lessons as one deck; each names its lesson if they are several."""
    total, rows = sum(len(check.card_texts) for check in lessons), ""
    pairs = [(check, *texts) for check in lessons for texts in check.card_texts]
    for number, (check, question, answer) in enumerate(pairs, start=1):
        summary = f'<span class="ck-number">{number} / {total}</span> {words(question)}'
        link = f'<a href="lessons/{check.slug}.html">{html.escape(check.title)}</a>'
        data = f'data-lesson="{check.slug}" data-card="{html.escape(question, quote=True)}"'
        paragraphs = [words(answer), link][: 1 + (len(lessons) > 1)]
        row = fold(summary, *paragraphs, kind="ck-card")
        rows += row.replace("<details", f"<details {data}", 1)
    return f'<section class="ck-cards" aria-label="Cards">\n{rows}</section>'


def hints(check: Lesson, name: str) -> str:
    """Return the hints of an exercise, a fold each."""
    texts = check.exercises[name].hints
    folds = [
        fold(f"Hint {number} of {len(texts)}", words(text))
        for number, text in enumerate(texts, start=1)
    ]
    return f'<div class="ck-hints">\n{"".join(folds)}</div>'


def why(check: Lesson, name: str) -> str:
    """Return why the solution of an exercise is right, and another way, as a fold."""
    exercise = check.exercises[name]
    return fold("Why, and another way", words(exercise.why), words(exercise.alternative))


def anchor(name: str) -> str:
    """Return the name of a place on a page, as Sphinx writes it: an exercise's, a question's."""
    return name.replace("_", "-")
