"""Custom losses: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, lesson
from coursekit.lessons import _custom_losses as parts

__all__ = ["check", "parts"]

check = Lesson("custom_losses", "What if the standard losses miss the point?")


# --------------------------------------------------------------------------------------------------


# For the second model: TP = 10, FP = 10, FN = 0, TN = 980.
PRECISIONS = {"as_accuracy": 0.99, "found_all": 1.0, "of_all_rows": 0.01, "flagged": 0.02,
              "ratio": 2.0}  # fmt: skip
F1S = {"arithmetic": 0.75, "geometric": 0.5**0.5, "no_two": 1 / 3, "product": 0.5,
       "f1_accuracy": 0.99, "f1_recall": 1.0, "f1_macro": 0.83079, "sum": 1.5,
       "of_no": 0.0, "of_yes": 2 * 10 / 1010}  # fmt: skip


@check.exercise(
    title="Two lazy models",
    messages={
        "accuracy_of_positives": "{got} is not the share of right answers: the model that always "
        "says no is right about every negative row.",
        "accuracy_error": "{got} is the share of *wrong* answers of the model that always says no.",
        "accuracy_one": "{got} would be a model without an error. This one misses every positive.",
        "accuracy": "`accuracy` is the share of right answers among all 1,000 rows. You gave "
        "{got}. How many answers of the model that always says no are right?",
        "recall_as_accuracy": "recall asks about the 10 positive rows alone: how many of them did "
        "the model find? You gave {got}, which is the share of right answers among all rows.",
        "recall": "recall is the share of the positives that were found. Which of them does a "
        "model find that always says no? You gave {got}.",
        "as_accuracy": "`precision` is about the second model's 20 alarms alone. You gave {got}, "
        "the share of right answers among all rows.",
        "found_all": "{got} is the second model's *recall*: it finds all positives. `precision` "
        "asks how many of its alarms are true.",
        "of_all_rows": "{got} is the share of the positives among all rows. `precision` is about "
        "the 20 rows that were flagged.",
        "flagged": "{got} is the share of rows that the second model flags. How many of these "
        "alarms are true?",
        "ratio": "{got} is alarms for each true one; precision is the other way round.",
        "precision": "`precision` is TP / (TP + FP) of the second model. You gave {got}. Of its 20 "
        "alarms, how many are true?",
        "arithmetic": "{got} is the plain mean of precision and recall. F1 is the *harmonic* mean, "
        "2PR / (P + R), which stays near the smaller one.",
        "geometric": "{got} is the root of precision times recall. F1 is 2PR / (P + R).",
        "no_two": "{got} is PR / (P + R): the 2 is missing.",
        "product": "{got} is precision times recall, or the precision itself. F1 is 2PR / (P + R).",
        "f1_accuracy": "{got} is the second model's accuracy. F1 looks away from the many true "
        "negatives.",
        "f1_recall": "{got} is the second model's recall. F1 looks at its false alarms too.",
        "f1_macro": "{got} is the mean of the F1 of both classes. It gives half its marks for the "
        "class that needs no model. F1 here is that of the positive class.",
        "sum": "{got} is precision plus recall. F1 is 2PR / (P + R), and never above 1.",
        "of_no": "{got} is the F1 of the model that always says no. Here the second one is asked.",
        "of_yes": "{got} is the F1 of a model that always says yes. Here the second one is asked.",
        "f1": "`f1` is that of the second model, from its precision and its recall. You gave "
        "{got}.",
        "watch_accuracy": "the numbers are right. But the accuracy is the one that a model which "
        "always says no makes look good: 0.99, without finding a single positive.",
        "watch_recall": "the numbers are right. Recall shows up the model that always says no; but "
        "one that always says *yes* has recall 1, and it is as useless. Which is low for both?",
    },
    hints=[
        "Count the four cases first, for each model: TP, FP, FN, TN.",
        "Always no: TP = 0, FP = 0, FN = 10, TN = 990. The second: TP = 10, FP = 10, FN = 0, TN = "
        "980. Put them into the formulas above.",
        "For the last answer, work out the same for a model that always says yes: TP = 10, "
        "FP = 990.",
    ],
    why="Always no: accuracy 990 / 1,000 = 0.99, recall 0 / 10 = 0. The second: precision 10 / 20 "
    "= 0.5, recall 1, F1 = 20 / 30 = 0.67. Always yes has recall 1 and F1 = 20 / 1,010 = 0.02: F1 "
    "is low for both lazy models; accuracy and recall are each high for one.",
    alternative="`keras.metrics.Precision()`, `Recall()` and `F1Score(threshold=0.5)` count the "
    "same, as do `sklearn.metrics.precision_score` and its like.",
)
def always_no(accuracy, recall, precision, f1, watch):
    right = _share(accuracy, "`accuracy`")
    if not expect.is_rounded(right, 0.99):
        slips = {"accuracy_error": 0.01, "accuracy_of_positives": 0.0, "accuracy_one": 1.0}
        _name(right, slips, accuracy)
        raise Wrong("accuracy", got=accuracy)
    found = _share(recall, "`recall`")
    if found != 0:
        _name(found, {"recall_as_accuracy": 0.99}, recall)
        raise Wrong("recall", got=recall)
    alarms = _share(precision, "`precision`")
    if not np.isclose(alarms, 0.5, atol=5e-3):
        _name(alarms, PRECISIONS, precision)
        raise Wrong("precision", got=precision)
    both = _share(f1, "`f1`")
    if not expect.is_rounded(both, 2 / 3):
        _name(both, F1S, f1)
        raise Wrong("f1", got=f1)
    watch = expect.name(watch, ["accuracy", "recall", "f1"], "`watch`")
    if watch != "f1":
        raise Wrong(f"watch_{watch}")


def _name(got: float, slips: dict, answer, tolerance: float = 4e-3) -> None:
    """Raise the slip that a number shows."""
    for key, value in slips.items():
        if np.isclose(got, value, rtol=tolerance, atol=1e-6):
            raise Wrong(key, got=answer)


def _share(answer, what) -> float:
    """Return a number between 0 and 1; 99 means 99 %."""
    value = expect.numeral(answer, what)
    return value / 100 if 2 < value <= 100 else value


# --------------------------------------------------------------------------------------------------


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
        "bits": "the weights are right. {got} comes from the logarithm to base 2; Keras takes the "
        "natural one.",
        "base_10": "the weights are right. {got} comes from the logarithm to base 10; Keras takes "
        "the natural one.",
        "two_classes": "the weights are right. {got} counts the two classes as one row each. There "
        "are 990 rows of one and 10 of the other.",
        "one_class": "the weights are right. {got} is the part of the loss that class {label} has "
        "in it; the other class is missing.",
        "one_row": "the weights are right. {got} is what one row of class {label} costs.",
        "no_cost": "the weights are right. {got} is their mean over the rows. What does a row cost "
        "whose probability is 0.5?",
        "zero_loss": "the weights are right. A loss of {got} is that of a net which is certain and "
        "right; this one says 0.5 to every row.",
        "factor": "the weights are right. {got} is {factor} times what Keras reports: the weighted "
        "sum over all rows, divided by their number.",
        "first_loss": "the weights are right. With them each row costs ln 2 times its weight; "
        "Keras reports the mean of that over 1,000 rows. You gave {got}.",
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
    _judge_first_loss(expect.numeral(first_loss, "`first_loss`"), zero, one)


def _judge_first_loss(got, zero, one):
    """Raise what is wrong with the loss that Keras reports first, for right weights."""
    mean, ln_2 = (990 * zero + 10 * one) / 1000, np.log(2)
    wanted = mean * ln_2
    if np.isclose(got, wanted, rtol=0.02):
        return
    if np.isclose(got, ln_2, rtol=0.01):
        raise Wrong("by_weights", mean=round(mean, 3))
    slips = {"by_nothing": 1000 * wanted, "zero_loss": 0.0, "bits": mean, "two_classes":
             (zero + one) * ln_2, "base_10": mean * np.log10(2)}  # fmt: skip
    if np.isclose(mean, 1, rtol=0.02):
        slips["no_cost"] = slips.pop("bits")
    _name(got, slips, got)
    _name(got, {"two_classes": (zero + one) * ln_2 / 2}, got)
    for label, (count, weight) in enumerate(((990, zero), (10, one))):
        for key, part in (("one_class", count * weight / 1000), ("one_row", weight)):
            if np.isclose(got, part * ln_2, rtol=4e-3):
                raise Wrong(key, got=got, label=label)
    for factor in (-1, 0.5, 2, -2, 10, 0.1, 100, 0.01, 0.001, 1 / 990, 990):
        if np.isclose(got, factor * wanted, rtol=0.01):
            raise Wrong("factor", got=got, factor=factor)
    raise Wrong("first_loss", got=got)


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
        "not_smallest": "with gamma {gamma} the positives own most of the loss. But so "
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
        "share_other": "the gamma is right. {got} is the share with gamma {gamma}.",
        "share_per_row": "the gamma is right. {got} compares *one* positive with *one* negative. "
        "There are 25 of these and 975 of those.",
        "no_log": "the gamma is right. {got} comes from the factors (1 - p)^gamma alone, without "
        "-ln p.",
        "share_sum": "the gamma is right. {got} is what one of the groups adds to the loss. Which "
        "part of the whole is that of the positives?",
        "share_above": "the gamma is right. A share lies between 0 and 1 (or 0 and 100 %); you "
        "gave {got}.",
        "share": "the gamma is right. {got} is not the share that the positives own. Add up the "
        "focal loss of each group, with gamma {gamma}, and compare.",
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
    gamma = expect.numeral(gamma, "`gamma`")
    if gamma < 0 or gamma != round(gamma):
        raise Wrong("integer", gamma=gamma)
    easy, hard = _shares(gamma)
    wanted = hard / (easy + hard)
    if gamma == 0:
        raise Wrong("ce", share=round(wanted, 3))
    if gamma > 1:
        raise Wrong("not_smallest", gamma=gamma)
    given = expect.numeral(share, "`share`")
    got = given / 100 if 5.5 < given <= 100 else given
    if np.isclose(got, wanted, atol=6e-3):
        return
    if any(np.isclose(given, sum_, rtol=0.01) for sum_ in (easy, hard)):
        raise Wrong("share_sum", got=share)
    easy_0, hard_0 = _shares(0)
    swapped = hard_0 * 0.1 / (hard_0 * 0.1 + easy_0 * 0.9)
    each = easy / 975, hard / 25
    slips = {"share_at_zero": hard_0 / (easy_0 + hard_0), "share_count": 0.025, "share_negatives":
             1 - wanted, "swapped_p": swapped, "share_ratio": hard / easy, "share_per_row":
             each[1] / sum(each), "no_log": 25 * 0.9 / (25 * 0.9 + 975 * 0.1)}  # fmt: skip
    for key, slip in slips.items():
        if np.isclose(got, slip, rtol=0.01, atol=1e-3):
            raise Wrong(key, got=share)
    for other in (2, 3, 5):
        easy, hard = _shares(other)
        if np.isclose(got, hard / (easy + hard), rtol=2e-3):
            raise Wrong("share_other", got=share, gamma=other)
    if not 0 <= got <= 1:
        raise Wrong("share_above", got=share)
    raise Wrong("share", got=share, gamma=gamma)


# --------------------------------------------------------------------------------------------------

PRICE, RATIO, SAID = 20, 40, 0.8


@check.exercise(
    title="Where to cut?",
    messages={
        "cut_ratio": "{got} is the ratio of the prices. At that probability 19 false alarms come "
        "with one true one, and you would pay for 20. Compare what the two choices cost on "
        "average: raising the alarm costs 1 times (1 - p).",
        "cut_complement": "{got} says: alarm only if it is nearly certain. That is right if the "
        "*false alarm* costs 20 times as much.",
        "cut_half": "{got} is right if both errors cost the same. Here a miss costs 20 times as "
        "much.",
        "cut_one_less": "{got} is one over 19: close. Raising the alarm costs (1 - p), keeping "
        "still costs 20 p. At which p are they equal?",
        "cut_odds": "{got} is odds, or a ratio of prices. A probability is asked for, between 0 "
        "and 1.",
        "cut": "with p = {got}, keeping still costs {still} on average and raising the alarm "
        "{alarm}, in false alarms. At the cut the two are equal.",
        "honest_odds": "`cut` is right. {got} is the honest *odds*. A probability is odds / (1 + "
        "odds).",
        "honest_divided": "`cut` is right. {got} is the probability divided by 40. It is the odds "
        "that weights multiply.",
        "honest_multiplied": "`cut` is right. {got} multiplies the odds by the ratio of the "
        "weights. The net has done that; take it back.",
        "honest_same": "`cut` is right. {got} is what the weighted net says itself, for a world in "
        "which cancelled flights count 40 times.",
        "honest_41": "`cut` is right. {got} divides by 41, the sum of the weights; the odds are "
        "multiplied by their ratio.",
        "honest_at_half": "`cut` is right. {got} is what honestly stands behind a 0.5 of this net. "
        "It says 0.8.",
        "honest_complement": "`cut` is right. {got} is the probability that the flight is *not* "
        "cancelled.",
        "honest": "`cut` is right. With `honest` = {got} the weighted net would say {said}, and "
        "it says 0.8.",
    },
    hints=[
        "For `cut`: with probability p a flight is cancelled. What does each choice cost on "
        "average: the alarm, and no alarm?",
        "The alarm costs 1 - p, no alarm 20 p. For `honest`: which odds belong to 0.8, and which "
        "are they before they are multiplied?",
        "Solve 1 - p = 20 p. And 0.8 / 0.2 / 40 are odds; back to a probability: odds / (1 + "
        "odds).",
    ],
    why="1 - p = 20 p at p = 1/21, about 0.048. The net's 0.8 are odds of 4; divided by 40 they "
    "are 0.1, a probability of 0.1 / 1.1 = 1/11, about 0.09: still well above the cut.",
    alternative="subtract the logarithm of the ratio from the logit, `z - np.log(40)`, and take "
    "the sigmoid.",
)
def threshold(cut, honest):
    got = _in_percent(expect.numeral(cut, "`cut`"), 1 / (1 + PRICE))
    if not expect.is_rounded(got, 1 / (1 + PRICE)):
        _name(got, {"cut_ratio": 1 / PRICE, "cut_complement": PRICE / (1 + PRICE), "cut_half": 0.5,
                    "cut_one_less": 1 / (PRICE - 1)}, cut)  # fmt: skip
        if not 0 <= got <= 1:
            raise Wrong("cut_odds", got=cut)
        raise Wrong("cut", got=cut, still=round(PRICE * got, 3), alarm=round(1 - got, 3))
    odds = SAID / (1 - SAID)
    right = odds / RATIO / (1 + odds / RATIO)
    got = _in_percent(expect.numeral(honest, "`honest`"), right)
    if expect.is_rounded(got, right) or round(got, 6) == 0.09:
        return
    of_sum = odds / (1 + RATIO)
    _name(got, {"honest_odds": odds / RATIO, "honest_divided": SAID / RATIO, "honest_multiplied":
                odds * RATIO / (1 + odds * RATIO), "honest_same": SAID, "honest_41":
                of_sum / (1 + of_sum), "honest_at_half": 1 / (1 + RATIO), "honest_complement":
                1 - right}, honest)  # fmt: skip
    if not 0 <= got < 1:
        raise Wrong("cut_odds", got=honest)
    said = RATIO * got / (1 - got) / (1 + RATIO * got / (1 - got))
    raise Wrong("honest", got=honest, said=round(said, 3))


def _in_percent(got: float, right: float) -> float:
    """Return a number as a share if it is the right one in per cent."""
    return got / 100 if expect.is_rounded(got / 100, right) else got


# --------------------------------------------------------------------------------------------------

TRUE = np.array([[3, 1, 0], [2, -1, 1], [0, 4, 2], [5, 5, -1], [-2, 0.5, 3]], "float32")
SAID_5 = np.array([[1, 2, 2], [2.5, -3, 2], [1, 4.5, 1.5], [2, 9, 1], [-2.5, 0, 2]], "float32")


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
        "summed": "for three outputs you add up the costs; the task asks for their mean.",
        "negative": "too {side} by 1 costs {got}: an error that earns something will be made "
        "larger and larger. Use the size of the error.",
        "one_side": "too {side} by 1 costs 0: nothing stops the net from going that way for ever. "
        "Both sides have a price.",
        "scaled": "too low by 1 costs {low}, too high by 1 {high}: the ratio is right, and the "
        "task asks for 3 and 1.",
        "no_gradient": "the values are right. But the gradient is lost: NumPy, `float` and "
        "`stop_gradient` cut it off. Use `keras.ops`, from the first line to the last.",
        "gradient": "the values are right. But the gradient for a forecast that is too {side} is "
        "{got}; nudged by a little, your loss changes by {wanted} times as much.",
        "extreme": "the values are right. But for an error of 1e6 your loss is {got}. Does an "
        "`exp`, a square or a 16-bit number overflow?",
        "exact": "the values are right. But for a forecast that is exact, the loss or its gradient "
        "is not finite: one way to get this is a root, or a division by the error.",
        "prices": "too low by 1 costs {low}, too high by 1 {high}. The task asks for 3 and 1.",
        "curved": "too low by 1 costs {low}, too low by 2 costs {low_2}: the cost should grow in "
        "proportion to the error.",
        "largest": "for three outputs you take the largest cost; the task asks for the mean.",
        "middle": "for three outputs you take the median of the costs; the task asks for their "
        "mean.",
        "one_output": "your loss looks at one of the outputs alone. A row may have several: take "
        "the mean over the last axis.",
        "netted": "for three outputs you average the errors first: one that is too low and one "
        "that is too high cancel out. Take the price of each, then the mean.",
        "over_rows": "for several rows each of your values depends on the other rows too. A value "
        "belongs to one row.",
        "wrong": "for one output your loss is right. For targets {y} and forecasts {p}, three "
        "outputs each, you get {got}: that is not the mean of the costs over the last axis.",
        "covers_low": "the loss is right. {got} is the share of deliveries that arrive *after* "
        "the time said; or what is right if too *high* cost three times as much.",
        "covers_half": "the loss is right. Half is what MAE gives (the median). Here one minute up "
        "saves 3 for each late row and costs 1 for each early one: when do they balance?",
        "covers_ratio": "the loss is right. {got} is a ratio of the prices, or of the "
        "shares. One minute up saves "
        "3 on a share 1 - c and costs 1 on a share c: when do they balance?",
        "covers": "the loss is right. If {got} of the deliveries arrive before the time said, one "
        "minute more costs 1 for each of those and saves 3 for each of the others. It should be "
        "even.",
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
    got = _values(answer, TRUE, SAID_5)
    if got.size == 1:
        raise Wrong("one_number", got=float(got.ravel()[0]))
    if got.shape == TRUE.shape:
        raise Wrong("per_output", got=got.shape)
    got = expect.array(got.reshape(-1) if got.shape == (5, 1) else got, (5,))
    _judge_prices(low, high, low_2)
    _judge_outputs(answer, got)
    far = float(_values(answer, [[1e6]], [[0.0]], finite=False).ravel()[0])
    if not np.isclose(far, 3e6, rtol=1e-2):
        raise Wrong("extreme", got=far)
    _judge_gradient(answer)
    _judge_covers(expect.numeral(covers, "`covers`"))


def _judge_prices(low, high, low_2):
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
    if not np.allclose((low, high), (3, 1), rtol=1e-3):
        raise Wrong("prices", low=low, high=high)
    if not np.isclose(low_2, 2 * low, rtol=1e-3):
        raise Wrong("curved", low=low, low_2=low_2)


def _judge_outputs(answer, got):
    error = (TRUE - SAID_5).astype("float64")
    costs = np.maximum(3 * error, -error)
    if np.allclose(got, costs.mean(axis=-1), rtol=1e-4, atol=1e-5):
        return
    mean = error.mean(axis=-1)
    slips = [("summed", costs.sum(axis=-1)), ("largest", costs.max(axis=-1)),
             ("middle", np.median(costs, axis=-1)), ("netted", np.maximum(3 * mean, -mean)),
             *(("one_output", costs[:, k]) for k in range(3))]  # fmt: skip
    for key, slip in slips:
        if np.allclose(got, slip, rtol=1e-4, atol=1e-5):
            raise Wrong(key)
    alone = [_values(answer, TRUE[k : k + 1], SAID_5[k : k + 1]).ravel() for k in range(5)]
    if not np.allclose(np.concatenate(alone)[:5], got, rtol=1e-4, atol=1e-5):
        raise Wrong("over_rows")
    raise Wrong("wrong", y=TRUE[:2], p=SAID_5[:2], got=got[:2])


def _values(answer, y, p, finite=True):
    """Return the loss of float32 tensors as an array."""
    import keras

    y, p = (keras.ops.convert_to_tensor(np.array(v, "float32")) for v in (y, p))
    value = answer(y, p)
    return expect.array(value, what="the returned loss") if finite else np.asarray(value)


def _judge_gradient(answer):
    """Hold the gradient against finite differences, away from the kink; at it, it is finite."""
    y, p = np.array([[3.0], [3.0]], "float32"), np.array([[1.0], [4.0]], "float32")
    try:
        _, slope = parts.values_and_slope(answer, y, p)
    except Exception as error:  # NumPy cannot look into what JAX traces
        if "Tracer" in type(error).__name__:
            raise Wrong("no_gradient") from None
        raise
    if not slope.any():
        raise Wrong("no_gradient")
    for side, got, wanted in zip(("low", "high"), slope.ravel(), (-3.0, 1.0), strict=True):
        if not np.isclose(got, wanted, atol=1e-3):
            raise Wrong("gradient", side=side, got=float(got), wanted=wanted)
    values, slope = parts.values_and_slope(answer, TRUE, TRUE)
    if not (np.isfinite(values).all() and np.isfinite(slope).all()):
        raise Wrong("exact")


def _judge_covers(got):
    share = got / 100 if 4 < got <= 100 else got
    if np.isclose(share, 0.75, atol=6e-3):
        return
    for key, slips in (("covers_low", (0.25,)), ("covers_half", (0.5,)),
                       ("covers_ratio", (3.0, 1 / 3, 2 / 3))):  # fmt: skip
        if any(np.isclose(share, slip, atol=6e-3) for slip in slips):
            raise Wrong(key, got=got)
    raise Wrong("covers", got=got)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_focal",
    reasons={
        "a": "The factor is .9² = .81. No row costs more; the easy ones lose far more than the "
        "hard ones do.",
        "b": "It stays the same only at p = 0.",
        "c": "Every factor (1 - p)^gamma is at most 1, so no row costs more than before. The hard "
        "rows gain only a larger *share* of what is left.",
    },
    answer="a",
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
    "A training loss with label smoothing 0.1 over ten classes stops at 0.52. What is wrong?",
    options={
        "a": ("the net is too small", "It could be; but this number does not say so. What is the "
              "lowest loss that there is?"),
        "b": ("the rate is too low", "It could be; but this number does not say so. What is the "
              "lowest loss that there is?"),
        "c": ("hardly anything", "The lowest smoothed loss is 0.50 here: the entropy of the "
              "target."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_3",
    "Your own loss ends in `ops.mean(values)`, without an axis. It trains well on one device. What "
    "is wrong?",
    options={
        "a": ("it hides the rows from Keras, which can no longer average them itself",
              "One value per row lets Keras weight, mask and average the rows, on any number of "
              "devices."),
        "b": ("nothing", "On one device, no difference. Row weights and several devices tell."),
        "c": ("the gradient is lost", "The mean has a gradient."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_4",
    f"From {lesson('losses')}: a net ends in raw scores. What must its cross-entropy be told?",
    options={
        "a": ("`reduction=None`", "That keeps one value per row; logits are another matter."),
        "b": ("`from_logits=True`", "Otherwise the scores are clipped to probabilities, and "
              "clipped scores have no gradient."),
        "c": ("nothing, it sees it", "A loss sees numbers, not where they come from."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_5",
    f"From {lesson('losses')}: which probability should a forecaster say, to pay the least log "
    "loss?",
    options={
        "a": ("the true one", "Log loss is proper: it is lowest at the true probability."),
        "b": ("0.5 when in doubt", "That costs ln 2 each time, more than the truth would."),
        "c": ("the most certain one", "A confident wrong answer is what costs most."),
    },
    answer="a",
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
    "A miss costs k times as much as a false alarm. From which probability on do you raise the "
    "alarm?",
    "1 / (k + 1), if the probability is honest. After class weights in the ratio r, divide the "
    "odds by r first.",
)
check.card(
    "How do you test a loss of your own?",
    "One value per row; the gradient against finite differences; finite at exact and at extreme "
    "predictions. Then save it and load it: settings belong in `get_config`.",
)
