"""Saved models that name the module where `ReplicaModel` used to live."""

import json
import zipfile

import keras
import numpy as np
import pytest

from coursekit.distribution.step import ReplicaModel, ReplicaSequential


def rewritten(path, **changes):
    """Change keys of the saved model's own configuration."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    assert changes.keys() <= config.keys()
    files["config.json"] = json.dumps(config | changes).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)


@pytest.mark.parametrize("kind", [ReplicaModel, ReplicaSequential])
def test_an_older_file_loads(kind, tmp_path):
    x = keras.Input((3,))
    layers = [x, keras.layers.Dense(2)]
    model = kind(layers) if kind is ReplicaSequential else kind(x, layers[1](x))
    model.compile("sgd", "mse", jit_compile=False)
    path = tmp_path / "model.keras"
    model.save(path)
    name = f"coursekit>{kind.__name__}"
    rewritten(path, module="coursekit.training.step", registered_name=name)
    loaded = keras.saving.load_model(path)
    assert type(loaded).__name__ == kind.__name__ and loaded.is_replica_correct
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
