"""Right answers of several kinds, and what each wrong one is told."""

import functools

import keras
import numpy as np
import pytest
from answers import row
from keras import ops

from coursekit import losses
from coursekit.lessons import structured_losses as lesson

pytestmark = pytest.mark.any_backend
L = keras.losses


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


# dice


def dice(y, p, s):
    return 1 - (2 * np.sum(y * p, axis=(1, 2)) + s) / (np.sum(y + p, axis=(1, 2)) + s)


def dice_flat(y, p, s):
    y, p = y.reshape(len(y), -1), p.reshape(len(p), -1)
    return [1 - (2 * a @ b + s) / (a.sum() + b.sum() + s) for a, b in zip(y, p, strict=True)]


def dice_ops(y, p, s):
    y, p = ops.cast(y, "float32"), ops.cast(p, "float32")
    overlap = ops.sum(y * p, axis=(1, 2), keepdims=True)
    return 1 - (2 * overlap + s) / (ops.sum(y + p, axis=(1, 2), keepdims=True) + s)


def odd_dice(*, two=2, above=1, below=1, power=1, union=False, minus=True, mean=False, cut=False):
    total = np.mean if mean else np.sum

    def answer(y, p, s):
        p = np.round(p) if cut else p
        overlap = total(y * p, axis=(1, 2))
        sums = total(y**power, axis=(1, 2)) + total(p**power, axis=(1, 2)) - union * overlap
        share = (two * overlap + above * s) / (sums + below * s)
        return 1 - share if minus else share

    return answer


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


ANSWERS = [
    row("contrastive", "ok", contrastive, "AC"),
    row("contrastive", "alternative", contrastive_loop, ["a", "c"]),
    row("contrastive", "alternative", contrastive_ops, "A and C"),
    row("contrastive", "alternative", contrastive_column, {"C", "A"}),
    row("contrastive", "alternative", contrastive, "only A and C"),
    row("contrastive", "alternative", lambda *a: np.float16(contrastive(*a)), "pairs A and C"),
    row(
        "contrastive",
        "alternative",
        lambda d, y, m: losses.pair_contrastive(y, d, margin=m),
        ("A", "C"),
    ),
    row("contrastive", "todo", lambda d, y, m: ..., "AC"),
    row("contrastive", "todo", contrastive, ...),
    row("contrastive", "swapped", other(push, near), "AC"),
    row("contrastive", "half", lambda *a: contrastive(*a) / 2, "AC"),
    row("contrastive", "squares", other(near, lambda d, m: np.maximum(0, m - d)), "AC"),
    row("contrastive", "squares", other(lambda d, m: d, push), "AC"),
    row("contrastive", "squares", other(lambda d, m: d, lambda d, m: np.maximum(0, m - d)), "AC"),
    row("contrastive", "similar", other(lambda d, m: np.maximum(0, d - m) ** 2, push), "AC"),
    row("contrastive", "similar", other(push, push), "AC"),
    row("contrastive", "similar", other(lambda d, m: -(d**2), push), "AC"),
    row("contrastive", "similar", other(lambda d, m: d**2 / 2, push), "AC"),
    row("contrastive", "similar", lambda d, y, m: (1 - y) * push(d, m), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: np.maximum(0, m - d**2)), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: np.maximum(0, m - d**2) ** 2), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: np.maximum(0, d - m) ** 2), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: np.minimum(0, m - d) ** 2), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: (m - d) ** 2), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: np.maximum(0, m**2 - d**2)), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: m - d), "AC"),
    row("contrastive", "dissimilar", other(near, lambda d, m: 0 * d), "AC"),
    row("contrastive", "dissimilar", lambda d, y, m: d**2, "AC"),
    row("contrastive", "both", other(lambda d, m: d, lambda d, m: (m - d) ** 2), "AC"),
    row("contrastive", "both", other(lambda d, m: d / 1, lambda d, m: np.maximum(0, d - m)), "AC"),
    row("contrastive", "one_number", lambda *a: np.mean(contrastive(*a)), "AC"),
    row("contrastive", "one_row", lambda d, y, m: contrastive(d, y, m) + (len(d) == 1), "AC"),
    row("contrastive", "factor", lambda *a: -contrastive(*a), "AC"),
    row("contrastive", "margin_ignored", lambda d, y, m: contrastive(d, y, 1.0), "AC"),
    row("contrastive", "margin_ignored", other(lambda d, m: m * d**2, push), "AC"),
    row("contrastive", "wrong", other(lambda d, m: (d + 0.1) ** 2, push), "AC"),
    row("contrastive", "wrong", lambda d, y, m: d + m, "AC"),
    row("contrastive", "wrong", lambda d, y, m: 0 * d + 1e6, "AC"),
    row("contrastive", "mutated", in_place, "AC"),
    row("contrastive", "called", 0.36, "AC"),
    row("contrastive", "none", lambda d, y, m: None, "AC"),
    row("contrastive", "nan", lambda d, y, m: d / 0 * 0, "AC"),
    row("contrastive", "shape", lambda *a: contrastive(*a)[:3], "AC"),
    row("contrastive", "raised", lambda d, y, m: d**2 if y == 1 else max(0, m - d) ** 2, "AC"),
    row("contrastive", "far_similar", contrastive, "ABC"),
    row("contrastive", "near_dissimilar", contrastive, "ACD"),
    row("contrastive", "missing", contrastive, "A"),
    row("contrastive", "zero_itself", contrastive, "C"),
    row("contrastive", "nobody", contrastive, "none"),
    row("contrastive", "options", contrastive, "AE"),
    row("contrastive", "options", contrastive, 3),
    row("triplet", "ok", 0.1, "C", 0.2),
    row("triplet", "alternative", max(0, 0.5 - 0.6 + 0.2), "c", np.float32(0.2)),
    row("triplet", "alternative", ops.convert_to_tensor(0.1), " C ", "1/5"),
    row("triplet", "alternative", [0.1], "only C", [0.2]),
    row("triplet", "todo", ..., "C", 0.2),
    row("triplet", "already_closer", 0, "C", 0.2),
    row("triplet", "swapped", 0.3, "C", 0.2),
    row("triplet", "no_margin", -0.1, "C", 0.2),
    row("triplet", "margin_off", -0.3, "C", 0.2),
    row("triplet", "rooted", 0.5**0.5 - 0.6**0.5 + 0.2, "C", 0.2),
    row("triplet", "squared", 0.25 - 0.36 + 0.2, "C", 0.2),
    row("triplet", "squared_loss", 0.01, "C", 0.2),
    row("triplet", "added", 1.3, "C", 0.2),
    row("triplet", "of_a", 0.4, "C", 0.2),
    row("triplet", "of_c", -0.2, "C", 0.2),
    row("triplet", "only_margin", 0.2, "C", 0.2),
    row("triplet", "only_positive", 0.5, "C", 0.2),
    row("triplet", "only_negative", 0.6, "C", 0.2),
    row("triplet", "positive_and_margin", 0.7, "C", 0.2),
    row("triplet", "loss", 7, "C", 0.2),
    row("triplet", "loss", -1e5, "C", 0.2),
    row("triplet", "hard", 0.1, "A", 0.2),
    row("triplet", "semi_hard", 0.1, "B", 0.2),
    row("triplet", "two_letters", 0.1, "AC", 0.2),
    row("triplet", "two_letters", 0.1, "none", 0.2),
    row("triplet", "stuck_zero", 0.1, "C", 0.0),
    row("triplet", "stuck_b", 0.1, "C", 0.1),
    row("triplet", "stuck_twice", 0.1, "C", 0.4),
    row("triplet", "stuck", 0.1, "C", 7),
    row("triplet", "options", 0.1, "D", 0.2),
    row("contrastive", "similar", lambda d, y, m: y * d**2 + np.maximum(0, m - d) ** 2, "AC"),
    row(
        "contrastive",
        "dissimilar",
        lambda d, y, m: d**2 + (1 - y) * np.maximum(0, m - d) ** 2,
        "AC",
    ),
    row("contrastive", "both", lambda d, y, m: d**2 + np.maximum(0, m - d) ** 2, "AC"),
    row("dice", "ok", dice),
    row("dice", "alternative", dice_flat),
    row("dice", "alternative", dice_ops),
    row("dice", "alternative", lambda y, p, s: np.float32(dice(y, p, s))[:, None]),
    row("dice", "todo", lambda y, p, s: ...),
    row("dice", "score", odd_dice(minus=False)),
    row("dice", "no_two", odd_dice(two=1)),
    row("dice", "iou", odd_dice(two=1, union=True)),
    row("dice", "s_above", odd_dice(above=0)),
    row("dice", "s_below", odd_dice(below=0)),
    row("dice", "no_s", odd_dice(above=0, below=0)),
    row("dice", "squares", odd_dice(power=2)),
    row("dice", "rounded", odd_dice(cut=True)),
    row("dice", "means", odd_dice(mean=True)),
    row("dice", "several", odd_dice(two=1, minus=False)),
    row("dice", "several", odd_dice(above=0, minus=False)),
    row("dice", "several", odd_dice(two=1, above=0, minus=False)),
    row("dice", "several", odd_dice(two=1, union=True, above=0, below=0)),
    row("dice", "several", odd_dice(power=2, above=0)),
    row("dice", "one_number", lambda y, p, s: 1 - (2 * (y * p).sum() + s) / ((y + p).sum() + s)),
    row("dice", "axis", lambda y, p, s: y * p),
    row("dice", "axis", lambda y, p, s: 1 - (2 * (y * p).sum(1) + s) / ((y + p).sum(1) + s)),
    row("dice", "factor", lambda y, p, s: -dice(y, p, s)),
    row("dice", "sizes", lambda y, p, s: dice(y, p, 1.0)),
    row("dice", "wrong", lambda y, p, s: 0 * dice(y, p, s) + 0.3),
    row("dice", "wrong", lambda y, p, s: ((y - p) ** 2).mean((1, 2))),
    row(
        "dice",
        "s_twice",
        lambda y, p, s: 1 - 2 * ((y * p).sum((1, 2)) + s) / ((y + p).sum((1, 2)) + s),
    ),
    row(
        "dice",
        "s_twice_below",
        lambda y, p, s: 1 - (2 * (y * p).sum((1, 2)) + s) / ((y + p).sum((1, 2)) + 2 * s),
    ),
    row("dice", "log", lambda y, p, s: -np.log(1 - dice(y, p, s))),
    row("dice", "pixels", lambda y, p, s: (1 - (2 * y * p + s) / (y + p + s)).mean((1, 2))),
    row("dice", "one_mean", lambda y, p, s: 0 * dice(y, p, s) + dice(y, p, s).mean()),
    row(
        "dice",
        "alternative",
        lambda y, p, s: (y + p - 2 * y * p).sum((1, 2)) / ((y + p).sum((1, 2)) + s),
    ),
    row("dice", "none", lambda y, p, s: None),
    row("dice", "called", 0.5),
    row("dice", "nan", lambda y, p, s: 0 * dice(y, p, s) + np.nan),
    row("dice", "raised", lambda y, p, s: dice(y, p.reshape(3, 20), s)),
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
    row("guide", "alternative", but(fares="median regression")),
    row("guide", "unknown", but(fares="houber")),
    row("guide", "unknown", but(faces="no triplet")),
    row("guide", "unknown", but(lesions="undiced")),
    row("guide", "unknown", but(margin="unhinged")),
    row("guide", "unknown", but(labels="never smooth")),
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


def test_a_message_says_both_halves():
    outcome = lesson.check.verdict(
        "contrastive", other(lambda d, m: d, lambda d, m: (m - d) ** 2), "AC"
    )
    assert "the square is missing; and a dissimilar pair beyond" in outcome.message


def test_the_dice_of_the_exercise_is_coursekit_s():
    rng = np.random.default_rng(1)
    y, p = (rng.uniform(size=(3, 4, 5)) > 0.5).astype("float32"), rng.uniform(size=(3, 4, 5))
    ours = losses.crossentropy_dice(y, p[..., None].astype("float32"), ce_weight=0.0, smooth=1.0)
    assert np.allclose(ours, dice(y, p, 1.0), atol=1e-5)


def test_every_loss_of_keras_and_coursekit_has_a_family():
    ours = [v for v in vars(losses).values() if isinstance(v, type) and issubclass(v, L.Loss)]
    theirs = [v for v in vars(L).values() if isinstance(v, type) and v is not L.Loss]
    for kind in ours + theirs:
        name, family = lesson.family_of(kind)
        assert family in lesson.WORDS, name
