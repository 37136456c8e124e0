"""What the record of a run proves about the network: pure functions, a finding or None each.

Most diseases are looked for only in a run that has not learned: so a healthy one cannot have them.
Sizes are compared with the run's own: the loss of the best constant answer, the weights before
training, the other layers, two simple probes on the inputs.
"""

import numpy as np

from coursekit._findings import Finding
from coursekit.diagnosis._record import End, Look, Record
from coursekit.diagnosis._report import finding

CLEAR, SHARE = 3.0, 0.05  # standard errors and share of the constant answer: it has learned
PUSH, SHOVE = 0.1, 0.5  # one update moves a matrix by so much of its size; one of the first two
STILL, SLOW = 0.05, 0.2  # how far a matrix went in a whole run
SHRINKS, FLAT = 1e-3, 1e-2  # gradient times weight, first layer to last; spread, last to largest
STEEP = 1e3  # percent of loss for a percent of weights
DEAD, ENDS = 0.9, 0.5
GAP, PART = 1.5, 0.1
BEATEN, BEATEN_BY = 4.0, 0.1
SMALL, ENOUGH = 3.0, 50  # rows, steps
SHRUNK = 0.1


def learned(record: Record) -> bool:
    """Whether the model is better than any answer that does not look at the inputs."""
    end = record.end
    if end is None:
        return True
    if (
        end.accuracy is not None
        and end.z > 5
        and end.accuracy > end.chance + 0.15 * (1 - end.chance)
    ):
        return True
    if end.gain is not None and end.constant is not None:
        clear = end.gain.mean > CLEAR * end.gain.error
        enough = end.gain.mean > SHARE * abs(end.constant.mean)
        return bool(clear and (enough or end.gain.mean > 2 * CLEAR * end.gain.error))
    if not record.looks:
        return True
    first = record.looks[0].loss
    return bool(first - end.train.mean > 0.1 * abs(first))


def gained(record: Record) -> float:
    """Return the share of the constant answer's loss that is gone; NaN where it is not known."""
    end = record.end
    if end is None or end.gain is None or end.constant is None or not end.constant.mean:
        return np.nan
    return end.gain.mean / abs(end.constant.mean)


def beaten(end: End | None) -> bool:
    """Whether neighbours or a straight line on the raw inputs answer better than the network."""
    if end is None or end.simple is None or end.accuracy is None:
        return False
    lead = end.simple - end.accuracy
    return bool(lead > BEATEN * end.error and lead > BEATEN_BY)


def falling(record: Record) -> bool:
    """Whether the training loss was still on its way down at the end."""
    late = record.curve("loss")[-3:]
    return bool(len(late) < 3 or (late[2] < 0.98 * late[1] and late[1] < 0.98 * late[0]))


def nan(record: Record) -> Finding | None:
    """A loss that was not finite, and what the steps before it were like."""
    if record.nan is None:
        return None
    means = record.steps.means
    first, last = (means[0], means[-1]) if len(means) else (np.nan, np.nan)
    grew = len(means) > 1 and means.max() > 5 * abs(first) and means[-1] > 2 * abs(first)
    where = _lost(record)
    if grew:
        return finding(
            "nan",
            f"From step {record.nan} the loss is not finite, after it had grown from {first:.3g} "
            f"to {means.max():.3g}: it diverged.{where}",
            "Lower the learning rate, or clip the gradient (`global_clipnorm=1.0`).",
        )
    seen = f"The loss before it was {last:.3g}." if len(means) else "It was so from the start."
    return finding(
        "nan",
        f"From step {record.nan} the loss is not finite. {seen}{where}",
        "A loss that had not grown points at log(0), 0/0 or the root of 0 in a loss or a layer, or "
        "at the rows of that step: `value_and_gradients` on them, one at a time, tells.",
        "asks",
    )


def _lost(record: Record) -> str:
    """A sentence on what was not finite first, if a look has seen it."""
    for look in record.looks:
        for path, one in look.layers.items():
            if one["finite"] < 1:
                return f" At step {look.step} the output of {path} is not finite."
        for path, size in look.gradients.items():
            if not np.isfinite(size):
                return f" At step {look.step} the gradient of {path} is not finite."
    return ""


def exploding(record: Record) -> Finding | None:
    """The gradient at the start, times the weights, against the loss."""
    if not record.looks:
        return None
    look, scale = record.looks[0], _scale(record)
    if not record.kernels:
        return None
    steep = {
        path: look.gradients[path] * look.weights[path] * record.sizes[path]
        / max(abs(look.loss), 0.1 * scale, 1e-12)
        for path in record.kernels
    }  # fmt: skip
    path = max(steep, key=lambda one: np.nan_to_num(steep[one], nan=np.inf, posinf=np.inf))
    lossy = np.isfinite(scale) and look.loss > 10 * scale
    if not np.isfinite([look.loss, steep[path]]).all() or (steep[path] < STEEP and not lossy):
        return None
    seen = (
        f"Before the first step a change of {path} by 1 % changes the loss by {steep[path]:.0f} %."
        if steep[path] >= STEEP
        else f"Before the first step the loss is {look.loss:.3g}, a constant answer's {scale:.3g}."
    )
    return finding(
        "exploding",
        seen,
        "Start smaller (He for ReLU, orthogonal for recurrent kernels), normalize between layers, "
        "scale the inputs, or clip the gradient.",
    )


def _scale(record: Record) -> float:
    """The loss of the best constant answer, or else of the start."""
    if record.end is not None and record.end.constant is not None:
        return abs(record.end.constant.mean)
    return abs(record.looks[0].loss) if record.looks else np.nan


def frozen(record: Record) -> Finding | None:
    """Matrices that have a gradient and never moved."""
    if not record.moved or not record.looks:
        return None
    seen = [look.gradients for look in record.looks]
    still = [
        path
        for path in record.kernels
        if record.moved.get(path) == 0 and max(one.get(path, 0) for one in seen) > 0
    ]
    if not still:
        return None
    rates = {look.rate for look in record.looks}
    if rates == {0.0}:
        return finding("rate_too_low", "The learning rate was 0.", "Give it a value.")
    share = f"{len(still)} of {len(record.kernels)} matrices have a gradient and did not move"
    return finding(
        "frozen",
        f"{share}, the first is {still[0]}.",
        "One way to get this is `trainable` changed after a first `fit`: compile again after it.",
    )


def held_back(record: Record) -> Finding | None:
    """A run that falls short while most of its numbers do not train."""
    share = record.frozen / max(record.frozen + record.trains, 1)
    if share < 0.5:
        return None
    return finding(
        "frozen",
        f"{share:.0%} of the numbers of the model do not train, and it falls short.",
        "Is it meant so? If not, set `trainable = True` and compile again; if it is, the frozen "
        "part does not know what this task needs.",
        "asks",
    )


def batch_norm_gap(record: Record) -> Finding | None:
    """The same rows with the moving and with their own statistics."""
    end = record.end
    if end is None or end.inference is None or end.own is None:
        return None
    first = abs(record.looks[0].loss) if record.looks else end.own
    gap = end.inference - end.own
    if np.isfinite(end.inference) and not (
        end.inference > GAP * end.own + 3 * end.train.error and gap > PART * first
    ):
        return None
    return finding(
        "batch_norm_gap",
        f"The same rows cost {end.own:.3g} with their own statistics and {end.inference:.3g} with "
        "the moving ones, which `evaluate` and `predict` use.",
        "More steps, a smaller `momentum`, larger batches, or one pass over the data to refresh "
        "the statistics.",
    )


def vanishing(record: Record) -> Finding | None:
    """Gradient times weight from the last to the first layer, and the signal on its way."""
    if not record.looks or len(record.kernels) < 4 or _dead_at_start(record):
        return None
    first, last = record.kernels[0], record.kernels[-1]
    sizes = {
        path: float(np.median([look.gradients[path] * look.weights[path] for look in record.looks]))
        for path in (first, last)
    }
    if sizes[last] > 0 and sizes[first] < SHRINKS * sizes[last]:
        return finding(
            "vanishing",
            f"Gradient times weight of {first} is {sizes[first] / sizes[last]:.0e} of that of "
            f"{last}.",
            "ReLU with He's start, residual connections, or normalization between layers.",
        )
    spreads = _spreads(record.looks[0])
    if len(spreads) > 2 and spreads[-1] < FLAT * max(spreads):
        return finding(
            "vanishing",
            f"The signal shrinks on its way in: its spread is {max(spreads):.2g} in one layer and "
            f"{spreads[-1]:.1e} in the last hidden one.",
            "Start larger (Glorot for tanh, He for ReLU), or normalize between layers.",
        )
    return None


def _spreads(look: Look) -> list[float]:
    """The spreads of the hidden layers' outputs, in their order."""
    return [one["spread"] for one in list(look.layers.values())[:-1]]


def _dead(layers: dict) -> dict[str, float]:
    return {path: one["dead"] for path, one in layers.items() if "dead" in one}


def _dead_at_start(record: Record) -> bool:
    return bool(record.looks) and max(_dead(record.looks[0].layers).values(), default=0) > DEAD


def _far(record: Record) -> float:
    """How far the matrix that moved most is from its start, by its size then."""
    return max((record.moved[path] for path in record.kernels if path in record.moved), default=0.0)


def symmetric(record: Record) -> Finding | None:
    """Units of one layer that gave the same at the start and give the same now."""
    if not record.looks:
        return None
    first, last = record.looks[0].layers, record.looks[-1].layers
    for path, one in list(first.items())[:-1]:
        same = one.get("alike", 1.0) <= 1e-6 and last.get(path, {}).get("alike", 1.0) <= 1e-3
        if same and one["spread"] > 0:
            return finding(
                "symmetric_units",
                f"All units of {path} give the same number on every row, at step 0 and at step "
                f"{record.looks[-1].step}: they are one unit.",
                "Weights that begin equal stay equal: start them at random.",
            )
    return None


def saturated(record: Record) -> Finding | None:
    """Outputs of hidden bounded layers at the ends of their range."""
    end, last = record.end, _last_layer(record)
    moves = [record.moved[path] for path in record.kernels if path in record.moved]
    if end is None or not moves or np.median(moves) >= 1:
        return None
    for path, one in end.layers.items():
        if one.get("saturated", 0) > ENDS and path != last:
            return finding(
                "saturated",
                f"{one['saturated']:.0%} of the outputs of {path} lie within 1 % of an end of "
                "their range, where the slope is nearly 0.",
                "Scale the inputs, start with smaller weights, or normalize before the activation.",
            )
    return None


def _last_layer(record: Record) -> str:
    layers = record.end.layers if record.end else {}
    return next(reversed(layers), "")


def dead_at_start(record: Record) -> Finding | None:
    """Rectified units that were 0 on all rows before the first step."""
    if not _dead_at_start(record):
        return None
    dead = _dead(record.looks[0].layers)
    path = max(dead, key=lambda one: dead[one])
    return finding(
        "dead_units",
        f"{dead[path]:.0%} of the units of {path} were 0 on all rows looked at before the first "
        "step: no gradient passes them.",
        "Look at the biases and the scale of the inputs; He's start; leaky ReLU.",
    )


def killed(record: Record) -> Finding | None:
    """Rectified units that are 0 on all rows now, and were not at the start."""
    dead = _dead(record.end.layers) if record.end else {}
    path = max(dead, key=lambda one: dead[one], default=None)
    if path is None or dead[path] <= DEAD or _dead_at_start(record):
        return None
    before = _dead(record.looks[0].layers).get(path, 0.0) if record.looks else 0.0
    return finding(
        "dead_units",
        f"{dead[path]:.0%} of the units of {path} are 0 on all rows; {before:.0%} were before the "
        "first step.",
        "A smaller learning rate (the first steps kill), warmup, or leaky ReLU.",
    )


def push(record: Record, looks: list[Look]) -> tuple[float, str, int]:
    """The largest update of a matrix by its size: how much, of which, at which step."""
    found = [
        (look.updates[path] / max(look.weights[path], record.start[path]), path, look.step)
        for look in looks
        for path in record.kernels
    ]
    return max((one for one in found if np.isfinite(one[0])), default=(0.0, "", 0))


def rate_too_high(record: Record, ill: bool) -> Finding | None:
    """Updates as large as the weights themselves, in a run that has not learned (`ill`) or lags."""
    if record.end is None or not record.looks:
        return None
    far, path, step = push(record, record.looks if ill else record.looks[2:])
    if not ill and far <= PUSH:
        far, path, step = push(record, record.looks[:2])
        if far <= SHOVE:
            return None
    first, now = record.looks[0].loss, record.end.train.mean
    if far <= PUSH or (ill and now < 0.5 * abs(first) and not killed(record)):
        return None
    return finding(
        "rate_too_high",
        f"One update (step {step}) moved {path} by {far:.0%} of its size; the loss was "
        f"{first:.3g} at the start and is {now:.3g}.",
        "Divide the learning rate by 10 and compare thirty steps on the same batches.",
    )


def swings(record: Record) -> Finding | None:
    """A loss that was better before, by much, on the same rows."""
    scale = _scale(record)
    losses = np.array([look.loss for look in record.looks])
    if len(losses) < 4 or record.end is None or not np.isfinite(scale):
        return None
    now, best = record.end.train.mean, float(np.nanmin(losses))
    far = push(record, record.looks[2:])[0]
    if now > 2 * best and now - best > 0.3 * scale and far > PUSH / 2:
        return finding(
            "rate_too_high",
            f"The loss on fixed rows has been {best:.3g} and is {now:.3g} now; late updates still "
            f"move a matrix by {far:.0%} of its size.",
            "Go back to the best epoch and on with a tenth of the learning rate, or clip.",
        )
    return None


def rate_too_low(record: Record, poor: bool) -> Finding | None:
    """Weights that have hardly moved while the loss on fixed rows falls at nearly every look."""
    moved = [record.moved[path] for path in record.kernels if path in record.moved]
    losses = [look.loss for look in record.looks]
    epochs = record.curve("loss")
    if not moved or len(losses) < 2 or max(moved) >= (STILL if poor else SLOW):
        return None
    curves = [np.diff(one) < 0 for one in (losses, epochs) if len(one) > 2]
    steady = max((float(np.mean(one)) for one in curves), default=1.0)
    if steady <= 0.7 or not any(np.any(one) for one in curves):
        return None
    return finding(
        "rate_too_low",
        f"In {record.steps.count} steps no matrix has moved by more than {max(moved):.1%} of its "
        f"size, and the loss falls at {steady:.0%} of the looks.",
        "Multiply the learning rate by 10 until thirty steps no longer gain from it "
        "(`find_learning_rate` does that), or train on: few steps look the same.",
        "says" if poor and record.steps.count >= ENOUGH else "asks",
    )


def small_batch(record: Record, falls_short: bool = False) -> Finding | None:
    """How many rows one step's loss seems to average, by its scatter."""
    end, steps = record.end, record.steps
    if end is None or not end.row_scatter or steps.count < ENOUGH or not steps.scatter:
        return None
    late = steps.means[len(steps.means) // 2 :]
    noisy = steps.scatter / (abs(float(np.mean(late))) + 1e-12)
    rows = (end.row_scatter / (abs(end.train.mean) + 1e-12) / noisy) ** 2
    if rows >= SMALL or noisy < 0.5:
        return None
    return finding(
        "batch_too_small",
        f"Neighbouring steps differ by {noisy:.0%} of the loss: as if batches had {rows:.1f} rows.",
        "Larger batches, a smaller learning rate or a decay to 0 at the end.",
        "asks" if falls_short else "notes",
    )


def not_learning(record: Record) -> Finding:
    """Nothing else was seen in a run that has not learned."""
    end = record.end
    reference = f"; a constant answer has {end.constant.mean:.3g}" if end and end.constant else ""
    more = ""
    if end and end.simple is not None and end.simple > end.simple_chance + 0.1:
        more = f" Neighbours or a line on the raw inputs would get {end.simple:.0%}."
    return finding(
        "not_learning",
        f"The loss is {end.train.mean if end else np.nan:.3g}{reference}, and the weights moved by "
        f"{_far(record):.0%}.{more}",
        "Can it learn ten rows by heart? If so, the labels do not follow from the inputs (rows "
        "and labels in one order?) or it must train longer; if not, the model, the loss or the "
        "rate is at fault.",
        "asks",
    )


def underfitting(record: Record) -> Finding | None:
    """Simple probes on the raw inputs that do better."""
    end = record.end
    if end is None or not beaten(end):
        return None
    unit = "of the labels of each class" if end.kind == "classes" else "of the variance"
    still = falling(record)
    return finding(
        "underfitting",
        f"Neighbours or a line on the raw inputs get {end.simple:.0%} {unit}, the network "
        f"{end.accuracy:.0%}.",
        "The training loss still falls: train three times as long."
        if still
        else "The training loss has stopped: a larger network, less regularization, another start.",
        "notes" if still else "says",
    )


def over_regularized(record: Record) -> Finding | None:
    """Matrices that have shrunk to nearly nothing."""
    sizes = [record.finish[path] / record.start[path] for path in record.kernels
             if path in record.finish]  # fmt: skip
    if not sizes or not np.median(sizes) < SHRUNK:
        return None
    return finding(
        "too_much_regularization",
        f"The matrices have shrunk to {np.median(sizes):.1%} of their first size.",
        "The penalty or the weight decay is stronger than the data: divide it by 10 until the "
        "training loss falls.",
    )


def never_said(record: Record) -> Finding | None:
    """A class of some size that no row gets, although others are told apart."""
    if record.end is None or record.end.never is None:
        return None
    label, share = record.end.never
    return finding(
        "collapse",
        f"No row is called {label}; {share:.0%} are.",
        "Look at the weight of that class, at its labels and at its recall.",
        "asks",
    )


def collapse(record: Record, beside: bool) -> Finding | None:
    """One class for every row."""
    end = record.end
    if end is None or end.said is None or end.said < 1 or end.share >= 0.999:
        return None
    more = end.simple is not None and end.simple > end.simple_chance + 3 * end.simple_spread
    return finding(
        "collapse",
        f"Every row is called {end.common}; {end.share:.0%} are.",
        "Weights for the classes, a lower threshold, or longer training; look at recall.",
        "notes" if beside or not more else "says",
    )
