"""A course of one tiny lesson, for the tests of the builder."""

import re

import nbformat
from lesson_source import Source

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


def make_source(folder, cell=None, name="01_sums.py", changes=()):
    """Write the tiny lesson with its figure cell, the sixth, and more replaced; return it."""
    path = folder / name
    path.write_text(LESSON)
    if cell is not None:
        figure = re.search(r"^fig, ax.*?\n\n", LESSON, re.M | re.S)[0]
        edit(path, (figure, f"{cell}\n\n"))
    edit(path, *changes)
    return Source(path)
