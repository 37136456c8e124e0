"""Makes a page of a lesson: its solved notebook, with what the lesson asks written into it.

Nothing is executed. A page is called by the lesson's slug, an exercise and a topic on it by their
names, so that a link survives a new number and a new title.
"""

import copy
import re

import site_questions as questions
from lesson_source import Source
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from coursekit.exercises import Lesson

ASKED = re.compile(r'^check\("(\w+)".*\n*', re.M)
REVEALED = re.compile(r'^check\.reveal\("(\w+)"\)\n*', re.M)
LINK = re.compile(r"\]\((?:\.\./)?\d\d_(\w+)\.ipynb")
OWN = re.compile(r" Solved and executed\. \[Work on it yourself\]\([^)]*\)\.(\n\n\[!\[Open.*)?")
NUMBERED = re.compile(r"^#{2,4} (E\d+\.\d+) ", re.M)
HEADING = re.compile(r"^#{1,4} (.+)$", re.M)
FENCED = re.compile(r"(^```.*?^```)", re.M | re.S)

FIGURE = "The code of this figure"


class Page:
    """A lesson as a page.

    Args:
        source: the lesson's source, for its topics.
        check: the lesson's checks.
        solved: its solved notebook, executed.
        learner: the same cells as the learner gets them.
        launch: HTML with links that open the notebook elsewhere, or nothing.
    """

    def __init__(
        self,
        source: Source,
        check: Lesson,
        solved: NotebookNode,
        learner: NotebookNode,
        launch: str = "",
    ):
        self.check, self.launch = check, launch
        self.solved, self.learner = solved, learner
        self.places: dict[str, list[str]] = {}  # heading: the names of links to it
        for topic, heading in source.topics().items():
            self.places.setdefault(heading, []).append(topic_place(topic))
        self.numbers = {e.title.split()[0]: name for name, e in check.exercises.items()}

    def notebook(self) -> NotebookNode:
        """Return the notebook that Sphinx reads."""
        book, above = copy.deepcopy(self.solved), ""
        cells = []
        for number, cell in enumerate(book.cells):
            if cell.cell_type == "markdown":
                above = cell.source
                cell.source = self._text(cell.source, first=number == 0)
                cells.append(cell)
            else:
                cells += self._code(cell, self.learner.cells[number].source, above)
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        book.cells = cells
        return book

    def _text(self, text: str, first: bool) -> str:
        parts = FENCED.split(LINK.sub(r"](\1.ipynb", text))
        parts[::2] = [HEADING.sub(self._heading, part) for part in parts[::2]]
        text = "".join(parts)
        if not first:
            return text
        # A lesson's number is part of its title, not the first item of a list.
        return OWN.sub("", text) + (f"\n\n{self.launch}" if self.launch else "")

    def _heading(self, match: re.Match) -> str:
        """Put the names of links to a heading in front of it."""
        names = self.places.get(match[1], [])
        if numbered := NUMBERED.match(match[0]):
            names = [*names, questions.anchor(self.numbers[numbered[1]])]  # the last is the first
        return "".join(f"({self.check.slug}-{name})=\n" for name in names) + match[0]

    def _code(self, cell: NotebookNode, stub: str, above: str) -> list[NotebookNode]:
        """Return the cells that stand for a cell of code."""
        tags = cell.metadata.setdefault("tags", [])
        if "setup" in tags:
            return [_folded(cell, "hide-cell", "The setup")]
        if cell.source.startswith("check.quiz()"):
            return _section("Quiz", questions.quiz(self.check))
        if "check.cards()" in cell.source:
            return _section("Cards of this lesson", questions.cards([self.check]))
        asked = ASKED.findall(cell.source)
        if asked and asked[0] in self.check.questions:
            return []  # their answers: the quiz above asks them
        if cell.source == "check.summary()":
            return []  # of what the authors did
        if cell.source.startswith("check.decide("):
            return [_folded(cell, "hide-cell", "What we decided")]
        made = [
            _raw(questions.prediction(self.check, name, above))
            for name in asked
            if name in self.check.predictions
        ]
        cell.outputs = [_readable(out) for out in cell.outputs if not _is_the_authors(out)]
        cell.source = ASKED.sub(
            lambda m: "" if m[1] in self.check.predictions else m[0], cell.source
        ).strip("\n")
        if not cell.source:
            return made
        exercises = [name for name in asked if name in self.check.exercises]
        if exercises:
            return made + self._exercise(cell, stub, exercises)
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
        if revealed := REVEALED.findall(cell.source):
            return [*made, *self._outcome(cell, revealed, hidden)]
        if hidden:
            _folded(cell, "hide-input", FIGURE)
        return [*made, cell]

    def _exercise(self, cell, stub, names) -> list[NotebookNode]:
        task = new_markdown_cell(f"```python\n{stub}\n```")
        told = [_raw(questions.hints(self.check, name)) for name in names]
        whys = [_raw(questions.why(self.check, name)) for name in names]
        return [task, *told, _folded(cell, "hide-cell", "A solution"), *whys]

    def _outcome(self, cell, names, hidden) -> list[NotebookNode]:
        """Fold what comes out; the page keeps it back until the prediction is made."""
        cell.source = REVEALED.sub("", cell.source).strip("\n")
        outcome = _folded(copy.deepcopy(cell), "hide-output", "What happened")
        outcome.metadata.tags += [f"after-{questions.anchor(name)}" for name in names]
        if not hidden:
            return [outcome]
        outcome.metadata.tags.append("remove-input")
        cell.outputs = []
        return [_folded(cell, "hide-input", FIGURE), outcome]


def topic_place(topic: str) -> str:
    """Return the name of the place where a topic is taught, without the lesson's."""
    return f"topic-{topic}"


def launch_links(repository: str, name: str) -> str:
    """Return links that open a lesson's notebook in Colab and Binder; nothing without an address.

    Args:
        repository: owner/name, or "".
        name: of the notebook, as 02_training_loop.
    """
    if not repository:
        return ""
    path = f"notebooks/{name}.ipynb"
    links = {
        "Open in Colab": f"https://colab.research.google.com/github/{repository}/blob/main/{path}",
        "Open in Binder": f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{path}",
        "The notebook": f"https://github.com/{repository}/blob/main/{path}",
    }
    made = " ".join(f'<a href="{link}">{text}</a>' for text, link in links.items())
    return f'<p class="ck-launch">{made}</p>'


def _raw(text: str) -> NotebookNode:
    # A blank line would end the block of HTML.
    return new_markdown_cell(re.sub(r"\n\s*\n", "\n", text).strip())


def _section(title: str, text: str) -> list[NotebookNode]:
    return [new_markdown_cell(f"## {title}"), _raw(text)]


def _folded(cell: NotebookNode, tag: str, prompt: str) -> NotebookNode:
    cell.metadata.setdefault("tags", []).append(tag)
    cell.metadata["mystnb"] = {"code_prompt_show": prompt, "code_prompt_hide": prompt}
    return cell


def _is_the_authors(output: NotebookNode) -> bool:
    """Whether an output compares with the prediction that the authors made."""
    return "You predict" in output.get("data", {}).get("text/plain", "").split("\n")[0]


def _readable(output: NotebookNode) -> NotebookNode:
    """Take the empty heads out of a table of pandas: a screen reader has nothing to say there."""
    if text := output.get("data", {}).get("text/html"):
        output.data["text/html"] = text.replace("<th></th>", "<td></td>")
    return output
