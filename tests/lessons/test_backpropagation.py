"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import _backpropagation as parts
from coursekit.training import value_and_gradients

pytestmark = pytest.mark.any_backend

# backward


def backward(
    mask=lambda a, h, dh: a > 0, mean=True, label=True, sign=1, slope=False, bias=np.sum,
    scores=False, share=lambda n, classes: n, bent=True,
):  # fmt: skip
    def answer(x, y, W1, b1, W2, b2):
        a = x @ W1 + b1
        h = np.maximum(0, a)
        z = h @ W2 + b2
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p = p / p.sum(axis=1, keepdims=True)
        dz = (z if scores else p) - label * np.eye(len(b2))[y]
        dz = sign * dz * (p * (1 - p) if slope else 1)
        dz = dz / (share(len(x), len(b2)) if mean else 1)
        dh = dz @ W2.T
        da = dh * mask(a, h, dh)
        read = h if bent else a
        return x.T @ da, bias(da, axis=0), read.T @ dz, bias(dz, axis=0)

    return answer


def backward_in_place(x, y, W1, b1, W2, b2):
    h = np.maximum(0, x @ W1 + b1)
    p = np.exp(h @ W2 + b2)
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(x)), y] -= 1
    p /= len(x)
    dh = np.where(h > 0, p @ W2.T, 0)
    return [np.einsum("ni,nj->ij", x, dh), dh.sum(0, keepdims=True), h.T @ p, np.ones(len(x)) @ p]


def backward_by_library(x, y, W1, b1, W2, b2):
    def loss(W1, b1, W2, b2):
        z = keras.ops.matmul(keras.ops.relu(keras.ops.matmul(x, W1) + b1), W2) + b2
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True))

    x = x.astype("float32")
    weights = [w.astype("float32") for w in (W1, b1, W2, b2)]
    return tuple(value_and_gradients(loss, weights).gradients.values())


def backward_by_rows(x, y, *weights):
    found = [backward()(x[k : k + 1], y[k : k + 1], *weights) for k in range(len(x))]
    return {name: sum(parts) / len(x) for name, *parts in zip("abcd", *found, strict=True)}


def changed(change):
    return lambda *batch: change(*backward()(*batch))


# measured


def measure(step=1e-3, low=-1, divide=2.0, dtype="float32", keep=False):
    def answer(loss, w):
        slopes, moved = np.zeros(w.shape), w.astype(dtype)
        for place in np.ndindex(w.shape):
            up = moved if keep else moved.copy()
            up[place] += step
            down = w.copy()
            down[place] += low * step
            slopes[place] = (float(loss(up)) - float(loss(down))) / (divide * step)
        return slopes

    return answer


def measure_by_four(loss, w):
    basis = np.eye(w.size, dtype=w.dtype).reshape(w.size, *w.shape) * np.float32(0.01)
    far = [(8 * (loss(w + e) - loss(w - e)) - loss(w + 2 * e) + loss(w - 2 * e)) for e in basis]
    return np.reshape(far, w.shape) / 0.12


def measure_as_found(loss, w):
    slopes, before = np.zeros(w.shape), loss(w)
    for place in np.ndindex(w.shape):
        w[place] += 1e-12
        slopes[place] = (loss(w) - before) / 1e-12
    return slopes


def measure_in_place(loss, w):
    slopes = np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        w[place] += 1e-3
        up = loss(w)
        w[place] -= 2e-3
        slopes[place] = (up - loss(w)) / 2e-3
    return slopes


# diseases, dead

RIGHT = {"vanishing under sigmoid": "AD", "exploding under twice He": "BC"}


def helps(vanishing="AD", exploding="BC"):
    return dict(zip(RIGHT, (vanishing, exploding), strict=True))


def of(count):
    return lambda x, W, b: count(x @ W + b)


def dead_by_keras(x, W, b):
    layer = keras.layers.Dense(len(b), activation="relu")
    layer.build(x.shape)
    layer.set_weights([W, b])
    return np.mean(np.asarray(layer(x)).sum(axis=0) == 0)


ANSWERS = [
    row("bill", "ok", 101_771, 14),
    row("bill", "alternative", "101,771", 14.0),
    row("bill", "alternative", np.int64(101_771), "14"),
    row("bill", "todo", ..., ...),
    row("bill", "one_short", 101_770, 14),
    row("bill", "both_sides", 203_540, 14),
    row("bill", "both_sides", 203_541, 14),
    row("bill", "no_biases", 101_632, 14),
    row("bill", "no_biases", 101_633, 14),
    row("bill", "units", 139, 14),
    row("bill", "evaluations", 1_211, 14),
    row("bill", "evaluations", 1e12, 14),
    row("bill", "forward", 101_771, 5),
    row("bill", "back", 101_771, 9),
    row("bill", "back", 101_771, 10),
    row("bill", "data", 101_771, 15),
    row("bill", "products", 101_771, 2),
    row("backward", "ok", backward()),
    row("backward", "alternative", backward(mask=lambda a, h, dh: h > 0)),
    row("backward", "alternative", backward_in_place),
    row("backward", "alternative", backward_by_library),
    row("backward", "alternative", backward_by_rows),
    row("backward", "todo", ...),
    row("backward", "one", backward(mask=lambda a, h, dh: 1)),
    row("backward", "one", backward(mask=lambda a, h, dh: h)),
    row("backward", "one", backward(mask=lambda a, h, dh: dh > 0)),
    row("backward", "one", backward(mask=lambda a, h, dh: a < 0)),
    row("backward", "one", backward(mask=lambda a, h, dh: h * (1 - h))),
    row("backward", "one", backward(mask=lambda a, h, dh: np.where(a > 0, 1, 0.01))),
    row("backward", "one", backward(bent=False)),
    row("backward", "one", backward(share=lambda n, classes: n * n)),
    row("backward", "one", backward(share=lambda n, classes: n * classes)),
    row("backward", "one", backward(mean=False)),
    row("backward", "one", backward(label=False)),
    row("backward", "one", backward(sign=-1)),
    row("backward", "one", backward(slope=True)),
    row("backward", "one", backward(scores=True)),
    row("backward", "one", backward(bias=np.mean)),
    row("backward", "one", backward(bias=lambda d, axis: d[0])),
    row("backward", "several", backward(mask=lambda a, h, dh: 1, mean=False)),
    row("backward", "several", backward(slope=True, sign=-1, mean=False)),
    row("backward", "several", backward(mask=lambda a, h, dh: 1, bias=np.mean)),
    row("backward", "rows", backward(bias=lambda d, axis: d)),
    row("backward", "weight_shape", changed(lambda a, b, c, d: (a.T, b, c, d))),
    row("backward", "order", changed(lambda a, b, c, d: (c, d, a, b))),
    row("backward", "count", changed(lambda a, b, c, d: (a, c))),
    row("backward", "parts", changed(lambda a, b, c, d: (3 * a, b, c, d))),
    row("backward", "wrong", changed(lambda a, b, c, d: (3 * a, 3 * b, 3 * c, 3 * d))),
    row("backward", "row", lambda x, *v: [g * len(x) ** (len(x) == 4) for g in backward()(x, *v)]),
    row("backward", "raised", lambda x, y, W1, b1, W2, b2: (x @ W2, b1, W2, b2)),
    row("measured", "ok", measure()),
    row("measured", "alternative", measure(step=0.01)),
    row("measured", "alternative", measure(step=5e-4)),
    row("measured", "alternative", measure_by_four),
    row("measured", "todo", ...),
    row("measured", "mutated", measure_as_found),
    row("measured", "mutated", measure_in_place),
    row("measured", "lost", measure(step=1e-12, low=0, divide=1)),
    row("measured", "lost", measure(step=1e-7)),
    row("measured", "lost", measure(step=1e-12, dtype="float64")),
    row("measured", "long", measure(step=0.1)),
    row("measured", "long", measure(step=1.0)),
    row("measured", "one_side", measure(low=0, divide=1)),
    row("measured", "one_side", measure(step=1e-2, low=0, divide=1)),
    row("measured", "twice", measure(divide=1)),
    row("measured", "twice", measure(divide=-2)),
    row("measured", "left", measure(keep=True)),
    row("measured", "nothing", lambda loss, w: 0 * w),
    row("measured", "together", lambda loss, w: (loss(w + 1e-3) - loss(w - 1e-3)) / 2e-3 + 0 * w),
    row("measured", "wrong", lambda loss, w: 3 * measure()(loss, w)),
    row("memory", "ok", 288, 58, 100 / 3),
    row("memory", "alternative", "288", 58.0, "33 %"),
    row("memory", "alternative", 288, 58, 33),
    row("memory", "alternative", 288, 58, "1/3"),
    row("memory", "todo", ..., ..., ...),
    row("memory", "plain_inside", 240, 58, 33.3),
    row("memory", "plain_inputs", 48, 58, 33.3),
    row("memory", "plain_one_block", 12, 58, 33.3),
    row("memory", "plain", 290, 58, 33.3),
    row("memory", "inputs_only", 288, 48, 33.3),
    row("memory", "one_input_twice", 288, 60, 33.3),
    row("memory", "one_block", 288, 12, 33.3),
    row("memory", "inside_only", 288, 10, 33.3),
    row("memory", "all", 288, 288, 33.3),
    row("memory", "checkpointed", 288, 34, 33.3),
    row("memory", "of_back", 288, 58, 50),
    row("memory", "of_back", 288, 58, 0.5),
    row("memory", "of_forward", 288, 58, 100),
    row("memory", "of_new", 288, 58, 25),
    row("memory", "whole", 288, 58, "4/3"),
    row("memory", "percent", 288, 58, 30),
    row("diseases", "ok", 9.5e-7, RIGHT),
    row("diseases", "alternative", 0.25**10, helps(["d", "a"], "B and C")),
    row("diseases", "alternative", "9.54e-7", helps("A, D", {"b", "c"})),
    row("diseases", "todo", ..., ...),
    row("diseases", "todo", 9.5e-7, helps("AD", ...)),
    row("diseases", "added", 2.5, RIGHT),
    row("diseases", "one", 0.25, RIGHT),
    row("diseases", "nine", 0.25**9, RIGHT),
    row("diseases", "eleven", 0.25**11, RIGHT),
    row("diseases", "half", 0.5**10, RIGHT),
    row("diseases", "nearly", 0.23**10, RIGHT),
    row("diseases", "middle", 1, RIGHT),
    row("diseases", "best", 1e-6, RIGHT),
    row("diseases", "keys", 9.5e-7, "AD"),
    row("diseases", "keys", 9.5e-7, {"vanishing": "AD"}),
    row("diseases", "extra", 9.5e-7, helps("ABD")),
    row("diseases", "extra", 9.5e-7, helps("ACD")),
    row("diseases", "extra", 9.5e-7, helps(exploding="BCD")),
    row("diseases", "extra", 9.5e-7, helps("all", "all")),
    row("diseases", "missing", 9.5e-7, helps("A")),
    row("diseases", "missing", 9.5e-7, helps(exploding="C")),
    row("dead", "ok", of(lambda a: np.mean(np.all(a <= 0, axis=0)))),
    row("dead", "alternative", of(lambda a: (a.max(axis=0) < 0).mean())),
    row("dead", "alternative", lambda x, W, b: 1 - ((x @ W + b) > 0).any(0).sum() / len(b)),
    row("dead", "alternative", dead_by_keras),
    row("dead", "todo", ...),
    row("dead", "zeros", of(lambda a: np.mean(a <= 0))),
    row("dead", "alive", of(lambda a: np.mean(np.any(a > 0, axis=0)))),
    row("dead", "any", of(lambda a: np.mean(np.any(a <= 0, axis=0)))),
    row("dead", "rows", of(lambda a: np.mean(np.all(a <= 0, axis=1)))),
    row("dead", "count", of(lambda a: np.sum(np.all(a <= 0, axis=0)))),
    row("dead", "percent", of(lambda a: 100 * np.mean(np.all(a <= 0, axis=0)))),
    row("dead", "of_rows", of(lambda a: np.sum(np.all(a <= 0, axis=0)) / len(a))),
    row("dead", "no_bias", lambda x, W, b: np.mean(np.all(x @ W <= 0, axis=0))),
    row("dead", "always_on", of(lambda a: np.mean(np.all(a >= 0, axis=0)))),
    row("dead", "average", of(lambda a: np.mean(a.mean(axis=0) <= 0))),
    row("dead", "wrong", lambda x, W, b: 0.77),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_the_graph_finds_the_gradients_of_a_library():
    """Also where a relu is closed, and for three classes."""
    rng = np.random.default_rng(1)
    shapes = {"x": (3,), "W1": (3, 4), "b1": (4,), "W2": (4, 3), "b2": (3,)}
    leaves = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}

    def loss(x, W1, b1, W2, b2):
        h = keras.ops.relu(keras.ops.matmul(x[None], W1) + b1)
        return -keras.ops.log_softmax(keras.ops.matmul(h, W2) + b2)[0, 0]

    found = value_and_gradients(loss, leaves)
    values, walk = parts.forward_and_back(leaves)
    blame = {name: one for _, handed in walk for name, one in handed.items()}
    assert values["loss"] == pytest.approx(found.loss, rel=1e-5)
    assert (values["a"] < 0).any() and (values["a"] > 0).any()
    for name, gradient in found.gradients.items():
        np.testing.assert_allclose(blame[name], gradient, atol=1e-5)
    assert [name for name, _ in walk] == [*reversed(parts.GRAPH)]


def test_a_block_is_the_same_recomputed():
    """And its gradients arrive."""
    found = []
    for mode in (None, "full"):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4,))
        with keras.RematScope(mode):
            hidden = parts.block(4)(inputs)
        model = keras.Model(inputs, hidden)
        model.compile("sgd", "mse")
        found.append(value_and_gradients(model, np.ones((2, 4)), np.zeros((2, 4))))
    pairs = zip(*(one.gradients.values() for one in found), strict=True)
    for gradient, other in pairs:
        np.testing.assert_allclose(gradient, other, atol=1e-6)
        assert np.abs(gradient).max() > 0
