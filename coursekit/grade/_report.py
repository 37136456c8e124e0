"""What a teacher gets: one CSV, one page, and for Gradescope its `results.json`.

Every word of a student's is a stranger's: escaped in the page, and in the CSV no cell begins as a
formula does.
"""

import csv
import html
import io
import json
from collections import Counter
from typing import Any

MARKS = {"correct": "✓", "wrong": "✗", "raised": "✗", "error": "✗", "broken": "!", "todo": "○"}
STYLE = """
body{font:16px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;
color:#1a1a1a;background:#fff}
table{border-collapse:collapse;margin:1rem 0}
th,td{border:1px solid #999;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:#eee}code,pre{overflow-wrap:anywhere;white-space:pre-wrap}.wide{overflow-x:auto}
.tampered{background:#fbd5cd}.look{background:#fff0c2}small{color:#555}
"""


def cell(text: Any) -> str:
    """Return a text that no spreadsheet takes for a formula, in one line.

    Example:
        >>> cell("=SUM(A1)"), cell("Ada"), cell(3)
        ("'=SUM(A1)", 'Ada', '3')
    """
    text = " ".join(str(text).encode("utf-8", "replace").decode().split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "|", "%")) else text


def e(text: Any) -> str:
    """Escape a text for HTML, also its odd characters."""
    text = str(text).encode("utf-8", "replace").decode()
    return html.escape("".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}"
                               for c in text))  # fmt: skip


def best(records: list[dict]) -> dict[tuple[str, str], dict]:
    """Return the record that counts for each student and lesson: the one with most points."""
    found: dict[tuple[str, str], dict] = {}
    for one in records:
        key = one["student"], one["slug"]
        if key not in found or points(one) > points(found[key]):
            found[key] = one
    return found


def points(record: dict) -> int:
    """Return how many exercises count; -1 if it could not be read."""
    if record["problem"]:
        return -1
    return sum(x["point"] for x in record["exercises"].values())


def table(records: list[dict], numbers: dict[str, str], about: dict[str, dict]) -> str:
    """Return the CSV: a row for each student, and columns for each lesson that was handed in.

    Args:
        records: of the submissions.
        numbers: the lessons' numbers by slug.
        about: the exercises of each lesson that was graded.
    """
    counted, out = best(records), io.StringIO()
    slugs = sorted({s for _, s in counted if s}, key=numbers.get)
    head = ["student"]
    for slug in slugs:
        parts = ["points", "of", "flags", *about.get(slug, {}), "notes"]
        head += [f"{numbers[slug]} {part}" for part in parts]
    writer = csv.writer(out)
    writer.writerow(map(cell, [*head, "could not be read"]))
    for student in sorted({r["student"] for r in records}):
        row = [student]
        for slug in slugs:
            row += _columns(counted.get((student, slug)), list(about.get(slug, {})))
        problems = [f"{r['file']}: {r['problem']}" for r in records
                    if r["student"] == student and r["problem"]]  # fmt: skip
        writer.writerow(map(cell, [*row, "; ".join(problems)]))
    return out.getvalue()


def _columns(record: dict | None, names: list[str]) -> list[Any]:
    if record is None or record["problem"]:
        return [""] * (len(names) + 4)
    made = record["exercises"]
    flags = [f"{n}: {x['flag']}" for n, x in made.items() if x["flag"]]
    words = [f"{x['status']} {x['key']}" if x["status"] == "wrong" else x["status"]
             for x in made.values()]  # fmt: skip
    notes = [*record["evidence"], *record["notes"]]
    return [points(record), len(made), "; ".join(flags), *words, " | ".join(notes)[:1000]]


def page(
    records: list[dict], numbers: dict[str, str], about: dict[str, dict], protection: str
) -> str:
    """Return the report of a class as a page: results, misconceptions, tampering, what failed."""
    counted = best(records)
    slugs = sorted({s for _, s in counted if s in about}, key=numbers.get)
    parts = [f"<p>{e(protection)}</p>", _legend()]
    for slug in slugs:
        graded = [r for (_, s), r in sorted(counted.items()) if s == slug and not r["problem"]]
        if graded:
            parts.append(f"<h2>Lesson {e(numbers[slug])} <small>{e(slug)}</small></h2>")
            parts += [_results(graded, about[slug]), _misconceptions(graded, about[slug])]
    flagged = [r for r in records if r["evidence"] or _flagged(r) or r["lines"]]
    parts.append("<h2>To look at</h2>" + ("".join(map(_lines, flagged)) or "<p>Nothing.</p>"))
    failed = [f"<li><b>{e(r['student'])}</b>, <code>{e(r['file'])}</code>: {e(r['problem'])}</li>"
              for r in records if r["problem"]]  # fmt: skip
    parts.append("<h2>Could not be read</h2>" + (f"<ul>{''.join(failed)}</ul>" if failed else
                                                 "<p>Nothing.</p>"))  # fmt: skip
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>A class, graded</title><style>{STYLE}</style>"
        f"<main><h1>A class, graded</h1>\n{body}</main></html>\n"
    )


def _legend() -> str:
    return (
        "<p>Every notebook was run again in the teacher's blank one; stored outputs were not read. "
        "Answers that are plain data were judged in a process that ran no line of the "
        "student's. Answers that are code can only be judged where they run: that is "
        "tamper-evident, not tamper-proof. <b>tampered</b>: no point was given. <b>look</b>: the "
        "point counts, and the lines below want your eyes.</p>"
    )


def _results(graded: list[dict], about: dict[str, dict]) -> str:
    head = "".join(f'<th scope="col">{e(x["title"])}</th>' for x in about.values())
    rows = []
    for record in graded:
        cells = []
        for x in record["exercises"].values():
            key = f" {e(x['key'])}" if x["status"] == "wrong" else ""
            flag = f"<br><b>{e(x['flag'])}</b>" if x["flag"] else ""
            message = f"<br><small>{e(x['message'])}</small>" if x["status"] != "correct" else ""
            mark = f"{MARKS.get(x['status'], '?')} {e(x['status'])}{key}"
            where = f"<br><small>judged in {e(x['by'])}</small>" if x["point"] else ""
            cells.append(f'<td class="{e(x["flag"])}">{mark}{flag}{message}{where}</td>')
        who = f'<th scope="row">{e(record["student"])}</th>'
        total = f"<td>{points(record)} of {len(record['exercises'])}</td>"
        notes = "<br>".join(map(e, record["notes"]))
        rows.append(f"<tr>{who}{total}{''.join(cells)}<td><small>{notes}</small></td></tr>")
    return (
        '<div class="wide"><table><tr><th scope="col">student</th><th scope="col">points</th>'
        f'{head}<th scope="col">notes</th></tr>{"".join(rows)}</table></div>'
    )


def _misconceptions(graded: list[dict], about: dict[str, dict]) -> str:
    """Count the keys of the messages over the class: what to talk about next time."""
    wrong = Counter((name, x["key"]) for r in graded for name, x in r["exercises"].items()
                    if x["status"] == "wrong")  # fmt: skip
    if not wrong:
        return ""
    rows = []
    for (name, key), count in sorted(wrong.items(), key=lambda item: (-item[1], item[0])):
        told = next(r["exercises"][name]["message"] for r in graded
                    if (r["exercises"][name]["status"], r["exercises"][name]["key"])
                    == ("wrong", key))  # fmt: skip
        rows.append(
            f"<tr><td>{count} of {len(graded)}</td><td>{e(about[name]['title'])}</td>"
            f"<td><code>{e(key)}</code></td><td>{e(told)}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{h}</th>'
        for h in ("students", "exercise", "misconception", "what one was told")
    )
    whole = f"<table><tr>{head}</tr>{''.join(rows)}</table>"
    return f'<h3>Misconceptions</h3><div class="wide">{whole}</div>'


def _flagged(record: dict) -> list[str]:
    return [f"{n}: {x['flag']}" for n, x in record["exercises"].items() if x["flag"]]


def _lines(record: dict) -> str:
    """Return what speaks against a submission: evidence first, then lines for a teacher's eyes."""
    flags = ", ".join(_flagged(record)) or "no point depends on it"
    points = "".join(f"<li><b>{e(text)}</b></li>" for text in record["evidence"])
    lines = "".join(f"<li><code>{e(text)}</code></li>" for text in record["lines"][:60])
    return (
        f"<details><summary>{e(record['student'])}, <code>{e(record['file'])}</code>: {e(flags)}"
        f"</summary><ul>{points}{lines}</ul></details>"
    )


def gradescope(record: dict, about: dict[str, dict]) -> str:
    """Return `results.json` for Gradescope, of one submission.

    Source: the autograder documentation of Gradescope, "Output Format".
    """
    if record["problem"]:
        return json.dumps({"score": 0, "output": record["problem"], "tests": []}, indent=1)
    tests = []
    for name, x in record["exercises"].items():
        words = " ".join(filter(None, [x["message"], x["flag"]]))
        status = "passed" if x["point"] else "failed"
        tests.append({"name": about[name]["title"], "score": x["point"], "max_score": 1,
                      "status": status, "output": words, "visibility": "visible"})  # fmt: skip
    return json.dumps({"tests": tests, "execution_time": record["seconds"]}, indent=1)
