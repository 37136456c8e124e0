"""Right answers of several kinds, and what each wrong one is told."""

import statistics

import keras
import numpy as np
import pytest
from answers import row

from coursekit.callbacks import EarlyStopping
from coursekit.lessons import overfitting
from coursekit.lessons.overfitting import check, keras_stop


def decompose(predictions, truth):
    mean = predictions.mean(axis=0)
    return np.mean((mean - truth) ** 2), np.mean((predictions - mean) ** 2)


def decompose_unbiased(predictions, truth):
    variance = predictions.var(axis=0, ddof=1)
    bias = (predictions.mean(axis=0) - truth) ** 2 - variance / len(predictions)
    return {"bias": bias.mean(), "variance": variance.mean()}.values()


def decompose_by_keras(predictions, truth):
    ops = keras.ops
    p, f = ops.convert_to_tensor(predictions), ops.convert_to_tensor(truth)
    return [ops.mean(ops.square(ops.mean(p, axis=0) - f)), ops.mean(ops.var(p, axis=0))]


def decompose_by_loops(predictions, truth):
    bias = variance = 0.0
    for place, f in enumerate(truth):
        column = [refit[place] for refit in predictions]
        mean = sum(column) / len(column)
        bias += (mean - f) ** 2 / len(truth)
        variance += sum((p - mean) ** 2 for p in column) / len(column) / len(truth)
    return bias, variance


def with_bias(bias):
    return lambda p, f: (bias(p, f), p.var(axis=0).mean())


def with_variance(variance):
    return lambda p, f: (np.mean((p.mean(axis=0) - f) ** 2), variance(p, f))


def in_place(predictions, truth):
    predictions -= predictions.mean(axis=0)
    return 0.0, np.mean(predictions**2)


def early_stop(losses, patience):
    best, best_epoch, wait = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch, wait = loss, epoch, 0
        else:
            wait += 1
            if wait >= patience:
                break
    return epoch, best_epoch


def early_stop_by_numpy(losses, patience):
    lowest = np.minimum.accumulate(losses)
    best = np.array([int(np.argmin(losses[: k + 1])) + 1 for k in range(len(lowest))])
    late = np.arange(1, len(losses) + 1) - best >= patience
    run = int(np.argmax(late)) + 1 if late.any() else len(losses)
    return np.array([run, best[run - 1]])


def early_stop_by_ours(losses, patience):
    callback = EarlyStopping("val_loss", patience=patience, mode="min")
    model = keras.Sequential()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    return [epoch + 1, callback.best_epoch + 1]


def slipped(**slip):
    return lambda losses, patience: overfitting._stop(losses, patience, **slip)


def never_says_the_end(losses, patience):
    run, best = early_stop(losses, patience)
    return (run, best) if run < len(losses) else None


def says_none_at_the_end(losses, patience):
    run, best = early_stop(losses, patience)
    return (run if run < len(losses) else None), best


def of_all_losses(losses, patience):
    return early_stop(losses, patience)[0], int(np.argmin(losses)) + 1


def last_ones(losses, patience):
    return (early_stop(losses, patience)[0],) * 2


def half_way(rate, steps):
    """Solve for the penalty that agrees with descent at half of the way."""
    return (1 - 0.5 ** (1 / steps)) / rate


def decompose_by_moments(predictions, truth):
    mean, variance = keras.ops.moments(keras.ops.array(predictions, "float64"), axes=0)
    return keras.ops.mean((mean - truth) ** 2), keras.ops.mean(variance)


def decompose_by_pairs(predictions, truth):
    """Without the mean: products of two different refits are free of the variance."""
    n, off = len(predictions), predictions - truth
    bias = (off.sum(axis=0) ** 2 - (off**2).sum(axis=0)) / (n * (n - 1))
    halves = (predictions[:, None] - predictions) ** 2 / 2
    return bias.mean(), halves.sum(axis=(0, 1)).mean() / (n * (n - 1))


def decompose_by_statistics(predictions, truth):
    columns = list(zip(*predictions.tolist(), strict=True))
    off = [statistics.fmean(c) - f for c, f in zip(columns, truth, strict=True)]
    spread = [statistics.variance(c) for c in columns]
    return statistics.fmean(b * b for b in off), statistics.fmean(spread)


def checks_the_count_first(losses, patience):
    best, best_epoch, wait = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if wait >= patience:
            break
        if loss < best:
            best, best_epoch, wait = loss, epoch, 0
        else:
            wait += 1
    return epoch, best_epoch


def names_the_last_lowest(losses, patience):
    run, best = early_stop(losses, patience)
    return run, max(k for k in range(1, run + 1) if losses[k - 1] == losses[best - 1])


def counts_rises(losses, patience, equal=True):
    wait = 0
    for epoch in range(2, len(losses) + 1):
        loss, last = losses[epoch - 1], losses[epoch - 2]
        wait = wait + 1 if loss > last or (equal and loss == last) else 0
        if wait >= patience:
            break
    return epoch, int(np.argmin(losses[:epoch])) + 1


def wants_a_larger_gain(losses, patience):
    best, best_epoch, wait = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best - 0.05:
            best, best_epoch, wait = loss, epoch, 0
        else:
            wait += 1
            if wait >= patience:
                break
    return epoch, best_epoch


def compares_with_one_before_the_patience(losses, patience):
    for epoch in range(patience + 1, len(losses) + 1):
        if losses[epoch - 1] >= losses[epoch - 1 - patience]:
            return epoch, int(np.argmin(losses[:epoch])) + 1
    return len(losses), int(np.argmin(losses)) + 1


def changed(change):
    """Return an early stop whose (run, best) is changed by `change(run, best, patience)`."""
    return lambda losses, patience: change(*early_stop(losses, patience), patience)


RIGHT = {"A": "higher degree", "B": "more rows", "C": "better instruments"}


def against(losses, patience, of):
    """Compare each loss with some other value than the best; find the lowest until it stops."""
    wait = run = 0
    for run in range(1, len(losses) + 1):
        low = run == 1 or losses[run - 1] < of(losses[: run - 1], patience)
        wait = 0 if low else wait + 1
        if wait >= patience:
            break
    return run, int(np.argmin(losses[:run])) + 1


ANSWERS = [
    row("decompose", "ok", decompose),
    row("decompose", "alternative", decompose_unbiased),
    row("decompose", "alternative", decompose_by_keras),
    row("decompose", "alternative", decompose_by_loops),
    row("decompose", "alternative", lambda p, f: np.array(decompose(p, f), "float32")),
    row("decompose", "alternative", decompose_by_moments),
    row("decompose", "alternative", decompose_by_pairs),
    row("decompose", "alternative", decompose_by_statistics),
    row("decompose", "todo", lambda p, f: (..., ...)),
    row("decompose", "pair", lambda p, f: decompose(p, f)[0:1]),
    row("decompose", "pair", lambda p, f: (*decompose(p, f), 0.0)),
    row("decompose", "pair", lambda p, f: sum(decompose(p, f))),
    row("decompose", "pair", lambda p, f: dict(zip("bv", decompose(p, f), strict=True))),
    row("decompose", "pair", lambda p, f: "0.55, 0.26"),
    row("decompose", "swapped", lambda p, f: decompose(p, f)[::-1]),
    row("decompose", "swapped", lambda p, f: tuple(decompose_unbiased(p, f))[::-1]),
    row("decompose", "variance_axis", with_variance(lambda p, f: p.var(axis=1).mean())),
    row("decompose", "bias_axis", with_bias(lambda p, f: np.mean((p.mean(axis=1) - f) ** 2))),
    row("decompose", "around_truth", with_variance(lambda p, f: np.mean((p - f) ** 2))),
    row("decompose", "pooled", with_variance(lambda p, f: p.var())),
    row("decompose", "variance_root", with_variance(lambda p, f: p.std(axis=0).mean())),
    row(
        "decompose", "bias_root", with_bias(lambda p, f: np.mean((p.mean(axis=0) - f) ** 2) ** 0.5)
    ),
    row(
        "decompose", "variance_not_squared", with_variance(lambda p, f: np.mean(p - p.mean(axis=0)))
    ),
    row(
        "decompose",
        "variance_not_squared",
        with_variance(lambda p, f: abs(p - p.mean(axis=0)).mean()),
    ),
    row("decompose", "bias_not_squared", with_bias(lambda p, f: np.mean(p.mean(axis=0) - f))),
    row("decompose", "bias_not_squared", with_bias(lambda p, f: np.abs(p.mean(axis=0) - f).mean())),
    row("decompose", "places_first", with_bias(lambda p, f: (p.mean() - f.mean()) ** 2)),
    row("decompose", "each_refit", with_bias(lambda p, f: np.mean((p - f) ** 2))),
    row("decompose", "bias", with_bias(lambda p, f: 0.0)),
    row(
        "decompose", "bias_median", with_bias(lambda p, f: np.mean((np.median(p, axis=0) - f) ** 2))
    ),
    row("decompose", "bias_sum", with_bias(lambda p, f: np.sum((p.mean(axis=0) - f) ** 2))),
    row("decompose", "variance_sum", with_variance(lambda p, f: p.var(axis=0).sum())),
    row("decompose", "variance", with_variance(lambda p, f: np.ptp(p))),
    row("decompose", "first_refit", with_bias(lambda p, f: np.mean((p[0] - f) ** 2))),
    row("decompose", "variance_of_means", with_variance(lambda p, f: p.mean(axis=0).var())),
    row("decompose", "variance_divided", with_variance(lambda p, f: p.var(axis=0).mean() / len(p))),
    row("decompose", "variance_sum", with_variance(lambda p, f: np.sum((p - p.mean(0)) ** 2))),
    row("decompose", "several", lambda p, f: (np.mean((p - f) ** 2), p.var())),
    row("decompose", "several", lambda p, f: (p.mean() - f.mean(), p.std())),
    row("decompose", "several", lambda p, f: (1e6, -1e6)),
    row("decompose", "bias", with_bias(lambda p, f: np.max((p.mean(axis=0) - f) ** 2))),
    row("decompose", "bias_place", with_bias(lambda p, f: (p.mean(axis=0) - f)[0] ** 2)),
    row("decompose", "variance_place", with_variance(lambda p, f: p.var(axis=0)[0])),
    row("decompose", "slip", with_variance(lambda p, f: 2 * p.var(axis=0).mean())),
    row("decompose", "slip", with_bias(lambda p, f: -np.mean((p.mean(axis=0) - f) ** 2))),
    row("decompose", "shape", lambda p, f: ((p.mean(axis=0) - f) ** 2, p.var(axis=0))),
    row("decompose", "none", lambda p, f: print(decompose(p, f))),
    row("decompose", "mutated", in_place),
    row("decompose", "called", (0.2, 0.3)),
    row("decompose", "raised", lambda p, f: p.no_such_method()),
    row("degree", "ok", {12: 5, 1000: 14}),
    row("degree", "alternative", {12: np.int64(4), 1000: 24.0, 20: 5}),
    row("degree", "alternative", {1000: 11, 12: 6}),
    row("degree", "alternative", {12: 3, 1000: 25}),  # what `measure` says of them is within 30 %
    row("degree", "alternative", {12: keras.ops.array(7), 1000: [10]}),
    row("degree", "alternative", {12: "5", 1000: "14"}),
    row("degree", "todo", ...),
    row("degree", "todo", {12: ..., 1000: 14}),
    row("degree", "alternative", {"12": 5, "1000": 14}),
    row("degree", "keys", (5, 14)),
    row("degree", "range", {12: 12, 1000: 14}),
    row("degree", "range", {12: 4.5, 1000: 14}),
    row("degree", "range", {12: -1, 1000: 14}),
    row("degree", "stiff", {12: 5, 1000: 5}),
    row("degree", "stiff", {12: 1, 1000: 14}),
    row("degree", "stiff", {12: 2, 1000: 14}),
    row("degree", "wild", {12: 8, 1000: 14}),
    row("degree", "wild", {12: 5, 1000: 30}),
    row("degree", "wild", {12: 11, 1000: 14}),
    row("degree", "wild", {12: 5, 1000: 100}),
    row("degree", "wild", {12: 5, 1000: 999}),
    row("degree", "several", {12: 0, 1000: 100}),
    row("degree", "several", {12: 9, 1000: 3}),
    row("degree", "several", {12: 1, 1000: 2}),
    row("degree", "range", {12: 1e6, 1000: 14}),
    row("degree", "type", {12: "five", 1000: 14}),
    row("remedy", "ok", RIGHT),
    row("remedy", "alternative", {k: v.upper() for k, v in RIGHT.items()}),
    row("remedy", "alternative", {**RIGHT, "D": "tea"}),
    row("remedy", "alternative", {k: v.replace(" ", "_") for k, v in RIGHT.items()}),
    row("remedy", "todo", ...),
    row("remedy", "todo", {**RIGHT, "B": ...}),
    row("remedy", "keys", {"A": "higher degree"}),
    row("remedy", "keys", list(RIGHT.values())),
    row("remedy", "more_rows", {**RIGHT, "A": "more rows"}),
    row("remedy", "more_rows", {**RIGHT, "C": "more rows"}),
    row("remedy", "higher_degree", {**RIGHT, "B": "higher degree"}),
    row("remedy", "higher_degree", {**RIGHT, "C": "higher degree"}),
    row("remedy", "better_instruments", {**RIGHT, "A": "better instruments"}),
    row("remedy", "better_instruments", {**RIGHT, "B": "better instruments"}),
    row("remedy", "alternative", {k.lower(): v for k, v in RIGHT.items()}),
    row("remedy", "several", dict.fromkeys("ABC", "more rows")),
    row("remedy", "several", dict.fromkeys("ABC", "higher degree")),
    row("remedy", "several", dict.fromkeys("ABC", "better instruments")),
    row("remedy", "several", {**RIGHT, "A": "more rows", "B": "higher degree"}),
    row("remedy", "option", {**RIGHT, "A": 7}),
    row("remedy", "option", {**RIGHT, "B": "early stopping"}),
    row("early_stop", "ok", early_stop),
    row("early_stop", "alternative", early_stop_by_numpy),
    row("early_stop", "alternative", early_stop_by_ours),
    row("early_stop", "alternative", lambda *a: tuple(map(float, early_stop(*a)))),
    row("early_stop", "alternative", lambda *a: keras.ops.array(early_stop(*a))),
    row("early_stop", "todo", lambda losses, patience: (..., ...)),
    row("early_stop", "pair", lambda losses, patience: (6, 3, 0.6)),
    row("early_stop", "pair", lambda losses, patience: (6, 0.6)),
    row("early_stop", "no_end", never_says_the_end),
    row("early_stop", "no_end", says_none_at_the_end),
    row("early_stop", "swapped", lambda *a: early_stop(*a)[::-1]),
    row("early_stop", "zero_based", lambda *a: [n - 1 for n in early_stop(*a)]),
    row("early_stop", "zero_based", changed(lambda run, best, patience: (run, best - 1))),
    row("early_stop", "zero_based", changed(lambda run, best, patience: (run - 1, best))),
    row("early_stop", "early", slipped(late=-1)),
    row("early_stop", "late", slipped(late=1)),
    row("early_stop", "late", checks_the_count_first),
    row("early_stop", "too_many", changed(lambda run, best, patience: (run + 1, best))),
    row("early_stop", "too_many", changed(lambda run, best, patience: (best + patience, best))),
    row("early_stop", "never", lambda losses, _: (len(losses), int(np.argmin(losses)) + 1)),
    row("early_stop", "minus", changed(lambda run, best, patience: (run, run - patience))),
    row("early_stop", "counts_first", slipped(first=True)),
    row("early_stop", "previous", slipped(previous=True)),
    row("early_stop", "previous", counts_rises),
    row("early_stop", "no_reset", slipped(keep=True)),
    row("early_stop", "tie", slipped(tie=True)),
    row("early_stop", "tie", names_the_last_lowest),
    row("early_stop", "previous", lambda *a: counts_rises(*a, equal=False)),
    row("early_stop", "future", of_all_losses),
    row("early_stop", "last", last_ones),
    row("early_stop", "too_many", lambda losses, patience: (6, 3)),
    row("early_stop", "rounded", wants_a_larger_gain),
    row("early_stop", "run_wrong", compares_with_one_before_the_patience),
    row("early_stop", "twice", changed(lambda run, best, patience: (best, best))),
    row("early_stop", "since_best", changed(lambda run, best, patience: (run, run - best))),
    row("early_stop", "highest", lambda losses, n: early_stop([-loss for loss in losses], n)),
    row("early_stop", "rounded", lambda losses, n: early_stop([round(v, 1) for v in losses], n)),
    row("early_stop", "rounded", lambda losses, n: early_stop([round(v, 2) for v in losses], n)),
    row("early_stop", "with_first", lambda *a: against(*a, lambda before, n: before[0])),
    row("early_stop", "with_mean", lambda *a: against(*a, lambda before, n: np.mean(before[-n:]))),
    row("early_stop", "one_patience", lambda losses, patience: early_stop(losses, 3)),
    row("early_stop", "one_patience", lambda losses, patience: early_stop(losses, 1)),
    row("early_stop", "runs_on", lambda losses, n: (len(losses), early_stop(losses, n)[1])),
    row("early_stop", "best_wrong", changed(lambda run, best, patience: (run, 2))),
    row("early_stop", "run_wrong", changed(lambda run, best, patience: (1, best))),
    row("early_stop", "other", lambda losses, patience: (1, 1)),
    row("early_stop", "other", lambda losses, patience: (-5, -3)),
    row("early_stop", "none", lambda losses, patience: None),
    row("early_stop", "pair", lambda losses, patience: 6),
    row("early_stop", "type", lambda losses, patience: ("six", 3)),
    row("early_stop", "mutated", lambda losses, patience: losses.pop()),
    row("early_stop", "called", (6, 3)),
    row("strength", "ok", lambda rate, steps: 1 / (rate * steps)),
    row("strength", "alternative", lambda rate, steps: 1 / (2 * rate * steps)),
    row("strength", "alternative", half_way),
    row("strength", "alternative", lambda r, t: keras.ops.array(1.2) / (r * t)),
    row("strength", "alternative", lambda r, t: np.log(2) / np.float32(r * t)),
    row("strength", "alternative", lambda r, t: [keras.ops.reciprocal(float(r * t))]),
    row("strength", "todo", lambda rate, steps: ...),
    row("strength", "negative", lambda rate, steps: -1 / (rate * steps)),
    row("strength", "grows", lambda rate, steps: rate * steps),
    row("strength", "no_rate", lambda rate, steps: 1 / steps),
    row("strength", "no_steps", lambda rate, steps: 1 / rate),
    row("strength", "no_steps", lambda rate, steps: 0.0),
    row("strength", "no_steps", lambda rate, steps: 1e-9),
    row("strength", "strong", lambda rate, steps: 5 / (rate * steps)),
    row("strength", "power", lambda rate, steps: rate / steps + 1),
    row("strength", "weak", lambda rate, steps: 0.1 / (rate * steps)),
    row("strength", "power", lambda rate, steps: rate / steps),
    row("strength", "weak", lambda rate, steps: 1e-9 / (rate * steps)),
    row("strength", "weak", lambda rate, steps: (1 - rate) ** steps),
    row("strength", "power", lambda rate, steps: (rate * steps) ** -0.5),
    row("strength", "power", lambda rate, steps: (rate * steps) ** -1.3),
    row("strength", "power", lambda rate, steps: 1 / (rate * steps) ** 2),
    row("strength", "power", lambda rate, steps: 1 / (rate**2 * steps)),
    row("strength", "power", lambda rate, steps: 1 / (rate * steps**0.5)),
    row("strength", "grows", lambda rate, steps: 1 / (rate + 1 / steps)),
    row("strength", "strong", lambda rate, steps: 1e6 / (rate * steps)),
    row("strength", "weak", lambda rate, steps: np.exp(-rate * steps)),
    row("strength", "grows", lambda rate, steps: steps / rate),
    row("strength", "none", lambda rate, steps: None),
    row("strength", "called", 0.1),
    row("strength", "raised", lambda rate, steps: rate / 0),
]


def test_answer(answer):
    answer.holds()


def test_the_replayed_rule_is_that_of_keras():
    rng = np.random.default_rng(0)
    for _ in range(200):
        losses = rng.integers(1, 8, size=rng.integers(1, 12)) / 10  # with ties
        patience = int(rng.integers(1, 5))
        assert overfitting._stop(losses, patience) == keras_stop(losses, patience)


ACCEPTED = {12: (3, 7), 1000: (9, 26)}


@pytest.mark.parametrize("rows", [12, 1000])
def test_the_best_degrees_and_what_the_solution_says_of_them(rows):
    errors = {k: sum(overfitting._parts(k, rows)[:2]) for k in range(min(rows, 41))}
    assert min(errors, key=errors.get) == overfitting.BEST[rows]
    for room, ends in ((1.3, {12: (4, 6), 1000: (11, 24)}), (overfitting.ROOM, ACCEPTED)):
        good = [k for k, error in errors.items() if error <= room * min(errors.values())]
        assert good == list(range(ends[rows][0], ends[rows][1] + 1))


def test_a_small_change_of_the_strength_is_accepted_and_a_large_one_not():
    for factor, right in ((0.3, True), (1.3, True), (0.15, False), (2.5, False)):
        verdict = check.verdict("strength", lambda rate, steps, f=factor: f / (rate * steps))
        assert (verdict.status == "correct") == right, factor
