"""What a learner sees: one card, as HTML in Jupyter and Colab and as plain text elsewhere.

Every text is escaped; the state stands in words as well as in mark and colour; colours are only
borders and marks, readable on light and on dark pages; nothing needs JavaScript, and the same card
gives the same bytes every time.
"""

import html
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

LOOKS = {  # state: mark, words, colour (at least 3 : 1 against white and against near-black)
    "correct": ("✓", "Correct", "#2f8f46"),
    "wrong": ("✗", "Not right yet", "#d1495b"),
    "missed": ("✗", "Not this time", "#d1495b"),
    "raised": ("!", "Your code stopped with an error", "#c4622d"),
    "todo": ("○", "Not done yet", "#9a7411"),
    "broken": ("?", "Our check failed, not you", "#8a63d2"),
    "note": ("·", "", "#5b7fa6"),
}
CODE = re.compile("`([^`\n]+)`")


def _marked(text: str) -> str:
    return CODE.sub(r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")


@dataclass(frozen=True)
class Text:
    """A paragraph. Here, in titles and in summaries, parts in backticks are shown as code."""

    text: str
    quiet: bool = False

    def html(self) -> str:
        """Return the paragraph as HTML."""
        style = "margin:6px 0 0;overflow-wrap:anywhere" + (";opacity:.8" if self.quiet else "")
        return f'<p style="{style}">{_marked(self.text)}</p>'

    def plain(self) -> str:
        """Return the paragraph as plain text."""
        return self.text


@dataclass(frozen=True)
class Code:
    """Lines of code, or what a program printed."""

    text: str

    def html(self) -> str:
        """Return the lines in a box of their own."""
        box = "margin:6px 0 0;padding:6px 10px;border:1px solid #8886;overflow-x:auto"
        return f'<pre style="{box}">{html.escape(self.text)}</pre>'

    def plain(self) -> str:
        """Return the lines, indented."""
        return "\n".join(f"    {line}" for line in self.text.splitlines())


@dataclass(frozen=True)
class Fold:
    """A summary line that opens on a click or on Enter."""

    summary: str
    blocks: Sequence["Text | Code"]

    def html(self) -> str:
        """Return a details element."""
        inside = "".join(b.html() for b in self.blocks)
        summary = f'<summary style="cursor:pointer">{_marked(self.summary)}</summary>'
        return f'<details style="margin:6px 0 0">{summary}{inside}</details>'

    def plain(self) -> str:
        """Return the summary and, since a terminal can't fold, what is inside."""
        return "\n".join([self.summary, *(b.plain() for b in self.blocks)])


@dataclass(frozen=True)
class Card:
    """A state, a title and some blocks."""

    state: str
    title: str
    blocks: Sequence[Text | Code | Fold] = ()

    def heading(self) -> str:
        """Return mark, state and title in words."""
        mark, words, _ = LOOKS[self.state]
        return f"{mark} {words}: {self.title}" if words else f"{mark} {self.title}"

    def __repr__(self):
        return "\n".join([self.heading(), *(b.plain() for b in self.blocks)])

    def _repr_html_(self) -> str:
        mark, words, colour = LOOKS[self.state]
        label = f"{html.escape(words)}: " if words else ""
        head = (
            f'<span style="color:{colour};font-weight:bold" aria-hidden="true">{mark}</span> '
            f"<b>{label}{_marked(self.title)}</b>"
        )
        inside = "".join(b.html() for b in self.blocks)
        box = f"border-left:4px solid {colour};padding:4px 12px;margin:8px 0;max-width:50em"
        return f'<div style="{box}">{head}{inside}</div>'


def show(card: Card) -> None:
    """Display a card in a notebook, or print it, in whatever letters the terminal has."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(_encodable(str(card), sys.stdout.encoding or "utf-8"))
        return
    from IPython.display import display

    forms = {"text/html": card._repr_html_(), "text/plain": repr(card)}
    display({k: _encodable(v) for k, v in forms.items()}, raw=True)


def _encodable(text: str, encoding: str = "utf-8") -> str:
    return text.encode(encoding, "replace").decode(encoding)
