"""Runs the solved lessons that can run on JAX there.

    KERAS_BACKEND=jax python tools/run_on_jax.py [slug ...]

Numbers may differ there in their last digits, so that nothing is compared: each cell must run, and
each answer must be right.
"""

import os
import sys

import pytest
from build_notebooks import Course

if __name__ == "__main__":
    if os.environ.get("KERAS_BACKEND") != "jax":
        sys.exit("Set KERAS_BACKEND=jax.")
    course = Course()
    chosen = [s for s in course.sources if not sys.argv[1:] or s.slug in sys.argv[1:]]
    paths = [course.solved_path(s) for s in chosen if "jax" in s.backends]
    options = ["-q", "-o", "addopts=--nbval-lax --nbval-current-env --nbval-cell-timeout=180"]
    sys.exit(pytest.main([*options, *map(str, paths)]) if paths else 0)
