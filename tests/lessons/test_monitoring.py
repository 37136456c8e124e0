"""Right answers of several kinds, and what each wrong one is told."""

import statistics

import keras
import numpy as np
import pytest
from answers import row

from coursekit import datasets
from coursekit.lessons import _clinic as clinic
from coursekit.lessons import _monitoring as parts
from coursekit.lessons import _spikes as spikes
from coursekit.lessons.monitoring import check
from coursekit.training import value_and_gradients

pytestmark = pytest.mark.any_backend

# which run decides

RUNS = {"AF": "c", "CG": "d", "DH": "b"}


def runs(**other):
    return RUNS | other


# metrics

RIGHT = {"perplexity": 7.389, "reader": "tokens", "rmse": 3, "r2": 0.1, "city": "Oslo"}


def metrics(**other):
    return (RIGHT | other).values()


# average precision


def ap(weight=lambda p, h: p * h, below=lambda hits, objects: objects, first=1, own=0, turn=1):
    def answer(hits, objects):
        hits = np.asarray(hits, float)[::turn]
        so_far = np.cumsum(hits) - own * hits
        precision = so_far / np.maximum(np.arange(first, len(hits) + first), 1)
        return weight(precision, hits).sum() / below(hits, objects)

    return answer


def ap_by_loop(hits, objects):
    found, total = 0, 0.0
    for rank, hit in enumerate(hits, 1):
        if hit:
            found += 1
            total += found / rank
    return total / objects


def ap_by_keras(hits, objects):
    hits = keras.ops.convert_to_tensor([*hits, 0], "float32")
    ranks = keras.ops.arange(1, len(hits) + 1, dtype="float32")
    return keras.ops.sum(keras.ops.cumsum(hits) / ranks * hits) / objects


def ap_by_mean_of_hits(hits, objects):
    hits = np.array(hits)
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits == 1].mean()


def ap_by_those_found(hits, objects):
    return ap_by_loop(hits, objects) * objects / sum(hits)


def compares_a_list(hits, objects):
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return precision[hits == 1].sum() / objects


def at_end(hits, objects):
    return sum(hits) / len(hits)


def no_empty(hits, objects):
    return ap()(hits, objects) if len(hits) else 1.0


def no_objects_found(hits, objects):
    return ap()(hits, objects) if sum(hits) or not len(hits) else 1.0


def changes_hits(hits, objects):
    found = ap_by_loop(hits, objects)
    hits.clear()
    return found


# alarms


def alarm(
    usual=np.median, window=lambda norms: norms[-21:-1], times=5, enough=21, odd=True, edge=False
):
    def answer(norms):
        if odd and not np.isfinite(norms[-1]):
            return True
        if len(norms) < enough:
            return False
        limit = times * usual(window(norms))
        return norms[-1] >= limit if edge else norms[-1] > limit

    return answer


def alarm_by_statistics(norms):
    *past, last = norms
    if last != last or last == float("inf"):
        return 1
    return int(len(past) >= 20 and last > 5 * statistics.median(past[-20:]))


def alarm_by_negation(norms):
    if len(norms) <= 20:
        return not np.isfinite(norms[-1])
    return not norms[-1] <= 5 * np.median(norms[-21:-1])


def late_infinity(norms):
    if np.isnan(norms[-1]):
        return True
    return len(norms) > 20 and norms[-1] > 5 * np.median(norms[-21:-1])


def late_numbers(norms):
    return len(norms) > 20 and (not np.isfinite(norms[-1]) or alarm()(norms))


def one_nan(norms):
    return norms[-1] is np.nan or norms[-1] == np.inf or alarm(odd=False)(norms)


def not_all_finite(norms):
    return not np.isfinite(norms).all() or alarm()(norms)


def any_of_them(norms):
    if not np.isfinite(norms[-1]) or len(norms) < 21:
        return alarm()(norms)
    return max(norms[-21:]) > 5 * np.median(norms[-21:-1])


def changes_norms(norms):
    found = alarm()(norms)
    norms.pop()
    return found


def odd_windows(norms):
    return norms[-1] > 3.3 and len(norms) % 2 == 1


def odd_few(norms):
    return len(norms) == 2 or alarm()(norms)


GROUPS = ("BE", "CG", "I", "DH", "AF")
ANSWERS = [
    row("clinic", "ok", *GROUPS),
    row("clinic", "alternative", "e and b", ["C", "G"], "i", {"H", "D"}, "F, A"),
    row("clinic", "todo", ..., ..., ..., ..., ...),
    row("clinic", "missing", "B", "CG", "I", "DH", "AF"),
    row("clinic", "twice", "BE", "CG", "I", "DH", "AFI"),
    row("clinic", "below", "B", "CGE", "I", "DH", "AF"),
    row("clinic", "below", "B", "CG", "I", "DH", "AFE"),
    row("clinic", "wrong", "BE", "CG", "ID", "H", "AF"),
    row("clinic", "wrong", "BE", "CG", "none", "DHI", "AF"),
    row("clinic", "wrong", "BECG", "none", "I", "DH", "AF"),
    row("clinic", "wrong", "BE", "CG", "IA", "DH", "F"),
    row("decide", "ok", runs(), "A", "G", "D"),
    row("decide", "alternative", {"FA": "C", "gc": " d ", "DH": "(b)"}, "a", "g", "d"),
    row("decide", "todo", dict.fromkeys(RUNS, ...), ..., ..., ...),
    row("decide", "todo", runs(), "A", "G", ...),
    row("decide", "keys", {"AF": "c"}, "A", "G", "D"),
    row("decide", "keys", ["c", "d", "b"], "A", "G", "D"),
    row("decide", "keys", {"AF": "c", "CG": "d", "DI": "b"}, "A", "G", "D"),
    row("decide", "option", runs(AF="g"), "A", "G", "D"),
    row("decide", "no_decision", runs(AF="a"), "A", "G", "D"),
    *(row("decide", "no_decision", runs(**{pair: letter}), "A", "G", "D")
      for pair, right in RUNS.items() for letter in "abcdef" if letter != right),
    row("decide", "turned", runs(), "F", "G", "D"),
    row("decide", "turned", runs(), "A", "C", "D"),
    row("decide", "turned", runs(), "A", "G", "H"),
    row("decide", "not_of_pair", runs(), "B", "G", "D"),
    row("metrics", "ok", *metrics()),
    row("metrics", "alternative", *metrics(perplexity=np.exp(2.0), r2=1 - 9 / 10, city="oslo")),
    row("metrics", "alternative", *metrics(perplexity="7.4", rmse=np.sqrt(9), r2="10 %")),
    row("metrics", "todo", ..., ..., ..., ..., ...),
    row("metrics", "base_two", *metrics(perplexity=2**2)),
    row("metrics", "coarse", *metrics(perplexity=7)),
    row("metrics", "loss", *metrics(perplexity=2.0)),
    row("metrics", "inverse", *metrics(perplexity=np.exp(-2.0))),
    row("metrics", "base_ten", *metrics(perplexity=100)),
    row("metrics", "character", *metrics(perplexity=np.exp(0.5))),
    row("metrics", "second", *metrics(perplexity=np.exp(0.6))),
    row("metrics", "logarithm", *metrics(perplexity=np.log(2))),
    row("metrics", "slip", *metrics(perplexity=-np.exp(2))),
    row("metrics", "slip", *metrics(perplexity=np.exp(4))),
    row("metrics", "per_what", *metrics(reader="characters")),
    row("metrics", "no_root", *metrics(rmse=9)),
    row("metrics", "of_variance", *metrics(rmse=np.sqrt(10))),
    row("metrics", "oslo_rmse", *metrics(rmse=5)),
    row("metrics", "halved", *metrics(rmse=4.5)),
    row("metrics", "divided", *metrics(rmse=np.sqrt(0.9))),
    row("metrics", "slip", *metrics(rmse=-3)),
    row("metrics", "unexplained", *metrics(r2=0.9)),
    row("metrics", "root_by_variance", *metrics(r2=0.7)),
    row("metrics", "roots", *metrics(r2=1 - 3 / np.sqrt(10))),
    row("metrics", "turned_r2", *metrics(r2=1 - 10 / 9)),
    row("metrics", "oslo_r2", *metrics(r2=0.75)),
    row("metrics", "percent", *metrics(r2=10)),
    row("metrics", "rome_by_oslo", *metrics(r2=1 - 9 / 100)),
    row("metrics", "oslo_by_rome", *metrics(r2=1 - 25 / 10)),
    row("metrics", "root_of_r2", *metrics(r2=np.sqrt(0.1))),
    row("metrics", "slip", *metrics(r2=-0.1)),
    row("metrics", "type", *metrics(r2=0.37)),
    row("metrics", "smaller_error", *metrics(city="Rome")),
    row("ranking", "ok", ap(), "A"),
    row("ranking", "alternative", ap_by_loop, "a"),
    row("ranking", "alternative", ap_by_keras, " A "),
    row("ranking", "alternative", lambda hits, objects: round(ap_by_loop(hits, objects), 2), "A"),
    row("ranking", "todo", ..., "A"),
    row("ranking", "todo", ap(), ...),
    row("ranking", "nothing", compares_a_list, "A"),
    row("ranking", "faults", at_end, "A"),
    row("ranking", "faults", ap(weight=lambda p, h: p), "A"),
    row("ranking", "faults", ap(weight=lambda p, h: h), "A"),
    row("ranking", "faults", ap(below=lambda h, n: max(h.sum(), 1)), "A"),
    row("ranking", "faults", ap(below=lambda h, n: len(h)), "A"),
    row("ranking", "faults", ap(below=lambda h, n: 1), "A"),
    row("ranking", "faults", ap(first=0), "A"),
    row("ranking", "faults", ap(turn=-1), "A"),
    row("ranking", "faults", ap(own=1, first=0), "A"),
    row("ranking", "faults", ap(weight=lambda p, h: p, below=lambda h, n: len(h)), "A"),
    row("ranking", "faults", ap(turn=-1, below=lambda h, n: max(h.sum(), 1)), "A"),
    row("ranking", "wrong", lambda hits, objects: 0.77, "A"),
    row("ranking", "faults", ap(below=lambda h, n: min(len(h), n)), "A"),
    row("ranking", "faults", ap(own=1), "A"),
    row("ranking", "faults", ap_by_mean_of_hits, "A"),
    row("ranking", "faults", ap_by_those_found, "A"),
    row("ranking", "empty", no_empty, "A"),
    row("ranking", "empty", no_objects_found, "A"),
    row("ranking", "mutated", changes_hits, "A"),
    row("ranking", "detector", ap(), "B"),
    row("alarm", "ok", alarm()),
    row("alarm", "alternative", alarm_by_statistics),
    row("alarm", "alternative", alarm_by_negation),
    row("alarm", "alternative", lambda norms: np.bool_(alarm()(np.array(norms)))),
    row("alarm", "todo", lambda norms: ...),
    row("alarm", "none", lambda norms: None),
    row("alarm", "type", lambda norms: "True"),
    row("alarm", "always", lambda norms: True),
    row("alarm", "never", lambda norms: False),
    row("alarm", "turned", lambda norms: not alarm()(norms)),
    row("alarm", "never", lambda norms: not np.isfinite(norms[-1])),
    row("alarm", "mutated", changes_norms),
    row("alarm", "not_a_number", alarm(odd=False)),
    row("alarm", "not_a_number", late_numbers),
    row("alarm", "infinite", late_infinity),
    row("alarm", "not_a_number", one_nan),
    row("alarm", "earlier", not_all_finite),
    row("alarm", "edge", alarm(edge=True)),
    row("alarm", "faults", alarm(usual=np.mean)),
    row("alarm", "faults", alarm(usual=np.max)),
    row("alarm", "faults", alarm(window=lambda n: n[-20:])),
    row("alarm", "faults", alarm(window=lambda n: n[:-1])),
    row("alarm", "faults", alarm(window=lambda n: n[:20])),
    row("alarm", "faults", alarm(window=lambda n: n[-2:-1])),
    row("alarm", "faults", alarm(times=1)),
    row("alarm", "faults", alarm(usual=statistics.median_low)),
    row("alarm", "faults", alarm(usual=statistics.median_high)),
    row("alarm", "faults", alarm(window=lambda n: n[-20:-1])),
    row("alarm", "faults", alarm(window=lambda n: n[-22:-1])),
    row("alarm", "faults", alarm(window=lambda n: n[-22:-2])),
    row("alarm", "faults", any_of_them),
    row("alarm", "wrong", alarm(window=lambda n: n[-20:-2])),
    row("alarm", "wrong", alarm(times=5.5)),
    row("alarm", "wrong", alarm(times=4.5)),
    row("alarm", "faults_few", alarm(enough=2)),
    row("alarm", "faults", alarm(enough=22)),
    row("alarm", "faults", alarm(usual=np.mean, window=lambda n: n[-20:])),
    row("alarm", "faults_few", lambda norms: norms[-1] > 6),
    row("alarm", "wrong", odd_windows),
    row("alarm", "wrong_few", odd_few),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize(
    "exercise, answers, words",
    [
        ("alarm", [alarm(odd=False)], "NaN, with 30 before it"),
        ("alarm", [late_numbers], "NaN, with 3 before it"),
        ("alarm", [alarm(usual=statistics.median_low)], "you take the lower"),
        ("alarm", [alarm(window=lambda n: n[-20:-1])], "only 19"),
        ("alarm", [alarm(window=lambda n: n[-22:-1])], "21 of those"),
        ("alarm", [alarm(window=lambda n: n[-22:-2])], "the one just before it does not count"),
        ("alarm", [any_of_them], "an earlier norm"),
        ("alarm", [alarm(enough=2)], "With 19 norms before the last"),
        ("alarm", [lambda norms: len(norms) == 1 or alarm()(norms)], "With 0 norms before"),
        ("ranking", [ap_by_mean_of_hits, "A"], "a division by the hits found"),
        ("ranking", [lambda h, n: round(ap_by_those_found(h, n), 3), "A"], "[1, 1, 0, 0, 0] and"),
        ("ranking", [ap(own=1), "A"], "not count in its own"),
        ("ranking", [no_objects_found, "A"], "hits [0, 0] and 4 objects"),
    ],
)
def test_a_message_is_true_of_the_answer(exercise, answers, words):
    """It names the case that failed, and no other."""
    message = check.verdict(exercise, *answers).message
    assert words in message


@pytest.mark.slow
def test_only_a_run_that_decides_parts_a_pair():
    """And the runs that help both part nothing."""

    def after(letter, change):
        return clinic.curves(clinic.CHANGES[change][1](clinic.CASES[letter]))

    for letter in "CG":  # ten times the rate turns both up
        assert (after(letter, "b").valid[:, -1] > 1.1 * after(letter, "b").valid.min(1)).all()
    for helped in (after("A", "c"), after("A", "a"), after("F", "a")):
        assert helped.train[:, -1].max() < 0.6
    for letter, change in (("F", "c"), ("A", "b"), ("F", "b")):
        assert not np.median(after(letter, change).train[:, -1]) < 1.2
    turned = {letter: after(letter, "d").valid for letter in "CG"}
    assert (turned["C"][:, -1] > 1.25 * turned["C"].min(1)).all()
    assert (turned["G"][:, -1] < 1.2 * turned["G"].min(1)).all()
    for letter in "CG":
        slow = after(letter, "a").valid
        assert (slow[:, -1] < 1.05 * slow.min(1)).all()
    before = {letter: clinic.curves(clinic.CASES[letter]).train[:, -1] for letter in "DH"}
    assert (after("D", "b").train[:, -1] < before["D"] - 0.2).all()
    assert (after("H", "b").train[:, -1] > before["H"] - 0.05).all()


@pytest.mark.parametrize("asked", [("AZ", "c"), (..., "c"), ("", "c"), ("AF", ...), ("AF", "g")])
def test_other_letters_are_refused(asked):
    """Before any training."""
    with pytest.raises(ValueError, match=r"must be .*Received"):
        clinic.again(*asked)


@pytest.mark.slow
def test_the_clinic_shows_what_its_groups_say():
    """At every seed."""
    found = {letter: clinic.curves(case) for letter, case in clinic.CASES.items()}
    for letter in "BE":
        assert (found[letter].valid[:, -1] < 0.6).all()
    assert (found["E"].valid[:, -1] < found["E"].train[:, -1]).all()
    for letter in "CG":
        assert found[letter].valid.mean(0)[-1] > 1.1 * found[letter].valid.mean(0).min()
    assert ((found["I"].train[:, -1] > 0.8) & (found["I"].train[:, -1] < 1.6)).all()
    for letter in "DH":
        assert (found[letter].valid[:, -1] > 2.1).all()
    for letter in "AF":
        assert np.median(np.sum(np.diff(found[letter].train) > 0, axis=1)) >= 3
        assert np.median(found[letter].train[:, -1]) > 1.2


def test_the_gradient_of_the_spikes_is_that_of_keras():
    """For a batch of digits' size."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.2, shape) for shape in ((64, 32), (32,), (32, 10), (10,))]
    x, y = rng.normal(size=(7, 64)), rng.integers(0, 10, 7)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.set_weights(weights)
    found = value_and_gradients(model, x, y)
    loss, gradients = spikes.loss_and_gradients(weights, x, y)
    assert loss == pytest.approx(found.loss, rel=1e-4)
    for own, right in zip(gradients, found.gradients.values(), strict=True):
        np.testing.assert_allclose(own, right, atol=1e-5)


def test_the_gradient_of_case_h_shrinks_more_than_a_thousand_times():
    """From the last matrix to the first, as the prediction says."""
    digits = datasets.load_digits().train
    model = parts.sick()
    gradients = value_and_gradients(model, digits.x.reshape(-1, 64), digits.y).gradients
    sizes = [np.sqrt(np.mean(g**2)) for path, g in gradients.items() if path.endswith("kernel")]
    assert sizes[-1] > 1000 * sizes[0]


def test_adam_is_that_of_keras():
    """Over a few steps."""
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=3), rng.normal(size=(4, 3))
    variable = keras.Variable(start.astype("float32"))
    optimizer, own, weights = keras.optimizers.Adam(0.03), spikes.Adam(), [start]
    for step, gradient in enumerate(gradients):
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        weights = own.step(weights, [gradient], step, 1.0)
    np.testing.assert_allclose(weights[0], np.asarray(variable), atol=1e-4)


@pytest.mark.slow
def test_a_spike_is_answered():
    """Each answer spares a bad batch's cost; only a rewind helps against the rate."""
    found = spikes.answers()

    def worst(cause, answer):
        return np.array([run.rows[run.first + 1 :].max() for run in found[cause, answer]])

    wrong, rate = spikes.CAUSES
    for answer in ("skip", "clip", "rewind"):
        assert (worst(wrong, answer) < 0.2 * worst(wrong, "nothing")).all()
    assert (worst(rate, "rewind") < 0.3 * worst(rate, "nothing")).all()
    assert (worst(rate, "skip") > worst(rate, "nothing")).sum() >= 2
    assert all(run.alarms for run in found[wrong, "nothing"])


def test_the_gradient_warns_first():
    """Where the rate grows too far, at every seed."""
    for seed in range(5):
        run = spikes.train("rate too high", seed=seed)
        loss, gradient = spikes.reached(run.losses, 3), spikes.reached(run.norms, 3)
        assert gradient < loss
