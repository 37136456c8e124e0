"""A learner's answers in the teacher's blank notebook: what is ours runs as we wrote it.

`merge` returns units, in the order of the blank notebook: `{"kind": "run", "code": ..., "whose":
"course", "answer" or "own"}` and `{"kind": "judge", "name": ..., "answers": [...]}`. Our cells are
found again by their text, their id or their likeness, wherever they stand; a changed or missing
one is ours again. Calls of `check` are taken out of the learner's cells: judging is a unit, with
the arguments of the blank notebook. This runs in the room of the submission: a notebook that is
made to break its reader breaks nothing else.
"""

import ast
import difflib
import json
import re
from typing import Any

MOST_CELLS, LONGEST_CELL, MOST_TRIES = 1000, 100_000, 8
CALL = re.compile(r"\bcheck\(\s*[\"']([\w.-]+)[\"']")
LIKE = 0.6  # how alike a changed cell of ours still is


class Unreadable(Exception):
    """What was handed in is no notebook of this lesson; the text says why."""


def read(data: bytes) -> list[dict[str, Any]]:
    """Return the code cells of a notebook of any format: id and source."""
    if data[:2] == b"PK":
        raise Unreadable("it is a zip archive, or an office document, and no notebook")
    if data[:5] in (b"%PDF-", b"<!DOC", b"<html"):
        raise Unreadable("it is a printed page, and no notebook")
    try:
        book = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Unreadable(f"it is no notebook: {reason[:120]}") from None
    if isinstance(book, dict) and isinstance(book.get("worksheets"), list):  # before 2015
        sheets = [s for s in book["worksheets"] if isinstance(s, dict)]
        book["cells"] = [c for s in sheets for c in s.get("cells", []) if isinstance(c, dict)]
        for cell in book["cells"]:
            cell["source"] = cell.get("input", cell.get("source", ""))
    cells = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("it is no notebook: there is no list of cells in it")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"it has {len(cells):,} cells; more than {MOST_CELLS:,} are not run")
    found = []
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            parts = source if isinstance(source, list) else [source]
            source = "".join(part for part in parts if isinstance(part, str)).replace("\r\n", "\n")
            if len(source) > LONGEST_CELL:
                raise Unreadable(f"a cell has {len(source):,} characters")
            found.append({"id": cell.get("id"), "source": source})
    return found


def merge(
    theirs: list[dict[str, Any]], blank: list[dict[str, Any]], exercises: list[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the units to run, and notes on the cells of ours that were changed or are missing.

    Args:
        theirs: the learner's code cells, as `read` gives them.
        blank: those of the blank notebook.
        exercises: the names of the lesson's exercises.
    """
    names = [[n for n in CALL.findall(c["source"]) if n in exercises] for c in blank]
    talk = [not n and is_talk(c["source"]) for n, c in zip(names, blank, strict=True)]
    home = _homes(theirs, blank, names, talk)
    notes: list[str] = []
    before: list[list] = [[] for _ in range(len(blank) + 1)]  # of each cell of ours
    inside: list[list] = [[] for _ in blank]
    for number, (cell, place) in enumerate(zip(theirs, home, strict=True)):
        if place is None and (gap := _gap(number, home)) < 0:
            inside[~gap].append(cell["source"])
        elif place is None:
            before[gap].append(cell["source"])
        else:
            inside[place].append(cell["source"])
    units: list[dict[str, Any]] = []
    for place, cell in enumerate(blank):
        units += [_run(source, "own") for source in before[place]]
        if names[place]:
            units += _answers(inside[place][-MOST_TRIES:], cell["source"], names[place])
            continue
        if talk[place]:
            continue
        ours = without_checks(cell["source"]).strip()
        changed = [s for s in inside[place] if without_checks(s).strip() != ours]
        if not inside[place] or changed:
            what = "was changed" if changed else "was missing"
            notes.append(f"a cell of the course {what}: {headline(cell['source'])}")
        units += [_run(s, "own") for s in changed if defined(s) - defined(cell["source"])]
        units.append({"kind": "run", "code": cell["source"], "whose": "course"})
    units += [_run(source, "own") for source in before[len(blank)]]
    return [u for u in units if u["kind"] == "judge" or set(u["code"].split()) - {"pass"}], notes


def _homes(theirs, blank, names, talk) -> list[int | None]:
    """Return which cell of ours each of theirs belongs to; None for one of their own."""
    home: list[int | None] = [None] * len(theirs)
    texts: dict[str, list[int]] = {}
    for place, cell in enumerate(blank):
        texts.setdefault(cell["source"].strip(), []).append(place)
    taken = set()
    for number, cell in enumerate(theirs):
        called = [n for n in CALL.findall(cell["source"]) if any(n in own for own in names)]
        places = [p for p in texts.get(cell["source"].strip(), []) if p not in taken]
        if places:
            home[number] = places[0]
        elif called:
            home[number] = next(p for p, own in enumerate(names) if called[-1] in own)
        if home[number] is not None and not names[home[number]]:
            taken.add(home[number])
    ids = {c["id"]: p for p, c in enumerate(blank) if isinstance(c["id"], str)}
    for number, cell in enumerate(theirs):
        place = ids.get(cell["id"]) if isinstance(cell["id"], str) else None
        if home[number] is None and place is not None and not talk[place] and place not in taken:
            home[number] = place
            taken |= set() if names[place] else {place}
    left = [p for p in range(len(blank)) if not names[p] and not talk[p] and p not in taken]
    for number, cell in enumerate(theirs):
        if home[number] is None and left and 20 < len(cell["source"]) < 20_000:
            match = difflib.SequenceMatcher(None, "", cell["source"], autojunk=False)
            ratios = {}
            for place in left:
                match.set_seq1(blank[place]["source"])
                quick = match.real_quick_ratio() > LIKE and match.quick_ratio() > LIKE
                ratios[place] = match.ratio() if quick else 0.0
            best = max(left, key=lambda p: ratios[p])
            if ratios[best] > LIKE:
                home[number] = best
                left.remove(best)
    return home


def _gap(number: int, home: list[int | None]) -> int:
    """Return the cell of ours before which a cell of their own runs.

    It runs after the cell that stands before it; or, where the two around it have changed places,
    before the one that stands after it. Between two parts of one exercise's cell it stays: then
    this is `~place` of that cell.
    """
    above = [p for p in home[:number] if p is not None]
    below = [p for p in home[number + 1 :] if p is not None]
    after = above[-1] + 1 if above else 0
    if above and below and above[-1] == below[0]:
        return ~below[0]
    return min(after, below[0]) if below else after


def _answers(sources: list[str], blank: str, names: list[str]) -> list[dict[str, Any]]:
    """Return the units of an exercise's cell: what they wrote, and a judgement after each."""
    units, asked = [], questions([{"source": blank}], names)
    calls = [[n for n in names if n in CALL.findall(source)] for source in sources]
    if sources and not any(calls):  # the call was deleted
        calls[-1] = names
    for source, called in zip(sources, calls, strict=True):
        units += [_run(source, "answer"), *[asked[name] for name in called]]
    return units


def questions(blank: list[dict[str, Any]], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the judgement of each exercise: its arguments, and which of them are given."""
    units = {}
    for cell in blank:
        owned = defined(cell["source"])
        for name, answers in arguments(cell["source"], names).items():
            given = [a.isidentifier() and a not in owned for a in answers]
            units[name] = {"kind": "judge", "name": name, "answers": answers, "given": given}
    return units


def _run(source: str, whose: str) -> dict[str, Any]:
    return {"kind": "run", "code": without_checks(source), "whose": whose, "written": source}


def parsed(source: str) -> ast.Module:
    """Parse a cell, also one with `%magics`; an empty module if it cannot be parsed."""
    for text in (source, None):
        try:
            if text is None:
                from IPython.core.inputtransformer2 import TransformerManager

                text = TransformerManager().transform_cell(source)
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return ast.Module([], [])


def _is_check(node: ast.stmt) -> bool:
    call = getattr(node, "value", None)
    if not (isinstance(node, ast.Expr) and isinstance(call, ast.Call)):
        return False
    function = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return isinstance(function, ast.Name) and function.id == "check"


def is_talk(source: str) -> bool:
    """Say whether a cell only asks: hints, cards, predictions, the quiz."""
    body = parsed(source).body
    return bool(body) and all(map(_is_check, body))


def without_checks(source: str) -> str:
    r"""Return a cell whose own calls of `check` are `pass`, its other lines as they were.

    Example:
        >>> without_checks('rate = 0.3\ncheck("rate", rate)')
        'rate = 0.3\npass'
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    lines = source.encode().split(b"\n")
    for node in reversed([n for n in body if _is_check(n)]):
        first, last = node.lineno - 1, node.end_lineno - 1
        rest = lines[last][node.end_col_offset :]
        lines[first : last + 1] = [lines[first][: node.col_offset] + b"pass" + rest]
    return b"\n".join(lines).decode()


def arguments(source: str, names: list[str]) -> dict[str, list[str]]:
    """Return what each check of a cell is called with, as code."""
    found = {}
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check" and node.args:
            name = getattr(node.args[0], "value", None)
            if name in names:
                found[name] = [ast.unparse(a) for a in node.args[1:]]
    return found


def defined(source: str) -> set[str]:
    """Return the names that a cell's own lines assign, define or import."""
    found = set()
    for node in parsed(source).body:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.add(part.id)
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(part.name)
            elif isinstance(part, ast.alias):
                found.add((part.asname or part.name).split(".")[0])
    return found


def headline(source: str) -> str:
    """Return the first line of a cell that says something, shortened."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    line = next((one for one in lines if not one.startswith(("#", "try:"))), "")
    return f"`{line[:60]}`"
