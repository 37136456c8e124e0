"""Settings of the whole suite: repeatable numbers, a progress folder a notebook, what was slow."""

import atexit
import collections
import gc
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")
QUICK = "--xla_backend_optimization_level=0"  # tiny models: compiling is most of the time
OPTIMIZED = {"optimizers", "regularization", "transfer"}  # their convolutions are slow otherwise
ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
OURS = ON_JAX and os.environ.setdefault("XLA_FLAGS", QUICK) == QUICK
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a run in the background has no Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
HOMES = Path(tempfile.mkdtemp(prefix="coursekit-tests-"))
atexit.register(shutil.rmtree, HOMES, ignore_errors=True)
if ON_JAX:  # what one worker or kernel has compiled, the others load
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(HOMES / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_addoption(parser):
    """Add a switch that leaves, of the tests over all lessons, those over one."""
    parser.addoption("--lesson", metavar="SLUG", help="of the tests over all lessons, this one's")


def pytest_collection_modifyitems(config, items):
    """Leave out the other lessons' tests."""
    if slug := config.getoption("--lesson"):
        params = (getattr(item, "callspec", None) for item in items)
        of = [p.params.get("slug", slug) if p else slug for p in params]
        items[:] = [item for item, its in zip(items, of, strict=True) if its == slug]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Give each notebook, whose kernel starts after this, a progress folder of its own."""
    if item.path.suffix == ".ipynb":
        os.environ.pop("MPLBACKEND", None)  # a notebook draws inline
        os.environ["COURSEKIT_HOME"] = str(_home(item.path))
        if OURS:
            slug = item.path.stem.split("_", 1)[1]
            os.environ["XLA_FLAGS"] = "" if slug in OPTIMIZED else QUICK
    else:
        os.environ["MPLBACKEND"] = "agg"
        os.environ["COURSEKIT_HOME"] = str(HOMES / "tests")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """After a test no figure is left; after a notebook the solved one has every exercise done.

    What is there after a file is not searched for garbage again: Keras searches all at each
    `clear_session`, which took more than a quarter of the time of some files.
    """
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
    if nextitem is not None and nextitem.path == item.path:
        return
    gc.collect()
    gc.freeze()
    if item.path.suffix != ".ipynb":
        return
    slug = item.path.stem.split("_", 1)[1]
    from importlib import import_module

    exercises = set(import_module(f"coursekit.lessons.{slug}").check.exercises)
    file = _home(item.path) / f"{slug}.json"
    kept = json.loads(file.read_text())["exercises"] if file.exists() else {}
    done = {name for name, state in kept.items() if state["done"]}
    wanted = exercises if item.path.parent.name == "solutions" else set()
    if done != wanted:
        pytest.fail(f"{item.path.name}: done {sorted(done)}, expected {sorted(wanted)}")


def _home(path: Path) -> Path:
    return HOMES / hashlib.sha1(str(path).encode()).hexdigest()[:8]


def pytest_terminal_summary(terminalreporter):
    """Print the ten files that took longest."""
    spent = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                spent[report.nodeid.partition("::")[0]] += report.duration
    for name, seconds in spent.most_common(10):
        terminalreporter.write_line(f"{seconds:6.1f} s  {name}")
