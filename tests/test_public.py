"""What is public carries its types: each parameter of each function and class in an `__all__`."""

import importlib
import inspect
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "coursekit"
PACKAGES = sorted(
    ".".join(["coursekit", *p.parent.relative_to(ROOT).parts]) for p in ROOT.rglob("__init__.py")
)


def members(package: str):
    """Yield each public function and method of a package, with the name of its module or class."""
    home = importlib.import_module(package)
    for name in getattr(home, "__all__", []):
        member = getattr(home, name)
        inside = [member]
        if isinstance(member, types.ModuleType):
            names = getattr(member, "__all__", None)
            names = names or [n for n, v in vars(member).items() if public(n, v, member)]
            inside = [getattr(member, n) for n in names]
        for value in inside:
            yield from callables(value)


def public(name, value, module) -> bool:
    return name[0] != "_" and getattr(value, "__module__", "") == module.__name__


def callables(value):
    if inspect.isfunction(value):
        yield value.__qualname__, value
    elif inspect.isclass(value) and value.__module__.startswith("coursekit"):
        for name, method in vars(value).items():
            method = getattr(method, "__func__", method)
            if inspect.isfunction(method) and (name[0] != "_" or name == "__init__"):
                yield f"{value.__qualname__}.{name}", method


def untyped(package: str) -> list[str]:
    found = []
    for name, function in members(package):
        for parameter in list(inspect.signature(function).parameters.values()):
            if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls"):
                found.append(f"{name}({parameter.name})")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_parameter_has_a_type(package):
    found = sorted(set(untyped(package)))
    assert not found, f"{len(found)} parameters of {package}: {', '.join(found)}"


def test_the_types_are_shipped():
    assert (ROOT / "py.typed").exists()
