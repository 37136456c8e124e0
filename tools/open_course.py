"""Copy the lessons to ``my/`` and open them in JupyterLab: ``python tools/open_course.py``.

``make course`` runs this. Further arguments go to JupyterLab, for instance
``python tools/open_course.py --no-browser --port 8899``.

A learner's file is never overwritten. ``my/.delivered.json`` lists, for each lesson, the SHA-256
of every version that was copied, the last one at the end. A file that equals one of them holds no
work of the learner, and a newer version replaces it. Beside any other file the newer version
comes as ``02_training_loop-new.ipynb``. Without a readable record every file is the learner's.
A lesson that has got another number comes under its new name; the file with the old one stays.
"""

import hashlib
import importlib.util
import json
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # installed or not

from coursekit._files import write_whole

RECORD = ".delivered.json"


def deliver(source: Path, target: Path) -> list[str]:
    """Copy the lessons in ``source`` and ``source/solutions`` to ``target``, as described above.

    Args:
        source: The folder with the lessons.
        target: The learner's folder. It is made if it does not exist.

    Returns:
        Sentences that say what was done, and which lesson could not be copied; none if there was
        nothing to do.

    Raises:
        OSError: If there are no lessons, or ``target`` is no folder and cannot be made.
    """
    lessons = sorted([*source.glob("*.ipynb"), *source.glob("solutions/*.ipynb")])
    if not lessons:
        raise FileNotFoundError(f"there are no lessons in {source}")
    for folder in (target, target / "solutions"):
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder; rename it and run this again")
        folder.mkdir(parents=True, exist_ok=True)

    record, sentences = _read_record(target / RECORD)
    counts, failed = Counter(), {}
    for lesson in lessons:
        name = lesson.relative_to(source).as_posix()
        try:
            sentences += _deliver_one(lesson, name, target, record, counts)
        except OSError as error:  # the other lessons are copied, and JupyterLab opens
            failed[name] = f"{name} was not copied: {error.strerror or error}."
            continue
        # After each copy, so that an interruption leaves at most one copy unrecorded.
        failed |= _write_record(target / RECORD, record)

    if counts["copied"]:
        sentences.insert(0, f"Notebooks copied: {counts['copied']}.")
    if counts["replaced"]:
        news = "Notebooks that you had not changed, now a newer version"
        sentences.insert(0, f"{news}: {counts['replaced']}.")
    return [*sentences, *failed.values()]


def _deliver_one(lesson, name, target, record, counts) -> list[str]:
    """Copy one lesson, note its version in the record, and return what there is to say."""
    content = lesson.read_bytes()
    version = hashlib.sha256(content).hexdigest()
    delivered = record.get(name, [])
    place, said, kind = target / name, [], ""
    if not os.path.lexists(place):
        kind = "copied"
        said = [
            f"{old.name} is lesson {name[:2]} now: {name}. Your file stays, and what you "
            "have done there counts in both."
            for old in _earlier_numbers(place)
        ]
    elif delivered and delivered[-1] == version:
        return []
    elif place.is_symlink() or not place.is_file():
        what = "link" if place.is_symlink() else "folder"
        return [
            f"{name} was not copied, because a {what} has its name; "
            f"rename the {what} and run this again."
        ]
    elif place.read_bytes() != content:
        if _is_untouched(place, delivered):
            kind = "replaced"
        else:
            place = _place_beside(place, [*delivered, version])
            said = [f"{name} is yours and stays; the newer version is {place.name}."]
    if not place.exists() or place.read_bytes() != content:
        write_whole(place, content)
    counts[kind] += 1
    record[name] = [*(old for old in delivered if old != version), version]
    return said


def _write_record(path: Path, record: dict[str, list[str]]) -> dict[str, str]:
    """Write the record if it has changed; return a sentence if that is impossible."""
    text = json.dumps(record, indent=1)
    try:
        if not path.is_file() or path.read_bytes() != text.encode():
            write_whole(path, text)
    except OSError as error:
        reason = error.strerror or error
        return {RECORD: f"{RECORD} was not written, so at the next update every file is taken as "
                        f"yours: {reason}."}  # fmt: skip
    return {}


def _read_record(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Return the versions delivered earlier, and a sentence if they cannot be read."""
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and all(
        isinstance(versions, list) and all(isinstance(version, str) for version in versions)
        for versions in record.values()
    ):
        return record, []
    return {}, [f"{path.name} is damaged, so every file in {path.parent} is taken as yours."]


def _earlier_numbers(place: Path) -> list[Path]:
    """Return a lesson's files from when it had another number, unless it is a solved one."""
    slug = place.name[2:]
    if place.parent.name == "solutions":
        return []
    return sorted(p for p in place.parent.glob("[0-9][0-9]_*.ipynb") if p.name[2:] == slug)


def _is_untouched(path: Path, versions: list[str]) -> bool:
    """Return whether a file is a delivered version that nobody changed or write-protected."""
    mode = path.lstat().st_mode
    return (
        stat.S_ISREG(mode)
        and bool(mode & stat.S_IWUSR)
        and hashlib.sha256(path.read_bytes()).hexdigest() in versions
    )


def _place_beside(path: Path, versions: list[str]) -> Path:
    """Return the first of ``x-new.ipynb``, ``x-new-2.ipynb``... without work of the learner."""
    place, number = path.with_stem(f"{path.stem}-new"), 2
    while os.path.lexists(place) and not _is_untouched(place, versions):
        place, number = path.with_stem(f"{path.stem}-new-{number}"), number + 1
    return place


def main(arguments: list[str]) -> int:
    """Copy the lessons and open JupyterLab on them."""
    if importlib.util.find_spec("jupyterlab") is None:
        sys.exit(f"JupyterLab is not installed for {sys.executable}; README.md says how to set up.")
    course = Path(__file__).resolve().parent.parent
    lessons = course / "my"
    try:
        sentences = deliver(course / "notebooks", lessons)
    except OSError as error:
        sys.exit(f"The lessons could not be copied: {error}.")
    print(*sentences, f"Your lessons are in {lessons}.", sep="\n", flush=True)

    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={lessons}", *arguments]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return _run_until_stopped(command)


def _run_until_stopped(command: list[str]) -> int:
    """Go over to a program that has the terminal to itself, and return its exit code."""
    if os.name != "nt":
        os.execv(command[0], command)
    # On Windows exec returns to the prompt at once, and two programs then read the keyboard.
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab got it too, and asks whether to stop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
