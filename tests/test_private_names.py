"""What coursekit uses of other packages without their promise stands in one list, and exists."""

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from functools import cached_property
from pathlib import Path

import keras
import keras_tuner
import pytest
from private_names import ELSEWHERE, MODULES, NAMES, TRIED

import coursekit
from coursekit._fingerprint._keras import RECORDS, SEEDS

ROOT = Path(__file__).parent.parent / "coursekit"
LISTED = {name for names in NAMES.values() for name in names} | {*ELSEWHERE, *RECORDS, *SEEDS}
PYTHONS = {"_replace", "_abc_impl", "_self_", "_thread", "_exit", "_getframe", "_frozen_importlib",
           "_frozen_importlib_external"}  # fmt: skip
OWN = {"_solutions", "_macro"}  # a folder, the end of a name
TREES = {
    path: ast.parse(path.read_text())
    for path in ROOT.rglob("*.py")
    if "_solutions" not in path.parts and "lessons" not in path.parts
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def defined() -> set[str]:
    """Private names that coursekit gives: functions, classes, attributes of self, modules."""
    found = set()
    for path, tree in TREES.items():
        found |= set(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ast.unparse(node.value) in ("self", "twin", "fitting")
            ):
                found.add(node.attr)
    return found


def used() -> dict[str, str]:
    """Private attributes, and words that look like one, by where they stand."""
    found = {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            name = None
            if isinstance(node, ast.Attribute):
                name = node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value if node.value.isidentifier() else None
            if name and is_private(name):
                found.setdefault(name, f"{path.name}:{node.lineno}")
    return found


def test_no_other_private_name_is_used():
    own = defined()
    unknown = {n: at for n, at in used().items() if n not in own | OWN | LISTED | PYTHONS}
    assert not unknown, "names that do not stand in tests/private_names.py"


def test_no_other_private_module_is_imported():
    found = {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                base, *inner = (name or "").split(".")
                private = any(part == "src" or is_private(part) for part in inner)
                if private and base not in ("coursekit", "__future__"):
                    found[name] = path.name
    assert set(found) <= set(MODULES), found
    for name in found:
        assert importlib.util.find_spec(name), name


def classes():
    for info in pkgutil.walk_packages(coursekit.__path__, "coursekit."):
        if ".lessons" in info.name or ".distribution" in info.name:
            continue
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == info.name:
                yield kind


def test_no_other_private_method_is_overridden():
    for kind in classes():
        others = [b for b in kind.__mro__[1:] if b.__module__.split(".")[0] in
                  ("keras", "tensorflow", "keras_tuner")]  # fmt: skip
        for name in filter(is_private, vars(kind)):
            if any(name in vars(base) for base in others):
                assert name in LISTED, f"{kind.__qualname__}.{name}"


class Installed:
    """One of each kind, as it is installed."""

    @cached_property
    def model(self):
        x = keras.Input((2,))
        model = keras.Model(x, keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.AdamW(gradient_accumulation_steps=2), "mse", metrics=["mae"])
        model.optimizer.build(model.trainable_variables)
        model._symbolic_build(data_batch=(keras.ops.ones((2, 2)), keras.ops.ones((2, 1))))
        return model

    @property
    def layer(self):
        return self.model.layers[1]

    @property
    def optimizer(self):
        return self.model.optimizer

    @property
    def compiled_loss(self):
        return self.model._compile_loss

    @property
    def compiled_metrics(self):
        return self.model._compile_metrics

    @property
    def loss(self):
        return keras.losses.MeanSquaredError()

    @property
    def metric(self):
        return keras.metrics.MeanSquaredError()

    @property
    def variable(self):
        return self.layer.kernel

    @property
    def tensor(self):
        return self.model.outputs[0]

    initializer = keras.initializers.GlorotUniform()
    seed_generator = keras.random.SeedGenerator(0)
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("loss", "min"))
    grid_oracle = keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("loss", "min"))

    @property
    def replica_context(self):
        import tensorflow as tf

        return tf.distribute.get_replica_context()

    @property
    def graph(self):
        import tensorflow as tf

        with tf.device("CPU:0"):
            return tf.compat.v1.get_default_graph()

    @property
    def session(self):
        import tensorflow as tf

        return tf.compat.v1.Session(graph=self.graph)

    @property
    def eager_context(self):
        from tensorflow.python.eager import context

        one = context.context()
        one._set_global_seed(one._seed)
        return one


@pytest.mark.parametrize("owner", NAMES)
def test_the_names_exist_in_what_is_installed(owner):
    one = getattr(Installed(), owner.replace(" ", "_"))
    missing = [name for name in NAMES[owner] if not hasattr(one, name)]
    assert not missing, f"tried with {TRIED}"
