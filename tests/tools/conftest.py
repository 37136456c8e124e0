"""The tiny course, built once; copies of it; and a build that runs nothing."""

import shutil

import build_notebooks
import pytest
from build_notebooks import ROOT, main
from tiny_course import LESSON, MODULE, MODULE_PATH, PYPROJECT, README, TOPICS


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The course, built once with a kernel."""
    root = tmp_path_factory.mktemp("course")
    (root / "notebooks" / "source").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "README.md").write_text(README)
    (root / "notebooks" / "topics.tsv").write_text(TOPICS)
    (root / "notebooks" / "source" / "01_sums.py").write_text(LESSON)
    (root / MODULE_PATH).parent.mkdir(parents=True)
    (root / MODULE_PATH).write_text(MODULE)
    for name in (".gitattributes", "notebooks/source/jupytext.toml"):
        shutil.copy(ROOT / name, root / name)
    assert main([], root) == 0
    return root


@pytest.fixture
def course(built, tmp_path):
    """A copy of the built course."""
    return shutil.copytree(built, tmp_path / "course")


@pytest.fixture
def runs(monkeypatch):
    """The lessons that a build runs; they are only marked as run."""
    names = []

    def execute(nb, name):
        names.append(name)
        for number, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
            cell.execution_count, cell.outputs = number, []

    monkeypatch.setattr(build_notebooks, "execute", execute)
    return names
