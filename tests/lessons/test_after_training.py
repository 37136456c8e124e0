"""Right answers of several kinds, and what each wrong one is told."""

import gzip
import zlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from answers import row as _row

from coursekit.lessons import _after_training as parts

pytestmark = pytest.mark.any_backend

# quantized


def quantize(
    top=lambda b: 2 ** (b - 1) - 1, size=lambda w: np.abs(w).max(axis=0), nearest=np.round,
    back=lambda q, scale: q * scale, low=lambda w: 0.0, invert=False,
):  # fmt: skip
    def answer(w, bits):
        scale = size(w) / top(bits)
        scale = np.where(scale == 0, 1, scale)
        scale = 1 / scale if invert else scale
        return back(nearest((w - low(w)) / scale), scale) + low(w)

    return answer


def quantize_by_columns(w, bits):
    columns = []
    for column in w.T:
        step = max(abs(column)) / (2 ** (bits - 1) - 1)
        columns.append([round(v / step) * step if step else 0.0 for v in column])
    return np.array(columns).T.tolist()


def quantize_by_keras(w, bits):
    high = 2 ** (bits - 1) - 1
    scale = keras.ops.max(keras.ops.abs(w.astype("float32")), axis=0, keepdims=True) / high
    scale = keras.ops.maximum(scale, 1e-9)
    return keras.ops.round(w.astype("float32") / scale) * scale


def quantize_dividing_by_zero(w, bits):
    scale = np.abs(w).max(axis=0) / (2 ** (bits - 1) - 1)
    return np.round(w / scale) * scale


def one_further_below(ratio):
    top = round(float(np.abs(ratio).max()))
    return np.clip(np.round(ratio), -top, top - 1)


def quantize_in_place(w, bits):
    w[:] = quantize()(w.copy(), bits)
    return w


def quantize_without_power(w, bits):
    scale = np.abs(w).max(axis=0) / (2 ^ (bits - 1) - 1)
    return np.round(w / scale) * scale


def quantize_from_lowest_to_highest(w, bits):
    low, extent = w.min(axis=0), np.ptp(w, axis=0)
    scale = np.where(extent > 0, extent, 1) / (2**bits - 1)
    return np.round((w - low) / scale) * scale + low


def top(bits):
    return 2 ** (bits - 1) - 1


def keep(axis=0):
    return {"axis": axis, "keepdims": True}


# row


def table_row(part="validation", size=lambda raw, model: len(zlib.compress(raw, 9)), rate=np.mean):
    def answer(model, data):
        raw = b"".join(w.tobytes() for w in model.get_weights())
        held = getattr(data, part)
        right = np.asarray(model(held.x)).argmax(axis=1) == held.y
        return size(raw, model), rate(right)

    return answer


def row_by_keras(model, data):
    packed = sum(len(gzip.compress(w.tobytes(), 9)) for w in model.get_weights())
    rate = model.evaluate(data.validation.x, data.validation.y, verbose=0)[1]
    return {"bytes": packed, "accuracy": rate}


def row_after_training(model, data):
    model.fit(data.train.x, data.train.y, verbose=0)
    return table_row()(model, data)


def loss_for_accuracy(model, data):
    size, _ = table_row()(model, data)
    return size, model.evaluate(data.validation.x, data.validation.y, verbose=0)[0]


def zeros_left_out(raw, model):
    return 4 * sum(np.count_nonzero(w) for w in model.get_weights())


def packed_kernels(raw, model):
    return len(zlib.compress(b"".join(w.tobytes() for w in model.get_weights()[::2]), 9))


def plain(raw, model):
    return len(raw)


# sets


def conformal(
    rows=lambda train, held: held, k=lambda n, share: int(np.ceil((n + 1) * share)),
    of=lambda p, y: p[np.arange(len(y)), y], score=lambda p: 1 - p, inside=np.less_equal,
    limit=None, in_order=np.sort,
):  # fmt: skip
    def answer(p, miss, train, held_out):
        others, labels = rows(train, held_out)
        scores = in_order(score(of(others, labels)))
        n = len(scores)
        place = k(n, 1 - miss)
        found = scores[place - 1] if place <= n else np.inf
        if limit is not None:
            found = limit(scores, miss)
        return inside(1 - p, found)

    return answer


def conformal_by_quantile(p, miss, train, held_out):
    others, labels = held_out
    n = len(labels)
    level = np.ceil((n + 1) * (1 - miss)) / n
    if level > 1:
        return np.ones_like(p, dtype=bool)
    scores = 1 - np.take_along_axis(others, labels[:, None], axis=1)[:, 0]
    return p >= 1 - np.quantile(scores, level, method="inverted_cdf")


def conformal_of_lists(p, miss, train, held_out):
    found = conformal()(p, miss, train, held_out)
    return [[bool(one) for one in inside] for inside in found]


def conformal_of_class_numbers(p, miss, train, held_out):
    return [set(np.flatnonzero(one)) for one in conformal()(p, miss, train, held_out)]


def conformal_of_those_that_ask(p, miss, train, held_out):
    return conformal()(p, miss, train, (p, p.argmax(axis=1)))


def conformal_without_end(p, miss, train, held_out):
    others, labels = held_out
    scores = np.sort(1 - others[np.arange(len(labels)), labels])
    return 1 - p <= scores[int(np.ceil((len(labels) + 1) * (1 - miss))) - 1]


def mass(p, miss, train, held_out):
    order = np.argsort(-p, axis=1, kind="stable")
    ordered = np.take_along_axis(p, order, 1)
    found = np.zeros(p.shape, bool)
    np.put_along_axis(found, order, ordered.cumsum(axis=1) - ordered < 1 - miss, 1)
    return found


def both(train, held):
    return tuple(np.concatenate(pair) for pair in zip(train, held, strict=True))


def recipe(scores, miss):
    n = len(scores)
    level = min(np.ceil((n + 1) * (1 - miss)) / n, 1)
    return np.quantile(scores, level, method="higher")


NINE = (9, 1 / 900, "C", "r")

ANSWERS = [
    _row("quantized", "ok", quantize()),
    _row("quantized", "alternative", quantize(nearest=np.rint)),
    _row("quantized", "alternative", quantize_by_columns),
    _row("quantized", "alternative", quantize_by_keras),
    _row("quantized", "alternative", lambda w, bits: parts.rounded(w, bits)),
    _row("quantized", "todo", ...),
    _row("quantized", "zeros", quantize_dividing_by_zero),
    _row("quantized", "mutated", quantize_in_place),
    _row("quantized", "as_it_was", lambda w, bits: w),
    _row("quantized", "one", quantize(top=lambda b: 2 ** (b - 1))),
    _row("quantized", "one", quantize(top=lambda b: 2**b - 1)),
    _row("quantized", "one", quantize(top=lambda b: 2**b)),
    _row("quantized", "one", quantize(top=lambda b: b)),
    _row("quantized", "one", quantize(size=lambda w: np.abs(w).max())),
    _row("quantized", "one", quantize(size=lambda w: np.abs(w).max(**keep(1)))),
    _row("quantized", "one", quantize(size=lambda w: w.max(axis=0))),
    _row("quantized", "one", quantize(size=lambda w: -w.min(axis=0))),
    _row("quantized", "one", quantize(size=lambda w: np.ptp(w, axis=0))),
    _row("quantized", "one", quantize(size=lambda w: np.abs(w).mean(axis=0))),
    _row("quantized", "one", quantize(size=lambda w: w.std(axis=0))),
    _row("quantized", "one", quantize(nearest=np.trunc)),
    _row("quantized", "one", quantize(nearest=np.floor)),
    _row("quantized", "one", quantize(nearest=np.ceil)),
    _row("quantized", "one", quantize(back=lambda q, scale: q)),
    _row("quantized", "one", quantize(invert=True)),
    _row("quantized", "one", quantize(low=lambda w: w.min(axis=0))),
    _row("quantized", "several", quantize(top=lambda b: 2 ** (b - 1), nearest=np.trunc)),
    _row("quantized", "several", quantize(size=lambda w: np.abs(w).max(), nearest=np.floor)),
    _row("quantized", "several", quantize(top=lambda b: 2**b - 1, size=lambda w: np.ptp(w, 0))),
    _row("quantized", "one", quantize(back=lambda q, scale: -q * scale)),
    _row("quantized", "one", quantize(back=lambda q, scale: q * scale / 2)),
    _row("quantized", "one", lambda w, bits: quantize()(w, bits).astype("int8")),
    _row("quantized", "one", quantize(size=lambda w: np.ones(w.shape[1]))),
    _row("quantized", "one", quantize(top=lambda b: 2 ** (b - 1), nearest=one_further_below)),
    _row("quantized", "one", quantize(back=lambda q, scale: 2 * q * scale)),
    _row("quantized", "one", quantize(back=lambda q, scale: np.abs(q) * scale)),
    _row("quantized", "one", quantize(top=lambda b: (2**b - 1) / 2)),
    _row("quantized", "one", quantize_from_lowest_to_highest),
    _row("quantized", "one", lambda w, bits: quantize(back=lambda q, _: q)(w, bits) / top(bits)),
    _row("quantized", "zeros_moved", lambda w, bits: quantize()(w, bits) + ~w.any(axis=0)),
    _row("quantized", "no_step", quantize_without_power),
    _row("quantized", "nan", lambda w, bits: np.where(w < 0, np.nan, w)),
    _row("quantized", "pair", lambda w, bits: (quantize()(w, bits), np.abs(w).max(axis=0))),
    _row("quantized", "some_bits", quantize(top=lambda b: 7)),
    _row("quantized", "wrong", lambda w, bits: np.sqrt(np.abs(w))),
    _row("choose_bits", "ok", 4, 15, 1 / 14),
    _row("choose_bits", "alternative", "4", "15", "1/14"),
    _row("choose_bits", "alternative", np.int64(4), 15.0, 0.07),
    _row("choose_bits", "alternative", 4, 15, "7.1 %"),
    _row("choose_bits", "alternative", 4, 15, 7.14),
    _row("choose_bits", "todo", ..., ..., ...),
    _row("choose_bits", "too_many", 6, 15, 1 / 14),
    _row("choose_bits", "too_many", 16, 15, 1 / 14),
    _row("choose_bits", "fewer", 3, 7, 1 / 6),
    _row("choose_bits", "bits", 32, 15, 1 / 14),
    _row("choose_bits", "all_patterns", 4, 16, 1 / 14),
    _row("choose_bits", "one_side", 4, 7, 1 / 14),
    _row("choose_bits", "one_side", 4, 8, 1 / 14),
    _row("choose_bits", "no_zero", 4, 14, 1 / 14),
    _row("choose_bits", "values", 4, 31, 1 / 14),
    _row("choose_bits", "step", 4, 15, 1 / 7),
    _row("choose_bits", "two_steps", 4, 15, 2 / 7),
    _row("choose_bits", "of_range", 4, 15, 1 / 28),
    _row("choose_bits", "of_patterns", 4, 15, 1 / 16),
    _row("choose_bits", "of_patterns", 4, 15, 1 / 15),
    _row("choose_bits", "of_patterns", 4, 15, 2 / 15),
    _row("choose_bits", "off_scale", 4, 15, 0.5),
    _row("choose_bits", "turned", 4, 15, 14),
    _row("choose_bits", "off", 4, 15, 0.9),
    _row("row", "ok", table_row()),
    _row("row", "alternative", row_by_keras),
    _row("row", "alternative", lambda model, data: [*map(float, table_row()(model, data))]),
    _row("row", "todo", ...),
    _row("row", "bytes", table_row(size=plain)),
    _row("row", "bytes", table_row(size=zeros_left_out)),
    _row("row", "bytes", table_row(size=packed_kernels)),
    _row("row", "bytes", table_row(size=lambda raw, model: model.count_params())),
    _row("row", "bytes", table_row(size=lambda raw, model: len(zlib.compress(raw, 9)) / 1000)),
    _row("row", "bytes", table_row(size=lambda raw, model: zeros_left_out(raw, model) / 4)),
    _row("row", "rate", table_row("train")),
    _row("row", "rate", table_row("test")),
    _row("row", "rate", table_row(rate=lambda right: 1 - right.mean())),
    _row("row", "rate", table_row(rate=lambda right: 100 * right.mean())),
    _row("row", "rate", table_row(rate=np.sum)),
    _row("row", "rate", loss_for_accuracy),
    _row("row", "bytes", table_row(size=lambda raw, model: len(zlib.compress(raw, 9)) / 1024)),
    _row("row", "bytes", table_row(size=lambda raw, model: len(raw) / 1000)),
    _row("row", "bytes", table_row(size=lambda raw, model: 8 * len(raw))),
    _row("row", "rate", table_row("train", rate=lambda right: 1 - right.mean())),
    _row("row", "rate", table_row("test", rate=lambda right: 100 * right.mean())),
    _row("row", "type", table_row(size=lambda raw, model: zlib.compress(raw, 9))),
    _row("row", "type", table_row(rate=lambda right: right)),
    _row("row", "both", table_row("train", size=plain)),
    _row("row", "both", table_row("test", size=zeros_left_out)),
    _row("row", "turned", lambda model, data: table_row()(model, data)[::-1]),
    _row("row", "count_of", lambda model, data: table_row()(model, data)[0]),
    _row("row", "count_of", lambda model, data: (1, 2, 3)),
    _row("row", "other_bytes", table_row(size=lambda raw, model: 17)),
    _row("row", "other_rate", table_row(rate=lambda right: 0.123)),
    _row("row", "wrong", lambda model, data: (17, 0.123)),
    _row("row", "changed", row_after_training),
    _row("sets", "ok", conformal()),
    _row("sets", "alternative", conformal_by_quantile),
    _row("sets", "alternative", conformal_of_lists),
    _row("sets", "alternative", conformal_of_class_numbers),
    _row("sets", "alternative", lambda p, miss, t, h: parts.conformal(p, miss, *h).astype(int)),
    _row("sets", "alternative", lambda *a: [list(one) for one in conformal_of_class_numbers(*a)]),
    _row("sets", "alternative", conformal(in_order=lambda s: sorted(s.tolist()))),
    _row("sets", "todo", ...),
    _row("sets", "one", conformal(rows=lambda train, held: train)),
    _row("sets", "one", conformal(rows=both)),
    _row("sets", "one", conformal(k=lambda n, share: int(np.ceil(n * share)))),
    _row("sets", "one", conformal(k=lambda n, share: int(n * share))),
    _row("sets", "one", conformal(k=lambda n, share: int(n * share) + 1)),
    _row("sets", "one", conformal(k=lambda n, share: int((n + 1) * share))),
    _row("sets", "one", conformal(k=lambda n, share: round((n + 1) * share))),
    _row("sets", "one", conformal(k=lambda n, share: int(np.ceil((n + 1) * (1 - share))))),
    _row("sets", "one", conformal(k=lambda n, share: int(np.ceil((n + 1) * share)) + 1)),
    _row("sets", "one", conformal(limit=lambda s, miss: np.quantile(s, 1 - miss))),
    _row("sets", "one", conformal(limit=lambda s, miss: np.quantile(s, 1 - miss, method="higher"))),
    _row("sets", "one", conformal(limit=recipe)),
    _row("sets", "one", conformal(of=lambda p, y: p.max(axis=1))),
    _row("sets", "one", conformal(score=lambda p: p)),
    _row("sets", "one", conformal(inside=np.less)),
    _row("sets", "one", conformal(inside=np.greater)),
    _row("sets", "one", lambda p, miss, train, held_out: 1 - p <= 1 - miss),
    _row("sets", "one", mass),
    _row("sets", "one", lambda p, miss, train, held_out: p >= 1 - miss),
    _row("sets", "one", lambda p, miss, train, held_out: p == p.max(axis=1, keepdims=True)),
    _row("sets", "one", lambda p, *_: keras.utils.to_categorical(p.argmax(axis=1), p.shape[1])),
    _row("sets", "one", conformal(k=lambda n, share: int((n + 1) * share) + 1)),
    _row("sets", "one", conformal(limit=lambda scores, miss: scores.mean())),
    _row("sets", "one", conformal(inside=lambda score, limit: 1 - score <= limit)),
    _row("sets", "one", conformal(in_order=lambda scores: np.sort(scores)[::-1])),
    _row("sets", "one", conformal(in_order=np.asarray)),
    _row("sets", "one", conformal(of=lambda p, y: p.ravel())),
    _row("sets", "one", conformal(of=lambda p, y: p[:, y].ravel())),
    _row("sets", "one", conformal_of_those_that_ask),
    _row("sets", "all", lambda p, miss, train, held_out: np.ones(p.shape, bool)),
    _row("sets", "nothing", lambda p, miss, train, held_out: np.zeros(p.shape, bool)),
    _row("sets", "several", conformal(rows=lambda train, held: train, inside=np.less)),
    _row("sets", "several", conformal(k=lambda n, share: int(n * share), inside=np.less)),
    _row("sets", "several", conformal(of=lambda p, y: p.max(axis=1), rows=both)),
    _row("sets", "few", conformal(k=lambda n, share: min(int(np.ceil((n + 1) * share)), n))),
    _row("sets", "few_raised", conformal_without_end),
    _row("sets", "labels", lambda p, miss, train, held_out: p.argmax(axis=1)),
    _row("sets", "numbers", lambda p, miss, train, held_out: 1 - p),
    _row("sets", "wrong", lambda p, miss, train, held_out: p > 0.5),
    _row("alarms", "ok", *NINE),
    _row("alarms", "alternative", "9", "1/900", ["c"], "R"),
    _row("alarms", "alternative", 9.0, 0.0011, "only C", "(r)"),
    _row("alarms", "alternative", 9, "0.11 %", "C", "r"),
    _row("alarms", "todo", ..., ..., ..., ...),
    _row("alarms", "one_test", 3, *NINE[1:]),
    _row("alarms", "one_day", 0.03, *NINE[1:]),
    _row("alarms", "days", 300 * (1 - 0.99**3), *NINE[1:]),
    _row("alarms", "no_level", 900, *NINE[1:]),
    _row("alarms", "never", 0, *NINE[1:]),
    _row("alarms", "alarms", 7, *NINE[1:]),
    _row("alarms", "level_one", 9, 1 / 300, "C", "r"),
    _row("alarms", "level_day", 9, 1 / 3, "C", "r"),
    _row("alarms", "level_same", 9, 0.01, "C", "r"),
    _row("alarms", "level_alarms", 9, 900, "C", "r"),
    _row("alarms", "level_slip", 9, 0.002, "C", "r"),
    _row("alarms", "level_range", 9, -1, "C", "r"),
    _row("alarms", "level_range", 9, 2, "C", "r"),
    _row("alarms", "renamed_seen", 9, 1 / 900, "A", "r"),
    _row("alarms", "renamed_seen", 9, 1 / 900, "none", "r"),
    _row("alarms", "seen", 9, 1 / 900, "BC", "r"),
    _row("alarms", "seen", 9, 1 / 900, "all", "r"),
    _row("alarms", "at_once", 9, 1 / 900, "C", "p"),
    _row("alarms", "silence", 9, 1 / 900, "C", "q"),
    _row("alarms", "roll_back", 9, 1 / 900, "C", "s"),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_rounded_kernels_are_those_of_keras():
    """With 8 bits; and the bytes are counted as Keras stores them."""
    model = parts.copy_of(parts.running_model(3))
    kernels = [w for w in model.get_weights() if w.ndim == 2]
    mine = [parts.rounded(w, 8) for w in kernels]
    model.quantize("int8")
    dense = [layer for layer in model.layers if layer.weights]
    for layer, rounded in zip(dense, mine, strict=True):
        scale = np.asarray(layer.kernel_scale)
        theirs = np.asarray(layer._kernel, "float64")
        theirs = theirs / scale if (scale > 1).all() else theirs * scale
        np.testing.assert_allclose(rounded, theirs, atol=0.01 * np.abs(rounded).max())
    raw = sum(np.asarray(w).nbytes for layer in dense for w in layer.weights)
    assert parts.bytes_at(parts.running_model(), 8) == raw


def test_kernels_are_changed_in_a_copy():
    rng = np.random.default_rng(0)
    data = SimpleNamespace(x=rng.integers(0, 256, (50, 28, 28)), y=rng.integers(0, 10, 50))
    model = parts.running_model(3)
    changes = [lambda kernel: kernel, lambda kernel: -kernel, lambda kernel: kernel]
    found = parts.accuracies(model, data, changes)
    turned = parts.accuracy(parts.copy_of(model, changes[1]), data)
    assert found == [parts.accuracy(model, data), turned, found[0]] and found[0] != turned


def test_a_line_of_the_table_counts_products_whatever_the_bits():
    data = SimpleNamespace(x=np.zeros((2, 28, 28)), y=np.zeros(2, int))
    model = parts.running_model()
    whole = parts.measured([model], data)
    model.quantize("int8")
    small = parts.measured([model], data)
    assert whole.products == small.products == 784 * 128 + 128 * 10
    assert whole.plain == 4 * (whole.products + 138) and small.plain == 101_632 + 8 * 138


def test_a_column_of_zeros_stays_one():
    kernel = np.array([[0.0, 1.0], [0.0, -0.4]], "float32")
    np.testing.assert_allclose(parts.rounded(kernel, 2), [[0, 1], [0, 0]])


@pytest.mark.slow
def test_pruned_weights_stay_zero_while_the_others_train():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (64, 28, 28)), rng.integers(0, 10, 64)
    model = parts.pruned(parts.running_model(), 0.75)
    before = np.asarray(model.layers[-1].kernel)
    model.fit(x, y, epochs=1, batch_size=32, verbose=0)
    after = np.asarray(model.layers[-1].kernel)
    gone = before == 0
    assert np.mean(gone) == pytest.approx(0.75, abs=0.001)
    assert not after[gone].any() and np.mean(after[~gone] != before[~gone]) > 0.5


def test_an_exported_model_answers_as_the_model_does(tmp_path):
    """For any number of rows, also when the model is gone."""
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype("float32")
    model = parts.student(3, 0)
    expected = np.asarray(model(images))
    program = parts.exported(model, str(tmp_path / "program"))
    assert (tmp_path / "program").exists()
    del model
    for rows in (5, 2):
        np.testing.assert_allclose(np.asarray(program(images[:rows])), expected[:rows], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("n, miss", [(10, 0.1), (25, 0.2), (99, 0.05)])
def test_conformal_sets_cover_what_they_promise(n, miss):
    """On average over draws k / (n + 1), whatever the model says."""
    rng, classes, hits = np.random.default_rng(0), 4, []
    for _ in range(3000):
        p = rng.dirichlet(np.ones(classes), n + 1)
        y = np.array([rng.choice(classes, p=np.roll(row, 1)) for row in p])  # a bad model
        inside = parts.conformal(p[:1], miss, p[1:], y[1:])
        hits.append(parts.covered(inside, y[:1]))
    wanted = np.ceil((n + 1) * (1 - miss)) / (n + 1)
    assert np.mean(hits) == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 3000))


def test_with_too_few_rows_nothing_is_left_out():
    p, y = np.full((3, 2), 0.5), np.array([0, 1, 0])
    assert parts.conformal(p, 0.1, p, y).all()


def test_votes_against_the_most_frequent_answer():
    answers = np.array([[1, 2, 3], [1, 2, 4], [1, 0, 5]])
    np.testing.assert_allclose(parts.disagreement(answers), [0, 1 / 3, 2 / 3])


def test_tests_of_drift_are_silent_on_old_rows_and_alarm_on_others():
    """Each at its level: p-values of rows like the old ones are below 0.05 about that often."""
    rng = np.random.default_rng(0)

    def rows(count, bright=1.0, right=0.8):
        x = bright * rng.random((count, 4, 4))
        p = rng.dirichlet(np.ones(10), count)
        y = np.where(rng.random(count) < right, p.argmax(axis=1), 0)
        return parts.Before(x, y, p)

    before = rows(1000)
    found = np.array([parts.p_values(before, *_as_batch(rows(200))) for _ in range(300)])
    assert (np.mean(found < 0.05, axis=0) < 0.1).all()
    assert parts.p_values(before, *_as_batch(rows(200, bright=1.3)))[0] < 1e-6
    assert parts.p_values(before, *_as_batch(rows(200, right=0.4)))[3] < 1e-6


def _as_batch(rows):
    return rows.x, rows.p, rows.y
