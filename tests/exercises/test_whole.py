"""The whole course at once: placement, map, what is drawn again."""

import json

import pytest

from coursekit.exercises import Lesson, WholeCourse, Wrong, expect
from coursekit.exercises.cards import Card

pytestmark = pytest.mark.any_backend


def made(slug):
    check = Lesson(slug, title=f"Why {slug}?")

    @check.exercise(title="Twice", messages={"same": "same"}, hints=["h"], why="w", alternative="a")
    def twice(answer):
        if expect.number(answer) == 1:
            raise Wrong("same")

    for k in (1, 2):
        options = {"a": ("This", f"since {slug}"), "b": ("That", "not so"), "c": ("It", "nor so")}
        check.question(f"quiz_{k}", f"Which {k}?", options, "a")
        check.card(f"{slug} {k}?", f"answer {k}")
    return check


@pytest.fixture
def lessons():
    return {slug: made(slug) for slug in ("data", "losses", "optimizers")}  # 03, 04, 09


@pytest.fixture
def course(lessons, monkeypatch):
    known = {"data": "03", "losses": "04", "optimizers": "09", "review": "99"}
    monkeypatch.setattr("coursekit.exercises._whole.numbers", lambda: known)
    return WholeCourse(lessons.__getitem__, without="review")


def test_without_progress(course, shown, home):
    course.map()
    text = shown()
    assert text.startswith("· Your map: 0 of 3 exercises solved\n03 Why data?  not tried\n")
    assert "Nothing is noted yet. `course.placement()`" in text
    course.draw()
    assert "Nothing was wrong, and nothing is due" in shown()
    course.answer("")
    assert shown().startswith("· No answers yet\n`course.placement()`")
    course.knew("")
    assert shown() == "· 0 cards known\n"
    course.placement()
    text = shown()
    assert text.startswith("· 3 questions, one of each lesson\n03.1  Which 1?\n(a) This\n(b) That")
    assert "03.2" not in text and "since" not in text
    assert not home.exists()


def test_a_placement_says_where_to_begin(course, shown, lessons):
    course.answer("03.1 a, 04.1 b 09.1 -")
    text = shown()
    assert text.startswith("· 1 of 3 right\n✓ right: 03.1  Which 1?\n(a) This: since data\n")
    assert "✗ wrong: 04.1  Which 1?\n(b) That: not so\n" in text
    assert "○ not known: 09.1  Which 1?\n(a) This: since optimizers" in text
    assert "3 of 3 given, 1 right; of 2 guesses 0.7 would be." in text
    assert text.endswith("Begin with 04 Why losses?; then 09.\n")
    course.placement()
    assert shown().startswith("· All are answered\nOf one question of each lesson")
    lessons["losses"].summary()
    assert "Quiz: 1 of 2 given, 0 right" in shown()


@pytest.mark.parametrize("text", ["03.1a", "3.1: (A)", "03.1=a;", " 03.1  A ,", "03.1 b 03.1 a"])
def test_ways_to_write_an_answer(course, shown, text):
    course.answer(text)
    shown_text = shown()
    assert shown_text.startswith("· 1 of 1 right") and "Go on with the question of 04" in shown_text


def test_all_right(course, shown):
    course.answer("03.1 a 04.1 a 09.1 a")
    assert "None is missed: begin with the exercises" in shown()


@pytest.mark.parametrize(
    "text, said",
    [
        ("03.1 d", "The answer to 03.1 is 'd', which is not one of the options: answer with"),
        ("99.1 a", "lesson of 99.1 should be one of 03, 04, 09"),
        ("03.7 a", "question of 03.7 should be from 1 to 2 in lesson 03"),
        ("03.0 a", "question of 03.0 should be from 1 to 2"),
        ("03.1 b 04", "should be a text such as"),
        ("a b c", "should be a text such as"),
        ("03.1 ab", "should be a text such as"),
        (None, "should be a text such as"),
        (["03.1 a"], "should be a text such as"),
        (3.1, "should be a text such as"),
        (..., "should be a text such as"),
    ],
)
def test_no_answer(course, shown, home, text, said):
    course.answer(text)
    found = shown()
    assert found.startswith("✗ Not right yet: answers") and said in found
    assert not home.exists()


@pytest.mark.parametrize("text", ["03.3", "05.1", "nonsense", 3.1, None, ["03.1"], "03.1 x"])
def test_no_card(course, shown, home, text):
    course.knew(text)
    assert shown().startswith("✗ Not right yet: cards")
    assert not home.exists()


def test_the_map_has_the_learners_marks(course, lessons, shown, today):
    lessons["data"]("twice", 2)
    lessons["losses"]("twice", 1)
    lessons["losses"]("quiz_1", "b")
    lessons["losses"].cards(knew=[2])
    shown()
    course.map()
    text = shown()
    assert text.startswith("· Your map: 1 of 3 exercises solved\n03 Why data?  1 of 1 solved\n")
    assert "✓ solved: E3.1 Twice" in text and "✗ wrong so far: E4.1 Twice" in text
    assert "04 Why losses?  0 of 1 solved, 1 wrong so far, quiz 0 of 1 right\n" in text
    assert "cards: 0 due, 1 known for now, 1 new" in text
    assert "09 Why optimizers?  not tried\n○ not tried: E9.1 Twice\n" in text
    assert "Go on with 04 Why losses?" in text
    today(1)
    course.map()
    assert "quiz 0 of 1 right, 1 card due" in shown()


def test_what_was_wrong_and_what_is_due_is_drawn(course, lessons, shown, today):
    lessons["data"]("twice", 1)
    course.answer("09.1 b 09.2 a 04.2 -")
    course.knew("04.1, 09.2")
    assert "Card 04.1 comes back in 1 day.\nCard 09.2 comes back in 1 day." in shown()
    course.draw()
    text = shown()
    assert text.startswith("· Again: 1 exercise, 2 questions\n✗ E3.1 Twice\n04.2  Which 2?")
    assert "09.1  Which 1?" in text and "09.2" not in text
    today(1)
    course.draw()
    text = shown()
    assert text.startswith("· Again: 1 exercise, 2 questions, 2 cards")
    assert "Card 04.1  losses 1?\nanswer 1\nCard 09.2  optimizers 2?\nanswer 2" in text
    course.knew("4.1")
    assert "Card 04.1 comes back in 3 days." in shown()
    lessons["data"]("twice", 2)
    course.answer("09.1 a 04.2 a")
    course.knew("09.2")
    shown()
    course.draw()
    assert shown().startswith("· Nothing was wrong, and nothing is due\nGo on with 04 Why losses?")


def test_at_most_so_many_are_drawn(course, shown):
    course.answer("03.1 b 04.1 b 09.1 b")
    shown()
    course.draw(most=2)
    text = shown()
    assert "Again: 3 questions" in text and "04.1" in text and "09.1  Which" not in text


def test_a_damaged_file_is_told_of_once(course, home, shown):
    home.mkdir()
    (home / "losses.json").write_text("{")
    course.map()
    assert shown().count("Your earlier progress could not be read") == 1
    course.map()
    assert "could not be read" not in shown()


def test_it_keeps_nothing_of_its_own(course, home, shown):
    course.answer("04.1 b")
    assert [path.name for path in sorted(home.glob("*.json"))] == ["losses.json"]
    assert json.loads((home / "losses.json").read_text())["quiz"] == {"quiz_1": "b"}


def test_cards_are_folds_without_scripts(course, monkeypatch):
    cards: list[Card] = []
    monkeypatch.setattr("coursekit.exercises._whole.show", cards.append)
    course.map()
    course.placement()
    course.answer("03.1 b")
    for card in cards:
        html = card._repr_html_()
        assert "<details" in html and "<script" not in html and "onclick" not in html
