"""Where there is no TensorFlow, as on Colab's TPU runtime, everything here is imported."""

import os
import subprocess
import sys

IMPORTS = """
import importlib, pkgutil, sys
sys.modules["tensorflow"] = None  # an import of it fails
import coursekit.training
names = [m.name for m in pkgutil.walk_packages(coursekit.training.__path__, "coursekit.training.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_nothing_imports_tensorflow_on_its_own():
    settings = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15
