"""Builds the website of the course in build/site: lessons, topics, cards, reference.

    python tools/build_site.py            build; a warning is an error

The lessons are the solved notebooks as they are stored: nothing is executed. Their questions, hints
and cards come from `coursekit.lessons`, the reference from the docstrings, links to Colab and
Binder from the repository in pyproject.toml. The site asks nothing of the network, and works from a
folder.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import nbformat
import site_questions as questions
import site_reference as reference
from build_notebooks import ROOT, Course, dumps, table_row
from lesson_source import Source, SourceError
from site_pages import Page, launch_links, topic_place

from coursekit.exercises import Lesson

SITE, SOURCE, OUT = ROOT / "docs" / "site", ROOT / "build" / "site-source", ROOT / "build" / "site"
SETTINGS = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Website:
    """The pages of the site, as the texts that Sphinx reads."""

    def __init__(self, root: Path = ROOT):
        self.course = Course(root)
        self.course.validate()
        self.checks: dict[str, Lesson] = {
            s.slug: import_module(f"coursekit.lessons.{s.slug}").check for s in self.course.sources
        }

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield each page with its name; the pages of docs/site are among them."""
        for path in sorted(SITE.glob("*.md")):
            text = path.read_text(encoding="utf-8")
            yield path.name, text.replace("<!-- lessons -->", self._lesson_table("lessons/"))
        for source in self.course.sources:
            yield f"lessons/{source.slug}.ipynb", self._page(source)
        yield "lessons/index.md", self._lessons()
        yield "topics.md", self._topics()
        yield "cards.md", self._cards()
        yield "progress.md", self._progress()
        yield from reference.pages()

    def _page(self, source: Source) -> str:
        solved, learner = (
            nbformat.read(path, as_version=4)
            for path in (self.course.solved_path(source), self.course.learner_path(source))
        )
        launch = launch_links(self.course.repository, source.name)
        return dumps(Page(source, self.checks[source.slug], solved, learner, launch).notebook())

    def _lesson_table(self, folder: str) -> str:
        rows = [
            table_row(s.number, f"[{s.title}]({folder}{s.slug}.ipynb)", s.minutes)
            for s in self.course.sources
        ]
        return "\n".join([table_row("no.", "lesson", "minutes"), "|---|---|---|", *rows])

    def _lessons(self) -> str:
        names = "\n".join(f"{s.number}. {s.title} <{s.slug}>" for s in self.course.sources)
        tree = f"```{{toctree}}\n:hidden:\n\n{names}\n```"
        return f"# Lessons\n\n{self._lesson_table('')}\n\n{tree}\n"

    def _topics(self) -> str:
        """Return every topic that a lesson carries, with a link to its place there."""
        parts = ["# Topics", "Where each topic is taught, lesson by lesson."]
        for source in filter(Source.topics, self.course.sources):
            links = [
                f"- [{escaped(self.course.topics[topic]['topic'])}](#{source.slug}-{place})"
                for topic, place in ((t, topic_place(t)) for t in source.topics())
            ]
            parts += [f"## {source.number}. {source.title}", "\n".join(links)]
        return "\n\n".join(parts) + "\n"

    def _cards(self) -> str:
        deck = questions.cards(list(self.checks.values()))
        how = (
            "The cards of all lessons, the due ones first. Say your answer, then turn the card: a "
            "known one comes back after 1, 3 and 7 days. Keys: Enter turns, the arrows move, 1 "
            "says that you knew it, 2 asks again."
        )
        return f"# Cards\n\n{how}\n\n{deck}\n"

    def _progress(self) -> str:
        lessons = [
            {
                "slug": source.slug,
                "title": f"{source.number}. {source.title}",
                "exercises": list(self.checks[source.slug].exercises),
                "quiz": {k: q.answer for k, q in self.checks[source.slug].questions.items()},
                "cards": [question for question, _ in self.checks[source.slug].card_texts],
            }
            for source in self.course.sources
        ]
        data = json.dumps(lessons, ensure_ascii=False).replace("</", "<\\/")
        script = f'<script type="application/json" id="ck-lessons">{data}</script>'
        return (SITE / "parts" / "progress.md").read_text(encoding="utf-8") + f"\n{script}\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, but for its parts in backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(p if p[:1] == "`" else re.sub(r"([\\*_\[\]<>$])", r"\\\1", p) for p in parts)


def stage(texts: Iterator[tuple[str, str]], folder: Path) -> None:
    """Write the pages where they are new or have changed, and remove those that are gone."""
    there = {path for path in folder.rglob("*") if path.is_file()}
    for name, text in texts:
        path = folder / name
        there.discard(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in there:
        path.unlink()


def build(source: Path = SOURCE, out: Path = OUT, website: Callable[[], Website] = Website) -> int:
    """Build the site; return 0, or what Sphinx returns for a warning or an error."""
    os.environ |= SETTINGS | os.environ
    shutil.rmtree(out, ignore_errors=True)  # the page of a lesson that is gone
    stage(website().texts(), source)
    from sphinx.cmd.build import build_main

    doctrees = source.with_name(f"{source.name}-doctrees")
    quiet = ["-q", "-E", "-W", "--keep-going", "-j", "auto", "-d", doctrees, "-c", SITE]
    code = build_main([*map(str, [*quiet, source, out])])
    shutil.rmtree(out / "_sources", ignore_errors=True)
    (out / "_static" / "webpack-macros.html").unlink(missing_ok=True)  # a template of the theme's
    return code


def main(arguments: list[str] | None = None) -> int:
    """Build the site, say where it lies, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    try:
        code = build()
    except (SourceError, questions.QuestionError) as error:
        print(error, file=sys.stderr)
        return 1
    if code == 0:
        print(f"Open {OUT / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
