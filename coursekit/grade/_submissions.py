"""What a class handed in: `FOLDER/student/NN_slug.ipynb`, or `FOLDER/student_NN_slug.ipynb`.

A folder for each student is what learning platforms export; its name is the student's. A file may
have been renamed: the lesson is looked up in its name, then in what it imports. Names are
strangers' words: nothing is ever written under one, and no link is followed.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

IMPORTS = re.compile(rb"coursekit\.lessons\.([a-z_0-9]+)")
LARGEST = 50_000_000  # bytes of a notebook


@dataclass(frozen=True)
class Submission:
    """One file of a student; `problem` says why it cannot be graded."""

    student: str
    parts: tuple[str, ...]  # of its path in the folder
    slug: str = ""
    digest: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        """The path in the folder, for people."""
        return "/".join(self.parts)

    @property
    def key(self) -> str:
        """A name for files about it: letters and digits only."""
        return hashlib.sha256("\0".join(self.parts).encode("utf-8", "replace")).hexdigest()[:24]


def find(folder: Path, numbers: dict[str, str]) -> list[Submission]:
    """Return what is in a folder, sorted by student; each student's readable files come first.

    Args:
        folder: the class's.
        numbers: the lessons' slugs and numbers, as {"losses": "04"}.
    """
    found = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):
            continue
        kind = os.lstat(folder / name).st_mode
        if stat.S_ISDIR(kind):
            files = sorted(n for n in os.listdir(folder / name) if not n.startswith("."))
            books = [n for n in files if n.lower().endswith(".ipynb")]
            found += [_look(folder, name, (name, n), numbers) for n in books]
            if not books:
                what = f"there is no notebook, but {', '.join(files[:5])}" if files else "empty"
                found.append(Submission(name, (name,), problem=what))
        elif name.lower().endswith(".ipynb") or stat.S_ISLNK(kind):
            student = _student(Path(name).stem, numbers)
            found.append(_look(folder, student, (name,), numbers))
    return found


def _student(stem: str, numbers: dict[str, str]) -> str:
    """Return what stands before NN_slug in a file's name."""
    for slug, number in numbers.items():
        before, found, _ = stem.partition(f"{number}_{slug}")
        if found and before.strip("_- "):
            return before.strip("_- ")
    return stem


def _look(folder, student, parts, numbers) -> Submission:
    try:
        with os.fdopen(open_file(folder, parts), "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        return Submission(student, parts, problem=_reason(error))
    if len(data) > LARGEST:
        return Submission(student, parts, problem=f"it is larger than {LARGEST // 10**6} MB")
    named = [s for s in numbers if re.search(rf"(?<![a-z]){s}(?![a-z])", parts[-1].lower())]
    inside = [m.decode() for m in IMPORTS.findall(data) if m.decode() in numbers]
    common = max(inside, key=inside.count, default="")
    slug = max(named, key=len, default=common)
    digest = hashlib.sha256(data).hexdigest()
    if not slug:
        return Submission(student, parts, digest=digest, problem="it is of no lesson that we know")
    if common and slug not in inside:
        problem = f"its name says {numbers[slug]}_{slug}, but it is {numbers[common]}_{common}"
        return Submission(student, parts, digest=digest, problem=problem)
    return Submission(student, parts, slug, digest)


def open_file(folder: Path, parts: tuple[str, ...]) -> int:
    """Open a file of a class, following no link; OSError if it is none.

    Raises:
        OSError: also for a link, a folder, a pipe.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number, part in enumerate(parts, 1):
            more = os.O_DIRECTORY if number < len(parts) else os.O_NONBLOCK
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | more, dir_fd=fd)
            os.close(fd)
            fd = inner
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("it is no file")
    except OSError:
        os.close(fd)
        raise
    return fd


def _reason(error: OSError) -> str:
    import errno

    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "it is a link, and links are not followed"
    return error.strerror or str(error)
