"""The losses on masks: data, references as loops, configurations."""

import numpy as np
from cases_classification import log_softmax
from loss_case import Case

from coursekit import losses

C, H, W = 3, 3, 4


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def mean_of(values, weights):
    """The weighted mean of a list."""
    weights = weights or [1.0] * len(values)
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def each_image(one, y_true, y_pred, ignore_class, class_weights, multilabel, from_logits, **more):
    """The value of each image; with `multilabel` the mean over its channels, each by itself."""
    values = []
    for labels, image in zip(y_true, y_pred, strict=True):
        if multilabel:
            alone = []
            for c in range(image.shape[-1]):
                channel = labels.reshape(image.shape)[..., c], image[..., c : c + 1]
                alone.append(one(pixels_of(*channel, ignore_class, from_logits), None, **more))
            values.append(mean_of(alone, class_weights))
        else:
            pixels = pixels_of(labels, image, ignore_class, from_logits)
            values.append(one(pixels, class_weights, **more))
    return np.array(values)


def pixels_of(labels, image, ignore_class, from_logits):
    """The pixels that count, as (one-hot target, probabilities, crossentropy)."""
    found = []
    labels = labels.reshape(image.shape[:-1])
    for index in np.ndindex(*image.shape[:-1]):
        label, row = labels[index], image[index]
        if label == ignore_class:
            continue
        if len(row) == 1:
            p = sigmoid(row[0]) if from_logits else row[0]
            log_p = np.log(np.clip([1 - p, p], 1e-7, 1 - 1e-7))
            if from_logits:
                log_p = -np.logaddexp(0, row[0]), -np.logaddexp(0, -row[0])
            found.append((np.array([float(label)]), np.array([p]), -log_p[int(label)]))
        else:
            if from_logits:
                p = np.exp(log_softmax(row))
                crossentropy = -log_softmax(row)[label]
            else:
                p = row
                crossentropy = -np.log(max(row[label] / row.sum(), 1e-7))
            target = np.array([float(c == label) for c in range(len(row))])
            found.append((target, p, crossentropy))
    return found


def counts(pixels, c):
    tp = sum(t[c] * p[c] for t, p, _ in pixels)
    fp = sum((1 - t[c]) * p[c] for t, p, _ in pixels)
    fn = sum(t[c] * (1 - p[c]) for t, p, _ in pixels)
    return np.array([tp, fp, fn], "float64")


def crossentropy_dice(
    y_true,
    y_pred,
    ce_weight=0.5,
    smooth=1.0,
    per_class=True,
    class_weights=None,
    multilabel=False,
    from_logits=False,
    ignore_class=None,
):
    def one(pixels, class_weights):
        crossentropy = sum(ce for _, _, ce in pixels) / max(len(pixels), 1)
        of_class = [counts(pixels, c) for c in range(channels(pixels))]
        if not per_class:
            of_class = [mean_of(of_class, class_weights) * len(of_class)] if of_class else []
        dice = [1 - (2 * tp + smooth) / (2 * tp + fp + fn + smooth) for tp, fp, fn in of_class] or [
            0.0
        ]
        weights = class_weights if len(dice) > 1 else None
        return ce_weight * crossentropy + (1 - ce_weight) * mean_of(dice, weights)

    return each_image(one, y_true, y_pred, ignore_class, class_weights, multilabel, from_logits)


def channels(pixels):
    return len(pixels[0][0]) if pixels else 0


def focal_tversky(
    y_true,
    y_pred,
    fp_weight=0.5,
    fn_weight=0.5,
    exponent=0.75,
    smooth=1.0,
    class_weights=None,
    multilabel=False,
    from_logits=False,
    ignore_class=None,
):
    def one(pixels, class_weights):
        values = []
        for c in range(channels(pixels)):
            tp, fp, fn = counts(pixels, c)
            index = (tp + smooth) / (tp + fp_weight * fp + fn_weight * fn + smooth)
            values.append(max(0.0, 1 - index) ** exponent)
        return mean_of(values, class_weights) if values else 0.0

    return each_image(one, y_true, y_pred, ignore_class, class_weights, multilabel, from_logits)


def lovasz_softmax(
    y_true,
    y_pred,
    classes="present",
    class_weights=None,
    multilabel=False,
    from_logits=False,
    ignore_class=None,
):
    def one(pixels, class_weights):
        pairs = [(t, p) for t, p, _ in pixels]
        if channels(pixels) == 1:
            pairs = [(np.array([1 - t[0], t[0]]), np.array([1 - p[0], p[0]])) for t, p in pairs]
        found, weights = [], []
        for c in range(max(2, channels(pixels))):
            truth = {i for i, (t, _) in enumerate(pairs) if t[c] == 1}
            if classes == "present" and not truth:
                continue
            errors = [abs(t[c] - p[c]) for t, p in pairs]
            worst, before, total = sorted(range(len(pairs)), key=lambda i: -errors[i]), 0.0, 0.0
            for k in range(1, len(worst) + 1):
                # The k worst pixels are wrong: misses if of the class, false alarms if not.
                wrong = set(worst[:k])
                jaccard = 1 - len(truth - wrong) / len(truth | wrong)
                total += errors[worst[k - 1]] * (jaccard - before)
                before = jaccard
            found.append(total)
            weights.append(class_weights[c] if class_weights else 1.0)
        return mean_of(found, weights) if sum(weights) > 0 else 0.0

    return each_image(one, y_true, y_pred, ignore_class, class_weights, multilabel, from_logits)


def many_classes(rng, rows):
    y = rng.integers(0, C, (rows, H, W))
    y[: rows // 2] = np.minimum(y[: rows // 2], 1)  # class 2 absent from half of the images
    return y, rng.normal(0, 2, (rows, H, W, C))


def with_ignored(rng, rows):
    y, z = many_classes(rng, rows)
    y = np.where(rng.random(y.shape) < 0.3, 255, y)
    y[-1] = 255
    return y.astype("uint8")[..., None], z


def some_probabilities(rng, rows):
    y, z = many_classes(rng, rows)
    p = np.exp(z)
    return y, p / p.sum(-1, keepdims=True)


def overlapping(rng, rows):
    """One mask in each channel, any of them in a pixel; the first image has none of the last."""
    y = rng.integers(0, 2, (rows, H, W, C))
    y[0, ..., -1] = 0
    return y, rng.normal(0, 2, (rows, H, W, C))


def overlapping_with_ignored(rng, rows):
    y, z = overlapping(rng, rows)
    y = np.where(rng.random(y.shape) < 0.3, 255, y)
    y[-1] = 255
    return y.astype("uint8"), z


def one_channel(rng, rows):
    return rng.integers(0, 2, (rows, H, W)), rng.normal(0, 2, (rows, H, W, 1))


def hard_many(rng):
    ids = np.arange(H * W).reshape(1, H, W) % C
    sure = 200 * np.eye(C)[ids] - 100
    noise = rng.normal(0, 1, (1, H, W, C))
    return [
        ("right at 100", ids, sure),
        ("wrong at 100", (ids + 1) % C, sure),
        ("one class, found", 0 * ids, 200 * np.eye(C)[0 * ids] - 100),
        ("one class, missed", 0 * ids + 2, 200 * np.eye(C)[0 * ids] - 100),
        ("one class", 0 * ids, noise),
        ("no image", np.zeros((0, H, W), int), np.zeros((0, H, W, C))),
    ]


def hard_ignored(rng):
    ids = np.arange(H * W).reshape(1, H, W) % C
    noise = rng.normal(0, 1, (1, H, W, C))
    return [
        ("all ignored", 0 * ids + 255, noise),
        ("all ignored at 100", 0 * ids + 255, 100 * np.sign(noise)),
        ("one pixel counts", np.where(np.arange(H * W).reshape(ids.shape) == 7, 1, 255), noise),
        ("wrong at 100 and ignored", np.where(ids == 0, 255, ids), 200 * np.eye(C)[0 * ids] - 100),
    ]


def hard_one(rng):
    empty = np.zeros((1, H, W), int)
    half = np.arange(H * W).reshape(empty.shape) % 2
    low = np.full((1, H, W, 1), -100.0)
    return [
        ("empty mask, empty prediction", empty, low),
        ("empty mask, full prediction", empty, -low),
        ("full mask, empty prediction", empty + 1, low),
        ("full mask, full prediction", empty + 1, -low),
        ("right at 100", half, 200.0 * half[..., None] - 100),
        ("wrong at 100", half, 100 - 200.0 * half[..., None]),
        ("no image", empty[:0], low[:0]),
    ]


def hard_overlapping(rng):
    empty = np.zeros((1, H, W, C), int)
    some = np.arange(H * W * C).reshape(empty.shape) % 2
    low = np.full(empty.shape, -100.0)
    return [
        ("empty masks, empty prediction", empty, low),
        ("empty masks, full prediction", empty, -low),
        ("full masks, empty prediction", empty + 1, low),
        ("right at 100", some, 200.0 * some - 100),
        ("wrong at 100", some, 100 - 200.0 * some),
        ("no image", np.zeros((0, H, W, C), int), np.zeros((0, H, W, C))),
    ]


def hard_overlapping_ignored(rng):
    ids = np.arange(H * W * C).reshape(1, H, W, C)
    noise = rng.normal(0, 1, ids.shape)
    return [
        ("all ignored", 0 * ids + 255, noise),
        ("one counts", np.where(ids == 7, 1, 255), noise),
        ("one channel ignored", np.where(ids % C == 1, 255, ids % 2), 100 * np.sign(noise)),
    ]


def hard_probabilities(rng):
    ids = np.arange(H * W).reshape(1, H, W) % C
    return [
        ("certain, right", ids, np.eye(C)[ids]),
        ("certain, wrong", (ids + 1) % C, np.eye(C)[ids]),
    ]


KINDS = {
    "classes": (many_classes, hard_many),
    "ignore": (with_ignored, hard_ignored),
    "one-channel": (one_channel, hard_one),
    "probabilities": (some_probabilities, hard_probabilities),
    "weighted": (many_classes, hard_many),
    "weighted-ignore": (with_ignored, hard_ignored),
    "multilabel": (overlapping, hard_overlapping),
    "multilabel-ignore": (overlapping_with_ignored, hard_overlapping_ignored),
}


def family(name, loss, function, reference, configs, invalid):
    cases = []
    for kind, config in configs.items():
        data, hard = KINDS[kind]
        config = {"from_logits": kind != "probabilities", **config}
        if kind.endswith("ignore"):
            config["ignore_class"] = 255
        if kind.startswith("multilabel"):
            config["multilabel"] = True
        cases.append(
            Case(
                name=f"{name}-{kind}",
                loss=loss,
                function=function,
                config=config,
                reference=reference,
                data=data,
                hard=hard,
                labels="mask" if kind == "one-channel" or "multilabel" in kind else "class",
                invalid=[{**config, **bad} for bad in invalid],
            )
        )
    return cases


WRONG_FOR_ALL = [
    {"class_weights": [0.0, 0.0, 0.0]},
    {"class_weights": [1.0, -1.0, 1.0]},
    {"class_weights": 2.0},
    {"multilabel": "yes"},
]

CASES = [
    *family(
        "dice",
        losses.CrossentropyDice,
        losses.crossentropy_dice,
        crossentropy_dice,
        {
            "classes": {},
            "one-channel": {"ce_weight": 0.2},
            "probabilities": {"per_class": False, "ce_weight": 0.0, "smooth": 2.0},
            "ignore": {"ce_weight": 0.3, "smooth": 0.1},
            "weighted": {"class_weights": [0.0, 1.0, 3.0]},
            "weighted-ignore": {"class_weights": [0.5, 1.0, 3.0], "per_class": False},
            "multilabel": {"class_weights": [2.0, 0.0, 1.0], "ce_weight": 0.0},
            "multilabel-ignore": {"ce_weight": 0.4},
        },
        [
            {"ce_weight": -0.1},
            {"ce_weight": 1.1},
            {"smooth": 0},
            {"smooth": -1.0},
            {"per_class": 1},
            *WRONG_FOR_ALL,
        ],
    ),
    *family(
        "tversky",
        losses.FocalTversky,
        losses.focal_tversky,
        focal_tversky,
        {
            "classes": {},
            "one-channel": {"fp_weight": 2.0, "fn_weight": 0.0, "exponent": 0.5},
            "probabilities": {"fp_weight": 0.3, "fn_weight": 0.7, "exponent": 1.5, "smooth": 0.5},
            "ignore": {"fp_weight": 0.2, "fn_weight": 0.9, "exponent": 1.0},
            "weighted": {"class_weights": [0.0, 1.0, 3.0]},
            "multilabel": {"class_weights": [2.0, 0.5, 1.0], "fn_weight": 0.8},
            "multilabel-ignore": {"exponent": 1.0},
        },
        [
            {"fp_weight": -1.0},
            {"fn_weight": -1.0},
            {"fp_weight": 0, "fn_weight": 0},
            {"exponent": 0},
            {"smooth": 0},
            *WRONG_FOR_ALL,
        ],
    ),
    *family(
        "lovasz",
        losses.LovaszSoftmax,
        losses.lovasz_softmax,
        lovasz_softmax,
        {
            "classes": {},
            "one-channel": {"classes": "all"},
            "probabilities": {"classes": "present"},
            "ignore": {"classes": "all"},
            "weighted": {"class_weights": [0.0, 1.0, 3.0]},
            "weighted-ignore": {"class_weights": [0.5, 1.0, 3.0], "classes": "all"},
            "multilabel": {"class_weights": [2.0, 0.5, 1.0]},
            "multilabel-ignore": {"classes": "all"},
        },
        [{"classes": "some"}, {"classes": None}, *WRONG_FOR_ALL],
    ),
]
