"""Folds, refits and trials on an executor: as without it, whoever dies on the way."""

import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cloudpickle
import keras
import keras_tuner
import numpy as np
import pytest

from coursekit._elsewhere import TRIES, elsewhere
from coursekit._settings import environment, settings
from coursekit.tuning import CrossValidationTuner
from coursekit.validation import bias_variance, cross_validate, nested_cross_validate

pytestmark = pytest.mark.slow

# A worker cannot import a test: its functions travel as a notebook's do.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5] + 1).astype("float32")
FIT = {"epochs": 4, "batch_size": 16}


def build_model(units=4):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(units, "relu"), keras.layers.Dropout(0.2),
         keras.layers.Dense(1)]
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


def small():
    return build_model(2)


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def alone():
    return cross_validate(build_model, X, Y, 4, fit_kwargs=FIT, verbose=0)


def same(one, other):
    for name in other.scores:
        np.testing.assert_allclose(one.scores[name], other.scores[name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            one.train_scores[name], other.train_scores[name], rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(one.predictions, other.predictions, rtol=1e-3, atol=1e-4)
    assert one.seeds == other.seeds and len(one.histories) == len(other.histories)
    for a, b in zip(one.histories, other.histories, strict=True):
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-4)


def test_a_pool_gives_what_the_call_without_it_gives(pool, alone):
    seen = []
    found = cross_validate(
        build_model, X, Y, 4, fit_kwargs=FIT, verbose=0, executor=pool,
        on_fold=lambda fold, result: seen.append((fold, result.model)),
    )  # fmt: skip
    same(found, alone)
    assert sorted(seen) == [(k, None) for k in range(4)]


def test_a_closure_a_preprocessor_and_callbacks_travel(pool):
    units = 3

    def settings():
        from sklearn.preprocessing import StandardScaler

        stop = lambda: [keras.callbacks.EarlyStopping("loss", patience=1)]
        return {"preprocess": StandardScaler(), "fit_kwargs": FIT | {"callbacks": stop},
                "scoring": ["r2", "neg_mean_absolute_error"], "verbose": 0}  # fmt: skip

    build = lambda: build_model(units)
    here = cross_validate(build, X, Y, 3, **settings())
    same(cross_validate(build, X, Y, 3, executor=pool, **settings()), here)


def test_nested_and_bias_variance(pool):
    candidates = {"small": small, "large": build_model}
    options = {"cv": 2, "inner_cv": 2, "fit_kwargs": FIT, "verbose": 0}
    here = nested_cross_validate(candidates, X, Y, **options)
    there = nested_cross_validate(candidates, X, Y, executor=pool, **options)
    same(there.outer, here.outer)
    assert there.chosen == here.chosen

    def draw(rng):
        rows = rng.choice(60, 30, replace=False)
        return X[rows], Y[rows]

    options = {"refits": 4, "epochs": 2, "verbose": 0}
    here = bias_variance(build_model, draw, X, Y, **options)
    there = bias_variance(build_model, draw, X, Y, executor=pool, **options)
    np.testing.assert_allclose(there.error.value, here.error.value, rtol=1e-4)
    np.testing.assert_allclose(there.variance.value, here.variance.value, rtol=1e-3)


def test_a_tuner(pool, tmp_path):
    def build(hp):
        return build_model(hp.Choice("units", [2, 4]))

    scores = []
    for executor in (None, pool):
        tuner = CrossValidationTuner(
            build, keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("r2", "max")),
            cv=2, fit_kwargs=FIT, executor=executor, directory=tmp_path / str(executor is None),
        )  # fmt: skip
        tuner.search(X, Y, verbose=0)
        scores.append(tuner.table.score.to_list())
    np.testing.assert_allclose(*scores, rtol=1e-4)
    assert len(scores[0]) == 2


def die_once(flag: Path, whom):
    """A builder that ends one process, the first time that it comes to fold 2 in a worker."""

    def build(fold):
        if fold == 2 and os.environ["CALLER"] != str(os.getpid()):
            try:
                flag.touch(exist_ok=False)
            except FileExistsError:
                return build_model()
            os.kill(whom(), signal.SIGKILL)
            time.sleep(60)
        return build_model()

    return build


@pytest.mark.parametrize("whom", [os.getpid, os.getppid], ids=["its Python", "the worker"])
def test_a_pool_that_loses_a_worker_goes_on(whom, alone, tmp_path, monkeypatch):
    monkeypatch.setenv("CALLER", str(os.getpid()))
    lost = pytest.warns(UserWarning, match="A worker was lost")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor, lost:
        found = cross_validate(
            die_once(tmp_path / "flag", whom), X, Y, 4, fit_kwargs=FIT, verbose=0,
            executor=executor,
        )  # fmt: skip
    assert (tmp_path / "flag").exists()
    same(found, alone)


def test_dask_loses_a_worker_and_goes_on(alone, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("CALLER", str(os.getpid()))
    options = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        found = cross_validate(
            die_once(tmp_path / "flag", os.getppid), X, Y, 4, fit_kwargs=FIT, verbose=0,
            executor=client.get_executor(),
        )  # fmt: skip
    assert (tmp_path / "flag").exists()
    same(found, alone)


@pytest.mark.parametrize("kind", ["threads", "fork"])
def test_threads_and_forks(kind, alone):
    """Threads share a random state, and a fork of TensorFlow hangs: each trains elsewhere."""
    executor = ThreadPoolExecutor(2)
    if kind == "fork":
        if "fork" not in __import__("multiprocessing").get_all_start_methods():
            pytest.skip("this system does not fork")
        executor = ProcessPoolExecutor(2, mp_context=get_context("fork"))
    with executor, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of the fork itself
        state = np.random.get_state()[1].copy()
        same(cross_validate(build_model, X, Y, 4, fit_kwargs=FIT, verbose=0, executor=executor),
             alone)  # fmt: skip
        np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_folder_resumes_across_executors(pool, alone, tmp_path):
    def stop(fold, result):
        raise KeyboardInterrupt

    options = {"fit_kwargs": FIT, "verbose": 0, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        cross_validate(build_model, X, Y, 4, executor=pool, on_fold=stop, **options)
    assert len(list(tmp_path.glob("fold_*.npz"))) == 1
    fresh = []
    found = cross_validate(
        build_model, X, Y, 4, on_fold=lambda fold, result: fresh.append(fold), **options
    )
    assert len(fresh) == 3
    same(found, alone)


class Dying(Executor):
    """Its workers are lost, always."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_exception(OSError("gone"))
        return future


def test_who_is_lost_three_times_is_named():
    with (
        pytest.warns(UserWarning, match="done again"),
        pytest.raises(RuntimeError, match=f"lost {TRIES} times with .*Job.*OSError: 'gone'"),
    ):
        cross_validate(build_model, X, Y, 4, fit_kwargs=FIT, verbose=0, executor=Dying())


def test_an_error_in_a_worker_is_the_callers(pool):
    def build(fold):
        if fold == 1:
            raise LookupError("no such thing")
        return build_model()

    with pytest.raises(LookupError, match="no such thing") as caught:
        cross_validate(build, X, Y, 3, fit_kwargs=FIT, verbose=0, executor=pool)
    assert "raised in a worker: process" in caught.value.__notes__[0]


def test_a_warning_of_a_worker_is_told_once(pool):
    def nan():
        model = build_model()
        model.compile(keras.optimizers.SGD(1e30), "mse")
        return model

    with pytest.warns(UserWarning, match="not finite|NaN"):
        found = cross_validate(nan, X, Y, 3, fit_kwargs=FIT, verbose=0, executor=pool)
    assert np.isnan(found.scores["r2"]).all()


@pytest.mark.parametrize("value", [2, "dask", ProcessPoolExecutor])
def test_what_is_no_executor_is_refused(value):
    with pytest.raises(TypeError, match="`executor` must be a concurrent"):
        cross_validate(build_model, X, Y, executor=value)


def test_what_cannot_be_is_refused(pool):
    with pytest.raises(ValueError, match="`keep_models` must be left out with `executor`"):
        cross_validate(build_model, X, Y, executor=pool, keep_models=True)
    lock = threading.Lock()

    def build():
        with lock:
            return build_model()

    with pytest.raises(TypeError, match=r"must be picklable.*lock"):
        cross_validate(build, X, Y, 3, fit_kwargs=FIT, verbose=0, executor=pool)
    if keras.backend.backend() == "tensorflow":
        from coursekit.distribution import mirrored

        with mirrored(["CPU:0"]).scope(), pytest.raises(ValueError, match="scope of a strategy"):
            cross_validate(build_model, X, Y, executor=pool)


def settings_seen(shared, piece):
    time.sleep(0.01)
    return keras.config.floatx(), keras.config.dtype_policy().name, keras.config.epsilon()


def all_seen(shared, piece):
    return settings(), environment()


@pytest.mark.any_backend
def test_what_decides_numbers_travels(pool, monkeypatch):
    """To workers that had begun before it was set, too."""
    here = [dict(elsewhere(pool, all_seen, None, [1]))[0], (settings(), environment())]
    assert here[0] == here[1]
    for name, value in environment():
        monkeypatch.setenv(name, "1" if value is None else "")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    if keras.backend.backend() == "jax":
        jax = pytest.importorskip("jax")
        switch = partial(jax.config.update, "jax_enable_x64")
    else:
        tf = pytest.importorskip("tensorflow")
        switch = tf.config.experimental.enable_tensor_float_32_execution
    was = settings()
    switch(keras.backend.backend() == "jax")
    try:
        assert settings() != was
        assert dict(elsewhere(pool, all_seen, None, [1]))[0] == (settings(), environment())
    finally:
        switch(keras.backend.backend() != "jax")


def test_keras_settings_travel(pool):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_epsilon(1e-5)
    try:
        seen = dict(elsewhere(pool, settings_seen, None, [1, 2]))
    finally:
        keras.config.set_dtype_policy(before)
        keras.config.set_epsilon(1e-7)
    assert seen == dict.fromkeys((0, 1), ("float32", "mixed_bfloat16", 1e-05))
    assert dict(elsewhere(pool, settings_seen, None, [1]))[0][1] == "float32"
