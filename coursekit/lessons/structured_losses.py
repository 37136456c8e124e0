"""Structured losses: checks, hints, quiz and cards."""

import itertools
import re
import unicodedata

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, lesson
from coursekit.lessons import _structured_losses as parts

__all__ = ["check", "family_of", "parts"]

check = Lesson("structured_losses", "What if an answer is a place, or a likeness?")


# --------------------------------------------------------------------------------------------------

# What the two halves of the loss are often taken for: similar pairs, then dissimilar ones.
SIMILAR = {
    "right": lambda d, m: d**2,
    "no_square": lambda d, m: d,
    "half": lambda d, m: d**2 / 2,
    "double": lambda d, m: 2 * d**2,
    "pushed": lambda d, m: np.maximum(0, m - d) ** 2,
    "margin": lambda d, m: np.maximum(0, d - m) ** 2,
    "margin_plain": lambda d, m: np.maximum(0, d - m),
    "margin_both": lambda d, m: (m - d) ** 2,
    "free": lambda d, m: 0 * d,
    "sign": lambda d, m: -(d**2),
    "root": lambda d, m: np.sqrt(d),
    "both": lambda d, m: d**2 + np.maximum(0, m - d) ** 2,
}
DISSIMILAR = {
    "right": lambda d, m: np.maximum(0, m - d) ** 2,
    "no_square": lambda d, m: np.maximum(0, m - d),
    "half": lambda d, m: np.maximum(0, m - d) ** 2 / 2,
    "double": lambda d, m: 2 * np.maximum(0, m - d) ** 2,
    "no_max": lambda d, m: (m - d) ** 2,
    "no_max_plain": lambda d, m: m - d,
    "cut_wrong": lambda d, m: np.maximum(0, d - m) ** 2,
    "cut_wrong_plain": lambda d, m: np.maximum(0, d - m),
    "squared_inside": lambda d, m: np.maximum(0, m - d**2),
    "squared_inside_2": lambda d, m: np.maximum(0, m - d**2) ** 2,
    "margin_squared": lambda d, m: np.maximum(0, m**2 - d**2),
    "pulled": lambda d, m: d**2,
    "free": lambda d, m: 0 * d,
    "sign": lambda d, m: -(np.maximum(0, m - d) ** 2),
    "square_first": lambda d, m: np.maximum(0, (m - d) ** 2),
    "both": lambda d, m: d**2 + np.maximum(0, m - d) ** 2,
}
WORDS_SIMILAR = {
    "no_square": "a similar pair costs d, and the square is missing",
    "half": "a similar pair costs half of d²",
    "double": "a similar pair costs 2 d²",
    "pushed": "a similar pair costs what a dissimilar one should",
    "margin": "a similar pair costs nothing up to the margin, which has no place there",
    "margin_plain": "a similar pair costs nothing up to the margin, which has no place there",
    "margin_both": "a similar pair is drawn to the margin, which has no place there",
    "free": "a similar pair costs nothing at all",
    "sign": "a similar pair costs less than 0",
    "root": "a similar pair costs the root of d, not its square",
    "both": "a similar pair pays both halves: the second is not switched off for it",
}
WORDS_DISSIMILAR = {
    "no_square": "a dissimilar pair costs m - d within the margin, and the square is missing",
    "half": "a dissimilar pair costs half of what it should",
    "double": "a dissimilar pair costs twice what it should",
    "no_max": "a dissimilar pair beyond the margin is not free: it would be drawn back to it",
    "no_max_plain": "a dissimilar pair costs m - d, without end below 0 and without a square",
    "cut_wrong": "a dissimilar pair costs nothing within the margin and something beyond it: the "
    "wrong side is cut off (by d - m in the bracket, or by `minimum`)",
    "cut_wrong_plain": "a dissimilar pair costs nothing within the margin and something beyond it, "
    "and the square is missing",
    "squared_inside": "a dissimilar pair has the *distance* squared inside the bracket, which is "
    "(m - d)²",
    "squared_inside_2": "a dissimilar pair has the *distance* squared inside the bracket, which is "
    "(m - d)²",
    "margin_squared": "a dissimilar pair costs m² - d² within the margin; the difference comes "
    "first, then the square",
    "pulled": "a dissimilar pair costs what a similar one should",
    "free": "a dissimilar pair costs nothing at all",
    "sign": "a dissimilar pair costs less than 0",
    "both": "a dissimilar pair pays both halves: the first is not switched off for it",
    "square_first": "a dissimilar pair beyond the margin is not free: the square comes before the "
    "`maximum`",
}
PROBES = [
    (np.array([0.0, 0.4, 1.5, 0.0, 0.4, 1.5, 0.9]), np.array([1.0, 1, 1, 0, 0, 0, 0]), 1.0),
    (np.array([0.3, 2.5, 0.7, 3.0]), np.array([0.0, 0, 1, 1]), 2.0),
    (np.array([0.2]), np.array([0.0]), 0.8),
    (np.array([0.6]), np.array([1.0]), 0.5),
]


@check.exercise(
    title="The contrastive loss",
    messages={
        "swapped": "a similar pair (y = 1) costs what a *dissimilar* one should, and the other way "
        "round. The first paper counts y so; here 1 is similar.",
        "half": "every value is half of ours. The first paper has a factor 1/2; the formula above "
        "has none.",
        "squares": "{what}. Without the square the pull does not fade near the goal.",
        "similar": "the dissimilar half is right. But {what}. Similar pairs are pulled together "
        "from any distance: d².",
        "dissimilar": "the similar half is right. But {what}.",
        "both": "{similar}; and {dissimilar}.",
        "one_number": "you return one number, {got}, for {count} pairs. Give one value per pair: "
        "Keras takes the mean.",
        "margin_ignored": "right with margin 1. With margin {margin} a pair at distance {d}, y = "
        "{y}, does not cost {got}. Does your code use `m`, and only where the formula has it?",
        "one_row": "right for several pairs, and for a single one you get {got}. Does your code "
        "look at one pair at a time?",
        "factor": "every value is {factor} times what the formula gives.",
        "wrong": "for d = {d}, y = {y}, m = {margin} you get {got}, which is not y d² + (1 - y) "
        "max(0, m - d)². Try the two halves apart.",
        "far_similar": "the function is right. But pair {letter} is similar and not at distance 0: "
        "it is pulled.",
        "near_dissimilar": "the function is right. But pair {letter} is dissimilar and nearer than "
        "the margin: it is pushed.",
        "missing": "the function is right. But a dissimilar pair is missing that has got out of "
        "reach: its loss is 0 and stays 0 if it moves a little.",
        "zero_itself": "the function is right. A similar pair at distance 0 is missing: d² is flat "
        "there, so nothing moves it.",
        "nobody": "the function is right. But some of these pairs do rest: a gradient of 0 means "
        "that the loss does not change if d moves a little.",
    },
    hints=[
        "Write the two halves apart: what a similar pair costs, and what a dissimilar one does. "
        "`y` switches between them.",
        "Similar: d². Dissimilar: max(0, m - d)², where the square comes last.",
        "`return y * d**2 + (1 - y) * np.maximum(0, m - d) ** 2`",
    ],
    hints_for={"dissimilar": "`np.maximum(0, ...)` compares element by element."},
    why="y = 1 keeps d², which pulls from any distance. y = 0 keeps max(0, m - d)², which pushes "
    "up to the margin and no further. A similar pair at distance 0 and a dissimilar one beyond the "
    "margin have reached their goal.",
    alternative="`np.where(y == 1, d**2, np.clip(m - d, 0, None) ** 2)`, or "
    "`losses.pair_contrastive(y, d, margin=m)`.",
)
def contrastive(answer, resting):
    expect.function(answer, "`contrastive`")
    made = [(_pairs_cost(answer, *probe), *probe) for probe in PROBES]
    wrong = [k for k, one in enumerate(made) if not _is_made(one, "right", "right")]
    if wrong:
        _explain_pairs(made, wrong)
    letters = expect.letters(_without_pairs(resting), "ABCD")
    if not letters:
        raise Wrong("nobody")
    if "B" in letters:
        raise Wrong("far_similar", letter="B")
    if "D" in letters:
        raise Wrong("near_dissimilar", letter="D")
    if "A" not in letters:
        raise Wrong("zero_itself")
    if "C" not in letters:
        raise Wrong("missing")


def _without_pairs(answer):
    """Drop the word "pairs" from a text."""
    return re.sub(r"(?i)\bpairs?\b", " ", answer) if isinstance(answer, str) else answer


def _pairs_cost(answer, d, y, m) -> np.ndarray:
    value = answer(d.copy(), y.copy(), m)
    got = expect.array(value, what="the returned loss")
    if got.size == 1 and d.size > 1:
        raise Wrong("one_number", got=float(got.ravel()[0]), count=d.size)
    return expect.array(got[:, 0] if got.shape == (d.size, 1) else got, d.shape)


def _is_made(one, similar, dissimilar, factor=1.0) -> bool:
    got, d, y, m = one
    wanted = np.where(y == 1, SIMILAR[similar](d, m), DISSIMILAR[dissimilar](d, m))
    return bool(np.allclose(got, factor * wanted, atol=2e-3))


def _explain_pairs(made, wrong):
    if 0 not in wrong and 1 not in wrong:
        raise Wrong("one_row", got=float(made[wrong[0]][0][0]))
    if all(_is_made(one, "half", "half") for one in made):
        raise Wrong("half")
    if all(_is_made(one, "pushed", "pulled") for one in made):
        raise Wrong("swapped")
    for factor in (-1.0, 2.0, 1 / 7, 4.0, 0.25, -0.5):
        if all(_is_made(one, "right", "right", factor) for one in made):
            raise Wrong("factor", factor=factor)
    for similar, dissimilar in itertools.product(SIMILAR, DISSIMILAR):
        if all(_is_made(one, similar, dissimilar) for one in made):
            words = WORDS_SIMILAR.get(similar, ""), WORDS_DISSIMILAR.get(dissimilar, "")
            if {similar, dissimilar} <= {"no_square", "right"}:
                raise Wrong("squares", what=" and ".join(filter(None, words)))
            if dissimilar == "right":
                raise Wrong("similar", what=words[0])
            if similar == "right":
                raise Wrong("dissimilar", what=words[1])
            raise Wrong("both", similar=words[0], dissimilar=words[1])
    got, d, y, m = made[wrong[0]]
    if wrong[0] != 0:
        right = np.where(y == 1, SIMILAR["right"](d, m), DISSIMILAR["right"](d, m))
        k = int(np.abs(got - right).argmax())
        raise Wrong("margin_ignored", margin=m, d=d[k], y=int(y[k]), got=float(got[k]))
    raise Wrong("wrong", d=d, y=y, margin=m, got=got)


# --------------------------------------------------------------------------------------------------

COSTS = {
    "already_closer": 0.0, "swapped": 0.3, "no_margin": -0.1, "rooted": 0.5**0.5 - 0.6**0.5 + 0.2,
    "added": 1.3, "of_a": 0.4, "squared": 0.5**2 - 0.6**2 + 0.2, "margin_off": -0.3,
    "only_margin": 0.2, "only_positive": 0.5, "only_negative": 0.6, "squared_loss": 0.1**2,
    "positive_and_margin": 0.7, "of_c": -0.2,
}  # fmt: skip


@check.exercise(
    title="One triplet, and a stuck loss",
    messages={
        "already_closer": "{got} would say that being nearer than the negative is enough. The loss "
        "asks for a lead of m = 0.2, and the lead is smaller.",
        "swapped": "{got} is d²(n) - d²(p) + m: positive and negative have changed places. Pulling "
        "the positive nearer must make the loss smaller.",
        "no_margin": "{got} is the difference without the margin of 0.2, and a loss below 0 would "
        "say that there is something to gain for ever.",
        "margin_off": "{got} takes the margin off; it is added. It is a lead that is asked for.",
        "rooted": "{got} comes from the distances themselves. The numbers given are squared "
        "distances already, and this form uses them as they are.",
        "squared": "{got} squares the numbers. They are squared distances already.",
        "squared_loss": "{got} is the square of what B costs. The formula has no square outside.",
        "added": "{got} adds the two distances. They are compared: one minus the other.",
        "of_a": "{got} is what A costs.",
        "of_c": "{got} is the difference for C, not cut off at 0; B is asked.",
        "only_margin": "{got} is the margin alone. The distances belong to it.",
        "only_positive": "{got} is the positive's distance alone.",
        "only_negative": "{got} is the negative's distance alone.",
        "positive_and_margin": "{got} is the positive's distance and the margin; the negative's is "
        "missing.",
        "loss": "{got} is not max(0, d²(p) - d²(n) + m) for B.",
        "hard": "the loss is right. But A costs most of the three: it lies nearer than the "
        "positive. It teaches.",
        "semi_hard": "the loss is right. But B still costs something: it is farther than the "
        "positive, by less than the margin. It teaches.",
        "two_letters": "the loss is right. You name {got}: one of the three is useless.",
        "stuck_zero": "the other two are right. If all embeddings are one point, both distances "
        "are 0; what is left of max(0, d²(p) - d²(n) + m)?",
        "stuck_b": "the other two are right. {got} is what B costs. On one point all distances are "
        "the same: which?",
        "stuck_twice": "the other two are right. {got} counts the margin twice, or squares it.",
        "stuck": "the other two are right. If all embeddings are one point, which distances go "
        "into the formula? {got} does not come out.",
    },
    hints=[
        "Put the numbers into max(0, d²(p) - d²(n) + m), once for each negative.",
        "A: 0.5 - 0.3 + 0.2. B: 0.5 - 0.6 + 0.2. C: 0.5 - 0.9 + 0.2. Which of them is cut off at "
        "0, so that its gradient is 0?",
        "For `stuck`: every distance is 0 when all digits land on one point.",
    ],
    why="B costs 0.1. C is farther than the positive by more than the margin, so it costs 0 and "
    "has no gradient. On one point both distances are 0 and the margin is left: a triplet loss "
    "that stands still at its margin has collapsed.",
    alternative="`losses.triplet_loss` finds these triplets in a batch: `negatives='semi_hard'` "
    "takes B.",
)
def triplet(cost_of_b, useless, stuck):
    got = expect.numeral(cost_of_b, "`cost_of_b`")
    if not np.isclose(got, 0.1, atol=1e-3):
        for key, slip in COSTS.items():
            if np.isclose(got, slip, atol=1e-3):
                raise Wrong(key, got=cost_of_b)
        raise Wrong("loss", got=cost_of_b)
    letters = expect.letters(useless, "ABC", "`useless`")
    if len(letters) != 1:
        raise Wrong("two_letters", got=" and ".join(letters) or "none")
    if letters[0] != "C":
        raise Wrong({"A": "hard", "B": "semi_hard"}[letters[0]])
    at = expect.numeral(stuck, "`stuck`")
    if np.isclose(at, 0.2, atol=1e-3):
        return
    for key, slips in (("stuck_zero", (0.0,)), ("stuck_b", (0.1,)), ("stuck_twice", (0.4, 0.04))):
        if any(np.isclose(at, slip, atol=1e-3) for slip in slips):
            raise Wrong(key, got=stuck)
    raise Wrong("stuck", got=stuck)


# --------------------------------------------------------------------------------------------------

DICE_FAULTS = {
    "score": "it is the overlap itself, near 1 where the masks agree; the loss is 1 minus it",
    "no_two": "the 2 before the overlap is missing, so that a perfect mask costs something",
    "iou": "the sum below is the union, which counts the overlap once (that is the IoU)",
    "s_above": "`s` is missing above",
    "s_below": "`s` is missing below",
    "squares": "the sums below are of squares",
    "rounded": "the prediction is rounded to 0 or 1 first, which has no gradient",
    "means": "means are taken in place of sums, so that `s` weighs more",
    "s_twice": "`s` is doubled above the line; the 2 belongs to the overlap alone",
    "s_twice_below": "`s` stands twice below the line",
    "log": "the logarithm of the overlap is taken",
    "pixels": "the formula is taken pixel by pixel, and the mean of that",
    "one_mean": "every mask gets the mean of all masks",
}


@check.exercise(
    title="Dice, mask by mask",
    messages={
        "score": "you return the overlap itself, near 1 where the masks agree. A loss is small "
        "when all is well.",
        "no_two": "a perfect mask costs {got} in your loss. The 2 before the overlap is missing: "
        "the sum below counts the overlap twice.",
        "iou": "the sum below your line is the union, which counts the overlap once: that is 1 "
        "minus the IoU, a relative. Dice adds the two masks up.",
        "s_above": "`s` is missing above the line: an empty mask, predicted empty, costs {empty}.",
        "s_below": "`s` is missing below the line.",
        "no_s": "`s` is missing above and below: an empty mask, predicted empty, is 0/0.",
        "squares": "you sum squares below the line. Some write it so; the formula above does not.",
        "rounded": "you round the prediction to 0 or 1 first. A step has no gradient: the "
        "probabilities go in as they are.",
        "means": "you take means where the formula has sums: `s` then weighs more, the larger the "
        "mask.",
        "s_twice": "`s` is doubled above the line. The 2 belongs to the overlap alone.",
        "s_twice_below": "`s` stands twice below the line, once for each sum. It is one `s`.",
        "log": "you take the logarithm of the overlap. The formula is 1 minus it.",
        "pixels": "you take the formula pixel by pixel, and then a mean. The sums come first, one "
        "for the whole mask, then the division.",
        "one_mean": "every mask gets the same value, the mean of all masks. Each has its own.",
        "several": "{count} things at once: {faults}.",
        "one_number": "you return one number, {got}, for {count} masks: the overlap of the whole "
        "batch. Sum over the height and the width only.",
        "axis": "you return shape {got} for {count} masks of {height} x {width}. Sum over the "
        "height and the width, `axis=(1, 2)`: one value for each mask.",
        "factor": "every value is {factor} times what the formula gives.",
        "wrong": "for the truth {y} and the prediction {p}, with s = {s}, you get {got}, which is "
        "not what the formula gives. Compute overlap and sums apart, and look at them.",
        "sizes": "right for three masks of 4 x 5. For {count} of {height} x {width}, with s = {s}, "
        "your values do not fit. Does your code use `s`, and no fixed size?",
    },
    hints=[
        "Three sums for each mask: of y p, of y, of p. Over which axes?",
        "`np.sum(y * p, axis=(1, 2))` is the overlap of each mask.",
        "`1 - (2 * overlap + s) / (np.sum(y, axis=(1, 2)) + np.sum(p, axis=(1, 2)) + s)`",
    ],
    why="The sums run over the pixels of one mask, so each mask counts alike, large or small. "
    "Where both are empty, s / s = 1 is left and the loss is 0.",
    alternative='`np.einsum("nhw,nhw->n", y, p)` is the overlap too; or reshape to (masks, pixels) '
    "and sum over `axis=1`.",
)
def dice(answer):
    expect.function(answer, "`dice`")
    rng = np.random.default_rng(0)
    cases = []
    for count, height, width, s in ((3, 4, 5, 1.0), (2, 3, 7, 0.5), (1, 2, 2, 0.1)):
        y = (rng.uniform(size=(count, height, width)) > 0.6).astype("float64")
        p = rng.uniform(size=y.shape)
        if count == 3:
            p[1], y[2], p[2] = y[1], 0, 0  # perfect; both empty
        cases.append((y, p, s))
    made = [_masks_cost(answer, *case) for case in cases]
    fits = [
        np.allclose(got, _dice(*case), atol=1e-5) for got, case in zip(made, cases, strict=True)
    ]
    if all(fits):
        return
    _explain_dice(made, cases)
    if fits[0]:
        (count, height, width), s = cases[fits.index(False)][0].shape, cases[fits.index(False)][2]
        raise Wrong("sizes", count=count, height=height, width=width, s=s)
    y, p, s = cases[2]
    if fits[2]:
        y, p, s = cases[0]
        raise Wrong("wrong", y=y[0], p=p[0], s=s, got=float(made[0][0]))
    raise Wrong("wrong", y=y[0], p=p[0], s=s, got=float(made[2][0]))


def _masks_cost(answer, y, p, s) -> np.ndarray:
    count, height, width = y.shape
    with np.errstate(all="ignore"):
        value = answer(y.copy(), p.copy(), s)
    got = np.asarray(value, "float64") if _is_numbers(value) else expect.array(value)
    if got.size == 1 and count > 1:
        raise Wrong("one_number", got=float(got.ravel()[0]), count=count)
    if got.size != count:
        raise Wrong("axis", got=got.shape, count=count, height=height, width=width)
    return got.reshape(count)


def _is_numbers(value) -> bool:
    """Say whether a value is an array of numbers, which may be NaN: 0/0 is named later."""
    try:
        return np.asarray(value).dtype.kind in "iuf"
    except (TypeError, ValueError):
        return False


def _dice(y, p, s, faults=()):
    p = np.round(p) if "rounded" in faults else p
    power = 2 if "squares" in faults else 1
    total = np.mean if "means" in faults else np.sum
    overlap = total(y * p, axis=(1, 2))
    below = total(y**power, axis=(1, 2)) + total(p**power, axis=(1, 2))
    below = below - overlap if "iou" in faults else below
    above = overlap if {"no_two", "iou"} & set(faults) else 2 * overlap
    s_above = s * (2 if "s_twice" in faults else "s_above" not in faults)
    s_below = s * (2 if "s_twice_below" in faults else "s_below" not in faults)
    with np.errstate(all="ignore"):
        share = (above + s_above) / (below + s_below)
        if "pixels" in faults:
            share = np.mean((2 * y * p + s) / (y + p + s), axis=(1, 2))
        loss = -np.log(share) if "log" in faults else 1 - share
    if "one_mean" in faults:
        loss = np.full(len(loss), loss.mean())
    return share if "score" in faults else loss


def _explain_dice(made, cases):
    sets = itertools.chain.from_iterable(itertools.combinations(DICE_FAULTS, k) for k in (1, 2, 3))
    for faults in sets:
        if {"no_two", "iou"} <= set(faults):
            continue
        theirs = [_dice(*case, faults) for case in cases]
        if all(
            np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in zip(made, theirs, strict=True)
        ):
            if len(faults) == 1:
                raise Wrong(faults[0], got=float(made[0][1]), empty=float(made[0][2]))
            if set(faults) == {"s_above", "s_below"}:
                raise Wrong("no_s")
            words = "; ".join(DICE_FAULTS[name] for name in faults)
            raise Wrong("several", count=len(faults), faults=words)
    for got in made:
        expect.array(got, what="the returned loss")
    for factor in (-1.0, 2.0, 0.5):
        if all(
            np.allclose(a, factor * _dice(*b), atol=1e-5) for a, b in zip(made, cases, strict=True)
        ):
            raise Wrong("factor", factor=factor)


# --------------------------------------------------------------------------------------------------


# In the order in which they are looked for in a name without its underscores and blanks.
FAMILIES = {
    "overlap": ("tversky", "dice", "lovasz", "iou", "jaccard"),
    "distance": ("triplet", "contrastive", "infonce", "ntxent", "circle", "arcface", "cosface",
                 "siamese", "npair", "supcon", "simclr", "proxy", "cosine"),
    "focal": ("focal",),
    "hinge": ("hinge", "crammer", "margin", "svm", "modifiedhuber"),
    "robust": ("huber", "absolute", "mae", "l1", "logcosh", "quantile", "pinball", "logarithmic",
               "msle", "mape", "tukey", "biweight", "cauchy", "median"),
    "weighted": ("weight", "balanced"),
    "smoothing": ("smooth", "generalized", "gce", "bootstrap", "symmetriccross",
                  "tempered"),
    "squares": ("squared", "mse", "l2", "brier"),
    "crossentropy": ("crossentropy", "bce", "cce", "logloss", "nll", "logistic", "kldiv", "kld"),
    "adversarial": ("adversarial", "gan", "wasserstein"),
    "counts": ("poisson",),
    "sequences": ("ctc",),
}  # fmt: skip
WORDS = {
    "overlap": "a loss for masks, which counts overlap",
    "distance": "a loss for embeddings, which compares rows",
    "focal": "a loss for classes, which turns down easy rows",
    "weighted": "a loss for classes that are rarer than others",
    "robust": "a loss for numbers, which caps the pull of odd ones",
    "hinge": "a loss for a margin between classes",
    "smoothing": "a loss for labels that one does not fully trust",
    "squares": "a loss for numbers, which follows their mean",
    "crossentropy": "a loss for probabilities of classes",
    "adversarial": "a loss for two nets that play against each other",
    "counts": "a loss for counts of events",
    "sequences": "a loss for texts and speech whose letters have no known place",
}
CLASSES = ("crossentropy", "focal", "weighted", "smoothing")
# What is no name of a loss, although one is in it: "no triplet", "unhinged".
DENIED = re.compile(r"(\b|_)(no|not|never|non|without|anything)(\b|_)|\bun(?!supervised)")
# For each task what can be defended, and the message for what goes wrong in a way of its own.
FITS = {
    "fares": ({"robust"}, {"squares": "squares"}),
    "claims": (
        {"crossentropy", "squares"},  # the square is the Brier score, and proper too
        dict.fromkeys(("focal", "weighted", "smoothing"), "distorts"),
    ),
    "faces": ({"distance"}, dict.fromkeys(CLASSES, "closed")),
    "lesions": (
        {"overlap", "focal", "weighted"},
        dict.fromkeys(("crossentropy", "smoothing", "squares"), "empty"),
    ),
    "labels": (
        {"smoothing", "robust", "squares"},  # the square is bounded here, and so is its pull
        {"crossentropy": "too_sure", "focal": "hard_is_wrong"},
    ),
    "margin": (
        {"hinge"},
        dict.fromkeys(("crossentropy", "focal", "weighted", "smoothing", "squares"), "all_rows"),
    ),
}


def family_of(loss) -> tuple[str, str | None]:
    """Return the name of a loss (a text, a class, an object or a function) and its family."""
    plain, options = getattr(loss, "func", loss), getattr(loss, "keywords", {})  # of a partial
    if isinstance(plain, str):
        name = plain
    elif callable(plain):
        name = getattr(plain, "__name__", type(plain).__name__)
    else:
        return brief(loss), None
    if hasattr(loss, "get_config") and not isinstance(loss, type):
        options = loss.get_config()
    text = unicodedata.normalize("NFKD", name).lower()
    if DENIED.search(text):
        return name, None
    text = re.sub("[^a-z0-9]", "", text)
    if options.get("label_smoothing") and "focal" not in text:
        return name, "smoothing"
    if options.get("label_smoothing") == 0 and "smooth" in text:
        return name, "crossentropy"
    for family, words in FAMILIES.items():
        if any(word in text for word in words):
            return name, family
    return name, "crossentropy" if text == "ce" else None


def _says_yes_or_no(name, family) -> bool:
    """Return whether a loss is for one yes or no: "the same person" can be asked of a pair."""
    return family in CLASSES and bool(re.search("binary|bce|sigmoid|logistic", name.lower()))


@check.exercise(
    title="Which loss?",
    messages={
        "not_dict": "`guide` should be a dict from task to loss, but it is {got}.",
        "missing": "`guide` has no entry for {task}.",
        "unknown": "{task}: we do not know a loss by the name {got}. Use the names of Keras or "
        "coursekit, or those of this lesson.",
        "squares": "fares: squares give a fare that is 100 times too high 10,000 times the say of "
        "an ordinary one. Which losses cap the pull of one row?",
        "distorts": "claims: {got} moves the probabilities: weights and smoothing by design, focal "
        "towards the middle. Somebody multiplies money by them here.",
        "closed": "faces: a net trained with {got} has an output for each class that it was "
        "shown. Tomorrow's new person has none. What if the net learned distances?",
        "empty": "lesions: {got} counts each pixel alike, and 99 % of them are healthy: that is "
        "how the empty masks came about. Which loss counts overlap, or easy pixels less?",
        "too_sure": "labels: plain {got} pays for being ever more certain of every label, also of "
        "the wrong ones. Which loss stops paying?",
        "hard_is_wrong": "labels: {got} turns attention to rows that the net gets wrong. Here many "
        "of those are rows with wrong labels.",
        "all_rows": "margin: {got} pulls at every row, however far on the right side it is. Which "
        "loss is exactly 0 beyond a margin?",
        "other_task": "{task}: {got} is {words}. That is not what is asked for here.",
    },
    hints=[
        "For each task ask three things: what is a target (a number, a class, a mask, same or "
        "different)? What goes wrong with the obvious loss? Who uses the output, and how?",
        "fares: an odd target. claims: honest probabilities. faces: distances. lesions: overlap. "
        "labels: no certainty. margin: only near points.",
        'Names will do, such as "huber", "binary_crossentropy", "triplet", "dice", '
        '"label smoothing", "hinge": each once.',
    ],
    hints_for={"distorts": f"The proper scoring rule of {lesson('losses')} is wanted, unchanged."},
    why="fares: Huber or MAE cap the pull. claims: cross-entropy is proper; choose the threshold "
    "afterwards. faces: a distance needs no list of classes. lesions: Dice counts overlap. labels: "
    "smoothing puts a limit on certainty. margin: hinge is flat beyond it. The rest of the guide: "
    "MSE for clean numbers, categorical cross-entropy for one of K classes, class-balanced or "
    "focal for long tails, an adversarial loss for GANs.",
    alternative="most tasks have several answers that can be defended: log-cosh for fares, InfoNCE "
    "or binary cross-entropy of pairs for faces, CE + Dice or Tversky or focal for lesions, "
    "generalized cross-entropy for labels.",
)
def guide(answer):
    if not isinstance(answer, dict):
        raise Wrong("not_dict", got=answer)
    for task, (accepted, slips) in FITS.items():
        if task not in answer:
            raise Wrong("missing", task=task)
        loss = answer[task]
        name, family = family_of(loss)
        if family is None:
            raise Wrong("unknown", task=task, got=name or "''")
        if family in accepted or (task == "faces" and _says_yes_or_no(name, family)):
            continue
        if family in slips:
            raise Wrong(slips[family], got=name)
        raise Wrong("other_task", task=task, got=name, words=WORDS[family])


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_dice",
    reasons={
        "a": "The brain fills more than a quarter of these pixels: cross-entropy sees enough of "
        "it. The three losses differ less than the seeds of one do.",
        "b": "Cross-entropy scores pixels and IoU scores overlap; a net that is right about most "
        "pixels is right about both here, whichever of the losses it had.",
        "c": "The ranges of the seeds overlap. The target is large enough for each of them.",
    },
    answer="c",
)
check.prediction(
    "predict_tiny",
    reasons={
        "a": "They did on the brain, which fills a quarter of the image. Here 98 pixels of 100 are "
        "background, and cross-entropy adds up pixels.",
        "b": "Where few bright pixels belong to the square, an honest probability stays under 0.5 "
        "for each of them: at the usual cut the mask is empty.",
        "c": "An empty mask is the worst that there is for Dice: no overlap.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Triplet loss with margin 0.2. The log reads 0.2000 for twenty epochs. What happened?",
    options={
        "a": (
            "one way to get this: all rows land on one point",
            "Both distances are 0 and the margin is left. A lower rate or easier negatives "
            "(semi-hard) help.",
        ),
        "b": ("the net is perfect", "Perfect would be 0."),
        "c": ("the margin is too small", "A larger margin would only be the new number it is "
              "stuck at."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_2",
    "A net for masks of 1 % of the pixels, trained with cross-entropy, gives empty masks at 0.5. "
    "What do you try first?",
    options={
        "a": ("more epochs", "They make probabilities better, and honest ones stay low."),
        "b": ("a larger net", "The masks are empty because the probabilities are honest and low."),
        "c": ("a lower cut, chosen on training rows", "It costs nothing. Then a loss that counts "
              "overlap, and compare."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_3",
    "Contrastive loss, margin 1: a dissimilar pair at distance 3. What does the gradient do?",
    options={
        "a": ("it pushes the two farther apart", "Not beyond the margin: the loss is 0 there."),
        "b": ("nothing", "Out of reach of the margin, the loss is 0 and flat."),
        "c": ("it pulls them to the margin", "That would be (m - d)² without the maximum."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('custom_losses')}: why should a loss of your own return one value per row?",
    options={
        "a": ("the mean has no gradient", "It has one."),
        "b": ("so that Keras can weight, mask and average the rows", "On any number of devices."),
        "c": ("it is faster", "It makes no difference to speed that matters."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('losses')}: one output unit, sigmoid, yes or no. Which loss?",
    options={
        "a": ("categorical cross-entropy", "With one unit its loss is 0 whatever the net says."),
        "b": ("binary cross-entropy", "One probability, and its complement for the other answer."),
        "c": ("either", "They are not interchangeable: one of them learns nothing here."),
    },
    answer="b",
)
check.card(
    "Contrastive and triplet loss?",
    "y d² + (1 - y) max(0, m - d)², and max(0, d²(a, p) - d²(a, n) + m). A triplet loss that "
    "stands at m may have collapsed to one point. Keras has neither of them (it has `Circle`).",
)
check.card(
    "Dice loss, and when it helps?",
    "1 - (2 sum(y p) + s) / (sum(y) + sum(p) + s): overlap, so background that is right adds "
    "nothing. For tiny targets; often together with cross-entropy.",
)
check.card(
    "Over what does `keras.losses.Dice()` sum?",
    "Over the whole batch: a small mask that is missed hides behind a large one. "
    "`Dice(axis=(1, 2, 3))` and `coursekit.losses.CrossentropyDice` count mask by mask.",
)
check.card(
    "Which loss for which task? Ten in one card.",
    "Clean numbers: MSE. Odd targets: Huber, MAE. Yes or no: BCE. One of K: CCE. Rare classes: "
    "weights, focal, class-balanced, or move the threshold. Same or different: contrastive, "
    "triplet. Masks: Dice, CE + Dice. Margin: hinge. GANs: adversarial. Doubt: smoothing.",
)
