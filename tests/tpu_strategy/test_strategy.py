"""`runtime()` with the real tensorflow-tpu: the way to a TPUStrategy, as far as there is one."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from coursekit.distribution import _runtime, runtime


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    """A TPU by the signs that Colab gives, and nothing remembered."""
    monkeypatch.setenv("COLAB_TPU_1VM", "1")
    _runtime._find.cache_clear()
    yield
    _runtime._find.cache_clear()


def test_it_imports_and_finds_the_cpu_without_signs_of_a_tpu(monkeypatch):
    monkeypatch.delenv("COLAB_TPU_1VM")
    here = runtime()
    assert (here.device, here.backend, here.replicas) == ("cpu", "tensorflow", 1)
    assert "jit_compile=False" in str(here)


def test_the_resolver_finds_local():
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    assert resolver.num_accelerators() == {"TPU": 0}


def test_auto_falls_back_and_says_what_TensorFlow_said():
    here = runtime()
    assert (here.device, here.replicas) == ("cpu", 1)
    said = str(here)
    assert "COLAB_TPU_1VM" in said and "not used" in said and "platform" in said, said
    assert "Graph execution error" not in said and "stack traces" not in said, said


def test_a_TPU_that_is_asked_for_and_has_no_cores_is_refused_with_the_cause():
    with pytest.raises(RuntimeError, match=r"cannot start it: .*platform.*device='tpu'"):
        runtime("tpu")


def test_TensorFlow_trains_after_the_refusal():
    import keras

    with pytest.raises(RuntimeError):
        runtime("tpu")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    history = model.fit(tf.ones((4, 2)), tf.ones((4, 1)), epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]


def test_the_order_of_calls(monkeypatch):
    """Connect, then start, once, then the strategy; with TensorFlow's own resolver."""
    calls = []

    class Strategy:
        num_replicas_in_sync = 8

        def __init__(self, resolver):
            calls.append(("strategy", resolver))

    def note(name):
        return lambda resolver: calls.append((name, resolver))

    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", note("connect"))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", note("start"))
    monkeypatch.setattr(tf.distribute, "TPUStrategy", Strategy)
    here = runtime()
    assert (here.device, here.replicas, here.policy) == ("tpu", 8, "mixed_bfloat16")
    assert runtime() is here
    assert [name for name, _ in calls] == ["connect", "start", "strategy"]
    resolvers = {id(resolver): resolver for _, resolver in calls}
    (resolver,) = resolvers.values()
    assert isinstance(resolver, tf.distribute.cluster_resolver.TPUClusterResolver)


def test_a_libtpu_that_aborts_is_never_imported(tmp_path):
    """The newer library takes the process with it, so its version is read before the import."""
    folder = tmp_path / "libtpu-0.0.52.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: libtpu\nVersion: 0.0.52\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    code = "from coursekit.distribution import runtime; print(runtime()); import sys; "
    code += "print('tensorflow' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "aborts the process with libtpu 0.0.52" in run.stdout and "False" in run.stdout
