"""Tests of tools/build_notebooks.py, on a course of one tiny lesson."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import build_notebooks
import jupytext
import nbformat
import pytest
from build_notebooks import ROOT, RUN, Course, main
from tiny_course import (
    LESSON,
    MODULE,
    MODULE_PATH,
    NAME,
    SOLUTIONS,
    SOLVED,
    cells,
    changed,
    contents,
    copy,
    edit,
    lesson,
    text_of,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sums.py", "1_sums.py", "01.py", "01_.py", "01_Sums.py"])
def test_a_name_that_is_no_lessons_is_refused(course, name, capsys):
    lesson(course).rename(lesson(course).with_name(name))
    assert main([], course) == 2
    assert capsys.readouterr().err == (
        f"{name}: a source is called NN_slug.py, as in 02_training_loop.py.\n"
    )


@pytest.mark.parametrize(
    "name, why",
    [
        ("01_copies.py", ["'01' is taken by 01_copies and 01_sums."]),
        ("02_sums.py", ["'sums' is taken by 01_sums and 02_sums."]),
        ("02_copies.py", []),
    ],
)
def test_two_lessons_with_one_number_slug_or_topic_are_refused(course, name, why, capsys):
    copy(course, name)
    shutil.copy(lesson(course), lesson(course).with_name(name))
    before = contents(course)
    assert main([], course) == 2
    homes = " and ".join(sorted(["01_sums", name.removesuffix(".py")]))
    topics = [f"topic {t!r}: in {homes}." for t in ("adding", "doubling", "drawing")]
    assert capsys.readouterr().err.splitlines() == [*why, *topics]
    assert changed(before, course) == set()


def test_an_unknown_topic_is_refused(course, capsys):
    edit(lesson(course), ('topics="drawing"', 'topics="swimming"'))
    assert main([], course) == 2
    assert capsys.readouterr().err == "01_sums.py: no topic is called 'swimming'.\n"


def test_a_lesson_that_does_not_exist_is_refused(course, runs, capsys):
    assert main(["sum"], course) == 2
    assert capsys.readouterr().err == "no lesson is called 'sum'. There are: sums.\n"
    for name in ("sums", "01_sums"):
        assert main([name], course) == 0


def test_a_readme_without_the_lines_for_its_table_is_refused(course, capsys):
    (course / "README.md").write_text("# Tiny\n")
    assert main(["--check"], course) == 2
    assert "<!-- lessons: generated -->" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path, change, why",
    [
        (MODULE_PATH, ('"sums"', '"losses"'), "sums.py makes Lesson('losses', 'What is two"),
        (MODULE_PATH, ("What is", "Why is"), "01_sums.py is of Lesson('sums', 'What is two"),
        (MODULE_PATH, ('"Double"', '"Twice"'), "titles of exercises ['Double'], and coursekit/"),
        (MODULE_PATH, ("def double", "def twice"), "has the exercises ['double'], and coursekit/"),
        (MODULE_PATH, ("check =", "check = ="), "coursekit/lessons/sums.py, line 3: invalid syn"),
        (
            "notebooks/source/01_sums.py",
            ("import plots\n", "import plots\nfrom coursekit.lessons.losses import check as c\n"),
            "01_sums.py imports coursekit.lessons.losses: its checks",
        ),
    ],
)
def test_what_is_another_lessons_is_refused_before_a_run(course, path, change, why, runs, capsys):
    edit(course / path, change)
    before = contents(course)
    assert main([], course) == main(["--check"], course) == 2
    assert why in capsys.readouterr().err
    assert runs == [] and changed(before, course) == set()


def test_a_source_without_a_module_is_refused(course, capsys):
    (course / MODULE_PATH).unlink()
    assert main([], course) == 2
    said = "01_sums.py: there is no coursekit/lessons/sums.py with its checks.\n"
    assert capsys.readouterr().err == said


def test_all_problems_are_said_at_once(course, capsys):
    edit(lesson(course), ("What is", "Why is"), ('topics="drawing"', 'topics="swimming"'))
    edit(lesson(course), ("Write the sum.", "As in [[differences]]."))
    assert main([], course) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_the_topics_without_a_lesson_are_listed(course, capsys):
    assert main(["--topics"], course) == 0
    assert capsys.readouterr().out == "flying\tFlying\n"


def test_a_reference_to_no_lesson_is_refused(course, capsys):
    edit(lesson(course), ("Write the sum.", "As in [[differences]]."))
    assert main([], course) == 2
    assert capsys.readouterr().err == "01_sums.py: [[differences]]: no lesson has this slug.\n"


# What is built.


MORE = """\
# [[sums]] and [[copies]], not
#
# ```
# [[sums]]
# ```
#
# [[next]]
#
# Before."""


def test_numbers_come_from_the_names_of_the_files(course, runs):
    """A lesson's and an exercise's number, references and the way on; code stays as it is."""
    source = lesson(course)
    one, two = "(difficulty 1, 2 minutes)", "(difficulty 2, 3 minutes)"
    cell = '# %% exercise="again"\nx = 1  # SOLUTION\n\n# %%\nprint("10'
    edit(
        source,
        ("# Write the sum.", MORE),
        (one, f"{one}\n#\n# ### Again {two}"),
        ("double = 2 + 2", "double = [[2]][0][0] + 2"),
        ('# %%\nprint("10', cell),
    )
    check = MODULE[MODULE.index("\n@") :]
    again = check.replace("Double", "Again").replace("double", "again")
    edit(course / MODULE_PATH, (check, f"{check}\n{again}"))
    edit(copy(course, "12_copies.py", "How much is it?"), ("# How much", '# "How" much'))
    module = (course / MODULE_PATH).with_name("copies.py")
    edit(module, ('"How much is it?"', "'\"How\" much is it?'"), (check, f"{check}\n{again}"))
    assert main([], course) == 0
    first, second = text_of(course, NAME), text_of(course, "notebooks/12_copies.ipynb")
    assert first.startswith("# 1. What is two and two?\n")
    assert second.startswith('# 12. "How" much is it?\n')
    for number, text in (("1", first), ("12", second)):
        assert f"### E{number}.1 Double (difficulty 1, 2 minutes)" in text
        assert f"### E{number}.2 Again (difficulty 2, 3 minutes)" in text
        assert '[lesson 01](01_sums.ipynb "What is two and two?") and [lesson 12](' in text
        assert "12_copies.ipynb \"'How' much is it?\")" in text
        assert "```\n[[sums]]\n```" in text
    assert 'Next: ["How" much is it?](12_copies.ipynb)' in first
    assert "This is the last lesson so far." in second
    assert "[[2]][0][0]" in text_of(course, SOLVED)
    numbers = json.loads((course / "coursekit/lessons/_numbers.json").read_text())
    assert numbers["lessons"] == {"sums": "01", "copies": "12"}
    source.rename(source.with_name("03_sums.py"))
    assert main([], course) == 1  # the old notebooks are left to delete
    assert "[lesson 03](03_sums.ipynb " in text_of(course, "notebooks/12_copies.ipynb")


def test_the_learners_notebook(built):
    learner = nbformat.read(built / NAME, 4)
    nbformat.validate(learner)
    assert learner.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    code = [c for c in learner.cells if c.cell_type == "code"]
    assert not any(c.outputs or c.execution_count for c in code)
    text = text_of(built, NAME)
    assert "2 + 2" not in text and '"b")' not in text and "SOLUTION" not in text
    assert 'double = ...  # your answer\n\ncheck("double", double)' in text
    assert 'check("quiz_1", ...)' in text
    assert "About 5 minutes. [See it executed](solutions/01_sums.ipynb)." in learner.cells[0].source
    assert "colab" not in text.lower().replace("on colab", "")
    setup, figure = code[0], code[2]
    assert setup.metadata == {
        "jupyter": {"source_hidden": True},
        "tags": ["setup", "nbval-ignore-output"],
    }
    assert figure.metadata == {"jupyter": {"source_hidden": True}}


def test_the_solved_notebook(built):
    text = text_of(built, SOLVED)
    assert "double = 2 + 2\n" in text and 'check("quiz_1", "b")' in text
    assert "SOLUTION" not in text
    assert "Solved and executed. [Work on it yourself](../01_sums.ipynb)." in text
    code = [c for c in cells(built, SOLVED) if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, 3, 4, 5]
    assert code[1].outputs[0].text == "double is right\n"
    assert "A line climbs" in code[2].outputs[0].data["text/html"]
    assert code[3].outputs[0].text.startswith("10/10 - loss: 0.50\n{'")


def test_the_solved_notebook_holds_nothing_of_the_machine(built):
    data = (built / SOLVED).read_text()
    for part in (tempfile.gettempdir() + os.sep, str(Path.home()), str(ROOT), sys.prefix):
        assert part not in data
    notebook = json.loads(data)
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert all(set(c["metadata"]) <= {"tags", "jupyter"} for c in notebook["cells"][1:])
    place = "notebooks/source/01_sums.py: edit that, then run tools/build_notebooks.py"
    assert notebook["cells"][0]["metadata"] == {"generated": place}
    assert place in "".join(data.splitlines(keepends=True)[:8]), "seen at the top of the file"


def test_the_solutions_hold_no_check_and_no_marker(built):
    assert json.loads((built / SOLUTIONS).read_text()) == {
        "generated from": "notebooks/source/01_sums.py",
        "double": "double = 2 + 2",
    }


def test_the_index_and_the_table_of_lessons(built, capsys):
    rows = [
        '| "Adding" two numbers | What is two and two? '
        "| [Two and `two`](01_sums.ipynb#Two-and-two) |",
        "| Twice | What is two and two? | [Two and `two`](01_sums.ipynb#Two-and-two) |",
        "| A line \\| a curve | What is two and two? | [E1.1 Double (difficulty 1, 2 minutes)]"
        "(01_sums.ipynb#E1.1-Double-(difficulty-1,-2-minutes)) |",
        "",
        "## What runs where",
        "",
        *RUN.splitlines(),
        "",
        "| lesson | runs on |",
        "|---|---|",
        "| What is two and two? | tensorflow |",
        "",
        "1 of 4 topics have no lesson yet.",
    ]
    assert (built / "notebooks" / "INDEX.md").read_text().splitlines()[-len(rows) :] == rows
    links = "[open](notebooks/01_sums.ipynb), [solved](notebooks/solutions/01_sums.ipynb)"
    table = f"| 01 | What is two and two? | 5 | tensorflow | {links} |\n"
    readme = (built / "README.md").read_text()
    end = f"{table}\n{RUN}\n<!-- end of lessons -->\n\nThe end.\n"
    assert readme.endswith(end)
    assert main(["--check"], built) == 0
    assert capsys.readouterr().out == "3 of 4 topics have a home.\n"


def test_an_inserted_cell_changes_no_other_id(course):
    before = Course(course).learner_notebook(Course(course).sources[0]).cells
    new = '# %% [markdown]\n# New.\n\n# %% exercise="double"'
    edit(lesson(course), ('# %% exercise="double"', new))
    after = Course(course).learner_notebook(Course(course).sources[0]).cells
    ids = [c.id for c in after]
    assert [c.id for c in before] == ids[:3] + ids[4:]


def test_equal_cells_get_ids_of_their_own(course):
    edit(lesson(course), ("# %% exercise", "# %%\nprint()\n\n# %%\nprint()\n\n# %% exercise"))
    notebook = Course(course).solved_notebook(Course(course).sources[0])
    first, second = (c.id for c in notebook.cells if c.source == "print()")
    assert second == f"{first}-2"
    nbformat.validate(notebook)


def test_a_copied_source_is_a_lesson(course, runs):
    copy(course, "02_copies.py", "What is it again?")
    before = contents(course)
    assert main([], course) == 0
    assert runs == ["02_copies"]
    assert changed(before, course) == {
        "notebooks/02_copies.ipynb",
        "notebooks/INDEX.md",
        "notebooks/solutions/02_copies.ipynb",
        "coursekit/lessons/_solutions/copies.json",
        "coursekit/lessons/_numbers.json",
        "README.md",
    }
    assert "| 02 | What is it again? | 5 |" in (course / "README.md").read_text()


# What is run, and when.


@pytest.mark.slow
def test_a_forced_rebuild_elsewhere_gives_the_same_bytes(course, built, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    for name in (NAME, SOLVED, SOLUTIONS):
        (course / name).unlink()
    assert main(["--force"], course) == 0
    assert contents(course) == contents(built)


def test_what_is_up_to_date_is_not_touched(course, runs):
    times = {p: p.stat().st_mtime_ns for p in course.rglob("*")}
    assert main([], course) == 0
    assert runs == []
    assert {p: p.stat().st_mtime_ns for p in course.rglob("*")} == times


def test_changed_prose_keeps_the_outputs(course, runs):
    edit(lesson(course), ("Write the sum.", "Write down the sum."), ("minutes: 5", "minutes: 6"))
    old = [c.outputs for c in cells(course, SOLVED) if c.cell_type == "code"]
    assert main([], course) == 0
    assert runs == []
    assert "Write down the sum." in text_of(course, SOLVED)
    assert "Write down the sum." in text_of(course, NAME)
    assert [c.outputs for c in cells(course, SOLVED) if c.cell_type == "code"] == old


@pytest.mark.parametrize(
    "change",
    [
        ("2 + 2", "4"),
        ("import os\n", "import os\nimport sys\n"),
        ('# %%\nprint("10', '# %%\ntry:\n    print(1)\nfinally:\n    pass\nprint("10'),
    ],
)
def test_changed_code_is_run(course, runs, change):
    edit(lesson(course), change)
    assert main([], course) == 0
    assert runs == ["01_sums"]


def test_a_changed_cell_that_starts_with_try_is_run(course, runs):
    edit(lesson(course), ('# %%\nprint("10', '# %%\ntry:\n    print(1)\nfinally:\n    print("10'))
    assert main([], course) == 0
    edit(lesson(course), ("    print(1)\n", "    print(2)\n"))
    assert main([], course) == 0
    assert runs == ["01_sums", "01_sums"]


def test_only_the_named_lesson_is_run(course, runs):
    path = copy(course, "02_copies.py")
    assert main(["copies"], course) == 0
    edit(lesson(course), ("2 + 2", "4"))
    edit(path, ("2 + 2", "4"))
    assert main(["02_copies"], course) == 1  # the other one is out of date
    assert main(["sums", "--force"], course) == 0
    assert runs == ["02_copies", "02_copies", "01_sums"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, message",
    [
        (
            ("2 + 2", "2 + 3"),
            'line 3: check("double", double)\nValueError: double: 5 is not right',
        ),
        (("= 2 + 2", "= 1 / 0"), "line 1: double = 1 / 0\nZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_answer_or_an_error_stops_the_build(course, change, message, capsys):
    edit(lesson(course), change)
    before = contents(course)
    assert main([], course) == 2
    captured = capsys.readouterr()
    assert captured.err == f"01_sums.py, cell 4, {message}\n"
    assert captured.out == "running 01_sums ...\n"
    assert changed(before, course) == set()


@pytest.mark.slow
def test_a_kernel_that_dies_stops_the_build(course, capsys):
    edit(lesson(course), ("import os\n", "import os\n\nos._exit(1)\n"))
    before = contents(course)
    assert main([], course) == 2
    assert capsys.readouterr().err == "01_sums.py, cell 2: Kernel died\n"
    assert changed(before, course) == set()


def test_a_stored_warning_is_reported_and_run_again(course, monkeypatch, capsys):
    def execute(nb, name):
        code = [c for c in nb.cells if c.cell_type == "code"]
        for number, cell in enumerate(code, start=1):
            cell.execution_count = number
            cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text="Mind!")]

    monkeypatch.setattr(build_notebooks, "execute", execute)
    edit(lesson(course), ("2 + 2", "4"))
    for _ in range(2):
        assert main([], course) == 1
        captured = capsys.readouterr()
        assert "running 01_sums" in captured.out
        assert captured.err == f"{SOLVED}: a warning or an error is stored as output\n"


# Round trips and merges.


def as_jupyterlab_saves_it(path):
    """Save a source the way JupyterLab does after a cell was run."""
    manager = jupytext.TextFileContentsManager()
    manager.root_dir = str(path.parent)
    model = manager.get(path.name, type="notebook", content=True)
    notebook = model["content"]
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.metadata["kernelspec"] = {  # the names of the standard kernel
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }  # fmt: skip
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="Hello\n")]
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
            cell.metadata["trusted"] = True
    manager.save(model, path.name)


SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))


@pytest.mark.parametrize("source", [None, *SOURCES], ids=lambda path: path.stem if path else "tiny")
def test_jupyterlab_saves_a_source_as_it_was(source, tmp_path):
    text = source.read_text(encoding="utf-8") if source else LESSON
    path = tmp_path / "01_sums.py"
    path.write_text(text, encoding="utf-8", newline="\n")
    shutil.copy(ROOT / "notebooks" / "source" / "jupytext.toml", tmp_path)
    as_jupyterlab_saves_it(path)
    assert path.read_text(encoding="utf-8").splitlines() == text.splitlines(), "save it there once"
    assert path.read_bytes() == text.encode()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_two_branches_that_edit_one_lesson(course, runs, monkeypatch):
    """The source merges; of generated files our side stays, and a build settles them."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*words, code=0):
        names = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        run = subprocess.run(["git", *names, *words], cwd=course, capture_output=True, text=True)
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout

    def commit(*changes, title="What is two and two?"):
        edit(lesson(course), *changes)
        (course / MODULE_PATH).write_text(MODULE.replace("What is two and two?", title))
        assert main([], course) == 0
        git("add", "--all")
        git("commit", "-m", "edit")

    git("init", "--initial-branch=main")
    commit(("Write the sum.", "Write their sum."))
    git("switch", "--create", "other")
    commit(("2 + 2", "1 + 3"), ("# What is", "# How much is"), title="How much is two and two?")
    git("switch", "main")
    commit(('print({"a", "b", "c", "d"})', "print(4)"), ("minutes: 5", "minutes: 6"))
    ours = contents(course)

    git("merge", "other", code=1)
    in_conflict = set(git("diff", "--name-only", "--diff-filter=U").split())
    assert {NAME, SOLVED} <= in_conflict <= {NAME, SOLVED, "README.md"}
    for name in (NAME, SOLVED):
        assert (course / name).read_bytes() == ours[name]
    merged = lesson(course).read_text()
    assert "1 + 3" in merged and "print(4)" in merged and "<<<" not in merged

    assert main(["--check"], course) == 1
    assert main([], course) == 0
    git("add", "--all")
    git("commit", "--no-edit")
    assert "How much is two and two? | 6 |" in (course / "README.md").read_text()
    assert "1 + 3" in text_of(course, SOLVED) and "print(4)" in text_of(course, SOLVED)
    assert "<<<" not in (course / "README.md").read_text()
