"""What a learner has done is kept, whatever state its file and its folder are in."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from coursekit.exercises import _progress as progress
from coursekit.exercises._progress import KINDS, Progress, all_decisions

pytestmark = pytest.mark.any_backend
EMPTY = {kind: {} for kind in KINDS}


def files(folder) -> list[str]:
    """What is in a folder, but for the lock that windows hold while they save."""
    return [path.name for path in folder.iterdir() if path.name != ".lock"]


@pytest.fixture
def no_settings(monkeypatch):
    for name in ("COURSEKIT_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("user"))
    return monkeypatch


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


def window(code, home, *arguments):
    """Another window: a process of its own, which has opened the progress and waits for a line."""
    head = """
        import sys
        from coursekit.exercises._progress import Progress
        kept = Progress("losses")
        print("ready", flush=True)
        sys.stdin.readline()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "COURSEKIT_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_two_windows_that_save_in_the_same_instant(home):
    """Each of 2 x 100 entries is kept, and each of 2 x 100 attempts is counted."""
    code = """
        for k in range(100):
            with kept.changing():
                kept.set("quiz", f"quiz_{sys.argv[1]}_{k}", "a")
                attempts = kept.data["exercises"].get("mse", {}).get("attempts", 0)
                kept.set("exercises", "mse", {"attempts": attempts + 1})
    """
    windows = [window(code, home, name) for name in ("one", "two")]
    for process in windows:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(timeout=60) for process in windows] == [0, 0]
    data = Progress("losses").data
    assert len(data["quiz"]) == 200
    assert data["exercises"]["mse"]["attempts"] == 200


HOLD = """
    with kept.changing():
        print("holds", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(home):
    """A window that holds the lock."""
    process = window(HOLD, home)
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()


def test_a_window_that_was_killed_holds_nothing(holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    begun = time.monotonic()
    Progress("losses").save("quiz", "quiz_1", "a")
    assert time.monotonic() - begun < progress.PATIENCE_SECONDS / 2
    assert Progress("losses").data["quiz"] == {"quiz_1": "a"}


@pytest.mark.slow
def test_a_window_that_hangs_is_not_waited_for_without_end(holder, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.2)
    begun = time.monotonic()
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert 0.2 < time.monotonic() - begun < 5
    assert Progress("losses").data["quiz"] == {"quiz_1": "a"} and not kept.notice


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), PermissionError(13, "no")])
def test_a_folder_without_locks(error, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(fcntl, "flock", fails("flock", error)[1])
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert Progress("losses").data["quiz"] == {"quiz_1": "a"} and not kept.notice


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


GOOD = {"quiz": {"q": "a"}, "exercises": {"e": {"done": True}}, "cards": {"c": {}},
        "predictions": {"p": "b"}, "decision": {"choice": "x", "score": 0.5}}  # fmt: skip
ODD = {"quiz": {"o": 3}, "exercises": {"o": [], "p": 3}, "cards": {"o": "x"},
       "predictions": {"o": {}}, "decision": {"o": [1]}}  # fmt: skip


def test_entries_that_this_version_does_not_know_stay_in_the_file(home):
    home.mkdir()
    mixed = {**{kind: {**GOOD[kind], **ODD[kind]} for kind in KINDS}, "later": {"badge": 1}}
    (home / "losses.json").write_text(json.dumps(mixed))
    kept = Progress("losses")
    assert kept.data == GOOD
    assert kept.notice == ""
    kept.save("quiz", "q2", "b")
    kept.save("quiz", "o", "c")  # known now: the entry is the learner's new one
    found = json.loads((home / "losses.json").read_text())
    assert found == {**mixed, "quiz": {"q": "a", "o": "c", "q2": "b"}}


def test_an_old_window_does_not_revert_what_a_newer_one_wrote():
    old = Progress("losses")
    old.save("exercises", "mse", {"done": False, "attempts": 1})
    new = Progress("losses")
    new.save("exercises", "mse", {"done": True, "attempts": 2})
    old.save("quiz", "quiz_1", "a")
    assert Progress("losses").data["exercises"]["mse"] == {"done": True, "attempts": 2}
    assert old.data["exercises"]["mse"] == {"done": True, "attempts": 2}


# A file that cannot be written, or read: the session keeps what the learner does.


def fails(kind, error):
    """Return what stands for a call that fails, as on a full disk or without permission."""

    def call(*args, **kwargs):
        raise error

    return kind, call


@pytest.fixture
def yesterday(home):
    home.mkdir()
    old = {"exercises": {"mse": {"done": False, "attempts": 1}}, "predictions": {"p": "b"},
           "cards": {"c": {"step": 1, "due": "2020-01-01"}}, "later": 1}  # fmt: skip
    (home / "losses.json").write_text(json.dumps(old))
    return old


WRITES = {
    "full": ("os.replace", OSError(28, "No space left on device")),
    "read-only": (
        "coursekit.exercises._progress.write_whole",
        OSError(30, "Read-only file system"),
    ),
    "no permission": ("os.replace", PermissionError(13, "Permission denied")),
    "quota": ("os.fsync", OSError(122, "Disk quota exceeded")),
}


@pytest.mark.parametrize("call, error", WRITES.values(), ids=WRITES)
def test_what_cannot_be_written_is_kept_over_what_is_read(
    home, yesterday, monkeypatch, call, error
):
    before = (home / "losses.json").read_text()
    kept = Progress("losses")

    def check():
        kept.refresh()
        assert kept.data["exercises"]["mse"] == {"done": True, "attempts": 2}
        assert kept.data["predictions"] == {"p": "a"}

    with monkeypatch.context() as patch:
        patch.setattr(call, fails(call, error)[1])
        kept.save("exercises", "mse", {"done": True, "attempts": 2})
        kept.save("predictions", "p", "a")
        check()
        assert kept.notice.startswith("Your progress lasts for this session only: ")
        assert kept.notice.endswith(f"losses.json cannot be written: {error.strerror}.")
        assert (home / "losses.json").read_text() == before
        assert files(home) == ["losses.json"]
    check()
    kept.save("quiz", "q", "a")  # there is room again
    check()
    assert kept.notice == ""
    found = json.loads((home / "losses.json").read_text())
    assert found["exercises"]["mse"] == {"done": True, "attempts": 2}
    assert (found["predictions"], found["quiz"], found["later"]) == ({"p": "a"}, {"q": "a"}, 1)


READS = [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"),
         OSError(116, "Stale file handle"), OSError(40, "Too many levels of links")]  # fmt: skip


@pytest.mark.parametrize("from_the_start", [True, False])
@pytest.mark.parametrize("error", READS, ids=lambda e: e.strerror)
def test_what_cannot_be_read_is_not_overwritten(
    home, yesterday, monkeypatch, error, from_the_start
):
    before = (home / "losses.json").read_text()
    kept = None if from_the_start else Progress("losses")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", fails("read", error)[1])
        kept = kept or Progress("losses")
        kept.save("predictions", "p", "a")
        kept.refresh()
        assert kept.data["predictions"] == {"p": "a"}
        assert kept.notice.startswith("Your progress lasts for this session only: ")
        assert "cannot be read, and is left as it is" in kept.notice
        assert error.strerror in kept.notice
    assert (home / "losses.json").read_text() == before
    kept.save("quiz", "q", "a")  # it can be read again
    assert kept.notice == ""
    found = json.loads((home / "losses.json").read_text())
    assert found["exercises"] == yesterday["exercises"]
    assert (found["predictions"], found["quiz"]) == ({"p": "a"}, {"q": "a"})


def test_a_damaged_file_that_cannot_be_put_aside_is_not_overwritten(home, monkeypatch):
    home.mkdir()
    (home / "losses.json").write_text("{")
    error = PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "rename", fails("rename", error)[1])
    kept = Progress("losses")
    kept.save("quiz", "q", "a")
    kept.refresh()
    assert kept.data["quiz"] == {"q": "a"}
    assert (home / "losses.json").read_text() == "{"
    assert "is damaged, and is left as it is: Permission denied" in kept.notice
    assert "kept in" not in kept.notice


def test_a_file_that_is_taken_away_is_written_again(home):
    kept = Progress("losses")
    kept.save("quiz", "q", "a")
    (home / "losses.json").unlink()
    kept.save("quiz", "r", "b")
    assert Progress("losses").data["quiz"] == {"q": "a", "r": "b"}


# Homes of any kind: in words, and nothing is lost in the session.


def loop(path):
    path.symlink_to(path)
    return path


HOMES = {
    "a file": lambda tmp: (tmp / "f").write_text("x") and tmp / "f",
    "below a file": lambda tmp: (tmp / "f").write_text("x") and tmp / "f" / "g",
    "300 letters": lambda tmp: tmp / ("x" * 300),
    "5,000 letters": lambda tmp: tmp / "/".join(["y" * 100] * 50),
    "a loop of links": lambda tmp: loop(tmp / "loop"),
    "a file that is a loop": lambda tmp: (
        (tmp / "l").mkdir() or loop(tmp / "l" / "losses.json").parent
    ),
    "a file that is a folder": lambda tmp: (
        (tmp / "d" / "losses.json").mkdir(parents=True) or tmp / "d"
    ),
}


@pytest.mark.parametrize("make", HOMES.values(), ids=HOMES)
def test_a_home_that_cannot_be_used(tmp_path, monkeypatch, make, lesson, shown):
    monkeypatch.setenv("COURSEKIT_HOME", str(make(tmp_path)))
    check = lesson()
    check("size", 7), check("predict_width", "a"), check("quiz_1", "a"), check.cards(knew=[1])
    check.decide("c", because="b", score=0.5), check.decisions(), check.hint("twice")
    text = shown()
    assert text.count("Your progress lasts for this session only") == 1  # said once, at once
    assert "running model: 1" in text
    check.summary(), check.cards()
    text = shown()
    assert "1 of 3 exercises done" in text
    assert "Predictions: 1 of 1 given" in text
    assert "Decision: c" in text
    assert "Your progress lasts for this session only" in text
    assert "2 of 3 cards are due" in text


def test_a_link_to_a_file_elsewhere(home, tmp_path):
    home.mkdir()
    other = tmp_path / "elsewhere.json"
    other.write_text(json.dumps({"quiz": {"q": "a"}}))
    (home / "losses.json").symlink_to(other)
    kept = Progress("losses")
    kept.save("quiz", "r", "b")
    assert Progress("losses").data["quiz"] == {"q": "a", "r": "b"}
    assert json.loads(other.read_text()) == {"quiz": {"q": "a"}}  # nothing is written through it


@pytest.mark.parametrize("name", ["~nosuchuser", "~nosuchuser/x"])
def test_a_user_who_does_not_exist(no_settings, tmp_path, name):
    no_settings.setattr(Path, "home", lambda: tmp_path)
    no_settings.setattr(sys, "platform", "linux")
    no_settings.setenv("COURSEKIT_HOME", name)
    no_settings.chdir(tmp_path)
    kept = Progress("losses")
    kept.save("quiz", "q", "a")
    assert kept.path == tmp_path / ".local/share/coursekit/losses.json"
    assert kept.notice.startswith(f"COURSEKIT_HOME is {name!r}, and there is no such user: your ")
    assert Progress("losses").data["quiz"] == {"q": "a"}
    assert not (tmp_path / "~nosuchuser").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX only")
def test_an_empty_home(monkeypatch):
    import pwd

    for name in ("COURSEKIT_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    assert progress.home().is_relative_to(pwd.getpwuid(os.getuid()).pw_dir)
    assert progress.home() != Path("/.local/share/coursekit")
    monkeypatch.setattr(pwd, "getpwuid", fails("pwd", KeyError("uid"))[1])
    assert progress.home().name == "coursekit"


def test_a_relative_home_stays_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("COURSEKIT_HOME", "mine")
    kept = Progress("losses")
    monkeypatch.chdir(tmp_path / "b")
    kept.save("quiz", "q", "a")
    assert [p.name for p in tmp_path.rglob("losses.json")] == ["losses.json"]
    assert (tmp_path / "a" / "mine" / "losses.json").exists()


def test_a_call_reads_the_file_once(lesson, shown, monkeypatch, solutions):
    reads = []
    original = Path.read_text

    def read_text(path, *args, **kwargs):
        reads.append(path.name)
        return original(path, *args, **kwargs)

    lesson()("size", 7)
    monkeypatch.setattr(Path, "read_text", read_text)
    check = lesson()
    check.summary()  # the first call opens it
    calls = [lambda: check("twice", lambda x: x), lambda: check.hint("twice"), check.summary,
             check.cards, lambda: check.cards(knew=[1, 2, 3]), lambda: check("predict_width", "a"),
             lambda: check.reveal("predict_width"), lambda: check("quiz_1", "a"),
             lambda: check.solution("size")]  # fmt: skip
    for call in calls * 2:
        reads.clear()
        call()
        assert reads.count("losses.json") - (call is calls[-1]) == 1
    assert shown()


def test_a_file_where_the_folder_should_be(home):
    home.write_text("in the way")
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert "for this session only" in kept.notice
    kept.save("quiz", "quiz_2", "b")
    assert kept.data["quiz"] == {"quiz_1": "a", "quiz_2": "b"}
    assert all_decisions() == {}
    assert home.read_text() == "in the way"


def test_a_folder_where_the_file_should_be(home):
    (home / "losses.json").mkdir(parents=True)
    kept = Progress("losses")
    kept.save("quiz", "quiz_1", "a")
    assert "for this session only" in kept.notice
    assert files(home) == ["losses.json"]


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
    assert files(home) == ["losses.json"]
    assert kept.notice.endswith("No space left on device.")


# Where it is.


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
    assert all_decisions() == {}
    Progress("momentum").save("decision", "choice", "0.9")
    Progress("losses").save("decision", "choice", "Huber")
    Progress("schedules").save("quiz", "quiz_1", "a")
    (home / "damaged.json").write_text('{"decision": 3}')
    (home / "broken.json").write_text("{")
    (home / "losses.json.damaged-1").write_text('{"decision": {"choice": "old"}}')
    assert all_decisions() == {"losses": {"choice": "Huber"}, "momentum": {"choice": "0.9"}}
    assert list(all_decisions()) == ["losses", "momentum"]
    assert (home / "broken.json").exists()
