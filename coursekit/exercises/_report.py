"""What a report of ours needs, so that its authors can run again what failed."""

import sys


def versions() -> str:
    """Name the versions of what is loaded."""
    names = ("coursekit", "keras", "tensorflow", "jax", "numpy")
    loaded = [(n, getattr(sys.modules.get(n), "__version__", None)) for n in names]
    found = [f"{n} {v}" for n, v in loaded if v]
    return ", ".join([f"Python {sys.version.split()[0]}", *found])


def details(slug: str, name: str, report: str) -> str:
    """Return the text that a learner sends: which exercise, which versions, what happened."""
    return f"{slug}, {name}\n{versions()}\n{report}"
