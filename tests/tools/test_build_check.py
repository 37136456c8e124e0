"""Tests of `tools/build_notebooks.py --check`."""

import shutil

import nbformat
import pytest
from build_notebooks import main
from tiny_course import MODULE_PATH, NAME, SOLUTIONS, SOLVED, contents, edit, lesson

# The check.


def damage_notebook(name, change):
    def damage(course):
        notebook = nbformat.read(course / name, 4)
        change(notebook)
        (course / name).write_text(nbformat.writes(notebook) + "\n")

    return damage


def first_code(notebook):
    return next(c for c in notebook.cells if c.cell_type == "code")


def store(**output):
    return damage_notebook(
        SOLVED, lambda nb: first_code(nb).outputs.append(nbformat.v4.new_output(**output))
    )


STALE = "{} does not match its source".format
WARNING = f"{SOLVED}: a warning or an error is stored as output"
UNRUN = f"{SOLVED}: a cell was not run, or not in order"
DAMAGES = {
    "prose": (
        lambda c: edit(lesson(c), ("Write the", "Write a")),
        [STALE(NAME), STALE(SOLVED)],
    ),
    "code": (
        lambda c: edit(lesson(c), ("2 + 2", "4")),
        [STALE(SOLUTIONS), STALE(SOLVED)],
    ),
    "title": (
        lambda c: [
            edit(path, ("What is two", "How much is two")) for path in (lesson(c), c / MODULE_PATH)
        ],
        [STALE("README.md"), STALE(NAME), STALE("notebooks/INDEX.md"), STALE(SOLVED)],
    ),
    "learner": (
        damage_notebook(NAME, lambda nb: nb.cells[2].update(source="Mine.")),
        [STALE(NAME)],
    ),
    "learner's metadata": (
        damage_notebook(NAME, lambda nb: nb.metadata.language_info.update(version="3.11.7")),
        [STALE(NAME)],
    ),
    "solved metadata": (
        damage_notebook(SOLVED, lambda nb: nb.metadata.language_info.update(version="3.11.7")),
        [STALE(SOLVED)],
    ),
    "solved code": (
        damage_notebook(SOLVED, lambda nb: first_code(nb).update(source="1 + 1")),
        [STALE(SOLVED)],
    ),
    "unrun": (
        damage_notebook(SOLVED, lambda nb: first_code(nb).update(execution_count=None)),
        [UNRUN],
    ),
    "run twice": (
        damage_notebook(SOLVED, lambda nb: first_code(nb).update(execution_count=6)),
        [UNRUN],
    ),
    "warning": (store(output_type="stream", name="stderr", text="Mind!"), [WARNING]),
    "error": (store(output_type="error", ename="E", evalue="", traceback=[]), [WARNING]),
    "index": (
        lambda c: edit(c / "notebooks" / "INDEX.md", ("Twice", "Double")),
        [STALE("notebooks/INDEX.md")],
    ),
    "table": (
        lambda c: edit(c / "README.md", ("| 5 |", "| 6 |")),
        [STALE("README.md")],
    ),
    "topics": (
        lambda c: edit(c / "notebooks" / "topics.tsv", ("Twice", "Double")),
        [STALE("notebooks/INDEX.md")],
    ),
    "solutions": (lambda c: edit(c / SOLUTIONS, ("2 + 2", "4")), [STALE(SOLUTIONS)]),
    "line ends": (
        lambda c: (c / SOLUTIONS).write_bytes((c / SOLUTIONS).read_bytes().replace(b"\n", b"\r\n")),
        [STALE(SOLUTIONS)],
    ),
    "missing": (lambda c: (c / SOLVED).unlink(), [STALE(SOLVED)]),
    "merge": (
        lambda c: edit(c / SOLVED, ("{\n", "<<<<<<< HEAD\n{\n=======\n{\n>>>>>>> other\n")),
        [STALE(SOLVED)],
    ),
    "no notebook": (lambda c: (c / SOLVED).write_text("[]"), [STALE(SOLVED)]),
    "no text": (lambda c: (c / NAME).write_bytes(b"\xff"), [STALE(NAME)]),
    "no source": (
        lambda c: [
            shutil.copy(c / name, c / name.replace("01_sums", "01_old").replace("sums", "old"))
            for name in (NAME, SOLVED, SOLUTIONS)
        ],
        [
            f"{name} has no source: delete it"
            for name in sorted([SOLUTIONS.replace("sums", "old"),
                                NAME.replace("sums", "old"), SOLVED.replace("sums", "old")])
        ],
    ),
    "address": (
        lambda c: edit(c / "pyproject.toml", ('repository = ""', 'repository = "a/b"')),
        [STALE(NAME), STALE(SOLVED)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage, messages", DAMAGES.values(), ids=DAMAGES)
def test_the_check_finds_what_is_out_of_date(course, damage, messages, runs, capsys):
    damage(course)
    before = contents(course)
    assert main(["--check"], course) == 1
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines[:-1]) == sorted(messages)
    assert lines[-1] == "Run: python tools/build_notebooks.py"
    assert contents(course) == before
    if "delete" not in messages[0]:
        assert main([], course) == 0  # and a build settles it
        assert main(["--check"], course) == 0
