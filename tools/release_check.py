"""Says whether a tag may be released: python tools/release_check.py v1.2.3.

The versions in pyproject.toml and CITATION.cff and the newest entry of CHANGELOG.md, with its day,
must be the tag's.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENTRY = re.compile(r"^## (?P<version>\d+\.\d+\.\d+)(?: \((?P<day>\d{4}-\d\d-\d\d)\))?$", re.M)
UNRELEASED = "## Not released yet"


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what stands in the way of a release, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    found = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag!r}, and pyproject.toml says version {version!r}.")
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (.+)$", citation, re.M)
    if cited is None or cited[1] != version:
        said = "none" if cited is None else repr(cited[1])
        found.append(f"CITATION.cff says version {said}, and pyproject.toml {version!r}.")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = ENTRY.search(changes)
    if newest is None or newest["version"] != version:
        found.append(f"CHANGELOG.md has no entry `## {version} (year-month-day)` at its top.")
    elif newest["day"] is None:
        found.append(f"CHANGELOG.md's {version} has no day: `## {version} (year-month-day)`.")
    if UNRELEASED in changes:
        found.append(f"CHANGELOG.md still has {UNRELEASED!r}: rename it to the version.")
    return found


def main(argv: list[str]) -> int:
    """Print what stands in the way."""
    if len(argv) != 1:
        print("usage: python tools/release_check.py v1.2.3")
        return 2
    found = problems(argv[0])
    print("\n".join(found) or f"{argv[0]} may be released.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
