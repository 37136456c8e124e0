"""What a learner has done is kept, whatever state its file and its folder are in."""

import json
import os
import sys
from pathlib import Path

import pytest

from coursekit.exercises import _progress as progress
from coursekit.exercises._progress import KINDS, Progress, decisions

pytestmark = pytest.mark.any_backend
EMPTY = {kind: {} for kind in KINDS}


def test_kept_over_instances():
    Progress("losses").save("quiz", "quiz_1", "a")
    Progress("losses").save("decision", "choice", "Huber \ud800 ✓")
    kept = Progress("losses")
    assert kept.data == {**EMPTY, "quiz": {"quiz_1": "a"}, "decision": {"choice": "Huber \ud800 ✓"}}
    assert kept.notice == ""
    assert Progress("momentum").data == EMPTY


def test_reading_makes_no_file(home):
    Progress("losses").refresh()
    assert not home.exists()


def test_two_windows_merge():
    one, two = Progress("losses"), Progress("losses")
    one.save("quiz", "quiz_1", "a")
    two.save("quiz", "quiz_2", "b")
    one.save("quiz", "quiz_3", "c")
    both = {"quiz_1": "a", "quiz_2": "b", "quiz_3": "c"}
    assert one.data["quiz"] == Progress("losses").data["quiz"] == both
    two.refresh()
    assert two.data["quiz"] == both


@pytest.mark.parametrize(
    "text",
    ['{"exercises": {', "", "[]", "null", "3", '"text"', '{"quiz": []}', '{"exercises": 3}',
     '{"cards": null}', "\x00", "[" * 100_000],
)  # fmt: skip
def test_a_damaged_file_is_put_aside(home, text):
    home.mkdir()
    file = home / "losses.json"
    file.write_text(text)
    kept = Progress("losses")
    assert kept.data == EMPTY
    assert "losses.json.damaged-1" in kept.notice
    assert (home / "losses.json.damaged-1").read_text() == text
    kept.save("quiz", "quiz_1", "a")
    assert Progress("losses").data["quiz"] == {"quiz_1": "a"}

    file.write_bytes(b"\xff\xfe not utf-8")
    Progress("losses")
    assert (home / "losses.json.damaged-2").read_bytes() == b"\xff\xfe not utf-8"
    assert (home / "losses.json.damaged-1").read_text() == text


def test_entries_of_another_kind_are_left_out(home):
    home.mkdir()
    good = {"quiz": {"q": "a"}, "exercises": {"e": {"done": True}}, "cards": {"c": {}},
            "predictions": {"p": "b"}, "decision": {"choice": "x", "score": 0.5}}  # fmt: skip
    odd = {"quiz": {"o": 3}, "exercises": {"o": [], "p": 3}, "cards": {"o": "x"},
           "predictions": {"o": {}}, "decision": {"o": [1]}}  # fmt: skip
    mixed = {kind: {**good[kind], **odd[kind]} for kind in KINDS}
    (home / "losses.json").write_text(json.dumps({**mixed, "later": 1}))
    kept = Progress("losses")
    assert kept.data == good
    assert kept.notice == ""


def test_a_file_where_the_folder_should_be(home):
    home.write_text("in the way")
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert "for this session only" in kept.notice
    kept.save("quiz", "quiz_2", "b")
    assert kept.data["quiz"] == {"quiz_1": "a", "quiz_2": "b"}
    assert decisions() == {}
    assert home.read_text() == "in the way"


def test_a_folder_where_the_file_should_be(home):
    (home / "losses.json").mkdir(parents=True)
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert "for this session only" in kept.notice
    assert [path.name for path in home.iterdir()] == ["losses.json"]


def test_writing_is_whole_or_not_at_all(home, monkeypatch):
    Progress("losses").save("quiz", "quiz_1", "a")
    before = (home / "losses.json").read_text()
    replaced = []

    def fails(source, target):
        replaced.append((json.loads(Path(source).read_text())["quiz"], Path(target).name))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    kept = Progress("losses")
    kept.save("quiz", "quiz_2", "b")
    assert replaced == [({"quiz_1": "a", "quiz_2": "b"}, "losses.json")]
    assert (home / "losses.json").read_text() == before
    assert [path.name for path in home.iterdir()] == ["losses.json"]
    assert kept.notice.endswith("No space left on device.")


# Where it is.


@pytest.fixture
def no_settings(monkeypatch):
    for name in ("COURSEKIT_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("user"))
    return monkeypatch


@pytest.mark.parametrize(
    "platform, folder",
    [
        ("linux", "user/.local/share/coursekit"),
        ("darwin", "user/Library/Application Support/coursekit"),
        ("win32", "user/AppData/Local/coursekit"),
    ],
)
def test_home(no_settings, platform, folder):
    no_settings.setattr(sys, "platform", platform)
    assert progress.home() == Path(folder)
    no_settings.setenv("XDG_DATA_HOME", "xdg")
    no_settings.setenv("LOCALAPPDATA", "local")
    wanted = {"linux": "xdg", "darwin": "user/Library/Application Support", "win32": "local"}
    assert progress.home() == Path(wanted[platform]) / "coursekit"
    no_settings.setenv("COURSEKIT_HOME", "chosen")
    assert progress.home() == Path("chosen")


def test_home_with_a_tilde(monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", "~/learned")
    assert progress.home() == Path(os.path.expanduser("~")) / "learned"


def test_a_user_without_a_home(no_settings):
    def none():
        raise RuntimeError("Could not determine home directory.")

    no_settings.setattr(Path, "home", none)
    no_settings.setattr(sys, "platform", "linux")
    assert progress.home().name == "coursekit"


def test_decisions_of_all_lessons(home):
    assert decisions() == {}
    Progress("momentum").save("decision", "choice", "0.9")
    Progress("losses").save("decision", "choice", "Huber")
    Progress("schedules").save("quiz", "quiz_1", "a")
    (home / "damaged.json").write_text('{"decision": 3}')
    (home / "broken.json").write_text("{")
    (home / "losses.json.damaged-1").write_text('{"decision": {"choice": "old"}}')
    assert decisions() == {"losses": {"choice": "Huber"}, "momentum": {"choice": "0.9"}}
    assert list(decisions()) == ["losses", "momentum"]
    assert (home / "broken.json").exists()
