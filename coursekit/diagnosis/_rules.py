"""What numbers prove: each rule is a pure function of them, and gives a finding or None."""

import numpy as np

from coursekit._findings import Finding
from coursekit.diagnosis._report import finding

# Where a rule begins. They are relative where they can be, and were tried on planted faults and on
# healthy runs (tests/diagnosis).
RMS, COLUMN, COLUMN_SD = 10.0, 30.0, 3.0
MAJORITY, RATIO = 0.9, 10.0
SORTED = -6.0
INDEPENDENT, OTHER, OTHER_SHARE, OTHER_SURE = 3.0, 5.0, 0.6, 0.85
SHARED, LABELS = 0.01, 5.0
COLUMN_TELLS, COLUMN_OTHERS = 0.98, 0.9
MEANS, SPREADS = 5.0, 2.0
BENT = ("sigmoid", "softmax")
BOUNDS = {"relu": (0, np.inf), "sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1),
          "softplus": (0, np.inf)}  # fmt: skip


def not_finite(what: str, rows: np.ndarray, total: int) -> Finding | None:
    """`rows` are the numbers of the rows that hold NaN or infinity."""
    if not len(rows):
        return None
    return finding(
        f"nan_in_{what}",
        f"{len(rows)} of {total} rows hold NaN or infinity; the first is row {rows[0]}.",
        "Fill or leave out what is missing before training: one such row makes all weights NaN.",
    )


def scale(rms: float, spreads: np.ndarray, rescaled: bool, table: bool) -> Finding | None:
    """`spreads` are the standard deviations of the columns."""
    live = spreads[spreads > 0]
    if not len(live):
        return finding(
            "constant_inputs", "All rows of `x` are the same.", "Look at how `x` is made."
        )
    if rescaled:
        return None
    way_out = "Divide by a scale, or begin the model with `Normalization`."
    if rms > RMS:
        return finding(
            "unscaled_inputs",
            f"The inputs have a root mean square of {rms:.3g}, and no layer rescales them.",
            way_out,
        )
    widest = live.max() / np.median(live)
    if table and len(live) > 1 and widest > COLUMN and live.max() > COLUMN_SD:
        return finding(
            "unscaled_inputs",
            f"One column varies {widest:.0f} times as much as the median one.",
            way_out,
        )
    return None


def imbalance(labels: np.ndarray, weighted: bool) -> Finding | None:
    """The share of the most frequent class."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or (
        counts.max() <= MAJORITY * len(labels) and counts.max() <= RATIO * counts.min()
    ):
        return None
    share = counts.max() / len(labels)
    return finding(
        "imbalance",
        f"Always saying class {classes[counts.argmax()]} is right in {share:.1%}.",
        "Compare with that, not with 0; look at recall and precision.",
        "notes" if weighted else "says",
    )


def order(z: float) -> Finding | None:
    """`z`: by how many standard deviations neighbours differ more often than by chance."""
    if z > SORTED:
        return None
    return finding(
        "sorted_rows",
        f"Neighbouring rows share a class far more often than by chance (z = {z:.0f}).",
        "Shuffle before you split: `validation_split` takes the last rows, and `fit` shuffles "
        "arrays only.",
        "asks",
    )


def ending(kind: str, logits: bool | None, activations: tuple, width: int) -> Finding | None:
    """What the last layers give, against what the loss takes."""
    if kind not in ("sparse", "onehot", "binary") or not activations:
        return None
    end = activations[0]
    if kind != "binary" and width == 1:
        return finding(
            "one_output_softmax",
            "A categorical cross-entropy looks at one output: its probability is always 1.",
            "One output: sigmoid and binary cross-entropy. Or as many outputs as classes.",
        )
    if end == "softmax" and width == 1:
        return finding(
            "one_output_softmax", "A softmax over one unit is always 1.", "Take a sigmoid."
        )
    if logits and end in ("softmax", "sigmoid"):
        return finding(
            "activation_twice",
            f"The model ends in {end}, and the loss has from_logits=True.",
            "Drop one of the two. (On TensorFlow Keras warns and takes the logits from before it; "
            "on JAX it trains on another loss without a word.)",
        )
    if len(activations) > 1 and end == "softmax" and activations[1] in ("softmax", "sigmoid"):
        return finding(
            "activation_twice",
            f"The model ends in {activations[1]} and then softmax: no probability can exceed "
            f"{np.e / (np.e + width - 1):.2f}.",
            "Drop one of the two.",
        )
    if kind == "binary" and end == "sigmoid" and activations[1:2] and activations[1] in BENT:
        return finding(
            "activation_twice",
            f"The model ends in {activations[1]} and then sigmoid: all probabilities lie between "
            "0.50 and 0.73.",
            "Drop one of the two.",
        )
    if logits is False and end in ("linear", "relu", "tanh", "softplus", "gelu", "silu"):
        return finding(
            "logits_as_probabilities",
            f"The model ends in {end!r}, and the loss takes its outputs for probabilities.",
            "Give the loss from_logits=True, or end in softmax (sigmoid for binary targets).",
        )
    if logits and end in ("relu", "tanh", "softplus"):
        return finding(
            "bounded_logits",
            f"Logits behind {end} cannot take all values.",
            "Leave the activation of the last layer out.",
        )
    if kind != "binary" and end == "sigmoid" and logits is False:
        return finding(
            "sigmoid_for_softmax",
            "The loss compares classes of which one is right, and sigmoid outputs do not sum to 1.",
            "softmax for one class of several; binary cross-entropy where several may be right.",
            "asks",
        )
    return None


def labels_fit(kind: str, low: float, high: float, width: int, ignored) -> Finding | None:
    """Class numbers against the number of outputs; binary targets against 0 and 1."""
    if kind == "sparse":
        below, above = low < 0 and low != ignored, high >= width and high != ignored
        if width > 1 and (below or above):
            return finding(
                "labels_out_of_range",
                f"Labels go from {low:g} to {high:g}; there are outputs 0 to {width - 1}.",
                "Count classes from 0. (TensorFlow stops or gives NaN, JAX goes on in silence.)",
            )
    if kind in ("binary", "onehot") and (low < 0 or high > 1):
        return finding(
            "labels_out_of_range",
            f"Targets of a cross-entropy go from {low:g} to {high:g}, not from 0 to 1.",
            "Give 0 and 1, or one-hot rows.",
        )
    return None


def reach(kind: str, end: str, targets: np.ndarray) -> Finding | None:
    """Numbers that the last activation cannot give."""
    if kind != "number" or end not in BOUNDS:
        return None
    low, high = BOUNDS[end]
    share = float(np.mean((targets < low) | (targets > high)))
    if share <= 0.01:
        return None
    return finding(
        "outputs_cannot_reach",
        f"{share:.0%} of the targets lie outside of what {end} can give.",
        "Leave the last activation out, or rescale the targets.",
    )


def broadcast(targets: tuple, outputs: tuple, loss: float, aligned: float) -> Finding | None:
    """The loss with targets as they are, and with targets in the shape of the outputs."""
    if np.isclose(loss, aligned, rtol=1e-4, equal_nan=True):
        return None
    return finding(
        "broadcast",
        f"Targets {targets} meet outputs {outputs}: the loss is {loss:.4g}, and {aligned:.4g} once "
        "their shapes are equal. Every row is compared with all others.",
        "Reshape `y` to the outputs' shape.",
    )


def first_loss(loss: float, classes: int) -> Finding | None:
    """The loss before training, without penalties, against that of knowing nothing."""
    chance = float(np.log(max(classes, 2)))
    if np.isfinite(loss) and loss <= 3 * chance + 1:
        return None
    return finding(
        "first_loss",
        f"Before training the loss is {loss:.3g}; knowing nothing costs {chance:.3g}.",
        "Look at the scale of inputs and of the first weights.",
    )


def nothing_trains(count: int, frozen: int) -> Finding | None:
    """How many numbers training moves."""
    if count:
        return None
    return finding(
        "nothing_trains",
        "No number of the model is trainable"
        + (f"; {frozen:,} are frozen." if frozen else ": it has no weights."),
        "Set `trainable = True` where you want it, and compile again.",
    )


def no_gradient(sizes: dict[str, float]) -> Finding | None:
    """The size of each gradient, by the path of its variable."""
    still = [path for path, size in sizes.items() if size == 0]
    if not still:
        return None
    if len(still) == len(sizes):
        return finding(
            "no_gradient",
            "Every gradient is exactly 0.",
            "Something between weights and loss has no slope: rounding, argmax, comparisons, dead "
            "units, or a loss that does not use the outputs.",
        )
    kernels = [path for path in still if path.endswith("kernel")]
    if not kernels:
        return None
    return finding(
        "no_gradient",
        f"The gradient of {kernels[0]} is exactly 0"
        + (f" (and of {len(kernels) - 1} more)." if len(kernels) > 1 else "."),
        "One way to get this is a layer of ReLUs that are 0 for all rows; another, a part of the "
        "model that the loss does not see.",
        "asks",
    )


def rate(start: float, after: float, reference: float, steps: int) -> Finding | None:
    """The loss on fixed rows before and after steps of a copy; `reference`: of knowing nothing."""
    if np.isfinite(after) and after <= 3 * max(start, reference) + 1e-12:
        return None
    return finding(
        "rate_too_high",
        f"{steps} steps of a copy take the loss from {start:.3g} to {after:.3g}.",
        "Divide the learning rate by 10 and look again; `find_learning_rate` finds the edge.",
    )


def independent(score: float, chance: float, spread: float) -> Finding | None:
    """How well simple probes tell the labels from the inputs, and shuffled labels."""
    if score >= chance + INDEPENDENT * spread:
        return None
    return finding(
        "labels_independent",
        f"Neighbours and a linear probe find {score:.1%} of the labels, and of shuffled ones "
        f"{chance:.1%} (+- {spread:.1%}).",
        "Are rows and labels still in one order? Look at ten pairs. Or the inputs answer only in a "
        "way that no simple probe sees: train on half and look at the rest.",
        "asks",
    )


def shared_rows(share: float, own: float) -> Finding | None:
    """Which share of validation rows stands in training too, and how much training repeats."""
    if share <= SHARED or share <= 2 * own:
        return None
    return finding(
        "shared_rows",
        f"{share:.1%} of the validation rows stand in the training rows too.",
        "Remove repeats before you split; rows that belong together stay together.",
    )


def near_rows(share: float, own: float) -> Finding | None:
    """Which share of validation rows lies closer to a training row than those lie to each other."""
    if share <= SHARED or share <= 3 * own + SHARED:
        return None
    return finding(
        "near_duplicates",
        f"{share:.1%} of the validation rows are nearly copies of a training row (a tenth of the "
        f"usual distance to the nearest one); of the training rows themselves {own:.1%}.",
        "Rows of one origin (a patient, a scene, an augmented original) belong on one side of the "
        "split: `GroupKFold`.",
    )


def telling_column(shares: np.ndarray) -> Finding | None:
    """`shares`: of each column, how much of the targets' variance it explains alone."""
    if len(shares) < 2:
        return None
    best = int(np.nanargmax(shares))
    others = float(np.nanmax(np.delete(shares, best)))
    if shares[best] < COLUMN_TELLS or others > COLUMN_OTHERS:
        return None
    return finding(
        "leak_through_column",
        f"Column {best} alone explains {shares[best]:.1%} of the targets, the next best "
        f"{max(others, 0):.1%}.",
        "Will it be known when the model is used? What is made from the target, or later than it, "
        "must go.",
        "asks",
    )


def other_targets(
    train: tuple[float, float, int], valid: tuple[float, float, int]
) -> Finding | None:
    """Mean, standard deviation and number of the targets of both parts."""
    (mean, spread, rows), (other, width, held) = train, valid
    z = abs(mean - other) / (np.hypot(spread / np.sqrt(rows), width / np.sqrt(held)) + 1e-12)
    far = z > MEANS and abs(mean - other) > 0.3 * spread
    wide = max(spread, width) > SPREADS * min(spread, width) and min(rows, held) >= 30
    if not far and not wide:
        return None
    return finding(
        "other_targets",
        f"Targets: mean {mean:.3g} and spread {spread:.3g} in training, {other:.3g} and "
        f"{width:.3g} in validation.",
        "The same units and the same preparation on both sides? Split at random?",
    )


def other_rows(told: float, chance: float, spread: float) -> Finding | None:
    """How well a probe tells validation rows from training rows."""
    if told <= chance + OTHER * spread or told <= OTHER_SHARE:
        return None
    return finding(
        "other_distribution",
        f"A simple probe tells validation rows from training rows in {told:.0%}; if they were "
        f"alike, in {chance:.0%} (+- {spread:.0%}).",
        "Were both parts prepared alike, and split at random? (Other writers, places or days are "
        "told apart too, and may be what you want to know about.)",
        "says" if told > OTHER_SURE else "notes",
    )


def other_labels(z: float, label: int, train: float, valid: float) -> Finding | None:
    """The class whose share differs most."""
    if z <= LABELS:
        return None
    return finding(
        "other_labels",
        f"Class {label} is {train:.1%} of the training rows, {valid:.1%} of the validation rows.",
        "Split at random, or stratified.",
    )


def new_columns(columns: np.ndarray, divides: bool) -> Finding | None:
    """Columns that are constant in training and vary in validation."""
    if not len(columns):
        return None
    return finding(
        "new_in_validation",
        f"{len(columns)} columns are constant in training and vary in validation (the first: "
        f"{columns[0]}).",
        "`Normalization` divides them by nearly 0: leave them out."
        if divides
        else "Their weights learn nothing.",
        "says" if divides else "notes",
    )
