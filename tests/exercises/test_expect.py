"""Whatever an answer is, it comes back ready for use or gets a sentence of its own."""

import decimal
import fractions
import itertools
import warnings

import keras
import ml_dtypes
import numpy as np
import pytest

from coursekit.exercises import Wrong, expect
from coursekit.exercises._wrong import STANDARD, brief, shorten, with_article

pytestmark = pytest.mark.any_backend
BACKEND = keras.backend.backend()


def key(function, *args, **kwargs):
    """Return the key of the message that a call raises; its sentence can be written."""
    with pytest.raises(Wrong) as caught:
        function(*args, **kwargs)
    assert caught.value.key in STANDARD
    assert "{" not in caught.value.sentence()
    return caught.value.key


def sentence(function, *args, **kwargs):
    with pytest.raises(Wrong) as caught:
        function(*args, **kwargs)
    return caught.value.sentence()


def generator():
    yield 1.0


class Unfriendly:
    """Whatever is asked of it fails."""

    def __array__(self, dtype=None, copy=None):
        raise ArithmeticError

    def __repr__(self):
        raise ArithmeticError


WRONG_KINDS = [
    (None, "none"),
    (generator(), "generator"),
    (map(abs, [1]), "generator"),
    (iter([1]), "generator"),
    (zip([1], [2], strict=True), "generator"),
    ("3", "type"),
    (b"3", "type"),
    (bytearray(b"3"), "type"),
    ({}, "type"),
    ({1}, "type"),
    (object(), "type"),
    (Unfriendly(), "type"),
    (len, "type"),
    (float, "type"),
    (lambda: 1, "type"),
    (1 + 1j, "type"),
    ([1j], "type"),
    (["1.0"], "type"),
    ([1, None], "type"),
    ([[1], [1, 2]], "type"),
    (np.array("2020-01-01", "M8[D]"), "type"),
    (np.array(3, "m8[D]"), "type"),
    (np.array([(1, 2)], dtype=[("a", int), ("b", int)]), "type"),
    (keras.Input((2,)), "type"),
    (10**400, "inf"),
    (float("nan"), "nan"),
    (float("-inf"), "inf"),
    (np.array([np.inf], "float16"), "inf"),
    (np.array([np.nan], ml_dtypes.bfloat16), "nan"),
    (np.array([np.inf], ml_dtypes.bfloat16), "inf"),
]


@pytest.mark.parametrize("answer, expected", WRONG_KINDS, ids=lambda v: type(v).__name__)
def test_no_number_and_no_array(answer, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert key(expect.number, answer) == expected
        assert key(expect.array, answer) == expected


def test_one_value_among_many():
    assert key(expect.array, [1.0, np.nan]) == "nan"
    assert key(expect.array, [[1.0], [np.inf]]) == "inf"


@pytest.mark.parametrize("answer", [True, np.bool_(True), np.array(False)])
def test_a_truth_value_is_no_number(answer):
    assert key(expect.number, answer) == "type"


@pytest.mark.parametrize(
    "answer",
    [3, 3.0, np.float32(3), np.int64(3), np.array(3), np.array([3.0]), [3], (3.0,),
     fractions.Fraction(3), decimal.Decimal(3), ml_dtypes.bfloat16(3)],
)  # fmt: skip
def test_numbers(answer):
    got = expect.number(answer)
    assert got == 3.0
    assert type(got) is float


@pytest.mark.parametrize("answer", [[1, 2], np.zeros((2, 2)), [], range(3)])
def test_more_than_one_number(answer):
    assert key(expect.number, answer) == "shape"


def tensors(dtype="float32"):
    """Return an array of ones as what each installed framework makes of it."""
    made = [keras.ops.ones((2, 3), dtype), keras.Variable(np.ones((2, 3)), dtype=dtype)]
    jnp = pytest.importorskip("jax.numpy")
    made.append(jnp.ones((2, 3), dtype))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        made += [tf.ones((2, 3), dtype), tf.Variable(tf.ones((2, 3), dtype))]
    return made


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "bool"])
def test_tensors(dtype):
    for tensor in tensors(dtype):
        got = expect.array(tensor, (2, 3), dtype)
        assert isinstance(got, np.ndarray)
        assert got.sum() == 6
        assert got.dtype.name == ("float32" if dtype == "bfloat16" else dtype)
        assert key(expect.array, tensor, (3, 2)) == "shape"
        assert sentence(expect.array, tensor, (2, 3), "float64") == (
            f"The result has dtype {dtype}; expected float64."
        )
        assert key(expect.function, tensor) == "called"


def test_tensors_as_numbers():
    for tensor in tensors():
        assert expect.number(keras.ops.sum(tensor)) == 6.0


@pytest.mark.slow
def test_a_symbolic_tensor_in_a_graph():
    if BACKEND != "tensorflow":
        pytest.skip("of TensorFlow only: tf.function")
    import tensorflow as tf

    keys = []
    tf.function(lambda x: keys.append(key(expect.array, x)))(tf.ones(2))
    tf.function(lambda x: keys.append(key(expect.items, tf.reduce_sum(x), 3)))(tf.ones(2))
    assert keys == ["type", "type"]
    ragged = tf.ragged.constant([[1.0], [1.0, 2.0]])
    assert key(expect.array, ragged) == "type"
    assert key(expect.array, tf.data.Dataset.range(3)) in ("type", "generator")


def test_a_tracer_of_jax():
    jax = pytest.importorskip("jax")
    keys = []
    jax.jit(lambda x: keys.append(key(expect.array, x)))(np.ones(2))
    assert keys == ["type"]


def test_shapes_are_written_as_python_writes_them():
    text = sentence(expect.array, [1, 2, 3], (4,))
    assert text == "The result has shape (3,); expected shape (4,)."
    assert sentence(expect.number, [1, 2]).endswith("expected shape () (one number).")


def test_a_million_numbers():
    answer = list(range(1_000_000))
    assert expect.array(answer).shape == (1_000_000,)
    assert len(sentence(expect.number, answer)) < 200


@pytest.mark.parametrize("answer", [len, lambda: 1, float, keras.losses.MeanSquaredError()])
def test_functions(answer):
    assert expect.function(answer) is answer


@pytest.mark.parametrize(
    "answer, expected",
    [(None, "called"), (0.5, "called"), ([1], "called"), ((1,), "called"), (np.ones(2), "called"),
     ("mse", "type"), ({}, "type"), (generator(), "type")],
)  # fmt: skip
def test_no_function(answer, expected):
    assert key(expect.function, answer) == expected


@pytest.mark.parametrize("answer", ["b", "B", " b ", "(b)", "b.", "(B).\n"])
def test_choices(answer):
    assert expect.choice(answer, ["a", "b"]) == "b"


@pytest.mark.parametrize("answer", ["c", "", "ab", 1, None, ["b"], np.ones(3), Unfriendly(), len])
def test_no_choice(answer):
    assert key(expect.choice, answer, ["a", "b"]) == "option"


def test_the_sentence_of_a_choice():
    text = sentence(expect.choice, "z", {"a": 1, "b": 2, "c": 3})
    assert text.startswith("Your answer is 'z', which is not one of the options: answer with")
    assert text.endswith(' with "a", "b" or "c", in quotes.')
    assert sentence(expect.choice, 1, "ab", "`loss`").startswith("`loss` is 1, which is not one")
    assert 'answer with "a", in' in sentence(expect.choice, "z", ["a"])
    assert len(sentence(expect.choice, "z" * 10_000, ["a"])) < 250


@pytest.mark.parametrize("answer", [[1, 2], (1, 2), np.array([1, 2]), iter([1, 2]), {1: 0, 2: 0}])
def test_items(answer):
    assert list(expect.items(answer, 5)) == [1, 2]


def test_items_of_what_never_ends():
    assert expect.items(itertools.count(), 3) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "answer, expected",
    [(None, "none"), (3, "type"), ("text", "type"), (b"text", "type"), (len, "type"),
     (np.array(3.0), "type"), (keras.ops.ones(()), "type"), (float, "type")],
)  # fmt: skip
def test_no_items(answer, expected):
    assert key(expect.items, answer, 3) == expected


def test_close():
    expect.close(1.0005, 1.0)
    expect.close(np.float32(0.1), 0.1)
    expect.close(0.0, 0.0)
    expect.close(1e-7, 0.0)
    assert key(expect.close, 1.01, 1.0) == "value"
    assert key(expect.close, 1.01, 1.0, tolerance=0.001) == "value"
    assert key(expect.close, 1e-3, 0.0) == "value"
    assert key(expect.close, float("nan"), 0.0) == "value"
    expect.close(1.01, 1.0, tolerance=0.1)


def test_close_numbers_can_be_told_apart():
    assert sentence(expect.close, 2.0, 1.0) == "Your answer is 2; expected 1."
    text = sentence(expect.close, 1.0000001, 1.0, tolerance=1e-9)
    assert text == "Your answer is 1.0000001; expected 1.0."


# How values are written.


class Shouting(float):
    def __repr__(self):
        return "LOUD"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.1 + 0.2, "0.3"),
        (np.float32(0.1), "0.1"),
        (np.int64(3), "3"),
        (np.bool_(True), "True"),
        (np.array(0.5), "0.5"),
        ((3,), "(3,)"),
        ((), "()"),
        ([0.1 + 0.2, np.float32(0.5), np.int8(1)], "[0.3, 0.5, 1]"),
        (["a", None], "['a', None]"),
        (list(range(14)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (14 values)]"),
        (np.arange(3), "[0, 1, 2]"),
        (np.array([[1.0, 2.5]]), "[[1. , 2.5]]"),
        (np.ones(2, ml_dtypes.bfloat16), "[1, 1]"),
        (ml_dtypes.bfloat16(1.5), "1.5"),
        (keras.ops.ones((2,)), "[1., 1.]"),
        (keras.ops.ones(()), "1"),
        (float("nan"), "nan"),
        (10**5000, "an object of type int"),
        (Unfriendly(), "an object of type Unfriendly"),
        ("as it is", "as it is"),
        ({"a": 1}, "{'a': 1}"),
    ],
    ids=lambda v: str(type(v)),
)
def test_brief(value, text):
    assert brief(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, [10] * 10**6, np.zeros((50, 50)), {n: n for n in range(10**4)},
              {"a": "b" * 10**6}, np.arange(10**6), (["x" * 10**6],)]
)  # fmt: skip
def test_brief_is_brief(value):
    assert len(brief(value)) < 200
    assert "\n" not in brief(value)


def test_brief_has_no_addresses():
    assert "0x" not in brief(test_brief)
    assert "0x" not in brief(object())


def test_shorten():
    assert shorten("abc", 3) == "abc"
    assert shorten("a" * 50 + "z" * 50, 12) == "aaaaaaaa ... zzz"


@pytest.mark.parametrize(
    "value, name",
    [(None, "None"), (1, "an int"), (1.0, "a float"), ([], "a list"), (np.ones(1), "a numpy array"),
     (float, "a class"), (len, "a built-in function"), (key, "a function")],
)  # fmt: skip
def test_types_with_their_articles(value, name):
    assert with_article(value) == name


def test_a_message_may_name_a_value_key():
    assert Wrong("m", key="k", self=1).sentence({"m": "{key} and {self}"}) == "k and 1"
