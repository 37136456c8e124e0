"""NaN and infinity never become a plausible number: not in a score, a choice or a comparison."""

import warnings

import keras
import numpy as np
import pytest
from crossed import BINARY, THREE, X, Y, builder, run
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from coursekit.validation import (
    CrossValidation,
    bias_variance,
    compare,
    cross_validate,
    nested_cross_validate,
)
from coursekit.validation import _run as validation_run

TWO = np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)
own = lambda estimator, x, y: float(np.mean(estimator.predict(x) == y))

HEADS = {
    "softmax": (3, "sparse_categorical_crossentropy", "softmax", THREE,
                ["accuracy", "f1_macro", "balanced_accuracy", "neg_log_loss", "roc_auc_ovr"]),
    "sigmoid": (1, "binary_crossentropy", "sigmoid", BINARY,
                ["accuracy", "roc_auc", "f1", "average_precision", "neg_brier_score"]),
    "logit": (1, keras.losses.BinaryCrossentropy(from_logits=True), None, BINARY,
              ["accuracy", "roc_auc", "precision"]),
    "multilabel": (2, "binary_crossentropy", "sigmoid", TWO, ["accuracy", "f1_macro", "roc_auc"]),
    "regression": (1, "mse", None, Y, ["r2", "neg_mean_absolute_error"]),
    "column": (1, "mse", None, Y[:, None], ["r2", "neg_median_absolute_error"]),
    "hinge": (1, "hinge", None, BINARY, ["accuracy", "roc_auc"]),
}  # fmt: skip


def judged(head, **options):
    """Cross-validate with every scorer of a head; return the result and what was warned."""
    units, loss, activation, y, names = HEADS[head]
    options.setdefault("build", builder(units, loss, activation))
    options.setdefault("y", y)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = run(scoring=[*names, own], **options)
    return result, [str(w.message) for w in told if "finite" in str(w.message)]


def spoiled(values, value, row=7):
    values = np.array(values, "float64")
    values[(row,) + (-1,) * (values.ndim - 1)] = value
    return values


BAD = [np.nan, np.inf, -np.inf, 1e300]


@pytest.mark.any_backend
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("value", BAD)
def test_a_cell_that_is_not_finite_is_refused_with_its_row(head, value, untrained):
    with pytest.raises(ValueError, match=r"`x` must be finite.*row 7: (nan|-?inf) in column 2"):
        judged(head, x=spoiled(X, value))
    for place in ("transformer", "function"):
        after = FunctionTransformer() if place == "transformer" else lambda a, b: lambda x: x
        with pytest.raises(ValueError, match=r"`preprocess` must leave finite.*in row 7 of `x`"):
            judged(head, x=spoiled(X, value), preprocess=after)
    with pytest.raises(ValueError, match=r"`y` must be finite.*row 7"):
        judged(head, y=spoiled(HEADS[head][3], value))
    with pytest.raises(ValueError, match=r"`sample_weight` must hold one finite number.*row 7"):
        judged(head, fit_kwargs={"sample_weight": spoiled(np.ones(60), value)})


@pytest.mark.any_backend
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, -1])
def test_weights_that_training_broke_score_nan(head, value, which, monkeypatch):
    def fit_all(models, *args, **settings):
        kernel = models[1].trainable_variables[which]
        kernel.assign(np.full(kernel.shape, value))
        return [{"loss": [1.0, np.nan if k == 1 else 1.0]} for k in range(len(models))]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    result, told = judged(head)
    for scores in (*result.scores.values(), *result.train_scores.values()):
        assert list(np.isnan(scores)) == [False, True, False]
    assert np.isnan(list(result.mean.values())).all()
    assert len(told) == 1
    assert "fold 1: " in told[0] and "not finite" in told[0]
    assert "the loss turned nan in epoch 2" in told[0]
    with pytest.raises(ValueError, match="Every fold must have a score"):
        compare(result, result, scorer=next(iter(result.scores)))


def test_weights_that_hide_behind_a_relu_are_found(monkeypatch):
    """A bias of minus infinity leaves predictions finite: every row gets the same."""

    def build_model():
        layers = [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse")
        return model

    def fit_all(models, *args, **settings):
        models[0].layers[0].bias.assign(np.full(4, -np.inf))
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    with pytest.warns(UserWarning, match=r"fold 0: the weight .*bias is not finite"):
        result = run(build_model)
    assert np.isnan(result.scores["r2"][0]) and np.isfinite(result.scores["r2"][1:]).all()


class Odd(keras.layers.Layer):
    """Not finite for rows whose first column is above a border, once it was told to."""

    def __init__(self, value, border, ready):
        super().__init__()
        self.value, self.border = value, border
        self.on = self.add_weight(initializer="ones" if ready else "zeros", trainable=False)

    def call(self, x):
        hit = (x[:, :1] > self.border) & (self.on > 0)
        return keras.ops.where(hit, keras.ops.cast(self.value, x.dtype), x)


def with_odd(head, value, border, ready):
    units, loss, activation, *_ = HEADS[head]

    def build_model():
        layers = [keras.Input((3,)), Odd(value, border, ready), keras.layers.Dense(units)]
        model = keras.Sequential([*layers, keras.layers.Activation(activation)])
        model.compile("sgd", loss)
        return model

    return build_model


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "multilabel", "regression", "column"])
def test_a_layer_that_breaks_before_training_is_named(head, untrained):
    with pytest.raises(ValueError, match=r"finite outputs for finite rows.*after the layer 'odd"):
        judged(head, build=with_odd(head, np.nan, -9.0, ready=True))


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "multilabel", "regression", "column"])
def test_a_layer_that_breaks_for_some_rows_scores_nan_there(head, monkeypatch):
    def fit_all(models, *args, **settings):
        for model in models:
            model.layers[0].on.assign(1.0)
        return [{"loss": [1.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    border = np.sort(X[:, 0])[-2] + 1e-4  # one row is above it
    row = int(X[:, 0].argmax())
    result, told = judged(head, build=with_odd(head, np.nan, border, ready=False))
    here = [row in side for _, side in result.folds]
    for name in result.scores:
        assert list(np.isnan(result.scores[name])) == here
        assert list(np.isnan(result.train_scores[name])) == [not one for one in here]
    assert len(told) == 1 and f"1 of 20 validation rows (the first is row {row})" in told[0]
    assert "rows, losses and weights are finite" in told[0]


def test_a_logit_of_minus_infinity_masks_a_class(untrained):
    """With another class beside it, that is a probability of 0, and a score."""

    class Masked(keras.layers.Layer):
        def call(self, x):
            return keras.ops.concatenate([x[:, :2], keras.ops.full_like(x[:, :1], -np.inf)], 1)

    def build_model():
        layers = [keras.Input((3,)), keras.layers.Dense(3), Masked()]
        model = keras.Sequential(layers)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    result = run(build_model, y=THREE)
    assert np.isfinite(result.scores["accuracy"]).all()
    assert (result.predictions[:, 2] == 0).all()


def test_a_model_may_fill_what_is_missing(untrained):
    class Fill(keras.layers.Layer):
        def call(self, x):
            return keras.ops.nan_to_num(x)

    def build_model(fill):
        layers = [keras.Input((3,)), *([fill()] if fill else []), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse")
        return model

    x = spoiled(X, np.nan)
    assert np.isfinite(run(lambda: build_model(Fill), x).scores["r2"]).all()

    class Keep(keras.layers.Layer):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="`x` must be finite"):
        run(lambda: build_model(Keep), x)
    filled = run(
        x=x, preprocess=make_pipeline(FunctionTransformer(np.nan_to_num), StandardScaler())
    )
    assert np.isfinite(filled.scores["r2"]).all()


def test_a_training_that_diverges_is_told_with_its_epoch():
    def build_model():
        layers = [
            keras.Input((3,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(2, "softmax"),
        ]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.SGD(1e30), "sparse_categorical_crossentropy")
        return model

    with pytest.warns(UserWarning, match=r"fold 0: .*20 of 20 validation rows.*in epoch 1") as told:
        result = run(build_model, y=BINARY, fit_kwargs={"epochs": 3})
    assert np.isnan(result.scores["accuracy"]).all() and np.isnan(result.predictions).all()
    text = " ".join(str(w.message) for w in told)
    assert "softmax" not in text and "larger" not in text and "Lower the learning rate" in text


def test_a_fold_from_disk_is_told_again(tmp_path, monkeypatch):
    def fit_all(models, *args, **settings):
        for model in models:
            model.layers[0].kernel.assign(np.full((3, 1), np.nan))
        return [{"loss": [np.nan]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
    for _ in range(2):
        with pytest.warns(UserWarning, match="predictions for 20 of 20 validation rows"):
            result = run(folder=tmp_path)
        assert np.isnan(result.scores["r2"]).all()


@pytest.mark.slow
def test_a_broken_candidate_is_never_chosen():
    x = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
    y = (x[:, 0] > 1.2).astype(int)

    def recipe(rate):
        def build_model():
            layers = [keras.Input((4,)), keras.layers.Dense(8, "relu")]
            model = keras.Sequential([*layers, keras.layers.Dense(2, "softmax")])
            model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
            return model

        return build_model

    with pytest.warns(UserWarning, match="Not finite"):
        found = nested_cross_validate({"broken": recipe(1e30), "sound": recipe(0.01)}, x, y, cv=2,
                                      inner_cv=2, verbose=0)  # fmt: skip
    assert found.chosen == ["sound", "sound"] and np.isfinite(found.promised)
    assert np.isnan(found.inner[0]["broken"])
    with (
        pytest.warns(UserWarning, match="Not finite"),
        pytest.raises(ValueError, match="One candidate at least must have a score"),
    ):
        nested_cross_validate({"a": recipe(1e30), "b": recipe(1e30)}, x, y, cv=2, inner_cv=2,
                              verbose=0)  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bias_and_variance_are_not_measured_on_what_is_not_finite(value):
    x, y = X, Y

    def draw(rng, spoil=""):
        return (spoiled(x, value) if spoil == "x" else x), (
            spoiled(y, value) if spoil == "y" else y
        )

    for spoil in ("x", "y"):
        with pytest.raises(ValueError, match=f"`{spoil} of refit 0` must be finite.*row 7"):
            bias_variance(builder(), lambda rng, s=spoil: draw(rng, s), x, y, refits=3, verbose=0)
    with pytest.raises(ValueError, match="`x` must be finite"):
        bias_variance(builder(), draw, spoiled(x, value), y, refits=3, verbose=0)
    rate = builder(optimizer=lambda: keras.optimizers.SGD(1e30))
    with pytest.raises(ValueError, match=r"finite weights.*3 of 3 refits"):
        bias_variance(rate, draw, x, y, refits=3, epochs=5, verbose=0)


def test_no_message_blames_folds_for_what_is_not_finite():
    """`larger folds` is advised where a class is missing, and only there."""
    rate = builder(optimizer=lambda: keras.optimizers.SGD(1e30))
    with pytest.warns(UserWarning) as told:
        cross_validate(rate, X, Y, 3, fit_kwargs={"epochs": 4}, verbose=0)
    assert all("larger" not in str(w.message) for w in told)


def test_a_figure_shows_no_mean_of_what_is_not_finite():
    from coursekit import plots

    result = CrossValidation(
        "regression", {"r2": np.array([0.5, np.nan, 0.7])}, {"r2": np.array([0.6, np.nan, 0.7])},
        np.zeros(3), [{}] * 3, [(np.arange(2), np.arange(2, 3))] * 3, [0, 1, 2],
    )  # fmt: skip
    figure = plots.cross_validation(result)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("nan" in text for text in legend)
    assert "mean nan" in str(result) and np.isnan(result.spread["r2"])
