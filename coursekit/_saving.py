"""Models that use coursekit load wherever it has been imported, without importing all of it.

Keras finds a class or function of a saved model by a name that its module registers, so the module
must have been imported. `import coursekit` imports neither Keras nor its own parts: as soon as
Keras is there, it puts a stand-in under each name, which imports the part when a model asks for it.
The part then registers the real thing in its place. The module path in a saved file plays no part
in this: files that name modules which have moved since load too.
"""

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec

PACKAGE = "coursekit"
# What each part registers. A test compares it with what they do register.
CLASSES = {
    "distribution.step": ["ReplicaModel", "ReplicaSequential"],
    "losses": [
        "ClassBalancedCrossentropy",
        "CrammerSingerHinge",
        "CrossentropyDice",
        "FocalTversky",
        "InfoNCE",
        "LabelSmoothedCrossentropy",
        "LearnedTemperature",
        "LovaszSoftmax",
        "PairContrastive",
        "SparseCategoricalFocalCrossentropy",
        "SupervisedContrastive",
        "TripletLoss",
    ],
    "optimizers": [
        "OrthantwiseL1",
        "SafeLossScaleOptimizer",
        "ScheduledBetaAdam",
        "ScheduledMomentumSGD",
    ],
    "schedules": [
        "Join",
        "OneCycle",
        "OneCycleMomentum",
        "StepDecay",
        "Warmup",
        "WarmupInverseSqrt",
    ],
    "training": ["GAN"],
}
FUNCTIONS = {
    "losses": [
        "class_balanced_crossentropy",
        "crammer_singer_hinge",
        "crossentropy_dice",
        "focal_tversky",
        "info_nce",
        "label_smoothed_crossentropy",
        "lovasz_softmax",
        "pair_contrastive",
        "sparse_categorical_focal_crossentropy",
        "supervised_contrastive",
        "triplet_loss",
    ],
}


def once_keras_is_there(do: Callable[[], None]) -> None:
    """Call a function now if Keras has been imported, and else at the end of its import."""
    if "keras" in sys.modules:
        do()
    else:
        sys.meta_path.insert(0, _Watch(do))


class _Watch:
    """A finder that finds nothing itself, and sees Keras being imported."""

    def __init__(self, do):
        self.do = do

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                self.do()

            spec.loader.exec_module = exec_module
        return spec


def register() -> None:
    """Put a stand-in under each name that is not registered yet."""
    import keras

    for kind, make in ((CLASSES, _class), (FUNCTIONS, _function)):
        for part, names in kind.items():
            for name in names:
                if keras.saving.get_registered_object(f"{PACKAGE}>{name}") is None:
                    keras.saving.register_keras_serializable(PACKAGE)(make(part, name))


def _real(part: str, name: str):
    """Import the part, which registers the real thing, and return it.

    Not by asking for the name: while a model is loaded Keras holds on to what it was before.
    """
    return getattr(importlib.import_module(f"{PACKAGE}.{part}"), name)


def _class(part, name):
    def from_config(cls, config, **more):
        return _real(part, name).from_config(config, **more)

    def get_config(self):
        raise NotImplementedError

    contents = {"from_config": classmethod(from_config), "get_config": get_config}
    return type(name, (), {**contents, "__doc__": f"Stands for {PACKAGE}.{part}.{name}."})


def _function(part, name):
    def function(*args, **kwargs):
        return _real(part, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Stands for {PACKAGE}.{part}.{name}."
    return function
