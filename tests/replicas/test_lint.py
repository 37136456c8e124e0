"""Each finding of `lint`: that Keras really does it, that it is named, and that others are not."""

import keras
import numpy as np
import pytest
from keras import layers, losses, optimizers

from coursekit.distribution import lint
from coursekit.distribution._parity import _copy, _gap
from coursekit.distribution.step import ReplicaModel
from coursekit.losses import (
    InfoNCE,
    LabelSmoothedCrossentropy,
    SupervisedContrastive,
    TripletLoss,
)
from coursekit.optimizers import OrthantwiseL1, SafeLossScaleOptimizer

CLASSES = losses.SparseCategoricalCrossentropy(from_logits=True)
SGD = optimizers.SGD


def mean_squares(y_true, y_pred):
    return keras.ops.mean((keras.ops.one_hot(y_true, 3) - y_pred) ** 2)


class MeanLoss(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return mean_squares(y, y_pred)


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def build(optimizer=None, loss=CLASSES, layer=None, model=keras.Model, **compiled):
    x = keras.Input((5,))
    hidden = layers.Dense(4, activity_regularizer=compiled.pop("activity", None))(x)
    made = model(x, layers.Dense(3)(layer(hidden) if layer else hidden))
    compiled = {"jit_compile": False} | compiled
    made.compile(optimizer() if optimizer else SGD(0.5), loss, **compiled)
    return made


def clipped(**options):
    return lambda: SGD(0.5, **options)


# what Keras gets wrong: arguments of build, rule, effect
SILENT = {
    "global_clipnorm": ({"optimizer": clipped(global_clipnorm=0.05)}, "clipping"),
    "scalar": ({"loss": mean_squares}, "mean_squares"),
    "compute_loss": ({"model": MeanLoss}, "compute_loss"),
    "weighted": (
        {"loss": losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")},
        "sparse_categorical_crossentropy",
    ),
}
RAISES = {
    "accumulation": ({"optimizer": clipped(gradient_accumulation_steps=2)}, "gradient_accu"),
    "ema": (
        {"optimizer": clipped(use_ema=True, ema_overwrite_frequency=2)},
        "ema_overwrite_frequency",
    ),
    "steps_per_execution": ({"steps_per_execution": 2}, "steps_per_execution"),
    "jit_compile": ({"jit_compile": True}, "jit_compile"),
}


def rows(count=8):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, 5)).astype("float32"), rng.integers(0, 3, count)
    return {"x": x, "y": y, "sample_weight": np.linspace(0.2, 4, count)}


def train(model):
    model.fit(**rows(), batch_size=8, epochs=1, verbose=0, shuffle=False)
    return model


@pytest.mark.parametrize("name", SILENT)
def test_keras_is_silently_wrong(strategy, name):
    """Once this fails, Keras is fixed: drop the finding, and the cure in `distribution.step`."""
    arguments, rule = SILENT[name]
    one = build(**arguments, run_eagerly=True)  # quicker
    with strategy.scope():
        two = build(**arguments)
    _copy(one.variables, two.variables)
    train(one), train(two)
    gaps = [_gap(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True)]
    assert max(gaps) > 1e-4
    assert [(f.rule, f.effect) for f in lint(two)] == [(rule, "wrong")]


@pytest.mark.parametrize("name", RAISES)
def test_keras_fails(strategy, name):
    """Once this fails, Keras is fixed: drop the finding, and the cure in `distribution.step`."""
    arguments, rule = RAISES[name]
    with strategy.scope():
        model = build(**arguments)
    with pytest.raises(Exception, match=r"merge_call|placeholder|located in|CPU:1"):
        train(model)
    (finding,) = lint(model)
    assert finding.rule.startswith(rule) and finding.effect == "fails"


def test_a_scalar_loss_of_keras_is_named():
    for loss in (losses.Dice(), losses.Tversky()):
        (finding,) = lint(build(loss=loss))
        assert finding.rule == loss.name and "one value per row" in finding.cure
    assert lint(build(loss=losses.Dice(axis=(1,)))) == []


@pytest.mark.parametrize(
    "loss, says",
    [
        (losses.Circle(), "compares the rows"),
        (InfoNCE(), "compares the rows"),
        (SupervisedContrastive(), "compares the rows"),
        (TripletLoss(), "compares the rows"),
        (losses.SparseCategoricalCrossentropy(True, ignore_class=-1), "do not count"),
        (LabelSmoothedCrossentropy(from_logits=True, ignore_class=1), "do not count"),
    ],
)
def test_a_loss_that_sees_more_than_a_row_is_named(loss, says):
    model = build(loss=loss)
    if isinstance(loss, InfoNCE):
        model = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.Reshape((2, 3))])
        model.compile("sgd", loss, jit_compile=False)
    (finding,) = lint(model)
    assert (finding.rule, finding.effect) == (loss.name, "wrong") and says in finding.reason
    assert lint(build(loss=loss, model=ReplicaModel)) == []


@pytest.mark.parametrize("kind", [SupervisedContrastive, TripletLoss])
def test_a_loss_that_gathers_is_sound(kind):
    assert lint(build(loss=kind(gather_replicas=True))) == []


@pytest.mark.parametrize(
    "loss", ["mse", CLASSES, "categorical_crossentropy", losses.Huber(), lambda t, p: p[:, 0]]
)
def test_nothing_to_say_about_a_sound_model(loss):
    for kind in (keras.Model, ReplicaModel):
        for optimizer in (None, optimizers.AdamW, lambda: SGD(use_ema=True)):
            assert lint(build(optimizer, loss, model=kind)) == []


@pytest.mark.parametrize(
    "layer, differs",
    [
        (layers.BatchNormalization(), True),
        (layers.BatchNormalization(synchronized=True), False),
        (layers.BatchNormalization(trainable=False), False),
        (layers.Dropout(0.5), True),
        (layers.Dropout(0), False),
        (layers.GaussianNoise(0.1), True),
    ],
)
def test_what_differs_by_design(layer, differs):
    for kind in (keras.Model, ReplicaModel):
        found = [(f.rule, f.effect) for f in lint(build(layer=layer, model=kind))]
        assert found == [(layer.name, "differs")] * differs


def test_recurrent_dropout():
    for rate in (0.0, 0.5):
        model = keras.Sequential([keras.Input((4, 2)), layers.LSTM(3, dropout=rate)])
        model.compile("sgd", "mse", jit_compile=False)
        assert bool(lint(model)) == (rate > 0)


@pytest.mark.parametrize("clip", [{"clipnorm": 1.0}, {"clipvalue": 1.0}])
def test_all_clipping_is_named(clip):
    assert [f.rule for f in lint(build(clipped(**clip)))] == ["clipping"]
    assert lint(build(clipped(**clip), model=ReplicaModel)) == []


def test_eager_execution():
    for kind in (keras.Model, ReplicaModel):
        (finding,) = lint(build(run_eagerly=True, model=kind))
        assert (finding.rule, finding.effect) == ("run_eagerly", "fails")


def test_masks():
    model = keras.Sequential([keras.Input((4,)), layers.Embedding(5, 2, mask_zero=True)])
    model.compile("sgd", "mse", jit_compile=False)
    assert [f.effect for f in lint(model)] == ["wrong"]


def test_an_own_train_step_cannot_be_seen_through():
    (finding,) = lint(build(model=OwnStep))
    assert finding.effect == "unknown" and "parity" in finding.cure


def test_loss_scaling():
    def scaler(**options):
        return lambda: optimizers.LossScaleOptimizer(SGD(0.1, **options))

    assert [f.rule for f in lint(build(scaler()))] == ["loss scaling"]
    assert lint(build(lambda: SafeLossScaleOptimizer(SGD(0.1)))) == []
    assert lint(build(scaler(clipnorm=1.0), model=ReplicaModel)) == []
    (finding,) = lint(build(scaler(gradient_accumulation_steps=2), model=ReplicaModel))
    assert finding.effect == "fails" and finding.cure == "Not together with LossScaleOptimizer."


@pytest.mark.parametrize("kind", [keras.Model, ReplicaModel])
def test_an_optimizer_that_needs_the_whole_gradient(kind):
    (finding,) = lint(build(lambda: OrthantwiseL1(SGD(0.1)), model=kind))
    assert (finding.rule, finding.effect) == ("OrthantwiseL1", "fails")


def test_optimizers_inside_an_optimizer():
    if not hasattr(optimizers, "MultiOptimizer"):
        pytest.skip("newer Keras")

    def both(**options):
        return lambda: optimizers.MultiOptimizer(optimizers.OptimizerMap(SGD(0.1, **options)))

    clips, accumulates = both(clipnorm=1.0), both(gradient_accumulation_steps=2)
    assert [f.rule for f in lint(build(clips))] == ["clipping"]
    assert lint(build(clips, model=ReplicaModel)) == []
    for kind in (keras.Model, ReplicaModel):
        (finding,) = lint(build(accumulates, model=kind))
        assert finding.effect == "fails" and finding.cure == "Not together with MultiOptimizer."


@pytest.mark.skipif(not hasattr(optimizers, "ScheduleFreeAdamW"), reason="newer Keras")
def test_an_optimizer_that_is_wrong_on_one_device(strategy):
    """Keras loses the first weights on one device. Once this fails, drop the finding."""

    def trained(**compiled):
        model = build(lambda: optimizers.ScheduleFreeAdamW(0.01), **compiled)
        model.set_weights([np.full(w.shape, 0.5) for w in model.get_weights()])
        return model

    one, cured = trained(), trained()
    (finding,) = lint(one)
    assert (finding.rule, finding.effect) == ("ScheduleFreeAdamW", "differs")
    cured.optimizer.build(cured.trainable_variables)
    assert lint(cured) == []
    with strategy.scope():
        two = trained()
    a, b, c = (train(model).get_weights()[0] for model in (one, cured, two))
    np.testing.assert_allclose(c, b, atol=1e-6)
    assert np.abs(a).max() < 0.1 < b.min()


def test_activity_regularizer():
    """Keras before 3.14 sums it over the rows."""
    found = [f.effect for f in lint(build(activity="l2", model=ReplicaModel))]
    summed = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 14)
    assert found == ["wrong"] * summed


@pytest.mark.parametrize("compiled", [{"steps_per_execution": 2}, {"jit_compile": True}])
def test_the_step_refuses_what_it_cannot_cure(strategy, compiled):
    with strategy.scope():
        model = build(model=ReplicaModel, **compiled)
    with pytest.raises(ValueError, match=f"cannot be trained on replicas:\n{next(iter(compiled))}"):
        train(model)
    build(model=ReplicaModel, **compiled).make_train_function()  # one device does it


def test_lint_needs_a_compiled_model():
    with pytest.raises(ValueError, match="Received: Sequential"):
        lint(keras.Sequential([layers.Dense(1)]))
