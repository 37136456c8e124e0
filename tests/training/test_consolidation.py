"""Fisher information, row by row and against formulas; and what an anchor does to a training."""

import keras
import numpy as np
import pytest

from coursekit.training import EWC, anchor, fisher, fit_many, value_and_gradients

pytestmark = pytest.mark.any_backend

L = keras.layers
RNG = np.random.default_rng(0)
ROWS = 101  # not a multiple of what is taken at once
X = RNG.normal(size=(ROWS, 4)).astype("float32")
CLASSES = RNG.integers(0, 3, ROWS)
HOTS = np.eye(3, dtype="float32")[CLASSES]
BITS = RNG.integers(0, 2, (ROWS, 3)).astype("float32")
TARGETS = RNG.normal(size=(ROWS, 3)).astype("float32")
CE = keras.losses.SparseCategoricalCrossentropy


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def single(loss, activation=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation)])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


# loss, activation, labels, and of the scores z: d(-log p)/dz, and its expected square
HEADS = {
    "sparse": (
        lambda: CE(from_logits=True), None, CLASSES,
        lambda z, y: softmax(z) - np.eye(3)[y], lambda z: softmax(z) * (1 - softmax(z)),
    ),
    "column of labels": (
        lambda: CE(from_logits=True), None, CLASSES[:, None],
        lambda z, y: softmax(z) - np.eye(3)[y[:, 0]], lambda z: softmax(z) * (1 - softmax(z)),
    ),
    "one-hot": (
        lambda: keras.losses.CategoricalCrossentropy(from_logits=True), None, HOTS,
        lambda z, y: softmax(z) - y, lambda z: softmax(z) * (1 - softmax(z)),
    ),
    "smoothed": (
        lambda: keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2), None,
        HOTS, lambda z, y: softmax(z) - y, lambda z: softmax(z) * (1 - softmax(z)),
    ),
    "softmax": (
        lambda: "sparse_categorical_crossentropy", "softmax", CLASSES,
        lambda z, y: softmax(z) - np.eye(3)[y], lambda z: softmax(z) * (1 - softmax(z)),
    ),
    "binary": (
        lambda: keras.losses.BinaryCrossentropy(from_logits=True), None, BITS,
        lambda z, y: sigmoid(z) - y, lambda z: sigmoid(z) * (1 - sigmoid(z)),
    ),
    "sigmoid": (
        lambda: "binary_crossentropy", "sigmoid", BITS,
        lambda z, y: sigmoid(z) - y, lambda z: sigmoid(z) * (1 - sigmoid(z)),
    ),
    "normal": (lambda: "mse", None, TARGETS, lambda z, y: z - y, lambda z: np.ones_like(z)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
def test_it_is_the_formula(kind):
    """Of a linear layer: the mean of x_i^2 (dlog p/dz_c)^2, and its expectation over labels."""
    loss, activation, y, slope, expected = HEADS[kind]
    model = single(loss(), activation)
    weights, bias = model.get_weights()
    z = X @ weights + bias
    kernel, offset = fisher(model, X, y).values()
    squares = slope(z, y) ** 2
    np.testing.assert_allclose(kernel, (X**2).T @ squares / ROWS, rtol=1e-4)
    np.testing.assert_allclose(offset, squares.mean(axis=0), rtol=1e-4)
    kernel, offset = fisher(model, X, draws=100).values()
    np.testing.assert_allclose(kernel, (X**2).T @ expected(z) / ROWS, rtol=0.15)
    np.testing.assert_allclose(offset, expected(z).mean(axis=0), rtol=0.1)


def deep(**inputs):
    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    h = L.Dropout(0.5)(L.BatchNormalization()(L.Dense(6, "tanh", kernel_regularizer="l2")(x)))
    model = keras.Model(x, L.Dense(3)(h))
    model.compile(keras.optimizers.SGD(0.1), CE(from_logits=True))
    return model


@pytest.mark.slow
def test_row_by_row():
    """By hand: the gradient of each row alone, squared, without penalty and without dropout."""
    model = deep()
    model.fit(X, CLASSES, epochs=2, verbose=0)  # moves the statistics
    before = [w.copy() for w in model.get_weights()]
    found = fisher(model, X, CLASSES)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.layers[1].kernel.regularizer = None
    model.compile(None, CE(from_logits=True))
    rows = [
        value_and_gradients(model, X[k : k + 1], CLASSES[k : k + 1], training=False).gradients
        for k in range(ROWS)
    ]
    assert list(found) == [v.path for v in model.trainable_variables]
    for name, one in found.items():
        want = np.mean([row[name] ** 2 for row in rows], axis=0)
        np.testing.assert_allclose(one, want, rtol=2e-4, atol=1e-9)
    mean = {name: np.mean([row[name] for row in rows], axis=0) for name in found}
    assert all(found[name].sum() > 10 * (mean[name] ** 2).sum() for name in found)


def two_heads(loss, as_dict=False, **compiling):
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    ends = [L.Dense(3, name="kind")(x), L.Dense(3, name="bits")(x)]
    model = keras.Model(x, dict(zip(("kind", "bits"), ends, strict=True)) if as_dict else ends)
    model.compile("sgd", loss, **compiling)
    return model


@pytest.mark.slow
def test_heads_add_up():
    """Each on weights of its own: the Fisher information of both is that of each alone."""
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    losses = {"kind": CE(from_logits=True), "bits": bce}
    alone = {}
    for (name, loss), y in zip(losses.items(), (CLASSES, BITS), strict=True):
        model = two_heads([loss if n == name else None for n in losses])
        alone |= {path: a for path, a in fisher(model, X, [y, y]).items() if a.any()}
    assert len(alone) == 4
    forms = [
        (two_heads([*losses.values()]), [CLASSES, BITS]),
        (two_heads(losses, loss_weights={"kind": 0.1, "bits": 7.0}), [CLASSES, BITS]),
        (two_heads(losses, as_dict=True), {"kind": CLASSES, "bits": BITS}),
    ]
    for model, y in forms:
        found = fisher(model, X, y)
        assert set(found) == set(alone)
        for path, one in found.items():
            np.testing.assert_allclose(one, alone[path], rtol=1e-5)


@pytest.mark.slow
def test_heads_share_a_trunk():
    """Drawn labels of two heads are independent: the informations of the trunk add up."""

    def made(which):
        keras.utils.set_random_seed(3)
        x = keras.Input((4,))
        h = L.Dense(2, use_bias=False, name="trunk")(x)
        model = keras.Model(x, [L.Dense(3, name="a")(h), L.Dense(3, name="b")(h)])
        loss = CE(from_logits=True)
        model.compile("sgd", [loss if k in which else None for k in (0, 1)])
        return fisher(model, X, draws=60)["trunk/kernel"]

    np.testing.assert_allclose(made((0, 1)), made((0,)) + made((1,)), rtol=0.15)


@pytest.mark.slow
def test_places_add_up():
    """Of a sequence each step counts once: three times the same step is three times as much."""

    def made(steps):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((steps, 4)), L.Dense(3)])
        model.compile("sgd", CE(from_logits=True))
        x = np.repeat(X[:, None], steps, axis=1)
        return next(iter(fisher(model, x, draws=60).values()))

    np.testing.assert_allclose(made(3), 3 * made(1), rtol=0.2)


def test_nested_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, L.Dense(3)(L.concatenate([a, b])))
    model.compile("sgd", CE(from_logits=True))
    (kernel, _) = fisher(model, {"a": X, "b": X}, CLASSES).values()
    np.testing.assert_allclose(kernel[:4], kernel[4:], rtol=1e-5)


@pytest.mark.slow
def test_a_convolution_and_a_subclass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.stack = [L.Reshape((2, 2, 1)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3)]

        def call(self, x):  # no `training`
            for layer in self.stack:
                x = layer(x)
            return x

    model = Own()
    model(X[:1])
    model.compile("sgd", CE(from_logits=True))
    found = fisher(model, X, CLASSES)
    for name, one in found.items():
        rows = [value_and_gradients(model, X[k : k + 1], CLASSES[k : k + 1]).gradients[name]
                for k in range(ROWS)]  # fmt: skip
        np.testing.assert_allclose(one, np.mean(np.square(rows), axis=0), rtol=2e-4, atol=1e-9)


def test_large_outputs_do_not_swallow_the_noise():
    model = single("mse")
    model.set_weights([model.get_weights()[0], np.full(3, 1e9)])
    _, bias = fisher(model, X, draws=50).values()
    np.testing.assert_allclose(bias, 1, rtol=0.1)


def test_the_same_seed_draws_the_same():
    model = single(CE(from_logits=True))
    one, same, other = (next(iter(fisher(model, X, seed=s).values())) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_labels_of_the_data_are_not_drawn_again():
    model = single(CE(from_logits=True))
    once, thrice = (fisher(model, X, CLASSES, draws=draws) for draws in (1, 3))
    for name, values in once.items():
        np.testing.assert_array_equal(values, thrice[name])


def masked():
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), L.Embedding(5, 3, mask_zero=True), L.Dense(3)]
    )
    model.compile("sgd", CE(from_logits=True))
    return model


REFUSED = {
    "`model` must be a Keras model": lambda: fisher(lambda x: x, X),
    "must be built": lambda: fisher(keras.Sequential([L.Dense(3)]), X),
    "must be compiled": lambda: fisher(keras.Sequential([keras.Input((4,)), L.Dense(3)]), X),
    "negative logarithm of a probability.*'mae'": lambda: fisher(single("mae"), X),
    "negative logarithm.*function": lambda: fisher(single(lambda y, p: (y - p) ** 2), X),
    "negative logarithm.*'ignore_class': 1": lambda: fisher(single(CE(True, ignore_class=1)), X),
    "`seed` must be": lambda: fisher(single("mse"), X, seed=-1),
    "`draws` must be": lambda: fisher(single("mse"), X, draws=0),
    "same number of rows": lambda: fisher(single("mse"), X, TARGETS[:5]),
    "rows of the shape": lambda: fisher(single(CE(from_logits=True)), X, HOTS),
    "classes from 0 to 2": lambda: fisher(single(CE(from_logits=True)), X, CLASSES + 1),
    "outputs without a mask": lambda: fisher(masked(), np.ones((3, 4), "int32")),
    r"without y\['bits'\]": lambda: fisher(
        two_heads({"kind": "mse", "bits": "mse"}, as_dict=True), X, {"kind": TARGETS}
    ),
    "must be finite": lambda: fisher(single("mse"), np.full((3, 4), 1e30, "float32")),
    "an array for each trainable": lambda: anchor(single("mse"), [np.ones(3)], strength=1),
    "`importance` must be a number": lambda: anchor(single("mse"), None, strength=1),
    "`importance` must be at least 0": lambda: EWC(np.ones(2), [1.0, -1.0]),
    "have the shape of `home`": lambda: EWC(np.ones(2), np.ones(3)),
    "`home` must hold finite": lambda: EWC([np.nan]),
    "`strength` must be": lambda: anchor(single("mse"), 1.0, strength=-1),
    "trainable variables": lambda: anchor(frozen(), 1.0, strength=1),
}


def frozen():
    model = single("mse")
    model.trainable = False
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_right_is_refused(message):
    with pytest.raises((ValueError, TypeError), match=message):
        REFUSED[message]()


# The penalty ---------------------------------------------------------------------------------


def test_the_penalty_is_the_formula():
    rng = np.random.default_rng(5)
    home, importance, w = rng.normal(size=(3, 2)), rng.random((3, 2)), rng.normal(size=(3, 2))
    want = 7.0 / 2 * np.sum(importance * (w - home) ** 2)
    penalty = EWC(home, importance, strength=7.0)
    assert float(penalty(w.astype("float32"))) == pytest.approx(want, rel=1e-5)
    again = EWC.from_config(penalty.get_config())
    assert float(again(w.astype("float32"))) == pytest.approx(want, rel=1e-5)
    assert float(EWC(home)(w)) == pytest.approx(np.sum((w - home) ** 2) / 2, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_penalty_of_a_low_precision_is_summed_in_float32(dtype):
    """In float16 the sum of these would be infinite, in bfloat16 off by a tenth."""
    x = keras.ops.full((4000,), 6.0, dtype)
    found = EWC(np.zeros(4000), 1.0, 2.0)(x)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == 144_000


def test_its_gradient_pulls_home():
    """strength * importance * (w - home), with that sign, beside the gradient of the loss."""
    model = single("mse")
    old = value_and_gradients(model, X, TARGETS)
    importance = fisher(model, X)
    anchor(model, importance, strength=3.0)
    home = model.get_weights()
    assert value_and_gradients(model, X, TARGETS).loss == pytest.approx(old.loss, rel=1e-6)
    model.set_weights([w + 0.5 for w in home])
    plain = single("mse")
    plain.set_weights([w + 0.5 for w in home])
    found, without = (value_and_gradients(m, X, TARGETS) for m in (model, plain))
    each = zip(found.gradients.values(), without.gradients.values(), importance.values(),
               strict=True)  # fmt: skip
    for one, other, weight in each:
        np.testing.assert_allclose(one - other, 3.0 * weight * 0.5, rtol=1e-3, atol=1e-5)
    penalty = sum(3.0 / 2 * (weight * 0.25).sum() for weight in importance.values())
    assert found.loss - without.loss == pytest.approx(penalty, rel=1e-3)


def descend(steps, anchors, weights, x, y, rate=0.1):
    """Gradient descent by hand: the mean squared error, and penalties (importance, home, s)."""
    W, b = (np.float64(w) for w in weights)
    for _ in range(steps):
        error = 2 * (x @ W + b - y) / y.size
        grads = [x.T @ error, error.sum(axis=0)]
        for importance, home, strength in anchors:
            each = zip(grads, importance, (W, b), home, strict=True)
            grads = [g + strength * f * (w - h) for g, f, w, h in each]
        W, b = W - rate * grads[0], b - rate * grads[1]
    return W, b


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fit", "fit_many"])
def test_training_sees_the_anchor(how):
    """After a fit, when the step is traced already; two anchors, each its own model's."""
    models, wanted = [], []
    for k, strength in enumerate((2.0, 0.5)):
        model = single("mse")
        model.fit(X, TARGETS, batch_size=ROWS, epochs=2, verbose=0)
        importance = fisher(model, X[: 50 + k])
        home = model.get_weights()
        anchor(model, importance, strength=strength)
        anchors = [(list(importance.values()), home, strength)]
        wanted.append(descend(15, anchors, home, X, TARGETS + 3))
        models.append(model)
    settings = {"batch_size": ROWS, "epochs": 15, "verbose": 0}
    if how == "fit":
        for model in models:
            model.fit(X, TARGETS + 3, **settings)
    else:
        fit_many(models, X, TARGETS + 3, **settings)
    for model, want in zip(models, wanted, strict=True):
        for got, one in zip(model.get_weights(), want, strict=True):
            np.testing.assert_allclose(got, one, rtol=1e-3, atol=1e-4)


def test_anchors_and_regularizers_add_up():
    keras.utils.set_random_seed(0)
    layer = L.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    home = model.get_weights()
    anchor(model, 1.0, strength=2.0)
    model.set_weights([w + 1 for w in home])
    anchor(model, 1.0, strength=4.0)
    model.set_weights([w + 3 for w in home])
    ridge = 0.1 * np.sum((home[0] + 3) ** 2)
    size = sum(w.size for w in home)
    want = ridge + size * (2.0 / 2 * 9 + 4.0 / 2 * 4)
    assert sum(float(one) for one in model.losses) == pytest.approx(want, rel=1e-5)


@pytest.mark.slow
def test_the_optimizer_goes_on():
    model = single("mse")
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(X, TARGETS, verbose=0)
    optimizer, steps = model.optimizer, int(model.optimizer.iterations)
    anchor(model, 1.0, strength=1.0)
    history = model.fit(X, TARGETS, verbose=0).history
    assert model.optimizer is optimizer and int(optimizer.iterations) == 2 * steps
    assert "mae" in history
