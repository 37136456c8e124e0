"""Train a part of a model, then more of it. TensorFlow and JAX.

```python
from coursekit.training import gradual_unfreezing, thaw

gradual_unfreezing(model, ["head", "conv_3", "conv_2"], x, y, rates=[1e-3, 3e-4, 1e-4], epochs=5)

thaw(model, ["head"], rate=1e-3)  # one such phase, for a `fit` or `fit_many` of your own
```

A callback cannot do it within one `fit`: what is frozen is a part of the traced step, and the
optimizer has slots for what it was built with. So each phase compiles anew, with a new optimizer.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from coursekit._checks import brief, count, number, require
from coursekit.training._compile import checked_compiled, compile_again, with_rate
from coursekit.training.gradients import layers_of

__all__ = ["gradual_unfreezing", "thaw"]


def thaw(model: Any, layers: str | Iterable[str], *, rate: Any) -> None:
    """Freeze a model except these layers, and compile it anew.

    Every `BatchNormalization` stays frozen, also in a layer that is named: a frozen one computes
    with the moving statistics of the old task and leaves them alone. So does the kernel of a layer
    with LoRA, whose small matrices are trained instead.

    Args:
        model: a built and compiled Keras model. It is compiled with the loss and metrics that it
            has, and a new optimizer of its optimizer's kind and settings: counts and moments start
            from nothing.
        layers: names of layers. Of a layer inside of an inner model "inner/name"; "inner" alone is
            all of it. What is not named is frozen, weights of the model itself too; what was
            frozen one variable at a time is thawed with its layer.
        rate: the new optimizer's learning rate, a number above 0 or a schedule of Keras.

    Raises:
        TypeError: for what is no Keras model.
        ValueError: for a model that is not built or compiled, names that are unknown or occur
            twice in the model, layers without anything to train, and a rate out of range. The
            model is as it was then.

    Example:
        >>> import keras
        >>> layers = [keras.layers.Dense(4, name="body"), keras.layers.Dense(2, name="head")]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> model.compile("adam", "mse")
        >>> thaw(model, ["head"], rate=1e-3)
        >>> [len(layer.trainable_variables) for layer in model.layers]
        [0, 2]
    """
    checked_compiled(model)
    found = _named(model, layers, "layers")
    optimizer = with_rate(model.optimizer, _checked_rate("rate", rate))
    _wake(model, found)
    compile_again(model, optimizer)


def gradual_unfreezing(
    model: Any,
    groups: Sequence[str | Sequence[str]],
    x: Any,
    y: Any = None,
    *,
    rates: Sequence[Any],
    epochs: int | Sequence[int],
    **fit_arguments: Any,
) -> list:
    """Train the first group of layers, then the first two together, and so on.

    ```
    phase k:  thaw(model, groups[0] + ... + groups[k], rate=rates[k]);  model.fit(x, y, epochs[k])
    ```

    Start with the head, whose new weights know nothing yet, and go down towards the input: by the
    time the deep layers thaw, the gradients that reach them come from a head that makes sense. A
    rate for each phase, because layers that know much should move little.

    Args:
        model: as in `thaw`. Afterwards it is as the last phase left it: compiled with its rate,
            everything frozen that no group names.
        groups: for each phase the names that join, as in `thaw`. No layer is in two of them.
        x: inputs, as in `fit`.
        y: targets, as in `fit`.
        rates: a rate for each phase, as in `thaw`.
        epochs: the epochs of each phase, or one number for all.
        **fit_arguments: what else `fit` takes, in every phase: `batch_size`, `validation_data`,
            `callbacks`, ...

    Returns:
        What `fit` returned in each phase, a list of `History`.

    Raises:
        TypeError, ValueError: as `thaw`, for every phase, before the first one; for as many rates
            or epochs as there are no phases, and phases of 0 epochs.

    Example:
        >>> import keras, numpy as np
        >>> layers = [keras.layers.Dense(4, name="body"), keras.layers.Dense(1, name="head")]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((8, 3)), np.ones((8, 1))
        >>> phases = gradual_unfreezing(
        ...     model, ["head", "body"], x, y, rates=[1e-2, 1e-3], epochs=[2, 3], verbose=0
        ... )
        >>> [len(phase.epoch) for phase in phases]
        [2, 3]

    References:
        Howard, Ruder (2018), arXiv:1801.06146, section 3.3.
    """
    checked_compiled(model)
    groups = _checked_groups(groups)
    phases = len(groups)
    rates = [_checked_rate("rates", rate) for rate in _as_many("rates", rates, phases)]
    if isinstance(epochs, Sequence) and not isinstance(epochs, str):
        epochs = [count("epochs", one) for one in _as_many("epochs", epochs, phases)]
    else:
        epochs = [count("epochs", epochs)] * phases
    for name in ("initial_epoch", "steps_per_epoch"):
        require(
            fit_arguments.get(name) in (None, 0),
            f"`{name}` cannot be the same in every phase.",
            "Use `thaw` and a `fit` for each phase",
            **{name: fit_arguments.get(name)},
        )
    _check_apart(model, groups)
    for rate in rates:
        with_rate(model.optimizer, rate)
    histories = []
    for k, (rate, number_of_epochs) in enumerate(zip(rates, epochs, strict=True)):
        thaw(model, [name for group in groups[: k + 1] for name in group], rate=rate)
        histories.append(model.fit(x, y, epochs=number_of_epochs, **fit_arguments))
    return histories


def _checked_groups(groups) -> list[list[str]]:
    rule = "`groups` must hold names of layers for each phase: a name or a list of names."
    listed = isinstance(groups, Sequence) and not isinstance(groups, str | bytes)
    require(listed and len(groups) > 0, rule, groups=groups)
    found = []
    for group in groups:
        names = [group] if isinstance(group, str) else group
        require(isinstance(names, Sequence) and len(names) > 0, rule, groups=groups)
        found.append(list(names))
    return found


def _as_many(name, values, phases) -> list:
    listed = isinstance(values, Sequence) or getattr(values, "ndim", 0) == 1
    require(
        listed and not isinstance(values, str | bytes) and len(values) == phases,
        f"`{name}` must hold one for each of the {phases} phases.",
        **{name: values},
    )
    return list(values)


def _checked_rate(name, rate):
    import keras

    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return rate
    return number(name, rate, above=0)


def _check_apart(model, groups) -> None:
    """Refuse a group that adds nothing, or a layer of an earlier one."""
    seen: dict[int, str] = {}
    for group in groups:
        for name, layer in _named(model, group, "groups").items():
            for part in layer._flatten_layers():
                require(
                    id(part) not in seen,
                    "No layer may be in two of the `groups`.",
                    groups=groups,
                    first=seen.get(id(part)),
                    again=name,
                )
            seen |= {id(part): name for part in layer._flatten_layers()}


def _named(model, names, argument) -> dict[str, Any]:
    """Return the layers of these names; refuse what is no name, or nothing to train."""
    names = [names] if isinstance(names, str) else names
    rule = f"`{argument}` must hold names of layers."
    require(isinstance(names, Iterable) and not isinstance(names, bytes), rule, **{argument: names})
    names = list(names)
    words = all(isinstance(one, str) for one in names)
    require(words and len(names) > 0, rule, **{argument: names})
    there: dict[str, list] = {}
    for name, layer in layers_of(model):
        there.setdefault(name, []).append(layer)
    found = {}
    for name in names:
        if name not in there:
            inside = [one for one in there if one.endswith(f"/{name}")]
            near = inside or difflib.get_close_matches(name, there, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"`{argument}` must name layers of the model. Received: {name!r}.{hint} It has "
                f"{brief(list(there))}"
            )
        require(
            len(there[name]) == 1,
            f"`{argument}` names {len(there[name])} layers by one word.",
            "Give each layer a name of its own",
            **{argument: name},
        )
        found[name] = there[name][0]
    require(
        any(_awake(part) for layer in found.values() for part in layer._flatten_layers()),
        f"`{argument}` names nothing to train: layers without weights, or only batch norms, which "
        "stay frozen.",
        **{argument: names},
    )
    return found


def _awake(layer) -> list:
    """Return what a layer itself, without those inside of it, trains when it is thawed."""
    import keras

    if isinstance(layer, keras.layers.BatchNormalization):
        return []
    own = layer._trainable_variables
    if getattr(layer, "lora_enabled", False):
        own = [v for v in own if v.name not in ("kernel", "embeddings")]
    return own


def _wake(model, named) -> None:
    """Set `trainable` of every layer and variable."""
    import keras

    inside = {id(part) for layer in named.values() for part in layer._flatten_layers()}
    model.trainable = True
    for layer in model._flatten_layers(include_self=False):  # from the outside in: it is handed on
        holds = any(id(part) in inside for part in layer._flatten_layers())
        layer.trainable = holds and not isinstance(layer, keras.layers.BatchNormalization)
    for layer in model._flatten_layers():
        awake = {id(v) for v in _awake(layer)} if id(layer) in inside else set()
        for variable in layer._trainable_variables:
            variable.trainable = id(variable) in awake
