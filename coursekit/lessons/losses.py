"""Losses: checks, hints, quiz and cards."""

import re
import warnings

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect
from coursekit.lessons import _losses as parts

__all__ = ["check", "parts"]

check = Lesson("losses", "How wrong is wrong?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="The gradient of the mean squared error",
    messages={
        "no_mean": "for the errors [1, -2, 0, 3] you get {got}: the gradient of the *sum* of the "
        "squares. The mean divides by the four errors, and so does its gradient.",
        "no_two": "for the errors [1, -2, 0, 3] you get {got}: the 2 is lost that comes down from "
        "the square. (For half the mean it would be right; Keras has no half.)",
        "error": "for the errors [1, -2, 0, 3] you get {got}: the errors themselves. That is the "
        "gradient of half the *sum* of the squares: the 2 and the mean are missing.",
        "mean_twice": "for the errors [1, -2, 0, 3] you get {got}: you divide by their number more "
        "than once.",
        "sign": "for the errors [1, -2, 0, 3] you get {got}: every sign is turned. A prediction "
        "that is too high must get a positive gradient: raising it raises the loss.",
        "sign_and": "for the errors [1, -2, 0, 3] you get {got}. Every sign is turned: a "
        "prediction that is too high must get a positive gradient. And {more}.",
        "one_row_less": "for the errors [1, -2, 0, 3] you get {got}: you divide by one row less "
        "than there are. The mean divides by all of them.",
        "one_only": "for the errors [1, -2, 0, 3] you get {got}: that is made of the {part} alone. "
        "What counts is how far prediction and target are apart.",
        "all_alike": "for the errors [1, -2, 0, 3] you get {got}: every prediction gets the same "
        "pull. Each one has an error of its own, and so a gradient of its own.",
        "of_huber": "for the errors [1, -2, 0, 3] you get {got}: no pull is above a limit, as with "
        "Huber's loss. The square has no limit.",
        "fixed_factor": "for the errors [1, -2, 0, 3] you get {got}: {factor} times the errors, "
        "however many there are. The mean depends on their number.",
        "times": "for the errors [1, -2, 0, 3] you get {got}: {factor} times the gradient, also "
        "for other numbers of rows.",
        "no_sign": "for the errors [1, -2, 0, 3] you get {got}: all of one sign. A prediction that "
        "is too low must go up, and one that is too high down.",
        "losses": "for the errors [1, -2, 0, 3] you get {got}: that is made of the squares, the "
        "losses themselves. How do they change if a prediction moves?",
        "of_mae": "for the errors [1, -2, 0, 3] you get {got}: the gradient of the mean *absolute* "
        "error. Squares pull harder, the larger the error.",
        "along_rows": "for the errors [1, -2, 0, 3] you get {got}: `np.gradient` compares "
        "neighbours in an array. Here each prediction moves by itself, and the loss is asked.",
        "wrong": "for the errors {errors} you get {got}. Raise one prediction by a little: how "
        "much does the mean of the squares change? That is not what you return.",
        "not_general": "the errors [1, -2, 0, 3] come out right; but for the errors {errors} you "
        "get {got}, and that is {factor} times the gradient. Does your code know how many there "
        "are?",
        "short": "the gradient is right. But one step with rate {rate} takes the errors "
        "[1, -2, 0, 3] only to {left}. Which rate turns the gradient into the error itself?",
        "too_far": "the gradient is right. But one step with rate {rate} takes the errors "
        "[1, -2, 0, 3] past 0, to {left}.",
        "away": "the gradient is right. But a rate of {rate} does not step against it: the errors "
        "[1, -2, 0, 3] become {left}.",
    },
    hints=[
        "Take one prediction alone: how does (its error)² / n change when the prediction moves?",
        "The square gives a factor 2, the mean a factor 1 / n, and the error keeps its sign.",
        "`return 2 * (y_hat - y) / len(y)`. For the rate: which number times the gradient is the "
        "error?",
    ],
    hints_for={"sign": "The error is prediction minus target: `y_hat - y`."},
    why="The derivative of (ŷ - y)² / n with respect to ŷ is 2 (ŷ - y) / n. The mean over n makes "
    "each single pull n times weaker, so the rate that undoes the errors in one step is n / 2.",
    alternative="`np.mean` has the gradient 1 / n, the square 2 times the error: the chain rule "
    "gives the product. A tape or finite differences give the same numbers.",
)
def mse_gradient(answer, rate):
    expect.function(answer, "`mse_gradient`")
    made = []
    for errors, y in GRADIENTS:
        got = answer(y.copy(), y + errors)
        made.append(expect.array(got, shape=errors.shape, what="the gradient"))
    right = [2 * errors / len(errors) for errors, _ in GRADIENTS]
    fits = [np.allclose(a, b, atol=1e-4) for a, b in zip(made, right, strict=True)]
    if not all(fits):
        _explain_gradient(made, right, fits)
    errors = GRADIENTS[0][0]
    rate = expect.numeral(rate, "`rate`")
    left = errors - rate * errors / 2
    if rate <= 0:
        raise Wrong("away", rate=rate, left=left)
    if not np.isclose(rate, 2.0, rtol=1e-3):
        raise Wrong("short" if rate < 2 else "too_far", rate=rate, left=left)


# The errors and the targets that the gradient is tried on.
GRADIENTS = [
    (np.array([1.0, -2.0, 0.0, 3.0]), np.array([3.0, 5.0, 2.0, 7.0])),
    (np.array([0.5, -1.5, 4.0]), np.array([10.0, 20.0, 30.0])),
    (np.array([-2.5]), np.array([1.0])),
]
# By what the gradient is multiplied, for n rows, if something is left out.
FACTORS = {
    "no_mean": lambda n: n,
    "no_two": lambda n: 1 / 2,
    "error": lambda n: n / 2,
    "mean_twice": lambda n: 1 / n,
    "mean_twice_no_two": lambda n: 1 / (2 * n),
    "one_row_less": lambda n: n / max(n - 1, 1),
}
MORE = {
    "no_mean": "the mean is missing: you have the gradient of the sum",
    "no_two": "the 2 is missing that comes down from the square",
    "error": "the 2 and the mean are missing",
    "mean_twice": "you divide by the number of rows more than once",
    "one_row_less": "you divide by one row less than there are",
}


def _explain_gradient(made, right, fits):
    got, counts = made[0], [len(one) for one in right]

    def are(theirs):
        return all(np.allclose(a, b, atol=1e-4) for a, b in zip(made, theirs, strict=True))

    for sign in (1, -1):
        if sign < 0 and are([-one for one in right]):
            raise Wrong("sign", got=got)
        for key, factor in FACTORS.items():
            if are([sign * factor(n) * one for n, one in zip(counts, right, strict=True)]):
                name = key.removesuffix("_no_two") if key.startswith("mean") else key
                if sign < 0:
                    raise Wrong("sign_and", got=got, more=MORE[name])
                raise Wrong(name, got=got)
    all_errors = [errors for errors, _ in GRADIENTS]
    for power in (0, 1):
        if are([e**2 / len(e) ** power for e in all_errors]):
            raise Wrong("losses", got=got)
        if are([np.full(len(e), (e**2).sum() / len(e) ** power) for e in all_errors]):
            raise Wrong("losses", got=got)
        if are([np.sign(e) / len(e) ** power for e in all_errors]):
            raise Wrong("of_mae", got=got)
        if are([np.clip(e, -1, 1) / len(e) ** power for e in all_errors]):
            raise Wrong("of_huber", got=got)
    for part, of in (("predictions", [y + e for e, y in GRADIENTS]),
                     ("targets", [y for _, y in GRADIENTS])):  # fmt: skip
        if any(are([k * one / (len(one) if mean else 1) for one in of])
               for k in (-2, -1, 1, 2) for mean in (True, False)):  # fmt: skip
            raise Wrong("one_only", got=got, part=part)
    if all(np.ptp(one) < 1e-6 for one in made) and got.any():
        raise Wrong("all_alike", got=got)
    if fits[0]:
        k = fits.index(False)
        factor = float(np.dot(made[k], right[k]) / np.dot(right[k], right[k]))
        raise Wrong("not_general", errors=GRADIENTS[k][0], got=made[k], factor=round(factor, 3))
    ratio = float(np.dot(got, right[0]) / np.dot(right[0], right[0]))
    if ratio and are([ratio * one for one in right]):
        raise Wrong("times", got=got, factor=round(ratio, 4))
    fixed = float(np.dot(got, all_errors[0]) / np.dot(all_errors[0], all_errors[0]))
    if fixed and are([fixed * one for one in all_errors]):
        raise Wrong("fixed_factor", got=got, factor=round(fixed, 4))
    if (
        np.allclose(np.abs(got), np.abs(got[0] * right[0] / right[0][0]), atol=1e-4)
        and got.min() >= 0
    ):
        raise Wrong("no_sign", got=got)
    if np.allclose(got, np.gradient(GRADIENTS[0][0] ** 2), atol=1e-4):
        raise Wrong("along_rows", got=got)
    raise Wrong("wrong", errors=GRADIENTS[0][0], got=got)


# --------------------------------------------------------------------------------------------------

A_LOSS = round(float(-(0.95 * np.log(0.999) + 0.05 * np.log(0.001))), 3)
B_LOSS = round(float(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1))), 3)


@check.exercise(
    title="Two forecasters",
    messages={
        "a": "A is right more often; its log loss is higher all the same: {a} against {b}. What "
        "does A pay in the 5 days of 100 on which it is wrong, having said .999?",
        "stays": "at .999 A pays {got} a day, and there is a number at which it pays less. The "
        "days on which it is wrong cost -ln(.001) each.",
        "bs": ".9 suits B, which is right 90 % of the time. A, at .9, would pay {got} a day; there "
        "is a number at which it pays less.",
        "error_rate": "{advice} is how often A is wrong. Its answer is the one that it thinks "
        "right: saying {advice} for that would cost {got} a day.",
        "certain": "saying {advice} would cost A an infinite loss, on the first day that goes the "
        "other way.",
        "advice": "if A always says {advice}, it pays {got} a day. Go {way}, and it pays less.",
        "range": "the second answer is a probability, between 0 and 1: {got} is not.",
    },
    hints=[
        "Write down what a day costs: -ln(p) if the forecaster is right, -ln(1 - p) if wrong. "
        "How often does each happen?",
        "A: 0.95 times -ln(.999) plus 0.05 times -ln(.001). Do the same for B.",
        "Try several p in `-(0.95 * np.log(p) + 0.05 * np.log(1 - p))`: where is it lowest?",
    ],
    why="A's rare errors cost -ln(.001) = 6.9 each, and 5 % of that alone is .345. Log loss is "
    "lowest if you say the true probability, which is .95 for A: that is what makes it a *proper* "
    "scoring rule.",
    alternative="set the derivative of -(.95 ln p + .05 ln(1 - p)) to 0: .95 / p = .05 / (1 - p).",
)
def forecaster(lower, advice):
    if expect.choice(lower, ["A", "B"], "the first answer") == "A":
        raise Wrong("a", a=A_LOSS, b=B_LOSS)
    advice = expect.numeral(advice, "the second answer")
    if 2 <= advice <= 100:  # in per cent
        advice /= 100
    if not 0 <= advice <= 1:
        raise Wrong("range", got=advice)
    if advice in (0, 1):
        raise Wrong("certain", advice=advice)
    if np.isclose(advice, 0.95, atol=2e-3):  # as near as a coarse grid of candidates comes
        return
    named = {0.999: "stays", 0.9: "bs", 0.05: "error_rate"}
    key = named.get(round(advice, 4), "advice")
    way = "higher" if advice < 0.95 else "lower"
    raise Wrong(key, advice=advice, got=_log_loss(advice), way=way)


def _log_loss(said: float) -> float:
    """Return the mean cost of saying this probability when 95 % is the truth."""
    return round(float(-(0.95 * np.log(said) + 0.05 * np.log1p(-said))), 4)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Logits of a thousand",
    messages={
        "overflow": "for {z} you get {got}: some `exp` has overflowed. Above about 709, exp is "
        "infinite even in double precision.",
        "underflow": "for {z} you get {got}: the logarithm of 0. All your exponents were so far "
        "below 0 that every `exp` became 0. One of them should stay near 0.",
        "max_only": "for {z} you get {got}: the largest logit alone. The others add something: two "
        "equal logits, for example, add ln 2 to one.",
        "not_added": "for {z} you get {got}; you took the maximum out of every exponent, and did "
        "not add it back after the logarithm.",
        "inside": "for {z} you get {got}: the maximum must be added after the logarithm, outside.",
        "mean_not_sum": "for {z} you get {got}: that is the logarithm of the *mean* of the "
        "exponentials. The softmax divides by their sum.",
        "base": "for {z} you get {got}: that is a logarithm to another base. `np.log` is the "
        "natural one.",
        "negative": "for {z} you get {got}: the sign is turned.",
        "taken_twice": "for {z} you get {got}: the maximum is subtracted once more at the end, "
        "where it should come back.",
        "whole": "for {z} you get {got}: one of the logits is taken off again, as in the whole "
        "cross-entropy or in the log-softmax. The second part alone is asked.",
        "no_log": "for {z} you get {got}: the sum of the exponentials; its logarithm is asked.",
        "no_exp": "for {z} you get {got}: the logarithm of the plain sum, or mean. Each logit goes "
        "through `exp` first.",
        "added_twice": "for {z} you get {got}: the maximum is added twice.",
        "count": "for {z} you get {got}: the largest logit, and the logarithm of how many there "
        "are. That is right if all of them are equal.",
        "plus_one": "for {z} you get {got}: a 1 has come into the sum, as by `log1p`.",
        "two_only": "for {z} you get {got}: two of the logits alone.",
        "clipped": "for {z} you get {got}: not what the logits give. One way to get this is to cut "
        "them to a range in which `exp` is finite: that changes them. Shift them instead.",
        "off": "for {z} you get {got}, and that is not the logarithm of the sum of the "
        "exponentials. Compare with the plain formula, for logits as small as these.",
    },
    hints=[
        "exp(a) = exp(m) exp(a - m). So a common factor exp(m) can come out of the sum, and out of "
        "the logarithm as m.",
        "Choose m such that no exponent is above 0, whatever the logits: then nothing overflows. "
        "And one exponent should be exactly 0: then the sum is at least 1.",
        "`m = np.max(z)` and `return m + np.log(np.sum(np.exp(z - m)))`",
    ],
    hints_for={
        "underflow": "A fixed number helps only logits of its own size; a size without its sign, "
        "or a sum, is too large for some. Which number always fits?"
    },
    why="With m the largest logit, every exponent is at most 0 and one is exactly 0: the sum lies "
    "between 1 and n, and its logarithm is finite for any logits.",
    alternative="`np.logaddexp.reduce(z)`, `scipy.special.logsumexp(z)` and "
    "`keras.ops.logsumexp(z)` do the same.",
)
def log_sum_exp(answer):
    expect.function(answer, "`log_sum_exp`")
    cases = (
        [1.0, 2.0, 0.5],
        [0.3],
        [0.5, -1.0, 3.0, 2.0, 2.5],
        [1000.0, 1000.0],
        [1000.0, 0.0],
        [0.0, 1000.0],
        [-1000.0, -1000.0],
        [900.0, -900.0],
    )
    for case in (*cases, [20_000.0, 20_000.0]):  # the last is too large for long doubles too
        z = np.array(case)
        with np.errstate(all="ignore"):
            value = answer(z)
        _compare_log_sum(value, z)


def _compare_log_sum(value, z):
    top = z.max()
    shifted = np.exp(z - top)
    wanted = float(top + np.log(shifted.sum()))
    number = np.asarray(value) if hasattr(value, "__array__") or np.isscalar(value) else None
    if number is not None and number.size == 1 and number.dtype.kind == "f":
        found = float(number.item())
        if found == -np.inf or (not np.isfinite(found) and np.abs(z).max() > 80):
            raise Wrong("underflow" if found < 0 else "overflow", z=list(z), got=found)
    got = expect.number(value, "the returned value")
    if np.isclose(got, wanted, rtol=1e-6, atol=1e-3):
        return
    exps, naive = shifted, np.exp(z if np.abs(z).max() < 600 else z * np.nan)
    with np.errstate(all="ignore"):
        pair = np.sort(z)[-2:]
        slips = {
            "max_only": [top],
            "not_added": [wanted - top],
            "inside": [np.log(exps.sum() + top)],
            "mean_not_sum": [wanted - np.log(len(z))],
            "base": [wanted / np.log(2), wanted / np.log(10), top + np.log2(exps.sum()),
                     top + np.log10(exps.sum())],
            "negative": [-wanted],
            "taken_twice": [wanted - 2 * top],
            "whole": [wanted - z[0], wanted - z[-1], z[0] - wanted, z[-1] - wanted],
            "no_log": [naive.sum()],
            "no_exp": [np.log(z.sum()), np.log(z.mean()), z.sum(), z.mean()],
            "added_twice": [wanted + top],
            "count": [top + np.log(len(z))],
            "plus_one": [np.log1p(naive.sum()), top + np.log1p(exps.sum())],
            "two_only": [np.logaddexp(*pair), np.logaddexp(z[0], z[-1])] if len(z) > 2 else [],
        }  # fmt: skip
    for key, values in slips.items():
        if np.isclose(got, values, rtol=1e-6, atol=1e-4).any():
            raise Wrong(key, z=list(z), got=got)
    if np.abs(z).max() > 600:
        raise Wrong("clipped", z=list(z), got=got)
    raise Wrong("off", z=list(z), got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Who pulls at the boundary?",
    messages={
        "right_side": "0 would mean that being on the right side is enough. The hinge asks for a "
        "margin: y f must reach 1, and it is 0.3 here.",
        "sign": "{got} is 1 + y f. The loss falls as y f grows: the sign in front of y f is minus.",
        "squared": "{got} is the squared hinge, Keras's `SquaredHinge`.",
        "log_loss": "{got} is the logistic loss of this score, ln(1 + exp(-y f)). The hinge has "
        "corners and no logarithm.",
        "margin": "{got} is y f itself, or its negative. The loss is what is missing to a margin "
        "of 1.",
        "negative": "{got} is below 0, and a loss that is cut off at 0 never is.",
        "other_point": "{got} is what point {point} costs; B is asked.",
        "all_points": "{got} adds up, or averages, all four points; B is asked.",
        "half": "{got} is half of what B costs.",
        "loss": "{got} is not max(0, 1 - y f) for y f = 0.3.",
        "only_wrong": "the loss is right. But a point on the right side pulls too, while it is "
        "nearer than the margin: {missing} has y f = {margin}, and its loss is {loss}.",
        "signs": "the loss is right. But {letter} does not pull: y = -1 and f = -1.2 give "
        "y f = 1.2. A negative score is what a point of class -1 should have.",
        "beyond": "the loss is right. But {letter} has y f = {margin}: beyond the margin, its loss "
        "is 0 and stays 0 if the boundary moves a little.",
        "missing": "the loss is right. But {missing} is not in your answer: its y f is {margin}, "
        "below 1, so moving the boundary changes its loss.",
        "nobody": "the loss is right. But somebody must pull: where does the loss change if the "
        "boundary moves a little?",
    },
    hints=[
        "Multiply the class and the score first: y f tells how far on the right side a point is.",
        "The loss is max(0, 1 - y f). A point pulls where that is not flat: where y f < 1.",
        "y f is 2.5 for A, 0.3 for B, 1.2 for C, -0.4 for D.",
    ],
    why="max(0, 1 - 0.3) = 0.7. B and D have y f below 1: B is right and too near, D is wrong. A "
    "and C are beyond the margin: they could be deleted and the boundary would stay.",
    alternative="`keras.losses.Hinge()` gives 0.7 too; it takes 0/1 labels as well and turns them "
    "into -1/+1.",
)
def hinge(loss, pulling):
    got = expect.numeral(loss, "the first answer")
    if not np.isclose(got, 0.7, rtol=1e-3):
        _explain_hinge(got)
    margins = {"A": 2.5, "B": 0.3, "C": 1.2, "D": -0.4}
    letters = set(expect.letters(_without_points(pulling), "ABCD"))
    if not letters:
        raise Wrong("nobody")
    if "A" not in letters and "C" in letters:
        raise Wrong("signs", letter="C")
    for letter in sorted(letters - {"B", "D"}):
        raise Wrong("beyond", letter=letter, margin=margins[letter])
    if letters == {"D"}:
        raise Wrong("only_wrong", missing="B", margin=0.3, loss=0.7)
    for letter in sorted({"B", "D"} - letters):
        raise Wrong("missing", missing=letter, margin=margins[letter])


def _explain_hinge(got):
    slips = {"right_side": [0.0], "sign": [1.3], "squared": [0.49], "half": [0.35],
             "log_loss": [np.log1p(np.exp(-0.3)), np.log2(1 + np.exp(-0.3))],
             "margin": [0.3, -0.3], "all_points": [2.1, 0.525]}  # fmt: skip
    for key, values in slips.items():
        if np.isclose(got, values, atol=5e-3).any():
            raise Wrong(key, got=got)
    for point, cost in (("D", 1.4), ("C", 2.2), ("C", -0.2), ("A", -1.5)):
        if np.isclose(got, cost, atol=5e-3):
            raise Wrong("other_point", got=got, point=point)
    raise Wrong("negative" if got < 0 else "loss", got=got)


def _without_points(answer):
    """Drop the word "points" from a text."""
    return re.sub(r"(?i)\bpoints?\b", " ", answer) if isinstance(answer, str) else answer


# --------------------------------------------------------------------------------------------------

UNITS = {"price": (1,), "garment": (10,), "loan": (1, 2), "loan_two": (2,), "tags": (5,)}
CHANCES = np.linspace(0.02, 0.98, 49)
TRUE_CHANCE = 0.8


@check.exercise(
    title="A head and its loss",
    messages={
        "dict": "`heads` should be a dict from task to head, but it is {got}.",
        "missing": "`heads` has no entry for {task}.",
        "triple": "the head of {task} is {got}; it should be three things: (units, activation, "
        "loss).",
        "unknown": "{task}: Keras knows no {kind} {got}. It says: {error}",
        "units": "{task}: the number of units is {got}, where {wanted} would do: one for each "
        "number that the task asks for.",
        "cannot": "{task}: the loss cannot be computed from outputs of shape {shape} and targets "
        "of shape {targets}. Keras says: {error}",
        "always_one": "{task}: a softmax over one unit divides a number by itself. Its output is 1 "
        "for every input.",
        "flat": "{task}: whatever the head says, your loss is {got}. A loss that never changes "
        "teaches nothing.",
        "one_winner": "{task}: raising the scores of all five tags at once does not change your "
        "loss: they compete for one prize. Here all five may be true: each needs a yes or no.",
        "raw": "{task}: the loss takes your outputs for probabilities, but for the scores -3 and 3 "
        "the head gives {got}. (Keras clips what is no probability, and then there is no "
        "gradient.) Which activation, or which argument of the loss, is missing?",
        "twice": "{task}: the head gives probabilities and the loss takes them for logits, so it "
        "squashes them again. Even a perfect answer costs {got}. (On TensorFlow Keras notices, "
        "warns and mends it; on JAX it does not.)",
        "cut": "{task}: the loss takes logits, which may be any number, but for the scores -12 and "
        "12 your activation gives {low} and {high}. So it cannot be confident both ways.",
        "no_share": "{task}: one of the classes is true, so their probabilities should add up to "
        "1. Yours may add up to {got}.",
        "no_probability": "{task}: for the scores -3 and 3 the head gives {out}, and your loss is "
        "no cross-entropy of them: where {truth} of the cases are true, it is lowest near the "
        "score {got}, and the cross-entropy from logits at {wanted}.",
        "not_proper": "{task}: where {truth} of the cases are true, your loss is lowest for a head "
        "that says {got}. Cross-entropy is lowest at the true share.",
        "weak": "{task}: a confident wrong answer, of score -9, pulls with a slope of {got}, where "
        "the cross-entropy of a sigmoid or softmax pulls with nearly 1. (Squared error on a "
        "probability is proper too, but it lets such answers lie.)",
        "bounded": "{task}: your output lies between {low} and {high}. The targets reach 3.2.",
        "not_distance": "{task}: for the targets 1, 2 and 3.2 your loss is lowest if the head says "
        "{got}. The loss of a number should be lowest somewhere among the targets.",
        "broken": "{task}: your head may say {got}, and then your loss is not a finite number.",
    },
    hints=[
        "Ask for each task: how many numbers does it want, must they add up to 1, and what do the "
        "targets look like?",
        "One of K classes: K units that share 1. Several independent yes or no: a sigmoid each. A "
        "number: no activation. Integer targets: the sparse loss.",
        '`(1, None, "mse")`, `(10, "softmax", "sparse_categorical_crossentropy")`, '
        '`(1, "sigmoid", "binary_crossentropy")`: two tasks are left, and each uses two of these '
        "ideas.",
    ],
    hints_for={
        "cannot": "Are the targets integers, or a row of 0 and 1 for each case? Each of the "
        "cross-entropies takes one of the two.",
        "flat": "Categorical cross-entropy compares units with each other. With whom does a single "
        "unit compare?",
        "one_winner": "Which activation treats each unit on its own?",
    },
    why="The head says which numbers come out, the loss says how they are compared. They must "
    "agree on the units, on who applies softmax or sigmoid, and on the form of the targets. Two "
    "units with a softmax are one sigmoid on the difference of their logits.",
    alternative="heads without activation and losses with `from_logits=True`: the same losses, "
    "computed with log-sum-exp. For the price, MAE and Huber are as right as MSE.",
    seconds=30,
)
def heads(answer):
    if not isinstance(answer, dict):
        raise Wrong("dict", got=answer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, for the heads that are wrong
        for task in UNITS:
            if task not in answer:
                raise Wrong("missing", task=task)
            units, activation, loss = _head(task, answer[task])
            if task == "price":
                _judge_price(activation, loss)
            else:
                _judge_classes(task, units, activation, loss)


def _head(task, head):
    """Return units, activation and loss as Keras would make them."""
    import keras

    if not isinstance(head, tuple | list) or len(head) != 3:
        raise Wrong("triple", task=task, got=head)
    units = expect.number(head[0], f"the number of units of {task}")
    if units not in UNITS[task]:
        raise Wrong("units", task=task, got=head[0], wanted=" or ".join(map(str, UNITS[task])))
    made = []
    for kind, get, name in (
        ("activation", keras.activations.get, head[1]),
        ("loss", keras.losses.get, head[2]),
    ):
        try:
            made.append(get(name))
            if not callable(made[-1]):
                raise ValueError("it is not a function")
        except (ValueError, TypeError) as error:
            text = str(error).split(". ")[0]
            raise Wrong("unknown", task=task, kind=kind, got=f"{name!r}", error=text) from None
    return int(units), *made


def _outputs(activation, z) -> np.ndarray:
    import keras

    return np.asarray(activation(keras.ops.convert_to_tensor(z, "float32")))


def _cost(task, activation, loss, z, y) -> float:
    """Return the mean loss of these logits, or of the scores in their place."""
    import keras

    try:
        out = _outputs(activation, z)
        # Through NumPy, for TensorFlow's tensors remember the logits that they were made of.
        return float(np.mean(np.asarray(loss(y, keras.ops.convert_to_tensor(out)))))
    except Exception as error:  # whatever Keras or its backend raises about shapes and labels
        text = re.sub(r"\{\{.*?\}\} ?", "", " ".join(str(error).split())).split(" [Op:")[0]
        shapes = {"shape": _of_rows(z), "targets": _of_rows(y)}
        raise Wrong("cannot", task=task, error=text, **shapes) from None


def _of_rows(values) -> str:
    """Write a shape for a learner, who does not know how many rows we try."""
    rest = np.shape(values)[1:]
    return f"(rows, {', '.join(map(str, rest))})" if rest else "(rows,)"


def _judge_price(activation, loss):
    z = np.linspace(-8, 8, 161)
    outputs = _outputs(activation, z[:, None]).ravel()
    if outputs.max() < 3.2:
        low, high = float(outputs.min()), float(outputs.max())
        raise Wrong("bounded", task="price", low=low, high=high)
    y = np.array([[1.0], [2.0], [3.2]], "float32")
    costs = np.array([_cost("price", activation, loss, np.full((3, 1), v), y) for v in z])
    finite = np.isfinite(costs)
    if not finite.any() or np.ptp(costs[finite]) < 1e-3:
        raise Wrong("flat", task="price", got=costs[0])
    costs = np.where(finite, costs, np.inf)
    best = outputs[-1] if costs[-1] < costs.min() + 1e-3 else outputs[costs.argmin()]
    if not 0.95 < best < 3.25:
        raise Wrong("not_distance", task="price", got=float(best))
    if not finite.all():
        raise Wrong("broken", task="price", got=float(outputs[~finite][0]))


def _judge_classes(task, units, activation, loss):
    scores, y = _probe(task, units)
    true = np.full_like(y[:1], 3 if units == 10 else 1)

    def cost(z, targets=y):
        return _cost(task, activation, loss, scores(z, len(targets)), targets)

    others = np.log(max(units - 1, 1)) * (task != "tags")
    logits = np.log(CHANCES / (1 - CHANCES)) + others
    costs = np.array([cost(z) for z in logits])
    outputs = np.array([_outputs(activation, scores(z, 1))[0] for z in (-12, -3, 3, 12)])
    if units == 1 and np.allclose(outputs, 1):
        raise Wrong("always_one", task=task)
    squashed = outputs.min() >= 0 and outputs.max() <= 1 + 1e-6
    takes = _what_it_takes(task, units, loss)
    place = 3 if units == 10 else units - 1
    if takes == "probabilities" and not squashed:
        raise Wrong("raw", task=task, got=[float(v) for v in outputs[1:3, place]])
    if not np.isnan(costs).any() and np.ptp(costs) < 1e-3:
        raise Wrong("one_winner" if task == "tags" else "flat", task=task, got=costs[0])
    if takes == "logits" and squashed:
        raise Wrong("twice", task=task, got=cost(12.0, true))
    lead = outputs[[0, -1], place]  # of several units that share 1, what counts is the lead
    if units > 1 and task != "tags":
        lead = lead - np.delete(outputs[[0, -1]], place, axis=1).max(axis=1)
    if takes == "logits" and not (lead[0] < -4 and lead[1] > 4):
        low, high = float(outputs[0, place]), float(outputs[-1, place])
        raise Wrong("cut", task=task, low=low, high=high)
    if takes == "probabilities" and units > 1 and task != "tags":
        sums = outputs.sum(axis=-1)
        if not np.allclose(sums, 1, atol=1e-3):
            raise Wrong("no_share", task=task, got=float(sums[np.abs(sums - 1).argmax()]))
    best = logits[np.where(np.isfinite(costs), costs, np.inf).argmin()]
    wanted = float(np.log(TRUE_CHANCE / (1 - TRUE_CHANCE)) + others)
    said = float(_outputs(activation, scores(best, 1))[0, place])
    if squashed and not np.isclose(said, TRUE_CHANCE, atol=0.015):
        raise Wrong("not_proper", task=task, got=said, truth="80 %")
    if not squashed and not np.isclose(best, wanted):
        out = [float(v) for v in outputs[1:3, place]]
        got = f"{best:.2f}" + (" or above" if best == logits[-1] else "")
        told = {"out": out, "got": got, "wanted": round(wanted, 2)}
        raise Wrong("no_probability", task=task, truth="80 %", **told)
    pull = cost(-9.5, true) - cost(-8.5, true)
    if pull < 0.04:
        raise Wrong("weak", task=task, got=pull)


def _what_it_takes(task, units, loss) -> str | None:
    """Return "logits" or "probabilities" if the loss is a cross-entropy of them, else None."""
    scores, y = _probe(task, units)
    true = np.full_like(y[:1], 3 if units == 10 else 1)
    split = units > 1 and task != "tags"

    def of_score(z):
        return _cost(task, lambda z: z, loss, scores(z, 1), true)

    def of_chance(p):
        rest = (1 - p) / (units - 1) if split else 0.0
        return _cost(task, lambda z: z, loss, scores(p, 1, rest), true)

    slope = of_score(-12.0) - of_score(-11.0)
    if slope > 0.1 and np.isclose(of_score(0.0), slope * np.log(units if split else 2), rtol=0.02):
        return "logits"
    if of_chance(0.5) > 0 and np.isclose(of_chance(0.25), 2 * of_chance(0.5), rtol=0.02):
        return "probabilities"
    return None


def _probe(task, units):
    """Return a function from one logit to all scores, and targets that are true in 80 %."""
    if task == "tags":
        return (lambda z, n, rest=0.0: np.full((n, 5), z)), 1 - np.eye(5, dtype="float32")
    if units == 1:
        return (lambda z, n, rest=0.0: np.full((n, 1), z)), np.array([[1.0]] * 4 + [[0.0]], "f4")
    place = 3 if units == 10 else 1

    def scores(z, n, rest=0.0):
        row = np.full((n, units), rest)
        row[:, place] = z
        return row

    others = [k for k in range(units) if k != place]
    return scores, np.array([place] * 4 * len(others) + others)


# --------------------------------------------------------------------------------------------------

STEEPEST = 3.7  # thousand dollars for each 1,000 square feet


@check.exercise(
    title="Choose delta",
    messages={
        "too_small": "with delta {delta} the slope is {slope}, low enough. But only {inside} % of "
        "the houses lie within {delta} of the line: for the others the loss grows like the "
        "absolute error.",
        "too_large": "with delta {delta} the slope is {slope}, above 3.7. {inside} % of the houses "
        "count by their square, and the mansions pull with up to {delta} each.",
        "dollars": "delta has the unit of the errors, and the prices are in thousands of dollars: "
        "{delta} is {delta} thousand dollars. No error is so large: this is MSE, and the slope "
        "is {slope}.",
        "keras_default": "delta 1 is Keras's default, and here it is one thousand dollars: only "
        "{inside} % of the houses lie within it. The loss is MAE in all but name.",
        "not_positive": "delta is a positive distance from the line: {delta} is not.",
    },
    hints=[
        "Errors smaller than delta are squared, larger ones pull with delta at most. What do you "
        "want for the typical house, and what for a mansion?",
        "The typical error here is about 35 thousand dollars. A delta far below it is MAE, one far "
        "above it is MSE.",
        "Try 30, 45 and 60: one has too few houses within delta, one has too steep a slope.",
    ],
    why="45 keeps the square for more than half of the houses, and caps each mansion's pull at 45. "
    "Two wishes, one number: the range that serves both is what you can defend.",
    alternative="anything from about 38 to 56. A common rule takes delta near the median absolute "
    "error times 2.",
)
def delta(answer):
    value = expect.numeral(answer, "`delta`")
    if value <= 0:
        raise Wrong("not_positive", delta=value)
    slope, share = _huber_line(value)
    told = {"delta": value, "slope": round(slope, 3), "inside": int(100 * share)}
    if value >= 1000:
        raise Wrong("dollars", **told)
    if np.isclose(value, 1.0):
        raise Wrong("keras_default", **told)
    if share < 0.5:
        raise Wrong("too_small", **told)
    if slope > STEEPEST:
        raise Wrong("too_large", **told)


def _huber_line(delta: float) -> tuple[float, float]:
    """Return the slope of Northridge's Huber line, and the share of houses within delta of it."""
    from scipy.optimize import minimize

    from coursekit.datasets import load_ames

    table = load_ames().table.query("Neighborhood == 'Northridge'")
    x, y = table.Lot_Area.to_numpy() / 1000, table.Sale_Price.to_numpy() / 1000

    def errors(line):
        return np.abs(line[0] * x + line[1] - y)

    def loss(line):
        e = errors(line)
        return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))

    line = minimize(loss, np.polyfit(x, y, 1), method="Nelder-Mead").x
    return float(line[0]), float(np.mean(errors(line) <= delta))


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_odd",
    reasons={
        "a": "Northridge is so. In Edwards the odd houses are far out along the horizontal axis, "
        "and there MAE's line bends as well.",
        "b": "MAE caps the pull of an error, so an odd price bends its line little. It cannot cap "
        "what a far-out size makes of that pull: size works like a lever.",
        "c": "In Northridge MAE's line stays nearly where it is without the odd houses: their "
        "sizes are not far out, and MAE caps what their prices can do.",
    },
    answer="b",
)
check.prediction(
    "predict_forgot",
    reasons={
        "a": "The loss clips scores below 0 and above 1, where no gradient is left. The accuracy "
        "stays near chance, and no error tells.",
        "b": "The loss clips scores below 0 to almost 0 and scores above 1 to almost 1; clipped "
        "scores have no gradient. Training has little to go by.",
        "c": "Nothing is raised: raw scores are numbers, and the loss takes any numbers.",
    },
    answer="a",
)
check.prediction(
    "predict_cce",
    reasons={
        "a": "Categorical cross-entropy first makes the outputs of a row add up to 1. A single "
        "output becomes 1, whatever it was.",
        "b": "A single output, made to add up to 1, is 1: a perfect answer to every row, so the "
        "loss reads 0 from the first batch on.",
        "c": "The loss accepts a single column. Keras warns in one line, and goes on.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Two classes, one sigmoid unit, categorical cross-entropy. Training begins with loss 0.0000. "
    "What is going on?",
    options={
        "a": (
            "the data are easy",
            "No model starts at a loss of 0. A loss that cannot be true is a fault in the set-up.",
        ),
        "b": ("the learning rate is too high", "A rate cannot bring the first loss to 0."),
        "c": (
            "this loss compares units with each other, and one unit has none to compare with",
            "One sigmoid unit needs binary cross-entropy. (Two units with a softmax and CCE are "
            "fine too: they equal one sigmoid on the difference of the logits.)",
        ),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "A model gives the wrong class a probability of 0.99, of two classes. What does cross-entropy "
    "charge for this row?",
    options={
        "a": ("4.61", "-ln(0.01): the truth was given a probability of 0.01."),
        "b": ("2", "That is the logarithm to base 10. Losses use the natural logarithm."),
        "c": ("0.01", "That is -ln(0.99), the cost had it been right."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "A binary model ends in one unit without activation, trained with `from_logits=True`, and "
    '`metrics=["accuracy"]`. What does the accuracy count?',
    options={
        "a": (
            "scores above 0 as class 1",
            "Right for logits, but nobody told the metric.",
        ),
        "b": (
            "scores above 0.5 as class 1",
            "The metric knows nothing of logits. A score of 0.3, probability 0.57, counts as "
            "class 0. Use `keras.metrics.BinaryAccuracy(threshold=0.0)`.",
        ),
        "c": ("probabilities above 0.5 as class 1", "The metric gets logits, no probabilities."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    "From the training loop: in which order does a Keras loss take its arguments?",
    options={
        "a": ("predictions, targets", "That is PyTorch's order, and Keras does not complain."),
        "b": (
            "targets, predictions",
            "`loss_fn(y_true, y_pred)`. Cross-entropy with swapped arguments is another number, "
            "and no error tells.",
        ),
        "c": ("either: a loss is symmetric", "MSE is. Cross-entropy and hinge are not."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    "From the training loop: batch losses 1.0 (32 rows) and 5.0 (1 row). The loss of the epoch?",
    options={
        "a": ("about 1.12", "37 / 33: each batch counts by its rows."),
        "b": ("3.0", "The mean of the two would let one row weigh as much as 32."),
        "c": ("6.0", "A sum would grow with the number of batches."),
    },
    answer="a",
)
check.card(
    "MSE, MAE, Huber: which constant is the best prediction, and how hard does a row pull?",
    "MSE: the mean; the pull grows with the error (an error of 10 costs 100 times an error of 1). "
    "MAE: the median; every error pulls alike. Huber: MSE up to delta, MAE beyond it.",
)
check.card(
    "Which noise does each loss stand for, as a negative log-likelihood?",
    "MSE: Gaussian with a fixed variance. MAE: Laplace. Binary cross-entropy: Bernoulli (a coin). "
    "Categorical cross-entropy: one draw from K classes.",
)
check.card(
    "Is MSE convex?",
    "For a linear model, yes: every minimum is global. It is unique only if no column is a "
    "combination of the others. For a network, no.",
)
check.card(
    "Binary and categorical cross-entropy: which head goes with which?",
    "One sigmoid unit: binary. K units that share 1 (softmax): categorical, or sparse for integer "
    "targets. Several independent labels: one sigmoid each, binary. Two softmax units equal one "
    "sigmoid on the difference of the logits.",
)
check.card(
    "log-sum-exp, without overflow?",
    "m + log(sum(exp(z - m))) with m = max(z). `from_logits=True` computes cross-entropy so: "
    "-z[y] + logsumexp(z), exact at any size; from probabilities Keras clips at 1e-7, a cost of "
    "16.12 at most.",
)
check.card(
    "What does the hinge loss ask for?",
    "max(0, 1 - y f) with y in {-1, +1}: a margin of 1. Points beyond it have no gradient; only "
    "wrong and near points place the boundary, as in a support vector machine (SVM).",
)
check.card(
    "Cross-entropy is a proper scoring rule. Are trained networks calibrated, then?",
    "In expectation it is lowest at the true probabilities. A network trained for long lowers it "
    "on its *training* rows, and grows over-confident on new ones: measure it on validation rows.",
)
