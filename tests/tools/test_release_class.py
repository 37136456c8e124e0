"""A class's copy: what is in it, what is not, and what `check.solution` says there."""

import json
import subprocess
import sys
import zipfile

import pytest
from light_wheel import COURSE, problems, without
from release_class import ROOT, SOLUTIONS, lessons, release

SAYS = """
from coursekit.lessons.start_here import check
check.solution("rate", anyway=True)
check.hint("rate")
check("rate", 0.3, [1.0, -1.0], [1.0, -1.0])
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_students_wheel(full, tmp_path):
    light = without(full, tmp_path, [SOLUTIONS])
    before, after = (set(zipfile.ZipFile(w).namelist()) for w in (full, light))
    assert all(name.startswith("coursekit/lessons/_solutions/") for name in before - after)
    assert len(before - after) == len(list((ROOT / "notebooks/source").glob("*.py")))
    assert not after - before and not problems(light) and not problems(full)
    zipfile.ZipFile(light).extractall(tmp_path / "lib")
    command = [sys.executable, "-P", "-c", SAYS]
    env = {"PYTHONPATH": str(tmp_path / "lib"), "COURSEKIT_HOME": str(tmp_path / "home")}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "Your teacher has the solutions" in run.stdout and "Hint 1 of 3" in run.stdout
    assert "Our check failed" not in run.stdout and "✓ Correct" in run.stdout


ALONE = """
import coursekit
from coursekit import datasets, losses
from coursekit.training import fit_many
print(losses.focal_tversky.__name__, len(datasets.load_digits().train.y), coursekit.__version__)
try:
    datasets.load_penguins()
except datasets.DataFileError as error:
    print(error)
try:
    coursekit.lessons
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_package_alone(full, tmp_path):
    light = without(full, tmp_path, COURSE, build="0alone")
    assert light.name.split("-")[2:] == ["0alone", "py3", "none", "any.whl"]
    assert not problems(light) and light.stat().st_size < 2e6
    names = zipfile.ZipFile(light).namelist()
    assert not any(name.startswith(tuple(COURSE)) for name in names)
    folder = tmp_path / "lib"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, folder, light], check=True, capture_output=True)
    env = {"PYTHONPATH": str(folder), "PATH": ""}
    command = [sys.executable, "-P", "-c", ALONE]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    used, data, lessons_ = run.stdout.strip().splitlines()
    assert used.startswith("focal_tversky 1287 0.")
    assert "penguins.csv.gz is missing" in data and "package alone" in data
    assert "the package alone" in lessons_


def test_a_damaged_wheel_is_seen(full, tmp_path):
    with zipfile.ZipFile(full) as old, zipfile.ZipFile(tmp_path / full.name, "w") as new:
        for item in old.infolist():
            is_first = item.filename == "coursekit/__init__.py"
            new.writestr(item, b"changed" if is_first else old.read(item))
        new.writestr("extra.txt", "")
    assert problems(tmp_path / full.name) == ["extra.txt", "coursekit/__init__.py"]


def test_the_students_notebooks(tmp_path):
    count = len(list((ROOT / "notebooks/source").glob("*.py")))
    assert lessons(ROOT / "notebooks", tmp_path / "nb") == count
    for path in (tmp_path / "nb").iterdir():
        text = path.read_text()
        assert "solutions/" not in text, path
        ours = json.loads((ROOT / "notebooks" / path.name).read_text())
        theirs = json.loads(text)
        codes = [["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
                 for book in (ours, theirs)]  # fmt: skip
        assert codes[0] == codes[1]


def test_no_wheel_no_release(tmp_path):
    with pytest.raises(FileNotFoundError, match="make wheel"):
        release(tmp_path)
