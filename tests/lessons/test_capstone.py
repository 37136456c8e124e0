"""Right answers of several kinds, and what each wrong one is told."""

import collections
import math

import keras
import numpy as np
import pytest
from answers import row
from scipy import stats

from coursekit import datasets
from coursekit.lessons import capstone as lesson
from coursekit.validation import TestVault

pytestmark = pytest.mark.any_backend
parts = lesson.parts

# better


def paired(*faults):
    return lambda a, b: lesson._paired(a, b, faults)


def paired_by_library(a, b):
    found = stats.ttest_rel(a, b).confidence_interval()
    return np.float32(np.mean(a - b)), found.low, found.high


def paired_as_list(a, b):
    apart = keras.ops.convert_to_tensor(a - b)
    mean = keras.ops.mean(apart)
    reach = stats.sem(a - b) * stats.t.ppf(0.975, len(a) - 1)
    return [mean, mean - reach, mean + reach]


def reaches(a, b):
    mean, low, high = lesson._paired(a, b)
    return mean, mean - low, high - mean


# errors

PLAN = {"a": "1", "b": "2", "c": "3", "d": "none", "e": "none"}


def confused(*faults):
    def answer(y, guess):
        return lesson._confused(y, guess, *faults) if (y != guess).any() else None

    return answer


def confused_by_counter(y, guess):
    found = collections.Counter((int(a), int(b)) for a, b in zip(y, guess, strict=True) if a != b)
    if not found:
        return None
    ((true, said), count), *_ = found.most_common(1)
    return true, said, count


def confused_where_there_are_errors(y, guess):
    wrong = y != guess
    pairs = collections.Counter(zip(y[wrong].tolist(), guess[wrong].tolist(), strict=True))
    (pair, count), *_ = pairs.most_common(1)
    return *pair, count


def confused_in_an_array(y, guess):
    found = confused()(y, guess)
    return None if found is None else np.array(found)


def changed(**steps):
    return {**PLAN, **steps}


# report


def ends(*faults):
    return lambda right, rows: lesson._ends(right, rows, faults)


def wilson(right, rows):
    p, z = right / rows, 1.96
    middle = (p + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * math.sqrt(p * (1 - p) / rows + z**2 / (4 * rows**2))
    return [middle - reach, middle + reach]


def by_normal(right, rows):
    p = right / rows
    return stats.norm.interval(0.95, p, np.sqrt(p * (1 - p) / rows))


STEPS = ((lesson.STEPS, 0), (lesson.LAST, 1), (lesson.MOST, 2))
RIGHT = (352, 72, 70_400, "A")


def steps(at, value):
    return [*RIGHT[:at], value, *RIGHT[at + 1 :]]


ANSWERS = [
    row("steps", "ok", *RIGHT),
    row("steps", "alternative", math.ceil(45_000 / 128), 45_000 % 128, "70,400", ["a"]),
    row("steps", "alternative", np.int64(352), 72.0, np.float32(70_400), "only A"),
    row("steps", "todo", ..., ..., ..., ...),
    *(row("steps", key, *steps(at, v)) for near, at in STEPS for key, v in near.items()),
    row("steps", "slip", *steps(0, 704 / 4)),
    row("steps", "slip", *steps(2, 35_200)),
    row("steps", "type", *steps(0, 350)),
    row("steps", "held_out", *steps(3, "ABC")),
    row("steps", "held_out", *steps(3, "AB")),
    row("steps", "not_train", *steps(3, "none")),
    row("act", "ok", "a", "b", "c", "d"),
    row("act", "alternative", "A", "(b)", " c", "D"),
    row("act", "alternative", "a.", "B", "(C)", "(d)"),
    row("act", "todo", ..., ..., ..., ...),
    *(
        row("act", "no_act", *[chosen if name == letter else right
                               for name, right in lesson.ACTS.items()], "d")
        for letter, chosen in lesson.NO_ACT
    ),
    row("act", "test", "d", "b", "c", "d"),
    row("act", "test", "a", "b", "d", "d"),
    row("act", "seed", "a", "f", "c", "d"),
    row("act", "allowed", "a", "b", "c", "f"),
    row("act", "option", "a", "b", "c", "g"),
    row("better", "ok", paired(), "AF"),
    row("better", "alternative", paired_by_library, ["F", "A"]),
    row("better", "alternative", paired_as_list, "a and f"),
    row("better", "todo", lambda a, b: (..., ..., ...), ...),
    row("better", "todo", paired(), ...),
    *(row("better", "faults", paired(fault), "AF") for fault in lesson.PAIRED),
    row("better", "faults", paired("turned", "population"), "AF"),
    row("better", "faults", paired("normal", "population", "not_by_root"), "AF"),
    row("better", "three", lambda a, b: lesson._paired(a, b)[1:], "AF"),
    row("better", "faults", paired("absolute", "halved"), "AF"),
    row("better", "places", lambda a, b: [lesson._paired(a, b)[k] for k in (0, 2, 1)], "AF"),
    row("better", "places", lambda a, b: sorted(lesson._paired(a, b)), "AF"),
    row("better", "reaches", reaches, "AF"),
    row("better", "rounded", lambda a, b: [round(one, 3) for one in lesson._paired(a, b)], "AF"),
    row("better", "order", lambda a, b: (0.0, 1.0, -1.0), "AF"),
    row("better", "wrong", lambda a, b: (0.0, -1.0, 1.0), "AF"),
    row("better", "lucky", paired(), "ABF"),
    row("better", "holds_zero", paired(), "ACF"),
    row("better", "budget", paired(), "ADF"),
    row("better", "picked", paired(), "AEF"),
    row("better", "missed", paired(), "A"),
    row("better", "missed", paired(), "none"),
    row("errors", "ok", confused(), PLAN),
    row("errors", "alternative", confused_by_counter, {k: v.upper() for k, v in PLAN.items()}),
    row("errors", "alternative", confused_in_an_array, changed(a=1, b=np.int64(2), c=3)),
    row("errors", "todo", lambda y, guess: (..., ..., ...), PLAN),
    row("errors", "todo", confused(), ...),
    *(row("errors", "fault", confused(fault), PLAN) for fault in lesson.CONFUSED),
    row("errors", "count", lambda y, g: (*lesson._confused(y, g)[:2], 1), PLAN),
    row("errors", "wrong", lambda y, g: (0, 0, 0), PLAN),
    row("errors", "three", lambda y, g: lesson._confused(y, g)[:2], PLAN),
    row("errors", "no_error", lambda y, g: lesson._confused(y, g), PLAN),
    row("errors", "empty_raised", confused_where_there_are_errors, PLAN),
    row("errors", "keys", confused(), {"a": "1"}),
    row("errors", "keys", confused(), ["1", "2", "3", "none", "none"]),
    row("errors", "against", confused(), changed(d="4")),
    row("errors", "peeked", confused(), changed(e="5")),
    row("errors", "not_this", confused(), changed(a="2")),
    row("errors", "not_this", confused(), changed(e="1")),
    row("errors", "has_one", confused(), changed(c="none")),
    row("report", "ok", ends(), "c"),
    row("report", "alternative", wilson, "C"),
    row("report", "alternative", by_normal, "(c)"),
    row("report", "todo", lambda right, rows: (..., ...), "c"),
    row("report", "todo", ends(), ...),
    *(row("report", "faults", ends(fault), "c") for fault in lesson.ENDS),
    row("report", "faults", ends("no_root", "by_rows"), "c"),
    row("report", "faults", ends("one_error", "percent"), "c"),
    row("report", "order", lambda right, rows: lesson._ends(right, rows)[::-1], "c"),
    row("report", "two", lambda right, rows: (*lesson._ends(right, rows), 0.5), "c"),
    row("report", "wrong", lambda right, rows: (0.1, 0.2), "c"),
    *(row("report", key, ends(), letter) for letter, (key, _) in lesson.LATER.items()),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_the_claims_are_what_the_lesson_says():
    zeros = np.zeros(3)
    _, low, high = lesson._paired(np.array([0.022, 0.026, 0.018]), zeros)
    assert 0.0115 < low < high < 0.0325
    _, low, high = lesson._paired(np.array([0.028, 0.041, 0.002]), zeros)
    assert low < 0 < high
    assert np.round(lesson._ends(1724, 2000), 3).tolist() == [0.847, 0.877]


def test_the_full_profile_has_the_walkthroughs_numbers():
    full = parts.FULL
    assert full.rows == (45_000, 5000, 10_000) and -(-full.rows[0] // full.batch) == 352
    assert (full.batch, full.epochs, full.patience, full.rate) == (128, 200, 15, 0.001)
    assert full.dropout == (0.25, 0.5)
    model = full.network(0, augmented=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    at = kinds.index("Conv2D")
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Dropout"]
    assert kinds[at : at + 15] == 3 * block and kinds[-1] == "Dense"
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
    assert model.compiled and float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    assert model.optimizer.beta_1 == 0.9 and model.optimizer.beta_2 == 0.999


def test_an_augmented_image_keeps_its_shape_and_rests_outside_of_training():
    model = parts.FULL.network(0, augmented=True)
    changing = keras.Sequential([keras.Input((32, 32, 3)), *model.layers[:5]])
    x = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    changed_ = keras.ops.convert_to_numpy(changing(x, training=True))
    assert changed_.shape == x.shape and not np.allclose(changed_, x)
    rested = keras.ops.convert_to_numpy(changing(x, training=False))
    np.testing.assert_allclose(rested, x, atol=1e-3)


def test_the_reduced_profile_is_the_data_that_it_loads():
    data, profile = parts.REDUCED.load(), parts.REDUCED
    assert tuple(len(part.y) for part in (data.train, data.validation, data.test)) == profile.rows
    assert data.train.x.shape[1:] == profile.shape
    assert profile.network(0)(data.train.x[:2]).shape == (2, 10)
    assert profile.baseline(0)(data.train.x[:2]).shape == (2, 10)
    assert parts.FULL.baseline(0).count_params() == 3072 * 128 + 128 + 1290
    rate = profile.one_cycle(0.01)
    assert rate.total_steps == 500


def test_a_profile_that_is_none_is_refused(capsys):
    with pytest.raises(ValueError, match="profile"):
        parts.project("fast")
    assert parts.project("full") is parts.FULL and "352" not in capsys.readouterr().out


def test_more_openings_only_raise_what_is_reported():
    best = parts.openings(worlds=1000)
    assert abs(best[:, 0].mean() - parts.TRUTH) < 0.001
    assert np.all(np.diff(best, axis=1) >= 0)
    assert 0.003 < best[:, 19].mean() - parts.TRUTH < 0.01


def test_an_interval_of_pairs_is_that_of_student():
    apart = np.array([0.02, 0.01, 0.04, 0.03])
    found = stats.ttest_1samp(apart, 0).confidence_interval()
    np.testing.assert_allclose(parts.interval(apart), [found.low, found.high])
    assert [parts.verdict(*pair) for pair in ((-1, 1), (1, 2), (-2, -1))] == [
        "not told apart", "higher", "lower"]  # fmt: skip


def test_the_log_is_confronted_also_if_it_is_empty_or_odd(capsys):
    found = {"schedules": np.array([0.02, 0.03, 0.025])}
    parts.confront({}, found, 0.87)
    told = capsys.readouterr().out
    assert "you began here" in told and "schedules: measured here: +0.025" in told
    log = {"losses": {"choice": "Huber", "val_accuracy": 0.85}, "schedules": {"because": "so"}}
    parts.confront(log, found, 0.87)
    told = capsys.readouterr().out
    assert "losses: you decided: Huber; expected 0.850, the project has +0.020; not tested" in told
    assert told.count("schedules:") == 1 and "empty" not in told


def test_the_frequent_errors_are_told(capsys):
    y, guess = np.array([0, 0, 0, 1, 2, 2]), np.array([1, 1, 2, 1, 0, 2])
    parts.pairs(y, guess, ["shirt", "coat", "bag"], most=1)
    assert "2 of shirt called coat" in capsys.readouterr().out


def test_the_vault_remembers_in_a_folder_of_its_own(tmp_path, monkeypatch):
    """And its file is not taken for a lesson's progress."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    part = datasets.Part(np.zeros((4, 1)), np.array([0, 1, 0, 1]), {})
    for _ in range(2):
        vault = TestVault(part.x, part.y, path=parts.REDUCED.remembered())
        if not vault.opened:
            vault.evaluate(lambda x, y: float(y.mean()), reason="the end")
    assert vault.opened["score"] == 0.5
    assert "schedules" not in lesson.check.logged() and not list(tmp_path.glob("*.json"))


@pytest.mark.slow
def test_the_snapshots_show_what_the_messages_say():
    p, q, r = (log.history for log in parts.three_runs())
    level = slice(parts.COOLED - 5, parts.COOLED)  # the epochs before the line
    for part in ("loss", "val_loss"):
        assert p[part][-1] < 0.9 * np.mean(p[part][level])  # it falls at the line ...
        assert r[part][-1] > max(1, 0.88 * np.mean(r[part][level]))  # ... and it does not
    assert np.mean(p["loss"][level]) > 0.85 * np.mean(p["loss"][2:6])  # it was stuck
    assert p["val_loss"][-1] - p["loss"][-1] < 0.2  # no gap that would ask for dropout
    assert r["val_loss"][-1] - r["loss"][-1] < 0.25
    assert q["loss"][-1] < 0.3 and q["val_loss"][-1] > q["loss"][-1] + 0.4
    assert q["val_loss"][-1] > 0.85 * np.mean(q["val_loss"][level])


@pytest.mark.slow
def test_scores_are_what_evaluate_says():
    data = parts.REDUCED.load().validation
    part = datasets.Part(data.x[:150], data.y[:150], {})
    models = [parts.REDUCED.network(0), parts.REDUCED.baseline(1)]
    known = [m.evaluate(part.x, part.y, verbose=0, return_dict=True)["accuracy"] for m in models]
    np.testing.assert_allclose(parts.scores(models, part, rows=100), known, atol=1e-6)
