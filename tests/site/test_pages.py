"""How pages are made: links elsewhere, predictions, docstrings, formulas, the reference."""

import nbformat
import pytest
import site_questions as questions
import site_reference as reference
from build_notebooks import ROOT, Course
from build_site import escaped, stage
from docutils.utils.math import MathError
from site_formulas import mathml
from site_pages import Page, launch_links

from coursekit.exercises import Lesson
from coursekit.lessons.optimizers import check as optimizers

pytestmark = pytest.mark.slow


@pytest.fixture
def docstrings(monkeypatch):
    """How Sphinx reads docstrings."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    import docstrings

    return docstrings


def asked(**reasons):
    check = Lesson("sums", "What is two and two?")
    check.prediction("predict_sum", reasons, next(iter(reasons)))
    return check


def test_a_prediction_has_the_words_of_the_paragraph_above():
    check = asked(a="It is four.", b="Why <not>?")
    above = "Not (a) this.\n\nIs it (a) `2 + 2`, or so,\n(b) about <five>?"
    made = questions.prediction(check, "predict_sum", above)
    assert "(a) <code>2 + 2</code>, or so</span>" in made
    assert "(b) about &lt;five&gt;?</span>" in made and "Why &lt;not&gt;?" in made
    assert 'data-answer="a"' in made and 'id="predict-sum"' in made


@pytest.mark.parametrize("above", ["(a) one.", "a) one, b) two", "(a) one (b) two\n\nIs it?", ""])
def test_a_prediction_without_words_is_refused(above):
    words = r"sums: the paragraph above check\('predict_sum'\) must name the options a, b"
    with pytest.raises(questions.QuestionError, match=words):
        questions.prediction(asked(a="", b=""), "predict_sum", above)


def test_links_elsewhere_come_from_the_one_setting():
    assert launch_links("", "02_training_loop") == ""
    made = launch_links("owner/name", "02_training_loop")
    path = "notebooks/02_training_loop.ipynb"
    assert f"https://colab.research.google.com/github/owner/name/blob/main/{path}" in made
    assert f"https://mybinder.org/v2/gh/owner/name/main?urlpath=lab/tree/{path}" in made
    assert (ROOT / path).exists() and (ROOT / "environment.yml").exists()  # what Binder installs


def test_a_page_shows_them_and_nothing_that_was_left_behind():
    course = Course()
    source = course.named(["optimizers"])[0]
    solved = nbformat.read(course.solved_path(source), 4)
    learner = nbformat.read(course.learner_path(source), 4)
    solved.cells[0].source += "\n\n[![Open in Colab](https://badge)](https://elsewhere)"
    cells = Page(source, optimizers, solved, learner, "<p>elsewhere</p>").notebook().cells
    text = "\n".join(cell.source for cell in cells)
    assert cells[0].source.endswith("<p>elsewhere</p>")
    for left in (
        "badge",
        "Work on it yourself",
        "../",
        "check.quiz",
        "check.cards",
        "check.reveal",
    ):
        assert left not in text
    assert 'check("predict' not in text and "](gradient_descent.ipynb" in text
    assert len({cell.id for cell in cells}) == len(cells)


def test_the_cards_of_several_lessons_are_one_deck():
    first, second = asked(a=""), Lesson("more", 'A "title"?')
    for check, number in ((first, 1), (second, 2), (second, 3)):
        check.card(f"Card `{number}`?", "Yes.")
    made = questions.cards([first, second])
    assert [f"{n} / 3</span> Card <code>{n}</code>?" in made for n in (1, 2, 3)] == [True] * 3
    assert made.count('data-lesson="more" data-card="Card `') == 2
    assert '<a href="lessons/more.html">A &quot;title&quot;?</a>' in made
    assert "href" not in questions.cards([first])


def test_pages_are_written_where_they_changed_and_removed_where_they_are_gone(tmp_path):
    stage(iter([("a.md", "one"), ("b/c.md", "two")]), tmp_path)
    before = (tmp_path / "a.md").stat().st_mtime_ns
    stage(iter([("a.md", "one"), ("d.md", "three")]), tmp_path)
    assert (tmp_path / "a.md").stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.rglob("*.md")) == ["a.md", "d.md"]


def test_a_text_stays_as_it_is():
    assert escaped("a_b `c_d` <e> [f] $g*") == r"a\_b `c_d` \<e\> \[f\] \$g\*"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Take `x` and `a + b`.", "Take :py:obj:`x` and ``a + b``."),
        ("All `Layer`s, `y`.", r"All :py:obj:`Layer`\ s, :py:obj:`y`."),
        ("One\n`a +\nb` and ``c`` stay.", "One\n``a + b`` and ``c`` stay."),
        ("val_, 2**3 and |x|", r"val\_, 2\*\*3 and \|x\|"),
        (">>> f('`x`', 2**3)\n...", ">>> f('`x`', 2**3)\n..."),
        ("```\na `b`\n\nc_\n```", "\n.. code-block:: text\n\n    a `b`\n\n    c_\n\n"),
        ("  ```python\n  a\n  ```", "\n  .. code-block:: python\n\n      a\n\n"),
    ],
)
def test_a_docstring_is_rewritten(text, wanted, docstrings):
    assert "\n".join(docstrings.to_rst(text.split("\n"), module=False)).rstrip() == wanted.rstrip()


def test_an_indented_paragraph_of_a_module_is_code(docstrings):
    made = docstrings.to_rst(["Use it:", "", "    go(1)", "", "Done."], module=True)
    assert made[:5] == ["Use it:", "", "::", "", "    go(1)"]


def test_formulas_are_mathml():
    made = mathml(r"\underbrace{x}_{\text{bias}}", block=True)
    assert made.count("<munder") == 2 and "msub" not in made
    assert 'display="block"' in made and "display" not in mathml("x", block=False)
    with pytest.raises(MathError):
        mathml(r"\nosuchthing{x}", block=False)


def test_a_formula_in_a_hint_is_one_too():
    assert "<mi>h</mi>" in questions.words("where $h < 1$, for $5 or `$x$`")
    assert "for $5 or <code>$x$</code>" in questions.words("where $h < 1$, for $5 or `$x$`")


def test_each_public_name_stands_in_the_reference_once():
    text = "\n".join(text for _, text in reference.pages())
    for name in ("TripletLoss", "fit_many", "cross_validate", "explore", "EWC", "ReplicaModel"):
        assert (
            text.count(f".. autoclass:: {name}\n") + text.count(f".. autofunction:: {name}\n") == 1
        )


def test_every_lesson_is_found_and_none_is_listed_by_hand():
    slugs = {source.slug for source in Course().sources}
    for path in [*(ROOT / "docs" / "site").rglob("*.*"), *(ROOT / "tools").glob("*site*.py")]:
        if path.suffix in (".md", ".py", ".js", ".css"):
            text = path.read_text(encoding="utf-8")
            named = [s for s in slugs if f"lessons/{s}" in text or f'"{s}"' in text]
            assert len(named) <= 1, path  # an example
