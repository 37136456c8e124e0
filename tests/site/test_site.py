"""The whole site: every link inside it, axe-core on each kind of page, nothing from outside."""

import html
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from build_notebooks import Course

pytestmark = pytest.mark.slow

PAGES = ["index", "lessons/index", "lessons/optimizers", "topics", "cards", "progress", "api/index"]
PAGES += ["api/callbacks", "genindex", "search", "accessibility"]
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "width": 390},
}
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
AXE = "axe.run(document, {resultTypes: ['violations']})"


def axe() -> str:
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name, look, open_page):
    query = "?q=momentum" if name == "search" else ""
    page = open_page(f"{name}.html{query}", **LOOKS[look])
    if query:
        page.locator("#search-results li").first.wait_for()
    if name.startswith("lessons/opt"):
        page.locator("#predict-momentum input").first.check()
        page.locator("#predict-momentum button").click()
    page.evaluate(FRAMES)
    page.evaluate(axe())
    found = page.evaluate(AXE)["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0


OPEN_ALL = """() => {
  document.querySelectorAll('.ck-question').forEach(question => {
    question.querySelector('input').click();
    question.querySelector('button').click();
  });
  document.querySelectorAll('details').forEach(fold => { fold.open = true; });
}"""
OUT_OF_REACH = """() => {
  const all = [...document.querySelectorAll('pre')].filter(element => element.clientWidth > 0);
  const scroll = all.filter(element => element.scrollWidth > element.clientWidth);
  const lost = scroll.filter(element => element.tabIndex !== 0);
  return {scroll: scroll.length, lost: lost.map(element => element.textContent)};
}"""


@pytest.mark.parametrize("slug", [source.slug for source in Course().sources])
def test_what_shows_later_and_scrolls_is_reached_by_keyboard(slug, open_page):
    page = open_page(f"lessons/{slug}.html", width=390)
    page.evaluate(OPEN_ALL)
    page.evaluate(FRAMES)
    found = page.evaluate(OUT_OF_REACH)
    assert found["lost"] == [] and found["scroll"] > 3


def test_there_is_a_page_for_each_lesson_and_each_is_listed(site):
    listed = (site / "lessons" / "index.html").read_text(encoding="utf-8")
    for source in Course().sources:
        text = (site / "lessons" / f"{source.slug}.html").read_text(encoding="utf-8")
        assert f'href="{source.slug}.html"' in listed
        assert "ck-quiz" in text and "ck-cards" in text


def links(path: Path) -> set[str]:
    text = re.sub(r"<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.S)
    found = map(html.unescape, re.findall(r'(?:href|src)="([^"]+)"', text))
    return {link for link in found if not re.match(r"https?:|data:|mailto:|#$", link)}


def test_each_internal_link_leads_somewhere(site):
    places, broken, seen = {}, [], 0
    for path in site.rglob("*.html"):
        for link in links(path):
            address, place = urldefrag(link)
            target = (path.parent / unquote(address.split("?")[0])).resolve() if address else path
            seen += 1
            if target.suffix == ".html" and target.exists() and target not in places:
                ids = re.findall(r'\bid="([^"]+)"', target.read_text(encoding="utf-8"))
                places[target] = set(map(html.unescape, ids))
            if not target.exists() or (place and unquote(place) not in places.get(target, ())):
                broken.append((path.name, link))
    assert seen > 1000 and broken == []


def test_nothing_is_loaded_from_outside(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(\w+://[^"]+)"', text
        )
        assert loaded == [], path
    for path in (site / "_static").glob("*.css"):
        assert not re.search(
            r"(url\(|@import\s*)[\"']?https?:", path.read_text(encoding="utf-8")
        ), path


def test_the_search_works_from_a_folder(site, open_page):
    page = open_page("search.html?q=TripletLoss", base=site.as_uri() + "/")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert first.get_attribute("href") == "api/losses.html#coursekit.losses.TripletLoss"


def test_each_exercise_and_topic_has_a_place_that_lasts(site):
    for source in Course().sources:
        text = (site / "lessons" / f"{source.slug}.html").read_text(encoding="utf-8")
        exercises = [name.replace("_", "-") for name in source.solutions()]
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), source.slug
        assert {*exercises, *(f"topic-{topic}" for topic in source.topics())} <= {*ids}, source.slug
        beside = set(re.findall(r'class="headerlink" href="#([^"]+)"', text))
        assert {*exercises} <= beside, source.slug  # what one copies is what lasts
