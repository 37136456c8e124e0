"""What the curves of a run prove: pure functions of what `fit` logs, a finding or None each."""

from typing import NamedTuple

import numpy as np

from coursekit._findings import Finding
from coursekit.diagnosis._record import Record
from coursekit.diagnosis._report import finding

RISE, RISE_BY = 6.0, 0.05  # of its own scatter, and of its lowest value
APART = 3.0
SHARE_OF_SCALE = 0.05
LEVEL = 0.02  # an improvement that counts


class Rise(NamedTuple):
    """How far a curve has come up from its lowest point."""

    lowest: float
    epoch: int
    late: float
    z: float


def rise(curve: np.ndarray) -> Rise | None:
    """Return the rise of a validation loss that has turned up for good, or None.

    Its scatter is that of second differences, so that a slope is none; the median of the last
    three epochs counts.
    """
    if len(curve) < 5 or not np.isfinite(curve).all():
        return None
    scatter = np.median(np.abs(np.diff(curve, 2))) / 0.6745 / np.sqrt(6) + 1e-12
    late, best = float(np.median(curve[-3:])), int(curve.argmin())
    lowest = float(curve[best])
    z = (late - lowest) / scatter
    if best >= len(curve) - 3 or z <= RISE or late - lowest <= RISE_BY * abs(lowest):
        return None
    return Rise(lowest, best, late, float(z))


def overfitting(record: Record, elsewhere: bool) -> Finding | None:
    """Validation against training, in inference mode where there was a doctor.

    `elsewhere`: the validation rows are known to be others; then this is a note.
    """
    end, turned = record.end, rise(record.curve("val_loss"))
    train, valid = record.curve("loss"), record.curve("val_loss")
    cure = (
        "Stop at the lowest validation loss (`EarlyStopping(restore_best_weights=True)`); more "
        "rows, augmentation, dropout, weight decay, a smaller network."
    )
    effect = "notes" if elsewhere else "says"
    if turned is not None:
        apart = turned.late - float(np.median(train[-3:])) if len(train) else np.inf
        seen = (
            f"Validation loss was lowest, {turned.lowest:.3g}, after epoch {turned.epoch + 1}, and "
            f"is {turned.late:.3g} now"
        )
        if end is not None and end.valid is not None:
            apart = end.valid.mean - end.train.mean
            error = np.hypot(end.valid.error, end.train.error)
            if not apart > APART * error:
                if train[-1] >= 0.8 * valid[-1]:
                    return None
                more = "; the weights of an earlier epoch are back."
                return finding("overfitting", seen + more, "", "notes")
            seen += f", {apart / error:.0f} standard errors above that of the training rows"
        if apart > 0:
            return finding("overfitting", seen + ".", cure, effect)
        return None
    if end is None or end.valid is None:
        return _gap_of_curves(train, valid, effect)
    apart, error = end.valid.mean - end.train.mean, np.hypot(end.valid.error, end.train.error)
    if end.constant is None or not apart > APART * error:
        return None
    seen = f"In one mode the training rows cost {end.train.mean:.3g}, the validation rows " \
           f"{end.valid.mean:.3g}"  # fmt: skip
    if end.valid.mean > 0.95 * end.constant.mean and apart > 0.3 * end.constant.mean:
        return finding(
            "overfitting",
            f"{seen}; an answer that does not look at the inputs costs {end.constant.mean:.3g}.",
            cure,
            effect,
        )
    if apart > 0.25 * end.constant.mean and end.train.mean < 0.5 * end.valid.mean:
        return finding("overfitting", f"{seen}. It has not turned up yet.", cure, "notes")
    return None


def _gap_of_curves(train, valid, effect) -> Finding | None:
    if len(train) < 3 or len(valid) < 3 or not np.isfinite([train[-1], valid[-1]]).all():
        return None
    late_train, late = float(np.median(train[-3:])), float(np.median(valid[-3:]))
    if late > 2 * late_train and late - late_train > 0.1 * abs(train[0]):
        return finding(
            "overfitting",
            f"Validation loss is {late:.3g}, training loss {late_train:.3g}; it has not turned up.",
            "More rows, augmentation, dropout or weight decay narrow the gap; a note, no harm yet.",
            "notes",
        )
    return None


def validation_too_good(record: Record) -> Finding | None:
    """Validation below training, both in inference mode."""
    end = record.end
    if end is None or end.valid is None:
        return None
    apart = end.train.mean - end.valid.mean
    error = float(np.hypot(end.valid.error, end.train.error))
    scale = abs(end.constant.mean) if end.constant else abs(end.train.mean)
    if not (apart > 4 * error and apart > SHARE_OF_SCALE * scale):
        return None
    return finding(
        "validation_too_good",
        f"In one mode the validation rows cost {end.valid.mean:.3g}, the training rows "
        f"{end.train.mean:.3g}: {apart / error:.0f} standard errors more.",
        "Easier or cleaner rows (augmented training data?), or rows that leaked.",
        "notes",
    )


def loss_against_metric(record: Record) -> Finding | None:
    """A loss that gets better or worse while its metric does not."""
    if not record.epochs:
        return None
    end, last = record.end, record.epochs[-1]
    for name, own in (end.right if end else {}).items():
        logged = _logged(record, name)
        if logged is None:
            continue
        room = 0.2 if name.startswith("val") else 0.3
        if own > last[logged] + room:
            return finding(
                "loss_metric_divergence",
                f"The answers are right in {own:.0%}, and the last {logged} says "
                f"{last[logged]:.0%}.",
                "The metric counts something else: a threshold of 0.5 on logits, 'accuracy' "
                "guessed from shapes, another encoding. Name the one you mean, as "
                "`SparseCategoricalAccuracy`.",
            )
    turned, metric = rise(record.curve("val_loss")), _logged(record, "val_accuracy")
    if turned is not None and metric is not None:
        curve = record.curve(metric)
        if curve.size and np.median(curve[-3:]) >= curve.max() - 0.01:
            return finding(
                "loss_metric_divergence",
                f"{metric} stands at its best, {curve.max():.3g}, while the validation loss rises.",
                "The loss pays for how sure wrong answers are: decide by what you need, answers or "
                "probabilities.",
                "notes",
            )
    curve, losses = record.curve(_logged(record, "accuracy") or ""), record.curve("loss")
    if len(curve) >= 3 and losses.size and losses[0] > 0:
        fell = losses[-1] < 0.5 * losses[0]
        if fell and curve.max() - curve[0] < 0.02 and curve[-1] < 0.9:
            return finding(
                "loss_metric_divergence",
                f"The loss fell from {losses[0]:.3g} to {losses[-1]:.3g} while the accuracy stayed "
                f"at {curve[-1]:.0%}.",
                "Does the metric count what you mean (threshold, shape, encoding)?",
                "asks",
            )
    return None


def _logged(record: Record, name: str) -> str | None:
    """The name under which an accuracy was logged."""
    front = "val_" if name.startswith("val_") else ""
    known = ("accuracy", "acc", "binary_accuracy", "sparse_categorical_accuracy",
             "categorical_accuracy")  # fmt: skip
    return next((front + one for one in known if front + one in record.epochs[-1]), None)


def spikes(record: Record) -> Finding | None:
    """Single steps that cost far more than those around them, after something was learned."""
    means, largest = record.steps.means, record.steps.largest
    if len(means) < 30:
        return None
    scale = abs(record.end.constant.mean) if record.end and record.end.constant else means[0]
    found = []
    for k in range(12, len(means)):
        before, after = means[max(0, k - 20) : k], means[k + 1 : k + 21]
        level = float(np.median(before))
        spread = 1.4826 * float(np.median(np.abs(before - level))) + 1e-12
        high = largest[k] - level
        back = not len(after) or np.median(after) < level + 0.5 * high
        if high > 8 * spread and high > 0.5 * scale and level < 0.7 * scale and back:
            found.append(k)
    if not found:
        return None
    k = max(found, key=lambda one: largest[one])
    block = record.steps.block
    return finding(
        "spikes",
        f"{len(found)} times a step cost far more than those before it; at worst "
        f"{largest[k]:.3g} near step {k * block}, where {np.median(means[max(0, k - 20) : k]):.3g} "
        "was usual.",
        "Look at the rows of that step (outliers, wrong labels); else clip the gradient, or a "
        "smaller learning rate.",
        "says" if largest[k] > 2 * scale else "notes",
    )


def plateau(record: Record) -> Finding | None:
    """A long stretch without progress, far from the end of what was gained."""
    losses = record.curve("loss")
    if len(losses) < 8 or not np.isfinite(losses).all():
        return None
    best, since, longest, level = losses[0], 0, (0, 0), 0.0
    span = abs(losses[0] - losses.min()) + 1e-12
    for epoch, loss in enumerate(losses):
        if loss < best - LEVEL * span:
            best, since = loss, epoch
        elif epoch - since > longest[0]:
            longest, level = (epoch - since, since), float(best)
    stuck = longest[0] >= max(4, 0.4 * len(losses))
    if not stuck or level < 0.1 * abs(losses[0]):
        return None
    return finding(
        "plateau",
        f"From epoch {longest[1] + 1} on the training loss stood at about {level:.3g} for "
        f"{longest[0]} epochs.",
        "Done, or a rate too large for what is left: go on for a few epochs at a tenth of it and "
        "compare.",
        "notes",
    )


def by_curves_alone(record: Record) -> list[Finding | None]:
    """Diseases of a run of which only the logs are known: at most as questions."""
    losses = record.curve("loss")
    if len(losses) < 3:
        return []
    if not np.isfinite(losses).all():
        first = int(np.flatnonzero(~np.isfinite(losses))[0])
        return [
            finding(
                "nan",
                f"The loss is not finite from epoch {first + 1} on.",
                "A callback `Doctor(x, y)` tells which step it was, and what was first.",
            )
        ]
    return [_too_high(losses), _too_low(losses), _stopped_high(record, losses)]


def _too_high(losses) -> Finding | None:
    span, rises = losses.max() - losses.min(), np.diff(losses)
    up = rises > 0.1 * abs(losses[:-1])
    grew = losses[-1] > 1.5 * abs(losses[0])
    if not grew and (np.mean(up) < 0.25 or span < 0.2 * abs(losses[0])):
        return None
    return finding(
        "rate_too_high",
        f"The training loss goes up by over a tenth in {up.sum()} of {len(up)} epochs; it was "
        f"{losses[0]:.3g} in the first and is {losses[-1]:.3g}.",
        "Divide the learning rate by 10. A batch that is too small looks the same: a larger one "
        "with the same rate decides.",
        "says" if grew else "asks",
    )


def _too_low(losses) -> Finding | None:
    if len(losses) < 5 or not np.all(np.diff(losses) < 0) or losses[0] <= 0:
        return None
    fell, third = 1 - losses[-1] / losses[0], max(1, len(losses) // 3)
    early, late = losses[0] - losses[third], losses[-1 - third] - losses[-1]
    if fell > 0.3 or late < 0.5 * early:
        return None
    return finding(
        "rate_too_low",
        f"The training loss falls in every epoch, by {fell:.0%} in all, and no slower at the end.",
        "Thirty steps on the same batches at ten times the rate decide. A gradient that vanishes "
        "looks the same from here.",
        "asks",
    )


def _stopped_high(record, losses) -> Finding | None:
    third = max(2, len(losses) // 3)
    flat = abs(losses[-third] - losses[-1]) < 0.03 * abs(losses[0])
    valid = record.curve("val_loss")
    near = not len(valid) or valid[-1] < 1.15 * losses[-1]
    if len(losses) < 5 or not (flat and near and losses[-1] > 0.4 * abs(losses[0])):
        return None
    if losses[-1] > 0.95 * abs(losses[0]):
        return finding(
            "not_learning",
            f"Training loss stands where it began: {losses[0]:.3g} in the first epoch, "
            f"{losses[-1]:.3g} in the last.",
            "A gradient that vanishes, units that are dead, a rate far too low and labels in "
            "another order look alike from here: a `Doctor` sees the gradient of each layer.",
            "asks",
        )
    return finding(
        "underfitting",
        f"Training loss has stopped at {losses[-1]:.3g}, {losses[-1] / losses[0]:.0%} of the first "
        "epoch's, and validation is no worse.",
        "A larger network that gets lower decides; noise in the targets would stop that one too.",
        "notes",
    )
