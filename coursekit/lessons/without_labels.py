"""Learning without labels: checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, lesson
from coursekit.lessons import _without_labels as parts

__all__ = ["check", "parts"]

check = Lesson("without_labels", "What can be learned without labels?")


# --------------------------------------------------------------------------------------------------

FAULTS = {
    "again": "the labels are those of the moved centres; asked are those by which they moved",
    "farthest": "each row goes to its farthest centre",
    "manhattan": "a row's distance is the sum of absolute differences; here it is the straight one",
    "median": "each centre is the median of its rows, not their mean",
    "sum": "each centre is the sum of its rows, not their mean",
    "half_way": "each centre goes half the way to the mean of its rows",
    "unmoved": "the centres are returned as they came; asked are the moved ones",
    "before": "the sum of squares is measured to the centres before they moved",
    "mean": "the squares are averaged over the rows; asked is their sum",
    "plain": "the distances are summed up without their squares",
    "root": "there is a root over the sum of squares",
    "entries": "the squares are averaged over rows and columns; asked is their sum",
    "all": "every row is measured to every centre; what counts is its own",
}
GROUPS = (
    ("again", "farthest", "manhattan"),
    ("median", "sum", "half_way", "unmoved"),
    ("before", "all"),
    ("mean", "plain", "root", "entries"),
)


@check.exercise(
    title="One round of k-means",
    messages={
        "count": "three things are wanted, labels, centres and the sum of squares, and you return "
        "{got}.",
        "order": "the three are there in another order. Asked are labels, centres, sum of squares.",
        "whole": "a label is the number of a centre, 0 to {most}, for each row. Your labels are "
        "{got}.",
        "from_one": "your labels begin at 1. They say a row of `centres`, which counts from 0.",
        "empty": "a centre that no row is nearest to becomes {got}. Asked is that it stays.",
        "one": "{fault}.",
        "several": "several things at once: {faults}.",
        "rounds": "these are the labels, centres and sum after {rounds} rounds. Asked is one: does "
        "a loop go on?",
        "parts": "right so far: {right}. Not right: {wrong}.",
        "wrong": "none of the three is right. For the rows {x} and the centres {centres} your "
        "labels are {got}. Which centre is nearest to row {row}, {at}?",
    },
    hints=[
        "First a table of squared distances: a row for each row of x, a column for each centre.",
        "`((x[:, None] - centres) ** 2).sum(axis=2)` is that table; `argmin(axis=1)` the labels.",
        "For each k: `x[labels == k].mean(axis=0)` if it has rows. Then "
        "`((x - new[labels]) ** 2).sum()`.",
    ],
    why="Assigning cannot raise the sum of squares with the centres held, nor can moving with the "
    "labels held: a mean is the point with the least squares. So it falls until nothing moves.",
    alternative="squared or plain distances find the same nearest centre; "
    "`sklearn.metrics.pairwise_distances_argmin(x, centres)`.",
)
def k_means(answer):
    expect.function(answer, "`k_means_round`")
    cases = [_points(*sizes) for sizes in ((9, 2, 3), (12, 3, 2), (7, 1, 3))]
    made = [_three(answer, *case) for case in cases]
    rights = [_round(*case) for case in cases]
    fits = [list(map(_alike, *pair)) for pair in zip(made, rights, strict=True)]
    if all(map(all, fits)):
        _lonely(answer)
        return
    if all(_alike(one[0], right[0] + 1) for one, right in zip(made, rights, strict=True)):
        raise Wrong("from_one")
    for case, (labels, *_) in zip(cases, made, strict=True):
        most = len(case[1]) - 1
        if not np.isin(labels, np.arange(most + 1)).all():
            raise Wrong("whole", most=most, got=labels)
    for faults in _combined(GROUPS, 3):
        theirs = [_round(*case, faults) for case in cases]
        if all(all(map(_alike, *pair)) for pair in zip(made, theirs, strict=True)):
            words = [FAULTS[fault] for fault in faults]
            if len(words) == 1:
                raise Wrong("one", fault=words[0])
            raise Wrong("several", faults="; ".join(words))
    for rounds in range(2, 9):
        theirs = [_rounds(*case, rounds) for case in cases]
        if all(all(map(_alike, *pair)) for pair in zip(made, theirs, strict=True)):
            raise Wrong("rounds", rounds=rounds if rounds < 8 else "all")
    names = ("the labels", "the centres", "the sum of squares")
    right = [all(column) for column in zip(*fits, strict=True)]
    if right == [True, True, False]:
        expect.no_slips(made[0][2], rights[0][2], names[2])
    if any(right):
        raise Wrong(
            "parts",
            right=" and ".join(n for n, ok in zip(names, right, strict=True) if ok),
            wrong=" and ".join(n for n, ok in zip(names, right, strict=True) if not ok),
        )
    x, centres = cases[2]
    row = int(np.argmax(made[2][0] != rights[2][0]))
    raise Wrong("wrong", x=brief(x.ravel()), centres=brief(centres.ravel()), got=made[2][0],
                row=row, at=brief(x[row, 0]))  # fmt: skip


def _rounds(x, centres, number):
    for _ in range(number):
        labels, centres, inertia = _round(x, centres)
    return labels, centres, inertia


def _combined(groups, most):
    """Yield combinations of faults, at most one of each group, the fewest first."""
    for count in range(1, most + 1):
        for chosen in itertools.combinations(groups, count):
            yield from itertools.product(*chosen)


def _points(rows, columns, number):
    """Return rows and centres without ties; each centre has rows, others before than after."""
    rng = np.random.default_rng(rows)
    x = np.round(rng.normal(0, 2, (rows, columns)), 1)
    return x, x[:number] + 0.23


def _round(x, centres, faults=()):
    gaps = np.abs(x[:, None] - centres)
    table = (gaps if "manhattan" in faults else gaps**2).sum(axis=2)
    labels = table.argmax(axis=1) if "farthest" in faults else table.argmin(axis=1)
    middle = np.mean
    if "median" in faults:
        middle = np.median
    if "sum" in faults:
        middle = np.sum
    new = np.array([
        middle(x[labels == k], axis=0) if (labels == k).any() else old
        for k, old in enumerate(centres)
    ])  # fmt: skip
    if "half_way" in faults:
        new = (centres + new) / 2
    if "unmoved" in faults:
        new = centres
    if "again" in faults:
        labels = ((x[:, None] - new) ** 2).sum(axis=2).argmin(axis=1)
    to = centres if "before" in faults else new
    squares = ((x - to[labels]) ** 2).sum(axis=1)
    if "all" in faults:
        squares = ((x[:, None] - to) ** 2).sum(axis=(1, 2))
    inertia = squares.sum()
    if "plain" in faults:
        inertia = np.sqrt(squares).sum()
    if "root" in faults:
        inertia = np.sqrt(inertia)
    shares = {"mean": len(x), "entries": x.size}
    return labels, new, inertia / next((shares[f] for f in faults if f in shares), 1)


def _three(answer, x, centres):
    found = expect.items(answer(x.copy(), centres.copy()), 4, "`k_means_round(...)`")
    if len(found) != 3:
        raise Wrong("count", got=len(found))
    labels, new, inertia = found
    wanted, shapes = [(len(x),), centres.shape, ()], [np.shape(one) for one in found]
    if shapes != wanted and sorted(shapes) == sorted(wanted):
        raise Wrong("order")
    return (
        expect.array(labels, (len(x),), what="labels"),
        expect.array(new, centres.shape, what="the centres"),
        expect.number(inertia, "the sum of squares"),
    )


def _lonely(answer):
    """A centre far away from every row stays where it is."""
    x, centres = _points(9, 2, 3)
    centres[1] = 50.0
    with np.errstate(all="ignore"):
        _, new, _ = expect.items(answer(x.copy(), centres.copy()), 4, "`k_means_round(...)`")
    new = np.asarray(new, "float64")
    if new.shape != centres.shape or not np.allclose(new[1], centres[1]):
        raise Wrong("empty", got=new[1] if len(new) == 3 else f"missing: {len(new)} centres")
    right = _round(x, centres)
    if not all(map(_alike, _three(answer, x, centres), right)):
        raise Wrong("parts", right="everything while each centre has rows", wrong="what you "
                    "return when one has none")  # fmt: skip


def _alike(a, b) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5))


# --------------------------------------------------------------------------------------------------

LOST = {"dropped": 2.0, "kept": 8.0, "kept_mean": 1.6, "share": 0.2, "kept_share": 0.8,
        "rooted": 0.4**0.5, "three": 2 / 3, "two": 1.0}  # fmt: skip
AGREE = {
    "A": "Turn the two rows of the decoder within their plane, and turn the codes back: the same "
    "rows come out. So training may end at any of them.",
    "B": "Both make the squared error as small as two numbers allow.",
    "C": "A point and a plane: the nearest point of the plane is one, however the plane is "
    "described.",
    "D": "The code is written in the directions of the decoder, and these are not fixed.",
}


@check.exercise(
    title="What must agree",
    messages={
        "dropped": "{got} is what is lost for a row. Per entry, a row has five.",
        "kept": "{got} is what the two directions keep.",
        "kept_mean": "{got} is what the two directions keep, per entry. Asked is what is lost.",
        "share": "{got} is the lost share of the variance. Asked is the error itself.",
        "kept_share": "{got} is the share that is kept.",
        "rooted": "{got} is the root of it: the error is squared.",
        "three": "{got} divides by the directions that you drop. The mean is over the entries.",
        "two": "{got} divides by the directions that you keep. The mean is over the entries.",
        "lost": "`lost` is not {got}. Which variances are dropped, and over how many entries is "
        "the mean taken?",
        "missing": "`lost` is right. In one thing more they must agree. {why}",
        "extra": "`lost` is right. {letter} need not agree. {why}",
    },
    hints=[
        "What is lost is what lies along the dropped directions.",
        "Their variances add up to the loss of a row; the mean is over its entries.",
        "Could you turn the decoder's rows within their plane, without any rebuilt row changing?",
    ],
    why="(1 + 0.5 + 0.5) / 5 = 0.4. The least error has one plane, and each row one nearest point "
    "in it. The plane has many pairs of directions, and each pair its own codes.",
    alternative="the letters in any order or spelling; `2 / 5`.",
)
def agree(lost, letters):
    got = expect.numeral(lost, "`lost`")
    if not expect.is_rounded(got, 0.4):
        near = (k for k, v in LOST.items() if np.isclose(got, v, rtol=0.02))
        key = next(near, "lost")
        if key == "lost":
            expect.no_slips(got, 0.4, "`lost`", n=5, tolerance=0.01)
        raise Wrong(key, got=f"{got:g}")
    named = expect.letters(letters, "ABCD", "`letters`")
    for letter, why in AGREE.items():
        if (letter in named) != (letter in "BC"):
            raise Wrong("extra" if letter in named else "missing", letter=letter, why=why)


# --------------------------------------------------------------------------------------------------

KL = {
    "sign": "the sign is turned round: nothing is further from itself than 0",
    "no_half": "the factor 1/2 is missing",
    "quarter": "the factor 1/2 is there twice",
    "no_one": "the 1 is missing: a code like N(0, 1) has the distance 0",
    "no_mean": "the mean is missing: a code far from 0 costs as well",
    "plain_mean": "the mean is not squared",
    "no_log": "the logarithm of the variance is missing",
    "root": "`exp(log_variance / 2)` is the standard deviation; the formula has the variance",
    "deviation": "`log_variance` is taken for the logarithm of the standard deviation",
    "variance": "`log_variance` is taken for the variance itself",
    "itself": "`log_variance` is taken for the standard deviation itself",
    "plus": "the logarithm is added, not taken away",
    "average": "it is the mean over the numbers of the code; each number adds its part",
    "exchanged": "the mean and the logarithm are exchanged",
}
KL_GROUPS = (
    ("sign",),
    ("no_half", "quarter"),
    ("no_one",),
    ("no_mean", "plain_mean"),
    ("no_log", "plus"),
    ("root", "deviation"),
    ("average",),
    ("exchanged",),
)


@check.exercise(
    title="How far from N(0, 1)",
    messages={
        "total": "you return one number for {rows} rows. Asked is one for each row.",
        "each": "you return a value for each number of the code. They are summed up, row by row.",
        "columns": "you return {got} values for {rows} rows of {codes}: which axis has the codes?",
        "one": "{fault}. For mean {mean} and log_variance {log} you get {got}.",
        "several": "several things at once: {faults}.",
        "wrong": "for mean {mean} and log_variance {log} you get {got}. By the formula above the "
        "numbers of this code add {right}, one by one.",
    },
    hints=[
        "With s the logarithm of the variance, the variance is `np.exp(s)`.",
        "Each number of the code adds half of: variance + mean squared - 1 - s.",
        "`0.5 * np.sum(..., axis=1)`.",
    ],
    why="It is 0 for mean 0 and variance 1, and grows to all sides: the codes of all images are "
    "held near the one cloud from which new codes will be drawn.",
    alternative="keras.ops in place of NumPy; `-0.5 * (1 + s - m**2 - exp(s))`, summed.",
)
def kl(answer):
    expect.function(answer, "`kl`")
    rng = np.random.default_rng(0)
    cases = [tuple(np.round(rng.normal(0.3, 0.8, (2, *shape)), 1)) for shape in ((4, 2), (3, 5))]
    cases.insert(0, (cases[0][0], abs(cases[0][1]) + 0.1))  # first where any logarithm exists
    made = []
    for mean, log in cases:
        with np.errstate(all="ignore"):
            got = expect.array(answer(mean.copy(), log.copy()), what="`kl(...)`")
        if got.shape == (len(mean), 1):
            got = got[:, 0]
        if got.ndim == 0:
            raise Wrong("total", rows=len(mean))
        if got.shape == mean.shape:
            raise Wrong("each")
        if got.shape == mean.shape[1:]:
            raise Wrong("columns", got=len(got), rows=len(mean), codes=mean.shape[1])
        made.append(expect.array(got, mean.shape[:1], what="`kl(...)`"))
        seen = {"mean": brief(cases[0][0][0]), "log": brief(cases[0][1][0]), "got": made[0][0]}
        for fault in ("variance", "itself"):
            if _alike(made[0], _kl(*cases[0], (fault,))):
                raise Wrong("one", fault=KL[fault], **seen)
    if all(_alike(got, _kl(*case)) for got, case in zip(made, cases, strict=True)):
        return
    mean, log = cases[0]
    for faults in _combined(KL_GROUPS, 3):
        with np.errstate(all="ignore"):
            theirs = [_kl(*case, faults) for case in cases]
        if all(_alike(got, one) for got, one in zip(made, theirs, strict=True)):
            words = [KL[fault] for fault in faults]
            if len(words) == 1:
                raise Wrong("one", fault=words[0], **seen)
            raise Wrong("several", faults="; ".join(words))
    expect.no_slips(made[0], _kl(mean, log), "`kl(...)`", n=len(mean))
    right = _kl(mean[0][:, None], log[0][:, None])  # each number of the first code alone
    raise Wrong("wrong", right=brief(right), **seen)


def _kl(mean, log, faults=()):
    if "exchanged" in faults:
        mean, log = log, mean
    variance = np.exp(log)
    if "root" in faults:
        variance = np.exp(log / 2)
    if "deviation" in faults:
        variance, log = np.exp(2 * log), 2 * log
    if "variance" in faults:
        variance, log = log, np.log(log)
    if "itself" in faults:
        variance, log = log**2, 2 * np.log(log)
    of_mean = {"no_mean": 0 * mean, "plain_mean": mean}
    square = next((v for k, v in of_mean.items() if k in faults), mean**2)
    of_log = {"no_log": 0, "plus": -1}
    taken = next((v for k, v in of_log.items() if k in faults), 1)
    terms = variance + square - ("no_one" not in faults) - taken * log
    factor = {"no_half": 1, "quarter": 0.25}
    half = next((v for k, v in factor.items() if k in faults), 0.5)
    total = np.mean if "average" in faults else np.sum
    return (-1 if "sign" in faults else 1) * half * total(terms, axis=1)


# --------------------------------------------------------------------------------------------------

HERE = {"generated": 0.25, "odds": 3.0, "only_p": 0.6, "odds_back": 1 / 3, "difference": 0.4,
        "sum": 0.8, "half": 0.5}  # fmt: skip
END = {"sure": 1.0, "never": 0.0, "still_here": 0.75, "its_rest": 0.25}
VALUE = {"one_term": -np.log(2), "perfect": 0.0, "product": 0.25, "halves": 1.0, "two_bits": -2.0,
         "half": 0.5, "ten": 2 * np.log10(0.5), "at_here": np.log(0.75) + np.log(0.25)}  # fmt: skip


@check.exercise(
    title="The end of the game",
    messages={
        "generated": "`d_here`: {got} is the share of generated examples. D(x) is high for real "
        "ones.",
        "odds": "`d_here`: {got} is how many real ones come on a generated one. D(x) is a share, "
        "0 to 1.",
        "odds_back": "`d_here`: {got} is how many generated ones come on a real one.",
        "only_p": "`d_here`: {got} is the density of the data. How large is its share of both?",
        "difference": "`d_here`: {got} is by how much p exceeds q.",
        "sum": "`d_here`: {got} is both densities together.",
        "half_here": "`d_here`: {got} would be no opinion. Here real ones are more likely.",
        "here": "`d_here` is not {got}. Of all that turns up at x, which share is real?",
        "sure": "`d_here` is right. {got}: at the end D takes everything for real? It is shown as "
        "many generated ones, and they look the same.",
        "never": "`d_here` is right. {got}: at the end D takes nothing for real?",
        "still_here": "`d_here` is right. {got} belongs to p = 0.6 and q = 0.2. At the end q = p.",
        "its_rest": "`d_here` is right. {got} belongs to p = 0.6 and q = 0.2. At the end q = p.",
        "end": "`d_here` is right. `d_end` is not {got}. Put q = p into your formula.",
        "one_term": "D is right. {got} is one of the two terms of V.",
        "perfect": "D is right. V = {got} is a D that is always right and sure: the beginning of "
        "the game, or a bad generator.",
        "product": "D is right. {got} multiplies two probabilities; V adds their logarithms.",
        "halves": "D is right. {got} adds two probabilities; V adds their logarithms.",
        "two_bits": "D is right. {got} takes the logarithm to the base 2; `log` is natural.",
        "half": "D is right. {got} is D itself. What is V then?",
        "ten": "D is right. {got} takes the logarithm to the base 10; `log` is natural.",
        "at_here": "D is right. {got} is V with `d_here`. The value is that of the end.",
        "v": "D is right. `value` is not {got}. Put your `d_end` into V, in both terms.",
    },
    hints=[
        "At a place x come p real and q generated examples. D is best if it says the real share.",
        "At the end q = p, everywhere.",
        "`np.log(d) + np.log(1 - d)`, with d from the line before.",
    ],
    why="D = p / (p + q) makes p log D + q log(1 - D) largest. With q = p that is 1/2, and the "
    "value is 2 log 0.5 = -1.386: no D tells the two apart.",
    alternative="`-np.log(4)`; `3 / 4` and `1 / 2`.",
)
def game(d_here, d_end, value):
    got = expect.numeral(d_here, "`d_here`")
    if not expect.is_rounded(got, 0.75):
        near = next((k for k, v in HERE.items() if np.isclose(got, v, rtol=0.02)), "here")
        if near == "here":
            expect.no_slips(got, 0.75, "`d_here`", n=100, tolerance=0.01)
        raise Wrong("half_here" if near == "half" else near, got=brief(got))
    got = expect.numeral(d_end, "`d_end`")
    if not expect.is_rounded(got, 0.5):
        near = next((k for k, v in END.items() if np.isclose(got, v, atol=1e-6)), "end")
        if near == "end":
            expect.no_slips(got, 0.5, "`d_end`", n=100, tolerance=0.01)
        raise Wrong(near, got=brief(got))
    got, right = expect.numeral(value, "`value`"), -2 * np.log(2)
    if not expect.is_rounded(got, right):
        expect.no_slips(got, right, "`value`", neighbours=VALUE, tolerance=0.01)
        raise Wrong("v", got=brief(got))


# --------------------------------------------------------------------------------------------------

CLEAN = {
    "no_roots": "the shares themselves stand where their roots belong",
    "plus": "the noise is added once more, not taken away",
    "multiplied": "it is multiplied by the root of `kept`, not divided",
    "not_divided": "the scaling of x by the root of `kept` is not undone",
    "early": "the division reaches the noise alone; brackets around the difference are missing",
    "late": "the noise is taken away after the division, without being divided",
    "swapped": "`kept` and `1 - kept` are exchanged",
    "whole_noise": "the whole noise is taken away; only a part of it was put in",
    "whole_kept": "the division is by `kept`; what was multiplied was its root",
    "only_kept": "the noise is left in",
    "flat_noise": "the noise was put in by the root of `1 - kept`; the root is missing there",
    "mixed": "this mixes noise in, once more; asked is the way back",
}
CLEAN_GROUPS = (
    ("no_roots",),
    ("plus", "whole_noise", "only_kept", "flat_noise"),
    ("mixed",),
    ("multiplied", "not_divided", "early", "late", "whole_kept"),
    ("swapped",),
)


@check.exercise(
    title="Back to the clean point",
    messages={
        "one": "{fault}. At kept={kept} your first point is {got}.",
        "several": "several things at once: {faults}.",
        "wrong": "at kept={kept} your first point is {got}. Put your result into the formula above "
        "with the same noise: do you get `noisy` back?",
    },
    hints=[
        "The formula says how `noisy` was made. Solve it for x.",
        "Take away the noise that was put in, as much as was put in. Then undo the scaling.",
        "`(noisy - ... * noise) / ...`, with a root in both places.",
    ],
    why="Given the noise, the clean point follows exactly. A network predicts the noise only on "
    "average, so its guess at an early step is a blur, and the walk goes back in many small steps.",
    alternative="`noisy / np.sqrt(kept) - np.sqrt(1 / kept - 1) * noise`.",
)
def clean(answer):
    expect.function(answer, "`clean_point`")
    rng = np.random.default_rng(0)
    shares, shapes = (0.7, 0.2, 0.95, 0.7), ((4, 2), (3, 2), (5, 2), (2, 3))
    cases = [(*rng.normal(size=(2, *shape)), kept)
             for shape, kept in zip(shapes, shares, strict=True)]  # fmt: skip
    made = [
        expect.array(answer(noisy.copy(), e.copy(), kept), noisy.shape, what="`clean_point(...)`")
        for noisy, e, kept in cases
    ]
    if all(_alike(got, _clean(*case)) for got, case in zip(made, cases, strict=True)):
        return
    for faults in _combined(CLEAN_GROUPS, 3):
        theirs = [_clean(*case, faults) for case in cases]
        if all(_alike(got, one) for got, one in zip(made, theirs, strict=True)):
            words = [CLEAN[fault] for fault in faults]
            if len(words) == 1:
                raise Wrong("one", fault=words[0], kept=shares[0], got=made[0][0])
            raise Wrong("several", faults="; ".join(words))
    expect.no_slips(made[0], _clean(*cases[0]), "`clean_point(...)`")
    wrong = next(k for k, (got, case) in enumerate(zip(made, cases, strict=True))
                 if not _alike(got, _clean(*case)))  # fmt: skip
    raise Wrong("wrong", kept=shares[wrong], got=made[wrong][0])


def _clean(noisy, e, kept, faults=()):
    signal, spread = (1 - kept, kept) if "swapped" in faults else (kept, 1 - kept)
    if "no_roots" not in faults:
        signal, spread = np.sqrt(signal), np.sqrt(spread)
    parts_of_noise = {"plus": -spread, "whole_noise": 1, "only_kept": 0}
    part = next((v for k, v in parts_of_noise.items() if k in faults), spread)
    if "late" in faults:
        return noisy / signal - part * e
    if "early" in faults:
        return noisy - part * e / signal
    if "flat_noise" in faults:
        part = (1 - kept) * (1 if signal == np.sqrt(kept) else np.nan)
    left = noisy - part * e
    if "mixed" in faults:
        return signal * noisy + part * e
    factors = {"multiplied": signal, "not_divided": 1, "whole_kept": 1 / signal**2}
    return left * next((v for k, v in factors.items() if k in faults), 1 / signal)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_starts",
    reasons={
        "a": "Each round only goes downhill from where it stands: the start decides where it ends.",
        "b": "Most starts end at the same sum of squares, and one ends far above it.",
        "c": "The sum of squares needs no label, and shows the poor one.",
    },
    answer="b",
)
check.prediction(
    "predict_rings",
    reasons={
        "a": "A ring is no heap around a centre. What holds it together are neighbours.",
        "b": "Each row goes to its nearest centre: between two centres runs a straight line.",
        "c": "DBSCAN follows neighbours, and the rings lie further apart than neighbours do.",
    },
    answer="a",
)
check.prediction(
    "predict_slow",
    reasons={
        "a": "Nothing in the loss asks for variety: all of G goes where the slow D is fooled.",
        "b": "All its points are one patch, near few heaps, and most of them lie on none.",
        "c": "Beside the heaps, yes. But not all round: nothing in the loss asks for variety.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Two runs of k-means on the same rows end at sums of 379 and 486. Which do you keep?",
    options={
        "a": ("the first", "It is the better solution of the same problem. Whether its groups mean "
              "anything, no sum says."),
        "b": ("the second", "It has the larger distances."),
        "c": ("their mean", "A label 0 of one run need not be the label 0 of the other."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_2",
    "Why does a VAE pull its codes towards N(0, 1)?",
    options={
        "a": ("so that codes drawn from N(0, 1) decode to something", "New codes then fall where "
              "the decoder has learned."),
        "b": ("to rebuild more sharply", "It costs sharpness: the noise blurs the code."),
        "c": ("to save memory", "The code is as long as without."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_3",
    "A GAN's discriminator loss stands at 1.38, twice the logarithm of 2. What do you know?",
    options={
        "a": ("the generator is perfect", "A D that has learned too little stands there as well."),
        "b": ("the training is over", "Both may be far from anything."),
        "c": ("D cannot tell them apart, for one reason or the other", "So look at what is "
              "generated, and count."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_4",
    f"From {lesson('data')}: from which rows come the mean and the deviation of the scaling?",
    options={
        "a": ("from each part its own", "Then the same penguin has two places."),
        "b": ("from all rows", "Then the validation rows have had a say."),
        "c": ("from the training rows", "What is measured on later must not be looked at before."),
    },
    answer="c",
)
check.question(
    "quiz_5",
    f"From {lesson('losses')}: which error does the mean minimise, as a single prediction?",
    options={
        "a": ("the absolute error", "That is the median."),
        "b": ("the squared error", "This is why k-means moves its centres to means."),
        "c": ("the number of misses", "That is the most frequent value."),
    },
    answer="b",
)
check.card(
    "One round of k-means, and what it makes smaller?",
    "Each row to its nearest centre; each centre to the mean of its rows. The sum of squared "
    "distances falls until nothing moves: at one of several ends, so start several times.",
)
check.card(
    "What does DBSCAN need in place of a number of groups?",
    "eps and min_samples: how near and how many neighbours must be. It follows dense places of any "
    "shape, leaves noise out, and minimises nothing.",
)
check.card(
    "Linear autoencoder and PCA: what is the same?",
    "The error, the plane and each reconstruction. Not the weights, nor the codes.",
)
check.card(
    "The loss of a VAE?",
    "Reconstruction plus KL of each code's cloud from N(0, 1), "
    "(exp(s) + m^2 - 1 - s) / 2 a number: a bound of the likelihood.",
)
check.card(
    "The best D for a given generator, and the value of the game at its end?",
    "p / (p + q), where p and q are the densities of data and generator. At the end 1/2, and the "
    "value is -log 4 = -1.386.",
)
check.card(
    "Mode collapse: what is it, and three remedies?",
    "The generator makes few kinds. Other learning rates for G and D; another loss (Wasserstein, "
    "least squares); let D see several examples at once (mini-batch discrimination).",
)
check.card(
    "How does a diffusion model learn, and how does it draw?",
    "Mix noise into examples, predict it by plain regression. Draw: begin with pure noise, take "
    "away a little of what is predicted, many times.",
)
check.card(
    "How do word vectors come about without labels?",
    "From neighbours: count which words stand near which, take the logarithm of how much more "
    "often than chance, and keep the main directions, as PCA does. word2vec and GloVe learn "
    "the like.",
)
