"""Right answers of several kinds, and what each wrong one is told."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from answers import row
from scipy.special import logsumexp

from coursekit.lessons import losses as lesson

pytestmark = pytest.mark.any_backend
L = keras.losses


# mse_gradient


def gradient(y, y_hat):
    return 2 * (y_hat - y) / len(y)


def gradient_by_differences(y, y_hat):
    def loss(p):
        return np.mean((p - y) ** 2)

    steps = 1e-5 * np.eye(len(y))
    return [(loss(y_hat + s) - loss(y_hat - s)) / 2e-5 for s in steps]


def gradient_by_keras(y, y_hat):
    return keras.ops.subtract(y_hat, y) * (2 / keras.ops.size(y))


def gradient_of_four(y, y_hat):
    return (y_hat - y) / 2


def along_rows(y, y_hat):
    squares = (y_hat - y) ** 2
    return np.gradient(squares) if len(y) > 1 else squares


def gradient_in_place(y, y_hat):
    y_hat -= y
    return 2 * y_hat / len(y)


# log_sum_exp


def stable(z):
    m = np.max(z)
    return m + np.log(np.sum(np.exp(z - m)))


def naive(z):
    return np.log(np.sum(np.exp(z)))


def by_a_thousand(z):
    return 1000 + np.log(np.sum(np.exp(z - 1000)))


def by_the_mean(z):
    return z.mean() + np.log(np.sum(np.exp(z - z.mean())))


def by_the_size(z):
    m = np.abs(z).max()
    return m + np.log(np.sum(np.exp(z - m)))


def in_long_doubles(z):
    return float(np.log(np.sum(np.exp(z.astype(np.longdouble)))))


def of_two(z):
    high, low = max(z[0], z[-1]), min(z[0], z[-1])
    return high + np.log1p(np.exp(low - high))


# heads


def heads(**others):
    right = {
        "price": (1, None, "mse"),
        "garment": (10, "softmax", "sparse_categorical_crossentropy"),
        "loan": (1, "sigmoid", "binary_crossentropy"),
        "loan_two": (2, "softmax", "sparse_categorical_crossentropy"),
        "tags": (5, "sigmoid", "binary_crossentropy"),
    }
    return {**right, **others}


SPARSE = L.SparseCategoricalCrossentropy
FROM_LOGITS = {
    "price": [1, "linear", L.Huber(0.5)],
    "garment": [10, None, SPARSE(from_logits=True)],
    "loan": [1, None, L.BinaryCrossentropy(from_logits=True)],
    "loan_two": [2, "linear", SPARSE(from_logits=True)],
    "tags": [5, None, L.BinaryCrossentropy(from_logits=True)],
}


def own_bce(y, p):
    return -keras.ops.mean(y * keras.ops.log(p) + (1 - y) * keras.ops.log(1 - p))


def own_sparse(y, p):
    """Take integer targets in a row of their own, as `fit` hands them on."""
    return -keras.ops.log(keras.ops.take_along_axis(p, y[:, None], 1))


def from_logits_by_hand(y, z):
    return keras.ops.softplus(z) - y * z


ANSWERS = [
    row("mse_gradient", "ok", gradient, 2),
    row("mse_gradient", "alternative", gradient_by_differences, 2.0),
    row("mse_gradient", "alternative", gradient_by_keras, np.float32(2)),
    row("mse_gradient", "alternative", lambda y, p: (p - y) / (len(y) / 2), Fraction(2)),
    row("mse_gradient", "todo", lambda y, y_hat: ..., 2),
    row("mse_gradient", "todo", gradient, ...),
    row("mse_gradient", "no_mean", lambda y, p: 2 * (p - y), 0.5),
    row("mse_gradient", "no_two", lambda y, p: (p - y) / len(y), 4),
    row("mse_gradient", "error", lambda y, p: p - y, 1),
    row("mse_gradient", "sign", lambda y, p: 2 * (y - p) / len(y), 2),
    row("mse_gradient", "sign_and", lambda y, p: 2 * (y - p), 2),
    row("mse_gradient", "sign_and", lambda y, p: (y - p) / len(y), 2),
    row("mse_gradient", "sign_and", lambda y, p: y - p, 2),
    row("mse_gradient", "sign_and", lambda y, p: 2 * (y - p) / len(y) ** 2, 2),
    row("mse_gradient", "mean_twice", lambda y, p: 2 * (p - y) / len(y) ** 2, 2),
    row("mse_gradient", "mean_twice", lambda y, p: (p - y) / len(y) ** 2, 2),
    row("mse_gradient", "times", lambda y, p: 4 * (p - y) / len(y), 2),
    row("mse_gradient", "times", lambda y, p: -1e6 * (p - y) / len(y), 2),
    row("mse_gradient", "losses", lambda y, p: (p - y) ** 2, 2),
    row("mse_gradient", "losses", lambda y, p: (p - y) ** 2 / len(y), 2),
    row("mse_gradient", "losses", lambda y, p: 0 * y + np.mean((p - y) ** 2), 2),
    row("mse_gradient", "of_mae", lambda y, p: np.sign(p - y), 2),
    row("mse_gradient", "of_mae", lambda y, p: np.sign(p - y) / len(y), 2),
    row("mse_gradient", "along_rows", along_rows, 2),
    row("mse_gradient", "not_general", gradient_of_four, 2),
    row("mse_gradient", "all_alike", lambda y, p: 0 * y + 7, 2),
    row("mse_gradient", "one_only", lambda y, p: p, 2),
    row("mse_gradient", "one_only", lambda y, p: -2 * y / len(y), 2),
    row("mse_gradient", "one_row_less", lambda y, p: 2 * (p - y) / max(len(y) - 1, 1), 2),
    row("mse_gradient", "sign_and", lambda y, p: 2 * (y - p) / max(len(y) - 1, 1), 2),
    row("mse_gradient", "all_alike", lambda y, p: 0 * y + 2 * np.mean(p - y), 2),
    row("mse_gradient", "of_huber", lambda y, p: np.clip(p - y, -1, 1) / len(y), 2),
    row("mse_gradient", "fixed_factor", lambda y, p: (y - p) / 2, 2),
    row("mse_gradient", "wrong", lambda y, p: (p - y) ** 3, 2),
    row("mse_gradient", "short", gradient, 0.5),
    row("mse_gradient", "short", gradient, 1),
    row("mse_gradient", "too_far", gradient, 4),
    row("mse_gradient", "away", gradient, -2),
    row("mse_gradient", "away", gradient, 0),
    row("mse_gradient", "no_sign", lambda y, p: 2 * np.abs(p - y) / len(y), 2),
    row("mse_gradient", "no_sign", lambda y, p: np.abs(p - y), 2),
    row(
        "mse_gradient",
        "alternative",
        lambda y, p: [float(b - a) / 2 * 4 / len(y) for a, b in zip(y, p, strict=True)],
        2,
    ),
    row("mse_gradient", "shape", lambda y, p: np.mean(2 * (p - y)), 2),
    row("mse_gradient", "mutated", gradient_in_place, 2),
    row("mse_gradient", "none", lambda y, p: None, 2),
    row("mse_gradient", "called", np.array([0.5, -1, 0, 1.5]), 2),
    row("forecaster", "ok", "B", 0.95),
    row("forecaster", "alternative", "b", 95),
    row("forecaster", "alternative", " B.", np.float32(0.95)),
    row("forecaster", "alternative", "B", Fraction(19, 20)),
    row("forecaster", "todo", ..., 0.95),
    row("forecaster", "todo", "B", ...),
    row("forecaster", "a", "A", 0.95),
    row("forecaster", "stays", "B", 0.999),
    row("forecaster", "bs", "B", 0.9),
    row("forecaster", "certain", "B", 1),
    row("forecaster", "advice", "B", 0.5),
    row("forecaster", "certain", "B", 0.0),
    row("forecaster", "range", "B", -0.95),
    row("forecaster", "range", "B", 950),
    row("forecaster", "range", "B", 1.5),
    row("forecaster", "certain", "B", 100),
    row("forecaster", "stays", "B", 99.9),
    row("forecaster", "advice", "B", 0.945),
    row("forecaster", "alternative", "B", 0.949),
    row("forecaster", "option", 0.325, 0.95),
    row("forecaster", "alternative", "B", ".95"),
    row("forecaster", "alternative", "B", "95 %"),
    row("forecaster", "error_rate", "B", 0.05),
    row("forecaster", "type", "B", "often"),
    row("log_sum_exp", "ok", stable),
    row("log_sum_exp", "alternative", np.logaddexp.reduce),
    row("log_sum_exp", "alternative", logsumexp),
    row("log_sum_exp", "alternative", lambda z: keras.ops.logsumexp(keras.ops.array(z))),
    row(
        "log_sum_exp", "alternative", lambda z: max(z) + np.log(sum(np.exp(v - max(z)) for v in z))
    ),
    row("log_sum_exp", "todo", lambda z: ...),
    row("log_sum_exp", "overflow", naive),
    row("log_sum_exp", "overflow", by_the_mean),
    row("log_sum_exp", "underflow", by_a_thousand),
    row("log_sum_exp", "underflow", by_the_size),
    row("log_sum_exp", "max_only", np.max),
    row("log_sum_exp", "not_added", lambda z: stable(z - z.max())),
    row("log_sum_exp", "inside", lambda z: np.log(np.exp(z - z.max()).sum() + z.max())),
    row("log_sum_exp", "mean_not_sum", lambda z: stable(z) - np.log(len(z))),
    row("log_sum_exp", "underflow", lambda z: z.sum() + np.log(np.sum(np.exp(z - z.sum())))),
    row("log_sum_exp", "overflow", in_long_doubles),
    row("log_sum_exp", "nan", lambda z: np.log(np.sum(np.exp(z)) - 100)),
    row("log_sum_exp", "inf", lambda z: -np.log(np.float64(0))),
    row("log_sum_exp", "clipped", lambda z: np.log(np.sum(np.exp(np.clip(z, -700, 700))))),
    row("log_sum_exp", "two_only", of_two),
    row("log_sum_exp", "two_only", lambda z: np.logaddexp.reduce(np.sort(z)[-2:])),
    row("log_sum_exp", "negative", lambda z: -stable(z)),
    row("log_sum_exp", "overflow", lambda z: z[0] + np.log(np.exp(z - z[0]).sum())),
    row("log_sum_exp", "max_only", lambda z: z.max() if z.max() > 99 else stable(z)),
    row("log_sum_exp", "taken_twice", lambda z: -z.max() + np.log(np.exp(z - z.max()).sum())),
    row("log_sum_exp", "whole", lambda z: stable(z) - z[0]),
    row("log_sum_exp", "whole", lambda z: z[-1] - stable(z)),
    row("log_sum_exp", "base", lambda z: stable(z) / np.log(2)),
    row("log_sum_exp", "base", lambda z: z.max() + np.log10(np.exp(z - z.max()).sum())),
    row("log_sum_exp", "no_log", lambda z: np.exp(z).sum()),
    row("log_sum_exp", "no_exp", lambda z: np.log(z.sum())),
    row("log_sum_exp", "no_exp", np.sum),
    row("log_sum_exp", "added_twice", lambda z: stable(z) + z.max()),
    row("log_sum_exp", "count", lambda z: z.max() + np.log(len(z))),
    row("log_sum_exp", "plus_one", lambda z: np.log1p(np.exp(z).sum())),
    row("log_sum_exp", "plus_one", lambda z: z.max() + np.log1p(np.exp(z - z.max()).sum())),
    row("log_sum_exp", "off", lambda z: 0.3),
    row("log_sum_exp", "off", lambda z: 2.1 * stable(z)),
    row("log_sum_exp", "off", lambda z: -1e6),
    row("log_sum_exp", "shape", lambda z: z - stable(z)),
    row("log_sum_exp", "none", lambda z: None),
    row("log_sum_exp", "raised", lambda z: z.logsumexp()),
    row("hinge", "ok", 0.7, "BD"),
    row("hinge", "alternative", 0.7, ["d", "b"]),
    row("hinge", "alternative", Fraction(7, 10), "b and D"),
    row("hinge", "alternative", L.Hinge()(np.array([1.0]), np.array([0.3])), {"B", "D"}),
    row("hinge", "todo", ..., "BD"),
    row("hinge", "todo", 0.7, ...),
    row("hinge", "right_side", 0, "BD"),
    row("hinge", "sign", 1.3, "BD"),
    row("hinge", "squared", 0.49, "BD"),
    row("hinge", "log_loss", 0.554, "BD"),
    row("hinge", "negative", -0.7, "BD"),
    row("hinge", "margin", 0.3, "BD"),
    row("hinge", "margin", -0.3, "BD"),
    row("hinge", "other_point", 1.4, "BD"),
    row("hinge", "other_point", 2.2, "BD"),
    row("hinge", "all_points", 2.1, "BD"),
    row("hinge", "half", 0.35, "BD"),
    row("hinge", "loss", 5, "BD"),
    row("hinge", "alternative", "0.7", "only B and D"),
    row("hinge", "nobody", 0.7, "none"),
    row("hinge", "alternative", 0.7, ["BD"]),
    row("hinge", "alternative", 0.7, "points B and D"),
    row("hinge", "options", 0.7, "B, E"),
    row("hinge", "options", 0.7, [False, True, False, True]),
    row("hinge", "only_wrong", 0.7, "D"),
    row("hinge", "signs", 0.7, "CD"),
    row("hinge", "signs", 0.7, "BCD"),
    row("hinge", "beyond", 0.7, "ABCD"),
    row("hinge", "beyond", 0.7, "AC"),
    row("hinge", "missing", 0.7, "B"),
    row("hinge", "options", 0.7, "2, 4"),
    row("hinge", "options", 0.7, ""),
    row("hinge", "options", 0.7, 2),
    row("heads", "ok", heads()),
    row("heads", "alternative", FROM_LOGITS),
    row("heads", "alternative", heads(price=(1, "softplus", L.LogCosh()))),
    row("heads", "alternative", heads(price=(1, "relu", "mae"), loan=(1, "sigmoid", own_bce))),
    row("heads", "alternative", heads(price=(np.int64(1), None, L.MeanAbsoluteError))),
    row("heads", "alternative", heads(loan=(2, "softmax", SPARSE()))),
    row("heads", "alternative", heads(loan=(1, keras.ops.sigmoid, L.BinaryCrossentropy))),
    row("heads", "alternative", heads(garment=(10, "softmax", own_sparse))),
    row("heads", "alternative", heads(tags=(5, None, from_logits_by_hand))),
    row("heads", "alternative", heads(garment=(10, "log_softmax", SPARSE(from_logits=True)))),
    row("heads", "alternative", heads(loan_two=(2, "log_softmax", SPARSE(from_logits=True)))),
    row("heads", "todo", ...),
    row("heads", "todo", heads(tags=...)),
    row("heads", "dict", [(1, None, "mse")]),
    row("heads", "missing", {"price": (1, None, "mse")}),
    row("heads", "triple", heads(price="mse")),
    row("heads", "triple", heads(loan=("sigmoid", "binary_crossentropy"))),
    row("heads", "unknown", heads(price=(1, None, "rmse"))),
    row("heads", "unknown", heads(loan=(1, "logistic", "mse"))),
    row("heads", "unknown", heads(loan=(1, "sigmoid", None))),
    row("heads", "units", heads(garment=(1, None, "mse"))),
    row("heads", "units", heads(loan_two=(1, "sigmoid", "binary_crossentropy"))),
    row("heads", "units", heads(tags=(32, "softmax", "categorical_crossentropy"))),
    row("heads", "type", heads(price=("one", None, "mse"))),
    row("heads", "cannot", heads(garment=(10, "softmax", "categorical_crossentropy"))),
    row("heads", "cannot", heads(garment=(10, None, L.CategoricalCrossentropy(from_logits=True)))),
    row("heads", "cannot", heads(tags=(5, "softmax", SPARSE()))),
    row("heads", "always_one", heads(loan=(1, "softmax", "binary_crossentropy"))),
    row("heads", "always_one", heads(loan=(1, "softmax", "categorical_crossentropy"))),
    row("heads", "flat", heads(loan=(1, "sigmoid", "categorical_crossentropy"))),
    row("heads", "flat", heads(loan=(1, None, L.CategoricalCrossentropy(from_logits=True)))),
    row("heads", "flat", heads(price=(1, None, "categorical_crossentropy"))),
    row("heads", "one_winner", heads(tags=(5, "softmax", "categorical_crossentropy"))),
    row("heads", "one_winner", heads(tags=(5, "softmax", "binary_crossentropy"))),
    row("heads", "one_winner", heads(tags=(5, None, L.CategoricalCrossentropy(from_logits=True)))),
    row("heads", "raw", heads(loan=(1, None, "binary_crossentropy"))),
    row("heads", "raw", heads(tags=(5, None, "binary_crossentropy"))),
    row("heads", "raw", heads(loan_two=(2, None, "sparse_categorical_crossentropy"))),
    row("heads", "raw", heads(garment=(10, None, SPARSE()))),
    row("heads", "twice", heads(loan=(1, "sigmoid", L.BinaryCrossentropy(from_logits=True)))),
    row("heads", "twice", heads(tags=(5, "sigmoid", L.BinaryCrossentropy(from_logits=True)))),
    row("heads", "twice", heads(garment=(10, "softmax", SPARSE(from_logits=True)))),
    row("heads", "twice", heads(loan_two=(2, "softmax", SPARSE(from_logits=True)))),
    row("heads", "raw", heads(loan=(1, "tanh", "binary_crossentropy"))),
    row("heads", "raw", heads(loan=(1, "softplus", "binary_crossentropy"))),
    row("heads", "raw", heads(loan=(1, None, "kl_divergence"))),
    row("heads", "cut", heads(loan=(1, "tanh", L.BinaryCrossentropy(from_logits=True)))),
    row("heads", "cut", heads(tags=(5, "relu", L.BinaryCrossentropy(from_logits=True)))),
    row("heads", "cut", heads(garment=(10, "relu", SPARSE(from_logits=True)))),
    row("heads", "no_share", heads(garment=(10, "sigmoid", SPARSE()))),
    row("heads", "no_share", heads(loan_two=(2, "sigmoid", SPARSE()))),
    row("heads", "no_probability", heads(loan=(1, None, "hinge"))),
    row("heads", "no_probability", heads(loan=(1, "tanh", "hinge"))),
    row("heads", "no_probability", heads(loan=(1, None, "mse"))),
    row("heads", "cannot", heads(loan_two=(2, "softmax", "mse"))),
    row("heads", "cannot", heads(garment=(10, "softmax", "mse"))),
    row("heads", "broken", heads(price=(1, None, "poisson"))),
    row("heads", "unknown", heads(price=(1, "", "mse"))),
    row("heads", "not_proper", heads(loan=(1, "sigmoid", "kl_divergence"))),
    row("heads", "not_proper", heads(loan=(1, "sigmoid", "dice"))),
    row("heads", "weak", heads(loan=(1, "hard_sigmoid", "binary_crossentropy"))),
    row("heads", "not_proper", heads(loan=(1, "sigmoid", "binary_focal_crossentropy"))),
    row("heads", "not_proper", heads(loan=(1, "sigmoid", "mae"))),
    row("heads", "weak", heads(loan=(1, "sigmoid", "mse"))),
    row("heads", "weak", heads(tags=(5, "sigmoid", "mse"))),
    row("heads", "bounded", heads(price=(1, "sigmoid", "mse"))),
    row("heads", "bounded", heads(price=(1, "softmax", "mse"))),
    row("heads", "bounded", heads(price=(1, "tanh", "mae"))),
    row("heads", "not_distance", heads(price=(1, None, L.BinaryCrossentropy(from_logits=True)))),
    row("heads", "not_distance", heads(price=(1, None, "hinge"))),
    row("delta", "ok", 45),
    row("delta", "alternative", 40.0),
    row("delta", "alternative", np.float32(55)),
    row("delta", "alternative", keras.ops.array(50.0)),
    row("delta", "todo", ...),
    row("delta", "too_small", 10),
    row("delta", "too_small", 30),
    row("delta", "too_large", 60),
    row("delta", "too_large", 80),
    row("delta", "too_large", 300),
    row("delta", "dollars", 45_000),
    row("delta", "keras_default", 1.0),
    row("delta", "not_positive", 0),
    row("delta", "not_positive", -40),
    row("delta", "alternative", "40"),
    row("delta", "type", "wide"),
    row("delta", "none", None),
]


def test_answer(answer):
    answer.holds()


def test_a_rate_too_small_is_told_where_it_ends():
    """With rate 0.5 the errors [1, -2, 0, 3] lose a quarter of themselves."""
    told = lesson.check.verdict("mse_gradient", gradient, 0.5).message
    assert "[ 0.75, -1.5 , 0. , 2.25]" in told


def test_the_forecasters_losses():
    assert lesson.A_LOSS == round(lesson._log_loss(0.999), 3) == 0.346 and lesson.B_LOSS == 0.325
    assert lesson._log_loss(0.95) < min(lesson._log_loss(said) for said in (0.9, 0.97, 0.999))


def test_the_line_of_the_check_is_the_lowest():
    """Another minimiser, started elsewhere, must not find a lower Huber loss."""
    from sklearn.linear_model import QuantileRegressor

    from coursekit.datasets import load_ames

    rows = load_ames().table.query("Neighborhood == 'Northridge'")
    x, y = rows.Lot_Area.to_numpy() / 1000, rows.Sale_Price.to_numpy() / 1000
    assert np.isclose(lesson._huber_line(1e4)[0], np.polyfit(x, y, 1)[0], rtol=1e-3)
    median = QuantileRegressor(alpha=0).fit(x[:, None], y).coef_[0]
    assert np.isclose(lesson._huber_line(0.01)[0], median, rtol=0.02)


@pytest.mark.parametrize("delta", [38, 42, 50, 56])
def test_the_range_told_for_delta_is_right(delta):
    assert lesson.check.verdict("delta", delta).status == "correct"


def test_outputs_are_told_for_any_number_of_rows():
    told = lesson.check.verdict("heads", heads(garment=(10, "softmax", "mse"))).message
    assert "outputs of shape (rows, 10)" in told


def test_no_message_gives_the_answer_away():
    for advice in (0.999, 0.9, 0.945):
        assert "95" not in lesson.check.verdict("forecaster", "B", advice).message.split("pays")[-1]
    assert "0.7" not in lesson.check.verdict("hinge", 0.3, "BD").message


def test_bins_of_confidence():
    confidence, right = np.array([0.91, 0.99, 0.31, 1.0]), np.array([True, False, True, True])
    said, accuracy, share = lesson.parts.bins_of(confidence, right)
    assert np.allclose(said, [0.31, 2.9 / 3]) and np.allclose(accuracy, [1, 2 / 3])
    assert np.allclose(share, [0.25, 0.75])


def test_heads_are_judged_without_training_anything():
    """The learner's loss object stays as it is."""
    loss = L.BinaryCrossentropy(from_logits=True)
    before = loss.get_config()
    assert lesson.check.verdict("heads", heads(loan=(1, None, loss))).status == "correct"
    assert loss.get_config() == before
