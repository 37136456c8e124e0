"""Training on several devices, for the lessons: the same words on TensorFlow and on JAX."""

import contextlib
from collections.abc import Iterator
from typing import Any

# What TensorFlow 2.21 does on two replicas, for those who run JAX; tests/replicas runs it again.
RECORDED = {
    "one number": "loss 51.00, weight 0.898",
    "clipping": "loss 25.50, weight 0.998",
    "ragged end": "loss 10.85, weight 0.960",
    "ragged start": "InvalidArgumentError",
    "accumulation": "RuntimeError",
    "overflow": "loss   inf, weight -inf",
}


@contextlib.contextmanager
def spread(devices: list[str] | None) -> Iterator[None]:
    """Build and fit models on these devices, each with a part of every batch; None: on one.

    On TensorFlow that is the scope of a `MirroredStrategy`; on JAX `keras.distribution`, as long as
    the block runs.
    """
    import keras

    if not devices:
        yield
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        from coursekit.distribution import mirrored

        tf.get_logger().setLevel("ERROR")  # it would tell of every message between the devices
        with mirrored(devices).scope():
            yield
    else:
        before = keras.distribution.distribution()
        kind = keras.distribution.DataParallel
        keras.distribution.set_distribution(kind(devices=devices, auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)


def trained(
    devices: list[str] | None,
    kind: Any = None,
    loss: Any = None,
    rows: int = 8,
    batch_size: int = 8,
    epochs: int = 1,
    spoilt: bool = False,
    **options: Any,
) -> str:
    """Train one weight, from 1, on the numbers 1 to `rows`, all targets 0.

    Args:
        devices: on which; None for one.
        kind: of model; by default `keras.Model`.
        loss: by default the squares, a value for each row.
        rows: how many.
        batch_size: as in `fit`.
        epochs: as in `fit`.
        spoilt: whether the last number is too large for float16, in which the model computes then;
            the others are small.
        **options: of `SGD(0.001)`.

    Returns:
        The loss of the first epoch and the weight at the end, in words, or the name of the error.
    """
    import keras
    import numpy as np

    from coursekit.precision import precision

    numbers = np.arange(1, rows + 1, dtype="float32")[:, None]
    if spoilt:
        numbers = 0.01 * numbers
        numbers[-1] = 1e5
    arguments = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
    try:
        with spread(devices), precision("mixed_float16" if spoilt else "float32"):
            weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
            inputs = keras.Input((1,))
            model = (kind or keras.Model)(inputs, weight(inputs))
            model.compile(keras.optimizers.SGD(0.001, **options), loss or _squares)
            log = model.fit(numbers, 0 * numbers, **arguments).history
    except Exception as error:  # of the backend: its name is what is shown
        return type(error).__name__
    return f"loss {log['loss'][0]:5.2f}, weight {model.get_weights()[0].item():.3f}"


def batch_norm(synchronized: bool = False):
    """Return a `BatchNormalization`. JAX has no `synchronized`: it takes all rows in any case."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return keras.layers.BatchNormalization(synchronized=synchronized)
    layer = keras.layers.BatchNormalization()
    layer.asked = synchronized
    return layer


def _squares(y_true, y_pred):
    import keras

    return keras.ops.mean((y_pred - y_true) ** 2, axis=-1)


def faults(devices: list[str], one_number: Any) -> Iterator[str]:
    """Yield, for each fault of `tf.distribute`, what one device, two and `ReplicaModel` make of it.

    On JAX the second line is `keras.distribution`, and the third what TensorFlow did.
    """
    import keras

    from coursekit.distribution.step import ReplicaModel

    on_jax = keras.backend.backend() == "jax"
    settings: dict[str, dict[str, Any]] = {
        "one number": {"loss": one_number},
        "clipping": {"global_clipnorm": 1.0},
        "ragged end": {"rows": 5, "batch_size": 4},
        "ragged start": {"rows": 5, "batch_size": 5},
        "accumulation": {"batch_size": 4, "gradient_accumulation_steps": 2},
        "overflow": {"spoilt": True},
    }
    for name, setting in settings.items():
        yield f"{name:12} one device    {trained(None, **setting)}"
        if on_jax:
            yield f"{'':12} JAX, on two   {trained(devices, **setting)}"
            yield f"{'':12} TensorFlow's  {RECORDED[name]}"
        else:
            yield f"{'':12} two replicas  {trained(devices, **setting)}"
            yield f"{'':12} ReplicaModel  {trained(devices, ReplicaModel, **setting)}"


def gap(a: Any, b: Any) -> float:
    """Return the largest difference between the weights of two models."""
    import numpy as np

    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return max(float(np.abs(u - v).max()) for u, v in pairs)


def show_ring(states: Any) -> None:
    """Show how a sum spreads over a ring of four devices."""
    from coursekit import plots

    plots.show(
        plots.all_reduce(states, title="A ring of four devices"),
        alt="Seven maps of four devices by four chunks. All start with 1. In three steps one chunk "
        "a device becomes 4; in the next three the fours go round to all.",
    )


LAYERS = 6  # of the model whose gradients travel


def overlap(send: float) -> Any:
    """Draw a backward pass and its messages, all at its end and each as soon as it can.

    Args:
        send: how long a message takes, in backward passes of a layer.
    """
    from coursekit import plots

    title = "Sent on the way, messages hide behind computing"
    fig, axes = plots.figure(title, columns=2, height=1.9)
    words = "all at the end", "each when its layer is done"
    backward = [(k, 1, f"{LAYERS - k}", plots.COMPARE[0]) for k in range(LAYERS)]
    for ax, starts, title in zip(axes, _starts(send), words, strict=True):
        sent = [
            (start, send, f"g{LAYERS - k}" if send >= 0.5 else "", plots.COMPARE[1])
            for k, start in enumerate(starts)
        ]
        plots.timeline(ax, {"backward": backward, "network": sent}, end=2.5 * LAYERS)
        ax.set(title=title, xlabel="time, in backward passes of a layer")
    return fig


def overlap_in_words(send: float) -> str:
    """Say when the messages of `overlap` have arrived."""
    apart, together = (starts[-1] + send for starts in _starts(send))
    rest = "only the last message is left" if send <= 1 else "they queue: the network is slower"
    return (
        f"Messages at the end: all is done at {apart:g}. Messages on the way: at {together:g}, "
        f"and {rest}."
    )


def _starts(send) -> tuple[list[float], list[float]]:
    """Return when each message leaves: one after the other at the end, and as soon as it can."""
    apart = [LAYERS + k * send for k in range(LAYERS)]
    together: list[float] = []
    for layer in range(LAYERS):
        free = together[-1] + send if together else 0.0
        together.append(max(layer + 1.0, free))
    return apart, together


def show_scaling(logs: dict, names: Any, rates: Any) -> dict:
    """Show the validation losses of several plans, an axis for each rate; return the final scores.

    Args:
        logs: for each (name, rate) what `fit` returned, one a seed.
        names: of the plans.
        rates: the first rates.

    Returns:
        The last validation accuracies for each (name, rate).
    """
    import numpy as np

    from coursekit import plots

    columns = len(rates)
    fig, axes = plots.figure("Eight times the rows", "epoch", "validation loss", columns)
    scores = {}
    for ax, rate in zip(axes, rates, strict=True):
        ax.set(title=f"from rate {rate}", ylim=(0.3, 2.7), xticks=range(1, 6))
        for name, style in zip(names, plots.COMPARE, strict=False):
            some = [log.history for log in logs[name, rate]]
            plots.band(ax, [history["val_loss"] for history in some], style, label=name)
            scores[name, rate] = np.array([history["val_accuracy"][-1] for history in some])
    axes[0].legend(fontsize=8)
    plots.show(
        fig,
        alt="Validation loss over five epochs for four plans, from two rates, with bands over "
        "three seeds.",
    )
    return scores
