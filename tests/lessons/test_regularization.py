"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
from answers import row

from coursekit.lessons.regularization import BLENDS, PULLS, SHAPES, STEPS, check


def l1_step(w, grad, rate, l1):
    u = w - rate * grad
    return np.sign(u) * np.maximum(np.abs(u) - rate * l1, 0)


def l1_step_clip(w, grad, rate, l1):
    u = w - rate * grad
    return u - np.clip(u, -rate * l1, rate * l1)


def l1_step_ops(w, grad, rate, l1):
    u = keras.ops.convert_to_tensor(w - rate * grad, "float32")
    return keras.ops.sign(u) * keras.ops.relu(keras.ops.abs(u) - rate * l1)


def l1_step_loop(w, grad, rate, l1):
    new = np.empty_like(w)
    for place in np.ndindex(w.shape):
        u, pull = w[place] - rate * grad[place], rate * l1
        new[place] = u - pull if u > pull else u + pull if u < -pull else 0
    return new.tolist()


def l1_step_almost(w, grad, rate, l1):
    new = l1_step(w, grad, rate, l1)
    return np.where(new == 0, 1e-9, new)


def l1_step_factor(w, grad, rate, l1):
    u = w - rate * grad
    return u * np.maximum(0, 1 - rate * l1 / np.abs(u))


def l1_step_keras(w, grad, rate, l1):
    return keras.ops.soft_shrink(keras.ops.convert_to_tensor(w - rate * grad), rate * l1)


def l1_slip(step="", pull="", shape=""):
    """Return the step with some parts wrong."""

    def function(w, grad, rate, l1):
        return SHAPES[shape](w, STEPS[step](w, grad, rate), PULLS[pull](rate, l1))

    return function


def orthant(w, grad, rate, l1):
    new = w - rate * (grad + l1 * np.sign(w))
    return np.where(new * w < 0, 0, new)


def decayed_beside(strength):
    return SGD(0.1, momentum=0.9, weight_decay=strength)


SGD, L2 = keras.optimizers.SGD, keras.regularizers.L2


def dropout(h, rate, rng, training):
    return h * (rng.random(h.shape) >= rate) / (1 - rate) if training else h


def dropout_where(h, rate, rng, training):
    if not training:
        return h
    return np.where(rng.random(h.shape) < rate, 0, h / (1 - rate))


def dropout_binomial(h, rate, rng, training):
    mask = rng.binomial(1, 1 - rate, size=h.shape)
    return h * mask / (1 - rate) if training else h * 1.0


def dropout_keras(h, rate, rng, training):
    layer = keras.layers.Dropout(rate, seed=int(rng.integers(10**6)))
    return layer(h, training=training)


def dropout_list(h, rate, rng, training):
    kept = [[v / (1 - rate) if rng.random() > rate else 0.0 for v in row] for row in h]
    return kept if training else h.tolist()


def dropout_half_precision(h, rate, rng, training):
    return dropout(h, rate, rng, training).astype("float16")


def changed(train=None, test=None, mask=None):
    """Return dropout with one thing changed."""

    def function(h, rate, rng, training):
        if not training:
            return h if test is None else test(h, rate, rng)
        keep = rng.random(h.shape) >= rate if mask is None else mask(h, rate, rng)
        return h * keep / (1 - rate) if train is None else train(h, keep, rate)

    return function


def in_place(h, rate, rng, training):
    h *= 2
    return h


def mix(x, y, order, share):
    return share * x + (1 - share) * x[order], share * y + (1 - share) * y[order]


def mix_outer(x, y, order, share):
    blend = np.eye(len(x)) * share + np.eye(len(x))[order] * (1 - share)
    return [np.tensordot(blend, x, 1), blend @ y]


def mix_loop(x, y, order, share):
    pairs = list(enumerate(order))
    return (
        [share * x[k] + (1 - share) * x[other] for k, other in pairs],
        [(share * y[k] + (1 - share) * y[other]).tolist() for k, other in pairs],
    )


def mix_keras(x, y, order, share):
    return tuple(keras.ops.convert_to_tensor(part, "float32") for part in mix(x, y, order, share))


def mixed(images="", targets=""):
    """Return a blend with some parts wrong."""

    def one(way, values, order, share):
        other = values[np.argsort(order) if way == "order" else order]
        return BLENDS["" if way == "order" else way](values, other, share)

    return lambda x, y, order, share: (
        one(images, x, order, share),
        one(targets, y, order, share),
    )


def mix_in_place(x, y, order, share):
    x *= share
    return x, y


COUNTER = iter(range(10**6))

ANSWERS = [
    row("l1_step", "ok", l1_step),
    row("l1_step", "alternative", l1_step_clip),
    row("l1_step", "alternative", l1_step_ops),
    row("l1_step", "alternative", l1_step_loop),
    row("l1_step", "alternative", l1_step_factor),
    row("l1_step", "alternative", l1_step_keras),
    row("l1_step", "todo", lambda w, grad, rate, l1: ...),
    *(row("l1_step", key, l1_slip(step=key)) for key in STEPS if key),
    *(row("l1_step", key, l1_slip(pull=key)) for key in PULLS if key),
    *(row("l1_step", key, l1_slip(shape=key)) for key in SHAPES if key),
    row("l1_step", "several", l1_slip(step="uphill", pull="no_rate")),
    row("l1_step", "several", l1_slip(step="full_gradient", shape="no_sign")),
    row("l1_step", "several", l1_slip(pull="twice", shape="crosses")),
    row("l1_step", "several", l1_slip("no_gradient", "half", "hard")),
    row("l1_step", "several", l1_slip(pull="no_rate", shape="shrinks")),
    row("l1_step", "differs", lambda w, grad, rate, l1: w * 0 + 7),
    row("l1_step", "differs", lambda w, grad, rate, l1: w * 1e6 - 3),
    row("l1_step", "differs", lambda w, grad, rate, l1: np.sqrt(np.abs(w))),
    row("l1_step", "differs", lambda w, grad, rate, l1: l1_step(w, grad, rate, l1) + 0.01),
    row("l1_step", "nan", lambda w, grad, rate, l1: w / w),
    row("l1_step", "shape", lambda w, grad, rate, l1: l1_step(w, grad, rate, l1).ravel()[:1]),
    row("l1_step", "almost", l1_step_almost),
    row("l1_step", "differs", lambda w, grad, rate, l1: l1_step(w, grad, 0.1, 1.0)),
    row("l1_step", "orthant", orthant),
    row("l1_step", "shrinks", lambda w, grad, rate, l1: (w - rate * grad) * (1 - rate * l1)),
    row("l1_step", "rate_alone", lambda w, grad, rate, l1: l1_step(w, grad, rate, 1.0)),
    row("l1_step", "none", lambda w, grad, rate, l1: print(w)),
    row("l1_step", "shape", lambda w, grad, rate, l1: 0.0),
    row("l1_step", "called", l1_step(np.ones(2), np.ones(2), 0.1, 1.0)),
    row("l1_step", "signature", lambda w, grad: w),
    row("ported", "ok", SGD(0.1, momentum=0.9), L2(0.005)),
    row("ported", "alternative", SGD(0.1, 0.9), keras.regularizers.L1L2(l2=0.005)),
    row("ported", "alternative", SGD(0.1, 0.9), lambda w: 0.005 * keras.ops.sum(w**2)),
    row("ported", "alternative", SGD(0.1, 0.9), {"class_name": "L2", "config": {"l2": 0.005}}),
    row("ported", "alternative", SGD(0.1, 0.9), lambda w: 0.005 * keras.ops.vdot(w, w)),
    row("ported", "alternative", SGD(lambda: 0.1, 0.9), L2(0.005)),
    row(
        "ported",
        "alternative",
        SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 9, 0.1), 0.9),
        L2(0.005),
    ),
    row("ported", "alternative", keras.optimizers.LossScaleOptimizer(SGD(0.1, 0.9)), L2(0.005)),
    row("ported", "alternative", SGD(0.1, 0.9, clipnorm=1e6), L2(0.005)),
    row("ported", "alternative", SGD(0.1, 0.9, weight_decay=0.0), L2(0.005)),
    row("ported", "todo", ..., L2(0.005)),
    row("ported", "todo", SGD(0.1, momentum=0.9), ...),
    row("ported", "double", SGD(0.1, momentum=0.9), L2(0.01)),
    row("ported", "decoupled", SGD(0.1, momentum=0.9, weight_decay=0.01), None),
    row("ported", "both", SGD(0.1, momentum=0.9, weight_decay=0.01), L2(0.005)),
    row("ported", "several", SGD(0.1, momentum=0.9, weight_decay=0.01), L2(0.01)),
    row("ported", "both", decayed_beside(0.005), L2(0.005)),
    row("ported", "decoupled", decayed_beside(0.005), None),
    row("ported", "decoupled", decayed_beside(0.1), None),
    row("ported", "strength", SGD(0.1, momentum=0.9), L2(0.05)),
    row("ported", "strength", SGD(0.1, momentum=0.9), L2(0.0005)),
    row("ported", "sign", SGD(0.1, momentum=0.9), lambda w: -0.005 * keras.ops.sum(w**2)),
    row("ported", "mean", SGD(0.1, momentum=0.9), lambda w: 0.005 * keras.ops.mean(w**2)),
    row("ported", "other_penalty", SGD(0.1, momentum=0.9), lambda w: 0.005 * keras.ops.sum(w)),
    row("ported", "other_penalty", SGD(0.1, 0.9), keras.regularizers.L1L2(0.005, 0.005)),
    row("ported", "other_penalty", SGD(0.1, 0.9), keras.regularizers.OrthogonalRegularizer(0.01)),
    row("ported", "momentum", SGD(0.1, momentum=0.95), L2(0.005)),
    row("ported", "rate", SGD(1e-3, momentum=0.9), L2(0.005)),
    row("ported", "several", SGD(0.01), L2(0.01)),
    row("ported", "several", SGD(), None),
    row("ported", "several", keras.optimizers.AdamW(0.1, weight_decay=0.01), None),
    row("ported", "several", keras.optimizers.AdamW(), L2(0.01)),
    row("ported", "other_optimizer", keras.optimizers.RMSprop(0.1, momentum=0.9), L2(0.005)),
    row("ported", "differs", SGD(0.1, momentum=0.9, clipnorm=0.5), L2(0.005)),
    row(
        "ported",
        "differs",
        SGD(0.1, momentum=0.9, use_ema=True, ema_overwrite_frequency=2),
        L2(0.005),
    ),
    row("ported", "double", SGD(0.1, momentum=0.9), "l2"),
    row("ported", "no_decay", SGD(0.1, momentum=0.9), None),
    row("ported", "no_momentum", SGD(0.1), L2(0.005)),
    row("ported", "nesterov", SGD(0.1, momentum=0.9, nesterov=True), L2(0.005)),
    row("ported", "rate", SGD(0.01, momentum=0.9), L2(0.005)),
    row("ported", "other_optimizer", keras.optimizers.Adam(0.1), L2(0.005)),
    row("ported", "other_penalty", SGD(0.1, momentum=0.9), keras.regularizers.L1(0.005)),
    row("ported", "optimizer", SGD, L2(0.005)),
    row("ported", "optimizer", "sgd", L2(0.005)),
    row("ported", "regularizer", SGD(0.1, momentum=0.9), 0.005),
    row("ported", "regularizer", SGD(0.1, momentum=0.9), keras.regularizers.L2),
    row("ported", "regularizer", SGD(0.1, momentum=0.9), keras.layers.Dense(1)),
    row("ported", "arguments", SGD(0.1, momentum=0.9)),
    row("ported", "raised", SGD(0.1, momentum=0.9), "l3"),
    row("dropout", "ok", dropout),
    row("dropout", "alternative", dropout_where),
    row("dropout", "alternative", dropout_binomial),
    row("dropout", "alternative", dropout_keras),
    row("dropout", "alternative", dropout_list),
    row("dropout", "alternative", dropout_half_precision),
    row("dropout", "todo", lambda h, rate, rng, training: ...),
    row("dropout", "both", changed(test=lambda h, rate, rng: h * (1 - rate))),
    row(
        "dropout",
        "original",
        changed(lambda h, keep, rate: h * keep, lambda h, rate, rng: h * (1 - rate)),
    ),
    row("dropout", "not_scaled", changed(lambda h, keep, rate: h * keep)),
    row("dropout", "by_rate", changed(lambda h, keep, rate: h * keep / rate)),
    row("dropout", "turned_down", changed(lambda h, keep, rate: h * keep * (1 - rate))),
    row("dropout", "kept", changed(lambda h, keep, rate: h * keep * (1 + rate))),
    row(
        "dropout",
        "keep_prob",
        changed(lambda h, k, rate: h * k / rate, mask=lambda h, r, rng: rng.random(h.shape) < r),
    ),
    row("dropout", "share", changed(mask=lambda h, rate, rng: rng.random(h.shape) > 0.5)),
    row("dropout", "share", lambda h, rate, rng, training: h),
    row("dropout", "share", lambda h, rate, rng, training: h * 0 if training else h),
    row("dropout", "mask_only", changed(lambda h, keep, rate: keep / (1 - rate) + 0.0 * h)),
    row("dropout", "uneven", changed(lambda h, keep, rate: h**2 * keep / (1 - rate))),
    row("dropout", "turned_round", lambda h, rate, rng, t: dropout(h, rate, rng, not t)),
    row("dropout", "share", changed(lambda h, keep, rate: h * (1 - rate))),
    row("dropout", "whole_rows", changed(mask=lambda h, r, g: g.random((len(h), 1)) >= r)),
    row("dropout", "same_mask", changed(mask=lambda h, r, g: g.random(60) >= r)),
    row("dropout", "frozen", changed(mask=lambda h, r, g: h >= np.quantile(h, r))),
    row("dropout", "test_drops", lambda h, rate, rng, training: dropout(h, rate, rng, True)),
    row("dropout", "test", changed(test=lambda h, rate, rng: h / (1 - rate))),
    row("dropout", "same_mask", changed(mask=lambda h, r, g: g.permutation(60) >= 60 * r)),
    row("dropout", "same_mask", changed(mask=lambda h, r, g: np.arange(60) >= 5)),
    row(
        "dropout",
        "whole_rows",
        changed(mask=lambda h, rate, rng: (rng.permutation(len(h)) >= rate * len(h))[:, None]),
    ),
    row(
        "dropout",
        "own_rng",
        changed(mask=lambda h, r, g: np.random.default_rng(next(COUNTER)).random(h.shape) >= r),
    ),
    row(
        "dropout",
        "frozen",
        changed(mask=lambda h, r, g: np.random.default_rng(3).random(h.shape) >= r),
    ),
    row("dropout", "by_share", changed(lambda h, keep, rate: h * keep / keep.mean())),
    row("dropout", "by_share", changed(lambda h, keep, rate: h * keep * keep.size / keep.sum())),
    row("dropout", "kept", changed(lambda h, keep, rate: h * keep / (1 - rate) ** 2)),
    row("dropout", "kept", changed(lambda h, keep, rate: h * keep / (1 - rate) ** 0.5)),
    row("dropout", "kept", changed(lambda h, keep, rate: -h * keep / (1 - rate))),
    row("dropout", "kept", changed(lambda h, keep, rate: 1e5 * h * keep)),
    row("dropout", "test", changed(test=lambda h, rate, rng: h * rate)),
    row("dropout", "test_drops", changed(test=lambda h, rate, rng: h * 0)),
    row("dropout", "mutated", in_place),
    row("dropout", "shape", lambda h, rate, rng, training: h[0]),
    row("dropout", "none", lambda h, rate, rng, training: None),
    row("dropout", "called", 1.3333),
    row("mix", "ok", mix),
    row("mix", "alternative", mix_outer),
    row("mix", "alternative", mix_loop),
    row("mix", "alternative", mix_keras),
    row("mix", "todo", lambda x, y, order, share: ...),
    row("mix", "todo", lambda x, y, order, share: (..., ...)),
    *(
        row("mix", f"{part}_{key}", mixed(**{part: key}))
        for part in ("images", "targets")
        for key in BLENDS
        if key
    ),
    row("mix", "images_order", mixed(images="order")),
    row("mix", "targets_order", mixed(targets="order")),
    row(
        "mix",
        "targets_hard",
        lambda x, y, order, share: (
            mix(x, y, order, share)[0],
            np.eye(y.shape[1])[mix(x, y, order, share)[1].argmax(1)],
        ),
    ),
    row("mix", "several", mixed("swapped", "swapped")),
    row("mix", "several", mixed("own", "partner")),
    row("mix", "several", mixed("halves", "own")),
    row("mix", "several", mixed("order", "order")),
    row("mix", "several", mixed("added", "added")),
    row("mix", "turned", lambda x, y, order, share: mix(x, y, order, share)[::-1]),
    row("mix", "differs", lambda x, y, order, share: (share * x * x[order], y)),
    row("mix", "differs", lambda x, y, order, share: (mix(x, y, order, share)[0], y * 0.5)),
    row("mix", "differs", lambda x, y, order, share: (x + 1e6, -y)),
    row("mix", "pair", lambda x, y, order, share: mix(x, y, order, share)[0]),
    row("mix", "pair", lambda x, y, order, share: {"x": x, "y": y}),
    row("mix", "shape", lambda x, y, order, share: (x, y.argmax(1))),
    row("mix", "shape", lambda x, y, order, share: (x[order[0]], y)),
    row("mix", "none", lambda x, y, order, share: (x, None)),
    row("mix", "called", 0.7),
    row("mix", "mutated", mix_in_place),
    row("label_safe", "ok", {"a", "b", "e"}),
    row("label_safe", "alternative", ["a", "b", "e"]),
    row("label_safe", "alternative", "abe"),
    row("label_safe", "alternative", "(a), (b), (e)"),
    row("label_safe", "alternative", ("E", "B", "A")),
    row("label_safe", "alternative", "a, b and e"),
    row("label_safe", "alternative", "a/b/e"),
    row("label_safe", "alternative", {letter: letter in "abe" for letter in "abcdef"}),
    row("label_safe", "todo", ...),
    row("label_safe", "alternative", "only A, B and E"),
    row("label_safe", "alternative", ["`a`", "'b'", '"e"']),
    row("label_safe", "alternative", np.array(["e", "a", "b"])),
    row("label_safe", "turned", {"a", "b", "d", "e"}),
    row("label_safe", "mirrored", "abce"),
    row("label_safe", "validation", "abef"),
    row("label_safe", "too_careful", {"a"}),
    row("label_safe", "too_careful", "a b"),
    row("label_safe", "several", "all"),
    row("label_safe", "several", "abcde"),
    row("label_safe", "several", {"c", "d", "f"}),
    row("label_safe", "several", "c"),
    row("label_safe", "several", {"a": True, "d": True, "b": False}),
    row("label_safe", "none_safe", []),
    row("label_safe", "none_safe", "none"),
    row("label_safe", "options", "g"),
    row("label_safe", "options", "shift"),
    row("label_safe", "options", [1, 2, 5]),
    row("label_safe", "options", ["shift"]),
    row("label_safe", "options", 3),
    row("label_safe", "options", None),
]


def test_answer(answer):
    answer.holds()


def test_one_stray_letter_of_case_is_a_choice_all_the_same():
    assert check.verdict("label_safe", "A B E").status == "correct"
