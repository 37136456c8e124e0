"""What a learner has done, kept in a file of theirs and never sent anywhere.

One JSON file a lesson, in the folder `COURSEKIT_HOME` or in the user's data folder. A damaged file
is put aside; one that cannot be read is left as it is; what cannot be written lasts for the
session, and is written as soon as that is possible. Entries that this version does not know stay
in the file. Windows that save in the same instant wait for each other: `.lock` in the folder is
held while the file is read, changed and written.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from coursekit._files import is_held, write_whole
from coursekit.exercises._wrong import shorten

KINDS = {"exercises": dict, "predictions": str, "quiz": str, "cards": dict,
         "decision": str | float}  # what an entry of each kind is  # fmt: skip
PATIENCE_SECONDS = 5.0  # with a window that holds the lock; then without it


def home() -> Path:
    """Return the folder of the learner's progress: COURSEKIT_HOME, or the user's data folder."""
    if (chosen := _chosen()) and not chosen.startswith("~"):
        return Path(chosen)
    user = _user()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or user / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = user / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or user / ".local" / "share"
    return Path(base) / "coursekit"


def _chosen() -> str:
    """Return COURSEKIT_HOME; it still begins with `~` if there is no such user."""
    return os.path.expanduser(os.environ.get("COURSEKIT_HOME", ""))


def _user() -> Path:
    """Return the user's home; a container's user may have none."""
    try:
        if os.environ.get("HOME") == "" and sys.platform != "win32":  # Python takes it for `/`
            import pwd

            return Path(pwd.getpwuid(os.getuid()).pw_dir)
        return Path.home()
    except (RuntimeError, KeyError, ImportError):
        return Path(tempfile.gettempdir())


class Progress:
    """The progress in one lesson.

    Attributes:
        path: the file.
        data: the entries of each kind, the file's and this session's.
        notice: what is wrong with the file, and what becomes of the progress; empty if all is well.
    """

    def __init__(self, lesson: str):
        folder = home()
        with contextlib.suppress(OSError):  # the current folder may be gone
            folder = folder.absolute()
        self.path = folder / f"{lesson}.json"
        self.data: dict[str, dict] = {kind: {} for kind in KINDS}
        self._file: dict = {}  # all that the file holds, also what this version does not know
        self._unsaved: dict[str, dict] = {kind: {} for kind in KINDS}
        self._put_aside = self._unreadable = self._unwritable = ""
        self.refresh()

    @property
    def notice(self) -> str:
        """What is wrong with the file, in sentences."""
        lost = self._unreadable or self._unwritable
        parts = [self._put_aside, lost and f"Your progress lasts for this session only: {lost}."]
        if _chosen().startswith("~"):
            said = f"COURSEKIT_HOME is {os.environ['COURSEKIT_HOME']!r}, and there is no such user"
            parts.append(f"{said}: your progress is in {shorten(str(self.path.parent))}.")
        return " ".join(filter(None, parts))

    def refresh(self) -> None:
        """Take over what another window has written meanwhile, but for what is not written yet."""
        with _alone(self.path.parent):
            self._take_over()

    def _take_over(self) -> None:
        self._unreadable = ""
        try:
            self._file = _read(self.path)
        except FileNotFoundError:
            return
        except ValueError:
            self._move_aside()
        except OSError as error:
            self._unreadable = self._said("cannot be read, and is left as it is", error)
            return
        theirs = _known(self._file)
        self.data = {k: {**self.data[k], **theirs[k], **self._unsaved[k]} for k in KINDS}

    def _said(self, what: str, error: OSError) -> str:
        return f"{shorten(str(self.path))} {what}: {error.strerror or error}"

    def _move_aside(self) -> None:
        self._file, number = {}, 1
        try:
            while os.path.lexists(aside := f"{self.path}.damaged-{number}"):
                number += 1
            os.rename(self.path, aside)
        except OSError as error:
            self._unreadable = self._said("is damaged, and is left as it is", error)
        else:
            name = os.path.basename(aside)
            self._put_aside = f"Your earlier progress could not be read; it is kept in {name}."

    @contextlib.contextmanager
    def changing(self) -> Iterator["Progress"]:
        """Read the file, let the block set entries, and write it: no other window comes between.

        ```
        with progress.changing():
            progress.set("quiz", "quiz_1", "a")
        ```
        """
        with contextlib.suppress(OSError):  # said when the file is written
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.parent):
            self._take_over()
            yield self
            if not self._unreadable:  # whatever is in the file, it is not lost
                self._write()

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept = {kind: {**self._file.get(kind, {}), **self.data[kind]} for kind in KINDS}
            write_whole(self.path, json.dumps({**self._file, **kept}, indent=1))
        except OSError as error:
            self._unwritable = self._said("cannot be written", error)
        else:
            self._unwritable = ""
            self._unsaved = {kind: {} for kind in KINDS}

    def set(self, kind: str, name: str, value) -> None:
        """Set one entry, in a block of `changing`."""
        self.data[kind][name] = self._unsaved[kind][name] = value

    def save(self, kind: str, name: str, value) -> None:
        """Set one entry and write the file, keeping what another window wrote meanwhile."""
        with self.changing():
            self.set(kind, name, value)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with its process at the latest.

    Where there can be no lock, or one is held for too long, the block runs without it.
    """
    with contextlib.ExitStack() as stack:  # which closes the file: that gives the lock back
        with contextlib.suppress(OSError):
            file = stack.enter_context(open(folder / ".lock", "ab"))
            until = time.monotonic() + PATIENCE_SECONDS
            while is_held(file) and time.monotonic() < until:
                time.sleep(0.005)
        yield


def _read(path: Path) -> dict:
    """Return all that a file holds; ValueError if it is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError from None
    if not isinstance(data, dict) or not all(isinstance(data.get(k, {}), dict) for k in KINDS):
        raise ValueError
    return data


def _known(data: dict) -> dict[str, dict]:
    """Return the entries that this version knows, of each kind."""
    return {k: {n: v for n, v in data.get(k, {}).items() if isinstance(v, kind)}
            for k, kind in KINDS.items()}  # fmt: skip


def all_decisions() -> dict[str, dict]:
    """Return the decision logged in each lesson, by lesson."""
    found = {}
    with contextlib.suppress(OSError):
        for path in sorted(home().glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                if decision := _known(_read(path))["decision"]:
                    found[path.stem] = decision
    return found
