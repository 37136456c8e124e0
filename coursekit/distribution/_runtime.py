"""What hardware there is, and how to train on it."""

import contextlib
import functools
import glob
import os
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from coursekit import _checks
from coursekit.distribution._strategies import kept

DEVICES = ("auto", "cpu", "gpu", "tpu")
ON_A_CPU = "float32: few CPUs compute faster in 16 bits; time yours before you change."
SOUND_LIBTPU = (0, 0, 14), (0, 0, 30)  # tried with tensorflow-tpu 2.20: later ones abort the import


@dataclass(frozen=True)
class Runtime:
    """What `runtime()` found. `print` it for the same in words.

    Attributes:
        device: "cpu", "gpu" or "tpu".
        backend: "tensorflow" or "jax": what Keras computes with; None without either.
        strategy: the `tf.distribute` strategy; None unless the backend is TensorFlow.
        replicas: how many parts each batch is split into.
        policy: the dtype policy that suits the device. It is advice: nothing is set.
        why: the reasons, one sentence each.
    """

    device: str
    backend: str | None
    strategy: Any
    replicas: int
    policy: str
    why: tuple[str, ...]

    def scope(self) -> contextlib.AbstractContextManager:
        """Return the context in which to build and compile a model."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def __str__(self) -> str:
        name = type(self.strategy).__name__.lstrip("_") if self.strategy else "no strategy"
        many = "1 replica" if self.replicas == 1 else f"{self.replicas} replicas"
        where = f"{self.device.upper()}, {self.backend or 'no backend'}"
        return "\n".join([f"{where}: {name}, {many}, policy {self.policy}.", *self.why])


def runtime(device: str = "auto") -> Runtime:
    """Find the hardware, and the strategy and the precision that suit it.

    ```
    with runtime().scope():
        model = build()
        model.compile(...)
    model.fit(...)
    ```

    The answer is found once in a process: calling it again returns the same object. TPUs are
    recognised by the environment before TensorFlow is imported, since a wrong libtpu aborts the
    whole process there. One device gets no strategy of several (a MirroredStrategy of one is slower
    and breaks gradient accumulation).

    Args:
        device: "auto", "cpu", "gpu" or "tpu". Only "auto" falls back to something else.

    Returns:
        A `Runtime`. Importing and calling this neither sets a policy nor a backend.

    Raises:
        ValueError: for another `device`.
        RuntimeError: if the device that is asked for cannot be used, with what to do about it; or
            if first called inside the scope of a strategy.

    Example:
        >>> here = runtime("cpu")
        >>> here.device, here.replicas, here.policy
        ('cpu', 1, 'float32')
        >>> runtime("cpu") is here
        True
    """
    return _find(_checks.one_of("device", device, DEVICES))


def virtual_devices(count: int) -> list[str]:
    """Split the CPU into so many devices, and return their names. TensorFlow and JAX.

    ```
    strategy = mirrored(virtual_devices(2))                                TensorFlow
    keras.distribution.DataParallel(devices=virtual_devices(8))            JAX
    ```

    They show that numbers are right. They share the same cores: nothing gets faster.

    Args:
        count: how many, at least 1.

    Returns:
        `["CPU:0", "CPU:1", ...]`; on JAX `["cpu:0", ...]`. Asking again, for as many or for fewer,
        is harmless.

    Raises:
        ValueError: if `count` is not a positive integer.
        RuntimeError: if the backend has started with fewer, as it sets up its devices once; or if
            there is neither TensorFlow nor JAX.
    """
    count = _checks.count("count", count)
    problem = _import_problem()
    backend = _backend(problem)
    if backend is None:
        raise RuntimeError(f"Keras needs TensorFlow or JAX, which split the CPU. {problem}")
    return _split_for_jax(count) if backend == "jax" else _split_for_tensorflow(count)


def _split_for_tensorflow(count) -> list[str]:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    now = len(tf.config.get_logical_device_configuration(cpu) or [None])
    if now < count:
        devices = [tf.config.LogicalDeviceConfiguration()] * count
        try:
            tf.config.set_logical_device_configuration(cpu, devices)
        except RuntimeError as error:
            raise _started("TensorFlow", now, count) from error
    return [f"CPU:{index}" for index in range(count)]


def _split_for_jax(count) -> list[str]:
    import jax

    # JAX does not take both the flag and its own setting.
    flag = re.search(r"xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", ""))
    asked = int(flag[1]) if flag else jax.config.values["jax_num_cpu_devices"]
    if asked < count and not flag:
        try:
            jax.config.update("jax_num_cpu_devices", count)
        except RuntimeError as error:
            raise _started("JAX", len(jax.devices("cpu")), count) from error
    elif asked < count:
        raise _started("JAX", asked, count)
    return [f"cpu:{index}" for index in range(count)]


def _started(name, now, count) -> RuntimeError:
    return RuntimeError(
        f"{name} has already started with {now} CPU device(s), and cannot split them "
        f"anymore. Received: count={count}. Restart the kernel, and call "
        f"`virtual_devices({count})` before anything else: the first tensor, model or "
        f"dataset starts {name}."
    )


@functools.cache
def _find(device: str) -> Runtime:
    evidence = _tpu_evidence() if device in ("auto", "tpu") else []
    if device == "tpu" and not evidence:
        raise RuntimeError(
            "No TPU is attached. Received: device='tpu'. On Colab choose Runtime, Change runtime "
            "type, TPU; anywhere, `runtime()` takes what there is."
        )
    aborts = _import_problem()
    backend = _backend(aborts)
    why = []
    if aborts and backend == "jax":
        why.append(aborts)
    if backend is None:
        why.append(f"Keras has no backend here. {aborts} `pip install jax`, or `tensorflow`.")
        if device in ("gpu", "tpu"):
            raise RuntimeError(f"{why[-1]} Received: device={device!r}.")
        return Runtime("cpu", None, None, 1, "float32", tuple(why))
    find = _find_jax if backend == "jax" else _find_tensorflow
    return find(device, evidence, why)


def _find_tensorflow(device, evidence, why) -> Runtime:
    import tensorflow as tf

    if tf.distribute.has_strategy():
        raise RuntimeError(
            "`runtime()` chooses a strategy, so call it first outside of any `strategy.scope()`."
        )
    if evidence:
        problem = _tpu_problem() or _start_tpu(tf)
        if not isinstance(problem, str):
            strategy = problem
            replicas = strategy.num_replicas_in_sync
            why.append(f"A TPU is attached ({', '.join(evidence)}): bfloat16 is its own format.")
            return Runtime("tpu", "tensorflow", strategy, replicas, "mixed_bfloat16", tuple(why))
        if device == "tpu":
            raise RuntimeError(f"{problem} Received: device='tpu'.")
        why.append(f"A TPU is attached ({', '.join(evidence)}) and not used. {problem}")
    gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
    if device == "gpu" and not gpus:
        raise RuntimeError(
            "TensorFlow sees no GPU. Received: device='gpu'. On Colab choose Runtime, Change "
            "runtime type; elsewhere `pip install 'tensorflow[and-cuda]'` and check `nvidia-smi`."
        )
    if not gpus:
        why.append(ON_A_CPU)
        if _version("tensorflow-tpu"):
            why.append("tensorflow-tpu on a CPU needs `model.compile(..., jit_compile=False)`.")
        return Runtime("cpu", "tensorflow", tf.distribute.get_strategy(), 1, "float32", tuple(why))
    details = tf.config.experimental.get_device_details
    policy, reason = _gpu_policy([details(gpu).get("compute_capability") for gpu in gpus])
    why.append(reason)
    if len(gpus) == 1:
        why.append("One GPU: no MirroredStrategy, it would only cost.")
        strategy = tf.distribute.get_strategy()
    else:
        why.append(f"{len(gpus)} GPUs: MirroredStrategy keeps a copy of the model on each.")
        strategy = kept(tuple(f"GPU:{index}" for index in range(len(gpus))))
    return Runtime("gpu", "tensorflow", strategy, strategy.num_replicas_in_sync, policy, tuple(why))


def _find_jax(device, evidence, why) -> Runtime:
    import jax

    if _keras_backend() != "jax":
        why.append("Set KERAS_BACKEND=jax before `import keras`.")
    try:
        devices = jax.devices("cpu" if device == "cpu" else None)
    except RuntimeError as error:
        why.append(f"JAX could not start the accelerator: {error}")
        devices = jax.devices("cpu")
    found = {"cuda": "gpu", "rocm": "gpu"}.get(devices[0].platform, devices[0].platform)
    if device not in ("auto", found):
        why.append(f"JAX sees {found.upper()} only.")
        raise RuntimeError(f"{' '.join(why)} Received: device={device!r}.")
    if evidence and found != "tpu":
        why.append(f"A TPU is attached ({', '.join(evidence)}), and JAX sees {found.upper()} only.")
    if found == "tpu":
        policy, reason = "mixed_bfloat16", "bfloat16 is the TPU's own format."
    elif found == "gpu":
        capabilities = [getattr(d, "compute_capability", None) for d in devices]
        policy, reason = _gpu_policy([_pair(c) for c in capabilities])
    else:
        policy, reason = "float32", ON_A_CPU
    why.append(reason)
    if len(devices) > 1:
        why.append(
            f"JAX sees {len(devices)} devices and uses one. For all: "
            "`keras.distribution.set_distribution(keras.distribution.DataParallel())` before the "
            "model is built."
        )
    return Runtime(found, "jax", None, 1, policy, tuple(why))


def _gpu_policy(capabilities) -> tuple[str, str]:
    if not all(capabilities):
        return "float32", "float32: the GPU's compute capability is unknown."
    lowest = min(tuple(c) for c in capabilities)
    name = f"compute capability {lowest[0]}.{lowest[1]}"
    if lowest >= (8, 0):
        return "mixed_bfloat16", f"{name}: bfloat16 runs on the tensor cores, without loss scaling."
    if lowest >= (7, 0):
        return "mixed_float16", f"{name}: the tensor cores take float16 and not bfloat16."
    return "float32", f"{name}: no tensor cores, float16 gains nothing."


def _pair(capability) -> tuple[int, int] | None:
    """Turn JAX's "8.0" into (8, 0)."""
    if capability is None:
        return None
    major, minor = str(capability).split(".")
    return int(major), int(minor)


def _tpu_evidence() -> list[str]:
    """Return the signs of a TPU. COLAB_TPU_1VM is set, and empty, on Colab's other runtimes."""
    names = ("COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE", "TPU_NAME", "TPU_WORKER_ID")
    return [
        *(name for name in names if os.environ.get(name)),
        *glob.glob("/dev/accel*"),
        *glob.glob("/dev/vfio/[0-9]*"),
    ]


def _version(package: str) -> tuple[int, ...] | None:
    """Return the first three numbers of an installed version, without importing the package."""
    try:
        parts = metadata.version(package).split(".")[:3]
    except metadata.PackageNotFoundError:
        return None
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


def _import_problem() -> str:
    """Return why TensorFlow must not be imported: with such a libtpu it aborts the process."""
    if find_spec("tensorflow") is None:
        return "TensorFlow is not installed."
    libtpu = _version("libtpu")
    if "tensorflow" in sys.modules or not _version("tensorflow-tpu") or not libtpu:
        return ""
    if libtpu <= SOUND_LIBTPU[1]:
        return ""
    return (
        f"tensorflow-tpu aborts the process with libtpu {metadata.version('libtpu')}: "
        "`pip install libtpu==0.0.21.1` and restart, or use JAX."
    )


def _tpu_problem() -> str:
    """Return why TensorFlow cannot use the TPU that is there."""
    jax = "set KERAS_BACKEND=jax before `import keras`" + (
        "" if find_spec("jax") else ", after `pip install jax[tpu]`"
    )
    if not _version("tensorflow-tpu"):
        return f"TensorFlow needs tensorflow-tpu for it: {jax} instead, and restart."
    libtpu = _version("libtpu")
    if not libtpu or libtpu < SOUND_LIBTPU[0]:
        return f"`pip install libtpu==0.0.21.1` and restart, or {jax}."
    return ""


def _start_tpu(tf):
    """Return a TPUStrategy, or why there is none. A second start would lose its variables."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    tf.config.experimental_connect_to_cluster(resolver)
    try:
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, ValueError) as error:
        return f"TensorFlow cannot start it: {_cause(error)}."
    return tf.distribute.TPUStrategy(resolver)


def _cause(error: Exception) -> str:
    """Return the line of TensorFlow's error that says something."""
    empty = ("Graph execution error", "Detected at node", "<stack traces", "[[")
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(empty)]
    return (told or [type(error).__name__])[0].rstrip(".")


def _backend(aborts: str) -> str | None:
    """Return the backend that Keras uses or should use."""
    chosen = _keras_backend()
    if chosen == "jax" and find_spec("jax"):
        return "jax"
    if not aborts:
        return "tensorflow"
    return "jax" if find_spec("jax") else None


def _keras_backend() -> str | None:
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    return os.environ.get("KERAS_BACKEND")
