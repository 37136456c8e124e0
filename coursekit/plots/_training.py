"""What a `Doctor` recorded: one dashboard."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from coursekit._checks import require
from coursekit.plots._style import COMPARE, HOUSE, TITLE, TRAIN, VALIDATION
from coursekit.plots._values import has

if TYPE_CHECKING:
    from coursekit.diagnosis import Doctor


def training(doctor: "Doctor", title: str = "") -> Figure:
    """Draw what a training looked like from inside: the evidence of a diagnosis.

    Upper left, the loss of the steps and of the epochs. Upper right, how far one step moves each
    matrix by its size. Lower left, the gradient of each matrix, from the input to the output, at
    the first and at the last look. Lower right, the share of units in each layer that are 0 on all
    rows (rectifiers), or of outputs at an end of their range (tanh, sigmoid).

    Args:
        doctor: a `coursekit.diagnosis.Doctor` that `fit` has called.
        title: what the figure shows.

    Raises:
        TypeError: for what is no doctor.
        ValueError: for one that has seen no training.
    """
    has("doctor", doctor, ("record", "validation_data"), "a `Doctor`")
    record = doctor.record
    require(
        bool(record.looks),
        "The doctor must have looked at a training.",
        "Pass it in model.fit(..., callbacks=[doctor])",
        looks=0,
    )
    with plt.rc_context(HOUSE):
        fig, axes = plt.subplots(2, 2, figsize=(9.0, 6.0), layout="constrained")
    fig.suptitle(title, **TITLE)
    _losses(axes[0, 0], record)
    _updates(axes[0, 1], record)
    _gradients(axes[1, 0], record)
    _units(axes[1, 1], record)
    return fig


def _losses(ax, record) -> None:
    ax.set(xlabel="step", ylabel="loss", title="Loss")
    means, steps = record.steps.means, record.steps
    if len(means):
        at = (np.arange(len(means)) + 0.5) * steps.block
        ax.plot(at, means, color=TRAIN.color, alpha=0.35, lw=1, label="of a step")
    if record.epochs and steps.count:
        ends = np.arange(1, len(record.epochs) + 1) * steps.count / len(record.epochs)
        for name, style in (("loss", TRAIN), ("val_loss", VALIDATION)):
            values = record.curve(name)
            if values.size and np.isfinite(values).any():
                look = {"color": style.color, "ls": style.line, "marker": style.marker, "ms": 4}
                ax.plot(ends, values, label=style.label, **look)
    if ax.lines:
        ax.legend()


def _updates(ax, record) -> None:
    ax.set(xlabel="step", ylabel="rms(update) / rms(weights)", title="How far one step moves")
    at = [look.step for look in record.looks]
    for path, style in zip(_some(record.kernels), COMPARE, strict=False):
        ratios = [look.updates[path] / (look.weights[path] + 1e-12) for look in record.looks]
        if np.any(np.asarray(ratios) > 0):
            look = {"color": style.color, "ls": style.line, "marker": style.marker, "ms": 4}
            ax.plot(at, ratios, label=_short(path), **look)
    if ax.lines:
        ax.axhline(1e-3, color="0.6", lw=1, ls=":", label="0.001, usual")
        ax.set_yscale("log")
        _beside(ax)


def _gradients(ax, record) -> None:
    ax.set(xlabel="matrix, from input to output", ylabel="rms(gradient)", title="Gradient")
    for look, style in zip((record.looks[0], record.looks[-1]), COMPARE, strict=False):
        sizes = np.array([look.gradients[path] for path in record.kernels])
        if np.any(sizes > 0):
            places = np.arange(1, len(sizes) + 1)
            looks = {"color": style.color, "ls": style.line, "marker": style.marker, "ms": 4}
            ax.plot(places, np.where(sizes > 0, sizes, np.nan), label=f"step {look.step}", **looks)
    if ax.lines:
        ax.set_yscale("log")
        ax.set_xticks(np.arange(1, len(record.kernels) + 1))
        ax.legend()


def _units(ax, record) -> None:
    ax.set(xlabel="step", ylabel="share", ylim=(-0.05, 1.05), title="Idle or saturated units")
    at = [look.step for look in record.looks]
    seen = record.looks[0].layers
    names = [path for path, one in seen.items() if {"dead", "saturated"} & set(one)]
    for path, style in zip(_some(names), COMPARE, strict=False):
        kind = "dead" if "dead" in seen[path] else "saturated"
        shares = [look.layers.get(path, {}).get(kind, np.nan) for look in record.looks]
        look = {"color": style.color, "ls": style.line, "marker": style.marker, "ms": 4}
        ax.plot(
            at, shares, label=f"{path.split('/')[-1]}, {'idle' if kind == 'dead' else kind}", **look
        )
    if ax.lines:
        _beside(ax)
    else:
        ax.text(0.5, 0.5, "no such layers", ha="center", transform=ax.transAxes)


def _some(names: list[str], most: int = 4) -> list[str]:
    """Return at most so many names, evenly, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[k] for k in np.linspace(0, len(names) - 1, most).round().astype(int)]


def _beside(ax) -> None:
    """Put the legend where no curve can be."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=8)


def _short(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[-2:])
