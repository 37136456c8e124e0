"""Which refusals `coursekit.distribution.tpu` makes of which errors. Without the compiler.

The compiler itself: tests/tpu, which `make tpu-check` runs.
"""

import os
import subprocess
import sys
from importlib import import_module

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

TPU = import_module("coursekit.distribution.tpu")
pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    "leaf",
    [
        np.array(["a"]),
        np.array([b"a"]),
        np.array(["a"], object),
        "a",
        keras.KerasTensor((2,), "string"),
    ],
    ids=["str", "bytes", "object", "python", "keras"],
)
def test_text_is_refused(leaf):
    with pytest.raises(TPU.TpuRefusal, match="Turn it into numbers") as refused:
        TPU._specs({"x": np.ones(2), "text": leaf})
    assert refused.value.reason == "string"


def test_unknown_sizes_are_refused():
    symbolic = jax.ShapeDtypeStruct(jax.export.symbolic_shape("rows, 3"), jnp.float32)
    for leaf, said in [(keras.KerasTensor((None, 28)), "(None, 28)"), (symbolic, "(rows, 3)")]:
        with pytest.raises(TPU.TpuRefusal, match="drop_remainder") as refused:
            TPU._specs((leaf, np.ones(2)))
        assert refused.value.reason == "dynamic shape"
        assert f"shape={said}" in str(refused.value)


def test_tensorflow_shapes_are_read():
    tf = pytest.importorskip("tensorflow")
    spec = TPU._specs(tf.TensorSpec((4, 3), tf.int64))
    assert spec.shape == (4, 3) and spec.dtype == "int32"
    for shape in (None, (None, 3)):
        with pytest.raises(TPU.TpuRefusal):
            TPU._specs(tf.TensorSpec(shape, tf.float32))
    with pytest.raises(TPU.TpuRefusal, match="Text"):
        TPU._specs(tf.TensorSpec((4,), tf.string))


def test_64_bits_become_32_and_others_stay():
    given = {"a": np.ones(2), "b": [1, None], "c": np.ones(2, "bool"), "d": jnp.ones(2, "bfloat16")}
    found = TPU._specs(given)
    assert found["a"].dtype == "float32" and found["b"][0].dtype == "int32"
    assert found["b"][1] is None and found["c"].dtype == "bool" and found["d"].dtype == "bfloat16"


@pytest.mark.parametrize(
    "function, reason",
    [
        (lambda x: x[x > 0], "dynamic shape"),
        (lambda x: jnp.nonzero(x), "dynamic shape"),
        (lambda x: jnp.unique(x), "dynamic shape"),
        (lambda x: jnp.zeros(x[0].astype(int)), "dynamic shape"),
        (lambda x: x if x[0] > 0 else -x, "value"),
        (lambda x: x * float(x[0]), "value"),
        (lambda x: np.sort(x), "value"),
        (lambda x: x[: x[0].astype(int).__index__()], "value"),
    ],
)
def test_what_a_program_cannot_know(function, reason):
    with pytest.raises(Exception) as raised:
        jax.eval_shape(function, np.ones(3, "float32"))
    refusal = TPU._refusal(raised.value)
    assert refusal.reason == reason and "JAX says" in str(refusal)


HBM = "total memory required (17.91G) exceeds available HBM (15.75G)."


@pytest.mark.parametrize(
    "error, reason, said",
    [
        (jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: {HBM}\nMore."), "memory", f"says: {HBM}"),
        (jax.errors.JaxRuntimeError("UNIMPLEMENTED: no such dot"), "operation", "no such dot"),
        (jax.errors.JaxRuntimeError("INTERNAL: bug"), "compiler", "says: bug"),
        (NotImplementedError("rule for 'eig' not found for platform tpu"), "operation", "eig"),
    ],
)
def test_what_the_compiler_says(error, reason, said):
    refusal = TPU._refusal(error)
    assert refusal.reason == reason and said in str(refusal) and "More" not in str(refusal)


@pytest.mark.parametrize("error", [NotImplementedError("later"), ValueError("x"), TypeError("y")])
def test_other_mistakes_are_no_refusals(error):
    assert TPU._refusal(error) is None


def test_the_model_must_be_compiled_and_the_batch_a_tuple():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"Received: Sequential. Call `model.compile"):
        TPU.compile_step(model, (np.ones((1, 2)), np.ones((1, 1))))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Received: ndarray"):
        TPU.compile_step(model, np.ones((1, 2)))


@pytest.mark.parametrize(
    "backend, said", [("tensorflow", "KERAS_BACKEND=jax"), ("jax", "pip install libtpu")]
)
def test_what_is_missing_is_said(backend, said, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(TPU, "find_spec", lambda name: None)
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    TPU._chips.cache_clear()
    with pytest.raises(RuntimeError, match=said):
        TPU.compile_function(lambda x: x, np.ones(1))


def test_importing_it_loads_neither_jax_nor_keras():
    code = (
        "import sys, coursekit.distribution.tpu; print({'jax', 'keras', 'libtpu'} & {*sys.modules})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, timeout=100
    )
    assert ran.stdout.strip() == "set()", ran.stderr


def test_a_program_in_words():
    program = TPU.TpuProgram("v5e:2x2", 4, 3_000_000, 500_000, 1_000_000, 1_500_000, 2, 5e9, 7e6)
    assert str(program) == (
        "Compiles for v5e:2x2: 6.0 MB on each chip, of which variables and batch 3.0, "
        "temporaries 1.0; 2 all-reduces."
    )
