"""Docstrings here are Google style in Markdown; Sphinx reads reStructuredText."""

import re

FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
TICKS = re.compile(r"(?<![`\w:])`([^`]+?)`(?!`)(?=(\w?))", re.S)
MARKED = re.compile(r"(``[^`]*``|:py:obj:`[^`]*`)")
SPECIAL = re.compile(r"[*|]|_(?!\w)")  # reStructuredText gives them a meaning, Markdown rarely
NAME = re.compile(r"[A-Za-z_][\w.]*(?:\(\))?")
DOCTEST = re.compile(r"^\s*(?:>>>|\.\.\.)")


def to_rst(lines: list[str], module: bool) -> list[str]:
    """Return a docstring in reStructuredText.

    Args:
        lines: of the docstring, without its indent.
        module: whether it is a module's, where an indented paragraph is code.
    """
    out, prose, indent = [], [], None
    for number, line in enumerate([*lines, ""]):
        fence = FENCE.match(line)
        before = lines[number - 1].strip() if number else ""
        if indent is None and not fence and not DOCTEST.match(line):
            if module and line.startswith("    ") and not before:
                prose += ["::", ""]
            prose.append(line)
            continue
        out += _prose(prose)
        prose = []
        if fence and indent is None:
            indent = fence[1]
            out += ["", f"{indent}.. code-block:: {fence[2] or 'text'}", ""]
        elif fence:
            indent = None
            out.append("")
        else:
            out.append(line if indent is None else f"    {line}".rstrip())
    return out + _prose(prose)


def _prose(lines: list[str]) -> list[str]:
    """Return prose with its backticks doubled; a name becomes a link where it is documented."""

    def marked(match):
        inside = " ".join(match[1].split())
        made = f":py:obj:`{inside}`" if NAME.fullmatch(inside) else f"``{inside}``"
        return made + "\\ " * bool(match[2])  # a letter right behind it, as in `Layer`s

    if not lines:
        return []
    text = TICKS.sub(marked, "\n".join(lines))
    parts = MARKED.split(text)
    parts[::2] = [SPECIAL.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts).split("\n")


def convert(app, what, name, obj, options, lines):
    """Rewrite a docstring before napoleon reads it."""
    lines[:] = to_rst(lines, module=what == "module")


def is_foreign(app, what, name, obj, skip, options):
    """Leave out what a class has from Keras or scikit-learn; None asks Sphinx."""
    home = getattr(getattr(obj, "fget", obj), "__module__", None) or "coursekit"
    return None if home.partition(".")[0] == "coursekit" else True


def setup(app):
    """Register the hooks."""
    app.connect("autodoc-skip-member", is_foreign)
    app.connect("autodoc-process-docstring", convert, priority=1)
    return {"parallel_read_safe": True}
