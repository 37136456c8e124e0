"""Layers of all folds have the same names, unless the models are handed out."""

import keras
import numpy as np
import pytest

from coursekit.validation import cross_validate

pytestmark = pytest.mark.any_backend

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1]


def build_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Names(keras.callbacks.Callback):
    """Keeps the names of each fold's model and layers."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_train_begin(self, logs=None):
        self.seen.append((self.model.name, *(layer.name for layer in self.model.layers)))


def names_of(**settings):
    seen: list[tuple[str, ...]] = []
    fit = {"callbacks": lambda fold: [Names(seen)]}
    cross_validate(build_model, X, Y, 4, fit_kwargs=fit, verbose=0, **settings)
    assert len(seen) == 4
    return seen


def test_the_folds_after_the_first_have_the_same_names():
    first = names_of()
    assert len(set(first)) == 2
    after = keras.layers.Dense(1).name  # new, and not given again
    assert after not in {name for names in (*first, *names_of()) for name in names}


@pytest.mark.parametrize("settings", [{"keep_models": True}, {"on_fold": lambda fold, one: None}])
def test_models_that_are_handed_out_have_names_of_their_own(settings):
    assert len(set(names_of(**settings))) == 4


def test_models_that_are_kept_fit_into_one():
    models = cross_validate(build_model, X, Y, 3, keep_models=True, verbose=0).models
    x = keras.Input((3,))
    mean = keras.Model(x, keras.layers.average([model(x) for model in models]))
    assert mean(X).shape == (24, 1)


def test_a_session_that_the_recipe_clears_is_no_error():
    def cleared():
        keras.utils.clear_session()
        return build_model()

    result = cross_validate(cleared, X, Y, 3, verbose=0)
    assert all(map(np.isfinite, result.mean.values()))
