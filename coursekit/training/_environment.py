"""What a run stood on, in a file that a later run is compared with, in words."""

import hashlib
import json
import os
import platform
import random
import subprocess
import sys
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from coursekit import _settings
from coursekit._checks import place
from coursekit._files import write_whole

PACKAGES = ("keras", "tensorflow", "jax", "jaxlib", "numpy", "scipy", "scikit-learn", "pandas",
            "keras-coursekit")  # fmt: skip
FLAGS = (*_settings.ENVIRONMENT, "KERAS_BACKEND", "JAX_ENABLE_X64", "CUDA_VISIBLE_DEVICES",
         "PYTHONHASHSEED", "OMP_NUM_THREADS")  # fmt: skip
# What may change the bits of the same code; the others say where to find them again.
DECISIVE = "versions", "machine", "flags", "seeds"


class Environment:
    """What a run stood on.

    Attributes:
        facts: by kind ("versions", "machine", "flags", "seeds", "code") the facts by name.
    """

    def __init__(self, facts: dict[str, dict[str, Any]]):
        self.facts = facts

    def save(self, path: str | PathLike) -> None:
        """Write the facts into a JSON file, whole or not at all.

        Args:
            path: the file; its folder exists.
        """
        write_whole(place("path", path), json.dumps(self.facts, indent=1))

    def differences(self, path: str | PathLike) -> list[str]:
        """Compare with a file of an earlier run, and say what is not as it was.

        Args:
            path: a file that `save` has written.

        Returns:
            A sentence a fact; none where all is the same.

        Raises:
            ValueError: for a file that `save` has not written.
        """
        path = place("path", path)
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            pairs = {(kind, name) for kind, of in before.items() for name in of}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ValueError(
                f"`path` must be a file of `Environment.save`. Received: {path} "
                f"({type(error).__name__}: {error})"
            ) from None
        pairs |= {(kind, name) for kind, of in self.facts.items() for name in of}
        told = []
        for kind, name in sorted(pairs):
            one, other = (of.get(kind, {}).get(name) for of in (before, self.facts))
            if one != other:
                effect = "it may change bits" if kind in DECISIVE else "the code is another one"
                told.append(f"{name} was {_word(one)} and is {_word(other)}: {effect}.")
        return told


def environment() -> Environment:
    """Record what this run stands on: versions, machine, flags, seeds and the state of git.

    Call it after seeding and before the model is built. Two runs of the same code whose records do
    not differ give the same bits, as far as the operations are deterministic.

    Returns:
        An `Environment`. Its seeds: the one that `keras.utils.set_random_seed` was given, and a
        short hash of where the generators of Python and NumPy stand. Its code: the commit of the
        folder that the program runs in, and whether files were changed since; nothing without git.

    Example:
        >>> import tempfile
        >>> _ = keras.utils.set_random_seed(3)
        >>> file = tempfile.mkdtemp() + "/environment.json"
        >>> environment().save(file)
        >>> environment().differences(file)
        []
        >>> keras.utils.set_random_seed(4)
        >>> environment().differences(file)[0]
        'keras_seed was 3 and is 4: it may change bits.'
    """
    return Environment(
        {
            "versions": {"python": platform.python_version(), **_settings.versions(*PACKAGES)},
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cores": os.cpu_count(),
                "devices": _devices(),
            },
            "flags": {name: os.environ.get(name) for name in FLAGS}
            | _settings.settings()
            | {"dtype_policy": keras.config.dtype_policy().name},
            "seeds": _seeds(),
            "code": _git(),
        }
    )


def _word(value) -> str:
    return "not there" if value is None else str(value)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _devices() -> list[str]:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return [one.name for one in tf.config.list_logical_devices()]
    if keras.backend.backend() == "jax":
        import jax

        return [f"{one.platform}:{one.id} {one.device_kind}" for one in jax.devices()]
    return []


def _seeds() -> dict[str, Any]:
    state = np.random.get_state(legacy=False)
    told = repr((random.getstate(), state["state"]["key"].tolist(), state["state"]["pos"]))
    tracker = sys.modules["keras.src.backend.common.global_state"]
    return {
        "keras_seed": tracker.get_global_attribute("global_random_seed"),
        "python_and_numpy": hashlib.sha256(told.encode()).hexdigest()[:12],
    }


def _git() -> dict[str, Any]:
    def ask(*words):
        try:
            told = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        return told.stdout.strip() if told.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "changed_files": None}
    changed = ask("status", "--porcelain") or ""
    return {"commit": commit, "changed_files": len(changed.splitlines())}
