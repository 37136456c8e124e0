"""Builds one lesson and tests it alone: its answers, both notebooks, on JAX where it lists jax.

    python tools/try_lesson.py training_loop

does what `make lesson NAME=training_loop` does. It says how large the lesson is, and stops at the
first thing that fails.
"""

import os
import subprocess
import sys
import time

from build_notebooks import ROOT, Course, SourceError, build, problems
from lesson_size import size
from lesson_source import Source

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def commands(course: Course, source: Source) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return what tests the lesson: a title, a command, and settings of its own."""
    solved, learner = course.solved_path(source), course.learner_path(source)
    files = [source.path, course.lessons / f"{source.slug}.py"]
    files += [course.root / "tests" / "lessons" / f"test_{source.slug}.py"]
    style = [sys.executable, "-m", "ruff", "check", "-q"]
    every = str(files[-1].with_name("test_all_lessons.py"))
    both = [*PYTEST, "-n", "2"]
    steps = [
        ("its style", [*style, *map(str, files)], {}),
        ("its answers", [*PYTEST, str(files[-1]), every, f"--lesson={source.slug}"], {}),
        ("the solved notebook and the untouched one", [*both, str(solved), str(learner)], {}),
    ]
    if "jax" in source.backends:
        on_jax = [sys.executable, str(ROOT / "tools" / "run_on_jax.py"), source.slug]
        steps.append(("both notebooks on JAX", on_jax, {"KERAS_BACKEND": "jax"}))
    return steps


def main(argv: list[str]) -> int:
    """Build and test the lesson that is named; return the first exit code that is not 0."""
    course, start = Course(), time.monotonic()
    if len(argv) != 1:
        print(f"Name one lesson, as in NAME={course.sources[-1].slug}.", file=sys.stderr)
        return 2
    try:
        (source,) = course.named(argv)
        course.validate()
        build(course, argv[0])
        for problem in problems(course, argv[0]):
            print(problem, file=sys.stderr)
            return 1
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{source.name}: {size(course, source).report()}", flush=True)
    for title, command, settings in commands(course, source):
        print(f"--- {title}", flush=True)
        code = subprocess.run(command, cwd=course.root, env=os.environ | settings).returncode
        if code:
            return code
    print(f"{argv[0]} is ready ({time.monotonic() - start:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
