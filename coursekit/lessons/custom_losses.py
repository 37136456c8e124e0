"""Custom losses: checks, hints, quiz and cards."""

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, lesson

check = Lesson("custom_losses", "What if the standard losses miss the point?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Always no",
    messages={
        "recall_as_accuracy": "recall asks about the 10 positive rows alone: how many of them did "
        "the model find? You gave {got}, which is the share of right answers among all rows.",
        "recall": "recall is the share of the 10 positives that were found. A model that always "
        "says no finds none of them; you gave {got}.",
        "f1_nan": "the precision is 0/0 here, for nothing was flagged. But F1 = 2 TP / (2 TP + FP "
        "+ FN) divides by 10, the missed positives: it is defined.",
        "f1_macro": "{got} is the mean of the F1 of both classes. It gives half its marks for the "
        "class that needs no model. F1 of the positive class has TP = 0.",
        "f1": "F1 = 2 TP / (2 TP + FP + FN), with TP = 0. You gave {got}.",
        "accuracy": "990 of 1,000 answers are right. You gave {got}.",
        "watch_accuracy": "the three numbers are right. But the accuracy is the one that this "
        "model makes look good: 0.99, without finding a single positive.",
        "watch_recall": "the three numbers are right. Recall shows up this model; but a model "
        "that always says *yes* has recall 1, and it is as useless. Which number is low for both?",
    },
    hints=[
        "Count the four cases first: TP, FP, FN, TN. Which of them are 0?",
        "TP = 0, FP = 0, FN = 10, TN = 990. Put them into the three formulas above.",
        "For the last answer, work out the same three for a model that always says yes: TP = 10, "
        "FP = 990.",
    ],
    why="accuracy (TP + TN) / 1,000 = 0.99, recall 0 / 10 = 0, F1 = 0 / 10 = 0. Always yes has "
    "recall 1 and F1 = 20 / 1,010 = 0.02: F1 is low for both lazy models, accuracy and recall are "
    "each high for one.",
    alternative="`sklearn.metrics.f1_score(y, said)` and `keras.metrics.F1Score(threshold=0.5)` "
    "count the same; scikit-learn says 0 for the 0/0 and warns.",
)
def always_no(accuracy, recall, f1, watch):
    found = _share(recall, "`recall`")
    if np.isclose(found, 0.99, atol=2e-3):
        raise Wrong("recall_as_accuracy", got=recall)
    if not np.isclose(found, 0.0, atol=1e-6):
        raise Wrong("recall", got=recall)
    if isinstance(f1, float | np.floating) and np.isnan(f1):
        raise Wrong("f1_nan")
    both = _share(f1, "`f1`")
    if np.isclose(both, 0.4975, atol=4e-3):
        raise Wrong("f1_macro", got=f1)
    if not np.isclose(both, 0.0, atol=1e-6):
        raise Wrong("f1", got=f1)
    if not np.isclose(_share(accuracy, "`accuracy`"), 0.99, atol=2e-3):
        raise Wrong("accuracy", got=accuracy)
    watch = expect.choice(watch, ["accuracy", "recall", "f1"], "`watch`")
    if watch != "f1":
        raise Wrong(f"watch_{watch}")


def _share(answer, what) -> float:
    """Return a number between 0 and 1; 99 means 99 %."""
    value = expect.number(answer, what)
    return value / 100 if 1 < value <= 100 else value


# --------------------------------------------------------------------------------------------------

COUNTS = {0: 990, 1: 10}


@check.exercise(
    title="Class weights for 990 to 10",
    messages={
        "not_dict": "Keras takes class weights as a dict from class to weight, and it raises an "
        "error for {got}.",
        "keys": "the keys of the dict are the labels, the integers 0 and 1. Yours are {got}. Keras "
        "gives a label that it does not find there the weight 1.",
        "not_positive": "each weight must be a positive number; you gave {got} for class {label}.",
        "inverted": "you made the *common* class heavier: all its rows together weigh {zero}, the "
        "10 rare ones {one}. The rare class is the one that must be raised.",
        "equal": "all rows weigh the same: class 0 has {zero} in all, class 1 has {one}. That is "
        "no weighting.",
        "root": "class 0 weighs {zero} in all, class 1 {one}. One weight is about ten times the "
        "other, the square root of 99: some choose that as a softer way, but the task asks for "
        "equal totals.",
        "ratio": "class 0 now weighs {zero} in all (990 rows), class 1 {one} (10 rows). The two "
        "should be equal.",
        "by_weights": "the weights are right. ln 2 comes out if the weighted sum is divided by the "
        "sum of the *weights*. Keras divides by the number of rows, and your weights are {mean} on "
        "average.",
        "by_nothing": "the weights are right. {got} is the weighted sum over all rows; Keras "
        "divides it by 1,000.",
        "first_loss": "the weights are right. With them each row costs ln 2 times its weight, and "
        "the mean over 1,000 rows is {wanted}; you gave {got}.",
    },
    hints=[
        "990 rows times the weight of class 0 should equal 10 rows times the weight of class 1.",
        "The usual choice is n / (K n_c), with n = 1,000 rows and K = 2 classes.",
        "For the loss: `(990 * weights[0] + 10 * weights[1]) / 1000 * np.log(2)`.",
    ],
    hints_for={"inverted": "n / (K n_c) is large where n_c is small."},
    why="1000 / (2 * 990) = 0.505 and 1000 / (2 * 10) = 50. Their mean over the rows is 1, so the "
    "first loss stays ln 2 = 0.693 and your learning rate keeps its meaning.",
    alternative="`{1: 99}` has the same ratio: Keras gives a label without an entry the weight 1. "
    "Its loss starts at 1.372, nearly twice as high, and so do its gradients.",
)
def class_weights(weights, first_loss):
    zero, one = _two_weights(weights)
    totals = {"zero": 990 * zero, "one": 10 * one}
    ratio = one / zero
    if not 97.5 < ratio < 100.5:
        named = {"inverted": ratio < 0.99, "equal": ratio < 1.01, "root": 9.5 < ratio < 10.5}
        raise Wrong(next((k for k, holds in named.items() if holds), "ratio"), **totals)
    got = expect.number(first_loss, "`first_loss`")
    mean = sum(totals.values()) / 1000
    wanted = mean * np.log(2)
    if np.isclose(got, wanted, rtol=0.02):
        return
    if np.isclose(got, np.log(2), rtol=0.01):
        raise Wrong("by_weights", mean=round(mean, 3))
    if np.isclose(got, 1000 * wanted, rtol=0.02):
        raise Wrong("by_nothing", got=got)
    raise Wrong("first_loss", got=got, wanted=round(wanted, 3))


def _two_weights(weights) -> tuple[float, float]:
    """Return the weights of classes 0 and 1 as Keras would find them."""
    if not isinstance(weights, dict):
        raise Wrong("not_dict", got=weights)
    if not weights or not all(k in (0, 1) for k in weights):
        raise Wrong("keys", got=list(weights))
    pair = [expect.number(weights.get(k, 1.0), f"the weight of class {k}") for k in (0, 1)]
    for label, weight in enumerate(pair):
        if weight <= 0:
            raise Wrong("not_positive", got=weight, label=label)
    return pair[0], pair[1]


# --------------------------------------------------------------------------------------------------


def _shares(gamma) -> tuple[float, float]:
    """Return what the negatives and the positives of `gamma` add to the focal loss."""
    return tuple(-n * (1 - p) ** gamma * np.log(p) for n, p in ((975, 0.9), (25, 0.1)))


@check.exercise(
    title="How much focus?",
    messages={
        "ce": "with gamma 0, which is plain cross-entropy, the 25 positives own {share} of the "
        "loss: the 975 easy rows own the rest.",
        "not_smallest": "with gamma {gamma} the positives own most of the loss, {share}. But so "
        "they do with a smaller integer. (The 2 of the paper was tuned for 100,000 boxes an "
        "image.)",
        "integer": "gamma should be an integer of at least 0 here; you gave {gamma}.",
        "share_at_zero": "the gamma is right. {got} is the share with gamma 0, before focusing.",
        "share_count": "the gamma is right. {got} is the share of the positives among the *rows*. "
        "How much of the loss do they own?",
        "share_negatives": "the gamma is right. {got} is the share of the negatives; the positives "
        "own the rest.",
        "share_ratio": "the gamma is right. {got} says how many times as much the positives own as "
        "the negatives. Which part of the *whole* loss is that?",
        "swapped_p": "the gamma is right. {got} comes out if the factor is p^gamma: the weight of "
        "a row falls with p, so it is (1 - p)^gamma.",
        "share": "the gamma is right. The positives own {wanted} of the loss at gamma {gamma}; you "
        "gave {got}.",
    },
    hints=[
        "Add up the focal loss of each group: the number of rows times (1 - p)^gamma times -ln p.",
        "An easy row has p = .9, so its factor is .1^gamma. A hard one has .9^gamma.",
        "`975 * 0.1**gamma * -np.log(0.9)` against `25 * 0.9**gamma * -np.log(0.1)`, for gamma = "
        "0, 1, 2.",
    ],
    why="gamma 0: 102.7 from the easy rows against 57.6. Gamma 1: 10.3 against 51.8, a share of "
    "0.83. One step of gamma divides the easy rows by 10 and the hard ones by 1.1.",
    alternative="Solve 975 * .1^g * .1054 = 25 * .9^g * 2.303 for g: the tie lies at 0.26, so 1 is "
    "the first integer above it.",
)
def focus(gamma, share):
    gamma = expect.number(gamma, "`gamma`")
    if gamma < 0 or gamma != round(gamma):
        raise Wrong("integer", gamma=gamma)
    easy, hard = _shares(gamma)
    wanted = hard / (easy + hard)
    if gamma == 0:
        raise Wrong("ce", share=round(wanted, 3))
    if gamma > 1:
        raise Wrong("not_smallest", gamma=gamma, share=round(wanted, 3))
    got = _share(share, "`share`")
    if np.isclose(got, wanted, atol=6e-3):
        return
    if np.isclose(100 * got, hard / easy, atol=0.06):  # _share took it for a percentage
        raise Wrong("share_ratio", got=share)
    easy_0, hard_0 = _shares(0)
    swapped = hard_0 * 0.1 / (hard_0 * 0.1 + easy_0 * 0.9)
    slips = {"share_at_zero": hard_0 / (easy_0 + hard_0), "share_count": 0.025,
             "share_negatives": 1 - wanted, "swapped_p": swapped}  # fmt: skip
    for key, slip in slips.items():
        if np.isclose(got, slip, atol=6e-3):
            raise Wrong(key, got=share)
    raise Wrong("share", got=share, wanted=round(wanted, 3), gamma=gamma)


# --------------------------------------------------------------------------------------------------

D = np.array([0.0, 0.4, 1.5, 0.0, 0.4, 1.5])
SIMILAR = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


@check.exercise(
    title="The contrastive loss",
    messages={
        "swapped": "a similar pair (y = 1) at distance 0.4 costs {got}, with margin 1: that is "
        "what a *dissimilar* one should cost. The first paper counts y the other way round; here "
        "1 is similar.",
        "similar_margin": "a similar pair costs {got} at distances 0, 0.4 and 1.5. The margin has "
        "no place there: similar pairs are pulled together from any distance.",
        "squared_inside": "a dissimilar pair at distance 0.4 costs {got}: the *distance* was "
        "squared inside the bracket. It is (m - d)², so 0.36.",
        "no_square": "a pair at distance 0.4 costs {got}: a square is missing. Without it the pull "
        "does not fade near the goal.",
        "no_max": "a dissimilar pair at distance 1.5, beyond the margin 1, costs {got}: it should "
        "cost 0. Otherwise far pairs are pulled back to the margin.",
        "half": "every value is half of ours. The first paper has a factor 1/2; the formula above "
        "has none.",
        "one_number": "you return one number, {got}, for six pairs. Give one value per pair: Keras "
        "takes the mean.",
        "margin_ignored": "right with margin 1. With margin {margin} a pair at distance {d}, y = "
        "{y}, should cost {wanted}, and yours costs {got}. Does your code use `m`, and only where "
        "the formula has it?",
        "wrong_way": "a dissimilar pair at distance 1.5, beyond the margin 1, costs {got}, and a "
        "near one costs 0: the bracket is the wrong way round. It is m - d.",
        "wrong": "for d = {d}, y = {y}, m = {margin} you get {got}; expected {wanted}.",
        "far_similar": "the function is right. But pair {letter} is similar and not at distance 0: "
        "it is pulled.",
        "near_dissimilar": "the function is right. But pair {letter} is dissimilar and nearer than "
        "the margin: it is pushed.",
        "missing": "the function is right. But pair {letter} is missing from your answer: its loss "
        "is 0 and stays 0 if it moves a little.",
        "zero_itself": "the function is right. A similar pair at distance 0, {letter}, is missing: "
        "d² is flat there, so nothing moves it.",
        "letters": 'the second answer names pairs by their letters A to D, such as "AB"; you gave '
        "{got}.",
    },
    hints=[
        "Write the two halves apart: what a similar pair costs, and what a dissimilar one does. "
        "`y` switches between them.",
        "Similar: d². Dissimilar: max(0, m - d)², where the square comes last.",
        "`return y * d**2 + (1 - y) * np.maximum(0, m - d) ** 2`",
    ],
    hints_for={"no_max": "`np.maximum(0, ...)` compares element by element."},
    why="y = 1 keeps d², which pulls from any distance. y = 0 keeps max(0, m - d)², which pushes "
    "up to the margin and no further. A similar pair at distance 0 and a dissimilar one beyond the "
    "margin have reached their goal.",
    alternative="`np.where(y == 1, d**2, np.clip(m - d, 0, None) ** 2)`, or "
    "`losses.pair_contrastive(y, d, margin=m)`.",
)
def contrastive(answer, resting):
    expect.function(answer, "`contrastive`")
    _judge_contrastive(answer, 1.0)
    _judge_contrastive(answer, 0.8)
    letters = _letters(resting, set("ABCD"))
    if "B" in letters:
        raise Wrong("far_similar", letter="B")
    if "D" in letters:
        raise Wrong("near_dissimilar", letter="D")
    if "A" not in letters:
        raise Wrong("zero_itself", letter="A")
    if "C" not in letters:
        raise Wrong("missing", letter="C")


def _judge_contrastive(answer, m):
    d, y = D.copy(), SIMILAR.copy()
    value = answer(d, y, m)
    if not (np.array_equal(d, D) and np.array_equal(y, SIMILAR)):
        raise Wrong("mutated", argument="y" if np.array_equal(d, D) else "d")
    got = expect.array(value, what="the returned loss")
    if got.size == 1:
        raise Wrong("one_number", got=float(got.ravel()[0]))
    got = expect.array(got.reshape(-1) if got.shape == (6, 1) else got, (6,))
    near, push = D**2, np.maximum(0, m - D) ** 2

    def is_(similar, dissimilar):
        return np.allclose(got, np.where(SIMILAR == 1, similar, dissimilar), atol=2e-3)

    if is_(near, push):
        return
    if m != 1.0:
        wanted = np.where(SIMILAR == 1, near, push)
        k = int(np.abs(got - wanted).argmax())
        raise Wrong("margin_ignored", margin=m, d=D[k], y=int(SIMILAR[k]), got=float(got[k]),
                    wanted=round(float(wanted[k]), 4))  # fmt: skip
    if is_(push, near):
        raise Wrong("swapped", got=float(got[1]))
    if is_(near / 2, push / 2):
        raise Wrong("half")
    if is_(near, np.maximum(0, m - D**2)) or is_(near, np.maximum(0, m - D**2) ** 2):
        raise Wrong("squared_inside", got=float(got[4]))
    if is_(near, np.maximum(0, D - m) ** 2):
        raise Wrong("wrong_way", got=float(got[5]))
    if is_(near, (m - D) ** 2):
        raise Wrong("no_max", got=float(got[5]))
    if any(
        is_(a, b) for a, b in ((D, push), (near, np.maximum(0, m - D)), (D, m - np.minimum(D, m)))
    ):
        raise Wrong("no_square", got=float(got[4 if np.allclose(got[:3], near[:3]) else 1]))
    wider = np.asarray(answer(D.copy(), SIMILAR.copy(), 2 * m)).reshape(-1)
    if not np.allclose(wider[:3], got[:3], atol=1e-4):  # similar pairs feel the margin
        raise Wrong("similar_margin", got=got[:3])
    raise Wrong(
        "wrong", d=D, y=SIMILAR, margin=m, got=got, wanted=np.where(SIMILAR == 1, near, push)
    )


def _letters(answer, known: set) -> set:
    """Read letters from a text ("BD", "b, d", "B and D"), a list or a set."""
    if isinstance(answer, str):
        words = [w for w in re.findall(r"[A-Z]+", answer.upper())
                 if w not in ("AND", "PAIR", "PAIRS")]  # fmt: skip
        letters = list("".join(words))
    elif isinstance(answer, Iterable):
        letters = [str(item).strip().upper() for item in expect.items(answer, at_most=10)]
    else:
        letters = []
    if not letters or not set(letters) <= known:
        raise Wrong("letters", got=brief(answer) or "an empty answer")
    return set(letters)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="One triplet, and a stuck loss",
    messages={
        "already_closer": "0 would say that being nearer than the negative is enough. The loss "
        "asks for a lead of m = 0.2, and the lead is 0.6 - 0.5.",
        "swapped": "{got} is d²(n) - d²(p) + m: positive and negative have changed places. Pulling "
        "the positive nearer must make the loss smaller.",
        "no_margin": "{got} is the difference without the margin of 0.2, and a loss below 0 would "
        "say that there is something to gain for ever.",
        "rooted": "{got} comes from the distances themselves. The numbers given are squared "
        "distances already, and this form uses them as they are.",
        "loss": "max(0, 0.5 - 0.6 + 0.2) is what B costs; you gave {got}.",
        "hard": "the loss is right. But A costs most of the three, 0.4: it lies nearer than the "
        "positive. It teaches.",
        "semi_hard": "the loss is right. But B still costs 0.1: it is farther than the positive, "
        "by less than the margin. It teaches.",
        "stuck_zero": "the other two are right. If all embeddings are one point, both distances "
        "are 0; what is left of max(0, d²(p) - d²(n) + m)?",
        "stuck": "the other two are right. If all embeddings are one point, both distances are 0 "
        "and the loss is the margin; you gave {got}.",
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
    got = expect.number(cost_of_b, "`cost_of_b`")
    slips = {"already_closer": 0.0, "swapped": 0.3, "no_margin": -0.1,
             "rooted": np.sqrt(0.5) - np.sqrt(0.6) + 0.2}  # fmt: skip
    for key, slip in slips.items():
        if np.isclose(got, slip, atol=1e-3):
            raise Wrong(key, got=got)
    if not np.isclose(got, 0.1, atol=1e-3):
        raise Wrong("loss", got=got)
    useless = expect.choice(useless, ["A", "B", "C"], "`useless`")
    if useless != "C":
        raise Wrong({"A": "hard", "B": "semi_hard"}[useless])
    stuck = expect.number(stuck, "`stuck`")
    if np.isclose(stuck, 0.0, atol=1e-6):
        raise Wrong("stuck_zero")
    if not np.isclose(stuck, 0.2, atol=1e-3):
        raise Wrong("stuck", got=stuck)


# --------------------------------------------------------------------------------------------------

TRUE = np.array([[3.0, 1.0], [2.0, -1.0], [0.0, 4.0], [5.0, 5.0], [-2.0, 0.5]], "float32")
SAID = np.array([[1.0, 2.0], [2.5, -3.0], [1.0, 4.5], [2.0, 9.0], [-2.5, 0.0]], "float32")


@check.exercise(
    title="Late costs three times as much",
    messages={
        "one_number": "you return one number, {got}, for five rows. Return one value per row: the "
        "mean over the last axis only (`axis=-1`). Keras takes the mean over the rows, and knows "
        "how to on several devices.",
        "per_output": "you return shape {got}, one value per *output*. Take the mean over the last "
        "axis: one value per row.",
        "swapped": "target 3, forecast 2 is too low by 1 and should cost 3; yours costs 1. Too "
        "*high* costs 3 in your loss.",
        "symmetric": "too low by 1 and too high by 1 cost {low} and {high}: the same. Too low "
        "should cost three times as much.",
        "squared": "too low by 1 costs {low}, too low by 2 costs {low_2}: the cost of twice the "
        "error should be twice, not four times.",
        "summed": "for two outputs you add up the costs; the task asks for their mean.",
        "negative": "too {side} by 1 costs {got}: an error that earns something will be made "
        "larger and larger. Use the size of the error.",
        "one_side": "too {side} by 1 costs 0: nothing stops the net from going that way for ever. "
        "Both sides have a price.",
        "scaled": "too low by 1 costs {low}, too high by 1 {high}: the ratio is right, and the "
        "task asks for 3 and 1.",
        "no_gradient": "the values are right. But the gradient is None: the tape lost the "
        "calculation, for NumPy computes outside of it. Use `keras.ops`.",
        "gradient": "the values are right. But the gradient for a forecast that is too {side} is "
        "{got}; finite differences give {wanted}.",
        "extreme": "for an error of 1e6 your loss is {got}, and it should be {wanted}. Does an "
        "`exp`, a square or a 16-bit number overflow?",
        "wrong": "for targets {y} and forecasts {p} you get {got}; expected {wanted}.",
        "covers_low": "the loss is right. {got} of the deliveries arriving before the time said "
        "would be the answer if too *high* cost three times as much.",
        "covers_half": "the loss is right. Half is what MAE gives (the median). Here one minute up "
        "saves 3 for each late row and costs 1 for each early one: when do they balance?",
        "covers_ratio": "the loss is right. {got} is a ratio of the prices. One minute up saves "
        "3 on a share 1 - c and costs 1 on a share c: when do they balance?",
        "covers": "the loss is right. `covers` should be the share c with 3 (1 - c) = 1 c; you "
        "gave {got}.",
    },
    hints=[
        "Split the error y - ŷ: its positive part is how much too low the forecast is, the "
        "positive part of ŷ - y how much too high.",
        "`keras.ops.maximum(e, 0)` is the positive part, with its gradient. Weigh the two parts, "
        "add them, take the mean over `axis=-1`.",
        "`e = y_true - y_pred` and `return ops.mean(ops.maximum(3 * e, -e), axis=-1)`. For "
        "`covers`: solve 3 (1 - c) = c.",
    ],
    hints_for={"one_number": "`keras.ops.mean(..., axis=-1)`"},
    why="3 e for e > 0 and -e for e < 0 is max(3 e, -e). The best constant forecast has 3 (1 - c) "
    "= c: three quarters of the deliveries arrive before it. This is the quantile (pinball) loss "
    "of the quantile .75, times 4.",
    alternative="`ops.where(e > 0, 3 * e, -e)`, or `ops.abs(e) + 2 * ops.relu(e)`.",
    seconds=20.0,
)
def late(answer, covers):
    import keras

    if isinstance(answer, type):
        raise Wrong("type", what="`late`", wanted="a function, or an object made of the class",
                    got="the class itself")  # fmt: skip
    if isinstance(answer, keras.losses.Loss):
        answer = answer.call
    expect.function(answer, "`late`")
    one = [_values(answer, [[y]], [[p]]) for y, p in ((3, 2), (3, 4), (3, 1))]
    low, high, low_2 = (float(v.ravel()[0]) if v.size == 1 else np.nan for v in one)
    got = _values(answer, TRUE, SAID)
    if got.size == 1:
        raise Wrong("one_number", got=float(got.ravel()[0]))
    if got.shape == TRUE.shape:
        raise Wrong("per_output", got=got.shape)
    for side, price in (("low", low), ("high", high)):
        if price < 0:
            raise Wrong("negative", side=side, got=price)
        if price == 0:
            raise Wrong("one_side", side=side)
    if np.isclose(low_2, 4 * low, rtol=1e-3):
        raise Wrong("squared", low=low, low_2=low_2)
    if np.isclose(low, high, rtol=1e-3):
        raise Wrong("symmetric", low=low, high=high)
    if np.isclose(low, 1, rtol=1e-3) and np.isclose(high, 3, rtol=1e-3):
        raise Wrong("swapped")
    if np.isclose(low, 3 * high, rtol=1e-3) and not np.isclose(high, 1, rtol=1e-3):
        raise Wrong("scaled", low=low, high=high)
    error = (TRUE - SAID).astype("float64")
    wanted = np.maximum(3 * error, -error).mean(axis=-1)
    got = expect.array(got.reshape(-1) if got.shape == (5, 1) else got, (5,))
    if np.allclose(got, 2 * wanted, rtol=1e-4):
        raise Wrong("summed")
    if not np.allclose(got, wanted, rtol=1e-4, atol=1e-5):
        raise Wrong("wrong", y=TRUE, p=SAID, got=got, wanted=wanted)
    far = float(_values(answer, [[1e6]], [[0.0]], finite=False).ravel()[0])
    if not np.isclose(far, 3e6, rtol=1e-2):
        raise Wrong("extreme", got=far, wanted="3e+06")
    _judge_gradient(answer)
    _judge_covers(expect.number(covers, "`covers`"))


def _values(answer, y, p, finite=True):
    """Return the loss of float32 tensors as an array."""
    import keras

    y, p = (keras.ops.convert_to_tensor(np.array(v, "float32")) for v in (y, p))
    value = answer(y, p)
    return expect.array(value, what="the returned loss") if finite else np.asarray(value)


def _judge_gradient(answer):
    import tensorflow as tf

    y, p = tf.constant([[3.0], [3.0]]), tf.Variable([[1.0], [4.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.convert_to_tensor(answer(y, p)))
    gradient = tape.gradient(total, p)
    if gradient is None:
        raise Wrong("no_gradient")
    for side, got, wanted in zip(
        ("low", "high"), np.asarray(gradient).ravel(), (-3.0, 1.0), strict=True
    ):
        if not np.isclose(got, wanted, atol=1e-3):
            raise Wrong("gradient", side=side, got=float(got), wanted=wanted)


def _judge_covers(got):
    share = got / 100 if 4 < got <= 100 else got
    if np.isclose(share, 0.75, atol=6e-3):
        return
    for key, slips in (("covers_low", (0.25,)), ("covers_half", (0.5,)),
                       ("covers_ratio", (3.0, 1 / 3))):  # fmt: skip
        if any(np.isclose(share, slip, atol=6e-3) for slip in slips):
            raise Wrong(key, got=got)
    raise Wrong("covers", got=got)


# --------------------------------------------------------------------------------------------------


# In the order in which they are looked for in a name without its underscores and blanks.
FAMILIES = {
    "overlap": ("tversky", "dice", "lovasz", "iou", "jaccard"),
    "distance": ("triplet", "contrastive", "infonce", "ntxent", "circle", "arcface", "cosface",
                 "siamese", "npair", "supcon", "simclr", "proxy", "cosine"),
    "focal": ("focal",),
    "hinge": ("hinge", "crammer", "margin", "svm", "modifiedhuber"),
    "robust": ("huber", "absolute", "mae", "l1", "logcosh", "quantile", "pinball", "logarithmic",
               "msle", "mape", "tukey", "biweight", "cauchy"),
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
    text = re.sub("[^a-z0-9]", "", unicodedata.normalize("NFKD", name).lower())
    if options.get("label_smoothing") and "focal" not in text:
        return name, "smoothing"
    if options.get("label_smoothing") == 0 and "smooth" in text:
        return name, "crossentropy"
    for family, parts in FAMILIES.items():
        if any(part in text for part in parts):
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
    "predict_focal",
    reasons={
        "a": "Every factor (1 - p)^gamma is at most 1, so no row costs more than before. The hard "
        "rows gain only a larger *share* of what is left.",
        "b": "It stays the same only at p = 0.",
        "c": "The factor is .9² = .81. No row costs more; the easy ones lose far more than the "
        "hard ones do.",
    },
    answer="c",
)
check.prediction(
    "predict_four",
    reasons={
        "a": "At a cut of 0.5 it looks like that, for weights move the probabilities past 0.5. At "
        "the same number of alarms the advantage is gone.",
        "b": "Focal loss was made for detectors with 100,000 boxes an image. Here, with a tuned "
        "rate each, it does not lead.",
        "c": "With as many alarms each, they catch about as many: what differs is where 0.5 falls.",
    },
    answer="c",
)
check.prediction(
    "predict_dice",
    reasons={
        "a": "The brain fills more than a quarter of these pixels: cross-entropy sees enough of "
        "it. The three losses differ less than the seeds of one do.",
        "b": "Cross-entropy scores pixels and IoU scores overlap; a net that is right about most "
        "pixels is right about both here, whichever of the losses it had.",
        "c": "The ranges of the seeds overlap. Dice earns its keep where the target is tiny.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "A net trained with class weights gives a flight 0.5. Is it as likely to be cancelled as not?",
    options={
        "a": ("yes, cross-entropy is proper", "Proper for the *weighted* world, where cancelled "
              "flights are as common as the others."),
        "b": ("no, its probabilities are those of balanced data",
              "With weights in the ratio r, odds come out r times too high. Divide them by r, or "
              "train without weights and move the threshold."),
        "c": ("no, it is more likely", "The other way round: weights raise what the net says."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_2",
    "Triplet loss with margin 0.2. The log reads 0.2000 for twenty epochs. What happened?",
    options={
        "a": ("the net is perfect", "Perfect would be 0."),
        "b": ("all rows land on one point", "Both distances are 0 and the margin is left. A lower "
              "rate or easier negatives (semi-hard) help."),
        "c": ("the margin is too small", "A larger margin would only be the new number it is "
              "stuck at."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_3",
    "Your own loss ends in `ops.mean(values)`, without an axis. It trains well on one device. What "
    "is wrong?",
    options={
        "a": ("nothing", "On one device, no difference. Row weights and several devices tell."),
        "b": ("it hides the rows from Keras, which can no longer average them itself",
              "One value per row lets Keras weight, mask and average the rows, on any number of "
              "devices."),
        "c": ("the gradient is lost", "The mean has a gradient."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_4",
    f"From {lesson('losses')}: a net ends in raw scores. What must its cross-entropy be told?",
    options={
        "a": ("`from_logits=True`", "Otherwise the scores are clipped to probabilities, and "
              "clipped scores have no gradient."),
        "b": ("`reduction=None`", "That keeps one value per row; logits are another matter."),
        "c": ("nothing, it sees it", "A loss sees numbers, not where they come from."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_5",
    f"From {lesson('losses')}: which probability should a forecaster say, to pay the least log "
    "loss?",
    options={
        "a": ("the most certain one", "A confident wrong answer is what costs most."),
        "b": ("0.5 when in doubt", "That costs ln 2 each time, more than the truth would."),
        "c": ("the true one", "Log loss is proper: it is lowest at the true probability."),
    },
    answer="c",
)  # fmt: skip
check.card(
    "Accuracy, precision, recall, F1, from TP, FP, FN and TN?",
    "(TP + TN) / all; TP / (TP + FP); TP / (TP + FN); 2 P R / (P + R) = 2 TP / (2 TP + FP + FN).",
)
check.card(
    "Class weights that make K classes count alike? What do they cost?",
    "n / (K n_c). The net then answers for balanced data: its odds are too high by the ratio of "
    "the weights. Weight, over- or undersample the *training* rows only.",
)
check.card(
    "Focal loss: formula, and how much gamma 2 takes from a row at p = .9?",
    "-alpha (1 - p)^gamma ln p, with p the probability of the true class. It takes a factor of 100 "
    "at p = .9, and 0.81 is left at p = .1. Gamma 0 is cross-entropy.",
)
check.card(
    "Keras's focal losses: which of them uses alpha?",
    "`BinaryFocalCrossentropy` only with `apply_class_balancing=True`. "
    "`CategoricalFocalCrossentropy` always multiplies by its alpha of 0.25.",
)
check.card(
    "Label smoothing s over K classes: the target, and the lowest loss?",
    "1 - s + s / K for the label, s / K for each other class. The lowest loss is the entropy of "
    "that target: 0.5 for s = 0.1 and K = 10.",
)
check.card(
    "Contrastive and triplet loss?",
    "y d² + (1 - y) max(0, m - d)², and max(0, d²(a, p) - d²(a, n) + m). A triplet loss that "
    "stands at m has collapsed to one point. Keras has neither of them (it has `Circle`).",
)
check.card(
    "Dice loss, and when it helps?",
    "1 - (2 sum(y p) + s) / (sum(y) + sum(p) + s): overlap, so background that is right adds "
    "nothing. For tiny targets; often together with cross-entropy. Keras's `Dice()` is one number "
    "for the whole batch; `coursekit.losses.CrossentropyDice` gives one per image.",
)
check.card(
    "Which loss for which task? Ten in one card.",
    "Clean numbers: MSE. Odd targets: Huber, MAE. Yes or no: BCE. One of K: CCE. Rare classes: "
    "weights, focal, class-balanced, or move the threshold. Same or different: contrastive, "
    "triplet. Masks: Dice, CE + Dice. Margin: hinge. GANs: adversarial. Doubt: smoothing.",
)
