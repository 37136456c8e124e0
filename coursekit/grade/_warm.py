"""A process that has imported what takes long, and forks a room for each submission.

It runs none of a learner's code and reads none of it, knows nothing of the teacher (its
environment is `ENVIRONMENT`), and forks before it has started TensorFlow's threads. Its forks:

    warm (root)
      watcher (root): time, memory; tells the grader what came of it
        beside (a user of its own, first process of the room): merges, asks by nbclient
          kernel (another user): the learner's code
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from coursekit.grade import _room, _sandbox

MOST_SAID = 64_000_000  # bytes that one room may send
RESTARTS = 2  # after a cell that ends or holds up the kernel, without that cell


def serve(channel: int, folder: str) -> None:
    """Answer requests until the grader closes the channel.

    Args:
        channel: a socket; a request is one byte, with three open files: the request in JSON, the
            submission, and a pipe for the answer.
        folder: an empty folder for building rooms.
    """
    _import_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader's Ctrl-C: it closes the channel
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    with socket.socket(fileno=channel) as grader:
        grader.sendall(b"r")
        while True:
            data, files, _, _ = socket.recv_fds(grader, 1, 3)
            if not data:
                return
            if os.fork() == 0:
                _sandbox.die_with_parent()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                grader.close()
                wanted, submission, answer = files
                watcher = Watcher(wanted, submission, answer, folder)
                _sandbox.end_after(watcher.watch)
            for fd in files:
                os.close(fd)


def _import_all() -> None:
    """Import what the lessons and the kernel need, without starting a backend."""
    from importlib import import_module

    import keras

    for name in ("coursekit.lessons", "coursekit.datasets", "coursekit.plots",
                 "ipykernel.kernelapp", "jupyter_client.asynchronous.client", "nbclient",
                 "nbformat.v4", "matplotlib.pyplot", "pandas", "coursekit.grade._probe",
                 keras.backend.backend()):  # fmt: skip
        import_module(name)


class Watcher:
    """Makes rooms for one submission, watches them, and says what came of it.

    Args:
        request: an open file with what is wanted, as `_class.Class.request` writes it.
        submission: the open notebook.
        answer: an open pipe to the grader.
        folder: an empty folder for building rooms.
    """

    def __init__(self, request: int, submission: int, answer: int, folder: str):
        with os.fdopen(request, "rb") as file:
            self.request = json.load(file)
        self.submission, self.answer = submission, answer
        self.folder, self.users = folder, self.request["users"]
        self.until = time.monotonic() + self.request["total"]
        self.said: list[dict] = []

    def watch(self) -> None:
        """Run, and again without a cell that ended or held up the kernel; judge the plain data."""
        _sandbox.adopt_orphans()
        begin, skip, stops = time.monotonic(), [], []
        for _ in range(RESTARTS + 1):
            os.lseek(self.submission, 0, os.SEEK_SET)
            said, why = self.room(
                lambda out: _room.beside(self.request, self.submission, self.folder, skip, out)
            )
            self.said += said
            if not why:
                break
            at = next((m for m in reversed(said) if "at" in m), {"at": "", "whose": "course"})
            stops.append({"why": why, **at})
            if at["whose"] == "course" or time.monotonic() > self.until - 1:
                break
            skip.append(at["at"])
        self.until = time.monotonic() + self.request["total"]  # the clean judge has its own time
        jobs = self.jobs()
        clean, why = self.room(lambda out: _room.judge_clean(self.request, jobs, self.folder, out))
        if why:
            stops.append({"why": f"judging again: {why}", "at": "", "whose": "course"})
        result = {"said": self.said, "stops": stops, "clean": clean, "jobs": list(jobs),
                  "seconds": time.monotonic() - begin}  # fmt: skip
        with os.fdopen(self.answer, "wb") as file:
            file.write(json.dumps(result).encode())

    def jobs(self) -> dict[str, list]:
        """Return the answers of each exercise that are plain data; given ones are our own run's."""
        jobs, ours = {}, self.request["reference"]
        for name, m in chosen(self.said).items():
            answers, given = m.get("answers"), m.get("given", [])
            if not answers or m["status"] in ("error", "todo") or len(given) != len(answers):
                continue
            own = ours.get(name) or [None] * len(answers)
            both = zip(answers, own, given, strict=True)
            values = [o if is_given else theirs for theirs, o, is_given in both]
            if all(values):
                jobs[name] = [v[0] for v in values]
        return jobs

    def room(self, work: Callable[[int], object]) -> tuple[list[dict], str]:
        """Do something in a room; return what it said, and why it was ended before its end."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            _sandbox.end_after(lambda: self._enter(theirs, work), theirs)
        os.close(theirs)
        data, why = self._listen(ours, pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._clear()
        said = []
        for line in data.split(b"\n"):
            with contextlib.suppress(ValueError, RecursionError):
                said += [m for m in [json.loads(line)] if isinstance(m, dict)]
        ended = next((m["fatal"] for m in said if "fatal" in m), "its room ended")
        return said, why or ("" if any("end" in m for m in said) else ended)

    def _enter(self, theirs: int, work: Callable) -> None:
        """Make the room's first process, wait for it, and end."""
        _sandbox.die_with_parent()
        if self.users:
            _sandbox.namespaces()
        pid = os.fork()
        if pid == 0:
            _sandbox.die_with_parent()
            _sandbox.end_after(lambda: work(theirs), theirs)
        os.close(theirs)
        os.waitpid(pid, 0)

    def _listen(self, pipe: int, pid: int) -> tuple[bytes, str]:
        """Take what a room says until it ends, or breaks a limit."""
        data, most, pause, due = bytearray(), self.request["memory"], 0.1, 0.0
        try:
            while True:
                if select.select([pipe], [], [], pause)[0]:
                    part = os.read(pipe, 1 << 16)
                    if not part:
                        return bytes(data), ""
                    data += part
                if len(data) > MOST_SAID:
                    return bytes(data), "it said too much"
                if time.monotonic() > self.until:
                    return bytes(data), f"stopped: {self.request['total']:.0f} s in all"
                if (begin := time.monotonic()) > due:
                    if _sandbox.holds_more(most, self.users, pid):
                        return bytes(data), f"it used more than {most // 2**20:,} MB of memory"
                    now = time.monotonic()
                    due = now + max(pause, 4 * (now - begin))
        finally:
            os.close(pipe)

    def _clear(self) -> None:
        """End what is left. A room of its own has ended with its first process."""
        for _ in range(100):
            left = _sandbox.processes(self.users, os.getpid())
            if not left:
                return
            for one in left:
                with contextlib.suppress(OSError):
                    os.kill(one, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.02)


def chosen(said: list[dict]) -> dict[str, dict]:
    """Return the outcome of each exercise: the first correct one, or else the last judged one."""
    best: dict[str, dict] = {}
    for m in said:
        old = best.get(m.get("name", ""))
        if "name" in m and (old is None or _rank(m) >= _rank(old) < _rank({"status": "correct"})):
            best[m["name"]] = m
    return best


def _rank(outcome: dict) -> int:
    return {"correct": 3, "error": 1, "todo": 0}.get(outcome.get("status"), 2)
