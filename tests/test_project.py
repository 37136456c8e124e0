"""The project's files agree with each other, and its rooms with the design."""

import ast
import importlib
import re
import sys
import tomllib
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# The floors of coursekit: a part imports from floors below its own, and from itself.
FLOORS = [
    {"_checks", "_disk", "_settings"},
    {
        "_elsewhere",
        "_endings",
        "_files",
        "_findings",
        "_fingerprint",
        "_monitor",
        "_optimizers",
        "_randomness",
        "_replicas",
        "_saving",
    },
    {"_claim", "_spool"},
    {"losses", "schedules", "optimizers", "augmentation", "exercises", "datasets"},
    {"training", "precision"},
    {"callbacks", "distribution", "diagnosis", "validation"},
    {"tuning"},
    {"plots"},
    {"grade", "lessons"},
]
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}

# What each part may import from outside, besides the standard library: at the top of a file, and
# inside functions.
NUMPY = {"numpy"}
KERAS = {"numpy", "keras"}
SKLEARN = {"numpy", "keras", "pandas", "sklearn", "scipy"}
TOP = {
    "__init__": set(),
    **dict.fromkeys([*FLOORS[0], *FLOORS[1], *FLOORS[2]], NUMPY),
    **dict.fromkeys(["_endings", "_monitor", "_optimizers", "_replicas", "_spool"], KERAS),
    **dict.fromkeys(["losses", "schedules", "optimizers", "augmentation"], KERAS),
    "exercises": {"numpy", "IPython"},
    "datasets": SKLEARN,
    "training": KERAS,
    "precision": KERAS,
    "callbacks": KERAS,
    "distribution": KERAS,
    "diagnosis": KERAS | {"scipy"},
    "validation": SKLEARN,
    "tuning": SKLEARN | {"keras_tuner"},
    "plots": {"numpy", "matplotlib"},
    "grade": {"numpy"},
    "lessons": KERAS | {"threadpoolctl"},
}
INSIDE = {
    **{part: {"tensorflow"} for part in ("_replicas", "losses", "optimizers", "validation")},
    **{part: {"tensorflow", "jax", "keras"} for part in ("training", "distribution", "precision")},
    "_elsewhere": {"keras", "cloudpickle"},
    "_settings": {"keras", "tensorflow", "jax"},
    "_randomness": {"keras", "tensorflow"},
    "grade": {"IPython", "ipykernel", "jupyter_client", "nbclient", "nbformat", "keras"},
    "_saving": {"keras"},
    "callbacks": {"tensorflow", "jax"},
    "tuning": {"grpc"},
    "plots": {"pandas", "IPython", "keras", "PIL"},
    "exercises": {"keras", "tensorflow", "matplotlib"},
    "lessons": {"tensorflow", "jax", "keras_tuner", "pandas", "sklearn", "scipy", "IPython"},
}

# Who builds on the private rooms of one other package: a tuner's trials are cross-validations,
# whose folds it trains in an order of its own.
INSIDERS = {"tuning": "validation"}


def parts() -> list[tuple[str, Path]]:
    root = ROOT / "coursekit"
    paths = [p for p in sorted(root.rglob("*.py")) if "_solutions" not in p.parts]
    return [(p.relative_to(root).parts[0].removesuffix(".py"), p) for p in paths]


def dotted(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


PATHS = [path for _, path in parts()]
MODULES = {dotted(path) for path in PATHS}


def imports(tree: ast.AST, top: bool | None = None) -> set[str]:
    """The modules that a file imports: at its top, inside functions, or (None) anywhere."""
    body = [n for n in getattr(tree, "body", []) if not _for_types(n)]
    at_top = {id(n) for n in body}
    found = set()
    for node in ast.walk(tree):
        if top is not None and (id(node) in at_top) != top:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return found


def _for_types(node) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.parametrize(
    "part, path", parts(), ids=lambda v: dotted(v) if isinstance(v, Path) else ""
)
def test_who_imports_whom(part, path):
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        base, *rest = name.split(".")
        if base == "coursekit" and part != "__init__":
            other = rest[0] if rest else "__init__"
            if other != part:
                assert FLOOR.get(other, -1) < FLOOR[part], f"{part} may not import {name}"
    for top in (True, False):
        allowed = TOP[part] | (set() if top else INSIDE.get(part, set()))
        for name in imports(tree, top):
            base = name.split(".")[0]
            if base not in sys.stdlib_module_names and base != "coursekit":
                where = "at the top" if top else "inside a function"
                assert base in allowed, f"{part} may not import {name} {where}"


@pytest.mark.parametrize("part, path", parts(), ids=lambda v: dotted(v) if v in PATHS else "")
def test_nothing_private_is_taken_from_another_package(part, path):
    """Its own rooms may share a `_name` or a `_module`; what others need has a public name.

    The rooms of the ground floor, `coursekit._checks` and its like, are everybody's.
    """
    taken = {other for other in private_names(path) if other.split(".")[1] != part}
    taken = {other for other in taken if INSIDERS.get(part) != other.split(".")[1]}
    assert not taken, f"{dotted(path)} takes {sorted(taken)}"


def private_names(path: Path) -> set[str]:
    """The dotted names with a private part, below the ground floor's, that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    words = {name: name.split(".")[2:] for name in found if name.startswith("coursekit.")}
    return {name for name, rest in words.items() if any(re.match(r"_[^_]", w) for w in rest)}


@pytest.mark.parametrize("insider, host", INSIDERS.items())
def test_an_insider_is_one(insider, host):
    names = [private_names(path) for part, path in parts() if part == insider]
    assert any(name.split(".")[1] == host for name in set().union(*names))


def is_code(line: str) -> bool:
    try:
        statements = ast.parse(line).body
    except SyntaxError:
        return False
    match statements:
        case [ast.Import() | ast.ImportFrom() | ast.Assign() | ast.Expr(ast.Call())]:
            return not line.startswith(" ")
    return False


@pytest.mark.parametrize("path", PATHS, ids=dotted)
def test_an_example_in_a_docstring_keeps_its_indent(path):
    """`ruff format` takes the indent from an example after which no text follows: write a fence."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = re.sub(r"```.*?```", "", ast.get_docstring(node) or "", flags=re.S)
            bare = [line for line in text.splitlines() if is_code(line)]
            assert not bare, f"{dotted(path)}: code without indent or fence: {bare[0]}"


@pytest.mark.slow
def test_no_circle():
    """Not even one that an import inside a function hides."""
    graph = {dotted(p): imports(ast.parse(p.read_text())) & MODULES for _, p in parts()}
    graph["coursekit"] = set()  # loads its parts when they are asked for
    left = dict(graph)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {sorted(left)}"


def test_a_module_is_public_or_private():
    """Private begins with `_`; public is in its package's `__all__`, and no function hides it."""
    for _, path in parts():
        name = dotted(path)
        package, _, last = name.rpartition(".")
        if not package or last.startswith("_") or package == "coursekit.lessons":
            continue
        home = importlib.import_module(package)
        assert last in home.__all__, f"{name} is neither private nor in {package}.__all__"
        assert isinstance(getattr(home, last), types.ModuleType), f"{name} is hidden"


def test_environment_lists_what_the_project_requires():
    lines = (ROOT / "environment.yml").read_text().split("- pip:")[1]
    listed = re.findall(r"^ +- ([a-z].*)$", lines, re.M)
    extras = PROJECT["project"]["optional-dependencies"]
    own = [r for r in [*extras["tf"], *extras["course"]] if not r.startswith("keras-coursekit")]
    nbval = [r for r in extras["dev"] if r.startswith("nbval")]
    assert listed == [*PROJECT["project"]["dependencies"], *own, *nbval]


def test_constraints_pin_every_requirement():
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    pinned = {name.lower().replace("_", "-") for name in pinned}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["course"], *extras["dev"]]
    names = {re.match(r"[\w-]+", r)[0] for r in wanted} - {"keras-coursekit"}
    assert names <= pinned, sorted(names - pinned)


def test_nothing_installs_the_other_coursekit():
    """The name coursekit on PyPI is someone else's: no command may ask an index for it."""
    files = [*ROOT.glob("*.md"), ROOT / "Makefile", *(ROOT / "notebooks").rglob("*.ipynb")]
    for path in [*files, *(ROOT / "tools").glob("*.py")]:
        assert not re.search(r"pip install[^\n`]* coursekit", path.read_text()), path.name


def test_no_machine_paths():
    patterns = re.compile(r"/home/\w+|/root/|/Users/\w+|/tmp/(?!ipykernel)\w+|[A-Z]:\\\\Users")
    others = {"my", "dist", "build"}
    here = [p for p in ROOT.iterdir() if p.name[0] != "." and p.name not in others]
    files = [f for p in here for f in ([p] if p.is_file() else p.rglob("*"))]
    for path in files:
        if path.suffix not in (".py", ".md", ".ipynb", ".json", ".toml", ".yml"):
            continue
        if path != Path(__file__):
            assert not patterns.search(path.read_text(encoding="utf-8")), path


TEXTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "data" / "README.md"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_what_a_text_names_is_there(path):
    """Files, links, commands of make and parts of coursekit."""
    text = path.read_text()
    named = re.findall(
        r"(?<![\w/.])((?:coursekit|data|docs|notebooks|tests|tools)/[\w./-]*\w)", text
    )
    files = [ROOT / n for n in named if "knots" not in n and "NN_" not in n]
    files += [path.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    missing = [str(file) for file in files if not file.exists()]
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"`make ([\w-]+)", text)
    missing += [name for name in commands if not re.search(rf"^{name}:", makefile, re.M)]
    missing += [part for part in re.findall(r"`coursekit\.(\w+)", text) if part not in FLOOR]
    assert not missing


def test_what_is_imported_from_coursekit_is_there():
    """Inside functions too, and in files that only another environment runs."""
    missing = []
    folders = [ROOT / name for name in ("tests", "tools", "notebooks")]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("coursekit."):
                home = importlib.import_module(node.module)
                for name in (one.name for one in node.names if not hasattr(home, one.name)):
                    try:
                        importlib.import_module(f"{node.module}.{name}")
                    except ImportError:
                        missing.append(f"{path.name}: {node.module}.{name}")
    assert not missing


def test_the_readme_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    exec(compile(code, "README.md", "exec"), {})
    reason, epochs = capsys.readouterr().out.split()
    assert reason == "converged" and int(epochs) < 50
