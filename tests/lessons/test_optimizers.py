"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import optimizers as lesson
from coursekit.optimizers import ScheduledMomentumSGD
from coursekit.schedules import OneCycle
from coursekit.training import trace_path

SGD, AdamW = keras.optimizers.SGD, keras.optimizers.AdamW
Cosine = keras.optimizers.schedules.CosineDecay
Drops = keras.optimizers.schedules.PiecewiseConstantDecay


def momentum(w, v, grad, lr, mu):
    v = mu * v - lr * grad
    return w + v, v


def momentum_torch(w, v, grad, lr, mu):
    v = mu * v + grad
    return [w - lr * v, v]


def momentum_ops(w, v, grad, lr, mu):
    v = keras.ops.convert_to_tensor(mu * v - lr * grad, "float32")
    return keras.ops.add(keras.ops.convert_to_tensor(w, "float32"), v), v


def momentum_turned_signs(w, v, grad, lr, mu):
    v = mu * v + lr * grad
    return np.stack([w - v, v])


def momentum_in_lists(w, v, grad, lr, mu):
    v = [mu * a - lr * b for a, b in zip(v, grad, strict=True)]
    return [a + b for a, b in zip(w, v, strict=True)], v


def momentum_in_place(w, v, grad, lr, mu):
    v *= mu
    v -= lr * grad
    return w + v, v


def momentum_that_remembers():
    kept = [np.zeros(2)]

    def step(w, v, grad, lr, mu):
        kept[0] = mu * kept[0] - lr * grad
        return w + kept[0], kept[0]

    return step


def adam(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    m = beta_1 * m + (1 - beta_1) * grad
    v = beta_2 * v + (1 - beta_2) * grad**2
    m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + epsilon), m, v


def adam_keras(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    m = m + (grad - m) * (1 - beta_1)
    v = v + (grad * grad - v) * (1 - beta_2)
    rate = lr * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
    return [w - rate * m / (v**0.5 + epsilon), m, v]


def adam_ops(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    w, m, v, grad = (keras.ops.convert_to_tensor(a, "float32") for a in (w, m, v, grad))
    m = beta_1 * m + (1 - beta_1) * grad
    v = beta_2 * v + (1 - beta_2) * keras.ops.square(grad)
    size = keras.ops.sqrt(v / (1 - beta_2**t))
    return w - lr * m / (1 - beta_1**t) / (size + epsilon), m, v


def adam_in_floats(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    """One weight at a time, in Python's floats."""
    rows = [
        adam_keras(*map(float, one), t, lr, beta_1, beta_2, epsilon)
        for one in zip(w, m, v, grad, strict=True)
    ]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def adam_without_epsilon(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    return adam(w, m, v, grad, t, lr, beta_1, beta_2, 0)


def adam_epsilon_inside(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    _, m, v = adam(w, m, v, grad, t, lr, beta_1, beta_2, epsilon)
    return w - lr * m / (1 - beta_1**t) / np.sqrt(v / (1 - beta_2**t) + epsilon), m, v


def adam_big_epsilon(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    return adam(w, m, v, grad, t, lr, beta_1, beta_2, 10 * epsilon)


def adam_from_zero(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    return adam(w, m, v, grad, t - 1, lr, beta_1, beta_2, epsilon)


def adam_dividing_by_zero(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    share = 1 / (1 - beta_1 ** (t - 1))
    return w - lr * share * grad, m, v


def adam_times_t(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    _, m, v = adam(w, m, v, grad, t, lr, beta_1, beta_2, epsilon)
    return w - lr * m / (1 - beta_1) / t / (np.sqrt(v) + epsilon), m, v


def adam_corrected_as_at_step_1(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    _, m, v = adam(w, m, v, grad, t, lr, beta_1, beta_2, epsilon)
    return w - lr * m / (1 - beta_1) / (np.sqrt(v / (1 - beta_2)) + epsilon), m, v


def adam_fixed_betas(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    return adam(w, m, v, grad, t, lr, 0.9, 0.999, epsilon)


def adam_that_counts():
    """Adam with a count of its own, which goes on in the second run."""
    count = [0]

    def step(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
        count[0] += 1
        return adam(w, m, v, grad, count[0], lr, beta_1, beta_2, epsilon)

    return step


def adam_beta_times_t(w, m, v, grad, t, lr, beta_1, beta_2, epsilon):
    _, m, v = adam(w, m, v, grad, t, lr, beta_1, beta_2, epsilon)
    return w - lr * m / (1 - beta_1 * t) / np.sqrt(v / (1 - beta_2 * t)), m, v


def adam_another_order(*args):
    w, m, v = adam(*args)
    return m, v, w


def adagrad(w, acc, grad, lr, epsilon):
    acc = acc + grad**2
    return w - lr * grad / np.sqrt(acc + epsilon), acc


def adagrad_torch(w, acc, grad, lr, epsilon):
    acc = acc + grad * grad
    return w - lr * grad / (acc**0.5 + epsilon), acc


def rmsprop(w, avg, grad, lr, rho, epsilon):
    avg = rho * avg + (1 - rho) * grad**2
    return w - lr * grad / np.sqrt(avg + epsilon), avg


def rmsprop_torch(w, avg, grad, lr, rho, epsilon):
    avg = avg + (1 - rho) * (grad**2 - avg)
    return [w - lr * grad / (np.sqrt(avg) + epsilon), avg]


def adamw(w, grad, lr, decay, adam):
    return w - lr * (adam(grad) + decay * w)


def adamw_shrinks_first(w, grad, lr, decay, adam):
    return w * (1 - lr * decay) - lr * adam(grad)


def adamw_asks_twice(w, grad, lr, decay, adam):
    adam(grad)
    return adamw(w, grad, lr, decay, adam)


def adamw_decays_twice(w, grad, lr, decay, adam):
    return w - lr * (adam(grad + decay * w) + decay * w)


def slipped(table, key):
    """Return a step with one slip of the lesson, in the stub's own signature."""
    make = {"MOMENTUM": lesson._momentum, "ADAM": lesson._adam, "ADAGRAD": lesson._adagrad,
            "RMSPROP": lesson._rmsprop, "ADAMW": lesson._adamw}[table]  # fmt: skip
    return make(**getattr(lesson, f"{table}_SLIPS")[key][0])


def net(key, resnet, walker=None):
    return row("resnet", key, resnet, keras.optimizers.Adam(3e-4) if walker is None else walker)


def walk(key, walker):
    return net(key, SGD(Cosine(0.1, 9000), momentum=0.9), walker)


def mend(key, *, acc=adagrad, avg=rmsprop, last=adamw):
    return row("mended", key, acc, avg, last)


ANSWERS = [
    row("momentum_step", "ok", momentum),
    row("momentum_step", "alternative", momentum_torch),
    row("momentum_step", "alternative", momentum_ops),
    row("momentum_step", "alternative", momentum_turned_signs),
    row("momentum_step", "alternative", momentum_in_lists),
    row("momentum_step", "todo", lambda w, v, grad, lr, mu: (..., v)),
    *[row("momentum_step", key, slipped("MOMENTUM", key)) for key in lesson.MOMENTUM_SLIPS],
    row("momentum_step", "ema", lambda w, v, g, lr, mu: (
        w + mu * v - (1 - mu) * lr * g, mu * v - (1 - mu) * lr * g)),
    row("momentum_step", "parts", lambda w, v, g, lr, mu: w + mu * v - lr * g),
    row("momentum_step", "order", lambda *a: momentum(*a)[::-1]),
    row("momentum_step", "double", lambda w, v, g, lr, mu: momentum(w, v, g, 2 * lr, mu)),
    row("momentum_step", "differs", lambda w, v, g, lr, mu: momentum(w, v, g, 3 * lr, mu)),
    row("momentum_step", "two", lambda w, v, g, lr, mu: (w, v)),
    row("momentum_step", "complement", lambda w, v, g, lr, mu: momentum(w, v, g, lr, 1 - mu)),
    row("momentum_step", "minus", lambda w, v, g, lr, mu: momentum(w, v, g, lr, -mu)),
    row("momentum_step", "later", lambda w, v, g, lr, mu: momentum(w, v, g, lr, mu / 2)),
    # invented: combinations, and steps from other books
    row("momentum_step", "two", lambda w, v, g, lr, mu: (w + v + lr * g, v + lr * g)),
    row("momentum_step", "two", lambda w, v, g, lr, mu: (w + mu * v - g, v)),
    row("momentum_step", "two", lambda w, v, g, lr, mu: (
        w + mu * v + lr * (1 - mu) * g, mu * v + lr * (1 - mu) * g)),
    row("momentum_step", "mu_all", lambda w, v, g, lr, mu: (
        w + mu * (v - lr * g), mu * (v - lr * g))),
    row("momentum_step", "two", lambda w, v, g, lr, mu: (w + v - lr * mu * g, v - lr * mu * g)),
    row("momentum_step", "top_speed", lambda w, v, g, lr, mu: (w - lr / (1 - mu) * g, v)),
    row("momentum_step", "forgot_v", lambda w, v, g, lr, mu: (w - lr * g, 0 * v)),
    row("momentum_step", "forgot_v", lambda w, v, g, lr, mu: (w - lr * g, v)),
    row("momentum_step", "w_for_v", lambda w, v, g, lr, mu: (w + mu * v - lr * g,) * 2),
    row("momentum_step", "push_twice", lambda w, v, g, lr, mu: (
        w + mu * v - lr * g - lr * g, mu * v - lr * g)),
    row("momentum_step", "order", lambda *a: (momentum(*a)[1], momentum(*a)[1])),
    row("momentum_step", "fixed", lambda w, v, g, lr, mu: momentum(w, v, g, lr, 0.9)),
    row("momentum_step", "fixed", lambda w, v, g, lr, mu: momentum(w, v, g, 0.019, mu)),
    row("momentum_step", "fixed", lambda w, v, g, lr, mu: momentum(w, v, g, 0.019, 0.9)),
    row("momentum_step", "hard_coded", momentum_that_remembers()),
    row("momentum_step", "mutated", momentum_in_place),
    row("momentum_step", "none", lambda *a: print(momentum(*a))),
    row("momentum_step", "signature", lambda w, v, grad: (w, v)),
    row("momentum_step", "nan", lambda w, v, g, lr, mu: (w * np.nan, v)),
    row("momentum_step", "shape", lambda w, v, g, lr, mu: (w[:1], v)),
    row("momentum_step", "raised", lambda w, v, g, lr, mu: w.velocity),
    row("friction", "ok", 0.6, 8),
    row("friction", "alternative", np.float32(0.5), keras.ops.convert_to_tensor(10)),
    row("friction", "alternative", 0.4, 12.0),
    row("friction", "todo", ..., ...),
    row("friction", "todo", 0.6, ...),
    row("friction", "range", 1.0, 100),
    row("friction", "range", -0.6, 8),
    row("friction", "no_gain", 0.9, 42),
    row("friction", "no_gain", 0.95, 92),
    row("friction", "plain", 0, 23),
    row("friction", "cut", 0.99, 101),
    row("friction", "slow", 0.2, 18),
    row("friction", "slow", 0.8, 22),
    row("friction", "touch", 0.9, 34),
    row("friction", "touch", 0.7, 6),
    row("friction", "plain_count", 0.6, 23),
    row("friction", "other_count", 0.6, 42),
    row("friction", "count", 0.6, 7),
    row("friction", "count", 0.5, -10),
    row("friction", "range", 60, 8),
    row("friction", "alternative", np.array([0.6]), np.int64(8)),
    row("friction", "count", 0.6, 9),
    row("friction", "type", "0.6", 8),
    row("adam_step", "ok", adam),
    row("adam_step", "alternative", adam_keras),
    row("adam_step", "alternative", adam_ops),
    row("adam_step", "alternative", adam_in_floats),
    row("adam_step", "todo", lambda w, m, v, grad, t, lr, beta_1, beta_2, epsilon: (..., m, v)),
    *[row("adam_step", key, slipped("ADAM", key)) for key in lesson.ADAM_SLIPS],
    row("adam_step", "no_rate", lambda w, m, v, g, t, lr, *a: adam(w, m, v, g, t, 1, *a)),
    row("adam_step", "later", lambda w, m, v, g, t, lr, b, c, e: adam(
        w, m, v, g, t, lr, b**2, c, e)),
    row("adam_step", "two", lambda w, m, v, g, t, lr, b, c, e: (
        w - lr * (b * m + (1 - b) * g) / (np.sqrt(c * v + (1 - c) * g**2) + e), m, v)),
    row("adam_step", "two", lambda w, m, v, g, t, lr, b, c, e: (
        w + lr * (b * m + (1 - b) * g) / (np.sqrt(c * v + (1 - c) * g**2) + e),
        b * m + (1 - b) * g, c * v + (1 - c) * g**2)),
    row("adam_step", "exchanged", lambda *a: tuple(adam(*a)[k] for k in (0, 2, 1))),
    row("adam_step", "nan", adam_beta_times_t),
    row("adam_step", "differs", adam_times_t),
    row("adam_step", "corrected_once", adam_corrected_as_at_step_1),
    row("adam_step", "parts", lambda *a: adam(*a)[0]),
    row("adam_step", "parts", lambda *a: adam(*a)[:2]),
    row("adam_step", "order", adam_another_order),
    row("adam_step", "fixed", adam_fixed_betas),
    row("adam_step", "fixed", lambda w, m, v, g, t, lr, *a: adam(w, m, v, g, t, 0.3, *a)),
    row("adam_step", "hard_coded", adam_that_counts()),
    row("adam_step", "no_epsilon", adam_without_epsilon),
    row("adam_step", "epsilon_inside", adam_epsilon_inside),
    row("adam_step", "epsilon", adam_big_epsilon),
    row("adam_step", "raised", adam_dividing_by_zero),
    row("adam_step", "none", lambda *a: print(adam(*a))),
    row("needs_new_rate", "ok", ["sgd", "momentum"]),
    row("needs_new_rate", "alternative", "momentum, SGD"),
    row("needs_new_rate", "alternative", {"SGD", "Momentum"}),
    row("needs_new_rate", "todo", ...),
    row("needs_new_rate", "all", ["sgd", "momentum", "rmsprop", "adam"]),
    row("needs_new_rate", "none_needs", []),
    row("needs_new_rate", "none_needs", ""),
    row("needs_new_rate", "reversed", ["rmsprop", "adam"]),
    row("needs_new_rate", "reversed", ["adam"]),
    row("needs_new_rate", "missing", ["sgd"]),
    row("needs_new_rate", "missing", "momentum"),
    row("needs_new_rate", "missing", "SGD with momentum"),
    row("needs_new_rate", "extra", ["sgd", "adam"]),
    row("needs_new_rate", "all", "all four"),
    row("needs_new_rate", "all", "all"),
    row("needs_new_rate", "none_needs", "none"),
    row("needs_new_rate", "alternative", "both sgd and momentum"),
    row("needs_new_rate", "alternative", "SGD, SGD with momentum"),
    row("needs_new_rate", "alternative", ["sgd, momentum"]),
    row("needs_new_rate", "alternative", np.array(["SGD", "Momentum"])),
    row("needs_new_rate", "alternative", "momentum sgd"),
    row("needs_new_rate", "extra", "sgd, momentum & RMS-prop"),
    row("needs_new_rate", "reversed", "RMSProp and Adam"),
    row("needs_new_rate", "names", "the first two"),
    row("needs_new_rate", "extra", ["sgd", "momentum", "rmsprop"]),
    row("needs_new_rate", "names", ["sgd", "adamax"]),
    row("needs_new_rate", "names", [1, 2]),
    row("needs_new_rate", "alternative", "SGD and momentum"),
    row("needs_new_rate", "type", 2),
    row("needs_new_rate", "type", {"sgd": True, "momentum": True, "rmsprop": False}),
    mend("ok"),
    mend("alternative", acc=adagrad_torch, avg=rmsprop_torch, last=adamw_shrinks_first),
    mend("todo", last=lambda w, grad, lr, decay, adam: ...),
    *[mend(key, acc=slipped("ADAGRAD", key)) for key in lesson.ADAGRAD_SLIPS],
    *[mend(key, avg=slipped("RMSPROP", key)) for key in lesson.RMSPROP_SLIPS],
    *[mend(key, last=slipped("ADAMW", key)) for key in lesson.ADAMW_SLIPS],
    mend("adagrad_uphill", acc=lambda w, acc, g, lr, e: adagrad(w, acc, g, -lr, e)),
    mend("rmsprop_uphill", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, -lr, rho, e)),
    mend("adagrad", acc=lambda w, acc, g, lr, e: (adagrad(w, acc, g, lr, e)[0], acc + abs(g))),
    mend("order", acc=lambda *a: adagrad(*a)[::-1]),
    mend("order", avg=lambda *a: rmsprop(*a)[::-1]),
    mend("two", acc=lambda w, acc, g, lr, e: (w - lr * g / (acc + g**2), acc)),
    mend("two", avg=lambda w, avg, g, lr, rho, e: (
        w + lr * g / np.sqrt(rho * avg + g**2 + e), rho * avg + g**2)),
    mend("two", last=lambda w, g, lr, decay, adam: w - lr * adam(g) + decay * w),
    mend("two", last=lambda w, g, lr, decay, adam: w - adam(g) - decay * w),
    mend("fixed", acc=lambda w, acc, g, lr, e: adagrad(w, acc, g, 2.0, e)),
    mend("fixed", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, lr, 0.9, e)),
    mend("fixed", last=lambda w, g, lr, decay, adam: adamw(w, g, lr, 0.1, adam)),
    mend("no_epsilon", acc=lambda w, acc, g, lr, e: adagrad(w, acc, g, lr, 0)),
    mend("no_epsilon", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, lr, rho, 0)),
    mend("adamw_constant", last=lambda w, g, lr, decay, adam: w - lr * adam(g) - lr * decay),
    mend("adamw", last=lambda w, g, lr, decay, adam: w - lr * adam(g) - decay / 3 * lr * w),
    mend("adamw_both", last=adamw_decays_twice),
    mend("rmsprop", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, lr, 0.99, e)),
    mend("adamw_calls", last=adamw_asks_twice),
    mend("parts", acc=lambda *a: adagrad(*a)[0]),
    mend("type", last=lambda *a: (adamw(*a), 1)),
    mend("called", avg=0.9),
    net("ok", SGD(Cosine(0.1, 9000), momentum=0.9)),
    net("alternative", SGD(Cosine(0.05, 8500, warmup_target=0.2, warmup_steps=500),
                                     momentum=0.9, nesterov=True, weight_decay=1e-4)),
    net("alternative", AdamW(Cosine(1e-3, 9000), weight_decay=0.05)),
    net("alternative", keras.optimizers.Adam(Cosine(2e-3, 9000), weight_decay=0.05)),
    net("alternative", SGD(OneCycle(0.4, 9000), momentum=0.9)),
    net("alternative", SGD(keras.optimizers.schedules.PiecewiseConstantDecay(
        [3000, 6000], [0.1, 0.01, 0.001]), momentum=0.9)),
    net("alternative", SGD(Cosine(0.0125, 9000), momentum=0.9)),
    net("alternative", SGD(keras.optimizers.schedules.PiecewiseConstantDecay(
        [2500, 5000, 7000], [0.1, 0.01, 0.001, 0.0001]), momentum=0.9)),
    net("alternative", ScheduledMomentumSGD(
        OneCycle(0.4, 9000), OneCycle(0.4, 9000).momentum())),
    net("todo", ...),
    net("not_one", "SGD"),
    net("not_one", SGD),
    net("literal", AdamW(3e-4, weight_decay=0.01)),
    net("other", keras.optimizers.Adam(1e-3)),
    net("other", keras.optimizers.RMSprop(1e-3)),
    net("other", AdamW(Cosine(1e-3, 9000), weight_decay=0.0)),
    net("no_momentum", SGD(Cosine(0.1, 9000))),
    net("momentum", SGD(Cosine(0.1, 9000), momentum=0.999)),
    net("momentum", SGD(Cosine(0.1, 9000), momentum=0.1)),
    net("rate", SGD(Cosine(0.001, 9000), momentum=0.9)),
    net("rate", AdamW(Cosine(0.1, 9000))),
    net("constant", SGD(0.1, momentum=0.9)),
    net("constant", AdamW(1e-3, weight_decay=0.05)),
    net("epochs", SGD(Cosine(0.1, 90), momentum=0.9)),
    net("asleep", SGD(Cosine(0.1, 4500), momentum=0.9)),
    net("epochs", SGD(Drops([30, 60], [0.1, 0.01, 0.001]), momentum=0.9)),
    net("epochs", SGD(Drops([30, 60, 80], [0.1, 0.01, 1e-3, 1e-4]), momentum=0.9)),
    net("epochs", SGD(Cosine(0.1, 90, alpha=0.01), momentum=0.9)),
    net("epochs", AdamW(Cosine(1e-3, 100))),
    net("no_momentum", SGD(Cosine(0.1, 90))),
    net("constant", SGD(0.1, momentum=0.9, nesterov=True)),
    net("other", keras.optimizers.Lion(Cosine(1e-4, 9000))),
    net("rate", AdamW(Cosine(0.5, 9000))),
    net("rate", AdamW(Cosine(0.02, 9000), weight_decay=0.05)),
    net("alternative", AdamW(Cosine(0.01, 9000), weight_decay=0.05)),
    net("alternative", keras.optimizers.LossScaleOptimizer(
        SGD(Cosine(0.1, 9000), momentum=0.9))),
    net("alternative", SGD(Drops([2999, 5999], [0.1, 0.01, 0.001]), momentum=0.9)),
    net("hot", SGD(Cosine(0.1, 900000), momentum=0.9)),
    walk("todo", ...),
    walk("alternative", AdamW(0.0003, weight_decay=0.0)),
    walk("alternative", keras.optimizers.Adam(lambda: 3e-4, amsgrad=True)),
    walk("alternative", keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(3e-4))),
    walk("walker_kind", SGD(0.1, momentum=0.9)),
    walk("walker_kind", AdamW(3e-4, weight_decay=0.01)),
    walk("walker_decay", keras.optimizers.Adam(3e-4, weight_decay=0.01)),
    walk("walker_rate", keras.optimizers.Adam()),
    walk("walker_rate", keras.optimizers.Adam(3e-3)),
    walk("not_one", "adam"),
    walk("not_one", keras.optimizers.Adam),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_keras_still_adds_epsilon_before_the_correction():
    """The lesson's formula of Keras's Adam is Keras's, at gradients where the place matters."""
    w, zero = keras.Variable(np.zeros(2, "float32")), np.zeros(2)
    keras.optimizers.Adam(0.1).apply([keras.ops.full((2,), 1e-6)], [w])
    settings = (1, 0.1, 0.9, 0.999, 1e-7)
    keras_form, paper = (
        step(zero, zero, zero, np.full(2, 1e-6), *settings)[0]
        for step in (lesson._keras_adam, lesson._paper_adam)
    )
    np.testing.assert_allclose(keras.ops.convert_to_numpy(w), keras_form, rtol=1e-3)
    assert abs(paper / keras_form).min() > 3


@pytest.mark.parametrize("mu", [0.0, 0.4, 0.6, 0.9])
def test_the_count_of_steps_is_that_of_a_traced_path(mu):
    path = trace_path(SGD(0.095, momentum=mu), lambda a, b: (20 * a**2 + b**2) / 2, (1, 10), 200)
    assert lesson.settled(path.losses) == lesson.settled(lesson._gentle_losses(mu))


def test_settled_counts_from_the_last_step_outside():
    assert lesson.settled([100, 1, 2, 1, 0.5]) == 3
    assert lesson.settled([100, 50, 2]) == 3
    assert lesson.settled([100, np.nan, np.nan]) == 3


def test_the_optimizer_for_a_resnet_is_left_as_it_was():
    optimizer = SGD(Cosine(0.1, 9000), momentum=0.9)
    optimizer.iterations.assign(7)
    assert (
        lesson.check.verdict("resnet", optimizer, keras.optimizers.Adam(3e-4)).status == "correct"
    )
    assert int(optimizer.iterations) == 7


@pytest.mark.parametrize("exercise", ["friction"])
def test_nonsense_is_not_told_the_count(exercise):
    """No number that is wrong is answered with the right number of steps."""
    for mu, right in ((0.6, 8), (0.5, 10), (0.3, 16)):
        for nonsense in (-7, 0, 1, 7, 9, 13, 99, 101, 1e6, 0.5):
            message = lesson.check.verdict(exercise, mu, nonsense).message
            shown = message.replace(f"{nonsense:g}", "").replace(str(mu), "")
            assert str(right) not in shown.replace("within 1 %", ""), message
