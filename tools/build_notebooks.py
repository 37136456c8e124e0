"""Builds every generated file of the course from the lessons' sources.

    python tools/build_notebooks.py                  build what changed
    python tools/build_notebooks.py training_loop    build one lesson
    python tools/build_notebooks.py --force          run every lesson again (after a change in
                                                     coursekit or in a version)
    python tools/build_notebooks.py --check          change nothing; fail if a file is out of date
    python tools/build_notebooks.py --repository owner/name
                                                     set the public address: badges, setup cells

From notebooks/source/NN_slug.py it writes notebooks/NN_slug.ipynb (what the learner opens),
notebooks/solutions/NN_slug.ipynb (solved, executed), coursekit/lessons/_solutions/slug.json,
notebooks/INDEX.md and the lesson table in README.md.
"""

import argparse
import copy
import csv
import hashlib
import json
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
from lesson_source import Source, SourceError, solved, stub
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
FROM_REPOSITORY = """\
try:
    import coursekit
except ModuleNotFoundError:  # on Colab, the first time
    %pip install -q "git+https://github.com/{repository}"
"""
FROM_WHEEL = """\
try:
    import coursekit
except ModuleNotFoundError:  # on Colab, the first time
    import glob

    wheel = sorted(glob.glob("keras_coursekit-*.whl"))[-1:]
    way = "Upload the wheel that `make wheel` builds (Files, on the left); run this cell again."
    if not wheel:
        raise ModuleNotFoundError(way) from None
    %pip install -q {wheel[0]}
"""
BOOTSTRAP = re.compile(r"\Atry:\n(?:[ \t].*\n|except .*\n|\n)*")
TABLE = re.compile(r"(<!-- lessons: generated -->\n).*?(<!-- end of lessons -->)", re.S)


class Course:
    """The files of the course under one folder."""

    def __init__(self, root: Path = ROOT):
        self.root, self.notebooks = root, root / "notebooks"
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        self.repository = project["tool"]["coursekit"]["repository"]
        self.sources = [Source(p) for p in sorted((self.notebooks / "source").glob("[0-9]*.py"))]
        rows = (self.notebooks / "topics.tsv").read_text(encoding="utf-8").splitlines()
        self.topics = {r["id"]: r for r in csv.DictReader(rows, delimiter="\t")}

    def validate(self) -> None:
        """Raise SourceError if a source cannot be built, or a topic is unknown or has two homes."""
        homes = {}
        for source in self.sources:
            source.validate()
            for topic in source.topics():
                if topic not in self.topics:
                    raise SourceError(f"{source.path.name}: no topic is called {topic!r}.")
                if topic in homes:
                    raise SourceError(f"topic {topic!r}: in {homes[topic]} and {source.name}.")
                homes[topic] = source.name

    def homeless(self) -> list[str]:
        """Return the topics that no lesson carries yet."""
        return sorted(set(self.topics) - {t for s in self.sources for t in s.topics()})

    def solved_path(self, source: Source) -> Path:
        """Return where the solved notebook of a lesson lies."""
        return self.notebooks / "solutions" / f"{source.name}.ipynb"

    def solved_notebook(self, source: Source) -> NotebookNode:
        """Make the solved notebook, not executed."""
        link = f"Solved and executed. [Work on it yourself](../{source.name}.ipynb)."
        return self._notebook(source, solved, link)

    def learner_notebook(self, source: Source) -> NotebookNode:
        """Make what the learner opens: stubs, no outputs."""
        link = f"[See it executed](solutions/{source.name}.ipynb)."
        return self._notebook(source, stub, link)

    def _notebook(self, source, transform, link) -> NotebookNode:
        nb = copy.deepcopy(source.notebook)
        nb.metadata = NotebookNode(
            kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
            language_info={"name": "python"},
        )
        seen = {}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.source = transform(cell.source)
                cell.outputs, cell.execution_count = [], None
            tags = cell.metadata.get("tags", [])
            if "setup" in tags:
                template = FROM_REPOSITORY if self.repository else FROM_WHEEL
                start = template.replace("{repository}", self.repository)
                cell.source = f"{start}\n{cell.source}"
                tags = [*tags, "nbval-ignore-output"]  # it names versions and devices
            if cell is nb.cells[0]:
                cell.source += f"\n\nAbout {source.minutes} minutes. {link}{self._badge(source)}"
            kept = {"tags": tags, "jupyter": cell.metadata.get("jupyter")}
            cell.metadata = NotebookNode({k: v for k, v in kept.items() if v})
            digest = hashlib.sha1(cell.source.encode()).hexdigest()[:8]
            seen[digest] = seen.get(digest, 0) + 1  # an inserted cell changes no other cell's id
            cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        return nb

    def _badge(self, source) -> str:
        if not self.repository:
            return ""
        link = COLAB.format(repository=self.repository, name=source.name)
        return f"\n\n[![Open in Colab]({BADGE})]({link})"

    def plain_products(self) -> dict[Path, str]:
        """Return the generated files that need no kernel, with what they must hold."""
        texts = {self.notebooks / "INDEX.md": self._index()}
        for source in self.sources:
            learner = nbformat.writes(self.learner_notebook(source)) + "\n"
            texts[self.notebooks / f"{source.name}.ipynb"] = learner
            file = self.root / "coursekit" / "lessons" / "_solutions" / f"{source.slug}.json"
            texts[file] = json.dumps(source.solutions(), indent=1, ensure_ascii=False) + "\n"
        readme = self.root / "README.md"
        table = self._lesson_table()
        text = readme.read_text(encoding="utf-8")
        texts[readme] = TABLE.sub(lambda m: f"{m[1]}{table}{m[2]}", text)
        return texts

    def _lesson_table(self) -> str:
        rows = ["| | lesson | minutes | runs on | |", "|---|---|---|---|---|"]
        for s in self.sources:
            links = (
                f"[open](notebooks/{s.name}.ipynb), [solved](notebooks/solutions/{s.name}.ipynb)"
            )
            number, backends = s.name[:2], ", ".join(s.backends)
            rows.append(f"| {number} | {s.title} | {s.minutes} | {backends} | {links} |")
        return "\n".join(rows) + "\n"

    def _index(self) -> str:
        lines = [
            "# Where each topic is taught",
            "",
            "| topic | lesson | section |",
            "|---|---|---|",
        ]
        for source in self.sources:
            for topic, heading in source.topics().items():
                anchor = heading.replace(" ", "-")
                link = f"[{heading}]({source.name}.ipynb#{anchor})"
                lines.append(f"| {self.topics[topic]['topic']} | {source.title} | {link} |")
        missing = self.homeless()
        lines += ["", f"{len(missing)} of {len(self.topics)} topics have no lesson yet."]
        return "\n".join(lines) + "\n"


def execute(nb: NotebookNode) -> None:
    """Run a solved notebook, in a folder and with a progress of its own; a wrong answer stops."""
    with tempfile.TemporaryDirectory() as folder:
        fixed = {"COURSEKIT_STRICT": "1", "COURSEKIT_HOME": folder, "PYTHONHASHSEED": "0"}
        fixed |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": folder}
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(nb, timeout=600, coalesce_streams=True, resources=resources)
        metadata = copy.deepcopy(nb.metadata)
        client.execute(env=os.environ | fixed)
    nb.metadata = metadata  # without the version of this Python
    for cell in nb.cells:
        cell.metadata.pop("execution", None)
        for out in cell.get("outputs", []):
            if out.output_type == "stream":  # the time of a step differs at every run
                out.text = re.sub(r" - \d+s - \d+(ms|us|s)/step", "", out.text)


def read(path: Path) -> NotebookNode | None:
    """Read a notebook; None if there is none, or a merge has broken it."""
    try:
        return nbformat.read(path, 4)
    except (OSError, ValueError, nbformat.ValidationError):
        return None


def same_cells(a: NotebookNode | None, b: NotebookNode) -> bool:
    """Tell whether two notebooks have the same cells, whatever their outputs."""

    def cells(nb):
        return [(c.cell_type, c.id, c.source, dict(c.metadata)) for c in nb.cells]

    return a is not None and cells(a) == cells(b)


def take_outputs(old: NotebookNode | None, new: NotebookNode) -> bool:
    """Copy the outputs of an older build, if its code is the same; tell whether it was."""

    def code(nb):
        return [c for c in nb.cells if c.cell_type == "code"]

    def sources(nb):
        return [BOOTSTRAP.sub("", c.source) for c in code(nb)]

    if old is None or sources(old) != sources(new):
        return False
    for before, after in zip(code(old), code(new), strict=True):
        after.outputs, after.execution_count = before.outputs, before.execution_count
    return True


def problems(course: Course) -> list[str]:
    """Return what is out of date, a line each."""
    found = []
    for path, text in course.plain_products().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found.append(f"{path.relative_to(course.root)} does not match its source")
    for source in course.sources:
        path = course.solved_path(source)
        name, nb = path.relative_to(course.root), read(path)
        if not same_cells(nb, course.solved_notebook(source)):
            found.append(f"{name} does not match its source")
            continue
        code = [c for c in nb.cells if c.cell_type == "code"]
        outputs = [o for c in code for o in c.outputs]
        if any(c.execution_count is None for c in code):
            found.append(f"{name}: a cell was not run")  # nbval would pass it without a look
        if any(o.get("name") == "stderr" or o.output_type == "error" for o in outputs):
            found.append(f"{name}: a warning or an error is stored as output")
    names = {s.name for s in course.sources}
    for path in [*course.notebooks.glob("*.ipynb"), *course.notebooks.glob("solutions/*.ipynb")]:
        if path.stem not in names:
            found.append(f"{path.relative_to(course.root)} has no source: delete it")
    return found


def build(course: Course, only: str | None = None, force: bool = False) -> None:
    """Write what is out of date; run the lessons whose code changed."""
    for source in course.sources:
        path = course.solved_path(source)
        nb = course.solved_notebook(source)
        if only not in (None, source.slug, source.name):
            continue
        if force or not take_outputs(read(path), nb):
            print(f"running {source.name} ...", flush=True)
            execute(nb)
        write(path, nbformat.writes(nb) + "\n")
    for path, text in course.plain_products().items():
        write(path, text)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, and only if it changes."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    print(f"wrote {path.name}")


def set_repository(root: Path, repository: str) -> None:
    """Write the public address into pyproject.toml."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+|", repository):
        raise SourceError(f"the address has the form owner/name. Received: {repository!r}")
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    write(path, re.sub(r'(?m)^repository = ".*"$', f'repository = "{repository}"', text))


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Build the course's notebooks.")
    parser.add_argument("lesson", nargs="?", help="one lesson: training_loop or 02_training_loop")
    parser.add_argument("--force", action="store_true", help="run unchanged lessons too")
    parser.add_argument("--check", action="store_true", help="only tell what is out of date")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="set the public address")
    args = parser.parse_args(argv)
    try:
        if args.repository is not None:
            set_repository(root, args.repository)
        course = Course(root)
        course.validate()
        if args.lesson and args.lesson not in {n for s in course.sources for n in (s.slug, s.name)}:
            names = ", ".join(s.slug for s in course.sources)
            raise SourceError(f"no lesson is called {args.lesson!r}. There are: {names}.")
        if not args.check:
            build(course, args.lesson, args.force)
        found = problems(course)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    missing = course.homeless()
    print(f"{len(course.topics) - len(missing)} of {len(course.topics)} topics have a home.")
    if found:
        print("\n".join([*found, "Run: python tools/build_notebooks.py"]), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
