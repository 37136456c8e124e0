"""A room for strangers' code: its own users, files, processes and no network. Linux, as root.

`available()` says whether this system can build one. A process enters by `namespaces()`, forks
(its child is the first process of the room, and everything in the room ends with it), calls
`new_root()` there and at last `become()`. Only the C library is used, so that a process which has
already imported TensorFlow can go in: a program such as unshare would start a new one.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

CLONE = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
         "pid": 0x20000000, "net": 0x40000000}  # fmt: skip
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, MOVE = 1, 2, 4, 8, 32, 4096, 8192
RECURSIVE, PRIVATE = 16384, 1 << 18
SET_DEATH_SIGNAL, SET_DUMPABLE, SET_SUBREAPER, SET_NO_NEW_PRIVS = 1, 4, 36, 38

HOME = "/learner"
FIRST_USER, EACH = 40_000, 64  # a grader's: two for each job, who asks and whose code runs
DISK = 256  # MB of files that one submission may keep
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache",
          "/etc/ld.so.conf", "/etc/fonts", "/etc/localtime", "/etc/alternatives")  # fmt: skip


def available() -> str:
    """Return why there can be no room here, or "" if there can."""
    if not sys.platform.startswith("linux"):
        return f"this system is {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "this is not root"
    pid = os.fork()
    if pid == 0:  # what is tried ends with its process
        try:
            namespaces()
            call("mount", b"none", b"/", None, RECURSIVE | PRIVATE, None)
            os._exit(0)
        except OSError:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return "the system refuses new namespaces, as an ordinary container does" if status else ""


def reserve() -> tuple[int, socket.socket]:
    """Return the first user of this grader, which no other one has until the socket is closed."""
    for number in range(300):
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0coursekit.grade {number}")  # a name, no file; it ends with the process
        except OSError:
            held.close()
        else:
            return FIRST_USER + EACH * number, held
    raise OSError("300 graders run on this computer already")


def end_after(work: Callable[[], object], pipe: int = 2) -> None:
    """Do the work of a forked process, and end it whatever happens; say into a pipe what did."""
    try:
        work()
    except BaseException as error:
        with contextlib.suppress(OSError):
            words = f"{type(error).__name__}: {error}"[:300]
            os.write(pipe, json.dumps({"fatal": words}).encode() + b"\n")
        os._exit(1)
    os._exit(0)


def call(name: str, *arguments) -> int:
    """Call a function of the C library; OSError if it fails."""
    result = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def namespaces() -> None:
    """Leave the system's mounts, network, shared memory and host name; children also its processes.

    The caller's children are in the new process namespace, the caller itself is not.
    """
    for flag in CLONE.values():
        call("unshare", flag)


def die_with_parent() -> None:
    """End this process when the thread that made it ends."""
    call("prctl", SET_DEATH_SIGNAL, 9, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what this process's children leave behind."""
    call("prctl", SET_SUBREAPER, 1, 0, 0, 0)


def hide_memory() -> None:
    """Let no process of the same user look into this one."""
    call("prctl", SET_DUMPABLE, 0, 0, 0, 0)


def close_others(kept: Iterable[int]) -> None:
    """Close every open file but standard input, output, error and the given ones."""
    start = 3
    for fd in [*sorted(set(kept)), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(start, min(fd, 65536))
        start = fd + 1


def new_root(folder: str, visible: Iterable[str], hidden: Iterable[str], user: int) -> None:
    """Go over to a file system that holds the visible paths, read only, and an empty home.

    Args:
        folder: an empty folder outside of all visible ones, where it is built.
        visible: files and folders, which keep their names.
        hidden: folders in visible ones that are empty there.
        user: who owns the home.
    """
    call("mount", b"none", b"/", None, RECURSIVE | PRIVATE, None)
    _tmpfs(folder, "mode=755,size=1m")
    for name, size in ((HOME, DISK), ("/tmp", DISK // 4), ("/dev/shm", DISK // 4)):
        os.makedirs(folder + name, exist_ok=True)
        owned = f"mode=755,uid={user},gid={user}" if name == HOME else "mode=1777"
        _tmpfs(folder + name, f"{owned},size={size}m,nr_inodes=20000")
    bound = []  # after /tmp: the course itself may lie there
    for path in sorted({*visible, *map(os.path.realpath, visible)}):
        if not any(path == b or path.startswith(b + "/") for b in bound):
            bound += [path] if _bind(path, folder + path) else []
    for path in {*hidden, *map(os.path.realpath, hidden)}:
        if os.path.isdir(folder + path):
            _tmpfs(folder + path, "mode=555,size=4k", RDONLY)
    for name in ("null", "zero", "full", "random", "urandom"):
        _bind(f"/dev/{name}", f"{folder}/dev/{name}", flags=NOSUID)
    os.symlink("/proc/self/fd", f"{folder}/dev/fd")
    os.makedirs(f"{folder}/etc", exist_ok=True)
    people = f"root:x:0:0::/:/bin/false\nlearner:x:{user}:{user}::{HOME}:/bin/sh\n"
    Path(f"{folder}/etc/passwd").write_text(people)
    os.mkdir(f"{folder}/proc")
    call("mount", b"proc", f"{folder}/proc".encode(), b"proc", NOSUID | NODEV | NOEXEC,
         b"hidepid=2")  # fmt: skip
    call("mount", b"none", folder.encode(), None, REMOUNT | RDONLY | NOSUID | NODEV, b"size=1m")
    os.chdir(folder)
    call("mount", b".", b"/", None, MOVE, None)
    os.chroot(".")
    os.chdir(HOME)
    call("sethostname", b"grader", 6)


def _tmpfs(place: str, options: str, flags: int = 0) -> None:
    call("mount", b"none", place.encode(), b"tmpfs", NOSUID | NODEV | flags, options.encode())


def _bind(path: str, place: str, flags: int = RDONLY | NOSUID | NODEV) -> bool:
    """Show a path of the system under a place, read only; False if there is none."""
    if not os.path.exists(path):
        return False
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(path) and path in SYSTEM:  # as /lib is a link to usr/lib
        os.symlink(os.readlink(path), place)
        return os.readlink(path).startswith("/")
    if os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
    else:
        Path(place).touch()
    call("mount", path.encode(), place.encode(), None, BIND, None)
    call("mount", b"none", place.encode(), None, REMOUNT | BIND | flags, None)
    return True


def become(user: int | None, limits: dict[str, int]) -> None:
    """Give up every right: become a user that owns nothing, under limits, for good.

    Args:
        user: the number of the user; None to stay who one is.
        limits: names of `resource.RLIMIT_*`, as in {"NPROC": 400}, which none can raise again.
    """
    import resource

    for name, value in limits.items():
        most = resource.getrlimit(kind := getattr(resource, f"RLIMIT_{name}"))[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (value, value))
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    call("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def holds_more(most: int, users: Iterable[int] | None, root: int) -> bool:
    """Say whether processes hold more than so many bytes; a page that n share counts as 1/n.

    Args:
        most: how many bytes they may hold together.
        users: whose processes; None for the descendants of a process.
        root: that process.
    """
    pids = processes(users, root)
    if sum(map(_resident, pids)) <= most:  # quickly read, and never less
        return False
    return sum(map(_proportional, pids)) > most


def processes(users: Iterable[int] | None, root: int) -> list[int]:
    """List the processes of some users, or (None) the descendants of a process."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            owner = os.stat(f"/proc/{name}").st_uid
            with open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = owner, int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it has just ended
    if users is not None:
        return [pid for pid, (owner, _) in parents.items() if owner in users]
    found, open_ends = [], [root]
    while open_ends:
        one = open_ends.pop()
        children = [pid for pid, (_, parent) in parents.items() if parent == one]
        found += children
        open_ends += children
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0
