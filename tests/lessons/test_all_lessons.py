"""What every lesson must have: all its messages triggered, all its files, all its cells."""

import functools
import importlib
import pkgutil
import re
from pathlib import Path

import nbformat
import pytest
from answers import RIGHT
from build_notebooks import ROOT, Course
from lesson_size import size
from nonsense import faults
from spoilers import imported_answers, numbers_below, told_before

import coursekit.lessons
from coursekit.exercises._wrong import STANDARD

SLUGS = [m.name for m in pkgutil.iter_modules(coursekit.lessons.__path__) if m.name[0] != "_"]
COURSE = Course(ROOT)
SOURCES = {s.slug: s for s in COURSE.sources}


def check_of(slug):
    return importlib.import_module(f"coursekit.lessons.{slug}").check


def none_of(faults):
    assert not faults, "\n".join(faults)


@functools.cache  # the files import Keras, and some train for their rows
def rows_of(slug):
    path = Path(__file__).parent / f"test_{slug}.py"
    spec = importlib.util.spec_from_file_location(f"rows_{slug}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ANSWERS


EXERCISES = [(slug, name) for slug in SLUGS for name in check_of(slug).exercises]


def test_each_lesson_has_its_source_its_module_and_its_test_file():
    tested = {p.stem.removeprefix("test_") for p in Path(__file__).parent.glob("test_*.py")}
    assert set(SOURCES) == set(SLUGS) == tested - {"all_lessons"}
    for slug in SLUGS:
        assert check_of(slug).slug == slug
        assert check_of(slug).title == SOURCES[slug].title


@pytest.mark.parametrize("slug", SLUGS)
def test_numbers_come_from_the_name_of_the_source(slug):
    """The k-th exercise has the title of the k-th heading; no module says a number itself."""
    check, source = check_of(slug), SOURCES[slug]
    titles = [e.title for e in check.exercises.values()]
    wanted = [f"E{int(source.number)}.{k} {t}" for k, t in enumerate(source.exercise_titles, 1)]
    assert titles == wanted
    assert list(source.solutions()) == list(check.exercises)
    for path in (f"coursekit/lessons/{slug}.py", f"tests/lessons/test_{slug}.py"):
        path = ROOT / path
        assert not re.findall(r"E\d+\.\d+|\b[Ll]essons? \d+", path.read_text()), path


@pytest.mark.parametrize("slug, name", EXERCISES)
def test_rows_of_an_exercise(slug, name):
    exercise = check_of(slug).exercises[name]
    rows = [r for r in rows_of(slug) if r.exercise == name]
    keys = [r.key for r in rows]
    untested = set(exercise.messages) - set(keys)
    assert not untested, f"no wrong answer triggers {sorted(untested)}"
    unknown = set(keys) - set(exercise.messages) - set(STANDARD) - {*RIGHT, "todo", "raised"}
    assert not unknown, f"rows for messages that do not exist: {sorted(unknown)}"
    assert {"ok", "alternative", "todo"} <= set(keys)
    assert sum(k not in (*RIGHT, "todo") for k in keys) >= 3
    assert len(exercise.hints) >= 2 and exercise.why and exercise.alternative


@pytest.mark.parametrize("slug", SLUGS)
def test_the_notebook_calls_every_check(slug):
    check, source = check_of(slug), SOURCES[slug]
    cells = source.notebook.cells
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert set(source.solutions()) == set(check.exercises)
    for name in [*check.exercises, *check.predictions, *check.questions]:
        assert f'check("{name}", ' in code, name
    for name in check.predictions:
        assert f'check.reveal("{name}")' in code, name
    for call in ("quiz", "cards", "summary"):
        assert f"check.{call}()" in code
    assert check.card_texts


def test_an_answer_is_not_known_by_its_letter():
    """Over the course no letter is right much more often than others; so in the placement."""
    checks = [check_of(slug) for slug in SLUGS]
    asked = [list(check.questions.values()) for check in checks]
    kinds = {
        "quiz": [one.answer for questions in asked for one in questions],
        "placement": [questions[0].answer for questions in asked],
        "predictions": [one.answer for check in checks for one in check.predictions.values()],
    }
    shares = {(kind, letter): letters.count(letter) / len(letters)
              for kind, letters in kinds.items() for letter in "abc"}  # fmt: skip
    none_of([f"{at}: {share:.2f}" for at, share in shares.items() if not 0.2 < share < 0.45])


@pytest.mark.parametrize("slug", SLUGS)
def test_each_option_of_a_prediction_stands_above_its_cell(slug):
    cells = SOURCES[slug].notebook.cells
    for name, question in check_of(slug).predictions.items():
        place = next(i for i, c in enumerate(cells) if f'check("{name}", ' in c.source)
        text = cells[place - 1].source
        assert re.findall(r"\(([a-z])\)", text) == list(question.reasons), name


@pytest.mark.parametrize("slug", SLUGS)
def test_every_figure_has_its_caption(slug):
    solved = nbformat.read(COURSE.solved_path(SOURCES[slug]), 4)
    figures = 0
    for cell in solved.cells:
        for out in cell.get("outputs", []):
            data = out.get("data", {})
            assert not {"image/png", "image/svg+xml"} & set(data), "shown without plots.show"
            if "<img" in data.get("text/html", ""):
                figures += 1
                caption = re.search(r"<figcaption[^>]*>([^<]+)</figcaption>", data["text/html"])
                alt = re.search(r'<img [^>]*alt="([^"]+)"', data["text/html"])
                assert caption and alt and caption[1] == alt[1] and len(caption[1]) > 20
    assert figures


@pytest.mark.parametrize("slug", SLUGS)
def test_the_learner_sees_no_solution(slug):
    learner = nbformat.read(COURSE.learner_path(SOURCES[slug]), 4)
    text = "\n".join(c.source for c in learner.cells)
    assert not any(c.get("outputs") for c in learner.cells)
    assert "SOLUTION" not in text and "### STUB" not in text
    for code in SOURCES[slug].solutions().values():
        assert code not in text


@pytest.mark.parametrize("slug", SLUGS)
def test_a_lesson_is_no_larger_than_a_learner_can_take(slug):
    none_of(size(COURSE, SOURCES[slug]).excess())


def right_answers(slug):
    rows = reversed(rows_of(slug))
    return {r.exercise: r.answers for r in rows if r.key == "ok"}


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_nonsense_is_never_right_and_never_told_what_is(slug):
    check, found = check_of(slug), []
    for name, right in right_answers(slug).items():
        found += faults(check, SOURCES[slug], name, right)
    none_of(found)


@pytest.mark.parametrize("slug", SLUGS)
def test_nothing_tells_an_answer_before_it_is_given(slug):
    check, right = check_of(slug), right_answers(slug)
    learner = COURSE.learner_notebook(SOURCES[slug]).cells
    solved = nbformat.read(COURSE.solved_path(SOURCES[slug]), 4).cells
    found = told_before(check, learner) + imported_answers(check, learner, right)
    none_of(found + numbers_below(SOURCES[slug], solved, right))


@pytest.mark.parametrize("slug", SLUGS)
def test_a_lesson_runs_on_both_backends(slug):
    missing = sorted({"tensorflow", "jax"} - set(SOURCES[slug].backends))
    none_of([f"{slug} does not list {name}" for name in missing])


@pytest.mark.parametrize("slug", SLUGS)
def test_the_close_of_a_lesson(slug):
    """It promises what the lesson holds, and ends with a link to the next one."""
    cells = SOURCES[slug].notebook.cells
    end = max(k for k, c in enumerate(cells) if c.cell_type == "markdown")
    before, closing = "\n".join(c.source for c in cells[:end]), cells[end].source
    claims = "\n".join(re.findall(r"^\d\. .*(?:\n .*)*", closing, re.M))
    named = re.findall(r"`([^`\n]+)`", claims)
    found = [f"`{name}` does not stand in {slug} before" for name in named if name not in before]
    assert "[[next]]" in closing and not found, found


@pytest.mark.parametrize("slug", SLUGS)
def test_links_to_lessons_lead_to_one(slug):
    for path in (COURSE.learner_path(SOURCES[slug]), COURSE.solved_path(SOURCES[slug])):
        for cell in nbformat.read(path, 4).cells:
            text = cell.source if cell.cell_type == "markdown" else ""
            for link in re.findall(r"\]\(([^)\s]+\.ipynb)", text):
                there = path.parent / link
                if not link.startswith("http"):
                    assert there.is_file(), f"{path.name}: there is no {link}"


@pytest.mark.parametrize("slug", SLUGS)
def test_hints_are_offered_before_the_first_try(slug, capsys):
    check = check_of(slug)
    for name in check.exercises:
        check(name, ...)
        said = capsys.readouterr().out
        assert f'`check.hint("{name}")`' in said, said
