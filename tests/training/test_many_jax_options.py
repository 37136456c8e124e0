"""`fit_many` on JAX leaves what `fit` leaves: layers and options that the other tests do not name.

Both ways of a last batch are tried: a size of its own, and filled up with rows of weight 0.
"""

import keras
import numpy as np
import pytest
from many_cases import (
    CLASSES,
    IMAGES,
    ROWS,
    SEQUENCE,
    TABLE,
    TARGET,
    TOKENS,
    L,
    assert_same,
    assert_same_history,
    dense,
    make,
    mixed_layers,
    norms,
)

from coursekit.training import fit_many
from coursekit.training.many import _jax_plan
from coursekit.training.many._jax_padded import Padded

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs of JAX"),
]
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam


def perceptron(*middle, **options):
    return lambda: (
        TABLE,
        [L.Dense(8, "tanh", **options), *[make() for make in middle], L.Dense(3)],
    )


def images(*stack):
    return lambda: (IMAGES, [*[make() for make in stack], L.Flatten(), L.Dense(3)])


def of_tokens(*stack):
    return lambda: (TOKENS, [L.Embedding(9, 4), *[make() for make in stack], L.Dense(3)])


ALONE = {  # no row meets another: one size of batch
    "dense": dense,
    "dropout": perceptron(lambda: L.Dropout(0.4)),
    "noise": perceptron(lambda: L.GaussianNoise(0.3)),
    "penalty and constraint": perceptron(kernel_regularizer="l2", kernel_constraint="max_norm"),
    "convolutions": images(
        lambda: L.Conv2D(3, 2, activation="relu"), L.MaxPooling2D, lambda: L.SpatialDropout2D(0.3)
    ),
    "separable": images(lambda: L.SeparableConv2D(3, 2), lambda: L.DepthwiseConv2D(2)),
    "embedding": of_tokens(L.GlobalAveragePooling1D),
    "embedding, Conv1D": of_tokens(lambda: L.Conv1D(3, 2), L.GlobalMaxPooling1D),
}
MEETING = {  # by the layer itself, a mask, or what it adds to the loss
    "batch norm, dropout": mixed_layers,
    "layer norm": norms,
    "activity": perceptron(activity_regularizer="l2"),
    "spectral": lambda: (TABLE, [L.SpectralNormalization(L.Dense(8)), L.Dense(3)]),
    "GRU": lambda: (SEQUENCE, [L.GRU(4, dropout=0.2, recurrent_dropout=0.2), L.Dense(3)]),
    "mask": lambda: (TOKENS, [L.Embedding(9, 4, mask_zero=True), L.GRU(4), L.Dense(3)]),
    "activation of the whole batch": perceptron(
        lambda: L.Activation(lambda z: z - keras.ops.mean(z, 0))
    ),
    "unit norm": perceptron(L.UnitNormalization),
    "augmentation": images(lambda: L.RandomFlip("horizontal")),
}


def compare(build, x, y, alone=None, **settings):
    """Train two models by `fit_many`, on both routes, and the second by `fit`."""
    settings = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0, **settings}
    theirs = build(1)
    given = (
        {"validation_batch_size": settings["batch_size"]} if "validation_data" in settings else {}
    )
    callbacks, used = settings.pop("callbacks", None), []

    class Noted(Padded):
        def prepare(self, *arguments):
            used.append(type(self))
            super().prepare(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_jax_plan, "Padded", Noted)
        history = theirs.fit(x, y, callbacks=callbacks and callbacks(1), **settings, **given)
        for stacked in (True, False):
            patch.setattr(_jax_plan, "side_by_side", lambda stacked=stacked: stacked)
            ours = [build(k) for k in range(2)]
            histories = fit_many(ours, x, y, callbacks=callbacks, **settings)
            assert_same(ours[1], theirs)
            assert_same_history(histories[1], history)
    if alone is not None:
        assert bool(used) == alone


@pytest.mark.parametrize("name", [*ALONE, *MEETING])
def test_layers(name):
    layers = {**ALONE, **MEETING}[name]
    held = (layers()[0][:11], CLASSES[:11])
    compare(lambda k: make(layers, k), layers()[0], CLASSES, name in ALONE, validation_data=held)


def several():
    o = keras.optimizers
    if not hasattr(o, "MultiOptimizer"):
        pytest.skip("Keras 3.15 and later")
    return o.MultiOptimizer(o.OptimizerMap(SGD(0.1), {".*bias": Adam(0.01)}))


def scheduled():
    return keras.optimizers.Nadam(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.7))


OPTIMIZERS = {
    "clipnorm": lambda: SGD(0.1, momentum=0.9, clipnorm=0.05),
    "clipvalue": lambda: Adam(0.05, clipvalue=0.01),
    "global_clipnorm": lambda: keras.optimizers.RMSprop(0.01, global_clipnorm=0.05),
    "decay": lambda: keras.optimizers.Lion(0.01, weight_decay=0.3),
    "average": lambda: Adam(0.05, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "accumulation": lambda: Adam(0.05, gradient_accumulation_steps=3),
    "schedule": scheduled,
    "muon": lambda: keras.optimizers.Muon(0.01),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(Adam(0.05), dynamic_growth_steps=2),
    "several": several,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    compare(lambda k: make(dense, k, OPTIMIZERS[name]), TABLE, CLASSES)


LOSSES = {
    "mse": lambda: "mse",
    "huber": lambda: keras.losses.Huber(0.3),
    "own": lambda: lambda y, p: keras.ops.max(keras.ops.abs(y - p)) + 0.0 * p[:, 0],
    "summed": lambda: keras.losses.MeanSquaredError(reduction="sum"),
    "mean of weights": lambda: keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_metrics(name, weighted):
    """In a last batch that is filled up a loss over the batch would be another one."""

    def build(k):
        metrics = ["mae", keras.metrics.MeanSquaredError()]
        return make(
            dense,
            k,
            loss=LOSSES[name](),
            metrics=metrics,
            weighted_metrics=["mse", "cosine_similarity"],
        )

    weight = np.linspace(0, 2, ROWS, dtype="float32") if weighted else None
    y = np.concatenate([TARGET, TABLE[:, :2]], 1)
    compare(build, TABLE, y, name in ("mse", "huber"), sample_weight=weight)


def test_metrics_that_count_in_their_own_way():
    def build(k):
        metrics = ["accuracy", keras.metrics.AUC(), keras.metrics.F1Score(threshold=0.5)]
        stack = lambda: (TABLE, [L.Dense(1, "sigmoid")])
        return make(stack, k, loss="binary_crossentropy", metrics=metrics)

    compare(build, TABLE, (TARGET > 0).astype("float32"), False)


@pytest.mark.parametrize(
    "rows, batch_size", [(1, 8), (ROWS, 1), (5, 100), (16, 8), (17, 8)], ids=str
)
def test_sizes(rows, batch_size):
    """One row, batches of one, less than a batch, whole batches, one row over."""
    compare(
        lambda k: make(perceptron(lambda: L.Dropout(0.3)), k, lambda: Adam(0.01)),
        TABLE[:rows], CLASSES[:rows], True, batch_size=batch_size, epochs=2,
    )  # fmt: skip


def test_class_weights_and_early_stopping():
    def callbacks(k):
        return [
            keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=1.0),
        ]

    compare(
        lambda k: make(dense, k, lambda: Adam(0.3)), TABLE, CLASSES, True, epochs=6,
        class_weight={0: 3.0, 2: 0.5}, callbacks=callbacks,
        validation_data=(TABLE[:11], CLASSES[:11], np.linspace(0, 1, 11, dtype="float32")),
    )  # fmt: skip


def test_bfloat16():
    def build(k):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            return make(dense, k)
        finally:
            keras.config.set_dtype_policy(before)

    compare(build, TABLE, CLASSES, False)


class OwnLoss(keras.Model):
    """A loss of the whole model: built from what it saw, with a term that the batch adds."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = L.Dense(4, "tanh"), L.Dense(3)

    def call(self, x):
        return self.head(self.inner(x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + 0.1 * keras.ops.max(keras.ops.abs(y_pred))


def test_own_compute_loss():
    def build(k):
        keras.utils.set_random_seed(k)
        model = OwnLoss()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(Adam(0.05), loss, metrics=["accuracy"])
        return model

    compare(build, TABLE, CLASSES, False, validation_data=(TABLE[:11], CLASSES[:11]))


def test_a_method_of_a_models_own():
    """Set on the object, not on the class."""

    def build(k):
        model = make(dense, k)
        inner = model.compute_loss

        def times_the_rows(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return inner(x, y, y_pred, sample_weight, training) * y_pred.shape[0]

        model.compute_loss = times_the_rows
        return model

    compare(build, TABLE, CLASSES, False)


def test_what_is_infinite_stays_so():
    """A loss of infinity in the last row of the last batch."""
    y = TARGET.copy()
    y[-1] = 1e30

    def build(k):
        return make(lambda: (TABLE, [L.Dense(1)]), k, loss="mse", metrics=("mae", "mse"))

    compare(build, TABLE, y, True, epochs=1, sample_weight=np.ones(ROWS, "float32"))


def test_nan_stays_in_its_batch():
    """A row of NaN fills no other batch up."""
    x = TABLE.copy()
    x[0, 0] = np.nan

    def build(k):
        return make(dense, k, lambda: SGD(0.0), metrics=())

    with pytest.warns(UserWarning, match="holds NaN"):
        compare(build, x, CLASSES, True)
    model, clean = build(0), np.arange(ROWS)[1:]
    fit_many([model], x, CLASSES, rows=[clean], batch_size=8, verbose=0)
    assert np.isfinite(model.history.history["loss"]).all()
