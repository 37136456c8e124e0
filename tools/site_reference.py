"""Writes the pages of the reference: what is public in coursekit, read from each `__all__`."""

import dataclasses
import importlib
import inspect
import types
from collections.abc import Iterator

import coursekit

LEFT_OUT = {"coursekit.lessons"}  # the lessons' own helpers


def pages() -> Iterator[tuple[str, str]]:
    """Yield a page for each public package, with its public modules, and one that lists them."""
    packages = [
        importlib.import_module(f"coursekit.{name}")
        for name in coursekit.__all__
        if f"coursekit.{name}" not in LEFT_OUT and name not in coursekit.FIRST
    ]
    documented: set[int] = set()
    names = []
    for package in packages:
        name = package.__name__.partition(".")[2]
        parts = [_module(module, documented) for module in [package, *_submodules(package)]]
        yield f"api/{name}.rst", "\n".join(parts)
        names.append(name)
    yield "api/index.rst", _index(names)


def _index(names: list[str]) -> str:
    tree = "\n".join(f"   {name}" for name in names)
    first = "\n".join(f"   coursekit.{home}.{name}" for name, home in coursekit.FIRST.items())
    summaries = "\n".join(f"- :doc:`coursekit.{name} <{name}>`: {_summary(name)}" for name in names)
    return (
        f"Reference\n=========\n\n{summaries}\n\n"
        "All names in one list: :ref:`genindex`.\n\n"
        "Reached for first\n-----------------\n\nThese come with ``from coursekit import ...``.\n\n"
        f".. autosummary::\n\n{first}\n\n"
        f".. toctree::\n   :hidden:\n\n{tree}\n"
    )


def _summary(name: str) -> str:
    return (
        inspect.getdoc(importlib.import_module(f"coursekit.{name}"))
        .split("\n\n")[0]
        .replace("\n", " ")
        .replace("`", "``")
    )


def _submodules(package: types.ModuleType) -> list[types.ModuleType]:
    return [value for _, value in members(package) if isinstance(value, types.ModuleType)]


def members(module: types.ModuleType) -> list[tuple[str, object]]:
    """Return what is public in a module, in the order of its `__all__`, or of its text."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
        ]
    return [(name, getattr(module, name)) for name in names]


def _module(module: types.ModuleType, documented: set[int]) -> str:
    """Return the section of a module: its text, a table of its names, then each of them."""
    name, top = module.__name__, module.__name__.count(".") == 1
    own = [
        (key, value)
        for key, value in members(module)
        if not isinstance(value, types.ModuleType) and id(value) not in documented
    ]
    documented |= {id(value) for _, value in own if callable(value)}
    lines = [
        name,
        ("=" if top else "-") * len(name),
        "",
        f".. automodule:: {name}",
        "   :no-members:",
    ]
    lines += ["", f".. currentmodule:: {name}", "", ".. autosummary::", "   :nosignatures:", ""]
    lines += [f"   {key}" for key, value in own if callable(value)]
    for key, value in own:
        lines += ["", *_member(key, value)]
    return "\n".join([*lines, "", ""])


def _member(key: str, value: object) -> list[str]:
    if inspect.isclass(value):
        fields = (
            [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        )
        left_out = [f"   :exclude-members: {', '.join(fields)}"] if fields else []
        # What a private class of ours hands on is part of it; what Keras hands on is not.
        outside = next(c for c in value.__mro__ if c.__module__.partition(".")[0] != "coursekit")
        shown = [
            ":members:",
            ":special-members: __call__",
            f":inherited-members: {outside.__name__}",
        ]
        return [f".. autoclass:: {key}", *(f"   {option}" for option in shown), *left_out]
    if callable(value):
        return [f".. autofunction:: {key}"]
    return [f".. py:data:: {key}", f"   :type: {type(value).__name__}"]
