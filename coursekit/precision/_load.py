"""Loading a model under the policy that it was saved with."""

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

from coursekit._checks import require
from coursekit.precision._lint import refuse_precision
from coursekit.precision._policy import MIXED, precision

if TYPE_CHECKING:
    import keras


def load_model(path: str | os.PathLike, **options: Any) -> "keras.Model":
    """Load a model under the policy that it was saved with, whatever the global one is.

    `keras.saving.load_model` gives the layers the saved policy, and the model the global one, by
    which `compile` decides on loss scaling. A mixed_float16 model that is loaded under float32 has
    none, and its optimizer starts afresh; a float32 model that is loaded under mixed_float16 loses
    its optimizer's state too, and a subclassed one changes its precision.

    Args:
        path: a `.keras` file.
        **options: of `keras.saving.load_model`.

    Returns:
        The model. The global policy is as before.

    Raises:
        ValueError: for another kind of file, and for what `lint_precision` calls wrong in layers,
            weights and optimizer.
    """
    import keras

    rule = "`path` must be a .keras file."
    require(isinstance(path, str | os.PathLike), rule, path=path)
    require(os.path.exists(path), rule, "There is no file of that name", path=os.fspath(path))
    require(zipfile.is_zipfile(path), rule, path=os.fspath(path))
    with zipfile.ZipFile(path) as archive:
        require("config.json" in archive.namelist(), rule, path=os.fspath(path))
        config = json.loads(archive.read("config.json"))
    saved = _policies(config)
    with precision(next((policy for policy in MIXED if policy in saved), "float32")):
        model = keras.saving.load_model(path, **options)
    if model.compiled:
        refuse_precision(model)
    return model


def _policies(config) -> set[str]:
    """Return the names of all dtype policies in the saved configuration of a model."""
    if isinstance(config, list):
        return set().union(*map(_policies, config))
    if not isinstance(config, dict):
        return set()
    found = _policies(list(config.values()))
    if "DTypePolicy" in str(config.get("class_name")):
        found.add((config.get("config") or {}).get("name"))
    return found
