"""A class of fakes, graded: honest work counts whole, no cheat has a point without a flag.

The class is graded once. It needs Linux and root, which rooms need; elsewhere these are skipped.
"""

import csv
import json
import os
import socket
from pathlib import Path

import fakes
import pytest

from coursekit.grade import _class, _report, _sandbox
from coursekit.grade.__main__ import main

WHY = _sandbox.available()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(WHY), reason=f"rooms for submissions need root: {WHY}"),
]
HONEST, HARMFUL, CHEATS = map(list, (fakes.honest(), fakes.harmful(), fakes.cheats()))
SECRET = "hush-5871"


def short(items):
    return [pytest.param(*item, id=item[0].rpartition("_0")[0]) for item in items]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The records by name, the folder, and what was printed."""
    root = tmp_path_factory.mktemp("grade")
    notebooks, folder, victim = fakes.notebooks(root / "nb"), root / "class", root / "victim"
    folder.mkdir()
    victim.write_text("mine")
    victim.chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        for name, book, *_ in [*HONEST, *HARMFUL, *CHEATS]:
            data = book if isinstance(book, bytes) else json.dumps(book).encode()
            data = data.replace(b"VICTIM", str(root).encode()).replace(b"PORT", port.encode())
            (folder / f"{name}.ipynb").write_bytes(data)
        (folder / "link_00_start_here.ipynb").symlink_to(victim)
        (folder / "=2+<b>5").mkdir()
        odd = folder / "=2+<b>5" / "00_start_here (1).ipynb"
        odd.write_text(json.dumps(fakes.data("right", "rate = 0.1")))
        (folder / "nothing").mkdir()
        (folder / "nothing" / "essay.pdf").write_bytes(b"%PDF-")
        os.mkfifo(folder / "pipe_00_start_here.ipynb")
        os.environ["TEACHER_TOKEN"] = SECRET
        try:
            code = main([str(folder), "--notebooks", str(notebooks), "--jobs", "4",
                         "--seconds", "20.5"])  # fmt: skip
        finally:
            del os.environ["TEACHER_TOKEN"]
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody came
            server.accept()
    assert code == 0 and victim.read_text() == "mine"
    kept = (root / "class-graded" / "kept").glob("?" * 24 + ".json")
    records = {Path(r["file"]).stem: r for r in (json.loads(p.read_text()) for p in kept)}
    return records, root


def row(root, student):
    with (root / "class-graded" / "grades.csv").open(newline="") as file:
        return next(r for r in csv.DictReader(file) if r["student"] == student)


@pytest.mark.parametrize("name, book, points", short(HONEST))
def test_honest_work_counts_whole(graded, name, book, points):
    record = graded[0][name]
    assert {n: x["point"] for n, x in record["exercises"].items()} == points, record
    assert not any(x["flag"] for x in record["exercises"].values()), record
    assert not record["evidence"]


@pytest.mark.parametrize("name, book, points, words", short(HARMFUL))
def test_what_can_be_judged_is(graded, name, book, points, words):
    records, root = graded
    if points is None:
        student = name.partition("_0")[0]
        assert words in row(root, student)["could not be read"]
        return
    record = records[name]
    assert {n: x["point"] for n, x in record["exercises"].items()} == points, record
    told = [*record["notes"], *(x["message"] for x in record["exercises"].values())]
    assert words in " ".join(told), told


@pytest.mark.parametrize("name, book, points", short(CHEATS))
def test_no_cheat_has_a_point_without_a_flag(graded, name, book, points):
    record = graded[0][name]
    for exercise, allowed in points.items():
        made = record["exercises"][exercise]
        assert made["point"] == 0 or (allowed is None and made["flag"]), record
        if made["flag"]:
            assert record["evidence"] or record["lines"], record


@pytest.mark.parametrize("name, evidence", {
    "patched": "a nonsense answer", "numpy": "numpy.asarray", "rates": "RATES",
    "exercise": "check of converges", "late patch": "check of converges",
    "own method": "check's own", "truth": "_truth"}.items())  # fmt: skip
def test_a_changed_judge_is_evidence(graded, name, evidence):
    assert evidence in " ".join(graded[0][f"{name}_07_gradient_descent"]["evidence"])


def test_nothing_of_the_teachers_is_in_reach(graded):
    record = graded[0]["look_00_start_here"]
    told = record["exercises"]["rate"]["message"]
    for seen in ("secret None", "others: 0", "solutions: 0", "notebooks: False", "tests: False",
                 "shadow: False", "write: OSError", "net: OSError", "processes: 0",
                 "kill: PermissionError", "full disk: OSError", "mounts: False"):  # fmt: skip
        assert seen in told, told
    assert "root: []" in told or "root: FileNotFoundError" in told, told
    assert "environ: True" not in told
    assert SECRET not in json.dumps(record)


def test_a_partial_answer_has_its_misconception(graded):
    assert graded[0]["partial_00_start_here"]["exercises"]["rate"]["key"] == "too_small"
    page = (graded[1] / "class-graded" / "grades.html").read_text()
    assert "<code>too_small</code>" in page and "Misconceptions" in page


def test_names_are_strangers_words(graded):
    root = graded[1] / "class-graded"
    page, table = (root / "grades.html").read_text(), (root / "grades.csv").read_text()
    assert "=2+<b>5" not in page and "=2+&lt;b&gt;5" in page
    assert "Could not be read" in page and "it is a link" in page
    assert "it is no file" in page and "essay.pdf" in page
    assert not any(c.startswith(("=", "+", "-", "@")) for r in csv.reader(table.splitlines())
                   for c in r)  # fmt: skip


def test_graded_again_nothing_is_run(graded, capsys):
    root = graded[1]
    arguments = [str(root / "class"), "--notebooks", str(root / "nb"), "--seconds", "20.5"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "were graded before" in said and " of 2" not in said


def test_nothing_is_left(graded):
    first, held = _sandbox.reserve()
    with held:
        assert not _sandbox.processes(range(first, first + _sandbox.EACH), 0)


def test_interrupted_it_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    notebooks, folder = fakes.notebooks(tmp_path / "nb"), tmp_path / "class"
    folder.mkdir()
    for name in "ab":
        path = folder / f"{name}_07_gradient_descent.ipynb"
        path.write_text(json.dumps(fakes.code("right")))

    def answer(self, one, reference):
        if one.student == "b":
            raise KeyboardInterrupt
        return self._keep(one, {"exercises": {}, "problem": ""})

    reference = {"exercises": {"converges": {"title": "t"}}}
    monkeypatch.setattr(_class.Class, "_one", answer)
    monkeypatch.setattr(_class.Class, "_channel", lambda self: None)
    monkeypatch.setattr(_class.Class, "reference", lambda self, slug: reference)
    arguments = [str(folder), "--notebooks", str(notebooks), "--jobs", "1"]
    assert main(arguments) == 130 and "kept" in capsys.readouterr().out
    monkeypatch.setattr(
        _class.Class, "_one", lambda self, one, _: self._keep(one, {"exercises": {}, "problem": ""})
    )
    assert main(arguments) == 0 and "1 were graded before" in capsys.readouterr().out


def test_gradescope(graded):
    record = graded[0]["partial_00_start_here"]
    about = {n: {"title": n} for n in record["exercises"]}
    made = json.loads(_report.gradescope(record, about))
    assert [t["score"] for t in made["tests"]] == [1, 0]
    assert {"tests", "execution_time"} <= set(made)
