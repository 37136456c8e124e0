"""Tests of the setup cell that tools/build_notebooks.py writes, and of the public address."""

import os
import re
import subprocess
import sys

import build_notebooks
import pytest
from build_notebooks import Course, main
from tiny_course import NAME, PYPROJECT, SOLVED, cells, contents, edit

# The public address, and the setup cell.


@pytest.mark.slow
def test_an_address_is_set_and_taken_back_without_a_run(course, built, runs):
    assert main(["--repository", "some-one/keras.course"], course) == 0
    assert (course / "pyproject.toml").read_text() == PYPROJECT.replace(
        'repository = ""', 'repository = "some-one/keras.course"'
    )
    for name in (NAME, SOLVED):
        first, setup = cells(course, name)[:2]
        assert (
            "(https://colab.research.google.com/github/some-one/keras.course/blob/main/"
            "notebooks/01_sums.ipynb)"
        ) in first.source
        install = '    %pip install -q "git+https://github.com/some-one/keras.course"\n'
        assert install in setup.source and "wheel" not in setup.source
    outputs = [c.get("outputs") for c in cells(built, SOLVED)]
    assert [c.get("outputs") for c in cells(course, SOLVED)] == outputs
    assert main(["--repository", ""], course) == 0
    assert contents(course) == contents(built)
    assert runs == []


@pytest.mark.parametrize(
    "address",
    [
        "name",
        "owner/",
        "/name",
        "owner/name/more",
        "https://github.com/owner/name",
        "owner/name.git",
        "owner/..",
        "own er/name",
        'owner/name"',
        "öwner/name",
        "owner/name\n",
    ],
)
def test_a_malformed_address_is_refused(course, address, capsys):
    before = contents(course)
    assert main(["--repository", address], course) == 2
    message = f"the address has the form owner/name. Received: {address!r}\n"
    assert capsys.readouterr().err == message
    assert contents(course) == before
    if "\n" not in address:
        setting = 'repository = ""', f"repository = {address!r}"
        edit(course / "pyproject.toml", setting)
        assert main(["--check"], course) == 2


def test_a_check_sets_no_address(course, capsys):
    with pytest.raises(SystemExit):
        main(["--check", "--repository", "a/b"], course)
    assert (course / "pyproject.toml").read_text() == PYPROJECT


@pytest.mark.parametrize("address", ["", "owner/coursekit"])
def test_no_index_is_asked_for_the_package(course, address):
    """The name coursekit on PyPI is someone else's."""
    build_notebooks.set_repository(course, address)
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    wanted = f'"git+https://github.com/{address}"' if address else "{wheels[-1]}"
    assert re.findall(r"%pip install (.*)", setup) == [f"-q {wanted}"]


SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell

class Missing:
    def find_spec(self, name, *others):
        if name == "coursekit":
            raise ModuleNotFoundError("No module named 'coursekit'", name=name)

def pip(line):
    print("pip", line)
    del sys.meta_path[0]

sys.meta_path.insert(0, Missing())
shell = InteractiveShell.instance()
shell.register_magic_function(pip)
shell.colors = "NoColor"
result = shell.run_cell(sys.argv[1])
print("ran", result.success, "import os" in sys.argv[1] and "os" in shell.user_ns)
"""


@pytest.mark.parametrize(
    "address, wheels, printed",
    [
        ("", [], "ModuleNotFoundError: Upload the wheel that `make wheel` builds"),
        (
            "",
            [f"keras_coursekit-0.{n}.0-py3-none-any.whl" for n in (9, 10, 1)],
            "pip install -q keras_coursekit-0.10.0-py3-none-any.whl\nran True True\n",
        ),
        ("a/b", [], 'pip install -q "git+https://github.com/a/b"\nran True True\n'),
    ],
)
def test_the_setup_cell_where_the_package_is_missing(course, tmp_path, address, wheels, printed):
    edit(course / "pyproject.toml", ('repository = ""', f'repository = "{address}"'))
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    setup = setup.replace("from coursekit import plots\n", "import coursekit\n")
    for wheel in wheels:
        (tmp_path / wheel).touch()
    command = [sys.executable, "-c", SHELL, setup]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stderr == ""
    assert printed in run.stdout
    if not address and not wheels:
        assert "During handling" not in run.stdout
        assert run.stdout.endswith("ran False False\n")


@pytest.mark.parametrize("address", ["", "a/b"])
def test_the_setup_cell_where_another_coursekit_is_installed(course, tmp_path, address):
    """The package of that name on PyPI: named in words, and nothing is installed over it."""
    edit(course / "pyproject.toml", ('repository = ""', f'repository = "{address}"'))
    setup = Course(course).learner_notebook(Course(course).sources[0]).cells[1].source
    other = 'import types; sys.modules["coursekit"] = types.ModuleType("coursekit")'
    code = SHELL.replace("sys.meta_path.insert(0, Missing())", other)
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    run = subprocess.run([sys.executable, "-c", code, setup], cwd=tmp_path, env=environment,
                         capture_output=True, text=True)  # fmt: skip
    assert "Another package is called coursekit: `%pip uninstall -y coursekit`" in run.stdout
    assert run.stdout.endswith("ran False False\n") and "pip install" not in run.stdout
