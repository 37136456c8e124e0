"""The wheel: what is in it, and that it works where nothing else of the project is."""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
LOAD_ALL = """
import coursekit, pathlib, sys
from coursekit import datasets
assert "site-packages" in coursekit.__file__, coursekit.__file__
names = sorted(n for n in dir(datasets) if n.startswith("load_"))
for name in names:
    getattr(datasets, name)()
assert datasets.check_files() == []
from coursekit.lessons.training_loop import check
check.solution("batches", anyway=True)
print(len(names), coursekit.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_what_the_wheel_carries(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "data").iterdir():
        assert f"coursekit/data/{path.name}" in names
    for path in (ROOT / "coursekit").rglob("*"):
        if path.suffix in (".py", ".json") or path.name == "py.typed":
            assert str(path.relative_to(ROOT)) in names
    licences = [n for n in names if "/licenses/" in n]
    for wanted in ("LICENSE", "LICENSE-CC-BY-4.0.txt", "data/README.md"):
        assert any(n.endswith(f"/licenses/{wanted}") for n in licences), licences
    assert not any(n.startswith(("tests", "tools", "my/")) for n in names)


def test_the_wheel_works_beside_given_libraries(wheel, tmp_path):
    venv.create(tmp_path / "fresh", with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(tmp_path / "fresh")})
    python = Path(paths["scripts"]) / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    # numpy, keras and the rest come from this environment, after the fresh one's own packages.
    (Path(paths["purelib"]) / "given.pth").write_text(sysconfig.get_path("purelib"))
    command = [python, "-I", "-W", "error::ResourceWarning", "-c", LOAD_ALL]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.search(r"^1[0-9] 0\.", run.stdout, re.M), run.stdout


def test_no_requirement_brings_tensorflow(wheel):
    """It would replace tensorflow-tpu, and Colab's own build."""
    packaging = pytest.importorskip("packaging.requirements")
    metadata = next(n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    open_ends, seen = re.findall(r"^Requires-Dist: (.+)$", text, re.M), set()
    while open_ends:
        requirement = packaging.Requirement(open_ends.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name.lower() not in seen:
            seen.add(requirement.name.lower())
            try:
                open_ends += requires(requirement.name) or []
            except PackageNotFoundError:
                continue  # needed on another platform only
    assert {"keras", "numpy"} <= seen
    assert not any(name.startswith("tensorflow") for name in seen), seen
