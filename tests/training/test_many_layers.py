"""`fit_many` leaves what `fit` leaves, for every kind of layer and optimizer."""

import contextlib
import io

import keras
import numpy as np
import pytest
from many_cases import (
    CLASSES,
    ROWS,
    assert_same,
    augmented,
    compare,
    convolution,
    dense,
    embedding,
    fit_reference,
    gru,
    lambdas,
    lstm,
    make,
    masked,
    masking,
    mixed_layers,
    nested,
    norms,
    own_layer,
    regularized,
    separable,
)

from coursekit.training import fit_many

LAYERS = [dense, mixed_layers, convolution, separable, lstm, gru, embedding, masked, norms]
LAYERS += [regularized, augmented, masking, lambdas, nested, own_layer]


def scheduled():
    return keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.1, 6, warmup_steps=2), weight_decay=0.1
    )


def excluding():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.3)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "excluding": excluding,
    "schedule": scheduled,
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "ftrl": lambda: keras.optimizers.Ftrl(0.1),
    "lion": lambda: keras.optimizers.Lion(0.01),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "clipnorm": lambda: keras.optimizers.SGD(0.1, clipnorm=0.05),
    "global_clipnorm": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.05),
    "clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.01),
    "ema": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "ema_overwrite": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "accumulation": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "loss_scale_factor": lambda: keras.optimizers.SGD(0.1, loss_scale_factor=8.0),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), dynamic_growth_steps=2
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("layers", LAYERS, ids=lambda f: f.__name__)
def test_layers(layers, capsys):
    only = (0, 1) if layers is mixed_layers else (1,)
    eager = layers is not mixed_layers
    told = compare(lambda k: make(layers, k), layers()[0], CLASSES, capsys, eager=eager, only=only)
    assert ("own" if layers is own_layer else "shared") in told


def compare_updates(layers, name):
    """Five steps of an optimizer, the last one on a partial batch; return the route."""
    x = layers()[0]
    ours = [make(layers, k, OPTIMIZERS[name], metrics=()) for k in range(2)]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        fit_many(ours, x, CLASSES, batch_size=8, verbose=2)
    theirs = make(layers, 1, OPTIMIZERS[name], metrics=())
    fit_reference(theirs, (x, CLASSES), np.arange(ROWS), 1, 1, 8)
    assert_same(ours[1], theirs)
    return told.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    own = {"nadam", "muon", "ema_overwrite", "accumulation", "loss_scale"}
    assert ("own" if name in own else "shared") in compare_updates(dense, name)


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "clipnorm", "global_clipnorm"])
def test_sparse_gradients(name):
    compare_updates(embedding, name)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [dense, own_layer])
def test_xla(layers, capsys):
    """Models that ask for XLA: `fit` compiles their step, and so do their own programs."""
    told = compare(
        lambda k: make(layers, k, jit_compile=True), layers()[0], CLASSES, capsys,
        eager=False, only=[1],
    )  # fmt: skip
    assert ("own" if layers is own_layer else "shared") in told
