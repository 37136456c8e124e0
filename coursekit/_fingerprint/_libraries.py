"""What is a library, which counts by name and version, and what is the user's own code."""

import functools
import importlib.metadata
import os
import platform
import sys
import sysconfig

PLACES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
PLACES = {os.path.realpath(place) + os.sep for place in PLACES if place}


def library(module: object) -> str | None:
    """Return name and version of the library that a module belongs to; None for the user's own.

    A package that is installed from its source folder is being worked on: it is the user's own.
    """
    if not isinstance(module, str):  # classes written in C may not say
        return platform.python_version() if module is not None else None
    top = module.partition(".")[0]
    if top in ("", "__main__"):
        return None
    if top == "coursekit":
        return _named(top)
    found = sys.modules.get(top)
    file = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), None)
    if file is None:
        return f"{top} {platform.python_version()}" if top in sys.stdlib_module_names else None
    return _named(top) if _is_installed(file) else None


@functools.cache
def _is_installed(file: str) -> bool:
    file = os.path.realpath(file)
    if {"site-packages", "dist-packages"} & set(file.split(os.sep)):
        return True
    return any(file.startswith(place) for place in PLACES)


@functools.cache
def _named(top: str) -> str:
    version = getattr(sys.modules.get(top), "__version__", None)
    if not isinstance(version, str):
        version = platform.python_version() if top in sys.stdlib_module_names else _installed(top)
    return f"{top} {version}"


def _installed(top: str) -> str:
    for name in (top, *importlib.metadata.packages_distributions().get(top, ())):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "?"
