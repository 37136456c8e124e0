"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row
from keras import layers, ops

from coursekit.lessons import _initialization_normalization as parts
from coursekit.lessons import initialization_normalization as lesson

pytestmark = pytest.mark.any_backend

# batch_norm


def bn(x, gamma, beta, mean, var, training):
    m, v = mean, var
    if training:
        m, v = x.mean(axis=0), x.var(axis=0)
        mean, var = 0.99 * mean + 0.01 * m, 0.99 * var + 0.01 * v
    return gamma * (x - m) / np.sqrt(v + 0.001) + beta, mean, var


def bn_keras(x, gamma, beta, mean, var, training):
    layer = layers.BatchNormalization()
    layer.build(x.shape)
    layer.set_weights([gamma, beta, mean, var])
    out = layer(x, training=training)
    return [out, layer.moving_mean, layer.moving_variance]


def bn_ops(x, gamma, beta, mean, var, training):
    x = ops.cast(x, "float32")
    m, v = ops.moments(x, axes=[0], keepdims=True) if training else (mean[None], var[None])
    if training:
        mean, var = 0.99 * mean + 0.01 * m, 0.99 * var + 0.01 * v
    return (x - m) * gamma * (v + 1e-3) ** -0.5 + beta, mean, var


def bn_loop(x, gamma, beta, mean, var, training):
    columns = [bn(x[:, [j]], gamma[j], beta[j], mean[[j]], var[[j]], training)
               for j in range(x.shape[1])]  # fmt: skip
    return tuple(np.concatenate(p, axis=-1) for p in zip(*columns, strict=True))


def bn_in_place(x, gamma, beta, mean, var, training):
    if training:
        mean *= 0.99
        mean += 0.01 * x.mean(axis=0)
        var = 0.99 * var + 0.01 * x.var(axis=0)
        return bn(x, gamma, beta, mean, var, True)[0], mean, var
    return bn(x, gamma, beta, mean, var, False)


def faulty(*faults):
    return lambda *arguments: lesson._batch_norm(*arguments, faults)


def only_inference(x, gamma, beta, mean, var, training):
    out = bn(x, gamma, beta, mean, var, training)
    return out if not training else (out[0] * 1.5, *out[1:])


def by_row(x, gamma, beta, mean, var, training):
    m, v = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return gamma * (x - m) / np.sqrt(v + 0.001) + beta, 0.99 * mean + 0.01 * m, var


# undo


def undo(mean, var):
    return np.sqrt(var + 0.001), mean


# block


def block(h):
    new = layers.RMSNormalization()(h)
    new = layers.Dense(32, "relu")(new)
    return h + layers.Dense(h.shape[-1], kernel_initializer="zeros")(new)


def made(norm=layers.RMSNormalization, bend="relu", last="zeros", first="he_normal", out=None):
    def block(h):
        new = norm()(h) if norm else h
        new = layers.Dense(32, bend, kernel_initializer=first)(new)
        return h + layers.Dense(out or h.shape[-1], kernel_initializer=last)(new)

    return block


def by_gamma(h):
    new = layers.Dense(32, "gelu")(layers.LayerNormalization()(h))
    new = layers.Dense(h.shape[-1])(new)
    return layers.Add()([layers.LayerNormalization(gamma_initializer="zeros")(new), h])


def with_dropout(h):
    new = layers.Dense(16)(layers.LayerNormalization(epsilon=1e-6)(h))
    new = layers.Dropout(0.5)(layers.LeakyReLU()(new))
    return layers.Dense(h.shape[-1], kernel_initializer="zeros")(new) + h


def nested(h):
    inner = [layers.RMSNormalization(), layers.Dense(64, "silu"),
             layers.Dense(h.shape[-1], kernel_initializer=keras.initializers.Zeros())]  # fmt: skip
    return ops.add(h, keras.Sequential(inner)(h))


def taken_off(h):
    return h - (block(h) - h)


def post_norm(h):
    return layers.LayerNormalization()(made(norm=None)(h))


def post_norm_random(h):
    return layers.RMSNormalization()(made(norm=None, last="glorot_uniform")(h))


def normed_twice(h):
    return block(layers.RMSNormalization()(h))


def no_skip(h):
    return block(h) - h


def plain(h):
    new = layers.Dense(32, "relu")(layers.RMSNormalization()(h))
    return layers.Dense(h.shape[-1])(new)


def relu_last(h):
    new = layers.Dense(32, "relu")(layers.RMSNormalization()(h))
    return h + layers.Dense(h.shape[-1], "relu", kernel_initializer="zeros")(new)


def late_norm(h):
    new = layers.RMSNormalization()(layers.Dense(32, "relu")(h))
    return h + layers.Dense(h.shape[-1], kernel_initializer="zeros")(new)


RATES = {"first": 0.003, "second": 0.003 / 16, "last": 0.003 / 16}


def rates(**changed):
    return {**RATES, **changed}


ANSWERS = [
    row("starts", "ok", 0.0707, 0.1225, 0.0139),
    row("starts", "alternative", (2 / 400) ** 0.5, np.sqrt(6 / 400), 2 / 144),
    row("starts", "alternative", "0.0707", np.float32(0.122), "1/72"),
    row("starts", "alternative", ops.sqrt(0.005), [0.1225], 0.01389),
    row("starts", "todo", ..., 0.1225, 0.0139),
    row("starts", "todo", 0.0707, 0.1225, ...),
    row("starts", "seen", 0.1225, 0.0707, 0.0139),
    row("starts", "seen", 0.005, 0.1225, 0.0139),
    row("starts", "seen", 2 / 300, 0.1225, 0.0139),
    row("starts", "seen", 0.0816, 0.1225, 0.0139),
    row("starts", "seen", 0.05, 0.1225, 0.0139),
    row("starts", "seen", 0.0707, 0.0707, 0.0139),
    row("starts", "seen", 0.0707, 0.1414, 0.0139),
    row("starts", "seen", 0.0707, 0.0866, 0.0139),
    row("starts", "seen", 0.0707, 0.1225, 0.125),
    row("starts", "seen", 0.0707, 0.1225, 2 / 9),
    row("starts", "seen", 0.0707, 0.1225, 2 / 288),
    row("starts", "seen", 0.0707, 0.1225, 0.118),
    row("starts", "seen", 0.0707, 0.1225, 1 / 144),
    row("starts", "rough", 0.07, 0.1225, 0.0139),
    row("starts", "rough", 0.0707, 0.12, 0.0139),
    row("starts", "rough", 0.0707, 0.1225, 0.014),
    row("starts", "glorot_deviation", -0.0707, 0.1225, 0.0139),
    row("starts", "glorot_limit", 0.0707, 0.5, 0.0139),
    row("starts", "he_variance", 0.0707, 0.1225, 0.5),
    row("zeros", "ok", "F", "EF"),
    row("zeros", "alternative", "only f", ["F", "E"]),
    row("zeros", "alternative", {"F"}, "e and f"),
    row("zeros", "todo", ..., "EF"),
    row("zeros", "extra", "all", "EF"),
    row("zeros", "extra", "DF", "EF"),
    row("zeros", "extra", "F", "DEF"),
    row("zeros", "extra", "BDF", "EF"),
    row("zeros", "relu_kernel", "EF", "EF"),
    row("zeros", "sigmoid_kernel", "F", "F"),
    row("zeros", "bias", "none", "EF"),
    row("zeros", "bias", "E", "EF"),
    row("zeros", "bias", "F", "E"),
    row("zeros", "options", "G", "EF"),
    row("batch_norm", "ok", bn),
    row("batch_norm", "alternative", bn_keras),
    row("batch_norm", "alternative", bn_ops),
    row("batch_norm", "alternative", bn_loop),
    row("batch_norm", "todo", lambda *a: ...),
    row("batch_norm", "todo", ...),
    *(row("batch_norm", "one", faulty(fault)) for fault in lesson.FAULTS),
    row("batch_norm", "several", faulty("no_eps", "ddof")),
    row("batch_norm", "several", faulty("momentum", "always_batch")),
    row("batch_norm", "several", faulty("no_gamma", "no_beta", "no_eps")),
    row("batch_norm", "several", faulty("always_batch", "always_running")),
    row("batch_norm", "several", faulty("deviation", "no_root")),
    row("batch_norm", "one_mode", only_inference),
    row("batch_norm", "wrong", lambda x, g, b, m, v, t: (2 * x, m, v)),
    row("batch_norm", "several", faulty("exchanged_averages", "tenth")),
    row("batch_norm", "wrong", lambda x, g, b, m, v, t: (x, v, m)),
    row("batch_norm", "rows", by_row),
    row("batch_norm", "rows", lambda x, g, b, m, v, t: (m, v, x)),
    row("batch_norm", "three", lambda *a: bn(*a)[0]),
    row("batch_norm", "three", lambda *a: bn(*a)[:2]),
    row("batch_norm", "three", lambda *a: 1.0),
    row("batch_norm", "none", lambda *a: None),
    row("batch_norm", "none", lambda *a: (bn(*a)[0], None, None)),
    row("batch_norm", "called", 3.0),
    row("batch_norm", "mutated", bn_in_place),
    row("batch_norm", "nan", lambda x, g, b, m, v, t: (x * np.nan, m, v)),
    row("batch_norm", "raised", lambda x, g, b, m, v, t: x @ g @ b),
    row("undo", "ok", undo, 256, 128),
    row("undo", "alternative", lambda m, v: [(v + 1e-3) ** 0.5, +m], "256", 2 * 64),
    row("undo", "alternative", lambda m, v: ops.stack([ops.sqrt(v + 1e-3), m]), 4 * 64, 128.0),
    row("undo", "todo", lambda m, v: (..., ...), 256, 128),
    row("undo", "todo", undo, ..., 128),
    row("undo", "two", lambda m, v: np.sqrt(v + 1e-3), 256, 128),
    row("undo", "two", lambda m, v: 1.0, 256, 128),
    row("undo", "none", lambda m, v: None, 256, 128),
    row("undo", "sizes", lambda m, v: (np.ones(5), m), 256, 128),
    row("undo", "no_eps", lambda m, v: (np.sqrt(v), m), 256, 128),
    row("undo", "swapped", lambda m, v: (m, np.sqrt(v + 1e-3)), 256, 128),
    row("undo", "variance", lambda m, v: (v, m), 256, 128),
    row("undo", "variance", lambda m, v: (v + 1e-3, m), 256, 128),
    row("undo", "inverse", lambda m, v: (1 / np.sqrt(v + 1e-3), m), 256, 128),
    row("undo", "gamma_one", lambda m, v: (1.0, m), 256, 128),
    row("undo", "beta_sign", lambda m, v: (np.sqrt(v + 1e-3), -m), 256, 128),
    row("undo", "beta_zero", lambda m, v: (np.sqrt(v + 1e-3), 0.0), 256, 128),
    row("undo", "beta_scaled", lambda m, v: (np.sqrt(v + 1e-3), m / np.sqrt(v + 1e-3)), 256, 128),
    row("undo", "gamma", lambda m, v: (7 * v, m), 256, 128),
    row("undo", "beta", lambda m, v: (np.sqrt(v + 1e-3), m + 1), 256, 128),
    row("undo", "total_trained", undo, 128, 128),
    row("undo", "total_one", undo, 64, 128),
    row("undo", "total_three", undo, 192, 128),
    row("undo", "total", undo, 4, 128),
    row("undo", "trained_all", undo, 256, 256),
    row("undo", "trained_one", undo, 256, 64),
    row("undo", "trained", undo, 256, 2),
    row("block", "ok", block),
    row("block", "alternative", made(norm=layers.LayerNormalization)),
    row("block", "alternative", by_gamma),
    row("block", "alternative", with_dropout),
    row("block", "alternative", nested),
    row("block", "alternative", taken_off),
    row("block", "alternative", made(norm=layers.UnitNormalization)),
    row("block", "todo", lambda h: ...),
    row("block", "todo", ...),
    row("block", "none", lambda h: None),
    row("block", "called", 3.0),
    row("block", "tensor", lambda h: layers.Dense(3)),
    row("block", "tensor", lambda h: np.ones(3)),
    row("block", "size", lambda h: layers.Dense(32)(h)),
    row("block", "raised", made(out=32)),
    row("block", "cut_off", lambda h: keras.Input((h.shape[-1],))),
    row("block", "nothing", lambda h: h),
    row("block", "nothing", lambda h: h + 0.0),
    row("block", "companions", made(norm=layers.BatchNormalization)),
    row("block", "no_skip", no_skip),
    row("block", "no_skip", plain),
    row("block", "normed_sum", post_norm),
    row("block", "normed_sum", post_norm_random),
    row("block", "normed_sum", normed_twice),
    row("block", "factor", lambda h: h + block(h)),
    row("block", "no_norm", made(norm=None)),
    row("block", "no_norm", late_norm),
    row("block", "no_bend", made(bend=None)),
    row("block", "not_identity", made(last="glorot_uniform")),
    row("block", "dead", made(first="zeros")),
    row("block", "dead", relu_last),
    row("block", "adds_nothing", lambda h: h + 0 * layers.Dense(h.shape[-1])(h)),
    row("block", "raised", keras.Sequential([keras.Input((8,)), layers.Dense(8)])),
    row("wide_rates", "ok", RATES),
    row("wide_rates", "alternative", rates(second=0.0001875, last="0.003/16")),
    row("wide_rates", "alternative", rates(second=0.00019, last=np.float32(1.88e-4))),
    row("wide_rates", "todo", rates(first=...)),
    row("wide_rates", "not_dict", [0.003, 1e-4, 1e-4]),
    row("wide_rates", "missing", {"first": 0.003}),
    row("wide_rates", "first", rates(first=0.003 / 16)),
    row("wide_rates", "unchanged", rates(second=0.003)),
    row("wide_rates", "unchanged", rates(last=0.003)),
    row("wide_rates", "up", rates(second=0.048)),
    row("wide_rates", "root", rates(second=0.00075)),
    row("wide_rates", "squared", rates(last=0.003 / 256)),
    row("wide_rates", "by_width", rates(second=0.003 / 4096)),
    row("wide_rates", "by_inputs", rates(second=0.003 / 64)),
    row("wide_rates", "other", rates(second=1.0)),
]


def test_answer(answer):
    answer.holds()


def test_batch_norm_of_the_check_is_keras_s():
    rng = np.random.default_rng(0)
    x, gamma, beta, mean = rng.normal(2, 1, (6, 3)), *rng.uniform(0.5, 2, (3, 3))
    for training in (True, False):
        case = (x, gamma, beta, mean, np.array([0.5, 1.0, 2.0]), training)
        for ours, theirs in zip(lesson._batch_norm(*case), bn_keras(*case), strict=True):
            assert np.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_slider_shows_holds_at_other_seeds(seed):
    found = {(k, s): parts.signals(k, s, seed) for k in parts.KINDS for s in (0.1, 1, 2)}
    sigmoid, relu, normed, skips, before = parts.KINDS
    assert all(found[sigmoid, scale][1][0] < 1e-4 for scale in (0.1, 1, 2))
    assert 0.1 < found[relu, 1][0][-1] < 2 and 0.1 < found[relu, 1][1][0] < 5
    assert found[relu, 0.1][1][0] < 1e-20 and found[relu, 2][1][0] > 1e5
    for scale in (0.1, 2):
        assert np.allclose(found[normed, scale], found[normed, 1])
    assert found[skips, 1][0][-1] > 1000 and found[skips, 2][1][0] > 1e6
    for scale in (0.1, 1, 2):
        up, down = found[before, scale]
        assert 0.5 < up[-1] < 30 and 0.5 < down[0] < 100


def test_the_error_signal_is_the_derivative():
    rng = np.random.default_rng(0)
    h, weights, error = (rng.normal(size=shape) for shape in ((6, 4), (4, 4), (6, 4)))
    for kind in parts.KINDS:
        down = parts._layer(kind, h, weights)[1](error)
        nudge = 1e-6 * rng.normal(size=h.shape)
        up, under = (parts._layer(kind, h + s * nudge, weights)[0] for s in (1, -1))
        assert np.isclose(np.sum(error * (up - under)) / 2, np.sum(down * nudge), rtol=1e-4), kind
