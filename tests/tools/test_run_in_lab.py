"""Tests of tools/run_in_lab.py; two of them start JupyterLab and Chromium."""

import tempfile

import nbformat
import pytest
import run_in_lab
from matplotlib.image import imread
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytestmark = pytest.mark.slow

pytest.importorskip("playwright", reason="Playwright is not installed")
needs_browser = pytest.mark.skipif(run_in_lab.find_browser() is None, reason=run_in_lab.NO_BROWSER)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@needs_browser
def test_runs_and_photographs_a_long_notebook(tmp_path, temporary, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "progress"))
    notebook = tmp_path / "01 fine.ipynb"
    save = "import os; os.makedirs(os.environ['COURSEKIT_HOME'])"
    cells = [
        new_code_cell(save),
        new_markdown_cell("# A title\n\n" + "A paragraph.\n\n" * 60),
        new_code_cell("   "),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("import sys; print('mind this', file=sys.stderr)"),
    ]
    nbformat.write(new_notebook(cells=cells), notebook)
    before = notebook.read_bytes()

    report = run_in_lab.run(notebook, screenshot=tmp_path / "fine.png", height=1500)

    assert report.ok, report
    assert (report.ran, report.cells, report.stopped) == (3, 3, "")
    assert report.errors == []
    assert report.expected_errors == ["cell 4: ZeroDivisionError: division by zero"]
    assert report.stderr == ["cell 5: mind this"]
    assert report.screenshots == [tmp_path / "fine.png", tmp_path / "fine-2.png"]
    for picture in map(imread, report.screenshots):
        assert picture.shape[:2] == (1500, 1100)
        assert picture[300:-300].std() > 0.01  # not a blank page
    assert notebook.read_bytes() == before
    assert not (tmp_path / "progress").exists()
    assert list(temporary.iterdir()) == []


@needs_browser
def test_an_error_stops_the_run_and_a_stored_count_does_not_hide_it(tmp_path, temporary):
    notebook = tmp_path / "02_bad.ipynb"
    cells = [new_code_cell("1 + 1"), new_code_cell("1 / 0"), new_code_cell("2", execution_count=3)]
    nbformat.write(new_notebook(cells=cells), notebook)

    report = run_in_lab.run(notebook)

    assert not report.ok
    assert (report.ran, report.cells) == (2, 3)
    assert report.errors == ["cell 2: ZeroDivisionError: division by zero"]
    assert list(temporary.iterdir()) == []


@needs_browser
def test_an_unreadable_notebook_is_named(tmp_path, temporary):
    notebook = tmp_path / "broken.ipynb"
    notebook.write_text("{")
    with pytest.raises(run_in_lab.LabError, match=r"broken\.ipynb cannot be read as a notebook"):
        run_in_lab.run(notebook)


def test_a_height_out_of_range_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: height=50"):
        run_in_lab.run(tmp_path / "any.ipynb", height=50)


def test_the_exit_code_is_2_without_a_browser(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "missing"))
    assert run_in_lab.main(["any.ipynb"]) == 2
    assert "set CHROMIUM" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (run_in_lab.Report(2, 2), 0),
        (run_in_lab.Report(2, 2, expected_errors=["cell 1: ValueError: x"]), 0),
        (run_in_lab.Report(2, 2, errors=["cell 1: ValueError: x"]), 1),
        (run_in_lab.Report(2, 1), 1),
        (run_in_lab.Report(2, 2, stopped="the time was up"), 1),
    ],
)
def test_the_exit_code_follows_the_report(report, code, monkeypatch, capsys):
    monkeypatch.setattr(run_in_lab, "find_browser", lambda: "chromium")
    monkeypatch.setattr(run_in_lab, "run", lambda notebook, **options: report)
    assert run_in_lab.main(["any.ipynb"]) == code
    assert f"{report.ran} of 2 code cells ran" in capsys.readouterr().out
