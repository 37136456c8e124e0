"""Right answers of several kinds, and what each wrong one is told."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from answers import row

from coursekit.lessons.training_loop import check


def step(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_zip(model, loss_fn, optimizer, x, y):
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        predicted = model(keras.ops.convert_to_tensor(x), training=True)
        loss = keras.ops.mean(loss_fn(y, predicted)) + sum(model.losses)
        gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return float(loss)


def step_by_hand(model, loss_fn, optimizer, x, y):
    with tf.GradientTape(persistent=True) as tape:
        loss = loss_fn(y, model(x, training=True))
    for variable in model.trainable_variables:
        variable.assign(variable - optimizer.learning_rate * tape.gradient(loss, variable))
    return loss.numpy()


def step_by_keras(model, loss_fn, optimizer, x, y):
    model.compile(optimizer, loss_fn)
    return model.train_on_batch(x, y)


def step_outside(model, loss_fn, optimizer, x, y):
    predicted = model(x, training=True)
    with tf.GradientTape() as tape:
        loss = loss_fn(y, predicted)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_all_weights(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    optimizer.apply(tape.gradient(loss, model.weights), model.weights)
    return loss


def step_bare_call(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_swapped(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(model(x, training=True), y)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def step_no_update(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    tape.gradient(loss, model.trainable_variables)
    return loss


def step_last_layer(model, loss_fn, optimizer, x, y):
    variables = model.layers[-1].trainable_variables
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    optimizer.apply(tape.gradient(loss, variables), variables)
    return loss


def step_later_loss(model, loss_fn, optimizer, x, y):
    step(model, loss_fn, optimizer, x, y)
    return loss_fn(y, model(x, training=True))


def step_that_looks_first(model, loss_fn, optimizer, x, y):
    model(x, training=True)
    return step(model, loss_fn, optimizer, x, y)


def step_twice(model, loss_fn, optimizer, x, y):
    loss = step(model, loss_fn, optimizer, x, y)
    step(model, loss_fn, optimizer, x, y)
    return loss


def step_uphill(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply([-g for g in gradients], model.trainable_variables)
    return loss


def step_without_return(*args):
    step(*args)


def step_that_remembers():
    stored = []

    def train_step(model, loss_fn, optimizer, x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        stored.append(gradients)
        total = [sum(parts) for parts in zip(*stored, strict=True)]
        optimizer.apply(total, model.trainable_variables)
        return loss

    return train_step


def step_through_numpy(model, loss_fn, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True).numpy())
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


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
    order = np.roll(np.arange(len(x)), rng.integers(1, len(x)))
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


ANSWERS = [
    row("loop_order", "ok", "cedba"),
    row("loop_order", "alternative", ["d", "c", "e", "b", "a"]),
    row("loop_order", "alternative", "c, d, e, b, a"),
    row("loop_order", "alternative", ["forward", "loss", "zero", "backward", "update"]),
    row("loop_order", "alternative", ("C", "E", "B", "A", "D")),
    row("loop_order", "todo", ...),
    row("loop_order", "letters", "ceba"),
    row("loop_order", "alternative", "forward, zero, loss, backward, update"),
    row("loop_order", "letters", "cedbaa"),
    row("loop_order", "letters", "cedbx"),
    row("loop_order", "no_order", set("cedba")),
    row("loop_order", "loss_first", "ecdba"),
    row("loop_order", "backward_first", "cdbea"),
    row("loop_order", "update_first", "ceadb"),
    row("loop_order", "zero_between", "cebda"),
    row("loop_order", "type", 12345),
    row("loop_order", "none", None),
    row("train_step", "ok", step),
    row("train_step", "alternative", step_zip),
    row("train_step", "alternative", step_by_keras),
    row("train_step", "alternative", tf.function(step)),
    row("train_step", "todo", lambda *a: ...),
    row("train_step", "outside_tape", step_outside),
    row("train_step", "outside_tape", step_through_numpy),
    row("train_step", "bypassed", step_by_hand),
    row("train_step", "bypassed", step_with_its_own_optimizer),
    row("train_step", "some_none", step_all_weights),
    row("train_step", "inference_mode", step_bare_call),
    row("train_step", "swapped", step_swapped),
    row("train_step", "no_update", step_no_update),
    row("train_step", "partly", step_last_layer),
    row("train_step", "uphill", step_uphill),
    row("train_step", "loss_after", step_later_loss),
    row("train_step", "loss_value", lambda *a: step(*a) * 8),
    row("train_step", "two_forwards", step_that_looks_first),
    row("train_step", "weights", step_twice),
    row("train_step", "not_repeatable", step_that_remembers()),
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
    row("epoch_loss", "todo", lambda losses, sizes: ...),
    row("epoch_loss", "mean_of_means", lambda losses, sizes: np.mean(losses)),
    row("epoch_loss", "sum", lambda losses, sizes: sum(losses)),
    row("epoch_loss", "not_divided", lambda ls, ns: np.dot(ls, ns)),
    row("epoch_loss", "divided_by_batches", lambda ls, ns: np.dot(ls, ns) / len(ls)),
    row("epoch_loss", "three", lambda ls, ns: (ls[0] * ns[0] + ls[1] * ns[1]) / (ns[0] + ns[1])),
    row("epoch_loss", "value", lambda losses, sizes: 0.0),
    row("epoch_loss", "shape", lambda losses, sizes: np.array(losses)),
    row("epoch_loss", "mutated", lambda losses, sizes: losses.pop()),
    row("accumulated", "ok", 6),
    row("accumulated", "alternative", np.float32(6.0)),
    row("accumulated", "alternative", keras.ops.sum(keras.ops.array([2.0, 2.0, 2.0]))),
    row("accumulated", "todo", ...),
    row("accumulated", "reset", 2),
    row("accumulated", "one_short", 4.0),
    row("accumulated", "product", 8),
    row("accumulated", "other", -6),
    row("accumulated", "type", "six"),
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
    row("batches", "sizes", one_short),
    row("batches", "sizes", always_32),
    row("batches", "twice", without_step),
    row("batches", "neighbours", shuffled_inside),
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
    row("patience", "alternative", np.int64(18)),
    row("patience", "alternative", 6.0),
    row("patience", "todo", ...),
    row("patience", "false_alarm", 1),
    row("patience", "false_alarm", 3),
    row("patience", "never", 19),
    row("patience", "never", 10**6),
    row("patience", "range", 0),
    row("patience", "range", 2.5),
    row("patience", "none", None),
    row("patience", "arguments", 3, [0.5]),
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
    assert (check.verdict("loop_order", order).status == "correct") == right
