"""For a class: a wheel and notebooks without solutions: ``python tools/release_class.py``.

``make class`` builds the wheel first and runs this. It writes

    dist/class/keras_coursekit-...whl     for the students, without solutions
    dist/class/notebooks/NN_slug.ipynb    what they open, without a link to a solved one
    dist/keras_coursekit-...whl           the teacher's, with all

There `check.solution` says that the teacher has the solutions. Checks, hints and what the course
explains are all there: they show the way, as they should.
"""

import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # installed or not

from light_wheel import problems, without

from coursekit._files import write_whole

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = "coursekit/lessons/_solutions/"
LINK = re.compile(r" ?\[See it executed\]\(solutions/[^)]*\)\.")


def lessons(source: Path, target: Path) -> int:
    """Copy the notebooks that students open, without links to the solved ones; return how many."""
    target.mkdir(parents=True)
    paths = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    for path in paths:
        book = json.loads(path.read_text(encoding="utf-8"))
        for cell in book["cells"]:
            text = "".join(cell["source"])
            cell["source"] = LINK.sub("", text)
        text = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
        write_whole(target / path.name, text)
    return len(paths)


def release(root: Path = ROOT) -> Path:
    """Write ``dist/class`` anew from the newest wheel in ``dist``; return it.

    Raises:
        FileNotFoundError: If there is no wheel.
    """
    wheels = sorted((root / "dist").glob("keras_coursekit-*.whl"), key=lambda p: p.stat().st_mtime)
    if not wheels:
        raise FileNotFoundError(f"There is no wheel in {root / 'dist'}: make wheel")
    folder = root / "dist" / "class"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    light = without(wheels[-1], folder, [SOLUTIONS])
    if wrong := problems(light):
        raise ValueError(f"{light.name} and its list of files differ: {wrong}")
    number = lessons(root / "notebooks", folder / "notebooks")
    print(f"For the students: {folder}, {number} notebooks and {light.name}, without solutions.")
    print(f"For the teacher: {wheels[-1]}, and notebooks/solutions.")
    return folder


if __name__ == "__main__":
    release()
