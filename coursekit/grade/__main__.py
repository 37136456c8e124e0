"""The command: `python -m coursekit.grade FOLDER`."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import coursekit
from coursekit import _files
from coursekit import grade as package
from coursekit.grade import _class, _report, _sandbox


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        prog="python -m coursekit.grade", description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    made.add_argument("folder", type=Path, help="what the class handed in")
    made.add_argument("--out", type=Path, help="where the report goes (FOLDER-graded)")
    made.add_argument("--notebooks", type=Path, help="the course's notebooks, with solutions/")
    made.add_argument("--jobs", type=int, default=2, help="submissions at once (2)")
    made.add_argument("--seconds", type=float, default=60, help="for a cell (60); 5 times for all")
    made.add_argument("--memory", type=int, default=3000, help="MB for a submission (3000)")
    made.add_argument("--unprotected", action="store_true",
                      help="run it as yourself, where no protection can be had")  # fmt: skip
    made.add_argument("--gradescope", type=Path, metavar="RESULTS.JSON",
                      help="of one submission, write this too")  # fmt: skip
    return made


def main(arguments: list[str] | None = None) -> int:
    """Grade a folder, and say in sentences what came of it."""
    args = parser().parse_args(arguments)
    args.notebooks = args.notebooks or Path(coursekit.__file__).parent.parent / "notebooks"
    args.out = args.out or args.folder.with_name(f"{args.folder.resolve().name}-graded")
    why = _sandbox.available()
    if problem := _problem(args, why):
        print(problem, file=sys.stderr)
        return 2
    protection = (
        "Protection: each submission ran as a user of its own, without network, with its own files "
        "and processes, under limits of time, memory, processes and file size."
        if not why else
        f"Protection: NONE but limits of time and memory ({why}). The students' code ran as you, "
        "with your files and your network; each could read what you can, and other submissions."
    )  # fmt: skip
    print(protection, flush=True)
    limits = _class.Limits(args.seconds, args.memory * 2**20, args.jobs)
    lessons = _class.Lessons(args.notebooks)
    grader = _class.Class(args.folder, args.out, lessons, limits, not why,
                          lambda line: print(line, flush=True))  # fmt: skip
    try:
        records = grader.grade()
    except KeyboardInterrupt:
        print("Stopped. What was done is kept; the same command goes on from here.")
        return 130
    about = {slug: grader.reference(slug)["exercises"]
             for slug in {r["slug"] for r in records if not r["problem"]}}  # fmt: skip
    numbers = lessons.numbers
    _files.write_whole(args.out / "grades.csv", _report.table(records, numbers, about))
    _files.write_whole(args.out / "grades.html", _report.page(records, numbers, about, protection))
    if args.gradescope and len(records) == 1:
        text = _report.gradescope(records[0], about.get(records[0]["slug"], {}))
        _files.write_whole(args.gradescope, text)
    unread = sum(bool(r["problem"]) for r in records)
    print(f"{len(records)} submissions, {unread} of them could not be graded: "
          f"{args.out / 'grades.html'}, {args.out / 'grades.csv'}")  # fmt: skip
    return 0


def _problem(args, why: str) -> str:
    """Return the sentence that refuses, before any work; "" if all is well."""
    missing = [n for n in ("nbclient", "nbformat", "jupyter_client", "ipykernel")
               if find_spec(n) is None]  # fmt: skip
    if missing:
        return (f"The grader needs {', '.join(missing)}: "
                'python -m pip install "keras-coursekit[grade]"')  # fmt: skip
    if not args.folder.is_dir():
        return f"FOLDER must be a folder with what the class handed in. Received: {args.folder}"
    if not list(args.notebooks.glob("solutions/[0-9][0-9]_*.ipynb")):
        return (f"There are no notebooks with solutions in {args.notebooks}. Give the course's "
                "folder: --notebooks course/notebooks")  # fmt: skip
    for name, least in (("jobs", 1), ("seconds", 1), ("memory", 500)):
        if getattr(args, name) < least:
            return f"--{name} must be at least {least}. Received: {getattr(args, name)}"
    if args.jobs > 32:
        return f"--jobs must be at most 32. Received: {args.jobs}"
    if why and not sys.platform.startswith("linux"):
        return f"No notebook was run: {why}. A container runs it: python -m coursekit.grade --help"
    if why and not args.unprotected:
        return (f"No notebook was run: strangers' code would run without protection, since {why}. "
                "Run it as root (sudo), or in a container (--help); or with --unprotected, if you "
                "trust every student with your files.")  # fmt: skip
    return ""


if __name__ == "__main__":
    sys.exit(main())
