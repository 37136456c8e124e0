"""Merging, finding and refusing: what needs no kernel."""

import json

import fakes
import pytest

from coursekit.grade import __main__ as command
from coursekit.grade import _merge, _probe, _report, _scan, _submissions

pytestmark = pytest.mark.slow

EXERCISES = ["guess", "rate"]


def merged(book):
    theirs = _merge.read(json.dumps(book).encode())
    blank = _merge.read(json.dumps(fakes.lesson(fakes.DATA)).encode())
    return _merge.merge(theirs, blank, EXERCISES)


def test_our_cells_run_as_we_wrote_them():
    book = fakes.data("right", "right")
    fakes.find(book, "birds = ")["source"] = "x = y = 0"
    units, notes = merged(book)
    codes = [u["code"] for u in units if u["kind"] == "run"]
    assert "x = y = 0" not in codes and any("birds = " in c for c in codes)
    assert any("was changed" in note for note in notes)


def test_a_check_is_asked_with_our_arguments():
    book = fakes.data("right", None)
    fakes.find(book, 'check("rate"')["source"] = 'rate = 0.3\ncheck("rate", 0.3, [1], [2])'
    units, _ = merged(book)
    rate = [u for u in units if u.get("name") == "rate"]
    assert [u["answers"] for u in rate] == [["rate", "x", "y"]]
    assert rate[0]["given"] == [False, True, True]
    assert not any("check(" in u["code"] for u in units if u.get("whose") == "answer")


@pytest.mark.parametrize("data, words", [
    (b"PK\x03\x04", "zip"), (b"%PDF-1.7", "printed"), (b"", "no notebook"), (b"[]", "no list"),
    (b"\xff\xfe", "no notebook"), (b'{"cells": 3}', "no list"), (b"[" * 10**6, "nested"),
    (json.dumps({"cells": [{}] * 1001}).encode(), "1,001 cells"),
    (json.dumps({"cells": [{"cell_type": "code", "source": "x" * 10**6}]}).encode(), "characters"),
])  # fmt: skip
def test_what_is_no_notebook_is_named(data, words):
    with pytest.raises(_merge.Unreadable, match=words):
        _merge.read(data)


@pytest.mark.parametrize("source", [
    "import os", "import os.path as p", "from coursekit.exercises import Lesson", "eval('1')",
    "getattr(np, 'x')", "f.__globals__", "class A:\n    def __eq__(self, o): return True",
    "np.mean = print", "e.__traceback__", "x = '_solutions'", "import numpy as n\nn.a.b = 1",
    "check = print", "match x:\n    case object(f_back=y): pass", "!ls", "def f(:", "'{0.f_back}'",
    "np.load(f, allow_pickle=True)", "from numpy import sys", "check.exercises",
])  # fmt: skip
def test_suspect(source):
    assert _scan.suspects(source, {"check", "np"})


@pytest.mark.parametrize("source", [
    fakes.RIGHT["converges"], "import math\nimport numpy as np\nimport keras",
    "from keras import layers", "class A(keras.layers.Layer):\n"
    "    def __init__(self):\n        super().__init__()\n        self.w = 1",
    "model.trainable = False", "model.compile('sgd')", "predictions = exercises = 1",
    "if __name__ == '__main__': pass", "# os.system\ntext = 'my os'",
])  # fmt: skip
def test_not_suspect(source):
    assert not _scan.suspects(source, {"check"})


@pytest.mark.parametrize("value", [
    None, True, 3, -0.5, "text", [1, (2.5, {3})], {"a": [None]}, ...,
    frozenset({1}), float("inf"), 10**30])  # fmt: skip
def test_plain_data_goes_there_and_back(value):
    assert _probe.load(json.loads(json.dumps(_probe.dump(value)))) == value


def test_what_is_a_subclass_is_not_plain():
    class Sly(float):
        pass

    for value in (Sly(1), [Sly(1)], print, object(), {"a": Sly}):
        with pytest.raises(TypeError):
            _probe.dump(value)


def test_where_submissions_lie(tmp_path):
    numbers = {"start_here": "00", "losses": "04", "custom_losses": "05"}
    (tmp_path / "ada").mkdir()
    for name in ("ada/00_start_here.ipynb", "ada/05_custom_losses-2.ipynb", "bob_04_losses.ipynb",
                 "ada/mine.ipynb"):  # fmt: skip
        (tmp_path / name).write_text(
            "from coursekit.lessons.losses import check" if "mine" in name else "{}"
        )
    (tmp_path / "ada" / ".hidden.ipynb").write_text("{}")
    found = {(s.student, s.slug): s.name for s in _submissions.find(tmp_path, numbers)}
    assert found == {
        ("ada", "start_here"): "ada/00_start_here.ipynb",
        ("ada", "custom_losses"): "ada/05_custom_losses-2.ipynb",
        ("ada", "losses"): "ada/mine.ipynb", ("bob", "losses"): "bob_04_losses.ipynb",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\n=1", " =1", "\ud800=x", "%0"]
)
def test_no_cell_is_a_formula(text):
    assert not _report.cell(text).startswith(("=", "+", "-", "@", "\t", "\n", " "))
    _report.cell(text).encode()


def test_refused_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command._sandbox, "available", lambda: "this is not root")
    notebooks = str(fakes.notebooks(tmp_path / "nb"))
    (tmp_path / "class").mkdir()
    for arguments, words in {
        (str(tmp_path / "no"),): "must be a folder",
        (str(tmp_path / "class"), "--notebooks", str(tmp_path)): "no notebooks with solutions",
        (str(tmp_path / "class"), "--notebooks", notebooks, "--jobs", "0"): "at least 1",
        (str(tmp_path / "class"), "--notebooks", notebooks): "since this is not root",
    }.items():
        assert command.main(list(arguments)) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "class-graded").exists()
