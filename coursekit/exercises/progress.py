"""What a learner has done, kept in a file of theirs and never sent anywhere.

One JSON file a lesson, in the folder `COURSEKIT_HOME` or in the user's data folder. A file that
cannot be read is put aside, not overwritten; a folder that cannot be written keeps the progress in
memory.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

KINDS = ("exercises", "predictions", "quiz", "cards", "decision")


def home() -> Path:
    """Return the folder of the learner's progress: COURSEKIT_HOME, or the user's data folder."""
    if os.environ.get("COURSEKIT_HOME"):
        return Path(os.environ["COURSEKIT_HOME"])
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "coursekit"


class Progress:
    """The progress in one lesson; `notice` says what went wrong with its file, if anything did."""

    def __init__(self, lesson: str):
        self.path = home() / f"{lesson}.json"
        self.notice = ""
        self.data = self._load()

    def _load(self) -> dict:
        empty = {k: {} for k in KINDS}
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if all(isinstance(data.get(k, {}), dict) for k in KINDS):
                return {k: data.get(k, {}) for k in KINDS}
            raise ValueError
        except FileNotFoundError:
            pass
        except (ValueError, AttributeError):
            aside = self._aside()
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self.notice = f"Your earlier progress could not be read; it is kept in {aside.name}."
        except OSError as error:
            self._not_kept(error)
        return empty

    def _aside(self) -> Path:
        number = 1
        while (path := self.path.with_suffix(f".damaged-{number}.json")).exists():
            number += 1
        return path

    def save(self, kind: str, name: str, value) -> None:
        """Set one entry and write the file, keeping what another window wrote meanwhile."""
        theirs = self._load()
        self.data = {k: {**self.data[k], **theirs[k]} for k in KINDS}
        self.data[kind][name] = value
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(json.dumps(self.data, indent=1), encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError as error:
            self._not_kept(error)

    def _not_kept(self, error: OSError) -> None:
        self.notice = f"Your progress lasts for this session only: {error.strerror or error}."


def decisions() -> dict[str, dict]:
    """Return the decision logged in each lesson, by lesson."""
    found = {}
    for path in sorted(home().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            decision = json.loads(path.read_text(encoding="utf-8")).get("decision", {})
            if decision:
                found[path.stem] = decision
    return found
