"""What is saved with coursekit in it loads after `import coursekit` alone, from old files too."""

import json
import subprocess
import sys
import zipfile
from importlib import import_module

import keras
import numpy as np
import pytest

from coursekit import _saving, losses, optimizers, schedules
from coursekit.distribution import step

X = np.linspace(-1, 1, 12).reshape(6, 2).astype("float32")
# The paths under which these were saved before modules were renamed.
OLD = {
    "coursekit.losses._classification": "coursekit.losses.classification",
    "coursekit.losses._balanced": "coursekit.losses.classification",
    "coursekit.losses._segmentation": "coursekit.losses.segmentation",
    "coursekit.losses._metric_learning": "coursekit.losses.metric_learning",
    "coursekit.schedules._one_cycle": "coursekit.schedules.one_cycle",
    "coursekit.optimizers._loss_scale": "coursekit.distribution.precision",
    "coursekit.optimizers._scheduled_momentum": "coursekit.optimizers.scheduled_momentum",
    "coursekit.distribution.step": "coursekit.training.step",
}


def names(kinds):
    return {name for part in kinds.values() for name in part}


def test_the_names_are_those_that_the_parts_register():
    for part in {**_saving.CLASSES, **_saving.FUNCTIONS}:
        import_module(f"coursekit.{part}")
    registered = {
        name.removeprefix("coursekit>"): value
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith("coursekit>")
    }
    classes = {name for name, value in registered.items() if isinstance(value, type)}
    assert classes == names(_saving.CLASSES)
    assert registered.keys() - classes == names(_saving.FUNCTIONS)
    for part, found in [*_saving.CLASSES.items(), *_saving.FUNCTIONS.items()]:
        home = import_module(f"coursekit.{part}")
        for name in found:
            assert registered[name] is getattr(home, name)


def test_every_loss_is_registered_as_a_class_and_as_a_function():
    public = {name: getattr(losses, name) for name in losses.__all__}
    of_class = {n for n, v in public.items() if isinstance(v, type)}
    helpers = {"euclidean_distance", "per_example", "adversarial"}
    assert of_class == set(_saving.CLASSES["losses"])
    assert public.keys() - of_class - helpers == set(_saving.FUNCTIONS["losses"])


def model_with(optimizer, loss, cls=keras.Model, units=2):
    inputs = keras.Input((2,))
    model = cls(inputs, keras.layers.Dense(units, activation="softmax")(inputs))
    model.compile(optimizer, loss)
    return model


def models():
    """Something of every part: a loss by class and by function, schedules, optimizers, a model."""
    rate = schedules.OneCycle(0.1, total_steps=10)
    for name in sorted(names(_saving.FUNCTIONS)):
        yield f"function {name}", model_with("sgd", getattr(losses, name))
    for name in sorted(names(_saving.CLASSES) & set(dir(losses)) - {"LearnedTemperature"}):
        needed = {"samples_per_class": [3, 4]} if name == "ClassBalancedCrossentropy" else {}
        yield f"class {name}", model_with("sgd", getattr(losses, name)(**needed))
    momentum = optimizers.ScheduledMomentumSGD(rate, momentum=rate.momentum())
    yield "optimizer", model_with(momentum, "mse")
    yield "sparse", model_with(optimizers.OrthantwiseL1(keras.optimizers.Adam(rate), 0.1), "mse")
    scaled = optimizers.SafeLossScaleOptimizer(keras.optimizers.SGD(0.1))
    yield "replicas", model_with(scaled, losses.CrammerSingerHinge(), step.ReplicaModel)
    inputs = keras.Input((2, 3))
    tower = keras.Model(inputs, losses.LearnedTemperature(initial=0.5)(inputs))
    tower.compile("sgd", losses.InfoNCE(temperature=None))
    yield "temperature", tower


def with_old_paths(path, to):
    """Copy a saved model, and name in it the modules as they once were."""
    moved = set()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for item in old.namelist():
            data = old.read(item)
            if item == "config.json":
                text = data.decode()
                for now, then in OLD.items():
                    if f'"{now}"' in text:
                        moved.add(now)
                        text = text.replace(f'"{now}"', f'"{then}"')
                data = text.encode()
            new.writestr(item, data)
    return moved


LOAD = """
import json, sys
{imports}
assert "coursekit.losses" not in sys.modules, "it should be loaded by the model"
found = {{}}
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    loss = model.loss
    found[path] = [
        type(model).__name__,
        getattr(loss, "__name__", None) or getattr(loss, "name", loss),
        type(model.optimizer).__name__,
        [w.tolist() for w in model.get_weights()],
    ]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
print(json.dumps(found))
"""
ORDERS = {
    "coursekit first": "import coursekit; assert 'keras' not in sys.modules\nimport keras",
    "keras first": "import keras, coursekit",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models by the paths of their files, as saved now and with old paths."""
    folder, found, moved = tmp_path_factory.mktemp("models"), {}, set()
    for name, model in models():
        path = folder / f"{name.replace(' ', '_')}.keras"
        model.save(path)
        old = folder / f"old_{path.name}"
        moved |= with_old_paths(path, old)
        found[str(path)] = found[str(old)] = model
    assert moved == set(OLD)  # each of these paths is in some file
    return found


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_in_a_fresh_process(saved, order):
    code = LOAD.format(imports=ORDERS[order])
    run = subprocess.run([sys.executable, "-c", code, *saved], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    for path, model in saved.items():
        cls, loss, optimizer, weights = found[path]
        assert cls == type(model).__name__ and optimizer == type(model.optimizer).__name__
        name = getattr(model.loss, "__name__", None) or getattr(model.loss, "name", model.loss)
        assert loss == name
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(np.array(a, "float32"), b)


def test_a_stand_in_becomes_the_real_thing(monkeypatch):
    registered = keras.saving.get_custom_objects()
    key = "coursekit>focal_tversky"
    real = registered[key]
    monkeypatch.delitem(registered, key)
    _saving.register()
    stand_in = registered[key]
    assert stand_in is not real and stand_in.__name__ == "focal_tversky"
    monkeypatch.setitem(registered, key, real)
    y, p = np.zeros((1, 2), int), np.full((1, 2, 3), 1 / 3, "float32")
    assert float(stand_in(y, p)[0]) == float(real(y, p)[0])
