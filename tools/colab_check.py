"""Runs every lesson as on Colab: the wheel beside the notebooks, and nothing else of the project.

    make colab-check                                          every lesson, in both environments
    .venv-colab-tpu/bin/python tools/colab_check.py losses    some, in one of them

The environment has Colab's versions and no coursekit. The setup cell of the first lesson installs
the wheel, as on Colab; then every lesson runs, untouched and solved. Numbers may differ in their
last digits there, so that nothing is compared: each cell must run, and each answer must be right.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=180"]


def versions() -> dict[str, str]:
    """Return what there is of Colab's packages."""
    lists = (ROOT / f"constraints-colab{kind}.txt" for kind in ("", "-tpu"))
    lines = [line for path in lists for line in path.read_text().splitlines()]
    names = {line.split("==")[0] for line in lines if "==" in line}
    return {d.name: d.version for d in importlib.metadata.distributions() if d.name in names}


def run(folder: Path, paths: list[Path]) -> None:
    """Run notebooks from their folder, as if nothing else of the project were there."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist=loadfile", *NBVAL, *paths]
    status = subprocess.run(command, cwd=folder, env=environment).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    uninstall = [sys.executable, "-m", "pip", "uninstall", "-q", "-y", "keras-coursekit"]
    subprocess.run(uninstall, check=True)
    before = versions()
    print(f"Python {sys.version.split()[0]}:", ", ".join(" ".join(v) for v in before.items()))
    slugs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = (ROOT / "dist").glob("keras_coursekit-*.whl")
        shutil.copy(max(wheels, key=os.path.getmtime), folder)
        for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
            shutil.copy(path, folder)
            shutil.copy(path.parent / "solutions" / path.name, folder / f"solved_{path.name}")
        first, *rest = sorted(folder.glob("*.ipynb"))
        run(folder, [first])
        run(folder, [path for path in rest if not slugs or any(s in path.name for s in slugs)])
    if before != versions():
        sys.exit(f"The wheel changed what Colab has: {before} became {versions()}.")
