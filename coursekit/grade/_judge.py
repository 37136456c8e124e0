"""What counts: a clean process's verdict on plain data, or a kernel's own, with its flags.

Flags: "tampered" takes the point (the judge was changed, or the answer is right only where it
said so itself); "look" leaves it, and asks the teacher to look at lines that are shown.
"""

import re
from typing import Any

from coursekit.grade._warm import chosen

KEY = re.compile(r"[a-z_0-9]{1,40}")
TEXT = 600  # characters of a message


def decide(result: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """Return a submission's record from what its watcher told.

    Args:
        result: what `_warm.Watcher` told.
        reference: of our own solution: its exercises, answers, and what changes in every kernel.
    """
    said, best = result["said"], chosen(result["said"])
    clean = {m["name"]: m for m in result["clean"] if "name" in m}
    problem = next((m["unreadable"] for m in said if "unreadable" in m), "")
    looks = [look for m in said for look in m.get("looks", [])]
    lines = [*_first(said, "suspects"), *[f"did: {look}" for look in looks]]
    evidence = sorted({m["odd"] for m in said if m.get("odd")})
    stops = {s["judges"]: s["why"] for s in result["stops"] if s.get("judges")}
    exercises = {}
    for name in reference["exercises"]:
        m = best.get(name)
        if m is None or (name in stops and m["status"] != "correct"):
            status = "error" if name in stops else "todo"
            m = {"name": name, "status": status, "key": "", "message": stops.get(name, "")}
        if m["status"] == "error" and not m.get("message"):  # its cell was left out
            m = {**m, "message": "; ".join(s["why"] for s in result["stops"])}
        again = clean.get(name)
        if again is None and name in result["jobs"]:  # nothing that a kernel says stands for it
            again = {"status": "error", "message": "it could not be judged in a clean process"}
        exercises[name] = _one(m, again, reference, bool(lines), evidence)
    return {
        "problem": problem,
        "exercises": {} if problem else exercises,
        "notes": list(dict.fromkeys([*_first(said, "notes"), *map(_stop, result["stops"])])),
        "lines": list(dict.fromkeys(map(_short, lines))),
        "evidence": list(dict.fromkeys([
            *evidence, *(e for x in exercises.values() for e in x["against"])])),
        "seconds": result["seconds"],
    }  # fmt: skip


def _first(said: list[dict], what: str) -> list[str]:
    return next((m[what] for m in said if what in m), [])


def _stop(stop: dict[str, Any]) -> str:
    where = f" while {stop['judges']} was judged" if stop.get("judges") else ""
    return f"the kernel was ended{where}: {stop['why']}"


def _one(m, clean, reference, has_lines: bool, odd: list[str]) -> dict[str, Any]:
    """Return the verdict on one exercise."""
    told, name = m.get("answers") or [], m["name"]
    exact = bool(told) and all(t and t[1] for t in told)
    confirmed = bool(clean) and (exact or clean["status"] == "correct")
    final = clean if confirmed else m
    claimed = m["status"] == "correct"
    changed = [c for c in m.get("changed", []) if c not in reference["changed"]]
    against = [f"{name}: {what}" for what, holds in {
        f"changed while it was judged: {', '.join(map(str, changed[:3]))}": changed,
        "a nonsense answer is right there, too": m.get("credulous") == "correct",
        "right in its own kernel, and not in a clean process":
            claimed and confirmed and clean["status"] != "correct",
    }.items() if holds]  # fmt: skip
    odd_kind = claimed and not confirmed and name in reference["answers"]
    if odd_kind:
        kinds = ", ".join(map(str, m.get("kinds", [])))
        against.append(f"{name}: an answer of kind {kinds}, where ours is plain data")
    hard = [*against[: len(against) - odd_kind], *odd]
    right = final["status"] == "correct"
    key = str(final.get("key", ""))
    return {
        "status": str(final["status"]),
        "key": key if KEY.fullmatch(key) else "",
        "message": _short(final.get("message", "")),
        "by": "a clean process" if confirmed else "its own kernel",
        "flag": "tampered" if (not confirmed or not right) and hard and claimed
        else "look" if right and not confirmed and (has_lines or odd_kind) else "",
        "against": against,
        "point": int(right and (confirmed or not hard)),
    }  # fmt: skip


def _short(text: Any) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= TEXT else f"{text[:TEXT]} ..."


def reference_of(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the run of our own solution gives to judge others by.

    Raises:
        ValueError: if our own solution is not right here; the sentence says which and why.
    """
    said, best = result["said"], chosen(result["said"])
    clean = {m["name"]: m for m in result["clean"] if "name" in m}
    about = next((m["exercises"] for m in result["clean"] if "exercises" in m), None)
    stopped = [s["why"] for s in result["stops"]]
    if about is None or stopped:
        raise ValueError(f"our own solution did not run to its end here: {'; '.join(stopped)}")
    for name in about:
        for outcome in (best.get(name, {"status": "not judged"}), clean.get(name)):
            if outcome and outcome["status"] != "correct":
                why = f"{outcome['status']}. {outcome.get('message', '')}"
                raise ValueError(f"our own solution of {name} is not right here: {why}"[:TEXT])
    answers = {n: m["answers"] for n, m in best.items() if all(m.get("answers") or [None])}
    changed = sorted({c for m in said for c in m.get("changed", [])})
    given = {n: m["answers"] for n, m in best.items()}
    return {"exercises": about, "answers": answers, "given": given, "changed": changed,
            "seconds": result["seconds"]}  # fmt: skip
