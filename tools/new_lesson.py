"""Begins a lesson: writes its three files, with one exercise that passes.

    python tools/new_lesson.py 16 monitoring "What are the curves telling you?"

Then ``make lesson NAME=monitoring`` builds and tests it. CONTRIBUTING.md says how to go on.
"""

import argparse
import keyword
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SOURCE = """\
# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
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

# %% [markdown]
# # {title}
#
# Skip ahead if you can answer this: how large is the square of 3?
#
# You will compute one number. You need a little Python.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import numpy as np

from coursekit import plots
from coursekit.lessons.{slug} import check

# %% [markdown]
# ## A first picture

# %%
x = np.linspace(-3, 3, 61)
fig, ax = plots.figure("Squares grow faster and faster", x="x", y="x squared")
ax.plot(x, x**2)
plots.show(fig, alt="A bowl: lowest at zero, and the steeper the further from it.")

# %% [markdown]
# ### One square (difficulty 1, 2 minutes)
#
# What is the square of 3? Put the number in place of the dots.

# %% exercise="square"
square = 9  # SOLUTION

check("square", square)

# %% [markdown]
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION

# %%
check.cards()
check.summary()
"""

MODULE = '''\
"""{title} Checks, hints, quiz and cards."""

from coursekit.exercises import Lesson, Wrong, expect

check = Lesson("{slug}", "{title}")


@check.exercise(
    title="One square",
    messages={{
        "doubled": "you say {{got}}, which is 3 and 3 added up. A square multiplies.",
        "cubed": "you say {{got}}, which is 3 times 3 times 3. A square has two factors.",
        "other": "you say {{got}}. Multiply 3 with itself.",
    }},
    hints=["A square multiplies a number with itself.", "What is `3 * 3`?"],
    why="3 times 3 is 9.",
    alternative="`3**2` is the same number.",
)
def square(answer):
    got = expect.number(answer)
    for key, value in (("doubled", 6), ("cubed", 27)):
        if got == value:
            raise Wrong(key, got=got)
    if got != 9:
        raise Wrong("other", got=got)


check.question(
    "quiz_1",
    "How large is the square of -3?",
    options={{
        "a": ("-9", "Two minus signs multiply to a plus."),
        "b": ("9", "Minus times minus is plus."),
    }},
    answer="b",
)
check.card("What is the square of a number?", "The number multiplied with itself.")
'''

TEST = '''\
"""Right answers of several kinds, and what each wrong one is told."""

from answers import row

ANSWERS = [
    row("square", "ok", 9),
    row("square", "alternative", 3.0**2),
    row("square", "todo", ...),
    row("square", "doubled", 6),
    row("square", "cubed", 27),
    row("square", "other", 8),
]


def test_answer(answer):
    answer.holds()
'''


def new_lesson(number: str, slug: str, title: str, root: Path = ROOT) -> list[Path]:
    """Write the three files of a lesson; nothing if one of them, or the number, is taken.

    Args:
        number: two digits, which no other lesson has.
        slug: the name of its module: small letters, digits and underscores.
        title: the question in its first line.
        root: the course.

    Raises:
        ValueError: if the number, the slug or the title cannot be used.
    """
    if not re.fullmatch(r"\d\d", number):
        raise ValueError(f"the number has two digits, as in 07. Received: {number!r}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug) or keyword.iskeyword(slug):
        raise ValueError(f"the slug is a name of a module, as in data_sets. Received: {slug!r}")
    if not re.fullmatch(r"[^\"\\\n{}]*[^\"\\\n{}\s?]\?", title):
        raise ValueError(f"the title is a question in one line, without quotes. Got: {title!r}")
    sources = root / "notebooks" / "source"
    files = {
        sources / f"{number}_{slug}.py": SOURCE,
        root / "coursekit" / "lessons" / f"{slug}.py": MODULE,
        root / "tests" / "lessons" / f"test_{slug}.py": TEST,
    }
    others = [*sources.glob(f"{number}_*.py"), *sources.glob(f"[0-9][0-9]_{slug}.py")]
    taken = sorted({*others, *(path for path in files if path.exists())})
    if taken:
        names = ", ".join(path.relative_to(root).as_posix() for path in taken)
        raise ValueError(f"this number or slug is taken: {names}")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(slug=slug, title=title), encoding="utf-8", newline="\n")
    return list(files)


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", help="two digits: its place in the course")
    parser.add_argument("slug", help="the name of its module")
    parser.add_argument("title", help="a question")
    args = parser.parse_args(argv)
    try:
        written = new_lesson(args.number, args.slug, args.title, root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(*(f"wrote {path.relative_to(root).as_posix()}" for path in written), sep="\n")
    print(f"Now: make lesson NAME={args.slug}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
