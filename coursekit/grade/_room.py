"""What happens in a room: a submission is merged and run, or plain answers are judged."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from coursekit.grade import _merge, _probe, _run, _sandbox, _scan

LARGEST_FILE = 50_000_000
LIMITS = {"FSIZE": 100_000_000, "CORE": 0, "NOFILE": 1024}
PROCESSES = 64 + 16 * (os.cpu_count() or 1)  # and threads, of the learner's code
ENVIRONMENT = {
    "HOME": _sandbox.HOME, "TMPDIR": "/tmp", "COURSEKIT_HOME": f"{_sandbox.HOME}/progress",
    "IPYTHONDIR": f"{_sandbox.HOME}/.ipython", "MPLCONFIGDIR": f"{_sandbox.HOME}/.matplotlib",
    "KERAS_HOME": f"{_sandbox.HOME}/.keras", "JUPYTER_RUNTIME_DIR": f"{_sandbox.HOME}/.run",
    "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "PIP_RETRIES": "0",
}  # fmt: skip


def enter(request: dict[str, Any], folder: str, kept: list[int]) -> None:
    """Go into the room: no file of outside is open or to be seen; every right is still there."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    _sandbox.close_others(kept)
    os.umask(0)
    if request["users"]:
        _sandbox.new_root(folder, visible(), hidden(), request["users"][1])
    else:
        home = f"{request['folder']}/learner"
        os.makedirs(home, exist_ok=True)
        for name, value in ENVIRONMENT.items():
            os.environ[name] = value.replace(_sandbox.HOME, home)
        os.chdir(home)
    with contextlib.suppress(OSError):  # if memory runs out, this goes before the teacher's work
        Path("/proc/self/oom_score_adj").write_text("1000")


def visible() -> list[str]:
    """List what a room shows: the system's programs, Python, its packages, the course's package."""
    import coursekit

    ours = Path(coursekit.__file__).parent
    packages = [p for p in sys.path if os.path.isdir(p) and Path(p) != ours.parent]
    if ours.parent.name in ("site-packages", "dist-packages"):
        packages.append(str(ours.parent))
    own = [str(ours), str(ours.parent / "data")]
    return [*_sandbox.SYSTEM, sys.prefix, sys.base_prefix, *packages, *own]


def hidden() -> list[str]:
    """List what is empty in a room: the solutions."""
    import coursekit

    return [str(Path(coursekit.__file__).parent / "lessons" / "_solutions")]


def say(out: int, message: dict[str, Any]) -> None:
    """Write a message to the watcher, one line."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(out, data) :]


def give_up(user: int | None, **limits: int) -> None:
    """Become a user without rights, whose processes end with their parent."""
    _sandbox.become(user, {**LIMITS, **limits})
    _sandbox.die_with_parent()
    os.setsid()  # where the system shares its cores among sessions, each submission has its part


def beside(
    request: dict[str, Any], submission: int, folder: str, skip: list[str], out: int
) -> None:
    """Merge a submission, fork its kernel, and ask it."""
    users = request["users"]
    ours, kernels = os.pipe()
    enter(request, folder, [submission, out, ours, kernels])
    from jupyter_client.connect import write_connection_file

    home = os.getcwd()
    place, _ = write_connection_file(f"{home}/.kernel.json", transport="ipc", ip=f"{home}/.k")
    os.chmod(place, 0o644)
    pid = os.fork()
    if pid == 0:
        for fd in (submission, ours, out):
            os.close(fd)
        give_up(users and users[1], **({"NPROC": PROCESSES} if users else {}))
        _sandbox.end_after(lambda: kernel(kernels, request["slug"], place))
    os.close(kernels)
    give_up(users and users[0])
    _sandbox.hide_memory()
    try:
        theirs = _merge.read(_read(submission))
        exercises = list(import_module(f"coursekit.lessons.{request['slug']}").check.exercises)
        units, notes = _merge.merge(theirs, request["blank"], exercises)
    except _merge.Unreadable as error:
        return say(out, {"unreadable": str(error), "end": True})
    bound = set().union(*(_scan.imported(c["source"]) for c in request["blank"]))
    known = {line for c in request["blank"] for line in _scan.suspects(c["source"])}
    lines = [line for u in units if u.get("whose") in ("own", "answer")
             for line in _scan.suspects(u["written"], bound) if line not in known]  # fmt: skip
    say(out, {"notes": notes, "suspects": list(dict.fromkeys(lines))[: _scan.MOST_LINES]})
    notebook = _run.Notebook(place, lambda: is_alive(pid))
    told = _run.Told(ours)
    asked = _merge.questions(request["blank"], exercises)
    work = _run.run_units(units, asked, notebook, told, set(skip), request["cell"],
                          lambda message: say(out, message))  # fmt: skip
    try:
        asyncio.run(work)
    except _run.Fatal as error:
        say(out, {"fatal": str(error), **_run.seen(told)})
    return None


def _read(file: int) -> bytes:
    data = bytearray()
    while part := os.read(file, 1 << 20):
        data += part
        if len(data) > LARGEST_FILE:
            raise _merge.Unreadable(f"it is larger than {LARGEST_FILE // 10**6} MB")
    return bytes(data)


def is_alive(pid: int) -> bool:
    """Say whether a child lives; others that have ended are let go."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) not in (0, pid):
            pass
    except ChildProcessError:
        return False
    return ended == 0


def kernel(pipe: int, slug: str, place: str) -> None:
    """Be the learner's kernel until the room ends."""
    from ipykernel.kernelapp import IPKernelApp

    signal.signal(signal.SIGINT, signal.default_int_handler)
    _probe.ACTIVE = _probe.Probe(pipe, slug)
    app = IPKernelApp.instance()
    app.initialize(["-f", place, "--HistoryManager.enabled=False"])
    app.start()


def judge_clean(request: dict[str, Any], jobs: dict[str, list], folder: str, out: int) -> None:
    """Judge plain data in a process that has run no line of a learner's."""
    enter(request, folder, [out])
    give_up(request["users"] and request["users"][0])
    check = import_module(f"coursekit.lessons.{request['slug']}").check
    if request["describe"]:
        asked = _merge.questions(request["blank"], list(check.exercises))
        say(out, {"exercises": {n: {"title": check.exercises[n].title} for n in asked}})
    for name, values in jobs.items():
        with contextlib.suppress(Exception):  # what no `dump` has made
            outcome = check.verdict(name, *map(_probe.load, values))
            say(out, {"name": name, "status": outcome.status, "key": outcome.key,
                      "message": str(outcome.message)[:600]})  # fmt: skip
    say(out, {"end": True})
