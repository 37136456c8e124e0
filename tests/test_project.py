"""The project's files agree with each other, and its rooms with the design."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# What each part of coursekit may import of the others, besides the standard library.
ALLOWED = {
    "losses": {"keras", "coursekit.losses"},
    "schedules": {"keras", "coursekit.schedules"},
    "augmentation": {"keras", "numpy", "coursekit.augmentation"},
    "exercises": {"numpy", "IPython", "coursekit.exercises"},
    "lessons": {"coursekit", "numpy"},
    "datasets": {"numpy", "pandas", "sklearn", "keras"},
    "plots": {"numpy", "matplotlib", "coursekit.exercises", "coursekit.plots"},
}
TENSORFLOW = {"training", "distribution", "optimizers", "lessons"}


def imports(path: Path, top_level: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


def modules():
    root = ROOT / "coursekit"
    paths = sorted(root.rglob("*.py"))
    return [(p.relative_to(root).parts[0].removesuffix(".py"), p) for p in paths]


@pytest.mark.parametrize("room, path", modules(), ids=lambda v: getattr(v, "stem", v))
def test_who_imports_whom(room, path):
    import sys

    for name in imports(path, top_level=True):
        base = name.split(".")[0]
        assert base != "tensorflow", "TensorFlow is loaded inside functions only"
        if room in ALLOWED and base not in sys.stdlib_module_names:
            allowed = ALLOWED[room]
            assert base in allowed or any(name.startswith(a) for a in allowed), name
    if room not in TENSORFLOW and room != "exercises":
        assert not any(n.startswith("tensorflow") for n in imports(path, top_level=False))
    if room not in ("lessons", "__init__"):
        assert not any(n.startswith("coursekit.lessons") for n in imports(path, top_level=False))


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
    skip = {".venv", ".venv-oldest", ".venv-tpu", "my", ".git", "dist", "build"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if parts[0] in skip or path.suffix not in (
            ".py",
            ".md",
            ".ipynb",
            ".json",
            ".toml",
            ".yml",
        ):
            continue
        if path != Path(__file__):
            assert not patterns.search(path.read_text(encoding="utf-8")), path


def test_the_readme_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    exec(compile(code, "README.md", "exec"), {})
    reason, epochs = capsys.readouterr().out.split()
    assert reason == "converged" and int(epochs) < 50
