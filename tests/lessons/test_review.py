"""Right answers of several kinds, and what each wrong one is told."""

import re
from pathlib import Path

import numpy as np
import pytest
from answers import row

from coursekit.exercises._course import numbers
from coursekit.lessons import _review as parts
from coursekit.lessons import review

pytestmark = pytest.mark.any_backend

MENDS = {"A": "a", "B": "c", "C": "f", "D": "g"}
ZERO = {"rows": 8, "weights": 1024, "moments": 256}
SORTED = {1: "A", 2: "B", 3: "C", 4: "D", 5: "D", 6: "E", 7: "F", 8: "G", 9: "H"}
LACKS = {"start simple": "K", "split data": "A", "monitor": "B", "cross-validate": "K",
         "stop early": "K", "checkpoints": "E", "one at a time": "C", "normalize": "D",
         "imbalance": "K", "validate": "A"}  # fmt: skip
PLAN = {"decay": "loshchilov", "zeros": "micikevicius", "trials": "bergstra", "depth": "he",
        "adapt": "hu"}  # fmt: skip

ANSWERS = [
    row("prescriptions", "ok", MENDS),
    row("prescriptions", "alternative", {k.lower(): f"({v.upper()})" for k, v in MENDS.items()}),
    row("prescriptions", "todo", dict.fromkeys(MENDS, ...)),
    row("prescriptions", "type", "acfg"),
    row("prescriptions", "type", {"A": "a"}),
    row("prescriptions", "option", MENDS | {"A": "z"}),
    row("prescriptions", "clip", MENDS | {"A": "b"}),
    row("prescriptions", "slowly", MENDS | {"B": "d"}),
    row("prescriptions", "forgets_slower", MENDS | {"D": "h"}),
    row("prescriptions", "not_this", MENDS | {"A": "c"}),
    row("prescriptions", "not_this", MENDS | {"C": "e"}),
    row("prescriptions", "not_this", MENDS | {"D": "c"}),
    row("corrected", "ok", "J, O", 2, 0.4, ZERO),
    row("corrected", "alternative", ["o", "j"], 2.0, "0.4", {k: str(v) for k, v in ZERO.items()}),
    row("corrected", "alternative", ["J", "O"], 2 + 1e-12, 2 * (1 - 0.8), ZERO),
    row("corrected", "alternative", "J and O", np.float32(2), 2 * 0.2, ZERO),
    row("corrected", "todo", ..., ..., ..., dict.fromkeys(ZERO, ...)),
    row("corrected", "todo", "J, O", 2, 0.4, dict.fromkeys(ZERO, ...)),
    row("corrected", "fine", "I, J", 2, 0.4, ZERO),
    row("corrected", "one_more", "J", 2, 0.4, ZERO),
    row("corrected", "unnamed", [], 2, 0.4, ZERO),
    row("corrected", "keras_scaled", "J, O", 0.4, 0.4, ZERO),
    row("corrected", "keras_scaled", "J, O", 10, 0.4, ZERO),
    row("corrected", "by_keras", "J, O", 3, 0.4, ZERO),
    row("corrected", "by_keras", "J, O", 0.96, 0.4, ZERO),
    row("corrected", "other_level", "J, O", 1, 0.4, ZERO),
    row("corrected", "other_level", "J, O", 2, 0.2, ZERO),
    row("corrected", "row_rate", "J, O", 2, 1.6, ZERO),
    row("corrected", "row_divided", "J, O", 2, 10, ZERO),
    row("corrected", "row_nothing", "J, O", 2, 2, ZERO),
    row("corrected", "row_divided", "J, O", 2, 2 / (1 - 0.8), ZERO),
    row("corrected", "by_row", "J, O", 2, 0.7, ZERO),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"rows": 64}),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"rows": 16}),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"weights": 128}),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"weights": 256}),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"moments": 2048}),
    row("corrected", "zero_slip", "J, O", 2, 0.4, ZERO | {"moments": 128}),
    row("corrected", "zero", "J, O", 2, 0.4, ZERO | {"moments": 64.5}),
    row("corrected", "type", "J, O", 2, 0.4, 8),
    row("sorter", "ok", SORTED),
    row("sorter", "alternative", {str(k): v.lower() for k, v in SORTED.items()}),
    row("sorter", "todo", {...: ...}),
    row("sorter", "todo", SORTED | {9: ...}),
    row("sorter", "type", "ABC"),
    row("sorter", "unnamed", {}),
    row("sorter", "unknown", {13: "A"}),
    row("sorter", "unknown", {1.5: "A"}),
    row("sorter", "accused", SORTED | {10: "F"}),
    row("sorter", "accused", SORTED | {12: "G"}),
    row("sorter", "reason", SORTED | {2: "E"}),
    row("sorter", "reason", SORTED | {8: "F"}),
    row("sorter", "missed", {k: v for k, v in SORTED.items() if k != 3}),
    row("audit", "ok", LACKS),
    row("audit", "alternative", {k.upper(): v.lower() for k, v in LACKS.items()}),
    row("audit", "todo", dict.fromkeys(LACKS, ...)),
    row("audit", "type", [*LACKS.values()]),
    row("audit", "believed", LACKS | {"split data": "K"}),
    row("audit", "believed", LACKS | {"checkpoints": "K"}),
    row("audit", "accused", LACKS | {"cross-validate": "D"}),
    row("audit", "other", LACKS | {"one at a time": "B"}),
    row("audit", "other", LACKS | {"normalize": "A"}),
    row("reading", "ok", PLAN),
    row("reading", "alternative", {"decay": "AdamW", "zeros": "Mixed precision", "adapt": "LoRA",
                                   "trials": "random search", "depth": "arXiv 1512.03385"}),
    row("reading", "alternative", {"decay": "Decoupled Weight Decay", "trials": "Random Search",
                                   "zeros": "Micikevicius et al.", "adapt": "Hu et al.",
                                   "depth": "residual learning"}),
    row("reading", "todo", dict.fromkeys(PLAN, ...)),
    row("reading", "type", "adamw"),
    row("reading", "elsewhere", PLAN | {"decay": "kingma"}),
    row("reading", "elsewhere", PLAN | {"depth": "srivastava"}),
    row("reading", "elsewhere", PLAN | {"trials": "smith"}),
    row("reading", "option", PLAN | {"adapt": "nobody"}),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_two_ways_to_share_a_layer_end_in_the_weights_of_one_worker():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(8, 64)).astype("float32"), np.eye(16, dtype="float32")[:8]
    alone, _ = parts.shared("alone", x, target, 1, 3)
    found = {}
    for way in ("data parallelism", "ZeRO, stage 1", "model parallelism"):
        weights, found[way] = parts.shared(way, x, target, 4, 3)
        np.testing.assert_allclose(weights, alone, atol=1e-5)
    assert found == {
        "data parallelism": (2, 1024, 2048),
        "ZeRO, stage 1": (2, 1024, 512),
        "model parallelism": (8, 256, 512),
    }


@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_dropout_keeps_its_level_in_both_modes(rate):
    training, prediction = parts.through_dropout(rate, level=2.0)
    assert training == pytest.approx(2, abs=0.05) and prediction == 2


@pytest.mark.slow
def test_what_decides_six_statements():
    parts.decide()


@pytest.mark.parametrize("known", [0, 10, 25])
def test_the_chances_of_each_score(known):
    p = parts.chances(known)
    drawn = known + np.random.default_rng(0).binomial(25 - known, 1 / 3, 20_000)
    assert p.shape == (26,) and p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p, np.bincount(drawn, minlength=26) / 20_000, atol=0.015)


def test_the_decks():
    """Eight flashcards, seven of them anew; fifteen lines with two corrections; seven; six."""
    decks = review.decks.DECKS
    assert [len(deck) for deck in decks.values()] == [8, 15, 7, 6]
    anew = [answer.startswith(review.decks.ANEW) for _, answer in decks["flashcards"]]
    assert anew == [False] + [True] * 7
    assert [k for k, (_, a) in enumerate(decks["summary"]) if "(Corrected" in a] == [9, 14]
    cards = [card for deck in decks.values() for card in deck]
    assert review.check.card_texts == cards and len({q for q, _ in cards}) == 36
    known = {f"lesson {number}" for number in numbers().values()}
    assert all(known & set(re.findall(r"lesson \d\d", answer)) for _, answer in cards)


def test_each_key_of_the_reading_list_stands_in_the_notebook_with_a_link():
    path = Path(__file__).parents[2] / "notebooks" / "source" / "99_review.py"
    rows = re.findall(r"^# \| (\w+) \| .*\]\((https://\S+)\)", path.read_text(), re.M)
    assert [key for key, _ in rows] == list(review.READING) and len(rows) == 12
    arxiv = {key: re.search(r"\d{4}\.\d{5}$", url) for key, url in rows}
    for key, (others, _) in review.READING.items():
        if re.fullmatch(r"\d{4}\.\d{5}", others[-1]):
            assert arxiv[key][0] == others[-1]


def test_the_course_holds_every_other_lesson():
    slugs = [lesson.slug for lesson in review.course.lessons]
    assert slugs == [slug for slug in numbers() if slug != "review"]


def test_without_progress_the_same_is_shown_each_time(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "none"))
    shown = []
    for _ in range(2):
        for call in (review.course.map, review.course.placement, review.course.draw):
            call()
        review.course.answer("")
        shown.append(capsys.readouterr().out)
    count = len(review.course.lessons)
    assert shown[0] == shown[1] and shown[0].count("?  not tried") >= count
    assert f"{count} questions, one of each lesson" in shown[0]
    assert not (tmp_path / "none").exists()
