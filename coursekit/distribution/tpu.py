"""The TPU's compiler without a TPU: will it take this training step? JAX backend.

```
JAX_PLATFORMS=cpu KERAS_BACKEND=jax python

from coursekit.distribution.tpu import compile_step

print(compile_step(model, (x, y)))  # or a TpuRefusal that says why
```

It needs `libtpu` (0.0.52 was tried, with jax 0.10.2), which holds the compiler and runs on any
CPU. Keep it in an environment without tensorflow-tpu, whose process a new libtpu aborts.

**Proven** by a program that compiles: every operation of the step exists on that chip, all shapes
are static, and the step fits into its memory as the compiler lays it out.

**Not proven:** that numbers are right (a float32 matrix product is made of bfloat16 ones there,
unless `jax_default_matmul_precision` is set), that it is fast, that the input keeps up, that a real
TPU starts. A batch of another shape is another program.
"""

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from coursekit._checks import require

# Without these libtpu asks Google's metadata server what machine this is, and waits for an answer.
OFF_THE_CLOUD = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_MIN_LOG_LEVEL": "3",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # there is no TPU to quarrel about
}


class TpuRefusal(ValueError):
    """The TPU cannot run it.

    Attributes:
        reason: "dynamic shape", "string", "memory", "value" (Python looks at a number that exists
            on the TPU only), "operation" (the chip has none such) or "compiler" (anything else).
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class TpuProgram:
    """A program that the TPU's compiler made. `print` it for the same in words.

    Attributes:
        topology: for which chips, such as "v5e:1x1".
        chips: how many they are.
        arguments: bytes of the variables and the batch, on each chip.
        outputs: bytes of the results that do not overwrite an argument.
        temporaries: bytes in between, such as activations that wait for the backward pass.
        code: bytes of the program.
        all_reduces: how often the chips add up numbers.
        operations: of numbers, on each chip, as the compiler counts them: a multiplication and an
            addition are two. What a loop repeats counts once.
        accessed: bytes read from and written to the memory of each chip, counted likewise.
    """

    topology: str
    chips: int
    arguments: int
    outputs: int
    temporaries: int
    code: int
    all_reduces: int
    operations: float
    accessed: float

    @property
    def memory(self) -> int:
        """Bytes on each chip."""
        return self.arguments + self.outputs + self.temporaries + self.code

    def __str__(self) -> str:
        mb = {name: getattr(self, name) / 1e6 for name in ("memory", "arguments", "temporaries")}
        text = (
            f"Compiles for {self.topology}: {mb['memory']:.1f} MB on each chip, of which variables "
            f"and batch {mb['arguments']:.1f}, temporaries {mb['temporaries']:.1f}"
        )
        return f"{text}; {self.all_reduces} all-reduces." if self.chips > 1 else f"{text}."


def compile_step(model: Any, batch: tuple, topology: str = "v5e:1x1") -> TpuProgram:
    """Compile the `train_step` that `fit` would run, for a TPU that is not there.

    ```
    model.train_step: forward, loss, gradients, optimizer, metrics
    ```

    Args:
        model: a compiled Keras model. Nothing is trained; it is built if it was not.
        batch: `(x, y)` or `(x, y, sample_weight)`: arrays, or anything with `shape` and `dtype`.
        topology: the chip and its grid, such as "v5e:1x1", "v6e:1x1" or "v5e:2x2". Several chips
            hold the same variables, and a part of the batch each.

    Returns:
        A `TpuProgram`.

    Raises:
        TpuRefusal: with its `reason`, and what to do.
        ValueError: if the model is not compiled, or for an unknown topology.
        RuntimeError: without libtpu, or on another backend than JAX.

    References:
        jax.experimental.topologies, ahead-of-time compilation for devices that are not attached.
    """
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`compile_step` needs a compiled model: optimizer and loss are parts of the step. "
            f"Received: {type(model).__name__}. Call `model.compile(...)`."
        )
    if not isinstance(batch, tuple):
        raise ValueError(
            f"`batch` must be a tuple `(x, y)` as in `fit`. Received: {type(batch).__name__}"
        )
    _devices(topology)  # says what is missing, before anything else
    batch = _specs(batch)
    model._symbolic_build(data_batch=batch)  # as `fit` does: metrics and optimizer have variables
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    state = tuple([variable.value for variable in group] for group in groups)
    return _compile(model.train_step, topology, state=[state], rows=[batch])


def compile_function(function: Callable, *arguments: Any, topology: str = "v5e:1x1") -> TpuProgram:
    """Compile a function of arrays, such as a loss, for a TPU that is not there.

    Args:
        function: of JAX arrays or `keras.ops`, without side effects.
        *arguments: arrays, or anything with `shape` and `dtype`, nested as you like.
        topology: as in `compile_step`; several chips get a part of the rows each.

    Returns:
        A `TpuProgram`.

    Raises:
        TpuRefusal: with its `reason`, and what to do.
        RuntimeError: without libtpu, or on another backend than JAX.
    """
    return _compile(function, topology, rows=_specs(arguments))


def _devices(topology) -> tuple:
    rule = "`topology` must name a chip and a grid, such as 'v5e:1x1' or 'v5e:2x2'."
    require(isinstance(topology, str), rule, topology=topology)
    return _chips(topology)


@functools.cache
def _chips(topology: str) -> tuple:
    """Return the chips of a topology: devices for which one can compile, and nothing else."""
    import keras

    if keras.backend.backend() != "jax":
        raise RuntimeError(
            "Programs reach the TPU's compiler through JAX. Received: backend="
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=jax before `import keras`."
        )
    if not (find_spec("libtpu") or os.environ.get("TPU_LIBRARY_PATH")):
        raise RuntimeError(
            "The TPU's compiler is a part of libtpu, which is not installed. `pip install libtpu`, "
            "in an environment without tensorflow-tpu."
        )
    for name, value in OFF_THE_CLOUD.items():
        os.environ.setdefault(name, value)
    import jax
    from jax.experimental import topologies

    try:
        if not topology:
            raise ValueError("no name")  # libtpu would take eight chips
        return tuple(topologies.get_topology_desc(topology_name=topology, platform="tpu").devices)
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        raise ValueError(
            "`topology` must name a chip and a grid, such as 'v5e:1x1' or 'v5e:2x2'. Received: "
            f"topology={topology!r} ({_line(error)})"
        ) from error


def _specs(tree):
    """Return the shapes and dtypes of arrays; refuse what a TPU cannot hold."""
    import jax

    return jax.tree.map(_spec, tree)


def _spec(leaf):
    import jax

    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        leaf = np.asarray(leaf)
    dtype = getattr(leaf.dtype, "name", str(leaf.dtype))
    if dtype.startswith(("str", "bytes", "object")):
        raise TpuRefusal(
            "string",
            f"Text cannot enter a TPU's step. Received: dtype={dtype}. Turn it into numbers "
            "before, with `dataset.map` or a vectorizer outside of the model.",
        )
    shape = leaf.shape
    if getattr(shape, "rank", 0) is None or not all(isinstance(n, int) for n in shape):
        raise TpuRefusal(
            "dynamic shape",
            f"A TPU's program has one shape, known before it is compiled. Received: shape={shape}. "
            "Use `batch(..., drop_remainder=True)`, and pad what varies.",
        )
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(dtype))  # 32 bits for 64, as in `fit`
    return jax.ShapeDtypeStruct(tuple(shape), dtype)


def _compile(function, topology, *, state=(), rows=()) -> TpuProgram:
    """Compile `function(*state, *rows)`: each chip holds the whole state, and a part of the rows.

    The memory of the state is given back to the program, as `fit` does.
    """
    import jax

    devices = _devices(topology)
    mesh = jax.sharding.Mesh(np.array(devices), ("batch",))

    def place(leaf, *partition):
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*partition))
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    def split(leaf):
        if not leaf.shape:
            return place(leaf)
        if leaf.shape[0] % len(devices):
            raise TpuRefusal(
                "dynamic shape",
                "The rows must divide by the chips, or their parts have several shapes. Received: "
                f"{leaf.shape[0]} rows for {len(devices)} chips.",
            )
        return place(leaf, "batch")

    arguments = [*jax.tree.map(place, list(state)), *jax.tree.map(split, list(rows))]
    donated = tuple(range(len(state)))
    try:
        traced = jax.jit(function, donate_argnums=donated).trace(*arguments)
        compiled = traced.lower(lowering_platforms=("tpu",)).compile()
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:  # a mistake in the function, on any device
            raise
        raise refusal from error
    sizes, counts = compiled.memory_analysis(), compiled.cost_analysis()
    return TpuProgram(
        topology=topology,
        chips=len(devices),
        arguments=sizes.argument_size_in_bytes,
        outputs=sizes.output_size_in_bytes - sizes.alias_size_in_bytes,
        temporaries=sizes.temp_size_in_bytes,
        code=sizes.generated_code_size_in_bytes,
        all_reduces=len(re.findall(r" all-reduce(-start)?\(", compiled.as_text())),
        operations=counts.get("flops", 0.0),
        accessed=counts.get("bytes accessed", 0.0),
    )


def _refusal(error: Exception) -> TpuRefusal | None:
    """Say in a sentence what tracing or compiling raised; None if it is no matter of the TPU."""
    import jax

    said, errors = str(error), jax.errors
    needs_value = errors.ConcretizationTypeError, errors.TracerArrayConversionError
    sized = "size argument" in said or "Shapes must be 1D" in said
    if isinstance(error, errors.NonConcreteBooleanIndexError) or sized:
        return TpuRefusal(
            "dynamic shape",
            "How many numbers there are depends on their values, and a TPU's program has one "
            "shape. Keep them all, and multiply by a mask: `keras.ops.where(mask, values, 0)`. "
            f"JAX says: {_line(error)}",
        )
    if isinstance(error, (*needs_value, errors.TracerIntegerConversionError)):
        return TpuRefusal(
            "value",
            "Python (an `if`, `float`, `int` or NumPy) looks at a number that exists only while "
            "the TPU runs. Use `keras.ops.where`, `keras.ops.cond` and other `keras.ops`. "
            f"JAX says: {_line(error)}",
        )
    missing = isinstance(error, NotImplementedError) and "for platform tpu" in said
    if missing or (isinstance(error, errors.JaxRuntimeError) and said.startswith("UNIMPLEMENTED")):
        return TpuRefusal("operation", f"{_lacks(said)} The compiler says: {_line(error)}")
    if isinstance(error, errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in said:
        return TpuRefusal(
            "memory",
            f"It does not fit into the chip's memory. The compiler says: {_line(error)} Take a "
            "smaller batch, accumulate gradients, or split the batch over more chips.",
        )
    if isinstance(error, errors.JaxRuntimeError):
        return TpuRefusal("compiler", f"The compiler says: {_line(error)}")
    return None


def _lacks(said: str) -> str:
    """Say what the TPU has not got: an operation, or one way to do it that was asked for by name.

    `jax.nn.dot_product_attention` asks for the algorithm F16_F16_F32 in float16. All other float16
    products are accepted, those of the same attention with dropout among them.
    """
    if "Dot algorithm" in said:
        return (
            "A matrix product asks by name for an algorithm that the TPU has not got; without that "
            "name the same product is accepted. Take bfloat16, or attention with dropout."
        )
    return "The TPU has no such operation."


def _line(error: Exception) -> str:
    """Return the first line of a message, without the code before it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^[A-Z_]+: ", "", lines[0])
