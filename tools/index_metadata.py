"""What a package index shows: the README with links that work there, and the project's addresses.

Hatchling calls this at each build. An index shows the README alone, so a link to a file of the
repository is written out from the one setting, `[tool.coursekit] repository`; while that is empty
such a link becomes its words and a picture is left out.
"""

import re
import tomllib
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A link or picture whose target is a path: no scheme, no anchor of the same page.
LOCAL = re.compile(r"(?P<picture>!?)\[(?P<words>[^][]*)\]\((?!\w+:|#)(?P<path>[^()\s]+)\)")


class IndexMetadata(MetadataHookInterface):
    """Fills in `readme` and `urls`, which pyproject.toml lists as dynamic."""

    def update(self, metadata: dict) -> None:
        """Add both to the metadata of the project."""
        root = Path(self.root)
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        repository = project["tool"]["coursekit"]["repository"]
        text = for_an_index((root / "README.md").read_text(encoding="utf-8"), repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(repository)


def for_an_index(text: str, repository: str) -> str:
    """Return the README with no link that needs the files beside it."""

    def link(m):
        if not repository:
            return "" if m["picture"] else m["words"]
        kind = "raw" if m["picture"] else "blob"
        address = f"https://github.com/{repository}/{kind}/HEAD/{m['path']}"
        return f"{m['picture']}[{m['words']}]({address})"

    return LOCAL.sub(link, text)


def urls(repository: str) -> dict[str, str]:
    """Return the project's addresses; none before the repository has one."""
    if not repository:
        return {}
    owner, name = repository.split("/")
    home = f"https://github.com/{repository}"
    return {
        "Repository": home,
        "Website": f"https://{owner.lower()}.github.io/{name}/",
        "Issues": f"{home}/issues",
        "Changes": f"{home}/blob/HEAD/CHANGELOG.md",
    }
