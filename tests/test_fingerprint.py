"""Whatever decides a result is told apart, or refused by name."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import pathlib
import random
import re
import shutil
import subprocess
import sys
import threading
import types

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from coursekit._fingerprint import Untold, fingerprint, told

L = keras.layers


def cells(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def cell(text, name=None, **space):
    """Run a cell of a notebook; return what it called `made`, or everything."""
    space |= {"__name__": "__main__"}
    exec(compile(text, name or f"<cell {next(COUNT)}>", "exec"), space)
    return space["made"]


COUNT = itertools.count()
LONG = np.zeros(3000)
OTHER = np.where(np.arange(3000) == 1500, 9.0, 0.0)


@dataclasses.dataclass
class Settings:
    rate: float
    more: dict = dataclasses.field(default_factory=dict)


class Slots:
    __slots__ = ("_x", "value")

    def __init__(self, value):
        self.value = value


class Kind(enum.Enum):
    A = 1
    B = 2


Point = collections.namedtuple("Point", "x y")


VALUES = {  # values of one thing that differ
    "integer, word, truth, real": (1, "1", True, 1.0, None, "None", "True", 1j, b"1"),
    "numbers of NumPy": (np.float32(1), np.float64(1), np.int64(1), np.bool_(True)),
    "zero": (0.0, -0.0, 0, False, float("nan")),
    "list": ([1], (1,), ["1"], [True], {1}, frozenset([1]), [[1]], [1, 1], []),
    "words joined": (["a", "b"], ["ab"], ["a\0b"], ["a', 'b"]),
    "set": ({1, 2}, {1, 3}, {"1", "2"}, {(1, 2)}),
    "dict": ({1: 2}, {"1": 2}, {1: "2"}, {}, {1: 2, 3: 4}, {3: 4, 1: 2}),
    "kinds of dict": (
        {1: 2}, collections.OrderedDict({1: 2}), collections.Counter({1: 2}),
        collections.defaultdict(list, {1: 2}), collections.defaultdict(int, {1: 2}),
        types.MappingProxyType({1: 2}),
    ),
    "nested": ({"a": {"b": [1]}}, {"a": {"b": [2]}}, {"a": {"c": [1]}}),
    "wide dict": tuple({k: k for k in range(n)} for n in (300, 301)),
    "deque": (collections.deque([1]), collections.deque([1, 2])),
    "range": (range(3), range(4), range(0, 3, 2)),
    "slice": (slice(1), slice(2), slice(1, 2)),
    "date": (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 1)),
    "duration": (datetime.timedelta(1), datetime.timedelta(2)),
    "moment": (pd.Timestamp("2020"), pd.Timestamp("2021"), pd.Timestamp("2020", tz="UTC")),
    "decimal": (decimal.Decimal(1), decimal.Decimal(2), decimal.Decimal("1.0")),
    "fraction": (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
    "complex": (1j, 2j, np.complex64(1j)),
    "path": (pathlib.Path("a"), pathlib.Path("b")),
    "pattern": (re.compile("a"), re.compile("b"), re.compile("a", re.I)),
    "enum": (Kind.A, Kind.B),
    "tuple with names": (Point(1, 2), Point(1, 3), (1, 2)),
    "namespace": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    "dataclass": (Settings(1.0), Settings(2.0), Settings(1.0, {"a": 1})),
    "slots": (Slots(1), Slots(2)),
    "bytes": (b"a", bytearray(b"a"), bytearray(b"b")),
    "dtype": (np.dtype("f4"), np.dtype("f8")),
    "array": (np.zeros(3), np.zeros(3, "f4"), np.zeros((3, 1)), np.zeros((1, 3)), np.zeros(0)),
    "order of bytes": (np.ones(2, "<i4"), np.ones(2, ">i4")),
    "array with a nan": (np.array([np.nan, 1]), np.array([1, np.nan])),
    "transposed": (np.arange(4).reshape(2, 2), np.arange(4).reshape(2, 2).T),
    "dates": tuple(np.array([d], t) for d, t in (("2020", "M8[D]"), ("2021", "M8[D]"),
                                                 ("2020", "M8[s]"))),
    "structured": (np.array([(1, 2.0)], "i4,f4"), np.array([(1, 3.0)], "i4,f4"),
                   np.array([(1, 2.0)], [("a", "i4"), ("f1", "f4")])),
    "masked": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]),
               np.array([1, 2])),
    "words of NumPy": (np.array(["a", "b"]), np.array(["a", "c"]), np.array(["", ""])),
    "cells": (cells(1, 2), cells("1", "2"), cells(1.0, 2), cells(True, 2)),
    "cells of nothing": (cells(None, 1), cells("None", 1), cells(np.nan, 1), cells(pd.NA, 1)),
    "cells with zeros in words": (cells("a\0b", "c"), cells("a", "b\0c")),
    "long arrays in cells": (cells(LONG, LONG), cells(LONG, OTHER)),
    "close numbers in cells": (cells(np.array([0.1]), 1), cells(np.array([0.1 + 1e-12]), 1)),
    "sparse": tuple(scipy.sparse.csr_matrix(a) for a in ([[1, 0]], [[0, 1]], [[1, 0, 0]])),
    "sparse array": (scipy.sparse.coo_array([[1, 0]]), scipy.sparse.csr_array([[1, 0]])),
    "table": (
        pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}), pd.DataFrame({"a": [1.0, 2]}),
        pd.DataFrame({"a": ["1", "2"]}), pd.DataFrame({"a": [1, 2]}, index=[5, 6]),
        pd.DataFrame({"a": [1, 2]}, index=["0", "1"]), pd.DataFrame({"a": [1, 2]}, dtype="Int64"),
        pd.DataFrame({"a": cells(1, 2)}), pd.DataFrame({"a": cells("1", "2")}, dtype=object),
    ),
    "names of columns": (pd.DataFrame({1: [1]}), pd.DataFrame({"1": [1]}),
                         pd.DataFrame([[1]], columns=pd.Index([1], name="n"))),
    "categories": tuple(
        pd.DataFrame({"a": pd.Categorical(["a", "b"], order, ordered=ordered)})
        for order, ordered in ((["a", "b"], False), (["b", "a"], False), (["b", "a"], True))
    ),
    "time zone": tuple(
        pd.DataFrame({"t": pd.to_datetime(["2020"]).tz_localize(zone)})
        for zone in (None, "UTC", "Asia/Tokyo")
    ),
    "levels": tuple(
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 2), (1, k)]))
        for k in (3, "3")
    ),
    "column": (pd.Series([1], name="a"), pd.Series([1], name="b"), pd.Series([2], name="a")),
    "periods": (pd.Series(pd.period_range("2020", periods=2, freq="D")),
                pd.Series(pd.period_range("2021", periods=2, freq="D"))),
    "missing": (pd.Series([1, None], dtype="Int64"), pd.Series([1, 2], dtype="Int64")),
    "tensor": (keras.ops.ones(2), keras.ops.zeros(2), np.ones(2, "float32")),
    "half": (keras.ops.ones(2, "bfloat16"), keras.ops.ones(2, "float16")),
    "variable": (keras.Variable([1.0]), keras.Variable([2.0]),
                 keras.Variable([1.0], trainable=False)),
    "optimizer": (keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2), keras.optimizers.Adam(0.1),
                  keras.optimizers.SGD(0.1, momentum=0.1), keras.optimizers.SGD(0.1, clipnorm=1)),
    "schedule": tuple(keras.optimizers.schedules.CosineDecay(0.1, n) for n in (3, 4)),
    "scheduled": tuple(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, n)) for n in (3, 4)
    ),
    "initializer": (keras.initializers.RandomNormal(seed=1),
                    keras.initializers.RandomNormal(seed=2),
                    keras.initializers.RandomNormal(stddev=1.0, seed=1)),
    "regularizer": (keras.regularizers.L2(0.1), keras.regularizers.L2(0.2),
                    keras.regularizers.L1(0.1)),
    "constraint": (keras.constraints.MaxNorm(1), keras.constraints.MaxNorm(2)),
    "callback": (keras.callbacks.EarlyStopping(patience=1),
                 keras.callbacks.EarlyStopping(patience=2),
                 keras.callbacks.EarlyStopping("loss", patience=1)),
    "loss": (keras.losses.Huber(1.0), keras.losses.Huber(2.0), keras.losses.MeanSquaredError()),
    "metric": (keras.metrics.BinaryAccuracy(threshold=0.5),
               keras.metrics.BinaryAccuracy(threshold=0.6)),
    "policy": (keras.DTypePolicy("float32"), keras.DTypePolicy("mixed_bfloat16")),
    "seeds": (keras.random.SeedGenerator(1), keras.random.SeedGenerator(2)),
    "scorer": (make_scorer(mean_absolute_error), make_scorer(max),
               make_scorer(mean_absolute_error, greater_is_better=False),
               make_scorer(mean_absolute_error, multioutput="raw_values"),
               make_scorer(mean_absolute_error, response_method="predict_proba")),
    "scorer of a lambda": (make_scorer(lambda y, p: 1.0), make_scorer(lambda y, p: 2.0)),
    "transformer": (StandardScaler(), StandardScaler(with_mean=False)),
    "pipeline": (make_pipeline(StandardScaler()),
                 make_pipeline(StandardScaler(with_std=False)), StandardScaler()),
    "columns": (make_column_transformer((StandardScaler(), ["a"])),
                make_column_transformer((StandardScaler(), ["b"]))),
    "transformer of a lambda": (FunctionTransformer(lambda x: x),
                                FunctionTransformer(lambda x: -x)),
    "built-in": (len, max, [].append, [1].append, "a".join, "b".join, str.lower, str.upper),
    "ufunc": (np.sin, np.cos, np.add.reduce),
    "method of an array": (np.ones(2).mean, np.zeros(2).mean, np.ones(2).sum),
    "vectorized": (np.vectorize(lambda a: a), np.vectorize(lambda a: -a)),
    "cached": (functools.lru_cache(lambda a: a), functools.lru_cache(lambda a: -a)),
    "of a library": (np.mean, np.median, StandardScaler, FunctionTransformer, keras.ops.mean),
}  # fmt: skip


@pytest.mark.any_backend
@pytest.mark.parametrize("kind", VALUES)
def test_values_are_told_apart(kind):
    values = VALUES[kind]
    found = [fingerprint(value) for value in values]
    assert len(set(found)) == len(values)
    holding = [fingerprint(lambda value=value: value) for value in values]
    assert len(set(holding)) == len(values)
    assert found == [fingerprint(value) for value in values]


SAME = {  # two equal things, made twice
    "list": lambda: [1, {"a": (2, 3)}],
    "set of words": lambda: {"a", "b", "c", "d"},
    "cells": lambda: cells(1, "a", None, LONG.copy()),
    "table": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical([1, 2])}),
    "array": lambda: np.asfortranarray(np.arange(6).reshape(2, 3)),
    "dataclass": lambda: Settings(1.0, {"a": [1]}),
    "lambda": lambda: lambda x: x + 1,
    "closure": lambda: (lambda k: lambda x: x + k)(3),
    "scorer": lambda: make_scorer(lambda y, p: 1.0, needs="x"),
    "loss": lambda: keras.losses.Huber(2.0),
    "callback": lambda: keras.callbacks.EarlyStopping(patience=2),
    "layer": lambda: L.Dense(3, activation=lambda z: z * 2, kernel_regularizer="l2"),
    "optimizer": lambda: keras.optimizers.Adam(0.1, clipnorm=1.0),
    "schedule": lambda: keras.optimizers.schedules.CosineDecay(0.1, 3),
    "class": lambda: cell("class made:\n a = 1\n def f(self): return super().__repr__()"),
    "object": lambda: cell("class A:\n def __init__(self): self.me = self\nmade = A()"),
    "each other": lambda: cell("def f(n): return g(n)\ndef g(n): return f(n)\nmade = f"),
    "dataclass of a cell": lambda: cell(
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = 1\nmade = A()"
    ),
    "layer of a cell": lambda: cell(
        "import keras\nclass A(keras.layers.Layer):\n  def call(self, x): return x + 1\nmade = A()"
    ),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("kind", SAME)
def test_equal_recipes_are_equal(kind):
    assert fingerprint(SAME[kind]()) == fingerprint(SAME[kind]())


def test_a_cell_that_runs_again_further_down_is_equal():
    text = "class A:\n  def f(self): return [k for k in (1, 2)]\nmade = lambda: A().f()"
    assert fingerprint(cell(text)) == fingerprint(cell("\n\n\n" + text, name="elsewhere"))


EDITS = {  # a cell, with a hole, and what is put there
    "function": ("def made(x): return x * @", "1", "2"),
    "operator": ("def made(x): return x @ 1", "+", "-"),
    "attribute": ("def made(x): return x.@()", "min", "max"),
    "nested function": ("def made(x):\n def g(): return @\n return g", "1", "2"),
    "lambda in a list": ("made = lambda: [lambda: @]", "1", "2"),
    "comprehension": ("made = lambda: [k * @ for k in (1, 2)]", "1", "2"),
    "default": ("def made(x, k=@): return x", "1", "2"),
    "keyword": ("def made(x, *, k=@): return x", "1", "2"),
    "default object": ("class A:\n def __init__(s, v): s.v = v\n"
                       "def made(x, k=A(@)): return x", "1", "2"),
    "default dict": ("def made(x, k={'a': [@]}): return x", "1", "2"),
    "closure": ("def f(k):\n return lambda: k\nmade = f(@)", "[1]", "[2]"),
    "closure of an object": ("class A: pass\nA.b = A()\nA.b.c = @\n"
                             "def f(k):\n return lambda: k\nmade = f(A.b)", "1", "2"),
    "global number": ("K = @\ndef made(): return K", "1", "2"),
    "global dict": ("K = {'a': @}\ndef made(): return K['a']", "1", "2"),
    "global list": ("K = [@]\ndef made(): return K[0]", "1", "2"),
    "global set": ("K = {@}\ndef made(): return 1 in K", "1", "2"),
    "global object": ("class A: pass\nK = A()\nK.a = @\ndef made(): return K.a", "1", "2"),
    "global namespace": ("import argparse\nK = argparse.Namespace(a=@)\n"
                         "def made(): return K.a", "1", "2"),
    "global in a global": ("K = @\ndef f(): return K\ndef g(): return f()\n"
                           "def made(): return g()", "1", "2"),
    "global in a class body": ("K = @\ndef made():\n class A:\n  a = K\n return A", "1", "2"),
    "global table": ("import pandas\nK = pandas.DataFrame({'a': [@]})\n"
                     "def made(): return K", "1", "2"),
    "method": ("class A:\n def f(s): return @\nmade = A().f", "1", "2"),
    "object of a method": ("class A:\n def f(s): return s.a\nmade = A()\nmade.a = @\n"
                           "made = made.f", "1", "2"),
    "callable object": ("class A:\n def __call__(s): return @\nmade = A()", "1", "2"),
    "attribute of an object": ("class A: pass\nmade = A()\nmade.a = @", "1", "2"),
    "static method": ("class made:\n @staticmethod\n def f(): return @", "1", "2"),
    "class method": ("class made:\n @classmethod\n def f(c): return @", "1", "2"),
    "property": ("class made:\n @property\n def f(s): return @", "1", "2"),
    "cached property": ("import functools\nclass made:\n @functools.cached_property\n"
                        " def f(s): return @", "1", "2"),
    "attribute of a class": ("class A:\n a = [@]\nmade = A()", "1", "2"),
    "base class": ("class B:\n def f(s): return @\nclass A(B): pass\nmade = A()", "1", "2"),
    "metaclass": ("class M(type):\n def f(s): return @\nclass made(metaclass=M): pass", "1", "2"),
    "inner class": ("class made:\n class B:\n  a = @", "1", "2"),
    "private attribute": ("class A:\n def __init__(s): s.__a = @\nmade = A()", "1", "2"),
    "slot": ("class A:\n __slots__ = ('__a',)\n def __init__(s): s.__a = @\nmade = A()", "1", "2"),
    "list of one's own": ("class A(list): pass\nmade = A([1])\nmade.a = @", "1", "2"),
    "dict of one's own": ("class A(dict):\n def __getattr__(s, n): return s[n]\n"
                          "made = A(a=@)", "1", "2"),
    "number of one's own": ("class A(float): pass\nmade = A(@)", "1", "2"),
    "array of one's own": ("import numpy\nclass A(numpy.ndarray): pass\n"
                           "made = numpy.ones(@).view(A)", "1", "2"),
    "partial": ("import functools\ndef f(a): return a\nmade = functools.partial(f, @)", "1", "2"),
    "partial of a method": ("import functools\nclass A:\n def f(s, a): return s.k\nk = A()\n"
                            "k.k = @\nmade = functools.partial(k.f, 1)", "1", "2"),
    "decorated": ("import functools\ndef d(f):\n @functools.wraps(f)\n"
                  " def g(*a): return f(*a) * 2\n return g\n@d\ndef made(): return @", "1", "2"),
    "cached": ("import functools\n@functools.cache\ndef made(): return @", "1", "2"),
    "attribute of a function": ("def made(): return made.a\nmade.a = @", "1", "2"),
    "generator function": ("def made():\n yield @", "1", "2"),
    "exception handled": ("def made():\n try: return f()\n except @: return 1",
                          "KeyError", "ValueError"),
    "dataclass": ("import dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = @\nmade = A()",
                  "1", "2"),
    "scorer": ("from sklearn.metrics import make_scorer\ndef cost(y, p): return @\n"
               "made = make_scorer(cost)", "1", "2"),
    "scorer that reads a global": ("from sklearn.metrics import make_scorer\nK = {'a': @}\n"
                                   "made = make_scorer(lambda y, p: K['a'])", "1", "2"),
    "transformer": ("from sklearn.base import *\nclass A(TransformerMixin, BaseEstimator):\n"
                    " def fit(s, x, y=None): return s\n def transform(s, x): return x * @\n"
                    "made = A()", "1", "2"),
    "layer": ("import keras\nclass A(keras.layers.Layer):\n def call(s, x): return x * @\n"
              "made = A()", "1", "2"),
    "layer in a builder": ("import keras\nclass A(keras.layers.Layer):\n"
                           " def call(s, x): return x * @\n"
                           "made = lambda: keras.Sequential([A()])", "1", "2"),
    "attribute of a layer": ("import keras\nclass A(keras.layers.Layer):\n"
                             " def __init__(s, k): super().__init__(); s.k = k\nmade = A(@)",
                             "1", "2"),
    "model": ("import keras\nclass A(keras.Model):\n def train_step(s, data): return @\nmade = A()",
              "1", "2"),
    "callback": ("import keras\nclass A(keras.callbacks.Callback):\n"
                 " def on_epoch_end(s, e, logs=None): return @\nmade = lambda: [A()]", "1", "2"),
    "attribute of a callback": ("import keras\nclass A(keras.callbacks.Callback):\n"
                                " def __init__(s, k): super().__init__(); s.k = k\nmade = A(@)",
                                "1", "2"),
    "loss": ("import keras\nclass A(keras.losses.Loss):\n def call(s, y, p): return y * @\n"
             "made = A()", "1", "2"),
    "regularizer": ("import keras\nclass A(keras.Regularizer):\n def __call__(s, w): return w * @\n"
                    "made = keras.layers.Dense(1, kernel_regularizer=A())", "1", "2"),
    "hypermodel": ("import keras_tuner\nclass A(keras_tuner.HyperModel):\n"
                   " def __init__(s, k): super().__init__(); s.k = k\n"
                   " def build(s, hp): return s.k\nmade = A(@)", "1", "2"),
    "build of a hypermodel": ("import keras_tuner\nclass A(keras_tuner.HyperModel):\n"
                              " def build(s, hp): return @\nmade = A()", "1", "2"),
    "compiled function": ("import tensorflow as tf\n@tf.function\ndef made(x): return x * @",
                          "1", "2"),
    "import inside": ("def made():\n from math import @ as f\n return f(1.0)", "sin", "cos"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EDITS)
def test_an_edited_cell_is_told_apart(kind):
    text, first, second = EDITS[kind]
    one, same, other = (fingerprint(cell(hole(text, v))) for v in (first, first, second))
    assert one == same
    assert one != other


def hole(text, value):
    """Fill the last hole: the first are decorators."""
    head, _, tail = text.rpartition("@")
    return head + value + tail


def test_functions_of_ones_own_modules_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for k in (1, 2):
        (tmp_path / "myhelpers.py").write_text(f"import math\nK = {k}\ndef f(x):\n  return x * K\n")
        sys.modules.pop("myhelpers", None)
        sys.path_importer_cache.clear()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        found.append([
            fingerprint(cell(text)) for text in (
                "import myhelpers\nmade = lambda x: myhelpers.f(x)",
                "import myhelpers\nmade = lambda x: myhelpers.K",
                "from myhelpers import f\nmade = lambda x: f(x)",
                "def made(x):\n  from myhelpers import f\n  return f(x)",
                "def f():\n  import myhelpers as m\n  return lambda x: m.f(x)\nmade = f()",
            )
        ])  # fmt: skip
    assert all(a != b for a, b in zip(*found, strict=True))
    with pytest.raises(Untold, match=r"`f` reads `myhelpers`, a module"):
        fingerprint(cell("import myhelpers\nmade = lambda x: vars(myhelpers)"), "f")


def lock():
    return threading.Lock()


HIDDEN = {
    "lock": (lock, "a lock"),
    "recursive lock": (threading.RLock, "a lock"),
    "generator": (lambda: (k for k in [1]), "a generator"),
    "iterator": (lambda: iter([1]), "a list_iterator, used up"),
    "file": (lambda: io.StringIO("a"), "a file"),
    "module": (lambda: types, "a module"),
    "random generator": (lambda: np.random.default_rng(0), "a random generator"),
    "random state": (lambda: np.random.RandomState(0), "a random generator"),
    "random": (lambda: random.Random(0), "a random generator"),
    "memory": (lambda: memoryview(b"1"), "a memoryview"),
}
ROUTES = {
    "itself": (lambda v: v, r"`p` is {}"),
    "list": (lambda v: [1, v], r"`p` holds `p[1]`, {}"),
    "dict": (lambda v: {"a": {"b": v}}, r"`p` holds `p['a']['b']`, {}"),
    "attribute": (lambda v: types.SimpleNamespace(a=v), r"`p` holds `p.a`, {}"),
    "default": (lambda v: lambda x=v: x, r"`p` holds `p(x)`, {}"),
    "closure": (lambda v: lambda: v, r"`p` reads `v`, {}"),
    "global": (
        lambda v: cell("made = lambda: config['model']", config={"model": v}),
        r"`p` reads `config['model']`, {}",
    ),
}


@pytest.mark.parametrize("way", ROUTES)
@pytest.mark.parametrize("kind", HIDDEN)
def test_what_cannot_be_told_apart_is_refused_by_name(kind, way):
    make, words = HIDDEN[kind]
    wrap, pattern = ROUTES[way]
    if kind == "module" and way == "closure":
        pytest.skip("functions may read the modules of a library")
    with pytest.raises(Untold, match=re.escape(pattern.format(words))):
        fingerprint(wrap(make()), "p")
    assert told(wrap(make()), "p", version=1) == told(wrap(make()), "p", version=1)
    mixed = [told([wrap(make()), k], "p", version=1) for k in (1, 2)]
    assert mixed[0] != mixed[1]


def test_each_thing_that_is_read_has_a_name():
    made = cell("K = {'a': 1, 'b': [1]}\ndef f(x): return K['a']\nmade = lambda x: f(x)")
    before = told(made, "f")
    assert {"K['a']", "K['b']"} < set(before)
    made.__globals__["K"]["b"].append(2)
    after = told(made, "f")
    assert [name for name in before if before[name] != after[name]] == ["K['b']"]


MODELS = {
    "weights": lambda k: network(weights=k),
    "rate": lambda k: network(optimizer=keras.optimizers.SGD(0.1 + k)),
    "loss": lambda k: network(loss=["mse", "mae"][k]),
    "loss of one's own": lambda k: network(loss=lambda y, p: (y - p) ** 2 * (1 + k)),
    "metrics": lambda k: network(metrics=[["mae"], ["mse"]][k]),
    "units": lambda k: network(L.Dense(3 + k)),
    "activation": lambda k: network(L.Dense(3, activation=lambda z: z * k)),
    "lambda": lambda k: network(L.Lambda(lambda z: z * (k + 1))),
    "regularizer": lambda k: network(L.Dense(3, kernel_regularizer=keras.regularizers.L2(k))),
    "constraint": lambda k: network(L.Dense(3, kernel_constraint=[None, "non_neg"][k])),
    "frozen": lambda k: network(L.Dense(3, trainable=bool(k))),
    "rate of dropout": lambda k: network(L.Dropout(0.1 + k / 10, seed=0)),
    "seed of dropout": lambda k: network(L.Dropout(0.1, seed=k)),
    "policy": lambda k: network(L.Dense(3, dtype=["float32", "mixed_bfloat16"][k])),
    "nested": lambda k: network(keras.Sequential([L.Dense(3 + k), L.ReLU()])),
    "regularizer of a variable": lambda k: changed(network(L.Dense(3)), "regularizer", k),
    "constraint of a variable": lambda k: changed(network(L.Dense(3)), "constraint", k),
    "adapted": lambda k: network(adapted(k)),
    "wiring": lambda k: functional(k),
    "axis of an operation": lambda k: functional(axis=k),
}  # fmt: skip


def network(*layers, weights=0.5, optimizer=None, loss="mse", metrics=None):
    model = keras.Sequential([keras.Input((4,)), *layers, L.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=metrics)
    model.set_weights([np.full_like(w, weights) for w in model.get_weights()])
    return model


def changed(model, what, k):
    new = {"regularizer": keras.regularizers.L2(k + 1), "constraint": keras.constraints.MaxNorm(k)}
    setattr(model.layers[0].kernel, what, new[what])
    return model


def adapted(k):
    layer = L.Normalization()
    layer.adapt(np.arange(12.0).reshape(3, 4) * (k + 1))
    return layer


def functional(k=0, axis=0):
    x = keras.Input((4,))
    a, b = (L.Dense(4, act, kernel_initializer="ones")(x) for act in ("relu", "tanh"))
    h = a - b if k else b - a
    model = keras.Model(
        x, L.Dense(1, kernel_initializer="ones")(h + keras.ops.cumsum(x, axis=axis))
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.any_backend
@pytest.mark.parametrize("kind", MODELS)
def test_models_are_told_apart(kind):
    one, same, other = (fingerprint(MODELS[kind](k)) for k in (0, 0, 1))
    assert one == same
    assert one != other


SCRIPT = """
import numpy as np, pandas as pd
from sklearn.metrics import make_scorer
from coursekit._fingerprint import fingerprint
class A:
    words = {"a", "b", "c", "d", "e"}
    def f(self): return {"x", "y", "z"}
def g(x): return x in {"p", "q", "r", "s"} or A().f()
print(fingerprint([g, A(), make_scorer(g), pd.DataFrame({"a": ["x", 1]}), {"k": {"l", "m"}}]))
"""


@pytest.mark.slow
def test_another_process_finds_the_same():
    found = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={"PYTHONHASHSEED": str(k), "PYTHONPATH": path()},
            capture_output=True, text=True, check=True,
        ).stdout
        for k in (1, 2)
    }  # fmt: skip
    assert len(found) == 1


def path():
    return str(pathlib.Path(__file__).parent.parent)
