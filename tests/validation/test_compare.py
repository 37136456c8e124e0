"""The corrected test against hand computations, the published formula and simulated truth."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import ShuffleSplit

from coursekit.validation import compare

pytestmark = pytest.mark.any_backend

FOLDS = [(np.r_[0:start, start + 5 : 25], np.arange(start, start + 5)) for start in range(0, 25, 5)]


def result(scores, folds=FOLDS, name="accuracy"):
    return SimpleNamespace(scores={name: np.asarray(scores, float)}, folds=folds)


A = result([0.80, 0.84, 0.78, 0.86, 0.82])
B = result([0.79, 0.80, 0.78, 0.83, 0.80])


def test_a_hand_computation():
    """Differences .01 .04 .00 .03 .02: mean .02, variance .00025, n_val / n_train = 5 / 20."""
    error = np.sqrt((1 / 5 + 1 / 4) * 0.00025)
    found = compare(A, B)
    assert found.mean == pytest.approx(0.02)
    np.testing.assert_allclose(found.differences, [0.01, 0.04, 0.0, 0.03, 0.02], atol=1e-12)
    quantile = 2.7764451  # of t with 4 degrees of freedom at .975, from a table
    assert found.low == pytest.approx(0.02 - quantile * error, abs=1e-8)
    assert found.high == pytest.approx(0.02 + quantile * error, abs=1e-8)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.02 / error, 4))
    wide = compare(A, B, confidence=0.99)
    assert wide.high - wide.mean == pytest.approx(4.6040949 * error, abs=1e-8)


def test_it_is_the_paired_t_test_where_nothing_is_shared():
    """With far more training than validation rows the correction vanishes."""
    few = [(np.arange(10, 10**6), np.arange(k, k + 1)) for k in range(5)]
    found = compare(result(A.scores["accuracy"], few), result(B.scores["accuracy"], few))
    plain = stats.ttest_rel(A.scores["accuracy"], B.scores["accuracy"])
    assert found.p_value == pytest.approx(plain.pvalue, rel=1e-4)


def test_folds_of_different_sizes_count_by_their_mean_share():
    folds = [(np.arange(10, 10 + n), np.arange(10)) for n in (10, 20, 40)]
    a, b = result([0.5, 0.7, 0.6], folds), result([0.4, 0.4, 0.4], folds)
    share = (1 + 0.5 + 0.25) / 3
    error = np.sqrt((1 / 3 + share) * np.var([0.1, 0.3, 0.2], ddof=1))
    assert compare(a, b).p_value == pytest.approx(2 * stats.t.sf(0.2 / error, 2))


def test_swapping_the_two_turns_the_sign():
    one, other = compare(A, B), compare(B, A)
    assert one.mean == -other.mean and one.low == -other.high
    assert one.p_value == other.p_value
    assert "higher by 0.020" in str(one) and "lower by 0.020" in str(other)


def test_the_sentence_says_what_the_interval_says():
    clear = compare(result(np.array([9, 8, 9, 10, 9]) / 10), result(np.ones(5) * 0.1))
    assert clear.low > 0 and "leaves 0 out" in str(clear)
    assert "95% confidence by 0.668 to 0.932" in str(clear)
    open_ = compare(result([0.5, 0.7, 0.4, 0.6, 0.5]), result([0.6, 0.5, 0.5, 0.4, 0.6]))
    assert open_.low < 0 < open_.high and "do not tell the two apart" in str(open_)
    below = str(compare(result(np.ones(5) * 0.1), result(np.array([9, 8, 9, 10, 9]) / 10)))
    assert "lower by 0.800" in below and "leaves 0 out" in below


@pytest.mark.parametrize("shift, p_value", [(0.0, 1.0), (0.25, 0.0)])
def test_equal_differences(shift, p_value):
    b = np.array([0.1, 0.3, 0.2, 0.6, 0.7])
    found = compare(result(b + shift), result(b))
    assert found.p_value == p_value
    assert found.low == found.high == pytest.approx(shift)


def test_small_scores_are_not_taken_for_rounding():
    b = np.array([1.0, 3.0, 2.0, 5.0, 4.0]) * 1e-9
    assert 0 < compare(result(2 * b), result(b)).p_value < 1


def test_one_score_of_several_is_named():
    def two(shift):
        scores = {"accuracy": A.scores["accuracy"], "roc_auc": B.scores["accuracy"] + shift}
        return SimpleNamespace(scores=scores, folds=FOLDS)

    assert compare(two(0.1), two(0), scorer="roc_auc").mean == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"`scorer` must name .*accuracy, roc_auc"):
        compare(two(0), two(0))


OTHER_ROWS = [(train[:-1], validation) for train, validation in FOLDS]


@pytest.mark.parametrize(
    "b, words",
    [
        (result([0.5] * 5, OTHER_ROWS), "other rows to train in fold 0"),
        (result([0.5] * 5, FOLDS[::-1]), "same folds"),
        (result([0.5] * 4, FOLDS[:4]), "5 folds and 4"),
        (result([0.5, np.nan, 0.5, 0.5, 0.5]), "NaN or infinite in fold 1"),
        (result([0.5] * 5, name="r2"), "there is none"),
    ],
)
def test_what_cannot_be_paired_is_refused(b, words):
    with pytest.raises(ValueError, match=words):
        compare(A, b)


def test_rows_in_another_order_are_the_same_fold():
    turned = [(train[::-1], validation[::-1]) for train, validation in FOLDS]
    assert compare(A, result(B.scores["accuracy"], turned)).mean == pytest.approx(0.02)


@pytest.mark.parametrize("wrong", [0.9, None, A.scores, A.scores["accuracy"]])
def test_scores_alone_are_refused(wrong):
    with pytest.raises(TypeError, match=f"`results_b` must be .*Received: {type(wrong).__name__}"):
        compare(A, wrong)
    with pytest.raises(TypeError, match="`results_a` must be"):
        compare(wrong, A)


@pytest.mark.parametrize("confidence", [0, 1, 95, True, "95"])
def test_confidence_out_of_range(confidence):
    with pytest.raises(
        ValueError, match=f"above 0 and below 1. Received: confidence={confidence!r}"
    ):
        compare(A, B, confidence=confidence)


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="At least two folds"):
        compare(result([0.5], FOLDS[:1]), result([0.6], FOLDS[:1]))


@pytest.mark.slow
def test_false_alarms_against_the_plain_t_test():
    """Two classifiers that are equally good by symmetry: each sees its own half of the columns.

    Fifteen random splits of 60 rows, 300 times. The plain test cries wolf; the corrected does not.
    """
    rng = np.random.default_rng(0)
    alarms, plain = [], []
    for _ in range(300):
        y = np.arange(60) % 2
        x = rng.normal(size=(60, 4)) + 0.4 * y[:, None]
        cv = ShuffleSplit(15, test_size=0.2, random_state=int(rng.integers(10**6)))
        folds, scores = list(cv.split(x)), []
        for columns in (x[:, :2], x[:, 2:]):
            own = []
            for train, validation in folds:
                rows, labels = columns[train], y[train]
                way = rows[labels == 1].mean(0) - rows[labels == 0].mean(0)
                middle = (rows[labels == 1].mean(0) + rows[labels == 0].mean(0)) / 2
                own.append(np.mean(((columns[validation] - middle) @ way > 0) == y[validation]))
            scores.append(np.array(own))
        found = compare(result(scores[0], folds), result(scores[1], folds))
        alarms.append(found.p_value < 0.05)
        plain.append(np.ptp(found.differences) > 0 and stats.ttest_rel(*scores).pvalue < 0.05)
    assert np.mean(plain) > 0.25
    assert np.mean(alarms) < 0.10
