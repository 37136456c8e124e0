"""Products as a TPU makes them, on a CPU."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import jax, numpy as np
from jax import numpy as jnp

a = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
b = np.array(jax.lax.reduce_precision(a, 8, 7))
exact = [m.astype("float64") @ m.astype("float64") for m in (a, b)]
images = a.reshape(1, 64, 64, 1)
window = a[:3, :3].reshape(3, 3, 1, 1)


def off(made, right):
    return float(np.abs(np.asarray(made) - right).max()) < 1e-4


def convolve(image, window, **precision):
    dims = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        image, window, (1, 1), "SAME", dimension_numbers=dims, **precision
    )


rounded = [np.array(jax.lax.reduce_precision(v, 8, 7)) for v in (images, window)]
print(off(a @ jnp.asarray(a), exact[0]), off(jax.jit(jnp.matmul)(a, a), exact[1]),
      off(jnp.matmul(a, a, precision="highest"), exact[0]),
      off(jax.grad(lambda w: (w @ a).sum())(a), b.sum(1)),
      off(convolve(images, window), convolve(*rounded, precision="highest")))
"""


def test_factors_are_rounded_unless_precision_is_asked_for():
    folder = str(Path(__file__).parent / "as_on_a_tpu")
    variables = {**os.environ, "PYTHONPATH": folder, "JAX_PLATFORMS": "cpu"}
    run = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(run, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True", "True"]
