"""A card is safe, readable on light and on dark pages, and the same every time."""

import io
import re
import sys
from html.parser import HTMLParser

import pytest

from coursekit.exercises import cards
from coursekit.exercises.cards import LOOKS, Card, Code, Fold, Text, show

pytestmark = pytest.mark.any_backend
NASTY = "<script>alert('1')</script> & \"quotes\" <img src=x onerror=alert(1)>"
PAGES = "#ffffff", "#111111"


def card(state="wrong", text="one `code` word\ntwo"):
    return Card(state, "Title", [Text(text), Code("a = 1\nb"), Fold("More", [Text("in")]),
                                 Text("quiet", quiet=True)])  # fmt: skip


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that each tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.open, self.text = set(), {}, [], ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes.update(attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


# What is in it.


@pytest.mark.parametrize("state", LOOKS)
@pytest.mark.parametrize(
    "make",
    [
        lambda state: Card(state, NASTY),
        lambda state: Card(state, "T", [Text(NASTY)]),
        lambda state: Card(state, "T", [Text(f"`{NASTY}`")]),
        lambda state: Card(state, "T", [Code(NASTY)]),
        lambda state: Card(state, "T", [Fold(NASTY, [Text(NASTY), Code(NASTY)])]),
    ],
    ids=["title", "text", "code in a text", "code", "fold"],
)
def test_every_text_is_escaped(state, make):
    tags = Tags(make(state)._repr_html_())
    assert tags.names <= {"div", "span", "b", "p", "code", "pre", "details", "summary", "br"}
    assert set(tags.attributes) <= {"style", "aria-hidden"}
    assert NASTY in tags.text


def test_no_script():
    page = card()._repr_html_()
    assert not re.search(r"<script|on\w+=|javascript:|<style|id=|class=", page)


def test_a_fold_is_details_and_summary():
    page = Fold("More", [Text("in"), Code("x")]).html()
    assert re.fullmatch(r"<details.*<summary.*>More</summary>.*in.*<pre.*>x</pre></details>", page)


def test_the_same_card_gives_the_same_bytes():
    assert card()._repr_html_() == card()._repr_html_()
    assert repr(card()) == repr(card())


def test_backticks_are_code_and_lone_ones_stay():
    assert "<code>code</code> word<br>two" in card()._repr_html_()
    assert "<b>Not right yet: <code>mse</code></b>" in Card("wrong", "`mse`")._repr_html_()
    assert "<code>x</code></summary>" in Fold("what is `x`", []).html()
    assert Text("a ` b\nc ` d").html().count("<code>") == 0


@pytest.mark.parametrize("state", LOOKS)
def test_the_state_stands_in_words(state):
    mark, words, _ = LOOKS[state]
    heading = f"{mark} {words}: Title" if words else f"{mark} Title"
    assert repr(card(state)).splitlines()[0] == heading
    assert Tags(card(state)._repr_html_()).text.startswith(heading)


def test_states_differ_without_colour():
    assert len({words for _, words, _ in LOOKS.values()}) == len(LOOKS)


def test_plain_text():
    assert repr(card()).splitlines()[1:] == [
        "one `code` word", "two", "    a = 1", "    b", "More", "in", "quiet",
    ]  # fmt: skip


# Colours.


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the ratio of WCAG 2, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_defined():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("state", LOOKS)
def test_colours_can_be_seen(state, page):
    assert contrast(LOOKS[state][2], page) >= 3


def test_no_text_is_coloured():
    """Only marks and borders are: a text has the page's own colour."""
    coloured = re.findall(r"<(\w+)[^>]*[;\"]color:", card()._repr_html_())
    assert coloured == ["span"]


# Where it is shown.


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_any_terminal_can_show_it(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    show(card("correct", "lone \ud800 surrogate, ✓"))
    sys.stdout.flush()
    text = raw.getvalue().decode(encoding)
    assert "Correct: Title" in text
    assert ("✓ Correct" in text) == (encoding == "utf-8")


def test_a_stream_without_an_encoding(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    show(card())
    assert out.getvalue() == f"{card()}\n"


def test_in_a_notebook(monkeypatch):
    IPython = pytest.importorskip("IPython")
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    show(card(text="lone \ud800 surrogate"))
    (((forms,), options),) = shown
    assert options == {"raw": True}
    assert set(forms) == {"text/html", "text/plain"}
    assert "lone ? surrogate" in forms["text/html"]
    assert forms["text/plain"].startswith("✗ Not right yet: Title")
    for text in forms.values():
        text.encode("utf-8")


def test_without_ipython(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    cards.show(card())
    assert capsys.readouterr().out == f"{card()}\n"
