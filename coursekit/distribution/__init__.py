"""The same training on one device and on many.

```
from coursekit.distribution import runtime

with runtime().scope():
    model = build()
    model.compile(...)
model.fit(...)
```

`lint(model)` says what goes wrong on several replicas before it does, `parity(build, data)` trains
on one and on several and compares, and `coursekit.distribution.step` is the cure.
"""

from importlib import import_module

from coursekit._findings import Finding
from coursekit.distribution._batches import (
    global_batch_size,
    linear_scaling,
    square_root_scaling,
    static_batches,
)
from coursekit.distribution._lint import lint
from coursekit.distribution._parity import Parity, parity
from coursekit.distribution._runtime import Runtime, runtime, virtual_devices
from coursekit.distribution._strategies import mirrored

__all__ = [
    "Finding",
    "Parity",
    "Runtime",
    "global_batch_size",
    "layouts",
    "linear_scaling",
    "lint",
    "mirrored",
    "parity",
    "roofline",
    "runtime",
    "square_root_scaling",
    "static_batches",
    "step",
    "tpu",
    "virtual_devices",
    "workers",
]


def __getattr__(name: str):
    if name in __all__:  # modules that import Keras: loaded when they are first used
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
