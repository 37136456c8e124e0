"""The decisions on the running model: one a lesson, with its reason and its score."""

from coursekit.exercises import expect
from coursekit.exercises._objects import is_a, plain
from coursekit.exercises._wrong import Wrong, brief
from coursekit.exercises.cards import Card, Text

TITLE = "decision on the running model"


def checked(choice, because, score, metric) -> dict[str, str | float]:
    """Return the entry that is kept; raises `Wrong` for what is no decision."""
    texts = {"`choice`": choice, "`because`": because, "`metric`": metric}
    for what, text in texts.items():
        if not is_a(text, str) or not plain(text).strip():
            raise Wrong("type", what=what, wanted="a text", got=brief(text) or "empty")
    choice, because, metric = (plain(text).strip() for text in texts.values())
    score = expect.number(score, "`score`")
    if "accuracy" in metric and not 0 <= score <= 1:
        raise Wrong("type", what="`score`", wanted="an accuracy between 0 and 1", got=score)
    return {"choice": choice, "because": because, metric: score}


def listed(found: dict[str, dict]) -> Card:
    """List the decisions of all lessons."""
    rows = []
    for lesson, entry in found.items():
        scores = [f"{k} {v:.4g}" for k, v in entry.items() if isinstance(v, float)]
        words = f"{lesson}: {entry.get('choice')} ({', '.join(scores)})"
        rows.append(Text(f"{words}\nbecause {entry.get('because')}"))
    if not rows:
        rows.append(Text("None so far. Each lesson ends with one, and every lesson works without."))
    return Card("note", f"Decisions on the running model: {len(found)}", rows)
