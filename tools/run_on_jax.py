"""Runs the lessons that can run on JAX there: the solved notebooks, and those that learners open.

    KERAS_BACKEND=jax python tools/run_on_jax.py [slug ...]

Numbers may differ there in their last digits, so that nothing is compared: each cell must run; in a
solved notebook each answer must be right, in an untouched one none.
"""

import argparse
import os
import sys

import pytest
from build_notebooks import Course, SourceError

# In the order given: an untouched notebook finds what the solved one has compiled.
ORDER = "--dist=loadfile --no-loadscope-reorder"
OPTIONS = f"--nbval-lax --nbval-current-env --nbval-cell-timeout=600 {ORDER}"
QUIET = "ignore::pytest.PytestAssertRewriteWarning"  # of what this program has imported itself


def main(argv: list[str]) -> int:
    """Run them; return the exit code."""
    parser = argparse.ArgumentParser(description="Run lessons on JAX.")
    parser.add_argument("slugs", nargs="*", help="the lessons; all, if none is named")
    args = parser.parse_args(argv)
    if os.environ.get("KERAS_BACKEND") != "jax":
        sys.exit("Set KERAS_BACKEND=jax.")
    course = Course()
    try:
        chosen = [s for s in course.named(args.slugs) if "jax" in s.backends]
    except SourceError as error:
        sys.exit(str(error))
    paths = [path(s) for path in (course.solved_path, course.learner_path) for s in chosen]
    options = ["-q", "-n", "2", "-W", QUIET, "-o", f"addopts={OPTIONS}"]
    return pytest.main([*options, *map(str, paths)]) if paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
