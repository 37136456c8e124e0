"""What the finder says is held against the curve that it recorded, by a checker of its own."""

import re

import keras
import numpy as np
import pytest

from coursekit.callbacks import find_learning_rate

L = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(256, 4)).astype("float32")
Y = X[:, :1] * 2 + X[:, 1:2]
LABELS = (X[:, 0] > 0).astype("int64")


def net(kind="relu", optimizer=None):
    keras.utils.set_random_seed(0)
    layers = {
        "relu": [L.Dense(16, activation="relu"), L.Dense(1)],
        "line": [L.Dense(1)],
        "deep": [*[L.Dense(16, activation="tanh") for _ in range(3)], L.Dense(1)],
        "norm": [L.Dense(16), L.BatchNormalization(), L.ReLU(), L.Dense(1)],
        "classes": [L.Dense(16, activation="relu"), L.Dense(2, activation="softmax")],
    }[kind]
    model = keras.Sequential([keras.Input((4,)), *layers])
    loss = "sparse_categorical_crossentropy" if kind == "classes" else "mse"
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss)
    return model


def check(result, lowest):
    """Hold each claim of the reason against the losses, which the reason was made from."""
    reason, losses, rates = result.reason, np.asarray(result.losses), result.rates
    finite = losses[np.isfinite(losses)]
    start = finite[: max(3, len(finite) // 10)].mean() if len(finite) else np.nan
    start = min(start, finite[0]) if len(finite) else start  # a run that breaks at once
    fell = len(finite) and finite.min() < 0.6 * start
    if "never falls" in reason:
        assert not fell, reason
    if "stays at" in reason:
        assert np.ptp(finite) < 0.05 * abs(start), reason
    if found := re.search(r"rises from (?:the first rates on \(|a rate of )([\d.e+-]+)", reason):
        later = finite[rates[: len(finite)] >= 1.1 * float(found[1])]
        assert (later > start).mean() > 0.9 if len(later) else True, reason
    ends = r"Lowest at ([\d.e+-]+?), above its start from ([\d.e+-]+) on\.$"
    if found := re.search(ends, reason):
        assert float(found[2]) > 0.9 * float(found[1]), reason
        later = finite[rates[: len(finite)] >= 1.06 * float(found[2])]
        assert (later > 0.95 * start).all(), reason
    if "still falls at the highest rate" in reason:
        assert finite[-3:].mean() < start, reason
    if "not finite" in reason:
        assert not np.isfinite(losses).all(), reason
    if "falls to" in reason:
        assert float(re.search(r"falls to ([\d.e+-]+),", reason)[1]) == pytest.approx(
            finite.min(), rel=0.01
        ), reason
    if "at the lowest rate" in reason:
        assert finite[: max(5, len(finite) // 3)].min() < start, reason
    if "NaN in the data" in reason:
        assert not np.isfinite(losses).all(), reason
    if result.suggestion is not None:
        assert fell or finite.min() < 0.95 * start, reason
        assert rates[0] <= result.suggestion <= rates[-1], reason


RANGES = [(1e-6, 10.0), (1e-6, 1e3), (1e-6, 1e6), (1e-5, 1.0), (0.1, 10.0)]
CASES = [
    *(("relu", steps, *ends) for steps in (20, 25, 30, 50) for ends in RANGES[:3]),
    *(("relu", 100, *ends) for ends in RANGES),
    *((kind, steps, *RANGES[0]) for kind in ("line", "deep", "norm") for steps in (20, 50)),
    *(("classes", steps, *RANGES[0]) for steps in (20, 30, 60)),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind, steps, lowest, highest", CASES)
def test_no_sentence_says_what_was_not_seen(kind, steps, lowest, highest):
    y = LABELS if kind == "classes" else Y
    result = find_learning_rate(net(kind), X, y, lowest=lowest, highest=highest, steps=steps)
    check(result, lowest)
    finite = result.losses[np.isfinite(result.losses)]
    if kind in ("relu", "line") and lowest < 0.01 and finite.min() < 0.4 * result.losses[0]:
        assert result.suggestion is not None or "more `steps`" in result.reason, result


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_other_optimizers(optimizer):
    for steps in (20, 60):
        check(find_learning_rate(net(optimizer=optimizer), X, Y, steps=steps), 1e-6)


BROKEN = [np.nan, np.inf]


@pytest.mark.slow
@pytest.mark.any_backend
@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("row", [0, 70])
@pytest.mark.parametrize("where", ["x", "y", "sample_weight"])
def test_the_row_that_is_not_finite_is_named(where, row, value):
    data = {"x": X.copy(), "y": Y.copy(), "sample_weight": np.ones(256, "float32")}
    data[where][row] = value
    result = find_learning_rate(net(), **data)
    assert result.suggestion is None
    word = "NaN" if np.isnan(value) else "infinite"
    assert f"`{where}` is {word} in row {row}, the first such row" in result.reason, result


@pytest.mark.any_backend
def test_inputs_in_a_dict_are_named():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, L.Dense(1)(L.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    broken = X.copy()
    broken[9, 2] = np.nan
    result = find_learning_rate(model, {"a": X, "b": broken}, Y)
    assert "`x['b']` is NaN in row 9" in result.reason


@pytest.mark.slow
def test_a_nan_that_the_model_takes_is_no_cause():
    class Fill(L.Layer):
        def call(self, x):
            return keras.ops.where(keras.ops.isnan(x), 0.0, x)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), Fill(), L.Dense(1)])
    model.compile("sgd", "mse")
    broken = X.copy()
    broken[9, 2] = np.nan
    result = find_learning_rate(model, broken, Y, highest=1e6)
    assert "row 9" not in result.reason
    check(result, 1e-6)


@pytest.mark.any_backend
def test_weights_that_are_not_finite_are_named():
    model = net("line")
    model.set_weights([np.full((4, 1), np.nan), np.zeros(1)])
    reason = find_learning_rate(model, X, Y).reason
    assert "before any update" in reason and "kernel" in reason and "`x`" not in reason


def test_a_loss_that_is_nan_from_the_start_blames_no_rate():
    model = net("line")
    model.compile("sgd", lambda a, b: keras.ops.log(-keras.ops.abs(a - b) - 1))
    reason = find_learning_rate(model, X, Y).reason
    assert "only the data or the weights at the start" in reason and "lowest" not in reason


def test_a_first_rate_that_breaks_the_run():
    result = find_learning_rate(net(), X, Y, lowest=1e20, highest=1e30)
    assert result.suggestion is None and "lower `lowest`" in result.reason
    check(result, 1e20)


@pytest.mark.any_backend
def test_targets_are_asked_for():
    for model in (net(), net("classes")):
        with pytest.raises(ValueError, match=r"`y` is needed: .* Received: y=None, loss="):
            find_learning_rate(model, X)
    plain = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    with pytest.raises(ValueError, match=r"Call `model\.compile` first"):
        find_learning_rate(plain, X, Y)


def test_targets_of_a_dataset_are_asked_for_too():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(X).batch(32)
    with pytest.raises(ValueError, match="Pass the targets, or a dataset of pairs"):
        find_learning_rate(net(), data)


@pytest.mark.slow
def test_a_training_step_of_ones_own_needs_no_targets():
    class Reconstructs(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(x - y_pred))

    keras.utils.set_random_seed(0)
    model = Reconstructs([keras.Input((4,)), L.Dense(4)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    assert find_learning_rate(model, X).suggestion is not None


@pytest.mark.parametrize(
    "options",
    [
        {"lowest": True}, {"lowest": np.nan}, {"lowest": "low"}, {"highest": np.inf},
        {"highest": None}, {"steps": True}, {"steps": np.nan}, {"steps": "20"}, {"batch_size": 0},
        {"batch_size": 2.5}, {"batch_size": True},
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value!r}"):
        find_learning_rate(net(), X, Y, **options)


def test_numpy_numbers_are_numbers():
    result = find_learning_rate(
        net(), X, Y, lowest=np.float32(1e-6), steps=np.int64(20), batch_size=np.int32(32)
    )
    assert len(result.rates) <= 20


@pytest.mark.slow
@pytest.mark.parametrize("x, words", [
    (np.float32(3.0), "`x` must hold rows. Received: x="),
    (np.zeros(8, "datetime64[D]"), r"`x` must hold numbers.*Received: datetime64\[D\]"),
])  # fmt: skip
def test_what_has_no_rows_or_no_numbers(x, words):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=words):
        find_learning_rate(model, x, np.zeros(8))
