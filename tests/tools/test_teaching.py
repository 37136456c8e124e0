"""TEACHING.md's generated part: up to date, and its table agrees with the lessons."""

import importlib
import re

import pytest
import teaching
from build_notebooks import ROOT, Course

COURSE = Course(ROOT)
PLAN = teaching.plan(COURSE)
ORDER = [source.slug for source in COURSE.sources]
TEXT = (ROOT / "TEACHING.md").read_text()


@pytest.mark.slow
def test_what_is_generated_matches(capsys):
    assert teaching.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_a_change_is_noticed(monkeypatch, capsys):
    monkeypatch.setattr(teaching, "tidy", lambda text: "another text")
    assert teaching.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "TEACHING.md does not match" in said and "docs/misconceptions/losses.md" in said


@pytest.mark.parametrize("source", COURSE.sources, ids=lambda source: source.slug)
def test_a_lesson_has_a_row_that_is_true(source):
    row = PLAN[source.slug]
    check = importlib.import_module(f"coursekit.lessons.{source.slug}").check
    for need in row["needs"].split():
        assert ORDER.index(need) < ORDER.index(source.slug)
    assert row["cut"] in check.exercises and row["why"]
    words = row["expect"].split()
    assert 3 <= len(words) == len(set(words)) <= 6
    for word in words:
        name, key = word.split(":")
        said = teaching.tidy(check.exercises[name].messages[key])
        assert len(re.findall(r"[a-z]{2,}", said)) >= 8, said
    asked = [name for name, _, text in teaching.predictions(source, {}) if "(b)" in text]
    assert sorted(asked) == sorted(check.predictions)


def test_no_row_is_left_over():
    assert list(PLAN) == ORDER


def test_the_seven_lessons_need_nothing_else():
    """Of what a lesson needs, and what that needs in turn, all are among them."""
    said = re.search(r"\*\*Seven lessons\*\* .*?, after 00: ([\d, ]+)\.", TEXT)[1]
    chosen = {s.slug for s in COURSE.sources if s.number in said.split(", ")}
    assert len(chosen) == 7
    for slug in chosen:
        assert set(PLAN[slug]["needs"].split()) <= chosen, slug


def test_the_calendar_holds_each_lesson_once():
    weeks = re.findall(r"^\| week \d+ \| ([\d, ]+) \|", TEXT, re.M)
    numbers = [number for week in weeks for number in week.split(", ")]
    assert numbers == [source.number for source in COURSE.sources]
