"""Tests of tools/lesson_size.py: what counts, and what is too much."""

import pytest
from build_notebooks import Course
from lesson_size import Size, size
from tiny_course import edit, lesson


def counted(root):
    course = Course(root)
    return size(course, course.sources[0])


@pytest.mark.slow
def test_the_tiny_lesson(course):
    got = counted(course)
    # `double = ...`, its check, two prints, the last check; neither the setup nor the figure
    assert (got.cells, got.lines, got.labels, got.header) == (7, 5, 2, 5)
    assert got.minutes == 2 and got.excess() == []
    assert got.report() == f"7 cells, {got.words} words, 5 visible lines of code, 2 minutes"


@pytest.mark.parametrize(
    "text, words",
    [
        ("Write the whole sum.", 1),
        ("Write the sum, of $a + b$ and\n# $$\n# c = d\n# $$\n#.", 6),
        ("Write the sum.\n#\n# ```\n# two words\n# ```", 0),
        ('Write <b class="of a kind">the</b> sum.', 0),
        ("Write [the](https://example.org/of/many words) sum - .", 0),
        ("Write the sum.\n#\n# <details><summary>After</summary>It is four.</details>", 4),
    ],
)
def test_which_words_count(course, text, words):
    before = counted(course).words
    edit(lesson(course), ("Write the sum.", text))
    assert counted(course).words == before + words


@pytest.mark.parametrize(
    "change, lines",
    [
        (('print({"a"', '# a comment\n\nprint({"a"'), 0),
        (('print({"a"', 'x = 1  # a comment\nprint({"a"'), 1),
        (('# %% jupyter={"source_hidden": true}', "# %%"), 3),
        (("import os\n", "import os\nimport sys\n"), 0),  # the setup is folded
        (('"b")  # SOLUTION', '"b")'), 0),
    ],
)
def test_which_lines_count(course, change, lines):
    before = counted(course).lines
    edit(lesson(course), change)
    assert counted(course).lines == before + lines


def test_what_is_too_much():
    ok = {"cells": 45, "words": 1500, "lines": 150, "labels": 40, "header": 48}
    assert Size(**ok).minutes == 48 and Size(**ok).excess() == []
    assert Size(**ok | {"header": 53}).excess() == [] == Size(**ok | {"header": 43}).excess()
    assert Size(**ok | {"cells": 46}).excess() == ["it has 46 cells; the most is 45"]
    assert Size(**ok | {"words": 1501}).excess() == ["it has 1501 words; the most is 1500"]
    assert Size(**ok | {"lines": 151}).excess() == ["it has 151 lines; the most is 150"]
    for header in (42, 54):
        [said] = Size(**ok | {"header": header}).excess()
        assert said == (
            f"its header says {header} minutes; its labels, 40, and the reading, 8, make 48"
        )
