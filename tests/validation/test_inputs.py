"""Inputs and targets of every kind: taken as numbers or text, or refused with a way out."""

import keras
import numpy as np
import pandas as pd
import pytest
from crossed import BINARY, X, Y, builder, run
from scipy import sparse

from coursekit.validation._inputs import as_inputs, as_targets, not_finite, numbers

TABLE = pd.DataFrame(X, columns=["a", "b", "c"])
COUNTS = pd.DataFrame(np.round(X * 4).astype(int), columns=["a", "b", "c"])


def mixed():
    table = TABLE.copy()
    table["b"] = table["b"] > 0
    table["c"] = COUNTS["c"]
    return table


TAKEN = {
    "convert_dtypes": (TABLE.convert_dtypes(), X),
    "Int64": (COUNTS.convert_dtypes(), COUNTS.to_numpy()),
    "Float32": (TABLE.astype("Float32"), X),
    "boolean": ((TABLE > 0).astype("boolean"), X > 0),
    "bool": (TABLE > 0, X > 0),
    "mixed": (mixed(), np.column_stack([X[:, 0], X[:, 1] > 0, COUNTS["c"]])),
    "categories of numbers": (COUNTS.astype("category"), COUNTS.to_numpy()),
    "lists of lists": (X.tolist(), X),
    "tuples": (tuple(map(tuple, X.tolist())), X),
    "rows in a list": (list(X), X),
    "objects": (X.astype(object), X),
    "objects in a table": (TABLE.astype(object), X),
    "float64": (X.astype("float64"), X),
    "integers": (COUNTS.to_numpy(), COUNTS.to_numpy()),
    "an index that is no row number": (TABLE.set_index(np.arange(60)[::-1] * 3), X),
    "tensor": (keras.ops.convert_to_tensor(X), X),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name, untrained):
    given, plain = TAKEN[name]
    a = run(x=given)
    b = run(x=np.asarray(plain, "float32"))
    np.testing.assert_allclose(a.predictions, b.predictions, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(numbers(as_inputs(given)).astype("float32"), plain)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", "int8", "bool", object])
def test_targets_of_every_kind(dtype, untrained):
    build = builder(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    found = run(build, y=pd.Series(BINARY).astype(dtype))
    np.testing.assert_array_equal(found.scores["accuracy"], run(build, y=BINARY).scores["accuracy"])
    table = run(build, y=pd.DataFrame({"y": BINARY}).astype(dtype))
    np.testing.assert_array_equal(found.scores["accuracy"], table.scores["accuracy"])
    assert run(build, y=BINARY.tolist()).task == "binary"


def missing(dtype):
    table = TABLE.convert_dtypes() if dtype == "NA" else TABLE.astype(dtype)
    table.iloc[7, 1] = {"NA": pd.NA, "object": None}.get(dtype, np.nan)
    return table


REFUSED = {
    "pd.NA": (missing("NA"), ValueError, r"`x` must be finite.*row 7: nan in column 1, named 'b'"),
    "None": (missing("object"), ValueError, r"`x` must be finite.*row 7"),
    "NaN": (missing("float32"), ValueError, r"1 value that is not, .*row 7.*SimpleImputer"),
    "csr": (sparse.csr_matrix(X), TypeError, r"must be dense.*csr_matrix.*x\.toarray\(\)"),
    "csr array": (sparse.csr_array(X), TypeError, r"must be dense.*x\.toarray\(\)"),
    "ragged": ([[1.0, 2.0], [3.0]] * 30, TypeError, r"rows of equal length.*Pad them"),
    "several": ([X, X], TypeError, r'a dict of arrays where.*a list of 2 arrays.*\{"a": first'),
    "text": (np.array(["a", "b"] * 30), TypeError, r"must get numbers.*'a'.*TextVectorization"),
    "text in a table": (
        TABLE.assign(b="red"),
        TypeError,
        r"such as 'red'.*make_column",
    ),
    "dates": (pd.DataFrame({"d": pd.date_range("2020", periods=60)}), TypeError, "datetime64"),
    "complex": (X.astype("complex64"), TypeError, "complex64"),
    "generator": ((row for row in X), TypeError, r"generator.*cannot be split by rows"),
    "number": (3.0, TypeError, "Received: float"),
    "no rows": (X[:0], ValueError, "at least one"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_way_out(name, untrained):
    x, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as told:
        run(x=x)
    assert len(str(told.value)) < 500


TARGETS = {
    "pd.NA": (pd.Series(BINARY).astype("Int64").where(BINARY < 1), ValueError, r"`y` must be fini"),
    "names": (np.array(["cat", "dog"] * 30), TypeError, r"must hold numbers.*'cat'.*factorize"),
    "categories": (pd.Series(["cat", "dog"] * 30, dtype="category"), TypeError, "factorize"),
    "csr": (sparse.csr_matrix(np.eye(60)), TypeError, r"y\.toarray\(\)"),
    "ragged": ([[1], [1, 2]] * 30, TypeError, "differ in length"),
    "empty dict": ({}, ValueError, "an empty dict"),
    "no rows": (Y[:0], ValueError, "same rows"),
    "one number": (np.array(3.0), ValueError, r"shape \(\)"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_refused_with_a_way_out(name, untrained):
    y, error, words = TARGETS[name]
    with pytest.raises(error, match=words) as told:
        run(y=y)
    assert len(str(told.value)) < 500


def test_not_finite_names_the_place():
    assert not_finite({"a": X, "b": np.arange(3)}) is None
    found = not_finite({"a": X, "b": np.where(np.arange(60) == 5, np.inf, 0).astype("float32")})
    assert (found.count, found.row, found.value) == (1, 5, "inf of 'b' (as float32)")
    assert as_targets([1, 2, 3]).dtype.kind == "i"
