"""Reads a lesson's module without running it: does it belong to its source?"""

import ast
from pathlib import Path

from lesson_source import Source


def misfits(source: Source, module: Path) -> list[str]:
    """Say what in a lesson's source, and in its module, is another lesson's; a line each.

    Args:
        source: the lesson.
        module: its checks, coursekit/lessons/slug.py.
    """
    name, found = source.path.name, []
    for other in sorted(_imported(source) - {source.slug}):
        found.append(
            f"{name} imports coursekit.lessons.{other}: its checks, and a learner's progress in "
            f"them, are that lesson's."
        )
    if not module.is_file():
        return [*found, f"{name}: there is no coursekit/lessons/{module.name} with its checks."]
    try:
        tree = ast.parse(module.read_text(encoding="utf-8"))
    except SyntaxError as error:
        return [*found, f"coursekit/lessons/{module.name}, line {error.lineno}: {error.msg}."]
    called, exercises = _lesson(tree), _exercises(tree)
    wanted = [source.slug, source.title]
    if called != wanted:
        found.append(
            f"coursekit/lessons/{module.name} makes Lesson{_call(called)}; {name} is of "
            f"Lesson{_call(wanted)}."
        )
    pairs = {
        "exercises": (list(source.solutions()), list(exercises)),
        "titles of exercises": (source.exercise_titles, list(exercises.values())),
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            found.append(
                f"{name} has the {what} {ours}, and coursekit/lessons/{module.name} has {theirs}."
            )
    return found


def _call(words: list[str]) -> str:
    return f"({', '.join(map(repr, words))})"


def _imported(source: Source) -> set[str]:
    """The lesson modules that the code of a source imports."""
    found = set()
    for cell in source.notebook.cells:
        for line in cell.source.splitlines() if cell.cell_type == "code" else []:
            word, _, rest = line.strip().partition(" ")
            parts = rest.split(" ")[0].split(".")
            if word in ("from", "import") and parts[:2] == ["coursekit", "lessons"] and parts[2:]:
                found.add(parts[2])
    return {name for name in found if not name.startswith("_")}


def _lesson(tree: ast.Module) -> list[str]:
    """What `check = Lesson(...)` is called with."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name("check")], value=ast.Call(ast.Name("Lesson")) as call
            ):
                values = [*call.args, *(k.value for k in call.keywords)]
                return [v.value if isinstance(v, ast.Constant) else ast.unparse(v) for v in values]
    return []


def _exercises(tree: ast.Module) -> dict[str, str]:
    """The names of the exercises, in order, with their titles."""
    found = {}
    for node in tree.body:
        for mark in getattr(node, "decorator_list", []):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "check.exercise":
                titles = [k.value for k in mark.keywords if k.arg == "title"]
                found[node.name] = getattr(titles[0], "value", "") if titles else ""
    return found
