"""Lines of a learner's code that a teacher should look at: what could reach into the judge.

An answer that is code runs in one process with its judge, so a clever one can always pass. It
cannot do so without naming one of these, or without being seen by `_probe`, which watches what the
code does. A line that is shown is no proof: the point counts, and the teacher decides.
"""

import ast
from collections.abc import Iterable
from typing import Any

from coursekit.grade._merge import parsed

# Modules by which code leaves its cell, and packages of which only the public face is for learners.
MODULES = {
    "ast", "asyncio", "atexit", "builtins", "code", "codeop", "ctypes", "dis", "faulthandler", "gc",
    "imp", "importlib", "inspect", "ipykernel", "IPython", "jupyter_client", "linecache", "marshal",
    "mmap", "mock", "multiprocessing", "operator", "os", "pathlib", "pdb", "pickle", "pkgutil",
    "posix", "psutil", "runpy", "shutil", "signal", "site", "socket", "subprocess", "sys",
    "tempfile", "threading", "traceback", "types", "unittest", "weakref", "zipimport", "zmq",
    "_thread", "cloudpickle", "concurrent", "dill", "forbiddenfruit",
}  # fmt: skip
OURS = ("coursekit.exercises", "coursekit.grade", "coursekit.lessons")
# Functions and names that lead from an object to code that is not the learner's.
NAMES = {
    "BaseException", "KeyboardInterrupt", "SystemExit", "StopIteration", "__import__",
    "breakpoint", "builtins", "compile", "delattr", "eval", "exec", "get_ipython", "getattr",
    "globals", "locals", "open", "setattr", "vars",
}  # fmt: skip
ATTRIBUTES = {
    "CheckFailed", "NotDone", "Outcome", "Wrong", "_getframe", "_solutions", "ag_frame",
    "attrgetter", "builtins", "cr_frame", "ctypes", "currentframe", "eval", "exercises",
    "f_back", "f_builtins", "f_code", "f_globals", "f_locals", "gc", "get_ipython", "gi_code",
    "gi_frame", "hints", "importlib", "inspect", "judge", "learner_code", "methodcaller", "modules",
    "os", "predictions", "questions", "read_pickle", "setprofile", "settrace", "solution",
    "subprocess", "sys", "tb_frame", "tb_next", "verdict", "with_traceback", "allow_pickle",
    "enable_unsafe_deserialization", "load_module",
}  # fmt: skip
TEXTS = {w for w in ATTRIBUTES if len(w) > 5 and "_" in w} | {"coursekit.", "/proc"}
# Methods of one's own classes that are for computing and drawing; the others answer comparisons.
USUAL = {"__init__", "__call__", "__name__", "__len__", "__getitem__", "__iter__", "__next__",
         "__repr__", "__str__", "__doc__", "__version__", "__post_init__", "__enter__", "__exit__",
         "__main__", "__file__"}  # fmt: skip
MOST_LINES = 40


def suspects(source: str, course: Iterable[str] = ()) -> list[str]:
    r"""Return the lines of a cell that a teacher should look at, each with what stands in it.

    Args:
        source: the cell.
        course: names of the course's own cells, which a learner's cell should not bind anew.

    Example:
        >>> suspects("import gc\nrate = 0.3")
        ['`import gc`: gc']
    """
    tree = parsed(source)
    lines, found = source.splitlines(), []
    modules = {a.asname or a.name.split(".")[0] for n in ast.walk(tree)
               if isinstance(n, ast.Import) for a in n.names}  # fmt: skip
    for node in ast.walk(tree):
        words = sorted(
            _words(node, modules | set(course))
            | (
                {node.id} & set(course)
                if isinstance(node, ast.Name) and not _is_load(node)
                else set()
            )
        )
        if words:
            number = getattr(node, "lineno", getattr(getattr(node, "pattern", None), "lineno", 1))
            line = lines[number - 1].strip() if number <= len(lines) else ""
            found.append(f"`{line[:100]}`: {', '.join(words)}")
    if not tree.body and source.strip():
        found.append(f"`{lines[0].strip()[:100]}`: a cell that Python cannot read")
    return list(dict.fromkeys(found))[:MOST_LINES]


def imported(source: str) -> set[str]:
    """Return the names that a cell's own lines import."""
    nodes = [n for n in parsed(source).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return {(a.asname or a.name).split(".")[0] for n in nodes for a in n.names}


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _words(node: ast.AST, modules: set[str]) -> set[str]:
    """Return what is suspect at one place of a cell."""
    match node:
        case ast.Import(names=names):
            return {a.name for a in names if _is_far(a.name)}
        case ast.ImportFrom(module=module, names=names):
            inner = {f"{module}.{a.name}" for a in names}
            return {n for n in inner if _is_far(n)} | {a.name for a in names if _is_word(a.name)}
        case ast.Name(id=name):
            return {name} if name in NAMES or _is_dunder(name) else set()
        case ast.Attribute(attr=name, ctx=ctx, value=value):
            patched = not isinstance(ctx, ast.Load) and _root(value) in modules
            return {name} if _is_word(name) or patched else set()
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name} if _is_word(name) else set()
        case ast.MatchClass(kwd_attrs=names):
            return {name for name in names if _is_word(name)}
        case ast.keyword(arg=str(name)):
            return {name} if name in ATTRIBUTES else set()
        case ast.Constant(value=str(text)):
            is_private = text.startswith("__") and _is_dunder(text)
            return {w for w in TEXTS if w in text} | ({text} if is_private else set())
    return set()


def _root(node: Any) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def _is_far(module: str) -> bool:
    return module.split(".")[0] in MODULES or module.startswith(OURS)


def _is_word(name: str) -> bool:
    return name in ATTRIBUTES or _is_dunder(name)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in USUAL
