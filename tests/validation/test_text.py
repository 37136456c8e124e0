"""Text reaches models that read it: arrays, lists, Series and dicts of these."""

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import run

WORDS = ["good film", "bad film", "so good", "so bad"]
TEXT = np.array(WORDS * 15)
LIKED = np.array([1, 0, 1, 0] * 15)


def vectorizer():
    return keras.layers.TextVectorization(
        output_mode="multi_hot", vocabulary=["good", "bad", "film", "so"]
    )


def reader():
    layers = [keras.Input((1,), dtype="string"), vectorizer()]
    model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(10.0), "binary_crossentropy")
    return model


def two_readers():
    a = keras.Input((1,), dtype="string", name="a")
    b = keras.Input((1,), dtype="string", name="b")
    kinds = keras.layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")
    both = keras.layers.concatenate([keras.layers.Flatten()(vectorizer()(a)), kinds(b)])
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, activation="sigmoid")(both))
    model.compile(keras.optimizers.SGD(10.0), "binary_crossentropy")
    return model


KIND = np.array(["x", "y", "y"] * 20)
READ = {
    "array of str": (reader, TEXT),
    "column of str": (reader, TEXT[:, None]),
    "objects": (reader, TEXT.astype(object)),
    "list": (reader, TEXT.tolist()),
    "Series": (reader, pd.Series(TEXT)),
    "string dtype": (reader, pd.Series(TEXT, dtype="string")),
    "dict of arrays": (two_readers, {"a": TEXT, "b": KIND}),
    "dict of Series": (two_readers, {"a": pd.Series(TEXT), "b": pd.Series(KIND)}),
    "dict of columns": (two_readers, {"a": TEXT[:, None], "b": KIND[:, None].astype(object)}),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`fit_many` trains a model by `fit`")
@pytest.mark.parametrize("name", READ)
def test_text_reaches_the_model(name):
    build, x = READ[name]
    result = run(build, x, LIKED, fit_kwargs={"epochs": 6})
    assert result.mean["accuracy"] == 1.0
