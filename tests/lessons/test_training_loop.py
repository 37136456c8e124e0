"""Right answers of several kinds, and what each wrong one is told."""

import itertools

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons.training_loop import Reader, check, step_times
from coursekit.training import value_and_gradients

if keras.backend.backend() == "jax":
    import jax
else:
    import tensorflow as tf


pytestmark = pytest.mark.any_backend
ON_JAX = keras.backend.backend() == "jax"


def make_step(
    *,
    inside=True,
    training=True,
    swapped=False,
    penalty=True,
    penalties=1,
    weights=False,
    change=lambda g: g,
):
    """Return a training step with some faults."""

    def step(model, loss_fn, optimizer, x, y):
        before = model(x, **({"training": True} if training else {}))

        def loss_of(*values):
            y_pred = model(x, **({"training": True} if training else {})) if inside else before
            loss = loss_fn(y_pred, y) if swapped else loss_fn(y, y_pred)
            return loss + penalties * sum(model.losses) if penalty else loss

        variables = model.weights if weights else model.trainable_variables
        found = value_and_gradients(loss_of, variables)
        optimizer.apply([change(g) for g in found.gradients.values()], variables)
        return found.loss

    return step


step = make_step()


def step_with_tape(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True)) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_zip(model, loss_fn, optimizer, x, y):
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        predicted = model(keras.ops.convert_to_tensor(x), training=True)
        loss = keras.ops.mean(loss_fn(y, predicted)) + keras.ops.sum(model.losses)
        gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return float(loss)


def step_tape_all_weights(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True)) + sum(model.losses)
    optimizer.apply(tape.gradient(loss, model.weights), model.weights)
    return loss


def step_outside_tape(model, loss_fn, optimizer, x, y):
    predicted = model(x, training=True)
    with tf.GradientTape() as tape:
        loss = loss_fn(y, predicted) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_through_numpy(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True).numpy())
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_of_jax(model, loss_fn, optimizer, x, y):
    def loss_of(trainable, others):
        y_pred, others, penalties = model.stateless_call(
            trainable, others, x, training=True, return_losses=True
        )
        return loss_fn(y, y_pred) + sum(penalties), others

    trainable = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    (loss, _), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, others)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_by_keras(model, loss_fn, optimizer, x, y):
    model.compile(optimizer, loss_fn)
    return model.train_on_batch(x, y)


def step_compiled(model, loss_fn, optimizer, x, y):
    model.compile(optimizer, loss_fn)
    found = value_and_gradients(model, x, y)
    optimizer.apply(list(found.gradients.values()), model.trainable_variables)
    return found.loss


def step_by_hand(model, loss_fn, optimizer, x, y):
    model.compile("sgd", loss_fn)
    found = value_and_gradients(model, x, y)
    for v in model.trainable_variables:
        v.assign(v - 0.07 * found.gradients[v.path])
    return found.loss


def step_no_update(model, loss_fn, optimizer, x, y):
    return float(loss_fn(y, model(x, training=True)) + sum(model.losses))


def step_last_layer(model, loss_fn, optimizer, x, y):
    model.compile("sgd", loss_fn)
    found = value_and_gradients(model, x, y)
    variables = model.layers[-1].trainable_variables
    optimizer.apply([found.gradients[v.path] for v in variables], variables)
    return found.loss


def step_later_loss(model, loss_fn, optimizer, x, y):
    step(model, loss_fn, optimizer, x, y)
    return loss_fn(y, model(x, training=True)) + sum(model.losses)


def step_later_loss_of_inference(model, loss_fn, optimizer, x, y):
    step(model, loss_fn, optimizer, x, y)
    return loss_fn(y, model(x))


def step_that_looks_first(model, loss_fn, optimizer, x, y):
    model(x, training=True)
    return step(model, loss_fn, optimizer, x, y)


def step_twice(model, loss_fn, optimizer, x, y):
    loss = step(model, loss_fn, optimizer, x, y)
    step(model, loss_fn, optimizer, x, y)
    return loss


def step_decaying(model, loss_fn, optimizer, x, y):
    loss = step(model, loss_fn, optimizer, x, y)
    model.trainable_variables[0].assign(model.trainable_variables[0] * 0.9)
    return loss


def step_of_predictions(model, loss_fn, optimizer, x, y):
    found = value_and_gradients(
        lambda *w: keras.ops.sum(model(x, training=True)), model.trainable_variables
    )
    optimizer.apply(list(found.gradients.values()), model.trainable_variables)
    return found.loss


def step_bare_value(model, loss_fn, optimizer, x, y):
    loss = loss_fn(y, model(x, training=True))
    step(model, loss_fn, optimizer, x, y)
    return loss


def step_inference_value(model, loss_fn, optimizer, x, y):
    loss = loss_fn(y, model(x)) + sum(model.losses)
    step(model, loss_fn, optimizer, x, y)
    return loss


def step_penalty_value(model, loss_fn, optimizer, x, y):
    loss = sum(model.losses)
    step(model, loss_fn, optimizer, x, y)
    return loss


def step_without_return(*args):
    step(*args)


def step_that_remembers():
    stored = []

    def train_step(model, loss_fn, optimizer, x, y):
        model.compile("sgd", loss_fn)
        found = value_and_gradients(model, x, y)
        stored.append(list(found.gradients.values()))
        total = [sum(parts) for parts in zip(*stored, strict=True)]
        optimizer.apply(total, model.trainable_variables)
        return found.loss

    return train_step


def step_with_its_own_optimizer(model, loss_fn, optimizer, x, y):
    return step(model, loss_fn, keras.optimizers.SGD(0.07, momentum=0.9), x, y)


def batches(x, y, size, rng):
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
        piece = order[start : start + size]
        yield x[piece], y[piece]


def batches_list(x, y, size, rng):
    order = np.arange(len(x))
    rng.shuffle(order)
    pieces = np.split(order, range(size, len(x), size))
    return [(keras.ops.convert_to_tensor(x[p]), list(y[p])) for p in pieces]


def batches_by_choice(x, y, size, rng):
    order = iter(rng.choice(len(x), len(x), replace=False))
    while piece := list(itertools.islice(order, size)):
        yield [x[piece], y[piece]]


class Batches:
    """What `keras.utils.PyDataset` offers: a length, and items by number."""

    def __init__(self, x, y, size, rng):
        self.pairs = list(batches(x, y, size, rng))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, number):
        return self.pairs[number]


def prints_them(x, y, size, rng):
    for pair in batches(x, y, size, rng):
        print(pair)


def returns_one(x, y, size, rng):
    order = rng.permutation(len(x))[:size]
    return x[order], y[order]


def targets_first(x, y, size, rng):
    for a, b in batches(x, y, size, rng):
        yield b, a


def one_short(x, y, size, rng):
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
        piece = order[start : start + size - 1]
        yield x[piece], y[piece]


def always_32(x, y, size, rng):
    return batches(x, y, 32, rng)


def without_step(x, y, size, rng):
    order = rng.permutation(len(x))
    for start in range(len(x)):
        yield x[order[start : start + size]], y[order[start : start + size]]


def shuffled_inside(x, y, size, rng):
    for start in range(0, len(x), size):
        piece = start + rng.permutation(len(x[start : start + size]))
        yield x[piece], y[piece]


def rotated(x, y, size, rng):
    order = np.roll(np.arange(len(x)), rng.integers(len(x)))
    for start in range(0, len(x), size):
        yield x[order[start : start + size]], y[order[start : start + size]]


def torn(x, y, size, rng):
    a, b = rng.permutation(len(x)), rng.permutation(len(x))
    for start in range(0, len(x), size):
        yield x[a[start : start + size]], y[b[start : start + size]]


def lost(x, y, size, rng):
    order = rng.permutation(len(x))
    for number in range(len(x) // size):
        piece = order[number * size : (number + 1) * size]
        yield x[piece], y[piece]


def put_back(x, y, size, rng):
    for start in range(0, len(x), size):
        piece = rng.integers(len(x), size=min(size, len(x) - start))
        yield x[piece], y[piece]


def evened_out(x, y, size, rng):
    for piece in np.array_split(rng.permutation(len(x)), -(-len(x) // size)):
        yield x[piece], y[piece]


def in_order(x, y, size, rng):
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


def own_seed(x, y, size, rng):
    return batches(x, y, size, np.random.default_rng(0))


def global_rng(x, y, size, rng):
    order = np.random.permutation(len(x))
    return [(x[order[i : i + size]], y[order[i : i + size]]) for i in range(0, len(x), size)]


def endless(x, y, size, rng):
    while True:
        yield from batches(x, y, size, rng)


def inputs_only(x, y, size, rng):
    for a, _ in batches(x, y, size, rng):
        yield a


def in_place(x, y, size, rng):
    rng.shuffle(x)
    yield from in_order(x, y, size, rng)


def whole_blocks(x, y, size, rng):
    pieces = np.split(np.arange(len(x)), range(size, len(x), size))
    for k in rng.permutation(len(pieces)):
        yield x[pieces[k]], y[pieces[k]]


def shuffled_blocks(x, y, size, rng):
    pairs = list(in_order(x, y, size, rng))
    rng.shuffle(pairs)
    return pairs


def through_buffer(places):
    """Return batches out of a shuffle buffer, as `tf.data` has one."""

    def batches(x, y, size, rng):
        held, order = list(range(min(places, len(x)))), []
        for row_ in [*range(len(held), len(x)), *[None] * len(held)]:
            order.append(held.pop(rng.integers(len(held))))
            held += [row_] if row_ is not None else []
        order = np.array(order)
        for start in range(0, len(x), size):
            yield x[order[start : start + size]], y[order[start : start + size]]

    return batches


def local_swaps(x, y, size, rng):
    order = np.argsort(np.arange(len(x)) + rng.uniform(0, 50, len(x)))
    for start in range(0, len(x), size):
        yield x[order[start : start + size]], y[order[start : start + size]]


def strided(x, y, size, rng):
    n = len(x)
    stride = {104: 33, 23: 7, 30: 7, 5: 2, 1: 1}[n]
    order = (rng.integers(n) + stride * np.arange(n)) % n
    for start in range(0, n, size):
        yield x[order[start : start + size]], y[order[start : start + size]]


def row_numbers(x, y, size, rng):
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
        yield order[start : start + size], order[start : start + size]


def padded(x, y, size, rng):
    for a, b in batches(x, y, size, rng):
        more = size - len(a)
        yield np.pad(a, ((0, more), (0, 0))), np.pad(b, (0, more))


def half_of_y(x, y, size, rng):
    for a, b in batches(x, y, size, rng):
        yield a, b[: len(b) // 2]


def few_rows(x, y, size, rng):
    return list(batches(x[: len(x) // 2], y, size, rng))


ANSWERS = [
    row("loop_order", "ok", "cedba", 6),
    row("loop_order", "alternative", ["d", "c", "e", "b", "a"], 6),
    row("loop_order", "alternative", "c, d, e, b, a", 6),
    row("loop_order", "alternative", ["forward", "loss", "zero", "backward", "update"], 6),
    row("loop_order", "alternative", ("C", "E", "B", "A", "D"), 6),
    row("loop_order", "todo", ..., ...),
    row("loop_order", "alternative", "c, d, e, b and then a", 6),
    row("loop_order", "letters", "ceba", 6),
    row("loop_order", "alternative", "forward, zero, loss, backward, update", 6),
    row("loop_order", "letters", "cedbaa", 6),
    row("loop_order", "letters", "cedbx", 6),
    row("loop_order", "no_order", set("cedba"), 6),
    row("loop_order", "loss_first", "ecdba", 6),
    row("loop_order", "backward_first", "cdbea", 6),
    row("loop_order", "update_first", "ceadb", 6),
    row("loop_order", "zero_between", "cebda", 6),
    row("loop_order", "type", 12345, 6),
    row("loop_order", "none", None, 6),
    row("train_step", "ok", step),
    row("train_step", "alternative", step_by_keras),
    row("train_step", "alternative", step_compiled),
    row("train_step", "alternative", step_that_looks_first),
    row("train_step", "todo", lambda *a: ...),
    row("train_step", "outside", make_step(inside=False)),
    row("train_step", "outside", make_step(inside=False, penalty=False, weights=True)),
    row("train_step", "bypassed", step_by_hand),
    row("train_step", "bypassed", step_with_its_own_optimizer),
    row("train_step", "frozen", make_step(weights=True)),
    row("train_step", "inference_mode", make_step(training=False)),
    row("train_step", "swapped", make_step(swapped=True)),
    row("train_step", "no_penalty", make_step(penalty=False)),
    row("train_step", "several", make_step(training=False, swapped=True)),
    row("train_step", "several", make_step(training=False, weights=True)),
    row("train_step", "several", make_step(swapped=True, penalty=False, weights=True)),
    row("train_step", "several", make_step(training=False, swapped=True, penalty=False)),
    row("train_step", "several", make_step(penalty=False, change=lambda g: -g)),
    row("train_step", "several", make_step(swapped=True, change=lambda g: 8 * g)),
    row("train_step", "no_update", step_no_update),
    row("train_step", "partly", step_last_layer),
    row("train_step", "uphill", make_step(change=lambda g: -g)),
    row("train_step", "factor", make_step(change=lambda g: 8 * g)),
    row("train_step", "factor", make_step(change=lambda g: 0.07 * g)),
    row("train_step", "factor", make_step(change=lambda g: -0.5 * g)),
    row("train_step", "loss_after", step_later_loss),
    row("train_step", "loss_after", step_later_loss_of_inference),
    row("train_step", "loss_bare", step_bare_value),
    row("train_step", "loss_penalty", step_penalty_value),
    row("train_step", "loss_factor", lambda *a: step(*a) * 8),
    row("train_step", "loss_value", lambda *a: 0.31 + 0 * step(*a)),
    row("train_step", "twice", step_twice),
    row("train_step", "weights", step_decaying),
    row("train_step", "weights", make_step(change=np.sign)),
    row("train_step", "weights", step_of_predictions),
    row("train_step", "not_repeatable", step_that_remembers()),
    row("train_step", "parts", make_step(penalties=2)),
    row("train_step", "parts", make_step(penalties=1 / 8)),
    row("train_step", "rows_left_out", lambda m, f, o, x, y: step(m, f, o, x[:1], y[:1])),
    row("train_step", "rows_left_out", lambda m, f, o, x, y: step(m, f, o, x[:-1], y[:-1])),
    row("train_step", "each_its_own", make_step(change=lambda g: g / np.linalg.norm(g))),
    row("train_step", "loss_inference", step_inference_value),
    row("train_step", "none", step_without_return),
    row("train_step", "nan", lambda *a: step(*a) * float("nan")),
    row("train_step", "signature", lambda model, x, y: 0.0),
    row("train_step", "called", 0.31),
    row("train_step", "raised", lambda model, *rest: model.no_such_method()),
    row("epoch_loss", "ok", lambda losses, sizes: np.average(losses, weights=sizes)),
    row(
        "epoch_loss",
        "alternative",
        lambda ls, ns: sum(a * b for a, b in zip(ls, ns, strict=True)) / sum(ns),
    ),
    row(
        "epoch_loss",
        "alternative",
        lambda ls, ns: (
            keras.ops.dot(keras.ops.array(ls), keras.ops.array(ns, dtype="float32")) / sum(ns)
        ),
    ),
    row("epoch_loss", "alternative", lambda ls, ns: np.repeat(ls, ns).mean()),
    row("epoch_loss", "alternative", lambda ls, ns: [np.average(ls, weights=ns)]),
    row("epoch_loss", "todo", lambda losses, sizes: ...),
    row("epoch_loss", "mean_of_means", lambda losses, sizes: np.mean(losses)),
    row("epoch_loss", "sum", lambda losses, sizes: sum(losses)),
    row("epoch_loss", "not_divided", lambda ls, ns: np.dot(ls, ns)),
    row("epoch_loss", "divided_by_batches", lambda ls, ns: np.dot(ls, ns) / len(ls)),
    row("epoch_loss", "sum_by_rows", lambda ls, ns: sum(ls) / sum(ns)),
    row("epoch_loss", "last", lambda ls, ns: ls[-1]),
    row("epoch_loss", "first", lambda ls, ns: ls[0]),
    row("epoch_loss", "largest_batch", lambda ls, ns: ls[int(np.argmax(ns))]),
    row("epoch_loss", "best", lambda ls, ns: min(ls)),
    row("epoch_loss", "worst", lambda ls, ns: max(ls)),
    row("epoch_loss", "median", lambda ls, ns: np.median(ls)),
    row("epoch_loss", "other_way", lambda ls, ns: np.average(ls, weights=1 / np.array(ns))),
    row("epoch_loss", "squared", lambda ls, ns: np.average(ls, weights=np.array(ns) ** 2)),
    row("epoch_loss", "rows", lambda ls, ns: sum(ns)),
    row("epoch_loss", "slipped", lambda ls, ns: -2 * np.average(ls, weights=ns)),
    row(
        "epoch_loss",
        "only_two",
        lambda ls, ns: (ls[0] * ns[0] + ls[-1] * ns[-1]) / (ns[0] + ns[-1]),
    ),
    row("epoch_loss", "constant", lambda losses, sizes: 0.9),
    row("epoch_loss", "constant", lambda losses, sizes: 37 / 33),
    row("epoch_loss", "fixed_rows", lambda ls, ns: np.dot(ls, ns) / 33),
    row(
        "epoch_loss",
        "without_last",
        lambda ls, ns: np.average(ls[:-1], weights=ns[:-1]) if len(ls) > 1 else ls[0],
    ),
    row("epoch_loss", "one_row_less", lambda ls, ns: np.dot(ls, ns) / (sum(ns) - 1)),
    row("epoch_loss", "by_largest", lambda ls, ns: np.dot(ls, ns) / max(ns)),
    row("epoch_loss", "times_batches", lambda ls, ns: len(ls) * np.average(ls, weights=ns)),
    row("epoch_loss", "exchanged", lambda ls, ns: np.average(ns, weights=ls)),
    row("epoch_loss", "rounded_down", lambda ls, ns: np.dot(ls, ns) // sum(ns)),
    row("epoch_loss", "of_squares", lambda ls, ns: np.average(np.square(ls), weights=ns) ** 0.5),
    row("epoch_loss", "other", lambda ls, ns: np.exp(np.average(np.log(ls), weights=ns))),
    row("epoch_loss", "shape", lambda losses, sizes: np.array([*losses, 1.0])),
    row("epoch_loss", "mutated", lambda losses, sizes: losses.pop()),
    row("loop_order", "alternative", "cedba", np.float32(6.0)),
    row("loop_order", "alternative", "cedba", keras.ops.sum(keras.ops.array([2.0, 2.0, 2.0]))),
    row("loop_order", "alternative", "cedba", "6"),
    row("loop_order", "todo", "cedba", ...),
    row("loop_order", "nothing_stored", "cedba", 0),
    row("loop_order", "reset", "cedba", 2),
    row("loop_order", "one_short", "cedba", 4.0),
    row("loop_order", "product", "cedba", 8),
    row("loop_order", "all_updates", "cedba", [12]),
    row("loop_order", "count", "cedba", 3),
    row("loop_order", "mean", "cedba", 2 / 3),
    row("loop_order", "sign", "cedba", -6),
    row("loop_order", "other", "cedba", 7),
    row("loop_order", "other", "cedba", 1e9),
    row("loop_order", "type", "cedba", "six"),
    row("bottleneck", "ok", (12, 12, 5)),
    row("bottleneck", "alternative", [max(12, 5), max(12, 2.5), max(12 / 4, 5)]),
    row("bottleneck", "alternative", np.array([12.0, 12, 5])),
    row("bottleneck", "alternative", keras.ops.array([12, 12, 5])),
    row("bottleneck", "todo", ...),
    row("bottleneck", "alternative", "12, 12, 5"),
    row("bottleneck", "three", (12, 5)),
    row("bottleneck", "three", 12),
    row("bottleneck", "three", [12, 12, 5, 5]),
    row("bottleneck", "divided", (12, 12, 1.25)),
    row("bottleneck", "divided", (12, 12, 4.25)),
    row("bottleneck", "middle", (8.5, 7.25, 4)),
    row("bottleneck", "added", (17, 14.5, 8)),
    row("bottleneck", "added", (12, 14.5, 5)),
    row("bottleneck", "added", (12, 12, 8)),
    row("bottleneck", "computing", (5, 2.5, 5)),
    row("bottleneck", "computing", (12, 2.5, 5)),
    row("bottleneck", "reading", (12, 12, 3)),
    row("bottleneck", "unhurried", (12, 12, 12)),
    row("bottleneck", "difference", (7, 9.5, 2)),
    row("bottleneck", "halved", (12, 6, 5)),
    row("bottleneck", "halved", (12, 8.5, 5)),
    row("bottleneck", "both", (12, 12, 2.5)),
    row("bottleneck", "seconds", (0.012, 0.012, 0.005)),
    row("bottleneck", "order", (12, 5, 12)),
    row("bottleneck", "other", (12, 12, 48)),
    row("bottleneck", "type", ("a", 12, 5)),
    row("bottleneck", "none", (12, 12, None)),
    row("batches", "ok", batches),
    row("batches", "alternative", batches_list),
    row("batches", "alternative", batches_by_choice),
    row("batches", "todo", lambda x, y, size, rng: (... for _ in range(1))),
    row("batches", "alternative", Batches),
    row("batches", "alternative", lambda *a: iter(list(batches(*a)))),
    row("batches", "pairs", inputs_only),
    row("batches", "empty", lambda x, y, size, rng: []),
    row("batches", "nothing", prints_them),
    row("batches", "one_batch", returns_one),
    row("batches", "swapped", targets_first),
    row("batches", "missing", one_short),
    row("batches", "sizes", always_32),
    row("batches", "twice", without_step),
    row("batches", "whole", whole_blocks),
    row("batches", "whole", shuffled_blocks),
    row("batches", "neighbours", shuffled_inside),
    row("batches", "strangers", through_buffer(8)),
    row("batches", "strangers", through_buffer(16)),
    row("batches", "near", through_buffer(64)),
    row("batches", "strangers", local_swaps),
    row("batches", "strangers", strided),
    row("batches", "numbers", row_numbers),
    row("batches", "unknown", padded),
    row("batches", "unequal", half_of_y),
    row("batches", "missing", few_rows),
    row("batches", "neighbours", rotated),
    row("batches", "torn", torn),
    row("batches", "lost", lost),
    row("batches", "twice", put_back),
    row("batches", "sizes", evened_out),
    row("batches", "not_shuffled", in_order),
    row("batches", "same_order", own_seed),
    row("batches", "own_rng", global_rng),
    row("batches", "endless", endless),
    row("batches", "mutated", in_place),
    row("batches", "type", lambda x, y, size, rng: 4),
    row("patience", "ok", 4),
    row("patience", "alternative", np.int64(4)),
    row("patience", "alternative", [4.0]),
    row("patience", "alternative", "4"),
    row("patience", "todo", ...),
    row("patience", "false_alarm", 1),
    row("patience", "false_alarm", 3),
    row("patience", "false_alarm", 2),
    row("patience", "longer", 5),
    row("patience", "longer", 18),
    row("patience", "best_epoch", 11),
    row("patience", "never", 19),
    row("patience", "range", -4),
    row("patience", "never", 10**6),
    row("patience", "range", 0),
    row("patience", "range", 2.5),
    row("patience", "none", None),
    row("patience", "arguments", 3, [0.5]),
]

if ON_JAX:
    ANSWERS += [row("train_step", "alternative", step_of_jax)]
else:
    ANSWERS += [
        row("train_step", "alternative", step_with_tape),
        row("train_step", "alternative", step_zip),
        row("train_step", "alternative", tf.function(step_with_tape)),
        row("train_step", "frozen", step_tape_all_weights),
        row("train_step", "outside", step_outside_tape),
        row("train_step", "outside", step_through_numpy),
    ]


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("order", ["".join(p) for p in itertools.permutations("abcde")])
def test_the_order_check_agrees_with_a_simulation(order):
    """An order is right exactly if one round from a fresh start makes the right update."""
    weight, stored, known = 1.0, 7.0 if order[0] == "d" else 0.0, set()
    gradient_at_start = 2 * weight
    try:
        for letter in order:
            if letter == "c":
                known.add("prediction")
            elif letter == "e":
                known.remove("prediction")
                known.add("loss")
            elif letter == "b":
                known.remove("loss")
                stored += 2 * weight
            elif letter == "d":
                stored = 0.0
            else:
                weight -= 0.1 * stored
        right = weight == 1.0 - 0.1 * gradient_at_start
    except KeyError:
        right = False
    assert (check.verdict("loop_order", order, 6).status == "correct") == right


@pytest.mark.slow
def test_a_step_takes_as_long_as_its_batch():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    first, later = step_times(model, Reader(np.zeros((32, 2)), np.zeros(32), 5))
    assert first > later > 4
