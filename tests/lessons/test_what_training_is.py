"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row
from keras import ops

pytestmark = pytest.mark.any_backend
L = keras.losses

# fit_line


def descend(rate=0.1, steps=200, sign=-1, turn=(1, 1)):
    def fit_line(x, y, w, b):
        for _ in range(steps):
            error = w * x + b - y
            grad_w, grad_b = 2 * np.mean(error * x), 2 * np.mean(error)
            w, b = w + sign * turn[0] * rate * grad_w, b + sign * turn[1] * rate * grad_b
        return w, b

    return fit_line


def by_formula(x, y, w, b):
    return np.polyfit(x, y, 1)


def by_keras(x, y, w, b):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.layers[0].set_weights([np.array([[w]]), np.array([b])])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, batch_size=40, epochs=40, verbose=0)
    return [np.asarray(v).item() for v in model.layers[0].get_weights()]


def returned_inside(x, y, w, b):
    for _ in range(200):
        error = w * x + b - y
        w, b = w - 0.1 * 2 * np.mean(error * x), b - 0.1 * 2 * np.mean(error)
        return w, b


def one_after_the_other(x, y, w, b):
    for _ in range(300):
        w = w - 0.1 * 2 * np.mean((w * x + b - y) * x)
        b = b - 0.1 * 2 * np.mean(w * x + b - y)
    return np.array([w]), np.array([b])


def one_gradient(x, y, w, b):
    grad_w, grad_b = 2 * np.mean((w * x + b - y) * x), 2 * np.mean(w * x + b - y)
    for _ in range(200):
        w, b = w - 0.1 * grad_w, b - 0.1 * grad_b
    return w, b


# forward


def forward(x, W1, b1, W2, b2):
    return np.maximum(0, x @ W1 + b1) @ W2 + b2


def forward_loop(x, W1, b1, W2, b2):
    return [[sum(max(0, r @ W1[:, j] + b1[j]) * W2[j, k] for j in range(len(b1))) + b2[k]
             for k in range(len(b2))] for r in x]  # fmt: skip


def forward_keras(x, W1, b1, W2, b2):
    first = keras.layers.Dense(len(b1), activation="relu")
    model = keras.Sequential([keras.Input(x.shape[1:]), first, keras.layers.Dense(len(b2))])
    model.set_weights([W1, b1, W2, b2])
    return model(x)


def forward_ops(x, W1, b1, W2, b2):
    return ops.matmul(ops.relu(ops.add(ops.matmul(x, W1), b1)), W2) + b2


def forward_in_place(x, W1, b1, W2, b2):
    x -= 1
    return np.maximum(0, (x + 1) @ W1 + b1) @ W2 + b2


def odd(bend=lambda z: np.maximum(0, z), first=1, last=1, late=0, outer=False):
    def answer(x, W1, b1, W2, b2):
        out = (bend(x @ W1 + first * b1) + late * b1) @ W2 + last * b2
        return np.maximum(0, out) if outer else out

    return answer


# endings

RIGHT = {
    "house": (1, None, "mean_squared_error"),
    "spam": (1, "sigmoid", "binary_crossentropy"),
    "digit": (10, "softmax", "sparse_categorical_crossentropy"),
    "topics": (5, "sigmoid", "binary_crossentropy"),
}
OBJECTS = {
    "house": [1, "linear", L.MeanAbsoluteError()],
    "spam": [1, None, L.BinaryCrossentropy(from_logits=True)],
    "digit": ["10", keras.activations.softmax, L.SparseCategoricalCrossentropy],
    "topics": [5, keras.activations.sigmoid, keras.losses.binary_crossentropy],
}


def ends(**changed):
    return {**RIGHT, **changed}


SUPERVISED, HIDDEN = "supervised", "self-supervised"
KINDS = [SUPERVISED, "unsupervised", HIDDEN, "reinforcement", SUPERVISED, HIDDEN, "unsupervised",
         "reinforcement", SUPERVISED, SUPERVISED]  # fmt: skip


def sort(number, kind):
    return [kind if k == number else one for k, one in enumerate(KINDS, 1)]


def in_a_row(x, y, w, b):
    for _ in range(400):  # each point in its turn
        for x_one, y_one in zip(x, y, strict=True):
            error = w * x_one + b - y_one
            w, b = w - 0.02 * 2 * error * x_one, b - 0.02 * 2 * error
    return w, b


def until_flat(x, y, w, b):
    grad_w = grad_b = 1
    while max(abs(grad_w), abs(grad_b)) > 1e-6:
        error = w * x + b - y
        grad_w, grad_b = 2 * np.mean(error * x), 2 * np.mean(error)
        w, b = w - 0.1 * grad_w, b - 0.1 * grad_b
    yield from (w, b)


def gradients_returned(x, y, w, b):
    w, b = descend()(x, y, w, b)
    return 2 * np.mean((w * x + b - y) * x), 2 * np.mean(w * x + b - y)


def crossed(x, y, w, b):
    for _ in range(200):
        error = w * x + b - y
        w, b = w - 0.1 * 2 * np.mean(error), b - 0.1 * 2 * np.mean(error * x)
    return w, b


ANSWERS = [
    row("fit_line", "ok", descend()),
    row("fit_line", "alternative", descend(0.3, 1000)),
    row("fit_line", "alternative", by_formula),
    row("fit_line", "alternative", by_keras),
    row("fit_line", "alternative", one_after_the_other),
    row("fit_line", "alternative", in_a_row),
    row("fit_line", "alternative", until_flat),
    row("fit_line", "todo", ...),
    row("fit_line", "called", (2, -1)),
    row("fit_line", "off", lambda x, y, w, b: [by_formula(x, y, w, b)[0]] * 2),
    row("fit_line", "off", gradients_returned),
    row("fit_line", "too_far", crossed),
    row("fit_line", "swapped", lambda x, y, w, b: np.polynomial.Polynomial.fit(x, y, 1).convert()),
    row("fit_line", "not_two", lambda x, y, w, b: w),
    row("fit_line", "not_two", lambda x, y, w, b: (w, b, 1)),
    row("fit_line", "not_two", lambda x, y, w, b: ("w", "b")),
    row("fit_line", "not_two", lambda x, y, w, b: None),
    row("fit_line", "start", lambda x, y, w, b: (w, b)),
    row("fit_line", "one_step", descend(steps=1, rate=0.01)),
    row("fit_line", "one_step", descend(steps=10, rate=0.001)),
    row("fit_line", "one_step", returned_inside),
    row("fit_line", "one_step", one_gradient),
    row("fit_line", "slow", descend(steps=10)),
    row("fit_line", "slow", descend(steps=100, rate=0.005)),
    row("fit_line", "no_b", descend(turn=(1, 0))),
    row("fit_line", "no_b", lambda x, y, w, b: (np.sum(x * y) / np.sum(x * x), b)),
    row("fit_line", "no_w", descend(turn=(0, 1))),
    row("fit_line", "sign", descend(sign=1, steps=2)),
    row("fit_line", "off", lambda x, y, w, b: (1.0, 1.0)),
    row("fit_line", "too_far", descend(sign=1)),
    row("fit_line", "too_far", descend(rate=2.0)),
    row("fit_line", "swapped", lambda x, y, w, b: by_formula(x, y, w, b)[::-1]),
    row("fit_line", "always_one", lambda x, y, w, b: (2.0, -1.0)),
    row("forward", "ok", forward),
    row("forward", "alternative", forward_loop),
    row("forward", "alternative", forward_keras),
    row("forward", "alternative", forward_ops),
    row("forward", "todo", ...),
    row("forward", "one", odd(lambda z: z)),
    row("forward", "one", odd(np.abs)),
    row("forward", "one", odd(np.tanh)),
    row("forward", "one", odd(lambda z: np.minimum(0, z))),
    row("forward", "one", odd(lambda z: z > 0)),
    row("forward", "one", odd(first=0)),
    row("forward", "one", odd(last=0)),
    row("forward", "one", odd(outer=True)),
    row("forward", "one", odd(first=0, late=1)),
    row("forward", "one", odd(first=-1)),
    row("forward", "one", odd(last=-1)),
    row("forward", "one", lambda x, *v: odd(lambda z: z / (1 + np.exp(-z)))(x, *v)),
    row("forward", "several", lambda x, *v: odd(lambda z: z)(np.maximum(0, x), *v)),
    row("forward", "several", odd(first=0, last=0)),
    row("forward", "several", odd(lambda z: z, last=0)),
    row("forward", "outputs", lambda x, W1, b1, W2, b2: forward(x, W1, b1, W2, b2).T),
    row("forward", "outputs", lambda x, W1, b1, W2, b2: np.maximum(0, x @ W1 + b1)),
    row("forward", "mutated", forward_in_place),
    row("forward", "alternative", odd(lambda z: np.where(z < 0, 0, z))),
    row("forward", "alternative", lambda *v: list(forward(*v))),
    row("forward", "outputs", lambda *v: forward(*v).sum(axis=1)),
    row("forward", "outputs", lambda *v: forward(*v)[0]),
    row("forward", "wrong", lambda x, W1, b1, W2, b2: (x @ W1 + b1) @ np.maximum(0, W2) + b2),
    row("forward", "wrong", lambda *v: forward(*v[:4], v[4].sum())),
    row("forward", "wrong", odd(lambda z: np.clip(z, 0, 1))),  # right in the smallest case
    row("forward", "wrong", odd(first=2)),
    row("forward", "several", lambda x, W1, b1, W2, b2: np.maximum(0, (x @ W1 + b1) @ W2 + b2)),
    row("forward", "wrong", odd(lambda z: z**2)),
    row("forward", "row", lambda x, *v: forward(x, *v) if len(x) > 1 else 0 * forward(x, *v)),
    row("count_knobs", "ok", 21, 62),
    row("count_knobs", "alternative", "21", np.int64(62)),
    row("count_knobs", "alternative", np.array([21.0]), 62.0),
    row("count_knobs", "todo", ..., ...),
    row("count_knobs", "no_biases", 16, 62),
    row("count_knobs", "no_last_bias", 20, 62),
    row("count_knobs", "no_first_biases", 17, 62),
    row("count_knobs", "units", 8, 62),
    row("count_knobs", "second_only", 5, 62),
    row("count_knobs", "inputs_too", 24, 62),
    row("count_knobs", "small", 35, 62),
    row("count_knobs", "small", 62, 21),
    row("count_knobs", "type", "21 parameters", 62),
    row("count_knobs", "whole", 21, 62.9),
    row("count_knobs", "whole", 21, (50_000 - 10) / 795),
    row("count_knobs", "over", 21, 63),
    row("count_knobs", "over", 21, 64),
    row("count_knobs", "over", 21, 50_000),
    row("count_knobs", "under", 21, 61),
    row("count_knobs", "under", 21, 0),
    row("endings", "ok", RIGHT),
    row("endings", "alternative", OBJECTS),
    row("endings", "alternative", ends(spam=(2, "softmax", "sparse_categorical_crossentropy"))),
    row("endings", "alternative", ends(house=(1, "relu", "huber"), topics=(5, "Sigmoid", "bce"))),
    row("endings", "alternative", ends(house=(1, "none", "msle"))),
    row("endings", "alternative", ends(house=(1, "no activation", "mape"))),
    row("endings", "alternative", ends(spam=(1, "sigmoid", L.BinaryFocalCrossentropy()))),
    row("endings", "alternative",
        ends(digit=(10, None, L.SparseCategoricalCrossentropy(from_logits=True)))),
    row("endings", "one_hot", ends(digit=(10, "softmax", L.CategoricalFocalCrossentropy()))),
    row("endings", "independent", ends(digit=(10, None, L.BinaryCrossentropy(from_logits=True)))),
    row("endings", "one_softmax",
        ends(spam=(1, None, L.CategoricalCrossentropy(from_logits=True)))),
    row("endings", "todo", {"house": (..., ..., ...)}),
    row("endings", "triple", ends(house=(None, 1, "mse"))),
    row("endings", "triple", ends(house=(keras.layers.Dense(1), None, "mse"))),
    row("endings", "triple", ends(house={"units": 1, "activation": None, "loss": "mse"})),
    row("endings", "activation", ends(spam=(1, "binary_crossentropy", "sigmoid"))),
    row("endings", "units", ends(digit=(9, "softmax", "sparse_categorical_crossentropy"))),
    row("endings", "independent", ends(digit=(10, "sigmoid", "sparse_categorical_crossentropy"))),
    row("endings", "exclusive", ends(topics=(5, "softmax", "sparse_categorical_crossentropy"))),
    row("endings", "which_crossentropy", ends(spam=(2, "softmax", "binary_crossentropy"))),
    row("endings", "not_dict", list(RIGHT.values())),
    row("endings", "missing", {"house": RIGHT["house"]}),
    row("endings", "triple", ends(house=1)),
    row("endings", "triple", ends(house=(1, None))),
    row("endings", "units", ends(digit=(1, "softmax", "sparse_categorical_crossentropy"))),
    row("endings", "units", ends(house=(2, None, "mse"))),
    row("endings", "units", ends(topics=(1, "sigmoid", "binary_crossentropy"))),
    row("endings", "two_units", ends(spam=(2, "sigmoid", "binary_crossentropy"))),
    row("endings", "one_softmax", ends(spam=(1, "softmax", "binary_crossentropy"))),
    row("endings", "activation", ends(spam=(1, "sigmoidal", "binary_crossentropy"))),
    row("endings", "bounded", ends(house=(1, "sigmoid", "mse"))),
    row("endings", "bounded", ends(house=(1, "softmax", "mse"))),
    row("endings", "no_probability", ends(spam=(1, None, "binary_crossentropy"))),
    row("endings", "no_probability", ends(digit=(10, None, "sparse_categorical_crossentropy"))),
    row("endings", "squashed_twice",
        ends(spam=(1, "sigmoid", L.BinaryCrossentropy(from_logits=True)))),
    row("endings", "exclusive", ends(topics=(5, "softmax", "binary_crossentropy"))),
    row("endings", "independent", ends(digit=(10, "sigmoid", "binary_crossentropy"))),
    row("endings", "not_probability", ends(digit=(10, "relu", "sparse_categorical_crossentropy"))),
    row("endings", "loss", ends(digit=(10, "softmax", "accuracy"))),
    row("endings", "number_loss", ends(house=(1, None, "binary_crossentropy"))),
    row("endings", "class_loss", ends(spam=(1, "sigmoid", "mse"))),
    row("endings", "one_hot", ends(digit=(10, "softmax", "categorical_crossentropy"))),
    row("endings", "which_crossentropy", ends(topics=(5, "sigmoid", "categorical_crossentropy"))),
    row("endings", "which_crossentropy", ends(digit=(10, "softmax", "binary_crossentropy"))),
    row("theorem", "ok", "AD"),
    row("theorem", "alternative", ["d", "a"]),
    row("theorem", "alternative", "only A and D"),
    row("theorem", "alternative", {"A", "D"}),
    row("theorem", "alternative", "(a) & (d)"),
    row("theorem", "todo", ...),
    row("theorem", "options", "A or D"),
    row("theorem", "options", "all but B, C and E"),
    row("theorem", "extra", "BCE"),
    row("theorem", "missing", []),
    row("theorem", "extra", "ABD"),
    row("theorem", "extra", "ACD"),
    row("theorem", "extra", "all"),
    row("theorem", "missing", "A"),
    row("theorem", "missing", "none"),
    row("kinds", "ok", KINDS),
    row("kinds", "alternative", tuple(f"{k.title()} learning" for k in KINDS)),
    row("kinds", "alternative", sort(10, "self-supervised")),
    row("kinds", "alternative", dict(enumerate(KINDS))),
    row("kinds", "alternative", ", ".join(KINDS)),
    row("kinds", "alternative", "\n".join(KINDS)),
    row("kinds", "alternative", [k.upper().replace("-", "_") for k in KINDS]),
    row("kinds", "alternative", ", ".join(KINDS) + ","),
    row("kinds", "todo", [...] * 10),
    row("kinds", "count", set(KINDS)),
    row("kinds", "kind", sort(7, "self-supervised")),
    row("kinds", "kind", sort(8, "supervised")),
    row("kinds", "kind", sort(10, "unsupervised")),
    row("kinds", "unknown", sort(4, "reinforcment")),
    row("kinds", "unknown", sort(6, "semi-supervised")),
    row("kinds", "count", KINDS[:9]),
    row("kinds", "unknown", sort(2, "clustering")),
    row("kinds", "kind", sort(2, "supervised")),
    row("kinds", "kind", sort(4, "supervised")),
    row("kinds", "hidden", sort(3, "unsupervised")),
    row("kinds", "hidden", sort(6, "supervised")),
]  # fmt: skip


def test_answer(answer):
    answer.holds()
