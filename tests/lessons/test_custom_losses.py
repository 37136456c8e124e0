"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row
from keras import ops
from sklearn.metrics import recall_score

from coursekit import losses
from coursekit.lessons import custom_losses as lesson

pytestmark = pytest.mark.any_backend
L = keras.losses
TRUTH, NEVER = np.r_[np.zeros(990), np.ones(10)], np.zeros(1000)


def late(y, p):
    return ops.mean(ops.maximum(3 * (y - p), p - y), axis=-1)


def late_where(y, p):
    e = y - p
    return ops.mean(ops.where(e > 0, 3 * e, -e), axis=-1)


def late_parts(y_true, y_pred):
    e = ops.subtract(y_true, y_pred)
    return ops.mean(ops.abs(e) + 2 * ops.relu(e), axis=1, keepdims=True)


class Late(L.Loss):
    def call(self, y_true, y_pred):
        return late(y_true, y_pred)


def by_numpy(y, p):
    e = np.asarray(y) - np.asarray(p)
    return np.mean(np.maximum(3 * e, -e), axis=-1)


def half_stopped(y, p):
    return late(y, p) + ops.mean(p - ops.stop_gradient(p), axis=-1)


def all_stopped(y, p):
    return late(y, ops.stop_gradient(p))


def exact_root(y, p):
    e = y - p
    return ops.mean(2 * ops.sqrt(e**2) + e, axis=-1)


def smooth(y, p):
    e = y - p
    return ops.mean(3 * ops.log(1 + ops.exp(25 * e)) / 25 + ops.relu(-e), axis=-1)


def first(zero, one):
    return (990 * zero + 10 * one) / 1000 * np.log(2)


def lazy(accuracy=0.99, recall=0.0, precision=0.5, f1=2 / 3, watch="f1"):
    return accuracy, recall, precision, f1, watch


ANSWERS = [
    row("always_no", "ok", *lazy()),
    row("always_no", "alternative", *lazy(99, 0, 50, 66.7, " F1")),
    row("always_no", "alternative", *lazy("99 %", "0", "1/2", "2/3", "F1 score")),
    row("always_no", "alternative", *lazy(np.mean(TRUTH == NEVER), recall_score(TRUTH, NEVER))),
    row("always_no", "alternative", *lazy(np.float16(0.99), np.int8(0), [0.5], 0.67, "f1_score")),
    row("always_no", "alternative", *lazy(990 / 1000, ops.zeros(()), f1=0.667, watch="F1-score")),
    row("always_no", "todo", ..., ..., ..., ..., ...),
    row("always_no", "accuracy_error", *lazy(accuracy=0.01)),
    row("always_no", "accuracy_of_positives", *lazy(accuracy=0)),
    row("always_no", "accuracy_one", *lazy(accuracy=1.0)),
    row("always_no", "accuracy", *lazy(accuracy=98)),
    row("always_no", "accuracy", *lazy(accuracy=-3)),
    row("always_no", "recall_as_accuracy", *lazy(recall=0.99)),
    row("always_no", "recall", *lazy(recall=1.0)),
    row("always_no", "recall", *lazy(recall=0.01)),
    row("always_no", "as_accuracy", *lazy(precision=0.99)),
    row("always_no", "found_all", *lazy(precision=1)),
    row("always_no", "of_all_rows", *lazy(precision=0.01)),
    row("always_no", "flagged", *lazy(precision=0.02)),
    row("always_no", "ratio", *lazy(precision=2)),
    row("always_no", "precision", *lazy(precision=0.7)),
    row("always_no", "precision", *lazy(precision=-1)),
    row("always_no", "arithmetic", *lazy(f1=0.75)),
    row("always_no", "geometric", *lazy(f1=0.707)),
    row("always_no", "no_two", *lazy(f1=0.333)),
    row("always_no", "product", *lazy(f1=0.5)),
    row("always_no", "f1_accuracy", *lazy(f1=0.99)),
    row("always_no", "f1_recall", *lazy(f1=1)),
    row("always_no", "f1_macro", *lazy(f1=0.8308)),
    row("always_no", "sum", *lazy(f1=1.5)),
    row("always_no", "of_no", *lazy(f1=0)),
    row("always_no", "of_yes", *lazy(f1=0.0198)),
    row("always_no", "f1", *lazy(f1=0.6)),
    row("always_no", "nan", *lazy(f1=float("nan"))),
    row("always_no", "watch_accuracy", *lazy(watch="accuracy")),
    row("always_no", "watch_recall", *lazy(watch="recall")),
    row("always_no", "option", *lazy(watch="precision")),
    row("always_no", "none", *lazy(recall=None)),
    row("class_weights", "ok", {0: 0.505, 1: 50}, 0.693),
    row("class_weights", "alternative", {1: 99}, first(1, 99)),
    row("class_weights", "alternative", {0: 0.01, 1: 0.99}, first(0.01, 0.99)),
    row("class_weights", "alternative", {np.int64(0): 1 / 1.98, 1.0: 50.0}, np.log(2)),
    row("class_weights", "alternative", {0: 1.0, 1: 99}, 1.37),
    row("class_weights", "alternative", {0: 10, 1: 990}, first(10, 990)),
    row("class_weights", "alternative", {False: 0.505, True: 50}, np.float32(0.693)),
    row("class_weights", "alternative", {0: 1 / 99}, 0.02 * np.log(2)),
    row("class_weights", "todo", ..., ...),
    row("class_weights", "todo", {0: 0.505, 1: 50}, ...),
    row("class_weights", "not_dict", [0.505, 50], 0.693),
    row("class_weights", "not_dict", "balanced", 0.693),
    row("class_weights", "keys", {"0": 0.505, "1": 50}, 0.693),
    row("class_weights", "keys", {1: 0.505, 2: 50}, 0.693),
    row("class_weights", "keys", {}, 0.693),
    row("class_weights", "not_positive", {0: 0, 1: 1}, 0.693),
    row("class_weights", "inverted", {0: 50, 1: 0.505}, 0.693),
    row("class_weights", "inverted", {0: 990, 1: 10}, 0.693),
    row("class_weights", "equal", {0: 1, 1: 1}, 0.693),
    row("class_weights", "root", {0: 1, 1: 9.95}, 0.75),
    row("class_weights", "root", {0: 1, 1: 10}, 0.75),
    row("class_weights", "ratio", {0: 1, 1: 1.05}, 0.693),
    row("class_weights", "keys", {0: 0.505, 1: 50, 2: 1}, 0.693),
    row("class_weights", "ratio", {0: 1, 1: 50}, 0.693),
    row("class_weights", "ratio", {0: 0.505, 1: 20}, 0.693),
    row("class_weights", "by_weights", {1: 99}, 0.693),
    row("class_weights", "by_nothing", {0: 0.505, 1: 50}, 693.1),
    row("class_weights", "alternative", {0: 1, 1: 99}, "1.372"),
    row("class_weights", "no_cost", {0: 0.505, 1: 50}, 1.0),
    row("class_weights", "bits", {1: 99}, 1.98),
    row("class_weights", "base_10", {0: 0.505, 1: 50}, np.log10(2)),
    row("class_weights", "one_row", {1: 99}, 99 * np.log(2)),
    row("class_weights", "one_row", {0: 0.505, 1: 50}, 50 * np.log(2)),
    row("class_weights", "one_class", {0: 0.505, 1: 50}, 0.3466),
    row("class_weights", "two_classes", {0: 0.505, 1: 50}, 50.505 * np.log(2)),
    row("class_weights", "two_classes", {0: 0.505, 1: 50}, 50.505 * np.log(2) / 2),
    row("class_weights", "zero_loss", {0: 0.505, 1: 50}, 0),
    row("class_weights", "factor", {0: 0.505, 1: 50}, -0.693),
    row("class_weights", "factor", {1: 99}, 2.744),
    row("class_weights", "first_loss", {0: 0.505, 1: 50}, 0.9),
    row("class_weights", "first_loss", {1: 99}, 7.0),
    row("class_weights", "first_loss", {1: 99}, -1e6),
    row("class_weights", "type", {1: 99}, "much"),
    row("focus", "ok", 1, 0.8345),
    row("focus", "alternative", 1.0, 83),
    row("focus", "alternative", np.int64(1), ops.convert_to_tensor(0.834)),
    row("focus", "todo", ..., ...),
    row("focus", "ce", 0, 0.36),
    row("focus", "not_smallest", 2, 0.98),
    row("focus", "not_smallest", 5, 1.0),
    row("focus", "integer", 0.5, 0.62),
    row("focus", "integer", -1, 0.5),
    row("focus", "share_at_zero", 1, 0.359),
    row("focus", "share_count", 1, 0.025),
    row("focus", "share_negatives", 1, 0.165),
    row("focus", "swapped_p", 1, 0.0587),
    row("focus", "share_ratio", 1, 5.04),
    row("focus", "alternative", "1", "83 %"),
    row("focus", "alternative", [1], np.array([0.84])),
    row("focus", "share_other", 1, 0.979),
    row("focus", "share_per_row", 1, 0.995),
    row("focus", "no_log", 1, 0.1875),
    row("focus", "share_above", 1, -0.83),
    row("focus", "share_above", 1, 834),
    row("focus", "share_sum", 1, 51.8),
    row("focus", "share_sum", 1, 10.3),
    row("focus", "share", 1, 0.5),
    row("focus", "share", 1, 0.66),
    row("focus", "none", 1, None),
    row("threshold", "ok", 1 / 21, 1 / 11),
    row("threshold", "alternative", 0.048, 0.09),
    row("threshold", "alternative", "1/21", "9.1 %"),
    row("threshold", "alternative", np.float32(0.0476), [0.0909]),
    row("threshold", "alternative", 4.76, 9.1),
    row("threshold", "todo", ..., ...),
    row("threshold", "cut_ratio", 0.05, 0.09),
    row("threshold", "cut_complement", 20 / 21, 0.09),
    row("threshold", "cut_half", 0.5, 0.09),
    row("threshold", "cut_one_less", 1 / 19, 0.09),
    row("threshold", "cut_odds", 20, 0.09),
    row("threshold", "cut_odds", 1 / 21, 4),
    row("threshold", "cut_odds", -0.05, 0.09),
    row("threshold", "cut", 0.1, 0.09),
    row("threshold", "cut", 0.025, 0.09),
    row("threshold", "honest_odds", 1 / 21, 0.1),
    row("threshold", "honest_divided", 1 / 21, 0.02),
    row("threshold", "honest_multiplied", 1 / 21, 160 / 161),
    row("threshold", "honest_same", 1 / 21, 0.8),
    row("threshold", "honest_41", 1 / 21, 4 / 45),
    row("threshold", "honest_at_half", 1 / 21, 1 / 41),
    row("threshold", "honest_complement", 1 / 21, 10 / 11),
    row("threshold", "honest", 1 / 21, 0.3),
    row("threshold", "honest", 1 / 21, 0.2),
    row("threshold", "nan", 1 / 21, float("nan")),
    row("late", "ok", late, 0.75),
    row("late", "alternative", late_where, 3 / 4),
    row("late", "alternative", late_parts, 75),
    row("late", "alternative", losses.per_example(late), np.float32(0.75)),
    row("late", "alternative", Late(), 0.75),
    row("late", "todo", lambda y, p: ..., 0.75),
    row("late", "todo", late, ...),
    row("late", "one_number", lambda y, p: ops.mean(late(y, p)), 0.75),
    row("late", "per_output", lambda y, p: ops.maximum(3 * (y - p), p - y), 0.75),
    row("late", "swapped", lambda y, p: late(p, y), 0.75),
    row("late", "symmetric", L.mean_absolute_error, 0.75),
    row("late", "symmetric", lambda y, p: 3 * L.mean_absolute_error(y, p), 0.75),
    row("late", "squared", L.mean_squared_error, 0.75),
    row("late", "squared", lambda y, p: ops.mean(3 * (y - p) ** 2, axis=-1), 0.75),
    row("late", "scaled", lambda y, p: 2 * late(y, p), 0.75),
    row("late", "scaled", lambda y, p: late(y, p) / 4, 0.75),
    row("late", "one_side", lambda y, p: ops.mean(3 * ops.relu(y - p), axis=-1), 0.75),
    row("late", "summed", lambda y, p: ops.sum(ops.maximum(3 * (y - p), p - y), axis=-1), 0.75),
    row("late", "negative", lambda y, p: ops.mean(3 * (y - p), axis=-1), 0.75),
    row("late", "no_gradient", by_numpy, 0.75),
    row("late", "gradient", half_stopped, 0.75),
    row("late", "no_gradient", all_stopped, 0.75),
    row("late", "extreme", smooth, 0.75),
    row("late", "extreme", lambda y, p: ops.cast(late(y, p), "float16"), 0.75),
    row("late", "largest", lambda y, p: ops.max(ops.maximum(3 * (y - p), p - y), -1), 0.75),
    row("late", "one_output", lambda y, p: late(y[:, :1], p[:, :1]), 0.75),
    row("late", "one_output", lambda y, p: late(y[:, -1:], p[:, -1:]), 0.75),
    row("late", "middle", lambda y, p: ops.median(ops.maximum(3 * (y - p), p - y), -1), 0.75),
    row(
        "late",
        "netted",
        lambda y, p: ops.maximum(3 * ops.mean(y - p, -1), ops.mean(p - y, -1)),
        0.75,
    ),
    row("late", "over_rows", lambda y, p: late(y, p) * 0 + ops.mean(late(y, p)), 0.75),
    row("late", "wrong", lambda y, p: ops.min(ops.maximum(3 * (y - p), p - y), -1), 0.75),
    row("late", "prices", lambda y, p: ops.mean(ops.maximum(2 * (y - p), p - y), axis=-1), 0.75),
    row("late", "prices", lambda y, p: ops.mean(ops.maximum(3 * (y - p), 2 * (p - y)), -1), 0.75),
    row("late", "curved", lambda y, p: late(y, p) + ops.mean(ops.relu(y - p - 1), -1), 0.75),
    row("late", "exact", exact_root, 0.75),
    row("late", "alternative", late, "3/4"),
    row("late", "none", lambda y, p: None, 0.75),
    row("late", "called", 3.0, 0.75),
    row("late", "covers_low", late, 0.25),
    row("late", "covers_half", late, 0.5),
    row("late", "covers_ratio", late, 3),
    row("late", "covers_ratio", late, 0.333),
    row("late", "covers_ratio", late, 0.667),
    row("late", "type", Late, 0.75),
    row("late", "negative", lambda y, p: -late(y, p), 0.75),
    row("late", "shape", lambda y, p: ops.mean(ops.maximum(3 * (y - p), p - y), axis=0), 0.75),
    row("late", "covers", late, 0.9),
]


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("exercise, answers, words", [
    ("always_no", lazy(accuracy=98), "You gave 98"),
    ("focus", (1, 5.04), "5.04 says how many times"),
    ("class_weights", ({0: 1, 1: 10}, 0.693), "weighs 990 in all, class 1 100"),
    ("late", (lambda y, p: -late(y, p), 0.75), "too low by 1 costs -3"),
    ("late", (lambda y, p: late(y, p) / 4, 0.75), "low by 1 costs 0.75, too high by 1 0.25"),
])  # fmt: skip
def test_a_message_says_what_was_given(exercise, answers, words):
    message = lesson.check.verdict(exercise, *answers).message
    assert words.lower() in message.lower(), message


def test_the_shares_of_the_focus_exercise_are_keras_s():
    for gamma in (0.0, 1.0, 2.0):
        focal = L.BinaryFocalCrossentropy(gamma=gamma, reduction=None)
        easy, hard = (
            float(focal(np.array([[t]]), np.array([[p]]))[0]) for t, p in ((0.0, 0.1), (1.0, 0.1))
        )
        assert np.allclose(lesson._shares(gamma), (975 * easy, 25 * hard), rtol=1e-4)


def test_keras_reports_the_first_loss_that_the_check_asks_for():
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    net.compile(keras.optimizers.SGD(0.0), L.BinaryCrossentropy(from_logits=True))
    for weights, said in (({0: 0.505, 1: 50}, 0.693), ({1: 99}, 1.372)):
        log = net.fit(np.ones((1000, 1)), TRUTH[:, None], 1000, 1, verbose=0, class_weight=weights)
        assert log.history["loss"][0] == pytest.approx(said, rel=0.02)
        assert lesson.check.verdict("class_weights", weights, log.history["loss"][0]).key == "ok"


def test_three_quarters_is_the_best_announcement():
    minutes = np.random.default_rng(0).gamma(5.0, 6.0, (2000, 1)).astype("float32")
    announced = np.linspace(10, 80, 141)
    costs = [float(ops.mean(late(minutes, np.full_like(minutes, m)))) for m in announced]
    assert np.mean(minutes < announced[np.argmin(costs)]) == pytest.approx(0.75, abs=0.02)


def test_the_second_model_of_the_exercise_has_the_scores_that_keras_counts():
    said = np.r_[np.zeros(980), np.ones(20)]
    scores = {"precision": 0.5, "recall": 1.0, "f1": 2 / 3}
    metrics = (
        keras.metrics.Precision(),
        keras.metrics.Recall(),
        keras.metrics.F1Score(threshold=0.5),
    )
    for metric, wanted in zip(metrics, scores.values(), strict=True):
        metric.update_state(TRUTH[:, None].astype("float32"), said[:, None].astype("float32"))
        assert np.allclose(metric.result(), wanted, atol=1e-4)


def test_the_honest_probability_undoes_the_weights():
    """The best constant forecast of weighted cross-entropy has 40 times the odds."""
    share = 1 / 11
    p = np.linspace(0.001, 0.999, 999)
    cost = -(40 * share * np.log(p) + (1 - share) * np.log(1 - p))
    assert p[cost.argmin()] == pytest.approx(0.8, abs=2e-3)


def test_trouble_with_a_loss():
    trouble = lesson.parts.trouble_with
    assert trouble(L.mean_squared_error) == trouble(late) == "nothing found"
    assert trouble(lambda y, p: ops.mean(late(y, p))) == "not one value per row"
    assert trouble(half_stopped) == "the gradient is not that of the loss"
    assert trouble(exact_root) == "not finite for exact predictions"
    assert (
        trouble(lambda y, p: ops.mean(ops.exp(p - y), -1)) == "not finite for 1,000 off predictions"
    )
