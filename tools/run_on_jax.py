"""Runs the lessons that can run on JAX there: the solved notebooks, and those that learners open.

    KERAS_BACKEND=jax python tools/run_on_jax.py [--solved | --untouched] [slug ...]

Numbers may differ there in their last digits, so that nothing is compared: each cell must run; in a
solved notebook each answer must be right, in an untouched one none.
"""

import argparse
import os
import sys

import pytest
from build_notebooks import Course, SourceError

OPTIONS = "--nbval-lax --nbval-current-env --nbval-cell-timeout=600 --dist=loadfile"
QUIET = "ignore::pytest.PytestAssertRewriteWarning"  # of what this program has imported itself


def main(argv: list[str]) -> int:
    """Run them; return the exit code."""
    parser = argparse.ArgumentParser(description="Run lessons on JAX.")
    parser.add_argument("slugs", nargs="*", help="the lessons; all, if none is named")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--solved", action="store_true", help="only the solved notebooks")
    kind.add_argument("--untouched", action="store_true", help="only those that learners open")
    args = parser.parse_args(argv)
    if os.environ.get("KERAS_BACKEND") != "jax":
        sys.exit("Set KERAS_BACKEND=jax.")
    course = Course()
    try:
        chosen = [s for s in course.named(args.slugs) if "jax" in s.backends]
    except SourceError as error:
        sys.exit(str(error))
    paths = [] if args.untouched else [course.solved_path(s) for s in chosen]
    paths += [] if args.solved else [course.learner_path(s) for s in chosen]
    options = ["-q", "-n", "2", "-W", QUIET, "-o", f"addopts={OPTIONS}"]
    return pytest.main([*options, *map(str, paths)]) if paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
