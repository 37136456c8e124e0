"""What a diagnosis finds, and how it is told."""

from collections.abc import Iterator, Sequence
from typing import Any

from coursekit._findings import Finding

SURE = ("says", "asks", "notes")
COLORS = {"says": "#b33a00", "asks": "#a67c00", "notes": "#7a7a7a"}


def finding(name: str, seen: str, cure: str = "", sure: str = "says") -> Finding:
    """Make a finding of a diagnosis."""
    return Finding(name, sure, seen, cure)


class Report(Sequence):
    """Findings, the surest first. Prints in words, shows as a list in a notebook.

    Attributes:
        findings: a tuple of `Finding`.
        skipped: what could not be looked at, and why, in sentences.

    Example:
        >>> report = Report([Finding("imbalance", "notes", "Saying 0 is right in 97 %.", "")])
        >>> print(report)
        imbalance (notes): Saying 0 is right in 97 %.
        >>> report.names, bool(Report([]))
        (['imbalance'], False)
    """

    def __init__(self, findings: Sequence[Finding], skipped: Sequence[str] = ()):
        self.findings = tuple(sorted(findings, key=lambda one: SURE.index(one.effect)))
        self.skipped = tuple(skipped)

    @property
    def names(self) -> list[str]:
        """The names of the findings, in their order."""
        return [one.rule for one in self.findings]

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        lines = [str(one).rstrip() for one in self.findings] or ["Nothing found."]
        return "\n".join([*lines, *(f"(Not looked at: {what})" for what in self.skipped)])

    def __repr__(self) -> str:
        return f"Report({', '.join(self.names) or 'nothing found'})"

    def to_dict(self) -> dict[str, Any]:
        """Return the findings and what was skipped, for JSON."""
        return {
            "findings": [
                {"rule": f.rule, "effect": f.effect, "reason": f.reason, "cure": f.cure}
                for f in self.findings
            ],
            "skipped": list(self.skipped),
        }

    def _repr_html_(self) -> str:
        import html

        cards = [
            f'<div style="border-left:4px solid {COLORS[f.effect]};padding:0 .8em;margin:.5em 0">'
            f"<b>{html.escape(f.rule)}</b> <small>{f.effect}</small><br>{html.escape(f.reason)}"
            f'<br><span style="opacity:.85">{html.escape(f.cure)}</span></div>'
            for f in self.findings
        ] or ["<p>Nothing found.</p>"]
        cards += [f"<p><small>Not looked at: {html.escape(w)}</small></p>" for w in self.skipped]
        return f'<div style="max-width:50em">{"".join(cards)}</div>'
