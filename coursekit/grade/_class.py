"""A class, graded: several submissions at once, kept one by one, taken up where it was left.

The grader itself runs no line of a learner's and parses none of their files; it hands the open file
to a warm process (`_warm`), and reads what its watcher tells.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursekit import _files
from coursekit.grade import _judge, _merge, _room, _sandbox, _submissions

ALLOWED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "KERAS_BACKEND")  # of our environment
WARM = "import sys; from coursekit.grade._warm import serve; serve(int(sys.argv[1]), sys.argv[2])"


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds for a cell; a lesson whose own solution takes longer gets as long as that.
        memory: bytes of all its processes together; shared pages count in parts.
        jobs: submissions at once.
    """

    cell: float = 60.0
    memory: int = 3 * 2**30
    jobs: int = 2


class Lessons:
    """The teacher's blank and solved notebooks.

    Args:
        folder: `notebooks` of the course, with `solutions`.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        names = sorted(p.stem for p in folder.glob("[0-9][0-9]_*.ipynb"))
        self.numbers = {name[3:]: name[:2] for name in names}
        self._versions: dict[str, str] = {}

    def blank(self, slug: str) -> Path:
        """Return where the notebook is that a learner gets."""
        return self.folder / f"{self.numbers[slug]}_{slug}.ipynb"

    def solved(self, slug: str) -> Path:
        """Return where the solved one is."""
        return self.folder / "solutions" / f"{self.numbers[slug]}_{slug}.ipynb"

    def version(self, slug: str) -> str:
        """Return what tells this lesson, and this package, from another version."""
        if slug in self._versions:
            return self._versions[slug]
        import coursekit

        home = Path(coursekit.__file__).parent
        code = [home / "lessons" / f"{slug}.py", *home.glob("exercises/*.py"),
                *home.glob("grade/*.py")]  # fmt: skip
        digest = hashlib.sha256()
        for path in [self.blank(slug), self.solved(slug), *sorted(code)]:
            digest.update(path.read_bytes())
        return self._versions.setdefault(slug, digest.hexdigest()[:16])


class Class:
    """Grades a folder.

    Args:
        folder: the submissions.
        out: where results are kept and the report is written.
        lessons: the teacher's notebooks.
        limits: of one submission.
        protected: whether each runs in a room of its own.
        tell: takes a line for the teacher.
    """

    def __init__(self, folder: Path, out: Path, lessons: Lessons, limits: Limits,
                 protected: bool, tell: Callable[[str], None] = print):  # fmt: skip
        self.folder, self.out, self.lessons = folder, out, lessons
        self.limits, self.protected, self.tell = limits, protected, tell
        self.kept = out / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)
        self.place = Path(tempfile.mkdtemp(prefix="coursekit-grade-"))
        self.slots = list(range(limits.jobs))
        self.warm: subprocess.Popen | None = None
        self.closed = False
        self.references: dict[str, dict] = {}
        self.first, self.held = _sandbox.reserve() if protected else (0, None)

    def grade(self) -> list[dict[str, Any]]:
        """Return a record of each submission, from now or from before.

        Raises:
            KeyboardInterrupt: what is done by then is kept.
        """
        found = _submissions.find(self.folder, self.lessons.numbers)
        records, open_ends = {}, {}
        for one in found:
            record = self._record(one, {"problem": one.problem}) if one.problem else self._old(one)
            if record:
                records[one.key] = record
            else:
                open_ends.setdefault(one.slug, []).append(one)
        if known := sum(1 for r in records.values() if not r["problem"]):
            self.tell(f"{known} were graded before, and have not changed since.")
        try:
            for slug, some in open_ends.items():
                records |= self._lesson(slug, some, len(found) - len(records))
        finally:
            self.close()
        return [records[one.key] for one in found]

    def _lesson(self, slug: str, some: list, left: int) -> dict[str, dict]:
        """Grade the submissions of one lesson."""
        try:
            reference = self.reference(slug)
        except ValueError as error:
            problem = f"lesson {self.lessons.numbers[slug]} cannot be graded on this computer: "
            self.tell(problem + str(error))
            return {s.key: self._record(s, {"problem": problem + str(error)}) for s in some}
        records = {}
        self._channel()
        with ThreadPoolExecutor(self.limits.jobs) as pool:
            work = {pool.submit(self._one, s, reference): s for s in some}
            try:
                for number, future in enumerate(as_completed(work), 1):
                    one = work[future]
                    records[one.key] = record = future.result()
                    points = sum(x["point"] for x in record["exercises"].values())
                    words = record["problem"] or f"{points} of {len(record['exercises'])}"
                    self.tell(f"{number} of {left}  {one.name!a:.60}: {words}")
            except BaseException:
                for future in work:
                    future.cancel()
                self.close()  # the watchers end, and with them the threads' waiting
                raise
        return records

    def _one(self, one, reference: dict[str, Any]) -> dict[str, Any]:
        slot = self.slots.pop()
        try:
            file = _submissions.open_file(self.folder, one.parts)
            made = _judge.decide(self.ask(one.slug, file, reference, slot), reference)
        except (OSError, ValueError, TypeError, KeyError) as error:
            return self._record(one, {"problem": f"it could not be graded: {error}"})
        finally:
            self.slots.append(slot)
        return self._keep(one, made)

    def _keep(self, one, made: dict[str, Any]) -> dict[str, Any]:
        record = self._record(one, made)
        _files.write_whole(self._path(one), json.dumps(record, indent=1))
        return record

    def reference(self, slug: str) -> dict[str, Any]:
        """Return what our own solution gives; it is run once, and kept."""
        if slug in self.references:
            return self.references[slug]
        path = self.kept / f"{slug}-{self.lessons.version(slug)}.json"
        with contextlib.suppress(OSError, ValueError):
            self.references[slug] = json.loads(path.read_text())
            return self.references[slug]
        self.tell(f"lesson {self.lessons.numbers[slug]}: running our own solution, once ...")
        file = os.open(self.lessons.solved(slug), os.O_RDONLY)
        reference = _judge.reference_of(self.ask(slug, file, None, 0))
        _files.write_whole(path, json.dumps(reference, indent=1))
        self.references[slug] = reference
        return reference

    def ask(self, slug: str, file: int, reference: dict | None, slot: int) -> dict[str, Any]:
        """Have an open notebook run; the file is closed.

        Raises:
            ValueError: if nothing came back.
        """
        request = self.request(slug, reference, slot)
        ours, theirs = os.pipe()
        with tempfile.TemporaryFile() as wanted:
            wanted.write(json.dumps(request).encode())
            wanted.seek(0)
            try:
                socket.send_fds(self._channel(), [b"x"], [wanted.fileno(), file, theirs])
            finally:
                os.close(file)
                os.close(theirs)
            with os.fdopen(ours, "rb") as answer:
                data = answer.read()
        if not data:
            raise ValueError("its watcher ended before it said anything")
        return json.loads(data)

    def request(self, slug: str, reference: dict | None, slot: int) -> dict[str, Any]:
        """Return what a watcher is asked."""
        blank = _merge.read(self.lessons.blank(slug).read_bytes())
        users = [self.first + 2 * slot, self.first + 2 * slot + 1]
        cell = max(self.limits.cell, reference["seconds"] if reference else 600.0)
        return {
            "slug": slug, "blank": blank,
            "reference": reference["given"] if reference else {}, "describe": reference is None,
            "users": users if self.protected else None, "folder": f"{self.place}/{slot}",
            "cell": cell, "total": 5 * cell, "memory": self.limits.memory,
        }  # fmt: skip

    def _channel(self) -> socket.socket:
        """Return the channel to the warm process, which is started if need be."""
        if self.closed:
            raise ValueError("the grader was stopped")
        if self.warm is None:
            import coursekit

            (self.place / "root").mkdir(exist_ok=True)
            self.channel, theirs = socket.socketpair()
            home = str(Path(coursekit.__file__).parent.parent)
            kept = {n: os.environ[n] for n in ALLOWED if n in os.environ}
            self.warm = subprocess.Popen(
                [sys.executable, "-P", "-c", WARM, str(theirs.fileno()), f"{self.place}/root"],
                env={**kept, **_room.ENVIRONMENT, "PYTHONPATH": home, "TF_CPP_MIN_LOG_LEVEL": "3"},
                pass_fds=[theirs.fileno()], cwd="/", stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            theirs.close()
            if not self.channel.recv(1):
                raise ValueError("the process that imports Keras did not start")
        return self.channel

    def close(self) -> None:
        """End every process, and remove what they had."""
        self.closed = True
        if self.warm is not None:
            self.channel.close()
            self.warm.send_signal(signal.SIGKILL)  # its watchers, and their rooms, end with it
            self.warm.wait()
            self.warm = None
        if self.held is not None:
            self.held.close()
        shutil.rmtree(self.place, ignore_errors=True)

    def _path(self, one) -> Path:
        return self.kept / f"{one.key}.json"

    def _old(self, one) -> dict[str, Any] | None:
        """Return the record of an earlier run, if it is of this very file and lesson."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(self._path(one).read_text())
            if (record["digest"], record["version"]) == (one.digest, self._version(one)):
                return record
        return None

    def _version(self, one) -> str:
        how = "protected" if self.protected else "unprotected"
        return f"{self.lessons.version(one.slug)} {how}" if one.slug else ""

    def _record(self, one, made: dict[str, Any]) -> dict[str, Any]:
        empty = {"exercises": {}, "notes": [], "lines": [], "evidence": [], "seconds": 0.0}
        return {"student": one.student, "file": one.name, "slug": one.slug, "digest": one.digest,
                "version": self._version(one), **empty, **made}  # fmt: skip
