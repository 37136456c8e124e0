"""What are the curves telling you? Checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, expect, has_dots, lesson, with_article
from coursekit.lessons import _monitoring as parts
from coursekit.lessons._clinic import CHANGES

__all__ = ["check", "parts"]

check = Lesson("monitoring", "What are the curves telling you?")


# --------------------------------------------------------------------------------------------------

GROUPS = {"healthy": "BE", "turns_up": "CG", "levelled_high": "I", "hardly_moves": "DH",
          "wild": "AF"}  # fmt: skip
SEEN = {
    "A": "how often does its training loss go up, and how low is it in the end?",
    "B": "both its curves fall together and level off near 0.",
    "C": "compare the lowest point of its validation loss with the last one.",
    "D": "how far is it from what guessing costs, after all its epochs?",
    "F": "how often does its training loss go up, and how low is it in the end?",
    "G": "compare the lowest point of its validation loss with the last one.",
    "H": "how far is it from what guessing costs, after all its epochs?",
    "I": "it has come down from 2.3, in training and in validation. And then?",
}


@check.exercise(
    title="Name them",
    messages={
        "missing": "cases without a group: {count} of nine. Each letter is wanted once.",
        "twice": "case {letter} stands in {groups}. Each letter is wanted once.",
        "below": "E is not {group}. Its validation loss is lowest after the last epoch, and lies "
        "below its training loss. That alone is no fault: what is switched on while a net trains, "
        "and off when it is validated?",
        "wrong": "{letter} is not {group}: {seen}",
    },
    hints=[
        "For each case ask: where does it start, where does it end, how does it get there?",
        "Guessing costs 2.3. Who ends near it? Who jumps? Who comes down halfway?",
        "In what is left, compare the lowest validation loss with the last: the caption has both.",
    ],
    why="B and E fall together; E has dropout, which is off in validation. C and G turn up. I "
    "levels off where its net can do no more. D and H hardly leave 2.3. A and F jump about.",
    alternative="the letters of a group in any order and spelling.",
)
def clinic(healthy, turns_up, levelled_high, hardly_moves, wild):
    given = dict(zip(GROUPS, (healthy, turns_up, levelled_high, hardly_moves, wild), strict=True))
    if any(map(has_dots, given.values())):
        raise NotDone
    found = {
        group: expect.letters(letters, "ABCDEFGHI", f"`{group}`")
        for group, letters in given.items()
    }
    placed = {letter for letters in found.values() for letter in letters}
    for letter in "ABCDEFGHI":
        names = [group for group, letters in found.items() if letter in letters]
        if len(names) > 1:
            raise Wrong("twice", letter=letter, groups=" and ".join(names))
        if not names:
            raise Wrong("missing", count=9 - len(placed))
        if letter not in GROUPS[names[0]]:
            if letter == "E":
                raise Wrong("below", group=f"`{names[0]}`")
            raise Wrong("wrong", letter=letter, group=f"`{names[0]}`", seen=SEEN[letter])


# --------------------------------------------------------------------------------------------------

RUNS = {"AF": "c", "CG": "d", "DH": "b"}
NO_DECISION = {
    ("AF", "a"): "a tenth of the rate calms both: it cures one disease and hides the other.",
    ("AF", "b"): "ten times the rate makes both wilder.",
    ("AF", "d"): "other validation rows leave the training loss as it is, and that is what jumps.",
    ("AF", "e"): "with more units both still jump: neither the rate nor the batch has changed.",
    ("AF", "f"): "you have seen it: another seed gives the same pictures.",
    ("CG", "a"): "a tenth of the rate slows both: neither turns up within its epochs, and why it "
    "did is as open as before.",
    ("CG", "b"): "ten times the rate turns both up as well, sooner.",
    ("CG", "c"): "batches of 64 change the steps, and in both the validation rows are what they "
    "were.",
    ("CG", "e"): "with more units both still end above their lowest point.",
    ("CG", "f"): "another seed gives the same pictures, as it does for A and F.",
    ("DH", "a"): "at a tenth of the rate both still hardly move.",
    ("DH", "c"): "batches of 64 mean fewer steps: both still hardly move.",
    ("DH", "d"): "other validation rows do not change how a net trains.",
    ("DH", "e"): "with more units both still hardly move.",
    ("DH", "f"): "another seed gives the same pictures, as it does for A and F.",
}  # fmt: skip
VERDICTS = {
    "AF": ("small_batch", "A", "the batch that is too small",
           "A large batch takes a small one's noise away. A step that is too long stays too long."),
    "CG": ("foreign_rows", "G", "the foreign validation rows",
           "Rows held back come from where the training rows come from. On which case does "
           "validation then end near its lowest point?"),
    "DH": ("low_rate", "D", "the rate that is too low",
           "A rate that is too low is cured by a higher one. A gradient that vanishes is not."),
}  # fmt: skip


@check.exercise(
    title="Which run decides?",
    messages={
        "keys": "`runs` should be a dict with the entries 'AF', 'CG' and 'DH'.",
        "no_decision": "{pair}: {why} Which run would come out differently for the two causes?",
        "turned": "the runs are well chosen. But {letter} is not the case with {what}. {why}",
        "not_of_pair": "{name} is one of {pair}, and you give {letter}.",
    },
    hints=[
        "Say of each cause what your run would show if it were the one. Is it the same twice?",
        "What is noise in a batch of two, and no more in one of 64? What do foreign rows share "
        "with rows held back? What does a factor of ten do to a gradient of nearly 0?",
        '`runs = {"AF": ..., ...}`, with a letter from a to f for each; then read who changed.',
    ],
    why="A larger batch takes A's noise away and leaves F's steps too long. Held-back rows come "
    "from where G was trained, and G no longer turns up; C does. Ten times the rate makes D move, "
    "and H's gradient is still gone.",
    alternative="a number of seeds for each run makes you surer; the runs are the same.",
)
def decide(runs, small_batch, foreign_rows, low_rate):
    if any(map(has_dots, (runs, small_batch, foreign_rows, low_rate))):
        raise NotDone
    if not isinstance(runs, dict) or len(runs) != len(RUNS):
        raise Wrong("keys")
    given = {"".join(sorted(str(key).upper())): value for key, value in runs.items()}
    if set(given) != set(RUNS):
        raise Wrong("keys")
    if any(map(has_dots, given.values())):
        raise NotDone
    for pair, right in RUNS.items():
        chosen = expect.choice(given[pair], CHANGES, f"the run for {pair}")
        if chosen != right:
            raise Wrong("no_decision", pair=pair, why=NO_DECISION[pair, chosen])
    answers = dict(zip(VERDICTS, (small_batch, foreign_rows, low_rate), strict=True))
    for pair, (name, right, what, why) in VERDICTS.items():
        letter = expect.choice(answers[pair], "ABCDEFGHI", f"`{name}`")
        if letter not in pair:
            raise Wrong("not_of_pair", name=f"`{name}`", pair=" and ".join(pair), letter=letter)
        if letter != right:
            raise Wrong("turned", letter=letter, what=what, why=why)


# --------------------------------------------------------------------------------------------------

PERPLEXITY = {"base_two": 4.0, "loss": 2.0, "inverse": np.exp(-2.0), "base_ten": 100.0,
              "character": np.exp(0.5), "second": np.exp(0.6),
              "logarithm": np.log(2.0), "coarse": 7.0}  # fmt: skip
RMSE = {"no_root": 9.0, "of_variance": np.sqrt(10), "oslo_rmse": 5.0, "halved": 4.5,
        "divided": np.sqrt(0.9)}  # fmt: skip
R2 = {"unexplained": 0.9, "root_by_variance": 0.7, "roots": 1 - 3 / np.sqrt(10),
      "turned_r2": 1 - 10 / 9, "oslo_r2": 0.75, "root_of_r2": np.sqrt(0.1), "percent": 10.0,
      "rome_by_oslo": 1 - 9 / 100, "oslo_by_rome": 1 - 25 / 10}  # fmt: skip


@check.exercise(
    title="Three decisions",
    messages={
        "base_two": "{got} is 2 to the power of 2. The loss is in nats, so the base is another.",
        "base_ten": "{got} is 10 to the power of 2. The loss is in nats, so the base is another.",
        "loss": "{got} is the loss itself. Perplexity turns it into a number of words.",
        "inverse": "{got} is a probability: that of the right word, in the geometric mean. Between "
        "how many equally likely words is the model torn?",
        "character": "{got} counts the loss by character. Asked is the perplexity of a token.",
        "second": "{got} belongs to the second model.",
        "logarithm": "{got} is the logarithm of 2. Perplexity undoes a logarithm.",
        "coarse": "{got} is close, but too coarse: perplexity need not be whole. Give two digits.",
        "per_what": "the perplexity is right. 0.6 is less than 2.0, but they are losses of "
        "different things. How much does the first model lose for each character?",
        "no_root": "the language is right. {got} is the mean squared error, in squared degrees.",
        "of_variance": "the language is right. {got} is the root of the variance.",
        "oslo_rmse": "the language is right. {got} belongs to Oslo.",
        "halved": "the language is right. {got} is half of 9. The root is another thing.",
        "divided": "the language is right. {got} is the root of a share. RMSE knows no variance.",
        "unexplained": "RMSE is right. {got} is the share that is *not* explained.",
        "root_by_variance": "RMSE is right. {got} divides the root by a variance: R2 compares "
        "squares with squares.",
        "roots": "RMSE is right. {got} compares roots; R2 compares the squares.",
        "turned_r2": "RMSE is right. {got} divides the variance by the error. Turn it round.",
        "oslo_r2": "RMSE is right. {got} belongs to Oslo.",
        "root_of_r2": "RMSE is right. {got} is a root of R2.",
        "percent": "RMSE is right. {got} looks like a percentage. R2 is a share, at most 1.",
        "rome_by_oslo": "RMSE is right. {got} divides Rome's error by the variance in Oslo.",
        "oslo_by_rome": "RMSE is right. {got} divides Oslo's error by the variance in Rome.",
        "smaller_error": "the numbers are right. Rome has the smaller error, but there the mean "
        "alone is nearly as good. What is R2 in Oslo?",
    },
    hints=[
        "Nats belong to the natural logarithm; perplexity undoes it.",
        "Compare losses of the same thing: nats for each character. And R2 with 0, the mean.",
        "`np.exp(...)`; 2.0 / 4 beside 0.6; `np.sqrt(...)`; `1 - .../...`, once for each city.",
    ],
    why="e^2 is 7.39. A token of 4 characters at 2.0 nats is 0.5 nats a character, below 0.6. "
    "RMSE is 3 degrees, R2 is 1 - 9/10 in Rome and 1 - 25/100 in Oslo: a larger error there, and "
    "more knowledge.",
    alternative="`np.exp(2.0)`, `1 - 9 / 10`; 0.6 x 4 = 2.4 nats beside 2.0 decides as well.",
)
def metrics(perplexity, reader, rmse, r2, city):
    _number(perplexity, "`perplexity`", np.exp(2.0), PERPLEXITY)
    if expect.choice(reader, ["tokens", "characters"], "`reader`") != "tokens":
        raise Wrong("per_what")
    _number(rmse, "`rmse`", 3.0, RMSE)
    _number(r2, "`r2`", 0.1, R2)
    if expect.choice(city, ["Rome", "Oslo"], "`city`") != "Oslo":
        raise Wrong("smaller_error")


def _number(answer, what, right, near) -> None:
    """Raise what a number shows that is not the right one, rounded."""
    got = expect.numeral(answer, what)
    if expect.is_rounded(got, right):
        return
    for key, value in near.items():
        if expect.is_rounded(got, value):
            raise Wrong(key, got=got)
    expect.no_slips(got, right, what, tolerance=0.01)
    raise Wrong("type", what=what, wanted="another number", got=f"{got:g}")


# --------------------------------------------------------------------------------------------------

AP = {
    "all_ranks": "the precision of every rank is added, that of misses too",
    "at_end": "it is the precision at the end of the list; where the hits stand does not matter",
    "smoothed": "the precision is smoothed, as benchmarks do; here it is taken as it is",
    "counts": "the hits are counted, and their precision is left out",
    "weights": "a hit counts 1 / rank, and how many hits came before it is left out",
    "found": "there is a division by the hits found: objects that nobody found cost nothing",
    "boxes": "there is a division by the boxes, not by the objects",
    "fewer": "there is a division by the boxes where they are fewer than the objects",
    "sum": "nothing is divided",
    "zero": "ranks count from 0, and one box must count as 1",
    "own": "a hit does not count in its own precision",
    "late": "the precision is that before the box, without the box itself",
    "turned": "the list is read from the worst score to the best",
}
ROUNDED = 6e-3  # two decimals are enough
AP_GROUPS = (
    ("all_ranks", "at_end", "smoothed", "counts", "weights"),
    ("found", "boxes", "fewer", "sum"),
    ("zero", "late", "own"),
    ("turned",),
)


@check.exercise(
    title="A ranking, graded",
    messages={
        "faults": "for the hits {hits} and {objects} objects you return {got}. One way to get all "
        "that you return: {faults}.",
        "wrong": "for the hits {hits} and {objects} objects you return {got}. Go through them one "
        "by one: at each hit, how many hits so far, of how many boxes?",
        "nothing": "for the hits {hits} and {objects} objects you return 0, and so for all others. "
        "One way to get this: `hits == 1` compares a list as a whole, and is False.",
        "empty": "for the hits {hits} and {objects} objects you return {got}. Nothing was found: "
        "what is that worth?",
        "detector": "the function is right. B finds all objects, but the surgeon looks at two "
        "boxes: how many hits are there among its first two?",
    },
    hints=[
        "Precision at a rank: the hits so far by the boxes so far. It counts at hits only.",
        "`np.cumsum(hits)` has the hits so far; `np.arange(1, len(hits) + 1)` the boxes.",
        "`sum(precision at each hit) / objects`: those never found add 0.",
    ],
    why="[1, 0, 1] with 2 objects: 1/1 at the first hit, 2/3 at the second, so 0.83. A hit that "
    "comes late has a low precision; an object that is missed has none. A has both hits on top.",
    alternative="a loop that counts hits and boxes.",
)
def ranking(answer, detector):
    expect.function(answer, "`average_precision`")
    rng = np.random.default_rng(0)
    cases = [([1, 0, 1], 2), ([1, 1, 0, 0, 0], 3), ([0, 0, 1, 1, 1], 3), ([1], 1),
             (rng.integers(0, 2, 12).tolist(), 9), ([0, 1, 0, 1, 1, 0], 5),
             ([1, 0], 4)]  # fmt: skip
    made = [_returned(answer, hits, objects) for hits, objects in cases]
    right = [_precision(hits, objects) for hits, objects in cases]
    if not np.allclose(made, right, atol=ROUNDED):
        raise _misranked(cases, made, right)
    for hits, objects in (([0, 0], 4), ([], 3)):  # later: to divide by the hits fails here
        got = _returned(answer, hits, objects)
        if got != 0:
            raise Wrong("empty", hits=hits, objects=objects, got=got)
    if has_dots(detector):
        raise NotDone
    if expect.choice(detector, ["A", "B"], "`detector`") != "A":
        raise Wrong("detector")


def _returned(answer, hits, objects) -> float:
    given = list(hits)
    got = expect.number(answer(given, objects), f"`average_precision({hits}, {objects})`")
    if given != hits:
        raise Wrong("mutated", argument="hits")
    return got


def _misranked(cases, made, right) -> Wrong:
    at = int(np.argmin(np.isclose(made, right, atol=ROUNDED)))
    told = {"hits": cases[at][0], "objects": cases[at][1], "got": round(made[at], 3)}
    if not np.any(made):
        return Wrong("nothing", hits=told["hits"], objects=told["objects"])
    for count in (1, 2, 3):
        for groups in itertools.combinations(AP_GROUPS, count):
            for faults in itertools.product(*groups):
                theirs = [_precision(hits, objects, faults) for hits, objects in cases]
                if np.allclose(made, theirs, atol=ROUNDED):
                    return Wrong("faults", faults="; ".join(AP[one] for one in faults), **told)
    return Wrong("wrong", **told)


def _precision(hits, objects, faults=()) -> float:
    hits = np.asarray(hits, float)[:: -1 if "turned" in faults else 1]
    ranks = np.arange(1, len(hits) + 1)
    so_far = np.cumsum(hits)
    if "late" in faults:
        so_far, ranks = so_far - hits, ranks - 1
    elif "zero" in faults:
        ranks = ranks - 1
    elif "own" in faults:
        so_far = so_far - hits
    precision = so_far / np.maximum(ranks, 1)
    if "smoothed" in faults:
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    parts_ = {"all_ranks": precision, "counts": hits, "weights": hits / np.maximum(ranks, 1)}
    summed = next((parts_[one] for one in faults if one in parts_), precision * hits).sum()
    below = {"found": max(hits.sum(), 1), "boxes": len(hits),
             "fewer": min(len(hits), objects), "sum": 1}  # fmt: skip
    if "at_end" in faults:
        return float(precision[-1])
    return float(summed / next((below[one] for one in faults if one in below), objects))


# --------------------------------------------------------------------------------------------------

ALARMS = {
    "mean": "it is the mean of those before it; one spike among them hides the next",
    "largest": "it is the largest of those before it that you compare with",
    "low": "20 norms have two in the middle, and you take the lower; the median is half their sum",
    "high": "20 norms have two in the middle, and you take the upper, or count the last norm among "
    "them; the median is half their sum",
    "short": "only 19 of those before it count",
    "long": "21 of those before it count",
    "gap": "the one just before it does not count",
    "own": "the last norm is among the 20 that it is compared with",
    "all": "all norms before it count, from the first step on; what is usual changes",
    "first": "the first 20 norms count, not the 20 just before it",
    "before": "it is compared with the one norm before it",
    "no_factor": "any norm above the usual one is an alarm to you; wanted is 5 times that",
    "any": "an earlier norm that is large sets it off as well; only the last counts",
    "fixed": "you compare with a fixed number; what is usual differs from run to run",
    "early": "with fewer than 20 before it you say what these few say; wanted is False",
    "late": "with just 20 before it you say False; they are enough",
}
ALARM_GROUPS = (("mean", "largest", "before", "low", "high"),
                ("short", "long", "gap", "own", "all", "first"), ("no_factor", "any"),
                ("early", "late"))  # fmt: skip


@check.exercise(
    title="An alarm",
    messages={
        "always": "you say True even where the last norm is like all those before it.",
        "never": "you say False even where the last norm is 100 times the usual one.",
        "turned": "you say True where there is no alarm, and False where there is one.",
        "not_a_number": "for a last norm that is NaN, with {count} before it, you say False. A "
        "comparison with NaN is False; ask for it first.",
        "infinite": "for a last norm that is infinite, with {count} before it, you say False.",
        "faults": "where the last norm is {last} and the median of the 20 before it {median}, you "
        "say {got}. One way to get all that you return: {faults}.",
        "faults_few": "with {count} norms before the last you say {got}. One way to get all that "
        "you return: {faults}.",
        "earlier": "a norm that was infinite 31 steps before the last still sets it off.",
        "edge": "a last norm of exactly 5 times the median is no alarm: more than that is.",
        "wrong": "where the last norm is {last} and the median of the 20 before it {median}, you "
        "say {got}.",
        "wrong_few": "with {count} norms before the last you say {got}.",
    },
    hints=[
        "Three questions, in this order: is it a number; are there enough; is it too large?",
        "`np.isfinite(norms[-1])`; `len(norms)`; `np.median(norms[-21:-1])`.",
        "`if not np.isfinite(...): return True`, `if len(norms) < 21: return False`, "
        "`return norms[-1] > 5 * ...`.",
    ],
    why="The median of the steps just before knows what is usual, and one spike does not move it. "
    "NaN > limit is False, so the worst case needs a question of its own.",
    alternative="`not norms[-1] <= 5 * np.median(norms[-21:-1])` is True for NaN as well, and then "
    "only few norms need care.",
)
def alarm(answer):
    expect.function(answer, "`alarm`")
    cases = _norms()
    said = [_truth(answer, case) for case in cases]
    right = [_alarm(case) for case in cases]
    nan, inf = float("nan"), float("inf")  # and not `np.nan` itself: no step returns that object
    odd = [([1.0] * 30 + [nan], "not_a_number"), ([1.0] * 3 + [nan], "not_a_number"),
           ([1.0] * 30 + [inf], "infinite"), ([1.0] * 3 + [inf], "infinite")]  # fmt: skip
    if said != right:
        raise _misjudged(cases, said, right)
    for norms, key in odd:
        if not _truth(answer, norms):
            raise Wrong(key, count=len(norms) - 1)
    if _truth(answer, [inf] + [1.0] * 31):
        raise Wrong("earlier")
    if _truth(answer, [2.0] * 20 + [10.0]):
        raise Wrong("edge")


def _truth(answer, norms) -> bool:
    given = list(norms)
    value = answer(given)
    if len(given) != len(norms) or any(a is not b for a, b in zip(given, norms, strict=True)):
        raise Wrong("mutated", argument="norms")
    if has_dots(value):
        raise NotDone
    if value is None:
        raise Wrong("none", what="`alarm(...)`")
    wanted = {"what": "`alarm(...)`", "wanted": "True or False"}
    if isinstance(value, str | bytes | dict | set) or callable(value):
        raise Wrong("type", got=with_article(value), **wanted)
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        raise Wrong("type", got=with_article(value), **wanted) from None
    if found.size != 1 or found.dtype.kind not in "biuf":
        raise Wrong("type", got=with_article(value), **wanted)
    return bool(found.reshape(()))


def _norms() -> list[list[float]]:
    """Return runs of norms, none of them near an edge, that tell the slips apart."""
    rng = np.random.default_rng(0)
    quiet = rng.uniform(0.9, 1.1, 60)
    cases = [[*quiet[:30], 100.0], [*quiet[:30], 1.05], [*quiet[:30], 4.0], [*quiet[:30], 6.5],
             [*quiet[:20], 6.5], [*quiet[:19], 6.5], [*quiet[:5], 80.0], [3.0], [3.0, 40.0],
             [*(50 * quiet[:40]), *quiet[:20], 8.0], [*(0.02 * quiet[:40]), *quiet[:20], 3.0],
             [*quiet[:24], *[30.0] * 5, 9.0], [*quiet[:29], 7.0, 9.0],
             [*(0.01 * quiet[:30]), 0.08], [*(100 * quiet[:30]), 200.0],
             [*(9.0 * quiet[:20]), *quiet[:9], *(9 * quiet[:11]), 12.0],
             [*quiet[:20], *quiet[20:30], 4.0, 4.5, 12.0], [*quiet[:30], 5.8],
             [1.0] * 16 + [3.0] * 10 + [12.0], [*quiet[:20], 9.0, *quiet[:5], 8.0],
             [*(9.0 * quiet[:20]), *quiet[:40], 12.0], [1.0] * 10 + [3.0] * 10 + [8.0],
             [1.0] * 11 + [3.0] * 10 + [8.0], [3.0] * 11 + [1.0] * 10 + [12.0],
             [1.0] * 3 + [3.0] * 5 + [1.0] * 10 + [3.0] * 5 + [8.0], [1.0] * 25 + [5.1],
             [1.0] * 25 + [4.9], [*quiet[:25], 30.0, *quiet[:3], 1.1]]  # fmt: skip
    return [[float(one) for one in case] for case in cases]


def _alarm(norms, faults=()) -> bool:
    enough = 1 if "early" in faults else 22 if "late" in faults else 21
    if len(norms) < max(enough, 2):
        return False
    windows = {"own": norms[-20:], "all": norms[:-1], "first": norms[:20], "short": norms[-20:-1],
               "long": norms[-22:-1], "gap": norms[-22:-2]}  # fmt: skip
    window = next((windows[one] for one in faults if one in windows), norms[-21:-1])
    if not window:  # of two norms, without the one before the last
        return False
    usual = np.median(window)
    if "mean" in faults:
        usual = np.mean(window)
    elif "largest" in faults:
        usual = np.max(window)
    elif "before" in faults:
        usual = norms[-2]
    elif "low" in faults or "high" in faults:
        usual = sorted(window)[(len(window) - ("low" in faults)) // 2]
    last = max(norms[-21:]) if "any" in faults else norms[-1]
    return bool(last > (1 if "no_factor" in faults else 5) * usual)


def _misjudged(cases, said, right) -> Wrong:
    if all(said):
        return Wrong("always")
    if not any(said):
        return Wrong("never")
    if all(a != b for a, b in zip(said, right, strict=True)):
        return Wrong("turned")
    at = next(k for k, pair in enumerate(zip(said, right, strict=True)) if pair[0] != pair[1])
    norms, got = cases[at], said[at]
    if len(norms) < 21:
        few, told = "_few", {"count": len(norms) - 1, "got": got}
    else:
        few, told = "", {"last": norms[-1], "median": float(np.median(norms[-21:-1])), "got": got}
    for count in (1, 2, 3):
        for groups in itertools.combinations(ALARM_GROUPS, count):
            for faults in itertools.product(*groups):
                if said == [_alarm(case, faults) for case in cases]:
                    words = "; ".join(ALARMS[one] for one in faults)
                    return Wrong(f"faults{few}", faults=words, **told)
    lasts = [case[-1] for case in cases]
    highest = max((v for v, ok in zip(lasts, said, strict=True) if not ok), default=0)
    lowest = min((v for v, ok in zip(lasts, said, strict=True) if ok), default=0)
    if highest < lowest:
        return Wrong(f"faults{few}", faults=ALARMS["fixed"], **told)
    return Wrong(f"wrong{few}", **told)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_above",
    reasons={
        "a": "Keras logs the mean over the steps of the epoch; validation comes after its end.",
        "b": "Evaluated after the epoch, the training rows cost about as much, and soon less.",
        "c": "It is so in the first epochs of nearly every run: they improve fastest.",
    },
    answer="a",
)
check.prediction(
    "predict_inside",
    reasons={
        "a": "The slopes do not add up on the way down: each multiplies what the one above left.",
        "b": "Each layer multiplies by its weights and a slope of at most 1/4, and 4^6 is 4,096.",
        "c": "The hidden matrices were drawn alike, so their *weights* are alike in size.",
    },
    answer="b",
)
check.prediction(
    "predict_spike",
    reasons={
        "a": "It grows with the distance itself, so a small swing shows in it first.",
        "b": "Near the bottom of a valley the loss grows with the square of the distance: late.",
        "c": "A swing twice as wide has twice the gradient and four times the loss above the "
        "bottom; but that is still small beside the bottom's own loss.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "A net with dropout: its validation loss lies below its training loss. What do you do?",
    options={
        "a": ("search the code for the bug", "That alone is no sign of one."),
        "b": ("stop: the rows have leaked", "It may be; but dropout alone explains it."),
        "c": ("evaluate the training rows too", "Then both are in one mode, and comparable."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "Perplexity 20 a word, or 3 a character, with 5 characters a word. Which predicts better?",
    options={
        "a": ("the second", "Its perplexity is of another thing: of five choices for each word."),
        "b": ("the first", "3 a character are 3^5 = 243 a word."),
        "c": ("that cannot be said", "With the length of a word it can."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "A run hardly moves, and ten times the rate changes nothing. What do you look at next?",
    options={
        "a": ("the gradients, layer by layer", "If they vanish on the way down, that explains it."),
        "b": ("a hundred times the rate", "It was not the rate."),
        "c": ("more epochs", "They go on as before."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    f"From {lesson('overfitting')}: early stopping, without `restore_best_weights`. Which weights "
    "are left?",
    options={
        "a": ("those of the best epoch", "Only if they are restored."),
        "b": ("those of the last epoch", "It waited `patience` epochs, and they went on moving."),
        "c": ("those of the start", "Nothing is put back."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('backpropagation')}: the gradient vanishes in sigmoid layers. Does clipping "
    "help?",
    options={
        "a": ("no", "It makes long gradients shorter. Here they are too short."),
        "b": ("yes", "Clipping only ever shortens."),
        "c": ("with a smaller limit", "A smaller limit shortens more."),
    },
    answer="a",
)
check.card(
    "Why may training loss, as logged, lie above validation loss in a healthy run?",
    "It is a mean over the epoch, while the net improved, and with dropout and augmentation on. "
    "Evaluate the training rows after the epoch to compare.",
)
check.card(
    "Which run tells a rate that is too high from a batch that is too small?",
    "A larger batch at the same rate: noise goes, steps that are too long stay. A smaller rate "
    "helps both, so it decides nothing.",
)
check.card(
    "Validation loss turns up. Overfitting, or foreign rows?",
    "Validate on rows held back from the training rows: overfitting turns up there too.",
)
check.card("When is a training complete?", "When validation no longer falls by more than its "
           "noise: going on would only overfit. Complete does not mean good.")  # fmt: skip
check.card(
    "Perplexity?",
    "e to the mean cross-entropy in nats. Compare it only for the same units of the same text.",
)
check.card(
    "BLEU and ROUGE?",
    "BLEU: the share of my words (runs of 1 to 4) that stand in the reference, each at most as "
    "often as there, times a penalty for being short. ROUGE: the share of the reference's words "
    "that I found.",
)
check.card(
    "IoU, average precision, mAP?",
    "The shared area by that covered together. The precision at each hit of a ranking, summed, by "
    "the number of objects. Its mean over classes.",
)
check.card("RMSE and R2?", "The root of the mean squared error, in the unit of y. 1 - that error / "
           "the variance of y: 0 for the mean, negative for worse.")  # fmt: skip
check.card(
    "A spike: skip, clip or rewind?",
    "A single bad batch: any. A rate or state that is unstable: rewind *and* change the cause; "
    "skipping leaves the weights where it is steep.",
)
