"""A figure with a slider: in JupyterLab, in the site, in a sandboxed frame, and sanitised."""

import html
import re
from pathlib import Path

import nbformat
import pytest
import run_in_lab
from build_notebooks import Course
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.slow

SLIDER = "figure[data-explore] input[type=range]"


@pytest.fixture(scope="module")
def output():
    """The HTML of the slider in the lesson on optimizers, as it is stored."""
    course = Course()
    source = course.named(["optimizers"])[0]
    for cell in nbformat.read(course.solved_path(source), 4).cells:
        for out in cell.get("outputs", []):
            if "data-explore" in (made := out.get("data", {}).get("text/html", "")):
                return made
    raise AssertionError("there is none")


def captions(made):
    """The captions of all values, from the table below the figure."""
    return [html.unescape(c) for c in re.findall(r"<td[^>]*>(.*?)</td>", made)]


def move(page, frame, words):
    """Press the right arrow on the slider; the caption is that of the next value."""
    slider = frame.locator(SLIDER).first
    before = frame.locator("figure[data-explore] img").first.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    caption = frame.locator("figure[data-explore] figcaption").first
    assert caption.inner_text() == words[1]
    image = frame.locator("figure[data-explore] img").first
    for _ in range(50):
        if image.get_attribute("src") != before:
            break
        page.wait_for_timeout(50)
    assert image.get_attribute("src") != before and image.get_attribute("alt") == words[1]


def test_in_the_site(open_page, output):
    page = open_page("lessons/optimizers.html", 390)
    page.locator("#predict-momentum input").first.check()
    page.locator("#predict-momentum button").click()
    move(page, page, captions(output))


def test_in_a_sandboxed_frame(open_page, output, tmp_path):
    frame = f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(output, quote=True)}"></iframe>'
    (tmp_path / "frame.html").write_text(f"<!doctype html><meta charset=utf-8>{frame}")
    page = open_page("frame.html", base=tmp_path.as_uri() + "/")
    page.frame_locator("iframe").locator(SLIDER).wait_for()
    move(page, page.frame_locator("iframe"), captions(output))


def test_a_sanitised_copy_has_the_words_and_no_dead_control(open_page, output, tmp_path):
    clean = re.sub(r"<script>.*?</script>", "", output, flags=re.S)
    clean = re.sub(r' (style|data-[\w-]+)="[^"]*"', "", clean)
    (tmp_path / "clean.html").write_text(f"<!doctype html><meta charset=utf-8>{clean}")
    page = open_page("clean.html", base=tmp_path.as_uri() + "/")
    assert page.locator("input").count() == 0
    shown = page.locator("figcaption").inner_text()
    assert shown in captions(output) and page.locator("img").get_attribute("alt") == shown
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert [t.strip() for t in page.locator("td").all_inner_texts()] == captions(output)


def test_in_jupyterlab_it_keeps_its_keys(browser, output, tmp_path):
    notebook = tmp_path / "slider.ipynb"
    book = new_notebook(cells=[new_code_cell("1"), new_code_cell("2")])
    nbformat.write(book, notebook)
    run = "from IPython.display import HTML, display; display(HTML(open({!r}).read()))"
    (tmp_path / "output.html").write_text(output, encoding="utf-8")
    book.cells[1].source = run.format(str(tmp_path / "output.html"))
    nbformat.write(book, notebook)
    with run_in_lab._server(tmp_path, Path(notebook), dark=False) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.evaluate(run_in_lab.RUN_ALL, ["slider.ipynb", 60_000])
        page.locator(SLIDER).wait_for()
        cells = page.locator(".jp-Notebook .jp-Cell").count()
        move(page, page, captions(output))
        page.keyboard.press("d")
        page.keyboard.press("d")
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells
        page.close()
