"""Tests of tools/build_notebooks.py and tools/lesson_source.py, on a course of one tiny lesson."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import build_notebooks
import jupytext
import nbformat
import pytest
from build_notebooks import ROOT, Course, main
from lesson_source import Source, SourceError, solution, solved, stub

HEADER = """\
# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     minutes: 5
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""
LESSON = (
    HEADER
    + """\
# %% [markdown]
# # What is two and two?
#
# > **You need only this.** *Counting* says one, two, three.

# %% tags=["setup"]
import os

from coursekit import plots


def check(name, answer):
    right = answer == {"double": 4, "quiz_1": "b"}[name]
    if not right and os.environ.get("COURSEKIT_STRICT") == "1":
        raise ValueError(f"{name}: {answer!r} is not right")
    print(name, "is right" if right else "is not done yet")


# %% [markdown] topics="adding doubling"
# ## Two and `two`
#
# Write the sum.
#
# ### Double (difficulty 1, 2 minutes)

# %% exercise="double" needs="counting"
double = 2 + 2  # SOLUTION

check("double", double)

# %% jupyter={"source_hidden": true} topics="drawing"
fig, ax = plots.figure("Two and two", x="two", y="twice")
plots.curve(ax, [2, 4], plots.TRAIN)
plots.show(fig, alt="A line climbs from two to four.")

# %%
print("10/10 - 1s - 9ms/step - loss: 0.50")
print({"a", "b", "c", "d"})

# %%
check("quiz_1", "b")  # SOLUTION
"""
)
MODULE = """\
from coursekit.exercises import Lesson

check = Lesson("sums", "What is two and two?")


@check.exercise(title="Double", messages={})
def double(answer):
    pass
"""
TOPICS = (
    'id\tarea\ttopic\nadding\tsums\t"Adding" two numbers\ndoubling\tsums\tTwice\n'
    "drawing\tplots\tA line | a curve\nflying\tair\tFlying\n"
)
README = "# Tiny\n\n<!-- lessons: generated -->\n<!-- end of lessons -->\n\nThe end.\n"
PYPROJECT = """\
[project.urls]
repository = "https://elsewhere"

[tool.coursekit]
# owner/name
repository = ""

[tool.other]
repository = "stays"
"""
NAME, SOLVED = "notebooks/01_sums.ipynb", "notebooks/solutions/01_sums.ipynb"
MODULE_PATH = "coursekit/lessons/sums.py"
SOLUTIONS = "coursekit/lessons/_solutions/sums.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The course, built once with a kernel."""
    root = tmp_path_factory.mktemp("course")
    (root / "notebooks" / "source").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "README.md").write_text(README)
    (root / "notebooks" / "topics.tsv").write_text(TOPICS)
    (root / "notebooks" / "source" / "01_sums.py").write_text(LESSON)
    (root / MODULE_PATH).parent.mkdir(parents=True)
    (root / MODULE_PATH).write_text(MODULE)
    for name in (".gitattributes", "notebooks/source/jupytext.toml"):
        shutil.copy(ROOT / name, root / name)
    assert main([], root) == 0
    return root


@pytest.fixture
def course(built, tmp_path):
    """A copy of the built course."""
    return shutil.copytree(built, tmp_path / "course")


@pytest.fixture
def runs(monkeypatch):
    """The lessons that a build runs; they are only marked as run."""
    names = []

    def execute(nb, name):
        names.append(name)
        for number, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
            cell.execution_count, cell.outputs = number, []

    monkeypatch.setattr(build_notebooks, "execute", execute)
    return names


def edit(path, *changes):
    """Replace texts in a file, each of which must be there."""
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def lesson(course):
    return course / "notebooks" / "source" / "01_sums.py"


def copy(course, name, title="What is two and two?"):
    """Add a lesson like the tiny one, without topics, and with a module of its own."""
    text = re.sub(r' topics="[\w ]+"', "", lesson(course).read_text())
    path = lesson(course).with_name(name)
    path.write_text(text.replace("What is two and two?", title))
    module = MODULE.replace('"sums"', f'"{path.stem[3:]}"').replace("What is two and two?", title)
    (course / MODULE_PATH).with_name(f"{path.stem[3:]}.py").write_text(module)
    return path


def contents(root):
    """Return every file below a folder, with its bytes."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def changed(before, root):
    """Return the names of files that are new or have other bytes."""
    return {name for name, data in contents(root).items() if before.get(name) != data}


def cells(root, name):
    return nbformat.read(root / name, 4).cells


def text_of(root, name):
    return "\n\n".join(c.source for c in cells(root, name))


# Markers.


@pytest.mark.parametrize(
    "line, learner",
    [
        ("x = 3", "x = ...  # your answer"),
        ("x=3", "x= ...  # your answer"),
        ("x = 3  # three", "x = ...  # your answer"),
        ("x, y = 3, 4", "x, y = ...  # your answer"),
        ("x = y = 3", "x = y = ...  # your answer"),
        ("x: int = 3", "x: int = ...  # your answer"),
        ("x += 3", "x += ...  # your answer"),
        ("x //= 3", "x //= ...  # your answer"),
        ("(x) = (3)", "(x) = ...  # your answer"),
        ("x = y == 3", "x = ...  # your answer"),
        ("x = y != 3 or y <= 2", "x = ...  # your answer"),
        ("x = f(3, key=4)", "x = ...  # your answer"),
        ("x = lambda y=3: y", "x = ...  # your answer"),
        ('x = "a = b"', "x = ...  # your answer"),
        ('x["a = b"] = 3', 'x["a = b"] = ...  # your answer'),
        ("x[f(y == 3, key=4)] = 3", "x[f(y == 3, key=4)] = ...  # your answer"),
        ('größe["ŷ"] = "é = è"', 'größe["ŷ"] = ...  # your answer'),
        ('check("quiz_1", "b")', 'check("quiz_1", ...)'),
        ('check("rate", f(3, key=4), key=5)', 'check("rate", ...)'),
    ],
)
@pytest.mark.parametrize("indent", ["", "    "])
def test_a_marked_line(line, learner, indent):
    start = "if True:\n" if indent else ""
    cell = f"{start}{indent}{line}  # SOLUTION\n{indent}more(x == 3, key=4)"
    assert solved(cell) == f"{start}{indent}{line}\n{indent}more(x == 3, key=4)"
    assert stub(cell) == f"{start}{indent}{learner}\n{indent}more(x == 3, key=4)"


@pytest.mark.parametrize("line", ["return a + b", "return a == b", "return f(a, key=b)", "return"])
def test_a_marked_return(line):
    cell = f"def add(a, b):\n    {line}  # SOLUTION"
    assert solved(cell) == f"def add(a, b):\n    {line}"
    assert stub(cell) == "def add(a, b):\n    return ...  # your answer"


BLOCKS = """\
def add(a, b):
    # a comment that stays
    ### BEGIN SOLUTION
    if a:

        return a + b
    ### STUB
    # if a:
    #     # of what?
    #     return ...
    ### END SOLUTION
    return b


for a in range(3):
    if a:
\t### BEGIN SOLUTION
\tprint(a)
\t### END SOLUTION
### BEGIN SOLUTION
done = True
### STUB
# done = ...
### END SOLUTION"""


def test_blocks_at_any_indentation():
    assert solved(BLOCKS) == (
        "def add(a, b):\n    # a comment that stays\n    if a:\n\n        return a + b\n"
        "    return b\n\n\nfor a in range(3):\n    if a:\n\tprint(a)\ndone = True"
    )
    assert stub(BLOCKS) == (
        "def add(a, b):\n    # a comment that stays\n    if a:\n        # of what?\n"
        "        return ...\n    return b\n\n\n"
        "for a in range(3):\n    if a:\n\t...  # your code here\ndone = ..."
    )


@pytest.mark.parametrize(
    "cell, code",
    [
        ('x = 3  # SOLUTION\n\ncheck("x", x)', "x = 3"),
        ('# Choose.\nx = 3  # SOLUTION\n\ncheck(\n    "x",\n    x,\n)\n', "# Choose.\nx = 3"),
        (
            'def f():\n    ### BEGIN SOLUTION\n    check("a")\n    return 1\n    ### STUB\n'
            '    # return ...\n    ### END SOLUTION\n\n\ncheck("f", f)',
            'def f():\n    check("a")\n    return 1',
        ),
        ('y = 1\ncheck("x", 3)  # SOLUTION', 'y = 1\ncheck("x", 3)'),
        ('check("x", 3)  # SOLUTION', 'check("x", 3)'),
        ('%time x = 3\ny = x  # SOLUTION\ncheck("y", y)', "%time x = 3\ny = x"),
        ("x = 3  # SOLUTION\nprint(x)", "x = 3\nprint(x)"),
    ],
)
def test_the_solution_of_an_exercise_is_without_its_check(cell, code):
    assert solution(cell) == code


@pytest.mark.parametrize(
    "line",
    [
        "x == 3",
        "x != 3",
        "x <= 3",
        "f(x, key=3)",
        'check("quiz_1")',
        "x: int",
        "x = 1; y = 2",
        "if x: y = 3",
        "",
    ],
)
def test_a_line_that_cannot_be_marked_is_refused(line, tmp_path):
    with pytest.raises(SourceError, match=r"^01_sums\.py, cell 5: a .* mark"):
        make_source(tmp_path, f"x = 1\n{line}  # SOLUTION").validate()


@pytest.mark.parametrize(
    "cell",
    [
        "### BEGIN SOLUTION\nx = 3",
        "x = 3\n### END SOLUTION",
        "x = 3\n### STUB\n# x = ...",
        "### STUB\n### BEGIN SOLUTION\nx = 3\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\nx = 3\n### END SOLUTION",
        "### BEGIN SOLUTION\n### STUB\n# x = 1\n### STUB\n# x = 2\n### END SOLUTION",
        "### BEGIN SOLUTION\nx = 3\n### Stub\n# x = ...\n### END SOLUTION",
        "###BEGIN SOLUTION\nx = 3\n###END SOLUTION",
        "x = 3  #SOLUTION",
        "x = 3  # Solution",
        "x = 3  # SOLUTION: three",
        'x = "ends with # SOLUTION"',
        'x = """\ny = 3  # SOLUTION\n"""',
        'x = """\n### BEGIN SOLUTION\n### END SOLUTION\n"""',
    ],
)
def test_a_marker_that_stands_alone_is_misspelt_or_in_a_text_is_refused(cell, tmp_path):
    with pytest.raises(SourceError, match=r"^01_sums\.py, cell 5: a solution marker is alone"):
        make_source(tmp_path, cell).validate()


@pytest.mark.parametrize(
    "cell, why",
    [
        ("### BEGIN SOLUTION\nx = 3\n### STUB\n# x = = ...\n### END SOLUTION", "invalid syntax"),
        ("### BEGIN SOLUTION\nx = 3\n### STUB\n# return ...\n### END SOLUTION", "'return' outside"),
        (
            "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### STUB\n    ### END SOLUTION",
            "expected an indented block",
        ),
        ("x = (", "never closed"),
        ("f(x,\n  key=3)  # SOLUTION", "a line marked"),
        ("", "the cell is empty"),
        ("### BEGIN SOLUTION\n### STUB\n# x = ...\n### END SOLUTION", "the cell is empty"),
    ],
)
def test_a_cell_that_does_not_compile_is_refused(cell, why, tmp_path):
    with pytest.raises(SourceError, match=rf"^01_sums\.py, cell 5: .*{why}") as error:
        make_source(tmp_path, cell).validate()
    assert str(error.value).endswith(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "%pip list\n!ls 'it\nx = 3  # SOLUTION",
        "x = 7 \\\n    % 4",
        "%%time\nx = 3",
        "?print",
        "# A solution ends here.\nx = 3  # a stub",
        'print("BEGIN SOLUTION", "STUB", "## SOLUTIONS")',
    ],
)
def test_a_cell_that_can_be_built(cell, tmp_path):
    make_source(tmp_path, cell).validate()


def make_source(folder, cell=None, name="01_sums.py", changes=()):
    """Write the tiny lesson with its figure cell, the sixth, and more replaced; return it."""
    path = folder / name
    path.write_text(LESSON)
    if cell is not None:
        figure = re.search(r"^fig, ax.*?\n\n", LESSON, re.M | re.S)[0]
        edit(path, (figure, f"{cell}\n\n"))
    edit(path, *changes)
    return Source(path)


# What is refused in a source.


@pytest.mark.parametrize(
    "change, why",
    [
        (("#     minutes: 5\n", ""), "#     minutes: 40"),
        (("minutes: 5", "minutes: five"), "#     minutes: 40"),
        (("#     backends:\n#     - tensorflow\n", ""), "#     - tensorflow"),
        (("#     - tensorflow\n", ""), "#     - tensorflow"),
        (("- tensorflow", "- tensorflw"), "Received: .*tensorflw"),
        (("backends:\n#     - tensorflow", "backends: tensorflow"), "#     - tensorflow"),
        (("- tensorflow", "{"), " cannot be read"),
        ((HEADER, ""), "Received: None"),
        (("# # What", "# What"), "the first cell"),
        (("# # What", "# # 1. What"), "cell 1: '# 1. What is two and two.' has a number"),
        (("## Two and", "## E1.1 Two and"), "cell 3: '## E1.1 Two.*has a number"),
        (("Write the sum.", "As in lesson 07."), "cell 3: 'lesson 07' has a number"),
        ((LESSON, ""), "the first cell"),
        (('tags=["setup"]', ""), "exactly one cell"),
        (('# %% exercise="double"', '# %% exercise="double" tags=["setup"]'), "exactly one cell"),
        (('# %% [markdown] topics="adding doubling"', '# %% [markdown] topics="a'), "cell 3: the"),
        (('topics="drawing"', 'topic="drawing"'), r"cell 5: .*\['topic'\]"),
        (('topics="drawing"', 'topics=["drawing"]'), 'cell 5: write topics="one two"'),
        (('topics="drawing"', 'topics="adding"'), "cell 5: topic 'adding' .*second time"),
        (('topics="drawing"', 'topics="drawing drawing"'), "cell 5: topic 'drawing'"),
        (('topics="drawing"', 'needs="counting dropout"'), "cell 5 needs 'dropout', but no box"),
        (("You need only this", "You need this"), "cell 4 needs 'counting', but no box"),
        (('topics="drawing"', 'exercise="two"'), "cell 5: exercise 'two' needs one cell"),
        (
            ("# Write the sum.", "<<<<<<< HEAD\n# Write.\n=======\n>>>>>>> other"),
            "a merge has left",
        ),
    ],
)
def test_a_source_that_cannot_be_built_is_refused(change, why, tmp_path):
    with pytest.raises(SourceError, match=rf"(?s)^01_sums\.py.*{why}"):
        make_source(tmp_path, changes=[change]).validate()


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
    assert setup.metadata == {"tags": ["setup", "nbval-ignore-output"]}
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
        "1 of 4 topics have no lesson yet.",
    ]
    assert (built / "notebooks" / "INDEX.md").read_text().splitlines()[-5:] == rows
    links = "[open](notebooks/01_sums.ipynb), [solved](notebooks/solutions/01_sums.ipynb)"
    table = f"| 01 | What is two and two? | 5 | tensorflow | {links} |\n"
    readme = (built / "README.md").read_text()
    assert table in readme and readme.endswith("<!-- end of lessons -->\n\nThe end.\n")
    assert main(["--check"], built) == 0
    assert capsys.readouterr().out == "3 of 4 topics have a home.\n"


def test_a_topic_stands_under_the_last_heading_before_it(tmp_path):
    sections = (
        "# ### Double (difficulty 1, 2 minutes)",
        "# ### Sums\n#\n# ```\n# # no heading\n# ```\n#\n# #### Last ones",
    )
    topics = make_source(tmp_path, changes=[sections]).topics()
    assert topics == {
        "adding": "Two and `two`",
        "doubling": "Two and `two`",
        "drawing": "Last ones",
    }


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
        "notebooks/solutions/02_copies.ipynb",
        "coursekit/lessons/_solutions/copies.json",
        "coursekit/lessons/_numbers.json",
        "README.md",
    }
    assert "| 02 | What is it again? | 5 |" in (course / "README.md").read_text()


# What is run, and when.


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


# The public address, and the setup cell.


def test_an_address_is_set_and_taken_back_without_a_run(course, built, runs):
    assert main(["--repository", "some-one/keras.course"], course) == 0
    assert (course / "pyproject.toml").read_text() == PYPROJECT.replace(
        'repository = ""', 'repository = "some-one/keras.course"'
    )
    for name in (NAME, SOLVED):
        first, setup = cells(course, name)[:2]
        assert (
            "(https://colab.research.google.com/github/some-one/keras.course/blob/main/"
            "notebooks/01_sums.ipynb)"
        ) in first.source
        install = '    %pip install -q "git+https://github.com/some-one/keras.course"\n'
        assert install in setup.source and "wheel" not in setup.source
    outputs = [c.get("outputs") for c in cells(built, SOLVED)]
    assert [c.get("outputs") for c in cells(course, SOLVED)] == outputs
    assert main(["--repository", ""], course) == 0
    assert contents(course) == contents(built)
    assert runs == []


@pytest.mark.parametrize(
    "address",
    [
        "name",
        "owner/",
        "/name",
        "owner/name/more",
        "https://github.com/owner/name",
        "owner/name.git",
        "owner/..",
        "own er/name",
        'owner/name"',
        "öwner/name",
        "owner/name\n",
    ],
)
def test_a_malformed_address_is_refused(course, address, capsys):
    before = contents(course)
    assert main(["--repository", address], course) == 2
    message = f"the address has the form owner/name. Received: {address!r}\n"
    assert capsys.readouterr().err == message
    assert contents(course) == before
    if "\n" not in address:
        setting = 'repository = ""', f"repository = {address!r}"
        edit(course / "pyproject.toml", setting)
        assert main(["--check"], course) == 2


def test_a_check_sets_no_address(course, capsys):
    with pytest.raises(SystemExit):
        main(["--check", "--repository", "a/b"], course)
    assert (course / "pyproject.toml").read_text() == PYPROJECT


@pytest.mark.parametrize("address", ["", "owner/coursekit"])
def test_no_index_is_asked_for_the_package(course, address):
    """The name coursekit on PyPI is someone else's."""
    build_notebooks.set_repository(course, address)
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    wanted = f'"git+https://github.com/{address}"' if address else "{wheels[-1]}"
    assert re.findall(r"%pip install (.*)", setup) == [f"-q {wanted}"]


SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell

class Missing:
    def find_spec(self, name, *others):
        if name == "coursekit":
            raise ModuleNotFoundError("No module named 'coursekit'", name=name)

def pip(line):
    print("pip", line)
    del sys.meta_path[0]

sys.meta_path.insert(0, Missing())
shell = InteractiveShell.instance()
shell.register_magic_function(pip)
shell.colors = "NoColor"
result = shell.run_cell(sys.argv[1])
print("ran", result.success, "import os" in sys.argv[1] and "os" in shell.user_ns)
"""


@pytest.mark.parametrize(
    "address, wheels, printed",
    [
        ("", [], "ModuleNotFoundError: Upload the wheel that `make wheel` builds"),
        (
            "",
            [f"keras_coursekit-0.{n}.0-py3-none-any.whl" for n in (9, 10, 1)],
            "pip install -q keras_coursekit-0.10.0-py3-none-any.whl\nran True True\n",
        ),
        ("a/b", [], 'pip install -q "git+https://github.com/a/b"\nran True True\n'),
    ],
)
def test_the_setup_cell_where_the_package_is_missing(course, tmp_path, address, wheels, printed):
    edit(course / "pyproject.toml", ('repository = ""', f'repository = "{address}"'))
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    setup = setup.replace("from coursekit import plots\n", "import coursekit\n")
    for wheel in wheels:
        (tmp_path / wheel).touch()
    command = [sys.executable, "-c", SHELL, setup]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stderr == ""
    assert printed in run.stdout
    if not address and not wheels:
        assert "During handling" not in run.stdout
        assert run.stdout.endswith("ran False False\n")


@pytest.mark.parametrize("address", ["", "a/b"])
def test_the_setup_cell_where_another_coursekit_is_installed(course, tmp_path, address):
    """The package of that name on PyPI: named in words, and nothing is installed over it."""
    edit(course / "pyproject.toml", ('repository = ""', f'repository = "{address}"'))
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    other = 'import types; sys.modules["coursekit"] = types.ModuleType("coursekit")'
    code = SHELL.replace("sys.meta_path.insert(0, Missing())", other)
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    run = subprocess.run([sys.executable, "-c", code, setup], cwd=tmp_path, env=environment,
                         capture_output=True, text=True)  # fmt: skip
    assert "Another package is called coursekit: `%pip uninstall -y coursekit`" in run.stdout
    assert run.stdout.endswith("ran False False\n") and "pip install" not in run.stdout


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
