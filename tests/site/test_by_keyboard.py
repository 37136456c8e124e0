"""What a reader does, at a phone's width and by keyboard alone; what is kept, and where."""

import json
from datetime import date, timedelta

import pytest

from coursekit.exercises._progress import Progress
from coursekit.exercises._review import Deck
from coursekit.lessons.optimizers import check

pytestmark = pytest.mark.slow

LESSON, PHONE = "lessons/optimizers.html", 390
REFUSED = """Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('storage is refused', 'SecurityError'); } });"""


def focus_by_tab(page, selector, limit=200):
    """Press Tab until the focus is on what the selector means."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{limit} times Tab do not reach {selector}")


def stored(page, lesson="optimizers"):
    return json.loads(page.evaluate("name => localStorage.getItem(`coursekit/${name}`)", lesson))


def look_up(page, words):
    """Search by keyboard alone, and follow the first hit."""
    focus_by_tab(
        page, "button.search-button, button.pst-search-dialog-button, .search-button__button"
    )
    page.keyboard.press("Enter")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.wait_for()
    focus_by_tab(page, "#search-results li a")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_the_lesson_on_a_subject_is_found(open_page):
    page = open_page("index.html", PHONE)
    look_up(page, "momentum friction")
    assert "/lessons/" in page.url
    assert "momentum" in page.locator("article").inner_text()


def test_what_a_class_returns_is_found(open_page):
    page = open_page("index.html", PHONE)
    look_up(page, "TripletLoss")
    assert page.url.endswith("api/losses.html#coursekit.losses.TripletLoss")
    described = page.locator("dl:has(> dt[id='coursekit.losses.TripletLoss'])").inner_text()
    assert "Return one number, the mean of the values over the batch" in described
    focus_by_tab(page, "a[href$='#coursekit.losses.triplet_loss']")
    page.keyboard.press("Enter")
    values = page.locator("dl:has(> dt[id='coursekit.losses.triplet_loss'])").inner_text()
    assert "One value per anchor" in values


def test_a_quiz(open_page):
    page = open_page(LESSON, PHONE)
    quiz, first = check.questions, page.locator("#quiz-1")
    name, question = next(iter(quiz.items()))
    score, verdict = page.locator(".ck-score"), first.locator(".ck-verdict")
    assert page.locator(".ck-quiz .ck-reason:visible").count() == 0
    focus_by_tab(page, f"#{name.replace('_', '-')} button")
    page.keyboard.press("Enter")
    assert verdict.inner_text() == "Choose one first."
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    letters = list(question.options)
    chosen = page.evaluate("document.activeElement.value")
    page.keyboard.press("Enter")
    if chosen == question.answer:
        wrong = None
    else:
        wrong = chosen
        assert verdict.inner_text().startswith(f"✗ Not right yet: ({wrong})")
        assert first.locator(".ck-right").count() == 0  # not given away
        assert score.inner_text().startswith(f"0 of {len(quiz)} right")
    told = verdict.inner_text()
    at = chosen
    for _ in letters:
        if at == question.answer:
            break
        page.keyboard.press("ArrowDown")
        at = page.evaluate("document.activeElement.value")
        assert verdict.inner_text() == told  # an arrow chooses, and answers nothing
    page.keyboard.press("Enter")
    assert verdict.inner_text().startswith(f"✓ Correct: ({question.answer})")
    assert first.locator(".ck-reason:visible").count() == len(letters) - 1
    assert verdict.get_attribute("role") == "status"
    assert score.inner_text() == f"1 of {len(quiz)} right, {len(quiz) - 1} open"
    assert stored(page)["quiz"] == {name: question.answer}
    page.reload()
    assert verdict.inner_text().startswith("✓ Correct")


def test_a_prediction_keeps_its_outcome_back(open_page):
    page = open_page(LESSON, PHONE)
    outcome = page.locator(".tag_after-predict-momentum")
    assert outcome.locator("figure").is_hidden()
    assert "once you have predicted" in outcome.inner_text()
    focus_by_tab(page, "#predict-momentum input")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    verdict = page.locator("#predict-momentum .ck-verdict").inner_text()
    reasons, answer = check.predictions["predict_momentum"].reasons, "b"
    assert verdict.startswith("✗ Not this time: (a)") and reasons[answer] in verdict
    assert outcome.locator("figure").is_visible()
    assert "You predict" not in page.locator("article").inner_text()
    assert stored(page)["predictions"] == {"predict_momentum": "a"}
    page.reload()
    assert page.locator(".tag_after-predict-momentum figure").is_visible()


def test_ten_cards(open_page):
    page = open_page("cards.html", PHONE)
    total = page.locator(".ck-card").count()
    card, told = page.locator(".ck-card:visible"), page.locator(".ck-told")
    assert told.inner_text() == f"Card 1 of {total}; {total} due."
    focus_by_tab(page, ".ck-card summary")
    for number in range(1, 11):
        assert card.count() == 1
        assert card.locator(".ck-number").inner_text() == f"{number} / {total}"
        page.keyboard.press("1")  # nothing, before the card is turned
        page.keyboard.press("Enter")
        assert card.locator("p").first.is_visible()
        page.keyboard.press("2" if number == 3 else "1")
    assert told.inner_text() == f"Card 11 of {total}; {total - 9} due."
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("ArrowLeft")
    assert card.locator(".ck-number").inner_text() == f"10 / {total}"
    page.reload()
    assert told.inner_text() == f"Card 3 of {total}; {total - 9} due."  # the first that is due


def test_progress_goes_to_the_notebooks_and_comes_back(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    theirs = Progress("optimizers")
    theirs.save("exercises", "adam_step", {"attempts": 2, "hints": 1, "done": True, "key": ""})
    theirs.save("quiz", "quiz_2", "b")
    theirs.save("decision", "val_accuracy", 0.84)
    text = theirs.path.read_text()
    theirs.path.write_text(text.replace('{\n "exercises"', '{\n "from later": [1],\n "exercises"'))

    page = open_page(LESSON)
    page.locator("#quiz-1 input").first.check()
    page.locator("#quiz-1 button").click()
    page.locator(".ck-cards summary").first.click()
    page.get_by_role("button", name="I knew it").click()
    page.goto(page.url.replace(LESSON, "progress.html"))
    page.locator("input[type=file]").set_input_files([theirs.path, __file__])
    told = page.locator(".ck-told")
    told.filter(has_text="Taken over: optimizers.json.").wait_for()
    assert "Not a progress file of a lesson: test_by_keyboard.py." in told.inner_text()
    row = page.get_by_role("row").filter(has_text="Which optimizer").inner_text()
    assert f"1 of {len(check.exercises)}" in row
    with page.expect_download() as download:
        page.get_by_role("button", name="Save optimizers.json").click()
    assert download.value.suggested_filename == "optimizers.json"
    download.value.save_as(theirs.path)

    ours = Progress("optimizers")
    assert not ours.notice
    letter = next(iter(check.questions["quiz_1"].options))
    assert ours.data["quiz"] == {"quiz_1": letter, "quiz_2": "b"}
    assert ours.data["exercises"]["adam_step"]["attempts"] == 2
    assert ours.data["decision"] == {"val_accuracy": 0.84}
    assert json.loads(theirs.path.read_text())["from later"] == [1]
    due = (date.today() + timedelta(days=1)).isoformat()
    assert ours.data["cards"] == {check.card_texts[0][0]: {"step": 1, "due": due}}
    left = len(check.card_texts) - 1
    assert Deck(check.card_texts, ours).due().title.startswith(f"{left} of")


@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "[]",
        '{"quiz": 3}',
        '{"quiz": {"quiz_1": 7, "quiz_2": "\\"]x"}, "cards": {"x": 1}}',
    ],
)
def test_a_damaged_store_is_no_obstacle(text, open_page):
    page = open_page(LESSON)
    page.evaluate("text => localStorage.setItem('coursekit/optimizers', text)", text)
    page.reload()
    assert page.locator(".ck-score").inner_text().startswith("0 of 5 right")
    assert "due" in page.locator(".ck-told").inner_text()


def test_where_nothing_can_be_kept_it_works_for_the_page(open_page):
    page = open_page(LESSON, before=REFUSED)
    question = check.questions["quiz_1"]
    page.locator(f"#quiz-1 input[value={question.answer}]").check()
    page.locator("#quiz-1 button").click()
    assert page.locator("#quiz-1 .ck-verdict").inner_text().startswith("✓ Correct")
    assert page.locator(".ck-score").inner_text().startswith("1 of 5 right")


def test_without_scripts_all_is_a_fold(open_page):
    page = open_page(LESSON, scripts=False)
    assert page.locator(".ck-card:visible").count() == len(check.card_texts)
    asked = [*check.questions.values(), *check.predictions.values()]
    reasons = page.locator(".ck-reason:visible > summary")
    assert reasons.count() == sum(len(question.reasons) for question in asked)
    assert page.locator("main input:visible, main button.ck-button").count() == 0
    reasons.first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".ck-reason[open] p").first.is_visible()
    outcome = page.locator(".tag_after-predict-momentum")
    assert outcome.locator("figure").is_hidden()
    outcome.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert outcome.locator("figure").is_visible()


def test_hints_and_solution_are_folds(open_page):
    page = open_page(LESSON + "#momentum-step")
    exercise = page.locator("#momentum-step")
    hints = check.exercises["momentum_step"].hints
    assert exercise.locator(".ck-hints summary").count() == len(hints)
    assert exercise.locator("pre").first.is_visible()  # the stub
    assert exercise.locator("pre").nth(1).is_hidden()
    exercise.locator("details.hide > summary").focus()
    page.keyboard.press("Enter")
    solution = exercise.locator("pre").nth(1)
    assert solution.is_visible() and "mu * v - lr * grad" in solution.inner_text()
