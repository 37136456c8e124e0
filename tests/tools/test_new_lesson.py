"""Tests of tools/new_lesson.py: what it writes is a lesson, and what it refuses."""

import importlib.util
import subprocess
import sys

import pytest
from build_notebooks import ROOT
from lesson_module import misfits
from lesson_source import Source
from new_lesson import main, new_lesson


@pytest.fixture
def written(tmp_path):
    return new_lesson("91", "knots", "Which knot holds?", tmp_path)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_three_files_belong_together(written, tmp_path):
    source, module, _ = written
    assert [p.relative_to(tmp_path).as_posix() for p in written] == [
        "notebooks/source/91_knots.py",
        "coursekit/lessons/knots.py",
        "tests/lessons/test_knots.py",
    ]
    lesson = Source(source)
    lesson.validate()
    assert lesson.title == "Which knot holds?" and misfits(lesson, module) == []
    assert lesson.references() == {"next"} and lesson.topics() == {}


def test_its_answers_get_their_messages(written, monkeypatch):
    _, module, test = written
    monkeypatch.setitem(sys.modules, "coursekit.lessons.knots", load(module))
    rows = load(test).ANSWERS
    assert {r.key for r in rows} >= {"ok", "alternative", "todo", "doubled", "cubed", "other"}
    for row in rows:
        row.holds()


def test_its_style(written):
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", *config], ["format", "--check", *config]):
        run = subprocess.run([sys.executable, "-m", "ruff", *command, *map(str, written)],
                             capture_output=True, text=True)  # fmt: skip
        said = "\n".join(line for line in run.stdout.splitlines() if "per-file" not in line)
        assert run.returncode == 0 or "D103" in said, said


@pytest.mark.parametrize(
    "number, slug, title, why",
    [
        ("9", "ropes", "Why?", "the number has two digits"),
        ("123", "ropes", "Why?", "the number has two digits"),
        ("1a", "ropes", "Why?", "the number has two digits"),
        ("92", "Ropes", "Why?", "the slug is a name of a module"),
        ("92", "9ropes", "Why?", "the slug is a name of a module"),
        ("92", "_ropes", "Why?", "the slug is a name of a module"),
        ("92", "class", "Why?", "the slug is a name of a module"),
        ("92", "ropes", "Why", "the title is a question"),
        ("92", "ropes", 'Why "so"?', "the title is a question"),
        ("92", "ropes", "Why\nso?", "the title is a question"),
        ("92", "ropes", "Why {so}?", "the title is a question"),
        ("91", "ropes", "Why?", "taken: notebooks/source/91_knots.py"),
        ("92", "knots", "Why?", "taken: coursekit/lessons/knots.py, notebooks/source/91_knots.py"),
    ],
)
def test_what_is_refused(written, tmp_path, capsys, number, slug, title, why):
    before = sorted(tmp_path.rglob("*"))
    assert main([number, slug, title], tmp_path) == 2
    assert why in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_next_command_is_named(tmp_path, capsys):
    assert main(["92", "ropes", "Why ropes?"], tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Now: make lesson NAME=ropes"
