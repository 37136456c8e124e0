"""Makes JAX on a CPU multiply float32 matrices as a TPU does: with factors rounded to bfloat16.

    PYTHONPATH=tests/tpu/as_on_a_tpu KERAS_BACKEND=jax python tools/run_on_jax.py

Python loads a file of this name when it starts, so that kernels of notebooks do too. What a
precision of "high" or "highest" asks for stays exact, as there. Forward and backward products and
convolutions of float32 are meant; sums, and other types, are as they were.
"""

import importlib.abc
import importlib.util
import sys


class Watch(importlib.abc.MetaPathFinder):
    """Waits for `jax.numpy`, to act when it has been loaded."""

    def find_spec(self, name, path, target=None):
        """Load it as always, then set the products."""
        if name != "jax.numpy":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def run_and_set(module):
            run(module)
            round_factors()

        spec.loader.exec_module = run_and_set
        return spec


def round_factors():
    """Give products and convolutions another lowering on the CPU."""
    from jax._src.lax.convolution import conv_general_dilated_p
    from jax._src.lax.lax import dot_general_p

    for primitive in (dot_general_p, conv_general_dilated_p):
        _set(primitive)


def _set(primitive):
    import jax
    from jax._src.interpreters import mlir

    exact = mlir._platform_specific_lowerings["cpu"].get(primitive) or mlir._lowerings[primitive]
    exact = getattr(exact, "rule", exact)

    def rounded(*factors, **settings):
        settings["precision"] = (jax.lax.Precision.HIGHEST,) * 2
        factors = [jax.lax.reduce_precision(f, exponent_bits=8, mantissa_bits=7) for f in factors]
        return primitive.bind(*factors, **settings)

    def lower(context, *factors, **settings):
        asked = "HIGH" in str(settings.get("precision"))
        if asked or any(aval.dtype != "float32" for aval in context.avals_in):
            return exact(context, *factors, **settings)
        return mlir.lower_fun(rounded, multiple_results=False)(context, *factors, **settings)

    mlir.register_lowering(primitive, lower, platform="cpu")


sys.meta_path.insert(0, Watch())
