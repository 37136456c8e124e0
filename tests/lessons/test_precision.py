"""Right answers of several kinds, and what each wrong one is told."""

from decimal import Decimal
from fractions import Fraction

import keras
import numpy as np
import pytest
from answers import row
from ml_dtypes import bfloat16

from coursekit.lessons.precision import (
    LENGTHS,
    _norm,
    apply_step,
    check,
    clipped,
    loss_scale_step,
    time_products,
)

TRACE = np.linspace(0.5, 4.0, 200)
TRACE[:2] = 6.0, 5.0
TRACE[24::25] = 20.0, 24.0, 30.0, 35.0, 40.0, 50.0, 55.0, 60.0


def by_table(scale, good, finite, growth_steps):
    full = finite and good + 1 == growth_steps
    scale *= (2 if full else 1) if finite else 0.5
    return [scale, 0 if full or not finite else good + 1, int(finite)]


def with_numpy(scale, good, finite, growth_steps):
    scale, good, moves = loss_scale_step(np.float32(scale), np.int64(good), finite, growth_steps)
    return keras.ops.array(scale), good, np.bool_(moves)


def reference(scale, good, finite, growth_steps):
    return loss_scale_step(scale, good, finite, growth_steps)


def changed(bad=None, good=None, full=None):
    """The right rules, but for one of the three cases."""

    def next_scale(scale, count, finite, growth_steps):
        right = loss_scale_step(scale, count, finite, growth_steps)
        case = bad if not finite else full if count + 1 == growth_steps else good
        return case(scale, count) if case else right

    return next_scale


def late(scale, good, finite, growth_steps):
    if not finite:
        return scale / 2, 0, False
    if good == growth_steps:
        return scale * 2, 0, True
    return scale, good + 1, True


def capped(scale, good, finite, growth_steps):
    scale, *rest = loss_scale_step(scale, good, finite, growth_steps)
    return min(scale, 2.0**15), *rest


def with_tensors(scale, good, finite, growth_steps):
    import tensorflow as tf

    full = good + 1 >= growth_steps
    grown = tf.where(full, scale * 2, scale)
    count = tf.where(full or not finite, 0, good + 1)
    return tf.where(finite, grown, scale / 2), count, tf.constant(finite)


def bounded(scale, good, finite, growth_steps):
    scale, *rest = loss_scale_step(scale, good, finite, growth_steps)
    return min(max(scale, 1.0), 2.0**24), *rest


def early(scale, good, finite, growth_steps):
    return loss_scale_step(scale, good, finite, growth_steps - 1)


def once(scale, good, finite, growth_steps):
    """Halve at the first bad step in a row alone."""
    halved, *rest = loss_scale_step(scale, good, finite, growth_steps)
    return scale if not finite and good == 0 else halved, *rest


def clip_tf(gradients, threshold):
    import tensorflow as tf

    return tf.clip_by_global_norm(gradients, threshold)[0]


def clip_tf_pair(gradients, threshold):
    import tensorflow as tf

    return tf.clip_by_global_norm(gradients, threshold)


def clip_optax(gradients, threshold):
    norm = sum(float(np.vdot(g, g)) for g in gradients) ** 0.5
    return [g if norm < threshold else (g / norm) * threshold for g in gradients]


def clip_where(gradients, threshold):
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))
    return [np.where(norm > threshold, g * threshold / max(norm, threshold), g) for g in gradients]


def in_place(gradients, threshold):
    factor = min(1.0, threshold / max(_norm(gradients), 1e-12))
    for gradient in gradients:
        gradient *= factor
    return gradients


def each(norm):
    def clip(gradients, threshold):
        return [g * min(1.0, threshold / max(norm(g), 1e-9)) for g in gradients]

    return clip


def together(factor):
    def clip(gradients, threshold):
        norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
        with np.errstate(all="ignore"):
            return [g * factor(threshold, norm) for g in gradients]

    return clip


CLIP = together(lambda c, n: min(1.0, c / max(n, 1e-12)))
ONE, ALL = "clipnorm", "global_clipnorm"

ANSWERS = [
    row("fate", "ok", np.float16(1e-8), np.float16(1e-8 * 1024), 1024),
    row("fate", "alternative", 0, 1.02e-5, 2**14),
    row("fate", "alternative", -0.0, 1e-8 * 1024, 64.0),
    row("fate", "alternative", keras.ops.array(0.0), keras.ops.cast(1.024e-5, "float16"), 30),
    row("fate", "todo", ..., ..., ...),
    row("fate", "todo", 0.0, 1.02e-5, ...),
    row("fate", "kept", 1e-8, 1.02e-5, 1024),
    row("fate", "up", 6e-8, 1.02e-5, 1024),
    row("fate", "up", 6.1e-5, 1.02e-5, 1024),
    row("fate", "late", 0.0, np.float16(1e-8) * 1024, 1024),
    row("fate", "unscaled", 0.0, np.float16(1e-8 * 1024).astype(float) / 1024, 1024),
    row("fate", "divided", 0.0, 9.77e-12, 1024),
    row("fate", "twice", 0.0, 1e-8 * 1024**2, 1024),
    row("fate", "power", 0.0, 1.024e-2, 1024),
    row("fate", "power", 0.0, 1.02e-6, 64),
    row("fate", "scaled", 0.0, 1.1e-5, 1024),
    row("fate", "scaled", 0.0, -1.02e-5, 1024),
    row("fate", "alternative", "0", "1.0e-5", "1,024"),
    row("fate", "alternative", np.zeros(1), np.array([1.02e-5]), [64]),
    row("fate", "kept", -1e-8, 1.02e-5, 1024),
    row("fate", "kept", 1e-9, 1.02e-5, 1024),
    row("fate", "nan", 0.0, float("nan"), 1024),
    row("fate", "too_large", 0.0, 1.02e-5, 2**15),
    row("fate", "inf", 0.0, 1.02e-5, float("inf")),
    row("fate", "alternative", Decimal(0), bfloat16(1.024e-5), Fraction(64)),
    row("fate", "too_small", 0.0, 1.02e-5, 1),
    row("fate", "too_small", 0.0, 1.02e-5, 0),
    row("fate", "sign", 0.0, 1.02e-5, -1024),
    row("fate", "too_small", 0.0, 1.02e-5, 29),
    row("fate", "too_large", 0.0, 1.02e-5, 32768),
    row("fate", "too_large", 0.0, 1.02e-5, 1e9),
    row("fate", "none", None, 1.02e-5, 64),
    row("fate", "type", "zero", 1.02e-5, 64),
    row("next_scale", "ok", reference, 16_384),
    row("next_scale", "alternative", by_table, 16384.0),
    row("next_scale", "alternative", with_numpy, 2**14),
    row("next_scale", "alternative", with_tensors, 16_384),
    row("next_scale", "alternative", bounded, 16_384),
    row("next_scale", "alternative", lambda *a: np.array(loss_scale_step(*a), "float32"), 16_384),
    row("next_scale", "todo", lambda *a: (..., ..., ...), 16_384),
    row("next_scale", "todo", reference, ...),
    row("next_scale", "triple", lambda s, g, f, n: loss_scale_step(s, g, f, n)[:2], 16_384),
    row("next_scale", "triple", lambda s, g, f, n: {"scale": s, "good": g, "moves": f}, 16_384),
    row("next_scale", "truth", lambda *a: (*loss_scale_step(*a)[:2], "yes"), 16_384),
    row("next_scale", "truth", lambda *a: (*loss_scale_step(*a)[:2], None), 16_384),
    row("next_scale", "updated", changed(bad=lambda s, g: (s / 2, 0, True)), 16_384),
    row("next_scale", "skipped", changed(good=lambda s, g: (s, g + 1, False)), 16_384),
    row("next_scale", "skipped", changed(full=lambda s, g: (2 * s, 0, False)), 16_384),
    row("next_scale", "kept", changed(bad=lambda s, g: (s, 0, False)), 16_384),
    row("next_scale", "kept", once, 16_384),
    row("next_scale", "doubled", changed(bad=lambda s, g: (2 * s, 0, False)), 16_384),
    row("next_scale", "not_halved", changed(bad=lambda s, g: (s - 2, 0, False)), 16_384),
    row("next_scale", "not_halved", changed(bad=lambda s, g: (1.0, 0, False)), 16_384),
    row("next_scale", "order", lambda *a: [reference(*a)[k] for k in (1, 0, 2)], 16_384),
    row("next_scale", "order", lambda *a: reference(*a)[::-1], 16_384),
    row("next_scale", "not_counted", changed(good=lambda s, g: (s, 0, True)), 16_384),
    row("next_scale", "count_kept", changed(bad=lambda s, g: (s / 2, g + 1, False)), 16_384),
    row("next_scale", "always", changed(good=lambda s, g: (s / 2, g + 1, True)), 16_384),
    row("next_scale", "not_halved", changed(bad=lambda s, g: (s / 4, 0, False)), 16_384),
    row("next_scale", "count_kept", changed(bad=lambda s, g: (s / 2, g, False)), 16_384),
    row("next_scale", "always", changed(good=lambda s, g: (2 * s, 0, True)), 16_384),
    row("next_scale", "always", early, 16_384),
    row("next_scale", "not_counted", changed(good=lambda s, g: (s, g, True)), 16_384),
    row("next_scale", "not_counted", changed(good=lambda s, g: (s, 1, True)), 16_384),
    row("next_scale", "never", changed(full=lambda s, g: (s, g + 1, True)), 16_384),
    row("next_scale", "never", changed(full=lambda s, g: (4 * s, 0, True)), 16_384),
    row("next_scale", "late", late, 16_384),
    row("next_scale", "count_after", changed(full=lambda s, g: (2 * s, 1, True)), 16_384),
    row("next_scale", "count_after", changed(full=lambda s, g: (2 * s, g + 1, True)), 16_384),
    row("next_scale", "walk", capped, 16_384),
    row("next_scale", "halved_twice", reference, 8192),
    row("next_scale", "once", reference, 32_768),
    row("next_scale", "each", reference, 65_536),
    row("next_scale", "number", reference, 4096),
    row("next_scale", "number", reference, -16_384),
    row("next_scale", "alternative", reference, "16,384"),
    row("next_scale", "called", 16_384, 16_384),
    row("next_scale", "none", lambda *a: None, 16_384),
    row("bytes_kept", "ok", 16, 16, "activations"),
    row("bytes_kept", "alternative", 4 * 4, np.int64(16), "Activations"),
    row("bytes_kept", "todo", ..., ..., ...),
    row("bytes_kept", "todo", 16, ..., "activations"),
    row("bytes_kept", "weight_only", 4, 2, "weights"),
    row("bytes_kept", "weight_only", 16, 4, "weights"),
    row("bytes_kept", "three", 12, 12, "activations"),
    row("bytes_kept", "two", 8, 8, "activations"),
    row("bytes_kept", "more", 20, 16, "activations"),
    row("bytes_kept", "more", 16, 20, "activations"),
    row("bytes_kept", "alternative", 16, 16, ["activations"]),
    row("bytes_kept", "bits", 128, 64, "activations"),
    row("bytes_kept", "bits", 16, 96, "activations"),
    row("bytes_kept", "full", 6, 8, "activations"),
    row("bytes_kept", "full", -16, 16, "activations"),
    row("bytes_kept", "half", 16, 8, "activations"),
    row("bytes_kept", "copy", 16, 18, "activations"),
    row("bytes_kept", "sixteen", 16, 14, "gradients"),
    row("bytes_kept", "sixteen", 16, 12, "gradients"),
    row("bytes_kept", "sixteen", 16, 10, "activations"),
    row("bytes_kept", "mixed", 16, 15, "activations"),
    row("bytes_kept", "weight_only", 16, 2, "activations"),
    row("bytes_kept", "alternative", "16", [16], "the activations"),
    row("bytes_kept", "part", 16, 16, "moments"),
    row("bytes_kept", "none", 16, None, "activations"),
    row("bytes_kept", "part", 16, 16, "gradients"),
    row("bytes_kept", "option", 16, 16, "outputs"),
    row("clip", "ok", CLIP, ALL),
    row("clip", "alternative", clip_tf, ALL),
    row("clip", "alternative", clip_where, "Global_clipnorm"),
    row("clip", "alternative", lambda g, c: tuple(clipped(g, c)), ALL),
    row("clip", "alternative", lambda g, c: (part for part in clipped(g, c)), ALL),
    row("clip", "todo", lambda g, c: ..., ...),
    row("clip", "todo", CLIP, ...),
    row("clip", "alternative", lambda g, c: [p.tolist() for p in clipped(g, c)], ALL),
    row("clip", "alternative", lambda g, c: [p.astype("float16") for p in clipped(g, c)], ALL),
    row("clip", "alternative", lambda g, c: [p.astype(bfloat16) for p in clipped(g, c)], ALL),
    row("clip", "alternative", lambda g, c: [p * min(1, c / (_norm(g) + 1e-6)) for p in g], ALL),
    row("clip", "list", clip_tf_pair, ALL),
    row("clip", "list", lambda g, c: [np.linalg.norm(p) for p in g], ALL),
    row("clip", "list", lambda g, c: [None, None], ALL),
    row("clip", "list", lambda g, c: [[1, 2], [[1], [1, 2]]], ALL),
    row("clip", "list", lambda g, c: np.concatenate([p.ravel() for p in clipped(g, c)]), ALL),
    row("clip", "per_variable", each(np.linalg.norm), ONE),
    row("clip", "each_number", lambda g, c: [np.clip(p, -c, c) for p in g], "clipvalue"),
    row("clip", "unclipped", lambda g, c: g, ALL),
    row("clip", "divides_by", together(lambda c, n: min(1.0, c / max(n**2, 1e-9))), ALL),
    *(
        row("clip", "divides_by", lambda g, c, f=f: [p * (c / f(_norm(g), g)) for p in g], ALL)
        for f in LENGTHS.values()
    ),
    row("clip", "direction", each(lambda g: np.abs(g).max()), ALL),
    row("clip", "direction", lambda g, c: [p * min(1, c / _norm(p)) ** 2 for p in g], ALL),
    row("clip", "direction", lambda g, c: [np.tanh(p) for p in g], ALL),
    row("clip", "length", lambda g, c: [p / (_norm(g) + 1) for p in g], ALL),
    row("clip", "zeroed", lambda g, c: [p * 0 for p in g], ALL),
    row("clip", "turned", lambda g, c: [-p for p in clipped(g, c)], ALL),
    row("clip", "ignored", lambda g, c: clipped(g, 1.0), ALL),
    row("clip", "alternative", clip_optax, "global-clipnorm"),
    row("clip", "nan", lambda g, c: [p * np.nan for p in g], ALL),
    row("clip", "mutated", in_place, ALL),
    row("clip", "slip", lambda g, c: clipped(g, 1 / c), ALL),
    row("clip", "slip", lambda g, c: clipped(g, c**2), ALL),
    row("clip", "slip", lambda g, c: clipped(g, c**0.5), ALL),
    row("clip", "other", lambda g, c: clipped(g, c) if len(g) == 2 else g, ALL),
    row("clip", "scaled_up", together(lambda c, n: c / max(n, 1e-9)), ALL),
    row("clip", "scaled_up", together(lambda c, n: c / n), ALL),
    row("clip", "zero", together(lambda c, n: np.minimum(1.0, np.float64(c) / n) if n else np.nan),
        ALL),
    row("clip", "ignored", together(lambda c, n: min(1.0, 1.0 / max(n, 1e-9))), ALL),
    row("clip", "argument", CLIP, ONE),
    row("clip", "argument", CLIP, "clipvalue"),
    row("clip", "none", lambda g, c: None, ALL),
    row("clip", "raised", lambda g, c: [p * (c / 0) for p in g], ALL),
    row("threshold", "ok", 10, TRACE, "a and d"),
    row("threshold", "alternative", 6 * np.median(TRACE), list(TRACE), ["a", "d"]),
    row("threshold", "alternative", np.percentile(TRACE, 95.5), TRACE.astype("float32"), "A, D"),
    row("threshold", "alternative", "7.5", TRACE, "only a and d"),
    row("threshold", "alternative", 15, TRACE, "cases a and d"),
    row("threshold", "alternative", np.float32(12), keras.ops.array(TRACE), {"D", "A"}),
    row("threshold", "todo", ..., TRACE, ...),
    row("threshold", "todo", 10, TRACE, ...),
    row("threshold", "trace", 4.0, 2.0, "ad"),
    row("threshold", "trace", 4.0, TRACE.reshape(4, 50), "ad"),
    row("threshold", "trace", 4.0, TRACE[:100], "ad"),
    row("threshold", "positive", -1.0, TRACE, "ad"),
    row("threshold", "positive", 0, TRACE, "ad"),
    row("threshold", "below_median", 1.0, TRACE, "ad"),
    row("threshold", "too_many", np.percentile(TRACE, 80), TRACE, "ad"),
    row("threshold", "too_many", 3.9, TRACE, "ad"),
    row("threshold", "too_many", float(np.percentile(TRACE, 90)), TRACE, "ad"),
    row("threshold", "above_maximum", 60.0, TRACE, "ad"),
    row("threshold", "above_maximum", 1e9, TRACE, "ad"),
    row("threshold", "misses", 55.0, TRACE, "ad"),
    row("threshold", "misses", 21, TRACE, "ad"),
    row("threshold", "misses", float(np.percentile(TRACE, 98)), TRACE, "ad"),
    row("threshold", "nan", float("nan"), TRACE, "ad"),
    row("threshold", "vanishing", 10, TRACE, "all"),
    row("threshold", "vanishing", 10, TRACE, "a, b and d"),
    row("threshold", "not_a_number", 10, TRACE, "a, c, d"),
    row("threshold", "recurrent", 10, TRACE, "d"),
    row("threshold", "recurrent", 10, TRACE, []),
    row("threshold", "transformer", 10, TRACE, "a"),
    row("threshold", "options", 10, TRACE, "a or d"),
    row("threshold", "options", 10, TRACE, 2),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_the_rules_are_those_of_keras():
    scaler = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(1.0), initial_scale=64.0, dynamic_growth_steps=3
    )
    weight, state = keras.Variable(0.0), (64.0, 0)
    scaler.build([weight])
    for gradient in (1, 1, np.inf, 1, 1, 1, 1, np.nan, np.nan, 1, 1, 1, 1, 1, 1):
        before = float(weight)
        apply_step(scaler, [keras.ops.array(float(gradient))], [weight])
        *state, moves = loss_scale_step(*state, np.isfinite(gradient), 3)
        assert [float(scaler.dynamic_scale), int(scaler.step_counter)] == state
        assert (float(weight) != before) == moves


def test_clipping_is_that_of_keras():
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=4).astype("float32"), rng.normal(size=(2, 3)).astype("float32")]
    for threshold in (0.1, 3.0, 50.0):
        weights = [keras.Variable(np.zeros(g.shape)) for g in gradients]
        optimizer = keras.optimizers.SGD(1.0, global_clipnorm=threshold)
        optimizer.apply([keras.ops.array(g) for g in gradients], weights)
        for weight, wanted in zip(weights, clipped(gradients, threshold), strict=True):
            np.testing.assert_allclose(-weight.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "name, answers, words",
    [
        ("fate", (1e-8, 0, 1), "which neighbour is nearer"),
        ("fate", (0, 1.02e-5, 32768), "98304"),
        ("next_scale", (reference, 8192), "`after` is 8192: that is where the two bad steps"),
        ("clip", (together(lambda c, n: c / n**2), ALL), "divided by 29"),
        ("clip", (together(lambda c, n: c / n**2), ALL), "its root is missing"),
        ("bytes_kept", (16, 8, "weights"), "half of float32's 16"),
        ("clip", (CLIP, "clipnorm"), "takes a norm for each variable"),
        ("threshold", (55.0, TRACE, "ad"), "clips 1 steps, and lets 7 of the 8 spikes"),
        ("fate", (0, 1.02e-5, -8), "`scale` is -8"),
        ("next_scale", (early, 16_384), "good step after 8, with growth_steps = 10"),
        ("clip", (lambda g, c: [_norm([p]) for p in g], ALL), "[(2,), (2,)] we got [5, 2]"),
    ],
)
def test_a_message_names_what_was_seen(name, answers, words):
    assert words in check.verdict(name, *answers).message


@pytest.mark.parametrize("kind", [keras.optimizers.LossScaleOptimizer, None])
def test_a_step_on_this_backend_is_that_of_fit(kind):
    """The helper that JAX needs makes the step of `optimizer.apply`, state included."""
    inner = keras.optimizers.SGD(0.5, momentum=0.9)
    optimizer = kind(inner, initial_scale=4.0, dynamic_growth_steps=2) if kind else inner
    weight, state, wanted, speed = keras.Variable(1.0), (4.0, 0), 1.0, 0.0
    for gradient in (1.0, np.inf, 2.0, 1.0) if kind else (1.0, 2.0):
        scale = state[0] if kind else 1.0
        apply_step(optimizer, [keras.ops.array(gradient * scale)], [weight])
        *state, moves = loss_scale_step(*state, np.isfinite(gradient), 2)
        if moves:
            speed = 0.9 * speed - 0.5 * gradient
            wanted += speed
        assert float(weight) == pytest.approx(wanted)
        assert not kind or float(optimizer.dynamic_scale) == state[0]


def test_products_are_timed_in_units_of_the_first():
    found = time_products(["float32", "bfloat16"])
    assert found["float32"] == 1 and found["bfloat16"] > 0
