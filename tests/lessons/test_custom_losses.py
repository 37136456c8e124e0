"""Right answers of several kinds, and what each wrong one is told."""

import functools

import keras
import numpy as np
import pytest
from answers import row
from keras import ops
from sklearn.metrics import f1_score, recall_score

from coursekit import losses
from coursekit.lessons import custom_losses as lesson

L = keras.losses
TRUTH, NEVER = np.r_[np.zeros(990), np.ones(10)], np.zeros(1000)


# contrastive


def contrastive(d, y, m):
    return y * d**2 + (1 - y) * np.maximum(0, m - d) ** 2


def contrastive_loop(d, y, m):
    return [a**2 if s else max(0, m - a) ** 2 for a, s in zip(d, y, strict=True)]


def contrastive_ops(d, y, m):
    d, y = ops.convert_to_tensor(d, "float32"), ops.cast(y, "bool")
    return ops.where(y, d**2, ops.relu(m - d) ** 2)


def contrastive_column(d, y, m):
    return contrastive(d, y, m)[:, None]


def in_place(d, y, m):
    d -= m
    return y * (d + m) ** 2 + (1 - y) * np.minimum(0, d) ** 2


def other(similar, dissimilar):
    return lambda d, y, m: y * similar(d, m) + (1 - y) * dissimilar(d, m)


def near(d, m=1.0):
    return d**2


def push(d, m):
    return np.maximum(0, m - d) ** 2


# late


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


def stopped(y, p):
    return late(y, p) + ops.mean(p - ops.stop_gradient(p), axis=-1)


def smooth(y, p):
    e = y - p
    return ops.mean(3 * ops.log(1 + ops.exp(25 * e)) / 25 + ops.relu(-e), axis=-1)


RIGHT = {
    "fares": "huber",
    "claims": "binary_crossentropy",
    "faces": "triplet",
    "lesions": "dice",
    "labels": "label smoothing",
    "margin": "hinge",
}
OBJECTS = {
    "fares": L.MeanAbsoluteError(),
    "claims": L.BinaryCrossentropy(from_logits=True),
    "faces": losses.PairContrastive(margin=2.0),
    "lesions": losses.CrossentropyDice(from_logits=True),
    "labels": L.CategoricalCrossentropy(label_smoothing=0.1),
    "margin": L.SquaredHinge(),
}
OTHERS = {
    "fares": L.log_cosh,
    "claims": "SparseCategoricalCrossentropy",
    "faces": losses.InfoNCE,
    "lesions": functools.partial(losses.focal_tversky, fn_weight=0.7),
    "labels": L.CategoricalGeneralizedCrossEntropy(),
    "margin": losses.crammer_singer_hinge,
}


def but(**changed):
    return {**RIGHT, **changed}


def first(zero, one):
    return (990 * zero + 10 * one) / 1000 * np.log(2)


ANSWERS = [
    row("always_no", "ok", 0.99, 0.0, 0.0, "f1"),
    row("always_no", "alternative", 99, 0, 0, " F1"),
    row("always_no", "alternative", 990 / 1000, np.float32(0), ops.zeros(()), "f1"),
    row(
        "always_no",
        "alternative",
        np.mean(TRUTH == NEVER),
        recall_score(TRUTH, NEVER),
        f1_score(TRUTH, NEVER),
        "f1",
    ),
    row("always_no", "alternative", np.float16(0.99), np.int8(0), 0, "(f1)"),
    row("always_no", "todo", ..., ..., ..., ...),
    row("always_no", "recall_as_accuracy", 0.99, 0.99, 0.99, "f1"),
    row("always_no", "recall", 0.99, 1.0, 0.0, "f1"),
    row("always_no", "recall", 0.99, 0.01, 0.0, "f1"),
    row("always_no", "f1_nan", 0.99, 0.0, float("nan"), "f1"),
    row("always_no", "f1_nan", 0.99, 0.0, np.float32("nan"), "f1"),
    row("always_no", "f1_macro", 0.99, 0.0, f1_score(TRUTH, NEVER, average="macro"), "f1"),
    row("always_no", "f1", 0.99, 0.0, 0.02, "f1"),
    row("always_no", "accuracy", 0.01, 0.0, 0.0, "f1"),
    row("always_no", "accuracy", 1.0, 0.0, 0.0, "f1"),
    row("always_no", "accuracy", 98, 0.0, 0.0, "f1"),
    row("always_no", "f1", 0.99, 0.0, f1_score(TRUTH, NEVER, average="weighted"), "f1"),
    row("always_no", "watch_accuracy", 0.99, 0.0, 0.0, "accuracy"),
    row("always_no", "watch_recall", 0.99, 0.0, 0.0, "recall"),
    row("always_no", "option", 0.99, 0.0, 0.0, "precision"),
    row("always_no", "none", 0.99, None, 0.0, "f1"),
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
    row("class_weights", "first_loss", {0: 0.505, 1: 50}, 1.0),
    row("class_weights", "first_loss", {1: 99}, 99 * np.log(2)),
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
    row("focus", "share", 1, 0.5),
    row("focus", "none", 1, None),
    row("contrastive", "ok", contrastive, "AC"),
    row("contrastive", "alternative", contrastive_loop, ["a", "c"]),
    row("contrastive", "alternative", contrastive_ops, "A and C"),
    row("contrastive", "alternative", contrastive_column, {"C", "A"}),
    row(
        "contrastive",
        "alternative",
        lambda d, y, m: losses.pair_contrastive(y, d, margin=m),
        ("A", "C"),
    ),
    row("contrastive", "todo", lambda d, y, m: ..., "AC"),
    row("contrastive", "todo", contrastive, ...),
    row("contrastive", "swapped", other(push, near), "AC"),
    row("contrastive", "similar_margin", other(lambda d, m: np.maximum(0, d - m) ** 2, push), "AC"),
    row("contrastive", "similar_margin", other(push, push), "AC"),
    row("contrastive", "similar_margin", lambda d, y, m: np.maximum(0, m - d) ** 2, "AC"),
    row("contrastive", "squared_inside", other(near, lambda d, m: np.maximum(0, m - d**2)), "AC"),
    row(
        "contrastive",
        "squared_inside",
        other(near, lambda d, m: np.maximum(0, m - d**2) ** 2),
        "AC",
    ),
    row("contrastive", "no_square", other(near, lambda d, m: np.maximum(0, m - d)), "AC"),
    row("contrastive", "no_square", other(lambda d, m: d, push), "AC"),
    row("contrastive", "no_square", other(lambda d, m: d, lambda d, m: np.maximum(0, m - d)), "AC"),
    row("contrastive", "alternative", lambda *a: np.float16(contrastive(*a)), "pairs A and C"),
    row("contrastive", "wrong_way", other(near, lambda d, m: np.maximum(0, d - m) ** 2), "AC"),
    row("contrastive", "letters", contrastive, 3),
    row("contrastive", "no_max", other(near, lambda d, m: (m - d) ** 2), "AC"),
    row("contrastive", "half", lambda *a: contrastive(*a) / 2, "AC"),
    row("contrastive", "one_number", lambda *a: np.mean(contrastive(*a)), "AC"),
    row("contrastive", "margin_ignored", lambda d, y, m: contrastive(d, y, 1.0), "AC"),
    row("contrastive", "margin_ignored", other(lambda d, m: m * d**2, push), "AC"),
    row("contrastive", "wrong", other(lambda d, m: (d + 0.1) ** 2, push), "AC"),
    row("contrastive", "similar_margin", lambda d, y, m: d + m, "AC"),
    row("contrastive", "wrong", other(near, lambda d, m: 0 * d), "AC"),
    row("contrastive", "mutated", in_place, "AC"),
    row("contrastive", "called", 0.36, "AC"),
    row("contrastive", "none", lambda d, y, m: None, "AC"),
    row("contrastive", "shape", lambda *a: contrastive(*a)[:3], "AC"),
    row("contrastive", "raised", lambda d, y, m: d**2 if y == 1 else max(0, m - d) ** 2, "AC"),
    row("contrastive", "far_similar", contrastive, "ABC"),
    row("contrastive", "near_dissimilar", contrastive, "ACD"),
    row("contrastive", "missing", contrastive, "A"),
    row("contrastive", "zero_itself", contrastive, "C"),
    row("contrastive", "letters", contrastive, "AE"),
    row("contrastive", "letters", contrastive, ""),
    row("triplet", "ok", 0.1, "C", 0.2),
    row("triplet", "alternative", max(0, 0.5 - 0.6 + 0.2), "c", np.float32(0.2)),
    row("triplet", "alternative", ops.convert_to_tensor(0.1), " C ", 1 / 5),
    row("triplet", "todo", ..., "C", 0.2),
    row("triplet", "already_closer", 0, "C", 0.2),
    row("triplet", "swapped", 0.3, "C", 0.2),
    row("triplet", "no_margin", -0.1, "C", 0.2),
    row("triplet", "rooted", 0.5**0.5 - 0.6**0.5 + 0.2, "C", 0.2),
    row("triplet", "loss", 1.3, "C", 0.2),
    row("triplet", "hard", 0.1, "A", 0.2),
    row("triplet", "semi_hard", 0.1, "B", 0.2),
    row("triplet", "stuck_zero", 0.1, "C", 0.0),
    row("triplet", "stuck", 0.1, "C", 0.1),
    row("triplet", "option", 0.1, "AC", 0.2),
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
    row("late", "gradient", stopped, 0.75),
    row("late", "extreme", smooth, 0.75),
    row("late", "extreme", lambda y, p: ops.cast(late(y, p), "float16"), 0.75),
    row("late", "wrong", lambda y, p: ops.max(ops.maximum(3 * (y - p), p - y), -1), 0.75),
    row("late", "wrong", lambda y, p: late(y[:, :1], p[:, :1]), 0.75),
    row("late", "none", lambda y, p: None, 0.75),
    row("late", "called", 3.0, 0.75),
    row("late", "covers_low", late, 0.25),
    row("late", "covers_half", late, 0.5),
    row("late", "covers_ratio", late, 3),
    row("late", "covers_ratio", late, 0.333),
    row("late", "covers", late, 0.667),
    row("late", "type", Late, 0.75),
    row("late", "negative", lambda y, p: -late(y, p), 0.75),
    row("late", "shape", lambda y, p: ops.mean(ops.maximum(3 * (y - p), p - y), axis=0), 0.75),
    row("late", "covers", late, 0.9),
    row("guide", "ok", RIGHT),
    row("guide", "alternative", OBJECTS),
    row("guide", "alternative", OTHERS),
    row("guide", "alternative", but(faces=L.Circle(), lesions=L.BinaryFocalCrossentropy())),
    row("guide", "alternative", but(faces="Supervised contrastive", lesions="CE + Dice")),
    row("guide", "alternative", but(fares="quantile", claims="mse", labels="mae")),
    row("guide", "alternative", but(lesions=L.Tversky, margin=losses.CrammerSingerHinge())),
    row("guide", "alternative", but(lesions="weighted binary cross-entropy", claims="log loss")),
    row("guide", "alternative", but(faces=L.BinaryCrossentropy(), labels=L.MeanSquaredError())),
    row(
        "guide",
        "alternative",
        but(labels=functools.partial(L.categorical_crossentropy, label_smoothing=0.1)),
    ),
    row("guide", "alternative", but(fares="Tukey biweight", margin="modified_huber")),
    row("guide", "alternative", but(lesions="BCE with pos_weight", labels="Brier")),
    row("guide", "alternative", but(lesions="Lovász softmax", labels="bi-tempered loss")),
    row("guide", "todo", but(fares=...)),
    row("guide", "not_dict", ["huber"]),
    row("guide", "missing", {"fares": "huber"}),
    row("guide", "unknown", but(fares="houber")),
    row("guide", "unknown", but(faces=7)),
    row("guide", "unknown", but(faces=None)),
    row("guide", "squares", but(fares="mean_squared_error")),
    row("guide", "distorts", but(claims=L.BinaryFocalCrossentropy())),
    row("guide", "distorts", but(claims=L.BinaryCrossentropy(label_smoothing=0.1))),
    row("guide", "distorts", but(claims="weighted cross-entropy")),
    row("guide", "closed", but(faces="sparse_categorical_crossentropy")),
    row("guide", "empty", but(lesions=L.BinaryCrossentropy())),
    row("guide", "too_sure", but(labels=L.SparseCategoricalCrossentropy(from_logits=True))),
    row("guide", "too_sure", but(labels=L.CategoricalCrossentropy(label_smoothing=0.0))),
    row("guide", "too_sure", but(labels=losses.LabelSmoothedCrossentropy(label_smoothing=0.0))),
    row("guide", "other_task", but(faces="hinge")),
    row("guide", "hard_is_wrong", but(labels="focal")),
    row("guide", "hard_is_wrong", but(labels=L.CategoricalFocalCrossentropy(label_smoothing=0.1))),
    row("guide", "all_rows", but(margin="binary_crossentropy")),
    row("guide", "other_task", but(fares="dice")),
    row("guide", "other_task", but(labels="class-balanced")),
    row("guide", "other_task", but(faces="GAN loss")),
    row("guide", "other_task", but(fares=L.Poisson())),
]


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("exercise, answers, words", [
    ("always_no", (98, 0.0, 0.0, "f1"), "You gave 98"),
    ("focus", (1, 5.04), "5.04 says how many times"),
    ("class_weights", ({0: 1, 1: 10}, 0.693), "weighs 990 in all, class 1 100"),
    ("contrastive", (other(lambda d, m: m * d**2, push), "AC"), "1.5, y = 1, should cost 2.25"),
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


def test_every_loss_of_keras_and_coursekit_has_a_family():
    ours = [v for v in vars(losses).values() if isinstance(v, type) and issubclass(v, L.Loss)]
    theirs = [v for v in vars(L).values() if isinstance(v, type) and v is not L.Loss]
    for kind in ours + theirs:
        name, family = lesson.family_of(kind)
        assert family in lesson.WORDS, name
