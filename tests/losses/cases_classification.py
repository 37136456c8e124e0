"""The classification losses: data, references as loops, configurations."""

import numpy as np
from loss_case import Case

from coursekit import losses

C = 4


def log_softmax(z):
    z = z - z.max()
    return z - np.log(np.exp(z).sum())


def log_p_of(row, from_logits):
    """Log-probabilities of one row, as Keras's crossentropy makes them."""
    return log_softmax(row) if from_logits else np.log(np.maximum(row / max(row.sum(), 1e-7), 1e-7))


def each_label(y_true, y_pred, axis, value):
    """Call value(label, row) for each label, in any shape."""
    y_pred = np.moveaxis(y_pred, axis, -1)
    out = np.zeros(y_pred.shape[:-1])
    labels = np.asarray(y_true).reshape(out.shape)
    for index in np.ndindex(*out.shape):
        out[index] = value(int(labels[index]), y_pred[index])
    return out


def focal(y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, ignore_class=None, axis=-1):
    def of_class(c, row):
        log_p = log_p_of(row, from_logits)
        wrong = sum(np.exp(log_p[k]) for k in range(len(row)) if k != c)
        if not from_logits:
            wrong = max(1 - np.exp(log_p[c]), 1e-7)
        weight = alpha[c] if np.ndim(alpha) else alpha
        return -weight * wrong**gamma * log_p[c]

    if np.shape(y_true) == y_pred.shape and y_pred.shape[axis] > 1:  # soft labels
        values = np.zeros(len(y_pred))
        for i, row in enumerate(y_pred):
            values[i] = sum(y_true[i][c] * of_class(c, row) for c in range(len(row)))
        return values

    def value(label, row):
        return 0.0 if label == ignore_class else of_class(label, row)

    return each_label(y_true, y_pred, axis, value)


def smoothed(
    y_true, y_pred, label_smoothing=0.1, from_logits=False, ignore_class=None, axis=-1, weights=None
):
    def value(label, row):
        if label == ignore_class:
            return 0.0
        log_p, total = log_p_of(row, from_logits), 0.0
        for c in range(len(row)):
            q = (1 - label_smoothing) * (c == label) + label_smoothing / len(row)
            total -= q * log_p[c]
        return total * (1.0 if weights is None else weights[label])

    return each_label(y_true, y_pred, axis, value)


def balanced(
    y_true,
    y_pred,
    samples_per_class,
    beta=0.999,
    label_smoothing=0.0,
    from_logits=False,
    ignore_class=None,
    axis=-1,
):
    # The effective number is 1 + beta + ... + beta ** (n - 1).
    effective = [sum(beta**k for k in range(n)) for n in samples_per_class]
    total = sum(1 / e for e in effective)
    weights = [len(effective) / e / total for e in effective]
    return smoothed(
        y_true, y_pred, label_smoothing, from_logits, ignore_class, axis=axis, weights=weights
    )


def hinge(y_true, y_pred, margin=1.0, ignore_class=None, axis=-1):
    def value(label, row):
        if label == ignore_class:
            return 0.0
        best = max(row[c] for c in range(len(row)) if c != label)
        return max(0.0, margin + best - row[label])

    return each_label(y_true, y_pred, axis, value)


def logits(rng, rows):
    return rng.integers(0, C, rows), rng.normal(0, 2, (rows, C))


def probabilities(rng, rows):
    z = np.exp(rng.normal(0, 1, (rows, C)))
    return rng.integers(0, C, (rows, 1)), z / z.sum(-1, keepdims=True)


def soft(rng, rows):
    """Labels as mixup leaves them: two classes share a row."""
    share = rng.beta(0.4, 0.4, (rows, 1))
    one_hot = np.eye(C)[rng.integers(0, C, (2, rows))]
    return (share * one_hot[0] + (1 - share) * one_hot[1]).astype("float32"), rng.normal(
        0, 2, (rows, C)
    )


def images(rng, rows):
    """Classes on axis 1, and labels -1 that do not count."""
    y = rng.integers(-1, C, (rows, 3, 2))
    return np.where(np.arange(3)[:, None] == 0, 1, y), rng.normal(0, 2, (rows, C, 3, 2))


def hard_logits(rng):
    sure = 100 * np.eye(C)
    return [
        ("right at 100", np.arange(C), sure),
        ("wrong at 100", (np.arange(C) + 1) % C, sure),
        ("right at -100", np.arange(C), -sure),
        ("all equal", np.arange(C), np.full((C, C), -100.0)),
        ("gap 200", np.array([0, 1]), np.array([[100.0, -100, -100, -100]] * 2)),
        ("one class", np.zeros(3, int), rng.normal(0, 1, (3, C))),
        ("no row", np.zeros(0, int), np.zeros((0, C))),
    ]


def hard_soft(rng):
    sure, half = 100 * np.eye(C), np.full((C, C), 1 / C)
    return [
        ("sure of one", half, sure),
        ("surely not one", half, -sure),
        ("one-hot, right", np.eye(C), sure),
        ("one-hot, wrong", np.roll(np.eye(C), 1, axis=0), sure),
        ("no row", np.zeros((0, C)), np.zeros((0, C))),
    ]


def hard_probabilities(rng):
    return [
        ("certain, right", np.arange(C), np.eye(C)),
        ("certain, wrong", (np.arange(C) + 1) % C, np.eye(C)),
        ("all zero", np.arange(C), np.zeros((C, C))),
    ]


def hard_ignored(rng):
    z = rng.normal(0, 2, (2, C, 3, 2))
    return [
        ("all ignored", np.full((2, 3, 2), -1), z),
        ("ignored at 100", np.full((2, 3, 2), -1), 100 * np.sign(z)),
        ("one counts", np.where(np.arange(12).reshape(2, 3, 2) == 5, 2, -1), z),
    ]


def family(name, loss, function, reference, configs, invalid):
    """Make a case of each configuration; the kind of data follows from it."""
    cases = []
    for variant, config in configs.items():
        data, hard = logits, hard_logits
        if variant == "soft":
            data, hard = soft, hard_soft
        elif config.get("axis") == 1:
            data, hard = images, hard_ignored
        elif config.get("from_logits") is False:
            data, hard = probabilities, hard_probabilities
        cases.append(
            Case(
                name=f"{name}-{variant}",
                loss=loss,
                function=function,
                config=config,
                reference=reference,
                data=data,
                hard=hard,
                integer_labels=variant != "soft",
                labels="soft" if variant == "soft" else "class",
                # The mean over the labels that count is a ratio, one for each replica.
                replicas=config.get("ignore_class") is None,
                invalid=[{**config, **bad} for bad in invalid],
            )
        )
    return cases


LOGITS = {"from_logits": True}
IGNORE = {"from_logits": True, "ignore_class": -1, "axis": 1}
COUNTS = [1000, 100, 10, 1]

CASES = [
    *family(
        "focal",
        losses.SparseCategoricalFocalCrossentropy,
        losses.sparse_categorical_focal_crossentropy,
        focal,
        {
            "logits": LOGITS,
            "probabilities": {"from_logits": False, "gamma": 1.5, "alpha": 0.7},
            "gamma-half": {**LOGITS, "gamma": 0.5, "alpha": [0.1, 0.2, 0.3, 0.9]},
            "ignore": {**IGNORE, "gamma": 1.0, "alpha": [0.5, 2.0, 1.0, 0.0]},
            "soft": {**LOGITS, "gamma": 1.5, "alpha": [0.1, 0.2, 0.3, 0.9]},
        },
        [{"alpha": -0.1}, {"alpha": [0.5, -1.0]}, {"gamma": -1}, {"gamma": "2"}, {"alpha": []}],
    ),
    *family(
        "label-smoothed",
        losses.LabelSmoothedCrossentropy,
        losses.label_smoothed_crossentropy,
        smoothed,
        {
            "logits": LOGITS,
            "probabilities": {"from_logits": False, "label_smoothing": 0.25},
            "ignore": {**IGNORE, "label_smoothing": 0.3},
        },
        [{"label_smoothing": -0.1}, {"label_smoothing": 1.1}, {"label_smoothing": None}],
    ),
    *family(
        "class-balanced",
        losses.ClassBalancedCrossentropy,
        losses.class_balanced_crossentropy,
        balanced,
        {
            "logits": {**LOGITS, "samples_per_class": COUNTS},
            "probabilities": {
                "samples_per_class": COUNTS,
                "from_logits": False,
                "beta": 0.9,
                "label_smoothing": 0.1,
            },
            "ignore": {**IGNORE, "samples_per_class": COUNTS, "beta": 0.99},
        },
        [
            {"beta": 1.0},
            {"beta": -0.1},
            {"samples_per_class": [0, 1]},
            {"samples_per_class": []},
            {"samples_per_class": 3},
            {"label_smoothing": 2},
        ],
    ),
    *family(
        "hinge",
        losses.CrammerSingerHinge,
        losses.crammer_singer_hinge,
        hinge,
        {
            "default": {},
            "margin": {"margin": 2.5},
            "ignore": {"margin": 0.5, "ignore_class": -1, "axis": 1},
        },
        [{"margin": 0}, {"margin": -1}, {"margin": float("nan")}],
    ),
]
