"""Tests of tools/open_course.py: a learner's file is never overwritten."""

import os
import stat
import sys

import open_course
import pytest
from open_course import RECORD, deliver


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "solutions").mkdir(parents=True)
    for name in ("01_a.ipynb", "02_b.ipynb", "solutions/01_a.ipynb"):
        (folder / name).write_text(f"{name} version 1")
    (folder / "notes.txt").write_text("not a lesson")
    return folder


@pytest.fixture
def my(tmp_path):
    return tmp_path / "my"


def contents(folder):
    """Return every file of a folder but the record, with its text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def test_the_first_run_copies_the_lessons(source, my):
    assert deliver(source, my) == ["Notebooks copied: 3."]
    assert contents(my) == {
        "01_a.ipynb": "01_a.ipynb version 1",
        "02_b.ipynb": "02_b.ipynb version 1",
        "solutions/01_a.ipynb": "solutions/01_a.ipynb version 1",
    }


@pytest.mark.parametrize("edit", [False, True])
def test_the_second_run_does_nothing(source, my, edit, monkeypatch):
    deliver(source, my)
    if edit:
        (my / "01_a.ipynb").write_text("mine")
    before = contents(my)
    monkeypatch.setattr(open_course, "write_whole", lambda *_: pytest.fail("nothing to write"))
    assert deliver(source, my) == []
    assert contents(my) == before


def test_a_newer_version_replaces_an_untouched_file(source, my):
    deliver(source, my)
    (source / "01_a.ipynb").write_text("version 2")
    assert deliver(source, my) == ["Notebooks that you had not changed, now a newer version: 1."]
    assert contents(my)["01_a.ipynb"] == "version 2"
    assert deliver(source, my) == []


def test_a_lesson_with_a_new_number_comes_beside_the_old_file(source, my):
    """Said once; the old file stays, whether the learner changed it or not."""
    deliver(source, my)
    (my / "02_b.ipynb").write_text("mine")
    (source / "01_a.ipynb").rename(source / "03_a.ipynb")
    (source / "02_b.ipynb").rename(source / "11_b.ipynb")
    (source / "solutions" / "01_a.ipynb").rename(source / "solutions" / "03_a.ipynb")
    stays = "Your file stays, and what you have done there counts in both."
    assert deliver(source, my) == [
        "Notebooks copied: 3.",
        f"01_a.ipynb is lesson 03 now: 03_a.ipynb. {stays}",
        f"02_b.ipynb is lesson 11 now: 11_b.ipynb. {stays}",
    ]
    assert contents(my)["02_b.ipynb"] == "mine" and contents(my)["01_a.ipynb"]
    assert contents(my)["11_b.ipynb"] == "02_b.ipynb version 1"
    assert deliver(source, my) == []


@pytest.mark.parametrize("name", ["01_a.ipynb", "solutions/01_a.ipynb"])
def test_a_newer_version_comes_beside_an_edited_file(source, my, name):
    deliver(source, my)
    (my / name).write_text("mine")
    (source / name).write_text("version 2")
    assert deliver(source, my) == [
        f"{name} is yours and stays; the newer version is 01_a-new.ipynb."
    ]
    assert (my / name).read_text() == "mine"
    assert (my / name).with_name("01_a-new.ipynb").read_text() == "version 2"
    assert deliver(source, my) == []


def test_updates_do_not_pile_up_beside_an_edited_file(source, my):
    deliver(source, my)
    (my / "01_a.ipynb").write_text("mine")
    for version in ("version 2", "version 3", "version 4"):
        (source / "01_a.ipynb").write_text(version)
        deliver(source, my)
    assert len(contents(my)) == 4
    assert contents(my)["01_a-new.ipynb"] == "version 4"

    (my / "01_a-new.ipynb").write_text("mine too")
    (source / "01_a.ipynb").write_text("version 5")
    assert "01_a-new-2.ipynb" in deliver(source, my)[0]
    assert contents(my)["01_a.ipynb"] == "mine"
    assert contents(my)["01_a-new.ipynb"] == "mine too"
    assert contents(my)["01_a-new-2.ipynb"] == "version 5"


def test_a_newer_version_that_the_learner_moved_into_place_is_untouched(source, my):
    deliver(source, my)
    (my / "01_a.ipynb").write_text("mine")
    (source / "01_a.ipynb").write_text("version 2")
    deliver(source, my)
    os.replace(my / "01_a-new.ipynb", my / "01_a.ipynb")
    (source / "01_a.ipynb").write_text("version 3")
    deliver(source, my)
    assert contents(my)["01_a.ipynb"] == "version 3"
    assert "01_a-new.ipynb" not in contents(my)


def test_an_earlier_version_also_replaces_only_an_untouched_file(source, my):
    deliver(source, my)
    earlier = (source / "01_a.ipynb").read_text()
    for text in ("version 2", earlier):
        (source / "01_a.ipynb").write_text(text)
        deliver(source, my)
        assert contents(my)["01_a.ipynb"] == text


def test_a_deleted_lesson_is_copied_again(source, my):
    deliver(source, my)
    (my / "01_a.ipynb").unlink()
    assert deliver(source, my) == ["Notebooks copied: 1."]
    assert contents(my)["01_a.ipynb"] == "01_a.ipynb version 1"


def test_a_lesson_that_is_no_longer_shipped_stays(source, my):
    deliver(source, my)
    (source / "01_a.ipynb").unlink()
    assert deliver(source, my) == []
    assert "01_a.ipynb" in contents(my)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", "3", '"x"', '{"01_a.ipynb": "x"}', '{"01_a.ipynb": [1]}', "\xff",
     "[" * 200_000, '{"a":' * 200_000, "9" * 5000, "NaN", "\x00"],
    ids=lambda text: text[:9],
)  # fmt: skip
def test_with_a_damaged_record_every_file_is_the_learners(source, my, damage):
    deliver(source, my)
    (my / RECORD).write_text(damage, encoding="latin-1")
    (source / "01_a.ipynb").write_text("version 2")
    damaged, beside = deliver(source, my)
    assert damaged == f".delivered.json is damaged, so every file in {my} is taken as yours."
    assert beside == "01_a.ipynb is yours and stays; the newer version is 01_a-new.ipynb."
    assert contents(my)["01_a.ipynb"] == "01_a.ipynb version 1"
    assert deliver(source, my) == []


def test_without_a_record_every_file_is_the_learners(source, my):
    my.mkdir()
    (my / "01_a.ipynb").write_text("mine")
    deliver(source, my)
    assert contents(my)["01_a.ipynb"] == "mine"
    assert contents(my)["01_a-new.ipynb"] == "01_a.ipynb version 1"


@pytest.mark.parametrize("successes", range(6))
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_run_loses_nothing(source, my, successes, error, monkeypatch):
    deliver(source, my)
    (my / "01_a.ipynb").write_text("mine")
    for name in ("01_a.ipynb", "02_b.ipynb", "solutions/01_a.ipynb"):
        (source / name).write_text("version 2")
    before = contents(my)
    calls = []

    def replace(*paths, original=os.replace):
        calls.append(paths)
        if len(calls) > successes:
            raise error
        original(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        if isinstance(error, OSError):
            assert any("disk full" in sentence for sentence in deliver(source, my))
        else:
            with pytest.raises(KeyboardInterrupt):
                deliver(source, my)
    after = contents(my)
    assert set(after) - {"01_a-new.ipynb"} == set(before)  # nothing gone, nothing half written
    assert all(after[name] in (text, "version 2") for name, text in before.items())
    assert after["01_a.ipynb"] == "mine"

    deliver(source, my)
    assert contents(my) == {
        "01_a.ipynb": "mine",
        "01_a-new.ipynb": "version 2",
        "02_b.ipynb": "version 2",
        "solutions/01_a.ipynb": "version 2",
    }
    assert deliver(source, my) == []


@pytest.mark.parametrize("name", ["01_a.ipynb", "solutions/01_a.ipynb"])
def test_a_lesson_that_cannot_be_read_stops_no_other(source, my, name, monkeypatch):
    original = type(source).read_bytes

    def read_bytes(path):
        if path == source / name:
            raise PermissionError(13, "Permission denied")
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(type(source), "read_bytes", read_bytes)
        assert deliver(source, my) == [
            "Notebooks copied: 2.",
            f"{name} was not copied: Permission denied.",
        ]
    assert len(contents(my)) == 2
    assert deliver(source, my) == ["Notebooks copied: 1."]


@pytest.mark.parametrize("name", ["01_a.ipynb", "02_b.ipynb"])
def test_a_lesson_that_cannot_be_written_stops_no_other(source, my, name, monkeypatch):
    original = open_course.write_whole

    def write_whole(path, content):
        if path == my / name:
            raise OSError(28, "No space left on device")
        original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(open_course, "write_whole", write_whole)
        assert deliver(source, my) == [
            "Notebooks copied: 2.",
            f"{name} was not copied: No space left on device.",
        ]
    assert deliver(source, my) == ["Notebooks copied: 1."]
    assert deliver(source, my) == []


def test_a_folder_with_the_name_of_the_record(source, my):
    (my / RECORD).mkdir(parents=True)
    copied, damaged, unwritten = deliver(source, my)
    assert copied == "Notebooks copied: 3."
    assert damaged.startswith(".delivered.json is damaged")
    assert unwritten.startswith(".delivered.json was not written, so at the next update")
    (my / RECORD).rmdir()
    assert deliver(source, my) == []
    assert len(contents(my)) == 3


def make_link(path, goal):
    try:
        path.symlink_to(goal)
    except OSError as error:  # Windows allows it to administrators
        pytest.skip(f"no symbolic links here: {error}")


def test_a_folder_in_the_way_of_a_lesson_is_named(source, my):
    (my / "01_a.ipynb").mkdir(parents=True)
    assert deliver(source, my) == [
        "Notebooks copied: 2.",
        "01_a.ipynb was not copied, because a folder has its name; "
        "rename the folder and run this again.",
    ]
    assert (my / "01_a.ipynb").is_dir()
    (my / "01_a.ipynb").rename(my / "old")
    assert deliver(source, my) == ["Notebooks copied: 1."]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_the_way_of_a_lesson_is_named(source, my, tmp_path, dangling):
    my.mkdir()
    elsewhere = tmp_path / "elsewhere.ipynb"
    if not dangling:
        elsewhere.write_text("mine")
    make_link(my / "01_a.ipynb", elsewhere)
    assert "because a link has its name" in deliver(source, my)[1]
    assert (my / "01_a.ipynb").is_symlink()
    assert elsewhere.exists() is not dangling
    assert dangling or elsewhere.read_text() == "mine"


def test_the_place_beside_may_be_taken_by_anything(source, my):
    deliver(source, my)
    (my / "01_a.ipynb").write_text("mine")
    (my / "01_a-new.ipynb").mkdir()
    (source / "01_a.ipynb").write_text("version 2")
    deliver(source, my)
    assert contents(my)["01_a-new-2.ipynb"] == "version 2"


@pytest.mark.parametrize("name", ["", "solutions"])
def test_a_file_in_the_way_of_a_folder_is_an_error(source, my, name):
    if name:
        my.mkdir()
    (my / name).write_text("mine")
    with pytest.raises(NotADirectoryError, match="rename it and run this again"):
        deliver(source, my)
    assert (my / name).read_text() == "mine"


def test_a_folder_without_lessons_is_an_error(tmp_path, my):
    with pytest.raises(FileNotFoundError, match="no lessons"):
        deliver(tmp_path, my)
    assert not my.exists()


def test_a_write_protected_file_is_the_learners(source, my):
    deliver(source, my)
    (my / "01_a.ipynb").chmod(stat.S_IRUSR)
    (source / "01_a.ipynb").write_text("version 2")
    deliver(source, my)
    assert contents(my)["01_a.ipynb"] == "01_a.ipynb version 1"
    assert contents(my)["01_a-new.ipynb"] == "version 2"


def test_a_file_that_equals_the_lesson_is_left_alone(source, my):
    deliver(source, my)
    (my / RECORD).unlink()
    before = (my / "01_a.ipynb").stat()
    assert deliver(source, my) == []
    assert (my / "01_a.ipynb").stat() == before


def test_a_copy_of_a_write_protected_lesson_can_be_written(source, my):
    (source / "01_a.ipynb").chmod(stat.S_IRUSR)
    deliver(source, my)
    assert (my / "01_a.ipynb").stat().st_mode & stat.S_IWUSR


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(open_course, "__file__", str(tmp_path / "tools" / "open_course.py"))
    monkeypatch.setattr(open_course, "_run_until_stopped", lambda command: command)


def test_main_opens_jupyterlab_on_the_copies(source, my, course, capsys):
    command = open_course.main(["--no-browser", "--port", "8899"])
    root = f"--ServerApp.root_dir={my}"
    assert command[:4] == [sys.executable, "-m", "jupyterlab", root]
    assert command[4:7] == ["--no-browser", "--port", "8899"]
    assert capsys.readouterr().out == f"Notebooks copied: 3.\nYour lessons are in {my}.\n"


def test_main_says_what_is_wrong(course):
    with pytest.raises(
        SystemExit, match="The lessons could not be copied: there are no lessons in"
    ):
        open_course.main([])
