"""What `runtime` says about machines that are not here: fakes of TensorFlow, JAX and wheels."""

import importlib
import subprocess
import sys
import textwrap
from importlib import metadata
from types import SimpleNamespace as Fake

import pytest

RUNTIME = importlib.import_module("coursekit.distribution._runtime")
SOUND = {"tensorflow-tpu": "2.20.0", "libtpu": "0.0.21.1"}
COLAB_TPU = {"COLAB_TPU_1VM": "1", "TPU_ACCELERATOR_TYPE": "v5e-1"}


class FakeTensorFlow:
    """Keeps the order that a TPU needs, and counts."""

    def __init__(self, gpus=0, capability=(8, 0), cores=0, inside_scope=False):
        self.starts, self.errors = 0, Fake(OpError=OSError)
        fake = self

        class Resolver:
            def __init__(self, tpu):
                assert tpu == "local"
                self.connected = self.started = False

        class TPUStrategy:
            def __init__(self, resolver):
                assert resolver.started
                self.num_replicas_in_sync = cores

        class MirroredStrategy:
            def __init__(self, devices):
                self.num_replicas_in_sync = len(devices)

        def start(resolver):
            assert resolver.connected
            fake.starts += 1
            if not cores:
                raise OSError("TPUs not found in the cluster.")
            resolver.started = True

        self.one = Fake(num_replicas_in_sync=1)
        self.distribute = Fake(
            has_strategy=lambda: inside_scope,
            get_strategy=lambda: self.one,
            MirroredStrategy=MirroredStrategy,
            TPUStrategy=TPUStrategy,
            cluster_resolver=Fake(TPUClusterResolver=Resolver),
        )
        capabilities = capability if isinstance(capability, list) else [capability] * gpus
        self.config = Fake(
            list_physical_devices=lambda kind: list(range(gpus)) if kind == "GPU" else [],
            experimental_connect_to_cluster=lambda resolver: setattr(resolver, "connected", True),
            experimental=Fake(
                get_device_details=lambda gpu: {"compute_capability": capabilities[gpu]}
            ),
        )
        self.tpu = Fake(experimental=Fake(initialize_tpu_system=start))


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends: `machine(tensorflow=..., jax=..., wheels=..., env=...)`."""
    RUNTIME._find.cache_clear()
    RUNTIME.kept.cache_clear()

    def pretend(tensorflow=None, jax=None, wheels=None, env=None, backend=None):
        installed = wheels or {}

        def version(name):
            if name not in installed:
                raise metadata.PackageNotFoundError(name)
            return installed[name]

        found = {"tensorflow": tensorflow, "jax": jax}
        for name, module in found.items():
            if module is None or module == "aborts":
                monkeypatch.delitem(sys.modules, name, raising=False)
                monkeypatch.setitem(sys.modules, name, None)  # importing it raises
            else:
                monkeypatch.setitem(sys.modules, name, module)
        if tensorflow == "aborts":
            found_in_modules = {k: v for k, v in sys.modules.items() if k != "tensorflow"}
            monkeypatch.setattr(RUNTIME, "sys", Fake(modules=found_in_modules))
        monkeypatch.setattr(RUNTIME, "find_spec", lambda name: found[name])
        monkeypatch.setattr(
            RUNTIME,
            "metadata",
            Fake(version=version, PackageNotFoundError=metadata.PackageNotFoundError),
        )
        monkeypatch.setattr(RUNTIME.glob, "glob", lambda pattern: [])
        monkeypatch.setattr(RUNTIME, "_keras_backend", lambda: backend)
        for name in ("COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE", "TPU_NAME", "TPU_WORKER_ID"):
            monkeypatch.setenv(name, (env or {}).get(name, ""))

    yield pretend
    RUNTIME._find.cache_clear()
    RUNTIME.kept.cache_clear()


def jax_with(platform, count=1, capability=None, fails=False):
    def devices(kind=None):
        if fails and kind != "cpu":
            raise RuntimeError("Unable to initialize backend 'tpu'")
        name = "cpu" if kind == "cpu" else platform
        return [Fake(platform=name, compute_capability=capability)] * count

    return Fake(devices=devices)


def test_a_cpu_is_found_once(machine):
    tensorflow = FakeTensorFlow()
    machine(tensorflow)
    found = RUNTIME.runtime()
    assert (found.device, found.backend, found.replicas) == ("cpu", "tensorflow", 1)
    assert (found.policy, found.strategy) == ("float32", tensorflow.one)
    assert RUNTIME.runtime() is found
    assert str(found).startswith("CPU, tensorflow: ")


@pytest.mark.parametrize(
    "capability, policy",
    [
        ((6, 1), "float32"),
        ((7, 0), "mixed_float16"),
        ((7, 5), "mixed_float16"),
        ((8, 0), "mixed_bfloat16"),
        ((12, 0), "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_the_policy_follows_the_gpu(machine, capability, policy):
    tensorflow = FakeTensorFlow(gpus=1, capability=capability)
    machine(tensorflow)
    found = RUNTIME.runtime("gpu")
    assert (found.device, found.policy, found.replicas) == ("gpu", policy, 1)
    assert found.strategy is tensorflow.one, "no MirroredStrategy for one GPU"


def test_several_gpus_are_mirrored_and_the_oldest_decides(machine):
    machine(FakeTensorFlow(gpus=2, capability=[(9, 0), (7, 5)]))
    found = RUNTIME.runtime()
    assert found.replicas == 2 and found.policy == "mixed_float16"
    assert type(found.strategy).__name__ == "MirroredStrategy"


def test_a_tpu_is_started_once(machine):
    tensorflow = FakeTensorFlow(cores=8, gpus=1)
    machine(tensorflow, wheels=SOUND, env=COLAB_TPU)
    found = RUNTIME.runtime()
    assert (found.device, found.replicas, found.policy) == ("tpu", 8, "mixed_bfloat16")
    assert RUNTIME.runtime() is found and tensorflow.starts == 1
    assert "COLAB_TPU_1VM" in str(found)


def test_colab_without_a_tpu_sets_the_variable_empty(machine):
    machine(FakeTensorFlow(cores=8), wheels=SOUND, env={"COLAB_TPU_1VM": ""})
    assert RUNTIME.runtime().device == "cpu"


@pytest.mark.parametrize(
    "wheels, way_out",
    [
        ({}, "KERAS_BACKEND=jax"),
        ({"tensorflow-tpu": "2.20.0"}, "libtpu==0.0.21.1"),
        ({"tensorflow-tpu": "2.20.0", "libtpu": "0.0.10"}, "libtpu==0.0.21.1"),
    ],
)
def test_a_tpu_that_tensorflow_cannot_use(machine, wheels, way_out):
    tensorflow = FakeTensorFlow(cores=8)
    machine(tensorflow, wheels=wheels, env=COLAB_TPU)
    found = RUNTIME.runtime()
    assert found.device == "cpu" and way_out in str(found)
    with pytest.raises(RuntimeError, match="Received: device='tpu'"):
        RUNTIME.runtime("tpu")
    assert tensorflow.starts == 0


def test_a_tpu_that_does_not_start(machine):
    machine(FakeTensorFlow(cores=0), wheels=SOUND, env=COLAB_TPU)
    found = RUNTIME.runtime()
    assert found.device == "cpu" and "TPUs not found" in str(found)
    with pytest.raises(RuntimeError, match="TPUs not found"):
        RUNTIME.runtime("tpu")


@pytest.mark.parametrize("libtpu, sound", [("0.0.30", True), ("0.0.31", False), ("0.0.52", False)])
def test_a_libtpu_that_aborts_is_never_imported(machine, libtpu, sound):
    wheels = {"tensorflow-tpu": "2.20.0", "libtpu": libtpu}
    machine("aborts", wheels=wheels, env=COLAB_TPU)
    if sound:
        with pytest.raises(ImportError):
            RUNTIME.runtime()
        return
    found = RUNTIME.runtime()
    assert found.backend is None and "pip install libtpu==0.0.21.1" in str(found)
    with pytest.raises(RuntimeError, match=libtpu):
        RUNTIME.runtime("tpu")
    with pytest.raises(RuntimeError, match="aborts the process"):
        RUNTIME.virtual_devices(2)


def test_with_jax_beside_a_libtpu_that_aborts(machine):
    wheels = {"tensorflow-tpu": "2.20.0", "libtpu": "0.0.52"}
    machine("aborts", jax=jax_with("tpu"), wheels=wheels, env=COLAB_TPU)
    found = RUNTIME.runtime("tpu")
    assert (found.device, found.backend, found.strategy) == ("tpu", "jax", None)
    assert "KERAS_BACKEND=jax" in str(found) and "aborts" in str(found)


@pytest.mark.parametrize(
    "jax, device, policy",
    [
        (jax_with("tpu"), "tpu", "mixed_bfloat16"),
        (jax_with("gpu", capability="7.5"), "gpu", "mixed_float16"),
        (jax_with("cuda", capability="9.0"), "gpu", "mixed_bfloat16"),
        (jax_with("cpu"), "cpu", "float32"),
    ],
)
def test_jax_alone(machine, jax, device, policy):
    machine(jax=jax, env=COLAB_TPU if device == "tpu" else None, backend="jax")
    found = RUNTIME.runtime()
    assert (found.device, found.backend, found.policy) == (device, "jax", policy)
    with found.scope():
        pass


def test_jax_with_several_devices_says_how_to_use_them(machine):
    machine(jax=jax_with("tpu", count=4), env=COLAB_TPU, backend="jax")
    assert "DataParallel" in str(RUNTIME.runtime())


def test_a_tpu_that_jax_cannot_start(machine):
    machine(jax=jax_with("tpu", fails=True), env=COLAB_TPU, backend="jax")
    assert RUNTIME.runtime().device == "cpu"
    with pytest.raises(RuntimeError, match="Unable to initialize"):
        RUNTIME.runtime("tpu")


def test_jax_as_the_chosen_backend_wins_over_tensorflow(machine):
    machine(FakeTensorFlow(), jax=jax_with("cpu"), backend="jax")
    assert RUNTIME.runtime().backend == "jax"


def test_nothing_installed(machine):
    machine()
    assert "pip install" in str(RUNTIME.runtime())


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_a_request_that_cannot_be_met(machine, device):
    machine(FakeTensorFlow())
    with pytest.raises(RuntimeError, match=f"Received: device='{device}'"):
        RUNTIME.runtime(device)


def test_other_mistakes(machine):
    machine(FakeTensorFlow(inside_scope=True))
    with pytest.raises(ValueError, match="Received: device='cuda'"):
        RUNTIME.runtime("cuda")
    with pytest.raises(RuntimeError, match="outside of any"):
        RUNTIME.runtime()
    with pytest.raises(ValueError, match="Received: count=0"):
        RUNTIME.virtual_devices(0)


@pytest.mark.slow
def test_virtual_devices_in_a_process_of_their_own():
    code = """
        from coursekit.distribution import virtual_devices
        assert virtual_devices(2) == ["CPU:0", "CPU:1"] == virtual_devices(2)
        import tensorflow as tf
        assert len(tf.config.list_logical_devices("CPU")) == 2  # TensorFlow has started
        assert virtual_devices(1) == ["CPU:0"]
        assert tf.distribute.MirroredStrategy(virtual_devices(2)).num_replicas_in_sync == 2
        try:
            virtual_devices(4)
        except RuntimeError as error:
            assert "Restart the kernel" in str(error) and "count=4" in str(error)
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("flags, count", [("", 8), ("host_platform_device_count=8", 8)])
def test_virtual_devices_of_jax_in_a_process_of_their_own(flags, count):
    code = f"""
        import os
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ["XLA_FLAGS"] = {"--xla_force_" + flags if flags else ""!r}
        from coursekit.distribution import virtual_devices
        names = [f"cpu:{{k}}" for k in range({count})]
        assert virtual_devices({count}) == names == virtual_devices({count})
        import keras
        assert keras.distribution.list_devices() == names  # JAX has started
        assert virtual_devices(2) == names[:2]
        try:
            virtual_devices(9)
        except RuntimeError as error:
            assert "JAX has already started with 8" in str(error) and "count=9" in str(error)
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


def test_virtual_devices_of_nothing(machine):
    machine()
    with pytest.raises(RuntimeError, match="Keras needs TensorFlow or JAX"):
        RUNTIME.virtual_devices(2)
