"""Tests of tools/lesson_source.py: markers, and what is refused in a source."""

import pytest
from lesson_source import SourceError, solution, solved, stub
from tiny_course import HEADER, LESSON, make_source

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
