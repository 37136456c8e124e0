"""Builds every generated file of the course from the lessons' sources.

    python tools/build_notebooks.py                  build what changed
    python tools/build_notebooks.py training_loop    build one lesson
    python tools/build_notebooks.py --force          run every lesson again (after a change in
                                                     coursekit or in a version)
    python tools/build_notebooks.py --check          change nothing; fail if a file is out of date
    python tools/build_notebooks.py --topics         list the topics that no lesson carries yet
    python tools/build_notebooks.py --repository owner/name
                                                     set the public address: badges, setup cells

From notebooks/source/NN_slug.py it writes notebooks/NN_slug.ipynb (what the learner opens),
notebooks/solutions/NN_slug.ipynb (solved, executed), coursekit/lessons/_solutions/slug.json,
coursekit/lessons/_numbers.json, notebooks/INDEX.md and the lesson table in README.md.
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
from collections.abc import Sequence
from pathlib import Path

import nbformat
from lesson_module import misfits
from lesson_source import Source, SourceError, refer, solved, stub
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from coursekit._files import write_whole

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = "tools/build_notebooks.py"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
RUN = """\
`.ci/run` runs every notebook, solved and untouched, on what is named here; on JAX the solved ones
where there is no TensorFlow, as on a Colab TPU."""
FIRST = """\
try:
    import coursekit.lessons
except ModuleNotFoundError as error:  # on Colab, the first time
    if error.name == "coursekit.lessons":
        way = "Another package is called coursekit: `%pip uninstall -y coursekit`, then restart."
        raise ModuleNotFoundError(way) from None
"""
FROM_REPOSITORY = f"""\
{FIRST}\
    %pip install -q "git+https://github.com/{{repository}}"
"""
FROM_WHEEL = f"""\
{FIRST}\
    import glob
    import re

    wheels = glob.glob("keras_coursekit-*.whl")
    wheels.sort(key=lambda name: [int(n) for n in re.findall(r"\\d+", name)])
    way = "Upload the wheel that `make wheel` builds (Files, on the left); run this cell again."
    if not wheels:
        raise ModuleNotFoundError(way) from None
    %pip install -q {{wheels[-1]}}
"""
BOOTSTRAP = re.compile(r"\Atry:\n(?:[ \t].*\n|except .*\n|\n)*")
ADDRESS = re.compile(r"(?!.*\.git$)[A-Za-z0-9-]+/[A-Za-z0-9._-]*[A-Za-z0-9_-]|")
SETTING = re.compile(r'^(\[tool\.coursekit\]\n(?:(?!\[).*\n)*?repository = )".*"$', re.M)
TABLE = re.compile(r"(<!-- lessons: generated[^>]*-->\n).*?(<!-- end of lessons -->)", re.S)


class Course:
    """The files of the course under one folder."""

    def __init__(self, root: Path = ROOT):
        self.root, self.notebooks = root, root / "notebooks"
        self.lessons = root / "coursekit" / "lessons"
        self.solutions, self.numbers = self.lessons / "_solutions", self.lessons / "_numbers.json"
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        self.repository = checked_address(project["tool"]["coursekit"]["repository"])
        self.sources = [Source(p) for p in sorted((self.notebooks / "source").glob("*.py"))]
        rows = (self.notebooks / "topics.tsv").read_text(encoding="utf-8").splitlines()
        reader = csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE)
        self.topics = {row["id"]: row for row in reader}

    def validate(self) -> None:
        """Raise SourceError, with all that cannot be built or is another lesson's, a line each."""
        found, homes, taken = [], {}, {}
        slugs = {s.slug for s in self.sources}
        for source in self.sources:
            try:
                source.validate()
            except SourceError as error:
                found.append(str(error))
                continue
            for part in (source.number, source.slug):
                if taken.setdefault(part, source.name) != source.name:
                    found.append(f"{part!r} is taken by {taken[part]} and {source.name}.")
            for topic in source.topics():
                if topic not in self.topics:
                    found.append(f"{source.path.name}: no topic is called {topic!r}.")
                elif homes.setdefault(topic, source.name) != source.name:
                    found.append(f"topic {topic!r}: in {homes[topic]} and {source.name}.")
            for slug in sorted(source.references() - slugs - {"next"}):
                found.append(f"{source.path.name}: [[{slug}]]: no lesson has this slug.")
            found += misfits(source, self.lessons / f"{source.slug}.py")
        if found:
            raise SourceError("\n".join(found))

    def named(self, names: Sequence[str]) -> list[Source]:
        """Return the lessons of these names, as training_loop or 02_training_loop; all, of none.

        Raises:
            SourceError: for a name that no lesson has.
        """
        known = {name: s for s in self.sources for name in (s.slug, s.name)}
        if unknown := [name for name in names if name not in known]:
            there = ", ".join(s.slug for s in self.sources)
            raise SourceError(f"no lesson is called {unknown[0]!r}. There are: {there}.")
        return [known[name] for name in names] if names else self.sources

    def homeless(self) -> list[str]:
        """Return the topics that no lesson carries yet."""
        return sorted(set(self.topics) - {t for s in self.sources for t in s.topics()})

    def solved_path(self, source: Source) -> Path:
        """Return where the solved notebook of a lesson lies."""
        return self.notebooks / "solutions" / f"{source.name}.ipynb"

    def learner_path(self, source: Source) -> Path:
        """Return where the notebook lies that a learner opens."""
        return self.notebooks / f"{source.name}.ipynb"

    def solved_notebook(self, source: Source) -> NotebookNode:
        """Make the solved notebook, not executed."""
        link = f"Solved and executed. [Work on it yourself](../{source.name}.ipynb)."
        return self._notebook(source, solved, link)

    def learner_notebook(self, source: Source) -> NotebookNode:
        """Make what the learner opens: stubs, no outputs."""
        link = f"[See it executed](solutions/{source.name}.ipynb)."
        return self._notebook(source, stub, link)

    def _notebook(self, source, transform, link) -> NotebookNode:
        nb = copy.deepcopy(source.numbered)
        names = {s.slug: (s.name, s.title) for s in self.sources}
        later = [names[s.slug] for s in self.sources if s.number > source.number]
        nb.metadata = NotebookNode(
            kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
            language_info={"name": "python"},
        )
        seen = {}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.source = transform(cell.source)
                cell.outputs, cell.execution_count = [], None
            else:
                cell.source = refer(cell.source, names, later[0] if later else None)
            tags = cell.metadata.get("tags", [])
            if "setup" in tags:
                template = FROM_REPOSITORY if self.repository else FROM_WHEEL
                start = template.replace("{repository}", self.repository)
                cell.source = f"{start}\n{cell.source}"
                tags = [*tags, "nbval-ignore-output"]  # it names versions and devices
                cell.metadata["jupyter"] = {"source_hidden": True}
            if cell is nb.cells[0]:
                cell.source += f"\n\nAbout {source.minutes} minutes. {link}{self._badge(source)}"
            kept = {"tags": tags, "jupyter": cell.metadata.get("jupyter")}
            cell.metadata = NotebookNode({k: v for k, v in kept.items() if v})
            digest = hashlib.sha1(cell.source.encode()).hexdigest()[:8]
            seen[digest] = seen.get(digest, 0) + 1  # an inserted cell changes no other cell's id
            if cell is nb.cells[0]:  # seen by who opens the file as text, not by a learner
                cell.metadata["generated"] = f"{source.place}: edit that, then run {GENERATOR}"
            cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        return nb

    def _badge(self, source) -> str:
        if not self.repository:
            return ""
        link = COLAB.format(repository=self.repository, name=source.name)
        return f"\n\n[![Open in Colab]({BADGE})]({link})"

    def plain_products(self) -> dict[Path, str]:
        """Return the generated files that need no kernel, with what they must hold."""
        texts = {self.notebooks / "INDEX.md": self._index(), self.numbers: self.numbers_text()}
        for source in self.sources:
            texts[self.learner_path(source)] = dumps(self.learner_notebook(source))
            kept = {"generated from": source.place, **source.solutions()}
            solutions = json.dumps(kept, indent=1, ensure_ascii=False)
            texts[self.solutions / f"{source.slug}.json"] = solutions + "\n"
        readme, table = self.root / "README.md", self._lesson_table()
        text = readme.read_text(encoding="utf-8")
        texts[readme], found = TABLE.subn(lambda m: f"{m[1]}{table}{m[2]}", text)
        if not found:
            raise SourceError(
                "README.md needs two lines, for the table of lessons: "
                "<!-- lessons: generated --> and <!-- end of lessons -->."
            )
        return texts

    def orphans(self) -> list[Path]:
        """Return generated files whose source is gone."""
        known = {*self.plain_products(), *map(self.solved_path, self.sources)}
        folders = self.notebooks, self.notebooks / "solutions"
        files = [path for folder in folders for path in folder.glob("*.ipynb")]
        return sorted({*files, *self.solutions.glob("*.json")} - known)

    def numbers_text(self) -> str:
        """Return the list of the lessons' numbers, as its file holds it."""
        numbers = {s.slug: s.number for s in self.sources}
        return json.dumps({"generated by": GENERATOR, "lessons": numbers}, indent=1) + "\n"

    def _lesson_table(self) -> str:
        rows = ["| | lesson | minutes | runs on | |", "|---|---|---|---|---|"]
        for s in self.sources:
            links = (
                f"[open](notebooks/{s.name}.ipynb), [solved](notebooks/solutions/{s.name}.ipynb)"
            )
            rows.append(table_row(s.number, s.title, s.minutes, ", ".join(s.backends), links))
        return "\n".join([*rows, "", RUN]) + "\n"

    def _index(self) -> str:
        lines = [
            f"<!-- Generated by {GENERATOR} from notebooks/source and topics.tsv. -->",
            "",
            "# Where each topic is taught",
            "",
            "| topic | lesson | section |",
            "|---|---|---|",
        ]
        for source in self.sources:
            for topic, heading in source.topics().items():
                anchor = re.sub("[`*]", "", heading).replace(" ", "-")  # as JupyterLab makes it
                link = f"[{heading}]({source.name}.ipynb#{anchor})"
                lines.append(table_row(self.topics[topic]["topic"], source.title, link))
        lines += ["", "## What runs where", "", RUN, "", "| lesson | runs on |", "|---|---|"]
        lines += [table_row(s.title, ", ".join(s.backends)) for s in self.sources]
        missing = self.homeless()
        lines += ["", f"{len(missing)} of {len(self.topics)} topics have no lesson yet."]
        return "\n".join(lines) + "\n"


def table_row(*cells) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |"


def dumps(nb: NotebookNode) -> str:
    """Return a notebook as the text of its file."""
    return nbformat.writes(nb) + "\n"


def execute(nb: NotebookNode, name: str) -> None:
    """Run a solved notebook, in a folder and with a progress of its own.

    Raises:
        SourceError: if a cell stops; a wrong answer stops it too.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fixed = {"COURSEKIT_STRICT": "1", "PYTHONHASHSEED": "0", "KERAS_BACKEND": "tensorflow"}
        fixed |= {"TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
        fixed["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        fixed |= dict.fromkeys(["COURSEKIT_HOME", "KERAS_HOME", "IPYTHONDIR"], folder)
        client = NotebookClient(
            nb,
            timeout=600,
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],  # the kernel's own log, to the terminal
        )
        with client.setup_kernel(env=os.environ | fixed):
            for number, cell in enumerate(nb.cells):
                try:
                    client.execute_cell(cell, number)
                except (CellControlSignal, DeadKernelError) as error:
                    place = f"{name}.py, cell {number + 1}"
                    raise SourceError(f"{place}{reason(error)}") from None
    for out in (out for cell in nb.cells for out in cell.get("outputs", [])):
        if out.output_type == "stream":  # the time of a step differs at every run
            out.text = re.sub(r" - \d+s - \d+(ms|us|s)/step", "", out.text)


def reason(error: Exception) -> str:
    """Say in a line or two why a cell stopped."""
    if not isinstance(error, CellExecutionError):
        return f": {str(error).splitlines()[0]}"
    trace = re.sub(r"\x1b\[[\d;]*m", "", error.traceback)
    line = re.search(r"^-+> (\d+) *(.*)", trace, re.M)
    where = f", line {line[1]}: {line[2]}" if line else ""
    return f"{where}\n{error.ename}: {error.evalue}"


def read(path: Path) -> NotebookNode | None:
    """Read a notebook; None if there is none, or a merge has broken it."""
    try:
        return nbformat.read(path, 4)
    except (OSError, ValueError, TypeError, AttributeError, nbformat.ValidationError):
        return None


def take_outputs(old: NotebookNode | None, new: NotebookNode) -> bool:
    """Copy the outputs of an older build, if its code is the same; tell whether it was."""

    def code(nb):
        return [c for c in nb.cells if c.cell_type == "code"]

    def sources(nb):
        return [
            BOOTSTRAP.sub("", c.source) if "setup" in c.metadata.get("tags", []) else c.source
            for c in code(nb)
        ]

    if old is None or sources(old) != sources(new):
        return False
    for before, after in zip(code(old), code(new), strict=True):
        after.outputs, after.execution_count = before.outputs, before.execution_count
    return True


def faults(nb: NotebookNode) -> list[str]:
    """Return what is wrong with the outputs of a solved notebook."""
    code = [c for c in nb.cells if c.cell_type == "code"]
    outputs = [o for c in code for o in c.outputs]
    found = []
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        found.append("a cell was not run, or not in order")  # nbval compares no unrun cell
    if any(o.get("name") == "stderr" or o.output_type == "error" for o in outputs):
        found.append("a warning or an error is stored as output")
    return found


def holds(path: Path, text: str) -> bool:
    """Tell whether a file has exactly this text."""
    return path.is_file() and path.read_bytes() == text.encode()


def problems(course: Course, only: str | None = None) -> list[str]:
    """Return what is out of date, a line each; of one lesson, or of all."""
    texts, found = course.plain_products(), []
    for source in course.named([only] if only else []):
        path, nb = course.solved_path(source), course.solved_notebook(source)
        if take_outputs(read(path), nb):
            found += [f"{path.relative_to(course.root)}: {fault}" for fault in faults(nb)]
        texts[path] = dumps(nb)
    for path, text in texts.items():
        if not holds(path, text):
            found.append(f"{path.relative_to(course.root)} does not match its source")
    for path in course.orphans():
        found.append(f"{path.relative_to(course.root)} has no source: delete it")
    return found


def build(course: Course, only: str | None = None, force: bool = False) -> None:
    """Write what is out of date; run the lessons whose code changed."""
    write(course.numbers, course.numbers_text(), course.root)  # the lessons' titles read it
    for source in course.named([only] if only else []):
        path, nb = course.solved_path(source), course.solved_notebook(source)
        if force or not take_outputs(read(path), nb) or faults(nb):
            print(f"running {source.name} ...", flush=True)
            execute(nb, source.name)
        write(path, dumps(nb), course.root)
    for path, text in course.plain_products().items():
        write(path, text, course.root)


def write(path: Path, text: str, root: Path) -> None:
    """Write a file whole or not at all, and only if it changes."""
    if holds(path, text):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    print(f"wrote {path.relative_to(root).as_posix()}")


def checked_address(repository: str) -> str:
    """Return a public address if it has the right form, or none is set."""
    if not ADDRESS.fullmatch(repository):
        raise SourceError(f"the address has the form owner/name. Received: {repository!r}")
    return repository


def set_repository(root: Path, repository: str) -> None:
    """Write the public address into pyproject.toml."""
    path = root / "pyproject.toml"
    address, text = checked_address(repository), path.read_text(encoding="utf-8")
    write(path, SETTING.sub(lambda m: f'{m[1]}"{address}"', text), root)


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Build the course's notebooks.")
    parser.add_argument("lesson", nargs="?", help="one lesson: training_loop or 02_training_loop")
    parser.add_argument("--force", action="store_true", help="run unchanged lessons too")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="only tell what is out of date")
    group.add_argument("--topics", action="store_true", help="list topics without a lesson")
    group.add_argument("--repository", metavar="OWNER/NAME", help="set the public address")
    args = parser.parse_args(argv)
    try:
        if args.repository is not None:
            set_repository(root, args.repository)
        course = Course(root)
        course.validate()
        course.named([args.lesson] if args.lesson else [])
        if args.topics:
            for topic in course.homeless():
                print(topic, course.topics[topic]["topic"], sep="\t")
            return 0
        if not args.check:
            build(course, args.lesson, args.force)
        found = problems(course)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    missing = course.homeless()
    print(f"{len(course.topics) - len(missing)} of {len(course.topics)} topics have a home.")
    if args.check and found:
        found.append("Run: python tools/build_notebooks.py")
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
