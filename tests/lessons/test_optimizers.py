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
    """Give a slip of the lesson the stub's own signature."""
    return getattr(lesson, table)[key]


def mend(key, *, acc=adagrad, avg=rmsprop, last=adamw):
    return row("mended", key, acc, avg, last)


ANSWERS = [
    row("momentum_step", "ok", momentum),
    row("momentum_step", "alternative", momentum_torch),
    row("momentum_step", "alternative", momentum_ops),
    row("momentum_step", "alternative", momentum_turned_signs),
    row("momentum_step", "alternative", momentum_in_lists),
    row("momentum_step", "todo", lambda w, v, grad, lr, mu: (..., v)),
    *[row("momentum_step", key, slipped("MOMENTUM_SLIPS", key)) for key in lesson.MOMENTUM_SLIPS],
    row("momentum_step", "ema", lambda w, v, g, lr, mu: (
        w + mu * v - (1 - mu) * lr * g, mu * v - (1 - mu) * lr * g)),
    row("momentum_step", "parts", lambda w, v, g, lr, mu: w + mu * v - lr * g),
    row("momentum_step", "order", lambda *a: momentum(*a)[::-1]),
    row("momentum_step", "differs", lambda w, v, g, lr, mu: momentum(w, v, g, 2 * lr, mu)),
    row("momentum_step", "differs", lambda w, v, g, lr, mu: (w, v)),
    row("momentum_step", "later", lambda w, v, g, lr, mu: momentum(w, v, g, lr, 1 - mu)),
    row("momentum_step", "later", lambda w, v, g, lr, mu: momentum(w, v, g, lr, -mu)),
    row("momentum_step", "order", lambda *a: (momentum(*a)[1], momentum(*a)[1])),
    row("momentum_step", "hard_coded", lambda w, v, g, lr, mu: momentum(w, v, g, lr, 0.9)),
    row("momentum_step", "hard_coded", lambda w, v, g, lr, mu: momentum(w, v, g, 0.019, mu)),
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
    row("friction", "count", 0.6, 9),
    row("friction", "type", "0.6", 8),
    row("adam_step", "ok", adam),
    row("adam_step", "alternative", adam_keras),
    row("adam_step", "alternative", adam_ops),
    row("adam_step", "alternative", adam_in_floats),
    row("adam_step", "todo", lambda w, m, v, grad, t, lr, beta_1, beta_2, epsilon: (..., m, v)),
    *[row("adam_step", key, slipped("ADAM_SLIPS", key)) for key in lesson.ADAM_SLIPS],
    row("adam_step", "differs", lambda w, m, v, g, t, lr, *a: adam(w, m, v, g, t, 1, *a)),
    row("adam_step", "differs", adam_times_t),
    row("adam_step", "later", adam_corrected_as_at_step_1),
    row("adam_step", "parts", lambda *a: adam(*a)[0]),
    row("adam_step", "parts", lambda *a: adam(*a)[:2]),
    row("adam_step", "order", adam_another_order),
    row("adam_step", "hard_coded", adam_fixed_betas),
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
    row("needs_new_rate", "missing", ["sgd", "adam"]),
    row("needs_new_rate", "extra", ["sgd", "momentum", "rmsprop"]),
    row("needs_new_rate", "names", ["sgd", "adamax"]),
    row("needs_new_rate", "names", [1, 2]),
    row("needs_new_rate", "alternative", "SGD and momentum"),
    row("needs_new_rate", "type", 2),
    row("needs_new_rate", "type", {"sgd": True, "momentum": True, "rmsprop": False}),
    mend("ok"),
    mend("alternative", acc=adagrad_torch, avg=rmsprop_torch, last=adamw_shrinks_first),
    mend("todo", last=lambda w, grad, lr, decay, adam: ...),
    *[mend(key, acc=slipped("ADAGRAD_SLIPS", key)) for key in lesson.ADAGRAD_SLIPS],
    *[mend(key, avg=slipped("RMSPROP_SLIPS", key)) for key in lesson.RMSPROP_SLIPS],
    *[mend(key, last=slipped("ADAMW_SLIPS", key)) for key in lesson.ADAMW_SLIPS],
    mend("uphill", acc=lambda w, acc, g, lr, e: adagrad(w, acc, g, -lr, e)),
    mend("uphill", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, -lr, rho, e)),
    mend("adagrad", acc=lambda w, acc, g, lr, e: (adagrad(w, acc, g, lr, e)[0], acc + abs(g))),
    mend("adamw_both", last=adamw_decays_twice),
    mend("rmsprop", avg=lambda w, avg, g, lr, rho, e: rmsprop(w, avg, g, lr, 0.99, e)),
    mend("adamw", last=lambda w, g, lr, decay, adam: w - lr * adam(g) - lr * decay),
    mend("adamw_calls", last=adamw_asks_twice),
    mend("parts", acc=lambda *a: adagrad(*a)[0]),
    mend("type", last=lambda *a: (adamw(*a), 1)),
    mend("called", avg=0.9),
    row("resnet", "ok", SGD(Cosine(0.1, 9000), momentum=0.9)),
    row("resnet", "alternative", SGD(Cosine(0.05, 8500, warmup_target=0.2, warmup_steps=500),
                                     momentum=0.9, nesterov=True, weight_decay=1e-4)),
    row("resnet", "alternative", AdamW(Cosine(1e-3, 9000), weight_decay=0.05)),
    row("resnet", "alternative", keras.optimizers.Adam(Cosine(2e-3, 9000), weight_decay=0.05)),
    row("resnet", "alternative", SGD(OneCycle(0.4, 9000), momentum=0.9)),
    row("resnet", "alternative", SGD(keras.optimizers.schedules.PiecewiseConstantDecay(
        [3000, 6000], [0.1, 0.01, 0.001]), momentum=0.9)),
    row("resnet", "alternative", SGD(Cosine(0.0125, 9000), momentum=0.9)),
    row("resnet", "alternative", SGD(keras.optimizers.schedules.PiecewiseConstantDecay(
        [2500, 5000, 7000], [0.1, 0.01, 0.001, 0.0001]), momentum=0.9)),
    row("resnet", "alternative", ScheduledMomentumSGD(
        OneCycle(0.4, 9000), OneCycle(0.4, 9000).momentum())),
    row("resnet", "todo", ...),
    row("resnet", "not_one", "SGD"),
    row("resnet", "not_one", SGD),
    row("resnet", "literal", AdamW(3e-4, weight_decay=0.01)),
    row("resnet", "other", keras.optimizers.Adam(1e-3)),
    row("resnet", "other", keras.optimizers.RMSprop(1e-3)),
    row("resnet", "other", AdamW(Cosine(1e-3, 9000), weight_decay=0.0)),
    row("resnet", "no_momentum", SGD(Cosine(0.1, 9000))),
    row("resnet", "momentum", SGD(Cosine(0.1, 9000), momentum=0.999)),
    row("resnet", "momentum", SGD(Cosine(0.1, 9000), momentum=0.1)),
    row("resnet", "rate", SGD(Cosine(0.001, 9000), momentum=0.9)),
    row("resnet", "rate", AdamW(Cosine(0.1, 9000))),
    row("resnet", "constant", SGD(0.1, momentum=0.9)),
    row("resnet", "constant", AdamW(1e-3, weight_decay=0.05)),
    row("resnet", "epochs", SGD(Cosine(0.1, 90), momentum=0.9)),
    row("resnet", "epochs", SGD(Cosine(0.1, 4500), momentum=0.9)),
    row("resnet", "hot", SGD(Cosine(0.1, 900000), momentum=0.9)),
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
    assert lesson.check.verdict("resnet", optimizer).status == "correct"
    assert int(optimizer.iterations) == 7
