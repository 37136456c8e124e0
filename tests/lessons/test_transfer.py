"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import _transfer as parts
from coursekit.lessons.transfer import merging, pulling
from coursekit.training import EWC, thaw

pytestmark = pytest.mark.any_backend

# only_head


def ready(trains=("head",), rate=1e-3, loss=None, again=True, returned=False):
    def answer(model):
        for layer in model.layers:
            layer.trainable = layer.name in trains
        if again:
            model.compile(keras.optimizers.Adam(rate), loss or parts.loss())
        return model if returned else None

    return answer


def the_other_way_round(model):
    model.trainable = False
    model.trainable = True
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.compile("sgd", model.loss)


def by_recompiling_only(model):
    model.compile("adam", parts.loss())


def kernels_only(model):
    model.get_layer("dense").trainable = False
    model.compile("adam", parts.loss())


def everything(model):
    model.trainable = False
    model.compile("adam", parts.loss())


def frozen_as_a_whole(model):
    model.trainable = False
    model.get_layer("head").trainable = True
    model.compile("adam", model.loss)


def compiled_first(model):
    model.compile("adam", model.loss)
    ready(again=False)(model)


def fresh_head(model):
    body = model.layers[:-1]
    for layer in body:
        layer.trainable = False
    new = keras.Sequential([keras.Input((5,)), *body, keras.layers.Dense(3, name="other")])
    new.compile("adam", parts.loss())
    return new


def trains_it(model):
    ready()(model)
    model.fit(np.ones((4, 5)), np.zeros(4), verbose=0)


def without_optimizer(model):
    ready()(model)
    model.compile(None, parts.loss())


# merge, penalty


def merge(*faults):
    return lambda W, A, B, alpha: merging(W, A, B, alpha, faults)


def merge_in_place(W, A, B, alpha):
    W += alpha / A.shape[1] * A @ B
    return W


def merge_by_keras(W, A, B, alpha):
    layer = keras.layers.Dense(W.shape[1], use_bias=False)
    layer.build((None, W.shape[0]))
    layer.enable_lora(A.shape[1], lora_alpha=alpha)
    layer._kernel.assign(W)
    layer.lora_kernel_a.assign(A)
    layer.lora_kernel_b.assign(B)
    return layer.kernel


def pull(*faults):
    return lambda F, now, home, strength: pulling(F, now, home, strength, faults)


def by_loop(F, now, home, strength):
    return 0.5 * strength * sum(f * (a - b) ** 2 for f, a, b in zip(F, now, home, strict=True))


PLAN = [["head"], ["dense", "conv_3"], ["conv_2", "conv_1"]]
RATES = [5e-3, 1e-3, 2e-4]
ALL = {"deleted": "E", "some_kept": "R", "to_the_bit": "C", "done_with": "P"}

ANSWERS = [
    row("only_head", "ok", ready()),
    row("only_head", "alternative", ready(returned=True)),
    row("only_head", "alternative", the_other_way_round),
    row("only_head", "alternative", lambda model: thaw(model, ["head"], rate=1e-3)),
    row("only_head", "todo", ...),
    row("only_head", "stale", ready(again=False)),
    row("only_head", "norm", kernels_only),
    row("only_head", "norm", ready(trains=("head", "norm"))),
    row("only_head", "norm", ready(trains=("head", "norm"), again=False)),
    row("only_head", "not_frozen", by_recompiling_only),
    row("only_head", "not_frozen", lambda model: None),
    row("only_head", "not_frozen", ready(trains=("dense",))),
    row("only_head", "all_frozen", everything),
    row("only_head", "all_frozen", ready(trains=())),
    row("only_head", "loss", ready(loss=keras.losses.SparseCategoricalCrossentropy())),
    row("only_head", "built", fresh_head),
    row("only_head", "weights", trains_it),
    row("only_head", "not_compiled", without_optimizer),
    row("only_head", "still", ready(rate=0.0)),
    row("only_head", "whole", frozen_as_a_whole),
    row("only_head", "no_fit", ready(loss="mse")),
    row("only_head", "alternative", compiled_first),
    row("order", "ok", PLAN, RATES),
    row("order", "alternative", ["head", "dense", "conv_3", "conv_2", "conv_1"],
        [1e-2, 1e-3, 1e-3, 1e-4, 1e-5]),
    row("order", "alternative", (("head",), ["conv_3", "dense"], ["conv_1", "conv_2"]),
        np.array(RATES)),
    row("order", "todo", ..., ...),
    row("order", "todo", [[...], [...], [...]], [..., ..., ...]),
    row("order", "todo", [["head"], [...], [...]], RATES),
    row("order", "lists", 3, RATES),
    row("order", "lists", PLAN, "fast"),
    row("order", "unknown", [["heads"], *PLAN[1:]], RATES),
    row("order", "twice", [["head"], ["dense", "head"], ["conv_1", "conv_2", "conv_3"]], RATES),
    row("order", "missing", PLAN[:2], RATES[:2]),
    row("order", "one_phase", [["head", "dense", "conv_3", "conv_2", "conv_1"]], [1e-3]),
    row("order", "two_phases", [["head"], ["dense", "conv_3", "conv_2", "conv_1"]], RATES[:2]),
    row("order", "unknown", [["head"], ["flatten"], *PLAN[1:]], [*RATES, 1e-4]),
    row("order", "input_first", PLAN[::-1], RATES),
    row("order", "head_late", [["dense"], ["head"], ["conv_3", "conv_2", "conv_1"]], RATES),
    row("order", "head_not_alone", [["head", "dense"], ["conv_3"], ["conv_2", "conv_1"]], RATES),
    row("order", "order", [["head"], ["conv_2", "conv_1"], ["dense", "conv_3"]], RATES),
    row("order", "order", [["head"], ["dense", "conv_1"], ["conv_3", "conv_2"]], RATES),
    row("order", "count", PLAN, RATES[:2]),
    row("order", "positive", PLAN, [1e-3, 1e-4, 0]),
    row("order", "positive", PLAN, [1e-3, 1e-4, -1e-5]),
    row("order", "one_rate", PLAN, [1e-2] * 3),
    row("order", "rising", PLAN, RATES[::-1]),
    row("order", "too_high", PLAN, [1e-1, 1e-2, 5e-3]),
    row("order", "too_high", PLAN, [1e-2, 1e-2, 1e-3]),
    row("order", "no_rate", PLAN, [1000, 1e-3, 1e-4]),
    row("order", "no_rate", PLAN, [1e-3, 1e-4, 1e-30]),
    row("merge", "ok", 832, merge()),
    row("merge", "alternative", "832", merge_by_keras),
    row("merge", "alternative", 832.0,
        lambda W, A, B, alpha: W + keras.ops.matmul(A, B) * alpha / len(B)),
    row("merge", "alternative", np.int64(832),
        lambda W, A, B, alpha: W + (alpha * A / A.shape[1]) @ B),
    row("merge", "todo", ..., ...),
    row("merge", "no_bias", 768, merge()),
    row("merge", "product", 32768, merge()),
    row("merge", "product", 32832, merge()),
    row("merge", "alternative", 832 + 1e-9, merge()),
    row("merge", "kernel", 8192, merge()),
    row("merge", "whole", 8256, merge()),
    row("merge", "only_a", 512, merge()),
    row("merge", "only_b", 256, merge()),
    row("merge", "both_sides", 896, merge()),
    row("merge", "rank_missing", 192, merge()),
    row("merge", "everything", 9024, merge()),
    row("merge", "rank", 4, merge()),
    row("merge", "matrices", 2, merge()),
    row("merge", "bias", 64, merge()),
    row("merge", "doubled", 1664, merge()),
    row("merge", "count", 831, merge()),
    row("merge", "count", 832.5, merge()),
    row("merge", "one", 832, merge("no_scale")),
    row("merge", "one", 832, merge("alpha")),
    row("merge", "one", 832, merge("root")),
    row("merge", "one", 832, merge("inverse")),
    row("merge", "one", 832, merge("alone")),
    row("merge", "one", 832, merge("minus")),
    row("merge", "one", 832, merge("inputs")),
    *(row("merge", "one", 832, wrong) for wrong in (
        lambda W, A, B, alpha: W + alpha / 4 * A @ B,
        lambda W, A, B, alpha: W + alpha // A.shape[1] * A @ B,
        lambda W, A, B, alpha: W + (alpha / A.shape[1]) ** 2 * A @ B,
        lambda W, A, B, alpha: alpha / A.shape[1] * (W + A @ B),
        lambda W, A, B, alpha: W)),
    row("merge", "several", 832, lambda W, A, B, alpha: W - alpha / 4 * A @ B),
    row("merge", "several", 832, merge("alone", "no_scale")),
    row("merge", "several", 832, merge("minus", "alpha")),
    row("merge", "kernel_shape", 832, lambda W, A, B, alpha: (W + alpha / A.shape[1] * A @ B).T),
    row("merge", "kernel_shape", 832, lambda W, A, B, alpha: A),
    row("merge", "mutated", 832, merge_in_place),
    row("merge", "wrong", 832, lambda W, A, B, alpha: W + 0.3),
    row("merge", "wrong", 832, lambda W, A, B, alpha: 0 * W),
    row("penalty", "ok", pull(), "a"),
    row("penalty", "alternative", by_loop, "(a)"),
    row("penalty", "alternative", lambda F, now, home, s: s / 2 * F @ (home - now) ** 2, "A"),
    row("penalty", "alternative",
        lambda F, now, home, s: EWC(home, F, s)(now.astype("float32")), "a"),
    row("penalty", "alternative", lambda F, now, home, s: [s / 2 * np.sum(F * (now - home) ** 2)],
        "a"),
    row("penalty", "todo", ..., ...),
    row("penalty", "one", pull("no_half"), "a"),
    row("penalty", "one", pull("twice"), "a"),
    row("penalty", "one", pull("mean"), "a"),
    row("penalty", "one", pull("no_square"), "a"),
    row("penalty", "one", pull("absolute"), "a"),
    row("penalty", "one", pull("from_zero"), "a"),
    row("penalty", "one", pull("fisher_squared"), "a"),
    row("penalty", "one", pull("no_fisher"), "b"),
    row("penalty", "one", pull("sign"), "a"),
    row("penalty", "one", pull("no_strength"), "a"),
    *(row("penalty", "one", wrong, "a") for wrong in (
        lambda F, now, home, s: s / 2 * np.sum(F * (now + home) ** 2),
        lambda F, now, home, s: s / 2 * np.sum(F * (now**2 - home**2)),
        lambda F, now, home, s: s / 2 * F.sum() * np.sum((now - home) ** 2),
        lambda F, now, home, s: s * np.sum(F * ((now - home) / 2) ** 2),
        lambda F, now, home, s: s // 2 * np.sum(F * (now - home) ** 2),
        lambda F, now, home, s: np.sum(F * (now - home) ** 2) / (2 * s))),
    row("penalty", "several",
        lambda F, now, home, s: s / 2 * np.mean(F) * np.sum((now - home) ** 2), "a"),
    row("penalty", "several", pull("no_half", "mean"), "a"),
    row("penalty", "several", pull("no_half", "fisher_root"), "a"),
    row("penalty", "vector", lambda F, now, home, s: s / 2 * F * (now - home) ** 2, "a"),
    row("penalty", "wrong", lambda F, now, home, s: 7.0, "a"),
    row("penalty", "wrong", lambda F, now, home, s: 0.0, "a"),
    row("penalty", "new_task", pull(), "b"),
    row("penalty", "later", pull(), "c"),
    row("remedies", "ok", ALL),
    row("remedies", "alternative", ["e", "r", "c", "p"]),
    row("remedies", "alternative", {**ALL, "deleted": " E "}),
    row("remedies", "todo", ...),
    row("remedies", "todo", {**ALL, "deleted": ...}),
    row("remedies", "keys", {"deleted": "E"}),
    row("remedies", "keys", "ERCP"),
    row("remedies", "alternative", np.array([*"ERCP"])),
    row("remedies", "alternative", ["EWC", "Replay", "new column", "plain training"]),
    row("remedies", "option", {**ALL, "deleted": "EC"}),
    row("remedies", "option", {**ALL, "deleted": "E or C"}),
    row("remedies", "option", {**ALL, "deleted": 1}),
    row("remedies", "option", {**ALL, "deleted": ""}),
    *(row("remedies", "one", {**ALL, case: letter}) for case, right in ALL.items()
      for letter in "EPRC" if letter != right),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_where_the_two_valleys_pull_to():
    """Strength 0 rests at the new task, a large one at the old; EWC costs less of both between."""
    ways = parts.FISHER, np.full(2, parts.FISHER.mean())
    for importance in ways:
        np.testing.assert_allclose(parts.settled(0, importance), parts.BEST)
        np.testing.assert_allclose(parts.settled(1e6, importance), parts.HOME, atol=1e-4)
    lost = [[sum(parts.losses_of_two_weights(parts.settled(s, one))) for s in parts.STRENGTHS[1:]]
            for one in ways]  # fmt: skip
    assert min(lost[0]) < min(lost[1])
    rng = np.random.default_rng(0)
    for _ in range(20):
        w = rng.normal(size=2)
        old, new = parts.losses_of_two_weights(w)
        penalty = pulling(parts.FISHER, w, parts.HOME, 3.0)
        assert penalty == pytest.approx(3 * old)
        least = parts.settled(3.0, parts.FISHER)
        best = parts.losses_of_two_weights(least)[1]
        assert new + penalty >= best + pulling(parts.FISHER, least, parts.HOME, 3.0) - 1e-9


def test_the_tasks_do_not_share_an_image():
    source, target = parts.source(1), parts.target()
    for task in (source, target):
        assert task.x.shape[1:] == (16, 16, 1) and 0.9 < task.x.max() <= 1
        assert len(task.x) == len(task.y) and len(task.x_validation) == len(task.y_validation)
    for seed in range(3):
        rows = parts.few(target.y, 20, seed)
        assert len({*rows}) == 200 and np.bincount(target.y[rows]).tolist() == [20] * 10
    old, new = parts.pixels()
    np.testing.assert_array_equal(np.sort(old.x, axis=1), np.sort(new.x, axis=1))
    assert not np.array_equal(old.x, new.x)
