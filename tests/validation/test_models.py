"""Models: fresh in each fold, seeded, sharing nothing."""

import random

import keras
import numpy as np
import pytest
from crossed import X, Y, builder, run
from sklearn import model_selection
from sklearn.decomposition import PCA


@pytest.mark.slow
def test_each_fold_starts_anew_and_a_seed_repeats_it():
    starts = []

    def build_model():
        model = builder()()
        starts.append(model.get_weights()[0])
        return model

    a = run(build_model, fit_kwargs={"epochs": 2}, seed=5)
    b = run(build_model, fit_kwargs={"epochs": 2}, seed=5)
    c = run(build_model, fit_kwargs={"epochs": 2}, seed=6)
    assert len(starts) == 9  # one model a fold
    np.testing.assert_array_equal(starts[:3], starts[3:6])
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert a.seeds == b.seeds and len({*a.seeds, *c.seeds}) == 6
    assert len({start.tobytes() for start in starts}) == 6
    assert np.abs(a.predictions - c.predictions).max() > 1e-6


def test_a_builder_may_take_the_fold(untrained):
    seen = []

    def build_model(fold):
        seen.append(fold)
        return builder()()

    run(build_model)
    run(lambda units=1, fold=0: seen.append(units) or builder(units)())
    run(lambda fold=None: seen.append(fold) or builder()())
    assert seen == [0, 1, 2, 1, 1, 1, 0, 1, 2]


def test_random_states_stay_as_they_were():
    random.seed(4)
    np.random.seed(4)
    python, legacy = random.random(), np.random.rand()
    random.seed(4)
    np.random.seed(4)
    run(cv=model_selection.KFold(3, shuffle=True), preprocess=PCA(2, svd_solver="randomized"),
        build=builder(width=2))  # fmt: skip
    assert (random.random(), np.random.rand()) == (python, legacy)


@pytest.mark.slow
def test_models_without_an_input_are_built_with_the_seed_of_the_fold(capsys):
    def build_model():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        return model

    a, b = run(build_model), run(build_model, verbose=1)
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert "3 by a shared program" in capsys.readouterr().out


def test_a_model_in_the_place_of_a_builder_is_refused():
    with pytest.raises(TypeError, match=r"must be a function.*Received: a model.*into a function"):
        run(builder()())


def test_the_same_model_twice_is_refused():
    model = builder()()
    with pytest.raises(ValueError, match=r"must return a new model in each call.*same one twice"):
        run(lambda: model)
    models = [builder()(), builder()()]
    with pytest.raises(ValueError, match=r"must return a new model"):
        run(lambda fold: models[fold % 2])


@pytest.mark.slow
def test_shared_weights_and_optimizers_are_refused():
    base = keras.layers.Dense(2)

    def build_model():
        model = keras.Sequential([keras.Input((3,)), base, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ValueError, match=r"share no trainable weights.*dense"):
        run(build_model)
    base.trainable = False
    run(build_model)
    optimizer = keras.optimizers.SGD()
    with pytest.raises(ValueError, match=r"new optimizer in each call"):
        run(builder(optimizer=lambda: optimizer))


def test_a_trained_model_is_refused():
    def build_model():
        model = builder()()
        model.fit(X, Y, verbose=0)
        return model

    with pytest.raises(ValueError, match=r"must return a fresh model. Received: one trained for 2"):
        run(build_model)
