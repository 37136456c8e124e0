"""Runs the rows of `ANSWERS` in each lesson's test file; the file needs only

    ANSWERS = [row("mse", "ok", lambda a, b: ...), ...]

    def test_answer(answer):
        answer.holds()

and `test_all_lessons.py` sees to it that no message and no kind of row is missing.
"""


def pytest_generate_tests(metafunc):
    if "answer" in metafunc.fixturenames:
        rows = metafunc.module.ANSWERS
        metafunc.parametrize("answer", rows, ids=[f"{r.exercise}-{r.key}" for r in rows])
