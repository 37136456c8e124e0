"""What Keras lacks for training models, and the engine of the course.

```python
from coursekit import cross_validate, datasets, fit_many

data = datasets.load_fashion_mnist()
```

Parts are loaded when they are first used: `import coursekit` imports neither Keras nor
TensorFlow. A model that was saved with something of coursekit in it loads after that import alone.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from coursekit import _saving

# Names that one reaches for first, and where each lives.
FIRST = {
    "ReplicaModel": "distribution.step",
    "TestVault": "validation",
    "compare": "validation",
    "cross_validate": "validation",
    "find_learning_rate": "callbacks",
    "fit_many": "training",
}

__all__ = [
    "augmentation",
    "callbacks",
    "datasets",
    "diagnosis",
    "distribution",
    "exercises",
    "grade",
    "lessons",
    "losses",
    "optimizers",
    "plots",
    "precision",
    "schedules",
    "training",
    "tuning",
    "validation",
    *FIRST,
]

try:
    __version__ = version("keras-coursekit")
except PackageNotFoundError:  # used from a checkout that is not installed
    __version__ = "0+unknown"

_saving.once_keras_is_there(_saving.register)


def __getattr__(name: str):
    if name in FIRST:
        return getattr(import_module(f"{__name__}.{FIRST[name]}"), name)
    if name in __all__:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise ImportError(
                f"coursekit.{name} belongs to the course, and this wheel is the package alone: "
                "install the full one."
            ) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
