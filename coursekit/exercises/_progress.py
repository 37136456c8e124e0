"""What a learner has done, kept in a file of theirs and never sent anywhere.

One JSON file a lesson, in the folder `COURSEKIT_HOME` or in the user's data folder. A file that
cannot be read is put aside, not overwritten; a folder that cannot be written keeps the progress in
memory.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

KINDS = {"exercises": dict, "predictions": str, "quiz": str, "cards": dict,
         "decision": str | float}  # what an entry of each kind is  # fmt: skip


def home() -> Path:
    """Return the folder of the learner's progress: COURSEKIT_HOME, or the user's data folder."""
    if os.environ.get("COURSEKIT_HOME"):
        return Path(os.path.expanduser(os.environ["COURSEKIT_HOME"]))
    try:
        user = Path.home()
    except RuntimeError:  # a container's user may have none
        user = Path(tempfile.gettempdir())
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or user / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = user / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or user / ".local" / "share"
    return Path(base) / "coursekit"


class Progress:
    """The progress in one lesson; `notice` says what went wrong with its file, if anything did."""

    def __init__(self, lesson: str):
        self.path = home() / f"{lesson}.json"
        self.notice = ""
        self.data = self._load()

    def _load(self) -> dict:
        try:
            return _read(self.path)
        except FileNotFoundError:
            pass
        except ValueError:
            aside = self._aside()
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self.notice = f"Your earlier progress could not be read; it is kept in {aside.name}."
        except OSError as error:
            self._not_kept(error)
        return {k: {} for k in KINDS}

    def _aside(self) -> Path:
        number = 1
        while (path := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        return path

    def refresh(self) -> None:
        """Take over what another window has written meanwhile."""
        theirs = self._load()
        self.data = {k: {**self.data[k], **theirs[k]} for k in KINDS}

    def save(self, kind: str, name: str, value) -> None:
        """Set one entry and write the file, keeping what another window wrote meanwhile."""
        self.refresh()
        self.data[kind][name] = value
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_text(json.dumps(self.data, indent=1), encoding="utf-8")
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._not_kept(error)

    def _not_kept(self, error: OSError) -> None:
        self.notice = f"Your progress lasts for this session only: {error.strerror or error}."


def _read(path: Path) -> dict:
    """Return a file's progress, without entries that are not ours; ValueError if damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError from None
    if not isinstance(data, dict) or not all(isinstance(data.get(k, {}), dict) for k in KINDS):
        raise ValueError
    return {k: {n: v for n, v in data.get(k, {}).items() if isinstance(v, kind)}
            for k, kind in KINDS.items()}  # fmt: skip


def decisions() -> dict[str, dict]:
    """Return the decision logged in each lesson, by lesson."""
    found = {}
    for path in sorted(home().glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            if decision := _read(path)["decision"]:
                found[path.stem] = decision
    return found
