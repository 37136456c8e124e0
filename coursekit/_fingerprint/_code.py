"""What a function's code refers to outside of itself."""

import dis
import importlib
import types

GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
CELLS = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "LOAD_CLOSURE"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
MISSING = object()  # a name without a value: the function would fail there


def constants(code: types.CodeType) -> tuple:
    """Return what tells code apart, besides the code within: no names of files, no lines."""
    consts = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    return (
        code.co_code, code.co_exceptiontable, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount,
        code.co_flags, tuple(consts),
    )  # fmt: skip


def inner(code: types.CodeType) -> list[types.CodeType]:
    """Return the code of the functions and classes that are written inside."""
    return [c for c in code.co_consts if isinstance(c, types.CodeType)]


def reads(function: types.FunctionType) -> list[tuple[str, object, set[tuple[str, ...]]]]:
    """Return what a function reads from outside: the name, the value, and which attributes of it.

    Names that Python has built in are left out. An empty tuple among the attributes says that the
    value is used as a whole.
    """
    uses: dict[str, set[tuple[str, ...]]] = {}
    imported: dict[str, object] = {}
    codes = [function.__code__]
    for code in codes:  # grows
        codes += inner(code)
        _look_at(code, function.__globals__, uses, imported)
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # not set yet
            cells[name] = MISSING
    found = []
    for name in sorted({*uses, *cells}):
        known = cells if name in cells else function.__globals__
        if name in known:
            found.append((name, known[name], uses.get(name, set())))
    return found + [(name, value, {()}) for name, value in sorted(imported.items())]


def _look_at(code, globals_, uses, imported) -> None:
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    for k, one in enumerate(instructions):
        if one.opname in GLOBALS | CELLS:
            chain = []
            for after in instructions[k + 1 :]:
                if after.opname not in ATTRIBUTES:
                    break
                chain.append(after.argval)
            uses.setdefault(one.argval, set()).add(tuple(chain))
        elif one.opname == "IMPORT_NAME":
            level = instructions[k - 2].argval if k > 1 else 0
            names = []
            for after in instructions[k + 1 :]:
                if after.opname == "IMPORT_FROM":
                    names.append(after.argval)
                elif not after.opname.startswith("STORE_"):
                    break
            _import(one.argval, level, names, globals_, imported)


def _import(name, level, names, globals_, imported) -> None:
    """Note what an import inside a function brings: it would be imported there anyway."""
    package = globals_.get("__package__") or None
    try:
        module = importlib.import_module("." * (level or 0) + name, package)
    except Exception:  # it fails inside the function too, or is guarded there
        imported[name] = MISSING
        return
    for one in names:
        imported[f"{name}.{one}"] = getattr(module, one, MISSING)
    if not names:
        imported[name] = module
